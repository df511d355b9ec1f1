"""The choice among maps of scores that are no probabilities: each must beat the base rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from temperance.calibrators import (
    Calibrator,
    Identity,
)
from temperance.checks.answer_scores import base_rate_logits
from temperance.selection.choose import Trial, Trials

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.calibrators import Traits
    from temperance.readers.json_object import JsonObject

    Array = NDArray[np.float64]

__all__ = ["BASE_RATE", "SCORE_METHODS", "BaseRate", "ScoreTrials"]


BASE_RATE = "base-rate"
SCORE_METHODS = (BASE_RATE, "platt", "beta", "isotonic", "venn-abers")


@dataclass(frozen=True, slots=True, eq=False)
class BaseRate(Calibrator):
    """The same log-odds for every row: what is known without the scores. Never saved."""

    method: ClassVar[str] = BASE_RATE
    traits: ClassVar[Traits] = Identity.traits

    log_odds: float

    def scaled(self, block: Array) -> Array:
        """Return (0, log-odds) for each row."""
        return np.tile([0.0, self.log_odds], (len(block), 1))

    def parameters(self) -> dict[str, Any]:
        """Return the log-odds."""
        return {"log_odds": self.log_odds}

    @classmethod
    def from_parameters(cls, parameters: JsonObject, **common: Any) -> Self:  # noqa: ANN401
        """Return the map of `parameters()`."""
        return cls(log_odds=parameters.number("log_odds"), **common)


@dataclass(frozen=True, slots=True, eq=False)
class ScoreTrials(Trials):
    """Trials on scores whose own sigmoids mean nothing: the base rate stands where they would."""

    def of(self, method: str) -> Trial:
        """Return a method's trial, or that of the base rate."""
        if method == BASE_RATE:
            return self._cross_fitted(method, 0.0)
        return Trials.of(self, method)

    def fit(self, method: str, weights: Array | None, prior: float) -> Calibrator:
        """Return the method fitted with these weights."""
        if method == BASE_RATE:
            return BaseRate(log_odds=float(base_rate_logits(self.rows.labels, weights)[0, 1]))
        return Trials.fit(self, method, weights, prior)

    def unchanged(self, held_out: NDArray[np.bool_]) -> Array:
        """Return the base rate of the other rows, for each of those held out."""
        weights = np.ones(self.rows.n) if self.rows.weights is None else self.rows.weights
        others = np.where(held_out, 0.0, weights)
        return base_rate_logits(self.rows.labels, others)[held_out]
