"""What of the log loss a temperature removes, and what it leaves."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from temperance.calibrators import TemperatureScaling, Training, out_of_fold_logits
from temperance.errors import NoOptimumError
from temperance.frozen import Plain
from temperance.metrics.estimates import Estimate, gap_estimate, score_estimate
from temperance.metrics.implied import implied_scores, paired_gaps
from temperance.metrics.inputs import Predictions
from temperance.sums import MeanSums

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["RefinementSplit", "refinement_split"]


@dataclass(frozen=True, slots=True)
class RefinementSplit(Plain):
    """A mean log loss = refinement + calibration, in nats, each with a 95 % interval.

    Both by out-of-fold temperature scaling: every row is scored by a temperature that never saw
    its label.
    """

    refinement: Estimate  # >= 0: the log loss that a temperature leaves; a richer map may less
    calibration: Estimate  # what the temperature removes; below 0 = there is nothing to gain
    temperature: float  # fitted on all rows


def refinement_split(rows: Predictions, *, seed: int = 0) -> RefinementSplit | None:
    r"""Split the log loss by cross-fitted temperature scaling.

    `seed` draws the folds. None where a true class has probability 0: the log loss is infinite
    before and after. Where plain fits have no optimum (few rows, all right), a prior of one
    pseudo-row on T = 1 helps.

    Notes
    -----
    Calibration = L(p) - L(g(p)), refinement = L(g(p)), with g fitted out of fold: a lower bound
    on the true calibration error of the log loss, since one temperature is not every map.

    References
    ----------
    Berta, Bach and Jordan (2025), Rethinking Early Stopping: Refine, Then Calibrate,
    https://arxiv.org/abs/2501.19195
    """
    if np.isinf(rows.log_loss).any():
        return None
    for prior in (0.0, 1.0):
        try:
            fitted, scaled = _cross_fitted(rows, prior, seed)
        except NoOptimumError:
            continue
        after = Predictions.from_logits(scaled, rows.labels, rows.weights, rows.clusters)
        losses = after.log_loss[:, None]
        sums = MeanSums.of(losses, rows.weights, rows.clusters)
        return RefinementSplit(
            refinement=score_estimate(sums, 0, implied_scores(after, losses), 0, highest=inf),
            calibration=gap_estimate(paired_gaps(rows, after), 0),
            temperature=fitted.temperature,
        )
    return None


def _cross_fitted(
    rows: Predictions, prior: float, seed: int
) -> tuple[TemperatureScaling, NDArray[np.float64]]:
    training = Training(
        rows.logits, rows.labels, rows.weights, clusters=rows.clusters, prior=prior
    ).require_learnable(zeros=False)
    scaled = out_of_fold_logits(training, TemperatureScaling.from_rows, seed=seed)
    return TemperatureScaling.from_rows(training), scaled
