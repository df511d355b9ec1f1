"""Logistic regression on a few features by damped Newton, or the news that it has no optimum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from temperance.errors import NoOptimumError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["LogisticFit", "fit_logistic"]

_MOST_STEPS = 100  # Newton takes 5 to 10; more only where the rows are all but separated
_LAST_GAIN = 1e-13  # expected gain in log likelihood per row: the step is then exact to 1e-6 of it
_SINGULAR = 1e-13  # a pivot this small, where the diagonal is 1, is rounding
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
    ridge: float = 0.0,
    centre: Array | None = None,
) -> LogisticFit:
    r"""Return the coefficients that minimise the log loss of sigmoid(features @ coefficients).

    Parameters
    ----------
    features : ndarray, shape (n, d)
        Finite.
    targets : ndarray, shape (n,)
        Probabilities of the event in [0, 1]; 0 and 1 for labels.
    weights : ndarray, shape (n,)
        >= 0.
    ridge, centre
        Adds `ridge` / 2 :math:`\lVert a - \mathrm{centre} \rVert^2` to the summed loss; the centre
        is 0 where left out.

    Raises
    ------
    NoOptimumError
        `reason` "separable".
    """
    units = np.abs(features).max(axis=0)  # so that no scale of features overflows or vanishes
    units = np.where(units > 0.0, units, 1.0)
    penalty = _Ridge(ridge / units**2, units * (0.0 if centre is None else centre))
    found, passes = _minimum(features / units, targets, weights, penalty)
    return LogisticFit(found / units, passes)


@dataclass(frozen=True, slots=True)
class _Ridge:
    """Half the weighted squares of the distances from a centre."""

    strength: Array
    centre: Array

    def value(self, at: Array) -> float:
        return 0.5 * float(self.strength @ (at - self.centre) ** 2)

    def slope(self, at: Array) -> Array:
        return self.strength * (at - self.centre)


def _minimum(features: Array, targets: Array, weights: Array, penalty: _Ridge) -> tuple[Array, int]:
    """Damped Newton from 0, where no row is certain and every row still bends the loss."""
    at = np.zeros(features.shape[1])
    value, passes = _loss(features, targets, weights, at) + penalty.value(at), 1
    for _ in range(_MOST_STEPS):
        gradient, hessian = _derivatives(features, targets, weights, at)
        passes += 1
        gradient = gradient + penalty.slope(at)
        step = _solve(hessian + np.diag(penalty.strength), gradient)
        promised = float(gradient @ step)
        if promised <= _LAST_GAIN * float(weights.sum()):
            return at - step, passes
        while True:  # the loss is convex: a step short enough always gains
            tried = at - step
            reached = _loss(features, targets, weights, tried) + penalty.value(tried)
            passes += 1
            if reached <= value - 1e-4 * promised or promised <= _LAST_GAIN * float(weights.sum()):
                break
            step, promised = 0.5 * step, 0.5 * promised
        at, value = tried, reached
    raise NoOptimumError(_SEPARABLE, reason="separable")


def _loss(features: Array, targets: Array, weights: Array, at: Array) -> float:
    odds = features @ at
    return float(weights @ (np.logaddexp(0.0, odds) - targets * odds))


def _derivatives(features: Array, targets: Array, weights: Array, at: Array) -> tuple[Array, Array]:
    odds = features @ at
    p = np.exp(-np.logaddexp(0.0, -odds))
    opposite = np.exp(-np.logaddexp(0.0, odds))
    # p - target, without loss of digits where p is close to 1
    residual = p * (1.0 - targets) - opposite * targets
    gradient = features.T @ (weights * residual)
    hessian = features.T @ (features * (weights * p * opposite)[:, None])
    return gradient, hessian


def _solve(hessian: Array, gradient: Array) -> Array:
    """Newton's step; where the curvature vanishes there is no optimum."""
    units = np.sqrt(hessian.diagonal())
    if not (units > 0.0).all():
        raise NoOptimumError(_SEPARABLE, reason="separable")
    scaled = hessian / np.outer(units, units)
    if np.linalg.eigvalsh(scaled)[0] <= _SINGULAR:
        raise NoOptimumError(_SEPARABLE, reason="separable")
    return np.asarray(np.linalg.solve(scaled, gradient / units) / units)
