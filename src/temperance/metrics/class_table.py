"""Each class by itself: how often it is said, how often it is true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.blocks import report_step
from temperance.metrics.estimates import Estimate, share_estimate
from temperance.sums import MeanSums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.metrics.estimates import CalibrationError, Draws
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


def class_table(rows: Predictions, errors: list[Draws]) -> tuple[ClassResult, ...]:
    """Return every class in its order, with the draws of its calibration error."""
    k = rows.probs.shape[1]
    counts = np.bincount(rows.labels, minlength=k)
    probability = np.average(rows.probs, axis=0, weights=rows.weights)
    table = []
    for j in range(k):
        table.append(
            ClassResult(
                number=j,
                n=int(counts[j]),
                frequency=_share(rows, rows.labels == j),
                probability=float(probability[j]),
                error=errors[j].calibration_error(),
            )
        )
        report_step("table of classes", j + 1, k)
    return tuple(table)


def _share(rows: Predictions, hit: NDArray[np.bool_]) -> Estimate:
    return share_estimate(MeanSums.of(hit[:, None], rows.weights, rows.clusters), 0)
