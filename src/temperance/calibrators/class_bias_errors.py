"""How sure the biases of a bias-corrected temperature are: the sandwich of the joint fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from temperance.blocks import one_thread_each
from temperance.kernels.affine import CurvatureSums, affine_row_scores, curvature_sums
from temperance.numerics import as_float64, row_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.calibrators.bias_corrected_temperature import BiasCorrectedTemperatureScaling
    from temperance.calibrators.training import Training

__all__ = ["class_bias_errors"]


def class_bias_errors(
    scaling: BiasCorrectedTemperatureScaling,
    rows: Training,
    clusters: NDArray[np.intp] | None = None,
) -> NDArray[np.float64]:
    """Return the standard error of each bias, (k,), of a fit on these very rows.

    The temperature is not taken as known: the errors are those of the joint fit. They are of
    biases that sum to 0, so that of two classes both are the same. With `clusters`, numbers
    0..m-1, scores are added up within each before they are squared. A prior is not looked at
    where the scores scatter, only where the loss bends.
    """
    at = {"linear": np.array(1.0 / scaling.temperature), "bias": np.asarray(scaling.bias)}
    k = len(scaling.bias)
    sums: CurvatureSums | None = None
    squares = np.zeros(k + 1)
    of_cluster = None if clusters is None else np.zeros((int(clusters.max()) + 1, k + 1))
    with one_thread_each():
        for block in row_blocks(rows.logits):
            x, y, w = as_float64(rows.logits[block]), rows.labels[block], rows.weights
            own = curvature_sums(x, y, None if w is None else w[block], **at)
            sums = own if sums is None else sums.merge(own)
        assert sums is not None  # noqa: S101  (a fit has rows)
        inverse = np.linalg.inv(sums.matrix + _bend_of_prior(scaling))
        for block in row_blocks(rows.logits):
            x, y, w = as_float64(rows.logits[block]), rows.labels[block], rows.weights
            moved = affine_row_scores(x, y, None if w is None else w[block], **at) @ inverse
            if clusters is None or of_cluster is None:
                squares += np.einsum("ij,ij->j", moved, moved)
            else:
                np.add.at(of_cluster, clusters[block], moved)
    if of_cluster is not None:
        squares = np.einsum("ij,ij->j", of_cluster, of_cluster)
    return np.sqrt(squares[1:])


def _bend_of_prior(scaling: BiasCorrectedTemperatureScaling) -> NDArray[np.float64]:
    prior = 0.0 if scaling.record is None else scaling.record.prior
    return np.asarray(prior * np.diag([scaling.temperature**2, *np.ones(len(scaling.bias))]))
