"""What a row is expected to lose if it goes on to the next model, given the confidence so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from temperance.calibrators.logistic import fit_logistic
from temperance.errors import NoOptimumError
from temperance.frozen import Frozen

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["ConstantLoss", "ExpectedLoss", "IsotonicLoss", "LogisticLoss", "LossKind", "fit_loss"]

LossKind = Literal["constant", "isotonic", "logistic"]
_SURE = 1.0 - 2.0**-52  # a confidence of 1 has log-odds of 36, not infinity


@dataclass(frozen=True, slots=True)
class ConstantLoss:
    """The same for every row."""

    value: float

    @property
    def bends(self) -> Array:
        """Confidences between which the loss is a straight line."""
        return np.array([])

    def at(self, confidence: Array) -> Array:
        """Return the expected loss at these confidences."""
        return np.full(np.shape(confidence), self.value)

    def to_dict(self) -> dict[str, Any]:
        """Return kind and numbers."""
        return {"kind": "constant", "value": self.value}


@dataclass(frozen=True, slots=True, eq=False)
class IsotonicLoss(Frozen):
    """A line through knots that never rises: what is hard for one model is hard for the next."""

    confidence: Array  # (m,), rising
    loss: Array  # (m,), not rising

    @property
    def bends(self) -> Array:
        """Confidences between which the loss is a straight line."""
        return self.confidence

    def at(self, confidence: Array) -> Array:
        """Return the expected loss at these confidences; constant beyond the outermost knots."""
        return np.asarray(np.interp(confidence, self.confidence, self.loss))

    def to_dict(self) -> dict[str, Any]:
        """Return kind and knots."""
        knots = {"confidence": self.confidence.tolist(), "loss": self.loss.tolist()}
        return {"kind": "isotonic", **knots}


@dataclass(frozen=True, slots=True)
class LogisticLoss:
    """An S-curve of the log-odds of the confidence, which may fall or rise."""

    slope: float
    intercept: float
    scale: float  # the most that a row can lose

    @property
    def bends(self) -> Array:
        """Confidences between which the loss is all but a straight line."""
        odds = np.linspace(-36.0, 36.0, 1441)
        return np.asarray(1.0 / (1.0 + np.exp(-odds)))

    def at(self, confidence: Array) -> Array:
        """Return the expected loss at these confidences."""
        line = self.intercept + self.slope * _log_odds(confidence)
        return np.asarray(self.scale * np.exp(-np.logaddexp(0.0, -line)))

    def to_dict(self) -> dict[str, Any]:
        """Return kind and coefficients."""
        numbers = {"slope": self.slope, "intercept": self.intercept, "scale": self.scale}
        return {"kind": "logistic", **numbers}


ExpectedLoss = ConstantLoss | IsotonicLoss | LogisticLoss


def fit_loss(kind: LossKind, confidence: Array, loss: Array, weights: Array) -> ExpectedLoss:
    """Return the expected loss of rows of weight above 0.

    Where all rows lose the same (an expert that is always right), that is the answer.
    """
    seen = weights > 0.0
    c, v, w = confidence[seen], loss[seen], weights[seen]
    if np.ptp(v) == 0.0:
        return ConstantLoss(float(v[0]))
    mean = ConstantLoss(float(w @ v / w.sum()))
    if kind == "constant":
        return mean
    if kind == "isotonic":
        return _isotonic(c, v, w)
    scale = max(1.0, float(v.max()))
    features = np.stack([_log_odds(c), np.ones(len(c))], axis=1)
    try:
        slope, intercept = fit_logistic(features, v / scale, w).coefficients.tolist()
    except NoOptimumError:  # confidences that are all alike, or part right from wrong
        return _isotonic(c, v, w) if np.ptp(c) > 0.0 else mean
    return LogisticLoss(slope, intercept, scale)


def _isotonic(c: Array, v: Array, w: Array) -> IsotonicLoss:
    """Return the falling regression, its steps joined at their centres of mass."""
    from scipy.optimize import isotonic_regression  # noqa: PLC0415

    x, number = np.unique(c, return_inverse=True)
    weight = np.bincount(number, w)
    mean = np.bincount(number, w * v) / weight
    found = isotonic_regression(mean, weights=weight, increasing=False)
    starts = found.blocks[:-1]
    centre = np.add.reduceat(weight * x, starts) / np.add.reduceat(weight, starts)
    distinct = np.r_[True, np.diff(centre) > 0.0]  # rounding may put two centres on one number
    return IsotonicLoss(centre[distinct], found.x[starts][distinct])


def _log_odds(confidence: Array) -> Array:
    c = np.clip(confidence, 1e-300, _SURE)
    return np.asarray(np.log(c) - np.log1p(-c))
