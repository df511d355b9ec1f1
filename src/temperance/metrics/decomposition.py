"""What a score is made of: miscalibration, discrimination, uncertainty."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from temperance.checks.arguments import as_word
from temperance.metrics.bins import ranks_of
from temperance.metrics.error_measures import observed
from temperance.metrics.errors_of_sums import debiased_square
from temperance.metrics.events import class_event, named_event
from temperance.metrics.inputs import Predictions
from temperance.metrics.isotonic import corp_sums, isotonic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from temperance.metrics.events import Event, EventName
    from temperance.metrics.isotonic import Score

__all__ = [
    "MurphyDecomposition",
    "ScoreDecomposition",
    "decompose",
    "murphy_decomposition",
    "score_decomposition",
]


@dataclass(frozen=True, slots=True)
class ScoreDecomposition:
    """Parts of a mean score: score = miscalibration - discrimination + uncertainty, exactly."""

    score: float  # 0 is best
    miscalibration: float  # >= 0, 0 is best: what isotonic recalibration would save
    discrimination: float  # >= 0, large is best: what knowing the probabilities is worth
    uncertainty: float  # >= 0: the score of always saying the overall frequency

    def to_dict(self) -> dict[str, float]:
        """Return the four numbers."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class MurphyDecomposition:
    """Parts of the Brier score: score = reliability - resolution + uncertainty, exactly."""

    score: float
    reliability: float  # >= 0, 0 is best
    resolution: float  # >= 0, large is best
    uncertainty: float
    reliability_debiased: float  # less what sampling adds; may be below 0

    def to_dict(self) -> dict[str, float]:
        """Return the five numbers."""
        return asdict(self)


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
        found = corp_sums(sums, isotonic(sums), score=score)
        parts += [found.score, found.miscalibration, found.discrimination, found.uncertainty]
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
        total, held = sums.weight.sum(), sums.weight > 0.0
        weight, hits = sums.weight[held], sums.hits[held]
        said, rate, overall = sums.probability[held] / weight, hits / weight, hits.sum() / total
        reliability = weight @ (said - rate) ** 2 / total
        resolution = weight @ (rate - overall) ** 2 / total
        uncertainty = overall * (1.0 - overall)
        score = reliability - resolution + uncertainty
        parts += [score, reliability, resolution, uncertainty, debiased_square(sums)]
    return MurphyDecomposition(*parts.tolist())


def _events(rows: Predictions, name: EventName | Literal["all"] | None) -> list[Event]:
    if isinstance(name, str) and name == "all":
        return [class_event(rows, j) for j in range(rows.probs.shape[1])]
    return [named_event(rows, name)]
