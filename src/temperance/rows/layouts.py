"""What the rows of a file are: of one class each, pixels, entries of labels, answers.

A layout gives probabilities back in the shape they came in, and says what its rows are. Whatever
else differs between kinds of rows is a method here, so that nobody asks which kind they are. Each
may be of several models: that the same rows were seen by many changes what is mapped and how a
fit learns, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np

from temperance.calibrators import (
    ANSWER_METHODS,
    LABEL_METHODS,
    METHODS,
    AnswerConfidence,
    Calibrator,
    Ensemble,
    GroupTemperatureScaling,
    Identity,
    MultilabelScaling,
    Training,
    fit_entries,
    fit_method,
)
from temperance.checks import as_group_names, as_known_names
from temperance.checks.answer_scores import base_rate_logits
from temperance.checks.label_matrix import LABEL_CLASSES
from temperance.decisions.rows import as_answers
from temperance.errors import InvalidInputError
from temperance.metrics.inputs import Predictions
from temperance.metrics.outcomes import Outcomes
from temperance.numerics import row_maxima
from temperance.printable import count_text
from temperance.selection import SCORE_METHODS, LabelTrials, ScoreTrials
from temperance.selection.choose import SIMPLEST_FIRST, Trials

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from temperance.calibrators import Pool
    from temperance.checks.answer_scores import AnswerScale
    from temperance.checks.forms import Dense
    from temperance.readers.dataset import Layout as FileLayout

    Array = NDArray[np.float64]
    GroupSource = Callable[[], NDArray[np.str_] | None]

__all__ = ["AUTO", "Answers", "Classes", "Labels", "Layout", "Pixels"]

AUTO = "auto"  # in place of a method's name: the rows choose


class Choice(NamedTuple):
    """Among which methods rows choose, as `select_rows` takes it."""

    methods: list[str] | None = None
    are_named: bool = False
    trials_of: type[Trials] = Trials
    order: tuple[str, ...] = SIMPLEST_FIRST


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """One class per row, unless a layout says otherwise."""

    form: ClassVar[FileLayout] = "rows"  # what readers and writers call it
    kind: ClassVar[str] = "logits"  # of the calibrators that such rows take
    cluster_words: ClassVar[str] = "clusters (rows that belong together)"
    row_by_row: ClassVar[bool] = True  # whether each is a row of the file
    takes_groups: ClassVar[bool] = True  # whether a fit may have a temperature per group

    models: tuple[NDArray[Any], ...] = field(default=(), kw_only=True)  # (n, k) each, of several
    names: tuple[str, ...] = field(default=(), kw_only=True)  # of these models

    # What the rows are.

    @property
    def ragged(self) -> bool:
        """Whether rows have different numbers of options."""
        return False

    @property
    def n_models(self) -> int:
        """Of how many models the rows are; the logits of several are their pool."""
        return max(1, len(self.models))

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Shape of the outputs without that of the classes, where it is not (n,)."""
        return None

    @property
    def says_probabilities(self) -> bool:
        """Whether the file's own scores claim a confidence."""
        return True

    @property
    def has_places(self) -> bool:
        """Whether a column is the same option in every row, whose bias can be seen."""
        return True

    @property
    def takes_auto(self) -> bool:
        """Whether richer maps, of which rows choose, may do better."""
        return not self.models

    @property
    def counts_events(self) -> bool:
        """Whether each number that a map learns wants so many rows."""
        return not self.models

    def outcomes(self, classes: tuple[str, ...] | None) -> Outcomes:
        """Return what the rows are, in the words of results."""
        return Outcomes(classes)

    def described(self, n: int, k: int, kind: str) -> str:
        """Return how many rows there are, and of what, in words."""
        return f"{count_text(n, 'row')}, {count_text(k, 'class', 'classes')}, {kind}"

    def width(self, k: int) -> int:
        """Return the number of columns that a calibrator knows, of rows of k classes."""
        return k

    def header(self, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """Return the names of the columns that are written."""
        return names

    # What a fit learns from them.

    def check_method(self, method: str) -> None:
        """Raise unless the method is one of such rows."""
        if (self.n_models > 1) != (method == Ensemble.method):
            msg = (
                f'`method="{Ensemble.method}"` (--method {Ensemble.method}) takes two files or '
                "more of the same rows, one per model, and other methods take one."
            )
            raise InvalidInputError(msg)

    def choice(self) -> Choice:
        """Return among which methods the rows choose."""
        return Choice()

    def training(
        self,
        logits: NDArray[Any],
        labels: NDArray[np.intp],
        weights: Array | None,
        *,
        classes: tuple[str, ...] | None,
        clusters: NDArray[np.intp] | None,
        groups: GroupSource,
        prior: float,
    ) -> Training:
        """Return the rows as a fit takes them."""
        return Training(
            logits, labels, weights, classes, clusters=clusters, groups=groups(),
            members=self.models or None, prior=prior,
        )  # fmt: skip

    def learn(self, method: str, rows: Training, *, pool: Pool) -> Calibrator:
        """Return the method fitted on rows of a fit; `pool` is of several models."""
        return Ensemble.from_rows(rows, pool=pool) if self.models else fit_method(method, rows)

    def around(
        self, calibrator: Calibrator, rows: Training, classes: tuple[str, ...] | None  # noqa: ARG002
    ) -> Calibrator:  # fmt: skip
        """Return the map of a file's own outputs of one that these rows have taught."""
        return calibrator

    def unchanged_by(self, k: int, classes: tuple[str, ...] | None) -> Calibrator:
        """Return the map that changes nothing."""
        return Identity(n_classes=None if self.ragged else k, classes=classes)

    # What is measured, mapped and written.

    def unchanged(
        self, logits: NDArray[Any], labels: Callable[[], NDArray[np.intp]], weights: Array | None  # noqa: ARG002
    ) -> NDArray[Any]:  # fmt: skip
        """Return the logits that a map must beat."""
        return logits

    def predictions(
        self,
        logits: NDArray[Any],
        labels: NDArray[np.intp],
        weights: Array | None,
        clusters: NDArray[np.intp] | None,
        *,
        classes: tuple[str, ...] | None,
        groups: NDArray[Any] | None,  # noqa: ARG002
    ) -> Predictions:
        """Return logits as what is measured."""
        return Predictions.from_logits(logits, labels, weights, clusters, classes=classes)

    def decided(
        self,
        probs: Array,
        labels: NDArray[np.intp],
        weights: Array | None,
        clusters: NDArray[np.intp] | None,
    ) -> Predictions:
        """Return calibrated probabilities as what a threshold decides of; no loss is looked at."""
        return Predictions(probs, labels, weights, np.zeros(len(labels)), clusters=clusters)

    def scores(self, logits: NDArray[Any], kind: str) -> tuple[NDArray[Any], ...]:
        """Return what a calibrator of a kind maps, of each model."""
        if kind == MultilabelScaling.kind:
            msg = (
                'the calibrator is of labels; read the file with `kind="multilabel"` '
                "(--kind multilabel)."
            )
            raise InvalidInputError(msg)
        return self.models or (logits,)

    def mapped(self, scaled: Array, kind: str) -> Array:  # noqa: ARG002
        """Return the logits, (n, k), of the rows, of what a calibrator of a kind made of them."""
        return scaled

    def restored(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return probabilities (n, k), or one value per row (n,), in the shape of the file."""
        return values

    def confidence(self, probs: Array) -> Array:
        """Return the probability of what is predicted, of calibrated probabilities."""
        return row_maxima(probs)

    # Which rows belong together, and what each is called.

    def group_names(self, groups: NDArray[Any], *, n: int, labelled: bool) -> NDArray[np.str_]:
        """Return each row's group as text; "" where a row without a label has none."""
        return as_group_names(groups, n=n) if labelled else as_known_names(groups, n=n)

    def require_clusters(self, clusters: NDArray[np.intp] | None, source: str) -> None:
        """Raise where all rows belong together, so that nothing says how sure a number is."""

    @property
    def row_numbers(self) -> NDArray[np.intp] | None:
        """Which row of the file each is in, where a row of it has several; None: each has one."""
        return None

    def row_ids(self, ids: NDArray[Any] | None, n: int) -> NDArray[Any] | None:
        """Return an id per row of the file; None where there is none."""
        return ids if ids is not None and ids.shape == (n,) else None

    def part(self, which: NDArray[np.bool_], keep: NDArray[np.bool_]) -> Self:  # noqa: ARG002
        """Return the layout of some of the rows, which are those of the file that `keep` says."""
        if not self.models:
            return self
        return replace(self, models=tuple(each[which] for each in self.models))


@dataclass(frozen=True, slots=True, eq=False)
class Classes(Layout):
    """Rows of one class each; some may have fewer options than others."""

    ragged: bool = False  # whether rows have different numbers of options

    @property
    def has_places(self) -> bool:
        """Whether a column is the same option in every row, whose bias can be seen."""
        return not self.ragged

    def described(self, n: int, k: int, kind: str) -> str:
        """Return how many rows there are, and of what, in words."""
        options = "up to " if self.ragged else ""
        return f"{count_text(n, 'row')}, {options}{count_text(k, 'class', 'classes')}, {kind}"

    def choice(self) -> Choice:
        """Return among which methods the rows choose: of ragged ones, those of any width."""
        if not self.ragged:
            return Choice()
        return Choice([name for name, each in METHODS.items() if each.traits.any_width])

    def around(
        self, calibrator: Calibrator, rows: Training, classes: tuple[str, ...] | None  # noqa: ARG002
    ) -> Calibrator:  # fmt: skip
        """Return the map; of ragged rows one of any width, where the method has such."""
        if not self.ragged or not calibrator.traits.any_width:
            return calibrator
        return replace(calibrator, n_classes=None)


@dataclass(frozen=True, slots=True, eq=False)
class Pixels(Layout):
    """Outputs per pixel or per token, each of them a row."""

    form: ClassVar[FileLayout] = "dense"
    row_by_row: ClassVar[bool] = False
    takes_groups: ClassVar[bool] = False

    dense: Dense

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the outputs without that of the classes."""
        return self.dense.shape

    @property
    def has_places(self) -> bool:
        """Biases of pixels' classes are not looked at."""
        return False

    def described(self, n: int, k: int, kind: str) -> str:
        """Return how many pixels there are, of how many images, and of what, in words."""
        rows = count_text(n, "row")
        if len(self.shape) > 1:
            count, *each = self.shape
            images = count_text(count, "image or sequence", "images or sequences")
            rows += f" ({images} of {' x '.join(map(str, each))})"
        return f"{rows}, {count_text(k, 'class', 'classes')}, {kind}"

    def check_method(self, method: str) -> None:
        """Raise where a method has a temperature per group."""
        Layout.check_method(self, method)
        if method == GroupTemperatureScaling.method:
            msg = (
                "`method` (--method) must be one that takes outputs per pixel or token "
                f"(--class-axis); {method} does not."
            )
            raise InvalidInputError(msg)

    def training(
        self,
        logits: NDArray[Any],
        labels: NDArray[np.intp],
        weights: Array | None,
        *,
        groups: GroupSource,  # noqa: ARG002
        **known: Any,  # noqa: ANN401  (classes, clusters, prior)
    ) -> Training:
        """Return the rows as a fit takes them, without groups."""
        return Layout.training(self, logits, labels, weights, groups=lambda: None, **known)

    def restored(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return probabilities (n, k), or one value per pixel (n,), in the shape of the file."""
        return values.reshape(self.shape) if values.ndim == 1 else self.dense.restore(values)

    def require_clusters(self, clusters: NDArray[np.intp] | None, source: str) -> None:
        """Raise where all pixels are of a single image: nothing says how sure a number is."""
        if clusters is not None and not clusters.any():
            msg = (
                f"{source}: all rows are of one image or sequence (the first axis beside that of "
                "the classes), and they belong together, so nothing says how sure a number is. Add "
                "others, or say with a key `clusters` which pixels belong together, e.g. tiles."
            )
            raise InvalidInputError(msg)

    def row_ids(self, ids: NDArray[Any] | None, n: int) -> None:
        """Return None: images that repeat are clusters already."""


@dataclass(frozen=True, slots=True, eq=False)
class Labels(Layout):
    """The entries of a matrix of labels that count, each a row of two classes."""

    form: ClassVar[FileLayout] = "labels"
    kind: ClassVar[str] = MultilabelScaling.kind
    cluster_words: ClassVar[str] = "rows"
    row_by_row: ClassVar[bool] = False

    outputs: Array  # (n, l): log-odds of all entries
    keep: NDArray[np.bool_]  # (n, l): which of them the rows are

    @property
    def takes_auto(self) -> bool:
        """No map is richer than a line per label."""
        return False

    @property
    def counts_events(self) -> bool:
        """Lines of labels are drawn to a common one, however few events they have."""
        return False

    @property
    def has_places(self) -> bool:
        """A row has no place among labels."""
        return False

    def outcomes(self, classes: tuple[str, ...] | None) -> Outcomes:  # noqa: ARG002
        """Return what the entries are, in the words of results."""
        n_rows, n_labels = (int(self.keep.any(axis=axis).sum()) for axis in (1, 0))
        return Outcomes(LABEL_CLASSES, n_rows=n_rows, n_labels=n_labels)

    def described(self, n: int, k: int, kind: str) -> str:  # noqa: ARG002
        """Return how many entries there are, of how many rows and labels, in words."""
        return f"{self.outcomes(None).extent(n)}, {kind}"

    def width(self, k: int) -> int:  # noqa: ARG002
        """Return the number of labels."""
        return int(self.keep.shape[1])

    def check_method(self, method: str) -> None:
        """Raise unless the method is one of label matrices."""
        Layout.check_method(self, method)
        if method not in (*LABEL_METHODS, AUTO):
            msg = (
                f"`method` (--method) must be one of {', '.join(LABEL_METHODS)} or {AUTO} for "
                '`kind="multilabel"` (--kind multilabel): no change, one temperature for all '
                "labels, one per label, a slope and an intercept per label, or the choice of the "
                f"rows; got {method!r}."
            )
            raise InvalidInputError(msg)

    def choice(self) -> Choice:
        """Return among which methods the entries choose."""
        return Choice(trials_of=LabelTrials, order=tuple(LABEL_METHODS))

    def training(
        self,
        logits: NDArray[Any],
        labels: NDArray[np.intp],
        weights: Array | None,
        *,
        classes: tuple[str, ...] | None,  # noqa: ARG002
        **known: Any,  # noqa: ANN401  (clusters, groups, prior)
    ) -> Training:
        """Return the entries as a fit takes them: their groups are the labels, not classes."""
        return Layout.training(self, logits, labels, weights, classes=None, **known)

    def learn(self, method: str, rows: Training, *, pool: Pool) -> Calibrator:  # noqa: ARG002
        """Return the method fitted on entries."""
        return fit_entries(method, rows)

    def around(
        self, calibrator: Calibrator, rows: Training, classes: tuple[str, ...] | None
    ) -> Calibrator:
        """Return the map of (n, l) outputs of one fitted on their entries."""
        return MultilabelScaling.around(
            calibrator, rows, n_labels=self.keep.shape[1], classes=classes
        )

    def predictions(
        self,
        logits: NDArray[Any],
        labels: NDArray[np.intp],
        weights: Array | None,
        clusters: NDArray[np.intp] | None,
        *,
        classes: tuple[str, ...] | None,  # noqa: ARG002
        groups: NDArray[Any] | None,
    ) -> Predictions:
        """Return logits of the entries as what is measured."""
        assert groups is not None  # noqa: S101  (the labels' names)
        return Predictions.from_entries(
            logits, labels, weights, clusters, names=groups, n_rows=int(self.keep.any(axis=1).sum())
        )

    def scores(self, logits: NDArray[Any], kind: str) -> tuple[NDArray[Any], ...]:
        """Return the outputs of all entries, (n, l), for a calibrator of labels."""
        return (self.outputs,) if kind == self.kind else self.models or (logits,)

    def mapped(self, scaled: Array, kind: str) -> Array:
        """Return the logits, (m, 2), of the entries that count, of those of all, (n, l)."""
        if kind != self.kind:
            return scaled
        odds = scaled[self.keep]
        return np.stack([np.zeros_like(odds), odds], axis=1)

    def confidence(self, probs: Array) -> Array:
        """Return the probability of each label's yes or no."""
        return np.maximum(probs, 1.0 - probs)

    def group_names(self, groups: NDArray[Any], *, n: int, labelled: bool) -> NDArray[np.str_]:  # noqa: ARG002
        """Return the name of each entry's label."""
        return groups

    @property
    def row_numbers(self) -> NDArray[np.intp]:
        """Which row of the matrix each entry is in."""
        return np.nonzero(self.keep)[0]

    def row_ids(self, ids: NDArray[Any] | None, n: int) -> NDArray[Any] | None:  # noqa: ARG002
        """Return an id per row of the matrix; None where there is none."""
        return Layout.row_ids(self, ids, len(self.keep))

    def part(self, which: NDArray[np.bool_], keep: NDArray[np.bool_]) -> Self:
        """Return the layout of the entries that `keep` says."""
        return replace(Layout.part(self, which, keep), keep=keep)


@dataclass(frozen=True, slots=True, eq=False)
class Answers(Layout):
    """Answers, each a row of two classes, wrong and right, by the log-odds of its score."""

    kind: ClassVar[str] = AnswerConfidence.kind

    scale: AnswerScale

    @property
    def counts_events(self) -> bool:
        """Of answers it is not looked at."""
        return False

    @property
    def says_probabilities(self) -> bool:
        """Whether the scores claim a confidence; real ones do not."""
        return self.scale.says_probabilities

    def described(self, n: int, k: int, kind: str) -> str:  # noqa: ARG002
        """Return how many answers there are, and what their scores are, in words."""
        return f"{count_text(n, 'answer')}, score {self.scale.name}"

    def header(self, names: tuple[str, ...] | None) -> None:
        """Return None: one column is written, of being right."""

    def check_method(self, method: str) -> None:
        """Raise unless the method is one of answers, on this scale."""
        Layout.check_method(self, method)
        if method not in (*ANSWER_METHODS, AUTO):
            msg = (
                f"`method` (--method) must be one of {', '.join(ANSWER_METHODS)} or {AUTO} for "
                f'`kind="answers"` (--kind answers), got {method!r}.'
            )
            raise InvalidInputError(msg)
        if method == Identity.method:
            self.scale.refuse_identity()

    def choice(self) -> Choice:
        """Return among which methods the answers choose."""
        if self.says_probabilities:
            return Choice(list(ANSWER_METHODS), are_named=True)
        return Choice(are_named=True, trials_of=ScoreTrials, order=SCORE_METHODS)

    def around(
        self, calibrator: Calibrator, rows: Training, classes: tuple[str, ...] | None  # noqa: ARG002
    ) -> Calibrator:  # fmt: skip
        """Return the map of scores of one fitted on their log-odds."""
        return AnswerConfidence.around(
            calibrator, self.scale, labels=rows.labels, weights=rows.weights
        )

    def unchanged_by(self, k: int, classes: tuple[str, ...] | None) -> Calibrator:  # noqa: ARG002
        """Return the scores as probabilities, or raise where they are none."""
        if not self.says_probabilities:
            msg = (
                "`as_is` (--as-is) takes scores for probabilities, which real ones are not: leave "
                "it out, and a map of the scores is fitted first."
            )
            raise InvalidInputError(msg)
        return AnswerConfidence.around(Identity(n_classes=2), self.scale)

    def unchanged(
        self, logits: NDArray[Any], labels: Callable[[], NDArray[np.intp]], weights: Array | None
    ) -> NDArray[Any]:
        """Return the logits that a map must beat: of scores that claim nothing the base rate."""
        return logits if self.says_probabilities else base_rate_logits(labels(), weights)

    def decided(
        self,
        probs: Array,
        labels: NDArray[np.intp],
        weights: Array | None,
        clusters: NDArray[np.intp] | None,
    ) -> Predictions:
        """Return probabilities of being right, (n,), as what a threshold decides of."""
        both = np.stack([1.0 - probs, probs], axis=1)
        return as_answers(Layout.decided(self, both, labels, weights, clusters))

    def confidence(self, probs: Array) -> Array:
        """Return the probability of being right, (n,)."""
        return probs
