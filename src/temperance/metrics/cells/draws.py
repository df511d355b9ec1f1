"""Resamples, and labels of a calibrated world, drawn for whole cells instead of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from temperance.binning import BinSums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from temperance.metrics.cells.cell_sums import CellSums

    Array = NDArray[np.float64]

__all__ = ["drawn_sums", "null_hits"]

_ROUNDING = 1e-9


def drawn_sums(cells: CellSums, n_resamples: int, *, seed: Sequence[int]) -> BinSums:
    """Return sums of shape (1 + 2 n_resamples, cells): the data's own, resampled ones, null ones.

    The cells hold all rows, which are independent. Resamples: the Poisson bootstrap, where each
    row counts a Poisson number of times, of mean 1. The hits of a cell, and its misses, are
    drawn as one: a Poisson number, scaled to the mean and variance of the sum of their weights.
    Null: the sum of w k over rows of probability p has mean sum w p and variance
    sum w^2 p (1 - p); a scaled binomial has both.
    """
    rng = np.random.default_rng(seed)
    own = cells.bin_sums()
    weight, probability, hits = own.weight, own.probability, own.hits
    count, squared = own.count, own.squared_weight
    ratio = _poisson_ratios(cells, n_resamples, rng)
    of_weight = ratio * cells.weight
    slope, spread = _probability_given_weight(cells)
    of_probability = cells.probability + (of_weight - cells.weight) * slope
    of_probability += np.sqrt(ratio) * spread * rng.standard_normal(ratio.shape)
    drawn = BinSums(
        (ratio * cells.count).sum(axis=1),
        of_weight.sum(axis=1),
        (ratio * cells.squared_weight).sum(axis=1),
        of_probability.sum(axis=1),
        of_weight[:, 1],
    )
    under_null = null_hits(cells, n_resamples, rng)

    def worlds(total: Array, resampled: Array, null: Array) -> Array:
        return np.concatenate([total[None], resampled, np.broadcast_to(null, resampled.shape)])

    shared = worlds(weight, drawn.weight, weight)
    return BinSums(
        shared if cells.unweighted else worlds(count, drawn.count, count),
        shared,
        shared if cells.unweighted else worlds(squared, drawn.squared_weight, squared),
        worlds(probability, drawn.probability, probability),
        worlds(hits, drawn.hits, under_null),
    )


def _poisson_ratios(cells: CellSums, n_resamples: int, rng: np.random.Generator) -> Array:
    """How many times its weight each half of a cell has in each resample, (resamples, 2, cells)."""
    number = _ratio(cells.weight**2, cells.squared_weight)
    drawn = rng.poisson(number, size=(n_resamples, *number.shape)).astype(np.float64)
    nothing = ~drawn.any(axis=(1, 2))  # of few rows; a sample of none has no error
    drawn[nothing] = number
    return np.divide(drawn, number, out=drawn, where=number > 0.0)


def _probability_given_weight(cells: CellSums) -> tuple[Array, Array]:
    """Return how a resampled sum of w p moves with that of w, and its own spread, (2, cells).

    The spread is the root of the sum of w^2 (p - slope)^2: 0 but for rounding in a fine cell.
    """
    slope = _ratio(cells.squared_weight_probability, cells.squared_weight)
    square = cells.square - slope * cells.squared_weight_probability
    return slope, np.sqrt(np.maximum(square, 0.0))


def null_hits(cells: CellSums, n_draws: int, rng: np.random.Generator) -> Array:
    """Return sums of w k per cell under calibration, (draws, cells).

    Drawn is the rarer of hits and misses. A binomial of N trials has the variance wanted where
    N = (sum w p)^2 / sum w^2 p^2; that is no whole number, so each draw takes the one below or the
    one above, of mean 1/N.
    """
    weight, squared = cells.weight.sum(axis=0), cells.squared_weight.sum(axis=0)
    hits, of_hits = cells.probability.sum(axis=0), cells.squared_weight_probability.sum(axis=0)
    square = cells.square.sum(axis=0)
    missing = hits > 0.5 * weight
    expected = np.where(missing, weight - hits, hits)
    linear = np.where(missing, squared - of_hits, of_hits)
    square = np.where(missing, squared - 2.0 * of_hits + square, square)
    certain = expected <= _ROUNDING * weight  # what is left of 1 - p is rounding
    expected = np.where(certain, np.maximum(expected, 0.0), expected)
    scale = np.where(certain, _ratio(squared, weight), _ratio(linear, expected))
    number = np.where(certain, 1.0, np.maximum(_ratio(expected * expected, square), 1.0))
    below = np.floor(number * (1.0 + _ROUNDING))
    take_below = below * (below + 1.0) / number - below
    trials = below + (rng.random((n_draws, len(below))) >= take_below)
    mean = _ratio(expected, scale)
    drawn = scale * rng.binomial(trials.astype(np.int64), np.minimum(mean / trials, 1.0))
    return np.where(missing, weight - drawn, drawn)


def _ratio(above: Array, below: Array) -> Array:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0.0)
