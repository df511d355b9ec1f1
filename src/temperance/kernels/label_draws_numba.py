"""Labels drawn from the probabilities of rows of many classes, compiled."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["fill_labels"]


@njit(nogil=True, cache=True, error_model="numpy")
def fill_labels(cumulative, heights, labels):
    """Fill `labels` (draws, m) with how many `cumulative` sums of a row (m, k) are up to a height.

    `heights` (draws, m) lie from 0 to the last sum of each row; of k sums at most k - 1 count. A
    table says where to begin: the first sum above each k-th part of the last one.
    """
    m, k = cumulative.shape
    first = np.empty(k, dtype=np.intp)
    for row in range(m):
        steps = cumulative[row]
        part = k / steps[k - 1]
        at = 0
        for cell in range(k):
            while at < k - 1 and steps[at] * part <= cell:
                at += 1
            first[cell] = at
        for draw in range(len(heights)):
            height = heights[draw, row]
            at = first[min(np.intp(height * part), k - 1)]
            while at > 0 and steps[at - 1] > height:
                at -= 1
            while at < k - 1 and steps[at] <= height:
                at += 1
            labels[draw, row] = at
