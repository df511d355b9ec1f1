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

__all__ = ["drawn_sums"]

_ROUNDING = 1e-9


def drawn_sums(cells: CellSums, n_resamples: int, *, seed: Sequence[int]) -> BinSums:
    """Return sums of shape (1 + 2 n_resamples, cells): the data's own, resampled ones, null ones.

    Resamples: the Poisson bootstrap. The hits of a cell, and its misses, count r times in all,
    where r is Poisson with as its mean their (effective) number; their probabilities vary about
    their mean as the squares that were summed say. Rows are independent, so nothing else is
    needed of them. Null: the sum of w k over rows of probability p has mean sum w p and variance
    sum w^2 p (1 - p); a scaled binomial has both.
    """
    rng = np.random.default_rng(seed)
    own = cells.bin_sums()
    weight, probability, hits = own.weight, own.probability, own.hits
    count, squared = own.count, own.squared_weight
    ratio = _poisson_ratios(cells, n_resamples, rng)
    of_weight = ratio * cells.weight
    of_probability = ratio * cells.probability
    of_probability += np.sqrt(ratio) * _spread(cells) * rng.standard_normal(ratio.shape)
    drawn = BinSums(
        (ratio * cells.count).sum(axis=1),
        of_weight.sum(axis=1),
        (ratio * cells.squared_weight).sum(axis=1),
        of_probability.sum(axis=1),
        of_weight[:, 1],
    )
    under_null = _null_hits(cells, n_resamples, rng)

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
    return np.divide(drawn, number, out=drawn, where=number > 0.0)


def _spread(cells: CellSums) -> Array:
    """Root of the sum of w^2 (p - mean p)^2, (2, cells): 0 but for rounding in a fine cell."""
    mean = _ratio(cells.probability, cells.weight)
    linear = 2.0 * mean * cells.squared_weight_probability
    square = cells.square - linear + mean * mean * cells.squared_weight
    return np.sqrt(np.maximum(square, 0.0))


def _null_hits(cells: CellSums, n_draws: int, rng: np.random.Generator) -> Array:
    """Sums of w k per cell under calibration, (draws, cells)."""
    expected = cells.probability.sum(axis=0)
    linear = cells.squared_weight_probability.sum(axis=0)
    square = cells.square.sum(axis=0)
    trials = np.ceil(_ratio(expected * expected, square) * (1.0 - _ROUNDING))
    scale = _ratio(linear, expected)
    chance = np.minimum(_ratio(expected, scale * trials), 1.0)
    drawn = rng.binomial(trials.astype(np.int64), chance, size=(n_draws, len(trials)))
    return np.asarray(expected * drawn / np.where(trials > 0.0, trials * chance, 1.0))


def _ratio(above: Array, below: Array) -> Array:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0.0)
