"""Labels of another file, joined to answers by their ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.alignment import in_trusted_order, rows_by_id
from temperance.errors import FileFormatError, InvalidInputError
from temperance.printable import count_text
from temperance.readers.guard import refusing
from temperance.readers.label_source import source_name
from temperance.readers.llm.answer import Readings
from temperance.readers.llm.node import Node
from temperance.readers.request import padded_texts
from temperance.readers.whole import label_rows, refuse_order, without_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from temperance.readers.dataset import Fields
    from temperance.readers.label_source import LabelSource
    from temperance.readers.llm.answer import Row
    from temperance.readers.request import FileRows

__all__ = ["joined"]

_KEY = "label"
_OF_BATCH = "custom_id"  # of requests and their answers, which come in any order


def joined(
    by_file: Sequence[Sequence[Row]],
    labels: LabelSource,
    *,
    fields: Fields,
    source: str,
    n_lines: int,
) -> tuple[str, ...]:
    """Give the rows of all files the labels of another, and return what is to be told of it.

    Labels may also be a mapping of ids. Rows find their labels by id, under `custom_id` too where
    nobody has named it. Where several files use an id, it is `file/id`, as of the rows themselves.
    Without ids, a label per line of a file is taken in the order of the `n_lines` lines, and that
    is told.

    Raises
    ------
    FileFormatError
        An id has no label or several that differ; numbers differ where there are no ids; a label is
        none of its row's options.
    """
    rows = [row for of_file in by_file for row in of_file]
    if not rows:
        return ()
    name, ids = source_name(labels), _ids(by_file)
    if ids is None and isinstance(labels, Mapping):
        raise FileFormatError(without_ids(source))
    table = label_rows(labels, fields)
    if table.ids is None and ids is not None and fields.id is None and fields.label_id is None:
        table = _of_batch(labels, fields) or table
    if ids is None or table.ids is None:
        refuse_order(fields, source if ids is None else name, of_labels=ids is not None)
    with refusing(name):
        column = table.labels
        assert column is not None  # noqa: S101  (a reader finds them or raises)
        if ids is None or table.ids is None:
            places: Sequence[int] = _in_order(
                rows, len(column), source=source, files=len(by_file), n_lines=n_lines
            )
            without = name if ids is not None else source
            notes: tuple[str, ...] = (in_trusted_order(name, source, without=without),)
        else:
            places, notes = _by_id(ids, table.ids, column, source=source, name=name)
    values = column.tolist()
    for row, place in zip(rows, places, strict=True):
        with refusing(name):
            _give(row, values[place])
    return notes


def _of_batch(labels: LabelSource, fields: Fields) -> FileRows | None:
    """Return labels that have their ids under the name that files of a batch call them by."""
    with suppress(FileFormatError):
        return label_rows(labels, replace(fields, id=_OF_BATCH))
    return None


def _by_id(
    ids: NDArray[Any], others: NDArray[Any], labels: NDArray[Any], *, source: str, name: str
) -> tuple[Sequence[int], tuple[str, ...]]:
    try:
        places, notes = rows_by_id(
            ids, others, source=source, other=name, values=labels, repeats=True
        )
    except InvalidInputError as error:
        raise FileFormatError(str(error)) from error
    return range(len(ids)) if places is None else places.tolist(), notes


def _in_order(
    rows: Sequence[Row], count: int, *, source: str, files: int, n_lines: int
) -> list[int]:
    """Return the place of each row's line, if there is a label per line and a row per line."""
    places = [row.place for row in rows]
    if files > 1 or max(Counter(places).values()) > 1:
        what = "several files" if files > 1 else "several answers in a line"
        msg = (
            f"goes with {what} of {source} by ids alone, and one of the two has none "
            "(--id-column names them)."
        )
        raise FileFormatError(msg)
    if count != n_lines:
        msg = (
            f"has {count_text(count, 'label')}, but {source} has {count_text(n_lines, 'line')}, "
            "and without ids (--id-column) they are paired in their order."
        )
        raise FileFormatError(msg)
    return places


def _ids(by_file: Sequence[Sequence[Row]]) -> NDArray[Any] | None:
    """Return the id of each row; with its file's name where several files use one of them."""
    of_files = [[row.answer.id for row in of_file] for of_file in by_file]
    flat = [each for of_file in of_files for each in of_file]
    if any(each is None for each in flat):
        return None
    shared = sum(len({str(each) for each in of_file}) for of_file in of_files)
    if shared > len({str(each) for each in flat}):
        return padded_texts("id", [f"{row.file}/{row.answer.id}" for f in by_file for row in f])
    if all(isinstance(each, int) for each in flat):
        return np.array(flat, dtype=np.int64)
    return padded_texts("id", [str(each) for each in flat])


def _give(row: Row, value: object) -> None:
    answer = row.answer
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    assert answer.read_label is not None  # noqa: S101  (every reader gives one)
    try:
        label = answer.read_label(Node(value, _KEY))
    except FileFormatError as error:
        msg = (
            f"the label of {row.where} ({answer.id!r}): {error}"
            if answer.id is not None
            else (f"the label of {row.where}: {error}")
        )
        raise FileFormatError(msg) from error
    answer.label = label if isinstance(label, int) else None
    answer.readings = label if isinstance(label, Readings) else None
