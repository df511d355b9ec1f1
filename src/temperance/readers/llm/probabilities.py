"""Probabilities as servers write them: rounded to some decimals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.errors import FileFormatError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from temperance.readers.llm.node import Node

__all__ = ["check_sum", "decimals"]

_TOLERANCE = 1e-3
_MOST = 8  # decimals of a rounded number; more are those of the arithmetic
_LEAST = 2


def decimals(values: Sequence[float]) -> int | None:
    """Return the decimals that all of the values have; None if they are not rounded."""
    for count in range(_LEAST, _MOST + 1):
        if all(round(value, count) == value for value in values):
            return count
    return None


def check_sum(values: Sequence[float], node: Node) -> None:
    """Raise unless probabilities sum to 1, within what the rounding of each can make."""
    count = decimals(values)
    rounding = 0.0 if count is None else 0.5 * len(values) * 10.0**-count
    total = sum(values)
    if abs(total - 1.0) > max(_TOLERANCE, rounding) + 1e-12:
        msg = f"`{node.path}` must sum to 1, but sums to {total:.6g}."
        raise FileFormatError(msg)
