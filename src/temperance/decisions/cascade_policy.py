"""The rules of a cascade, ready for rows without labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.calibrators import temperature_of
from temperance.checks.numbers import as_whole
from temperance.decisions.cascade_rows import confidence_and_class
from temperance.errors import InvalidInputError
from temperance.frozen import Frozen

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from temperance.calibrators import Calibrator
    from temperance.decisions.deferral import DeferralRule

__all__ = ["CascadePolicy"]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CascadePolicy(Frozen):
    """Which model answers a row: the calibrators and rules found on all rows of the fit."""

    names: tuple[str, ...]  # of all models, cheap first
    calibrators: tuple[Calibrator, ...]  # of each model but the last
    rules: tuple[DeferralRule, ...]  # likewise
    costs: tuple[float, ...]  # of each model after the first
    price: float  # errors that a unit of cost is worth

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
        z, _ = calibrator.checked(logits, class_axis=-1, refuse_probs=refuse_probs)
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
