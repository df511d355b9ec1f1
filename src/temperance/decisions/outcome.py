"""What became of rows at a threshold: how many were accepted, and how many of these were wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from temperance.decisions.binomial import clopper_pearson
from temperance.sums import MergeableSums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.metrics.estimates import Estimate

__all__ = ["Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome(MergeableSums):
    """Counts of independent rows; those of two sets of rows add up with `merge`."""

    n: int
    accepted: int
    errors: int  # among the accepted

    @classmethod
    def of(cls, accepted: NDArray[np.bool_], wrong: NDArray[np.bool_]) -> Self:
        """Return the counts of rows (n,)."""
        count = int(np.count_nonzero(accepted))
        return cls(len(accepted), count, int(np.count_nonzero(wrong & accepted)))

    @property
    def coverage(self) -> Estimate:
        """Share of the rows accepted, with its exact (Clopper-Pearson) 95 % interval."""
        return clopper_pearson(self.accepted, self.n)

    @property
    def risk(self) -> Estimate | None:
        """Share of errors among the accepted, with its exact 95 % interval; None without any."""
        return clopper_pearson(self.errors, self.accepted) if self.accepted else None

    def to_dict(self) -> dict[str, Any]:
        """Return counts and shares as plain numbers."""
        risk = self.risk
        return {
            "n": self.n,
            "accepted": self.accepted,
            "errors": self.errors,
            "coverage": self.coverage.to_dict(),
            "risk": None if risk is None else risk.to_dict(),
        }
