"""Files of a language model's answers become rows."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from itertools import compress
from typing import TYPE_CHECKING, Any

from temperance.errors import FileFormatError, InvalidInputError
from temperance.readers.guard import is_folder, refusing, require_file
from temperance.readers.json_lines import json_lines, naming_line
from temperance.readers.llm.answer import SEVERAL, Ask, Tally
from temperance.readers.llm.arrays import dataset_of
from temperance.readers.llm.decisions import decisions, openai_decisions
from temperance.readers.llm.lm_eval import lm_eval
from temperance.readers.llm.lm_eval_target import (
    count_contradictions,
    leave_out_shares,
    settle,
)
from temperance.readers.llm.node import Node
from temperance.readers.llm.openai_logprobs import openai_logprobs
from temperance.readers.llm.records import records
from temperance.readers.llm.row import Row
from temperance.readers.llm.seeming import seems_to_be
from temperance.readers.shapes import check_texts
from temperance.readers.shards import Shards

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from temperance.readers.dataset import Dataset, Fields, Kind
    from temperance.readers.llm.answer import Answer
    from temperance.readers.llm.llm_format import FormatName, LlmFormat

__all__ = ["read_llm"]

_READERS: dict[FormatName, Callable[[Node, Ask], Iterator[Answer]]] = {
    "lm-eval": lm_eval,
    "openai-logprobs": openai_logprobs,
    "openai-decisions": openai_decisions,
    "decisions": decisions,
    "records": records,
}
_SUFFIXES = (".jsonl", ".ndjson")
_SAMPLES = re.compile(r"samples_(.+)_\d[^_]*")


def read_llm(
    path: str | os.PathLike[str], format_: LlmFormat, *, fields: Fields, kind: Kind | None
) -> Dataset:
    """Read a file of one JSON object per line, or the .jsonl files of a folder (see `read`)."""
    _check_fields(format_, fields, kind)
    shards = Shards.of(path, _SUFFIXES)
    files = shards.files
    of_folder = is_folder(path)
    tally = Tally()
    rows: list[Row] = []
    for file in files:
        match = _SAMPLES.fullmatch(file.stem)
        ask = Ask(format_, fields, match and match[1], kind, tally)
        with refusing(file):
            require_file(file)
            of_file = list(_rows(file, ask, of_folder=of_folder))
            keep = leave_out_shares([row.answer for row in of_file], ask)
            of_file = list(compress(of_file, keep))
            answers = [row.answer for row in of_file]
            settle(answers, [row.line for row in of_file])
            count_contradictions(answers, tally.counts)
        rows += of_file
    with refusing(path):
        dataset = dataset_of(
            rows, format_, tally, source=os.fspath(path),
            files=files if of_folder else (), kind_forced=kind is not None,
        )  # fmt: skip
        check_texts(dataset)
        return replace(dataset, notes=(*shards.notes, *dataset.notes))


def _rows(file: Path, ask: Ask, *, of_folder: bool) -> Iterator[Row]:
    """Yield the rows of one file, each with its line."""
    fields = ask.fields
    for number, record in json_lines(file):
        with naming_line(number):
            line = Node(record)
            answers = _answers(line, ask)
            weight = _beside(line, fields.weight, "weight")
            group = _beside(line, fields.group, None)
            cluster = _beside(line, fields.cluster, "cluster")
            beside: dict[str, Any] = {
                "weight": None if weight is None else weight.number(),
                "group": None if group is None else str(group.name()),
                "cluster": None if cluster is None else str(cluster.name()),
            }
        where = f"{file.name}, line {number}" if of_folder else f"line {number}"
        for answer in answers:
            yield Row(answer, ask.task or file.stem, number, where, **beside)


def _answers(line: Node, ask: Ask) -> list[Answer]:
    """Return the rows of a line; of one that is of another format, say which."""
    try:
        answers = list(_READERS[ask.format.name](line, ask))
    except FileFormatError as error:
        seeming = seems_to_be(line, ask.format.name)
        if not seeming:
            raise
        msg = f"{error} {seeming}"
        raise FileFormatError(msg) from error
    of_one = [answer for answer in answers if answer.label != SEVERAL]
    if len(of_one) < len(answers):
        ask.counts["with several right options"] += len(answers) - len(of_one)
    return of_one


def _beside(line: Node, name: str | None, usual: str | None) -> Node | None:
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
