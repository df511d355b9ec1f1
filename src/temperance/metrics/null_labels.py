"""Labels as a calibrated world would draw them: each from its row's own probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from temperance.numerics import row_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["draw_labels"]

_FEW_CLASSES = 32  # up to here, comparing with every class is faster than a binary search


def draw_labels(probs: NDArray[np.float64], n_draws: int, *, seed: int) -> NDArray[np.integer]:
    """Return labels drawn from the rows of `probs`, shape (n_draws, n), by inverting the CDF."""
    n, k = probs.shape
    labels = np.empty((n_draws, n), dtype=np.int16 if k < 2**15 else np.int32)
    rng = np.random.default_rng([seed, 3])
    for rows in row_blocks(probs):
        cumulative = probs[rows].cumsum(axis=1)
        uniform = rng.random((n_draws, len(cumulative))) * cumulative[:, -1]
        if k <= _FEW_CLASSES:
            drawn = np.zeros(uniform.shape, dtype=labels.dtype)
            for column in cumulative.T[:-1]:
                drawn += uniform >= column
        else:  # rows end to end on one line: row i occupies [2 i, 2 i + total]
            start = 2.0 * np.arange(len(cumulative))
            line = (cumulative + start[:, None]).ravel()
            drawn = np.searchsorted(line, uniform + start, side="right")
            drawn = np.minimum(drawn - k * np.arange(len(cumulative)), k - 1)
        labels[:, rows] = drawn
    return labels
