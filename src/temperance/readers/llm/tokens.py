"""The tokens that a server shows as likely, and the row that the options among them make."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from math import exp, isnan, log, nan
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from temperance.errors import FileFormatError, InvalidInputError
from temperance.readers.guard import name_list, quoted
from temperance.readers.llm.answer import (
    Answer,
    Option,
    id_of,
    labelled,
    right_option,
    scored_answer,
)
from temperance.readers.llm.llm_format import check_spellings, spellings_of
from temperance.readers.llm.node import Node, decimals, same_word

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Sequence

    from temperance.readers.llm.answer import Ask

__all__ = [
    "Place", "PlaceTokens", "ShownToken", "entry_places", "entry_token", "shown_token",
    "token_answer",
]  # fmt: skip

# What the tokens shown at one place say of those that are not: their mass, and a bound.


_TOLERANCE = 1e-3  # of a sum, as for all probabilities; of coarser numbers what follows
_HALF, _BRAIN = 5e-3, 2e-2  # of log-probabilities in float16 and in bfloat16
_SINGLE = 2.0**-21  # a sum of float32 numbers this close to 1 leaves nothing that can be told
_DOUBLE = 2.0**-48


class ShownToken(NamedTuple):
    """A token with its log-probability; nan where that is null or stands for impossible."""

    token: str  # as the server writes it
    text: str  # what it says
    log_prob: float
    digits: str  # the log-probability as it stands in the file


def check_mass(shown: Sequence[ShownToken], node: Node) -> None:
    """Raise where the probabilities sum to more than 1, and not by rounding."""
    values = _log_probs(shown)
    total = sum(map(exp, values))
    if total <= 1.0 + _TOLERANCE:
        return
    tolerance = _tolerance(values, total)
    if total > 1.0 + tolerance:
        msg = (
            f"`{node.path}`: the probabilities shown must sum to at most 1 (within "
            f"{tolerance:.3g}), but sum to {total:.4g}. Is a token listed twice, or are these not "
            "log-probabilities of one softmax?"
        )
        raise FileFormatError(msg)


def most_unseen(
    top_tokens: Sequence[ShownToken], sampled: ShownToken | None, token: str, counts: Counter[str]
) -> float:
    """Return the largest log-probability that a token not shown can have; nan if nothing tells.

    It is at most the smallest one listed, and at most what all that are shown leave. The sampled
    token does not count as the smallest where others are listed: a server may list it before or
    behind the likeliest, however unlikely it is. Where the sum is 1 to the last digits, nothing
    can be told from what is left: of float32 numbers it is rounding, and a server that samples
    with top_p cuts the rest and divides by the sum. Where one token alone has it all, what others
    can have is that rounding.
    """
    values = _log_probs(top_tokens)
    if not values:
        return nan
    smallest = min(values)
    others = _log_probs([each for each in top_tokens if each.token != token])
    if others and smallest < min(others):
        smallest = min(others)
    log_probs = values if sampled is None else [*values, *_log_probs([sampled])]
    remainder = 1.0 - sum(map(exp, log_probs))
    rounding = _DOUBLE if _in_double(log_probs) else _SINGLE
    if remainder <= rounding:
        if 1.0 - exp(max(log_probs)) <= rounding:
            return min(smallest, log(rounding))
        counts["without mass left"] += 1
        return smallest
    return min(smallest, log(remainder))


def _log_probs(tokens: Sequence[ShownToken]) -> list[float]:
    return [each.log_prob for each in tokens if not isnan(each.log_prob)]


def _tolerance(values: Sequence[float], total: float) -> float:
    """Return how far from the truth rounding can have moved a sum."""
    single = np.array(values, dtype=np.float32)
    if not (single.view(np.uint32) & 0xFFFF).any() and (single == values).all():
        return _BRAIN
    if (single.astype(np.float16) == values).all():
        return _HALF
    count = decimals(values)
    return max(_TOLERANCE, 0.0 if count is None else 0.5 * total * 10.0**-count)


def _in_double(values: Sequence[float]) -> bool:
    """Whether a number has more digits than a float32 holds or is written with."""
    return any(
        float(np.float32(value)) != value and float(f"{value:.9g}") != value for value in values
    )


# How tokenizers write the space before a word, where a server does not decode it.
_SPACES = "\u0120\u2581"
_MARKS = "()[]{}<>*_`'\"#.,:;!?\u2018\u2019\u201c\u201d"  # around the letter of an option
_NUMBERED = re.compile(r"token_id:\d+", re.ASCII)  # vLLM's return_tokens_as_token_ids
# One byte of a character, as tokenizers that fall back on bytes write it; below 128 it is a letter.
_BYTE = re.compile(r"<0x([0-7][0-9A-Fa-f])>|bytes:\\x([0-7][0-9A-Fa-f])")


# Where a response has its tokens, however its server calls them.


class PlaceTokens(NamedTuple):
    """What a server shows at one place: the likely tokens, and the sampled one if it is apart."""

    top_tokens: list[ShownToken]
    sampled: ShownToken | None  # None where it is among those listed, or not told
    text: str  # of the sampled token as the server writes it; "" where it is not told


@dataclass(frozen=True, slots=True)
class Place:
    """One token of an answer.

    Attributes
    ----------
    node : Node
        Where it stands in the line, as messages call it.
    text : str
        The sampled token as the server writes it; "" of what ends an answer, or is not told.
    top_tokens : Node
        What holds the likely tokens.
    likely : callable
        Returns them; what is wrong with one of them is raised here, not for other places.
    sampled : callable
        Returns the sampled token; None where the server does not tell it.
    """

    node: Node
    text: str
    top_list: Node
    likely: Callable[[], list[ShownToken]]
    sampled: Callable[[], ShownToken | None]

    def shown(self) -> PlaceTokens:
        """Return what is shown here, checked; raise where nothing is."""
        top_tokens = self.likely()
        self._check_once(top_tokens)
        sampled = self.sampled()
        if sampled is not None and _is_among(sampled, top_tokens):
            sampled = None
        check_mass(top_tokens if sampled is None else [*top_tokens, sampled], self.top_list)
        return PlaceTokens(top_tokens, sampled, self.text)

    def log_prob(self) -> float:
        """Return the log-probability of the sampled token; nan where it is not told."""
        sampled = self.sampled()
        if sampled is None and self.text:
            sampled = next((each for each in self.likely() if each.token == self.text), None)
        return nan if sampled is None else sampled.log_prob

    def _check_once(self, top_tokens: Sequence[ShownToken]) -> None:
        log_probs = [each.log_prob for each in top_tokens if each.token == self.text]
        if len(log_probs) > len(set(log_probs)):
            msg = (
                f"`{self.top_list.path}` lists the sampled token {quoted(self.text)} twice, with "
                "the same log-probability, which would count double: take one of the two out."
            )
            raise FileFormatError(msg)


def _is_among(sampled: ShownToken, top_tokens: Sequence[ShownToken]) -> bool:
    return any(
        each.token == sampled.token
        or (each.log_prob == sampled.log_prob and bare(each.text) == bare(sampled.text))
        for each in top_tokens
    )


def entry_places(content: Node) -> list[Place]:
    """Return the places of a list of {token, logprob, bytes, top_logprobs}, as chat answers have.

    The likely tokens are objects of the same keys.
    """

    def place(entry: Node) -> Place:
        token = entry.get("token")
        return Place(
            entry,
            "" if token is None else token.text(),
            Node(entry.value.get("top_logprobs"), f"{entry.path}.top_logprobs"),
            lambda: [entry_token(each) for each in entry.need("top_logprobs").items()],
            lambda: entry_token(entry),
        )

    return [place(entry) for entry in content.items()]


def entry_token(entry: Node) -> ShownToken:
    """Return one {token, logprob, bytes}."""
    token, log_prob = entry.need("token").text(), entry.entry("logprob")
    return shown_token(token, log_prob, entry.get("bytes"))


def shown_token(token: str, log_prob: Node, bytes_: Node | None = None) -> ShownToken:
    """Return a token with its log-probability, its text from the bytes where it has only a name."""
    text = token
    if _NUMBERED.fullmatch(token) and bytes_ is not None:
        text = _decoded(bytes_)
    elif code := _BYTE.fullmatch(token):
        text = chr(int(code[1] or code[2], 16))
    digits = "null" if log_prob.value is None else str(log_prob.value).strip()
    return ShownToken(token, text, log_prob.token_log_prob(), digits)


def _decoded(node: Node) -> str:
    codes = [code.value for code in node.items()]
    if not all(type(code) is int and 0 <= code < 256 for code in codes):
        node.refuse("a list of bytes, 0 to 255")
    return bytes(codes).decode(errors="replace")


# The row of an answer: the options among the tokens shown at the place that answers.


def token_answer(
    line: Node,
    places: Sequence[Place],
    content: Node,
    ask: Ask,
    ids: Sequence[Node | None],
    *,
    options: tuple[tuple[str, ...], ...] | None = None,
) -> Answer:
    """Return the row of an answer whose tokens are at these places, listed in `content`.

    `ids` are what a response has beside the line's own: the first that is there counts. `options`
    are those of the line itself, where the format says none.
    """
    if ask.score is not None:
        return scored_answer(line, ask, lambda: _of_all(places), None, ids)
    place = _answering(places, content, ask.format.position or 0)
    options = options or _options(line, ask)
    if not place.top_list.value:
        raise _empty_list(place, places)
    top_tokens, sampled, text = place.shown()
    shown = top_tokens if sampled is None else [*top_tokens, sampled]
    scores = _scores(shown, options, ask)
    ceiling = nan
    if any(map(isnan, scores)):
        ceiling = most_unseen(top_tokens, sampled, text, ask.counts)
    if all(map(isnan, scores)):
        ask.tally.instead.add(quoted(text or top_tokens[0].token))

    named_options = options

    def read_label(label: Node | None) -> int | None:
        return right_option(label, lambda each: _index(each, named_options, ask))

    return Answer(
        scores,
        ceiling=ceiling,
        label=read_label(labelled(line, ask)),
        read_label=read_label,
        options=tuple(Option(str, spellings[0]) for spellings in options),
        id=id_of(line, ask, line.get("custom_id"), line.get("id"), *ids),
    )


def _of_all(places: Sequence[Place]) -> list[float]:
    """Return the log-probabilities of all tokens that have text."""
    return [place.log_prob() for place in places if place.text]


def _answering(places: Sequence[Place], content: Node, position: int) -> Place:
    """Return the token at a position; from the end, tokens without text are not counted."""
    candidates = list(places)
    if position < 0:
        candidates = [place for place in places if place.text]
    try:
        return candidates[position]
    except IndexError:
        msg = (
            f"`{content.path}` has {len(candidates)} tokens, so none at position {position} "
            "(--position)."
        )
        raise FileFormatError(msg) from None


def _empty_list(place: Place, places: Sequence[Place]) -> FileFormatError:
    if any(other.top_list.value for other in places):
        what = (
            f"the token there is {quoted(place.text)}, and other tokens have "
            "some: which one answers? (--position)"
        )
    else:
        what = "ask the server for it, top_logprobs=20"
    return FileFormatError(f"`{place.top_list.path}` is empty: {what}.")


def _options(line: Node, ask: Ask) -> tuple[tuple[str, ...], ...]:
    if ask.format.options_field is None:
        return ask.format.spellings
    node = line.find(ask.format.options_field) or line.need(ask.format.options_field)
    options = tuple(spellings_of(item.text()) for item in node.items())
    try:
        check_spellings(options)
    except InvalidInputError as error:
        msg = f"`{node.path}`: {error}"
        raise FileFormatError(msg) from error
    return options


def _scores(shown: Sequence[ShownToken], options: Sequence[Sequence[str]], ask: Ask) -> list[float]:
    """Add up the probabilities of each option's tokens; nan where none is shown."""
    place = {text: i for i, spellings in enumerate(options) for text in spellings}
    folded = {_core(text) for text in place}
    scores = [nan] * len(options)
    for each in shown:
        text = bare(each.text)
        i = place.get(text)
        if i is None:
            if _core(text) in folded:
                ask.counts["in another case"] += 1
                ask.tally.near_options.add(text)
        elif isnan(each.log_prob):
            ask.counts["stand-ins"] += 1
            ask.tally.stand_ins.add(each.digits)
        elif isnan(scores[i]):
            scores[i] = each.log_prob
        else:
            scores[i] = float(np.logaddexp(scores[i], each.log_prob))
    return scores


def bare(text: str) -> str:
    """Return a token without the space around it, however it is written."""
    return text.strip().lstrip(_SPACES).strip()


def _core(text: str) -> str:
    """Return a token without case, marks around it and other forms of its letters.

    >>> [_core(text) for text in ("a", "(A)", "**A**:", "\uff21", "+", "A+")]
    ['a', 'a', 'a', 'a', '+', 'a+']
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    return plain.strip(_MARKS) or plain


def _index(label: Node, options: Sequence[Sequence[str]], ask: Ask) -> int:
    """Return which option the label names in one of its spellings, or by its index."""
    if type(label.value) is int:
        if any(text.isdecimal() for spellings in options for text in spellings):
            label.refuse("the text of an option: an integer could be an option or the place of one")
        if not 0 <= label.value < len(options):
            label.refuse(f"the index of an option, 0 to {len(options) - 1}")
        return int(label.value)
    if not isinstance(label.value, str | bool):
        label.refuse("the text of an option")
    if isinstance(label.value, str):
        spelling = label.value.strip()
        for i, spellings in enumerate(options):
            if spelling in spellings:
                return i
    near = same_word(label.value, options)
    if near is not None:
        ask.counts["respelled"] += 1
        ask.tally.respelled.add(f"{quoted(label.value)} for {quoted(options[near][0])}")
        return near
    if isinstance(label.value, bool):
        label.refuse("the text of an option")
    names = name_list(spellings[0] for spellings in options)
    msg = f"`{label.path}` must be among the options ({names}), got {quoted(label.value)}."
    raise FileFormatError(msg)
