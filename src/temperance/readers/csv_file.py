"""Text tables, .csv and .tsv: parsed in blocks of lines, converted column by column."""

from __future__ import annotations

import csv
import importlib.util
import math
from array import array
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from temperance.checks.label_map import lacks_label
from temperance.errors import FileFormatError
from temperance.readers.cells import INFINITY, NumberCells, is_missing, number_list
from temperance.readers.dataset import refuse_missing
from temperance.readers.dialect import GZIP, TextDialect, is_utf8, opened, separated
from temperance.readers.guard import name_list, quoted
from temperance.readers.request import FileRows, Request, padded_rows, padded_texts
from temperance.readers.table import UNKNOWN, ColumnPlan, finished, hint_of_missing, plan_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["PlainColumns", "csv_blocks", "plain_columns", "read_csv"]

_BLOCK_ROWS = 20_000


class _Reader(Protocol):
    """What `csv.reader` returns."""

    line_num: int

    def __iter__(self) -> Iterator[list[str]]: ...
    def __next__(self) -> list[str]: ...


class _Lists:
    """One column of lists of numbers, added some cells at a time; missing cells become NaN."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._flat = array("d")
        self._lengths = array("q")

    def add(self, cells: Sequence[str], lines: Sequence[int]) -> NDArray[np.bool_]:
        """Convert more cells; return which are missing."""
        missing = np.zeros(len(cells), dtype=np.bool_)
        for i, (cell, line) in enumerate(zip(cells, lines, strict=True)):
            if is_missing(cell):
                missing[i] = True
                self._flat.append(np.nan)
                self._lengths.append(1)
                continue
            try:
                numbers = number_list(cell)
            except FileFormatError as error:
                msg = f"line {line}: column `{self._name}` {error}"
                raise FileFormatError(msg) from error
            missing[i] = any(map(math.isnan, numbers))
            self._flat.extend(numbers)
            self._lengths.append(len(numbers))
        return missing

    def rows(self, plan: ColumnPlan) -> tuple[NDArray[Any], bool]:
        """Return all lists so far as an array, and whether they had to be padded."""
        flat, lengths = np.array(self._flat), np.array(self._lengths)
        if len(lengths) > 1 and not np.isnan(flat).any():
            return padded_rows(flat, lengths, plan.kind)
        ends = np.cumsum(lengths)
        missing = (lengths == 1) & np.isnan(flat[ends - 1])
        present = lengths[~missing]
        width = int(present.max()) if len(present) else 1
        whole = np.repeat(~missing, lengths)
        ragged = padded_rows(flat[whole], present, plan.kind) if len(present) else (flat[:0], False)
        values = np.full((len(lengths), width), np.nan)
        values[~missing] = ragged[0]
        return values, ragged[1]


class _Columns:
    """What has been converted so far, and which rows lack a value."""

    def __init__(
        self, plan: ColumnPlan, request: Request, first_row: dict[str, str], dialect: TextDialect
    ) -> None:
        self._plan = plan
        self._request = request
        self._dialect = dialect
        texts = (plan.label, plan.group, plan.cluster, plan.id)
        self._texts: dict[str, list[str]] = {name: [] for name in texts if name is not None}
        self._numbers: dict[str, NumberCells | _Lists] = {}
        for name in (*plan.scores, *plan.labels, plan.weight):
            if name is not None:
                hint = UNKNOWN if name in plan.labels else ""
                scale = request.texts if name in plan.scores else None
                scale = scale if scale is not None and scale.words else None
                self._numbers[name] = NumberCells(
                    name, hint=hint, texts=scale, decimal=request.fields.decimal
                )
        for name in self._list_columns(first_row):
            self._texts.pop(name, None)
            self._numbers[name] = _Lists(name)
        self._missing: dict[str, list[NDArray[np.bool_]]] = {
            name: [] for name in (*self._numbers, *self._texts)
        }
        self._first: tuple[int, str] | None = None

    def _list_columns(self, first_row: dict[str, str]) -> list[str]:
        plan = self._plan
        names = []
        if plan.scores and plan.classes is None and _is_list(first_row[plan.scores[0]]):
            names.append(plan.scores[0])
        several = self._request.layout == "labels"
        if several and plan.label is not None and _is_list(first_row[plan.label]):
            names.append(plan.label)
        return names

    def add(self, block: _LineBlock) -> None:
        """Convert one more block."""
        for name, column in self._numbers.items():
            self._note(name, block, column.add(block.columns[name], block.lines))
        for name, texts in self._texts.items():
            cells = block.columns[name]
            texts.extend(cells)
            self._note(name, block, self._missing_texts(name, cells))

    def of_plain(self, plain: PlainColumns) -> Self | None:
        """Return all rows of a plain table; None where cells are lists, or missing and refused."""
        for name, column in self._numbers.items():
            if isinstance(column, _Lists):
                return None
            numbers = None if column.decimal == "," else plain.numbers(name)
            if numbers is None:
                missing = column.add(plain.texts(name), range(2, plain.n + 2))
            else:
                missing = column.add_numbers(numbers)
            self._missing[name].append(missing)
        for name, texts in self._texts.items():
            texts.extend(plain.texts(name))
            self._missing[name].append(self._missing_texts(name, texts))
        refused = self._request.na == "refuse"
        return None if refused and any(parts[0].any() for parts in self._missing.values()) else self

    def _missing_texts(self, name: str, cells: Sequence[str]) -> NDArray[np.bool_]:
        """Say which cells of a column of text hold no value."""
        lacks = self._lacks_label if name == self._plan.label else _is_blank
        verdicts = {cell: lacks(cell) for cell in set(cells)}
        return np.fromiter(map(verdicts.__getitem__, cells), np.bool_, len(cells))

    def _note(self, name: str, block: _LineBlock, missing: NDArray[np.bool_]) -> None:
        self._missing[name].append(missing)
        if missing.any():
            row = int(missing.argmax())
            cell = block.columns[name][row].strip()
            place = block.lines[row], f"{quoted(cell) if cell else 'an empty cell'} of `{name}`"
            if self._first is None or place[0] < self._first[0]:
                self._first = place

    def _lacks_label(self, cell: str) -> bool:
        return lacks_label(cell, self._plan.classes or ())

    def rows(self) -> FileRows:
        """Return all rows so far."""
        plan = self._plan
        missing = {name: np.concatenate(parts) for name, parts in self._missing.items()}
        cells = [each for each in self._numbers.values() if isinstance(each, NumberCells)]
        dialect = self._dialect._replace(decimal_comma=any(each.found_comma for each in cells))
        lacking = [name for name, rows in missing.items() if rows.any()]
        if self._first is not None and self._request.na == "refuse":
            rows = np.logical_or.reduce([missing[name] for name in lacking])
            line, what = self._first
            hint = hint_of_missing(lacking, plan, self._request)
            refuse_missing(
                int(rows.sum()), len(rows), lacking, f"in line {line}, {what}", hint=hint
            )
        values, ragged = self._scores() if plan.scores else (None, False)
        texts = {
            name: _masked(padded_texts(name, texts), missing[name])
            for name, texts in self._texts.items()
        }
        rows_read = FileRows(
            kind=plan.kind,
            values=values,
            labels=self._labels(texts),
            weights=self._numbers_of(plan.weight),
            groups=None if plan.group is None else texts[plan.group],
            clusters=None if plan.cluster is None else texts[plan.cluster],
            ids=None if plan.id is None else texts[plan.id],
            classes=plan.classes,
            ragged=ragged,
            percent=any(
                isinstance(column, NumberCells) and column.percent
                for name, column in self._numbers.items()
                if name in plan.scores
            ),
            notes=dialect.notes,
        )
        return finished(rows_read, plan, self._request)

    def _scores(self) -> tuple[NDArray[Any], bool]:
        column = self._numbers[self._plan.scores[0]]
        if isinstance(column, _Lists):
            return column.rows(self._plan)
        if self._plan.classes is None:
            return column.values(), False
        return self._matrix(self._plan.scores), False

    def _labels(self, texts: dict[str, NDArray[np.str_]]) -> NDArray[Any] | None:
        plan = self._plan
        if plan.labels:
            return self._matrix(plan.labels)
        if plan.label is None:
            return None
        lists = self._numbers.get(plan.label)
        if isinstance(lists, _Lists):
            labels, ragged = lists.rows(plan)
            if ragged:
                msg = f"column `{plan.label}` must hold lists of one length, one number per label."
                raise FileFormatError(msg)
            return labels
        return texts[plan.label]

    def _matrix(self, names: tuple[str, ...]) -> NDArray[np.float64]:
        """Join columns of numbers, (n, columns), and let go of them."""
        first = self._numbers_of(names[0])
        values = np.empty((len(first), len(names)))  # type: ignore[arg-type]
        for j, name in enumerate(names):
            values[:, j] = self._numbers_of(name)
            if name != names[0] and name != self._plan.weight:
                del self._numbers[name]
        return values

    def _numbers_of(self, name: str | None) -> NDArray[np.float64] | None:
        if name is None:
            return None
        column = self._numbers[name]
        assert isinstance(column, NumberCells)  # noqa: S101  (lists are asked for elsewhere)
        return column.values()


class _LineBlock:
    """Some rows, cut into the columns that are used, and the line on which each row starts."""

    def __init__(self, rows: list[list[str]], lines: list[int], names: Sequence[str]) -> None:
        width = len(names)
        for row, line in zip(rows, lines, strict=True):
            if len(row) != width:
                msg = f"line {line}: has {_count(len(row))} but the header has {_count(width)}."
                raise FileFormatError(msg)
        self.columns: dict[str, tuple[str, ...]] = dict(
            zip(names, zip(*rows, strict=True), strict=True)
        )
        self.lines = lines


def read_csv(path: Path, request: Request) -> FileRows:
    """Read a table with a header; numbers become float64, all else stays text."""
    fast = is_utf8(request.fields) and is_worth_loading(path)
    rows = _plain_rows(path, request) if fast else None
    return _all_rows(path, request) if rows is None else rows


def _plain_rows(path: Path, request: Request) -> FileRows | None:
    """Read a plain table at once; None where it is not plain, or wrong in a line to be named."""
    try:
        with opened(path, request.fields) as (file, encoding):
            lines, delimiter, mark = separated(file, path, request.fields.delimiter)
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            names, cells = next(reader, []), next(reader, [])
        plain = plain_columns(path, names, delimiter) if len(names) == len(cells) else None
        if plain is None:
            return None
        first_row = dict(zip(names, cells, strict=True))
        plan = _planned(names, first_row, request)
        dialect = TextDialect(mark, encoding=encoding)
        columns = _Columns(plan, request, first_row, dialect).of_plain(plain)
        return None if columns is None else columns.rows()
    except (FileFormatError, UnicodeError, csv.Error):
        return None


def _all_rows(path: Path, request: Request) -> FileRows:
    columns = None
    for plan, block, dialect in _planned_blocks(path, request):
        if columns is None:
            columns = _Columns(plan, request, _first_row(block), dialect)
        columns.add(block)
    assert columns is not None  # noqa: S101  (no block is an error)
    return columns.rows()


def csv_blocks(path: Path, request: Request) -> Iterator[FileRows]:
    """Read such a table some thousand lines at a time."""
    first_row = None
    for plan, block, dialect in _planned_blocks(path, request):
        first_row = first_row or _first_row(block)
        columns = _Columns(plan, request, first_row, dialect)
        columns.add(block)
        yield columns.rows()


def _planned_blocks(
    path: Path, request: Request
) -> Iterator[tuple[ColumnPlan, _LineBlock, TextDialect]]:
    """Yield which columns to read, some rows, and how they are written, until the file ends."""
    with opened(path, request.fields) as (file, encoding):
        lines, delimiter, mark = separated(file, path, request.fields.delimiter)
        reader: _Reader = csv.reader(lines, delimiter=delimiter, strict=True)
        try:
            names = next((row for row in reader if row), None)
            if names is None:
                msg = "has no header line."
                raise FileFormatError(msg)
            plan = None
            for block in _blocks(reader, names):
                if plan is None:
                    plan = _planned(names, _first_row(block), request)
                yield plan, block, TextDialect(mark, encoding=encoding)
        except csv.Error as error:
            msg = f"line {reader.line_num}: {error}; check its quotation marks."
            raise FileFormatError(msg) from error
        if plan is None:
            _planned(names, {}, request)
            msg = "has no rows below its header."
            raise FileFormatError(msg)


def _planned(names: list[str], first_row: dict[str, str], request: Request) -> ColumnPlan:
    """Assign the columns; if that fails, say it when the names are numbers."""
    lists = any(map(_is_list, first_row.values()))
    if len(names) == 1 and len(names[0].split()) > 1 and not _is_list(names[0]):
        cells = next(iter(first_row.values()), "").split()
        if len(cells) == len(names[0].split()):
            msg = (
                f"has only the column {quoted(names[0])}; separate columns by commas in a .csv, by "
                "tabs in a .tsv."
            )
            raise FileFormatError(msg)
    try:
        return plan_columns(names, request, lists=lists)
    except FileFormatError as error:
        if not _are_numbers(names):
            raise
        msg = (
            f"has no header: its first line holds {name_list(names)}. Write a line with the "
            "columns' names above it, such as logit_cat,logit_dog,label."
        )
        raise FileFormatError(msg) from error


def _are_numbers(names: list[str]) -> bool:
    """Whether half of the names and more are numbers, and not merely classes 0, 1, 2."""
    numbers = [name for name in names if _is_number(name)]
    plain = all(name.strip().isdecimal() for name in numbers) and len(set(numbers)) == len(numbers)
    return bool(numbers) and 2 * len(numbers) >= len(names) and not plain


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_list(cell: str) -> bool:
    text = cell.strip()
    return text.startswith("[") or (text.startswith("(") and "[" in text)


def _is_blank(cell: str) -> bool:
    return not cell or cell.isspace()


def _first_row(block: _LineBlock) -> dict[str, str]:
    return {name: cells[0] for name, cells in block.columns.items()}


def _blocks(reader: _Reader, names: Sequence[str]) -> Iterator[_LineBlock]:
    rows: list[list[str]] = []
    lines: list[int] = []
    line = reader.line_num + 1
    for row in reader:
        if row:  # an empty line gives an empty list
            rows.append(row)
            lines.append(line)
        line = reader.line_num + 1
        if len(rows) == _BLOCK_ROWS:
            yield _LineBlock(rows, lines, names)
            rows, lines = [], []
    if rows:
        yield _LineBlock(rows, lines, names)


def _count(cells: int) -> str:
    return f"{cells} cell" if cells == 1 else f"{cells} cells"


def _masked(texts: NDArray[np.str_], missing: NDArray[np.bool_]) -> NDArray[np.str_]:
    return np.ma.array(texts, mask=missing) if missing.any() else texts


# Plain text tables read at once by pyarrow, where it is installed: many times as fast.
#
# Plain is what two programs cannot read in two ways: a header, rows of as many cells, no
# quotation mark. What else there is, and what is wrong, is left to `csv_file.py`, which says
# where.


_WORTH_LOADING = 1 << 20  # bytes; less is read before pyarrow is imported
_MOST = 1 << 28  # bytes held at once; larger files are read a block of lines at a time
_BOM = b"\xef\xbb\xbf"
_STARTS = (b"PK\x03\x04", GZIP, b"sep=", b"\n", b"\r")  # archives; lines before the header


class PlainColumns:
    """The columns of a plain table."""

    def __init__(self, table: Any) -> None:  # noqa: ANN401  (a table of pyarrow)
        self._table = table

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self._table.num_rows)

    def texts(self, name: str) -> list[str]:
        """Return the cells of a column as they stand there."""
        cells: list[str] = self._table.column(name).to_pylist()
        return cells

    def numbers(self, name: str) -> NDArray[np.float64] | None:
        """Return the cells of a column as numbers; None where some are not plainly that."""
        import pyarrow as pa  # noqa: PLC0415 - optional package

        column = self._table.column(name)
        try:
            chunks = column.cast(pa.float64()).chunks
        except pa.ArrowInvalid:
            return None
        # from their buffers: `to_numpy` imports pandas, which takes longer than the file
        parts = [
            np.frombuffer(each.buffers()[1])[each.offset : each.offset + len(each)]
            for each in chunks
        ]
        numbers = np.concatenate(parts)
        if np.isnan(numbers).any():
            return None
        infinite = (column[row].as_py() for row in np.flatnonzero(np.isinf(numbers)).tolist())
        return numbers if all(map(INFINITY.fullmatch, infinite)) else None  # 1e999 is none


def is_worth_loading(path: Path) -> bool:
    """Whether pyarrow is installed, and a table long enough to import it for."""
    size = path.stat().st_size
    return _WORTH_LOADING <= size <= _MOST and importlib.util.find_spec("pyarrow") is not None


def plain_columns(path: Path, names: Sequence[str], delimiter: str) -> PlainColumns | None:
    """Return the columns `names` of a file whose first line names them; None if it is not plain."""
    text = path.read_bytes()
    lone = text.count(b"\r") != text.count(b"\r\n")
    start = text[:8].removeprefix(_BOM).lower()
    if lone or b'"' in text or b"\0" in text or start.startswith(_STARTS):
        return None
    if len(set(names)) < len(names):
        return None
    import pyarrow as pa  # noqa: PLC0415 - optional package
    from pyarrow import csv  # noqa: PLC0415 - optional package

    try:
        table = csv.read_csv(
            pa.BufferReader(text),
            read_options=csv.ReadOptions(column_names=list(names), skip_rows=1, use_threads=False),
            parse_options=csv.ParseOptions(delimiter=delimiter, quote_char=False),
            convert_options=csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
        )
    except (pa.ArrowException, UnicodeError):
        return None
    return PlainColumns(table) if table.num_rows else None
