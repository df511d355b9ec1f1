"""Logits and probabilities: which is which is said by the argument's name, never guessed."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from temperance.checks.arguments import as_count, as_flag, as_number, value_text
from temperance.checks.arrays import (
    LARGEST_LOGIT,
    as_array,
    as_numbers,
    bounded,
    count_rows,
    is_small_matrix,
    one_column,
    row_name,
    such_rows,
)
from temperance.errors import InvalidInputError
from temperance.numerics import as_float64, log_probs, row_blocks
from temperance.printable import count_text

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

__all__ = [
    "FOR_ZEROS",
    "LOOK_LIKE_PROBS",
    "Floor",
    "Floored",
    "as_logits",
    "as_probs",
    "logits_from_probs",
    "looks_like_probs",
    "masked_logits",
    "refuse_masks",
    "refuse_probs",
    "refuse_shares",
    "refuse_tiny",
    "require_shape",
    "share_of_whole",
    "sum_tolerance",
    "sums_of_probs",
]

# What a probability of 0 is at least: a number, half a last decimal, half the smallest.


_AUTO = "auto"
_DECIMALS, _MOST_DECIMALS = "decimals=", 15
_EVEN = 0.5
_RESIDUE = (2.0**-66, 2.0**-50)  # what 1 - p leaves of 0 by rounding ...
_NEGLIGIBLE = 1e-8  # ... where no other probability is smaller than this
_RULE = 'a probability in [0, 1), "decimals=N" (N from 1 to 15) or "auto"'
FOR_ZEROS = (
    'say what a 0 is at least: logits_from_probs(probs, floor="auto") takes half the smallest '
    'positive probability, floor="decimals=3" half a unit of the third decimal, floor=1e-6 a '
    "number of your own; on the command line --floor auto, --floor decimals=3, --floor 1e-6"
)


@dataclass(frozen=True, slots=True)
class Floored:
    """What was raised, counted."""

    floor: float  # where rows were divided by different sums, the largest
    probabilities: int
    rows: int

    def __str__(self) -> str:
        return (
            f"{count_text(self.probabilities, 'probability', 'probabilities')} in "
            f"{count_text(self.rows, 'row')} below {self.floor:.4g} "
            f"{'was' if self.probabilities == 1 else 'were'} raised to it"
        )


@dataclass(frozen=True, slots=True)
class Floor:
    """A floor as the caller says it; 0 raises nothing."""

    number: float = 0.0
    decimals: int | None = None
    auto: bool = False

    @classmethod
    def of(cls, value: object, *, option: str = "") -> Self:
        """Return the floor that a number or a text says, or raise."""
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            text = value.strip()
            if text == _AUTO:
                return cls(auto=True)
            places = text.removeprefix(_DECIMALS)
            whole = places.isascii() and places.isdigit()
            if text != places and whole and 1 <= int(places) <= _MOST_DECIMALS:
                return cls(decimals=int(places))
            if not option:  # a number as text is one on a command line only
                name = "floor"
                msg = f"`{name}` must be {_RULE}, got {value!r}."
                raise InvalidInputError(msg)
            try:
                value = float(text)
            except ValueError:
                msg = f"`{option}` must be {_RULE}, got {text!r}."
                raise InvalidInputError(msg) from None
        number = as_number(value, name="floor", rule=_RULE, least=0.0, below=1.0, option=option)
        return cls(number)

    @property
    def raises(self) -> bool:
        """Whether there is a floor at all."""
        return self != Floor()

    @property
    def fixed(self) -> float | None:
        """The number that probabilities are raised to, whatever they are; None if they say it."""
        if self.auto or not self.raises:
            return None
        return self.number if self.decimals is None else 0.5 * 10.0**-self.decimals

    def raised(self, p: Array, sums: Array | None = None) -> Array:
        """Return rows (m, k) with no probability below the floor, divided by their sums.

        `sums` are what the rows were divided by before, where decimals count undivided numbers.
        """
        if not self.raises:
            return p
        raised = np.maximum(p, self._level(p, sums))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))

    def of_labels(self, p: Array) -> float:
        """Return what p and 1 - p of independent labels are raised to, below 1/2."""
        level = float(self._level(np.minimum(p, 1.0 - p), None))
        if level >= _EVEN:
            msg = f"`floor` of labels must lie below {_EVEN}, for p and 1 - p; got {level:g}."
            raise InvalidInputError(msg)
        return level

    def count_labels(self, p: Array) -> Floored:
        """Return what `of_labels` raises of p and 1 - p."""
        level = self.of_labels(p)
        low = np.minimum(p, 1.0 - p) < level
        return Floored(level, int(low.sum()), count_rows(low))

    def count(self, p: Array, sums: Array | None = None) -> Floored:
        """Return what `raised` raises of these rows."""
        level = self._level(p, sums)
        low = p < level
        return Floored(float(np.max(level, initial=0.0)), int(low.sum()), count_rows(low))

    def __str__(self) -> str:
        if self.auto:
            return _AUTO
        return f"{self.number!r}" if self.decimals is None else f"{_DECIMALS}{self.decimals}"

    def _level(self, p: Array, sums: Array | None) -> Array:
        if self.auto:
            return np.asarray(max(0.5 * _smallest(p), 5e-324))  # the smallest number has no half
        if self.decimals is None:
            return np.asarray(self.number)
        half = np.asarray(0.5 * 10.0**-self.decimals)
        return half if sums is None else (half / sums)[:, None]


def _smallest(p: Array) -> float:
    """Return the smallest positive probability that is not what rounding left of 0."""
    least = float(p.min(initial=1.0, where=p > 0.0))
    if not _RESIDUE[0] <= least <= _RESIDUE[1]:
        return least
    above = float(p.min(initial=1.0, where=p > _RESIDUE[1]))
    return above if above >= _NEGLIGIBLE else least


_SMALLEST_LOGIT = 1e-100  # and of anything smaller underflow
_SUM_TOLERANCE = {"float16": 5e-3, "bfloat16": 2e-2}  # others: float32, float64 and rounded text
_DEFAULT_TOLERANCE = 1e-3
LOOK_LIKE_PROBS = (
    "`logits` look like probabilities: all values lie in [0, 1] and rows sum to 1. "
    "Pass logits_from_probs(probs), on the command line --kind probs; if they really "
    "are logits, `refuse_probs=False`, on the command line --kind logits."
)
_ROUNDING = 1e-12  # row sums this close to 1 are left exactly as they are
_COMMON = 0.1  # rows of one whole: nine of ten sum to it within a tenth
_LARGEST_MARGIN = 1.5  # sum of the inverses of decimal odds
_FEWEST_SHARES = 20  # rows, and different values, that are asked whether they are shares
_OF_SHARES = 0.02  # variance of row sums over the sum of the columns' variances
_DIVIDE = (
    "`renormalize=True` of logits_from_probs and evaluate, on the command line --renormalize, "
    "divides each row by its sum."
)
_ROUNDED_TEXT = 0.02  # mean distance of row sums from 1 of probabilities with two decimals


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


def as_probs(
    probs: ArrayLike,
    *,
    name: str = "probs",
    renormalize: bool = False,
    floor: float | str | Floor = 0.0,
) -> NDArray[np.float64]:
    """Return probabilities of shape (n, k) in float64; (n,) and (n, 1) become (1 - p, p).

    Rows must sum to 1 within what rounding in their dtype explains; that rounding is then
    removed by dividing by the sum. Row sums within 1e-12 of 1 are left as they are. To
    `renormalize` is to divide by the sum whatever it is. Then values below the `floor` are raised
    to it, and rows divided by their sums again.
    """
    numbers = one_column(as_numbers(probs, name=name))
    require_shape(numbers.shape, name=name, of_class_one="the probability of class 1")
    least = Floor.of(floor)
    p = as_float64(numbers)
    if as_flag(renormalize, name="renormalize") and p.ndim == 2:
        return least.raised(_divided(p, name=name), p.sum(axis=1))
    outside = ~((p >= 0) & (p <= 1))
    if outside.any():
        row, value = _first(outside, p)
        msg = (
            f"`{name}` must lie in [0, 1]; {row_name(row)} holds {value:g} "
            f"({such_rows(outside)}).{_what_instead(p)}"
        )
        raise InvalidInputError(msg)
    if p.ndim == 1:
        return least.raised(np.stack([1.0 - p, p], axis=1))
    sums = p.sum(axis=1)
    error = np.abs(sums - 1.0)
    torch_bfloat16 = str(getattr(probs, "dtype", "")) == "torch.bfloat16"
    tolerance = sum_tolerance("bfloat16" if torch_bfloat16 else numbers.dtype.name)
    if (off := error > tolerance * (1.0 + 1e-9)).any():  # 0.333 * 3 is 0.001 away, and a bit more
        row, value = _first(off, sums)
        msg = (
            f"`{name}` rows must sum to 1 within {tolerance:g}; {row_name(row)} sums to "
            f"{value:.6g} ({such_rows(off)}). Rounded, or with a margin as odds have? "
            f"{_DIVIDE} Several labels per row? MultilabelScaling (--kind multilabel)."
        )
        raise InvalidInputError(msg)
    rounded = error > _ROUNDING
    p = p / np.where(rounded, sums, 1.0)[:, None] if rounded.any() else p
    return least.raised(p)


def logits_from_probs(
    probs: ArrayLike,
    *,
    renormalize: bool = False,
    floor: float | str = 0.0,
    decimals: int | None = None,
) -> NDArray[np.float64]:
    """Return logits whose softmax is `probs`: their natural logarithm, exact.

    Parameters
    ----------
    probs : array_like, shape (n, k), (n,) or (n, 1)
        Probabilities in [0, 1], rows summing to 1 (within 1e-3; 5e-3 for float16, 2e-2 for
        bfloat16); (n,) is the probability of class 1.
    renormalize : bool, default False
        Divide each row by its sum, whatever it is: probabilities printed with two decimals, with a
        bookmaker's margin, in percent, k / 256, counts of votes. Of values above 1 nearly all rows
        must share one sum.
    floor : float, "decimals=N" or "auto", default 0.0
        What a 0 is taken for: smaller probabilities are raised to it, and rows divided by their
        sums again. A number in [0, 1); "decimals=3", half a unit of the third decimal (of the
        numbers as they are given, before `renormalize`), for what was printed so; "auto", half the
        smallest positive probability there is, for votes of trees or neighbours (about 1e-17 is
        what rounding left of 0, where all others are 1e-8 or more). The rows of `apply` then need
        the number that the rows of the fit had.
    decimals : int from 1 to 15, optional
        How many decimals were printed: 3 is `floor="decimals=3"`, and goes with no other floor.

    Returns
    -------
    ndarray of float64, shape (n, k)
        log(probs). A probability of 0 becomes -inf, "this option does not exist in this row":
        without `floor` no epsilon is added. A temperature fitted on these logits is the one of
        the network's own logits, because the two differ only by an offset per row.

    Raises
    ------
    InvalidInputError
        Wrong shape, a value outside [0, 1], a row that does not sum to 1; with `renormalize` a
        value below 0, a row of zeros, or values above 1 whose rows have no common sum; two floors.

    Examples
    --------
    >>> logits_from_probs([[1.0, 0.0]])
    array([[  0., -inf]])
    >>> logits_from_probs([[1, 3]], renormalize=True).round(4)
    array([[-1.3863, -0.2877]])
    >>> np.exp(logits_from_probs([[1.0, 0.0], [0.75, 0.25]], floor="auto")).round(4)
    array([[0.8889, 0.1111],
           [0.75  , 0.25  ]])
    """
    if decimals is not None:
        if floor != 0.0:
            msg = f"`decimals` {value_text(decimals)} is a floor too: leave out it or `floor`."
            raise InvalidInputError(msg)
        floor = f"{_DECIMALS}{as_count(decimals, name='decimals', most=_MOST_DECIMALS)}"
    return log_probs(as_probs(probs, renormalize=renormalize, floor=floor))


def sum_tolerance(dtype: str) -> float:
    """Return how far rounding in a dtype may move a row's sum of probabilities."""
    return _SUM_TOLERANCE.get(dtype, _DEFAULT_TOLERANCE)


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
    return bool(0 <= low < high <= 1) and error < _ROUNDED_TEXT * n


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
            f"{whole:.4g}. Pass logits_from_probs(probs, renormalize=True), on the command line "
            "--kind probs --renormalize; if they really are logits, `refuse_probs=False`, on the "
            "command line --kind logits."
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
            f"differ by {widest:.3g} at most. Multiply them first: the temperature is multiplied "
            "with them."
        )
        raise InvalidInputError(msg)


def _check_values(z: NDArray[np.float64], *, name: str, first: int) -> None:
    masked = np.isneginf(z)
    bad = ~((np.abs(z) <= LARGEST_LOGIT) | (masked if z.ndim == 2 else False))
    if bad.any():
        row, value = _first(bad, z)
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


def _divided(p: NDArray[np.float64], *, name: str) -> NDArray[np.float64]:
    """Return rows divided by their sums, or say why that makes no probabilities of them."""
    bad = ~((p >= 0) & (p < inf))
    if bad.any():
        row, value = _first(bad, p)
        msg = (
            f"`{name}` must not be negative, nan or infinite to be renormalized; {row_name(row)} "
            f"holds {value:g} ({such_rows(bad)})."
        )
        raise InvalidInputError(msg)
    sums = p.sum(axis=1)
    if (empty := sums == 0).any():
        msg = (
            f"`{name}` rows that sum to 0 cannot be renormalized; {row_name(int(empty.argmax()))} "
            f"does ({such_rows(empty)}). Leave these rows out; on the "
            "command line --na drop does, beside --renormalize."
        )
        raise InvalidInputError(msg)
    whole = _common_sum(sums)
    if whole is not None and abs(whole - 1.0) <= _ROUNDED_TEXT and p.max() > 1.0 + _ROUNDED_TEXT:
        above = p > 1.0 + _ROUNDED_TEXT
        row, value = _first(above, p)
        msg = (
            f"`{name}` must lie in [0, 1] where rows sum to 1; {row_name(row)} holds {value:g} "
            f"({such_rows(above)}). Correct these rows, or leave them out."
        )
        raise InvalidInputError(msg)
    if len(p) and p.max() > 1.0 and whole is None:
        msg = (
            f"`{name}` above 1 must be shares of one whole to be renormalized, but rows sum to "
            f"between {sums.min():.4g} and {sums.max():.4g}.{_what_instead(p)}"
        )
        raise InvalidInputError(msg)
    return p / np.where(np.abs(sums - 1.0) > _ROUNDING, sums, 1.0)[:, None]


def _common_sum(sums: NDArray[np.float64]) -> float | None:
    """Return the sum that nine rows of ten share, within a tenth of it; None if there is none."""
    middle = float(np.median(sums)) if len(sums) else 0.0
    close = np.abs(sums - middle) <= _COMMON * middle
    return middle if middle > 0 and close.mean() >= 1.0 - _COMMON else None


def _what_instead(p: NDArray[np.float64]) -> str:
    """Say what values that are no probabilities look like, and the way out."""
    if np.isnan(p).any():
        return " nan is no probability: leave these rows out, or give them their values."
    if (p < 0).any():
        return f" Are these logits? {_softmax(p)}"
    if p.ndim == 1:
        return " Percentages? Divide by 100." if p.max() <= 100 else ""
    return _of_shares(p)


def _of_shares(p: NDArray[np.float64]) -> str:
    """Say which whole rows (n, k) of values >= 0, some above 1, are shares of, if any."""
    whole = _common_sum(p.sum(axis=1))
    if whole is not None:
        if abs(whole - 1.0) <= _ROUNDED_TEXT:
            return " Other rows sum to 1: correct these values, or leave the rows out."
        if abs(whole - 100) <= 100 * _ROUNDED_TEXT:
            return f" Rows that sum to 100 are percentages: divide by 100. {_DIVIDE}"
        if p.max() <= 255 and whole > 100 and (p == np.floor(p)).all():
            return f" Whole numbers up to 255, as 8 bits hold them? {_DIVIDE}"
        return f" Rows sum to about {whole:.4g}: shares of a whole? {_DIVIDE}"
    margin = _common_sum((1.0 / p).sum(axis=1)) if (p > 0).all() else None
    if margin is not None and 1.0 - _COMMON <= margin <= _LARGEST_MARGIN:
        return (
            " Decimal odds? Their inverses are probabilities with a margin: take 1 / odds. "
            f"{_DIVIDE}"
        )
    return (
        f" They are no shares of a whole either. Are they what goes into a softmax? {_softmax(p)}"
    )


def _softmax(p: NDArray[np.float64]) -> str:
    """Say how logits become probabilities, of class 1 where each row has a single number."""
    makes = "1 / (1 + exp(-z))" if p.ndim == 1 else "scipy.special.softmax(z, axis=-1)"
    return f"{makes} makes them probabilities; of files --kind logits says what they are."


def _as_in(values: Any, array: NDArray[Any], number: float) -> Any:  # noqa: ANN401
    """Return a number as the dtype of the values rounds it; of bfloat16 tensors as they do."""
    if str(getattr(values, "dtype", "")) == "torch.bfloat16":
        return values.new_tensor(number).float().item()
    return array.dtype.type(number)


def _first(bad: NDArray[np.bool_], values: NDArray[np.float64]) -> tuple[int, float]:
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
