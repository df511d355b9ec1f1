"""Everything that touches data is a sum over rows: values that add up field by field."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from math import inf, ldexp, sqrt
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["MeanSums", "MergeableSums", "aligned"]


class MergeableSums:
    """A dataclass of sums over rows: numbers, arrays, other sums, or None (not taken).

    `degrees` names the fields that are not linear in the weights: 2 for sums of w^2, 0 for counts.
    """

    __slots__ = ()
    degrees: ClassVar[Mapping[str, int]] = MappingProxyType({})

    def merge(self, other: Self) -> Self:
        """Return the sums over the rows of both; associative and commutative."""
        names = _names(type(self))  # type: ignore[arg-type]
        return type(self)(*[_added(getattr(self, n), getattr(other, n)) for n in names])

    def rescaled(self, exponent: int) -> Self:
        """Return the sums as they would be if every weight were 2^exponent times as large."""
        names = _names(type(self))  # type: ignore[arg-type]
        degree = self.degrees.get
        return type(self)(*[_scaled(getattr(self, n), exponent, degree(n, 1)) for n in names])


class _OnScale(Protocol):
    """Sums whose weights were divided by 2^exponent."""

    @property
    def exponent(self) -> int: ...

    def to_scale(self, exponent: int, /) -> Self: ...


P = TypeVar("P", bound=_OnScale)


def aligned(one: P, other: P) -> tuple[P, P]:
    """Return both on the coarser of their scales."""
    if one.exponent == other.exponent:
        return one, other
    scale = max(one.exponent, other.exponent)
    return one.to_scale(scale), other.to_scale(scale)


@dataclass(frozen=True, slots=True, eq=False)
class MeanSums(MergeableSums):
    """Sums behind the weighted means of m quantities per row, and behind their errors."""

    degrees = {  # noqa: RUF012
        "squared_weight": 2, "squared_weight_total": 2, "squared_total": 2, "row_squared_weight": 2
    }  # fmt: skip

    weight: float  # sum w
    squared_weight: float  # sum w^2
    total: NDArray[np.float64]  # sum w x, shape (m,)
    squared_weight_total: NDArray[np.float64]  # sum w^2 x
    squared_total: NDArray[np.float64]  # sum w^2 x^2
    row_squared_weight: float  # sum w^2 over rows, where the sums above are over clusters

    @classmethod
    def of(
        cls,
        values: NDArray[Any],
        weights: NDArray[np.float64] | None,
        clusters: NDArray[np.intp] | None = None,
    ) -> Self:
        """Return the sums of one block of rows; `values` has shape (n, m).

        With `clusters` (numbers 0..c-1), w and w x are added up within each cluster before they
        are squared: what happens within one counts once. A cluster must not be cut in blocks.
        """
        w: NDArray[Any] = np.ones(len(values)) if weights is None else weights
        of_rows = float(w @ w)
        wx = w[:, None] * values
        if clusters is not None:
            w = np.bincount(clusters, w)
            wx = np.stack([np.bincount(clusters, column) for column in wx.T], axis=1)
        with np.errstate(invalid="ignore"):  # infinite both ways: a difference that has no mean
            squares = w @ wx, (wx * wx).sum(axis=0)
            total = wx.sum(axis=0)
        return cls(float(w.sum()), float(w @ w), total, *squares, of_rows)

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

    @property
    def degrees_of_freedom(self) -> float:
        """Effective number of clusters less 1; infinite where rows are independent."""
        if self.squared_weight == self.row_squared_weight:
            return inf
        return self.weight**2 / self.squared_weight - 1.0

    def effective_rows(self, index: int) -> float:
        """Return how many equally weighted rows would know the share `index` as well.

        Without clusters (sum w)^2 / sum w^2. Rows of one cluster count as many only as far as
        they differ: share (1 - share) / variance, where that can be seen and is more.
        """
        n = self.weight**2 / self.squared_weight
        most = self.weight**2 / self.row_squared_weight
        mean, error = self.mean(index), self.standard_error(index)
        if n == most or not 0.0 < mean < 1.0 or not 0.0 < error < inf:
            return n
        return min(max(n, mean * (1.0 - mean) / error**2), most)


@cache
def _names(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def _scaled(value: Any, exponent: int, degree: int) -> Any:  # noqa: ANN401  (sums of any kind)
    if isinstance(value, MergeableSums):
        return value.rescaled(exponent)
    if value is None or degree == 0 or isinstance(value, int):
        return value
    power = exponent * degree
    return ldexp(value, power) if isinstance(value, float) else np.ldexp(value, power)


def _added(left: Any, right: Any) -> Any:  # noqa: ANN401  (sums of any kind)
    if left is None or right is None:
        return None
    return left.merge(right) if isinstance(left, MergeableSums) else left + right
