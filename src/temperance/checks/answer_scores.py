"""Confidence in whole answers: one score per answer on a stated scale, and whether it was right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.checks.arguments import as_mapping, value_text
from temperance.checks.arrays import as_array, as_numbers, row_name, such_rows
from temperance.checks.scores import plain_row
from temperance.errors import InvalidInputError
from temperance.numerics import as_float64

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

__all__ = [
    "ANSWER_CLASSES", "SCORE_SCALES", "AnswerScale", "as_correct", "base_rate_logits",
    "parse_words",
    "words_of",
]  # fmt: skip


SCORE_SCALES = ("logprob", "probability", "fraction", "percent", "count", "real")
ANSWER_CLASSES = ("wrong", "correct")
_PERCENT = 100  # stated shares are whole percentages
_MOST_SAMPLES = 1_000_000_000
_CLOSEST = log(2.0**-24)  # of a probability to 0 or 1: half of float32's last place below 1
_LARGEST = 1e100
_SENTINEL = -9999.0
_STATED = ("percent", "fraction", "probability")  # scales of shares, which a percent sign may say
_FEW = 5  # fewer percentages than this may all lie in [0, 1] by chance
_TRUE_FALSE = {"true": 1, "false": 0, "1": 1, "0": 0, "1.0": 1, "0.0": 0}


@dataclass(frozen=True, slots=True)
class AnswerScale:
    """What the scores of answers are, and how they become log-odds.

    Parameters
    ----------
    name : {"logprob", "probability", "fraction", "percent", "count", "real"}
        See `temperance.llm.answer_log_odds`.
    of : int, optional
        How many samples a count is of; for "count" only.
    words : mapping or sequence of pairs, optional
        What words in place of a number stand for, on the scale: {"high": 90, "low": 30}. Case does
        not matter.

    Raises
    ------
    InvalidInputError
        Another name, a count without `of`, `of` without a count, a word that is a number, stands
        there twice or for a number outside the scale.
    """

    name: str
    of: int | None = None
    words: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        self._check_name()
        pairs = self.words.items() if isinstance(self.words, Mapping) else self.words
        try:
            words = {_text(word): float(value) for word, value in pairs}
            n_pairs = len(list(pairs))
        except (TypeError, ValueError):
            words, n_pairs = {}, -1
        low, high, rule = self._range()
        if len(words) != n_pairs or "" in words or any(_plain_number(word) for word in words):
            msg = (
                "`words` must map words that differ, and are no numbers, to numbers, as "
                f"high=90,low=30; got {value_text(self.words)}."
            )
            raise InvalidInputError(msg)
        for word, value in words.items():
            if not low <= value <= high:
                msg = f"`words` must stand for {rule}; {word!r} stands for {value:g}."
                raise InvalidInputError(msg)
        object.__setattr__(self, "words", tuple(sorted(words.items())))

    def _check_name(self) -> None:
        if not isinstance(self.name, str) or self.name not in SCORE_SCALES:
            msg = (
                f"`scale` must say what the scores are, one of {', '.join(SCORE_SCALES)}; got "
                f"{value_text(self.name)}."
            )
            raise InvalidInputError(msg)
        counts = self.name == "count"
        whole = type(self.of) is int and 1 <= self.of <= _MOST_SAMPLES
        if counts != (self.of is not None) or (counts and not whole):
            text = f"{value_text(self.of)} for {self.name}"
            msg = (
                "`of` must be the number of samples that a count is of, a whole number from 1 to "
                f"10^9, for the scale count and no other (--score-of); got {text}."
            )
            raise InvalidInputError(msg)

    def refuse_identity(self) -> None:
        """Raise InvalidInputError where the scores without a map say no probability."""
        if not self.says_probabilities:
            msg = (
                "`method` must be a map for real scores, which are no probabilities by themselves: "
                "platt, beta, isotonic or venn-abers, got identity."
            )
            raise InvalidInputError(msg)

    @property
    def takes_texts(self) -> bool:
        """Whether scores may be texts: with a percent sign, or one of the words."""
        return bool(self.words) or self.name in _STATED

    @property
    def rule_of_texts(self) -> str:
        """What a text may be, as messages say it."""
        names = [word for word, _ in self.words]
        words = " or a word that `score_words` (--score-words) maps"
        if names:
            words = f" or one of the words that are mapped ({', '.join(names)})"
        share = "; a share below 1 needs a percent sign" if self.name == "percent" and names else ""
        return f"a number on the scale {self.name}, a percentage (95%){words}{share}"

    def as_number(self, text: str) -> float | None:
        """Return the number on the scale that a text says; None of one that says none.

        `95%` and `95 %` are percentages whatever the scale is, which must be one of shares. Without
        the sign a number is on the scale; but 0.95 among percentages is no word for 95.
        """
        word = _text(text)
        known = dict(self.words).get(word)
        if known is not None:
            return known
        if word.endswith("%"):
            value = _plain_number(word[:-1].rstrip())
            if value is None or self.name not in _STATED:
                return None
            return value if self.name == "percent" else round(value / _PERCENT, 15)
        value = _plain_number(word)
        if value is not None and self.words and self.name == "percent" and 0.0 < value < 1.0:
            return None
        return value

    def numbers(self, scores: ArrayLike, *, name: str = "scores") -> ArrayLike:
        """Return scores that are texts as the numbers that they say; others as they are."""
        if not self.takes_texts:
            return scores
        objects = np.asarray(scores, dtype=object) if isinstance(scores, list | tuple) else scores
        texts = np.asarray(objects)
        if texts.ndim != 1 or not any(isinstance(each, str) for each in texts.tolist()):
            return scores
        values = [self.as_number(str(each)) for each in texts.tolist()]
        bad = np.array([value is None for value in values])
        if bad.any():
            row = int(bad.argmax())
            msg = (
                f"`{name}` must be {self.rule_of_texts}; {row_name(row)} holds "
                f"{texts.tolist()[row]!r} ({such_rows(bad)})."
            )
            raise InvalidInputError(msg)
        return np.array(values, dtype=np.float64)

    def log_odds(self, scores: ArrayLike, *, name: str = "scores") -> Array:
        """Return finite log-odds, (n,), that rise with the scores, or say what is wrong."""
        s = plain_row(scores)
        if s is None:
            s = as_float64(as_numbers(self.numbers(scores, name=name), name=name))
        if s.ndim != 1:
            msg = f"`{name}` must have shape (n,), one score per answer, got {s.shape}."
            raise InvalidInputError(msg)
        self._check(s, name=name)
        match self.name:
            case "logprob":
                return _from_log(np.minimum(s, 0.0))
            case "probability":
                return _closest(_logarithm(s)) - _closest(_logarithm(1.0 - s))
            case "fraction":
                return _of_steps(s * _PERCENT, _PERCENT)
            case "percent":
                return _of_steps(s, _PERCENT)
            case "count":
                return _of_steps(s, self.of or 1)
            case _:
                return s

    def _check(self, s: Array, *, name: str) -> None:
        low, high, rule = self._range()
        if len(s) == 1 and self.name in _IN_RANGE and low <= s[0] <= high:
            self._refuse_fractions(s, name=name)
            return
        bad = ~((s >= low) & (s <= high))  # nan too
        if self.name == "count":
            bad |= s != np.floor(s)
        if self.name == "logprob":
            bad |= s == _SENTINEL
        if not bad.any():
            self._refuse_fractions(s, name=name)
            return
        row = int(bad.argmax())
        msg = (
            f"`{name}` must be {rule}; {row_name(row)} holds {s[row]:g} "
            f"({such_rows(bad)}).{self._hint(s)}"
        )
        raise InvalidInputError(msg)

    def _range(self) -> tuple[float, float, str]:
        match self.name:
            case "logprob":
                return -_LARGEST, 1e-6, "log-probabilities, finite and at most 0"
            case "probability" | "fraction":
                return 0.0, 1.0, f"a {self.name} in [0, 1]"
            case "percent":
                return 0.0, 100.0, "a percentage in [0, 100]"
            case "count":
                return 0.0, float(self.of or 1), f"counts of {self.of}, whole numbers"
            case _:
                return -_LARGEST, _LARGEST, "finite"

    def _hint(self, s: Array) -> str:
        finite = s[np.isfinite(s)]
        if len(finite) < len(s):
            return " Leave answers without a score out."
        if self.name == "logprob" and (finite == _SENTINEL).any():
            return " -9999.0 is a server's word for a number it does not tell: leave those out."
        if self.name == "count" and (finite >= 0).all() and (finite == np.floor(finite)).all():
            return f" Counts of more samples, {finite.max():g} or above? Say `of` (--score-of)."
        fits = [
            scale
            for scale in ("logprob", "fraction", "percent")
            if scale != self.name and not _outside(finite, AnswerScale(scale))
        ]
        return f" Are they on the scale {' or '.join(fits)}? Say so." if fits else ""

    def _refuse_fractions(self, s: Array, *, name: str) -> None:
        """Percentages that all lie in [0, 1], and not on its ends, are fractions."""
        if self.name == "percent" and len(s) >= _FEW and s.max() <= 1.0 and (s % 1.0).any():
            msg = (
                f"`{name}` look like fractions: all {len(s)} lie in [0, 1]. Say the scale fraction "
                "(0.9 for 90 percent)."
            )
            raise InvalidInputError(msg)

    @property
    def says_probabilities(self) -> bool:
        """Whether the scores themselves claim how likely an answer is right: all but "real"."""
        return self.name != "real"

    def to_dict(self) -> dict[str, Any]:
        """Return the name, and `of` and `words` where there are some."""
        of = {} if self.of is None else {"of": self.of}
        return {"scale": self.name, **of, **({"words": dict(self.words)} if self.words else {})}


def as_correct(correct: ArrayLike, *, n: int, name: str = "correct") -> NDArray[np.intp]:
    """Return 1 where an answer is right and 0 where not, (n,); text true and false count too."""
    y = as_array(correct, name=name)
    if y.shape != (n,):
        msg = f"`{name}` must have shape ({n},), one per score, got {y.shape}."
        raise InvalidInputError(msg)
    if y.dtype.kind in "OUST":
        right = np.array([_TRUE_FALSE.get(_text(each), -1) for each in y.tolist()], dtype=np.intp)
        bad = right < 0
    elif y.dtype.kind in "iufb":
        bad = ~((y == 0) | (y == 1))
        right = (y == 1).astype(np.intp)
    else:
        msg = f"`{name}` must hold true and false, or 1 and 0, got dtype {y.dtype}."
        raise InvalidInputError(msg)
    if bad.any():
        row = int(bad.argmax())
        msg = (
            f"`{name}` must be 1 or true where the answer is right and 0 or false where not; "
            f"{row_name(row)} holds {y.tolist()[row]!r} "
            f"({such_rows(bad)}). Graded answers? Decide from which grade on "
            "they are right."
        )
        raise InvalidInputError(msg)
    return right


def base_rate_logits(labels: NDArray[np.intp], weights: Array | None) -> Array:
    """Return the log-odds of the share of right answers, half a row added each way, (n, 2).

    What is known without any score; weights count by their ratios.
    """
    w = np.ones(len(labels)) if weights is None else weights
    w = w * (w.sum() / (w @ w))
    right = float(w @ (labels == 1))
    odds = log(right + 0.5) - log(max(float(w.sum()) - right, 0.0) + 0.5)
    return np.tile([0.0, odds], (len(labels), 1))


def _outside(s: Array, scale: AnswerScale) -> bool:
    low, high, _ = scale._range()  # noqa: SLF001  (of this file)
    return not bool(((s >= low) & (s <= high)).all())


def words_of(words: object) -> tuple[tuple[str, float], ...]:
    """Return what words stand for as pairs, of a mapping or None."""
    rule = 'a mapping of words to numbers, as {"high": 90}'
    mapping = {} if words is None else as_mapping(words, name="words", rule=rule)
    return tuple(mapping.items())


def parse_words(text: str) -> dict[str, float]:
    """Return `high=90,low=30` as a mapping, or raise InvalidInputError."""
    pairs = [part.rpartition("=") for part in text.split(",")]
    values = [_plain_number(value) for _, _, value in pairs]
    words = [_text(word) for word, _, _ in pairs]
    if None in values or "" in words or len(set(words)) < len(words):
        msg = (
            "`score_words` (--score-words) must map words that differ to numbers on the scale, as "
            f"high=90,medium=60,low=30; got {value_text(text)}."
        )
        raise InvalidInputError(msg)
    return {word: value for word, value in zip(words, values, strict=True) if value is not None}


def _plain_number(text: str) -> float | None:
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _text(value: object) -> str:
    return str(value.decode() if isinstance(value, bytes) else value).strip().lower()


# Scales whose scores are good wherever they lie in their range.
_IN_RANGE = frozenset(("probability", "fraction", "percent"))


def _logarithm(p: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.log(p)


def _from_log(log_p: Array) -> Array:
    return np.asarray(log_p - _closest(_logarithm(-np.expm1(log_p))))


def _closest(log_p: Array) -> Array:
    """A probability that may have been rounded to 0 is at least half of float32's last place."""
    return np.maximum(log_p, _CLOSEST)


def _of_steps(count: Array, steps: int) -> Array:
    """Empirical logit: half a step is added on either side, so that 0 and all stay finite."""
    return np.asarray(np.log(count + 0.5) - np.log(steps - count + 0.5))
