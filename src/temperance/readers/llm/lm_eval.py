"""Samples of lm-evaluation-harness, written with `--log_samples`."""

from __future__ import annotations

import hashlib
from math import inf, isnan, nan
from typing import TYPE_CHECKING

from temperance.errors import FileFormatError
from temperance.readers.guard import quoted
from temperance.readers.llm.answer import Answer, Option, OwnScore, Readings
from temperance.readers.llm.keys import id_of
from temperance.readers.llm.lm_eval_target import read_target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from temperance.readers.llm.answer import Ask
    from temperance.readers.llm.node import Node

__all__ = ["lm_eval"]

_GREEDY = (True, False, "True", "False")


def lm_eval(line: Node, ask: Ask) -> Iterator[Answer]:
    """Yield the row of a multiple-choice question, if it is of the filter that is wanted."""
    responses = line.need("filtered_resps")
    filter_ = line.get("filter")
    name = "none" if filter_ is None else filter_.text()
    if name != (ask.format.filter or "none"):
        ask.tally.filters.add(name)
        ask.counts["of other filters"] += 1
        return
    log_probs = [_log_prob(response) for response in responses.items()]
    requests = _requests(line, len(log_probs))
    log_probs, requests = _conditional(log_probs, requests, ask)
    if len(log_probs) < 2:
        responses.refuse(
            "of two options or more (output of a loglikelihood task has one, which is no choice)"
        )
    texts = None if requests is None else [text for _, text in requests]
    scores = _normalized(log_probs, texts, responses, ask)
    shown = [score for score in scores if not isnan(score)]
    own = _own_score(line, log_probs)
    target = read_target(line, ask, own, len(log_probs), texts)
    yield Answer(
        scores,
        ceiling=min(shown, default=nan),
        label=target if isinstance(target, int) else None,
        readings=target if isinstance(target, Readings) else None,
        options=() if texts is None else tuple(Option(str, text.strip()) for text in texts),
        groups={} if ask.task is None else {"task": ask.task},
        id=id_of(line, ask, line.get("doc_id")),
        document=_document(line),
        own=own,
    )


def _log_prob(response: Node) -> float:
    """Return the first of a pair (log-probability, is_greedy); both may be texts."""
    pair = response.value
    if not isinstance(pair, list):
        msg = (
            f"`{response.path}` must be a pair (log-probability, is_greedy) per option, got "
            f"{quoted(pair)}. Output of generate_until (and of loglikelihood_rolling) holds no "
            "confidence in any option: log samples of a multiple_choice task."
        )
        raise FileFormatError(msg)
    if len(pair) != 2 or pair[1] not in _GREEDY:
        response.refuse("a pair (log-probability, is_greedy)")
    return response.items()[0].log_prob()


def _own_score(line: Node, log_probs: list[float]) -> OwnScore | None:
    """Return the file's own accuracy of the row, with the options that it may have taken."""
    acc = line.get("acc")
    try:
        right = None if acc is None else acc.number()
    except FileFormatError:  # of another meaning: nothing that is needed
        right = None
    if right is None:
        return None
    known = [-inf if isnan(value) else value for value in log_probs]
    largest = max(known)
    best = tuple(i for i, value in enumerate(known) if value == largest)
    return OwnScore(best, right)


def _document(line: Node) -> str | None:
    """Return what tells a document from another of the same number."""
    content = line.get("doc_hash") or line.get("doc")
    if content is None:
        return None
    digest = hashlib.blake2b(repr(content.value).encode(errors="replace"), digest_size=4)
    return digest.hexdigest()


def _requests(line: Node, count: int) -> list[tuple[str, str]] | None:
    """Return (context, continuation) of each option; None where the file has no arguments."""
    arguments = line.get("arguments")
    if arguments is None:
        return None
    if isinstance(arguments.value, dict):
        pairs = [arguments.need(f"gen_args_{i}") for i in range(len(arguments.value))]
        found = [(pair.need("arg_0").text(), pair.need("arg_1").text()) for pair in pairs]
    else:  # of versions before 0.4.3
        lists = [pair.items() for pair in arguments.items()]
        if any(len(pair) < 2 for pair in lists):
            arguments.refuse("pairs (context, continuation)")
        found = [(pair[0].text(), pair[1].text()) for pair in lists]
    if len(found) != count:
        arguments.refuse(f"one per option, as many as `filtered_resps` has, {count}")
    return found


def _conditional(
    log_probs: list[float], requests: list[tuple[str, str]] | None, ask: Ask
) -> tuple[list[float], list[tuple[str, str]] | None]:
    """Leave out the second half that acc_mutual_info adds: the same options without context."""
    half = len(log_probs) // 2
    if requests is None or half < 1 or len(log_probs) % 2:
        return log_probs, requests
    first, second = requests[:half], requests[half:]
    bare = [("", text) for _, text in first]
    if second != bare or first == bare:
        return log_probs, requests
    ask.counts["with unconditional log-probabilities"] += 1
    return log_probs[:half], first


def _normalized(
    log_probs: list[float], texts: list[str] | None, responses: Node, ask: Ask
) -> list[float]:
    if ask.format.normalize is None:
        return log_probs
    if texts is None:
        msg = "has no key `arguments`, whose options' texts `normalize` (--normalize) counts."
        raise FileFormatError(msg)
    sizes = [len(text.encode(errors="surrogatepass")) for text in texts]
    if not all(sizes):
        msg = (
            f"`arguments.gen_args_{sizes.index(0)}.arg_1` is empty: `{responses.path}` cannot be "
            "divided by its bytes (--normalize bytes)."
        )
        raise FileFormatError(msg)
    return [value / size for value, size in zip(log_probs, sizes, strict=True)]
