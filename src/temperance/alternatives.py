"""What other ways would do on the same rows: class biases, orders of pooling, ways of labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from temperance.calibrators import (
    LABEL_METHODS,
    BiasCorrectedTemperatureScaling,
    Ensemble,
    LabelPlattScaling,
    Method,
    Outputs,
    TemperatureScaling,
    Training,
    calibrated_rows,
    entry_rows,
    fit_entries,
    out_of_fold_logits,
    pooled_logits,
    temperature_of,
)
from temperance.checks.arguments import as_seed, as_word
from temperance.checks.label_matrix import Entries
from temperance.checks.labels import class_names
from temperance.comparison import Comparison, compare_rows
from temperance.crossfit import cross_fit
from temperance.defaults import QUICK_RESAMPLES
from temperance.errors import InvalidInputError, NoOptimumError
from temperance.frozen import plain
from temperance.metrics.estimates import Estimate
from temperance.metrics.inputs import Predictions
from temperance.numerics import normal_quantile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.calibrators import Calibrator, Pool
    from temperance.checks import Positions

    Array = NDArray[np.float64]
    _Map = Callable[[Training, NDArray[np.bool_]], Array]  # some rows of a table to their logits
    _Way = Callable[[Training], _Map]

__all__ = [
    "BASE_RATES",
    "BIASED",
    "LINES",
    "UNBIASED",
    "ClassBiases",
    "calibrated_first",
    "class_biases",
    "compare_label_ways",
    "compare_pooling",
    "label_way_sides",
    "pooling_sides",
]

UNBIASED, BIASED = "one temperature", "temperature and class biases"


@dataclass(frozen=True, slots=True)
class ClassBiases:
    """Biases of a bias-corrected temperature, and what they gain over a temperature alone."""

    biases: dict[str, Estimate]  # of each class, in its order; above 0: claimed too rarely
    temperature: float  # beside the biases
    comparison: Comparison  # UNBIASED, the baseline, and BIASED, on rows that no fit has seen

    @classmethod
    def of(
        cls,
        scaling: Calibrator,
        rows: Training,
        sides: Mapping[str, Predictions],
    ) -> Self:
        """Return the biases of a fit on these rows, and the comparison of both sides."""
        bias, errors = scaling.parts.class_bias, scaling.class_bias_errors(rows)
        temperature = temperature_of(scaling)
        assert bias is not None  # noqa: S101  (a map with class biases)
        assert errors is not None  # noqa: S101
        assert temperature is not None  # noqa: S101
        halves = normal_quantile(0.95) * errors
        names = rows.classes or tuple(map(str, range(rows.k)))
        biases = {
            name: Estimate(bias, bias - half, bias + half)
            for name, bias, half in zip(names, bias.tolist(), halves.tolist(), strict=True)
        }
        comparison = compare_rows(dict(sides), n_resamples=QUICK_RESAMPLES)
        return cls(biases, temperature, comparison)

    def to_dict(self) -> dict[str, Any]:
        """Return each bias, and the differences from a temperature alone."""
        return {
            "temperature": self.temperature,
            "biases": plain(self.biases),
            "differences": self.comparison.differences[BIASED].to_dict(),
        }


def class_biases(
    logits: ArrayLike,
    labels: ArrayLike | Positions,
    *,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    prior: float = 0.0,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
    refuse_probs: bool = True,
    seed: int = 0,
) -> ClassBiases:
    r"""Return which classes are claimed too often, and what correcting that gains.

    Parameters
    ----------
    logits, labels, weights, clusters, classes, ignore_label, refuse_probs
        As in `TemperatureScaling.fit`.
    prior : float, default 0.0
        As in `BiasCorrectedTemperatureScaling.fit`.
    seed : int, default 0
        Of the folds, >= 0.

    Returns
    -------
    ClassBiases
        The bias of each class with a 95 % interval, in log-odds, summing to 0: below 0 the class is
        claimed too often. And the paired comparison, cross-fitted, with a temperature alone: a log
        loss difference below 0 says that biases help.

    Raises
    ------
    InvalidInputError
        As in `TemperatureScaling.fit`.
    NoOptimumError
        As in `BiasCorrectedTemperatureScaling.fit`, of all rows or of those without a fold.

    Examples
    --------
    A model that says class 0 half the time, where it is true in one row of four.

    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(2000, 2))
    >>> right = 1 / (1 + np.exp(z[:, 0] - z[:, 1] - 1.0))
    >>> biases = class_biases(z, (rng.random(2000) < right).astype(int)).biases
    >>> biases["0"].high < 0 < biases["1"].low
    True
    """
    rows = Training.check(
        logits, labels, weights=weights, clusters=clusters, classes=classes,
        ignore_label=ignore_label, refuse_probs=refuse_probs, prior=prior,
    )  # fmt: skip
    seed = as_seed(seed)
    methods: dict[str, type[Method]] = {
        UNBIASED: TemperatureScaling,
        BIASED: BiasCorrectedTemperatureScaling,
    }
    scaling = BiasCorrectedTemperatureScaling.from_rows(rows)
    sides = {
        name: _predictions(rows, out_of_fold_logits(rows, method.from_rows, seed=seed))
        for name, method in methods.items()
    }
    return ClassBiases.of(scaling, rows, sides)


_POOL_FIRST, _CALIBRATE_FIRST = "pool, then calibrate", "calibrate, then pool"
_AS_THEY_ARE = "equal weights, as they are"


def compare_pooling(
    members: Sequence[ArrayLike] | ArrayLike,
    labels: ArrayLike | Positions,
    *,
    names: Sequence[object] | None = None,
    pool: Pool = "linear",
    weights: ArrayLike | None = None,
    prior: float = 0.0,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
    refuse_probs: bool = True,
    seed: int = 0,
) -> Comparison:
    """Compare an ensemble with calibrating each member first, and with each member alone.

    Parameters
    ----------
    members, labels, pool, weights, prior, classes, ignore_label, refuse_probs
        As in `Ensemble.fit`.
    names : sequence of m names, optional
        Of the members; "0", "1", ... where left out.
    seed : int, default 0
        Of the folds, >= 0.

    Returns
    -------
    Comparison
        Of "pool, then calibrate", the baseline, "calibrate, then pool", "equal weights, as they
        are" and "NAME alone": rows are scored by fits without their fold.

    Raises
    ------
    InvalidInputError
        As in `Ensemble.fit`; another number of names.
    NoOptimumError
        As in `Ensemble.fit`; a member, or a fold of it, has no temperature of its own.

    Examples
    --------
    Two models that see the same with different noise: the pool beats each of them.

    >>> rng = np.random.default_rng(0)
    >>> truth = rng.normal(size=(1000, 3))
    >>> y = (truth + rng.gumbel(size=truth.shape)).argmax(axis=1)
    >>> models = [truth + rng.normal(size=truth.shape) for _ in range(2)]
    >>> compare_pooling(models, y).differences["0 alone"].verdict("log_loss")
    'worse'
    """
    rows = Ensemble.checked_rows(
        members, labels, weights=weights, prior=prior, classes=classes,
        ignore_label=ignore_label, refuse_probs=refuse_probs,
    )  # fmt: skip
    assert rows.members is not None  # noqa: S101  (of `checked_rows`)
    count = len(rows.members)
    called = tuple(map(str, range(count))) if names is None else class_names(names)
    if len(called) != count:
        msg = f"`names` must name each of the {count} members, got {len(called)}."
        raise InvalidInputError(msg)
    seed = as_seed(seed)
    pooled = out_of_fold_logits(rows, lambda own: Ensemble.from_rows(own, pool=pool), seed=seed)
    first = calibrated_first(rows, None, pool=pool, seed=seed)
    equal = pooled_logits(rows.members, np.full(count, 1.0 / count), pool=pool)
    sides = pooling_sides(pooled, first, equal, dict(zip(called, rows.members, strict=True)))
    return compare_rows(
        {name: _predictions(rows, logits) for name, logits in sides.items()},
        n_resamples=QUICK_RESAMPLES,
    )


def calibrated_first(
    rows: Training, test: Sequence[NDArray[Any]] | None, *, pool: Pool, seed: int
) -> Array:
    """Return the pool, equally weighted, of members that were calibrated one by one, (n, k).

    Of `test`, the members of other rows, or of these rows by fits without their fold.
    """
    assert rows.members is not None  # noqa: S101  (rows of an ensemble)

    def calibrated(number: int, member: NDArray[Any]) -> Array:
        alone = replace(rows, logits=member, members=None)
        if test is None:
            return out_of_fold_logits(alone, TemperatureScaling.from_rows, seed=seed)
        scaling = TemperatureScaling.from_rows(alone)
        return scaling.calibrated_logits(Outputs((test[number],)))

    each = [calibrated(number, member) for number, member in enumerate(rows.members)]
    return pooled_logits(each, np.full(len(each), 1.0 / len(each)), pool=pool)


def pooling_sides(
    pooled: Array, first: Array, equal: Array, members: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """Return the logits of each way under its name, the calibrated pool first."""
    alone = {f"{name} alone": logits for name, logits in members.items()}
    return {_POOL_FIRST: pooled, _CALIBRATE_FIRST: first, _AS_THEY_ARE: equal, **alone}


BASE_RATES = "base rate of each label, without the model"
LINES = "slope and intercept per label"


def compare_label_ways(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    method: str = "temperature",
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    prior: float = 0.0,
    classes: Sequence[object] | None = None,
    ignore_label: int | str | None = None,
    refuse_probs: bool = True,
    seed: int = 0,
) -> Comparison:
    r"""Compare a map of a label matrix with a line per label, and with knowing no more than rates.

    Parameters
    ----------
    logits, labels, method, weights, prior, classes, ignore_label, refuse_probs
        As in `MultilabelScaling.fit`.
    clusters : array_like, shape (n,), optional
        Which rows belong together. Default: each row by itself.
    seed : int, default 0
        Of the folds, >= 0.

    Returns
    -------
    Comparison
        Of `method`, the baseline, "slope and intercept per label" (where `method` is another) and
        "base rate of each label, without the model", over the n * l entries: each is scored by fits
        without the fold of its row. A way that a fold has no optimum for is left out. Where the
        base rates are better, the map is worth less than no model.

    Raises
    ------
    InvalidInputError
        As in `MultilabelScaling.fit`.
    NoOptimumError
        As in `MultilabelScaling.fit`, of `method` on the rows without a fold; there is only one
        row, or all are of one cluster.

    Notes
    -----
    The base rate of label j, of entries that apply with summed weight :math:`a_j` of
    :math:`w_j` (weights as effective rows), is
    :math:`(a_j + \tfrac12) / (w_j + 1)`: half a row is added each way, so that a label of no event
    has a finite log loss. A label that the other folds have no row of gets the smallest of all.

    Examples
    --------
    Labels that apply less often than claimed, by a factor of about 7 in the odds: no temperature
    moves 1/2, a line does.

    >>> z = np.tile([[0.0, 2.0], [-1.0, 1.0], [0.0, 1.0], [-1.0, 2.0]], (50, 1))
    >>> y = (np.random.default_rng(0).random(z.shape) < 1 / (1 + np.exp(2 - z))).astype(int)
    >>> ways = compare_label_ways(z, y)
    >>> ways.differences["slope and intercept per label"].verdict("log_loss")
    'better'
    """
    method = as_word(method, LABEL_METHODS, name="method")
    entries = Entries.check(
        logits, labels, weights=weights, clusters=clusters, classes=classes,
        ignore_label=ignore_label, refuse_probs=refuse_probs,
    )  # fmt: skip
    units = np.unique(entries.clusters, return_inverse=True)[1]
    rows = entry_rows(replace(entries, clusters=units), prior=prior)
    n_rows = int(entries.keep.any(axis=1).sum())
    seed = as_seed(seed)
    after = out_of_fold_logits(rows, lambda own: fit_entries(method, own), seed=seed)
    sides = label_way_sides(rows, None, after, method=method, seed=seed)
    return compare_rows(
        {
            name: Predictions.from_entries(
                each, entries.labels, entries.weights, units, names=entries.groups, n_rows=n_rows
            )
            for name, each in sides.items()
        },
        n_resamples=QUICK_RESAMPLES,
    )


def label_way_sides(
    rows: Training, test: Training | None, after: Array, *, method: str, seed: int
) -> dict[str, Array]:
    """Return the logits (m, 2) of each way under its name, `after` of the method first.

    `rows` are entries of a label matrix (`entry_rows`). Of `test`, other entries, or of these rows
    by fits without their fold. A way without an optimum is left out.
    """
    rows = replace(rows, prior=0.0)  # it is the method's; no other way takes one
    sides, ways = {method: after}, {BASE_RATES: _base_rates}
    if method != LabelPlattScaling.method:
        ways[LINES] = _lines
    for name, way in ways.items():
        try:
            sides[name] = _unseen(rows, test, way, seed=seed)
        except NoOptimumError:
            continue
    return sides


def _unseen(rows: Training, test: Training | None, way: _Way, *, seed: int) -> Array:
    """Return the logits of other entries, or of all rows by fits without them."""
    if test is not None:
        return way(rows)(test, np.ones(test.n, dtype=bool))
    assert rows.groups is not None  # noqa: S101  (names of labels)
    number = np.unique(rows.groups, return_inverse=True)[1]
    return cross_fit(
        lambda weights: partial(way(rows.weighing(weights)), rows),
        rows.labels, scores=(rows.logits, number), weights=rows.weights, clusters=rows.clusters,
        seed=seed,
    )  # fmt: skip


def _lines(rows: Training) -> _Map:
    return partial(calibrated_rows, fit_entries(LabelPlattScaling.method, rows))


def _base_rates(rows: Training) -> _Map:
    """Return a map to the log-odds of how often each label applies, half a row added each way."""
    assert rows.groups is not None  # noqa: S101  (names of labels)
    w = np.ones(rows.n) if rows.weights is None else rows.weights
    names, number = np.unique(rows.groups, return_inverse=True)
    positive = np.bincount(number, w * rows.labels, len(names)) + 0.5
    negative = np.bincount(number, w, len(names)) - positive + 1.0
    odds = dict(zip(names.tolist(), np.log(positive / negative).tolist(), strict=True))
    rarest = min(odds.values())  # of a label that the fit has no row of

    def apply(others: Training, which: NDArray[np.bool_]) -> Array:
        assert others.groups is not None  # noqa: S101  (names of labels)
        z = np.array([odds.get(name, rarest) for name in others.groups[which].tolist()])
        return np.stack([np.zeros_like(z), z], axis=1)

    return apply


def _predictions(rows: Training, logits: NDArray[Any]) -> Predictions:
    return Predictions.from_logits(
        logits, rows.labels, rows.weights, rows.clusters, classes=rows.classes
    )
