"""Where to put a threshold: the search along a fixed sequence, and the one for a coverage."""

from __future__ import annotations

from math import ceil, floor, log10
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from temperance.decisions.binomial import fewest_rows, p_values, rows_needed, upper_limit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["GRID", "Found", "fixed_sequence", "for_coverage", "labels_needed"]

GRID: Array = np.arange(999, -1, -1) / 1000.0
GRID.setflags(write=False)


class Found(NamedTuple):
    """A threshold and the risk that is promised there."""

    threshold: float
    max_risk: float


def fixed_sequence(
    confidence: Array, wrong: NDArray[np.bool_], *, max_risk: float, delta: float, grid: Array
) -> Found | None:
    """Return the loosest threshold of the `grid` (falling) that keeps the risk; None if none does.

    Begins where enough rows are accepted that no error at all would do, and ends before the first
    threshold whose p-value exceeds `delta`.
    """
    rows, errors = _counts(confidence, wrong, grid)
    enough = rows >= fewest_rows(max_risk, delta)
    if not enough.any():
        return None
    first = int(enough.argmax())
    fails = p_values(errors[first:], rows[first:], max_risk) > delta
    passed = int(fails.argmax()) if fails.any() else len(fails)
    return Found(float(grid[first + passed - 1]), max_risk) if passed else None


def for_coverage(
    confidence: Array, wrong: NDArray[np.bool_], *, min_coverage: float, delta: float
) -> Found:
    """Return the strictest threshold that accepts this share of the rows, and a risk for it.

    No label has a say in the threshold: it is the k-th largest confidence. Given that, the k - 1
    rows above it are independent draws from what it accepts, and their exact upper limit holds
    (where confidences differ; nearly, where many are equal). The limit taken is that of all
    accepted rows less a right one, which is never below.
    """
    k = max(1, ceil(min_coverage * len(confidence) * (1.0 - 1e-12)))
    threshold = float(np.partition(confidence, len(confidence) - k)[len(confidence) - k])
    accepted = confidence >= threshold
    errors, rows = int(np.count_nonzero(wrong & accepted)), int(np.count_nonzero(accepted))
    return Found(threshold, _rounded_up(upper_limit(errors, rows - 1, delta)))


def labels_needed(
    confidence: Array, wrong: NDArray[np.bool_], *, max_risk: float, delta: float, grid: Array
) -> int | None:
    """Return about how many labelled rows would allow the promise at some threshold.

    At each threshold the risk is taken to be (errors + 1/2) / (rows + 1), or errors / rows if only
    that is below the target; the rows needed (power 80 %) are divided by the coverage, and the
    smallest number counts. None where no threshold's risk is below the target.
    """
    rows, errors = _counts(confidence, wrong, grid)
    rows, first = np.unique(rows, return_index=True)
    errors = errors[first]
    best: float | None = None
    for accepted, bad in zip(rows.tolist(), errors.tolist(), strict=True):
        share = accepted / len(confidence)
        if share == 0.0 or (best is not None and fewest_rows(max_risk, delta) / share >= best):
            continue
        careful = (bad + 0.5) / (accepted + 1.0)
        risk = careful if careful < max_risk else bad / accepted
        needed = rows_needed(risk, max_risk, delta)
        if needed is not None and (best is None or needed / share < best):
            best = needed / share
    return None if best is None else ceil(best)


def _rounded_up(share: float) -> float:
    """Return a limit with three digits, so that it can be read and still holds."""
    unit = 10.0 ** (floor(log10(share)) - 2)
    return min(ceil(share / unit) * unit, 1.0)


def _counts(
    confidence: Array, wrong: NDArray[np.bool_], grid: Array
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many rows each threshold accepts, and how many of these are wrong."""
    order = np.argsort(-confidence, kind="stable")
    rows = np.searchsorted(-confidence[order], -grid, side="right")
    so_far = np.concatenate([[0], wrong[order].cumsum()])
    return rows.astype(np.int64), so_far[rows].astype(np.int64)
