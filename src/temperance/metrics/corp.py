"""The reliability diagram without bins: isotonic recalibration, with bands."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.checks.arguments import as_seed
from temperance.frozen import LazyFrozen, deferred
from temperance.isotonic_regression import rising_means
from temperance.metrics.decomposition import ScoreDecomposition, decompose, pooled_brier
from temperance.metrics.estimates import Draws
from temperance.metrics.events import named_event, ranks_of
from temperance.metrics.inputs import Predictions
from temperance.metrics.resampling import N_RESAMPLES, Resampling, check_resamples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.binning import SumsPerBin
    from temperance.isotonic_regression import Pools
    from temperance.metrics.estimates import CalibrationError
    from temperance.metrics.events import Event, EventName

__all__ = ["CORP_PARTS", "CorpReliability", "corp_of_event", "corp_of_sums", "corp_reliability"]

CORP_PARTS = ("miscalibration", "discrimination")  # of which `corp_of_sums` gives draws

_BAND = (0.025, 0.975)


@dataclass(frozen=True, eq=False)
class CorpReliability(LazyFrozen):
    """The CORP reliability diagram of one event; arrays (m,) over ascending probabilities.

    The bands are made when they are first read, of the curves of all draws.
    """

    event: str  # "top-label", or the class's number: what the probability is of
    probability: NDArray[np.float64]  # distinct ones; beyond 1,000, means of neighbours
    recalibrated: NDArray[np.float64]  # isotonic frequency of the event, non-decreasing
    share: NDArray[np.float64]  # of all weight; they sum to 1
    consistency_low: NDArray[np.float64]  # 95 % of calibrated models' curves lie, pointwise,
    consistency_high: NDArray[np.float64]  # between these
    confidence_low: NDArray[np.float64]  # 95 % of the curves of resampled rows lie, pointwise,
    confidence_high: NDArray[np.float64]  # between these
    decomposition: ScoreDecomposition  # of the event's Brier score, in [0, 1]
    miscalibration: CalibrationError  # its interval, null band, and p-value

    @property
    def p_value(self) -> float:
        """Share of calibrated worlds with as much miscalibration, by consistency resampling."""
        return self.miscalibration.p_value

    def to_dict(self, *, curves: bool = True) -> dict[str, Any]:
        """Return plain numbers for JSON; with `curves`, lists of what the diagram draws."""
        curve = ("probability", "recalibrated", "share", "consistency_low", "consistency_high",
                 "confidence_low", "confidence_high")  # fmt: skip
        lines = {"curve": {name: getattr(self, name).tolist() for name in curve}} if curves else {}
        return {
            "event": self.event,
            **self.decomposition.to_dict(),
            "miscalibration_test": self.miscalibration.to_dict(),
            **lines,
        }


def corp_reliability(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    event: EventName | None = None,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
) -> CorpReliability:
    """Isotonic reliability diagram: no bins to choose, an exact decomposition, honest bands.

    Parameters
    ----------
    probs : array_like, shape (n, k) or (n,)
        Probabilities in [0, 1], rows summing to 1; (n,) is the probability of class 1.
    labels : array_like, shape (n,)
        True classes in 0..k-1, or names in `classes`.
    event : "predicted" or class, optional
        What the probability is of: that the predicted class is right, or that the class is this
        one; by default class 1 of two classes, else "predicted".
    weights : array_like, shape (n,), optional
        Finite, >= 0. A row of weight 2 counts as two rows in the curve and in the parts of
        the score, and as one in the bands and the p-value.
    clusters : array_like, shape (n,), optional
        Names of what rows belong to (a patient, a game); rows of one are resampled together.
    n_resamples : int, default 1000
        Of the bands and the p-value, 100 to 20,000.
    seed : int, default 0
        Of the resampling.
    classes : sequence of str, optional
        Names of the columns, as labels may use them.
    ignore_label : int or str, optional
        Rows of this label are left out.

    Returns
    -------
    CorpReliability
        Curve, bands, decomposition of the Brier score, and a p-value: small = miscalibrated. A
        curve inside the consistency band is what a calibrated model would show.

    Raises
    ------
    InvalidInputError
        Wrong shape, no rows, a row that does not sum to 1, a label out of range, an unknown
        event, `n_resamples` < 100.

    Notes
    -----
    The curve is the isotonic regression of the event on its probability. Consistency band: the
    same for events drawn from the probabilities. Confidence band: the same for resampled rows, and
    at least what a run of m hits at the curve's end (misses at its beginning) leaves open, which
    is a frequency f with f^m >= 2.5 %.
    Both are pointwise, from 2.5 to 97.5 %; beyond 1,000 distinct probabilities, neighbours are
    taken together for the bands.

    References
    ----------
    Dimitriadis, Gneiting and Jordan (2021), Stable reliability diagrams for probabilistic
    classifiers, PNAS 118, https://doi.org/10.1073/pnas.2016191118

    Examples
    --------
    The event happens at 0.2 and not at 0.4: a violation, pooled to one half.

    >>> curve = corp_reliability([0.2, 0.4, 0.9], [1, 0, 1])
    >>> curve.probability, curve.recalibrated
    (array([0.2, 0.4, 0.9]), array([0.5, 0.5, 1. ]))
    """
    rows = Predictions.check(
        probs, labels, weights, clusters, classes=classes, ignore_label=ignore_label
    )
    resampling = Resampling(rows, check_resamples(n_resamples), as_seed(seed))
    of = named_event(rows, event)
    return corp_of_event(resampling, of, resampling.sums(of, *ranks_of(of.probability)))[0]


def corp_of_event(
    resampling: Resampling, event: Event, ranked: SumsPerBin
) -> tuple[CorpReliability, dict[str, Draws]]:
    """Return the diagram of an event of sums per rank, and draws of the parts of its score."""
    return corp_of_sums(
        event.name,
        ranked,
        resampling.n_resamples,
        exact=decompose(resampling.rows, [event], score="brier"),
        doubt=resampling.doubt,
    )


def corp_of_sums(
    event: EventName, sums: SumsPerBin, b: int, *, exact: ScoreDecomposition, doubt: float
) -> tuple[CorpReliability, dict[str, Draws]]:
    """Return the diagram of sums per rank, (1 + b + null draws, ranks), and the parts' draws.

    `exact` is the decomposition of the Brier score without ranks.
    """
    parts, pools = pooled_brier(sums)
    draws = {
        part: Draws.split(
            getattr(parts, part),
            b,
            doubt=doubt,
            value=getattr(exact, part),
            squared=part == "miscalibration",
        )
        for part in CORP_PARTS
    }
    weight = sums.weight[0].copy()
    own = np.clip(rising_means(sums.hits[0], weight), 0.0, 1.0)
    held = weight > 0.0
    probability = sums.probability[0][held] / weight[held]
    bands = _Bands(pools, own, weight, b, doubt)
    curve = CorpReliability(
        event=str(event),
        probability=probability,
        recalibrated=own[held],
        share=weight[held] / weight.sum(),
        consistency_low=deferred(lambda: bands.consistency[0]),
        consistency_high=deferred(lambda: bands.consistency[1]),
        confidence_low=deferred(lambda: bands.confidence[0]),
        confidence_high=deferred(lambda: bands.confidence[1]),
        decomposition=exact,
        miscalibration=draws["miscalibration"].calibration_error(),
    )
    return curve, draws


@dataclass(frozen=True, eq=False)
class _Bands:
    """Pointwise bands of the curves of draws, low and high, at the ranks that hold a row."""

    pools: Pools  # of the data's own curve, of b resamples, of null draws
    own: NDArray[np.float64]  # (ranks,): the data's curve
    weight: NDArray[np.float64]  # (ranks,)
    b: int
    doubt: float

    @cached_property
    def consistency(self) -> NDArray[np.float64]:
        """In which 95 % of calibrated models' curves lie, (2, m)."""
        drawn = self._curves[1 + self.b :]
        return np.asarray(np.quantile(drawn, _BAND, axis=0)[:, self.weight > 0.0])

    @cached_property
    def confidence(self) -> NDArray[np.float64]:
        """In which 95 % of the curves of resampled rows lie, and the data's own, (2, m)."""
        drawn = np.quantile(self._curves[1 : 1 + self.b], _BAND, axis=0)
        low, high = _beyond_runs(drawn, self.own, self.weight, self.doubt)
        ends = np.minimum(low, self.own), np.maximum(high, self.own)
        return np.stack(ends)[:, self.weight > 0.0]

    @property
    def _curves(self) -> NDArray[np.float64]:
        return np.clip(self.pools.levels(), 0.0, 1.0)


def _beyond_runs(
    band: NDArray[np.float64],
    curve: NDArray[np.float64],
    weight: NDArray[np.float64],
    doubt: float,
) -> NDArray[np.float64]:
    """Widen a band where the curve ends in 1 or begins with 0: resamples show no doubt there.

    A run of m hits leaves open every frequency f with f^m >= 2.5 %. Neither end may fall.
    """
    low, high = band
    share = weight / weight.sum()
    hits, misses = curve >= 1.0, curve <= 0.0
    if hits.any():
        low[hits] = np.minimum(low[hits], _BAND[0] ** (doubt / share[hits].sum()))
    if misses.any():
        high[misses] = np.maximum(high[misses], 1.0 - _BAND[0] ** (doubt / share[misses].sum()))
    return np.stack([np.maximum.accumulate(low), np.minimum.accumulate(high[::-1])[::-1]])
