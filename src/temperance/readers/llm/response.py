"""Where in a line the server's response is: the line itself, or under `response`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from temperance.readers.llm.node import Node

__all__ = ["response_of"]

_PLACES = ("response.body", "response")  # of batch files; of lines with labels beside a response


def response_of(line: Node, key: str) -> Node:
    """Return the object that has `key`: the line, its `response`, or its `response.body`."""
    if line.get(key) is not None:
        return line
    for place in _PLACES:
        inside = line.find(place)
        if inside is not None and inside.find(key) is not None:
            return inside
    return line
