"""The short tables that several commands print; the long ones are those of the results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.comparison import Comparison, difference_cells
from temperance.show import Table, number_text

if TYPE_CHECKING:
    from temperance.calibrators import Calibrator
    from temperance.evaluation import Evaluation

__all__ = ["baseline_name", "measure_table", "ways_table"]

_MEASURES = {"log_loss": "log loss", "brier": "Brier score", "ece": "ECE", "accuracy": "accuracy"}
_BY_CHANCE = "  by chance"  # the ECE that chance alone would show
_HOW = {
    "cross-fitted": "cross-fitted: every {one} scored by a fit on other rows",
    "test": "of the test file",
    "given": "as given",
}


def measure_table(comparison: Comparison, *, evaluated_on: str, calibrator: Calibrator) -> Table:
    """Before, after, and their paired difference with its 95 % interval."""
    before, after = comparison.evaluations["before"], comparison.evaluations["after"]
    differences = comparison.differences["after"]
    rows: list[tuple[str, ...]] = []
    for name, shown in _MEASURES.items():
        rows.append(
            (
                shown,
                number_text(getattr(before, name).value),
                number_text(getattr(after, name).value),
                *difference_cells(differences, name),
            )
        )
        if name == "ece":
            rows.append((_BY_CHANCE, _at_most(before), _at_most(after), "", ""))
    return Table(
        columns=(
            "",
            baseline_name(calibrator).replace("-", " "),
            "after",
            "difference (95 %)",
            "verdict",
        ),
        rows=tuple(rows),
        caption=f"{before.outcomes.extent(before.n)}, {_how(before, evaluated_on)}",
        words=frozenset({4}),
    )


def _how(evaluation: Evaluation, evaluated_on: str) -> str:
    """Return how rows, answers or entries were measured."""
    outcomes = evaluation.outcomes
    return _HOW[evaluated_on].format(one=outcomes.one)


def baseline_name(calibrator: Calibrator) -> str:
    """Return what "before" is: of scores that claim no probability, the base rate."""
    return "before" if calibrator.reads_probabilities else "base-rate"


def _at_most(evaluation: Evaluation) -> str:
    return f"<= {number_text(evaluation.ece_null.high)}"


def ways_table(comparison: Comparison, *, caption: str = "") -> Table:
    """One row per way: its log loss, ECE and accuracy, and its paired log loss difference."""
    rows = []
    for name, evaluation in comparison.evaluations.items():
        cells = ("", "")
        if name != comparison.baseline:
            cells = difference_cells(comparison.differences[name], "log_loss")
        values = (evaluation.log_loss.value, evaluation.ece.value, evaluation.accuracy.value)
        rows.append((name, *(number_text(value) for value in values), *cells))
    return Table(
        ("", "log loss", "ECE", "accuracy", "log loss less the first (95 %)", "verdict"),
        tuple(rows),
        caption=caption,
        words=frozenset({5}),
    )
