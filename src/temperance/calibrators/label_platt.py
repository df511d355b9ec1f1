"""Platt scaling of label matrices: a slope and an intercept for each label, shrunk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf, isfinite
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from temperance.calibrators.calibrator import Method
from temperance.calibrators.line_intervals import line_intervals
from temperance.calibrators.operations import Affine, LogOdds, Softmax, WithZero
from temperance.calibrators.platt import PlattScaling
from temperance.calibrators.record import LabelLine, LabelLines, MapParts
from temperance.calibrators.training import Training
from temperance.calibrators.two_classes import TwoClasses, log_odds, with_log_odds
from temperance.checks import as_known_names
from temperance.checks.arguments import as_not_negative, as_number, as_positive, value_text
from temperance.errors import InvalidInputError, NoOptimumError
from temperance.frozen import frozen
from temperance.numerics import as_float64
from temperance.show import Table, interval_text, number_text

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from temperance.calibrators.calibrator import Traits
    from temperance.calibrators.operations import Operation
    from temperance.checks.labels import Positions
    from temperance.readers.json_object import JsonObject

    Array = NDArray[np.float64]

__all__ = ["LabelPlattScaling", "line_table", "number_cells"]

# A slope and an intercept for each part of the data, all of them drawn to a common line.


_FAR = 10.0  # spreads between 0 and the mean log-odds, beyond which intercepts are taken there
_MOST_ROUNDS = 60
_MOST_STEPS = 100
_MOST_HALVINGS = 60
_MOST_UPDATES = 200
_LAST_GAIN = 1e-13  # of the loss per row
_LEAST_VARIANCE = 1e-6  # of log slope and intercept between parts: they are alike
_WIDE = 4.0  # variance of log slope between parts that the search starts from
_WIDEST = 25.0  # largest, times that
_SETTLED = 1e-3  # change of the common line, and a tenth of that of the variances, in a round
_LONGEST_STEP = 1.0  # of a log slope
_FLAT = 1e-13


@dataclass(frozen=True, slots=True)
class SharedLines:
    """The common line, each part's, and how much parts differ."""

    slope: float
    intercept: float
    slopes: Array  # (l,)
    intercepts: Array  # (l,)
    slope_spread: float  # standard deviation of log slope between parts
    intercept_spread: float
    passes: int


def shared_lines(odds: Array, hit: Array, weights: Array, part: NDArray[np.intp]) -> SharedLines:
    r"""Return the most probable line of each part, P(hit) = sigmoid(slope * odds + intercept).

    (log slope, intercept) of a part is taken as normal about a common value, with a covariance;
    both are those of the largest marginal likelihood (empirical Bayes, by Laplace's approximation
    and EM). So a part of much data has its own optimum, one of few events is near the common line,
    and every part has a line: also one in which nothing was hit, or that a line separates. Parts
    differ by at most a standard deviation of 10 in log slope, and of ten times that of intercepts
    beside one slope (and 1): a part that a line separates the wrong way round says no more. The
    targets are Platt's, (N1 + 1) / (N1 + 2) and 1 / (N0 + 2), of all parts together; one part
    alone gets Platt's line. Weights count by their ratios: they are worth (sum w)^2 / sum w^2 rows.

    Raises
    ------
    NoOptimumError
        `reason` is "constant-logits" (no part's odds differ) or "worse-than-chance" (with a slope
        for all parts and an intercept for each, the slope is not above 0).

    References
    ----------
    Breslow and Clayton (1993), Approximate inference in generalized linear mixed models,
    https://doi.org/10.1080/01621459.1993.10594284
    """
    count = int(part.max()) + 1
    w = weights * (weights.sum() / (weights @ weights))
    # in units of the spread within parts
    present = np.bincount(part, w, count)
    largest = float(np.abs(odds).max()) or 1.0
    means = np.bincount(part, w * (odds / largest), count) / np.where(present > 0.0, present, 1.0)
    spread = largest * float(np.average((odds / largest - means[part]) ** 2, weights=w)) ** 0.5
    if not spread > _FLAT * largest:
        msg = (
            "No slope is better than another: each label has the same log-odds in all rows. Check "
            "that these are the model's outputs."
        )
        raise NoOptimumError(msg, reason="constant-logits")
    mean = largest * float(np.average(odds / largest, weights=w))
    origin = mean if abs(mean) > _FAR * spread else 0.0
    rows = _LabelRows.of((odds - origin) / spread, hit, w, part, count)
    slope, own = rows.one_slope()
    if slope <= 0.0:
        msg = (
            "No slope above 0: the larger the log-odds of a label, the rarer it is. Are rows and "
            "labels in the same order, and the columns too?"
        )
        raise NoOptimumError(msg, reason="worse-than-chance")
    centre, covariance, at = np.array([np.log(slope), float(own.mean())]), np.zeros((2, 2)), None
    if count > 1:
        at = np.stack([np.full(count, np.log(slope)), own], axis=1)
        centre, covariance, at = _marginal(rows, at)
    else:
        at = centre[None, :]
    slopes = np.exp(at[:, 0]) / spread
    common = float(np.exp(centre[0])) / spread
    return SharedLines(
        slope=common,
        intercept=float(centre[1] - common * origin),
        slopes=slopes,
        intercepts=at[:, 1] - slopes * origin,
        slope_spread=float(covariance[0, 0]) ** 0.5,
        intercept_spread=float(covariance[1, 1]) ** 0.5,
        passes=rows.passes[0] + 2,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _LabelRows:
    odds: Array
    target: Array
    weights: Array
    part: NDArray[np.intp]
    count: int
    passes: list[int]

    @classmethod
    def of(
        cls, odds: Array, hit: Array, weights: Array, part: NDArray[np.intp], count: int
    ) -> _LabelRows:
        positive = float(weights @ hit)
        negative = float(weights.sum()) - positive
        high, low = (positive + 1.0) / (positive + 2.0), 1.0 / (negative + 2.0)
        return cls(odds, np.where(hit > 0.0, high, low), weights, part, count, [0])

    def summed(self, values: Array) -> Array:
        return np.bincount(self.part, values, self.count).astype(np.float64)

    def losses(self, slopes: Array, intercepts: Array) -> Array:
        """Return the summed loss of each part."""
        self.passes[0] += 1
        o = slopes[self.part] * self.odds + intercepts[self.part]
        return self.summed(self.weights * (np.logaddexp(0.0, o) - self.target * o))

    def bends(self, slopes: Array, intercepts: Array) -> tuple[Array, Array]:
        """Return gradient (l, 2) and Hessian (l, 2, 2) of each part's loss in its line."""
        self.passes[0] += 1
        x, t = self.odds, self.target
        o = slopes[self.part] * x + intercepts[self.part]
        p, opposite = np.exp(-np.logaddexp(0.0, -o)), np.exp(-np.logaddexp(0.0, o))
        residual = self.weights * (p * (1.0 - t) - opposite * t)
        bend = self.weights * p * opposite
        gradient = np.stack([self.summed(residual * x), self.summed(residual)], axis=1)
        cross = self.summed(bend * x)
        hessian = np.array([[self.summed(bend * x * x), cross], [cross, self.summed(bend)]])
        return gradient, hessian.transpose(2, 0, 1)

    def one_slope(self) -> tuple[float, Array]:
        """Return the best slope of all parts, with an intercept for each: a convex problem."""
        slope, own = 0.0, np.zeros(self.count)
        enough = _LAST_GAIN * float(self.weights.sum())
        value = float(self.losses(np.full(self.count, slope), own).sum())
        for _ in range(_MOST_STEPS):
            gradient, hessian = self.bends(np.full(self.count, slope), own)
            of_slope = float(gradient[:, 0].sum())
            has_rows = hessian[:, 1, 1] > 0.0  # parts that have rows
            inverse = np.where(has_rows, 1.0 / np.where(has_rows, hessian[:, 1, 1], 1.0), 0.0)
            ratio = hessian[:, 0, 1] * inverse
            curvature = float((hessian[:, 0, 0] - ratio * hessian[:, 0, 1]).sum())
            if not curvature > _FLAT * float(hessian[:, 0, 0].sum()):
                break  # so steep that the curvature is gone
            step = (of_slope - float(ratio @ gradient[:, 1])) / curvature
            steps = gradient[:, 1] * inverse - ratio * step
            promised = of_slope * step + float(gradient[:, 1] @ steps)
            if promised <= enough:
                return slope - step, own - steps
            for _ in range(_MOST_HALVINGS):
                reached = float(self.losses(np.full(self.count, slope - step), own - steps).sum())
                if reached <= value - 1e-4 * promised:
                    break
                step, steps, promised = 0.5 * step, 0.5 * steps, 0.5 * promised
            slope, own, value = slope - step, own - steps, reached
        return slope, own


def _marginal(rows: _LabelRows, at: Array) -> tuple[Array, Array, Array]:
    """Return the centre and covariance of the lines in (log slope, intercept), and the lines."""
    start = _WIDE * np.array([1.0, 1.0 + float(at[:, 1].var())])
    centre, covariance = at.mean(axis=0), np.diag(start)
    for _ in range(_MOST_ROUNDS):
        at = _most_probable(rows, at, centre, covariance, steps=1)
        gradient, hessian = _in_log_slope(rows, at)
        pull = np.einsum("gij,gj->gi", hessian, at) - gradient
        new_centre, new_covariance = _updated(pull, hessian, centre, covariance, _WIDEST * start)
        shift = float(np.abs(new_centre - centre).max())
        change = float(np.abs(new_covariance - covariance).max())
        centre, covariance = new_centre, new_covariance
        if shift < _SETTLED and change < 10.0 * _SETTLED * float(np.abs(covariance).max()):
            break
    return centre, covariance, _most_probable(rows, at, centre, covariance, steps=_MOST_STEPS)


def _in_log_slope(rows: _LabelRows, at: Array) -> tuple[Array, Array]:
    """Return gradient and curvature in (log slope, intercept), without what bends the logarithm."""
    slopes = np.exp(at[:, 0])
    gradient, hessian = rows.bends(slopes, at[:, 1])
    unit = np.stack([slopes, np.ones_like(slopes)], axis=1)
    return gradient * unit, hessian * unit[:, :, None] * unit[:, None, :]


def _most_probable(
    rows: _LabelRows, at: Array, centre: Array, covariance: Array, *, steps: int
) -> Array:
    """Return each part's line after so many of Newton's steps, or where none gains any more."""
    precision = np.linalg.inv(covariance)
    enough = _LAST_GAIN * float(rows.weights.sum())

    def value(lines: Array) -> Array:
        off = lines - centre
        prior = 0.5 * np.einsum("gi,ij,gj->g", off, precision, off)
        return np.asarray(rows.losses(np.exp(lines[:, 0]), lines[:, 1]) + prior)

    reached = value(at)
    for _ in range(steps):
        gradient, hessian = _in_log_slope(rows, at)
        gradient = gradient + (at - centre) @ precision
        step = np.linalg.solve(hessian + precision, gradient[:, :, None])[:, :, 0]
        promised = (gradient * step).sum(axis=1)
        open_ = promised > enough
        if not open_.any():
            break
        share = np.minimum(1.0, _LONGEST_STEP / np.maximum(np.abs(step[:, 0]), _LONGEST_STEP))
        for _ in range(_MOST_HALVINGS):
            trial = at - share[:, None] * step
            losses = value(trial)
            worse = open_ & (losses > reached - 1e-4 * share * promised)
            if not worse.any():
                break
            share = np.where(worse, 0.5 * share, share)
        at, reached = trial, losses
    return at


def _updated(
    pull: Array, hessian: Array, centre: Array, covariance: Array, most: Array
) -> tuple[Array, Array]:
    """Return centre and covariance after EM, each part's likelihood taken as normal."""
    for _ in range(_MOST_UPDATES):
        precision = np.linalg.inv(covariance)
        variance = np.linalg.inv(hessian + precision)
        mean = np.einsum("gij,gj->gi", variance, pull + precision @ centre)
        middle = mean.mean(axis=0)
        off = mean - middle
        between = variance.mean(axis=0) + off.T @ off / len(mean) + _LEAST_VARIANCE * np.eye(2)
        within = np.sqrt(np.minimum(1.0, most / between.diagonal()))
        between = between * np.outer(within, within)
        shift = float(np.abs(middle - centre).max())
        change = float(np.abs(between - covariance).max())
        centre, covariance = middle, between
        if shift < 1e-6 and change < 1e-5 * float(np.abs(covariance).max()):
            break
    return centre, covariance


FEW_EVENTS = 10.0  # of the rarer outcome: a label of fewer is told to lean on the others
_SHOWN = 5  # labels named in a line
_MOST_ROWS = 20  # of a table in the shell


@dataclass(frozen=True, slots=True, eq=False)
class LabelPlattScaling(Method):
    r"""Probability of a label = sigmoid(slope_l * log-odds + intercept_l), a line for each label.

    The map inside `MultilabelScaling` of method "platt": rows are entries of a label matrix, of
    two classes, and their groups are the labels' names.

    Parameters
    ----------
    slope, intercept : float
        The common line, slope > 0: of labels that the fit has not seen.
    slopes, intercepts : mapping of str to float
        The line of each label; the same names in both.
    few_events : tuple of str
        Labels whose rarer outcome the fit has seen fewer than 10 times: mostly the common line.
    slope_spread, intercept_spread : float
        Standard deviation between labels, of log slope and of intercept, beyond chance.
    slope_intervals, intercept_intervals : mapping of str to (float, float)
        95 % intervals by each label's own rows, which hold the line; infinite ends where the rows
        allow any. Without them nothing is known.

    Raises
    ------
    InvalidInputError
        A slope is not a finite number above 0, or an intercept is not finite; other names.

    Notes
    -----
    See `temperance.calibrators.label_platt`: the pair (log slope, intercept) of a label is normal
    about the common one, and the spread between labels is estimated (empirical Bayes). The
    intervals are those of `temperance.calibrators.line_intervals`, widened to the line where it was
    drawn beyond their end: they know nothing of other labels, and so hold also for the label that
    differs from all others.

    Examples
    --------
    >>> scaling = LabelPlattScaling(1.0, 0.0, {"cat": 2.0}, {"cat": -1.0})
    >>> scaling.scale([[0.0, 3.0]] * 2, groups=["cat", "dog"])
    array([[0., 5.],
           [0., 3.]])
    """

    method: ClassVar[str] = "platt"
    traits: ClassVar[Traits] = replace(
        PlattScaling.traits,
        summary="slope * log-odds + intercept, one line per label, shrunk towards a common one",
        parameters="2 a label",
        learned=(),
        cost="n labels, 50 passes",
        classes="labels",
        groups=True,
    )

    slope: float
    intercept: float
    slopes: Mapping[str, float]
    intercepts: Mapping[str, float]
    few_events: tuple[str, ...] = field(default=(), kw_only=True)
    slope_spread: float = field(default=0.0, kw_only=True)
    intercept_spread: float = field(default=0.0, kw_only=True)
    slope_intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict, kw_only=True)
    intercept_intervals: Mapping[str, tuple[float, float]] = field(
        default_factory=dict, kw_only=True
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "slope", as_positive(self.slope, name="slope"))
        object.__setattr__(self, "intercept", as_number(self.intercept, name="intercept"))
        for name, check in (("slopes", as_positive), ("intercepts", as_number)):
            each = getattr(self, name)
            if not isinstance(each, Mapping):
                msg = f"`{name}` must map labels to numbers, got {value_text(each)}."
                raise InvalidInputError(msg)
            checked = {
                str(key): check(value, name=f"{name[:-1]} of label {value_text(key)}")
                for key, value in each.items()
            }
            object.__setattr__(self, name, frozen(checked))
        if self.slopes.keys() != self.intercepts.keys():
            odd = value_text(min(self.slopes.keys() ^ self.intercepts.keys()))
            msg = f"`intercepts` must be of the labels of `slopes`; {odd} is in one of them only."
            raise InvalidInputError(msg)
        is_sequence = isinstance(self.few_events, list | tuple)
        if not is_sequence or not set(self.few_events) <= self.slopes.keys():
            text = value_text(self.few_events)
            msg = f"`few_events` must be a tuple of labels of `slopes`, got {text}."
            raise InvalidInputError(msg)
        object.__setattr__(self, "few_events", frozen(self.few_events))
        for name in ("slope_spread", "intercept_spread"):
            object.__setattr__(self, name, as_not_negative(getattr(self, name), name=name))
        for name in ("slope", "intercept"):
            self._check_intervals(f"{name}_intervals", getattr(self, f"{name}s"))
        self.require_width(2)

    def _check_intervals(self, name: str, values: Mapping[str, float]) -> None:
        """Freeze the intervals of some labels' numbers, which must lie in them."""
        each = getattr(self, name)
        if not isinstance(each, Mapping):
            msg = f"`{name}` must map labels to pairs of numbers, got {value_text(each)}."
            raise InvalidInputError(msg)
        checked = {}
        for key, ends in each.items():
            pair = isinstance(ends, list | tuple) and len(ends) == 2
            numbers = pair and all(isinstance(end, int | float) for end in ends)
            if str(key) not in values or not numbers or not ends[0] <= values[str(key)] <= ends[1]:
                msg = (
                    f"`{name}` must be (low, high) about the number of a label of `slopes`; of "
                    f"{value_text(key)} it is {value_text(ends)}."
                )
                raise InvalidInputError(msg)
            checked[str(key)] = (float(ends[0]), float(ends[1]))
        object.__setattr__(self, name, frozen(checked))

    @classmethod
    def fit(
        cls,
        logits: ArrayLike,
        labels: ArrayLike | Positions,
        *,
        groups: ArrayLike,
        weights: ArrayLike | None = None,
    ) -> Self:
        """Return the line of each label.

        Parameters
        ----------
        logits : array_like, shape (m, 2)
            Entries of a label matrix, (0, log-odds).
        labels : array_like, shape (m,)
            1 where the label applies, else 0.
        groups : array_like, shape (m,)
            The label's name.
        weights : array_like, shape (m,), optional
            Finite, >= 0; they count by their ratios.

        Returns
        -------
        LabelPlattScaling
            With its `record`.

        Raises
        ------
        InvalidInputError
            As in `PlattScaling.fit`.
        NoOptimumError
            `reason` is `"no-rows"`, `"empty-class"` (no label is ever, or all are always true),
            `"constant-logits"` or `"worse-than-chance"`.
        """
        rows = Training.check(logits, labels, weights=weights, groups=groups, refuse_probs=False)
        return cls.from_rows(rows)

    @classmethod
    def from_rows(cls, rows: Training) -> Self:
        """Return the line of each label of rows that have been checked; groups are the labels."""
        assert rows.groups is not None  # noqa: S101  (of `fit`, or of the entries of a matrix)
        of_row = rows.groups
        w = np.ones(rows.n) if rows.weights is None else rows.weights
        has_weight = w > 0.0
        odds, hit = log_odds(as_float64(rows.logits)), rows.labels == 1
        outcomes = TwoClasses.from_odds(odds, hit, w)
        names, part = np.unique(of_row[has_weight], return_inverse=True)
        lines = shared_lines(outcomes.odds, outcomes.hit, outcomes.weights, part)
        positive = np.bincount(part, outcomes.weights * outcomes.hit, len(names))
        rarer = np.minimum(positive, np.bincount(part, outcomes.weights, len(names)) - positive)
        # weights count by their ratios: as many rows as are worth as much
        rarer = rarer * (outcomes.weights.sum() / (outcomes.weights @ outcomes.weights))
        few = [str(name) for name, count in zip(names, rarer, strict=True) if count < FEW_EVENTS]
        fitted = cls(
            lines.slope,
            lines.intercept,
            dict(zip(names.tolist(), lines.slopes.tolist(), strict=True)),
            dict(zip(names.tolist(), lines.intercepts.tolist(), strict=True)),
            few_events=tuple(few),
            slope_spread=lines.slope_spread,
            intercept_spread=lines.intercept_spread,
        )
        scaled = fitted.scaled_rows(as_float64(rows.logits), of_row)
        after = replace(rows, logits=scaled, weights=rows.weights)
        record = rows.record(lambda block: block, passes=lines.passes)
        sums = after.at_one()
        return replace(fitted, record=replace(record, log_loss_after=sums.loss / sums.weight))

    def with_intervals(
        self,
        logits: Array,
        labels: NDArray[np.intp],
        *,
        groups: NDArray[np.str_],
        weights: Array | None = None,
        clusters: NDArray[np.intp] | None = None,
    ) -> Self:
        """Return the same lines with their intervals by the entries of the fit.

        `clusters` (m,) say which entries belong together, the rows of the label matrix if nothing
        else; one row has at most one entry of a label.
        """
        w = np.ones(len(groups)) if weights is None else weights
        has_weight = w > 0.0
        names, part = np.unique(groups[has_weight], return_inverse=True)
        units = None
        if clusters is not None:
            units = np.unique(clusters[has_weight], return_inverse=True)[1]
            pairs = part * (int(units.max(initial=0)) + 1) + units
            if len(np.unique(pairs)) == len(pairs):
                units = None  # every entry of a label is a cluster of its own
        odds, hit = log_odds(as_float64(logits))[has_weight], (labels == 1)[has_weight] * 1.0
        intervals = line_intervals(odds, hit, w[has_weight], part, len(names), clusters=units)
        of_slopes, of_intercepts = (
            {
                str(name): (min(low, values[str(name)]), max(high, values[str(name)]))
                for name, (low, high) in zip(names, ends.tolist(), strict=True)
            }
            for ends, values in (
                (intervals.slopes, self.slopes),
                (intervals.intercepts, self.intercepts),
            )
        )
        return replace(self, slope_intervals=of_slopes, intercept_intervals=of_intercepts)

    def scaled_rows(self, block: Array, groups: NDArray[np.str_] | None) -> Array:
        """Return calibrated logits (0, log-odds), (m, 2), of entries and their labels' names.

        Labels that the fit has not seen get the common line.
        """
        slopes, intercepts = self.lines_of(groups, n=len(block))
        with np.errstate(over="ignore"):
            return with_log_odds(block, slopes * log_odds(block) + intercepts)

    def lines_of(self, groups: ArrayLike | None, *, n: int) -> tuple[Array, Array]:
        """Return slope and intercept of each row, (n,)."""
        if groups is None:
            return np.full(n, self.slope), np.full(n, self.intercept)
        names, number = np.unique(as_known_names(groups, n=n), return_inverse=True)
        slopes = [self.slopes.get(str(name), self.slope) for name in names]
        intercepts = [self.intercepts.get(str(name), self.intercept) for name in names]
        return np.array(slopes)[number], np.array(intercepts)[number]

    def scaled(self, block: Array) -> Array:
        """Return calibrated logits of entries of no known label: those of the common line."""
        return self.scaled_rows(block, None)

    def parameters(self) -> dict[str, Any]:
        """Return the common line, each label's, and what is known about them."""
        return {
            "slope": self.slope,
            "intercept": self.intercept,
            "slopes": dict(self.slopes),
            "intercepts": dict(self.intercepts),
            "few_events": list(self.few_events),
            "slope_spread": self.slope_spread,
            "intercept_spread": self.intercept_spread,
            **{
                name: {key: _interval_json(ends) for key, ends in getattr(self, name).items()}
                for name in ("slope_intervals", "intercept_intervals")
                if getattr(self, name)
            },
        }

    def parameter_intervals(self) -> dict[str, tuple[float, float]]:
        """Return the intervals of each label's slope and intercept, by their paths."""
        return {
            f"{number}s[{key}]": ends
            for number in ("slope", "intercept")
            for key, ends in getattr(self, f"{number}_intervals").items()
        }

    def operations(self) -> tuple[Operation, ...]:
        """Return the common line of the log-odds, as `scaled` takes it, and the softmax."""
        line = Affine((self.slope,), (self.intercept,))
        return (LogOdds(), line, WithZero(), Softmax())

    @classmethod
    def from_parameters(cls, parameters: JsonObject, **common: Any) -> Self:  # noqa: ANN401
        """Return the calibrator of `parameters()`."""
        slopes, intercepts = parameters.section("slopes"), parameters.section("intercepts")
        return cls(
            parameters.number("slope"),
            parameters.number("intercept"),
            {name: slopes.number(name) for name in slopes.values},
            {name: intercepts.number(name) for name in intercepts.values},
            few_events=parameters.texts("few_events"),
            slope_spread=parameters.number("slope_spread"),
            intercept_spread=parameters.number("intercept_spread"),
            slope_intervals=_intervals_from(parameters, "slope_intervals"),
            intercept_intervals=_intervals_from(parameters, "intercept_intervals"),
            **common,
        )

    @property
    def parts(self) -> MapParts:
        """The line of each label."""
        return MapParts(labels=self._label_lines())

    def _label_lines(self) -> LabelLines:
        """Return the lines, that whose intercept is farthest from the common one first."""

        def nearness(name: str) -> tuple[float, str]:
            return -abs(self.intercepts[name] - self.intercept), name

        lines = (
            LabelLine(
                name,
                self.slopes[name], self.slope_intervals.get(name),
                self.intercepts[name], self.intercept_intervals.get(name),
                name in self.few_events,
            )
            for name in sorted(self.slopes, key=nearness)
        )  # fmt: skip
        return LabelLines(self.slope, self.intercept, tuple(lines))

    def tables(self) -> list[Table]:
        """Return the table of the labels' lines."""
        return [line_table(self._label_lines().lines)]

    def facts(self) -> list[tuple[str, str]]:
        """Return the range of slopes and intercepts, and labels of few events."""
        facts = [
            (name, _range(each))
            for name, each in (("slopes", self.slopes), ("intercepts", self.intercepts))
            if each
        ]
        if self.few_events:
            more = ["..."] if len(self.few_events) > _SHOWN else []
            names = ", ".join([*self.few_events[:_SHOWN], *more])
            facts.append((f"fewer than {FEW_EVENTS:g} events, near the common line", names))
        return facts


def line_table(lines: tuple[LabelLine, ...]) -> Table:
    """Return each label's line with its 95 % intervals, farthest from the common one first."""
    rows = tuple(
        (
            each.name,
            *number_cells(each.slope, each.slope_interval),
            *number_cells(each.intercept, each.intercept_interval),
            "few events: near the common line" if each.few_events else "",
        )
        for each in lines[:_MOST_ROWS]
    )
    rest = len(lines) - len(rows)
    caption = f"{rest:,} more labels, nearer to the common line" if rest else ""
    columns = ("label", "slope", "95 %", "intercept", "95 %", "")
    return Table(columns, rows, caption=caption, words=frozenset({5}))


def number_cells(value: float, ends: tuple[float, float] | None) -> tuple[str, str]:
    """Return a number and its interval: "0.4 to 0.6", "0.4 and more", "up to 0.6", "any"."""
    if ends is None:
        return number_text(value), ""
    low, high = ends
    if high == inf:
        return number_text(value), "any" if low in {0.0, -inf} else f"{number_text(low)} and more"
    if low == -inf:
        return number_text(value), f"up to {number_text(high)}"
    return number_text(value), interval_text(low, high)


def _interval_json(ends: tuple[float, float]) -> dict[str, float | None]:
    """Return an interval for JSON: an infinite end is None."""
    low, high = (end if isfinite(end) else None for end in ends)
    return {"low": low, "high": high}


def _intervals_from(parameters: JsonObject, name: str) -> dict[str, tuple[float, float]]:
    if not parameters.has(name):
        return {}
    section = parameters.section(name)
    if not section.values:
        parameters.refuse(name, "intervals of one label or more, or not there")
    intervals = {}
    for key in section.values:
        ends = section.section(key)
        low = ends.number("low") if ends.has("low") else -inf
        intervals[key] = (low, ends.number("high") if ends.has("high") else inf)
        ends.require_all_asked()
    return intervals


def _range(each: Mapping[str, float]) -> str:
    low, high = min(each, key=each.__getitem__), max(each, key=each.__getitem__)
    if low == high:
        return f"{each[low]:.3f}"
    return f"{each[low]:.3f} ({low}) to {each[high]:.3f} ({high})"
