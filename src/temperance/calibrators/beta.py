"""Beta calibration of two classes: an S-curve whose two ends bend independently."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from temperance.calibrators.calibrator import Method, Traits
from temperance.calibrators.operations import BetaCurve, LogOdds, Softmax, WithZero
from temperance.calibrators.training import Training, require_bends
from temperance.calibrators.two_classes import TwoClasses, log_odds, with_log_odds
from temperance.checks.arguments import as_not_negative, as_number
from temperance.errors import InvalidInputError, NoOptimumError
from temperance.logistic_regression import fit_logistic
from temperance.show import number_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.calibrators.operations import Operation
    from temperance.checks.labels import Positions
    from temperance.readers.json_object import JsonObject

    Array = NDArray[np.float64]

__all__ = ["BetaCalibration"]

_UNCHANGED = np.array([1.0, 1.0, 0.0])  # a, b, c of the map that changes nothing


@dataclass(frozen=True, slots=True, eq=False)
class BetaCalibration(Method):
    r"""Log-odds of class 1 = a log p - b log(1 - p) + c, p the model's probability of it.

    Parameters
    ----------
    a, b : float
        >= 0, at least one of them above 0: how steep the map is for small and for large p.
        a = b = 1, c = 0 changes nothing; a = b is Platt scaling.
    c : float
        Intercept.

    Raises
    ------
    InvalidInputError
        `a` or `b` is negative or infinite, both are 0, or `c` is not finite.

    Notes
    -----
    A logistic regression on log p and -log(1 - p), both computed from the log-odds, so nothing is
    lost where p is 0 or 1 to rounding. Where the best a or b is negative it is set to 0 and the
    others are fitted again, which is the optimum under a, b >= 0: the ranking is kept.

    References
    ----------
    Kull, Silva Filho and Flach (2017), Beta calibration, http://proceedings.mlr.press/v54/kull17a

    Examples
    --------
    >>> BetaCalibration(a=1.0, b=1.0, c=0.0).apply([0.0]).tolist()
    [[0.5, 0.5]]
    """

    method: ClassVar[str] = "beta"
    traits: ClassVar[Traits] = Traits(
        type="parametric",
        summary="a log p - b log(1 - p) + c: the ends bend apart",
        parameters="3",
        learned=(3,),
        labels="1,000",
        cost="n, 10 passes",
        keeps_class=False,
        keeps_order=False,
        keeps_ranking="yes",
        classes="2 only",
        risk="low",
        source="Kull et al. 2017",
        prior=True,
        binary=True,
    )

    a: float
    b: float
    c: float

    def __post_init__(self) -> None:
        for name, check in (("a", as_not_negative), ("b", as_not_negative), ("c", as_number)):
            object.__setattr__(self, name, check(getattr(self, name), name=name))
        if self.a == self.b == 0.0:
            msg = "`a` and `b` must be finite, >= 0 and not both 0, got 0 and 0."
            raise InvalidInputError(msg)
        self.require_width(2)

    @classmethod
    def fit(
        cls,
        logits: ArrayLike,
        labels: ArrayLike | Positions,
        *,
        weights: ArrayLike | None = None,
        prior: float = 0.0,
        classes: Sequence[object] | None = None,
        class_axis: int = -1,
        ignore_label: int | str | None = None,
        refuse_probs: bool = True,
    ) -> Self:
        r"""Return the a, b and c that minimise the log loss.

        Parameters
        ----------
        logits, labels, weights, classes, class_axis, ignore_label, refuse_probs
            As in `TemperatureScaling.fit`, of two classes. Rows with one option only are left out.
        prior : float, default 0.0
            Strength >= 0, in pseudo-rows, of a prior on no change: adds :math:`\lambda ((a - 1)^2 +
            (b - 1)^2 + c^2) / 2` to the summed loss: finite on separable rows too.

        Returns
        -------
        BetaCalibration
            With its `record`.

        Raises
        ------
        InvalidInputError
            As in `TemperatureScaling.fit`, not two classes, or no log-odds beyond 1e-4.
        NoOptimumError
            `reason` is `"no-rows"`, `"empty-class"` (one class only), `"constant-logits"`,
            `"separable"` or `"worse-than-chance"` (neither a nor b would be above 0).
        """
        rows = Training.check(
            logits, labels, weights=weights, classes=classes, class_axis=class_axis,
            ignore_label=ignore_label, refuse_probs=refuse_probs, prior=prior,
        )  # fmt: skip
        return cls.from_rows(rows)

    @classmethod
    def from_rows(cls, rows: Training) -> Self:
        """Return the calibrator of rows that have been checked (see `fit`)."""
        strength = rows.prior
        outcomes = TwoClasses.of(rows, method=cls.method)
        require_bends(float(np.abs(outcomes.odds).max()), method=cls.method)
        if strength == 0.0:
            outcomes.refuse_constant()
            outcomes.refuse_separable()
        (a, b, c), passes = _best(outcomes, strength)
        fitted = cls(a, b, c, **rows.common)
        record = rows.record(fitted.scaled, passes=passes, prior=strength)
        return replace(fitted, record=record)

    def scaled(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the calibrated logits of a block of checked logits."""
        features = _features(np.nan_to_num(log_odds(block)))
        with np.errstate(over="ignore"):  # of a log p and b log(1 - p) at most one overflows
            odds = features @ np.array([self.a, self.b, self.c])
        return with_log_odds(block, odds)

    def parameters(self) -> dict[str, Any]:
        """Return a, b and c."""
        return {"a": self.a, "b": self.b, "c": self.c}

    def operations(self) -> tuple[Operation, ...]:
        """Return the curve of the log-odds, and the softmax of (0, it)."""
        return (LogOdds(), BetaCurve(self.a, self.b, self.c), WithZero(), Softmax())

    @classmethod
    def from_parameters(cls, parameters: JsonObject, **common: Any) -> Self:  # noqa: ANN401
        """Return the calibrator of `parameters()`."""
        return cls(*(parameters.number(key) for key in ("a", "b", "c")), **common)

    def facts(self) -> list[tuple[str, str]]:
        """Return a, b and c."""
        return [("a", number_text(self.a)), ("b", number_text(self.b)), ("c", number_text(self.c))]


def _features(odds: Array) -> Array:
    """Log p, -log(1 - p) and 1, (m, 3)."""
    log_p, log_not_p = -np.logaddexp(0.0, -odds), -np.logaddexp(0.0, odds)
    return np.stack([log_p, -log_not_p, np.ones(len(odds))], axis=1)


def _best(outcomes: TwoClasses, prior: float) -> tuple[tuple[float, float, float], int]:
    """Return a, b, c under a, b >= 0, and the passes over the rows.

    With both free ones above 0 that is it. Else the optimum has a = 0 or b = 0: where only one
    was negative it is that one, else (also where both free have no optimum, as of rows that an
    interval of probabilities tells apart) the better of the two.
    """
    free, passes = np.full(3, -1.0), 0
    with suppress(NoOptimumError):
        free, passes = _with(outcomes, prior, (0, 1, 2))
    if free[0] >= 0.0 and free[1] >= 0.0 and free[0] + free[1] > 0.0:
        return (float(free[0]), float(free[1]), float(free[2])), passes
    rising = []
    for index in (0, 1):
        if free[1 - index] < 0.0 or free[index] > 0.0:
            with suppress(NoOptimumError):  # it falls, and parts the rows without error
                numbers, more = _with(outcomes, prior, (index, 2))
                passes += more
                if numbers[index] > 0.0:
                    rising.append(numbers)
    if not rising:
        msg = (
            "No map that rises: the larger the probability of class 1, the rarer it is. Are rows "
            "and labels in the same order, and is column 1 that of label 1?"
        )
        raise NoOptimumError(msg, reason="worse-than-chance")
    a, b, c = min(rising, key=lambda numbers: _penalised_loss(outcomes, numbers, prior))
    return (float(a), float(b), float(c)), passes


def _with(outcomes: TwoClasses, prior: float, indices: tuple[int, ...]) -> tuple[Array, int]:
    """Fit the numbers kept; the others are 0."""
    columns = list(indices)
    fit = fit_logistic(
        _features(outcomes.odds)[:, columns], outcomes.hit, outcomes.weights,
        ridge=prior, centre=_UNCHANGED[columns],
    )  # fmt: skip
    numbers = np.zeros(3)
    numbers[columns] = fit.coefficients
    return numbers, fit.passes


def _penalised_loss(outcomes: TwoClasses, numbers: Array, prior: float) -> float:
    odds = _features(outcomes.odds) @ numbers
    loss = float(outcomes.weights @ (np.logaddexp(0.0, odds) - outcomes.hit * odds))
    return loss + 0.5 * prior * float((numbers - _UNCHANGED) @ (numbers - _UNCHANGED))
