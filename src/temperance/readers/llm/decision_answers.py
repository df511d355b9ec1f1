"""Typed answers of decision services: yes or no, a choice, a score."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from temperance.errors import FileFormatError
from temperance.readers.guard import quoted
from temperance.readers.llm.answer import Option
from temperance.readers.llm.probabilities import check_sum

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from temperance.readers.llm.node import Node

__all__ = ["Shown", "index_of", "listed", "mapped", "yes_or_no"]

_NO_YES = tuple(Option(bool, value) for value in (False, True))
_LEVEL = re.compile(r"-?\d{1,9}", re.ASCII)


class Shown(NamedTuple):
    """The options of an answer with their probabilities; a score's levels also have names."""

    probs: list[float]
    options: tuple[Option, ...]
    levels: tuple[str, ...] = ()


def yes_or_no(key: str) -> Callable[[Node], Shown]:
    """Return the reader of an answer that holds P(yes) under `key`."""

    def read(answer: Node) -> Shown:
        yes = answer.need(key).prob()
        return Shown([round(1.0 - yes, 15), yes], _NO_YES)  # of 0.1 the rest is 0.9

    return read


def listed(answer: Node) -> Shown:
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
    levels = tuple("" if label is None else label.text() for label in labels)
    return _checked(node, [item.need("probability").prob() for item in items], options, levels)


def mapped(answer: Node) -> Shown:
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
    if answer.need("type").value != "choice" and all(map(_LEVEL.fullmatch, keys)):
        return _checked(node, probs, [Option(int, int(key)) for key in keys], tuple(keys))
    return _checked(node, probs, [Option(str, key) for key in keys], ())


def index_of(label: Node, shown: Shown) -> int:
    """Return which option a label is. Types count, but 1 and 0 are also yes and no."""
    wanted = label.value
    if not isinstance(wanted, str | bool | int):
        label.refuse("the value of an option")
    typed = Option(type(wanted), wanted)
    if typed in shown.options:
        return shown.options.index(typed)
    if isinstance(wanted, str) and wanted and shown.levels.count(wanted) == 1:
        return shown.levels.index(wanted)
    if shown.options == _NO_YES and typed.type is int and wanted in (0, 1):
        return int(wanted)
    like = [each for each in shown.options if each.text == typed.text]
    hint = f" Values are typed: {wanted!r} is not {like[0].value!r}." if like else ""
    names = ", ".join(quoted(option.value) for option in shown.options[:20])
    msg = f"`{label.path}` must be among the options ({names}), got {quoted(wanted)}.{hint}"
    raise FileFormatError(msg)


def _checked(
    node: Node, probs: list[float], options: Sequence[Option], levels: tuple[str, ...]
) -> Shown:
    """Check the sum, and add up the probabilities of an option that stands there twice."""
    once = tuple(dict.fromkeys(options))
    if len(once) < 2:
        node.refuse("the probabilities of two options or more")
    check_sum(probs, node)
    if len(once) == len(options):
        return Shown(probs, once, levels)
    added = dict.fromkeys(once, 0.0)
    for option, prob in zip(options, probs, strict=True):
        added[option] = min(added[option] + prob, 1.0)
    names = dict(zip(options, levels, strict=True)) if levels else {}
    return Shown(list(added.values()), once, tuple(names.get(each, "") for each in once))


def _option(value: Node) -> Option:
    if not isinstance(value.value, str | bool | int):
        value.refuse("a text, true, false or an integer")
    return Option(type(value.value), value.value)
