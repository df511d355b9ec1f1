"""Columns in .parquet, .arrow and .feather files, read with pyarrow."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.errors import FileFormatError, MissingDependencyError
from temperance.readers.arrow_columns import is_list, label_matrix, label_values, lists, numbers
from temperance.readers.padding import padded_rows
from temperance.readers.request import Request, Rows
from temperance.readers.table import Plan, plan_columns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["arrow_blocks", "parquet_blocks", "parquet_rows", "read_arrow", "read_parquet"]

# A file may have this many rows, or this many per byte: more than compression can pack.
_ALWAYS_FINE = 2**24
_MOST_ROWS_PER_BYTE = 1000
_BLOCK_BYTES = 1 << 24  # of rows read at a time


def read_parquet(path: Path, request: Request) -> Rows:
    """Read the columns of a Parquet file that are asked for."""
    with _pyarrow(".parquet files"):
        import pyarrow.parquet as pq  # noqa: PLC0415 - optional package

    with pq.ParquetFile(path) as file:
        _check_row_count(file.metadata.num_rows, path)
        plan = plan_columns(file.schema_arrow.names, request, lists=True)
        _refuse_label_lists(file.schema_arrow, plan, request)
        return _rows(file.read(columns=_wanted(plan)), plan, request)


def read_arrow(path: Path, request: Request) -> Rows:
    """Read the columns of an Arrow file or stream that are asked for."""
    with _opened_arrow(path) as batches:
        plan = plan_columns(batches.schema.names, request, lists=True)
        _refuse_label_lists(batches.schema, plan, request)
        table = batches.read_all()
        _check_row_count(table.num_rows, path)
        return _rows(table, plan, request)


@contextmanager
def _opened_arrow(path: Path) -> Iterator[Any]:
    """Open a file or a stream, whichever it is."""
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
            yield batches


def parquet_blocks(path: Path, request: Request) -> Iterator[Rows]:
    """Read a Parquet file some rows at a time; a damaged row group is named."""
    with _pyarrow(".parquet files"):
        import pyarrow as pa  # noqa: PLC0415 - optional package
        import pyarrow.parquet as pq  # noqa: PLC0415 - optional package

    with pq.ParquetFile(path) as file:
        metadata = file.metadata
        _check_row_count(metadata.num_rows, path)
        plan = plan_columns(file.schema_arrow.names, request, lists=True)
        _refuse_label_lists(file.schema_arrow, plan, request)
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            step = max(1, _BLOCK_BYTES * group.num_rows // max(group.total_byte_size, 1))
            try:
                for batch in file.iter_batches(step, [number], columns=_wanted(plan)):
                    yield _rows(pa.Table.from_batches([batch]), plan, request)
            except (FileFormatError, OSError, pa.ArrowException) as error:
                of = f"row group {number} (counted from 0) of {metadata.num_row_groups}"
                msg = f"{of}: {' '.join(str(error).split())}"
                raise FileFormatError(msg) from error


def parquet_rows(path: Path) -> int:
    """Return the number of rows of a Parquet file, from its footer."""
    with _pyarrow(".parquet files"):
        import pyarrow.parquet as pq  # noqa: PLC0415 - optional package

    return int(pq.read_metadata(path).num_rows)


def arrow_blocks(path: Path, request: Request) -> Iterator[Rows]:
    """Read an Arrow file or stream some rows at a time, memory-mapped."""
    with _opened_arrow(path) as batches:
        plan = plan_columns(batches.schema.names, request, lists=True)
        _refuse_label_lists(batches.schema, plan, request)
        empty = True
        for table in _arrow_tables(batches):
            step = max(1, _BLOCK_BYTES * table.num_rows // max(table.nbytes, 1))
            for start in range(0, table.num_rows, step):
                empty = False
                yield _rows(table.slice(start, step), plan, request)
        _check_row_count(0 if empty else 1, path)


def _arrow_tables(batches: Any) -> Iterator[pa.Table]:  # noqa: ANN401  (a file's or a stream's)
    import pyarrow as pa  # noqa: PLC0415 - optional package

    count = getattr(batches, "num_record_batches", None)
    found = batches if count is None else (batches.get_batch(i) for i in range(count))
    for number, batch in enumerate(found):
        try:
            yield pa.Table.from_batches([batch])
        except FileFormatError as error:
            msg = f"record batch {number} (counted from 0): {error}"
            raise FileFormatError(msg) from error


@contextmanager
def _pyarrow(what: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        package = "pyarrow"
        raise MissingDependencyError(package, extra="arrow", purpose=f"Reading {what}") from error


def _wanted(plan: Plan) -> list[str]:
    names = (
        *plan.scores, plan.label, *plan.labels, plan.weight, plan.group, plan.cluster, plan.id,
    )  # fmt: skip
    return [name for name in names if name is not None]


def _check_row_count(rows: int, path: Path) -> None:
    if rows == 0:
        msg = "has no rows."
        raise FileFormatError(msg)
    size = path.stat().st_size
    if rows > max(_ALWAYS_FINE, _MOST_ROWS_PER_BYTE * size):
        msg = f"claims {rows} rows, more than its {size} bytes can hold; it is damaged."
        raise FileFormatError(msg)


def _refuse_label_lists(schema: pa.Schema, plan: Plan, request: Request) -> None:
    """Raise if a file that is read as one class per row has lists of numbers as labels."""
    import pyarrow.types as kinds  # noqa: PLC0415 - optional package

    if request.layout != "rows" or not request.labels:
        return
    name = plan.label or "labels"
    type_ = schema.field(name).type if name in schema.names else None
    if type_ is not None and is_list(type_) and not kinds.is_string(type_.value_type):
        msg = (
            f"column `{name}` holds lists: read several labels per row with --kind multilabel. If "
            "each row has one class, name its column with --label-column."
        )
        raise FileFormatError(msg)


def _rows(table: pa.Table, plan: Plan, request: Request) -> Rows:
    table = table.select(list(dict.fromkeys(_wanted(plan))))
    table.validate(full=True)
    values, ragged = _values(table, plan) if plan.scores else (None, False)
    several = request.layout == "labels"
    if ragged and several:
        msg = f"column `{plan.scores[0]}` must hold lists of one length, a number per label."
        raise FileFormatError(msg)
    return Rows(
        kind=plan.kind,
        values=values,
        labels=label_matrix(table, plan.labels, plan.label)
        if several
        else label_values(table, plan.label),
        weights=None if plan.weight is None else numbers(table, plan.weight),
        groups=label_values(table, plan.group),
        clusters=label_values(table, plan.cluster),
        ids=label_values(table, plan.id),
        classes=plan.classes,
        ragged=ragged,
    )


def _values(table: pa.Table, plan: Plan) -> tuple[NDArray[Any], bool]:
    """Take the scores, and say whether they had to be padded."""
    if plan.classes is None:
        name = plan.scores[0]
        if not is_list(table.schema.field(name).type):
            return numbers(table, name), False
        elements, lengths = lists(table, name)
        return padded_rows(numbers(elements, name), lengths, plan.kind)
    columns = [numbers(table, name) for name in plan.scores]
    values = np.empty((table.num_rows, len(columns)), dtype=np.result_type(*columns))
    for j, column in enumerate(columns):
        values[:, j] = column
    return values, False
