"""Calibration errors that look at more than the predicted class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from temperance.metrics.bins import check_bins
from temperance.metrics.class_cells import ObservedGaps
from temperance.metrics.error_measures import (
    class_errors,
    conditional_error,
    flattened_error,
    observed,
)
from temperance.metrics.inputs import Predictions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

__all__ = [
    "classwise_calibration_error",
    "flattened_calibration_error",
    "top_label_conditional_calibration_error",
]


def classwise_calibration_error(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    n_bins: int = 15,
    weights: ArrayLike | None = None,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
) -> float:
    r"""Mean over classes of the calibration error of that class's own probability.

    Parameters
    ----------
    probs : array_like, shape (n, k) or (n,)
        Probabilities in [0, 1], rows summing to 1; (n,) is the probability of class 1.
    labels : array_like, shape (n,)
        True classes in 0..k-1, or names in `classes`.
    n_bins : int, default 15
        Number of bins of equal width, >= 1.
    weights : array_like, shape (n,), optional
        Finite, >= 0. A row of weight 2 counts as two rows.
    classes : sequence of str, optional
        Names of the columns, as labels may use them.
    ignore_label : int or str, optional
        Rows of this label are left out.

    Returns
    -------
    float
        In [0, 1]; 0 is best. The mean over classes: with many classes most probabilities are
        near 0 and right, which makes it small. Some papers print the sum, k times this. `evaluate`
        gives its null band and p-value, but no interval (see Notes).

    Raises
    ------
    InvalidInputError
        Wrong shape, no rows, a row that does not sum to 1, a label out of range, `n_bins` < 1.

    Notes
    -----
    .. math:: \frac{1}{k} \sum_j \sum_b \frac{W_{jb}}{W}
              |\mathrm{freq}_{jb}(y = j) - \overline{p}_{jb}|

    with bins of p_j, edges as in `expected_calibration_error`.

    Each of the k times `n_bins` cells holds few rows and adds its noise, so that the bias is often
    larger than the error. The interval of the other errors, tried on this one, held the
    population's error in as few as .65 of samples (500 rows, ten classes, T = 1.15).

    References
    ----------
    Kull et al. (2019), Beyond temperature scaling, section 3, https://arxiv.org/abs/1910.12656

    Examples
    --------
    Class 0 is said 0.75 and happens half the time, class 1 is said 0.25: both are off by 0.25.

    >>> classwise_calibration_error([[0.75, 0.25], [0.75, 0.25]], [0, 1], n_bins=1)
    0.25
    """
    rows = Predictions.check(probs, labels, weights, classes=classes, ignore_label=ignore_label)
    found = class_errors(rows, ObservedGaps(rows), n_bins=check_bins(n_bins))
    return float(np.concatenate([errors for errors, _ in found]).mean())


def flattened_calibration_error(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    n_bins: int = 15,
    weights: ArrayLike | None = None,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
) -> float:
    r"""Calibration error of all n k probabilities thrown into one set of bins.

    It is *not* the expected calibration error of the predicted class, though some papers on
    language models print it under that name: most of the n k probabilities are those of wrong
    options, so it is smaller, and errors of different classes cancel within a bin.

    Parameters
    ----------
    probs : array_like, shape (n, k) or (n,)
        Probabilities in [0, 1], rows summing to 1; (n,) is the probability of class 1.
    labels : array_like, shape (n,)
        True classes in 0..k-1, or names in `classes`.
    n_bins : int, default 15
        Number of bins of equal width, >= 1.
    weights : array_like, shape (n,), optional
        Finite, >= 0. A row of weight 2 counts as two rows.
    classes : sequence of str, optional
        Names of the columns, as labels may use them.
    ignore_label : int or str, optional
        Rows of this label are left out.

    Returns
    -------
    float
        In [0, 1]; 0 is best.

    Raises
    ------
    InvalidInputError
        Wrong shape, no rows, a row that does not sum to 1, a label out of range, `n_bins` < 1.

    Notes
    -----
    .. math:: \frac{1}{k W} \sum_b \Big|\sum_{(i, j) \in b} w_i ([y_i = j] - p_{ij})\Big|

    Examples
    --------
    Over- and under-statement cancel in one bin: 0.75 + 0.25 against one hit of two.

    >>> flattened_calibration_error([[0.75, 0.25], [0.75, 0.25]], [0, 1], n_bins=1)
    0.0
    """
    rows = Predictions.check(probs, labels, weights, classes=classes, ignore_label=ignore_label)
    gaps = ObservedGaps(rows)
    found = class_errors(rows, gaps, n_bins=check_bins(n_bins))
    return float(flattened_error(rows, np.sum([gap for _, gap in found], axis=0), gaps))


def top_label_conditional_calibration_error(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    n_bins: int = 15,
    weights: ArrayLike | None = None,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
) -> float:
    r"""Gap between confidence and accuracy over bins *within each predicted class*.

    Parameters
    ----------
    probs : array_like, shape (n, k) or (n,)
        Probabilities in [0, 1], rows summing to 1; (n,) is the probability of class 1.
    labels : array_like, shape (n,)
        True classes in 0..k-1, or names in `classes`.
    n_bins : int, default 15
        Number of bins of equal width for each predicted class, >= 1.
    weights : array_like, shape (n,), optional
        Finite, >= 0. A row of weight 2 counts as two rows.
    classes : sequence of str, optional
        Names of the columns, as labels may use them.
    ignore_label : int or str, optional
        Rows of this label are left out.

    Returns
    -------
    float
        In [0, 1]; 0 is best. At least the `expected_calibration_error`, which lets one class's
        over-confidence hide another's under-confidence; k times as many bins, so more bias.
        `evaluate` gives its null band and p-value, but no interval (see Notes).

    Raises
    ------
    InvalidInputError
        Wrong shape, no rows, a row that does not sum to 1, a label out of range, `n_bins` < 1.

    Notes
    -----
    .. math:: \sum_j \sum_b \frac{W_{jb}}{W} |\mathrm{acc}_{jb} - \mathrm{conf}_{jb}|

    over rows whose predicted class is j and whose confidence is in bin b.

    Its cells hold few rows, as those of `classwise_calibration_error`: the interval of the other
    errors, tried on this one, held the population's error in as few as .45 of samples.

    References
    ----------
    Gupta and Ramdas (2022), Top-label calibration and multiclass-to-binary reductions,
    https://arxiv.org/abs/2107.08353

    Examples
    --------
    Always 75 % sure; right when it says 0, wrong when it says 1.

    >>> p = [[0.75, 0.25], [0.25, 0.75]]
    >>> top_label_conditional_calibration_error(p, [0, 0], n_bins=1)  # (0.25 + 0.75) / 2
    0.5
    """
    rows = Predictions.check(probs, labels, weights, classes=classes, ignore_label=ignore_label)
    return float(conditional_error(rows, observed(rows), n_bins=check_bins(n_bins)))
