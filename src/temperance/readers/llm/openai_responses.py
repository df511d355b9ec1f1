"""Responses of the Responses API, asked to include the log-probabilities of its text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.errors import FileFormatError
from temperance.readers.llm.node import has_failed, response_of
from temperance.readers.llm.tokens import entry_places, token_answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from temperance.readers.llm.answer import Answer, Ask
    from temperance.readers.llm.node import Node

__all__ = ["openai_responses"]

_FAILED = ("failed", "cancelled")


def openai_responses(line: Node, ask: Ask) -> Iterator[Answer]:
    """Yield the row of a response, unless it is a refusal or its request failed."""
    response = response_of(line, "output")
    status = response.get("status")
    if has_failed(line, "output") or (status is not None and status.value in _FAILED):
        ask.counts["failed"] += 1
        return
    parts = list(_parts(response.need("output")))
    if any(part.need("type").value == "refusal" for part in parts):
        ask.counts["refusals"] += 1
        return
    texts = [part for part in parts if part.need("type").value == "output_text"]
    if not texts:
        msg = f"`{response.need('output').path}` has no message with text (output_text)."
        raise FileFormatError(msg)
    contents = [part.get("logprobs") for part in texts]
    if not any(content is not None and content.value for content in contents):
        msg = (
            f"`{texts[0].path}.logprobs` is empty: ask for it, with "
            'include=["message.output_text.logprobs"] and top_logprobs=20.'
        )
        raise FileFormatError(msg)
    logged = [content for content in contents if content is not None]
    places = [place for content in logged for place in entry_places(content)]
    yield token_answer(line, places, logged[0], ask, [response.get("id")])


def _parts(output: Node) -> Iterator[Node]:
    """Yield the parts of all messages; what was reasoned or called before is none."""
    for item in output.items():
        if item.need("type").value == "message":
            yield from item.need("content").items()
