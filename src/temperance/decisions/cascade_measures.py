"""What answers cost: errors and spending with intervals, paired differences, the whole curve."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import floor, inf
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from temperance.crossfit import fold_fits
from temperance.decisions.deferral import answered_by, lost_by
from temperance.errors import InvalidInputError
from temperance.frozen import Frozen, Plain, plain
from temperance.metrics.estimates import (
    Estimate,
    difference_estimate,
    mean_estimate,
    share_estimate,
)
from temperance.printable import digits_text
from temperance.sums import MeanSums

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from temperance.calibrators import Calibrator
    from temperance.decisions.cascade_policy import CascadeRows
    from temperance.decisions.deferral import Deferral, LossKind

    Array = NDArray[np.float64]

__all__ = [
    "N_PRICES",
    "CostCurve",
    "Goal",
    "Measure",
    "RowOutcomes",
    "Way",
    "Yardstick",
    "answers_of",
    "cross_fitted",
    "isotonic_folds",
    "of_test",
]

# What a cascade is for: the least cost, or the fewest errors for a budget, or a target.


N_PRICES = 100  # points of a curve, and of a search
_HALVINGS = 50


@dataclass(frozen=True, slots=True)
class Goal(Plain):
    """Which of the three, and the number that goes with it."""

    kind: Literal["cost", "budget", "accuracy"]
    value: float  # cost of an error; most mean cost per row; least accuracy

    def price(self, rows: Deferral, *, reachable: bool = True) -> float:
        """Return the price, in errors per unit of cost, whose rules serve the goal on these rows.

        An accuracy that no price reaches is an error where it must be `reachable`, else the price
        of the highest accuracy is returned.
        """
        if self.kind == "cost":
            return 1.0 / self.value
        if self.kind == "budget":
            return _of_budget(rows, self.value)
        return _of_accuracy(rows, self.value, reachable=reachable)


def _of_budget(rows: Deferral, budget: float) -> float:
    """Return the lowest price that keeps within the budget: 0 where even that does."""
    low, high = 0.0, 1.0 / min(rows.costs)  # at `high` no row goes on
    if budget == 0.0:
        return high
    if rows.outcome(low)[1] <= budget:
        return low
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if rows.outcome(middle)[1] <= budget:
            high = middle
        else:
            low = middle
    return high


def _of_accuracy(rows: Deferral, target: float, *, reachable: bool) -> float:
    """Return the highest price that reaches the accuracy, searched from cheap to expensive."""
    most = 1.0 - target + 1e-12  # errors
    prices: list[float] = rows.prices(N_PRICES).tolist()
    outcomes = [rows.outcome(price) for price in prices]
    first = next((i for i, (error, _) in enumerate(outcomes) if error <= most), None)
    if first is None:
        best = min(range(len(prices)), key=lambda i: outcomes[i])
        if not reachable:
            return prices[best]
        error, mean_cost = outcomes[best]
        msg = (
            f"`min_accuracy` (--min-accuracy) of {target:g} is reached by no thresholds: the most "
            f"is {floor(1e4 * (1.0 - error)) / 1e4:.4f}, at a cost of {digits_text(mean_cost, 4)} "
            "per row. Take at most that, or a better last model."
        )
        raise InvalidInputError(msg)
    if first == 0:
        return prices[0]
    low, high = prices[first], prices[first - 1]
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if rows.outcome(middle)[0] <= most:
            low = middle
        else:
            high = middle
    return low


# Rows answered by rules that never saw them: of other folds, or of the rows of the fit.


@dataclass(frozen=True, slots=True, eq=False)
class RowOutcomes:
    """Which model answers each row, whether it is wrong, and what was spent."""

    answered: NDArray[np.intp]  # (n,)
    lost: Array  # (n,): 1 where wrong, else 0; or the error rate of a model without outputs
    spent: Array  # (n,)


@dataclass(frozen=True, slots=True, eq=False)
class CascadeFold:
    """Rows to find rules on, and the rows that these rules are measured on."""

    fit: Deferral
    places: NDArray[np.intp]  # of the measured rows, among all that are measured
    confidences: tuple[Array, ...]  # of the measured rows, as `Deferral` has them
    losses: tuple[Array, ...]

    @classmethod
    def of(cls, fit: Deferral, measured: Deferral, places: NDArray[np.intp]) -> CascadeFold:
        """Return the fold that measures these places of `measured`."""
        return cls(
            fit,
            places,
            tuple(each[places] for each in measured.confidences),
            tuple(each[places] for each in measured.losses),
        )


def isotonic_folds(folds: Sequence[CascadeFold]) -> list[CascadeFold]:
    """Return the same folds, with what is expected of a next model fitted to the confidence."""
    return [replace(fold, fit=replace(fold.fit, kind="isotonic")) for fold in folds]


def cross_fitted(
    rows: CascadeRows,
    costs: tuple[float, ...],
    kind: LossKind,
    fit: Callable[[Array | None], tuple[Calibrator, ...]],
    *,
    seed: int = 0,
) -> tuple[list[CascadeFold], list[CascadeFold]]:
    """Return the folds of raw and of calibrated confidences."""
    raw: list[CascadeFold] = []
    calibrated: list[CascadeFold] = []
    nothing = [None] * rows.deciding
    w = np.ones(rows.n) if rows.weights is None else rows.weights
    for held_out, calibrators in fold_fits(
        fit, rows.labels,
        scores=rows.logits, weights=rows.weights, clusters=rows.clusters, seed=seed,
    ):  # fmt: skip
        others, places = np.where(held_out, 0.0, w), np.flatnonzero(held_out)
        for folds, own in ((raw, nothing), (calibrated, calibrators)):
            deferral = rows.deferral(own, costs, kind, others)
            folds.append(CascadeFold.of(deferral, deferral, places))
    return raw, calibrated


def of_test(
    rows: CascadeRows,
    test: CascadeRows,
    costs: tuple[float, ...],
    kind: LossKind,
    calibrators: Sequence[Calibrator],
) -> tuple[list[CascadeFold], list[CascadeFold]]:
    """Return the folds of raw and of calibrated confidences: rules of the fit, on test rows."""
    places = np.arange(test.n)
    return tuple(  # type: ignore[return-value]
        [CascadeFold.of(rows.deferral(own, costs, kind), test.deferral(own, costs, kind), places)]
        for own in ([None] * rows.deciding, calibrators)
    )


def answers_of(folds: Sequence[CascadeFold], price: Callable[[Deferral], float]) -> RowOutcomes:
    """Return the answers of every fold's rules, each at the price that its own rows give."""
    n = sum(len(fold.places) for fold in folds)
    answered, lost, cost = np.empty(n, dtype=np.intp), np.empty(n), np.empty(n)
    for fold in folds:
        own = answered_by(fold.fit.rules(price(fold.fit)), fold.confidences)
        answered[fold.places] = own
        lost[fold.places] = lost_by(own, fold.losses)
        cost[fold.places] = np.r_[0.0, np.cumsum(fold.fit.costs)][own]
    return RowOutcomes(answered, lost, cost)


Measure = Literal["error", "spent", "cost"]


@dataclass(frozen=True, slots=True)
class Way:
    """What a way of answering all rows costs; smaller is better."""

    error: Estimate  # share of wrong answers
    spent: Estimate  # mean cost per row beyond that of the first model
    cost: Estimate | None  # cost of an error x error + spent; None where an error has no price
    answered: tuple[float, ...]  # share of rows that each model answers

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON."""
        return {
            "error": self.error.to_dict(),
            "accuracy": 1.0 - self.error.value,
            "spent": self.spent.to_dict(),
            "cost": plain(self.cost),
            "answered": list(self.answered),
        }


@dataclass(frozen=True, slots=True, eq=False)
class CostCurve(Frozen, Plain):
    """What accuracy is had for what cost per row, over all prices: from no row sent on to all."""

    price: Array  # (m,): errors per unit of cost, falling
    cost: Array  # (m,): mean cost per row beyond that of the first model
    accuracy: Array  # (m,)
    accuracy_low: Array  # (m,): ends of its 95 % interval
    accuracy_high: Array  # (m,)
    sent_on: Array  # (m,): share of rows that go beyond the first model


@dataclass(frozen=True, slots=True, eq=False)
class Yardstick(Frozen):
    """Measures answers on rows that no rule was found on."""

    rows: CascadeRows
    error_cost: float | None  # None where an error has no price
    n_models: int

    def way(self, answers: RowOutcomes) -> Way:
        """Return errors, spending and cost with their intervals."""
        sums = self._sums(self._columns(answers))
        w = np.ones(self.rows.n) if self.rows.weights is None else self.rows.weights
        shares = np.bincount(answers.answered, w, minlength=self.n_models) / w.sum()
        return Way(
            self._error(sums),
            mean_estimate(sums, 1, bounds=(0.0, inf)),
            None if self.error_cost is None else mean_estimate(sums, 2, bounds=(0.0, inf)),
            tuple(shares.tolist()),
        )

    def differences(self, own: RowOutcomes, other: RowOutcomes) -> dict[Measure, Estimate]:
        """Return each measure of `own` less that of `other`, paired row by row."""
        sums = self._sums(self._columns(own) - self._columns(other))
        measures: tuple[Measure, ...] = ("error", "spent")
        if self.error_cost is not None:
            measures = (*measures, "cost")
        return {name: difference_estimate(sums, i) for i, name in enumerate(measures)}

    def worth(self, own: RowOutcomes, raw: RowOutcomes, goal: Goal, price: float) -> Estimate:
        """Return raw less calibrated: total cost, errors at equal cost, or cost at equal accuracy.

        What two ways differ in beside is set off at the price, so that the side on which each has
        missed a budget or a target does not count as a gain. Below a price of 0 it is not.
        """
        per_error, per_cost = {
            "cost": (goal.value, 1.0),
            "budget": (1.0, max(price, 0.0)),
            "accuracy": (1.0 / price if price > 0.0 else 0.0, 1.0),
        }[goal.kind]
        gap = per_error * (raw.lost - own.lost) + per_cost * (raw.spent - own.spent)
        return difference_estimate(self._sums(gap[:, None]), 0)

    def lost_by_last(self, answers: RowOutcomes) -> Estimate | None:
        """Return the error of the last model on the rows that come to it; None without any."""
        came = answers.answered == self.n_models - 1
        weights = None if self.rows.weights is None else self.rows.weights[came]
        if not came.any() or (weights is not None and not weights.any()):
            return None
        units = self.rows.clusters
        if units is not None:
            units = np.unique(units[came], return_inverse=True)[1]
        return share_estimate(MeanSums.of(answers.lost[came][:, None], weights, units), 0)

    def curve(self, folds: Sequence[CascadeFold], prices: Array) -> CostCurve:
        """Return the curve through these prices, each row answered by rules of other rows."""
        points = []
        for price in prices.tolist():
            answers = answers_of(folds, lambda _, price=price: price)  # type: ignore[misc]
            error = self._error(self._sums(answers.lost[:, None]))
            cost, share_on = (
                float(np.average(each, weights=self.rows.weights))
                for each in (answers.spent, answers.answered > 0)
            )
            points.append(
                (price, cost, 1.0 - error.value, 1.0 - error.high, 1.0 - error.low, share_on)
            )
        return CostCurve(*np.array(points).T)

    def hindsight(self, folds: Sequence[CascadeFold]) -> float | None:
        """Return the total cost of the best threshold for these very rows; None of more models.

        Among thresholds of what each row is expected to gain by going on, cost left aside.
        """
        if self.error_cost is None or self.n_models > 2:
            return None
        n = self.rows.n
        gain, saved, first = np.empty(n), np.empty(n), np.empty(n)
        for fold in folds:
            (rule,), (c,), (own, after) = fold.fit.rules(0.0), fold.confidences, fold.losses
            gain[fold.places] = 1.0 - c - rule.expected.at(c)
            saved[fold.places] = self.error_cost * (own - after) - fold.fit.costs[0]
            first[fold.places] = self.error_cost * own
        w = np.ones(n) if self.rows.weights is None else self.rows.weights
        order = np.argsort(-gain, kind="stable")
        total = np.cumsum((w * saved)[order])
        last_of_tie = np.r_[np.diff(gain[order]) != 0.0, True]
        most = max(float(total[last_of_tie].max()), 0.0)
        return (float(w @ first) - most) / float(w.sum())

    def _columns(self, answers: RowOutcomes) -> Array:
        total = (self.error_cost or 0.0) * answers.lost + answers.spent
        return np.stack([answers.lost, answers.spent, total], axis=1)

    def _sums(self, columns: Array) -> MeanSums:
        return MeanSums.of(columns, self.rows.weights, self.rows.clusters)

    def _error(self, sums: MeanSums) -> Estimate:
        if self.rows.known_error is None:
            return share_estimate(sums, 0)
        return mean_estimate(sums, 0, bounds=(0.0, 1.0))
