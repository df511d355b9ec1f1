"""A slope and an intercept for each part of the data, all of them drawn to a common line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from temperance.errors import NoOptimumError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["Lines", "shared_lines"]

_FAR = 10.0  # spreads between 0 and the mean log-odds, beyond which intercepts are taken there
_MOST_ROUNDS = 60
_MOST_STEPS = 100
_MOST_HALVINGS = 60
_MOST_UPDATES = 200
_LAST_GAIN = 1e-13  # of the loss per row
_LEAST_VARIANCE = 1e-6  # of log slope and intercept between parts: they are alike
_WIDE = 4.0  # variance of log slope between parts that the search starts from
_WIDEST = 25.0  # largest, times that
_SETTLED = 1e-3  # change of the common line, and a tenth of that of the variances, in a round
_LONGEST_STEP = 1.0  # of a log slope
_FLAT = 1e-13


@dataclass(frozen=True, slots=True)
class Lines:
    """The common line, each part's, and how much parts differ."""

    slope: float
    intercept: float
    slopes: Array  # (l,)
    intercepts: Array  # (l,)
    slope_spread: float  # standard deviation of log slope between parts
    intercept_spread: float
    passes: int


def shared_lines(odds: Array, hit: Array, weights: Array, part: NDArray[np.intp]) -> Lines:
    r"""Return the most probable line of each part, P(hit) = sigmoid(slope * odds + intercept).

    (log slope, intercept) of a part is taken as normal about a common value, with a covariance;
    both are those of the largest marginal likelihood (empirical Bayes, by Laplace's approximation
    and EM). So a part of much data has its own optimum, one of few events is near the common line,
    and every part has a line: also one in which nothing was hit, or that a line separates. Parts
    differ by at most a standard deviation of 10 in log slope, and of ten times that of intercepts
    beside one slope (and 1): a part that a line separates the wrong way round says no more. The
    targets are Platt's, (N1 + 1) / (N1 + 2) and 1 / (N0 + 2), of all parts together; one part
    alone gets Platt's line. Weights count by their ratios: they are worth (sum w)^2 / sum w^2 rows.

    Raises
    ------
    NoOptimumError
        `reason` is "constant-logits" (no part's odds differ) or "worse-than-chance" (with a slope
        for all parts and an intercept for each, the slope is not above 0).

    References
    ----------
    Breslow and Clayton (1993), Approximate inference in generalized linear mixed models,
    https://doi.org/10.1080/01621459.1993.10594284
    """
    count = int(part.max()) + 1
    w = weights * (weights.sum() / (weights @ weights))
    # in units of the spread within parts
    present = np.bincount(part, w, count)
    largest = float(np.abs(odds).max()) or 1.0
    means = np.bincount(part, w * (odds / largest), count) / np.where(present > 0.0, present, 1.0)
    spread = largest * float(np.average((odds / largest - means[part]) ** 2, weights=w)) ** 0.5
    if not spread > _FLAT * largest:
        msg = (
            "No slope is better than another: each label has the same log-odds in all rows. Check "
            "that these are the model's outputs."
        )
        raise NoOptimumError(msg, reason="constant-logits")
    mean = largest * float(np.average(odds / largest, weights=w))
    origin = mean if abs(mean) > _FAR * spread else 0.0
    rows = _Rows.of((odds - origin) / spread, hit, w, part, count)
    slope, own = rows.one_slope()
    if slope <= 0.0:
        msg = (
            "No slope above 0: the larger the log-odds of a label, the rarer it is. Are rows and "
            "labels in the same order, and the columns too?"
        )
        raise NoOptimumError(msg, reason="worse-than-chance")
    centre, covariance, at = np.array([np.log(slope), float(own.mean())]), np.zeros((2, 2)), None
    if count > 1:
        at = np.stack([np.full(count, np.log(slope)), own], axis=1)
        centre, covariance, at = _marginal(rows, at)
    else:
        at = centre[None, :]
    slopes = np.exp(at[:, 0]) / spread
    common = float(np.exp(centre[0])) / spread
    return Lines(
        slope=common,
        intercept=float(centre[1] - common * origin),
        slopes=slopes,
        intercepts=at[:, 1] - slopes * origin,
        slope_spread=float(covariance[0, 0]) ** 0.5,
        intercept_spread=float(covariance[1, 1]) ** 0.5,
        passes=rows.passes[0] + 2,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    odds: Array
    target: Array
    weights: Array
    part: NDArray[np.intp]
    count: int
    passes: list[int]

    @classmethod
    def of(
        cls, odds: Array, hit: Array, weights: Array, part: NDArray[np.intp], count: int
    ) -> _Rows:
        positive = float(weights @ hit)
        negative = float(weights.sum()) - positive
        high, low = (positive + 1.0) / (positive + 2.0), 1.0 / (negative + 2.0)
        return cls(odds, np.where(hit > 0.0, high, low), weights, part, count, [0])

    def summed(self, values: Array) -> Array:
        return np.bincount(self.part, values, self.count).astype(np.float64)

    def losses(self, slopes: Array, intercepts: Array) -> Array:
        """Return the summed loss of each part."""
        self.passes[0] += 1
        o = slopes[self.part] * self.odds + intercepts[self.part]
        return self.summed(self.weights * (np.logaddexp(0.0, o) - self.target * o))

    def bends(self, slopes: Array, intercepts: Array) -> tuple[Array, Array]:
        """Return gradient (l, 2) and Hessian (l, 2, 2) of each part's loss in its line."""
        self.passes[0] += 1
        x, t = self.odds, self.target
        o = slopes[self.part] * x + intercepts[self.part]
        p, opposite = np.exp(-np.logaddexp(0.0, -o)), np.exp(-np.logaddexp(0.0, o))
        residual = self.weights * (p * (1.0 - t) - opposite * t)
        bend = self.weights * p * opposite
        gradient = np.stack([self.summed(residual * x), self.summed(residual)], axis=1)
        cross = self.summed(bend * x)
        hessian = np.array([[self.summed(bend * x * x), cross], [cross, self.summed(bend)]])
        return gradient, hessian.transpose(2, 0, 1)

    def one_slope(self) -> tuple[float, Array]:
        """Return the best slope of all parts, with an intercept for each: a convex problem."""
        slope, own = 0.0, np.zeros(self.count)
        enough = _LAST_GAIN * float(self.weights.sum())
        value = float(self.losses(np.full(self.count, slope), own).sum())
        for _ in range(_MOST_STEPS):
            gradient, hessian = self.bends(np.full(self.count, slope), own)
            of_slope = float(gradient[:, 0].sum())
            known = hessian[:, 1, 1] > 0.0  # parts that have rows
            inverse = np.where(known, 1.0 / np.where(known, hessian[:, 1, 1], 1.0), 0.0)
            ratio = hessian[:, 0, 1] * inverse
            curvature = float((hessian[:, 0, 0] - ratio * hessian[:, 0, 1]).sum())
            if not curvature > _FLAT * float(hessian[:, 0, 0].sum()):
                break  # so steep that the curvature is gone
            step = (of_slope - float(ratio @ gradient[:, 1])) / curvature
            steps = gradient[:, 1] * inverse - ratio * step
            promised = of_slope * step + float(gradient[:, 1] @ steps)
            if promised <= enough:
                return slope - step, own - steps
            for _ in range(_MOST_HALVINGS):
                reached = float(self.losses(np.full(self.count, slope - step), own - steps).sum())
                if reached <= value - 1e-4 * promised:
                    break
                step, steps, promised = 0.5 * step, 0.5 * steps, 0.5 * promised
            slope, own, value = slope - step, own - steps, reached
        return slope, own


def _marginal(rows: _Rows, at: Array) -> tuple[Array, Array, Array]:
    """Return the centre and covariance of the lines in (log slope, intercept), and the lines."""
    start = _WIDE * np.array([1.0, 1.0 + float(at[:, 1].var())])
    centre, covariance = at.mean(axis=0), np.diag(start)
    for _ in range(_MOST_ROUNDS):
        at = _most_probable(rows, at, centre, covariance, steps=1)
        gradient, hessian = _in_log_slope(rows, at)
        pull = np.einsum("gij,gj->gi", hessian, at) - gradient
        new_centre, new_covariance = _updated(pull, hessian, centre, covariance, _WIDEST * start)
        moved = float(np.abs(new_centre - centre).max())
        changed = float(np.abs(new_covariance - covariance).max())
        centre, covariance = new_centre, new_covariance
        if moved < _SETTLED and changed < 10.0 * _SETTLED * float(np.abs(covariance).max()):
            break
    return centre, covariance, _most_probable(rows, at, centre, covariance, steps=_MOST_STEPS)


def _in_log_slope(rows: _Rows, at: Array) -> tuple[Array, Array]:
    """Return gradient and curvature in (log slope, intercept), without what bends the logarithm."""
    slopes = np.exp(at[:, 0])
    gradient, hessian = rows.bends(slopes, at[:, 1])
    unit = np.stack([slopes, np.ones_like(slopes)], axis=1)
    return gradient * unit, hessian * unit[:, :, None] * unit[:, None, :]


def _most_probable(
    rows: _Rows, at: Array, centre: Array, covariance: Array, *, steps: int
) -> Array:
    """Return each part's line after so many of Newton's steps, or where none gains any more."""
    precision = np.linalg.inv(covariance)
    enough = _LAST_GAIN * float(rows.weights.sum())

    def value(lines: Array) -> Array:
        off = lines - centre
        prior = 0.5 * np.einsum("gi,ij,gj->g", off, precision, off)
        return np.asarray(rows.losses(np.exp(lines[:, 0]), lines[:, 1]) + prior)

    reached = value(at)
    for _ in range(steps):
        gradient, hessian = _in_log_slope(rows, at)
        gradient = gradient + (at - centre) @ precision
        step = np.linalg.solve(hessian + precision, gradient[:, :, None])[:, :, 0]
        promised = (gradient * step).sum(axis=1)
        open_ = promised > enough
        if not open_.any():
            break
        share = np.minimum(1.0, _LONGEST_STEP / np.maximum(np.abs(step[:, 0]), _LONGEST_STEP))
        for _ in range(_MOST_HALVINGS):
            tried = at - share[:, None] * step
            found = value(tried)
            worse = open_ & (found > reached - 1e-4 * share * promised)
            if not worse.any():
                break
            share = np.where(worse, 0.5 * share, share)
        at, reached = tried, found
    return at


def _updated(
    pull: Array, hessian: Array, centre: Array, covariance: Array, most: Array
) -> tuple[Array, Array]:
    """Return centre and covariance after EM, each part's likelihood taken as normal."""
    for _ in range(_MOST_UPDATES):
        precision = np.linalg.inv(covariance)
        variance = np.linalg.inv(hessian + precision)
        mean = np.einsum("gij,gj->gi", variance, pull + precision @ centre)
        middle = mean.mean(axis=0)
        off = mean - middle
        between = variance.mean(axis=0) + off.T @ off / len(mean) + _LEAST_VARIANCE * np.eye(2)
        within = np.sqrt(np.minimum(1.0, most / between.diagonal()))
        between = between * np.outer(within, within)
        moved = float(np.abs(middle - centre).max())
        changed = float(np.abs(between - covariance).max())
        centre, covariance = middle, between
        if moved < 1e-6 and changed < 1e-5 * float(np.abs(covariance).max()):
            break
    return centre, covariance
