"""The right option of an lm-eval sample: by its index, or by its text."""

from __future__ import annotations

import re
from math import isnan
from typing import TYPE_CHECKING

from temperance.errors import FileFormatError
from temperance.readers.guard import named, quoted
from temperance.readers.llm.answer import Readings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from temperance.readers.llm.answer import Answer
    from temperance.readers.llm.node import Node

__all__ = ["read_target", "settle"]

_DIGITS = re.compile(r"\s*-?\d{1,9}\s*", re.ASCII)
_HINT = "Name the key that holds the index or the text with --label-field, as doc.answer."


def read_target(
    line: Node, field: str | None, log_probs: Sequence[float], texts: Sequence[str] | None
) -> int | Readings | None:
    """Return the label, or what a target that is a text may mean; None where there is none."""
    target = line.find(field or "target")
    if target is None:
        if field is not None:
            line.need(field)
        return None
    count, value = len(log_probs), target.value
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value < count:
            target.refuse(f"among the options, 0 to {count - 1}")
        return value
    if not isinstance(value, str) or value.lstrip().startswith("["):
        target.refuse("one index or one option's text (name another key with --label-field)")
    digits = _DIGITS.fullmatch(value) is not None
    by_text = _by_text(line, value, count, texts)
    by_index = int(value) if digits and 0 <= int(value) < count else None
    if by_index is None and by_text is None:
        raise _not_among(target, texts)
    return _agreeing(Readings(by_index, by_text, digits), line, log_probs)


def _agreeing(both: Readings, line: Node, log_probs: Sequence[float]) -> Readings:
    """Leave out a reading that the file's own accuracy of the row contradicts."""
    if both.by_index is None or both.by_text in (None, both.by_index):
        return both
    acc = line.get("acc")
    if acc is None or acc.value not in (0, 1) or any(map(isnan, log_probs)):
        return both
    best, right = log_probs.index(max(log_probs)), bool(acc.value)
    found = [each if (each == best) == right else None for each in both[:2]]
    return both if found == [None, None] else Readings(found[0], found[1], both.digits)


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
