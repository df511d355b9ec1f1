"""Responses of SGLang's own `/generate`: triples (log-probability, token's number, its text)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.errors import FileFormatError
from temperance.readers.llm.node import Node, has_failed, response_of
from temperance.readers.llm.tokens import Place, shown_token, token_answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from temperance.readers.llm.answer import Answer, Ask
    from temperance.readers.llm.tokens import ShownToken

__all__ = ["sglang"]


def sglang(line: Node, ask: Ask) -> Iterator[Answer]:
    """Yield the row of a response, unless its request failed."""
    if has_failed(line, "meta_info"):
        ask.counts["failed"] += 1
        return
    info = response_of(line, "meta_info").need("meta_info")
    top = info.get("output_top_logprobs")
    if top is None:
        msg = (
            f"`{info.path}.output_top_logprobs` is missing: ask for it, return_logprob=true, "
            "top_logprobs_num=20 and return_text_in_logprobs=true."
        )
        raise FileFormatError(msg)
    output_tokens = info.get("output_token_logprobs")
    sampled = [None] * len(top.items()) if output_tokens is None else output_tokens.items()
    if output_tokens is not None and len(sampled) != len(top.items()):
        output_tokens.refuse(f"as long as `{top.path}`, {len(top.items())}")
    places = [_place(*each) for each in zip(top.items(), sampled, strict=True)]
    yield token_answer(line, places, top, ask, [])


def _place(top_list: Node, sampled: Node | None) -> Place:
    text = None if sampled is None else sampled.find("2")
    return Place(
        top_list,
        "" if text is None else text.text(),
        top_list,
        lambda: [_token(each) for each in top_list.items()],
        lambda: None if sampled is None else _token(sampled),
    )


def _token(triple: Node) -> ShownToken:
    parts = triple.items()
    if len(parts) != 3:
        triple.refuse("a triple (log-probability, token id, text)")
    if parts[2].value is None:
        msg = f"`{parts[2].path}` is null: ask for the texts, return_text_in_logprobs=true."
        raise FileFormatError(msg)
    return shown_token(parts[2].text(), parts[0])
