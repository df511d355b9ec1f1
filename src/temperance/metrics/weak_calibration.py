"""What clinical studies report of a risk model: observed to expected, intercept and slope."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp, inf, isfinite, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from temperance.frozen import Frozen, Plain
from temperance.metrics.cox import SEPARATED, LogisticLine, refuted_reason, why_no_line
from temperance.metrics.estimates import Estimate
from temperance.metrics.events import named_event
from temperance.metrics.inputs import Predictions
from temperance.metrics.z_tests import log_odds, rows_with_weight
from temperance.numerics import normal_quantile, two_probs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.metrics.events import EventName

    Array = NDArray[np.float64]

__all__ = ["EventOdds", "WeakCalibration", "weak_calibration", "weak_calibration_rows"]

_LEVEL = 0.95
_FEWEST_CLUSTERS = 3
_FEWEST_EVENTS = 5  # and rows without it, for a slope: with fewer its interval says nothing
_CERTAIN = "every probability of the event is 0 or 1: nothing is left to chance"
_FAR = 400.0  # shifts beyond it are not looked for
_FARTHEST = 300.0  # log-odds beyond it are taken for it where they are shifted


@dataclass(frozen=True, slots=True)
class WeakCalibration(Frozen, Plain):
    """Three numbers of one event, each with a 95 % interval, or None and the reason why.

    "Mean" calibration is an observed : expected ratio of 1 and an intercept of 0; "weak"
    calibration a slope of 1 besides.
    """

    event: EventName  # the class, or "top-label"
    n: int  # rows
    n_events: int  # rows in which it happened
    observed_expected: Estimate | None  # >= 0; 1 is best; below 1: foretold too often
    intercept: Estimate | None  # calibration in the large, log-odds; 0 is best; below 0: as above
    slope: Estimate | None  # 1 is best; below 1: too extreme, above 1: too timid
    reasons: dict[str, str] = field(default_factory=dict)  # of what is None


_NAMES = ("observed_expected", "intercept", "slope")


def weak_calibration(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    event: EventName | None = None,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
) -> WeakCalibration:
    r"""Observed : expected ratio, calibration intercept and calibration slope of an event.

    Parameters
    ----------
    probs : array_like, shape (n, k) or (n,)
        Probabilities in [0, 1], rows summing to 1; (n,) is the probability of class 1. Use
        rows that the calibrator was not fitted on.
    labels : array_like, shape (n,)
        True classes in 0..k-1, or names in `classes`.
    event : "predicted" or class, optional
        What is foretold: that the predicted class is right, or that the true class is this one
        (by its number or name). Default: class 1 of two classes, else "predicted".
    weights : array_like, shape (n,), optional
        Finite, >= 0. Importance weights, on any scale: a row of weight 2 does not count as two
        rows, because nothing new was seen.
    clusters : array_like, shape (n,), optional
        Which rows belong together (the patients of a hospital). Intervals are then of Student's t
        with one less degree of freedom than there are clusters.
    classes : sequence of str, optional
        Names of the columns, as labels may use them.
    ignore_label : int or str, optional
        Rows of this label are left out.

    Returns
    -------
    WeakCalibration
        The three numbers with 95 % intervals. Where the event never (or always) happened there is
        a ratio with an interval, and neither intercept nor slope. No slope where a threshold on
        the probability parts the rows (it is infinite), where all probabilities are equal, or with
        fewer than five rows of either outcome; no intercept and no slope where something of
        probability 0 happened; nothing where all probabilities are 0 or 1. `reasons` says which.

    Raises
    ------
    InvalidInputError
        Wrong shape, no rows, a row that does not sum to 1, a label out of range, bad weights, a
        missing cluster, no such event.

    Notes
    -----
    With :math:`\ell = \log(p / (1 - p))`, all by maximum likelihood:

    * observed : expected :math:`= \sum w y / \sum w p`;
    * intercept: a in :math:`P(y) = \sigma(a + \ell)`, the slope held at 1 (an offset);
    * slope: b in :math:`P(y) = \sigma(a + b \ell)`; this a is another, and not reported.

    The interval of the intercept holds the a at which :math:`|\sum w (y - q_a)| \le
    t \sqrt{\varphi \sum w^2 q_a (1 - q_a)}` with :math:`q_a = \sigma(a + \ell)`: a score interval,
    which stays honest where few events happened. :math:`\varphi` is what the rows (or clusters)
    vary more than that at the estimate, at least 1. That of the ratio holds the
    :math:`\sum w q_a / \sum w p` of the same kind of interval, with the variation of
    :math:`y - p\, O/E`. That of the slope is a Wald interval whose variance is the larger one of
    model and sandwich.

    References
    ----------
    Van Calster, McLernon, van Smeden, Wynants and Steyerberg (2019), Calibration: the Achilles
    heel of predictive analytics, https://doi.org/10.1186/s12916-019-1466-7;
    Cox (1958), Two further applications of a model for binary regression,
    https://doi.org/10.1093/biomet/45.3-4.562; Rao and Scott (1992), A simple method for the
    analysis of clustered binary data, https://doi.org/10.2307/2532311

    Examples
    --------
    What is foretold at 20 % and at 80 % happens at 40 % and at 60 %: as often as it should in
    total, with log-odds of log 1.5 instead of log 4.

    >>> probs, labels = [0.2] * 50 + [0.8] * 50, [0, 0, 0, 1, 1] * 10 + [0, 0, 1, 1, 1] * 10
    >>> weak = weak_calibration(probs, labels)
    >>> round(weak.observed_expected.value, 9), abs(round(weak.intercept.value, 9))
    (1.0, 0.0)
    >>> round(weak.slope.value, 6), round(0.4054651081 / 1.3862943611, 6)
    (0.292481, 0.292481)
    """
    rows = Predictions.check(
        probs, labels, weights, clusters, classes=classes, ignore_label=ignore_label
    )
    return weak_calibration_rows(rows, event=event)


def weak_calibration_rows(rows: Predictions, *, event: EventName | None = None) -> WeakCalibration:
    """Measure checked predictions (see `weak_calibration`); from logits it is exact."""
    rows = rows_with_weight(rows)
    foretold = named_event(rows, event)
    odds = EventOdds(log_odds(rows, foretold), foretold.hit, rows.weights, rows.clusters)
    return odds.measure(
        foretold.name, n=len(rows.labels), n_events=int(np.count_nonzero(foretold.hit))
    )


class _Shifted(NamedTuple):
    """The rows left to chance, ready to be looked at after any shift of their log-odds."""

    falling: Array  # exp(-log-odds)
    weights: Array
    squared_weights: Array
    observed: float  # sum w y, less what certain rows expect

    def at(self, shift: float) -> tuple[float, float]:
        """Return how many more events happened than are expected then, and the model's variance."""
        odds_against = self.falling * exp(-min(max(shift, -_FAR), _FAR))
        p = 1.0 / (1.0 + odds_against)
        variance = float(self.squared_weights @ (p * p * odds_against))
        return self.observed - float(self.weights @ p), variance

    def best(self) -> float:
        """Return the shift at which as many events are expected as happened; may be infinite."""
        if self.observed <= 0.0:
            return -inf
        if self.observed >= float(self.weights.sum()):
            return inf
        end, (surplus, variance) = 0.0, self.at(0.0)
        sign = 1.0 if surplus > 0.0 else -1.0
        step = 1.5 * abs(surplus) / variance if variance > abs(surplus) else 1.0
        step = max(step, 1e-6)
        while sign * self.at(end + sign * step)[0] > 0.0 and step < _FAR:
            end, step = end + sign * step, 2.0 * step
        return _bisected(lambda shift: self.at(shift)[0], end, end + sign * step)


class _Interval(NamedTuple):
    at: float  # the estimate, may be infinite
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class EventOdds:
    """Log-odds of an event in rows or in cells of rows, and whether it happened there."""

    odds: Array  # (n,); infinite where it is certain, or impossible
    hit: NDArray[np.bool_]  # (n,)
    weights: Array | None = None
    clusters: NDArray[np.intp] | None = None  # numbers 0..m-1
    squared_weights: Array | None = None  # sums of w^2, where `weights` are sums of w

    def measure(self, event: EventName, *, n: int, n_events: int) -> WeakCalibration:
        """Return the three numbers; `n` rows, of which it happened in `n_events`."""
        reasons: dict[str, str] = {}
        numbers: dict[str, Estimate | None] = dict.fromkeys(_NAMES)
        if (why := self._why_nothing()) is not None:
            reasons |= dict.fromkeys(_NAMES, why)
        else:
            curve = self._shifted()
            best = curve.best()
            numbers["observed_expected"] = self._ratio(curve, best, n)
            why_no_intercept = self._why_no_intercept(n, n_events)
            if why_no_intercept is not None:
                reasons |= {"intercept": why_no_intercept, "slope": why_no_intercept}
            else:
                numbers["intercept"] = self._intercept(curve, best, n)
                slope = self._slope(n, n_events)
                if isinstance(slope, str):
                    reasons["slope"] = slope
                else:
                    numbers["slope"] = slope
        return WeakCalibration(event, n, n_events, **numbers, reasons=reasons)

    def _why_nothing(self) -> str | None:
        if not self._chance.any():
            return _CERTAIN
        if self.clusters is not None and (count := self._n_clusters) < _FEWEST_CLUSTERS:
            return (
                f"too few clusters ({count}) to see how chance moves it; {_FEWEST_CLUSTERS} or "
                "more are needed"
            )
        return None

    def _why_no_intercept(self, n: int, n_events: int) -> str | None:
        if refuted := int(np.count_nonzero((self.hit != (self.odds > 0.0)) & ~self._chance)):
            return refuted_reason(refuted)
        if n_events in (0, n):
            rows = f"{n:,} row{'' if n == 1 else 's'}"
            return f"the event {'never' if n_events == 0 else 'always'} happened in {rows}"
        if not self.hit[self._chance].any() or self.hit[self._chance].all():
            return "of the rows where it could happen or not, all had the same outcome"
        return None

    def _ratio(self, curve: _Shifted, best: float, n: int) -> Estimate:
        """Return observed : expected with its interval."""
        w, p = self._weights, two_probs(self.odds)[0]
        observed, expected = float(w @ self.hit), float(w @ p)
        ratio = observed / expected
        spread = self._spread(self.hit - ratio * p, n)
        ends = self._shifts(curve, best, spread)

        def of_shift(shift: float) -> float:
            return float(w @ self._probs(shift)) / expected

        low, high = of_shift(ends.low), of_shift(ends.high)
        return Estimate(ratio, min(low, ratio), max(high, ratio))

    def _intercept(self, curve: _Shifted, best: float, n: int) -> Estimate:
        """Return the log-odds that the model lacks, with their interval."""
        spread = self._spread(self.hit - self._probs(best), n)
        ends = self._shifts(curve, best, spread)
        return Estimate(best, ends.low, ends.high)

    def _slope(self, n: int, n_events: int) -> Estimate | str:
        """Return the slope with its interval, or why there is none."""
        chance = self._chance
        odds, hit = self.odds[chance], self.hit[chance]
        if why := why_no_line(odds, hit):
            return why
        fewest = min(n_events, n - n_events)
        if fewest < _FEWEST_EVENTS:
            what = "events" if n_events <= n - n_events else "rows without the event"
            return f"too few {what} ({fewest}) to say"
        weights, squares = self._weights[chance], self._squared_weights[chance]
        centre, scale = float(odds.mean()), float(odds.std())
        line = LogisticLine((odds - centre) / scale, hit, weights, None, squares)
        fitted = line.fit()
        variance = None if fitted is None else self._slope_variance(line, fitted, n)
        if fitted is None or variance is None:
            return SEPARATED
        half = self._quantile * sqrt(variance) / scale
        slope = float(fitted[1]) / scale
        return Estimate(slope, slope - half, slope + half)

    def _slope_variance(self, line: LogisticLine, fitted: Array, n: int) -> float | None:
        """Return the larger variance of the slope: the model's, or the sandwich's."""
        inverse = line.inverse_information(fitted)
        if inverse is None:
            return None
        # the slope's influence: the part of its score that the intercept's does not explain
        of_slope = inverse[1]
        lever = of_slope[0] + of_slope[1] * line.x
        p, opposite = two_probs(fitted[0] + fitted[1] * line.x)
        w = self._squared_weights[self._chance]
        of_model = float(w @ (lever * lever * p * opposite))
        residual = np.where(line.hit, opposite, -p)
        if self.clusters is None:
            return max(of_model, float(w @ (lever * residual) ** 2) * n / max(n - 1, 1))
        clusters = self.clusters[self._chance]
        sums = np.bincount(clusters, self._weights[self._chance] * lever * residual)
        m = self._n_clusters
        return max(of_model, float(sums @ sums) * m / (m - 1))

    def _spread(self, residual: Array, n: int) -> float:
        """Return the variance of the summed residuals that rows, or clusters, show."""
        w = self._weights
        if self.clusters is not None:
            sums, m = np.bincount(self.clusters, w * residual), self._n_clusters
            return float(((sums - sums.mean()) ** 2).sum()) * m / (m - 1)
        total = float(w @ residual)
        square = float(self._squared_weights @ (residual * residual))
        return max(square - total * total / n, 0.0) * n / max(n - 1, 1)

    def _shifts(self, curve: _Shifted, at: float, spread: float) -> _Interval:
        """Return the shifts of all log-odds that the rows do not refute.

        `spread` is the variance of the sum at the best of them.
        """
        dispersion = 1.0
        if isfinite(at) and (of_model := curve.at(at)[1]) > 0.0:
            dispersion = max(spread / of_model, 1.0)
        limit = self._quantile**2 * dispersion

        def excess(shift: float) -> float:
            surplus, variance = curve.at(shift)
            return surplus**2 - limit * variance

        step = 0.25
        if isfinite(at) and (information := curve.at(at)[1]) > 0.0 and self.weights is None:
            step = min(sqrt(limit / information), 8.0)
        ends = []
        for sign in (-1.0, 1.0):
            if at == sign * inf:
                ends.append(at)
                continue
            start = at if isfinite(at) else _inside(excess, sign)
            ends.append(_root(excess, start, sign, step))
        return _Interval(at, *ends)

    def _shifted(self) -> _Shifted:
        chance, w = self._chance, self._weights
        odds = np.clip(self.odds[chance], -_FARTHEST, _FARTHEST)
        expected = float(w @ (self.odds == inf))
        return _Shifted(
            np.exp(-odds), w[chance], self._squared_weights[chance], float(w @ self.hit) - expected
        )

    def _probs(self, shift: float) -> Array:
        """Return the probabilities after a shift, which leaves certainty as it is."""
        if isfinite(shift):
            return two_probs(self.odds + shift)[0]
        return np.where(self._chance, float(shift > 0.0), self.odds > 0.0)

    @property
    def _chance(self) -> NDArray[np.bool_]:
        return np.isfinite(self.odds)

    @property
    def _weights(self) -> Array:
        return np.ones(len(self.odds)) if self.weights is None else self.weights

    @property
    def _squared_weights(self) -> Array:
        return self._weights**2 if self.squared_weights is None else self.squared_weights

    @property
    def _n_clusters(self) -> int:
        assert self.clusters is not None  # noqa: S101  (only called then)
        return int(self.clusters.max()) + 1

    @property
    def _quantile(self) -> float:
        if self.clusters is None:
            return normal_quantile(_LEVEL)
        from scipy.special import stdtrit  # noqa: PLC0415

        return float(stdtrit(self._n_clusters - 1, 0.5 + 0.5 * _LEVEL))


def _inside(excess: Callable[[float], float], sign: float) -> float:
    """Return a shift inside an interval that has no end on the other side."""
    start = -sign * 8.0
    while excess(start) > 0.0 and abs(start) < _FAR:
        start *= 2.0
    return start


def _root(excess: Callable[[float], float], start: float, sign: float, step: float) -> float:
    """Return where a function that is below 0 at `start` rises above 0 in this direction."""
    inside = start
    while excess(start + sign * step) < 0.0:
        inside, step = start + sign * step, 1.3 * step if step < 0.2 else 2.0 * step
        if step > _FAR:
            return sign * inf
    return _bisected(excess, inside, start + sign * step)


def _bisected(function: Callable[[float], float], one: float, other: float) -> float:
    """Return the root between two places where the function has different signs."""
    from scipy.optimize import brentq  # noqa: PLC0415

    if (at_one := function(one)) == 0.0:
        return one
    if at_one * function(other) > 0.0:
        return other
    return float(brentq(function, one, other, xtol=1e-9, rtol=1e-10))
