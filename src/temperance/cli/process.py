"""What a command shares with its surroundings, each put back in the end: signals and streams."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

__all__ = ["Ended", "Signals", "Stream", "raising_signals", "standard_streams"]

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


class Stream:
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
        held = text.encode(encoding, "backslashreplace").decode(encoding)
        self._unless_broken(lambda: self._stream.write(held))
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
def standard_streams() -> Iterator[tuple[Stream, Stream]]:
    """Let stdout and stderr be a `Stream` each inside the `with`; one that is closed is nothing."""
    _occupy_standard_files()
    before = sys.stdout, sys.stderr
    with Path(os.devnull).open("w", encoding="utf-8") as nothing:
        out, err = (Stream(nothing if each is None else each) for each in before)
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
