"""All n k probabilities in one set of bins: each row adds a vector of gaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from temperance.metrics.estimates import Draws
from temperance.sums import MergeableSums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.metrics.cells.class_sums import Binned
    from temperance.metrics.inputs import Predictions

    Array = NDArray[np.float64]

__all__ = ["FlattenedSums"]


@dataclass(frozen=True, slots=True, eq=False)
class FlattenedSums(MergeableSums):
    """Sums of each row's gaps g = q - e per bin, and of their covariances.

    q = the row's probability that lies in the bin, over classes; e = 1 in the bin of the true
    class's probability. The row's weight comes last in the sums of products.
    """

    degrees = {"products": 2, "null_covariance": 2}  # noqa: RUF012

    gap: Array  # (n_bins,): sum w g
    weight: float  # sum w
    products: Array  # (n_bins + 1, n_bins + 1): sum w^2 (g, 1)(g, 1)'
    null_covariance: Array  # (n_bins, n_bins): sum w^2 (diag q - q q')

    @classmethod
    def of(cls, rows: Predictions, binned: Binned) -> Self:
        """Return the sums of a block of rows."""
        n, n_bins = len(rows.labels), binned.n_bins
        w = np.ones(n) if rows.weights is None else rows.weights
        sums = np.bincount(binned.row * n_bins + binned.bins, binned.probability, n * n_bins)
        said = sums.astype(np.float64).reshape(n, n_bins)
        said[:, 0] += binned.low.sum(axis=1)
        weighted = w[:, None] * said
        gap: Array = np.append(said, np.ones((n, 1)), axis=1)
        gap[np.arange(n), binned.label_bin] -= 1.0
        gap *= w[:, None]
        null: Array = np.diag(w @ weighted) - weighted.T @ weighted
        return cls(gap[:, :-1].sum(axis=0), float(w.sum()), gap.T @ gap, null)

    def draws(self, k: int, n_resamples: int, doubt: float, *, seed: list[int]) -> Draws:
        """Return the error, and normal draws of it: sums of many rows are nearly normal."""
        rng = np.random.default_rng([*seed, 8])
        total = k * self.weight
        moved = _normal(self.products, n_resamples, rng)
        change = moved[:, :-1] - moved[:, -1:] * (self.gap / self.weight)  # of gap / weight
        null = _normal(self.null_covariance, n_resamples, rng)
        return Draws(
            float(np.abs(self.gap).sum()) / total,
            np.abs(self.gap + change).sum(axis=1) / total,
            np.abs(null).sum(axis=1) / total,
            doubt,
        )


def _normal(covariance: Array, n_draws: int, rng: np.random.Generator) -> Array:
    """Return normal vectors of mean 0: by the symmetric root, which rounding hardly moves."""
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return np.asarray(rng.standard_normal((n_draws, len(covariance))) @ root)
