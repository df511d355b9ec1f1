"""Logistic regression on a few features by damped Newton, or the news that it has no optimum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from temperance.errors import NoOptimumError
from temperance.numerics import two_probs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["LogisticFit", "LogisticRegression", "fit_logistic"]

_MOST_STEPS = 100  # Newton takes 5 to 10; more only where the rows are all but separated
_LAST_GAIN = 1e-13  # expected gain in log likelihood per row: the step is then exact to 1e-6 of it
_SINGULAR = 1e-13  # a pivot this small, where the diagonal is 1, is rounding
_ON_THE_LINE = 1e-12  # log-odds that are 0 but for rounding, relative to the largest
_SEPARABLE = (
    "No finite optimum: some line parts the rows of the two classes without error (or the features "
    "are all alike), so the steeper the map, the better. More rows would settle it."
)


@dataclass(frozen=True, slots=True)
class LogisticFit:
    """The minimum of the (penalised) loss."""

    coefficients: NDArray[np.float64]  # (d,)
    passes: int


def fit_logistic(
    features: Array,
    targets: Array,
    weights: Array,
    *,
    ridge: float | Array = 0.0,
    centre: Array | None = None,
) -> LogisticFit:
    r"""Return the coefficients that minimise the log loss of sigmoid(features @ coefficients).

    Parameters
    ----------
    features : ndarray, shape (n, d)
        Finite; a column of ones where there is an intercept.
    targets : ndarray, shape (n,)
        Probabilities of the event in [0, 1]; 0 and 1 for labels.
    weights : ndarray, shape (n,)
        >= 0.
    ridge, centre
        Adds :math:`\frac12 \sum_j r_j (a_j - \mathrm{centre}_j)^2` to the summed loss; one `ridge`
        for all coefficients, or one for each, (d,). The centre is 0 where left out.

    Raises
    ------
    NoOptimumError
        `reason` "separable".
    """
    units = np.abs(features).max(axis=0)  # so that no scale of features overflows or vanishes
    units = np.where(units > 0.0, units, 1.0)
    penalty = _Ridge(ridge / units**2, units * (0.0 if centre is None else centre))
    rows = LogisticRegression(features / units, targets, weights)
    at, passes = _minimum(rows, penalty)
    if not penalty.strength.any() and rows.parted_by(at):
        raise NoOptimumError(_SEPARABLE, reason="separable")
    return LogisticFit(at / units, passes)


@dataclass(frozen=True, slots=True, eq=False)
class LogisticRegression:
    """Weighted rows of which P(event) = sigmoid(features @ coefficients)."""

    features: Array  # (n, d)
    targets: Array  # (n,), in [0, 1]
    weights: Array  # (n,), >= 0

    def loss(self, at: Array) -> float:
        """Return the summed log loss."""
        odds = self.features @ at
        return float(self.weights @ (np.logaddexp(0.0, odds) - self.targets * odds))

    def scores(self, at: Array) -> Array:
        """Return the derivatives of each row's weighted log likelihood, (n, d)."""
        return self.features * self._residuals(*self._probs(at))[:, None]

    def information(self, at: Array, weights: Array | None = None) -> Array:
        """Return the sum of w p (1 - p) x x', (d, d), of the rows' weights or of others."""
        return self._curvature(*self._probs(at), self.weights if weights is None else weights)

    def derivatives(self, at: Array) -> tuple[Array, Array]:
        """Return the loss's slope, (d,), and its curvature, (d, d)."""
        p, opposite = self._probs(at)
        slope = -(self._residuals(p, opposite) @ self.features)
        return np.asarray(slope), self._curvature(p, opposite, self.weights)

    def covariance(self, at: Array) -> Array | None:
        """Return the inverse of the information, (d, d); None if it is singular to rounding."""
        scaled, units = _of_unit_diagonal(self.information(at))
        return None if scaled is None else np.linalg.inv(scaled) / np.outer(units, units)

    def parted_by(self, at: Array) -> bool:
        """Whether the line parts the rows without error, so that a steeper one loses less."""
        odds = self.features @ at
        largest = float(np.abs(odds).max())
        zero = _ON_THE_LINE * largest
        wrong = ((odds > zero) & (self.targets < 1.0)) | ((odds < -zero) & (self.targets > 0.0))
        return largest > 0.0 and not (wrong & (self.weights > 0.0)).any()

    def _probs(self, at: Array) -> tuple[Array, Array]:
        return two_probs(self.features @ at)

    def _residuals(self, p: Array, opposite: Array) -> Array:
        """Weight times (target - p), without loss of digits where p is close to 1."""
        return np.asarray(self.weights * (opposite * self.targets - p * (1.0 - self.targets)))

    def _curvature(self, p: Array, opposite: Array, weights: Array) -> Array:
        root = self.features * np.sqrt(weights * p * opposite)[:, None]
        return np.asarray(root.T @ root)


@dataclass(frozen=True, slots=True)
class _Ridge:
    """Half the weighted squares of the distances from a centre."""

    strength: Array
    centre: Array

    def value(self, at: Array) -> float:
        return 0.5 * float(self.strength @ (at - self.centre) ** 2)

    def slope(self, at: Array) -> Array:
        return self.strength * (at - self.centre)


def _minimum(rows: LogisticRegression, penalty: _Ridge) -> tuple[Array, int]:
    """Damped Newton from 0, where no row is certain and every row still bends the loss."""
    at = np.zeros(rows.features.shape[1])
    value, passes = rows.loss(at) + penalty.value(at), 1
    enough = _LAST_GAIN * float(rows.weights.sum())
    for _ in range(_MOST_STEPS):
        slope, curvature = rows.derivatives(at)
        slope = slope + penalty.slope(at)
        step = _solve(curvature + np.diag(penalty.strength), slope)
        passes += 1
        promised = float(slope @ step)
        if promised <= enough:
            return at - step, passes
        while True:  # the loss is convex: a step short enough always gains
            candidate = at - step
            loss = rows.loss(candidate) + penalty.value(candidate)
            passes += 1
            if loss <= value - 1e-4 * promised or promised <= enough:
                break
            step, promised = 0.5 * step, 0.5 * promised
        at, value = candidate, loss
    raise NoOptimumError(_SEPARABLE, reason="separable")


def _solve(hessian: Array, slope: Array) -> Array:
    """Newton's step; where the curvature vanishes there is no optimum."""
    scaled, units = _of_unit_diagonal(hessian)
    if scaled is None:
        raise NoOptimumError(_SEPARABLE, reason="separable")
    return np.asarray(np.linalg.solve(scaled, slope / units) / units)


def _of_unit_diagonal(matrix: Array) -> tuple[Array | None, Array]:
    """Return a symmetric matrix in units of which its diagonal is 1; None if it is singular."""
    units = np.sqrt(matrix.diagonal())
    if not (units > 0.0).all():
        return None, units
    scaled = matrix / np.outer(units, units)
    try:
        least = float(np.linalg.cholesky(scaled).diagonal().min()) ** 2
    except np.linalg.LinAlgError:
        return None, units
    return (scaled if least > _SINGULAR else None), units
