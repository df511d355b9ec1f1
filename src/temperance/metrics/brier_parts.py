"""The Brier score over all classes, in parts with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.metrics.bins import ranks_of
from temperance.metrics.decomposition import decompose
from temperance.metrics.estimates import CalibrationError, Draws, Estimate
from temperance.metrics.events import class_event
from temperance.metrics.isotonic import corp_sums, isotonic
from temperance.metrics.resampling import Resampling

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MAX_CLASSES", "BrierParts", "brier_parts"]

MAX_CLASSES = 200  # more would take minutes
_RANKS = 250  # of each class's curve in resamples; its own curve uses every probability
_FEWEST = 100  # resamples
_NONE: NDArray[np.float64] = np.empty(0)  # draws that are not looked at


@dataclass(frozen=True, slots=True)
class BrierParts:
    """Brier score = miscalibration - discrimination + uncertainty, summed over classes (0..2).

    Miscalibration and discrimination have no interval: the classes' isotonic curves fit their rows
    too well, by more than twice what resamples show, and intervals that allow for twice as much
    held the truth in as few as .73 and .84 of samples of 500 and 2,000 rows.
    """

    score: float
    miscalibration: CalibrationError  # 0 is best; null band and p-value, no interval
    discrimination: float  # large is best; biased upwards, as much as miscalibration
    uncertainty: Estimate

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON."""
        return {
            "score": self.score,
            "miscalibration": self.miscalibration.to_dict(),
            "discrimination": {"value": self.discrimination, "low": None, "high": None},
            "uncertainty": self.uncertainty.to_dict(),
        }


def brier_parts(resampling: Resampling) -> BrierParts | None:
    """Return the class-wise CORP decompositions, added up; None for more than 200 classes.

    Beyond ten classes there are fewer resamples, so that the work does not grow with them.
    """
    rows, k = resampling.rows, resampling.rows.probs.shape[1]
    if k > MAX_CLASSES:
        return None
    fewer = max(_FEWEST, min(resampling.n_resamples, 10 * resampling.n_resamples // k))
    if fewer < resampling.n_resamples:
        resampling = Resampling(rows, fewer, resampling.seed)
    events = [class_event(rows, j) for j in range(k)]
    exact = decompose(rows, events, score="brier")
    data_and_null = np.r_[0, 1 + fewer : 1 + 2 * fewer]
    miscalibration, uncertainty = np.zeros(1 + fewer), np.zeros(1 + fewer)
    for event in events:
        sums = resampling.sums(event, *ranks_of(event.probability, _RANKS))
        kept = sums.of_draws(data_and_null)
        miscalibration += corp_sums(kept, isotonic(kept), score="brier").miscalibration
        frequency = (sums.hits.sum(axis=-1) / sums.weight.sum(axis=-1))[: 1 + fewer]
        uncertainty += frequency * (1.0 - frequency)
    return BrierParts(
        score=exact.score,
        miscalibration=_without_interval(miscalibration, exact.miscalibration),
        discrimination=exact.discrimination,
        uncertainty=Draws(exact.uncertainty, uncertainty[1:], _NONE, resampling.doubt).estimate(
            (0.0, 2.0)
        ),
    )


def _without_interval(drawn: NDArray[np.float64], value: float) -> CalibrationError:
    """Return an error from its draws, the data's own first; coarser ranks move them all alike."""
    null = drawn[1:] + (value - drawn[0])
    return Draws(value, _NONE, null, 0.0).without_interval()
