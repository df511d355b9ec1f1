"""Of heaped scores: how often answers of each distinct value are right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.calibrators import AnswerConfidence
from temperance.checks.answer_scores import as_correct
from temperance.checks.arguments import as_level, require_type
from temperance.checks.arrays import as_numbers
from temperance.checks.forms import refuse_other_index
from temperance.errors import InvalidInputError
from temperance.frozen import Frozen
from temperance.numerics import as_float64
from temperance.printable import count_text
from temperance.show import Shown, Table, interval_text, number_text

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["RatesByScore", "rates_by_score"]


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
        extra = ("calibrated",) if self.calibrated is not None else ()
        columns = ("score", "answers", "right", f"{100.0 * self.level:g} %", *extra)
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
        rest = len(self.score) - len(rows)
        more = f"; {rest:,} larger scores are not shown" if rest else ""
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
