"""The sums of one reading, kept apart by fold: what is known of all rows but one fold's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from temperance.kernels.loss import LossPass

__all__ = ["FoldPass"]


@dataclass(frozen=True, slots=True)
class FoldPass:
    """Sums of each fold; None where it has no row yet."""

    betas: tuple[float, ...]  # the inverse temperatures of the sums
    folds: tuple[LossPass | None, ...]

    @classmethod
    def of(cls, sums: LossPass, fold: int, n_folds: int, betas: tuple[float, ...]) -> Self:
        """Return the sums of rows that are all of one fold."""
        return cls(betas, tuple(sums if each == fold else None for each in range(n_folds)))

    def merge(self, other: Self) -> Self:
        """Return the sums over the rows of both."""
        pairs = zip(self.folds, other.folds, strict=True)
        return replace(self, folds=tuple(b if a is None else _merged(a, b) for a, b in pairs))

    def total(self) -> LossPass:
        """Return the sums of all folds."""
        found = self.without(None)
        assert found is not None  # noqa: S101  (there is a row)
        return found

    def without(self, fold: int | None) -> LossPass | None:
        """Return the sums of all folds but this one; None where no other has a row."""
        others = [
            each for number, each in enumerate(self.folds) if each is not None and number != fold
        ]
        return reduce(lambda a, b: a.merge(b), others) if others else None


def _merged(one: LossPass, other: LossPass | None) -> LossPass:
    return one if other is None else one.merge(other)
