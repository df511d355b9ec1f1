"""From what the caller of a fit gives with a Dask array of logits to chunks cut alike."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan, prod
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.blocks.chunks import Part
from temperance.checks.arrays import as_array
from temperance.checks.dense import require_axis
from temperance.checks.scores import require_shape
from temperance.checks.tensors import is_dask_array
from temperance.errors import InvalidInputError

if TYPE_CHECKING:
    from dask.array import Array

__all__ = ["Cut", "Pieces", "cut"]

Pieces = tuple[Part, Part, Part]  # logits, labels, weights of a chunk


@dataclass(frozen=True, slots=True)
class Cut:
    """Chunks of rows, with the place of the first row of each (None where sizes are unknown)."""

    pieces: list[Pieces]
    firsts: list[int | None]
    k: int
    elements: int


def cut(logits: Array, labels: Any, weights: Any, *, class_axis: int) -> Cut:  # noqa: ANN401
    """Return logits, labels and weights in the chunks of the logits, or say what is in the way."""
    if logits.ndim > 1:
        require_axis(class_axis, ndim=logits.ndim)
    k = _classes(logits, class_axis)
    sizes = logits.chunks[0]
    beside = [
        _beside(values, sizes, name=name)
        for values, name in ((labels, "labels"), (weights, "weights"))
    ]
    pieces = list(zip(logits.to_delayed().ravel(), *beside, strict=True))
    known = not any(isnan(size) for size in sizes)
    per_entry = prod(logits.shape[1:]) // k if logits.ndim > 1 else 1
    starts = np.cumsum([0, *sizes[:-1]]) * per_entry
    firsts = [int(start) if known else None for start in starts]
    return Cut(pieces, firsts, k, int(sum(sizes)) * per_entry * k if known else 0)


def _classes(logits: Array, class_axis: int) -> int:
    """Return the number of classes; every row must lie in one chunk."""
    if logits.ndim <= 1:
        require_shape(logits.shape)
        return 2
    axis = class_axis % logits.ndim
    for other in range(1, logits.ndim):
        if len(logits.chunks[other]) > 1:
            msg = (
                f"`logits` must be cut along their first axis only, but axis {other} is cut into "
                f"{len(logits.chunks[other])} chunks: pass `logits.rechunk({{{other}: -1}})`."
            )
            raise InvalidInputError(msg)
    if axis == 0 or any(isnan(size) for size in logits.shape[1:]):
        msg = (
            "`logits` as a Dask array must have rows (images, sequences) along the first axis "
            f"and known sizes along the others, got shape {logits.shape} with `class_axis` "
            f"{class_axis}."
        )
        raise InvalidInputError(msg)
    k = int(logits.shape[axis])
    rows = 0 if isnan(logits.shape[0]) else logits.shape[0]
    if k == 1 and logits.ndim == 2:
        return 2
    require_shape((rows, k))
    return k


def _beside(values: Any, sizes: tuple[Any, ...], *, name: str) -> list[Any]:  # noqa: ANN401
    """Return what lies beside each chunk of logits; arrays are cut, None stays None."""
    if values is None:
        return [None] * len(sizes)
    known = not any(isnan(size) for size in sizes)
    if np.ndim(values) == 0:
        _require_rows((), sum(sizes), name=name)
    if not is_dask_array(values):
        if not known:
            msg = (
                f"`{name}` cannot be cut like `logits`, whose chunks have unknown sizes: call "
                f"`logits.compute_chunk_sizes()` first, or pass {name} as a Dask array."
            )
            raise InvalidInputError(msg)
        array = _narrow(as_array(values, name=name))
        _require_rows(array.shape[:1], sum(sizes), name=name)
        return np.split(array, np.cumsum(sizes)[:-1])
    if known and not any(isnan(size) for size in values.chunks[0]):
        _require_rows(values.shape[:1], sum(sizes), name=name)
        values = values.rechunk({0: sizes, **dict.fromkeys(range(1, values.ndim), -1)})
    if values.numblocks != (len(sizes), *(1,) * (values.ndim - 1)):
        msg = (
            f"`{name}` must be cut like `logits`, into {len(sizes)} chunks of rows, got "
            f"{values.numblocks}, of unknown sizes: call `compute_chunk_sizes()` of both."
        )
        raise InvalidInputError(msg)
    return list(values.to_delayed().ravel())


def _require_rows(rows: tuple[int, ...], n: int, *, name: str) -> None:
    if rows != (n,):
        found = rows[0] if rows else "a single value"
        msg = f"`{name}` must have one value per row of `logits`, {n:,}, got {found}."
        raise InvalidInputError(msg)


def _narrow(labels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return integers in the smallest type that holds them: they travel with every pass."""
    if labels.dtype.kind not in "iu" or not labels.size:
        return labels
    ends = (np.min_scalar_type(end) for end in (labels.min(), labels.max()))
    return labels.astype(np.result_type(*ends))
