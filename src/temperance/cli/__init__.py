"""The command `temperance`: parses, calls the library, prints. Nothing is computed here."""

from __future__ import annotations

import os
import signal
import sys
from itertools import pairwise
from typing import NamedTuple, NoReturn

from temperance.cli.process import COMPLETING, Ended, Signals, raising_signals, standard_streams
from temperance.printable import printable

__all__ = ["main", "run"]

_BAD_INPUT = 2
_BY_SIGNAL = 128  # and the signal's number: what a shell makes of a process that a signal ended


class _Ending(NamedTuple):
    """How a command ended: its exit code, and an error in words."""

    code: int
    error: str = ""


def run() -> NoReturn:
    """Be the whole process: Ctrl-C ends what Python still does after the command, without words."""
    try:
        main()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command and raise SystemExit: 0 done, 1 a gate failed, 2 bad input or usage.

    128 + n where the signal n ended it. Output that nobody reads (`| head`) changes none of them;
    output that cannot be written (a full disk) is an error.
    """
    with standard_streams() as (out, err):
        try:
            with raising_signals() as signals:
                try:
                    outcome = _outcome(arguments, signals)
                except Exception:
                    signals.raise_received()
                    raise
                if outcome.error:
                    signals.raise_received()  # an import made "not installed" of it
        except Ended as end:
            what = "interrupted" if end.number == signal.SIGINT else "ended by a signal"
            error_text = f"{what}; nothing half-written is left behind."
            outcome = _Ending(_BY_SIGNAL + end.number, error_text)
        out.flush()
        if out.error is not None and not isinstance(out.error, BrokenPipeError):
            error_text = f"standard output cannot be written: {out.error.strerror}."
            outcome = _Ending(_BAD_INPUT, outcome.error or error_text)
        if outcome.error:
            err.write(f"error: {printable(' '.join(outcome.error.split()))}\n")
    sys.exit(outcome.code)


def _outcome(arguments: list[str] | None, signals: Signals) -> _Ending:
    """Run a command; everything that it may raise on purpose becomes a line and a code."""
    import typer  # here, so that `import temperance.cli` stays cheap

    from temperance.cli.app import app
    from temperance.cli.options import in_options
    from temperance.errors import TemperanceError

    if COMPLETING in os.environ:
        from temperance.cli.completion import answer_the_shell

        answer_the_shell()
    signals.raise_received()  # imports may swallow it
    command = typer.main.get_command(app)  # calling `app` would replace sys.excepthook
    try:
        code = command.main(arguments, standalone_mode=False, obj=signals)
    except typer.TyperException as error:
        message = error.format_message().replace(": Value error, ", ": ")
        stop = "" if message.endswith(".") else "."
        return _Ending(_BAD_INPUT, f"{message}{stop} See `{_command(error)} --help`.")
    except TemperanceError as error:
        words = sys.argv[1:] if arguments is None else arguments
        error_text = in_options(str(error), _options(words), lambda: _options(["fit"]))
        return _Ending(_BAD_INPUT, error_text)
    except typer.Abort:
        code = _BY_SIGNAL + signal.SIGINT
    except MemoryError:
        error_text = "out of memory. Split the file, or store it as a memory-mapped .npy."
        return _Ending(_BAD_INPUT, error_text)
    except OSError as error:
        where = error.filename if isinstance(error.filename, str) else "the system"
        return _Ending(_BAD_INPUT, f"{where}: {error.strerror or error}.")
    if code == _BY_SIGNAL + signal.SIGINT:  # all that typer leaves of a KeyboardInterrupt
        raise Ended(signal.SIGINT)
    return _Ending(code if isinstance(code, int) else 0)


def _options(words: list[str]) -> set[str]:
    """Return the options of the command that was called."""
    from temperance.cli.app import COMMANDS, load_command

    calls = (*pairwise(words), *((word,) for word in words))
    name = next((" ".join(call) for call in calls if " ".join(call) in COMMANDS), None)
    return set() if name is None else {o for each in load_command(name).params for o in each.opts}


def _command(error: Exception) -> str:
    """The command that was called, as the error's context knows it: `temperance fit`."""
    context = getattr(error, "ctx", None)
    return getattr(context, "command_path", None) or "temperance"
