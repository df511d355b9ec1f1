"""Weights of an ensemble's members: on the simplex, of the smallest log loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from temperance.numerics import as_float64, row_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from temperance.calibrators.training import Training

    Array = NDArray[np.float64]

__all__ = ["Pool", "fit_member_weights", "member_logs", "pooled_logits"]

Pool = Literal["linear", "log"]

_NOTHING = 1e-9  # a weight below this is 0
_STEEPEST = 1e4  # of the log pool: beyond it rows are told apart without error


def pooled_logits(members: Sequence[NDArray[Any]], weights: Array, *, pool: Pool) -> Array:
    """Return log of the weighted mean of probabilities, or the weighted mean of their logs."""
    pooled = np.empty(members[0].shape)
    for rows in row_blocks(pooled):
        logs = member_logs([as_float64(z[rows]) for z in members], pool)
        if pool == "log":
            masked = np.isneginf(logs[0])
            parts = [w * np.where(masked, 0.0, each) for w, each in zip(weights, logs, strict=True)]
            pooled[rows] = np.where(masked, -np.inf, np.sum(parts, axis=0))
        else:
            with np.errstate(divide="ignore"):
                terms = [np.log(w) + each for w, each in zip(weights, logs, strict=True)]
            pooled[rows] = np.logaddexp.reduce(terms, axis=0)
    return pooled


def fit_member_weights(members: Sequence[NDArray[Any]], rows: Training, *, pool: Pool) -> Array:
    """Return the weights, (m,), of the smallest mean log loss; with the log pool, at its best T."""
    found = _linear(members, rows) if pool == "linear" else _log(members, rows)
    found = np.where(found < _NOTHING * found.sum(), 0.0, found)
    return np.asarray(found / found.sum())


def _linear(members: Sequence[NDArray[Any]], rows: Training) -> Array:
    """Minimise the mean of -log sum_m w_m p_m(label), convex in w, on the simplex."""
    from scipy.optimize import minimize  # noqa: PLC0415

    of_label = np.empty((rows.n, len(members)))  # log-probability of each row's label
    for block in row_blocks(members[0]):
        for m, z in enumerate(members):
            logs = log_softmax(as_float64(z[block]))
            of_label[block, m] = logs[np.arange(len(logs)), rows.labels[block]]
    top = of_label.max(axis=1, keepdims=True)
    p = np.exp(of_label - top)
    w = np.ones(rows.n) if rows.weights is None else rows.weights
    w = w / w.sum()

    m = len(members)
    least = 1e-12  # no label may have probability 0 on the way

    def loss(at: Array) -> tuple[float, Array]:
        mixed = p @ np.maximum(at, least)  # rounding may take a step over the bound
        return -float(w @ np.log(mixed)), -((w / mixed) @ p)

    # As constraints, not as `bounds`: of those older SciPy warns when rounding has left them.
    found = minimize(
        loss, np.full(m, 1.0 / m), jac=True, method="SLSQP",
        constraints=[
            {"type": "eq", "fun": lambda at: at.sum() - 1.0, "jac": np.ones_like},
            {"type": "ineq", "fun": lambda at: at - least, "jac": lambda _: np.eye(m)},
        ],
        options={"ftol": 1e-15, "maxiter": 1000},
    )  # fmt: skip
    return np.asarray(np.maximum(found.x, 0.0))


def _log(members: Sequence[NDArray[Any]], rows: Training) -> Array:
    """Minimise the mean log loss of softmax(sum_m u_m log p_m) over u = w / T >= 0, convex."""
    from scipy.optimize import minimize  # noqa: PLC0415

    m, total = len(members), rows.weight
    unit = _mean_width(members)  # so that the search starts, and ends, alike on any scale

    def loss(at: Array) -> tuple[float, Array]:
        value, slope = 0.0, np.zeros(m)
        for block in row_blocks(members[0]):
            logs = member_logs([as_float64(z[block]) for z in members], "log")
            exists = ~np.isneginf(logs[0])
            finite = np.stack([np.where(exists, each, 0.0) for each in logs]) / unit
            pooled = np.where(exists, np.tensordot(at, finite, axes=1), -np.inf)
            log_p = log_softmax(pooled)
            residual = np.exp(log_p)
            places = np.arange(len(log_p)), rows.labels[block]
            residual[places] -= 1.0
            w = np.ones(len(log_p)) if rows.weights is None else rows.weights[block]
            value -= float(w @ log_p[places])
            slope += np.einsum("i,ij,mij->m", w, residual, finite)
        return value / total, slope / total

    found = minimize(
        loss, np.full(m, 1.0 / m), jac=True, method="L-BFGS-B", bounds=[(0.0, _STEEPEST)] * m,
        options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 1000},
    )  # fmt: skip
    u: Array = found.x
    return u if u.sum() > 0.0 else np.full(m, 1.0 / m)


def member_logs(members: Sequence[Array], pool: Pool) -> list[Array]:
    """Return what is pooled of each member's block: logs of probabilities, -inf where masked.

    Of the log pool up to a number per row, which no probability sees: so no digit is lost in it.
    """
    if pool == "linear":
        return [log_softmax(z) for z in members]
    return [np.asarray(z - z.max(axis=1, keepdims=True)) for z in members]


def _mean_width(members: Sequence[NDArray[Any]]) -> float:
    """Return the mean difference within a row, over options that exist; 1 where there is none."""
    total, count = 0.0, 0
    for z in members:
        for block in row_blocks(z):
            centred = member_logs([as_float64(z[block])], "log")[0]
            total -= float(np.where(np.isneginf(centred), 0.0, centred).min(axis=1).sum())
            count += len(centred)
    return total / count if total > 0.0 else 1.0


def log_softmax(z: Array) -> Array:
    """Log-probabilities of a block, -inf where an option does not exist."""
    with np.errstate(divide="ignore"):
        centred = z - z.max(axis=1, keepdims=True)
        return np.asarray(centred - np.log(np.exp(centred).sum(axis=1, keepdims=True)))
