"""Columns in .parquet, .arrow and .feather files, read with pyarrow."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.errors import FileFormatError, MissingDependencyError
from temperance.readers.padding import padded_rows, padded_texts
from temperance.readers.request import Request, Rows
from temperance.readers.table import Plan, plan_columns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["read_arrow", "read_parquet"]

# A file may have this many rows, or this many per byte: more than compression can pack.
_ALWAYS_FINE = 2**24
_MOST_ROWS_PER_BYTE = 1000


def read_parquet(path: Path, request: Request) -> Rows:
    """Read the columns of a Parquet file that are asked for."""
    with _pyarrow(".parquet files"):
        import pyarrow.parquet as pq  # noqa: PLC0415 - optional package

    with pq.ParquetFile(path) as file:
        _check_row_count(file.metadata.num_rows, path)
        plan = plan_columns(file.schema_arrow.names, request, lists=True)
        return _rows(file.read(columns=_wanted(plan)), plan)


def read_arrow(path: Path, request: Request) -> Rows:
    """Read the columns of an Arrow file or stream that are asked for."""
    with _pyarrow(".arrow and .feather files"):
        import pyarrow as pa  # noqa: PLC0415 - optional package

    with pa.memory_map(str(path)) as source:
        start = source.read(6)
        source.seek(0)
        if start.startswith(b"FEA1"):
            msg = "is of Feather version 1; save it again with a newer pyarrow or pandas."
            raise FileFormatError(msg)
        reader = pa.ipc.open_file if start == b"ARROW1" else pa.ipc.open_stream
        with reader(source) as batches:
            plan = plan_columns(batches.schema.names, request, lists=True)
            table = batches.read_all()
            _check_row_count(table.num_rows, path)
            return _rows(table, plan)


@contextmanager
def _pyarrow(what: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        package = "pyarrow"
        raise MissingDependencyError(package, extra="arrow", purpose=f"Reading {what}") from error


def _wanted(plan: Plan) -> list[str]:
    names = (*plan.scores, plan.label, plan.weight, plan.group, plan.cluster, plan.id)
    return [name for name in names if name is not None]


def _check_row_count(rows: int, path: Path) -> None:
    if rows == 0:
        msg = "has no rows."
        raise FileFormatError(msg)
    size = path.stat().st_size
    if rows > max(_ALWAYS_FINE, _MOST_ROWS_PER_BYTE * size):
        msg = f"claims {rows} rows, more than its {size} bytes can hold; it is damaged."
        raise FileFormatError(msg)


def _rows(table: pa.Table, plan: Plan) -> Rows:
    table = table.select(list(dict.fromkeys(_wanted(plan))))
    table.validate(full=True)
    values, ragged = _values(table, plan) if plan.scores else (None, False)
    return Rows(
        kind=plan.kind,
        values=values,
        labels=_labels(table, plan.label),
        weights=None if plan.weight is None else _numbers(table, plan.weight),
        groups=_labels(table, plan.group),
        clusters=_labels(table, plan.cluster),
        ids=_labels(table, plan.id),
        classes=plan.classes,
        ragged=ragged,
    )


def _column(table: pa.Table, name: str) -> pa.ChunkedArray:
    """Take a column, refuse nulls in it, decode its dictionary."""
    import pyarrow.types as kinds  # noqa: PLC0415 - optional package

    column = table.column(name)
    if kinds.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if column.null_count:
        row = int(np.argmax(column.is_null().to_numpy()))
        msg = (
            f"column `{name}` must not have nulls; {column.null_count} rows have one, "
            f"the first is row {row} (counted from 0)."
        )
        raise FileFormatError(msg)
    return column


def _numbers(table: pa.Table, name: str) -> NDArray[Any]:
    import pyarrow.types as kinds  # noqa: PLC0415 - optional package

    column = _column(table, name)
    if not (kinds.is_integer(column.type) or kinds.is_floating(column.type)):
        msg = f"column `{name}` must hold numbers, got {column.type}; cast it to float."
        raise FileFormatError(msg)
    return np.asarray(column.to_numpy())


def _labels(table: pa.Table, name: str | None) -> NDArray[Any] | None:
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
    if kinds.is_boolean(column.type):
        return np.asarray(column.to_numpy())
    if kinds.is_integer(column.type) or kinds.is_floating(column.type):
        return np.asarray(column.to_numpy())
    msg = f"column `{name}` must hold numbers or text, got {column.type}; cast it to one of them."
    raise FileFormatError(msg)


def _values(table: pa.Table, plan: Plan) -> tuple[NDArray[Any], bool]:
    import pyarrow.types as kinds  # noqa: PLC0415 - optional package

    if plan.classes is None:
        name = plan.scores[0]
        listed = (kinds.is_list, kinds.is_large_list, kinds.is_fixed_size_list)
        if any(is_listed(table.schema.field(name).type) for is_listed in listed):
            return _lists(table, plan)
        return _numbers(table, name), False
    columns = [_numbers(table, name) for name in plan.scores]
    values = np.empty((table.num_rows, len(columns)), dtype=np.result_type(*columns))
    for j, column in enumerate(columns):
        values[:, j] = column
    return values, False


def _lists(table: pa.Table, plan: Plan) -> tuple[NDArray[Any], bool]:
    """Make a rectangle of a column of lists, padded where they differ in length."""
    import pyarrow as pa  # noqa: PLC0415 - optional package
    import pyarrow.compute as pc  # noqa: PLC0415 - optional package

    name = plan.scores[0]
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
        msg = f"column `{name}` must not have nulls; row {row} (counted from 0) has one."
        raise FileFormatError(msg)
    return padded_rows(_numbers(elements, name), lengths, plan.kind)
