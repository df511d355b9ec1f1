"""The command `temperance`: parses, calls the library, prints. Nothing is computed here."""

from __future__ import annotations

import sys
from typing import NoReturn

__all__ = ["main"]

_BAD_INPUT = 2
_INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command and end the process: 0 done, 1 a gate failed, 2 bad input or usage."""
    import typer  # noqa: PLC0415  (so that `import temperance.cli` stays cheap)

    from temperance.cli.app import app  # noqa: PLC0415
    from temperance.errors import TemperanceError  # noqa: PLC0415

    try:
        code = app(arguments, standalone_mode=False)
    except typer.Exit as end:
        code = end.exit_code
    except typer.TyperException as error:
        message = error.format_message()
        stop = "" if message.endswith(".") else "."
        _fail(f"{message}{stop} See `{_command(error)} --help`.")
    except TemperanceError as error:
        _fail(str(error))
    except (KeyboardInterrupt, typer.Abort):
        _fail("interrupted; nothing half-written is left behind.", code=_INTERRUPTED)
    except MemoryError:
        _fail("out of memory. Split the file, or store it as a memory-mapped .npy.")
    except BrokenPipeError:  # the reader of our output (head, less) has gone
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        _fail(f"{error.filename or 'the system'}: {error.strerror or error}.")
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, *, code: int = _BAD_INPUT) -> NoReturn:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201
    sys.exit(code)


def _command(error: Exception) -> str:
    """The command that was called, as the error's context knows it: `temperance fit`."""
    context = getattr(error, "ctx", None)
    return getattr(context, "command_path", None) or "temperance"
