"""Pages of memory-mapped files: read once, and let go."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["let_go"]

_DO_NOT_NEED = getattr(mmap, "MADV_DONTNEED", None)  # not on every system


def let_go(block: NDArray[Any]) -> None:
    """Take the pages of a block out of this process; the system may keep them in its cache.

    Else a file that is read from beginning to end would count as memory of the process. Of anything
    but a read-only map of a file, whose pages can be had again, nothing happens.
    """
    owner: Any = block
    while isinstance(owner, np.ndarray) and not isinstance(owner, np.memmap):
        owner = owner.base
    if _DO_NOT_NEED is None or not isinstance(owner, np.memmap) or owner.mode != "r":
        return
    pages: Any = owner.base
    while isinstance(pages, np.ndarray):
        pages = pages.base
    if not isinstance(pages, mmap.mmap) or not block.flags.c_contiguous:
        return
    start = _address(block) - _address(np.frombuffer(pages, dtype=np.uint8))
    first = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE
    last = (start + block.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE
    if last > first:
        pages.madvise(_DO_NOT_NEED, first, last - first)


def _address(array: NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])
