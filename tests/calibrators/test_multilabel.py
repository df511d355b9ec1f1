"""Label matrices: one temperature for all labels or one each, errors that count rows."""

import json

import numpy as np
import pytest

import reference
import temperance as tp


@pytest.fixture
def labelled():
    """Logits (n, l) that are too sharp by a factor per label, and a matrix drawn from the truth."""

    def make(n=500, temperatures=(2.0, 2.0, 2.0), seed=0):
        rng = np.random.default_rng(seed)
        z = rng.normal(size=(n, len(temperatures))) * 3
        p = 1 / (1 + np.exp(-z / np.array(temperatures)))
        return z, (rng.random(z.shape) < p).astype(int)

    return make


def test_one_temperature_is_that_of_all_entries(labelled):
    """The fit is temperature scaling of n * l rows (0, z); probabilities are sigmoids."""
    z, y = labelled()
    fitted = tp.MultilabelScaling.fit(z, y)
    odds = np.stack([np.zeros(z.size), z.ravel()], axis=1)
    assert fitted.temperature == pytest.approx(reference.temperature(odds, y.ravel()), rel=1e-7)
    assert fitted.apply(z) == pytest.approx(1 / (1 + np.exp(-z / fitted.temperature)))
    assert fitted.scale(z) == pytest.approx(z / fitted.temperature)
    assert fitted.record.log_loss_before == pytest.approx(
        np.logaddexp(0, np.where(y == 1, -z, z)).mean()
    )


def test_errors_count_rows(labelled):
    """Every label three times over: the interval of T is that of one copy, not of three times n."""
    z, y = labelled(temperatures=(2.0,))
    once = tp.MultilabelScaling.fit(z, y)
    thrice = tp.MultilabelScaling.fit(np.tile(z, 3), np.tile(y, 3))
    assert thrice.temperature == pytest.approx(once.temperature)
    few = {"rel": 0.003}  # rows are clusters of three labels: Student's t
    assert thrice.record.interval() == pytest.approx(once.record.interval(), **few)
    assert thrice.record.score_test.z == pytest.approx(once.record.score_test.z)
    plain = tp.TemperatureScaling.fit(z[:, 0], y[:, 0])
    assert once.record.standard_error == pytest.approx(plain.record.standard_error, rel=1e-9)


def test_coverage_with_labels_that_go_together():
    """Labels of one row share their luck: the 95 % interval still holds the optimum."""
    rng = np.random.default_rng(3)

    def draw(n):
        z = np.repeat(rng.normal(size=(n, 1)) * 3, 4, axis=1) + rng.normal(size=(n, 4))
        p = 1 / (1 + np.exp(-z / 2))
        return z, (rng.random((n, 1)) < p).astype(int)  # one number decides all four

    truth = tp.MultilabelScaling.fit(*draw(200_000)).temperature
    held = {"rows": 0, "entries": 0}
    for _ in range(150):
        z, y = draw(200)
        low, high = tp.MultilabelScaling.fit(z, y).record.interval()
        held["rows"] += low < truth < high
        low, high = tp.TemperatureScaling.fit(z.ravel(), y.ravel()).record.interval()
        held["entries"] += low < truth < high
    assert held["rows"] / 150 > 0.90  # .95 less two standard errors
    assert held["entries"] / 150 < 0.85  # what clusters are for


def test_one_temperature_per_label(labelled):
    """Labels that differ get their own, those of the grouped fit; shrunk between pooled and own."""
    z, y = labelled(n=2000, temperatures=(1.0, 2.0, 4.0))
    fitted = tp.MultilabelScaling.fit(z, y, per_label=True, classes=["a", "b", "c"])
    own = [reference.temperature(np.stack([0 * z[:, i], z[:, i]], 1), y[:, i]) for i in range(3)]
    assert fitted.temperatures == pytest.approx(own, rel=0.03)
    assert fitted.apply(z) == pytest.approx(1 / (1 + np.exp(-z / fitted.temperatures)))
    assert fitted.name == "group-temperature"


def test_entries_that_are_unknown(labelled):
    """Left out of the fit: the same as a fit on the rest."""
    z, y = labelled()
    unknown = np.random.default_rng(1).random(y.shape) < 0.3
    fitted = tp.MultilabelScaling.fit(z, np.where(unknown, -1, y), ignore_label=-1)
    plain = tp.TemperatureScaling.fit(z[~unknown], y[~unknown])
    assert fitted.temperature == pytest.approx(plain.temperature)
    assert fitted.record.n == (~unknown).sum()


def test_weights_are_repeated_rows(labelled):
    """A row of weight 2 counts twice with all its labels."""
    z, y = labelled(n=200)
    w = np.arange(200) % 3
    weighted = tp.MultilabelScaling.fit(z, y, weights=w)
    repeated = tp.MultilabelScaling.fit(z.repeat(w, axis=0), y.repeat(w, axis=0))
    assert weighted.temperature == pytest.approx(repeated.temperature)


def test_single_labels_and_labels_without_an_optimum(labelled):
    """One column works; a label that is never or always true is held by the others."""
    z, y = labelled(n=300, temperatures=(2.0, 2.0, 3.0, 1.0))
    assert tp.MultilabelScaling.fit(z[:, :1], y[:, :1]).apply(z[:, :1]).shape == (300, 1)
    y[:, 2], y[:, 3] = 0, z[:, 3] > 0
    fitted = tp.MultilabelScaling.fit(z, y, per_label=True)
    assert np.isfinite(fitted.temperatures).all()
    assert (fitted.temperatures > 0).all()


def test_real_labels():
    """REF-B as ten yes-or-no questions: over-confident, and the same T within its interval."""
    z, y, _, _ = reference.reference_b()
    p = reference.softmax(z)
    odds = np.log(p) - np.log1p(-p)
    fitted = tp.MultilabelScaling.fit(odds, np.eye(10, dtype=int)[y])
    low, high = fitted.record.interval()
    assert 1.4 < low < high < 1.9
    assert fitted.record.score_test.direction == "over-confident"
    assert fitted.record.log_loss_after < fitted.record.log_loss_before


@pytest.mark.parametrize("per_label", [False, True])
def test_files(tmp_path, labelled, per_label):
    """Kind multilabel, convention sigmoid, and it comes back equal."""
    z, y = labelled(temperatures=(1.0, 3.0))
    fitted = tp.MultilabelScaling.fit(z, y, per_label=per_label, classes=["cat", "dog"])
    path = tmp_path / "c.json"
    tp.save(fitted, path)
    content = json.loads(path.read_text())
    assert content["method"] == ("group-temperature" if per_label else "temperature")
    assert content["input"] == {
        "kind": "multilabel", "convention": "sigmoid", "n_classes": 2, "classes": ["cat", "dog"],
    }  # fmt: skip
    again = tp.load(path)
    assert again == fitted
    assert (again.apply(z) == fitted.apply(z)).all()
    content["input"]["n_classes"] = content["input"]["classes"] = None
    path.write_text(json.dumps(content))
    with pytest.raises(tp.FileFormatError, match="n_classes"):
        tp.load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda z, y: (z, y[:, :2]), r"matrix of 0 and 1 of shape \(500, 3\), .*got \(500, 2\)"),
        (lambda z, y: (z, y.argmax(axis=1)), "matrix of 0 and 1"),
        (lambda z, y: (z, np.where(np.arange(1500).reshape(500, 3) == 7, 5, y)),
         r"row 2, column 1 .* holds 5 \(1 such"),
        (lambda z, y: (np.where(np.arange(1500).reshape(500, 3) == 7, np.inf, z), y),
         "row 2, column 1 holds inf"),
        (lambda z, y: (1 / (1 + np.exp(-z)), y), "label_logits_from_probs"),
        (lambda z, y: (z[:, 0], y[:, 0]), r"shape \(n, l\)"),
    ],
)  # fmt: skip
def test_bad_matrices(labelled, change, message):
    """Shape, values, finite logits, probabilities: each named with its place."""
    with pytest.raises(tp.InvalidInputError, match=message):
        tp.MultilabelScaling.fit(*change(*labelled()))


@pytest.mark.parametrize("per_label", [False, True])
def test_labels_that_are_all_right(run, tmp_path, labelled, per_label):
    """Separable: the reason, and the prior that the message names works, on both sides."""
    z, _ = labelled(n=60)
    y = (z > 0).astype(int)
    with pytest.raises(tp.NoOptimumError, match="--prior 1") as caught:
        tp.MultilabelScaling.fit(z, y, per_label=per_label)
    assert caught.value.reason == "separable"
    fitted = tp.MultilabelScaling.fit(z, y, per_label=per_label, prior=1.0)
    assert 0 < fitted.temperature < 1
    np.savez(tmp_path / "cal.npz", logits=z, labels=y)
    method = "group-temperature" if per_label else "temperature"
    fit = ("fit", "cal.npz", "--kind", "multilabel", "--method", method, "--quick")
    assert "--prior 1" in run(*fit, code=2).stderr
    run(*fit, "--prior", "1")
    assert tp.load(tmp_path / "calibrator.json").temperature == pytest.approx(fitted.temperature)


def test_more_refusals(labelled):
    """Other labels in `apply`, nothing left to fit on, a matrix where classes are wanted."""
    z, y = labelled()
    fitted = tp.MultilabelScaling.fit(z, y)
    with pytest.raises(tp.InvalidInputError, match="the 3 labels of the fit, got 2"):
        fitted.apply(z[:, :2])
    with pytest.raises(tp.NoOptimumError, match="no rows"):
        tp.MultilabelScaling.fit(z, np.full_like(y, -1), ignore_label=-1)
    with pytest.raises(tp.InvalidInputError, match="kind multilabel"):
        tp.TemperatureScaling.fit(z, y)
    with pytest.raises(tp.InvalidInputError, match=r"entry \(0, 1\) is 1 \(1 such"):
        tp.label_logits_from_probs([[0.5, 1.0]])


def test_evaluate_takes_the_rows(labelled):
    """One row per entry, a group per label, a cluster per row."""
    z, y = labelled(n=300)
    p = 1 / (1 + np.exp(-z))
    evaluation = tp.evaluate(**tp.multilabel_rows(p, y, classes=["a", "b", "c"]), n_resamples=100)
    assert evaluation.n == 900
    assert sorted(each["group"] for each in evaluation.to_dict()["groups"]) == ["a", "b", "c"]
    expected = np.logaddexp(0, np.where(y == 1, -z, z)).mean()
    assert evaluation.log_loss.value == pytest.approx(expected)


def test_command_line(run, tmp_path, labelled):
    """Fit, apply and evaluate a label matrix; unknown entries are left out."""
    z, y = labelled(n=300, temperatures=(1.0, 3.0))
    y[5, 1] = -1
    np.savez(tmp_path / "cal.npz", logits=z, labels=y, classes=np.array(["cat", "dog"]))
    options = ("--kind", "multilabel", "--ignore-label", "-1", "--quick", "--json")
    done = json.loads(run("fit", "cal.npz", *options, "--method", "group-temperature").stdout)
    fitted = tp.MultilabelScaling.fit(z, y, per_label=True, ignore_label=-1, classes=["cat", "dog"])
    assert tp.load(tmp_path / "calibrator.json") == fitted
    assert (done["kind"], done["method"], done["n"]) == ("multilabel", "group-temperature", 599)
    run("apply", "calibrator.json", "cal.npz", "--kind", "multilabel", "-o", "out.csv")
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0].split(",") == ["label_cat", "label_dog", "prob_cat", "prob_dog"]
    cells = [float(each) for each in lines[1].split(",")]
    assert cells == pytest.approx([*y[0], *fitted.apply(z[:1])[0]])
    found = json.loads(
        run("evaluate", "cal.npz", "--calibrator", "calibrator.json", *options).stdout
    )
    assert found["n"] == 599
    assert found["log_loss"]["value"] == pytest.approx(fitted.record.log_loss_after)


def test_command_line_refuses(run, tmp_path, labelled):
    """A matrix without --kind, a method without labels, a calibrator of the other kind."""
    z, y = labelled(n=60)
    np.savez(tmp_path / "cal.npz", logits=z, labels=y)
    run("fit", "cal.npz", "--kind", "multilabel", "--quick")
    for message, arguments in (
        ("--kind multilabel", ["fit", "cal.npz"]),
        ("group-temperature, platt or auto", ["fit", "cal.npz", "--kind", "multilabel",
                                                   "--method", "vector"]),
        ("--kind multilabel", ["apply", "calibrator.json", "cal.npz", "-o", "o.npz"]),
    ):  # fmt: skip
        if message == "--kind multilabel" and arguments[0] == "apply":
            np.savez(tmp_path / "cal.npz", logits=z)
        assert message in run(*arguments, code=2).stderr
