"""What every method promises: its traits, its file, its weights, its shapes, its refusals."""

import json
import re
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

import reference
import temperance as tp

BINARY = sorted(name for name, each in tp.METHODS.items() if each.traits.binary)
SINGLE = sorted(name for name, each in tp.METHODS.items() if name != "ensemble")


@pytest.fixture
def fitted(sample):
    """A method fitted on rows of as many classes as it takes, with those rows."""

    def make(method, k=3, n=400, **options):
        kind = tp.METHODS[method]
        z, y = sample(n=n, k=2 if kind.traits.binary else k)
        if kind.traits.groups:
            options["groups"] = np.where(np.arange(n) < n // 2, "a", "b")
        return kind.fit(z, y, **options), z, y

    return make


def applied(calibrator, z):
    groups = {"groups": np.array(["a"] * len(z))} if calibrator.traits.groups else {}
    return calibrator.apply(z, **groups)


@pytest.mark.parametrize("method", SINGLE)
def test_probabilities(fitted, method):
    """Rows sum to 1, lie in [0, 1], and do not depend on the rows beside them."""
    calibrator, z, _ = fitted(method)
    probs = applied(calibrator, z)
    assert probs.shape == z.shape
    assert probs.sum(axis=1) == pytest.approx(1, abs=1e-12)
    assert (probs >= 0).all()
    assert applied(calibrator, z[5:6]) == pytest.approx(probs[5:6], abs=1e-15)


@pytest.mark.parametrize("method", SINGLE)
def test_scale_is_the_logarithm_of_apply(fitted, method):
    """The softmax of `scale` is `apply`."""
    calibrator, z, _ = fitted(method)
    groups = {"groups": np.array(["a"] * len(z))} if calibrator.traits.groups else {}
    scaled = calibrator.scale(z, **groups)
    assert reference.softmax(scaled) == pytest.approx(applied(calibrator, z), abs=1e-12)


@pytest.mark.parametrize("method", SINGLE)
def test_what_is_kept(fitted, method):
    """Predicted class, order within a row and ranking between rows, as the traits say."""
    calibrator, z, _ = fitted(method, n=800)
    traits, probs = calibrator.traits, applied(calibrator, z)
    if traits.keeps_class:
        assert (probs.argmax(axis=1) == z.argmax(axis=1)).all()
    if traits.keeps_order:
        by_logit = np.take_along_axis(probs, z.argsort(axis=1), axis=1)
        assert (np.diff(by_logit, axis=1) >= 0).all()
    if z.shape[1] == 2 and traits.keeps_ranking != "no":
        order = (z[:, 1] - z[:, 0]).argsort()
        assert (np.diff(probs[order, 1]) >= -1e-15).all()


@pytest.mark.parametrize(
    "method", [name for name in SINGLE if not tp.METHODS[name].traits.keeps_class]
)
def test_what_is_not_kept(method):
    """A class claimed far too often: methods that say so do change the predicted class."""
    kind = tp.METHODS[method]
    k = 2 if kind.traits.binary else 3
    rng = np.random.default_rng(0)
    z = 2 * rng.normal(size=(2000, k))
    y = (z - 3 * (np.arange(k) == 0) + rng.gumbel(size=z.shape)).argmax(axis=1)
    probs = kind.fit(z, y).apply(z)
    changed = probs.argmax(axis=1) != z.argmax(axis=1)
    assert changed.mean() > 0.1
    assert (probs.argmax(axis=1) == y).mean() > (z.argmax(axis=1) == y).mean()


@pytest.mark.parametrize("method", SINGLE)
def test_files(tmp_path, fitted, method):
    """What was saved is loaded, equal, and maps to the same bits; the dict is JSON."""
    calibrator, z, _ = fitted(method)
    path = tmp_path / "c.json"
    tp.save(calibrator, path)
    again = tp.load(path)
    assert again == calibrator
    assert hash(again) == hash(calibrator)
    assert (applied(again, z) == applied(calibrator, z)).all()
    content = calibrator.to_dict()
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert calibrator != tp.TemperatureScaling(99.0)
    with pytest.raises(FrozenInstanceError):
        calibrator.n_classes = 9


@pytest.mark.parametrize("method", SINGLE)
def test_a_parameter_that_is_missing_or_not_finite(tmp_path, fitted, method):
    """Each parameter taken out, or spoiled, is an error that names file and key, not a guess."""
    calibrator, _, _ = fitted(method)
    path = tmp_path / "c.json"
    tp.save(calibrator, path)
    content = json.loads(path.read_text())
    for key in content["parameters"]:
        if key in {"smoothing", "small_groups"}:
            continue  # may be left out
        for value in (None, "x", [[float(10**400 > 0)], "y"]):
            spoiled = {**content["parameters"], key: value}
            path.write_text(json.dumps({**content, "parameters": spoiled}))
            with pytest.raises(tp.FileFormatError, match=r"c\.json"):
                tp.load(path)


@pytest.mark.parametrize("method", SINGLE)
def test_record(fitted, method):
    """Losses before and after are those of the rows of the fit; the fit does not lose."""
    calibrator, z, y = fitted(method)
    record = calibrator.record
    assert record.n == 400
    assert record.log_loss_before == pytest.approx(tp.metrics.log_loss(reference.softmax(z), y))
    if not calibrator.traits.groups:
        after = tp.metrics.log_loss(calibrator.apply(z), y)
        assert record.log_loss_after == pytest.approx(after, rel=1e-12)
    assert record.log_loss_after <= record.log_loss_before
    assert record.score_test.direction == "over-confident"


@pytest.mark.parametrize("method", SINGLE)
def test_read_only_and_narrow_types(sample, method):
    """Read-only float32 logits and text labels fit; the caller's arrays are left alone."""
    kind = tp.METHODS[method]
    z, y = sample(n=300, k=2 if kind.traits.binary else 3)
    options = {"groups": ["a", "b"] * 150} if kind.traits.groups else {}
    exact = kind.fit(z.astype(np.float32).astype(float), y, **options)
    narrow = z.astype(np.float32)
    narrow.setflags(write=False)
    names = np.array(["no", "yes", "maybe"])[: z.shape[1]]
    again = kind.fit(narrow, names[y], classes=names.tolist(), **options)
    assert applied(again, z) == pytest.approx(applied(exact, z), abs=1e-6)
    assert again.classes == tuple(names)


@pytest.mark.parametrize("method", SINGLE)
def test_single_precision_stays(fitted, method):
    """float32 logits give the probabilities of their float64 values, rounded, class kept."""
    calibrator, z, _ = fitted(method)
    groups = {"groups": np.array(["a"] * len(z))} if calibrator.traits.groups else {}
    narrow = z.astype(np.float32)
    probs, scaled = calibrator.apply(narrow, **groups), calibrator.scale(narrow, **groups)
    assert probs.dtype == scaled.dtype == np.float32
    exact = calibrator.apply(narrow, dtype=np.float64, **groups)
    assert (exact == calibrator.apply(narrow.astype(np.float64), **groups)).all()
    assert probs == pytest.approx(exact, abs=1e-6)
    if calibrator.traits.keeps_class:
        assert (probs.argmax(axis=1) == narrow.argmax(axis=1)).all()


@pytest.mark.parametrize("method", SINGLE)
def test_log_odds(sample, method):
    """Shape (n,) is the log-odds of class 1, in `fit`, `apply` and `scale`."""
    kind = tp.METHODS[method]
    z, y = sample(n=300, k=2)
    options = {"groups": ["a"] * 300} if kind.traits.groups else {}
    odds = z[:, 1] - z[:, 0]
    calibrator = kind.fit(odds, y, **options)
    both = np.stack([np.zeros(300), odds], axis=1)
    assert calibrator.apply(odds) == pytest.approx(calibrator.apply(both), abs=1e-12)
    assert calibrator.scale(odds).shape == (300,)


@pytest.mark.parametrize("method", SINGLE)
def test_refusals(fitted, method):
    """Another number of classes, nan, probabilities as logits, and no rows."""
    calibrator, z, y = fitted(method)
    kind = type(calibrator)
    options = {"groups": ["a"] * 400} if kind.traits.groups else {}
    with pytest.raises(tp.InvalidInputError, match="columns"):
        calibrator.apply(np.zeros((2, z.shape[1] + 1)))
    bad = z.copy()
    bad[3, 0] = np.nan
    with pytest.raises(tp.InvalidInputError, match="row 3 holds nan"):
        kind.fit(bad, y, **options)
    with pytest.raises(tp.InvalidInputError, match="logits_from_probs"):
        kind.fit(reference.softmax(z), y, **options)
    empty = {"groups": []} if kind.traits.groups else {}
    with pytest.raises(tp.NoOptimumError) as caught:
        kind.fit(np.zeros((0, z.shape[1])), [], **empty)
    assert caught.value.reason == "no-rows"


@pytest.mark.parametrize("method", SINGLE)
def test_shown(fitted, method):
    """Text and notebook name the method or its numbers, and the rows of the fit."""
    calibrator, _, _ = fitted(method)
    assert "400 rows" in str(calibrator)
    assert method in calibrator._repr_html_()


@pytest.mark.parametrize("method", SINGLE)
def test_data_frame_of_parameters(fitted, method):
    """Every number of the map is a row."""
    pytest.importorskip("narwhals")
    pytest.importorskip("pandas")
    calibrator, _, _ = fitted(method)
    frame = calibrator.to_frame("pandas")
    assert list(frame) == ["parameter", "value", "low", "high"]
    assert len(frame) > 0 or method == "identity"


def test_the_table_of_methods(run):
    """The command lists every method once per table; with --json every trait."""
    text = run("methods", columns=160).stdout
    for method in tp.METHODS:
        assert text.count(f"\n {method} ") == 3
    for column in ("type", "what it does", "source", "learns", "labels wanted", "over-fitting",
                   "cost of a fit", "class", "order", "ranking", "classes", "gaps"):  # fmt: skip
        assert re.search(rf"^ method .* {column} ", text, re.MULTILINE)
    content = json.loads(run("methods", "--json").stdout)
    assert list(content) == list(tp.METHODS)
    for name, method in tp.METHODS.items():
        traits = content[name]
        assert traits["type"] in {"none", "parametric", "non-parametric", "pool, parametric"}
        assert all(
            traits[each] != "" for each in ("summary", "parameters", "labels", "cost", "risk")
        )
        assert ("2" in traits["classes"]) == (method.traits.binary or name == "isotonic")
    assert content["temperature"]["keeps_class"] is True
    assert content["matrix"]["masks"] is False


@pytest.mark.parametrize("method", BINARY)
def test_binary_methods_say_what_to_use_for_more_classes(sample, method):
    """Three classes are refused with the names of methods that take them."""
    with pytest.raises(tp.InvalidInputError, match=r"two classes.*temperature"):
        tp.METHODS[method].fit(*sample(n=50, k=3))


def test_a_flat_row_is_not_a_row_of_logits():
    """Three numbers in a row are three log-odds; the message says so, and how to give one row."""
    scaling = tp.TemperatureScaling.fit(*reference.reference_a())
    with pytest.raises(tp.InvalidInputError, match=r"got 2: shape \(n,\) is the log-odds"):
        scaling.apply([1.0, 2.0, 3.0, 0.5, 0.1])
    with pytest.raises(tp.InvalidInputError, match=r"got 3\.$"):
        scaling.apply([[1.0, 2.0, 3.0]])
