"""Decisions: one or several typed answers per line, of OpenAI and of other vendors."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from temperance.errors import FileFormatError
from temperance.readers.guard import named
from temperance.readers.llm.answer import Answer
from temperance.readers.llm.applied_temperature import applied_temperature
from temperance.readers.llm.decision_answers import Shown, index_of, listed, mapped, yes_or_no
from temperance.readers.llm.keys import id_of, label_of, right_option
from temperance.readers.llm.response import has_failed, response_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from temperance.readers.llm.answer import Ask
    from temperance.readers.llm.node import Node

__all__ = ["decisions", "openai_decisions"]

# Of each type of answer what reads it; None of refusals.
_OPENAI: dict[str, Callable[[Node], Shown] | None] = {
    "predicate": yes_or_no("probability"),
    "choice": listed,
    "score": listed,
    "refusal": None,
}
_OTHERS: dict[str, Callable[[Node], Shown] | None] = {
    "noul": yes_or_no("noul"),
    "choice": mapped,
    "score": mapped,
    "scale": mapped,
    "refusal": None,
}


_OF_SEVERAL = "labels"  # the key of a line that has one for each of its answers


class _Question(NamedTuple):
    answer: Node
    name: str | None


def openai_decisions(line: Node, ask: Ask) -> Iterator[Answer]:
    """Yield a row per answer of OpenAI Decisions; refusals are counted."""
    return _rows(line, ask, _OPENAI)


def decisions(line: Node, ask: Ask) -> Iterator[Answer]:
    """Yield a row per answer whose probabilities are an object {label: p}, or P(yes)."""
    return _rows(line, ask, _OTHERS)


def _rows(
    line: Node, ask: Ask, types: Mapping[str, Callable[[Node], Shown] | None]
) -> Iterator[Answer]:
    if line.get("type") is None and has_failed(line, "answers"):
        ask.counts["failed"] += 1
        return
    questions = _questions(line, of_objects=types is _OTHERS)
    labels = _labels(line, questions, ask)
    id_ = id_of(line, ask, line.get("id"))
    around = [response_of(line, "answers").value, line.value]
    for number, (question, label) in enumerate(zip(questions, labels, strict=True)):
        type_ = question.answer.need("type")
        if type_.text() not in types:
            type_.refuse(f"one of {', '.join(types)}")
        read = types[type_.text()]
        if read is None:
            ask.counts["refusals"] += 1
            continue
        shown = read(question.answer)
        places = [question.answer.value, *around]
        applied = applied_temperature(places, type_=type_.text(), name=question.name)
        ask.tally.count_applied(applied, type_.text())
        own = id_
        if own is not None and len(questions) > 1:
            own = f"{own}/{number if question.name is None else question.name}"
        yield Answer(
            shown.probs,
            probs=True,
            label=right_option(label, partial(_place, shown=shown)),
            options=shown.options,
            ordered=False,
            groups={"type": type_.text(), "name": question.name or "unnamed"},
            id=own,
        )


def _place(label: Node, shown: Shown) -> int:
    return index_of(label, shown)


def _questions(line: Node, *, of_objects: bool) -> list[_Question]:
    """Return the answers of a line, which may itself be one, with their names."""
    response = response_of(line, "answers")
    answers = response.get("answers")
    if answers is None:
        if line.get("type") is None:
            line.need("answers")
        return [_Question(line, _name(line))]
    if of_objects and isinstance(answers.value, dict):
        found = [_Question(answers.need(name), name) for name in answers.value]
    elif isinstance(answers.value, dict):
        answers.refuse("a list (objects are read with the format decisions, --format decisions)")
    else:
        found = [_Question(answer, _name(answer)) for answer in answers.items()]
    if not found:
        answers.refuse("one answer or more")
    return found


def _name(answer: Node) -> str | None:
    name = answer.get("name")
    return None if name is None else name.text()


def _labels(line: Node, questions: Sequence[_Question], ask: Ask) -> list[Node | None]:
    """Return the label of each answer: by its name, by its place, its own, or the only one.

    A line calls it `label` or `labels`, whether it has one or several.
    """
    label = label_of(line, ask, _OF_SEVERAL)
    if label is None:
        own = [label_of(question.answer, ask) for question in questions]
        if ask.fields.label is not None and not any(own):
            line.need(ask.fields.label)
        return own
    if isinstance(label.value, list) and (len(questions) > 1 or len(label.value) == 1):
        found = label.items()
        if len(found) != len(questions):
            label.refuse(f"one per answer, {len(questions)}")
        return [None if each.value is None else each for each in found]
    if isinstance(label.value, dict):
        names = [question.name for question in questions]
        unknown = [name for name in label.value if name not in names]
        if unknown:
            msg = (
                f"`{label.path}` names {named(unknown)}, which is no answer's name "
                f"({named(name for name in names if name is not None)})."
            )
            raise FileFormatError(msg)
        return [None if name is None else label.get(name) for name in names]
    if len(questions) > 1:
        label.refuse(
            f"an object {{name: label}}, or a list, for there are {len(questions)} answers"
        )
    return [label]
