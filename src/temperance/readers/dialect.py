"""How a text table is written: what parts its cells, its decimal mark, its encoding.

Spreadsheets write `;` where the decimal mark is a comma, and UTF-16 under "Unicode text". All three
are found where the file says them without doubt; what was found is told, and `Fields` overrides it.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from temperance.errors import FileFormatError
from temperance.file_formats import FILE_FORMATS
from temperance.printable import and_list

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO

    from temperance.readers.dataset import Fields

__all__ = ["GZIP", "TextDialect", "is_utf8", "opened", "separated"]

GZIP = b"\x1f\x8b"
_PACKED = {
    b"PK\x03\x04": "a zip archive or a spreadsheet",
    b"BZh": "packed by bzip2",
    b"\xfd7zXZ": "packed by xz",
    b"\x28\xb5\x2f\xfd": "packed by zstd",
    **{
        each.magic: f"{'an' if each.suffixes[0][1] in 'aeio' else 'a'} {each.suffixes[0]} file"
        for each in FILE_FORMATS
        if each.magic
    },
}
_DELIMITERS = ",\t;|"
_WORDS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
_MARKS = {  # bytes at the start that say the encoding; the longer first
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_UTF8 = "utf-8-sig"  # with or without a mark


class TextDialect(NamedTuple):
    """What was found of a text table that was not said, nor is usual: a note for its user."""

    delimiter: str | None = None
    decimal_comma: bool = False
    encoding: str | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """Say it, and how to say otherwise; empty where all is usual."""
        descriptions = {
            "--delimiter": self.delimiter and f"cells parted by {_delimiter_name(self.delimiter)}",
            "--decimal": "decimal commas" if self.decimal_comma else None,
            "--encoding": self.encoding and f"the encoding {self.encoding.upper()}",
        }
        options = {option: text for option, text in descriptions.items() if text}
        if not options:
            return ()
        override = f"{and_list(options)} override{'s' if len(options) == 1 else ''}"
        return (f"read with {and_list(options.values())} (found; {override}).",)


def _delimiter_name(delimiter: str) -> str:
    return _WORDS.get(delimiter, repr(delimiter))


def is_utf8(fields: Fields) -> bool:
    """Whether nothing but UTF-8 is asked for."""
    return fields.encoding is None or codecs.lookup(fields.encoding).name == "utf-8"


@contextmanager
def opened(path: Path, fields: Fields) -> Iterator[tuple[TextIO, str | None]]:
    """Open the text, unpacked if gzip packed it, whatever the file is called.

    Yields it with the encoding that its bytes show; None where that is UTF-8, or one was said.
    """
    with path.open("rb") as raw:
        start = raw.read(8)
        raw.seek(0)
        for magic, what in _PACKED.items():
            if start.startswith(magic):
                msg = f"is {what}, not a text table; unpack it, or give it its own suffix."
                raise FileFormatError(msg)
        packed = start.startswith(GZIP)
        content: Any = gzip.GzipFile(fileobj=raw) if packed else raw
        try:
            shown = _shown_encoding(content.peek(8)[:8])
            encoding = _codec(fields.encoding, shown)
            with io.TextIOWrapper(content, encoding=encoding, newline="") as file:
                yield file, shown if fields.encoding is None else None
        except (EOFError, gzip.BadGzipFile) as error:
            msg = f"is packed by gzip and damaged or cut off ({error})."
            raise FileFormatError(msg) from error
        except UnicodeError as error:
            raise FileFormatError(_undecodable(error, encoding, fields.encoding)) from error


def _undecodable(error: UnicodeError, encoding: str, option: str | None) -> str:
    name = encoding.upper().removesuffix("-SIG")
    what = f"is no {name} text"
    if isinstance(error, UnicodeDecodeError):
        what = f"must be {name} text, but holds the byte {error.object[error.start]:#x}"
    if option is not None:
        return f"{what}, as --encoding says; leave it out, or name the encoding of the file."
    return f"{what}; name its encoding (--encoding cp1252 in much of Europe), or save it as UTF-8."


def _shown_encoding(start: bytes) -> str | None:
    """Return what the first bytes say: a mark, or every second byte zero; None if UTF-8 it is."""
    for mark, encoding in _MARKS.items():
        if start.startswith(mark):
            return encoding
    if len(start) >= 4 and not any(start[1:4:2]) and all(start[:4:2]):
        return "utf-16-le"
    if len(start) >= 4 and not any(start[:4:2]) and all(start[1:4:2]):
        return "utf-16-be"
    return None


def _codec(option: str | None, shown: str | None) -> str:
    """Return the encoding to read with; a mark at the start is never part of the text."""
    if option is None:
        return shown or _UTF8
    name = codecs.lookup(option).name
    if name == "utf-8":
        return _UTF8
    return shown if shown is not None and name.startswith(shown) else name


def separated(
    file: TextIO, path: Path, option: str | None
) -> tuple[Iterator[str], str, str | None]:
    """Return the lines, what separates their cells, and that again where it was found.

    The header line says it, or a line `sep=;` above it, as spreadsheets write.
    """
    usual = "\t" if _plain_suffix(path) == ".tsv" else ","
    before = []
    for line in file:
        before.append(line)
        if line.strip():
            break
    header = before[-1] if before else ""
    words = header.rstrip("\r\n").casefold()
    if words.startswith("sep=") and len(words) == 5:
        return chain([*before[:-1], "\n"], file), option or words[-1], None
    lines = chain(before, file)
    if option is not None:
        return lines, option, None
    for delimiter in (usual, *_DELIMITERS):
        if len(next(csv.reader([header], delimiter=delimiter), [])) > 1:
            return lines, delimiter, None if delimiter == usual else delimiter
    return lines, usual, None


def _plain_suffix(path: Path) -> str:
    name = path.name.lower().removesuffix(".gz")
    return name[name.rfind(".") :] if "." in name else ""
