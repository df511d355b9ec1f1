"""What every reader of a caller's blocks does: take one apart, and name it in an error."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from temperance.checks.arrays import rows_from
from temperance.checks.numbers import value_text
from temperance.errors import InvalidInputError
from temperance.pages import owned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

__all__ = ["block_parts", "cut", "may_be_reused", "naming_block", "opened"]


def block_parts(block: Any, *, scores: str, weighed: bool | None) -> tuple[Any, Any, Any]:  # noqa: ANN401
    """Return scores, labels and weights (or None); `weighed`: whether blocks before had weights."""
    if not isinstance(block, tuple | list) or len(block) not in (2, 3):
        what = type(block).__name__
        msg = f"a block must be ({scores}, labels) or ({scores}, labels, weights), got {what}."
        raise InvalidInputError(msg)
    given, labels, weights = (*block, None)[:3]
    if weighed not in (None, weights is not None):
        msg = "some blocks have weights and some have none; all need them, or none."
        raise InvalidInputError(msg)
    return given, labels, weights


def opened(blocks: Iterable[Any] | Callable[[], Iterable[Any]]) -> Iterable[Any]:
    """Return blocks to iterate over; a function is asked for them."""
    given = blocks() if callable(blocks) and not isinstance(blocks, type) else blocks
    wrong = isinstance(given, str | bytes | type) or getattr(given, "ndim", 1) == 0
    if wrong or not isinstance(given, Iterable):
        msg = (
            "`blocks` must be an iterable of (scores, labels) or (scores, labels, weights), or a "
            f"function that returns one, got {value_text(given)}."
        )
        raise InvalidInputError(msg)
    return given


def may_be_reused(blocks: Any) -> bool:  # noqa: ANN401  (the caller's)
    """Whether the arrays of a block may hold other rows once the next block is taken.

    Those of a list lie beside each other; a generator may fill one array again and again
    (`buffer[:] = ...; yield buffer, labels`), and threads still work on its last blocks.
    """
    return not isinstance(blocks, Sequence)


def cut(array: NDArray[Any], rows: slice, *, copied: bool) -> NDArray[Any]:
    """Return some rows of a block, in memory of their own where asked."""
    return owned(array[rows]) if copied else array[rows]


@contextmanager
def naming_block(number: int, first: int) -> Iterator[None]:
    """Put a block's number, and that of its first row, before the message of bad input."""
    try:
        with rows_from(first):
            yield
    except InvalidInputError as error:
        msg = f"Block {number} (from row {first} on): {error}"
        raise InvalidInputError(msg) from error
