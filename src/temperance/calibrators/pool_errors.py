"""How sure the temperature of a pool is when the members' weights were fitted on the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.blocks import map_rows
from temperance.calibrators.member_weights import Pool, member_logs
from temperance.numerics import as_float64, softmax
from temperance.sums import MergeableSums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from temperance.calibrators.training import Training

    Array = NDArray[np.float64]

__all__ = ["joint_error"]

_LEAST = 1e-300  # a weight of 0 here, where its logarithm is taken
_NOTHING = 1e-10  # curvature below this, relative to the largest: members that say the same


@dataclass(frozen=True, slots=True, eq=False)
class _PoolSums(MergeableSums):
    """Sums over rows at the fitted weights and inverse temperature b, of m members."""

    weights: Array  # (m, m): second derivative of the loss that chose the weights
    cross: Array  # (m,): derivative of the slope in b, by the weights
    curvature: float  # that by b
    products: Array  # (1 + m, 1 + m): of the slope in b and the scores of the weights


def joint_error(
    members: Sequence[NDArray[Any]],
    rows: Training,
    weights: Array,
    *,
    temperature: float,
    pool: Pool,
    prior: float,
) -> float:
    r"""Return the standard error of b = 1 / T, with that of the fitted weights in it.

    Notes
    -----
    Two sets of equations are solved together: the weights' (of the linear pool at T = 1, of the log
    pool at its T) and that of b. A row moves the weights by v = K s, with its score s and K the
    inverse Hessian on steps that keep their sum, and b by
    :math:`-(g + c' v) / L''`, with its slope g, the curvature L'' and c = the derivative of L' by
    the weights: the sandwich of both. A member of weight 0 counts as free to move: held there, the
    interval would be too short on few rows.
    """
    w, beta = np.maximum(weights, _LEAST), 1.0 / temperature

    def kernel(*arrays: Any) -> _PoolSums:  # noqa: ANN401  (blocks of members, labels, weights)
        *block, labels, of_rows = arrays
        logs = np.stack(member_logs([as_float64(z) for z in block], pool))
        return _block_sums(logs, labels, of_rows, w, beta, pool)

    first, *others = members
    sums = map_rows(kernel, first, *others, rows.labels, rows.weights)
    inverse = _inverse(sums.weights, log=pool == "log")
    if pool == "log":  # from u = w b to w, which sums to 1
        inverse = (inverse - np.outer(w, inverse.sum(axis=0))) / beta
    moves = np.concatenate([[1.0], sums.cross @ inverse])
    return sqrt(float(moves @ sums.products @ moves)) / (sums.curvature + prior / beta**2)


def _block_sums(
    logs: Array,
    labels: NDArray[np.intp],
    of_rows: Array | None,
    w: Array,
    beta: float,
    pool: Pool,
) -> _PoolSums:
    """Return the sums of one block of the members' `member_logs`, (m, rows, k)."""
    at = np.arange(len(labels)), labels
    z, by_weight = _pooled(logs, w, pool)
    p = softmax(beta * z)
    z = np.where(np.isneginf(z), 0.0, z - z[at][:, None])
    slope = np.einsum("ij,ij->i", p, z)
    deviation = p * (z - slope[:, None])
    mean, of_label = np.einsum("ij,mij->im", p, by_weight), by_weight[:, *at].T
    cross = mean - of_label + beta * np.einsum("ij,mij->im", deviation, by_weight)
    omega = np.ones(len(labels)) if of_rows is None else of_rows
    if pool == "log":
        scores = of_label - mean
        second = np.einsum("i,ij,mij,nij->mn", omega, p, by_weight, by_weight, optimize=True)
        second -= (mean.T * omega) @ mean
    else:
        scores = of_label
        second = (scores.T * omega) @ scores
    both = omega[:, None] * np.column_stack([slope, scores])
    return _PoolSums(
        second, omega @ cross, float(omega @ np.einsum("ij,ij->i", deviation, z)), both.T @ both
    )


def _pooled(logs: Array, w: Array, pool: Pool) -> tuple[Array, Array]:
    """Return pooled logits (rows, k), and their derivatives by the weights, (m, rows, k)."""
    exists = ~np.isneginf(logs[0])
    if pool == "log":
        by_weight = np.where(exists, logs, 0.0)
        return np.where(exists, np.tensordot(w, by_weight, axes=1), -np.inf), by_weight
    z = np.logaddexp.reduce(np.log(w)[:, None, None] + logs, axis=0)
    return z, np.exp(logs - np.where(exists, z, 0.0))


def _inverse(second: Array, *, log: bool) -> Array:
    """Inverse of the Hessian; of the linear pool, on steps that keep the weights' sum."""
    if log:
        return np.asarray(np.linalg.pinv(second, rcond=_NOTHING, hermitian=True))
    k = len(second)
    basis = np.linalg.svd(np.eye(k) - 1.0 / k)[0][:, : k - 1]
    inside = basis.T @ second @ basis
    return np.asarray(basis @ np.linalg.pinv(inside, rcond=_NOTHING, hermitian=True) @ basis.T)
