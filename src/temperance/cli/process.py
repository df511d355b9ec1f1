"""What a command shares with its surroundings: files, signals, streams, each left as it was."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path, PureWindowsPath
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

import typer

from temperance.cli.options import READING, in_options
from temperance.errors import InvalidInputError
from temperance.file_formats import format_of
from temperance.printable import printable

if TYPE_CHECKING:
    from types import FrameType

    from temperance.report import Files

__all__ = [
    "COMPLETING",
    "WRITTEN",
    "Ended",
    "FileCommand",
    "Signals",
    "TextStream",
    "as_output",
    "by_options",
    "files_read",
    "name_of",
    "paths_of",
    "raising_signals",
    "recorded",
    "recorded_warnings",
    "standard_streams",
]

# What a command shares with its surroundings, each put back in the end: signals and streams.


COMPLETING = "_TEMPERANCE_COMPLETE"  # by which a shell asks what may follow: `cli/completion.py`
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Ctrl-C, kill, a terminal that closes
_SAME_PRESS = 1.0  # seconds in which a second signal does not disturb the tidying up of the first


class Ended(BaseException):
    """A signal asks the command to end; no `except Exception` on the way keeps it from doing so."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Signals:
    """What handles the signals that end a command."""

    def __init__(self) -> None:
        self._received: int | None = None
        self._last = -_SAME_PRESS

    def raise_received(self) -> None:
        """Raise once more for a signal that has come, however little it has done."""
        if self._received is not None:
            raise Ended(self._received)

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """Raise `Ended`, but not in the midst of what the same press has begun to tidy up."""
        self._received = number
        now = monotonic()
        if now - self._last >= _SAME_PRESS:
            self._last = now
            raise Ended(number)


@contextmanager
def raising_signals() -> Iterator[Signals]:
    """Raise `Ended` inside the `with` where a signal would end the process and leave files behind.

    Signals that the process ignores (`nohup`) or that its program handles stay as they are, and so
    do all of them in another thread than the main one, where Python cannot change them.
    """
    handler, before = Signals(), {}
    if threading.current_thread() is threading.main_thread():
        usual = (signal.SIG_DFL, signal.default_int_handler)
        numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
        before = {n: signal.getsignal(n) for n in numbers if signal.getsignal(n) in usual}
    try:
        for number in before:
            signal.signal(number, handler.handle)
        yield handler
    finally:
        for number, usual_handler in before.items():
            signal.signal(number, usual_handler)


class TextStream:
    """A standard stream that any text can be written to, also when nobody reads it any more.

    Characters that its encoding lacks are written as their escapes. What cannot be written is
    dropped and remembered in `error`, so that a reader who has seen enough (`head`) does not end
    the work, and a full disk is told of at its end.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.error: OSError | None = None

    def write(self, text: str) -> int:
        """Write the text, or drop it."""
        encoding = self._stream.encoding or "utf-8"
        encodable = text.encode(encoding, "backslashreplace").decode(encoding)
        self._unless_broken(lambda: self._stream.write(encodable))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        """Write several pieces of text."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Hand on what has been written."""
        self._unless_broken(self._stream.flush)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  (all else of a text stream)
        return getattr(self._stream, name)

    def _unless_broken(self, work: Any) -> None:  # noqa: ANN401  (a function without arguments)
        if self.error is None:
            try:
                work()
            except OSError as error:
                self.error = error
                self._let_go()

    def _let_go(self) -> None:
        """Point the stream's file at nothing: what waits to be written would fail once more."""
        with suppress(OSError, ValueError):  # it may have none
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, self._stream.fileno())
            os.close(nothing)


@contextmanager
def standard_streams() -> Iterator[tuple[TextStream, TextStream]]:
    """Let stdout and stderr be a `TextStream` each inside the `with`; a closed one is nothing."""
    _occupy_standard_files()
    before = sys.stdout, sys.stderr
    with Path(os.devnull).open("w", encoding="utf-8") as nothing:
        out, err = (TextStream(nothing if each is None else each) for each in before)
        sys.stdout, sys.stderr = out, err
        try:
            yield out, err
        finally:
            for stream in (out, err):
                stream.flush()
            sys.stdout, sys.stderr = before


def _occupy_standard_files() -> None:
    """Open what of the files 0, 1 and 2 is closed: else a file of ours would be taken for it."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)


# The files of a command: none that it writes may be one that it reads, or become one.
#
# And none that it writes says in which folder the others lie, which is nobody's business.


# the options whose files are written
WRITTEN = frozenset({"--output", "--report", "--junit", "--markdown"})
# Of the command that runs.
_PATHS: ContextVar[tuple[Path, ...]] = ContextVar("paths", default=())
_OPTIONS: ContextVar[frozenset[str]] = ContextVar("options", default=frozenset())
_OF_FIT: ContextVar[Callable[[], frozenset[str]]] = ContextVar("of fit", default=frozenset)
_STATED: ContextVar[tuple[_Stated, ...]] = ContextVar("stated", default=())
# the options of which a next step of the same command knows nothing
_ONCE = WRITTEN | {
    "--json",
    "--quick",
    "--test",
    "--test-labels",
    "--reference-labels",
    "--fail-if",
    "--undecided",
}


class _Stated(NamedTuple):
    """An option that stands on the command line, with its value, and whether it is of reading."""

    option: str
    value: str
    reading: bool


class _PathOption(NamedTuple):
    """A path of the command line, and the option or argument that it was given to."""

    option: str
    path: Path
    is_output: bool


class FileCommand(typer.core.TyperCommand):
    """A command that refuses, before it begins, to write a file that it is to read."""

    @property
    def options(self) -> frozenset[str]:
        """The options that the command takes, each with its dashes."""
        return frozenset(name for each in self.params for name in each.opts)

    def options_of_fit(self) -> frozenset[str]:
        """Return those of `temperance fit`, which messages of other commands send to."""
        return self.options

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401
        """Refuse a path without a name, which would be read as that of the current folder."""
        empty = "" in args or any(each.startswith("--") and each.endswith("=") for each in args)
        rest = super().parse_args(ctx, args)
        if empty and "." not in args:
            for each in paths_of(ctx):
                if each.path == Path():
                    msg = f"`{each.option}` names no file: it is empty. A variable that is not set?"
                    raise InvalidInputError(msg)
        return rest

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401  (a typer.Context, under another name)
        """Look at all paths of the command line, then run.

        NumPy is imported before, and a signal that its import has swallowed ends the command here.
        """
        import numpy  # noqa: F401, ICN001

        if isinstance(ctx.obj, Signals):
            ctx.obj.raise_received()
        paths = list(paths_of(ctx))
        outputs = [each for each in paths if each.is_output and not each.path.is_dir()]
        for number, each in enumerate(outputs):
            for other in (*outputs[:number], *(one for one in paths if not one.is_output)):
                _check(each, other)
        token = _PATHS.set(tuple(each.path for each in paths))
        options = _OPTIONS.set(self.options)
        of_fit = _OF_FIT.set(self.options_of_fit)
        stated = _STATED.set(tuple(_stated(ctx)))
        try:
            return super().invoke(ctx)
        finally:
            _PATHS.reset(token)
            _OPTIONS.reset(options)
            _OF_FIT.reset(of_fit)
            _STATED.reset(stated)


def _stated(ctx: Any) -> Iterator[_Stated]:  # noqa: ANN401  (as above)
    """Yield the options that the command line states, those of what is written not."""
    for parameter in ctx.command.params:
        name = parameter.name or ""
        option = next((each for each in parameter.opts if each.startswith("--")), "")
        source = ctx.get_parameter_source(name)
        if not option or option in _ONCE or source is None or source.name != "COMMANDLINE":
            continue
        value = ctx.params[name]
        for each in value if isinstance(value, list | tuple) else (value,):
            text = "" if each is True else str(each)  # a flag has no value
            panel = getattr(parameter, "rich_help_panel", None)
            yield _Stated(option, "tab" if text == "\t" else text, panel in READING)


def files_read(rows: Iterable[str | Path], result: Path | None = None) -> Files:
    """Return what the command of a page's next step is written with.

    `rows` are read by the command that runs, with the options that it was given; `result` is the
    calibrator, policy or cascade that it wrote or applied.
    """
    from temperance.report import Files

    stated: tuple[_Stated, ...] = _STATED.get()
    return Files(
        recorded(tuple(map(str, rows))),
        "" if result is None else recorded(str(result)),
        recorded(tuple((each.option, each.value) for each in stated if each.reading)),
        recorded(tuple((each.option, each.value) for each in stated if not each.reading)),
    )


def as_output(path: Path | None, default: str) -> Path:
    """Return the path that is written, by default one that is not read by this command."""
    if path is not None:
        return path
    for each in _PATHS.get():
        _check(
            _PathOption("--output", Path(default), is_output=True),
            _PathOption("read", each, is_output=False),
        )
    return Path(default)


def paths_of(ctx: typer.Context) -> Iterator[_PathOption]:
    """Yield every path that a command was given, also by default."""
    for parameter in ctx.command.params:
        value = ctx.params.get(parameter.name or "")
        names = [name for name in parameter.opts if name.startswith("--")]
        option = names[0] if names else str(parameter.metavar)
        for path in value if isinstance(value, list | tuple) else [value]:
            if isinstance(path, Path):
                yield _PathOption(option.rstrip("."), path, bool(WRITTEN & {*names}))


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


def by_options(message: str) -> str:
    """Return a message about the result as the command line says it: by its options alone."""
    return in_options(message, _OPTIONS.get(), _OF_FIT.get())


def recorded_warnings(warnings: Iterable[str]) -> tuple[str, ...]:
    """Return warnings as JSON and pages keep them: of options, and of files by their names."""
    return tuple(recorded(by_options(each)) for each in warnings)


def name_of(path: str | Path) -> str:
    """Return the name of a file, or folder, without where it lies; ".." has that of its folder."""
    if isinstance(path, Path):
        return path.name or path.resolve().name or str(path)
    return PureWindowsPath(path).name or path  # knows both slashes


def _check(output: _PathOption, other: _PathOption) -> None:
    """Refuse a file that is the other one, or that would be a file of the other one's folder."""
    where = f"`{output.option}` {output.path}"
    if _same(output.path, other.path):
        role = "written as well" if other.is_output else "read"
        msg = f"{where} is the file {other.path} ({other.option}), which is {role}: give another."
        raise InvalidInputError(msg)
    if other.is_output or not other.path.is_dir():
        return
    if (twin := _in_folder(output.path, other.path)) is not None:
        msg = (
            f"{where} is the file {twin} of the folder {other.path} ({other.option}), which is "
            "read: give another."
        )
        raise InvalidInputError(msg)
    within = any(_same(parent, other.path) for parent in output.path.resolve().parents)
    if within and format_of(output.path) is not None:
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
