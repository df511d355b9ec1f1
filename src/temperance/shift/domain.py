"""A classifier that tells target rows from source rows, and how well it does."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from temperance.metrics.estimates import Estimate
from temperance.numerics import normal_quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["DomainClassifier", "area_under_curve", "fit_domain"]

_MOST_STEPS = 1_000
_SLOPE = 1e-9  # of the mean loss, where the fit ends


@dataclass(frozen=True, slots=True, eq=False)
class DomainClassifier:
    """log odds of the target = intercept + slopes . features."""

    intercept: float
    slopes: Array  # (d,)

    def log_odds(self, features: Array) -> Array:
        """Return the log odds that each row is of the target, (n,)."""
        return np.asarray(self.intercept + features @ self.slopes)


def fit_domain(
    features: Array, is_target: NDArray[np.bool_], weights: Array, *, ridge: float
) -> DomainClassifier:
    """Return the ridge logistic regression; `ridge` is for features of spread 1, in rows."""
    from scipy.optimize import minimize  # noqa: PLC0415

    total = weights.sum()
    centre = weights @ features / total
    spread = np.sqrt(weights @ (features - centre) ** 2 / total)
    spread = np.where(spread > 1e-12 * (1.0 + np.abs(centre)), spread, np.inf)  # constant: no slope
    standard = (features - centre) / spread
    w, sign = weights / total, np.where(is_target, 1.0, -1.0)

    def loss(at: Array) -> tuple[float, Array]:
        margin = sign * (at[0] + standard @ at[1:])
        value = w @ np.logaddexp(0.0, -margin) + 0.5 * ridge / total * (at[1:] @ at[1:])
        residual = -w * sign * np.exp(-np.logaddexp(0.0, margin))
        slopes = residual @ standard + ridge / total * at[1:]
        return float(value), np.concatenate([[residual.sum()], slopes])

    share = float(w @ is_target)
    start = np.zeros(1 + features.shape[1])
    start[0] = np.log(share) - np.log1p(-share)
    options = {"maxiter": _MOST_STEPS, "gtol": _SLOPE, "ftol": 0.0}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options=options).x
    slopes = found[1:] / spread
    return DomainClassifier(float(found[0] - centre @ slopes), slopes)


def area_under_curve(
    scores: Array, is_target: NDArray[np.bool_], weights: Array, *, level: float = 0.95
) -> Estimate:
    """Return P(score of a target row > score of a source row), ties half, with DeLong's interval.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson (1988), Comparing the Areas under Two or More Correlated
    Receiver Operating Characteristic Curves, Biometrics 44, https://doi.org/10.2307/2531595
    """
    sides = [(scores[rows], weights[rows]) for rows in (~is_target, is_target)]
    (source, w_source), (target, w_target) = sides
    below = _share_below(target, source, w_source)  # of the source, below each target row
    above = 1.0 - _share_below(source, target, w_target)
    area = float(w_target @ below / w_target.sum())
    variance = sum(
        float((w * w) @ (placed - area) ** 2) / w.sum() ** 2
        for w, placed in ((w_target, below), (w_source, above))
    )
    half = normal_quantile(level) * sqrt(variance)
    return Estimate(area, max(area - half, 0.0), min(area + half, 1.0))


def _share_below(at: Array, values: Array, weights: Array) -> Array:
    """Weighted share of `values` below each of `at`; equal ones count half."""
    order = np.argsort(values, kind="stable")
    cumulative = np.concatenate([[0.0], weights[order].cumsum()])
    ranked = values[order]
    left, right = (cumulative[np.searchsorted(ranked, at, side)] for side in ("left", "right"))
    return np.asarray(0.5 * (left + right) / cumulative[-1])
