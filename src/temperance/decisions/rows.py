"""The labelled rows that a promise about decisions rests on: independent, each counting once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from temperance.checks import as_group_names
from temperance.checks.arguments import as_flag, as_seed
from temperance.checks.arrays import row_name
from temperance.checks.frames import refuse_other_index
from temperance.checks.labels import kept_rows, labelled_rows
from temperance.crossfit import content_order
from temperance.errors import InvalidInputError
from temperance.metrics.inputs import Predictions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["DecisionRows", "as_answers", "confidence_of", "split_rows"]


@dataclass(frozen=True, slots=True, eq=False)
class DecisionRows:
    """What decides of each row, and whether its prediction is wrong."""

    confidence: NDArray[np.float64]  # (n,): probability of what is predicted
    wrong: NDArray[np.bool_]  # (n,)
    groups: NDArray[np.str_] | None  # (n,): "" where a row has none
    n_given: int  # rows before one per cluster was drawn
    clustered: bool

    @classmethod
    def check(
        cls,
        probs: ArrayLike,
        labels: ArrayLike,
        *,
        weights: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        clusters: ArrayLike | None = None,
        seed: int = 0,
        answers: bool = False,
        classes: Sequence[object] | None = None,
        ignore_label: float | str | None = None,
    ) -> Self:
        """Return the rows of weight above 0; of clusters one row each, drawn by `seed`.

        Of `answers`, `probs` are the probabilities (n,) that they are right.

        Raises InvalidInputError for what `Predictions.check` refuses, and for weights that differ.
        """
        seed = as_seed(seed)
        refuse_other_index(probs=probs, groups=groups)
        rows = Predictions.check(
            probs, labels, weights, clusters, classes=classes, ignore_label=ignore_label
        )
        if as_flag(answers, name="answers"):
            if np.ndim(probs) != 1:
                msg = (
                    "`probs` of `answers` must be the probability (n,) that each is right, got "
                    f"shape {np.shape(probs)}."
                )
                raise InvalidInputError(msg)
            rows = as_answers(rows)
        names = None
        if groups is not None:
            given = kept_rows(groups, labelled_rows(labels, ignore_label), name="groups")
            names = as_group_names(given, n=len(rows.labels))
        return cls.of(rows, names, seed=seed)

    @classmethod
    def of(cls, rows: Predictions, groups: NDArray[np.str_] | None, *, seed: int) -> Self:
        """Return the same of predictions that are checked."""
        keep = np.arange(len(rows.labels))
        if rows.weights is not None:
            keep = np.flatnonzero(rows.weights > 0.0)
            used = rows.weights[keep]
            if (used != used[0]).any():
                row = int(keep[np.argmax(used != used[0])])
                msg = (
                    "`weights` must be equal (or 0): a promise counts errors among rows, and no "
                    f"exact one is known for weighted rows; {row_name(row)} has "
                    f"{rows.weights[row]:g}, {row_name(int(keep[0]))} {used[0]:g}. Leave the "
                    "weights out, or "
                    "draw rows in proportion to them."
                )
                raise InvalidInputError(msg)
        n_given = len(keep)
        if rows.clusters is not None:
            beside = [rows.labels[keep]]
            if groups is not None:
                beside.append(np.unique(groups[keep], return_inverse=True)[1])
            order = content_order([rows.probs[keep]], beside=beside)
            drawn = np.random.default_rng(seed).permutation(keep[order])
            _, first = np.unique(rows.clusters[drawn], return_index=True)
            keep = np.sort(drawn[first])
        return cls(
            confidence=confidence_of(rows)[keep],
            wrong=~rows.correct[keep],
            groups=None if groups is None else groups[keep],
            n_given=n_given,
            clustered=rows.clusters is not None,
        )

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.wrong)

    def taken(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> DecisionRows:
        """Return some of the rows (a mask, or their places), without their groups."""
        wrong = self.wrong[rows]
        return DecisionRows(self.confidence[rows], wrong, None, len(wrong), self.clustered)


def as_answers(rows: Predictions) -> Predictions:
    """Return two classes, wrong and right, as answers that all claim to be right.

    Whoever answers stands by the answer: it is wrong where its label says so, however small the
    probability of being right was.
    """
    return replace(rows, scores=np.broadcast_to([0.0, 1.0], rows.probs.shape))


def confidence_of(rows: Predictions) -> NDArray[np.float64]:
    """Return the probability of what is predicted, (n,): a number from 0 to 1 that decides."""
    return rows.probs[np.arange(len(rows.labels)), rows.predicted]


# Labelled rows dealt by chance: some to fit a calibrator, the others to set a threshold.


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
