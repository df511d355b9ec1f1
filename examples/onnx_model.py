"""ONNX: a calibrator inside the model file, for whatever runs it.

A logistic regression for scikit-learn's digits, trained with next to no penalty and far too sure,
becomes an ONNX model; the temperature becomes one division before its last step. Both models
are run in onnxruntime before the new one is handed out.
"""

import numpy as np
import onnxruntime
from matplotlib.figure import Figure
from onnx import TensorProto, helper, numpy_helper, save
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import temperance as tp

X, y = load_digits(return_X_y=True)
X = StandardScaler().fit_transform(X).astype(np.float32)
X_train, X_rest, y_train, y_rest = train_test_split(X, y, train_size=0.2, random_state=0)
X_cal, X_test, y_cal, y_test = train_test_split(X_rest, y_rest, train_size=0.5, random_state=0)
model = LogisticRegression(C=1e4, max_iter=2000).fit(X_train, y_train)

# The model as a graph of three steps; torch.onnx and skl2onnx write the same.
graph = helper.make_graph(
    [
        helper.make_node("Gemm", ["x", "weights", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probs"], axis=1),
    ],
    "digits",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 64])],
    [helper.make_tensor_value_info("probs", TensorProto.FLOAT, ["n", 10])],
    [
        numpy_helper.from_array(model.coef_.T.astype(np.float32), "weights"),
        numpy_helper.from_array(model.intercept_.astype(np.float32), "bias"),
    ],
)
opset = [helper.make_opsetid("", 17)]
save(helper.make_model(graph, opset_imports=opset, ir_version=8), "model.onnx")

calibrator = tp.TemperatureScaling.fit(model.decision_function(X_cal), y_cal)
exported = tp.export.to_onnx("model.onnx", calibrator, "calibrated.onnx", verify={"x": X_test})
print(f"T = {calibrator.temperature:.3f}, placed as: {exported.placed}")
print(f"largest difference from Python: {exported.parity.largest_difference:.1e}")


def run(file):
    """Probabilities of the test images, as onnxruntime gives them."""
    return onnxruntime.InferenceSession(file).run(["probs"], {"x": X_test})[0]


before, after = run("model.onnx"), run("calibrated.onnx")
for name, probs in {"model.onnx": before, "calibrated.onnx": after}.items():
    evaluation = tp.evaluate(probs, y_test)
    print(f"{name}: log loss {evaluation.log_loss.value:.3f}, ECE {evaluation.ece.value:.3f}")
print(f"same classes: {(before.argmax(axis=1) == after.argmax(axis=1)).all()}")

# Two reliability diagrams: the model, and the model with its calibrator inside.
figure = Figure(figsize=(9.6, 5.4), layout="constrained")
for axes, (name, probs) in zip(
    figure.subplots(1, 2), {"model.onnx": before, "calibrated.onnx": after}.items(), strict=True
):
    tp.plots.ReliabilityDisplay.from_predictions(probs, y_test, name=name, ax=axes)
figure.savefig("onnx_model.png", bbox_inches="tight")
