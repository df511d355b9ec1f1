"""The expected calibration error: how far confidence and accuracy lie apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.binning import BinSums, bin_edges
from temperance.metrics.inputs import Predictions

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from temperance.binning import Binning

__all__ = ["expected_calibration_error"]


def expected_calibration_error(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    n_bins: int = 15,
    binning: Binning = "equal-width",
    weights: ArrayLike | None = None,
) -> float:
    r"""Mean gap between confidence and accuracy over bins of the predicted class's probability.

    Parameters
    ----------
    probs : array_like, shape (n, k) or (n,)
        Probabilities in [0, 1], rows summing to 1; (n,) is the probability of class 1.
    labels : array_like of int, shape (n,)
        True classes in 0..k-1.
    n_bins : int, default 15
        Number of bins, >= 1.
    binning : {"equal-width", "equal-mass"}, default "equal-width"
        Bins of equal width on [0, 1], or with equally many rows (ties are never parted).
    weights : array_like, shape (n,), optional
        Finite, >= 0. A row of weight 2 counts as two rows.

    Returns
    -------
    float
        In [0, 1]; 0 is best, but a perfectly calibrated model does not reach it: with few rows
        the error is biased upwards. Read it beside the null band that `evaluate` gives.

    Raises
    ------
    InvalidInputError
        Wrong shape, no rows, a row that does not sum to 1, a label out of range, `n_bins` < 1.

    Notes
    -----
    .. math:: \sum_b \frac{W_b}{W} |\mathrm{acc}_b - \mathrm{conf}_b|

    Bins are [0, 1/B], (1/B, 2/B], ..., ((B-1)/B, 1]: a confidence on an edge belongs to the bin
    below it. Empty bins count 0.

    References
    ----------
    Guo et al. (2017), On Calibration of Modern Neural Networks, eq. (3),
    https://arxiv.org/abs/1706.04599

    Examples
    --------
    Twice 75 % confident, once right: the gap is 0.75 - 0.5.

    >>> expected_calibration_error([[0.75, 0.25], [0.75, 0.25]], [0, 1], n_bins=1)
    0.25
    """
    rows = Predictions.check(probs, labels, weights)
    edges = bin_edges(rows.confidence, n_bins=n_bins, binning=binning, weights=rows.weights)
    sums = BinSums.of(rows.confidence, rows.correct, rows.weights, edges)
    return sums.expected_calibration_error
