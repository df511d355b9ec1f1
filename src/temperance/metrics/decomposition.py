"""What a score is made of: miscalibration, discrimination, uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from temperance.checks.arguments import as_word
from temperance.frozen import Plain
from temperance.isotonic_regression import Pools, rising_means
from temperance.metrics.error_measures import debiased_square, observed
from temperance.metrics.estimates import CalibrationError, Draws, Estimate
from temperance.metrics.events import class_event, named_event, ranks_of
from temperance.metrics.inputs import Predictions
from temperance.metrics.resampling import Resampling
from temperance.numerics import row_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.binning import SumsPerBin
    from temperance.metrics.events import Event, EventName

__all__ = [
    "BrierParts",
    "MurphyDecomposition",
    "Score",
    "ScoreDecomposition",
    "brier_parts",
    "corp_sums",
    "decompose",
    "isotonic",
    "miscalibration_p_value",
    "murphy_decomposition",
    "pooled_brier",
    "score_decomposition",
]

# Isotonic recalibration of sums per rank, and what it says about a score.


Score = Literal["brier", "log"]
_ROUNDED = 1e-15  # a difference of two scores of the same probabilities
_AT_ONCE = 1 << 17  # sums of several worlds that are looked at together: they fit the cache


@dataclass(frozen=True, slots=True, eq=False)
class CorpSums:
    """Mean score of an event's probabilities and its parts, each of shape (...)."""

    score: NDArray[np.float64]
    miscalibration: NDArray[np.float64]
    discrimination: NDArray[np.float64]
    uncertainty: NDArray[np.float64]


def isotonic(sums: SumsPerBin) -> NDArray[np.float64]:
    """Return the non-decreasing frequencies that fit best, (..., ranks), in [0, 1]."""
    return np.clip(rising_means(sums.hits, sums.weight), 0.0, 1.0)


def corp_sums(sums: SumsPerBin, recalibrated: NDArray[np.float64], *, score: Score) -> CorpSums:
    """Return score = miscalibration - discrimination + uncertainty, exactly.

    Miscalibration is the score less that of the isotonic `recalibrated` probabilities;
    uncertainty the score of the event's overall frequency; discrimination what the recalibrated
    ones gain over that.
    """
    parts = np.empty((3, *sums.total.shape))
    weight, hits, probability = sums.weight, sums.hits, sums.probability
    for some in row_blocks(weight, _AT_ONCE) if weight.ndim > 1 else [...]:
        of_some = (each[some] for each in (weight, hits, probability, recalibrated))
        parts[:, some] = _means(*of_some, score=score)
    own, best, flat = parts
    return CorpSums(own, own - best, flat - best, flat)


def pooled_brier(sums: SumsPerBin) -> tuple[CorpSums, Pools]:
    """Return the same for the Brier score of many worlds, (worlds, ranks), and the curves' steps.

    A step of weight W and hits H has the score H (W - H) / W; no curve is written down.
    """
    weight, hits, total = sums.weight, sums.hits, sums.total
    pools = Pools.of(hits, weight)
    held = np.where(pools.weights > 0.0, pools.weights, 1.0)
    level = np.clip(pools.sums / held, 0.0, 1.0)  # with clusters, hits are signed sums
    best = pools.sums * (1.0 - level) + level * (level * held - pools.sums)
    best = pools.totals(best) / total
    happened = hits.sum(axis=-1)
    frequency = np.clip(happened / total, 0.0, 1.0)
    flat = happened / total * (1.0 - frequency) + frequency * (frequency - happened / total)
    said: NDArray[np.float64] | None = getattr(sums, "said", None)
    if said is not None:  # one probability a rank
        own = (weight @ (said * said) + hits @ (1.0 - 2.0 * said)) / total
    else:
        own = np.empty(len(weight))
        for some in row_blocks(weight, _AT_ONCE):
            w, k = weight[some], hits[some]
            own[some] = _brier(w, k, sums.probability[some] / (w + (w == 0.0))) / total[some]
    lost = own - best
    lost[np.abs(lost) < _ROUNDED] = 0.0  # a curve that is what was said
    return CorpSums(own, lost, flat - best, flat), pools


def _means(
    weight: NDArray[np.float64],
    hits: NDArray[np.float64],
    probability: NDArray[np.float64],
    recalibrated: NDArray[np.float64],
    *,
    score: Score,
) -> NDArray[np.float64]:
    """Return the mean scores of what was said, of isotonic levels, of the frequency, (3, ...)."""
    total, happened = weight.sum(axis=-1), hits.sum(axis=-1)
    forecast = probability / (weight + (weight == 0.0))
    frequency = np.clip(happened / total, 0.0, 1.0)[..., None]
    if weight.ndim == 1:  # of the data themselves: a curve of one level discriminates 0, not 1e-17
        frequency = np.broadcast_to(frequency, weight.shape)
    sums = [_SUMS[score](weight, hits, p) for p in (forecast, recalibrated, frequency)]
    return np.asarray(np.stack(sums) / total)


def _brier(
    weight: NDArray[np.float64], hits: NDArray[np.float64], p: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Sum of w (p - k)^2, where k^2 = k; `p` may be one number for all."""
    if p.shape != weight.shape:
        slope = weight.sum(axis=-1) * p[..., 0] - 2.0 * hits.sum(axis=-1)
        return np.asarray(slope * p[..., 0] + hits.sum(axis=-1))
    slope = weight * p
    slope -= 2.0 * hits
    return np.asarray(np.einsum("...i,...i->...", slope, p) + hits.sum(axis=-1))


def _log(
    weight: NDArray[np.float64], hits: NDArray[np.float64], p: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Sum of -w log(p or 1 - p), where 0 log 0 = 0; infinite where p = 0 happened."""
    return np.asarray(-(_times_log(hits, p) + _times_log(weight - hits, 1.0 - p)).sum(axis=-1))


def _times_log(weight: NDArray[np.float64], p: NDArray[np.float64]) -> NDArray[np.float64]:
    positive = weight > 0.0
    with np.errstate(divide="ignore"):
        return np.where(positive, weight * np.log(np.where(positive, p, 1.0)), 0.0)


_SUMS = {"brier": _brier, "log": _log}


@dataclass(frozen=True, slots=True)
class ScoreDecomposition(Plain):
    """Parts of a mean score: score = miscalibration - discrimination + uncertainty, exactly."""

    score: float  # 0 is best
    miscalibration: float  # >= 0, 0 is best: what isotonic recalibration would save
    discrimination: float  # >= 0, large is best: what knowing the probabilities is worth
    uncertainty: float  # >= 0: the score of always saying the overall frequency


@dataclass(frozen=True, slots=True)
class MurphyDecomposition(Plain):
    """Parts of the Brier score: score = reliability - resolution + uncertainty, exactly."""

    score: float
    reliability: float  # >= 0, 0 is best
    resolution: float  # >= 0, large is best
    uncertainty: float
    reliability_debiased: float  # less what sampling adds; may be below 0


def score_decomposition(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    score: Score = "brier",
    event: EventName | Literal["all"] | None = None,
    weights: ArrayLike | None = None,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
) -> ScoreDecomposition:
    r"""Miscalibration, discrimination and uncertainty of a mean score, without bins (CORP).

    Parameters
    ----------
    probs : array_like, shape (n, k) or (n,)
        Probabilities in [0, 1], rows summing to 1; (n,) is the probability of class 1.
    labels : array_like, shape (n,)
        True classes in 0..k-1, or names in `classes`.
    score : {"brier", "log"}, default "brier"
        :math:`(p - [\text{event}])^2`, in [0, 1], or the log loss of the event, in nats.
    event : "predicted", class or "all", optional
        What p is the probability of: that the predicted class is right, or that the class is
        this one; by default class 1 of two classes, else "predicted". "all" adds up the
        decompositions of every class: with "brier", the score is then `brier_score`, the sum
        over classes in [0, 2], which for two classes is twice that of one event.
    weights : array_like, shape (n,), optional
        Finite, >= 0. A row of weight 2 counts as two rows.
    classes : sequence of str, optional
        Names of the columns, as labels may use them.
    ignore_label : int or str, optional
        Rows of this label are left out.

    Returns
    -------
    ScoreDecomposition
        In the units of the score. Miscalibration is biased upwards, most with few rows:
        `evaluate` gives its interval and what chance explains.

    Raises
    ------
    InvalidInputError
        Wrong shape, no rows, a row that does not sum to 1, a label out of range, an unknown
        score or event.

    Notes
    -----
    With q the isotonic regression of the events on p (pool adjacent violators) and f the
    event's overall frequency: miscalibration S(p) - S(q), discrimination S(f) - S(q),
    uncertainty S(f). The log score and its miscalibration are infinite where an event of
    probability 0 happened.

    References
    ----------
    Dimitriadis, Gneiting and Jordan (2021), Stable reliability diagrams for probabilistic
    classifiers, PNAS 118, https://doi.org/10.1073/pnas.2016191118

    Examples
    --------
    Two rows at 0.25 that happen half the time: q = f = 0.5, so nothing is discriminated.

    >>> score_decomposition([0.25, 0.25], [0, 1])  # scores 0.0625 and 0.5625
    ScoreDecomposition(score=0.3125, miscalibration=0.0625, discrimination=0.0, uncertainty=0.25)
    """
    rows = Predictions.check(probs, labels, weights, classes=classes, ignore_label=ignore_label)
    as_word(score, ("brier", "log"), name="score")
    return decompose(rows, _events(rows, event), score=score)


def decompose(rows: Predictions, events: Sequence[Event], *, score: Score) -> ScoreDecomposition:
    """Return the sum of the events' decompositions."""
    parts = np.zeros(4)
    for event in events:
        sums = observed(rows)(event, *ranks_of(event.probability, len(rows.labels)))
        split = corp_sums(sums, isotonic(sums), score=score)
        parts += [split.score, split.miscalibration, split.discrimination, split.uncertainty]
    return ScoreDecomposition(*parts.tolist())


def murphy_decomposition(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    event: EventName | Literal["all"] | None = None,
    weights: ArrayLike | None = None,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
) -> MurphyDecomposition:
    r"""Reliability, resolution and uncertainty of the Brier score, on distinct probabilities.

    Exact, but only meaningful where probabilities repeat (forecasts in steps of 10 %): rows with
    a probability of their own are each "unreliable" by chance. `score_decomposition` has no
    such need.

    Parameters
    ----------
    probs : array_like, shape (n, k) or (n,)
        Probabilities in [0, 1], rows summing to 1; (n,) is the probability of class 1.
    labels : array_like, shape (n,)
        True classes in 0..k-1, or names in `classes`.
    event : "predicted", class or "all", optional
        As in `score_decomposition`: one event's Brier score in [0, 1]; "all" sums over
        classes, in [0, 2].
    weights : array_like, shape (n,), optional
        Finite, >= 0. A row of weight 2 counts as two rows.
    classes : sequence of str, optional
        Names of the columns, as labels may use them.
    ignore_label : int or str, optional
        Rows of this label are left out.

    Returns
    -------
    MurphyDecomposition
        In units of the Brier score.

    Raises
    ------
    InvalidInputError
        Wrong shape, no rows, a row that does not sum to 1, a label out of range, an unknown
        event.

    Notes
    -----
    Over distinct values v with weight :math:`W_v` and frequency :math:`f_v`:

    .. math:: \mathrm{REL} = \sum_v \tfrac{W_v}{W} (v - f_v)^2, \quad
              \mathrm{RES} = \sum_v \tfrac{W_v}{W} (f_v - f)^2, \quad \mathrm{UNC} = f (1 - f)

    and the debiased reliability takes :math:`f_v (1 - f_v) / (n_v - 1)` off each square; a value
    seen once counts 0 there.

    References
    ----------
    Murphy (1973), A new vector partition of the probability score,
    https://doi.org/10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2; Broecker (2012),
    https://doi.org/10.1007/s00382-011-1191-1

    Examples
    --------
    >>> murphy_decomposition([0.25, 0.25], [0, 1]).reliability  # (0.25 - 0.5)^2
    0.0625
    """
    rows = Predictions.check(probs, labels, weights, classes=classes, ignore_label=ignore_label)
    parts = np.zeros(5)
    for each in _events(rows, event):
        sums = observed(rows)(each, *ranks_of(each.probability, len(rows.labels)))
        total, occupied = sums.weight.sum(), sums.weight > 0.0
        weight, hits = sums.weight[occupied], sums.hits[occupied]
        forecast, rate, overall = (
            sums.probability[occupied] / weight,
            hits / weight,
            hits.sum() / total,
        )
        reliability = weight @ (forecast - rate) ** 2 / total
        resolution = weight @ (rate - overall) ** 2 / total
        uncertainty = overall * (1.0 - overall)
        score = reliability - resolution + uncertainty
        parts += [score, reliability, resolution, uncertainty, debiased_square(sums)]
    return MurphyDecomposition(*parts.tolist())


def _events(rows: Predictions, name: EventName | Literal["all"] | None) -> list[Event]:
    if isinstance(name, str) and name == "all":
        return [class_event(rows, j) for j in range(rows.shape[1])]
    return [named_event(rows, name)]


# The Brier score over all classes, in parts with intervals.


MAX_CLASSES = 200  # more would take minutes
_RANKS = 250  # of each class's curve in resamples; its own curve uses every probability
_FEWEST = 100  # resamples
_NONE: NDArray[np.float64] = np.empty(0)  # draws that are not looked at


@dataclass(frozen=True, slots=True)
class BrierParts:
    """Brier score = miscalibration - discrimination + uncertainty, summed over classes (0..2).

    Miscalibration and discrimination have no interval: the classes' isotonic curves fit their rows
    too well, by more than twice what resamples show, and intervals that allow for twice as much
    held the truth in as few as .73 and .84 of samples of 500 and 2,000 rows.
    """

    score: float
    miscalibration: CalibrationError  # 0 is best; null band and p-value, no interval
    discrimination: float  # large is best; biased upwards, as much as miscalibration
    uncertainty: Estimate

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON."""
        return {
            "score": self.score,
            "miscalibration": self.miscalibration.to_dict(),
            "discrimination": {"value": self.discrimination, "low": None, "high": None},
            "uncertainty": self.uncertainty.to_dict(),
        }


def brier_parts(resampling: Resampling) -> BrierParts | None:
    """Return the class-wise CORP decompositions, added up; None for more than 200 classes.

    Beyond ten classes there are fewer resamples, so that the work does not grow with them.
    """
    rows, k = resampling.rows, resampling.rows.shape[1]
    if k > MAX_CLASSES:
        return None
    fewer = max(_FEWEST, min(resampling.n_resamples, 10 * resampling.n_resamples // k))
    if fewer < resampling.n_resamples:
        resampling = Resampling(rows, fewer, resampling.seed)
    events = [class_event(rows, j) for j in range(k)]
    exact = decompose(rows, events, score="brier")
    miscalibration = np.zeros(1 + fewer)
    for event in events:
        sums = resampling.null_sums(event, *ranks_of(event.probability, _RANKS))
        miscalibration += pooled_brier(sums)[0].miscalibration
    frequency = resampling.class_shares()
    uncertainty = (frequency * (1.0 - frequency)).sum(axis=1)
    return BrierParts(
        score=exact.score,
        miscalibration=_without_interval(miscalibration, exact.miscalibration),
        discrimination=exact.discrimination,
        uncertainty=Draws(exact.uncertainty, uncertainty[1:], _NONE, resampling.doubt).estimate(
            (0.0, 2.0)
        ),
    )


def _without_interval(draws: NDArray[np.float64], value: float) -> CalibrationError:
    """Return an error from its draws, the data's own first; coarser ranks move them all alike."""
    null = draws[1:] + (value - draws[0])
    return Draws(value, _NONE, null, 0.0).without_interval()


def miscalibration_p_value(resampling: Resampling, name: EventName | None = None) -> float:
    """Return the p-value of the event's miscalibration, as `corp_of_event`, without the rest.

    Neither resamples nor bands: those cost most.
    """
    event = named_event(resampling.rows, name)
    sums = resampling.null_sums(event, *ranks_of(event.probability))
    draws = pooled_brier(sums)[0].miscalibration
    exact = decompose(resampling.rows, [event], score="brier").miscalibration
    return Draws.split(draws, 0, doubt=resampling.doubt, value=exact, squared=True).p_value()
