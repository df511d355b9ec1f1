"""Proper scores and accuracy: means over rows of one number per row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.metrics.inputs import Predictions, row_brier

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = ["accuracy", "brier_score", "log_loss"]


def log_loss(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
) -> float:
    r"""Mean negative natural logarithm of the probability given to the true class.

    Parameters
    ----------
    probs : array_like, shape (n, k) or (n,)
        Probabilities in [0, 1], rows summing to 1; (n,) is the probability of class 1.
    labels : array_like, shape (n,)
        True classes in 0..k-1, or names in `classes`.
    weights : array_like, shape (n,), optional
        Finite, >= 0. A row of weight 2 counts as two rows.
    classes : sequence of str, optional
        Names of the columns, as labels may use them.
    ignore_label : int or str, optional
        Rows of this label are left out.

    Returns
    -------
    float
        In nats, in [0, inf]; 0 is best. Infinite if a true class has probability 0: nothing
        is clipped.

    Raises
    ------
    InvalidInputError
        Wrong shape, no rows, a row that does not sum to 1, a label out of range.

    Notes
    -----
    .. math:: \frac{1}{W} \sum_i -w_i \log p_{i y_i}

    References
    ----------
    Good (1952), Rational Decisions, J. R. Stat. Soc. B 14,
    https://doi.org/10.1111/j.2517-6161.1952.tb00104.x

    Examples
    --------
    >>> log_loss([[0.5, 0.5], [0.5, 0.5]], [0, 1])
    0.6931471805599453
    """
    rows = Predictions.check(probs, labels, weights, classes=classes, ignore_label=ignore_label)
    return _mean(rows.log_loss, rows.weights)


def brier_score(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
) -> float:
    r"""Mean squared distance between the probabilities and the true class, over all classes.

    Parameters
    ----------
    probs : array_like, shape (n, k) or (n,)
        Probabilities in [0, 1], rows summing to 1; (n,) is the probability of class 1.
    labels : array_like, shape (n,)
        True classes in 0..k-1, or names in `classes`.
    weights : array_like, shape (n,), optional
        Finite, >= 0. A row of weight 2 counts as two rows.
    classes : sequence of str, optional
        Names of the columns, as labels may use them.
    ignore_label : int or str, optional
        Rows of this label are left out.

    Returns
    -------
    float
        In [0, 2]; 0 is best. Brier's own convention, the sum over classes: for two classes it
        is twice the mean of (p - y)^2 that other packages print.

    Raises
    ------
    InvalidInputError
        Wrong shape, no rows, a row that does not sum to 1, a label out of range.

    Notes
    -----
    .. math:: \frac{1}{W} \sum_i w_i \sum_k (p_{ik} - [y_i = k])^2

    References
    ----------
    Brier (1950), Verification of forecasts expressed in terms of probability, eq. (2),
    https://doi.org/10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2

    Examples
    --------
    >>> brier_score([[0.5, 0.5]], [0])  # 0.5^2 + 0.5^2
    0.5
    """
    rows = Predictions.check(probs, labels, weights, classes=classes, ignore_label=ignore_label)
    return _mean(row_brier(rows), rows.weights)


def accuracy(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
) -> float:
    r"""Share of rows whose most probable class is the true one.

    Parameters
    ----------
    probs : array_like, shape (n, k) or (n,)
        Probabilities in [0, 1], rows summing to 1; (n,) is the probability of class 1.
    labels : array_like, shape (n,)
        True classes in 0..k-1, or names in `classes`.
    weights : array_like, shape (n,), optional
        Finite, >= 0. A row of weight 2 counts as two rows.
    classes : sequence of str, optional
        Names of the columns, as labels may use them.
    ignore_label : int or str, optional
        Rows of this label are left out.

    Returns
    -------
    float
        In [0, 1]; 1 is best. Of several equally probable classes the first is the prediction.

    Raises
    ------
    InvalidInputError
        Wrong shape, no rows, a row that does not sum to 1, a label out of range.

    Notes
    -----
    .. math:: \frac{1}{W} \sum_i w_i [\arg\max_k p_{ik} = y_i]

    Examples
    --------
    >>> accuracy([[0.5, 0.5], [0.25, 0.75]], [1, 1])
    0.5
    """
    rows = Predictions.check(probs, labels, weights, classes=classes, ignore_label=ignore_label)
    return _mean(rows.correct, rows.weights)


def _mean(
    values: NDArray[np.float64] | NDArray[np.bool_], weights: NDArray[np.float64] | None
) -> float:
    if weights is None:
        return float(values.mean())
    positive = weights > 0  # 0 * inf: a row of no weight does not make the mean infinite
    return float(weights[positive] @ values[positive] / weights.sum())
