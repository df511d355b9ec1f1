"""Sums of every class's probability in bins, and of the predicted class's within each class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from temperance.binning import assign, limits
from temperance.metrics.cells.cell_sums import CellSums
from temperance.metrics.cells.null_groups import null_gaps
from temperance.sums import MergeableSums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.metrics.inputs import Predictions

    Array = NDArray[np.float64]

__all__ = ["MOST_CLASSES", "Binned", "ClassSums"]

MOST_CLASSES = 2000  # 66 MB of sums, of which a few are in memory at a time


@dataclass(frozen=True, slots=True, eq=False)
class Binned:
    """The probabilities of all classes in bins: one by one above the first edge, which few are."""

    edges: Array  # (n_bins + 1,)
    low: Array  # (n, k): those in the first bin; 0 elsewhere
    row: NDArray[np.intp]  # of each of the others
    column: NDArray[np.intp]
    bins: NDArray[np.intp]
    probability: Array
    label_bin: NDArray[np.intp]  # (n,): bin of the true class's probability

    @classmethod
    def of(cls, rows: Predictions, edges: Array) -> Self:
        """Return the probabilities of a block of rows, sorted in bins."""
        p = rows.probs
        first_limit = limits(edges)[1] if len(edges) > 2 else np.inf
        high = np.flatnonzero(p.ravel() > first_limit)
        row, column = np.divmod(high, p.shape[1])
        above = p.ravel()[high]
        low = p.copy()
        low.ravel()[high] = 0.0
        bins = assign(above, edges)
        return cls(edges, low, row, column, bins, above, assign(rows.of_label, edges))

    @property
    def n_bins(self) -> int:
        """Number of bins."""
        return len(self.edges) - 1


@dataclass(frozen=True, slots=True, eq=False)
class ClassSums(MergeableSums):
    """Sums over rows per class and bin, (..., k n_bins): the bins of class 0 first."""

    each: CellSums  # the event: this class is true; bins of its probability
    predicted: CellSums  # the event: the prediction is right; bins within each predicted class
    null_gap: Array  # (groups, k n_bins): sum w (p - k), labels drawn from p, in groups of rows

    @classmethod
    def of(cls, rows: Predictions, binned: Binned, *, first: int, seed: int) -> Self:
        """Return the sums of a block of rows; `first` is its first row's number in the data."""
        n_bins = binned.n_bins
        at = rows.predicted * n_bins + assign(rows.confidence, binned.edges)
        cells = rows.probs.shape[1] * n_bins
        return cls(
            each=_each_class(rows, binned),
            predicted=CellSums.of(rows.confidence, rows.correct, rows.weights, at, cells),
            null_gap=null_gaps(rows, binned, first=first, seed=seed),
        )


def _each_class(rows: Predictions, binned: Binned) -> CellSums:
    """Return the sums of all n k probabilities: column sums of the low ones, and of the others."""
    k, n_bins, w = rows.probs.shape[1], binned.n_bins, rows.weights
    high = CellSums.of(
        binned.probability,
        rows.labels[binned.row] == binned.column,
        None if w is None else w[binned.row],
        binned.column * n_bins + binned.bins,
        k * n_bins,
    )
    is_low = np.flatnonzero(binned.label_bin == 0)
    hits = CellSums.of(
        rows.of_label[is_low],
        np.ones(len(is_low), dtype=bool),
        None if w is None else w[is_low],
        rows.labels[is_low] * n_bins,
        k * n_bins,
    )
    return high.merge(hits).merge(_low_misses(rows, binned, hits))


def _low_misses(rows: Predictions, binned: Binned, hits: CellSums) -> CellSums:
    """Return the sums of low probabilities whose class is not the true one: all less the hits."""
    low, n_bins, w = binned.low, binned.n_bins, rows.weights
    n, k = low.shape

    def placed(of_all: Array, of_hits: Array) -> Array:
        sums = np.zeros((2, k * n_bins))
        sums[0, ::n_bins] = np.maximum(of_all - of_hits[1, ::n_bins], 0.0)
        return sums

    def counted(values: Array | None) -> Array:
        of_high = np.bincount(binned.column, None if values is None else values[binned.row], k)
        return np.asarray((n if values is None else values.sum()) - of_high, dtype=np.float64)

    there = None if w is None else (w > 0.0).astype(np.float64)
    count = placed(counted(there), hits.count)
    square = low * low
    if w is None:
        probability = placed(low.sum(axis=0), hits.probability)
        return CellSums(
            count, count, count, probability, probability, placed(square.sum(axis=0), hits.square)
        )
    return CellSums(
        count,
        placed(counted(w), hits.weight),
        placed(counted(w * w), hits.squared_weight),
        placed(w @ low, hits.probability),
        placed((w * w) @ low, hits.squared_weight_probability),
        placed((w * w) @ square, hits.square),
    )
