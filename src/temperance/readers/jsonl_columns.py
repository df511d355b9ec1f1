"""Columns of JSON Lines, filled record by record: scores, labels and weights."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.errors import FileFormatError
from temperance.readers.guard import named, quoted
from temperance.readers.padding import padded_rows, padded_texts
from temperance.readers.request import Request, choose

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from temperance.readers.dataset import Kind

__all__ = ["IdsBesideLabels", "Labels", "Scores", "Weights"]

_NUMBERS = frozenset({int, float})
_SMALLEST = -(2**63)
_LARGEST_SIGNED = 2**63 - 1
_LARGEST = 2**64 - 1
_OF_LANGUAGE_MODELS = frozenset({"answers", "choices", "filtered_resps"})


class Scores:
    """The lists (or single numbers) under the one key of scores that all records have."""

    def __init__(self, request: Request) -> None:
        self.kind: Kind = "logits"
        self._request = request
        self._names: dict[Kind, str] = request.score_keys()
        self._key: str | None = None
        self._rivals: frozenset[str] = frozenset()
        self._listed = False
        self._even = request.layout == "labels"
        self._flat = array("d")
        self._lengths = array("q")

    def add(self, record: Mapping[str, Any]) -> None:
        """Append the scores of one record."""
        if self._key is None:
            self._choose(record)
        key = self._key or ""
        if key not in record or not self._rivals.isdisjoint(record):
            raise self._mixed(key, record)
        scores = record[key]
        listed = isinstance(scores, list)
        if listed != self._listed:
            msg = f"`{key}` is a list in some lines and a single number in others; use lists."
            raise FileFormatError(msg)
        row = scores if listed else [scores]
        _check_numbers(key, row)
        try:
            self._flat.extend(row)
        except OverflowError as error:
            msg = f"`{key}` has a number too large for a float."
            raise FileFormatError(msg) from error
        if self._even and self._lengths and len(row) != self._lengths[0]:
            msg = (
                f"`{key}` must have one length in all lines where there are several labels, "
                f"{self._lengths[0]} before; here {len(row)}."
            )
            raise FileFormatError(msg)
        self._lengths.append(len(row))

    @property
    def width(self) -> int:
        """Number of scores of the last record."""
        return self._lengths[-1]

    def array(self) -> tuple[NDArray[np.float64], bool]:
        """Scores as one array, and whether the rows were of different lengths."""
        flat = np.frombuffer(self._flat, dtype=np.float64)
        if not self._listed:
            return flat, False
        return padded_rows(flat, np.frombuffer(self._lengths, dtype=np.int64), self.kind)

    def _choose(self, record: Mapping[str, Any]) -> None:
        """Let the first record decide about key and form."""
        present = [kind for kind, name in self._names.items() if name in record]
        if not present:
            missing = _missing("` or `".join(self._names.values()), record)
            if _OF_LANGUAGE_MODELS.isdisjoint(record):
                raise missing
            msg = f"{missing} Files of language models are read with --format (format= in Python)."
            raise FileFormatError(msg)
        taken, self.kind = choose(present, self._request.kind)
        self._key = self._names[taken]
        self._listed = isinstance(record[self._key], list)
        if self._request.kind is None:
            self._rivals = frozenset(self._names.values()) - {self._key}

    def _mixed(self, key: str, record: Mapping[str, Any]) -> FileFormatError:
        rivals = (set(self._names.values()) - {key}).intersection(record)
        if not rivals:
            return _missing(key, record)
        return FileFormatError(
            f"has `{rivals.pop()}` where the lines before have `{key}`; logits and probabilities "
            "must not be mixed, and --kind picks one that every line has."
        )


class Labels:
    """Integers (whole floats count) or texts under one key that all records have, or none has.

    With `booleans`, true and false too.
    """

    def __init__(self, key: str, *, required: bool, booleans: bool = False) -> None:
        self._column = _Column(key, required=required)
        self._key = key
        self._booleans = booleans
        self._type: type | None = None

    def add(self, record: Mapping[str, Any]) -> None:
        """Append the label of one record."""
        value = self._column.add(record)
        if value is None:
            return
        kind: type = str if isinstance(value, str) else int
        if self._booleans and isinstance(value, bool):
            kind = bool
        if kind is int and not _is_whole(value):
            msg = f"`{self._key}` must be an integer or a text, got {quoted(value)}."
            raise FileFormatError(msg)
        if self._type is None:
            self._type = kind
        if kind is not self._type:
            msg = (
                f"`{self._key}` must be a number in every line or a text in every line"
                f"{', or true or false' if self._booleans else ''}, not both."
            )
            raise FileFormatError(msg)

    def array(self) -> NDArray[Any] | None:
        """Labels as one array; None if no record has one."""
        values = self._column.values
        if not values:
            return None
        if self._type is str:
            return padded_texts(self._key, values)
        if self._type is bool:
            return np.array(values, dtype=np.bool_)
        return np.array(values, dtype=np.uint64 if max(values) > _LARGEST_SIGNED else None)


class IdsBesideLabels:
    """Ids of records that hold labels and no scores: under the name that the first record has."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._ids: Labels | None = None
        self._started = False

    def add(self, record: Mapping[str, Any]) -> None:
        """Append the id of one record."""
        if not self._started:
            self._started = True
            key = self._request.id_name(record)
            self._ids = None if key is None else Labels(key, required=True)
        if self._ids is not None:
            self._ids.add(record)

    def array(self) -> NDArray[Any] | None:
        """Ids as one array; None if the records have none."""
        return None if self._ids is None else self._ids.array()


class Weights:
    """Numbers under one key that all records have, or none has."""

    def __init__(self, key: str, *, required: bool) -> None:
        self._column = _Column(key, required=required)
        self._key = key

    def add(self, record: Mapping[str, Any]) -> None:
        """Append the weight of one record."""
        value = self._column.add(record)
        if value is not None:
            _check_numbers(self._key, [value])

    def array(self) -> NDArray[np.float64] | None:
        """Weights as one array; None if no record has one."""
        values = self._column.values
        return np.array(values, dtype=np.float64) if values else None


class _Column:
    """Values under a key that is in all records or in none; null counts as not there."""

    def __init__(self, key: str, *, required: bool) -> None:
        self.values: list[Any] = []
        self._key = key
        self._required = required
        self._lacking = False

    def add(self, record: Mapping[str, Any]) -> Any:  # noqa: ANN401 - what JSON holds
        """Append and return the value of one record, None if it has none."""
        value = record.get(self._key)
        if value is None:
            if self._required:
                raise _missing(self._key, record)
            if self.values:
                msg = f"has no `{self._key}`, which the lines before have; all need one, or none."
                raise FileFormatError(msg)
            self._lacking = True
        elif self._lacking:
            msg = f"has a `{self._key}`, which the lines before lack; all need one, or none."
            raise FileFormatError(msg)
        else:
            self.values.append(value)
        return value


def _check_numbers(key: str, row: list[Any]) -> None:
    if not row:
        msg = f"`{key}` must not be an empty list."
        raise FileFormatError(msg)
    if not _NUMBERS.issuperset(map(type, row)):
        bad = next(value for value in row if type(value) not in _NUMBERS)
        msg = f"`{key}` must hold numbers, got {quoted(bad)}."
        raise FileFormatError(msg)


def _is_whole(value: object) -> bool:
    """Say whether it is an integer, or a float of that value, of at most 64 bits."""
    if type(value) is float:
        return value.is_integer() and _SMALLEST <= value < _LARGEST
    return type(value) is int and _SMALLEST <= value <= _LARGEST


def _missing(wanted: str, record: Mapping[str, Any]) -> FileFormatError:
    return FileFormatError(f"has no key `{wanted}` (or null there); it holds {named(record)}.")
