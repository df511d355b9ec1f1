"""Probabilities written block by block, for files larger than the memory."""

from __future__ import annotations

import csv
import json
import os
from contextlib import contextmanager
from functools import partial
from typing import IO, TYPE_CHECKING, Any, Protocol

import numpy as np

from temperance.errors import InvalidInputError
from temperance.writers.content import class_names, refuse_missing_labels, text_cells
from temperance.writers.place import check_writable, file_suffix, no_pyarrow, opened_text, replacing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from temperance.writers.content import Content

__all__ = ["BLOCK_SUFFIXES", "check_block_suffix", "writing_blocks"]


class _Writer(Protocol):
    """Appends blocks to a file; `close` makes the file whole."""

    def add(self, content: Content) -> None: ...

    def close(self) -> None: ...


@contextmanager
def writing_blocks(path: str | os.PathLike[str]) -> Iterator[_Writer]:
    """Yield a value whose `add(content)` appends a block of rows to the file.

    The file takes the place of `path` when the `with` ends; if it fails or is interrupted, nothing
    is left behind and `path` stays as it was. All blocks have the columns of the first.

    Parameters
    ----------
    path : path-like
        Its suffix, one of `BLOCK_SUFFIXES`, says the format.

    Raises
    ------
    InvalidInputError
        `path` cannot be written; the format cannot grow.
    MissingDependencyError
        The format needs a package that is not installed.
    """
    check_block_suffix(path)
    with replacing(path) as temporary:
        writer = _WRITERS[file_suffix(path)](temporary)
        try:
            yield writer
        finally:
            writer.close()


def check_block_suffix(path: str | os.PathLike[str]) -> None:
    """Raise now if blocks cannot be written to `path`."""
    check_writable(path)
    if file_suffix(path) not in BLOCK_SUFFIXES:
        msg = (
            f"`path` must have one of the suffixes {' '.join(BLOCK_SUFFIXES)} for rows that are "
            f"written block by block, got '{os.fspath(path)}'."
        )
        raise InvalidInputError(msg)


class _Npy:
    """One array that grows: its header is written again with the number of rows."""

    def __init__(self, path: Path) -> None:
        self._file: IO[bytes] = path.open("wb")
        self._header: dict[str, Any] = {}
        self._n = 0

    def add(self, content: Content) -> None:
        probs = np.ascontiguousarray(content.probs)
        if not self._header:
            self._header = np.lib.format.header_data_from_array_1_0(probs)
            np.lib.format.write_array_header_1_0(self._file, self._header)
        self._n += len(probs)
        self._file.write(probs.tobytes())

    def close(self) -> None:
        if self._header:
            self._file.seek(0)
            shape = (self._n, *self._header["shape"][1:])
            np.lib.format.write_array_header_1_0(self._file, {**self._header, "shape": shape})
        self._file.close()


class _Csv:
    """A table of text."""

    def __init__(self, path: Path, *, delimiter: str = ",", packed: bool = False) -> None:
        self._file = opened_text(path, newline="", packed=packed)
        self._delimiter = delimiter
        self._rows = csv.writer(self._file, delimiter=delimiter, lineterminator="\r\n")
        self._begun = False

    def add(self, content: Content) -> None:
        refuse_missing_labels(content, ".csv" if self._delimiter == "," else ".tsv")
        columns = content.table()
        if not self._begun:
            self._rows.writerow(columns)
            self._begun = True
        self._rows.writerows(zip(*map(text_cells, columns.values()), strict=True))

    def close(self) -> None:
        self._file.close()


class _Jsonl:
    """One JSON object per line."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", newline="\n")
        self._begun = False

    def add(self, content: Content) -> None:
        columns = {name: column.tolist() for name, column in content.columns.items()}
        for i, probs in enumerate(content.probs.tolist()):
            record = {name: values[i] for name, values in columns.items()}
            names = {} if self._begun else class_names(content)
            self._begun = True
            self._file.write(json.dumps({**record, "probs": probs, **names}) + "\n")

    def close(self) -> None:
        self._file.close()


class _Parquet:
    """A row group per block."""

    def __init__(self, path: Path) -> None:
        try:
            import pyarrow as pa  # noqa: PLC0415 - optional package
            import pyarrow.parquet as pq  # noqa: PLC0415 - optional package
        except ImportError as error:
            raise no_pyarrow() from error
        self._pa, self._pq, self._path = pa, pq, path
        self._writer: Any = None

    def add(self, content: Content) -> None:
        refuse_missing_labels(content, ".parquet")
        columns = content.table()
        table = self._pa.table(
            {
                n: self._pa.array(c.tolist() if c.dtype.kind == "U" else c)
                for n, c in columns.items()
            }
        )
        if self._writer is None:
            self._writer = self._pq.ParquetWriter(self._path, table.schema)
        self._writer.write_table(table.cast(self._writer.schema))

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


_WRITERS: dict[str, Callable[[Path], _Writer]] = {
    ".npy": _Npy,
    ".csv": _Csv,
    ".csv.gz": partial(_Csv, packed=True),
    ".tsv": partial(_Csv, delimiter="\t"),
    ".tsv.gz": partial(_Csv, delimiter="\t", packed=True),
    ".parquet": _Parquet,
    ".jsonl": _Jsonl,
    ".ndjson": _Jsonl,
}
BLOCK_SUFFIXES: tuple[str, ...] = tuple(_WRITERS)
