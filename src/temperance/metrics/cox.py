"""Cox's test: a line through the log-odds should have intercept 0 and slope 1."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, log1p, sqrt
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from temperance.errors import NoOptimumError
from temperance.logistic_regression import LogisticRegression, fit_logistic
from temperance.metrics.events import named_event
from temperance.metrics.inputs import Predictions
from temperance.metrics.z_tests import log_odds, rows_with_weight
from temperance.numerics import two_sided_p
from temperance.printable import count_text
from temperance.significance import CalibrationTest, evident

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.metrics.events import EventName
    from temperance.significance import Direction

    Vector = NDArray[np.float64]

__all__ = [
    "SEPARATED",
    "CoxTest",
    "LogisticLine",
    "cox_rows",
    "cox_test",
    "line_test",
    "refuted_reason",
    "refuted_test",
    "why_no_line",
]

# The line of a logistic regression: its fit, its covariance, its likelihood ratio.


_SINGULAR = 1e-12  # 1 - correlation^2 of two scores that rounding cannot tell from 0
_FEWEST_CLUSTERS = 3  # their scores sum to 0 at the fit: two of them lie on one line
_NO_MORE_CLUSTERS = 2.0  # effective number, of which two sums have no covariance


@dataclass(frozen=True, slots=True, eq=False)
class LogisticLine:
    """P(hit) = sigmoid(a + b x) on n rows; `x` of mean about 0 and spread about 1.

    Parameters of all methods are vectors (a, b).
    """

    x: Vector  # (n,)
    hit: NDArray[np.bool_]  # (n,)
    weights: Vector | None  # (n,): importance weights, the largest 1
    clusters: NDArray[np.intp] | None  # (n,): numbers of rows that belong together
    squared_weights: Vector | None = None  # (n,): sums of w^2, where `weights` are sums of w

    def fit(self) -> Vector | None:
        """Return the maximum of the likelihood; None if it is (nearly) infinite."""
        rows = self._rows
        try:
            return fit_logistic(rows.features, rows.targets, rows.weights).coefficients
        except NoOptimumError:
            return None

    def log_likelihood(self, at: Vector) -> float:
        """Return the weighted sum of log probabilities of what happened."""
        return -self._rows.loss(at)

    def inverse_information(self, at: Vector) -> NDArray[np.float64] | None:
        """Return the inverse curvature of the likelihood, (2, 2); None if it is singular."""
        return self._rows.covariance(at)

    def covariance(self, at: Vector) -> NDArray[np.float64] | None:
        """Return the sandwich covariance of a fit; None if too few rows or clusters show it.

        Without weights and clusters it is the inverse of the information.
        """
        rows = self._rows
        inverse = rows.covariance(at)
        if inverse is None or not self._is_sandwich:
            return inverse
        if self.clusters is None:
            meat = rows.information(at, self._squared_weights)
        else:
            if len(np.unique(self.clusters)) < _FEWEST_CLUSTERS:
                return None
            sums = np.zeros((self.clusters.max() + 1, 2))
            np.add.at(sums, self.clusters, rows.scores(at))
            meat = sums.T @ sums
        information = rows.information(at)
        if np.linalg.det(meat) <= _SINGULAR * information[0, 0] * information[1, 1]:
            return None
        return np.asarray(inverse @ meat @ inverse)

    def likelihood_ratio(
        self, fitted: Vector, null: Vector, covariance: NDArray[np.float64]
    ) -> float:
        """Return 2 (L(fitted) - L(null)), scaled to the curvature that `covariance` implies."""
        gain = 2.0 * max(self.log_likelihood(fitted) - self.log_likelihood(null), 0.0)
        away = fitted - null
        if not self._is_sandwich or not away.any():
            return gain
        curvature = float(away @ self._rows.information(fitted) @ away)
        return gain * float(away @ np.linalg.solve(covariance, away)) / curvature

    @property
    def n_clusters(self) -> float:
        """Effective number of clusters, (sum w)^2 / sum w^2; infinite of independent rows."""
        if self.clusters is None:
            return inf
        weight = np.bincount(self.clusters, self.weights).astype(np.float64)
        return float(weight.sum() ** 2 / (weight @ weight))

    @property
    def _is_sandwich(self) -> bool:
        return self.weights is not None or self.clusters is not None

    @property
    def _rows(self) -> LogisticRegression:
        features = np.stack([np.ones(len(self.x)), self.x], axis=1)
        return LogisticRegression(features, self.hit.astype(np.float64), self._weights)

    @property
    def _weights(self) -> Vector:
        return np.ones(len(self.x)) if self.weights is None else self.weights

    @property
    def _squared_weights(self) -> Vector:
        return self._weights**2 if self.squared_weights is None else self.squared_weights


_ROUNDING = 1e-12  # log-odds that differ by less are equal
SEPARATED = "a threshold parts the rows where the event happened from the others (or nearly so)"
_NO_SPREAD = "too few clusters, or rows that carry weight, to see how chance moves the line"


@dataclass(frozen=True, slots=True)
class CoxTest(CalibrationTest):
    """Cox's test with the line it fits; the four numbers are None where it is undefined.

    Parameters
    ----------
    intercept : float or None
        Log-odds of the event where its probability is 1/2; 0 is best, below 0 = it happens too
        rarely there.
    slope : float or None
        1 is best; below 1 = over-confident, above 1 = under-confident.
    intercept_standard_error, slope_standard_error : float or None
        In the same units.
    n_clusters : float or None
        Effective number of clusters; None where rows are independent.
    """

    json_keys: ClassVar[tuple[str, ...]] = (
        *CalibrationTest.json_keys, "intercept", "slope", "intercept_standard_error",
        "slope_standard_error",
    )  # fmt: skip

    intercept: float | None = None
    slope: float | None = None
    intercept_standard_error: float | None = None
    slope_standard_error: float | None = None
    n_clusters: float | None = None

    @property
    def direction(self) -> Direction | None:
        """Which way the slope errs; "neither" where it or the whole line has p >= 0.05."""
        if self.leaning is None or self.slope is None or self.slope_standard_error is None:
            return self.leaning
        if not self.slope_standard_error > 0.0:
            return evident(self.leaning, self.p_value)
        freedom = inf if self.n_clusters is None else self.n_clusters - 1.0
        of_slope = two_sided_p((self.slope - 1.0) / self.slope_standard_error, freedom)
        return evident(evident(self.leaning, of_slope), self.p_value)


def cox_test(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    event: EventName | None = None,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
) -> CoxTest:
    r"""Cox's test: logistic regression of an event on the log-odds that the model gave it.

    Parameters
    ----------
    probs : array_like, shape (n, k) or (n,)
        Probabilities in [0, 1], rows summing to 1; (n,) is the probability of class 1. Use
        rows that the calibrator was not fitted on.
    labels : array_like, shape (n,)
        True classes in 0..k-1, or names in `classes`.
    event : "predicted" or class, optional
        What is foretold: that the predicted class is right, or that the true class is this one
        (by its number or name).
        Default: class 1 of two classes, else the top label.
    weights : array_like, shape (n,), optional
        Finite, >= 0. Importance weights, on any scale: a row of weight 2 does not count as two
        rows, because nothing new was seen.
    clusters : array_like, shape (n,), optional
        Which rows belong together. With it the variance is seen between clusters.
    classes : sequence of str, optional
        Names of the columns, as labels may use them.
    ignore_label : int or str, optional
        Rows of this label are left out.

    Returns
    -------
    CoxTest
        Chi-square with 2 degrees of freedom for intercept = 0 and slope = 1, and the fitted
        line; `direction` is that of the slope, where it is evident. Undefined if the event
        always or never happens, if a threshold on its probability parts the rows where it
        happens from the others (the slope is infinite), if all log-odds are equal, if an event
        of probability 0 happened, and with fewer than three clusters or an effective number of
        no more than two.

    Raises
    ------
    InvalidInputError
        Wrong shape, no rows, a row that does not sum to 1, a label out of range, bad weights, a
        missing cluster, no such event.

    Notes
    -----
    :math:`P(\text{event}) = \sigma(a + b \ell)` with :math:`\ell = \log(c / (1 - c))`, by maximum
    likelihood; the statistic is :math:`2 (L(a, b) - L(0, 1))`. Rows of probability 0 or 1 that
    came true add nothing to either likelihood and are left out. With weights or clusters, L is
    scaled so that its curvature towards (0, 1) is that of the sandwich covariance (Chandler and
    Bate 2007), which is the one of the standard errors too. Of G clusters, of effective number
    :math:`G = (\sum_c w_c)^2 / \sum_c w_c^2`, a statistic q has the p-value of Hotelling's
    T-squared, :math:`(1 + q / G)^{-(G - 2) / 2}`, which tends to that of chi-square,
    :math:`e^{-q / 2}`: the sandwich bends towards few clusters.

    References
    ----------
    Cox (1958), Two further applications of a model for binary regression,
    https://doi.org/10.1093/biomet/45.3-4.562;
    Hotelling (1931), The Generalization of Student's Ratio,
    https://doi.org/10.1214/aoms/1177732979;
    Chandler and Bate (2007), Inference for clustered data using the independence loglikelihood,
    https://doi.org/10.1093/biomet/asm015

    Examples
    --------
    What is foretold at 20 % and at 80 % happens at 40 % and at 60 %: log-odds of log 1.5
    instead of log 4.

    >>> probs, labels = [0.2] * 5 + [0.8] * 5, [0, 0, 0, 1, 1, 0, 0, 1, 1, 1]
    >>> test = cox_test(probs, labels)
    >>> round(test.slope, 12), round(0.4054651081 / 1.3862943611, 9), test.leaning
    (0.292481250361, 0.29248125, 'over-confident')
    """
    return cox_rows(
        Predictions.check(
            probs, labels, weights, clusters, classes=classes, ignore_label=ignore_label
        ),
        event=event,
    )


def cox_rows(rows: Predictions, *, event: EventName | None = None) -> CoxTest:
    """Test checked predictions (see `cox_test`); from logits it is exact."""
    rows = rows_with_weight(rows)
    foretold = named_event(rows, event)
    odds, hit = log_odds(rows, foretold), foretold.hit
    chance = np.isfinite(odds)
    if refuted := int(np.count_nonzero((hit != (odds > 0)) & ~chance)):
        return refuted_test(refuted)
    weights = None if rows.weights is None else rows.weights[chance]
    clusters = None if rows.clusters is None else rows.clusters[chance]
    return line_test(odds[chance], hit[chance], weights, clusters)


def line_test(
    odds: NDArray[np.float64],
    hit: NDArray[np.bool_],
    weights: NDArray[np.float64] | None,
    clusters: NDArray[np.intp] | None = None,
    *,
    squared_weights: NDArray[np.float64] | None = None,
) -> CoxTest:
    """Test finite log-odds of an event; `squared_weights` as in `LogisticLine`."""
    if reason := why_no_line(odds, hit):
        return CoxTest.undefined("cox", reason)
    centre, scale = float(odds.mean()), float(odds.std())
    line = LogisticLine((odds - centre) / scale, hit, weights, clusters, squared_weights)
    fitted = line.fit()
    if fitted is None:
        return CoxTest.undefined("cox", SEPARATED)
    covariance, n_clusters = line.covariance(fitted), line.n_clusters
    if covariance is None or n_clusters <= _NO_MORE_CLUSTERS:
        return CoxTest.undefined("cox", _NO_SPREAD)
    ratio = line.likelihood_ratio(fitted, np.array([centre, scale]), covariance)
    back = np.array([[1.0, -centre / scale], [0.0, 1.0 / scale]])
    intercept, slope = (float(each) for each in back @ fitted)
    errors = [sqrt(max(float(each), 0.0)) for each in (back @ covariance @ back.T).diagonal()]
    test = CalibrationTest.chi_square("cox", ratio, 2)
    return CoxTest(
        test.name,
        test.statistic,
        test.degrees_of_freedom,
        test.p_value if clusters is None else _hotelling_p(ratio, n_clusters),
        "neither" if slope == 1.0 else "over-confident" if slope < 1.0 else "under-confident",
        intercept=intercept,
        slope=slope,
        intercept_standard_error=errors[0],
        slope_standard_error=errors[1],
        n_clusters=None if clusters is None else n_clusters,
    )


def _hotelling_p(statistic: float, n_clusters: float) -> float:
    """P(statistic or more) of two sums whose covariance was seen between so many clusters."""
    return exp(-0.5 * (n_clusters - 2.0) * log1p(statistic / n_clusters))


def refuted_test(count: int) -> CoxTest:
    """Return the test of rows of which so many have an outcome of probability 0."""
    return CoxTest.undefined("cox", refuted_reason(count))


def refuted_reason(count: int) -> str:
    """Return why no line can be fitted to rows of which so many have an impossible outcome."""
    return f"{count_text(count, 'row has', 'rows have')} an outcome of probability 0"


def why_no_line(odds: NDArray[np.float64], hit: NDArray[np.bool_]) -> str | None:
    """Return why the likelihood has no finite maximum; None if it has one."""
    happened, failed = odds[hit], odds[~hit]
    if len(odds) == 0:
        return "every probability of the event is 0 or 1"
    if len(failed) == 0 or len(happened) == 0:
        return f"the event {'never' if len(happened) == 0 else 'always'} happened"
    if np.ptp(odds) <= _ROUNDING * max(1.0, float(np.abs(odds).max())):
        return "all log-odds are equal: no line can be laid through them"
    if happened.min() >= failed.max() or failed.min() >= happened.max():
        return SEPARATED
    return None
