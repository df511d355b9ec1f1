"""The one-standard-error rule: the simplest map that the data cannot tell from the best."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from temperance.metrics.estimates import difference_estimate, mean_estimate
from temperance.select.selection import Candidate
from temperance.sums import MeanSums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from temperance.select.trials import Trial

__all__ = ["Rule"]

_CLOSE = 0.01  # a simpler map may cost no more than this share of the best log loss


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """Trials of several methods on the same rows; the first is identity, the last the richest."""

    tried: Sequence[Trial]
    weights: NDArray[np.float64] | None
    clusters: NDArray[np.intp] | None

    def simplest(self, *, without: NDArray[np.bool_] | None = None) -> int:
        """Return the number of the choice, made without the losses of these rows.

        It is the first method whose mean log loss exceeds the smallest by at most one standard
        error of the paired difference, and by at most 1 % of the smallest.
        """
        means = self._means(without)
        best = int(means.argmin())
        for number in range(len(self.tried)):
            behind = means[number] - means[best]
            error = self._error(number, best, without)
            if number == best or behind <= min(error, _CLOSE * means[best]):
                return number
        return best

    def candidate(self, number: int) -> Candidate:
        """Return what is known of a method: its loss, and its paired differences."""
        trial, means = self.tried[number], self._means(None)
        best = int(means.argmin())
        same = np.isinf(means[number]) and np.isinf(means[best])
        return Candidate(
            method=trial.method,
            log_loss=mean_estimate(self._sums(trial.losses, None), 0, bounds=(0.0, inf)),
            difference=difference_estimate(self._sums(self._gaps(number, 0), None), 0),
            behind=0.0 if same else float(means[number] - means[best]),
            behind_standard_error=self._error(number, best, None),
            prior=trial.prior,
        )

    def _means(self, without: NDArray[np.bool_] | None) -> NDArray[np.float64]:
        return np.array([self._sums(trial.losses, without).mean(0) for trial in self.tried])

    def _error(self, number: int, other: int, without: NDArray[np.bool_] | None) -> float:
        """Return the standard error of the paired difference; 0 where it is infinite."""
        gaps = self._gaps(number, other)
        return self._sums(gaps, without).standard_error(0) if np.isfinite(gaps).all() else 0.0

    def _gaps(self, number: int, other: int) -> NDArray[np.float64]:
        """Return the difference of each row's losses; 0 where both are infinite."""
        own, theirs = self.tried[number].losses, self.tried[other].losses
        with np.errstate(invalid="ignore"):
            return np.nan_to_num(own - theirs, nan=0.0, posinf=inf, neginf=-inf)

    def _sums(self, values: NDArray[np.float64], without: NDArray[np.bool_] | None) -> MeanSums:
        if without is None:
            return MeanSums.of(values[:, None], self.weights, self.clusters)
        keep = ~without
        weights = None if self.weights is None else self.weights[keep]
        clusters = None
        if self.clusters is not None:
            clusters = np.unique(self.clusters[keep], return_inverse=True)[1]
        return MeanSums.of(values[keep][:, None], weights, clusters)
