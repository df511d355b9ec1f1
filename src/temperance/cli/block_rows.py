"""Rows of a large file, which are read block by block and never as a whole."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from temperance.alignment import column_order
from temperance.blocks import FileParts, IgnoredLabel, StreamRows, labelled_blocks
from temperance.calibrators import TemperatureScaling
from temperance.checks.score_rules import AS_THEY_ARE, ScoreRules
from temperance.cli.class_rows import rows_of_classes
from temperance.cli.console import progress
from temperance.cli.large import is_large
from temperance.cli.reading import read_kind
from temperance.cli.row_facts import RowFacts
from temperance.cli.rows import naming
from temperance.errors import InvalidInputError
from temperance.printable import count_text
from temperance.readers import read_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from temperance.blocks import FoldedRows
    from temperance.calibrators import Calibrator
    from temperance.cli.reading_options import Reading
    from temperance.evaluate import Evaluation
    from temperance.readers import BlockFile, Dataset

__all__ = ["BlockRows"]


@dataclass(frozen=True, slots=True, eq=False)
class BlockRows:
    """A file of labelled rows, or a folder of them, with what its first block says of all."""

    file: BlockFile
    first: Dataset
    ignore_label: int | str | None
    on_cluster: bool
    rules: ScoreRules = AS_THEY_ARE

    @classmethod
    def of(
        cls,
        files: list[Path],
        reading: Reading,
        *,
        on_cluster: bool = False,
    ) -> Self | None:
        """Return the rows of a large file, or for a cluster; None where it is read as a whole.

        That must be where rows are not independent (clusters, pixels), are looked at by group,
        have a matrix of labels, are answers, lack values, or have options of their own: an error
        for a cluster.
        """
        whole = (
            reading.class_axis is not None or reading.kind == "multilabel"
            or reading.fields.group is not None or reading.answers is not None
            or reading.llm is not None or len(files) > 1 or reading.na == "drop"
        )  # fmt: skip
        if not whole and (on_cluster or is_large(files)):
            file = read_blocks(
                files[0],
                kind=read_kind(reading.kind),
                fields=reading.fields,
                labels=reading.labels,
                label_map=reading.label_map,
            )
            first = next(iter(file))
            if first.clusters is None and not first.ragged:
                return cls(file, first, reading.ignore_label, on_cluster, reading.rules)
        if on_cluster:
            msg = (
                f"{files[0]}: --dask is for one file or folder of independent rows with the same "
                "classes: no clusters, groups, pixels (--class-axis), label matrices, answers "
                "(--kind answers, --format), rows with options of their own or left out (--na "
                "drop), or several models."
            )
            raise InvalidInputError(msg)
        return None

    @property
    def source(self) -> str:
        """The path as given."""
        return str(self.file.path)

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Class names in column order."""
        return self.first.classes

    @property
    def n_classes(self) -> int:
        """Number of columns; scores of one column are log-odds of class 1."""
        shape = self.first.values.shape
        return int(shape[1]) if len(shape) > 1 else 2

    @property
    def ragged(self) -> bool:
        """Whether rows have different numbers of options: then they are read as a whole."""
        return False

    @property
    def refuse_probs(self) -> bool:
        """Whether logits that look like probabilities are refused."""
        return self.first.kind == "logits" and not self.first.kind_forced

    @property
    def source_of_blocks(self) -> FileParts | Callable[[], Iterator[tuple[Any, ...]]]:
        """What measures the rows take: parts for workers, or a function that reads blocks here."""
        if self.on_cluster:
            return FileParts.of(
                self.file, k=self.n_classes, ignore_label=self.ignore_label, rules=self.rules
            )
        return self.blocks

    def to_fit(self, *, n_folds: int, seed: int, on_reading: Callable[[int], None]) -> FoldedRows:
        """Return the rows as a fit reads them, in folds drawn by `seed`.

        `on_reading` is told the number of each reading.
        """
        if isinstance(parts := self.source_of_blocks, FileParts):
            from temperance.blocks.dask_rows import DaskRows  # noqa: PLC0415  (needs dask)

            return DaskRows.of_parts(
                parts, self.classes, refuse_probs=self.refuse_probs, n_folds=n_folds, seed=seed
            )
        readings = 0

        def blocks() -> Iterator[tuple[Any, ...]]:
            nonlocal readings
            readings += 1
            on_reading(readings)
            return self.blocks()

        return StreamRows(
            blocks, self.classes, refuse_probs=self.refuse_probs, n_folds=n_folds, seed=seed
        )

    def blocks(self) -> Iterator[tuple[Any, ...]]:
        """Yield (logits, labels) or (logits, labels, weights) of each block's rows that count."""
        ignored = IgnoredLabel(self.file, self.ignore_label)
        for logits, labels, *weights in labelled_blocks(self.file, self.rules):
            keep = ignored.counting_rows(np.asarray(labels), *weights)
            if keep is None:
                yield (logits, labels, *weights)
            else:
                yield tuple(np.asarray(part)[keep] for part in (logits, labels, *weights))

    def check_fits(self, calibrator: Calibrator, source: str) -> None:
        """Raise if the calibrator was fitted on other classes than these, or takes more."""
        if calibrator.traits.groups or calibrator.traits.members:
            msg = (
                f"{self.source}: is read block by block (1 GiB and more), which {source} "
                f"({calibrator.name}) does not take: `temperance apply` it first."
            )
            raise InvalidInputError(msg)
        with naming(self.first.source):
            rows = rows_of_classes(
                self.first, labelled=False, ignore_label=None, class_axis=None, keep=None,
                whole=True, rules=self.rules,
            )  # fmt: skip
        rows.check_fits(calibrator, source)

    def in_order(self, classes: tuple[str, ...] | None) -> BlockRows:
        """Return the same rows with their classes, where they have these names, in this order."""
        with naming(self.source):
            order = column_order(self.classes, classes, whose="the rows of the fit")
        if order is None or classes is None:
            return self
        return replace(self, file=self.file.in_order(classes), first=self.first.with_columns(order))

    @contextmanager
    def digest(self) -> Iterator[Callable[[], str]]:
        """Compute the digest of the file's bytes beside the work inside the `with`."""
        if isinstance(parts := self.source_of_blocks, FileParts):
            yield parts.sha256
            return
        with ThreadPoolExecutor(1) as pool:
            found = pool.submit(self.file.sha256)
            yield found.result

    def progress(self, what: str) -> AbstractContextManager[Callable[[str], None]]:
        """Show how much of the file has been read."""
        return progress(f"{what} {self.file.path.name}", rows=self.file.n_rows)

    def facts(self, known: Evaluation | TemperatureScaling, *, sha256: str) -> RowFacts:
        """What is said about the rows, from a value that has counted them."""
        if isinstance(known, TemperatureScaling):
            assert known.record is not None  # noqa: S101  (a fit leaves one)
            n = known.record.n
        else:
            n = known.n
        classes = count_text(self.n_classes, "class", "classes")
        return RowFacts(
            source=self.source,
            sha256=sha256,
            kind=self.first.kind,
            n=n,
            n_classes=self.n_classes,
            described=f"{self.source}: {count_text(n, 'row')}, {classes}, {self.first.kind}",
            weighted=self.first.weights is not None,
        )

    def warnings(self) -> tuple[str, ...]:
        """Return what was left out, and what is in the file but not looked at."""
        notes = (*self.file.notes, *self.first.notes, *self.rules.of_blocks)
        if self.first.groups is None:
            return notes
        told = (
            f"{self.source} has groups, which are not looked at in a file that is read block by "
            "block; --group-column NAME reads it as a whole."
        )
        return (*notes, told)
