"""Numbers of labels from sums over unlabelled rows: an integer, or in words why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf, log, sqrt
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from temperance.binning import assign
from temperance.numerics import as_float64, normal_quantile, softmax
from temperance.sums import MergeableSums

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = [
    "PilotFit",
    "labels_for_ece",
    "labels_for_precision",
    "labels_for_temperature",
    "plan_sums",
]

# What one block of unlabelled rows contributes to a plan.


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


# Numbers of labels from sums over rows: an integer, or in words why there is none.


_LEVEL = 0.95
_MOST = 10**12  # labels: beyond this the answer is "no number"
_DRAWS = 4000  # simulated samples per number of labels tried
_BLOCK = 1 << 18  # cells times samples simulated at once
_CLOSE = 1.01  # where the search ends: closer than the simulation's own error


@runtime_checkable
class PilotFit(Protocol):
    """What `plan` reads from a first fit; `FitRecord`, a calibrator's `record`, has it."""

    @property
    def n(self) -> int:
        """Rows of the fit."""

    @property
    def temperature(self) -> float:
        """The fitted temperature."""

    @property
    def standard_error(self) -> float:
        """Of the temperature."""


def labels_for_temperature(sums: PlanSums, power: float) -> int | str:
    """Labels with which the score test of T = 1 rejects as often as `power` says."""
    mean = abs(sums.slope) / sums.rows
    null = sqrt(sums.noise / sums.rows)
    alternative = sqrt(max(sums.squared_slope / sums.rows - mean * mean, 0.0))
    quantile = normal_quantile(2.0 * power - 1.0)  # below 0 for a power below one half
    return _square(max(normal_quantile(_LEVEL) * null + quantile * alternative, 0.0), mean)


def labels_for_precision(sums: PlanSums, precision: float, pilot: PilotFit | None) -> int | str:
    """Labels with which the 95 % interval of log T is +-log(1 + precision)."""
    width = log(1.0 + precision) / normal_quantile(_LEVEL)
    if pilot is not None:
        return _square(pilot.standard_error * sqrt(pilot.n), pilot.temperature * width)
    return _square(sqrt(sums.noise * sums.rows), sums.variance * width)


def labels_for_ece(
    sums: PlanSums, ece: float, power: float, *, n_bins: int, seed: int
) -> int | str:
    """Labels with which a true error of `ece` lies above its null band as often as `power` says.

    Rows of one cell count as equally confident. Samples are simulated by how many rows fall in
    each cell and how many of them are right, so a sample of any size costs the same.
    """
    (occupied,) = np.nonzero(sums.cell_weight)
    share = sums.cell_weight[occupied] / sums.cell_weight.sum()
    confidence = np.minimum(sums.cell_confidence[occupied] / sums.cell_weight[occupied], 1.0)
    gap = _gap(confidence, share, ece)
    if gap is None:
        mean = confidence @ share
        return f"accuracy cannot lie {ece:g} below a mean confidence of {mean:.3g}"
    accuracy = np.maximum(confidence - gap, 0.0)
    bins = occupied // (len(sums.cell_weight) // n_bins)
    first_cells = np.flatnonzero(np.diff(bins, prepend=-1))  # of each bin
    at_once = max(1, _BLOCK // len(occupied))

    def seen(n: int, n_draws: int) -> bool:
        rng = np.random.default_rng([seed, 5])
        calibrated, erring = np.empty(n_draws), np.empty(n_draws)
        for start in range(0, n_draws, at_once):
            draws = slice(start, min(start + at_once, n_draws))
            rows = rng.multinomial(n, share, draws.stop - start)
            for error, truth in ((calibrated, confidence), (erring, accuracy)):
                excess = rows * confidence - rng.binomial(rows, truth)
                error[draws] = np.abs(np.add.reduceat(excess, first_cells, axis=1)).sum(axis=1) / n
        null_band = np.quantile(calibrated, _LEVEL) * (1.0 + 1e-12)  # equal but for rounding
        return bool((erring > null_band).mean() >= power)

    needed = _least(seen)
    unequal = sums.rows * sums.squared_weight / sums.weight**2  # 1 where all weights are equal
    return f"more than {_MOST:,} labels" if needed is None else ceil(needed * unequal)


def _gap(confidence: NDArray[np.float64], share: NDArray[np.float64], ece: float) -> float | None:
    """Distance by which accuracy must lie below confidence, but not below 0, to be `ece` off."""
    order = np.argsort(confidence)
    c, s = np.append(0.0, confidence[order]), np.append(0.0, share[order])
    reached = (c * s).cumsum() + c * (1.0 - s.cumsum())  # the error if the gap is c
    return float(np.interp(ece, reached, c)) if ece <= reached[-1] else None


def _least(seen: Callable[[int, int], bool]) -> int | None:
    """Smallest number that is enough: doubling on few draws, then bisection on many."""
    low, high = 0, 1
    while not seen(high, _DRAWS // 8):
        low, high = high // 2, 2 * high  # half: the few draws may have misjudged `high`
        if high > _MOST:
            return None
    while not seen(high, _DRAWS):
        low, high = high, 2 * high
    while high - low > 1 and high > _CLOSE * low:
        middle = (low + high) // 2
        low, high = (low, middle) if seen(middle, _DRAWS) else (middle, high)
    return high


def _square(numerator: float, denominator: float) -> int | str:
    """Labels for a ratio that shrinks with their root, or why there are none."""
    ratio = numerator / denominator if denominator > 0.0 else inf
    if not ratio * ratio <= _MOST:
        return f"more than {_MOST:,} labels"
    return max(1, ceil(ratio * ratio))
