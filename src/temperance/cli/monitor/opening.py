"""The store that every command of the group begins with, and how times and lengths are said."""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Annotated

import typer

from temperance.errors import InvalidInputError, TemperanceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from temperance.monitor import Registry, Store

__all__ = ["StoreArgument", "as_moment", "as_seconds", "from_stdin", "opened"]

StoreArgument = Annotated[
    str,
    typer.Argument(
        metavar="STORE", help="A file (SQLite), or postgresql://...; `monitor init` makes it."
    ),
]
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_LONGEST = 3e9  # seconds
_LENGTH = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([smhdw]?)\s*")


@contextmanager
def opened(address: str) -> Iterator[tuple[Store, Registry]]:
    """Open a store and its registry."""
    from temperance.monitor import Registry, Store

    store = Store.open(address)
    try:
        yield store, Registry(store.settings.registry)
    finally:
        store.close()


def as_seconds(text: str, *, option: str) -> float:
    """Return a length of time, with its unit: "30s", "15m", "12h", "7d", "2w"; 0 needs none.

    >>> as_seconds("7d", option="--delay"), as_seconds("1.5h", option="--every")
    (604800.0, 5400.0)
    """
    match = _LENGTH.fullmatch(text)
    amount = inf if match is None else float(match[1])
    unit = "" if match is None else match[2]
    seconds = amount * _UNITS.get(unit, 1.0)
    if seconds > _LONGEST or (amount > 0.0 and not unit):
        msg = (
            f"`{option}` must be a length of time with its unit, such as 30s, 15m, 12h, 7d or 2w, "
            f"up to 95 years, got {text[:40]!r}."
        )
        raise InvalidInputError(msg)
    return seconds


def as_moment(text: str, *, option: str) -> float:
    """Return a time in seconds since 1970: ISO 8601, UTC where it says nothing else.

    >>> as_moment("1970-01-02", option="--time"), as_moment("1970-01-01T01:00+01:00", option="")
    (86400.0, 0.0)
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        msg = f"`{option}` must be a time such as 2026-11-29 or 2026-11-29T06:00Z, got {text!r}."
        raise InvalidInputError(msg) from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


@contextmanager
def from_stdin(file: Path) -> Iterator[Path]:
    """Yield the file, or, of "-", one with what comes on stdin: a JSON object per line."""
    if str(file) != "-":
        yield file
        return
    with NamedTemporaryFile(suffix=".jsonl") as copy:
        while part := sys.stdin.buffer.read(1 << 20):
            copy.write(part)
        copy.flush()
        try:
            yield Path(copy.name)
        except TemperanceError as error:
            msg = str(error).replace(copy.name, "stdin")
            raise type(error)(msg) from error
