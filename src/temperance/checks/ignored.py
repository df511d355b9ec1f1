"""Rows whose label says that they have none: left out of all that there is per row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from temperance.checks.arrays import as_array, as_optional, one_column
from temperance.checks.labels import Positions, is_label
from temperance.checks.numbers import value_text
from temperance.errors import InvalidInputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = ["kept_labels", "kept_rows", "labelled_rows"]


def labelled_rows(
    labels: ArrayLike | Positions, ignore_label: float | str | None, *, may_be_none: bool = False
) -> NDArray[np.bool_] | None:
    """Return which rows have another label than `ignore_label`, (n,); None where all have.

    `may_be_none`: no row need have one, as in one block of many.
    """
    if ignore_label is None:
        return None
    if isinstance(labels, Positions):
        given = labels.values
    else:
        given = one_column(as_array(labels, name="labels"))
    if given.ndim != 1:
        return None  # refused where labels are checked
    keep = ~is_label(given, ignore_label)
    if keep.all():
        return None
    if not keep.any() and not may_be_none:
        msg = (
            f"`ignore_label` leaves no row: all {len(keep)} labels are {value_text(ignore_label)}."
        )
        raise InvalidInputError(msg)
    return keep


def kept_rows(values: Any, keep: NDArray[np.bool_] | None, *, name: str) -> Any:  # noqa: ANN401
    """Return the rows that have a label, of anything array-like; None stays None."""
    if values is None or keep is None:
        return values
    array = as_optional(values, name=name)
    if array.ndim == 0 or len(array) != len(keep):
        msg = f"`{name}` must have one row per label, {len(keep)} of them, got shape {array.shape}."
        raise InvalidInputError(msg)
    return array[keep]


def kept_labels(
    labels: ArrayLike | Positions, keep: NDArray[np.bool_] | None
) -> ArrayLike | Positions:
    """Return the labels of the rows that have one."""
    if keep is None:
        return labels
    if isinstance(labels, Positions):
        return labels.taken(keep)
    return one_column(as_array(labels, name="labels"))[keep]
