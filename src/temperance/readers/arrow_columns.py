"""Columns of an Arrow table as arrays: numbers, text, lists, label matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.checks.label_words import lacks_label
from temperance.errors import FileFormatError
from temperance.readers.cells import number_list
from temperance.readers.padding import padded_texts

if TYPE_CHECKING:
    from collections.abc import Collection

    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = [
    "holds_lists",
    "is_list",
    "label_matrix",
    "label_values",
    "lists",
    "missing",
    "missing_labels",
    "numbers",
]


def is_list(column: pa.DataType) -> bool:
    """Whether each cell holds a list."""
    import pyarrow.types as kinds  # noqa: PLC0415 - optional package

    listed = (kinds.is_list, kinds.is_large_list, kinds.is_fixed_size_list)
    return any(is_listed(column) for is_listed in listed)


def holds_lists(table: pa.Table, name: str) -> bool:
    """Whether each cell holds a list, be it a vector of Spark's or the text of a list."""
    type_ = _stored(table.column(name)).type
    return is_list(type_) or _is_vector(type_) or _is_text(type_)


def missing(table: pa.Table, name: str) -> NDArray[np.bool_]:
    """Say which rows have a null or NaN, in a list too, (n,)."""
    column = _stored(table.column(name))
    found = np.array(column.is_null(nan_is_null=True).to_numpy())
    if is_list(column.type):
        elements, lengths = _flat(column)
        inside = np.asarray(elements.is_null(nan_is_null=True).to_numpy())
        found[np.repeat(np.arange(len(lengths)), lengths)[inside]] = True
    return found


def missing_labels(table: pa.Table, name: str, classes: Collection[str]) -> NDArray[np.bool_]:
    """Say which labels are texts that stand for none: blank, NA, (n,)."""
    column = _stored(table.column(name))
    if not _is_text(column.type):
        return np.zeros(len(column), dtype=np.bool_)
    words = [w for w in column.unique().to_pylist() if w is not None and lacks_label(w, classes)]
    found = np.zeros(len(column), dtype=np.bool_)
    if words:
        import pyarrow as pa  # noqa: PLC0415 - optional package
        import pyarrow.compute as pc  # noqa: PLC0415 - optional package

        found |= np.asarray(pc.is_in(column, pa.array(words, column.type)).to_numpy())
    return found


def numbers(table: pa.Table, name: str) -> NDArray[Any]:
    """Take a column of integers, floats or decimals."""
    import pyarrow.types as kinds  # noqa: PLC0415 - optional package

    column = _stored(table.column(name))
    if kinds.is_decimal(column.type):
        column = column.cast("float64")
    if not (kinds.is_integer(column.type) or kinds.is_floating(column.type)):
        msg = f"column `{name}` must hold numbers, got {column.type}; cast it to float."
        raise FileFormatError(msg)
    return np.asarray(column.to_numpy())


def label_values(table: pa.Table, name: str | None) -> NDArray[Any] | None:
    """Take a column of integers, floats, booleans or text."""
    if name is None:
        return None
    column = _stored(table.column(name))
    if _is_text(column.type):
        return padded_texts(name, column.to_pylist())
    if _holds_labels(column.type):
        return np.asarray(column.to_numpy())
    msg = f"column `{name}` must hold numbers or text, got {column.type}; cast it to one of them."
    raise FileFormatError(msg)


def lists(table: pa.Table, name: str, first: int) -> tuple[pa.Table, NDArray[np.int64]]:
    """Take a column of lists: a column of their elements, and how long each list is.

    `first` rows of the file come before those of the table.
    """
    import pyarrow as pa  # noqa: PLC0415 - optional package

    column = _stored(table.column(name))
    if _is_vector(column.type):
        column = _vectors(column, name, first)
    elif _is_text(column.type):
        column = _text_lists(column, name, first)
    elements, lengths = _flat(column)
    if not lengths.all():
        row = first + int(np.argmin(lengths)) + 1
        msg = f"column `{name}` must not have empty lists; row {row} (counted from 1) has one."
        raise FileFormatError(msg)
    return pa.table({name: elements}), lengths


def label_matrix(
    table: pa.Table, columns: tuple[str, ...], listed: str | None, first: int
) -> NDArray[Any] | None:
    """Take labels from a column each, or from one column of lists of one length."""
    if columns:
        parts = [_label_numbers(table, name) for name in columns]
        return np.stack(parts, axis=1)
    if listed is None:
        return None
    if not is_list(_stored(table.column(listed)).type):
        msg = f"column `{listed}` must hold lists of 0 and 1, one number per label."
        raise FileFormatError(msg)
    elements, lengths = lists(table, listed, first)
    uneven = lengths != lengths[0]
    if uneven.any():
        row = int(uneven.argmax())
        msg = (
            f"column `{listed}` must hold lists of one length, one number per label; row "
            f"{first + row + 1} (counted from 1) has {lengths[row]}, the rows before {lengths[0]}."
        )
        raise FileFormatError(msg)
    return _label_numbers(elements, listed).reshape(len(lengths), -1)


def _label_numbers(table: pa.Table, name: str) -> NDArray[Any]:
    column = _stored(table.column(name))
    if not _holds_labels(column.type):
        msg = f"column `{name}` must hold 0 and 1, got {column.type}; cast it to int."
        raise FileFormatError(msg)
    return np.asarray(column.to_numpy())


def _holds_labels(column: pa.DataType) -> bool:
    import pyarrow.types as kinds  # noqa: PLC0415 - optional package

    return bool(kinds.is_integer(column) or kinds.is_floating(column) or kinds.is_boolean(column))


def _is_text(column: pa.DataType) -> bool:
    import pyarrow.types as kinds  # noqa: PLC0415 - optional package

    texts = (kinds.is_string, kinds.is_large_string, kinds.is_string_view)
    return any(is_one(column) for is_one in texts)


def _is_vector(column: pa.DataType) -> bool:
    """Whether each cell is a vector as Spark's machine learning writes it."""
    import pyarrow.types as kinds  # noqa: PLC0415 - optional package

    if not kinds.is_struct(column):
        return False
    fields = {column.field(i).name for i in range(column.num_fields)}
    return {"size", "indices", "values"} <= fields


def _vectors(column: pa.ChunkedArray, name: str, first: int) -> pa.ChunkedArray:
    """Return Spark's vectors as lists; those without `indices` are dense already."""
    import pyarrow as pa  # noqa: PLC0415 - optional package
    import pyarrow.compute as pc  # noqa: PLC0415 - optional package

    if pc.struct_field(column, "indices").null_count == len(column):
        return pc.struct_field(column, "values")
    rows = []
    for row, vector in enumerate(column.to_pylist()):
        places, values = vector["indices"], vector["values"]
        if places is None:
            rows.append(values)
            continue
        size = vector["size"] or 0
        if len(places) != len(values) or not all(0 <= place < size for place in places):
            at = first + row + 1
            msg = f"column `{name}`: row {at} (counted from 1) is no sparse vector."
            raise FileFormatError(msg)
        dense = np.zeros(size)
        dense[places] = values
        rows.append(dense)
    return pa.chunked_array([pa.array(rows, pa.large_list(pa.float64()))])


def _text_lists(column: pa.ChunkedArray, name: str, first: int) -> pa.ChunkedArray:
    """Return texts such as `[0.1, 0.9]` as lists."""
    import pyarrow as pa  # noqa: PLC0415 - optional package

    rows = []
    for row, text in enumerate(column.to_pylist()):
        if row == 0 and not text.lstrip().startswith(("[", "(")):
            msg = f"column `{name}` must hold numbers, got {column.type}; cast it to float."
            raise FileFormatError(msg)
        try:
            rows.append(np.frombuffer(number_list(text)))
        except FileFormatError as error:
            msg = f"row {first + row + 1} (counted from 1): column `{name}` {error}"
            raise FileFormatError(msg) from error
    return pa.chunked_array([pa.array(rows, pa.large_list(pa.float64()))])


def _flat(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, NDArray[np.int64]]:
    """Return the elements of lists, and how many each has; a null has none."""
    import pyarrow.compute as pc  # noqa: PLC0415 - optional package

    lengths = pc.list_value_length(column).fill_null(0)
    return pc.list_flatten(column), np.asarray(lengths.to_numpy(), dtype=np.int64)


def _stored(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column as it is stored: without its dictionary, without an extension of its type."""
    import pyarrow as pa  # noqa: PLC0415 - optional package
    import pyarrow.types as kinds  # noqa: PLC0415 - optional package

    if isinstance(column.type, pa.BaseExtensionType):
        storage = column.type.storage_type
        column = pa.chunked_array([chunk.storage for chunk in column.chunks], storage)
    if kinds.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column
