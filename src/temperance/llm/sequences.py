"""Scores of an answer from the log-probabilities of its tokens, as log-odds for any calibrator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.calibrators import AnswerConfidence
from temperance.checks.answer_scores import (
    SENTINEL,
    AnswerScale,
    as_correct,
    as_token_logprobs,
    rounding_of,
)
from temperance.checks.arguments import as_level, as_sequence, require_type
from temperance.checks.arrays import as_numbers
from temperance.checks.frames import refuse_other_index
from temperance.errors import InvalidInputError
from temperance.frozen import Frozen
from temperance.numerics import as_float64
from temperance.plain import Plain
from temperance.printable import count_text
from temperance.show import Shown, Table, interval_text, number_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

__all__ = ["RatesByScore", "SequenceScores", "answer_log_odds", "rates_by_score", "sequence_scores"]

# Scores of answers as log-odds, for any calibrator of two classes.


def answer_log_odds(scores: ArrayLike, *, scale: str, of: int | None = None) -> NDArray[np.float64]:
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
    """
    return AnswerScale(scale, of).log_odds(scores)


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
    given = as_sequence(token_logprobs, name="token_logprobs", rule=rule)
    answers = [_checked(row, answer) for row, answer in enumerate(given)]
    return SequenceScores(
        sum=np.array([each.sum() for each in answers], dtype=np.float64),
        mean=np.array([each.mean() for each in answers], dtype=np.float64),
        min=np.array([each.min() for each in answers], dtype=np.float64),
        length=np.array([len(each) for each in answers], dtype=np.intp),
    )


def _checked(row: int, answer: Any) -> NDArray[np.float64]:  # noqa: ANN401  (anything array-like)
    name = f"token_logprobs[{row}]"
    given = as_numbers(answer, name=name)
    if given.ndim != 1 or given.size == 0:
        what = "no tokens" if given.size == 0 else f"shape {given.shape}"
        msg = (
            f"`{name}` must hold the log-probability of each token of one answer, at least one; "
            f"it has {what}."
        )
        raise InvalidInputError(msg)
    values = as_float64(given)
    bad = ~(values > SENTINEL)
    if bad.any():
        place = int(bad.argmax())
        msg = (
            f"`{name}` must be finite, and above -88, which no float32 probability is below; token "
            f"{place} has {values[place]:g} ({np.count_nonzero(bad)} such tokens). Padding, or "
            "-9999.0 where a server does not tell the number? Leave the token, or the answer, out."
        )
        raise InvalidInputError(msg)
    return as_token_logprobs(values, rounding_of(given.dtype.name), name=name)


# Of heaped scores: how often answers of each distinct value are right.


_MOST_ROWS = 30  # of a table as text


@dataclass(frozen=True, slots=True, eq=False)
class RatesByScore(Frozen, Shown):
    """One entry per distinct score, ascending; see `rates_by_score`."""

    score: NDArray[np.float64]  # (m,)
    n: NDArray[np.intp]  # (m,): answers of this score
    correct: NDArray[np.intp]  # (m,): those of them that are right
    low: NDArray[np.float64]  # (m,): interval of the share that is right
    high: NDArray[np.float64]  # (m,)
    level: float  # coverage of the intervals
    calibrated: NDArray[np.float64] | None = None  # (m,): what a calibrator says there

    @property
    def rate(self) -> NDArray[np.float64]:
        """Share of right answers, (m,)."""
        return np.asarray(self.correct / self.n)

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, as columns."""
        columns = {
            name: getattr(self, name).tolist()
            for name in ("score", "n", "correct", "rate", "low", "high")
        }
        if self.calibrated is not None:
            columns["calibrated"] = self.calibrated.tolist()
        return columns

    def columns(self) -> dict[str, list[Any]]:
        """Return the columns of `to_dict`, one row per distinct score."""
        return self.to_dict()

    def tables(self) -> tuple[Table, ...]:
        """Return the table that people see."""
        said = ("calibrated",) if self.calibrated is not None else ()
        columns = ("score", "answers", "right", f"{100.0 * self.level:g} %", *said)
        rows = []
        for i in range(min(len(self.score), _MOST_ROWS)):
            row = [
                f"{self.score[i]:g}",
                f"{self.n[i]:,}",
                number_text(float(self.rate[i])),
                interval_text(float(self.low[i]), float(self.high[i])),
            ]
            if self.calibrated is not None:
                row.append(number_text(float(self.calibrated[i])))
            rows.append(tuple(row))
        left = len(self.score) - len(rows)
        more = f"; {left:,} larger scores are not shown" if left else ""
        caption = (
            f"{count_text(int(self.n.sum()), 'answer')}, "
            f"{count_text(len(self.score), 'distinct score')}{more}"
        )
        return (Table(columns, tuple(rows), caption=caption),)


def rates_by_score(
    scores: ArrayLike,
    correct: ArrayLike,
    *,
    calibrator: AnswerConfidence | None = None,
    level: float = 0.95,
) -> RatesByScore:
    r"""Return how often answers of each distinct score are right, with intervals.

    Parameters
    ----------
    scores : array_like, shape (n,)
        Of few distinct values, as stated percentages or counts of samples are.
    correct : array_like, shape (n,)
        True or 1 where the answer is right, False or 0 where not.
    calibrator : AnswerConfidence, optional
        Its P(correct) is put beside the shares; fitted on other rows, if it is to be judged.
    level : float, default 0.95
        Coverage of each interval, in (0, 1).

    Returns
    -------
    RatesByScore
        One entry per distinct score, ascending.

    Raises
    ------
    InvalidInputError
        No rows, scores that are not finite or outside the calibrator's scale, `correct` that is
        not true or false, `level` outside (0, 1).

    Notes
    -----
    Jeffreys intervals: the quantiles of Beta(r + 1/2, n - r + 1/2) for r right of n, from 0
    where r = 0 and to 1 where r = n. No value borrows from another, so they hold whatever the
    shape of the curve; a value that was stated three times tells little, and shows it.

    References
    ----------
    Brown, Cai and DasGupta (2001), Interval Estimation for a Binomial Proportion, Section 3.1.2,
    https://doi.org/10.1214/ss/1009213286

    Examples
    --------
    >>> rates = rates_by_score([90, 50, 90, 90, 90], [1, 0, 1, 0, 1])
    >>> rates.score.tolist(), rates.n.tolist(), rates.rate.tolist()
    ([50.0, 90.0], [1, 4], [0.0, 0.75])
    """
    from scipy.special import betaincinv  # noqa: PLC0415

    level = as_level(level, name="level")
    refuse_other_index(scores=scores, correct=correct)
    if calibrator is not None:
        rule = "an `AnswerConfidence`, or None"
        require_type(calibrator, AnswerConfidence, name="calibrator", rule=rule)
    s = as_float64(as_numbers(scores, name="scores"))
    if s.ndim != 1 or len(s) == 0 or not np.isfinite(s).all():
        what = f"shape {s.shape}" if s.ndim != 1 or len(s) == 0 else "a value that is not finite"
        msg = f"`scores` must be finite, shape (n,) with n >= 1; got {what}."
        raise InvalidInputError(msg)
    y = as_correct(correct, n=len(s))
    distinct, number = np.unique(s, return_inverse=True)
    n = np.bincount(number)
    right = np.bincount(number, y).astype(np.intp)
    tail = 0.5 * (1.0 - level)
    a, b = right + 0.5, n - right + 0.5
    return RatesByScore(
        score=distinct,
        n=n,
        correct=right,
        low=np.where(right == 0, 0.0, betaincinv(a, b, tail)),
        high=np.where(right == n, 1.0, betaincinv(a, b, 1.0 - tail)),
        level=level,
        calibrated=None if calibrator is None else calibrator.apply(distinct),
    )
