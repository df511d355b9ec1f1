"""What is to be written, checked: rows of probabilities and the columns beside them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.checks.arguments import as_sequence
from temperance.checks.label_map import lacks_label
from temperance.errors import InvalidInputError
from temperance.file_formats import FILE_FORMATS
from temperance.numerics import row_blocks
from temperance.printable import count_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.file_formats import Layout

__all__ = [
    "DECIDED",
    "Content",
    "classes_entry",
    "refuse_missing_labels",
    "text_cells",
    "text_keepers",
]


DECIDED = ("accepted", "band", "answered_by", "goes_on")  # columns of a policy, named so everywhere


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """Arrays that fit each other; `columns` by their names in tables: id, label, group, ...

    A matrix of labels is called `labels`.
    """

    probs: NDArray[Any]
    classes: tuple[str, ...] | None
    mask: NDArray[np.bool_] | None
    columns: dict[str, NDArray[Any]]

    @classmethod
    def of(
        cls,
        probs: ArrayLike,
        *,
        layout: Layout = "rows",
        classes: Sequence[str] | None,
        mask: ArrayLike | None,
        columns: Mapping[str, ArrayLike | None],
    ) -> Content:
        """Check the arguments of `write_probs`; `columns` by their names there."""
        values = _as_probs(probs, layout)
        shapes = {name: None if layout == "dense" else (len(values),) for name in columns}
        matrix = "labels" if layout == "labels" else None
        if matrix:
            shapes[matrix] = values.shape
        return cls(
            values,
            classes=None if classes is None else _as_classes(classes, values),
            mask=None if mask is None else _as_mask(mask, values),
            columns={
                name if name == matrix else name.removesuffix("s"): _as_column(
                    name, column, shapes[name]
                )
                for name, column in columns.items()
                if column is not None
            },
        )

    def table(self) -> dict[str, NDArray[Any]]:
        """Every column of a table: what is beside the scores, then one score per class."""
        columns = {name: column for name, column in self.columns.items() if name != "labels"}
        if "labels" in self.columns:
            columns |= self._by_name("label", self.columns["labels"])
        if self.probs.ndim == 1:
            return {**columns, "prob": self.probs}
        return {**columns, **self._by_name("prob", self.probs)}

    def _by_name(self, stem: str, matrix: NDArray[Any]) -> dict[str, NDArray[Any]]:
        names = self.classes or tuple(map(str, range(matrix.shape[1])))
        return {f"{stem}_{name}": matrix[:, j] for j, name in enumerate(names)}


def classes_entry(content: Content) -> dict[str, list[str]]:
    """Return what the first line of a file of JSON lines says of the columns, `classes`."""
    if content.classes is None or content.mask is not None or content.probs.ndim != 2:
        return {}
    return {"classes": list(content.classes)}


def refuse_missing_labels(content: Content, suffix: str) -> None:
    """Refuse labels that a table would be read as lacking: NA, nan and such, which are no class."""
    labels = content.columns.get("label")
    if labels is None or labels.dtype.kind != "U":
        return
    classes = content.classes or ()
    lost = [word for word in np.unique(labels).tolist() if lacks_label(word, classes)]
    if lost:
        row = int(np.isin(labels, lost).argmax())
        msg = (
            f"`labels` must not hold {str(labels[row])!r} in a {suffix} file, where it is read as "
            f"a label that is missing; row {row} (from 0) does. Write a {text_keepers()} file "
            "instead, which keep it, or leave such rows out first."
        )
        raise InvalidInputError(msg)


def text_keepers() -> str:
    """Return the suffixes of files that keep any text as it is: `.npz or .jsonl`."""
    return " or ".join(each.suffixes[0] for each in FILE_FORMATS if each.write and each.keeps_text)


def text_cells(column: NDArray[Any]) -> list[Any]:
    """Return a column as a table of text has it: true and false in lower case."""
    values: list[Any] = column.tolist()
    return [str(each).lower() for each in values] if column.dtype == np.bool_ else values


def _as_probs(probs: ArrayLike, layout: Layout) -> NDArray[Any]:
    values = _native(_as_array("probs", probs))
    if values.dtype.kind not in "iuf":
        msg = f"`probs` must hold numbers, got dtype {values.dtype}."
        raise InvalidInputError(msg)
    if layout == "labels" and (values.ndim != 2 or not values.size):
        msg = f"`probs` must have shape (n, l) with n, l >= 1, got {values.shape}."
        raise InvalidInputError(msg)
    if layout == "rows" and (
        values.ndim not in {1, 2} or not values.size or values.shape[1:] == (1,)
    ):
        msg = (
            "`probs` must have shape (n,) or (n, k) with n >= 1 and k >= 2, "
            f"got {values.shape}; pass probs[:, 0] if it holds the probability of class 1."
        )
        raise InvalidInputError(msg)
    _check_range(values)
    return values


def _check_range(probs: NDArray[Any]) -> None:
    """Refuse what is no probability, not-a-number first of all: nobody could read it back."""
    count, first = 0, None
    for rows in row_blocks(probs):
        bad = ~((probs[rows] >= 0) & (probs[rows] <= 1))
        wrong = bad.reshape(len(bad), -1).any(axis=1)
        if first is None and wrong.any():
            row = int(wrong.argmax())
            first = rows.start + row, float(probs[rows][row][bad[row]].flat[0])
        count += int(np.count_nonzero(wrong))
    if first is not None:
        such = count_text(count, "such row")
        msg = f"`probs` must lie in [0, 1]; row {first[0]} (from 0) holds {first[1]:g} ({such})."
        raise InvalidInputError(msg)


def _count_masked(values: object) -> int:
    """Return the number of masked entries of an array, or of arrays and numbers in lists."""
    if isinstance(values, list | tuple):
        return sum(map(_count_masked, values))
    return int(np.ma.count_masked(values)) if np.ma.is_masked(values) else 0  # type: ignore[no-untyped-call]


def _as_array(name: str, values: ArrayLike) -> NDArray[Any]:
    if count := _count_masked(values):
        msg = f"`{name}` must have no masked entries, got {count:,}: files have no place for them."
        raise InvalidInputError(msg)
    try:
        return np.asarray(values)
    except ValueError as error:
        msg = f"`{name}` must be an array; its entries differ in length ({error})."
        raise InvalidInputError(msg) from error


def _native(array: NDArray[Any]) -> NDArray[Any]:
    """Take the nearest dtype that every format can hold: bfloat16 and long double cannot be."""
    if array.dtype.kind == "b":
        return array.astype(np.int64)
    if array.dtype.name == "bfloat16":
        return array.astype(np.float32)
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        return array.astype(np.float64)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _as_classes(classes: Sequence[str], probs: NDArray[Any]) -> tuple[str, ...]:
    items = as_sequence(classes, name="classes", rule="a sequence of names, one per column")
    names = tuple(map(str, items))
    k = {1: 2, 2: probs.shape[-1]}.get(probs.ndim, len(names))
    if len(names) != k or len(set(names)) != k:
        msg = f"`classes` must be {k} different names, got {list(names)}."
        raise InvalidInputError(msg)
    _check_text("classes", names)
    return names


def _as_mask(mask: ArrayLike, probs: NDArray[Any]) -> NDArray[np.bool_]:
    exists = _as_array("mask", mask)
    if exists.dtype != np.bool_ or exists.shape != probs.shape or exists.ndim != 2:
        msg = (
            f"`mask` must be booleans of the shape of `probs` {probs.shape}, a matrix; "
            f"got {exists.dtype} of shape {exists.shape}."
        )
        raise InvalidInputError(msg)
    return exists


def _as_column(name: str, column: ArrayLike, shape: tuple[int, ...] | None) -> NDArray[Any]:
    array = _as_array(name, column)
    if array.dtype.kind in {"O", "T"}:  # text of other libraries
        column = array.tolist()
        array = _as_array(name, column)
    if array.dtype.kind == "U" and isinstance(column, list | tuple):
        _refuse_nan(name, column)
    if shape is not None and array.shape != shape:
        msg = f"`{name}` must have shape {shape} to match `probs`, got {array.shape}."
        raise InvalidInputError(msg)
    if name in DECIDED and array.dtype.kind == "U":
        return array
    if name in {"accepted", "goes_on"}:
        if array.dtype != np.bool_:
            msg = f"`{name}` must hold booleans, got dtype {array.dtype}."
            raise InvalidInputError(msg)
        return array
    if array.dtype.kind == "b" and name == "labels" and (shape is None or len(shape) == 1):
        return array  # what they mean is not that of 0 and 1 where there are more classes
    return _numbers_or_text(name, array, matrix=shape is not None and len(shape) == 2)


def _numbers_or_text(name: str, array: NDArray[Any], *, matrix: bool) -> NDArray[Any]:
    if array.dtype.kind == "b" and name in {"ids", "groups"}:
        array = array.astype(np.str_)  # names, which True and False are as text
    array = _native(array)
    if array.dtype.kind not in ("iuf" if name == "weights" else "iufU"):
        what = "numbers" if name == "weights" else "numbers or text"
        msg = f"`{name}` must hold {what}, got dtype {array.dtype}."
        raise InvalidInputError(msg)
    if array.dtype.kind == "f":
        _check_numbers(name, array, whole=matrix)
    if array.dtype.kind == "U":
        _check_text(name, array.ravel().tolist())
    return array


def _refuse_nan(name: str, column: Sequence[object]) -> None:
    """Refuse nan among text, which NumPy spells as a word."""
    for row, each in enumerate(column):
        if isinstance(each, float) and math.isnan(each):
            msg = f"`{name}` must be numbers or text; row {row} has nan."
            raise InvalidInputError(msg)


def _check_numbers(name: str, column: NDArray[Any], *, whole: bool) -> None:
    """Refuse weights that are none, what is not finite, and fractions in a matrix of labels."""
    fine, rule = np.isfinite(column), "finite numbers or text"
    if name == "weights":
        fine, rule = fine & (column >= 0.0), "finite, at least 0"
    elif whole:
        fine, rule = fine & (np.trunc(column) == column), "whole numbers or text"
    if not fine.all():
        row = int(np.argwhere(~fine)[0, 0])
        msg = f"`{name}` must be {rule}; row {row} has {column[~fine][0]}."
        raise InvalidInputError(msg)


def _check_text(name: str, texts: Sequence[str]) -> None:
    for row, text in enumerate(texts):
        if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
            msg = f"`{name}` must be text that UTF-8 can hold; entry {row} is {text!r}."
            raise InvalidInputError(msg)
