"""Responses of text-generation-inference's own `/generate`, with `details` and top tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.errors import FileFormatError
from temperance.readers.llm.node import has_failed, response_of
from temperance.readers.llm.tokens import Place, shown_token, token_answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from temperance.readers.llm.answer import Answer, Ask
    from temperance.readers.llm.node import Node
    from temperance.readers.llm.tokens import ShownToken

__all__ = ["tgi"]


def tgi(line: Node, ask: Ask) -> Iterator[Answer]:
    """Yield the row of a response, unless its request failed."""
    if has_failed(line, "details"):
        ask.counts["failed"] += 1
        return
    details = response_of(line, "details").need("details")
    tokens, top = details.need("tokens"), details.get("top_tokens")
    if top is None:
        msg = (
            f"`{details.path}.top_tokens` is missing: ask for it, details=true and top_n_tokens=5."
        )
        raise FileFormatError(msg)
    if len(top.items()) != len(tokens.items()):
        top.refuse(f"as long as `{tokens.path}`, {len(tokens.items())}")
    places = [_place(*each) for each in zip(tokens.items(), top.items(), strict=True)]
    yield token_answer(line, places, tokens, ask, [])


def _place(token: Node, top_list: Node) -> Place:
    """Return a place; a special token, as the one that ends an answer, has no text."""
    special = token.get("special")
    return Place(
        token,
        "" if special is not None and special.value is True else token.need("text").text(),
        top_list,
        lambda: [_token(each) for each in top_list.items()],
        lambda: _token(token),
    )


def _token(entry: Node) -> ShownToken:
    return shown_token(entry.need("text").text(), entry.entry("logprob"))
