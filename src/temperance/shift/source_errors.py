"""What chance among the source rows, and in a calibrator fitted on them, does to the estimate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from temperance.frozen import Frozen

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["SourceErrors", "mean_covariance"]


@dataclass(frozen=True, slots=True, eq=False)
class SourceErrors(Frozen):
    """Covariances (k, k) of u and t, both sums over source rows.

    u is the error of the source's class frequencies, t that of the mean of p / m over the new rows
    (as in `prior_errors`), where the calibrator behind p was fitted on the source; else t is 0.
    """

    frequencies: Array  # of u
    cross: Array | None = None  # of u and t; None where t is 0
    calibrator: Array | None = None  # of t

    def variances(self, of_u: Array, of_t: Array) -> Array:
        """Return the variance of each row of `of_u` u + `of_t` t."""
        found = ((of_u @ self.frequencies) * of_u).sum(axis=1)
        if self.cross is not None and self.calibrator is not None:
            found += 2.0 * ((of_u @ self.cross) * of_t).sum(axis=1)
            found += ((of_t @ self.calibrator) * of_t).sum(axis=1)
        return np.asarray(found)


def mean_covariance(values: Array, weights: Array | None) -> Array:
    """Return the covariance matrix (k, k) of the weighted mean of the rows of `values`."""
    w = np.ones(len(values)) if weights is None else weights
    away = values - w @ values / w.sum()
    return np.asarray((away.T * (w * w)) @ away / w.sum() ** 2)
