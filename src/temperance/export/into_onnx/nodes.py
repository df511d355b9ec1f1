"""The operations of a map as ONNX nodes: a writer per operation.

Tensors have their classes on the last axis. Nodes compute in double precision unless the writer is
told otherwise; infinite numbers become finite ones that no model gives, so that no step makes nan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import helper, numpy_helper

from temperance.calibrators import operations as ops
from temperance.calibrators.two_classes import MOST_LOG_ODDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from onnx import NodeProto, TensorProto

    from temperance.calibrators.operations import Operation

    Array = NDArray[np.float64]

__all__ = [
    "LEAST_LOG",
    "MAP_OPSET",
    "NodeWriter",
    "element_type",
    "has_jumps",
    "is_elementwise",
    "write_operations",
]

MAP_OPSET = 9  # Where; skl2onnx writes the oldest opset that its own nodes need, often this one
_AXES_INPUT = {"ReduceSum": 13, "Unsqueeze": 13, "ReduceMax": 18}  # from here on; before, a setting
LEAST_LOG = -1e200  # of a probability of 0: finite, and so divided by any temperature
_MISSING = -1e150  # below: an option that does not exist, whatever it was divided by (T < 1e50)
_STEEPEST = 1e6  # slope over log-odds: rounding of 1e-13 moves a probability by 1e-7
_NUDGE = 1e-12  # steps reach that much further: logarithms of two libraries differ in the last bit


def element_type(dtype: np.dtype[Any]) -> int:
    """Return ONNX's number of a type of NumPy."""
    return int(helper.np_dtype_to_tensor_dtype(dtype))


class NodeWriter:
    """Nodes and constants with names that are free in a graph."""

    def __init__(
        self, names: set[str], *, k: int, opset: int, dtype: np.dtype[Any], rank: int = 2
    ) -> None:
        self.k = k  # classes of a row
        self.last = rank - 1  # the axis of the classes; old opsets count no axis from the end
        self.opset = opset
        self.dtype = dtype
        self.nodes: list[NodeProto] = []
        self.initializers: list[TensorProto] = []
        self.temperature: str | None = None  # of a single division: the name of its number
        self._names = names

    def name(self, stem: str) -> str:
        """Return a free name, "temperance_softmax_3", and take it."""
        name, number = stem, 1
        while name in self._names:
            number += 1
            name = f"{stem}_{number}"
        self._names.add(name)
        return name

    def add(self, op_type: str, *inputs: str, output: str | None = None, **settings: Any) -> str:  # noqa: ANN401
        """Add a node; return the name of its output."""
        name = self.name(f"temperance_{op_type.lower()}")
        result = output or f"{name}_output"
        self._names.add(result)
        self.nodes.append(helper.make_node(op_type, list(inputs), [result], name=name, **settings))
        return result

    def constant(
        self,
        value: Any,  # noqa: ANN401  (numbers, or an array of them)
        *,
        stem: str = "temperance_constant",
        dtype: Any = None,  # noqa: ANN401
    ) -> str:
        """Add numbers, in the precision of the writer unless `dtype` is given."""
        array = np.asarray(value, dtype=self.dtype if dtype is None else dtype)
        return self.initializer(array, stem=stem)

    def initializer(self, array: NDArray[Any], *, stem: str) -> str:
        """Add an array; return its name."""
        name = self.name(stem)
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def cast(self, x: str, dtype: np.dtype[Any]) -> str:
        """Convert to a type."""
        return self.add("Cast", x, to=element_type(dtype))

    def binary(self, op_type: str, x: str, value: Any) -> str:  # noqa: ANN401
        """Combine x with a constant on its right."""
        return self.add(op_type, x, self.constant(value))

    def column(self, x: str, place: int) -> str:
        """Return one column, (..., 1)."""
        return self.add("Gather", x, self.constant([place], dtype=np.int64), axis=self.last)

    def over(self, op_type: str, x: str, axis: int, **settings: Any) -> str:  # noqa: ANN401
        """Add a node that has axes: an input of newer opsets, a setting of older ones."""
        if self.opset < _AXES_INPUT[op_type]:
            return self.add(op_type, x, axes=[axis], **settings)
        return self.add(op_type, x, self.constant([axis], dtype=np.int64), **settings)

    def sum(self, x: str) -> str:
        """Sum over the classes, (..., 1)."""
        return self.over("ReduceSum", x, self.last, keepdims=1)

    def centred(self, x: str, axis: int) -> str:
        """Subtract the largest of each row, whose classes are on an axis."""
        return self.add("Sub", x, self.over("ReduceMax", x, axis, keepdims=1))

    def log(self, x: str) -> str:
        """The logarithm, finite where x is 0."""
        return self.binary("Max", self.add("Log", x), LEAST_LOG)

    def bounded(self, odds: str) -> str:
        """Log-odds of which infinite ones are finite, beyond all others."""
        return self.binary("Min", self.binary("Max", odds, -MOST_LOG_ODDS), MOST_LOG_ODDS)


def write_operations(w: NodeWriter, x: str, steps: Sequence[Operation]) -> str:
    """Add the nodes of operations that read x; return the name of what comes out."""
    for step in steps:
        x = _WRITERS[type(step)](w, x, step)
    return x


def is_elementwise(steps: Sequence[Operation]) -> bool:
    """Whether each column has a factor and a bias of its own, and a softmax or sigmoid ends it."""
    *middle, last = steps
    return isinstance(last, ops.Softmax | ops.Sigmoid) and all(
        isinstance(step, ops.Divide)
        or (isinstance(step, ops.Affine) and not isinstance(step.weights[0], tuple))
        for step in middle
    )


def has_jumps(steps: Sequence[Operation]) -> bool:
    """Whether probabilities of scores that are equal but for rounding may be far apart."""
    return any(
        isinstance(step, ops.Steps)
        or (
            isinstance(step, ops.Curves)
            and any(
                _pieces(*each)[3].max() > _STEEPEST
                for each in zip(step.log_odds, step.probabilities, strict=True)
            )
        )
        for step in steps
    )


# A writer per operation.


def _divide(w: NodeWriter, x: str, step: ops.Divide) -> str:
    if len(set(step.by)) > 1:
        return w.binary("Div", x, step.by)
    w.temperature = w.constant(step.by[0], stem="temperature")
    return w.add("Div", x, w.temperature)


def _smooth(w: NodeWriter, x: str, step: ops.Smooth) -> str:
    """log((1 - share) p + share / m) of the m options that exist; of the others nothing."""
    exists = w.cast(w.binary("Greater", x, _MISSING), w.dtype)
    uniform = w.add("Div", w.binary("Mul", exists, step.share), w.sum(exists))
    shrunk = w.binary("Mul", _softmax(w, x, ops.Softmax()), 1.0 - step.share)
    return w.log(w.add("Add", shrunk, uniform))


def _affine(w: NodeWriter, x: str, step: ops.Affine) -> str:
    weights = np.array(step.weights)
    if weights.ndim == 2:
        x = w.binary("MatMul", w.binary("Max", x, LEAST_LOG), weights.T)
    elif (weights < 0.0).any():  # an option that does not exist would become the largest
        x = w.add("Where", w.binary("Greater", x, _MISSING), w.binary("Mul", x, weights), x)
    elif (weights != 1.0).any():
        x = w.binary("Mul", x, weights)
    return w.binary("Add", x, step.bias)


def _softmax(w: NodeWriter, x: str, _: ops.Softmax) -> str:
    return w.add("Softmax", x, axis=w.last)


def _log_odds(w: NodeWriter, x: str, _: ops.LogOdds) -> str:
    return w.bounded(w.add("Sub", w.column(x, 1), w.column(x, 0)))


def _one_vs_rest(w: NodeWriter, x: str, _: ops.OneVsRest) -> str:
    """Log-odds of each class; the largest is taken from no sum that holds it, digit for digit."""
    shifted = w.centred(x, w.last)
    powers = w.add("Exp", shifted)
    place = w.add("ArgMax", shifted, axis=w.last, keepdims=1)
    first = w.add("Equal", place, w.constant(np.arange(w.k), dtype=np.int64))
    of_largest = w.sum(w.add("Where", first, w.constant(0.0), powers))
    others = w.add("Where", first, of_largest, w.add("Sub", w.sum(powers), powers))
    return w.bounded(w.add("Sub", shifted, w.log(others)))


def _log_sigmoid(w: NodeWriter, x: str) -> str:
    """min(x, 0) - log(1 + exp(-|x|))."""
    rest = w.add("Log", w.binary("Add", w.add("Exp", w.add("Neg", w.add("Abs", x))), 1.0))
    return w.add("Sub", w.binary("Min", x, 0.0), rest)


def _beta(w: NodeWriter, x: str, step: ops.BetaCurve) -> str:
    log_p, log_not_p = _log_sigmoid(w, x), _log_sigmoid(w, w.add("Neg", x))
    terms = w.binary("Mul", log_p, step.a), w.binary("Mul", log_not_p, -step.b)
    return w.binary("Add", w.add("Add", *terms), step.c)


def _curves(w: NodeWriter, x: str, step: ops.Curves) -> str:
    """Find each column's piece by counting the knots below x, and look up its line."""
    tables = [_pieces(*each) for each in zip(step.log_odds, step.probabilities, strict=True)]
    most = max(len(each[0]) for each in tables)
    knots = np.array([_padded(each[0], most, np.inf) for each in tables])
    place = _count(w, "Greater", x, knots)
    start, level, slope = (
        _lookup(w, place, [_padded(each[i], most + 1, 0.0) for each in tables]) for i in (1, 2, 3)
    )
    return w.add("Add", level, w.add("Mul", w.add("Sub", x, start), slope))


def _pieces(knots: Sequence[float], levels: Sequence[float]) -> tuple[Array, ...]:
    """Return the knots, and per piece (before, between and beyond them) start, level, slope."""
    at, p = np.array(knots), np.array(levels)
    slope = np.r_[0.0, np.diff(p) / np.diff(at), 0.0]
    return at, np.r_[0.0, at[:-1], 0.0], np.r_[p[0], p[:-1], p[-1]], slope


def _padded(values: Array, length: int, value: float) -> Array:
    return np.pad(values, (0, length - len(values)), constant_values=value)


def _count(w: NodeWriter, comparison: str, x: str, knots: Array) -> str:
    """Return per column how many of its knots x is above, or (not "Less") not below, (..., k)."""
    wide = w.over("Unsqueeze", x, w.last + 1)
    holds = w.binary(comparison, wide, knots)
    if comparison == "Less":
        holds = w.add("Not", holds)
    number = w.over("ReduceSum", w.cast(holds, np.dtype(np.int32)), w.last + 1, keepdims=0)
    return w.cast(number, np.dtype(np.int64))


def _lookup(w: NodeWriter, place: str, tables: Sequence[Array]) -> str:
    """Return the number at a place of each column's table."""
    table = np.array(tables)
    starts = np.arange(len(table)) * table.shape[1]
    at = w.add("Add", place, w.constant(starts, dtype=np.int64))
    return w.add("Gather", w.constant(table.ravel()), at, axis=0)


def _steps(w: NodeWriter, x: str, step: ops.Steps) -> str:
    starts, ends = np.array(step.lower_from), np.array(step.upper_to)
    starts = starts - _NUDGE * np.maximum(1.0, np.abs(starts))
    ends = ends + _NUDGE * np.maximum(1.0, np.abs(ends))
    below = _count(w, "Less", x, starts[None])
    above = _count(w, "Greater", x, ends[None])
    low = _lookup(w, below, [np.r_[0.0, step.lower]])
    high = _lookup(w, above, [np.r_[step.upper, 1.0]])
    total = w.add("Add", w.add("Sub", w.constant(1.0), low), high)
    return w.add("Div", high, total)


def _with_zero(w: NodeWriter, x: str, _: ops.WithZero) -> str:
    return w.add("Concat", w.binary("Mul", x, 0.0), x, axis=w.last)


def _with_complement(w: NodeWriter, x: str, _: ops.WithComplement) -> str:
    return w.add("Concat", w.add("Sub", w.constant(1.0), x), x, axis=w.last)


_WRITERS: dict[type, Callable[[NodeWriter, str, Any], str]] = {
    ops.Divide: _divide,
    ops.Smooth: _smooth,
    ops.LogSoftmax: lambda w, x, _: w.add("LogSoftmax", x, axis=w.last),
    ops.Affine: _affine,
    ops.LogOdds: _log_odds,
    ops.OneVsRest: _one_vs_rest,
    ops.BetaCurve: _beta,
    ops.Curves: _curves,
    ops.Steps: _steps,
    ops.WithZero: _with_zero,
    ops.WithComplement: _with_complement,
    ops.Softmax: _softmax,
    ops.Sigmoid: lambda w, x, _: w.add("Sigmoid", x),
    ops.Normalize: lambda w, x, _: w.add("Div", x, w.sum(x)),
}
