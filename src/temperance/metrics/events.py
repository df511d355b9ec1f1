"""What a probability is of, and the bins and cells in which probabilities are gathered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, Self

import numpy as np

from temperance.binning import MOST_BINS, ROUNDING, assign, bin_edges, forecast_numbers, limits
from temperance.checks.arguments import as_count, value_text
from temperance.checks.labels import class_position
from temperance.errors import InvalidInputError
from temperance.numerics import as_float64, row_blocks
from temperance.printable import first_few

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from temperance.binning import Binning
    from temperance.metrics.inputs import Predictions

    Array = NDArray[np.float64]

__all__ = [
    "GRID_LIMITS",
    "GRID_POINTS",
    "N_RANKS",
    "ClassCells",
    "Event",
    "EventName",
    "GapsOf",
    "ObservedGaps",
    "bins_of",
    "cells_of_classes",
    "check_bins",
    "class_event",
    "grid_of",
    "named_event",
    "ranks_of",
    "top_label_event",
]

# Which bin, rank or grid point each row counts in.


N_RANKS = 1000  # parts of the sorted rows that resamples of rank-based measures work on
GRID_POINTS = 512  # of the smooth calibration error: 0.002 apart
GRID_LIMITS = np.arange(1, GRID_POINTS) / GRID_POINTS - ROUNDING  # lowest value of each cell


def check_bins(n_bins: int) -> int:
    """Return a number of bins, or raise InvalidInputError."""
    return as_count(n_bins, name="n_bins", most=MOST_BINS)


def bins_of(
    probability: NDArray[np.float64],
    *,
    n_bins: int,
    binning: Binning,
    weights: NDArray[np.float64] | None,
) -> NDArray[np.intp]:
    """Return each row's bin, 0..n_bins-1."""
    edges = bin_edges(probability, n_bins=n_bins, binning=binning, weights=weights)
    return assign(probability, edges)


def ranks_of(
    probability: NDArray[np.float64], n_ranks: int = N_RANKS
) -> tuple[NDArray[np.intp], int]:
    """Return each row's place among the distinct forecasts, ascending, and their number.

    Probabilities that differ by rounding alone are one forecast (`forecast_numbers`).

    Beyond `n_ranks` distinct values, neighbours share a place: about equally many rows each,
    equal values never parted.
    """
    distinct, place = np.unique(probability, return_inverse=True)
    number = forecast_numbers(distinct)
    if number[-1] < n_ranks:
        return number[place], int(number[-1]) + 1
    cuts = np.sort(probability)[np.arange(1, n_ranks) * len(probability) // n_ranks]
    place = np.searchsorted(np.unique(cuts), probability, side="right")
    occupied = np.unique(place)
    return np.searchsorted(occupied, place), len(occupied)


def grid_of(probability: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return each row's cell on an even grid of `GRID_POINTS` cells over [0, 1].

    A cell holds its lower end, and what differs from that by rounding.
    """
    return np.searchsorted(GRID_LIMITS, probability, side="right")


_SHOWN = 5  # names quoted in a message
EventName = str | int  # "predicted", or a class by its number or name


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """Something that happens in a row or not, and the probability the model gives it."""

    name: Literal["top-label"] | int
    probability: NDArray[np.float64]  # (n,), in [0, 1]
    hit: NDArray[np.bool_]  # (n,)


def top_label_event(rows: Predictions) -> Event:
    """Return the event that the predicted class is the true one."""
    return Event("top-label", rows.confidence, rows.correct)


def class_event(rows: Predictions, number: int) -> Event:
    """Return the event that the true class is `number`."""
    return Event(number, np.ascontiguousarray(rows.probs[:, number]), rows.labels == number)


def named_event(rows: Predictions, name: EventName | None) -> Event:
    """Return the event of that name; None is class 1 of two classes, else "predicted".

    Results call the latter "top-label", which is understood too. A class is called by its name
    where the columns have names (by the rule of labels); by its number where no name is one.
    """
    k = rows.shape[1]
    if name is None:
        return class_event(rows, 1) if k == 2 else top_label_event(rows)
    if isinstance(name, str) and name in ("predicted", "top-label"):
        return top_label_event(rows)
    if not isinstance(name, bool | np.bool_) and isinstance(name, str | int | np.integer):
        place = class_position(name, rows.classes)
        if 0 <= place < k:
            return class_event(rows, place)
    which = f"in 0..{k - 1}"
    if rows.classes is not None:
        which = f"among {first_few(list(map(repr, rows.classes)), _SHOWN)}"
    msg = f'`event` must be "predicted" or a class {which}, got {value_text(name)}.'
    raise InvalidInputError(msg)


# The probabilities of some classes in bins: only cells of a class and a bin that hold a row.


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
    whole: bool  # these are all classes

    @classmethod
    def of(cls, rows: Predictions, first: int, stop: int, n_bins: int) -> Self:
        """Return the cells of some classes, in bins of equal width."""
        p = rows.probs[:, first:stop]
        edges = limits(np.arange(n_bins + 1) / n_bins)
        cells = np.empty(p.shape, dtype=np.intp)
        occupied = np.zeros((stop - first) * n_bins, dtype=bool)
        lowest = np.arange(stop - first) * n_bins
        for some in row_blocks(p):
            cells[some] = lowest
            row, column = np.nonzero(p[some] > edges[1])
            of_high = np.searchsorted(edges[1:-1], p[some][row, column], side="left")
            cells[some][row, column] += of_high
            occupied[cells[some]] = True
        number = np.cumsum(occupied) - 1
        starts = np.concatenate([[0], number[n_bins - 1 : -1 : n_bins] + 1])
        for some in row_blocks(p):
            cells[some] = number[cells[some]]
        whole = stop - first == rows.shape[1]
        return cls(first, stop, cells, starts, np.flatnonzero(occupied) % n_bins, p, whole)

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
        occupied, row = np.unique(self.bins, return_inverse=True)
        sums = np.zeros((n_bins, *values.shape[1:]))
        sums[occupied] = (np.arange(len(occupied))[:, None] == row).astype(np.float64) @ values
        return sums

    def holding(self, labels: NDArray[np.integer]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the places whose label is one of these classes, and the cells they lie in.

        `labels`, (m * n,), of all rows, or of all rows m times.
        """
        n, k = self.of_row.shape
        if self.whole:
            own = np.arange(len(labels))
            row = own if len(own) == n else own % n
            return own, self.of_row.ravel().take(row * k + labels)
        own = np.flatnonzero((labels >= self.first) & (labels < self.stop))
        return own, self.of_row.ravel().take(own % n * k + labels[own] - self.first)

    def counts(self, labels: NDArray[np.integer], weights: Array | None) -> Array:
        """Return sum w k of each cell, (m, cells), for several sets of labels, (m, n)."""
        m, n = labels.shape
        width = self.of_row.shape[1]
        if self.whole:
            cell = self.of_row.ravel().take(labels + width * np.arange(n))
            w = None if weights is None else np.broadcast_to(weights, labels.shape).ravel()
            place = (cell + self.n_cells * np.arange(m)[:, None]).ravel()
        else:
            inside = np.flatnonzero((labels >= self.first) & (labels < self.stop))
            draw, row = np.divmod(inside, n)
            cell = self.of_row.ravel().take(row * width + labels.ravel()[inside] - self.first)
            w = None if weights is None else weights[row]
            place = cell + self.n_cells * draw
        sums = np.bincount(place, w, m * self.n_cells)
        return sums.reshape(m, self.n_cells).astype(np.float64, copy=False)

    def own_sums(self, rows: Predictions) -> tuple[Array, Array]:
        """Return sums of w (p - k) and of w p of the data in each cell."""
        w, (own, hit) = rows.weights, self.holding(rows.labels)
        weighted = self.probability if w is None else w[:, None] * self.probability
        expected = as_float64(np.bincount(self.of_row.ravel(), weighted.ravel(), self.n_cells))
        return expected - np.bincount(hit, None if w is None else w[own], self.n_cells), expected


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
        return cells.own_sums(self.rows)[0]


def cells_of_classes(rows: Predictions, *, n_bins: int, worlds: int) -> Iterator[ClassCells]:
    """Yield the cells of all classes, as many at once as memory holds sums of all worlds.

    Most classes of many have rows in few bins: cells are counted before they are parted.
    """
    n, k = rows.shape
    most = max(1, AT_ONCE // n)
    step, first = most, 0
    while first < k:
        cells = ClassCells.of(rows, first, min(first + step, k), n_bins)
        if (share := cells.n_cells * worlds / AT_ONCE) > 1.0 and step > 1:
            step = max(1, int(min(step, k - first) / share * 0.9))
            continue
        yield cells
        first = cells.stop
