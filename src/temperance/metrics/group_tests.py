"""The score test in each group of rows, with p-values that allow for the number of groups."""

from __future__ import annotations

from dataclasses import dataclass, replace
from sys import float_info
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.blocks import report_step
from temperance.checks import as_groups
from temperance.checks.arrays import rows_among
from temperance.checks.frames import refuse_other_index
from temperance.checks.ignored import kept_rows, labelled_rows
from temperance.checks.numbers import as_seed
from temperance.metrics.inputs import Predictions
from temperance.metrics.row_scores import counted, taken
from temperance.metrics.simulated_p import simulated_p
from temperance.metrics.z_tests import SHARPNESS, score_rows
from temperance.numerics import places_of
from temperance.significance import CalibrationTest, evident, holm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.significance import Direction

__all__ = ["GroupTest", "group_score_rows", "group_score_tests"]

_SIMULATED_BELOW = 500  # rows: from there on p < 0.001 happens in 1 of 1,000 calibrated samples


@dataclass(frozen=True, slots=True)
class GroupTest:
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

    group: str
    n: int
    test: CalibrationTest
    adjusted_p_value: float | None

    @property
    def direction(self) -> Direction | None:
        """Which way the group's probabilities err; "neither" where the adjusted p >= 0.05."""
        leaning = self.test.leaning
        return None if leaning is None else evident(leaning, self.adjusted_p_value)

    def to_dict(self) -> dict[str, Any]:
        """Return all fields for JSON: finite numbers, text and None."""
        return {
            "group": self.group,
            "n": self.n,
            "test": self.test.to_dict(),
            "adjusted_p_value": self.adjusted_p_value,
            "direction": self.direction,
        }


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
    shows no more than the improbability of what happened in it. With clusters the p-value is
    always the normal one.

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
    counts = np.ones(len(numbers), dtype=bool) if rows.weights is None else rows.weights > 0
    rows, numbers = counted(rows), numbers[counts]
    members = places_of(numbers, len(names))
    tests = []
    for number, of in enumerate(members):
        tests.append(_test(taken(rows, of), seed=[seed, number]))
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
    test = score_rows(rows)
    if np.isinf(rows.log_loss).any():  # it happened: z has no end
        return CalibrationTest.normal("score", 1.0, 0.0, SHARPNESS)
    possible = test.statistic is not None and abs(test.statistic) < float_info.max
    if possible and rows.clusters is None and len(rows.labels) < _SIMULATED_BELOW:
        return replace(test, p_value=simulated_p(rows, seed=seed))
    return test


def _worst_first(result: GroupTest) -> tuple[float, float, str]:
    """Sort key: the p-value, then |z| where p-values are equal, then the name."""
    test = result.test
    if test.p_value is None or test.statistic is None:
        return 2.0, 0.0, result.group
    return test.p_value, -abs(test.statistic), result.group
