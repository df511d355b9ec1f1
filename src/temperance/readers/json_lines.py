"""The JSON objects of a file with one per line; every error names the line."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from math import isinf
from typing import TYPE_CHECKING, Any

from temperance.errors import FileFormatError
from temperance.readers.guard import quoted
from temperance.readers.json_object import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["json_lines", "naming_line"]

# Only such lines are read number by number, which takes longer.
_MAYBE_HUGE = re.compile(r"[eE]\+?0*[1-9]\d{2}|\d{300}")


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number of each line, counted from 1, and its object; empty lines are skipped."""
    rows, line = 0, 0
    with path.open(encoding="utf-8-sig") as file:
        for line, text in enumerate(file, start=1):
            if text.isspace():
                continue
            with naming_line(line):
                record = _record(text)
            rows += 1
            yield line, record
    if not rows:
        msg = "has no rows."
        raise FileFormatError(msg)


@contextmanager
def naming_line(line: int) -> Iterator[None]:
    """Put the number of the line before the message of a `FileFormatError`."""
    try:
        yield
    except FileFormatError as error:
        msg = f"line {line}: {error}"
        raise FileFormatError(msg) from error


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
