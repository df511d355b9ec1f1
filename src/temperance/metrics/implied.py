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

from temperance.kernels.engines import compiled_moments
from temperance.metrics.inputs import row_measures, score_moments
from temperance.numerics import IN_CACHE, row_blocks
from temperance.sums import MeanSums, MergeableSums

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        moments: Sequence[Array],
        scores: Array,
        weights: Array | None,
        clusters: NDArray[np.intp] | None,
    ) -> Self:
        """Return the sums of rows: mean, variance and fourth central moment of each score, (n, m).

        `scores` are the scores of the labels.
        """
        mean, variance, fourth = moments
        w2 = np.ones(len(scores)) if weights is None else weights * weights
        gap = np.where(w2[:, None] > 0.0, scores - mean, 0.0)
        beyond = np.maximum(fourth - variance * variance, 0.0)
        clustered: tuple[MeanSums, ...] = ()
        if clusters is not None:
            clustered = (MeanSums.of(gap, weights, clusters), MeanSums.of(gap, weights))
        return cls(
            MeanSums.of(mean, weights, clusters),
            w2 @ variance,
            w2 @ (gap * gap),
            w2 * w2 @ beyond,
            *clustered,
        )

    def mean(self, index: int) -> float:
        """Return what the probabilities expect the mean score to be."""
        return self.means.mean(index)

    def squared_error(self, index: int) -> float:
        r"""Return the squared standard error of the mean score, as the probabilities have it.

        .. math:: \frac{1}{W^2} \left( \min(1, r + 2 s) \sum_i w_i^2 v_i \right) + b

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

    means: MeanSums  # log loss, Brier score, accuracy, confidence
    own: ImpliedSums  # log loss, Brier score, accuracy
    baseline: ImpliedSums


def implied_scores(rows: Predictions, scores: Array) -> ImpliedSums:
    """Return what probabilities say about their own log loss and Brier score.

    `scores` holds these of the labels, (n, 2), or the log losses alone, (n, 1).
    """
    mean, variance, fourth = rows.logit_moments  # -log p = -(z - max z) - log max p
    columns = [(-mean - np.log(rows.confidence), variance, fourth)]
    if scores.shape[1] > 1:  # the Brier score of class j is 1 - 2 p_j + sum p^2
        square, variance, fourth = rows.probability_moments
        columns.append((1.0 - square, 4.0 * variance, 16.0 * fourth))
    moments = [np.stack(each, axis=1) for each in zip(*columns, strict=True)]
    return ImpliedSums.of(moments, scores, rows.weights, rows.clusters)


def implied_gap(
    rows: Predictions, baseline: Predictions, gaps: Array
) -> tuple[ImpliedSums, ImpliedSums]:
    """Return what each of two models says about their difference in three scores; `gaps`, (n, 3).

    Log loss, Brier score, accuracy. Classes that one of them calls impossible are left out of the
    log loss: an infinite difference has no mean.
    """
    of_loss, of_move = _gap_moments(rows, baseline)
    # 2 (q - p) + sum p^2 - sum q^2, for each class
    constant = rows.sum_of_squares - baseline.sum_of_squares
    sums = []
    for loss, (mean, variance, fourth), right in zip(
        of_loss, of_move, _right_moments(rows, baseline), strict=True
    ):
        brier = (2.0 * mean + constant, 4.0 * variance, 16.0 * fourth)
        moments = [np.stack(each, axis=1) for each in zip(loss, brier, right, strict=True)]
        sums.append(ImpliedSums.of(moments, gaps, rows.weights, rows.clusters))
    return sums[0], sums[1]


def _gap_moments(rows: Predictions, baseline: Predictions) -> Array:
    """Return the moments of two gaps, (2, 2, 3, n), under each of two models.

    Of the baseline's log p less that of the rows, and of its p less theirs.
    """
    models = (rows, baseline)
    n, k = rows.shape
    moments = np.empty((2, 2, 3, n))
    kernel = compiled_moments(n * k)
    shift = np.log(baseline.confidence) - np.log(rows.confidence)
    for block in row_blocks(moments[0, 0, 0], max(1, IN_CACHE // k)):
        if kernel is not None:
            moments[..., block] = kernel.gap_moments(
                (rows.block_logits(block), baseline.block_logits(block)),
                (rows.largest_logit[block], baseline.largest_logit[block]),
                (rows.confidence[block], baseline.confidence[block]),
            )
            continue
        with np.errstate(invalid="ignore"):  # inf - inf
            loss = baseline.centred_logits(block) - rows.centred_logits(block)
        loss += shift[block, None]
        move = baseline.probs[block] - rows.probs[block]
        for number, model in enumerate(models):
            moments[0, number][:, block] = score_moments(loss, model.probs[block])
            moments[1, number][:, block] = score_moments(move, model.probs[block])
    return moments


def paired_gaps(rows: Predictions, baseline: Predictions) -> GapSums:
    """Return the sums of the differences of each row's measures from the baseline's."""
    with np.errstate(invalid="ignore"):  # inf - inf is no number, and so is the mean then
        gaps: Array = row_measures(rows) - row_measures(baseline)
    means = MeanSums.of(gaps, rows.weights, rows.clusters)
    return GapSums(means, *implied_gap(rows, baseline, gaps[:, :3]))


def _right_moments(rows: Predictions, baseline: Predictions) -> list[tuple[Array, Array, Array]]:
    """Return the moments of "right" less "the baseline is right" under each model, (n,) each.

    It is 1 where the true class is the one predicted, -1 where it is the baseline's, else 0.
    """
    predicted, before = rows.predicted, baseline.predicted
    other = predicted != before
    moments = []
    for model in (rows, baseline):
        up = np.where(other, model.at(predicted), 0.0)
        down = np.where(other, model.at(before), 0.0)
        mean = up - down
        neither = np.maximum(1.0 - up - down, 0.0)
        variance, fourth = (
            up * (1.0 - mean) ** power + down * (1.0 + mean) ** power + neither * mean**power
            for power in (2, 4)
        )
        moments.append((mean, variance, fourth))
    return moments
