"""A temperature on new rows: what it does there, what a re-fit gains, and what to do."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

import reference
import temperance as tp
from temperance.crossfit import cross_fit
from temperance.shift import (
    covariate_weights,
    diagnose,
    estimate_label_shift_from_logits,
    shape_features,
)
from temperance.significance import CalibrationTest


@pytest.fixture
def rows():
    """Logits with labels drawn at T = 2, and others made of them."""

    def make(n=1500, seed=0, sharper=1.0, spread=3.0):
        rng = np.random.default_rng(seed)
        z = spread * rng.normal(size=(n, 4))
        y = (z / 2 + rng.gumbel(size=z.shape)).argmax(axis=1)
        return sharper * z, y

    return make


def test_no_shift(rows):
    """Two draws of the same: the temperature holds, frequencies and looks are unchanged."""
    found = diagnose(*rows(), *rows(seed=1), n_resamples=100)
    assert found.verdict == "holds"
    assert abs(found.moved) < 3
    assert "cannot be told apart" in found.in_words()
    assert "look unchanged" in found.in_words()


def test_sharper_logits(rows):
    """Twice the logits want twice the T; the gain is that of a paired cross-fitted comparison."""
    (z, y), (z_new, y_new) = rows(), rows(seed=1, sharper=2.0)
    found = diagnose(z, y, z_new, y_new, n_resamples=100)
    assert found.verdict == "re-fit"
    assert found.reference == tp.TemperatureScaling.fit(z, y)
    assert found.refitted == tp.TemperatureScaling.fit(z_new, y_new)
    at_reference = found.comparison.evaluations["reference temperature"].log_loss.value
    expected = tp.metrics.log_loss(found.reference.apply(z_new), y_new)
    assert at_reference == pytest.approx(expected, rel=1e-12)
    gain = found.comparison.differences["re-fitted on new rows"].log_loss
    assert gain.high < 0
    refitted = found.comparison.evaluations["re-fitted on new rows"].log_loss.value
    assert gain.value == pytest.approx(refitted - at_reference, abs=1e-12)
    assert refitted > found.refitted.record.log_loss_after  # not scored by its own labels
    assert f"T should be {found.refitted.temperature:.3g}" in found.in_words()


def test_class_frequencies_that_move(rows):
    """Class 0 kept, the others thinned: correcting frequencies gains, a temperature does not."""
    (z, y), (z_new, y_new) = rows(n=3000), rows(n=6000, seed=1)
    keep = (y_new == 0) | (np.arange(6000) % 5 == 0)
    found = diagnose(z, y, z_new[keep], y_new[keep], n_resamples=100)
    assert found.verdict == "frequencies moved"
    assert found.frequencies.p_value < 0.001
    assert found.frequencies.priors[0] == pytest.approx((y_new[keep] == 0).mean(), abs=0.05)
    gain = found.comparison.differences["class frequencies corrected"].log_loss
    assert gain.high < 0


@pytest.mark.parametrize(
    ("correction", "corrected", "again", "p", "verdict"),
    [
        ((-0.004, -0.005, 0.001), -0.002, (0.001, -0.001, 0.002), 0.001, "frequencies moved"),
        ((-0.004, -0.005, 0.001), -0.002, (0.001, -0.001, 0.002), None, "holds"),
        ((0.0, -0.001, 0.001), -0.3, (0.001, -0.001, 0.002), 0.001, "holds"),
        ((-0.004, -0.005, -0.001), -0.004, (0.001, -0.001, 0.002), 0.001, "frequencies moved"),
        ((-0.004, -0.005, -0.001), -0.004, (0.001, -0.001, 0.002), 0.06, "holds"),
        ((-0.004, -0.005, -0.001), -0.004, (0.001, -0.001, 0.002), None, "frequencies moved"),
        ((-0.004, -0.005, -0.001), -0.004, (-0.01, -0.02, -0.005), 0.001, "re-fit"),
        ((0.004, 0.001, 0.005), -0.3, (-0.01, -0.02, 0.005), 0.001, "holds"),
    ],
)
def test_what_is_a_shift(rows, correction, corrected, again, p, verdict):
    """P must be small and the correction gain by itself; where it ends beats the re-fit."""
    found = diagnose(*rows(), *rows(seed=1), n_resamples=100)
    ends = {"class frequencies corrected": (corrected, corrected, corrected),
            "re-fitted on new rows": again}  # fmt: skip
    differences = {
        name: tp.Differences({"log_loss": tp.Estimate(*numbers)}) for name, numbers in ends.items()
    }
    test = found.frequencies.test
    test = CalibrationTest.undefined(test.name, "few") if p is None else replace(test, p_value=p)
    changed = replace(
        found,
        comparison=replace(found.comparison, differences=differences),
        correction=tp.Estimate(*correction),
        frequencies=replace(found.frequencies, test=test),
    )
    assert changed.verdict == verdict
    gains, sure = correction[0] < 0, correction[2] < 0
    assert changed.frequencies_moved == (sure if p is None else gains and p < 0.05)
    words = changed.in_words()
    assert ("have moved" in words and "mean probabilities" not in words) == (
        changed.frequencies_moved
    )
    if verdict == "frequencies moved":
        ends = f"({-correction[2]:.4f} to 0.0050)"
        assert f"gains 0.0040 nats per row {ends}, against the same map" in words
        assert ("(p = 0.001)" in words) == (p is not None)
    if p == 0.06:
        assert "look unchanged" in words
    if p == 0.001 and not gains:
        assert "(p = 0.001), but correcting for the class frequencies gains nothing" in words


def biased(n, seed, bias=(0.0, 1.0, 0.0, -1.0)):
    """Logits that lack a bias of the classes, as a prompt's order of options makes them."""
    rng = np.random.default_rng(seed)
    z = 3 * rng.normal(size=(n, 4))
    return z, (z / 2 + np.array(bias) + rng.gumbel(size=z.shape)).argmax(axis=1)


def test_class_biases_are_no_shift():
    """Biases beat a temperature by far, on both sides alike: said, and no frequency has moved."""
    found = diagnose(*biased(2000, 0), *biased(2000, 1), n_resamples=100)
    differences = found.comparison.differences
    assert differences["class frequencies corrected"].log_loss.high < -0.05
    assert found.frequencies.p_value > 0.05
    assert found.verdict == "holds"
    gain = differences["class biases of the reference"].log_loss
    expected = (
        f"A temperature is not enough: a map with class biases, fitted on the reference as well, "
        f"gains {-gain.value:.4f} nats per row ({-gain.high:.4f} to {-gain.low:.4f})."
    )
    assert expected in found.in_words()
    assert "look unchanged" in found.in_words()
    plain = diagnose(*biased(2000, 0, bias=(0,) * 4), *biased(2000, 1, bias=(0,) * 4),
                     n_resamples=100)  # fmt: skip
    assert "not enough" not in plain.in_words()


def test_the_correction_is_against_the_same_map():
    """By hand: the corrected probabilities and those of the biases alone, row by row."""
    z, y = biased(2000, 0)
    new, labels = biased(3000, 1)
    keep = (labels == 0) | (np.arange(3000) % 3 == 0)
    new, labels = new[keep], labels[keep]
    found = diagnose(z, y, new, labels, n_resamples=100)
    biases = tp.BiasCorrectedTemperatureScaling.fit(z, y)
    p = biases.apply(new)
    q = found.frequencies.apply(p)
    rows = np.arange(len(labels))
    gaps = np.log(p[rows, labels]) - np.log(q[rows, labels])
    assert found.correction.value == pytest.approx(gaps.mean(), rel=1e-9)
    assert found.verdict == "frequencies moved"
    assert found.to_dict()["correction"]["value"] == found.correction.value
    assert found.to_dict()["frequencies_moved"] is True


def test_without_a_test_and_labels_nothing_is_said_to_have_moved(rows):
    """Too few rows a class for the test, and no labels that could show a gain."""
    found = diagnose(*rows(), rows(n=12, seed=1)[0])
    assert found.frequencies_moved is None
    assert "Class frequencies cannot be compared: too few rows a class." in found.in_words()
    moved = diagnose(*rows(), rows(seed=1)[0] + np.array([2.0, 0, 0, 0]))
    assert moved.frequencies_moved
    assert "have moved (p < 0.001), if each class looks as it did" in moved.in_words()


def test_clusters_are_left_out_together(rows, monkeypatch):
    """The re-fit is cross-fitted by whole clusters, and measured by them."""
    seen = []

    def spy(*arguments, clusters=None, **options):
        seen.append(clusters)
        return cross_fit(*arguments, clusters=clusters, **options)

    monkeypatch.setattr(sys.modules["temperance.calibrators.methods"], "cross_fit", spy)
    names = np.arange(300) // 3
    (z, y), (z_new, y_new) = rows(n=300), rows(n=300, seed=1)
    plain = diagnose(z, y, z_new, y_new, n_resamples=100)
    assert all(clusters is None for clusters in seen)
    seen.clear()
    found = diagnose(z, y, z_new, y_new, new_clusters=names, n_resamples=100)
    of_cluster = seen[0].reshape(100, 3)  # of the re-fit, which comes first
    assert (of_cluster == of_cluster[:, :1]).all()
    assert len(set(of_cluster[:, 0])) == 100
    ends = [each.comparison.evaluations["as it is"].log_loss for each in (plain, found)]
    assert ends[0].value == pytest.approx(ends[1].value)
    assert ends[0].high != ends[1].high


def test_too_few_rows(rows):
    """Forty new rows settle nothing, and the verdict says so; all right ones have no T at all."""
    found = diagnose(*rows(), *rows(n=40, seed=2), n_resamples=100)
    assert found.verdict == "too few rows"
    z, _ = rows(n=30, seed=3)
    right = diagnose(*rows(), z, z.argmax(axis=1), n_resamples=100)
    assert right.refitted is None
    assert "no best temperature" in right.in_words()


def test_without_labels(rows):
    """Only frequencies and looks; that nothing more can be said is said."""
    z_new, _ = rows(seed=1, spread=1.0)
    found = diagnose(*rows(), z_new)
    assert found.verdict == "no labels"
    assert found.comparison is None
    assert "nobody can say" in found.in_words()
    assert found.covariates.told_apart


def test_weighted_temperature(rows):
    """The temperature of reference rows times the weights that make them look like new ones."""
    (z, y), (z_new, _) = rows(), rows(seed=1, spread=2.5)
    found = diagnose(z, y, z_new)
    w = covariate_weights(shape_features(z), shape_features(z_new)).weights
    assert found.weighted.temperature == pytest.approx(
        tp.TemperatureScaling.fit(z, y, weights=w).temperature
    )


def test_halves_of_a_real_model():
    """REF-B's halves: the temperature holds, as it should."""
    found = diagnose(*reference.reference_b(), n_resamples=100)
    assert found.verdict == "holds"
    assert found.comparison.differences["re-fitted on new rows"].log_loss.low < 0


def real(name):
    """Logits and labels of a real set beside the checkout."""
    data = reference.shared(name)
    if "logits" in data:
        return data["logits"].astype(float), data["labels"].astype(int)
    p = data["probs"].astype(float)
    p = np.stack([1.0 - p, p], axis=1) if p.ndim == 1 else p
    return np.log(np.maximum(p, 1e-12)), data["labels"].astype(int)


REAL = (
    "agnews_gpt2", "sst2_gpt2", "adrenalmnist_resnet50", "mmlu16_llama13b", "nba_forecasts",
    "world_cup_forecasts", "cifar10_vgg", "cifar10_resnet20", "cifar10_garg_L114",
    "cifar10_garg_L1313", "cifar10_wideresnet_probs", "cifar100_resnet20",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_random_halves_of_real_sets_have_not_moved(request, name):
    """Class frequencies "have moved" in 5 % of random halves at most, and noise.

    A small p-value is needed for the word, so only such halves are measured as well. Where too few
    rows a class allow no test, the gain alone decides: all are measured.
    """
    full = "slow" in request.config.getoption("markexpr")
    z, y = real(name)
    if not full:
        z, y = z[y < 10][:, :10], y[y < 10]  # of CIFAR-100 the rows of ten classes
        z, y = z[:800], y[:800]
    n, moved, verdicts = 200 if full else 3, 0, 0
    for seed in range(n):
        order = np.random.default_rng(seed).permutation(len(y))
        a, b = order[: len(y) // 2], order[len(y) // 2 :]
        p = estimate_label_shift_from_logits(z[b], z[a], y[a], refuse_probs=False).p_value
        if p is None or p < 0.05:
            found = diagnose(z[a], y[a], z[b], y[b], n_resamples=100, refuse_probs=False)
            moved += found.frequencies_moved
            verdicts += found.verdict == "frequencies moved"
    assert moved <= n * 0.05 + 3 * (n * 0.05 * 0.95) ** 0.5
    assert verdicts <= moved


@pytest.mark.parametrize("name", ["agnews_gpt2", "sst2_gpt2"])
def test_a_half_of_a_set_that_needs_biases(name):
    """Once said to have moved in every half, by .3 nats: the temperature holds, and is not enough.

    For no half of these seeds is the p-value small.
    """
    z, y = real(name)
    for seed in range(2):
        order = np.random.default_rng(seed).permutation(len(y))
        a, b = order[: len(y) // 2], order[len(y) // 2 :]
        found = diagnose(z[a], y[a], z[b], y[b], n_resamples=100)
        assert found.verdict == "holds"
        assert not found.frequencies_moved
        assert "A temperature is not enough" in found.in_words()
        assert found.comparison.differences["class frequencies corrected"].log_loss.high < -0.05


def test_power_on_the_label_shift_reference():
    """REF-B's test half with all of class 0 and a quarter of the others: moved, and found."""
    z, y, new, labels = reference.reference_b()
    keep = (labels == 0) | (np.arange(len(labels)) % 4 == 0)
    assert keep.sum() == 1620
    found = diagnose(z, y, new[keep], labels[keep], n_resamples=100)
    assert found.verdict == "frequencies moved"
    assert found.frequencies.p_value < 1e-6
    assert found.frequencies.priors[0] == pytest.approx(0.323943, abs=1e-4)


def test_subjects_of_a_real_model():
    """One MMLU subject against the others: measures of 100 to 310 rows, each with a verdict."""
    data = reference.shared("mmlu16_llama13b")
    z, y = tp.logits_from_probs(data["probs"]), data["labels"].astype(int)
    verdicts = set()
    for subject in ("marketing", "formal_logic", "anatomy"):
        own = data["subject"] == subject
        found = diagnose(z[~own], y[~own], z[own], y[own], n_resamples=100)
        verdicts.add(found.verdict)
        assert found.n_new == own.sum()
    assert verdicts <= {"holds", "re-fit", "frequencies moved", "too few rows"}
    assert len(verdicts) > 1


def test_json(rows):
    """Every part survives JSON."""
    found = diagnose(*rows(), *rows(seed=1), n_resamples=100)
    content = found.to_dict()
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert "class" in str(found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda z, y: (z, y, z[:, :3], y), "4 columns"),
        (lambda z, y: (z, y, z, y[:-1]), "`labels` must have shape"),
        (lambda z, y: (z, y, z[:0], y[:0]), "at least one row"),
        (lambda z, y: (z, y, reference.softmax(z), y), "look like probabilities"),
        (lambda z, y: (z, y, np.where(np.eye(4)[y] == 1, -np.inf, z), y), "logit -inf"),
    ],
)
def test_bad_rows(rows, change, message):
    """Other width, lengths, none, probabilities, labels on options that do not exist."""
    with pytest.raises(tp.InvalidInputError, match=message):
        diagnose(*change(*rows(n=200)))


def test_command_line(run, tmp_path, rows):
    """The verdict first, then temperatures, measures, frequencies and looks; labels elsewhere."""
    (z, y), (z_new, y_new) = rows(), rows(seed=1, sharper=2.0)
    np.savez(tmp_path / "old.npz", logits=z, labels=y)
    np.savez(tmp_path / "new.npz", logits=z_new)
    np.savez(tmp_path / "labels.npz", labels=y_new)
    found = diagnose(z, y, z_new, y_new, n_resamples=200)
    done = run("shift", "old.npz", "new.npz", "--labels", "labels.npz", "--quick", columns=120)
    assert done.stdout.replace("\n", " ").startswith(found.in_words()[:60])
    for line in ("of new rows", "re-fitted on new rows", "covariate shift"):
        assert line in done.stdout
    content = json.loads(run("shift", "old.npz", "new.npz", "--json").stdout)
    assert content["verdict"] == "no labels"
    assert content["comparison"] is None
    for message, arguments in (
        ("same file", ["old.npz", "old.npz"]),
        ("no labels", ["new.npz", "old.npz"]),
        ("--kind", ["old.npz", "new.npz", "--kind", "multilabel"]),
    ):
        assert message in run("shift", *arguments, code=2).stderr


def test_the_command_takes_classes_that_have_names(tmp_path, run, rows):
    """Labels of both files have become positions of the columns; no name is looked up again."""
    (z, y), (new, new_y) = rows(400), rows(400, seed=1, sharper=2.0)
    names = np.array(["x", "10", "9", "0"])
    found = {}
    for name, known in (("plain", {}), ("named", {"classes": names})):
        for which, scores, labels in (("old", z, y), ("new", new, new_y)):
            held = names[labels] if known else labels
            np.savez(tmp_path / f"{name}-{which}.npz", logits=scores, labels=held, **known)
        line = ("shift", f"{name}-old.npz", f"{name}-new.npz", "--quick", "--json")
        found[name] = json.loads(run(*line).stdout)
    for key in ("reference", "refitted"):
        assert found["named"][key] == found["plain"][key]
