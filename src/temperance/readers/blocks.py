"""Files read some rows at a time: larger than the memory, or a folder of shards."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from temperance.alignment import column_order
from temperance.checks.arguments import require_type
from temperance.checks.label_map import LabelMap
from temperance.errors import FileFormatError, InvalidInputError
from temperance.file_formats import format_of, function_named
from temperance.readers.dataset import (
    ROW_COLUMNS,
    Dataset,
    Fields,
    Kind,
    Layout,
    Missing,
    sha256_of,
    without_missing,
)
from temperance.readers.guard import is_folder, refusing, require_file
from temperance.readers.label_source import check_label_source
from temperance.readers.llm import FormatName, LlmFormat
from temperance.readers.request import Request, check_shapes
from temperance.readers.shards import ShardHeader, Shards
from temperance.readers.whole import SUFFIXES, Meaning, as_dataset, read_file, with_labels

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from temperance.readers.label_source import LabelSource
    from temperance.readers.request import FileRows, TextScores

__all__ = ["BlockFile", "read", "read_blocks"]

# A file, or a folder of files whose rows are put together.


_USUAL_FIELDS = Fields()


def read(
    path: str | os.PathLike[str],
    *,
    kind: Kind | None = None,
    fields: Fields = _USUAL_FIELDS,
    labels: LabelSource | None = None,
    layout: Layout = "rows",
    format: FormatName | Literal["auto"] | LlmFormat | None = None,  # noqa: A002  (the word for it)
    label_map: LabelMap | Mapping[Any, Any] | str | None = None,
    na: Missing = "refuse",
    texts: TextScores | None = None,
) -> Dataset:
    r"""Read the scores of a file, and what else it holds about each row.

    Parameters
    ----------
    path : path-like
        A file whose suffix is one of `SUFFIXES` (capitals do not matter), or a folder of such
        files, whose rows are put together in the order of the files' names.
    kind : {"logits", "probs"}, optional
        Which of the two to take where a file holds both, and what to take its scores for
        whatever they are called.
    fields : Fields, optional
        Names to look for instead of the usual ones.
    labels : path-like or mapping of id to label, optional
        Another file, of any of these formats, to take the labels from; `fields.label` is then
        a name in that file. With a folder the rows are joined by their ids, which both must have.
        Or a mapping, `{"q1": "yes", "q2": "no"}`, which goes by the rows' ids alone; `fields.id`
        names their column or key. Ids without a label, or with several that differ, are an error
        that names them; labels that no row takes are counted and named in the `notes`.
        With a `format` labels are options as in the lines: texts, or places of options.
    layout : {"rows", "labels", "dense"}, default "rows"
        What a file holds: one class per row; a matrix of labels beside the scores, in tables a
        column `label_<name>` or in lists; or a class per pixel or token, in arrays of any shape.
    format : str or LlmFormat, optional
        Which format of a language model's answers the file has, whatever its suffix: its name, or
        an `LlmFormat` that also says how to read it. "auto" is the one that the lines show, if it
        is one. Of a folder the .jsonl files are read. Names
        in `fields` may then be paths, as `doc.answer`, and `kind` only picks what to take from
        records that hold both.
    na : {"refuse", "drop"}, default "refuse"
        What to do with rows that lack a value: a blank cell, NA, null or NaN among scores, labels,
        weights, groups, clusters or ids. "drop" leaves such rows out whole and counts them. With a
        `format`, its `missing` says what to do.
    label_map : mapping, str or LabelMap, optional
        What labels mean: `{"no": 0, "yes": 1}` (a class by its name, or by its position where
        columns have no names), "positions" (labels are positions of the columns, counted from 0,
        whatever these are called) or "one-based" (counted from 1). Every label must be in a pair or
        be a class; one that `ignore_label` is to leave out is mapped to itself. A label of a pair
        that no row has is named in the `notes`.
    texts : AnswerScale, optional
        What scores that are texts say, `95 %` and `high`, in tables and .jsonl.

    Returns
    -------
    Dataset
        Its `notes` say what was left out or bounded.

    Raises
    ------
    FileFormatError
        The file cannot be read, is of no known format, is damaged, lacks what was asked for, or
        the labels differ in number from the scores; files of a folder have other columns or
        names than the first; a row lacks a value and `na` is "refuse", or no row has all; a column
        that is named like the scores may be no class, or nearly like one of ours (see `Fields`).
        The message starts with the path. With a `format`, a line that is not of it: the message
        names line and key.
    InvalidInputError
        `kind` is neither of the two, `fields` names both logits and probs, or one of the
        arguments does not go with the `format`; `labels` are no path and no mapping of ids to
        labels of one kind.
    MissingDependencyError
        The format needs a package that is not installed.

    Examples
    --------
    Labels from a data base, in any order:

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "new.csv"
    ...     _ = file.write_text("id,prob_no,prob_yes\nq1,0.9,0.1\nq2,0.2,0.8\n")
    ...     rows = read(file, labels={"q2": "yes", "q1": "no", "q3": "no"})
    >>> rows.labels.tolist()
    ['no', 'yes']
    >>> [note.partition(" ids ")[2].rpartition(" in ")[0] for note in rows.notes]
    ['have no row']
    """
    require_type(fields, Fields, name="fields", rule="`Fields`, which names columns and keys")
    if labels is not None or fields.label_id is not None:
        check_label_source(labels, fields)
    meaning = None if label_map is None else Meaning(LabelMap.of(label_map), layout)
    dataset = _read(path, kind, fields, labels, layout, format, na, meaning, texts)
    if meaning is None:
        return dataset
    meaning.has_met_all = True
    return dataclasses.replace(dataset, notes=(*dataset.notes, *meaning.notes(dataset.source)))


def _read(
    path: str | os.PathLike[str],
    kind: Kind | None,
    fields: Fields,
    labels: LabelSource | None,
    layout: Layout,
    format: FormatName | Literal["auto"] | LlmFormat | None,  # noqa: A002  (the word for it)
    na: Missing,
    meaning: Meaning | None,
    texts: TextScores | None,
) -> Dataset:
    """Read a file or a folder, labels as they are meant."""

    def as_meant(part: Dataset, others: Sequence[Dataset] = ()) -> Dataset:
        """Return rows with labels as they are meant, by their own file's columns."""
        return part if meaning is None else meaning.meant(part, others)

    if format is not None:
        if na != "refuse":
            msg = "`na` (--na) does not go with a format; its `missing` (--missing) says the same."
            raise InvalidInputError(msg)
        for option in fields.text_options:
            msg = f"`{option}` (--{option}) does not go with a format, whose lines are JSON."
            raise InvalidInputError(msg)
        if layout != "rows":
            msg = "`layout` does not go with a format, whose lines have one right option each."
            raise InvalidInputError(msg)
        from temperance.readers.llm.read import read_llm  # noqa: PLC0415  (only of these files)

        llm_format = format if isinstance(format, LlmFormat) else LlmFormat(format)
        return as_meant(read_llm(path, llm_format, fields=fields, kind=kind, labels=labels))
    how: dict[str, Any] = {
        "kind": kind, "fields": fields, "layout": layout, "na": na, "texts": texts,
    }  # fmt: skip
    if not is_folder(path):
        return as_meant(read_file(path, labels=labels, **how))
    shards = Shards.of(path, SUFFIXES)
    parts = [read_file(file, own_labels=labels is None, **how) for file in shards.files]
    parts = [as_meant(part, parts) for part in parts]
    header = ShardHeader.of(parts[0], of_rows=layout != "dense")
    parts[1:] = [header.aligned(part) for part in parts[1:]]
    together: dict[str, Any] = {name: _joined(parts, name) for name in ROW_COLUMNS}
    notes = dict.fromkeys(f"{part.source}: {note}" for part in parts for note in part.notes)
    whole = dataclasses.replace(
        parts[0],
        values=_values(parts),
        ragged=any(part.ragged for part in parts),
        source=os.fspath(path),
        files=shards.files,
        notes=(*shards.notes, *notes),
        left_out=_left_out(parts),
        **together,
    )
    if labels is None:
        return whole
    whole = with_labels(whole, labels, fields, layout, na, by_id=True)
    return as_meant(without_missing(whole) if na == "drop" else whole)


def _values(parts: Sequence[Dataset]) -> NDArray[Any]:
    """Put the scores together; options that only other files have are missing in a file's rows."""
    widest = max(part.values.shape[-1] for part in parts)
    if not any(part.ragged for part in parts):
        return np.concatenate([part.values for part in parts])
    missing = -np.inf if parts[0].kind == "logits" else 0.0
    padded = [
        np.pad(part.values, [(0, 0), (0, widest - part.values.shape[1])], constant_values=missing)
        for part in parts
    ]
    return np.concatenate(padded)


def _left_out(parts: Sequence[Dataset]) -> tuple[int, ...]:
    """Return which rows of all files, one after the other, were left out."""
    sizes = [len(part.values) + len(part.left_out) for part in parts]
    starts = [sum(sizes[:i]) for i in range(len(parts))]
    return tuple(s + row for s, part in zip(starts, parts, strict=True) for row in part.left_out)


def _joined(parts: Sequence[Dataset], name: str) -> NDArray[Any] | None:
    arrays = [getattr(part, name) for part in parts]
    return None if arrays[0] is None else np.concatenate(arrays)


_BLOCK = 1 << 22  # numbers of a block


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
    labels: Path | Mapping[Any, Any] | None
    files: tuple[Path, ...]  # as they were when the folder was looked at
    left_out: tuple[str, ...] = ()  # notes of files that were left out
    like: ShardHeader | None = None  # what every block is made like; None: like the first
    meaning: Meaning | None = None
    na: Missing = "refuse"

    def __iter__(self) -> Iterator[Dataset]:
        """Yield the blocks in order; every error names the file, and the place in it."""
        header, blocks = self.like, self._as_they_stand()
        for block in blocks:
            if self.meaning is not None:
                block = self.meaning.meant(block, blocks)  # noqa: PLW2901
            if header is None:
                header = ShardHeader.of(block)
                yield block
            else:
                yield header.aligned(block)
        if self.meaning is not None:
            self.meaning.has_met_all = True

    def header(self) -> ShardHeader:
        """Return what all files must have in common, by the first block."""
        return self.like or ShardHeader.of(next(iter(self)))

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
        """Rows of all files; None where a format tells them only by reading."""
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
        format_ = format_of(file)
        by_blocks = None if format_ is None else format_.read_blocks
        if by_blocks is None or self.labels is not None:
            whole = read_file(
                file, kind=self.kind, fields=self.fields, labels=self.labels, na=self.na
            )
            yield from _sliced(whole)
            return
        request, first, count = Request(self.kind, self.fields, na=self.na), 0, 0
        with refusing(file):
            require_file(file)
            if format_ is not None and not format_.is_text:
                self.fields.refuse_text_options(format_.suffixes[0])
        for rows in _each(file, function_named(by_blocks)(file, request)):
            with refusing(file):
                fitting = check_shapes(rows, "rows")
            block = dataclasses.replace(as_dataset(fitting, file, self.kind), first=first)
            first += len(block.values)
            if self.na == "drop":
                with refusing(file):
                    block = without_missing(block, every=True)
            count += len(block.values)
            yield from _sliced(block) if len(block.values) else ()
        if not count:
            msg = f"{file}: has no row that counts: each lacks a value (--na drop)."
            raise FileFormatError(msg)


def read_blocks(
    path: str | os.PathLike[str],
    *,
    kind: Kind | None = None,
    fields: Fields | None = None,
    labels: LabelSource | None = None,
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
    check_label_source(labels, fields or Fields())
    shards = Shards.of(path, SUFFIXES)
    if format_of(shards.files[0]) is None:
        read_file(path)  # raises, and says which suffixes there are
    apart = labels if labels is None or isinstance(labels, Mapping) else Path(labels)
    return BlockFile(
        Path(path), kind, fields or Fields(), apart, shards.files, shards.notes,
        meaning=None if label_map is None else Meaning(LabelMap.of(label_map)),
        na=na,
    )  # fmt: skip


def _each(file: Path, blocks: Iterator[FileRows]) -> Iterator[FileRows]:
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
    names = ("values", *ROW_COLUMNS)
    for start in range(0, n, step):
        part: dict[str, Any] = {
            name: array[start : start + step]
            for name in names
            if (array := getattr(whole, name)) is not None
        }
        yield dataclasses.replace(whole, first=whole.first + start, **part)


def _known_rows(file: Path) -> int | None:
    format_ = format_of(file)
    if format_ is None or format_.count_rows is None:
        return None
    with refusing(file):
        require_file(file)
        n: int = function_named(format_.count_rows)(file)
        return n
