"""A cascade in sentences: the rule, what it costs, what calibration was worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.decisions.cascade_tables import RAW, gains, range_text, verdict
from temperance.show import interval_text, number_text

if TYPE_CHECKING:
    from temperance.decisions.cascade_result import Cascade
    from temperance.metrics.estimates import Estimate

__all__ = ["in_words", "warnings_of"]

_SAVED = {
    "cost": "{} per row",
    "budget": "{} errors per row at equal cost",
    "accuracy": "{} of cost per row at equal accuracy",
}
_MAIN = {"cost": "cost", "budget": "error", "accuracy": "spent"}


def in_words(found: Cascade) -> str:
    """Return the rule, what it costs, what calibration was worth, and the best model alone.

    Where a model alone costs less, that stands first: the rule is no advice then.
    """
    rule, best = _rule(found), _best_alone(found)
    if _better_alone(found):
        return f"{best} The rule found: {rule[0].lower()}{rule[1:]} {_outcome(found)}"
    return " ".join(filter(None, (rule, _outcome(found), _worth(found), best)))


def warnings_of(found: Cascade) -> tuple[str, ...]:
    """Return a warning where it pays to fit what the next model loses, and its mean was taken."""
    gain, seen = found.isotonic_gain, found.last_error
    if gain is None or gain.low <= 0.0:
        return ()
    policy = found.policy
    where = ""
    if seen is not None:
        of_all = found.ways[f"{policy.names[-1]} alone"].error.value
        where = f" ({_percent(seen.value)} of those that come to it, {_percent(of_all)} of all)"
    much = _SAVED[found.goal.kind].format(number_text(gain.value))
    said = (
        f"{policy.names[-1]} does not err equally in all rows{where}. Reckoning with that, "
        "`expert_error` (--expert-error) isotonic, would save "
        f"{much} ({interval_text(gain.low, gain.high)})."
    )
    return (said,)


def _rule(found: Cascade) -> str:
    policy = found.policy
    asked: list[str] = []
    for name, after, rule in zip(policy.names, policy.names[1:], policy.rules, strict=False):
        if not rule.ranges:
            return (
                f"Never ask {after}: at this cost it does not pay."
                if not asked
                else (f"Ask {' and '.join(asked)}, but never {after}.")
            )
        between = "" if rule.ranges[0][0] <= 0.0 else "between "
        where = range_text(rule).replace(" to ", " and ") if between else range_text(rule)
        if where == "always":
            asked.append(f"{after} always")
        else:
            asked.append(f"{after} where the calibrated confidence of {name} is {between}{where}")
    return f"Ask {', and '.join(asked)}."


def _outcome(found: Cascade) -> str:
    way = found.ways["calibrated thresholds"]
    asked = 1.0 - way.answered[0]
    that = f"That asks in {_percent(asked)} of rows" if asked > 0.0 else "That asks in no row"
    if way.cost is not None:
        errors = found.goal.value * way.error.value
        return (
            f"{that}, and a row costs {_with_ends(way.cost)}: {number_text(errors)} for errors, "
            f"{number_text(way.spent.value)} for models."
        )
    right = (
        f"{_percent(1.0 - way.error.value)} ({_percent(1.0 - way.error.high)} to "
        f"{_percent(1.0 - way.error.low)})"
    )
    return f"{that}, costs {_with_ends(way.spent)} per row and is right in {right}."


def _worth(found: Cascade) -> str:
    worth, way = found.worth, found.ways[RAW]
    raw = number_text(getattr(way, _MAIN[found.goal.kind]).value)
    told = verdict(worth)
    if told == "the same":
        return "Calibration changes nothing: raw confidences send on the same rows."
    if told == "cannot tell":
        ends = interval_text(worth.low, worth.high, sign=True)
        return (
            f"Raw confidences do about the same ({raw}): these rows cannot tell what calibration "
            f"was worth ({ends})."
        )
    verb = "saved" if told == "better" else "lost"
    low, high = sorted((abs(worth.low), abs(worth.high)))
    much = _SAVED[found.goal.kind].format(number_text(abs(worth.value)))
    return f"Calibration {verb} {much} ({interval_text(low, high)}): raw confidences take {raw}."


def _costs_alone(found: Cascade) -> dict[str, float]:
    """Return what each model alone costs per row; nothing where errors have no price."""
    if found.goal.kind != "cost":
        return {}
    return {name: way.cost.value for name, way in found.ways.items()
            if name.endswith(" alone") and way.cost is not None}  # fmt: skip


def _better_alone(found: Cascade) -> bool:
    """Whether the best model alone costs less, beyond chance."""
    ways = _costs_alone(found)
    return bool(ways) and verdict(gains(found)[min(ways, key=ways.__getitem__)]) == "worse"


def _best_alone(found: Cascade) -> str:
    """Return how the cascade does against the best model alone, where all has one price."""
    ways = _costs_alone(found)
    if not ways:
        return ""
    best = min(ways, key=ways.__getitem__)
    told, own = verdict(gains(found)[best]), found.ways["calibrated thresholds"].cost
    if told == "better":
        return f"The best model alone ({best}) costs {number_text(ways[best])}."
    if told == "the same":
        return f"That is what {best} costs."
    if told == "worse" and own is not None:
        alone, together = number_text(ways[best]), number_text(own.value)
        return f"Do not use the cascade: {best} costs less per row, {alone} against {together}."
    return f"These rows cannot tell that from {best} ({number_text(ways[best])})."


def _with_ends(each: Estimate) -> str:
    return f"{number_text(each.value)} ({interval_text(each.low, each.high)})"


def _percent(share: float) -> str:
    return f"{100.0 * share:.1f} %"
