"""The rows of all files as the arrays of a `Dataset`."""

from __future__ import annotations

import json
from collections import Counter
from math import inf, isnan, log, nan
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.errors import FileFormatError
from temperance.printable import count_text
from temperance.readers.dataset import Dataset
from temperance.readers.guard import name_list, quoted
from temperance.readers.llm.answer import Answer
from temperance.readers.llm.node import decimals
from temperance.readers.request import padded_rows, padded_texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from temperance.readers.dataset import Kind
    from temperance.readers.llm.answer import Option, Row, Tally
    from temperance.readers.llm.llm_format import LlmFormat, MissingOptions

__all__ = [
    "bounded_probs", "check_ids", "column_of", "dataset_of", "ids_of", "left_out_text", "notes",
]  # fmt: skip

# Options that are the same in every row: then they are the classes.


def align(answers: Sequence[Answer]) -> tuple[str, ...] | None:
    """Return the names of the options if all rows have the same ones; None otherwise.

    Options whose order means nothing are put into that of the first row.
    """
    options = answers[0].options
    if not options or len(set(options)) < len(options):
        return None
    if any(answer.options != options for answer in answers):
        names = set(options)
        if any(
            answer.ordered or len(answer.options) != len(options) or set(answer.options) != names
            for answer in answers
        ):
            return None
        for answer in answers:
            _reorder(answer, options)
    return _names(options)


def _reorder(answer: Answer, options: tuple[Option, ...]) -> None:
    places = [answer.options.index(option) for option in options]
    answer.scores = [answer.scores[place] for place in places]
    if answer.label is not None:
        answer.label = places.index(answer.label)
    answer.options = options


def _names(options: Sequence[Option]) -> tuple[str, ...] | None:
    """Return names that differ; None where space at their ends would be all that tells them."""
    names = [option.text for option in options]
    if len(set(names)) < len(names):  # true and "true"
        names = [json.dumps(option.value, ensure_ascii=False) for option in options]
    usable = all(name and name == name.strip() and "\0" not in name for name in names)
    return tuple(names) if usable else None


# What was left out, bounded or refused, in sentences with its count.


SMALL_GROUP = 20  # a smaller one tells next to nothing, and has no temperature of its own
_SHOWN = 5

_LEFT_OUT = {
    "refusals": "refusals",
    "failed": "requests that failed",
    "with several right options": "several options are right",
    "with a share as acc": "several options are right (their `acc` is a fraction)",
    "without any option": "none of the options is shown",
    "lacking an option": "an option is missing (--missing drop)",
    "with less than two options": "less than two options are shown",
    "with a label not shown": "the label is not among the options shown (--missing shown)",
    "unlabelled": "no label, unlike other rows",
    "without a log-probability": "a token has no log-probability",
}


def notes(
    tally: Tally,
    *,
    n: int,
    rounded: int | None,
    unseen: Sequence[str],
    same_places: Mapping[str, tuple[int, int]],
    groups: Mapping[str, int],
) -> tuple[str, ...]:
    """Return the sentences; `n` is the number of rows that are left."""
    counts = tally.counts
    sentences = _of_left_out(tally)
    if counts["stand-ins"]:
        sentences.append(
            f"{count_text(counts['stand-ins'], 'option')} with {_examples(tally.stand_ins)} in "
            "place of a log-probability, which stands for impossible (none is below -88 in "
            "float32): taken as not shown."
        )
    if counts["bounded rows"]:
        sentences.append(_of_bounds(counts, n, rounded))
    if counts["masked rows"]:
        sentences.append(
            f"{counts['masked rows']:,} of {count_text(n, 'row')} "
            f"{'is' if counts['masked rows'] == 1 else 'are'} compared by the options shown only; "
            f"{count_text(counts['masked options'], 'option')} not (--missing shown)."
        )
    if unseen:
        spelled = f"{name_list(unseen)}; are they spelled as the tokens?"
        sentences.append(f"options that no row shows: {spelled}")
    if counts["with a temperature"]:
        sentences.append(
            f"{count_text(counts['with a temperature'], 'row')} with a temperature beside the "
            f"answer ({_examples(tally.applied)}): where the server has divided its logits by it, "
            "these probabilities are calibrated once already, and what is fitted here comes on top "
            "of it, not in its place."
        )
    sentences += _of_labels(tally)
    sentences += [_of_place(file, *each) for file, each in same_places.items()]
    sentences += _of_lines(counts)
    small = [name for name, count in groups.items() if count < SMALL_GROUP]
    if small:
        more = "; ..." if len(small) > _SHOWN else ""
        sentences.append(
            f"groups of fewer than {SMALL_GROUP} rows, too few to judge them by: "
            f"{'; '.join(sorted(small)[:_SHOWN])}{more} ({len(small)} of {len(groups)})."
        )
    return tuple(sentences)


def _of_labels(tally: Tally) -> list[str]:
    """Tell of options and labels that are spelled otherwise, or that the file contradicts."""
    counts, sentences = tally.counts, []
    if counts["in another case"]:
        sentences.append(
            f"{count_text(counts['in another case'], 'token')} shown that differ from an option "
            "only in case or marks, and are not counted as it: "
            f"{_examples(map(quoted, tally.near_options))} "
            "(spellings of one option stand between bars, as yes|Yes)."
        )
    if counts["respelled"]:
        sentences.append(
            f"{count_text(counts['respelled'], 'label')} taken for an option in other words: "
            f"{_examples(tally.respelled)}."
        )
    if counts["against acc"]:
        sentences.append(
            f"the file's own `acc` contradicts the label in {counts['against acc']:,} of "
            f"{count_text(counts['with acc'], 'row')} that have it. Is the label counted from "
            "1, or under another key (--label-field)?"
        )
    return sentences


def _of_lines(counts: Counter[str]) -> list[str]:
    """Tell of lines that hold more than is read, or the same as others."""
    sentences = []
    if counts["of several choices"]:
        lines = count_text(counts["of several choices"], "line")
        sentences.append(f"{lines} with several choices (n > 1): only the first of each is read.")
    if counts["with unconditional log-probabilities"]:
        sentences.append(
            f"{count_text(counts['with unconditional log-probabilities'], 'row')} with "
            "log-probabilities without context as well (acc_mutual_info): these are not used."
        )
    if counts["scored several times"]:
        several = count_text(counts["scored several times"], "row")
        sentences.append(
            f"{several} whose options were scored several times (`repeats`), with "
            "log-probabilities that differ: the one that the filter took is read."
        )
    if counts["duplicates"]:
        copies = f" ({counts['copies']:,} with the same numbers)" if counts["copies"] else ""
        sentences.append(
            f"{count_text(counts['duplicates'], 'row')} with the id of an earlier row and the "
            f"same label{copies}: the same questions, not others."
        )
    if counts["numbers of several documents"]:
        sentences.append(
            f"{count_text(counts['numbers of several documents'], 'row')} with the `doc_id` of "
            "another document, as where files were put together: ids are told apart by these."
        )
    return sentences


def left_out_text(tally: Tally) -> str:
    """Return what was left out, for the error that nothing is left."""
    sentences = [sentence.rstrip(".") for sentence in _of_left_out(tally)]
    if tally.counts["without any option"]:
        sentences.append("options are spelled as tokens, as --options yes|Yes,no|No")
    return "; ".join(sentences)


def _of_left_out(tally: Tally) -> list[str]:
    counts, sentences = tally.counts, []
    for key, why in _LEFT_OUT.items():
        if counts[key]:
            instead = tally.instead if key == "without any option" else ()
            examples = f" (the token is {_examples(instead)})" if instead else ""
            sentences.append(f"{count_text(counts[key], 'row')} left out: {why}{examples}.")
    if counts["of other filters"]:
        sentences.append(
            f"{count_text(counts['of other filters'], 'row')} left out: of other filters, "
            f"{name_list(sorted(tally.filters))} (--filter takes those of one)."
        )
    if counts["of unnamed filters"]:
        again = count_text(counts["of unnamed filters"], "row")
        sentences.append(
            f"{again} left out: of documents that the file lists again, once per filter, without "
            "a name (as older versions of the harness do): the first of each is read."
        )
    return sentences


def _of_bounds(counts: Counter[str], n: int, rounded: int | None) -> str:
    rows, options = counts["bounded rows"], count_text(counts["bounded options"], "option")
    of_labels = counts["bounded labels"]
    right = f", {of_labels:,} of them the label" if of_labels else ""
    if rounded is None:
        bound = "the smallest log-probability shown in the row, or what those shown leave"
        what = "not shown"
    else:
        bound = f"half a unit of the last of {rounded} decimals"
        what = "rounded to 0"
    sentence = (
        f"{rows:,} of {count_text(n, 'row')} {'lacks' if rows == 1 else 'lack'} the probability "
        f"of an option ({options} {what}"
        f"{right}): it is taken as the most it can be, {bound} (--missing says otherwise)."
    )
    if rounded is None:
        sentence += " A temperature fitted so is too small; one with --missing shown is not."
        if counts["without mass left"]:
            sentence += (
                f" In {count_text(counts['without mass left'], 'row')} the tokens shown sum to "
                "1, as where "
                "top_p cut the others off: only the smallest shown bounds them."
            )
    return sentence


def _of_place(file: str, n: int, place: int) -> str:
    of_file = f" of {file}" if file else ""
    nth = {0: "first", 1: "second", 2: "third"}.get(place, f"{place + 1}th")
    return (
        f"the right option is the {nth} in "
        f"{'the one row' if n == 1 else f'all {n:,} rows'}{of_file}: what has numbers of its own "
        "per place or class (vector, matrix, biases) would learn the place."
    )


def _examples(texts: Iterable[str]) -> str:
    """Return some of the texts, sorted; they are quoted already where they need it."""
    ordered = sorted(texts)
    more = f" and {len(ordered) - _SHOWN} more" if len(ordered) > _SHOWN else ""
    return ", ".join(ordered[:_SHOWN]) + more


# Options whose probability is only known to be low: bounded, masked, left out or refused.


# What is shown is likelier than what is not: an option that could be as likely as one that is
# shown comes behind it by this much, in nats, so that the likeliest option is one of those shown.
_BEHIND = 1e-9


def hide_rounded(answers: Sequence[Answer]) -> int | None:
    """Take probabilities of 0 for not known where all are rounded; return to how many decimals."""
    of_probs = [answer for answer in answers if answer.probs]
    if not any(0.0 in answer.scores for answer in of_probs):
        return None
    count = decimals([prob for answer in of_probs for prob in answer.scores])
    if count is None:
        return None
    for answer in of_probs:
        answer.scores = [prob or nan for prob in answer.scores]
        answer.ceiling = 0.5 * 10.0**-count
    return count


def bounded_probs(rows: Sequence[Sequence[float]]) -> list[list[float]]:
    """Return probabilities with those that were rounded to 0 as the most they can be.

    Rows are divided by their sums, as in files (`--missing bound`).
    """
    answers = [Answer(list(row), probs=True) for row in rows]
    hide_rounded(answers)
    for answer in answers:
        raised = [answer.ceiling if isnan(score) else score for score in answer.scores]
        answer.scores = _divided(raised)
    return [answer.scores for answer in answers]


def _divided(probs: list[float]) -> list[float]:
    total = sum(probs)
    return probs if total == 1.0 else [prob / total for prob in probs]


def censored(rows: Sequence[Row], missing: MissingOptions, counts: Counter[str]) -> list[Row]:
    """Return the rows to keep: what was not known has its bound, or is gone with its row."""
    usable = []
    for row in rows:
        answer = row.answer
        lacking = [i for i, score in enumerate(answer.scores) if isnan(score)]
        if not lacking:
            usable.append(row)
        elif missing == "error":
            raise _unknown(row, lacking[0])
        elif missing == "drop":
            counts["lacking an option"] += 1
        elif missing == "shown":
            if _only_shown(answer, lacking, counts):
                usable.append(row)
        elif len(lacking) == len(answer.scores) or isnan(answer.ceiling):
            counts["without any option"] += 1
        else:
            bound = answer.ceiling
            if bound in answer.scores and not answer.probs:
                bound -= _BEHIND
            for i in lacking:
                answer.scores[i] = bound
            counts["bounded rows"] += 1
            counts["bounded options"] += len(lacking)
            counts["bounded labels"] += answer.label in lacking
            usable.append(row)
    return usable


def _only_shown(answer: Answer, lacking: Sequence[int], counts: Counter[str]) -> bool:
    """Take options that are not shown out of the row; say whether the row tells anything then."""
    if len(answer.scores) - len(lacking) < 2:
        counts["with less than two options"] += 1
        return False
    if answer.label in lacking:
        counts["with a label not shown"] += 1
        return False
    for i in lacking:
        answer.scores[i] = 0.0 if answer.probs else -inf
    counts["masked rows"] += 1
    counts["masked options"] += len(lacking)
    return True


def _unknown(row: Row, place: int) -> FileFormatError:
    options = row.answer.options
    option = f"option {place} (counted from 0)"
    if options:
        option = f"option {quoted(options[place].value)}"
    why = "a probability of 0, rounded" if row.answer.probs else "no log-probability"
    return FileFormatError(
        f"{row.where}: {option} has {why}: it is only known to be low. Take the most it can be "
        "with --missing bound, or compare the others only with --missing shown."
    )


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
    several = check_ids(rows, counts)
    labelled = _labelled(rows, format_, counts)
    rounded = hide_rounded([row.answer for row in labelled])
    unseen = _unseen(labelled, format_)
    usable = censored(labelled, format_.missing or "bound", counts)
    if not usable:
        what = left_out_text(tally)
        msg = f"has no rows left: {what}." if what else "has no rows."
        raise FileFormatError(msg)
    answers = [row.answer for row in usable]
    _require_characters(usable)
    classes = align(answers)
    kind, values, ragged = _values(answers)
    groups = _groups(usable, format_)
    sentences = notes(
        tally, n=len(usable), rounded=rounded, unseen=unseen, same_places=_same_places(usable),
        groups=Counter([] if groups is None else groups.tolist()),
    )  # fmt: skip
    return Dataset(
        kind=kind,
        values=values,
        labels=_labels(answers, classes),
        weights=column_of(usable, "weight"),
        groups=groups,
        clusters=_clusters(rows, usable),
        ids=ids_of(usable, several=len(files) > 1, documents=several),
        classes=classes,
        ragged=ragged,
        kind_forced=kind_forced,
        source=source,
        files=files,
        notes=tuple(f"{source}: {note}" for note in sentences),
    )


def check_ids(rows: Sequence[Row], counts: Counter[str]) -> bool:
    """Refuse an id with two labels; count those that stand there twice with one.

    Return whether a number stands for several documents (of lm-eval), as in files that were put
    together: then it does not name one.
    """
    rows_by_key: dict[Any, Row] = {}
    documents: dict[Any, str | None] = {}
    for row in rows:
        answer = row.answer
        if answer.id is None:
            continue
        document = documents.setdefault((row.file, answer.id), answer.document)
        counts["numbers of several documents"] += document != answer.document
        key = (row.file, answer.id, answer.groups.get("name"), answer.document)
        first = rows_by_key.setdefault(key, row)
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
    return [row for row, has_label in zip(rows, has, strict=True) if has_label]


def _unseen(rows: Sequence[Row], format_: LlmFormat) -> list[str]:
    """Return options that were named but have no log-probability in any row."""
    shown = np.zeros(len(format_.spellings), dtype=bool)
    if not rows or not len(shown):
        return []
    for row in rows:
        shown |= ~np.isnan(row.answer.scores)
    return [
        spellings[0] for spellings, has in zip(format_.spellings, shown, strict=True) if not has
    ]


def _values(answers: Sequence[Answer]) -> tuple[Kind, NDArray[Any], bool]:
    """Return the scores as one array: probabilities if all are, logits otherwise."""
    kind: Kind = "probs" if all(answer.probs for answer in answers) else "logits"
    flat: list[float] = []
    for answer in answers:
        scores = answer.scores
        if answer.probs:
            scores = _divided(scores)
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
    column = column_of(rows, "group")
    if column is not None or not format_.grouping:
        return column
    names = []
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
        names.append(", ".join(parts[part] for part in format_.grouping))
    return padded_texts("group", names)


def _clusters(rows: Sequence[Row], usable: Sequence[Row]) -> NDArray[Any] | None:
    """Return which rows belong together: named so, or answers of one line."""
    column = column_of(usable, "cluster")
    if column is not None:
        return column
    lines = Counter(row.where for row in rows)
    if max(lines.values()) < 2:
        return None
    number = {line: i for i, line in enumerate(lines)}
    return np.array([number[row.where] for row in usable], dtype=np.int64)


def column_of(rows: Sequence[Row], name: str) -> NDArray[Any] | None:
    """Return what lines hold beside their answers; all must have it, or none."""
    values = [getattr(row, name) for row in rows]
    lacking = [value is None for value in values]
    if all(lacking):
        return None
    if any(lacking):
        msg = f"{rows[lacking.index(True)].where}: has no `{name}`, which other lines have."
        raise FileFormatError(msg)
    return np.array(values) if name == "weight" else padded_texts(name, values)


def ids_of(rows: Sequence[Row], *, several: bool, documents: bool) -> NDArray[Any] | None:
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
