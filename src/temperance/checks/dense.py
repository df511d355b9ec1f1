"""Outputs per pixel or per token, (..., k) or (n, k, ...): seen as rows, and put back in shape."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.checks.arguments import as_whole
from temperance.checks.arrays import as_array, as_numbers, one_column
from temperance.checks.labels import Positions, is_label
from temperance.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Dense", "dense_rows", "require_axis", "without_ignored"]


@dataclass(frozen=True, slots=True)
class Dense:
    """Where the class axis was, and the other axes."""

    shape: tuple[int, ...]  # without the class axis
    class_axis: int

    @classmethod
    def of(cls, logits: ArrayLike, *, class_axis: int = -1) -> tuple[NDArray[Any], Dense]:
        """Return the logits as rows, (n, k) or (n,), and how to put such rows back in shape."""
        z, class_axis = as_numbers(logits, name="logits"), as_whole(class_axis, name="class_axis")
        if class_axis in (-1, 1):
            z = one_column(z)
        if z.ndim <= 1:
            return z, cls(z.shape, class_axis)
        last, dense = cls.moved(z, class_axis=class_axis)
        return last.reshape(prod(dense.shape), last.shape[-1]), dense

    @classmethod
    def moved(cls, z: NDArray[Any], *, class_axis: int) -> tuple[NDArray[Any], Dense]:
        """Return a view of an array with its class axis last, and how to put rows in its shape."""
        require_axis(class_axis, ndim=z.ndim)
        last = np.moveaxis(z, class_axis, -1)
        return last, cls(last.shape[:-1], class_axis)

    def restore(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return rows (n, k) in the shape that the logits had, k in its place; (n,) stay (n, k)."""
        if len(self.shape) <= 1 and self.class_axis in (-1, 1):
            return rows
        return np.moveaxis(rows.reshape(*self.shape, rows.shape[-1]), -1, self.class_axis)

    def labels(self, labels: ArrayLike | Positions) -> NDArray[Any] | Positions:
        """Return one label per row, (n,), of an array in that shape; positions stay such."""
        return labels if isinstance(labels, Positions) else self.flat(labels, name="labels")

    def flat(self, values: ArrayLike, *, name: str) -> NDArray[Any]:
        """Return one value per row, (n,), of an array in the shape of the logits without k."""
        array = as_array(values, name=name)
        if len(self.shape) <= 1:
            return one_column(array)  # the check of its values says what else is wrong
        self.require(array.shape, name=name)
        return array.reshape(-1)

    def require(self, shape: tuple[int, ...], *, name: str) -> None:
        """Raise unless this is the shape of the logits without k."""
        if shape != self.shape:
            msg = (
                f"`{name}` must have shape {self.shape}, that of `logits` without the class axis "
                f"({self.class_axis}), got {shape}. Classes on axis 1, as PyTorch has them? "
                "Then say `class_axis=1` (--class-axis 1)."
            )
            raise InvalidInputError(msg)

    def spread(self, values: ArrayLike, *, name: str) -> NDArray[Any]:
        """Return one value per row, (n,), of an array in that shape or of one value per image."""
        array = self.fitting(values, name=name)
        if array.shape == self.shape:
            return array.reshape(-1)
        return np.repeat(array, prod(self.shape[1:]))

    def fitting(self, values: ArrayLike, *, name: str) -> NDArray[Any]:
        """Return an array that has one value per row or per image, or say that it has not."""
        array = as_array(values, name=name)
        if array.shape in (self.shape, self.shape[:1]):
            return array
        msg = (
            f"`{name}` must have shape {self.shape}, that of `logits` without the class axis "
            f"({self.class_axis}), or {self.shape[:1]}, one per image or sequence, got "
            f"{array.shape}."
        )
        raise InvalidInputError(msg)


def require_axis(class_axis: int, *, ndim: int) -> None:
    """Raise unless the class axis is one of the axes of the logits."""
    if not -ndim <= as_whole(class_axis, name="class_axis") < ndim:
        msg = (
            f"`class_axis` (--class-axis) must name one of the {ndim} axes of `logits`, got "
            f"{class_axis}."
        )
        raise InvalidInputError(msg)


def without_ignored(
    labels: NDArray[Any] | Positions,
    ignore_label: float | str | None,
    *per_row: NDArray[Any] | None,
) -> tuple[Any, ...]:
    """Return the labels, and what else there is per row, without rows of `ignore_label`."""
    given = labels.values if isinstance(labels, Positions) else labels
    if ignore_label is None or given.ndim != 1:
        return labels, *per_row
    keep = ~is_label(given, ignore_label)
    if keep.all():
        return labels, *per_row
    kept = (each if each is None or len(each) != len(keep) else each[keep] for each in per_row)
    taken = labels.taken(keep) if isinstance(labels, Positions) else labels[keep]
    return taken, *kept


def dense_rows(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    class_axis: int = -1,
    ignore_label: int | str | None = None,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return outputs per pixel or token, and their labels, as rows that `evaluate` takes.

    Parameters
    ----------
    logits : array_like, shape (..., k) or (n, k, ...)
        Logits or probabilities.
    labels : array_like, the shape of `logits` without the class axis
        True classes.
    class_axis : int, default -1
        Where the classes are: -1 is the last axis, 1 is PyTorch's.
    ignore_label : int, optional
        Rows of this label are left out (PyTorch's `ignore_index`, often 255 or -100).

    Returns
    -------
    tuple of ndarray, shapes (n, k) and (n,)
        n is the number of labels that are left.

    Raises
    ------
    InvalidInputError
        `class_axis` is no axis of `logits`, or the shapes do not match.

    Examples
    --------
    One image of 2 x 2 pixels and 3 classes; one pixel is not labelled.

    >>> rows, labels = dense_rows(np.zeros((1, 3, 2, 2)), [[[0, 1], [2, 255]]],
    ...                           class_axis=1, ignore_label=255)
    >>> rows.shape, labels
    ((3, 3), array([0, 1, 2]))
    """
    rows, dense = Dense.of(logits, class_axis=class_axis)
    y, kept = without_ignored(dense.flat(labels, name="labels"), ignore_label, rows)
    assert y is not None  # noqa: S101  (only what is None stays None)
    assert kept is not None  # noqa: S101
    return kept, y
