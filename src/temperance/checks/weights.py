"""Weights of rows: finite, not negative, not all zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from temperance.checks.arrays import as_numbers, one_column
from temperance.errors import InvalidInputError
from temperance.numerics import as_float64

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["as_weights"]


def as_weights(
    weights: ArrayLike | None, *, n: int, all_zero: bool = False
) -> NDArray[np.float64] | None:
    """Return weights of shape (n,), finite, >= 0 and not `all_zero`; None stays None."""
    if weights is None:
        return None
    w = as_float64(one_column(as_numbers(weights, name="weights")))
    if w.shape != (n,):
        msg = f"`weights` must have shape ({n},), one per row, got {w.shape}."
        raise InvalidInputError(msg)
    bad = ~(np.isfinite(w) & (w >= 0))
    if bad.any():
        row = int(bad.argmax())
        msg = (
            f"`weights` must be finite and >= 0; row {row} has {w[row]:g} "
            f"({np.count_nonzero(bad)} such rows)."
        )
        raise InvalidInputError(msg)
    if n and not all_zero and not w.any():
        msg = "`weights` must not all be zero: no row would count."
        raise InvalidInputError(msg)
    return w
