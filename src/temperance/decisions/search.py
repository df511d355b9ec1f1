"""Where to put a threshold: the search along a fixed sequence, and the one for a coverage."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log10, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from temperance.binning import ROUNDING, reaches
from temperance.decisions.binomial import (
    POWER,
    fewest_rows,
    p_values,
    pass_probability,
    rows_needed,
    upper_limit,
)
from temperance.numerics import normal_quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = [
    "GRID",
    "Found",
    "Target",
    "first_tried",
    "fixed_sequence",
    "for_coverage",
    "labels_needed",
    "risk_of_coverage",
]

GRID: Array = np.arange(999, -1, -1) / 1000.0
GRID.setflags(write=False)
_AT_ONCE = 16  # thresholds
_LIKELY = 0.999  # probability to pass, where the search begins
_LOOKED_AT = 8  # thresholds whose need of labels is reckoned exactly


class Found(NamedTuple):
    """A threshold and the risk that is promised there."""

    threshold: float
    max_risk: float


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """What a threshold is to reach: a coverage, or a risk, perhaps from a coverage on."""

    max_risk: float | None
    min_coverage: float | None
    delta: float  # probability that the promise fails
    grid: Array  # thresholds tried for a risk, falling
    kept: float = 1.0  # share of the labelled rows that set thresholds, the others fit

    def fewest(self, n: int) -> int:
        """Return how many of n rows the first threshold tried for a risk accepts at least."""
        assert self.max_risk is not None  # noqa: S101  (asked of a risk only)
        spotless = fewest_rows(self.max_risk, self.delta)
        return spotless if self.min_coverage is None else max(spotless, self.covering(n))

    def covering(self, n: int) -> int:
        """Return how many of n rows make the coverage."""
        return max(1, ceil((self.min_coverage or 0.0) * n * (1.0 - 1e-12)))


def fixed_sequence(confidence: Array, wrong: NDArray[np.bool_], target: Target) -> Found | None:
    """Return the loosest threshold of the grid that keeps the risk; None if none does.

    Begins at `first_tried`, and ends before the first threshold whose p-value exceeds delta.
    """
    assert target.max_risk is not None  # noqa: S101  (asked of a risk only)
    first = first_tried(confidence, target)
    if first is None:
        return None
    rows, errors = _counts(confidence, wrong, target.grid)
    fails = p_values(errors[first:], rows[first:], target.max_risk) > target.delta
    passed = int(fails.argmax()) if fails.any() else len(fails)
    return Found(float(target.grid[first + passed - 1]), target.max_risk) if passed else None


def first_tried(confidence: Array, target: Target) -> int | None:
    """Return the place in the grid where the search begins; no label has a say in it.

    The strictest threshold that reaches the coverage, where one is given. Else the strictest whose
    test would pass with probability .999 if confidences were right (the likeliest to pass, if none
    is so likely): of the very surest rows there are often just enough that one error fails the
    test, and the search with it. Never with fewer rows than spotless ones could pass with.
    """
    assert target.max_risk is not None  # noqa: S101  (asked of a risk only)
    falling = np.sort(confidence)[::-1]
    rows = _reached(falling, target.grid)
    enough = rows >= target.fewest(len(confidence))
    if not enough.any():
        return None
    if target.min_coverage is not None:
        return int(enough.argmax())
    claimed = np.concatenate([[0.0], np.cumsum(1.0 - falling)])
    counts, places = np.unique(rows, return_index=True)
    counts, places = (each[counts >= target.fewest(len(falling))] for each in (counts, places))
    best, likeliest = 0, -1.0
    for start in range(0, len(counts), _AT_ONCE):
        some = counts[start : start + _AT_ONCE]
        passing = pass_probability(some, claimed[some] / some, target.max_risk, target.delta)
        at = int(np.argmax(np.minimum(passing, _LIKELY)))  # the first of those likely enough
        if passing[at] > likeliest:
            best, likeliest = start + at, float(passing[at])
        if likeliest >= _LIKELY:
            break
    return int(places[best])


def for_coverage(confidence: Array, wrong: NDArray[np.bool_], target: Target) -> Found:
    """Return the strictest threshold that accepts this share of the rows, and a risk for it.

    No label has a say in the threshold: it is the k-th largest confidence. Given that, the k - 1
    rows above it are independent draws from what it accepts, and their exact upper limit holds
    (where confidences differ; nearly, where many are equal). The limit taken is that of all
    accepted rows less a right one, which is never below.
    """
    k = target.covering(len(confidence))
    threshold = float(np.partition(confidence, len(confidence) - k)[len(confidence) - k])
    accepted = reaches(confidence, threshold)
    errors, rows = int(np.count_nonzero(wrong & accepted)), int(np.count_nonzero(accepted))
    return Found(threshold, risk_of_coverage(errors, rows, target.delta))


def risk_of_coverage(errors: int, rows: int, delta: float) -> float:
    """Return the risk promised of the rows that a coverage accepts, of which some are wrong."""
    return _rounded_up(upper_limit(errors, rows - 1, delta))


def labels_needed(confidence: Array, wrong: NDArray[np.bool_], target: Target) -> int | None:
    """Return about how many labelled rows would allow the promise at some threshold.

    At each threshold the risk is taken to be (errors + 1/2) / (rows + 1), or errors / rows if only
    that is below the target; the rows needed (power 80 %) are divided by the coverage, and the
    smallest number counts. None where no threshold's risk is below the target.
    """
    max_risk, delta = target.max_risk, target.delta
    assert max_risk is not None  # noqa: S101  (asked of a risk only)
    rows, errors = _counts(confidence, wrong, target.grid)
    least = 1 if target.min_coverage is None else target.covering(len(confidence))
    rows, first = np.unique(rows, return_index=True)
    errors, rows = errors[first][rows >= least], rows[rows >= least]
    careful, plain = (errors + 0.5) / (rows + 1.0), errors / rows
    risks = np.where(careful < max_risk, careful, plain)
    below = np.flatnonzero(risks < max_risk)
    if not len(below):
        return None
    share = rows[below] / len(confidence)
    rough = np.maximum(
        _rough_need(risks[below], max_risk, delta), float(fewest_rows(max_risk, delta))
    )
    found = []
    for place in np.argsort(rough / share, kind="stable")[:_LOOKED_AT]:
        needed = rows_needed(float(risks[below[place]]), max_risk, delta)
        if needed is not None:
            found.append(ceil(needed / float(share[place])))
    return min(found, default=None)


def _rough_need(risks: Array, max_risk: float, delta: float) -> Array:
    """Return `rows_needed` with normal instead of binomial counts, (m,)."""
    sure, seen = (normal_quantile(2.0 * p - 1.0) for p in (1.0 - delta, POWER))
    spread = sure * sqrt(max_risk * (1.0 - max_risk)) + seen * np.sqrt(risks * (1.0 - risks))
    return np.asarray((np.maximum(spread, 0.0) / (max_risk - risks)) ** 2)


def _rounded_up(share: float) -> float:
    """Return a limit with three digits, so that it can be read and still holds."""
    unit = 10.0 ** (floor(log10(share)) - 2)
    return min(ceil(share / unit) * unit, 1.0)


def _counts(
    confidence: Array, wrong: NDArray[np.bool_], grid: Array
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many rows each threshold accepts, and how many of these are wrong."""
    order = np.argsort(-confidence, kind="stable")
    rows = _reached(confidence[order], grid)
    so_far = np.concatenate([[0], wrong[order].cumsum()])
    return rows, so_far[rows].astype(np.int64)


def _reached(falling: Array, grid: Array) -> NDArray[np.int64]:
    """Return how many of the confidences reach each threshold, as `reaches` has it."""
    return np.searchsorted(-falling, ROUNDING - grid, side="right").astype(np.int64)
