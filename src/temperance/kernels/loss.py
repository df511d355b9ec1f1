"""What rows contribute to the fit of a temperature: their loss and its derivatives, as sums.

Symbols: z = logits less the row maximum, b = inverse temperature, p = softmax(b z),
w = weight, g = E_p[z] - z_label (slope of the row's loss in b), v = Var_p[z] (curvature).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, fields, replace
from math import inf, ldexp, prod
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self, TypeVar

import numpy as np

from temperance.numerics import as_float64, centred_rows, scale_exponent
from temperance.sums import MergeableSums, aligned

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Numbers = NDArray[Any]

__all__ = [
    "FLOOR",
    "ORDER",
    "SINGLE_BYTES",
    "ExistenceSums",
    "LossPass",
    "LossSeries",
    "LossSums",
    "RowMoments",
    "RowMomentsKernel",
    "added_up",
    "existence_sums",
    "loss_pass",
    "loss_sums",
    "row_moments",
]

SINGLE_BYTES = 4
ORDER = 10  # of the highest derivative of a `LossSeries`
_EQUAL = 1e-12  # a sum of weights this close to that of their squares counts rows


class AddUp(Protocol):
    """Adds up what rows contribute, from their moments (`RowMoments.sums`) at one b."""

    def __call__(self, moments: Array, gap: Array, w: Array | None, beta: float, /) -> LossSums:
        """Return the sums of rows with these moments; `gap` = z_label - max z, <= 0."""
        ...


class AddSeries(Protocol):
    """Adds up the derivatives of rows, from their moments (`RowMoments.powers`) at one b."""

    def __call__(
        self, powers: Array, gap: Array, width: Array, w: Array | None, beta: float, /
    ) -> LossSeries:
        """Return the sums of rows with these moments; `width` = max z - min z of each."""
        ...


class RowMoments(NamedTuple):
    """Of each row of a block: its ends, and moments of s = b (z - largest) under exp(s)."""

    largest: Array  # (m,)
    smallest: Array  # (m,): of the options that exist
    sums: list[Array]  # per b, (4, m): sum exp(s), sum exp(s) s, sum exp(s) s^2, sum exp(s) s^3
    add_up: AddUp
    powers: Array | None = None  # (11, m), if asked for: sum exp(s) s^j to j = 10 at the last b
    add_series: AddSeries | None = None

    def taken(self, places: NDArray[np.intp]) -> RowMoments:
        """Return those of the rows at these places."""
        powers = None if self.powers is None else np.ascontiguousarray(self.powers[:, places])
        return self._replace(
            largest=self.largest[places],
            smallest=self.smallest[places],
            sums=[np.ascontiguousarray(each[:, places]) for each in self.sums],
            powers=powers,
        )


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
            loss=max(loss, 0.0),  # by rounding, where next to nothing is left of it
            slope=slope,
            curvature=max(self.curvature + step * self.third, 0.0),
            squared_slope=max(self.squared_slope + step * self.squared_slope_rate, 0.0),
        )


@dataclass(frozen=True, slots=True, eq=False)
class LossSeries(MergeableSums):
    r"""Sums over rows of the derivatives of the log loss up to order 10, at one b.

    Derivatives and steps are relative to b: those of order n are multiplied by b^n, so that what
    they are of is s = b z. A step away each sum is its Taylor series; that of sum w^2 g^2 squares
    the series of each row's g, for which the sums of products of two derivatives are enough.

    Notes
    -----
    What the series of the curvature leaves out: for a complex step t, the variance of a row's s
    under exp((1 + t) s), with r = max s - min s, is a sum over pairs of options, divided by the
    square of the sum of exp((1 + t) s). The real part of t tilts p, by which the variance grows to
    at most :math:`e^{r |\Re t|}` times itself. The imaginary part turns the terms of the divisor
    by angles that differ by at most :math:`r |\Im t|`, so that it keeps a share of
    :math:`\cos^2(r \Im t / 2)` at least. On a circle of radius u / r the variance therefore is at
    most :math:`\max_\phi e^{u |\cos \phi|} / \cos^2(u \sin(\phi) / 2)` times that at t = 0, which
    is less than 16 for u = 2.5, and by Cauchy's estimate its derivative of order n is at most
    :math:`16 \, n! \, (r / u)^n` times as large.
    """

    degrees = {"slopes": 2, "variances": 2}  # noqa: RUF012

    derivatives: Array  # (11,): sum w of the loss, g, v and the cumulants of s of order 3 to 10
    slopes: Array  # (10, 10): sum w^2 times the derivatives of order i + 1 and j + 1
    variances: Array  # (9,): sum w^2 of the cumulants of order 2 to 10
    remainder: float  # sum w v r^9

    def slope(self, step: float) -> float:
        """Return the slope a step away."""
        return float(_terms(step) @ self.derivatives[1:])

    def curvature(self, step: float) -> float:
        """Return the curvature a step away."""
        return float(_terms(step)[:-1] @ self.derivatives[2:])

    def curvature_error(self, step: float, *, widest: float) -> float:
        """Return a bound of what the curvature leaves out; infinite where nothing bounds it.

        `widest` is the largest r of a row. Of the slope, 1 / 10 of this times the step is left out.
        """
        ratio = widest * abs(step) / _RADIUS
        if not ratio < 1.0:
            return inf
        first = _ON_CIRCLE * (abs(step) / _RADIUS) ** (ORDER - 1) * self.remainder
        return first / (1.0 - ratio)

    def after(self, step: float, *, weight: float, beta: float) -> LossSums:
        """Return the sums a step away from `beta`, in units of b; `weight` is that of all rows."""
        terms = _terms(step)
        rates = np.append(0.0, terms[:-1])
        to_there = step * terms / np.arange(1.0, ORDER + 1.0)
        return LossSums(
            weight=weight,
            loss=float(self.derivatives[0] + to_there @ self.derivatives[1:]),
            slope=self.slope(step) / beta,
            curvature=max(self.curvature(step), 0.0) / beta**2,
            third=float(terms[:-2] @ self.derivatives[3:]) / beta**3,
            squared_slope=max(float(terms @ self.slopes @ terms), 0.0) / beta**2,
            squared_slope_rate=2.0 * float(rates @ self.slopes @ terms) / beta**3,
            model_variance=max(float(terms[:-1] @ self.variances), 0.0) / beta**2,
        )


_RADIUS, _ON_CIRCLE = 2.5, 16.0  # u, and what exceeds the maximum on its circle


def _terms(step: float) -> Array:
    """Return step^i / i! for i = 0..9."""
    return np.cumprod(np.append(1.0, step / np.arange(1.0, ORDER)))


S = TypeVar("S", LossSums, LossSeries)


@dataclass(frozen=True, slots=True)
class LossPass:
    """What one reading of rows gives, at one or several inverse temperatures."""

    n: int  # rows
    gap_to_largest: float  # sum w (max z - z_label), >= 0: the slope at b = infinity
    widest: float  # largest max z - min z of a row, over options that exist
    at: tuple[LossSums, ...]  # one per inverse temperature
    squared_weight: float  # sum w^2
    exponent: int = 0  # every w was divided by 2 to this power
    single: bool = False  # all logits are of single precision or less
    series: LossSeries | None = None  # at the last inverse temperature, where asked for

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
        width = moments.largest - moments.smallest
        exponent = scale_exponent(weights)
        if weights is not None and exponent:
            weights = np.ldexp(weights, -exponent)
        each = zip(moments.sums, betas, strict=True)
        sums = (moments.add_up(of_beta, gap, weights, beta) for of_beta, beta in each)
        weighted = gap if weights is None else weights * gap
        squared = float(len(gap)) if weights is None else float((weights * weights).sum())
        single = of_label.dtype.itemsize <= SINGLE_BYTES
        gap_to_largest = -float(weighted.sum())
        series = None
        if moments.powers is not None and moments.add_series is not None:
            series = moments.add_series(moments.powers, gap, width, weights, betas[-1])
        return cls(
            len(gap),
            gap_to_largest,
            float(width.max()),
            tuple(sums),
            squared,
            exponent,
            single,
            series,
        )

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
            one.single and other.single,
            one.series.merge(other.series) if one.series and other.series else None,
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
        def scaled(sums: S) -> S:
            moved = sums.rescaled(power)
            if divisor == 1.0:
                return moved
            degree = sums.degrees.get
            parts = {
                each.name: getattr(moved, each.name) / divisor ** degree(each.name, 1)
                for each in fields(moved)
            }
            return type(sums)(**parts)

        return type(self)(
            self.n,
            ldexp(self.gap_to_largest, power) / divisor,
            self.widest,
            tuple(map(scaled, self.at)),
            ldexp(self.squared_weight, 2 * power) / divisor**2,
            exponent,
            self.single,
            None if self.series is None else scaled(self.series),
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


# The kernel in NumPy: the reference, in the precision of the logits.
#
# float16 and bfloat16 are computed in float32. Long rows are worked on as they lie; short ones are
# turned over first, because NumPy is slow where the axis that it adds up is short.


_SHORT = 48  # columns; shorter rows are turned over
_SPARE = 4  # times as much room as is needed is let go
_CHUNK = 4096  # numbers that are added up in single precision before a sum goes to double
FLOOR = {np.dtype(np.float32): -87.0, np.dtype(np.float64): -700.0}  # exp of less counts nothing


class _Room(threading.local):
    """Arrays of a thread to work in, kept from block to block: new memory costs as much as exp."""

    def __init__(self) -> None:
        self._bytes = np.empty((3, 0), dtype=np.uint8)

    def arrays(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Numbers:
        """Return three arrays of this shape, with anything in them."""
        size = prod(shape) * dtype.itemsize
        if not size <= self._bytes.shape[1] <= _SPARE * size:
            self._bytes = np.empty((3, size), dtype=np.uint8)
        return self._bytes[:, :size].view(dtype).reshape(3, *shape)


_room = _Room()


def row_moments(logits: Numbers, betas: tuple[float, ...]) -> RowMoments:
    """Return the moments of each row of a block, (m, k)."""
    z = _in_working_precision(logits)
    across = z.shape[1] > _SHORT
    if not across:
        z = np.ascontiguousarray(z.T)
    axis = 1 if across else 0
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):  # bad values show in sums
        largest, smallest = z.max(axis=axis), z.min(axis=axis)
        lowest = float((smallest - largest).min())  # a nan stays
        if np.isneginf(smallest).any():
            smallest = np.where(np.isneginf(z), np.inf, z).min(axis=axis)
        centred, s, e = _room.arrays(z.shape, z.dtype)
        np.subtract(z, np.expand_dims(largest, axis), out=centred)
        sums = [_moments(centred, beta, axis, s, e, lowest) for beta in betas]
    return RowMoments(as_float64(largest), as_float64(smallest), sums, added_up)


def loss_pass(
    logits: Numbers,
    labels: NDArray[np.intp],
    weights: NDArray[np.float64] | None,
    *,
    betas: tuple[float, ...],
    moments: RowMomentsKernel = row_moments,
) -> LossPass:
    """Return the sums of one block of rows at each inverse temperature > 0."""
    of_label = logits[np.arange(len(labels)), labels]
    with np.errstate(invalid="ignore", over="ignore"):
        return LossPass.of(moments(logits, betas), of_label, weights, betas=betas)


def fold_passes(
    logits: Numbers,
    labels: NDArray[np.intp],
    weights: NDArray[np.float64] | None,
    *,
    folds: list[NDArray[np.intp]],
    betas: tuple[float, ...],
    moments: RowMomentsKernel,
) -> tuple[LossPass | None, ...]:
    """Return the sums of some rows of a block apart, fold by fold; None where it has no row."""
    of_label = logits[np.arange(len(labels)), labels]
    with np.errstate(invalid="ignore", over="ignore"):
        of_rows = moments(logits, betas)
        return tuple(
            LossPass.of(
                of_rows.taken(own), of_label[own], None if weights is None else weights[own],
                betas=betas,
            )
            if len(own)
            else None
            for own in folds
        )  # fmt: skip


def loss_sums(
    logits: Numbers, labels: NDArray[np.intp], weights: NDArray[np.float64] | None, *, beta: float
) -> LossSums:
    """Return the sums of one block of rows at the inverse temperature `beta` > 0."""
    return loss_pass(logits, labels, weights, betas=(beta,)).at[0]


def existence_sums(
    logits: Numbers, labels: NDArray[np.intp], weights: NDArray[np.float64] | None
) -> ExistenceSums:
    """Return the sums of one block of rows that decide whether an optimum exists."""
    z = as_float64(logits)
    z = centred_rows(z)
    of_label = z[np.arange(len(labels)), labels]
    exists = ~np.isneginf(z)
    z = np.where(exists, z, 0.0)
    mean, smallest = z.sum(axis=1) / exists.sum(axis=1), z.min(axis=1)
    exponent = scale_exponent(weights)
    w = np.ones(len(labels)) if weights is None else np.ldexp(weights, -exponent)
    return ExistenceSums(
        weight=float(w.sum()),
        gap_to_largest=float(w @ -of_label),
        gap_to_mean=float(w @ (mean - of_label)),
        spread=float(w @ -smallest),
        exponent=exponent,
    )


def _in_working_precision(logits: Numbers) -> Numbers:
    if logits.dtype == np.float32 or logits.dtype.itemsize == 2:
        return np.asarray(logits, dtype=np.float32)
    return as_float64(logits)


def _moments(
    z: Numbers, beta: float, axis: int, s: Numbers, e: Numbers, lowest: float
) -> NDArray[np.float64]:
    """Return the four sums of each row at `beta`; `s` and `e` are room to work in."""
    floor = FLOOR[z.dtype]
    np.multiply(z, z.dtype.type(beta), out=s)
    if not beta * lowest > floor:  # an option that does not exist (-inf) counts as little as this
        np.maximum(s, floor, out=s)
    np.exp(s, out=e)
    sums = np.empty((4, z.shape[1 - axis]))
    sums[0] = e.sum(axis=axis)
    for power in (1, 2, 3):
        sums[power] = _dot(e, s, axis)
        if power < 3:
            e *= s
    return sums


def _dot(e: Numbers, s: Numbers, axis: int) -> Numbers:
    """Sum of e s along an axis."""
    if axis == 0:
        return np.asarray(np.einsum("ij,ij->j", e, s))
    if e.shape[1] <= _CHUNK:
        return np.asarray(np.vecdot(e, s))
    total = np.zeros(len(e))
    for start in range(0, e.shape[1], _CHUNK):
        part = slice(start, start + _CHUNK)
        total += np.vecdot(e[:, part], s[:, part])
    return total
