"""Chat completions with the log-probabilities of the tokens that were likely."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.readers.llm.node import has_failed, response_of
from temperance.readers.llm.tokens import entry_places, token_answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from temperance.readers.llm.answer import Answer, Ask
    from temperance.readers.llm.node import Node

__all__ = ["answering_choice", "first_choice", "is_refusal", "openai_logprobs"]


def openai_logprobs(line: Node, ask: Ask) -> Iterator[Answer]:
    """Yield the row of a completion, unless it is a refusal or its request failed."""
    answer = answering_choice(line, ask)
    if answer is None:
        return
    response, choice = answer
    content = choice.need("logprobs").need("content")
    yield token_answer(line, entry_places(content), content, ask, [response.get("id")])


def answering_choice(line: Node, ask: Ask) -> tuple[Node, Node] | None:
    """Return a response and its first choice; None, counted, where it refuses or has failed."""
    if has_failed(line, "choices"):
        ask.counts["failed"] += 1
        return None
    response = response_of(line, "choices")
    choice = first_choice(response.need("choices"), ask)
    if is_refusal(choice):
        ask.counts["refusals"] += 1
        return None
    return response, choice


def first_choice(choices: Node, ask: Ask) -> Node:
    """Return the first of a response's choices; that there are more is counted."""
    items = choices.items()
    if not items:
        choices.refuse("a list of one choice or more")
    if len(items) > 1:
        ask.counts["of several choices"] += 1
    return items[0]


def is_refusal(choice: Node) -> bool:
    """Whether a choice says that the model, or a filter, has refused."""
    message, logprobs = choice.get("message"), choice.get("logprobs")
    if message is not None and message.get("refusal") is not None:
        return True
    if logprobs is None:
        reason = choice.get("finish_reason")
        return reason is not None and reason.value == "content_filter"
    return logprobs.get("content") is None and logprobs.get("refusal") is not None
