"""The label of a line: under `label` or `gold`, or under the key that was named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.errors import FileFormatError

if TYPE_CHECKING:
    from temperance.readers.llm.answer import Ask
    from temperance.readers.llm.node import Node

__all__ = ["label_of"]

_USUAL = ("label", "gold")


def label_of(line: Node, ask: Ask) -> Node | None:
    """Return the label; None if there is none."""
    name = ask.fields.label
    if name is not None:
        return line.find(name)
    found = [each for each in map(line.get, _USUAL) if each is not None]
    if len(found) > 1:
        msg = "has both `label` and `gold`; say which to use with --label-field."
        raise FileFormatError(msg)
    return found[0] if found else None
