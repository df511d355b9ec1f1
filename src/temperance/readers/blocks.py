"""Files read some rows at a time: larger than the memory, or a folder of shards."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from temperance.alignment import column_order
from temperance.checks.arguments import require_type
from temperance.checks.label_map import LabelMap
from temperance.errors import FileFormatError, InvalidInputError
from temperance.readers.arrow import arrow_blocks, parquet_blocks, parquet_rows
from temperance.readers.csv_file import csv_blocks
from temperance.readers.dataset import Fields, Missing, sha256_of, without_missing
from temperance.readers.folder import read
from temperance.readers.guard import is_folder, refusing, require_file
from temperance.readers.npz import read_header
from temperance.readers.request import Request
from temperance.readers.shapes import check_shapes
from temperance.readers.shards import Header, Shards, file_suffix
from temperance.readers.whole import SUFFIXES, Meaning, as_dataset, read_file

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
    left_out: tuple[str, ...] = ()  # notes of files that were left out
    like: Header | None = None  # what every block is made like; None: like the first
    meaning: Meaning | None = None
    na: Missing = "refuse"

    def __iter__(self) -> Iterator[Dataset]:
        """Yield the blocks in order; every error names the file, and the place in it."""
        header, blocks = self.like, self._as_they_stand()
        for block in blocks:
            if self.meaning is not None:
                block = self.meaning.meant(block, blocks)  # noqa: PLW2901
            if header is None:
                header = Header.of(block)
                yield block
            else:
                yield header.aligned(block)
        if self.meaning is not None:
            self.meaning.has_met_all = True

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

    @property
    def label_map(self) -> LabelMap | None:
        """What the labels mean."""
        return None if self.meaning is None else self.meaning.label_map

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out; after a reading to the end also what no row has of a map of labels."""
        unused = () if self.meaning is None else self.meaning.notes(str(self.path))
        return (*self.left_out, *unused)

    def _as_they_stand(self) -> Iterator[Dataset]:
        if self.labels is not None and is_folder(self.path):  # joined by the ids of all files
            yield from _sliced(
                read(self.path, kind=self.kind, fields=self.fields, labels=self.labels, na=self.na)
            )
            return
        for file in self.files:
            yield from self._of_file(file)

    def _of_file(self, file: Path) -> Iterator[Dataset]:
        parts = _IN_PARTS.get(file_suffix(file))
        if parts is None or self.labels is not None:
            whole = read_file(
                file, kind=self.kind, fields=self.fields, labels=self.labels, na=self.na
            )
            yield from _sliced(whole)
            return
        request, first, kept = Request(self.kind, self.fields, na=self.na), 0, 0
        with refusing(file):
            require_file(file)
        for rows in _each(file, parts(file, request)):
            with refusing(file):
                fitting = check_shapes(rows, "rows")
            read_now = dataclasses.replace(as_dataset(fitting, file, self.kind), first=first)
            first += len(read_now.values)
            if self.na == "drop":
                with refusing(file):
                    read_now = without_missing(read_now, every=True)
            kept += len(read_now.values)
            yield from _sliced(read_now) if len(read_now.values) else ()
        if not kept:
            msg = f"{file}: has no row that counts: each lacks a value (--na drop)."
            raise FileFormatError(msg)


def read_blocks(
    path: str | os.PathLike[str],
    *,
    kind: Kind | None = None,
    fields: Fields | None = None,
    labels: str | os.PathLike[str] | None = None,
    label_map: LabelMap | Mapping[Any, Any] | str | None = None,
    na: Missing = "refuse",
) -> BlockFile:
    """Return the rows of a file, or of a folder of shards, block by block.

    Parameters
    ----------
    path : path-like
        A file of any format that `read` takes, or a folder of such files, read in the order of
        their names; files that come later are not. Columns are matched by name to those of the
        first.
    kind, fields, labels, label_map, na
        As in `read`; the notes of each block count the rows that were left out of it. A folder with
        `labels` is read as a whole.

    Returns
    -------
    BlockFile
        Iterate over it, as often as needed, for `Dataset` values of some rows each. Nothing is read
        before.

    Raises
    ------
    FileFormatError
        The file is missing; a folder that holds no file of a known format, or a sub-folder that
        does. While iterating: as in `read`, with the row group of a Parquet
        file; a shard that differs from the first in more than the order of its columns.
    """
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
        meaning=None if label_map is None else Meaning(LabelMap.of(label_map)),
        na=na,
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
