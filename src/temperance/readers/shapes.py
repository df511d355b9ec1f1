"""Rows of different lengths as rectangular arrays, and arrays of one file that fit each other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.errors import FileFormatError
from temperance.readers.guard import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from temperance.readers.dataset import Dataset, Kind, Layout
    from temperance.readers.request import Rows

__all__ = ["check_length", "check_shapes", "check_texts", "padded_rows", "padded_texts"]

# Rows and texts of different lengths as rectangular arrays, within a sane amount of memory.


# An array may hold this many cells, or this many times the cells that the file fills.
_ALWAYS_FINE = 2**24
_LARGEST_GROWTH = 32


def padded_rows(
    flat: NDArray[Any], lengths: NDArray[np.int64], kind: Kind
) -> tuple[NDArray[Any], bool]:
    """Rows laid end to end as an array (n, k) of the longest, and whether they are ragged.

    Options a row lacks are filled with `-inf` (logits) or 0 (probs).
    """
    n, k = len(lengths), int(lengths.max())
    if (lengths == k).all():
        return flat.reshape(n, k), False
    longest = f"`{kind}` of row {int(lengths.argmax())} (counted from 0) has {k} options"
    _check_growth(longest, n * k, len(flat))
    dtype = flat.dtype if flat.dtype.kind == "f" else np.dtype(np.float64)
    values = np.full((n, k), -np.inf if kind == "logits" else 0.0, dtype=dtype)
    values[np.arange(k) < lengths[:, np.newaxis]] = flat
    return values, True


def padded_texts(name: str, texts: Sequence[str]) -> NDArray[np.str_]:
    """Texts as one array of the longest."""
    longest = max(map(len, texts), default=0)
    description = f"the longest text of `{name}` has {longest} characters"
    _check_growth(description, len(texts) * longest, sum(map(len, texts)))
    return np.array(texts, dtype=np.str_)


def _check_growth(what: str, cells: int, filled: int) -> None:
    if cells > max(_ALWAYS_FINE, _LARGEST_GROWTH * filled):
        msg = (
            f"{what}, so many more than most rows that the padded array would need {cells} cells "
            f"for {filled} in the file; shorten it or split the file."
        )
        raise FileFormatError(msg)


# Whether the arrays of one file fit each other.


_BESIDE = ("labels", "weights", "groups", "clusters", "ids")
_FIRST_HALF, _LAST_HALF = 0xD800, 0xDFFF  # of a character in UTF-16


def check_shapes(rows: Rows, layout: Layout) -> Rows:
    """Return rows whose arrays fit each other, single columns (n, 1) as (n,), or refuse them.

    Scores must be a matrix of numbers, and what is beside them as long. Of the layout "dense" any
    shape will do: which axes must fit depends on that of the classes. Text must be text that can be
    written again.
    """
    check_texts(rows)
    if rows.values is None:
        return rows if layout != "rows" else replace(rows, labels=_one_column(rows.labels))
    if layout == "dense":
        _check_values(rows, layout)
        return rows
    if layout == "rows":
        names = ("values", *_BESIDE)
        columns: dict[str, Any] = {name: _one_column(getattr(rows, name)) for name in names}
        rows = replace(rows, **columns)
    _check_values(rows, layout)
    values = rows.values
    assert values is not None  # noqa: S101  (of scores)
    n, *rest = values.shape
    for name in _BESIDE:
        column = getattr(rows, name)
        if column is not None:
            check_length(name, column, n)
            if layout == "rows" or name != "labels":
                _check_column(name, column)
    if rows.classes is not None:
        _check_classes(rows.classes, rest[0] if rest else 2)
    return rows


def _one_column(array: NDArray[Any] | None) -> NDArray[Any] | None:
    """Return (n, 1) as (n,), as data sets and networks of one output are saved."""
    return array[:, 0] if array is not None and array.shape[1:] == (1,) else array


def _check_column(name: str, column: NDArray[Any]) -> None:
    if column.ndim == 1:
        return
    msg = f"`{name}` must have one entry per row, got shape {column.shape}."
    if name == "labels" and column.ndim == 2:
        msg += (
            " One-hot rows? Save the place of the 1 in each row instead. Several labels per row? "
            "--kind multilabel."
        )
    raise FileFormatError(msg)


def check_texts(rows: Rows | Dataset) -> None:
    """Refuse text with half a character: no UTF-8 file, and no terminal, can hold it."""
    for name in _BESIDE:
        _check_text(name, getattr(rows, name))
    if rows.classes is not None:
        _check_text("classes", np.array(rows.classes))


def _check_text(name: str, column: NDArray[Any] | None) -> None:
    if column is None or column.dtype.kind != "U" or not column.size:
        return
    flat = np.ascontiguousarray(column).ravel()
    points = flat.view(np.dtype(np.uint32).newbyteorder(column.dtype.byteorder))
    halves = (points >= _FIRST_HALF) & (points <= _LAST_HALF)
    if halves.any():
        entry = int(halves.argmax()) // (len(points) // len(flat))
        msg = (
            f"`{name}` must be text that UTF-8 can hold; entry {entry} (from 0) is {flat[entry]!r}."
        )
        raise FileFormatError(msg)


def check_length(name: str, column: NDArray[Any], n: int) -> None:
    """Refuse a column that has not one entry per row."""
    length = len(column) if column.ndim else 1
    if length != n or not column.ndim:
        msg = f"`{name}` must have one entry per row; there are {length} for {n} rows of scores."
        raise FileFormatError(msg)


def _check_values(rows: Rows, layout: Layout) -> None:
    values, kind = rows.values, rows.kind
    assert values is not None  # noqa: S101  (of scores)
    if values.dtype.kind not in "iuf":
        msg = f"`{kind}` must hold numbers, got dtype {values.dtype}."
        raise FileFormatError(msg)
    if layout != "dense" and values.ndim not in {1, 2}:
        msg = f"`{kind}` must have shape (n, k) or (n,), got {values.shape}.{_more_axes(rows)}"
        raise FileFormatError(msg)
    if layout == "dense" and values.ndim < 2:
        msg = f"`{kind}` must have two axes or more for --class-axis, got shape {values.shape}."
        raise FileFormatError(msg)
    if not values.size:
        what = "rows" if not len(values) else "columns"
        msg = f"has no {what}: `{kind}` has shape {values.shape}."
        raise FileFormatError(msg)


def _more_axes(rows: Rows) -> str:
    """Say what the axes beyond two may be: pixels, which have labels of their own, or models."""
    values, labels = rows.values, rows.labels
    if values is None or values.ndim < 3:
        return ""
    pixels = (
        " Outputs per pixel or token? Name the axis of the classes, as --class-axis 1 (fit, apply, "
        "evaluate and compare take it)."
    )
    members = (
        " Outputs of several models, or passes, for the same rows? Average their probabilities, or "
        "save each as a file of its own: temperance fit a.npz b.npz --method ensemble."
    )
    if labels is None:
        return members + pixels if values.ndim == 3 else pixels
    return members if labels.ndim == 1 or labels.shape[1:] == (1,) else pixels


def _check_classes(classes: tuple[str, ...], k: int) -> None:
    if len(classes) != k:
        msg = f"`classes` must name every column; there are {len(classes)} names for {k} columns."
        raise FileFormatError(msg)
    if len(set(classes)) < k:
        twice = next(name for name in classes if classes.count(name) > 1)
        msg = f"`classes` must differ; {quoted(twice)} occurs more than once."
        raise FileFormatError(msg)
