"""Files of a language model's answers become rows, by the reader of their format."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from itertools import compress
from typing import TYPE_CHECKING, Any

from temperance.errors import FileFormatError, InvalidInputError
from temperance.file_formats import FILE_FORMATS, function_named, suffixes_of
from temperance.readers.guard import is_folder, naming, refusing, require_file
from temperance.readers.llm.answer import SEVERAL, Ask, Row, Tally
from temperance.readers.llm.arrays import dataset_of
from temperance.readers.llm.lines import lines_of
from temperance.readers.llm.llm_format import AUTO
from temperance.readers.llm.lm_eval import (
    count_contradictions,
    leave_out_filters,
    leave_out_shares,
    settle,
)
from temperance.readers.llm.node import Node
from temperance.readers.llm.other_labels import joined
from temperance.readers.llm.recognition import recognised, seems_to_be
from temperance.readers.request import check_texts
from temperance.readers.shards import Shards

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from temperance.readers.dataset import Dataset, Fields, Kind
    from temperance.readers.label_source import LabelSource
    from temperance.readers.llm.answer import Answer
    from temperance.readers.llm.llm_format import LlmFormat

__all__ = ["read_llm"]

_SUFFIXES = suffixes_of(each for each in FILE_FORMATS if ".jsonl" in each.suffixes)
_SAMPLES = re.compile(r"samples_(.+)_\d[^_]*")


def read_llm(
    path: str | os.PathLike[str],
    format_: LlmFormat,
    *,
    fields: Fields,
    kind: Kind | None,
    labels: LabelSource | None = None,
) -> Dataset:
    """Read a file of one JSON object per line, or the .jsonl files of a folder (see `read`)."""
    suffixes = _SUFFIXES if format_.name == AUTO else (*_SUFFIXES, *format_.known.suffixes)
    shards = Shards.of(path, suffixes)
    files = shards.files
    remarks: tuple[str, ...] = ()
    if format_.name == AUTO:
        format_, remarks = recognised(files, format_)
    format_.require_options()
    _check_fields(format_, fields, kind)
    own_fields = fields if labels is None else replace(fields, label=None)
    of_folder = is_folder(path)
    tally = Tally()
    by_file: list[list[Row]] = []
    asks: list[Ask] = []
    for file in files:
        match = _SAMPLES.fullmatch(file.stem)
        ask = Ask(format_, own_fields, match and match[1], kind, own_labels=labels is None,
                  tally=tally)  # fmt: skip
        with refusing(file):
            require_file(file)
            by_file.append(list(_rows(file, ask, of_folder=of_folder)))
        asks.append(ask)
    if labels is not None:
        remarks += joined(
            by_file, labels, fields=fields, source=os.fspath(path), n_lines=tally.counts["lines"]
        )
    rows: list[Row] = []
    for file, ask, of_file in zip(files, asks, by_file, strict=True):
        with refusing(file):
            rows += _settled(of_file, ask)
    with refusing(path):
        dataset = dataset_of(
            rows, format_, tally, source=os.fspath(path),
            files=files if of_folder else (), kind_forced=kind is not None,
        )  # fmt: skip
        check_texts(dataset)
    notes = (f"{os.fspath(path)}: {note}" for note in remarks)
    return replace(dataset, notes=(*shards.notes, *notes, *dataset.notes))


def _settled(rows: list[Row], ask: Ask) -> list[Row]:
    """Return the rows of a file whose labels mean one option each, which all together may tell."""
    rows = list(compress(rows, leave_out_filters([row.answer for row in rows], ask)))
    several = [row.answer.label == SEVERAL for row in rows]
    ask.counts["with several right options"] += sum(several)
    rows = [row for row, left_out in zip(rows, several, strict=True) if not left_out]
    rows = list(compress(rows, leave_out_shares([row.answer for row in rows], ask)))
    answers = [row.answer for row in rows]
    settle(answers, [row.where for row in rows])
    count_contradictions(answers, ask.counts)
    return rows


def _rows(file: Path, ask: Ask, *, of_folder: bool) -> Iterator[Row]:
    """Yield the rows of one file, each with its line."""
    fields = ask.fields
    read = function_named(ask.format.known.read)
    for place, (name, record) in enumerate(lines_of(file, ask.format.known).objects()):
        ask.counts["lines"] += 1
        with naming(name):
            line = Node(record)
            answers = _answers(line, ask, read)
            weight = _field(line, fields.weight, "weight")
            group = _field(line, fields.group, None)
            cluster = _field(line, fields.cluster, "cluster")
            columns: dict[str, Any] = {
                "weight": None if weight is None else weight.number(),
                "group": None if group is None else str(group.name()),
                "cluster": None if cluster is None else str(cluster.name()),
            }
        where = f"{file.name}, {name}" if of_folder else name
        for answer in answers:
            yield Row(answer, ask.task or file.stem, place, where, **columns)


def _answers(line: Node, ask: Ask, read: Callable[[Node, Ask], Iterator[Answer]]) -> list[Answer]:
    """Return the rows of a line; of one that is of another format, say which."""
    try:
        return list(read(line, ask))
    except FileFormatError as error:
        seeming = seems_to_be(line, ask.format.name)
        if not seeming:
            raise
        msg = f"{error} {seeming}"
        raise FileFormatError(msg) from error


def _field(line: Node, name: str | None, usual: str | None) -> Node | None:
    """Return what a line holds under a name that was given, or under the usual one."""
    if name is not None:
        return line.find(name) or line.need(name)
    return None if usual is None else line.get(usual)


def _check_fields(format_: LlmFormat, fields: Fields, kind: Kind | None) -> None:
    """Refuse names and kinds that a format has no use for."""
    if fields.logits is not None or fields.probs is not None:
        msg = (
            "`fields` cannot name logits or probs where a format is given: it says where they are."
        )
        raise InvalidInputError(msg)
    if kind is not None and format_.name != "records":
        msg = (
            "`kind` (--kind) is for records that hold both logits and probs, not for "
            f"{format_.name}."
        )
        raise InvalidInputError(msg)
    if fields.group is not None and format_.group_by is not None:
        msg = (
            "`fields.group` (--group-column) and `group_by` (--group-by) both say what groups are; "
            "give one of them."
        )
        raise InvalidInputError(msg)
