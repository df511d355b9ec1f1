"""How sure estimated class frequencies are, at the edge of the simplex too."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, nan
from typing import TYPE_CHECKING

import numpy as np

from temperance.errors import InvalidInputError
from temperance.numerics import normal_quantile
from temperance.shift.frequency_curves import (
    FrequencyCurves,
    exact_fall,
    frequency_curves,
    quadratic_fall,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.shift.mixture import MixtureFit
    from temperance.shift.source_errors import SourceErrors

    Array = NDArray[np.float64]

__all__ = ["PriorErrors", "prior_errors"]

_SINGULAR = 1e-10  # smallest over largest eigenvalue of scaled information that tells something
_NEAR = 5.0  # standard errors from 0 or 1 below which the likelihood is followed, not its curvature
_MOST_WORK = 1e9  # rows * classes * classes near an end: beyond, the quadratic one is followed


@dataclass(frozen=True, slots=True, eq=False)
class PriorErrors:
    """Variances of estimated class frequencies, (k,), and likelihoods of those near 0 or 1.

    `variance` of a frequency on the boundary is what it would be if the class were free to move.
    """

    variance: Array  # infinite where the rows tell nothing
    on_boundary: NDArray[np.bool_]
    curves: FrequencyCurves

    @property
    def standard_errors(self) -> Array:
        """Standard error of each frequency; nan where the estimate is 0 or 1 or nothing known."""
        known = np.isfinite(self.variance) & ~self.on_boundary
        return np.sqrt(np.where(known, self.variance, nan))

    def interval(self, priors: Array, level: float) -> Array:
        """Return low and high ends, (k, 2), within [0, 1].

        Normal in the interior; near 0 and 1 from the likelihood (`FrequencyCurves.ends`).
        """
        if not 0.0 < level < 1.0:
            msg = f"`level` must lie strictly between 0 and 1, got {level}."
            raise InvalidInputError(msg)
        half = normal_quantile(level) * np.sqrt(self.variance)
        ends = np.stack([priors - half, priors + half], axis=1)
        ends[self.curves.classes] = self.curves.ends(level)
        return np.asarray(ends.clip(0.0, 1.0))


@dataclass(frozen=True, slots=True, eq=False)
class _Around:
    """The quadratic approximation about a class's frequency, some classes held at 0."""

    variance: float  # of the estimate, source and calibrator with it
    own: float  # of a normal likelihood of these rows alone
    path: Array  # (k,): how all frequencies move where this one moves by 1


def prior_errors(
    fit: MixtureFit,
    source_priors: Array,
    probs: Array,
    weights: Array | None,
    source: SourceErrors | None,
) -> PriorErrors:
    r"""Return the errors of a fit, from the observed information.

    Notes
    -----
    At the maximum, the mean of r = p / m is pi for every class with q > 0. With the information
    H = mean of :math:`r r' / \pi \pi'`, B its inverse on vectors that sum to 0, S the covariance
    of the mean of r, and :math:`A = B \, \mathrm{diag}(1 / \pi)`, the covariance of q is
    :math:`A S A'`; where pi is a mean over source rows, that of :math:`G u + A t` is added, with
    :math:`G = B H \, \mathrm{diag}(q / \pi) - A \, \mathrm{diag}(\bar r / \pi)` and u, t as in
    `SourceErrors`.
    """
    q, sums, k = fit.priors, fit.sums, len(fit.priors)
    boundary = (q <= 0.0) | (q >= 1.0)
    if not sums.curvature.size:  # too many classes for a matrix
        return PriorErrors(np.full(k, inf), boundary, _no_curves())
    around = _all_around(fit, source_priors, source)
    variance = np.array([each.variance for each in around])
    effective_rows = sums.weight**2 / sums.squared_weight
    slope = effective_rows * np.where(q > 0.0, 0.0, sums.slope / sums.weight / source_priors - 1.0)
    slope = np.where(q >= 1.0, -slope[q <= 0.0].max(initial=-inf), slope.clip(None, 0.0))
    near = boundary | (np.minimum(q, 1.0 - q) < _NEAR * np.sqrt(variance))
    own = np.array([each.own for each in around])
    near &= np.isfinite(slope) & (np.isfinite(own) | (slope != 0.0))
    classes = np.flatnonzero(near)
    own = own[classes]
    root = np.sqrt(slope[classes] ** 2 + 4.0 / own) + np.abs(slope[classes])
    if len(probs) * k * len(classes) <= _MOST_WORK:
        paths = np.array([around[c].path for c in classes]).reshape(-1, k)
        fall = exact_fall(probs, weights, fit, source_priors, classes, paths)
    else:
        fall = quadratic_fall(q[classes], slope[classes], own)
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = np.where(np.isfinite(own), own / variance[classes], 1.0).clip(None, 1.0)
    curves = frequency_curves(classes, q[classes], 4.0 / root, scale, fall)
    return PriorErrors(variance, boundary, curves)


def _no_curves() -> FrequencyCurves:
    return FrequencyCurves(np.zeros(0, dtype=np.intp), np.zeros((0, 1)), np.zeros((0, 1)))


def _all_around(
    fit: MixtureFit, source_priors: Array, source: SourceErrors | None
) -> list[_Around]:
    """Return what is known about each class: of those at 0, if they were free to move."""
    free = fit.priors > 0.0
    found = _around(fit, free, source_priors, source)
    per_row = fit.sums.slope / fit.sums.weight / source_priors
    around = []
    for k, q in enumerate(fit.priors):
        with_it = free.copy()
        if q >= 1.0:  # what it loses goes to the class that the rows speak least against
            with_it[np.where(free, -inf, per_row).argmax()] = True
        with_it[k] = True
        own = found if (with_it == free).all() else _around(fit, with_it, source_priors, source)
        around.append(own[k])
    return around


def _around(
    fit: MixtureFit, of: NDArray[np.bool_], source_priors: Array, source: SourceErrors | None
) -> dict[int, _Around]:
    """Of the classes `of`, the others held at 0, by number."""
    sums, both, classes = fit.sums, np.ix_(of, of), np.flatnonzero(of)
    pi, q = source_priors[of], fit.priors[of]
    information = sums.curvature[both] / sums.weight / np.outer(pi, pi)
    inverse = _inverse(information, int(q.argmax()))
    if inverse is None:
        return {int(c): _Around(inf, inf, _in_proportion(fit.priors, c)) for c in classes}
    mean = sums.slope[of] / sums.weight
    cross = np.outer(mean, sums.squared_slope[of])
    spread = sums.squared_curvature[both] - cross - cross.T
    spread += sums.squared_weight * np.outer(mean, mean)
    of_mean = inverse / pi
    covariance = of_mean @ (spread / sums.weight**2) @ of_mean.T
    if source is not None:
        of_source = inverse @ information * (q / pi) - of_mean * (mean / pi)
        covariance += source.covariance(of_source, of_mean, of)
    own = inverse * (sums.squared_weight / sums.weight**2)  # of a quadratic likelihood
    variances = np.maximum(covariance.diagonal(), 0.0)
    around = {}
    for i, c in enumerate(classes):
        path = _in_proportion(fit.priors, c)
        if own[i, i] > 0.0:
            path = np.zeros(len(fit.priors))
            path[of] = own[:, i] / own[i, i]
        around[int(c)] = _Around(float(variances[i]), max(float(own[i, i]), 0.0) or inf, path)
    return around


def _in_proportion(q: Array, c: np.intp) -> Array:
    """Return the path on which the other classes keep their proportions."""
    others = np.where(np.arange(len(q)) == c, 0.0, q)
    path: Array = -others / max(float(others.sum()), 1e-300)
    path[c] = 1.0
    return path


def _inverse(information: Array, largest: int) -> Array | None:
    """Inverse on the vectors that sum to 0; None if it is singular there to rounding.

    Their basis is what one class gains and the `largest` one loses.
    """
    k = len(information)
    basis = np.delete(np.eye(k), largest, axis=1)
    basis[largest] = -1.0
    inside = basis.T @ information @ basis
    parts = np.delete(information.diagonal(), largest) + information[largest, largest]
    units = np.sqrt(inside.diagonal().clip(0.0))
    if not (units**2 > _SINGULAR * parts).all():
        return None
    eigenvalues, vectors = np.linalg.eigh(inside / np.outer(units, units))
    if k > 1 and eigenvalues[0] <= _SINGULAR * eigenvalues[-1]:
        return None
    found = (vectors / eigenvalues) @ vectors.T / np.outer(units, units)
    return np.asarray(basis @ found @ basis.T)
