"""One temperature per group of rows, shrunk towards the one of all rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from temperance.calibrators.calibrator import Method, Traits, keep_predicted_class
from temperance.calibrators.operations import DivideByGroup, Softmax
from temperance.calibrators.record import (
    FitRecord,
    GroupTemperatures,
    MapParts,
    ShrunkPart,
    TemperatureRecord,
)
from temperance.calibrators.shrinkage import shrunk_parts
from temperance.calibrators.temperature import count_clusters, temperature_record
from temperance.calibrators.training import Training
from temperance.checks import as_known_names
from temperance.checks.arguments import as_not_negative, as_positive, value_text
from temperance.checks.row_values import numbers_by_name
from temperance.errors import InvalidInputError
from temperance.frozen import frozen
from temperance.numerics import as_float64, places_of, row_blocks, row_log_losses, softmax
from temperance.printable import count_text
from temperance.readers.json_object import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.calibrators.operations import Operation
    from temperance.checks.labels import Positions
    from temperance.frozen import MaybeNone
    from temperance.readers.json_object import JsonObject

__all__ = ["GroupTemperatureRecord", "GroupTemperatureScaling"]

# What a fit of one temperature per group leaves behind: how sure each of them is.


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTemperatureRecord(TemperatureRecord):
    """Facts of the fit of the pooled temperature, and of each group's.

    Parameters
    ----------
    groups : mapping of str to ShrunkPart
        Every group of the fit, those too small for a temperature of their own included: its rows,
        its temperature with the 95 % interval of its own rows (None where these are too few; the
        low end 0, or the high one infinite, where the rows set none), and the temperature that its
        rows alone would have (None where they are too few, or have none).
    """

    groups: Mapping[str, ShrunkPart] = field(hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", frozen(self.groups))

    @property
    def parts(self) -> Mapping[str, ShrunkPart]:
        """How sure the temperature of each group is."""
        return self.groups

    @classmethod
    def around(cls, pooled: TemperatureRecord, groups: Mapping[str, ShrunkPart]) -> Self:
        """Return the record of the pooled temperature with those of the groups."""
        common = {each.name: getattr(pooled, each.name) for each in fields(TemperatureRecord)}
        return cls(**common, groups=dict(groups))

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, the groups' under their names."""
        groups = {name: part.to_dict() for name, part in self.groups.items()}
        return {**TemperatureRecord.to_dict(self), "groups": groups}

    @classmethod
    def parts_from_json(cls, fit: JsonObject) -> dict[str, ShrunkPart]:
        """Return the groups that `to_dict` wrote."""
        groups = fit.section("groups")
        return {name: ShrunkPart.from_json(groups.section(name)) for name in groups.values}


_LEAST_ROWS = 20  # a smaller group tells nothing that the prior would not drown
_SHOWN = 5  # groups named in a line


@dataclass(frozen=True, slots=True, eq=False)
class GroupTemperatureScaling(Method):
    r"""Probabilities softmax(logits / T_g), g the row's group; unknown groups get the pooled T.

    Parameters
    ----------
    temperature : float
        The pooled T > 0, of all rows: for rows of no group, of a group not seen in the fit, and
        of groups too small for one of their own.
    temperatures : mapping of str to float
        T of each group, > 0.
    small_groups : tuple of str
        Groups of fewer than 20 rows in the fit: they have the pooled T.
    spread : float
        Standard deviation of log T between groups, >= 0, beyond what chance explains.

    Raises
    ------
    InvalidInputError
        A temperature is not a finite number above 0.

    Notes
    -----
    With T the pooled temperature, log T_g is taken as normal about log T with variance
    :math:`\tau^2`, estimated from the groups' own temperatures and their sandwich errors, which
    count clusters (Paule and Mandel). Each group then minimises its loss plus
    :math:`(b - 1 - \log b) / \tau^2, b = T / T_g`: a group with much data keeps its own optimum, a
    small one stays near T. Where chance explains all differences (:math:`\tau = 0`), all groups
    have the pooled T. The interval of a group's T is that of its own rows (`own_interval`), which
    holds the truth also of the one group that differs from all others, as an interval about the
    shrunk T does not; where T was shrunk beyond its end, the interval is widened to it. The
    predicted class and the order of classes within a row never change; rows
    of different groups may change places.

    References
    ----------
    Gelman and Hill (2007), Data Analysis Using Regression and Multilevel Models, Section 12.2
    (partial pooling)

    Examples
    --------
    >>> scaling = GroupTemperatureScaling(2.0, {"law": 4.0})
    >>> scaling.scale([[4.0, 0.0]] * 3, groups=["law", "physics", None])
    array([[1., 0.],
           [2., 0.],
           [2., 0.]])
    """

    method: ClassVar[str] = "group-temperature"
    counts_clusters: ClassVar[bool] = True
    traits: ClassVar[Traits] = Traits(
        type="parametric",
        summary="logits / T, one T per group, shrunk towards one for all",
        parameters="groups + 1",
        labels="20 a group",
        cost="n k, 15 passes",
        keeps_class=True,
        keeps_order=True,
        keeps_ranking="no",
        classes="any, natively",
        risk="low",
        source="Gelman and Hill 2007",
        prior=True,
        groups=True,
        any_width=True,
    )

    temperature: float
    temperatures: Mapping[str, float]
    small_groups: tuple[str, ...] = field(default=(), kw_only=True)
    spread: float = field(default=0.0, kw_only=True)
    record: TemperatureRecord | MaybeNone = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        temperature = as_positive(self.temperature, name="temperature")
        object.__setattr__(self, "temperature", temperature)
        if not isinstance(self.temperatures, Mapping):
            msg = f"`temperatures` must map groups to numbers, got {value_text(self.temperatures)}."
            raise InvalidInputError(msg)
        is_sequence = isinstance(self.small_groups, list | tuple)
        if not is_sequence or not all(isinstance(each, str) for each in self.small_groups):
            text = value_text(self.small_groups)
            msg = f"`small_groups` must be a tuple of names, got {text}."
            raise InvalidInputError(msg)
        both = set(self.small_groups) & set(self.temperatures)
        if both or len(set(self.small_groups)) != len(self.small_groups):
            twice = value_text(min(both, default="one"))
            msg = f"`small_groups` must be groups without a temperature, each once; not so {twice}."
            raise InvalidInputError(msg)
        each = {
            str(name): as_positive(value, name=f"temperature of group {value_text(name)}")
            for name, value in self.temperatures.items()
        }
        object.__setattr__(self, "temperatures", frozen(each))
        object.__setattr__(self, "small_groups", frozen(self.small_groups))
        object.__setattr__(self, "spread", as_not_negative(self.spread, name="spread"))
        self.require_width()

    @classmethod
    def fit(
        cls,
        logits: ArrayLike,
        labels: ArrayLike | Positions,
        *,
        groups: ArrayLike,
        weights: ArrayLike | None = None,
        clusters: ArrayLike | None = None,
        prior: float = 0.0,
        classes: Sequence[object] | None = None,
        ignore_label: float | str | None = None,
        refuse_probs: bool = True,
    ) -> Self:
        """Return the pooled temperature and those of the groups.

        Parameters
        ----------
        logits, labels, weights, prior, classes, ignore_label, refuse_probs
            As in `TemperatureScaling.fit`; the prior is on the pooled T.
        groups : array_like, shape (n,)
            Names; of rows of no group one of their own, such as "other".
        clusters : array_like, shape (n,), optional
            Names of what rows belong together: the intervals count clusters, and have the
            quantiles of t with as many degrees of freedom as a group has clusters, less one; and
            so does the shrinkage, which asks how far chance moves a group's T.

        Returns
        -------
        GroupTemperatureScaling
            Its `record` is that of the pooled temperature, with what is known of each group.

        Raises
        ------
        InvalidInputError
            As in `TemperatureScaling.fit`; `groups` of another length, or one is missing (None,
            nan, masked or empty text).
        NoOptimumError
            As in `TemperatureScaling.fit`, for all rows together; the others hold single groups.
        """
        rows = Training.check(
            logits, labels, weights=weights, clusters=clusters, groups=groups, classes=classes,
            ignore_label=ignore_label, refuse_probs=refuse_probs, prior=prior,
        )  # fmt: skip
        return cls.from_rows(rows)

    @classmethod
    def from_rows(cls, rows: Training) -> Self:
        """Return the calibrator of rows that have been checked (see `fit`); they have groups."""
        if rows.groups is None:
            msg = (
                f"`groups` must be given for {cls.method}: the name of each row's group "
                "(--group-column names their column)."
            )
            raise InvalidInputError(msg)
        of_row = rows.groups
        pooled = temperature_record(rows, prior=rows.prior)
        has_weight = np.ones(rows.n, dtype=bool) if rows.weights is None else rows.weights > 0
        weighted = np.flatnonzero(has_weight)
        distinct, numbers = np.unique(of_row[weighted], return_inverse=True)
        names = distinct.tolist()
        places = [weighted[each] for each in places_of(numbers, len(names))] if names else []
        enough = [len(rows_of) >= _LEAST_ROWS for rows_of in places]
        parts, spread = shrunk_parts(
            [rows.taken(p) if e else None for p, e in zip(places, enough, strict=True)],
            sizes=[len(p) for p in places],
            pooled=pooled.temperature,
        )
        fitted = cls(
            pooled.temperature,
            {n: part.temperature for n, part, e in zip(names, parts, enough, strict=True) if e},
            small_groups=tuple(name for name, e in zip(names, enough, strict=True) if not e),
            spread=spread,
            **rows.common,
        )
        after = _mean_log_loss(rows, fitted.temperatures_of(of_row))
        record = replace(pooled, log_loss_after=after, passes=pooled.passes + 2)
        record = count_clusters(record, rows)
        each = dict(zip(names, parts, strict=True))
        return replace(fitted, record=GroupTemperatureRecord.around(record, each))

    @property
    def parts(self) -> MapParts:
        """The temperature of each group."""
        parts = {} if self.record is None else self.record.parts
        groups = GroupTemperatures(
            self.temperature, self.temperatures, self.spread, self.small_groups, parts
        )
        return MapParts(groups=groups)

    def record_from_json(self, fit: JsonObject) -> FitRecord:
        """Return the record that a file holds: its groups and their temperatures must be these."""
        record = FitRecord.from_json(fit, temperature=self.temperature)
        pooled = record.of_temperature
        if pooled is None or not fit.has("groups"):  # files of versions that did not keep them
            return record
        groups = GroupTemperatureRecord.parts_from_json(fit)
        names = {*self.temperatures, *self.small_groups}
        if groups.keys() != names:
            odd = min(groups.keys() ^ names)
            fit.refuse("groups", f"of the same groups as `parameters`, unlike {shown(odd)}")
        for name, part in groups.items():
            parameter = self.temperatures.get(name, self.temperature)
            of_group = fit.section("groups").section(name)
            of_group.require_equal(
                "temperature", parameter, because=f"as `parameters` say of group {shown(name)}"
            )
            if part.interval is not None and not part.interval[0] <= parameter <= part.interval[1]:
                of_group.refuse("temperature_interval", f"around the temperature, {parameter:g}")
        return GroupTemperatureRecord.around(pooled, groups)

    def scaled(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return calibrated logits of rows of no group: those of the pooled temperature."""
        return self.scaled_rows(block, None)

    def scaled_rows(
        self, block: NDArray[np.float64], groups: NDArray[np.str_] | None
    ) -> NDArray[np.float64]:
        """Return calibrated logits, each row's divided by its group's temperature."""
        with np.errstate(over="ignore"):
            return np.asarray(block / self.temperatures_of(groups, n=len(block))[:, None])

    def block_probs(
        self, block: NDArray[np.float64], groups: NDArray[np.str_] | None = None
    ) -> NDArray[np.float64]:
        """Return the calibrated probabilities of a block of checked logits."""
        probs = softmax(_divided(block, self.temperatures_of(groups, n=len(block))))
        keep_predicted_class(probs, block.argmax(axis=1))
        return probs

    def temperatures_of(
        self, groups: ArrayLike | None, *, n: int | None = None
    ) -> NDArray[np.float64]:
        """Return the temperature of each row, (n,)."""
        if groups is None:
            return np.full(n or 0, self.temperature)
        rows = len(np.atleast_1d(groups)) if n is None else n
        names = as_known_names(groups, n=rows)
        return numbers_by_name(names, self.temperatures, unknown=self.temperature)

    def unseen(self, groups: ArrayLike) -> tuple[str, ...]:
        """Return the names that the fit has not seen, sorted; rows of no group have none.

        Parameters
        ----------
        groups : array_like, shape (n,)
            As in `apply`.
        """
        names = set(as_known_names(groups, n=len(np.atleast_1d(groups))).tolist())
        return tuple(sorted(names - {"", *self.temperatures, *self.small_groups}))

    def parameters(self) -> dict[str, Any]:
        """Return the pooled temperature, each group's, and what is known about them."""
        return {
            "temperature": self.temperature,
            "temperatures": dict(self.temperatures),
            "small_groups": list(self.small_groups),
            "spread": self.spread,
        }

    def operations(self) -> tuple[Operation, ...]:
        """Return the division of each row by its group's temperature, and the softmax."""
        return (DivideByGroup(self.temperature, dict(self.temperatures)), Softmax())

    @classmethod
    def from_parameters(cls, parameters: JsonObject, **common: Any) -> Self:  # noqa: ANN401
        """Return the calibrator of `parameters()`."""
        groups = parameters.section("temperatures")
        return cls(
            parameters.number("temperature"),
            {name: groups.number(name) for name in groups.values},
            small_groups=parameters.texts("small_groups"),
            spread=parameters.number("spread"),
            **common,
        )

    def facts(self) -> list[tuple[str, str]]:
        """Return the groups' temperatures in short, and the groups too small for their own."""
        ordered = sorted(self.temperatures, key=self.temperatures.__getitem__)
        facts = [("groups", "none large enough for its own")]
        if ordered:
            low, high = (
                f"{self.temperatures[name]:.3f} ({name})" for name in (ordered[0], ordered[-1])
            )
            factor = f"x {np.exp(self.spread):.2f}" if self.spread else "no difference"
            facts = [
                (count_text(len(ordered), "group"), f"{low} to {high}"),
                ("between groups", factor),
            ]
        if self.small_groups:
            more = ["..."] if len(self.small_groups) > _SHOWN else []
            facts.append(("too small", ", ".join([*self.small_groups[:_SHOWN], *more])))
        return facts


def _divided(block: NDArray[np.float64], temperatures: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = block - np.maximum.reduce(block, axis=1, keepdims=True)
    with np.errstate(over="ignore"):
        return np.asarray(centred / temperatures[:, None])


def _mean_log_loss(rows: Training, temperatures: NDArray[np.float64]) -> float:
    losses = np.empty(rows.n)
    for block in row_blocks(rows.logits):
        z = _divided(as_float64(rows.logits[block]), temperatures[block])
        losses[block] = row_log_losses(z, rows.labels[block])
    return float(np.average(losses, weights=rows.weights))
