"""Minimise the convex loss in the inverse temperature: few readings, a certified end."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, expm1, inf, log1p, sqrt
from typing import TYPE_CHECKING, NamedTuple

from temperance.kernels.loss import ORDER

if TYPE_CHECKING:
    from collections.abc import Callable

    from temperance.kernels.loss import LossPass, LossSeries, LossSums

__all__ = ["ROUGH", "Closeness", "Minimum", "minimise", "nearby_minimum"]

_FURTHEST = 3.0  # change of log b in a step far from the minimum: a factor of 20
_STEPS = 8  # of Newton on a polynomial
_SLIGHT = 1e-13  # a step, relative to b, that is rounding
_FAR = 0.3  # a step, relative to b, over which the bound of a prior's derivatives holds
_LOW = 0.01  # this far below its start the search asks first whether a minimum exists


class Closeness(NamedTuple):
    """Where a search ends, relative to b."""

    distance: float  # no further from the minimum, as the last reading certifies
    last_step: float  # sums are carried over it by their derivatives


ROUGH = Closeness(inf, 0.05)  # on a sample: what is left is far below the sample's own error
_DOUBLE = Closeness(1e-10, 2e-5)
_SINGLE = Closeness(1e-7, 1e-3)  # six digits are promised; the logits have seven


@dataclass(frozen=True, slots=True)
class Minimum:
    """Where the loss is smallest, and what was seen on the way there."""

    beta: float  # inverse temperature at the minimum
    distance: float  # no further is the exact minimum, relative to `beta`, but for rounding
    n: int  # rows
    start: LossSums  # sums at beta = 1; of a rough search, where it started
    end: LossSums  # sums at `beta`
    readings: int  # of all rows


def minimise(
    read: Callable[[tuple[float, ...]], LossPass],
    *,
    require_existence: Callable[[], None],
    prior: float = 0.0,
    start: float = 1.0,
    closeness: Closeness | None = None,
) -> Minimum:
    r"""Return the minimum over b > 0 of :math:`W L(b) + \lambda (b - 1 - \log b)`.

    `read(betas)` reads all rows once; `require_existence()` raises where there is no minimum, and
    is called only if the search runs towards 0 or infinity. Steps are of third order and stay
    inside the bracket of opposite slopes. The search ends at a small step whose end is certified to
    be as close to the minimum as asked: within 1e-10 of it, and where all logits are of single
    precision or less within 1e-7, at a step of 2e-5 or 1e-3 of b. Where the first reading brings
    derivatives of high order, it ends at their minimum if that is certified to be as close, and
    what is reported there is the series of each sum.

    Notes
    -----
    A row's derivatives in b are cumulants of its logits, so with R the widest row
    :math:`|L'''| \le R L''` and :math:`|L''''| \le R^2 L''`. The minimum therefore lies within
    :math:`D = -\log(1 - R |L'| / L'') / R` of any b, and after a step d the slope is that of the
    third-order expansion up to :math:`R^2 L'' e^{R |d|} |d|^3 / 6`. What longer series leave out is
    bounded by `LossSeries.curvature_error`.
    """
    exists = prior > 0.0
    first = read((start,) if closeness is ROUGH or start == 1.0 else (1.0, start))
    if first.gap_to_largest == 0.0 and not exists:
        require_existence()
    low, high, beta, step, readings = 0.0, inf, start, inf, 1
    sums = first.at[-1]
    close = closeness or (_SINGLE if first.single else _DOUBLE)
    if first.series is not None:
        step, distance = _step_by_series(first, first.series, start, prior)
        if distance <= close.distance:
            end = first.series.after(step, weight=sums.weight, beta=start)
            return Minimum(start * (1.0 + step), distance, first.n, first.at[0], end, readings)
        step = inf
    while True:
        here = _Local.of(sums, beta, prior, first.widest)
        before, step = step, here.step()
        distance = here.distance_after(step)
        settled = distance <= close.distance
        if abs(step) <= close.last_step * beta and (settled or abs(step) >= 0.5 * abs(before)):
            break  # or rounding keeps the steps from shrinking
        low, high = (beta, high) if here.slope < 0.0 else (low, beta)
        proposed = _inside(beta + step, low, high)
        if proposed <= _LOW * start and low == 0.0 and not exists:
            require_existence()
            exists = True
        beta = proposed
        sums = read((beta,)).at[0]
        readings += 1
    return Minimum(beta + step, distance, first.n, first.at[0], sums.moved(step), readings)


def nearby_minimum(sums: LossPass, *, beta: float, prior: float) -> tuple[float, float]:
    """Return the minimum that sums at a `beta` close to it point to, and its distance at most.

    The distance is relative to the minimum, and infinite where the sums cannot tell.
    """
    if sums.series is not None:
        step, distance = _step_by_series(sums, sums.series, beta, prior)
        return beta * (1.0 + step), distance
    here = _Local.of(sums.at[-1], beta, prior, sums.widest)
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
        """Return Newton's step, corrected by the third derivative.

        Where that says much, the step is Newton's in :math:`b^p`, with the p for which the slope is
        straight to second order: 1 + b L''' / L''. For models that are far too sure it is about -1:
        their slope is about straight in T = 1 / b.
        """
        if self.curvature <= 0.0:
            return inf if self.slope < 0.0 else -inf
        newton = -self.slope / self.curvature
        bend = 0.5 * self.third * newton / self.curvature
        if abs(bend) < 0.5:
            return newton / (1.0 + bend)
        power, relative = 1.0 + self.beta * self.third / self.curvature, newton / self.beta
        if power * relative <= -1.0:
            return newton
        in_logarithm = log1p(power * relative) / power if power else relative
        return self.beta * expm1(min(max(in_logarithm, -_FURTHEST), _FURTHEST))

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


def _step_by_series(
    sums: LossPass, series: LossSeries, beta: float, prior: float
) -> tuple[float, float]:
    """Return the step to the minimum by derivatives of high order, and the distance left at most.

    Both are relative to b, the first to that of the series; the distance is infinite where the
    step is too long for them.
    """
    here = _Local.of(sums.at[-1], beta, prior, sums.widest)
    step = here.step() / beta
    for _ in range(_STEPS):
        if not abs(step) <= _FAR:
            return step, inf
        slope = series.slope(step) + prior * (beta - 1.0 / (1.0 + step))
        curvature = series.curvature(step) + prior / (1.0 + step) ** 2
        if not curvature > 0.0:
            return step, inf
        step -= slope / curvature
        if abs(slope) <= _SLIGHT * curvature:
            break
    missing = series.curvature_error(step, widest=beta * sums.widest)
    slope = series.slope(step) + prior * (beta - 1.0 / (1.0 + step))
    furthest = abs(slope) + missing * abs(step) / ORDER
    flattest = series.curvature(step) + prior / (1.0 + step) ** 2 - missing
    reach = beta * here.rate * furthest / flattest if flattest > 0.0 else inf
    if not reach < 1.0 or not abs(step) <= _FAR:
        return step, inf
    return step, -log1p(-reach) / (beta * here.rate) / (1.0 + step)


def _inside(target: float, low: float, high: float) -> float:
    """Return the target where it lies inside (low, high), else a point that surely does."""
    if low < target < high and target < inf:
        return target if low == 0.0 or target <= 1e3 * low else 1e3 * low
    if high == inf:
        return 2.0 * low
    return sqrt(low * high) if low > 0.0 else high / 4.0
