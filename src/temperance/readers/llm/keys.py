"""What a line says of its answers: the label and the id, under usual keys or a named one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.errors import FileFormatError
from temperance.readers.llm.answer import SEVERAL

if TYPE_CHECKING:
    from collections.abc import Callable

    from temperance.readers.llm.answer import Ask
    from temperance.readers.llm.node import Node

__all__ = ["id_of", "label_of", "labelled", "right_option"]

_USUAL = ("label", "gold")


def label_of(node: Node, ask: Ask, *more: str) -> Node | None:
    """Return the label that a line, or an answer in it, has; None if there is none.

    `more` are keys that are usual beside `label` and `gold`.
    """
    if ask.fields.label is not None:
        return node.find(ask.fields.label)
    found = [each for each in map(node.get, (*_USUAL, *more)) if each is not None]
    if len(found) > 1:
        one, other, *_ = (each.path.rpartition(".")[2] for each in found)
        msg = f"has both `{one}` and `{other}`; say which to use with --label-field."
        raise FileFormatError(msg)
    return found[0] if found else None


def labelled(line: Node, ask: Ask) -> Node | None:
    """Return the label of a line; None if there is none, unless its key was named."""
    found = label_of(line, ask)
    if found is None and ask.fields.label is not None:
        line.need(ask.fields.label)
    return found


def right_option(label: Node | None, index: Callable[[Node], int]) -> int | None:
    """Return which option is right, by what gives the index of one label; None without a label.

    SEVERAL of a list of labels that are different options.
    """
    if label is None:
        return None
    if not isinstance(label.value, list):
        return index(label)
    found = {index(each) for each in label.items()}
    if not found:
        label.refuse("one label or more")
    return found.pop() if len(found) == 1 else SEVERAL


def id_of(line: Node, ask: Ask, *usual: Node | None) -> int | str | None:
    """Return the id: under the key that was named, or the first of the usual ones there is."""
    if ask.fields.id is not None:
        return (line.find(ask.fields.id) or line.need(ask.fields.id)).name()
    return next((node.name() for node in usual if node is not None), None)
