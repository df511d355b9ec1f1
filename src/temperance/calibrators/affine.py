"""Affine maps softmax(A x + b), fitted by L-BFGS on sums over blocks: vector and matrix scaling."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np

from temperance.blocks import map_rows, one_thread_each, thread_count
from temperance.calibrators.calibrator import Method, Traits
from temperance.calibrators.operations import Affine, LogSoftmax, Softmax
from temperance.calibrators.temperature import TemperatureScaling, temperature_record
from temperance.calibrators.training import Training
from temperance.checks.arrays import frozen_numbers
from temperance.errors import InvalidInputError, NoOptimumError
from temperance.kernels.affine import AffineSums, affine_logits, affine_sums, diagonal_sums
from temperance.numerics import as_float64, centred_rows, log_probs, row_blocks
from temperance.show import positive_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.calibrators.operations import Operation
    from temperance.checks.labels import Positions
    from temperance.readers.json_object import JsonObject

    Array = NDArray[np.float64]

__all__ = ["AffineFit", "AffineProblem", "MatrixScaling", "VectorScaling"]

_FIRST_ROWS = 2_000  # of a first search, where there are many more: the full data are read less
_MANY = 4
_ROUGH = 1e-3  # gradient, in units where the curvature is 1, at which the first search ends
_FINE = 1e-7  # and the last one: the loss is then right to 1e-14 per number
_STORED_BYTES = 1 << 28  # inputs of no more than 256 MiB are computed once and kept
_MOST_STEPS = 2_000
_FLAT = 1e-10  # curvature below this, relative to the largest, is taken for this


class Penalty(Protocol):
    """What is added to the mean loss: its value and its derivatives in A and b."""

    def __call__(self, linear: Array, bias: Array) -> tuple[float, Array, Array]:
        """Return the value, the derivative in A, and the derivative in b."""


@dataclass(frozen=True, slots=True, eq=False)
class AffineFit:
    """Where the penalised mean loss is smallest."""

    linear: Array
    bias: Array  # (k,): its mean is 0
    objective: float  # mean log loss plus penalty
    passes: int  # over all rows


@dataclass(frozen=True, slots=True, eq=False)
class AffineProblem:
    """The mean log loss of softmax(A x + b) plus a penalty, as a function of A and b."""

    rows: Training
    inputs: Callable[[Array], Array]  # from a block of logits to x
    penalty: Penalty
    curvature: tuple[float, float]  # of the penalty in a number of A and of b, to scale the search

    def solve(self, linear: Array, *, lowest: float | None = None) -> AffineFit:
        """Return the minimum, searched from A = `linear`, b = 0; numbers of A >= `lowest`.

        A first search on every m-th row comes near; the last one certifies: the gradient, in
        units where the diagonal of the Hessian is 1, ends below 1e-7.
        """
        with one_thread_each():
            if self.inputs is not as_float64 and self._input_bytes <= _STORED_BYTES:
                return self._with_stored_inputs()._solve(linear, lowest)  # noqa: SLF001  (own class)
            return self._solve(linear, lowest)

    def _solve(self, linear: Array, lowest: float | None) -> AffineFit:
        bias = np.zeros(self.rows.k)
        if self.rows.n >= _MANY * _FIRST_ROWS:
            few = self._every(self.rows.n // _FIRST_ROWS)
            linear, bias, _, _ = few._search(linear, bias, _ROUGH, lowest)  # noqa: SLF001  (own class)
        linear, bias, objective, passes = self._search(linear, bias, _FINE, lowest)
        return AffineFit(linear, bias - bias.mean(), objective, passes)

    def sums(self, linear: Array, bias: Array) -> AffineSums:
        """Return the sums of the log loss and its gradient over all rows."""
        sums: AffineSums = self.map(affine_sums, linear=linear, bias=bias)
        return sums

    def map(self, kernel: Callable[..., Any], **at: Array) -> Any:  # noqa: ANN401  (the kernel's sums)
        """Return the kernel's sums over all rows at these parameters."""

        def of_block(logits: NDArray[Any], labels: NDArray[np.intp], weights: Array | None) -> Any:  # noqa: ANN401
            return kernel(self.inputs(as_float64(logits)), labels, weights, **at)

        data = (self.rows.logits, self.rows.labels, self.rows.weights)
        with one_thread_each():
            return map_rows(of_block, *data, threads=thread_count())

    @property
    def _input_type(self) -> np.dtype[Any]:
        """Inputs are as precise as the logits they are made of, and no less than float32."""
        single = self.rows.logits.dtype.name in {"float16", "bfloat16", "float32"}
        return np.dtype(np.float32 if single else np.float64)

    @property
    def _input_bytes(self) -> int:
        return self.rows.n * self.rows.k * self._input_type.itemsize

    def _with_stored_inputs(self) -> AffineProblem:
        inputs = np.empty(self.rows.logits.shape, dtype=self._input_type)

        def keep(rows: slice) -> None:
            inputs[rows] = self.inputs(as_float64(self.rows.logits[rows]))

        with ThreadPoolExecutor(thread_count()) as pool:
            deque(pool.map(keep, row_blocks(inputs)), maxlen=0)  # raises what a thread raised
        return replace(self, rows=replace(self.rows, logits=inputs), inputs=as_float64)

    def _every(self, step: int) -> AffineProblem:
        rows, stride = self.rows, slice(None, None, step)
        weights = None if rows.weights is None else rows.weights[stride]
        if weights is not None and not weights.any():
            return self
        few = replace(rows, logits=rows.logits[stride], labels=rows.labels[stride], weights=weights)
        return replace(self, rows=few)

    def _search(
        self, linear: Array, bias: Array, tolerance: float, lowest: float | None
    ) -> tuple[Array, Array, float, int]:
        """L-BFGS in units where each number's curvature at the start is 1."""
        from scipy.optimize import minimize  # noqa: PLC0415  (most uses of this package do without)

        weight, size, shape = self.rows.weight, linear.size, linear.shape
        unit = self._units(linear, bias)

        def parts(point: Array) -> tuple[Array, Array]:
            theta = point * unit
            return theta[:size].reshape(shape), theta[size:]

        def value_and_gradient(point: Array) -> tuple[float, Array]:
            at = parts(point)
            sums, (extra, of_linear, of_bias) = self.sums(*at), self.penalty(*at)
            gradient = np.concatenate(
                [np.ravel(sums.linear / weight + of_linear), sums.bias / weight + of_bias]
            )
            return sums.loss / weight + extra, gradient * unit

        start = np.concatenate([np.ravel(linear), bias]) / unit
        bounds = None
        if lowest is not None:
            bounds = [(lowest / u, None) for u in unit[:size]] + [(None, None)] * len(bias)
        result = minimize(
            value_and_gradient, start, jac=True, method="L-BFGS-B", bounds=bounds,
            options={"gtol": tolerance, "ftol": 0.0, "maxcor": 20, "maxiter": _MOST_STEPS,
                     "maxfun": 2 * _MOST_STEPS},
        )  # fmt: skip
        _require_convergence(result)
        return *parts(result.x), float(result.fun), int(result.nfev) + 1

    def _units(self, linear: Array, bias: Array) -> Array:
        """Step of each number over which the loss bends by 1."""
        sums: AffineSums = self.map(diagonal_sums, linear=linear, bias=bias)
        of_linear, of_bias = self.curvature
        bends = np.concatenate(
            [np.ravel(sums.linear / sums.loss + of_linear), sums.bias / sums.loss + of_bias]
        )
        return np.asarray(1.0 / np.sqrt(np.maximum(bends, _FLAT * bends.max())))


def _require_convergence(result: Any) -> None:  # noqa: ANN401  (scipy's result)
    """Raise where the search ran away: rounding ends it near the minimum, running out does not."""
    if result.status == 1 or not np.isfinite(result.fun):
        msg = (
            "The loss has no finite minimum on these rows (they can be told apart without error), "
            "or it lies too far out to be found. More rows, or a simpler method, would settle it."
        )
        raise NoOptimumError(msg, reason="separable")


# Where structured scaling starts: temperature-scaled probabilities, smoothed, none of them 0.


def smoothed_temperature(rows: Training) -> tuple[TemperatureScaling, int]:
    """Return the fitted temperature with smoothing 1 / (W + 1), and the passes it took.

    Where no temperature is best, a prior of one pseudo-row on T = 1 gives one.
    """
    try:
        record = temperature_record(rows)
    except NoOptimumError:
        record = temperature_record(rows, prior=1.0)
    base = TemperatureScaling(record.temperature, smoothing=1.0 / (rows.weight + 1.0))
    return base, record.passes


def require_base(base: object) -> None:
    """Raise InvalidInputError unless this is a temperature."""
    if not isinstance(base, TemperatureScaling):
        msg = f"`base` must be a TemperatureScaling, got {type(base).__name__}."
        raise InvalidInputError(msg)


def log_smoothed(base: TemperatureScaling, block: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithm of the base's probabilities, which no offset of a row changes.

    Without smoothing a probability may be too small for a float: its logarithm is not.
    """
    if base.smoothing > 0.0:
        return base.scaled(block)
    with np.errstate(over="ignore"):
        z = centred_rows(block) / base.temperature
    return np.asarray(z - log_probs(np.exp(z).sum(axis=1, keepdims=True)))


def base_from(parameters: JsonObject) -> TemperatureScaling:
    """Return the base that a file's parameters describe."""
    temperature = parameters.number("base_temperature")
    if temperature <= 0.0:
        parameters.refuse("base_temperature", "a finite number above 0")
    return TemperatureScaling(temperature, smoothing=parameters.number("smoothing"))


# Structured scaling: a linear map and biases, shrunk towards temperature scaling.


class StructuredScaling(Method):
    """What vector and matrix scaling share: softmax(A x + b), held near A = 1 and b = 0."""

    __slots__ = ()
    _map: ClassVar[str]  # the field that holds A
    _unchanged: ClassVar[Callable[[int], Array]]  # A = 1 of k classes
    base: TemperatureScaling
    bias: Array

    @classmethod
    def fit(
        cls,
        logits: ArrayLike,
        labels: ArrayLike | Positions,
        *,
        weights: ArrayLike | None = None,
        classes: Sequence[object] | None = None,
        class_axis: int = -1,
        ignore_label: int | str | None = None,
        refuse_probs: bool = True,
    ) -> Self:
        """Return the numbers that minimise the penalised mean log loss.

        Parameters
        ----------
        logits, labels, weights, classes, class_axis, ignore_label, refuse_probs
            As in `TemperatureScaling.fit`.

        Returns
        -------
        VectorScaling or MatrixScaling
            Exists for separable data and for classes without rows: the penalty sees to it.

        Raises
        ------
        InvalidInputError
            As in `TemperatureScaling.fit`; a logit of -inf, of matrix scaling.
        NoOptimumError
            There are no rows, or one label fills all of them.
        """
        rows = Training.check(
            logits, labels, weights=weights, classes=classes, class_axis=class_axis,
            ignore_label=ignore_label, refuse_probs=refuse_probs,
        )  # fmt: skip
        return cls.from_rows(rows)

    @classmethod
    def from_rows(cls, rows: Training) -> Self:
        """Return the calibrator of rows that have been checked (see `fit`)."""
        if not cls.traits.masks:
            rows.refuse_masks(cls.method)
        rows.require_two_labels(cls.method)
        base, passes = smoothed_temperature(rows)
        ridge = rows.k / rows.weight
        penalty = partial(cls._penalty, ridge=ridge)
        problem = AffineProblem(rows, base.scaled, penalty, (2.0 * ridge, 2.0 * ridge))
        fit = problem.solve(cls._unchanged(rows.k))
        numbers: dict[str, Any] = {"base": base, cls._map: fit.linear, "bias": fit.bias}
        fitted = cls(**numbers, **rows.common)
        return replace(fitted, record=rows.record(fitted.scaled, passes=passes + fit.passes))

    def parameters(self) -> dict[str, Any]:
        """Return the base's temperature and smoothing, the linear map and the biases."""
        return {
            "base_temperature": self.base.temperature,
            "smoothing": self.base.smoothing,
            self._map: getattr(self, self._map).tolist(),
            "bias": self.bias.tolist(),
        }

    def operations(self) -> tuple[Operation, ...]:
        """Return the base's operations up to log-probabilities, the linear map, and the softmax."""
        linear = getattr(self, self._map).tolist()
        weights = tuple(tuple(row) if isinstance(row, list) else row for row in linear)
        before = self.base.operations()[:-1]  # a softmax ends them
        return (*before, LogSoftmax(), Affine(weights, tuple(self.bias.tolist())), Softmax())

    @staticmethod
    @abstractmethod
    def _penalty(linear: Array, bias: Array, *, ridge: float) -> tuple[float, Array, Array]:
        """Return the penalty's value and its derivatives in A and b."""


# Structured vector scaling: a factor and a bias per class, shrunk towards temperature scaling.


@dataclass(frozen=True, slots=True, eq=False)
class VectorScaling(StructuredScaling):
    r"""Probabilities softmax(factors * x + bias), x = log of smoothed, temperature-scaled ones.

    Parameters
    ----------
    base : TemperatureScaling
        From logits to x: a temperature, and a share of the uniform distribution.
    factors : ndarray, shape (k,)
        Factor of each class; 1 changes nothing.
    bias : ndarray, shape (k,)
        Added to each class's logit; sums to 0. Above 0 = the model claims the class too rarely.

    Raises
    ------
    InvalidInputError
        `factors` and `bias` are not two lists of k finite numbers.

    Notes
    -----
    With v = factors - 1 and W the number of rows, with weights the
    effective one, (sum w)^2 / sum w^2, the fit minimises

    .. math:: \frac1W \sum_i w_i \log\frac{1}{p_{i y_i}}
              + \frac{k}{W} \lVert v \rVert^2 + \frac{k}{W} \lVert b \rVert^2,

    convex, by L-BFGS. x = log((1 - s) softmax(z / T) + s / k), s = 1 / (W + 1), with T by
    temperature scaling (with a prior of one pseudo-row where no T is best). Few rows per class
    leave little but the temperature. The predicted class may change.

    References
    ----------
    Berta, Holzmueller, Jordan and Bach (2026), Structured Matrix Scaling for Multi-Class
    Calibration, https://arxiv.org/abs/2511.03685

    Examples
    --------
    Class 0 is claimed with 50 % and comes true in three rows of four: its bias is above 0.

    >>> scaling = VectorScaling.fit([[0.0, 0.0]] * 400, [0, 0, 0, 1] * 100)
    >>> bool(scaling.bias[0] > 0), scaling.apply([[0.0, 0.0]]).round(2)
    (True, array([[0.75, 0.25]]))
    """

    method: ClassVar[str] = "vector"
    _map: ClassVar[str] = "factors"
    _unchanged: ClassVar[Callable[[int], Array]] = np.ones
    traits: ClassVar[Traits] = Traits(
        type="parametric",
        summary="a factor and a bias per class, shrunk towards one temperature",
        parameters="2 k + 1",
        learned=(1, 2),
        labels="10 a class",
        cost="n k, 30 passes",
        keeps_class=False,
        keeps_order=False,
        keeps_ranking="no",
        classes="any, natively",
        risk="low",
        source="Berta et al. 2026",
    )

    base: TemperatureScaling
    factors: NDArray[np.float64]
    bias: NDArray[np.float64]

    def __post_init__(self) -> None:
        require_base(self.base)
        for name in ("factors", "bias"):
            values = frozen_numbers(getattr(self, name), name=name, least=2)
            object.__setattr__(self, name, values)
        if len(self.factors) != len(self.bias):
            msg = (
                f"`factors` ({len(self.factors)}) and `bias` ({len(self.bias)}) must be as many, "
                "one per class."
            )
            raise InvalidInputError(msg)
        self.require_width(len(self.bias))

    @staticmethod
    def _penalty(linear: Array, bias: Array, *, ridge: float) -> tuple[float, Array, Array]:
        v = linear - 1.0
        return ridge * float(v @ v + bias @ bias), 2.0 * ridge * v, 2.0 * ridge * bias

    def scaled(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the calibrated logits of a block of checked logits."""
        return affine_logits(log_smoothed(self.base, block), self.factors, self.bias)

    @classmethod
    def from_parameters(cls, parameters: JsonObject, **common: Any) -> Self:  # noqa: ANN401
        """Return the calibrator of `parameters()`."""
        return cls(
            base_from(parameters), parameters.numbers("factors"), parameters.numbers("bias"),
            **common,
        )  # fmt: skip

    def facts(self) -> list[tuple[str, str]]:
        """Return the base's temperature and the range of factors and biases."""
        return [
            ("base temperature", positive_text(self.base.temperature)),
            ("factors", f"{self.factors.min():.3f} to {self.factors.max():.3f}"),
            ("biases", f"{self.bias.min():.3f} to {self.bias.max():.3f}"),
        ]


# Structured matrix scaling: every logit moves every class, shrunk towards temperature scaling.


_LEAST = -1e200  # of x: its products with numbers of the matrix stay finite


@dataclass(frozen=True, slots=True, eq=False)
class MatrixScaling(StructuredScaling):
    r"""Probabilities softmax(matrix @ x + bias), x = log of smoothed, temperature-scaled ones.

    Parameters
    ----------
    base : TemperatureScaling
        From logits to x: a temperature, and a share of the uniform distribution.
    matrix : ndarray, shape (k, k)
        Row c holds what each x adds to class c; the unit matrix changes nothing.
    bias : ndarray, shape (k,)
        Added to each class's logit; sums to 0. Above 0 = the model claims the class too rarely.

    Raises
    ------
    InvalidInputError
        `matrix` is not k x k, or `bias` not k finite numbers.

    Notes
    -----
    With D = matrix - 1 (the unit matrix) and W the number of rows, with weights the
    effective one, (sum w)^2 / sum w^2, the fit minimises

    .. math:: \frac1W \sum_i w_i \log\frac{1}{p_{i y_i}}
              + \frac{k}{W} \lVert \mathrm{diag} D \rVert^2
              + \frac{k (k - 1)}{W} \lVert \mathrm{offdiag} D \rVert^2
              + \frac{k}{W} \lVert b \rVert^2,

    convex, by L-BFGS; x as in `VectorScaling`. Every logit of a row must be finite.

    References
    ----------
    Berta, Holzmueller, Jordan and Bach (2026), Structured Matrix Scaling for Multi-Class
    Calibration, https://arxiv.org/abs/2511.03685

    Examples
    --------
    >>> scaling = MatrixScaling.fit([[0.0, 0.0]] * 400, [0, 0, 0, 1] * 100)
    >>> scaling.apply([[0.0, 0.0]]).round(2)
    array([[0.75, 0.25]])
    """

    method: ClassVar[str] = "matrix"
    _map: ClassVar[str] = "matrix"
    _unchanged: ClassVar[Callable[[int], Array]] = np.eye
    traits: ClassVar[Traits] = Traits(
        type="parametric",
        summary="a matrix of factors and biases, shrunk towards one temperature",
        parameters="k^2 + k + 1",
        learned=(1, 1, 1),
        labels="50 a class",
        cost="n k^2, 100 passes",
        keeps_class=False,
        keeps_order=False,
        keeps_ranking="no",
        classes="to 100, natively",
        risk="some",
        source="Berta et al. 2026",
        masks=False,
    )

    base: TemperatureScaling
    matrix: NDArray[np.float64]
    bias: NDArray[np.float64]

    def __post_init__(self) -> None:
        require_base(self.base)
        matrix = frozen_numbers(self.matrix, name="matrix", axes=2)
        bias = frozen_numbers(self.bias, name="bias")
        k = len(bias)
        if matrix.shape != (k, k) or k < 2:
            msg = (
                f"`matrix` must be k x k and `bias` have k >= 2 numbers, got shapes {matrix.shape} "
                f"and {bias.shape}."
            )
            raise InvalidInputError(msg)
        object.__setattr__(self, "matrix", matrix)
        object.__setattr__(self, "bias", bias)
        self.require_width(k)

    @staticmethod
    def _penalty(linear: Array, bias: Array, *, ridge: float) -> tuple[float, Array, Array]:
        k = len(bias)
        away = linear - np.eye(k)
        strength = ridge * (k - 1.0 - (k - 2.0) * np.eye(k))  # k - 1 beside the diagonal, 1 on it
        value = float((strength * away**2).sum() + ridge * (bias @ bias))
        return value, 2.0 * strength * away, 2.0 * ridge * bias

    def scaled(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the calibrated logits of a block of checked logits."""
        x = np.maximum(log_smoothed(self.base, block), _LEAST)
        return affine_logits(x, self.matrix, self.bias)

    @classmethod
    def from_parameters(cls, parameters: JsonObject, **common: Any) -> Self:  # noqa: ANN401
        """Return the calibrator of `parameters()`."""
        return cls(
            base_from(parameters), parameters.numbers("matrix", shape=(None, None)),
            parameters.numbers("bias"), **common,
        )  # fmt: skip

    def facts(self) -> list[tuple[str, str]]:
        """Return the base's temperature and the sizes of matrix and biases."""
        diagonal = self.matrix.diagonal()
        off_diagonal = self.matrix - np.diag(diagonal)
        return [
            ("base temperature", positive_text(self.base.temperature)),
            ("diagonal", f"{diagonal.min():.3f} to {diagonal.max():.3f}"),
            ("beside it", f"{off_diagonal.min():.3f} to {off_diagonal.max():.3f}"),
            ("biases", f"{self.bias.min():.3f} to {self.bias.max():.3f}"),
        ]
