"""What is no model, no fit or no proof: one line that says what to do, and nothing is written."""

import json

import numpy as np
import pytest

import temperance as tp
from temperance.calibrators import AnswerConfidence
from temperance.calibrators.isotonic import Curve
from temperance.export import ParityError, to_onnx

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnx_models as made  # noqa: E402  (it needs onnx)

FIVE = tp.TemperatureScaling(1.5, n_classes=5)


@pytest.fixture
def refused(tmp_path):
    """Export, expect an error, and nothing new in the folder; return what is said."""

    def export(model, calibrator=FIVE, error=tp.InvalidInputError, **settings):
        source = tmp_path / "model.onnx"
        source.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
        before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
        with pytest.raises(error) as caught:
            to_onnx(source, calibrator, tmp_path / "new.onnx", **settings)
        assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return export


@pytest.mark.parametrize(
    "content", [b"no model at all", b"", b"\x08\x09", bytes(range(256)) * 40], ids=repr
)
def test_not_an_onnx_file(refused, content):
    """Text, nothing, half a message, noise."""
    assert "not an ONNX model" in refused(content, error=tp.FileFormatError)


def test_no_such_file(tmp_path):
    """A path without a file, and a folder."""
    for path, words in ((tmp_path / "none.onnx", "no such file"), (tmp_path, "not an ONNX model")):
        with pytest.raises(tp.FileFormatError, match=words):
            to_onnx(path, FIVE, tmp_path / "new.onnx")


def test_another_number_of_classes(refused):
    """What the outputs are is said."""
    message = refused(made.classifier(3))
    assert "of the calibrator's 5 classes: `probs` (1000, 3) float32" in message


def test_no_probabilities_at_all(refused):
    """A regression of one number, text, whole numbers."""
    extra = [made.node("Gemm", "x v", "price"), made.node("ArgMax", "z", "place", axis=1)]
    outputs = [("price", made.FLOAT, ["n", 1]), ("place", made.INT64, ["n", 1])]
    more = {"v": made.WEIGHTS[:, :1]}
    message = refused(made.classifier(end=None, extra=extra, outputs=outputs, more=more))
    assert "`price` (1000, 1) float32, `place` (1000, 1) int64" in message
    assert "--logits NAME" in message


def test_two_candidates(refused):
    """Both are listed, and the option that says which."""
    extra = [made.node("Neg", "z", "y"), made.node("Softmax", "y", "other")]
    outputs = [("probs", made.FLOAT, ["n", 5]), ("other", made.FLOAT, ["n", 5])]
    message = refused(made.classifier(extra=extra, outputs=outputs))
    assert "2 outputs that may be calibrated: `probs` (1000, 5)" in message
    assert "`other` (1000, 5)" in message
    assert "--output-name NAME" in message


def test_probabilities_of_labels_are_no_logits_of_classes(refused):
    """Nor those of a Softmax probabilities of labels; which is which is said."""
    message = refused(made.classifier(end="Sigmoid"))
    assert "`probs` (1000, 5) float32, of a Sigmoid, each in [0, 1], in rows that" in message
    assert "--kind multilabel" in message
    labels = tp.MultilabelScaling(tp.TemperatureScaling(2.0), n_classes=5)
    assert "of a Softmax: of classes, and the calibrator" in refused(made.classifier(), labels)


def test_a_model_of_one_sample(refused):
    """It has no axis of rows, which the proof and callers need."""
    weights = {"w": made.WEIGHTS, "b": made.BIAS, "row": np.array([1, 6]), "flat": np.array([5])}
    nodes = [made.node("Reshape", "x row", "r"), made.node("Gemm", "r w b", "z"),
             made.node("Softmax", "z", "p"), made.node("Reshape", "p flat", "probs")]  # fmt: skip
    model = made.model(
        nodes, [("probs", made.FLOAT, [5])], weights=weights, inputs=(("x", made.FLOAT, [6]),)
    )
    assert "axis of rows" in refused(model, verify=np.ones(6, dtype=np.float32))


@pytest.mark.parametrize("place", ["../weights.bin", "/weights.bin"])
def test_weights_outside_of_the_model_s_folder(refused, tmp_path, place):
    """No file is linked where a model says so."""
    onnx.save(made.classifier(), tmp_path / "m.onnx", save_as_external_data=True, location="w.bin",
              size_threshold=0)  # fmt: skip
    model = onnx.load(tmp_path / "m.onnx", load_external_data=False)
    for weight in model.graph.initializer:
        next(each for each in weight.external_data if each.key == "location").value = place
    said = refused(model, error=tp.FileFormatError)
    assert f"its weights must lie in files beside it, as ONNX asks, got {place!r}" in said


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"output_name": "nothing"}, "must be an output of the model: `probs`; got nothing"),
        ({"logits": "nothing"}, "it makes none called 'nothing'"),
        ({"logits": "probs"}, "`probs` holds probabilities: name the output of them"),
        ({"fold": True, "tunable": True}, "adds none"),
        ({"verify": {"y": np.zeros((3, 6))}}, "has no array `x`; it has 'y'. The model's inputs"),
        ({"verify": np.zeros((3, 7))}, "`x` of `verify` (--verify) must be float32 of shape (n"),
        ({"verify": np.zeros(6)}, "got shape (6,)"),
        ({"verify": np.zeros((0, 6))}, "must have rows, got none"),
        ({"verify": np.full((3, 6), "a")}, "got text"),
        ({"verify": "none.npz"}, "none.npz: cannot be read"),
    ],
)  # fmt: skip
def test_wrong_arguments(refused, settings, message):
    """Names of no output, rows of another shape, options that exclude each other."""
    said = refused(made.classifier(), error=tp.TemperanceError, **settings)
    assert message in said


@pytest.mark.parametrize(
    ("calibrator", "message"),
    [
        (tp.GroupTemperatureScaling(1.5, {"a": 2.0}), "A temperature per group needs each row's"),
        (tp.Ensemble(1.5, np.array([0.5, 0.5]), pool="log"), "outputs of several models"),
        ("calibrator.json", "must be a fitted calibrator, got str"),
    ],
)
def test_maps_that_no_model_can_hold(refused, calibrator, message):
    """Each with the way out."""
    said = refused(made.classifier(), calibrator)
    assert message in said
    assert "temperance apply" in said or "fitted" in said


def test_answers(refused):
    """One score per answer is no row of classes."""
    scores = np.random.default_rng(0).random(200)
    right = (np.random.default_rng(1).random(200) < scores).astype(int)
    calibrator = AnswerConfidence.fit(scores, right, scale="probability")
    assert "A calibrator of answers" in refused(made.classifier(2), calibrator)


def test_an_opset_that_is_too_old(refused):
    """The one that is needed is named, and how to get it; a single division needs none."""
    vector = tp.VectorScaling(FIVE, np.full(5, 1.1), np.zeros(5))
    said = refused(made.classifier(opset=8), vector)
    assert "has opset 8, and the map's nodes need opset 9" in said
    assert "target_opset" in said


def test_other_classes(refused):
    """Names of the model, in another order, or others."""
    model = zipmap(["a", "b", "c", "d", "e"])
    for names, words in (("edcba", "in another order"), ("vwxyz", "are others")):
        said = refused(model, tp.TemperatureScaling(1.5, n_classes=5, classes=tuple(names)))
        assert words in said
        assert "'a', 'b', 'c', 'd', 'e'" in said


def zipmap(classes):
    nodes = [
        made.node("Gemm", "x w b", "z"), made.node("Softmax", "z", "p"),
        onnx.helper.make_node("ZipMap", ["p"], ["probs"], domain="ai.onnx.ml",
                              classlabels_strings=classes),
    ]  # fmt: skip
    model = made.model(
        nodes[:2], [("p", made.FLOAT, ["n", 5])], weights={"w": made.WEIGHTS, "b": made.BIAS},
        ml=True,
    )  # fmt: skip
    model.graph.node.append(nodes[2])
    del model.graph.output[:]
    entry = onnx.helper.make_map_type_proto(
        onnx.TensorProto.STRING, onnx.helper.make_tensor_type_proto(made.FLOAT, [])
    )
    of_maps = onnx.helper.make_sequence_type_proto(entry)
    model.graph.output.append(onnx.helper.make_value_info("probs", of_maps))
    return model


def test_a_model_that_is_calibrated_already(refused, tmp_path):
    """Twice the same map is one too many."""
    source = made.saved(made.classifier(), tmp_path / "model.onnx")
    to_onnx(source, FIVE, tmp_path / "once.onnx")
    assert "is calibrated already, by sha256:" in refused(onnx.load(tmp_path / "once.onnx"))


def test_the_model_itself_is_not_replaced(tmp_path):
    """Under whatever name."""
    source = made.saved(made.classifier(), tmp_path / "model.onnx")
    (tmp_path / "link.onnx").symlink_to(source)
    before = source.read_bytes()
    for name in ("model.onnx", "link.onnx"):
        with pytest.raises(tp.InvalidInputError, match="another file than the model"):
            to_onnx(source, FIVE, tmp_path / name)
    assert source.read_bytes() == before


@pytest.mark.parametrize(
    ("model", "calibrator", "message"),
    [
        ("plain", "vector", r"the map of method vector \(.*\) is no matrix and bias"),
        ("two outputs", "temperature", "the logits `z` are an output too, which would change"),
        ("read", "temperature", "Tanh `Tanh_t` reads the logits `z` too"),
        ("scaled", "temperature", "the logits come from Mul"),
        ("no bias", "bias", "has no bias to hold that of the map"),
        ("computed", "temperature", "the weights of Gemm `Gemm_z` come from Abs"),
        ("probs", "temperature", "the map reads probabilities"),
    ],
)
def test_what_cannot_be_folded(refused, model, calibrator, message):
    """The reason, and that nodes can be added instead."""
    out, softmax = [("probs", made.FLOAT, ["n", 5])], made.node("Softmax", "z", "probs")
    weights = {"w": made.WEIGHTS, "b": made.BIAS}
    gemm = made.node("Gemm", "x w b", "z")
    nodes, outputs = {
        "plain": ([gemm, softmax], out),
        "two outputs": ([gemm, softmax], [*out, ("z", made.FLOAT, ["n", 5])]),
        "read": ([gemm, made.node("Tanh", "z", "t"), softmax], [*out, ("t", made.FLOAT, None)]),
        "scaled": ([made.node("Gemm", "x w b", "y"), made.node("Mul", "y b", "z"), softmax], out),
        "no bias": ([made.node("MatMul", "x w", "z"), softmax], out),
        "computed": ([made.node("Abs", "w", "a"), made.node("Gemm", "x a b", "z"), softmax], out),
        "probs": ([gemm, made.node("Softmax", "z", "p"), made.node("Mul", "p one", "probs")], out),
    }[model]
    weights["one"] = np.float32(1.0)
    calibrators = {
        "temperature": FIVE,
        "vector": tp.VectorScaling(FIVE, np.full(5, 1.1), np.zeros(5)),
        "bias": tp.BiasCorrectedTemperatureScaling(1.5, np.arange(5.0)),
    }
    if outputs[-1][2] is None:
        outputs[-1] = ("t", made.FLOAT, ["n", 5])
    made_model = made.model(nodes, outputs, weights=weights)
    import re

    said = refused(made_model, calibrators[calibrator], fold=True, output_name="probs")
    assert re.search(message, said), said
    assert said.endswith("Without it nodes are added.")


def test_tunable_needs_one_temperature(refused):
    """A line of log-odds has none."""
    said = refused(made.classifier(2), tp.PlattScaling(0.5, 1.0), tunable=True)
    assert "needs a map with one temperature; platt has none" in said
    z, noise = np.random.default_rng(0).normal(size=(2, 300, 5)) * np.arange(1, 6)
    labels = tp.MultilabelScaling.fit(z, (z > noise).astype(int), method="group-temperature")
    said = refused(made.classifier(end="Sigmoid"), labels, tunable=True)
    assert "needs a map with one temperature; this one has several" in said


def wrong(constant):
    """Every number a hundredth too large."""
    return lambda w, value, **settings: constant(w, np.multiply(value, 1.01), **settings)


def test_a_model_that_gives_other_numbers_is_not_written(refused, monkeypatch):
    """A node that is wrong by a hundredth is found, in single and in double precision."""
    from temperance.export.into_onnx import nodes

    monkeypatch.setattr(nodes.NodeWriter, "constant", wrong(nodes.NodeWriter.constant))
    said = refused(made.classifier(), error=ParityError)
    assert "does not give the calibrated numbers" in said


def test_a_proof_that_steps_break_says_so(refused):
    """Two knots closer than the last digit of a score: logarithms of two libraries differ there."""
    odds = np.array([-1.0, 0.5, 0.5 + 1e-15, 2.0])
    curve = tp.IsotonicCalibration((Curve(odds, np.array([0.1, 0.2, 0.8, 0.9])),))
    model = made.model(
        [made.node("Sigmoid", "x", "probs")], [("probs", made.FLOAT, ["n", 1])], weights={},
        inputs=(("x", made.FLOAT, ["n", 1]),),
    )  # fmt: skip
    from temperance.export.into_onnx import nodes

    x = np.full((50, 1), 0.5, dtype=np.float32)
    with pytest.MonkeyPatch.context() as patch:  # a library whose last digit is another
        right = nodes._WRITERS[nodes.ops.LogOdds]  # noqa: SLF001
        moved = lambda w, z, step: w.binary("Add", right(w, z, step), 1e-15)  # noqa: E731
        patch.setitem(nodes._WRITERS, nodes.ops.LogOdds, moved)  # noqa: SLF001
        said = refused(model, curve, error=ParityError, verify=x)
    assert "The map jumps between scores that differ in their last digits" in said
    assert "--floor 1e-6" in said


def test_files_of_rows(tmp_path, refused):
    """Tables and arrays are read as the model's inputs; what does not fit is named."""
    model = made.classifier()
    source = made.saved(model, tmp_path / "model.onnx")
    x = made.rows(20)
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "x.npz", x=x, labels=np.zeros(20))
    np.savetxt(tmp_path / "x.csv", x, delimiter=",", header="a,b,c,d,e,f", comments="")
    for name in ("x.npy", "x.npz", "x.csv"):
        result = to_onnx(source, FIVE, tmp_path / "out.onnx", verify=tmp_path / name)
        assert result.parity.rows == f"20 rows of {name}"
    (tmp_path / "out.onnx").unlink()
    np.savez(tmp_path / "y.npz", y=x)
    (tmp_path / "label.csv").write_text("a,b,c,d,e,f,label\n1,2,3,4,5,6,cat\n")
    (tmp_path / "short.csv").write_text("a,b,c,d,e,f\n1,2,3,4,5\n")
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    for name, message in {
        "y.npz": "has no array `x`; it has 'y'",
        "label.csv": "column 'label' holds text",
        "short.csv": "line 2 has 5 cells, the first has 6",
        "x.parquet": "read from .npz, .npy and .csv files",
    }.items():
        said = refused(model, error=tp.TemperanceError, verify=tmp_path / name)
        assert message in said


# --- from the shell ------------------------------------------------------------------------


@pytest.fixture
def shell(tmp_path, run):
    """A model, a calibrator and rows, as files; run the command on them."""
    made.saved(made.classifier(), tmp_path / "model.onnx")
    tp.save(FIVE, tmp_path / "calibrator.json")
    np.savez(tmp_path / "rows.npz", x=made.rows())
    return run


def test_the_command_prints_the_proof(shell, tmp_path):
    """For people, and as JSON with the same figures."""
    line = "export onnx model.onnx calibrator.json -o new.onnx --verify rows.npz"
    printed = shell(*line.split()).stdout
    for text in ("z: the input of the final Softmax", "Div before the final Softmax, float32",
                 "holds", "200 rows of rows.npz", "a call of 32 rows"):  # fmt: skip
        assert text in printed
    content = json.loads(shell(*line.split(), "--json").stdout)
    assert content["output"] == "new.onnx"
    assert content["calibrated_output"] == "probs"
    assert content["parity"]["holds"] is True
    assert content["parity"]["class_agreement"] == 1.0
    assert [each["batch"] for each in content["parity"]["latency"]] == [1, 32]
    assert content["calibrator_id"].startswith("sha256:")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("calibrator.json calibrator.json -o n.onnx", "not an ONNX model"),
        ("model.onnx model.onnx -o n.onnx", "model.onnx"),
        ("model.onnx newer.json -o n.onnx", "written by a newer temperance"),
        ("model.onnx calibrator.json -o model.onnx", "model.onnx"),
        ("model.onnx calibrator.json -o n.sql", "one of the suffixes .onnx, got 'n.sql'"),
        ("model.onnx calibrator.json -o no/n.onnx", "must lie in a directory that exists"),
        ("model.onnx calibrator.json -o n.onnx --output-name zz", "`--output-name` must be"),
        ("model.onnx calibrator.json -o n.onnx --logits zz", "`--logits` must be"),
        ("model.onnx calibrator.json -o n.onnx --verify no.npz", "no.npz"),
        ("model.onnx calibrator.json", "--output"),
    ],
)
def test_wrong_lines_end_with_two_and_one_message(shell, tmp_path, line, message):
    """Nothing is written."""
    content = json.loads((tmp_path / "calibrator.json").read_text())
    (tmp_path / "newer.json").write_text(json.dumps({**content, "format_version": 99}))
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    ended = shell("export", "onnx", *line.split(), code=2)
    assert message in ended.stderr
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before


def test_a_proof_that_fails_ends_with_one(shell, tmp_path, monkeypatch):
    """Its figures are printed, in both forms, and nothing is written."""
    from temperance.export.into_onnx import model

    monkeypatch.setattr(model, "_TOLERANCE", 1e-30)
    line = "export onnx model.onnx calibrator.json -o new.onnx"
    assert "FAILS" in shell(*line.split(), code=1).stdout
    content = json.loads(shell(*line.split(), "--json", code=1).stdout)
    assert content["parity"]["holds"] is False
    assert content["output"] is None
    assert not (tmp_path / "new.onnx").exists()
