"""Scores in a data frame: its columns are classes by name, its index says which row is which.

Frames of pandas, polars and pyarrow, and what is like them, are known by what they offer, so that
nobody imports those packages for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.alignment import column_order, in_order
from temperance.checks.labels import class_names
from temperance.errors import InvalidInputError
from temperance.printable import count_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["frame_names", "matched_features", "named_scores", "refuse_other_index"]

_STEMS = ("logit_", "prob_", "label_")
_DEFAULT = "column_"  # what polars calls the columns of an array


def named_scores(
    scores: Any,  # noqa: ANN401  (array_like, or a frame of a package that is not imported)
    classes: Sequence[object] | None = None,
    *,
    name: str,
    **beside: Any,  # noqa: ANN401  (array_like, or None)
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
    refuse_other_index(**{name: scores, **beside})
    wanted = None if classes is None else class_names(classes)
    raw = _columns(scores)
    if raw is None:
        return scores, wanted
    array, names = _as_array(scores, len(raw), name=name), _class_names(raw)
    if len(names) < 2:
        return array, wanted
    if len(set(names)) < len(names):
        twice = next(each for each in names if names.count(each) > 1)
        msg = f"`{name}` must name each of its columns once; {twice!r} stands there twice."
        raise InvalidInputError(msg)
    numbers = tuple(map(str, range(len(names))))
    if set(names) == set(numbers) and set(names) != set(wanted or ()):
        order = column_order(names, numbers, whose="the classes")
        unnamed = not isinstance(raw[0], str) or raw[0].startswith(_DEFAULT)
        found = wanted if unnamed or wanted is not None else numbers
        return array if order is None else array[:, order], found
    try:
        order = column_order(names, wanted, whose="`classes`")
    except InvalidInputError as error:
        msg = f"`{name}`: {error}"
        raise InvalidInputError(msg) from error
    return array if order is None else array[:, order], wanted or names


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
    wanted, names = (_columns(source), _columns(target))
    x, y = (
        each if raw is None else _as_array(each, len(raw), name=name)
        for each, raw, name in ((source, wanted, "source"), (target, names, "target"))
    )
    if wanted is None or names is None:
        return x, y
    try:
        order = column_order(
            [str(each) for each in names],
            [str(each) for each in wanted],
            whose="`source`",
            what="features",
        )
    except InvalidInputError as error:
        msg = f"`target`: {error}"
        raise InvalidInputError(msg) from error
    return x, in_order(y, order)


def refuse_other_index(**values: Any) -> None:  # noqa: ANN401
    """Raise where pandas objects have different indexes: their rows would not be the same."""
    indexed = [
        (name, index) for name, each in values.items() if (index := _index(each)) is not None
    ]
    for name, index in indexed[1:]:
        first, known = indexed[0]
        if index.equals(known):
            continue
        if len(index) != len(known):
            found = f"they have {len(index):,} and {count_text(len(known), 'row')}"
        else:
            other = np.fromiter((a != b for a, b in zip(index, known, strict=True)), bool)
            row = int(other.argmax())
            found = (
                f"row {row} (counted from 0) is {index[row]} there and {known[row]} here "
                f"({count_text(int(np.count_nonzero(other)), 'row differs', 'rows differ')})"
            )
        way_out = "where both list the same rows in the same order, call .reset_index(drop=True)"
        if index.is_unique and known.isin(index).all():
            way_out = f"take `{name}.loc[{first}.index]`; or, {way_out}"
        msg = f"`{name}` must have the index of `{first}`, but {found}; {way_out} on both."
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
    if isinstance(values, np.ndarray | list | tuple):
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
