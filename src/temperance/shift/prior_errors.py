"""How sure estimated class frequencies are, at the edge of the simplex too."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, nan
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.blocks import map_rows
from temperance.calibrators import BiasCorrectedTemperatureScaling, TemperatureScaling
from temperance.checks.arguments import as_level
from temperance.frozen import Frozen
from temperance.kernels.affine import CurvatureSums, curvature_sums
from temperance.numerics import as_float64, centred_rows, normal_quantile, softmax
from temperance.sums import MergeableSums

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from temperance.calibrators import Training
    from temperance.shift.mixture import MixtureFit

    Array = NDArray[np.float64]

__all__ = [
    "Fitted",
    "PriorErrors",
    "SourceErrors",
    "mean_covariance",
    "prior_errors",
    "source_errors",
]

# What chance among the source rows, and in a calibrator fitted on them, does to the estimate.


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
        variance = ((of_u @ self.frequencies) * of_u).sum(axis=1)
        if self.cross is not None and self.calibrator is not None:
            variance += 2.0 * ((of_u @ self.cross) * of_t).sum(axis=1)
            variance += ((of_t @ self.calibrator) * of_t).sum(axis=1)
        return np.asarray(variance)


def mean_covariance(values: Array, weights: Array | None) -> Array:
    """Return the covariance matrix (k, k) of the weighted mean of the rows of `values`."""
    w = np.ones(len(values)) if weights is None else weights
    away = values - w @ values / w.sum()
    return np.asarray((away.T * (w * w)) @ away / w.sum() ** 2)


# How errors of a fitted calibrator reach estimated class frequencies (delta method).


Fitted = BiasCorrectedTemperatureScaling | TemperatureScaling


@dataclass(frozen=True, slots=True, eq=False)
class _Products(MergeableSums):
    """Sums over source rows of products of what each adds to the errors u and t."""

    frequencies: Array
    cross: Array
    calibrator: Array


@dataclass(frozen=True, slots=True, eq=False)
class _Slope(MergeableSums):
    total: Array  # (k,)


def source_errors(
    rows: Training,
    calibrator: Fitted,
    source_priors: Array,
    new: tuple[NDArray[Any], Array, Array | None],
    present: NDArray[np.bool_],
    fit: MixtureFit,
) -> SourceErrors:
    r"""Return the errors of an estimate whose calibrator was fitted on the source rows.

    `new` are the logits, probabilities and weights of the new rows; the fit is of the classes that
    are `present`.

    Notes
    -----
    A source row moves the parameters (1 / T, then the biases) by v = w H^-1 s, with its score s
    and the Hessian H of the summed loss. So it moves pi by u = w (p - pi) / W + P v, P = dpi/dv
    over source rows, and the mean of p / m over new rows by t = R v. With
    :math:`\tilde p_l = q_l p_l / (\pi_l m)` (p, corrected) and r = p / m, R has the columns
    mean of :math:`r_k (z_k - \sum_l \tilde p_l z_l)` and of :math:`r_k (1[k = j] - \tilde p_j)`.
    """
    beta, bias = np.array(1.0 / calibrator.temperature), _bias(calibrator, rows.k)

    def of_block(logits: NDArray[Any], labels: NDArray[np.intp], w: Array | None) -> CurvatureSums:
        return curvature_sums(as_float64(logits), labels, w, linear=beta, bias=bias)

    data = (rows.logits, rows.labels, rows.weights)
    curvature = map_rows(of_block, *data)
    inverse = _inverse(curvature.matrix, calibrator)
    of_source = np.column_stack([curvature.cross, np.diag(curvature.p) - curvature.overlap])
    of_source /= rows.weight
    of_new = _of_new(new, source_priors, present, fit)

    def products(logits: NDArray[Any], labels: NDArray[np.intp], w: Array | None) -> _Products:
        z = as_float64(logits)
        p = softmax(calibrator.scaled(z))
        score = -p
        score[np.arange(len(p)), labels] += 1.0
        scores = np.column_stack([np.einsum("ij,ij->i", score, _finite(z)), score])
        weight = np.ones(len(p)) if w is None else w
        v = weight[:, None] * scores @ inverse
        u = (weight / rows.weight)[:, None] * (p - source_priors) + v @ of_source.T
        t = v @ of_new.T
        u, t = u[:, present], t[:, present]
        return _Products(u.T @ u, u.T @ t, t.T @ t)

    sums = map_rows(products, *data)
    return SourceErrors(sums.frequencies, sums.cross, sums.calibrator)


def _bias(calibrator: Fitted, k: int) -> Array:
    return np.zeros(k) if calibrator.parts.class_bias is None else calibrator.parts.class_bias


def _inverse(hessian: Array, calibrator: Fitted) -> Array:
    """Return the inverse Hessian, of 1 / T alone where there are no biases."""
    if calibrator.parts.class_bias is not None:
        return np.asarray(np.linalg.pinv(hessian, hermitian=True))
    inverse = np.zeros_like(hessian)
    inverse[0, 0] = 1.0 / hessian[0, 0]
    return inverse


def _of_new(
    new: tuple[NDArray[Any], Array, Array | None],
    source_priors: Array,
    present: NDArray[np.bool_],
    fit: MixtureFit,
) -> Array:
    """Return the derivative of the mean of p / m over new rows, (k, 1 + k)."""
    ratio = np.zeros(len(present))
    ratio[present] = fit.priors / source_priors[present]
    by_bias = np.zeros((len(present), len(present)))
    mean = fit.sums.slope / fit.sums.weight
    information = fit.sums.curvature / fit.sums.weight
    by_bias[np.ix_(present, present)] = np.diag(mean) - information * ratio[present]
    return np.column_stack([_by_beta(*new, ratio) / fit.sums.weight, by_bias])


def _by_beta(logits: NDArray[Any], probs: Array, weights: Array | None, ratio: Array) -> Array:
    """Sum over new rows of the derivative of p / m in 1 / T, (k,)."""

    def kernel(p: Array, block: NDArray[Any], w: Array | None) -> _Slope:
        z = _finite(as_float64(block))
        relative = p / (p @ ratio)[:, None]
        relative *= z - np.einsum("ij,ij->i", relative * ratio, z)[:, None]
        return _Slope(relative.sum(axis=0) if w is None else w @ relative)

    return map_rows(kernel, probs, logits, weights).total


def _finite(z: Array) -> Array:
    """Logits less each row's largest, 0 where an option does not exist."""
    centred = centred_rows(z)
    return np.where(np.isneginf(centred), 0.0, centred)


# How far the likelihood falls as one class's frequency moves, and the interval that follows.


_FAR = 14.0  # nats: the curve is followed until it has fallen this far
_DOUBLINGS = 2.0 ** np.arange(-1, 7)
_POINTS = 32  # on either side of the estimate
_DEEP = 1e3  # nats: as good as never


@dataclass(frozen=True, slots=True, eq=False)
class FrequencyCurves(Frozen):
    """Of some classes, the log likelihood along a path through each one's frequency."""

    classes: NDArray[np.intp]  # (c,)
    at: Array  # frequencies, (c, g), not falling
    fall: Array  # nats below the maximum, (c, g), >= 0

    def ends(self, level: float) -> Array:
        """Return low and high ends, (c, 2).

        Where the likelihood ratio has fallen as far as a normal one at its end, and no nearer than
        where the share of the likelihood beyond is (1 - level) / 2: that is further out where
        the fall is exponential, as it is of a class that no row shows.
        """
        drop = 0.5 * normal_quantile(level) ** 2
        tail = 0.5 * (1.0 - level)
        return np.array(
            [_ends(x, fall, drop, tail) for x, fall in zip(self.at, self.fall, strict=True)]
        ).reshape(-1, 2)


@dataclass(frozen=True, slots=True, eq=False)
class _LogSums(MergeableSums):
    total: Array  # sum w log m, one number per vector of frequencies


def frequency_curves(
    classes: NDArray[np.intp],
    estimate: Array,
    reach: Array,
    scale: Array,
    fall: Callable[[Array], Array],
) -> FrequencyCurves:
    """Return the curves of `classes`, whose estimates are `estimate`, (c,).

    `reach` is about how far the log likelihood takes to fall by 2, `fall(at)` gives nats of (c, g)
    frequencies, and `scale` (c,) turns these into what counts, where more than these rows is
    uncertain.
    """

    def far(side: float) -> Array:
        """Return where the fall to this side has become large, (c,), within an eighth."""
        at = (estimate[:, None] + side * reach[:, None] * np.r_[0.0, _DOUBLINGS]).clip(0.0, 1.0)
        for _ in range(2):
            over = fall(at) * scale[:, None] >= _FAR
            reached = over.any(axis=1)
            last = np.where(reached, over.argmax(axis=1), at.shape[1] - 1)
            near = np.where(reached, last - 1, last)
            ends = np.take_along_axis(at, np.stack([near, last], axis=1), axis=1)
            at = ends[:, :1] + (ends[:, 1:] - ends[:, :1]) * np.linspace(0.0, 1.0, 9)
        return ends[:, 1]

    low, high = far(-1.0), far(1.0)
    shares = np.linspace(0.0, 1.0, _POINTS + 1)
    left = low[:, None] + (estimate - low)[:, None] * shares
    right = estimate[:, None] + (high - estimate)[:, None] * shares[1:]
    at = np.concatenate([left, right], axis=1)
    fallen = fall(at) * scale[:, None]
    fallen[:, _POINTS] = 0.0
    return FrequencyCurves(classes, at, fallen.clip(0.0, _DEEP))


def exact_fall(
    probs: Array,
    weights: Array | None,
    fit: MixtureFit,
    source: Array,
    classes: NDArray[np.intp],
    paths: Array,
) -> Callable[[Array], Array]:
    """Return the fall of the log likelihood along `paths`, (c, k), one of each class.

    On a path the class moves by 1 and the others as they would on the ridge of the quadratic
    approximation; those that would fall below 0 stay there, and all are divided by their sum.
    """
    effective = fit.sums.weight / fit.sums.squared_weight
    rows, own = np.arange(len(classes))[:, None], classes[:, None]

    def fall(at: Array) -> Array:
        others = fit.priors + (at - fit.priors[own])[:, :, None] * paths[:, None, :]
        others = others.clip(0.0)
        others[rows, np.arange(at.shape[1]), own] = 0.0
        sums = others.sum(axis=2)
        empty = sums <= 0.0  # only where the class itself has all there is
        others *= np.where(empty, 0.0, (1.0 - at) / np.where(empty, 1.0, sums))[:, :, None]
        others[rows, np.arange(at.shape[1]), own] = np.where(empty, 1.0, at)
        ratio = (others / source).reshape(-1, len(source)).T

        def kernel(block: Array, w: Array | None) -> _LogSums:
            with np.errstate(divide="ignore"):
                logs = np.log(block @ ratio)
            return _LogSums(logs.sum(axis=0) if w is None else w @ logs)

        total = map_rows(kernel, probs, weights).total.reshape(at.shape)
        return np.asarray(effective * (fit.sums.value - total))

    return fall


def quadratic_fall(estimate: Array, slope: Array, variance: Array) -> Callable[[Array], Array]:
    """Return the fall of the quadratic approximation, for data too large for the exact one."""

    def fall(at: Array) -> Array:
        away = at - estimate[:, None]
        return np.asarray(away * away / (2.0 * variance[:, None]) - slope[:, None] * away)

    return fall


def _ends(x: Array, fall: Array, drop: float, tail: float) -> tuple[float, float]:
    """Low and high end of one curve."""
    peak = int(fall.argmin())
    density = np.exp(-fall)
    share = np.concatenate([[0.0], np.cumsum(np.diff(x) * (density[1:] + density[:-1]) / 2.0)])
    share /= share[-1] if share[-1] > 0.0 else 1.0
    low = _crossing(x[peak::-1], fall[peak::-1], drop, least=0.0)
    high = _crossing(x[peak:], fall[peak:], drop, least=1.0)
    if share[-1] > 0.0:
        low = min(low, float(np.interp(tail, share, x)))
        high = max(high, float(np.interp(1.0 - tail, share, x)))
    return low, high


def _crossing(x: Array, fall: Array, drop: float, *, least: float) -> float:
    """Where a curve, from its peak outwards, has fallen by `drop`; `least` if nowhere."""
    fallen = np.maximum.accumulate(fall)
    return least if fallen[-1] < drop else float(np.interp(drop, fallen, x))


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
        has_variance = np.isfinite(self.variance) & ~self.on_boundary
        return np.sqrt(np.where(has_variance, self.variance, nan))

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
    determined = np.isfinite(rows).all(axis=1)
    variance = np.full(k, inf)
    of_mean = rows[determined] / source_priors
    variance[determined] = ((of_mean @ _spread(fit)) * of_mean).sum(axis=1)
    if source is not None:
        ratio = q / source_priors
        of_source = rows[determined] @ information * ratio - of_mean * (mean / source_priors)
        variance[determined] += source.variances(of_source, of_mean)
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
    inside = _free_inverse(information[np.ix_(free, free)], int(q[free].argmax()))
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
    bounded = bends > _SINGULAR * (information.diagonal()[at_zero] + information[largest, largest])
    rows[at_zero[bounded]] = (moves / np.where(bounded, bends, 1.0))[:, bounded].T
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


def _free_inverse(information: Array, largest: int) -> Array | None:
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
    inverse = (vectors / eigenvalues) @ vectors.T / np.outer(units, units)
    return np.asarray(basis @ inverse @ basis.T)
