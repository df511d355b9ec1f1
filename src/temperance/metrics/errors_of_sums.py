"""Calibration errors as functions of sums per bin: (..., bins) in, (...) out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from temperance.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.binning import BinSums

__all__ = ["binned_error", "check_norm", "debiased_square", "ks_error", "smooth_error"]

_STEPS = 9  # to 0.0003 at worst, 0.00002 in the middle of real confidences


def binned_error(sums: BinSums, norm: float = 1.0) -> NDArray[np.float64]:
    """Norm of the gaps of the bins, weighted by their share of the rows; empty bins count 0."""
    gap, total = np.abs(sums.gap), sums.weight.sum(axis=-1)
    if norm == 1.0:
        return np.asarray(gap.sum(axis=-1) / total)
    each = np.divide(gap, sums.weight, out=np.zeros_like(gap), where=sums.weight > 0)
    largest = each.max(axis=-1)
    if norm == np.inf:
        return np.asarray(largest)
    # in units of the largest gap, whose power is 1 whatever the norm: none vanishes that counts
    scale = np.where(largest > 0.0, largest, 1.0)
    with np.errstate(under="ignore"):
        powers = (each / scale[..., None]) ** norm
        mean = (sums.weight * powers).sum(axis=-1) / total
        return np.asarray(np.where(largest > 0.0, largest * mean ** (1.0 / norm), 0.0))


def check_norm(norm: float) -> float:
    """Return the norm of an error, at least 1, or raise InvalidInputError."""
    number = isinstance(norm, (int, float, np.integer, np.floating)) and not isinstance(norm, bool)
    if not number or not norm >= 1.0:
        msg = f"`norm` must be at least 1 (math.inf is the largest gap), got {norm!r}."
        raise InvalidInputError(msg)
    try:
        return float(norm)
    except OverflowError:  # a whole number of 400 digits
        return float("inf")


def debiased_square(sums: BinSums) -> NDArray[np.float64]:
    """Squared error less what sampling adds to it; may be below 0. Bins of one row count 0."""
    n = np.divide(
        sums.weight**2, sums.squared_weight,
        out=np.zeros_like(sums.weight), where=sums.squared_weight > 0,
    )  # fmt: skip
    counted = n > 1.0 + 1e-9
    weight = np.where(counted, sums.weight, 1.0)
    rate = np.clip(sums.hits / weight, 0.0, 1.0)
    noise = rate * (1.0 - rate) / np.where(counted, n - 1.0, 1.0)
    square = np.where(counted, weight * ((sums.gap / weight) ** 2 - noise), 0.0)
    return np.asarray(square.sum(axis=-1) / sums.weight.sum(axis=-1))


def ks_error(sums: BinSums) -> NDArray[np.float64]:
    """Largest distance of the cumulated gap from 0, over bins in ascending order."""
    return np.asarray(np.abs(sums.gap.cumsum(axis=-1)).max(axis=-1) / sums.weight.sum(axis=-1))


def smooth_error(sums: BinSums) -> NDArray[np.float64]:
    """smECE: the width at which the gaps, smoothed by a Gaussian of it, integrate to itself.

    On an even grid over [0, 1], reflecting at both ends, smoothing multiplies the cosine
    coefficients by exp(-(pi j width)^2 / 2). The integral falls as the width grows: false position.
    """
    from scipy.fft import dct, idct  # noqa: PLC0415

    gap = sums.gap / sums.weight.sum(axis=-1, keepdims=True)
    coefficients = dct(gap, axis=-1, norm="ortho")
    frequency = -0.5 * (np.pi * np.arange(gap.shape[-1])) ** 2

    def excess(width: NDArray[np.float64]) -> NDArray[np.float64]:
        smoothed = idct(coefficients * np.exp(frequency * width[..., None] ** 2), norm="ortho")
        return np.asarray(np.abs(smoothed).sum(axis=-1) - width)

    # The root lies between the mean gap (all smoothed away) and the mean of |gap| (nothing is).
    low, high = np.abs(gap.sum(axis=-1)), np.abs(gap).sum(axis=-1)
    at_low, at_high = excess(low), excess(high)
    width = high
    for _ in range(_STEPS):
        span = at_low - at_high
        width = np.where(span > 0.0, low + (high - low) * at_low / np.where(span > 0, span, 1), low)
        at = excess(width)
        above = at > 0.0
        # Illinois: halve the end that stays, or false position creeps
        at_low, at_high = np.where(above, at, 0.5 * at_low), np.where(above, 0.5 * at_high, at)
        low, high = np.where(above, width, low), np.where(above, high, width)
    return np.asarray(width)
