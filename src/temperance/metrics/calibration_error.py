"""Calibration errors in bins: of the predicted class, of every class, and of bins that sweep."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Literal

import numpy as np

from temperance.checks.arguments import as_word
from temperance.metrics.error_measures import (
    binned_error,
    check_norm,
    class_errors,
    classwise_square,
    conditional_error,
    flattened_error,
    observed,
    top_label_error,
    top_label_square,
)
from temperance.metrics.events import ObservedGaps, bins_of, check_bins, named_event, ranks_of
from temperance.metrics.inputs import Predictions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from temperance.binning import Binning, SumsPerBin
    from temperance.metrics.events import EventName

__all__ = [
    "classwise_calibration_error",
    "debiased_calibration_error",
    "expected_calibration_error",
    "flattened_calibration_error",
    "sweep_calibration_error",
    "top_label_conditional_calibration_error",
]


def expected_calibration_error(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    event: EventName = "predicted",
    n_bins: int = 15,
    binning: Binning = "equal-width",
    norm: float = 1.0,
    weights: ArrayLike | None = None,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
) -> float:
    r"""Mean gap between confidence and accuracy over bins of the predicted class's probability.

    With `event`, between the probability of a class and how often it is the true one.

    Parameters
    ----------
    probs : array_like, shape (n, k) or (n,)
        Probabilities in [0, 1], rows summing to 1; (n,) is the probability of class 1.
    labels : array_like, shape (n,)
        True classes in 0..k-1, or names in `classes`.
    event : "predicted" or class, default "predicted"
        What the probability is of: that the predicted class is right, or that the true class is
        this one, by its number or its name. For two classes, `event=1` is the probability of
        class 1 that scikit-learn, torchmetrics and clinical studies look at.
    n_bins : int, default 15
        Number of bins, 1 to 1,000.
    binning : {"equal-width", "equal-mass"}, default "equal-width"
        Bins of equal width on [0, 1], or with equally many rows (ties are never parted).
    norm : float, default 1
        At least 1: 1 is the mean gap, 2 the root mean square gap, `math.inf` the largest (the
        "maximum calibration error", which mostly shows the bin with the fewest rows).
    weights : array_like, shape (n,), optional
        Finite, >= 0. A row of weight 2 counts as two rows.
    classes : sequence of str, optional
        Names of the columns, as labels may use them.
    ignore_label : int or str, optional
        Rows of this label are left out.

    Returns
    -------
    float
        In [0, 1]; 0 is best, but a perfectly calibrated model does not reach it: with few rows
        the error is biased upwards. Read it beside the null band that `evaluate` gives.

    Raises
    ------
    InvalidInputError
        Wrong shape, no rows, a row that does not sum to 1, a label out of range, `n_bins` < 1,
        `norm` < 1.

    Notes
    -----
    .. math:: \left(\sum_b \frac{W_b}{W} |\mathrm{acc}_b - \mathrm{conf}_b|^q\right)^{1/q}

    with q the `norm`. Bins are [0, 1/B], (1/B, 2/B], ..., ((B-1)/B, 1]: a confidence on an edge
    belongs to the bin below it, and one that lies above an edge by rounding is on it (up to 1e-6,
    and to 2e-5 of the narrower bin beside it). Empty bins count 0.

    References
    ----------
    Guo et al. (2017), On Calibration of Modern Neural Networks, eq. (3),
    https://arxiv.org/abs/1706.04599

    Examples
    --------
    Twice 75 % confident, once right: the gap is 0.75 - 0.5.

    >>> expected_calibration_error([[0.75, 0.25], [0.75, 0.25]], [0, 1], n_bins=1)
    0.25

    Class 1 of two has probability 0.25 in a row where it is false, and 0.5 in one where it is true.

    >>> expected_calibration_error([0.25, 0.5], [0, 1], event=1)
    0.375
    """
    rows = Predictions.check(probs, labels, weights, classes=classes, ignore_label=ignore_label)
    error = top_label_error(
        rows,
        observed(rows),
        n_bins=check_bins(n_bins),
        binning=binning,
        norm=check_norm(norm),
        event=named_event(rows, event),
    )
    return float(error)


def debiased_calibration_error(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    over: Literal["top-label", "classes"] = "top-label",
    n_bins: int = 15,
    binning: Binning = "equal-mass",
    weights: ArrayLike | None = None,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
) -> float:
    r"""Root mean square gap of confidence and accuracy, less what sampling adds to it.

    Parameters
    ----------
    probs : array_like, shape (n, k) or (n,)
        Probabilities in [0, 1], rows summing to 1; (n,) is the probability of class 1.
    labels : array_like, shape (n,)
        True classes in 0..k-1, or names in `classes`.
    over : {"top-label", "classes"}, default "top-label"
        The predicted class's probability, or the mean square over each class's own.
    n_bins : int, default 15
        Number of bins, 1 to 1,000.
    binning : {"equal-mass", "equal-width"}, default "equal-mass"
        As in `expected_calibration_error`.
    weights : array_like, shape (n,), optional
        Finite, >= 0; the correction uses the effective number of rows in a bin.
    classes : sequence of str, optional
        Names of the columns, as labels may use them.
    ignore_label : int or str, optional
        Rows of this label are left out.

    Returns
    -------
    float
        In [0, 1]; 0 is best. The square is unbiased before it is cut at 0, so a calibrated
        model shows 0 in about half of all samples.

    Raises
    ------
    InvalidInputError
        Wrong shape, no rows, a row that does not sum to 1, a label out of range, `n_bins` < 1,
        an unknown `over`.

    Notes
    -----
    .. math:: \sqrt{\max\left(0, \sum_b \frac{W_b}{W} \left[(\mathrm{acc}_b - \mathrm{conf}_b)^2
              - \frac{\mathrm{acc}_b (1 - \mathrm{acc}_b)}{n_b - 1}\right]\right)}

    A bin of one row counts 0: nothing can be said of its noise. With `over="classes"` each
    class's sum is cut at 0, then the mean is taken over classes before the root.

    References
    ----------
    Kumar, Liang and Ma (2019), Verified Uncertainty Calibration, section 5,
    https://arxiv.org/abs/1909.10155; Broecker (2012), https://doi.org/10.1007/s00382-011-1191-1

    Examples
    --------
    Four rows 75 % confident, two right: (0.25)^2 - 0.5 * 0.5 / 3 is below 0.

    >>> debiased_calibration_error([[0.75, 0.25]] * 4, [0, 0, 1, 1], n_bins=1)
    0.0
    """
    rows = Predictions.check(probs, labels, weights, classes=classes, ignore_label=ignore_label)
    squares = {"top-label": top_label_square, "classes": classwise_square}
    square = squares[as_word(over, squares, name="over")](
        rows, observed(rows), n_bins=check_bins(n_bins), binning=binning
    )
    return sqrt(max(float(square), 0.0))


# Calibration errors that look at more than the predicted class.


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
    of_classes = class_errors(rows, ObservedGaps(rows), n_bins=check_bins(n_bins))
    return float(np.concatenate([errors for errors, _ in of_classes]).mean())


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
    .. math:: \frac{1}{k W} \sum_b \left|\sum_{(i, j) \in b} w_i ([y_i = j] - p_{ij})\right|

    Examples
    --------
    Over- and under-statement cancel in one bin: 0.75 + 0.25 against one hit of two.

    >>> flattened_calibration_error([[0.75, 0.25], [0.75, 0.25]], [0, 1], n_bins=1)
    0.0
    """
    rows = Predictions.check(probs, labels, weights, classes=classes, ignore_label=ignore_label)
    gaps = ObservedGaps(rows)
    of_classes = class_errors(rows, gaps, n_bins=check_bins(n_bins))
    return float(flattened_error(rows, np.sum([gap for _, gap in of_classes], axis=0), gaps))


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


# A calibration error that chooses its number of bins itself.


def sweep_calibration_error(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    event: EventName = "predicted",
    weights: ArrayLike | None = None,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
) -> float:
    r"""Expected calibration error with as many equal-mass bins as keep the accuracies ascending.

    Parameters
    ----------
    probs : array_like, shape (n, k) or (n,)
        Probabilities in [0, 1], rows summing to 1; (n,) is the probability of class 1.
    labels : array_like, shape (n,)
        True classes in 0..k-1, or names in `classes`.
    event : "predicted" or class, default "predicted"
        What the probability is of: that the predicted class is right, or that the true class is
        this one, by its number or its name. For two classes, `event=1` is the probability of
        class 1 that scikit-learn, torchmetrics and clinical studies look at.
    weights : array_like, shape (n,), optional
        Finite, >= 0. A row of weight 2 counts as two rows.
    classes : sequence of str, optional
        Names of the columns, as labels may use them.
    ignore_label : int or str, optional
        Rows of this label are left out.

    Returns
    -------
    float
        In [0, 1]; 0 is best. Less biased than a fixed number of bins, but not unbiased, and two
        models are measured in different bins: compare models by another error.

    Raises
    ------
    InvalidInputError
        Wrong shape, no rows, a row that does not sum to 1, a label out of range.

    Notes
    -----
    B = 1, 2, ... bins of equal mass, until the accuracy of some bin is below that of the bin
    before it; the error is that of the last B without such a fall. Empty bins do not count. Equal
    confidences share a bin; where none falls even with a bin each, those are the bins.

    References
    ----------
    Roelofs et al. (2022), Mitigating Bias in Calibration Error Estimation, section 4,
    https://arxiv.org/abs/2012.08668

    Examples
    --------
    Two bins would have accuracies 1 and 0, so there is one: confidence 0.75, accuracy 0.5.

    >>> sweep_calibration_error([[0.7, 0.3], [0.8, 0.2]], [0, 1])
    0.25
    """
    rows = Predictions.check(probs, labels, weights, classes=classes, ignore_label=ignore_label)
    of, sums = named_event(rows, event), observed(rows)
    finest = sums(of, *ranks_of(of.probability, len(rows.labels)))
    if _falls(finest):  # else it never does: means of neighbours of an ascending row ascend
        for n_bins in range(1, len(rows.labels) + 1):
            bins = bins_of(
                of.probability, n_bins=n_bins, binning="equal-mass", weights=rows.weights
            )
            finer = sums(of, bins, n_bins)
            if _falls(finer):
                break
            finest = finer
    return float(binned_error(finest))


def _falls(sums: SumsPerBin) -> bool:
    """Whether a bin is less often right than the bin before it."""
    occupied = sums.weight > 0.0
    return bool((np.diff(sums.hits[occupied] / sums.weight[occupied]) < 0.0).any())
