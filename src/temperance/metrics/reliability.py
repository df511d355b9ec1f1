"""The numbers behind a reliability diagram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from temperance.binning import BinSums, assign, bin_edges
from temperance.frozen import Frozen
from temperance.metrics.estimates import wilson_interval
from temperance.metrics.events import check_bins, named_event
from temperance.metrics.inputs import Predictions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.binning import Binning
    from temperance.metrics.events import EventName

__all__ = ["ReliabilityCurve", "reliability_curve"]


@dataclass(frozen=True, slots=True, eq=False)
class ReliabilityCurve(Frozen):
    """Confidence and accuracy per bin, for the bins that hold rows; all arrays (m,)."""

    lower: NDArray[np.float64]  # lower edge of the bin, excluded (but 0 is included)
    upper: NDArray[np.float64]  # upper edge of the bin, included
    share: NDArray[np.float64]  # of all weight, in (0, 1]; they sum to 1
    count: NDArray[np.float64]  # rows in the bin, >= 1
    confidence: NDArray[np.float64]  # mean confidence in the bin
    accuracy: NDArray[np.float64]  # share of right predictions in the bin
    accuracy_low: NDArray[np.float64]  # 95 % Wilson interval of the accuracy
    accuracy_high: NDArray[np.float64]

    @classmethod
    def from_sums(cls, sums: BinSums, edges: NDArray[np.float64]) -> Self:
        """Return the curve of merged bin sums; bins without weight are left out."""
        occupied = sums.weight > 0
        weight = sums.weight[occupied]
        right = np.clip(sums.hits[occupied] / weight, 0.0, 1.0)
        low, high = wilson_interval(right, weight**2 / sums.squared_weight[occupied])
        return cls(
            lower=edges[:-1][occupied],
            upper=edges[1:][occupied],
            share=weight / weight.sum(),
            count=sums.count[occupied],
            confidence=sums.probability[occupied] / weight,
            accuracy=right,
            accuracy_low=low,
            accuracy_high=high,
        )

    def to_dict(self) -> list[dict[str, float]]:
        """Return one entry per bin for JSON."""
        names = ("confidence", "accuracy", "accuracy_low", "accuracy_high", "count", "share")
        columns = [getattr(self, name).tolist() for name in names]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def reliability_curve(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    event: EventName = "predicted",
    n_bins: int = 15,
    binning: Binning = "equal-width",
    weights: ArrayLike | None = None,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
) -> ReliabilityCurve:
    """Confidence and accuracy per bin of the predicted class's probability, or of a class's own.

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
        As in `expected_calibration_error`, with the same edge rule.
    weights : array_like, shape (n,), optional
        Finite, >= 0. A row of weight 2 counts as two rows (the intervals then use the
        effective number of rows).
    classes : sequence of str, optional
        Names of the columns, as labels may use them.
    ignore_label : int or str, optional
        Rows of this label are left out.

    Returns
    -------
    ReliabilityCurve
        One entry per bin that holds rows. Accuracy below confidence = over-confident. Of a class,
        `confidence` is its mean probability in the bin and `accuracy` how often it is the true one.

    Raises
    ------
    InvalidInputError
        Wrong shape, no rows, a row that does not sum to 1, a label out of range, `n_bins` < 1.

    References
    ----------
    DeGroot and Fienberg (1983), The Comparison and Evaluation of Forecasters,
    https://doi.org/10.2307/2987588; Wilson (1927) for the intervals,
    https://doi.org/10.1080/01621459.1927.10502953

    Examples
    --------
    >>> curve = reliability_curve([[0.75, 0.25], [0.75, 0.25]], [0, 1], n_bins=2)
    >>> curve.confidence, curve.accuracy
    (array([0.75]), array([0.5]))
    """
    rows = Predictions.check(probs, labels, weights, classes=classes, ignore_label=ignore_label)
    n_bins, of = check_bins(n_bins), named_event(rows, event)
    edges = bin_edges(of.probability, n_bins=n_bins, binning=binning, weights=rows.weights)
    sums = BinSums.of(of.probability, of.hit, rows.weights, assign(of.probability, edges), n_bins)
    return ReliabilityCurve.from_sums(sums, edges)
