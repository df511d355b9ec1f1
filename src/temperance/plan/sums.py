"""What one block of unlabelled rows contributes to a plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.binning import assign
from temperance.numerics import as_float64, softmax
from temperance.sums import MergeableSums

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PlanSums", "plan_sums"]


@dataclass(frozen=True, slots=True, eq=False)
class PlanSums(MergeableSums):
    """Sums over rows: p = softmax(z), q = softmax(z / T), m = E_p[z] - E_q[z], w = weight."""

    rows: int  # of weight above 0
    spread: float  # sum w (max z - min z) over options that exist
    weight: float  # sum w
    squared_weight: float  # sum w^2
    variance: float  # sum w Var_p[z]
    noise: float  # sum w^2 Var_p[z]: variance of the score if p is the truth
    slope: float  # sum w m: mean of the score if q is the truth
    squared_slope: float  # sum w^2 (Var_q[z] + m^2)
    cell_weight: NDArray[np.float64]  # sum w of the rows of each cell of confidence
    cell_confidence: NDArray[np.float64]  # sum w max p


def plan_sums(
    logits: NDArray[Any], weights: NDArray[np.float64] | None, *, temperature: float, n_cells: int
) -> PlanSums:
    """Return the sums of one block of rows."""
    z = as_float64(logits)
    z = z - z.max(axis=1, keepdims=True)
    with np.errstate(over="ignore"):
        q = softmax(z / temperature)
    p = softmax(z)
    z = np.where(np.isneginf(z), 0.0, z)  # 0 * -inf is 0 here: a masked option has p = q = 0
    w = np.ones(len(z)) if weights is None else weights
    slope = ((p - q) * z).sum(axis=1)
    variance, true_variance = (
        np.maximum((r * z * z).sum(axis=1) - (r * z).sum(axis=1) ** 2, 0.0) for r in (p, q)
    )
    confidence = p.max(axis=1)
    cells = assign(confidence, np.arange(n_cells + 1) / n_cells)
    return PlanSums(
        rows=int(np.count_nonzero(w)),
        spread=float(w @ -z.min(axis=1)),
        weight=float(w.sum()),
        squared_weight=float(w @ w),
        variance=float(w @ variance),
        noise=float((w * w) @ variance),
        slope=float(w @ slope),
        squared_slope=float((w * w) @ (true_variance + slope * slope)),
        cell_weight=np.bincount(cells, w, minlength=n_cells).astype(np.float64),
        cell_confidence=np.bincount(cells, w * confidence, minlength=n_cells).astype(np.float64),
    )
