"""Files read some rows at a time: larger than the memory, or a folder of shards."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.checks.labels import LabelMap
from temperance.errors import FileFormatError
from temperance.readers.arrow import arrow_blocks, parquet_blocks, parquet_rows
from temperance.readers.csv_file import csv_blocks
from temperance.readers.dataset import Fields, sha256_of
from temperance.readers.folder import files_of, refuse_labels_of_folder
from temperance.readers.guard import refusing
from temperance.readers.request import Request
from temperance.readers.shapes import check_shapes
from temperance.readers.whole import SUFFIXES, as_dataset, read_file

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Mapping

    from temperance.readers.dataset import Dataset, Kind
    from temperance.readers.request import Rows

__all__ = ["BlockFile", "read_blocks"]

_BLOCK = 1 << 22  # numbers of a block
_IN_PARTS: dict[str, Callable[[Path, Request], Iterator[Rows]]] = {
    ".csv": csv_blocks,
    ".tsv": csv_blocks,
    ".parquet": parquet_blocks,
    ".arrow": arrow_blocks,
    ".feather": arrow_blocks,
}


@dataclass(frozen=True, slots=True)
class BlockFile:
    """The rows of a file, or of a folder of files, as `Dataset` after `Dataset`.

    It can be iterated over again and again. Of .npy, .npz (not compressed), .csv, .tsv, .parquet
    and .arrow files only a few blocks are in memory at a time; .jsonl and compressed .npz files are
    read one whole file after the other.
    """

    path: Path
    kind: Kind | None
    fields: Fields
    labels: Path | None
    label_map: LabelMap | None = None

    def __iter__(self) -> Iterator[Dataset]:
        """Yield the blocks in order; every error names the file, and the place in it."""
        width = None
        for file in self.files:
            for block in self._of_file(file):
                columns = block.values.shape[1:]
                width = columns if width is None else width
                if columns != width:
                    msg = (
                        f"{file}: has {_count(columns)}, but the files before have {_count(width)}."
                    )
                    raise FileFormatError(msg)
                yield block if self.label_map is None else block.with_labels_of(self.label_map)

    @property
    def files(self) -> tuple[Path, ...]:
        """The file, or those of a folder that can be read, by name."""
        return files_of(self.path)

    @property
    def size(self) -> int:
        """Bytes of the file, or of all files of the folder."""
        return sum(file.stat().st_size for file in self.files)

    def sha256(self) -> str:
        """Hexadecimal SHA-256 digest of the file's bytes, or of the digests of a folder's files."""
        return sha256_of(self.files)

    @property
    def n_rows(self) -> int | None:
        """Rows of all files, where that is known without reading them: .npy and .parquet."""
        counts = [_known_rows(file) for file in self.files]
        return None if None in counts else sum(c for c in counts if c is not None)

    def _of_file(self, file: Path) -> Iterator[Dataset]:
        parts = _IN_PARTS.get(file.suffix.lower())
        if parts is None or self.labels is not None:
            whole = read_file(file, kind=self.kind, fields=self.fields, labels=self.labels)
            yield from _sliced(whole)
            return
        request, first = Request(self.kind, self.fields), 0
        for rows in _each(file, parts(file, request)):
            with refusing(file):
                fitting = check_shapes(rows, "rows")
            read_now = dataclasses.replace(as_dataset(fitting, file, self.kind), first=first)
            yield from _sliced(read_now)
            first += len(read_now.values)


def read_blocks(
    path: str | os.PathLike[str],
    *,
    kind: Kind | None = None,
    fields: Fields | None = None,
    labels: str | os.PathLike[str] | None = None,
    label_map: LabelMap | Mapping[Any, Any] | str | None = None,
) -> BlockFile:
    """Return the rows of a file, or of a folder of shards, block by block.

    Parameters
    ----------
    path : path-like
        A file of any format that `read` takes, or a folder of such files, read in the order of
        their names.
    kind, fields, labels, label_map
        As in `read`; `labels` only for a single file.

    Returns
    -------
    BlockFile
        Iterate over it, as often as needed, for `Dataset` values of some rows each. Nothing is read
        before.

    Raises
    ------
    FileFormatError
        The file is missing; a folder that holds no file of a known format; `labels` of a folder.
        While iterating: as in `read`, with the row group of a Parquet file; a shard with another
        number of columns.
    """
    found = BlockFile(
        Path(path),
        kind,
        fields or Fields(),
        None if labels is None else Path(labels),
        None if label_map is None else LabelMap.of(label_map),
    )
    with refusing(path):
        if not found.path.exists():
            msg = "cannot be read: No such file or directory."
            raise FileFormatError(msg)
    if found.path.is_dir():
        refuse_labels_of_folder(path, labels)
    if found.files[0].suffix.lower() not in SUFFIXES:
        read_file(path)  # raises, and says which suffixes there are
    return found


def _each(file: Path, blocks: Iterator[Rows]) -> Iterator[Rows]:
    """Yield the blocks of a file; whatever goes wrong while one is read names the file."""
    while True:
        with refusing(file):
            block = next(blocks, None)
        if block is None:
            return
        yield block


def _sliced(whole: Dataset) -> Iterator[Dataset]:
    """Yield some rows of all arrays at a time: views, not copies."""
    n = len(whole.values)
    step = max(1, _BLOCK // max(1, whole.values[:1].size))
    if step >= n:
        yield whole
        return
    names = ("values", "labels", "weights", "groups", "clusters", "ids")
    for start in range(0, n, step):
        part: dict[str, Any] = {
            name: array[start : start + step]
            for name in names
            if (array := getattr(whole, name)) is not None
        }
        yield dataclasses.replace(whole, first=whole.first + start, **part)


def _known_rows(file: Path) -> int | None:
    with refusing(file):
        if file.suffix.lower() == ".npy":
            return int(np.load(file, mmap_mode="r", allow_pickle=False).shape[0])
        return parquet_rows(file) if file.suffix.lower() == ".parquet" else None


def _count(columns: tuple[int, ...]) -> str:
    return f"{columns[0]} columns" if columns else "a single column"
