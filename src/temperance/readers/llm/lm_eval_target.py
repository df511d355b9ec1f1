"""The right option of an lm-eval sample: by its index, or by its text."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from temperance.errors import FileFormatError
from temperance.readers.guard import named, quoted
from temperance.readers.llm.answer import SEVERAL, Readings
from temperance.readers.llm.words import same_word

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Sequence

    from temperance.readers.llm.answer import Answer, Ask, OwnScore
    from temperance.readers.llm.node import Node

__all__ = ["count_contradictions", "leave_out_shares", "read_target", "settle"]

_DIGITS = re.compile(r"\s*-?\d{1,9}\s*", re.ASCII)
_LONGEST_LIST = 10_000  # characters of a target that holds a list
_HINT = "Name the key that holds the index or the text with --label-field, as doc.answer."


def read_target(
    line: Node, ask: Ask, own: OwnScore | None, count: int, texts: Sequence[str] | None
) -> int | Readings | None:
    """Return the label, SEVERAL, or what a target that is a text may mean; None without one."""
    field = ask.fields.label
    target = line.find(field or "target")
    if target is None:
        if field is not None:
            line.need(field)
        return None
    if field is None and _marks_several(line, texts):
        return SEVERAL
    golds = _listed(line, target, count, texts)
    if golds is None:
        found = _reading(line, target, ask, count, texts)
        return _agreeing(found, own) if isinstance(found, Readings) else found
    if not golds:
        target.refuse("one index or one option's text (name another key with --label-field)")
    readings = [_reading(line, gold, ask, count, texts) for gold in golds]
    if len({gold.value for gold in golds}) > 1:
        return SEVERAL
    found = readings[0]
    return _agreeing(found, own) if isinstance(found, Readings) else found


def _listed(line: Node, target: Node, count: int, texts: Sequence[str] | None) -> list[Node] | None:
    """Return the gold options that a list, or a text that holds one, names; None if it is none."""
    value = target.value
    if isinstance(value, str) and value.lstrip().startswith("["):
        if len(value) > _LONGEST_LIST or _by_text(line, value, count, texts) is not None:
            return None
        try:
            value = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None
    if not isinstance(value, list):
        return None
    for each in value:
        if not isinstance(each, int | str):
            target.refuse("indices or texts of options")
    return [type(target)(each, target.path) for each in value]


def _marks_several(line: Node, texts: Sequence[str] | None) -> bool:
    """Whether the document marks several of the options as right: `labels` of 0 and 1 beside them.

    So `mc2_targets` of TruthfulQA, whose target is 0 in every sample.
    """
    document = line.find("doc")
    if texts is None or document is None or not isinstance(document.value, dict):
        return False
    wanted = [text.strip() for text in texts]
    for part in (document.value, *document.value.values()):
        if not isinstance(part, dict):
            continue
        choices, labels = part.get("choices"), part.get("labels")
        if not isinstance(choices, list) or not isinstance(labels, list):
            continue
        marks = all(type(label) is int and label in (0, 1) for label in labels)
        same = [str(choice).strip() for choice in choices] == wanted
        if marks and same and len(labels) == len(wanted) and sum(labels) > 1:
            return True
    return False


def _reading(
    line: Node, target: Node, ask: Ask, count: int, texts: Sequence[str] | None
) -> int | Readings:
    value = target.value
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value < count:
            target.refuse(f"among the options, 0 to {count - 1}")
        return value
    if not isinstance(value, str | bool):
        target.refuse("one index or one option's text (name another key with --label-field)")
    digits = isinstance(value, bool) or _DIGITS.fullmatch(value) is not None
    by_text = None
    if isinstance(value, str):
        by_text = _by_text(line, value, count, texts)
    if by_text is None and texts is not None and not _DIGITS.fullmatch(str(value)):
        by_text = same_word(value, [[text] for text in texts])
        if by_text is not None:
            ask.counts["respelled"] += 1
            ask.tally.respelled.add(f"{quoted(value)} for {quoted(texts[by_text].strip())}")
    by_index = int(value) if digits and 0 <= int(value) < count else None
    if isinstance(value, bool) and count > 2:
        by_index = None
    if by_index is None and by_text is None:
        raise _not_among(target, texts)
    return Readings(by_index, by_text, digits)


def _agreeing(both: Readings, own: OwnScore | None) -> Readings:
    """Leave out a reading that the file's own accuracy of the row contradicts."""
    if both.by_index is None or both.by_text in (None, both.by_index):
        return both
    if own is None or own.right not in (0.0, 1.0) or len(own.best) > 1:
        return both
    found = [each if (each in own.best) == bool(own.right) else None for each in both[:2]]
    return both if found == [None, None] else Readings(found[0], found[1], both.digits)


def leave_out_shares(answers: Sequence[Answer], ask: Ask) -> list[bool]:
    """Say which rows of a file to keep: not those whose `acc` says that several options are right.

    `acc` is 0 or 1 where one option is. Where it is a fraction in more than half of the rows, it
    is the probability of all right options, also in the rows where that is 0 or 1.
    """
    shares = [each.own is not None and each.own.right not in (0.0, 1.0) for each in answers]
    if ask.fields.label is not None:  # then `acc` speaks of another target
        return [True] * len(answers)
    if 2 * sum(shares) > len(shares):
        shares = [True] * len(shares)
    ask.counts["with a share as acc"] += sum(shares)
    return [not share for share in shares]


def count_contradictions(answers: Sequence[Answer], counts: Counter[str]) -> None:
    """Count rows whose `acc` says that another option is right than the label read."""
    for answer in answers:
        own, label = answer.own, answer.label
        if own is None or label is None:
            continue
        counts["with acc"] += 1
        right = own.right >= 0.5
        tied = len(own.best) > 1 and label in own.best
        counts["against acc"] += not tied and (label in own.best) != right


def settle(answers: Sequence[Answer], lines: Sequence[int]) -> None:
    """Choose between the readings of digits, one for all rows of a file, or refuse it."""
    rows = [(a, a.readings, n) for a, n in zip(answers, lines, strict=True) if a.readings]
    of_digits = [(reading, line) for _, reading, line in rows if reading.digits]
    index = all(reading.by_index is not None for reading, _ in of_digits)
    text = all(reading.by_text is not None for reading, _ in of_digits)
    texts = len(of_digits) < len(rows)  # then targets are texts
    differing = [each for each in of_digits if each[0].by_index != each[0].by_text]
    if index and text and differing and not texts:
        reading, line = differing[0]
        msg = (
            f"line {line}: `target` may be the index of an option, {reading.by_index}, or the text "
            f"of another, {reading.by_text} (counted from 0), and nothing in the file tells which. "
            "Name a key that holds the index as a number with --label-field, as doc.answer."
        )
        raise FileFormatError(msg)
    if not index and not text:
        line = next(line for reading, line in of_digits if reading.by_index is None)
        msg = (
            f"line {line}: `target` is no index of an option, unlike that of other lines, whose "
            f"target is no option's text. {_HINT}"
        )
        raise FileFormatError(msg)
    for answer, reading, _ in rows:
        by_text = not reading.digits or (text and (texts or not index))
        answer.label = reading.by_text if by_text else reading.by_index


def _by_text(line: Node, target: str, count: int, texts: Sequence[str] | None) -> int | None:
    """Return the place of the text among the options; None if it is not there exactly once."""
    for choices in _choices(line, texts):
        stripped = [choice.strip() for choice in choices]
        if len(choices) == count and stripped.count(target.strip()) == 1:
            return stripped.index(target.strip())
    return None


def _choices(line: Node, texts: Sequence[str] | None) -> Iterator[Sequence[str]]:
    """Yield the lists of options' texts that a record holds: continuations, the document's."""
    if texts is not None:
        yield texts
    for path in ("doc.choices", "doc.choices.text", "doc.choices.label"):
        found = line.find(path)
        if found is not None and isinstance(found.value, list):
            yield [str(choice) for choice in found.value]


def _not_among(target: Node, texts: Sequence[str] | None) -> FileFormatError:
    told = "" if texts is None else f" ({named(text.strip() for text in texts)})"
    return FileFormatError(
        f"`{target.path}` must be among the options{told}, by its index or as the text of one of "
        f"them, got {quoted(target.value)}. {_HINT}"
    )
