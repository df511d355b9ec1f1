"""Responses of llama.cpp's own `/completion`, of today and of before November 2024."""

from __future__ import annotations

from math import log, nan
from typing import TYPE_CHECKING

from temperance.errors import FileFormatError
from temperance.readers.llm.node import has_failed, response_of
from temperance.readers.llm.tokens import Place, ShownToken, entry_places, token_answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from temperance.readers.llm.answer import Answer, Ask
    from temperance.readers.llm.node import Node

__all__ = ["llama_cpp"]

_KEY = "completion_probabilities"


def llama_cpp(line: Node, ask: Ask) -> Iterator[Answer]:
    """Yield the row of a response, unless its request failed."""
    if has_failed(line, _KEY):
        ask.counts["failed"] += 1
        return
    content = response_of(line, _KEY).need(_KEY)
    entries = content.items()
    if any(entry.get("top_probs") is not None for entry in entries):
        msg = (
            f"`{content.path}` holds probabilities from after sampling (post_sampling_probs), "
            "which a sampling temperature has changed: ask without it, n_probs=20 alone."
        )
        raise FileFormatError(msg)
    old = any(entry.get("probs") is not None for entry in entries)
    places = [_old_place(entry) for entry in entries] if old else entry_places(content)
    yield token_answer(line, places, content, ask, [])


def _old_place(entry: Node) -> Place:
    """Return a place of `{content, probs: [{tok_str, prob}]}`; the sampled token is among these."""
    entries = entry.need("probs")
    return Place(
        entry,
        entry.need("content").text(),
        entries,
        lambda: [_old_token(each) for each in entries.items()],
        lambda: None,
    )


def _old_token(entry: Node) -> ShownToken:
    token, prob = entry.need("tok_str").text(), entry.need("prob")
    value = prob.prob()
    return ShownToken(token, token, log(value) if value > 0.0 else nan, str(prob.value))
