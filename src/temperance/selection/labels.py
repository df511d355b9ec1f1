"""The choice of a map for label matrices: rows are held out whole, with all their labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from temperance.calibrators import (
    LABEL_METHODS,
    Calibrator,
    MultilabelScaling,
    entry_rows,
    fit_entries,
)
from temperance.checks import as_groups, as_weights
from temperance.checks.arguments import as_sequence, as_word
from temperance.checks.frames import named_scores
from temperance.checks.label_matrix import Entries, as_label_logits, label_names
from temperance.errors import NoOptimumError
from temperance.selection.choose import Trials, select_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.selection.selection import Selection

    Array = NDArray[np.float64]

__all__ = ["LabelTrials", "select_labels"]


@dataclass(frozen=True, slots=True, eq=False)
class LabelTrials(Trials):
    """Trials on entries of a label matrix; groups are the labels' names, clusters the rows."""

    def fit(self, method: str, weights: NDArray[np.float64] | None, prior: float) -> Calibrator:
        """Return the method fitted with these weights."""
        return fit_entries(method, self.weighing(weights, prior))


def select_labels(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    methods: Sequence[str] | None = None,
    classes: Sequence[object] | None = None,
    ignore_label: int | str | None = None,
    refuse_probs: bool = True,
    seed: int = 0,
) -> Selection:
    """Choose a map for a label matrix by cross-fitted log loss; it may be to change nothing.

    Parameters
    ----------
    logits, labels, weights, classes, ignore_label, refuse_probs
        As in `MultilabelScaling.fit`.
    clusters : array_like, shape (n,), optional
        Which rows belong together, such as images of one patient. Default: each row by itself.
    methods : sequence of str, optional
        Among "temperature", "group-temperature" (one per label) and "platt" (a line per label);
        identity always with them. Default: all.
    seed : int, default 0
        Of the folds, >= 0.

    Returns
    -------
    Selection
        Its `calibrator` is a `MultilabelScaling`; losses are means over entries, errors count
        rows (clusters).

    Raises
    ------
    InvalidInputError
        As in `MultilabelScaling.fit`, or another method.
    NoOptimumError
        There is only one row, or all are of one cluster.

    Notes
    -----
    The rules of `select`. All entries of a row are held out with it: its labels may share their
    luck.

    Examples
    --------
    Labels that apply less often than claimed, by a factor of about 7 in the odds: no temperature
    moves 1/2.

    >>> import numpy as np
    >>> z = np.tile([[0.0, 2.0], [-1.0, 1.0], [0.0, 1.0], [-1.0, 2.0]], (50, 1))
    >>> y = (np.random.default_rng(0).random(z.shape) < 1 / (1 + np.exp(2 - z))).astype(int)
    >>> select_labels(z, y).method
    'platt'
    """
    logits, classes = named_scores(
        logits, classes, name="logits", labels=labels, weights=weights, clusters=clusters
    )
    labels, _ = named_scores(labels, classes, name="labels")
    z = as_label_logits(logits, refuse_probs=refuse_probs)
    n, count = z.shape
    names = label_names(classes, count=count)
    entries = Entries.of(z, labels, names=names, ignore_label=ignore_label)
    row = entries.clusters
    w = as_weights(weights, n=n)
    if clusters is not None:
        units = as_groups(clusters, n=n, name="clusters")[1]
        entries = replace(entries, clusters=units[row])
    if methods is not None:
        methods = as_sequence(methods, name="methods", rule="a sequence of names of methods")
        methods = [as_word(each, LABEL_METHODS, name="methods") for each in methods]
    if not len(row):
        msg = "There are no rows: a fit needs labelled rows."
        raise NoOptimumError(msg, reason="no-rows")
    of_entry = None if w is None else w[row]
    entries = replace(entries, clusters=np.unique(entries.clusters, return_inverse=True)[1])
    selection, _ = select_rows(
        entry_rows(entries, weights=of_entry), methods=methods, chosen=methods is not None,
        seed=seed, trials_of=LabelTrials, order=tuple(LABEL_METHODS),
    )  # fmt: skip
    calibrator = MultilabelScaling.around(
        selection.calibrator, entries, of_entry, classes=None if classes is None else names
    )
    return replace(selection, calibrator=calibrator)
