"""Blocks cut into pieces, and everything that is measured of each, as sums that merge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import frexp, ldexp
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

import numpy as np

from temperance.alignment import column_order, in_order, put_back
from temperance.blocks.stream import RowFolds, block_parts, cut, may_be_reused, naming_block, opened
from temperance.calibrators import Calibrator
from temperance.calibrators.operations import divisor_of
from temperance.checks import as_classes, as_labels, as_logits, as_probs, refuse_probs
from temperance.checks.arrays import as_numbers, one_column, rows_among
from temperance.checks.forms import named_scores
from temperance.checks.labels import kept_labels, kept_rows, labelled_rows
from temperance.checks.row_values import checked_weights, without_traces
from temperance.checks.scores import as_logits_unread, refuse_padding
from temperance.errors import InvalidInputError
from temperance.metrics.cells import (
    MOST_CLASSES,
    Binned,
    CalibrationTestSums,
    CellSums,
    ClassSums,
    FlattenedSums,
    JointRows,
)
from temperance.metrics.events import class_event, named_event, top_label_event
from temperance.metrics.implied import implied_scores, paired_gaps
from temperance.metrics.inputs import Predictions, row_measures
from temperance.numerics import MOST_COUNTED, log_probs, row_blocks, scale_exponent
from temperance.sums import MeanSums, MergeableSums, aligned

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from numpy.typing import NDArray

    from temperance.metrics.cells import ProbabilityGrid
    from temperance.metrics.events import Event
    from temperance.metrics.implied import GapSums, ImpliedSums

__all__ = [
    "EVENT_BRIER",
    "EVENT_LOG",
    "EvaluationSums",
    "Kind",
    "NeededSums",
    "OutOfFold",
    "ScoredBlocks",
    "Side",
    "SideSums",
    "UncheckedRows",
]

# Blocks of scores and labels, cut into pieces that one thread measures at a time.


_PIECE = 1 << 22  # numbers: 32 MiB in float64, once per thread

Kind = Literal["probs", "logits"]


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Calibrators fitted without one fold each, for the rows of that fold."""

    calibrators: tuple[Calibrator, ...]
    seed: int = 0  # of `RowFolds`

    def scale(self, logits: NDArray[Any], block: int, first: int) -> NDArray[np.float64]:
        """Return the calibrated logits of a block's rows from number `first` in it on."""
        folds = RowFolds(len(self.calibrators), self.seed).of(block, first, len(logits))
        if (divisors := self._divisors()) is not None:
            with np.errstate(over="ignore"):
                return np.asarray(np.divide(logits, divisors[folds, None], dtype=np.float64))
        scaled = np.empty(logits.shape)
        for rows in row_blocks(logits):
            z = logits[rows]
            for number, calibrator in enumerate(self.calibrators):
                own = np.flatnonzero(folds[rows] == number)
                if len(own):
                    outputs = calibrator.outputs_of((z[own],))
                    scaled[rows.start + own] = calibrator.calibrated_logits(outputs)
        return scaled

    def _divisors(self) -> NDArray[np.float64] | None:
        """Return the one number by which each calibrator divides; None where one does more."""
        divisors = [divisor_of(calibrator.operations()) for calibrator in self.calibrators]
        return None if None in divisors else np.array(divisors, dtype=np.float64)


# A calibrator for all rows, none, or several: of block i the one at place i modulo their number,
# or of each row that of its fold.
Side = Calibrator | Sequence[Calibrator] | OutOfFold | None


@dataclass(frozen=True, slots=True, eq=False)
class UncheckedRows:
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
            scaled = calibrator.scale(in_order(logits, order), refuse_probs=False, dtype=np.float64)
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

    def __iter__(self) -> Iterator[UncheckedRows]:
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
                yield UncheckedRows(
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
        values, labels, weights = block_parts(block, scores=self.kind, weighed=weighed)
        values, self.classes = named_scores(
            values, self.classes, name=self.kind, labels=labels, weights=weights
        )
        keep = labelled_rows(labels, self.ignore_label, may_be_none=True)
        values = kept_rows(values, keep, name=self.kind)
        with rows_among(keep):
            scores = one_column(as_numbers(values, name=self.kind))
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


# Everything that is measured of a block of rows, as sums that merge: of one set, of several.


class NeededSums(NamedTuple):
    """The sums that some measures need beside those that all share."""

    flattened: bool
    classes: bool  # of each class
    joint: JointRows  # of the tests of all classes together

    @classmethod
    def by(cls, measures: Collection[str] | None, *, n_rows: int | None) -> Self:
        """Return what measures need, None being all, of so many rows, where that is known."""

        def needs(*names: str) -> bool:
            return measures is None or any(name in measures for name in names)

        return cls(
            needs("flattened"),
            needs("classwise", "top_label_conditional", "classes"),
            JointRows(needs("tests"), n_rows),
        )


EVENT_BRIER, EVENT_LOG = 4, 5  # columns of `means` after those of `row_measures`


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationSums(MergeableSums):
    """The state of an evaluation: its size depends on classes and bins, not on rows."""

    n: int
    zero_probability_labels: int
    tied_rows: int  # see `Predictions.ties`
    tie_gain: float
    means: MeanSums  # of `row_measures`, and of the event's Brier and log score
    implied: ImpliedSums  # of the log loss and the Brier score
    top_label: CellSums
    class_one: CellSums | None  # of two classes, whose event of the CORP diagram it is
    flattened: FlattenedSums | None  # None where not wanted, as the next
    classes: ClassSums | None  # and for more than `MOST_CLASSES`
    tests: CalibrationTestSums
    class_weight: NDArray[np.float64]  # (k,): summed weight of the rows of each class

    @classmethod
    def of(
        cls, rows: Predictions, grid: ProbabilityGrid, needed: NeededSums, *, first: int, seed: int
    ) -> Self:
        """Return the sums of a block; `first` is the number of its first row in the data."""
        k = rows.shape[1]
        event, w = named_event(rows, None), rows.weights
        few = needed.classes and k <= MOST_CLASSES
        binned = Binned.of(rows, grid.bin_edges) if few or needed.flattened else None
        tied, gain = rows.ties()
        measures = _measures(rows, event)
        return cls(
            n=len(rows.labels) if w is None else int(np.count_nonzero(w)),
            zero_probability_labels=int(
                np.count_nonzero(np.isinf(rows.log_loss) & (True if w is None else w > 0.0))
            ),
            tied_rows=tied,
            tie_gain=gain,
            means=MeanSums.of(measures, w),
            implied=implied_scores(rows, measures[:, :2]),
            top_label=_on_grid(top_label_event(rows), grid, rows.weights),
            class_one=_on_grid(class_event(rows, 1), grid, rows.weights) if k == 2 else None,
            flattened=FlattenedSums.of(rows, binned) if binned and needed.flattened else None,
            classes=ClassSums.of(rows, binned, first=first, seed=seed) if binned and few else None,
            tests=CalibrationTestSums.of(rows, first=first, joint=needed.joint),
            class_weight=np.bincount(rows.labels, w, minlength=k).astype(np.float64),
        )


def _on_grid(event: Event, grid: ProbabilityGrid, weights: NDArray[np.float64] | None) -> CellSums:
    cells = grid.cells_of(event.probability)
    return CellSums.of(event.probability, event.hit, weights, cells, grid.n_cells)


def _measures(rows: Predictions, event: Event) -> NDArray[np.float64]:
    """Return the measures of each row, and its event's scores, (n, 6)."""
    p, hit = event.probability, event.hit
    came_true = np.where(hit, p, 1.0 - p)
    scores = np.stack([(p - hit) ** 2, np.abs(log_probs(came_true))], axis=1)
    if rows.weights is not None:
        scores[rows.weights == 0] = 0.0  # 0 * inf
    return np.concatenate([row_measures(rows), scores], axis=1)


# Several sets of probabilities of the same rows, as sums that merge.


@dataclass(frozen=True, slots=True, eq=False)
class SideSums:
    """The sums of each set, and of what the rows of each differ in from those of the first."""

    sides: tuple[EvaluationSums, ...]
    gaps: tuple[GapSums, ...]  # one fewer than sides
    heaviest: float = 1.0  # largest weight
    exponent: int = 0  # every weight was divided by 2 to this power

    @classmethod
    def of(
        cls,
        rows: Sequence[Predictions],
        grid: ProbabilityGrid,
        needed: NeededSums,
        *,
        first: int,
        seed: int,
    ) -> Self:
        """Return the sums of a block; `first` is the number of its first row in the data."""
        w = rows[0].weights
        exponent, heaviest = scale_exponent(w), 1.0
        if w is not None:
            w = np.ldexp(w, -exponent) if exponent else w
            heaviest = float(w.max())
            rows = [each.with_weights(without_traces(w, heaviest)) for each in rows]
        baseline, *others = rows
        return cls(
            tuple(EvaluationSums.of(each, grid, needed, first=first, seed=seed) for each in rows),
            tuple(paired_gaps(each, baseline) for each in others),
            heaviest,
            exponent,
        )

    def merge(self, other: Self) -> Self:
        """Return the sums over the rows of both."""
        one, other = aligned(self, other)
        return type(self)(
            tuple(a.merge(b) for a, b in zip(one.sides, other.sides, strict=True)),
            tuple(a.merge(b) for a, b in zip(one.gaps, other.gaps, strict=True)),
            max(one.heaviest, other.heaviest),
            one.exponent,
        )

    def in_proportion(self) -> Self:
        """Return the sums with weights of which the largest is between 1 and 2, or counts rows."""
        if self.exponent == 0 and 1.0 <= self.heaviest <= MOST_COUNTED:
            return self
        return self.to_scale(self.exponent + frexp(self.heaviest)[1] - 1)

    def to_scale(self, exponent: int) -> Self:
        """Return the sums of the same rows, their weights divided by 2^exponent."""
        power = self.exponent - exponent
        return type(self)(
            tuple(each.rescaled(power) for each in self.sides),
            tuple(each.rescaled(power) for each in self.gaps),
            ldexp(self.heaviest, power),
            exponent,
        )
