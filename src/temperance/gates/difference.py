"""Whether a model is worse than another by more than it may be, each measure in its direction."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, isnan
from typing import TYPE_CHECKING, Any, Literal, Self

from temperance.checks.arguments import as_mapping, as_word, require_type
from temperance.comparison import MEASURE_NAMES, Comparison, value_of
from temperance.errors import InvalidInputError
from temperance.gates.gated import Gated, judged, passes, undecided_words
from temperance.gates.limits import as_amount
from temperance.metrics.estimates import Estimate
from temperance.numerics import t_quantile
from temperance.show import interval_text, number_text, percent_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from temperance.gates.gated import GateVerdict, Undecided
    from temperance.metrics.outcomes import Outcomes

__all__ = [
    "JUDGED",
    "DifferenceGate",
    "Finding",
    "as_margins",
    "check_differences",
    "joint_level",
    "overall",
    "widened",
]

Finding = Literal["worse", "not worse", "cannot tell"]
JUDGED = ("log_loss", "brier", "ece", "accuracy")  # the measures that gates are about
_ALPHA = (
    0.05  # of all measures together: the most that a model as good as the other is called worse
)
_LEVEL = 0.95  # of the intervals that results hold
_FINDINGS: dict[GateVerdict, Finding] = {
    "failed": "worse",
    "passed": "not worse",
    "undecided": "cannot tell",
}


@dataclass(frozen=True, slots=True)
class DifferenceGate(Gated):
    """One measure of a model beside that of another, and whether it is worse.

    Attributes
    ----------
    of : str
        What set the gate: "baseline", or "fail_if" of `compare`.
    model, other : str
        Names of the model judged and of the one it is compared with.
    measure : str
        "log_loss" (nats), "brier" (in [0, 2]), "ece" or "accuracy" (in [0, 1]).
    value, baseline : float
        The measure of the model, and of the other.
    difference : Estimate
        The first less the second, with its interval at `level`; above 0 is worse, but for the
        accuracy, where below 0 is.
    margin : float
        How much worse it may be, >= 0.
    level : float
        Confidence of the interval, so that all measures judged at once are wrongly called worse in
        at most 5 % of samples.
    paired : bool
        Whether both were measured on the same rows, and the difference row by row (or group of
        rows by group); else of two samples.
    n : int
        Number of rows of the model judged.
    verdict : {"failed", "passed", "undecided"}
        Failed: worse, for the whole interval is beyond the margin. Passed: not worse, for all of it
        is within. Undecided: one cannot tell.
    passed : bool
        The verdict, or what an undecided gate is taken for.
    outcomes : Outcomes
        What the rows are.
    """

    of: Literal["baseline", "fail_if"]
    model: str
    other: str
    measure: str
    value: float
    baseline: float
    difference: Estimate
    margin: float
    level: float
    paired: bool
    n: int
    verdict: GateVerdict
    passed: bool
    outcomes: Outcomes

    @classmethod
    def judge(cls, difference: Estimate, *, undecided: Undecided, **facts: Any) -> Self:  # noqa: ANN401
        """Judge a difference by its `margin`; the other facts are the fields."""
        worse = difference
        if facts["measure"] == "accuracy":
            worse = Estimate(-difference.value, -difference.high, -difference.low)
        verdict: GateVerdict = "undecided"  # nan: infinite less infinite
        if not isnan(difference.value):
            verdict = judged(worse, facts["margin"])
        passed = passes(verdict, undecided)
        return cls(difference=difference, verdict=verdict, passed=passed, **facts)

    @property
    def finding(self) -> Finding:
        """The verdict as one says it of models: "worse", "not worse" or "cannot tell"."""
        return _FINDINGS[self.verdict]

    @property
    def option(self) -> str:
        """What sets the gate: --baseline of `evaluate`, --fail-if worse of `compare`."""
        return "--baseline" if self.of == "baseline" else "--fail-if worse"

    @property
    def title(self) -> str:
        """What is judged: "log loss against old.json"."""
        model = "" if self.of == "baseline" else f"{self.model}: "
        return f"{model}{MEASURE_NAMES[self.measure]} against {self.other}"

    @property
    def cells(self) -> tuple[str, str, str]:
        """The difference, its interval, and the margin."""
        end = "at least -" if self.measure == "accuracy" else "at most "
        limit = f"{end}{self.margin:g}" if self.margin else f"{end.rstrip('-')}0".replace("  ", " ")
        return number_text(self.difference.value, sign=True), self._interval, limit

    @property
    def _interval(self) -> str:
        if not isfinite(self.difference.value) or self.difference.low == self.difference.high:
            return ""
        return interval_text(self.difference.low, self.difference.high, sign=True)

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON holds; an infinite or undefined number is None."""
        ends = self.difference.to_dict()
        return {
            "option": self.option,
            "model": self.model,
            "other": self.other,
            "measure": self.measure,
            "value": self.value if isfinite(self.value) else None,
            "baseline": self.baseline if isfinite(self.baseline) else None,
            "difference": ends.pop("value"),
            **ends,
            "level": self.level,
            "margin": self.margin,
            "paired": self.paired,
            "n": self.n,
            "finding": self.finding,
            "verdict": self.verdict,
            "passed": self.passed,
        }

    def in_words(self, *, of_command: bool = False) -> str:
        """Say in a line how the gate ended and why; `of_command` by its options."""
        sides = f"{number_text(self.value)} against {number_text(self.baseline)}"
        difference = f"difference {number_text(self.difference.value, sign=True)}"
        if self._interval:
            how = "paired" if self.paired else "two samples"
            difference += f", {percent_text(self.level)} interval {self._interval}, {how}"
        model = "" if self.of == "baseline" else f"{self.model}, "
        head = f"gate {self.verdict}: {self.finding} than {self.other}"
        if self.verdict == "undecided":
            head = f"gate undecided: cannot tell whether worse than {self.other}"
        margin = f", margin {self.margin:g}" if self.margin else ""
        text = f"{head}: {model}{MEASURE_NAMES[self.measure]} {sides} ({difference}{margin})"
        if self.verdict != "undecided":
            return text
        end = undecided_words(passed=self.passed, of_command=of_command)
        return f"{text}. {end}; more {self.outcomes.plural} narrow the interval."


def check_differences(
    comparison: Comparison,
    *,
    margins: Mapping[str, float] | None = None,
    undecided: Undecided = "pass",
) -> tuple[DifferenceGate, ...]:
    r"""Judge whether models are worse than the first one, on the same rows.

    Parameters
    ----------
    comparison : Comparison
        What `compare` returns; its first set is the baseline.
    margins : mapping of str to float, optional
        How much worse a measure may be (a non-inferiority margin), finite and >= 0, by its name:
        "log_loss" (nats), "brier", "ece", "accuracy". Without one 0.
    undecided : {"pass", "fail"}, default "pass"
        What a gate is taken for where the rows cannot tell.

    Returns
    -------
    tuple of DifferenceGate
        One for each of the four measures of each set but the first, of those that the comparison
        shows.

    Raises
    ------
    InvalidInputError
        No comparison, or one without any of the four measures; a margin that is no finite number
        >= 0, or of another measure; another `undecided`.

    Notes
    -----
    Of a difference d (new less baseline; of the accuracy its negative) with interval [l, h] and a
    margin m: worse where l > m, not worse where h <= m, else one cannot tell. The paired 95 %
    intervals of `compare` are widened so that all g gates *together* call a model worse that is not
    in at most 5 % of samples (Bonferroni): to the level 1 - 0.1 / g, by the ratio of the normal
    (with clusters Student's t) quantiles. Four gates: 97.5 %.

    Examples
    --------
    The second model says .6 where .9 was right in 9 of 10 rows:

    >>> from temperance import compare
    >>> old, new = [[0.1, 0.9]] * 400, [[0.4, 0.6]] * 400
    >>> sides = compare({"old": old, "new": new}, [0] * 40 + [1] * 360, n_resamples=100)
    >>> [(gate.measure, gate.finding) for gate in check_differences(sides)]
    ... # doctest: +NORMALIZE_WHITESPACE
    [('log_loss', 'worse'), ('brier', 'worse'), ('ece', 'worse'), ('accuracy', 'not worse')]
    """
    require_type(comparison, Comparison, name="comparison", rule="what `compare` returns")
    as_word(undecided, ("pass", "fail"), name="undecided")
    allowed = as_margins(margins)
    baseline = comparison.evaluations[comparison.baseline]
    pairs = [
        (name, measure)
        for name, each in comparison.differences.items()
        for measure in JUDGED
        if measure in each.measures
    ]
    if not pairs:
        msg = f"`comparison` must hold one of {', '.join(JUDGED)}: it compares none of these."
        raise InvalidInputError(msg)
    level, degrees = joint_level(len(pairs)), degrees_of(baseline.n_clusters)
    return tuple(
        DifferenceGate.judge(
            widened(comparison.differences[name].measures[measure], level, degrees),
            undecided=undecided,
            of="fail_if",
            model=name,
            other=comparison.baseline,
            measure=measure,
            value=value_of(comparison.evaluations[name], measure),
            baseline=value_of(baseline, measure),
            margin=allowed.get(measure, 0.0),
            level=level,
            paired=True,
            n=baseline.n,
            outcomes=baseline.outcomes,
        )
        for name, measure in pairs
    )


def as_margins(margins: Mapping[str, float] | None) -> dict[str, float]:
    """Return checked margins by measure; {} where there are none."""
    rule = "a mapping of measure to how much worse it may be"
    by_measure = {} if margins is None else as_mapping(margins, name="margins", rule=rule)
    return {
        as_word(name, JUDGED, name="margins"): as_amount(
            each, name=f"margins[{name!r}]", measure=name
        )
        for name, each in by_measure.items()
    }


def joint_level(count: int) -> float:
    """Return the level of two-sided intervals whose `count` upper ends all hold in 95 %.

    >>> joint_level(4)
    0.975
    """
    return 1.0 - 2.0 * _ALPHA / count


def degrees_of(n_clusters: int | None) -> float:
    """Return the degrees of freedom of intervals; infinite of rows that are independent."""
    return float("inf") if n_clusters is None else n_clusters - 1.0


def widened(estimate: Estimate, level: float, degrees: float = float("inf")) -> Estimate:
    """Return a 95 % interval at another level, each end as many times farther from the value.

    >>> wide = widened(Estimate(0.0, -1.96, 1.96), 0.99)
    >>> round(wide.high, 2)
    2.58
    """
    value, by = estimate.value, t_quantile(level, degrees) / t_quantile(_LEVEL, degrees)
    if not isfinite(value) or not isfinite(by):
        return estimate
    return Estimate(
        value, value - by * (value - estimate.low), value + by * (estimate.high - value)
    )


def overall(gates: tuple[DifferenceGate, ...]) -> Finding:
    """Return what gates say together: worse if one is, else whether all are known not to be."""
    verdicts = {gate.verdict for gate in gates}
    first = next(each for each in ("failed", "undecided", "passed") if each in verdicts)
    return _FINDINGS[first]
