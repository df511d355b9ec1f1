"""Fit softmax(A x + b) by L-BFGS on sums over blocks: what three methods share."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from temperance.blocks import map_rows, one_thread_each, thread_count
from temperance.calibrators.temperature import TemperatureScaling
from temperance.calibrators.temperature_fit import temperature_record
from temperance.errors import InvalidInputError, NoOptimumError
from temperance.kernels.affine import AffineSums, affine_sums, diagonal_sums
from temperance.numerics import as_float64, log_probs, row_blocks

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from temperance.calibrators.training import Training
    from temperance.readers.json_object import JsonObject

    Array = NDArray[np.float64]

__all__ = [
    "AffineFit",
    "AffineProblem",
    "base_from",
    "log_smoothed",
    "require_base",
    "smoothed_temperature",
]

_FIRST_ROWS = 2_000  # of a first search, where there are many more: the full data are read less
_MANY = 4
_ROUGH = 1e-3  # gradient, in units where the curvature is 1, at which the first search ends
_FINE = 1e-7  # and the last one: the loss is then right to 1e-14 per number
_KEPT_BYTES = 1 << 28  # inputs of no more than 256 MiB are computed once and kept
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
            if self.inputs is not as_float64 and self._kept_bytes <= _KEPT_BYTES:
                return self._with_inputs_kept()._solve(linear, lowest)  # noqa: SLF001  (own class)
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
    def _kept_type(self) -> np.dtype[Any]:
        """Inputs are as precise as the logits they are made of, and no less than float32."""
        single = self.rows.logits.dtype.name in {"float16", "bfloat16", "float32"}
        return np.dtype(np.float32 if single else np.float64)

    @property
    def _kept_bytes(self) -> int:
        return self.rows.n * self.rows.k * self._kept_type.itemsize

    def _with_inputs_kept(self) -> AffineProblem:
        inputs = np.empty(self.rows.logits.shape, dtype=self._kept_type)

        def keep(rows: slice) -> None:
            inputs[rows] = self.inputs(as_float64(self.rows.logits[rows]))

        with ThreadPoolExecutor(thread_count()) as pool:
            deque(pool.map(keep, row_blocks(inputs)), maxlen=0)  # raises what a thread raised
        return replace(self, rows=replace(self.rows, logits=inputs), inputs=as_float64)

    def _every(self, step: int) -> AffineProblem:
        rows, taken = self.rows, slice(None, None, step)
        weights = None if rows.weights is None else rows.weights[taken]
        if weights is not None and not weights.any():
            return self
        few = replace(rows, logits=rows.logits[taken], labels=rows.labels[taken], weights=weights)
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
        found = minimize(
            value_and_gradient, start, jac=True, method="L-BFGS-B", bounds=bounds,
            options={"gtol": tolerance, "ftol": 0.0, "maxcor": 20, "maxiter": _MOST_STEPS,
                     "maxfun": 2 * _MOST_STEPS},
        )  # fmt: skip
        _require_convergence(found)
        return *parts(found.x), float(found.fun), int(found.nfev) + 1

    def _units(self, linear: Array, bias: Array) -> Array:
        """Step of each number over which the loss bends by 1."""
        sums: AffineSums = self.map(diagonal_sums, linear=linear, bias=bias)
        of_linear, of_bias = self.curvature
        bends = np.concatenate(
            [np.ravel(sums.linear / sums.loss + of_linear), sums.bias / sums.loss + of_bias]
        )
        return np.asarray(1.0 / np.sqrt(np.maximum(bends, _FLAT * bends.max())))


def _require_convergence(found: Any) -> None:  # noqa: ANN401  (scipy's result)
    """Raise where the search ran away: rounding ends it near the minimum, running out does not."""
    if found.status == 1 or not np.isfinite(found.fun):
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
        z = (block - block.max(axis=1, keepdims=True)) / base.temperature
    return np.asarray(z - log_probs(np.exp(z).sum(axis=1, keepdims=True)))


def base_from(parameters: JsonObject) -> TemperatureScaling:
    """Return the base that a file's parameters describe."""
    temperature = parameters.number("base_temperature")
    if temperature <= 0.0:
        parameters.refuse("base_temperature", "a finite number above 0")
    return TemperatureScaling(temperature, smoothing=parameters.number("smoothing"))
