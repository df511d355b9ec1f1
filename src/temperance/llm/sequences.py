"""Scores of an answer from the log-probabilities of its tokens, as log-odds for any calibrator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.checks.answer_scores import AnswerScale, words_of
from temperance.checks.arguments import as_sequence
from temperance.checks.arrays import as_numbers
from temperance.checks.shown_tokens import SENTINEL, as_token_logprobs, rounding_of
from temperance.errors import InvalidInputError
from temperance.frozen import Frozen, Plain
from temperance.numerics import as_float64

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import ArrayLike, NDArray

__all__ = ["SequenceScores", "answer_log_odds", "sequence_scores"]


# Scores of answers as log-odds, for any calibrator of two classes.


def answer_log_odds(
    scores: ArrayLike,
    *,
    scale: str,
    of: int | None = None,
    words: Mapping[str, float] | None = None,
) -> NDArray[np.float64]:
    r"""Return log-odds that rise with the scores: what calibrators of two classes take.

    Parameters
    ----------
    scores : array_like, shape (n,)
        One per answer; the larger, the more confident.
    scale : {"logprob", "probability", "fraction", "percent", "count", "real"}
        What the scores are: "logprob", natural logarithms of probabilities, <= 0 (sum, mean or
        minimum over an answer's tokens); "probability", measured, in [0, 1], as P(True);
        "fraction" and "percent", stated in words, in [0, 1] and [0, 100]; "count", how many of
        `of` samples agree; "real", any number, taken as it is.
    of : int, optional
        The number of samples, for "count".
    words : mapping of str to float, optional
        What words in place of a score stand for, on the scale: {"high": 90, "low": 30}. With or
        without it a text such as "95 %" is a percentage, on the scales percent, fraction and
        probability.

    Returns
    -------
    ndarray of float64, shape (n,)
        Finite.

    Raises
    ------
    InvalidInputError
        Another scale, scores outside it, nan; percentages that all lie in [0, 1].

    Notes
    -----
    Of p = exp(score) and of a probability :math:`\log p - \log(1 - p)`; 1 - p, and a probability
    p, count as :math:`2^{-24}` at least, half the last place of float32, for rounding makes them 0.
    Of a count r of m, and of a stated percentage as r of m = 100, the empirical logit
    :math:`\log((r + 1/2) / (m - r + 1/2))`: "100 %" is what people say from about 99.5 % on.

    References
    ----------
    Cox (1970), The Analysis of Binary Data, Section 3.2 (the empirical logistic transform)

    Examples
    --------
    >>> answer_log_odds([50.0, 100.0], scale="percent").round(3)
    array([0.   , 5.303])
    >>> answer_log_odds([3], scale="count", of=3).round(3)
    array([1.946])
    >>> answer_log_odds(["50 %", "High"], scale="percent", words={"high": 100}).round(3)
    array([0.   , 5.303])
    """
    return AnswerScale(scale, of, words_of(words)).log_odds(scores)


# From the log-probabilities of an answer's tokens to scores of the answer.


@dataclass(frozen=True, slots=True, eq=False)
class SequenceScores(Frozen, Plain):
    """Scores of answers, each on the scale "logprob", in nats; see `sequence_scores`."""

    sum: NDArray[np.float64]  # (n,): log-probability of the answer; longer answers have less
    mean: NDArray[np.float64]  # (n,): per token
    min: NDArray[np.float64]  # (n,): of the least likely token
    length: NDArray[np.intp]  # (n,): number of tokens


def sequence_scores(token_logprobs: Iterable[Any]) -> SequenceScores:
    """Return sum, mean, minimum and number of each answer's token log-probabilities.

    Parameters
    ----------
    token_logprobs : iterable of n array_like, shapes (length,)
        Natural logarithms of the probabilities of the tokens that were written, without those of
        the prompt and without padding.

    Returns
    -------
    SequenceScores
        Arrays of shape (n,). None of them is a probability that the answer is right: that is what
        `AnswerConfidence` learns.

    Raises
    ------
    InvalidInputError
        An answer without tokens; a log-probability above 0, nan, infinite, or below -88, as -100
        and -9999.0 are, with which servers say that they do not tell.

    Examples
    --------
    >>> scores = sequence_scores([[-0.5, -1.5], [-0.25]])
    >>> scores.sum, scores.mean, scores.min, scores.length
    (array([-2.  , -0.25]), array([-1.  , -0.25]), array([-1.5 , -0.25]), array([2, 1]))
    """
    rule = "log-probabilities, a sequence of them per answer"
    items = as_sequence(token_logprobs, name="token_logprobs", rule=rule)
    answers = [_checked(row, answer) for row, answer in enumerate(items)]
    return SequenceScores(
        sum=np.array([each.sum() for each in answers], dtype=np.float64),
        mean=np.array([each.mean() for each in answers], dtype=np.float64),
        min=np.array([each.min() for each in answers], dtype=np.float64),
        length=np.array([len(each) for each in answers], dtype=np.intp),
    )


def _checked(row: int, answer: Any) -> NDArray[np.float64]:  # noqa: ANN401  (anything array-like)
    name = f"token_logprobs[{row}]"
    numbers = as_numbers(answer, name=name)
    if numbers.ndim != 1 or numbers.size == 0:
        what = "no tokens" if numbers.size == 0 else f"shape {numbers.shape}"
        msg = (
            f"`{name}` must hold the log-probability of each token of one answer, at least one; "
            f"it has {what}."
        )
        raise InvalidInputError(msg)
    values = as_float64(numbers)
    bad = ~(values > SENTINEL)
    if bad.any():
        place = int(bad.argmax())
        msg = (
            f"`{name}` must be finite, and above -88, which no float32 probability is below; token "
            f"{place} has {values[place]:g} ({np.count_nonzero(bad)} such tokens). Padding, or "
            "-9999.0 where a server does not tell the number? Leave the token, or the answer, out."
        )
        raise InvalidInputError(msg)
    return as_token_logprobs(values, rounding_of(numbers.dtype.name), name=name)
