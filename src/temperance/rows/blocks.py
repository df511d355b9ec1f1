"""Rows of a large file, which are read block by block and never as a whole."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Never, Unpack

import numpy as np

from temperance.alignment import column_order
from temperance.blocks import FileParts, IgnoredLabel, StreamRows, labelled_blocks, report_work
from temperance.checks.contradictions import AS_THEY_ARE, ScoreRules
from temperance.comparison import compare_blocks
from temperance.errors import InvalidInputError
from temperance.evaluation import evaluate_blocks
from temperance.printable import count_text
from temperance.rows.file_rows import rows_of_classes
from temperance.rows.memory import Measured, RowFacts, naming

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from temperance.blocks import FoldedRows
    from temperance.calibrators import Calibrator
    from temperance.evaluation import Evaluation
    from temperance.evaluation.block_sums import OutOfFold
    from temperance.readers import BlockFile, Dataset
    from temperance.rows.memory import MeasureSettings

__all__ = ["BlockRows"]


@dataclass(frozen=True, slots=True, eq=False)
class BlockRows:
    """A file of labelled rows, or a folder of them, with what its first block says of all."""

    file: BlockFile
    first: Dataset
    ignore_label: int | str | None
    on_cluster: bool
    rules: ScoreRules = AS_THEY_ARE

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

    def row_sums(self, logits: NDArray[Any] | None = None) -> None:
        """Return None: rows that are let go after each block cannot be paired with others."""

    def ordinal_measures(self, logits: NDArray[Any] | None = None, *, n_bins: int) -> Never:
        """Raise InvalidInputError: these measures take rows in memory."""
        del logits, n_bins
        msg = (
            f"{self.source}: `ordered` (--ordered) measures rows in memory, and these are read "
            "block by block: give a smaller file, or a sample of the rows."
        )
        raise InvalidInputError(msg)

    def level_events(self, logits: NDArray[Any] | None = None, *, n_bins: int) -> Never:
        """Raise InvalidInputError, as `ordinal_measures`."""
        self.ordinal_measures(logits, n_bins=n_bins)

    @property
    def in_memory(self) -> None:
        """No rows: they stay in their file."""

    @property
    def parts(self) -> FileParts | None:
        """The parts of the file that workers of a cluster read; None where blocks are read here."""
        if not self.on_cluster:
            return None
        return FileParts.of(
            self.file, k=self.n_classes, ignore_label=self.ignore_label, rules=self.rules
        )

    @property
    def source_of_blocks(self) -> FileParts | Callable[[], Iterator[tuple[Any, ...]]]:
        """What measures the rows take: parts for workers, or a function that reads blocks here."""
        return self.parts or self.blocks

    def to_fit(self, *, n_folds: int, seed: int, on_reading: Callable[[int], None]) -> FoldedRows:
        """Return the rows as a fit reads them, in folds drawn by `seed`.

        `on_reading` is told the number of each reading.
        """
        if (parts := self.parts) is not None:
            from temperance.blocks.dask_rows import DaskRows  # noqa: PLC0415  (loads Dask)

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
        if (parts := self.parts) is not None:
            yield parts.sha256
            return
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(self.file.sha256)
            yield future.result

    def progress(self, what: str) -> AbstractContextManager[Callable[[str], None]]:
        """Show how much of the file has been read."""
        return report_work(f"{what} {self.file.path.name}", rows=self.file.n_rows)

    def facts(self, n: int, *, sha256: str) -> RowFacts:
        """What is said about the rows, of which a reading has counted `n`."""
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

    def measure_raw(self, **settings: Unpack[MeasureSettings]) -> tuple[Evaluation, RowFacts]:
        """Measure the rows as they are, in one reading beside that of the digest."""
        with self.digest() as digest, naming(self.source), self.progress("measuring"):
            evaluation = evaluate_blocks(
                self.source_of_blocks, kind="logits", classes=self.classes, n_rows=self.file.n_rows,
                refuse_probs=self.refuse_probs, **settings,
            )  # fmt: skip
            return evaluation, self.facts(evaluation.n, sha256=digest())

    def measure_after(
        self, calibrator: Calibrator, **settings: Unpack[MeasureSettings]
    ) -> Measured:
        """Measure the rows as they are and after a calibrator that has not seen them."""
        self.check_fits(calibrator, "the calibrator")
        return self._measure(calibrator, refuse_probs=self.refuse_probs, **settings)

    def measure_cross_fitted(
        self, folds: OutOfFold, **settings: Unpack[MeasureSettings]
    ) -> Measured:
        """Measure the rows as they are, and calibrated by fits without the fold of each."""
        # the fit has refused what looks like no logits
        return self._measure(folds, refuse_probs=False, **settings)

    def _measure(
        self,
        after: Calibrator | OutOfFold,
        *,
        refuse_probs: bool,
        **settings: Unpack[MeasureSettings],
    ) -> Measured:
        """Measure both sides in one reading, beside that of the digest."""
        with self.digest() as digest, naming(self.source), self.progress("measuring"):
            comparison = compare_blocks(
                self.source_of_blocks, {"before": None, "after": after}, classes=self.classes,
                n_rows=self.file.n_rows, refuse_probs=refuse_probs, **settings,
            )  # fmt: skip
            facts = self.facts(comparison.evaluations["before"].n, sha256=digest())
        return Measured(comparison, facts, self.warnings())

    def impossible_rows(self, logits: NDArray[np.float64] | None = None) -> str:  # noqa: ARG002
        """Return which rows have a true class of probability 0: of blocks they are counted only."""
        return ""

    def refuse_scores(self) -> None:
        """Raise where scores claim no probability: of blocks all do."""

    @property
    def takes_auto(self) -> bool:
        """Whether richer maps, of which rows choose, are for these rows."""
        return True

    def label_plan(self, calibrator: Calibrator | None) -> None:
        """Return no plan: it is made of rows in memory."""

    def fallbacks(self, _calibrator: Calibrator) -> tuple[str, ...]:
        """Return nothing: `warnings` says that groups are not looked at."""
        return ()

    def warnings(self) -> tuple[str, ...]:
        """Return what was left out, and what is in the file but not looked at."""
        notes = (*self.file.notes, *self.first.notes, *self.rules.of_blocks)
        if self.first.groups is None:
            return notes
        text = (
            f"{self.source} has groups, which are not looked at in a file that is read block by "
            "block; `fields.group` (--group-column NAME) reads it as a whole."
        )
        return (*notes, text)
