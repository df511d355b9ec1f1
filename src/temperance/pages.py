"""Who owns the memory of a block: a file whose pages are let go, or a caller who reuses it."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["let_go", "owned"]

_DO_NOT_NEED = getattr(mmap, "MADV_DONTNEED", None)  # not on every system


def let_go(block: NDArray[Any]) -> None:
    """Take the pages of a block out of this process; the system may keep them in its cache.

    Else a file that is read from beginning to end would count as memory of the process. Of anything
    but a read-only map of a file, whose pages can be had again, nothing happens.
    """
    owner = _map_of(block)
    if _DO_NOT_NEED is None or owner is None:
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


def owned(values: NDArray[Any]) -> NDArray[Any]:
    """Return a copy, which nobody can write to; a read-only map of a file as it is."""
    return values if _map_of(values) is not None else values.copy()


def _map_of(block: NDArray[Any]) -> Any:  # noqa: ANN401  (np.memmap[Any, Any])
    """Return the read-only map of a file that a block lies in, or None."""
    owner: Any = block
    while isinstance(owner, np.ndarray) and not isinstance(owner, np.memmap):
        owner = owner.base
    return owner if isinstance(owner, np.memmap) and owner.mode == "r" else None


def _address(array: NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])
