"""Each group by itself: what it claims, how often it is right, and whether that is chance."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.metrics.estimates import Estimate, mean_estimate, score_estimate, share_estimate
from temperance.metrics.group_tests import group_score_rows
from temperance.metrics.implied import implied_scores
from temperance.metrics.row_scores import taken
from temperance.numerics import places_of
from temperance.sums import MeanSums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from temperance.metrics.group_tests import GroupTest
    from temperance.metrics.inputs import Predictions

__all__ = ["GroupResult", "group_table"]


@dataclass(frozen=True, slots=True)
class GroupResult:
    """One group: its accuracy, its mean confidence, its log loss, and the score test of T = 1."""

    name: str
    n: int  # rows of weight above 0
    accuracy: Estimate
    confidence: Estimate  # best where it is the accuracy
    log_loss: Estimate
    score_test: GroupTest  # with Holm's correction over all groups

    @property
    def differs(self) -> bool:
        """Whether its probabilities are not calibrated, at 5 % over all groups together."""
        p_value = self.score_test.adjusted_p_value
        return p_value is not None and p_value < 0.05

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON."""
        return {
            "accuracy": self.accuracy.to_dict(),
            "confidence": self.confidence.to_dict(),
            "log_loss": self.log_loss.to_dict(),
            **self.score_test.to_dict(),
        }


def group_table(
    rows: Predictions, names: Sequence[str], numbers: NDArray[np.intp], *, seed: int
) -> tuple[GroupResult, ...]:
    """Return every group that has a row of weight above 0, worst first.

    Row i is in group `names[numbers[i]]`.
    """
    number_of = {name: number for number, name in enumerate(names)}
    members = places_of(numbers, len(names))
    results = []
    for test in group_score_rows(rows, names, numbers, seed=seed):
        if test.n == 0:
            continue
        own = taken(rows, members[number_of[test.group]])
        values = np.stack([own.correct, own.confidence, own.log_loss], axis=1, dtype=np.float64)
        if own.weights is not None:
            values[own.weights == 0] = 0.0  # 0 * inf
        sums = MeanSums.of(values, own.weights, own.clusters)
        implied = implied_scores(own, values[:, 2:])
        results.append(
            GroupResult(
                name=test.group,
                n=test.n,
                accuracy=share_estimate(sums, 0),
                confidence=mean_estimate(sums, 1, bounds=(0.0, 1.0)),
                log_loss=score_estimate(sums, 2, implied, 0, highest=inf),
                score_test=test,
            )
        )
    return tuple(results)
