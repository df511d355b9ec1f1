"""Isotonic recalibration of sums per rank, and what it says about a score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.binning import BinSums

__all__ = ["CorpSums", "Score", "corp_sums", "isotonic"]

Score = Literal["brier", "log"]
_NO_WEIGHT = 1e-12  # of a rank that a resample left out: it follows its neighbours


@dataclass(frozen=True, slots=True, eq=False)
class CorpSums:
    """Mean score of an event's probabilities and its parts, each of shape (...)."""

    score: NDArray[np.float64]
    miscalibration: NDArray[np.float64]
    discrimination: NDArray[np.float64]
    uncertainty: NDArray[np.float64]


def isotonic(sums: BinSums) -> NDArray[np.float64]:
    """Return the non-decreasing frequencies that fit best, (..., ranks), in [0, 1].

    Pool-adjacent-violators, by `scipy.optimize.isotonic_regression`.
    """
    from scipy.optimize import isotonic_regression  # noqa: PLC0415

    held = sums.weight > 0.0
    weight = np.where(held, sums.weight, _NO_WEIGHT)
    rate = np.divide(sums.hits, weight, out=np.zeros_like(weight), where=held)
    fitted = np.empty_like(rate)
    for index in np.ndindex(rate.shape[:-1]):
        kept = held[index]
        if kept.all():
            fitted[index] = isotonic_regression(rate[index], weights=weight[index]).x
        else:
            ends = isotonic_regression(rate[index][kept], weights=weight[index][kept]).x
            fitted[index] = ends[np.maximum(kept.cumsum() - 1, 0)]
    return np.clip(fitted, 0.0, 1.0)


def corp_sums(sums: BinSums, recalibrated: NDArray[np.float64], *, score: Score) -> CorpSums:
    """Return score = miscalibration - discrimination + uncertainty, exactly.

    Miscalibration is the score less that of the isotonic `recalibrated` probabilities;
    uncertainty the score of the event's overall frequency; discrimination what the recalibrated
    ones gain over that.
    """
    total = sums.weight.sum(axis=-1)
    said = np.divide(sums.probability, sums.weight, out=np.zeros_like(sums.weight),
                     where=sums.weight > 0.0)  # fmt: skip
    frequency = np.clip(sums.hits.sum(axis=-1) / total, 0.0, 1.0)[..., None]
    mean = _MEAN_SCORE[score]
    own, best, flat = (mean(sums, p) / total for p in (said, recalibrated, frequency))
    return CorpSums(own, own - best, flat - best, flat)


def _brier(sums: BinSums, p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum of w (p - k)^2, where k^2 = k."""
    return np.asarray((sums.weight * p * p - 2.0 * sums.hits * p + sums.hits).sum(axis=-1))


def _log(sums: BinSums, p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum of -w log(p or 1 - p), where 0 log 0 = 0; infinite where p = 0 happened."""
    misses = sums.weight - sums.hits
    return np.asarray(-(_times_log(sums.hits, p) + _times_log(misses, 1.0 - p)).sum(axis=-1))


def _times_log(weight: NDArray[np.float64], p: NDArray[np.float64]) -> NDArray[np.float64]:
    weight, p = np.broadcast_arrays(weight, p)
    counted = weight > 0.0
    with np.errstate(divide="ignore"):
        return np.where(counted, weight * np.log(np.where(counted, p, 1.0)), 0.0)


_MEAN_SCORE = {"brier": _brier, "log": _log}
