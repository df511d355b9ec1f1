"""What a probability is of: that the prediction is right, or that the class is this one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from temperance.binning import MOST_BINS, ROUNDING, assign, bin_edges, forecast_numbers
from temperance.checks.arguments import as_count, value_text
from temperance.checks.labels import class_position
from temperance.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.binning import Binning
    from temperance.metrics.inputs import Predictions

__all__ = [
    "GRID_LIMITS",
    "GRID_POINTS",
    "N_RANKS",
    "Event",
    "EventName",
    "bins_of",
    "check_bins",
    "class_event",
    "grid_of",
    "named_event",
    "ranks_of",
    "top_label_event",
]

# Which bin, rank or grid point each row counts in.


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


_SHOWN = 5  # names quoted in a message
EventName = str | int  # "predicted", or a class by its number or name


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """Something that happens in a row or not, and the probability the model gives it."""

    name: Literal["top-label"] | int
    probability: NDArray[np.float64]  # (n,), in [0, 1]
    hit: NDArray[np.bool_]  # (n,)


def top_label_event(rows: Predictions) -> Event:
    """Return the event that the predicted class is the true one."""
    return Event("top-label", rows.confidence, rows.correct)


def class_event(rows: Predictions, number: int) -> Event:
    """Return the event that the true class is `number`."""
    return Event(number, np.ascontiguousarray(rows.probs[:, number]), rows.labels == number)


def named_event(rows: Predictions, name: EventName | None) -> Event:
    """Return the event of that name; None is class 1 of two classes, else "predicted".

    Results call the latter "top-label", which is understood too. A class is called by its name
    where the columns have names (by the rule of labels); by its number where no name is one.
    """
    k = rows.probs.shape[1]
    if name is None:
        return class_event(rows, 1) if k == 2 else top_label_event(rows)
    if isinstance(name, str) and name in ("predicted", "top-label"):
        return top_label_event(rows)
    if not isinstance(name, bool | np.bool_) and isinstance(name, str | int | np.integer):
        place = class_position(name, rows.classes)
        if 0 <= place < k:
            return class_event(rows, place)
    which = f"in 0..{k - 1}"
    if rows.classes is not None:
        more = ", ..." if k > _SHOWN else ""
        which = f"among {', '.join(map(repr, rows.classes[:_SHOWN]))}{more}"
    msg = f'`event` must be "predicted" or a class {which}, got {value_text(name)}.'
    raise InvalidInputError(msg)
