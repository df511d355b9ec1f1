"""A file of answers becomes JSON objects: one per line, or those of one list."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from temperance.errors import FileFormatError
from temperance.file_formats import ANSWER_FORMATS, file_suffix, format_of, function_named
from temperance.readers.guard import quoted
from temperance.readers.json_object import parse_json
from temperance.readers.jsonl import json_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from temperance.file_formats import AnswerFormat

__all__ = ["Lines", "json_content", "lines_of"]


_PACKED = {  # the first bytes of files that programs pack
    b"\x1f\x8b": "gzip", b"(\xb5/\xfd": "zstd", b"BZh": "bzip2", b"\xfd7zXZ": "xz",
    b"PK\x03\x04": "zip",
}  # fmt: skip
_LONGEST_MAGIC = 8


class Lines(NamedTuple):
    """The objects of a file, each with what messages call it; of which format, if that is clear."""

    format: AnswerFormat | None  # of a file that is a whole: the only one that reads it
    objects: Callable[[], Iterator[tuple[str, dict[str, Any]]]]


def lines_of(path: Path, format_: AnswerFormat | None = None) -> Lines:
    """Return the objects of a file: of its lines, of a JSON list, or what a log of samples holds.

    A `format_` that is named has its own way to read files that are a whole, by their suffix.
    """
    candidates = ANSWER_FORMATS.values() if format_ is None else (format_,)
    for each in candidates:
        if each.lines is not None and path.suffix.lower() in each.suffixes:
            read = function_named(each.lines)
            objects = read(path)
            if objects is not None:
                return Lines(each, partial(iter, objects))
    start = _starts_with(path)
    _refuse_other_files(path, start)
    if start.startswith(b"["):
        return Lines(None, lambda: _items(path))
    return Lines(None, lambda: ((f"line {number}", each) for number, each in json_lines(path)))


def json_content(text: str | bytes) -> Any:  # noqa: ANN401  (whatever JSON holds)
    """Return what a whole JSON text holds, or raise."""
    try:
        return parse_json(text.decode("utf-8-sig") if isinstance(text, bytes) else text)
    except (FileFormatError, UnicodeDecodeError):
        raise
    except (ValueError, RecursionError) as error:
        msg = f"is not JSON ({' '.join(str(error).split())})."
        raise FileFormatError(msg) from error


def _starts_with(path: Path) -> bytes:
    """Return the first bytes from one that is no space, after a mark of byte order."""
    with path.open("rb") as file:
        start = file.read(1 << 12).removeprefix(b"\xef\xbb\xbf")
    return start.lstrip()[:_LONGEST_MAGIC]


def _refuse_other_files(path: Path, start: bytes) -> None:
    """Refuse a file of arrays, a table and a packed file, which hold no lines of JSON."""
    packing = next((each for magic, each in _PACKED.items() if start.startswith(magic)), None)
    own = format_of(path)
    is_json = start.startswith((b"{", b"["))
    if own is not None and not own.ragged and not is_json:
        msg = (
            f"is read without --format, for its suffix {file_suffix(path)} says what it is: leave "
            "--format out. It is for what language models write, one JSON object per line."
        )
        raise FileFormatError(msg)
    if packing is not None:
        msg = f"is packed ({packing}): unpack it first; --format reads text, as a .jsonl file."
        raise FileFormatError(msg)


def _items(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the objects of a file that is one JSON list, as lm-eval 0.4.0 wrote its samples."""
    content = json_content(path.read_bytes())
    if not isinstance(content, list) or not content:
        msg = "has no rows."
        raise FileFormatError(msg)
    for number, each in enumerate(content, start=1):
        if not isinstance(each, dict):
            msg = f"item {number}: must be a JSON object, got {quoted(each)}."
            raise FileFormatError(msg)
        yield f"item {number}", each
