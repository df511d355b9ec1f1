"""Responses of Ollama's `/api/chat` and `/api/generate`, asked for log-probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.readers.llm.node import has_failed, response_of
from temperance.readers.llm.tokens import entry_places, token_answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from temperance.readers.llm.answer import Answer, Ask
    from temperance.readers.llm.node import Node

__all__ = ["ollama"]


def ollama(line: Node, ask: Ask) -> Iterator[Answer]:
    """Yield the row of a response, unless its request failed."""
    if has_failed(line, "logprobs"):
        ask.counts["failed"] += 1
        return
    content = response_of(line, "logprobs").need("logprobs")
    yield token_answer(line, entry_places(content), content, ask, [])
