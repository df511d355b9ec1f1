"""Raw scores, which logits are: their shapes and values, and what they look like instead."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.checks.arguments import as_number
from temperance.checks.arrays import (
    LARGEST_LOGIT,
    as_array,
    as_numbers,
    bounded,
    is_small_matrix,
    one_column,
    row_name,
    such_rows,
)
from temperance.errors import InvalidInputError
from temperance.numerics import as_float64, is_mapped, let_go, row_blocks, row_maxima
from temperance.printable import count_text, digits_text

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "LOOK_LIKE_PROBS",
    "ROUNDED_TEXT",
    "as_logits",
    "as_one_row",
    "first_bad",
    "looks_like_probs",
    "masked_logits",
    "padding_value",
    "plain_row",
    "refuse_masks",
    "refuse_padding",
    "refuse_probs",
    "refuse_shares",
    "refuse_tiny",
    "require_shape",
    "sample_step",
    "share_of_whole",
    "spread_rows",
    "sums_of_probs",
]

_SMALLEST_LOGIT = 1e-100  # and of anything smaller underflow
LOOK_LIKE_PROBS = (
    "`logits` look like probabilities: all values lie in [0, 1] and rows sum to 1. "
    "Pass logits_from_probs(probs), on the command line --kind probs; if they really "
    "are logits, `refuse_probs=False`, on the command line --kind logits."
)
_FEWEST_SHARES = 20  # rows, and different values, that are asked whether they are shares
_OF_SHARES = 0.02  # variance of row sums over the sum of the columns' variances
ROUNDED_TEXT = 0.02  # mean distance of row sums from 1 of probabilities with two decimals


def as_logits(logits: ArrayLike, *, name: str = "logits", first: int = 0) -> NDArray[Any]:
    """Return logits of shape (n, k), k >= 2, in their own float dtype; (n,) becomes (0, z).

    Shape (n, 1) is read as (n,). -inf marks an option that does not exist in its row; each row
    keeps at least one. Messages count rows from `first` on.
    """
    if is_small_matrix(logits) and bounded(logits, LARGEST_LOGIT):
        return logits
    numbers = as_numbers(logits, name=name)
    z = as_logits_unread(numbers, name=name)
    values = z if numbers.ndim == 2 and numbers.shape[1] > 1 else numbers.reshape(-1)
    for rows in row_blocks(values):
        if not bounded(values[rows], LARGEST_LOGIT):
            _check_values(as_float64(values[rows]), name=name, first=first + rows.start)
    return z


def as_logits_unread(logits: ArrayLike, *, name: str = "logits") -> NDArray[Any]:
    """Return logits as `as_logits` does, their shape and dtype checked, their values not."""
    z = one_column(as_numbers(logits, name=name))
    if z.dtype.kind == "b":
        msg = f"`{name}` must hold numbers, got booleans: are these labels, masks or predictions?"
        raise InvalidInputError(msg)
    if z.dtype.kind in "iu":
        z = z.astype(np.float64)
    require_shape(z.shape, name=name)
    return z if z.ndim == 2 else np.stack([np.zeros_like(z), z], axis=1)


def masked_logits(
    logits: ArrayLike, *, mask_below: float | None = None, mask_value: float | None = None
) -> NDArray[Any]:
    """Return logits with -inf where a number stands for an option that does not exist.

    Parameters
    ----------
    logits : array_like, shape (n, k) or (..., k)
        Logits, some of them masks: the smallest number of a dtype, -1e9, -1e4, or a padding.
    mask_below : float, optional
        Values of this and below are masks; compared in the dtype of the logits, so that -1e9 is
        what bfloat16 makes of it.
    mask_value : float, optional
        This very value is a mask, as -100 is that a trainer pads with.

    Returns
    -------
    ndarray
        A copy in the dtype of the logits (float64 of integers).

    Raises
    ------
    InvalidInputError
        Neither number is given, or it is nan; the logits are no numbers.

    Examples
    --------
    >>> masked_logits([[2.0, -1e9], [1.0, 0.5]], mask_below=-1e9).tolist()
    [[2.0, -inf], [1.0, 0.5]]
    """
    for name, value in (("mask_below", mask_below), ("mask_value", mask_value)):
        if value is not None:
            as_number(value, name=name, rule="a number below infinity")
    if mask_below is None and mask_value is None:
        msg = "`mask_below` or `mask_value` must say which logits are masks."
        raise InvalidInputError(msg)
    z = as_numbers(logits, name="logits")
    z = z.astype(np.float64) if z.dtype.kind in "iub" else z.copy()
    masks = np.zeros(z.shape, dtype=bool)
    with np.errstate(over="ignore"):  # a number beyond the dtype is -inf there
        if mask_below is not None:
            masks |= z <= _as_in(logits, z, mask_below)
        if mask_value is not None:
            masks |= z == _as_in(logits, z, mask_value)
    z[masks] = -np.inf
    return z


def looks_like_probs(values: ArrayLike) -> bool:
    """Whether all values lie in [0, 1] and rows sum to about 1, as no real logits do.

    Constant values carry no sign of either kind and are not taken for probabilities.
    """
    v = one_column(as_array(values, name="logits"))
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
    return bool(0 <= low < high <= 1) and error < ROUNDED_TEXT * n


def refuse_probs(logits: ArrayLike) -> None:
    """Raise if values passed as logits look like probabilities, or like shares of a whole."""
    if looks_like_probs(logits):
        raise InvalidInputError(LOOK_LIKE_PROBS)
    refuse_shares(logits)


def refuse_shares(logits: ArrayLike) -> None:
    """Raise if values passed as logits look like shares of a whole."""
    if (whole := share_of_whole(logits)) is not None:
        msg = (
            f"`logits` look like shares of a whole: no value is negative and rows sum to about "
            f"{digits_text(whole, 4)}. Pass logits_from_probs(probs, renormalize=True), on the "
            "command line --kind probs --renormalize; if they really are logits, "
            "`refuse_probs=False`, on the command line --kind logits."
        )
        raise InvalidInputError(msg)


def share_of_whole(values: ArrayLike) -> float | None:
    """Return what rows sum to, where values are shares of it as no logits are; else None.

    Shares (percentages, 0 to 255, with a bookmaker's margin, votes) are not negative, and their
    rows have one sum although the columns vary: the variance of the sums is below 2 % of the sum
    of the columns' variances, which is where independent columns would put it. Asked of 20 rows
    and 20 different values or more; at most 2**17 numbers are looked at.
    """
    v = as_array(values, name="logits")
    if v.ndim != 2 or len(v) < _FEWEST_SHARES or v.shape[1] < 2:
        return None
    block = as_float64(v[next(row_blocks(v))])
    if len(block) < _FEWEST_SHARES or not (block.min() >= 0.0 and block.max() < inf):
        return None
    sums, spread = block.sum(axis=1), float(block.var(axis=0).sum())
    if not float(sums.var()) < _OF_SHARES * spread or len(np.unique(block)) < _FEWEST_SHARES:
        return None
    return float(np.median(sums))


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


def refuse_tiny(widest: float) -> None:
    """Raise if the logits of no row differ by more than squares of float64 can hold."""
    if 0.0 < widest < _SMALLEST_LOGIT:
        msg = (
            f"`logits` must differ by more than {_SMALLEST_LOGIT:g} in some row for a fit; they "
            f"differ by {digits_text(widest, 3)} at most. Multiply them first: the temperature is "
            "multiplied with them."
        )
        raise InvalidInputError(msg)


def _check_values(z: NDArray[np.float64], *, name: str, first: int) -> None:
    masked = np.isneginf(z)
    bad = ~((np.abs(z) <= LARGEST_LOGIT) | (masked if z.ndim == 2 else False))
    if bad.any():
        row, value = first_bad(bad, z)
        where = f"{row_name(row, first)} holds {value:g}"
        if np.isfinite(value):
            mask = ""
            if value < 0 and z.ndim == 2:
                mask = (
                    " A mask? Say so: masked_logits(logits, mask_below=-1e100), on the command "
                    "line --mask-below -1e100, or save it as -inf."
                )
            msg = (
                f"`{name}` must lie between -{LARGEST_LOGIT:g} and {LARGEST_LOGIT:g}; {where} "
                f"({such_rows(bad)}).{mask}"
            )
            raise InvalidInputError(msg)
        what = "finite" if z.ndim == 1 else "finite (or -inf where an option does not exist)"
        msg = f"`{name}` must be {what}; {where}."
        raise InvalidInputError(msg)
    if z.ndim == 2 and (empty := masked.all(axis=1)).any():
        where = row_name(int(empty.argmax()), first)
        msg = f"`{name}` must keep at least one option per row; {where} is all -inf."
        raise InvalidInputError(msg)


def _as_in(values: Any, array: NDArray[Any], number: float) -> Any:  # noqa: ANN401
    """Return a number as the dtype of the values rounds it; of bfloat16 tensors as they do."""
    if str(getattr(values, "dtype", "")) == "torch.bfloat16":
        return values.new_tensor(number).float().item()
    return array.dtype.type(number)


def first_bad(bad: NDArray[np.bool_], values: NDArray[np.float64]) -> tuple[int, float]:
    """First bad row, and its first bad value."""
    row = int((bad if bad.ndim == 1 else bad.any(axis=1)).argmax())
    return row, float(values[row] if bad.ndim == 1 else values[row, bad[row].argmax()])


def refuse_masks(logits: NDArray[Any], method: str, *, first: int = 0) -> None:
    """Raise if an option is masked, of methods that need every logit of a row."""
    for rows in row_blocks(logits):
        masked = np.isneginf(as_float64(logits[rows])).any(axis=1)
        if masked.any():
            row = first + rows.start + int(masked.argmax())
            msg = (
                f"`logits` of {method} must be finite, for every logit moves every class; row "
                f"{row} holds -inf (an option that does not exist, or a probability of 0). "
                "Methods that can: temperature, bias-corrected-temperature, vector."
            )
            raise InvalidInputError(msg)


# Padding: one number that stands for options that do not exist.


_AT_ONCE = 32  # of these rows, before their pages are let go
_SAMPLE = 1 << 18  # numbers looked at: rows from all over, so that large data cost no more
_CANDIDATES = 3  # values tried as padding: those that beat the label most often
_FEWEST = 5  # rows in which padding must be the largest
_DOMINANT = 5  # times as frequent as any other value
_FEW_LABELS = 0.25  # of those expected by lot: real logits that the dtype rounds to the same number
_CHANCE = 1e-6  # of no label at all where the padding is largest, if it were an option
_CHANCE_TRAILING = 1e-3  # the same, where the value only ever fills the ends of rows


@dataclass(frozen=True, slots=True)
class Padding:
    """A number that stands for options that do not exist."""

    value: float
    cells: int  # that hold it
    labels: int  # that hold it as well: real logits that the dtype rounds to the same number
    rows: int  # in which it is the largest
    first: int  # of these


def padding_value(logits: NDArray[Any], labels: NDArray[np.intp] | None) -> Padding | None:
    """Return the number that stands for options that do not exist, if there is one.

    Logits (n, k), labels (n,) or None. It is one number that

    * is never the logit of a label, although it is the largest of its row in 5 rows or more (by
      itself: rows that hold nothing else do not count). If its cells were options, the label would
      be among them at least as often as by lot, as they are on top: the chance that it never is
      (Chernoff's bound) must be below 1e-6, or 1e-3 where the number only ever fills the ends of
      rows, to different lengths, as padding does. A quarter of the labels expected by lot may
      hold it all the same, as narrow dtypes round real logits to the same number;
    * is five times as frequent as any other number, as no measured logit is;
    * if it is 0, does not stand in the same columns of every row, as that of a reference class.

    So a floor (log 1e-10, a ReLU's 0) passes, as it never is the largest; so do a ceiling, which
    is the label's where it is on top, and quantised logits, of which no value stands out. Without
    labels only a number is padding that is the largest of 5 rows or more, five times as frequent
    as any other, and only ever fills the ends of rows, to different lengths.
    """
    step = sample_step(*logits.shape)
    padding = _padding(spread_rows(logits, step), None if labels is None else labels[::step])
    if padding is None or step == 1:
        return padding
    return _padding_of(logits, labels, padding.value)


def refuse_padding(logits: NDArray[Any], labels: NDArray[np.intp] | None) -> None:
    """Raise if one number stands for options that do not exist, and takes part as a logit."""
    padding = padding_value(logits, labels)
    if padding is None:
        return
    value = repr(padding.value).removesuffix(".0")
    say_so = (
        f"Say so: masked_logits(logits, mask_value={value}), on the command line --mask-value "
        f"{value}."
        if not padding.labels
        else "Some real logits are rounded to the same number: save padding as -inf instead."
    )
    msg = (
        f"`logits` hold {value} {padding.cells:,} times, {_where(labels, padding)} as the largest "
        f"of {padding.rows:,} of {count_text(len(logits), 'row')} (first "
        f"{row_name(padding.first)}): padding "
        f"for options that do not exist? {say_so} If they really are logits: "
        "`refuse_probs=False`, on the command line --kind logits."
    )
    raise InvalidInputError(msg)


def sample_step(n: int, k: int) -> int:
    """Return how many rows lie between those looked at, which hold about `_SAMPLE` numbers."""
    return max(1, n * k // _SAMPLE)


def spread_rows(scores: NDArray[Any], step: int) -> NDArray[np.float64]:
    """Return every so many rows; of a mapped file no page stays in memory."""
    if step == 1 or not is_mapped(scores):
        return as_float64(scores[::step])
    sample = np.empty((-(-len(scores) // step), scores.shape[1]))
    for first in range(0, len(sample), _AT_ONCE):
        rows = slice(first * step, (first + _AT_ONCE) * step)
        block = scores[rows]
        sample[first : first + _AT_ONCE] = as_float64(block[::step])
        let_go(block)
    return sample


def _padding(v: NDArray[np.float64], y: NDArray[np.intp] | None) -> Padding | None:
    if not len(v):
        return None
    top = row_maxima(v)
    above_label = v[:, -1] == top if y is None else top > v[np.arange(len(v)), y]
    values, counts = np.unique(top[above_label], return_counts=True)
    for at in np.argsort(-counts, kind="stable")[:_CANDIDATES]:
        if counts[at] < _FEWEST:
            return None
        if _is_padding(v, y, top, values[at]):
            return _padding_of(v, y, float(values[at]))
    return None


def _is_padding(
    v: NDArray[np.float64],
    y: NDArray[np.intp] | None,
    top: NDArray[np.float64],
    value: np.float64,
) -> bool:
    cells = v == value
    if value == 0.0 and (cells == cells[0]).all():
        return False
    of_row, options = cells.sum(axis=1), (v > -np.inf).sum(axis=1)
    largest = (top == value) & (of_row < options)
    if np.count_nonzero(largest) < _FEWEST:
        return False
    at_the_end = np.cumprod(cells[:, ::-1], axis=1).sum(axis=1)
    trailing = bool((at_the_end == of_row).all()) and len(np.unique(of_row)) > 1
    if y is None and not trailing:
        return False
    if y is not None:
        expected = float((of_row[largest] / options[largest]).sum())
        labels = int(np.count_nonzero(cells[np.arange(len(v)), y]))
        if labels > _FEW_LABELS * expected:
            return False
        chance = labels - expected - (labels * log(labels / expected) if labels else 0.0)
        if chance > log(_CHANCE_TRAILING if trailing else _CHANCE):
            return False
    others = v[~cells & (v > -np.inf)]
    return bool(of_row.sum() >= _DOMINANT * np.unique(others, return_counts=True)[1].max())


def _padding_of(logits: NDArray[Any], labels: NDArray[np.intp] | None, value: float) -> Padding:
    """Return how often the number stands for an option in all rows."""
    cells = logits == value
    largest = (row_maxima(logits) == value) & ~cells.all(axis=1)
    of_label = 0 if labels is None else np.count_nonzero(cells[np.arange(len(labels)), labels])
    return Padding(
        value=value,
        cells=int(np.count_nonzero(cells)),
        labels=int(of_label),
        rows=int(np.count_nonzero(largest)),
        first=int(largest.argmax()),
    )


def _where(labels: NDArray[np.intp] | None, padding: Padding) -> str:
    if labels is None:
        return "only at the ends of rows, of different lengths, and yet"
    times = {0: "never", 1: "once"}.get(padding.labels, f"{padding.labels:,} times")
    return f"{times} for a label, and yet"


# One row, as a service has it: a short way past checks of what plain numbers cannot be.


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
