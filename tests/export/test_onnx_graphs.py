"""Calibrators inside ONNX models: where they go in graphs written by hand, and what stays."""

import json

import numpy as np
import pytest

import reference
import temperance as tp
from reference import sigmoid
from temperance.calibrators import METHODS
from temperance.export import to_onnx
from temperance.formats import content_id

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

import onnx_models as made  # noqa: E402  (it needs onnx)


def labelled(k, n=500, seed=0):
    z = np.random.default_rng(seed).normal(size=(n, k)) * 3
    p = reference.softmax(z / 1.7)
    draws = np.random.default_rng(seed + 1).random((n, 1))
    return z, (p.cumsum(axis=1) < draws).sum(axis=1).clip(0, k - 1)


def fitted(name, k):
    if name == "smoothed":
        return tp.TemperatureScaling.fit(*labelled(k), smooth=True)
    return METHODS[name].fit(*labelled(k))


def run(path, inputs):
    """Return the outputs by name."""
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(None, inputs), strict=True))


def op_types(path):
    return [each.op_type for each in onnx.load(path).graph.node]


@pytest.fixture
def export(tmp_path):
    """Write a model, put a calibrator in, check the result; return it and its path."""

    def write(model, calibrator, **settings):
        source, target = tmp_path / "model.onnx", tmp_path / "new.onnx"
        onnx.save(model, source)
        result = to_onnx(source, calibrator, target, **settings)
        onnx.checker.check_model(target, full_check=True)
        return result, target

    return write


MULTI = ["identity", "temperature", "smoothed", "bias-corrected-temperature", "vector", "matrix",
         "isotonic"]  # fmt: skip
BINARY = [*MULTI, "platt", "beta", "venn-abers"]


@pytest.mark.parametrize(("opset", "end"), [(9, "Softmax"), (13, None), (18, "Softmax")])
@pytest.mark.parametrize(("name", "k"), [(n, 5) for n in MULTI] + [(n, 2) for n in BINARY])
def test_every_map_in_every_opset(export, name, k, opset, end):
    """Of logits that were computed apart, in double precision."""
    x, calibrator = made.rows(), fitted(name, k)
    result, path = export(made.classifier(k, end, opset=opset), calibrator, verify=x)
    probs = run(path, {"x": x})[result.output]
    assert probs == pytest.approx(calibrator.apply(made.logits(x, k)), abs=2e-6)
    assert result.parity.largest_difference <= 1e-6
    assert result.parity.class_agreement == 1.0


@pytest.mark.parametrize("shape", ["sigmoid", "logit", "flat", "column"])
@pytest.mark.parametrize("name", [*BINARY, "typed"])
def test_one_number_for_two_classes(export, name, shape):
    """The log-odds or the probability of class 1, as (n, 1) or (n,)."""
    end = [made.node("Sigmoid", "z", "p")] if shape in {"sigmoid", "column"} else []
    last = "p" if end else "z"
    if shape in {"flat", "column"}:
        end += [made.node("Reshape", f"{last} all", "out")]
        last = "out"
    dims = ["n"] if shape in {"flat", "column"} else ["n", 1]
    model = made.model(
        [made.node("Gemm", "x w", "z"), *end], [(last, made.FLOAT, dims)],
        weights={"w": made.WEIGHTS[:, :1], "all": np.array([-1])},
    )  # fmt: skip
    calibrator = tp.TemperatureScaling(2.5) if name == "typed" else fitted(name, 2)
    x = made.rows()
    result, path = export(model, calibrator, verify=x, output_name=last)
    probs = run(path, {"x": x})[result.output]
    odds = x.astype(float) @ made.WEIGHTS[:, 0].astype(float)
    expected = calibrator.apply(odds)
    if shape in {"sigmoid", "column"}:  # takes its place
        expected = expected[:, 1].reshape(probs.shape)
        assert result.output == last
    assert probs == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("method", ["temperature", "platt"])
@pytest.mark.parametrize("end", ["Sigmoid", None])
def test_label_matrices(export, method, end):
    """Each label's logit on its own."""
    z, _ = labelled(5)
    y = (np.random.default_rng(3).random(z.shape) < sigmoid(z / 2)).astype(int)
    calibrator = tp.MultilabelScaling.fit(z, y, method=method)
    x = made.rows()
    for settings in ({}, {"fold": True}):
        result, path = export(made.classifier(5, end), calibrator, verify=x, **settings)
        probs = run(path, {"x": x})[result.output]
        if result.gives == "logits":
            probs = sigmoid(probs)
        assert probs == pytest.approx(calibrator.apply(made.logits(x)), abs=2e-6)


@pytest.mark.parametrize("name", ["temperature", "bias-corrected-temperature", "identity"])
def test_a_division_before_the_softmax_and_nothing_else(export, name):
    """The graph keeps its nodes; the map adds a few, in single precision: two for offsets."""
    result, path = export(made.classifier(), fitted(name, 5))
    division = ["ReduceMax", "Sub", "Div"]
    added = {"temperature": division, "bias-corrected-temperature": [*division, "Add"],
             "identity": []}  # fmt: skip
    assert op_types(path) == ["Gemm", *added[name], "Softmax"]
    assert result.precision == "float32"
    assert result.reads == "z"
    assert result.how == "the input of the final Softmax"


@pytest.mark.parametrize("name", ["temperature", "bias-corrected-temperature", "platt"])
@pytest.mark.parametrize("end", ["Softmax", None])
@pytest.mark.parametrize("layer", ["Gemm", "transposed", "scaled", "no bias", "MatMul"])
def test_folded_maps_add_no_node(export, name, end, layer):
    """Same nodes, other weights: of Gemm in each of its forms, and of MatMul with Add."""
    k = 2 if name == "platt" else 5
    w, b = made.WEIGHTS[:, :k], made.BIAS[:k]
    x = made.rows()
    plain = x.astype(float) @ w.astype(float)
    settings = {"transposed": {"transB": 1}, "scaled": {"alpha": 0.5, "beta": 3.0}}.get(layer, {})
    z = {"scaled": 0.5 * plain + 3.0 * b, "no bias": plain}.get(layer, plain + b)
    weights = {"w": np.ascontiguousarray(w.T) if layer == "transposed" else w, "b": b}
    gemm = [made.node("Gemm", "x w" if layer == "no bias" else "x w b", "z", **settings)]
    if layer == "MatMul":
        gemm = [made.node("MatMul", "x w", "zw"), made.node("Add", "b zw", "z")]
    nodes = gemm + ([made.node(end, "z", "probs")] if end else [])
    output = ("probs" if end else "z", made.FLOAT, ["n", k])
    calibrator = fitted(name, k)
    result, path = export(
        made.model(nodes, [output], weights=weights), calibrator, verify=x, fold=True
    )
    assert op_types(path) == [each.op_type for each in nodes]
    given = run(path, {"x": x})[result.output]
    assert result.gives == ("probs" if end else "logits")
    probs = given if end else reference.softmax(given.astype(float))
    assert probs == pytest.approx(calibrator.apply(z), abs=2e-6)


def test_folding_copies_shared_weights(export):
    """Another layer that reads the same numbers goes on reading the old ones."""
    square = made.WEIGHTS[:5, :5]
    nodes = [made.node("MatMul", "x w", "h"), made.node("Tanh", "h", "t"),
             made.node("MatMul", "t w", "z"), made.node("Softmax", "z", "probs")]  # fmt: skip
    model = made.model(
        nodes, [("probs", made.FLOAT, ["n", 5])], weights={"w": square},
        inputs=(("x", made.FLOAT, ["n", 5]),),
    )  # fmt: skip
    _, path = export(model, tp.TemperatureScaling(2.0, n_classes=5), fold=True)
    stored = {e.name: onnx.numpy_helper.to_array(e) for e in onnx.load(path).graph.initializer}
    assert (stored["w"] == square).all()
    assert stored["w_calibrated"] == pytest.approx(square / 2.0)


def test_a_tunable_temperature_may_be_given_or_left_out(export):
    """An input with a default: a re-fit needs no new model."""
    x, z = made.rows(), made.logits(made.rows())
    result, path = export(made.classifier(), tp.TemperatureScaling(1.5, n_classes=5), tunable=True)
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert [each.name for each in session.get_overridable_initializers()] == [result.tunable]
    for temperature, inputs in ((1.5, {}), (4.0, {result.tunable: np.float32(4.0)})):
        given = run(path, {"x": x, **{n: np.asarray(v) for n, v in inputs.items()}})["probs"]
        assert given == pytest.approx(reference.softmax(z / temperature), abs=1e-6)


def test_one_temperature_of_all_labels_may_be_given(export):
    """It is one number, however many labels it divides."""
    labels = tp.MultilabelScaling(tp.TemperatureScaling(1.5), n_classes=5)
    x = made.rows()
    result, path = export(made.classifier(end="Sigmoid"), labels, verify=x, tunable=True)
    out = run(path, {"x": x, result.tunable: np.array(3.0, np.float32)})["probs"]
    assert out == pytest.approx(sigmoid(made.logits(x) / 3.0), abs=2e-6)


def test_the_model_says_what_is_in_it(export, tmp_path):
    """The calibrator's JSON loads back to the same map, and its id is that of the map."""
    calibrator = fitted("bias-corrected-temperature", 5)
    result, path = export(made.classifier(), calibrator)
    known = {each.key: each.value for each in onnx.load(path).metadata_props}
    (tmp_path / "c.json").write_text(known["temperance.calibrator"])
    again = tp.load(tmp_path / "c.json")
    assert again == calibrator
    assert known["temperance.calibrator_id"] == content_id(again) == result.calibrator_id
    other = tp.TemperatureScaling(1.25)
    assert content_id(other) != content_id(tp.TemperatureScaling(1.5))
    assert content_id(other) == content_id(tp.TemperatureScaling(1.25))
    assert json.loads(known["temperance.calibrator"])["method"] == "bias-corrected-temperature"


@pytest.mark.parametrize("of", ["z", "probs"])
@pytest.mark.parametrize("fold", [False, True])
def test_the_label_follows_the_calibrated_probabilities(export, of, fold):
    """Taken from logits or probabilities, with a bias that moves one row in three."""
    calibrator = tp.BiasCorrectedTemperatureScaling(2.0, np.array([3.0, 0, 0, 0, -3.0]))
    arg = made.node("ArgMax", of, "label", axis=1, keepdims=0)
    outputs = [("probs", made.FLOAT, ["n", 5]), ("label", made.INT64, ["n"])]
    x = made.rows()
    model = made.classifier(after=[arg], outputs=outputs)
    result, path = export(model, calibrator, verify=x, fold=fold)
    out = run(path, {"x": x})
    expected = calibrator.apply(made.logits(x))
    assert (out["label"] == expected.argmax(axis=1)).all()
    assert (out["label"] != made.logits(x).argmax(axis=1)).mean() > 0.2
    assert "label" in result.label


def test_labels_that_cannot_follow_are_refused(export):
    """An output of the same scores that is no predicted class: the map may change it."""
    extra = [made.node("ArgMin", "z", "least", axis=1, keepdims=0)]
    outputs = [("probs", made.FLOAT, ["n", 5]), ("least", made.INT64, ["n"])]
    model = made.classifier(extra=extra, outputs=outputs)
    with pytest.raises(tp.InvalidInputError, match="Output `least` is made of the same scores"):
        export(model, fitted("vector", 5))
    assert export(model, fitted("temperature", 5))[0].parity.holds


def test_other_outputs_stay(export):
    """Logits that are an output too, and numbers that are none of the classes."""
    extra = [made.node("ReduceSum", "x", "total", keepdims=1), made.node("Identity", "z", "logits")]
    outputs = [("total", made.FLOAT, [1, 1]), ("logits", made.FLOAT, ["n", 5]),
               ("probs", made.FLOAT, ["n", 5])]  # fmt: skip
    x = made.rows()
    result, path = export(
        made.classifier(extra=extra, outputs=outputs), fitted("isotonic", 5), verify=x
    )
    out = run(path, {"x": x})
    assert list(out) == ["total", "logits", "probs"]
    assert result.output == "probs"
    assert out["logits"] == pytest.approx(made.logits(x), abs=1e-4)


@pytest.mark.parametrize("name", MULTI)
def test_classes_on_the_second_axis_of_images(export, name):
    """A Softmax over axis 1 of (n, k, height, width)."""
    nodes = [made.node("Conv", "x w", "z"), made.node("Softmax", "z", "probs", axis=1)]
    kernel = made.WEIGHTS.T[:, :3, None, None].copy()
    model = made.model(
        nodes, [("probs", made.FLOAT, ["n", 5, 4, 4])], weights={"w": kernel},
        inputs=(("x", made.FLOAT, ["n", 3, 4, 4]),),
    )  # fmt: skip
    x = np.random.default_rng(5).normal(size=(20, 3, 4, 4)).astype(np.float32)
    calibrator = fitted(name, 5)
    _, path = export(model, calibrator, verify=x)
    z = np.einsum("nchw,kc->nkhw", x.astype(float), kernel[:, :, 0, 0].astype(float))
    expected = calibrator.apply(z, class_axis=1)
    assert run(path, {"x": x})["probs"] == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("name", MULTI)
def test_tokens(export, name):
    """Logits of (n, tokens, k) get an output of the same shape."""
    model = made.model(
        [made.node("MatMul", "x w", "z")], [("z", made.FLOAT, ["n", "t", 5])],
        weights={"w": made.WEIGHTS}, inputs=(("x", made.FLOAT, ["n", "t", 6]),),
    )  # fmt: skip
    x = np.random.default_rng(5).normal(size=(20, 7, 6)).astype(np.float32)
    calibrator = fitted(name, 5)
    result, path = export(model, calibrator, verify={"x": x})
    expected = calibrator.apply(x.astype(float) @ made.WEIGHTS.astype(float))
    assert run(path, {"x": x})[result.output] == pytest.approx(expected, abs=2e-6)


def test_a_fixed_batch_is_kept(export):
    """Rows go in as many at a time as the model says; the last call is filled up."""
    model = made.model(
        [made.node("Gemm", "x w b", "z"), made.node("Softmax", "z", "probs")],
        [("probs", made.FLOAT, [8, 5])], weights={"w": made.WEIGHTS, "b": made.BIAS},
        inputs=(("x", made.FLOAT, [8, 6]),),
    )  # fmt: skip
    result, path = export(model, fitted("vector", 5), verify=made.rows(21))
    assert result.parity.n == 21
    assert [each.batch for each in result.parity.latency] == [8]
    assert run(path, {"x": made.rows(8)})["probs"].shape == (8, 5)


@pytest.mark.parametrize("name", ["temperature", "isotonic"])
def test_half_precision_is_appended_to_and_never_folded(export, name):
    """Its numbers are those of a tensor that onnxruntime may hold with more digits."""
    model = made.classifier(dtype=np.float16)
    x = made.rows().astype(np.float16)
    result, path = export(model, fitted(name, 5), verify=x)
    assert run(path, {"x": x})["probs"].dtype == np.float16
    assert result.parity.tolerance == 2e-3
    with pytest.raises(tp.InvalidInputError, match=r"float16, too coarse|no matrix"):
        export(model, fitted(name, 5), verify=x, fold=True)


def test_double_precision_stays(export):
    """No node in single precision."""
    x = made.rows().astype(np.float64)
    result, path = export(made.classifier(dtype=np.float64), fitted("temperature", 5), verify=x)
    assert op_types(path) == ["Gemm", "ReduceMax", "Sub", "Div", "Softmax"]
    assert result.precision == "float64"
    assert result.parity.largest_difference < 1e-14


def test_single_precision_that_is_too_coarse_becomes_double(export):
    """Biases near 1e5 that undo the model's: sums in float32 are off by more than 1e-6."""
    bias = np.array([123457.0, -123457.0, 0.0, 54321.0, -54321.0])
    far = made.model(
        [made.node("Gemm", "x w b", "z"), made.node("Softmax", "z", "probs")],
        [("probs", made.FLOAT, ["n", 5])],
        weights={"w": made.WEIGHTS, "b": (made.BIAS - 1.7 * bias).astype(np.float32)},
    )  # fmt: skip
    calibrator = tp.BiasCorrectedTemperatureScaling(1.7, bias)
    result, _ = export(far, calibrator, verify=made.rows())
    assert result.precision == "float64"
    assert result.parity.holds


def test_quantised_weights_are_appended_to(export):
    """Weights behind DequantizeLinear cannot be folded into; nodes can follow."""
    quantised = (made.WEIGHTS * 20).round().astype(np.int8)
    nodes = [made.node("DequantizeLinear", "q s", "w"), made.node("MatMul", "x w", "z"),
             made.node("Softmax", "z", "probs")]  # fmt: skip
    model = made.model(
        nodes, [("probs", made.FLOAT, ["n", 5])],
        weights={"q": quantised, "s": np.float32(0.05)},
    )  # fmt: skip
    assert export(model, fitted("temperature", 5))[0].parity.holds
    with pytest.raises(tp.InvalidInputError, match=r"DequantizeLinear \(quantised\)"):
        export(model, fitted("temperature", 5), fold=True)


def test_probabilities_out_of_a_branch(export):
    """An If gives them: what is inside is not looked at, its output is read as it is."""
    branch = [
        onnx.helper.make_graph(
            [made.node("Softmax", "z", f"p{i}")], f"b{i}", [],
            [onnx.helper.make_tensor_value_info(f"p{i}", made.FLOAT, ["n", 5])],
        )
        for i in (0, 1)
    ]  # fmt: skip
    choice = made.node("If", "yes", "probs", then_branch=branch[0], else_branch=branch[1])
    nodes = [made.node("Gemm", "x w b", "z"), choice]
    weights = {"w": made.WEIGHTS, "b": made.BIAS, "yes": np.array(True)}
    model = made.model(nodes, [("probs", made.FLOAT, ["n", 5])], weights=weights)
    calibrator, x = fitted("vector", 5), made.rows()
    result, path = export(model, calibrator, verify=x)
    assert result.how == "probabilities, as each row lies in [0, 1] and adds up to 1"
    expected = calibrator.apply(made.logits(x))
    assert run(path, {"x": x})["probs"] == pytest.approx(expected, abs=1e-5)


def test_named_logits_inside_the_model(export):
    """The tensor that is named is read, wherever it lies, and a new output holds the result."""
    extra = [made.node("Tanh", "z", "out")]
    model = made.classifier(end=None, extra=extra, outputs=[("out", made.FLOAT, ["n", 5])])
    x, calibrator = made.rows(), fitted("vector", 5)
    result, path = export(model, calibrator, verify=x, logits="z")
    assert (result.reads, result.output) == ("z", "calibrated_probabilities")
    expected = calibrator.apply(made.logits(x))
    assert run(path, {"x": x})[result.output] == pytest.approx(expected, abs=2e-6)


def test_of_two_outputs_the_named_one(export):
    """A second head of as many classes is left as it is."""
    extra = [made.node("Neg", "z", "y"), made.node("Softmax", "y", "other")]
    outputs = [("probs", made.FLOAT, ["n", 5]), ("other", made.FLOAT, ["n", 5])]
    model, x = made.classifier(extra=extra, outputs=outputs), made.rows()
    calibrator = fitted("temperature", 5)
    _, path = export(model, calibrator, verify=x, output_name="other")
    out = run(path, {"x": x})
    assert out["other"] == pytest.approx(calibrator.apply(-made.logits(x)), abs=1e-6)
    assert out["probs"] == pytest.approx(reference.softmax(made.logits(x)), abs=1e-6)


def test_outputs_that_stay_uncalibrated_are_told(export):
    """Those made of the same scores before the map; none where all follow."""
    top = made.node("TopK", "probs two", "share place", axis=1)
    logs = made.node("LogSoftmax", "z", "logs")
    outputs = [("share", made.FLOAT, ["n", 2]), ("logs", made.FLOAT, ["n", 5])]
    model = made.classifier(extra=[logs], after=[top], outputs=outputs, more={"two": np.array([2])})
    x, calibrator = made.rows(), fitted("temperature", 5)
    result, path = export(model, calibrator, verify=x, logits="z", output_name=None)
    assert result.uncalibrated == ("share", "logs")
    assert "outputs (`share`, `logs`) that are made of the same scores" in result.warnings[0]
    outputs = [("probs", made.FLOAT, ["n", 5]), *outputs[:1]]
    model = made.classifier(after=[top], outputs=outputs, more={"two": np.array([2])})
    result, path = export(model, calibrator, verify=x)
    assert result.uncalibrated == ()
    expected = np.sort(calibrator.apply(made.logits(x)), axis=1)[:, :2:-1]
    assert run(path, {"x": x})["share"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("batch", ["n", 7])
def test_tokens_laid_end_to_end(export, batch):
    """Four rows of scores for each row that goes in: all are proved, and calibrated."""
    nodes = [made.node("Reshape", "x flat", "tokens"), made.node("Gemm", "tokens w b", "z"),
             made.node("Softmax", "z", "probs")]  # fmt: skip
    model = made.model(
        nodes, [("probs", made.FLOAT, [None, 5])], inputs=(("x", made.FLOAT, [batch, 24]),),
        weights={"w": made.WEIGHTS, "b": made.BIAS, "flat": np.array([-1, 6])},
    )  # fmt: skip
    calibrator, x = fitted("isotonic", 5), made.rows(52).reshape(13, 24)
    result, path = export(model, calibrator, verify=x)
    rows = x if batch == "n" else x[:7]
    expected = calibrator.apply(made.logits(rows.reshape(-1, 6)))
    assert run(path, {"x": rows})["probs"] == pytest.approx(expected, abs=2e-6)
    assert result.parity.n == 52


def test_log_probabilities_are_logits(export):
    """A model that ends in LogSoftmax gets an output of probabilities."""
    calibrator, x = fitted("bias-corrected-temperature", 5), made.rows()
    result, path = export(made.classifier(end="LogSoftmax"), calibrator, verify=x)
    assert result.how == "log-probabilities, of the final LogSoftmax"
    expected = calibrator.apply(made.logits(x))
    assert run(path, {"x": x})[result.output] == pytest.approx(expected, abs=2e-6)


def test_a_recorded_floor_goes_with_the_map(export):
    """Probabilities below the floor of the fit are raised as `temperance apply` raises them."""
    z, y = labelled(5)
    probs = tp.logits_from_probs(reference.softmax(z), floor=0.02)
    calibrator = tp.TemperatureScaling.fit(probs, y)
    record = calibrator.record
    from dataclasses import replace

    calibrator = replace(calibrator, record=replace(record, floor=0.02, n_floored=3))
    x = made.rows()
    result, path = export(made.classifier(), calibrator, verify=x)
    raised = tp.logits_from_probs(reference.softmax(made.logits(x)), floor=0.02)
    assert run(path, {"x": x})["probs"] == pytest.approx(calibrator.apply(raised), abs=2e-6)
    assert result.reads_as == "probs"


def test_weights_in_another_file_are_not_read(tmp_path):
    """The new model refers to them where they are, or to a link in its own folder; no folding."""
    source = tmp_path / "a" / "model.onnx"
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    onnx.save(
        made.classifier(), source, save_as_external_data=True, location="weights.bin",
        size_threshold=0,
    )  # fmt: skip
    calibrator, x = fitted("temperature", 5), made.rows()
    beside = to_onnx(source, calibrator, tmp_path / "a" / "new.onnx", verify=x)
    assert beside.external == "in weights.bin: left where they are, beside both models"
    linked = to_onnx(source, calibrator, tmp_path / "b" / "new.onnx", verify=x)
    assert linked.external == "in weights.bin: linked beside it (one file, two names)"
    assert (tmp_path / "b" / "weights.bin").samefile(tmp_path / "a" / "weights.bin")
    for folder in "ab":
        probs = run(tmp_path / folder / "new.onnx", {"x": x})["probs"]
        assert probs == pytest.approx(calibrator.apply(made.logits(x)), abs=1e-6)
    with pytest.raises(tp.InvalidInputError, match="come from another file"):
        to_onnx(source, calibrator, tmp_path / "a" / "folded.onnx", verify=x, fold=True)
    added = onnx.load(source, load_external_data=False)
    gemm = added.graph.node[0]
    added.graph.node.insert(1, made.node("Add", f"m {gemm.input[2]}", "z"))
    gemm.CopyFrom(made.node("MatMul", " ".join(gemm.input[:2]), "m"))
    (tmp_path / "a" / "added.onnx").write_bytes(added.SerializeToString())
    with pytest.raises(tp.InvalidInputError, match=r"the bias of Add .* comes from another file"):
        to_onnx(tmp_path / "a" / "added.onnx", calibrator, tmp_path / "f.onnx", verify=x, fold=True)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "weights.bin").write_bytes(b"others")
    with pytest.raises(tp.InvalidInputError, match="holds other weights"):
        to_onnx(source, calibrator, tmp_path / "c" / "new.onnx", verify=x)
    assert [each.name for each in (tmp_path / "c").iterdir()] == ["weights.bin"]


def test_several_inputs_of_several_types(export):
    """Text, whole numbers and numbers, by name."""
    nodes = [made.node("Cast", "i", "f", to=made.FLOAT), made.node("Add", "x f", "sum"),
             made.node("Gemm", "sum w b", "z"), made.node("Softmax", "z", "probs")]  # fmt: skip
    model = made.model(
        nodes, [("probs", made.FLOAT, ["n", 5])], weights={"w": made.WEIGHTS, "b": made.BIAS},
        inputs=(("x", made.FLOAT, ["n", 6]), ("i", made.INT64, ["n", 1])),
    )  # fmt: skip
    calibrator = fitted("temperature", 5)
    i = np.arange(200)[:, None] % 3
    export(model, calibrator, verify={"x": made.rows(), "i": i, "labels": np.zeros(3)})
    with pytest.raises(tp.InvalidInputError, match="Rows cannot be made for input `i`"):
        export(model, calibrator)


def test_made_rows(export):
    """Where the inputs are numbers of a known shape, none need be given."""
    result, _ = export(made.classifier(2), METHODS["isotonic"].fit(*labelled(2, n=40)))
    assert result.parity.rows == "1,000 made rows"
    assert result.parity.largest_difference < 1e-6


@pytest.mark.parametrize("shape", [["n", 1], ["n"]])
def test_steps_at_the_scores_of_a_model_are_told(export, shape):
    """A map fitted on the model's own few scores: their last digit decides between two steps."""
    nodes = [made.node("Round", "x", "r"), made.node("Reshape", "r shape", "z")]
    places = np.array([-1, 1][: len(shape)])
    model = made.model(
        nodes, [("z", made.FLOAT, shape)], weights={"shape": places},
        inputs=(("x", made.FLOAT, ["n", 1]),),
    )  # fmt: skip
    x = made.rows()[:, :1]
    odds = np.round(x[:, 0]).astype(float)
    y = (np.random.default_rng(0).random(len(odds)) < sigmoid(odds)).astype(int)
    steps, line = METHODS["venn-abers"].fit(odds, y), METHODS["platt"].fit(odds, y)
    result, path = export(model, steps, verify=x)
    assert result.last_digit > 0.01
    assert "fit it on the outputs of this ONNX model" in result.warnings[0]
    assert run(path, {"x": x})[result.output] == pytest.approx(steps.apply(odds), abs=1e-6)
    smooth, _ = export(model, line, verify=x)
    assert 0.0 < smooth.last_digit < 1e-6
    assert smooth.warnings == ()
