"""What rows contribute to score tests at T = 1: of the temperature, and of a bias per class.

Symbols: z = logits less the row maximum, p = softmax(z), w = weight, k and l = classes. The
score of a row is the derivative of its log likelihood where the inverse temperature is 1 and the
biases are 0: (z_label - E_p[z], 1[label = k] - p_k for each k). Its mean is 0 and its covariance
is known if the label is drawn from p.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.numerics import as_float64
from temperance.sums import MergeableSums

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["JointSums", "joint_scores", "joint_sums", "temperature_scores"]


@dataclass(frozen=True, slots=True, eq=False)
class JointSums(MergeableSums):
    """Sums over rows of the score, and of its covariance were p the truth."""

    degrees = {"temperature_variance": 2, "cross": 2, "overlap": 2}  # noqa: RUF012

    score: NDArray[np.float64]  # (1 + k,): sum w score, the temperature first
    temperature_variance: float  # sum w^2 Var_p[z]
    cross: NDArray[np.float64]  # (k,): sum w^2 Cov_p(z, 1_k) = sum w^2 p_k (z_k - E_p[z])
    overlap: NDArray[np.float64]  # (k, k): sum w^2 p_k p_l

    @property
    def covariance(self) -> NDArray[np.float64]:
        """Covariance of `score`, (1 + k, 1 + k): singular, for the class scores sum to 0."""
        k = len(self.cross)
        matrix = np.empty((k + 1, k + 1))
        matrix[0, 0] = self.temperature_variance
        matrix[0, 1:] = matrix[1:, 0] = self.cross
        classes = matrix[1:, 1:]
        np.negative(self.overlap, out=classes)
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
    score = np.concatenate([[w @ (of_label - mean)], w @ _residuals(p, labels)])
    z -= mean[:, None]
    deviations = p * z
    if weights is not None:
        p *= w[:, None]
    return JointSums(
        score=score,
        temperature_variance=float((w * w) @ np.einsum("ij,ij->i", deviations, z)),
        cross=(w * w) @ deviations,
        overlap=p.T @ p,
    )


def joint_scores(
    logits: NDArray[Any], labels: NDArray[np.intp], weights: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Return w times the score of each row of a block, shape (n, 1 + k)."""
    p, _, mean, of_label = _terms(logits, labels)
    scores = np.concatenate([(of_label - mean)[:, None], _residuals(p, labels)], axis=1)
    return scores if weights is None else weights[:, None] * scores


def temperature_scores(
    logits: NDArray[Any], labels: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return E_p[z] - z_label (infinite for a masked label) and Var_p[z] of each row of a block.

    The first is the score with its sign turned: above 0 means over-confident.
    """
    p, z, mean, of_label = _terms(logits, labels)
    z -= mean[:, None]
    p *= z
    return mean - of_label, np.einsum("ij,ij->i", p, z)


def _terms(logits: NDArray[Any], labels: NDArray[np.intp]) -> tuple[NDArray[np.float64], ...]:
    """Return p, z (0 where masked, for there 0 * -inf counts 0), E_p[z] and z at the label."""
    z = as_float64(logits)
    z = z - z.max(axis=1, keepdims=True)
    of_label = z[np.arange(len(labels)), labels]
    p = np.exp(z)
    p /= p.sum(axis=1, keepdims=True)
    if not np.isfinite(z.sum()):
        z = np.where(np.isneginf(z), 0.0, z)
    return p, z, np.einsum("ij,ij->i", p, z), of_label


def _residuals(p: NDArray[np.float64], labels: NDArray[np.intp]) -> NDArray[np.float64]:
    """1[label = k] - p_k, shape (n, k)."""
    residuals = -p
    residuals[np.arange(len(labels)), labels] += 1.0
    return residuals
