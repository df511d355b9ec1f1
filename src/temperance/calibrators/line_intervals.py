"""How sure the line of each part of the data is, by its own rows: profile likelihood intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from temperance.numerics import as_float64, normal_quantile, t_quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["LineIntervals", "line_intervals"]

_LEVEL = 0.95
_FARTHEST = 1e4  # of a slope in units of the spread, or an intercept: beyond it an end is endless
_MOST_STEPS = 60  # of Newton, for the other number of the line
_MOST_ENDS = 60  # steps of a search for an end
_NEAR = 1e-3  # of the root of twice the loss, at an end
_SETTLED = 1e-9  # of a part's loss, that a step of Newton may gain still
_LONGEST = 4.0  # step of an intercept, or of a slope in units of the spread
_FLAT = 1e-12
_CELLS = 1000  # hits, and misses, of a part that are looked at one by one


@dataclass(frozen=True, slots=True)
class LineIntervals:
    """Ends of the 95 % intervals of each part's slope and intercept; infinite where there is none.

    A slope's low end is 0 at least.
    """

    slopes: Array  # (l, 2)
    intercepts: Array  # (l, 2)


def line_intervals(
    odds: Array,
    hit: Array,
    weights: Array,
    part: NDArray[np.intp],
    count: int,
    *,
    clusters: NDArray[np.intp] | None = None,
) -> LineIntervals:
    r"""Return the slopes and intercepts that a part's own rows do not speak against at 95 %.

    P(hit) = sigmoid(slope * odds + intercept). The intervals know nothing of the other parts, so
    that they hold for each part, also for the one that differs: those of empirical Bayes hold on
    average only. A part in which nothing (or everything) was hit allows any slope; one whose odds
    are all alike allows any line.

    Parameters
    ----------
    odds, hit, weights : ndarray, shape (n,)
        Log-odds, 1.0 where hit else 0.0, and weights > 0, which count by their ratios in a part:
        they are worth (sum w)^2 / sum w^2 rows.
    part : ndarray of int, shape (n,)
        In 0..count-1.
    count : int
        Number of parts.
    clusters : ndarray of int, shape (n,), optional
        Which rows belong together.

    Notes
    -----
    Profile likelihood: with :math:`\ell_p(\theta)` the largest log likelihood of the part's rows
    at a slope (intercept) :math:`\theta`, those at which
    :math:`2 (\max \ell_p - \ell_p(\theta)) \le 1.96^2`. The ends are found by the secant rule on
    the signed root of that, which is nearly a straight line, for all parts together. Of more than
    1,000 hits (misses) of a part, those next to each other count as one at their mean.

    Of m clusters 1.96 is the quantile of t with m - 1 degrees of freedom in its place, times the
    root of m / (m - 1) and of how much larger the sum of the squared influences of clusters on the
    number is than that of rows, if it is; fewer than two clusters know nothing.

    References
    ----------
    Venzon and Moolgavkar (1988), A method for computing profile-likelihood-based confidence
    intervals, https://doi.org/10.2307/2347496
    """
    total = np.bincount(part, weights, count)
    squares = np.bincount(part, weights**2, count)
    w = weights * (total / np.where(squares > 0.0, squares, 1.0))[part]
    present = np.where(total > 0.0, np.bincount(part, w, count), 1.0)
    means = np.bincount(part, w * odds, count) / present
    off = odds - means[part]
    spread = np.sqrt(np.bincount(part, w * off * off, count) / present)
    largest = float(np.abs(odds).max()) or 1.0
    varies = spread > _FLAT * largest
    spread = np.where(varies, spread, 1.0)
    x = off / spread[part]
    rows = _PartRows(x, hit, w, part, count)
    cells = rows.in_cells()
    best = cells.best()
    # slope and intercept at odds 0 in units of the spread about the mean: theta = (b, a)
    at_zero = -means / spread
    one, none = np.ones(count), np.zeros(count)
    reach = _Reach.of(rows, best, clusters)
    of_slope = _ends(cells, best, reach.of_number(one, none), (one, none), (none, one))
    length = np.hypot(at_zero, 1.0)
    # intercept = at_zero * b + a; free to move: the direction that leaves it alone
    of_intercept = _ends(
        cells, best, reach.of_number(at_zero, one), (none, one),
        (1.0 / length, -at_zero / length), at_zero,
    )  # fmt: skip
    slopes = of_slope / spread[:, None]
    slopes[~varies] = (0.0, np.inf)
    intercepts = of_intercept
    intercepts[~varies] = (-np.inf, np.inf)
    return LineIntervals(np.maximum(slopes, 0.0), intercepts)


@dataclass(frozen=True, slots=True, eq=False)
class _PartRows:
    x: Array
    hit: Array
    weights: Array
    part: NDArray[np.intp]
    count: int

    def in_cells(self) -> _PartRows:
        """Return at most 1,000 hits and as many misses of each part, which stand for all."""
        side = 2 * self.part + (self.hit > 0.0)
        sizes = np.bincount(side, minlength=2 * self.count)
        if sizes.max(initial=0) <= _CELLS:
            return self
        order = np.lexsort((self.x, side))
        side = side[order]
        rank = np.arange(len(side)) - (np.cumsum(sizes) - sizes)[side]
        cell = side * _CELLS + rank * np.minimum(sizes, _CELLS)[side] // sizes[side]
        first = np.flatnonzero(np.diff(cell, prepend=-1))
        weights = as_float64(np.add.reduceat(self.weights[order], first))
        x = as_float64(np.add.reduceat(self.weights[order] * self.x[order], first) / weights)
        side = side[first]
        return _PartRows(x, as_float64(side % 2), weights, side // 2, self.count)

    def summed(self, values: Array) -> Array:
        return np.bincount(self.part, values, self.count).astype(np.float64)

    def losses(self, b: Array, a: Array) -> Array:
        """Return the summed loss of each part at its line."""
        o = b[self.part] * self.x + a[self.part]
        return self.summed(self.weights * (np.logaddexp(0.0, o) - self.hit * o))

    def bends(self, at: Array) -> tuple[Array, Array]:
        """Return slope and curvature of each row's loss in its log-odds at its part's line."""
        o = at[self.part, 0] * self.x + at[self.part, 1]
        p, q = np.exp(-np.logaddexp(0.0, -o)), np.exp(-np.logaddexp(0.0, o))
        return self.weights * (p * (1.0 - self.hit) - q * self.hit), self.weights * p * q

    def best(self) -> Array:
        """Return each part's line (l, 2) of the smallest loss, or one far out where there is none.

        Damped Newton; a part that a line separates ends where more is worth nothing.
        """
        at = np.zeros((self.count, 2))
        loss = self.losses(*at.T)
        for _ in range(_MOST_STEPS):
            residual, bend = self.bends(at)
            gradient = np.stack([self.summed(residual * self.x), self.summed(residual)], axis=1)
            cross = self.summed(bend * self.x)
            hessian = np.stack(
                [self.summed(bend * self.x**2), cross, cross, self.summed(bend)], axis=1
            ).reshape(-1, 2, 2)
            ridge = 1e-9 * (1.0 + np.trace(hessian, axis1=1, axis2=2))
            hessian += ridge[:, None, None] * np.eye(2)
            step = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
            longest = np.maximum(np.abs(step).max(axis=1), _LONGEST)
            step = as_float64(step * (_LONGEST / longest)[:, None])
            promised = (gradient * step).sum(axis=1)
            if (promised <= _SETTLED * (1.0 + loss)).all():
                break
            at, loss = self._shortened(at, step, loss)
        return at

    def _shortened(self, at: Array, step: Array, loss: Array) -> tuple[Array, Array]:
        share = np.ones(self.count)
        for _ in range(30):
            trial = at - share[:, None] * step
            trial_loss = self.losses(*trial.T)
            worse = trial_loss > loss
            if not worse.any():
                return trial, trial_loss
            share = np.where(worse, 0.5 * share, share)
        better = trial_loss <= loss
        return np.where(better[:, None], trial, at), np.where(better, trial_loss, loss)

    def profile(
        self, fixed: Array, direction: tuple[Array, Array], free: Array
    ) -> tuple[Array, Array]:
        """Return the least loss of each part on a line of lines, and where on it that is.

        The lines are `fixed` (l, 2) plus a multiple, `free` to begin with, of `direction`.
        """
        u, v = (each[self.part] for each in direction)
        f = u * self.x + v
        o_fixed = fixed[self.part, 0] * self.x + fixed[self.part, 1]

        def losses(at: Array) -> Array:
            o = o_fixed + at[self.part] * f
            return self.summed(self.weights * (np.logaddexp(0.0, o) - self.hit * o))

        loss = losses(free)
        for _ in range(_MOST_STEPS):
            o = o_fixed + free[self.part] * f
            p, q = np.exp(-np.logaddexp(0.0, -o)), np.exp(-np.logaddexp(0.0, o))
            gradient = self.summed(self.weights * (p * (1.0 - self.hit) - q * self.hit) * f)
            bend = self.summed(self.weights * p * q * f * f)
            step = gradient / np.maximum(bend, 1e-12 * (1.0 + np.abs(gradient)))
            step = np.clip(step, -_LONGEST * (1.0 + np.abs(free)), _LONGEST * (1.0 + np.abs(free)))
            if (np.abs(gradient * step) <= _SETTLED * (1.0 + loss)).all():
                break
            share = np.ones(self.count)
            for _ in range(30):
                trial = free - share * step
                trial_loss = losses(trial)
                worse = trial_loss > loss
                if not worse.any():
                    break
                share = np.where(worse, 0.5 * share, share)
            better = trial_loss <= loss
            free, loss = np.where(better, trial, free), np.where(better, trial_loss, loss)
        return loss, free


@dataclass(frozen=True, slots=True, eq=False)
class _Reach:
    """How many standard errors an interval reaches, of each part."""

    rows: _PartRows
    influence: Array | None  # (n, 2): of each row on its part's line
    clusters: NDArray[np.intp] | None

    @classmethod
    def of(cls, rows: _PartRows, best: Array, clusters: NDArray[np.intp] | None) -> _Reach:
        if clusters is None:
            return cls(rows, None, None)
        gradient, bend = rows.bends(best)
        hessian = np.stack(
            [rows.summed(bend * a * b) for a in (rows.x, 1.0) for b in (rows.x, 1.0)], axis=1
        ).reshape(-1, 2, 2)
        inverse = np.linalg.pinv(hessian)
        scores = np.stack([gradient * rows.x, gradient], axis=1)
        return cls(rows, np.einsum("nij,nj->ni", inverse[rows.part], scores), clusters)

    def of_number(self, of_b: Array, of_a: Array) -> Array:
        """Return the reach of of_b * b + of_a * a, (l,); infinite of fewer than two clusters."""
        rows, clusters = self.rows, self.clusters
        if self.influence is None or clusters is None:
            return np.full(rows.count, normal_quantile(_LEVEL))
        own = of_b[rows.part] * self.influence[:, 0] + of_a[rows.part] * self.influence[:, 1]
        pairs, at = np.unique(rows.part * (int(clusters.max()) + 1) + clusters, return_inverse=True)
        of_part = pairs // (int(clusters.max()) + 1)
        together = np.bincount(of_part, np.bincount(at, own) ** 2, rows.count)
        single = rows.summed(own**2)
        ratio = np.maximum(together / np.where(single > 0.0, single, 1.0), 1.0)
        m = np.bincount(of_part, minlength=rows.count)
        few = m < 2
        m = np.where(few, 2, m)
        quantiles = np.array([t_quantile(_LEVEL, int(each) - 1) for each in m])
        return np.where(few, np.inf, quantiles * np.sqrt(ratio * m / (m - 1)))


def _ends(
    rows: _PartRows,
    best: Array,
    quantile: Array,
    unit: tuple[Array, Array],
    free: tuple[Array, Array],
    at_zero: Array | None = None,
) -> Array:
    """Return both ends (l, 2) of the number along `unit`, with the one along `free` fitted.

    They lie `quantile` standard errors from the best number, as the loss curves.

    The number is b itself, or with `at_zero` the intercept at_zero * b + a.
    """
    centre = best[:, 0] if at_zero is None else at_zero * best[:, 0] + best[:, 1]
    least = rows.losses(*best.T)
    endless = np.isinf(quantile)
    quantile = np.where(endless, 1.0, quantile)
    moves, still = np.stack(unit, axis=1), np.stack(free, axis=1)
    ends = []
    for side in (-1.0, 1.0):
        at_free = ((best - centre[:, None] * moves) * still).sum(axis=1) / (still**2).sum(axis=1)
        near, far = np.zeros(rows.count), np.ones(rows.count)  # distances from the centre
        below, above = -quantile, np.full(rows.count, np.nan)
        distance, settled = far.copy(), np.zeros(rows.count, dtype=bool)
        for _ in range(_MOST_ENDS):
            value = centre + side * distance
            loss, at_free = rows.profile(value[:, None] * moves, free, at_free)
            excess = np.sqrt(2.0 * np.maximum(loss - least, 0.0)) - quantile
            settled |= np.abs(excess) <= _NEAR
            settled |= (excess < 0.0) & (distance >= _FARTHEST)
            if settled.all():
                break
            inside = excess <= 0.0
            near, below = np.where(inside, distance, near), np.where(inside, excess, below)
            far, above = np.where(inside, far, distance), np.where(inside, above, excess)
            bracketed = ~np.isnan(above)
            slope = (excess + quantile) / distance  # the root is nearly a line through the centre
            outward = np.clip(quantile / np.maximum(slope, 1e-12), 1.5 * distance, 8.0 * distance)
            width = np.where(bracketed, above - below, 1.0)
            across = near + (far - near) * np.clip(-below / width, 0.05, 0.95)
            following = np.where(bracketed, across, np.minimum(outward, _FARTHEST))
            distance = np.where(settled, distance, following)
        open_ = endless | ((excess < -_NEAR) & (distance >= _FARTHEST))
        ends.append(np.where(open_, side * np.inf, centre + side * distance))
    return np.stack(ends, axis=1)
