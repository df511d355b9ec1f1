"""From files to checked rows: how they are read, whole or block by block, one file or several."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from temperance.alignment import column_order, in_trusted_order, rows_by_id
from temperance.blocks import report_work
from temperance.calibrators import MultilabelScaling, pooled_logits
from temperance.checks.arrays import row_name, rows_of_file
from temperance.checks.contradictions import AS_THEY_ARE, ScoreRules
from temperance.checks.probs import Floored
from temperance.errors import InvalidInputError
from temperance.file_formats import format_of
from temperance.printable import count_text
from temperance.readers import Fields, read, read_blocks
from temperance.readers.dataset import without_zeros
from temperance.readers.guard import is_folder, refusing
from temperance.rows.blocks import BlockRows
from temperance.rows.file_rows import (
    OF_ANSWERS,
    answer_scale,
    read_answers,
    rows_of_answers,
    rows_of_classes,
    rows_of_labels,
)
from temperance.rows.memory import LABELS, Rows, naming
from temperance.rows.repeats import weighing_rows, with_repeats

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from temperance.calibrators import Calibrator
    from temperance.checks import LabelMap
    from temperance.checks.answer_scores import AnswerScale
    from temperance.readers import Dataset, LlmFormat
    from temperance.readers.dataset import Kind, Missing
    from temperance.readers.dataset import Layout as Form
    from temperance.rows.repeats import RepeatedIds

__all__ = [
    "Reading",
    "check_same_rows",
    "is_large",
    "large_rows",
    "read_kind",
    "read_members",
    "read_rows",
    "stems_of",
]


@dataclass(frozen=True, slots=True)
class Reading:
    """How files are read: the names of their columns, what scores and labels are, what is left out.

    Attributes
    ----------
    fields : Fields
        Names of columns or keys; what is None is found by the names that are usual.
    rules : ScoreRules
        What is done to scores that stand for something else: padding, shares, zeros.
    kind : {"logits", "probs", "multilabel", "answers"} or None
        What scores are; None: what their names say.
    labels : Path, mapping of id to label, or None
        A file that holds the labels of the first file, or what the label of each id is.
    ignore_label : str, int or None
        The label of rows, or entries, that do not count.
    label_map : LabelMap or None
        Which label of the file is which class.
    class_axis : int or None
        Where the classes are, of outputs per pixel or token.
    llm : LlmFormat or None
        The format, of what language models write.
    score_column, score_scale, score_of : str, str, int, or None
        Of answers: the column of scores, their scale, and what counts are out of.
    score_words : mapping of str to float or None
        Of answers: what words in place of a score stand for, on its scale.
    answers : AnswerScale or None
        What scores of answers are to the calibrator that `for_calibrator` was asked of; None: as
        the three before say.
    repeated_ids : {"cluster", "keep", "error"}
        What rows of one id, and copies, are.
    na : {"refuse", "drop"}
        What becomes of rows that lack a value.
    labels_from : str
        The argument that `labels` comes from, as messages name it; "" where there is none.
    """

    fields: Fields = field(default_factory=Fields)
    rules: ScoreRules = AS_THEY_ARE
    kind: str | None = None
    labels: Path | Mapping[Any, Any] | None = None
    ignore_label: int | str | None = None
    label_map: LabelMap | None = None
    class_axis: int | None = None
    llm: LlmFormat | None = None
    score_column: str | None = None
    score_scale: str | None = None
    score_of: int | None = None
    score_words: Mapping[str, float] | None = None
    answers: AnswerScale | None = None
    repeated_ids: RepeatedIds = "cluster"
    na: Missing = "refuse"
    labels_from: str = LABELS

    def for_calibrator(self, calibrator: Calibrator | None) -> Self:
        """Return the same for rows that a calibrator will be applied to; None: to none.

        Scores of answers are on its scale, and probabilities are raised to what those of its fit
        were, unless the arguments say otherwise.
        """
        answers = answer_scale(
            self.kind, self.score_scale, self.score_of, self.score_words, calibrator
        )
        return replace(self, answers=answers).with_floor_of(calibrator)

    @property
    def known_answers(self) -> AnswerScale | None:
        """What scores of answers are: as a calibrator has them, or as the arguments say."""
        return self.answers or answer_scale(
            self.kind, self.score_scale, self.score_of, self.score_words
        )

    def with_floor_of(self, calibrator: Calibrator | None) -> Self:
        """Return the same for the probabilities that a calibrator will be applied to.

        They are raised to what those of its fit were, unless the rules say otherwise.
        """
        record = None if calibrator is None else calibrator.record
        floor = None if record is None else record.floor
        return replace(self, rules=replace(self.rules, fitted_floor=floor))

    def other_file(
        self,
        labels: Path | Mapping[Any, Any] | None = None,
        *,
        of_model: Rows | None = None,
        labels_from: str = "",
    ) -> Self:
        """Return the same for another file than the first, whose labels are its own.

        Where it is `of_model`, the one whose rows these are, a floor "auto" is what it was there.
        """
        rules = self.rules
        if of_model is not None and of_model.floored is not None:
            rules = rules.with_floor(of_model.floored)
        return replace(self, labels=labels, rules=rules, labels_from=labels_from)

    @property
    def own_fields(self) -> Fields:
        """The names of this file: without a file of labels, none of its ids."""
        return self.fields if self.labels is not None else replace(self.fields, label_id=None)


# Which files are read block by block.


LARGE_BYTES = 1 << 30


def is_large(files: Sequence[Path]) -> bool:
    """Whether the one file, or the files of the one folder, have 1 GiB and more."""
    path = files[0]
    format_ = format_of(path)
    if len(files) > 1 or not path.exists() or (format_ is not None and format_.ragged):
        return False
    size = read_blocks(path).size if is_folder(path) else path.stat().st_size
    return size >= LARGE_BYTES


def large_rows(
    files: Sequence[Path], reading: Reading, *, on_cluster: bool = False
) -> BlockRows | None:
    r"""Return the rows of a file of 1 GiB and more, or for a cluster; None if read as a whole.

    Parameters
    ----------
    files : sequence of Path
        The file, or the folder of shards; one only, or there is nothing to return.
    reading : Reading
        How it is read.
    on_cluster : bool, default False
        Whether the workers of a cluster read it, whatever its size.

    Returns
    -------
    BlockRows or None
        None where rows are not independent (clusters, pixels), are looked at by group, have a
        matrix of labels, are answers, lack values, or have options of their own.

    Raises
    ------
    InvalidInputError
        Where the file would have to be read as a whole, but is for a cluster.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "small.csv"
    ...     _ = file.write_text("prob_no,prob_yes,label\n0.9,0.1,no\n")
    ...     large_rows([file], Reading()) is None
    True
    """
    whole = (
        reading.class_axis is not None or reading.kind == "multilabel"
        or reading.fields.group is not None or reading.known_answers is not None
        or reading.llm is not None or len(files) > 1 or reading.na == "drop"
    )  # fmt: skip
    if not whole and (on_cluster or is_large(files)):
        file = read_blocks(
            files[0],
            kind=read_kind(reading.kind),
            fields=reading.own_fields,
            labels=reading.labels,
            label_map=reading.label_map,
        )
        first = next(iter(file))
        if first.clusters is None and not first.ragged:
            return BlockRows(file, first, reading.ignore_label, on_cluster, reading.rules)
    if on_cluster:
        msg = (
            f"{files[0]}: `on_cluster` (--dask) is for one file or folder of independent rows with "
            "the same classes: no clusters, groups, pixels, label matrices, answers, lines of "
            "language models, rows with options of their own or left out for want of a value, or "
            "several models."
        )
        raise InvalidInputError(msg)
    return None


# One file, whole.


def read_rows(
    path: str | Path,
    reading: Reading | None = None,
    *,
    labelled: bool = True,
    like: Rows | BlockRows | None = None,
    same_rows: bool = False,
    whole: bool = False,
) -> Rows:
    r"""Read a file, or a folder of shards, as a whole and check its rows.

    Parameters
    ----------
    path : str or Path
        A file of scores, (n, k), and what it says of each row, or a folder of them.
    reading : Reading, optional
        How it is read; by default the names of its columns or keys say what they hold.
    labelled : bool, default True
        Whether rows must have labels.
    like : Rows or BlockRows, optional
        Rows whose order of classes these are brought into, by the names of classes.
    same_rows : bool, default False
        Whether they are the rows of `like`, of another model: then they are in its order, by their
        ids; those that count there count here, and ids that repeat have been looked at there.
    whole : bool, default False
        Whether all rows are taken, and what is beside their scores is handed on unseen.

    Returns
    -------
    Rows
        Of positive weight; ids that repeat, and copies, are clusters unless `reading` says
        otherwise. The rows of a label matrix are its entries, of dense outputs the pixels.

    Raises
    ------
    FileFormatError
        If the file cannot be read, or has no labels where it must have some.
    InvalidInputError
        If its values cannot be what they are said to be; the message names file and row.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "test.csv"
    ...     _ = file.write_text("prob_no,prob_yes,label\n0.9,0.1,no\n0.4,0.6,no\n")
    ...     rows = read_rows(file)
    >>> rows.n, rows.classes, rows.labels.tolist()
    (2, ('no', 'yes'), [0, 0])
    """
    path, reading = Path(path), reading or Reading()
    answers = reading.known_answers
    form = _form(reading, answers)
    ignore_label, class_axis = reading.ignore_label, reading.class_axis
    model = like.in_memory if like is not None and same_rows else None
    keep = None if model is None else model.keep
    with report_work(f"reading {path.name}"):
        file = _file(path, reading, form, labelled=labelled)
        if answers is None:
            _refuse_percent(file)
        with naming(str(path)):
            if like is not None:
                file = _like(file, like, class_axis, same_rows=same_rows)
            if answers is not None:
                rows = rows_of_answers(file, answers, ignore_label=ignore_label, whole=whole)
            elif form == "labels":
                rows = rows_of_labels(
                    file, ignore_label=ignore_label, keep=keep, whole=whole, rules=reading.rules
                )
            else:
                rows = rows_of_classes(
                    file, labelled=labelled, ignore_label=ignore_label, class_axis=class_axis,
                    keep=keep, whole=whole, rules=reading.rules,
                )  # fmt: skip
    rows = replace(rows, of_format=reading.llm is not None, labels_from=reading.labels_from)
    if labelled:
        rows.require_labels()
        rows.layout.require_clusters(rows.clusters, rows.source)
    if whole or same_rows:
        return rows
    return with_repeats(weighing_rows(rows), reading.repeated_ids)


def _form(reading: Reading, answers: AnswerScale | None) -> Form:
    """Return what readers call what a file holds, or refuse what contradicts each other."""
    kind, of_labels = reading.kind, reading.kind == MultilabelScaling.kind
    if reading.score_column is not None and (answers is None or reading.fields.logits is not None):
        msg = (
            f"`score_column` (--score-column) is for {OF_ANSWERS}, where it takes the place of "
            "`fields.logits` (--logits-column)."
        )
        raise InvalidInputError(msg)
    if reading.class_axis is not None and (of_labels or answers is not None):
        msg = (
            "`class_axis` (--class-axis) is for one class per pixel or token, not for "
            f'`kind="{kind}"` (--kind {kind}).'
        )
        raise InvalidInputError(msg)
    options = reading.rules.options
    if of_labels:
        options = tuple(each for each in options if "--floor" not in each)
    if options and (of_labels or answers is not None):
        msg = f'{options[0]} is for one class per row, not for `kind="{kind}"` (--kind {kind}).'
        raise InvalidInputError(msg)
    form: Form = "labels" if of_labels else "rows" if reading.class_axis is None else "dense"
    if reading.llm is not None and form != "rows":
        msg = (
            "`llm` (--format) goes with one class per row, not with label matrices or "
            "`class_axis` (--class-axis)."
        )
        raise InvalidInputError(msg)
    return form


def _file(path: Path, reading: Reading, form: Form, *, labelled: bool) -> Dataset:
    """Read a file as it is."""
    if reading.known_answers is not None:
        scores = reading.score_column or reading.fields.logits
        return read_answers(
            path,
            fields=replace(reading.own_fields, logits=scores),
            labels=reading.labels,
            labelled=labelled,
            label_map=reading.label_map,
            na=reading.na,
            llm=reading.llm,
            scale=reading.known_answers,
        )
    file = read(
        path,
        kind=read_kind(reading.kind),
        fields=reading.own_fields,
        labels=reading.labels,
        layout=form,
        format=reading.llm,
        label_map=reading.label_map,
        na=reading.na,
    )
    if form != "rows" or reading.na != "drop" or not reading.rules.renormalize:
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
    model = like.in_memory if same_rows else None
    return file if model is None else _with_rows_like(file, model, class_axis)


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
        msg = (
            f"{file.source}: its scores are percentages, which are no logits: say "
            '`kind="probs"` (--kind probs).'
        )
        raise InvalidInputError(msg)


# Several files of the same rows: the members of an ensemble.


def read_members(
    files: Sequence[Path],
    reading: Reading,
    *,
    labelled: bool = True,
    whole: bool = False,
    like: Rows | BlockRows | None = None,
) -> Rows:
    r"""Read one file as it is; of several, the equally weighted pool with its `members`.

    Parameters
    ----------
    files : sequence of Path
        One file per model, of the same rows.
    reading, labelled, whole, like
        As in `read_rows`; without `like`, classes are in the order of the first file.

    Returns
    -------
    Rows
        Labels, weights, groups and clusters are those of the first file; rows of the others are
        matched by their ids.

    Raises
    ------
    FileFormatError, InvalidInputError
        As `read_rows`, and if the files do not hold the same rows.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     files = [Path(folder) / name for name in ("a.csv", "b.csv")]
    ...     for file, probs in zip(files, ("0.9,0.1", "0.7,0.3")):
    ...         _ = file.write_text(f"prob_no,prob_yes,label\n{probs},no\n")
    ...     rows = read_members(files, Reading())
    >>> rows.layout.names, np.exp(rows.logits).round(6).tolist()  # the mean of both
    (('a', 'b'), [[0.8, 0.2]])
    """
    first = read_rows(files[0], reading, labelled=labelled, whole=whole, like=like)
    if len(files) == 1:
        return first
    if len({path.resolve() for path in files}) < len(files):
        msg = "The files of an ensemble must be different; one of them is named twice."
        raise InvalidInputError(msg)
    rest = reading.other_file()
    others = [
        read_rows(path, rest, labelled=False, like=first, same_rows=True, whole=whole)
        for path in files[1:]
    ]
    for other in others:
        check_same_rows(first, other)
        if (np.isneginf(other.logits) != np.isneginf(first.logits)).any():
            msg = (
                f"{other.source}: options are missing (-inf, probability 0) elsewhere than in "
                f"{first.source}."
            )
            raise InvalidInputError(msg)
    members = tuple(each.logits for each in (first, *others))
    equal = np.full(len(members), 1.0 / len(members))
    digest = hashlib.sha256("".join(each.sha256 for each in (first, *others)).encode())
    return replace(
        first,
        logits=pooled_logits(members, equal, pool="linear"),
        layout=replace(first.layout, models=members, names=stems_of(files)),
        source=" + ".join(each.source for each in (first, *others)),
        notes=tuple(note for each in (first, *others) for note in each.notes),
        sha256=digest.hexdigest(),
        floored=_all_floored([each.floored for each in (first, *others)]),
    )


def _all_floored(floors: list[Floored | None]) -> Floored | None:
    """Return what was raised in all files."""
    known = [each for each in floors if each is not None]
    if not known:
        return None
    return Floored(
        max(each.floor for each in known),
        sum(each.probabilities for each in known),
        max(each.rows for each in known),
    )


def stems_of(files: Sequence[Path]) -> tuple[str, ...]:
    """Return the files' stems, with as much of their folders as tells them apart.

    >>> stems_of([Path("/data/a/test.npz"), Path("/data/b/test.npz")])
    ('a/test', 'b/test')
    """
    whole = [Path(os.path.abspath(path)) for path in files]  # noqa: PTH100  (links keep their names)
    stems = [(*path.parent.parts, path.stem) for path in whole]
    parts = stems if len(set(stems)) == len({*whole}) else [path.parts for path in whole]
    for depth in range(1, max(map(len, parts)) + 1):
        names = tuple("/".join(each[-depth:]) for each in parts)
        if len(set(names)) == len(set(parts)):
            break
    return names


def check_same_rows(first: Rows, other: Rows) -> None:
    """Refuse rows, read `like` the first file's, that are not the same."""
    own_shape, shape = first.layout.shape, other.layout.shape
    if own_shape != shape:
        msg = (
            f"{other.source}: has shape {shape} beside the classes, but {first.source} {own_shape}."
        )
        raise InvalidInputError(msg)
    if other.left_out != first.left_out:
        where = "its first column" if other.source == first.source else first.source
        msg = (
            f"{other.source}: other rows lack a value than in {where}, so the rows that are left "
            "are not the same; take those that lack one anywhere out of all files."
        )
        raise InvalidInputError(msg)
    if other.logits.shape != first.logits.shape:
        shapes = [
            f"{count_text(each.n, 'row')} and {count_text(each.n_classes, 'class', 'classes')}"
            for each in (other, first)
        ]
        msg = f"{other.source}: has {shapes[0]}, but {first.source} has {shapes[1]}."
        raise InvalidInputError(msg)
    for what in ("ids", "labels"):
        own, theirs = (_whole_column(each, what) for each in (first, other))
        if own is not None and theirs is not None and not np.array_equal(own, theirs):
            row = _name_of_row(first, int(np.flatnonzero(own != theirs)[0]), n=len(own))
            msg = (
                f"{other.source}: its {what} differ from those of {first.source}, first in {row}. "
                "Both must hold the same rows in the same order."
            )
            raise InvalidInputError(msg)


def _name_of_row(rows: Rows, row: int, *, n: int) -> str:
    """Return how messages name one of the n rows of `_whole_column`: as the file numbers it.

    Of entries and pixels it is their own number, from 0.
    """
    places = rows.file_rows
    if places is None:
        return row_name(row)
    if rows.columns is not None:  # of all rows of the file but those that lack a value
        places = np.delete(np.arange(n + len(rows.left_out)), list(rows.left_out))
    with rows_of_file(places):
        return row_name(row)


def _whole_column(rows: Rows, name: str) -> NDArray[Any] | None:
    """Return the ids or the labels of all rows of the file, where all were asked for."""
    own: NDArray[Any] | None = getattr(rows, name) if rows.columns is None else rows.columns[name]
    return own
