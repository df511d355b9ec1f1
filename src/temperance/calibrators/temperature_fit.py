"""The fit of one temperature on labelled rows, wherever they lie."""

from __future__ import annotations

from dataclasses import replace
from math import inf, sqrt
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from temperance.blocks import unreported
from temperance.calibrators.newton import ROUGH, Closeness, Minimum, minimise, nearby_minimum
from temperance.calibrators.record import TemperatureRecord
from temperance.calibrators.training import cluster_slopes, score_test_of_clusters
from temperance.checks.scores import refuse_tiny
from temperance.errors import InvalidInputError, NoOptimumError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.blocks import FoldedRows, LabelledRows
    from temperance.calibrators.training import Training
    from temperance.kernels.loss import ExistenceSums, LossPass

    Array = NDArray[np.float64]

__all__ = [
    "count_clusters",
    "fold_temperatures",
    "refuse_constant_logits",
    "temperature_record",
]

# Whether one finite temperature minimises the log loss, told from two sums before any step.


_PRIOR_HINT = "`prior=1.0` (--prior 1) gives a finite answer on any data."
_CONSTANT = (
    "No temperature is better than another: in every row all logits are equal. "
    "Check that these are the model's outputs."
)
_ROUNDING = 1e-12  # a slope below this, relative to the spread of the logits, is zero


def require_optimum(sums: ExistenceSums) -> None:
    """Raise `NoOptimumError` unless one finite positive temperature minimises the loss."""
    if sums.spread == 0.0:
        raise NoOptimumError(_CONSTANT, reason="constant-logits")
    if sums.gap_to_largest == 0.0:
        msg = (
            "No finite temperature: every label has its row's largest logit, so the smaller T, "
            f"the better (separable data; best T = 0). More rows with errors would settle it; "
            f"{_PRIOR_HINT}"
        )
        raise NoOptimumError(msg, reason="separable")
    if sums.gap_to_mean >= -_ROUNDING * sums.spread:
        msg = (
            "No finite temperature: the labels are no better than chance under these logits, so "
            "the larger T, the better. Are rows and labels in the same order, and do the columns "
            f"match the labels? {_PRIOR_HINT}"
        )
        raise NoOptimumError(msg, reason="worse-than-chance")


def refuse_constant_logits(rows: Training) -> None:
    """Raise `NoOptimumError` if no logit differs from the others of its row."""
    if rows.existence_sums().spread == 0.0:
        raise NoOptimumError(_CONSTANT, reason="constant-logits")


# How sure a temperature is where rows belong together: errors that count clusters.


R = TypeVar("R", bound="TemperatureRecord")
_NOTHING_LEFT = 1e-12  # share of the curvature that is rounding


def count_clusters(record: R, rows: Training) -> R:
    r"""Return the record with errors that count the rows' clusters, each a draw of its own.

    The sandwich formula (Liang and Zeger 1986): slopes of the loss are added up within a cluster
    before they are squared; so they are in the score test. Where clusters have several rows, the
    interval takes Student's t of G - 1 degrees of freedom, with G = (sum w)^2 / sum w^2 their
    effective number, and each cluster's slope stands for the one that it would have about the
    temperature of the *other* clusters.

    Notes
    -----
    With :math:`S_g` and :math:`V_g` the slope and the curvature in beta of cluster g, the squared
    error of beta is :math:`\sum_g (S_g / (1 - V_g / V))^2 / V^2`: to first order,
    :math:`S_g / (V - V_g)` is how far beta moves when g is left out (the jackknife; "CR3"). For
    equal clusters it is G / (G - 1) times the plain error. The fit bends towards each cluster,
    and the slopes of few clusters are skewed: the factor sqrt(G / (G - 1)) held the truth in .92
    of samples of 8 clusters where this holds it in .93 to .95.

    References
    ----------
    Bell and McCaffrey (2002), Bias Reduction in Standard Errors for Linear Regression with
    Multi-Stage Samples, Survey Methodology 28, 169-181
    """
    weights, clusters = rows.weights, rows.clusters
    if clusters is None:
        return record
    beta = 1.0 / record.temperature
    slopes, curvatures = cluster_slopes(rows.logits, rows.labels, weights, clusters, beta=beta)
    likelihood = float(curvatures.sum())
    curvature = likelihood + record.prior / beta**2
    degrees = _degrees_of_freedom(weights, clusters)
    error = inf
    if degrees is None:
        error = sqrt(float(slopes @ slopes)) / curvature
    elif degrees > 0.0:
        error = _error_between(slopes, curvatures, curvature)
    if record.prior > 0.0:
        error = max(error, 1.0 / sqrt(curvature))
    return replace(
        record,
        standard_error=record.temperature**2 * error,
        expected_regret=0.5 * error**2 * likelihood / record.weight if error < inf else None,
        score_test=score_test_of_clusters(rows.logits, rows.labels, weights, clusters),
        degrees_of_freedom=degrees,
    )


def _error_between(slopes: Array, curvatures: Array, curvature: float) -> float:
    """Return the standard error of beta by the jackknife; infinite if one cluster is all."""
    remainder = 1.0 - curvatures / curvature  # what the others know
    if float(remainder.min()) <= _NOTHING_LEFT:
        return inf
    influence = slopes / remainder
    return sqrt(float(influence @ influence)) / curvature


def _degrees_of_freedom(weights: Array | None, clusters: NDArray[np.intp]) -> float | None:
    """Return the effective number of clusters less 1; None where each has but one row."""
    m = int(clusters.max()) + 1
    if m == len(clusters):
        return None
    of_cluster = np.bincount(clusters, weights, m)
    return float(of_cluster.sum() ** 2 / (of_cluster @ of_cluster)) - 1.0


_EXTREME = (
    "`logits` are so small, or so large, that no temperature from 1e-100 to 1e100 is the best: "
    "multiply all of them by one number first, so that they differ by about 1."
)


def temperature_record(rows: LabelledRows, *, prior: float = 0.0) -> TemperatureRecord:
    """Return the temperature that minimises the log loss, with its record.

    The search starts where a sample of the rows has its minimum, so that all rows are read two or
    three times.
    """
    minimum = _minimum(rows, prior=prior, start=_start(rows, prior=prior))
    return TemperatureRecord.of(minimum, prior=prior, readings=rows.sample_readings)


def _start(rows: LabelledRows, *, prior: float) -> float:
    """Return the minimum of a sample; 1 where there is no sample, or no minimum on it."""
    sample = rows.sample()
    if sample is None:
        return 1.0
    try:
        with unreported():  # these rows are among those that are read
            start = _start(sample, prior=prior)
            return _minimum(sample, prior=prior, start=start, closeness=ROUGH).beta
    except NoOptimumError:
        return 1.0
    except InvalidInputError:  # which row of all rows is it?
        rows.refuse_bad_values()
        raise


def _minimum(
    rows: LabelledRows, *, prior: float, start: float, closeness: Closeness | None = None
) -> Minimum:
    def read(betas: tuple[float, ...]) -> LossPass:
        try:
            sums = rows.loss_pass(betas)
        except (OverflowError, ZeroDivisionError) as error:  # powers of a temperature
            rows.refuse_bad_values()
            raise InvalidInputError(_EXTREME) from error
        if not sums.finite:
            rows.refuse_bad_values()
            msg = "`logits` differ so much within a row that their log loss overflows."
            raise InvalidInputError(msg)
        refuse_tiny(sums.widest)
        return sums

    return minimise(
        read,
        require_existence=lambda: require_optimum(rows.existence_sums()),
        prior=prior,
        start=start,
        closeness=closeness,
    )


# Cross-fitted temperatures of rows that come block by block, from the sums of the fit itself.


_CLOSE = 1e-8  # relative distance from the minimum of a fold's other rows


def fold_temperatures(rows: FoldedRows, *, prior: float) -> tuple[float, ...]:
    """Return for each fold the temperature of all rows but the fold's.

    The last reading of the fit left sums of each fold near the minimum of all rows, from which
    that of most of them is a certified step away: many rows need no further reading. Where the
    step is too far, the rows are read again.

    Raises
    ------
    NoOptimumError
        The other rows of a fold have no finite temperature, or there are none.
    """
    last = rows.last
    assert last is not None  # noqa: S101  (after a fit)
    temperatures = []
    for fold in range(rows.n_folds):
        others = last.without(fold)
        if others is None:
            raise NoOptimumError(_few("there are no others."), reason="no-rows")
        beta, distance = nearby_minimum(others, beta=last.betas[-1], prior=prior)
        if not distance <= _CLOSE:
            beta = _searched(rows, fold, prior=prior, start=last.betas[-1])
        temperatures.append(1.0 / beta)
    return tuple(temperatures)


def _searched(rows: FoldedRows, fold: int, *, prior: float, start: float) -> float:
    def read(betas: tuple[float, ...]) -> LossPass:
        rows.loss_pass(betas)
        assert rows.last is not None  # noqa: S101  (it has just been read)
        others = rows.last.without(fold)
        assert others is not None  # noqa: S101  (nor was it before)
        return others

    def refuse() -> None:
        raise NoOptimumError(
            _few("without them there is no finite temperature."), reason="separable"
        )

    return minimise(read, require_existence=refuse, prior=prior, start=start).beta


def _few(what: str) -> str:
    return (
        f"Cross-fitting leaves a fifth of the rows out at a time: {what} "
        "Score other rows: --test FILE."
    )
