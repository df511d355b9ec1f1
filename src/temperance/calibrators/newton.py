"""Minimise the convex loss in the inverse temperature by safeguarded Newton steps."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from temperance.kernels.loss import LossSums

__all__ = ["Minimum", "minimise"]

# A step this small, relative to b, leaves an error of its square: below float64 rounding.
_LAST_STEP = 1e-9


@dataclass(frozen=True, slots=True)
class Minimum:
    """Where the loss is smallest, and what was seen on the way there."""

    beta: float  # inverse temperature at the minimum
    start: LossSums  # sums at beta = 1
    end: LossSums  # sums at `beta`, up to a step of `_LAST_STEP`
    evaluations: int


def minimise(evaluate: Callable[[float], LossSums], *, prior: float = 0.0) -> Minimum:
    r"""Return the minimum over b > 0 of :math:`W L(b) + \lambda (b - 1 - \log b)`.

    The caller has made sure that a minimum exists: the slope is negative near 0 and positive
    for large b. Newton's step is taken where it stays inside the bracket of opposite slopes;
    else the bracket is halved on the log scale, or doubled while it has no upper end.
    """
    low, high, beta = 0.0, inf, 1.0
    start = sums = evaluate(beta)
    evaluations = 1
    while True:
        slope = sums.slope + prior * (1.0 - 1.0 / beta)
        curvature = sums.curvature + prior / beta**2
        newton = beta - slope / curvature if curvature > 0 else inf
        if abs(newton - beta) <= _LAST_STEP * beta:  # before the bracket, which may be as narrow
            beta = newton
            break
        low, high = (beta, high) if slope < 0 else (low, beta)
        beta = _inside(newton, low, high)
        sums = evaluate(beta)
        evaluations += 1
    return Minimum(beta=beta, start=start, end=sums, evaluations=evaluations)


def _inside(newton: float, low: float, high: float) -> float:
    """Return Newton's point where it lies inside (low, high), else one that surely does."""
    if low < newton < high and newton < inf:
        return newton if low == 0.0 or newton <= 1e3 * low else 1e3 * low
    if high == inf:
        return 2.0 * low
    return sqrt(low * high) if low > 0.0 else high / 4.0
