"""The moments of rows, compiled: one pass over each row while it lies in the cache.

The exponential is a polynomial that the compiler turns into vector instructions: relative errors
of at most 3e-7 in single and 3.3e-14 in double precision, and of 1.2e-7 and 1e-14 where terms count
(docs/kernels.md says how it works and how to change it). Sums of up to 1,024 terms are in the
precision of the logits, sums of these in double precision. A row is read a first time as integers,
whose order is that of the floats: this finds its ends, and any nan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir
from numba import float32, float64, int32, int64, njit, void
from numba.extending import intrinsic, overload

from temperance.kernels.loss import FLOOR, ORDER, LossSeries, LossSums, RowMoments

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

__all__ = ["row_moments"]

_SHORT = 32  # columns; rows as short are turned over, a tile of rows at a time
_TILE = 128  # rows
_CHUNK = 1024  # terms that are added up in the precision of the logits
_REORDER = {"reassoc", "contract", "nsz", "arcp"}  # sums in any order; nan and infinity are kept
LOG2_E, LOG2_E_32 = 1.4426950408889634, np.float32(1.4426950408889634)
HALF_32, ONE_32 = np.float32(0.5), np.float32(1.0)
# ln 2 in two parts, the first exact in few bits, and the coefficients of exp: Cephes.
LN2_32 = np.float32(0.693359375), np.float32(-2.12194440e-4)
LN2_64 = 0.693145751953125, 1.42860682030941723212e-6
EXP_32 = tuple(
    np.float32(c)
    for c in (
        1.9875691500e-4,
        1.3981999507e-3,
        8.3334519073e-3,
        4.1665795894e-2,
        1.6666665459e-1,
        0.5,
    )
)


def row_moments(logits: Array, betas: tuple[float, ...], *, series: bool = False) -> RowMoments:
    """Return the moments of each row of a block, (m, k); with `series` to s^10 at the last b."""
    single = logits.dtype == np.float32 or logits.dtype.itemsize == 2
    z = np.require(logits, np.float32 if single else np.float64, ["C", "A"])
    ends = np.empty((2, len(z)), dtype=z.dtype)
    b, floor = np.array(betas, dtype=z.dtype), z.dtype.type(FLOOR[z.dtype])
    powers = None
    if series:
        sums, powers = np.empty((len(betas) - 1, 4, len(z))), np.empty((ORDER + 1, len(z)))
        _series_rows(z, b, floor, ends, sums, powers)
        of_betas = [*sums, powers[:4]]
    else:
        sums = np.empty((len(betas), 4, len(z)))
        fill = _short_rows if z.shape[1] <= _SHORT else _long_rows
        fill(z, b, floor, ends, sums)
        of_betas = list(sums)
    smallest = ends[1].astype(np.float64)
    for row in np.flatnonzero(np.isneginf(smallest)):  # of the options that exist
        smallest[row] = z[row].min(initial=np.inf, where=~np.isneginf(z[row]))
    largest = ends[0].astype(np.float64)
    return RowMoments(largest, smallest, of_betas, added_up, powers, added_series)


def added_up(moments: Array, gap: Array, w: Array | None, beta: float) -> LossSums:
    """Return the sums of rows with these moments, as `loss.added_up` does."""
    # of one row of weight 1, if there are no weights: read for every row
    weights = np.ones(1) if w is None else w
    sums = _added_up(moments, np.log(moments[0]), gap, weights, beta)
    return LossSums(float(len(gap)) if w is None else float(w.sum()), *sums)


def added_series(
    powers: Array, gap: Array, width: Array, w: Array | None, beta: float
) -> LossSeries:
    """Return the derivatives of rows with these moments, summed; `width` = max z - min z."""
    weights = np.ones(1) if w is None else w
    loss = np.log(powers[0]) - beta * gap
    cumulants = np.empty((ORDER, len(gap)))
    _cumulants(powers, beta * gap, cumulants)
    derivatives, variances = np.zeros(ORDER + 1), np.zeros(ORDER - 1)
    slopes = np.zeros((ORDER, ORDER))
    remainder = _add_series(
        loss, cumulants, beta * width, weights, derivatives, slopes, variances
    )  # fmt: skip
    return LossSeries(derivatives, slopes, variances, remainder)


def _reinterpreted(source, to, llvm):
    """Return a function that reads the bits of one type as another."""

    @intrinsic
    def read(_context, _value):
        def build(_lower, builder, _signature, arguments):
            return builder.bitcast(arguments[0], llvm)

        return to(source), build

    return read


@intrinsic
def _wide_vectors(_context):
    """Let the loops of the function that calls this take 512 bits at a time where there are such.

    LLVM takes 256 of its own accord, for the sake of programs with few such loops: these took twice
    the time.
    """

    def build(context, builder, _signature, _arguments):
        set.add(
            builder.function.attributes, '"prefer-vector-width"="512"'
        )  # llvmlite knows no text
        return context.get_dummy_value()

    return void(), build


_in_wide_vectors: Any = _wide_vectors
_to_float32 = _reinterpreted(int32, float32, ir.FloatType())
_to_float64 = _reinterpreted(int64, float64, ir.DoubleType())
_to_int32 = _reinterpreted(float32, int32, ir.IntType(32))
_to_int64 = _reinterpreted(float64, int64, ir.IntType(64))


def _exp(s):
    """exp(s) for s between the floor and 0."""
    raise NotImplementedError


@overload(_exp, inline="always")
def _exp_of(s):
    def single(s):
        n = int32(s * LOG2_E_32 - HALF_32)
        r = s - float32(n) * LN2_32[0] - float32(n) * LN2_32[1]
        p = EXP_32[0]
        p = p * r + EXP_32[1]
        p = p * r + EXP_32[2]
        p = p * r + EXP_32[3]
        p = p * r + EXP_32[4]
        p = p * r + EXP_32[5]
        p = p * r * r + r + ONE_32
        return p * _to_float32((n + int32(127)) << int32(23))

    def double(s):
        n = int32(s * LOG2_E - 0.5)
        r = s - float64(n) * LN2_64[0] - float64(n) * LN2_64[1]
        p = 1.0 / 39916800.0  # 1 / 11!
        p = p * r + 1.0 / 3628800.0
        p = p * r + 1.0 / 362880.0
        p = p * r + 1.0 / 40320.0
        p = p * r + 1.0 / 5040.0
        p = p * r + 1.0 / 720.0
        p = p * r + 1.0 / 120.0
        p = p * r + 1.0 / 24.0
        p = p * r + 1.0 / 6.0
        p = p * r + 0.5
        p = p * r * r + r + 1.0
        return p * _to_float64((int64(n) + int64(1023)) << int64(52))

    return single if s == float32 else double


def _rank(x):
    """Integer in whose order the floats lie: nan beyond infinity, -nan below -infinity."""
    raise NotImplementedError


@overload(_rank, inline="always")
def _rank_of(x):
    def single(x):
        bits = _to_int32(x)
        return int32(bits ^ ((bits >> int32(31)) & int32(0x7FFFFFFF)))

    def double(x):
        bits = _to_int64(x)
        return bits ^ ((bits >> int64(63)) & int64(0x7FFFFFFFFFFFFFFF))

    return single if x == float32 else double


def _of_rank(x):
    """Return the float of that rank."""
    raise NotImplementedError


@overload(_of_rank, inline="always")
def _of_rank_of(x):
    def single(x):
        return _to_float32(int32(x ^ ((x >> int32(31)) & int32(0x7FFFFFFF))))

    def double(x):
        return _to_float64(x ^ ((x >> int64(63)) & int64(0x7FFFFFFFFFFFFFFF)))

    return single if x == int32 else double


@njit(nogil=True, cache=True, fastmath=_REORDER, error_model="numpy")
def _ends(z):
    """Largest and smallest number of a row, found by their ranks."""
    _in_wide_vectors()
    largest = smallest = _rank(z[0])
    for j in range(len(z)):
        x = _rank(z[j])
        largest = max(largest, x)
        smallest = min(smallest, x)
    return _of_rank(largest), _of_rank(smallest)


@njit(nogil=True, cache=True, fastmath=_REORDER, error_model="numpy")
def _chunk_moments(z, largest, beta, floor):
    """Sums over part of a row, each of exp(s) and a power of s."""
    _in_wide_vectors()
    s0 = s1 = s2 = s3 = beta - beta
    for j in range(len(z)):
        s = max((z[j] - largest) * beta, floor)
        e = _exp(s)
        u = e * s
        v = u * s
        s0 += e
        s1 += u
        s2 += v
        s3 += v * s
    return s0, s1, s2, s3


@njit(nogil=True, cache=True, error_model="numpy")
def _long_rows(z, betas, floor, ends, sums):
    """Fill `ends` (2, m) and `sums` (b, 4, m), row by row."""
    _in_wide_vectors()
    m, k = z.shape
    for i in range(m):
        largest, smallest = _ends(z[i])
        ends[0, i] = largest
        ends[1, i] = smallest
        for b in range(len(betas)):
            for power in range(4):
                sums[b, power, i] = 0.0
        for start in range(0, k, _CHUNK):
            part = z[i, start : min(start + _CHUNK, k)]
            for b in range(len(betas)):
                s0, s1, s2, s3 = _chunk_moments(part, largest, betas[b], floor)
                sums[b, 0, i] += s0
                sums[b, 1, i] += s1
                sums[b, 2, i] += s2
                sums[b, 3, i] += s3


@njit(nogil=True, cache=True, fastmath=_REORDER, error_model="numpy")
def _chunk_powers(z, largest, beta, floor):
    """Sums over part of a row, each of exp(s) and a power of s, to the tenth."""
    _in_wide_vectors()
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = s8 = s9 = s10 = beta - beta
    for j in range(len(z)):
        s = max((z[j] - largest) * beta, floor)
        e = _exp(s)
        s0 += e
        e *= s
        s1 += e
        e *= s
        s2 += e
        e *= s
        s3 += e
        e *= s
        s4 += e
        e *= s
        s5 += e
        e *= s
        s6 += e
        e *= s
        s7 += e
        e *= s
        s8 += e
        e *= s
        s9 += e
        s10 += e * s
    return s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10


@njit(nogil=True, cache=True, error_model="numpy")
def _series_rows(z, betas, floor, ends, sums, powers):
    """Fill `ends`, `sums` of all b but the last, and `powers` (11, m) of that."""
    _in_wide_vectors()
    m, k = z.shape
    last = betas[-1]
    for i in range(m):
        largest, smallest = _ends(z[i])
        ends[0, i] = largest
        ends[1, i] = smallest
        sums[:, :, i] = 0.0
        powers[:, i] = 0.0
        for start in range(0, k, _CHUNK):
            part = z[i, start : min(start + _CHUNK, k)]
            for b in range(len(sums)):
                of_part = _chunk_moments(part, largest, betas[b], floor)
                for j in range(4):
                    sums[b, j, i] += of_part[j]
            high = _chunk_powers(part, largest, last, floor)
            for j in range(len(powers)):
                powers[j, i] += high[j]


@njit(nogil=True, cache=True, fastmath=_REORDER, error_model="numpy")
def _cumulants(powers, gap, cumulants):
    """Fill `cumulants` (10, m) of s, of order 1 to 10, the first less that of the label."""
    _in_wide_vectors()
    order, m = cumulants.shape
    moments = np.empty((order, m))
    for n in range(order):
        for i in range(m):
            moments[n, i] = cumulants[n, i] = powers[n + 1, i] / powers[0, i]
        ways = 1.0  # n over j
        for j in range(n):
            for i in range(m):
                cumulants[n, i] -= ways * cumulants[j, i] * moments[n - j - 1, i]
            ways *= (n - j) / (j + 1)
    for i in range(m):
        cumulants[0, i] -= gap[i]
        cumulants[1, i] = max(cumulants[1, i], 0.0)


@njit(nogil=True, cache=True, fastmath=_REORDER, error_model="numpy")
def _add_series(loss, cumulants, width, weights, derivatives, slopes, variances):
    """Add to the fields of `LossSeries`; return the last."""
    _in_wide_vectors()
    order, m = cumulants.shape
    step = min(len(weights) - 1, 1)
    total = remainder = 0.0
    for i in range(m):
        w, r = weights[i * step], width[i]
        total += w * loss[i]
        cube = r * r * r
        remainder += w * cumulants[1, i] * cube * cube * cube
    derivatives[0] += total
    weighted = np.empty(m)
    for n in range(order):
        total = squared = 0.0
        for i in range(m):
            w = weights[i * step]
            total += w * cumulants[n, i]
            weighted[i] = w * w * cumulants[n, i]
            squared += weighted[i]
        derivatives[n + 1] += total
        if n > 0:
            variances[n - 1] += squared
        for other in range(n + 1):
            both = 0.0
            for i in range(m):
                both += weighted[i] * cumulants[other, i]
            slopes[n, other] += both
            if other < n:
                slopes[other, n] += both
    return remainder


@njit(nogil=True, cache=True, error_model="numpy")
def _short_rows(z, betas, floor, ends, sums):
    """Fill `ends` and `sums` for a tile of rows at a time, whose classes lie side by side."""
    _in_wide_vectors()
    m, k = z.shape
    tile = np.empty((k, _TILE), dtype=z.dtype)
    largest, smallest = np.empty(_TILE, dtype=z.dtype), np.empty(_TILE, dtype=z.dtype)
    totals = np.empty((4, _TILE), dtype=z.dtype)
    for first in range(0, m, _TILE):
        n = min(_TILE, m - first)
        rows = z[first : first + n]
        for j in range(k):
            column, values = rows[:, j], tile[j]
            for i in range(n):  # places counted from 0 need no look at whether they are negative
                values[i] = column[i]
        for i in range(n, _TILE):  # the last tile is filled up with its last row
            tile[:, i] = tile[:, n - 1]
        largest[:] = tile[0]
        smallest[:] = tile[0]
        for j in range(1, k):
            _widen(tile[j], largest, smallest)
        ends[0, first : first + n] = largest[:n]
        ends[1, first : first + n] = smallest[:n]
        for b in range(len(betas)):
            totals[:] = 0.0
            for j in range(k):
                _add_class(
                    tile[j], largest, betas[b], floor, totals[0], totals[1], totals[2], totals[3]
                )
            sums[b, :, first : first + n] = totals[:, :n]


@njit(nogil=True, cache=True, fastmath=_REORDER, error_model="numpy")
def _widen(z, largest, smallest):
    """Let the ends of the rows of a tile hold one more class."""
    _in_wide_vectors()
    for i in range(len(z)):
        x = _rank(z[i])
        largest[i] = _of_rank(max(_rank(largest[i]), x))
        smallest[i] = _of_rank(min(_rank(smallest[i]), x))


@njit(nogil=True, cache=True, fastmath=_REORDER, error_model="numpy")
def _add_class(z, largest, beta, floor, s0, s1, s2, s3):
    """Add what one class contributes to the four sums of the rows of a tile."""
    _in_wide_vectors()
    for i in range(len(z)):
        s = max((z[i] - largest[i]) * beta, floor)
        e = _exp(s)
        u = e * s
        v = u * s
        s0[i] += e
        s1[i] += u
        s2[i] += v
        s3[i] += v * s


@njit(nogil=True, cache=True, fastmath=_REORDER, error_model="numpy")
def _added_up(moments, logs, gap, weights, beta):
    """Return the fields of `LossSums` after the weight."""
    _in_wide_vectors()
    step = min(len(weights) - 1, 1)
    loss = slope = curvature = third = g2 = gv = v2 = 0.0
    for i in range(len(gap)):
        w = weights[i * step]
        share = 1.0 / moments[0, i]
        mean, square = moments[1, i] * share, moments[2, i] * share
        squared_mean = mean * mean
        variance = max(square - squared_mean, 0.0)
        g = mean / beta - gap[i]
        loss += w * (logs[i] - beta * gap[i])
        slope += w * g
        curvature += w * variance
        third += w * (moments[3, i] * share - mean * (3.0 * square - 2.0 * squared_mean))
        w *= w
        g2 += w * g * g
        gv += w * g * variance
        v2 += w * variance
    bend = beta * beta
    return loss, slope, curvature / bend, third / (bend * beta), g2, 2.0 * gv / bend, v2 / bend
