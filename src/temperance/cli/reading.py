"""From a file to checked rows: of classes, or of a matrix of labels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from temperance.alignment import column_order, in_trusted_order, rows_by_id
from temperance.calibrators import MultilabelScaling
from temperance.cli.answer_rows import ANSWERS, read_answers, rows_of_answers
from temperance.cli.class_rows import rows_of_classes
from temperance.cli.console import progress
from temperance.cli.label_rows import rows_of_labels
from temperance.cli.repeats import weighing_rows, with_repeats
from temperance.cli.rows import Rows, naming
from temperance.errors import InvalidInputError
from temperance.readers import read
from temperance.readers.dataset import without_zeros
from temperance.readers.guard import refusing

if TYPE_CHECKING:
    from pathlib import Path

    from temperance.cli.block_rows import BlockRows
    from temperance.cli.reading_options import Reading
    from temperance.readers import Dataset, Kind, Layout

__all__ = ["read_kind", "read_rows"]


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
