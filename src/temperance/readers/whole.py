"""A file read as a whole, by the reader of its format."""

from __future__ import annotations

import dataclasses
import os
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.alignment import in_trusted_order, rows_by_id
from temperance.checks.arguments import as_word, require_type
from temperance.checks.arrays import rows_from, rows_of_file
from temperance.checks.label_map import distinct_labels, label_text
from temperance.errors import FileFormatError, InvalidInputError
from temperance.file_formats import (
    FILE_FORMATS,
    file_suffix,
    format_of,
    function_named,
    suffixes_of,
    way_out,
)
from temperance.printable import first_few
from temperance.readers.dataset import Dataset, Fields, Kind, Layout, Missing, without_missing
from temperance.readers.guard import quoted, refusing, require_file
from temperance.readers.label_source import rows_of_mapping, source_name
from temperance.readers.request import NONE, FileRows, Request, check_length, check_shapes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from temperance.checks.label_map import LabelMap
    from temperance.readers.label_source import LabelSource
    from temperance.readers.request import TextScores

__all__ = [
    "SUFFIXES",
    "Meaning",
    "as_dataset",
    "label_rows",
    "read_file",
    "read_labels",
    "refuse_order",
    "with_labels",
    "without_ids",
]  # fmt: skip

# Labels of one file, or of the files of a folder, as a map says that they are meant.


class Meaning:
    """A map of labels at work on the parts of one file: it knows all words met so far."""

    def __init__(self, label_map: LabelMap, layout: Layout = "rows") -> None:
        self.label_map = label_map
        self.has_met_all = False  # whether a reading has come to the end
        self._layout: Layout = layout
        self.words: dict[str, object] = {}
        self.classes: tuple[str, ...] | None = None

    def meet(self, parts: Iterable[Dataset]) -> None:
        """Note the words of parts whose labels are as they stand there."""
        for part in parts:
            if part.labels is not None:
                self.classes = self._columns(part, part.labels)[0]
                distinct, _ = distinct_labels(part.labels)
                self.words |= {label_text(each): each for each in distinct}

    def meant(self, part: Dataset, others: Iterable[Dataset] = ()) -> Dataset:
        """Return a part with its labels as they are meant.

        `others` are the parts after it, which are only read where the map does not go with the
        labels: what is said then names all words of the file.
        """
        labels = part.labels
        if labels is None:
            return part
        self.meet([part])
        classes, k = self._columns(part, labels)
        unclear = self.label_map.unclear(labels, classes, k).any()
        if unclear:
            self.meet(others)
        with rows_of_file(_places(part)), rows_from(part.first):
            try:
                if unclear:
                    raise self.label_map.refusal(labels, self.words.values(), classes, k)
                return replace(part, labels=self.label_map.applied(labels, classes))
            except InvalidInputError as error:
                msg = f"{part.source}: {error}"
                raise InvalidInputError(msg) from error

    def meet_all(self, others: Iterable[Meaning]) -> None:
        """Note what others have met of the same file, part by part: together all of its words."""
        for other in others:
            self.classes = other.classes
            self.words |= other.words
        self.has_met_all = True

    def notes(self, source: str) -> tuple[str, ...]:
        """Return what to tell of labels that the map names and no row has, once all are met."""
        if not self.has_met_all:
            return ()
        unused = self.label_map.unused(self.words.values(), self.classes)
        if not unused or not self.words:
            return ()
        note = (
            f"{source}: no row has the label {first_few(unused)}, which the map of labels "
            f"(--label-map) names; labels there are: {first_few(list(self.words))}."
        )
        return (note,)

    def _columns(
        self, part: Dataset, labels: NDArray[Any]
    ) -> tuple[tuple[str, ...] | None, int | None]:
        """Return what labels may be: names of classes, or positions below a number if known."""
        if self._layout == "labels":
            return None, 2  # yes or no, of each label
        if self._layout == "dense" or part.ragged or labels.ndim != 1:
            return part.classes, None
        return part.classes, int(part.values.shape[1]) if part.values.ndim > 1 else 2


def _places(part: Dataset) -> NDArray[np.intp] | None:
    """Return which row of its file each row is, where some were left out."""
    if not part.left_out:
        return None
    return np.delete(np.arange(len(part.values) + len(part.left_out)), list(part.left_out))


SUFFIXES = suffixes_of(FILE_FORMATS)
_DENSE = suffixes_of(each for each in FILE_FORMATS if each.any_shape)
_USUAL_FIELDS = Fields()


def read_file(
    path: str | os.PathLike[str],
    *,
    kind: Kind | None = None,
    fields: Fields = _USUAL_FIELDS,
    labels: LabelSource | None = None,
    layout: Layout = "rows",
    na: Missing = "refuse",
    own_labels: bool = True,
    texts: TextScores | None = None,
) -> Dataset:
    """Read one file (see `read`), or what it holds but for its `own_labels`."""
    as_word(na, ("refuse", "drop"), name="na")
    dataset = _read_file(path, kind=kind, fields=fields, labels=labels, layout=layout, na=na,
        own_labels=own_labels and labels is None, texts=texts,
    )  # fmt: skip
    if na == "refuse":
        return dataset
    with refusing(path):
        return without_missing(dataset)


def _read_file(
    path: str | os.PathLike[str],
    *,
    kind: Kind | None,
    fields: Fields,
    labels: LabelSource | None,
    layout: Layout,
    na: Missing,
    own_labels: bool,
    texts: TextScores | None,
) -> Dataset:
    if kind is not None:
        as_word(kind, ("logits", "probs"), name="kind")
    require_type(fields, Fields, name="fields", rule="`Fields`, which names columns and keys")
    if fields.logits is not None and fields.probs is not None:
        msg = "`fields` must name logits or probs, got both; name the one to use."
        raise InvalidInputError(msg)
    if own_labels:
        return as_dataset(
            _read(path, Request(kind, fields, layout=layout, na=na, texts=texts)), path, kind
        )
    unlabelled = dataclasses.replace(fields, label=None)
    request = Request(kind, unlabelled, labels=False, layout=layout, na=na, texts=texts)
    try:
        rows = _read(path, request)
    except FileFormatError as error:
        if labels is None or isinstance(labels, Mapping) or not _lacks_ids(error, fields):
            raise
        msg = (
            f"{error} Where only {os.fspath(labels)} calls the ids so, say `fields.label_id` "
            f"(--label-id-column {shlex.quote(str(fields.id))}), and `fields.id` (--id-column) for "
            "those of this file, if they are not under `id`."
        )
        raise FileFormatError(msg) from error
    dataset = as_dataset(rows, path, kind)
    return dataset if labels is None else with_labels(dataset, labels, fields, layout, na)


def _lacks_ids(error: FileFormatError, fields: Fields) -> bool:
    """Whether a file has no column or key of the name of its ids."""
    words = (f"has no column `{fields.id}`", f"has no key `{fields.id}`")
    return fields.id is not None and any(each in str(error) for each in words)


def read_labels(
    path: str | os.PathLike[str], *, fields: Fields | None = None, na: Missing = "refuse"
) -> tuple[NDArray[Any], NDArray[Any]]:
    r"""Read ids and labels, and nothing else, of a file that has both.

    Parameters
    ----------
    path : path
        A file of any format but those of language models, with a column or key `id` and `label`.
    fields : Fields, optional
        Other names of these.
    na : {"refuse", "drop"}, default "refuse"
        What becomes of rows without a label.

    Returns
    -------
    tuple of ndarray, shape (n,) each
        Ids and labels as the file has them.

    Raises
    ------
    FileFormatError
        The file cannot be read, or has no ids or no labels.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "labels.csv"
    ...     _ = file.write_text("id,label\na,yes\nb,no\n")
    ...     ids, labels = read_labels(file)
    >>> ids.tolist(), labels.tolist()
    (['a', 'b'], ['yes', 'no'])
    """
    fields = fields or Fields()
    names = fields.of_labels()
    rows = _read(path, Request(fields=names, scores=False, ids=True, na=na))
    with refusing(path):
        if rows.ids is None:
            msg = (
                "has no ids, by which a label finds its prediction: no column or key `id`. Name "
                "the one that holds them with --id-column."
            )
            raise FileFormatError(msg)
        assert rows.labels is not None  # noqa: S101  (a reader finds them or raises)
        check_length("ids", rows.ids, len(rows.labels))
    return rows.ids, rows.labels


def label_rows(labels: LabelSource, fields: Fields) -> FileRows:
    """Return the labels of a file, and its ids where it has some; or those of a mapping."""
    if isinstance(labels, Mapping):
        return rows_of_mapping(labels, mixed=True)
    names = fields.of_labels()
    rows = _read(labels, Request(fields=names, scores=False, ids=True))
    if rows.ids is not None and rows.labels is not None:
        with refusing(labels):
            check_length("ids", rows.ids, len(rows.labels))
    return rows


def with_labels(
    dataset: Dataset,
    labels: LabelSource,
    fields: Fields,
    layout: Layout,
    na: Missing,
    *,
    by_id: bool = False,
) -> Dataset:
    """Return rows with the labels of a mapping, or of another file.

    `by_id` refuses to trust the order of a file, as a mapping always does.
    """
    if isinstance(labels, Mapping):
        if dataset.ids is None or dataset.ids.ndim > 1:
            raise FileFormatError(without_ids(dataset.source))
        return _labelled(dataset, rows_of_mapping(labels, na=na), source_name(labels), layout)
    only_labels = Request(
        fields=fields.of_labels(), scores=False, layout=layout,
        classes=dataset.classes, ids=dataset.ids is not None, na=na,
    )  # fmt: skip
    label_rows = _read(labels, only_labels)
    if by_id and (dataset.ids is None or label_rows.ids is None):
        msg = (
            f"{dataset.source}: is a folder: a file of labels goes with it by ids alone, as "
            "nothing says in which order its files were written, but "
            f"{_lacking_ids(dataset, labels)}. Add a column `id` to every file and to the labels "
            "(--id-column names another), or put the labels into the files, as a column `label`."
        )
        raise FileFormatError(msg)
    if dataset.ids is None or label_rows.ids is None:
        of_labels = dataset.ids is not None
        source = os.fspath(labels) if of_labels else dataset.source
        refuse_order(fields, source, of_labels=of_labels)
    return _labelled(dataset, label_rows, labels, layout)


def refuse_order(fields: Fields, source: str, *, of_labels: bool) -> None:
    """Raise where ids were named, by which labels are to be joined, and a file has none."""
    if fields.label_id not in (None, NONE):
        under = f"`{fields.label_id}`" if of_labels else f"`{fields.id or 'id'}`"
        option = "label_id` (--label-id-column)" if of_labels else "id` (--id-column)"
        msg = (
            f"{source}: has no ids under {under}, by which `fields.{option} joins it with the "
            "other file. Name a column or key that is there."
        )
        raise FileFormatError(msg)
    if fields.id not in (None, NONE):
        otherwise = "" if fields.id == "id" else " (or `id`)"
        msg = (
            f"{source}: has no ids under `{fields.id}`{otherwise}, by which `fields.id` "
            "(--id-column) joins it with the other file. Name a column or key that is there, of "
            "labels by `fields.label_id` (--label-id-column) where only they call it so; "
            f"without --id-column, or with --id-column {NONE}, rows are paired in their order."
        )
        raise FileFormatError(msg)


def without_ids(source: str) -> str:
    """Return what is wrong with rows that a mapping of ids to labels is for, but have no ids."""
    return (
        f"{source}: has no ids, by which `labels`, a mapping, finds its rows. Name their column or "
        "key, fields=Fields(id=...), or give the labels as a file."
    )


def _lacking_ids(dataset: Dataset, labels: str | os.PathLike[str]) -> str:
    return f"{dataset.source if dataset.ids is None else os.fspath(labels)} has none"


def _labelled(
    dataset: Dataset, label_rows: FileRows, path: str | os.PathLike[str], layout: Layout
) -> Dataset:
    """Return the rows with the labels of another file: of the same ids, or in the same order."""
    labels, name = label_rows.labels, os.fspath(path)
    assert labels is not None  # noqa: S101  (a reader finds them or raises)
    with refusing(path):
        if dataset.ids is None or dataset.ids.ndim > 1 or label_rows.ids is None:
            if layout != "dense":
                check_length("labels", labels, len(dataset.values))
            without = name if dataset.ids is not None and label_rows.ids is None else dataset.source
            notes: tuple[str, ...] = (in_trusted_order(name, dataset.source, without=without),)
        else:
            for ids, rows in ((dataset.ids, dataset.values), (label_rows.ids, labels)):
                check_length("ids", ids, len(rows))
            try:
                places, notes = rows_by_id(
                    dataset.ids, label_rows.ids, source=dataset.source, other=name, values=labels,
                    repeats=True,
                )  # fmt: skip
            except InvalidInputError as error:
                raise FileFormatError(str(error)) from error
            labels = labels if places is None else labels[places]
    return dataclasses.replace(
        dataset,
        labels=labels,
        classes=dataset.classes or label_rows.classes,
        notes=(*dataset.notes, *(f"{name}: {note}" for note in label_rows.notes), *notes),
    )


def _read(path: str | os.PathLike[str], request: Request) -> FileRows:
    """Read one file with the reader of its suffix."""
    with refusing(path):
        file = Path(path)
        require_file(file)
        format_ = format_of(file)
        if format_ is None:
            suffix = file_suffix(file)
            msg = (
                f"must have one of the suffixes {' '.join(SUFFIXES)}, got {quoted(suffix)}."
                f"{way_out(suffix)}"
            )
            raise FileFormatError(msg)
        if request.layout == "dense" and not format_.any_shape:
            msg = f"outputs per pixel or token (--class-axis) are read from {' and '.join(_DENSE)}."
            raise FileFormatError(msg)
        if request.scores and not format_.is_text:
            request.fields.refuse_text_options(format_.suffixes[0])
        rows: FileRows = function_named(format_.read)(file, request)
        return check_shapes(rows, request.layout)


def as_dataset(rows: FileRows, path: str | os.PathLike[str], kind: Kind | None) -> Dataset:
    """Rows with their origin."""
    if rows.values is None:  # pragma: no cover - scores were asked for
        raise TypeError
    return Dataset(
        kind=rows.kind,
        values=rows.values,
        labels=rows.labels,
        weights=rows.weights,
        groups=rows.groups,
        clusters=rows.clusters,
        ids=rows.ids,
        classes=rows.classes,
        ragged=rows.ragged,
        kind_forced=kind is not None,
        percent=rows.percent,
        notes=rows.notes,
        source=os.fspath(path),
    )
