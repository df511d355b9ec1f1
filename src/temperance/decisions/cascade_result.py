"""A cascade as one value that prints itself: its rules, and what they are worth."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Literal

from temperance.calibrators import temperature_of
from temperance.decisions.cascade_measures import Goal
from temperance.frozen import Frozen, plain
from temperance.metrics.estimates import Estimate
from temperance.printable import count_text
from temperance.show import Shown, Table, interval_text, number_text, percent_text

if TYPE_CHECKING:
    from temperance.decisions.cascade_measures import CostCurve, Measure, Way
    from temperance.decisions.cascade_policy import CascadePolicy
    from temperance.decisions.deferral import DeferralRule

__all__ = [
    "CALIBRATED",
    "GAINS",
    "RAW",
    "Cascade",
    "alone",
    "cascade_table",
    "gains",
    "range_text",
    "rule_table",
    "verdict",
]

# The tables of a cascade: its rules, and what each way of answering costs.


RAW = "raw thresholds"

_HOW = {"cross-fitted": "cross-fitted: every row answered by rules of other rows",
        "test": "of the test files"}  # fmt: skip
_MEASURES = {"error": "errors", "spent": "models cost", "cost": "total"}
GAINS = {
    "cost": "the first saves",
    "budget": "the first saves in errors, at equal cost",
    "accuracy": "the first saves in cost, at equal accuracy",
}


def range_text(rule: DeferralRule) -> str:
    """Return the confidences that go on: "below 0.97", "0.41 to 0.95", "never"."""
    if not rule.ranges:
        return "never"
    texts = [
        ("always" if high >= 1.0 else f"below {number_text(high)}")
        if low <= 0.0
        else interval_text(low, high)
        for low, high in rule.ranges
    ]
    return ", ".join(texts)


def verdict(gain: Estimate) -> str:
    """Return "better" or "worse" if the interval of a gain leaves out 0; above 0 is better."""
    if gain.low <= 0.0 <= gain.high:
        return "the same" if gain.low == gain.high else "cannot tell"
    return "better" if gain.value > 0.0 else "worse"


def gains(cascade: Cascade) -> dict[str, Estimate]:
    """Return what calibrated thresholds save against each other way that has the same goal.

    In total cost against every way; with a budget or a target only against raw thresholds, for
    a model alone keeps to neither.
    """
    saved = {RAW: cascade.worth}
    if cascade.goal.kind == "cost":
        for name, each in cascade.differences.items():
            less = each["cost"]
            saved.setdefault(name, Estimate(-less.value, -less.high, -less.low))
    return saved


def rule_table(cascade: Cascade) -> Table:
    """One row per model that decides: when its rows go on, and to which."""
    policy = cascade.policy
    rows = []
    for j, (rule, calibrator) in enumerate(zip(policy.rules, policy.calibrators, strict=True)):
        temperature = temperature_of(calibrator)
        how = calibrator.name if temperature is None else f"T = {number_text(temperature)}"
        rows.append(
            (policy.names[j], how, range_text(rule), policy.names[j + 1], f"{policy.costs[j]:g}")
        )
    columns = ("answers", "calibrated by", "goes on where its confidence is", "to", "at a cost of")
    return Table(columns, tuple(rows), words=frozenset({1, 2, 3}))


def cascade_table(cascade: Cascade) -> Table:
    """One row per way: errors, costs, and what calibrated thresholds save against it."""
    names = [name for name in _MEASURES if name != "cost" or cascade.goal.kind == "cost"]
    saved = gains(cascade)
    rows = []
    for name, way in cascade.ways.items():
        measures = (getattr(way, measure) for measure in names)
        cells = tuple(number_text(each.value) for each in measures)
        gain = ("", "")
        if name in saved:
            own = saved[name]
            interval = interval_text(own.low, own.high, sign=True)
            gain = (f"{number_text(own.value, sign=True)} ({interval})", verdict(own))
        rows.append((name, f"{way.answered[-1]:.1%}".replace("%", " %"), *cells, *gain))
    columns = (
        "", f"rows of {cascade.policy.names[-1]}", *(_MEASURES[name] for name in names),
        f"{GAINS[cascade.goal.kind]} (95 %)", "the first is",
    )  # fmt: skip
    unit = ", in errors" if cascade.goal == Goal("cost", 1.0) else ""
    caption = f"{count_text(cascade.n, 'row')}, {_HOW[cascade.evaluated_on]}; per row{unit}"
    return Table(columns, tuple(rows), caption=caption, words=frozenset({len(columns) - 1}))


# A cascade in sentences: the rule, what it costs, what calibration was worth.


_SAVED = {
    "cost": "{} per row",
    "budget": "{} errors per row at equal cost",
    "accuracy": "{} of cost per row at equal accuracy",
}
_MAIN = {"cost": "cost", "budget": "error", "accuracy": "spent"}


def in_words(cascade: Cascade) -> str:
    """Return the rule, what it costs, what calibration was worth, and the best model alone.

    Where a model alone costs less, that stands first: the rule is no advice then.
    """
    rule, best = _rule(cascade), _best_alone(cascade)
    if _better_alone(cascade):
        return f"{best} The rule found: {rule[0].lower()}{rule[1:]} {_outcome(cascade)}"
    return " ".join(filter(None, (rule, _outcome(cascade), _worth(cascade), best)))


def warnings_of(cascade: Cascade) -> tuple[str, ...]:
    """Return a warning where it pays to fit what the next model loses, and its mean was taken."""
    gain, last_error = cascade.isotonic_gain, cascade.last_error
    if gain is None or gain.low <= 0.0:
        return ()
    policy = cascade.policy
    where = ""
    if last_error is not None:
        everywhere = cascade.ways[f"{policy.names[-1]} alone"].error.value
        share, of_all = percent_text(last_error.value, 1), percent_text(everywhere, 1)
        where = f" ({share} of those that come to it, {of_all} of all)"
    much = _SAVED[cascade.goal.kind].format(number_text(gain.value))
    warning = (
        f"{policy.names[-1]} does not err equally in all rows{where}. Reckoning with that, "
        "`expert_error` (--expert-error) isotonic, would save "
        f"{much} ({interval_text(gain.low, gain.high)})."
    )
    return (warning,)


def _rule(cascade: Cascade) -> str:
    policy = cascade.policy
    clauses: list[str] = []
    for name, after, rule in zip(policy.names, policy.names[1:], policy.rules, strict=False):
        if not rule.ranges:
            return (
                f"Never ask {after}: at this cost it does not pay."
                if not clauses
                else (f"Ask {' and '.join(clauses)}, but never {after}.")
            )
        between = "" if rule.ranges[0][0] <= 0.0 else "between "
        where = range_text(rule).replace(" to ", " and ") if between else range_text(rule)
        if where == "always":
            clauses.append(f"{after} always")
        else:
            clauses.append(f"{after} where the calibrated confidence of {name} is {between}{where}")
    return f"Ask {', and '.join(clauses)}."


def _outcome(cascade: Cascade) -> str:
    way = cascade.ways["calibrated thresholds"]
    share = 1.0 - way.answered[0]
    that = (
        f"That asks in {percent_text(share, 1)} of rows" if share > 0.0 else "That asks in no row"
    )
    if way.cost is not None:
        errors = cascade.goal.value * way.error.value
        return (
            f"{that}, and a row costs {_with_ends(way.cost)}: {number_text(errors)} for errors, "
            f"{number_text(way.spent.value)} for models."
        )
    right = (
        f"{percent_text(1.0 - way.error.value, 1)} ({percent_text(1.0 - way.error.high, 1)} to "
        f"{percent_text(1.0 - way.error.low, 1)})"
    )
    return f"{that}, costs {_with_ends(way.spent)} per row and is right in {right}."


def _worth(cascade: Cascade) -> str:
    worth, way = cascade.worth, cascade.ways[RAW]
    raw = number_text(getattr(way, _MAIN[cascade.goal.kind]).value)
    answer = verdict(worth)
    if answer == "the same":
        return "Calibration changes nothing: raw confidences send on the same rows."
    if answer == "cannot tell":
        ends = interval_text(worth.low, worth.high, sign=True)
        return (
            f"Raw confidences do about the same ({raw}): these rows cannot tell what calibration "
            f"was worth ({ends})."
        )
    verb = "saved" if answer == "better" else "lost"
    low, high = sorted((abs(worth.low), abs(worth.high)))
    much = _SAVED[cascade.goal.kind].format(number_text(abs(worth.value)))
    return f"Calibration {verb} {much} ({interval_text(low, high)}): raw confidences take {raw}."


def _costs_alone(cascade: Cascade) -> dict[str, float]:
    """Return what each model alone costs per row; nothing where errors have no price."""
    if cascade.goal.kind != "cost":
        return {}
    return {name: way.cost.value for name, way in cascade.ways.items()
            if name.endswith(" alone") and way.cost is not None}  # fmt: skip


def _better_alone(cascade: Cascade) -> bool:
    """Whether the best model alone costs less, beyond chance."""
    ways = _costs_alone(cascade)
    return bool(ways) and verdict(gains(cascade)[min(ways, key=ways.__getitem__)]) == "worse"


def _best_alone(cascade: Cascade) -> str:
    """Return how the cascade does against the best model alone, where all has one price."""
    ways = _costs_alone(cascade)
    if not ways:
        return ""
    best = min(ways, key=ways.__getitem__)
    answer, own = verdict(gains(cascade)[best]), cascade.ways["calibrated thresholds"].cost
    if answer == "better":
        return f"The best model alone ({best}) costs {number_text(ways[best])}."
    if answer == "the same":
        return f"That is what {best} costs."
    if answer == "worse" and own is not None:
        alone, together = number_text(ways[best]), number_text(own.value)
        return f"Do not use the cascade: {best} costs less per row, {alone} against {together}."
    return f"These rows cannot tell that from {best} ({number_text(ways[best])})."


def _with_ends(each: Estimate) -> str:
    return f"{number_text(each.value)} ({interval_text(each.low, each.high)})"


CALIBRATED = "calibrated thresholds"


def alone(name: str) -> str:
    """Return what the way is called in which one model answers every row."""
    return f"{name} alone"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Cascade(Frozen, Shown):
    """When rows go on to the next model, and what that costs on other rows; see `cascade`."""

    policy: CascadePolicy  # found on all rows of the fit
    goal: Goal
    ways: dict[str, Way]  # "calibrated thresholds", "raw thresholds", each model alone
    differences: dict[str, dict[Measure, Estimate]]  # calibrated thresholds less each other way
    worth: (
        Estimate  # of calibration, per row: raw less calibrated thresholds, above 0 = it paid. In
    )
    # total cost; with a budget in errors at equal cost, with a target in cost at equal accuracy
    curve: CostCurve  # of calibrated thresholds, over all prices
    raw_curve: CostCurve
    hindsight: float | None  # total cost of the best threshold for the very rows measured: what no
    # threshold found without them can hope for; None of more than two models, or without a price
    isotonic_gain: Estimate | None  # what a fitted expert error would save, as `worth`; where the
    # mean was expected of every row
    last_error: Estimate | None  # of the last model on rows that come to it; None without any
    method: str  # of the calibrators
    n: int  # rows measured
    n_clusters: int | None
    evaluated_on: Literal["cross-fitted", "test"]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to know before the rules are used."""
        return warnings_of(self)

    def in_words(self) -> str:
        """Return the rule, what it costs and what calibration was worth in a few sentences."""
        return in_words(self)

    def to_dict(self, *, curves: bool = True) -> dict[str, Any]:
        """Return plain numbers for JSON; `curves`: with the cost curves."""
        curve_content = {"curve": self.curve.to_dict(), "raw_curve": self.raw_curve.to_dict()}
        return {
            "models": list(self.policy.names),
            "costs": list(self.policy.costs),
            "goal": self.goal.to_dict(),
            "method": self.method,
            **self.policy.to_dict(),
            "ways": plain(self.ways),
            "differences": plain(self.differences),
            "calibration_worth": self.worth.to_dict(),
            "hindsight": self.hindsight,
            "isotonic_gain": plain(self.isotonic_gain),
            "last_error": plain(self.last_error),
            "n": self.n,
            "n_clusters": self.n_clusters,
            "evaluated_on": self.evaluated_on,
            "headline": self.in_words(),
            "warnings": list(self.warnings),
            **(curve_content if curves else {}),
        }

    def columns(self) -> dict[str, list[Any]]:
        """Return one row per way of answering and measure: error, spent or cost.

        Columns way, measure, value, low, high, difference, difference_low, difference_high;
        differences are calibrated thresholds less the way.
        """
        names = ("way", "measure", "value", "low", "high", "difference", "difference_low",
                 "difference_high")  # fmt: skip
        columns: dict[str, list[Any]] = {name: [] for name in names}
        for name, way in self.ways.items():
            for measure in _MEASURES:
                own = getattr(way, measure)
                if own is None:
                    continue
                less = self.differences.get(name, {}).get(measure)  # type: ignore[call-overload]
                ends = (None,) * 3 if less is None else (less.value, less.low, less.high)
                cells = (name, measure, own.value, own.low, own.high, *ends)
                for column, cell in zip(names, cells, strict=True):
                    columns[column].append(cell)
        return columns

    def tables(self) -> tuple[Table, ...]:
        """Return the tables that people see."""
        return rule_table(self), cascade_table(self)

    def __str__(self) -> str:
        return f"{self.in_words()}\n\n{Shown.__str__(self)}"

    def _repr_html_(self) -> str:
        """Show rules and ways in a notebook."""
        tables = "".join(table.to_html() for table in self.tables())
        return f"<p>{escape(self.in_words())}</p>{tables}"
