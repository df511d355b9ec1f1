"""Bins of confidence, and the one edge rule: [0, e1], (e1, e2], ..., (eB-1, 1].

A value that differs from an edge by rounding is on the edge (`limits`): 3 / 10, 0.1 * 3, 1 - 0.7
and 0.3 in single precision are one forecast.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, Self, get_args

import numpy as np

from temperance.checks.arguments import as_word
from temperance.sums import MergeableSums

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "MOST_BINS",
    "ROUNDING",
    "BinSums",
    "Binning",
    "assign",
    "bin_edges",
    "forecast_numbers",
    "limits",
    "mass_cuts",
    "reaches",
]

Binning = Literal["equal-width", "equal-mass"]

ROUNDING = 1e-6  # of a probability in single precision, as from softmax(log p), and some more
_ALONE = 1000  # times the spread of one forecast's roundings: this far lie all others
_OF_WIDTH = 2e-5  # narrow bins (of equal mass, near 1) have less: nothing but rounding is moved
_EQUAL = 1e-12  # edges nearer to each other are one: confidences that double precision tells apart
MOST_BINS = 1000  # each 0.001 wide: their sums, for every resample, fit in memory


def bin_edges(
    confidence: NDArray[np.float64],
    *,
    n_bins: int,
    binning: Binning,
    weights: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    """Return the B + 1 edges of `n_bins` bins, from 0 to 1.

    `"equal-width"`: j / B. `"equal-mass"`: the confidences at which the sorted rows are cut into
    B parts of equal size, the first parts one row longer where B does not divide n (as
    `numpy.array_split` cuts). Equal confidences are never parted, so row order does not matter.
    """
    if as_word(binning, get_args(Binning), name="binning") == "equal-width":
        return np.arange(n_bins + 1) / n_bins
    return np.concatenate([[0.0], _mass_edges(confidence, n_bins, weights), [1.0]])


def assign(confidence: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return each confidence's bin, 0..B-1: a value on an edge belongs to the bin below it."""
    return np.searchsorted(limits(edges)[1:-1], confidence, side="left")


def limits(edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest value that counts as on each edge, (B + 1,), ascending from 0 to 1.

    An edge reaches 1e-6 upwards, but no more than 2e-5 of the narrower of the bins beside it.
    """
    if len(edges) < 3:
        return edges
    inner = edges[1:-1]
    last_of_run = np.append(np.diff(inner) > _EQUAL, True)
    run = np.cumsum(np.concatenate([[0], last_of_run[:-1]]))
    distinct = inner[last_of_run]
    width = np.diff(np.concatenate([[0.0], distinct, [1.0]]))
    width = np.where(width > 0.0, width, np.inf)  # an edge at 0 or 1
    reach = np.minimum(ROUNDING, _OF_WIDTH * np.minimum(width[:-1], width[1:]))
    return np.concatenate([[0.0], np.minimum(distinct + reach, 1.0)[run], [1.0]])


class SumsPerBin(Protocol):
    """Sums over the rows of each bin, (..., B): of the data, or of many worlds.

    `BinSums` says what each is; what is not asked for need not be summed.
    """

    @property
    def count(self) -> NDArray[np.float64]:
        """Rows."""

    @property
    def weight(self) -> NDArray[np.float64]:
        """Sum of w."""

    @property
    def squared_weight(self) -> NDArray[np.float64]:
        """Sum of w^2."""

    @property
    def probability(self) -> NDArray[np.float64]:
        """Sum of w p."""

    @property
    def hits(self) -> NDArray[np.float64]:
        """Sum of w k."""

    @property
    def gap(self) -> NDArray[np.float64]:
        """Sum of w (p - k)."""

    @property
    def total(self) -> NDArray[np.float64]:
        """Weight of all bins, (...)."""


@dataclass(frozen=True, slots=True, eq=False)
class BinSums(MergeableSums):
    """Sums over the rows of each bin, for one event (for instance "the prediction is right").

    Every field has shape (..., B): one set of sums, or one per resample.
    """

    degrees = {"count": 0, "squared_weight": 2}  # noqa: RUF012

    count: NDArray[np.float64]  # rows
    weight: NDArray[np.float64]  # sum w
    squared_weight: NDArray[np.float64]  # sum w^2
    probability: NDArray[np.float64]  # sum w p, p = the event's probability
    hits: NDArray[np.float64]  # sum w k, k = 1 if the event happened

    @classmethod
    def of(
        cls,
        probability: NDArray[np.float64],
        hit: NDArray[np.bool_],
        weights: NDArray[np.float64] | None,
        bins: NDArray[np.intp],
        n_bins: int,
    ) -> Self:
        """Return the sums of one block of rows, the i-th of which lies in `bins[i]`."""

        def total(values: NDArray[np.float64] | None) -> NDArray[np.float64]:
            return np.bincount(bins, values, minlength=n_bins).astype(np.float64)

        count = total(None)
        if weights is None:
            return cls(count, count, count, total(probability), total(hit.astype(np.float64)))
        w = weights
        return cls(count, total(w), total(w * w), total(w * probability), total(w * hit))

    @property
    def gap(self) -> NDArray[np.float64]:
        """Sum of w (p - k) per bin: above 0 where the event happens less often than said."""
        return self.probability - self.hits

    @property
    def total(self) -> NDArray[np.float64]:
        """Weight of all bins, (...)."""
        return np.asarray(self.weight.sum(axis=-1))


def forecast_numbers(ordered: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the number, from 0, of the distinct forecast that each of the sorted values is.

    Forecasts k / n in single precision, or computed in several ways, differ from row to row: they
    are one where they span no more than `ROUNDING`, and all others lie a thousand times as far.
    """
    if not len(ordered):
        return np.zeros(0, dtype=np.intp)
    gaps = np.diff(ordered)
    near = gaps <= ROUNDING
    starts = np.flatnonzero(np.append(True, ~near))
    ends = np.append(starts[1:], len(ordered)) - 1
    spread = ordered[ends] - ordered[starts]
    apart = np.concatenate([[np.inf], ordered[starts[1:]] - ordered[ends[:-1]], [np.inf]])
    alone = (spread <= ROUNDING) & (np.minimum(apart[:-1], apart[1:]) > _ALONE * spread)
    one = np.repeat(alone, ends - starts + 1)[1:] & near
    return np.concatenate([[0], np.cumsum((gaps > 0.0) & ~one)])


def reaches(confidence: ArrayLike, threshold: ArrayLike) -> NDArray[np.bool_]:
    """Whether each confidence is at or above the threshold; less by rounding counts as at it.

    So the same forecast passes from a text file and in single precision, however it was computed.
    """
    return np.asarray(np.asarray(confidence) >= np.asarray(threshold) - ROUNDING)


def mass_cuts(below: NDArray[np.float64], n_bins: int, *, whole: bool) -> NDArray[np.intp]:
    """Return which of the sorted rows (or cells of rows) end the bins of equal mass but the last.

    `below` is the weight up to and with each; `whole` weights give the first bins one more.
    """
    total = below[-1]
    step, extra = divmod(total, n_bins) if whole else (total / n_bins, 0.0)
    cuts = np.arange(1, n_bins)
    targets = step * cuts + np.minimum(cuts, extra)
    at = np.searchsorted(below, targets * (1.0 - 1e-15), side="left")
    return np.asarray(np.minimum(at, len(below) - 1))


def _mass_edges(
    confidence: NDArray[np.float64], n_bins: int, weights: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    order = np.argsort(confidence, kind="stable")
    below = np.arange(1.0, len(order) + 1) if weights is None else np.cumsum(weights[order])
    whole = weights is None or bool((weights == np.floor(weights)).all())
    ordered = confidence[order]
    number = forecast_numbers(ordered)
    at = mass_cuts(below, n_bins, whole=whole)
    return np.asarray(ordered[np.searchsorted(number, number[at], side="right") - 1])
