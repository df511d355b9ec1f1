"""What the tokens shown at one place say of those that are not: their mass, and a bound."""

from __future__ import annotations

from math import exp, isnan, log, nan
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from temperance.errors import FileFormatError
from temperance.readers.llm.probabilities import decimals

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from temperance.readers.llm.node import Node

__all__ = ["ShownToken", "check_mass", "most_unseen"]

_TOLERANCE = 1e-3  # of a sum, as for all probabilities; of coarser numbers what follows
_HALF, _BRAIN = 5e-3, 2e-2  # of log-probabilities in float16 and in bfloat16
_SINGLE = 2.0**-21  # a sum of float32 numbers this close to 1 leaves nothing that can be told
_DOUBLE = 2.0**-48


class ShownToken(NamedTuple):
    """A token with its log-probability; nan where that is null or stands for impossible."""

    token: str  # as the server writes it
    text: str  # what it says
    log_prob: float
    written: str  # the log-probability as it stands in the file


def check_mass(shown: Sequence[ShownToken], node: Node) -> None:
    """Raise where the probabilities sum to more than 1, and not by rounding."""
    values = _known(shown)
    total = sum(map(exp, values))
    if total <= 1.0 + _TOLERANCE:
        return
    tolerance = _tolerance(values, total)
    if total > 1.0 + tolerance:
        msg = (
            f"`{node.path}`: the probabilities shown must sum to at most 1 (within "
            f"{tolerance:.3g}), but sum to {total:.4g}. Is a token listed twice, or are these not "
            "log-probabilities of one softmax?"
        )
        raise FileFormatError(msg)


def most_unseen(
    listed: Sequence[ShownToken], sampled: ShownToken | None, token: str, counts: Counter[str]
) -> float:
    """Return the largest log-probability that a token not shown can have; nan if nothing tells.

    It is at most the smallest one listed, and at most what all that are shown leave. The sampled
    token does not count as the smallest where others are listed: a server may list it before or
    behind the likeliest, however unlikely it is. Where the sum is 1 to the last digits, nothing
    can be told from what is left: of float32 numbers it is rounding, and a server that samples
    with top_p cuts the rest and divides by the sum. Where one token alone has it all, what others
    can have is that rounding.
    """
    values = _known(listed)
    if not values:
        return nan
    smallest = min(values)
    others = _known([each for each in listed if each.token != token])
    if others and smallest < min(others):
        smallest = min(others)
    known = values if sampled is None else [*values, *_known([sampled])]
    left = 1.0 - sum(map(exp, known))
    rounding = _DOUBLE if _in_double(known) else _SINGLE
    if left <= rounding:
        if 1.0 - exp(max(known)) <= rounding:
            return min(smallest, log(rounding))
        counts["without mass left"] += 1
        return smallest
    return min(smallest, log(left))


def _known(tokens: Sequence[ShownToken]) -> list[float]:
    return [each.log_prob for each in tokens if not isnan(each.log_prob)]


def _tolerance(values: Sequence[float], total: float) -> float:
    """Return how far from the truth rounding can have moved a sum."""
    single = np.array(values, dtype=np.float32)
    if not (single.view(np.uint32) & 0xFFFF).any() and (single == values).all():
        return _BRAIN
    if (single.astype(np.float16) == values).all():
        return _HALF
    count = decimals(values)
    return max(_TOLERANCE, 0.0 if count is None else 0.5 * total * 10.0**-count)


def _in_double(values: Sequence[float]) -> bool:
    """Whether a number has more digits than a float32 holds or is written with."""
    return any(
        float(np.float32(value)) != value and float(f"{value:.9g}") != value for value in values
    )
