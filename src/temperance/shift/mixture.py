"""The most likely class frequencies of unlabelled rows: a concave problem on the simplex.

Symbols: p = probabilities, pi = class frequencies where p is calibrated, q = those looked for,
rho = q / pi, m = p . rho (by how much a row is more likely under q), w = weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.blocks import map_rows
from temperance.sums import MergeableSums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["MOST_CLASSES", "MixtureFit", "MixtureSums", "fit_mixture", "mixture_sums"]

MOST_CLASSES = 2_000  # the curvature has k^2 numbers; beyond, EM alone and no standard errors
_MOST_STEPS = 1_000  # Newton takes 3 to 10
_LAST_STEP = 1e-9  # Newton's last step: it leaves an error of its square
_GAP = 1e-14  # nats per row: rounding
_GAP_OF_EM = 1e-9
_PROXIMAL = 1e-9  # of the mean curvature: keeps what the rows do not tell where it is


@dataclass(frozen=True, slots=True)
class MixtureSums(MergeableSums):
    """Sums over rows of the log likelihood of q and its derivatives in rho."""

    weight: float  # sum w
    value: float  # sum w log m
    slope: Array  # sum w p / m, (k,)
    curvature: Array  # sum w p p' / m^2, (k, k); empty where not asked for
    squared_weight: float  # sum w^2
    squared_slope: Array  # sum w^2 p / m, (k,)
    squared_curvature: Array  # sum w^2 p p' / m^2, (k, k); empty where not asked for


@dataclass(frozen=True, slots=True, eq=False)
class MixtureFit:
    """Class frequencies at the maximum; the sums are those at the maximum."""

    priors: Array  # q, (k,)
    sums: MixtureSums
    passes: int
    gap: float  # the mean log likelihood is at most this far below its maximum


def mixture_sums(
    probs: Array, weights: Array | None, ratio: Array, *, curvature: bool = True
) -> MixtureSums:
    """Return the sums over all rows at rho = `ratio`."""

    def kernel(block: Array, w: Array | None) -> MixtureSums:
        w = np.ones(len(block)) if w is None else w
        likelihood = block @ ratio
        with np.errstate(divide="ignore", invalid="ignore"):
            value = float(w @ np.log(likelihood))
            score = block / likelihood[:, None]
        none = np.zeros((0, 0))
        return MixtureSums(
            weight=float(w.sum()),
            value=value,
            slope=w @ score,
            curvature=(score.T * w) @ score if curvature else none,
            squared_weight=float(w @ w),
            squared_slope=(w * w) @ score,
            squared_curvature=(score.T * (w * w)) @ score if curvature else none,
        )

    return map_rows(kernel, probs, weights)


def fit_mixture(probs: Array, priors: Array, weights: Array | None) -> MixtureFit:
    r"""Return the q that maximises :math:`\sum_i w_i \log \sum_k p_{ik} q_k / \pi_k`.

    The first step is EM's. Then each step maximises the quadratic approximation under q >= 0
    (a non-negative least-squares problem of k numbers) and is halved until it gains: the sum
    of q may be left free, because :math:`L(q) - \sum_k q_k` has its maximum where the sum is 1.

    Notes
    -----
    L is concave, so its maximum over the simplex is at most :math:`\max_k \partial_k L - 1`
    above L(q): the gap that is returned certifies the result.

    References
    ----------
    Saerens, Latinne and Decaestecker (2002), Adjusting the Outputs of a Classifier to New a
    Priori Probabilities, Neural Computation 14, https://doi.org/10.1162/089976602753284446
    Kim, Carbonetto, Stephens and Anitescu (2020), A Fast Algorithm for Maximum Likelihood
    Estimation of Mixture Proportions, https://doi.org/10.1080/10618600.2019.1689985 (the steps).
    """
    newton = len(priors) <= MOST_CLASSES
    sums, passes = mixture_sums(probs, weights, np.ones(len(priors)), curvature=newton), 1
    q = priors * (sums.slope / sums.weight / priors)  # EM
    for _ in range(_MOST_STEPS):
        sums = mixture_sums(probs, weights, q / priors, curvature=newton)
        passes += 1
        slope = sums.slope / sums.weight / priors
        if slope.max() - 1.0 <= (_GAP if newton else _GAP_OF_EM):
            break
        if not newton:
            q = q * slope
            continue
        target = _quadratic_maximum(q, slope, sums.curvature / sums.weight, priors)
        move = target - q
        if np.abs(move).max() <= _LAST_STEP:
            q = target / target.sum()
            break
        q, trials = _gaining_step(probs, weights, priors, q, move, sums, slope)
        passes += trials
    sums = mixture_sums(probs, weights, q / priors, curvature=newton)
    gap = max(float((sums.slope / sums.weight / priors).max()) - 1.0, 0.0)
    return MixtureFit(q, sums, passes + 1, gap)


def _quadratic_maximum(q: Array, slope: Array, curvature: Array, priors: Array) -> Array:
    """Maximise slope . x - sum x - (x - q)' H (x - q) / 2 over x >= 0."""
    from scipy.linalg import cholesky, solve_triangular  # noqa: PLC0415
    from scipy.optimize import nnls  # noqa: PLC0415

    hessian = curvature / np.outer(priors, priors)
    units = np.sqrt(hessian.diagonal())
    units = np.where(units > 0.0, units, 1.0)
    scaled = hessian / np.outer(units, units) + _PROXIMAL * np.eye(len(q))
    right = (slope - 1.0 + hessian @ q) / units + _PROXIMAL * q * units
    root = cholesky(scaled)  # upper: scaled = root' root
    x: Array = nnls(root, solve_triangular(root, right, trans="T"))[0]
    return x / units


def _gaining_step(
    probs: Array,
    weights: Array | None,
    priors: Array,
    q: Array,
    move: Array,
    sums: MixtureSums,
    slope: Array,
) -> tuple[Array, int]:
    """Return q after as much of the move as gains what its slope promises, and the passes."""
    promised = float((slope - 1.0) @ move)
    share, trials = 1.0, 0
    start = sums.value / sums.weight - q.sum()
    while share > 1e-10:
        at = q + share * move
        value: Any = mixture_sums(probs, weights, at / priors, curvature=False)
        trials += 1
        if value.value / value.weight - at.sum() >= start + 1e-4 * share * promised:
            break
        share *= 0.5
    else:  # rounding hides the gain: EM's step never loses
        at = q * slope
    return at, trials
