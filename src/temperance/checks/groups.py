"""Names that say which rows belong together: groups to compare, clusters to resample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.checks.arguments import value_text
from temperance.checks.arrays import as_optional, missing_entries, one_column, row_name, such_rows
from temperance.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["as_group_names", "as_groups", "as_known_names"]


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


def as_known_names(values: ArrayLike, *, n: int, name: str = "groups") -> NDArray[np.str_]:
    """Return each row's name as text; "" where it has none (None, nan, masked or empty).

    Of rows that are served, or looked up: what is known of them is used.
    """
    given = _column(as_optional(values, name=name), n=n, name=name)
    return np.where(_missing(given), "", _texts(given, name))


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
