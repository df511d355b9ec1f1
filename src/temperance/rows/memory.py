"""Checked rows in memory: scores, and what a file says of each row, in one of its layouts."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, Unpack

import numpy as np

from temperance.alignment import column_order, in_order, put_back
from temperance.blocks import report_work
from temperance.calibrators import temperature_of
from temperance.checks import Positions, as_groups
from temperance.checks.arrays import rows_of_file
from temperance.comparison import compare_rows
from temperance.errors import FileFormatError, InvalidInputError, NoOptimumError
from temperance.evaluation import evaluate_rows
from temperance.file_formats import column_advice
from temperance.gates.row_sums import RowSums
from temperance.metrics.ordinal import (
    LevelEvent,
    OrdinalMeasures,
    level_events,
    ordinal_measures,
)
from temperance.planning import plan
from temperance.printable import count_text, digits_text, first_few, printable
from temperance.rows.layouts import Classes, Layout

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from temperance.calibrators import Calibrator, Outputs, Training
    from temperance.checks.probs import Floored
    from temperance.comparison import Comparison
    from temperance.evaluation import Evaluation, Groups
    from temperance.metrics.inputs import Predictions
    from temperance.metrics.outcomes import Outcomes
    from temperance.planning import Plan
    from temperance.readers.dataset import Kind

__all__ = ["LABELS", "MeasureSettings", "Measured", "RowFacts", "Rows", "naming"]

LABELS = "`labels` (--labels)"  # the argument that names another file with the labels
_ONE_CLASS = Classes()
_PLANNED = 5000  # rows: enough to know the confidences by
_SHOWN = 5  # rows, or groups, named in a line
_FEW_CLUSTERS = 20  # below, intervals of 95 % held the truth in .92 to .98 (docs/numbers.md)

# What is said about the rows of a file, in results and reports.


@dataclass(frozen=True, slots=True)
class RowFacts:
    """Where rows come from and how many they are; the rows themselves may never be in memory."""

    source: str
    sha256: str
    kind: Kind
    n: int
    n_classes: int
    described: str  # file and size in words
    weighted: bool
    members: tuple[str, ...] = ()  # names of an ensemble's models


class MeasureSettings(TypedDict):
    """How rows are measured."""

    n_bins: int
    n_resamples: int
    seed: int
    measures: NotRequired[tuple[str, ...] | None]  # what is printed; None: everything


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """The measures of a file's rows, and what is said about them."""

    comparison: Comparison
    facts: RowFacts
    warnings: tuple[str, ...]
    after: NDArray[np.float64] | None = None  # calibrated logits, of rows in memory


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Checked scores with what the file says about each row."""

    logits: NDArray[Any]  # (n, k); the logarithm where the file holds probabilities
    labels: NDArray[np.intp] | None
    weights: NDArray[np.float64] | None
    groups: NDArray[Any] | None
    clusters: NDArray[np.intp] | None  # numbers of what rows belong to
    ids: NDArray[Any] | None
    classes: tuple[str, ...] | None
    kind: Kind
    source: str
    sha256: str
    layout: Layout = _ONE_CLASS  # what the rows are, and how they become those of the file again
    keep: NDArray[np.bool_] | None = None  # which of the file's rows (entries) count; None: all
    columns: Mapping[str, NDArray[Any] | None] | None = None  # see `file_columns`; of whole files
    notes: tuple[str, ...] = ()  # what was left out or bounded when the file was read
    floored: Floored | None = None  # probabilities that were raised, where there is a floor
    file_ids: NDArray[Any] | None = None  # of all rows of the file, also those that do not count
    left_out: tuple[int, ...] = ()  # rows of the file that lack a value and were left out
    of_format: bool = False  # of a language model's answers, whose lines hold their labels
    labels_from: str = LABELS  # the argument that names another file with labels; "": none does

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.logits)

    @property
    def n_classes(self) -> int:
        """Number of columns."""
        return int(self.logits.shape[1])

    @property
    def ragged(self) -> bool:
        """Whether rows have different numbers of options."""
        return self.layout.ragged

    @property
    def takes_auto(self) -> bool:
        """Whether richer maps, of which rows choose, are for these rows."""
        return self.layout.takes_auto

    @property
    def outcomes(self) -> Outcomes:
        """What the rows are, in the words of results."""
        return self.layout.outcomes(self.classes)

    @property
    def described(self) -> str:
        """File and size in words."""
        return f"{self.source}: {self.layout.described(self.n, self.n_classes, self.kind)}"

    @property
    def facts(self) -> RowFacts:
        """What is said about the rows."""
        return RowFacts(
            source=self.source,
            sha256=self.sha256,
            kind=self.kind,
            n=self.n,
            n_classes=self.n_classes,
            described=self.described,
            weighted=self.weights is not None,
            members=self.layout.names,
        )

    def require_labels(self) -> NDArray[np.intp]:
        """Return the labels, or say that the file has none."""
        if self.labels is None:
            msg = f"{self.source}: has no labels. {self.labels_advice}"
            raise FileFormatError(msg)
        return self.labels

    @property
    def labels_advice(self) -> str:
        """Where labels may be given, of rows that have none."""
        where = bool(self.labels_from)
        if self.of_format:
            usual = "correct" if self.outcomes.plural == "answers" else "label"
            return (
                f"Write them into the lines, under `{usual}` or a key that `fields.label` "
                "(--label-field) names"
                + (
                    f", or give another file, joined by ids, with {self.labels_from}." * where
                    or "."
                )
            )
        return column_advice(self.source, "label", other_file=self.labels_from or "")

    @property
    def file_rows(self) -> NDArray[np.intp] | None:
        """Which row of the file, counted from 0, each of these is; None of entries and pixels."""
        if not self.layout.row_by_row:
            return None
        n = self.n if self.keep is None else len(self.keep)
        places = np.delete(np.arange(n + len(self.left_out)), list(self.left_out))
        counting = places if self.keep is None else places[self.keep]
        return counting if len(counting) == self.n else None

    def require_positions(self) -> Positions:
        """Return the labels as a fit takes them: never looked up among the names of classes."""
        return Positions(self.require_labels())

    @property
    def unchanged(self) -> NDArray[Any]:
        """Logits to beat: the file's own, or of scores that claim nothing the base rate."""
        return self.layout.unchanged(self.logits, self.require_labels, self.weights)

    def predictions(self, logits: NDArray[Any] | None = None) -> Predictions:
        """Return these logits, or others of the same rows, with labels, weights and clusters."""
        return self.layout.predictions(
            self.logits if logits is None else logits,
            self.require_labels(),
            self.weights,
            self.clusters,
            classes=self.classes,
            groups=self.groups,
        )

    def row_sums(self, logits: NDArray[Any] | None = None) -> RowSums | None:
        """Return what pairs these rows, or calibrated `logits` of them, with other models' ones."""
        return RowSums.of(self.predictions(logits), self.layout.row_ids(self.ids, self.n))

    def ordinal_measures(
        self, logits: NDArray[Any] | None = None, *, n_bins: int
    ) -> OrdinalMeasures:
        """Return what is measured of classes that are ordered levels, also of calibrated `logits`.

        Raises InvalidInputError where rows have options of their own.
        """
        levels = self._of_levels(logits)
        labels: Any = Positions(levels.labels)
        return ordinal_measures(levels.probs, labels, weights=levels.weights, n_bins=n_bins)

    def level_events(
        self, logits: NDArray[Any] | None = None, *, n_bins: int
    ) -> tuple[LevelEvent, ...]:
        """Return how calibrated it is that a level is at most this, for each level but the last.

        Raises InvalidInputError as `ordinal_measures`.
        """
        return level_events(self._of_levels(logits), n_bins=n_bins)

    def _of_levels(self, logits: NDArray[Any] | None) -> Predictions:
        if self.ragged:
            msg = (
                f"{self.source}: `ordered` (--ordered) is for rows that have the same levels, and "
                "these have options of their own: measure the questions of each scale in a file "
                "of their own."
            )
            raise InvalidInputError(msg)
        return self.predictions(logits)

    @property
    def named_groups(self) -> Groups | None:
        """Names of the groups and each row's number, where the file has groups."""
        if self.groups is None:
            return None
        with naming(self.source, self.file_rows):
            return as_groups(self.groups, n=self.n)

    @property
    def group_names(self) -> NDArray[np.str_] | None:
        """Each row's group as text; "" where a row without a label has none."""
        if self.groups is None:
            return None
        with naming(self.source, self.file_rows):
            return self.layout.group_names(self.groups, n=self.n, labelled=self.labels is not None)

    def part(self, which: NDArray[np.bool_]) -> Rows:
        """Return some of the rows, with all that is said of each."""

        def taken(values: NDArray[Any] | None) -> Any:  # noqa: ANN401
            return None if values is None or len(values) != len(which) else values[which]

        clusters = taken(self.clusters)
        keep = np.ones(len(which), dtype=bool) if self.keep is None else self.keep.copy()
        keep[keep] = which
        return replace(
            self,
            logits=self.logits[which],
            labels=taken(self.labels),
            weights=taken(self.weights),
            groups=taken(self.groups),
            clusters=None if clusters is None else np.unique(clusters, return_inverse=True)[1],
            ids=taken(self.ids) if self.layout.row_by_row else self.ids,
            layout=self.layout.part(which, keep),
            keep=keep,
        )

    def fallbacks(self, calibrator: Calibrator) -> tuple[str, ...]:
        """Return which rows get the pooled temperature, where groups have their own."""
        if not calibrator.traits.groups:
            return ()
        temperature = temperature_of(calibrator)
        assert temperature is not None  # noqa: S101  (of groups there is a pooled one)
        pooled = f"get the pooled temperature, {digits_text(temperature, 4)}"
        names = self.group_names
        if names is None:
            return (f"{self.source} has no groups (--group-column): all rows {pooled}.",)
        warnings = []
        none = int(np.count_nonzero(names == ""))
        if none:
            which = f"{count_text(none, 'row')} of {self.source} without a group"
            warnings.append(f"{which}: they {pooled}.")
        if unseen := calibrator.unseen(names):
            shown = first_few(unseen, _SHOWN)
            warnings.append(f"groups not seen in the fit: {shown}. Their rows {pooled}.")
        return tuple(warnings)

    def warnings(self) -> tuple[str, ...]:
        """Return what users should hear about the rows that were measured."""
        return (*self.notes, *self.cluster_warnings())

    def cluster_warnings(self) -> tuple[str, ...]:
        """Return a warning if intervals rest on a few clusters."""
        if self.clusters is None:
            return ()
        count = int(self.clusters.max()) + 1
        if count >= _FEW_CLUSTERS:
            return ()
        msg = (
            f"{self.source} has only {count} {self.layout.cluster_words}: intervals from so few "
            "are rough, and only more of them, not more rows of each, narrow them."
        )
        return (msg,)

    def measure_raw(self, **settings: Unpack[MeasureSettings]) -> tuple[Evaluation, RowFacts]:
        """Measure the rows as they are."""
        with report_work("measuring"):
            evaluation = evaluate_rows(self.predictions(), groups=self.named_groups, **settings)
        return evaluation, self.facts

    def measure_after(
        self, calibrator: Calibrator, **settings: Unpack[MeasureSettings]
    ) -> Measured:
        """Measure the rows as they are and after a calibrator that has not seen them."""
        with report_work(f"applying to {self.outcomes.rows(self.n)}"):
            after = self.scaled_by(calibrator)
        return self.measure_scaled(after, **settings)

    def measure_scaled(
        self, after: NDArray[np.float64], **settings: Unpack[MeasureSettings]
    ) -> Measured:
        """Measure the rows as they are, and their calibrated logits."""
        with report_work("measuring"):
            sides = {"before": self.predictions(self.unchanged), "after": self.predictions(after)}
            comparison = compare_rows(sides, groups=self.named_groups, **settings)
        return Measured(comparison, self.facts, self.warnings(), after)

    def impossible_rows(self, logits: NDArray[np.float64] | None = None) -> str:
        """Return which rows of the file have a true class of probability 0, in words.

        `logits` are the ones evaluated, where these are not the rows' own.
        """
        if self.file_rows is None:
            return ""
        own = self.logits if logits is None else logits
        places = np.flatnonzero(np.isneginf(own[np.arange(len(own)), self.require_labels()]))
        first = self.file_rows[places[: _SHOWN + 1]].tolist()
        numbers = first_few([f"{row + 1:,}" for row in first], _SHOWN)
        return f" ({'row' if len(places) == 1 else 'rows'} {numbers}, counted from 1)"

    def refuse_scores(self) -> None:
        """Raise where scores without a map claim no probability that could be measured."""
        if not self.layout.says_probabilities:
            msg = (
                f"{self.source}: a score of `score_scale` (--score-scale) real is no probability "
                f"to measure, but one to learn a map from: temperance fit {self.source} --kind "
                "answers --score-scale real; then evaluate other rows with --calibrator "
                "calibrator.json."
            )
            raise InvalidInputError(msg)

    @property
    def in_memory(self) -> Rows:
        """The rows themselves; of a file that is read block by block there are none."""
        return self

    def label_plan(self, calibrator: Calibrator | None) -> Plan | None:
        """Return how many labels are needed, from 5,000 rows; None where they allow no plan."""
        logits = self.logits if calibrator is None else self.scaled_by(calibrator)
        weights = self.weights
        if self.n > _PLANNED:
            rng = np.random.default_rng(0)
            some = np.sort(rng.choice(self.n, _PLANNED, replace=False))
            logits, weights = logits[some], None if weights is None else weights[some]
        pilot = None if calibrator is None else calibrator.temperature_record
        try:
            with report_work("planning"):
                return plan(logits, weights=weights, pilot=pilot, refuse_probs=False)
        except (InvalidInputError, NoOptimumError):
            return None

    def training(self, *, prior: float = 0.0) -> Training:
        """Return the rows as a fit takes them; groups of a label matrix are its labels."""
        return self.layout.training(
            self.logits,
            self.require_labels(),
            self.weights,
            classes=self.classes,
            clusters=self.clusters,
            groups=lambda: self.group_names,
            prior=prior,
        )

    def scaled_by(self, calibrator: Calibrator) -> NDArray[np.float64]:
        """Return the calibrated logits of these rows, (n, k), columns in their own order."""
        outputs, order = self.outputs_for(calibrator)
        scaled = put_back(calibrator.calibrated_logits(outputs), order)
        return self.layout.mapped(scaled, calibrator.kind)

    def applied(self, calibrator: Calibrator) -> NDArray[np.float64]:
        """Return the calibrated probabilities of these rows; of answers (n,), of being right.

        Columns are in the order of these rows, whatever that of the calibrator.
        """
        outputs, order = self.outputs_for(calibrator)
        probs = calibrator.restored(calibrator.probabilities(outputs), outputs)
        return probs if probs.ndim == 1 else put_back(probs, order)

    def outputs_for(self, calibrator: Calibrator) -> tuple[Outputs, NDArray[np.intp] | None]:
        """Return what a calibrator maps of these rows, in the order of its own columns."""
        order = self._order_of(calibrator)
        with naming(self.source):
            scores = self.layout.scores(self.logits, calibrator.kind)
        groups = self.group_names if calibrator.traits.groups else None
        scores = tuple(in_order(each, order) for each in scores)
        return calibrator.outputs_of(scores, groups), order

    def _order_of(self, calibrator: Calibrator) -> NDArray[np.intp] | None:
        """Return where the classes of the calibrator are among these; None where in place."""
        with naming(self.source):
            return column_order(self.classes, calibrator.classes, whose="the calibrator")

    def require_members(self) -> tuple[NDArray[Any], ...]:
        """Return the members' logits, or say that there is only one model."""
        if self.layout.n_models == 1:
            msg = f"{self.source}: an ensemble takes the files of all its models, in order."
            raise InvalidInputError(msg)
        return self.layout.models

    def check_fits(self, calibrator: Calibrator, source: str) -> None:
        """Raise if the calibrator was fitted on other classes, or other models, than these."""
        models, layout = calibrator.n_models, self.layout
        if models != layout.n_models:
            msg = (
                f"{self.source}: {source} was fitted on {models} "
                f"model{'s' if models > 1 else ''}: give that many files, in the same order."
            )
            raise InvalidInputError(msg)
        if calibrator.kind != layout.kind:
            msg = f"{self.source}: {_kinds_apart(calibrator.kind, layout.kind, source)}"
            raise InvalidInputError(msg)
        if calibrator.traits.groups and not layout.takes_groups:
            msg = (
                f"{self.source}: {source} has a temperature per group, which outputs per pixel or "
                "token (--class-axis) do not take. Fit another method."
            )
            raise InvalidInputError(msg)
        width = layout.width(self.n_classes)
        if calibrator.n_classes not in (None, width) and not self.ragged:
            msg = (
                f"{self.source}: has {count_text(width, 'class', 'classes')}, but {source} was "
                f"fitted on {calibrator.n_classes}."
            )
            raise InvalidInputError(msg)
        with naming(self.source):
            column_order(self.classes, calibrator.classes, whose=source)


def _kinds_apart(of_calibrator: str, of_rows: str, source: str) -> str:
    """Return what to say of rows that a calibrator, from `source`, is not of."""
    if "answers" in (of_calibrator, of_rows):
        return (
            'a calibrator of answers and scores of answers, `kind="answers"` (--kind answers), go '
            f"together; {source} or the file is something else."
        )
    of, file = ("labels", "one class per row")
    if of_rows == "multilabel":
        of, file = ("classes", "labels")
    return (
        f"{source} is of {of}, but the file is read as {file}; "
        '`kind="multilabel"` (--kind multilabel) is for a column per label.'
    )


@contextmanager
def naming(source: str, places: NDArray[np.intp] | None = None) -> Iterator[None]:
    """Put the file's name before the message of any bad input found inside the `with`.

    `places` says which rows of the file the rows of messages are; None: all, in order.
    """
    try:
        with rows_of_file(places):
            yield
    except InvalidInputError as error:
        if str(error).startswith(printable(source)):
            raise
        msg = f"{source}: {error}"
        raise type(error)(msg) from error
