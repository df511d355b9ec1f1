"""What a row's probabilities look like, whatever the classes are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from temperance.checks import as_logits
from temperance.checks.numbers import as_count
from temperance.numerics import as_float64, row_blocks

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["shape_features"]

_LOWEST = -30.0  # nats: 1e-13; below, and for options that do not exist, nothing more is told


def shape_features(logits: ArrayLike, *, top: int = 10) -> NDArray[np.float64]:
    """Return the largest log probabilities of each row, sorted and centred.

    Parameters
    ----------
    logits : array_like, shape (n, k) or (n,)
        As in `TemperatureScaling.fit`.
    top : int, default 10
        How many, at least 1; no more than k are taken.

    Returns
    -------
    ndarray of float64, shape (n, min(k, top))
        Log probabilities, not below -30, from the largest down, less their mean in the row.

    Raises
    ------
    InvalidInputError
        Logits that are none, `top` < 1.

    Examples
    --------
    >>> shape_features([[0.0, 2.0, 1.0]]).round(6)
    array([[ 1.,  0., -1.]])
    """
    z = as_logits(logits)
    features = np.empty((len(z), min(z.shape[1], as_count(top, name="top"))))
    for rows in row_blocks(z):
        block = as_float64(z[rows])
        shifted = block - block.max(axis=1, keepdims=True)
        shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        largest = -np.sort(-np.maximum(shifted, _LOWEST), axis=1)[:, : features.shape[1]]
        features[rows] = largest - largest.mean(axis=1, keepdims=True)
    return features
