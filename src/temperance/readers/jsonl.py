"""JSON objects, one per line: their columns, their labels, rows of different widths."""

from __future__ import annotations

import json
import re
import shlex
from array import array
from math import isfinite, isinf, nan
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from temperance.errors import FileFormatError
from temperance.readers.dataset import LEAVE_OUT, UNLABELLED
from temperance.readers.guard import name_list, naming, quoted
from temperance.readers.json_object import parse_json
from temperance.readers.request import (
    NONE,
    FileRows,
    Request,
    Role,
    choose,
    near_names,
    number_said,
    option_for,
    padded_rows,
    padded_texts,
    refuse_near_names,
    role_name,
)
from temperance.readers.table import IN_LISTS, UNKNOWN, label_list

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from temperance.readers.dataset import Kind

__all__ = ["json_lines", "read_jsonl"]

# The JSON objects of a file with one per line; every error names the line.


# Only such lines are read number by number, which takes longer.
_MAYBE_HUGE = re.compile(r"[eE]\+?0*[1-9]\d{2}|\d{300}")


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number of each line, counted from 1, and its object; empty lines are skipped."""
    rows, line = 0, 0
    with path.open(encoding="utf-8-sig") as file:
        for line, text in enumerate(file, start=1):
            if text.isspace():
                continue
            with naming(f"line {line}"):
                record = _record(text)
            rows += 1
            yield line, record
    if not rows:
        msg = "has no rows."
        raise FileFormatError(msg)


def _record(text: str) -> dict[str, Any]:
    number = _number if _MAYBE_HUGE.search(text) else None
    try:
        record = parse_json(text, parse_float=number)
    except FileFormatError:
        raise
    except (ValueError, RecursionError) as error:
        reason = str(error)
        if isinstance(error, json.JSONDecodeError):  # whose own line is always 1
            reason = f"{error.msg}, column {error.colno}"
        msg = f"must be a JSON object, but is not JSON ({reason})."
        raise FileFormatError(msg) from error
    if not isinstance(record, dict):
        msg = f"must be a JSON object, got {quoted(text.strip())}."
        raise FileFormatError(msg)
    return record


def _number(text: str) -> float:
    """Return a number that a float can hold: 1e400 is not infinity, which JSON spells out."""
    value = float(text)
    if isinf(value):
        msg = f"holds the number {quoted(text)[1:-1]}, too large for a float."
        raise FileFormatError(msg)
    return value


# Columns of JSON Lines, filled record by record: scores, labels and weights.


_NUMBERS = frozenset({int, float})
_SINGLE = "a single number"
_CLOSE = 0.02  # of a sum to 1, of rounded probabilities
_SMALLEST = -(2**63)
_LARGEST_SIGNED = 2**63 - 1
_LARGEST = 2**64 - 1


_OF_DECISIONS = frozenset({"answers", "type"})  # keys of answers that may be flat


class ScoreColumn:
    """The lists (or single numbers) under the one key of scores that all records have."""

    def __init__(self, request: Request) -> None:
        self.kind: Kind = "logits"
        self.classes: tuple[str, ...] | None = None  # where scores stand by their names
        self._request = request
        self._has_names = request.score_names() != {"logits": None, "probs": None}
        self._names: dict[Kind, str] = request.score_keys()
        self._key: str | None = None
        self._rivals: frozenset[str] = frozenset()
        self._form = ""
        self._even = request.layout == "labels"
        self._flat = array("d")
        self._lengths = array("q")
        self._gaps_before = 0  # records without scores, before the first that has some

    def add(self, record: Mapping[str, Any]) -> None:
        """Append the scores of one record."""
        if self._key is None:
            self._choose(record)
        key = self._key or ""
        if key not in record or not self._rivals.isdisjoint(record):
            raise self._mixed(key, record)
        scores = by_name(record[key])
        if scores is None:
            self._add_gap(key)
            return
        row = self._row(key, scores)
        if self._gaps_before:
            self._flat.extend([nan] * (len(row) * self._gaps_before))
            self._lengths.extend([len(row)] * self._gaps_before)
            self._gaps_before = 0
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

    def _row(self, key: str, scores: Any) -> list[Any]:  # noqa: ANN401 - what JSON holds
        """Return the numbers of one record, or raise."""
        form = _form(scores)
        self._form = self._form or form
        if form != self._form:
            msg = f"`{key}` is {form} in this line and {self._form} before; use lists."
            raise FileFormatError(msg)
        row = self._in_order(key, scores) if isinstance(scores, dict) else scores
        row = row if isinstance(row, list) else [row]
        if self._request.na == "drop":
            row = [nan if each is None else each for each in row]
        if self._request.texts is not None:
            row = [number_said(key, each, self._request.texts) for each in row]
        if None in row:
            msg = f"lacks a value in `{key}` (null). {LEAVE_OUT}"
            raise FileFormatError(msg)
        _check_numbers(key, row)
        return row

    def _add_gap(self, key: str) -> None:
        """Append a record without scores: as many missing ones as a record beside it has."""
        if self._request.na != "drop":
            msg = f"has no value of `{key}` (null). {LEAVE_OUT}"
            raise FileFormatError(msg)
        if not self._lengths:
            self._gaps_before += 1
            return
        self._flat.extend([nan] * self.width)
        self._lengths.append(self.width)

    def _in_order(self, key: str, scores: dict[str, Any]) -> list[Any]:
        """Return scores by name in the order of the first line; all lines have the same names."""
        if self.classes is None:
            self.classes = tuple(scores)
        if scores.keys() != set(self.classes):
            missing = [name for name in self.classes if name not in scores]
            new = [name for name in scores if name not in self.classes]
            parts = [
                f"{verb} {name_list(names)}"
                for verb, names in (("lacks", missing), ("adds", new))
                if names
            ]
            msg = (
                f"`{key}` must have the options of the first line, {name_list(self.classes)}, but "
                f"{' and '.join(parts)}; rows with options of their own: lists, or --format "
                "decisions."
            )
            raise FileFormatError(msg)
        return [scores[name] for name in self.classes]

    def named_by(self, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """Return the names of the columns: of scores by name, or these of a key of their own."""
        if self.classes is None or names is None:
            return self.classes or names
        if set(names) != set(self.classes):
            msg = f"`classes` are {name_list(names)}, but scores are of {name_list(self.classes)}."
            raise FileFormatError(msg)
        return self.classes

    @property
    def width(self) -> int:
        """Number of scores of the last record; 0 where none has had any."""
        return self._lengths[-1] if self._lengths else 0

    def array(self) -> tuple[NDArray[np.float64], bool]:
        """Scores as one array, and whether the rows were of different lengths."""
        if self._gaps_before:
            msg = f"has null under `{self._key}` in every line: no row has scores."
            raise FileFormatError(msg)
        flat = np.frombuffer(self._flat, dtype=np.float64)
        if self._form == _SINGLE:
            return flat, False
        if not self._even and self._lengths and max(self._lengths) == 1:
            msg = (
                f"`{self._key}` are lists of one number; of one output write the number alone (of "
                "class 1), of options two or more."
            )
            raise FileFormatError(msg)
        return padded_rows(flat, np.frombuffer(self._lengths, dtype=np.int64), self.kind)

    def _choose(self, record: Mapping[str, Any]) -> None:
        """Let the first record decide about key and form."""
        if not self._has_names:
            singular = {k: name.removesuffix("s") for k, name in self._names.items()}
            for kind, name in singular.items():
                if name in record and self._names[kind] not in record:
                    self._names[kind] = name
        present = [kind for kind, name in self._names.items() if name in record]
        if not present:
            absence = _no_key("` or `".join(self._names.values()), record)
            msg = f"{absence}{_suggestion(record) or _of_language_models(record)}"
            raise FileFormatError(msg)
        file_kind, self.kind = choose(present, self._request.kind)
        self._key = self._names[file_kind]
        if self._request.kind is None:
            self._rivals = frozenset(self._names.values()) - {self._key}

    def _mixed(self, key: str, record: Mapping[str, Any]) -> FileFormatError:
        rivals = (set(self._names.values()) - {key}).intersection(record)
        if not rivals:
            return _no_key(key, record)
        return FileFormatError(
            f"has `{rivals.pop()}` where the lines before have `{key}`; logits and probabilities "
            "must not be mixed, and --kind picks one that every line has."
        )


class LabelColumn:
    """Finite numbers or texts under one key that all records have, or none has.

    With `booleans`, true and false too.
    """

    def __init__(
        self, role: Role, field: str | None, *, required: bool = False, booleans: bool = False,
        drop: bool = False,
    ) -> None:  # fmt: skip
        self._column = _Column(role, field, required=required, drop=drop)
        self._booleans = booleans
        self._type: type | None = None

    @property
    def _key(self) -> str:
        return self._column.key

    def add(self, record: Mapping[str, Any]) -> None:
        """Append the label of one record."""
        value = self._column.add(record)
        if value is None:
            return
        kind: type = str if isinstance(value, str) else int
        if self._booleans and isinstance(value, bool):
            kind = bool
        if kind is int and not _is_number(value):
            msg = f"`{self._key}` must be a number or a text, got {quoted(value)}."
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
        self._column.require()
        values = self._column.values
        return self._column.spread(self._typed(values)) if values else None

    def _typed(self, values: list[Any]) -> NDArray[Any]:
        if self._type is str:
            return padded_texts(self._key, values)
        if self._type is bool:
            return np.array(values, dtype=np.bool_)
        if not all(map(_is_whole, values)):
            return np.array(values, dtype=np.float64)
        return np.array(values, dtype=np.uint64 if max(values) > _LARGEST_SIGNED else None)


class LabelIds:
    """Ids of records that hold labels and no scores: under the name that the first record has."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._ids: LabelColumn | None = None
        self._started = False

    def add(self, record: Mapping[str, Any]) -> None:
        """Append the id of one record."""
        if not self._started:
            self._started = True
            key = self._request.id_name(record)
            self._ids = None if key is None else LabelColumn("id", key, required=True)
        if self._ids is not None:
            self._ids.add(record)

    def array(self) -> NDArray[Any] | None:
        """Ids as one array; None if the records have none."""
        return None if self._ids is None else self._ids.array()


class Weights:
    """Numbers under one key that all records have, or none has."""

    def __init__(self, role: Role, field: str | None, *, drop: bool = False) -> None:
        self._column = _Column(role, field, required=False, drop=drop)

    def add(self, record: Mapping[str, Any]) -> None:
        """Append the weight of one record."""
        value = self._column.add(record)
        if value is not None:
            _check_numbers(self._column.key, [value])

    def array(self) -> NDArray[np.float64] | None:
        """Weights as one array; None if no record has one."""
        values = self._column.values
        return self._column.spread(np.array(values, dtype=np.float64)) if values else None


class ClassNames:
    """Names of the columns, in a list under `classes` that one record has, or several alike."""

    def __init__(self) -> None:
        self.names: tuple[str, ...] | None = None

    def add(self, record: Mapping[str, Any]) -> None:
        """Look at one record."""
        names = record.get("classes")
        if names is None:
            return
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            msg = f"`classes` must be a list of texts, one per option, got {quoted(names)}."
            raise FileFormatError(msg)
        if self.names not in (None, tuple(names)):
            msg = f"`classes` must be the same in all lines that have them, got {quoted(names)}."
            raise FileFormatError(msg)
        self.names = tuple(names)


class NearNames:
    """Asks about keys of the first record that nearly are those of weights, groups, labels, ..."""

    def __init__(self, request: Request) -> None:
        roles = [role for role in get_args(Role) if role != "label" or request.labels]
        self._role_fields: dict[Role, str | None] = {r: getattr(request.fields, r) for r in roles}
        self._scores = list(request.score_keys().values())
        self._has_looked = request.layout == "labels"

    def add(self, record: Mapping[str, Any]) -> None:
        """Look at the first record."""
        if self._has_looked:
            return
        self._has_looked = True
        keys = _scalars(record)
        matches = {role: _own_name(role, keys) for role in self._role_fields}
        refuse_near_names(keys, matches, self._role_fields, used=self._scores, word="key")


class _Column:
    """Values under a key that is in all records or in none; null counts as not there.

    Where rows that lack a value are left out (`drop`), some records may lack it.
    """

    def __init__(
        self, role: Role, field: str | None, *, required: bool, drop: bool = False
    ) -> None:
        self.values: list[Any] = []
        self._gaps: list[bool] | None = [] if drop else None
        self.key: str = role if field is None else field
        self._role: Role | None = role if field is None else None  # until a record has the key
        self._absent = field == NONE
        self._required = required or (field is not None and not self._absent)
        self._lacking = False
        self._advice = LEAVE_OUT + (UNLABELLED if role == "label" else "")

    def add(self, record: Mapping[str, Any]) -> Any:  # noqa: ANN401 - what JSON holds
        """Append and return the value of one record, None if it has none."""
        if self._absent and self.key not in record:
            return None
        if self._role is not None:
            key = _own_name(self._role, _scalars(record))
            if key is not None:
                self.key, self._role = key, None
        value = record.get(self.key)
        if self._gaps is not None:
            self._gaps.append(value is None)
            if value is not None:
                self.values.append(value)
        elif value is None:
            if self._required:
                missing = self.key in record or self.values
                raise _no_key(self.key, record, f" {LEAVE_OUT}" if missing else "")
            if self.values:
                msg = (
                    f"has no `{self.key}`, which the lines before have; all need one, or none. "
                    f"{self._advice}"
                )
                raise FileFormatError(msg)
            self._lacking = True
        elif self._lacking:
            msg = (
                f"has a `{self.key}`, which the lines before lack; all need one, or none. "
                f"{self._advice}"
            )
            raise FileFormatError(msg)
        else:
            self.values.append(value)
        return value

    def spread(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return an array of the values with the records that lack one, masked, in their places."""
        gaps = np.array(self._gaps or [], dtype=np.bool_)
        if not gaps.any():
            return values
        every = np.zeros(len(gaps), dtype=values.dtype)
        every[~gaps] = values
        return np.ma.MaskedArray(every, gaps)

    def require(self) -> None:
        """Raise if a value is needed and no record has one."""
        if self._required and not self.values:
            msg = f"has no key `{self.key}` (or null there) in any line."
            raise FileFormatError(msg)


def by_name(scores: Any) -> Any:  # noqa: ANN401 - what JSON holds
    """Return scores by name where each stands beside its label, as in pipelines' output."""
    if not isinstance(scores, list) or not scores or not isinstance(scores[0], dict):
        return scores
    pairs = []
    for each in scores:
        if not isinstance(each, dict) or not {"label", "score"} <= each.keys():
            return scores
        pairs.append((str(each["label"]), each["score"]))
    named_scores = dict(pairs)
    if len(named_scores) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        msg = f"has the option {quoted(twice)} more than once."
        raise FileFormatError(msg)
    return named_scores


def _form(scores: object) -> str:
    if isinstance(scores, dict):
        return "an object"
    return "a list" if isinstance(scores, list) else _SINGLE


def _scalars(record: Mapping[str, Any]) -> list[str]:
    """Return the keys of a record that may hold one value of a row."""
    return [
        key
        for key, value in record.items()
        if value is not None and not isinstance(value, list | dict)
    ]


def _own_name(role: Role, keys: list[str]) -> str | None:
    return role_name(role, keys, None, word="key")


def _suggestion(record: Mapping[str, Any]) -> str:
    """Return the options to copy for records whose keys have names of their own."""
    for key, value in record.items():
        scores = by_name(value)
        row = list(scores.values()) if isinstance(scores, dict) else scores
        if not isinstance(row, list) or len(row) < 2 or not _NUMBERS.issuperset(map(type, row)):
            continue
        shares = min(row) >= 0 and abs(sum(row) - 1.0) < _CLOSE
        kind = "probs" if "prob" in key.casefold() or shares else "logits"
        label = ""
        if _own_name("label", _scalars(record)) is None:
            near = near_names("label", _scalars(record))
            label = f" {option_for('label', near[0])}" if near else ""
        return f" Name them: --{kind}-column {shlex.quote(key)}{label}."
    return ""


def _of_language_models(record: Mapping[str, Any]) -> str:
    """Return how files of language models are read, if a record has objects in it as theirs do."""
    values = [each for value in record.values() for each in _as_list(value)]
    nested = any(isinstance(value, dict) for value in values)
    if not nested and _OF_DECISIONS.isdisjoint(record):
        return ""
    return ' Files of language models are read with --format auto (format="auto").'


def _as_list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _check_numbers(key: str, row: list[Any]) -> None:
    if not row:
        msg = f"`{key}` must not be an empty list."
        raise FileFormatError(msg)
    if not _NUMBERS.issuperset(map(type, row)):
        bad = next(value for value in row if type(value) not in _NUMBERS)
        msg = f"`{key}` must hold numbers, got {quoted(bad)}."
        raise FileFormatError(msg)


def _is_number(value: object) -> bool:
    """Say whether it is a whole number of at most 64 bits, or a fraction."""
    fraction = type(value) is float and isfinite(value) and not value.is_integer()
    return fraction or _is_whole(value)


def _is_whole(value: object) -> bool:
    """Say whether it is an integer, or a float of that value, of at most 64 bits."""
    if type(value) is float:
        return value.is_integer() and _SMALLEST <= value < _LARGEST
    return type(value) is int and _SMALLEST <= value <= _LARGEST


def _no_key(key: str, record: Mapping[str, Any], advice: str = "") -> FileFormatError:
    held = name_list([name for name in record if name != key])
    return FileFormatError(f"has no key `{key}` (or null there); it holds {held}.{advice}")


# Label matrices in JSON Lines: a list of 0 and 1 per record, as long as its scores.


class LabelLists:
    """The lists under one key that all records have, or none has; as long as their `scores`."""

    def __init__(self, request: Request, scores: ScoreColumn | None) -> None:
        self._request = request
        self._scores = scores
        self._key: str | None = None
        self._flat = array("d")
        self._width = 0
        self._started = False

    def add(self, record: Mapping[str, Any]) -> None:
        """Append the labels of one record."""
        if not self._started:
            self._started = True
            keys = [key for key, value in record.items() if value is not None]
            self._key = label_list(keys, self._request)
        if self._key is None:
            self._refuse_late(record)
            return
        labels = record.get(self._key)
        if labels is None:
            msg = f"has no key `{self._key}` (or null there); it holds {name_list(record)}."
            raise FileFormatError(msg)
        if not isinstance(labels, list):
            msg = f"`{self._key}` must be a list of 0 and 1, one per label, got {quoted(labels)}."
            raise FileFormatError(msg)
        self._check(self._key, labels)
        self._width = len(labels)
        self._flat.extend(labels)

    def array(self) -> NDArray[Any] | None:
        """Labels as a matrix; None if no record has them."""
        if not self._width:
            return None
        return np.frombuffer(self._flat, dtype=np.float64).reshape(-1, self._width)

    def _check(self, key: str, labels: list[Any]) -> None:
        for place, label in enumerate(labels):
            if not isinstance(label, int | float):
                msg = (
                    f"`{key}` must hold 0 and 1; entry {place} (counted from 0) is "
                    f"{quoted(json.dumps(label))[1:-1]}.{UNKNOWN if label is None else ''}"
                )
                raise FileFormatError(msg)
        of_scores = 0 if self._scores is None else self._scores.width
        expected = of_scores or self._width or len(labels)
        if len(labels) != expected or not labels:
            whose = "the lines before" if self._scores is None else "its scores"
            msg = f"`{key}` must be as long as {whose}, {max(expected, 1)}, but has {len(labels)}."
            raise FileFormatError(msg)

    def _refuse_late(self, record: Mapping[str, Any]) -> None:
        if self._scores is None:
            msg = f"has no key `labels` or `label`; it holds {name_list(record)}."
            raise FileFormatError(msg)
        late = [key for key in IN_LISTS if record.get(key) is not None]
        if late:
            msg = f"has `{late[0]}`, which the lines before lack; all need them, or none."
            raise FileFormatError(msg)


class NoLabelLists:
    """Refuses lists of numbers as labels where each row has one class."""

    def __init__(self, key: str) -> None:
        self._key = key

    def add(self, record: Mapping[str, Any]) -> None:
        """Raise if the record has such a list; a list of texts may be anything."""
        key = self._key if self._key in record else "labels"
        labels = record.get(key)
        if isinstance(labels, list) and not any(isinstance(each, str) for each in labels):
            msg = (
                f"`{key}` is a list, {quoted(labels)}: read several labels per row with "
                "--kind multilabel. If each row has one class, name its key with --label-column."
            )
            raise FileFormatError(msg)


# One JSON object per line; the rows may have different numbers of options.


def read_jsonl(path: Path, request: Request) -> FileRows:
    """Read the records of a JSON Lines file; empty lines are skipped."""
    fields = request.fields
    if not request.scores:
        of_labels = _labels(request, None)
        label_ids = LabelIds(request)
        _fill([*of_labels, label_ids], path)
        return FileRows(labels=of_labels[-1].array(), ids=label_ids.array())
    scores = ScoreColumn(request)
    of_labels = _labels(request, scores)
    drop = request.na == "drop"
    weights = Weights("weight", fields.weight, drop=drop)
    groups = LabelColumn("group", fields.group, drop=drop)
    clusters = LabelColumn("cluster", fields.cluster, drop=drop)
    ids = LabelColumn("id", fields.id, drop=drop)
    classes = ClassNames()
    _fill([scores, classes, NearNames(request), weights, groups, clusters, ids, *of_labels], path)
    values, ragged = scores.array()
    return FileRows(
        kind=scores.kind,
        values=values,
        labels=of_labels[-1].array() if of_labels else None,
        weights=weights.array(),
        groups=groups.array(),
        clusters=clusters.array(),
        ids=ids.array(),
        classes=scores.named_by(classes.names),
        ragged=ragged,
    )


def _labels(request: Request, scores: ScoreColumn | None) -> list[Any]:
    """Return what reads the labels, last, after what refuses others; nothing if not wanted."""
    if not request.labels:
        return []
    if request.layout == "labels":
        return [LabelLists(request, scores)]
    name = request.fields.label
    return [
        NoLabelLists(name or "label"),
        LabelColumn(
            "label", name, required=scores is None, booleans=True, drop=request.na == "drop"
        ),
    ]


def _fill(columns: Sequence[Any], path: Path) -> None:
    """Add every record of the file to every column."""
    for line, record in json_lines(path):
        with naming(f"line {line}"):
            for column in columns:
                column.add(record)
