"""What answers cost: errors and spending with intervals, paired differences, the whole curve."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from temperance.decisions.cascade_parts import Answers, answers_of
from temperance.frozen import Frozen
from temperance.metrics.estimates import (
    Estimate,
    difference_estimate,
    mean_estimate,
    share_estimate,
)
from temperance.sums import MeanSums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from temperance.decisions.cascade_parts import Part
    from temperance.decisions.cascade_rows import CascadeRows
    from temperance.decisions.goals import Goal

    Array = NDArray[np.float64]

__all__ = ["CostCurve", "Measure", "Way", "Yardstick"]

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
            "cost": None if self.cost is None else self.cost.to_dict(),
            "answered": list(self.answered),
        }


@dataclass(frozen=True, slots=True, eq=False)
class CostCurve(Frozen):
    """What accuracy is had for what cost per row, over all prices: from no row sent on to all."""

    price: Array  # (m,): errors per unit of cost, falling
    cost: Array  # (m,): mean cost per row beyond that of the first model
    accuracy: Array  # (m,)
    accuracy_low: Array  # (m,): ends of its 95 % interval
    accuracy_high: Array  # (m,)
    sent_on: Array  # (m,): share of rows that go beyond the first model

    def to_dict(self) -> dict[str, list[float]]:
        """Return lists, one number per point."""
        names = ("price", "cost", "accuracy", "accuracy_low", "accuracy_high", "sent_on")
        return {name: getattr(self, name).tolist() for name in names}


@dataclass(frozen=True, slots=True, eq=False)
class Yardstick(Frozen):
    """Measures answers on rows that no rule was found on."""

    rows: CascadeRows
    error_cost: float | None  # None where an error has no price
    n_models: int

    def way(self, answers: Answers) -> Way:
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

    def differences(self, own: Answers, other: Answers) -> dict[Measure, Estimate]:
        """Return each measure of `own` less that of `other`, paired row by row."""
        sums = self._sums(self._columns(own) - self._columns(other))
        measures: tuple[Measure, ...] = ("error", "spent")
        if self.error_cost is not None:
            measures = (*measures, "cost")
        return {name: difference_estimate(sums, i) for i, name in enumerate(measures)}

    def worth(self, own: Answers, raw: Answers, goal: Goal, price: float) -> Estimate:
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

    def lost_by_last(self, answers: Answers) -> Estimate | None:
        """Return the error of the last model on the rows that come to it; None without any."""
        came = answers.answered == self.n_models - 1
        weights = None if self.rows.weights is None else self.rows.weights[came]
        if not came.any() or (weights is not None and not weights.any()):
            return None
        units = self.rows.clusters
        if units is not None:
            units = np.unique(units[came], return_inverse=True)[1]
        return share_estimate(MeanSums.of(answers.lost[came][:, None], weights, units), 0)

    def curve(self, parts: Sequence[Part], prices: Array) -> CostCurve:
        """Return the curve through these prices, each row answered by rules of other rows."""
        points = []
        for price in prices.tolist():
            answers = answers_of(parts, lambda _, price=price: price)  # type: ignore[misc]
            error = self._error(self._sums(answers.lost[:, None]))
            cost, sent = (
                float(np.average(each, weights=self.rows.weights))
                for each in (answers.spent, answers.answered > 0)
            )
            points.append((price, cost, 1.0 - error.value, 1.0 - error.high, 1.0 - error.low, sent))
        return CostCurve(*np.array(points).T)

    def hindsight(self, parts: Sequence[Part]) -> float | None:
        """Return the total cost of the best threshold for these very rows; None of more models.

        Among thresholds of what each row is expected to gain by going on, cost left aside.
        """
        if self.error_cost is None or self.n_models > 2:
            return None
        n = self.rows.n
        gain, saved, first = np.empty(n), np.empty(n), np.empty(n)
        for part in parts:
            (rule,), (c,), (own, after) = part.fit.rules(0.0), part.confidences, part.losses
            gain[part.places] = 1.0 - c - rule.expected.at(c)
            saved[part.places] = self.error_cost * (own - after) - part.fit.costs[0]
            first[part.places] = self.error_cost * own
        w = np.ones(n) if self.rows.weights is None else self.rows.weights
        order = np.argsort(-gain, kind="stable")
        total = np.cumsum((w * saved)[order])
        last_of_tie = np.r_[np.diff(gain[order]) != 0.0, True]
        most = max(float(total[last_of_tie].max()), 0.0)
        return (float(w @ first) - most) / float(w.sum())

    def _columns(self, answers: Answers) -> Array:
        total = (self.error_cost or 0.0) * answers.lost + answers.spent
        return np.stack([answers.lost, answers.spent, total], axis=1)

    def _sums(self, columns: Array) -> MeanSums:
        return MeanSums.of(columns, self.rows.weights, self.rows.clusters)

    def _error(self, sums: MeanSums) -> Estimate:
        if self.rows.known_error is None:
            return share_estimate(sums, 0)
        return mean_estimate(sums, 0, bounds=(0.0, 1.0))
