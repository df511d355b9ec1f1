"""Cox's line from sums: rows of nearly equal log-odds share a cell and its mean log-odds."""

from __future__ import annotations

from dataclasses import dataclass
from math import asinh
from typing import TYPE_CHECKING, Self

import numpy as np

from temperance.metrics.cox import line_test, refuted_test
from temperance.metrics.weak_calibration import EventOdds
from temperance.sums import MergeableSums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.metrics.cox import CoxTest
    from temperance.metrics.events import EventName
    from temperance.metrics.weak_calibration import WeakCalibration

    Array = NDArray[np.float64]

__all__ = ["LineSums"]

_PER_UNIT = 128.0  # cells per unit of asinh(log-odds): 1/128 wide at even odds, wider far out
_FAR = 1e4  # log-odds beyond it share a cell
_HALF = int(_PER_UNIT * asinh(_FAR)) + 1
_CELLS = 2 * _HALF + 1


@dataclass(frozen=True, slots=True, eq=False)
class LineSums(MergeableSums):
    """Sums over rows of finite log-odds, (2, cells): where the event failed, where it happened."""

    degrees = {"squared_weight": 2, "certain_squared": 2}  # noqa: RUF012

    refuted: int  # rows of probability 0 or 1 that came out otherwise
    weight: Array  # sum w
    squared_weight: Array  # sum w^2
    odds: Array  # sum w log-odds
    certain: Array  # (2, 2): sum w where the probability is 0 or 1, by the outcome
    certain_squared: Array  # sum w^2
    n_hits: int  # rows in which it happened
    n: int

    @classmethod
    def of(cls, odds: Array, hit: NDArray[np.bool_], weights: Array | None) -> Self:
        """Return the sums of a block of rows of weight above 0."""
        chance = np.isfinite(odds)
        refuted = int(np.count_nonzero((hit != (odds > 0)) & ~chance))
        n, n_hits = len(hit), int(np.count_nonzero(hit))
        every = np.ones(n) if weights is None else weights
        sure = (2 * (odds > 0) + hit)[~chance]
        certain, squared = (
            np.bincount(sure, each[~chance], 4).astype(np.float64).reshape(2, 2)
            for each in (every, every * every)
        )
        odds, hit, w = odds[chance], hit[chance], every[chance]
        cell = np.rint(_PER_UNIT * np.arcsinh(np.clip(odds, -_FAR, _FAR))).astype(np.intp)
        at = hit * _CELLS + cell + _HALF

        def total(values: Array) -> Array:
            return np.bincount(at, values, 2 * _CELLS).astype(np.float64).reshape(2, _CELLS)

        return cls(refuted, total(w), total(w * w), total(w * odds), certain, squared, n_hits, n)

    def weak_calibration(self, event: EventName) -> WeakCalibration:
        """Return intercept, slope and ratio of the cells, each at its mean log-odds."""
        held, sure = self.weight > 0.0, self.certain > 0.0
        happened = np.broadcast_to([[False], [True]], held.shape)
        infinite = np.array([[-np.inf, -np.inf], [np.inf, np.inf]])
        rows = EventOdds(
            np.concatenate([self.odds[held] / self.weight[held], infinite[sure]]),
            np.concatenate([happened[held], np.array([[False, True]] * 2)[sure]]),
            np.concatenate([self.weight[held], self.certain[sure]]),
            squared_weights=np.concatenate([self.squared_weight[held], self.certain_squared[sure]]),
        )
        return rows.measured(event, n=self.n, n_events=self.n_hits)

    def test(self) -> CoxTest:
        """Return Cox's test; `line_test` of the cells, each at its mean log-odds."""
        if self.refuted:
            return refuted_test(self.refuted)
        held = self.weight > 0.0
        weight = self.weight[held]
        hit = np.broadcast_to([[False], [True]], held.shape)[held]
        return line_test(
            self.odds[held] / weight, hit, weight, squared_weights=self.squared_weight[held]
        )
