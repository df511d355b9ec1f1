"""Platt scaling of two classes: a slope and an intercept on the log-odds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from temperance.calibrators.calibrator import Method, Traits
from temperance.calibrators.operations import Affine, LogOdds, Softmax, WithZero
from temperance.calibrators.training import Training
from temperance.calibrators.two_classes import TwoClasses, log_odds, with_log_odds
from temperance.checks.arguments import as_number, as_positive
from temperance.errors import NoOptimumError
from temperance.logistic_regression import fit_logistic
from temperance.show import number_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.calibrators.operations import Operation
    from temperance.checks.labels import Positions
    from temperance.readers.json_object import JsonObject

__all__ = ["PlattScaling"]


@dataclass(frozen=True, slots=True, eq=False)
class PlattScaling(Method):
    r"""Probability of class 1 = sigmoid(slope * log-odds + intercept).

    Parameters
    ----------
    slope : float
        > 0, without unit; below 1 softens. 1 / slope is a temperature.
    intercept : float
        Log-odds of class 1 where the model says 1/2.

    Raises
    ------
    InvalidInputError
        `slope` is not a finite number above 0, or `intercept` is not finite.

    Notes
    -----
    Fitted on the *logits*: on probabilities, as some libraries do, the same two numbers distort.
    The targets are Platt's, (N1 + 1) / (N1 + 2) for class 1 and 1 / (N0 + 2) for class 0, with N1
    and N0 the numbers of rows of each class, with weights the effective ones, (sum w)^2 / sum w^2:
    a prior that keeps the optimum finite on separable rows.

    References
    ----------
    Platt (1999), Probabilistic outputs for support vector machines, in: Advances in Large Margin
    Classifiers

    Examples
    --------
    Log-odds of -1 and 1; of four rows each, one and three are of class 1. With Platt's targets
    the eight labels average 1/3 and 2/3 there, so the log-odds become -log 2 and log 2.

    >>> logits = [-1.0] * 4 + [1.0] * 4
    >>> scaling = PlattScaling.fit(logits, [0, 0, 0, 1, 0, 1, 1, 1])
    >>> round(scaling.slope, 6), round(abs(scaling.intercept), 6)
    (0.693147, 0.0)
    """

    method: ClassVar[str] = "platt"
    traits: ClassVar[Traits] = Traits(
        type="parametric",
        summary="slope * log-odds + intercept, on the logits",
        parameters="2",
        learned=(2,),
        labels="100",
        cost="n, 10 passes",
        keeps_class=False,
        keeps_order=False,
        keeps_ranking="yes",
        classes="2 only",
        risk="very low",
        source="Platt 1999",
        binary=True,
    )

    slope: float
    intercept: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "slope", as_positive(self.slope, name="slope"))
        object.__setattr__(self, "intercept", as_number(self.intercept, name="intercept"))
        self.require_width(2)

    @classmethod
    def fit(
        cls,
        logits: ArrayLike,
        labels: ArrayLike | Positions,
        *,
        weights: ArrayLike | None = None,
        classes: Sequence[object] | None = None,
        class_axis: int = -1,
        ignore_label: int | str | None = None,
        refuse_probs: bool = True,
    ) -> Self:
        """Return the slope and intercept that minimise the log loss against Platt's targets.

        Parameters
        ----------
        logits, labels, weights, classes, class_axis, ignore_label, refuse_probs
            As in `TemperatureScaling.fit`, of two classes. Rows with one option only are left out.

        Returns
        -------
        PlattScaling
            With its `record`.

        Raises
        ------
        InvalidInputError
            As in `TemperatureScaling.fit`, or not two classes.
        NoOptimumError
            `reason` is `"no-rows"`, `"empty-class"` (one class only), `"constant-logits"` or
            `"worse-than-chance"` (the slope would not be above 0).
        """
        rows = Training.check(
            logits, labels, weights=weights, classes=classes, class_axis=class_axis,
            ignore_label=ignore_label, refuse_probs=refuse_probs,
        )  # fmt: skip
        return cls.from_rows(rows)

    @classmethod
    def from_rows(cls, rows: Training) -> Self:
        """Return the calibrator of rows that have been checked (see `fit`)."""
        outcomes = TwoClasses.of(rows, method=cls.method)
        outcomes.refuse_constant()
        fit = fit_logistic(
            np.stack([outcomes.odds, np.ones(len(outcomes.odds))], axis=1),
            _targets(outcomes),
            outcomes.weights,
        )
        slope, intercept = (float(number) for number in fit.coefficients)
        if slope <= 0.0:
            msg = (
                "No slope above 0: the larger the log-odds of class 1, the rarer it is. Are rows "
                "and labels in the same order, and is column 1 that of label 1?"
            )
            raise NoOptimumError(msg, reason="worse-than-chance")
        fitted = cls(slope, intercept, **rows.common)
        return replace(fitted, record=rows.record(fitted.scaled, passes=fit.passes))

    def scaled(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the calibrated logits of a block of checked logits."""
        with np.errstate(over="ignore", invalid="ignore"):
            return with_log_odds(block, self.slope * log_odds(block) + self.intercept)

    def parameters(self) -> dict[str, Any]:
        """Return slope and intercept."""
        return {"slope": self.slope, "intercept": self.intercept}

    def operations(self) -> tuple[Operation, ...]:
        """Return the line of the log-odds, and the softmax of (0, it)."""
        line = Affine((self.slope,), (self.intercept,))
        return (LogOdds(), line, WithZero(), Softmax())

    @classmethod
    def from_parameters(cls, parameters: JsonObject, **common: Any) -> Self:  # noqa: ANN401
        """Return the calibrator of `parameters()`."""
        return cls(parameters.number("slope"), parameters.number("intercept"), **common)

    def facts(self) -> list[tuple[str, str]]:
        """Return slope and intercept."""
        return [("slope", number_text(self.slope)), ("intercept", number_text(self.intercept))]


def _targets(outcomes: TwoClasses) -> NDArray[np.float64]:
    negative, positive = outcomes.class_rows
    high, low = (positive + 1.0) / (positive + 2.0), 1.0 / (negative + 2.0)
    return np.where(outcomes.hit > 0.0, high, low)
