"""What it costs to know only how often each class is true: the model that knows nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, nan, sqrt
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from temperance.frozen import Plain
from temperance.metrics.estimates import Estimate, gap_estimate
from temperance.metrics.implied import paired_gaps
from temperance.metrics.inputs import Predictions
from temperance.numerics import log_probs, normal_quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BaseRates", "base_rates", "base_rates_of_counts"]


@dataclass(frozen=True, slots=True)
class BaseRates(Plain):
    """Scores of the class frequencies of these rows, predicted for every row, and the skill.

    Of a label matrix each label has its own frequency, predicted for its entries.

    Parameters
    ----------
    log_loss : float
        Mean log loss in nats of predicting the frequencies: their entropy. 0 where all rows are
        of one class.
    brier : float
        Their Brier score, summed over classes, in [0, 2].
    log_loss_skill, brier_skill : Estimate
        1 - score / score of the base rates: 1 is perfect, 0 no better than the frequencies, below
        0 worse than no model. Undefined (nan) where all rows are of one class.
    own_rows : float
        By how much of the skill the frequencies flatter themselves, who have seen the labels
        that they are judged by: counted on all rows but the one, with half a row more of each
        class (Krichevsky and Trofimov 1981), they cost so much more.
    """

    json_keys: ClassVar[tuple[str, ...]] = (
        "log_loss", "brier", "log_loss_skill", "brier_skill", "verdict",
    )  # fmt: skip

    log_loss: float
    brier: float
    log_loss_skill: Estimate
    brier_skill: Estimate
    own_rows: float = 0.0

    @property
    def verdict(self) -> Literal["better", "worse", "cannot tell"]:
        """Whether the model's log loss is better than that of the base rates, with evidence."""
        if self.log_loss_skill.low > 0.0:
            return "better"
        return "worse" if self.log_loss_skill.high < -self.own_rows else "cannot tell"


def base_rates(rows: Predictions) -> BaseRates:
    r"""Return what the class frequencies of the rows would score, and the skill beside them.

    Notes
    -----
    With :math:`f_k` the weighted share of class k: log loss
    :math:`-\sum_k f_k \log f_k`, Brier score :math:`1 - \sum_k f_k^2`, skill
    :math:`1 - S / S_f`. Of entries of a label matrix :math:`f` is that of the entry's label, and
    the scores are means over entries: who knows the base rates knows which label is rare. The
    interval is that of the paired difference
    :math:`S - S_f` (`gap_estimate`) over :math:`S_f`: to first order that the frequencies were
    counted on the same rows does not move it.

    References
    ----------
    Krichevsky and Trofimov (1981), The performance of universal encoding,
    https://doi.org/10.1109/TIT.1981.1056331;
    Wilks (2019), Statistical Methods in the Atmospheric Sciences, 4th ed., section 9.1.4 (skill
    against climatology), https://doi.org/10.1016/C2017-0-03921-6

    Examples
    --------
    One of four rows is of class 1: the entropy of (3/4, 1/4) is 0.5623, the Brier score
    1 - 9/16 - 1/16. A model that says 1/2 each time has a log loss of log 2 = 0.6931.

    >>> rows = Predictions.check([0.5, 0.5, 0.5, 0.5], [0, 0, 0, 1], None)
    >>> rates = base_rates(rows)
    >>> round(rates.log_loss, 4), rates.brier, round(rates.log_loss_skill.value, 4)
    (0.5623, 0.375, -0.2326)
    """
    k, w = rows.shape[1], rows.weights
    part = np.zeros(len(rows.labels), np.intp)  # rows that share their frequencies
    if rows.label is not None:
        part = np.unique(rows.label, return_inverse=True)[1]
    n_parts = int(part.max()) + 1
    counts = np.bincount(part * k + rows.labels, w, minlength=n_parts * k).reshape(n_parts, k)
    total = counts.sum(axis=1)
    shares = counts / np.where(total > 0.0, total, 1.0)[:, None]
    at_label = shares[part, rows.labels]
    # all rows alike: one row that stands for all of them
    class_shares = np.broadcast_to(shares[0], rows.shape) if n_parts == 1 else shares[part]
    constant = Predictions(
        class_shares, rows.labels, w,
        np.abs(log_probs(np.where(at_label > 0.0, at_label, 1.0))), clusters=rows.clusters,
    )  # fmt: skip
    gaps = paired_gaps(rows, constant)
    each = np.array([_scores(own) for own in shares])
    of_parts = total / total.sum()
    log_loss, brier = (float(of_parts @ column) for column in each.T)
    first, second = (
        _skill(gap_estimate(gaps, column), of) for column, of in enumerate((log_loss, brier))
    )
    n = len(rows.labels) if w is None else float(w.sum() ** 2 / (w @ w))
    costs = [_frequency_cost(own, n * share) for own, share in zip(shares, of_parts, strict=True)]
    own_rows = float(of_parts @ costs) / log_loss if log_loss else inf
    return BaseRates(log_loss, brier, first, second, own_rows)


def base_rates_of_counts(
    counts: NDArray[np.float64], n: float, log_loss: Estimate, brier: Estimate
) -> BaseRates:
    """Return the same from the weight of each class and two scores of n (effective) rows.

    The intervals are as wide as those of two samples: rows that were read block by block are not
    paired.
    """
    shares = counts / counts.sum()
    scores = _scores(shares)
    own = np.abs(log_probs(np.where(shares > 0.0, shares, 1.0))), 1.0 - 2.0 * shares
    skills = []
    for estimate, of, each in zip((log_loss, brier), scores, own, strict=True):
        half = normal_quantile(0.95) * sqrt(float(shares @ (each - shares @ each) ** 2) / n)
        value, below, above = (
            estimate.value - of, estimate.value - estimate.low, estimate.high - estimate.value,
        )  # fmt: skip
        gap = Estimate(value, value, value)
        if isfinite(value):
            gap = Estimate(
                value, value - sqrt(below**2 + half**2), value + sqrt(above**2 + half**2)
            )
        skills.append(_skill(gap, of))
    first, second = skills
    own_rows = _frequency_cost(shares, n) / scores[0] if scores[0] else inf
    return BaseRates(*scores, first, second, own_rows)


def _scores(shares: NDArray[np.float64]) -> tuple[float, float]:
    """Return log loss and Brier score of shares of classes."""
    positive = shares[shares > 0.0]
    return abs(float(positive @ np.log(positive))), max(1.0 - float(shares @ shares), 0.0)


def _skill(gap: Estimate, of: float) -> Estimate:
    """Return a score less that of the base rates as a share of the latter, turned upwards."""
    if of == 0.0:
        return Estimate(nan, nan, nan)
    return Estimate(-gap.value / of, -gap.high / of, min(-gap.low / of, 1.0))


def _frequency_cost(shares: NDArray[np.float64], n: float) -> float:
    """Return what frequencies of the other rows cost more than those of all n rows, in nats."""
    others = np.maximum(shares * n - 1.0, 0.0) + 0.5
    cost = -float(shares @ np.log(others / (max(n - 1.0, 0.0) + 0.5 * len(shares))))
    return max(cost - _scores(shares)[0], 0.0)
