"""Score tests of many parameters at once: a temperature and a bias for each class."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import reduce
from sys import float_info
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np

from temperance.checks.row_values import in_effective_rows
from temperance.crossfit import are_drawn
from temperance.frozen import Plain
from temperance.kernels.affine import joint_scores, joint_sums
from temperance.metrics.cox import CoxTest, cox_rows
from temperance.metrics.inputs import Predictions
from temperance.metrics.z_tests import (
    calibration_in_the_large_rows,
    impossible_labels,
    n_clusters,
    rows_with_weight,
    score_rows,
    spiegelhalter_rows,
)
from temperance.numerics import BLOCK_ELEMENTS, row_blocks
from temperance.printable import count_text, digits_text
from temperance.significance import CalibrationTest, evident, holm

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.kernels.affine import JointSums
    from temperance.sums import MeanSums

Test = TypeVar("Test", bound=CalibrationTest)

__all__ = [
    "CalibrationTests",
    "Events",
    "calibration_tests",
    "class_bias_rows",
    "class_bias_test",
    "joint_rows",
    "joint_score_rows",
    "joint_score_test",
    "joint_test",
    "too_many_classes",
]

MOST_CLASSES = 2000  # a covariance of 32 MB
_WORK = 40_000_000_000  # products of two probabilities: some seconds
_LEAST_ROWS = 10_000
_RANK_TOLERANCE = 1e-11  # share of a score's variance that the others leave: less is rounding
_OUTSIDE = 1e-4  # z in a direction without variance that rounding cannot explain


def joint_score_test(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
) -> CalibrationTest:
    r"""Test of T = 1 and no class biases together: finds what a temperature alone cannot mend.

    Parameters
    ----------
    probs : array_like, shape (n, k) or (n,)
        Probabilities in [0, 1], rows summing to 1; (n,) is the probability of class 1. Use
        rows that the calibrator was not fitted on.
    labels : array_like, shape (n,)
        True classes in 0..k-1, or names in `classes`.
    weights : array_like, shape (n,), optional
        Finite, >= 0. Importance weights, on any scale: a row of weight 2 does not count as two
        rows, because nothing new was seen.
    clusters : array_like, shape (n,), optional
        Which rows belong together. With it the covariance is seen between clusters, which
        takes many times more clusters than classes.
    classes : sequence of str, optional
        Names of the columns, as labels may use them.
    ignore_label : int or str, optional
        Rows of this label are left out.

    Returns
    -------
    CalibrationTest
        Chi-square with one degree of freedom per direction that the data can show: k (the
        temperature and k - 1 biases), fewer if a class never has a probability above 0 or the
        logits hardly vary. Undefined if a true class has probability 0, if all probabilities
        are 0 or 1, with more than 2,000 classes (the covariance is k x k), and with no more
        clusters than classes.

    Raises
    ------
    InvalidInputError
        Wrong shape, no rows, a row that does not sum to 1, a label out of range, bad weights, a
        missing cluster.

    Notes
    -----
    :math:`U^T V^{-1} U` with
    :math:`U = \sum_i w_i (\log p_{i y_i} - E_{p_i}[\log p_i],\; 1[y_i = k] - p_{ik})` and V its
    covariance if labels are drawn from p, :math:`\sum_i w_i^2 \mathrm{Cov}_{p_i}`; with clusters,
    the sum of outer products of their scores. Rao's score test of bias-corrected temperature
    scaling: the slope of its likelihood where it changes nothing. V is singular (the biases sum
    to 0), so its pseudo-inverse is used, and its rank counts.

    References
    ----------
    Rao (1948), Large sample tests of statistical hypotheses concerning several parameters,
    https://doi.org/10.1017/S0305004100023987

    Examples
    --------
    Class 1 is foretold at 1/2 and at 4/5, and both times it is class 0.

    >>> test = joint_score_test([0.5, 0.8], [0, 0])
    >>> round(test.statistic, 12), test.degrees_of_freedom  # 0.5^2 / 0.25 + 0.8^2 / 0.16
    (5.0, 2)
    """
    return joint_score_rows(
        Predictions.check(
            probs, labels, weights, clusters, classes=classes, ignore_label=ignore_label
        )
    )


def joint_score_rows(rows: Predictions) -> CalibrationTest:
    """Test checked predictions (see `joint_score_test`); from logits it is exact."""
    return _joint_scores(rows).test("joint-score", first=0)


def class_bias_test(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
) -> CalibrationTest:
    r"""Test of class biases: whether each class is as frequent as its probabilities say in total.

    Parameters
    ----------
    probs : array_like, shape (n, k) or (n,)
        Probabilities in [0, 1], rows summing to 1; (n,) is the probability of class 1.
    labels : array_like, shape (n,)
        True classes in 0..k-1, or names in `classes`.
    weights : array_like, shape (n,), optional
        Finite, >= 0. Importance weights, on any scale, as in `joint_score_test`.
    clusters : array_like, shape (n,), optional
        Which rows belong together, as in `joint_score_test`.
    classes : sequence of str, optional
        Names of the columns, as labels may use them.
    ignore_label : int or str, optional
        Rows of this label are left out.

    Returns
    -------
    CalibrationTest
        Chi-square with k - 1 degrees of freedom, fewer if a class never has a probability
        above 0. For two classes it is the square of calibration in the large. Undefined as
        `joint_score_test` is.

    Raises
    ------
    InvalidInputError
        Wrong shape, no rows, a row that does not sum to 1, a label out of range, bad weights, a
        missing cluster.

    Notes
    -----
    As `joint_score_test` without the temperature: :math:`U_k = \sum_i w_i (1[y_i = k] - p_{ik})`.

    References
    ----------
    Rao (1948), Large sample tests of statistical hypotheses concerning several parameters,
    https://doi.org/10.1017/S0305004100023987

    Examples
    --------
    Class 1 is expected 3.2 times of four with variance 0.64, and seen twice: 1.2^2 / 0.64.

    >>> test = class_bias_test([0.8, 0.8, 0.8, 0.8], [1, 1, 0, 0])
    >>> round(test.statistic, 12), test.degrees_of_freedom
    (2.25, 1)
    """
    return class_bias_rows(
        Predictions.check(
            probs, labels, weights, clusters, classes=classes, ignore_label=ignore_label
        )
    )


def class_bias_rows(rows: Predictions) -> CalibrationTest:
    """Test checked predictions (see `class_bias_test`)."""
    return _joint_scores(rows).test("class-bias", first=1)


@dataclass(frozen=True, slots=True, eq=False)
class _JointScores:
    """The sum of the rows' scores and its covariance, or why there is none."""

    score: NDArray[np.float64] | None = None  # (1 + k,): of the temperature, then of each class
    covariance: NDArray[np.float64] | None = None
    reason: str | None = None
    n_rows: int | None = None  # that were looked at, where not all were

    def of_all(self, rows: Predictions) -> bool:
        """Whether variances are those of each class's number of rows, of all rows as they are."""
        plain_rows = rows.weights is None and rows.clusters is None
        return plain_rows and self.covariance is not None and self.n_rows is None

    def test(self, name: str, *, first: int) -> CalibrationTest:
        """Test the scores from parameter `first` on; parameter 0 is the temperature."""
        if self.score is None or self.covariance is None:
            return CalibrationTest.undefined(name, self.reason or "")
        test = joint_test(name, self.score, self.covariance, first=first)
        return replace(test, n_rows=self.n_rows)


def _joint_scores(rows: Predictions) -> _JointScores:
    """Return what both tests of the classes are made of, in one pass over the rows."""
    rows = rows_with_weight(rows)
    k = rows.shape[1]
    reason = too_many_classes(k) or impossible_labels(rows)
    if reason is None and rows.clusters is not None and (n_clusters(rows) or 0) <= k:
        reason = (
            f"{count_text(n_clusters(rows) or 0, 'cluster')} cannot show the covariance of {k} "
            "classes"
        )
    if reason is not None:
        return _JointScores(reason=reason)
    if rows.clusters is not None:
        return _JointScores(*_between_clusters(rows, rows.clusters))
    n = len(rows.labels)
    order = np.flatnonzero(are_drawn(0, n, of=n, most=joint_rows(k)))
    sums = reduce(
        lambda left, right: left.merge(right),
        (joint_sums(*block) for block in _blocks(rows, order)),
    )
    return _JointScores(sums.score, sums.covariance, n_rows=len(order) if len(order) < n else None)


def too_many_classes(k: int) -> str | None:
    """Return why there is no test of `k` classes; None if there is."""
    if k <= MOST_CLASSES:
        return None
    return f"{k} classes: the {k} x {k} covariance is made up to {MOST_CLASSES} only"


def joint_rows(k: int) -> int:
    """Return on how many rows, at most, the classes are tested together: their work is n k^2.

    40,000 of 1,000 classes, 4 million of 100. Rows that are drawn whatever their labels give a
    valid test.
    """
    if too_many_classes(k):
        return 0
    return max(_LEAST_ROWS, _WORK // (k * k))


def joint_test(
    name: str, score: NDArray[np.float64], covariance: NDArray[np.float64], *, first: int
) -> CalibrationTest:
    """Test a sum of scores by its covariance, from parameter `first` on."""
    return CalibrationTest.chi_square(name, *_solve(score[first:], covariance[first:, first:]))


def _blocks(
    rows: Predictions, order: NDArray[np.intp]
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.float64] | None]]:
    """Yield (logits, labels, weights) of blocks of rows, in that order.

    A block has about as many rows as classes at least, so that its k x k product outweighs
    the addition of the k x k sums.
    """
    logits, k = rows.logits, rows.shape[1]
    step = max(BLOCK_ELEMENTS // k, k // 2)
    for start in range(0, len(order), step):
        take = order[start : start + step]
        yield logits[take], rows.labels[take], None if rows.weights is None else rows.weights[take]


def _between_clusters(
    rows: Predictions, clusters: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the sum of the scores, and the sum over clusters of outer products of their sums."""
    order = np.argsort(clusters, kind="stable")
    dimension = rows.shape[1] + 1
    total, covariance = np.zeros(dimension), np.zeros((dimension, dimension))
    open_sum, start = np.zeros(dimension), 0  # of the cluster that a block may have cut
    for block in _blocks(rows, order):
        scores = joint_scores(*block)
        of_row = clusters[order[start : start + len(scores)]]
        starts = np.flatnonzero(np.diff(of_row, prepend=-1))
        sums = np.add.reduceat(scores, starts, axis=0)
        if start and of_row[0] == clusters[order[start - 1]]:
            sums[0] += open_sum
        else:
            covariance += np.outer(open_sum, open_sum)
        covariance += sums[:-1].T @ sums[:-1]
        open_sum = sums[-1]
        total += scores.sum(axis=0)
        start += len(scores)
    return total, covariance + np.outer(open_sum, open_sum)


def _solve(score: NDArray[np.float64], covariance: NDArray[np.float64]) -> tuple[float, int]:
    """Return U' V^+ U and the rank of V, by a Cholesky decomposition with pivots."""
    from scipy.linalg import solve_triangular  # noqa: PLC0415
    from scipy.linalg.lapack import dpstrf  # noqa: PLC0415

    scale = np.sqrt(covariance.diagonal())
    scale[scale == 0.0] = 1.0
    correlation = covariance / scale / scale[:, None]
    factor, order, rank, _ = dpstrf(correlation, lower=1, tol=_RANK_TOLERANCE)
    factor, z = np.tril(factor), (score / scale)[order - 1]
    explained = np.zeros(0)
    if rank:
        explained = solve_triangular(factor[:rank, :rank], z[:rank], lower=True)
    residual = np.abs(z[rank:] - factor[rank:, :rank] @ explained).max(initial=0.0)
    if residual > _OUTSIDE * max(1.0, float(np.abs(z).max())):
        return float_info.max, max(rank, 1)  # an event of probability 0 happened
    with np.errstate(over="ignore"):  # an event of probability 1e-320
        return min(float(explained @ explained), float_info.max), int(rank)


# Whether rows hold enough chance for tests whose distribution is a limit: events, not rows.


_FEWEST = 3.0  # wrong predictions, expected or observed
_FEWEST_PER_CLASS = 0.5
_ENOUGH_BETWEEN_CLUSTERS = 50.0  # wrong predictions expected: clusters then show variance
_NEVER = 0.01  # events of all classes together that are never to be expected


@dataclass(frozen=True, slots=True)
class Events:
    r"""How many outcomes that chance decides there are, expected by the probabilities or observed.

    Parameters
    ----------
    n : int
        Rows.
    expected, observed : float
        Wrong predictions, in effective rows; expected is the sum of 1 - confidence.
    per_class : float
        The harmonic mean over classes of the variance of the number of rows of a class,
        :math:`\sum_i p_{ij} (1 - p_{ij})`, or of the distance of that number from its expectation
        where that is larger. Classes of a variance below 0.01 / k do not count.

    Notes
    -----
    Where fewer than three predictions are wrong, and fewer than three should be, one error decides
    a sum: labels drawn from the probabilities of two to 100 rows then had a corrected
    p-value below .05 in up to .23 of samples (ten classes, 99.7 % right, 100 rows). A chi-square
    statistic has variance 2 d + :math:`\sum_j 1 / v_j`, so its distribution needs v_j of about 1/2
    or more. With both rules the family of tests held .05.
    """

    n: int
    expected: float
    observed: float
    per_class: float

    @classmethod
    def of(cls, rows: Predictions, scores: _JointScores | None = None) -> Self:
        """Return the events of rows; the `scores` of all of them spare a look at every number."""
        w = np.ones(len(rows.labels))
        if scores is not None and scores.of_all(rows):
            assert scores.score is not None  # noqa: S101  (`of_all`)
            assert scores.covariance is not None  # noqa: S101
            return cls(
                len(w),
                float(w @ (1.0 - rows.confidence)),
                float(w @ ~rows.correct),
                _per_class(scores.covariance.diagonal()[1:], np.abs(scores.score[1:])),
            )
        if rows.weights is not None:
            w = in_effective_rows(rows.weights)
        variance = np.zeros(rows.shape[1])
        for some in row_blocks(rows.probs):
            variance += (w[some] * w[some]) @ (rows.probs[some] * (1.0 - rows.probs[some]))
        happened = np.bincount(rows.labels, w, rows.shape[1])
        return cls(
            len(w),
            float(w @ (1.0 - rows.confidence)),
            float(w @ ~rows.correct),
            _per_class(variance, np.abs(happened - w @ rows.probs)),
        )

    @classmethod
    def of_sums(
        cls, n: int, means: MeanSums, joint: JointSums | None, *, accuracy: int, confidence: int
    ) -> Self:
        """Return the events of sums; `accuracy` and `confidence` are places in `means`."""
        scale = means.weight / means.squared_weight
        rows = scale * means.weight
        per_class = 0.0
        if joint is not None:
            variance = scale * scale * joint.covariance.diagonal()[1:]
            per_class = _per_class(variance, scale * np.abs(joint.score[1:]))
        return cls(
            n, rows * (1.0 - means.mean(confidence)), rows * (1.0 - means.mean(accuracy)), per_class
        )

    @property
    def too_few(self) -> str | None:
        """Why no test of a sum over rows is to be read; None if one may be."""
        if max(self.expected, self.observed) >= _FEWEST:
            return None
        rows = count_text(self.n, "row")
        return (
            f"too few wrong predictions to say ({digits_text(self.observed, 3)} of {rows}, "
            f"{digits_text(self.expected, 2)} expected; {_FEWEST:g} or more are needed)"
        )

    @property
    def too_few_per_class(self) -> str | None:
        """Why no test of every class is to be read; None if one may be."""
        if self.too_few or self.per_class >= _FEWEST_PER_CLASS:
            return self.too_few
        return (
            f"too few rows a class to say (the number of a class varies by chance with variance "
            f"{digits_text(self.per_class, 2)}; {_FEWEST_PER_CLASS:g} or more is needed)"
        )

    def allowed(self, tests: CalibrationTests) -> CalibrationTests:
        """Return the tests without those that so few events do not allow.

        A test that an impossible outcome decides stays: that has probability 0 on any rows.
        """
        return replace(
            tests,
            score=_unless(tests.score, self.too_few),
            class_bias=_unless(tests.class_bias, self.too_few_per_class),
            joint=_unless(tests.joint, self.too_few_per_class),
            in_the_large=_unless(tests.in_the_large, self.too_few),
            spiegelhalter=_unless(tests.spiegelhalter, self.too_few),
        )


def _per_class(variance: NDArray[np.float64], gap: NDArray[np.float64]) -> float:
    occurring = variance > _NEVER / len(variance)
    if not occurring.any():
        return 0.0
    return float(1.0 / np.mean(1.0 / np.maximum(variance, gap)[occurring]))


def _unless(test: CalibrationTest, reason: str | None) -> CalibrationTest:
    if reason is None or test.statistic is None or abs(test.statistic) == float_info.max:
        return test
    return CalibrationTest.undefined(test.name, reason)


# All tests of calibration of one set of predictions.


LEVEL = 0.05  # of the verdict


@dataclass(frozen=True, slots=True)
class CalibrationVerdict(Plain):
    """The one answer of several tests: whether any refutes calibration, read for their number."""

    calibrated: bool  # no test refutes it; that is no proof
    test: str  # the name of the test with the smallest p-value
    adjusted_p_value: float  # its p-value, corrected by Holm for the number of tests
    n_tests: int  # that the data allow


@dataclass(frozen=True, slots=True)
class CalibrationTests:
    """Tests of one hypothesis, that the probabilities are calibrated, each with other eyes.

    One in twenty of the p-values of a calibrated model is below 0.05. Shown are those corrected
    for their number (Holm), of which in at most 5 % of data sets any is; the `verdict` is the
    smallest of them. Where too few events decide, the tests whose distribution is a limit are left
    out with their reason (`Events`); those by resampling, which are exact, stay.
    """

    score: CalibrationTest  # of T = 1: too sharp or too flat
    class_bias: CalibrationTest  # of classes said too often or too seldom
    joint: CalibrationTest  # of both at once
    in_the_large: CalibrationTest  # mean probability against frequency
    spiegelhalter: CalibrationTest  # of the Brier score
    cox: CoxTest  # of a logistic line through the log-odds
    ece_p_value: float  # by consistency resampling
    miscalibration_p_value: float  # of the CORP curve, by consistency resampling

    def __iter__(self) -> Iterator[CalibrationTest]:
        """Yield the tests that have a statistic."""
        return iter([getattr(self, field.name) for field in fields(self)[:-2]])

    @property
    def p_values(self) -> dict[str, float | None]:
        """The p-value of each test by its name, as if it were the only one; None if undefined."""
        return {
            **{test.name: test.p_value for test in self},
            "ece": self.ece_p_value,
            "miscalibration": self.miscalibration_p_value,
        }

    @property
    def adjusted_p_values(self) -> dict[str, float | None]:
        """The same, corrected by Holm for the number of tests that are defined."""
        defined = {name: p for name, p in self.p_values.items() if p is not None}
        adjusted = dict(zip(defined, holm(list(defined.values())), strict=True))
        return {name: adjusted.get(name) for name in self.p_values}

    @property
    def verdict(self) -> CalibrationVerdict:
        """What all tests say together, at 5 %."""
        adjusted = {name: p for name, p in self.adjusted_p_values.items() if p is not None}
        p_values = self.p_values
        smallest = min(adjusted, key=lambda name: (adjusted[name], p_values[name]))
        p_value = adjusted[smallest]
        return CalibrationVerdict(p_value > LEVEL, smallest, p_value, len(adjusted))

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON."""
        adjusted = self.adjusted_p_values
        tests = {test.name: test.to_dict() for test in self}
        for each in tests.values():
            if each["direction"] is not None:
                each["direction"] = evident(each["direction"], adjusted[each["name"]])
        tests |= {name: {"p_value": self.p_values[name]} for name in ("ece", "miscalibration")}
        return {name: {**each, "adjusted_p_value": adjusted[name]} for name, each in tests.items()}


def calibration_tests(
    rows: Predictions, *, ece_p_value: float, miscalibration_p_value: float
) -> CalibrationTests:
    """Return all tests; those that the data do not allow, or too few events, say why.

    Clusters show no variance of rare events that did not happen. Where fewer than 50 wrong
    predictions are expected, p-values are no smaller than those of independent rows.
    """
    scores = _joint_scores(rows)
    tests = _tests(rows, scores, ece_p_value, miscalibration_p_value)
    events = Events.of(rows, scores)
    if rows.clusters is not None and events.expected < _ENOUGH_BETWEEN_CLUSTERS:
        alone = replace(rows, clusters=None)
        of_rows = _tests(alone, _joint_scores(alone), ece_p_value, miscalibration_p_value)
        tests = _no_smaller(tests, of_rows)
    return events.allowed(tests)


def _tests(
    rows: Predictions, scores: _JointScores, ece_p_value: float, miscalibration_p_value: float
) -> CalibrationTests:
    return CalibrationTests(
        score=score_rows(rows),
        class_bias=scores.test("class-bias", first=1),
        joint=scores.test("joint-score", first=0),
        in_the_large=calibration_in_the_large_rows(rows),
        spiegelhalter=spiegelhalter_rows(rows),
        cox=cox_rows(rows),
        ece_p_value=ece_p_value,
        miscalibration_p_value=miscalibration_p_value,
    )


def _no_smaller(tests: CalibrationTests, others: CalibrationTests) -> CalibrationTests:
    """Return tests with p-values no smaller than those of others."""
    return replace(
        tests,
        score=_larger(tests.score, others.score),
        class_bias=_larger(tests.class_bias, others.class_bias),
        joint=_larger(tests.joint, others.joint),
        in_the_large=_larger(tests.in_the_large, others.in_the_large),
        spiegelhalter=_larger(tests.spiegelhalter, others.spiegelhalter),
        cox=_larger(tests.cox, others.cox),
    )


def _larger(test: Test, other: CalibrationTest) -> Test:
    """Return a test with the p-value of another, where both have one and that is larger."""
    if test.p_value is None or other.p_value is None or other.p_value <= test.p_value:
        return test
    return replace(test, p_value=other.p_value)
