"""What maps of two classes share: log-odds of class 1, and which rows tell anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from temperance.checks.row_values import effective_rows, in_effective_rows
from temperance.errors import InvalidInputError, NoOptimumError
from temperance.numerics import as_float64, row_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.calibrators.training import Training

    Array = NDArray[np.float64]

__all__ = [
    "MOST_LOG_ODDS",
    "LogisticFit",
    "TwoClasses",
    "bounded",
    "fit_logistic",
    "log_odds",
    "of_log_odds",
    "with_log_odds",
]

# Logistic regression on a few features by damped Newton, or the news that it has no optimum.


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


MOST_LOG_ODDS = 1e101  # of logits up to 1e100
_LARGEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True, slots=True, eq=False)
class TwoClasses:
    """Rows of positive weight; weights add up to their effective number."""

    odds: Array  # (m,): log-odds of class 1, finite; +-MOST_LOG_ODDS where they are infinite
    hit: Array  # (m,): 1 where class 1 is true, else 0
    weights: Array  # (m,): > 0

    @classmethod
    def of(cls, rows: Training, *, method: str, zeros: bool = False) -> Self:
        """Return the rows, or raise: other than two classes, or only one of them seen."""
        if rows.k != 2:
            msg = (
                f"`logits` of {method} must be of two classes, got {rows.k}. For more: "
                "temperature, bias-corrected-temperature, vector, matrix, isotonic."
            )
            raise InvalidInputError(msg)
        odds = np.empty(rows.n)
        for block in row_blocks(rows.logits):
            odds[block] = log_odds(as_float64(rows.logits[block]))
        return cls.seen(odds, rows.labels == 1, rows.weights, zeros=zeros)

    @classmethod
    def seen(
        cls,
        odds: Array,
        hit: NDArray[np.bool_],
        weights: Array | None,
        *,
        name: str = "1",
        zeros: bool = False,
    ) -> Self:
        """Return the rows of finite log-odds and positive weight; both outcomes must be there.

        With `zeros` infinite log-odds are scores as others: the lowest and the largest.
        """
        w = np.ones(len(odds)) if weights is None else weights
        if zeros:
            odds = bounded(odds)
        keep = np.isfinite(odds) & (w > 0.0)
        found = cls(odds[keep], hit[keep].astype(np.float64), in_effective_rows(w[keep]))
        if found.hit.all() or not found.hit.any():
            when = "always" if len(found.hit) and found.hit.all() else "never"
            msg = (
                f"Class {name} is {when} true in these rows: one outcome cannot tell how often it "
                "comes true. More rows, or temperature with `prior=1.0` (--prior 1)."
            )
            raise NoOptimumError(msg, reason="empty-class")
        return found

    @property
    def weight(self) -> float:
        """Effective number of rows, (sum w)^2 / sum w^2."""
        return float(self.weights.sum())

    @property
    def class_rows(self) -> tuple[float, float]:
        """Effective numbers of rows of class 0 and of class 1."""
        missed, hit = (effective_rows(self.weights[self.hit == each]) for each in (0.0, 1.0))
        return missed, hit

    def refuse_constant(self) -> None:
        """Raise if all log-odds are equal: no slope can be told from another."""
        if np.ptp(self.odds) == 0.0:
            msg = (
                "No slope is better than another: all rows have the same log-odds. Check that "
                "these are the model's outputs."
            )
            raise NoOptimumError(msg, reason="constant-logits")

    def refuse_separable(self) -> None:
        """Raise if no row of class 0 has larger log-odds than any of class 1."""
        if self.odds[self.hit == 0.0].max() <= self.odds[self.hit == 1.0].min():
            msg = (
                "No finite optimum: some log-odds part the rows of the two classes without error, "
                "so the steeper the map, the better. More rows would settle it; `prior=1.0` "
                "(--prior 1) gives a finite answer."
            )
            raise NoOptimumError(msg, reason="separable")


def log_odds(block: Array) -> Array:
    """Return the log-odds of class 1, (m,); infinite where one of the two options is missing."""
    return np.asarray(block[:, 1] - block[:, 0])


def bounded(odds: Array) -> Array:
    """Return log-odds of which infinite ones are +-MOST_LOG_ODDS, beyond all others."""
    return np.clip(odds, -MOST_LOG_ODDS, MOST_LOG_ODDS)


def with_log_odds(block: Array, odds: Array) -> Array:
    """Return (0, odds) per row, odds beyond float range at its end; one-option rows as they are."""
    out = of_log_odds(odds)
    one_option = np.isneginf(block).any(axis=1)
    if one_option.any():
        out[one_option] = block[one_option]
    return out


def of_log_odds(odds: Array) -> Array:
    """Return (0, odds) per row, odds beyond float range at its end."""
    return np.stack([np.zeros(len(odds)), np.clip(odds, -_LARGEST, _LARGEST)], axis=1)
