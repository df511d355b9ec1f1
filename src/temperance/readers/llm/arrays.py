"""The rows of all files as the arrays of a `Dataset`."""

from __future__ import annotations

from collections import Counter
from math import inf, log
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.errors import FileFormatError
from temperance.printable import count_text
from temperance.readers.dataset import Dataset
from temperance.readers.guard import quoted
from temperance.readers.llm.censoring import censored, hide_rounded
from temperance.readers.llm.notes import SMALL_GROUP, left_out, notes
from temperance.readers.llm.options import align
from temperance.readers.padding import padded_rows, padded_texts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from temperance.readers.dataset import Kind
    from temperance.readers.llm.answer import Answer, Option, Tally
    from temperance.readers.llm.llm_format import LlmFormat
    from temperance.readers.llm.row import Row

__all__ = ["dataset_of"]

_SOME_UNLABELLED = ("openai-decisions", "decisions")  # a question of many may have no label


def dataset_of(
    rows: Sequence[Row],
    format_: LlmFormat,
    tally: Tally,
    *,
    source: str,
    files: tuple[Path, ...],
    kind_forced: bool,
) -> Dataset:
    """Return the rows that are kept, with notes of what became of the others."""
    counts = tally.counts
    several = _check_ids(rows, counts)
    labelled = _labelled(rows, format_, counts)
    rounded = hide_rounded([row.answer for row in labelled])
    unseen = _unseen(labelled, format_)
    kept = censored(labelled, format_.missing or "bound", counts)
    if not kept:
        what = left_out(tally)
        msg = f"has no rows left: {what}." if what else "has no rows."
        raise FileFormatError(msg)
    answers = [row.answer for row in kept]
    _require_characters(kept)
    classes = align(answers)
    kind, values, ragged = _values(answers)
    groups = _groups(kept, format_)
    told = notes(
        tally, n=len(kept), rounded=rounded, unseen=unseen, same_places=_same_places(kept),
        groups=Counter([] if groups is None else groups.tolist()),
    )  # fmt: skip
    return Dataset(
        kind=kind,
        values=values,
        labels=_labels(answers, classes),
        weights=_column(kept, "weight"),
        groups=groups,
        clusters=_clusters(rows, kept),
        ids=_ids(kept, several=len(files) > 1, documents=several),
        classes=classes,
        ragged=ragged,
        kind_forced=kind_forced,
        source=source,
        files=files,
        notes=tuple(f"{source}: {note}" for note in told),
    )


def _check_ids(rows: Sequence[Row], counts: Counter[str]) -> bool:
    """Refuse an id with two labels; count those that stand there twice with one.

    Return whether a number stands for several documents (of lm-eval), as in files that were put
    together: then it does not name one.
    """
    seen: dict[Any, Row] = {}
    documents: dict[Any, str | None] = {}
    for row in rows:
        answer = row.answer
        if answer.id is None:
            continue
        document = documents.setdefault((row.file, answer.id), answer.document)
        counts["numbers of several documents"] += document != answer.document
        key = (row.file, answer.id, answer.groups.get("name"), answer.document)
        first = seen.setdefault(key, row)
        if first is row:
            continue
        labels = {_true(first.answer), _true(answer)} - {None}
        if len(labels) > 1:
            msg = (
                f"{row.where}: has the id {answer.id!r} of {first.where}, but another label. Each "
                "id must stand for one question; another key is named with --id-column."
            )
            raise FileFormatError(msg)
        counts["duplicates"] += 1
        counts["copies"] += _same_scores(first.answer, answer)
    return counts["numbers of several documents"] > 0


def _same_scores(one: Answer, other: Answer) -> bool:
    """Whether two answers are copies: the same numbers, or the same gaps, in the same places."""
    return np.array_equal(one.scores, other.scores, equal_nan=True)


def _same_places(rows: Sequence[Row]) -> dict[str, tuple[int, int]]:
    """Return files, or tasks, whose label is at one place in all rows: how many, and which place.

    Only of options with an order, and of as many rows as tell something; the only file is "".
    """
    only = len({row.file for row in rows}) == 1
    places: dict[str, list[int]] = {}
    for row in rows:
        if row.answer.ordered and row.answer.label is not None:
            places.setdefault("" if only else row.file, []).append(row.answer.label)
    return {
        file: (len(of_file), of_file[0])
        for file, of_file in places.items()
        if len(of_file) >= SMALL_GROUP and len(set(of_file)) == 1
    }


def _require_characters(rows: Sequence[Row]) -> None:
    """Refuse names that no file and no terminal can hold: halves of characters."""
    for row in rows:
        answer = row.answer
        names = (option.value for option in answer.options)
        for name in (answer.id, row.group, row.cluster, *answer.groups.values(), *names):
            if not isinstance(name, str) or name.isascii():
                continue
            try:
                name.encode()
            except UnicodeEncodeError:
                msg = f"{row.where}: {quoted(name)} holds half of a character (a lone surrogate)."
                raise FileFormatError(msg) from None


def _true(answer: Answer) -> int | Option | None:
    """Return the label as what it stands for, where options have no order."""
    if answer.label is None or answer.ordered:
        return answer.label
    return answer.options[answer.label]


def _labelled(rows: Sequence[Row], format_: LlmFormat, counts: Counter[str]) -> Sequence[Row]:
    """Return the rows with labels, if any has one; the others are counted, or refused."""
    has = [row.answer.label is not None for row in rows]
    if all(has) or not any(has):
        return rows
    if format_.name not in _SOME_UNLABELLED:
        row = rows[has.index(False)]
        msg = f"{row.where}: has no label, which other lines have (--label-field names its key)."
        raise FileFormatError(msg)
    counts["unlabelled"] += has.count(False)
    return [row for row, known in zip(rows, has, strict=True) if known]


def _unseen(rows: Sequence[Row], format_: LlmFormat) -> list[str]:
    """Return options that were named but have no log-probability in any row."""
    shown = np.zeros(len(format_.spellings), dtype=bool)
    if not rows or not len(shown):
        return []
    for row in rows:
        shown |= ~np.isnan(row.answer.scores)
    return [
        spellings[0] for spellings, seen in zip(format_.spellings, shown, strict=True) if not seen
    ]


def _values(answers: Sequence[Answer]) -> tuple[Kind, NDArray[Any], bool]:
    """Return the scores as one array: probabilities if all are, logits otherwise."""
    kind: Kind = "probs" if all(answer.probs for answer in answers) else "logits"
    flat: list[float] = []
    for answer in answers:
        scores = answer.scores
        if answer.probs:
            total = sum(scores)
            scores = scores if total == 1.0 else [score / total for score in scores]
            if kind == "logits":
                scores = [log(score) if score > 0.0 else -inf for score in scores]
        flat += scores
    lengths = np.array([len(answer.scores) for answer in answers], dtype=np.int64)
    values, ragged = padded_rows(np.array(flat, dtype=np.float64), lengths, kind)
    return kind, values, ragged


def _labels(answers: Sequence[Answer], classes: tuple[str, ...] | None) -> NDArray[Any] | None:
    """Return the labels: names where options have them, else their places."""
    places = [answer.label for answer in answers if answer.label is not None]
    if not places:
        return None
    if classes is None:
        return np.array(places, dtype=np.int64)
    return padded_texts("label", [classes[place] for place in places])


def _groups(rows: Sequence[Row], format_: LlmFormat) -> NDArray[Any] | None:
    """Return the group of each row: under the key that was named, or made of its parts."""
    named_ = _column(rows, "group")
    if named_ is not None or not format_.grouping:
        return named_
    found = []
    for row in rows:
        parts = {**row.answer.groups, "options": count_text(len(row.answer.scores), "option")}
        lacking = [part for part in format_.grouping if part not in parts]
        if lacking and format_.group_by is None:
            return None
        if lacking:
            msg = (
                "the task is not in the file's name, which must be samples_<task>_<time>.jsonl for "
                "groups by task (--group-by)."
            )
            raise FileFormatError(msg)
        found.append(", ".join(parts[part] for part in format_.grouping))
    return padded_texts("group", found)


def _clusters(rows: Sequence[Row], kept: Sequence[Row]) -> NDArray[Any] | None:
    """Return which rows belong together: named so, or answers of one line."""
    given = _column(kept, "cluster")
    if given is not None:
        return given
    lines = Counter(row.where for row in rows)
    if max(lines.values()) < 2:
        return None
    number = {line: i for i, line in enumerate(lines)}
    return np.array([number[row.where] for row in kept], dtype=np.int64)


def _column(rows: Sequence[Row], name: str) -> NDArray[Any] | None:
    """Return what lines hold beside their answers; all must have it, or none."""
    values = [getattr(row, name) for row in rows]
    lacking = [value is None for value in values]
    if all(lacking):
        return None
    if any(lacking):
        msg = f"{rows[lacking.index(True)].where}: has no `{name}`, which other lines have."
        raise FileFormatError(msg)
    return np.array(values) if name == "weight" else padded_texts(name, values)


def _ids(rows: Sequence[Row], *, several: bool, documents: bool) -> NDArray[Any] | None:
    """Return the ids, if every row has one; of several files with the file's before it.

    Where a number stands for several documents, what tells those apart is put behind it.
    """
    ids = [row.answer.id for row in rows]
    if any(id_ is None for id_ in ids):
        return None
    if not several and not documents and all(isinstance(id_, int) for id_ in ids):
        return np.array(ids, dtype=np.int64)
    texts = []
    for row, id_ in zip(rows, ids, strict=True):
        behind = f"/{row.answer.document}" if documents else ""
        texts.append(f"{row.file}/{id_}{behind}" if several else f"{id_}{behind}")
    return padded_texts("id", texts)
