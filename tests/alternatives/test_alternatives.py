"""What other ways would do: class biases, pooling, ways of labels; in Python as in the command."""

import json

import numpy as np
import pytest

import reference
import temperance as tp
from temperance.crossfit import folds_of


@pytest.fixture
def biased():
    """Rows whose class 0 is claimed far too often."""
    rng = np.random.default_rng(3)
    z = 2.0 * rng.normal(size=(600, 3))
    p = reference.softmax(z / 1.5 + np.array([-1.5, 0.5, 1.0]))
    return z, np.minimum((p.cumsum(axis=1) < rng.random((600, 1))).sum(axis=1), 2)


@pytest.fixture
def models():
    """Two models that see the truth with noise of their own, and a third that sees none of it."""
    rng = np.random.default_rng(4)
    truth = rng.normal(size=(500, 3))
    y = (truth + rng.gumbel(size=truth.shape)).argmax(axis=1)
    return [2.0 * (truth + rng.normal(size=truth.shape)) for _ in range(2)], y


def out_of_fold(method, z, y):
    """Logits by five fits on copies of the other folds."""
    folds, scaled = folds_of(y, scores=(z,)), np.empty(z.shape)
    for fold in range(5):
        out = folds == fold
        scaled[out] = method.fit(z[~out], y[~out]).scale(z[out])
    return scaled


def test_biases_and_what_they_gain(biased):
    """The biases are those of the fit; both sides are scored by fits without each row's fold."""
    z, y = biased
    result = tp.class_biases(z, y)
    fitted = tp.BiasCorrectedTemperatureScaling.fit(z, y)
    assert [each.value for each in result.biases.values()] == fitted.bias.tolist()
    assert result.biases["0"].high < 0 < result.biases["2"].low
    methods = (tp.TemperatureScaling, tp.BiasCorrectedTemperatureScaling)
    for method, side in zip(methods, result.comparison.evaluations.values(), strict=True):
        probs = reference.softmax(out_of_fold(method, z, y))
        assert side.log_loss.value == pytest.approx(-np.log(probs[np.arange(600), y]).mean())
    (gain,) = result.comparison.differences.values()
    assert gain.verdict("log_loss") == "better"


def test_biases_as_the_command_has_them(run, tmp_path, biased):
    """`fit --method bias-corrected-temperature --json` prints the same numbers."""
    z, y = biased
    np.savez(tmp_path / "a.npz", logits=z, labels=y)
    options = ("--method", "bias-corrected-temperature", "--quick", "--json")
    printed = json.loads(run("fit", "a.npz", *options).stdout)["class_biases"]
    own = tp.class_biases(z, y).to_dict()
    assert printed["temperature"] == pytest.approx(own["temperature"])
    for name, bias in own["biases"].items():
        assert printed["biases"][name] == pytest.approx(bias)
    assert printed["differences"]["log_loss"]["value"] == pytest.approx(
        own["differences"]["log_loss"]["value"]
    )


def test_clusters_widen_the_biases(biased):
    """Every row four times, as clusters: the biases stay, and their intervals too."""
    z, y = biased
    alone = tp.class_biases(z, y).biases
    times = tp.class_biases(np.tile(z, (4, 1)), np.tile(y, 4), clusters=np.tile(np.arange(600), 4))
    for name, each in times.biases.items():
        assert each.value == pytest.approx(alone[name].value, abs=1e-6)
        assert each.high - each.low == pytest.approx(alone[name].high - alone[name].low, rel=1e-3)


def test_pooling_as_the_command_has_it(run, tmp_path, models):
    """Every way's log loss and difference is what `fit A B --method ensemble --json` prints."""
    (first, second), y = models
    for name, z in (("a", first), ("b", second)):
        np.savez(tmp_path / f"{name}.npz", logits=z, labels=y)
    options = ("--method", "ensemble", "--quick", "--json")
    printed = json.loads(run("fit", "a.npz", "b.npz", *options).stdout)["pooling"]
    own = tp.compare_pooling([first, second], y, names=["a", "b"])
    assert list(own.evaluations) == list(printed)
    for name, evaluation in own.evaluations.items():
        assert printed[name]["log_loss"]["value"] == pytest.approx(evaluation.log_loss.value)


def test_a_pool_against_its_members(models):
    """The baseline is the pool; each member alone is worse, named by its place without names."""
    members, y = models
    comparison = tp.compare_pooling(members, y)
    assert comparison.baseline == "pool, then calibrate"
    for name in ("0 alone", "1 alone"):
        assert comparison.differences[name].verdict("log_loss") == "worse"


@pytest.fixture
def label_matrix():
    """Three labels claimed far too often, weighted rows, and some entries that nobody knows."""
    rng = np.random.default_rng(5)
    z = rng.normal(size=(150, 3)) * 2.0 + np.array([0.0, 1.0, 3.0])
    y = (rng.random(z.shape) < 1.0 / (1.0 + np.exp(2.0 - z))).astype(int)
    y[rng.random(z.shape) < 0.05] = -1
    return z, y, rng.choice([1.0, 2.0], size=150)


def test_ways_of_labels_as_the_command_has_them(run, tmp_path, label_matrix):
    """Every way's log loss and difference is what `fit --kind multilabel --json` prints."""
    z, y, w = label_matrix
    np.savez(tmp_path / "a.npz", logits=z, labels=y, weights=w)
    options = ("--kind", "multilabel", "--ignore-label", "-1", "--quick", "--json")
    printed = json.loads(run("fit", "a.npz", *options).stdout)["label_ways"]
    own = tp.compare_label_ways(z, y, weights=w, ignore_label=-1)
    assert list(own.evaluations) == list(printed)
    for name, evaluation in own.evaluations.items():
        assert printed[name]["log_loss"]["value"] == pytest.approx(evaluation.log_loss.value)
        assert printed[name]["log_loss"]["low"] == pytest.approx(evaluation.log_loss.low)


def test_ways_of_labels_against_loops(label_matrix):
    """Base rates counted by loops in each fold, and the map's loss by fits without each row."""
    z, y, _ = label_matrix
    y = np.abs(y)
    own = tp.compare_label_ways(z, y)
    label, row = np.tile(np.arange(3), 150), np.repeat(np.arange(150), 3)
    pairs = np.stack([np.zeros(450), z.ravel()], axis=1)
    folds = folds_of(y.ravel(), scores=(pairs, label), clusters=row).reshape(150, 3)[:, 0]
    rates, scaled = np.empty(z.shape), np.empty(z.shape)
    for fold in range(5):
        out = folds == fold
        for number in range(3):
            count = sum(y[i, number] for i in range(150) if not out[i])
            rates[out, number] = (count + 0.5) / ((~out).sum() + 1.0)
        scaled[out] = tp.MultilabelScaling.fit(z[~out], y[~out]).scale(z[out])
    for name, p in (
        ("base rate of each label, without the model", rates),
        ("temperature", 1.0 / (1.0 + np.exp(-scaled))),
    ):
        loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1.0 - p))
        assert own.evaluations[name].log_loss.value == pytest.approx(loss, rel=1e-6)


def test_a_way_is_not_compared_with_itself(label_matrix):
    """With lines as the method two ways are left; rows of one cluster are held out together."""
    z, y, w = label_matrix
    y = np.abs(y)
    own = tp.compare_label_ways(z, y, method="platt")
    assert list(own.evaluations) == ["platt", "base rate of each label, without the model"]
    assert own.evaluations["platt"].n == 450
    doubled = tp.compare_label_ways(
        np.tile(z, (2, 1)), np.tile(y, (2, 1)), clusters=np.tile(np.arange(150), 2)
    )
    alone = tp.compare_label_ways(z, y).evaluations["temperature"].log_loss
    twice = doubled.evaluations["temperature"].log_loss
    assert twice.high - twice.low == pytest.approx(alone.high - alone.low, rel=0.1)
    with pytest.raises(tp.InvalidInputError, match="`method`"):
        tp.compare_label_ways(z, y, method="isotonic")
    with pytest.raises(tp.NoOptimumError):
        tp.compare_label_ways(z[:1], y[:1], weights=w[:1])


def test_what_is_refused(biased, models):
    """Other names than members, no optimum, a wrong seed: one sentence each."""
    members, y = models
    with pytest.raises(tp.InvalidInputError, match="each of the 2 members, got 1"):
        tp.compare_pooling(members, y, names=["a"])
    with pytest.raises(tp.InvalidInputError, match="two models or more"):
        tp.compare_pooling(members[:1], y)
    with pytest.raises(tp.InvalidInputError, match="`seed`"):
        tp.class_biases(*biased, seed=-1)
    with pytest.raises(tp.NoOptimumError, match="no row"):
        tp.class_biases(biased[0], np.zeros(600, dtype=int))
