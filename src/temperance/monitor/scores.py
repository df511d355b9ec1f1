"""A row of scores as bytes: one for how they are written, then the numbers, little-endian.

A row is whole, or of few options: the numbers of those that differ from the rest, where each of
them is (in 1, 2 or 4 bytes, the fewest in which the row's last option can be told), and what the
rest has: nothing (-inf: an option that does not exist, or is not shown), or one number. Whichever
takes fewer bytes is written; both give the same numbers back. Trailing options that do not exist
are left out, so that rows may differ in length, and a row is the same bytes however it was padded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from temperance.numerics import centred_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Numbers = NDArray[np.float32] | NDArray[np.float16]

__all__ = [
    "MOST_OPTIONS",
    "Precision",
    "packed",
    "packed_few",
    "repacked",
    "unpacked",
    "unpacked_few",
]

Precision = Literal["float32", "float16"]

_DTYPES: Final[dict[str, np.dtype[Any]]] = {
    "float32": np.dtype("<f4"),
    "float16": np.dtype("<f2"),
}
# The first byte: 1 of half precision, + 2, 4 or 6 where few options are written, by the bytes of a
# place (0: the row is whole), + 8 where the rest has a number (before it, how many options).
_HALF, _PLACES, _REST = 1, 6, 8
_PLACE_DTYPES: Final[dict[int, np.dtype[Any]]] = {
    2: np.dtype("u1"),
    4: np.dtype("<u2"),
    6: np.dtype("<u4"),
}
_CODES = {1: 2, 2: 4, 4: 6}
_WIDTH = np.dtype("<u4")  # of a row whose rest has a number
MOST_OPTIONS = 1 << 32


def packed(logits: NDArray[np.floating], precision: Precision) -> list[bytes]:
    """Return each row of checked logits (n, k) as bytes."""
    small = _centred(logits, precision)
    return _packed(small)


def packed_few(
    options: NDArray[np.int64], logits: NDArray[np.floating], precision: Precision
) -> list[bytes]:
    """Return rows of options by their numbers (n, m), and their logits, as bytes.

    A row's options differ; those at -inf are not written, and one at least is another.
    """
    small = _centred(logits, precision)
    finite = np.isfinite(small)
    order = np.where(finite, options, MOST_OPTIONS).argsort(axis=1, kind="stable")
    small, options, finite = (
        np.take_along_axis(each, order, axis=1) for each in (small, options, finite)
    )
    last = options[np.arange(len(options)), finite.sum(axis=1) - 1]
    rows: list[bytes] = [b""] * len(options)
    _write_few(rows, np.arange(len(options)), small, finite, options, last + 1, None)
    return rows


def _centred(logits: NDArray[np.floating], precision: Precision) -> Numbers:
    """Return rows whose largest is 0, in the precision of the store."""
    dtype = _DTYPES[precision]
    limit = float(np.finfo(dtype).max)
    with np.errstate(over="ignore", invalid="ignore"):
        # only differences within a row count; half precision is finest near 0
        centred = centred_rows(logits)
        low = np.where(np.isneginf(centred), -np.inf, np.maximum(centred, -limit))
        small: Numbers = low.astype(dtype)
    return small


def _packed(small: Numbers) -> list[bytes]:
    """Return rows of numbers, which are not changed any more, as bytes."""
    n, k = small.shape
    kind = bytes([_HALF if small.itemsize == 2 else 0])
    content, span = small.tobytes(), small.itemsize * k
    rows = [kind + content[start : start + span] for start in range(0, n * span, span)]
    missing = np.isneginf(small)
    widths = np.full(n, k)
    if missing[:, -1].any():
        widths = k - (~missing[:, ::-1]).argmax(axis=1)
        for place in np.flatnonzero(widths < k).tolist():
            rows[place] = rows[place][: 1 + int(widths[place]) * small.itemsize]
    beyond = np.arange(k) >= widths[:, None]
    rest = np.where(beyond, np.inf, small).min(axis=1)
    others = (small != rest[:, None]) & ~beyond
    sizes = 1 + others.sum(axis=1) * (small.itemsize + _place_bytes(widths))
    numbered = np.isfinite(rest)
    sizes += numbered * (_WIDTH.itemsize + small.itemsize)
    few = sizes < 1 + widths * small.itemsize
    options = np.broadcast_to(np.arange(k), (n, k))
    for some, value in ((few & ~numbered, None), (few & numbered, rest)):
        at = np.flatnonzero(some)
        _write_few(rows, at, small, others, options, widths, value)
    return rows


def _place_bytes(widths: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Return in how many bytes each place of rows of so many options is written."""
    return np.where(widths <= 1 << 8, 1, np.where(widths <= 1 << 16, 2, 4))


def _write_few(
    rows: list[bytes],
    at: NDArray[np.intp],
    small: Numbers,
    others: NDArray[np.bool_],
    options: NDArray[np.integer[Any]],
    widths: NDArray[np.integer[Any]],
    rest: Numbers | None,
) -> None:
    """Write the rows at some places: their few `others` among `options`, and what the rest has."""
    if not len(at):
        return
    counts, sizes = others[at].sum(axis=1), _place_bytes(widths[at])
    first = _HALF if small.itemsize == 2 else 0
    for size in np.unique(sizes).tolist():
        for count in np.unique(counts[sizes == size]).tolist():
            own = at[(sizes == size) & (counts == count)]
            code = _CODES[size]
            parts = [np.full((len(own), 1), first + code + (rest is not None) * _REST, np.uint8)]
            if rest is not None:
                parts += [_bytes(widths[own, None].astype(_WIDTH)), _bytes(rest[own, None])]
            shape = (len(own), count)
            parts.append(_bytes(small[own][others[own]].reshape(shape)))
            places = options[own][others[own]].reshape(shape)
            parts.append(_bytes(places.astype(_PLACE_DTYPES[code])))
            table = np.concatenate(parts, axis=1)
            content, span = table.tobytes(), table.shape[1]
            for number, place in enumerate(own.tolist()):
                rows[place] = content[number * span : (number + 1) * span]


def _bytes(numbers: NDArray[Any]) -> NDArray[np.uint8]:
    """Return rows of numbers (n, m) as bytes (n, m times their size)."""
    return np.ascontiguousarray(numbers).view(np.uint8).reshape(len(numbers), -1)


def repacked(rows: Sequence[bytes], k: int) -> list[bytes]:
    """Return rows of bytes of any version as they are written now; no number changes."""
    logits = unpacked(rows, k)
    again: list[bytes] = [b""] * len(rows)
    halves = np.fromiter((row[0] & _HALF for row in rows), dtype=bool, count=len(rows))
    for half, dtype in ((False, _DTYPES["float32"]), (True, _DTYPES["float16"])):
        places = np.flatnonzero(halves == half)
        for place, row in zip(places.tolist(), _packed(logits[places].astype(dtype)), strict=True):
            again[place] = row
    return again


def unpacked(rows: Sequence[bytes], k: int) -> NDArray[np.float32]:
    """Return rows of bytes as logits (n, k), -inf where an option does not exist."""
    logits = np.full((len(rows), k), -np.inf, dtype=np.float32)
    for places, alike in _alike(rows):
        table = _RowTable.of(alike)
        if table.places is None:
            logits[places, : table.numbers.shape[1]] = table.numbers
            continue
        if table.rest is not None and table.widths is not None:
            own = np.arange(k) < table.widths[:, None]
            logits[places] = np.where(own, table.rest[:, None], np.float32(-np.inf))
        at = np.arange(len(rows))[places] if isinstance(places, slice) else places
        logits[at[:, None], table.places] = table.numbers
    return logits


def unpacked_few(rows: Sequence[bytes], m: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the logits (n, m) of the options that rows of `packed_few` show, and their numbers.

    By number, rising; -inf and -1 where a row shows fewer.
    """
    logits = np.full((len(rows), m), -np.inf, dtype=np.float32)
    options = np.full((len(rows), m), -1, dtype=np.int64)
    for places, alike in _alike(rows):
        table = _RowTable.of(alike)
        assert table.places is not None  # noqa: S101  (no such row is whole)
        logits[places, : table.numbers.shape[1]] = table.numbers
        options[places, : table.numbers.shape[1]] = table.places
    return logits, options


def _alike(rows: Sequence[bytes]) -> list[tuple[NDArray[np.intp] | slice, Sequence[bytes]]]:
    """Return rows of one length and kind together, and where they are."""
    if not rows:
        return []
    if len(set(map(len, rows))) == 1 and len({row[0] for row in rows}) == 1:
        return [(slice(None), rows)]
    shapes: dict[tuple[int, int], list[int]] = {}
    for place, row in enumerate(rows):
        shapes.setdefault((len(row), row[0]), []).append(place)
    return [
        (np.array(places, dtype=np.intp), [rows[place] for place in places])
        for places in shapes.values()
    ]


class _RowTable:
    """Rows of one length and kind as arrays: numbers (n, m), and of few options where they are."""

    def __init__(
        self,
        numbers: NDArray[Any],
        places: NDArray[Any] | None,
        widths: NDArray[Any] | None,
        rest: NDArray[Any] | None,
    ) -> None:
        self.numbers, self.places = numbers, places  # None: the first m
        self.widths, self.rest = widths, rest  # (n,), of rows whose rest has a number

    @classmethod
    def of(cls, rows: Sequence[bytes]) -> _RowTable:
        """Return the numbers of rows that are alike."""
        kind = rows[0][0]
        dtype = _DTYPES["float16" if kind & _HALF else "float32"]
        table = np.frombuffer(b"".join(rows), dtype=np.uint8).reshape(len(rows), -1)[:, 1:]
        code = kind & _PLACES
        if not code:
            return cls(_as(table, dtype), None, None, None)
        widths = rest = None
        if kind & _REST:
            start = _WIDTH.itemsize + dtype.itemsize
            widths = _as(table[:, : _WIDTH.itemsize], _WIDTH)[:, 0]
            rest = _as(table[:, _WIDTH.itemsize : start], dtype)[:, 0].astype(np.float32)
            table = table[:, start:]
        of_place = _PLACE_DTYPES[code]
        end = table.shape[1] // (dtype.itemsize + of_place.itemsize) * dtype.itemsize
        return cls(_as(table[:, :end], dtype), _as(table[:, end:], of_place), widths, rest)


def _as(table: NDArray[np.uint8], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return bytes (n, b) as numbers (n, b / size)."""
    return np.ascontiguousarray(table).view(dtype)
