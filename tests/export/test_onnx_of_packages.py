"""Calibrators inside models of scikit-learn and PyTorch, as their own exporters write them."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

import reference
import temperance as tp
from temperance.calibrators import METHODS
from temperance.export import to_onnx

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

METHODS_OF = {"binary": ["temperature", "platt", "isotonic", "vector", "beta", "venn-abers"],
              "several": ["temperature", "isotonic", "vector", "bias-corrected-temperature"],
              "texts": ["temperature", "vector"]}  # fmt: skip
STEEP = {"isotonic", "venn-abers"}


def run(path, inputs):
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(None, inputs), strict=True))


# --- scikit-learn ---------------------------------------------------------------------------


def estimators():
    from sklearn.ensemble import (
        GradientBoostingClassifier,
        HistGradientBoostingClassifier,
        RandomForestClassifier,
    )
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return {
        "lr": LogisticRegression(C=0.1),
        "pipeline": make_pipeline(StandardScaler(), LogisticRegression()),
        "mlp": MLPClassifier((12,), max_iter=40, random_state=0),
        "forest": RandomForestClassifier(20, max_depth=6, random_state=0),
        "boosting": GradientBoostingClassifier(n_estimators=8, max_depth=2, random_state=0),
        "hist": HistGradientBoostingClassifier(max_iter=3, max_leaf_nodes=4),
    }


@pytest.fixture(scope="module")
def problems():
    """Rows in single precision, as the converted models take them, and labels."""
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(0)
    made = {}
    for name, k in (("binary", 2), ("several", 4), ("texts", 3)):
        x = rng.normal(size=(900, 6)).astype(np.float32)
        z = x @ rng.normal(size=(6, k)) * 1.5
        y = (reference.softmax(z).cumsum(axis=1) < rng.random((900, 1))).sum(axis=1).clip(0, k - 1)
        made[name] = x, np.array(["cat", "dog", "owl"])[y] if name == "texts" else y
    return made


@pytest.fixture(scope="module")
def converted(problems, tmp_path_factory):
    """Fit and convert each estimator once; return it and the file."""
    skl2onnx = pytest.importorskip("skl2onnx")
    folder, known = tmp_path_factory.mktemp("sklearn"), {}

    def convert(name, problem, zipmap):
        key = name, problem, zipmap
        if key not in known:
            x, y = problems[problem]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # "not yet converged", and the converter's own
                model = estimators()[name].fit(x[:400], y[:400])
                try:
                    made = skl2onnx.to_onnx(model, x[:1], options={id(model): {"zipmap": zipmap}})
                except ValueError as error:
                    if name != "hist":
                        raise
                    pytest.skip(f"skl2onnx does not convert it: {str(error)[:60]}")
            path = folder / f"{name}-{problem}-{zipmap}.onnx"
            onnx.save(made, path)
            known[key] = model, path
        return known[key]

    return convert


@pytest.mark.filterwarnings("ignore::UserWarning:sklearn")
@pytest.mark.parametrize(
    ("name", "problem", "zipmap"),
    [
        (name, problem, zipmap)
        for name in ("lr", "pipeline", "mlp", "forest", "boosting")
        for problem in METHODS_OF
        for zipmap in (True, False)
    ]
    + [("hist", "binary", True)],
)
def test_scikit_learn(converted, problems, tmp_path, name, zipmap, problem):
    """Probabilities, dictionaries and labels of the new model are the calibrated ones.

    Of what the converted model gives in single precision, to 1e-6; of what the estimator itself
    gives in double precision too, where the map is smooth: a step may lie between the two.
    """
    x, y = problems[problem]
    model, source = converted(name, problem, zipmap)
    test = slice(650, 900)
    before = outputs(source, x, model)[1]
    exact = model.predict_proba(x[test])
    places = np.searchsorted(model.classes_, y)
    classes = tuple(model.classes_) if problem == "texts" else None
    floor = 0.5 * before[before > 0].min() if (before == 0).any() else 0.0
    for method in METHODS_OF[problem]:
        z = tp.logits_from_probs(before[400:650].clip(0, 1), floor=floor)
        calibrator = METHODS[method].fit(z, tp.Positions(places[400:650]), classes=classes)
        if floor:
            floored = replace(calibrator.record, floor=floor, n_floored=1)
            calibrator = replace(calibrator, record=floored)
        result = to_onnx(source, calibrator, tmp_path / "new.onnx", verify=x[test])
        assert result.parity.class_agreement == 1.0
        labels, given = outputs(tmp_path / "new.onnx", x[test], model)
        for probs in (before[test].clip(0, 1), *([] if method in STEEP else [exact])):
            expected = calibrator.apply(tp.logits_from_probs(probs, floor=floor))
            assert given == pytest.approx(expected, abs=1e-6)
            best = np.sort(expected, axis=1)
            clear = best[:, -1] - best[:, -2] > 2e-6
            assert (labels == model.classes_[expected.argmax(axis=1)])[clear].all()


def outputs(path, x, model):
    """Return labels and probabilities, columns in the order of the estimator's classes."""
    labels, given = run(path, {"X": x}).values()
    if isinstance(given, list):
        assert list(given[0]) == list(model.classes_)
        given = np.array([[row[each] for each in model.classes_] for row in given])
    return labels, given.astype(float)


# --- PyTorch --------------------------------------------------------------------------------


def networks(torch):
    nn = torch.nn

    class Images(nn.Module):
        """A small convolutional network."""

        def __init__(self, end):
            super().__init__()
            self.layers = nn.Sequential(
                nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                nn.Linear(64, 5), *end,
            )  # fmt: skip

        def forward(self, x):
            return self.layers(x)

    def mlp(end):
        return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 5), *end)

    return {"mlp": (mlp, (6,)), "cnn": (Images, (1, 8, 8))}


@pytest.mark.parametrize(
    ("dynamo", "name", "end"),
    [(False, "mlp", "softmax"), (False, "mlp", "logits"), (False, "cnn", "softmax"),
     (False, "cnn", "logits"), (True, "mlp", "softmax"), (True, "cnn", "logits")],
)  # fmt: skip
def test_pytorch(tmp_path, capsys, name, end, dynamo):
    """Appended and folded, of both exporters, against the network's own logits."""
    torch = pytest.importorskip("torch")
    if dynamo:
        pytest.importorskip("onnxscript")
    make, shape = networks(torch)[name]
    torch.manual_seed(0)
    network = make([torch.nn.Softmax(1)] if end == "softmax" else []).eval()
    x = torch.randn(50, *shape) * 3
    path = tmp_path / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporters'
        if dynamo:
            rows = ({0: torch.export.Dim("n")},)
            torch.onnx.export(
                network, (x,), path, dynamo=True, dynamic_shapes=rows, external_data=False,
                verbose=False,
            )  # fmt: skip
        else:
            torch.onnx.export(
                network, (x,), path, dynamo=False, input_names=["x"], output_names=["y"],
                dynamic_axes={"x": {0: "n"}, "y": {0: "n"}},
            )  # fmt: skip
    with torch.no_grad():
        given = network.double()(x.double()).numpy()
    z = np.log(given) if end == "softmax" else given
    nodes = len(onnx.load(path).graph.node)
    calibrator = tp.BiasCorrectedTemperatureScaling(2.5, np.linspace(-1, 1, 5))
    for fold in (False, True):
        result = to_onnx(path, calibrator, tmp_path / "new.onnx", verify=x.numpy(), fold=fold)
        inputs = {onnx.load(path).graph.input[0].name: x.numpy()}
        probs = run(tmp_path / "new.onnx", inputs)[result.output]
        if result.gives == "logits":
            probs = reference.softmax(probs.astype(float))
        assert probs == pytest.approx(calibrator.apply(z), abs=1e-6)
        if fold:
            assert len(onnx.load(tmp_path / "new.onnx").graph.node) == nodes
