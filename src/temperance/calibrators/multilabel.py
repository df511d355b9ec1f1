"""Multi-label outputs: independent sigmoids, with a temperature or a line for the labels."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from temperance.calibrators.calibrator import Calibrator, Method
from temperance.calibrators.group_temperature import GroupTemperatureScaling
from temperance.calibrators.identity import Identity
from temperance.calibrators.label_platt import LabelPlattScaling
from temperance.calibrators.operations import Affine, Divide, Sigmoid
from temperance.calibrators.temperature import TemperatureScaling
from temperance.calibrators.training import Outputs, Training, as_prior
from temperance.checks.arguments import as_flag, as_word, value_text
from temperance.checks.forms import named_scores
from temperance.checks.label_matrix import Entries, as_label_logits, label_names
from temperance.errors import FileFormatError, InvalidInputError
from temperance.numerics import as_float64

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.calibrators.calibrator import Traits
    from temperance.calibrators.operations import Operation
    from temperance.calibrators.record import FitRecord, MapParts
    from temperance.frozen import MaybeNone
    from temperance.readers.json_object import JsonObject
    from temperance.show import Table

    Array = NDArray[np.float64]

__all__ = [
    "LABEL_METHODS",
    "InnerMap",
    "MultilabelScaling",
    "entry_rows",
    "fit_entries",
]

# of label matrices, from few numbers to many
LABEL_METHODS: dict[str, type[Method]] = {
    each.method: each
    for each in (Identity, TemperatureScaling, GroupTemperatureScaling, LabelPlattScaling)
}
InnerMap = Identity | TemperatureScaling | GroupTemperatureScaling | LabelPlattScaling

_LARGEST = float(np.finfo(np.float64).max)
_LEAST, _MOST = np.nextafter(0.0, 1.0), np.nextafter(1.0, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class MultilabelScaling(Calibrator):
    r"""Probability of each label: a sigmoid of its logit, over T or on a line of its own.

    Parameters
    ----------
    inner : TemperatureScaling, GroupTemperatureScaling, LabelPlattScaling or Identity
        The map of the n * l yes-or-no questions: sigmoid(logit / T), one T for all labels;
        one T per label; sigmoid(slope * logit + intercept), one line per label; no change.
        Of the second and third, groups are the labels' names.

    Raises
    ------
    InvalidInputError
        `n_classes`, the number of labels, is missing; `inner` is another map, or of other labels.

    Notes
    -----
    Every entry of the label matrix is a row of two classes, (0, logit). The entries of one row are
    one draw, so the standard error of T adds their slopes up within the row before squaring
    (sandwich with rows as clusters), and so does the score test. Temperatures per label are shrunk
    towards the common one as those of groups are (`GroupTemperatureScaling`).

    A temperature cannot move a label that is claimed too often: models trained with an asymmetric
    or re-weighted loss need an intercept, which "platt" has. Lines of labels are drawn to a common
    one by empirical Bayes, so that labels of few events (none, even) have one too: on fresh rows
    that was better than a line per label by itself in every world tried (see the method page).

    Examples
    --------
    >>> scaling = MultilabelScaling(TemperatureScaling(2.0), n_classes=2)
    >>> scaling.apply([[0.0, 2.0]]).round(4)
    array([[0.5   , 0.7311]])
    """

    method: ClassVar[str] = "temperature"
    kind: ClassVar[str] = "multilabel"
    counts_clusters: ClassVar[bool] = True
    unit: ClassVar[tuple[str, ...]] = ("entry", "entries")
    traits: ClassVar[Traits] = replace(
        TemperatureScaling.traits,
        type="parametric",
        summary="logit / T, an independent sigmoid per label",
        classes="labels",
        masks=False,
        any_width=False,
    )

    inner: InnerMap
    record: FitRecord | MaybeNone = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.n_classes is None:
            msg = "`n_classes`, the number of labels, must be given."
            raise InvalidInputError(msg)
        self.require_width()
        if not isinstance(self.inner, InnerMap):
            msg = (
                "`inner` must be a map of temperatures, of lines, or no change, got "
                f"{type(self.inner).__name__}."
            )
            raise InvalidInputError(msg)
        if isinstance(self.inner, TemperatureScaling) and self.inner.smoothing > 0.0:
            msg = "`inner` must have no smoothing: sigmoids of labels are not smoothed."
            raise InvalidInputError(msg)
        names: set[str] = set()
        if isinstance(self.inner, GroupTemperatureScaling):
            names = {*self.inner.temperatures, *self.inner.small_groups}
        elif isinstance(self.inner, LabelPlattScaling):
            names = {*self.inner.slopes}
        odd = names - set(label_names(self.classes, count=self.n_classes))
        if odd:
            of = "slopes" if isinstance(self.inner, LabelPlattScaling) else "temperatures"
            name = value_text(min(odd))
            msg = f"`{of}` must be of the labels in `classes`; {name} is none of them."
            raise InvalidInputError(msg)

    @classmethod
    def fit(
        cls,
        logits: ArrayLike,
        labels: ArrayLike,
        *,
        method: str = "temperature",
        per_label: bool = False,
        weights: ArrayLike | None = None,
        prior: float = 0.0,
        classes: Sequence[object] | None = None,
        ignore_label: int | str | None = None,
        refuse_probs: bool = True,
    ) -> Self:
        """Return the temperature of all labels, one of each, or a line of each.

        Parameters
        ----------
        logits : array_like, shape (n, l)
            Of independent sigmoids, finite. For probabilities `label_logits_from_probs(probs)`.
        labels : array_like, shape (n, l)
            1 where the label applies, else 0.
        method : {"temperature", "group-temperature", "platt", "identity"}, default "temperature"
            One temperature for all labels; one per label, shrunk towards the common one; a slope
            and an intercept per label, shrunk likewise; no change.
        per_label : bool, default False
            With "temperature": the same as method "group-temperature".
        weights : array_like, shape (n,), optional
            Of the rows; finite, >= 0; only their ratios matter, as in `TemperatureScaling.fit`.
        prior : float, default 0.0
            As in `TemperatureScaling.fit`, on the common temperature; "platt" and "identity" take
            none.
        classes : sequence of l names, optional
            Of the labels.
        ignore_label : int, optional
            Entries of this value are left out, e.g. -1 for "unknown".
        refuse_probs : bool, default True
            Raise if all values lie in [0, 1], as probabilities do.

        Returns
        -------
        MultilabelScaling
            Its `record` counts entries; the score test and the interval of T count rows.

        Raises
        ------
        InvalidInputError
            Shapes that differ, values that are not 0 or 1, logits that are not finite.
        NoOptimumError
            As in `TemperatureScaling.fit`; no entry is left. Of "platt" as in `PlattScaling.fit`,
            for all labels together; they hold single ones.
        """
        entries = Entries.check(
            logits, labels, weights=weights, classes=classes, ignore_label=ignore_label,
            refuse_probs=refuse_probs,
        )  # fmt: skip
        method = as_word(method, LABEL_METHODS, name="method")
        if as_flag(per_label, name="per_label") and method == "temperature":
            method = GroupTemperatureScaling.method
        rows = entry_rows(entries, prior=prior)
        n_labels = entries.keep.shape[1]
        return cls.around(
            fit_entries(method, rows), rows, n_labels=n_labels, classes=entries.classes
        )

    @classmethod
    def around(
        cls,
        inner: Calibrator,
        rows: Training,
        *,
        n_labels: int,
        classes: tuple[str, ...] | None,
    ) -> Self:
        """Return the map of labels of a map fitted on these entries, with errors by cluster."""
        assert rows.groups is not None  # noqa: S101  (names of labels)
        assert isinstance(inner, InnerMap)  # noqa: S101  (of `fit_entries`)
        record = inner.record
        inner = replace(inner, n_classes=None, classes=None, record=None)
        if isinstance(inner, LabelPlattScaling):
            inner = inner.with_intervals(
                rows.logits, rows.labels, groups=rows.groups, weights=rows.weights,
                clusters=rows.clusters,
            )  # fmt: skip
        return cls(inner, n_classes=n_labels, classes=classes, record=record)

    @property
    def temperature(self) -> float:
        """The common temperature of all labels; AttributeError of methods without one."""
        if isinstance(self.inner, LabelPlattScaling | Identity):
            msg = f"a map of method {self.name} has no temperature; see `parameters()`"
            raise AttributeError(msg)  # noqa: TRY004  (so that `hasattr` says no)
        return self.inner.temperature

    @property
    def temperatures(self) -> Array:
        """The temperature of each label, (l,); AttributeError of methods without one."""
        assert self.n_classes is not None  # noqa: S101  (checked at birth)
        if isinstance(self.inner, GroupTemperatureScaling):
            return self.inner.temperatures_of(self._names)
        return np.full(self.n_classes, self.temperature)

    @property
    def lines(self) -> tuple[Array, Array]:
        """Slope and intercept of each label, (l,) each: calibrated logit = slope * logit + it."""
        assert self.n_classes is not None  # noqa: S101  (checked at birth)
        if isinstance(self.inner, LabelPlattScaling):
            return self.inner.lines_of(self._names, n=self.n_classes)
        none = np.zeros(self.n_classes)
        if isinstance(self.inner, Identity):
            return none + 1.0, none
        return 1.0 / self.temperatures, none

    @property
    def _names(self) -> NDArray[np.str_]:
        assert self.n_classes is not None  # noqa: S101  (checked at birth)
        return np.array(label_names(self.classes, count=self.n_classes))

    @property
    def name(self) -> str:
        """Method as a file names it: that of the inner map, one of `fit`."""
        return self.inner.method

    @property
    def own_traits(self) -> Traits:
        """Facts about the inner map, as one of labels."""
        if isinstance(self.inner, TemperatureScaling):
            return self.traits
        many = isinstance(self.inner, GroupTemperatureScaling)
        summary = "logit / T, one T per label, shrunk towards one for all"
        if isinstance(self.inner, Identity):
            summary = "nothing: an independent sigmoid per label"
        elif not many:
            summary = self.inner.traits.summary
        return replace(
            self.inner.traits, summary=summary, classes="labels", masks=False, groups=False
        )

    @property
    def parts(self) -> MapParts:
        """The temperature, or the line, of each label."""
        parts = self.inner.parts
        if parts.groups is None or self.record is None:
            return parts
        return parts._replace(groups=parts.groups._replace(parts=self.record.parts))

    def record_from_json(self, fit: JsonObject) -> FitRecord:
        """Return the record that a file holds, checked against the inner map's numbers."""
        return self.inner.record_from_json(fit)

    def tables(self) -> list[Table]:
        """Return the table of the labels' lines, where each has one."""
        return self.inner.tables()

    def outputs(
        self,
        logits: ArrayLike,
        *,
        groups: ArrayLike | None = None,
        class_axis: int = -1,
        refuse_probs: bool = True,
    ) -> Outputs:
        """Return the arguments of `apply`, checked: logits of labels, (n, l)."""
        self.refuse_arguments(groups, class_axis, of="labels, one column each")
        scores, _ = named_scores(logits, self.classes, name="logits")
        z = as_label_logits(scores, refuse_probs=refuse_probs)
        if z.shape[1] != self.n_classes:
            msg = f"`logits` must have the {self.n_classes} labels of the fit, got {z.shape[1]}."
            raise InvalidInputError(msg)
        return Outputs((z,))

    def block_probs(self, block: Array, groups: NDArray[np.str_] | None = None) -> Array:
        """Return the calibrated probability of each label, strictly between 0 and 1.

        What rounding would make an end is the next number inside.
        """
        scaled = self.scaled_rows(block, groups)
        return np.clip(np.exp(-np.logaddexp(0.0, -scaled)), _LEAST, _MOST)

    def scaled(self, block: Array) -> Array:
        """Return the calibrated logits of a block of checked logits."""
        z = as_float64(block)
        if isinstance(self.inner, TemperatureScaling | GroupTemperatureScaling):
            return np.asarray(z / self.temperatures)
        slopes, intercepts = self.lines
        with np.errstate(over="ignore"):
            return np.clip(slopes * z + intercepts, -_LARGEST, _LARGEST)

    def parameters(self) -> dict[str, Any]:
        """Return the temperature, or what there is per label, by the labels' names."""
        return self.inner.parameters()

    def operations(self) -> tuple[Operation, ...]:
        """Return a division or a line of each label's logit, and the sigmoid."""
        if isinstance(self.inner, TemperatureScaling | GroupTemperatureScaling):
            return (Divide(tuple(self.temperatures.tolist())), Sigmoid())
        slopes, intercepts = self.lines
        return (Affine(tuple(slopes.tolist()), tuple(intercepts.tolist())), Sigmoid())

    @classmethod
    def from_parameters(cls, parameters: JsonObject, **common: Any) -> Self:  # noqa: ANN401
        """Return the calibrator of `parameters()`: what they hold says which."""
        if common.get("n_classes") is None:
            msg = f"{parameters.where}: a multi-label calibrator needs `n_classes`."
            raise FileFormatError(msg)
        kind: type[InnerMap] = Identity
        if parameters.has("slopes"):
            kind = LabelPlattScaling
        elif parameters.has("temperatures"):
            kind = GroupTemperatureScaling
        elif parameters.has("temperature"):
            kind = TemperatureScaling
        inner: Any = kind.from_parameters(parameters)
        return cls(inner, **common)

    def parameter_intervals(self) -> dict[str, tuple[float, float]]:
        """Return the 95 % intervals of the inner map's numbers, by their paths."""
        return {**Calibrator.parameter_intervals(self), **self.inner.parameter_intervals()}

    def facts(self) -> list[tuple[str, str]]:
        """Return the number of labels, and the range of what each of them has."""
        own = [("labels", f"{self.n_classes:,}")]
        return [*own, *self.inner.facts()]


def entry_rows(entries: Entries, *, prior: float = 0.0) -> Training:
    """Return the entries of a label matrix as rows of a fit: groups are labels, clusters rows.

    Raises as `Training.require_learnable`.
    """
    rows = Training(
        entries.logits, entries.labels, entries.weights, clusters=entries.clusters,
        groups=entries.groups, prior=as_prior(prior),
    )  # fmt: skip
    return rows.require_learnable(zeros=False)


def fit_entries(method: str, rows: Training) -> InnerMap:
    """Return the map that `LABEL_METHODS` name, of the entries of a label matrix."""
    kind = LABEL_METHODS[method]
    if rows.prior and not kind.traits.prior:
        takes = ", ".join(name for name, each in LABEL_METHODS.items() if each.traits.prior)
        msg = f"`prior` has no meaning for {method} of labels. Methods that take one: {takes}."
        raise InvalidInputError(msg)
    fitted = kind.from_rows(rows)
    assert isinstance(fitted, InnerMap)  # noqa: S101  (of one of the names)
    return fitted
