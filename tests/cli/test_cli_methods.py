"""Methods on the command line: by name, by choice, through the file, into the report."""

import json

import numpy as np
import pytest

import temperance as tp


@pytest.mark.parametrize("method", ["identity", "bias-corrected-temperature", "vector", "matrix"])
def test_fit_apply_evaluate_by_name(run, tmp_path, files, method):
    """The printed JSON, the file and what `apply` writes are those of the Python class."""
    done = json.loads(run("fit", "cal.npz", "--method", method, "--quick", "--json").stdout)
    z, y = files["cal"]
    fitted = tp.METHODS[method].fit(z, y)
    assert done["method"] == method
    assert tp.load(tmp_path / "calibrator.json") == fitted
    run("apply", "calibrator.json", "test.npz", "-o", "out.npz")
    probs = np.load(tmp_path / "out.npz")["probs"]
    assert (probs == fitted.apply(files["test"][0])).all()
    found = json.loads(
        run("evaluate", "test.npz", "--calibrator", "calibrator.json", "--quick", "--json").stdout
    )
    expected = tp.metrics.log_loss(probs, files["test"][1])
    assert found["log_loss"]["value"] == pytest.approx(expected, rel=1e-12)


def test_temperature_is_null_where_there_is_none(run, files):
    """Methods with a temperature print it with its interval, the others null."""
    for method, has in (("vector", False), ("bias-corrected-temperature", True)):
        done = json.loads(run("fit", "cal.npz", "--method", method, "--quick", "--json").stdout)
        assert (done["temperature"] is not None) == has
        assert (done["temperature_interval"] is not None) == has


def test_auto_chooses_and_says_so(run, tmp_path, files):
    """The choice is that of `select`; the table is printed; the file keeps the candidates."""
    selection = tp.select(*files["cal"])
    done = run("fit", "cal.npz", "--method", "auto", "--quick", "--report", "r.html", columns=140)
    assert selection.in_words() in done.stdout
    for each in selection.tried:
        assert f"\n {each.method} " in done.stdout
    content = json.loads((tmp_path / "calibrator.json").read_text())
    assert content["method"] == selection.method
    assert content["fit"]["selection"]["verdict"] == selection.verdict
    page = (tmp_path / "r.html").read_text()
    assert "Which map" in page
    assert "bias-corrected-temperature" in page


def test_auto_says_when_doing_nothing_is_best(run, tmp_path, sample):
    """Labels from the model's own probabilities: no map is chosen, in words, table and file."""
    z, y = sample(n=2000, temperature=1.0)
    np.savez(tmp_path / "cal.npz", logits=z, labels=y)
    done = run("fit", "cal.npz", "--method", "auto", "--quick", columns=140)
    assert "Doing nothing is best" in done.stdout
    assert "cannot tell it from doing nothing" not in done.stdout
    content = json.loads((tmp_path / "calibrator.json").read_text())
    assert content["method"] == "identity"
    assert content["fit"]["selection"]["verdict"] == "nothing to gain"


def test_auto_says_when_the_data_cannot_tell(run, tmp_path):
    """Sixty rows at T = 1.6: a gain of more than 1 % that its interval does not confirm."""
    rng = np.random.default_rng(3)
    for _ in range(100):
        z = rng.normal(size=(60, 3)) * 2
        y = (z / 1.6 + rng.gumbel(size=(60, 3))).argmax(axis=1)
        if tp.select(z, y).verdict == "cannot tell":
            break
    np.savez(tmp_path / "cal.npz", logits=z, labels=y)
    done = run("fit", "cal.npz", "--method", "auto", "--quick", columns=140)
    assert "the data cannot tell it from doing nothing" in " ".join(done.stdout.split())
    assert "Doing nothing is best" not in done.stdout
    found = json.loads(run("fit", "cal.npz", "--method", "auto", "--quick", "--json").stdout)
    assert found["selection"]["verdict"] == "cannot tell"
    chosen = next(
        each for each in found["selection"]["candidates"] if each["method"] == found["method"]
    )
    assert chosen["difference"]["low"] < 0 < chosen["difference"]["high"]


def test_auto_on_a_test_file(run, files):
    """With --test the choice is made on CAL alone, and measured on TEST."""
    done = json.loads(
        run("fit", "cal.npz", "--method", "auto", "--test", "test.npz", "--quick", "--json").stdout
    )
    selection = tp.select(*files["cal"])
    probs = selection.calibrator.apply(files["test"][0])
    assert done["evaluated_on"] == "test"
    assert done["method"] == done["selection"]["method"] == selection.method
    assert done["after"]["log_loss"] == pytest.approx(tp.metrics.log_loss(probs, files["test"][1]))


def test_auto_on_rows_of_different_width(run, tmp_path):
    """Where every row has its own options, only maps that know no class are candidates."""
    rng = np.random.default_rng(0)
    lines = []
    for _ in range(300):
        z = rng.normal(size=rng.integers(2, 5)) * 3
        label = int((z / 2 + rng.gumbel(size=len(z))).argmax())
        lines.append(json.dumps({"logits": z.tolist(), "label": label}))
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    done = json.loads(run("fit", "rows.jsonl", "--method", "auto", "--quick", "--json").stdout)
    tried = [each["method"] for each in done["selection"]["candidates"] if each["log_loss"]]
    assert tried == ["identity", "temperature"]
    assert tp.load(tmp_path / "calibrator.json").n_classes is None


def test_bad_methods(run, files):
    """An unknown name, a prior for a method without one, no optimum: one sentence each."""
    assert "auto" in run("fit", "cal.npz", "--method", "nonsense", code=2).stderr
    message = run("fit", "cal.npz", "--method", "vector", "--prior", "1", code=2).stderr
    assert "temperature" in message


def test_few_labels_are_told_what_they_cost(run, tmp_path, sample):
    """With 60 rows the summary says how far T may be off, and what that costs."""
    z, y = sample(n=60)
    np.savez(tmp_path / "few.npz", logits=z, labels=y)
    done = run("fit", "few.npz", "--quick")
    record = tp.TemperatureScaling.fit(z, y).record
    low, high = record.interval()
    assert f"between {low:.3g} and {high:.3g}" in done.stderr
    assert f"{record.expected_regret:.2g} nats" in done.stderr


def test_what_is_advised_works_when_typed(run, tmp_path):
    """Of true classes of probability 0, and of a label matrix: the advice is a command to type."""
    rng = np.random.default_rng(0)
    p = rng.uniform(0.05, 0.95, 40)
    y = (rng.random(40) < p).astype(int)
    p[np.flatnonzero(y == 1)[:2]] = 0.0
    np.savez(tmp_path / "zeros.npz", probs=np.stack([1 - p, p], axis=1), labels=y)
    zeros = run("fit", "zeros.npz", "--quick", "--method", "isotonic", "--json").stdout
    assert "try --method auto --floor auto" in json.loads(zeros)["headline"]
    run("fit", "zeros.npz", "--quick", "--method", "auto", "--floor", "auto")
    z, names = rng.normal(size=(300, 3)) * 2, np.array(["a", "b", "c"])
    marks = (rng.random(z.shape) < 1 / (1 + np.exp(3.0 - 0.5 * z))).astype(int)
    np.savez(tmp_path / "marks.npz", logits=z, labels=marks, classes=names)
    matrix = ("fit", "marks.npz", "--kind", "multilabel", "--quick")
    assert "try --method auto" in json.loads(run(*matrix, "--json").stdout)["headline"]
    assert "platt" in run(*matrix, "--method", "auto").stdout
