"""A row of scores as bytes: one for how they are written, then the numbers, little-endian.

Trailing options that do not exist (-inf) are left out, so that rows may differ in length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Precision", "packed", "unpacked"]

Precision = Literal["float32", "float16"]

_KINDS: dict[str, tuple[bytes, str]] = {"float32": (b"\x00", "<f4"), "float16": (b"\x01", "<f2")}
_DTYPES = {kind[0]: np.dtype(dtype) for kind, dtype in _KINDS.values()}


def packed(logits: NDArray[np.floating], precision: Precision) -> list[bytes]:
    """Return each row of checked logits (n, k) as bytes."""
    kind, dtype = _KINDS[precision]
    limit = float(np.finfo(dtype).max)
    with np.errstate(over="ignore", invalid="ignore"):
        # only differences within a row count; half precision is finest near 0
        centred = logits - logits.max(axis=1, keepdims=True)
        small = np.where(np.isneginf(centred), -np.inf, np.maximum(centred, -limit)).astype(dtype)
    content, width = small.tobytes(), small.itemsize * logits.shape[1]
    rows = [kind + content[start : start + width] for start in range(0, len(content), width)]
    missing = np.isneginf(small)
    for place in np.flatnonzero(missing[:, -1]).tolist():
        there = int(np.flatnonzero(~missing[place])[-1]) + 1
        rows[place] = rows[place][: 1 + there * small.itemsize]
    return rows


def unpacked(rows: Sequence[bytes], k: int) -> NDArray[np.float32]:
    """Return rows of bytes as logits (n, k), -inf where an option does not exist."""
    logits = np.full((len(rows), k), -np.inf, dtype=np.float32)
    if not rows:
        return logits
    if len(set(map(len, rows))) == 1 and len({row[0] for row in rows}) == 1:
        _fill(logits, slice(None), rows)
        return logits
    shapes: dict[tuple[int, int], list[int]] = {}
    for place, row in enumerate(rows):
        shapes.setdefault((len(row), row[0]), []).append(place)
    for places in shapes.values():
        _fill(logits, np.array(places), [rows[place] for place in places])
    return logits


def _fill(
    logits: NDArray[np.float32], places: NDArray[np.intp] | slice, rows: Sequence[bytes]
) -> None:
    """Write rows of one length and kind at their places."""
    dtype = _DTYPES[rows[0][0]]
    table = np.frombuffer(b"".join(rows), dtype=np.uint8).reshape(len(rows), -1)
    numbers = np.ascontiguousarray(table[:, 1:]).view(dtype)
    logits[places, : numbers.shape[1]] = numbers
