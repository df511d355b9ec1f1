"""From files to checked rows, whole or block by block, and rows that repeat."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self, Unpack

import numpy as np

from temperance.alignment import column_order, in_trusted_order, rows_by_id
from temperance.blocks import FileParts, IgnoredLabel, StreamRows, labelled_blocks
from temperance.calibrators import MultilabelScaling, TemperatureScaling
from temperance.checks import as_known_names
from temperance.checks.contradictions import AS_THEY_ARE, ScoreRules
from temperance.cli.class_rows import (
    ANSWERS,
    read_answers,
    rows_of_answers,
    rows_of_classes,
    rows_of_labels,
)
from temperance.cli.console import progress
from temperance.cli.rows import Measured, RowFacts, Rows, naming
from temperance.comparison import compare_blocks
from temperance.errors import InvalidInputError
from temperance.evaluation import evaluate_blocks
from temperance.file_formats import format_of
from temperance.metrics.alike import copies_of, more_alike_than_chance, neighbours_alike
from temperance.printable import count_text
from temperance.readers import read, read_blocks
from temperance.readers.dataset import without_zeros
from temperance.readers.guard import refusing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from numpy.typing import NDArray

    from temperance.blocks import FoldedRows
    from temperance.calibrators import Calibrator
    from temperance.cli.options import RepeatedIds
    from temperance.cli.reading_options import Reading
    from temperance.cli.rows import Settings
    from temperance.evaluation import Evaluation
    from temperance.evaluation.pieces import OutOfFold
    from temperance.readers import BlockFile, Dataset
    from temperance.readers.dataset import Kind, Layout

__all__ = ["BlockRows", "is_large", "read_kind", "read_rows"]

# Which files are read block by block.


LARGE_BYTES = 1 << 30


def is_large(files: list[Path]) -> bool:
    """Whether the one file, or the files of the one folder, have 1 GiB and more."""
    path = files[0]
    format_ = format_of(path)
    if len(files) > 1 or not path.exists() or (format_ is not None and format_.ragged):
        return False
    return read_blocks(path).size >= LARGE_BYTES


# Rows that are not draws of their own: of weight 0, of one id, copies, alike neighbours.


_WHAT = "--cluster-column NAME says which rows belong together"


def weighing_rows(rows: Rows) -> Rows:
    """Return the rows without those of weight 0, which take no part in anything."""
    if rows.weights is None or rows.weights.all():
        return rows
    there = rows.weights > 0.0
    left_out = rows.n - np.count_nonzero(there)
    have = "has weight 0 and takes" if left_out == 1 else "have weight 0 and take"
    note = f"{rows.source}: {left_out:,} of {rows.n:,} rows {have} no part."
    return replace(rows.part(there), notes=(*rows.notes, note))


def with_repeats(rows: Rows, how: RepeatedIds) -> Rows:
    """Return the rows with ids that repeat, and copies, as clusters; and with notes of them.

    Clusters that the file has are left as they are. Images and matrices of labels have clusters of
    their own, which an id that repeats joins.
    """
    ids = _row_ids(rows)
    own = None if rows.entries is None else rows.entries.clusters
    joined = rows.clusters is not None and (own is None or not _are_rows(rows.clusters, own))
    if ids is not None:
        names = as_known_names(ids, n=len(ids), name="ids")
        _, first, number, times = np.unique(
            names, return_index=True, return_inverse=True, return_counts=True
        )
        number = np.where(names == "", len(first) + np.arange(len(names)), number)  # no id: its own
        repeated = int((times - 1)[names[first] != ""].sum())
        if repeated:
            return _of_ids(rows, names, number, repeated, how, joined=joined)
    if rows.clusters is not None or rows.labels is None or rows.n < 2:
        return rows
    copies = copies_of(rows.logits, rows.labels)
    if copies is not None:
        return _of_copies(rows, copies.n, copies.clusters, how)
    if more_alike_than_chance(neighbours_alike(rows.logits, rows.labels)):
        note = (
            f"{rows.source}: neighbouring rows are right and wrong together more often than rows "
            "further apart. If they belong together (one document, patient, question), each is "
            f"not a draw of its own, and intervals are too narrow: {_WHAT}."
        )
        return replace(rows, notes=(*rows.notes, note))
    return rows


def _row_ids(rows: Rows) -> NDArray[np.generic] | None:
    """Return an id per row (of a matrix of labels, per row of it); None where there is none."""
    if rows.ids is None or rows.dense is not None:
        return None
    n = rows.n if rows.entries is None else len(rows.entries.keep)
    return rows.ids if rows.ids.shape == (n,) else None


def _are_rows(clusters: NDArray[np.intp], of_entry: NDArray[np.intp]) -> bool:
    return bool((clusters == np.unique(of_entry, return_inverse=True)[1]).all())


def _of_ids(
    rows: Rows,
    names: NDArray[np.str_],
    number: NDArray[np.intp],
    repeated: int,
    how: RepeatedIds,
    *,
    joined: bool,
) -> Rows:
    times = np.bincount(number)
    example = str(names[int(np.argmax(times[number] > 1))])
    told = (
        f"{rows.source}: {repeated:,} of {len(names):,} rows "
        f"{'has' if repeated == 1 else 'have'} the id of an earlier row "
        f"({example!r} stands {times[number[names == example][0]]:,} times)"
    )
    if how == "error":
        msg = f"{told}. Give each row an id of its own, or --repeated-ids cluster or keep."
        raise InvalidInputError(msg)
    if joined and rows.clusters is not None and rows.entries is None:
        pairs = np.unique(np.stack([number, rows.clusters]), axis=1)
        if pairs.shape[1] == len(np.unique(number)):  # rows of one id are in one cluster already
            return rows
    if joined:
        return replace(rows, notes=(*rows.notes, f"{told}; the clusters of the file are taken."))
    if how == "keep":
        note = f"{told}; each counts as a draw of its own (--repeated-ids keep)."
        return replace(rows, notes=(*rows.notes, note))
    if rows.entries is not None:
        number = number[rows.entries.clusters]
    clusters = np.unique(number, return_inverse=True)[1]
    note = (
        f"{told}: rows of one id are one cluster, of {int(clusters.max()) + 1:,}. Are they "
        "different things? --repeated-ids keep."
    )
    return replace(rows, clusters=clusters, notes=(*rows.notes, note))


def _of_copies(rows: Rows, n: int, clusters: NDArray[np.intp], how: RepeatedIds) -> Rows:
    told = (
        f"{rows.source}: {n:,} of {rows.n:,} rows {'is a copy' if n == 1 else 'are copies'} of "
        "others (the same scores and label, "
        "more often than by chance)"
    )
    if how == "error":
        msg = f"{told}. Leave them out, or --repeated-ids cluster or keep."
        raise InvalidInputError(msg)
    if how == "keep":
        note = f"{told}; each counts as a draw of its own (--repeated-ids keep)."
        return replace(rows, notes=(*rows.notes, note))
    note = (
        f"{told}: a row and its copies are one cluster, of {int(clusters.max()) + 1:,}. Are they "
        "different things? --repeated-ids keep."
    )
    return replace(rows, clusters=clusters, notes=(*rows.notes, note))


# Rows of a large file, which are read block by block and never as a whole.


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

    def measure_raw(self, **settings: Unpack[Settings]) -> tuple[Evaluation, RowFacts]:
        """Measure the rows as they are, in one reading beside that of the digest."""
        with self.digest() as digest, naming(self.source), self.progress("measuring"):
            evaluation = evaluate_blocks(
                self.source_of_blocks, kind="logits", classes=self.classes,
                refuse_probs=self.refuse_probs, **settings,
            )  # fmt: skip
            return evaluation, self.facts(evaluation, sha256=digest())

    def measure_after(self, calibrator: Calibrator, **settings: Unpack[Settings]) -> Measured:
        """Measure the rows as they are and after a calibrator that has not seen them."""
        self.check_fits(calibrator, "the calibrator")
        return self._measured(calibrator, **settings)

    def measure_cross_fitted(self, folds: OutOfFold, **settings: Unpack[Settings]) -> Measured:
        """Measure the rows as they are, and calibrated by fits without the fold of each."""
        return self._measured(folds, **settings)

    def _measured(self, after: Calibrator | OutOfFold, **settings: Unpack[Settings]) -> Measured:
        """Measure both sides in one reading, beside that of the digest."""
        with self.digest() as digest, naming(self.source), self.progress("measuring"):
            comparison = compare_blocks(
                self.source_of_blocks, {"before": None, "after": after}, classes=self.classes,
                refuse_probs=self.refuse_probs, **settings,
            )  # fmt: skip
            facts = self.facts(comparison.evaluations["before"], sha256=digest())
        return Measured(comparison, facts, self.warnings())

    def impossible_rows(self, logits: NDArray[np.float64] | None = None) -> str:  # noqa: ARG002
        """Return which rows have a true class of probability 0: of blocks they are counted only."""
        return ""

    def refuse_scores(self) -> None:
        """Raise where scores claim no probability: of blocks all do."""

    @property
    def takes_auto(self) -> bool:
        """Whether richer maps of the command's `--method auto` are for these rows."""
        return True

    def label_plan(self, calibrator: Calibrator | None) -> None:
        """Return no plan: it is made of rows in memory."""

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


def read_rows(
    path: Path,
    reading: Reading,
    *,
    labelled: bool = True,
    like: Rows | BlockRows | None = None,
    same_rows: bool = False,
    whole: bool = False,
) -> Rows:
    """Read a file and check its rows; `labelled` rows must have labels.

    Classes are brought into the order of another file's rows, `like` these, by their names. Where
    they are the `same_rows`, so are rows, by their ids, those that count there count here, and ids
    that repeat have been looked at there. Of a `whole` file all rows are taken, and what is beside
    their scores is not looked at.
    """
    layout = _layout(reading)
    ignore_label, class_axis = reading.ignore_label, reading.class_axis
    keep = like.keep if isinstance(like, Rows) and same_rows else None
    with progress(f"reading {path.name}"):
        file = _file(path, reading, layout, labelled=labelled)
        if reading.answers is None:
            _refuse_percent(file)
        with naming(str(path)):
            if like is not None:
                file = _like(file, like, class_axis, same_rows=same_rows)
            if reading.answers is not None:
                rows = rows_of_answers(
                    file, reading.answers, ignore_label=ignore_label, whole=whole
                )
            elif layout == "labels":
                rows = rows_of_labels(
                    file, ignore_label=ignore_label, keep=keep, whole=whole, rules=reading.rules
                )
            else:
                rows = rows_of_classes(
                    file, labelled=labelled, ignore_label=ignore_label, class_axis=class_axis,
                    keep=keep, whole=whole, rules=reading.rules,
                )  # fmt: skip
    rows = replace(rows, left_out=file.left_out, of_format=reading.llm is not None)
    if labelled:
        rows.require_labels()
        _require_clusters(rows)
    if whole or same_rows:
        return rows
    return with_repeats(weighing_rows(rows), reading.repeated_ids)


def _layout(reading: Reading) -> Layout:
    """Return what a file holds, or refuse options that contradict each other."""
    kind, answers = reading.kind, reading.answers
    if kind == ANSWERS and answers is None:
        msg = "`--kind` answers is for fit, apply and evaluate."
        raise InvalidInputError(msg)
    if answers is not None and reading.class_axis is not None:
        msg = "`--class-axis` has no meaning for --kind answers."
        raise InvalidInputError(msg)
    multilabel = kind == MultilabelScaling.kind
    if multilabel and reading.class_axis is not None:
        msg = "`--class-axis` is for one class per pixel or token, not for --kind multilabel."
        raise InvalidInputError(msg)
    options = reading.rules.options
    if multilabel:
        options = tuple(each for each in options if not each.startswith("--floor"))
    if options and (multilabel or answers is not None):
        msg = f"`{options[0]}` is for one class per row, not for --kind {kind}."
        raise InvalidInputError(msg)
    layout: Layout = "labels" if multilabel else "rows" if reading.class_axis is None else "dense"
    apart = reading.labels is not None or answers is not None
    if reading.llm is not None and (layout != "rows" or apart):
        msg = (
            "`--format` goes with one class per row and labels in the lines themselves, not with "
            "--kind multilabel or answers, --class-axis, --labels or --test-labels."
        )
        raise InvalidInputError(msg)
    return layout


def _file(path: Path, reading: Reading, layout: Layout, *, labelled: bool) -> Dataset:
    """Read a file as it is."""
    if reading.answers is not None:
        return read_answers(
            path,
            fields=reading.fields,
            labels=reading.labels,
            labelled=labelled,
            label_map=reading.label_map,
            na=reading.na,
        )
    file = read(
        path,
        kind=read_kind(reading.kind),
        fields=reading.fields,
        labels=reading.labels,
        layout=layout,
        format=reading.llm,
        label_map=reading.label_map,
        na=reading.na,
    )
    if layout != "rows" or reading.na != "drop" or not reading.rules.renormalize:
        return file
    with refusing(path):
        return without_zeros(file)


def _like(
    file: Dataset, like: Rows | BlockRows, class_axis: int | None, *, same_rows: bool
) -> Dataset:
    """Return a file with its classes, and where they are the same its rows, in others' order."""
    order = column_order(file.classes, like.classes, whose=like.source)
    if order is not None:
        file = file.with_columns(order, class_axis=class_axis)
    return _with_rows_like(file, like, class_axis) if isinstance(like, Rows) and same_rows else file


def _with_rows_like(file: Dataset, like: Rows, class_axis: int | None) -> Dataset:
    """Return a file with its rows in the order of others, by their ids where both have them."""
    if file.source == like.source:
        return file  # other columns of one file
    ids, own, without = like.file_ids, file.ids, None
    if class_axis is not None and class_axis % file.values.ndim == 0:
        return file  # ids are of what lies along another axis; they are compared later
    if ids is None or ids.ndim > 1:
        without = like.source
    elif own is None or own.ndim > 1:
        without = file.source
    if ids is None or own is None or without is not None:
        note = in_trusted_order(file.source, like.source, without=without or file.source)
        return replace(file, notes=(*file.notes, note))
    places, notes = rows_by_id(ids, own, source=like.source, other=file.source)
    joined = file if places is None else file.with_rows(places)
    return replace(joined, ids=ids, notes=(*file.notes, *notes))


def read_kind(kind: str | None) -> Kind | None:
    """Return what a reader is told: of a label matrix the scores say it by their name."""
    return "logits" if kind == "logits" else "probs" if kind == "probs" else None


def _refuse_percent(file: Dataset) -> None:
    """Refuse logits with percent signs."""
    if file.percent and file.kind == "logits":
        msg = f"{file.source}: its scores are percentages, which are no logits: say --kind probs."
        raise InvalidInputError(msg)


def _require_clusters(rows: Rows) -> None:
    """Refuse pixels of a single image: nothing would say how sure a number is."""
    if rows.dense is not None and rows.clusters is not None and not rows.clusters.any():
        msg = (
            f"{rows.source}: all rows are of one image or sequence (the first axis beside that of "
            "the classes), and they belong together, so nothing says how sure a number is. Add "
            "others, or say with a key `clusters` which pixels belong together, e.g. tiles."
        )
        raise InvalidInputError(msg)
