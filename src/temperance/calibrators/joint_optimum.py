"""The last Newton steps of a temperature with class biases, and how sure the fit is."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from temperance.calibrators.record import FitRecord, TemperatureRecord
from temperance.errors import NoOptimumError
from temperance.kernels.affine import AffineScores, CurvatureSums, affine_scores, curvature_sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.calibrators.affine import AffineFit, AffineProblem

    Array = NDArray[np.float64]

__all__ = ["JointOptimum", "certify"]

_MOST_CLASSES = 2_000  # the Hessian has k^2 numbers
_MOST_STEPS = 20
_LAST_STEP = 1e-8  # relative to the numbers themselves
_SEPARABLE = (
    "No finite optimum: with a bias per class, rows can be told apart without error, so the loss "
    "falls for ever as the biases grow. More rows would settle it; `prior=1.0` (--prior 1) gives a "
    "finite answer on any data."
)


@dataclass(frozen=True, slots=True, eq=False)
class JointOptimum:
    """Inverse temperature and biases at the minimum; None where no error is known."""

    beta: float
    bias: Array  # (k,)
    passes: int
    error: float | None  # standard error of beta, by the sandwich formula
    expected_regret: float | None  # nats of mean log loss on new rows, of beta and biases together

    def record(self, facts: FitRecord) -> FitRecord:
        """Return the facts of the fit, with those of the temperature where they are known."""
        if self.error is None:
            return facts
        temperature = 1.0 / self.beta
        known = {each.name: getattr(facts, each.name) for each in fields(facts)}
        return TemperatureRecord(
            **known,
            temperature=temperature,
            standard_error=temperature**2 * self.error,
            expected_regret=self.expected_regret,
        )


def certify(problem: AffineProblem, found: AffineFit, *, prior: float) -> JointOptimum:
    """Return the minimum by Newton from a point close to it, or say that there is none.

    Near a minimum each step squares the distance; where the loss falls for ever, steps stay as
    large as they were.
    """
    if problem.rows.k > _MOST_CLASSES:
        return JointOptimum(float(found.linear), found.bias, found.passes, None, None)
    at = np.concatenate([[float(found.linear)], found.bias])
    passes = found.passes
    for _ in range(_MOST_STEPS):
        inverse = _inverse(problem, at, prior)
        step = inverse @ _gradient(problem, at, prior)
        passes += 2
        at = at - step
        of_bias = max(1.0, float(np.abs(at[1:]).max()))
        if abs(step[0]) <= _LAST_STEP * abs(at[0]) and (
            np.abs(step[1:]).max() <= _LAST_STEP * of_bias
        ):
            return _known(problem, at, inverse, prior=prior, passes=passes)
    raise NoOptimumError(_SEPARABLE, reason="separable")


def _known(
    problem: AffineProblem, at: Array, inverse: Array, *, prior: float, passes: int
) -> JointOptimum:
    bias = at[1:] - at[1:].mean()
    beta = float(at[0])
    scores: AffineScores = problem.map(
        affine_scores, linear=np.array(beta), bias=bias, inverse=inverse
    )
    variance = max(scores.first, float(inverse[0, 0])) if prior else scores.first
    regret = 0.5 * scores.all / problem.rows.weight
    return JointOptimum(beta, bias, passes + 1, sqrt(variance), regret)


def _gradient(problem: AffineProblem, at: Array, prior: float) -> Array:
    sums = problem.sums(np.array(at[0]), at[1:])
    own = np.concatenate([[float(sums.linear)], sums.bias])
    if prior:
        own += prior * np.concatenate([[1.0 - 1.0 / at[0]], at[1:]])
    return own


def _inverse(problem: AffineProblem, at: Array, prior: float) -> Array:
    sums: CurvatureSums = problem.map(curvature_sums, linear=np.array(at[0]), bias=at[1:])
    hessian = sums.matrix
    if prior:
        hessian += prior * np.diag(np.concatenate([[1.0 / at[0] ** 2], np.ones(len(at) - 1)]))
    units = np.sqrt(hessian.diagonal())
    if not (units > 0.0).all():
        raise NoOptimumError(_SEPARABLE, reason="separable")
    try:
        inverse = np.linalg.inv(hessian / np.outer(units, units))
    except np.linalg.LinAlgError as error:
        raise NoOptimumError(_SEPARABLE, reason="separable") from error
    return np.asarray(inverse / np.outer(units, units))
