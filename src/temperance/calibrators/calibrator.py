"""What every calibrator is: a frozen value that turns logits into calibrated probabilities."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Self, final

import numpy as np

from temperance.calibrators.record import (
    FitRecord,
    MapParts,
    TemperatureRecord,
    regret_in_words,
    sharpness_in_words,
)
from temperance.calibrators.training import DOUBLE, Outputs
from temperance.checks import as_known_names, as_logits
from temperance.checks import refuse_probs as refuse_probs_as_logits
from temperance.checks.arguments import MOST_CLASSES, as_count, as_flag
from temperance.checks.forms import Dense, named_scores, refuse_other_index
from temperance.checks.labels import as_classes
from temperance.checks.scores import as_one_row, refuse_masks, refuse_padding
from temperance.errors import InvalidInputError
from temperance.frozen import Frozen
from temperance.numerics import as_float64, row_blocks, softmax
from temperance.printable import count_text, digits_text
from temperance.show import Table, beside, number_text, positive_text, sketch, to_frame

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike, NDArray

    from temperance.calibrators.operations import Operation
    from temperance.calibrators.training import Training
    from temperance.checks.answer_scores import AnswerScale
    from temperance.frozen import MaybeNone
    from temperance.readers.json_object import JsonObject

__all__ = [
    "Calibrator",
    "Method",
    "Traits",
    "interval_of",
    "keep_predicted_class",
    "temperature_of",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """Facts about a method, in words, besides those that other code asks for (true or false).

    Parameters
    ----------
    type : str
        Whether a fixed number of numbers describes the map (parametric) or the data shape it.
    summary : str
        What the map does to a row.
    parameters : str
        How many numbers are learned, for k classes.
    labels : str
        How many labelled rows it wants.
    cost : str
        Work of a fit on n rows of k classes.
    keeps_class : bool
        The predicted class of a row never changes.
    keeps_order : bool
        The order of the classes within a row never changes.
    keeps_ranking : str
        Whether two rows keep their order by the probability of a class.
    classes : str
        Which numbers of classes it takes, natively or one-vs-rest.
    risk : str
        Of over-fitting.
    source : str
        The paper.
    binary : bool
        Only two classes.
    masks : bool
        Takes rows in which some options do not exist (logit -inf).
    prior : bool
        `fit` takes `prior=`.
    groups : bool
        `fit` and `apply` take `groups=`.
    members : bool
        `fit` and `apply` take the outputs of several models.
    zeros : bool
        Takes rows whose label has probability 0: it needs no logarithm of it.
    any_width : bool
        Learns nothing about single classes, so rows may have any number of options.
    learned : tuple of int
        `parameters` as coefficients of 1, k and k^2; none where the data decide how many.
    """

    type: str
    summary: str
    parameters: str
    labels: str
    cost: str
    keeps_class: bool
    keeps_order: bool
    keeps_ranking: str
    classes: str
    risk: str
    source: str
    binary: bool = False
    masks: bool = True
    prior: bool = False
    groups: bool = False
    members: bool = False
    zeros: bool = False
    any_width: bool = False
    learned: tuple[int, ...] = ()

    def n_parameters(self, k: int) -> int:
        """Return how many numbers are learned for k classes; 0 where the data decide."""
        return sum(number * k**power for power, number in enumerate(self.learned))

    def to_dict(self) -> dict[str, str | bool]:
        """Return all fields that `parameters` does not say already."""
        return {name: value for name, value in asdict(self).items() if name != "learned"}


# A fitted calibrator as people see it: a few lines, a table, a picture of what it does.


ParameterRow = tuple[str, float, float | None, float | None]


def temperature_of(calibrator: Calibrator) -> float | None:
    """Return the temperature of a method that has one for all rows; None of the others."""
    value = getattr(calibrator, "temperature", None)
    return None if value is None else float(value)


def interval_of(calibrator: Calibrator) -> tuple[float, float] | None:
    """Return the 95 % interval of the temperature; None where there is none."""
    record = calibrator.temperature_record
    return None if record is None else record.interval(0.95)


def calibrator_lines(calibrator: Calibrator) -> list[str]:
    """What was fitted, from what, and the score test, in words."""
    record = calibrator.record
    facts = ", ".join(f"{name} {text}" for name, text in _facts(calibrator))
    if record is None:
        return [f"{facts or calibrator.method}, typed in"]
    passes = count_text(record.passes, "pass", "passes")
    lines = [
        f"{facts or calibrator.method}, from {count_text(record.n, *calibrator.unit)} in {passes}"
    ]
    known = calibrator.temperature_record
    if known is not None and known.expected_regret is not None:
        lines.append(regret_in_words(known, known.expected_regret))
    if calibrator.reads_probabilities:
        lines.append(sharpness_in_words(record.score_test))
    return lines


def calibrator_table(calibrator: Calibrator) -> Table:
    """One row per fact of the fit."""
    record = calibrator.record
    rows = [("method", calibrator.name), *_facts(calibrator)]
    unit = count_text(2, *calibrator.unit).removeprefix("2 ")
    if record is not None:
        rows += [
            (f"{unit} of the fit", f"{record.n:,}"),
            (_before(calibrator), number_text(record.log_loss_before)),
            (f"log loss after, same {unit}", number_text(record.log_loss_after)),
        ]
        if calibrator.reads_probabilities:
            rows.append(("how sharp the model is", sharpness_in_words(record.score_test)))
        known = calibrator.temperature_record
        if known is not None and known.expected_regret is not None:
            rows.append(("cost of not knowing T better", _nats(known.expected_regret)))
        if record.floor is not None:
            raised = "" if record.n_floored is None else f"; {record.n_floored:,} raised to it"
            rows.append(("floor of probabilities", f"{record.floor:.4g}{raised}"))
        if record.prior:
            rows.append(
                (
                    "prior on no change",
                    f"{record.prior:g} pseudo-row{'' if record.prior == 1.0 else 's'}",
                )
            )
    if calibrator.n_classes is not None:
        rows.append(("classes", f"{calibrator.n_classes:,}"))
    return Table(("calibrator", ""), tuple(rows), words=frozenset({1}))


def parameter_rows(calibrator: Calibrator) -> list[ParameterRow]:
    """Return (name, value, low, high) of every number of the map."""
    intervals = calibrator.parameter_intervals()
    rows: list[ParameterRow] = []
    for name, value in calibrator.parameters().items():
        if name.endswith("_intervals"):
            continue  # they are the ends of other rows
        for path, number in _numbers(name, value):
            low, high = intervals.get(path, (None, None))
            rows.append((path, number, low, high))
    return rows


def map_sketch(calibrator: Calibrator) -> str:
    """Probability of one of two classes before (across) and after (upwards); "" of k > 2."""
    if calibrator.kind == "multilabel":
        return ""
    if calibrator.n_classes != 2 and temperature_of(calibrator) is None:
        return ""
    probs = np.linspace(0.0, 1.0, 101)[1:-1]
    after = _of_two(calibrator, probs)
    at_90 = float(_of_two(calibrator, np.array([0.9]))[0])
    return sketch(
        np.r_[0.0, probs, 1.0], np.r_[0.0, after, 1.0], name="probability before and after",
        words=f"of two classes, 90 % becomes {100 * at_90:.0f} %",
        across_name="probability before", up_name="after",
    )  # fmt: skip


def _of_two(calibrator: Calibrator, probs: np.ndarray) -> np.ndarray:
    """What becomes of the probability of class 1 of two classes."""
    odds = np.log(probs / (1.0 - probs))
    if calibrator.n_classes == 2:
        return softmax(calibrator.scaled(np.stack([np.zeros_like(odds), odds], axis=1)))[:, 1]
    temperature = temperature_of(calibrator)
    assert temperature is not None  # noqa: S101  (asked before)
    return np.asarray(1.0 / (1.0 + np.exp(-odds / temperature)))


def _facts(calibrator: Calibrator) -> list[tuple[str, str]]:
    temperature, facts = temperature_of(calibrator), calibrator.facts()
    if temperature is None:
        return facts
    ends = interval_of(calibrator)
    text = "" if ends is None else " (95 %: {} to {})".format(*(digits_text(e, 4) for e in ends))
    return [("temperature", f"{positive_text(temperature)}{text}"), *facts]


def _numbers(name: str, value: Any) -> list[tuple[str, float]]:  # noqa: ANN401
    """Every number of a parameter, with the path to it."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return []
    if isinstance(value, int | float):
        return [(name, float(value))]
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return [pair for key, each in items for pair in _numbers(f"{name}[{key}]", each)]


def _before(calibrator: Calibrator) -> str:
    return "log loss before" if calibrator.reads_probabilities else "log loss of the base rate"


def _nats(value: float) -> str:
    return f"{digits_text(value, 2)} nats"


_FLAT = ": shape (n,) is the log-odds of class 1, of two; one row of k logits is [[...]]"
_ONE_ROW = Dense((1,), -1)
_FEW_ROWS = 5  # fewer served rows than this may look like probabilities by chance


def as_calibrator(value: Any, *, name: str = "calibrator") -> Calibrator:  # noqa: ANN401
    """Return a calibrator as it is, or raise InvalidInputError."""
    if not isinstance(value, Calibrator):
        msg = f"`{name}` must be a fitted calibrator, got {type(value).__name__}."
        raise InvalidInputError(msg)
    return value


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Calibrator(Frozen, ABC):
    """A fitted map from logits to probabilities; there is no unfitted state.

    Parameters
    ----------
    n_classes : int, optional
        Number of columns that `apply` accepts; None accepts any, unless `classes` says it.
    classes : tuple of str, optional
        Names of the columns.
    record : FitRecord, optional
        How the parameters were found; None if they were typed in.
    """

    method: ClassVar[str]
    kind: ClassVar[str] = "logits"
    unit: ClassVar[tuple[str, ...]] = ("row",)  # what a record counts: one, and several of them
    traits: ClassVar[Traits]
    counts_clusters: ClassVar[bool] = False  # the interval of its temperature, where rows have some
    richer_method: ClassVar[str | None] = "auto"  # what may do better where rows refute the map

    n_classes: int | None = None
    classes: tuple[str, ...] | None = None
    record: FitRecord | MaybeNone = None

    def require_width(self, k: int | None = None) -> None:
        """Check `n_classes` and `classes` at birth; `k` is what the parameters say, if they do.

        Raises InvalidInputError where the three contradict each other.
        """
        width = k
        if self.n_classes is not None:
            width = as_count(self.n_classes, name="n_classes", most=MOST_CLASSES)
            if k not in (None, width):
                msg = f"`n_classes` must be {k}, as the parameters are, got {width}."
                raise InvalidInputError(msg)
        object.__setattr__(self, "n_classes", width)
        if self.classes is None:
            return
        is_sequence = isinstance(self.classes, list | tuple)
        if not is_sequence or not all(isinstance(name, str) for name in self.classes):
            msg = "`classes` must be a list of names, each of them text."
            raise InvalidInputError(msg)
        names = as_classes(self.classes, k=len(self.classes) if width is None else width)
        object.__setattr__(self, "classes", names)
        object.__setattr__(self, "n_classes", len(names or ()))  # a file names both

    @property
    def name(self) -> str:
        """Method as a file names it."""
        return self.method

    @property
    def reads_probabilities(self) -> bool:
        """Whether what goes in says how sure the model is; a score to learn a map from does not."""
        return True

    @property
    def own_traits(self) -> Traits:
        """Facts about the map, where the class stands for several: those of this one."""
        return self.traits

    @property
    def n_models(self) -> int:
        """How many models it takes the outputs of."""
        return 1

    @property
    def maps_logits_alone(self) -> bool:
        """Whether a row is logits of one model for its classes, and nothing else."""
        return self.kind == "logits" and not (self.traits.groups or self.traits.members)

    def class_bias_errors(self, rows: Training) -> NDArray[np.float64] | None:  # noqa: ARG002
        """Return the standard error of each class's bias, of a fit on these very rows."""
        return None

    @property
    def parts(self) -> MapParts:
        """What the map has for each class, model, group or label; none of most maps."""
        return MapParts()

    @property
    def temperature_record(self) -> TemperatureRecord | None:
        """The record, where it says how sure a temperature is."""
        return None if self.record is None else self.record.of_temperature

    def record_from_json(self, fit: JsonObject) -> FitRecord:
        """Return the record of this map that a file holds, checked against the map's numbers."""
        return FitRecord.from_json(fit, temperature=temperature_of(self))

    @property
    def answer_scale(self) -> AnswerScale | None:
        """What the scores of answers are, of a map of them."""
        return None

    def unseen(self, groups: ArrayLike) -> tuple[str, ...]:  # noqa: ARG002  (it has no groups)
        """Return the names of groups that the fit has not seen, sorted.

        Parameters
        ----------
        groups : array_like, shape (n,)
            As in `apply`.
        """
        return ()

    def tables(self) -> list[Table]:
        """Return what is known of each part of the map, beside the facts of the whole."""
        return []

    @property
    def of_logits(self) -> Calibrator:
        """The same map of rows of logits, (n, k), where this one takes other scores."""
        return self

    def with_map(self, fitted: Calibrator) -> Calibrator:
        """Return what takes the scores that this takes, by another map of their logits."""
        return fitted

    @abstractmethod
    def scaled(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the calibrated logits of a block of checked logits, (m, k); no checks here."""

    def scaled_rows(
        self,
        block: NDArray[np.float64],
        groups: NDArray[np.str_] | None,  # noqa: ARG002  (methods with groups have their own)
    ) -> NDArray[np.float64]:
        """Return the calibrated logits of a block whose rows have these groups, (m,), if any."""
        return self.scaled(block)

    def block_probs(
        self, block: NDArray[np.float64], groups: NDArray[np.str_] | None = None
    ) -> NDArray[np.float64]:
        """Return the calibrated probabilities of a block of checked logits, (m, k)."""
        probs = softmax(self.scaled_rows(block, groups))
        if self.own_traits.keeps_class:
            keep_predicted_class(probs, block.argmax(axis=1))
        return probs

    @abstractmethod
    def parameters(self) -> dict[str, Any]:
        """Return the numbers that define the map, enough to apply it in any language."""

    @abstractmethod
    def operations(self) -> tuple[Operation, ...]:
        """Return what the map does to a row of logits, in order: what exports write of it."""

    @classmethod
    @abstractmethod
    def from_parameters(cls, parameters: JsonObject, **common: Any) -> Self:  # noqa: ANN401
        """Return the calibrator of `parameters()`; `common` holds what all calibrators have."""

    @final
    def apply(
        self,
        logits: ArrayLike,
        *,
        groups: ArrayLike | None = None,
        class_axis: int = -1,
        refuse_probs: bool = True,
        dtype: DTypeLike | None = None,
    ) -> NDArray[Any]:
        """Return calibrated probabilities.

        Parameters
        ----------
        logits : array_like, shape (n, k), (n,), (..., k) or with `class_axis`
            As in `fit`; with -inf where an option does not exist. A torch tensor must be on the
            CPU: pass `logits.cpu()`. Of a data frame columns are matched to `classes` by name. An
            ensemble takes its members, a sequence of them in the order of the fit; a map of answers
            their scores, (n,), on the scale of the fit; a map of labels their logits, (n, l).
        groups : array_like, shape (n,), or of dense outputs one per image, optional
            Names of the rows' groups, for methods that have groups (`traits.groups`). Rows of a
            group that the fit has not seen, rows of no group (None, nan, masked or empty), or all
            rows where this is left out, get the pooled map.
        class_axis : int, default -1
            Which axis holds the classes; 1 is PyTorch's of dense outputs, (n, k, height, width).
        refuse_probs : bool, default True
            Raise if five or more rows are all probabilities; False takes them for logits. Scores of
            answers are what their scale says.
        dtype : {float32, float64}, optional
            Of what comes back. Where left out float32 for class logits of float32 or narrower, in
            half the time and memory, else float64.

        Returns
        -------
        ndarray of float32 or float64
            In the shape of `logits`, columns in the order of `classes`; (n, 2) for (n,). Rows sum
            to 1; masked options have probability 0. Where the method keeps the predicted class, it
            is that of the logits to the last bit. A row's result does not depend on the other rows.
            Of answers (n,), the probability that each is right; of labels (n, l), each strictly
            between 0 and 1. In float32 a probability is off by less than 1e-6, those as close may
            change places, and below 1e-45 it is 0: ask for float64 to measure a loss of 80 nats.

        Raises
        ------
        InvalidInputError
            Wrong shape, nan, +inf, another number of classes than in the fit or other names,
            `groups` of another length or index, or of a method without groups, or probabilities
            (pass `logits_from_probs(probs)`).
        """
        outputs = self.outputs(
            logits, groups=groups, class_axis=class_axis, refuse_probs=refuse_probs
        )
        probs = self.probabilities(outputs, dtype=outputs.dtype_for(self.kind, dtype))
        return self.restored(probs, outputs)

    @final
    def scale(
        self,
        logits: ArrayLike,
        *,
        groups: ArrayLike | None = None,
        class_axis: int = -1,
        refuse_probs: bool = True,
        dtype: DTypeLike | None = None,
    ) -> NDArray[Any]:
        """Return calibrated logits, whose softmax is `apply(logits)`, in the shape they came in.

        Parameters
        ----------
        logits, groups, class_axis, refuse_probs, dtype
            As in `apply`.

        Returns
        -------
        ndarray of float32 or float64
            Same shape; -inf stays -inf. Of shape (n,): the calibrated log-odds of class 1; of
            answers, of being right. Of an ensemble (n, k).

        Raises
        ------
        InvalidInputError
            As in `apply`.
        """
        outputs = self.outputs(
            logits, groups=groups, class_axis=class_axis, refuse_probs=refuse_probs
        )
        scaled = self.calibrated_logits(outputs, dtype=outputs.dtype_for(self.kind, dtype))
        return self.restored_logits(scaled, outputs)

    def outputs(
        self,
        logits: ArrayLike,
        *,
        groups: ArrayLike | None = None,
        class_axis: int = -1,
        refuse_probs: bool = True,
    ) -> Outputs:
        """Return the arguments of `apply`, checked."""
        row = as_one_row(logits) if type(class_axis) is int and class_axis == -1 else None
        if row is not None:
            (z, one_column), dense = row, _ONE_ROW
            array: NDArray[Any] = z[0, 1:] if one_column else z
        else:
            scores: Any = logits
            if type(logits) is not np.ndarray:  # which has no names of columns and rows
                refuse_other_index(logits=logits, groups=groups)
                scores, _ = named_scores(logits, self.classes, name="logits")
            array, dense = Dense.of(scores, class_axis=class_axis)
            z = as_logits(array)
            one_column = len(dense.shape) <= 1 and _one_column(logits)
        if self.n_classes is not None and z.shape[1] != self.n_classes:
            msg = (
                f"`logits` must have the {self.n_classes} columns that the calibrator was fitted "
                f"on, got {z.shape[1]}{_FLAT if array.ndim == 1 else ''}."
            )
            raise InvalidInputError(msg)
        if not self.traits.masks:
            refuse_masks(z, self.name)
        if as_flag(refuse_probs, name="refuse_probs") and len(z) >= _FEW_ROWS:
            refuse_probs_as_logits(array)
            if array.ndim > 1:
                refuse_padding(z, None)
        names = self._known_groups(groups, dense, n=len(z))
        return Outputs((z,), names, dense, one_column=one_column)

    def outputs_of(
        self, scores: tuple[NDArray[Any], ...], groups: NDArray[np.str_] | None = None
    ) -> Outputs:
        """Return outputs, (n, k) each, that have been checked but for options that are missing."""
        if self.kind == "logits" and not self.traits.masks:
            for each in scores:
                refuse_masks(each, self.name)
        return Outputs(scores, groups)

    def _known_groups(
        self, groups: ArrayLike | None, dense: Dense, *, n: int
    ) -> NDArray[np.str_] | None:
        if groups is None:
            return None
        self.refuse_groups()
        if len(dense.shape) > 1:
            groups = dense.spread(groups, name="groups")
        return as_known_names(groups, n=n)

    def refuse_arguments(self, groups: ArrayLike | None, class_axis: int, *, of: str) -> None:
        """Raise where what has neither groups nor an axis of classes gets one, `of` what it is."""
        if groups is not None:
            self.refuse_groups()
        if class_axis != -1:
            msg = f"`class_axis` (--class-axis) must be -1 of {of}; got {class_axis}."
            raise InvalidInputError(msg)

    def refuse_groups(self) -> None:
        """Raise if the method has one map for all rows."""
        if not self.traits.groups:
            msg = (
                f"`groups` have no meaning for {self.name}, which has one map for all rows; "
                "group-temperature has one for each group."
            )
            raise InvalidInputError(msg)

    def block_of(self, outputs: Outputs, rows: slice) -> NDArray[np.float64]:
        """Return the logits of some rows, (m, k), as `scaled` takes them."""
        return as_float64(outputs.scores[0][rows])

    @final
    def probabilities(self, outputs: Outputs, *, dtype: np.dtype[Any] = DOUBLE) -> NDArray[Any]:
        """Return the calibrated probabilities of checked outputs, (n, k), block by block."""
        probs = np.empty(outputs.scores[0].shape, dtype)
        for rows in row_blocks(probs):
            self.fill_probs(probs[rows], outputs, rows)
        return probs

    def fill_probs(self, probs: NDArray[Any], outputs: Outputs, rows: slice) -> None:
        """Write the calibrated probabilities of some rows of checked outputs, (m, k)."""
        block = self.block_of(outputs, rows)
        probs[:] = self.block_probs(block, outputs.groups_at(rows))
        if probs.dtype != DOUBLE and self.own_traits.keeps_class:  # rounding makes ties
            keep_predicted_class(probs, block.argmax(axis=1))

    @final
    def calibrated_logits(self, outputs: Outputs, *, dtype: np.dtype[Any] = DOUBLE) -> NDArray[Any]:
        """Return the calibrated logits of checked outputs, (n, k), block by block."""
        scaled = np.empty(outputs.scores[0].shape, dtype)
        with np.errstate(over="ignore"):  # beyond every float32
            for rows in row_blocks(scaled):
                block = self.block_of(outputs, rows)
                scaled[rows] = self.scaled_rows(block, outputs.groups_at(rows))
        return scaled

    def restored(self, probs: NDArray[Any], outputs: Outputs) -> NDArray[Any]:
        """Return the probabilities, (n, k), in the shape in which the outputs came."""
        return probs if outputs.dense is None else outputs.dense.restore(probs)

    def restored_logits(self, scaled: NDArray[Any], outputs: Outputs) -> NDArray[Any]:
        """Return calibrated logits, (n, k), in the shape in which the outputs came."""
        if outputs.one_column:
            return np.asarray(scaled[:, 1] - scaled[:, 0])
        return scaled if outputs.dense is None else outputs.dense.restore(scaled)

    def facts(self) -> list[tuple[str, str]]:
        """Return what the map is, as pairs of name and text, for people."""
        return []

    def parameter_intervals(self) -> dict[str, tuple[float, float]]:
        """Return the 95 % intervals that are known, by the paths of `to_frame`."""
        ends = interval_of(self)
        return {} if ends is None else {"temperature": ends}

    def to_dict(self) -> dict[str, Any]:
        """Return method, parameters and the facts of the fit as plain numbers and lists."""
        return {
            "method": self.name,
            **self.parameters(),
            "n_classes": self.n_classes,
            "classes": None if self.classes is None else list(self.classes),
            "record": None if self.record is None else self.record.to_dict(),
        }

    def to_frame(self, backend: str | None = None) -> Any:  # noqa: ANN401
        """Return the parameters, with 95 % intervals where there are any, as a data frame.

        Parameters
        ----------
        backend : {"pandas", "polars", "pyarrow"}, optional
            Whose; where left out, the one that your program has imported.

        Returns
        -------
        data frame
            Columns parameter, value, low, high; the ends are missing where no interval is known.

        Raises
        ------
        InvalidInputError
            An unknown backend.
        MissingDependencyError
            The library, or narwhals, is not installed.
        """
        rows = parameter_rows(self)
        columns = ("parameter", "value", "low", "high")
        return to_frame({name: [row[i] for row in rows] for i, name in enumerate(columns)}, backend)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(
            np.array_equal(getattr(self, each.name), getattr(other, each.name))
            if isinstance(getattr(self, each.name), np.ndarray)
            else getattr(self, each.name) == getattr(other, each.name)
            for each in fields(self)
        )

    def __hash__(self) -> int:
        return hash((self.method, self.n_classes, self.classes))

    def __str__(self) -> str:
        return "\n".join(calibrator_lines(self))

    def _repr_html_(self) -> str:
        """Show what was fitted, and a picture of what it does, in a notebook."""
        parts = [map_sketch(self), calibrator_table(self).to_html()]
        return beside(*filter(None, parts))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Method(Calibrator):
    """A calibrator that labelled rows teach; `METHODS` has them by name."""

    @classmethod
    @abstractmethod
    def from_rows(cls, rows: Training) -> Self:
        """Return the calibrator of rows that have been checked, as `fit` does; no checks here."""


def _one_column(logits: ArrayLike) -> bool:
    shape = logits.shape if isinstance(logits, np.ndarray) else np.shape(logits)
    return len(shape) == 1 or shape[1:] == (1,)


def keep_predicted_class(probs: NDArray[Any], predicted: NDArray[np.intp]) -> None:
    """Lift a largest logit that rounding made equal to its neighbour by one bit, in place."""
    tied = np.flatnonzero(probs.argmax(axis=1) != predicted)
    if not len(tied):
        return
    probs[tied, predicted[tied]] = np.nextafter(probs[tied].max(axis=1), np.inf)
