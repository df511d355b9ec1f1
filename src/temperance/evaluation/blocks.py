"""Measure rows that come block by block, in one reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from math import inf
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from temperance.blocks import FileParts, labelled_blocks, one_thread_each
from temperance.blocks.rows import calling, merged, thread_count
from temperance.calibrators import Calibrator
from temperance.checks import as_classes
from temperance.checks.arguments import as_count, as_flag, as_seed, as_word, require_type
from temperance.checks.contradictions import one_label
from temperance.errors import InvalidInputError
from temperance.evaluation.block_sums import (
    EVENT_BRIER,
    EVENT_LOG,
    EvaluationSums,
    NeededSums,
    OutOfFold,
    ScoredBlocks,
    SideSums,
)
from temperance.evaluation.evaluation import Evaluation, as_measures
from temperance.frozen import DeferredDict, deferred
from temperance.metrics.base_rates import base_rates_of_counts
from temperance.metrics.cells import (
    MOST_CLASSES,
    ClassErrors,
    EventSums,
    ProbabilityGrid,
)
from temperance.metrics.corp import CORP_PARTS
from temperance.metrics.error_measures import ERROR_NAMES, calibration_error_of
from temperance.metrics.estimates import mean_estimate, score_estimate, share_estimate
from temperance.metrics.events import check_bins
from temperance.metrics.joint_tests import Events
from temperance.metrics.outcomes import Outcomes
from temperance.metrics.resampling import N_RESAMPLES, check_resamples
from temperance.numerics import let_go
from temperance.readers import BlockFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

    from temperance.blocks import FilePart
    from temperance.evaluation.block_sums import Kind, Side, UncheckedRows
    from temperance.metrics.corp import CorpReliability
    from temperance.metrics.decomposition import ScoreDecomposition
    from temperance.metrics.estimates import CalibrationError, Draws
    from temperance.metrics.implied import GapSums
    from temperance.metrics.joint_tests import CalibrationTests
    from temperance.metrics.weak_calibration import WeakCalibration

__all__ = ["evaluate_blocks", "measure_blocks"]

# The evaluation of merged sums.


_NO_SPLIT = "needs temperatures fitted on other rows: fit one, and evaluate with it and without"
_NO_PARTS = "needs every row's probability of every class in order"
_MANY = "{k:,} classes; sums per class and bin are made of up to {most:,}"


def measured_of(
    sums: EvaluationSums,
    grid: ProbabilityGrid,
    shown: tuple[str, ...] | None,
    *,
    k: int,
    n_resamples: int,
    seed: int,
    side: int,
) -> tuple[Evaluation, Mapping[str, Draws]]:
    """Return the evaluation of merged sums, and the draws that differences need.

    What sums do not hold is named in `left_out`. Sides that are compared have draws of their own,
    independent of each other: the difference is then no surer than it looks.
    """
    parts = _MeasuresOfSums(sums, grid, k, n_resamples, seed, side)
    errors = [name for name in ERROR_NAMES if name in parts.names]
    log_loss = score_estimate(sums.means, 0, sums.implied, 0, highest=inf)
    brier = score_estimate(sums.means, 1, sums.implied, 1, highest=2.0)
    evaluation = Evaluation(
        n=sums.n,
        n_classes=k,
        log_loss=log_loss,
        brier=brier,
        accuracy=share_estimate(sums.means, 2),
        confidence=mean_estimate(sums.means, 3, bounds=(0.0, 1.0)),
        errors=DeferredDict(errors, parts.error),
        refinement=None,
        corp=deferred(lambda: parts.corp[0]),
        log_parts=deferred(lambda: parts.corp[1]),
        brier_parts=None,
        tests=deferred(parts.tests),
        reliability=deferred(parts.top.reliability),
        classes=deferred(lambda: () if parts.classes is None else parts.classes.table()),
        groups=(),
        zero_probability_labels=sums.zero_probability_labels,
        n_clusters=None,
        n_bins=grid.n_bins,
        n_resamples=n_resamples,
        seed=seed,
        left_out=_left_out(errors, k, shown),
        tied_rows=sums.tied_rows,
        tie_neutral_accuracy=min(
            max(sums.means.mean(2) + sums.tie_gain / sums.means.weight, 0.0), 1.0
        ),
        base_rates=base_rates_of_counts(sums.class_weight, 1.0 / parts.doubt, log_loss, brier),
        weak_calibration=deferred(parts.weak_calibration),
        grid_error=deferred(
            lambda: {**parts.top.errors_off(), "miscalibration": parts.event.miscalibration_off()}
        ),
        notes=_notes(sums.class_weight, sums.n),
        measures=shown,
    )
    return evaluation, DeferredDict(parts.names, parts.draws)


@dataclass(frozen=True, eq=False)
class _MeasuresOfSums:
    """What merged sums say, each number when it is asked for."""

    sums: EvaluationSums
    grid: ProbabilityGrid
    k: int
    n_resamples: int
    seed: int
    side: int

    @property
    def doubt(self) -> float:
        """1 / effective number of rows."""
        return self.sums.means.squared_weight / self.sums.means.weight**2

    @property
    def _source(self) -> list[int]:
        """Of random numbers."""
        return [self.seed, 8 + self.side]

    @cached_property
    def top(self) -> EventSums:
        """The event that the predicted class is the true one."""
        cells = self.sums.top_label
        return EventSums("top-label", cells, self.grid, self.n_resamples, self._source, self.doubt)

    @cached_property
    def event(self) -> EventSums:
        """The event of the CORP diagram: class 1 of two classes."""
        cells = self.sums.class_one
        if cells is None:
            return self.top
        return EventSums(1, cells, self.grid, self.n_resamples, self._source, self.doubt)

    @cached_property
    def corp(self) -> tuple[CorpReliability, ScoreDecomposition, dict[str, Draws]]:
        """The CORP diagram, the parts of the log score, and draws of the Brier parts."""
        means = self.sums.means
        return self.event.corp({"brier": means.mean(EVENT_BRIER), "log": means.mean(EVENT_LOG)})

    @cached_property
    def classes(self) -> ClassErrors | None:
        """The errors of each class."""
        if self.sums.classes is None:
            return None
        return ClassErrors(
            self.sums.classes, self.k, self.grid.n_bins, self.n_resamples, self.seed, self.doubt
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The errors, and parts of the decomposition, that the sums hold."""
        flattened = () if self.sums.flattened is None else ("flattened",)
        of_classes = () if self.sums.classes is None else _OF_CLASSES
        return (*EventSums.ERRORS, *flattened, *of_classes, *CORP_PARTS)

    def draws(self, name: str) -> Draws:
        """Return the draws of an error, or of a part of the decomposition."""
        if name in CORP_PARTS:
            return self.corp[2][name]
        if name == "flattened" and self.sums.flattened is not None:
            return self.sums.flattened.draws(
                self.k, self.n_resamples, self.doubt, seed=self._source
            )
        return self.top.error(name)

    def error(self, name: str) -> CalibrationError:
        """Return an error with its null band, p-value, and interval where it has one."""
        if self.classes is not None and name in _OF_CLASSES:
            return self.classes.classwise() if name == "classwise" else self.classes.by_top_label()
        return calibration_error_of(name, self.draws(name))

    def tests(self) -> CalibrationTests:
        """Return all tests; those that so few events do not allow say why."""
        sums = self.sums.tests
        p_values = {
            "ece_p_value": self.draws("ece").p_value(),
            "miscalibration_p_value": self.draws("miscalibration").p_value(),
        }
        events = Events.of_sums(
            self.sums.n, self.sums.means, sums.joint.sums, accuracy=2, confidence=3
        )
        return events.allowed(sums.tests(self.k, self.event.name, **p_values))

    def weak_calibration(self) -> WeakCalibration | None:
        """Return what clinical studies report, of two classes."""
        if self.k != 2:
            return None
        return self.sums.tests.line.weak_calibration(1)


_OF_CLASSES = ("classwise", "top_label_conditional")  # without draws of their own


def _notes(class_weight: NDArray[np.float64], n: int) -> tuple[str, ...]:
    """Return what the counts of the labels say: which one fills all rows."""
    present = np.flatnonzero(class_weight)
    return (one_label(int(present[0]), n=n),) if len(present) == 1 and n > 1 else ()


def _left_out(errors: list[str], k: int, shown: tuple[str, ...] | None) -> dict[str, str]:
    """Return what `evaluate` gives and sums do not, with the reason."""
    reasons = {"refinement": _NO_SPLIT, "brier_parts": _NO_PARTS}
    missing = [name for name in ERROR_NAMES if name not in errors]
    if missing:
        missing.append("classes")
    reasons |= {name: _MANY.format(k=k, most=MOST_CLASSES) for name in missing}
    return {name: why for name, why in reasons.items() if shown is None or name in shown}


_AHEAD = 1  # the sums of many classes are large


def evaluate_blocks(  # noqa: PLR0913  (each is something that only the user knows)
    blocks: Iterable[Any] | Callable[[], Iterable[Any]] | FileParts,
    *,
    kind: Literal["probs", "logits"] = "probs",
    calibrator: Calibrator | None = None,
    n_bins: int = 15,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
    refuse_probs: bool = True,
    measures: Sequence[str] | None = None,
    n_rows: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> Evaluation:
    """Measure rows that come in blocks, in one reading, for data larger than the memory.

    Parameters
    ----------
    blocks : iterable, or function that returns one
        Gives (scores, labels) or (scores, labels, weights), a block at a time: a list, a
        generator, a function that opens files, or what `temperance.readers.read_blocks(path)`
        returns, which knows its kind and classes. Scores, labels and weights are each as in
        `evaluate`; a memory-mapped array may be one block. It is read once.
    kind : {"probs", "logits"}, default "probs"
        What the scores are; logits have -inf where an option does not exist, and (n,) are the
        log-odds of class 1.
    calibrator : Calibrator, optional
        Applied to each block first, so that a fitted map is measured without a file in between.
    n_bins : int, default 15
        Bins of the calibration errors and the reliability diagram.
    n_resamples : int, default 1000
        Of the intervals and null bands of the calibration errors, 100 to 20,000.
    seed : int, default 0
        Of the resampling, which depends on it and on the rows' order alone.
    classes : sequence of str, optional
        Names of the columns, as labels may use them.
    ignore_label : int or str, optional
        Rows of this label are left out.
    refuse_probs : bool, default True
        Raise where a whole block of logits holds what looks like probabilities.
    measures : sequence of str, optional
        What tables, words and JSON hold, as in `evaluate`; by default everything.
    n_rows : int, optional
        How many rows there are, where `blocks` is a function or an iterator that does not say: the
        tests of all classes at once, which look at no more than 40,000 rows of 1,000 classes (4
        million of 100), draw theirs from all over by it. Without it they are left out beyond that.
    progress : callable, optional
        Called as `progress(rows)` after each block, with the number of rows read so far.

    Returns
    -------
    Evaluation
        As that of `evaluate`, from sums that merge: the result does not depend on how the rows
        are cut into blocks (but for rounding). `left_out` names what the sums do not hold;
        `grid_error` bounds by how much three of the values may differ from those of all rows at
        once.

    Raises
    ------
    InvalidInputError
        A block that `evaluate` would refuse (its number and first row are named), no rows,
        blocks of different width, some with weights and some without; a calibrator that takes
        more than a row of logits (groups, several models); another `kind`.

    Notes
    -----
    Exact: scores and their intervals, accuracy, the error in bins of equal width, classwise,
    top-label-conditional and flattened errors, the binned diagram, all tests but Cox's. The
    smooth error is the one of `evaluate`. Errors in bins of equal mass, Kolmogorov-Smirnov, the
    CORP curve and Cox's line see the event's probability on a grid of 35,000 cells, even in the
    probability and in its log-odds (Cox: of the log-odds alone). On nine sets of real outputs of
    1,800 to 10,000 rows the values were off by 0.00008 at most, those of 300 rows by 0.0007; never
    more than `grid_error`, where that has them.

    Resamples are drawn for whole cells (Poisson bootstrap), and labels of a calibrated world
    likewise, so that rows count as independent: there is no `clusters`. The intervals of few
    rows are better left to `evaluate`.

    The state is 1.7 MB for the grid (3.4 MB with weights), 8 k^2 bytes for the tests of k classes
    and up to 2,200 `n_bins` bytes per class, a few times in memory; beyond 2,000 classes the two
    last are not made, and the class by class results left out.

    References
    ----------
    Chamandy, Muralidharan, Najmi and Naidu (2012), Estimating Uncertainty for Massive Data
    Streams, https://research.google/pubs/pub43157/ (the Poisson bootstrap).

    Examples
    --------
    >>> blocks = [([[0.75, 0.25]], [0]), ([[0.75, 0.25]], [1])]
    >>> evaluation = evaluate_blocks(blocks)
    >>> evaluation.n, evaluation.ece.value, evaluation.accuracy.value
    (2, 0.25, 0.5)
    """
    with calling(progress):
        measurement = measure_blocks(
            blocks, (calibrator,), kind=kind, n_bins=n_bins, n_resamples=n_resamples, seed=seed,
            classes=classes, ignore_label=ignore_label, refuse_probs=refuse_probs,
            measures=as_measures(measures), n_rows=n_rows,
        )  # fmt: skip
    return measurement.evaluations[0]


@dataclass(frozen=True, slots=True, eq=False)
class BlockMeasurement:
    """What one reading of blocks gives of each side."""

    evaluations: tuple[Evaluation, ...]
    draws: tuple[Mapping[str, Draws], ...]  # for differences
    gaps: tuple[GapSums, ...]  # of each side's measures from the first's; one fewer


def measure_blocks(  # noqa: PLR0913  (as `evaluate_blocks`)
    blocks: Iterable[Any] | Callable[[], Iterable[Any]] | FileParts,
    sides: Sequence[Side],
    *,
    kind: Kind,
    n_bins: int,
    n_resamples: int,
    seed: int,
    classes: Sequence[object] | None,
    ignore_label: float | str | None = None,
    refuse_probs: bool,
    measures: tuple[str, ...] | None = None,
    n_rows: int | None = None,
) -> BlockMeasurement:
    """Measure the same rows with each of the sides' calibrators (see `evaluate_blocks`)."""
    as_word(kind, ("probs", "logits"), name="kind")
    as_flag(refuse_probs, name="refuse_probs")
    for side in sides:
        _refuse_wide(side)
    if isinstance(blocks, BlockFile):
        file = blocks if classes is None else blocks.in_order([str(each) for each in classes])
        classes, kind, n_rows = file.header().classes or classes, "logits", file.n_rows
        blocks = partial(labelled_blocks, file)
    n_rows = _number_of_rows(blocks) if n_rows is None else as_count(n_rows, name="n_rows")
    n_bins = check_bins(n_bins)
    grid = ProbabilityGrid(n_bins)
    grid.upper  # noqa: B018  (made once, not by each thread)
    n_resamples = check_resamples(n_resamples)
    seed = as_seed(seed)
    needed = NeededSums.by(measures, n_rows=n_rows)
    kernel = _Kernel(tuple(sides), kind, classes, refuse_probs, seed, ignore_label, needed)
    if isinstance(blocks, FileParts):
        sums: SideSums = blocks.map(partial(kernel.of_part, n_bins))
        k, names = blocks.k, classes
    else:
        sums, k, names = kernel.of_blocks(blocks, grid)
    sums = sums.in_proportion()
    results = [
        measured_of(each, grid, measures, k=k, n_resamples=n_resamples, seed=seed, side=number)
        for number, each in enumerate(sums.sides)
    ]
    evaluations, draws = zip(*results, strict=True)
    outcomes = Outcomes(as_classes(names, k=k))
    evaluations = tuple(each.but(outcomes=outcomes) for each in evaluations)
    return BlockMeasurement(evaluations, draws, sums.gaps)


@dataclass(frozen=True, slots=True, eq=False)
class _Kernel:
    """What is summed of each block; small enough to be sent to a worker."""

    sides: tuple[Side, ...]
    kind: Kind
    classes: Sequence[object] | None
    refuse_probs: bool
    seed: int
    ignore_label: float | str | None
    needed: NeededSums

    def of_blocks(
        self,
        blocks: Iterable[Any] | Callable[[], Iterable[Any]],
        grid: ProbabilityGrid,
        *,
        start: int = 0,
        threads: int | None = None,
    ) -> tuple[SideSums, int, Sequence[object] | None]:
        """Return the sums of all blocks, of which the first is number `start`, k and the names."""
        rows = ScoredBlocks(
            blocks, self.kind, self.classes, self.refuse_probs, start, self.ignore_label
        )

        def work(piece: UncheckedRows) -> tuple[int, SideSums]:
            sides = piece.predictions(self.sides)
            sums = SideSums.of(sides, grid, self.needed, first=piece.first, seed=self.seed)
            let_go(piece.scores)
            return len(piece.labels), sums

        with one_thread_each():
            sums = merged(work, rows, threads=threads or thread_count(), ahead=_AHEAD)
        return sums, rows.k, rows.classes

    def of_part(self, n_bins: int, number: int, part: FilePart) -> SideSums | None:
        """Return the sums of a part of a file, on one thread: each worker has its own."""
        logits, labels, *weights = part.read()
        if not len(labels):
            return None
        block = (logits, labels, *(w for w in weights if w is not None))
        try:
            with part.rows_named():
                sums, _, _ = self.of_blocks(
                    [block], ProbabilityGrid(n_bins), start=number, threads=1
                )
        except InvalidInputError as error:
            msg = f"{part.path}: {error}"
            raise InvalidInputError(msg) from error
        return sums


def _number_of_rows(blocks: object) -> int | None:
    """Return how many rows blocks hold, about, where that is known before they are read."""
    if isinstance(blocks, FileParts):
        return max(1, blocks.elements // max(1, blocks.k))
    if isinstance(blocks, list | tuple):
        try:
            return max(1, sum(len(block[1]) for block in blocks))
        except (TypeError, IndexError, KeyError):  # what is no block is refused where it is read
            return None
    return None


def _refuse_wide(side: Side) -> None:
    """Refuse calibrators that take more than a row of logits."""
    several = side.calibrators if isinstance(side, OutOfFold) else side
    rule = "a calibrator, or a sequence of one or more (one per fold), or None"
    if isinstance(several, Sequence):
        require_type(several[0] if several else several, Calibrator, name="calibrator", rule=rule)
    for calibrator in several if isinstance(several, Sequence) else (several,):
        if calibrator is not None:
            require_type(calibrator, Calibrator, name="calibrator", rule=rule)
        if calibrator is not None and not calibrator.maps_logits_alone:
            msg = (
                f"`calibrator` is {calibrator.name}, which takes more than logits of one model; "
                'apply it in the blocks and pass its probabilities, kind="probs".'
            )
            raise InvalidInputError(msg)
