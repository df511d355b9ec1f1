"""Everything that touches data is a sum over rows: values that add up field by field."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import inf, sqrt
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MeanSums", "MergeableSums"]


class MergeableSums:
    """A dataclass whose fields are sums over rows (numbers or arrays)."""

    __slots__ = ()

    def merge(self, other: Self) -> Self:
        """Return the sums over the rows of both; associative and commutative."""
        names = [field.name for field in fields(self)]  # type: ignore[arg-type]
        return type(self)(*(getattr(self, name) + getattr(other, name) for name in names))


@dataclass(frozen=True, slots=True, eq=False)
class MeanSums(MergeableSums):
    """Sums behind the weighted means of m quantities per row, and behind their errors."""

    weight: float  # sum w
    squared_weight: float  # sum w^2
    total: NDArray[np.float64]  # sum w x, shape (m,)
    squared_weight_total: NDArray[np.float64]  # sum w^2 x
    squared_total: NDArray[np.float64]  # sum w^2 x^2

    @classmethod
    def of(cls, values: NDArray[Any], weights: NDArray[np.float64] | None) -> Self:
        """Return the sums of one block of rows; `values` has shape (n, m)."""
        w = np.ones(len(values)) if weights is None else weights
        wx = w[:, None] * values
        return cls(float(w.sum()), float(w @ w), wx.sum(axis=0), w @ wx, (wx * wx).sum(axis=0))

    def mean(self, index: int) -> float:
        """Return the weighted mean of quantity `index`."""
        return float(self.total[index] / self.weight)

    def standard_error(self, index: int) -> float:
        """Return its standard error; infinite for a single row, which has no spread to see."""
        if self.weight**2 <= self.squared_weight:
            return inf
        mean = self.mean(index)
        square = (
            self.squared_total[index]
            - 2.0 * mean * self.squared_weight_total[index]
            + mean * mean * self.squared_weight
        )
        # n / (n - 1) for equal weights, with n the effective number of rows
        unbiased = 1.0 / (1.0 - self.squared_weight / self.weight**2)
        return sqrt(max(float(square), 0.0) * unbiased) / self.weight
