"""How errors of a fitted calibrator reach estimated class frequencies (delta method)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.blocks import map_rows
from temperance.calibrators import BiasCorrectedTemperatureScaling, TemperatureScaling
from temperance.kernels.affine import CurvatureSums, curvature_sums
from temperance.numerics import as_float64, softmax
from temperance.shift.source_errors import SourceErrors
from temperance.sums import MergeableSums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.calibrators import Training
    from temperance.shift.mixture import MixtureFit

    Array = NDArray[np.float64]

__all__ = ["Fitted", "source_errors"]

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
    there: NDArray[np.bool_],
    fit: MixtureFit,
) -> SourceErrors:
    r"""Return the errors of an estimate whose calibrator was fitted on the source rows.

    `new` are the logits, probabilities and weights of the new rows; the fit is of the classes that
    are `there`.

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
    of_new = _of_new(new, source_priors, there, fit)

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
        u, t = u[:, there], t[:, there]
        return _Products(u.T @ u, u.T @ t, t.T @ t)

    found = map_rows(products, *data)
    return SourceErrors(found.frequencies, found.cross, found.calibrator)


def _bias(calibrator: Fitted, k: int) -> Array:
    if isinstance(calibrator, BiasCorrectedTemperatureScaling):
        return calibrator.bias
    return np.zeros(k)


def _inverse(hessian: Array, calibrator: Fitted) -> Array:
    """Return the inverse Hessian, of 1 / T alone where there are no biases."""
    if isinstance(calibrator, BiasCorrectedTemperatureScaling):
        return np.asarray(np.linalg.pinv(hessian, hermitian=True))
    inverse = np.zeros_like(hessian)
    inverse[0, 0] = 1.0 / hessian[0, 0]
    return inverse


def _of_new(
    new: tuple[NDArray[Any], Array, Array | None],
    source_priors: Array,
    there: NDArray[np.bool_],
    fit: MixtureFit,
) -> Array:
    """Return the derivative of the mean of p / m over new rows, (k, 1 + k)."""
    ratio = np.zeros(len(there))
    ratio[there] = fit.priors / source_priors[there]
    by_bias = np.zeros((len(there), len(there)))
    mean = fit.sums.slope / fit.sums.weight
    information = fit.sums.curvature / fit.sums.weight
    by_bias[np.ix_(there, there)] = np.diag(mean) - information * ratio[there]
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
    centred = z - z.max(axis=1, keepdims=True)
    return np.where(np.isneginf(centred), 0.0, centred)
