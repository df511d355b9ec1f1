"""Every calibration error once, as a function of sums: of the data, of resamples, of chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from temperance.binning import BinSums
from temperance.blocks import report_step
from temperance.metrics.bins import GRID_POINTS, N_RANKS, bins_of, grid_of, ranks_of
from temperance.metrics.class_cells import cells_of_classes
from temperance.metrics.errors_of_sums import (
    binned_error,
    debiased_square,
    ks_error,
    smooth_error,
)
from temperance.metrics.events import class_event, top_label_event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from temperance.binning import Binning
    from temperance.metrics.class_cells import GapsOf
    from temperance.metrics.events import Event
    from temperance.metrics.inputs import Predictions

__all__ = [
    "SumsOf",
    "class_errors",
    "classwise_square",
    "conditional_error",
    "flattened_error",
    "ks",
    "observed",
    "smooth",
    "top_label_error",
    "top_label_square",
]

_CELLS = 1000  # cells of the top-label-conditional error that are summed at once


class SumsOf(Protocol):
    """Gives the sums of an event per bin, (..., n_bins), from each row's bin."""

    def __call__(self, event: Event, bins: NDArray[np.intp], n_bins: int) -> BinSums:
        """Return the sums."""


def observed(rows: Predictions) -> SumsOf:
    """Return the sums of the data alone."""
    return lambda event, bins, n_bins: BinSums.of(
        event.probability, event.hit, rows.weights, bins, n_bins
    )


def top_label_error(
    rows: Predictions, sums: SumsOf, *, n_bins: int, binning: Binning = "equal-width",
    norm: float = 1.0, event: Event | None = None,
) -> NDArray[np.float64]:  # fmt: skip
    """Expected calibration error of the predicted class, or of another event."""
    of = top_label_event(rows) if event is None else event
    return binned_error(_binned(rows, sums, of, n_bins, binning), norm)


def top_label_square(
    rows: Predictions, sums: SumsOf, *, n_bins: int, binning: Binning = "equal-mass"
) -> NDArray[np.float64]:
    """Debiased squared error of the predicted class; may be below 0."""
    return debiased_square(_binned(rows, sums, top_label_event(rows), n_bins, binning))


def classwise_square(
    rows: Predictions, sums: SumsOf, *, n_bins: int, binning: Binning = "equal-mass"
) -> NDArray[np.float64]:
    """Mean over classes of the debiased squared error, each cut at 0."""
    k = rows.probs.shape[1]
    squares = (
        debiased_square(_binned(rows, sums, class_event(rows, j), n_bins, binning))
        for j in range(k)
    )
    return np.asarray(sum(np.maximum(square, 0.0) for square in squares) / k)


def class_errors(
    rows: Predictions, gaps: GapsOf, *, n_bins: int
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Yield the errors of some classes' probabilities, (classes, ...), and their gaps in bins.

    The gaps, (n_bins, ...), are those of all of these probabilities in one set of bins: added up
    over all classes they are what `flattened_error` takes.
    """
    k = rows.probs.shape[1]
    for cells in cells_of_classes(rows, n_bins=n_bins, worlds=gaps.worlds):
        gap = gaps.gaps(cells)
        errors = cells.by_class(np.abs(gap)) / gaps.total_weight
        yield errors, cells.by_bin(gap, n_bins)
        report_step("measuring classes", cells.stop, k)


def flattened_error(
    rows: Predictions, gap: NDArray[np.float64], gaps: GapsOf
) -> NDArray[np.float64]:
    """Error of all probabilities in one set of bins, from the gaps of all classes."""
    return np.asarray(np.abs(gap).sum(axis=0) / (rows.probs.shape[1] * gaps.total_weight))


def conditional_error(rows: Predictions, sums: SumsOf, *, n_bins: int) -> NDArray[np.float64]:
    """Error of the predicted class in bins of confidence within each predicted class."""
    event = top_label_event(rows)
    bins = bins_of(event.probability, n_bins=n_bins, binning="equal-width", weights=rows.weights)
    held, cell = np.unique(rows.predicted * n_bins + bins, return_inverse=True)
    step = min(_CELLS, len(held))
    error: NDArray[np.float64] = np.zeros(())
    for first in range(0, len(held), step):
        within = (cell >= first) & (cell < first + step)
        # one more cell, for the rows of others
        found = sums(event, np.where(within, cell - first, step), step + 1)
        gap = np.abs(found.gap[..., :step]).sum(axis=-1)
        error = error + gap / found.weight.sum(axis=-1)
    return error


def smooth(rows: Predictions, sums: SumsOf, *, event: Event | None = None) -> NDArray[np.float64]:
    """Smooth calibration error of the predicted class, or of another event."""
    event = top_label_event(rows) if event is None else event
    return smooth_error(sums(event, grid_of(event.probability), GRID_POINTS))


def ks(
    rows: Predictions, sums: SumsOf, *, exact: bool = False, event: Event | None = None
) -> NDArray[np.float64]:
    """Kolmogorov-Smirnov calibration error of the predicted class, or of another event."""
    event = top_label_event(rows) if event is None else event
    n_ranks = len(rows.labels) if exact else N_RANKS
    return ks_error(sums(event, *ranks_of(event.probability, n_ranks)))


def _binned(
    rows: Predictions, sums: SumsOf, event: Event, n_bins: int, binning: Binning
) -> BinSums:
    p = event.probability
    return sums(event, bins_of(p, n_bins=n_bins, binning=binning, weights=rows.weights), n_bins)
