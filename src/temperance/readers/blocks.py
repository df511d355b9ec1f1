"""Files read some rows at a time: larger than the memory, or a folder of shards."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from temperance.alignment import column_order
from temperance.checks.arguments import require_type
from temperance.checks.labels import LabelMap
from temperance.errors import InvalidInputError
from temperance.readers.arrow import arrow_blocks, parquet_blocks, parquet_rows
from temperance.readers.csv_file import csv_blocks
from temperance.readers.dataset import Fields, sha256_of
from temperance.readers.folder import refuse_labels_of_folder
from temperance.readers.guard import is_folder, refusing, require_file
from temperance.readers.npy import read_header
from temperance.readers.request import Request
from temperance.readers.shapes import check_shapes
from temperance.readers.shards import Header, Shards, file_suffix
from temperance.readers.whole import SUFFIXES, as_dataset, read_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from temperance.readers.dataset import Dataset, Kind
    from temperance.readers.request import Rows

__all__ = ["BlockFile", "read_blocks"]

_BLOCK = 1 << 22  # numbers of a block
_IN_PARTS: dict[str, Callable[[Path, Request], Iterator[Rows]]] = {
    ".csv": csv_blocks,
    ".csv.gz": csv_blocks,
    ".tsv": csv_blocks,
    ".tsv.gz": csv_blocks,
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
    files: tuple[Path, ...]  # as they were when the folder was looked at
    notes: tuple[str, ...] = ()  # files that were left out
    like: Header | None = None  # what every block is made like; None: like the first
    label_map: LabelMap | None = None

    def __iter__(self) -> Iterator[Dataset]:
        """Yield the blocks in order; every error names the file, and the place in it."""
        header = self.like
        for file in self.files:
            for block in self._of_file(file):
                if self.label_map is not None:
                    block = block.with_labels_of(self.label_map)  # noqa: PLW2901
                if header is None:
                    header = Header.of(block)
                    yield block
                else:
                    yield header.aligned(block)

    def header(self) -> Header:
        """Return what all files must have in common, by the first block."""
        return self.like or Header.of(next(iter(self)))

    def in_order(self, classes: Sequence[str]) -> BlockFile:
        """Return the same rows with their classes, which have these names, in this order.

        Raises InvalidInputError where they have other names. Classes without names stay.
        """
        header = self.header()
        try:
            order = column_order(header.classes, classes, whose="`classes`")
        except InvalidInputError as error:
            msg = f"{header.source}: {error}"
            raise InvalidInputError(msg) from error
        if order is None:
            return self
        return dataclasses.replace(self, like=dataclasses.replace(header, classes=tuple(classes)))

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
        parts = _IN_PARTS.get(file_suffix(file))
        if parts is None or self.labels is not None:
            whole = read_file(file, kind=self.kind, fields=self.fields, labels=self.labels)
            yield from _sliced(whole)
            return
        request, first = Request(self.kind, self.fields), 0
        with refusing(file):
            require_file(file)
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
        their names; files that come later are not. Columns are matched by name to those of the
        first.
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
        The file is missing; a folder that holds no file of a known format, or a sub-folder that
        does; `labels` of a folder. While iterating: as in `read`, with the row group of a Parquet
        file; a shard that differs from the first in more than the order of its columns.
    """
    if is_folder(path):
        refuse_labels_of_folder(path, labels)
    if fields is not None:
        require_type(fields, Fields, name="fields", rule="`Fields`, which names columns and keys")
    if labels is not None:
        require_type(labels, (str, os.PathLike), name="labels", rule="the path of a file")
    shards = Shards.of(path, SUFFIXES)
    if file_suffix(shards.files[0]) not in SUFFIXES:
        read_file(path)  # raises, and says which suffixes there are
    beside = None if labels is None else Path(labels)
    return BlockFile(
        Path(path), kind, fields or Fields(), beside, shards.files, shards.notes,
        label_map=None if label_map is None else LabelMap.of(label_map),
    )  # fmt: skip


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
            require_file(file)
            with file.open("rb") as opened:
                return read_header("the array", opened, file.stat().st_size).shape[0]
        return parquet_rows(file) if file.suffix.lower() == ".parquet" else None
