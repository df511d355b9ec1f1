"""Rows calibrated by fits that have not seen them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from temperance.calibrators.training import Outputs
from temperance.crossfit import cross_fit

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from temperance.calibrators.calibrator import Calibrator
    from temperance.calibrators.training import Training

__all__ = ["calibrated_rows", "out_of_fold_logits"]


def out_of_fold_logits(
    rows: Training, learn: Callable[[Training], Calibrator], *, seed: int = 0
) -> NDArray[np.float64]:
    """Return each row's logits, (n, k), calibrated by what the rows without its fold teach.

    `learn` gets the rows with the weights of a fold at 0; five folds, drawn by `seed` from what
    rows hold, clusters whole (see `cross_fit`). Raises what `learn` raises.
    """
    scores = rows.members or (rows.logits,)
    if rows.groups is not None:
        scores = (*scores, np.unique(rows.groups, return_inverse=True)[1])
    return cross_fit(
        lambda weights: partial(calibrated_rows, learn(rows.weighing(weights)), rows),
        rows.labels, scores=scores, weights=rows.weights, clusters=rows.clusters, seed=seed,
    )  # fmt: skip


def calibrated_rows(
    calibrator: Calibrator, rows: Training, which: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the calibrated logits of some of the rows, (m, k)."""
    groups = rows.groups if calibrator.traits.groups else None
    scores = tuple(each[which] for each in rows.members or (rows.logits,))
    return calibrator.calibrated_logits(Outputs(scores, None if groups is None else groups[which]))
