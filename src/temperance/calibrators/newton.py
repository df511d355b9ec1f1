"""Minimise the convex loss in the inverse temperature: few readings, a certified end."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, log1p, sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from temperance.kernels.loss import LossPass, LossSums

__all__ = ["Minimum", "minimise", "nearby_minimum"]

_LAST_STEP = 2e-5  # of b, relative: sums are carried over it by their derivatives
_CLOSE = 1e-10  # relative distance from the minimum that the last reading must certify
_LOW = 0.01  # this far below its start the search asks first whether a minimum exists


@dataclass(frozen=True, slots=True)
class Minimum:
    """Where the loss is smallest, and what was seen on the way there."""

    beta: float  # inverse temperature at the minimum
    distance: float  # no further is the exact minimum, relative to `beta`, but for rounding
    n: int  # rows
    start: LossSums  # sums at beta = 1
    end: LossSums  # sums at `beta`
    readings: int  # of all rows


def minimise(
    read: Callable[[tuple[float, ...]], LossPass],
    *,
    require_existence: Callable[[], None],
    prior: float = 0.0,
    start: float = 1.0,
    last_step: float = _LAST_STEP,
) -> Minimum:
    r"""Return the minimum over b > 0 of :math:`W L(b) + \lambda (b - 1 - \log b)`.

    `read(betas)` reads all rows once; `require_existence()` raises where there is no minimum, and
    is called only if the search runs towards 0 or infinity. Steps are of third order and stay
    inside the bracket of opposite slopes. The search ends at a step below `last_step` whose end
    is certified to lie within 1e-10 of the minimum.

    Notes
    -----
    A row's derivatives in b are cumulants of its logits, so with R the widest row
    :math:`|L'''| \le R L''` and :math:`|L''''| \le R^2 L''`. The minimum therefore lies within
    :math:`D = -\log(1 - R |L'| / L'') / R` of any b, and after a step d the slope is that of the
    third-order expansion up to :math:`R^2 L'' e^{R |d|} |d|^3 / 6`.
    """
    asked = prior > 0.0
    first = read((1.0,) if start == 1.0 else (1.0, start))
    if first.gap_to_largest == 0.0 and not asked:
        require_existence()
    low, high, beta, step, readings = 0.0, inf, start, inf, 1
    sums = first.at[-1]
    while True:
        here = _Local.of(sums, beta, prior, first.widest)
        before, step = step, here.step()
        distance = here.distance_after(step)
        settled = last_step > _LAST_STEP or distance <= _CLOSE
        if abs(step) <= last_step * beta and (settled or abs(step) >= 0.5 * abs(before)):
            break  # or rounding keeps the steps from shrinking
        low, high = (beta, high) if here.slope < 0.0 else (low, beta)
        proposed = _inside(beta + step, low, high)
        if proposed <= _LOW * start and low == 0.0 and not asked:
            require_existence()
            asked = True
        beta = proposed
        sums = read((beta,)).at[0]
        readings += 1
    return Minimum(beta + step, distance, first.n, first.at[0], sums.moved(step), readings)


def nearby_minimum(
    sums: LossSums, *, beta: float, prior: float, widest: float
) -> tuple[float, float]:
    """Return the minimum that sums at a `beta` close to it point to, and its distance at most.

    The distance is relative to the minimum, and infinite where the sums cannot tell.
    """
    here = _Local.of(sums, beta, prior, widest)
    step = here.step()
    return beta + step, here.distance_after(step)


@dataclass(frozen=True, slots=True)
class _Local:
    """Derivatives of the loss with its prior at one b, and how fast they can change."""

    beta: float
    slope: float
    curvature: float
    third: float
    rate: float  # R: bounds |L'''| / L'' and the root of |L''''| / L''

    @classmethod
    def of(cls, sums: LossSums, beta: float, prior: float, widest: float) -> _Local:
        return cls(
            beta,
            sums.slope + prior * (1.0 - 1.0 / beta),
            sums.curvature + prior / beta**2,
            sums.third - 2.0 * prior / beta**3,
            max(widest, 3.0 / beta) if prior > 0.0 else widest,
        )

    def step(self) -> float:
        """Return Newton's step, corrected by the third derivative where that is small."""
        if self.curvature <= 0.0:
            return inf if self.slope < 0.0 else -inf
        newton = -self.slope / self.curvature
        bend = 0.5 * self.third * newton / self.curvature
        return newton / (1.0 + bend) if abs(bend) < 0.5 else newton

    def distance_after(self, step: float) -> float:
        """Return a bound of the distance to the minimum after a step, relative to b."""
        reach = self.rate * abs(self.slope) / self.curvature if self.curvature > 0.0 else inf
        if not (reach < 0.9 and self.rate * abs(step) < 1.0 and self.beta + step > 0.0):
            return inf
        if self.rate == 0.0:
            return 0.0
        furthest = max(-log1p(-reach) / self.rate, abs(step))
        slope = abs(self.slope + step * (self.curvature + 0.5 * step * self.third))
        rest = (
            self.curvature * exp(self.rate * abs(step)) * (self.rate * step) ** 2 * abs(step) / 6.0
        )
        flattest = self.curvature * exp(-self.rate * furthest)
        return (slope + rest) / flattest / (self.beta + step)


def _inside(target: float, low: float, high: float) -> float:
    """Return the target where it lies inside (low, high), else a point that surely does."""
    if low < target < high and target < inf:
        return target if low == 0.0 or target <= 1e3 * low else 1e3 * low
    if high == inf:
        return 2.0 * low
    return sqrt(low * high) if low > 0.0 else high / 4.0
