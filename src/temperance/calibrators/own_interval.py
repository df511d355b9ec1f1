"""How sure the temperature of one part of the data is, by its own rows alone."""

from __future__ import annotations

from math import exp, inf, log, sqrt
from typing import TYPE_CHECKING

import numpy as np

from temperance.calibrators.clusters import cluster_slopes
from temperance.numerics import normal_quantile, t_quantile

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from temperance.calibrators.training import Training

__all__ = ["own_interval"]

_LEVEL = 0.95
_FARTHEST = log(1e6)  # a factor of T beyond which an end counts as endless
_NEAR = 1e-5  # of log T
_NARROW = 0.05  # of log T to either end: below, the curve is as good as a straight line


def own_interval(
    rows: Training,
    *,
    about: float,
    optimum: bool,
    clusters: NDArray[np.intp] | None = None,
) -> tuple[float, float] | None:
    r"""Return the temperatures that the rows do not speak against at 95 %: low and high end.

    `about` is a temperature: with `optimum` the best one of these rows, else any sensible one.
    The low end is 0 where the rows allow any small T (all of them right), the high end infinite
    where they allow any large one (larger logits go with no more hits). None where one cluster
    holds all rows.

    Notes
    -----
    Inverts the score test: with :math:`g_i` and :math:`v_i` the slope and the curvature of the
    loss of a row in :math:`\beta = 1 / T`, those :math:`\beta` at which
    :math:`(\sum w_i g_i)^2 \le q^2 c \sum w_i^2 v_i` (within .05 of log T of the optimum a straight
    line stands for the curve: q standard errors). The model's own variance is multiplied by
    c = :math:`\sum w_i^2 g_i^2 / \sum w_i^2 v_i` at `about`, never below 1: what fifty rows show
    by chance is no reason to be surer than the model allows. q is the quantile of a normal
    distribution. For m clusters q is that of t with m - 1 degrees of freedom, and c is multiplied
    by m / (m - 1) and by how much larger the sum of squares of the clusters' slopes is than that of
    the rows'. Such an interval needs no optimum.
    """
    quantile, together = normal_quantile(_LEVEL), 1.0
    if clusters is not None:
        m = _count(clusters, rows.weights)
        if m < 2:
            return None
        quantile = t_quantile(_LEVEL, m - 1)
        together = _together(rows, clusters, beta=1.0 / about) * m / (m - 1)
    at = rows.loss_pass((1.0 / about,)).at[0]
    excess = at.squared_slope / at.model_variance if at.model_variance > 0.0 else 1.0
    reach = quantile * sqrt(max(max(excess, 1.0) * together, 1.0))
    half = 0.5
    if optimum and at.curvature > 0.0:
        half = reach * sqrt(at.model_variance) / at.curvature * about
        if half < _NARROW:
            return about * exp(-half), about * exp(half)

    def against(log_t: float) -> tuple[float, float]:
        """Return the slope in beta and how far it may be from 0."""
        sums = rows.loss_pass((exp(-log_t) / about,)).at[0]
        return sums.slope, reach * sqrt(sums.model_variance)

    def too_low(log_t: float) -> float:  # falls as T rises: > 0 is a T too small
        slope, limit = against(log_t)
        return slope - limit

    def too_high(log_t: float) -> float:  # > 0 is a T too large
        slope, limit = against(log_t)
        return -slope - limit

    low = _end(too_low, -1.0, first=half if optimum else None)
    high = _end(too_high, 1.0, first=half if optimum else None)
    return (
        0.0 if low is None else about * exp(low),
        inf if high is None else about * exp(high),
    )


def _end(excess: Callable[[float], float], side: float, *, first: float | None) -> float | None:
    """Return where `excess` becomes positive towards this side; None if nowhere.

    It is negative at 0, and `first` is about where it changes its sign; without, the search begins
    at the far other side.
    """
    from scipy.optimize import brentq  # noqa: PLC0415  (only for groups)

    if first is not None:
        near, far = 0.0, 1.3 * first
        while far < _FARTHEST and excess(side * far) <= 0.0:
            near, far = far, 2.0 * far
        far = min(far, _FARTHEST)
    else:
        near, far = -_FARTHEST, _FARTHEST
        if excess(side * near) > 0.0:
            return side * near
    if excess(side * far) <= 0.0:
        return None
    return side * float(brentq(lambda x: excess(side * x), near, far, xtol=_NEAR))


def _count(clusters: NDArray[np.intp], weights: NDArray[np.float64] | None) -> int:
    return len(np.unique(clusters if weights is None else clusters[weights > 0.0]))


def _together(rows: Training, clusters: NDArray[np.intp], *, beta: float) -> float:
    """Return the sum of squared slopes of clusters over that of single rows."""
    single = np.arange(rows.n)
    numbers = np.unique(clusters, return_inverse=True)[1]
    of_cluster, of_row = (
        cluster_slopes(rows.logits, rows.labels, rows.weights, each, beta=beta)[0]
        for each in (numbers, single)
    )
    squares = float(of_row @ of_row)
    return float(of_cluster @ of_cluster) / squares if squares > 0.0 else 1.0
