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


def count_clusters(
    record: R,
    logits: NDArray[Any],
    labels: NDArray[np.intp],
    weights: Array | None,
    clusters: NDArray[np.intp],
) -> R:
    """Return the record with errors that count clusters, 0..m-1, each a draw of its own.

    The sandwich formula (Liang and Zeger 1986): slopes of the loss are added up within a cluster
    before they are squared; so they are in the score test. Where clusters have several rows the
    square is G / (G - 1) times as large, and the interval takes Student's t of G - 1 degrees of
    freedom, with G = (sum w)^2 / sum w^2 their effective number.
    """
    weights = None if weights is None else in_effective_rows(weights)  # as the fit has taken them
    beta = 1.0 / record.temperature
    of_cluster, likelihood = cluster_slopes(logits, labels, weights, clusters, beta=beta)
    curvature = likelihood + record.prior / beta**2
    degrees = _degrees_of_freedom(weights, clusters)
    few = 1.0 if degrees is None else sqrt((degrees + 1.0) / degrees) if degrees > 0.0 else inf
    error = few * sqrt(float(of_cluster @ of_cluster)) / curvature
    if record.prior > 0.0:
        error = max(error, 1.0 / sqrt(curvature))
    return replace(
        record,
        standard_error=record.temperature**2 * error,
        expected_regret=0.5 * error**2 * likelihood / record.weight if error < inf else None,
        score_test=score_test_of_clusters(logits, labels, weights, clusters),
        degrees_of_freedom=degrees,
    )


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
) -> tuple[Array, float]:
    """Return the sum of the slopes in beta of each cluster, and that of all curvatures."""
    of_cluster = np.zeros(int(clusters.max()) + 1)
    curvature = 0.0
    for rows in row_blocks(logits):
        slope, variance = temperature_scores(beta * as_float64(logits[rows]), labels[rows])
        w = np.ones(len(slope)) if weights is None else weights[rows]
        of_cluster += np.bincount(clusters[rows], w * slope / beta, len(of_cluster))
        curvature += float(w @ variance) / beta**2
    return of_cluster, curvature
