"""Samples of lm-evaluation-harness, written with `--log_samples`."""

from __future__ import annotations

import ast
import hashlib
import re
from math import inf, isnan, nan
from typing import TYPE_CHECKING

from temperance.errors import FileFormatError
from temperance.printable import count_text
from temperance.readers.guard import name_list, quoted
from temperance.readers.llm.answer import SEVERAL, Answer, Option, OwnScore, Readings, id_of
from temperance.readers.llm.node import same_word

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Sequence

    from temperance.readers.llm.answer import Ask
    from temperance.readers.llm.node import Node

__all__ = ["count_contradictions", "leave_out_filters", "leave_out_shares", "lm_eval", "settle"]

# The right option of an lm-eval sample: by its index, or by its text.


_DIGITS = re.compile(r"\s*-?\d{1,9}\s*", re.ASCII)
_LONGEST_LIST = 10_000  # characters of a target that holds a list
_HINT = "Name the key that holds the index or the text with --label-field, as doc.answer."


def read_target(
    line: Node, ask: Ask, own: OwnScore | None, count: int, texts: Sequence[str] | None
) -> int | Readings | None:
    """Return the label, SEVERAL, or what a target that is a text may mean; None without one."""
    if not ask.own_labels:
        return None
    field = ask.fields.label
    target = line.find(field or "target")
    if target is None:
        if field is not None:
            line.need(field)
        return None
    if field is None and _marks_several(line, texts):
        return SEVERAL
    return meaning_of(target, line, ask, own, count, texts)


def meaning_of(
    target: Node,
    line: Node,
    ask: Ask,
    own: OwnScore | None,
    count: int,
    texts: Sequence[str] | None,
) -> int | Readings:
    """Return the label that a target is, SEVERAL, or what it may mean."""
    golds = _gold_options(line, target, count, texts)
    if golds is None:
        reading = _reading(line, target, ask, count, texts)
        return _agreeing(reading, own) if isinstance(reading, Readings) else reading
    if not golds:
        target.refuse("one index or one option's text (name another key with --label-field)")
    readings = [_reading(line, gold, ask, count, texts) for gold in golds]
    if len({gold.value for gold in golds}) > 1:
        return SEVERAL
    reading = readings[0]
    return _agreeing(reading, own) if isinstance(reading, Readings) else reading


def _gold_options(
    line: Node, target: Node, count: int, texts: Sequence[str] | None
) -> list[Node] | None:
    """Return the gold options that a list, or a text that holds one, names; None if it is none."""
    value = target.value
    if isinstance(value, str) and value.lstrip().startswith("["):
        if len(value) > _LONGEST_LIST or _by_text(line, value, count, texts) is not None:
            return None
        try:
            value = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None
    if not isinstance(value, list):
        return None
    for each in value:
        if not isinstance(each, int | str):
            target.refuse("indices or texts of options")
    return [type(target)(each, target.path) for each in value]


def _marks_several(line: Node, texts: Sequence[str] | None) -> bool:
    """Whether the document marks several of the options as right: `labels` of 0 and 1 beside them.

    So `mc2_targets` of TruthfulQA, whose target is 0 in every sample.
    """
    document = line.find("doc")
    if texts is None or document is None or not isinstance(document.value, dict):
        return False
    options = [text.strip() for text in texts]
    for part in (document.value, *document.value.values()):
        if not isinstance(part, dict):
            continue
        choices, labels = part.get("choices"), part.get("labels")
        if not isinstance(choices, list) or not isinstance(labels, list):
            continue
        marks = all(type(label) is int and label in (0, 1) for label in labels)
        same = [str(choice).strip() for choice in choices] == options
        if marks and same and len(labels) == len(options) and sum(labels) > 1:
            return True
    return False


def _reading(
    line: Node, target: Node, ask: Ask, count: int, texts: Sequence[str] | None
) -> int | Readings:
    value = target.value
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value < count:
            target.refuse(f"among the options, 0 to {count - 1}")
        return value
    if not isinstance(value, str | bool):
        target.refuse("one index or one option's text (name another key with --label-field)")
    digits = isinstance(value, bool) or _DIGITS.fullmatch(value) is not None
    by_text = None
    if isinstance(value, str):
        by_text = _by_text(line, value, count, texts)
    if by_text is None and texts is not None and not _DIGITS.fullmatch(str(value)):
        by_text = same_word(value, [[text] for text in texts])
        if by_text is not None:
            ask.counts["respelled"] += 1
            ask.tally.respelled.add(f"{quoted(value)} for {quoted(texts[by_text].strip())}")
    by_index = int(value) if digits and 0 <= int(value) < count else None
    if isinstance(value, bool) and count > 2:
        by_index = None
    if by_index is None and by_text is None:
        raise _not_among(target, texts)
    return Readings(by_index, by_text, digits)


def _agreeing(both: Readings, own: OwnScore | None) -> Readings:
    """Leave out a reading that the file's own accuracy of the row contradicts."""
    if both.by_index is None or both.by_text in (None, both.by_index):
        return both
    if own is None or own.right not in (0.0, 1.0) or len(own.best) > 1:
        return both
    readings = [each if (each in own.best) == bool(own.right) else None for each in both[:2]]
    return both if readings == [None, None] else Readings(readings[0], readings[1], both.digits)


def leave_out_shares(answers: Sequence[Answer], ask: Ask) -> list[bool]:
    """Say which rows of a file to keep: not those whose `acc` says that several options are right.

    `acc` is 0 or 1 where one option is. Where it is a fraction in more than half of the rows, it
    is the probability of all right options, also in the rows where that is 0 or 1.
    """
    shares = [each.own is not None and each.own.right not in (0.0, 1.0) for each in answers]
    if ask.fields.label is not None or not ask.own_labels:  # then `acc` speaks of another target
        return [True] * len(answers)
    if 2 * sum(shares) > len(shares):
        shares = [True] * len(shares)
    ask.counts["with a share as acc"] += sum(shares)
    return [not share for share in shares]


def count_contradictions(answers: Sequence[Answer], counts: Counter[str]) -> None:
    """Count rows whose `acc` says that another option is right than the label read."""
    for answer in answers:
        own, label = answer.own, answer.label
        if own is None or label is None:
            continue
        counts["with acc"] += 1
        right = own.right >= 0.5
        tied = len(own.best) > 1 and label in own.best
        counts["against acc"] += not tied and (label in own.best) != right


def settle(answers: Sequence[Answer], lines: Sequence[str]) -> None:
    """Choose between the readings of digits, one for all rows of a file, or refuse it."""
    rows = [(a, a.readings, n) for a, n in zip(answers, lines, strict=True) if a.readings]
    of_digits = [(reading, line) for _, reading, line in rows if reading.digits]
    index = all(reading.by_index is not None for reading, _ in of_digits)
    text = all(reading.by_text is not None for reading, _ in of_digits)
    texts = len(of_digits) < len(rows)  # then targets are texts
    differing = [each for each in of_digits if each[0].by_index != each[0].by_text]
    if index and text and differing and not texts:
        reading, line = differing[0]
        msg = (
            f"{line}: `target` may be the index of an option, {reading.by_index}, or the text "
            f"of another, {reading.by_text} (counted from 0), and nothing in the file tells which. "
            "Name a key that holds the index as a number with --label-field, as doc.answer."
        )
        raise FileFormatError(msg)
    if not index and not text:
        line = next(line for reading, line in of_digits if reading.by_index is None)
        msg = (
            f"{line}: `target` is no index of an option, unlike that of other lines, whose "
            f"target is no option's text. {_HINT}"
        )
        raise FileFormatError(msg)
    for answer, reading, _ in rows:
        by_text = not reading.digits or (text and (texts or not index))
        answer.label = reading.by_text if by_text else reading.by_index


def _by_text(line: Node, target: str, count: int, texts: Sequence[str] | None) -> int | None:
    """Return the place of the text among the options; None if it is not there exactly once."""
    for choices in _choices(line, texts):
        stripped = [choice.strip() for choice in choices]
        if len(choices) == count and stripped.count(target.strip()) == 1:
            return stripped.index(target.strip())
    return None


def _choices(line: Node, texts: Sequence[str] | None) -> Iterator[Sequence[str]]:
    """Yield the lists of options' texts that a record holds: continuations, the document's."""
    if texts is not None:
        yield texts
    for path in ("doc.choices", "doc.choices.text", "doc.choices.label"):
        node = line.find(path)
        if node is not None and isinstance(node.value, list):
            yield [str(choice) for choice in node.value]


def _not_among(target: Node, texts: Sequence[str] | None) -> FileFormatError:
    options = "" if texts is None else f" ({name_list(text.strip() for text in texts)})"
    return FileFormatError(
        f"`{target.path}` must be among the options{options}, by its index or as the text of one "
        f"of them, got {quoted(target.value)}. {_HINT}"
    )


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
        filter_named=filter_ is not None,
        repeats_differ=_repeats_differ(line),
        own=own,
        read_label=lambda each: meaning_of(each, line, ask, own, len(log_probs), texts),
    )


def _log_prob(response: Node) -> float:
    """Return the first of a pair (log-probability, is_greedy); both may be texts."""
    pair = response.value
    if not isinstance(pair, list):
        msg = (
            f"`{response.path}` must be a pair (log-probability, is_greedy) per option, got "
            f"{quoted(pair)}. Output of generate_until (and of loglikelihood_rolling) holds no "
            "confidence in any option: log samples of a multiple_choice task. Of answers that were "
            "sampled several times the share that agrees is a score (--kind answers --score-scale "
            "count)."
        )
        raise FileFormatError(msg)
    if pair and all(isinstance(each, list) for each in pair):
        msg = (
            f"`{response.path}` holds {count_text(len(pair), 'pair')} (log-probability, is_greedy) "
            "of one option, as the filter take_first_k leaves them: read one that takes one of "
            "them, as take_first does (--filter NAME)."
        )
        raise FileFormatError(msg)
    if len(pair) != 2 or pair[1] not in _GREEDY:
        response.refuse("a pair (log-probability, is_greedy)")
    return response.items()[0].log_prob()


def _repeats_differ(line: Node) -> bool:
    """Whether options were scored several times (`repeats`), and not always alike."""
    responses = line.get("resps")
    if responses is None or not isinstance(responses.value, list):
        return False
    for repeats in responses.value:
        if not isinstance(repeats, list):
            continue
        scores = {str(each[0]) for each in repeats if isinstance(each, list) and each}
        if len(scores) > 1:
            return True
    return False


def leave_out_filters(answers: Sequence[Answer], ask: Ask) -> list[bool]:
    """Say which rows of a file to keep: of a document the first, where no row names its filter.

    Older files have a row per document and filter, first all of the first filter, and do not say
    which is which.
    """
    documents: set[tuple[object, str | None]] = set()
    keep = []
    for answer in answers:
        key = answer.id, answer.document
        again = not answer.filter_named and answer.id is not None and key in documents
        ask.counts["of unnamed filters"] += again
        ask.counts["scored several times"] += answer.repeats_differ and not again
        documents.add(key)
        keep.append(not again)
    return keep


def _own_score(line: Node, log_probs: list[float]) -> OwnScore | None:
    """Return the file's own accuracy of the row, with the options that it may have taken."""
    acc = line.get("acc")
    try:
        right = None if acc is None else acc.number()
    except FileFormatError:  # of another meaning: nothing that is needed
        right = None
    if right is None:
        return None
    values = [-inf if isnan(value) else value for value in log_probs]
    largest = max(values)
    best = tuple(i for i, value in enumerate(values) if value == largest)
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
        requests = [(pair.need("arg_0").text(), pair.need("arg_1").text()) for pair in pairs]
    else:  # of versions before 0.4.3
        lists = [pair.items() for pair in arguments.items()]
        if any(len(pair) < 2 for pair in lists):
            arguments.refuse("pairs (context, continuation)")
        requests = [(pair[0].text(), pair[1].text()) for pair in lists]
    if len(requests) != count:
        arguments.refuse(f"one per option, as many as `filtered_resps` has, {count}")
    return requests


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
