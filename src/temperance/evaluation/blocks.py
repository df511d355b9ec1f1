"""Measure rows that come block by block, in one reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import frexp, inf, ldexp
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from temperance.blocks import FileParts, labelled_blocks, one_thread_each
from temperance.blocks.mapping import merged, thread_count
from temperance.calibrators import Calibrator
from temperance.checks import as_classes
from temperance.checks.arguments import as_flag, as_seed, as_word, require_type
from temperance.checks.contradictions import one_label
from temperance.checks.row_values import without_traces
from temperance.errors import InvalidInputError
from temperance.evaluation.evaluation import Evaluation
from temperance.evaluation.pieces import OutOfFold, ScoredBlocks
from temperance.metrics.base_rates import base_rates_of_counts
from temperance.metrics.cells import (
    MOST_CLASSES,
    Binned,
    CalibrationTestSums,
    CellSums,
    ClassErrors,
    ClassSums,
    EventSums,
    FlattenedSums,
    ProbabilityGrid,
)
from temperance.metrics.error_measures import ERROR_NAMES, calibration_error_of
from temperance.metrics.estimates import mean_estimate, score_estimate, share_estimate
from temperance.metrics.events import check_bins, class_event, named_event, top_label_event
from temperance.metrics.implied import implied_scores, paired_gaps
from temperance.metrics.joint_tests import Events
from temperance.metrics.outcomes import Outcomes
from temperance.metrics.resampling import N_RESAMPLES, check_resamples
from temperance.metrics.scores import row_measures
from temperance.metrics.z_tests import taken
from temperance.numerics import MOST_COUNTED, let_go, log_probs
from temperance.readers import BlockFile
from temperance.sums import MeanSums, MergeableSums, aligned, scale_exponent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from temperance.blocks import FilePart
    from temperance.evaluation.pieces import Kind, Piece, Side
    from temperance.metrics.decomposition import Score
    from temperance.metrics.estimates import CalibrationError, Draws
    from temperance.metrics.events import Event
    from temperance.metrics.group_tests import ClassResult
    from temperance.metrics.implied import GapSums, ImpliedSums
    from temperance.metrics.inputs import Predictions

__all__ = ["evaluate_blocks", "measure_blocks"]

# Everything that is measured of a block of rows, as sums that merge.


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
        cls, rows: Sequence[Predictions], grid: ProbabilityGrid, *, first: int, seed: int
    ) -> Self:
        """Return the sums of a block; `first` is the number of its first row in the data."""
        w = rows[0].weights
        exponent, heaviest = scale_exponent(w), 1.0
        if w is not None:
            w = np.ldexp(w, -exponent) if exponent else w
            heaviest = float(w.max())
            rows = [replace(each, weights=without_traces(w, heaviest)) for each in rows]
        baseline, *others = rows
        return cls(
            tuple(EvaluationSums.of(each, grid, first=first, seed=seed) for each in rows),
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


# The evaluation of merged sums.


_NO_SPLIT = "needs temperatures fitted on other rows: fit one, and evaluate with it and without"
_NO_PARTS = "needs every row's probability of every class in order"
_MANY = "{k:,} classes; sums per class and bin are made of up to {most:,}"


def measured_of(
    sums: EvaluationSums, grid: ProbabilityGrid, *, k: int, n_resamples: int, seed: int, side: int
) -> tuple[Evaluation, dict[str, Draws]]:
    """Return the evaluation of merged sums, and the draws that differences need.

    What sums do not hold is named in `left_out`. Sides that are compared have draws of their own,
    independent of each other: the difference is then no surer than it looks.
    """
    doubt = sums.means.squared_weight / sums.means.weight**2
    source = [seed, 8 + side]  # of random numbers
    top = EventSums("top-label", sums.top_label, grid, n_resamples, source, doubt)
    event = top
    if sums.class_one is not None:
        event = EventSums(1, sums.class_one, grid, n_resamples, source, doubt)
    means: dict[Score, float] = {
        "brier": sums.means.mean(EVENT_BRIER),
        "log": sums.means.mean(EVENT_LOG),
    }
    corp, log_parts, corp_draws = event.corp(means)
    classes = None
    if sums.classes is not None:
        classes = ClassErrors(sums.classes, k, grid.n_bins, n_resamples, seed, doubt)
    drawn = top.errors() | {"flattened": sums.flattened.draws(k, n_resamples, doubt, seed=source)}
    errors = _errors(drawn, classes)
    events = Events.of_sums(sums.n, sums.means, sums.tests.joint, accuracy=2, confidence=3)
    tests = events.allowed(
        sums.tests.tests(k, event.name, ece=errors["ece"], miscalibration=corp.miscalibration)
    )
    log_loss = score_estimate(sums.means, 0, sums.implied, 0, highest=inf)
    brier = score_estimate(sums.means, 1, sums.implied, 1, highest=2.0)
    evaluation = Evaluation(
        n=sums.n,
        n_classes=k,
        log_loss=log_loss,
        brier=brier,
        accuracy=share_estimate(sums.means, 2),
        confidence=mean_estimate(sums.means, 3, bounds=(0.0, 1.0)),
        errors=errors,
        refinement=None,
        corp=corp,
        log_parts=log_parts,
        brier_parts=None,
        tests=tests,
        reliability=top.reliability(),
        classes=() if classes is None else classes.table(),
        groups=(),
        zero_probability_labels=sums.zero_probability_labels,
        n_clusters=None,
        n_bins=grid.n_bins,
        n_resamples=n_resamples,
        seed=seed,
        left_out=_left_out(errors, k),
        tied_rows=sums.tied_rows,
        tie_neutral_accuracy=min(
            max(sums.means.mean(2) + sums.tie_gain / sums.means.weight, 0.0), 1.0
        ),
        base_rates=base_rates_of_counts(sums.class_weight, 1.0 / doubt, log_loss, brier),
        weak_calibration=sums.tests.line.weak_calibration(1) if k == 2 else None,
        grid_error={**top.errors_off(), "miscalibration": event.miscalibration_off()},
        notes=() if classes is None else _notes(classes.table(), sums.n),
    )
    return evaluation, {**drawn, **corp_draws}


def _notes(classes: Sequence[ClassResult], n: int) -> tuple[str, ...]:
    """Return what the counts of the labels say: which one fills all rows."""
    present = [each.number for each in classes if each.n]
    return (one_label(present[0], n=n),) if len(present) == 1 and n > 1 else ()


def _errors(drawn: dict[str, Draws], classes: ClassErrors | None) -> dict[str, CalibrationError]:
    found = {name: calibration_error_of(name, each) for name, each in drawn.items()}
    if classes is not None:
        found["classwise"] = classes.classwise()
        found["top_label_conditional"] = classes.by_top_label()
    return {name: found[name] for name in ERROR_NAMES if name in found}


def _left_out(errors: dict[str, CalibrationError], k: int) -> dict[str, str]:
    """Return what `evaluate` gives and sums do not, with the reason."""
    reasons = {"refinement": _NO_SPLIT, "brier_parts": _NO_PARTS}
    missing = [name for name in ERROR_NAMES if name not in errors]
    if missing:
        missing.append("classes")
    return reasons | {name: _MANY.format(k=k, most=MOST_CLASSES) for name in missing}


_AHEAD = 1  # the sums of many classes are large


def evaluate_blocks(
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
    found = measure_blocks(
        blocks, (calibrator,), kind=kind, n_bins=n_bins, n_resamples=n_resamples, seed=seed,
        classes=classes, ignore_label=ignore_label, refuse_probs=refuse_probs,
    )  # fmt: skip
    return found.evaluations[0]


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredBlocks:
    """What one reading of blocks gives of each side."""

    evaluations: tuple[Evaluation, ...]
    draws: tuple[dict[str, Draws], ...]  # for differences
    gaps: tuple[GapSums, ...]  # of each side's measures from the first's; one fewer


def measure_blocks(
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
) -> MeasuredBlocks:
    """Measure the same rows with each of the sides' calibrators (see `evaluate_blocks`)."""
    as_word(kind, ("probs", "logits"), name="kind")
    as_flag(refuse_probs, name="refuse_probs")
    for side in sides:
        _refuse_wide(side)
    if isinstance(blocks, BlockFile):
        file = blocks if classes is None else blocks.in_order([str(each) for each in classes])
        classes, kind = file.header().classes or classes, "logits"
        blocks = partial(labelled_blocks, file)
    n_bins = check_bins(n_bins)
    grid = ProbabilityGrid(n_bins)
    grid.upper  # noqa: B018  (made once, not by each thread)
    n_resamples = check_resamples(n_resamples)
    seed = as_seed(seed)
    kernel = _Kernel(tuple(sides), kind, classes, refuse_probs, seed, ignore_label)
    if isinstance(blocks, FileParts):
        sums: SideSums = blocks.map(partial(kernel.of_part, n_bins))
        k, names = blocks.k, classes
    else:
        sums, k, names = kernel.of_blocks(blocks, grid)
    sums = sums.in_proportion()
    measured = [
        measured_of(each, grid, k=k, n_resamples=n_resamples, seed=seed, side=number)
        for number, each in enumerate(sums.sides)
    ]
    evaluations, draws = zip(*measured, strict=True)
    outcomes = Outcomes(as_classes(names, k=k))
    evaluations = tuple(replace(each, outcomes=outcomes) for each in evaluations)
    return MeasuredBlocks(evaluations, draws, sums.gaps)


@dataclass(frozen=True, slots=True, eq=False)
class _Kernel:
    """What is summed of each block; small enough to be sent to a worker."""

    sides: tuple[Side, ...]
    kind: Kind
    classes: Sequence[object] | None
    refuse_probs: bool
    seed: int
    ignore_label: float | str | None = None

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

        def work(piece: Piece) -> tuple[int, SideSums]:
            found = piece.predictions(self.sides)
            sums = SideSums.of(found, grid, first=piece.first, seed=self.seed)
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
