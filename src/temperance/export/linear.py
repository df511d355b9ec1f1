"""Maps that are a matrix and a bias of the logits, which the last layer of a model can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from temperance.calibrators import operations as ops

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from temperance.calibrators.operations import Operation

    Array = NDArray[np.float64]

__all__ = ["linear_map"]

_ROUNDING = 1e-14  # of sums of a few numbers


def linear_map(
    steps: Sequence[Operation], k: int, *, log_probs: bool = True
) -> tuple[Array, Array] | None:
    """Return (M, c) of a map that is softmax(M x + c), or sigmoid, of k logits; None of any other.

    Log-probabilities are logits less one number per row. A matrix whose rows all have the same sum
    turns that into one number per row again, which a softmax does not see; any other matrix does
    not, and the map is then no linear one.

    Parameters
    ----------
    steps : sequence of Operation
        Of a calibrator (`operations`).
    k : int
        Number of logits.
    log_probs : bool, default True
        Whether maps of log-probabilities count where their offset cancels.

    Returns
    -------
    tuple of ndarray, shapes (m, k) and (m,), or None

    Examples
    --------
    >>> linear_map([ops.Divide((2.0,)), ops.Softmax()], 2)
    (array([[0.5, 0. ],
           [0. , 0.5]]), array([0., 0.]))
    """
    *middle, last = steps
    if not isinstance(last, ops.Softmax | ops.Sigmoid):
        return None
    matrix, bias = np.eye(k), np.zeros(k)
    of_offset = np.zeros(k)  # what becomes of the number that log-probabilities are less
    for step in middle:
        if log_probs and isinstance(step, ops.LogSoftmax):
            of_offset = of_offset + 1.0
            continue
        each = _matrix(step, len(bias))
        if each is None:
            return None
        matrix, bias, of_offset = each[0] @ matrix, each[0] @ bias + each[1], each[0] @ of_offset
    unseen = 0.0 if isinstance(last, ops.Sigmoid) else of_offset[0]
    same = np.abs(of_offset - unseen).max() <= _ROUNDING * np.abs(of_offset).max()
    return (matrix, bias) if same else None


def _matrix(step: Operation, k: int) -> tuple[Array, Array] | None:
    """Return the matrix and the bias of one operation; None where it is not linear."""
    match step:
        case ops.Divide():
            return np.diag(1.0 / np.broadcast_to(step.by, k)), np.zeros(k)
        case ops.Affine():
            weights = np.array(step.weights)
            return weights if weights.ndim == 2 else np.diag(weights), np.array(step.bias)
        case ops.LogOdds():
            return np.array([[-1.0, 1.0]]), np.zeros(1)
        case ops.WithZero():
            return np.array([[0.0], [1.0]]), np.zeros(2)
        case _:
            return None
