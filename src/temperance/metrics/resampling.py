"""Sums of the data, of resamples and of calibrated worlds, without measuring a row twice.

Rows are dealt into at most 1,000 groups, and a resample weights groups, not rows: the sums of all
resamples are one matrix product. A measure is a function of sums, so it is written once and gives
its value, its interval and its null band together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.binning import BinSums, limits
from temperance.checks.arguments import as_count
from temperance.defaults import N_RESAMPLES, QUICK_RESAMPLES
from temperance.kernels.engines import compiled_label_draws
from temperance.metrics.events import grid_of, ranks_of
from temperance.numerics import row_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.metrics.events import ClassCells, Event
    from temperance.metrics.inputs import Predictions

__all__ = [
    "N_RESAMPLES",
    "QUICK_RESAMPLES",
    "Resampling",
    "WorldSums",
    "check_resamples",
    "draw_labels",
]

# Labels as a calibrated world would draw them: each from its row's own probabilities.


_FEW_CLASSES = 32  # up to here, comparing with every class is faster than a binary search
_NUMBERS = 1 << 17  # random numbers drawn at once


def draw_labels(probs: NDArray[np.float64], n_draws: int, *, seed: int) -> NDArray[np.integer]:
    """Return labels drawn from the rows of `probs`, shape (n_draws, n), by inverting the CDF."""
    n, k = probs.shape
    labels = np.empty((n_draws, n), dtype=np.min_scalar_type(-k))
    rng = np.random.default_rng([seed, 3])
    compiled = compiled_label_draws(n_draws * n) if k > _FEW_CLASSES else None
    for rows in row_blocks(probs, max(1, _NUMBERS // n_draws) * k):  # draws that fit the cache
        cumulative = probs[rows].cumsum(axis=1)
        uniform = rng.random((n_draws, len(cumulative))) * cumulative[:, -1]
        if k <= _FEW_CLASSES:
            classes = np.zeros(uniform.shape, dtype=labels.dtype)
            beyond = np.empty(uniform.shape, dtype=np.bool_)
            for column in cumulative.T[:-1]:
                classes += np.greater_equal(uniform, column, out=beyond)
        elif compiled is not None:
            classes = np.empty(uniform.shape, dtype=labels.dtype)
            compiled(cumulative, uniform, classes)
        else:  # row by row: the steps of one stay in the nearest cache
            classes = np.empty(uniform.shape[::-1], dtype=labels.dtype)
            for row, (steps, heights) in enumerate(
                zip(cumulative, np.ascontiguousarray(uniform.T), strict=True)
            ):
                classes[row] = np.minimum(np.searchsorted(steps, heights, side="right"), k - 1)
            classes = classes.T
        labels[:, rows] = classes
    return labels


_MOST_RESAMPLES = 20_000  # more change no digit that is shown, and take gigabytes
_GROUPS = 1000  # enough for a covariance of sums; as many rows or fewer are their own groups
_DRAWS = 10_000_000  # labels drawn under the null; with more rows, drawn groups change their sign
# The same for many classes: their cells hold few labels, whose sums are too skewed for signs.
_DRAWS_OF_MANY = 5 * _DRAWS
_SIGNED_DRAWS = 20
_RUNS = 1 << 20  # rows of draws that are put in order at once
_FEW_BINS = 200  # of which sums are a small matrix product, and need no single precision


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

    def apart(self) -> Resampling:
        """Return the same draws; what is made of them from here on goes with what is returned."""
        other = Resampling(self.rows, self.n_resamples, self.seed)
        vars(other).update(_group=self._group, _group_weights=self._group_weights)
        return other

    def sums(self, event: Event, bins: NDArray[np.intp], n_bins: int) -> WorldSums:
        """Return sums of shape (1 + resamples + null draws, n_bins), the data's own first."""
        own = BinSums.of(event.probability, event.hit, self.rows.weights, bins, n_bins)
        return WorldSums(
            own, event, self.rows.weights, self._resampler(bins, n_bins),
            self._null_hits(event, bins, own), expected=_said(own, event, self.rows.weights, bins),
        )  # fmt: skip

    def null_sums(self, event: Event, bins: NDArray[np.intp], n_bins: int) -> WorldSums:
        """Return sums of shape (1 + null draws, n_bins), the data's own first; no resamples."""
        own = BinSums.of(event.probability, event.hit, self.rows.weights, bins, n_bins)
        return WorldSums(own, event, self.rows.weights, None, self._null_hits(event, bins, own))

    def class_shares(self) -> NDArray[np.float64]:
        """Return each class's share of the weight of each resample, the data first, (1 + b, k)."""
        k, w = self.rows.shape[1], self.rows.weights
        place = self._group * k + self.rows.labels
        weight = np.bincount(place, w, self._n_groups * k).reshape(-1, k)
        sums = np.concatenate([weight.sum(axis=0)[None], self._group_weights @ weight])
        return np.asarray(sums / sums.sum(axis=1, keepdims=True))

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
        own_gap, expected, gap = self._cell_sums(cells)
        resampled = gap.T @ self._group_weights.T
        null = self._null_gaps(cells, expected.sum(axis=0), expected, gap)
        return np.concatenate([own_gap[:, None], resampled, null], axis=1)

    def null_gaps(self, cells: ClassCells) -> NDArray[np.float64]:
        """Return those of the data and of null draws alone, (cells, 1 + null draws)."""
        if self.rows.clusters is None and self._n_draws == self.n_resamples:
            own_gap, expected = cells.own_sums(self.rows)
            null = self._null_gaps(cells, expected, expected, expected)
        else:
            own_gap, expected, gap = self._cell_sums(cells)
            null = self._null_gaps(cells, expected.sum(axis=0), expected, gap)
        return np.concatenate([own_gap[:, None], null], axis=1)

    def _cell_sums(
        self, cells: ClassCells
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return the gaps of the data, and sums of w p and w (p - k) of groups in cells."""
        w, p = self.rows.weights, cells.probability
        weighted = p if w is None else w[:, None] * p
        expected = self._of_groups(self._group[:, None], cells.of_row, cells, weighted)
        own, at = cells.holding(self.rows.labels)
        hits = self._of_groups(self._group[own], at, cells, None if w is None else w[own])
        return cells.own_sums(self.rows)[0], expected, expected - hits

    def resampled_bins(self, n_bins: int) -> NDArray[np.float64]:
        """Return sum w (p - k) of all probabilities in bins of equal width, (n_bins, resamples)."""
        w, labels = self.rows.weights, self.rows.labels
        gap = np.zeros((self._n_groups, n_bins))
        rest = np.zeros(len(labels))  # what of a row's probabilities lies in the lowest bin
        edges = limits(np.arange(n_bins + 1) / n_bins)
        for some in row_blocks(self.rows.probs):
            p, group = self.rows.probs[some], self._group[some]
            row, column = np.nonzero(p > edges[1])
            high = p[row, column]
            bins = np.searchsorted(edges[1:-1], high, side="left")
            rest[some] = p.sum(axis=1) - np.bincount(row, high, len(p))
            weight = np.ones(len(p)) if w is None else w[some]
            place = group[row] * n_bins + bins
            gap += np.bincount(place, high * weight[row], gap.size).reshape(gap.shape)
            at = np.searchsorted(edges[1:-1], p[np.arange(len(p)), labels[some]], side="left")
            gap -= np.bincount(group * n_bins + at, weight, gap.size).reshape(gap.shape)
        gap[:, 0] += np.bincount(self._group, rest if w is None else rest * w, self._n_groups)
        return gap.T @ self._group_weights.T

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
        self,
        cells: ClassCells,
        total: NDArray[np.float64],
        expected: NDArray[np.float64],
        gap: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return the gaps of each null draw, (cells, draws); see `_null_hits`.

        Of sums of w p in all, (cells,), and of w p and w (p - k) in groups, which signs need.
        """
        if self.rows.clusters is not None:
            return gap.T @ self._signs(0, self.n_resamples).T
        labels, w = self._null_labels, self.rows.weights
        if len(labels) == self.n_resamples:
            hits = np.empty((len(labels), cells.n_cells))
            for draws in row_blocks(labels):
                hits[draws] = cells.counts(labels[draws], w)
            return np.asarray(total[:, None] - hits.T)
        parts = []
        for draw, signs in enumerate(np.array_split(np.arange(self.n_resamples), len(labels))):
            row, at = cells.holding(labels[draw])
            label_hits = self._of_groups(self._group[row], at, cells, None if w is None else w[row])
            parts.append((expected - label_hits).T @ self._signs(draw, len(signs)).T)
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
        shape = (self.n_resamples, self._n_groups)
        place = rng.integers(0, self._n_groups, size=shape)
        place += self._n_groups * np.arange(self.n_resamples)[:, None]
        counts = np.bincount(place.ravel(), minlength=shape[0] * shape[1])
        factor = counts.reshape(shape).astype(np.float64)
        if self.rows.weights is not None:  # a sample of rows without weight has no error
            factor[factor @ np.bincount(self._group, self.rows.weights) == 0.0] = 1.0
        return factor

    def _resampler(self, bins: NDArray[np.intp], n_bins: int) -> _Resampler:
        few = n_bins <= _FEW_BINS
        if not few and self.rows.clusters is None and self._n_groups == len(bins):
            return _OfRows(self._group_weights, bins, n_bins)
        weights = self._group_weights if few else self._single_weights
        return _OfGroups(weights, self._group * n_bins + bins, n_bins)

    @cached_property
    def _single_weights(self) -> NDArray[np.float32]:
        return self._group_weights.astype(np.float32)

    @property
    def _n_draws(self) -> int:
        """How often labels are drawn: for each null draw, or of many rows a few times."""
        n, k = self.rows.shape
        few = n * self.n_resamples <= (_DRAWS if k <= _FEW_CLASSES else _DRAWS_OF_MANY)
        return self.n_resamples if few else _SIGNED_DRAWS

    @cached_property
    def _null_labels(self) -> NDArray[np.integer]:
        """Labels drawn from the probabilities, (draws, n)."""
        return draw_labels(self.rows.probs, self._n_draws, seed=self.seed)

    @cached_property
    def _by_confidence(self) -> NDArray[np.intp]:
        """Places of the rows in ascending order of confidence."""
        return np.argsort(self.rows.confidence, kind="stable")

    @cached_property
    def _null_correct(self) -> NDArray[np.bool_]:
        """Whether the predicted class is right, drawn with its probability, (draws, n).

        The rows lie in ascending order of confidence.
        """
        confidence, order = self.rows.confidence, self._by_confidence
        correct = np.empty((self._n_draws, len(confidence)), dtype=np.bool_)
        rng = np.random.default_rng([self.seed, 5])
        for draws in row_blocks(correct):
            happened = rng.random((len(correct[draws]), len(confidence))) < confidence
            np.take(happened, order, axis=1, out=correct[draws], mode="clip")
        return correct

    @cached_property
    def _null_fine(self) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
        """Where ranks and points of the grid begin, and how many rows are right before each.

        Shapes (m + 1,) and (draws, m + 1); the last is the number of rows, and all that are right.
        """
        p = self.rows.confidence[self._by_confidence]
        ranks, points = ranks_of(p)[0], grid_of(p)
        begins = (np.diff(ranks, prepend=-1) > 0) | (np.diff(points, prepend=-1) > 0)
        ends = np.append(np.flatnonzero(begins), len(p))
        return ends, _running(self._null_correct, ends)

    def _null_right(self, starts: NDArray[np.intp]) -> NDArray[np.int32]:
        """Return how many rows are right from each start to the next, (draws, starts).

        Starts are places in the order of confidence, ascending from 0.
        """
        ends = np.append(starts, len(self.rows.labels))
        if len(starts) > _FEW_BINS:
            known, running = self._null_fine
            place = np.minimum(np.searchsorted(known, ends), len(known) - 1)
            if (known[place] == ends).all():
                return np.diff(running[:, place])
        return np.diff(_running(self._null_correct, ends))

    def _null_events(self, event: Event) -> NDArray[np.bool_]:
        """Whether the event happens in each null draw, (draws, n); see `_null_order`."""
        if event.name == "top-label":
            return self._null_correct
        return np.asarray(self._null_labels == event.name)

    def _null_order(self, event: Event) -> NDArray[np.intp] | slice:
        """Return the order in which `_null_events` has the rows."""
        return self._by_confidence if event.name == "top-label" else slice(None)

    def _null_hits(self, event: Event, bins: NDArray[np.intp], own: BinSums) -> NDArray[np.float64]:
        """Return sum w k per bin of each null draw, (draws, n_bins)."""
        n_bins, weights = len(own.weight), self.rows.weights
        shape = (self._n_groups, n_bins)
        if self.rows.clusters is not None:
            gap = (event.probability - event.hit) * (1.0 if weights is None else weights)
            cells = self._group * n_bins + bins
            of_groups = np.bincount(cells, gap, shape[0] * n_bins).reshape(shape)
            return np.asarray(own.probability - self._signs(0, self.n_resamples) @ of_groups)
        order = self._null_order(event)
        bins = bins[order]
        weights = None if weights is None else weights[order]
        if self._n_draws == self.n_resamples and weights is None and event.name == "top-label":
            steps = np.diff(bins, prepend=-1)
            if (steps >= 0).all():  # bins in the order of the confidence: runs
                starts = np.flatnonzero(steps)
                sums = np.zeros((self.n_resamples, n_bins))
                sums[:, bins[starts]] = self._null_right(starts)
                return sums
        happened = self._null_events(event)
        if len(happened) == self.n_resamples:
            return _sums_of_runs(happened, weights, bins, n_bins)
        # p - k of a row is p less 1 if it hits, so its misses are 1 - p less 1 if it misses
        cells = self._group[order] * n_bins + bins
        chance = 1.0 - event.probability[order]
        w_chance = chance if weights is None else weights * chance
        expected = np.bincount(cells, w_chance, shape[0] * n_bins).astype(np.float64)
        parts = []
        for draw, signs in enumerate(np.array_split(np.arange(self.n_resamples), len(happened))):
            row = np.flatnonzero(~happened[draw])
            weight = None if weights is None else weights[row]
            gap = expected - np.bincount(cells[row], weight, len(expected))
            parts.append(own.probability - self._signs(draw, len(signs)) @ gap.reshape(shape))
        return np.concatenate(parts)

    def _signs(self, draw: int, n_signs: int) -> NDArray[np.float64]:
        rng = np.random.default_rng([self.seed, 4, draw])
        return rng.choice([-1.0, 1.0], size=(n_signs, self._n_groups))


@dataclass(frozen=True, eq=False)
class WorldSums:
    """Sums per bin of the data, of resamples and of null draws, (worlds, bins), as `SumsPerBin`.

    Each is a matrix product over the resamples, so it is made when a measure looks at it. Under
    the null only hits differ from those of the data.
    """

    own: BinSums
    event: Event
    weights: NDArray[np.float64] | None
    resampled: _Resampler | None  # None: no resamples
    null_hits: NDArray[np.float64]  # (null draws, bins)
    # (bins,): mean of w p over w, where no bin has others
    expected: NDArray[np.float64] | None = None

    @cached_property
    def weight(self) -> NDArray[np.float64]:
        """Sum of w."""
        return self._worlds(self.own.weight, self._w)

    @cached_property
    def count(self) -> NDArray[np.float64]:
        """Rows."""
        return self.weight if self.weights is None else self._worlds(self.own.count, self._ones)

    @cached_property
    def squared_weight(self) -> NDArray[np.float64]:
        """Sum of w^2."""
        if self.weights is None:
            return self.weight
        return self._worlds(self.own.squared_weight, self.weights**2)

    @cached_property
    def probability(self) -> NDArray[np.float64]:
        """Sum of w p."""
        if self.expected is not None:
            return self.weight * self.expected
        return self._worlds(self.own.probability, self._w * self.event.probability)

    @cached_property
    def hits(self) -> NDArray[np.float64]:
        """Sum of w k."""
        return self._worlds(self.own.hits, self._w * self.event.hit, self.null_hits)

    @cached_property
    def gap(self) -> NDArray[np.float64]:
        """Sum of w (p - k)."""
        computed = vars(self)
        known = "weight" if self.expected is not None else "probability"
        if "hits" in computed and known in computed:
            return self.probability - self.hits
        return self._worlds(
            self.own.gap,
            self._w * (self.event.probability - self.event.hit),
            self.own.probability - self.null_hits,
        )

    @cached_property
    def total(self) -> NDArray[np.float64]:
        """Weight of all bins, (worlds,)."""
        own = np.full(1 + len(self.null_hits), self.own.weight.sum())
        resampled = [] if self.resampled is None else [self.resampled.total(self._w)]
        return np.concatenate([own[:1], *resampled, own[1:]])

    @property
    def _ones(self) -> NDArray[np.float64]:
        return np.ones(len(self.event.probability))

    @property
    def _w(self) -> NDArray[np.float64]:
        return self._ones if self.weights is None else self.weights

    def _worlds(
        self,
        own: NDArray[np.float64],
        values: NDArray[np.float64],
        null: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """Return the sums of `values` (n,); under the null the data's, where none are given."""
        under_null = np.broadcast_to(own, self.null_hits.shape) if null is None else null
        resampled = [] if self.resampled is None else [self.resampled(values)]
        return np.concatenate([own[None], *resampled, under_null])


_NARROW = 1e-4  # of the variance of p - k: what a mean of p leaves of it in a bin


def _said(
    own: BinSums, event: Event, weights: NDArray[np.float64] | None, bins: NDArray[np.intp]
) -> NDArray[np.float64] | None:
    """Return the mean probability of each bin, (bins,), where it stands for each row's own.

    Ranks and points of a grid hold probabilities so alike that resampled sums of w p are sums of w
    times it: the standard error of a sum of w (p - k) changes by less than .005 %. Else None.
    """
    if len(own.weight) <= _FEW_BINS:
        return None
    expected = own.probability / np.where(own.weight > 0.0, own.weight, 1.0)
    left, gap = event.probability - expected[bins], event.probability - event.hit
    left *= left
    gap *= gap
    if weights is not None:
        left, gap = left * weights, gap * weights
    return expected if left.sum() <= _NARROW * gap.sum() else None


def _running(happened: NDArray[np.bool_], ends: NDArray[np.intp]) -> NDArray[np.int32]:
    """Return how many of the first `ends` (m,) of the rows of each draw happened, (draws, m)."""
    running = np.zeros((len(happened), len(ends)), dtype=np.int32)
    at = np.maximum(ends - 1, 0)
    for draws in row_blocks(happened):  # what is added up stays in the cache
        sums = np.cumsum(happened[draws], axis=1, dtype=np.int32)
        np.take(sums, at, axis=1, out=running[draws], mode="clip")
    running[:, ends == 0] = 0
    return running


def _sums_of_runs(
    happened: NDArray[np.bool_],
    weights: NDArray[np.float64] | None,
    bins: NDArray[np.intp],
    n_bins: int,
) -> NDArray[np.float64]:
    """Return sum w k per bin of each draw, (draws, n_bins): rows in order of bins, added in runs.

    Unlike a count per draw and bin, it reads each draw once, a byte a row.
    """
    order = np.argsort(bins, kind="stable")
    occupied, starts = np.unique(bins[order], return_index=True)
    sums = np.zeros((len(happened), n_bins))
    for draws in row_blocks(happened, _RUNS):
        in_order = np.take(happened[draws], order, axis=1)
        if len(occupied) == len(order):  # each row has a bin of its own
            sums[draws, occupied] = in_order if weights is None else in_order * weights[order]
        elif weights is None:
            sums[draws, occupied] = np.add.reduceat(in_order, starts, axis=1, dtype=np.int32)
        else:
            sums[draws, occupied] = np.add.reduceat(in_order * weights[order], starts, axis=1)
    return sums


class _OfGroups:
    """Weighted sums of groups: one matrix product per quantity, in the precision of the weights.

    Of many bins in single precision, whose rounding (about 1e-7 of a sum) is nothing beside what
    resamples say.
    """

    def __init__(
        self, group_weights: NDArray[np.floating[Any]], cells: NDArray[np.intp], n_bins: int
    ) -> None:
        self._group_weights, self._cells, self._n_bins = group_weights, cells, n_bins

    def total(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum of `values` (n,) over all bins, (resamples,)."""
        n_groups = self._group_weights.shape[1]
        of_groups = np.bincount(self._cells // self._n_bins, values, n_groups)
        return np.asarray(self._group_weights @ of_groups, dtype=np.float64)

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sums of `values` (n,) per bin, (resamples, n_bins)."""
        shape = (self._group_weights.shape[1], self._n_bins)
        of_groups = np.bincount(self._cells, values, shape[0] * shape[1]).reshape(shape)
        if self._group_weights.dtype == np.float64:
            return np.asarray(self._group_weights @ of_groups)
        unit = float(np.abs(of_groups).max()) or 1.0
        sums = self._group_weights @ (of_groups / unit).astype(np.float32)
        return np.asarray(np.multiply(sums, unit, dtype=np.float64))


class _OfRows:
    """The same where every row is its own group: rows sorted by bin, then added up in runs."""

    def __init__(
        self, row_weights: NDArray[np.float64], bins: NDArray[np.intp], n_bins: int
    ) -> None:
        self._order = np.argsort(bins, kind="stable")
        self._occupied, self._starts = np.unique(bins[self._order], return_index=True)
        self._sorted, self._n_bins = row_weights[:, self._order], n_bins

    def total(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum of `values` (n,) over all bins, (resamples,)."""
        return np.asarray(self._sorted @ values[self._order])

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sums of `values` (n,) per bin, (resamples, n_bins)."""
        weighted = self._sorted * values[self._order]
        if self._n_bins == len(self._occupied) == len(self._order):
            return weighted  # each row has a bin of its own
        sums = np.zeros((len(self._sorted), self._n_bins))
        sums[:, self._occupied] = np.add.reduceat(weighted, self._starts, axis=1)
        return sums


_Resampler = _OfGroups | _OfRows
