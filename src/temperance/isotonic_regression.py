"""Isotonic regression: means that never fall (or never rise), in steps or joined at their centres.

Pool-adjacent-violators is scipy's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["centred_isotonic", "rising_means"]

_END_TO_END = 64  # rows


def rising_means(sums: Array, weights: Array) -> Array:
    """Return the non-decreasing means that fit best, (..., m), each row of means by itself.

    Parameters
    ----------
    sums, weights : ndarray, shape (..., m)
        Weighted sums of what is averaged, and sums of weights >= 0, at m ascending places. A place
        without weight follows its neighbour below (the first ones that above).

    Notes
    -----
    Rows are put end to end, each lifted above all that the one before may be, and fitted as one: a
    call per row would take several times as long as the fit. A lift costs the last digits
    of its row, at most 2^-46 of the span of the means; the first of 64 rows has none.
    """
    from scipy.optimize import isotonic_regression  # noqa: PLC0415

    shape, m = weights.shape, weights.shape[-1]
    sums, weights = sums.reshape(-1, m), weights.reshape(-1, m)
    levels = np.empty(weights.shape)
    for first in range(0, len(levels), _END_TO_END):
        some = slice(first, first + _END_TO_END)
        weight = weights[some].ravel()
        means = sums[some] / (weights[some] + (weights[some] == 0.0))
        lift = np.ptp(means) * np.arange(len(means))[:, None]
        means += lift
        places = np.flatnonzero(weight)
        if len(places) == len(weight):
            fitted = isotonic_regression(means.ravel(), weights=weight).x
        else:
            fitted = isotonic_regression(means.ravel()[places], weights=weight[places]).x
            starts = m * np.arange(len(means))
            places[np.searchsorted(places, starts)] = starts
            fitted = np.repeat(fitted, np.diff(places, append=len(weight)))
        np.subtract(fitted.reshape(means.shape), lift, out=levels[some])
    return levels.reshape(shape)


def centred_isotonic(
    x: Array, y: Array, weights: Array, *, rising: bool = True, beyond: float = np.inf
) -> tuple[Array, Array]:
    """Return the knots of the centred isotonic regression of y on x: ascending x, levels.

    Each step of the regression becomes one knot at its centre of mass, so that a line through the
    knots has no flat steps but beyond the outermost.

    Parameters
    ----------
    x, y, weights : ndarray, shape (n,)
        Finite; weights > 0.
    rising : bool
        Whether levels may not fall; else they may not rise.
    beyond : float
        Rows of x = +-`beyond` count in the steps, move no centre, and have knots of their own.

    References
    ----------
    Oron and Flournoy (2017), Centered isotonic regression,
    https://doi.org/10.1080/19466315.2017.1286256
    """
    from scipy.optimize import isotonic_regression  # noqa: PLC0415

    at, number = np.unique(x, return_inverse=True)
    weight = np.bincount(number, weights)
    mean = np.bincount(number, weights * y) / weight
    steps = isotonic_regression(mean, weights=weight, increasing=rising)
    starts = steps.blocks[:-1]
    outside = np.abs(at) == beyond
    inside = np.add.reduceat(np.where(outside, 0.0, weight), starts)
    moment = np.add.reduceat(np.where(outside, 0.0, weight * at), starts)
    some = inside > 0.0
    centre = np.r_[at[outside], moment[some] / inside[some]]
    level = np.r_[steps.x[outside], steps.x[starts][some]]
    order = np.argsort(centre, kind="stable")
    centre, level = centre[order], level[order]
    distinct = np.r_[True, np.diff(centre) > 0.0]  # rounding may put two centres on one number
    return centre[distinct], level[distinct]
