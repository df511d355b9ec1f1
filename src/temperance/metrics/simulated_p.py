"""The p-value of the score test by drawing labels: for few rows, where z is far from normal."""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING

import numpy as np

from temperance.metrics.null_labels import draw_labels
from temperance.numerics import as_float64, log_probs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from temperance.metrics.inputs import Predictions

__all__ = ["simulated_p"]

_DRAWS = (200, 1800, 4000, 4000)
_AS_LARGE = 20  # the p-value is then known to about a quarter of itself
_ROUNDING = 1e-9
_LOG_THETA = (-20.0, 20.0)


def simulated_p(rows: Predictions, *, seed: Sequence[int]) -> float:
    """Return how often labels drawn from the probabilities give as large a |z|.

    Besag and Clifford (1991): draws stop when 20 were as large, and the p-value is 20 over their
    number; after 10,000 draws it is (as large + 1) / 10,001. What is rarer than draws can show
    has Chernoff's upper bound as its p-value. Valid at any number of rows.
    """
    scores, of_label = _scores(rows)
    observed = abs(of_label)
    place, as_large = np.arange(len(scores)), 0
    for batch, draws in enumerate(_DRAWS):
        state = np.random.SeedSequence([*seed, batch]).generate_state(1)
        labels = draw_labels(rows.probs, draws, seed=int(state[0]))
        totals = np.abs(scores[place, labels].sum(axis=1))
        reached = np.flatnonzero(totals >= observed * (1.0 - _ROUNDING))
        if as_large + len(reached) >= _AS_LARGE:
            last = int(reached[_AS_LARGE - as_large - 1])
            return _AS_LARGE / (sum(_DRAWS[:batch]) + last + 1)
        as_large += len(reached)
        if as_large == 0 and batch == 0:
            bound = sum(_upper_bound(each, rows.probs, observed) for each in (scores, -scores))
            if bound < 1.0 / sum(_DRAWS):
                return bound
    return (as_large + 1) / (sum(_DRAWS) + 1)


def _scores(rows: Predictions) -> tuple[NDArray[np.float64], float]:
    """Weight times temperature score of each row for each label it might have, and their sum.

    The scores, (n, k), are 0 where the probability is; the sum is that of the true labels.
    """
    z = as_float64(rows.logits)
    z = z - z.max(axis=1, keepdims=True)
    of_label = z[np.arange(len(z)), rows.labels]
    z = np.where(rows.probs > 0.0, z, 0.0)
    mean = (rows.probs * z).sum(axis=1, keepdims=True)
    w = np.ones(len(z)) if rows.weights is None else rows.weights
    scores = np.where(rows.probs > 0.0, w[:, None] * (mean - z), 0.0)
    return scores, float(w @ (mean[:, 0] - of_label))


def _upper_bound(scores: NDArray[np.float64], probs: NDArray[np.float64], total: float) -> float:
    """Return Chernoff's bound on P(sum of scores >= total), total > 0.

    The least over theta > 0 of E[exp(theta sum)] / exp(theta total); any theta gives a bound.
    """
    from scipy.optimize import minimize_scalar  # noqa: PLC0415

    largest = np.abs(scores).max()
    scores, total, log_p = scores / largest, total / largest, log_probs(probs)

    def log_bound(log_theta: float) -> float:
        tilted = log_p + exp(log_theta) * scores
        top = tilted.max(axis=1)
        logs = np.log(np.exp(tilted - top[:, None]).sum(axis=1)) + top
        return float(logs.sum()) - exp(log_theta) * total

    found = minimize_scalar(log_bound, bounds=_LOG_THETA, method="bounded", options={"xatol": 1e-3})
    return exp(min(float(found.fun), 0.0))
