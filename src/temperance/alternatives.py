"""What other ways of calibrating the same rows would do: class biases, orders of pooling."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from temperance.calibrators import (
    BiasCorrectedTemperatureScaling,
    Ensemble,
    Method,
    Outputs,
    TemperatureScaling,
    Training,
    class_bias_errors,
    out_of_fold_logits,
    pooled_logits,
)
from temperance.checks.arguments import as_seed
from temperance.checks.labels import class_names
from temperance.comparison import Comparison, compare_rows
from temperance.errors import InvalidInputError
from temperance.metrics.estimates import Estimate
from temperance.metrics.inputs import Predictions
from temperance.metrics.resampling import QUICK_RESAMPLES
from temperance.numerics import normal_quantile
from temperance.plain import plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.calibrators import Pool
    from temperance.checks import Positions

    Array = NDArray[np.float64]

__all__ = [
    "BIASED",
    "UNBIASED",
    "ClassBiases",
    "calibrated_first",
    "class_biases",
    "compare_pooling",
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
        scaling: BiasCorrectedTemperatureScaling,
        rows: Training,
        sides: Mapping[str, Predictions],
    ) -> Self:
        """Return the biases of a fit on these rows, and the comparison of both sides."""
        halves = normal_quantile(0.95) * class_bias_errors(scaling, rows, rows.clusters)
        names = rows.classes or tuple(map(str, range(rows.k)))
        biases = {
            name: Estimate(bias, bias - half, bias + half)
            for name, bias, half in zip(names, scaling.bias.tolist(), halves.tolist(), strict=True)
        }
        comparison = compare_rows(dict(sides), n_resamples=QUICK_RESAMPLES)
        return cls(biases, scaling.temperature, comparison)

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


def _predictions(rows: Training, logits: NDArray[Any]) -> Predictions:
    return Predictions.from_logits(
        logits, rows.labels, rows.weights, rows.clusters, classes=rows.classes
    )
