"""Tests of calibration whose statistic is one sum over rows: standard normal if calibrated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from temperance.kernels.joint import temperature_scores
from temperance.metrics.events import named_event
from temperance.metrics.inputs import Predictions
from temperance.metrics.row_scores import (
    counted,
    impossible_labels,
    log_odds,
    two_probs,
    z_test,
)
from temperance.numerics import row_blocks
from temperance.significance import CalibrationTest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.metrics.events import EventName
    from temperance.significance import Direction

__all__ = [
    "SHARPNESS",
    "brier_terms",
    "calibration_in_the_large_rows",
    "calibration_in_the_large_test",
    "in_the_large_signs",
    "residuals",
    "score_rows",
    "score_test",
    "spiegelhalter_rows",
    "spiegelhalter_test",
    "temperature_scores_of",
]

SHARPNESS: Final[tuple[Direction, Direction]] = ("under-confident", "over-confident")
_HALF = 1e-12  # a probability this close to 1/2 is 1/2: its distance is rounding


def score_test(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
) -> CalibrationTest:
    r"""Test of T = 1 that needs no fit: whether probabilities are as sharp as labels allow.

    Parameters
    ----------
    probs : array_like, shape (n, k) or (n,)
        Probabilities in [0, 1], rows summing to 1; (n,) is the probability of class 1. Use
        rows that the calibrator was not fitted on.
    labels : array_like, shape (n,)
        True classes in 0..k-1, or names in `classes`.
    weights : array_like, shape (n,), optional
        Finite, >= 0. Importance weights, on any scale: a row of weight 2 does not count as two
        rows, because nothing new was seen; unequal weights lower the power.
    clusters : array_like, shape (n,), optional
        Which rows belong together (a patient, a document). Without it rows count as independent;
        with it the variance is seen between clusters, which takes some 40 of them or more.
    classes : sequence of str, optional
        Names of the columns, as labels may use them.
    ignore_label : int or str, optional
        Rows of this label are left out.

    Returns
    -------
    CalibrationTest
        z > 0 = over-confident, z < 0 = under-confident. Undefined if a true class has
        probability 0, if no row prefers any option that exists, or if all rows are one cluster.
        The normal distribution is good to about 0.01 in p from some 100 rows on.

    Raises
    ------
    InvalidInputError
        Wrong shape, no rows, a row that does not sum to 1, a label out of range, bad weights, a
        missing cluster.

    Notes
    -----
    :math:`Z = \sum_i w_i g_i / \sqrt{\sum_i w_i^2 v_i}` with
    :math:`g_i = E_{p_i}[\log p_i] - \log p_{i y_i}` and :math:`v_i = \mathrm{Var}_{p_i}[\log p_i]`:
    the score test of T = 1, and Spiegelhalter's test for the logarithmic score. With clusters c
    the variance is :math:`\sum_c (\sum_{i \in c} w_i g_i)^2`, so that
    :math:`|Z| \le \sqrt{\text{number of clusters}}`.

    References
    ----------
    Spiegelhalter (1986), Probabilistic prediction in patient management and clinical trials,
    https://doi.org/10.1002/sim.4780050506

    Examples
    --------
    Four times 80 % sure and twice right: g is -0.2 log 4 where right and 0.8 log 4 where wrong,
    v is 0.16 (log 4)^2, and so z = 1.2 / 0.8.

    >>> test = score_test([0.8, 0.8, 0.8, 0.8], [1, 1, 0, 0])
    >>> round(test.statistic, 12), test.leaning, test.direction  # p = 0.134
    (1.5, 'over-confident', 'neither')
    """
    return score_rows(
        Predictions.check(
            probs, labels, weights, clusters, classes=classes, ignore_label=ignore_label
        )
    )


def score_rows(rows: Predictions) -> CalibrationTest:
    """Test checked predictions (see `score_test`); from logits it is exact."""
    rows = counted(rows)
    if reason := impossible_labels(rows):
        return CalibrationTest.undefined("score", reason)
    return z_test("score", *temperature_scores_of(rows), rows, SHARPNESS)


def temperature_scores_of(
    rows: Predictions,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the temperature score of each row and its variance under calibration, (n,) each."""
    logits = rows.logits
    scores, variances = np.empty(len(logits)), np.empty(len(logits))
    for block in row_blocks(logits):
        scores[block], variances[block] = temperature_scores(logits[block], rows.labels[block])
    return scores, variances


def spiegelhalter_test(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    event: EventName | None = None,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
) -> CalibrationTest:
    r"""Spiegelhalter's test: whether the Brier score is what the probabilities lead to expect.

    Parameters
    ----------
    probs : array_like, shape (n, k) or (n,)
        Probabilities in [0, 1], rows summing to 1; (n,) is the probability of class 1.
    labels : array_like, shape (n,)
        True classes in 0..k-1, or names in `classes`.
    event : "predicted" or class, optional
        What is foretold: that the predicted class is right, or that the true class is this one
        (by its number or name).
        Default: the top label; for two classes every event gives the same test.
    weights : array_like, shape (n,), optional
        Finite, >= 0. Importance weights, on any scale, as in `score_test`.
    clusters : array_like, shape (n,), optional
        Which rows belong together, as in `score_test`.
    classes : sequence of str, optional
        Names of the columns, as labels may use them.
    ignore_label : int or str, optional
        Rows of this label are left out.

    Returns
    -------
    CalibrationTest
        z > 0 = the score is worse than expected, over-confident; z < 0 = under-confident.
        Undefined if every probability of the event is 0, 1/2 or 1 and none is refuted, or if all
        rows are one cluster.

    Raises
    ------
    InvalidInputError
        Wrong shape, no rows, a row that does not sum to 1, a label out of range, bad weights, a
        missing cluster, no such event.

    Notes
    -----
    With c the probability of the event and k = 1 where it happened:
    :math:`Z = \sum_i w_i (k_i - c_i)(1 - 2 c_i) / \sqrt{\sum_i w_i^2 (1 - 2 c_i)^2 c_i (1 - c_i)}`.
    Blind at c = 1/2, and to errors above and below 1/2 that balance.

    References
    ----------
    Spiegelhalter (1986), Probabilistic prediction in patient management and clinical trials,
    https://doi.org/10.1002/sim.4780050506

    Examples
    --------
    The top of each sum is (0.2 + 0.2 - 0.8 - 0.8) times -0.6, the variance 4 x 0.36 x 0.16.

    >>> test = spiegelhalter_test([0.8, 0.8, 0.8, 0.8], [1, 1, 0, 0])
    >>> round(test.statistic, 12), test.leaning, test.direction  # p = 0.134
    (1.5, 'over-confident', 'neither')
    """
    return spiegelhalter_rows(
        Predictions.check(
            probs, labels, weights, clusters, classes=classes, ignore_label=ignore_label
        ),
        event=event,
    )


def spiegelhalter_rows(rows: Predictions, *, event: EventName | None = None) -> CalibrationTest:
    """Test checked predictions (see `spiegelhalter_test`)."""
    rows = counted(rows)
    scores, variances = brier_terms(*_residuals(rows, event))
    return z_test("spiegelhalter", scores, variances, rows, SHARPNESS)


def brier_terms(
    residual: NDArray[np.float64], c: NDArray[np.float64], opposite: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return Spiegelhalter's score of each row, and its variance, from k - c, c and 1 - c."""
    lean = opposite - c
    lean[np.abs(lean) < _HALF] = 0.0
    return residual * lean, lean * lean * c * opposite


def calibration_in_the_large_test(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    event: EventName | None = None,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
) -> CalibrationTest:
    r"""Test of the mean: whether an event happens as often as its probabilities say in total.

    Parameters
    ----------
    probs : array_like, shape (n, k) or (n,)
        Probabilities in [0, 1], rows summing to 1; (n,) is the probability of class 1.
    labels : array_like, shape (n,)
        True classes in 0..k-1, or names in `classes`.
    event : "predicted" or class, optional
        What is foretold: that the predicted class is right, or that the true class is this one
        (by its number or name).
        Default: class 1 of two classes, else the top label.
    weights : array_like, shape (n,), optional
        Finite, >= 0. Importance weights, on any scale, as in `score_test`.
    clusters : array_like, shape (n,), optional
        Which rows belong together, as in `score_test`.
    classes : sequence of str, optional
        Names of the columns, as labels may use them.
    ignore_label : int or str, optional
        Rows of this label are left out.

    Returns
    -------
    CalibrationTest
        z is observed less expected: below 0 the event happens too rarely, which is
        over-confident for the top label and over-predicted for a class. Undefined if every
        probability of the event is 0 or 1 and none is refuted, or if all rows are one cluster.

    Raises
    ------
    InvalidInputError
        Wrong shape, no rows, a row that does not sum to 1, a label out of range, bad weights, a
        missing cluster, no such event.

    Notes
    -----
    With c the probability of the event and k = 1 where it happened:
    :math:`Z = \sum_i w_i (k_i - c_i) / \sqrt{\sum_i w_i^2 c_i (1 - c_i)}`.

    References
    ----------
    Cox (1958), Two further applications of a model for binary regression,
    https://doi.org/10.1093/biomet/45.3-4.562

    Examples
    --------
    Expected 3.2 times with variance 0.64, seen twice: z = -1.2 / 0.8.

    >>> test = calibration_in_the_large_test([0.8, 0.8, 0.8, 0.8], [1, 1, 0, 0])
    >>> round(test.statistic, 12), test.leaning, test.direction  # p = 0.134
    (-1.5, 'over-predicted', 'neither')
    """
    rows = Predictions.check(
        probs, labels, weights, clusters, classes=classes, ignore_label=ignore_label
    )
    return calibration_in_the_large_rows(rows, event=event)


def calibration_in_the_large_rows(
    rows: Predictions, *, event: EventName | None = None
) -> CalibrationTest:
    """Test checked predictions (see `calibration_in_the_large_test`)."""
    rows = counted(rows)
    residual, c, opposite = _residuals(rows, event)
    signs = in_the_large_signs(named_event(rows, event).name)
    return z_test("calibration-in-the-large", residual, c * opposite, rows, signs)


def in_the_large_signs(event: EventName) -> tuple[Direction, Direction]:
    """Return what it means that an event happens too rarely, and too often."""
    if event == "top-label":
        return "over-confident", "under-confident"
    return "over-predicted", "under-predicted"


def residuals(
    odds: NDArray[np.float64], hit: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return k - c, c and 1 - c of an event, each exact where c is close to 0 or 1."""
    c, opposite = two_probs(odds)
    return np.where(hit, opposite, -c), c, opposite


def _residuals(
    rows: Predictions, name: EventName | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    event = named_event(rows, name)
    return residuals(log_odds(rows, event), event.hit)
