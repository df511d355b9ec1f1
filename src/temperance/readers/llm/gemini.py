"""Gemini's responses with `logprobsResult`, as REST writes them or as its Python client does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.errors import FileFormatError
from temperance.readers.llm.answer import scored_answer
from temperance.readers.llm.node import has_failed, response_of
from temperance.readers.llm.openai import first_choice
from temperance.readers.llm.tokens import Place, shown_token, token_answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from temperance.readers.llm.answer import Answer, Ask
    from temperance.readers.llm.node import Node
    from temperance.readers.llm.tokens import ShownToken

__all__ = ["gemini"]

# Why an answer that has no log-probabilities has none.
_REFUSED = frozenset({
    "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "LANGUAGE",
})  # fmt: skip


def gemini(line: Node, ask: Ask) -> Iterator[Answer]:
    """Yield the row of a response, unless it was blocked or its request failed."""
    feedback = _either(response_of(line, "promptFeedback"), "promptFeedback", "prompt_feedback")
    if feedback is not None and _either(feedback, "blockReason", "block_reason") is not None:
        ask.counts["refusals"] += 1
        return
    if has_failed(line, "candidates"):
        ask.counts["failed"] += 1
        return
    response = response_of(line, "candidates")
    candidate = first_choice(response.need("candidates"), ask)
    result = _either(candidate, "logprobsResult", "logprobs_result")
    reason = _either(candidate, "finishReason", "finish_reason")
    if result is None and reason is not None and reason.value in _REFUSED:
        ask.counts["refusals"] += 1
        return
    average = _either(candidate, "avgLogprobs", "avg_logprobs")
    if result is None and average is not None and ask.score == "mean":
        yield scored_answer(line, ask, lambda: [average.log_prob()], None, [line.get("key")])
        return
    if result is None:
        raise _only_average(candidate)
    top = _either(result, "topCandidates", "top_candidates") or result.need("topCandidates")
    yield token_answer(line, _places(result, top), top, ask, [line.get("key")])


def _only_average(candidate: Node) -> FileFormatError:
    average = _either(candidate, "avgLogprobs", "avg_logprobs")
    if average is None:
        return FileFormatError(
            f"`{candidate.path}` has no key `logprobsResult`: ask for it, responseLogprobs=true "
            "and logprobs=20."
        )
    return FileFormatError(
        f"`{candidate.path}` holds only an average, `{average.path.rpartition('.')[2]}`, which "
        "knows no options: ask for logprobs=20, or take it as a score of the answer, with --kind "
        "answers --score-column mean --score-scale logprob."
    )


def _places(result: Node, top: Node) -> list[Place]:
    candidates = _either(result, "chosenCandidates", "chosen_candidates")
    sampled = [None] * len(top.items()) if candidates is None else candidates.items()
    if candidates is not None and len(sampled) != len(top.items()):
        candidates.refuse(f"as long as `{top.path}`, {len(top.items())}")
    return [_place(*each) for each in zip(top.items(), sampled, strict=True)]


def _place(step: Node, sampled: Node | None) -> Place:
    candidates = step.need("candidates")
    text = None if sampled is None else sampled.get("token")
    return Place(
        step,
        "" if text is None else text.text(),
        candidates,
        lambda: [_token(each) for each in candidates.items()],
        lambda: None if sampled is None else _token(sampled),
    )


def _token(entry: Node) -> ShownToken:
    log_prob = _either(entry, "logProbability", "log_probability")
    return shown_token(entry.need("token").text(), log_prob or entry.entry("logProbability"))


def _either(node: Node, *keys: str) -> Node | None:
    """Return what stands under a key as REST spells it, or as the Python client does."""
    return next((child for key in keys if (child := node.get(key)) is not None), None)
