"""A calibration error that chooses its number of bins itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from temperance.metrics.bins import bins_of, ranks_of
from temperance.metrics.error_measures import observed
from temperance.metrics.errors_of_sums import binned_error
from temperance.metrics.events import named_event
from temperance.metrics.inputs import Predictions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from temperance.binning import BinSums
    from temperance.metrics.events import EventName

__all__ = ["sweep_calibration_error"]


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
    found = sums(of, *ranks_of(of.probability, len(rows.labels)))
    if _falls(found):  # else it never does: means of neighbours of an ascending row ascend
        for n_bins in range(1, len(rows.labels) + 1):
            bins = bins_of(
                of.probability, n_bins=n_bins, binning="equal-mass", weights=rows.weights
            )
            finer = sums(of, bins, n_bins)
            if _falls(finer):
                break
            found = finer
    return float(binned_error(found))


def _falls(sums: BinSums) -> bool:
    """Whether a bin is less often right than the bin before it."""
    held = sums.weight > 0.0
    return bool((np.diff(sums.hits[held] / sums.weight[held]) < 0.0).any())
