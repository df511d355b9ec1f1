"""Chat completions with the log-probabilities of the tokens that were likely."""

from __future__ import annotations

from math import isnan, nan
from typing import TYPE_CHECKING

import numpy as np

from temperance.errors import FileFormatError, InvalidInputError
from temperance.readers.guard import named, quoted
from temperance.readers.llm.answer import Answer, Option
from temperance.readers.llm.keys import id_of, labelled
from temperance.readers.llm.llm_format import check_options, spelled
from temperance.readers.llm.response import response_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from temperance.readers.llm.answer import Ask
    from temperance.readers.llm.node import Node

__all__ = ["openai_logprobs"]

# How tokenizers write the space before a word, where a server does not decode it.
_SPACES = "\u0120\u2581"


def openai_logprobs(line: Node, ask: Ask) -> Iterator[Answer]:
    """Yield the row of a completion, unless it is a refusal."""
    response = response_of(line, "choices")
    choices = response.need("choices").items()
    if not choices:
        response.need("choices").refuse("a list of one choice or more")
    if len(choices) > 1:
        ask.counts["of several choices"] += 1
    choice = choices[0]
    if _refused(choice):
        ask.counts["refusals"] += 1
        return
    content = choice.need("logprobs").need("content")
    token = _answering(content, ask.format.position or 0)
    options = _options(line, ask)
    shown = _shown(token)
    scores = _scores(shown, options)
    label = labelled(line, ask)
    yield Answer(
        scores,
        ceiling=_ceiling(token, shown),
        label=None if label is None else _index(label, options),
        options=tuple(Option(str, spellings[0]) for spellings in options),
        id=id_of(line, ask, line.get("id"), response.get("id")),
    )


def _refused(choice: Node) -> bool:
    message, logprobs = choice.get("message"), choice.get("logprobs")
    if message is not None and message.get("refusal") is not None:
        return True
    if logprobs is not None and logprobs.get("content") is None:
        return logprobs.get("refusal") is not None
    return False


def _answering(content: Node, position: int) -> Node:
    tokens = content.items()
    try:
        return tokens[position]
    except IndexError:
        msg = (
            f"`{content.path}` has {len(tokens)} tokens, so none at position {position} "
            "(--position)."
        )
        raise FileFormatError(msg) from None


def _options(line: Node, ask: Ask) -> tuple[tuple[str, ...], ...]:
    if ask.format.options_field is None:
        return ask.format.spellings
    found = line.find(ask.format.options_field) or line.need(ask.format.options_field)
    options = tuple(spelled(item.text()) for item in found.items())
    try:
        check_options(options)
    except InvalidInputError as error:
        msg = f"`{found.path}`: {error}"
        raise FileFormatError(msg) from error
    return options


def _shown(token: Node) -> list[tuple[str, float]]:
    """Return the tokens shown with their log-probabilities, the sampled one among them."""
    top = token.need("top_logprobs").items()
    if not top:
        msg = f"`{token.path}.top_logprobs` is empty: ask the server for it, top_logprobs=20."
        raise FileFormatError(msg)
    shown = [(each.need("token").text(), each.need("logprob").log_prob()) for each in top]
    sampled = token.need("token").text()
    if all(text != sampled for text, _ in shown):
        shown.append((sampled, token.need("logprob").log_prob()))
    return [(text, value) for text, value in shown if not isnan(value)]


def _scores(shown: Sequence[tuple[str, float]], options: Sequence[Sequence[str]]) -> list[float]:
    """Add up the probabilities of each option's tokens; nan where none is shown."""
    place = {text: i for i, spellings in enumerate(options) for text in spellings}
    scores = [nan] * len(options)
    for text, value in shown:
        i = place.get(text.strip().lstrip(_SPACES).strip())
        if i is not None:
            both = value if isnan(scores[i]) else float(np.logaddexp(scores[i], value))
            scores[i] = min(both, 0.0)
    return scores


def _ceiling(token: Node, shown: Sequence[tuple[str, float]]) -> float:
    """Return the most that a token not shown can have: the smallest log-probability shown.

    The sampled token does not count where it is not one of the likeliest: a server may show it
    before them (vLLM) or only as the token itself.
    """
    sampled = token.need("token").text()
    listed = {each.need("token").text() for each in token.need("top_logprobs").items()}
    values = [value for text, value in shown if text in listed]
    if len(values) > 1 and shown[0][0] == sampled and values[0] < min(values[1:]):
        values = values[1:]
    return min(values, default=nan)


def _index(label: Node, options: Sequence[Sequence[str]]) -> int:
    """Return which option the label names in one of its spellings, or by its index."""
    if type(label.value) is int:
        if any(text.isdecimal() for spellings in options for text in spellings):
            label.refuse("the text of an option: an integer could be an option or the place of one")
        if not 0 <= label.value < len(options):
            label.refuse(f"the index of an option, 0 to {len(options) - 1}")
        return int(label.value)
    if not isinstance(label.value, str):
        label.refuse("the text of an option")
    wanted = label.value.strip()
    for i, spellings in enumerate(options):
        if wanted in spellings:
            return i
    names = named(spellings[0] for spellings in options)
    msg = f"`{label.path}` must be among the options ({names}), got {quoted(label.value)}."
    raise FileFormatError(msg)
