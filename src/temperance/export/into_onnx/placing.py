"""A map takes its place in a graph: before the final Softmax, behind the probabilities, or folded.

Nobody who reads the calibrated tensor needs to know: it keeps its name, and what made it writes to
another one, or is gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import helper

from temperance.calibrators import operations as ops
from temperance.errors import InvalidInputError
from temperance.export.columns import right_of_missing
from temperance.export.into_onnx.heads import floor_of
from temperance.export.into_onnx.nodes import (
    LEAST_LOG,
    MAP_OPSET,
    NodeWriter,
    element_type,
    is_elementwise,
    write_operations,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from temperance.calibrators import Calibrator
    from temperance.calibrators.operations import Operation
    from temperance.export.into_onnx.graph import ModelGraph
    from temperance.export.into_onnx.heads import Head

    Array = NDArray[np.float64]

__all__ = ["Placement", "make_tunable", "place_map"]

_SINGLE, _DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
_OWN = "calibrated_probabilities"
_DEFAULTS_IR = 4  # from here on weights need not be inputs: one that is has a default


@dataclass(frozen=True)
class Placement:
    """Where the map is now."""

    output: str  # of the graph, that gives the calibrated numbers
    tensor: str
    gives: str  # "probs"; "logits" of a folded model that ends in them
    words: str
    precision: str
    temperature: str | None  # the name of its number, where one division holds it


def can_be_single(head: Head, steps: Sequence[Operation]) -> bool:
    """Whether single precision may do: of logits, each of which gets a factor and a bias."""
    return head.reads == "logits" and head.dtype != _DOUBLE and is_elementwise(steps)


def place_map(graph: ModelGraph, head: Head, calibrator: Calibrator, *, double: bool) -> Placement:
    """Add the nodes of a map to a graph that may be changed; return where they are."""
    steps = calibrator.operations()
    if _is_before_final(head, steps) and not double:
        return _before_final(graph, head, steps)
    _require_opset(graph)
    of_labels = calibrator.kind == "multilabel"
    dtype = _DOUBLE if double or not can_be_single(head, steps) else _SINGLE
    two = head.one_column and not of_labels
    k, rank = 2 if two else head.width, max(len(head.shape), 2)
    w = NodeWriter(graph.names, k=k, opset=graph.opset, dtype=dtype, rank=rank)
    x = head.source if head.dtype == dtype else w.cast(head.source, dtype)
    x = _classes_last(w, x, head)
    if head.reads == "probs":
        x = _logits(w, x, head, of_labels=of_labels, floor=floor_of(calibrator))
    elif dtype == _DOUBLE:
        x = w.binary("Max", x, LEAST_LOG)
    if head.reads == "logits" and two:
        x = write_operations(w, x, [ops.WithZero()])
    elif head.reads == "logits" and ops.loses_offsets(steps):
        x = w.centred(x, w.last)
    probs = write_operations(w, x, steps)
    if not (of_labels or can_be_single(head, steps) or right_of_missing(steps)):
        exists = w.cast(w.binary("Greater", x, LEAST_LOG), w.dtype)  # an option may not
        probs = write_operations(w, w.add("Mul", probs, exists), [ops.Normalize()])
    if two and head.tensor is not None:
        probs = w.column(probs, 1)
    probs = _as_it_was(w, probs, head)
    return _with_output(graph, head, w, probs, of_labels=of_labels)


def _require_opset(graph: ModelGraph) -> None:
    if 0 < graph.opset < MAP_OPSET:
        msg = (
            f"The model has opset {graph.opset}, and the map's nodes need opset {MAP_OPSET}: export"
            f" the model again with opset {MAP_OPSET} or newer (opset_version of "
            "torch.onnx.export, target_opset of skl2onnx), or convert it "
            "(onnx.version_converter)."
        )
        raise InvalidInputError(msg)
    if graph.opset == 0:  # it has operators of other domains alone
        graph.model.opset_import.append(helper.make_opsetid("", MAP_OPSET))


def _is_before_final(head: Head, steps: Sequence[Operation]) -> bool:
    """Whether the model's own Softmax, or Sigmoid, can end the map."""
    if head.final is None or not is_elementwise(steps) or head.dtype.itemsize < _SINGLE.itemsize:
        return False
    if head.final.op_type == "Softmax":
        last = head.axis == len(head.shape) - 1
        return last or all(isinstance(e, ops.Divide) and len(e.by) == 1 for e in steps[:-1])
    if isinstance(steps[-1], ops.Sigmoid):
        return True
    return all(isinstance(e, ops.Divide) and len(e.by) == 1 for e in steps[:-1])


def _before_final(graph: ModelGraph, head: Head, steps: Sequence[Operation]) -> Placement:
    """Let the final Softmax, or Sigmoid, read what the operations before it give."""
    assert head.final is not None  # noqa: S101  (asked before)
    final = next(node for node in graph.graph.node if node.output == head.final.output)
    rank = len(head.shape)
    w = NodeWriter(graph.names, k=head.width, opset=graph.opset, dtype=head.dtype, rank=rank)
    x = head.source
    if final.op_type == "Softmax" and ops.loses_offsets(steps):
        x = w.centred(x, head.axis)
    final.input[0] = write_operations(w, x, steps[:-1])
    graph.graph.initializer.extend(w.initializers)
    graph.insert(w.nodes, after=graph.producer(head.source))
    operations = ", ".join(node.op_type for node in w.nodes) or "nothing"
    words = f"{operations} before the final {final.op_type}"
    return Placement(head.output, head.tensor or head.output, "probs", words, head.dtype.name,
                  w.temperature)  # fmt: skip


def _classes_last(w: NodeWriter, x: str, head: Head) -> str:
    """Return the tensor with its classes on the last axis; (n, 1) of (n,)."""
    rank = len(head.shape)
    if rank == 1:
        return w.add("Reshape", x, w.constant([-1, 1], dtype=np.int64))
    if head.axis == rank - 1:
        return x
    order = [a for a in range(rank) if a != head.axis] + [head.axis]
    return w.add("Transpose", x, perm=order)


def _as_it_was(w: NodeWriter, probs: str, head: Head) -> str:
    """Return the probabilities in the shape and type of what they take the place of."""
    rank, target_rank = len(head.shape), len(head.target_shape)
    if rank > 1 and head.axis != rank - 1:
        order = [*range(head.axis), rank - 1, *range(head.axis, rank - 1)]
        probs = w.add("Transpose", probs, perm=order)
    if head.tensor is not None and target_rank == 1:
        probs = w.add("Reshape", probs, w.constant([-1], dtype=np.int64))
    elif head.tensor is not None and target_rank == 2 and rank == 1:
        probs = w.add("Reshape", probs, w.constant([-1, 1], dtype=np.int64))
    if w.dtype != head.target_dtype:
        probs = w.cast(probs, head.target_dtype)
    return probs


def _logits(w: NodeWriter, p: str, head: Head, *, of_labels: bool, floor: float) -> str:
    """Return logits of probabilities: floored as in the fit, and of sums rounded beyond 1."""
    least = floor if of_labels else 0.0
    p = w.binary("Min", w.binary("Max", p, least), 1.0 - least)
    if of_labels:
        return w.add("Sub", w.log(p), w.log(w.add("Sub", w.constant(1.0), p)))
    if head.one_column:
        p = write_operations(w, p, [ops.WithComplement()])
    if floor:
        p = write_operations(w, p, [ops.Normalize()])
        p = write_operations(w, w.binary("Max", p, floor), [ops.Normalize()])
    return w.log(p)


def _with_output(
    graph: ModelGraph, head: Head, w: NodeWriter, probs: str, *, of_labels: bool
) -> Placement:
    """Let the last node write to the tensor that it takes the place of, or to a new output."""
    last = w.nodes[-1]
    nodes_text = f"{len(w.nodes)} nodes"
    graph.graph.initializer.extend(w.initializers)
    if head.tensor is None:
        output = w.name(_OWN)
        last.output[list(last.output).index(probs)] = output
        graph.append(w.nodes)
        graph.graph.output.append(_output_info(graph, head, output, of_labels=of_labels))
        words = f"{nodes_text} behind `{head.source}`, and the new output `{output}`"
        return Placement(output, output, "probs", words, w.dtype.name, w.temperature)
    producer = graph.producer(head.tensor)
    assert producer is not None  # noqa: S101  (an output of the model)
    old = w.name(f"{head.tensor}_uncalibrated")
    if head.source == head.tensor:
        for node in w.nodes:
            for place, name in enumerate(node.input):
                if name == head.tensor:
                    node.input[place] = old
    graph.rename_output(producer, head.tensor, old)
    last.output[list(last.output).index(probs)] = head.tensor
    graph.insert(w.nodes, after=graph.later(producer, graph.producer(head.source)))
    graph.drop_unread(old)
    graph.drop_unread_weights()
    graph.forget_shapes()
    where = f"in the place of the final {head.final.op_type}" if head.final else "behind it"
    if head.final is None and head.source != head.tensor:
        where = f"from `{head.source}` to `{head.tensor}`"
    return Placement(head.output, head.tensor, "probs", f"{nodes_text} {where}", w.dtype.name,
                  w.temperature)  # fmt: skip


def _output_info(graph: ModelGraph, head: Head, name: str, *, of_labels: bool) -> Any:  # noqa: ANN401
    """Return the declaration of a new output, as that of the logits with a column per class."""
    width = 2 if head.one_column and not of_labels else head.width
    dims: list[Any] = [f"{name}_{i}" for i in range(max(len(head.shape), 2) - 1)]
    known = next((e for e in graph.graph.output if e.name == head.source), None)
    if known is not None:
        for i, dim in enumerate(list(known.type.tensor_type.shape.dim)[: len(dims)]):
            dims[i] = dim.dim_value or dim.dim_param or dims[i]
    return helper.make_tensor_value_info(name, element_type(head.target_dtype), [*dims, width])


def make_tunable(graph: ModelGraph, place: Placement, calibrator: Calibrator) -> None:
    """Make the temperature an input with the fitted one as its default."""
    number = graph.initializer(place.temperature)
    if number is None:
        several = any(isinstance(each, ops.Divide) for each in calibrator.operations())
        why = "this one has several" if several else f"{calibrator.name} has none"
        msg = f"`tunable` (--tunable) needs a map with one temperature; {why}."
        raise InvalidInputError(msg)
    graph.graph.input.append(helper.make_tensor_value_info(number.name, number.data_type, []))
    graph.model.ir_version = max(graph.model.ir_version, _DEFAULTS_IR)
