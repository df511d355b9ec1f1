"""Tests and tables of groups of rows and of classes, with p-values that allow for their number."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, inf
from sys import float_info
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from temperance.blocks import report_step
from temperance.checks import as_groups
from temperance.checks.arguments import as_seed
from temperance.checks.arrays import rows_among
from temperance.checks.forms import refuse_other_index
from temperance.checks.labels import kept_rows, labelled_rows
from temperance.frozen import Plain
from temperance.metrics.estimates import (
    Estimate,
    mean_estimate,
    score_estimate,
    share_estimate,
    share_estimates,
)
from temperance.metrics.implied import implied_scores
from temperance.metrics.inputs import Predictions
from temperance.metrics.resampling import draw_labels
from temperance.metrics.z_tests import SHARPNESS, n_clusters, rows_with_weight, score_rows
from temperance.numerics import as_float64, centred_rows, log_probs, places_of, row_maxima
from temperance.significance import CalibrationTest, evident, holm
from temperance.sums import MeanSums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.metrics.estimates import CalibrationError
    from temperance.significance import Direction

__all__ = [
    "ClassResult",
    "GroupResult",
    "GroupTest",
    "class_table",
    "group_score_rows",
    "group_score_tests",
    "group_table",
]

# The p-value of the score test by drawing labels: for few rows, where z is far from normal.


_DRAWS = (200, 1800, 4000, 4000)
_AS_LARGE = 20  # the p-value is then known to about a quarter of itself
_ROUNDING = 1e-9
_LOG_THETA = (-20.0, 20.0)


def simulated_p(rows: Predictions, *, seed: Sequence[int]) -> float:
    """Return how often labels drawn from the probabilities give as large a |z|.

    Besag and Clifford (1991): draws stop when 20 were as large, and the p-value is 20 over their
    number; after 10,000 draws it is (as large + 1) / 10,001. What is rarer than draws can show
    has Chernoff's upper bound as its p-value. Valid at any number of rows.
    """
    scores, of_label = _scores(rows)
    observed = abs(of_label)
    place, as_large = np.arange(len(scores)), 0
    for batch, draws in enumerate(_DRAWS):
        state = np.random.SeedSequence([*seed, batch]).generate_state(1)
        labels = draw_labels(rows.probs, draws, seed=int(state[0]))
        totals = np.abs(scores[place, labels].sum(axis=1))
        reached = np.flatnonzero(totals >= observed * (1.0 - _ROUNDING))
        if as_large + len(reached) >= _AS_LARGE:
            last = int(reached[_AS_LARGE - as_large - 1])
            return _AS_LARGE / (sum(_DRAWS[:batch]) + last + 1)
        as_large += len(reached)
        if as_large == 0 and batch == 0:
            bound = _both_bounds(scores, rows.probs, observed)
            if bound < 1.0 / sum(_DRAWS):
                return bound
    return (as_large + 1) / (sum(_DRAWS) + 1)


def _bound(rows: Predictions) -> float:
    """Return what the p-value of independent rows is at most, without a draw."""
    scores, of_label = _scores(rows)
    return min(1.0, _both_bounds(scores, rows.probs, abs(of_label)))


def _both_bounds(scores: NDArray[np.float64], probs: NDArray[np.float64], observed: float) -> float:
    return sum(_upper_bound(each, probs, observed) for each in (scores, -scores))


def _scores(rows: Predictions) -> tuple[NDArray[np.float64], float]:
    """Weight times temperature score of each row for each label it might have, and their sum.

    The scores, (n, k), are 0 where the probability is; the sum is that of the true labels.
    """
    z = as_float64(rows.logits)
    z = centred_rows(z)
    of_label = z[np.arange(len(z)), rows.labels]
    z = np.where(rows.probs > 0.0, z, 0.0)
    mean = (rows.probs * z).sum(axis=1, keepdims=True)
    w = np.ones(len(z)) if rows.weights is None else rows.weights
    scores = np.where(rows.probs > 0.0, w[:, None] * (mean - z), 0.0)
    return scores, float(w @ (mean[:, 0] - of_label))


def _upper_bound(scores: NDArray[np.float64], probs: NDArray[np.float64], total: float) -> float:
    """Return Chernoff's bound on P(sum of scores >= total), total > 0.

    The least over theta > 0 of E[exp(theta sum)] / exp(theta total); any theta gives a bound.
    """
    from scipy.optimize import minimize_scalar  # noqa: PLC0415

    largest = np.abs(scores).max()
    if largest == 0.0:
        return 1.0  # nothing is left to chance
    if total > float(row_maxima(scores).sum()) * (1.0 + _ROUNDING):
        return 0.0  # no labels of any probability reach it: one of probability 0 has happened
    scores, total, log_p = scores / largest, total / largest, log_probs(probs)

    def log_bound(log_theta: float) -> float:
        tilted = log_p + exp(log_theta) * scores
        top = tilted.max(axis=1)
        logs = np.log(np.exp(tilted - top[:, None]).sum(axis=1)) + top
        return float(logs.sum()) - exp(log_theta) * total

    least = minimize_scalar(log_bound, bounds=_LOG_THETA, method="bounded", options={"xatol": 1e-3})
    return exp(min(float(least.fun), 0.0))


_SIMULATED_BELOW = 500  # rows: from there on p < 0.001 happens in 1 of 1,000 calibrated samples
_FEW_ERRORS = 20.0  # wrong predictions expected: of fewer z is skewed, however many rows there are


@dataclass(frozen=True, slots=True)
class GroupTest(Plain):
    """The score test of one group among several.

    Parameters
    ----------
    group : str
        Its name.
    n : int
        Its rows of weight above 0.
    test : CalibrationTest
        z and the p-value of this group by itself; undefined as `score_test` is, and without rows.
        Where a true class has probability 0, which no calibrated model does, z is the largest
        float and p is 0: this is no group of which nothing is known.
    adjusted_p_value : float or None
        Holm's, over all groups where the test is defined: look at this one to pick out groups.
    """

    json_keys: ClassVar[tuple[str, ...]] = ("group", "n", "test", "adjusted_p_value", "direction")

    group: str
    n: int
    test: CalibrationTest
    adjusted_p_value: float | None

    @property
    def direction(self) -> Direction | None:
        """Which way the group's probabilities err; "neither" where the adjusted p >= 0.05."""
        leaning = self.test.leaning
        return None if leaning is None else evident(leaning, self.adjusted_p_value)


def group_score_tests(
    probs: ArrayLike,
    labels: ArrayLike,
    groups: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    seed: int = 0,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
) -> list[GroupTest]:
    r"""Score test of T = 1 in each group of rows: which groups are too sharp or too flat.

    Parameters
    ----------
    probs : array_like, shape (n, k) or (n,)
        Probabilities in [0, 1], rows summing to 1; (n,) is the probability of class 1. Use
        rows that the calibrator was not fitted on.
    labels : array_like, shape (n,)
        True classes in 0..k-1, or names in `classes`.
    groups : array_like, shape (n,)
        The group of each row: text, or anything that reads as text, none of them missing.
    weights : array_like, shape (n,), optional
        Finite, >= 0. Importance weights, on any scale, as in `score_test`.
    clusters : array_like, shape (n,), optional
        Which rows belong together, as in `score_test`.
    seed : int, default 0
        Of the draws behind the p-values of small groups.
    classes : sequence of str, optional
        Names of the columns, as labels may use them.
    ignore_label : int or str, optional
        Rows of this label are left out.

    Returns
    -------
    list of GroupTest
        One per group, the smallest p-value first, undefined tests last.

    Raises
    ------
    InvalidInputError
        Wrong shape, no rows, a row that does not sum to 1, a label out of range, bad weights, a
        missing group or cluster.

    Notes
    -----
    z is that of `score_test`. Confident models make it skewed in small groups: at 100 rows of a
    VGG on CIFAR-10, p < 0.001 happened in 3 of 1,000 calibrated samples, at 10 rows in 11. So
    below 500 rows the p-value is the share of label sets, drawn from the probabilities, whose
    \|z\| is as large: up to 10,000 of them, fewer once 20 were as large (Besag and Clifford
    1991); what is rarer still has Chernoff's upper bound as its p-value. So a group of one row
    shows no more than the improbability of what happened in it. From 500 rows on, where fewer
    than 20 wrong predictions are expected, the p-value is at least Chernoff's bound. Clusters that
    have one row each in a group are no clusters there; with others the p-value is the larger of
    that and the normal one of z, whose variance is seen between clusters: of a rare event that
    did not happen the clusters show none.

    References
    ----------
    Holm (1979), A Simple Sequentially Rejective Multiple Test Procedure,
    https://www.jstor.org/stable/4615733;
    Besag and Clifford (1991), Sequential Monte Carlo p-values,
    https://doi.org/10.1093/biomet/78.2.301

    Examples
    --------
    Forty rows are 80 % sure of class 1 in each group; it is true in 8 of 10 rows of one group
    and in every other row of the other.

    >>> labels = [1, 1, 1, 1, 0] * 8 + [0, 1] * 20
    >>> tests = group_score_tests([0.8] * 80, labels, ["even"] * 40 + ["odd"] * 40)
    >>> [(each.group, each.n, each.direction) for each in tests][0]
    ('odd', 40, 'over-confident')
    >>> tests[0].adjusted_p_value < 0.01 < tests[1].adjusted_p_value
    True
    """
    refuse_other_index(probs=probs, groups=groups)
    rows = Predictions.check(
        probs, labels, weights, clusters, classes=classes, ignore_label=ignore_label
    )
    keep = labelled_rows(labels, ignore_label)
    with rows_among(keep):
        names, numbers = as_groups(kept_rows(groups, keep, name="groups"), n=len(rows.labels))
    return group_score_rows(rows, names, numbers, seed=as_seed(seed))


def group_score_rows(
    rows: Predictions, names: Sequence[str], numbers: NDArray[np.intp], *, seed: int = 0
) -> list[GroupTest]:
    """Test checked predictions (see `group_score_tests`); row i is in group `names[numbers[i]]`."""
    if rows.weights is not None:
        numbers = numbers[rows.weights > 0]
    rows = rows_with_weight(rows)
    members = places_of(numbers, len(names))
    tests = []
    for number, of in enumerate(members):
        tests.append(_test(rows.taken(of), seed=[seed, number]))
        report_step("testing groups", number + 1, len(members))
    adjusted = iter(holm([test.p_value for test in tests if test.p_value is not None]))
    results = [
        GroupTest(name, len(of), test, None if test.p_value is None else next(adjusted))
        for name, of, test in zip(names, members, tests, strict=True)
    ]
    return sorted(results, key=_worst_first)


def _test(rows: Predictions, *, seed: list[int]) -> CalibrationTest:
    if len(rows.labels) == 0:
        return CalibrationTest.undefined("score", "no row has a weight above 0")
    if rows.clusters is not None and n_clusters(rows) == len(rows.labels):
        rows = replace(rows, clusters=None)  # of one row each
    test = score_rows(rows)
    if np.isinf(rows.log_loss).any():  # it happened: z has no end
        return CalibrationTest.normal("score", 1.0, 0.0, SHARPNESS)
    if test.p_value is None or test.statistic is None or abs(test.statistic) == float_info.max:
        return test
    clustered = rows.clusters is not None
    rows = replace(rows, clusters=None)
    if len(rows.labels) < _SIMULATED_BELOW:
        p_value = simulated_p(rows, seed=seed)
    else:
        p_value = score_rows(rows).p_value or 0.0
        if float((1.0 - rows.confidence).sum()) < _FEW_ERRORS:
            p_value = max(p_value, _bound(rows))
    return replace(test, p_value=max(p_value, test.p_value) if clustered else p_value)


def _worst_first(result: GroupTest) -> tuple[float, float, str]:
    """Sort key: the p-value, then |z| where p-values are equal, then the name."""
    test = result.test
    if test.p_value is None or test.statistic is None:
        return 2.0, 0.0, result.group
    return test.p_value, -abs(test.statistic), result.group


# Each group by itself: what it claims, how often it is right, and whether that is chance.


@dataclass(frozen=True, slots=True)
class GroupResult:
    """One group: its accuracy, its mean confidence, its log loss, and the score test of T = 1."""

    name: str
    n: int  # rows of weight above 0
    accuracy: Estimate
    confidence: Estimate  # best where it is the accuracy
    log_loss: Estimate
    score_test: GroupTest  # with Holm's correction over all groups

    @property
    def differs(self) -> bool:
        """Whether its probabilities are not calibrated, at 5 % over all groups together."""
        p_value = self.score_test.adjusted_p_value
        return p_value is not None and p_value < 0.05

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON."""
        return {
            "accuracy": self.accuracy.to_dict(),
            "confidence": self.confidence.to_dict(),
            "log_loss": self.log_loss.to_dict(),
            **self.score_test.to_dict(),
        }


def group_table(
    rows: Predictions, names: Sequence[str], numbers: NDArray[np.intp], *, seed: int
) -> tuple[GroupResult, ...]:
    """Return every group that has a row of weight above 0, worst first.

    Row i is in group `names[numbers[i]]`.
    """
    number_of = {name: number for number, name in enumerate(names)}
    members = places_of(numbers, len(names))
    results = []
    for test in group_score_rows(rows, names, numbers, seed=seed):
        if test.n == 0:
            continue
        own = rows.taken(members[number_of[test.group]])
        values = np.stack([own.correct, own.confidence, own.log_loss], axis=1, dtype=np.float64)
        if own.weights is not None:
            values[own.weights == 0] = 0.0  # 0 * inf
        sums = MeanSums.of(values, own.weights, own.clusters)
        implied = implied_scores(own, values[:, 2:])
        results.append(
            GroupResult(
                name=test.group,
                n=test.n,
                accuracy=share_estimate(sums, 0),
                confidence=mean_estimate(sums, 1, bounds=(0.0, 1.0)),
                log_loss=score_estimate(sums, 2, implied, 0, highest=inf),
                score_test=test,
            )
        )
    return tuple(results)


# Each class by itself: how often it is said, how often it is true.


@dataclass(frozen=True, slots=True)
class ClassResult:
    """One class: its frequency, its mean probability, and the error of its probabilities."""

    number: int
    n: int  # rows whose true class it is
    frequency: Estimate  # share of rows whose true class it is
    probability: float  # mean probability it is given; best where it is the frequency
    error: CalibrationError  # ECE of this class's own probability

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON."""
        return {
            "class": self.number,
            "n": self.n,
            "frequency": self.frequency.to_dict(),
            "probability": self.probability,
            "error": self.error.to_dict(),
        }


def class_table(rows: Predictions, errors: Sequence[CalibrationError]) -> tuple[ClassResult, ...]:
    """Return every class in its order, with its calibration error."""
    k = rows.shape[1]
    counts = np.bincount(rows.labels, minlength=k).tolist()
    probability = np.average(rows.probs, axis=0, weights=rows.weights).tolist()
    shares = share_estimates(_label_sums(rows))
    columns = enumerate(zip(counts, shares, probability, errors, strict=True))
    return tuple(ClassResult(j, *each) for j, each in columns)


def _label_sums(rows: Predictions) -> MeanSums:
    """Return what `MeanSums.of` gives of each class's indicator, without a number per row."""
    w = np.ones(len(rows.labels)) if rows.weights is None else rows.weights
    labels, units, total, of_rows = rows.labels, w, w, float(w @ w)
    if rows.clusters is not None:
        units = np.bincount(rows.clusters, w).astype(np.float64)
        pairs, at = np.unique(labels * len(units) + rows.clusters, return_inverse=True)
        total = np.bincount(at, w).astype(np.float64)  # w x of a class and a cluster that meet
        labels, cluster = np.divmod(pairs, len(units))
        w = units[cluster]

    def of_class(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(labels, values, rows.shape[1]).astype(np.float64)

    return MeanSums(
        float(units.sum()), float(units @ units), of_class(total), of_class(w * total),
        of_class(total * total), of_rows,
    )  # fmt: skip
