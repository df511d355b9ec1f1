"""A grid of an event's probability that bins, ranks and smoothing can all be made of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from temperance.binning import assign, bin_edges, limits, mass_cuts
from temperance.metrics.bins import GRID_LIMITS, GRID_POINTS, N_RANKS, grid_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.metrics.cells.cell_sums import CellSums

    Places = NDArray[np.intp]

__all__ = ["ProbabilityGrid"]

_EVEN = 1 << 14  # cells of equal width: a multiple of the smooth error's
_ODDS = 36.0  # log-odds beyond which float64 has no probability below 1
_ODDS_STEP = 1.0 / 256.0


@dataclass(frozen=True)
class ProbabilityGrid:
    """About 35,000 cells, even in the probability and in its log-odds, for any `n_bins`.

    0 and 1 have a cell each. No edge of the `n_bins` bins of equal width, or of the cells that the
    smooth error is summed in, cuts a cell: these measures lose nothing.
    """

    n_bins: int

    @cached_property
    def upper(self) -> NDArray[np.float64]:
        """Upper end of each cell, which belongs to it, ascending from 0 to 1."""
        odds = np.arange(-_ODDS, _ODDS + _ODDS_STEP, _ODDS_STEP)
        edges = (
            np.arange(_EVEN + 1) / _EVEN,
            1.0 / (1.0 + np.exp(-odds)),
            np.nextafter(GRID_LIMITS, 0.0),  # those cells hold their lower end
            np.nextafter(np.arange(1, GRID_POINTS) / GRID_POINTS, 0.0),  # one for k / 512 alone
            np.array([np.nextafter(1.0, 0.0)]),
            limits(self.bin_edges),
        )
        return np.unique(np.concatenate(edges))

    @cached_property
    def single(self) -> NDArray[np.bool_]:
        """Whether a cell holds one floating-point number only: its upper end."""
        return np.nextafter(self.upper, -1.0) <= np.concatenate([[0.0], self.upper[:-1]])

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.upper)

    def cells_of(self, probability: NDArray[np.float64]) -> Places:
        """Return each row's cell."""
        return np.searchsorted(self.upper, probability, side="left")

    @property
    def bin_edges(self) -> NDArray[np.float64]:
        """Edges of the bins of equal width."""
        return bin_edges(np.empty(0), n_bins=self.n_bins, binning="equal-width", weights=None)

    @cached_property
    def bins(self) -> Places:
        """Bin of equal width of each cell."""
        return assign(self.upper, self.bin_edges)

    @cached_property
    def points(self) -> Places:
        """Place of each cell on the grid of the smooth calibration error."""
        return grid_of(self.upper)

    def equal_mass(self, cells: CellSums) -> tuple[Places, Places]:
        """Return the bin of equal mass of each cell, and the cells that the bins end in."""
        below = np.cumsum(cells.weight.sum(axis=0))
        whole = bool((below == np.floor(below)).all())
        ends = mass_cuts(below, self.n_bins, whole=whole)
        return np.searchsorted(ends, np.arange(self.n_cells), side="left"), ends

    def ranks(self, cells: CellSums, n_ranks: int = N_RANKS) -> tuple[Places, int]:
        """Return each cell's place among at most `n_ranks` parts of the rows, and their number.

        As `ranks_of` does with rows: all cells that hold rows, or parts of equally many rows.
        """
        count = cells.count.sum(axis=0)
        held = count > 0.0
        if np.count_nonzero(held) <= n_ranks:
            return np.maximum(held.cumsum() - 1, 0), int(np.count_nonzero(held))
        n = int(count.sum())
        cuts = np.searchsorted(count.cumsum(), np.arange(1, n_ranks) * n // n_ranks, side="right")
        place = np.searchsorted(np.unique(cuts), np.arange(self.n_cells), side="right")
        parts = np.unique(place[held])
        return np.minimum(np.searchsorted(parts, place), len(parts) - 1), len(parts)
