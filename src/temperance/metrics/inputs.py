"""The arguments that every measure takes, checked once, and what they derive per row."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np

from temperance.checks import as_classes, as_groups, as_labels, as_probs, as_weights
from temperance.checks.arrays import rows_among
from temperance.checks.forms import named_scores
from temperance.checks.label_matrix import LABEL_CLASSES
from temperance.checks.labels import kept_labels, kept_rows, labelled_rows
from temperance.errors import InvalidInputError
from temperance.kernels.engines import compiled_moments
from temperance.numerics import (
    IN_CACHE,
    as_float64,
    log_probs,
    row_blocks,
    row_maxima,
    softmax_losses,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.kernels.score_moments import RowScores

    Array = NDArray[np.float64]

__all__ = ["Predictions", "row_brier", "row_measures", "score_moments"]

T = TypeVar("T", bound=np.generic)


def _own(values: NDArray[T], source: object) -> NDArray[T]:
    """Return a copy of values, unless they were made of what was given, and so are ours."""
    converted = isinstance(source, list | tuple) or getattr(source, "dtype", None) not in (
        None,
        values.dtype,
    )
    return values if converted and values.base is None else values.copy()


@dataclass(frozen=True, eq=False)
class Predictions:
    """Checked probabilities with their labels and weights; at least one row.

    Of logits, probabilities are made when they are first read: most measures need but a few numbers
    a row, which a compiled kernel takes from the logits.
    """

    own_probs: NDArray[np.float64] | None  # (n, k); None = softmax of `scores`
    labels: NDArray[np.intp]  # (n,)
    weights: NDArray[np.float64] | None  # (n,)
    own_losses: NDArray[np.float64] | None  # (n,): log loss of each row; None = of `scores`
    scores: NDArray[Any] | None = None  # (n, k): the logits, where probabilities came from logits
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
                clusters_used = kept_rows(clusters, keep, name="clusters")
                units = as_groups(clusters_used, n=n, name="clusters")[1]
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
        return cls.check(probs, labels, None).with_weights(weights)

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
        return cls(None, labels, weights, None, logits, clusters, classes)

    @classmethod
    def from_entries(
        cls,
        logits: NDArray[Any],
        labels: NDArray[np.intp],
        weights: NDArray[np.float64] | None,
        clusters: NDArray[np.intp] | None,
        *,
        names: NDArray[np.str_],
        n_rows: int,
    ) -> Self:
        """Return logits (m, 2) of the entries of a label matrix of `n_rows` as predictions.

        `names` (m,) are those of the entries' labels.
        """
        rows = cls.from_logits(logits, labels, weights, clusters, classes=LABEL_CLASSES)
        number = np.unique(names, return_inverse=True)[1]
        return replace(rows, label=number, n_matrix_rows=n_rows)

    def apart_from(self, probs: object, labels: object, weights: object) -> Self:
        """Return the same rows in arrays of their own, which no one who gave them writes to."""
        own_weights = None if self.weights is None else _own(self.weights, weights)
        return replace(
            self,
            own_probs=_own(self.probs, probs),
            labels=_own(self.labels, labels),
            weights=own_weights,
        )

    def weighing(self) -> tuple[Self, NDArray[np.bool_] | None]:
        """Return the rows without those of weight 0, and which they are; None where all weigh."""
        w = self.weights
        if w is None or w.all() or not w.any():
            return self, None
        positive = w > 0.0
        return self.taken(np.flatnonzero(positive)), positive

    def taken(self, places: NDArray[np.intp]) -> Self:
        """Return the rows at these places; clusters are numbered anew."""

        def at_places(values: NDArray[T] | None) -> NDArray[T] | None:
            return None if values is None else values[places]

        clusters = at_places(self.clusters)
        if clusters is not None:
            clusters = np.unique(clusters, return_inverse=True)[1]
        return replace(
            self, own_probs=at_places(self.own_probs), labels=self.labels[places],
            weights=at_places(self.weights), own_losses=at_places(self.own_losses),
            scores=at_places(self.scores), clusters=clusters, label=at_places(self.label),
        )  # fmt: skip

    def with_weights(self, weights: NDArray[np.float64] | None) -> Self:
        """Return the same rows with other weights, and with what has been computed of them."""
        rows = copy(self)
        object.__setattr__(rows, "weights", weights)
        return rows

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows and of classes, (n, k)."""
        values: NDArray[Any] | None = self.own_probs if self.scores is None else self.scores
        assert values is not None  # noqa: S101  (one of them is there)
        return values.shape[0], values.shape[1]

    @cached_property
    def probs(self) -> NDArray[np.float64]:
        """Probabilities, (n, k)."""
        return self._softmax[0] if self.own_probs is None else self.own_probs

    @cached_property
    def log_loss(self) -> NDArray[np.float64]:
        """Log loss of each row, (n,), infinite where the label is masked."""
        if self.own_losses is not None:
            return self.own_losses
        if self.row_scores is None:
            return self._softmax[1]
        return np.asarray(np.log(self.row_scores.total) - self._centred_at(self.labels))

    @cached_property
    def _softmax(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Probabilities and log losses of the logits."""
        logits = self.logits
        probs, loss = np.empty(logits.shape), np.empty(len(logits))
        for rows in row_blocks(logits):
            probs[rows], loss[rows] = softmax_losses(as_float64(logits[rows]), self.labels[rows])
        return probs, loss

    @cached_property
    def row_scores(self) -> RowScores | None:
        """What one reading of the logits tells, where a compiled one pays."""
        if self.scores is None or self.own_probs is not None:
            return None
        kernel = compiled_moments(self.scores.size)
        return None if kernel is None else kernel.row_scores(self.scores)

    @property
    def logits(self) -> NDArray[Any]:
        """Logits whose softmax is `probs`."""
        return log_probs(self.probs) if self.scores is None else self.scores

    def _for_all(self, of_row: Callable[[NDArray[Any]], NDArray[T]]) -> NDArray[T]:
        """Return the number that `of_row` makes of each row of the probabilities, (n,).

        Of rows that are one row, said for all of them, it is made once.
        """
        probs = self.probs
        if len(probs) > 1 and probs.strides[0] == 0:
            return np.full(len(probs), of_row(probs[:1])[0])
        return of_row(probs)

    @cached_property
    def confidence(self) -> NDArray[np.float64]:
        """Largest probability of each row, in [1/k, 1]."""
        if self.row_scores is not None:
            return np.asarray(1.0 / self.row_scores.total)
        return self._for_all(row_maxima)

    @cached_property
    def correct(self) -> NDArray[np.bool_]:
        """Whether the (first) most probable class is the true one."""
        return np.asarray(self.predicted == self.labels)

    @cached_property
    def predicted(self) -> NDArray[np.intp]:
        """The (first) most probable class of each row."""
        if self.row_scores is not None:
            return np.asarray(self.row_scores.predicted)
        if self.scores is None:
            return self._for_all(lambda p: np.asarray(p.argmax(axis=1)))
        return np.asarray(self.scores.argmax(axis=1))

    def centred_logits(self, rows: slice) -> NDArray[np.float64]:
        """Logits of some rows less the largest of each: log p less the log of the confidence."""
        if self.scores is None:
            return self.block_logits(rows) - self.largest_logit[rows, None]
        return np.asarray(
            np.subtract(self.scores[rows], self.largest_logit[rows, None], dtype=np.float64)
        )

    @cached_property
    def largest_logit(self) -> NDArray[np.float64]:
        """Largest of the `logits` of each row."""
        if self.row_scores is not None:
            return np.asarray(self.row_scores.largest)
        if self.scores is None:
            return np.asarray(np.log(self.confidence))
        return as_float64(row_maxima(self.scores))

    @property
    def logit_moments(self) -> NDArray[np.float64]:
        """Mean, variance and fourth central moment of `centred_logits` under `probs`, (3, n)."""
        return np.asarray(self._moments[0])

    @property
    def probability_moments(self) -> NDArray[np.float64]:
        """The same of the probabilities themselves; the mean is their sum of squares."""
        return np.asarray(self._moments[1])

    @cached_property
    def _moments(self) -> NDArray[np.float64]:
        """The moments of logits and of probabilities, (2, 3, n)."""
        if self.row_scores is not None:
            return np.stack([self.row_scores.of_logits, self.row_scores.of_probs])
        kernel = compiled_moments(self.probs.size)
        moments = np.empty((2, 3, len(self.labels)))
        for rows in row_blocks(self.probs, IN_CACHE):
            p = self.probs[rows]
            if kernel is None:
                moments[0, :, rows] = score_moments(self.centred_logits(rows), p)
                moments[1, :, rows] = score_moments(p, p)
            else:
                ends = self.largest_logit[rows], self.confidence[rows]
                moments[:, :, rows] = kernel.own_moments(self.block_logits(rows), *ends)
        return moments

    def block_logits(self, rows: slice) -> NDArray[np.float64]:
        """Return the logits of some rows."""
        if self.scores is not None:
            return as_float64(self.scores[rows])
        block = self.probs[rows]
        if len(block) > 1 and block.strides[0] == 0:  # one row for all
            return np.broadcast_to(log_probs(block[:1]), block.shape)
        return log_probs(block)

    @cached_property
    def sum_of_squares(self) -> NDArray[np.float64]:
        """Sum of the squared probabilities of each row."""
        if self.row_scores is not None:
            return np.asarray(self.row_scores.of_probs[0])
        return self._for_all(lambda p: np.asarray(np.einsum("ij,ij->i", p, p)))

    def ties(self) -> tuple[int, float]:
        """Return how many rows of weight above 0 have several most probable classes.

        And by how much the summed weight of right rows grows if each of these classes counts as
        predicted for its share, whatever the order of the columns.
        """
        if self.scores is None:
            ranked, largest = self.probs, self.confidence
        else:
            ranked, largest = self.scores, self.largest_logit
        if self.row_scores is None:
            number = np.count_nonzero(ranked == largest[:, None], axis=1)
        else:
            number = self.row_scores.n_top
        tied = np.flatnonzero(number > 1)
        if self.weights is not None:
            tied = tied[self.weights[tied] > 0.0]
        if not len(tied):
            return 0, 0.0
        at_top = ranked[tied, self.labels[tied]] == largest[tied]
        share = at_top / number[tied] - self.correct[tied]
        return len(tied), float(share.sum() if self.weights is None else self.weights[tied] @ share)

    @property
    def of_label(self) -> NDArray[np.float64]:
        """Probability of each row's true class."""
        return self.at(self.labels)

    def at(self, classes: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the probability of one class in each row, (n,)."""
        if self.row_scores is None:
            return self.probs[np.arange(len(classes)), classes]
        return np.asarray(np.exp(self._centred_at(classes)) / self.row_scores.total)

    def _centred_at(self, classes: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the logit of one class in each row less the largest, (n,)."""
        assert self.scores is not None  # noqa: S101  (there are logits)
        return as_float64(self.scores[np.arange(len(classes)), classes]) - self.largest_logit


# What measures ask of rows besides: scores of each row, and their moments.


def row_brier(rows: Predictions) -> NDArray[np.float64]:
    """Brier score of each row, shape (n,): (1 - p_y)^2 + sum over other classes of p^2."""
    return np.asarray(rows.sum_of_squares + 1.0 - 2.0 * rows.of_label)


def row_measures(rows: Predictions) -> NDArray[np.float64]:
    """Log loss, Brier score, correctness and confidence of each row, shape (n, 4)."""
    columns = (rows.log_loss, row_brier(rows), rows.correct, rows.confidence)
    measures = np.stack(columns, axis=1, dtype=np.float64)
    if rows.weights is not None:
        measures[rows.weights == 0] = 0.0  # 0 * inf
    return measures


def score_moments(scores: Array, probs: Array) -> Array:
    """Return the moments of each row's score, (3, n), of what it is in each class, (n, k).

    Where a score is infinite or undefined it counts 0, as at the mean: such classes have
    probability 0, or are left out.
    """
    impossible = ~np.isfinite(scores)
    some = bool(impossible.any())
    if some:
        scores = np.where(impossible, 0.0, scores)
    mean = np.einsum("ij,ij->i", probs, scores)
    squares = scores - mean[:, None]
    squares *= squares
    if some:
        squares[impossible] = 0.0
    weighted = probs * squares
    return np.stack([mean, weighted.sum(axis=1), np.einsum("ij,ij->i", weighted, squares)])
