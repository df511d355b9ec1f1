"""Each class by itself: how often it is said, how often it is true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.metrics.estimates import share_estimates
from temperance.sums import MeanSums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from temperance.metrics.estimates import CalibrationError, Estimate
    from temperance.metrics.inputs import Predictions

__all__ = ["ClassResult", "class_table"]


@dataclass(frozen=True, slots=True)
class ClassResult:
    """One class: its frequency, its mean probability, and the error of its probabilities."""

    number: int
    n: int  # rows whose true class it is
    frequency: Estimate  # share of rows whose true class it is
    probability: float  # mean probability it is given; best where it is the frequency
    error: CalibrationError  # ECE of this class's own probability

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON."""
        return {
            "class": self.number,
            "n": self.n,
            "frequency": self.frequency.to_dict(),
            "probability": self.probability,
            "error": self.error.to_dict(),
        }


def class_table(rows: Predictions, errors: Sequence[CalibrationError]) -> tuple[ClassResult, ...]:
    """Return every class in its order, with its calibration error."""
    k = rows.probs.shape[1]
    counts = np.bincount(rows.labels, minlength=k).tolist()
    probability = np.average(rows.probs, axis=0, weights=rows.weights).tolist()
    shares = share_estimates(_label_sums(rows))
    found = enumerate(zip(counts, shares, probability, errors, strict=True))
    return tuple(ClassResult(j, *each) for j, each in found)


def _label_sums(rows: Predictions) -> MeanSums:
    """Return what `MeanSums.of` gives of each class's indicator, without a number per row."""
    w = np.ones(len(rows.labels)) if rows.weights is None else rows.weights
    labels, units, total, of_rows = rows.labels, w, w, float(w @ w)
    if rows.clusters is not None:
        units = np.bincount(rows.clusters, w).astype(np.float64)
        pairs, at = np.unique(labels * len(units) + rows.clusters, return_inverse=True)
        total = np.bincount(at, w).astype(np.float64)  # w x of a class and a cluster that meet
        labels, cluster = np.divmod(pairs, len(units))
        w = units[cluster]

    def of_class(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(labels, values, rows.probs.shape[1]).astype(np.float64)

    return MeanSums(
        float(units.sum()), float(units @ units), of_class(total), of_class(w * total),
        of_class(total * total), of_rows,
    )  # fmt: skip
