"""Map a kernel over blocks of rows and merge what comes back; report progress on the way."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from functools import reduce
from typing import TYPE_CHECKING, Any, TypeVar

from temperance.numerics import row_blocks
from temperance.sums import MergeableSums

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

__all__ = ["map_rows", "reporting"]

S = TypeVar("S", bound=MergeableSums)
_on_rows: ContextVar[Callable[[int], None] | None] = ContextVar("_on_rows", default=None)


def map_rows(kernel: Callable[..., S], scores: NDArray[Any], *per_row: NDArray[Any] | None) -> S:
    """Return the merged `kernel(block of scores, block of each per-row array)`; None stays None.

    All arrays share their first axis, of length >= 1. Only one block at a time is read and
    converted, so a memory-mapped array is never in memory as a whole.
    """

    def sums() -> Iterator[S]:
        for rows in row_blocks(scores):
            others = (None if array is None else array[rows] for array in per_row)
            yield kernel(scores[rows], *others)
            if (report := _on_rows.get()) is not None:
                report(rows.stop - rows.start)

    return reduce(lambda left, right: left.merge(right), sums())


@contextmanager
def reporting(on_rows: Callable[[int], None]) -> Iterator[None]:
    """Call `on_rows(number of rows done)` after each block mapped inside the `with`."""
    token = _on_rows.set(on_rows)
    try:
        yield
    finally:
        _on_rows.reset(token)
