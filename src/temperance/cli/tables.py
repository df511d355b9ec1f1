"""The short table that `fit` prints; the long ones belong to `Evaluation` and `Comparison`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.compare.tables import difference_cells
from temperance.show import Table, number_text

if TYPE_CHECKING:
    from temperance.compare import Comparison
    from temperance.evaluate import Evaluation

__all__ = ["measure_table"]

_MEASURES = {"log_loss": "log loss", "brier": "Brier score", "ece": "ECE", "accuracy": "accuracy"}
_BY_CHANCE = "  by chance"  # the ECE that chance alone would show
_HOW = {
    "cross-fitted": "cross-fitted: every row scored by a fit on other rows",
    "test": "of the test file",
    "given": "as given",
}


def measure_table(comparison: Comparison, *, evaluated_on: str) -> Table:
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
        columns=("", "before", "after", "difference (95 %)", "verdict"),
        rows=tuple(rows),
        caption=f"{before.n:,} rows, {_HOW[evaluated_on]}",
        words=frozenset({4}),
    )


def _at_most(evaluation: Evaluation) -> str:
    return f"<= {number_text(evaluation.ece_null.high)}"
