"""The moments of rows in NumPy: the reference, in the precision of the logits.

float16 and bfloat16 are computed in float32. Long rows are worked on as they lie; short ones are
turned over first, because NumPy is slow where the axis that it adds up is short.
"""

from __future__ import annotations

import threading
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.kernels.loss import ExistenceSums, LossPass, LossSums, RowMoments, added_up
from temperance.numerics import as_float64
from temperance.sums import scale_exponent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.kernels.loss import RowMomentsKernel

    Array = NDArray[Any]

__all__ = ["FLOOR", "existence_sums", "loss_pass", "loss_sums", "row_moments"]

_SHORT = 48  # columns; shorter rows are turned over
_SPARE = 4  # times as much room as is needed is let go
_CHUNK = 4096  # numbers that are added up in single precision before a sum goes to double
FLOOR = {np.dtype(np.float32): -87.0, np.dtype(np.float64): -700.0}  # exp of less counts nothing


class _Room(threading.local):
    """Arrays of a thread to work in, kept from block to block: new memory costs as much as exp."""

    def __init__(self) -> None:
        self._bytes = np.empty((3, 0), dtype=np.uint8)

    def arrays(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """Return three arrays of this shape, with anything in them."""
        size = prod(shape) * dtype.itemsize
        if not size <= self._bytes.shape[1] <= _SPARE * size:
            self._bytes = np.empty((3, size), dtype=np.uint8)
        return self._bytes[:, :size].view(dtype).reshape(3, *shape)


_room = _Room()


def row_moments(logits: Array, betas: tuple[float, ...]) -> RowMoments:
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
    logits: Array,
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
    logits: Array,
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
    logits: Array, labels: NDArray[np.intp], weights: NDArray[np.float64] | None, *, beta: float
) -> LossSums:
    """Return the sums of one block of rows at the inverse temperature `beta` > 0."""
    return loss_pass(logits, labels, weights, betas=(beta,)).at[0]


def existence_sums(
    logits: Array, labels: NDArray[np.intp], weights: NDArray[np.float64] | None
) -> ExistenceSums:
    """Return the sums of one block of rows that decide whether an optimum exists."""
    z = as_float64(logits)
    z = z - z.max(axis=1, keepdims=True)
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


def _in_working_precision(logits: Array) -> Array:
    if logits.dtype == np.float32 or logits.dtype.itemsize == 2:
        return np.asarray(logits, dtype=np.float32)
    return as_float64(logits)


def _moments(
    z: Array, beta: float, axis: int, s: Array, e: Array, lowest: float
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


def _dot(e: Array, s: Array, axis: int) -> Array:
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
