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

_NO_WEIGHT = 1e-12  # of a place without rows


def rising_means(sums: Array, weights: Array) -> Array:
    """Return the non-decreasing means that fit best, (..., m), each row of means by itself.

    Parameters
    ----------
    sums, weights : ndarray, shape (..., m)
        Weighted sums of what is averaged, and sums of weights >= 0, at m ascending places. A place
        without weight follows its neighbour below (the first ones that above).
    """
    from scipy.optimize import isotonic_regression  # noqa: PLC0415

    has_weight = weights > 0.0
    every = np.asarray(has_weight.all(axis=-1))
    if not every.all():
        weights = np.where(has_weight, weights, _NO_WEIGHT)
    means = sums / weights
    levels = np.empty_like(means)
    for index in np.ndindex(means.shape[:-1]):
        some = has_weight[index]
        if every[index]:
            levels[index] = isotonic_regression(means[index], weights=weights[index]).x
        else:
            of_some = isotonic_regression(means[index][some], weights=weights[index][some]).x
            levels[index] = of_some[np.maximum(some.cumsum() - 1, 0)]
    return levels


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
