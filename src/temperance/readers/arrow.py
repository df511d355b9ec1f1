"""Columns in .parquet, .arrow and .feather files, and their values, read with pyarrow."""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.checks.label_map import lacks_label
from temperance.errors import FileFormatError
from temperance.file_formats import FILE_FORMATS, missing_package
from temperance.readers.cells import number_list
from temperance.readers.dataset import ROW_COLUMNS, refuse_missing
from temperance.readers.guard import (
    refuse_joined_arrow,
    refuse_joined_parquet,
    refuse_packed_arrow,
)
from temperance.readers.request import FileRows, Request, number_said, padded_rows, padded_texts
from temperance.readers.table import ColumnPlan, finished, hint_of_missing, plan_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    import pyarrow as pa
    import pyarrow.parquet as pq
    from numpy.typing import NDArray

__all__ = [
    "arrow_blocks", "count_parquet_rows", "parquet_blocks", "read_arrow", "read_arrow_stream",
    "read_parquet",
]  # fmt: skip

# Columns of an Arrow table as arrays: numbers, text, lists, label matrices.


def is_list(column: pa.DataType) -> bool:
    """Whether each cell holds a list."""
    import pyarrow.types as kinds  # noqa: PLC0415 - optional package

    tests = (kinds.is_list, kinds.is_large_list, kinds.is_fixed_size_list)
    return any(is_listed(column) for is_listed in tests)


def holds_lists(table: pa.Table, name: str) -> bool:
    """Whether each cell holds a list, be it a vector of Spark's or the text of a list."""
    type_ = _stored(table.column(name)).type
    return is_list(type_) or _is_vector(type_) or _is_text(type_)


def missing(table: pa.Table, name: str) -> NDArray[np.bool_]:
    """Say which rows have a null or NaN, in a list too, (n,)."""
    column = _stored(table.column(name))
    mask = np.array(column.is_null(nan_is_null=True).to_numpy())
    if is_list(column.type):
        elements, lengths = _flat(column)
        inside = np.asarray(elements.is_null(nan_is_null=True).to_numpy())
        mask[np.repeat(np.arange(len(lengths)), lengths)[inside]] = True
    return mask


def missing_labels(table: pa.Table, name: str, classes: Collection[str]) -> NDArray[np.bool_]:
    """Say which labels are texts that stand for none: blank, NA, (n,)."""
    column = _stored(table.column(name))
    if not _is_text(column.type):
        return np.zeros(len(column), dtype=np.bool_)
    words = [w for w in column.unique().to_pylist() if w is not None and lacks_label(w, classes)]
    mask = np.zeros(len(column), dtype=np.bool_)
    if words:
        import pyarrow as pa  # noqa: PLC0415 - optional package
        import pyarrow.compute as pc  # noqa: PLC0415 - optional package

        mask |= np.asarray(pc.is_in(column, pa.array(words, column.type)).to_numpy())
    return mask


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
    """Take a column of integers, floats, decimals, booleans or text."""
    if name is None:
        return None
    column = _without_decimals(_stored(table.column(name)))
    if _is_text(column.type):
        return padded_texts(name, column.to_pylist())
    if _holds_labels(column.type):
        return np.asarray(column.to_numpy())
    msg = f"column `{name}` must hold numbers or text, got {column.type}; cast it to one of them."
    raise FileFormatError(msg)


def _without_decimals(column: Any) -> Any:  # noqa: ANN401  (of pyarrow)
    """Return decimals, which databases keep whole numbers as, as integers, else as floats."""
    import pyarrow as pa  # noqa: PLC0415 - optional package

    if not pa.types.is_decimal(column.type):
        return column
    try:
        return column.cast("int64")
    except pa.ArrowInvalid:  # a fraction, which no label has, or beyond 64 bits
        return column.cast("float64")


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
    table: pa.Table, columns: tuple[str, ...], list_column: str | None, first: int
) -> NDArray[Any] | None:
    """Take labels from a column each, or from one column of lists of one length."""
    if columns:
        parts = [_label_numbers(table, name) for name in columns]
        return np.stack(parts, axis=1)
    if list_column is None:
        return None
    if not is_list(_stored(table.column(list_column)).type):
        msg = f"column `{list_column}` must hold lists of 0 and 1, one number per label."
        raise FileFormatError(msg)
    elements, lengths = lists(table, list_column, first)
    uneven = lengths != lengths[0]
    if uneven.any():
        row = int(uneven.argmax())
        msg = (
            f"column `{list_column}` must hold lists of one length, one number per label; row "
            f"{first + row + 1} (counted from 1) has {lengths[row]}, the rows before {lengths[0]}."
        )
        raise FileFormatError(msg)
    return _label_numbers(elements, list_column).reshape(len(lengths), -1)


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


# Columns in .parquet, .arrow and .feather files, read with pyarrow.


# A file may have this many rows, or this many per byte: more than compression can pack.
_ALWAYS_FINE = 2**24
_MOST_ROWS_PER_BYTE = 1000
_PADDING = 1 << 16  # bytes after the end of a stream that are looked at: they must be 0
_BLOCK_BYTES = 1 << 24  # of rows read at a time
_ARROW_FILE = b"ARROW1"  # its first bytes; a stream has none


def read_parquet(path: Path, request: Request) -> FileRows:
    """Read the columns of a Parquet file that are asked for."""
    with _pyarrow(".parquet"):
        import pyarrow.parquet as pq  # noqa: PLC0415 - optional package

    with pq.ParquetFile(path) as file:
        _check_parquet(file, path)
        plan = plan_columns(file.schema_arrow.names, request, lists=True)
        _refuse_label_lists(file.schema_arrow, plan, request)
        return _rows(file.read(columns=plan.columns), plan, request)


def read_arrow(path: Path, request: Request) -> FileRows:
    """Read the columns of an Arrow file or stream that are asked for."""
    with _opened_arrow(path) as batches:
        plan = _plan(batches, request)
        table = batches.table()
        _check_row_count(table.num_rows, batches.size)
        return _rows(table, plan, request)


def read_arrow_stream(
    content: bytes,
    request: Request,
    *,
    check_rows: Callable[[int], None],
    check_options: Callable[[int, int], None],
    check_bytes: Callable[[int], None],
) -> FileRows:
    """Read the columns of an Arrow stream that are asked for, from memory: of anybody's sending.

    It must be as large as it looks: no batch is compressed, no column a dictionary of lists. Before
    the columns are looked at, the number of rows goes through `check_rows`, that and the length of
    the longest list through `check_options`, the bytes of texts that a dictionary stands for
    through `check_bytes`. Which columns are scores is said by their names alone, whatever they
    hold.
    """
    with _pyarrow(".arrow"):
        import pyarrow as pa  # noqa: PLC0415 - optional package

    with pa.BufferReader(content) as source:
        if content.startswith(_ARROW_FILE):
            msg = "is an Arrow file: send the stream format (pyarrow.ipc.new_stream)."
            raise FileFormatError(msg)
        refuse_packed_arrow(source)
        source.seek(0)
        with pa.ipc.open_stream(source) as reader:
            for each in reader.schema:
                if not _is_plain(each.type):
                    msg = f"column `{each.name}` must hold numbers, lists of them or text, not "
                    raise FileFormatError(msg + f"{each.type}.")
            batches = _Batches(source, reader, stream=True)
            table = batches.table()
            _check_row_count(table.num_rows, batches.size)
            check_rows(table.num_rows)
            for column in table.columns:
                _check_column(column, check_options, check_bytes)
            plan = dataclasses.replace(_plan(batches, request), guessed=False)
            return _rows(table, plan, request)


def _is_plain(type_: pa.DataType) -> bool:
    """Whether values of a type take no more memory than what holds them."""
    import pyarrow.types as kinds  # noqa: PLC0415 - optional package

    element = type_.value_type if is_list(type_) else type_
    if kinds.is_dictionary(element):
        return not is_list(type_) and _is_text(element.value_type)
    return kinds.is_primitive(element) or _is_text(element)


def _check_column(
    column: pa.ChunkedArray,
    check_options: Callable[[int, int], None],
    check_bytes: Callable[[int], None],
) -> None:
    """Check what a column grows to: lists to the longest, a dictionary to all of its texts."""
    import pyarrow.compute as pc  # noqa: PLC0415 - optional package
    import pyarrow.types as kinds  # noqa: PLC0415 - optional package

    if is_list(column.type):
        check_options(len(column), pc.max(pc.list_value_length(column)).as_py() or 0)
    elif kinds.is_dictionary(column.type):
        sizes = (
            pc.sum(pc.take(pc.binary_length(chunk.dictionary), chunk.indices)).as_py() or 0
            for chunk in column.chunks
        )
        check_bytes(sum(sizes))


def _plan(batches: _Batches, request: Request) -> ColumnPlan:
    plan = plan_columns(batches.schema.names, request, lists=True)
    _refuse_label_lists(batches.schema, plan, request)
    return plan


class _Batches:
    """The record batches of an open Arrow file or stream."""

    def __init__(self, source: pa.NativeFile, reader: Any, *, stream: bool) -> None:  # noqa: ANN401  (a file's or a stream's)
        self.schema: pa.Schema = reader.schema
        self.size: int = source.size()
        self._source = source
        self._reader = reader
        self._stream = stream

    def tables(self) -> Iterator[pa.Table]:
        """Yield the batches in order, a damaged one by its number; a stream must have its end."""
        import pyarrow as pa  # noqa: PLC0415 - optional package

        if not self._stream:
            for number in range(self._reader.num_record_batches):
                yield pa.Table.from_batches([self._reader.get_batch(number)])
            return
        while True:
            place = self._source.tell()
            try:
                batch = self._reader.read_next_batch()
            except StopIteration:
                break
            yield pa.Table.from_batches([batch])
        self._require_end(place)

    def table(self) -> pa.Table:
        """Return all batches as one table."""
        import pyarrow as pa  # noqa: PLC0415 - optional package

        if not self._stream:
            return self._reader.read_all()
        tables = list(self.tables())
        return pa.concat_tables(tables) if tables else self.schema.empty_table()

    def _require_end(self, place: int) -> None:
        """Refuse a stream that does not end with its mark: nothing says that all rows are there."""
        self._source.seek(place)
        if self._source.read(8)[-4:] != bytes(4):
            msg = (
                "is an Arrow stream without the mark that ends one, so rows may be missing; it was "
                "cut off, or its writer was not closed. Write it again."
            )
            raise FileFormatError(msg)
        if self._source.read(_PADDING).strip(b"\0"):
            msg = (
                "is an Arrow stream that goes on after the mark that ends it, as two streams in "
                "one file do; only the first would be read. Write each to a file of its own: a "
                "folder of them is read as one."
            )
            raise FileFormatError(msg)


@contextmanager
def _opened_arrow(path: Path) -> Iterator[_Batches]:
    """Open a file or a stream, whichever it is."""
    with _pyarrow(".arrow"):
        import pyarrow as pa  # noqa: PLC0415 - optional package

    with pa.memory_map(str(path)) as source:
        start = source.read(6)
        source.seek(0)
        if start.startswith(b"FEA1"):
            msg = "is of Feather version 1; save it again with a newer pyarrow or pandas."
            raise FileFormatError(msg)
        stream = start != _ARROW_FILE
        reader = pa.ipc.open_stream if stream else pa.ipc.open_file
        if not stream:
            refuse_joined_arrow(source)
            source.seek(0)
        with reader(source) as batches:
            yield _Batches(source, batches, stream=stream)


def parquet_blocks(path: Path, request: Request) -> Iterator[FileRows]:
    """Read a Parquet file some rows at a time; a damaged row group is named."""
    with _pyarrow(".parquet"):
        import pyarrow as pa  # noqa: PLC0415 - optional package
        import pyarrow.parquet as pq  # noqa: PLC0415 - optional package

    with pq.ParquetFile(path) as file:
        metadata = file.metadata
        _check_parquet(file, path)
        plan = plan_columns(file.schema_arrow.names, request, lists=True)
        _refuse_label_lists(file.schema_arrow, plan, request)
        first = 0
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            step = max(1, _BLOCK_BYTES * group.num_rows // max(group.total_byte_size, 1))
            try:
                for batch in file.iter_batches(step, [number], columns=plan.columns):
                    yield _rows(pa.Table.from_batches([batch]), plan, request, first=first)
                    first += batch.num_rows
            except (FileFormatError, OSError, pa.ArrowException) as error:
                of = f"row group {number + 1} (counted from 1) of {metadata.num_row_groups}"
                msg = f"{of}: {' '.join(str(error).split())}"
                raise FileFormatError(msg) from error


def count_parquet_rows(path: Path) -> int:
    """Return the number of rows of a Parquet file, from its footer."""
    with _pyarrow(".parquet"):
        import pyarrow.parquet as pq  # noqa: PLC0415 - optional package

    return int(pq.read_metadata(path).num_rows)


def arrow_blocks(path: Path, request: Request) -> Iterator[FileRows]:
    """Read an Arrow file or stream some rows at a time, memory-mapped."""
    with _opened_arrow(path) as batches:
        plan = plan_columns(batches.schema.names, request, lists=True)
        _refuse_label_lists(batches.schema, plan, request)
        first = 0
        for table in batches.tables():
            step = max(1, _BLOCK_BYTES * table.num_rows // max(table.nbytes, 1))
            for start in range(0, table.num_rows, step):
                yield _rows(table.slice(start, step), plan, request, first=first + start)
            first += table.num_rows
        _check_row_count(min(first, 1), batches.size)


@contextmanager
def _pyarrow(suffix: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        formats = [each for each in FILE_FORMATS if suffix in each.suffixes]
        raise missing_package(formats, purpose="Reading") from error


def _check_parquet(parquet: pq.ParquetFile, path: Path) -> None:
    _check_row_count(parquet.metadata.num_rows, path.stat().st_size)
    with path.open("rb") as file:
        refuse_joined_parquet(file, parquet)


def _check_row_count(rows: int, size: int) -> None:
    if rows == 0:
        msg = "has no rows."
        raise FileFormatError(msg)
    if rows > max(_ALWAYS_FINE, _MOST_ROWS_PER_BYTE * size):
        msg = f"claims {rows} rows, more than its {size} bytes can hold; it is damaged."
        raise FileFormatError(msg)


def _refuse_label_lists(schema: pa.Schema, plan: ColumnPlan, request: Request) -> None:
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


def _rows(table: pa.Table, plan: ColumnPlan, request: Request, *, first: int = 0) -> FileRows:
    """Convert rows, of which `first` rows of the file come before."""
    table = table.select(plan.columns)
    table.validate(full=True)
    missing = _missing_rows(table, plan, request, first)
    if missing is None:
        return finished(_converted(table, plan, request, first), plan, request)
    if missing.all():
        return _all_missing(table.num_rows, plan)
    rows = _converted(table.filter(~missing), plan, request, first)
    spread: dict[str, Any] = {
        name: None if (array := getattr(rows, name)) is None else _spread(array, missing)
        for name in ("values", *ROW_COLUMNS)
    }
    return finished(dataclasses.replace(rows, **spread), plan, request)


def _missing_rows(
    table: pa.Table, plan: ColumnPlan, request: Request, first: int
) -> NDArray[np.bool_] | None:
    """Say which rows lack a value, None if no row does; raise unless they are to be left out."""
    by_column = {name: missing(table, name) for name in plan.columns}
    if plan.label is not None and request.layout == "rows":
        by_column[plan.label] |= missing_labels(table, plan.label, plan.classes or ())
    lacking = [name for name, rows in by_column.items() if rows.any()]
    if not lacking:
        return None
    mask: NDArray[np.bool_] = np.logical_or.reduce([by_column[name] for name in lacking])
    if request.na == "refuse":
        row = int(mask.argmax())
        column = next(name for name in lacking if by_column[name][row])
        place = f"row {first + row + 1:,} (counted from 1), in `{column}`"
        hint = hint_of_missing(lacking, plan, request)
        refuse_missing(int(mask.sum()), len(mask), lacking, place, hint=hint)
    return mask


def _spread(array: NDArray[Any], missing: NDArray[np.bool_]) -> NDArray[Any]:
    """Put the rows that are there in their places, among masked ones."""
    spread = np.zeros((len(missing), *array.shape[1:]), dtype=array.dtype)
    spread[~missing] = array
    mask = np.broadcast_to(missing.reshape(-1, *[1] * (array.ndim - 1)), spread.shape)
    return np.ma.array(spread, mask=mask)


def _all_missing(n: int, plan: ColumnPlan) -> FileRows:
    """Return rows of which none has all its values."""
    width = () if plan.classes is None else (len(plan.classes),)
    values = np.full((n, *width), np.nan)
    return FileRows(kind=plan.kind, values=values if plan.scores else None, classes=plan.classes)


def _converted(table: pa.Table, plan: ColumnPlan, request: Request, first: int) -> FileRows:
    values, ragged = _values(table, plan, first, request) if plan.scores else (None, False)
    several = request.layout == "labels"
    if ragged and several:
        msg = f"column `{plan.scores[0]}` must hold lists of one length, a number per label."
        raise FileFormatError(msg)
    return FileRows(
        kind=plan.kind,
        values=values,
        labels=label_matrix(table, plan.labels, plan.label, first)
        if several
        else label_values(table, plan.label),
        weights=None if plan.weight is None else numbers(table, plan.weight),
        groups=label_values(table, plan.group),
        clusters=label_values(table, plan.cluster),
        ids=label_values(table, plan.id),
        classes=plan.classes,
        ragged=ragged,
    )


def _values(
    table: pa.Table, plan: ColumnPlan, first: int, request: Request
) -> tuple[NDArray[Any], bool]:
    """Take the scores, and say whether they had to be padded."""
    if plan.classes is None:
        name, scale = plan.scores[0], request.texts
        if scale is not None and _is_text((column := _stored(table.column(name))).type):
            return np.array([number_said(name, each, scale) for each in column.to_pylist()]), False
        if not holds_lists(table, name):
            return numbers(table, name), False
        cells, lengths = lists(table, name, first)
        return padded_rows(numbers(cells, name), lengths, plan.kind)
    columns = [numbers(table, name) for name in plan.scores]
    values = np.empty((table.num_rows, len(columns)), dtype=np.result_type(*columns))
    return np.stack(columns, axis=1, out=values), False
