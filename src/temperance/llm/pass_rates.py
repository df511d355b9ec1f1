"""The pass rate that people would find, from a judge's verdicts on many rows and a few labels."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from temperance.checks.arguments import as_level, as_word, value_text
from temperance.checks.arrays import as_numbers
from temperance.checks.forms import refuse_other_index
from temperance.checks.row_values import as_groups
from temperance.errors import InvalidInputError
from temperance.frozen import Frozen, Plain, plain
from temperance.llm.judged_rows import (
    JUDGE_METHODS,
    AdjustedCount,
    Corrected,
    JudgedRows,
    adjusted_count,
    corrected,
    scaled_term,
)
from temperance.metrics.bounded_mean import BoundedMean, Term, total_of
from temperance.metrics.estimates import Estimate
from temperance.numerics import normal_quantile
from temperance.printable import count_text
from temperance.show import Shown, Table, interval_text, number_text, percent_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "PassRate",
    "PassRateComparison",
    "RateDifference",
    "compare_pass_rates",
    "pass_rate",
]

_OTHERWISE = 0.999  # level at which labelled rows are not drawn at random
_SHARED = 0.8  # of the correlation of two systems that their difference counts on


# What was found.


@dataclass(frozen=True, slots=True)
class PassRate(Frozen, Shown, Plain):
    """A pass rate with its interval, and what it was made of; see `pass_rate`."""

    json_keys: ClassVar[tuple[str, ...]] = (
        "pass_rate", "judge_alone", "labels_alone", "n", "n_labelled", "n_clusters", "method",
        "level", "tuning", "sensitivity", "specificity", "worth_labels", "notes",
    )  # fmt: skip

    pass_rate: Estimate  # with the interval of `level`
    judge_alone: float  # mean verdict of all rows: biased by what the judge gets wrong
    labels_alone: Estimate | None  # from the labels without the judge; None for "adjusted-count"
    n: int  # rows
    n_labelled: int
    n_clusters: int | None
    method: str
    level: float  # of all intervals
    tuning: float | None  # how far the verdicts are trusted, 0 to 1; None for "adjusted-count"
    sensitivity: Estimate | None  # mean verdict where people say pass; None of graded labels
    specificity: Estimate | None  # 1 - mean verdict where people say fail
    notes: tuple[str, ...] = ()  # what its user should hear

    @property
    def worth_labels(self) -> float | None:
        """How many labels alone would give as short an interval; fewer than there are: no gain."""
        if self.labels_alone is None:
            return None
        return self.n_labelled * (_width(self.labels_alone) / _width(self.pass_rate)) ** 2

    def in_words(self) -> str:
        """Say in a sentence what was found."""
        rate = self.pass_rate
        return (
            f"People would pass {number_text(rate.value)} of the answers "
            f"({percent_text(self.level)} interval {interval_text(rate.low, rate.high)}); the "
            f"judge alone says {number_text(self.judge_alone)}."
        )

    def columns(self) -> dict[str, list[Any]]:
        """Return one row per way to the pass rate: way, value, low, high."""
        names, estimates = zip(*self._ways(), strict=True)
        return {
            "way": list(names),
            **{
                key: [each.to_dict()[key] for each in estimates] for key in ("value", "low", "high")
            },
        }

    def tables(self) -> tuple[Table, ...]:
        """Return the table that people see."""
        rows = [
            (
                name,
                number_text(each.value),
                "" if np.isnan(each.low) else interval_text(each.low, each.high),
            )
            for name, each in self._ways()
        ]
        of = "" if self.n_clusters is None else f" in {count_text(self.n_clusters, 'cluster')}"
        worth = self.worth_labels
        more = (
            "" if worth is None
            else f"; the {self.n_labelled:,} labels and the judge tell as much as {worth:,.0f} "
            "labels alone"
        )  # fmt: skip
        caption = (
            f"{count_text(self.n, 'row')}{of}, {self.n_labelled:,} labelled by people "
            f"({self.method}){more}"
        )
        title = f"{100.0 * self.level:g} %"
        return (Table(("", "pass rate", title), tuple(rows), caption=caption),)

    def _ways(self) -> Iterator[tuple[str, Estimate]]:
        yield "corrected", self.pass_rate
        if self.labels_alone is not None:
            yield "labels alone", self.labels_alone
        yield "judge alone (biased)", Estimate(self.judge_alone, np.nan, np.nan)
        if self.sensitivity is not None:
            yield "judge passes what people pass", self.sensitivity
        if self.specificity is not None:
            yield "judge fails what people fail", self.specificity


@dataclass(frozen=True, slots=True)
class RateDifference(Plain):
    """A system's pass rate less that of the first, with what the interval says."""

    json_keys: ClassVar[tuple[str, ...]] = ("value", "low", "high", "verdict")

    value: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """Return "better" or "worse" where the interval leaves out 0, else "cannot tell"."""
        if self.low > 0.0:
            return "better"
        return "worse" if self.high < 0.0 else "cannot tell"


@dataclass(frozen=True, slots=True, eq=False)
class PassRateComparison(Frozen, Shown):
    """Pass rates of several systems, and their differences; see `compare_pass_rates`."""

    rates: dict[str, PassRate]
    baseline: str
    differences: dict[str, RateDifference]  # of every other system from the baseline
    parts: dict[str, Corrected | AdjustedCount] = field(
        default_factory=dict, repr=False, compare=False
    )

    def differences_at(self, level: float) -> dict[str, RateDifference]:
        """Return the differences with intervals of another coverage, in (0, 1)."""
        level = as_level(level, name="level")
        rates = {name: _within_unit(each.rate(level)) for name, each in self.parts.items()}
        return {name: _difference(rates[name], rates[self.baseline]) for name in self.differences}

    @property
    def notes(self) -> tuple[str, ...]:
        """What its user should hear, of every system."""
        return tuple(f"{name}: {each}" for name, rate in self.rates.items() for each in rate.notes)

    def in_words(self) -> str:
        """Say in a sentence which systems pass more often than the baseline, and which less."""
        phrases = []
        for name, each in self.differences.items():
            words = (
                "cannot be told from"
                if each.verdict == "cannot tell"
                else f"is {each.verdict} than"
            )
            phrases.append(
                f"{name} {words} {self.baseline} ({number_text(each.value, sign=True)}, "
                f"{interval_text(each.low, each.high, sign=True)})"
            )
        return f"By the corrected pass rate {'; '.join(phrases)}."

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON."""
        return {
            "baseline": self.baseline,
            "systems": plain(self.rates),
            "differences": plain(self.differences),
        }

    def columns(self) -> dict[str, list[Any]]:
        """Return one row per system: pass rate, interval, difference, verdict."""
        rows: list[dict[str, Any]] = []
        for name, rate in self.rates.items():
            difference = self.differences.get(name)
            rows.append(
                {
                    "system": name,
                    **rate.pass_rate.to_dict(),
                    "n": rate.n,
                    "n_labelled": rate.n_labelled,
                    "judge_alone": rate.judge_alone,
                    "difference": None if difference is None else difference.value,
                    "difference_low": None if difference is None else difference.low,
                    "difference_high": None if difference is None else difference.high,
                    "verdict": None if difference is None else difference.verdict,
                }
            )
        return {key: [row[key] for row in rows] for key in rows[0]}

    def tables(self) -> tuple[Table, ...]:
        """Return the table that people see."""
        rows = []
        for name, rate in self.rates.items():
            own = rate.pass_rate
            cells = ("", "", "")
            if name in self.differences:
                d = self.differences[name]
                ends = interval_text(d.low, d.high, sign=True)
                cells = (number_text(d.value, sign=True), ends, d.verdict)
            rows.append(
                (
                    name, f"{rate.n_labelled:,} of {rate.n:,}", number_text(rate.judge_alone),
                    number_text(own.value), interval_text(own.low, own.high), *cells,
                )
            )  # fmt: skip
        level = f"{100.0 * self.rates[self.baseline].level:g} %"
        columns = (
            "system", "labelled", "judge alone", "corrected", level,
            f"less {self.baseline}", level, "verdict",
        )  # fmt: skip
        return (Table(columns, tuple(rows), words=frozenset({7})),)


# `pass_rate`: one system; `compare_pass_rates`: several.


def pass_rate(
    verdicts: ArrayLike,
    labels: ArrayLike,
    *,
    method: str = "ppi",
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
) -> PassRate:
    r"""Return the pass rate that people would find on all rows, of which they judged a few.

    A judge that is wrong on one row in ten may report a pass rate that is off by ten points,
    however many rows it judges. What people say of some of them corrects it, and the judge makes
    the interval shorter than their labels alone would.

    Parameters
    ----------
    verdicts : array_like, shape (n,)
        Of the judge, on every row: 1 or True for pass, 0 or False for fail, or a score in [0, 1].
    labels : array_like, shape (n,)
        Of people, likewise, or grades in [0, 1]; None or nan where nobody was asked. At least 10.
    method : {"ppi", "calibrated", "stratified", "adjusted-count"}, default "ppi"
        How the labelled rows were chosen decides. "ppi" and "calibrated": at random among all rows.
        "stratified": at random among the rows of each verdict, as many of each as you liked.
        "adjusted-count": by what people say of them, as a set of known passes and fails; the
        rate is then that of the rows without labels, where the judge must err as often.
    weights : array_like, shape (n,), optional
        Finite, >= 0: how many rows of interest each stands for.
    clusters : array_like, shape (n,), optional
        Rows that belong together, as answers of one conversation; clusters were then drawn at
        random, and count as units.
    level : float, default 0.95
        Coverage of all intervals, in (0, 1).

    Returns
    -------
    PassRate

    Raises
    ------
    InvalidInputError
        Verdicts or labels outside [0, 1], fewer than 10 labels, a method that they do not fit
        (`method` above); for "adjusted-count" a judge that passes what people fail as often as what
        they pass, or a mean verdict that no pass rate explains, nor chance at .0001.

    Notes
    -----
    "ppi": :math:`\hat\theta = \frac1n \sum_{labelled} (y_i - \lambda f_i) + \lambda \bar f`, with
    the mean verdict :math:`\bar f` of all rows, and :math:`\lambda` the slope of labels on
    verdicts, cut to [0, 1]: a judge that tells nothing is not listened to. "calibrated": the same
    with :math:`f` = P(pass | score), a logistic map of the score's log-odds fitted on the other
    four fifths of the labels: better where scores bend. "stratified": labelled rows are weighted
    to the verdicts of all. "adjusted-count": :math:`(\bar f - fpr) / (tpr - fpr)`, its interval
    all rates :math:`\theta` that :math:`\bar f - \theta\,tpr - (1 - \theta) fpr = 0` allows.

    Intervals are not normal: each mean gets that of `UnitSums.ends`, which is the one of Clopper
    and Pearson for labels of 0 and 1 and thinks of one more unit at the end of the range; they are
    put together by `total_of`. In simulations (30, 100 and 300 labels; judges useless, perfect, in
    between; passes or fails as rare as one in a hundred; scores, grades, clusters) they held the
    truth in .947 to 1.000 of 300 samples each, where normal intervals held it in as few as .19.
    With a judge that is rarely wrong they are wider than they need be: no error in n labels may
    still be an error rate of 3.7 / n.

    References
    ----------
    Angelopoulos, Bates, Fannjiang, Jordan and Zrnic (2023), Prediction-powered inference, Science
    382, https://arxiv.org/abs/2301.09633
    Angelopoulos, Duchi and Zrnic (2023), PPI++, Section 6, https://arxiv.org/abs/2311.01453
    (the tuning). Zrnic and Candes (2024), Cross-prediction-powered inference,
    https://arxiv.org/abs/2309.16598 ("calibrated"). Forman (2008), Quantifying counts and costs via
    classification, https://doi.org/10.1007/s10618-008-0097-y ("adjusted-count").

    Examples
    --------
    Of 20 rows the judge passes 15; people judged ten, and failed one of the five it passed there.

    >>> verdicts = [1] * 5 + [0] * 5 + [1] * 10
    >>> labels = [0, 1, 1, 1, 1] + [0] * 5 + [None] * 10
    >>> found = pass_rate(verdicts, labels)
    >>> found.tuning, round(found.pass_rate.value, 6)  # 4/10 + .8 (15/20 - 5/10)
    (0.8, 0.6)
    """
    method = as_word(method, JUDGE_METHODS, name="method")
    level = as_level(level, name="level", option="--confidence")
    rows = JudgedRows.check(verdicts, labels, weights, clusters)
    return _system_rate(rows, method, level)[0]


def compare_pass_rates(
    verdicts: ArrayLike,
    labels: ArrayLike,
    systems: ArrayLike,
    *,
    baseline: str | None = None,
    method: str = "ppi",
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
) -> PassRateComparison:
    r"""Return the corrected pass rate of each system, and its difference from the first's.

    The judge is corrected for each system by that system's own labels: a judge that favours one
    of them (its own family, long answers) would else decide the comparison.

    Parameters
    ----------
    verdicts, labels, method, weights, level
        As in `pass_rate`; all rows of all systems. Each system needs labels of its own.
    systems : array_like, shape (n,)
        Name of the system that each row is an answer of; two or more.
    baseline : str, optional
        System that the others are compared with; the first that comes where left out.
    clusters : array_like, shape (n,), optional
        Rows that belong together. Where all systems answered the same questions, the question:
        what is hard for one is hard for the other, and the difference is known better.

    Returns
    -------
    PassRateComparison
        Differences above 0: the system passes more often than the baseline.

    Raises
    ------
    InvalidInputError
        As in `pass_rate`, with the system; one system only; a baseline that is none of them.

    Notes
    -----
    The interval of a difference is put together from those of the two rates (`total_of`), with the
    correlation of what clusters add to the errors of both; four fifths of one that makes it
    shorter. Each interval is at `level` by itself, however many systems there are.

    Examples
    --------
    >>> verdicts = [1, 1, 1, 1, 1, 1, 1, 1, 1, 0] * 4 + [0, 0, 0, 0, 1] * 8
    >>> labels = [1, 1, 1, 1, 1, 1, 1, 1, 1, 0] * 4 + [0, 0, 0, 0, 1] * 8
    >>> found = compare_pass_rates(verdicts, labels, ["a"] * 40 + ["b"] * 40)
    >>> round(found.differences["b"].value, 6), found.differences["b"].verdict  # .2 - .9
    (-0.7, 'worse')
    """
    method = as_word(method, JUDGE_METHODS, name="method")
    level = as_level(level, name="level", option="--confidence")
    refuse_other_index(verdicts=verdicts, systems=systems)
    n = as_numbers(verdicts, name="verdicts").size
    names, number = as_groups(systems, n=n, name="systems")
    if len(names) < 2:
        msg = f"`systems` must name two systems or more, got {value_text(names[0])} alone."
        raise InvalidInputError(msg)
    first = names[int(number[0])]
    if baseline is not None:
        first = as_word(baseline, names, name="baseline")
    rows = JudgedRows.check(verdicts, labels, weights, clusters)
    order = [first, *(name for name in _in_order(names, number) if name != first)]
    by_system: dict[str, tuple[PassRate, BoundedMean, Corrected | AdjustedCount]] = {}
    for name in order:
        own = number == names.index(name)
        try:
            by_system[name] = _system_rate(rows.part(own), method, level)
        except InvalidInputError as error:
            msg = f"system {value_text(name)}: {error}"
            raise InvalidInputError(msg) from error
    of_first = by_system[first][1]
    differences = {
        name: _difference(rate, of_first)
        for name, (_, rate, _) in by_system.items()
        if name != first
    }
    return PassRateComparison(
        {name: each for name, (each, _, _) in by_system.items()}, first, differences,
        {name: parts for name, (_, _, parts) in by_system.items()},
    )  # fmt: skip


def _in_order(names: tuple[str, ...], number: NDArray[np.intp]) -> list[str]:
    _, first_row = np.unique(number, return_index=True)
    return [names[int(each)] for each in np.argsort(first_row, kind="stable")]


def _difference(rate: BoundedMean, baseline: BoundedMean) -> RateDifference:
    terms = [
        Term(each.value, each.value - each.low, each.high - each.value, each.influence)
        for each in (rate, baseline)
    ]
    gap = total_of([terms[0], scaled_term(terms[1], -1.0)], trust=_SHARED)
    return RateDifference(gap.value, max(gap.low, -1.0), min(gap.high, 1.0))


def _system_rate(
    rows: JudgedRows, method: str, level: float
) -> tuple[PassRate, BoundedMean, Corrected | AdjustedCount]:
    """Return what is shown, the rate as a term of differences, and what it is made of."""
    rows = rows.part(rows.weights > 0.0)
    rows.require_labels()
    by_people = rows.labelled
    parts: Corrected | AdjustedCount
    labels_alone, tuning = None, None
    if method == "adjusted-count":
        parts = adjusted_count(rows)
    else:
        parts = corrected(rows, method)
        labels_alone, tuning = parts.labels.estimate(level), parts.tuning
    rate = _within_unit(parts.rate(level))
    result = PassRate(
        Estimate(rate.value, rate.low, rate.high),
        float(np.average(rows.verdicts, weights=rows.weights)),
        labels_alone,
        len(rows.verdicts),
        int(np.count_nonzero(by_people)),
        len(np.unique(rows.units)) if rows.clustered else None,
        method, level, tuning, _agreement(rows, 1.0, level), _agreement(rows, 0.0, level),
    )  # fmt: skip
    return replace(result, notes=tuple(_notes(rows, result))), rate, parts


def _agreement(rows: JudgedRows, label: float, level: float) -> Estimate | None:
    """Return how often the judge passes what people pass, or fails what they fail."""
    which = rows.labels == label
    if not rows.binary or not which.any():
        return None
    right = rows.verdicts if label == 1.0 else 1.0 - rows.verdicts
    return rows.piece(right, which).estimate(level)


def _within_unit(rate: BoundedMean) -> BoundedMean:
    """Return a rate, which lies in [0, 1]; a corrected one may come out beyond."""
    value = min(max(rate.value, 0.0), 1.0)
    return BoundedMean(
        value, min(max(rate.low, 0.0), value), max(min(rate.high, 1.0), value), rate.influence
    )


def _notes(rows: JudgedRows, rate: PassRate) -> Iterator[str]:
    by_people = rows.labelled
    if rate.method in ("ppi", "calibrated") and not by_people.all():
        labelled, others = (rows.piece(rows.verdicts, which) for which in (by_people, ~by_people))
        gap = total_of([labelled.term(rate.level), others.term(rate.level, -1.0)])
        if abs(gap.value) > normal_quantile(_OTHERWISE) * gap.standard_error:
            yield (
                f"the judge passes {number_text(labelled.sums.mean)} of the labelled rows and "
                f"{number_text(others.sums.mean)} of the others: they were not drawn at random, "
                "and the correction is not of these rows. If you labelled so many of each verdict, "
                "`method` (--method) is stratified; if of known passes and fails, adjusted-count."
            )
    worth = rate.worth_labels
    if worth is not None and worth < rate.n_labelled:
        yield (
            "the judge does not help: the labels alone give an interval as short. It agrees with "
            "people too seldom, or there are too few labels to know."
        )
    if rate.method == "adjusted-count" and _width(rate.pass_rate) > 0.9:
        yield "the labels are too few to know the judge: the interval is nearly all of 0 to 1."


def _width(estimate: Estimate) -> float:
    return max(estimate.high - estimate.low, 1e-12)
