"""Sums of every class's probability in bins, their calibrated world, and the errors they give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from temperance.binning import assign, limits
from temperance.metrics.cells.cell_sums import CellSums, drawn_sums, null_hits
from temperance.metrics.error_measures import binned_error
from temperance.metrics.estimates import Draws, share_estimate
from temperance.metrics.group_tests import ClassResult
from temperance.sums import MeanSums, MergeableSums

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from temperance.metrics.estimates import CalibrationError, Estimate
    from temperance.metrics.inputs import Predictions

    Array = NDArray[np.float64]

__all__ = ["MOST_CLASSES", "Binned", "ClassErrors", "ClassSums"]

# A calibrated world of all classes at once: a label per row, groups that change their sign.


_MOST_GROUPS = 256
_FEWEST_GROUPS = 64
_NUMBERS = 1 << 17  # groups x classes
_AT_ONCE = 1 << 21  # draws x cells
_PER_STEP = 4  # doubles that one step of Philox makes


def null_gaps(rows: Predictions, binned: Binned, *, first: int, seed: int) -> Array:
    """Return sum w (p - k) per group, class and bin, (groups, k n_bins), with k drawn from p.

    The label of a row and its group depend on the seed and the row's number alone: `first` is
    that of the first row of the block.
    """
    n, k = rows.shape
    n_bins, n_groups, w = binned.n_bins, _n_groups(k), rows.weights
    labels = _null_labels(rows.probs, first=first, seed=seed)
    group = (first + np.arange(n)) % n_groups
    gaps = np.zeros((n_groups, k, n_bins))
    low = binned.low if w is None else w[:, None] * binned.low
    gaps[:, :, 0] = _by_group(low, first, n_groups)
    high = binned.probability if w is None else w[binned.row] * binned.probability
    np.add.at(gaps, (group[binned.row], binned.column, binned.bins), high)
    bins = assign(rows.probs[np.arange(n), labels], binned.edges)
    np.subtract.at(gaps, (group, labels, bins), 1.0 if w is None else w)
    return gaps.reshape(n_groups, k * n_bins)


def classwise_null(
    gaps: Array, k: int, total: float, n_draws: int, *, seed: Sequence[int]
) -> Array:
    """Return classwise errors of calibrated worlds, (draws,): groups of rows change their sign.

    That keeps the covariance of the sums, over classes too: each row has one true class.
    """
    rng = np.random.default_rng(seed)
    signs = rng.choice([-1.0, 1.0], size=(n_draws, len(gaps)))
    step = max(1, _AT_ONCE // n_draws)
    error = np.zeros(n_draws)
    for start in range(0, gaps.shape[1], step):
        error += np.abs(signs @ gaps[:, start : start + step]).sum(axis=1)
    return np.asarray(error / (k * total))


def _n_groups(k: int) -> int:
    return max(_FEWEST_GROUPS, min(_MOST_GROUPS, _NUMBERS // k))


def _by_group(values: Array, first: int, n_groups: int) -> Array:
    """Return sums over rows of one group, (groups, k): row i is of group (first + i) mod groups."""
    lead = first % n_groups
    sums = np.zeros((n_groups, values.shape[1]))
    head = values[: n_groups - lead]
    sums[lead : lead + len(head)] = head
    whole = (len(values) - len(head)) // n_groups
    end = len(head) + whole * n_groups
    sums += values[len(head) : end].reshape(whole, *sums.shape).sum(axis=0)
    sums[: len(values) - end] += values[end:]
    return sums


def _null_labels(probs: Array, *, first: int, seed: int) -> NDArray[np.intp]:
    """Return one label per row, drawn from its probabilities."""
    stream = np.random.Philox(np.random.SeedSequence([seed, 7]))
    stream.advance(first // _PER_STEP)
    skipped = first % _PER_STEP
    uniform = np.random.Generator(stream).random(skipped + len(probs))[skipped:]
    cumulative = probs.cumsum(axis=1)
    reached = cumulative[:, :-1] <= (uniform * cumulative[:, -1])[:, None]
    return np.asarray(reached.sum(axis=1))


# Sums of every class's probability in bins, and of the predicted class's within each class.


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
        cells = rows.shape[1] * n_bins
        return cls(
            each=_each_class(rows, binned),
            predicted=CellSums.of(rows.confidence, rows.correct, rows.weights, at, cells),
            null_gap=null_gaps(rows, binned, first=first, seed=seed),
        )


def _each_class(rows: Predictions, binned: Binned) -> CellSums:
    """Return the sums of all n k probabilities: column sums of the low ones, and of the others."""
    k, n_bins, w = rows.shape[1], binned.n_bins, rows.weights
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

    def lowest_bin(of_all: Array, of_hits: Array) -> Array:
        sums = np.zeros((2, k * n_bins))
        sums[0, ::n_bins] = np.maximum(of_all - of_hits[1, ::n_bins], 0.0)
        return sums

    def of_low(values: Array | None) -> Array:
        of_high = np.bincount(binned.column, None if values is None else values[binned.row], k)
        return np.asarray((n if values is None else values.sum()) - of_high, dtype=np.float64)

    indicator = None if w is None else (w > 0.0).astype(np.float64)
    count = lowest_bin(of_low(indicator), hits.count)
    square = low * low
    if w is None:
        probability = lowest_bin(low.sum(axis=0), hits.probability)
        return CellSums(
            count,
            count,
            count,
            probability,
            probability,
            lowest_bin(square.sum(axis=0), hits.square),
        )
    return CellSums(
        count,
        lowest_bin(of_low(w), hits.weight),
        lowest_bin(of_low(w * w), hits.squared_weight),
        lowest_bin(w @ low, hits.probability),
        lowest_bin((w * w) @ low, hits.squared_weight_probability),
        lowest_bin((w * w) @ square, hits.square),
    )


# The errors of every class, and those made of them, from sums per class and bin.


_CELLS = 256  # drawn at once
_NONE: Array = np.empty(0)  # draws that are not looked at


@dataclass(frozen=True, slots=True, eq=False)
class ClassErrors:
    """The merged sums of all classes, ready to be read."""

    sums: ClassSums
    k: int
    n_bins: int
    n_resamples: int
    seed: int
    doubt: float  # 1 / effective number of rows

    def table(self) -> tuple[ClassResult, ...]:
        """Return every class in its order; what is drawn is drawn for each class by itself."""
        total = float(self.sums.predicted.weight.sum())
        draws = [Draws.split(each, self.n_resamples, doubt=self.doubt) for each in self._errors()]
        of_class = self.sums.each.regrouped(np.repeat(np.arange(self.k), self.n_bins), self.k)
        n, probability = of_class.count[1], of_class.probability.sum(axis=0) / total
        return tuple(
            ClassResult(
                number=j,
                n=int(n[j]),
                frequency=_share(of_class, j),
                probability=float(probability[j]),
                error=draws[j].calibration_error(),
            )
            for j in range(self.k)
        )

    def classwise(self) -> CalibrationError:
        """Return the mean error of the classes; the null draws are of all classes together."""
        total = float(self.sums.predicted.weight.sum())
        value = float(np.abs(self.sums.each.bin_sums().gap).sum()) / (self.k * total)
        null = classwise_null(
            self.sums.null_gap, self.k, total, self.n_resamples, seed=[self.seed, 8, 6]
        )
        return Draws(value, _NONE, null, self.doubt).without_interval()

    def by_top_label(self) -> CalibrationError:
        """Return the error of the predicted class in bins within each predicted class."""
        own = self.sums.predicted.bin_sums()
        total = float(own.weight.sum())
        gap = np.zeros(self.n_resamples)
        for first, part in self._parts(self.sums.predicted):
            rng = np.random.default_rng([self.seed, 8, 7, first])
            expected = part.probability.sum(axis=0)
            gap += np.abs(expected - null_hits(part, self.n_resamples, rng)).sum(axis=1)
        value = float(np.abs(own.gap).sum()) / total
        return Draws(value, _NONE, gap / total, self.doubt).without_interval()

    def _errors(self) -> Iterator[Array]:
        """Yield the error of each class, (1 + draws,): of all rows, in bins of its probability."""
        for first, part in self._parts(self.sums.each):
            for place in range(0, part.weight.shape[1], self.n_bins):
                cells = part.taken(slice(place, place + self.n_bins))
                seed = [self.seed, 8, 5, first + place]
                yield binned_error(drawn_sums(cells, self.n_resamples, seed=seed))

    def _parts(self, cells: CellSums) -> Iterator[tuple[int, CellSums]]:
        """Yield the cells of some classes at a time, after the number of the first cell."""
        step = self.n_bins * max(1, _CELLS // self.n_bins)
        for first in range(0, self.k * self.n_bins, step):
            yield first, cells.taken(slice(first, first + step))


def _share(of_class: CellSums, j: int) -> Estimate:
    """Return the share of rows whose true class is `j`."""
    hits, squares = of_class.weight[1, j : j + 1], of_class.squared_weight[1, j : j + 1]
    weight = float(of_class.weight[:, j].sum())
    squared = float(of_class.squared_weight[:, j].sum())
    return share_estimate(MeanSums(weight, squared, hits, squares, squares, squared), 0)
