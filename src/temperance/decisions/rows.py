"""The labelled rows that a promise about decisions rests on: independent, each counting once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from temperance.checks import as_group_names
from temperance.checks.arguments import as_flag, as_seed
from temperance.checks.arrays import row_name
from temperance.checks.forms import refuse_other_index
from temperance.checks.labels import kept_rows, labelled_rows
from temperance.crossfit import content_order
from temperance.errors import InvalidInputError
from temperance.metrics.inputs import Predictions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["DecisionRows", "as_answers", "confidence_of", "counting"]


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
            values = kept_rows(groups, labelled_rows(labels, ignore_label), name="groups")
            names = as_group_names(values, n=len(rows.labels))
        return cls.of(rows, names, seed=seed)

    @classmethod
    def of(cls, rows: Predictions, groups: NDArray[np.str_] | None, *, seed: int) -> Self:
        """Return the same of predictions that are checked."""
        keep = np.arange(len(rows.labels))
        if rows.weights is not None:
            keep = counting(rows.weights)
        n_given = len(keep)
        if rows.clusters is not None:
            columns = [rows.labels[keep]]
            if groups is not None:
                columns.append(np.unique(groups[keep], return_inverse=True)[1])
            order = content_order([rows.probs[keep]], columns=columns)
            shuffled = np.random.default_rng(seed).permutation(keep[order])
            _, first = np.unique(rows.clusters[shuffled], return_index=True)
            keep = np.sort(shuffled[first])
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


def counting(weights: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the places of the rows of weight above 0, or raise where such weights differ."""
    keep = np.flatnonzero(weights > 0.0)
    used = weights[keep]
    if (used != used[0]).any():
        row = int(keep[np.argmax(used != used[0])])
        msg = (
            "`weights` must be equal (or 0): a promise counts errors among rows, and no exact one "
            f"is known for weighted rows; {row_name(row)} has {weights[row]:g}, "
            f"{row_name(int(keep[0]))} {used[0]:g}. Leave the weights out, or draw rows in "
            "proportion to them."
        )
        raise InvalidInputError(msg)
    return keep


def as_answers(rows: Predictions) -> Predictions:
    """Return two classes, wrong and right, as answers that all claim to be right.

    Whoever answers stands by the answer: it is wrong where its label says so, however small the
    probability of being right was.
    """
    return replace(
        rows,
        own_probs=rows.probs,
        own_losses=rows.log_loss,
        scores=np.broadcast_to([0.0, 1.0], rows.shape),
    )


def confidence_of(rows: Predictions) -> NDArray[np.float64]:
    """Return the probability of what is predicted, (n,): a number from 0 to 1 that decides."""
    return rows.probs[np.arange(len(rows.labels)), rows.predicted]
