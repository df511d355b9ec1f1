"""Where two tables of scores meet: columns are matched by name, rows by id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.errors import InvalidInputError
from temperance.printable import count_text, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

__all__ = [
    "column_order",
    "id_texts",
    "in_order",
    "in_trusted_order",
    "put_back",
    "rows_by_id",
    "spelling_of",
    "whole_text",
]

_LONGEST_LIST = 12
_NAMED = 5
_LONGEST_NAME = 60


def column_order(
    names: Sequence[str] | None,
    order: Sequence[str] | None,
    *,
    whose: str,
    what: str = "classes",
) -> NDArray[np.intp] | None:
    """Return where each class of `order` is among `names`: values[:, places] has them in order.

    None where the order is that already, and where either side has no names to compare.

    Raises
    ------
    InvalidInputError
        The names are not those of `order`, which are the classes (or `what` else) of `whose`; both
        lists are shown.
    """
    if names is None or order is None or tuple(names) == tuple(order):
        return None
    place = {name: number for number, name in enumerate(names)}
    missing = [name for name in order if name not in place]
    others = [name for name in names if name not in set(order)]
    if missing or others or len(names) != len(order) or len(place) != len(names):
        complaints = [f"it has no {_listed(missing)}"] if missing else []
        complaints += [f"{whose} no {_listed(others)}"] if others else []
        msg = (
            f"its {what} ({_listed(names)}) are not those of {whose} ({_listed(order)}): "
            f"{' and '.join(complaints) or 'a name stands there twice'}. Columns are matched by "
            "their names, in any order; rename those that mean the same."
        )
        raise InvalidInputError(msg)
    return np.array([place[name] for name in order], dtype=np.intp)


def in_order(values: NDArray[Any], order: NDArray[np.intp] | None) -> NDArray[Any]:
    """Return the columns in this order; None leaves them."""
    return values if order is None else values[:, order]


def put_back(values: NDArray[Any], order: NDArray[np.intp] | None) -> NDArray[Any]:
    """Return columns that were brought into this order as they were before."""
    return values if order is None else values[:, np.argsort(order)]


def rows_by_id(
    ids: NDArray[Any],
    others: NDArray[Any],
    *,
    source: str,
    other: str,
    values: NDArray[Any] | None = None,
    repeats: bool = False,
) -> tuple[NDArray[np.intp] | None, tuple[str, ...]]:
    """Return the place among `others` of each of the `ids`, and what to tell of how they match.

    Ids are compared as text; of numbers 7, 7.0 and "7" are one id, "07" is another.

    Parameters
    ----------
    ids, others : ndarray, shapes (n,) and (m,)
        The ids of the rows of `source`, and of `other`, as messages call them.
    source, other : str
        What messages call the two.
    values : ndarray, shape (m, ...), optional
        What is taken from `others`: an id that stands there twice with the same value is not in
        doubt.
    repeats : bool, default False
        Whether several rows of `source` may take the same row of `other`.

    Returns
    -------
    tuple of ndarray of int, shape (n,), or None, and tuple of str
        None where both list the same ids in the same order. Left-over rows of `other`, and
        repeated ids, are counted and named in the texts.

    Raises
    ------
    InvalidInputError
        An id has no row in `other`, or more than one and it is in doubt which; an id is empty.
    """
    own, theirs = _comparable(ids, others, source=source, other=other)
    if own == theirs:
        return None, _paired_repeats(own, source, other)
    index: dict[Any, int] = {}
    rows: dict[Any, list[int]] = {}
    for row, each in enumerate(theirs):
        if each in index:
            rows.setdefault(each, [index[each]]).append(row)
        else:
            index[each] = row
    _require_all(own, index, source=source, other=other)
    needed = set(own)
    doubled = [each for each in rows if each in needed]
    doubtful = [each for each in doubled if values is None or _differ(values[rows[each]])]
    if doubtful:
        msg = (
            f"{_ids(doubtful, 'stand')} more than once in {other}"
            f"{'' if values is None else ' with different values'}: {_listed(doubtful, _NAMED)}. "
            "It is in doubt which row is meant; keep one of each."
        )
        raise InvalidInputError(msg)
    again = _repeated(own)
    if again and not repeats:
        msg = (
            f"{_ids(again, 'stand')} more than once in {source}: "
            f"{_listed(again, _NAMED)}. With the rows of {other} in another order it is in doubt "
            "which is which; keep one of each, or bring both into one order."
        )
        raise InvalidInputError(msg)
    notes = []
    if again:
        notes.append(
            f"{_ids(again, 'stand')} more than once in {source}, and each of those rows "
            f"takes the same row of {other}: {_listed(again, _NAMED)}."
        )
    if doubled:
        notes.append(
            f"{_ids(doubled, 'stand')} more than once in {other}, with the same value: "
            f"{_listed(doubled, _NAMED)}."
        )
    unmatched = [each for each in index if each not in needed]
    if unmatched:
        notes.append(
            f"left out rows of {other} whose ids have no row in {source}, {len(unmatched):,}: "
            f"{_listed(unmatched, _NAMED)}."
        )
    return np.array([index[each] for each in own], dtype=np.intp), tuple(notes)


def in_trusted_order(other: str, source: str, *, without: str) -> str:
    """Return what to tell of rows that are paired without ids."""
    alone = without.lower().endswith(".npy")
    where = "a .npy holds one array and none" if alone else "--id-column names them"
    return (
        f"the rows of {other} were paired with those of {source} in their order, which was "
        f"trusted: {without} has no ids ({where})."
    )


def id_texts(ids: NDArray[Any], *, source: str) -> list[str]:
    """Return ids as text, numbers in their shortest spelling, or say which row has none."""
    texts = ["" if _is_missing(each) else spelling_of(each) for each in ids.tolist()]
    if "" in texts:
        count = texts.count("")
        msg = (
            f"`ids` must be known for every row; row {texts.index('')} (counted from 0) of "
            f"{source} has none ({count_text(count, 'such row')})."
        )
        raise InvalidInputError(msg)
    return texts


def _comparable(
    ids: NDArray[Any], others: NDArray[Any], *, source: str, other: str
) -> tuple[list[Any], list[Any]]:
    """Return both as integers, or as texts that are spelled alike."""
    if ids.dtype.kind in "iu" and others.dtype.kind in "iu":
        return ids.tolist(), others.tolist()
    own, theirs = id_texts(ids, source=source), id_texts(others, source=other)
    if set(own) <= set(theirs):
        return own, theirs
    # A table program that met an empty cell has made 7.0 of 7; "1.0" beside "1" are two versions.
    short, shorts = [whole_text(each) for each in own], [whole_text(each) for each in theirs]
    alike = len(set(short)) == len(set(own)) and len(set(shorts)) == len(set(theirs))
    return (short, shorts) if alike else (own, theirs)


def _require_all(own: list[Any], index: dict[Any, int], *, source: str, other: str) -> None:
    """Raise where ids have no row in the other file."""
    missing = [each for each in dict.fromkeys(own) if each not in index]
    if not missing:
        return
    count = sum(each not in index for each in own)
    rule = f"Rows of {source} and {other} are joined by their ids"
    way_out = (
        "If one of the columns holds no ids, name the right one with --id-column, or leave it out "
        "of a file: rows are then paired in their order."
    )
    if count == len(own):
        msg = (
            f"{rule}, but have none in common: {_listed(own, 3)} and {_listed(index, 3)}. {way_out}"
        )
        raise InvalidInputError(msg)
    msg = (
        f"{rule}; {count:,} of {len(own):,} rows of {source} {'has' if count == 1 else 'have'} "
        f"an id that {other} lacks: "
        f"{_listed(missing, _NAMED)}. Ids must be spelled alike (07 is not 7). {way_out}"
    )
    raise InvalidInputError(msg)


def _paired_repeats(own: list[Any], source: str, other: str) -> tuple[str, ...]:
    again = _repeated(own)
    if not again:
        return ()
    note = (
        f"{_ids(again, 'stand')} more than once in {source} and in {other}: "
        f"{_listed(again, _NAMED)}. Both list the same ids in the same order, in which rows were "
        "paired."
    )
    return (note,)


def _repeated(own: list[Any]) -> list[Any]:
    """Return the ids that stand there more than once, in their order."""
    if len(set(own)) == len(own):
        return []
    counts: dict[Any, int] = {}
    for each in own:
        counts[each] = counts.get(each, 0) + 1
    return [each for each, times in counts.items() if times > 1]


def _differ(values: NDArray[Any]) -> bool:
    return bool((values[1:] != values[:1]).any())


def _is_missing(value: object) -> bool:
    return value is None or value != value or (isinstance(value, str) and not value.strip())  # noqa: PLR0124 (nan)


def spelling_of(value: object) -> str:
    """Return a number in its shortest spelling, 7 for 7.0; text without the space around it."""
    if isinstance(value, bytes):
        return value.decode(errors="replace").strip()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def whole_text(text: str) -> str:
    """Return "7" for the whole float "7.0"; any other text as it is."""
    head, dot, tail = text.partition(".")
    return head if dot and _is_whole(head) and not tail.strip("0") else text


def _is_whole(text: str) -> bool:
    whole = text.partition(".")[0] if not text.partition(".")[2].strip("0") else text
    return whole.removeprefix("-").isdecimal() and whole.isascii() and len(whole) <= 18


def _ids(ids: list[Any], verb: str) -> str:
    return f"1 id {verb}s" if len(ids) == 1 else f"{len(ids):,} ids {verb}"


def _listed(names: Iterable[object], most: int = _LONGEST_LIST) -> str:
    """Show some names, none of them too long, and how many more there are."""
    texts = [_shown(str(name)) for name in names]
    more = len(texts) - most
    return ", ".join(texts[:most]) + (f" and {more:,} more" if more > 0 else "")


def _shown(name: str) -> str:
    text = printable(name)
    return text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 3] + "..."
