"""What a block of rows contributes to a fit of softmax(A x + b): loss, gradient, curvature.

Symbols: x = the row's inputs (logits, or a function of them), A = one number, a number per class,
or a matrix (k, k); b = a bias per class; p = softmax(A x + b); w = weight; r = p - 1[label = k].
An input of -inf marks an option that does not exist; A is then no matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from temperance.numerics import as_float64, centred_rows, row_maxima
from temperance.sums import MergeableSums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = [
    "AffineScores",
    "AffineSums",
    "CurvatureSums",
    "JointSums",
    "affine_logits",
    "affine_row_scores",
    "affine_scores",
    "affine_sums",
    "curvature_sums",
    "diagonal_sums",
    "joint_scores",
    "joint_sums",
    "temperature_scores",
]

_SHORT = 16  # columns: what turning longer rows over costs is more than it saves


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
    if (linear.ndim == 2 or x.shape[1] <= _SHORT) and np.isfinite(x.sum()):
        return _turned_sums(x, labels, weights, linear, bias)
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


def _turned_sums(
    x: Array, labels: NDArray[np.intp], weights: Array | None, linear: Array, bias: Array
) -> AffineSums:
    """Return what `affine_sums` does of finite inputs, a row to a column: its sums are faster."""
    if linear.ndim == 2:
        logits = linear @ x.T
    else:
        turned = np.ascontiguousarray(x.T)
        logits = turned * (linear[:, None] if linear.ndim else linear)
    logits += bias[:, None]
    logits -= logits.max(axis=0)
    rows = np.arange(len(labels))
    of_label = logits[labels, rows]
    residual = np.exp(logits, out=logits)
    total = residual.sum(axis=0)
    loss = np.log(total) - of_label
    residual /= total
    residual[labels, rows] -= 1.0
    if weights is not None:
        residual *= weights
        loss *= weights
    of_bias = residual.sum(axis=1)
    if linear.ndim == 2:
        return AffineSums(float(loss.sum()), residual @ x, of_bias)
    slope = np.einsum("ij,ij->i", residual, turned)
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
    logits -= row_maxima(logits)[:, None]
    of_label = logits[rows, labels]
    np.exp(logits, out=logits)
    total = logits.sum(axis=1)
    logits /= total[:, None]
    logits[rows, labels] -= 1.0
    return logits, np.log(total) - of_label


def _softmax(logits: Array) -> Array:
    logits -= row_maxima(logits)[:, None]
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    return logits


def _finite(x: Array) -> Array:
    """Inputs with 0 where an option does not exist: p is 0 there, and 0 * -inf counts 0."""
    return x if np.isfinite(x.sum()) else np.where(np.isneginf(x), 0.0, x)


# What rows contribute to score tests at T = 1: of the temperature, and of a bias per class.
#
# Symbols: z = logits less the row maximum, p = softmax(z), w = weight, k and l = classes. The
# score of a row is the derivative of its log likelihood where the inverse temperature is 1 and
# the biases are 0: (z_label - E_p[z], 1[label = k] - p_k for each k). Its mean is 0 and its
# covariance is known if the label is drawn from p.


@dataclass(frozen=True, slots=True, eq=False)
class ColumnProducts(MergeableSums):
    """Sums over rows of the products of each two columns, x^T x.

    Fewer rows than columns are smaller than their products: they wait until there are as many.
    """

    degrees = {"products": 2}  # noqa: RUF012

    waiting: NDArray[np.float64]  # (m, k), m < k: rows whose products are not added up yet
    products: NDArray[np.float64] | None  # (k, k); None before the first

    @classmethod
    def of(cls, rows: NDArray[np.float64]) -> Self:
        """Return the sums of one block of rows, (m, k)."""
        k = rows.shape[1]
        return cls(np.empty((0, k)), rows.T @ rows) if len(rows) >= k else cls(rows, None)

    def merge(self, other: Self) -> Self:
        """Return the sums over the rows of both."""
        rest = self.of(np.concatenate([self.waiting, other.waiting]))
        known = [s.products for s in (self, other, rest) if s.products is not None]
        return type(self)(rest.waiting, reduce(np.add, known) if known else None)

    @property
    def total(self) -> NDArray[np.float64]:
        """The sums over all rows, (k, k)."""
        rest = self.waiting.T @ self.waiting
        return rest if self.products is None else self.products + rest


@dataclass(frozen=True, slots=True, eq=False)
class JointSums(MergeableSums):
    """Sums over rows of the score, and of its covariance were p the truth."""

    degrees = {"temperature_variance": 2, "cross": 2}  # noqa: RUF012

    score: NDArray[np.float64]  # (1 + k,): sum w score, the temperature first
    temperature_variance: float  # sum w^2 Var_p[z]
    cross: NDArray[np.float64]  # (k,): sum w^2 Cov_p(z, 1_k) = sum w^2 p_k (z_k - E_p[z])
    overlap: ColumnProducts  # (k, k): sum w^2 p_k p_l

    @property
    def covariance(self) -> NDArray[np.float64]:
        """Covariance of `score`, (1 + k, 1 + k): singular, for the class scores sum to 0."""
        k = len(self.cross)
        matrix = np.empty((k + 1, k + 1))
        matrix[0, 0] = self.temperature_variance
        matrix[0, 1:] = matrix[1:, 0] = self.cross
        classes = matrix[1:, 1:]
        np.negative(self.overlap.total, out=classes)
        np.fill_diagonal(classes, 0.0)
        # Rows sum to 0; sum p_k - sum p_k^2 would lose all digits where p_k is close to 1.
        np.fill_diagonal(classes, -classes.sum(axis=1))
        return matrix


def joint_sums(
    logits: NDArray[Any], labels: NDArray[np.intp], weights: NDArray[np.float64] | None
) -> JointSums:
    """Return the sums of one block of rows; labels lie on options that exist."""
    p, z, mean, of_label = _terms(logits, labels)
    w = np.ones(len(labels)) if weights is None else weights
    score = np.concatenate([[w @ (of_label - mean)], w @ _joint_residuals(p, labels)])
    z -= mean[:, None]
    deviations = p * z
    if weights is not None:
        p *= w[:, None]
    return JointSums(
        score=score,
        temperature_variance=float((w * w) @ np.einsum("ij,ij->i", deviations, z)),
        cross=(w * w) @ deviations,
        overlap=ColumnProducts.of(p),
    )


def joint_scores(
    logits: NDArray[Any], labels: NDArray[np.intp], weights: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Return w times the score of each row of a block, shape (n, 1 + k)."""
    p, _, mean, of_label = _terms(logits, labels)
    scores = np.concatenate([(of_label - mean)[:, None], _joint_residuals(p, labels)], axis=1)
    return scores if weights is None else weights[:, None] * scores


def temperature_scores(
    logits: NDArray[Any], labels: NDArray[np.intp], probs: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return E_p[z] - z_label (infinite for a masked label) and Var_p[z] of each row of a block.

    The first is the score with its sign turned: above 0 means over-confident. `probs` are the
    softmax of the logits, where that is known.
    """
    p, z, mean, of_label = _terms(logits, labels, probs)
    z -= mean[:, None]
    return mean - of_label, np.einsum("ij,ij->i", p * z, z)


def _terms(
    logits: NDArray[Any], labels: NDArray[np.intp], probs: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.float64], ...]:
    """Return p, z (0 where masked, for there 0 * -inf counts 0), E_p[z] and z at the label."""
    z = as_float64(logits)
    z = centred_rows(z)
    of_label = z[np.arange(len(labels)), labels]
    p = probs
    if p is None:
        p = np.exp(z)
        p /= p.sum(axis=1, keepdims=True)
    if not np.isfinite(z.sum()):
        z = np.where(np.isneginf(z), 0.0, z)
    return p, z, np.einsum("ij,ij->i", p, z), of_label


def _joint_residuals(p: NDArray[np.float64], labels: NDArray[np.intp]) -> NDArray[np.float64]:
    """1[label = k] - p_k, shape (n, k)."""
    residuals = -p
    residuals[np.arange(len(labels)), labels] += 1.0
    return residuals
