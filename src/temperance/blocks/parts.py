"""Parts of files that workers of a cluster read for themselves: only their sums come back."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from temperance.blocks.files import IgnoredLabel, counting_rows, labels_of, logits_of
from temperance.checks.arrays import rows_from, rows_of_file
from temperance.checks.score_rules import AS_THEY_ARE, ScoreRules
from temperance.errors import FileFormatError
from temperance.readers import file_digest, joined_digest, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from temperance.checks.label_map import LabelMap
    from temperance.readers import BlockFile, Kind
    from temperance.readers.dataset import Fields
    from temperance.readers.shards import Header

__all__ = ["FilePart", "FileParts"]

_PART = 1 << 24  # numbers of a part of one file: 64 MiB in single precision
_CUT = {".npy", ".npz"}  # formats of which a worker can read some rows alone
S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class FilePart:
    """Some rows of one file; small, so that it can be sent to whoever reads them."""

    path: Path
    kind: Kind | None
    fields: Fields
    labels: Path | None
    ignore_label: int | str | None
    rows: tuple[int, int] | None  # from, to; None for the whole file
    header: Header  # what all files have in common
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
            beside = None if file.labels is None else file.labels.resolve()
            return FilePart(
                path.resolve(),
                file.kind,
                file.fields,
                beside,
                ignore_label,
                rows,
                header,
                file.label_map,
                rules,
                as_spelled,
            )

        as_spelled, types = None, dict(header.beside)
        if ignore_label is not None and "labels" in types and types["labels"].kind == "U":
            as_spelled = IgnoredLabel(file, ignore_label).as_spelled()
        elements = file.size // 4  # in single precision
        if file.path.is_dir():
            return cls(tuple(part(each, None) for each in file.files), k, elements)
        if file.path.suffix.lower() not in _CUT:
            msg = (
                f"{file.path}: one {file.path.suffix} file cannot be shared among workers; they "
                f"take {' and '.join(sorted(_CUT))} files, or a folder of files, one each."
            )
            raise FileFormatError(msg)
        n = len(read(file.path, kind=file.kind, fields=file.fields, labels=file.labels).values)
        step = max(1, _PART // k)
        starts = range(0, n, step)
        return cls(tuple(part(file.path, (at, min(at + step, n))) for at in starts), k, elements)

    def map(self, function: Callable[[int, FilePart], S | None]) -> S:
        """Return the merged results of `function(number, part)`, each computed by a worker.

        None is the result of a part without a row that counts.
        """
        from temperance.blocks.dask_rows import map_parts  # noqa: PLC0415  (needs dask)

        return map_parts(function, self.parts)

    def sha256(self) -> str:
        """Return the digest that `BlockFile.sha256` gives, computed by the workers."""
        from temperance.blocks.dask_rows import each_computed  # noqa: PLC0415  (needs dask)

        files = tuple(dict.fromkeys(part.path for part in self.parts))
        return joined_digest(each_computed(file_digest, files))
