"""A map folded into the weights and the bias of a model's last layer: no node is added."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.errors import InvalidInputError
from temperance.export.into_onnx.graph import attribute
from temperance.export.into_onnx.nodes import NodeWriter
from temperance.export.into_onnx.placing import Placement
from temperance.export.linear import linear_map

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from onnx import NodeProto

    from temperance.calibrators import Calibrator
    from temperance.export.into_onnx.graph import ModelGraph
    from temperance.export.into_onnx.heads import Head
    from temperance.export.into_onnx.labels import LabelOutput

    Array = NDArray[np.float64]

__all__ = ["fold_map", "refuse_stale_labels"]

_FOLDED = "`fold` (--fold) changes the weights of the last Gemm or MatMul; here "
_WAY_OUT = " Without it nodes are added."


def fold_map(graph: ModelGraph, head: Head, calibrator: Calibrator) -> Placement:
    """Change the weights and the bias of the last layer so that it gives the calibrated logits."""
    two = head.one_column and calibrator.kind != "multilabel"
    k = 2 if two else head.width
    linear = linear_map(calibrator.operations(), k, log_probs=False)
    if linear is None:
        steps = ", ".join(type(step).__name__ for step in calibrator.operations())
        msg = (
            f"{_FOLDED}the map of method {calibrator.name} ({steps}) is no matrix and bias of the "
            f"logits.{_WAY_OUT}"
        )
        raise InvalidInputError(msg)
    matrix, bias = linear
    if two:  # of logits (0, z), as log-odds
        matrix, bias = np.array([[matrix[1, 1] - matrix[0, 1]]]), np.array([bias[1] - bias[0]])
    if head.reads != "logits":
        msg = f"{_FOLDED}the map reads probabilities ({head.how}).{_WAY_OUT}"
        raise InvalidInputError(msg)
    if head.axis != len(head.shape) - 1:
        msg = f"{_FOLDED}the classes are on axis {head.axis}, not on the last.{_WAY_OUT}"
        raise InvalidInputError(msg)
    if head.dtype.itemsize < np.dtype(np.float32).itemsize:
        msg = f"{_FOLDED}the weights are {head.dtype.name}, too coarse to hold it.{_WAY_OUT}"
        raise InvalidInputError(msg)
    layer = _layer(graph, head)
    layer.fold(matrix, bias)
    graph.drop_unread_weights()
    gives = "logits" if head.tensor is None else "probs"
    words = f"folded into the weights of {layer.node.op_type} `{layer.node.name or layer.out}`"
    return Placement(head.output, head.tensor or head.source, gives, words, head.dtype.name, None)


@dataclass
class _Layer:
    """The last linear layer of a model: Gemm, or MatMul with an Add or without."""

    graph: ModelGraph
    node: NodeProto
    weights: tuple[int, NDArray[Any]]  # the place among the node's inputs, and its numbers
    add: tuple[NodeProto, int, NDArray[Any]] | None  # who adds the bias, at which place
    out: str

    def fold(self, matrix: Array, bias: Array) -> None:
        """Give both their new numbers: y = M (x W + b) + c = x (W M') + (M b + c)."""
        place, old = self.weights
        by_rows = self.node.op_type == "Gemm" and attribute(self.node, "transB", 0)
        w = old.astype(np.float64)
        new = matrix @ w if by_rows else w @ matrix.T
        self._set(self.node, place, new.astype(old.dtype))
        if self.add is None:
            if bias.any():
                self._add_bias(bias.astype(old.dtype))
            return
        node, at, numbers = self.add
        beta = float(attribute(node, "beta", 1.0))
        whole = np.broadcast_to(numbers.astype(np.float64).ravel() * beta, len(bias))
        self._set(node, at, ((matrix @ whole + bias) / beta).astype(numbers.dtype))

    def _add_bias(self, bias: NDArray[Any]) -> None:
        if self.node.op_type != "Gemm":
            msg = (
                f"{_FOLDED}MatMul `{self.node.name}` has no bias to hold that of the map.{_WAY_OUT}"
            )
            raise InvalidInputError(msg)
        w = NodeWriter(self.graph.names, k=len(bias), opset=self.graph.opset, dtype=bias.dtype)
        name = w.initializer(bias, stem="temperance_bias")
        self.graph.graph.initializer.extend(w.initializers)
        del self.node.input[2:]
        self.node.input.append(name)

    def _set(self, node: NodeProto, place: int, array: NDArray[Any]) -> None:
        """Let a node read new numbers: a copy, as others may read the old ones."""
        w = NodeWriter(self.graph.names, k=1, opset=self.graph.opset, dtype=array.dtype)
        old = node.input[place]
        node.input[place] = w.initializer(array, stem=f"{old}_calibrated")
        self.graph.graph.initializer.extend(w.initializers)
        self.graph.drop_unread(old)


def _layer(graph: ModelGraph, head: Head) -> _Layer:
    """Return the last layer, or say why nothing can be folded into it."""
    name, names, add = head.source, [head.source], None
    node = graph.producer(name)
    while node is not None and node.op_type == "Identity":
        name = node.input[0]
        names.append(name)
        node = graph.producer(name)
    if node is not None and node.op_type == "Add":
        bias = [(i, a) for i, each in enumerate(node.input) if (a := graph.array(each)) is not None]
        if len(bias) == 1 and bias[0][1].size in {1, head.width}:
            add = (node, *bias[0])
            name = node.input[1 - bias[0][0]]
            names.append(name)
            node = graph.producer(name)
    label = "an input" if node is None else f"{node.op_type} `{node.name or name}`"
    if node is not None and node.op_type == "Add" and any(map(graph.is_external, node.input)):
        msg = f"{_FOLDED}the bias of {label} comes from another file.{_WAY_OUT}"
        raise InvalidInputError(msg)
    if node is None or node.op_type not in {"Gemm", "MatMul"}:
        msg = f"{_FOLDED}the logits come from {label}{_quantised(node)}.{_WAY_OUT}"
        raise InvalidInputError(msg)
    _require_unread(graph, head, names)
    numbers = graph.array(node.input[1])
    if numbers is None or numbers.ndim != 2:
        maker = graph.producer(node.input[1])
        of = "another file, or an input" if maker is None else maker.op_type
        msg = f"{_FOLDED}the weights of {label} come from {of}{_quantised(maker)}.{_WAY_OUT}"
        raise InvalidInputError(msg)
    if node.op_type == "Gemm" and len(node.input) > 2 and node.input[2]:
        own = graph.array(node.input[2])
        usable = own is not None and own.size in {1, head.width} and attribute(node, "beta", 1.0)
        if add is not None or own is None or not usable:
            msg = f"{_FOLDED}the bias of {label} is no constant of its own.{_WAY_OUT}"
            raise InvalidInputError(msg)
        add = (node, 2, own)
    return _Layer(graph, node, (1, numbers), add, name)


def _quantised(node: NodeProto | None) -> str:
    return " (quantised)" if node is not None and "uant" in node.op_type else ""


def _require_unread(graph: ModelGraph, head: Head, names: Sequence[str]) -> None:
    """Raise where somebody else reads the logits; who takes the largest may."""
    final = [] if head.final is None else list(head.final.output)
    for name in names:
        if name in graph.outputs and head.tensor is not None:
            msg = f"{_FOLDED}the logits `{name}` are an output too, which would change.{_WAY_OUT}"
            raise InvalidInputError(msg)
        for node in graph.readers(name):
            chained = set(node.output) & {*names, *final}
            if not chained and node.op_type != "ArgMax":
                msg = (
                    f"{_FOLDED}{node.op_type} `{node.name or node.output[0]}` reads the logits "
                    f"`{name}` too.{_WAY_OUT}"
                )
                raise InvalidInputError(msg)


def refuse_stale_labels(graph: ModelGraph, head: Head, labels: Sequence[LabelOutput]) -> None:
    """Raise where a folded map would need nodes for the predicted class."""
    final = [] if head.final is None else list(head.final.output)
    for label in labels:
        makers = graph.before([label.name])
        if not any({head.source, *final} & set(node.input) for node in makers):
            msg = (
                f"{_FOLDED}output `{label.name}`, the predicted class, would need nodes of its own."
                f"{_WAY_OUT}"
            )
            raise InvalidInputError(msg)
