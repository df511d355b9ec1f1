"""Outputs of vLLM's `LLM.generate`, written as JSON: an object of tokens by their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.errors import FileFormatError
from temperance.readers.llm.node import Node, has_failed, response_of
from temperance.readers.llm.openai import first_choice
from temperance.readers.llm.tokens import Place, shown_token, token_answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from temperance.readers.llm.answer import Answer, Ask
    from temperance.readers.llm.tokens import ShownToken

__all__ = ["vllm"]


def vllm(line: Node, ask: Ask) -> Iterator[Answer]:
    """Yield the row of a request's output; of several outputs (n > 1) the first is read."""
    if has_failed(line, "outputs"):
        ask.counts["failed"] += 1
        return
    response = response_of(line, "outputs")
    output = first_choice(response.need("outputs"), ask)
    content = output.get("logprobs")
    if content is None:
        msg = f"`{output.path}.logprobs` is null: ask for it, SamplingParams(logprobs=20)."
        raise FileFormatError(msg)
    numbers = output.get("token_ids")
    sampled = [None] * len(content.items()) if numbers is None else _numbers(numbers, content)
    places = [_place(*each) for each in zip(content.items(), sampled, strict=True)]
    yield token_answer(line, places, content, ask, [])


def _numbers(numbers: Node, content: Node) -> list[str | None]:
    texts: list[str | None] = [str(each.name()) for each in numbers.items()]
    count = len(content.items())
    if len(texts) != count:
        numbers.refuse(f"one number per entry of `{content.path}`, {count}")
    return texts


def _place(top_list: Node, sampled: str | None) -> Place:
    """Return a place; the sampled token is always listed, beside the likely ones or among them."""
    own = None if sampled is None else top_list.find(sampled)
    name = None if own is None else own.get("decoded_token")
    return Place(
        top_list,
        "" if name is None else name.text(),
        top_list,
        lambda: _likely(top_list),
        lambda: None,
    )


def _likely(top_list: Node) -> list[ShownToken]:
    if not isinstance(top_list.value, dict):
        top_list.refuse("an object {token id: {logprob, rank, decoded_token}}")
    return [_token(key, top_list.need(key)) for key in top_list.value]


def _token(key: str, entry: Node) -> ShownToken:
    text = entry.get("decoded_token")
    if text is None:
        msg = f"`{entry.path}` has no `decoded_token`: the text of token {key} is not known."
        raise FileFormatError(msg)
    return shown_token(text.text(), entry.entry("logprob"))
