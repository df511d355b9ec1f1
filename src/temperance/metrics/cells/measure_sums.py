"""One event on the fine grid: its calibration errors and its CORP diagram, from sums."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import asinh
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple, Self

import numpy as np

from temperance.binning import BinSums
from temperance.crossfit import are_drawn
from temperance.kernels.affine import JointSums, joint_sums
from temperance.metrics.cells.cell_sums import drawn_sums
from temperance.metrics.corp import corp_of_sums
from temperance.metrics.cox import line_test, refuted_test
from temperance.metrics.decomposition import ScoreDecomposition, corp_sums, isotonic
from temperance.metrics.error_measures import binned_error, debiased_square, ks_error, smooth_error
from temperance.metrics.estimates import Draws
from temperance.metrics.events import GRID_POINTS, named_event
from temperance.metrics.joint_tests import (
    CalibrationTests,
    joint_rows,
    joint_test,
    too_many_classes,
)
from temperance.metrics.reliability import ReliabilityCurve
from temperance.metrics.weak_calibration import EventOdds
from temperance.metrics.z_tests import (
    SHARPNESS,
    brier_terms,
    impossible,
    in_the_large_signs,
    log_odds,
    residuals,
    temperature_scores_of,
)
from temperance.significance import CalibrationTest
from temperance.sums import MergeableSums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.metrics.cells.cell_sums import CellSums, ProbabilityGrid
    from temperance.metrics.cells.class_sums import Binned
    from temperance.metrics.corp import CorpReliability
    from temperance.metrics.cox import CoxTest
    from temperance.metrics.decomposition import Score
    from temperance.metrics.events import EventName
    from temperance.metrics.inputs import Predictions
    from temperance.metrics.weak_calibration import WeakCalibration

    Array = NDArray[np.float64]

__all__ = ["CalibrationTestSums", "EventSums", "FlattenedSums", "JointRows"]

# One event on the fine grid: its calibration errors and its CORP diagram, from sums.


_SCORES: Final[tuple[Score, ...]] = ("brier", "log")


@dataclass(frozen=True, slots=True, eq=False)
class EventSums:
    """The merged sums of an event, ready to be read; every resample is drawn from them.

    A coarser set of cells is drawn for each measure: its bins, ranks or points.
    """

    name: EventName
    cells: CellSums
    grid: ProbabilityGrid
    n_resamples: int
    source: list[int]  # of random numbers
    doubt: float  # 1 / effective number of rows

    ERRORS: ClassVar[tuple[str, ...]] = ("ece", "ece_equal_mass", "debiased", "smooth", "ks")

    def error(self, name: str) -> Draws:
        """Return the draws of one of `ERRORS`; those of "debiased" are of its square."""
        grid, n_bins = self.grid, self.grid.n_bins
        if name == "ece":
            return self._split(binned_error(self._resampled(0, grid.bins, n_bins)))
        if name == "smooth":
            return self._split(smooth_error(self._resampled(2, grid.points, GRID_POINTS)))
        if name == "ks":
            exact = float(ks_error(self.cells.bin_sums()))
            return self._split(ks_error(self._resampled(3, *grid.ranks(self.cells))), value=exact)
        equal_mass = self._resampled(1, grid.equal_mass(self.cells)[0], n_bins)
        if name == "ece_equal_mass":
            return self._split(binned_error(equal_mass))
        return self._split(debiased_square(equal_mass), squared=True)

    def errors_off(self) -> dict[str, float]:
        """Return how far the errors that look into cells may be from those of the rows.

        A row moved from one bin to the next changes two gaps; a running total that is looked at
        within a cell leaves what it is at the cell's ends by some of the cell's rows.
        """
        part = self.cells.largest_part / self.cells.weight.sum()
        part[self.grid.single | (self.cells.count.sum(axis=0) <= 1.0)] = 0.0
        ends = np.unique(self.grid.equal_mass(self.cells)[1])
        return {"ece_equal_mass": 2.0 * float(part[ends].sum()), "ks": float(part.max())}

    def reliability(self) -> ReliabilityCurve:
        """Return the numbers of the binned diagram."""
        sums = self.cells.regrouped(self.grid.bins, self.grid.n_bins).bin_sums()
        return ReliabilityCurve.from_sums(sums, self.grid.bin_edges)

    def corp(
        self, scores: dict[Score, float]
    ) -> tuple[CorpReliability, ScoreDecomposition, dict[str, Draws]]:
        """Return the diagram, the parts of the log score, and draws of the Brier parts.

        `scores` are the event's mean scores, which need no grid.
        """
        sums = self.cells.bin_sums()
        exact = {score: _decomposed(sums, score, scores[score]) for score in _SCORES}
        curve, draws = corp_of_sums(
            self.name,
            self._resampled(4, *self.grid.ranks(self.cells)),
            self.n_resamples,
            exact=exact["brier"],
            doubt=self.doubt,
        )
        return curve, exact["log"], draws

    def miscalibration_off(self) -> float:
        """Return by how much the miscalibration, and the discrimination, may be too small.

        No order of a cell's rows lets a rising curve fit better than misses before hits.
        """
        cells, single = self.cells, self.grid.single
        weight = np.where(single, [cells.weight.sum(axis=0), 0.0 * single], cells.weight)
        hits = np.where(single, [cells.weight[1], 0.0 * single], [0.0 * single, cells.weight[1]])
        zero = np.zeros(2 * len(single))
        best = BinSums(zero, weight.T.ravel(), zero, zero, hits.T.ravel())
        gained = [
            float(corp_sums(each, isotonic(each), score="brier").discrimination)
            for each in (cells.bin_sums(), best)
        ]
        return max(gained[1] - gained[0], 0.0)

    def _resampled(self, stream: int, places: NDArray[np.intp], n_places: int) -> BinSums:
        coarse = self.cells.regrouped(places, n_places)
        return drawn_sums(coarse, self.n_resamples, seed=[*self.source, stream])

    def _split(
        self, statistic: NDArray[np.float64], *, value: float | None = None, squared: bool = False
    ) -> Draws:
        return Draws.split(
            statistic, self.n_resamples, doubt=self.doubt, value=value, squared=squared
        )


def _decomposed(sums: BinSums, score: Score, mean: float) -> ScoreDecomposition:
    """Return the parts of a mean score, of which only the recalibrated one needs the cells."""
    parts = corp_sums(sums, isotonic(sums), score=score)
    gained, flat = float(parts.discrimination), float(parts.uncertainty)
    return ScoreDecomposition(mean, mean - (flat - gained), gained, flat)


# Tests of calibration, Cox's line and the flattened error from sums over rows.


# Cox's line from sums: rows of nearly equal log-odds share a cell and its mean log-odds.


_PER_UNIT = 128.0  # cells per unit of asinh(log-odds): 1/128 wide at even odds, wider far out
_FAR = 1e4  # log-odds beyond it share a cell
_HALF = int(_PER_UNIT * asinh(_FAR)) + 1
_CELLS = 2 * _HALF + 1


@dataclass(frozen=True, slots=True, eq=False)
class LineSums(MergeableSums):
    """Sums over rows of finite log-odds, (2, cells): where the event failed, where it happened."""

    degrees = {"squared_weight": 2, "certain_squared": 2}  # noqa: RUF012

    refuted: int  # rows of probability 0 or 1 that came out otherwise
    weight: Array  # sum w
    squared_weight: Array  # sum w^2
    odds: Array  # sum w log-odds
    certain: Array  # (2, 2): sum w where the probability is 0 or 1, by the outcome
    certain_squared: Array  # sum w^2
    n_hits: int  # rows in which it happened
    n: int

    @classmethod
    def of(cls, odds: Array, hit: NDArray[np.bool_], weights: Array | None) -> Self:
        """Return the sums of a block of rows of weight above 0."""
        chance = np.isfinite(odds)
        refuted = int(np.count_nonzero((hit != (odds > 0)) & ~chance))
        n, n_hits = len(hit), int(np.count_nonzero(hit))
        every = np.ones(n) if weights is None else weights
        sure = (2 * (odds > 0) + hit)[~chance]
        certain, squared = (
            np.bincount(sure, each[~chance], 4).astype(np.float64).reshape(2, 2)
            for each in (every, every * every)
        )
        odds, hit, w = odds[chance], hit[chance], every[chance]
        cell = np.rint(_PER_UNIT * np.arcsinh(np.clip(odds, -_FAR, _FAR))).astype(np.intp)
        at = hit * _CELLS + cell + _HALF

        def total(values: Array) -> Array:
            return np.bincount(at, values, 2 * _CELLS).astype(np.float64).reshape(2, _CELLS)

        return cls(refuted, total(w), total(w * w), total(w * odds), certain, squared, n_hits, n)

    def weak_calibration(self, event: EventName) -> WeakCalibration:
        """Return intercept, slope and ratio of the cells, each at its mean log-odds."""
        occupied, sure = self.weight > 0.0, self.certain > 0.0
        happened = np.broadcast_to([[False], [True]], occupied.shape)
        infinite = np.array([[-np.inf, -np.inf], [np.inf, np.inf]])
        rows = EventOdds(
            np.concatenate([self.odds[occupied] / self.weight[occupied], infinite[sure]]),
            np.concatenate([happened[occupied], np.array([[False, True]] * 2)[sure]]),
            np.concatenate([self.weight[occupied], self.certain[sure]]),
            squared_weights=np.concatenate(
                [self.squared_weight[occupied], self.certain_squared[sure]]
            ),
        )
        return rows.measure(event, n=self.n, n_events=self.n_hits)

    def test(self) -> CoxTest:
        """Return Cox's test; `line_test` of the cells, each at its mean log-odds."""
        if self.refuted:
            return refuted_test(self.refuted)
        occupied = self.weight > 0.0
        weight = self.weight[occupied]
        hit = np.broadcast_to([[False], [True]], occupied.shape)[occupied]
        return line_test(
            self.odds[occupied] / weight, hit, weight, squared_weights=self.squared_weight[occupied]
        )


# All n k probabilities in one set of bins: each row adds a vector of gaps.


@dataclass(frozen=True, slots=True, eq=False)
class FlattenedSums(MergeableSums):
    """Sums of each row's gaps g = q - e per bin, and of their covariances.

    q = the row's probability that lies in the bin, over classes; e = 1 in the bin of the true
    class's probability. The row's weight comes last in the sums of products.
    """

    degrees = {"products": 2, "null_covariance": 2}  # noqa: RUF012

    gap: Array  # (n_bins,): sum w g
    weight: float  # sum w
    products: Array  # (n_bins + 1, n_bins + 1): sum w^2 (g, 1)(g, 1)'
    null_covariance: Array  # (n_bins, n_bins): sum w^2 (diag q - q q')

    @classmethod
    def of(cls, rows: Predictions, binned: Binned) -> Self:
        """Return the sums of a block of rows."""
        n, n_bins = len(rows.labels), binned.n_bins
        w = np.ones(n) if rows.weights is None else rows.weights
        sums = np.bincount(binned.row * n_bins + binned.bins, binned.probability, n * n_bins)
        bin_sums = sums.astype(np.float64).reshape(n, n_bins)
        bin_sums[:, 0] += binned.low.sum(axis=1)
        weighted = w[:, None] * bin_sums
        gap: Array = np.append(bin_sums, np.ones((n, 1)), axis=1)
        gap[np.arange(n), binned.label_bin] -= 1.0
        gap *= w[:, None]
        null: Array = np.diag(w @ weighted) - weighted.T @ weighted
        return cls(gap[:, :-1].sum(axis=0), float(w.sum()), gap.T @ gap, null)

    def draws(self, k: int, n_resamples: int, doubt: float, *, seed: list[int]) -> Draws:
        """Return the error, and normal draws of it: sums of many rows are nearly normal."""
        rng = np.random.default_rng([*seed, 8])
        total = k * self.weight
        moved = _normal(self.products, n_resamples, rng)
        change = moved[:, :-1] - moved[:, -1:] * (self.gap / self.weight)  # of gap / weight
        null = _normal(self.null_covariance, n_resamples, rng)
        return Draws(
            float(np.abs(self.gap).sum()) / total,
            np.abs(self.gap + change).sum(axis=1) / total,
            np.abs(null).sum(axis=1) / total,
            doubt,
        )


def _normal(covariance: Array, n_draws: int, rng: np.random.Generator) -> Array:
    """Return normal vectors of mean 0: by the symmetric root, which rounding hardly moves."""
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return np.asarray(rng.standard_normal((n_draws, len(covariance))) @ root)


# Tests of calibration from sums: all but Cox's line are sums over rows anyway.


@dataclass(frozen=True, slots=True)
class ScoreSums(MergeableSums):
    """A sum of scores of mean 0 under calibration, and its variance."""

    degrees = {"variance": 2}  # noqa: RUF012

    total: float  # sum w s
    variance: float  # sum w^2 Var s

    @classmethod
    def of(
        cls,
        scores: NDArray[np.float64],
        variances: NDArray[np.float64],
        weights: NDArray[np.float64] | None,
    ) -> Self:
        """Return the sums of a block of rows."""
        if weights is None:
            return cls(float(scores.sum()), float(variances.sum()))
        return cls(float(weights @ scores), float((weights * weights) @ variances))


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationTestSums(MergeableSums):
    """Sums over the rows of weight above 0."""

    impossible: int  # rows whose true class has probability 0, which the next two leave out
    temperature: ScoreSums
    joint: JointOfSome
    brier: ScoreSums  # of the event, as the next two
    large: ScoreSums
    line: LineSums

    @classmethod
    def of(cls, block: Predictions, *, first: int, joint: JointRows) -> Self:
        """Return the sums of a block, whose first row has the number `first` in the data."""
        in_sample = joint.of(first, *block.shape)
        rows, in_sample = _where(
            block, in_sample, None if block.weights is None else block.weights > 0.0
        )
        event = named_event(rows, None)
        odds = log_odds(rows, event)
        residual, c, opposite = residuals(odds, event.hit)
        count = int(np.count_nonzero(np.isinf(rows.log_loss)))
        possible, in_sample = _where(rows, in_sample, np.isfinite(rows.log_loss))
        return cls(
            impossible=count,
            temperature=ScoreSums.of(*temperature_scores_of(possible), possible.weights),
            joint=JointOfSome.of(possible, in_sample, joint),
            brier=ScoreSums.of(*brier_terms(residual, c, opposite), rows.weights),
            large=ScoreSums.of(residual, c * opposite, rows.weights),
            line=LineSums.of(odds, event.hit, rows.weights),
        )

    def tests(
        self, k: int, event: EventName, *, ece_p_value: float, miscalibration_p_value: float
    ) -> CalibrationTests:
        """Return all tests; those that the data do not allow say why."""
        return CalibrationTests(
            score=self._score(),
            class_bias=self._joint("class-bias", k, first=1),
            joint=self._joint("joint-score", k, first=0),
            in_the_large=CalibrationTest.normal(
                "calibration-in-the-large",
                self.large.total,
                self.large.variance,
                in_the_large_signs(event),
            ),
            spiegelhalter=CalibrationTest.normal(
                "spiegelhalter", self.brier.total, self.brier.variance, SHARPNESS
            ),
            cox=self.line.test(),
            ece_p_value=ece_p_value,
            miscalibration_p_value=miscalibration_p_value,
        )

    def _score(self) -> CalibrationTest:
        if reason := impossible(self.impossible):
            return CalibrationTest.undefined("score", reason)
        scores = self.temperature
        return CalibrationTest.normal("score", scores.total, scores.variance, SHARPNESS)

    def _joint(self, name: str, k: int, *, first: int) -> CalibrationTest:
        if reason := too_many_classes(k) or impossible(self.impossible):
            return CalibrationTest.undefined(name, reason)
        if reason := self.joint.reason:
            return CalibrationTest.undefined(name, reason)
        sums = self.joint.sums
        if sums is None:  # the rows that were looked at have no weight
            return CalibrationTest.undefined(name, "no row has a weight above 0")
        test = joint_test(name, sums.score, sums.covariance, first=first)
        return replace(test, n_rows=self.joint.n if self.joint.n < self.joint.of_rows else None)


class JointRows(NamedTuple):
    """Which rows of blocks the tests of all classes look at.

    Of n rows those that are drawn (`are_drawn`); where n is not known all of them, if there turn
    out to be no more than are looked at.
    """

    needed: bool
    n: int | None

    def of(self, first: int, n: int, k: int) -> NDArray[np.bool_]:
        """Whether each of the n rows of a block is looked at, (n,)."""
        most = joint_rows(k)
        if not self.needed or not most:
            return np.zeros(n, dtype=np.bool_)
        if self.n is None:
            return np.arange(first, first + n) < most
        return are_drawn(first, n, of=self.n, most=most)


@dataclass(frozen=True, slots=True, eq=False)
class JointOfSome(MergeableSums):
    """Sums of scores of all parameters over the rows that `JointRows` names."""

    n: int  # rows that were summed
    of_rows: int
    rows: JointRows
    sums: JointSums | None  # None where no row was

    @classmethod
    def of(cls, rows: Predictions, in_sample: NDArray[np.bool_], which: JointRows) -> Self:
        """Return the sums of the chosen rows of a block."""
        some, _ = _where(rows, in_sample, in_sample)
        n, n_rows = len(some.labels), len(rows.labels)
        sums = joint_sums(some.logits, some.labels, some.weights) if n else None
        return cls(n, n_rows, which, sums)

    @property
    def reason(self) -> str | None:
        """Why there is no test; None if there is."""
        if not self.rows.needed:
            return '`measures` does not name "tests", so the blocks were not read for this one'
        if self.rows.n is None and self.n < self.of_rows:  # the first ones: perhaps of some classes
            return (
                f"{self.of_rows:,} rows, more than this test looks at ({self.n:,}), whose number "
                "was not known when they were read: give it as `n_rows`"
            )
        return None

    def merge(self, other: Self) -> Self:
        """Return the sums over the rows of both."""
        one, two = self.sums, other.sums
        sums = one.merge(two) if one is not None and two is not None else one or two
        return type(self)(self.n + other.n, self.of_rows + other.of_rows, self.rows, sums)

    def rescaled(self, exponent: int) -> Self:
        """Return the sums as they would be if every weight were 2^exponent times as large."""
        return replace(self, sums=None if self.sums is None else self.sums.rescaled(exponent))


def _where(
    rows: Predictions, in_sample: NDArray[np.bool_], which: NDArray[np.bool_] | None
) -> tuple[Predictions, NDArray[np.bool_]]:
    """Return some of the rows, and which of these are chosen."""
    if which is None or which.all():
        return rows, in_sample
    return rows.taken(np.flatnonzero(which)), in_sample[which]
