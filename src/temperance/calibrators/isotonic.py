"""Centred isotonic calibration: any rising curve, without flat steps, never 0 or 1."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from temperance.calibrators.calibrator import Method, Traits
from temperance.calibrators.operations import Curves, LogOdds, Normalize, OneVsRest, WithComplement
from temperance.calibrators.training import Training, require_bends
from temperance.calibrators.two_classes import (
    MOST_LOG_ODDS,
    TwoClasses,
    bounded,
    log_odds,
    of_log_odds,
    with_log_odds,
)
from temperance.checks.arrays import frozen_numbers
from temperance.errors import InvalidInputError
from temperance.frozen import Frozen
from temperance.isotonic_regression import centred_isotonic
from temperance.numerics import as_float64, centred_rows, logit, row_blocks, row_maxima

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.calibrators.operations import Operation
    from temperance.checks.labels import Positions
    from temperance.readers.json_object import JsonObject

    Array = NDArray[np.float64]

__all__ = ["Curve", "IsotonicCalibration"]


@dataclass(frozen=True, slots=True, eq=False)
class Curve(Frozen):
    """A rising line through knots: probability against log-odds, constant beyond the ends."""

    log_odds: Array  # (m,), rising
    probability: Array  # (m,), in (0, 1), not falling

    def __post_init__(self) -> None:
        x = frozen_numbers(self.log_odds, name="log_odds", most=MOST_LOG_ODDS)
        p = frozen_numbers(self.probability, name="probability")
        rising = x.shape == p.shape and bool((np.diff(x) > 0).all())
        if not rising or not ((p > 0.0) & (p < 1.0)).all() or (np.diff(p) < 0.0).any():
            msg = (
                "`curves` must hold rising `log_odds` and, as many, `probability` in (0, 1) that "
                "never falls."
            )
            raise InvalidInputError(msg)
        object.__setattr__(self, "log_odds", x)
        object.__setattr__(self, "probability", p)

    @classmethod
    def through(cls, outcomes: TwoClasses, *, zeros: bool = False) -> Self:
        """Return the centred isotonic regression of outcomes on log-odds.

        Rows of +-MOST_LOG_ODDS (of probability 0 or 1) are the lowest and the largest, and move
        no centre; they have knots of their own, which stand there with `zeros` in any case.
        """
        centre, level = centred_isotonic(
            outcomes.odds, outcomes.hit, outcomes.weights, beyond=MOST_LOG_ODDS
        )
        least = 1.0 / (outcomes.weight + 2.0)
        level = np.clip(level, least, 1.0 - least)
        if zeros and centre[0] > -MOST_LOG_ODDS:
            centre, level = np.r_[-MOST_LOG_ODDS, centre], np.r_[level[0], level]
        return cls(centre, level)

    def at(self, odds: Array) -> Array:
        """Return the probability at these log-odds."""
        return np.asarray(np.interp(bounded(odds), self.log_odds, self.probability))

    @property
    def of_zeros(self) -> bool:
        """Whether probabilities of 0 and 1 are scores as others, as labels of the fit had 0."""
        return bool(self.log_odds[0] == -MOST_LOG_ODDS)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Curve) and all(
            np.array_equal(a, b)
            for a, b in (
                (self.log_odds, other.log_odds),
                (self.probability, other.probability),
            )
        )

    def __hash__(self) -> int:
        return hash((self.log_odds.tobytes(), self.probability.tobytes()))


@dataclass(frozen=True, slots=True, eq=False)
class IsotonicCalibration(Method):
    r"""Probability = a rising curve of the log-odds; of more than two classes, one curve each.

    Parameters
    ----------
    curves : tuple of Curve
        One of two classes (of class 1), else one per class: one-vs-rest, then divided by the sum.

    Raises
    ------
    InvalidInputError
        Knots that do not rise, probabilities outside (0, 1), another number of curves.

    Notes
    -----
    Isotonic regression (pool adjacent violators) of the outcomes on the log-odds gives steps; here
    a line joins the steps' centres of mass, so that rows of different log-odds keep their order
    except beyond the outermost centres. Values are clipped to [1 / (W + 2), 1 - 1 / (W + 2)], W the
    effective number of rows, (sum w)^2 / sum w^2: plain isotonic regression says 0 and 1 and then
    loses without bound.
    Only order matters to the steps: where labels of the fit have probability 0 (logit -inf),
    probabilities of 0 and 1 are the lowest and the largest score; where none has, -inf is an option
    that does not exist in its row, and stays at 0.
    Of many classes one-vs-rest has few rows per curve and breaks the ties between classes: prefer
    `vector` or `matrix` there.

    References
    ----------
    Oron and Flournoy (2017), Centered isotonic regression, https://doi.org/10.1080/19466315.2017.1286256;
    Zadrozny and Elkan (2002), Transforming classifier scores into accurate multiclass probability
    estimates, https://doi.org/10.1145/775047.775151

    Examples
    --------
    Of four rows at log-odds -1 one is a hit, of four at 1 three are; halfway lies 1/2.

    >>> logits = [-1.0] * 4 + [1.0] * 4
    >>> curve = IsotonicCalibration.fit(logits, [0, 0, 0, 1, 0, 1, 1, 1])
    >>> curve.apply([-1.0, 0.0, 1.0])[:, 1].round(6).tolist()
    [0.25, 0.5, 0.75]
    """

    method: ClassVar[str] = "isotonic"
    traits: ClassVar[Traits] = Traits(
        type="non-parametric",
        summary="any rising curve of the log-odds, its steps joined",
        parameters="knots",
        labels="10,000",
        cost="n log n",
        keeps_class=False,
        keeps_order=False,
        keeps_ranking="ties at the ends",
        classes="2; more one-vs-rest",
        risk="high below 10,000",
        source="Oron and Flournoy 2017",
        zeros=True,
    )

    curves: tuple[Curve, ...]

    def __post_init__(self) -> None:
        curves = tuple(self.curves) if isinstance(self.curves, list | tuple) else ()
        if not curves or not all(isinstance(each, Curve) for each in curves):
            msg = "`curves` must be a tuple of Curve, one of two classes, else one per class."
            raise InvalidInputError(msg)
        object.__setattr__(self, "curves", curves)
        count = len(curves)
        expected = None if self.n_classes is None else 1 if self.n_classes == 2 else self.n_classes
        if count in (0, 2) or expected not in (None, count):
            msg = (
                f"`curves` must be one of two classes, else one per class; got {count} for "
                f"{self.n_classes} classes."
            )
            raise InvalidInputError(msg)
        self.require_width(2 if count == 1 else count)

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
        """Return the curve, or the curves, of the least squares under rising order.

        Parameters
        ----------
        logits, labels, weights, classes, class_axis, ignore_label, refuse_probs
            As in `TemperatureScaling.fit`; labels may have probability 0 (logit -inf). Where none
            has, rows in which an option does not exist, or is the only one, are left out of its
            curve.

        Returns
        -------
        IsotonicCalibration
            With its `record`.

        Raises
        ------
        InvalidInputError
            As in `TemperatureScaling.fit`.
        NoOptimumError
            `reason` is `"no-rows"`, or `"empty-class"`: a class that is always or never true.
        """
        rows = Training.check(
            logits, labels, weights=weights, classes=classes, class_axis=class_axis,
            ignore_label=ignore_label, refuse_probs=refuse_probs, zeros=True,
        )  # fmt: skip
        return cls.from_rows(rows)

    @classmethod
    def from_rows(cls, rows: Training) -> Self:
        """Return the calibrator of rows that have been checked (see `fit`)."""
        zeros = bool(rows.zero_labels().any())
        of_classes = [1] if rows.k == 2 else range(rows.k)
        odds = _odds_of(rows)
        if rows.k > 2:
            require_bends(rows.widest(), method=cls.method)
        fitted = cls(
            tuple(_curve(rows, odds[:, c], c, zeros=zeros) for c in of_classes), **rows.common
        )
        return replace(fitted, record=rows.record(fitted.scaled, passes=1))

    def scaled(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the calibrated logits of a block of checked logits."""
        odds = _one_vs_rest(block)
        if len(self.curves) == 1:
            p = self.curves[0].at(odds[:, 1])
            odds_of_one = logit(p)
            zeros = self.curves[0].of_zeros
            return of_log_odds(odds_of_one) if zeros else with_log_odds(block, odds_of_one)
        p = np.stack([curve.at(odds[:, c]) for c, curve in enumerate(self.curves)], axis=1)
        if any(curve.of_zeros for curve in self.curves):
            return np.log(p)
        return np.where(np.isneginf(block), -np.inf, np.log(p))

    def parameters(self) -> dict[str, Any]:
        """Return the knots of each curve."""
        return {
            "curves": [
                {"log_odds": c.log_odds.tolist(), "probability": c.probability.tolist()}
                for c in self.curves
            ]
        }

    def operations(self) -> tuple[Operation, ...]:
        """Return the curve of class 1 of two; of more, one each against the rest, and shares."""
        curves = Curves(
            tuple(tuple(curve.log_odds.tolist()) for curve in self.curves),
            tuple(tuple(curve.probability.tolist()) for curve in self.curves),
        )
        if len(self.curves) == 1:
            return (LogOdds(), curves, WithComplement())
        return (OneVsRest(), curves, Normalize())

    @classmethod
    def from_parameters(cls, parameters: JsonObject, **common: Any) -> Self:  # noqa: ANN401
        """Return the calibrator of `parameters()`."""
        sections = parameters.sections("curves")
        curves = (Curve(each.numbers("log_odds"), each.numbers("probability")) for each in sections)
        calibrator = cls(tuple(curves), **common)
        for each in sections:
            each.require_all_asked()
        return calibrator

    def facts(self) -> list[tuple[str, str]]:
        """Return the number of knots."""
        knots = [len(curve.log_odds) for curve in self.curves]
        if len(knots) == 1:
            return [("knots", f"{knots[0]:,}")]
        return [("curves", f"{len(knots):,}"), ("knots", f"{min(knots):,} to {max(knots):,}")]


def _curve(rows: Training, odds: Array, c: int, *, zeros: bool) -> Curve:
    hit = rows.labels == c
    outcomes = TwoClasses.from_odds(odds, hit, rows.weights, name=rows.class_name(c), zeros=zeros)
    return Curve.through(outcomes, zeros=zeros)


def _odds_of(rows: Training) -> Array:
    odds = np.empty(rows.logits.shape)
    for block in row_blocks(rows.logits):
        odds[block] = _one_vs_rest(as_float64(rows.logits[block]))
    return odds


def _one_vs_rest(block: Array) -> Array:
    """Log-odds of each class against all others, (m, k); infinite where there is nothing else.

    1 - p is summed from the others where p is the largest, relative to the largest of these, and
    subtracted where it is at most 1/2: no digit is lost in either, at any distance.
    """
    if block.shape[1] == 2:
        odds = log_odds(block)
        return np.stack([-odds, odds], axis=1)
    rows = np.arange(len(block))
    z = centred_rows(block)
    largest = z.argmax(axis=1)
    e = np.exp(z)
    others = e.sum(axis=1)[:, None] - e
    others[rows, largest] = 1.0  # no others of these are as large: below
    odds = z - np.log(others)
    rest = z.copy()
    rest[rows, largest] = -np.inf
    second = row_maxima(rest)
    alone = np.isneginf(second)
    rest -= np.where(alone, 0.0, second)[:, None]
    odds[rows, largest] = -second - np.log(np.where(alone, 1.0, np.exp(rest).sum(axis=1)))
    return np.asarray(odds)
