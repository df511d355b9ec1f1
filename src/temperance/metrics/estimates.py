"""A measured number with its uncertainty, from sums: nothing here reads a row twice."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite
from typing import TYPE_CHECKING

import numpy as np

from temperance.metrics.reliability import wilson_interval
from temperance.numerics import normal_quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.binning import BinSums
    from temperance.sums import MeanSums

__all__ = ["Estimate", "NullBand", "ece_estimate", "ece_null_band", "mean_estimate"]

N_RESAMPLES = 2000
_LEVEL = 0.95
_EXACT_DRAWS = 20_000_000  # draw every row's outcome up to here; beyond, sums are normal


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measured value with the ends of its 95 % confidence interval, low <= value <= high."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float | None]:
        """Return the three numbers; None where one is infinite (JSON has no infinity)."""
        pairs = (("value", self.value), ("low", self.low), ("high", self.high))
        return {name: number if isfinite(number) else None for name, number in pairs}


@dataclass(frozen=True, slots=True)
class NullBand:
    """What the ECE of a *perfectly calibrated* model with these confidences would be.

    An ECE at or below `high` is no evidence of miscalibration.
    """

    mean: float
    high: float  # 95 % of perfectly calibrated models stay at or below

    def to_dict(self) -> dict[str, float]:
        """Return both numbers."""
        return {"mean": self.mean, "high": self.high}


def mean_estimate(sums: MeanSums, index: int, *, bounds: tuple[float, float]) -> Estimate:
    """Return a weighted mean with its normal interval, cut at the `bounds` of the measure."""
    mean = sums.mean(index)
    if not isfinite(mean):
        return Estimate(mean, mean, mean)  # an infinite log loss is infinite for certain
    half = normal_quantile(_LEVEL) * sums.standard_error(index)
    low, high = bounds
    return Estimate(mean, max(mean - half, low), min(mean + half, high))


def share_estimate(sums: MeanSums, index: int) -> Estimate:
    """Return a weighted share with its Wilson interval, which is honest at 0, 1 and small n."""
    share = np.array([min(max(sums.mean(index), 0.0), 1.0)])
    n = np.array([sums.weight**2 / sums.squared_weight])
    low, high = wilson_interval(share, n, _LEVEL)
    return Estimate(float(share[0]), float(low[0]), float(high[0]))


def ece_null_band(
    sums: BinSums,
    *,
    rows: tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.float64] | None] | None,
    seed: int,
) -> NullBand:
    """Return the band by consistency resampling (Broecker and Smith 2007).

    `rows` = (confidence, bin, weights) lets small samples draw each row's outcome; without it,
    or for many rows, the sums per bin are drawn as normal, with their exact variances.
    """
    rng = np.random.default_rng(seed)
    n_bins = len(sums.weight)
    if rows is not None and len(rows[0]) * N_RESAMPLES <= _EXACT_DRAWS:
        confidence, bins, weights = rows
        w = np.ones(len(bins)) if weights is None else weights
        gaps = np.empty((N_RESAMPLES, n_bins))
        for draw in range(N_RESAMPLES):
            correct = rng.random(len(bins)) < confidence
            gaps[draw] = np.bincount(bins, w * (confidence - correct), minlength=n_bins)
    else:
        gaps = rng.standard_normal((N_RESAMPLES, n_bins)) * np.sqrt(sums.null_variance)
    errors = np.abs(gaps).sum(axis=1) / sums.weight.sum()
    return NullBand(float(errors.mean()), float(np.quantile(errors, _LEVEL)))


def ece_estimate(sums: BinSums, null: NullBand, *, seed: int) -> Estimate:
    """Return the ECE with an interval that allows for its upward bias.

    Low end: the basic bootstrap 2 e - q(97.5 %), and 0 where the null band reaches e. High end:
    e + 1.96 standard deviations, because the bias may be smaller than the bootstrap thinks.
    Coverage of the population's binned ECE, 95 % nominal, 400 samples of 100, 500 and 2,000
    rows of a VGG on CIFAR-10: .93, .94, .93 near calibration (.0167), .95, .97, .97 far from it
    (.0374), .96, .96, .95 under calibration; the percentile bootstrap covered .02 to .60 near.
    """
    error = sums.expected_calibration_error
    rng = np.random.default_rng(seed)
    draws = rng.standard_normal((N_RESAMPLES, len(sums.gap))) * np.sqrt(sums.variance) + sums.gap
    resampled = np.abs(draws).sum(axis=1) / sums.weight.sum()
    low = 2.0 * error - float(np.quantile(resampled, 0.5 + 0.5 * _LEVEL))
    high = error + normal_quantile(_LEVEL) * float(resampled.std())
    if error <= null.high:
        low = 0.0
    return Estimate(error, min(max(low, 0.0), error), min(high, 1.0))


def difference_estimate(sums: MeanSums, index: int) -> Estimate:
    """Return a mean of paired differences with its normal interval."""
    return mean_estimate(sums, index, bounds=(-inf, inf))
