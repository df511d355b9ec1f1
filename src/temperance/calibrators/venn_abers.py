"""Venn-Abers prediction of two classes: a probability with an interval that is valid by design."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from temperance.calibrators.calibrator import Method, Traits
from temperance.calibrators.operations import LogOdds, Steps, WithComplement
from temperance.calibrators.training import Training
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
from temperance.numerics import as_float64, softmax

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.calibrators.operations import Operation
    from temperance.checks.labels import Positions
    from temperance.readers.json_object import JsonObject

    Array = NDArray[np.float64]

__all__ = ["VennAbers", "venn_abers_steps"]

# The two isotonic fits behind a Venn-Abers interval, for every place of a new score at once.


def venn_abers_steps(odds: Array, hit: Array, weights: Array) -> tuple[Array, Array, Array]:
    r"""Return the distinct scores, rising, and the two probabilities at each of them, (m,).

    Lower at score i: the isotonic fit there when one more row of that score is added with label 0;
    upper: with label 1. With N and S the running sums of weights and hits,

    .. math:: F_y(i) = \max_{l < i} \min_{r \ge i} \frac{y + S_r - S_l}{1 + N_r - N_l},

    the slope of the edge that joins the lower convex hull of the points (N, S) before i, moved by
    (-1, -y), to the hull of those from i on.

    References
    ----------
    Vovk, Petej and Fedorova (2015), Large-scale probabilistic predictors with and without
    guarantees of validity, https://arxiv.org/abs/1511.00213
    """
    scores, number = np.unique(odds, return_inverse=True)
    n = np.r_[0.0, np.bincount(number, weights).cumsum()].tolist()
    s = np.r_[0.0, np.bincount(number, weights * hit).cumsum()].tolist()
    before, after = _hull(n, s), _hull_from_the_right(n, s)
    lower = _bridges(n, s, before, after, added=0.0)
    upper = _bridges(n, s, before, after, added=1.0)
    return scores, np.array(lower), np.array(upper)


def _hull(n: list[float], s: list[float]) -> list[int]:
    """For each point, the vertex before it in the lower hull of all points up to it."""
    before = [-1] * len(n)
    for i in range(1, len(n)):
        j = i - 1
        while before[j] >= 0 and _above(n, s, before[j], j, i):
            j = before[j]
        before[i] = j
    return before


def _hull_from_the_right(n: list[float], s: list[float]) -> list[int]:
    """For each point, the vertex after it in the lower hull of all points from it on."""
    last = len(n) - 1
    after = [-1] * len(n)
    for i in range(last - 1, -1, -1):
        j = i + 1
        while after[j] >= 0 and _above(n, s, i, j, after[j]):
            j = after[j]
        after[i] = j
    return after


def _above(n: list[float], s: list[float], a: int, b: int, c: int) -> bool:
    """Whether b lies on or above the line from a to c, so that the hull passes it by."""
    return (s[b] - s[a]) * (n[c] - n[a]) >= (s[c] - s[a]) * (n[b] - n[a])


def _bridges(
    n: list[float], s: list[float], before: list[int], after: list[int], *, added: float
) -> list[float]:
    """Slope of the edge from the hull before each score, moved by the added row, to the rest."""
    slopes = []
    for i in range(1, len(n)):
        left, right = i - 1, i
        slope = (added + s[right] - s[left]) / (1.0 + n[right] - n[left])
        moved = True
        while moved:
            moved = False
            while after[right] >= 0:
                other = after[right]
                lower = (added + s[other] - s[left]) / (1.0 + n[other] - n[left])
                if lower > slope:
                    break
                right, slope, moved = other, lower, moved or lower < slope
            while before[left] >= 0:
                other = before[left]
                higher = (added + s[right] - s[other]) / (1.0 + n[right] - n[other])
                if higher < slope:
                    break
                left, slope, moved = other, higher, moved or higher > slope
        slopes.append(slope)
    return slopes


@dataclass(frozen=True, slots=True, eq=False)
class VennAbers(Method):
    r"""Two probabilities of class 1, of which one is calibrated, and one number between them.

    Parameters
    ----------
    lower_from : ndarray, shape (a,)
        Log-odds from which on the lower probability is `lower`; below the first it is 0.
    lower : ndarray, shape (a,)
        In [0, 1), not falling.
    upper_to : ndarray, shape (b,)
        Log-odds up to which the upper probability is `upper`; above the last it is 1.
    upper : ndarray, shape (b,)
        In (0, 1], not falling.

    Raises
    ------
    InvalidInputError
        Scores that do not rise, probabilities that fall or lie outside these ranges.

    Notes
    -----
    p0 is the isotonic fit at the row's log-odds when the row itself is added with label 0, p1 with
    label 1. If rows are exchangeable, the one of the true label is perfectly calibrated whatever
    the model. `apply` returns p1 / (1 - p0 + p1), whose log loss is the best in the worst case;
    `interval` returns both: their distance says how little the rows know there. Only the order of
    scores matters: where labels of the fit have probability 0 (logit -inf), probabilities of 0 and
    1 are the lowest and the largest score; where none has, -inf is an option that does not exist in
    its row, and stays at 0. Weights, of
    which only ratios matter, add up to the effective number of rows, (sum w)^2 / sum w^2; the row
    added has weight 1. Valid for two classes only.

    References
    ----------
    Vovk, Petej and Fedorova (2015), Large-scale probabilistic predictors with and without
    guarantees of validity, https://arxiv.org/abs/1511.00213

    Examples
    --------
    Two rows at log-odds 0, a hit and a miss. One more row there: 1 hit of 3, or 2 of 3.

    >>> model = VennAbers.fit([0.0, 0.0], [0, 1])
    >>> low, high = model.interval([0.0])
    >>> low.round(4).tolist(), high.round(4).tolist(), model.apply([0.0])[:, 1].round(4).tolist()
    ([0.3333], [0.6667], [0.5])
    """

    method: ClassVar[str] = "venn-abers"
    traits: ClassVar[Traits] = Traits(
        type="non-parametric",
        summary="isotonic with either label: a probability and its interval",
        parameters="steps",
        labels="1,000",
        cost="n log n",
        keeps_class=False,
        keeps_order=False,
        keeps_ranking="with ties",
        classes="2 only",
        risk="some below 1,000",
        source="Vovk et al. 2015",
        binary=True,
        zeros=True,
    )

    lower_from: Array
    lower: Array
    upper_to: Array
    upper: Array

    def __post_init__(self) -> None:
        for scores, probs in (("lower_from", "lower"), ("upper_to", "upper")):
            x = frozen_numbers(getattr(self, scores), name=scores, most=MOST_LOG_ODDS)
            p = frozen_numbers(getattr(self, probs), name=probs)
            inside = (p >= 0.0) & (p < 1.0) if probs == "lower" else (p > 0.0) & (p <= 1.0)
            rising = x.shape == p.shape and (np.diff(x) > 0).all()
            if not rising or not inside.all() or (np.diff(p) < 0.0).any():
                msg = (
                    f"`{scores}` must rise, and `{probs}` hold as many probabilities that never "
                    "fall (lower below 1, upper above 0)."
                )
                raise InvalidInputError(msg)
            object.__setattr__(self, scores, x)
            object.__setattr__(self, probs, p)
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
        """Return both step functions of the log-odds.

        Parameters
        ----------
        logits, labels, weights, classes, class_axis, ignore_label, refuse_probs
            As in `TemperatureScaling.fit`, of two classes; labels may have probability 0 (logit
            -inf). Where none has, rows with one option only are left out.

        Returns
        -------
        VennAbers
            With its `record`.

        Raises
        ------
        InvalidInputError
            As in `TemperatureScaling.fit`, or not two classes.
        NoOptimumError
            `reason` is `"no-rows"` or `"empty-class"` (one class only).
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
        outcomes = TwoClasses.of(rows, method=cls.method, zeros=zeros)
        scores, lower, upper = venn_abers_steps(outcomes.odds, outcomes.hit, outcomes.weights)
        # rounding of sums of weights must not let a step fall, or leave [0, 1]
        lower = np.clip(lower, 0.0, np.nextafter(1.0, 0.0))
        upper = np.clip(upper, np.nextafter(0.0, 1.0), 1.0)
        lower, upper = np.maximum.accumulate(lower), np.maximum.accumulate(upper)
        first, last = np.r_[True, np.diff(lower) > 0.0], np.r_[np.diff(upper) > 0.0, True]
        steps = [scores[first], lower[first], scores[last], upper[last]]
        if zeros and scores[0] > -MOST_LOG_ODDS:
            steps[:2] = np.r_[-MOST_LOG_ODDS, steps[0]], np.r_[0.0, steps[1]]
        fitted = cls(*steps, **rows.common)
        return replace(fitted, record=rows.record(fitted.scaled, passes=1))

    def interval(
        self, logits: ArrayLike, *, refuse_probs: bool = True
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the lower and the upper probability of class 1 of each row.

        Parameters
        ----------
        logits : array_like, shape (n, 2) or (n,)
            As in `apply`.
        refuse_probs : bool, default True
            As in `apply`.

        Returns
        -------
        tuple of ndarray, shape (n,)
            p0 < p1; of a row with one option only, both are its probability, 0 or 1, unless labels
            of the fit had probability 0.

        Raises
        ------
        InvalidInputError
            As in `apply`.
        """
        outputs = self.outputs(logits, refuse_probs=refuse_probs)
        block = as_float64(outputs.scores[0])
        low, high = self._steps(block)
        if not self._of_zeros:
            one_option = np.isneginf(block).any(axis=1)
            certain = softmax(block[one_option])[:, 1]
            low[one_option], high[one_option] = certain, certain
        return low, high

    def scaled(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the calibrated logits of a block of checked logits."""
        low, high = self._steps(block)
        odds = np.log(high) - np.log1p(-low)  # p / (1 - p) = p1 / (1 - p0)
        return of_log_odds(odds) if self._of_zeros else with_log_odds(block, odds)

    def parameters(self) -> dict[str, Any]:
        """Return both step functions."""
        names = ("lower_from", "lower", "upper_to", "upper")
        return {name: getattr(self, name).tolist() for name in names}

    def operations(self) -> tuple[Operation, ...]:
        """Return both step functions of the log-odds, and the number between them."""
        names = ("lower_from", "lower", "upper_to", "upper")
        steps = Steps(*(tuple(getattr(self, name).tolist()) for name in names))
        return (LogOdds(), steps, WithComplement())

    @classmethod
    def from_parameters(cls, parameters: JsonObject, **common: Any) -> Self:  # noqa: ANN401
        """Return the calibrator of `parameters()`."""
        names = ("lower_from", "lower", "upper_to", "upper")
        return cls(*(parameters.numbers(name) for name in names), **common)

    def facts(self) -> list[tuple[str, str]]:
        """Return the number of steps."""
        return [("steps", f"{len(self.lower):,} and {len(self.upper):,}")]

    @property
    def _of_zeros(self) -> bool:
        """Whether labels of the fit had probability 0, so that 0 and 1 are scores as others."""
        return bool(self.lower_from[0] == -MOST_LOG_ODDS)

    def _steps(self, block: Array) -> tuple[Array, Array]:
        odds = bounded(log_odds(block))
        low = np.r_[0.0, self.lower][np.searchsorted(self.lower_from, odds, side="right")]
        high = np.r_[self.upper, 1.0][np.searchsorted(self.upper_to, odds, side="left")]
        return low, high
