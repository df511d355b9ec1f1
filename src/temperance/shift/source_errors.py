"""What chance among the source rows, and in a calibrator fitted on them, does to the estimate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["SourceErrors", "mean_covariance"]


@dataclass(frozen=True, slots=True, eq=False)
class SourceErrors:
    """Covariances (k, k) of u and t, both sums over source rows.

    u is the error of the source's class frequencies, t that of the mean of p / m over the new rows
    (as in `prior_errors`), where the calibrator behind p was fitted on the source; else t is 0.
    """

    frequencies: Array  # of u
    cross: Array | None = None  # of u and t; None where t is 0
    calibrator: Array | None = None  # of t

    def covariance(self, of_u: Array, of_t: Array, classes: NDArray[np.bool_]) -> Array:
        """Return the covariance of `of_u` u + `of_t` t, of some classes."""
        both = np.ix_(classes, classes)
        found = of_u @ self.frequencies[both] @ of_u.T
        if self.cross is not None and self.calibrator is not None:
            mixed = of_u @ self.cross[both] @ of_t.T
            found += mixed + mixed.T + of_t @ self.calibrator[both] @ of_t.T
        return np.asarray(found)


def mean_covariance(values: Array, weights: Array | None) -> Array:
    """Return the covariance matrix (k, k) of the weighted mean of the rows of `values`."""
    w = np.ones(len(values)) if weights is None else weights
    away = values - w @ values / w.sum()
    return np.asarray((away.T * (w * w)) @ away / w.sum() ** 2)
