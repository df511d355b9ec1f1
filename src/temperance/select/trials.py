"""One candidate: fitted five times, each time scored on the rows left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.calibrators import METHODS, fit_by_name, scale_rows
from temperance.crossfit import fold_fits
from temperance.errors import NoOptimumError
from temperance.numerics import row_log_losses

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.calibrators import Calibrator, Training

    Array = NDArray[np.float64]

__all__ = ["FEW_ROWS", "Trial", "Trials"]

FEW_ROWS = 50  # effective rows below which a prior and smoothing hold the temperature


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A method's calibrators, one per fold, and every row's log loss by the one without it."""

    method: str
    prior: float
    folds: tuple[tuple[NDArray[np.bool_], Calibrator], ...]  # rows held out, fit on the others
    losses: Array  # (n,)


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
        if self.prior > 0.0:
            return self._cross_fitted(method, self.prior)
        try:
            return self._cross_fitted(method, 0.0)
        except NoOptimumError:
            return self._cross_fitted(method, 1.0)

    def fit(self, method: str, weights: Array | None, prior: float) -> Calibrator:
        """Return the method fitted with these weights."""
        rows = self.rows
        few = rows.effective_rows < FEW_ROWS
        return fit_by_name(
            method, rows.logits, rows.positions, weights=weights, groups=self.groups,
            classes=rows.classes, prior=prior, smooth=few and method == "temperature",
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

    def _cross_fitted(self, method: str, prior: float) -> Trial:
        rows = self.rows
        losses = np.empty(rows.n)
        folds = []
        for held_out, calibrator in fold_fits(
            lambda weights: self.fit(method, weights, prior),
            rows.labels, scores=self.scores(), weights=rows.weights, clusters=self.clusters,
            seed=self.seed,
        ):  # fmt: skip
            scaled = self.scale(calibrator, held_out)
            losses[held_out] = row_log_losses(scaled, rows.labels[held_out])
            folds.append((held_out, calibrator))
        return Trial(method, prior, tuple(folds), losses)
