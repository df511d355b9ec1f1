"""The one place where whatever goes wrong in a file becomes a `FileFormatError` of one line."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from temperance.errors import FileFormatError, InvalidInputError, MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["is_folder", "named", "quoted", "refusing", "require_file"]

_LONGEST_QUOTE = 40
_LONGEST_LIST = 20
_LONGEST_REASON = 300


@contextmanager
def refusing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn any exception into a `FileFormatError` that starts with `path`.

    Warnings are left to the program: their filters belong to the whole process, so that silencing
    them here would silence those of other threads.
    """
    if not isinstance(path, str | os.PathLike) or isinstance(os.fspath(path), bytes):
        msg = f"`path` must be text or a Path, got {quoted(path)}."
        raise InvalidInputError(msg)
    try:
        yield
    except (MissingDependencyError, InvalidInputError):
        raise
    except FileFormatError as error:
        raise _refusal(path, str(error)) from error
    except OSError as error:
        reason = error.strerror or str(error)[:_LONGEST_REASON]
        raise _refusal(path, f"cannot be read: {reason}.") from error
    except UnicodeDecodeError as error:
        byte = f"the byte {error.object[error.start]:#x}"
        raise _refusal(path, f"must be UTF-8 text, but holds {byte}; save it as UTF-8.") from error
    except Exception as error:  # parsers raise anything at all on damaged bytes
        reason = f"{type(error).__name__}: {str(error)[:_LONGEST_REASON]}".rstrip(" .:")
        text = f"is damaged or not in the format its name says ({reason})."
        raise _refusal(path, text) from error


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether files of a folder are meant, not one file."""
    with refusing(path):
        return Path(path).is_dir()


def require_file(path: Path) -> None:
    """Refuse what is no regular file (opening a pipe would wait for ever), and an empty one.

    Every reader of a file asks this before it opens it.
    """
    try:
        status = path.stat()
    except ValueError as error:
        nul = "\0" in str(path)
        msg = f"cannot be read: a path holds no {'NUL character' if nul else 'half characters'}."
        raise FileFormatError(msg) from error
    except FileNotFoundError as error:
        if str(path) != "-":
            raise
        msg = "standard input is not read: save it to a file first."
        raise FileFormatError(msg) from error
    if not stat.S_ISREG(status.st_mode):
        raise FileFormatError(_no_file(status.st_mode))
    if status.st_size == 0:
        msg = "is empty (0 bytes)."
        raise FileFormatError(msg)


def _no_file(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "must be a file, but is a directory."
    if stat.S_ISFIFO(mode):  # also of <(command) and of /dev/stdin
        return "must be a file, but is a pipe: save what it holds to a file first."
    return "must be a file, but is no regular file."


def quoted(value: object) -> str:
    """Show a value from a file: quoted, escaped, not too long."""
    text = repr(value[: _LONGEST_QUOTE + 1] if isinstance(value, str) else value)
    return text if len(text) <= _LONGEST_QUOTE + 2 else f"{text[:_LONGEST_QUOTE]}..."


def named(names: Iterable[str]) -> str:
    """Show a list of names from a file; "nothing" when there are none."""
    shown = [quoted(name) for name in names]
    more = len(shown) - _LONGEST_LIST
    tail = f" and {more} more" if more > 0 else ""
    return ", ".join(shown[:_LONGEST_LIST]) + tail or "nothing"


def _refusal(path: str | os.PathLike[str], reason: str) -> FileFormatError:
    """Make an error of one line that starts with the path."""
    return FileFormatError(f"{os.fspath(path)}: {' '.join(reason.split())}")
