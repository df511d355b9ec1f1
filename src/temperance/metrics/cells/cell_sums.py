"""Sums of the rows in each cell of a grid, from which every resample can be drawn."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np

from temperance.binning import BinSums, assign, bin_edges, limits, mass_cuts
from temperance.metrics.events import GRID_LIMITS, GRID_POINTS, N_RANKS, grid_of
from temperance.sums import MergeableSums

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Places = NDArray[np.intp]

__all__ = ["CellSums", "ProbabilityGrid", "drawn_sums", "null_hits"]

# Sums of the rows in each cell of a grid, from which every resample can be drawn.


@dataclass(frozen=True, slots=True, eq=False)
class CellSums(MergeableSums):
    """Sums over the rows of each cell, (2, cells): where the event failed, where it happened.

    Without weights the fields that are equal then are one array.
    """

    degrees = {  # noqa: RUF012
        "count": 0, "squared_weight": 2, "squared_weight_probability": 2, "square": 2
    }  # fmt: skip

    count: Array  # rows
    weight: Array  # sum w
    squared_weight: Array  # sum w^2
    probability: Array  # sum w p, p = the event's probability
    squared_weight_probability: Array  # sum w^2 p
    square: Array  # sum w^2 p^2

    @classmethod
    def of(
        cls,
        probability: Array,
        hit: NDArray[np.bool_],
        weights: Array | None,
        cells: NDArray[np.intp],
        n_cells: int,
    ) -> Self:
        """Return the sums of one block of rows, the i-th of which lies in `cells[i]`."""
        at = hit * n_cells + cells

        def total(values: Array | None) -> Array:
            sums = np.bincount(at, values, minlength=2 * n_cells).astype(np.float64)
            return sums.reshape(2, n_cells)

        p, count = probability, total(None)
        if weights is None:
            first = total(p)
            return cls(count, count, count, first, first, total(p * p))
        w, wp = weights, weights * p
        count = total((w > 0.0).astype(np.float64))  # a row of weight 0 is none
        return cls(count, total(w), total(w * w), total(wp), total(w * wp), total(wp * wp))

    def rescaled(self, exponent: int) -> Self:
        """Return the sums on another scale; cells whose squared weights vanish are left empty."""
        sums = super(CellSums, self).rescaled(exponent)
        lost = (sums.squared_weight == 0.0) & (sums.weight > 0.0)
        if not lost.any():
            return sums
        parts = (np.where(lost, 0.0, getattr(sums, each.name)) for each in fields(self))
        return replace(type(self)(*parts), count=self.count)

    def regrouped(self, places: NDArray[np.intp], n_places: int) -> Self:
        """Return the sums of coarser cells; `places` says in which of them each cell lies."""
        at = np.concatenate([places, places + n_places])

        def coarse(values: Array) -> Array:
            sums = np.bincount(at, values.ravel(), minlength=2 * n_places)
            return sums.astype(np.float64).reshape(2, n_places)

        return self._mapped(coarse)

    def taken(self, cells: slice) -> Self:
        """Return the sums of neighbouring cells."""
        return self._mapped(lambda values: values[:, cells])

    def merge(self, other: Self) -> Self:
        """Return the sums over the rows of both; associative and commutative."""
        return self._mapped(lambda mine, others: mine + others, other)

    @property
    def unweighted(self) -> bool:
        """Whether every row counts as one."""
        return self.weight is self.count

    def bin_sums(self) -> BinSums:
        """Return what the measures are functions of, (cells,)."""
        return BinSums(
            self.count.sum(axis=0),
            self.weight.sum(axis=0),
            self.squared_weight.sum(axis=0),
            self.probability.sum(axis=0),
            self.weight[1],
        )

    @property
    def largest_part(self) -> Array:
        """How far the sum of w (p - k) over some rows of a cell can lie from 0, (cells,)."""
        return np.asarray(np.maximum(self.probability[0], self.weight[1] - self.probability[1]))

    def _mapped(self, change: Callable[..., Array], *others: Self) -> Self:
        """Return `change` of each field; fields that are one array stay one."""
        known: dict[tuple[int, ...], Array] = {}

        def of_field(name: str) -> Array:
            values = [getattr(each, name) for each in (self, *others)]
            key = tuple(map(id, values))
            if key not in known:
                known[key] = change(*values)
            return known[key]

        return type(self)(*(of_field(each.name) for each in fields(self)))


# Resamples, and labels of a calibrated world, drawn for whole cells instead of rows.


_ROUNDING = 1e-9


def drawn_sums(cells: CellSums, n_resamples: int, *, seed: Sequence[int]) -> BinSums:
    """Return sums of shape (1 + 2 n_resamples, cells): the data's own, resampled ones, null ones.

    The cells hold all rows, which are independent. Resamples: the Poisson bootstrap, where each
    row counts a Poisson number of times, of mean 1. The hits of a cell, and its misses, are
    drawn as one: a Poisson number, scaled to the mean and variance of the sum of their weights.
    Null: the sum of w k over rows of probability p has mean sum w p and variance
    sum w^2 p (1 - p); a scaled binomial has both.
    """
    rng = np.random.default_rng(seed)
    own = cells.bin_sums()
    weight, probability, hits = own.weight, own.probability, own.hits
    count, squared = own.count, own.squared_weight
    ratio = _poisson_ratios(cells, n_resamples, rng)
    of_weight = ratio * cells.weight
    slope, spread = _probability_given_weight(cells)
    of_probability = cells.probability + (of_weight - cells.weight) * slope
    of_probability += np.sqrt(ratio) * spread * rng.standard_normal(ratio.shape)
    resamples = BinSums(
        (ratio * cells.count).sum(axis=1),
        of_weight.sum(axis=1),
        (ratio * cells.squared_weight).sum(axis=1),
        of_probability.sum(axis=1),
        of_weight[:, 1],
    )
    under_null = null_hits(cells, n_resamples, rng)

    def worlds(total: Array, resampled: Array, null: Array) -> Array:
        return np.concatenate([total[None], resampled, np.broadcast_to(null, resampled.shape)])

    shared = worlds(weight, resamples.weight, weight)
    return BinSums(
        shared if cells.unweighted else worlds(count, resamples.count, count),
        shared,
        shared if cells.unweighted else worlds(squared, resamples.squared_weight, squared),
        worlds(probability, resamples.probability, probability),
        worlds(hits, resamples.hits, under_null),
    )


def _poisson_ratios(cells: CellSums, n_resamples: int, rng: np.random.Generator) -> Array:
    """How many times its weight each half of a cell has in each resample, (resamples, 2, cells)."""
    number = _ratio(cells.weight**2, cells.squared_weight)
    counts = rng.poisson(number, size=(n_resamples, *number.shape)).astype(np.float64)
    nothing = ~counts.any(axis=(1, 2))  # of few rows; a sample of none has no error
    counts[nothing] = number
    return np.divide(counts, number, out=counts, where=number > 0.0)


def _probability_given_weight(cells: CellSums) -> tuple[Array, Array]:
    """Return how a resampled sum of w p moves with that of w, and its own spread, (2, cells).

    The spread is the root of the sum of w^2 (p - slope)^2: 0 but for rounding in a fine cell.
    """
    slope = _ratio(cells.squared_weight_probability, cells.squared_weight)
    square = cells.square - slope * cells.squared_weight_probability
    return slope, np.sqrt(np.maximum(square, 0.0))


def null_hits(cells: CellSums, n_draws: int, rng: np.random.Generator) -> Array:
    """Return sums of w k per cell under calibration, (draws, cells).

    Drawn is the rarer of hits and misses. A binomial of N trials has the variance wanted where
    N = (sum w p)^2 / sum w^2 p^2; that is no whole number, so each draw takes the one below or the
    one above, of mean 1/N.
    """
    weight, squared = cells.weight.sum(axis=0), cells.squared_weight.sum(axis=0)
    hits, of_hits = cells.probability.sum(axis=0), cells.squared_weight_probability.sum(axis=0)
    square = cells.square.sum(axis=0)
    missing = hits > 0.5 * weight
    expected = np.where(missing, weight - hits, hits)
    linear = np.where(missing, squared - of_hits, of_hits)
    square = np.where(missing, squared - 2.0 * of_hits + square, square)
    certain = expected <= _ROUNDING * weight  # what is left of 1 - p is rounding
    expected = np.where(certain, np.maximum(expected, 0.0), expected)
    scale = np.where(certain, _ratio(squared, weight), _ratio(linear, expected))
    number = np.where(certain, 1.0, np.maximum(_ratio(expected * expected, square), 1.0))
    below = np.floor(number * (1.0 + _ROUNDING))
    take_below = below * (below + 1.0) / number - below
    trials = below + (rng.random((n_draws, len(below))) >= take_below)
    mean = _ratio(expected, scale)
    smaller_side = scale * rng.binomial(trials.astype(np.int64), np.minimum(mean / trials, 1.0))
    return np.where(missing, weight - smaller_side, smaller_side)


def _ratio(above: Array, below: Array) -> Array:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0.0)


# A grid of an event's probability that bins, ranks and smoothing can all be made of.


_EVEN = 1 << 14  # cells of equal width: a multiple of the smooth error's
_ODDS = 36.0  # log-odds beyond which float64 has no probability below 1
_ODDS_STEP = 1.0 / 256.0


@dataclass(frozen=True)
class ProbabilityGrid:
    """About 35,000 cells, even in the probability and in its log-odds, for any `n_bins`.

    0 and 1 have a cell each. No edge of the `n_bins` bins of equal width, or of the cells that the
    smooth error is summed in, cuts a cell: these measures lose nothing.
    """

    n_bins: int

    @cached_property
    def upper(self) -> NDArray[np.float64]:
        """Upper end of each cell, which belongs to it, ascending from 0 to 1."""
        odds = np.arange(-_ODDS, _ODDS + _ODDS_STEP, _ODDS_STEP)
        edges = (
            np.arange(_EVEN + 1) / _EVEN,
            1.0 / (1.0 + np.exp(-odds)),
            np.nextafter(GRID_LIMITS, 0.0),  # those cells hold their lower end
            np.nextafter(np.arange(1, GRID_POINTS) / GRID_POINTS, 0.0),  # one for k / 512 alone
            np.array([np.nextafter(1.0, 0.0)]),
            limits(self.bin_edges),
        )
        return np.unique(np.concatenate(edges))

    @cached_property
    def single(self) -> NDArray[np.bool_]:
        """Whether a cell holds one floating-point number only: its upper end."""
        return np.nextafter(self.upper, -1.0) <= np.concatenate([[0.0], self.upper[:-1]])

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.upper)

    def cells_of(self, probability: NDArray[np.float64]) -> Places:
        """Return each row's cell."""
        return np.searchsorted(self.upper, probability, side="left")

    @property
    def bin_edges(self) -> NDArray[np.float64]:
        """Edges of the bins of equal width."""
        return bin_edges(np.empty(0), n_bins=self.n_bins, binning="equal-width", weights=None)

    @cached_property
    def bins(self) -> Places:
        """Bin of equal width of each cell."""
        return assign(self.upper, self.bin_edges)

    @cached_property
    def points(self) -> Places:
        """Place of each cell on the grid of the smooth calibration error."""
        return grid_of(self.upper)

    def equal_mass(self, cells: CellSums) -> tuple[Places, Places]:
        """Return the bin of equal mass of each cell, and the cells that the bins end in."""
        below = np.cumsum(cells.weight.sum(axis=0))
        whole = bool((below == np.floor(below)).all())
        ends = mass_cuts(below, self.n_bins, whole=whole)
        return np.searchsorted(ends, np.arange(self.n_cells), side="left"), ends

    def ranks(self, cells: CellSums, n_ranks: int = N_RANKS) -> tuple[Places, int]:
        """Return each cell's place among at most `n_ranks` parts of the rows, and their number.

        As `ranks_of` does with rows: all cells that hold rows, or parts of equally many rows.
        """
        count = cells.count.sum(axis=0)
        occupied = count > 0.0
        if np.count_nonzero(occupied) <= n_ranks:
            return np.maximum(occupied.cumsum() - 1, 0), int(np.count_nonzero(occupied))
        n = int(count.sum())
        cuts = np.searchsorted(count.cumsum(), np.arange(1, n_ranks) * n // n_ranks, side="right")
        place = np.searchsorted(np.unique(cuts), np.arange(self.n_cells), side="right")
        parts = np.unique(place[occupied])
        return np.minimum(np.searchsorted(parts, place), len(parts) - 1), len(parts)
