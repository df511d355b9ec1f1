"""How sure estimated class frequencies are, at the edge of the simplex too."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, nan
from typing import TYPE_CHECKING

import numpy as np

from temperance.checks.numbers import as_level
from temperance.frozen import Frozen
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
class PriorErrors(Frozen):
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
        level = as_level(level, name="level")
        half = normal_quantile(level) * np.sqrt(self.variance)
        ends = np.stack([priors - half, priors + half], axis=1)
        ends[self.curves.classes] = self.curves.ends(level)
        return np.asarray(ends.clip(0.0, 1.0))


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
    `SourceErrors`. Row k of B is that of the class k and those with q > 0, free to move.
    """
    q, sums, k = fit.priors, fit.sums, len(fit.priors)
    boundary = (q <= 0.0) | (q >= 1.0)
    if not sums.curvature.size:  # too many classes for a matrix
        return PriorErrors(np.full(k, inf), boundary, _no_curves())
    mean = sums.slope / sums.weight
    information = sums.curvature / sums.weight / np.outer(source_priors, source_priors)
    rows = _rows_of_inverse(information, q, mean / source_priors)
    known = np.isfinite(rows).all(axis=1)
    variance = np.full(k, inf)
    of_mean = rows[known] / source_priors
    variance[known] = ((of_mean @ _spread(fit)) * of_mean).sum(axis=1)
    if source is not None:
        ratio = q / source_priors
        of_source = rows[known] @ information * ratio - of_mean * (mean / source_priors)
        variance[known] += source.variances(of_source, of_mean)
    variance = variance.clip(0.0)
    curves = _curves(fit, source_priors, probs, weights, rows, variance)
    return PriorErrors(variance, boundary, curves)


def _curves(
    fit: MixtureFit,
    source_priors: Array,
    probs: Array,
    weights: Array | None,
    rows: Array,
    variance: Array,
) -> FrequencyCurves:
    """Return the likelihood of the classes near 0 or 1, where these rows tell anything."""
    q, k, sums = fit.priors, len(fit.priors), fit.sums
    effective_rows = sums.weight**2 / sums.squared_weight
    own = np.where(np.isfinite(variance), rows.diagonal(), 0.0) / effective_rows
    own = np.where(own > 0.0, own, inf)  # variance of a normal likelihood of these rows alone
    slope = effective_rows * np.where(q > 0.0, 0.0, sums.slope / sums.weight / source_priors - 1.0)
    slope = np.where(q >= 1.0, -slope[q <= 0.0].max(initial=-inf), slope.clip(None, 0.0))
    near = (q <= 0.0) | (np.minimum(q, 1.0 - q) <= _NEAR * np.sqrt(variance))
    near &= np.isfinite(slope) & (np.isfinite(own) | (slope != 0.0))
    classes = np.flatnonzero(near)
    if not len(classes):
        return _no_curves()
    own, slope, variance, at = own[near], slope[near], variance[near], q[near]
    reach = 4.0 / (np.sqrt(slope**2 + 4.0 / own) + np.abs(slope))
    if len(probs) * k * len(classes) <= _MOST_WORK:
        paths = np.array([_path(q, c, rows[c]) for c in classes])
        fall = exact_fall(probs, weights, fit, source_priors, classes, paths)
    else:
        fall = quadratic_fall(at, slope, own)
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = np.where(np.isfinite(own), own / variance, 1.0).clip(None, 1.0)
    return frequency_curves(classes, at, reach, scale, fall)


def _no_curves() -> FrequencyCurves:
    return FrequencyCurves(np.zeros(0, dtype=np.intp), np.zeros((0, 1)), np.zeros((0, 1)))


def _spread(fit: MixtureFit) -> Array:
    """Return the covariance of the mean of p / m, (k, k)."""
    sums = fit.sums
    mean = sums.slope / sums.weight
    cross = np.outer(mean, sums.squared_slope)
    spread = sums.squared_curvature - cross - cross.T + sums.squared_weight * np.outer(mean, mean)
    return np.asarray(spread / sums.weight**2)


def _rows_of_inverse(information: Array, q: Array, per_row: Array) -> Array:
    """Return rows of the inverse on vectors that sum to 0, (k, k); nan where nothing is known.

    A class at 0 joins those above it by itself, what it gains being lost as they lose least: a
    matrix of one class more is not inverted anew. What a class at 1 loses goes to the class that
    the rows speak least against.
    """
    free, largest = q > 0.0, int(q.argmax())
    rows = np.full(information.shape, np.nan)
    inside = _inverse(information[np.ix_(free, free)], int(q[free].argmax()))
    if inside is None:
        return rows
    whole = np.zeros_like(information)
    whole[np.ix_(free, free)] = inside
    rows[free] = whole[free]
    at_zero = np.flatnonzero(~free)
    moves = np.zeros((len(q), len(at_zero)))
    moves[at_zero, np.arange(len(at_zero))], moves[largest] = 1.0, -1.0
    pulled = information @ moves
    moves -= whole @ pulled
    bends = (moves * pulled).sum(axis=0)
    seen = bends > _SINGULAR * (information.diagonal()[at_zero] + information[largest, largest])
    rows[at_zero[seen]] = (moves / np.where(seen, bends, 1.0))[:, seen].T
    if free.sum() == 1 and len(at_zero):
        rows[largest] = -rows[at_zero[per_row[at_zero].argmax()]]
    return rows


def _path(q: Array, c: np.intp, row: Array) -> Array:
    """Return how all frequencies move where that of class c moves by 1."""
    if np.isfinite(row).all() and row[c] > 0.0:
        return np.asarray(row / row[c])
    others = np.where(np.arange(len(q)) == c, 0.0, q)  # in proportion: nothing is known
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
