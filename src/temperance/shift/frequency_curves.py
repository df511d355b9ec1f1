"""How far the likelihood falls as one class's frequency moves, and the interval that follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from temperance.blocks import map_rows
from temperance.frozen import Frozen
from temperance.numerics import normal_quantile
from temperance.sums import MergeableSums

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from temperance.shift.mixture import MixtureFit

    Array = NDArray[np.float64]

__all__ = ["FrequencyCurves", "exact_fall", "frequency_curves", "quadratic_fall"]

_FAR = 14.0  # nats: the curve is followed until it has fallen this far
_DOUBLINGS = 2.0 ** np.arange(-1, 7)
_POINTS = 32  # on either side of the estimate
_DEEP = 1e3  # nats: as good as never


@dataclass(frozen=True, slots=True, eq=False)
class FrequencyCurves(Frozen):
    """Of some classes, the log likelihood along a path through each one's frequency."""

    classes: NDArray[np.intp]  # (c,)
    at: Array  # frequencies, (c, g), not falling
    fall: Array  # nats below the maximum, (c, g), >= 0

    def ends(self, level: float) -> Array:
        """Return low and high ends, (c, 2).

        Where the likelihood ratio has fallen as far as a normal one at its end, and no nearer than
        where the share of the likelihood beyond is (1 - level) / 2: that is further out where
        the fall is exponential, as it is of a class that no row shows.
        """
        drop = 0.5 * normal_quantile(level) ** 2
        tail = 0.5 * (1.0 - level)
        return np.array(
            [_ends(x, fall, drop, tail) for x, fall in zip(self.at, self.fall, strict=True)]
        ).reshape(-1, 2)


@dataclass(frozen=True, slots=True, eq=False)
class _LogSums(MergeableSums):
    total: Array  # sum w log m, one number per vector of frequencies


def frequency_curves(
    classes: NDArray[np.intp],
    estimate: Array,
    reach: Array,
    scale: Array,
    fall: Callable[[Array], Array],
) -> FrequencyCurves:
    """Return the curves of `classes`, whose estimates are `estimate`, (c,).

    `reach` is about how far the log likelihood takes to fall by 2, `fall(at)` gives nats of (c, g)
    frequencies, and `scale` (c,) turns these into what counts, where more than these rows is
    uncertain.
    """

    def far(side: float) -> Array:
        """Return where the fall to this side has become large, (c,), within an eighth."""
        at = (estimate[:, None] + side * reach[:, None] * np.r_[0.0, _DOUBLINGS]).clip(0.0, 1.0)
        for _ in range(2):
            over = fall(at) * scale[:, None] >= _FAR
            reached = over.any(axis=1)
            last = np.where(reached, over.argmax(axis=1), at.shape[1] - 1)
            near = np.where(reached, last - 1, last)
            ends = np.take_along_axis(at, np.stack([near, last], axis=1), axis=1)
            at = ends[:, :1] + (ends[:, 1:] - ends[:, :1]) * np.linspace(0.0, 1.0, 9)
        return ends[:, 1]

    low, high = far(-1.0), far(1.0)
    shares = np.linspace(0.0, 1.0, _POINTS + 1)
    left = low[:, None] + (estimate - low)[:, None] * shares
    right = estimate[:, None] + (high - estimate)[:, None] * shares[1:]
    at = np.concatenate([left, right], axis=1)
    fallen = fall(at) * scale[:, None]
    fallen[:, _POINTS] = 0.0
    return FrequencyCurves(classes, at, fallen.clip(0.0, _DEEP))


def exact_fall(
    probs: Array,
    weights: Array | None,
    fit: MixtureFit,
    source: Array,
    classes: NDArray[np.intp],
    paths: Array,
) -> Callable[[Array], Array]:
    """Return the fall of the log likelihood along `paths`, (c, k), one of each class.

    On a path the class moves by 1 and the others as they would on the ridge of the quadratic
    approximation; those that would fall below 0 stay there, and all are divided by their sum.
    """
    effective = fit.sums.weight / fit.sums.squared_weight
    rows, own = np.arange(len(classes))[:, None], classes[:, None]

    def fall(at: Array) -> Array:
        others = fit.priors + (at - fit.priors[own])[:, :, None] * paths[:, None, :]
        others = others.clip(0.0)
        others[rows, np.arange(at.shape[1]), own] = 0.0
        sums = others.sum(axis=2)
        empty = sums <= 0.0  # only where the class itself has all there is
        others *= np.where(empty, 0.0, (1.0 - at) / np.where(empty, 1.0, sums))[:, :, None]
        others[rows, np.arange(at.shape[1]), own] = np.where(empty, 1.0, at)
        ratio = (others / source).reshape(-1, len(source)).T

        def kernel(block: Array, w: Array | None) -> _LogSums:
            with np.errstate(divide="ignore"):
                logs = np.log(block @ ratio)
            return _LogSums(logs.sum(axis=0) if w is None else w @ logs)

        total = map_rows(kernel, probs, weights).total.reshape(at.shape)
        return np.asarray(effective * (fit.sums.value - total))

    return fall


def quadratic_fall(estimate: Array, slope: Array, variance: Array) -> Callable[[Array], Array]:
    """Return the fall of the quadratic approximation, for data too large for the exact one."""

    def fall(at: Array) -> Array:
        away = at - estimate[:, None]
        return np.asarray(away * away / (2.0 * variance[:, None]) - slope[:, None] * away)

    return fall


def _ends(x: Array, fall: Array, drop: float, tail: float) -> tuple[float, float]:
    """Low and high end of one curve."""
    peak = int(fall.argmin())
    density = np.exp(-fall)
    share = np.concatenate([[0.0], np.cumsum(np.diff(x) * (density[1:] + density[:-1]) / 2.0)])
    share /= share[-1] if share[-1] > 0.0 else 1.0
    low = _crossing(x[peak::-1], fall[peak::-1], drop, least=0.0)
    high = _crossing(x[peak:], fall[peak:], drop, least=1.0)
    if share[-1] > 0.0:
        low = min(low, float(np.interp(tail, share, x)))
        high = max(high, float(np.interp(1.0 - tail, share, x)))
    return low, high


def _crossing(x: Array, fall: Array, drop: float, *, least: float) -> float:
    """Where a curve, from its peak outwards, has fallen by `drop`; `least` if nowhere."""
    fallen = np.maximum.accumulate(fall)
    return least if fallen[-1] < drop else float(np.interp(drop, fallen, x))
