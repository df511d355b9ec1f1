"""Rows that lack a value: refused, or left out whole and counted."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import numpy as np

from temperance.errors import FileFormatError
from temperance.printable import count_text
from temperance.readers.guard import named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from temperance.readers.dataset import Dataset

__all__ = ["Missing", "refuse_missing", "without_missing", "without_zeros"]

Missing = Literal["refuse", "drop"]
_NAMES = ("groups", "clusters")
_COLUMNS = ("values", "labels", "weights", "groups", "clusters", "ids")


def refuse_missing(
    count: int, n: int, columns: Sequence[str], first: str, *, hint: str = ""
) -> NoReturn:
    """Raise, with the count, the columns, the first place and the option that leaves rows out."""
    lack = "lacks" if count == 1 else "lack"
    msg = (
        f"{count:,} of {count_text(n, 'row')} {lack} a value of {named(columns)} (blank, NA or "
        "NaN); the first is "
        f'{first}. Leave such rows out with --na drop (na="drop" in Python).{hint}'
    )
    raise FileFormatError(msg)


def without_missing(dataset: Dataset, *, every: bool = False) -> Dataset:
    """Return the rows that have all their values, and a note that counts the others.

    Missing are masked entries and NaN, in scores, labels, weights, groups, clusters and ids, and
    groups and clusters of empty text. That no row is left is an error, unless `every` row may be
    left out, as of a block.
    """
    n = len(dataset.values)
    missing = np.zeros(n, dtype=np.bool_)
    for name in _COLUMNS:
        array = getattr(dataset, name)
        if array is not None:
            missing[_lacking(array)] = True
            if name in _NAMES and array.dtype.kind in "US":
                missing |= np.ma.getdata(array) == array.dtype.type()
    arrays: dict[str, Any] = {name: _plain(getattr(dataset, name)) for name in _COLUMNS}
    whole = dataclasses.replace(dataset, **arrays)
    return _without(whole, missing, "lacks a value", "lack a value", "--na drop", every=every)


def without_zeros(dataset: Dataset) -> Dataset:
    """Return the rows with a probability above 0, and a note that counts the others.

    A row of zeros says nothing of its options: where rows are divided by their sums, it is missing.
    """
    if dataset.kind != "probs" or dataset.values.ndim != 2:
        return dataset
    zeros = np.asarray(~dataset.values.any(axis=1), dtype=np.bool_)
    options = "--na drop --renormalize"
    return _without(dataset, zeros, "holds zeros only", "hold zeros only", options)


def _without(
    dataset: Dataset,
    missing: NDArray[np.bool_],
    lacks: str,
    lack: str,
    options: str,
    *,
    every: bool = False,
) -> Dataset:
    """Leave rows out, and say how many for what and by which options."""
    n, count = len(missing), int(np.count_nonzero(missing))
    if not count:
        return dataset
    if count == n and not every:
        msg = f"has no row that counts: each {lacks}, and all {n:,} would be left out ({options})."
        raise FileFormatError(msg)
    kept: dict[str, Any] = {
        name: None if (array := getattr(dataset, name)) is None else array[~missing]
        for name in _COLUMNS
    }
    were = f"was left out, which {lacks}" if count == 1 else f"were left out, which {lack}"
    note = f"{count:,} of {count_text(n, 'row')} {were} ({options})."
    places = np.delete(np.arange(n + len(dataset.left_out)), list(dataset.left_out))
    left_out = sorted({*dataset.left_out, *places[missing].tolist()})
    return dataclasses.replace(
        dataset, **kept, notes=(*dataset.notes, note), left_out=tuple(left_out)
    )


def _lacking(array: NDArray[Any]) -> NDArray[np.bool_]:
    """Say which rows have a masked entry or a NaN, (n,)."""
    lacking: NDArray[np.bool_] = np.ma.getmaskarray(array)
    if array.dtype.kind == "f":
        lacking = lacking | np.isnan(np.ma.getdata(array))
    return np.asarray(lacking.reshape(len(array), -1).any(axis=1))


def _plain(array: NDArray[Any] | None) -> NDArray[Any] | None:
    """Return the entries without their mask."""
    return None if array is None else np.ma.getdata(array)
