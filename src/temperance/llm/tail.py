r"""What the tokens that are not shown can hold after a temperature: bounds on a sum.

Symbols: p = a shown probability, b = 1 / T, tau = the smallest shown, m = 1 - sum of the shown,
V = size of the vocabulary, k = number of the shown, tail = :math:`\sum p^b` over the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from temperance.checks.arrays import such_rows
from temperance.checks.scores import sum_tolerance
from temperance.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.checks.shown_tokens import ShownTokens

    Array = NDArray[np.float64]

__all__ = ["Tail"]


@dataclass(frozen=True, slots=True, eq=False)
class Tail:
    """Of each row: what is known of the tokens that are not shown."""

    left: Array  # (n,): their probability m, as the numbers have it
    least: Array  # (n,): with its rounding, m is at least this
    most: Array  # (n,): and at most this
    smallest: Array  # (n,): log tau, which none of them exceeds
    others: Array  # (n,): V - k; infinite where V is unknown
    complete: NDArray[np.bool_]  # (n,): there are none

    @classmethod
    def of(cls, tokens: ShownTokens, vocabulary: NDArray[np.float64]) -> Self:
        """Return what the shown tokens leave; `vocabulary` is V of each row, infinite if unknown.

        Raises `InvalidInputError` where V - k tokens below tau could not hold what is left.
        """
        z, shown = tokens.logprobs, tokens.shown
        p = np.exp(z)
        count = shown.sum(axis=1)
        left = 1.0 - p.sum(axis=1)
        entropy = -(p * np.where(shown, z, 0.0)).sum(axis=1)
        # Where a row sums to more than 1, its rounding is at least as large as that.
        rounding = np.maximum(tokens.rounding * (1.0 + entropy), -left)
        smallest = np.where(shown, z, np.inf).min(axis=1)
        others = vocabulary - count
        complete = others == 0.0  # a sum of 1 does not say so: it hides 1e-7, or 1e-16, of many
        least = np.where(complete, 0.0, np.maximum(left - rounding, 0.0))
        most = np.where(complete, 0.0, np.maximum(left, 0.0) + rounding)
        room = np.where(others > 0.0, others, 0.0) * np.exp(smallest)
        _require_room(left, room, vocabulary, sum_tolerance(tokens.dtype))
        left = np.where(complete, 0.0, np.maximum(left, 0.0))
        return cls(left, np.minimum(least, room), most, smallest, others, complete)

    def log_sums(self, beta: float) -> tuple[Array, Array]:
        r"""Return the logarithms of the least and the most that the tail can be at b, (n,) each.

        For b < 1 :math:`m \tau^{b-1} \le tail \le (V-k)^{1-b} m^b`: the first because each
        p^b = p p^(b - 1) with p at most tau, the second by the power mean; reversed for b > 1.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            log_least, log_most = np.log(self.least), np.log(self.most)
            log_others = np.log(self.others)
            spread = np.where(self.complete, 0.0, (1.0 - beta) * log_others)
        narrow = (beta - 1.0) * self.smallest
        if beta < 1.0:
            return log_least + narrow, np.where(self.complete, -np.inf, spread + beta * log_most)
        if beta > 1.0:
            return np.where(self.complete, -np.inf, spread + beta * log_least), log_most + narrow
        with np.errstate(divide="ignore"):
            log_left = np.log(self.left)
        return log_left, log_left


def _require_room(left: Array, room: Array, vocabulary: Array, tolerance: float) -> None:
    full = left > room + tolerance
    if full.any():
        row = int(full.argmax())
        msg = (
            f"`logprobs` must be of the most likely tokens: row {row} leaves {left[row]:.4g} of "
            f"the probability to others of which none may exceed its smallest, and of a "
            f"`vocabulary` of {vocabulary[row]:.0f} they can hold {room[row]:.4g} at most "
            f"({such_rows(full)}). Is the vocabulary larger, or is a token shown "
            "that is not among the most likely, as the sampled one may be? Leave it out."
        )
        raise InvalidInputError(msg)
