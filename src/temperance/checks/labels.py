"""True classes: names where the columns have names, positions 0..k-1 where they have none.

The one rule, for every format, dtype and command:

* Where the classes are named, labels are names. A label that is no name letter by letter is
  compared by value: numbers and booleans with names that spell them (1, 1.0, True and "1.0" are the
  class "1", or "01", or "True"), if only one name does.
* Where they are not named, labels are positions: whole numbers 0..k-1, also as text; False and True
  are 0 and 1 where there are two classes.
* Positions that are known to be such are `Positions`, a type of their own that is never looked up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, Self
from unicodedata import combining, normalize

import numpy as np

from temperance.checks.arrays import as_array, one_column, row_name
from temperance.errors import InvalidInputError
from temperance.numerics import row_blocks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "LabelMap",
    "Positions",
    "as_classes",
    "as_labels",
    "class_names",
    "class_place",
    "is_label",
    "refuse_masked_labels",
]

_SHOWN = 5  # names quoted in a message
_VOID = {-100: "PyTorch's ignore index", 255: "often void", -1: "often unknown"}
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_FLOAT = re.compile(r"[+-]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][+-]?[0-9]{1,3})?")
_WORDS = {"false": 0, "true": 1}


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
        elif not (isinstance(values, np.ndarray) and values.dtype == np.intp):
            given = as_array(values, name="labels")
            values = _whole(given) if given.dtype.kind == "f" else given
            if values.size and values.dtype.kind not in "iu":
                msg = f"`Positions` must hold whole numbers, got dtype {given.dtype}."
                raise InvalidInputError(msg)
            values = values.astype(np.intp)
        if values.ndim != 1:
            msg = f"`Positions` must have shape (n,), one per row, got {values.shape}."
            raise InvalidInputError(msg)
        object.__setattr__(self, "values", values)

    def __len__(self) -> int:
        return len(self.values)

    def taken(self, rows: NDArray[Any]) -> Self:
        """Return the labels of some rows, by a mask or by their places."""
        return type(self)(self.values[rows])


def class_names(classes: Sequence[object]) -> tuple[str, ...]:
    """Return the names of classes as text, or say that these are none."""
    if isinstance(classes, str | bytes) or not isinstance(classes, Iterable):
        msg = f"`classes` must be a sequence of names, one per column, got {classes!r}."
        raise InvalidInputError(msg)
    given = list(classes)
    if any(name is None or name != name for name in given):  # noqa: PLR0124  (nan)
        msg = "`classes` must name every column; None and nan are no names."
        raise InvalidInputError(msg)
    numbers = [each for each in given if not isinstance(each, str | bytes)]
    values = [value for each in numbers if (value := _value(each)) is not None]
    if len(set(values)) < len(values):
        twice = next(value for value in values if values.count(value) > 1)
        msg = f"`classes` must differ from each other; {twice} stands there twice."
        raise InvalidInputError(msg)
    return tuple(_text(name) for name in given)


def as_classes(classes: Sequence[object] | None, *, k: int) -> tuple[str, ...] | None:
    """Return the names of the `k` classes in column order, as text; None stays None."""
    if classes is None:
        return None
    names = class_names(classes)
    if len(names) != k:
        msg = f"`classes` must name each of the {k} columns, got {len(names)} names."
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


def is_label(labels: NDArray[Any], label: object) -> NDArray[np.bool_]:
    """Return which labels of any shape are this one, as the same text or the same value."""
    if not isinstance(label, str | bytes | int | float | np.generic):
        msg = f"`ignore_label` must be one label, a number or a text, got {label!r}."
        raise InvalidInputError(msg)
    distinct, inverse = _distinct(labels)
    text, value = _text(label), _value(label)
    if any(_text(each) == text for each in distinct):
        value = None  # letter by letter comes first: 01 is not 1 where both are there
    same = [
        _text(each) == text or (value is not None and _value(each) == value) for each in distinct
    ]
    return np.array(same, dtype=bool)[inverse].reshape(labels.shape)


@dataclass(frozen=True, slots=True)
class LabelMap:
    """What the labels of a file mean: other words for the classes, or positions of the columns.

    Parameters
    ----------
    pairs : tuple of (str, str)
        A label and the class it means, by name where columns have names, else by its position.
        Labels that are in no pair stay as they are.
    first : int, optional
        Labels are positions counted from this number, 0 or 1. Not together with `pairs`.

    Raises
    ------
    InvalidInputError
        A label is mapped twice, or `pairs` and `first` are given, or neither.

    Examples
    --------
    >>> LabelMap.parse("no=0,yes=1").applied(np.array(["yes", "no"]), None)
    array(['1', '0'], dtype='<U1')
    >>> LabelMap.parse("one-based").applied(np.array([2, 1]), ("cat", "dog"))
    array(['dog', 'cat'], dtype='<U3')
    """

    pairs: tuple[tuple[str, str], ...] = ()
    first: int | None = None

    def __post_init__(self) -> None:
        if bool(self.pairs) == (self.first is not None) or self.first not in (None, 0, 1):
            raise InvalidInputError(_MAP_RULE)
        known: dict[object, str] = {}
        for label, target in self.pairs:
            value = _value(label)
            if known.setdefault(label if value is None else value, target) != target:
                msg = f"`label_map` must map a label once; {label!r} stands there twice."
                raise InvalidInputError(msg)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return what a command line says: `no=0,yes=1`, `positions` or `one-based`."""
        if text in _FIRST:
            return cls(first=_FIRST[text])
        pairs = [part.rpartition("=") for part in text.split(",")]
        if not all(middle and label.strip() and target.strip() for label, middle, target in pairs):
            msg = f"{_MAP_RULE[:-1]}, got {text!r}."
            raise InvalidInputError(msg)
        return cls(tuple((label.strip(), target.strip()) for label, _, target in pairs))

    @classmethod
    def of(cls, given: Mapping[Any, Any] | str | LabelMap) -> LabelMap:
        """Return the map that a caller of `read` means: a mapping, or the text of `parse`."""
        if isinstance(given, LabelMap):
            return given
        if isinstance(given, str):
            return cls.parse(given)
        return cls(tuple((_text(label), _text(target)) for label, target in given.items()))

    def applied(self, labels: NDArray[Any], classes: tuple[str, ...] | None) -> NDArray[Any]:
        """Return the labels of a file, of any shape, as they are meant."""
        distinct, inverse = _distinct(labels)
        if self.first is not None:
            return self._counted(labels, distinct, inverse, classes)
        exact = {name: name for name in classes or ()} | dict(self.pairs)
        by_value = {v: target for label, target in self.pairs if (v := _value(label)) is not None}
        meant = [
            exact.get(_text(each), by_value.get(_value(each), _text(each)))  # type: ignore[arg-type]
            for each in distinct
        ]
        return np.array(meant, dtype=np.str_)[inverse].reshape(labels.shape)

    def _counted(
        self,
        labels: NDArray[Any],
        distinct: list[Any],
        inverse: NDArray[np.intp],
        classes: tuple[str, ...] | None,
    ) -> NDArray[Any]:
        last = "the last" if classes is None else len(classes) - 1 + (self.first or 0)
        places: list[int] = []
        for label in distinct:
            value = _value(label)
            place = -1 if not isinstance(value, int) else value - (self.first or 0)
            if place < 0 or (classes is not None and place >= len(classes)):
                row = int(is_label(labels.ravel(), label).argmax())
                msg = (
                    f"`label_map` says that labels are positions {self.first} to {last}, but "
                    f"{row_name(row)} holds {_text(label)!r}."
                )
                raise InvalidInputError(msg)
            places.append(place)
        meant: NDArray[Any] = np.array(places, dtype=np.int64)
        if classes is not None:
            meant = np.array(classes, dtype=np.str_)[meant] if places else np.array([], np.str_)
        return np.asarray(meant[inverse]).reshape(labels.shape)


_FIRST = {"positions": 0, "one-based": 1}
_MAP_RULE = (
    "`label_map` (--label-map) must say what labels mean: as no=0,yes=1 (a class by name, where "
    'columns have no names by position), or "positions" (labels count the columns from 0), or '
    '"one-based" (from 1).'
)


def refuse_masked_labels(
    logits: NDArray[Any],
    labels: NDArray[np.intp],
    *,
    first: int = 0,
    classes: tuple[str, ...] | None = None,
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
                f"{label} has logit -inf (probability 0) ({count} such rows), where no "
                f"temperature has a finite loss.{_for_zeros(logits)}"
            )
            raise InvalidInputError(msg)


def _for_zeros(logits: NDArray[Any]) -> str:
    """Say what to do about a label of probability 0: not to leave out the model's worst errors."""
    if (np.isneginf(logits).sum(axis=1) == logits.shape[1] - 1).all():
        return (
            " Every probability is 0 or 1: these are decisions, not probabilities, and no map "
            "makes probabilities of them but how often they are right."
        )
    return (
        " Rounded to 0? Give the logits, or more digits, or say what a 0 is at least: "
        "logits_from_probs(probs, floor=1e-6), on the command line --floor 1e-6. Leaving such "
        "rows out would leave out the model's worst errors."
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
            f"`labels` must be whole numbers; {row_name(row)} holds {y[row]:g} "
            f"({np.count_nonzero(bad)} such rows)."
        )
        raise InvalidInputError(msg)
    return y.astype(np.intp)


def _in_range(y: NDArray[Any], *, k: int) -> NDArray[np.intp]:
    bad = (y < 0) | (y >= k) if y.dtype.kind != "b" else np.zeros(len(y), dtype=bool)
    if bad.any():
        row = int(bad.argmax())
        msg = (
            f"`labels` must be integers in 0..{k - 1}; {row_name(row)} holds {y[row]} "
            f"({np.count_nonzero(bad)} such rows).{_out_of_range(y, bad, k)}"
        )
        raise InvalidInputError(msg)
    return y.astype(np.intp)


def _out_of_range(y: NDArray[Any], bad: NDArray[np.bool_], k: int) -> str:
    """Say what labels that are no positions may be, and what to do about each."""
    there = [int(each) for each in np.unique(y)]
    if k == 2 and len(there) == 2:
        low, high = there
        either = "" if low < 0 else f" (or {low}=1,{high}=0)"
        return (
            f" Two codes for two classes? Say which is class 1: --label-map {low}=0,{high}=1"
            f"{either}, in Python labels == {high}."
        )
    if there[0] == 1 and there[-1] == k:
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


def _booleans(k: int) -> InvalidInputError:
    msg = (
        f"`labels` must be integers in 0..{k - 1}, got True and False for {k} classes. Whether a "
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
    exact = {name.strip(): number for number, name in enumerate(classes)}
    if len(exact) < len(classes):
        exact = {}  # some differ by the blanks around them alone
    exact |= {name: number for number, name in enumerate(classes)}
    by_value: dict[float, list[int]] = {}
    for number, name in enumerate(classes):
        if (value := _value(name)) is not None:
            by_value.setdefault(value, []).append(number)
    if y.dtype.kind == "f" and (unknown := np.isnan(y)).any():
        msg = (
            f"`labels` must be known; {row_name(int(unknown.argmax()))} holds nan "
            f"({np.count_nonzero(unknown)} such rows). Leave such rows out: "
            "`ignore_label=float('nan')` (--ignore-label nan)."
        )
        raise InvalidInputError(msg)
    distinct, inverse = _distinct(y)
    places = np.array([_place(each, exact, by_value) for each in distinct], dtype=np.intp)
    rows = places[inverse] if len(distinct) else np.zeros(0, dtype=np.intp)
    if (rows < 0).any():
        row = int((rows < 0).argmax())
        raise _no_class(y, row, int(np.count_nonzero(rows < 0)), distinct, classes, by_value)
    return rows


def class_place(name: object, classes: tuple[str, ...] | None) -> int:
    """Return the position of a class that an argument names, as labels name it; -1 of no class.

    Where no class is called by a number, a whole number is a position.
    """
    value = _value(name)
    position = value if isinstance(value, int) else -1
    if classes is None:
        return -1 if isinstance(name, str) else position
    by_value: dict[float, list[int]] = {}
    for number, each in enumerate(classes):
        if (known := _value(each)) is not None:
            by_value.setdefault(known, []).append(number)
    found = _place(name, {each: number for number, each in enumerate(classes)}, by_value)
    return position if found < 0 and not by_value and not isinstance(name, str) else found


def _place(label: object, exact: Mapping[str, int], by_value: Mapping[float, list[int]]) -> int:
    """Return the class of a label, or -1."""
    text = _text(label)
    for spelled in (text, text.strip()):
        if spelled in exact:
            return exact[spelled]
    value = _value(label)
    named = [] if value is None else by_value.get(value, [])
    return named[0] if len(named) == 1 else -1


def _no_class(
    y: NDArray[Any],
    row: int,
    count: int,
    distinct: Sequence[object],
    classes: tuple[str, ...],
    by_value: Mapping[float, list[int]],
) -> InvalidInputError:
    """Say which label is no class, with both lists and the way out."""
    label = y[row]
    value = _value(label)
    named = [] if value is None else by_value.get(value, [])
    several = "" if len(named) < 2 else f", which {_listed([classes[i] for i in named])} both spell"
    msg = (
        f"`labels` must be among the classes ({_listed(classes)}), which have names; "
        f"{row_name(row)} holds {_shown(label)}{several} ({count} such rows; labels there are: "
        f"{_listed(list(map(_text, distinct)))}).{_way_to_class(label, distinct, classes)}"
    )
    return InvalidInputError(msg)


def _way_to_class(label: object, distinct: Sequence[object], classes: tuple[str, ...]) -> str:
    values, k = [_value(each) for each in distinct], len(classes)
    if all(isinstance(each, int) for each in values):
        numbers = sorted(each for each in values if isinstance(each, int))
        for first, word, python in ((0, "positions", "labels"), (1, "one-based", "labels - 1")):
            if numbers[0] >= first and numbers[-1] < k + first:
                return (
                    f" Are they positions of the columns, counted from {first}? Say --label-map "
                    f"{word}, in Python Positions({python})."
                )
    text = _text(label)
    folded = {_folded(name): name for name in classes}
    there = {_text(each) for each in distinct}
    slips = [name for name in classes if name not in there and _is_slip(text, name)]
    near = folded.get(_folded(text)) or (slips[0] if len(slips) == 1 else None)
    if near is not None:
        return f" Is {text!r} the class {near!r}? Then say --label-map {_quoted(text)}={near}."
    return (
        f" No class at all? Leave such rows out: `ignore_label={text!r}` (--ignore-label "
        f"{_quoted(text)}). Another word for one? Say --label-map {_quoted(text)}=NAME."
    )


def _spelled_positions(y: NDArray[Any], *, k: int) -> NDArray[np.intp]:
    """Return labels that are text, or anything else, as positions of columns without names."""
    distinct, inverse = _distinct(y)
    values = [_value(each) for each in distinct]
    if k > 2 and any(_folded(_text(each)) in _WORDS for each in distinct):
        raise _booleans(k)
    for label, value in zip(distinct, values, strict=True):
        if not isinstance(value, int):
            row = int(is_label(y, label).argmax())
            count = int(np.count_nonzero(is_label(y, label)))
            msg = (
                f"`labels` must be integers in 0..{k - 1} where the columns have no names; "
                f"{row_name(row)} holds {_shown(label)} ({count} such rows)."
                f"{_way_to_position(distinct, k)}"
            )
            raise InvalidInputError(msg)
    whole = np.array(values, dtype=np.int64)[inverse] if distinct else np.zeros(0, dtype=np.int64)
    return _in_range(whole, k=k)


def _way_to_position(distinct: Sequence[object], k: int) -> str:
    words = sorted(map(_text, distinct), key=_folded)
    if len(words) == k == 2:
        low, high = map(_quoted, words)
        return (
            f" Two words for two classes? Say which is class 1: --label-map {low}=0,{high}=1 (or "
            f"{low}=1,{high}=0), in Python labels == {words[1]!r}."
        )
    pairs = ",".join(f"{_quoted(word)}={number}" for number, word in enumerate(words[:3]))
    return (
        " Say which word is which column: `classes` in Python; on the command line call the "
        f"columns by their classes, or say --label-map {pairs}{',...' if len(words) > 3 else ''}."
    )


def _distinct(y: NDArray[Any]) -> tuple[list[Any], NDArray[np.intp]]:
    """Return each label once, in order of appearance, and where each row's is among them."""
    if y.dtype.kind in "iubf":
        values, inverse = np.unique(y, return_inverse=True)
        return values.tolist(), inverse.reshape(-1)
    number: dict[Any, int] = {}
    inverse = np.fromiter(
        (number.setdefault((type(each) is bool, each), len(number)) for each in y.ravel().tolist()),
        dtype=np.intp,
        count=y.size,
    )
    return [each for _, each in number], inverse


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _value(label: object) -> int | float | None:
    """Return the number that a label is or spells; None of other text. True is 1, False 0."""
    if isinstance(label, bool | np.bool_ | int | np.integer):
        return int(label)
    if isinstance(label, float | np.floating):
        number: int | float | None = float(label)
    else:
        text = _text(label).strip()
        number = int(text) if _INTEGER.fullmatch(text) else _WORDS.get(text.lower())
        if number is None and _FLOAT.fullmatch(text):
            number = float(text)
    if isinstance(number, float):
        return None if not isfinite(number) else int(number) if number.is_integer() else number
    return number


def _folded(text: str) -> str:
    """Return a name without what people vary: case, accents, spaces, underscores and hyphens."""
    plain = "".join(c for c in normalize("NFKD", text) if not combining(c))
    return re.sub(r"[\s_-]+", "", plain).casefold()


def _is_slip(text: str, name: str) -> bool:
    """Whether a word of six letters and more is another with one letter changed, or two swapped.

    A letter more or less may be another word: valid and invalid, male and female.
    """
    if len(text) != len(name) or len(text) < 6 or any(c.isdigit() for c in text + name):
        return False
    others = [at for at, (one, two) in enumerate(zip(text, name, strict=True)) if one != two]
    if len(others) == 2:
        first, second = others
        return second == first + 1 and text[first] == name[second] and text[second] == name[first]
    return len(others) == 1


def _shown(label: object) -> str:
    is_text = isinstance(label, str | bytes)
    return repr(_text(label)) if is_text else _text(label)


def _quoted(text: str) -> str:
    """Return a word as a shell takes it."""
    return text if re.fullmatch(r"[\w.+-]+", text) else "'" + text.replace("'", "'\\''") + "'"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
