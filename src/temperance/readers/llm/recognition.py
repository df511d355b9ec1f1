"""Which format a line has: by the paths it holds, and never by its values."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from temperance.errors import FileFormatError
from temperance.file_formats import ANSWER_FORMATS, OTHER_ANSWERS
from temperance.readers.guard import refusing, require_file
from temperance.readers.llm.lines import lines_of
from temperance.readers.llm.llm_format import AUTO

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from temperance.file_formats import FormatName
    from temperance.readers.llm.llm_format import LlmFormat
    from temperance.readers.llm.node import Node

__all__ = ["recognised", "seems_to_be"]

_PLACES = ("", "response.body.", "response.")  # where a line has the answer of a server
_MOST_ENTRIES = 50  # of a list or object, looked at for a `*`
_MOST_LINES = 200


def recognised(files: Sequence[Path], format_: LlmFormat) -> tuple[LlmFormat, tuple[str, ...]]:
    """Return the format that all files have in place of `auto`, and a sentence that says why.

    Lines that fit none, as those of failed requests, are left to the reader.

    Raises
    ------
    FileFormatError
        No format fits, two do, or files have different ones.
    """
    reasons: dict[FormatName, str] = {}
    for file in files:
        with refusing(file):
            require_file(file)
            name, why = _format_of(file)
        if reasons and name not in reasons:
            (other,) = reasons
            msg = (
                f"{file}: looks like {name} ({ANSWER_FORMATS[name].title}), but {files[0]} like "
                f"{other}: read each by itself, with --format."
            )
            raise FileFormatError(msg)
        reasons.setdefault(name, why)
    ((name, why),) = reasons.items()
    note = f"read as {name} ({ANSWER_FORMATS[name].title}), because {why}."
    return replace(format_, name=name), (note,)


def _format_of(file: Path) -> tuple[FormatName, str]:
    """Return the one format of a file, and what tells it."""
    lines = lines_of(file)
    if lines.format is not None:
        return lines.format.name, "the file as a whole is one"
    signs: dict[FormatName, tuple[str, str]] = {}
    first: dict[str, Any] | None = None
    for where, content in islice(lines.objects(), _MOST_LINES):
        first = content if first is None else first
        fitting = _fitting(content)
        for name, path in fitting.items():
            signs.setdefault(name, (where, path))
        if len(signs) > 1:
            raise _several(signs)
    if not signs:
        other = _other(first)
        names = ", ".join(ANSWER_FORMATS)
        what = f"it looks like {other}" if other else f"none of {names}."
        msg = f"is of no format that --format {AUTO} recognises: {what}"
        raise FileFormatError(msg)
    ((name, (where, path)),) = signs.items()
    return name, f"{where} has {_shown(path)}"


def _several(signs: dict[FormatName, tuple[str, str]]) -> FileFormatError:
    descriptions = " and ".join(
        f"{name} ({where} has {_shown(path)})" for name, (where, path) in signs.items()
    )
    names = " or ".join(f"--format {name}" for name in signs)
    return FileFormatError(f"fits several formats, {descriptions}: say which one to read, {names}.")


def seems_to_be(line: Node, format_name: str) -> str:
    """Return a sentence that names the format the line seems to have; "" if none is known."""
    probs = line.find("probs")
    if probs is not None and isinstance(probs.value, dict):
        return (
            "These look like probabilities as an object {label: p}, which --format decisions reads "
            "under the key `probabilities`, beside `type`."
        )
    fitting = list(_fitting(line.value))
    if format_name in fitting:
        return ""
    if fitting:
        title = ANSWER_FORMATS[fitting[0]].title
        return f"These look like {title}, read with --format {fitting[0]}."
    other = _other(line.value)
    return f"These look like {other}" if other else ""


def _fitting(content: Any) -> dict[FormatName, str]:  # noqa: ANN401  (whatever JSON holds)
    """Return the formats whose signs a line has, each with the last path of its sign."""
    return {
        name: sign[-1]
        for name, each in ANSWER_FORMATS.items()
        for sign in reversed(each.signs)
        if _has_all(content, sign)
    }


def _other(content: Any) -> str:  # noqa: ANN401
    """Return what a line of a known format without probabilities is, and what to do; or ""."""
    for sign, title, what in OTHER_ANSWERS:
        if _has_all(content, sign):
            return f"{title}, {what}"
    return ""


def _has_all(content: Any, paths: tuple[str, ...]) -> bool:  # noqa: ANN401
    return any(all(_has(content, place + path) for path in paths) for place in _PLACES)


def _has(content: Any, path: str) -> bool:  # noqa: ANN401
    """Whether a value is at a path; `*` is any entry, `{}` and `[]` say what must stand there."""
    kind = {"{}": dict, "[]": list}.get(path[-2:], object)
    keys = path.removesuffix("{}").removesuffix("[]").split(".")
    return any(isinstance(each, kind) for each in _at(content, keys))


def _at(content: Any, keys: Sequence[str]) -> list[Any]:  # noqa: ANN401
    values = [content]
    for key in keys:
        below: list[Any] = []
        for value in values:
            if key == "*":
                entries = value.values() if isinstance(value, dict) else value
                if isinstance(value, dict | list):
                    below += list(islice(entries, _MOST_ENTRIES))
            elif isinstance(value, dict):
                below.append(value.get(key))
        values = [each for each in below if each is not None]
    return values


def _shown(path: str) -> str:
    name = path.removesuffix("{}").removesuffix("[]").replace(".*", "[]")
    return f"`{name}`"
