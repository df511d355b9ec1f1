"""Which bin, rank or grid point each row counts in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from temperance.binning import MOST_BINS, ROUNDING, assign, bin_edges, forecast_numbers
from temperance.checks.numbers import as_count

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.binning import Binning

__all__ = ["GRID_LIMITS", "GRID_POINTS", "N_RANKS", "bins_of", "check_bins", "grid_of", "ranks_of"]

N_RANKS = 1000  # parts of the sorted rows that resamples of rank-based measures work on
GRID_POINTS = 512  # of the smooth calibration error: 0.002 apart
GRID_LIMITS = np.arange(1, GRID_POINTS) / GRID_POINTS - ROUNDING  # lowest value of each cell


def check_bins(n_bins: int) -> int:
    """Return a number of bins, or raise InvalidInputError."""
    return as_count(n_bins, name="n_bins", most=MOST_BINS)


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
    """Return each row's place among the distinct forecasts, ascending, and their number.

    Probabilities that differ by rounding alone are one forecast (`forecast_numbers`).

    Beyond `n_ranks` distinct values, neighbours share a place: about equally many rows each,
    equal values never parted.
    """
    distinct, place = np.unique(probability, return_inverse=True)
    number = forecast_numbers(distinct)
    if number[-1] < n_ranks:
        return number[place], int(number[-1]) + 1
    cuts = np.sort(probability)[np.arange(1, n_ranks) * len(probability) // n_ranks]
    place = np.searchsorted(np.unique(cuts), probability, side="right")
    held = np.unique(place)
    return np.searchsorted(held, place), len(held)


def grid_of(probability: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return each row's cell on an even grid of `GRID_POINTS` cells over [0, 1].

    A cell holds its lower end, and what differs from that by rounding.
    """
    return np.searchsorted(GRID_LIMITS, probability, side="right")
