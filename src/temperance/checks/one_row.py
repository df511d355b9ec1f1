"""One row, as a service has it: a short way past checks of what plain numbers cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.checks.arrays import LARGEST_LOGIT, bounded

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["as_one_row", "plain_row"]

_SEQUENCES = frozenset((list, tuple))
_NUMBERS = frozenset((float, int, np.float64))


def plain_row(values: object) -> NDArray[np.float64] | None:
    """Return a list or tuple of one row of plain numbers, or of one number; None of all else.

    So a service's single row, [[...]] or [number], is spared the search for what such numbers
    cannot be: masked, missing, text, ragged.
    """
    if type(values) not in _SEQUENCES or len(values) != 1:  # type: ignore[arg-type]
        return None
    inner: Any = values[0]  # type: ignore[index]
    entries: Any = inner if type(inner) in _SEQUENCES else values
    if not _NUMBERS.issuperset(map(type, entries)):
        return None
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError:  # an integer beyond every float
        return None


def as_one_row(logits: ArrayLike) -> tuple[NDArray[Any], bool] | None:
    """Return one row of logits, (1, k), as `as_logits` does, and whether it came as (1,) or (1, 1).

    None of what only `as_logits` can tell: other shapes and types, and values that it refuses.
    """
    z = logits if type(logits) is np.ndarray else plain_row(logits)
    if z is None or z.ndim not in {1, 2} or z.shape[0] != 1:
        return None
    if z.shape[-1] == 1:
        if z.dtype.char != "d" or not bounded(z, LARGEST_LOGIT):
            return None
        return np.array([[0.0, z.flat[0]]]), True
    if bounded(z, LARGEST_LOGIT):
        return z, False
    if z.dtype.char != "d":
        return None
    existing = z[~np.isneginf(z)]  # nan is left, and is not bounded
    return (z, False) if bounded(existing, LARGEST_LOGIT) else None
