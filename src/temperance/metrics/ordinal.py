"""Measures of ordered classes, such as scores from 1 to 5: how far off counts, not only whether."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.checks.arguments import as_count
from temperance.checks.labels import Positions
from temperance.frozen import Plain
from temperance.metrics.calibration_error import expected_calibration_error
from temperance.metrics.corp import CorpReliability, corp_reliability
from temperance.metrics.estimates import Estimate
from temperance.metrics.inputs import Predictions
from temperance.metrics.reliability import reliability_curve
from temperance.show import Shown, Table, number_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.binning import Binning

_N_RESAMPLES = 100  # resamples of a curve, which is drawn without its bands

__all__ = [
    "LevelEvent",
    "OrdinalMeasures",
    "cumulative_calibration_error",
    "level_events",
    "ordinal_measures",
    "ranked_probability_score",
    "within_accuracy",
]


@dataclass(frozen=True, slots=True)
class OrdinalMeasures(Shown, Plain):
    """What is measured of ordered levels, as numbers without intervals; see `ordinal_measures`.

    Attributes
    ----------
    ranked_probability_score : float
        In [0, 1], 0 is best.
    within_one_accuracy : float
        In [0, 1], 1 is best.
    cumulative_calibration_error : float
        In [0, 1], 0 is best.
    n, n_levels : int
        Rows and levels.
    """

    ranked_probability_score: float
    within_one_accuracy: float
    cumulative_calibration_error: float
    n: int
    n_levels: int

    def tables(self) -> tuple[Table, ...]:
        """Return the table that people see."""
        rows = (
            ("ranked probability score", number_text(self.ranked_probability_score)),
            ("accuracy within one level", number_text(self.within_one_accuracy)),
            ("calibration error of the levels", number_text(self.cumulative_calibration_error)),
        )
        return (Table((f"{self.n_levels} ordered levels", "value"), rows),)

    def columns(self) -> dict[str, list[Any]]:
        """Return the numbers as columns of plain values."""
        return {name: [value] for name, value in self.to_dict().items()}


@dataclass(frozen=True, slots=True, eq=False)
class LevelEvent:
    """Calibration of one event "the level is this or less"."""

    level: str
    probability: float  # claimed, on average
    frequency: Estimate  # how often it is so, with its 95 % Wilson interval
    error: float  # expected calibration error, in [0, 1]
    curve: CorpReliability


def level_events(rows: Predictions, *, n_bins: int, seed: int = 0) -> tuple[LevelEvent, ...]:
    """Return the k - 1 events whose errors `cumulative_calibration_error` averages."""
    below, under = _cumulative(rows)
    names = rows.classes or tuple(map(str, range(rows.probs.shape[1])))
    events = []
    for j, (p, true) in enumerate(zip(below.T, under.T.astype(int), strict=True)):
        inputs: dict[str, Any] = {"probs": p, "labels": true, "weights": rows.weights, "event": 1}
        whole = reliability_curve(**inputs, n_bins=1)
        ends = (whole.accuracy, whole.accuracy_low, whole.accuracy_high)
        events.append(
            LevelEvent(
                names[j],
                float(np.average(p, weights=rows.weights)),
                Estimate(*(float(each[0]) for each in ends)),
                expected_calibration_error(**inputs, n_bins=n_bins),
                corp_reliability(**inputs, n_resamples=_N_RESAMPLES, seed=seed),
            )
        )
    return tuple(events)


def ordinal_measures(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    n_bins: int = 15,
    weights: ArrayLike | None = None,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
) -> OrdinalMeasures:
    """Return the measures of classes that are levels in an order, as scores from 1 to 5.

    Parameters
    ----------
    probs, labels, weights, classes, ignore_label
        As in `ranked_probability_score`: the columns stand in the order of the levels.
    n_bins : int, default 15
        Of the calibration error.

    Returns
    -------
    OrdinalMeasures
        `ranked_probability_score`, `within_accuracy` of one level, and
        `cumulative_calibration_error`.

    Raises
    ------
    InvalidInputError
        As in these.

    Examples
    --------
    >>> measured = ordinal_measures([[0.5, 0.5, 0.0]] * 4, [0, 0, 0, 0])
    >>> measured.ranked_probability_score, measured.cumulative_calibration_error
    (0.125, 0.25)
    """
    rows = Predictions.check(probs, labels, weights, classes=classes, ignore_label=ignore_label)
    inputs: dict[str, Any] = {
        "probs": rows.probs, "labels": Positions(rows.labels), "weights": rows.weights,
    }  # fmt: skip
    return OrdinalMeasures(
        ranked_probability_score(**inputs),
        within_accuracy(**inputs),
        cumulative_calibration_error(**inputs, n_bins=n_bins),
        len(rows.labels),
        rows.probs.shape[1],
    )


def ranked_probability_score(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
) -> float:
    r"""Mean squared distance between cumulative probabilities and the true level, over thresholds.

    Parameters
    ----------
    probs : array_like, shape (n, k) or (n,)
        Probabilities in [0, 1], rows summing to 1, the columns in the order of the levels.
    labels : array_like, shape (n,)
        True levels as columns 0..k-1, or names in `classes`.
    weights : array_like, shape (n,), optional
        Finite, >= 0. A row of weight 2 counts as two rows.
    classes : sequence of str, optional
        Names of the columns, as labels may use them.
    ignore_label : int or str, optional
        Rows of this label are left out.

    Returns
    -------
    float
        In [0, 1]; 0 is best: divided by the k - 1 thresholds. Other packages leave that out. Of two
        levels it is half of `brier_score`.

    Raises
    ------
    InvalidInputError
        As in `log_loss`.

    Notes
    -----
    .. math:: \frac{1}{W (k-1)} \sum_i w_i \sum_{j<k} (F_{ij} - [y_i \le j])^2,
        \quad F_{ij} = \sum_{l \le j} p_{il}

    Proper: the true probabilities are best. A miss by two levels costs more than one by one.

    References
    ----------
    Epstein (1969), A Scoring System for Probability Forecasts of Ranked Categories, J. Appl.
    Meteorol. 8, https://doi.org/10.1175/1520-0450(1969)008<0985:ASSFPF>2.0.CO;2

    Examples
    --------
    One level off with certainty: one of two thresholds is wrong.

    >>> ranked_probability_score([[1.0, 0.0, 0.0]], [1])
    0.5
    """
    rows = Predictions.check(probs, labels, weights, classes=classes, ignore_label=ignore_label)
    below, under = _cumulative(rows)
    return float(np.average(((below - under) ** 2).mean(axis=1), weights=rows.weights))


def within_accuracy(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    levels: int = 1,
    weights: ArrayLike | None = None,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
) -> float:
    r"""Share of rows whose most probable level is at most so many levels from the true one.

    Parameters
    ----------
    probs, labels, weights, classes, ignore_label
        As in `ranked_probability_score`.
    levels : int, default 1
        How far off still counts, >= 0; 0 is `accuracy`.

    Returns
    -------
    float
        In [0, 1]; 1 is best. Of equal probabilities the first level is the predicted one.

    Raises
    ------
    InvalidInputError
        As in `log_loss`; `levels` is no whole number >= 0.

    Notes
    -----
    .. math:: \frac{1}{W} \sum_i w_i [|\hat y_i - y_i| \le m]

    References
    ----------
    Also called adjacent accuracy: Gaudette and Japkowicz (2009), Evaluation Methods for Ordinal
    Classification, https://doi.org/10.1007/978-3-642-01818-3_25

    Examples
    --------
    >>> within_accuracy([[0.2, 0.8, 0.0, 0.0]] * 4, [0, 1, 2, 3])
    0.75
    """
    far = as_count(levels, name="levels", least=0)
    rows = Predictions.check(probs, labels, weights, classes=classes, ignore_label=ignore_label)
    near = np.abs(rows.predicted - rows.labels) <= far
    return float(np.average(near, weights=rows.weights))


def cumulative_calibration_error(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    n_bins: int = 15,
    binning: Binning = "equal-width",
    weights: ArrayLike | None = None,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
) -> float:
    r"""Mean calibration error of the probabilities to be at or below each level but the last.

    Parameters
    ----------
    probs, labels, weights, classes, ignore_label
        As in `ranked_probability_score`.
    n_bins, binning
        As in `expected_calibration_error`.

    Returns
    -------
    float
        In [0, 1]; 0 is best. Biased upwards, as every binned error of few rows.

    Raises
    ------
    InvalidInputError
        As in `expected_calibration_error`.

    Notes
    -----
    The expected calibration error of each event "the level is j or less", probability
    :math:`F_{ij} = \sum_{l \le j} p_{il}`, averaged over the k - 1 of them. A forecast may be
    calibrated for its most probable level and not for these.

    References
    ----------
    Epstein (1969), for the events: those of `ranked_probability_score`; Guo, Pleiss, Sun and
    Weinberger (2017), section 2, for the error of each, https://arxiv.org/abs/1706.04599

    Examples
    --------
    P(level <= 0) is 1/2 and true of every row, P(level <= 1) is 1 and so is the share.

    >>> cumulative_calibration_error([[0.5, 0.5, 0.0]] * 4, [0, 0, 0, 0])
    0.25
    """
    rows = Predictions.check(probs, labels, weights, classes=classes, ignore_label=ignore_label)
    below, under = _cumulative(rows)
    errors = [
        expected_calibration_error(
            below[:, j], under[:, j].astype(int), n_bins=n_bins, binning=binning,
            weights=rows.weights, event=1,
        )
        for j in range(below.shape[1])
    ]  # fmt: skip
    return float(np.mean(errors))


def _cumulative(rows: Predictions) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return P(level <= j) and whether it is, (n, k - 1) each."""
    below = np.clip(np.cumsum(rows.probs, axis=1)[:, :-1], 0.0, 1.0)
    return below, rows.labels[:, np.newaxis] <= np.arange(below.shape[1])
