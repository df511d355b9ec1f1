"""What one block of rows contributes to a fit: its loss and the derivatives of the loss.

Symbols: z = logits less the row maximum, b = inverse temperature, p = softmax(b z),
w = weight, g = E_p[z] - z_label (slope of the row's loss in b), v = Var_p[z] (curvature).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.numerics import as_float64
from temperance.sums import MergeableSums

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ExistenceSums", "LossSums", "existence_sums", "loss_sums"]


@dataclass(frozen=True, slots=True)
class LossSums(MergeableSums):
    """Sums over rows of the log loss at one inverse temperature, and of its derivatives."""

    weight: float  # sum w
    loss: float  # sum w (log sum exp(b z) - b z_label)
    slope: float  # sum w g: first derivative of `loss` in b
    curvature: float  # sum w v: second derivative, >= 0
    squared_slope: float  # sum w^2 g^2: the empirical variance of `slope` (sandwich)
    model_variance: float  # sum w^2 v: the variance of `slope` if p were the truth


@dataclass(frozen=True, slots=True)
class ExistenceSums(MergeableSums):
    """Sums over rows that decide, before any iteration, whether an optimum exists."""

    weight: float  # sum w
    gap_to_largest: float  # sum w (max z - z_label): the slope at b = infinity
    gap_to_mean: float  # sum w (mean z - z_label): the slope at b = 0
    spread: float  # sum w (max z - min z) over options that exist


def loss_sums(
    logits: NDArray[Any],
    labels: NDArray[np.intp],
    weights: NDArray[np.float64] | None,
    *,
    beta: float,
) -> LossSums:
    """Return the sums of one block of rows at the inverse temperature `beta` > 0."""
    z, of_label = _centred(logits, labels)
    p = np.exp(beta * z)
    exists = _existing(z)
    if exists is not None:
        z = np.where(exists, z, 0.0)  # 0 * -inf is 0 here: p is 0 where an option is masked
    total = p.sum(axis=1)
    p /= total[:, None]
    mean = np.einsum("ij,ij->i", p, z)
    z *= z
    # z <= 0 with one z = 0, so E[z]^2 <= k Var[z]: this difference loses no more than k eps.
    variance = np.maximum(np.einsum("ij,ij->i", p, z) - mean * mean, 0.0)
    slope = mean - of_label
    loss = np.log(total) - beta * of_label
    w = np.ones(len(labels)) if weights is None else weights
    return LossSums(
        weight=float(w.sum()),
        loss=float(w @ loss),
        slope=float(w @ slope),
        curvature=float(w @ variance),
        squared_slope=float((w * slope) @ (w * slope)),
        model_variance=float((w * w) @ variance),
    )


def existence_sums(
    logits: NDArray[Any], labels: NDArray[np.intp], weights: NDArray[np.float64] | None
) -> ExistenceSums:
    """Return the sums of one block of rows that decide whether an optimum exists."""
    z, of_label = _centred(logits, labels)
    exists = _existing(z)
    if exists is None:
        mean, smallest = z.mean(axis=1), z.min(axis=1)
    else:
        z = np.where(exists, z, 0.0)
        mean, smallest = z.sum(axis=1) / exists.sum(axis=1), z.min(axis=1)
    w = np.ones(len(labels)) if weights is None else weights
    return ExistenceSums(
        weight=float(w.sum()),
        gap_to_largest=float(w @ -of_label),
        gap_to_mean=float(w @ (mean - of_label)),
        spread=float(w @ -smallest),
    )


def _centred(
    logits: NDArray[Any], labels: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Float64 logits less each row's maximum, and the value at the label (<= 0)."""
    z = as_float64(logits)
    z = z - z.max(axis=1, keepdims=True)
    return z, z[np.arange(len(labels)), labels]


def _existing(z: NDArray[np.float64]) -> NDArray[np.bool_] | None:
    """Mask of options that exist, or None when all do (the usual, cheaper case)."""
    return None if np.isfinite(z.sum()) else ~np.isneginf(z)
