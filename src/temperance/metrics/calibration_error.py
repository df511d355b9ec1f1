"""Errors of the predicted class's probability: how far confidence and accuracy lie apart."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Literal

from temperance.checks.arguments import as_word
from temperance.metrics.bins import check_bins
from temperance.metrics.error_measures import (
    classwise_square,
    observed,
    top_label_error,
    top_label_square,
)
from temperance.metrics.errors_of_sums import check_norm
from temperance.metrics.events import named_event
from temperance.metrics.inputs import Predictions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from temperance.binning import Binning
    from temperance.metrics.events import EventName

__all__ = ["debiased_calibration_error", "expected_calibration_error"]


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
    .. math:: \Big(\sum_b \frac{W_b}{W} |\mathrm{acc}_b - \mathrm{conf}_b|^q\Big)^{1/q}

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

    Class 1 of two: told with 0.25 and with 0.5, it happens in neither row and in the other.

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
    .. math:: \sqrt{\max\Big(0, \sum_b \frac{W_b}{W} \Big[(\mathrm{acc}_b - \mathrm{conf}_b)^2
              - \frac{\mathrm{acc}_b (1 - \mathrm{acc}_b)}{n_b - 1}\Big]\Big)}

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
