"""What rows contribute to the fit of a temperature: their loss and its derivatives, as sums.

Symbols: z = logits less the row maximum, b = inverse temperature, p = softmax(b z),
w = weight, g = E_p[z] - z_label (slope of the row's loss in b), v = Var_p[z] (curvature).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from math import ldexp
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

import numpy as np

from temperance.sums import MergeableSums, aligned, scale_exponent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["ExistenceSums", "LossPass", "LossSums", "RowMoments", "RowMomentsKernel", "added_up"]

_EQUAL = 1e-12  # a sum of weights this close to that of their squares counts rows


class AddUp(Protocol):
    """Adds up what rows contribute, from their moments (`RowMoments.sums`) at one b."""

    def __call__(self, moments: Array, gap: Array, w: Array | None, beta: float, /) -> LossSums:
        """Return the sums of rows with these moments; `gap` = z_label - max z, <= 0."""
        ...


class RowMoments(NamedTuple):
    """Of each row of a block: its ends, and moments of s = b (z - largest) under exp(s)."""

    largest: Array  # (m,)
    smallest: Array  # (m,): of the options that exist
    sums: list[Array]  # per b, (4, m): sum exp(s), sum exp(s) s, sum exp(s) s^2, sum exp(s) s^3
    add_up: AddUp


class RowMomentsKernel(Protocol):
    """The one function that an engine brings: everything else is made of its moments."""

    def __call__(self, logits: NDArray[Any], betas: tuple[float, ...]) -> RowMoments:
        """Return the moments of each row of a block, (m, k), in one reading of it."""
        ...


@dataclass(frozen=True, slots=True)
class LossSums(MergeableSums):
    """Sums over rows of the log loss at one inverse temperature, and of its derivatives."""

    degrees = {"squared_slope": 2, "squared_slope_rate": 2, "model_variance": 2}  # noqa: RUF012

    weight: float  # sum w
    loss: float  # sum w (log sum exp(b z) - b z_label)
    slope: float  # sum w g: first derivative of `loss` in b
    curvature: float  # sum w v: second derivative, >= 0
    third: float  # sum w E_p[(z - E_p z)^3]: third derivative
    squared_slope: float  # sum w^2 g^2: the empirical variance of `slope` (sandwich)
    squared_slope_rate: float  # sum w^2 2 g v: its derivative in b
    model_variance: float  # sum w^2 v: the variance of `slope` if p were the truth

    def moved(self, step: float) -> Self:
        """Return the sums a small step in b away, each by the derivatives that are known."""
        slope = self.slope + step * (self.curvature + 0.5 * step * self.third)
        loss = self.loss + step * (
            self.slope + step * (self.curvature / 2.0 + step * self.third / 6.0)
        )
        return replace(
            self,
            loss=loss,
            slope=slope,
            curvature=max(self.curvature + step * self.third, 0.0),
            squared_slope=max(self.squared_slope + step * self.squared_slope_rate, 0.0),
        )


@dataclass(frozen=True, slots=True)
class LossPass:
    """What one reading of rows gives, at one or several inverse temperatures."""

    n: int  # rows
    gap_to_largest: float  # sum w (max z - z_label), >= 0: the slope at b = infinity
    widest: float  # largest max z - min z of a row, over options that exist
    at: tuple[LossSums, ...]  # one per inverse temperature
    squared_weight: float  # sum w^2
    exponent: int = 0  # every w was divided by 2 to this power

    @classmethod
    def of(
        cls,
        moments: RowMoments,
        of_label: NDArray[Any],
        weights: Array | None,
        *,
        betas: tuple[float, ...],
    ) -> Self:
        """Return the sums of one block from its moments and the logits of its labels."""
        gap = np.asarray(of_label, dtype=np.float64) - moments.largest
        widest = (moments.largest - moments.smallest).max()
        exponent = scale_exponent(weights)
        if weights is not None and exponent:
            weights = np.ldexp(weights, -exponent)
        each = zip(moments.sums, betas, strict=True)
        sums = (moments.add_up(of_beta, gap, weights, beta) for of_beta, beta in each)
        weighted = gap if weights is None else weights * gap
        squared = float(len(gap)) if weights is None else float((weights * weights).sum())
        return cls(len(gap), -float(weighted.sum()), float(widest), tuple(sums), squared, exponent)

    def merge(self, other: Self) -> Self:
        """Return the sums over the rows of both; associative and commutative."""
        one, other = aligned(self, other)
        return type(self)(
            one.n + other.n,
            one.gap_to_largest + other.gap_to_largest,
            float(np.maximum(one.widest, other.widest)),  # nan stays
            tuple(a.merge(b) for a, b in zip(one.at, other.at, strict=True)),
            one.squared_weight + other.squared_weight,
            one.exponent,
        )

    def to_scale(self, exponent: int) -> Self:
        """Return the sums of the same rows, their weights divided by 2^exponent."""
        return self._scaled(self.exponent - exponent, 1.0, exponent)

    def in_effective_rows(self) -> Self:
        """Return the sums with weights that add up to the effective number of rows."""
        weight, squared = self.at[0].weight, self.squared_weight
        if squared == 0.0 or (self.exponent == 0 and abs(weight - squared) <= _EQUAL * squared):
            return self
        return self._scaled(0, squared / weight, 0)

    def _scaled(self, power: int, divisor: float, exponent: int) -> Self:
        def scaled(sums: LossSums) -> LossSums:
            moved = sums.rescaled(power)
            if divisor == 1.0:
                return moved
            degree = sums.degrees.get
            parts = {
                each.name: getattr(moved, each.name) / divisor ** degree(each.name, 1)
                for each in fields(moved)
            }
            return LossSums(**parts)

        return type(self)(
            self.n,
            ldexp(self.gap_to_largest, power) / divisor,
            self.widest,
            tuple(map(scaled, self.at)),
            ldexp(self.squared_weight, 2 * power) / divisor**2,
            exponent,
        )

    @property
    def finite(self) -> bool:
        """Whether every sum is a finite number, as it is where every logit is a valid one."""
        sums = (value for each in self.at for value in (each.loss, each.squared_slope, each.third))
        return bool(np.isfinite([self.gap_to_largest, self.widest, *sums]).all())


@dataclass(frozen=True, slots=True)
class ExistenceSums(MergeableSums):
    """Sums over rows that decide, before any iteration, whether an optimum exists."""

    weight: float  # sum w
    gap_to_largest: float  # sum w (max z - z_label): the slope at b = infinity
    gap_to_mean: float  # sum w (mean z - z_label): the slope at b = 0
    spread: float  # sum w (max z - min z) over options that exist
    exponent: int = 0  # every w was divided by 2 to this power

    def merge(self, other: Self) -> Self:
        """Return the sums over the rows of both; associative and commutative."""
        one, other = aligned(self, other)
        return replace(MergeableSums.merge(one, other), exponent=one.exponent)

    def to_scale(self, exponent: int) -> Self:
        """Return the sums of the same rows, their weights divided by 2^exponent."""
        return replace(self.rescaled(self.exponent - exponent), exponent=exponent)


def added_up(moments: Array, gap: Array, w: Array | None, beta: float) -> LossSums:
    """Return the sums of rows with these moments; `gap` = z_label - max z, <= 0."""
    total = moments[0]
    mean, square, cube = moments[1:] / total
    squared_mean = mean * mean
    # s <= 0 with one s = 0, so E[s]^2 <= k Var[s]: this difference loses no more than k eps.
    variance = np.maximum(square - squared_mean, 0.0)
    third = cube - mean * (3.0 * square - 2.0 * squared_mean)
    g = mean / beta - gap
    g2, gv, v2 = g * g, g * variance, variance
    loss = np.log(total) - beta * gap
    if w is not None:
        squared = w * w
        g2, gv, v2 = squared * g2, squared * gv, squared * variance
        loss, g, variance, third = w * loss, w * g, w * variance, w * third
    # NumPy's own sums, in pairs: a dot product would start the threads of the linear algebra.
    return LossSums(
        weight=float(len(gap) if w is None else w.sum()),
        loss=float(loss.sum()),
        slope=float(g.sum()),
        curvature=float(variance.sum()) / beta**2,
        third=float(third.sum()) / beta**3,
        squared_slope=float(g2.sum()),
        squared_slope_rate=2.0 * float(gv.sum()) / beta**2,
        model_variance=float(v2.sum()) / beta**2,
    )
