"""Logits and probabilities: which is which is said by the argument's name, never guessed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.checks.arrays import as_array, as_numbers
from temperance.errors import InvalidInputError
from temperance.numerics import as_float64, log_probs, row_blocks

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "LOOK_LIKE_PROBS",
    "as_logits",
    "as_probs",
    "logits_from_probs",
    "looks_like_probs",
    "refuse_probs",
    "require_shape",
    "sum_tolerance",
    "sums_of_probs",
]

_LARGEST_LOGIT = 1e100  # squares and sums of anything larger may overflow float64
_SUM_TOLERANCE = {"float16": 5e-3, "bfloat16": 2e-2}  # others: float32, float64 and rounded text
_DEFAULT_TOLERANCE = 1e-3
LOOK_LIKE_PROBS = (
    "`logits` look like probabilities: all values lie in [0, 1] and rows sum to 1. "
    "Pass logits_from_probs(probs), on the command line --kind probs; if they really "
    "are logits, `refuse_probs=False`, on the command line --kind logits."
)
_ROUNDING = 1e-12  # row sums this close to 1 are left exactly as they are
_ROUNDED_TEXT = 0.02  # mean distance of row sums from 1 of probabilities with two decimals


def as_logits(logits: ArrayLike, *, name: str = "logits", first: int = 0) -> NDArray[Any]:
    """Return logits of shape (n, k), k >= 2, in their own float dtype; (n,) becomes (0, z).

    -inf marks an option that does not exist in its row; each row keeps at least one. Messages
    count rows from `first` on.
    """
    given = as_numbers(logits, name=name)
    z = as_logits_unread(given, name=name)
    values = z if given.ndim == 2 else given
    for rows in row_blocks(values):
        _check_values(as_float64(values[rows]), name=name, first=first + rows.start)
    return z


def as_logits_unread(logits: ArrayLike, *, name: str = "logits") -> NDArray[Any]:
    """Return logits as `as_logits` does, their shape and dtype checked, their values not."""
    z = as_numbers(logits, name=name)
    if z.dtype.kind in "iub":
        z = z.astype(np.float64)
    require_shape(z.shape, name=name)
    return z if z.ndim == 2 else np.stack([np.zeros_like(z), z], axis=1)


def as_probs(probs: ArrayLike, *, name: str = "probs") -> NDArray[np.float64]:
    """Return probabilities of shape (n, k) in float64; (n,) becomes (1 - p, p).

    Rows must sum to 1 within what rounding in their dtype explains; that rounding is then
    removed by dividing by the sum. Row sums within 1e-12 of 1 are left as they are.
    """
    given = as_numbers(probs, name=name)
    require_shape(given.shape, name=name, of_class_one="the probability of class 1")
    p = as_float64(given)
    outside = ~((p >= 0) & (p <= 1))
    if outside.any():
        row, value = _first(outside, p)
        msg = (
            f"`{name}` must lie in [0, 1]; row {row} holds {value:g} ({_count(outside)} such rows)."
            " Are these logits? Then say so (`logits=`, --kind logits), or apply a softmax."
        )
        raise InvalidInputError(msg)
    if p.ndim == 1:
        return np.stack([1.0 - p, p], axis=1)
    sums = p.sum(axis=1)
    error = np.abs(sums - 1.0)
    torch_bfloat16 = str(getattr(probs, "dtype", "")) == "torch.bfloat16"
    tolerance = sum_tolerance("bfloat16" if torch_bfloat16 else given.dtype.name)
    if (off := error > tolerance).any():
        row, value = _first(off, sums)
        msg = (
            f"`{name}` rows must sum to 1 within {tolerance:g}; row {row} sums to {value:.6g} "
            f"({_count(off)} such rows). Are these logits, or independent (multi-label) outputs?"
        )
        raise InvalidInputError(msg)
    rounded = error > _ROUNDING
    return p / np.where(rounded, sums, 1.0)[:, None] if rounded.any() else p


def logits_from_probs(probs: ArrayLike) -> NDArray[np.float64]:
    """Return logits whose softmax is `probs`: their natural logarithm, exact.

    Parameters
    ----------
    probs : array_like, shape (n, k) or (n,)
        Probabilities in [0, 1], rows summing to 1 (within 1e-3; 5e-3 for float16, 2e-2 for
        bfloat16); (n,) is the probability of class 1.

    Returns
    -------
    ndarray of float64, shape (n, k)
        log(probs). A probability of 0 becomes -inf, "this option does not exist in this row":
        no epsilon is added. A temperature fitted on these logits is the one of the network's
        own logits, because the two differ only by an offset per row.

    Raises
    ------
    InvalidInputError
        Wrong shape, a value outside [0, 1], a row that does not sum to 1.

    Examples
    --------
    >>> logits_from_probs([[1.0, 0.0]])
    array([[  0., -inf]])
    """
    return log_probs(as_probs(probs))


def sum_tolerance(dtype: str) -> float:
    """Return how far rounding in a dtype may move a row's sum of probabilities."""
    return _SUM_TOLERANCE.get(dtype, _DEFAULT_TOLERANCE)


def looks_like_probs(values: ArrayLike) -> bool:
    """Whether all values lie in [0, 1] and rows sum to about 1, as no real logits do.

    Constant values carry no sign of either kind and are not taken for probabilities.
    """
    v = as_array(values, name="logits")
    low, high, error = np.inf, -np.inf, 0.0
    for rows in row_blocks(v):
        block = as_float64(v[rows])
        low, high = min(low, block.min()), max(high, block.max())
        if not (low >= 0 and high <= 1):
            return False  # the usual case, decided by the first block
        error += 0.0 if v.ndim == 1 else float(np.abs(block.sum(axis=1) - 1.0).sum())
    return sums_of_probs(low, high, error, n=len(v))


def sums_of_probs(low: float, high: float, error: float, *, n: int) -> bool:
    """Whether n rows between `low` and `high` are probabilities, by |their sums - 1|, added up."""
    return bool(0 <= low < high <= 1) and error < _ROUNDED_TEXT * n


def refuse_probs(logits: ArrayLike) -> None:
    """Raise if values passed as logits look like probabilities."""
    if looks_like_probs(logits):
        raise InvalidInputError(LOOK_LIKE_PROBS)


def require_shape(
    shape: tuple[int, ...], *, name: str = "logits", of_class_one: str = "the log-odds of class 1"
) -> None:
    """Raise unless this is the shape of scores, (n, k) with k >= 2 or (n,)."""
    if len(shape) == 1:
        return
    if len(shape) != 2:
        msg = f"`{name}` must have shape (n, k), or (n,) for {of_class_one}, got {shape}."
        raise InvalidInputError(msg)
    if shape[1] < 2:
        msg = (
            f"`{name}` must have at least 2 columns, got shape {shape}. For a binary "
            f"classifier pass shape (n,): {of_class_one}."
        )
        raise InvalidInputError(msg)


def _check_values(z: NDArray[np.float64], *, name: str, first: int) -> None:
    masked = np.isneginf(z)
    if z.ndim == 2:
        bad = ~((np.abs(z) <= _LARGEST_LOGIT) | masked)
    else:
        bad = ~(np.abs(z) <= _LARGEST_LOGIT)
    if bad.any():
        row, value = _first(bad, z)
        what = "finite" if z.ndim == 1 else "finite (or -inf where an option does not exist)"
        msg = f"`{name}` must be {what}; row {first + row} holds {value:g}."
        raise InvalidInputError(msg)
    if z.ndim == 2 and (empty := masked.all(axis=1)).any():
        row = first + int(empty.argmax())
        msg = f"`{name}` must keep at least one option per row; row {row} is all -inf."
        raise InvalidInputError(msg)


def _first(bad: NDArray[np.bool_], values: NDArray[np.float64]) -> tuple[int, float]:
    """First bad row, and its first bad value."""
    row = int((bad if bad.ndim == 1 else bad.any(axis=1)).argmax())
    return row, float(values[row] if bad.ndim == 1 else values[row, bad[row].argmax()])


def _count(bad: NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(bad if bad.ndim == 1 else bad.any(axis=1)))
