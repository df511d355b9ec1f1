"""The labelled rows that a promise about decisions rests on: independent, each counting once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from temperance.checks import as_group_names
from temperance.errors import InvalidInputError
from temperance.metrics.inputs import Predictions

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["DecisionRows"]


@dataclass(frozen=True, slots=True, eq=False)
class DecisionRows:
    """What decides of each row, and whether its prediction is wrong."""

    confidence: NDArray[np.float64]  # (n,): largest probability
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
    ) -> Self:
        """Return the rows of weight above 0; of clusters one row each, drawn by `seed`.

        Raises InvalidInputError for what `Predictions.check` refuses, and for weights that differ.
        """
        rows = Predictions.check(probs, labels, weights, clusters)
        names = None if groups is None else as_group_names(groups, n=len(rows.labels))
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
                    f"exact one is known for weighted rows; row {row} has "
                    f"{rows.weights[row]:g}, row {keep[0]} {used[0]:g}. Leave the weights out, or "
                    "draw rows in proportion to them."
                )
                raise InvalidInputError(msg)
        n_given = len(keep)
        if rows.clusters is not None:
            drawn = np.random.default_rng(seed).permutation(keep)
            _, first = np.unique(rows.clusters[drawn], return_index=True)
            keep = np.sort(drawn[first])
        return cls(
            confidence=rows.confidence[keep],
            wrong=~rows.correct[keep],
            groups=None if groups is None else groups[keep],
            n_given=n_given,
            clustered=rows.clusters is not None,
        )

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.wrong)

    def taken(self, rows: NDArray[np.bool_]) -> DecisionRows:
        """Return some of the rows, without their groups."""
        count = int(np.count_nonzero(rows))
        return DecisionRows(self.confidence[rows], self.wrong[rows], None, count, self.clustered)
