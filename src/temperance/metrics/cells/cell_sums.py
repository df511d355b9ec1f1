"""Sums of the rows in each cell of a grid, from which every resample can be drawn."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from temperance.binning import BinSums
from temperance.sums import MergeableSums

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["CellSums"]


@dataclass(frozen=True, slots=True, eq=False)
class CellSums(MergeableSums):
    """Sums over the rows of each cell, (2, cells): where the event failed, where it happened.

    Without weights the fields that are equal then are one array.
    """

    degrees = {  # noqa: RUF012
        "count": 0, "squared_weight": 2, "squared_weight_probability": 2, "square": 2
    }  # fmt: skip

    count: Array  # rows
    weight: Array  # sum w
    squared_weight: Array  # sum w^2
    probability: Array  # sum w p, p = the event's probability
    squared_weight_probability: Array  # sum w^2 p
    square: Array  # sum w^2 p^2

    @classmethod
    def of(
        cls,
        probability: Array,
        hit: NDArray[np.bool_],
        weights: Array | None,
        cells: NDArray[np.intp],
        n_cells: int,
    ) -> Self:
        """Return the sums of one block of rows, the i-th of which lies in `cells[i]`."""
        at = hit * n_cells + cells

        def total(values: Array | None) -> Array:
            sums = np.bincount(at, values, minlength=2 * n_cells).astype(np.float64)
            return sums.reshape(2, n_cells)

        p, count = probability, total(None)
        if weights is None:
            first = total(p)
            return cls(count, count, count, first, first, total(p * p))
        w, wp = weights, weights * p
        count = total((w > 0.0).astype(np.float64))  # a row of weight 0 is none
        return cls(count, total(w), total(w * w), total(wp), total(w * wp), total(wp * wp))

    def rescaled(self, exponent: int) -> Self:
        """Return the sums on another scale; cells whose squared weights vanish are left empty."""
        sums = super(CellSums, self).rescaled(exponent)
        lost = (sums.squared_weight == 0.0) & (sums.weight > 0.0)
        if not lost.any():
            return sums
        kept = (np.where(lost, 0.0, getattr(sums, each.name)) for each in fields(self))
        return replace(type(self)(*kept), count=self.count)

    def regrouped(self, places: NDArray[np.intp], n_places: int) -> Self:
        """Return the sums of coarser cells; `places` says in which of them each cell lies."""
        at = np.concatenate([places, places + n_places])

        def coarse(values: Array) -> Array:
            sums = np.bincount(at, values.ravel(), minlength=2 * n_places)
            return sums.astype(np.float64).reshape(2, n_places)

        return self._mapped(coarse)

    def taken(self, cells: slice) -> Self:
        """Return the sums of neighbouring cells."""
        return self._mapped(lambda values: values[:, cells])

    def merge(self, other: Self) -> Self:
        """Return the sums over the rows of both; associative and commutative."""
        return self._mapped(lambda mine, others: mine + others, other)

    @property
    def unweighted(self) -> bool:
        """Whether every row counts as one."""
        return self.weight is self.count

    def bin_sums(self) -> BinSums:
        """Return what the measures are functions of, (cells,)."""
        return BinSums(
            self.count.sum(axis=0),
            self.weight.sum(axis=0),
            self.squared_weight.sum(axis=0),
            self.probability.sum(axis=0),
            self.weight[1],
        )

    @property
    def largest_part(self) -> Array:
        """How far the sum of w (p - k) over some rows of a cell can lie from 0, (cells,)."""
        return np.asarray(np.maximum(self.probability[0], self.weight[1] - self.probability[1]))

    def _mapped(self, change: Callable[..., Array], *others: Self) -> Self:
        """Return `change` of each field; fields that are one array stay one."""
        known: dict[tuple[int, ...], Array] = {}

        def of_field(name: str) -> Array:
            values = [getattr(each, name) for each in (self, *others)]
            key = tuple(map(id, values))
            if key not in known:
                known[key] = change(*values)
            return known[key]

        return type(self)(*(of_field(each.name) for each in fields(self)))
