"""Ways of pooling several models, side by side on the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.calibrators import TemperatureScaling, pooled_logits
from temperance.compare import Comparison, compare_rows
from temperance.crossfit import cross_fit
from temperance.errors import NoOptimumError
from temperance.metrics.resampling import QUICK_RESAMPLES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.calibrators import Pool
    from temperance.cli.rows import Rows

__all__ = ["compare_pooling", "pooling_dict"]

_AFTER, _BEFORE = "pool, then calibrate", "calibrate, then pool"


def compare_pooling(
    rows: Rows,
    test: Rows | None,
    after: NDArray[np.float64] | None,
    *,
    pool: Pool,
    seed: int = 0,
) -> Comparison | None:
    """Compare the ensemble (`after`) with calibrating each member first, and with each member.

    On the test rows, or cross-fitted. None where a member has no temperature of its own.
    """
    measured = test or rows
    assert after is not None  # noqa: S101  (of test rows, or out of fold)
    try:
        first = _calibrated_first(rows, test, pool=pool, seed=seed)
    except NoOptimumError:
        return None
    sides = {_AFTER: after, _BEFORE: first, "equal weights, as they are": measured.logits}
    for name, member in zip(rows.member_names, measured.require_members(), strict=True):
        sides[f"{name} alone"] = member
    predictions = {name: measured.predictions(logits) for name, logits in sides.items()}
    return compare_rows(predictions, n_resamples=QUICK_RESAMPLES)


def pooling_dict(comparison: Comparison) -> dict[str, Any]:
    """Return log loss and calibration error of each way, and its paired differences."""
    return {
        name: {
            "log_loss": evaluation.log_loss.to_dict(),
            "ece": evaluation.ece.to_dict(),
            "difference": None
            if name == comparison.baseline
            else comparison.differences[name].log_loss.to_dict(),
        }
        for name, evaluation in comparison.evaluations.items()
    }


def _calibrated_first(
    rows: Rows, test: Rows | None, *, pool: Pool, seed: int
) -> NDArray[np.float64]:
    """Pool members that were calibrated one by one, equally weighted."""
    labels = rows.require_labels()

    def scaled(member: NDArray[Any], of_test: NDArray[Any] | None) -> NDArray[np.float64]:
        if of_test is not None:
            return _fit(member, labels, rows.weights).scale(of_test, refuse_probs=False)

        def fit(weights: NDArray[np.float64]) -> Any:  # noqa: ANN401  (what `cross_fit` takes)
            fitted = _fit(member, labels, weights)
            return lambda held_out: fitted.scale(member[held_out], refuse_probs=False)

        return cross_fit(
            fit, labels,
            scores=members, weights=rows.weights, clusters=rows.clusters, seed=seed,
        )  # fmt: skip

    members = rows.require_members()
    others = [None] * len(members) if test is None else list(test.require_members())
    calibrated = [scaled(m, o) for m, o in zip(members, others, strict=True)]
    return pooled_logits(calibrated, np.full(len(members), 1.0 / len(members)), pool=pool)


def _fit(
    member: NDArray[Any], labels: NDArray[np.intp], weights: NDArray[np.float64] | None
) -> TemperatureScaling:
    return TemperatureScaling.fit(member, labels, weights=weights, refuse_probs=False)
