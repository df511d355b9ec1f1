"""Names that say which rows belong together: groups to compare, clusters to resample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.checks.numbers import value_text
from temperance.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["as_group_names", "as_groups"]


def as_groups(
    groups: ArrayLike, *, n: int, name: str = "groups"
) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    """Return the distinct names as text, sorted, and each row's number 0..m-1 among them."""
    values = np.asarray(groups)
    if values.shape != (n,):
        msg = f"`{name}` must have shape ({n},), one per row, got {values.shape}."
        raise InvalidInputError(msg)
    missing = np.array([each is None or each != each for each in values.tolist()], dtype=bool)  # noqa: PLR0124 (nan)
    if missing.any():
        msg = (
            f"`{name}` must be known for every row; row {int(missing.argmax())} has none "
            f"({np.count_nonzero(missing)} such rows). Give them a name of their own."
        )
        raise InvalidInputError(msg)
    texts = np.array([_text(each, name) for each in values.tolist()], dtype=np.str_)
    names, numbers = np.unique(texts, return_inverse=True)
    return tuple(names.tolist()), np.asarray(numbers, dtype=np.intp)


def as_group_names(groups: ArrayLike, *, n: int) -> NDArray[np.str_]:
    """Return each row's group as text; "" where it is missing (None, nan or empty)."""
    values = np.asarray(groups)
    if values.shape != (n,):
        msg = f"`groups` must have shape ({n},), one per row, got {values.shape}."
        raise InvalidInputError(msg)
    return np.array(
        [
            "" if each is None or each != each else _text(each, "groups")  # noqa: PLR0124 (nan)
            for each in values.tolist()
        ],
        dtype=np.str_,
    )


def _text(value: object, name: str) -> str:
    """Return a name as text; bytes, as some files have them, must be UTF-8."""
    if not isinstance(value, bytes):
        return str(value)
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        msg = f"`{name}` must be text; {value_text(value)} is not UTF-8: decode it first."
        raise InvalidInputError(msg) from error
