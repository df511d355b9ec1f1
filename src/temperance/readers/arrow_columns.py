"""Columns of an Arrow table as arrays: numbers, text, lists, label matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.errors import FileFormatError
from temperance.readers.label_columns import UNKNOWN
from temperance.readers.padding import padded_texts

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["is_list", "label_matrix", "label_values", "lists", "numbers"]


def is_list(column: pa.DataType) -> bool:
    """Whether each cell holds a list."""
    import pyarrow.types as kinds  # noqa: PLC0415 - optional package

    listed = (kinds.is_list, kinds.is_large_list, kinds.is_fixed_size_list)
    return any(is_listed(column) for is_listed in listed)


def numbers(table: pa.Table, name: str) -> NDArray[Any]:
    """Take a column of integers or floats."""
    import pyarrow.types as kinds  # noqa: PLC0415 - optional package

    column = _column(table, name)
    if not (kinds.is_integer(column.type) or kinds.is_floating(column.type)):
        msg = f"column `{name}` must hold numbers, got {column.type}; cast it to float."
        raise FileFormatError(msg)
    return np.asarray(column.to_numpy())


def label_values(table: pa.Table, name: str | None) -> NDArray[Any] | None:
    """Take a column of integers, floats, booleans or text."""
    import pyarrow.types as kinds  # noqa: PLC0415 - optional package

    if name is None:
        return None
    column = _column(table, name)
    if (
        kinds.is_string(column.type)
        or kinds.is_large_string(column.type)
        or (kinds.is_string_view(column.type))
    ):
        return padded_texts(name, column.to_pylist())
    if _holds_labels(column.type):
        return np.asarray(column.to_numpy())
    msg = f"column `{name}` must hold numbers or text, got {column.type}; cast it to one of them."
    raise FileFormatError(msg)


def lists(table: pa.Table, name: str, hint: str = "") -> tuple[pa.Table, NDArray[np.int64]]:
    """Take a column of lists: a column of their elements, and how long each list is."""
    import pyarrow as pa  # noqa: PLC0415 - optional package
    import pyarrow.compute as pc  # noqa: PLC0415 - optional package

    column = _column(table, name)
    lengths = np.asarray(pc.list_value_length(column).to_numpy(), dtype=np.int64)
    if not lengths.all():
        row = int(np.argmin(lengths))
        msg = f"column `{name}` must not have empty lists; row {row} (counted from 0) has one."
        raise FileFormatError(msg)
    elements = pa.table({name: pc.list_flatten(column)})
    if elements.column(name).null_count:
        place = int(np.argmax(elements.column(name).is_null().to_numpy()))
        row = int(np.searchsorted(np.cumsum(lengths), place, side="right"))
        msg = f"column `{name}` must not have nulls; row {row} (counted from 0) has one.{hint}"
        raise FileFormatError(msg)
    return elements, lengths


def label_matrix(table: pa.Table, columns: tuple[str, ...], listed: str | None) -> Any:  # noqa: ANN401  (an array or None)
    """Take labels from a column each, or from one column of lists of one length."""
    if columns:
        parts = [_label_numbers(table, name) for name in columns]
        return np.stack(parts, axis=1)
    if listed is None:
        return None
    if not is_list(table.schema.field(listed).type):
        msg = f"column `{listed}` must hold lists of 0 and 1, one number per label."
        raise FileFormatError(msg)
    elements, lengths = lists(table, listed, UNKNOWN)
    uneven = lengths != lengths[0]
    if uneven.any():
        row = int(uneven.argmax())
        msg = (
            f"column `{listed}` must hold lists of one length, one number per label; row {row} "
            f"(counted from 0) has {lengths[row]}, row 0 has {lengths[0]}."
        )
        raise FileFormatError(msg)
    return _label_numbers(elements, listed).reshape(len(lengths), -1)


def _label_numbers(table: pa.Table, name: str) -> NDArray[Any]:
    column = _column(table, name, UNKNOWN)
    if not _holds_labels(column.type):
        msg = f"column `{name}` must hold 0 and 1, got {column.type}; cast it to int."
        raise FileFormatError(msg)
    return np.asarray(column.to_numpy())


def _holds_labels(column: pa.DataType) -> bool:
    import pyarrow.types as kinds  # noqa: PLC0415 - optional package

    return bool(kinds.is_integer(column) or kinds.is_floating(column) or kinds.is_boolean(column))


def _column(table: pa.Table, name: str, hint: str = "") -> pa.ChunkedArray:
    """Take a column, refuse nulls in it, decode its dictionary."""
    import pyarrow.types as kinds  # noqa: PLC0415 - optional package

    column = table.column(name)
    if kinds.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if column.null_count:
        row = int(np.argmax(column.is_null().to_numpy()))
        msg = (
            f"column `{name}` must not have nulls; {column.null_count} rows have one, "
            f"the first is row {row} (counted from 0).{hint}"
        )
        raise FileFormatError(msg)
    return column
