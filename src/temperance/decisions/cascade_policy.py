"""The rules of a cascade, ready for rows without labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from temperance.calibrators import METHODS, Identity, Training, fit_method, temperature_of
from temperance.checks import Positions, as_groups, as_logits
from temperance.checks import refuse_probs as refuse_probs_as_logits
from temperance.checks.arguments import as_flag, as_mapping, as_whole
from temperance.checks.forms import frame_names, named_scores, refuse_other_index
from temperance.checks.labels import kept_rows, labelled_rows
from temperance.decisions.deferral import Deferral
from temperance.errors import InvalidInputError, NoOptimumError
from temperance.frozen import Frozen
from temperance.numerics import as_float64, row_blocks, softmax
from temperance.printable import count_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.calibrators import Calibrator
    from temperance.decisions.deferral import DeferralRule, LossKind

    Array = NDArray[np.float64]

__all__ = ["CascadePolicy", "CascadeRows", "Routed", "names_of"]

# The outputs of every model of a cascade on the same labelled rows, checked once.


_EXPERT = "expert"  # a last model without outputs


@dataclass(frozen=True, slots=True, eq=False)
class CascadeRows:
    """Models from cheap to expensive; the last may be known by its error rate alone."""

    logits: tuple[NDArray[Any], ...]  # (n, k) each
    labels: NDArray[np.intp]
    weights: Array | None
    clusters: NDArray[np.intp] | None
    known_error: float | None  # of a last model without outputs, e.g. a person
    classes: tuple[str, ...] | None = None  # names, where the outputs are data frames

    @classmethod
    def check(
        cls,
        models: Mapping[str, ArrayLike],
        labels: ArrayLike,
        weights: ArrayLike | None,
        clusters: ArrayLike | None,
        known_error: float | None,
        *,
        refuse_probs: bool,
        classes: Sequence[object] | None = None,
        ignore_label: float | str | None = None,
    ) -> Self:
        """Return the arguments as arrays, or raise InvalidInputError (after `names_of`)."""
        (name, first), *others = models.items()
        refuse_other_index(
            **{f"models[{each!r}]": z for each, z in models.items()}, clusters=clusters
        )
        class_list = classes
        if class_list is None:
            class_list = next((c for each in models.values() if (c := frame_names(each))), None)
        rows = Training.check(
            first, labels, weights=weights, classes=class_list, ignore_label=ignore_label,
            refuse_probs=refuse_probs,
        )  # fmt: skip
        keep = labelled_rows(labels, ignore_label)
        if len(np.unique(rows.labels)) < 2:
            msg = (
                f"`labels` are all of class {rows.class_name(rows.labels[0])} "
                f"({count_text(rows.n, 'row')}): what is found on one class says nothing about the "
                "others. Take rows as they come."
            )
            raise InvalidInputError(msg)
        logits = [rows.logits]
        for other, scores in others:
            outputs, _ = named_scores(scores, class_list, name=f"models[{other!r}]")
            outputs = kept_rows(outputs, keep, name=f"models[{other!r}]")
            z = as_logits(outputs)
            if z.shape != rows.logits.shape:
                msg = (
                    f"`models` must have the same rows and classes; {name!r} has "
                    f"{rows.logits.shape}, {other!r} has {z.shape}."
                )
                raise InvalidInputError(msg)
            if as_flag(refuse_probs, name="refuse_probs"):
                refuse_probs_as_logits(outputs)
            logits.append(z)
        units = None
        if clusters is not None:
            clusters = kept_rows(clusters, keep, name="clusters")
            units = as_groups(clusters, n=rows.n, name="clusters")[1]
        return cls(
            tuple(logits), rows.labels, rows.weights, units, known_error, classes=rows.classes
        )

    def check_like(
        self,
        models: Mapping[str, ArrayLike],
        labels: ArrayLike,
        weights: ArrayLike | None = None,
        clusters: ArrayLike | None = None,
        *,
        refuse_probs: bool,
        ignore_label: float | str | None = None,
    ) -> Self:
        """Return other rows of the same models, checked as these were."""
        models = as_mapping(models, name="test", rule="a mapping of name to logits, and labels")
        if len(models) != len(self.logits):
            msg = f"`test` must hold the {len(self.logits)} models, got {len(models)}."
            raise InvalidInputError(msg)
        rows = self.check(
            models, labels, weights, clusters, self.known_error, refuse_probs=refuse_probs,
            classes=self.classes, ignore_label=ignore_label,
        )  # fmt: skip
        k, own = (each.logits[0].shape[1] for each in (rows, self))
        if k != own:
            msg = f"`test` must have the {own} classes of `models`, got {k}."
            raise InvalidInputError(msg)
        return rows

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.labels)

    @property
    def deciding(self) -> int:
        """How many models decide whether a row goes on: all but the last."""
        return len(self.logits) - (self.known_error is None)

    def calibrators(
        self, method: str, prior: float, weights: Array | None
    ) -> tuple[Calibrator, ...]:
        """Return a calibrator of each model that decides, fitted with these weights."""
        return tuple(self._fitted(z, method, prior, weights) for z in self.logits[: self.deciding])

    def last_calibrator(self, method: str, prior: float) -> Calibrator | None:
        """Return a calibrator of the last model; None where it has no outputs, or no best map."""
        if self.known_error is not None:
            return None
        try:
            return self._fitted(self.logits[-1], method, prior, self.weights)
        except NoOptimumError:  # one that is always right, say: its own probabilities stand
            return None

    def _fitted(
        self, logits: NDArray[Any], method: str, prior: float, weights: Array | None
    ) -> Calibrator:
        rows = Training.check(
            logits,
            Positions(self.labels),
            weights=weights,
            classes=self.classes,
            refuse_probs=False,
            zeros=METHODS[method].traits.zeros,
            prior=prior,
        )
        return fit_method(method, rows)

    def deferral(
        self,
        calibrators: Sequence[Calibrator | None],
        costs: tuple[float, ...],
        kind: LossKind,
        weights: Array | None = None,
    ) -> Deferral:
        """Return confidences and errors of all rows, calibrated or (None) as they are."""
        answers = [
            confidence_and_class(z, calibrator)
            for z, calibrator in zip(self.logits[: self.deciding], calibrators, strict=True)
        ]
        losses = [(predicted != self.labels).astype(np.float64) for _, predicted in answers]
        if self.known_error is None:
            losses.append((self.logits[-1].argmax(axis=1) != self.labels).astype(np.float64))
        else:
            losses.append(np.full(self.n, self.known_error))
        own = self.weights if weights is None else weights
        return Deferral(
            tuple(confidence for confidence, _ in answers),
            tuple(losses),
            costs,
            np.ones(self.n) if own is None else own,
            kind,
        )


def names_of(models: Mapping[str, ArrayLike], known_error: float | None) -> tuple[str, ...]:
    """Return the names of all models, cheap first, or raise InvalidInputError."""
    fewest = 2 if known_error is None else 1
    if not isinstance(models, Mapping) or len(models) < fewest:
        msg = (
            f"`models` must be a mapping of name to logits, of {fewest} or more models, cheap "
            'first: {"small": logits, "large": logits}.'
        )
        raise InvalidInputError(msg)
    names = (*map(str, models), *(() if known_error is None else (_EXPERT,)))
    if len(set(names)) < len(names):
        msg = f"`models` must have different names, not {_EXPERT!r}; got {', '.join(names)}."
        raise InvalidInputError(msg)
    return names


def confidence_and_class(
    logits: NDArray[Any], calibrator: Calibrator | None
) -> tuple[Array, NDArray[np.intp]]:
    """Return each row's largest probability and its class."""
    confidence, predicted = np.empty(len(logits)), np.empty(len(logits), dtype=np.intp)
    for rows in row_blocks(logits):
        block = as_float64(logits[rows])
        probs = softmax(block) if calibrator is None else calibrator.block_probs(block)
        best = (block if calibrator is None else probs).argmax(axis=1)
        confidence[rows] = probs[np.arange(len(probs)), best]
        predicted[rows] = best
    return confidence, predicted


class Routed(NamedTuple):
    """Calibrated probabilities, the model that they are of, and whether the next one is asked."""

    probs: Array  # (n, k)
    model: NDArray[np.intp]  # (n,): 0 = the cheap one
    goes_on: NDArray[np.bool_]  # (n,): the next model is to be asked, whose outputs are not given


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CascadePolicy(Frozen):
    """Which model answers a row: the calibrators and rules found on all rows of the fit."""

    names: tuple[str, ...]  # of all models, cheap first
    calibrators: tuple[Calibrator, ...]  # of each model but the last
    rules: tuple[DeferralRule, ...]  # likewise
    costs: tuple[float, ...]  # of each model after the first
    price: float  # errors that a unit of cost is worth
    last: Calibrator | None = None  # of the last model, where it has outputs that can be calibrated

    def apply(self, models: Mapping[str, ArrayLike], *, refuse_probs: bool = True) -> Routed:
        """Return the calibrated probabilities of the model that answers each row.

        Parameters
        ----------
        models : mapping of name to array_like, shape (n, k) each
            Outputs of the first model, and of those asked after it so far; of a later one all n
            rows, or the m that go on to it, in their order.
        refuse_probs : bool, default True
            As in `TemperatureScaling.apply`.

        Returns
        -------
        Routed
            `probs` (n, k) of the last model that was asked about a row, calibrated; `model` (n,),
            its number, 0 = the cheap one; `goes_on` (n,), True where the next model is to be asked,
            whose outputs are not given.

        Raises
        ------
        InvalidInputError
            The first model is missing, a later one is given without the one before it, other rows
            or classes than the first, an unknown name, or as in `TemperatureScaling.apply`.

        Examples
        --------
        >>> from temperance.decisions import cascade
        >>> cheap, labels = [[0.0, 1.0]] * 400 + [[0.0, 9.0]] * 400, [1, 1, 1, 0] * 100 + [1] * 400
        >>> found = cascade({"cheap": cheap}, labels, costs=0.1, expert_error=0.02, prior=1.0)
        >>> found.policy.apply({"cheap": [[0.0, 1.0], [0.0, 9.0]]}).goes_on
        array([ True, False])
        """
        first, *later = self._model_names(models)
        probs = self._probs_of(0, models[first], refuse_probs)
        model = np.zeros(len(probs), dtype=np.intp)
        goes_on = self.rules[0].goes_on(probs.max(axis=1))
        for stage, name in enumerate(later, start=1):
            own, places = self._probs_of(stage, models[name], refuse_probs), np.flatnonzero(goes_on)
            if len(own) == len(probs):
                own = own[places]
            if len(own) != len(places) or own.shape[1] != probs.shape[1]:
                msg = (
                    f"`models` must hold of {name!r} the {len(probs)} rows of {first!r}, or the "
                    f"{len(places)} that go on to it, of {probs.shape[1]} classes; got {own.shape}."
                )
                raise InvalidInputError(msg)
            probs[places], model[places] = own, stage
            is_last = stage == len(self.rules)
            goes_on[places] = not is_last and self.rules[stage].goes_on(own.max(axis=1))
        return Routed(probs, model, goes_on)

    def _model_names(self, models: Mapping[str, ArrayLike]) -> tuple[str, ...]:
        """Return the names of the models whose outputs are given: the first ones, in order."""
        names = tuple(models) if isinstance(models, Mapping) else ()
        first = self.names[: len(names)]
        if not names or set(names) != set(first):
            order = ", ".join(map(repr, self.names))
            msg = (
                f"`models` must be a mapping of name to logits of the first model, and of those "
                f"asked after it, in this order: {order}; got "
                f"{', '.join(map(repr, names)) or 'none'}."
            )
            raise InvalidInputError(msg)
        return first

    def _probs_of(self, stage: int, logits: ArrayLike, refuse_probs: bool) -> Array:  # noqa: FBT001
        """Return the calibrated probabilities of one model, (m, k)."""
        maps = (*self.calibrators, Identity() if self.last is None else self.last)
        probs = maps[stage].apply(logits, refuse_probs=refuse_probs, dtype=np.float64)
        return np.array(probs)  # one that may be written to

    def goes_on(
        self, logits: ArrayLike, *, stage: int = 0, refuse_probs: bool = True
    ) -> NDArray[np.bool_]:
        """Whether rows go on to the next model.

        Parameters
        ----------
        logits : array_like, shape (n, k)
            Outputs of model `stage` as they are: they are calibrated here.
        stage : int, default 0
            Which model they are of, in 0..m-2 of m models; 0 is the cheap one.
        refuse_probs : bool, default True
            As in `TemperatureScaling.apply`.

        Returns
        -------
        ndarray of bool, shape (n,)
            True = ask the next model; False = this one's answer is taken.

        Raises
        ------
        InvalidInputError
            No such stage, or as in `TemperatureScaling.apply`.
        """
        if not 0 <= as_whole(stage, name="stage") < len(self.rules):
            msg = f"`stage` must be in 0..{len(self.rules) - 1}, got {stage}."
            raise InvalidInputError(msg)
        calibrator = self.calibrators[stage]
        z = calibrator.outputs(logits, refuse_probs=refuse_probs).scores[0]
        return self.rules[stage].goes_on(confidence_and_class(z, calibrator)[0])

    def route(
        self, models: Mapping[str, ArrayLike], *, refuse_probs: bool = True
    ) -> NDArray[np.intp]:
        """Return the number of the model that answers each row.

        Parameters
        ----------
        models : mapping of name to array_like, shape (n, k) each
            Outputs of every model but the last, whose outputs are not needed.
        refuse_probs : bool, default True
            As in `TemperatureScaling.apply`.

        Returns
        -------
        ndarray of int, shape (n,)
            0 = the cheap model.

        Raises
        ------
        InvalidInputError
            A model is missing, models of different rows, or as in `TemperatureScaling.apply`.
        """
        answered: NDArray[np.intp] | None = None
        for stage, name in enumerate(self.names[:-1]):
            if not isinstance(models, Mapping) or name not in models:
                msg = f"`models` must be a mapping of name to logits that holds {name!r}."
                raise InvalidInputError(msg)
            on = self.goes_on(models[name], stage=stage, refuse_probs=refuse_probs)
            if answered is None:
                answered = np.zeros(len(on), dtype=np.intp)
            if len(on) != len(answered):
                msg = (
                    f"`models` must have the same rows; {self.names[0]!r} has {len(answered)}, "
                    f"{name!r} has {len(on)}."
                )
                raise InvalidInputError(msg)
            answered += (answered == stage) & on
        assert answered is not None  # noqa: S101  (there is a rule)
        return answered

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON: one entry per model but the last."""
        return {
            "price": self.price,
            "stages": [
                {
                    "model": self.names[j],
                    "next": self.names[j + 1],
                    "cost": self.costs[j],
                    **rule.to_dict(),
                    "temperature": temperature_of(calibrator),
                    "calibrator": {"method": calibrator.name, **calibrator.parameters()},
                }
                for j, (rule, calibrator) in enumerate(
                    zip(self.rules, self.calibrators, strict=True)
                )
            ],
        }
