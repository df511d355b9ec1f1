"""A file, or a folder of files whose rows are put together."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.checks.label_map import LabelMap
from temperance.errors import InvalidInputError
from temperance.readers.dataset import Dataset, Fields, Kind, Layout, without_missing
from temperance.readers.guard import is_folder
from temperance.readers.llm import FormatName, LlmFormat, read_llm
from temperance.readers.shards import Header, Shards
from temperance.readers.whole import SUFFIXES, Meaning, read_file, with_labels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from temperance.readers.dataset import Missing

__all__ = ["read"]

_USUAL_FIELDS = Fields()
_BESIDE = ("labels", "weights", "groups", "clusters", "ids")


def read(
    path: str | os.PathLike[str],
    *,
    kind: Kind | None = None,
    fields: Fields = _USUAL_FIELDS,
    labels: str | os.PathLike[str] | None = None,
    layout: Layout = "rows",
    format: FormatName | LlmFormat | None = None,  # noqa: A002  (the word for it)
    label_map: LabelMap | Mapping[Any, Any] | str | None = None,
    na: Missing = "refuse",
) -> Dataset:
    """Read the scores of a file, and what else it holds about each row.

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
    labels : path-like, optional
        Another file, of any of these formats, to take the labels from; `fields.label` is then
        a name in that file. With a folder the rows are joined by their ids, which both must have.
    layout : {"rows", "labels", "dense"}, default "rows"
        What a file holds: one class per row; a matrix of labels beside the scores, in tables a
        column `label_<name>` or in lists; or a class per pixel or token, in arrays of any shape.
    format : str or LlmFormat, optional
        Which format of a language model's answers the file has, whatever its suffix: its name, or
        an `LlmFormat` that also says how to read it. Of a folder the .jsonl files are read. Names
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
        that no row has is told in the `notes`.

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
        arguments does not go with the `format`.
    MissingDependencyError
        The format needs a package that is not installed.
    """
    meaning = None if label_map is None else Meaning(LabelMap.of(label_map), layout)
    dataset = _read(path, kind, fields, labels, layout, format, na, meaning)
    if meaning is None:
        return dataset
    meaning.has_met_all = True
    return dataclasses.replace(dataset, notes=(*dataset.notes, *meaning.notes(dataset.source)))


def _read(
    path: str | os.PathLike[str],
    kind: Kind | None,
    fields: Fields,
    labels: str | os.PathLike[str] | None,
    layout: Layout,
    format: FormatName | LlmFormat | None,  # noqa: A002  (the word for it)
    na: Missing,
    meaning: Meaning | None,
) -> Dataset:
    """Read a file or a folder, labels as they are meant."""

    def as_meant(part: Dataset, others: Sequence[Dataset] = ()) -> Dataset:
        """Return rows with labels as they are meant, by their own file's columns."""
        return part if meaning is None else meaning.meant(part, others)

    if format is not None:
        if na != "refuse":
            msg = "`na` (--na) does not go with a format; its `missing` (--missing) says the same."
            raise InvalidInputError(msg)
        if labels is not None or layout != "rows":
            msg = "`labels` and `layout` do not go with a format, whose lines hold their labels."
            raise InvalidInputError(msg)
        named = format if isinstance(format, LlmFormat) else LlmFormat(format)
        return as_meant(read_llm(path, named, fields=fields, kind=kind))
    if not is_folder(path):
        whole = read_file(path, kind=kind, fields=fields, labels=labels, layout=layout, na=na)
        return as_meant(whole)
    shards = Shards.of(path, SUFFIXES)
    parts = [
        read_file(file, kind=kind, fields=fields, layout=layout, na=na, own_labels=labels is None)
        for file in shards.files
    ]
    parts = [as_meant(part, parts) for part in parts]
    header = Header.of(parts[0], of_rows=layout != "dense")
    parts[1:] = [header.aligned(part) for part in parts[1:]]
    together: dict[str, Any] = {name: _joined(parts, name) for name in _BESIDE}
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
