"""Means of numbers in a known range: intervals that hold with few rows, and sums of such means.

A normal interval of a mean trusts what the rows show. Thirty rows without an error show no error
at all, and an interval of width 0; here one more unit at the end of the range is thought of.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import copysign, exp, pi, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from temperance.frozen import Frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["BoundedMean", "Term", "UnitSums", "term_of", "total_of"]

_NEAR = 1e-4  # of the saddle point to 0, where the tail is one half
_DIGITS = 12  # of units that count as equal


@dataclass(frozen=True, slots=True, eq=False)
class UnitSums(Frozen):
    """Weighted sums of independent units: rows, or clusters of rows.

    Equal units are one entry with a count.
    """

    total: Array  # (m,): sum of w x over a unit
    size: Array  # (m,): sum of w, above 0
    count: Array  # (m,): how many such units there are

    @classmethod
    def of_rows(cls, values: Array, weights: Array, clusters: NDArray[np.intp] | None) -> UnitSums:
        """Return the sums of rows of weight above 0; rows of one cluster are one unit."""
        total, size = weights * values, weights
        if clusters is not None:
            _, unit = np.unique(clusters, return_inverse=True)
            total = np.bincount(unit, total).astype(np.float64)
            size = np.bincount(unit, size).astype(np.float64)
        pairs = np.round(np.stack([total / size, size], axis=1), _DIGITS)
        order = np.lexsort(pairs.T)
        new = np.any(pairs[order][1:] != pairs[order][:-1], axis=1)
        first = np.flatnonzero(np.append(True, new))  # the first is new
        count = np.diff(np.append(first, len(order))).astype(np.float64)
        weighted = order[first]
        return cls(total[weighted], size[weighted], count)

    @property
    def mean(self) -> float:
        """Sum of w x over sum of w."""
        return float(self.count @ self.total) / float(self.count @ self.size)

    @property
    def usual_size(self) -> float:
        """Size of the unit that a row of weight 1 lies in, on average."""
        return float(self.count @ self.size**2) / float(self.count @ self.size)

    def times(self, factor: float) -> UnitSums:
        """Return as many times the units, in the same shares."""
        return UnitSums(self.total, self.size, self.count * factor)

    def ends(self, low: float, high: float, level: float) -> tuple[float, float]:
        r"""Return the interval of the mean of numbers in [low, high].

        Notes
        -----
        High end: the largest t with :math:`P(\sum_j G_j (x_j - t) m_j > 0) \ge (1 - level) / 2`,
        G independent exponentials (gamma of the count, of equal units), over all units and one
        more, of `usual_size` at `high`. That is a quantile of the mean under Dirichlet weights,
        and of numbers that are 0 or 1 the end of Clopper and Pearson. The tail is computed by
        the saddle point of Lugannani and Rice (1980), https://doi.org/10.2307/1426607: of
        Clopper and Pearson's it misses less than .5 % of their distance to the mean from 2
        units on, to the safe side. The low end likewise.

        References
        ----------
        Gaffke (2005), Three test statistics for a nonparametric one-sided hypothesis on the mean
        of a nonnegative variable, Mathematical Methods of Statistics 14.
        Learned-Miller and Thomas (2019), A New Confidence Interval for the Mean of a Bounded
        Random Variable, https://arxiv.org/abs/1905.06208
        """
        tail = 0.5 * (1.0 - level)
        flipped = UnitSums(-self.total, self.size, self.count)
        return -flipped._high_end(-low, tail), self._high_end(high, tail)

    def _high_end(self, bound: float, tail: float) -> float:
        from scipy.optimize import brentq  # noqa: PLC0415  (slow to import)

        mean, extra = self.mean, self.usual_size
        if bound - mean <= 1e-12 * max(1.0, abs(bound)):
            return bound
        total = np.append(self.total, extra * bound)
        size, count = np.append(self.size, extra), np.append(self.count, 1.0)

        def excess(t: float) -> float:
            return _share_above(total - t * size, count) - tail

        last = bound - 1e-12 * (bound - mean)
        if excess(last) >= 0.0:
            return bound
        if excess(mean) <= 0.0:  # of a level near 0
            return mean
        return float(brentq(excess, mean, last, xtol=1e-9))


def _share_above(a: Array, count: Array) -> float:
    """P(sum of a G > 0), G gamma of shape `count`, by Lugannani and Rice."""
    from scipy.optimize import brentq  # noqa: PLC0415
    from scipy.special import ndtr  # noqa: PLC0415

    smallest, largest = float(a.min()), float(a.max())
    if largest <= 0.0:
        return 0.0
    if smallest >= 0.0:
        return 1.0

    def slope(s: float) -> float:
        return float((count * a / (1.0 - s * a)).sum())

    low, high = (1.0 - 1e-12) / smallest, (1.0 - 1e-12) / largest
    s = float(brentq(slope, low, high, xtol=1e-13 * (high - low)))
    cumulant = -float(count @ np.log1p(-s * a))
    curvature = float(count @ (a / (1.0 - s * a)) ** 2)
    w, u = copysign(sqrt(max(-2.0 * cumulant, 0.0)), s), s * sqrt(curvature)
    if abs(w) < _NEAR:
        return 0.5
    return float(ndtr(-w)) + exp(-0.5 * w * w) / sqrt(2.0 * pi) * (1.0 / u - 1.0 / w)


class Term(NamedTuple):
    """One mean of a sum: what it adds, how far it may lie below and above, and who moves it."""

    value: float
    below: float  # >= 0
    above: float  # >= 0
    influence: Array  # (units,): what each unit adds to its error, in the same order for all terms


class BoundedMean(NamedTuple):
    """A sum of means with its interval, and what each unit adds to its error."""

    value: float
    low: float
    high: float
    influence: Array

    @property
    def standard_error(self) -> float:
        """Root of the summed squares of what units add."""
        return sqrt(float(self.influence @ self.influence))


def term_of(
    sums: UnitSums, ends: tuple[float, float], influence: Array, *, times: float = 1.0
) -> Term:
    """Return a mean with its interval as a term, multiplied by any number."""
    low, high = sorted(times * end for end in ends)
    value = times * sums.mean
    return Term(value, max(value - low, 0.0), max(high - value, 0.0), times * influence)


def total_of(terms: Sequence[Term], *, trust: float = 0.0) -> BoundedMean:
    r"""Return the sum of means, with the interval that their own intervals make.

    `trust` in [0, 1] multiplies correlations that make the interval shorter; those that make it
    longer count in full.

    Notes
    -----
    Method of variance estimates recovery: with :math:`d_i` the distance from the i-th mean to its
    low end, the low end of the sum lies :math:`\sqrt{\sum_{ij} \rho_{ij} d_i d_j}` below it;
    :math:`\rho` is the correlation of what the units add to the errors of the two means.

    References
    ----------
    Zou and Donner (2008), Construction of confidence limits about effect measures: a general
    approach, Statistics in Medicine 27, https://doi.org/10.1002/sim.3095
    """
    influence = np.array([each.influence for each in terms])
    norm = np.sqrt((influence**2).sum(axis=1))
    unit = influence / np.where(norm > 0.0, norm, 1.0)[:, None]
    shared = unit @ unit.T
    shared = np.where(shared < 0.0, trust * shared, shared)
    np.fill_diagonal(shared, 1.0)
    value = sum(each.value for each in terms)
    below, above = (np.array([getattr(t, side) for t in terms]) for side in ("below", "above"))
    down, up = (sqrt(max(float(d @ shared @ d), 0.0)) for d in (below, above))
    return BoundedMean(value, value - down, value + up, influence.sum(axis=0))
