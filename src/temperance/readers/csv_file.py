"""Text tables, .csv and .tsv: parsed in blocks of lines, converted column by column."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from temperance.errors import FileFormatError
from temperance.readers.guard import quoted
from temperance.readers.label_columns import UNKNOWN
from temperance.readers.padding import padded_texts
from temperance.readers.request import Request, Rows
from temperance.readers.table import Plan, plan_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["csv_blocks", "read_csv"]

_BLOCK_ROWS = 20_000


class _Reader(Protocol):
    """What `csv.reader` returns."""

    line_num: int

    def __iter__(self) -> Iterator[list[str]]: ...


@dataclass(frozen=True, slots=True)
class _Block:
    """Some rows, cut into columns, and the line on which each row starts."""

    columns: dict[str, tuple[str, ...]]
    lines: list[int]


@dataclass(slots=True)
class _Columns:
    """What has been converted so far: numbers as arrays, text as it came."""

    numbers: dict[str, list[NDArray[np.float64]]] = field(default_factory=dict)
    texts: dict[str, list[str]] = field(default_factory=dict)
    of_labels: tuple[str, ...] = ()

    @classmethod
    def of(cls, plan: Plan) -> _Columns:
        """Return empty columns for all that is to be read."""
        texts = (plan.label, plan.group, plan.cluster, plan.id)
        return cls(
            numbers={n: [] for n in (*plan.scores, *plan.labels, plan.weight) if n is not None},
            texts={name: [] for name in texts if name is not None},
            of_labels=plan.labels,
        )

    def add(self, block: _Block) -> None:
        """Convert one more block."""
        for name, arrays in self.numbers.items():
            hint = UNKNOWN if name in self.of_labels else ""
            arrays.append(_as_numbers(name, block, hint))
        for name, texts in self.texts.items():
            texts.extend(_as_texts(name, block))

    def number(self, name: str | None) -> NDArray[np.float64] | None:
        """Join a column of numbers."""
        return None if name is None else np.concatenate(self.numbers[name])

    def matrix(self, names: tuple[str, ...]) -> NDArray[np.float64]:
        """Join columns of numbers, (n, columns), and let go of them."""
        n = sum(map(len, self.numbers[names[0]]))
        values = np.empty((n, len(names)))
        for j, name in enumerate(names):
            np.concatenate(self.numbers.pop(name), out=values[:, j])
        return values

    def text(self, name: str | None) -> NDArray[np.str_] | None:
        """Join a column of text."""
        return None if name is None else padded_texts(name, self.texts[name])


def read_csv(path: Path, request: Request) -> Rows:
    """Read a table with a header; numbers become float64, all else stays text."""
    columns = None
    for plan, block in _planned_blocks(path, request):
        columns = _Columns.of(plan) if columns is None else columns
        columns.add(block)
    assert columns is not None  # noqa: S101  (no block is an error)
    return _rows(plan, columns)


def csv_blocks(path: Path, request: Request) -> Iterator[Rows]:
    """Read such a table some thousand lines at a time."""
    for plan, block in _planned_blocks(path, request):
        columns = _Columns.of(plan)
        columns.add(block)
        yield _rows(plan, columns)


def _rows(plan: Plan, columns: _Columns) -> Rows:
    return Rows(
        kind=plan.kind,
        values=_values(plan, columns) if plan.scores else None,
        labels=columns.matrix(plan.labels) if plan.labels else columns.text(plan.label),
        weights=columns.number(plan.weight),
        groups=columns.text(plan.group),
        clusters=columns.text(plan.cluster),
        ids=columns.text(plan.id),
        classes=plan.classes,
    )


def _planned_blocks(path: Path, request: Request) -> Iterator[tuple[Plan, _Block]]:
    """Yield which columns to read, and some rows, until the file ends."""
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader: _Reader = csv.reader(file, delimiter=delimiter, strict=True)
        try:
            names = next((row for row in reader if row), None)
            if names is None:
                msg = "has no header line."
                raise FileFormatError(msg)
            plan = plan_columns(names, request, lists=False)
            empty = True
            for block in _blocks(reader, names):
                empty = False
                yield plan, block
        except csv.Error as error:
            msg = f"line {reader.line_num}: {error}; check its quotation marks."
            raise FileFormatError(msg) from error
    if empty:
        msg = "has no rows below its header."
        raise FileFormatError(msg)


def _blocks(reader: _Reader, names: Sequence[str]) -> Iterator[_Block]:
    rows: list[list[str]] = []
    lines: list[int] = []
    line = reader.line_num + 1
    for row in reader:
        if row:  # an empty line gives an empty list
            rows.append(row)
            lines.append(line)
        line = reader.line_num + 1
        if len(rows) == _BLOCK_ROWS:
            yield _cut(rows, lines, names)
            rows, lines = [], []
    if rows:
        yield _cut(rows, lines, names)


def _cut(rows: list[list[str]], lines: list[int], names: Sequence[str]) -> _Block:
    width = len(names)
    for row, line in zip(rows, lines, strict=True):
        if len(row) != width:
            msg = f"line {line}: has {_count(len(row))} but the header has {_count(width)}."
            raise FileFormatError(msg)
    return _Block(dict(zip(names, zip(*rows, strict=True), strict=True)), lines)


def _count(cells: int) -> str:
    return f"{cells} cell" if cells == 1 else f"{cells} cells"


def _as_numbers(name: str, block: _Block, hint: str) -> NDArray[np.float64]:
    cells = block.columns[name]
    try:
        numbers = np.array(cells, dtype=np.float64)
        plain = "_" not in "".join(cells)
    except ValueError:
        plain = False
    if plain:
        return numbers
    bad = next(i for i, cell in enumerate(cells) if not _is_number(cell))
    found = quoted(cells[bad]) if cells[bad].strip() else "an empty cell"
    msg = f"line {block.lines[bad]}: column `{name}` must hold numbers, got {found}.{hint}"
    raise FileFormatError(msg)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell  # Python reads 1_000, tables do not mean it


def _as_texts(name: str, block: _Block) -> tuple[str, ...]:
    cells = block.columns[name]
    if "" in cells:
        msg = f"line {block.lines[cells.index('')]}: column `{name}` must not have empty cells."
        raise FileFormatError(msg)
    return cells


def _values(plan: Plan, columns: _Columns) -> NDArray[Any]:
    if plan.classes is None:
        return np.concatenate(columns.numbers[plan.scores[0]])
    return columns.matrix(plan.scores)
