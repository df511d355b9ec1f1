"""A measured number with its uncertainty."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, isfinite, isnan, sqrt
from typing import TYPE_CHECKING

import numpy as np

from temperance.frozen import Plain
from temperance.numerics import normal_quantile, t_quantile, two_sided_p
from temperance.significance import LEVEL, holm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from temperance.metrics.implied import GapSums, ImpliedSums
    from temperance.sums import MeanSums

__all__ = [
    "CalibrationError",
    "Draws",
    "Estimate",
    "NullBand",
    "apart_from_zero",
    "biased_classes",
    "calibration_errors",
    "difference_estimate",
    "gap_error",
    "gap_estimate",
    "mean_estimate",
    "score_estimate",
    "share_estimate",
    "share_estimates",
    "wilson_interval",
]

_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measured value with the ends of its 95 % confidence interval, low <= value <= high."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float | None]:
        """Return the three numbers; None where one is infinite or undefined (JSON has neither)."""
        pairs = (("value", self.value), ("low", self.low), ("high", self.high))
        return {name: number if isfinite(number) else None for name, number in pairs}


def apart_from_zero(estimates: Sequence[Estimate]) -> list[bool]:
    """Return which of several estimates differ from 0, at 5 % over all of them together (Holm).

    Each interval by itself leaves out 0 in one of twenty cases where the truth is 0, and one of ten
    in four of ten. The p-value of one is that of a normal: 1.96 times the value over its distance
    to the end towards 0. What is infinite differs for certain, what is undefined does not.

    >>> both = Estimate(2.1, 0.1, 4.1), Estimate(-9.0, -11.0, -7.0)
    >>> apart_from_zero(both[:1]), apart_from_zero(both), apart_from_zero([both[0]] * 2)
    ([True], [True, True], [False, False])
    """
    p_values = []
    for each in estimates:
        away = each.value - each.low if each.value > 0.0 else each.high - each.value
        if isnan(each.value) or each.value == 0.0:
            p_values.append(1.0)
        elif not isfinite(each.value) or away == 0.0:
            p_values.append(0.0)
        else:
            p_values.append(two_sided_p(normal_quantile(_LEVEL) * each.value / away))
    return [p < LEVEL for p in holm(p_values)]


def biased_classes(biases: Mapping[str, Estimate]) -> dict[str, bool]:
    """Return which classes are claimed too often or too rarely, at 5 % over all of them together.

    Biases of two classes are one question, asked once. One without an interval is not known.

    >>> biased_classes({"A": Estimate(-0.3, -0.5, -0.1), "B": Estimate(0.3, 0.1, 0.5)})
    {'A': True, 'B': True}
    >>> biased_classes({"A": Estimate(2.1, 0.1, 4.1), "B": Estimate(0.0, 0.0, 0.0)})
    {'A': True, 'B': False}
    """
    known = {name: each for name, each in biases.items() if each.low < each.high}
    asked = list(known.values())
    apart = apart_from_zero(asked[:1]) * 2 if len(biases) == 2 else apart_from_zero(asked)
    return dict.fromkeys(biases, False) | dict(zip(known, apart, strict=False))


@dataclass(frozen=True, slots=True)
class NullBand(Plain):
    """What an error would be if the model were *perfectly calibrated*, with these confidences.

    An error at or below `high` is no evidence of miscalibration.
    """

    mean: float
    high: float  # 95 % of perfectly calibrated models stay at or below


@dataclass(frozen=True, slots=True)
class CalibrationError:
    """An error of calibration, the band that chance explains, and the p-value against chance.

    `estimate` is None for errors of every class's cells or curve (classwise, top-label-conditional,
    the Brier score's miscalibration summed over classes): what bootstrap intervals allow for is
    less than their bias, and they held the truth in as few as .65, .45 and .73 of samples. Band and
    p-value hold for them too.
    """

    value: float  # 0 is best
    estimate: Estimate | None  # with an interval; None where none is known to cover
    null: NullBand
    p_value: float  # share of calibrated worlds whose error is as large, in (0, 1]

    def to_dict(self) -> dict[str, float | None]:
        """Return value, low, high, null_mean, null_high and p_value."""
        ends = {"low": None, "high": None} if self.estimate is None else self.estimate.to_dict()
        null = {"null_mean": self.null.mean, "null_high": self.null.high}
        return {"value": self.value, **ends, **null, "p_value": self.p_value}

    def without_interval(self) -> CalibrationError:
        """Return the same error, of which no interval is shown."""
        return replace(self, estimate=None)


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """A statistic of the data, of resamples of them, and of labels drawn from the model."""

    value: float
    resampled: NDArray[np.float64]  # (B,)
    null: NDArray[np.float64]  # (N,)
    doubt: float  # 1 / effective number of rows: what one row not seen could change

    @classmethod
    def split(
        cls,
        statistic: NDArray[np.float64],
        n_resamples: int,
        *,
        doubt: float,
        value: float | None = None,
        squared: bool = False,
    ) -> Draws:
        """Cut a statistic of all sums, (1 + B + N,), in its three parts.

        `value` is the statistic itself where the sums only come near it (ranks beyond 1,000);
        the draws are moved by the same step. `squared`: it is a gap squared, so a doubt of the
        gap becomes (gap + doubt)^2 - gap^2.
        """
        shift = 0.0 if value is None else value - float(statistic[0])
        moved = statistic + shift
        cut = 1 + n_resamples
        if squared:
            doubt *= 2.0 * sqrt(max(float(moved[0]), 0.0)) + doubt
        return cls(float(moved[0]), moved[1:cut], moved[cut:], doubt)

    def root(self) -> Draws:
        """Return the root of a debiased square, cut at 0."""
        value, resampled, null = (
            np.sqrt(np.maximum(part, 0.0)) for part in (self.value, self.resampled, self.null)
        )
        return Draws(float(value), resampled, null, self.doubt)

    @property
    def spread(self) -> float:
        """Standard error: of the resamples, and never less than the doubt."""
        return sqrt(float(self.resampled.var()) + self.doubt**2)

    @property
    def _resampling_bias(self) -> float:
        """Twice what resampling adds to an error, for it shows about half of what sampling does."""
        return 2.0 * max(float(self.resampled.mean()) - self.value, 0.0)

    def null_band(self) -> NullBand:
        """Return mean and 95 % quantile under calibration."""
        return NullBand(float(self.null.mean()), float(np.quantile(self.null, _LEVEL)))

    def p_value(self) -> float:
        """Return the share of null draws as large as the value, which counts as one of them."""
        reached = np.count_nonzero(self.null >= self.value * (1.0 - 1e-12))
        return float(1 + reached) / (1 + len(self.null))

    def estimate(self, bounds: tuple[float, float]) -> Estimate:
        """Return the value with the basic bootstrap interval, cut at the measure's `bounds`."""
        ends = np.quantile(self.resampled, [0.5 - 0.5 * _LEVEL, 0.5 + 0.5 * _LEVEL])
        low, high = (2.0 * self.value - ends[::-1]).tolist()
        low = min(low, self.value - normal_quantile(_LEVEL) * self.doubt)
        high = max(high, self.value + normal_quantile(_LEVEL) * self.doubt)
        return Estimate(
            self.value,
            min(max(low, bounds[0]), self.value),
            max(min(high, bounds[1]), self.value),
        )

    def calibration_error(self) -> CalibrationError:
        """Return an error >= 0 that chance pushes upwards; see `calibration_errors`."""
        statistic = np.concatenate([[self.value], self.resampled, self.null])
        return calibration_errors(statistic[None], len(self.resampled), doubt=self.doubt)[0]

    def without_interval(self) -> CalibrationError:
        """Return an error of which resamples show too little: its null band and p-value alone."""
        return CalibrationError(self.value, None, self.null_band(), self.p_value())

    def root_error(self) -> CalibrationError:
        """Return the root of a debiased square: a normal interval of the square, cut at 0."""
        half = normal_quantile(_LEVEL) * self.spread
        ends = (self.value, self.value - half, min(self.value + half, 1.0))
        value, low, high = (sqrt(max(end, 0.0)) for end in ends)
        null = np.sqrt(np.maximum(self.null, 0.0))
        band = NullBand(float(null.mean()), float(np.quantile(null, _LEVEL)))
        return CalibrationError(value, Estimate(value, low, high), band, self.p_value())

    def difference(self, baseline: Draws) -> Estimate:
        """Return the basic bootstrap interval of this statistic less the baseline's, paired."""
        value = self.value - baseline.value
        draws = self.resampled - baseline.resampled
        low, high = np.quantile(draws, [0.5 - 0.5 * _LEVEL, 0.5 + 0.5 * _LEVEL]).tolist()
        doubt = (
            0.0 if not draws.any() else normal_quantile(_LEVEL) * max(self.doubt, baseline.doubt)
        )
        return Estimate(
            value, min(2.0 * value - high, value - doubt), max(2.0 * value - low, value + doubt)
        )

    def error_difference(self, baseline: Draws) -> Estimate:
        """Return the interval of one calibration error less another, paired.

        Each may be too large by anything from 0 to its bias, and the better calibrated a model
        is the larger its bias: the interval runs from d - own bias - 1.96 standard errors to
        d + baseline's bias + 1.96 standard errors.
        """
        value = self.value - baseline.value
        draws = self.resampled - baseline.resampled
        if not draws.any():
            return Estimate(value, value, value)  # the same probabilities
        doubt = max(self.doubt, baseline.doubt)
        half = normal_quantile(_LEVEL) * sqrt(float(draws.var()) + doubt**2)
        return Estimate(value, value - self._bias() - half, value + baseline._bias() + half)

    def _bias(self) -> float:
        """What sampling may have added to an error: as much as under calibration, if that fits."""
        null = self.null_band()
        return null.mean if self.value <= null.high else self._resampling_bias


def calibration_errors(
    statistics: NDArray[np.float64], n_resamples: int, *, doubt: float
) -> list[CalibrationError]:
    """Return errors >= 0 that chance pushes upwards, with intervals that allow for it.

    `statistics` (m, 1 + B + N) are as in `Draws.split`, of m errors. Low end: e - bias - 1.96
    standard errors, and 0 where the null band reaches e. High end: e + 1.96 standard errors,
    because the bias may be smaller than thought.
    """
    value, cut = statistics[:, 0], 1 + n_resamples
    resampled, null = statistics[:, 1:cut], statistics[:, cut:]
    high_null = np.quantile(null, _LEVEL, axis=-1)
    half = normal_quantile(_LEVEL) * np.sqrt(resampled.var(axis=-1) + doubt**2)
    bias = 2.0 * np.maximum(resampled.mean(axis=-1) - value, 0.0)
    low = np.where(value <= high_null, 0.0, value - bias - half)
    reached = np.count_nonzero(null >= value[:, None] * (1.0 - 1e-12), axis=-1)
    columns = (
        value,
        np.minimum(np.maximum(low, 0.0), value),
        np.maximum(np.minimum(value + half, 1.0), value),
        null.mean(axis=-1),
        high_null,
        (1.0 + reached) / (1 + null.shape[1]),
    )
    return [
        CalibrationError(v, Estimate(v, low, high), NullBand(mean, top), p)
        for v, low, high, mean, top, p in zip(*(each.tolist() for each in columns), strict=True)
    ]


def mean_estimate(sums: MeanSums, index: int, *, bounds: tuple[float, float]) -> Estimate:
    """Return a weighted mean with its normal interval, cut at the `bounds` of the measure.

    With clusters, Student's t of their (effective) number less 1 takes the normal's place.
    """
    mean = sums.mean(index)
    if not isfinite(mean):
        return Estimate(mean, mean, mean)  # infinite, or infinite less infinite: for certain
    half = _half(sums, sums.standard_error(index) ** 2)
    low, high = bounds
    return Estimate(mean, max(mean - half, low), min(mean + half, high))


def score_estimate(
    sums: MeanSums, index: int, implied: ImpliedSums, column: int, *, highest: float
) -> Estimate:
    r"""Return a mean score >= 0 with an interval that allows for errors not seen yet.

    Scores of rare errors are like a compound Poisson sum, whose variance grows with its mean: the
    squared standard error at a mean m is c m, with c the larger of what the rows show,
    SE^2 / mean, and of what the probabilities imply (`ImpliedSums.squared_error` over its mean).
    So the mean stands for mean / c errors of equal cost c.

    Notes
    -----
    High end: the largest m with (mean - m)^2 <= z^2 c m. Low end: c times the 2.5 % quantile of
    a gamma distribution of shape mean / c, the exact end for a Poisson number. Both tend to
    mean -+ 1.96 SE. With clusters c is (t / z)^2 times as large. A model that is certain, and right
    on n rows, may be wrong on a share of 1 - .025^(1/n) of others, at the `highest` cost.

    References
    ----------
    Fay and Feuer (1997), Confidence intervals for directly standardized rates, Statistics in
    Medicine 16, https://doi.org/10.1002/(SICI)1097-0258(19970415)16:7<791::AID-SIM500>3.0.CO;2-#
    (the gamma end).
    """
    mean, expected = sums.mean(index), implied.mean(column)
    if not isfinite(mean):
        return Estimate(mean, mean, mean)
    if mean == 0.0:  # a certain model, right on every row
        n = sums.weight**2 / sums.squared_weight
        return Estimate(0.0, 0.0, highest * (1.0 - (0.5 - 0.5 * _LEVEL) ** (1.0 / n)))
    per_mean = [
        error / of
        for error, of in (
            (sums.standard_error(index) ** 2, mean),
            (implied.squared_error(column), expected),
        )
        if of > 0.0
    ]
    if not per_mean or max(per_mean) == 0.0:
        return Estimate(mean, mean, mean)
    z = normal_quantile(_LEVEL)
    wider = t_quantile(_LEVEL, sums.degrees_of_freedom) / z
    c = max(per_mean) * wider * wider
    if not isfinite(c):
        return Estimate(mean, 0.0, highest)
    from scipy.special import gammaincinv  # noqa: PLC0415  (slow to import)

    shift = 0.5 * z * z * c
    high = mean + shift + sqrt(shift * (shift + 2.0 * mean))
    low = c * float(gammaincinv(mean / c, 0.5 - 0.5 * _LEVEL))
    return Estimate(mean, min(low, mean), max(min(high, highest), mean))


def share_estimate(sums: MeanSums, index: int) -> Estimate:
    """Return a weighted share with its Wilson interval, which is honest at 0, 1 and small n.

    With clusters, Student's t of their (effective) number less 1 takes the normal's place.
    """
    return _shares(sums, [index])[0]


def share_estimates(sums: MeanSums) -> list[Estimate]:
    """Return all weighted shares of the sums, each as `share_estimate` does."""
    return _shares(sums, range(len(sums.total)))


def _shares(sums: MeanSums, indices: Sequence[int]) -> list[Estimate]:
    share = np.clip([sums.mean(each) for each in indices], 0.0, 1.0)
    n = np.array([sums.effective_rows(each) for each in indices])
    quantile = t_quantile(_LEVEL, sums.degrees_of_freedom)
    ends = wilson_interval(share, n, quantile=quantile)
    columns = (each.tolist() for each in (share, *ends))
    return [Estimate(*each) for each in zip(*columns, strict=True)]


def difference_estimate(sums: MeanSums, index: int) -> Estimate:
    """Return a mean of paired differences with its normal interval."""
    return mean_estimate(sums, index, bounds=(-inf, inf))


def gap_estimate(gaps: GapSums, index: int) -> Estimate:
    r"""Return a paired difference of mean scores, with doubt about the rows not seen yet.

    The squared standard error is at least what the two models imply where they are equally good.
    Under the baseline's probabilities the difference has mean a and squared error A, under the
    other's b and B (`ImpliedSums`), a > 0 > b in a proper score; labels drawn from a mixture of
    both have means and variances in between, and where the mean is 0, A (-b) / (a - b) +
    B a / (a - b).

    Notes
    -----
    So no difference is called certain of which chance explains as much, were neither better. The
    interval is d -+ z sqrt(max(SE^2, implied)), and reaches on to every value m with (d - m)^2 <=
    z^2 (implied at the mean m): nearer to one of the models, its variance counts.
    """
    sums = gaps.means
    value = sums.mean(index)
    if not isfinite(value):
        return Estimate(value, value, value)
    error = gap_error(gaps, index)
    z = t_quantile(_LEVEL, sums.degrees_of_freedom)
    half = z * error if error > 0.0 else 0.0
    low, high = value - half, value + half
    implied = _ImpliedLine.of(gaps, index)
    if implied.slope != 0.0 and isfinite(half):
        shift = 0.5 * z * z * implied.slope
        reach = sqrt(shift * shift + z * z * implied.at(value))
        low, high = min(low, value + shift - reach), max(high, value + shift + reach)
    return Estimate(value, low, high)


def gap_error(gaps: GapSums, index: int) -> float:
    """Return the standard error of a paired difference, as `gap_estimate` has it at 0."""
    implied = _ImpliedLine.of(gaps, index).at(0.0)
    return sqrt(max(gaps.means.standard_error(index) ** 2, implied))


@dataclass(frozen=True, slots=True)
class _ImpliedLine:
    """The squared standard error of a difference that two models imply, by its mean."""

    low: float  # mean under the model's own probabilities
    high: float  # and under the baseline's
    at_low: float
    slope: float

    @classmethod
    def of(cls, gaps: GapSums, index: int) -> _ImpliedLine:
        low, high = gaps.own.mean(index), gaps.baseline.mean(index)
        at_low, at_high = (each.squared_error(index) for each in (gaps.own, gaps.baseline))
        if not (low < high and low <= 0.0 <= high and isfinite(at_low + at_high)):
            return cls(0.0, 0.0, max(at_low, at_high), 0.0)  # no mixture is neutral
        return cls(low, high, at_low, (at_high - at_low) / (high - low))

    def at(self, mean: float) -> float:
        return self.at_low + (min(max(mean, self.low), self.high) - self.low) * self.slope


def _half(sums: MeanSums, squared_error: float) -> float:
    """Return half the length of an interval; 0 where there is no error, even of one cluster."""
    if squared_error == 0.0:
        return 0.0
    return t_quantile(_LEVEL, sums.degrees_of_freedom) * sqrt(squared_error)


def wilson_interval(
    share: NDArray[np.float64],
    n: NDArray[np.float64],
    level: float = 0.95,
    *,
    quantile: float | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return Wilson's interval for a share seen in `n` (effective) rows; within [0, 1].

    `quantile`, where given, takes the place of the normal's at `level`.
    """
    q = normal_quantile(level) if quantile is None else quantile
    if q == float("inf"):
        return np.zeros(len(share)), np.ones(len(share))
    centre = (share + q * q / (2.0 * n)) / (1.0 + q * q / n)
    half = q / (1.0 + q * q / n) * np.sqrt(share * (1.0 - share) / n + q * q / (4.0 * n * n))
    return np.clip(centre - half, 0.0, share), np.clip(centre + half, share, 1.0)
