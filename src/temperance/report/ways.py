"""Several ways to the same rows' probabilities as tables: one per measure, a row per way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from temperance.report.tables import difference_cells, error_cell, estimate_cell

if TYPE_CHECKING:
    from temperance.compare import Comparison
    from temperance.evaluate import Evaluation
    from temperance.report.tables import Cell

__all__ = ["way_tables"]

_MEASURES = {
    "log_loss": ("Log loss", "The price of being wrong and sure. Lower is better."),
    "brier": ("Brier score", "Squared distance of probabilities and truth. Lower is better."),
    "ece": ("Calibration error (ECE)", "Mean gap of claim and accuracy, in bins of equal width."),
    "miscalibration": (
        "CORP miscalibration",
        "What the best rising curve saves of the Brier score.",
    ),
    "accuracy": ("Accuracy", "Share of right predictions. Higher is better."),
}


def way_tables(comparison: Comparison, *, measures: tuple[str, ...] = (*_MEASURES,)) -> list[Any]:
    """Return name, meaning and rows of each measure; differences are from the first way."""
    return [
        {
            "name": _MEASURES[measure][0],
            "meaning": _MEASURES[measure][1],
            "rows": [
                {
                    "name": name,
                    "value": _value(evaluation, measure),
                    **difference_cells(comparison.differences.get(name), measure),
                }
                for name, evaluation in comparison.evaluations.items()
            ],
        }
        for measure in measures
    ]


def _value(evaluation: Evaluation, measure: str) -> Cell:
    if measure == "miscalibration":
        return error_cell(evaluation.corp.miscalibration)
    if measure in evaluation.errors:
        return error_cell(evaluation.errors[measure])
    return estimate_cell(getattr(evaluation, measure))
