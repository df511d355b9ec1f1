"""The short tables that people read."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from temperance.calibrators import FitRecord
    from temperance.compare import Comparison
    from temperance.evaluate import Evaluation
    from temperance.metrics.estimates import Estimate

__all__ = ["evaluation_table", "measure_table", "temperature_lines"]

_MEASURES = {"log_loss": "log loss", "brier": "Brier score", "ece": "ECE", "accuracy": "accuracy"}
_BY_CHANCE = "  if calibrated"  # the ECE that chance alone would show
_HOW = {
    "cross-fitted": "cross-fitted: every row scored by a fit on other rows",
    "test": "of the test file",
    "given": "as given",
}


def measure_table(comparison: Comparison, *, evaluated_on: str) -> Table:
    """Before, after, and their paired difference with its 95 % interval."""
    before, after = comparison.evaluations["before"], comparison.evaluations["after"]
    differences = comparison.differences["after"]
    table = _table("", "before", "after", "difference (95 %)", "verdict")
    for name, shown in _MEASURES.items():
        difference: Estimate = getattr(differences, name)
        same = difference.low == difference.high == 0.0
        table.add_row(
            shown,
            _number(getattr(before, name).value),
            _number(getattr(after, name).value),
            "" if same else _with_interval(difference, sign="+"),
            "the same" if same else differences.verdict(name),
        )
        if name == "ece":
            table.add_row(_BY_CHANCE, _at_most(before), _at_most(after), "", "")
    table.caption = f"{before.n:,} rows, {_HOW[evaluated_on]}"
    return table


def evaluation_table(evaluation: Evaluation) -> Table:
    """Measures of one set of probabilities, each with its 95 % interval."""
    table = _table("", "value", "95 % interval")
    for name, shown in (*_MEASURES.items(), ("confidence", "mean confidence")):
        estimate: Estimate = getattr(evaluation, name)
        table.add_row(shown, _number(estimate.value), _interval(estimate))
        if name == "ece":
            table.add_row(_BY_CHANCE, _at_most(evaluation), "")
    table.caption = f"{evaluation.n:,} rows"
    return table


def temperature_lines(record: FitRecord) -> list[str]:
    """The temperature with its interval, and the score test, in words."""
    low, high = record.interval(0.95)
    test = record.score_test
    p = "p < 0.001" if test.p_value < 0.001 else f"p = {test.p_value:.3f}"
    z = f"{test.z:.1f}" if abs(test.z) < 1e6 else "beyond measure"
    return [
        (
            f"temperature {record.temperature:.4f} (95 %: {low:.4g} to {high:.4g}), "
            f"from {record.n:,} rows in {record.passes} passes"
        ),
        f"the model is {test.direction} (score test of T = 1: z = {z}, {p})",
    ]


def _table(first: str, *columns: str) -> Table:
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, caption_justify="left", pad_edge=False)
    table.add_column(first)
    for column in columns:
        table.add_column(column, justify="left" if column == "verdict" else "right", no_wrap=True)
    return table


def _at_most(evaluation: Evaluation) -> str:
    return f"<= {evaluation.ece_null.high:.4f}"


def _number(value: float, *, sign: str = "") -> str:
    return f"{value:{sign}.4f}" if isfinite(value) else "infinite"


def _interval(estimate: Estimate, *, sign: str = "") -> str:
    if not isfinite(estimate.low) and not isfinite(estimate.high):
        return "unknown"
    return f"{_number(estimate.low, sign=sign)} to {_number(estimate.high, sign=sign)}"


def _with_interval(estimate: Estimate, *, sign: str) -> str:
    return f"{_number(estimate.value, sign=sign)} ({_interval(estimate, sign=sign)})"
