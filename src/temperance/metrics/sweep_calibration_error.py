"""A calibration error that chooses its number of bins itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from temperance.metrics.bins import bins_of, ranks_of
from temperance.metrics.error_measures import observed
from temperance.metrics.errors_of_sums import binned_error
from temperance.metrics.events import top_label_event
from temperance.metrics.inputs import Predictions

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from temperance.binning import BinSums

__all__ = ["sweep_calibration_error"]


def sweep_calibration_error(
    probs: ArrayLike, labels: ArrayLike, *, weights: ArrayLike | None = None
) -> float:
    r"""Expected calibration error with as many equal-mass bins as keep the accuracies ascending.

    Parameters
    ----------
    probs : array_like, shape (n, k) or (n,)
        Probabilities in [0, 1], rows summing to 1; (n,) is the probability of class 1.
    labels : array_like of int, shape (n,)
        True classes in 0..k-1.
    weights : array_like, shape (n,), optional
        Finite, >= 0. A row of weight 2 counts as two rows.

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
    rows = Predictions.check(probs, labels, weights)
    event, sums = top_label_event(rows), observed(rows)
    found = sums(event, *ranks_of(event.probability, len(rows.labels)))
    if _falls(found):  # else it never does: means of neighbours of an ascending row ascend
        for n_bins in range(1, len(rows.labels) + 1):
            bins = bins_of(
                event.probability, n_bins=n_bins, binning="equal-mass", weights=rows.weights
            )
            finer = sums(event, bins, n_bins)
            if _falls(finer):
                break
            found = finer
    return float(binned_error(found))


def _falls(sums: BinSums) -> bool:
    """Whether a bin is less often right than the bin before it."""
    held = sums.weight > 0.0
    return bool((np.diff(sums.hits[held] / sums.weight[held]) < 0.0).any())
