"""Where a model says how probable its classes are: found by structure and values, or named.

A final Softmax or Sigmoid is seen in the graph; of all other outputs the values decide, rows of
[0, 1] that add up to 1 being probabilities. Whatever was found is said; of two it is asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.checks import logits_from_probs
from temperance.checks.label_matrix import label_logits_from_probs
from temperance.errors import InvalidInputError
from temperance.export.into_onnx.graph import attribute, class_labels
from temperance.numerics import softmax

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray
    from onnx import NodeProto

    from temperance.calibrators import Calibrator
    from temperance.export.into_onnx.graph import ModelGraph

    Array = NDArray[np.float64]

__all__ = ["Head", "Naming", "class_list", "head_of", "plain_source", "tensors_to_see"]

_PASSES = {"Identity", "Cast", "Reshape", "Squeeze", "Flatten", "Unsqueeze"}
_TAKES = frozenset({"Gather", "Slice"})  # one column, where there is one
_ENDS = {"Softmax", "Sigmoid", "LogSoftmax"}
_SUMS = {"float16": 5e-3, "float32": 1e-3, "float64": 1e-3}
_ROUNDING = 1e-5  # of sums over trees
_AXIS_OPSET = 13  # from here on a Softmax is over one axis alone
_OWN = "calibrated_probabilities"


@dataclass(frozen=True)
class Naming:
    """What the caller says of the model."""

    output: str | None  # the output of probabilities, or of logits
    logits: str | None  # the tensor of logits


@dataclass(frozen=True)
class Head:
    """What the map reads, and what it replaces.

    `source` is a tensor of the original model; `tensor` what gets the calibrated probabilities,
    None where the model ends in logits and gets a new output.
    """

    output: str  # the graph's output, as people know it
    tensor: str | None
    source: str
    reads: str  # "logits" or "probs"
    axis: int  # of the classes, of the source; >= 0
    width: int  # numbers of a row: of two classes, 1 where only class 1 has one
    shape: tuple[int, ...]  # of the source, on the rows that were run
    dtype: np.dtype[Any]  # of the source
    target_shape: tuple[int, ...]
    target_dtype: np.dtype[Any]
    final: NodeProto | None  # the Softmax or Sigmoid that reads the source
    how: str  # it was found

    @property
    def one_column(self) -> bool:
        """Whether a row of two classes is one number, of class 1."""
        return self.width == 1

    def rows(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return a tensor as rows of classes, (n, width)."""
        if array.ndim > 1:
            array = np.moveaxis(array, self.axis, -1)
        return array.reshape(-1, self.width)

    def expected(self, calibrator: Calibrator, source: NDArray[Any]) -> Array:
        """Return what the calibrator makes of the source, (n, k)."""
        rows = np.asarray(self.rows(source), dtype=np.float64)
        of_labels = calibrator.kind == "multilabel"
        scores = rows[:, 0] if self.one_column and not of_labels else rows
        if self.reads == "probs":
            turn = label_logits_from_probs if of_labels else logits_from_probs
            scores = turn(np.clip(scores, 0.0, 1.0), floor=floor_of(calibrator))
        probs = calibrator.apply(scores, refuse_probs=False, dtype=np.float64)
        return np.asarray(probs, dtype=np.float64)


def floor_of(calibrator: Calibrator) -> float:
    """Return what probabilities were raised to before the fit; 0 where nothing was."""
    record = calibrator.record
    return 0.0 if record is None or record.floor is None else float(record.floor)


def tensors_to_see(graph: ModelGraph, naming: Naming) -> list[str]:
    """Return the tensors inside the model that finding a head asks for."""
    names = [naming.logits] if naming.logits else []
    for output in graph.outputs:
        tensor = _behind_zipmap(graph, output)
        node = _end(graph, tensor)
        names += [tensor, *([] if node is None else [node.input[0]])]
    return names


def _behind_zipmap(graph: ModelGraph, output: str) -> str:
    """Return the tensor whose numbers an output's dictionaries hold; else the output itself."""
    node = graph.producer(output)
    return node.input[0] if node is not None and node.op_type == "ZipMap" else output


def _end(
    graph: ModelGraph, tensor: str, *, through: frozenset[str] = frozenset()
) -> NodeProto | None:
    """Return the Softmax, Sigmoid or LogSoftmax that a tensor comes from, unchanged."""
    node = graph.producer(tensor)
    while node is not None and node.op_type in _PASSES | through:
        node = graph.producer(node.input[0])
    return node if node is not None and node.op_type in _ENDS else None


def head_of(
    graph: ModelGraph, values: Mapping[str, Any], calibrator: Calibrator, naming: Naming
) -> Head:
    """Return the one head of a model, or raise InvalidInputError and list what there is."""
    for name, option in ((naming.output, "`output_name` (--output-name)"),):
        if name is not None and name not in graph.outputs:
            outputs = _in_backticks(graph.outputs)
            msg = f"{option} must be an output of the model: {outputs}; got {name}."
            raise InvalidInputError(msg)
    if naming.logits is not None:
        return _named_logits(graph, values, calibrator, naming)
    heads = list(_heads(graph, values, calibrator, naming.output))
    sources = {plain_source(graph, each.source) for each in heads if each.tensor is not None}
    heads = [
        each
        for each in heads
        if each.tensor is not None or plain_source(graph, each.source) not in sources
    ]  # logits that a head of probabilities is made of are none of their own
    if len(heads) == 1:
        return heads[0]
    if not heads:
        raise InvalidInputError(_nothing(graph, values, calibrator, naming.output))
    choices = "; ".join(f"`{each.output}` {each.target_shape}, {each.how}" for each in heads)
    msg = (
        f"The model has {len(heads)} outputs that may be calibrated: {choices}. Say which: "
        "`output_name` (--output-name NAME)."
    )
    raise InvalidInputError(msg)


def plain_source(graph: ModelGraph, name: str) -> str:
    """Return the tensor that another one is, but for its name and type."""
    node = graph.producer(name)
    while node is not None and node.op_type in {"Identity", "Cast"}:
        name = node.input[0]
        node = graph.producer(name)
    return name


def _heads(
    graph: ModelGraph, values: Mapping[str, Any], calibrator: Calibrator, name: str | None
) -> Iterator[Head]:
    """Yield the outputs that may hold the classes of a calibrator."""
    for output in graph.outputs if name is None else [name]:
        tensor = _behind_zipmap(graph, output)
        array = values.get(tensor)
        if not isinstance(array, np.ndarray) or not _is_float(array) or array.ndim == 0:
            continue
        head = _head_of_softmax(graph, values, calibrator, output, tensor)
        if head is None:
            head = _by_values(graph, calibrator, output, tensor, array, is_named=name is not None)
        if head is not None and _fits(head.width, calibrator):
            yield head


def _is_float(array: NDArray[Any]) -> bool:
    return array.dtype.kind == "f"


def _fits(width: int, calibrator: Calibrator) -> bool:
    k = calibrator.n_classes
    if calibrator.kind == "multilabel":
        return width == k
    return width == k or (k is None and width > 1) or (width == 1 and k in {None, 2})


def _head_of_softmax(
    graph: ModelGraph, values: Mapping[str, Any], calibrator: Calibrator, output: str, tensor: str
) -> Head | None:
    """Return the head of an output that ends in a Softmax or a Sigmoid; None of any other."""
    node = _end(graph, tensor)
    of_labels = calibrator.kind == "multilabel"
    if node is None or (of_labels and node.op_type != "Sigmoid"):
        return None
    source, after = values.get(node.input[0]), values[tensor]
    if not isinstance(source, np.ndarray) or source.size != after.size or source.ndim == 0:
        return None
    axis = _class_axis(graph, node, source)
    width = 1 if source.ndim == 1 else source.shape[axis]
    if node.op_type == "Sigmoid" and width > 1 and not of_labels:
        return None
    shown = f"the input of the final {node.op_type}"
    if node.op_type == "LogSoftmax":
        shown, node = "log-probabilities, of the final LogSoftmax", None
    common = {"output": output, "axis": axis, "width": width, "target_dtype": after.dtype,
              "target_shape": after.shape}  # fmt: skip
    if node is None:
        return Head(
            tensor=None, source=tensor, reads="logits", shape=after.shape, dtype=after.dtype,
            final=None, how=shown, **common,
        )  # fmt: skip
    if floor_of(calibrator) > 0.0:  # what was raised were probabilities
        return Head(
            tensor=tensor, source=tensor, reads="probs", shape=after.shape, dtype=after.dtype,
            final=None, how=f"the output of the final {node.op_type}, as the fit had a floor",
            **common,
        )  # fmt: skip
    return Head(
        tensor=tensor, source=node.input[0], reads="logits", shape=source.shape,
        dtype=source.dtype, final=node, how=shown, **common,
    )  # fmt: skip


def _class_axis(graph: ModelGraph, node: NodeProto, source: NDArray[Any]) -> int:
    """Return the axis of a Softmax; the last of a Sigmoid."""
    last = source.ndim - 1
    if node.op_type == "Sigmoid":
        return last
    old = graph.opset < _AXIS_OPSET
    axis = int(attribute(node, "axis", 1 if old else -1)) % source.ndim
    if old and axis != last:
        msg = (
            f"Softmax `{node.name or node.output[0]}` of opset {graph.opset} is over all axes from "
            f"{axis} on: export the model with opset {_AXIS_OPSET} or newer."
        )
        raise InvalidInputError(msg)
    return axis


def _by_values(
    graph: ModelGraph, calibrator: Calibrator, output: str, tensor: str, array: NDArray[Any],
    *, is_named: bool,
) -> Head | None:  # fmt: skip
    """Return the head of an output by what it holds."""
    values = np.asarray(array, dtype=np.float64)
    if np.isnan(values).any():
        msg = f"Output `{output}` of the model holds nan on these rows."
        raise InvalidInputError(msg)
    width = 1 if values.ndim == 1 else values.shape[-1]
    shares = _are_shares(values)
    k = calibrator.n_classes
    if values.ndim > 2 and k is not None and width == k == values.shape[1]:
        msg = f"Output `{output}` {array.shape} has two axes that may be its {k} classes."
        raise InvalidInputError(msg)
    zipped = tensor != output
    if calibrator.kind == "multilabel":
        end = _end(graph, tensor)
        if end is not None and end.op_type == "Softmax" and not is_named:
            return None  # of classes, one of which is true
        probs, why = shares, "each value lies in [0, 1]"
    elif width == 1:
        probs, why = shares, "each value lies in [0, 1]"
        end, node = _end(graph, tensor, through=_TAKES), graph.producer(tensor)
        of_sigmoid = end is not None and end.op_type == "Sigmoid"
        of_regression = node is not None and node.domain == "ai.onnx.ml"
        unsure = (shares and not of_sigmoid) or k != 2 or of_regression
        if unsure and not is_named and not zipped:
            return None  # a score, a regression, a probability: only the caller knows
    else:
        probs, why = _rows_add_up(array), "each row lies in [0, 1] and adds up to 1"
        if shares and not probs:
            return None  # of labels, each of which may be true; no logits lie there
    words = f"probabilities, as {why}" if probs else "logits, as its rows are no probabilities"
    if zipped and not probs:
        words = "the scores of its ZipMap, as logits"
    return Head(
        output=output, tensor=tensor if probs or zipped else None, source=tensor,
        reads="probs" if probs else "logits", axis=max(values.ndim - 1, 0), width=width,
        shape=array.shape, dtype=array.dtype, target_shape=array.shape, target_dtype=array.dtype,
        final=None, how=words,
    )  # fmt: skip


def _are_shares(values: Array) -> bool:
    """Whether all values lie in [0, 1], but for rounding."""
    return bool((values >= -_ROUNDING).all() and (values <= 1.0 + _ROUNDING).all())


def _rows_add_up(array: NDArray[Any]) -> bool:
    """Whether rows are probabilities of classes: in [0, 1], with a sum of 1."""
    values = np.asarray(array, dtype=np.float64)
    off = np.abs(values.sum(axis=-1) - 1.0).max(initial=0.0)
    return _are_shares(values) and bool(off <= _SUMS.get(array.dtype.name, 2e-2))


def _named_logits(
    graph: ModelGraph, values: Mapping[str, Any], calibrator: Calibrator, naming: Naming
) -> Head:
    """Return the head whose logits are named: it is what the map reads, come what may."""
    name = naming.logits
    assert name is not None  # noqa: S101  (asked before)
    array = values.get(name)
    if not isinstance(array, np.ndarray) or not _is_float(array) or array.ndim == 0:
        msg = f"`logits` (--logits) must be a tensor of numbers, one row per row; `{name}` is not."
        raise InvalidInputError(msg)
    ends = [
        output for output in ([naming.output] if naming.output else graph.outputs)
        if (end := _end(graph, _behind_zipmap(graph, output))) is not None
        and plain_source(graph, end.input[0]) == plain_source(graph, name)
        and end.op_type != "LogSoftmax"
    ]  # fmt: skip
    if len(ends) == 1:
        head = _head_of_softmax(graph, values, calibrator, ends[0], _behind_zipmap(graph, ends[0]))
        if head is not None and head.reads == "logits" and _fits(head.width, calibrator):
            return Head(**{**vars(head), "how": f"named, {head.how}"})
    width = 1 if array.ndim == 1 else array.shape[-1]
    if not _fits(width, calibrator):
        msg = (
            f"`logits` (--logits): `{name}` has shape {array.shape}, and the calibrator is of "
            f"{calibrator.n_classes} classes."
        )
        raise InvalidInputError(msg)
    if width > 1 and calibrator.kind != "multilabel" and _rows_add_up(array):
        msg = (
            f"`logits` (--logits): `{name}` holds probabilities: name the output of them "
            "(`output_name` (--output-name NAME)), or the tensor before the softmax."
        )
        raise InvalidInputError(msg)
    output = naming.output or (name if name in graph.outputs else _OWN)
    tensor = None if naming.output in {None, name} else _behind_zipmap(graph, naming.output or "")
    target = array if tensor is None else values[tensor]
    return Head(
        output=output, tensor=tensor, source=name, reads="logits", axis=max(array.ndim - 1, 0),
        width=width, shape=array.shape, dtype=array.dtype, target_shape=target.shape,
        target_dtype=target.dtype, final=None, how="named",
    )  # fmt: skip


def _in_backticks(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _nothing(
    graph: ModelGraph, values: Mapping[str, Any], calibrator: Calibrator, name: str | None
) -> str:
    """Say what the outputs are, where none is one of the calibrator's classes."""
    known = []
    for output in graph.outputs if name is None else [name]:
        array = values.get(_behind_zipmap(graph, output))
        shape = f" {array.shape} {array.dtype}" if isinstance(array, np.ndarray) else ""
        known.append(f"`{output}`{shape}{_unfit(graph, calibrator, output, array)}")
    width_one = any(
        isinstance(a := values.get(o), np.ndarray) and _is_float(a) and 1 in (a.ndim, a.shape[-1])
        for o in graph.outputs
    )  # fmt: skip
    one = " (one number a row is read as class 1's where it is named)" if width_one else ""
    unit = "labels" if calibrator.kind == "multilabel" else "classes"
    of = f"the calibrator's {calibrator.n_classes} {unit}" if calibrator.n_classes else unit
    return (
        f"No output of the model holds logits or probabilities of {of}: {', '.join(known)}. Use a "
        "calibrator of this model's classes, or name the output: `output_name` (--output-name "
        f"NAME){one}, or the tensor of the logits: `logits` (--logits NAME)."
    )


def _unfit(graph: ModelGraph, calibrator: Calibrator, output: str, array: Any) -> str:  # noqa: ANN401
    """Say why an output of the calibrator's width holds no scores of its kind."""
    fits = isinstance(array, np.ndarray) and _is_float(array) and array.ndim > 1
    if not fits or not _fits(array.shape[-1], calibrator):
        return ""
    if calibrator.kind == "multilabel":
        return ", of a Softmax: of classes, and the calibrator is of labels"
    end = _end(graph, _behind_zipmap(graph, output))
    if array.shape[-1] > 1 and _are_shares(np.asarray(array, dtype=np.float64)):
        of = ", of a Sigmoid" if end is not None and end.op_type == "Sigmoid" else ""
        return (
            f"{of}, each in [0, 1], in rows that do not add up to 1: of labels (--kind multilabel "
            "fits them), and the calibrator is of classes"
        )
    return ""


def class_list(graph: ModelGraph, head: Head, k: int) -> NDArray[Any] | None:
    """Return the classes that a model names, in the order of its columns; None if it names none.

    Those of a ZipMap or a classifier, or the table that the largest place is looked up in.
    """
    nodes = graph.before(graph.outputs)
    behind = {id(node) for node in graph.before([head.tensor or head.source])}
    zipmaps = [n for n in nodes if n.op_type == "ZipMap" and n.input[0] == head.tensor]
    classifiers = [n for n in nodes if n.op_type.endswith("Classifier") and id(n) in behind]
    for node in (*zipmaps, *classifiers):
        labels = class_labels(node)
        if labels is not None and len(labels) == k:
            return labels
    for node in nodes:
        if node.op_type == "ArrayFeatureExtractor":
            table = graph.array(node.input[0])
            if table is not None and table.size == k:
                return table.ravel()
    return None


def softmax_of(rows: NDArray[Any], *, of_labels: bool) -> Array:
    """Return the probabilities of logits, (n, width): of one column, of class 1 alone."""
    rows = np.asarray(rows, dtype=np.float64)
    if of_labels or rows.shape[1] == 1:
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(rows, -700.0, 700.0))))
    return softmax(rows)
