"""How sure estimated class frequencies are, at the edge of the simplex too."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, nan, sqrt
from typing import TYPE_CHECKING

import numpy as np

from temperance.errors import InvalidInputError
from temperance.numerics import normal_quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.shift.mixture import MixtureFit

    Array = NDArray[np.float64]

__all__ = ["PriorErrors", "mean_covariance", "prior_errors"]

_SINGULAR = 1e-10  # smallest over largest eigenvalue of scaled information that tells something


@dataclass(frozen=True, slots=True, eq=False)
class PriorErrors:
    """Variances of estimated class frequencies, (k,), and where they are 0.

    `variance` of a frequency of 0 is what it would be if the class were free to move; `slope`
    is how fast the log likelihood falls there, in nats per unit of frequency (0 elsewhere).
    """

    variance: Array  # infinite where the rows tell nothing
    slope: Array  # <= 0
    on_boundary: NDArray[np.bool_]

    @property
    def standard_errors(self) -> Array:
        """Standard error of each frequency; nan where the estimate is 0 or nothing is known."""
        known = np.isfinite(self.variance) & ~self.on_boundary
        return np.sqrt(np.where(known, self.variance, nan))

    def interval(self, priors: Array, level: float) -> Array:
        """Return low and high ends, (k, 2), within [0, 1].

        Normal in the interior. At 0: from 0 to where the quadratic log likelihood has fallen as
        far as at the end of a normal interval.
        """
        if not 0.0 < level < 1.0:
            msg = f"`level` must lie strictly between 0 and 1, got {level}."
            raise InvalidInputError(msg)
        quantile = normal_quantile(level)
        half = quantile * np.sqrt(self.variance)
        ends = np.stack([priors - half, priors + half], axis=1)
        for k in np.flatnonzero(self.on_boundary):
            root = sqrt(self.slope[k] ** 2 + quantile**2 / self.variance[k]) - self.slope[k]
            ends[k] = 0.0, quantile**2 / root if root > 0.0 else inf
        return np.asarray(ends.clip(0.0, 1.0))


def prior_errors(
    fit: MixtureFit, source_priors: Array, source_covariance: Array | None
) -> PriorErrors:
    r"""Return the errors of a fit, from the observed information.

    Notes
    -----
    At the maximum, :math:`\sum_i w_i p_{ik} / m_i = W \pi_k` for every class with q > 0. With
    J = mean of :math:`p p' / m^2` (the information), S the covariance of the mean of p / m, and
    :math:`A = \mathrm{diag}(\pi) J^{-1}`, the covariance of q is :math:`A S A'`; where pi is a
    mean over source rows with covariance C, :math:`G C G'` with
    :math:`G = \mathrm{diag}(q / \pi) - A` is added.
    """
    q, sums, k = fit.priors, fit.sums, len(fit.priors)
    free = q > 0.0
    slope = np.zeros(k)
    if not sums.curvature.size:  # too many classes for a matrix
        return PriorErrors(np.full(k, inf), slope, ~free)
    variance = np.empty(k)
    variance[free] = _variances(fit, free, source_priors, source_covariance)
    effective_rows = sums.weight**2 / sums.squared_weight
    per_row = sums.slope / sums.weight / source_priors - 1.0
    for at_zero in np.flatnonzero(~free):
        with_it = free.copy()
        with_it[at_zero] = True
        among = np.count_nonzero(with_it[:at_zero])
        variance[at_zero] = _variances(fit, with_it, source_priors, source_covariance)[among]
        slope[at_zero] = effective_rows * min(per_row[at_zero], 0.0)
    return PriorErrors(variance, slope, ~free)


def _variances(
    fit: MixtureFit, of: NDArray[np.bool_], source_priors: Array, source_covariance: Array | None
) -> Array:
    """Variances of the frequencies of some classes, the others held at 0."""
    sums, both = fit.sums, np.ix_(of, of)
    pi, ratio = source_priors[of], (fit.priors / source_priors)[of]
    inverse = _inverse(sums.curvature[both] / sums.weight)
    if inverse is None:
        return np.full(len(pi), inf)
    mean = sums.slope[of] / sums.weight
    cross = np.outer(mean, sums.squared_slope[of])
    spread = sums.squared_curvature[both] - cross - cross.T
    spread += sums.squared_weight * np.outer(mean, mean)
    to_q = pi[:, None] * inverse
    covariance = to_q @ (spread / sums.weight**2) @ to_q.T
    if source_covariance is not None:
        through_source = np.diag(ratio) - to_q
        covariance += through_source @ source_covariance[both] @ through_source.T
    return np.maximum(covariance.diagonal(), 0.0)


def mean_covariance(values: Array, weights: Array | None) -> Array:
    """Return the covariance matrix (k, k) of the weighted mean of the rows of `values`."""
    w = np.ones(len(values)) if weights is None else weights
    away = values - w @ values / w.sum()
    return np.asarray((away.T * (w * w)) @ away / w.sum() ** 2)


def _inverse(information: Array) -> Array | None:
    """Inverse of a symmetric matrix; None if it is singular to rounding."""
    units = np.sqrt(information.diagonal())
    if not (units > 0.0).all():
        return None
    scaled = information / np.outer(units, units)
    eigenvalues, vectors = np.linalg.eigh(scaled)
    if eigenvalues[0] <= _SINGULAR * eigenvalues[-1]:
        return None
    return np.asarray((vectors / eigenvalues) @ vectors.T / np.outer(units, units))
