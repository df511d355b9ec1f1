"""When a row goes on to the next model: the rule of each step, found from the last one back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from temperance.binning import reaches
from temperance.errors import NoOptimumError
from temperance.frozen import Frozen, Plain
from temperance.isotonic_regression import centred_isotonic
from temperance.logistic_regression import fit_logistic
from temperance.numerics import logit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = [
    "ConstantLoss",
    "Deferral",
    "DeferralRule",
    "IsotonicLoss",
    "LogisticLoss",
    "LossKind",
    "answered_by",
    "fit_loss",
    "lost_by",
]

# What a row is expected to lose if it goes on to the next model, given the confidence so far.


LossKind = Literal["constant", "isotonic", "logistic"]
_SURE = 1.0 - 2.0**-52  # a confidence of 1 has log-odds of 36, not infinity


@dataclass(frozen=True, slots=True)
class ConstantLoss(Plain):
    """The same for every row."""

    json_keys: ClassVar[tuple[str, ...]] = ("kind", "value")
    kind: ClassVar[str] = "constant"

    value: float

    @property
    def bends(self) -> Array:
        """Confidences between which the loss is a straight line."""
        return np.array([])

    def at(self, confidence: Array) -> Array:
        """Return the expected loss at these confidences."""
        return np.full(np.shape(confidence), self.value)


@dataclass(frozen=True, slots=True, eq=False)
class IsotonicLoss(Frozen, Plain):
    """A line through knots that never rises: what is hard for one model is hard for the next."""

    json_keys: ClassVar[tuple[str, ...]] = ("kind", "confidence", "loss")
    kind: ClassVar[str] = "isotonic"

    confidence: Array  # (m,), rising
    loss: Array  # (m,), not rising

    @property
    def bends(self) -> Array:
        """Confidences between which the loss is a straight line."""
        return self.confidence

    def at(self, confidence: Array) -> Array:
        """Return the expected loss at these confidences; constant beyond the outermost knots."""
        return np.asarray(np.interp(confidence, self.confidence, self.loss))


@dataclass(frozen=True, slots=True)
class LogisticLoss(Plain):
    """An S-curve of the log-odds of the confidence, which may fall or rise."""

    json_keys: ClassVar[tuple[str, ...]] = ("kind", "slope", "intercept", "scale")
    kind: ClassVar[str] = "logistic"

    slope: float
    intercept: float
    scale: float  # the most that a row can lose

    @property
    def bends(self) -> Array:
        """Confidences between which the loss is all but a straight line."""
        odds = np.linspace(-36.0, 36.0, 1441)
        return np.asarray(1.0 / (1.0 + np.exp(-odds)))

    def at(self, confidence: Array) -> Array:
        """Return the expected loss at these confidences."""
        line = self.intercept + self.slope * _log_odds(confidence)
        return np.asarray(self.scale * np.exp(-np.logaddexp(0.0, -line)))


ExpectedLoss = ConstantLoss | IsotonicLoss | LogisticLoss


def fit_loss(kind: LossKind, confidence: Array, loss: Array, weights: Array) -> ExpectedLoss:
    """Return the expected loss of rows of weight above 0.

    Where all rows lose the same (an expert that is always right), that is the answer.
    """
    has_weight = weights > 0.0
    c, v, w = confidence[has_weight], loss[has_weight], weights[has_weight]
    if np.ptp(v) == 0.0:
        return ConstantLoss(float(v[0]))
    mean = ConstantLoss(float(w @ v / w.sum()))
    if kind == "constant":
        return mean
    if kind == "isotonic":
        return IsotonicLoss(*centred_isotonic(c, v, w, rising=False))
    scale = max(1.0, float(v.max()))
    features = np.stack([_log_odds(c), np.ones(len(c))], axis=1)
    try:
        slope, intercept = fit_logistic(features, v / scale, w).coefficients.tolist()
    except NoOptimumError:  # confidences that are all alike, or part right from wrong
        return fit_loss("isotonic", c, v, w) if np.ptp(c) > 0.0 else mean
    return LogisticLoss(slope, intercept, scale)


def _log_odds(confidence: Array) -> Array:
    return logit(np.clip(confidence, 1e-300, _SURE))


@dataclass(frozen=True, slots=True)
class DeferralRule:
    """Go on where 1 - confidence is above what the next model is expected to lose, and costs."""

    expected: ExpectedLoss  # in errors, with what later models cost
    step: float  # cost of the next model, in errors
    lowest: float  # confidence in the rows of the fit: below it nothing is known

    def goes_on(self, confidence: Array) -> NDArray[np.bool_]:
        """Whether rows of these confidences go on; at the threshold, but for rounding, none."""
        loss = self.expected.at(confidence) + self.step
        return ~reaches(confidence, 1.0 - loss)

    @property
    def ranges(self) -> tuple[tuple[float, float], ...]:
        """Confidences in [0, 1] that go on, as ranges from low to high; none where none does.

        One range from 0 up to a threshold where the expected loss is constant. A fitted one may
        leave out the lowest confidences as well: rows at which the next model is no better.
        """
        if isinstance(self.expected, ConstantLoss):
            threshold = min(1.0 - self.expected.value - self.step, 1.0)
            return ((0.0, threshold),) if threshold > 0.0 else ()
        at = np.unique(np.r_[np.linspace(self.lowest, 1.0, 1025), self.expected.bends])
        at = at[(at >= self.lowest) & (at <= 1.0)]
        gain = 1.0 - at - self.expected.at(at) - self.step
        on = gain > 0.0
        turns = np.flatnonzero(on[1:] != on[:-1])
        slope = (gain[turns + 1] - gain[turns]) / (at[turns + 1] - at[turns])
        edges = at[turns] - gain[turns] / slope
        ends = np.r_[[0.0] * int(on[0]), edges, [1.0] * int(on[-1])]
        return tuple((float(low), float(high)) for low, high in ends.reshape(-1, 2))

    @property
    def threshold(self) -> float:
        """The largest confidence up to which rows go on; 0 where none does."""
        return max((high for _, high in self.ranges), default=0.0)

    def to_dict(self) -> dict[str, Any]:
        """Return threshold, ranges and what they come from."""
        return {
            "threshold": self.threshold,
            "ranges": [list(each) for each in self.ranges],
            "expected_loss": self.expected.to_dict(),
            "step": self.step,
        }


@dataclass(frozen=True, eq=False)
class Deferral(Frozen):
    """Rows to find the rules on: what every model says, and whether it is wrong."""

    confidences: tuple[Array, ...]  # of each model but the last, (n,)
    losses: tuple[Array, ...]  # of each model: 1 where wrong, else 0; or an error rate
    costs: tuple[float, ...]  # of each model after the first
    weights: Array  # (n,); 0 = does not count
    kind: LossKind

    @cached_property
    def _of_last(self) -> ExpectedLoss:
        """What the last model loses, which no price changes."""
        return fit_loss(self.kind, self.confidences[-1], self.losses[-1], self.weights)

    @cached_property
    def _lowest(self) -> tuple[float, ...]:
        has_weight = self.weights > 0.0
        return tuple(float(each[has_weight].min()) for each in self.confidences)

    def rules(self, price: float) -> tuple[DeferralRule, ...]:
        """Return the rules at a price of so many errors per unit of cost, by backward induction.

        What the last model loses is known; what is lost from the one before it on is its own
        error or that of the last and its cost, as the last rule says; and so on to the first.
        """
        lost = self.losses[-1]
        rules: list[DeferralRule] = []
        for j in reversed(range(len(self.costs))):
            step = price * self.costs[j]
            expected = (
                self._of_last
                if not rules
                else fit_loss(self.kind, self.confidences[j], lost, self.weights)
            )
            rules.insert(0, DeferralRule(expected, step, self._lowest[j]))
            if j == 0:
                break
            goes_on = rules[0].goes_on(self.confidences[j])
            lost = np.where(goes_on, lost + step, self.losses[j])
        return tuple(rules)

    def outcome(self, price: float) -> tuple[float, float]:
        """Return mean error and mean cost of the rules at a price, on these same rows."""
        answered = answered_by(self.rules(price), self.confidences)
        lost = lost_by(answered, self.losses)
        cost = np.r_[0.0, np.cumsum(self.costs)][answered]
        total = self.weights.sum()
        return float(self.weights @ lost / total), float(self.weights @ cost / total)

    def prices(self, n: int) -> Array:
        """Return about n prices, falling: from where no row goes on to where all do.

        More of them where few rows go on. A price below 0 pays for going on: it shows what is
        bought beyond the point where the models' confidences say that it is not worth it.
        """
        costs = np.asarray(self.costs)
        shares = np.linspace(0.0, 1.0, n // len(costs)) ** 2
        has_weight = self.weights > 0.0
        inner = [
            np.quantile((1.0 - c - rule.expected.at(c))[has_weight] / cost, 1.0 - shares)
            for c, rule, cost in zip(self.confidences, self.rules(0.0), costs, strict=True)
        ]
        never, always = 1.0 / costs.min(), -2.0 / costs.min()
        return np.unique(np.concatenate([[never, 0.0, always], *inner]))[::-1]


def answered_by(rules: Sequence[DeferralRule], confidences: Sequence[Array]) -> NDArray[np.intp]:
    """Return the number of the model that answers each row, (n,)."""
    answered = np.zeros(len(confidences[0]), dtype=np.intp)
    for j, (rule, confidence) in enumerate(zip(rules, confidences, strict=True)):
        answered += (answered == j) & rule.goes_on(confidence)
    return answered


def lost_by(answered: NDArray[np.intp], losses: Sequence[Array]) -> Array:
    """Return what the model that answers each row loses there, (n,)."""
    lost = losses[0].copy()
    for number, own in enumerate(losses[1:], start=1):
        np.copyto(lost, own, where=answered == number)
    return lost
