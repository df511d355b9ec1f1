"""What there is one of for each row: names of groups and of clusters, and weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.checks.arguments import value_text
from temperance.checks.arrays import (
    as_numbers,
    as_optional,
    missing_entries,
    one_column,
    row_name,
    such_rows,
)
from temperance.errors import InvalidInputError
from temperance.numerics import MOST_COUNTED, as_float64

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "as_group_names",
    "as_groups",
    "as_known_names",
    "as_one_name",
    "as_weights",
    "checked_weights",
    "effective_rows",
    "in_effective_rows",
    "numbers_by_name",
    "without_traces",
]

_SEQUENCES = frozenset((list, tuple))
_FEW = 64  # names, which are looked up one by one in less time than they are sorted

# Names that say which rows belong together: groups to compare, clusters to resample.


def as_groups(
    groups: ArrayLike, *, n: int, name: str = "groups"
) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    """Return the distinct names as text, sorted, and each row's number 0..m-1 among them."""
    values = _column(as_optional(groups, name=name), n=n, name=name)
    texts = _texts(values, name)
    missing = _missing(values) | (texts == "")
    if missing.any():
        msg = (
            f"`{name}` must be known for every row; {row_name(int(missing.argmax()))} has none "
            f"({such_rows(missing)}). Give these rows a name of their own, or leave them out of "
            "all arrays (--na drop)."
        )
        raise InvalidInputError(msg)
    names, numbers = np.unique(texts, return_inverse=True)
    return tuple(names.tolist()), np.asarray(numbers, dtype=np.intp)


def as_group_names(groups: ArrayLike, *, n: int, name: str = "groups") -> NDArray[np.str_]:
    """Return each row's group as text, (n,)."""
    names, numbers = as_groups(groups, n=n, name=name)
    return np.array(names, dtype=np.str_)[numbers]


def as_one_name(values: ArrayLike | None) -> ArrayLike | None:
    """Return the name of one row, of a list or a tuple, as an array; all else as it is.

    What looks at names several times, as a decision by groups does, makes that array once.
    """
    if type(values) in _SEQUENCES and len(values) == 1 and type(values[0]) is str:  # type: ignore[arg-type, index]
        return np.array(values, dtype=np.str_)
    return values


def as_known_names(values: ArrayLike, *, n: int, name: str = "groups") -> NDArray[np.str_]:
    """Return each row's name as text; "" where it has none (None, nan, masked or empty).

    Of rows that are served, or looked up: what is known of them is used.
    """
    if type(values) is np.ndarray and values.dtype.kind == "U" and values.shape == (n,):
        return values
    values = as_one_name(values)  # type: ignore[assignment]
    if n == 1 and type(values) is np.ndarray and values.dtype.kind == "U" and values.shape == (1,):
        return values
    column = _column(as_optional(values, name=name), n=n, name=name)
    return np.where(_missing(column), "", _texts(column, name))


def numbers_by_name(
    names: NDArray[np.str_], numbers: Mapping[str, float], *, unknown: float
) -> NDArray[np.float64]:
    """Return the number that each name has, (n,), and `unknown` of names that have none."""
    if len(names) <= _FEW:
        return np.array([numbers.get(name, unknown) for name in names.tolist()], dtype=np.float64)
    distinct, places = np.unique(names, return_inverse=True)
    of_name = [numbers.get(name, unknown) for name in distinct.tolist()]
    return np.array(of_name, dtype=np.float64)[places]


def _column(values: NDArray[Any], *, n: int, name: str) -> NDArray[Any]:
    """Return one value per row, (n,); of shape (n, 1) too."""
    values = one_column(values)
    if values.shape != (n,):
        msg = f"`{name}` must have shape ({n},), one per row, got {values.shape}."
        raise InvalidInputError(msg)
    return values


def _missing(values: NDArray[Any]) -> NDArray[np.bool_]:
    if values.dtype.kind == "O":
        return missing_entries(values)
    return np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), dtype=bool)


def _texts(values: NDArray[Any], name: str) -> NDArray[np.str_]:
    """Return names as text, what is missing as some text."""
    return np.array([_text(each, name) for each in values.tolist()], dtype=np.str_)


def _text(value: object, name: str) -> str:
    """Return a name as text; bytes, as some files have them, must be UTF-8."""
    if not isinstance(value, bytes):
        return str(value)
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        msg = f"`{name}` must be text; {value_text(value)} is not UTF-8: decode it first."
        raise InvalidInputError(msg) from error


# Weights of rows: finite, not negative, not all zero; and their scale, which is settled here.
#
# Only their ratios matter. A mean needs no more than that: there weights keep their scale where
# the largest is between 1 and 2^53, and are else taken in proportion to the largest, so that
# their squares neither overflow nor vanish. A fit asks more, how many rows there are: there
# weights add up to the effective number of rows, (sum w)^2 / sum w^2, which is n where all are
# equal, on any scale.
#
# Counts of equal rows are no weights: 10 rows of weight 100 are known as well as 10 rows, for
# nothing tells them from 10 rows of weight 0.1. Rows repeated as often as they were seen are
# 1,000 rows, in every prior, standard error and interval.


_EQUAL = 1e-12  # weights whose sum is this close to their effective number are on its scale
_LEAST = 2.0**-450  # of the largest; less counts as nothing: its square would, and is divided by


def as_weights(
    weights: ArrayLike | None, *, n: int, all_zero: bool = False, name: str = "weights"
) -> NDArray[np.float64] | None:
    """Return weights of shape (n,), finite, >= 0 and not `all_zero`; None stays None.

    They are in proportion to the largest, unless that is between 1 and 2^53. Those below 2^-450
    (1e-135) of the largest are 0.
    """
    w = checked_weights(weights, n=n, all_zero=all_zero, name=name)
    return None if w is None else in_proportion(w)


def in_proportion(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return checked weights on a scale whose squares neither overflow nor vanish."""
    largest = float(weights.max(initial=0.0))
    if largest == 0.0:
        return weights
    if not 1.0 <= largest <= MOST_COUNTED:
        # twice: a power of two first, for 1 / 1e-320 would be infinite
        _, exponent = np.frexp(largest)
        weights = np.ldexp(weights, -exponent)
        weights = weights / weights.max()
        largest = 1.0
    return without_traces(weights, largest)


def effective_rows(weights: NDArray[np.float64]) -> float:
    """Return (sum w)^2 / sum w^2: how many rows of equal weight would be known as well (Kish)."""
    squared = float(weights @ weights)
    return float(weights.sum()) ** 2 / squared if squared else 0.0


def in_effective_rows(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return checked weights on the scale on which they add up to their effective number."""
    w = in_proportion(weights)
    total, number = float(w.sum()), effective_rows(w)
    return w if abs(total - number) <= _EQUAL * total else w * (number / total)


def without_traces(weights: NDArray[np.float64], largest: float) -> NDArray[np.float64]:
    """Return the weights, 0 where they are so small that their squares would vanish."""
    small = (weights < _LEAST * largest) & (weights > 0.0)
    return np.where(small, 0.0, weights) if small.any() else weights


def checked_weights(
    weights: ArrayLike | None, *, n: int, all_zero: bool = False, name: str = "weights"
) -> NDArray[np.float64] | None:
    """Return weights as `as_weights` does, on the scale on which they came."""
    if weights is None:
        return None
    w = as_float64(one_column(as_numbers(weights, name=name)))
    if w.shape != (n,):
        msg = f"`{name}` must have shape ({n},), one per row, got {w.shape}."
        raise InvalidInputError(msg)
    bad = ~(np.isfinite(w) & (w >= 0))
    if bad.any():
        row = int(bad.argmax())
        msg = (
            f"`{name}` must be finite and >= 0; {row_name(row)} has {w[row]:g} ({such_rows(bad)})."
        )
        raise InvalidInputError(msg)
    if n and not all_zero and not w.any():
        msg = f"`{name}` must not all be zero: no row would count."
        raise InvalidInputError(msg)
    return w
