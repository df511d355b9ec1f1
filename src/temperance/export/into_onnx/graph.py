"""A model as a graph: who makes a tensor, who reads it, and how one takes the place of another."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from temperance.errors import FileFormatError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from os import PathLike

    from numpy.typing import NDArray
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

__all__ = ["ID_KEY", "JSON_KEY", "ModelGraph", "attribute", "class_labels", "read_model"]

JSON_KEY = "temperance.calibrator"  # in the model's metadata
ID_KEY = "temperance.calibrator_id"
_CLASS_LISTS = (
    "classlabels_int64s", "classlabels_ints", "classlabels_strings", "classlabels_strings_list",
)  # fmt: skip


def read_model(path: str | PathLike[str]) -> ModelGraph:
    """Read a model without the weights that lie in other files, or raise FileFormatError."""
    file = Path(path)
    try:
        model = onnx.load(file, load_external_data=False)
    except FileNotFoundError:
        msg = f"{file}: no such file."
        raise FileFormatError(msg) from None
    except Exception as error:  # protobuf's, or of a path that is no file
        msg = f"{file}: not an ONNX model: {str(error).splitlines()[0]}"
        raise FileFormatError(msg) from error
    if not model.graph.node or not model.graph.output:
        msg = f"{file}: not an ONNX model: it has no nodes or no outputs."
        raise FileFormatError(msg)
    graph = ModelGraph(model, file)
    for name in graph.external_files():
        if Path(name).is_absolute() or ".." in Path(name).parts:
            msg = (
                f"{file}: its weights must lie in files beside it, as ONNX asks, got {name!r}: "
                "save the model again (onnx.save, save_as_external_data=True)."
            )
            raise FileFormatError(msg)
    return graph


def attribute(node: NodeProto, name: str, default: Any = None) -> Any:  # noqa: ANN401
    """Return the value of a node's attribute."""
    for each in node.attribute:
        if each.name == name:
            return helper.get_attribute_value(each)
    return default


def class_labels(node: NodeProto) -> NDArray[Any] | None:
    """Return the classes that a classifier or a ZipMap names, in their order; None if none."""
    for name in _CLASS_LISTS:
        values = attribute(node, name)
        if values:
            texts = isinstance(values[0], bytes)
            return np.array([v.decode() for v in values] if texts else values)
    return None


def _subgraphs(node: NodeProto) -> Iterator[GraphProto]:
    for each in node.attribute:
        if each.type == onnx.AttributeProto.GRAPH:
            yield each.g
        elif each.type == onnx.AttributeProto.GRAPHS:
            yield from each.graphs


def _inputs(node: NodeProto) -> Iterator[str]:
    """Names that a node reads, those of its branches and loops included."""
    yield from (name for name in node.input if name)
    for graph in _subgraphs(node):
        for inner in graph.node:
            yield from _inputs(inner)
        yield from (each.name for each in graph.output)


def _names(graph: GraphProto) -> Iterator[str]:
    """All names of a graph."""
    for each in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
        yield each.name
    for node in graph.node:
        yield from (node.name, *node.input, *node.output)
        for inner in _subgraphs(node):
            yield from _names(inner)


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """All weights of a graph."""
    yield from graph.initializer
    for node in graph.node:
        yield from (each.t for each in node.attribute if each.HasField("t"))
        for inner in _subgraphs(node):
            yield from _tensors(inner)


@dataclass
class ModelGraph:
    """A model and its file. Reading it is cheap; `copy` before something is changed."""

    model: ModelProto
    file: Path
    names: set[str] = field(init=False)
    constants: dict[str, TensorProto] = field(init=False)  # weights, those of Constant nodes too

    def __post_init__(self) -> None:
        self.names = set(_names(self.graph))
        self.constants = {each.name: each for each in self.graph.initializer}
        for node in self.graph.node:
            value = attribute(node, "value") if node.op_type == "Constant" else None
            if isinstance(value, onnx.TensorProto):
                self.constants[node.output[0]] = value

    @property
    def graph(self) -> GraphProto:
        """The graph itself."""
        return self.model.graph

    @property
    def opset(self) -> int:
        """Version of the standard operators; 0 where the model uses none of them."""
        versions = [e.version for e in self.model.opset_import if e.domain in {"", "ai.onnx"}]
        return int(max(versions, default=0))

    @property
    def outputs(self) -> list[str]:
        """Names of what the model gives."""
        return [each.name for each in self.graph.output]

    @property
    def metadata(self) -> dict[str, str]:
        """What the model says of itself."""
        return {each.key: each.value for each in self.model.metadata_props}

    def copy(self) -> ModelGraph:
        """Return a model that may be changed."""
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        return ModelGraph(model, self.file)

    def external_files(self) -> tuple[str, ...]:
        """Return the files beside the model that hold weights."""
        locations = {
            entry.value
            for tensor in _tensors(self.graph) if tensor.data_location == tensor.EXTERNAL
            for entry in tensor.external_data if entry.key == "location"
        }  # fmt: skip
        return tuple(sorted(locations))

    def producer(self, name: str) -> NodeProto | None:
        """Return the node that makes a tensor; None of inputs and weights."""
        return next((node for node in self.graph.node if name in node.output), None)

    def readers(self, name: str) -> list[NodeProto]:
        """Return the nodes that read a tensor, in branches and loops too."""
        return [node for node in self.graph.node if name in _inputs(node)]

    def before(self, names: Iterable[str]) -> list[NodeProto]:
        """Return all nodes that tensors come from."""
        makers = {out: node for node in self.graph.node for out in node.output if out}
        nodes, waiting, visited = [], list(names), set()
        while waiting:
            node = makers.get(waiting.pop())
            if node is not None and id(node) not in visited:
                visited.add(id(node))
                nodes.append(node)
                waiting += _inputs(node)
        return nodes

    def array(self, name: str) -> NDArray[Any] | None:
        """Return the numbers of a constant; None where it is none, or lies in another file."""
        tensor = self.constants.get(name)
        if tensor is None or self.is_external(name):
            return None
        return np.asarray(numpy_helper.to_array(tensor))

    def is_external(self, name: str) -> bool:
        """Whether the numbers of a constant lie in another file."""
        tensor = self.constants.get(name)
        return tensor is not None and tensor.data_location == tensor.EXTERNAL

    def initializer(self, name: str | None) -> TensorProto | None:
        """Return a weight by its name."""
        return next((each for each in self.graph.initializer if each.name == name), None)

    def insert(self, nodes: list[NodeProto], *, after: NodeProto | None) -> None:
        """Put nodes behind the one that makes what they read; at the beginning of inputs."""
        place = 0
        if after is not None:
            place = next(i for i, node in enumerate(self.graph.node) if node is after) + 1
        for offset, node in enumerate(nodes):
            self.graph.node.insert(place + offset, node)

    def later(self, node: NodeProto, other: NodeProto | None) -> NodeProto:
        """Return the one of two nodes that comes last."""
        return (
            node if other is None else [e for e in self.graph.node if e is node or e is other][-1]
        )

    def append(self, nodes: list[NodeProto]) -> None:
        """Put nodes at the end."""
        self.graph.node.extend(nodes)

    def rename_output(self, node: NodeProto, name: str, new: str) -> None:
        """Let a node write to another name; who reads the old one is left alone."""
        node.output[list(node.output).index(name)] = new
        self.names.add(new)

    def drop_unread(self, name: str) -> None:
        """Remove the node of a tensor that nobody reads, and those that only it read."""
        waiting = [name]
        while waiting:
            each = waiting.pop()
            node = self.producer(each)
            if node is None or any(out in self.outputs or self.readers(out) for out in node.output):
                continue
            waiting += [inner for inner in node.input if inner]
            self.graph.node.remove(node)

    def drop_unread_weights(self) -> None:
        """Remove weights that nobody reads any more."""
        read = {name for node in self.graph.node for name in _inputs(node)} | set(self.outputs)
        for weight in [w for w in self.graph.initializer if w.name not in read]:
            self.graph.initializer.remove(weight)

    def forget_shapes(self) -> None:
        """Remove what is declared of tensors that no longer exist."""
        outputs = {name for node in self.graph.node for name in node.output}
        for info in [each for each in self.graph.value_info if each.name not in outputs]:
            self.graph.value_info.remove(info)

    def calibrated_by(self) -> str | None:
        """Return the id of the calibrator that is in the model already."""
        known = self.metadata
        return known.get(ID_KEY, "unknown") if JSON_KEY in known else None

    def describe(self, content: str, identity: str) -> None:
        """Put the JSON of a calibrator and its id into the model's metadata."""
        for key, value in ((JSON_KEY, content), (ID_KEY, identity)):
            self.model.metadata_props.add(key=key, value=value)
