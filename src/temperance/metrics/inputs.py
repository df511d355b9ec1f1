"""The arguments that every measure takes, checked once, and what they derive per row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from temperance.checks import as_labels, as_probs, as_weights
from temperance.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Predictions"]


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Checked probabilities with their labels and weights; at least one row."""

    probs: NDArray[np.float64]  # (n, k)
    labels: NDArray[np.intp]  # (n,)
    weights: NDArray[np.float64] | None  # (n,)

    @classmethod
    def check(cls, probs: ArrayLike, labels: ArrayLike, weights: ArrayLike | None) -> Self:
        """Return the arguments as arrays, or raise InvalidInputError."""
        p = as_probs(probs)
        n, k = p.shape
        if n == 0:
            msg = "`probs` must have at least one row: nothing can be measured on none."
            raise InvalidInputError(msg)
        return cls(p, as_labels(labels, n=n, k=k), as_weights(weights, n=n))

    @property
    def confidence(self) -> NDArray[np.float64]:
        """Largest probability of each row, in [1/k, 1]."""
        return np.asarray(self.probs.max(axis=1))

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether the (first) most probable class is the true one."""
        return np.asarray(self.probs.argmax(axis=1) == self.labels)

    @property
    def of_label(self) -> NDArray[np.float64]:
        """Probability of each row's true class."""
        return self.probs[np.arange(len(self.labels)), self.labels]
