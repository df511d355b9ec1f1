"""Results of promptfoo, JSON or JSON Lines: whole answers, whether they passed, their tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from temperance.errors import FileFormatError
from temperance.readers.llm.answer import scored_answer
from temperance.readers.llm.lines import json_content
from temperance.readers.llm.node import Node

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from temperance.readers.llm.answer import Answer, Ask

__all__ = ["promptfoo", "results"]


def results(path: Path) -> Iterator[tuple[str, dict[str, Any]]] | None:
    """Return the results of a file of `promptfoo eval --output`; None of another JSON file."""
    content = json_content(path.read_bytes())
    entries = content.get("results") if isinstance(content, dict) else None
    if isinstance(entries, dict):
        entries = entries.get("results")
    if not isinstance(entries, list):
        return None
    objects = [each for each in entries if isinstance(each, dict)]
    if not objects or len(objects) < len(entries):
        msg = "has no results, or some that are no objects: is it of promptfoo eval --output?"
        raise FileFormatError(msg)
    return ((f"result {number}", each) for number, each in enumerate(objects, start=1))


def promptfoo(line: Node, ask: Ask) -> Iterator[Answer]:
    """Yield the score of a result, unless its request failed."""
    response = line.get("response")
    if response is None and not line.value.get("error"):
        line.need("response")
    if response is None or (response.get("output") is None and response.get("error") is not None):
        ask.counts["failed"] += 1
        return
    if ask.score is None:
        msg = (
            "holds answers and the log-probabilities of their tokens, not of other options: take "
            "a score of each answer, --kind answers --score-column mean --score-scale logprob."
        )
        raise FileFormatError(msg)
    right = line.get("success") if ask.fields.label is None else line.find(ask.fields.label)
    yield scored_answer(
        line, ask, lambda: [each.token_log_prob() for each in _log_probs(response)], right,
        [_place(line)],
    )  # fmt: skip


def _log_probs(response: Node) -> list[Node]:
    log_probs = response.get("logProbs")
    if log_probs is None:
        msg = (
            f"`{response.path}` has no key `logProbs`: ask the provider for it, as OpenAI's with "
            "`passthrough: {logprobs: true}`."
        )
        raise FileFormatError(msg)
    return log_probs.items()


def _place(line: Node) -> Node | None:
    """Return the number of the test and of the prompt, in place of an id."""
    test, prompt = line.get("testIdx"), line.get("promptIdx")
    if test is None or prompt is None:
        return None
    return Node(f"{test.name()}/{prompt.name()}", "testIdx")
