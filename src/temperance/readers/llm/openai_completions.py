"""Legacy completions: lists of tokens, their log-probabilities and the likely ones beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.errors import FileFormatError
from temperance.readers.llm.node import Node
from temperance.readers.llm.openai_logprobs import answering_choice
from temperance.readers.llm.tokens import Place, shown_token, token_answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from temperance.readers.llm.answer import Answer, Ask
    from temperance.readers.llm.tokens import ShownToken

__all__ = ["openai_completions"]


def openai_completions(line: Node, ask: Ask) -> Iterator[Answer]:
    """Yield the row of a completion, unless it is a refusal or its request failed."""
    answer = answering_choice(line, ask)
    if answer is None:
        return
    response, choice = answer
    logprobs = choice.need("logprobs")
    yield token_answer(line, _places(logprobs), logprobs.need("tokens"), ask, [response.get("id")])


def _places(logprobs: Node) -> list[Place]:
    """Return the places of the three lists; with `echo` the first has no log-probabilities."""
    tokens, top = logprobs.need("tokens").items(), logprobs.entry("top_logprobs")
    if isinstance(top.value, dict) and len(tokens) == 1:  # of one token, as an object alone
        top = Node([top.value], top.path)
    top_lists = [Node(None, top.path)] * len(tokens) if top.value is None else top.items()
    own_log_probs = logprobs.need("token_logprobs").items()
    for name, other in (("top_logprobs", top_lists), ("token_logprobs", own_log_probs)):
        if len(other) != len(tokens):
            msg = (
                f"`{logprobs.path}.{name}` must have one entry per token, {len(tokens)}, but has "
                f"{len(other)}."
            )
            raise FileFormatError(msg)
    return [_place(*each) for each in zip(tokens, own_log_probs, top_lists, strict=True)]


def _place(token: Node, log_prob: Node, top_list: Node) -> Place:
    text = "" if token.value is None else token.text()
    return Place(
        token,
        text,
        top_list,
        lambda: _likely(top_list),
        lambda: None if log_prob.value is None else shown_token(text, log_prob),
    )


def _likely(top_list: Node) -> list[ShownToken]:
    """Return the tokens of an object {token: log-probability}."""
    if not isinstance(top_list.value, dict):
        top_list.refuse("an object {token: log-probability}")
    return [shown_token(token, top_list.entry(token)) for token in top_list.value]
