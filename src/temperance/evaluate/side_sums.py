"""Several sets of probabilities of the same rows, as sums that merge."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import frexp, ldexp
from typing import TYPE_CHECKING, Self

import numpy as np

from temperance.checks.weights import without_traces
from temperance.evaluate.block_sums import EvaluationSums
from temperance.metrics.implied import paired_gaps
from temperance.numerics import MOST_COUNTED
from temperance.sums import aligned, scale_exponent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from temperance.metrics.cells import ProbabilityGrid
    from temperance.metrics.implied import GapSums
    from temperance.metrics.inputs import Predictions

__all__ = ["SideSums"]


@dataclass(frozen=True, slots=True, eq=False)
class SideSums:
    """The sums of each set, and of what the rows of each differ in from those of the first."""

    sides: tuple[EvaluationSums, ...]
    gaps: tuple[GapSums, ...]  # one fewer than sides
    heaviest: float = 1.0  # largest weight
    exponent: int = 0  # every weight was divided by 2 to this power

    @classmethod
    def of(
        cls, rows: Sequence[Predictions], grid: ProbabilityGrid, *, first: int, seed: int
    ) -> Self:
        """Return the sums of a block; `first` is the number of its first row in the data."""
        w = rows[0].weights
        exponent, heaviest = scale_exponent(w), 1.0
        if w is not None:
            w = np.ldexp(w, -exponent) if exponent else w
            heaviest = float(w.max())
            rows = [replace(each, weights=without_traces(w, heaviest)) for each in rows]
        baseline, *others = rows
        return cls(
            tuple(EvaluationSums.of(each, grid, first=first, seed=seed) for each in rows),
            tuple(paired_gaps(each, baseline) for each in others),
            heaviest,
            exponent,
        )

    def merge(self, other: Self) -> Self:
        """Return the sums over the rows of both."""
        one, other = aligned(self, other)
        return type(self)(
            tuple(a.merge(b) for a, b in zip(one.sides, other.sides, strict=True)),
            tuple(a.merge(b) for a, b in zip(one.gaps, other.gaps, strict=True)),
            max(one.heaviest, other.heaviest),
            one.exponent,
        )

    def in_proportion(self) -> Self:
        """Return the sums with weights of which the largest is between 1 and 2, or counts rows."""
        if self.exponent == 0 and 1.0 <= self.heaviest <= MOST_COUNTED:
            return self
        return self.to_scale(self.exponent + frexp(self.heaviest)[1] - 1)

    def to_scale(self, exponent: int) -> Self:
        """Return the sums of the same rows, their weights divided by 2^exponent."""
        power = self.exponent - exponent
        return type(self)(
            tuple(each.rescaled(power) for each in self.sides),
            tuple(each.rescaled(power) for each in self.gaps),
            ldexp(self.heaviest, power),
            exponent,
        )
