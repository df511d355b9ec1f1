"""Where in a line the server's response is, and whether there is one: requests also fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from temperance.readers.llm.node import Node

__all__ = ["has_failed", "response_of"]

_PLACES = ("response.body", "response")  # of batch files; of lines with labels beside a response
_FIRST_ERROR = 400  # of the status codes


def response_of(line: Node, key: str) -> Node:
    """Return the object that has `key`: the line, its `response`, or its `response.body`."""
    if line.get(key) is not None:
        return line
    for place in _PLACES:
        inside = line.find(place)
        if inside is not None and isinstance(inside.value, dict) and inside.get(key) is not None:
            return inside
    return line


def has_failed(line: Node, key: str) -> bool:
    """Whether the line says that its request failed: an error, or its status code, and no `key`."""
    if response_of(line, key).get(key) is not None:
        return False
    errors = [line.find(path) for path in ("error", "response.error", "response.body.error")]
    if any(error is not None and error.value for error in errors):
        return True
    status = line.find("response.status_code")
    return status is not None and isinstance(status.value, int) and status.value >= _FIRST_ERROR
