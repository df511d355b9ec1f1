"""What probabilities themselves say about the mean of a score: doubt of rows not seen yet.

Where errors are rare, the rows at hand may hold none, and their scores hardly differ: their own
spread says nothing of the error that is still to come. But the model says how often it expects one.
Under its probabilities a row's score has a mean and a variance, and both are sums over rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, sqrt
from typing import TYPE_CHECKING, Self

import numpy as np

from temperance.metrics.scores import row_measures
from temperance.numerics import as_float64, log_probs, row_blocks
from temperance.sums import MeanSums, MergeableSums

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from temperance.metrics.inputs import Predictions

    Array = NDArray[np.float64]

__all__ = ["GapSums", "ImpliedSums", "implied_gap", "implied_scores", "paired_gaps"]

_CONTRADICTED = 2.0  # standard errors


@dataclass(frozen=True, slots=True, eq=False)
class ImpliedSums(MergeableSums):
    """Means and variances of m scores of each row under some probabilities, as sums over rows."""

    degrees = {"variance": 2, "squared_gap": 2, "doubt": 4}  # noqa: RUF012

    means: MeanSums  # of the expected scores
    variance: Array  # sum w^2 Var s, shape (m,)
    squared_gap: Array  # sum w^2 (s - E s)^2, of the scores seen
    doubt: Array  # sum w^4 Var (s - E s)^2
    by_cluster: MeanSums | None = None  # of s - E s, where rows have clusters
    by_row: MeanSums | None = None  # the same, as if they had none

    @classmethod
    def of(
        cls,
        moments: tuple[Array, Array, Array],
        seen: Array,
        weights: Array | None,
        clusters: NDArray[np.intp] | None,
    ) -> Self:
        """Return the sums of rows: mean, variance and fourth central moment of each score, (n, m).

        `seen` are the scores of the labels.
        """
        mean, variance, fourth = moments
        w2 = np.ones(len(seen)) if weights is None else weights * weights
        gap = np.where(w2[:, None] > 0.0, seen - mean, 0.0)
        beyond = np.maximum(fourth - variance * variance, 0.0)
        beside: tuple[MeanSums, ...] = ()
        if clusters is not None:
            beside = (MeanSums.of(gap, weights, clusters), MeanSums.of(gap, weights))
        return cls(
            MeanSums.of(mean, weights, clusters),
            w2 @ variance,
            w2 @ (gap * gap),
            w2 * w2 @ beyond,
            *beside,
        )

    def mean(self, index: int) -> float:
        """Return what the probabilities expect the mean score to be."""
        return self.means.mean(index)

    def squared_error(self, index: int) -> float:
        r"""Return the squared standard error of the mean score, as the probabilities have it.

        .. math:: \frac{1}{W^2} \Bigl( \min(1, r + 2 s) \sum_i w_i^2 v_i \Bigr) + b

        with v the variance within a row, b the squared standard error of the mean of the expected
        scores (what rows differ in), r = sum w^2 (s - E s)^2 / sum w^2 v the share of the variance
        that the labels seen show, and s its standard error under the probabilities: where rows
        enough contradict the probabilities (an under-confident model), these no longer decide. Rows
        of one cluster share their luck: the sum is as many times larger as the squared error of the
        mean of s - E s is if it counts clusters (the design effect of Kish 1965), at least once.
        """
        between = self.means.standard_error(index) ** 2
        variance = float(self.variance[index])
        if not variance > 0.0:
            return between
        most = float(self.squared_gap[index]) + _CONTRADICTED * sqrt(self.doubt[index])
        return between + self._design_effect(index) * min(most, variance) / self.means.weight**2

    def _design_effect(self, index: int) -> float:
        """Return how many times larger a squared error is that counts clusters, not rows."""
        if self.by_cluster is None or self.by_row is None:
            return 1.0
        of_clusters, of_rows = (
            each.standard_error(index) ** 2 for each in (self.by_cluster, self.by_row)
        )
        if not 0.0 < of_rows < inf or not isfinite(of_clusters):
            return 1.0
        return max(of_clusters / of_rows, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class GapSums(MergeableSums):
    """Paired differences of each row's scores, and what both models make of them."""

    seen: MeanSums  # log loss, Brier score, accuracy, confidence
    own: ImpliedSums  # log loss, Brier score, accuracy
    baseline: ImpliedSums


def implied_scores(rows: Predictions, seen: Array) -> ImpliedSums:
    """Return what probabilities say about their own log loss and Brier score.

    `seen` holds these of the labels, (n, 2), or the log losses alone, (n, 1).
    """
    m = seen.shape[1]

    def scores(block: slice) -> Iterator[Array]:
        yield -_log_probs(rows, block)
        if m > 1:
            yield 1.0 - 2.0 * rows.probs[block] + _squares(rows, block)

    (moments,) = _moments((rows,), scores, m)
    return ImpliedSums.of(moments, seen, rows.weights, rows.clusters)


def implied_gap(
    rows: Predictions, baseline: Predictions, seen: Array
) -> tuple[ImpliedSums, ImpliedSums]:
    """Return what each of two models says about their difference in three scores; `seen`, (n, 3).

    Log loss, Brier score, accuracy. Classes that one of them calls impossible are left out of the
    log loss: an infinite difference has no mean.
    """
    predicted, before = rows.predicted, baseline.predicted

    def gaps(block: slice) -> Iterator[Array]:
        with np.errstate(invalid="ignore"):  # inf - inf
            yield _log_probs(baseline, block) - _log_probs(rows, block)
        moved = 2.0 * (baseline.probs[block] - rows.probs[block])
        yield moved + (_squares(rows, block) - _squares(baseline, block))
        right = np.zeros(moved.shape)
        places = np.arange(len(right))
        right[places, predicted[block]] += 1.0
        right[places, before[block]] -= 1.0
        yield right

    own, theirs = _moments((rows, baseline), gaps, 3)
    w, clusters = rows.weights, rows.clusters
    return ImpliedSums.of(own, seen, w, clusters), ImpliedSums.of(theirs, seen, w, clusters)


def paired_gaps(rows: Predictions, baseline: Predictions) -> GapSums:
    """Return the sums of the differences of each row's measures from the baseline's."""
    with np.errstate(invalid="ignore"):  # inf - inf is no number, and so is the mean then
        gaps: Array = row_measures(rows) - row_measures(baseline)
    seen = MeanSums.of(gaps, rows.weights, rows.clusters)
    return GapSums(seen, *implied_gap(rows, baseline, gaps[:, :3]))


def _moments(
    models: Sequence[Predictions], scores: Callable[[slice], Iterator[Array]], m: int
) -> list[tuple[Array, Array, Array]]:
    """Return mean, variance and fourth central moment of m scores under each model, (n, m).

    `scores` yields them for every class of a block of rows, (rows, k) each.
    """
    n = len(models[0].labels)
    moments = [(np.empty((n, m)), np.empty((n, m)), np.empty((n, m))) for _ in models]
    for block in row_blocks(models[0].probs):
        for column, values in enumerate(scores(block)):
            impossible = ~np.isfinite(values)
            some = bool(impossible.any())
            if some:
                values[impossible] = 0.0
            for model, (mean, variance, fourth) in zip(models, moments, strict=True):
                probs = model.probs[block]
                expected = np.einsum("ij,ij->i", probs, values)
                squares = values - expected[:, None]
                squares *= squares
                if some:
                    squares[impossible] = 0.0
                weighted = probs * squares
                mean[block, column] = expected
                variance[block, column] = weighted.sum(axis=1)
                fourth[block, column] = np.einsum("ij,ij->i", weighted, squares)
    return moments


def _squares(rows: Predictions, block: slice) -> Array:
    """Return the sum of the squared probabilities of each row, (rows, 1)."""
    probs = rows.probs[block]
    return np.asarray(np.einsum("ij,ij->i", probs, probs)[:, None])


def _log_probs(rows: Predictions, block: slice) -> Array:
    """Return log-probabilities of a block: from logits, also of those that underflow."""
    if rows.scores is None:
        return log_probs(rows.probs[block])
    z = as_float64(rows.scores[block])
    z = z - z.max(axis=1, keepdims=True)
    return np.asarray(z - np.log(np.exp(z).sum(axis=1, keepdims=True)))
