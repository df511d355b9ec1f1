"""Score every row by a map that never saw it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from temperance.errors import NoOptimumError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["Calibrator", "cross_fit", "stratified_folds"]


class Calibrator(Protocol):
    """A fitted map from logits to probabilities."""

    def apply(self, logits: NDArray[Any], /) -> NDArray[np.float64]:
        """Return calibrated probabilities, shape (n, k)."""


def cross_fit(
    fit: Callable[[NDArray[np.float64]], Calibrator],
    logits: NDArray[Any],
    labels: NDArray[np.intp],
    *,
    weights: NDArray[np.float64] | None = None,
    n_folds: int = 5,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Return probabilities (n, k), each row's from a fit on the other folds.

    `fit(weights)` fits on all rows with the given weights, which are 0 in the held-out fold:
    so no copy of the data is made.
    """
    folds = stratified_folds(labels, n_folds=n_folds, seed=seed)
    w = np.ones(len(labels)) if weights is None else weights
    probs = np.empty(logits.shape)
    for fold in range(int(folds.max()) + 1):
        held_out = folds == fold
        try:
            calibrator = fit(np.where(held_out, 0.0, w))
        except NoOptimumError as error:
            msg = (
                f"Cross-fitting failed in fold {fold + 1}, where a fifth of the rows is left out: "
                f"{error}"
            )
            raise NoOptimumError(msg, reason=error.reason) from error
        probs[held_out] = calibrator.apply(logits[held_out])
    return probs


def stratified_folds(labels: NDArray[np.intp], *, n_folds: int, seed: int) -> NDArray[np.intp]:
    """Return each row's fold, 0..n_folds-1: equal sizes within one, classes spread evenly.

    With fewer rows than folds, every row is its own fold.
    """
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    folds = np.empty(len(labels), dtype=np.intp)
    folds[by_class] = np.arange(len(labels)) % min(n_folds, max(len(labels), 1))
    return folds
