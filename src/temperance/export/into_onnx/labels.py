"""Outputs that name the predicted class: they follow the calibrated probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import numpy_helper

from temperance.calibrators import operations as ops
from temperance.errors import InvalidInputError
from temperance.export.into_onnx.heads import class_list
from temperance.export.into_onnx.nodes import NodeWriter, write_operations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from temperance.export.into_onnx.graph import ModelGraph
    from temperance.export.into_onnx.heads import Head
    from temperance.export.into_onnx.placing import Placement

    Array = NDArray[np.float64]

__all__ = ["LabelOutput", "label_outputs", "refuse_other_labels", "set_label"]

_SINGLE = np.dtype(np.float32)
_TIE = 1e-6


@dataclass(frozen=True)
class LabelOutput:
    """An output that names the most probable class."""

    name: str
    classes: NDArray[Any]  # its value for each column
    rank: int
    dtype: np.dtype[Any]

    def agreement(self, labels: NDArray[Any], probs: Array, *, tolerance: float) -> float:
        """Return the share of rows whose label has the largest probability, or one as large."""
        places = {value: place for place, value in enumerate(self.classes.tolist())}
        at = np.array([places.get(each, -1) for each in np.ravel(labels).tolist()])
        own = np.take_along_axis(probs, np.maximum(at, 0)[:, None], axis=1)[:, 0]
        return float(((at >= 0) & (own >= probs.max(axis=1) - tolerance)).mean())


def label_outputs(
    graph: ModelGraph, head: Head, values: Mapping[str, Any], probs: Array
) -> list[LabelOutput]:
    """Return the outputs whose values are the most probable class in every row.

    `probs` are the model's own, (n, k).
    """
    k, labels = probs.shape[1], []
    classes = class_list(graph, head, k)
    lists = [np.arange(k)] if classes is None else [classes, np.arange(k)]
    for info in graph.graph.output:
        array = values.get(info.name)
        if not isinstance(array, np.ndarray) or array.dtype.kind == "f" or array.size != len(probs):
            continue
        known = [LabelOutput(info.name, each, array.ndim, array.dtype) for each in lists]
        labels += [e for e in known if e.agreement(array, probs, tolerance=_TIE) == 1.0][:1]
    return labels


def refuse_other_labels(
    graph: ModelGraph, head: Head, place: Placement, values: Mapping[str, Any],
    labels: Sequence[LabelOutput],
) -> None:  # fmt: skip
    """Raise where an output is made of the scores, and is not known to be the predicted class."""
    known = {label.name for label in labels}
    behind = {tuple(n.output) for n in graph.before([head.source]) if n.domain == "ai.onnx.ml"}
    for name in graph.outputs:
        array = values.get(name)
        if name in known or not isinstance(array, np.ndarray) or array.dtype.kind == "f":
            continue
        makers = graph.before([name])
        if any(place.tensor in node.input for node in makers):
            continue
        shared = any(tuple(node.output) in behind for node in makers)
        if shared or any(head.source in node.input for node in makers):
            msg = (
                f"Output `{name}` is made of the same scores, and is not the class of the largest "
                "probability in these rows: the map may change what it should say. Export the "
                "model without it, or use a map that keeps the predicted class (temperature)."
            )
            raise InvalidInputError(msg)


def set_label(graph: ModelGraph, head: Head, target: Placement, label: LabelOutput) -> str:
    """Let the label be that of the largest calibrated probability; return what was done."""
    makers = graph.before([label.name])
    if any(target.tensor in node.input for node in makers):
        return f"`{label.name}` is taken from the calibrated probabilities"
    w = NodeWriter(graph.names, k=len(label.classes), opset=graph.opset, dtype=_SINGLE)
    probs, axis, rank = target.tensor, head.axis, len(head.target_shape)
    if head.one_column and head.tensor is not None:
        probs = probs if head.target_dtype == _SINGLE else w.cast(probs, _SINGLE)
        probs = w.add("Reshape", probs, w.constant([-1, 1], dtype=np.int64))
        probs, axis, rank = write_operations(w, probs, [ops.WithComplement()]), 1, 2
    elif head.tensor is None:
        rank = max(rank, 2)
        axis = rank - 1
    place = w.add("ArgMax", probs, axis=axis, keepdims=int(label.rank == rank))
    texts = label.classes.dtype.kind == "U"
    classes = label.classes.astype(object) if texts else label.classes.astype(label.dtype)
    name = w.name("temperance_classes")
    w.initializers.append(numpy_helper.from_array(classes, name))
    old = w.name(f"{label.name}_uncalibrated")
    producer = graph.producer(label.name)
    assert producer is not None  # noqa: S101  (an output of the model)
    for reader in graph.readers(label.name):
        for at, each in enumerate(reader.input):
            if each == label.name:
                reader.input[at] = old
    graph.rename_output(producer, label.name, old)
    w.add("Gather", name, place, output=label.name, axis=0)
    graph.graph.initializer.extend(w.initializers)
    graph.append(w.nodes)
    graph.drop_unread(old)
    graph.drop_unread_weights()
    return f"`{label.name}` is the class of the largest calibrated probability"
