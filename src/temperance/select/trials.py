"""One candidate: fitted five times, each time scored on the rows left out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, log
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.calibrators import (
    METHODS,
    Identity,
    TemperatureRecord,
    count_clusters,
    fit_by_name,
    scale_rows,
)
from temperance.crossfit import fold_fits
from temperance.errors import NoOptimumError
from temperance.metrics.implied import paired_gaps
from temperance.metrics.inputs import Predictions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.calibrators import Calibrator, Training
    from temperance.metrics.implied import GapSums

    Array = NDArray[np.float64]

__all__ = ["FEW_ROWS", "FEW_ROWS_PRIOR", "Fold", "Trial", "Trials"]

FEW_ROWS = 200  # effective rows below which a prior holds the temperature
FEW_ROWS_PRIOR = 3.0  # in pseudo-rows: more costs models far from T = 1 (see the method page)
_SMOOTHED = 50  # effective rows below which smoothing caps the loss of a single row too


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A method's calibrators, one per fold, and every row's log loss by the one without it."""

    method: str
    prior: float
    folds: tuple[Fold, ...]
    losses: Array  # (n,)
    no_optimum: str | None = None  # why a fold without a prior had none
    # of a temperature without a prior: |log T| over its standard error, by fold, and of all rows
    distances: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """Rows held out, (n,) of True and False, the fit on the others, and its gain on these rows."""

    held_out: NDArray[np.bool_]
    calibrator: Calibrator
    gaps: GapSums  # of the calibrated rows from the rows as they are


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """The rows that all candidates are fitted and scored on."""

    rows: Training
    groups: NDArray[Any] | None
    clusters: NDArray[np.intp] | None
    prior: float  # of all methods that take one
    seed: int  # of the folds

    def of(self, method: str) -> Trial:
        """Return a method's trial, with a prior in all folds if one of them needs it.

        Raises `NoOptimumError` where even that does not help.
        """
        if not METHODS[method].traits.prior:
            return self._cross_fitted(method, 0.0)
        try:
            plain = self._cross_fitted(method, 0.0)
        except NoOptimumError as error:
            held = self._cross_fitted(method, max(self.prior, 1.0))
            return replace(held, no_optimum=error.reason)
        if self.prior == 0.0:
            return plain
        return replace(self._cross_fitted(method, self.prior), distances=plain.distances)

    def fit(self, method: str, weights: Array | None, prior: float) -> Calibrator:
        """Return the method fitted with these weights."""
        rows = self.rows
        few = rows.effective_rows < _SMOOTHED
        return fit_by_name(
            method, rows.logits, rows.positions, weights=weights, groups=self.groups,
            clusters=self.clusters, classes=rows.classes, prior=prior,
            smooth=few and method == "temperature",
        )  # fmt: skip

    def scores(self) -> tuple[NDArray[Any], ...]:
        """Return what tells rows apart: their logits, and their groups by number."""
        if self.groups is None:
            return (self.rows.logits,)
        return self.rows.logits, np.unique(self.groups, return_inverse=True)[1]

    def scale(self, calibrator: Calibrator, taken: NDArray[np.bool_]) -> Array:
        """Return calibrated logits of the rows taken."""
        groups = None if self.groups is None else self.groups[taken]
        return scale_rows(calibrator, self.rows.logits[taken], groups)

    def unchanged(self, held_out: NDArray[np.bool_]) -> NDArray[Any]:
        """Return the logits of the rows held out that a map must beat: their own."""
        return self.rows.logits[held_out]

    def _cross_fitted(self, method: str, prior: float) -> Trial:
        rows = self.rows
        losses = np.empty(rows.n)
        folds = []
        for held_out, calibrator in fold_fits(
            lambda weights: self._fit_without(method, weights, prior),
            rows.labels, scores=self.scores(), weights=rows.weights, clusters=self.clusters,
            seed=self.seed,
        ):  # fmt: skip
            scaled = self.scale(calibrator, held_out)
            after, before = (
                self._predictions(z, held_out) for z in (scaled, self.unchanged(held_out))
            )
            losses[held_out] = after.log_loss
            if rows.weights is not None:
                losses[held_out & (rows.weights == 0.0)] = 0.0  # 0 * inf
            folds.append(Fold(held_out, calibrator, paired_gaps(after, before)))
        distances = None
        if method == "temperature":
            distances = tuple(
                self._distance(each, held_out)
                for each, held_out in (
                    *((fold.calibrator, fold.held_out) for fold in folds),
                    (self.fit(method, rows.weights, prior), None),
                )
            )
        return Trial(method, prior, tuple(folds), losses, distances=distances)

    def _fit_without(self, method: str, weights: Array | None, prior: float) -> Calibrator:
        """Return the method fitted without a fold; what learns nothing also where a label is 0."""
        if method == Identity.method:
            return Identity(**self.rows.common)
        return self.fit(method, weights, prior)

    def _distance(self, fitted: Calibrator, held_out: NDArray[np.bool_] | None) -> float:
        """Return |log T| over its standard error."""
        record = fitted.record
        assert isinstance(record, TemperatureRecord)  # noqa: S101  (fitted here)
        rows, clusters = self.rows, self.clusters
        if clusters is not None:
            w = np.ones(rows.n) if rows.weights is None else rows.weights
            w = w if held_out is None else np.where(held_out, 0.0, w)
            record = count_clusters(record, rows.logits, rows.labels, w, clusters)
        error = record.standard_error / record.temperature
        moved = abs(log(record.temperature))
        return moved / error if error > 0.0 else (inf if moved > 0.0 else 0.0)

    def _predictions(self, logits: NDArray[Any], taken: NDArray[np.bool_]) -> Predictions:
        rows, clusters = self.rows, self.clusters
        if clusters is not None:
            clusters = np.unique(clusters[taken], return_inverse=True)[1]
        weights = None if rows.weights is None else rows.weights[taken]
        return Predictions.from_logits(logits, rows.labels[taken], weights, clusters)
