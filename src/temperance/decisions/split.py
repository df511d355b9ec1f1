"""Labelled rows dealt by chance: some to fit a calibrator, the others to set a threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.row_order import content_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["split_rows"]


def split_rows(
    labels: NDArray[np.intp],
    share: float,
    *,
    seed: int,
    scores: Sequence[NDArray[Any]] = (),
    clusters: NDArray[np.intp] | None = None,
) -> NDArray[np.bool_]:
    """Return which rows are to be fitted on, (n,): about `share` of them.

    Stratified: of every class the same share, within one row. Rows of one cluster stay together;
    then clusters are dealt, and not stratified. Drawn by `seed` from what rows hold (`scores`), or
    the numbers of clusters, not from where they stand. Stratified, the errors among the rows left
    vary a little less than a binomial number does: a promise made of them errs on the safe side.
    """
    rng = np.random.default_rng(seed)
    if clusters is not None:
        count = int(clusters.max()) + 1
        dealt = rng.permutation(count) < share * count
        return np.asarray(dealt[clusters])
    order = rng.permutation(len(labels))
    if scores:
        order = content_order(scores, beside=(labels,))[order]
    by_class = order[np.argsort(labels[order], kind="stable")]
    # Walking through the classes, a row is taken whenever the taken ones fall behind the share.
    steps = np.floor(share * np.arange(len(labels) + 1) + rng.random())
    taken = np.zeros(len(labels), dtype=bool)
    taken[by_class] = np.diff(steps) > 0.0
    return taken
