"""Folds of rows that come block by block, and the sums of one reading kept apart by fold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING, Self

import numpy as np

from temperance.row_order import drawn_bits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.blocks.arrays import ArrayRows
    from temperance.kernels.loss import LossPass, RowMomentsKernel

__all__ = ["FoldPass", "RowFolds"]


@dataclass(frozen=True, slots=True)
class RowFolds:
    """A fold for each row of each block, drawn by `seed`: every fold has rows from all over.

    The same in every reading of the same blocks, whatever else is known of the rows.
    """

    n_folds: int
    seed: int = 0

    def of(self, block: int, first: int, n: int) -> NDArray[np.intp]:
        """Return the folds, (n,), of the rows of a block from number `first` in it on."""
        drawn = drawn_bits(self.seed, block, np.arange(first, first + n, dtype=np.uint64))
        return (drawn % np.uint64(self.n_folds)).astype(np.intp)


@dataclass(frozen=True, slots=True)
class FoldPass:
    """Sums of each fold; None where it has no row yet."""

    betas: tuple[float, ...]  # the inverse temperatures of the sums
    folds: tuple[LossPass | None, ...]

    @classmethod
    def of(
        cls,
        rows: ArrayRows,
        folds: RowFolds,
        betas: tuple[float, ...],
        *,
        block: int,
        first: int,
        moments: RowMomentsKernel,
    ) -> Self:
        """Return the sums of the rows of a block from number `first` in it on."""
        if folds.n_folds == 1:
            return cls(betas, (rows.loss_pass_alone(betas, moments=moments),))
        fold = folds.of(block, first, rows.n)
        places = [np.flatnonzero(fold == number) for number in range(folds.n_folds)]
        return cls(
            betas,
            tuple(
                rows.taken(own).loss_pass_alone(betas, moments=moments) if len(own) else None
                for own in places
            ),
        )

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
        """Return the sums of all folds but this one; None where no other has a row.

        Weights add up to the effective number of these rows.
        """
        others = [
            each for number, each in enumerate(self.folds) if each is not None and number != fold
        ]
        return reduce(lambda a, b: a.merge(b), others).in_effective_rows() if others else None


def _merged(one: LossPass, other: LossPass | None) -> LossPass:
    return one if other is None else one.merge(other)
