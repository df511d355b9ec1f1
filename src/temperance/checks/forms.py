"""Scores that are not yet a matrix: data frames, and outputs per pixel or per token."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.alignment import column_order, in_order
from temperance.checks.arguments import as_whole
from temperance.checks.arrays import as_array, as_numbers, one_column
from temperance.checks.labels import Positions, class_names, is_label
from temperance.errors import InvalidInputError
from temperance.printable import count_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Dense",
    "dense_rows",
    "frame_names",
    "matched_features",
    "named_scores",
    "refuse_other_index",
    "require_axis",
    "without_ignored",
]

# Scores in a data frame: its columns are classes by name, its index says which row is which.
#
# Frames of pandas, polars and pyarrow, and what is like them, are known by what they offer, so
# that nobody imports those packages for it.


_STEMS = ("logit_", "prob_", "label_")
_WITHOUT_INDEX = (np.ndarray, list, tuple)
_DEFAULT = "column_"  # what polars calls the columns of an array


def named_scores(
    scores: Any,  # noqa: ANN401  (array_like, or a frame of a package that is not imported)
    classes: Sequence[object] | None = None,
    *,
    name: str,
    **row_values: Any,  # noqa: ANN401  (array_like, or None)
) -> tuple[Any, tuple[str, ...] | None]:
    """Return the columns of a data frame as an array, and the classes that they are.

    Columns are brought into the order of `classes` where these are known. Those called 0..k-1, in
    whatever order, are taken in that order. What is no frame comes back as it is.

    Parameters
    ----------
    scores : array_like or data frame, shape (n, k)
        Logits or probabilities; of columns called `logit_<class>` or `prob_<class>` the rest of
        the name is the class.
    classes : sequence of k names, optional
        The names that the columns must have.
    name : str
        What messages call the scores.
    **beside : array_like, optional
        What there is per row, labels or weights: as pandas objects they must have the same index.

    Raises
    ------
    InvalidInputError
        Other names than `classes`, a name that stands there twice, another index.
    """
    refuse_other_index(**{name: scores, **row_values})
    class_list = None if classes is None else class_names(classes)
    raw = _columns(scores)
    if raw is None:
        return scores, class_list
    array, names = _as_array(scores, len(raw), name=name), _class_names(raw)
    if len(names) < 2:
        return array, class_list
    if len(set(names)) < len(names):
        twice = next(each for each in names if names.count(each) > 1)
        msg = f"`{name}` must name each of its columns once; {twice!r} stands there twice."
        raise InvalidInputError(msg)
    numbers = tuple(map(str, range(len(names))))
    if set(names) == set(numbers) and set(names) != set(class_list or ()):
        order = column_order(names, numbers, whose="the classes")
        unnamed = not isinstance(raw[0], str) or raw[0].startswith(_DEFAULT)
        result = class_list if unnamed or class_list is not None else numbers
        return array if order is None else array[:, order], result
    try:
        order = column_order(names, class_list, whose="`classes`")
    except InvalidInputError as error:
        msg = f"`{name}`: {error}"
        raise InvalidInputError(msg) from error
    return array if order is None else array[:, order], class_list or names


def frame_names(scores: Any) -> tuple[str, ...] | None:  # noqa: ANN401
    """Return the classes that the columns of a data frame name; None of what is none."""
    return named_scores(scores, name="scores")[1]


def matched_features(source: Any, target: Any) -> tuple[Any, Any]:  # noqa: ANN401
    """Return the columns of two frames as arrays, those of `target` in the order of `source`.

    What is no frame comes back as it is.

    Raises
    ------
    InvalidInputError
        The columns of one are not those of the other, or one stands there twice.
    """
    source_names, target_names = (_columns(source), _columns(target))
    x, y = (
        each if raw is None else _as_array(each, len(raw), name=name)
        for each, raw, name in ((source, source_names, "source"), (target, target_names, "target"))
    )
    if source_names is None or target_names is None:
        return x, y
    try:
        order = column_order(
            [str(each) for each in target_names],
            [str(each) for each in source_names],
            whose="`source`",
            what="features",
        )
    except InvalidInputError as error:
        msg = f"`target`: {error}"
        raise InvalidInputError(msg) from error
    return x, in_order(y, order)


_PLAIN = frozenset((np.ndarray, list, tuple, type(None)))  # themselves, not what derives


def refuse_other_index(**values: Any) -> None:  # noqa: ANN401
    """Raise where pandas objects have different indexes: their rows would not be the same."""
    if _PLAIN.issuperset(map(type, values.values())):
        return
    indexed = [
        (name, index) for name, each in values.items() if (index := _index(each)) is not None
    ]
    for name, index in indexed[1:]:
        first, reference = indexed[0]
        if index.equals(reference):
            continue
        if len(index) != len(reference):
            difference = f"they have {len(index):,} and {count_text(len(reference), 'row')}"
        else:
            other = np.fromiter((a != b for a, b in zip(index, reference, strict=True)), bool)
            row = int(other.argmax())
            difference = (
                f"row {row} (counted from 0) is {index[row]} there and {reference[row]} here "
                f"({count_text(int(np.count_nonzero(other)), 'row differs', 'rows differ')})"
            )
        way_out = "where both list the same rows in the same order, call .reset_index(drop=True)"
        if index.is_unique and reference.isin(index).all():
            way_out = f"take `{name}.loc[{first}.index]`; or, {way_out}"
        msg = f"`{name}` must have the index of `{first}`, but {difference}; {way_out} on both."
        raise InvalidInputError(msg)


def _columns(values: Any) -> list[Any] | None:  # noqa: ANN401
    """Return what the columns of a data frame are called; None of anything else."""
    if isinstance(values, np.ndarray | list | tuple):
        return None
    names = getattr(values, "column_names", None)  # pyarrow
    if names is None and hasattr(values, "to_numpy"):
        names = getattr(values, "columns", None)
    return None if names is None or callable(names) or isinstance(names, str) else list(names)


def _index(values: Any) -> Any:  # noqa: ANN401
    if values is None or isinstance(values, _WITHOUT_INDEX):
        return None
    index = getattr(values, "index", None)
    return index if hasattr(index, "equals") and hasattr(index, "isin") else None


def _as_array(frame: Any, count: int, *, name: str) -> NDArray[Any]:  # noqa: ANN401
    """Return the numbers of a frame, (n, count); what is missing is nan."""
    try:
        if hasattr(frame, "column_names"):
            return np.column_stack([np.asarray(frame.column(j)) for j in range(count)])
        array = np.asarray(frame.to_numpy())
        kinds = {getattr(each, "kind", "O") for each in getattr(frame, "dtypes", ())}
        if array.dtype.kind == "O" and kinds <= set("iuf"):  # columns that can be missing
            array = np.asarray(frame.to_numpy(dtype=np.float64, na_value=np.nan))
    except (TypeError, ValueError) as error:
        msg = f"`{name}` is no frame of numbers: {' '.join(str(error).split())}"
        raise InvalidInputError(msg) from error
    return array


def _class_names(raw: list[Any]) -> tuple[str, ...]:
    names = [str(each) for each in raw]
    for stem in (*_STEMS, _DEFAULT):
        rest = [each.removeprefix(stem) for each in names]
        if all(each.startswith(stem) for each in names) and all(rest):
            numbered = set(rest) == set(map(str, range(len(rest))))
            if stem != _DEFAULT or numbered:
                return tuple(rest)
    return tuple(names)


# Outputs per pixel or per token, (..., k) or (n, k, ...): seen as rows, and put back in shape.


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
        if z.ndim <= 1 or (z.ndim == 2 and class_axis in (-1, 1)):  # rows as they are
            return z, cls(z.shape[:1], class_axis)
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
            axes = self.axes_beside(shape)
            says = " or ".join(f"`class_axis={each}` (--class-axis {each})" for each in axes)
            choices = " or ".join(map(str, axes))
            hint = f" Are the classes on axis {choices}? Then say {says}." if axes else ""
            msg = (
                f"`{name}` must have shape {self.shape}, that of `logits` without the class axis "
                f"({self.class_axis}), got {shape}.{hint}"
            )
            raise InvalidInputError(msg)

    def axes_beside(self, shape: tuple[int, ...]) -> list[int]:
        """Return the other axes of the logits without which they would have a shape.

        >>> Dense((2, 5, 7), class_axis=-1).axes_beside((2, 7, 3))
        [1]
        """
        full: list[int | None] = list(self.shape)
        own = self.class_axis % (len(full) + 1)
        full.insert(own, None)  # so many as there are classes, which is not kept
        others = (
            (axis, full[:axis] + full[axis + 1 :]) for axis in range(len(full)) if axis != own
        )
        return [
            axis
            for axis, rest in others
            if len(rest) == len(shape)
            and all(one in (None, two) for one, two in zip(rest, shape, strict=True))
        ]

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
    values = labels.values if isinstance(labels, Positions) else labels
    if ignore_label is None or values.ndim != 1:
        return labels, *per_row
    keep = ~is_label(values, ignore_label)
    if keep.all():
        return labels, *per_row
    columns = (each if each is None or len(each) != len(keep) else each[keep] for each in per_row)
    kept_labels = labels.taken(keep) if isinstance(labels, Positions) else labels[keep]
    return kept_labels, *columns


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
    y, outputs = without_ignored(dense.flat(labels, name="labels"), ignore_label, rows)
    assert y is not None  # noqa: S101  (only what is None stays None)
    assert outputs is not None  # noqa: S101
    return outputs, y
