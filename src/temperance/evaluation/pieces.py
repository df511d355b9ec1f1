"""Blocks of scores and labels, cut into pieces that one thread measures at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from temperance.alignment import column_order, in_order, put_back
from temperance.blocks.rows import RowFolds
from temperance.blocks.stream import block_parts, cut, may_be_reused, naming_block, opened
from temperance.calibrators import Calibrator
from temperance.checks import as_classes, as_labels, as_logits, as_probs, refuse_probs
from temperance.checks.arrays import as_numbers, one_column, rows_among
from temperance.checks.contradictions import refuse_padding
from temperance.checks.frames import named_scores
from temperance.checks.labels import kept_labels, kept_rows, labelled_rows
from temperance.checks.row_values import checked_weights
from temperance.checks.scores import as_logits_unread
from temperance.errors import InvalidInputError
from temperance.metrics.inputs import Predictions
from temperance.numerics import log_probs, row_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

__all__ = ["Kind", "OutOfFold", "Piece", "ScoredBlocks", "Side"]

_PIECE = 1 << 19  # numbers: 4 MiB in float64, and a few temporaries of that size per thread

Kind = Literal["probs", "logits"]


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Calibrators fitted without one fold each, for the rows of that fold."""

    calibrators: tuple[Calibrator, ...]
    seed: int = 0  # of `RowFolds`

    def scale(self, logits: NDArray[Any], block: int, first: int) -> NDArray[np.float64]:
        """Return the calibrated logits of a block's rows from number `first` in it on."""
        folds = RowFolds(len(self.calibrators), self.seed).of(block, first, len(logits))
        scaled = np.empty(logits.shape)
        for number, calibrator in enumerate(self.calibrators):
            own = folds == number
            if own.any():
                scaled[own] = calibrator.scale(logits[own], refuse_probs=False)
        return scaled


# A calibrator for all rows, none, or several: of block i the one at place i modulo their number,
# or of each row that of its fold.
Side = Calibrator | Sequence[Calibrator] | OutOfFold | None


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Some rows of a block; the values of their scores are not checked yet."""

    scores: NDArray[Any]  # (n, k) or (n,)
    labels: NDArray[np.intp]
    weights: NDArray[np.float64] | None
    kind: Kind
    block: int  # number of the block
    first: int  # number of the first row in the data
    offset: int = 0  # and in the block
    classes: tuple[str, ...] | None = None  # names in the order of the columns, where known

    def predictions(self, sides: Sequence[Side]) -> list[Predictions]:
        """Return the rows as predictions, once for each calibrator or as they are."""
        with naming_block(self.block, self.first):
            as_given: Predictions | None = None
            if self.kind == "logits":
                logits = as_logits(self.scores)
            elif None in sides:
                as_given = Predictions.of_block(self.scores, self.labels, self.weights)
                logits = as_given.logits
            else:
                logits = log_probs(as_probs(self.scores))
            return [self._calibrated(logits, side, as_given) for side in sides]

    def _calibrated(
        self, logits: NDArray[Any], side: Side, as_given: Predictions | None
    ) -> Predictions:
        calibrator = side[self.block % len(side)] if isinstance(side, Sequence) else side
        if isinstance(calibrator, OutOfFold):
            logits = calibrator.scale(logits, self.block, self.offset)
        elif calibrator is not None:
            order = column_order(self.classes, calibrator.classes, whose="the calibrator")
            scaled = calibrator.scale(in_order(logits, order), refuse_probs=False)
            logits = put_back(scaled, order)
        elif as_given is not None:
            return as_given
        return Predictions.from_logits(logits, self.labels, self.weights)


@dataclass(slots=True, eq=False)
class ScoredBlocks:
    """Blocks of (scores, labels) or (scores, labels, weights), read once.

    Iterating yields pieces. Of the scores only shape and dtype are looked at here.
    """

    blocks: Iterable[Any] | Callable[[], Iterable[Any]]
    kind: Kind
    classes: Sequence[object] | None
    refuse_probs: bool
    start: int = 0  # number of the first block
    ignore_label: float | str | None = None
    k: int = 0  # classes, known from the first block on
    weighed: bool = False  # whether some row so far counts

    def __iter__(self) -> Iterator[Piece]:
        """Yield the pieces in order."""
        first, weighed = 0, None
        blocks = opened(self.blocks)
        copied = may_be_reused(blocks)
        for number, block in enumerate(blocks, self.start):
            with naming_block(number, first):
                scores, labels, weights = self._block(block, weighed=weighed)
            weighed = weights is not None
            self.weighed = self.weighed or weights is None or bool(weights.any())
            for rows in row_blocks(scores, _PIECE):
                w = None if weights is None else cut(weights, rows, copied=copied)
                z, y = (cut(each, rows, copied=copied) for each in (scores, labels))
                yield Piece(
                    z, y, w, self.kind, number, first + rows.start,
                    rows.start, as_classes(self.classes, k=self.k),
                )  # fmt: skip
            first += len(labels)
        if first == 0:
            msg = "`blocks` must hold at least one row: nothing can be measured on none."
            raise InvalidInputError(msg)
        if not self.weighed:
            msg = "`weights` must not all be zero: no row would count."
            raise InvalidInputError(msg)

    def _block(
        self,
        block: Any,  # noqa: ANN401  (the caller's)
        *,
        weighed: bool | None,
    ) -> tuple[NDArray[Any], NDArray[np.intp], NDArray[np.float64] | None]:
        given, labels, weights = block_parts(block, scores=self.kind, weighed=weighed)
        given, self.classes = named_scores(
            given, self.classes, name=self.kind, labels=labels, weights=weights
        )
        keep = labelled_rows(labels, self.ignore_label, may_be_none=True)
        given = kept_rows(given, keep, name=self.kind)
        with rows_among(keep):
            scores = one_column(as_numbers(given, name=self.kind))
            none = scores[:0] if scores.ndim else scores
            shape = as_probs(none).shape if self.kind == "probs" else as_logits_unread(none).shape
            n, k = len(scores), shape[1]
            if self.k not in (0, k):
                msg = f"`{self.kind}` have {k} columns, those of the first block {self.k}."
                raise InvalidInputError(msg)
            self.k = k
            names = as_classes(self.classes, k=k)
            y = as_labels(kept_labels(labels, keep), n=n, k=k, classes=names)
            if self.kind == "logits" and self.refuse_probs and n:
                refuse_probs(scores)
                if scores.ndim > 1:
                    refuse_padding(scores, y)
            w = checked_weights(kept_rows(weights, keep, name="weights"), n=n, all_zero=True)
        return scores, y, w
