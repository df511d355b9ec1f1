"""Sums of the data, of resamples and of calibrated worlds, without measuring a row twice.

Rows are dealt into at most 1,000 groups, and a resample weights groups, not rows: the sums of all
resamples are one matrix product. A measure is a function of sums, so it is written once and gives
its value, its interval and its null band together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from temperance.binning import BinSums
from temperance.checks.arguments import as_count
from temperance.numerics import row_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.metrics.events import ClassCells, Event
    from temperance.metrics.inputs import Predictions

__all__ = ["N_RESAMPLES", "QUICK_RESAMPLES", "Resampling", "check_resamples", "draw_labels"]

# Labels as a calibrated world would draw them: each from its row's own probabilities.


_FEW_CLASSES = 32  # up to here, comparing with every class is faster than a binary search


def draw_labels(probs: NDArray[np.float64], n_draws: int, *, seed: int) -> NDArray[np.integer]:
    """Return labels drawn from the rows of `probs`, shape (n_draws, n), by inverting the CDF."""
    n, k = probs.shape
    labels = np.empty((n_draws, n), dtype=np.int16 if k < 2**15 else np.int32)
    rng = np.random.default_rng([seed, 3])
    for rows in row_blocks(probs):
        cumulative = probs[rows].cumsum(axis=1)
        uniform = rng.random((n_draws, len(cumulative))) * cumulative[:, -1]
        if k <= _FEW_CLASSES:
            drawn = np.zeros(uniform.shape, dtype=labels.dtype)
            for column in cumulative.T[:-1]:
                drawn += uniform >= column
        else:  # rows end to end on one line: row i occupies [2 i, 2 i + total]
            start = 2.0 * np.arange(len(cumulative))
            line = (cumulative + start[:, None]).ravel()
            drawn = np.searchsorted(line, uniform + start, side="right")
            drawn = np.minimum(drawn - k * np.arange(len(cumulative)), k - 1)
        labels[:, rows] = drawn
    return labels


N_RESAMPLES = 1000
QUICK_RESAMPLES = 200
_MOST_RESAMPLES = 20_000  # more change no digit that is shown, and take gigabytes
_GROUPS = 1000  # enough for a covariance of sums; as many rows or fewer are their own groups
_DRAWS = 10_000_000  # labels drawn under the null; with more rows, drawn groups change their sign
_SIGNED_DRAWS = 20


def check_resamples(n_resamples: int) -> int:
    """Return a number of resamples, or raise InvalidInputError."""
    return as_count(n_resamples, name="n_resamples", least=100, most=_MOST_RESAMPLES)


@dataclass(frozen=True, eq=False)
class Resampling:
    """Resamples and null draws of checked predictions, all from one seed.

    The group of a row and the weights of the groups depend on the seed, the number of rows and
    the clusters alone: two models on the same rows are resampled together, so that differences
    are paired.

    Resamples are Efron's bootstrap of rows (of clusters, where given). Null draws are
    consistency resampling (Broecker and Smith 2007): labels drawn from the probabilities. With
    many rows, few labels are drawn and the groups' sums of (p - k) take random signs, which keeps
    their covariance; with clusters, the observed sums of (p - k) take them, because rows of one
    cluster share their luck.
    """

    rows: Predictions
    n_resamples: int
    seed: int

    def sums(self, event: Event, bins: NDArray[np.intp], n_bins: int) -> BinSums:
        """Return sums of shape (1 + resamples + null draws, n_bins), the data's own first."""
        own = BinSums.of(event.probability, event.hit, self.rows.weights, bins, n_bins)
        resampled = self._resampler(bins, n_bins)
        w = np.ones(len(bins)) if self.rows.weights is None else self.rows.weights
        null_hits = self._null_hits(event, bins, own)

        def worlds(
            total: NDArray[np.float64],
            drawn: NDArray[np.float64],
            null: NDArray[np.float64] | None = None,
        ) -> NDArray[np.float64]:
            under_null = np.broadcast_to(total, null_hits.shape) if null is None else null
            return np.concatenate([total[None], drawn, under_null])

        weight = worlds(own.weight, resampled(w))
        count = squared = weight
        if self.rows.weights is not None:
            count = worlds(own.count, resampled(np.ones(len(bins))))
            squared = worlds(own.squared_weight, resampled(w * w))
        probability = worlds(own.probability, resampled(w * event.probability))
        hits = worlds(own.hits, resampled(w * event.hit), null_hits)
        return BinSums(count, weight, squared, probability, hits)

    @property
    def worlds(self) -> int:
        """How many sums there are of everything: 1 + resamples + null draws."""
        return 1 + 2 * self.n_resamples

    @cached_property
    def total_weight(self) -> NDArray[np.float64]:
        """Sum of the weights of all rows, (worlds,)."""
        weights = np.bincount(self._group, self.rows.weights).astype(np.float64)
        own = np.full(1 + self.n_resamples, weights.sum())
        return np.concatenate([own[:1], self._group_weights @ weights, own[1:]])

    def gaps(self, cells: ClassCells) -> NDArray[np.float64]:
        """Return sum w (p - k) of each class's own cells, (cells, worlds).

        What `sums` would give of one class after the other, from a matrix product for them all.
        """
        w, p = self.rows.weights, cells.probability
        weighted = p if w is None else w[:, None] * p
        said = self._of_groups(self._group[:, None], cells.of_row, cells, weighted)
        own, at = cells.labels(self.rows)
        hits = self._of_groups(self._group[own], at, cells, None if w is None else w[own])
        gap = said - hits
        own_gap, resampled = cells.own_gap(self.rows)[:, None], gap.T @ self._group_weights.T
        return np.concatenate([own_gap, resampled, self._null_gaps(cells, said, gap)], axis=1)

    def _of_groups(
        self,
        group: NDArray[np.intp],
        cell: NDArray[np.intp],
        cells: ClassCells,
        values: NDArray[np.float64] | None,
    ) -> NDArray[np.float64]:
        """Return sums of `values` (by default 1) per group and cell, (groups, cells)."""
        shape = (self._n_groups, cells.n_cells)
        place = (group * shape[1] + cell).ravel()
        sums = np.bincount(place, None if values is None else values.ravel(), shape[0] * shape[1])
        return sums.reshape(shape).astype(np.float64, copy=False)

    def _null_gaps(
        self, cells: ClassCells, said: NDArray[np.float64], gap: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the gaps of each null draw, (cells, draws); see `_null_hits`."""
        if self.rows.clusters is not None:
            return gap.T @ self._signs(0, self.n_resamples).T
        n, w, draws = len(self.rows.labels), self.rows.weights, len(self._null_labels)
        places, starts = self._null_by_class
        drawn = places[starts[cells.first] : starts[cells.stop]]
        of_class = np.diff(starts[cells.first : cells.stop + 1])
        draw, row = np.divmod(drawn, n)
        at = cells.of_row[row, np.repeat(np.arange(len(of_class)), of_class)]
        of_row = None if w is None else w[row]
        if draws == self.n_resamples:
            hits = np.bincount(at * draws + draw, of_row, cells.n_cells * draws)
            return np.asarray(said.sum(axis=0)[:, None] - hits.reshape(cells.n_cells, draws))
        order = np.argsort(draw, kind="stable")
        bounds = np.searchsorted(draw[order], np.arange(draws + 1))
        parts = []
        for number, signs in enumerate(np.array_split(np.arange(self.n_resamples), draws)):
            own = order[bounds[number] : bounds[number + 1]]
            weight = None if of_row is None else of_row[own]
            gap = said - self._of_groups(self._group[row[own]], at[own], cells, weight)
            parts.append(gap.T @ self._signs(number, len(signs)).T)
        return np.concatenate(parts, axis=1)

    @cached_property
    def doubt(self) -> float:
        """1 / effective number of rows, or of clusters."""
        weights, units = self.rows.weights, self.rows.clusters
        if units is not None:
            weights = np.bincount(units, weights).astype(np.float64)
        if weights is None:
            return 1.0 / len(self.rows.labels)
        return float(weights @ weights / weights.sum() ** 2)

    @cached_property
    def _group(self) -> NDArray[np.intp]:
        """Group of each row, 0..n_groups-1."""
        units = self.rows.clusters
        n_units = len(self.rows.labels) if units is None else int(units.max()) + 1
        of_unit = np.arange(n_units)
        if n_units > _GROUPS:
            of_unit = np.random.default_rng([self.seed, 1]).permutation(n_units) % _GROUPS
        return of_unit if units is None else of_unit[units]

    @cached_property
    def _n_groups(self) -> int:
        return int(self._group.max()) + 1

    @cached_property
    def _group_weights(self) -> NDArray[np.float64]:
        """How often each resample draws each group, (resamples, groups)."""
        rng = np.random.default_rng([self.seed, 2])
        share = np.full(self._n_groups, 1.0 / self._n_groups)
        drawn = rng.multinomial(self._n_groups, share, size=self.n_resamples).astype(np.float64)
        if self.rows.weights is not None:  # a sample of rows without weight has no error
            drawn[drawn @ np.bincount(self._group, self.rows.weights) == 0.0] = 1.0
        return drawn

    def _resampler(self, bins: NDArray[np.intp], n_bins: int) -> _Resampler:
        if self.rows.clusters is None and self._n_groups == len(bins):
            return _OfRows(self._group_weights, bins, n_bins)
        return _OfGroups(self._group_weights, self._group * n_bins + bins, n_bins)

    @cached_property
    def _null_labels(self) -> NDArray[np.integer]:
        """Labels drawn from the probabilities, (draws, n)."""
        few = len(self.rows.labels) * self.n_resamples <= _DRAWS
        draws = self.n_resamples if few else _SIGNED_DRAWS
        return draw_labels(self.rows.probs, draws, seed=self.seed)

    @cached_property
    def _null_by_class(self) -> tuple[NDArray[np.integer], NDArray[np.intp]]:
        """Null labels as flat places sorted by class, and where each class begins."""
        labels = self._null_labels.ravel()
        places = np.argsort(labels, kind="stable")
        starts = np.searchsorted(labels[places], np.arange(self.rows.probs.shape[1] + 1))
        return places, starts

    @cached_property
    def _null_misses(self) -> NDArray[np.integer]:
        """Flat places of the null labels that are not the predicted class."""
        return np.flatnonzero(self._null_labels != self.rows.predicted.astype(np.int32))

    def _null_hits(self, event: Event, bins: NDArray[np.intp], own: BinSums) -> NDArray[np.float64]:
        """Return sum w k per bin of each null draw, (draws, n_bins)."""
        n, n_bins, weights = len(bins), len(own.weight), self.rows.weights
        cells = self._group * n_bins + bins
        shape = (self._n_groups, n_bins)
        if self.rows.clusters is not None:
            gap = (event.probability - event.hit) * (1.0 if weights is None else weights)
            of_groups = np.bincount(cells, gap, shape[0] * n_bins).reshape(shape)
            return np.asarray(own.probability - self._signs(0, self.n_resamples) @ of_groups)
        places, missed = self._null_places(event)
        row, draws = places % n, len(self._null_labels)
        of_row = None if weights is None else weights[row]
        if draws == self.n_resamples:
            counted = np.bincount(places // n * n_bins + bins[row], of_row, draws * n_bins)
            counted = counted.reshape(draws, n_bins)
            return np.asarray(own.weight - counted if missed else counted, dtype=np.float64)
        # p - k of a row is p less 1 if it hits: expected sums once, then each draw's hits
        chance = 1.0 - event.probability if missed else event.probability
        w_chance = chance if weights is None else weights * chance
        expected = np.bincount(cells, w_chance, shape[0] * n_bins).astype(np.float64)
        bounds = np.searchsorted(places, np.arange(draws + 1) * n)
        parts = []
        for draw, signs in enumerate(np.array_split(np.arange(self.n_resamples), draws)):
            drawn = slice(bounds[draw], bounds[draw + 1])
            weight = None if of_row is None else of_row[drawn]
            gap = expected - np.bincount(cells[row[drawn]], weight, len(expected))
            parts.append(own.probability - self._signs(draw, len(signs)) @ gap.reshape(shape))
        return np.concatenate(parts)

    def _null_places(self, event: Event) -> tuple[NDArray[np.integer], bool]:
        """Flat places, ascending, where the event happens under the null (or, True, does not)."""
        if event.name == "top-label":
            return self._null_misses, True
        places, starts = self._null_by_class
        return places[starts[event.name] : starts[event.name + 1]], False

    def _signs(self, draw: int, n_signs: int) -> NDArray[np.float64]:
        rng = np.random.default_rng([self.seed, 4, draw])
        return rng.choice([-1.0, 1.0], size=(n_signs, self._n_groups))


class _OfGroups:
    """Weighted sums of groups: one matrix product per quantity."""

    def __init__(
        self, group_weights: NDArray[np.float64], cells: NDArray[np.intp], n_bins: int
    ) -> None:
        self._group_weights, self._cells, self._n_bins = group_weights, cells, n_bins

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sums of `values` (n,) per bin, (resamples, n_bins)."""
        shape = (self._group_weights.shape[1], self._n_bins)
        of_groups = np.bincount(self._cells, values, shape[0] * shape[1]).reshape(shape)
        return np.asarray(self._group_weights @ of_groups)


class _OfRows:
    """The same where every row is its own group: rows sorted by bin, then added up in runs."""

    def __init__(
        self, row_weights: NDArray[np.float64], bins: NDArray[np.intp], n_bins: int
    ) -> None:
        self._order = np.argsort(bins, kind="stable")
        self._held, self._starts = np.unique(bins[self._order], return_index=True)
        self._sorted, self._n_bins = row_weights[:, self._order], n_bins

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sums of `values` (n,) per bin, (resamples, n_bins)."""
        sums = np.zeros((len(self._sorted), self._n_bins))
        weighted = self._sorted * values[self._order]
        sums[:, self._held] = np.add.reduceat(weighted, self._starts, axis=1)
        return sums


_Resampler = _OfGroups | _OfRows
