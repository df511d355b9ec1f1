"""The labelled rows that a promise about decisions rests on: independent, each counting once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Self

import numpy as np

from temperance.checks import as_group_names, as_groups
from temperance.checks.arguments import as_flag, as_seed
from temperance.checks.arrays import row_name
from temperance.checks.forms import refuse_other_index
from temperance.checks.labels import kept_rows, labelled_rows
from temperance.crossfit import content_order
from temperance.errors import InvalidInputError
from temperance.metrics.events import class_event, named_event
from temperance.metrics.inputs import Predictions
from temperance.numerics import places_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.metrics.events import EventName

__all__ = [
    "COMPOSITES",
    "PREDICTED",
    "Composite",
    "DecisionEvent",
    "DecisionRows",
    "as_answers",
    "composite_confidence",
    "confidence_of",
    "counting",
]

PREDICTED = "predicted"
Composite = Literal["product", "minimum"]
COMPOSITES: tuple[Composite, ...] = ("product", "minimum")


@dataclass(frozen=True, slots=True)
class DecisionEvent:
    """What a score is the probability of: thresholds are on it, and it is true of a row or not."""

    name: str = PREDICTED  # the answer is right; or a class, by name or number
    column: int | None = None  # of the class among the probabilities
    composite: Composite | None = None  # the rows of a cluster are one answer, right if all are

    @classmethod
    def named(cls, event: EventName, rows: Predictions, composite: Composite | None) -> Self:
        """Return an event of these rows by its name, or raise InvalidInputError."""
        if isinstance(event, str) and event.isdecimal() and rows.classes is None:
            event = int(event)  # from a command line
        row_event = named_event(rows, event)
        if row_event.name == "top-label":
            return cls(composite=composite)
        column = int(row_event.name)
        name = str(column) if rows.classes is None else rows.classes[column]
        return cls(name, column, composite)

    def of(self, rows: Predictions) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the score of each row, and whether the event is true of it."""
        if self.column is None:
            return confidence_of(rows), rows.correct
        event = class_event(rows, self.column)
        return event.probability, event.hit

    def score(
        self, probs: NDArray[np.float64], clusters: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Return what thresholds are on, (n,): of the rows of a composite answer that of the whole.

        Raises InvalidInputError where clusters are needed, and where the column is not there.
        """
        if self.column is not None:
            if probs.ndim != 2 or self.column >= probs.shape[1]:
                msg = f"`probs` must have a column {self.column}, of the class {self.name}."
                raise InvalidInputError(msg)
            return probs[:, self.column]
        confidence = probs if probs.ndim == 1 else probs.max(axis=1)
        if self.composite is None:
            return confidence
        if clusters is None:
            msg = (
                "`clusters` must be given: the rows of a cluster are one answer (--cluster-column "
                "names their column)."
            )
            raise InvalidInputError(msg)
        refuse_other_index(probs=probs, clusters=clusters)
        names, numbers = as_groups(clusters, n=len(confidence), name="clusters")
        return composite_confidence(confidence, numbers, len(names), self.composite)[numbers]

    @property
    def score_name(self) -> str:
        """What thresholds are on, in words."""
        if self.composite is not None:
            return f"{self.composite} of the confidences"
        return "confidence" if self.column is None else f"P({self.name})"

    @property
    def words(self) -> dict[str, str]:
        """How sentences call rows of which it is true, and rows of which it is not."""
        true, false = self.name, f"not {self.name}"
        if self.column is None:
            true, false = ("all right", "not all right") if self.composite else ("right", "wrong")
        return {
            "is_yes": f"is {true}", "is_no": f"is {false}",
            "are_yes": f"are {true}", "are_no": f"are {false}",
        }  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class DecisionRows:
    """What decides of each row, and whether its prediction is wrong."""

    confidence: NDArray[np.float64]  # (n,): probability of what is predicted
    wrong: NDArray[np.bool_]  # (n,)
    groups: NDArray[np.str_] | None  # (n,): "" where a row has none
    n_given: int  # rows before one per cluster was drawn
    clustered: bool
    event: DecisionEvent = DecisionEvent()

    @classmethod
    def check(  # noqa: PLR0913  (each is something that only the user knows)
        cls,
        probs: ArrayLike,
        labels: ArrayLike,
        *,
        weights: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        clusters: ArrayLike | None = None,
        seed: int = 0,
        answers: bool = False,
        event: EventName = PREDICTED,
        composite: Composite | None = None,
        classes: Sequence[object] | None = None,
        ignore_label: float | str | None = None,
    ) -> Self:
        """Return the rows of weight above 0; of clusters one row each, drawn by `seed`.

        Of `answers`, `probs` are the probabilities (n,) that they are right. `event` and
        `composite` as in `bands`.

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
        decided = DecisionEvent.named(event, rows, composite)
        names = None
        if groups is not None:
            values = kept_rows(groups, labelled_rows(labels, ignore_label), name="groups")
            names = as_group_names(values, n=len(rows.labels))
        return cls.of(rows, names, seed=seed, event=decided)

    @classmethod
    def of(
        cls,
        rows: Predictions,
        groups: NDArray[np.str_] | None,
        *,
        seed: int,
        event: DecisionEvent | None = None,
    ) -> Self:
        """Return the same of predictions that are checked; of a composite a row per cluster."""
        event = event or DecisionEvent()
        if event.composite is not None:
            return cls._of_composites(rows, groups, event, event.composite)
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
        confidence, true = event.of(rows)
        return cls(
            confidence=confidence[keep],
            wrong=~true[keep],
            groups=None if groups is None else groups[keep],
            n_given=n_given,
            clustered=rows.clusters is not None,
            event=event,
        )

    @classmethod
    def _of_composites(
        cls,
        rows: Predictions,
        groups: NDArray[np.str_] | None,
        event: DecisionEvent,
        composite: Composite,
    ) -> Self:
        """Return a row per cluster, right where all its rows are."""
        if rows.clusters is None:
            msg = (
                "`composite` (--composite) needs `clusters` (--cluster-column): which rows are "
                "parts of one answer."
            )
            raise InvalidInputError(msg)
        if groups is not None or event.column is not None:
            what = "`groups` (--per-group)" if groups is not None else "`event` (--event)"
            msg = (
                f"`composite` (--composite) must not be given with {what}: it is of whole answers."
            )
            raise InvalidInputError(msg)
        keep = np.arange(len(rows.labels)) if rows.weights is None else counting(rows.weights)
        confidence, right = event.of(rows)
        parts, numbers = np.unique(rows.clusters[keep], return_inverse=True)
        wrong = np.zeros(len(parts), dtype=bool)
        np.logical_or.at(wrong, numbers, ~right[keep])
        scores = composite_confidence(confidence[keep], numbers, len(parts), composite)
        return cls(scores, wrong, None, len(keep), clustered=True, event=event)

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.wrong)

    def by_group(self) -> dict[str, DecisionRows]:
        """Return the rows of each group, by its name; these rows have groups."""
        distinct, numbers = np.unique(np.asarray(self.groups), return_inverse=True)
        places = places_of(numbers, len(distinct))
        return {name: self.taken(of) for name, of in zip(distinct.tolist(), places, strict=True)}

    def taken(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> DecisionRows:
        """Return some of the rows (a mask, or their places), without their groups."""
        wrong = self.wrong[rows]
        return DecisionRows(
            self.confidence[rows], wrong, None, len(wrong), self.clustered, self.event
        )


def composite_confidence(
    confidence: NDArray[np.float64], numbers: NDArray[np.intp], n: int, composite: Composite
) -> NDArray[np.float64]:
    """Return the confidence of each of n answers whose parts these are, (n,).

    "product": that all parts are right, if they err independently; "minimum": the least sure part.
    """
    scores = np.ones(n)
    (np.multiply if composite == "product" else np.minimum).at(scores, numbers, confidence)
    return scores


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
