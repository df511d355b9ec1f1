"""Every calibration error once, as a function of sums: of the data, of resamples, of chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from temperance.binning import BinSums
from temperance.blocks import report_step
from temperance.errors import InvalidInputError
from temperance.metrics.estimates import Draws, calibration_errors
from temperance.metrics.events import (
    GRID_POINTS,
    N_RANKS,
    bins_of,
    cells_of_classes,
    class_event,
    grid_of,
    ranks_of,
    top_label_event,
)
from temperance.numerics import row_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from temperance.binning import Binning, SumsPerBin
    from temperance.metrics.estimates import CalibrationError, Estimate
    from temperance.metrics.events import ClassCells, Event, GapsOf
    from temperance.metrics.inputs import Predictions
    from temperance.metrics.resampling import Resampling

__all__ = [
    "ERROR_MEASURES",
    "ERROR_NAMES",
    "ErrorMeasure",
    "binned_error",
    "calibration_error_of",
    "check_norm",
    "class_draws",
    "class_errors",
    "class_null_draws",
    "classwise_square",
    "conditional_error",
    "debiased_square",
    "error_draws",
    "error_gap",
    "flattened_error",
    "ks",
    "ks_draws",
    "ks_error",
    "observed",
    "smooth",
    "smooth_error",
    "top_label_error",
    "top_label_square",
]

# Calibration errors as functions of sums per bin: (..., bins) in, (...) out.


_STEPS = 9  # to 0.0003 at worst, 0.00002 in the middle of real confidences
_SETTLED = 1e-8  # of the equation for the width
_SETTLED_DRAWS = 1e-7  # of draws, of which four digits are shown
_VANISHED = 8.9  # exp(-8.9^2 / 2) = 6e-18
_AT_ONCE = 1 << 17  # gaps: the worlds whose widths are sought together fit the cache


def binned_error(sums: SumsPerBin, norm: float = 1.0) -> NDArray[np.float64]:
    """Norm of the gaps of the bins, weighted by their share of the rows; empty bins count 0."""
    gap, total = np.abs(sums.gap), sums.total
    if norm == 1.0:
        return np.asarray(gap.sum(axis=-1) / total)
    each = np.divide(gap, sums.weight, out=np.zeros_like(gap), where=sums.weight > 0)
    largest = each.max(axis=-1)
    if norm == np.inf:
        return np.asarray(largest)
    # in units of the largest gap, whose power is 1 whatever the norm: none vanishes that counts
    scale = np.where(largest > 0.0, largest, 1.0)
    with np.errstate(under="ignore"):
        powers = (each / scale[..., None]) ** norm
        mean = (sums.weight * powers).sum(axis=-1) / total
        return np.asarray(np.where(largest > 0.0, largest * mean ** (1.0 / norm), 0.0))


def check_norm(norm: float) -> float:
    """Return the norm of an error, at least 1, or raise InvalidInputError."""
    number = isinstance(norm, (int, float, np.integer, np.floating)) and not isinstance(norm, bool)
    if not number or not norm >= 1.0:
        msg = f"`norm` must be at least 1 (math.inf is the largest gap), got {norm!r}."
        raise InvalidInputError(msg)
    try:
        return float(norm)
    except OverflowError:  # a whole number of 400 digits
        return float("inf")


def debiased_square(sums: SumsPerBin) -> NDArray[np.float64]:
    """Squared error less what sampling adds to it; may be below 0. Bins of one row count 0."""
    n = np.divide(
        sums.weight**2, sums.squared_weight,
        out=np.zeros_like(sums.weight), where=sums.squared_weight > 0,
    )  # fmt: skip
    has_variance = n > 1.0 + 1e-9
    weight = np.where(has_variance, sums.weight, 1.0)
    rate = np.clip(sums.hits / weight, 0.0, 1.0)
    noise = rate * (1.0 - rate) / np.where(has_variance, n - 1.0, 1.0)
    square = np.where(has_variance, weight * ((sums.gap / weight) ** 2 - noise), 0.0)
    return np.asarray(square.sum(axis=-1) / sums.total)


def ks_error(sums: SumsPerBin) -> NDArray[np.float64]:
    """Largest distance of the cumulated gap from 0, over bins in ascending order."""
    gap = sums.gap.reshape(-1, sums.gap.shape[-1])
    furthest = np.empty(len(gap))
    for some in row_blocks(gap, _AT_ONCE):
        running = gap[some].cumsum(axis=-1)
        furthest[some] = np.maximum(running.max(axis=-1), -running.min(axis=-1))
    return np.asarray(furthest.reshape(sums.gap.shape[:-1]) / sums.total)


def smooth_error(sums: SumsPerBin) -> NDArray[np.float64]:
    """smECE: the width at which the gaps, smoothed by a Gaussian of it, integrate to itself.

    On an even grid over [0, 1], reflecting at both ends, smoothing multiplies the cosine
    coefficients by exp(-(pi j width)^2 / 2). The integral falls as the width grows: false position.
    """
    gap = sums.gap / sums.total[..., None]
    of_worlds = gap.reshape(-1, gap.shape[-1])
    widths = np.empty(len(of_worlds))
    widths[:1] = _smoothing_width(of_worlds[:1])
    near = float(widths[0])
    for some in row_blocks(of_worlds[1:], _AT_ONCE):
        widths[1:][some] = _smoothing_width(of_worlds[1:][some], near)
        near = float(np.median(widths[1:][some]))
    return widths.reshape(gap.shape[:-1])


def _smoothing_width(gap: NDArray[np.float64], near: float = 0.0) -> NDArray[np.float64]:
    """Return the width of each world, (worlds,), of its gaps on the grid, (worlds, points).

    They are sought from `near` on, where that is above 0, and then to six digits only.
    """
    from scipy.fft import dct, idct  # noqa: PLC0415

    n_points = gap.shape[-1]
    coefficients = dct(gap, axis=-1, norm="ortho")
    frequency = -0.5 * (np.pi * np.arange(n_points)) ** 2

    def excess(
        width: NDArray[np.float64], worlds: NDArray[np.intp] | None = None
    ) -> NDArray[np.float64]:
        narrowest = float(width.min())  # what no width lets through is not looked at
        some = n_points
        if narrowest > 0.0:
            some = min(n_points, 1 + int(_VANISHED / (np.pi * narrowest)))
        own = coefficients[:, :some] if worlds is None else coefficients[worlds, :some]
        smooth = np.exp(frequency[:some] * width[..., None] ** 2)
        smoothed = idct(own * smooth, n=n_points, norm="ortho")
        return np.asarray(np.abs(smoothed).sum(axis=-1) - width)

    # The root lies between the mean gap (all smoothed away) and the mean of |gap| (nothing is);
    # and between any width and the integral there.
    low, high = np.abs(gap.sum(axis=-1)), np.abs(gap).sum(axis=-1)
    if near > 0.0:
        start = np.full(len(gap), near)
        at_start = excess(start)
        end = np.clip(start + at_start, low, high)
        at_end = excess(end)
        wider = at_start > 0.0
        low, high = np.where(wider, start, end), np.where(wider, end, start)
        at_low, at_high = np.where(wider, at_start, at_end), np.where(wider, at_end, at_start)
    else:
        at_low, at_high = excess(low), excess(high)
    settled = _SETTLED_DRAWS if near > 0.0 else _SETTLED
    width: NDArray[np.float64] = high.copy()
    left = np.arange(len(gap))  # worlds whose width is still sought
    for _ in range(_STEPS):
        span = at_low - at_high
        root = np.where(span > 0.0, low + (high - low) * at_low / np.where(span > 0, span, 1), low)
        width[left] = root
        at = excess(root, left)
        open_ = np.abs(at) >= settled
        if not open_.any():
            break
        above = at > 0.0
        # Illinois: halve the end that stays, or false position creeps
        at_low, at_high = np.where(above, at, 0.5 * at_low), np.where(above, 0.5 * at_high, at)
        low, high = np.where(above, root, low), np.where(above, high, root)
        left, low, high = left[open_], low[open_], high[open_]
        at_low, at_high = at_low[open_], at_high[open_]
    return width


_CELLS = 1000  # cells of the top-label-conditional error that are summed at once


class SumsOf(Protocol):
    """Gives the sums of an event per bin, (..., n_bins), from each row's bin."""

    def __call__(self, event: Event, bins: NDArray[np.intp], n_bins: int) -> SumsPerBin:
        """Return the sums."""


def observed(rows: Predictions) -> SumsOf:
    """Return the sums of the data alone."""
    return lambda event, bins, n_bins: BinSums.of(
        event.probability, event.hit, rows.weights, bins, n_bins
    )


def top_label_error(
    rows: Predictions, sums: SumsOf, *, n_bins: int, binning: Binning = "equal-width",
    norm: float = 1.0, event: Event | None = None,
) -> NDArray[np.float64]:  # fmt: skip
    """Expected calibration error of the predicted class, or of another event."""
    of = top_label_event(rows) if event is None else event
    return binned_error(_binned(rows, sums, of, n_bins, binning), norm)


def top_label_square(
    rows: Predictions, sums: SumsOf, *, n_bins: int, binning: Binning = "equal-mass"
) -> NDArray[np.float64]:
    """Debiased squared error of the predicted class; may be below 0."""
    return debiased_square(_binned(rows, sums, top_label_event(rows), n_bins, binning))


def classwise_square(
    rows: Predictions, sums: SumsOf, *, n_bins: int, binning: Binning = "equal-mass"
) -> NDArray[np.float64]:
    """Mean over classes of the debiased squared error, each cut at 0."""
    k = rows.shape[1]
    squares = (
        debiased_square(_binned(rows, sums, class_event(rows, j), n_bins, binning))
        for j in range(k)
    )
    return np.asarray(sum(np.maximum(square, 0.0) for square in squares) / k)


def class_errors(
    rows: Predictions, gaps: GapsOf, *, n_bins: int
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Yield the errors of some classes' probabilities, (classes, ...), and their gaps in bins.

    The gaps, (n_bins, ...), are those of all of these probabilities in one set of bins: added up
    over all classes they are what `flattened_error` takes.
    """
    k = rows.shape[1]
    for cells in cells_of_classes(rows, n_bins=n_bins, worlds=gaps.worlds):
        gap = gaps.gaps(cells)
        errors = cells.by_class(np.abs(gap)) / gaps.total_weight
        yield errors, cells.by_bin(gap, n_bins)
        report_step("measuring classes", cells.stop, k)


def flattened_error(
    rows: Predictions, gap: NDArray[np.float64], gaps: GapsOf
) -> NDArray[np.float64]:
    """Error of all probabilities in one set of bins, from the gaps of all classes."""
    return np.asarray(np.abs(gap).sum(axis=0) / (rows.shape[1] * gaps.total_weight))


def conditional_error(rows: Predictions, sums: SumsOf, *, n_bins: int) -> NDArray[np.float64]:
    """Error of the predicted class in bins of confidence within each predicted class."""
    event = top_label_event(rows)
    bins = bins_of(event.probability, n_bins=n_bins, binning="equal-width", weights=rows.weights)
    occupied, cell = np.unique(rows.predicted * n_bins + bins, return_inverse=True)
    step = min(_CELLS, len(occupied))
    error: NDArray[np.float64] = np.zeros(())
    for first in range(0, len(occupied), step):
        within = (cell >= first) & (cell < first + step)
        # one more cell, for the rows of others
        cells = sums(event, np.where(within, cell - first, step), step + 1)
        gap = np.abs(cells.gap[..., :step]).sum(axis=-1)
        error = error + gap / cells.total
    return error


def smooth(rows: Predictions, sums: SumsOf, *, event: Event | None = None) -> NDArray[np.float64]:
    """Smooth calibration error of the predicted class, or of another event."""
    event = top_label_event(rows) if event is None else event
    return smooth_error(sums(event, grid_of(event.probability), GRID_POINTS))


def ks(
    rows: Predictions, sums: SumsOf, *, exact: bool = False, event: Event | None = None
) -> NDArray[np.float64]:
    """Kolmogorov-Smirnov calibration error of the predicted class, or of another event."""
    event = top_label_event(rows) if event is None else event
    n_ranks = len(rows.labels) if exact else N_RANKS
    return ks_error(sums(event, *ranks_of(event.probability, n_ranks)))


def _binned(
    rows: Predictions, sums: SumsOf, event: Event, n_bins: int, binning: Binning
) -> SumsPerBin:
    p = event.probability
    return sums(event, bins_of(p, n_bins=n_bins, binning=binning, weights=rows.weights), n_bins)


# All calibration errors of one set of predictions, from the same resamples and null draws.


@dataclass(frozen=True, slots=True)
class ErrorMeasure:
    """A calibration error: its words, how it is computed, and the inference that holds for it.

    Null band and p-value hold for all of them, for labels drawn from the model are what they are
    of. An interval is shown of none that does not say that it has one.
    """

    words: str
    of: Callable[[Predictions, SumsOf, int], NDArray[np.float64]] | None = None  # rows, sums, bins
    # None: of the cells of all classes, which `class_draws` sums in one go
    exact: Callable[[Predictions], NDArray[np.float64]] | None = None  # where `of` is coarser
    interval: bool = False  # bootstrap intervals cover .93 to .97 of samples (tests of coverage)
    square: bool = False  # the draws are of its square, which is debiased; the root is shown


# key in JSON -> the measure. Cells of the two without an interval hold few rows, and resamples show
# too little of the bias: their interval would hold the truth in as few as .65 and .45 of samples of
# 500 rows.
ERROR_MEASURES = {
    "ece": ErrorMeasure(
        "ECE", lambda rows, sums, n: top_label_error(rows, sums, n_bins=n), interval=True
    ),
    "ece_equal_mass": ErrorMeasure(
        "ECE, equal mass",
        lambda rows, sums, n: top_label_error(rows, sums, n_bins=n, binning="equal-mass"),
        interval=True,
    ),
    "debiased": ErrorMeasure(
        "RMS, debiased",
        lambda rows, sums, n: top_label_square(rows, sums, n_bins=n),
        interval=True,
        square=True,
    ),
    "smooth": ErrorMeasure("smooth ECE", lambda rows, sums, _: smooth(rows, sums), interval=True),
    "ks": ErrorMeasure(
        "Kolmogorov-Smirnov",
        lambda rows, sums, _: ks(rows, sums),
        exact=lambda rows: ks(rows, observed(rows), exact=True),
        interval=True,
    ),
    "classwise": ErrorMeasure("classwise ECE"),
    "top_label_conditional": ErrorMeasure(
        "ECE by top label", lambda rows, sums, n: conditional_error(rows, sums, n_bins=n)
    ),
    "flattened": ErrorMeasure("flattened ECE", interval=True),
}
ERROR_NAMES = {key: measure.words for key, measure in ERROR_MEASURES.items()}


def error_draws(resampling: Resampling, name: str, *, n_bins: int) -> Draws:
    """Return the draws of an error of the predicted class; those of a square are not rooted.

    Of one without an interval nothing is resampled.
    """
    measure, rows = ERROR_MEASURES[name], resampling.rows
    assert measure.of is not None  # noqa: S101  (`class_draws` has the others)
    return Draws.split(
        measure.of(rows, resampling.sums if measure.interval else resampling.null_sums, n_bins),
        resampling.n_resamples if measure.interval else 0,
        doubt=resampling.doubt,
        value=None if measure.exact is None else float(measure.exact(rows)),
        squared=measure.square,
    )


def ks_draws(resampling: Resampling, ranked: SumsPerBin) -> Draws:
    """Return what `error_draws` does of "ks", from sums of the predicted class per rank."""
    return Draws.split(
        ks_error(ranked),
        resampling.n_resamples,
        doubt=resampling.doubt,
        value=float(ks(resampling.rows, observed(resampling.rows), exact=True)),
    )


def class_draws(
    resampling: Resampling, *, n_bins: int
) -> tuple[dict[str, Draws], list[CalibrationError]]:
    """Return the draws of the errors of all classes' cells, and each class's own error.

    The draws of single classes are not kept.
    """
    rows, b, doubt = resampling.rows, resampling.n_resamples, resampling.doubt
    of_class: list[CalibrationError] = []
    total, gap = np.zeros(()), np.zeros(())
    for errors, gaps in class_errors(rows, resampling, n_bins=n_bins):
        of_class += calibration_errors(errors, b, doubt=doubt)
        total, gap = total + errors.sum(axis=0), gap + gaps
    statistics = {
        "classwise": total / rows.shape[1],
        "flattened": flattened_error(rows, gap, resampling),
    }
    draws = {name: Draws.split(each, b, doubt=doubt) for name, each in statistics.items()}
    return draws, of_class


def class_null_draws(resampling: Resampling, *, n_bins: int) -> dict[str, Draws]:
    """Return the same draws without those of single classes, whose cells are most of the work.

    The classwise error has no interval, so it is not resampled; the flattened one has its bins.
    """
    rows, doubt = resampling.rows, resampling.doubt
    worlds = _NullGaps(resampling)
    total, gap = np.zeros(()), np.zeros(())
    for errors, gaps in class_errors(rows, worlds, n_bins=n_bins):
        total, gap = total + errors.sum(axis=0), gap + gaps
    flattened = flattened_error(rows, gap, worlds)
    resampled = np.abs(resampling.resampled_bins(n_bins)).sum(axis=0) / (
        rows.shape[1] * resampling.total_weight[1 : 1 + resampling.n_resamples]
    )
    both = np.concatenate([flattened[:1], resampled, flattened[1:]])
    return {
        "classwise": Draws.split(total / rows.shape[1], 0, doubt=doubt),
        "flattened": Draws.split(both, resampling.n_resamples, doubt=doubt),
    }


@dataclass(frozen=True, slots=True, eq=False)
class _NullGaps:
    """Gaps of the data and of null draws."""

    resampling: Resampling

    @property
    def worlds(self) -> int:
        return 1 + self.resampling.n_resamples

    @property
    def total_weight(self) -> NDArray[np.float64]:
        w = self.resampling.rows.weights
        of_all = float(len(self.resampling.rows.labels)) if w is None else float(w.sum())
        return np.full(self.worlds, of_all)

    def gaps(self, cells: ClassCells) -> NDArray[np.float64]:
        return self.resampling.null_gaps(cells)


def calibration_error_of(name: str, draws: Draws) -> CalibrationError:
    """Return an error from its draws: null band, p-value, and an interval where it has one."""
    measure = ERROR_MEASURES[name]
    if not measure.interval:
        return draws.without_interval()
    return draws.root_error() if measure.square else draws.calibration_error()


def error_gap(name: str, draws: Draws, baseline: Draws) -> Estimate:
    """Return the interval of one error less the baseline's, of an error that has an interval.

    Of what is no calibration error (ranks, areas) the basic bootstrap interval.
    """
    measure = ERROR_MEASURES.get(name)
    if measure is None:
        return draws.difference(baseline)
    if measure.square:
        draws, baseline = draws.root(), baseline.root()
    return draws.error_difference(baseline)
