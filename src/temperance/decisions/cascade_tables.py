"""The tables of a cascade: its rules, and what each way of answering costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from temperance.calibrators import temperature_of
from temperance.decisions.goals import Goal
from temperance.metrics.estimates import Estimate
from temperance.printable import count_text
from temperance.show import Table, interval_text, number_text

if TYPE_CHECKING:
    from temperance.decisions.cascade_result import Cascade
    from temperance.decisions.deferral import DeferralRule

__all__ = [
    "GAINS",
    "RAW",
    "cascade_columns",
    "cascade_table",
    "gains",
    "range_text",
    "rule_table",
    "verdict",
]

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
    said = [
        ("always" if high >= 1.0 else f"below {number_text(high)}")
        if low <= 0.0
        else interval_text(low, high)
        for low, high in rule.ranges
    ]
    return ", ".join(said)


def verdict(gain: Estimate) -> str:
    """Return "better" or "worse" if the interval of a gain leaves out 0; above 0 is better."""
    if gain.low <= 0.0 <= gain.high:
        return "the same" if gain.low == gain.high else "cannot tell"
    return "better" if gain.value > 0.0 else "worse"


def gains(found: Cascade) -> dict[str, Estimate]:
    """Return what calibrated thresholds save against each other way that has the same goal.

    In total cost against every way; with a budget or a target only against raw thresholds, for
    a model alone keeps to neither.
    """
    saved = {RAW: found.worth}
    if found.goal.kind == "cost":
        for name, each in found.differences.items():
            less = each["cost"]
            saved.setdefault(name, Estimate(-less.value, -less.high, -less.low))
    return saved


def rule_table(found: Cascade) -> Table:
    """One row per model that decides: when its rows go on, and to which."""
    policy = found.policy
    rows = []
    for j, (rule, calibrator) in enumerate(zip(policy.rules, policy.calibrators, strict=True)):
        temperature = temperature_of(calibrator)
        how = calibrator.name if temperature is None else f"T = {temperature:.4f}"
        rows.append(
            (policy.names[j], how, range_text(rule), policy.names[j + 1], f"{policy.costs[j]:g}")
        )
    columns = ("answers", "calibrated by", "goes on where its confidence is", "to", "at a cost of")
    return Table(columns, tuple(rows), words=frozenset({1, 2, 3}))


def cascade_table(found: Cascade) -> Table:
    """One row per way: errors, costs, and what calibrated thresholds save against it."""
    shown = [name for name in _MEASURES if name != "cost" or found.goal.kind == "cost"]
    saved = gains(found)
    rows = []
    for name, way in found.ways.items():
        measures = (getattr(way, measure) for measure in shown)
        cells = tuple(number_text(each.value) for each in measures)
        gain = ("", "")
        if name in saved:
            own = saved[name]
            interval = interval_text(own.low, own.high, sign=True)
            gain = (f"{number_text(own.value, sign=True)} ({interval})", verdict(own))
        rows.append((name, f"{way.answered[-1]:.1%}".replace("%", " %"), *cells, *gain))
    columns = (
        "", f"rows of {found.policy.names[-1]}", *(_MEASURES[name] for name in shown),
        f"{GAINS[found.goal.kind]} (95 %)", "the first is",
    )  # fmt: skip
    unit = ", in errors" if found.goal == Goal("cost", 1.0) else ""
    caption = f"{count_text(found.n, 'row')}, {_HOW[found.evaluated_on]}; per row{unit}"
    return Table(columns, tuple(rows), caption=caption, words=frozenset({len(columns) - 1}))


def cascade_columns(found: Cascade) -> dict[str, list[Any]]:
    """Return the columns of a data frame, a row per way and measure."""
    names = ("way", "measure", "value", "low", "high", "difference", "difference_low",
             "difference_high")  # fmt: skip
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for name, way in found.ways.items():
        for measure in _MEASURES:
            own = getattr(way, measure)
            if own is None:
                continue
            less = found.differences.get(name, {}).get(measure)  # type: ignore[call-overload]
            ends = (None,) * 3 if less is None else (less.value, less.low, less.high)
            cells = (name, measure, own.value, own.low, own.high, *ends)
            for column, cell in zip(names, cells, strict=True):
                columns[column].append(cell)
    return columns
