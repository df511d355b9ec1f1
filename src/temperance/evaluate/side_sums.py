"""Several sets of probabilities of the same rows, as sums that merge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from temperance.evaluate.block_sums import EvaluationSums
from temperance.evaluate.measure import row_measures
from temperance.sums import MeanSums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from temperance.metrics.cells import ProbabilityGrid
    from temperance.metrics.inputs import Predictions

__all__ = ["SideSums", "paired_gaps"]


@dataclass(frozen=True, slots=True, eq=False)
class SideSums:
    """The sums of each set, and of what the rows of each differ in from those of the first."""

    sides: tuple[EvaluationSums, ...]
    gaps: tuple[MeanSums, ...]  # log loss, Brier score, accuracy, confidence; one fewer than sides

    @classmethod
    def of(
        cls, rows: Sequence[Predictions], grid: ProbabilityGrid, *, first: int, seed: int
    ) -> Self:
        """Return the sums of a block; `first` is the number of its first row in the data."""
        baseline, *others = rows
        return cls(
            tuple(EvaluationSums.of(each, grid, first=first, seed=seed) for each in rows),
            tuple(paired_gaps(each, baseline) for each in others),
        )

    def merge(self, other: Self) -> Self:
        """Return the sums over the rows of both."""
        return type(self)(
            tuple(a.merge(b) for a, b in zip(self.sides, other.sides, strict=True)),
            tuple(a.merge(b) for a, b in zip(self.gaps, other.gaps, strict=True)),
        )


def paired_gaps(rows: Predictions, baseline: Predictions) -> MeanSums:
    """Return the sums of the differences of each row's measures from the baseline's."""
    with np.errstate(invalid="ignore"):  # inf - inf: two infinite losses cannot be told apart
        gaps: NDArray[np.float64] = row_measures(rows) - row_measures(baseline)
    gaps = np.nan_to_num(gaps, nan=0.0, posinf=np.inf, neginf=-np.inf)
    return MeanSums.of(gaps, rows.weights, rows.clusters)
