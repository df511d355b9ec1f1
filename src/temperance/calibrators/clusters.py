"""How sure a temperature is where rows belong together: errors that count clusters."""

from __future__ import annotations

from dataclasses import replace
from math import inf, sqrt
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from temperance.checks.weights import in_effective_rows
from temperance.kernels.joint import temperature_scores
from temperance.numerics import as_float64, row_blocks, two_sided_p
from temperance.significance import ScoreTest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.calibrators.record import TemperatureRecord

    Array = NDArray[np.float64]

__all__ = ["cluster_slopes", "count_clusters", "score_test_of_clusters"]

R = TypeVar("R", bound="TemperatureRecord")
_NOTHING_LEFT = 1e-12  # share of the curvature that is rounding


def count_clusters(
    record: R,
    logits: NDArray[Any],
    labels: NDArray[np.intp],
    weights: Array | None,
    clusters: NDArray[np.intp],
) -> R:
    r"""Return the record with errors that count clusters, 0..m-1, each a draw of its own.

    The sandwich formula (Liang and Zeger 1986): slopes of the loss are added up within a cluster
    before they are squared; so they are in the score test. Where clusters have several rows, the
    interval takes Student's t of G - 1 degrees of freedom, with G = (sum w)^2 / sum w^2 their
    effective number, and each cluster's slope stands for the one that it would have about the
    temperature of the *other* clusters.

    Notes
    -----
    With :math:`S_g` and :math:`V_g` the slope and the curvature in beta of cluster g, the squared
    error of beta is :math:`\sum_g (S_g / (1 - V_g / V))^2 / V^2`: to first order,
    :math:`S_g / (V - V_g)` is how far beta moves when g is left out (the jackknife; "CR3"). For
    equal clusters it is G / (G - 1) times the plain error. The fit bends towards each cluster,
    and the slopes of few clusters are skewed: the factor sqrt(G / (G - 1)) held the truth in .92
    of samples of 8 clusters where this holds it in .93 to .95.

    References
    ----------
    Bell and McCaffrey (2002), Bias Reduction in Standard Errors for Linear Regression with
    Multi-Stage Samples, Survey Methodology 28, 169-181
    """
    weights = None if weights is None else in_effective_rows(weights)  # as the fit has taken them
    beta = 1.0 / record.temperature
    slopes, curvatures = cluster_slopes(logits, labels, weights, clusters, beta=beta)
    likelihood = float(curvatures.sum())
    curvature = likelihood + record.prior / beta**2
    degrees = _degrees_of_freedom(weights, clusters)
    error = inf
    if degrees is None:
        error = sqrt(float(slopes @ slopes)) / curvature
    elif degrees > 0.0:
        error = _error_between(slopes, curvatures, curvature)
    if record.prior > 0.0:
        error = max(error, 1.0 / sqrt(curvature))
    return replace(
        record,
        standard_error=record.temperature**2 * error,
        expected_regret=0.5 * error**2 * likelihood / record.weight if error < inf else None,
        score_test=score_test_of_clusters(logits, labels, weights, clusters),
        degrees_of_freedom=degrees,
    )


def _error_between(slopes: Array, curvatures: Array, curvature: float) -> float:
    """Return the standard error of beta by the jackknife; infinite if one cluster is all."""
    left = 1.0 - curvatures / curvature  # what the others know
    if float(left.min()) <= _NOTHING_LEFT:
        return inf
    moved = slopes / left
    return sqrt(float(moved @ moved)) / curvature


def _degrees_of_freedom(weights: Array | None, clusters: NDArray[np.intp]) -> float | None:
    """Return the effective number of clusters less 1; None where each has but one row."""
    m = int(clusters.max()) + 1
    if m == len(clusters):
        return None
    of_cluster = np.bincount(clusters, weights, m)
    return float(of_cluster.sum() ** 2 / (of_cluster @ of_cluster)) - 1.0


def score_test_of_clusters(
    logits: NDArray[Any],
    labels: NDArray[np.intp],
    weights: Array | None,
    clusters: NDArray[np.intp],
) -> ScoreTest:
    """Return the test of T = 1 with clusters, not rows, as draws of their own."""
    of_cluster, _ = cluster_slopes(logits, labels, weights, clusters, beta=1.0)
    spread = sqrt(float(of_cluster @ of_cluster))
    score = float(of_cluster.sum()) / spread if spread > 0.0 else 0.0
    return ScoreTest(z=score, p_value=two_sided_p(score))


def cluster_slopes(
    logits: NDArray[Any],
    labels: NDArray[np.intp],
    weights: Array | None,
    clusters: NDArray[np.intp],
    *,
    beta: float,
) -> tuple[Array, Array]:
    """Return the sums of the slopes and of the curvatures in beta of each cluster, (m,) each."""
    m = int(clusters.max()) + 1
    slopes, curvatures = np.zeros(m), np.zeros(m)
    for rows in row_blocks(logits):
        slope, variance = temperature_scores(beta * as_float64(logits[rows]), labels[rows])
        w = np.ones(len(slope)) if weights is None else weights[rows]
        slopes += np.bincount(clusters[rows], w * slope / beta, m)
        curvatures += np.bincount(clusters[rows], w * variance / beta**2, m)
    return slopes, curvatures
