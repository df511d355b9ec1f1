"""A file's rows, read and checked, as the commands work with them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np

from temperance.alignment import column_order, in_order, put_back
from temperance.calibrators import TemperatureRecord, Training
from temperance.checks import Positions, as_group_names, as_groups, as_known_names
from temperance.checks.answer_scores import base_rate_logits
from temperance.checks.arrays import rows_of_file
from temperance.checks.label_matrix import LABEL_CLASSES, Entries
from temperance.cli.console import progress
from temperance.comparison import compare_rows
from temperance.errors import FileFormatError, InvalidInputError, NoOptimumError
from temperance.evaluation import evaluate_rows
from temperance.metrics.inputs import Predictions
from temperance.metrics.outcomes import Outcomes
from temperance.planning import plan
from temperance.printable import count_text, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from temperance.calibrators import Calibrator, Outputs
    from temperance.checks.answer_scores import AnswerScale
    from temperance.checks.dense import Dense
    from temperance.checks.scores import Floored
    from temperance.comparison import Comparison
    from temperance.evaluation import Evaluation, Groups
    from temperance.planning import Plan
    from temperance.readers.dataset import Kind, Layout

__all__ = ["Beside", "Measured", "RowFacts", "Rows", "Settings", "naming"]

_PLANNED = 5000  # rows: enough to know the confidences by
_SHOWN = 5  # rows named in a line
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


class Settings(TypedDict):
    """How rows are measured."""

    n_bins: int
    n_resamples: int
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """The measures of a file's rows, and what is said about them."""

    comparison: Comparison
    facts: RowFacts
    warnings: tuple[str, ...]
    after: NDArray[np.float64] | None = None  # calibrated logits, of rows in memory


@dataclass(frozen=True, slots=True, eq=False)
class Beside:
    """What a file says of its rows beside their scores, in its own shape: `apply` hands it on."""

    labels: NDArray[Any] | None
    ids: NDArray[Any] | None
    groups: NDArray[Any] | None
    weights: NDArray[Any] | None


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
    ragged: bool
    kind: Kind
    source: str
    sha256: str
    members: tuple[NDArray[Any], ...] | None = None  # of an ensemble; `logits` is their mean then
    member_names: tuple[str, ...] = ()
    entries: Entries | None = None  # of a label matrix; each entry is a row of two classes then
    answers: AnswerScale | None = None  # of scores of answers; classes are wrong and correct then
    dense: Dense | None = None  # of outputs per pixel or token; each of them is a row then
    keep: NDArray[np.bool_] | None = None  # which of the file's rows (entries) count; None: all
    beside: Beside | None = None  # only where all rows were asked for
    notes: tuple[str, ...] = ()  # what was left out or bounded when the file was read
    floored: Floored | None = None  # probabilities that were raised, where there is a floor
    file_ids: NDArray[Any] | None = None  # of all rows of the file, also those that do not count
    left_out: tuple[int, ...] = ()  # rows of the file that lack a value and were left out
    of_format: bool = False  # of a language model's answers, whose lines hold their labels

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.logits)

    @property
    def n_classes(self) -> int:
        """Number of columns."""
        return int(self.logits.shape[1])

    @property
    def layout(self) -> Layout:
        """What a reader and a writer call the form of the file."""
        if self.entries is not None:
            return "labels"
        return "rows" if self.dense is None else "dense"

    @property
    def outcomes(self) -> Outcomes:
        """What the rows are, in the words of results."""
        if self.entries is None:
            return Outcomes(self.classes)
        n_rows, n_labels = (int(self.entries.keep.any(axis=axis).sum()) for axis in (1, 0))
        return Outcomes(LABEL_CLASSES, n_rows=n_rows, n_labels=n_labels)

    @property
    def described(self) -> str:
        """File and size in words."""
        if self.entries is not None:
            return f"{self.source}: {self.outcomes.extent(self.n)}, {self.kind}"
        if self.answers is not None:
            return f"{self.source}: {count_text(self.n, 'answer')}, score {self.answers.name}"
        options = "up to " if self.ragged else ""
        rows = count_text(self.n, "row")
        if self.dense is not None and len(self.dense.shape) > 1:
            count, *each = self.dense.shape
            images = count_text(count, "image or sequence", "images or sequences")
            rows += f" ({images} of {' x '.join(map(str, each))})"
        classes = count_text(self.n_classes, "class", "classes")
        return f"{self.source}: {rows}, {options}{classes}, {self.kind}"

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
            members=self.member_names,
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
        if self.of_format:
            return "Write them into the lines, under a key that --label-field names (or `label`)."
        return "Name their column with --label-column, or give their file with --labels."

    @property
    def file_rows(self) -> NDArray[np.intp] | None:
        """Which row of the file, counted from 0, each of these is; None of entries and pixels."""
        if self.entries is not None or self.dense is not None:
            return None
        n = self.n if self.keep is None else len(self.keep)
        places = np.delete(np.arange(n + len(self.left_out)), list(self.left_out))
        kept = places if self.keep is None else places[self.keep]
        return kept if len(kept) == self.n else None

    def require_positions(self) -> Positions:
        """Return the labels as a fit takes them: never looked up among the names of classes."""
        return Positions(self.require_labels())

    @property
    def says_probabilities(self) -> bool:
        """Whether the file's own scores claim a confidence; those of --score-scale real do not."""
        return self.answers is None or self.answers.says_probabilities

    @property
    def unchanged(self) -> NDArray[Any]:
        """Logits to beat: the file's own, or of scores that claim nothing the base rate."""
        if self.says_probabilities:
            return self.logits
        return base_rate_logits(self.require_labels(), self.weights)

    def predictions(self, logits: NDArray[Any] | None = None) -> Predictions:
        """Return these logits, or others of the same rows, with labels, weights and clusters."""
        own = self.logits if logits is None else logits
        labels, names = self.require_labels(), self.classes
        if self.entries is None:
            return Predictions.from_logits(own, labels, self.weights, self.clusters, classes=names)
        found = Predictions.from_logits(
            own, labels, self.weights, self.clusters, classes=LABEL_CLASSES
        )
        number = np.unique(self.entries.groups, return_inverse=True)[1]
        return replace(found, label=number, n_matrix_rows=self.outcomes.n_rows)

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
            if self.labels is None:
                return as_known_names(self.groups, n=self.n)
            return as_group_names(self.groups, n=self.n)

    def part(self, which: NDArray[np.bool_]) -> Rows:
        """Return some of the rows, with all that is beside them."""

        def taken(values: NDArray[Any] | None) -> Any:  # noqa: ANN401
            return None if values is None or len(values) != len(which) else values[which]

        clusters, entries = taken(self.clusters), self.entries
        keep = np.ones(len(which), dtype=bool) if self.keep is None else self.keep.copy()
        keep[keep] = which
        if entries is not None:
            entries = replace(
                entries, odds=entries.odds[which], labels=entries.labels[which],
                groups=entries.groups[which], clusters=entries.clusters[which], keep=keep,
            )  # fmt: skip
        return replace(
            self,
            logits=self.logits[which],
            labels=taken(self.labels),
            weights=taken(self.weights),
            groups=taken(self.groups),
            clusters=None if clusters is None else np.unique(clusters, return_inverse=True)[1],
            ids=self.ids if entries is not None else taken(self.ids),
            entries=entries,
            keep=keep,
        )

    def taken(self, rows: NDArray[np.bool_]) -> Rows:
        """Return the logits, groups and members of some rows; all else stays behind."""
        return replace(
            self,
            logits=self.logits[rows],
            groups=None if self.groups is None else self.groups[rows],
            members=None if self.members is None else tuple(m[rows] for m in self.members),
            labels=None,
            weights=None,
            clusters=None,
            ids=None,
        )

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
        what = "rows" if self.entries is not None else "clusters (rows that belong together)"
        msg = (
            f"{self.source} has only {count} {what}: intervals from so few are rough, and only "
            "more of them, not more rows of each, narrow them."
        )
        return (msg,)

    def measure_raw(self, **settings: Unpack[Settings]) -> tuple[Evaluation, RowFacts]:
        """Measure the rows as they are."""
        with progress("measuring"):
            evaluation = evaluate_rows(self.predictions(), groups=self.named_groups, **settings)
        return evaluation, self.facts

    def measure_after(self, calibrator: Calibrator, **settings: Unpack[Settings]) -> Measured:
        """Measure the rows as they are and after a calibrator that has not seen them."""
        with progress(f"applying to {self.outcomes.rows(self.n)}"):
            after = self.scaled_by(calibrator)
        return self.measure_scaled(after, **settings)

    def measure_scaled(self, after: NDArray[np.float64], **settings: Unpack[Settings]) -> Measured:
        """Measure the rows as they are, and their calibrated logits."""
        with progress("measuring"):
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
        shown = ", ".join(f"{self.file_rows[row] + 1:,}" for row in places[:_SHOWN])
        more = ", ..." if len(places) > _SHOWN else ""
        return f" ({'row' if len(places) == 1 else 'rows'} {shown}{more}, counted from 1)"

    def refuse_scores(self) -> None:
        """Raise where scores without a map claim no probability that could be measured."""
        if not self.says_probabilities:
            msg = (
                f"{self.source}: a score of `--score-scale` real is no probability to measure, but "
                f"one to learn a map from: temperance fit {self.source} --kind answers "
                "--score-scale real; then evaluate other rows with --calibrator calibrator.json."
            )
            raise InvalidInputError(msg)

    @property
    def takes_auto(self) -> bool:
        """Whether richer maps of the command's `--method auto` are for these rows."""
        return self.entries is None and self.members is None

    def label_plan(self, calibrator: Calibrator | None) -> Plan | None:
        """Return how many labels are needed, from 5,000 rows; None where they allow no plan."""
        logits = self.logits if calibrator is None else self.scaled_by(calibrator)
        weights = self.weights
        if self.n > _PLANNED:
            rng = np.random.default_rng(0)
            some = np.sort(rng.choice(self.n, _PLANNED, replace=False))
            logits, weights = logits[some], None if weights is None else weights[some]
        record = None if calibrator is None else calibrator.record
        pilot = record if isinstance(record, TemperatureRecord) else None
        try:
            with progress("planning"):
                return plan(logits, weights=weights, pilot=pilot, refuse_probs=False)
        except (InvalidInputError, NoOptimumError):
            return None

    def training(self, *, prior: float = 0.0) -> Training:
        """Return the rows as a fit takes them; groups of a label matrix are its labels."""
        entries = self.entries
        return Training(
            self.logits,
            self.require_labels(),
            self.weights,
            None if entries is not None else self.classes,
            clusters=self.clusters,
            groups=self._groups_of_fit(),
            members=self.members,
            prior=prior,
        )

    def _groups_of_fit(self) -> NDArray[np.str_] | None:
        if self.dense is not None:
            return None
        return self.group_names if self.entries is None else self.entries.groups

    def scaled_by(self, calibrator: Calibrator) -> NDArray[np.float64]:
        """Return the calibrated logits of these rows, (n, k), columns in their own order."""
        outputs, order = self._outputs_for(calibrator)
        scaled = put_back(calibrator.calibrated_logits(outputs), order)
        if calibrator.kind != "multilabel":
            return scaled
        odds = scaled[self.require_entries().keep]
        return np.stack([np.zeros_like(odds), odds], axis=1)

    def applied(self, calibrator: Calibrator) -> NDArray[np.float64]:
        """Return the calibrated probabilities of these rows; of answers (n,), of being right.

        Columns are in the order of these rows, whatever that of the calibrator.
        """
        outputs, order = self._outputs_for(calibrator)
        probs = calibrator.restored(calibrator.probabilities(outputs), outputs)
        return probs if probs.ndim == 1 else put_back(probs, order)

    def _outputs_for(self, calibrator: Calibrator) -> tuple[Outputs, NDArray[np.intp] | None]:
        """Return what a calibrator maps of these rows, in the order of its own columns."""
        order = self._order_of(calibrator)
        scores = self.members if self.members is not None else (self.logits,)
        if calibrator.kind == "multilabel":
            scores = (self.require_entries().outputs,)
        groups = self.group_names if calibrator.traits.groups else None
        scores = tuple(in_order(each, order) for each in scores)
        return calibrator.outputs_of(scores, groups), order

    def _order_of(self, calibrator: Calibrator) -> NDArray[np.intp] | None:
        """Return where the classes of the calibrator are among these; None where in place."""
        with naming(self.source):
            return column_order(self.classes, calibrator.classes, whose="the calibrator")

    def require_entries(self) -> Entries:
        """Return the entries of the label matrix, or say that there is none."""
        if self.entries is None:
            msg = (
                f"{self.source}: the calibrator is of labels; read the file with --kind multilabel."
            )
            raise InvalidInputError(msg)
        return self.entries

    def require_members(self) -> tuple[NDArray[Any], ...]:
        """Return the members' logits, or say that there is only one model."""
        if self.members is None:
            msg = f"{self.source}: an ensemble takes the files of all its models, in order."
            raise InvalidInputError(msg)
        return self.members

    def check_fits(self, calibrator: Calibrator, source: str) -> None:
        """Raise if the calibrator was fitted on other classes, or other models, than these."""
        models = calibrator.n_models
        if models != len(self.members or (self,)):
            msg = (
                f"{self.source}: {source} was fitted on {models} "
                f"model{'s' if models > 1 else ''}: give that many files, in the same order."
            )
            raise InvalidInputError(msg)
        if (self.answers is not None) != (calibrator.kind == "answers"):
            msg = (
                f"{self.source}: a calibrator of answers and scores of answers (--kind answers) go "
                f"together; {source} or the file is something else."
            )
            raise InvalidInputError(msg)
        if (self.entries is not None) != (calibrator.kind == "multilabel"):
            of, file = (
                ("labels", "one class per row") if self.entries is None else ("classes", "labels")
            )
            msg = (
                f"{self.source}: {source} is of {of}, but the file is read as {file} "
                "(--kind multilabel is for a column per label)."
            )
            raise InvalidInputError(msg)
        if self.dense is not None and calibrator.traits.groups:
            msg = (
                f"{self.source}: {source} has a temperature per group, which outputs per pixel or "
                "token (--class-axis) do not take. Fit another method."
            )
            raise InvalidInputError(msg)
        width = self.n_classes if self.entries is None else self.entries.keep.shape[1]
        if calibrator.n_classes not in (None, width) and not self.ragged:
            msg = (
                f"{self.source}: has {count_text(width, 'class', 'classes')}, but {source} was "
                "fitted on "
                f"{calibrator.n_classes}."
            )
            raise InvalidInputError(msg)
        with naming(self.source):
            column_order(self.classes, calibrator.classes, whose=source)


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
