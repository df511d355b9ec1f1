"""What a block of rows contributes to a fit of softmax(A x + b): loss, gradient, curvature.

Symbols: x = the row's inputs (logits, or a function of them), A = one number, a number per class,
or a matrix (k, k); b = a bias per class; p = softmax(A x + b); w = weight; r = p - 1[label = k].
An input of -inf marks an option that does not exist; A is then no matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from temperance.sums import MergeableSums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = [
    "AffineScores",
    "AffineSums",
    "CurvatureSums",
    "affine_logits",
    "affine_row_scores",
    "affine_scores",
    "affine_sums",
    "curvature_sums",
    "diagonal_sums",
]


@dataclass(frozen=True, slots=True, eq=False)
class AffineSums(MergeableSums):
    """Sums over rows of the log loss and of its derivatives."""

    loss: float  # sum w (log sum exp(A x + b) - (A x + b)_label)
    linear: Array  # sum w r x: derivative in A, in A's shape
    bias: Array  # sum w r: derivative in b, (k,)


@dataclass(frozen=True, slots=True, eq=False)
class CurvatureSums(MergeableSums):
    """Sums over rows of second derivatives in (a, b), a = the one number A."""

    linear: float  # sum w Var_p[x]
    cross: Array  # sum w p_k (x_k - E_p[x]), (k,)
    p: Array  # sum w p, (k,)
    overlap: Array  # sum w p_k p_l, (k, k)

    @property
    def matrix(self) -> Array:
        """Hessian of the summed loss, (1 + k, 1 + k), with the biases' common shift held fixed.

        Adding one number to all biases changes nothing; one added to all of their block makes
        the matrix regular and leaves the inverse right for all that does change something.
        """
        k = len(self.p)
        hessian = np.empty((k + 1, k + 1))
        hessian[0, 0] = self.linear
        hessian[0, 1:] = hessian[1:, 0] = self.cross
        hessian[1:, 1:] = np.diag(self.p) - self.overlap + self.p.sum() / k**2
        return hessian


@dataclass(frozen=True, slots=True, eq=False)
class AffineScores(MergeableSums):
    """Sums over rows of squares of their scores s = w r (x, 1), measured by an inverse Hessian."""

    first: float  # sum (H^-1 s)_0^2: sandwich variance of a
    all: float  # sum s' H^-1 s: twice the expected excess of the summed loss on new rows


def affine_logits(x: Array, linear: Array, bias: Array) -> Array:
    """Return A x + b of a block, (m, k); -inf stays -inf."""
    if linear.ndim == 2:
        return np.asarray(x @ linear.T + bias)
    if np.isfinite(x.sum()):
        scaled = x * linear
        scaled += bias
        return scaled
    masked = np.isneginf(x)
    return np.where(masked, -np.inf, np.where(masked, 0.0, x) * linear + bias)


def affine_sums(
    x: Array, labels: NDArray[np.intp], weights: Array | None, *, linear: Array, bias: Array
) -> AffineSums:
    """Return the sums of one block of inputs, (m, k)."""
    residual, loss = _residuals(affine_logits(x, linear, bias), labels)
    if weights is not None:
        residual *= weights[:, None]
        loss *= weights
    of_bias = residual.sum(axis=0)
    if linear.ndim == 2:
        return AffineSums(float(loss.sum()), residual.T @ x, of_bias)
    residual *= _finite(x)
    slope = residual.sum(axis=0)
    return AffineSums(float(loss.sum()), slope if linear.ndim else slope.sum(), of_bias)


def diagonal_sums(
    x: Array, labels: NDArray[np.intp], weights: Array | None, *, linear: Array, bias: Array
) -> AffineSums:
    """Return second derivatives in each number of A and b by itself, to scale a search with.

    In place of `loss` stands the sum of the weights.
    """
    p = _softmax(affine_logits(x, linear, bias))
    p -= p * p  # p (1 - p): the curvature of the log loss in the row's logit k
    w = np.ones(len(labels)) if weights is None else weights
    p *= w[:, None]
    of_bias = p.sum(axis=0)
    squares = _finite(x) ** 2
    if linear.ndim == 2:
        return AffineSums(float(w.sum()), p.T @ squares, of_bias)
    p *= squares
    slope = p.sum(axis=0)
    return AffineSums(float(w.sum()), slope if linear.ndim else slope.sum(), of_bias)


def curvature_sums(
    x: Array, labels: NDArray[np.intp], weights: Array | None, *, linear: Array, bias: Array
) -> CurvatureSums:
    """Return the second derivatives of one block where A is one number."""
    p = _softmax(affine_logits(x, linear, bias))
    w = np.ones(len(labels)) if weights is None else weights
    z = _finite(x)
    deviation = z - np.einsum("ij,ij->i", p, z)[:, None]
    weighted = p * w[:, None]
    return CurvatureSums(
        linear=float(np.einsum("ij,ij,ij->", weighted, deviation, deviation)),
        cross=np.einsum("ij,ij->j", weighted, deviation),
        p=weighted.sum(axis=0),
        overlap=weighted.T @ p,
    )


def affine_scores(
    x: Array, labels: NDArray[np.intp], weights: Array | None,
    *, linear: Array, bias: Array, inverse: Array,
) -> AffineScores:  # fmt: skip
    """Return the squares of the scores of one block where A is one number."""
    scores = affine_row_scores(x, labels, weights, linear=linear, bias=bias)
    moved = scores @ inverse
    return AffineScores(
        float(moved[:, 0] @ moved[:, 0]), float(np.einsum("ij,ij->", moved, scores))
    )


def affine_row_scores(
    x: Array, labels: NDArray[np.intp], weights: Array | None, *, linear: Array, bias: Array
) -> Array:
    """Return each row's w r (x, 1), (m, k + 1), where A is one number: slopes of its loss."""
    residual, _ = _residuals(affine_logits(x, linear, bias), labels)
    if weights is not None:
        residual *= weights[:, None]
    slope = np.einsum("ij,ij->i", residual, _finite(x))
    return np.concatenate([slope[:, None], residual], axis=1)


def _residuals(logits: Array, labels: NDArray[np.intp]) -> tuple[Array, Array]:
    """P - 1[label = k], (m, k), and the log loss of each row; overwrites `logits`."""
    rows = np.arange(len(labels))
    logits -= logits.max(axis=1, keepdims=True)
    of_label = logits[rows, labels]
    np.exp(logits, out=logits)
    total = logits.sum(axis=1)
    logits /= total[:, None]
    logits[rows, labels] -= 1.0
    return logits, np.log(total) - of_label


def _softmax(logits: Array) -> Array:
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    return logits


def _finite(x: Array) -> Array:
    """Inputs with 0 where an option does not exist: p is 0 there, and 0 * -inf counts 0."""
    return x if np.isfinite(x.sum()) else np.where(np.isneginf(x), 0.0, x)
