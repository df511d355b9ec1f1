"""Did it help? Paired differences of all measures on the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from temperance.binning import assign, bin_edges
from temperance.errors import InvalidInputError
from temperance.evaluate import Evaluation, evaluate_rows, row_measures
from temperance.metrics.estimates import N_RESAMPLES, Estimate, difference_estimate
from temperance.metrics.inputs import Predictions
from temperance.sums import MeanSums

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Comparison", "Differences", "compare", "compare_rows"]

Verdict = Literal["better", "worse", "cannot tell"]


@dataclass(frozen=True, slots=True)
class Differences:
    """One set of probabilities less the baseline, on the same rows, with 95 % intervals."""

    log_loss: Estimate  # below 0 = better than the baseline
    brier: Estimate  # below 0 = better
    ece: Estimate  # below 0 = better
    accuracy: Estimate  # above 0 = better

    def verdict(self, measure: str) -> Verdict:
        """Return "better" or "worse" if the interval leaves out 0, else "cannot tell"."""
        difference: Estimate = getattr(self, measure)
        if difference.low <= 0.0 <= difference.high:
            return "cannot tell"
        return "better" if (difference.value < 0.0) != (measure == "accuracy") else "worse"

    def to_dict(self) -> dict[str, Any]:
        """Return value, low, high and verdict of each measure."""
        return {
            name: {**getattr(self, name).to_dict(), "verdict": self.verdict(name)}
            for name in ("log_loss", "brier", "ece", "accuracy")
        }


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Several sets of probabilities measured on the same rows; the first is the baseline."""

    evaluations: dict[str, Evaluation]
    differences: dict[str, Differences]  # of each set but the baseline

    @property
    def baseline(self) -> str:
        """Name of the set that the others are compared with."""
        return next(iter(self.evaluations))

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON."""
        return {
            "baseline": self.baseline,
            "evaluations": {name: e.to_dict() for name, e in self.evaluations.items()},
            "differences": {name: d.to_dict() for name, d in self.differences.items()},
        }


def compare(
    probs: Mapping[str, ArrayLike],
    labels: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    n_bins: int = 15,
    seed: int = 0,
) -> Comparison:
    """Measure several sets of probabilities on the same rows, and their paired differences.

    Parameters
    ----------
    probs : mapping of name to array_like, shape (n, k) or (n,)
        The first one is the baseline, e.g. `{"before": p0, "after": p1}`.
    labels : array_like of int, shape (n,)
        True classes in 0..k-1, the same for all.
    weights : array_like, shape (n,), optional
        Finite, >= 0.
    n_bins : int, default 15
        Bins of equal width of the calibration error.
    seed : int, default 0
        Of the resampling behind the calibration error's interval.

    Returns
    -------
    Comparison
        An `Evaluation` of each, and the `Differences` of each from the baseline. The intervals
        are of paired differences, far narrower than two intervals side by side suggest.

    Raises
    ------
    InvalidInputError
        Fewer than two sets, sets of different shape, or as in `evaluate`.

    Examples
    --------
    >>> p = [[0.9, 0.1], [0.9, 0.1]]
    >>> compare({"before": p, "after": p}, [0, 1]).differences["after"].verdict("log_loss")
    'cannot tell'
    """
    if len(probs) < 2:
        msg = f"`probs` must hold at least two sets to compare, got {len(probs)}."
        raise InvalidInputError(msg)
    rows = {name: Predictions.check(values, labels, weights) for name, values in probs.items()}
    (first, baseline), *others = rows.items()
    for name, other in others:
        if other.probs.shape != baseline.probs.shape:
            msg = (
                f"`probs` must all have the same shape; {first!r} has {baseline.probs.shape}, "
                f"{name!r} has {other.probs.shape}."
            )
            raise InvalidInputError(msg)
    return compare_rows(rows, n_bins=n_bins, seed=seed)


def compare_rows(rows: Mapping[str, Predictions], *, n_bins: int = 15, seed: int = 0) -> Comparison:
    """Compare checked predictions of the same rows (see `compare`)."""
    (_, baseline), *others = rows.items()
    return Comparison(
        evaluations={
            name: evaluate_rows(each, n_bins=n_bins, seed=seed) for name, each in rows.items()
        },
        differences={
            name: _differences(other, baseline, n_bins=n_bins, seed=seed) for name, other in others
        },
    )


def _differences(
    rows: Predictions, baseline: Predictions, *, n_bins: int, seed: int
) -> Differences:
    with np.errstate(invalid="ignore"):  # inf - inf: two infinite losses cannot be told apart
        gaps = row_measures(rows) - row_measures(baseline)
    means = MeanSums.of(np.nan_to_num(gaps, nan=0.0, posinf=np.inf, neginf=-np.inf), rows.weights)
    return Differences(
        log_loss=difference_estimate(means, 0),
        brier=difference_estimate(means, 1),
        ece=_ece_difference(rows, baseline, n_bins=n_bins, seed=seed),
        accuracy=difference_estimate(means, 2),
    )


def _ece_difference(
    rows: Predictions, baseline: Predictions, *, n_bins: int, seed: int
) -> Estimate:
    """Basic bootstrap of the difference of two calibration errors, stretched to its value.

    The gaps per bin of both sets are resampled together, as normal with the covariance that
    sharing the rows gives them.
    """
    sides = [_row_gaps(side, n_bins) for side in (rows, baseline)]
    mean = np.concatenate([np.bincount(b, gap, minlength=n_bins) for b, gap in sides])
    (bins, gap), (other_bins, other_gap) = sides
    covariance = np.diag(
        np.concatenate([np.bincount(b, g * g, minlength=n_bins) for b, g in sides])
    )
    cells = np.bincount(bins * n_bins + other_bins, gap * other_gap, minlength=n_bins**2)
    covariance[:n_bins, n_bins:] = cells.reshape(n_bins, n_bins)
    covariance[n_bins:, :n_bins] = covariance[:n_bins, n_bins:].T
    values, vectors = np.linalg.eigh(covariance)
    spread = vectors * np.sqrt(np.clip(values, 0.0, None))
    rng = np.random.default_rng(seed)
    draws = mean + rng.standard_normal((N_RESAMPLES, len(mean))) @ spread.T
    total = float(len(bins) if rows.weights is None else rows.weights.sum())

    def difference(gaps: NDArray[np.float64]) -> NDArray[np.float64]:
        errors = np.abs(gaps) / total
        return np.asarray(errors[..., :n_bins].sum(axis=-1) - errors[..., n_bins:].sum(axis=-1))

    value = float(difference(mean))
    low, high = np.quantile(difference(draws), [0.025, 0.975]).tolist()
    return Estimate(value, min(2.0 * value - high, value), max(2.0 * value - low, value))


def _row_gaps(rows: Predictions, n_bins: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Bin of each row, and its weighted confidence less correctness."""
    edges = bin_edges(rows.confidence, n_bins=n_bins, binning="equal-width", weights=rows.weights)
    gap = rows.confidence - rows.correct
    return assign(rows.confidence, edges), gap if rows.weights is None else rows.weights * gap
