"""What maps of two classes share: log-odds of class 1, and which rows tell anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from temperance.checks.row_values import effective_rows, in_effective_rows
from temperance.errors import InvalidInputError, NoOptimumError
from temperance.numerics import as_float64, row_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.calibrators.training import Training

    Array = NDArray[np.float64]

__all__ = [
    "MOST_LOG_ODDS",
    "TwoClasses",
    "bounded",
    "log_odds",
    "of_log_odds",
    "with_log_odds",
]

MOST_LOG_ODDS = 1e101  # of logits up to 1e100
_LARGEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True, slots=True, eq=False)
class TwoClasses:
    """Rows of positive weight; weights add up to their effective number."""

    odds: Array  # (m,): log-odds of class 1, finite; +-MOST_LOG_ODDS where they are infinite
    hit: Array  # (m,): 1 where class 1 is true, else 0
    weights: Array  # (m,): > 0

    @classmethod
    def of(cls, rows: Training, *, method: str, zeros: bool = False) -> Self:
        """Return the rows, or raise: other than two classes, or only one of them seen."""
        if rows.k != 2:
            msg = (
                f"`logits` of {method} must be of two classes, got {rows.k}. For more: "
                "temperature, bias-corrected-temperature, vector, matrix, isotonic."
            )
            raise InvalidInputError(msg)
        odds = np.empty(rows.n)
        for block in row_blocks(rows.logits):
            odds[block] = log_odds(as_float64(rows.logits[block]))
        hit = rows.labels == 1
        return cls.from_odds(odds, hit, rows.weights, name=rows.class_name(1), zeros=zeros)

    @classmethod
    def from_odds(
        cls,
        odds: Array,
        hit: NDArray[np.bool_],
        weights: Array | None,
        *,
        name: str = "1",
        zeros: bool = False,
    ) -> Self:
        """Return the rows of finite log-odds and positive weight; both outcomes must be there.

        With `zeros` infinite log-odds are scores as others: the lowest and the largest.
        """
        w = np.ones(len(odds)) if weights is None else weights
        if zeros:
            odds = bounded(odds)
        keep = np.isfinite(odds) & (w > 0.0)
        outcomes = cls(odds[keep], hit[keep].astype(np.float64), in_effective_rows(w[keep]))
        if outcomes.hit.all() or not outcomes.hit.any():
            when = "always" if len(outcomes.hit) and outcomes.hit.all() else "never"
            msg = (
                f"Class {name} is {when} true in these rows: one outcome cannot tell how often it "
                "comes true. More rows, or temperature with `prior=1.0` (--prior 1)."
            )
            raise NoOptimumError(msg, reason="empty-class")
        return outcomes

    @property
    def weight(self) -> float:
        """Effective number of rows, (sum w)^2 / sum w^2."""
        return float(self.weights.sum())

    @property
    def class_rows(self) -> tuple[float, float]:
        """Effective numbers of rows of class 0 and of class 1."""
        missed, hit = (effective_rows(self.weights[self.hit == each]) for each in (0.0, 1.0))
        return missed, hit

    def refuse_constant(self) -> None:
        """Raise if all log-odds are equal: no slope can be told from another."""
        if np.ptp(self.odds) == 0.0:
            msg = (
                "No slope is better than another: all rows have the same log-odds. Check that "
                "these are the model's outputs."
            )
            raise NoOptimumError(msg, reason="constant-logits")

    def refuse_separable(self) -> None:
        """Raise if no row of class 0 has larger log-odds than any of class 1."""
        if self.odds[self.hit == 0.0].max() <= self.odds[self.hit == 1.0].min():
            msg = (
                "No finite optimum: some log-odds part the rows of the two classes without error, "
                "so the steeper the map, the better. More rows would settle it; `prior=1.0` "
                "(--prior 1) gives a finite answer."
            )
            raise NoOptimumError(msg, reason="separable")


def log_odds(block: Array) -> Array:
    """Return the log-odds of class 1, (m,); infinite where one of the two options is missing."""
    return np.asarray(block[:, 1] - block[:, 0])


def bounded(odds: Array) -> Array:
    """Return log-odds of which infinite ones are +-MOST_LOG_ODDS, beyond all others."""
    return np.clip(odds, -MOST_LOG_ODDS, MOST_LOG_ODDS)


def with_log_odds(block: Array, odds: Array) -> Array:
    """Return (0, odds) per row, odds beyond float range at its end; one-option rows as they are."""
    out = of_log_odds(odds)
    missing = block == -np.inf
    if missing.any():
        one_option = missing.any(axis=1)
        out[one_option] = block[one_option]
    return out


def of_log_odds(odds: Array) -> Array:
    """Return (0, odds) per row, odds beyond float range at its end."""
    rows = np.zeros((len(odds), 2))
    np.minimum(np.maximum(odds, -_LARGEST), _LARGEST, out=rows[:, 1])
    return rows
