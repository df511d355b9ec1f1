"""How source rows must be weighted to look like target rows."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from temperance.checks import as_logits, as_weights
from temperance.checks.arguments import as_count, as_number, as_positive, as_seed
from temperance.checks.arrays import as_numbers, row_name, such_rows
from temperance.checks.forms import matched_features, refuse_other_index
from temperance.crossfit import cross_fit
from temperance.errors import InvalidInputError
from temperance.frozen import Frozen, Plain
from temperance.logistic_regression import fit_logistic
from temperance.metrics.estimates import Estimate
from temperance.numerics import as_float64, centred_rows, normal_quantile, row_blocks
from temperance.printable import count_text, digits_text
from temperance.show import Shown, Table, interval_text, number_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

__all__ = ["CovariateWeights", "area_under_curve", "covariate_weights", "shape_features"]

# What a row's probabilities look like, whatever the classes are.


_LOWEST = -30.0  # nats: 1e-13; below, and for options that do not exist, nothing more is told


def shape_features(logits: ArrayLike, *, top: int = 10) -> NDArray[np.float64]:
    """Return the largest log probabilities of each row, sorted and centred.

    Parameters
    ----------
    logits : array_like, shape (n, k) or (n,)
        As in `TemperatureScaling.fit`.
    top : int, default 10
        How many, at least 1; no more than k are taken.

    Returns
    -------
    ndarray of float64, shape (n, min(k, top))
        Log probabilities, not below -30, from the largest down, less their mean in the row.

    Raises
    ------
    InvalidInputError
        Logits that are none, `top` < 1.

    Examples
    --------
    >>> shape_features([[0.0, 2.0, 1.0]]).round(6)
    array([[ 1.,  0., -1.]])
    """
    z = as_logits(logits)
    features = np.empty((len(z), min(z.shape[1], as_count(top, name="top"))))
    for rows in row_blocks(z):
        block = as_float64(z[rows])
        shifted = centred_rows(block)
        shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        largest = -np.sort(-np.maximum(shifted, _LOWEST), axis=1)[:, : features.shape[1]]
        features[rows] = largest - largest.mean(axis=1, keepdims=True)
    return features


# A classifier that tells target rows from source rows, and how well it does.


@dataclass(frozen=True, slots=True, eq=False)
class DomainClassifier:
    """log odds of the target = intercept + slopes . features."""

    intercept: float
    slopes: Array  # (d,)

    def log_odds(self, features: Array) -> Array:
        """Return the log odds that each row is of the target, (n,)."""
        return np.asarray(self.intercept + features @ self.slopes)


def fit_domain(
    features: Array, is_target: NDArray[np.bool_], weights: Array, *, ridge: float
) -> DomainClassifier:
    """Return the ridge logistic regression; `ridge` is for features of spread 1, in rows."""
    total = weights.sum()
    centre = weights @ features / total
    spread = np.sqrt(weights @ (features - centre) ** 2 / total)
    spread = np.where(spread > 1e-12 * (1.0 + np.abs(centre)), spread, np.inf)  # constant: no slope
    standard = np.column_stack([np.ones(len(features)), (features - centre) / spread])
    strength = np.r_[0.0, np.full(len(spread), ridge)]
    fit = fit_logistic(standard, is_target.astype(np.float64), weights, ridge=strength)
    slopes = fit.coefficients[1:] / spread
    return DomainClassifier(float(fit.coefficients[0] - centre @ slopes), slopes)


def area_under_curve(
    scores: Array, is_target: NDArray[np.bool_], weights: Array, *, level: float = 0.95
) -> Estimate:
    """Return P(score of a target row > score of a source row), ties half, with DeLong's interval.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson (1988), Comparing the Areas under Two or More Correlated
    Receiver Operating Characteristic Curves, Biometrics 44, https://doi.org/10.2307/2531595
    """
    sides = [(scores[rows], weights[rows]) for rows in (~is_target, is_target)]
    (source, w_source), (target, w_target) = sides
    below = _share_below(target, source, w_source)  # of the source, below each target row
    above = 1.0 - _share_below(source, target, w_target)
    area = float(w_target @ below / w_target.sum())
    variance = sum(
        float((w * w) @ (placement - area) ** 2) / w.sum() ** 2
        for w, placement in ((w_target, below), (w_source, above))
    )
    half = normal_quantile(level) * sqrt(variance)
    return Estimate(area, max(area - half, 0.0), min(area + half, 1.0))


def _share_below(at: Array, values: Array, weights: Array) -> Array:
    """Weighted share of `values` below each of `at`; equal ones count half."""
    order = np.argsort(values, kind="stable")
    cumulative = np.concatenate([[0.0], weights[order].cumsum()])
    ranked = values[order]
    left, right = (cumulative[np.searchsorted(ranked, at, side)] for side in ("left", "right"))
    return np.asarray(0.5 * (left + right) / cumulative[-1])


_FEWEST = 10  # rows of each side: two per fold
_MOST = 1e100  # of a feature: squares stay finite
_LARGEST = 20.0
_ROUNDING = 1e-9  # of an area under a curve, a sum over rows
_SMALLEST = -600.0  # log: never 0, so that some factor gives the mean 1


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CovariateWeights(Frozen, Plain, Shown):
    """Weights under which source rows look like target rows; see `covariate_weights`."""

    json_keys: ClassVar[tuple[str, ...]] = (
        "auc", "told_apart", "effective_rows", "n_source", "n_target", "clip", "clipped",
    )  # fmt: skip

    weights: NDArray[np.float64]  # (n_source,), in (0, clip], mean 1
    auc: Estimate  # cross-fitted; 0.5 = the two sets cannot be told apart
    effective_rows: float  # (sum w)^2 / sum w^2 of the weights times the rows' own
    n_source: int
    n_target: int
    clip: float
    clipped: int  # rows whose weight was cut to `clip`

    @property
    def told_apart(self) -> bool:
        """Whether the 95 % interval of the cross-fitted AUC lies above 0.5, beyond rounding."""
        return self.auc.low > 0.5 + _ROUNDING

    def columns(self) -> dict[str, list[Any]]:
        """Return the weight of each source row: row, weight."""
        return {"row": list(range(self.n_source)), "weight": self.weights.tolist()}

    def tables(self) -> tuple[Table, ...]:
        """Return the table that people see."""
        apart = "yes" if self.told_apart else "no"
        auc = f"AUC {number_text(self.auc.value)}, {interval_text(self.auc.low, self.auc.high)}"
        rows = (
            ("reference rows", f"{self.n_source:,}"),
            ("new rows", f"{self.n_target:,}"),
            ("can be told apart", f"{apart} ({auc})"),
            ("reference rows are worth", count_text(round(self.effective_rows), "new row")),
            (f"weights cut to {digits_text(self.clip, 3)}", f"{self.clipped:,}"),
        )
        return (Table(("covariate shift", ""), rows, words=frozenset({1})),)


def covariate_weights(
    source: ArrayLike,
    target: ArrayLike,
    *,
    source_weights: ArrayLike | None = None,
    target_weights: ArrayLike | None = None,
    ridge: float = 1.0,
    clip: float | None = None,
    seed: int = 0,
) -> CovariateWeights:
    r"""Weigh source rows so that they look like target rows, by a classifier of the two.

    Parameters
    ----------
    source, target : array_like, shape (n, d) and (m, d), or (n,) and (m,)
        Features of the rows, at least 10 of each; `shape_features(logits)` where there are no
        better ones. Their units do not matter. Columns of data frames are matched by name.
    source_weights, target_weights : array_like, shape (n,) and (m,), optional
        Of the rows, finite, >= 0. They count in the classifier; multiply `weights` by the
        source's own.
    ridge : float, default 1.0
        Strength > 0 of the penalty on the slopes of features of spread 1, in rows.
    clip : float, optional
        No weight is larger, > 1; default the smaller of 20 and the root of n. Clipping keeps
        single rows from deciding, and weighs rows that only the target has too little.
    seed : int, default 0
        Of the folds of the cross-fitted AUC, >= 0.

    Returns
    -------
    CovariateWeights
        Weights, how many rows they leave, and the cross-fitted AUC that says whether there
        is anything to weigh at all.

    Raises
    ------
    InvalidInputError
        Features that are not finite, of different widths or names, or of fewer than 10 rows; bad
        weights, or weights of another index; `ridge` <= 0 or `clip` <= 1.

    Notes
    -----
    :math:`w(x) = p_{target}(x) / p_{source}(x)` is the odds of a logistic regression with ridge,
    up to a factor; that factor makes min(w, clip) of mean 1. Weights reach only what the source
    has: where the target has rows that are like none of the source's, no weight helps.

    References
    ----------
    Sugiyama, Suzuki and Kanamori (2012), Density Ratio Estimation in Machine Learning, chapter 4,
    https://doi.org/10.1017/CBO9781139035613

    Examples
    --------
    Of two kinds of rows the target has three times as many of the second:

    >>> source, target = [0.0] * 50 + [1.0] * 50, [0.0] * 25 + [1.0] * 75
    >>> weighting = covariate_weights(source, target, ridge=1e-9)
    >>> weighting.weights[[0, -1]].round(4)
    array([0.5, 1.5])
    """
    refuse_other_index(source=source, source_weights=source_weights)
    refuse_other_index(target=target, target_weights=target_weights)
    source, target = matched_features(source, target)
    x, w_x = _features(source, source_weights, "source")
    y, w_y = _features(target, target_weights, "target")
    if x.shape[1] != y.shape[1]:
        msg = f"`target` must have the {x.shape[1]} columns of `source`, got {y.shape[1]}."
        raise InvalidInputError(msg)
    ridge = as_positive(ridge, name="ridge")
    most = min(_LARGEST, sqrt(len(x)))
    if clip is not None:
        rule = "a finite number above 1, the mean of the weights"
        most = as_number(clip, name="clip", rule=rule, above=1.0)
    classifier, auc = _classified((x, w_x), (y, w_y), ridge, as_seed(seed))
    log_odds = classifier.log_odds(x)
    ratio = np.exp(np.maximum(log_odds - log_odds.max(), _SMALLEST))
    weights = _of_mean_one(ratio, w_x, most)
    combined = weights * w_x
    return CovariateWeights(
        weights=weights,
        auc=auc,
        effective_rows=float(combined.sum() ** 2 / (combined @ combined)),
        n_source=len(x),
        n_target=len(y),
        clip=most,
        clipped=int(np.count_nonzero(weights >= most)),
    )


def _classified(
    source: tuple[Array, Array], target: tuple[Array, Array], ridge: float, seed: int
) -> tuple[DomainClassifier, Estimate]:
    """Return the classifier fitted on all rows, and its AUC on rows it had not seen."""
    features = np.concatenate([source[0], target[0]])
    weights = np.concatenate([source[1], target[1]])
    is_target = np.arange(len(features)) >= len(source[0])
    has_weight = weights > 0.0
    features, weights, is_target = features[has_weight], weights[has_weight], is_target[has_weight]

    def fit(w: Array) -> Callable[[NDArray[np.bool_]], Array]:
        without = fit_domain(features, is_target, w, ridge=ridge)
        return lambda held_out: without.log_odds(features[held_out])

    scores = cross_fit(
        fit, is_target.astype(np.intp), scores=(features,), weights=weights, seed=seed
    )
    whole = fit_domain(features, is_target, weights, ridge=ridge)
    return whole, area_under_curve(scores, is_target, weights)


def _of_mean_one(ratio: Array, own: Array, most: float) -> Array:
    """Return min(factor x ratio, most), with the factor that gives it the weighted mean 1."""
    over = np.zeros(len(ratio), dtype=bool)
    while True:
        factor = (own.sum() - most * own[over].sum()) / (own[~over] @ ratio[~over])
        larger = factor * ratio > most
        if (larger <= over).all():
            return np.asarray(np.where(over, most, factor * ratio))
        over |= larger


def _features(
    values: ArrayLike, weights: ArrayLike | None, name: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x = as_float64(as_numbers(values, name=name))
    x = x[:, None] if x.ndim == 1 else x
    if x.ndim != 2 or x.shape[1] == 0:
        msg = f"`{name}` must have shape (n, d), one row of features each, got {x.shape}."
        raise InvalidInputError(msg)
    bad = ~(np.abs(x) <= _MOST).all(axis=1)
    if bad.any():
        msg = (
            f"`{name}` must be finite, and not beyond {_MOST:g}; {row_name(int(bad.argmax()))} is "
            f"not ({such_rows(bad)})."
        )
        raise InvalidInputError(msg)
    w = as_weights(weights, n=len(x))
    w = np.ones(len(x)) if w is None else w
    if np.count_nonzero(w) < _FEWEST:
        msg = (
            f"`{name}` must have at least {_FEWEST} rows of weight above 0 to tell two sets "
            f"apart, got {np.count_nonzero(w)}."
        )
        raise InvalidInputError(msg)
    return x, w
