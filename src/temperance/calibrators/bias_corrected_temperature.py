"""Bias-corrected temperature scaling: one temperature, and a bias per class."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import partial
from math import sqrt
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from temperance.blocks import one_thread_each
from temperance.calibrators.affine import AffineProblem
from temperance.calibrators.calibrator import Method, Traits
from temperance.calibrators.operations import Affine, Divide, Softmax
from temperance.calibrators.record import FitRecord, MapParts, TemperatureRecord
from temperance.calibrators.temperature import refuse_constant_logits, temperature_record
from temperance.calibrators.training import Training
from temperance.checks.arguments import as_positive
from temperance.checks.arrays import frozen_numbers
from temperance.errors import InvalidInputError, NoOptimumError
from temperance.kernels.affine import (
    AffineScores,
    CurvatureSums,
    affine_logits,
    affine_row_scores,
    affine_scores,
    curvature_sums,
)
from temperance.numerics import as_float64, centred_rows, row_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.calibrators.affine import AffineFit
    from temperance.calibrators.operations import Operation
    from temperance.checks.labels import Positions
    from temperance.frozen import MaybeNone
    from temperance.readers.json_object import JsonObject

    Array = NDArray[np.float64]

__all__ = ["BiasCorrectedTemperatureScaling", "class_bias_errors"]

# The last Newton steps of a temperature with class biases, and how sure the fit is.


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
        common = {each.name: getattr(facts, each.name) for each in fields(facts)}
        return TemperatureRecord(
            **common,
            temperature=temperature,
            standard_error=temperature**2 * self.error,
            expected_regret=self.expected_regret,
        )


def certify(problem: AffineProblem, fit: AffineFit, *, prior: float) -> JointOptimum:
    """Return the minimum by Newton from a point close to it, or say that there is none.

    Near a minimum each step squares the distance; where the loss falls for ever, steps stay as
    large as they were.
    """
    if problem.rows.k > _MOST_CLASSES:
        return JointOptimum(float(fit.linear), fit.bias, fit.passes, None, None)
    at = np.concatenate([[float(fit.linear)], fit.bias])
    passes = fit.passes
    for _ in range(_MOST_STEPS):
        inverse = _inverse(problem, at, prior)
        step = inverse @ _gradient(problem, at, prior)
        passes += 2
        at = at - step
        of_bias = max(1.0, float(np.abs(at[1:]).max()))
        if abs(step[0]) <= _LAST_STEP * abs(at[0]) and (
            np.abs(step[1:]).max() <= _LAST_STEP * of_bias
        ):
            return _joint_optimum(problem, at, inverse, prior=prior, passes=passes)
    raise NoOptimumError(_SEPARABLE, reason="separable")


def _joint_optimum(
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


_LEAST = 1e-8  # of the start: a prior keeps the inverse temperature above 0, the search must too
_FAR = 1e2  # inverse temperatures up to here, or down to the inverse, are found from 1


@dataclass(frozen=True, slots=True, eq=False)
class BiasCorrectedTemperatureScaling(Method):
    r"""Probabilities softmax(logits / temperature + bias), with one bias per class.

    Parameters
    ----------
    temperature : float
        T > 0, without unit.
    bias : ndarray, shape (k,)
        Added to each class's logit; sums to 0. Above 0 = the model claims the class too rarely.
    n_classes : int, optional
        k.
    classes : tuple of str, optional
        Names of the columns.
    record : FitRecord, optional
        How the numbers were found; a TemperatureRecord, with the interval of T, up to 2,000
        classes.

    Raises
    ------
    InvalidInputError
        `temperature` is not a finite number above 0, `bias` not k finite numbers.

    Notes
    -----
    `fit` minimises the mean log loss over :math:`\beta = 1/T` and the biases, jointly convex. The
    standard error of T is that of the joint fit (sandwich). Where class frequencies differ from
    what the model was trained for, the biases repair what no temperature can; they must not be
    used where the frequencies will change again (see `temperance.shift`).

    References
    ----------
    Alexandari, Kundaje and Shrikumar (2020), Maximum Likelihood with Bias-Corrected Calibration is
    Hard-To-Beat at Label Shift Adaptation, https://arxiv.org/abs/1901.06852

    Examples
    --------
    Log-odds of -1 and 1 for class 1, which is true in one row of four, and in three of four: the
    log-odds must become -log 3 and log 3, so T = 1 / log 3.

    >>> logits = [-1.0] * 4 + [1.0] * 4
    >>> scaling = BiasCorrectedTemperatureScaling.fit(logits, [0, 0, 0, 1, 0, 1, 1, 1])
    >>> round(scaling.temperature, 6), round(1 / 1.0986122886681098, 6)
    (0.910239, 0.910239)
    """

    method: ClassVar[str] = "bias-corrected-temperature"
    traits: ClassVar[Traits] = Traits(
        type="parametric",
        summary="logits / T + a bias per class",
        parameters="k",
        learned=(0, 1),
        labels="10 a class",
        cost="n k, 20 passes",
        keeps_class=False,
        keeps_order=False,
        keeps_ranking="if k = 2",
        classes="any, natively",
        risk="low",
        source="Alexandari et al. 2020",
        prior=True,
    )

    temperature: float
    bias: NDArray[np.float64]
    record: FitRecord | MaybeNone = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        temperature = as_positive(self.temperature, name="temperature")
        object.__setattr__(self, "temperature", temperature)
        object.__setattr__(self, "bias", frozen_numbers(self.bias, name="bias"))
        self.require_width(len(self.bias))

    @classmethod
    def fit(
        cls,
        logits: ArrayLike,
        labels: ArrayLike | Positions,
        *,
        weights: ArrayLike | None = None,
        prior: float = 0.0,
        classes: Sequence[object] | None = None,
        class_axis: int = -1,
        ignore_label: int | str | None = None,
        refuse_probs: bool = True,
    ) -> Self:
        r"""Return the temperature and biases that minimise the mean log loss.

        Parameters
        ----------
        logits, labels, weights, classes, class_axis, ignore_label, refuse_probs
            As in `TemperatureScaling.fit`.
        prior : float, default 0.0
            Strength >= 0, in pseudo-rows, of a prior on no change: adds :math:`\lambda (\beta - 1
            - \log \beta + \lVert b \rVert^2 / 2) / W` to the mean loss, which gives one finite
            answer on any data.

        Returns
        -------
        BiasCorrectedTemperatureScaling
            With its `record`.

        Raises
        ------
        InvalidInputError
            As in `TemperatureScaling.fit`.
        NoOptimumError
            Without a prior: `reason` is `"no-rows"`, `"constant-logits"`, `"empty-class"` (its bias
            would be -infinity), `"separable"` (rows can be told apart without error) or
            `"worse-than-chance"` (T would be negative).
        """
        rows = Training.check(
            logits, labels, weights=weights, classes=classes, class_axis=class_axis,
            ignore_label=ignore_label, refuse_probs=refuse_probs, prior=prior,
        )  # fmt: skip
        return cls.from_rows(rows)

    @classmethod
    def from_rows(cls, rows: Training) -> Self:
        """Return the calibrator of rows that have been checked (see `fit`)."""
        strength = rows.prior
        if strength == 0.0:
            refuse_constant_logits(rows)
            rows.require_every_class(hint="`prior=1.0` (--prior 1) gives a finite answer.")
        curvature = strength / rows.weight
        problem = AffineProblem(
            rows, as_float64, partial(_penalty, strength=curvature), (curvature, curvature)
        )
        start = _start(rows)
        fit = problem.solve(np.array(start), lowest=_LEAST * start if strength else None)
        optimum = certify(problem, fit, prior=strength)
        if optimum.beta <= 0.0:
            msg = (
                "No temperature: once each class has its bias, larger logits go with fewer hits "
                "(T would be negative). Are rows and labels in the same order, and do the columns "
                "match the labels? `prior=1.0` (--prior 1) gives a finite answer."
            )
            raise NoOptimumError(msg, reason="worse-than-chance")
        fitted = cls(1.0 / optimum.beta, optimum.bias, **rows.common)
        base = rows.record(fitted.scaled, passes=optimum.passes, prior=strength)
        return cls(fitted.temperature, fitted.bias, **rows.common, record=optimum.record(base))

    def scaled(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the calibrated logits of a block of checked logits."""
        centred = centred_rows(block)
        with np.errstate(over="ignore"):
            centred /= self.temperature  # the largest stays 0, however small the temperature
        return affine_logits(centred, np.array(1.0), self.bias)

    @property
    def parts(self) -> MapParts:
        """The bias of each class."""
        return MapParts(class_bias=self.bias)

    def class_bias_errors(self, rows: Training) -> NDArray[np.float64]:
        """Return the standard error of each class's bias, of a fit on these very rows."""
        return class_bias_errors(self, rows, rows.clusters)

    def parameters(self) -> dict[str, Any]:
        """Return the temperature and the biases."""
        return {"temperature": self.temperature, "bias": self.bias.tolist()}

    def operations(self) -> tuple[Operation, ...]:
        """Return a division, a bias per class, and the softmax."""
        ones = (1.0,) * len(self.bias)
        biases = Affine(ones, tuple(self.bias.tolist()))
        return (Divide((self.temperature,)), biases, Softmax())

    @classmethod
    def from_parameters(cls, parameters: JsonObject, **common: Any) -> Self:  # noqa: ANN401
        """Return the calibrator of `parameters()`."""
        return cls(parameters.number("temperature"), parameters.numbers("bias"), **common)

    def facts(self) -> list[tuple[str, str]]:
        """Return the classes whose biases are the largest and the smallest."""
        names = self.classes or tuple(str(number) for number in range(len(self.bias)))
        ends = (int(self.bias.argmin()), int(self.bias.argmax()))
        low, high = (f"{self.bias[c]:.3f} ({names[c]})" for c in ends)
        return [("biases", f"{low} to {high}")]


def _start(rows: Training) -> float:
    """Return where the search starts: at 1, unless logits are on quite another scale."""
    try:
        beta = 1.0 / temperature_record(rows, prior=1.0).temperature
    except InvalidInputError:  # the fit itself will say so
        return 1.0
    return 1.0 if 1.0 / _FAR < beta < _FAR else beta


def _penalty(
    beta: NDArray[np.float64], bias: NDArray[np.float64], *, strength: float
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    if strength == 0.0:
        return 0.0, np.zeros(()), np.zeros_like(bias)
    value = strength * float(beta - 1.0 - np.log(beta) + 0.5 * bias @ bias)
    return value, strength * (1.0 - 1.0 / beta), strength * bias


# How sure the biases of a bias-corrected temperature are: the sandwich of the joint fit.


def class_bias_errors(
    scaling: BiasCorrectedTemperatureScaling,
    rows: Training,
    clusters: NDArray[np.intp] | None = None,
) -> NDArray[np.float64]:
    """Return the standard error of each bias, (k,), of a fit on these very rows.

    The temperature is not taken as known: the errors are those of the joint fit. They are of
    biases that sum to 0, so that of two classes both are the same. With `clusters`, numbers
    0..m-1, scores are added up within each before they are squared. A prior is not looked at
    where the scores scatter, only where the loss bends.
    """
    at = {"linear": np.array(1.0 / scaling.temperature), "bias": np.asarray(scaling.bias)}
    k = len(scaling.bias)
    sums: CurvatureSums | None = None
    squares = np.zeros(k + 1)
    of_cluster = None if clusters is None else np.zeros((int(clusters.max()) + 1, k + 1))
    with one_thread_each():
        for block in row_blocks(rows.logits):
            x, y, w = as_float64(rows.logits[block]), rows.labels[block], rows.weights
            own = curvature_sums(x, y, None if w is None else w[block], **at)
            sums = own if sums is None else sums.merge(own)
        assert sums is not None  # noqa: S101  (a fit has rows)
        inverse = np.linalg.inv(sums.matrix + _bend_of_prior(scaling))
        for block in row_blocks(rows.logits):
            x, y, w = as_float64(rows.logits[block]), rows.labels[block], rows.weights
            influence = affine_row_scores(x, y, None if w is None else w[block], **at) @ inverse
            if clusters is None or of_cluster is None:
                squares += np.einsum("ij,ij->j", influence, influence)
            else:
                np.add.at(of_cluster, clusters[block], influence)
    if of_cluster is not None:
        squares = np.einsum("ij,ij->j", of_cluster, of_cluster)
    return np.sqrt(squares[1:])


def _bend_of_prior(scaling: BiasCorrectedTemperatureScaling) -> NDArray[np.float64]:
    prior = 0.0 if scaling.record is None else scaling.record.prior
    return np.asarray(prior * np.diag([scaling.temperature**2, *np.ones(len(scaling.bias))]))
