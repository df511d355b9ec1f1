"""Answers of the three APIs of OpenAI with the log-probabilities of the tokens that were likely."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.errors import FileFormatError
from temperance.readers.llm.node import Node, has_failed, response_of
from temperance.readers.llm.tokens import Place, entry_places, shown_token, token_answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from temperance.readers.llm.answer import Answer, Ask
    from temperance.readers.llm.tokens import ShownToken

__all__ = [
    "answering_choice",
    "first_choice",
    "is_refusal",
    "openai_completions",
    "openai_logprobs",
    "openai_responses",
]


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


# Legacy completions: lists of tokens, their log-probabilities and the likely ones beside them.


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


# Responses of the Responses API, asked to include the log-probabilities of its text.


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
