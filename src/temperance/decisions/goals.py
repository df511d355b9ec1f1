"""What a cascade is for: the least cost, or the fewest errors for a budget, or a target."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from typing import TYPE_CHECKING, Any, Literal

from temperance.errors import InvalidInputError

if TYPE_CHECKING:
    from temperance.decisions.deferral import Deferral

__all__ = ["N_PRICES", "Goal"]

N_PRICES = 100  # points of a curve, and of a search
_HALVINGS = 50


@dataclass(frozen=True, slots=True)
class Goal:
    """Which of the three, and the number that goes with it."""

    kind: Literal["cost", "budget", "accuracy"]
    value: float  # cost of an error; most mean cost per row; least accuracy

    def to_dict(self) -> dict[str, Any]:
        """Return both."""
        return {"kind": self.kind, "value": self.value}

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
        error, spent = outcomes[best]
        msg = (
            f"`min_accuracy` (--min-accuracy) of {target:g} is reached by no thresholds: the most "
            f"is {floor(1e4 * (1.0 - error)) / 1e4:.4f}, at a cost of {spent:.4g} per row. Take at "
            "most that, or a better last model."
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
