"""What class biases there are, and what they gain over a temperature alone, for the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.calibrators import (
    BiasCorrectedTemperatureScaling,
    TemperatureScaling,
    Training,
    class_bias_errors,
)
from temperance.compare import compare_rows
from temperance.crossfit import cross_fit
from temperance.errors import NoOptimumError
from temperance.metrics.estimates import Estimate
from temperance.metrics.resampling import QUICK_RESAMPLES
from temperance.numerics import normal_quantile
from temperance.report import BIASED, UNBIASED, ClassBiases

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.calibrators import Calibrator
    from temperance.cli.rows import Rows
    from temperance.select import Selection

__all__ = ["class_biases_of"]

_MOST_CLASSES = 26  # letters; a picture of more says little


def class_biases_of(
    rows: Rows,
    test: Rows | None,
    calibrator: Calibrator,
    selection: Selection | None,
    after: NDArray[np.float64] | None,
    *,
    seed: int = 0,
) -> ClassBiases | None:
    """Return the biases where they were fitted, or tried; None elsewhere, or without an optimum.

    `after`: logits that the calibrator made of the measured rows, which it has not seen.
    """
    fitted = calibrator if isinstance(calibrator, BiasCorrectedTemperatureScaling) else None
    tried = set() if selection is None else {each.method for each in selection.tried}
    plain = not rows.ragged and rows.dense is None and rows.entries is None
    if not plain or rows.n_classes > _MOST_CLASSES:
        return None
    if fitted is None and BiasCorrectedTemperatureScaling.method not in tried:
        return None
    labels, weights = rows.require_labels(), rows.weights
    measured = test or rows
    try:
        if fitted is None:
            fitted = BiasCorrectedTemperatureScaling.fit(
                rows.logits, labels, weights=weights, refuse_probs=False
            )
        if selection is not None:  # `after` is of the choice, made anew without each fold
            after = _scaled(BiasCorrectedTemperatureScaling, rows, test, seed=seed)
        prior = 0.0 if fitted.record is None else fitted.record.prior
        alone = _scaled(TemperatureScaling, rows, test, prior=prior, seed=seed)
    except NoOptimumError:
        return None
    assert after is not None  # noqa: S101  (of the fitted calibrator, or just made)
    errors = class_bias_errors(fitted, Training(rows.logits, labels, weights), rows.clusters)
    halves = normal_quantile(0.95) * errors
    names = rows.classes or tuple(map(str, range(rows.n_classes)))
    biases = {
        name: Estimate(bias, bias - half, bias + half)
        for name, bias, half in zip(names, fitted.bias.tolist(), halves.tolist(), strict=True)
    }
    sides = {UNBIASED: measured.predictions(alone), BIASED: measured.predictions(after)}
    comparison = compare_rows(sides, n_resamples=QUICK_RESAMPLES)
    return ClassBiases(biases, fitted.temperature, comparison)


def _scaled(
    method: type[TemperatureScaling | BiasCorrectedTemperatureScaling],
    rows: Rows,
    test: Rows | None,
    *,
    prior: float = 0.0,
    seed: int,
) -> NDArray[np.float64]:
    """Return the logits of test rows, or of all rows by fits without them."""
    labels = rows.require_labels()

    def fit(weights: NDArray[np.float64] | None) -> TemperatureScaling | Any:  # noqa: ANN401
        return method.fit(rows.logits, labels, weights=weights, prior=prior, refuse_probs=False)

    if test is not None:
        scaled = fit(rows.weights).scale(test.logits, refuse_probs=False)
        return np.asarray(scaled)

    def out_of_fold(weights: NDArray[np.float64]) -> Any:  # noqa: ANN401  (what `cross_fit` takes)
        fitted = fit(weights)
        return lambda held_out: fitted.scale(rows.logits[held_out], refuse_probs=False)

    return cross_fit(
        out_of_fold, labels,
        scores=(rows.logits,), weights=rows.weights, clusters=rows.clusters, seed=seed,
    )  # fmt: skip
