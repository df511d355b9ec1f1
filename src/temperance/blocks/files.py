"""Labelled rows in files: blocks of a reader as blocks of a fit, here or on a cluster's workers."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from temperance.checks.arrays import rows_from, rows_of_file
from temperance.checks.contradictions import AS_THEY_ARE, ScoreRules
from temperance.checks.labels import counting_rows, is_label, spells_otherwise
from temperance.errors import FileFormatError, InvalidInputError
from temperance.file_formats import FILE_FORMATS, column_advice, file_suffix, suffixes_of
from temperance.readers import file_digest, read
from temperance.readers.dataset import joined_digest
from temperance.readers.guard import naming
from temperance.readers.whole import Meaning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from temperance.checks.label_map import LabelMap
    from temperance.readers import BlockFile, Dataset
    from temperance.readers.dataset import Fields, Kind
    from temperance.readers.label_source import LabelSource
    from temperance.readers.shards import ShardHeader

__all__ = ["FilePart", "FileParts", "IgnoredLabel", "labelled_blocks"]

# Labelled rows in files: blocks of a reader as blocks of a fit.


def labelled_blocks(file: BlockFile, rules: ScoreRules = AS_THEY_ARE) -> Iterator[tuple[Any, ...]]:
    """Yield (logits, labels) or (logits, labels, weights) of each block of a file."""
    for block in file:
        labels, logits = labels_of(block), logits_of(block, rules)
        if block.weights is None:
            yield logits, labels
        else:
            yield logits, labels, block.weights


def labels_of(block: Dataset) -> NDArray[Any]:
    """Return the labels of a block, which must have them."""
    if block.labels is None:
        msg = (
            f"{block.source}: has no labels. "
            f"{column_advice(block.source, 'label', other_file='`labels` (--labels)')}"
        )
        raise FileFormatError(msg)
    return block.labels


class IgnoredLabel:
    """A label that is left out of all blocks of a file, by one decision for all of them.

    `1` is also the label 01 where no label of the file is 1 itself. Only where a block has such a
    label does the decision matter; then the file is read once for it.
    """

    def __init__(self, file: BlockFile, label: int | str | None) -> None:
        self.label = label
        self._file = file
        self._as_spelled: bool | None = None

    def as_spelled(self) -> bool:
        """Whether the label stands in the file letter by letter."""
        if self._as_spelled is None:
            self._as_spelled = any(
                block.labels is not None
                and is_label(labels_of(block), self.label, as_spelled=True).any()
                for block in self._file
            )
        return self._as_spelled

    def counting_rows(
        self, labels: NDArray[Any], weights: NDArray[Any] | None = None
    ) -> NDArray[np.bool_] | None:
        """Return which rows of a block count (see `counting_rows`)."""
        matters = self.label is not None and spells_otherwise(labels, self.label)
        as_spelled = self.as_spelled() if matters else None
        return counting_rows(labels, self.label, weights, as_spelled=as_spelled)


def logits_of(block: Dataset, rules: ScoreRules = AS_THEY_ARE) -> NDArray[Any]:
    """Return the logits of a block, unread where no rule is for them; of probabilities the log."""
    if block.kind == "logits" and not rules.options:
        return block.values
    with naming(block.source, InvalidInputError), rows_of_file(), rows_from(block.first):
        if rules.floor is not None and rules.floor.auto:
            msg = (
                '`floor="auto"` (--floor auto) asks for the smallest of all probabilities first, '
                "and these are read block by block: say decimals=N (their decimals) or a number."
            )
            raise InvalidInputError(msg)
        return rules.logits(block.values, block.kind)


# Parts of files that workers of a cluster read for themselves: only their sums come back.


_PART = 1 << 24  # numbers of a part of one file: 64 MiB in single precision
_CUT = suffixes_of(each for each in FILE_FORMATS if each.row_access)  # workers read some rows alone
S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class FilePart:
    """Some rows of one file; small, so that it can be sent to whoever reads them."""

    path: Path
    kind: Kind | None
    fields: Fields
    labels: LabelSource | None
    ignore_label: int | str | None
    rows: tuple[int, int] | None  # from, to; None for the whole file
    header: ShardHeader  # what all files have in common
    label_map: LabelMap | None = None
    rules: ScoreRules = AS_THEY_ARE
    as_spelled: bool | None = None  # whether the ignored label stands in all parts by its letters

    @contextmanager
    def rows_named(self) -> Iterator[None]:
        """Name rows of the part by their number in the file."""
        with rows_of_file(), rows_from(self.rows[0] if self.rows else 0):
            yield

    def read(self) -> tuple[Any, Any, Any]:
        """Return logits, labels and weights (or None) of the rows that count."""
        file = self.header.aligned(
            read(
                self.path, kind=self.kind, fields=self.fields, labels=self.labels,
                label_map=self.label_map,
            )
        )  # fmt: skip
        values, labels, weights = logits_of(file, self.rules), labels_of(file), file.weights
        if self.rows is not None:
            cut = slice(*self.rows)
            values, labels = values[cut], labels[cut]
            weights = None if weights is None else weights[cut]
        keep = counting_rows(labels, self.ignore_label, weights, as_spelled=self.as_spelled)
        if keep is not None:
            values, labels = values[keep], labels[keep]
            weights = None if weights is None else weights[keep]
        return values, labels, weights


@dataclass(frozen=True, slots=True)
class FileParts:
    """All parts of a file or a folder, in order, for the workers of the current Dask client."""

    parts: tuple[FilePart, ...]
    k: int  # classes
    elements: int  # about how many numbers they hold

    @classmethod
    def of(
        cls,
        file: BlockFile,
        *,
        k: int,
        ignore_label: int | str | None,
        rules: ScoreRules = AS_THEY_ARE,
    ) -> FileParts:
        """Cut a folder into its files, and a single file that can be mapped into ranges of rows.

        Raises
        ------
        FileFormatError
            No first row can be read; a single file of a format of which no worker can read some
            rows alone.
        """
        header = file.header()

        def part(path: Path, rows: tuple[int, int] | None) -> FilePart:
            # workers may have been started in another folder
            labels = file.labels.resolve() if isinstance(file.labels, Path) else file.labels
            return FilePart(
                path.resolve(),
                file.kind,
                file.fields,
                labels,
                ignore_label,
                rows,
                header,
                file.label_map,
                rules,
                as_spelled,
            )

        as_spelled, types = None, dict(header.dtypes)
        if ignore_label is not None and "labels" in types and types["labels"].kind == "U":
            as_spelled = IgnoredLabel(file, ignore_label).as_spelled()
        elements = file.size // 4  # in single precision
        if file.path.is_dir():
            parts = tuple(part(each, None) for each in file.files)
            _meet_labels(file.meaning, parts)
            return cls(parts, k, elements)
        if file_suffix(file.path) not in _CUT:
            msg = (
                f"{file.path}: one {file.path.suffix} file cannot be shared among workers; they "
                f"take {' and '.join(sorted(_CUT))} files, or a folder of files, one each."
            )
            raise FileFormatError(msg)
        n = len(read(file.path, kind=file.kind, fields=file.fields, labels=file.labels).values)
        step = max(1, _PART // k)
        parts = tuple(part(file.path, (at, min(at + step, n))) for at in range(0, n, step))
        _meet_labels(file.meaning, parts[:1])
        return cls(parts, k, elements)

    def map(self, function: Callable[[int, FilePart], S | None]) -> S:
        """Return the merged results of `function(number, part)`, each computed by a worker.

        None is the result of a part without a row that counts.
        """
        from temperance.blocks.dask_workers import map_parts  # noqa: PLC0415  (needs dask)

        return map_parts(function, self.parts)

    def sha256(self) -> str:
        """Return the digest that `BlockFile.sha256` gives, computed by the workers."""
        from temperance.blocks.dask_workers import each_computed  # noqa: PLC0415  (needs dask)

        files = tuple(dict.fromkeys(part.path for part in self.parts))
        return joined_digest(each_computed(file_digest, files))


def _meet_labels(meaning: Meaning | None, files: Sequence[FilePart]) -> None:
    """Let a map of labels know all labels of the files; workers read them, unless that is done."""
    if meaning is None or not meaning.label_map.pairs or meaning.has_met_all:
        return
    from temperance.blocks.dask_workers import each_computed  # noqa: PLC0415  (needs dask)

    meaning.meet_all(each_computed(_meaning_of, files))


def _meaning_of(part: FilePart) -> Meaning:
    """Return the map of labels with those of the whole file that the part is of."""
    assert part.label_map is not None  # noqa: S101  (of a file with a map)
    meaning = Meaning(part.label_map)
    meaning.meet([read(part.path, kind=part.kind, fields=part.fields, labels=part.labels)])
    return meaning
