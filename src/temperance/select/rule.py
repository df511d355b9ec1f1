"""The one-standard-error rule: the simplest map that the data cannot tell from the best."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from temperance.metrics.estimates import gap_estimate, mean_estimate
from temperance.metrics.implied import GapSums
from temperance.select.selection import Candidate
from temperance.sums import MeanSums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from temperance.select.trials import Trial

__all__ = ["Rule"]

_NEAR, _NOTHING = 2.0, 0.001  # standard errors, nats per row: what T would gain is about z^2 / 2 n


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """Trials of several methods on the same rows; the first is identity, the last the richest."""

    tried: Sequence[Trial]
    weights: NDArray[np.float64] | None
    clusters: NDArray[np.intp] | None

    def simplest(self, *, without: int | None = None) -> int:
        """Return the number of the choice, made without the losses of the rows of one fold.

        Identity where T = 1 lies within one standard error of the fitted temperature (or within two
        where no more than .001 nats are at stake), else the temperature; and instead of that the
        first method whose mean log loss exceeds the smallest of them all by at most one standard
        error of the paired difference. A method of which a fold had no optimum is never the choice.
        """
        means = self._means(without)
        allowed = [n for n, each in enumerate(self.tried) if n > 0 and each.no_optimum is None]
        of_temperature = [n for n in allowed if self.tried[n].method == "temperature"]
        if of_temperature:
            allowed = allowed if self._moved(of_temperature[0], without) else [0, *allowed[1:]]
        else:
            allowed = [0, *allowed]
        if np.isinf(self._means(None)[0]):  # by a row of any fold: also where that one is left out
            allowed = [number for number in allowed if number > 0] or [0]
        best = min(allowed, key=lambda number: means[number])
        for number in allowed:
            behind = means[number] - means[best]
            if number == best or behind <= self._error(number, best, without):
                return number
        return best

    def _moved(self, number: int, without: int | None) -> bool:
        """Whether the temperature is more than one standard error from 1, on a log scale."""
        trial = self.tried[number]
        assert trial.distances is not None  # noqa: S101  (every trial of a temperature has them)
        distance = trial.distances[-1 if without is None else without]
        n = (
            float(len(trial.losses))
            if self.weights is None
            else float(self.weights.sum() ** 2 / (self.weights @ self.weights))
        )
        nothing = distance <= _NEAR and distance**2 / (2.0 * n) <= _NOTHING
        return distance > 1.0 and not nothing

    def _gap_sums(self, number: int, without: int | None) -> GapSums:
        folds = (each for place, each in enumerate(self.tried[number].folds) if place != without)
        return reduce(GapSums.merge, (each.gaps for each in folds))

    def candidate(self, number: int) -> Candidate:
        """Return what is known of a method: its loss, and its paired differences."""
        trial, means = self.tried[number], self._means(None)
        best = int(means.argmin())
        same = np.isinf(means[number]) and np.isinf(means[best])
        return Candidate(
            method=trial.method,
            log_loss=mean_estimate(self._sums(trial.losses, None), 0, bounds=(0.0, inf)),
            difference=gap_estimate(self._gap_sums(number, None), 0),
            behind=0.0 if same else float(means[number] - means[best]),
            behind_standard_error=self._error(number, best, None),
            prior=trial.prior,
            no_optimum=trial.no_optimum,
        )

    def _means(self, without: int | None) -> NDArray[np.float64]:
        return np.array([self._sums(trial.losses, without).mean(0) for trial in self.tried])

    def _error(self, number: int, other: int, without: int | None) -> float:
        """Return the standard error of the paired difference; 0 where it is infinite."""
        gaps = self._gaps(number, other)
        return self._sums(gaps, without).standard_error(0) if np.isfinite(gaps).all() else 0.0

    def _gaps(self, number: int, other: int) -> NDArray[np.float64]:
        """Return the difference of each row's losses; 0 where both are infinite."""
        own, theirs = self.tried[number].losses, self.tried[other].losses
        with np.errstate(invalid="ignore"):
            return np.nan_to_num(own - theirs, nan=0.0, posinf=inf, neginf=-inf)

    def _sums(self, values: NDArray[np.float64], without: int | None) -> MeanSums:
        if without is None:
            return MeanSums.of(values[:, None], self.weights, self.clusters)
        keep = ~self.tried[0].folds[without].held_out
        weights = None if self.weights is None else self.weights[keep]
        clusters = None
        if self.clusters is not None:
            clusters = np.unique(self.clusters[keep], return_inverse=True)[1]
        return MeanSums.of(values[keep][:, None], weights, clusters)
