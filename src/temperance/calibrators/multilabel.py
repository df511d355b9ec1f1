"""Multi-label outputs: independent sigmoids, with one temperature for all labels or one each."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from temperance.calibrators.calibrator import Calibrator
from temperance.calibrators.clusters import count_clusters
from temperance.calibrators.group_temperature import GroupTemperatureScaling
from temperance.calibrators.temperature import TemperatureScaling
from temperance.checks import as_weights
from temperance.checks.arguments import as_flag
from temperance.checks.frames import named_scores
from temperance.checks.label_matrix import Entries, as_label_logits, label_names
from temperance.checks.numbers import value_text
from temperance.errors import FileFormatError, InvalidInputError
from temperance.numerics import as_float64

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.calibrators.record import TemperatureRecord
    from temperance.calibrators.traits import Traits
    from temperance.readers.json_object import JsonObject

    Array = NDArray[np.float64]

__all__ = ["MultilabelScaling"]

_LEAST, _MOST = np.nextafter(0.0, 1.0), np.nextafter(1.0, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class MultilabelScaling(Calibrator):
    r"""Probability of each label sigmoid(logit / T), one T for all labels or one per label.

    Parameters
    ----------
    inner : TemperatureScaling or GroupTemperatureScaling
        The map of the n * l yes-or-no questions; of the second, groups are the labels' names.

    Raises
    ------
    InvalidInputError
        `n_classes`, the number of labels, is missing.

    Notes
    -----
    Every entry of the label matrix is a row of two classes, (0, logit). The entries of one row are
    one draw, so the standard error of T adds their slopes up within the row before squaring
    (sandwich with rows as clusters), and so does the score test. Temperatures per label are shrunk
    towards the common one as those of groups are (`GroupTemperatureScaling`).

    Examples
    --------
    >>> scaling = MultilabelScaling(TemperatureScaling(2.0), n_classes=2)
    >>> scaling.apply([[0.0, 2.0]]).round(4)
    array([[0.5   , 0.7311]])
    """

    method: ClassVar[str] = "temperature"
    kind: ClassVar[str] = "multilabel"
    traits: ClassVar[Traits] = replace(
        TemperatureScaling.traits,
        type="parametric",
        summary="logit / T, an independent sigmoid per label",
        classes="labels",
        masks=False,
        any_width=False,
    )

    inner: TemperatureScaling | GroupTemperatureScaling
    record: TemperatureRecord | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.n_classes is None:
            msg = "`n_classes`, the number of labels, must be given."
            raise InvalidInputError(msg)
        self.require_width()
        if not isinstance(self.inner, TemperatureScaling | GroupTemperatureScaling):
            msg = f"`inner` must be a map of temperatures, got {type(self.inner).__name__}."
            raise InvalidInputError(msg)
        if isinstance(self.inner, GroupTemperatureScaling):
            names = set(label_names(self.classes, count=self.n_classes))
            odd = {*self.inner.temperatures, *self.inner.small_groups} - names
            if odd:
                name = value_text(min(odd))
                msg = f"`temperatures` must be of the labels in `classes`; {name} is none of them."
                raise InvalidInputError(msg)

    @classmethod
    def fit(
        cls,
        logits: ArrayLike,
        labels: ArrayLike,
        *,
        per_label: bool = False,
        weights: ArrayLike | None = None,
        prior: float = 0.0,
        classes: Sequence[object] | None = None,
        ignore_label: int | str | None = None,
        refuse_probs: bool = True,
    ) -> Self:
        """Return the temperature of all labels, or one of each.

        Parameters
        ----------
        logits : array_like, shape (n, l)
            Of independent sigmoids, finite. For probabilities `label_logits_from_probs(probs)`.
        labels : array_like, shape (n, l)
            1 where the label applies, else 0.
        per_label : bool, default False
            One temperature per label, shrunk towards the common one.
        weights : array_like, shape (n,), optional
            Of the rows; finite, >= 0; only their ratios matter, as in `TemperatureScaling.fit`.
        prior : float, default 0.0
            As in `TemperatureScaling.fit`, on the common temperature.
        classes : sequence of l names, optional
            Of the labels.
        ignore_label : int, optional
            Entries of this value are left out, e.g. -1 for "unknown".
        refuse_probs : bool, default True
            Raise if all values lie in [0, 1], as probabilities do.

        Returns
        -------
        MultilabelScaling
            Its `record` counts entries; the interval of T counts rows.

        Raises
        ------
        InvalidInputError
            Shapes that differ, values that are not 0 or 1, logits that are not finite.
        NoOptimumError
            As in `TemperatureScaling.fit`; no entry is left.
        """
        logits, classes = named_scores(
            logits, classes, name="logits", labels=labels, weights=weights
        )
        labels, _ = named_scores(labels, classes, name="labels")
        z = as_label_logits(logits, refuse_probs=refuse_probs)
        names = label_names(classes, count=z.shape[1])
        entries = Entries.of(z, labels, names=names, ignore_label=ignore_label)
        w = as_weights(weights, n=len(z))
        of_entry = None if w is None else w[entries.clusters]
        settings: dict[str, Any] = {"weights": of_entry, "prior": prior, "refuse_probs": False}
        inner: TemperatureScaling | GroupTemperatureScaling
        if as_flag(per_label, name="per_label"):
            settings["groups"] = entries.groups
            inner = GroupTemperatureScaling.fit(entries.logits, entries.labels, **settings)
        else:
            inner = TemperatureScaling.fit(entries.logits, entries.labels, **settings)
        return cls.around(inner, entries, of_entry, classes=None if classes is None else names)

    @classmethod
    def around(
        cls,
        inner: TemperatureScaling | GroupTemperatureScaling,
        entries: Entries,
        weights: Array | None,
        *,
        classes: tuple[str, ...] | None,
    ) -> Self:
        """Return the map of labels of a map fitted on these entries, with errors by row."""
        record = inner.record
        if record is not None:
            record = count_clusters(
                record, entries.logits, entries.labels, weights, entries.clusters
            )
        inner = replace(inner, n_classes=None, classes=None, record=None)
        return cls(inner, n_classes=entries.keep.shape[1], classes=classes, record=record)

    @property
    def temperature(self) -> float:
        """The common temperature of all labels."""
        return self.inner.temperature

    @property
    def temperatures(self) -> Array:
        """The temperature of each label, (l,)."""
        assert self.n_classes is not None  # noqa: S101  (checked at birth)
        if isinstance(self.inner, GroupTemperatureScaling):
            return self.inner.of_rows(np.array(label_names(self.classes, count=self.n_classes)))
        return np.full(self.n_classes, self.inner.temperature)

    @property
    def name(self) -> str:
        """Method as a file names it: "temperature", or "group-temperature" with one per label."""
        return self.inner.method

    def apply(  # type: ignore[override]
        self, logits: ArrayLike, *, refuse_probs: bool = True
    ) -> Array:
        """Return the calibrated probability of each label.

        Parameters
        ----------
        logits : array_like, shape (n, l)
            As in `fit`.
        refuse_probs : bool, default True
            As in `fit`.

        Returns
        -------
        ndarray of float64, shape (n, l)
            Strictly between 0 and 1, as sigmoids are: what would be rounded to an end is the next
            number inside. Rows do not sum to 1.

        Raises
        ------
        InvalidInputError
            Wrong shape, another number of labels, not finite, probabilities.
        """
        scaled = self.scale(logits, refuse_probs=refuse_probs)
        return np.clip(np.exp(-np.logaddexp(0.0, -scaled)), _LEAST, _MOST)

    def scale(  # type: ignore[override]
        self, logits: ArrayLike, *, refuse_probs: bool = True
    ) -> Array:
        """Return calibrated logits, logits / T, (n, l); arguments and errors as in `apply`."""
        scores, _ = named_scores(logits, self.classes, name="logits")
        z = as_label_logits(scores, refuse_probs=refuse_probs)
        if z.shape[1] != self.n_classes:
            msg = f"`logits` must have the {self.n_classes} labels of the fit, got {z.shape[1]}."
            raise InvalidInputError(msg)
        return self.scaled(z)

    def scaled(self, block: Array) -> Array:
        """Return the calibrated logits of a block of checked logits."""
        return np.asarray(as_float64(block) / self.temperatures)

    def parameters(self) -> dict[str, Any]:
        """Return the temperature, or temperatures by the labels' names."""
        return self.inner.parameters()

    @classmethod
    def from_parameters(cls, parameters: JsonObject, **common: Any) -> Self:  # noqa: ANN401
        """Return the calibrator of `parameters()`: with `temperatures`, one per label."""
        if common.get("n_classes") is None:
            msg = f"{parameters.where}: a multi-label calibrator needs `n_classes`."
            raise FileFormatError(msg)
        per_label = parameters.given("temperatures")
        kind = GroupTemperatureScaling if per_label else TemperatureScaling
        inner: Any = kind.from_parameters(parameters)
        return cls(inner, **common)

    def facts(self) -> list[tuple[str, str]]:
        """Return the number of labels, and the range of their temperatures."""
        own = [("labels", f"{self.n_classes:,}")]
        return [*own, *self.inner.facts()]
