"""Names from files, paths and counts as they may be printed: the one place where that is decided.

A name may hold bytes that move a terminal's cursor, break a line, turn its direction, or that no
encoding holds. All of them are shown by their escapes, as `repr` shows them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "WRITTEN_OUT",
    "and_list",
    "as_json_text",
    "capitalised",
    "count_text",
    "digits_text",
    "first_few",
    "length_text",
    "printable",
]

WRITTEN_OUT = 1e7  # and larger numbers have an exponent
_UNDECODED = re.compile("[\udc80-\udcff]+")  # bytes of a path that Python could not decode


def printable(text: str, *, keep: str = "") -> str:
    r"""Return `text` in one line of printable characters; all others become their escapes.

    Bytes of a path that are not UTF-8 are shown as bytes. Spaces other than the usual one are shown
    too, so that names which differ look different. What `keep` holds stays as it is.

    >>> print(printable("a\x1b[31m\n\u202e\udcff"))
    a\x1b[31m\n\u202e\xff
    """
    if text.isprintable():
        return text
    text = _UNDECODED.sub(lambda match: _bytes_of(match).decode(errors="backslashreplace"), text)
    return "".join(c if c.isprintable() or c in keep else repr(c)[1:-1] for c in text)


def count_text(count: int, one: str, several: str | None = None) -> str:
    """Return a count with its noun, and verb, in the right number: "1 row", "1,000 rows".

    `several` is needed where it is not `one` with an s.

    >>> count_text(1, "row has", "rows have"), count_text(1000, "row")
    ('1 row has', '1,000 rows')
    """
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"


def digits_text(value: float, digits: int) -> str:
    """Return a number with so many digits, written out below 10 million; 0 in place of the others.

    >>> digits_text(140.3, 2), digits_text(0.00123, 2), digits_text(123456.0, 4)
    ('140', '0.0012', '123500')
    """
    text = f"{value:.{digits}g}"
    return f"{float(text):.0f}" if 1.0 <= abs(value) < WRITTEN_OUT and "e" in text else text


def first_few(names: Sequence[object], most: int = 10) -> str:
    """Return the first names with commas between, and three dots where there are more.

    >>> first_few(["a", "b", "c"], 2), first_few([1, 2])
    ('a, b, ...', '1, 2')
    """
    return ", ".join(map(str, names[:most])) + (", ..." if len(names) > most else "")


def and_list(texts: Iterable[str]) -> str:
    """Return a list as a sentence has it; "" of none.

    >>> and_list(["a"]), and_list(["a", "b"]), and_list("abc")
    ('a', 'a and b', 'a, b and c')
    """
    *most, last = ("", *texts)
    return " and ".join(filter(None, (", ".join(most[1:]), last)))


def capitalised(text: str) -> str:
    """Return a text that begins a sentence: its first letter large, all others as they are.

    >>> capitalised("the ECE")
    'The ECE'
    """
    return text[:1].upper() + text[1:]


def length_text(seconds: float) -> str:
    """Return a length of time in the largest unit of which it is two or more.

    >>> length_text(90.0), length_text(172_800.0)
    ('90 seconds', '2.0 days')
    """
    for unit, name in ((86_400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2.0 * unit:
            return f"{seconds / unit:,.1f} {name}"
    return f"{seconds:,.0f} seconds"


def as_json_text(text: str, *, ascii_only: bool = False) -> str:
    """Return JSON whose unprintable characters, but for line feeds, are JSON's own escapes.

    What a program reads from it stays the same. UTF-8 can hold it, whatever the strings hold, and
    `ascii_only` every encoding.
    """
    if text.isprintable() and (not ascii_only or text.isascii()):
        return text
    text = _UNDECODED.sub(lambda match: _bytes_of(match).decode(errors="surrogateescape"), text)
    return "".join(
        c if c == "\n" or (c.isprintable() and (not ascii_only or c.isascii())) else _json_escape(c)
        for c in text
    )


def _bytes_of(match: re.Match[str]) -> bytes:
    return match.group().encode(errors="surrogateescape")


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))
