"""Score every row by a map that never saw it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from temperance.errors import NoOptimumError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

C = TypeVar("C")

__all__ = ["cluster_folds", "cross_fit", "fold_fits", "folds_of", "stratified_folds"]


def cross_fit(
    fit: Callable[[NDArray[np.float64]], Callable[[NDArray[np.bool_]], NDArray[np.float64]]],
    labels: NDArray[np.intp],
    *,
    weights: NDArray[np.float64] | None = None,
    clusters: NDArray[np.intp] | None = None,
    n_folds: int = 5,
) -> NDArray[np.float64]:
    """Return calibrated outputs (n, k), each row's from a fit on the other folds.

    `fit(weights)`, as in `fold_fits`, returns what gives the outputs of held-out rows, (n,) of
    True and False: a calibrator's `scale` of their logits, or `apply` for probabilities.
    """
    outputs: NDArray[np.float64] | None = None
    for held_out, apply in fold_fits(
        fit, labels, weights=weights, clusters=clusters, n_folds=n_folds
    ):
        scored = apply(held_out)
        if outputs is None:
            outputs = np.empty((len(labels), *scored.shape[1:]))
        outputs[held_out] = scored
    assert outputs is not None  # noqa: S101  (there is a fold)
    return outputs


def fold_fits(
    fit: Callable[[NDArray[np.float64]], C],
    labels: NDArray[np.intp],
    *,
    weights: NDArray[np.float64] | None = None,
    clusters: NDArray[np.intp] | None = None,
    n_folds: int = 5,
) -> Iterator[tuple[NDArray[np.bool_], C]]:
    """Yield the rows held out in each fold, (n,) of True and False, and what `fit` made without.

    `fit(weights)` fits on all rows with the given weights, which are 0 in the held-out fold (so
    no copy of the data is made). Rows of one cluster are held out together.
    """
    folds = folds_of(labels, clusters, n_folds=n_folds)
    w = np.ones(len(labels)) if weights is None else weights
    for fold in range(int(folds.max()) + 1):
        held_out = folds == fold
        others = np.where(held_out, 0.0, w)
        try:
            if not others.any():
                msg = "No row of weight above 0 is left to fit on."
                raise NoOptimumError(msg, reason="no-rows")  # noqa: TRY301
            fitted = fit(others)
        except NoOptimumError as error:
            msg = (
                f"Cross-fitting leaves {np.count_nonzero(held_out)} of {len(labels)} rows out at a "
                f"time, and the others are too few: {error} Or score other rows: --test FILE."
            )
            raise NoOptimumError(msg, reason=error.reason) from error
        yield held_out, fitted


def folds_of(
    labels: NDArray[np.intp], clusters: NDArray[np.intp] | None, *, n_folds: int = 5
) -> NDArray[np.intp]:
    """Return each row's fold: stratified by class, or with whole clusters where there are any."""
    if clusters is None:
        return stratified_folds(labels, n_folds=n_folds)
    return cluster_folds(clusters, n_folds=n_folds)


def stratified_folds(labels: NDArray[np.intp], *, n_folds: int) -> NDArray[np.intp]:
    """Return each row's fold, 0..n_folds-1: equal sizes within one, classes spread evenly.

    Rows of a class keep their order and are cut into blocks, as scikit-learn's StratifiedKFold
    cuts them: rows that stand side by side, often of one document or patient, stay together
    rather than leak into the fit. With fewer rows than folds, every row is its own fold.
    """
    n_folds = max(1, min(n_folds, len(labels)))
    _, first_row, inverse = np.unique(labels, return_index=True, return_inverse=True)
    classes = first_row.argsort().argsort()[inverse]  # numbered in order of first appearance
    by_class = np.argsort(classes, kind="stable")
    # Deal the rows, sorted by class, like cards: that fixes how many of each class a fold
    # holds. Within the class they are then taken in blocks.
    dealt = np.arange(len(labels)) % n_folds
    folds = np.empty(len(labels), dtype=np.intp)
    folds[by_class] = dealt[np.lexsort((dealt, classes[by_class]))]
    return folds


def cluster_folds(clusters: NDArray[np.intp], *, n_folds: int) -> NDArray[np.intp]:
    """Return each row's fold, 0..n_folds-1: clusters stay whole, the largest dealt first.

    Each goes to the fold with the fewest rows so far, as scikit-learn's GroupKFold does.
    """
    sizes = np.bincount(clusters)
    n_folds = max(1, min(n_folds, len(sizes)))
    filled = np.zeros(n_folds, dtype=np.intp)
    of_cluster = np.empty(len(sizes), dtype=np.intp)
    for cluster in np.argsort(sizes, kind="stable")[::-1]:
        of_cluster[cluster] = filled.argmin()
        filled[of_cluster[cluster]] += sizes[cluster]
    return of_cluster[clusters]
