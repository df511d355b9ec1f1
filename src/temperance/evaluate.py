"""Measure probabilities against labels: every number with its uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.binning import BinSums, assign, bin_edges
from temperance.blocks import map_rows
from temperance.kernels import loss_sums
from temperance.metrics.estimates import (
    Estimate,
    NullBand,
    ece_estimate,
    ece_null_band,
    mean_estimate,
    share_estimate,
)
from temperance.metrics.inputs import Predictions
from temperance.metrics.reliability import ReliabilityCurve
from temperance.metrics.scores import row_brier
from temperance.significance import ScoreTest
from temperance.sums import MeanSums

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Evaluation", "evaluate", "evaluate_rows", "row_measures"]


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What probabilities are worth on labelled rows; every `Estimate` has a 95 % interval."""

    n: int  # rows
    n_classes: int
    log_loss: Estimate  # nats, >= 0; 0 is best; infinite if a true class has probability 0
    brier: Estimate  # summed over classes, in [0, 2]; 0 is best
    ece: Estimate  # expected calibration error of the predicted class, in [0, 1]; 0 is best
    accuracy: Estimate  # in [0, 1]; 1 is best
    confidence: Estimate  # mean probability of the predicted class; best where it = accuracy
    ece_null: NullBand  # the ECE that a perfectly calibrated model would show here
    score_test: ScoreTest | None  # of T = 1; None if a true class has probability 0
    reliability: ReliabilityCurve  # numbers of the reliability diagram, in the bins of `ece`
    zero_probability_labels: int  # rows whose true class has probability 0
    n_bins: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON; an infinite log loss is None (see the zero count)."""
        curve = self.reliability
        return {
            "n": self.n,
            "classes": self.n_classes,
            "log_loss": self.log_loss.to_dict(),
            "brier": self.brier.to_dict(),
            "ece": self.ece.to_dict(),
            "accuracy": self.accuracy.to_dict(),
            "confidence": self.confidence.to_dict(),
            "ece_null": self.ece_null.to_dict(),
            "n_bins": self.n_bins,
            "score_test": None if self.score_test is None else self.score_test.to_dict(),
            "zero_probability_labels": self.zero_probability_labels,
            "reliability": [
                {"confidence": c, "accuracy": a, "accuracy_low": low, "accuracy_high": high,
                 "count": int(count), "share": share}
                for c, a, low, high, count, share in zip(
                    curve.confidence.tolist(), curve.accuracy.tolist(),
                    curve.accuracy_low.tolist(), curve.accuracy_high.tolist(),
                    curve.count.tolist(), curve.share.tolist(), strict=True)
            ],
        }  # fmt: skip


def evaluate(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    n_bins: int = 15,
    seed: int = 0,
) -> Evaluation:
    """Measure probabilities against labels.

    Parameters
    ----------
    probs : array_like, shape (n, k) or (n,)
        Probabilities in [0, 1], rows summing to 1; (n,) is the probability of class 1. Use
        rows that the calibrator was not fitted on.
    labels : array_like of int, shape (n,)
        True classes in 0..k-1.
    weights : array_like, shape (n,), optional
        Finite, >= 0. Means count a row of weight 2 as two rows; intervals treat weights as
        importance weights (they widen with unequal weights).
    n_bins : int, default 15
        Bins of equal width of the calibration error and the reliability diagram.
    seed : int, default 0
        Of the resampling behind the null band and the interval of the calibration error.

    Returns
    -------
    Evaluation
        Log loss, Brier score, calibration error, accuracy and mean confidence, each as
        `Estimate(value, low, high)`.

    Raises
    ------
    InvalidInputError
        Wrong shape, no rows, a value outside [0, 1], a row that does not sum to 1, a label out
        of range, bad weights, `n_bins` < 1.

    References
    ----------
    Broecker and Smith (2007), Increasing the Reliability of Reliability Diagrams,
    https://doi.org/10.1175/WAF993.1 (the null band).

    Examples
    --------
    >>> evaluation = evaluate([[0.75, 0.25], [0.75, 0.25]], [0, 1])
    >>> evaluation.ece.value, evaluation.accuracy.value
    (0.25, 0.5)
    """
    return evaluate_rows(Predictions.check(probs, labels, weights), n_bins=n_bins, seed=seed)


def evaluate_rows(rows: Predictions, *, n_bins: int = 15, seed: int = 0) -> Evaluation:
    """Measure checked predictions (see `evaluate`)."""
    confidence, correct, weights = rows.confidence, rows.correct, rows.weights
    edges = bin_edges(confidence, n_bins=n_bins, binning="equal-width", weights=weights)
    bins = BinSums.of(confidence, correct, weights, edges)
    null = ece_null_band(bins, rows=(confidence, assign(confidence, edges), weights), seed=seed)
    means = MeanSums.of(row_measures(rows), weights)
    zeros = int(np.count_nonzero(np.isinf(rows.log_loss)))
    return Evaluation(
        n=len(rows.labels),
        n_classes=rows.probs.shape[1],
        log_loss=mean_estimate(means, 0, bounds=(0.0, inf)),
        brier=mean_estimate(means, 1, bounds=(0.0, 2.0)),
        ece=ece_estimate(bins, null, seed=seed),
        accuracy=share_estimate(means, 2),
        confidence=mean_estimate(means, 3, bounds=(0.0, 1.0)),
        ece_null=null,
        score_test=None if zeros else _score_test(rows),
        reliability=ReliabilityCurve.from_sums(bins, edges),
        zero_probability_labels=zeros,
        n_bins=n_bins,
    )


def row_measures(rows: Predictions) -> NDArray[np.float64]:
    """Log loss, Brier score, correctness and confidence of each row, shape (n, 4)."""
    columns = (rows.log_loss, row_brier(rows), rows.correct, rows.confidence)
    measures = np.stack(columns, axis=1, dtype=np.float64)
    if rows.weights is not None:
        measures[rows.weights == 0] = 0.0  # 0 * inf
    return measures


def _score_test(rows: Predictions) -> ScoreTest:
    sums = map_rows(
        lambda *block: loss_sums(*block, beta=1.0), rows.logits, rows.labels, rows.weights
    )
    return ScoreTest.from_sums(sums)
