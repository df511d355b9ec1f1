"""The arguments that every measure takes, checked once, and what they derive per row."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from temperance.checks import as_classes, as_groups, as_labels, as_probs, as_weights
from temperance.checks.arrays import rows_among
from temperance.checks.frames import named_scores
from temperance.checks.label_matrix import LABEL_CLASSES
from temperance.checks.labels import kept_labels, kept_rows, labelled_rows
from temperance.errors import InvalidInputError
from temperance.numerics import as_float64, log_probs, row_blocks, row_log_losses, softmax

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Predictions"]


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Checked probabilities with their labels and weights; at least one row."""

    probs: NDArray[np.float64]  # (n, k)
    labels: NDArray[np.intp]  # (n,)
    weights: NDArray[np.float64] | None  # (n,)
    log_loss: NDArray[np.float64]  # (n,): of each row, infinite where the label is masked
    scores: NDArray[Any] | None = None  # (n, k): the logits, where `probs` came from logits
    clusters: NDArray[np.intp] | None = None  # (n,): numbers 0..m-1 of rows that belong together
    classes: tuple[str, ...] | None = None  # names of the columns, where these have any
    label: NDArray[np.intp] | None = None  # (n,): number of each entry's label, of a label matrix
    n_matrix_rows: int | None = None  # and how many rows that matrix has

    @classmethod
    def check(
        cls,
        probs: ArrayLike,
        labels: ArrayLike,
        weights: ArrayLike | None,
        clusters: ArrayLike | None = None,
        *,
        classes: Sequence[object] | None = None,
        ignore_label: float | str | None = None,
        renormalize: bool = False,
    ) -> Self:
        """Return the arguments as arrays, or raise InvalidInputError.

        The columns of a data frame name the classes, or are matched to `classes`. Rows whose label
        is `ignore_label` are left out.
        """
        scores, names = named_scores(
            probs, classes, name="probs", labels=labels, weights=weights, clusters=clusters
        )
        keep = labelled_rows(labels, ignore_label)
        with rows_among(keep):
            p = as_probs(kept_rows(scores, keep, name="probs"), renormalize=renormalize)
            n, k = p.shape
            if n == 0:
                msg = "`probs` must have at least one row: nothing can be measured on none."
                raise InvalidInputError(msg)
            known = as_classes(names, k=k)
            # entries of a label matrix say 0 and 1, whatever these are called
            called = None if known == LABEL_CLASSES else known
            y = as_labels(kept_labels(labels, keep), n=n, k=k, classes=called)
            loss = np.abs(log_probs(p[np.arange(n), y]))  # abs: 0, not -0, where p is 1
            units = None
            if clusters is not None:
                given = kept_rows(clusters, keep, name="clusters")
                units = as_groups(given, n=n, name="clusters")[1]
            w = as_weights(kept_rows(weights, keep, name="weights"), n=n)
        return cls(p, y, w, loss, clusters=units, classes=known)

    @classmethod
    def of_block(
        cls,
        probs: NDArray[Any],
        labels: NDArray[np.intp],
        weights: NDArray[np.float64] | None,
    ) -> Self:
        """Return some of the rows, of which labels and weights (on any scale) are checked."""
        return replace(cls.check(probs, labels, None), weights=weights)

    @classmethod
    def from_logits(
        cls,
        logits: NDArray[Any],
        labels: NDArray[np.intp],
        weights: NDArray[np.float64] | None,
        clusters: NDArray[np.intp] | None = None,
        *,
        classes: tuple[str, ...] | None = None,
    ) -> Self:
        """Return checked logits as predictions.

        The log loss never leaves logit space, so it stays finite and exact where a probability
        is too small for float64.
        """
        probs = np.empty(logits.shape)
        loss = np.empty(len(labels))
        for rows in row_blocks(logits):
            z = as_float64(logits[rows])
            loss[rows] = row_log_losses(z, labels[rows])
            probs[rows] = softmax(z)
        return cls(probs, labels, weights, loss, logits, clusters, classes)

    def weighing(self) -> tuple[Self, NDArray[np.bool_] | None]:
        """Return the rows without those of weight 0, and which they are; None where all weigh."""
        w = self.weights
        if w is None or w.all() or not w.any():
            return self, None
        there = w > 0.0
        clusters = self.clusters
        if clusters is not None:
            clusters = np.unique(clusters[there], return_inverse=True)[1]
        rows = replace(
            self, probs=self.probs[there], labels=self.labels[there], weights=w[there],
            log_loss=self.log_loss[there],
            scores=None if self.scores is None else self.scores[there], clusters=clusters,
            label=None if self.label is None else self.label[there],
        )  # fmt: skip
        return rows, there

    @property
    def logits(self) -> NDArray[Any]:
        """Logits whose softmax is `probs`."""
        return log_probs(self.probs) if self.scores is None else self.scores

    @property
    def confidence(self) -> NDArray[np.float64]:
        """Largest probability of each row, in [1/k, 1]."""
        return np.asarray(self.probs.max(axis=1))

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether the (first) most probable class is the true one."""
        return np.asarray(self.predicted == self.labels)

    @property
    def predicted(self) -> NDArray[np.intp]:
        """The (first) most probable class of each row."""
        ranked = self.probs if self.scores is None else self.scores
        return np.asarray(ranked.argmax(axis=1))

    def ties(self) -> tuple[int, float]:
        """Return how many rows of weight above 0 have several most probable classes.

        And by how much the summed weight of right rows grows if each of these classes counts as
        predicted for its share, whatever the order of the columns.
        """
        ranked = self.probs if self.scores is None else self.scores
        at_top = ranked == ranked.max(axis=1, keepdims=True)
        number = np.count_nonzero(at_top, axis=1)
        tied = np.flatnonzero(number > 1)
        if self.weights is not None:
            tied = tied[self.weights[tied] > 0.0]
        if not len(tied):
            return 0, 0.0
        share = at_top[tied, self.labels[tied]] / number[tied] - self.correct[tied]
        return len(tied), float(share.sum() if self.weights is None else self.weights[tied] @ share)

    @property
    def of_label(self) -> NDArray[np.float64]:
        """Probability of each row's true class."""
        return self.probs[np.arange(len(self.labels)), self.labels]
