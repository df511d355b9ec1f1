"""Probabilities: what rounding, a floor and other wholes do to their sums, and their logarithms."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Self

import numpy as np

from temperance.checks.arguments import as_count, as_flag, as_number, value_text
from temperance.checks.arrays import (
    as_numbers,
    count_rows,
    one_column,
    row_name,
    such_rows,
)
from temperance.checks.scores import ROUNDED_TEXT, first_bad, require_shape
from temperance.errors import InvalidInputError
from temperance.numerics import as_float64, log_probs
from temperance.printable import count_text, digits_text

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

__all__ = ["FOR_ZEROS", "Floor", "Floored", "as_probs", "logits_from_probs", "sum_tolerance"]

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


# Probabilities as they come: their sums, and what else they may be.


_SUM_TOLERANCE = {"float16": 5e-3, "bfloat16": 2e-2}  # others: float32, float64 and rounded text
_DEFAULT_TOLERANCE = 1e-3
_ROUNDING = 1e-12  # row sums this close to 1 are left exactly as they are
_COMMON = 0.1  # rows of one whole: nine of ten sum to it within a tenth
_LARGEST_MARGIN = 1.5  # sum of the inverses of decimal odds
_DIVIDE = (
    "`renormalize=True` of logits_from_probs and evaluate, on the command line --renormalize, "
    "divides each row by its sum."
)


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
        row, value = first_bad(outside, p)
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
        row, value = first_bad(off, sums)
        msg = (
            f"`{name}` rows must sum to 1 within {tolerance:g}; {row_name(row)} sums to "
            f"{digits_text(value, 6)} ({such_rows(off)}). Rounded, or with a margin as odds have? "
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


def _divided(p: NDArray[np.float64], *, name: str) -> NDArray[np.float64]:
    """Return rows divided by their sums, or say why that makes no probabilities of them."""
    bad = ~((p >= 0) & (p < inf))
    if bad.any():
        row, value = first_bad(bad, p)
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
    if whole is not None and abs(whole - 1.0) <= ROUNDED_TEXT and p.max() > 1.0 + ROUNDED_TEXT:
        above = p > 1.0 + ROUNDED_TEXT
        row, value = first_bad(above, p)
        msg = (
            f"`{name}` must lie in [0, 1] where rows sum to 1; {row_name(row)} holds {value:g} "
            f"({such_rows(above)}). Correct these rows, or leave them out."
        )
        raise InvalidInputError(msg)
    if len(p) and p.max() > 1.0 and whole is None:
        msg = (
            f"`{name}` above 1 must be shares of one whole to be renormalized, but rows sum to "
            f"between {digits_text(sums.min(), 4)} and {digits_text(sums.max(), 4)}."
            f"{_what_instead(p)}"
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
        if abs(whole - 1.0) <= ROUNDED_TEXT:
            return " Other rows sum to 1: correct these values, or leave the rows out."
        if abs(whole - 100) <= 100 * ROUNDED_TEXT:
            return f" Rows that sum to 100 are percentages: divide by 100. {_DIVIDE}"
        if p.max() <= 255 and whole > 100 and (p == np.floor(p)).all():
            return f" Whole numbers up to 255, as 8 bits hold them? {_DIVIDE}"
        return f" Rows sum to about {digits_text(whole, 4)}: shares of a whole? {_DIVIDE}"
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
