"""Decisions: one or several typed answers per line, of OpenAI and of other vendors."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from temperance.errors import FileFormatError
from temperance.readers.guard import name_list, quoted
from temperance.readers.llm.answer import (
    Answer,
    Option,
    applied_temperature,
    id_of,
    label_of,
    right_option,
)
from temperance.readers.llm.node import Node, check_sum, has_failed, response_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from temperance.readers.llm.answer import Ask

__all__ = [
    "Option", "ShownOptions", "TypedAnswer", "decisions", "openai_decisions", "typed_answers",
]  # fmt: skip

# Typed answers of decision services: yes or no, a choice, a score.


_NO_YES = tuple(Option(bool, value) for value in (False, True))
_LEVEL = re.compile(r"-?\d{1,9}", re.ASCII)


class ShownOptions(NamedTuple):
    """The options of an answer with their probabilities, and what else they are called.

    `names` may hold options without a probability: a legend has every level of the question.
    """

    probs: list[float]
    options: tuple[Option, ...]
    names: tuple[tuple[str, str], ...] = ()  # another name of an option, and the option in words


def yes_or_no(key: str) -> Callable[[Node], ShownOptions]:
    """Return the reader of an answer that holds P(yes) under `key`."""

    def read(answer: Node) -> ShownOptions:
        yes = answer.need(key).prob()
        probs = [round(1.0 - yes, 15), yes]  # of 0.1 the rest is 0.9
        return ShownOptions(probs, _NO_YES, _legend(answer))

    return read


def list_of_options(answer: Node) -> ShownOptions:
    """Read `probabilities: [{value, probability, label?}]`."""
    node = answer.need("probabilities")
    if isinstance(node.value, dict):
        msg = (
            f"`{node.path}` must be a list of objects with `value` and `probability`, got an "
            "object; such answers are read with the format decisions (--format decisions)."
        )
        raise FileFormatError(msg)
    items = node.items()
    options = [_option(item.need("value")) for item in items]
    labels = [item.get("label") for item in items]
    names = [
        (label.text(), option.text)
        for label, option in zip(labels, options, strict=True)
        if label is not None
    ]
    probs = [item.need("probability").prob() for item in items]
    return _checked(node, probs, options, (*names, *_legend(answer)))


def object_of_options(answer: Node) -> ShownOptions:
    """Read `probabilities: {label: p}`; the labels of a score are its levels, if integers."""
    node = answer.need("probabilities")
    if not isinstance(node.value, dict):
        msg = (
            f"`{node.path}` must be an object {{label: probability}}, got {quoted(node.value)}; "
            "lists are read with the format openai-decisions (--format openai-decisions)."
        )
        raise FileFormatError(msg)
    keys = list(node.value)
    probs = [node.need(key).prob() for key in keys]
    legend = _legend(answer)
    if answer.need("type").value != "choice" and all(map(_LEVEL.fullmatch, keys)):
        options = [Option(int, int(key)) for key in keys]
        spelled = [(key, option.text) for key, option in zip(keys, options, strict=True)]
        return _checked(node, probs, options, (*spelled, *legend))
    return _checked(node, probs, [Option(str, key) for key in keys], legend)


def index_of(label: Node, shown: ShownOptions) -> int:
    """Return which option a label is. Types count, but 1 and 0 are also yes and no."""
    raw = label.value
    if not isinstance(raw, str | bool | int):
        label.refuse("the value of an option")
    typed = Option(type(raw), raw)
    if typed in shown.options:
        return shown.options.index(typed)
    called = sorted({option for name, option in shown.names if name and name == raw})
    if len(called) > 1:
        several = " and of ".join(called)
        msg = (
            f"`{label.path}` is {quoted(raw)}, which is another name of {several}: give the "
            "option itself."
        )
        raise FileFormatError(msg)
    texts = [option.text for option in shown.options]
    if called and texts.count(called[0]) == 1:
        return texts.index(called[0])
    if shown.options == _NO_YES and typed.type is int and raw in (0, 1):
        return int(raw)
    raise FileFormatError(_no_option(label, shown, called))


def _no_option(label: Node, shown: ShownOptions, called: Sequence[str]) -> str:
    """Say that a label is no option, and what it might have been meant as."""
    raw, texts = label.value, [option.text for option in shown.options]
    hint = ""
    like = [each for each in shown.options if each.text == Option(type(raw), raw).text]
    if called:
        hint = f" That is the name of {called[0]}, which has no probability in this answer."
    elif like:
        hint = f" Values are typed: {raw!r} is not {like[0].value!r}."
    else:
        other = [name for name, option in shown.names if option in texts and name != option]
        if other:
            hint = f" By other names: {name_list(other)}."
    options = ", ".join(quoted(option.value) for option in shown.options[:20])
    return f"`{label.path}` must be among the options ({options}), got {quoted(raw)}.{hint}"


def _legend(answer: Node) -> tuple[tuple[str, str], ...]:
    """Return the names that an answer's `legend` gives its options: {level: name}, or a list."""
    legend = answer.get("legend")
    if legend is None:
        return ()
    names = legend.value
    if isinstance(names, list):
        names = {str(level): name for level, name in enumerate(names)}
    if not isinstance(names, dict):
        return ()
    return tuple((name, key) for key, name in names.items() if isinstance(name, str))


def _checked(
    node: Node,
    probs: list[float],
    options: Sequence[Option],
    names: tuple[tuple[str, str], ...],
) -> ShownOptions:
    """Check the sum, and add up the probabilities of an option that stands there twice."""
    once = tuple(dict.fromkeys(options))
    if len(once) < 2:
        node.refuse("the probabilities of two options or more")
    check_sum(probs, node)
    if len(once) == len(options):
        return ShownOptions(probs, once, names)
    added = dict.fromkeys(once, 0.0)
    for option, prob in zip(options, probs, strict=True):
        added[option] = min(added[option] + prob, 1.0)
    return ShownOptions(list(added.values()), once, names)


def _option(value: Node) -> Option:
    if not isinstance(value.value, str | bool | int):
        value.refuse("a text, true, false or an integer")
    return Option(type(value.value), value.value)


# Of each type of answer what reads it; None of refusals.
_OPENAI: dict[str, Callable[[Node], ShownOptions] | None] = {
    "predicate": yes_or_no("probability"),
    "choice": list_of_options,
    "score": list_of_options,
    "refusal": None,
}
_OTHERS: dict[str, Callable[[Node], ShownOptions] | None] = {
    "noul": yes_or_no("noul"),
    "choice": object_of_options,
    "score": object_of_options,
    "scale": object_of_options,
    "refusal": None,
}


_YES_KEYS = {"predicate": "probability", "noul": "noul"}  # where P(yes) stands, by type
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


class TypedAnswer(NamedTuple):
    """An answer of a response, in the object that holds it."""

    content: dict[str, Any]
    name: str | None
    type: str
    shown: ShownOptions | None  # None of a refusal

    def places(self) -> list[tuple[dict[str, Any], str, Option]]:
        """Return where each probability stands, the object and its key, and of which option."""
        probabilities = self.content.get("probabilities")
        if self.type in _YES_KEYS:
            return [(self.content, _YES_KEYS[self.type], _NO_YES[1])]
        if isinstance(probabilities, dict):
            return [(probabilities, key, self._option_of(key)) for key in probabilities]
        assert isinstance(probabilities, list)  # noqa: S101  (it has been read)
        return [(item, "probability", _option(Node(item["value"]))) for item in probabilities]

    def _option_of(self, key: str) -> Option:
        assert self.shown is not None  # noqa: S101  (a refusal has no probabilities)
        number = self.shown.options[0].type is int
        return Option(int, int(key)) if number else Option(str, key)


def typed_answers(response: Node) -> list[TypedAnswer]:
    """Return the answers of one response, of OpenAI or another vendor, as each of them looks."""
    answers = []
    for question in _questions(response, of_objects=True):
        type_, probabilities = question.answer.need("type"), question.answer.get("probabilities")
        of_others = probabilities is not None and isinstance(probabilities.value, dict)
        types = {**_OPENAI, **_OTHERS} if of_others else {**_OTHERS, **_OPENAI}
        if type_.text() not in types:
            type_.refuse(f"one of {', '.join(types)}")
        reader = types[type_.text()]
        shown = None if reader is None else reader(question.answer)
        answers.append(TypedAnswer(question.answer.value, question.name, type_.text(), shown))
    return answers


def _rows(
    line: Node, ask: Ask, types: Mapping[str, Callable[[Node], ShownOptions] | None]
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
        reader = types[type_.text()]
        if reader is None:
            ask.counts["refusals"] += 1
            continue
        shown = reader(question.answer)
        places = [question.answer.value, *around]
        applied = applied_temperature(places, type_=type_.text(), name=question.name)
        ask.tally.count_applied(applied, type_.text())
        own = id_
        if own is not None and len(questions) > 1:
            own = f"{own}/{number if question.name is None else question.name}"
        yield Answer(
            shown.probs,
            probs=True,
            label=_right(label, shown),
            read_label=partial(_right, shown=shown),
            options=shown.options,
            ordered=False,
            groups={"type": type_.text(), "name": question.name or "unnamed"},
            id=own,
        )


def _right(label: Node | None, shown: ShownOptions) -> int | None:
    return right_option(label, lambda each: index_of(each, shown))


def _questions(line: Node, *, of_objects: bool) -> list[_Question]:
    """Return the answers of a line, which may itself be one, with their names."""
    response = response_of(line, "answers")
    answers = response.get("answers")
    if answers is None:
        if line.get("type") is None:
            line.need("answers")
        return [_Question(line, _name(line))]
    if of_objects and isinstance(answers.value, dict):
        questions = [_Question(answers.need(name), name) for name in answers.value]
    elif isinstance(answers.value, dict):
        answers.refuse("a list (objects are read with the format decisions, --format decisions)")
    else:
        questions = [_Question(answer, _name(answer)) for answer in answers.items()]
    if not questions:
        answers.refuse("one answer or more")
    return questions


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
        if ask.fields.label is not None and ask.own_labels and not any(own):
            line.need(ask.fields.label)
        return own
    if isinstance(label.value, list) and (len(questions) > 1 or len(label.value) == 1):
        labels = label.items()
        if len(labels) != len(questions):
            label.refuse(f"one per answer, {len(questions)}")
        return [None if each.value is None else each for each in labels]
    if isinstance(label.value, dict):
        names = [question.name for question in questions]
        unknown = [name for name in label.value if name not in names]
        if unknown:
            msg = (
                f"`{label.path}` names {name_list(unknown)}, which is no answer's name "
                f"({name_list(name for name in names if name is not None)})."
            )
            raise FileFormatError(msg)
        return [None if name is None else label.get(name) for name in names]
    if len(questions) > 1:
        label.refuse(
            f"an object {{name: label}}, or a list, for there are {len(questions)} answers"
        )
    return [label]
