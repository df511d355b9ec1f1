"""calibrator.json: comes back equal, refuses what it is not, survives any bytes."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
import temperance as tp


@pytest.fixture
def fitted(sample):
    """A calibrator with record and class names."""
    logits, labels = sample()
    return tp.TemperatureScaling.fit(logits, tp.Positions(labels), classes=["a", "b", "ü", "日"])


def test_round_trip(tmp_path, fitted):
    """What was saved is loaded, to the last bit, with its record and names."""
    path = tmp_path / "calibrator.json"
    typed_in = tp.TemperatureScaling(1 / 3), tp.TemperatureScaling(2.0, n_classes=5)
    for calibrator in (fitted, *typed_in, tp.Identity(n_classes=3)):
        tp.save(calibrator, path)
        assert tp.load(path) == calibrator
    tp.save(fitted, path)
    assert tp.load(path).record.interval() == fitted.record.interval()


def test_file_is_the_contract(tmp_path, fitted):
    """The keys that other programs read, and parameters that are enough to apply the map."""
    path = tmp_path / "c.json"
    tp.save(fitted, path, facts={"model": "m", "data_sha256": "0" * 64}, evaluation={"n": 3})
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["format"] == "temperance/calibrator"
    assert content["format_version"] == 1
    assert content["method"] == "temperature"
    assert content["input"] == {
        "kind": "logits", "convention": "softmax", "n_classes": 4, "classes": ["a", "b", "ü", "日"],
    }  # fmt: skip
    fit = content["fit"]
    assert fit["n"] == 400
    assert fit["model"] == "m"
    assert fit["temperature_interval"] == list(fitted.record.interval())
    assert {"fitted_at", "library", "log_loss_before", "log_loss_after"} <= fit.keys()
    assert content["evaluation"] == {"n": 3}
    z = [1.0, 2.0, -3.0, 0.5]
    e = [math.exp(v / content["parameters"]["temperature"]) for v in z]
    assert fitted.apply([z])[0].tolist() == pytest.approx([v / sum(e) for v in e], rel=1e-15)


def test_saturated_model_is_still_json(tmp_path):
    """A score test beyond float range (every probability 0 or 1) is written as a finite number."""
    z = np.array([[4000.0, -4000.0], [4000.0, -4000.0], [-4000.0, 4000.0]])
    calibrator = tp.TemperatureScaling.fit(z, [0, 0, 0])
    path = tmp_path / "c.json"
    tp.save(calibrator, path)
    assert tp.load(path) == calibrator
    assert calibrator.record.score_test.direction == "over-confident"


def changed(**changes):
    def change(content):
        for dotted, value in changes.items():
            *where, key = dotted.split("__")
            target = content
            for step in where:
                target = target[step]
            target[key] = value
        return json.dumps(content)

    return change


BROKEN = [
    (lambda _: "", "is empty"),
    (lambda _: "[1, 2]", "not an object"),
    (lambda _: "{}", "`format`"),
    (lambda _: "[" * 100_000, "not a JSON file"),
    (changed(format="other"), "`format` must be"),
    (changed(format_version=2), "newer temperance.*Upgrade"),
    (changed(format_version="1"), "`format_version` must be an integer"),
    (changed(format_version=True), "`format_version` must be an integer"),
    (changed(method="magic"), "unknown `method` 'magic'"),
    (changed(method=["temperature"]), "unknown `method`"),
    (changed(parameters=None), "`parameters` must be an object"),
    (changed(parameters__temperature=None), "`temperature` must be a number"),
    (changed(parameters__temperature=True), "`temperature` must be a number"),
    (changed(parameters__temperature="1.5"), "`temperature` must be a number"),
    (changed(parameters__temperature=0), "above 0"),
    (changed(parameters__temperature=-1.5), "above 0"),
    (changed(parameters__temperature=float("nan")), "finite"),
    (changed(parameters__temperature=10**400), "finite"),
    (changed(input__n_classes=0), "`n_classes`"),
    (changed(input__n_classes=3), "`classes` must be a list of 3"),
    (changed(input__classes="abcd"), "`classes`"),
    (changed(fit__n=-4), "`n` must be"),
    (changed(fit__score_test=7), "`score_test` must be an object"),
]


@pytest.mark.parametrize(("change", "message"), BROKEN)
def test_refuses_what_is_no_calibrator(tmp_path, fitted, change, message):
    """A one-line error that names the file and the key."""
    path = tmp_path / "calibrator.json"
    tp.save(fitted, path)
    path.write_text(change(json.loads(path.read_text(encoding="utf-8"))), encoding="utf-8")
    with pytest.raises(tp.FileFormatError, match=message) as caught:
        tp.load(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_missing_file_and_folder(tmp_path, fitted):
    """No file to read, and no folder to write to."""
    with pytest.raises(tp.FileFormatError, match="cannot be read"):
        tp.load(tmp_path / "none.json")
    with pytest.raises(tp.InvalidInputError):
        tp.save(fitted, tmp_path / "none" / "calibrator.json")
    with pytest.raises(tp.InvalidInputError, match="what JSON can"):
        tp.save(fitted, tmp_path / "c.json", facts={"model": object()})
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=300, deadline=None, derandomize=True)
@given(data=st.data())
def test_any_bytes_give_a_calibrator_or_one_line(tmp_path_factory, data):
    """Random bytes, and a real file with bytes changed, cut and put in."""
    path = tmp_path_factory.mktemp("fuzz") / "calibrator.json"
    tp.save(tp.TemperatureScaling.fit(*reference.reference_a()), path)
    good = path.read_bytes()
    if data.draw(st.booleans()):
        content = data.draw(st.binary(max_size=200))
    else:
        at = data.draw(st.integers(0, len(good)))
        cut = data.draw(st.integers(0, 20))
        content = good[:at] + data.draw(st.binary(max_size=8)) + good[at + cut :]
    path.write_bytes(content)
    try:
        loaded = tp.load(path)
    except tp.FileFormatError as error:
        assert "\n" not in str(error)
    else:
        assert 0 < loaded.temperature < math.inf


def test_classes_say_how_many_there_are(tmp_path):
    """A calibrator made by hand with names alone is written, and read, with their number."""
    made = tp.TemperatureScaling(2.0, classes=("no", "yes"))
    assert made.n_classes == 2
    tp.save(made, tmp_path / "c.json")
    assert tp.load(tmp_path / "c.json") == made
