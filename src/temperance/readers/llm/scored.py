"""One score per answer: of the log-probabilities of its tokens, or of a key of its line."""

from __future__ import annotations

import os
from dataclasses import replace
from math import isnan
from typing import TYPE_CHECKING

import numpy as np

from temperance.errors import FileFormatError, InvalidInputError
from temperance.file_formats import FILE_FORMATS, function_named, suffixes_of
from temperance.printable import count_text
from temperance.readers.dataset import Dataset
from temperance.readers.guard import is_folder, naming, refusing, require_file
from temperance.readers.label_source import check_label_source
from temperance.readers.llm.answer import SUMMARIES, Answer, Ask, Row, Tally, id_of
from temperance.readers.llm.arrays import check_ids, column_of, ids_of, left_out_text, notes
from temperance.readers.llm.lines import lines_of
from temperance.readers.llm.llm_format import AUTO, LlmFormat
from temperance.readers.llm.node import Node, has_failed, is_right
from temperance.readers.llm.other_labels import joined
from temperance.readers.llm.recognition import recognised
from temperance.readers.request import check_texts
from temperance.readers.shards import Shards

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from temperance.readers.dataset import Fields
    from temperance.readers.label_source import LabelSource

__all__ = ["read_scores"]

_SUFFIXES = suffixes_of(each for each in FILE_FORMATS if ".jsonl" in each.suffixes)


def read_scores(
    path: str | os.PathLike[str],
    format_: LlmFormat,
    *,
    fields: Fields,
    score: str,
    labels: LabelSource | None = None,
    as_number: Callable[[str], float | None] | None = None,
) -> Dataset:
    """Read one score per answer, and whether the answer is right.

    Parameters
    ----------
    path, labels
        As in `read`; labels say whether answers are right.
    format_ : LlmFormat
        Of the lines; what it says of options has no meaning here.
    fields : Fields
        `label` is the key of what is right, `correct` unless named (promptfoo: `success`;
        inspect-ai: the value of the only scorer).
    score : str
        `mean`, `sum` or `min` of the log-probabilities of the tokens, or the path of a key.
    as_number : callable, optional
        Returns the number that a text stands for; None of one that is none.

    Returns
    -------
    Dataset
        Of kind "logits", `values` of shape (n,).

    Raises
    ------
    FileFormatError
        A line is not of the format, or has no such key; a score is no number.
    InvalidInputError
        The format has no tokens to take a score of; options that have no meaning here.
    """
    check_label_source(labels, fields)
    suffixes = _SUFFIXES if format_.name == AUTO else (*_SUFFIXES, *format_.known.suffixes)
    shards = Shards.of(path, suffixes)
    remarks: tuple[str, ...] = ()
    if format_.name == AUTO:
        format_, remarks = recognised(shards.files, format_)
    _check(format_, score)
    of_folder, source = is_folder(path), os.fspath(path)
    ask = Ask(
        format_, fields, None, own_labels=labels is None, score=score, as_number=as_number,
        tally=Tally(),
    )  # fmt: skip
    by_file = []
    for file in shards.files:
        with refusing(file):
            require_file(file)
            by_file.append(list(_rows(file, ask, of_folder=of_folder)))
    if labels is not None:
        label_fields = replace(fields, label=fields.label or "correct")
        n_lines = ask.counts["lines"]
        remarks += joined(by_file, labels, fields=label_fields, source=source, n_lines=n_lines)
    rows = [row for of_file in by_file for row in of_file]
    with refusing(path):
        dataset = _dataset(rows, ask, source, shards.files if of_folder else (), remarks)
        check_texts(dataset)
    return dataset


def _check(format_: LlmFormat, score: str) -> None:
    for name in ("options", "options_field", "position", "missing", "group_by", "normalize"):
        if getattr(format_, name) is not None:
            msg = (
                f"`{name}` (--{name.replace('_', '-')}) has no meaning for scores of whole answers "
                "(--kind answers)."
            )
            raise InvalidInputError(msg)
    if score in SUMMARIES and not (format_.known.by_token or format_.known.scores_only):
        msg = (
            f"`score_column` (--score-column) {score} is of the tokens of an answer, which "
            f"{format_.name} does not hold; name the key of a score."
        )
        raise InvalidInputError(msg)


def _rows(file: Path, ask: Ask, *, of_folder: bool) -> Iterator[Row]:
    read = function_named(ask.format.known.read) if ask.score in SUMMARIES else _by_key
    fields = ask.fields
    for place, (name, record) in enumerate(lines_of(file, ask.format.known).objects()):
        ask.counts["lines"] += 1
        with naming(name):
            line = Node(record)
            answers = list(read(line, ask))
            by_role = {
                "weight": line.find(fields.weight or "weight"),
                "group": None if fields.group is None else line.find(fields.group),
                "cluster": line.find(fields.cluster or "cluster"),
            }
            weight, group, cluster = by_role.values()
        where = f"{file.name}, {name}" if of_folder else name
        for answer in answers:
            if isnan(answer.scores[0]):
                ask.counts["without a log-probability"] += 1
                continue
            yield Row(
                answer, file.stem, place, where,
                weight=None if weight is None else weight.number(),
                group=None if group is None else str(group.name()),
                cluster=None if cluster is None else str(cluster.name()),
            )  # fmt: skip


def _by_key(line: Node, ask: Ask) -> Iterator[Answer]:
    """Yield the score under a key of a line, whatever else it holds."""
    assert ask.score is not None  # noqa: S101  (of scores)
    node = line.find(ask.score)
    if node is None and has_failed(line, ask.score):
        ask.counts["failed"] += 1
        return
    node = node or line.need(ask.score)
    if isinstance(node.value, str) and ask.as_number is not None:
        value = ask.as_number(node.value)
        if value is None:
            node.refuse("a number, a percentage or one of the words that are mapped")
    else:
        value = node.number()
    right = line.find(ask.fields.label or "correct") if ask.own_labels else None
    yield Answer(
        [value],
        label=None if right is None else is_right(right),
        read_label=is_right,
        id=id_of(line, ask, line.get("custom_id"), line.get("id")),
    )


def _dataset(
    rows: list[Row], ask: Ask, source: str, files: tuple[Path, ...], remarks: tuple[str, ...]
) -> Dataset:
    check_ids(rows, ask.counts)
    has = [row.answer.label is not None for row in rows]
    if any(has) and not all(has):
        msg = f"{rows[has.index(False)].where}: does not say whether it is right, as others do."
        raise FileFormatError(msg)
    if not rows:
        what = left_out_text(ask.tally)
        raise FileFormatError(f"has no rows left: {what}." if what else "has no rows.")
    if ask.own_labels and ask.fields.label is not None and not any(has):
        msg = f"has no key `{ask.fields.label}` that says what is right, in any line."
        raise FileFormatError(msg)
    sentences = notes(ask.tally, n=len(rows), rounded=None, unseen=(), same_places={}, groups={})
    if ask.score in SUMMARIES:
        summary = f"the score is the {ask.score} of the log-probabilities of an answer's tokens, "
        sentences = (f"{summary}of {count_text(len(rows), 'answer')}.", *sentences)
    return Dataset(
        kind="logits",
        values=np.array([row.answer.scores[0] for row in rows]),
        labels=np.array([row.answer.label for row in rows]) if any(has) else None,
        weights=column_of(rows, "weight"),
        groups=column_of(rows, "group"),
        clusters=column_of(rows, "cluster"),
        ids=ids_of(rows, several=len(files) > 1, documents=False),
        classes=None,
        ragged=False,
        kind_forced=True,
        source=source,
        files=files,
        notes=tuple(f"{source}: {note}" for note in (*remarks, *sentences)),
    )
