"""The probabilities of some classes in bins: only cells of a class and a bin that hold a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np

from temperance.binning import limits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from temperance.metrics.inputs import Predictions

    Array = NDArray[np.float64]

__all__ = ["AT_ONCE", "ClassCells", "GapsOf", "ObservedGaps", "cells_of_classes"]

AT_ONCE = 1 << 22  # numbers: 32 MiB, and a few temporaries of that size


@dataclass(frozen=True, slots=True, eq=False)
class ClassCells:
    """The cells of the classes `first` to `stop`, numbered class by class, then bin by bin."""

    first: int
    stop: int
    of_row: NDArray[np.intp]  # (n, classes): cell of each probability
    starts: NDArray[np.intp]  # (classes,): first cell of each; none is without
    bins: NDArray[np.intp]  # (cells,)
    probability: Array  # (n, classes)

    @classmethod
    def of(cls, rows: Predictions, first: int, stop: int, n_bins: int) -> Self:
        """Return the cells of some classes, in bins of equal width."""
        p = rows.probs[:, first:stop]
        edges = limits(np.arange(n_bins + 1) / n_bins)
        bins = np.zeros(p.shape, dtype=np.intp)
        high = p > edges[1]
        bins[high] = np.searchsorted(edges[1:-1], p[high], side="left")
        cells = np.arange(stop - first) * n_bins + bins
        held = np.zeros((stop - first) * n_bins, dtype=bool)
        held[cells] = True
        number = np.cumsum(held) - 1
        starts = np.concatenate([[0], number[n_bins - 1 : -1 : n_bins] + 1])
        return cls(first, stop, number[cells], starts, np.flatnonzero(held) % n_bins, p)

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.bins)

    def by_class(self, values: Array) -> Array:
        """Return the sums over each class's cells, (cells, ...) to (classes, ...)."""
        if self.n_cells == len(self.starts):
            return values
        return np.asarray(np.add.reduceat(values, self.starts, axis=0))

    def by_bin(self, values: Array, n_bins: int) -> Array:
        """Return the sums over the classes in each bin, (cells, ...) to (bins, ...)."""
        held, row = np.unique(self.bins, return_inverse=True)
        sums = np.zeros((n_bins, *values.shape[1:]))
        sums[held] = (np.arange(len(held))[:, None] == row).astype(np.float64) @ values
        return sums

    def labels(self, rows: Predictions) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the rows whose true class is one of these, and the cells they lie in."""
        own = np.flatnonzero((rows.labels >= self.first) & (rows.labels < self.stop))
        return own, self.of_row[own, rows.labels[own] - self.first]

    def own_gap(self, rows: Predictions) -> Array:
        """Return sum w (p - k) of the data in each cell."""
        w, (own, hit) = rows.weights, self.labels(rows)
        weighted = self.probability if w is None else w[:, None] * self.probability
        said = np.bincount(self.of_row.ravel(), weighted.ravel(), self.n_cells)
        return np.asarray(said - np.bincount(hit, None if w is None else w[own], self.n_cells))


class GapsOf(Protocol):
    """Gives sums of w (p - k) per cell: of the data, or of many worlds."""

    @property
    def worlds(self) -> int:
        """How many sums each cell has."""

    @property
    def total_weight(self) -> Array:
        """Sum of the weights of all rows, (...); of many worlds, of each."""

    def gaps(self, cells: ClassCells) -> Array:
        """Return the sums, (cells, ...)."""


@dataclass(frozen=True, slots=True, eq=False)
class ObservedGaps:
    """Sums of the data alone."""

    rows: Predictions

    @property
    def worlds(self) -> int:
        """One."""
        return 1

    @property
    def total_weight(self) -> Array:
        """Sum of the weights of all rows."""
        w = self.rows.weights
        return np.asarray(float(len(self.rows.labels)) if w is None else w.sum())

    def gaps(self, cells: ClassCells) -> Array:
        """Return the sums, (cells,)."""
        return cells.own_gap(self.rows)


def cells_of_classes(rows: Predictions, *, n_bins: int, worlds: int) -> Iterator[ClassCells]:
    """Yield the cells of all classes, as many at once as memory holds sums of all worlds."""
    n, k = rows.probs.shape
    step = max(1, min(AT_ONCE // n, AT_ONCE // (worlds * min(n, n_bins))))
    for first in range(0, k, step):
        yield ClassCells.of(rows, first, min(first + step, k), n_bins)
