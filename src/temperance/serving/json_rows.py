"""Rows as JSON, and their answer: exactly the doubles of `Calibrator.apply`."""

from __future__ import annotations

import json
from itertools import chain
from math import inf
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from temperance.checks.arguments import value_text
from temperance.checks.arrays import row_name
from temperance.errors import FileFormatError, InvalidInputError
from temperance.readers.guard import name_list
from temperance.readers.json_object import parse_json
from temperance.readers.request import padded_rows
from temperance.serving.served import RequestRows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from temperance.readers.dataset import Kind
    from temperance.serving.limits import Limits
    from temperance.serving.served import Answered, Reply, Served

__all__ = ["RowArrays", "answer_rows", "as_json", "in_blocks", "parsed", "rows_of", "score_key"]

_SCORES = ("logits", "probs", "scores")
_KEYS = (*_SCORES, "groups", "clusters", "refuse_probs")
_BLOCK = 1 << 12  # rows that become text at a time: a thread holds the interpreter meanwhile


def parsed(body: bytes) -> dict[str, Any]:
    """Return the object of a body, or raise FileFormatError."""
    try:
        content = parse_json(body)
    except FileFormatError:
        raise
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, nested without end
        msg = f"the body must be JSON: {' '.join(str(error).split())}."
        raise FileFormatError(msg) from error
    if not isinstance(content, dict):
        msg = 'the body must be an object, as {"logits": [[2.0, 0.5, 0.1]]}.'
        raise FileFormatError(msg)
    return content


_ENCODE = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


def as_json(content: Any) -> bytes:  # noqa: ANN401  (what JSON holds)
    """Return JSON in the fewest bytes; each float as the shortest text that reads back as it."""
    return _ENCODE(content).encode()


def answer_rows(content: dict[str, Any], served: Served, limits: Limits) -> Reply:
    """Return the answer to `{"logits": [[...], ...]}`.

    Parameters
    ----------
    content : dict
        `logits`, `probs` or, of a calibrator of answers, `scores`: rows of numbers, of different
        lengths where the calibrator takes any number of options; null is an option that does not
        exist. Of an ensemble a list of such rows per model. `groups`, a name per row; `clusters`
        likewise, of a policy of composite answers: which rows are parts of one. Rows that look like
        probabilities are logits where `refuse_probs` is false.
    served : Served
        The map.
    limits : Limits
        How many rows are taken.

    Returns
    -------
    Reply
        JSON with `probs`, rows as long as those sent; `accepted` of a policy, and `bands` of one
        that has some ("accept", "review", "reject"); `calibrator` and
        `policy`, what was applied; `warnings` where there are any.

    Raises
    ------
    InvalidInputError
        What is no rows of numbers, with the first bad row, or what the calibrator refuses.
    RefusalError
        Too many rows.
    """
    key = score_key(content)
    if served.calibrator.traits.members:
        rows = _members(content[key], key, limits)
    else:
        rows = rows_of(content[key], key, limits)
        rows.check_widths(served.calibrator.n_classes)
    groups = _names(content.get("groups"), rows.n, "groups")
    clusters = _names(content.get("clusters"), rows.n, "clusters")
    refuse_probs = content.get("refuse_probs", True)
    if not isinstance(refuse_probs, bool):
        msg = f"`refuse_probs` must be true or false, got {value_text(refuse_probs)}."
        raise InvalidInputError(msg)
    request = RequestRows(key, rows.values, groups, rows.mask, refuse_probs, clusters)
    answered = served.answer(request)
    return answered.reply(_rendered(answered, rows, served, groups))


def score_key(content: dict[str, Any]) -> Literal["logits", "probs", "scores"]:
    """Return the key that holds the rows of a body, and refuse keys that no one reads."""
    keys: list[Any] = [key for key in _SCORES if key in content]
    if len(keys) != 1:
        what = f"has {' and '.join(f'`{key}`' for key in keys)}" if keys else "has neither"
        msg = (
            "the body must hold `logits` or `probs`, one of them; "
            f"it {what} ({name_list(content)})."
        )
        raise InvalidInputError(msg)
    unknown = [key for key in content if key not in _KEYS]
    if unknown:
        msg = (
            f"the body holds {name_list(unknown)}, which no one reads: "
            f"{name_list(_KEYS)} are known."
        )
        raise InvalidInputError(msg)
    key: Literal["logits", "probs", "scores"] = keys[0]
    return key


class RowArrays(NamedTuple):
    """Rows as arrays, and how long each was."""

    values: Any
    n: int
    mask: Any = None  # (n, k), where there are options that do not exist; of an ensemble a tuple
    lengths: NDArray[np.int64] | None = None  # where they differ

    def check_widths(self, n_classes: int | None) -> None:
        """Raise if rows of different lengths are given where each class has its place."""
        if self.lengths is None or n_classes is None:
            return
        row = int((self.lengths != n_classes).argmax())
        msg = (
            f"rows must have the {n_classes} options that the calibrator was fitted on, null for "
            f"one that does not exist; {row_name(row)} has {self.lengths[row]}."
        )
        raise InvalidInputError(msg)


def _members(value: Any, key: str, limits: Limits) -> RowArrays:  # noqa: ANN401  (what JSON holds)
    """Return the rows of each model of an ensemble."""
    if not isinstance(value, list) or not value:
        msg = f"`{key}` must be a list of rows per model of the ensemble, got {value_text(value)}."
        raise InvalidInputError(msg)
    members = []
    for number, rows in enumerate(value):
        member = rows_of(rows, f"{key}[{number}]", limits)
        if member.lengths is not None:
            msg = f"`{key}[{number}]` must have rows of one length."
            raise InvalidInputError(msg)
        members.append(member)
    masks = tuple(member.mask for member in members)
    return RowArrays(tuple(member.values for member in members), members[0].n, masks)


def rows_of(value: Any, key: str, limits: Limits) -> RowArrays:  # noqa: ANN401  (what JSON holds)
    """Return a list of rows, or of numbers, as an array."""
    if not isinstance(value, list) or not value:
        msg = f"`{key}` must be a list of one row or more, got {value_text(value)}."
        raise InvalidInputError(msg)
    limits.check_rows(len(value))
    types = set(map(type, value))
    if list not in types:
        return RowArrays(_numbers(value, key, None), len(value))
    if types != {list}:
        row = next(row for row, each in enumerate(value) if type(each) is not list)
        msg = f"`{key}` must be rows of numbers; {row_name(row)} is {value_text(value[row])}."
        raise InvalidInputError(msg)
    lengths = np.array([len(row) for row in value], dtype=np.int64)
    if not lengths.all():
        row = int(lengths.argmin())
        msg = f"`{key}` must have an option or more per row; {row_name(row)} has none."
        raise InvalidInputError(msg)
    items = list(chain.from_iterable(value))
    flat = _numbers(items, key, lengths)
    kind: Kind = "probs" if key.startswith("probs") else "logits"
    missing = np.isnan(flat)
    flat[missing] = 0.0 if kind == "probs" else -inf
    limits.check_options(len(lengths), int(lengths.max()))
    values, ragged = padded_rows(flat, lengths, kind)
    mask = None
    if ragged or missing.any():
        mask = np.ones(values.shape, dtype=bool)
        mask[np.arange(values.shape[1]) < lengths[:, np.newaxis]] = missing
    return RowArrays(values, len(value), mask, lengths if ragged else None)


def _numbers(flat: list[Any], key: str, lengths: NDArray[np.int64] | None) -> NDArray[np.float64]:
    """Return numbers as doubles, null as nan; anything else is refused with its row.

    `lengths` are those of the rows; None of a list without rows, which has no null.
    """
    types = set(map(type, flat))
    try:
        if types <= {float, int}:
            values = np.array(flat, dtype=np.float64)
            if np.isfinite(values).all():
                return values
        elif lengths is not None and types <= {float, int, type(None)}:
            values = np.array(flat, dtype=np.float64)
            infinite = np.flatnonzero(~np.isfinite(values))
            if all(flat[place] is None for place in infinite):
                return values
    except OverflowError:  # an integer beyond every double
        pass
    place = next(place for place, each in enumerate(flat) if not _is_number(each, lengths))
    rule = "finite numbers" if lengths is None else "finite numbers, or null for no such option"
    where = row_name(place)
    if lengths is not None:
        row = int(np.searchsorted(np.cumsum(lengths), place, side="right"))
        where = f"{row_name(row)}, option {place - int(lengths[:row].sum())}"
    msg = f"`{key}` must hold {rule}; {where} is {value_text(flat[place])}."
    raise InvalidInputError(msg)


def _is_number(value: Any, lengths: NDArray[np.int64] | None) -> bool:  # noqa: ANN401
    """Whether a value is a finite number, or null inside a row."""
    if value is None:
        return lengths is not None
    if type(value) not in (int, float):
        return False
    try:
        return abs(float(value)) < inf
    except OverflowError:
        return False


def _names(
    names: Any,  # noqa: ANN401  (what JSON holds)
    n: int,
    key: str,
) -> NDArray[np.object_] | None:
    if names is None:
        return None
    if not isinstance(names, list) or len(names) != n:
        what = f"{len(names)}" if isinstance(names, list) else value_text(names)
        msg = f"`{key}` must be a list of {n} names, one per row, got {what}."
        raise InvalidInputError(msg)
    for row, each in enumerate(names):
        if each is not None and not isinstance(each, str):
            msg = f"`{key}` must be names, or null; {row_name(row)} has {value_text(each)}."
            raise InvalidInputError(msg)
    return np.array(names, dtype=object)


def _rendered(
    answered: Answered, rows: RowArrays, served: Served, groups: NDArray[np.object_] | None
) -> bytes:
    """Return the answer as JSON, its rows as long as those that were sent."""
    parts = [b'{"probs":[', b",".join(in_blocks(answered.probs, rows.lengths)), b"]"]
    if answered.accepted is not None:
        parts.append(b',"accepted":' + as_json(answered.accepted.tolist()))
    if answered.bands is not None and served.has_bands:
        parts.append(b',"bands":' + as_json(answered.bands.tolist()))
    if warnings := served.warnings(groups):
        parts.append(b',"warnings":' + as_json(list(warnings)))
    return b"".join((*parts, b",", served.description_json))


def in_blocks(probs: NDArray[Any], lengths: NDArray[np.int64] | None) -> Iterator[bytes]:
    """Yield rows as JSON without the outer brackets, as long as those that were sent."""
    for start in range(0, len(probs), _BLOCK):
        rows = probs[start : start + _BLOCK].tolist()
        if lengths is not None:
            of_block = lengths[start : start + _BLOCK]
            rows = [row[:length] for row, length in zip(rows, of_block, strict=True)]
        yield as_json(rows)[1:-1]
