"""All calibration errors of one set of predictions, from the same resamples and null draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from temperance.blocks import report_step
from temperance.metrics.error_measures import (
    class_errors,
    conditional_error,
    flattened_error,
    ks,
    observed,
    smooth,
    top_label_error,
    top_label_square,
)
from temperance.metrics.estimates import Draws, calibration_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from temperance.metrics.estimates import CalibrationError
    from temperance.metrics.resampling import Resampling

__all__ = ["ERROR_NAMES", "NO_INTERVAL", "calibration_error_of", "draw_errors"]

ERROR_NAMES = {  # key in JSON -> what it is called in words
    "ece": "ECE",
    "ece_equal_mass": "ECE, equal mass",
    "debiased": "RMS, debiased",
    "smooth": "smooth ECE",
    "ks": "Kolmogorov-Smirnov",
    "classwise": "classwise ECE",
    "top_label_conditional": "ECE by top label",
    "flattened": "flattened ECE",
}


# Their cells hold few rows, and resamples show too little of the bias: the interval of the others
# would hold the truth in as few as .65 and .45 of samples of 500 rows.
NO_INTERVAL = frozenset({"classwise", "top_label_conditional"})


def draw_errors(
    resampling: Resampling, *, n_bins: int
) -> tuple[dict[str, Draws], list[CalibrationError]]:
    """Return the draws of every error of `ERROR_NAMES`, and each class's own error.

    Those of "debiased" are of its square. The draws of single classes are not kept.
    """
    rows, sums = resampling.rows, resampling.sums
    b, doubt, k = resampling.n_resamples, resampling.doubt, rows.probs.shape[1]
    of_class: list[CalibrationError] = []
    total, gap = np.zeros(()), np.zeros(())
    for errors, gaps in class_errors(rows, resampling, n_bins=n_bins):
        of_class += calibration_errors(errors, b, doubt=doubt)
        total, gap = total + errors.sum(axis=0), gap + gaps
    resampled: dict[str, Callable[[], NDArray[np.float64]]] = {
        "ece": lambda: top_label_error(rows, sums, n_bins=n_bins),
        "ece_equal_mass": lambda: top_label_error(rows, sums, n_bins=n_bins, binning="equal-mass"),
        "debiased": lambda: top_label_square(rows, sums, n_bins=n_bins),
        "smooth": lambda: smooth(rows, sums),
        "ks": lambda: ks(rows, sums),
        "classwise": lambda: total / k,
        "top_label_conditional": lambda: conditional_error(rows, sums, n_bins=n_bins),
        "flattened": lambda: flattened_error(rows, gap, resampling),
    }
    statistics = {}
    for number, (name, error) in enumerate(resampled.items(), start=1):
        statistics[name] = error()
        report_step("measuring errors", number, len(resampled))
    exact = {"ks": float(ks(rows, observed(rows), exact=True))}
    draws = {
        name: Draws.split(
            statistic, b, doubt=doubt, value=exact.get(name), squared=name == "debiased"
        )
        for name, statistic in statistics.items()
    }
    return draws, of_class


def calibration_error_of(name: str, draws: Draws) -> CalibrationError:
    """Return an error with interval, null band and p-value from its draws."""
    error = draws.root_error() if name == "debiased" else draws.calibration_error()
    return error.without_interval() if name in NO_INTERVAL else error
