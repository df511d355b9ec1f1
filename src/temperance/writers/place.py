"""The place of a file: whether it can be written, and writing it all or not at all."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import secrets
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from temperance.errors import InvalidInputError
from temperance.file_formats import FILE_FORMATS, file_suffix, format_of, missing_package
from temperance.printable import as_json_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

__all__ = ["check_writable", "replacing", "write_json", "write_text"]

_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path that takes the place of `path` if the block succeeds.

    The temporary file, `.temperance-*.tmp`, lies in the same directory; no reader takes it for
    rows. If the block fails or is interrupted it is deleted, and `path` stays as it was. What is
    replaced keeps its mode, and its owner and group where the system allows it; a new file has the
    mode that the process gives (umask).

    Parameters
    ----------
    path : path-like
        The file to write. A symbolic link is followed, not replaced.

    Yields
    ------
    Path
        An empty file to write to.

    Raises
    ------
    InvalidInputError
        `path` cannot be written, or the disk is full.
    """
    check_writable(path)
    with _explaining(path):
        target = Path(path).resolve()
        replaced = target.stat() if target.exists() else None
    temporary = target.with_name(f".temperance-{secrets.token_hex(8)}.tmp")
    private = 0o600  # until it is whole and has the mode of what it replaces
    try:
        with _explaining(path):
            mode = 0o666 if replaced is None else private
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
        with _explaining(path, only=_DISK_ERRORS):
            yield temporary
        with _explaining(path):
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            if replaced is not None:
                _make_alike(temporary, replaced)
            temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a file of text, in UTF-8, whole or not at all (see `replacing`)."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike[str], content: Mapping[str, Any], *, arguments: str) -> None:
    """Write an object, whole or not at all; `arguments` names the arguments that hold its values.

    Raises
    ------
    InvalidInputError
        The file cannot be written, or a value is none of JSON's.
    """
    try:
        text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        msg = f"{arguments} must hold what JSON can: {error}."
        raise InvalidInputError(msg) from error
    write_text(path, as_json_text(text) + "\n")


def check_writable(path: str | os.PathLike[str], suffixes: Collection[str] | None = None) -> None:
    """Raise now what writing to `path` would raise later; create nothing.

    Parameters
    ----------
    path : path-like
        The file to write.
    suffixes : collection of str, optional
        The suffixes it may have; any if not given.

    Raises
    ------
    InvalidInputError
        The suffix is another one, the directory is missing or not writable, or `path` is a
        directory, a device or write-protected.
    MissingDependencyError
        The format needs a package that is not installed.
    """
    if not isinstance(path, str | os.PathLike) or isinstance(os.fspath(path), bytes):
        msg = f"`path` must be text or a Path, got {path!r}."
        raise InvalidInputError(msg)
    file = Path(path)
    if suffixes is not None and file_suffix(file) not in suffixes:
        allowed = suffixes if isinstance(suffixes, tuple) else sorted(suffixes)
        raise _refusal(path, f"must have one of the suffixes {' '.join(allowed)}", "rename it")
    format_ = format_of(file)
    package = None if format_ is None else format_.package
    if package is not None and importlib.util.find_spec(package) is None:
        alike = (each for each in FILE_FORMATS if each.write and each.package == package)
        raise missing_package(alike, purpose="Writing")
    with _explaining(path):
        directory = file.resolve().parent
        if file.is_dir():
            raise _refusal(path, "must be a file, not a directory", "add a file name")
        if file.exists() and not file.is_file():
            raise _refusal(path, "must be a regular file", "give another path")
        if not directory.is_dir():
            raise _refusal(path, "must lie in a directory that exists", "create it first")
        if not os.access(directory, os.W_OK | os.X_OK):
            raise _refusal(path, "must lie in a directory you may write to", "give another path")
        if file.exists() and not os.access(file, os.W_OK):
            raise _refusal(path, "must not be write-protected", "give another path")


def _make_alike(file: Path, replaced: os.stat_result) -> None:
    """Give a file the mode of another, and its owner and group where that is allowed."""
    mode = stat.S_IMODE(replaced.st_mode) & 0o777
    if hasattr(os, "chown"):
        own = file.stat()
        if own.st_uid != replaced.st_uid:
            with suppress(PermissionError):
                os.chown(file, replaced.st_uid, -1)
        if own.st_gid != replaced.st_gid:
            try:
                os.chown(file, -1, replaced.st_gid)
            except PermissionError:  # another group may do no more than anybody
                mode = mode & ~0o070 | (mode & 0o007) << 3
    file.chmod(mode)


@contextmanager
def _explaining(
    path: str | os.PathLike[str], only: Collection[int] | None = None
) -> Iterator[None]:
    """Turn errors of the operating system, those numbered `only`, into ours."""
    try:
        yield
    except OSError as error:
        if only is not None and error.errno not in only:
            raise
        rule = f"cannot be written ({error.strerror or error})"
        raise _refusal(path, rule, "give another path") from error
    except ValueError as error:
        if only is not None or isinstance(error, InvalidInputError):
            raise
        what = "a NUL character" if "\0" in os.fspath(path) else "half characters"
        raise _refusal(path, f"must not hold {what}", "give another path") from error


def _refusal(path: str | os.PathLike[str], rule: str, way_out: str) -> InvalidInputError:
    return InvalidInputError(f"The file to write {rule}, got '{os.fspath(path)}'; {way_out}.")
