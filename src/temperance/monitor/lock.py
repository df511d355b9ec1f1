"""A lock between processes: of a file, let go when the process that holds it ends, however."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["lock_of"]


def lock_of(path: Path, *, wait: float) -> ExitStack:
    """Return the lock of a file, taken; to be used in `with`, at the end of which it is let go.

    Raises
    ------
    sqlite3.Error
        Another process holds it for longer than `wait` seconds ("locked"), or no file can be
        written there.
    """
    with ExitStack() as stack:
        lock = sqlite3.connect(path, timeout=wait, isolation_level=None)
        stack.callback(lock.close)
        lock.execute("BEGIN EXCLUSIVE")
        return stack.pop_all()
