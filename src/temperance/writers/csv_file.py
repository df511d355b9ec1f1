"""Text tables, .csv and .tsv, also packed by gzip."""

from __future__ import annotations

import csv
import gzip
import io
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from temperance.errors import InvalidInputError
from temperance.writers.content import refuse_missing_labels, text_cells, text_keepers
from temperance.writers.csv_arrow import is_worth_loading, text_lines

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from temperance.writers.content import Content

__all__ = ["CsvBlocks", "write_csv"]

_BLOCK_ROWS = 20_000


def write_csv(path: Path, content: Content, suffix: str) -> None:
    """Write a table, of commas or of tabs by the suffix, packed if that ends in .gz."""
    columns, plain = content.table(), suffix.removesuffix(".gz")
    for name, column in content.columns.items():
        if column.dtype.kind != "U":
            continue
        blank = (column == "") | np.char.isspace(column)  # is read as a missing value
        if blank.any():
            row = int(blank.argmax())
            msg = (
                f"`{name}s` must not hold blank text in a {plain} file; row {row} does. "
                f"Write a {text_keepers()} file instead."
            )
            raise InvalidInputError(msg)
    refuse_missing_labels(content, plain)
    with _opened(path, suffix) as file:
        _rows_to(file, plain).writerow(columns)
        for start in range(0, len(content.probs), _BLOCK_ROWS):
            block = slice(start, start + _BLOCK_ROWS)
            _write_rows(file, plain, [column[block] for column in columns.values()])


def _write_rows(file: IO[str], plain: str, columns: list[NDArray[Any]]) -> None:
    """Append columns, (n,) each, as n lines."""
    if is_worth_loading(len(columns) * len(columns[0])):
        file.write(text_lines(columns, _delimiter(plain)))
    else:
        _rows_to(file, plain).writerows(zip(*map(text_cells, columns), strict=True))


class CsvBlocks:
    """A table of text that grows by its rows."""

    def __init__(self, path: Path, suffix: str) -> None:
        self._plain = suffix.removesuffix(".gz")
        self._file = _opened(path, suffix)
        self._begun = False

    def add(self, content: Content) -> None:
        """Append rows, the first below a header."""
        refuse_missing_labels(content, self._plain)
        columns = content.table()
        if not self._begun:
            _rows_to(self._file, self._plain).writerow(columns)
            self._begun = True
        _write_rows(self._file, self._plain, list(columns.values()))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _rows_to(file: IO[str], plain: str) -> Any:  # noqa: ANN401  (what csv.writer returns)
    """Return what writes rows; lines end as RFC 4180 has it, so that either character is quoted."""
    return csv.writer(file, delimiter=_delimiter(plain), lineterminator="\r\n")


def _delimiter(plain: str) -> str:
    return "\t" if plain == ".tsv" else ","


def _opened(path: Path, suffix: str) -> IO[str]:
    """Open a file to write text to, in UTF-8, packed by gzip if its suffix says so.

    What is packed holds no name and no time, so that the same rows are the same bytes.
    """
    if not suffix.endswith(".gz"):
        return path.open("w", encoding="utf-8", newline="")
    return io.TextIOWrapper(_Packed(path), encoding="utf-8", newline="")


class _Packed(gzip.GzipFile):
    """A file packed by gzip that closes the file below it too."""

    def __init__(self, path: Path) -> None:
        self._below = path.open("wb")
        super().__init__(filename="", mode="wb", fileobj=self._below, mtime=0)

    def close(self) -> None:
        """Write what is left, then close."""
        try:
            super().close()
        finally:
            self._below.close()
