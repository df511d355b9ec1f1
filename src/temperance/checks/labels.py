"""True classes: names where the columns have names, positions 0..k-1 where they have none.

The one rule, for every format, dtype and command:

* Where the classes are named, labels are names. A label that is no name letter by letter is
  compared by value: numbers and booleans with names that spell them (1, 1.0, True and "1.0" are the
  class "1", or "01", or "True"), if only one name does. Booleans of more than two classes must be
  names themselves: whether a prediction was right is no class.
* Where they are not named, labels are positions: whole numbers 0..k-1, also as text; False and True
  are 0 and 1 where there are two classes.
* Positions that are known to be such are `Positions`, a type of their own that is never looked up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from temperance.checks.arguments import as_sequence, value_text
from temperance.checks.arrays import (
    as_array,
    as_optional,
    one_column,
    row_name,
    such_rows,
)
from temperance.checks.label_map import (
    WORDS,
    class_place,
    distinct_labels,
    folded,
    label_advice,
    label_text,
    label_value,
    positions_advice,
    shown,
)
from temperance.checks.probs import FOR_ZEROS
from temperance.errors import InvalidInputError
from temperance.numerics import row_blocks
from temperance.printable import count_text, first_few

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray


__all__ = [
    "Positions",
    "as_classes",
    "as_labels",
    "class_names",
    "class_position",
    "counting_rows",
    "is_label",
    "kept_labels",
    "kept_rows",
    "labelled_rows",
    "refuse_masked_labels",
    "spells_otherwise",
]

_LARGEST = 2**62  # of a label that is a number: others are no positions, and no int64
_VOID = {-100: "PyTorch's ignore index", 255: "often void", -1: "often unknown"}


@dataclass(frozen=True, slots=True, eq=False)
class Positions:
    """Labels that are the positions of columns, counted from 0, whatever the columns are called.

    Plain numbers are looked up among the names of classes where there are any; these are not. All
    functions that take `labels` with `classes` take them.

    Parameters
    ----------
    values : array_like of int, shape (n,)
        Each row's true column, 0..k-1.

    Raises
    ------
    InvalidInputError
        `values` are not whole numbers >= 0, or not one per row.

    Examples
    --------
    >>> from temperance import TemperatureScaling
    >>> logits = [[2.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    >>> fitted = TemperatureScaling.fit(logits, Positions([0, 1, 1]), classes=["2", "1"])
    >>> fitted.temperature == TemperatureScaling.fit(logits, [0, 1, 1]).temperature
    True
    """

    values: NDArray[np.intp]

    def __post_init__(self) -> None:
        values = self.values
        if isinstance(values, Positions):
            values = values.values
        elif type(values) is not np.ndarray or values.dtype != np.intp:  # masked arrays have masks
            array = as_array(values, name="labels")
            if array.ndim != 1:
                raise InvalidInputError(_one_per_row(array))
            values = _whole(array) if array.dtype.kind == "f" else array
            if values.size and values.dtype.kind not in "iu":
                msg = f"`Positions` must hold whole numbers, got dtype {array.dtype}."
                raise InvalidInputError(msg)
            values = values.astype(np.intp)
        if values.ndim != 1:
            raise InvalidInputError(_one_per_row(values))
        values = values.view()  # the caller's array stays writable
        values.flags.writeable = False
        object.__setattr__(self, "values", values)

    def __len__(self) -> int:
        return len(self.values)

    def taken(self, rows: NDArray[Any]) -> Self:
        """Return the labels of some rows, by a mask or by their places."""
        return type(self)(self.values[rows])


def _one_per_row(values: NDArray[Any]) -> str:
    return f"`Positions` must have shape (n,), one per row, got {values.shape}."


def class_names(classes: Sequence[object]) -> tuple[str, ...]:
    """Return the names of classes as text, or say that these are none."""
    names = as_sequence(classes, name="classes", rule="a sequence of names, one per column")
    if any(getattr(name, "ndim", 0) or isinstance(name, list | tuple) for name in names):
        msg = f"`classes` must be names, one per column, got {value_text(classes)}."
        raise InvalidInputError(msg)
    if any(name is None or name != name for name in names):  # noqa: PLR0124  (nan)
        msg = "`classes` must name every column; None and nan are no names."
        raise InvalidInputError(msg)
    numbers = [each for each in names if not isinstance(each, str | bytes)]
    values = [value for each in numbers if (value := label_value(each)) is not None]
    if len(set(values)) < len(values):
        twice = next(value for value in values if values.count(value) > 1)
        msg = f"`classes` must differ from each other; {twice} stands there twice."
        raise InvalidInputError(msg)
    return tuple(label_text(name) for name in names)


def as_classes(classes: Sequence[object] | None, *, k: int) -> tuple[str, ...] | None:
    """Return the names of the `k` classes in column order, as text; None stays None."""
    if classes is None:
        return None
    names = class_names(classes)
    if len(names) != k:
        msg = f"`classes` must name each of the {k} columns, got {count_text(len(names), 'name')}."
        raise InvalidInputError(msg)
    if len(set(names)) != k:
        twice = next(name for name in names if names.count(name) > 1)
        msg = f"`classes` must differ from each other; {twice!r} stands there twice."
        raise InvalidInputError(msg)
    return names


def as_labels(
    labels: ArrayLike | Positions, *, n: int, k: int, classes: tuple[str, ...] | None = None
) -> NDArray[np.intp]:
    """Return labels of shape (n,) as the positions of their columns, integers in 0..k-1.

    By the rule of this module: names where there are `classes`, else positions.
    """
    if isinstance(labels, Positions):
        _check_length(labels.values, n)
        return _in_range(labels.values, k=k)
    y = one_column(as_array(labels, name="labels"))
    _check_length(y, n)
    if y.dtype.kind not in "iubfOUST":
        rule = f"integers in 0..{k - 1}" if classes is None else "names of classes"
        msg = f"`labels` must be {rule}, got dtype {y.dtype}."
        raise InvalidInputError(msg)
    if classes is not None:
        return _by_name(y, classes)
    if y.dtype.kind in "OUST":
        return _spelled_positions(y, k=k)
    if y.dtype.kind == "f":
        y = _whole(y)
    if y.dtype.kind == "b" and k > 2 and n:
        raise _booleans(k)
    return _in_range(y, k=k)


def is_label(
    labels: NDArray[Any], label: object, *, as_spelled: bool | None = None
) -> NDArray[np.bool_]:
    """Return which labels of any shape are this one, as the same text or the same value.

    Where the text stands among them, other spellings of its value are other labels. Of labels that
    are part of more, `as_spelled` says whether it stands among all.
    """
    if not isinstance(label, str | bytes | int | float | np.generic):
        msg = f"`ignore_label` must be one label, a number or a text, got {label!r}."
        raise InvalidInputError(msg)
    distinct, inverse = distinct_labels(labels)
    text, value = label_text(label), label_value(label)
    if as_spelled is None:
        as_spelled = any(label_text(each) == text for each in distinct)
    if as_spelled:
        value = None  # letter by letter comes first: 01 is not 1 where both are there
    same = [
        label_text(each) == text or (value is not None and label_value(each) == value)
        for each in distinct
    ]
    return np.array(same, dtype=bool)[inverse].reshape(labels.shape)


def spells_otherwise(labels: NDArray[Any], label: object) -> bool:
    """Whether some labels have the value of this one in other letters, as 01 that of 1."""
    text, value = label_text(label), label_value(label)
    if value is None or labels.dtype.kind not in "OUST":
        return False
    distinct = distinct_labels(labels)[0]
    return any(label_text(each) != text and label_value(each) == value for each in distinct)


def refuse_masked_labels(
    logits: NDArray[Any],
    labels: NDArray[np.intp],
    *,
    first: int = 0,
    classes: tuple[str, ...] | None = None,
    of_logits: bool = False,
) -> None:
    """Raise if a true class is masked (-inf, probability 0): its log loss is infinite."""
    for rows in row_blocks(logits):
        block, y = logits[rows], labels[rows]
        masked = np.isneginf(block[np.arange(len(y)), y])
        if masked.any():
            row = rows.start + int(masked.argmax())
            label = labels[row] if classes is None else repr(classes[labels[row]])
            at = np.arange(len(labels))
            count = int(np.count_nonzero(np.isneginf(logits[at, labels])))
            msg = (
                f"`labels` must name an option that exists; in {row_name(row, first)} the label "
                f"{label} has logit -inf (probability 0) ({such_rows(count)}), where no "
                f"temperature has a finite loss.{_for_zeros(logits, of_logits=of_logits)}"
            )
            raise InvalidInputError(msg)


def _for_zeros(logits: NDArray[Any], *, of_logits: bool) -> str:
    """Say what to do about a label of probability 0: not to leave out the model's worst errors."""
    if (np.isneginf(logits).sum(axis=1) == logits.shape[1] - 1).all():
        return (
            " Every probability is 0 or 1: these are decisions, not probabilities, and no map "
            "makes probabilities of them but how often they are right."
        )
    if of_logits:
        return (
            " Logits of -inf are options that do not exist in their rows. If they are logs of "
            "probabilities of 0, save the probabilities, which --kind probs --floor auto reads, or "
            "finite logits. Leaving such rows out would leave out the model's worst errors."
        )
    return (
        f" A probability that was rounded, or counted, to 0? Give the logits, or more digits, or "
        f"{FOR_ZEROS}. Methods that need no logarithm take zeros as they are: isotonic, and of "
        "two classes venn-abers. Leaving such rows out would leave out the model's worst errors."
    )


def _check_length(y: NDArray[Any], n: int) -> None:
    if y.shape == (n,):
        return
    hint = ""
    if y.ndim == 2 and len(y) == n:
        hint = (
            " One-hot rows? Use labels.argmax(axis=1). Several labels per row? Use "
            "MultilabelScaling, on the command line --kind multilabel."
        )
    msg = f"`labels` must have shape ({n},), one per row, got {y.shape}.{hint}"
    raise InvalidInputError(msg)


def _whole(y: NDArray[Any]) -> NDArray[np.intp]:
    y = y.astype(np.promote_types(y.dtype, np.float64))
    bad = ~(np.isfinite(y) & (y == np.floor(y)) & (np.abs(y) < 2**53))
    if bad.any():
        row = int(bad.argmax())
        msg = (
            f"`labels` must be whole numbers; {row_name(row)} holds {y[row]:g} ({such_rows(bad)})."
        )
        raise InvalidInputError(msg)
    return y.astype(np.intp)


def _in_range(y: NDArray[Any], *, k: int) -> NDArray[np.intp]:
    bad = (y < 0) | (y >= k) if y.dtype.kind != "b" else np.zeros(len(y), dtype=bool)
    if bad.any():
        row = int(bad.argmax())
        msg = (
            f"`labels` must be integers in 0..{k - 1}; {row_name(row)} holds {y[row]} "
            f"({such_rows(bad)}).{_out_of_range(y, bad, k)}"
        )
        raise InvalidInputError(msg)
    return y.astype(np.intp)


def _out_of_range(y: NDArray[Any], bad: NDArray[np.bool_], k: int) -> str:
    """Say what labels that are no positions may be, and what to do about each."""
    values = [int(each) for each in np.unique(y)]
    if k == 2 and len(values) == 2:
        low, high = values
        either = "" if low < 0 else f" (or {low}=1,{high}=0)"
        return (
            f" Two codes for two classes? Say which is class 1: --label-map {low}=0,{high}=1"
            f"{either}, in Python labels == {high}."
        )
    if values[0] == 1 and values[-1] == k:
        return (
            " Labels that count the columns from 1? Say --label-map one-based, in Python "
            "labels - 1."
        )
    void = [int(each) for each in np.unique(y[bad])]
    if len(void) == 1:
        usual = f" {void[0]} is {_VOID[void[0]]}: if" if void[0] in _VOID else " If"
        return (
            f"{usual} such rows have no label, leave them out with "
            f"`ignore_label={void[0]}` (--ignore-label {void[0]})."
        )
    return ""


def _is_boolean(label: object) -> bool:
    return isinstance(label, bool) or folded(label_text(label)) in WORDS


def _booleans(k: int, classes: tuple[str, ...] | None = None) -> InvalidInputError:
    rule = f"integers in 0..{k - 1}" if classes is None else f"classes ({first_few(classes)})"
    msg = (
        f"`labels` must be {rule}, got True and False for {k} classes. Whether a "
        "prediction was right says not which class is true: give the true classes "
        "(--label-column names their column)."
    )
    return InvalidInputError(msg)


def _by_name(y: NDArray[Any], classes: tuple[str, ...]) -> NDArray[np.intp]:
    """Look labels up among the names of the classes: letter by letter, else by value."""
    if y.dtype.kind in "iu" and classes == tuple(map(str, range(len(classes)))):
        inside = (y >= 0) & (y < len(classes))
        if inside.all():  # names that spell the positions
            return y.astype(np.intp)
    if y.dtype.kind == "f" and (unknown := np.isnan(y)).any():
        msg = (
            f"`labels` must be known; {row_name(int(unknown.argmax()))} holds nan "
            f"({such_rows(unknown)}). Leave such rows out: "
            "`ignore_label=float('nan')` (--ignore-label nan)."
        )
        raise InvalidInputError(msg)
    distinct, inverse = distinct_labels(y)
    if len(classes) > 2 and any(map(_is_boolean, distinct)) and not any(map(_is_boolean, classes)):
        raise _booleans(len(classes), classes)
    place = class_place(classes)
    places = np.array([place(each) for each in distinct], dtype=np.intp)
    rows = places[inverse] if len(distinct) else np.zeros(0, dtype=np.intp)
    if (rows < 0).any():
        row = int((rows < 0).argmax())
        raise _no_class(y, row, int(np.count_nonzero(rows < 0)), distinct, classes)
    return rows


def class_position(name: object, classes: tuple[str, ...] | None) -> int:
    """Return the position of a class that an argument names, as labels name it; -1 of no class.

    Where no class is called by a number, a whole number is a position.
    """
    value = label_value(name)
    position = value if isinstance(value, int) else -1
    if classes is None:
        return -1 if isinstance(name, str) else position
    place = class_place(classes)(name)
    by_value = any(label_value(each) is not None for each in classes)
    return position if place < 0 and not by_value and not isinstance(name, str) else place


def _no_class(
    y: NDArray[Any],
    row: int,
    count: int,
    distinct: Sequence[object],
    classes: tuple[str, ...],
) -> InvalidInputError:
    """Say which label is no class, with both lists and the way out."""
    label = y[row]
    value = label_value(label)
    matches = [] if value is None else [name for name in classes if label_value(name) == value]
    several = "" if len(matches) < 2 else f", which {first_few(matches)} both spell"
    way_out = positions_advice(distinct, classes) or label_advice(
        distinct, classes=classes, k=len(classes)
    )
    msg = (
        f"`labels` must be among the classes ({first_few(classes)}), which have names; "
        f"{row_name(row)} holds {shown(label)}{several} ({such_rows(count)}; labels there are: "
        f"{first_few(list(map(label_text, distinct)))}).{way_out}"
    )
    return InvalidInputError(msg)


def _spelled_positions(y: NDArray[Any], *, k: int) -> NDArray[np.intp]:
    """Return labels that are text, or anything else, as positions of columns without names."""
    distinct, inverse = distinct_labels(y)
    values = [label_value(each) for each in distinct]
    if k > 2 and any(map(_is_boolean, distinct)):
        raise _booleans(k)
    for label, value in zip(distinct, values, strict=True):
        if not isinstance(value, int) or abs(value) > _LARGEST:
            row = int(is_label(y, label).argmax())
            count = int(np.count_nonzero(is_label(y, label)))
            msg = (
                f"`labels` must be integers in 0..{k - 1} where the columns have no names; "
                f"{row_name(row)} holds {shown(label)} ({such_rows(count)})."
                f"{label_advice(distinct, classes=None, k=k)}"
            )
            raise InvalidInputError(msg)
    whole = np.array(values, dtype=np.int64)[inverse] if distinct else np.zeros(0, dtype=np.int64)
    return _in_range(whole, k=k)


# Rows whose label says that they have none: left out of all that there is per row.


def labelled_rows(
    labels: ArrayLike | Positions, ignore_label: float | str | None, *, may_be_none: bool = False
) -> NDArray[np.bool_] | None:
    """Return which rows have another label than `ignore_label`, (n,); None where all have.

    `may_be_none`: no row need have one, as in one block of many.
    """
    if ignore_label is None:
        return None
    if isinstance(labels, Positions):
        array = labels.values
    else:
        array = one_column(as_array(labels, name="labels"))
    if array.ndim != 1:
        return None  # refused where labels are checked
    keep = ~is_label(array, ignore_label)
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


def counting_rows(
    labels: NDArray[Any],
    ignore_label: int | str | None,
    weights: NDArray[Any] | None = None,
    *,
    as_spelled: bool | None = None,
) -> NDArray[np.bool_] | None:
    """Return which rows have a label that counts, and no weight of 0; None where all do.

    Weights that are all 0, or are not numbers, are left for others to complain of. `as_spelled` is
    that of `is_label`.
    """
    if labels.ndim != 1:
        return None
    keep = np.ones(len(labels), dtype=bool)
    if ignore_label is not None:
        keep &= ~is_label(labels, ignore_label, as_spelled=as_spelled)
    if weights is not None and weights.shape == keep.shape and weights.dtype.kind in "iuf":
        keep &= (weights != 0) | ~weights.any()
    return None if keep.all() else keep
