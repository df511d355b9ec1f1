"""Isotonic regression: means that never fall, or never rise, in steps or joined at centres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["Pools", "centred_isotonic", "rising_means"]

_AT_ONCE = 1 << 16  # numbers that are pooled together: they fit the cache
_PASSES = 64  # after which what is left is given to scipy: rising data that end in one fall


def rising_means(sums: Array, weights: Array) -> Array:
    """Return the non-decreasing means that fit best, (..., m), each row of means by itself.

    Parameters
    ----------
    sums, weights : ndarray, shape (..., m)
        Weighted sums of what is averaged, and sums of weights >= 0, at m ascending places. A place
        without weight follows its neighbour below (the first ones that above).
    """
    return Pools.of(sums, weights).levels()


@dataclass(frozen=True, slots=True, eq=False)
class Pools:
    """The steps of the isotonic regressions of several rows of means, one after the other."""

    shape: tuple[int, ...]  # (..., m)
    starts: NDArray[np.intp]  # (steps,): place of the first number of each, rows end to end
    firsts: NDArray[np.intp]  # (rows,): the first step of each row
    sums: Array  # (steps,)
    weights: Array  # (steps,); above 0 but in rows without any

    @classmethod
    def of(cls, sums: Array, weights: Array) -> Pools:
        """Pool adjacent violators of all rows at once; arguments as in `rising_means`.

        Notes
        -----
        Whatever the order in which neighbours are pooled that do not rise, the same steps are
        left. Each pass pools all runs of such neighbours, so few passes are needed, and each has
        less to look at.
        """
        shape, m = weights.shape, weights.shape[-1]
        sums, weights = sums.reshape(-1, m), weights.reshape(-1, m)
        parts = []
        for first in range(0, len(weights), step := max(1, _AT_ONCE // m)):
            some = slice(first, first + step)
            parts.append(_pooled(sums[some].ravel(), weights[some].ravel(), m))
        if len(parts) == 1:
            return cls(shape, *parts[0])
        places = m * step * np.arange(len(parts))
        steps = np.cumsum([0, *(len(starts) for starts, *_ in parts[:-1])])
        return cls(
            shape,
            np.concatenate([part[0] + place for part, place in zip(parts, places, strict=True)]),
            np.concatenate([part[1] + number for part, number in zip(parts, steps, strict=True)]),
            np.concatenate([part[2] for part in parts]),
            np.concatenate([part[3] for part in parts]),
        )

    def levels(self) -> Array:
        """Return the mean of the step that each place lies in, (..., m)."""
        number = int(np.prod(self.shape, dtype=np.intp))
        means = _means(self.sums, self.weights)
        return np.repeat(means, np.diff(self.starts, append=number)).reshape(self.shape)

    def totals(self, values: Array) -> Array:
        """Return the sums of a value of each step over the steps of each row, (...)."""
        return np.asarray(np.add.reduceat(values, self.firsts).reshape(self.shape[:-1]))


_Steps = tuple["NDArray[np.intp]", "NDArray[np.intp]", "Array", "Array"]


def _pooled(sums: Array, weights: Array, m: int) -> _Steps:
    """Return the steps of rows of m numbers that lie end to end: the fields of `Pools`."""
    ends = np.arange(0, len(weights) + m, m)  # of the rows, and where the first begins
    starts = np.arange(len(weights))
    if not weights.all():
        held = weights > 0.0
        held[ends[:-1][~np.logical_or.reduceat(held, ends[:-1])]] = True  # a row without any
        starts = np.flatnonzero(held)
        sums, weights = sums[starts], weights[starts]
        starts[np.searchsorted(starts, ends[:-1])] = ends[:-1]
    for _ in range(_PASSES):
        firsts = np.searchsorted(starts, ends[:-1])
        first = np.flatnonzero(_rises(sums, weights, firsts))
        if len(first) == len(starts):
            return starts, firsts, sums, weights
        starts = starts[first]
        sums, weights = np.add.reduceat(sums, first), np.add.reduceat(weights, first)
    return _pooled_by_scipy(starts, ends, sums, weights)


def _means(sums: Array, weights: Array) -> Array:
    return sums / (weights if weights.all() else weights + (weights == 0.0))


def _rises(sums: Array, weights: Array, firsts: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Whether each step lies above the one before it, or is the first of its row."""
    means = _means(sums, weights)
    rises = np.empty(len(means), dtype=np.bool_)
    np.greater(means[1:], means[:-1], out=rises[1:])
    rises[firsts] = True
    return rises


def _pooled_by_scipy(
    starts: NDArray[np.intp], ends: NDArray[np.intp], sums: Array, weights: Array
) -> _Steps:
    """Pool the steps of each row that still has some to pool; its cost is one call a row."""
    from scipy.optimize import isotonic_regression  # noqa: PLC0415

    firsts = np.searchsorted(starts, ends)
    kept = np.ones(len(starts), dtype=np.bool_)
    broken = np.flatnonzero(~_rises(sums, weights, firsts[:-1]))
    for row in np.unique(np.searchsorted(firsts, broken, side="right") - 1):
        some = slice(firsts[row], firsts[row + 1])
        steps = isotonic_regression(_means(sums[some], weights[some]), weights=weights[some])
        kept[some] = False
        kept[firsts[row] + steps.blocks[:-1]] = True
    first = np.flatnonzero(kept)
    return (
        starts[first],
        np.searchsorted(starts[first], ends[:-1]),
        np.add.reduceat(sums, first),
        np.add.reduceat(weights, first),
    )


def centred_isotonic(
    x: Array, y: Array, weights: Array, *, rising: bool = True, beyond: float = np.inf
) -> tuple[Array, Array]:
    """Return the knots of the centred isotonic regression of y on x: ascending x, levels.

    Each step of the regression becomes one knot at its centre of mass, so that a line through the
    knots has no flat steps but beyond the outermost.

    Parameters
    ----------
    x, y, weights : ndarray, shape (n,)
        Finite; weights > 0.
    rising : bool
        Whether levels may not fall; else they may not rise.
    beyond : float
        Rows of x = +-`beyond` count in the steps, move no centre, and have knots of their own.

    References
    ----------
    Oron and Flournoy (2017), Centered isotonic regression,
    https://doi.org/10.1080/19466315.2017.1286256
    """
    from scipy.optimize import isotonic_regression  # noqa: PLC0415

    at, number = np.unique(x, return_inverse=True)
    weight = np.bincount(number, weights)
    mean = np.bincount(number, weights * y) / weight
    steps = isotonic_regression(mean, weights=weight, increasing=rising)
    starts = steps.blocks[:-1]
    outside = np.abs(at) == beyond
    inside = np.add.reduceat(np.where(outside, 0.0, weight), starts)
    moment = np.add.reduceat(np.where(outside, 0.0, weight * at), starts)
    some = inside > 0.0
    centre = np.r_[at[outside], moment[some] / inside[some]]
    level = np.r_[steps.x[outside], steps.x[starts][some]]
    order = np.argsort(centre, kind="stable")
    centre, level = centre[order], level[order]
    distinct = np.r_[True, np.diff(centre) > 0.0]  # rounding may put two centres on one number
    return centre[distinct], level[distinct]
