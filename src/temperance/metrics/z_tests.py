"""Tests of calibration whose statistic is one sum over rows: standard normal if calibrated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from temperance.metrics.events import named_event
from temperance.metrics.inputs import Predictions
from temperance.numerics import (
    BLOCK_ELEMENTS,
    as_float64,
    log_probs,
    logit,
    row_blocks,
    row_maxima,
    two_probs,
)
from temperance.printable import count_text
from temperance.significance import CalibrationTest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.metrics.events import Event, EventName
    from temperance.significance import Direction

__all__ = [
    "SHARPNESS",
    "brier_terms",
    "calibration_in_the_large_rows",
    "calibration_in_the_large_test",
    "impossible",
    "impossible_labels",
    "in_the_large_signs",
    "log_odds",
    "n_clusters",
    "residuals",
    "rows_with_weight",
    "score_rows",
    "score_test",
    "spiegelhalter_rows",
    "spiegelhalter_test",
    "temperature_scores_of",
]

# What tests of calibration share: rows that count, log-odds of an event, sums as z.


_ONE_CLUSTER = "all rows are one cluster, and chance is seen between clusters only"


def rows_with_weight(rows: Predictions) -> Predictions:
    """Return the rows of weight above 0, their weights divided by the largest.

    No test depends on the scale of the weights; squares of large ones might overflow.
    """
    if rows.weights is None:
        return rows
    weights = rows.weights / rows.weights.max()
    keep = weights > 0
    rows = rows.with_weights(weights)
    return rows if keep.all() else rows.taken(np.flatnonzero(keep))


def n_clusters(rows: Predictions) -> int | None:
    """Return the number of clusters; None without clusters."""
    return None if rows.clusters is None else int(rows.clusters.max()) + 1


def impossible_labels(rows: Predictions) -> str | None:
    """Return why no score exists if true classes have probability 0; None if none has."""
    return impossible(int(np.count_nonzero(np.isinf(rows.log_loss))))


def impossible(count: int) -> str | None:
    """Return why no score exists if so many rows have a true class of probability 0."""
    if not count:
        return None
    return f"{count_text(count, 'row has', 'rows have')} a true class of probability 0"


_LEAST_EXACT = 1e-290  # probabilities far below have fewer digits


def log_odds(rows: Predictions, event: Event) -> NDArray[np.float64]:
    """Log-odds of the event in each row, (n,), from the logits and not from a rounded probability.

    Infinite where the event, or its opposite, has probability 0.
    """
    of_top = event.name == "top-label"
    columns = rows.predicted if of_top else np.full(len(rows.labels), event.name, dtype=np.intp)
    odds, remaining = np.empty(len(columns)), np.arange(len(columns))
    if rows.scores is not None:  # up to one half, 1 - p has all digits of p
        p = rows.confidence if of_top else rows.at(columns)
        exact = (p > _LEAST_EXACT) & (p <= 0.5)
        odds[exact] = logit(p[exact])
        remaining = np.flatnonzero(~exact)
    for some in row_blocks(remaining, max(1, BLOCK_ELEMENTS // rows.shape[1])):
        block = remaining[some]
        at_event = (np.arange(len(block)), columns[block])
        if rows.scores is None:
            others = rows.probs[block]
            of_event = others[at_event]
            others[at_event] = 0.0
            odds[block] = log_probs(of_event) - log_probs(others.sum(axis=1))
            continue
        others = np.array(rows.scores[block], dtype=np.float64)
        of_event = as_float64(others[at_event])
        others[at_event] = -np.inf
        largest = row_maxima(others)
        shift = np.where(np.isneginf(largest), 0.0, largest)
        with np.errstate(divide="ignore"):  # the event is the only option: log 0
            rest = np.log(np.exp(others - shift[:, None]).sum(axis=1))
        odds[block] = of_event - shift - rest
    return odds


def z_test(
    name: str,
    scores: NDArray[np.float64],
    variances: NDArray[np.float64],
    rows: Predictions,
    signs: tuple[Direction, Direction],
) -> CalibrationTest:
    """Test that scores of rows (see `rows_with_weight`) have mean 0.

    `variances` are those under the null; with clusters, the squares of their sums take the place.
    """
    weighted = scores if rows.weights is None else rows.weights * scores
    if rows.clusters is not None:
        if n_clusters(rows) == 1:
            return CalibrationTest.undefined(name, _ONE_CLUSTER)
        sums = np.bincount(rows.clusters, weighted)
        variance = float(sums @ sums)
    elif rows.weights is not None:
        variance = float((rows.weights * rows.weights) @ variances)
    else:
        variance = float(variances.sum())
    return CalibrationTest.normal(name, float(weighted.sum()), variance, signs)


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
    rows = rows_with_weight(rows)
    if reason := impossible_labels(rows):
        return CalibrationTest.undefined("score", reason)
    return z_test("score", *temperature_scores_of(rows), rows, SHARPNESS)


def temperature_scores_of(
    rows: Predictions,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the temperature score of each row and its variance under calibration, (n,) each.

    E_p[z] - z_label, above 0 where over-confident; infinite for a masked label.
    """
    mean, variance, _ = rows.logit_moments
    of_label = -rows.log_loss - np.log(rows.confidence)
    return mean - of_label, variance


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
    rows = rows_with_weight(rows)
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
    rows = rows_with_weight(rows)
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
