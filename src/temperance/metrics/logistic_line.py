"""Logistic regression on one variable: its fit, its covariance, its likelihood ratio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from temperance.metrics.row_scores import two_probs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

__all__ = ["LogisticLine"]

_MOST_STEPS = 100  # Newton takes 5 to 10; more only where the outcomes are all but separated
_CONVERGED = 1e-14  # expected gain in log likelihood per row
_SINGULAR = 1e-12  # 1 - correlation^2 of two scores that rounding cannot tell from 0
_FEWEST_CLUSTERS = 3  # their scores sum to 0 at the fit: two of them lie on one line


@dataclass(frozen=True, slots=True, eq=False)
class LogisticLine:
    """P(hit) = sigmoid(a + b x) on n rows; `x` of mean about 0 and spread about 1.

    Parameters of all methods are vectors (a, b).
    """

    x: Vector  # (n,)
    hit: NDArray[np.bool_]  # (n,)
    weights: Vector | None  # (n,): importance weights, the largest 1
    clusters: NDArray[np.intp] | None  # (n,): numbers of rows that belong together
    squared_weights: Vector | None = None  # (n,): sums of w^2, where `weights` are sums of w

    def fit(self) -> Vector | None:
        """Return the maximum of the likelihood by damped Newton; None if it is (nearly) infinite.

        The likelihood is concave: a step that gains is always found, and where the curvature
        vanishes the maximum is out of reach.
        """
        w = self._weights
        at = np.array([np.log(w @ self.hit) - np.log(w @ ~self.hit), 0.0])
        value = self.log_likelihood(at)
        for _ in range(_MOST_STEPS):
            gradient = self._scores(at).sum(axis=0)
            inverse = _inverse(self._information(at, power=1))
            if inverse is None:
                return None
            step = inverse @ gradient
            promised = float(gradient @ step)
            if promised <= _CONVERGED * w.sum():
                return np.asarray(at + step)
            while (reached := self.log_likelihood(at + step)) < value + 1e-4 * promised:
                step, promised = 0.5 * step, 0.5 * promised
            at, value = at + step, reached
        return None

    def log_likelihood(self, at: Vector) -> float:
        """Return the weighted sum of log probabilities of what happened."""
        against = np.where(self.hit, -1.0, 1.0) * self._log_odds(at)
        return -float(self._weights @ np.logaddexp(0.0, against))

    def covariance(self, at: Vector) -> NDArray[np.float64] | None:
        """Return the sandwich covariance of a fit; None if too few rows or clusters show it.

        Without weights and clusters it is the inverse of the information.
        """
        information = self._information(at, power=1)
        inverse = _inverse(information)
        if inverse is None or not self._is_sandwich:
            return inverse
        if self.clusters is None:
            meat = self._information(at, power=2)
        else:
            if len(np.unique(self.clusters)) < _FEWEST_CLUSTERS:
                return None
            sums = np.zeros((self.clusters.max() + 1, 2))
            np.add.at(sums, self.clusters, self._scores(at))
            meat = sums.T @ sums
        if _determinant(meat) <= _SINGULAR * information[0, 0] * information[1, 1]:
            return None
        return np.asarray(inverse @ meat @ inverse)

    def information(self, at: Vector) -> NDArray[np.float64]:
        """Return the curvature of the likelihood, (2, 2)."""
        return self._information(at, power=1)

    def likelihood_ratio(
        self, fitted: Vector, null: Vector, covariance: NDArray[np.float64]
    ) -> float:
        """Return 2 (L(fitted) - L(null)), scaled to the curvature that `covariance` implies."""
        gain = 2.0 * max(self.log_likelihood(fitted) - self.log_likelihood(null), 0.0)
        away = fitted - null
        if not self._is_sandwich or not away.any():
            return gain
        curvature = float(away @ self._information(fitted, power=1) @ away)
        return gain * float(away @ np.linalg.solve(covariance, away)) / curvature

    @property
    def _is_sandwich(self) -> bool:
        return self.weights is not None or self.clusters is not None

    @property
    def _weights(self) -> Vector:
        return np.ones(len(self.x)) if self.weights is None else self.weights

    @property
    def _squared_weights(self) -> Vector:
        return self._weights**2 if self.squared_weights is None else self.squared_weights

    def _log_odds(self, at: Vector) -> Vector:
        return np.asarray(at[0] + at[1] * self.x)

    def _scores(self, at: Vector) -> NDArray[np.float64]:
        """Derivative of each row's weighted log likelihood, (n, 2)."""
        p, opposite = two_probs(self._log_odds(at))
        residual = self._weights * np.where(self.hit, opposite, -p)
        return np.stack([residual, residual * self.x], axis=1)

    def _information(self, at: Vector, *, power: int) -> NDArray[np.float64]:
        """Sum of w^power p (1 - p) (1, x)(1, x)'."""
        p, opposite = two_probs(self._log_odds(at))
        h = (self._weights if power == 1 else self._squared_weights) * p * opposite
        hx = h * self.x
        return np.array([[h.sum(), hx.sum()], [hx.sum(), hx @ self.x]])


def _determinant(matrix: NDArray[np.float64]) -> float:
    return float(matrix[0, 0] * matrix[1, 1] - matrix[0, 1] ** 2)


def _inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Inverse of a symmetric 2 x 2 matrix; None if it is singular to rounding."""
    (a, b), (_, d) = matrix
    determinant = _determinant(matrix)
    if not determinant > _SINGULAR * a * d:
        return None
    return np.asarray(np.array([[d, -b], [-b, a]]) / determinant)
