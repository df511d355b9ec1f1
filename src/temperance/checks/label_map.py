"""What the caller says labels of a file mean: other words for classes, or positions."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from temperance.checks.arguments import as_mapping
from temperance.checks.arrays import row_name
from temperance.checks.label_advice import label_advice
from temperance.checks.label_words import (
    distinct_labels,
    label_text,
    label_value,
    listed,
    place_of,
    shown,
)
from temperance.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["LabelMap"]


@dataclass(frozen=True, slots=True)
class LabelMap:
    """What the labels of a file mean: other words for the classes, or positions of the columns.

    Parameters
    ----------
    pairs : tuple of (str, str)
        A label and the class it means, by name where columns have names, else by its position.
        Labels that are classes already need no pair.
    first : int, optional
        Labels are positions counted from this number, 0 or 1. Not together with `pairs`.
    left_out : tuple of str, optional
        Labels, as they are meant, whose rows are left out later, and that may be no class
        (`ignore_label`). If not given, all words on the right of a pair may be such.

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
    left_out: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if bool(self.pairs) == (self.first is not None) or self.first not in (None, 0, 1):
            raise InvalidInputError(_MAP_RULE)
        known: dict[object, str] = {}
        for label, target in self.pairs:
            if known.setdefault(_key(label), target) != target:
                msg = (
                    f"`label_map` (--label-map) must map a label once; {label!r} stands there "
                    "twice."
                )
                raise InvalidInputError(msg)

    @classmethod
    def parse(cls, text: str, *, left_out: tuple[str, ...] | None = None) -> Self:
        """Return what a command line says: `no=0,yes=1`, `positions` or `one-based`.

        A pair with a comma in it stands in quotation marks, as a cell of a table does.
        """
        if text in _FIRST:
            return cls(first=_FIRST[text], left_out=left_out)
        cells = next(csv.reader([text], skipinitialspace=True), [])
        pairs = [cell.rpartition("=") for cell in cells or [""]]
        if not all(middle and label.strip() and target.strip() for label, middle, target in pairs):
            msg = f"{_MAP_RULE[:-1]}, got {text!r}."
            raise InvalidInputError(msg)
        return cls(
            tuple((label.strip(), target.strip()) for label, _, target in pairs), left_out=left_out
        )

    @classmethod
    def of(cls, given: Mapping[Any, Any] | str | LabelMap) -> LabelMap:
        """Return the map that a caller of `read` means: a mapping, or the text of `parse`."""
        if isinstance(given, LabelMap):
            return given
        if isinstance(given, str):
            return cls.parse(given)
        given = as_mapping(given, name="label_map", rule="a mapping of labels to classes, or text")
        return cls(tuple((label_text(label), label_text(to)) for label, to in given.items()))

    def applied(self, labels: NDArray[Any], classes: tuple[str, ...] | None) -> NDArray[Any]:
        """Return the labels of a file, of any shape, as they are meant."""
        distinct, inverse = distinct_labels(labels)
        if self.first is not None:
            return self._counted(labels, distinct, inverse, classes)
        pair_of = self._pairs_of(distinct, classes)
        meant = [
            label_text(each) if pair is None else pair[1]
            for each, pair in zip(distinct, pair_of, strict=True)
        ]
        return np.array(meant, dtype=np.str_)[inverse].reshape(labels.shape)

    def unused(self, words: Iterable[object], classes: tuple[str, ...] | None) -> tuple[str, ...]:
        """Return the labels of the pairs that are none of the words of a file."""
        pair_of = self._pairs_of(list(words), classes)
        used = {_key(pair[0]) for pair in pair_of if pair is not None}
        return tuple(label for label, _ in self.pairs if _key(label) not in used)

    def unclear(
        self, labels: NDArray[Any], classes: tuple[str, ...] | None, k: int | None
    ) -> NDArray[np.bool_]:
        """Return which labels, of any shape, mean no class after this map and are not left out.

        `k` is the number of columns, where it is known.
        """
        distinct, inverse = distinct_labels(labels)
        if self.first is not None:
            return np.zeros(labels.shape, dtype=bool)  # `applied` asks each of them
        place = place_of(classes, k)
        bad = [
            place(each if pair is None else pair[1]) < 0
            and not self._is_left_out(each, None if pair is None else pair[1])
            for each, pair in zip(distinct, self._pairs_of(distinct, classes), strict=True)
        ]
        return np.array(bad, dtype=bool)[inverse].reshape(labels.shape)

    def refusal(
        self,
        labels: NDArray[Any],
        words: Iterable[object],
        classes: tuple[str, ...] | None,
        k: int | None,
    ) -> InvalidInputError:
        """Say which of these labels are unclear, with all words of their file and a whole map."""
        unclear = self.unclear(labels, classes, k).ravel()
        row = int(unclear.argmax())
        label = labels.ravel()[row]
        distinct = list(words)
        (pair,) = self._pairs_of([label], classes)
        what = "is in no pair of the map and no class"
        if pair is not None:
            what = f"it maps to {pair[1]}, no class"
        columns = _columns(classes, k)
        unused = self.unused(distinct, classes)
        extra = f" No row has the label {listed(unused)}, which the map names." if unused else ""
        given = {
            label_text(each): pair[1]
            for each, pair in zip(distinct, self._pairs_of(distinct, classes), strict=True)
            if pair is not None
        }
        left_out = [
            label_text(each)
            for each in distinct
            if label_text(each) not in given and self._is_left_out(each, None)
        ]
        advice = label_advice(distinct, classes=classes, k=k, given=given, left_out=left_out)
        msg = (
            f"`label_map` (--label-map) must say of every label which class it is; "
            f"{row_name(row)} holds {shown(label)}, which {what} "
            f"({int(np.count_nonzero(unclear))} such rows). Labels of the file: "
            f"{listed(list(map(label_text, distinct)))}; {columns}.{extra}{advice}"
        )
        return InvalidInputError(msg)

    def _is_left_out(self, label: object, target: str | None) -> bool:
        """Whether a label, with what it is mapped to if it is, may be no class."""
        if self.left_out is None:
            return target is not None
        return _key(label if target is None else target) in {_key(each) for each in self.left_out}

    def _pairs_of(
        self, distinct: Sequence[object], classes: tuple[str, ...] | None
    ) -> list[tuple[str, str] | None]:
        """Return the pair of each label: letter by letter, else by value; None where none is.

        A label that is the name of a class letter by letter is not looked up by value.
        """
        exact = {pair[0]: pair for pair in self.pairs}
        by_value = {v: pair for pair in self.pairs if (v := label_value(pair[0])) is not None}
        found: list[tuple[str, str] | None] = []
        for each in distinct:
            text, value = label_text(each), label_value(each)
            pair = exact.get(text) or exact.get(text.strip())
            if pair is None and value is not None and text not in (classes or ()):
                pair = by_value.get(value)
            found.append(pair)
        return found

    def _counted(
        self,
        labels: NDArray[Any],
        distinct: list[Any],
        inverse: NDArray[np.intp],
        classes: tuple[str, ...] | None,
    ) -> NDArray[Any]:
        last = "the last" if classes is None else len(classes) - 1 + (self.first or 0)
        place_of_name = place_of(classes, None)
        k = None if classes is None else len(classes)
        meant: list[int | str] = []
        for number, label in enumerate(distinct):
            value = label_value(label)
            place = -1 if not isinstance(value, int) else value - (self.first or 0)
            if place >= 0 and (k is None or place < k):
                meant.append(place if classes is None else classes[place])
            elif self.left_out and self._is_left_out(label, None) and place_of_name(label) < 0:
                as_number = classes is None and isinstance(value, int)
                meant.append(value if as_number and isinstance(value, int) else label_text(label))
            else:
                row = int((inverse == number).argmax())
                msg = (
                    f"`label_map` (--label-map) says that labels are positions {self.first} to "
                    f"{last}, but {row_name(row)} holds {label_text(label)!r}."
                )
                raise InvalidInputError(msg)
        of_numbers = classes is None and all(isinstance(each, int) for each in meant)
        kind = np.int64 if of_numbers else np.str_
        return np.array(meant, dtype=kind)[inverse].reshape(labels.shape)


def _key(label: object) -> object:
    """Return what makes two labels the same: their value, else their text."""
    value = label_value(label)
    return label_text(label).strip() if value is None else value


def _columns(classes: tuple[str, ...] | None, k: int | None) -> str:
    if classes is not None:
        return f"classes: {listed(classes)}"
    return f"the columns have no names, only positions{'' if k is None else f' 0 to {k - 1}'}"


_FIRST = {"positions": 0, "one-based": 1}
_MAP_RULE = (
    "`label_map` (--label-map) must say what labels mean: as no=0,yes=1 (a class by name, where "
    'columns have no names by position), or "positions" (labels count the columns from 0), or '
    '"one-based" (from 1).'
)
