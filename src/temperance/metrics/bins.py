"""Which bin, rank or grid point each row counts in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from temperance.binning import assign, bin_edges

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.binning import Binning

__all__ = ["GRID_POINTS", "N_RANKS", "bins_of", "grid_of", "ranks_of"]

N_RANKS = 1000  # parts of the sorted rows that resamples of rank-based measures work on
GRID_POINTS = 512  # of the smooth calibration error: 0.002 apart


def bins_of(
    probability: NDArray[np.float64],
    *,
    n_bins: int,
    binning: Binning,
    weights: NDArray[np.float64] | None,
) -> NDArray[np.intp]:
    """Return each row's bin, 0..n_bins-1."""
    edges = bin_edges(probability, n_bins=n_bins, binning=binning, weights=weights)
    return assign(probability, edges)


def ranks_of(
    probability: NDArray[np.float64], n_ranks: int = N_RANKS
) -> tuple[NDArray[np.intp], int]:
    """Return each row's place among the distinct probabilities, ascending, and their number.

    Beyond `n_ranks` distinct values, neighbours share a place: about equally many rows each,
    equal values never parted.
    """
    distinct, place = np.unique(probability, return_inverse=True)
    if len(distinct) <= n_ranks:
        return place, len(distinct)
    cuts = np.sort(probability)[np.arange(1, n_ranks) * len(probability) // n_ranks]
    place = np.searchsorted(np.unique(cuts), probability, side="right")
    held = np.unique(place)
    return np.searchsorted(held, place), len(held)


def grid_of(probability: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return each row's cell on an even grid of `GRID_POINTS` cells over [0, 1]."""
    return np.minimum((probability * GRID_POINTS).astype(np.intp), GRID_POINTS - 1)
