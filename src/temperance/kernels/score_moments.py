"""Mean, variance and fourth central moment of scores under the probabilities of each row.

A score is what a class costs: its log loss, its probability, or by how much two models differ in
these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["CompiledMoments", "RowScores"]


class RowScores(NamedTuple):
    """What the softmax p of each of n rows of logits z is, without p itself."""

    largest: Array  # (n,): max z
    total: Array  # (n,): sum of exp(z - max z), in [1, k]
    predicted: NDArray[np.intp]  # (n,): the first class of the largest logit
    n_top: NDArray[np.intp]  # (n,): how many classes have it
    of_logits: Array  # (3, n): mean, variance and fourth central moment of z - max z under p
    of_probs: Array  # (3, n): the same of p


class CompiledMoments(Protocol):
    """What is compiled: moments from logits, of which no probability is written down."""

    def row_scores(self, logits: NDArray[Any]) -> RowScores:
        """Return what the softmax of each row of logits, (n, k), is."""

    def own_moments(self, logits: Array, largest: Array, confidence: Array) -> Array:
        """Return the moments of z - max z and of p, (2, 3, n), where p = exp(z - max z) max p."""

    def gap_moments(
        self,
        logits: tuple[Array, Array],
        largest: tuple[Array, Array],
        confidence: tuple[Array, Array],
    ) -> Array:
        """Return the moments of what two models differ in, (2, 2, 3, n), under each of the two.

        First of log q - log p, by which the log loss of p is larger, then of q - p; p is of the
        first model, q of the second.
        """
