"""Slopes of the log loss summed by cluster, and the test of T = 1 whose draws are clusters."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.kernels.affine import temperature_scores
from temperance.numerics import as_float64, row_blocks, two_sided_p
from temperance.significance import ScoreTest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["cluster_slopes", "score_test_of_clusters"]


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
