"""Small ONNX models of known weights, and what they give; written node by node."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

WEIGHTS = np.random.default_rng(7).normal(size=(6, 5)).astype(np.float32)
BIAS = np.linspace(-1.0, 1.0, 5).astype(np.float32)
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def node(op_type, inputs, outputs, **settings):
    return helper.make_node(
        op_type, inputs.split(), outputs.split(), name=f"{op_type}_{outputs}", **settings
    )


def model(nodes, outputs, *, weights, inputs=(("x", FLOAT, ["n", 6]),), opset=17, ir=9, ml=False):
    """A checked model; outputs as (name, type, shape)."""
    graph = helper.make_graph(
        nodes, "test",
        [helper.make_tensor_value_info(*each) for each in inputs],
        [helper.make_tensor_value_info(*each) for each in outputs],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )  # fmt: skip
    sets = [helper.make_opsetid("", opset)] + ([helper.make_opsetid("ai.onnx.ml", 3)] if ml else [])
    made = helper.make_model(graph, opset_imports=sets, ir_version=ir)
    onnx.checker.check_model(made)
    return made


def classifier(
    k=5,
    end="Softmax",
    *,
    opset=17,
    dtype=np.float32,
    bias=True,
    extra=(),
    after=(),
    outputs=(),
    more=None,
):
    """x -> Gemm -> Softmax, Sigmoid or nothing; `extra` and `after` may read z and probs."""
    weights = {"w": WEIGHTS[:, :k].astype(dtype)} | ({"b": BIAS[:k].astype(dtype)} if bias else {})
    weights |= more or {}
    number = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    nodes = [node("Gemm", "x w b" if bias else "x w", "z"), *extra]
    if end:
        nodes.append(node(end, "z", "probs"))
    nodes += after
    own = [("probs" if end else "z", number, ["n", k])] if outputs == () else list(outputs)
    return model(nodes, own, weights=weights, inputs=(("x", number, ["n", 6]),), opset=opset)


def rows(n=200, *, scale=2.0):
    """Inputs of these models."""
    return (np.random.default_rng(3).normal(size=(n, 6)) * scale).astype(np.float32)


def logits(x, k=5):
    """What Gemm makes of them, in double precision."""
    return x.astype(float) @ WEIGHTS[:, :k].astype(float) + BIAS[:k].astype(float)


def saved(made, path):
    onnx.save(made, path)
    return path
