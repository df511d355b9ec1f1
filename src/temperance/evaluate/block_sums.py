"""Everything that is measured of a block of rows, as sums that merge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from temperance.metrics.cells import (
    MOST_CLASSES,
    Binned,
    CalibrationTestSums,
    CellSums,
    ClassSums,
    FlattenedSums,
)
from temperance.metrics.events import class_event, named_event, top_label_event
from temperance.metrics.implied import implied_scores
from temperance.metrics.row_scores import taken
from temperance.metrics.scores import row_measures
from temperance.numerics import log_probs
from temperance.sums import MeanSums, MergeableSums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.metrics.cells import ProbabilityGrid
    from temperance.metrics.events import Event
    from temperance.metrics.implied import ImpliedSums
    from temperance.metrics.inputs import Predictions

__all__ = ["EvaluationSums"]

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
    flattened: FlattenedSums
    classes: ClassSums | None  # None for more than `MOST_CLASSES`
    tests: CalibrationTestSums
    class_weight: NDArray[np.float64]  # (k,): summed weight of the rows of each class

    @classmethod
    def of(cls, rows: Predictions, grid: ProbabilityGrid, *, first: int, seed: int) -> Self:
        """Return the sums of a block; `first` is the number of its first row in the data."""
        k = rows.probs.shape[1]
        event = named_event(rows, None)
        binned = Binned.of(rows, grid.bin_edges)
        few = k <= MOST_CLASSES
        weighing, w = _weighing(rows), rows.weights
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
            flattened=FlattenedSums.of(rows, binned),
            classes=ClassSums.of(rows, binned, first=first, seed=seed) if few else None,
            tests=CalibrationTestSums.of(weighing, named_event(weighing, None)),
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


def _weighing(rows: Predictions) -> Predictions:
    """Return the rows of weight above 0."""
    if rows.weights is None or rows.weights.all():
        return rows
    return taken(rows, np.flatnonzero(rows.weights))
