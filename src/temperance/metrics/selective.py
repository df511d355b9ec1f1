"""Risk against coverage: how often a model errs if it may decline the rows it is least sure of."""

from __future__ import annotations

from dataclasses import dataclass
from math import log1p, sqrt
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from temperance.binning import forecast_numbers
from temperance.checks.arguments import as_level
from temperance.checks.arrays import as_numbers, row_name, such_rows
from temperance.checks.labels import kept_rows, labelled_rows
from temperance.errors import InvalidInputError
from temperance.frozen import Frozen, Plain
from temperance.metrics.estimates import Estimate, wilson_interval
from temperance.metrics.inputs import Predictions
from temperance.numerics import as_float64, normal_quantile, row_maxima
from temperance.printable import count_text
from temperance.show import Shown, Table, interval_text, number_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

__all__ = ["RiskCoverage", "risk_coverage", "risk_coverage_of"]

# How sure a model is of each row: the scores by which rows are accepted first.


def row_scores(probs: Array, score: str | ArrayLike) -> Array:
    """Return each row's score, (n,): a named one of its probabilities (n, k), or the caller's."""
    if isinstance(score, str):
        if score not in SCORES:
            msg = (
                f"`score` must be one of {', '.join(SCORES)}, or an array of one number per row "
                f"(for instance logits.max(axis=1)), got {score!r}."
            )
            raise InvalidInputError(msg)
        return SCORES[score](probs)
    values = as_float64(as_numbers(score, name="score"))
    if values.shape != (len(probs),):
        msg = f"`score` must have shape ({len(probs)},), one per row, got {values.shape}."
        raise InvalidInputError(msg)
    if (unknown := np.isnan(values)).any():
        row = int(unknown.argmax())
        msg = f"`score` must hold numbers; {row_name(row)} has nan ({such_rows(unknown)})."
        raise InvalidInputError(msg)
    return values


def _confidence(probs: Array) -> Array:
    """Largest probability."""
    return row_maxima(probs)


def _margin(probs: Array) -> Array:
    """Largest probability less the second largest."""
    two = np.partition(probs, -2, axis=1)[:, -2:]
    return np.asarray(two[:, 1] - two[:, 0])


def _negative_entropy(probs: Array) -> Array:
    """Sum of p log p, 0 for p = 0: at most 0, and 0 for a certain row."""
    logs = np.log(probs, out=np.zeros_like(probs), where=probs > 0.0)
    return np.asarray((probs * logs).sum(axis=1))


SCORES: dict[str, Callable[[Array], Array]] = {
    "confidence": _confidence,
    "margin": _margin,
    "entropy": _negative_entropy,
}


_LEVEL = 0.95


@dataclass(frozen=True, slots=True, eq=False)
class RiskCoverage(Frozen, Plain, Shown):
    """A risk-coverage curve and its areas; lower is better. Its points are the distinct scores."""

    json_keys: ClassVar[tuple[str, ...]] = (
        "score", "n", "error_rate", "augrc", "aurc", "aurc_trapezoid", "excess_aurc",
    )  # fmt: skip

    score: str  # by which rows are accepted
    n: int  # rows of weight above 0
    thresholds: Array  # (m,), falling: rows of at least this score are accepted
    coverage: Array  # (m,), rising to 1: share of the rows accepted
    risk: Array  # (m,): share of errors among the accepted
    accepted: Array  # (m,): effective number of rows accepted
    augrc: Estimate  # area under coverage against coverage * risk, in [0, 1/2]
    aurc: Estimate  # mean of the risk over the number of rows accepted, 1 to n; in [0, 1]
    aurc_trapezoid: float  # the same by trapezoids, from coverage 0 on

    @property
    def error_rate(self) -> float:
        """Risk at coverage 1."""
        return float(self.risk[-1])

    @property
    def excess_aurc(self) -> float:
        """E-AURC: AURC less r + (1 - r) log(1 - r), that of the best order at error rate r."""
        r = min(self.error_rate, 1.0)
        return self.aurc.value - (r if r == 1.0 else r + (1.0 - r) * log1p(-r))

    def band(self, level: float = _LEVEL) -> tuple[Array, Array]:
        """Return Wilson intervals of the risk at each point by itself, (m,) and (m,).

        They hold for one threshold that was chosen without these labels, not for all at once, and
        take rows as independent.
        """
        return wilson_interval(self.risk, self.accepted, as_level(level, name="level"))

    def columns(self) -> dict[str, list[Any]]:
        """Return the curve: threshold, coverage, risk, low, high."""
        low, high = self.band()
        return {
            "threshold": self.thresholds.tolist(), "coverage": self.coverage.tolist(),
            "risk": self.risk.tolist(), "low": low.tolist(), "high": high.tolist(),
        }  # fmt: skip

    def tables(self) -> tuple[Table, ...]:
        """Return the tables that people see."""
        return (self.table(),)

    def table(self) -> Table:
        """Return the areas as people see them."""
        areas = {"AUGRC": self.augrc, "AURC": self.aurc}
        rows = [
            (name, f"{each.value:.6f}", interval_text(each.low, each.high))
            for name, each in areas.items()
        ]
        rows += [
            ("AURC, trapezoids", f"{self.aurc_trapezoid:.6f}", ""),
            ("E-AURC", f"{self.excess_aurc:.6f}", ""),
            ("risk at full coverage", number_text(self.error_rate), ""),
        ]
        caption = f"{count_text(self.n, 'row')} by {self.score}; lower is better"
        return Table(("risk and coverage", "value", "95 %"), tuple(rows), caption=caption)


def risk_coverage(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    score: str | ArrayLike = "confidence",
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
) -> RiskCoverage:
    r"""Return the risk-coverage curve of a model that may decline rows, and the areas under it.

    Parameters
    ----------
    probs : array_like, shape (n, k) or (n,)
        Probabilities in [0, 1], rows summing to 1; (n,) is the probability of class 1.
    labels : array_like, shape (n,)
        True classes in 0..k-1, or names in `classes`.
    weights : array_like, shape (n,), optional
        Finite, >= 0; only their proportions count.
    clusters : array_like, shape (n,), optional
        Names of what rows belong together: they widen the intervals.
    score : {"confidence", "margin", "entropy"} or array_like, shape (n,), default "confidence"
        How sure the model is; rows of high score are accepted first. Largest probability; that less
        the second; minus the entropy; or numbers of your own, such as `logits.max(axis=1)`.
    classes : sequence of str, optional
        Names of the columns, as labels may use them.
    ignore_label : int or str, optional
        Rows of this label are left out.

    Returns
    -------
    RiskCoverage
        The curve, AUGRC and AURC; lower is better. AUGRC is the one to compare models by: AURC is
        ruled by the few rows at the top.

    Raises
    ------
    InvalidInputError
        As in `log_loss`; an unknown score, or one that is nan.

    Notes
    -----
    With rows in falling order of their score and :math:`R(k)` the share of errors among the first
    :math:`k`:

    * AURC :math:`= \frac1n \sum_{k=1}^n R(k)` (`aurc`), or by trapezoids over the coverages
      :math:`0, 1/n, ..., 1` with :math:`R(0) = R(1)` (`aurc_trapezoid`, the convention of
      fd-shifts): less by :math:`(R(n) - R(1)) / 2n`.
    * AUGRC: the area under :math:`k R(k) / n`, by trapezoids from 0: the mean over coverages of the
      risk that a row is accepted and wrong.
    * Rows of equal score count as if each had the block's mean error (the mean over all orders of
      the block), so no area depends on the order of the rows. Scores of probabilities that differ
      by rounding alone are equal.

    Intervals are normal, from each row's influence on the area (the delta method, which for the
    area under an ROC curve is DeLong's), and never narrower than one row's share. They held the
    value in .94 to .97 (AUGRC .95 to .99) of simulated samples with 15 to 320 errors.

    References
    ----------
    Geifman and El-Yaniv (2017), Selective Classification for Deep Neural Networks, NeurIPS,
    https://arxiv.org/abs/1705.08500; Geifman, Uziel and El-Yaniv (2019), Bias-Reduced Uncertainty
    Estimation for Deep Neural Classifiers, ICLR, https://arxiv.org/abs/1805.08206 (E-AURC);
    Traub et al. (2024), Overcoming Common Flaws in the Evaluation of Selective Classification
    Systems, NeurIPS, https://arxiv.org/abs/2407.01032 (AUGRC).

    Examples
    --------
    Sure and right, less sure and wrong: no error until the second of two rows is accepted.

    >>> curve = risk_coverage([[0.75, 0.25], [0.625, 0.375]], [0, 1])
    >>> curve.coverage, curve.risk
    (array([0.5, 1. ]), array([0. , 0.5]))
    >>> curve.aurc.value, curve.augrc.value
    (0.25, 0.125)
    """
    rows = Predictions.check(
        probs, labels, weights, clusters, classes=classes, ignore_label=ignore_label
    )
    name = score if isinstance(score, str) else "own score"
    own = score
    if not isinstance(score, str):
        own = kept_rows(score, labelled_rows(labels, ignore_label), name="score")
    return risk_coverage_of(rows, row_scores(rows.probs, own), name=name)


def risk_coverage_of(rows: Predictions, scores: Array, *, name: str) -> RiskCoverage:
    """Return the curve of checked rows in falling order of their scores (n,)."""
    weights = np.ones(len(scores)) if rows.weights is None else rows.weights
    counts = weights > 0.0
    weights, scores, wrong = weights[counts], scores[counts], ~rows.correct[counts]
    weights = weights * (len(weights) / weights.sum())  # of mean 1
    n = len(weights)
    thresholds, block = _blocks(scores, of_probabilities=name in SCORES)
    size, errors = (as_float64(np.bincount(block, each)) for each in (weights, weights * wrong))
    reached, wrong_so_far = size.cumsum(), errors.cumsum()
    before = np.concatenate([[0.0], reached[:-1]])
    total = float(reached[-1])
    harmonic = _harmonic(reached, whole=rows.weights is None)
    steps = np.diff(harmonic, prepend=0.0)
    share = 1.0 - before * steps / size + harmonic[-1] - harmonic  # of an error, in n * AURC
    aurc = float(errors @ share) / total
    below = (total - reached + 0.5 * size) / total  # share of rows that a row is accepted before
    augrc = float(errors @ below) / total
    risk = wrong_so_far / reached
    return RiskCoverage(
        score=name,
        n=n,
        thresholds=thresholds,
        coverage=np.minimum(reached / total, 1.0),
        risk=np.minimum(risk, 1.0),
        accepted=reached**2 / np.bincount(block, weights**2).cumsum(),
        augrc=_estimate(
            augrc,
            wrong * below[block] + ((wrong_so_far - 0.5 * errors) / total)[block] - 2.0 * augrc,
            weights, rows, counts, most=0.5,
        ),
        aurc=_estimate(
            aurc,
            wrong * share[block] + _of_any_row(size, errors, steps)[block] - aurc,
            weights, rows, counts, most=1.0,
        ),
        aurc_trapezoid=aurc - float(risk[-1] - risk[0]) / (2.0 * n),
    )  # fmt: skip


def _blocks(scores: Array, *, of_probabilities: bool) -> tuple[Array, NDArray[np.intp]]:
    """Return the lowest score of each block of equal ones, falling, and each row's block."""
    distinct, place = np.unique(scores, return_inverse=True)
    number = forecast_numbers(distinct) if of_probabilities else np.arange(len(distinct))
    first = np.flatnonzero(np.diff(number, prepend=-1))
    return distinct[first][::-1], number[-1] - number[place]


def _harmonic(places: Array, *, whole: bool) -> Array:
    """Return 1 + 1/2 + ... + 1/c of each place, or what continues it between whole numbers."""
    if whole:
        sums = np.concatenate([[0.0], (1.0 / np.arange(1, int(places[-1]) + 1)).cumsum()])
        return np.asarray(sums[places.astype(np.intp)])
    from scipy.special import digamma  # noqa: PLC0415

    return np.asarray(digamma(places + 1.0) - digamma(1.0))


def _of_any_row(size: Array, errors: Array, steps: Array) -> Array:
    """Return what one more row of each block does to n * AURC besides its own error, (m,).

    A block adds e + (C - K e / w) log((K + w) / K): of errors e and size w, after K rows with C
    errors. The row makes its own block larger, and K larger for all later ones.
    """
    reached, mean = size.cumsum(), errors / size
    before = np.concatenate([[0.0], reached[:-1]])
    excess = np.concatenate([[0.0], errors.cumsum()[:-1]]) - before * mean
    closer = 1.0 / reached
    closer[1:] -= 1.0 / reached[:-1]
    later = excess * closer - mean * steps
    after = later[::-1].cumsum()[::-1] - later
    return np.asarray(mean * before * steps / size + excess / reached + after)


def _estimate(
    value: float,
    influence: Array,
    weights: Array,
    rows: Predictions,
    counts: NDArray[np.bool_],
    *,
    most: float,
) -> Estimate:
    """Return an area with the interval of its rows' (clusters') influences, cut at its range."""
    shares: NDArray[Any] = weights * (influence - float(weights @ influence) / len(weights))
    units: NDArray[Any] = weights
    if rows.clusters is not None:
        clusters = rows.clusters[counts]
        shares, units = np.bincount(clusters, shares), np.bincount(clusters, weights)
    n = float(weights.sum())
    doubt = float(units @ units) / n**2  # 1 / effective number of rows
    half = normal_quantile(_LEVEL) * sqrt(float(shares @ shares) / n**2 + doubt**2)
    return Estimate(value, min(max(value - half, 0.0), value), max(min(value + half, most), value))
