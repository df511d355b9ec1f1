"""The two isotonic fits behind a Venn-Abers interval, for every place of a new score at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["venn_abers_steps"]


def venn_abers_steps(odds: Array, hit: Array, weights: Array) -> tuple[Array, Array, Array]:
    r"""Return the distinct scores, rising, and the two probabilities at each of them, (m,).

    Lower at score i: the isotonic fit there when one more row of that score is added with label 0;
    upper: with label 1. With N and S the running sums of weights and hits,

    .. math:: F_y(i) = \max_{l < i} \min_{r \ge i} \frac{y + S_r - S_l}{1 + N_r - N_l},

    the slope of the edge that joins the lower convex hull of the points (N, S) before i, moved by
    (-1, -y), to the hull of those from i on.

    References
    ----------
    Vovk, Petej and Fedorova (2015), Large-scale probabilistic predictors with and without
    guarantees of validity, https://arxiv.org/abs/1511.00213
    """
    scores, number = np.unique(odds, return_inverse=True)
    n = np.r_[0.0, np.bincount(number, weights).cumsum()].tolist()
    s = np.r_[0.0, np.bincount(number, weights * hit).cumsum()].tolist()
    before, after = _hull(n, s), _hull_from_the_right(n, s)
    lower = _bridges(n, s, before, after, added=0.0)
    upper = _bridges(n, s, before, after, added=1.0)
    return scores, np.array(lower), np.array(upper)


def _hull(n: list[float], s: list[float]) -> list[int]:
    """For each point, the vertex before it in the lower hull of all points up to it."""
    before = [-1] * len(n)
    for i in range(1, len(n)):
        j = i - 1
        while before[j] >= 0 and _above(n, s, before[j], j, i):
            j = before[j]
        before[i] = j
    return before


def _hull_from_the_right(n: list[float], s: list[float]) -> list[int]:
    """For each point, the vertex after it in the lower hull of all points from it on."""
    last = len(n) - 1
    after = [-1] * len(n)
    for i in range(last - 1, -1, -1):
        j = i + 1
        while after[j] >= 0 and _above(n, s, i, j, after[j]):
            j = after[j]
        after[i] = j
    return after


def _above(n: list[float], s: list[float], a: int, b: int, c: int) -> bool:
    """Whether b lies on or above the line from a to c, so that the hull passes it by."""
    return (s[b] - s[a]) * (n[c] - n[a]) >= (s[c] - s[a]) * (n[b] - n[a])


def _bridges(
    n: list[float], s: list[float], before: list[int], after: list[int], *, added: float
) -> list[float]:
    """Slope of the edge from the hull before each score, moved by the added row, to the rest."""
    slopes = []
    for i in range(1, len(n)):
        left, right = i - 1, i
        slope = (added + s[right] - s[left]) / (1.0 + n[right] - n[left])
        moved = True
        while moved:
            moved = False
            while after[right] >= 0:
                other = after[right]
                lower = (added + s[other] - s[left]) / (1.0 + n[other] - n[left])
                if lower > slope:
                    break
                right, slope, moved = other, lower, moved or lower < slope
            while before[left] >= 0:
                other = before[left]
                higher = (added + s[right] - s[other]) / (1.0 + n[right] - n[other])
                if higher < slope:
                    break
                left, slope, moved = other, higher, moved or higher > slope
        slopes.append(slope)
    return slopes
