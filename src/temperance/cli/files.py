"""The files of a command: none that it writes may be one that it reads, or become one.

And none that it writes says in which folder the others lie, which is nobody's business.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from pathlib import Path, PureWindowsPath
from typing import Any, NamedTuple

import typer

from temperance.cli.options import in_options
from temperance.errors import InvalidInputError
from temperance.file_formats import format_of
from temperance.printable import printable

__all__ = ["WRITTEN", "FileCommand", "name_of", "paths_of", "recorded", "recorded_warnings", "said"]

WRITTEN = frozenset({"--output", "--report"})  # the options whose files are written
# Of the command that runs.
_PATHS: ContextVar[tuple[Path, ...]] = ContextVar("paths", default=())
_OPTIONS: ContextVar[frozenset[str]] = ContextVar("options", default=frozenset())


class _Given(NamedTuple):
    """A path of the command line, and the option or argument that it was given to."""

    option: str
    path: Path
    written: bool


class FileCommand(typer.core.TyperCommand):
    """A command that refuses, before it begins, to write a file that it is to read."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401  (a typer.Context, under another name)
        """Look at all paths of the command line, then run."""
        paths = list(paths_of(ctx))
        written = [each for each in paths if each.written and not each.path.is_dir()]
        for number, each in enumerate(written):
            for other in (*written[:number], *(one for one in paths if not one.written)):
                _check(each, other)
        token = _PATHS.set(tuple(each.path for each in paths))
        options = _OPTIONS.set(frozenset(name for each in self.params for name in each.opts))
        try:
            return super().invoke(ctx)
        finally:
            _PATHS.reset(token)
            _OPTIONS.reset(options)


def paths_of(ctx: typer.Context) -> Iterator[_Given]:
    """Yield every path that a command was given, also by default."""
    for parameter in ctx.command.params:
        value = ctx.params.get(parameter.name or "")
        names = [name for name in parameter.opts if name.startswith("--")]
        option = names[0] if names else str(parameter.metavar)
        for path in value if isinstance(value, list | tuple) else [value]:
            if isinstance(path, Path):
                yield _Given(option.rstrip("."), path, bool(WRITTEN & {*names}))


def recorded(value: Any) -> Any:  # noqa: ANN401  (texts, and what holds them)
    """Return what a file that is kept says: paths of the command line by the files' names alone.

    A path tells a stranger about a machine and its owner; the digest says which file it was.
    """
    if isinstance(value, dict):
        return {key: recorded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(recorded(each) for each in value)
    if not isinstance(value, str):
        return value
    names = {}
    for path in _PATHS.get():
        for spelling in (str(path), os.path.realpath(path)):
            names[spelling] = name_of(path)
            names[printable(spelling)] = printable(name_of(path))
    for spelling in sorted(names, key=len, reverse=True):
        value = re.sub(rf"(?<![\w./\\-]){re.escape(spelling)}", lambda _: names[spelling], value)  # noqa: B023
    return value


def said(message: str) -> str:
    """Return a message about the result as the command line says it: by its options alone."""
    return in_options(message, _OPTIONS.get())


def recorded_warnings(warnings: Iterable[str]) -> tuple[str, ...]:
    """Return warnings as JSON and pages keep them: of options, and of files by their names."""
    return tuple(recorded(said(each)) for each in warnings)


def name_of(path: str | Path) -> str:
    """Return the name of a file, or folder, without where it lies; ".." has that of its folder."""
    if isinstance(path, Path):
        return path.name or path.resolve().name or str(path)
    return PureWindowsPath(path).name or path  # knows both slashes


def _check(written: _Given, other: _Given) -> None:
    """Refuse a file that is the other one, or that would be a file of the other one's folder."""
    where = f"`{written.option}` {written.path}"
    if _same(written.path, other.path):
        role = "written as well" if other.written else "read"
        msg = f"{where} is the file {other.path} ({other.option}), which is {role}: give another."
        raise InvalidInputError(msg)
    if other.written or not other.path.is_dir():
        return
    if (twin := _in_folder(written.path, other.path)) is not None:
        msg = (
            f"{where} is the file {twin} of the folder {other.path} ({other.option}), which is "
            "read: give another."
        )
        raise InvalidInputError(msg)
    within = any(_same(parent, other.path) for parent in written.path.resolve().parents)
    if within and format_of(written.path) is not None:
        msg = (
            f"{where} lies in the folder {other.path} ({other.option}), whose files are read: it "
            "would count as one of them next time. Write it elsewhere."
        )
        raise InvalidInputError(msg)


def _same(first: Path, second: Path) -> bool:
    """Whether two paths lead to one file, through links and other spellings too."""
    try:
        return first.samefile(second)
    except OSError:  # one does not exist yet
        return os.path.realpath(first) == os.path.realpath(second)


def _in_folder(path: Path, folder: Path) -> Path | None:
    """Return the file of a folder that a path leads to, if any."""
    try:
        if not path.exists():
            return None
        return next((each for each in folder.iterdir() if _same(path, each)), None)
    except OSError:  # what cannot be looked at is said by what reads or writes it
        return None
