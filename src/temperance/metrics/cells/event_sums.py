"""One event on the fine grid: its calibration errors and its CORP diagram, from sums."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from temperance.binning import BinSums
from temperance.metrics.cells.cell_sums import drawn_sums
from temperance.metrics.corp import corp_of_sums
from temperance.metrics.decomposition import ScoreDecomposition, corp_sums, isotonic
from temperance.metrics.error_measures import (
    binned_error,
    debiased_square,
    ks_error,
    smooth_error,
)
from temperance.metrics.estimates import Draws
from temperance.metrics.events import GRID_POINTS
from temperance.metrics.reliability import ReliabilityCurve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.metrics.cells.cell_sums import CellSums, ProbabilityGrid
    from temperance.metrics.corp import CorpReliability
    from temperance.metrics.decomposition import Score
    from temperance.metrics.events import EventName

__all__ = ["EventSums"]

_SCORES: Final[tuple[Score, ...]] = ("brier", "log")


@dataclass(frozen=True, slots=True, eq=False)
class EventSums:
    """The merged sums of an event, ready to be read; every resample is drawn from them.

    A coarser set of cells is drawn for each measure: its bins, ranks or points.
    """

    name: EventName
    cells: CellSums
    grid: ProbabilityGrid
    n_resamples: int
    source: list[int]  # of random numbers
    doubt: float  # 1 / effective number of rows

    def errors(self) -> dict[str, Draws]:
        """Return the calibration errors of the event; those of "debiased" are of its square."""
        grid, n_bins = self.grid, self.grid.n_bins
        equal_mass = self._drawn(1, grid.equal_mass(self.cells)[0], n_bins)
        return {
            "ece": self._split(binned_error(self._drawn(0, grid.bins, n_bins))),
            "ece_equal_mass": self._split(binned_error(equal_mass)),
            "debiased": self._split(debiased_square(equal_mass), squared=True),
            "smooth": self._split(smooth_error(self._drawn(2, grid.points, GRID_POINTS))),
            "ks": self._split(
                ks_error(self._drawn(3, *grid.ranks(self.cells))),
                value=float(ks_error(self.cells.bin_sums())),
            ),
        }

    def errors_off(self) -> dict[str, float]:
        """Return how far the errors that look into cells may be from those of the rows.

        A row moved from one bin to the next changes two gaps; a running total that is looked at
        within a cell leaves what it is at the cell's ends by some of the cell's rows.
        """
        part = self.cells.largest_part / self.cells.weight.sum()
        part[self.grid.single | (self.cells.count.sum(axis=0) <= 1.0)] = 0.0
        ends = np.unique(self.grid.equal_mass(self.cells)[1])
        return {"ece_equal_mass": 2.0 * float(part[ends].sum()), "ks": float(part.max())}

    def reliability(self) -> ReliabilityCurve:
        """Return the numbers of the binned diagram."""
        sums = self.cells.regrouped(self.grid.bins, self.grid.n_bins).bin_sums()
        return ReliabilityCurve.from_sums(sums, self.grid.bin_edges)

    def corp(
        self, scores: dict[Score, float]
    ) -> tuple[CorpReliability, ScoreDecomposition, dict[str, Draws]]:
        """Return the diagram, the parts of the log score, and draws of the Brier parts.

        `scores` are the event's mean scores, which need no grid.
        """
        sums = self.cells.bin_sums()
        exact = {score: _decomposed(sums, score, scores[score]) for score in _SCORES}
        curve, draws = corp_of_sums(
            self.name,
            self._drawn(4, *self.grid.ranks(self.cells)),
            self.n_resamples,
            exact=exact["brier"],
            doubt=self.doubt,
        )
        return curve, exact["log"], draws

    def miscalibration_off(self) -> float:
        """Return by how much the miscalibration, and the discrimination, may be too small.

        No order of a cell's rows lets a rising curve fit better than misses before hits.
        """
        cells, single = self.cells, self.grid.single
        weight = np.where(single, [cells.weight.sum(axis=0), 0.0 * single], cells.weight)
        hits = np.where(single, [cells.weight[1], 0.0 * single], [0.0 * single, cells.weight[1]])
        zero = np.zeros(2 * len(single))
        best = BinSums(zero, weight.T.ravel(), zero, zero, hits.T.ravel())
        gained = [
            float(corp_sums(each, isotonic(each), score="brier").discrimination)
            for each in (cells.bin_sums(), best)
        ]
        return max(gained[1] - gained[0], 0.0)

    def _drawn(self, stream: int, places: NDArray[np.intp], n_places: int) -> BinSums:
        coarse = self.cells.regrouped(places, n_places)
        return drawn_sums(coarse, self.n_resamples, seed=[*self.source, stream])

    def _split(
        self, statistic: NDArray[np.float64], *, value: float | None = None, squared: bool = False
    ) -> Draws:
        return Draws.split(
            statistic, self.n_resamples, doubt=self.doubt, value=value, squared=squared
        )


def _decomposed(sums: BinSums, score: Score, mean: float) -> ScoreDecomposition:
    """Return the parts of a mean score, of which only the recalibrated one needs the cells."""
    found = corp_sums(sums, isotonic(sums), score=score)
    gained, flat = float(found.discrimination), float(found.uncertainty)
    return ScoreDecomposition(mean, mean - (flat - gained), gained, flat)
