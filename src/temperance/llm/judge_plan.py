"""How many people's labels make a judge's pass rate known well enough, and what the judge saves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from temperance.checks.arguments import as_level, as_number, as_word
from temperance.checks.arrays import as_numbers
from temperance.errors import InvalidInputError
from temperance.frozen import Frozen, Plain
from temperance.llm.judged_rows import JudgedRows, corrected
from temperance.metrics.bounded_mean import Term, UnitSums, term_of, total_of
from temperance.show import number_text, percent_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

__all__ = ["PassRatePlan", "plan_pass_rate"]

_LEAST = 10  # labels
_MOST = 10**9  # beyond it the answer is "no number"
_CLOSE = 1.005  # where the search ends
_METHODS = ("ppi", "calibrated")  # of rows drawn at random
_NOWHERE = np.zeros(1)  # of means that share no unit


@dataclass(frozen=True, slots=True)
class PassRatePlan(Frozen, Plain):
    """Numbers of labels for one precision, with the judge and without; see `plan_pass_rate`."""

    labels_needed: int | None  # with the judge; None where none are enough (see `reasons`)
    labels_without_judge: int | None
    half_width: float  # of the interval that is wanted
    half_width_now: float | None  # with the labels there are; None without any
    least_half_width: float  # with ever more labels of these judged rows
    level: float
    n: int  # judged rows
    n_labelled: int
    agreement: float | None  # what was assumed; None where labels said it
    reasons: dict[str, str]  # why there is no number: "labels_needed", "labels_without_judge"

    def __str__(self) -> str:
        """Return the answers as sentences, one a line."""
        texts = [
            "no number" if each is None else f"{each:,}"
            for each in (self.labels_needed, self.labels_without_judge)
        ]
        width = max(map(len, texts))
        names = ("labels_needed", "labels_without_judge")
        ways = ("with the judge", "without")
        lines = [
            f"{text:>{width}}  {way}{f': {self.reasons[name]}' if name in self.reasons else ''}"
            for text, way, name in zip(texts, ways, names, strict=True)
        ]
        within = number_text(self.half_width)
        head = f"labels needed to know the pass rate to +-{within} ({percent_text(self.level)}):"
        if self.half_width_now is not None:
            now = number_text(self.half_width_now)
            lines.append(f"with the {self.n_labelled:,} labels so far it is known to +-{now}")
        return "\n".join([head, *lines])


def plan_pass_rate(
    verdicts: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    half_width: float = 0.03,
    agreement: float | None = None,
    method: str = "ppi",
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
) -> PassRatePlan:
    r"""Return how many rows people must judge for a pass rate of a wanted precision.

    Parameters
    ----------
    verdicts : array_like, shape (n,)
        Of the judge, as in `pass_rate`.
    labels : array_like, shape (n,), optional
        Of a first few rows drawn at random, None or nan elsewhere; at least 10, better 50.
    half_width : float, default 0.03
        Half the length of the interval that is wanted, in (0, 0.5).
    agreement : float, optional
        Where there are no labels: how often people are thought to agree with the judge, in
        [0.5, 1], among what it passes and what it fails alike. Verdicts must then be pass or fail.
    method : {"ppi", "calibrated"}, default "ppi"
        As in `pass_rate`; rows will be drawn at random.
    weights, clusters, level
        As in `pass_rate`.

    Returns
    -------
    PassRatePlan

    Raises
    ------
    InvalidInputError
        As in `pass_rate`; neither labels nor `agreement`, or both; an option outside its range.

    Notes
    -----
    The interval of `pass_rate` itself is computed for other numbers of labels that are right and
    wrong in the shares seen (or assumed); its units need not be whole. Half of the samples will be
    a little wider. The numbers are at least 10, and at most 0.5 % above the smallest that would do.
    Labels beyond the n judged rows need new rows, which the judge judges as well.

    Examples
    --------
    A judge that people are thought to agree with in nine rows of ten:

    >>> found = plan_pass_rate([1, 1, 1, 0] * 1000, agreement=0.9, half_width=0.05)
    >>> found.labels_needed < 0.6 * found.labels_without_judge
    True
    """
    level = as_level(level, name="level")
    rule = "a number between 0 and 0.5"
    h = as_number(
        half_width, name="half_width", option="--half-width", rule=rule, above=0.0, below=0.5
    )
    method = as_word(method, _METHODS, name="method")
    n = as_numbers(verdicts, name="verdicts").size
    known_labels: ArrayLike = np.full(n, np.nan) if labels is None else labels
    rows = JudgedRows.check(verdicts, known_labels, weights, clusters)
    rows = rows.part(rows.weights > 0.0)
    n_labelled = int(np.count_nonzero(rows.labelled))
    if (n_labelled > 0) == (agreement is not None):
        msg = (
            "`agreement` (--agreement) must say how often people agree with the judge where no row "
            f"has a label, and only there; {n_labelled:,} rows have one."
        )
        raise InvalidInputError(msg)
    sample = _sample_of_labels(rows, method) if agreement is None else _assumed(rows, agreement)
    every = rows.piece(rows.verdicts, np.ones(len(rows.verdicts), dtype=bool))
    verdict = every.term(level, sample.tuning)._replace(influence=_NOWHERE)
    least = 0.5 * (verdict.below + verdict.above)
    needed = _fewest(lambda count: sample.with_judge(count, verdict, level), h)
    alone = _fewest(lambda count: sample.without(count, level), h)
    reasons = {}
    if needed is None and least >= h:
        reasons["labels_needed"] = (
            f"the {len(rows.verdicts):,} judged rows leave +-{number_text(least)} by themselves: "
            "let the judge judge more"
        )
    for name, count in (("labels_needed", needed), ("labels_without_judge", alone)):
        if count is None:
            reasons.setdefault(name, f"more than {_MOST:,}")
    now = sample.with_judge(n_labelled, verdict, level) if n_labelled else None
    return PassRatePlan(
        needed, alone, h, now, least, level, len(rows.verdicts), n_labelled, agreement, reasons
    )


class _Sample(NamedTuple):
    """What labels would look like: residuals and labels, as of so many of them."""

    residuals: UnitSums
    tuning: float
    labels: UnitSums
    n: float  # labels that the sums stand for

    def with_judge(self, count: float, verdict: Term, level: float) -> float:
        """Return half the length of the interval with so many labels."""
        ends = self.residuals.times(count / self.n).ends(-self.tuning, 1.0, level)
        total = total_of([term_of(self.residuals, ends, _NOWHERE), verdict])
        return 0.5 * (min(total.high, 1.0) - max(total.low, 0.0))

    def without(self, count: float, level: float) -> float:
        """Return the same of the labels alone."""
        low, high = self.labels.times(count / self.n).ends(0.0, 1.0, level)
        return 0.5 * (high - low)


def _sample_of_labels(rows: JudgedRows, method: str) -> _Sample:
    """Return what the labels of some rows show."""
    rows.require_labels()
    parts = corrected(rows, method)
    n = float(np.count_nonzero(rows.labelled))
    return _Sample(parts.residual.sums, parts.tuning, parts.labels.sums, n)


def _assumed(rows: JudgedRows, agreement: float) -> _Sample:
    """Return residuals, their tuning, and labels, of a judge that errs both ways alike."""
    rule = "a number in [0.5, 1]"
    a = as_number(agreement, name="agreement", option="--agreement", rule=rule, least=0.5, most=1.0)
    f = rows.verdicts
    if not ((f == 0.0) | (f == 1.0)).all():
        msg = (
            "`labels` must be known for some rows where verdicts are scores, not pass or fail: an "
            "agreement says nothing of scores between."
        )
        raise InvalidInputError(msg)
    passed = float(np.average(f, weights=rows.weights))
    tuning = 2.0 * a - 1.0
    shares = np.outer([passed, 1.0 - passed], [a, 1.0 - a]).ravel()
    labels = np.array([1.0, 0.0, 0.0, 1.0])
    residuals = labels - tuning * np.array([1.0, 1.0, 0.0, 0.0])
    occurring = shares > 0.0
    ones = np.ones(int(occurring.sum()))
    return _Sample(
        UnitSums(residuals[occurring], ones, shares[occurring]),
        tuning,
        UnitSums(labels[occurring], ones, shares[occurring]),
        1.0,
    )


def _fewest(half_width: Callable[[float], float], target: float) -> int | None:
    """Return the smallest number of labels whose interval is short enough, or up to 0.5 % more.

    At least 10; None where more than a thousand million would be needed.
    """
    low, high = _LEAST - 1, _LEAST
    while half_width(high) > target:
        low, high = high, 2 * high
        if high > _MOST:
            return None
    while high - low > 1 and high > _CLOSE * low:
        middle = (low + high) // 2
        low, high = (low, middle) if half_width(middle) <= target else (middle, high)
    return high
