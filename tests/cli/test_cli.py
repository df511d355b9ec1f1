"""The command line: contract of its JSON, exit codes, files, and one-line errors."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import reference
import temperance as tp
from temperance.cli.app import COMMANDS
from temperance.readers import read


def test_fit_json_is_the_contract(run, files, tmp_path):
    """Every key that other programs read, with cross-fitted numbers, and nothing else on stdout."""
    done = run("fit", "cal.npz", "--json")
    assert done.stderr == ""
    result = json.loads(done.stdout)
    z, y = files["cal"]
    fitted = tp.TemperatureScaling.fit(z, y)
    assert result["method"] == "temperature"
    assert result["temperature"] == fitted.temperature
    assert result["temperature_interval"] == list(fitted.record.interval())
    assert (result["n"], result["classes"]) == (600, 4)
    assert result["evaluated_on"] == "cross-fitted"
    assert (result["calibrator"], result["report"]) == ("calibrator.json", None)
    before = tp.evaluate(reference.softmax(z), y)
    for key in ("log_loss", "brier", "ece", "accuracy"):
        assert result["before"][key] == getattr(before, key).value
    in_sample = fitted.record.log_loss_after
    assert in_sample < result["after"]["log_loss"] < result["before"]["log_loss"]
    assert tp.load(tmp_path / "calibrator.json") == fitted


def test_fit_on_test_rows(run, files):
    """With --test the numbers are those of the saved map on the other file."""
    result = json.loads(run("fit", "cal.npz", "--test", "test.npz", "--json").stdout)
    assert result["evaluated_on"] == "test"
    z, y = files["test"]
    after = tp.TemperatureScaling.fit(*files["cal"]).apply(z)
    assert result["after"]["log_loss"] == pytest.approx(tp.metrics.log_loss(after, y), rel=1e-12)
    assert result["differences"]["log_loss"]["verdict"] == "better"


def test_table_for_people(run, files):
    """Without --json: the finding, the table, the temperature with its interval."""
    text = run("fit", "cal.npz").stdout
    for words in ("log loss", "before", "after", "better", "temperature", "95 %", "over-confident"):
        assert words in text
    text = run("evaluate", "test.npz").stdout
    assert "if calibrated" in text
    assert "nan" not in text


@pytest.mark.parametrize("suffix", ["npz", "npy", "csv", "tsv", "jsonl"])
def test_apply_writes_what_the_calibrator_says(run, files, tmp_path, suffix):
    """Each format holds the probabilities of Python's apply, exactly, and hands labels on."""
    run("fit", "cal.npz")
    run("apply", "calibrator.json", "test.npz", "-o", f"out.{suffix}")
    written = read(tmp_path / f"out.{suffix}", kind="probs")
    z, y = files["test"]
    assert (written.values == tp.load(tmp_path / "calibrator.json").apply(z)).all()
    if suffix != "npy":
        assert (np.asarray(written.labels).astype(int) == y).all()


def test_evaluate_json_and_gates(run, files):
    """Measures with intervals; gates set the exit code and say which one failed."""
    result = json.loads(run("evaluate", "test.npz", "--json").stdout)
    expected = tp.evaluate(reference.softmax(files["test"][0]), files["test"][1])
    for key in ("log_loss", "brier", "ece", "accuracy"):
        assert result[key] == getattr(expected, key).to_dict()
    assert result["n"] == 600
    run("evaluate", "test.npz", "--max-ece", "0.5", "--min-accuracy", "0.1")
    failed = run("evaluate", "test.npz", "--max-ece", "0.01", "--max-log-loss", 9, "--json", code=1)
    gates = {g["option"]: g["passed"] for g in json.loads(failed.stdout)["gates"]}
    assert gates == {"--max-ece": False, "--max-log-loss": True}
    assert "gate failed: --max-ece 0.01" in failed.stderr
    run("fit", "cal.npz")
    run("evaluate", "test.npz", "--calibrator", "calibrator.json", "--max-ece", "0.06")


def test_evaluating_the_rows_of_the_fit_is_flagged(run, files):
    """The same file for fit and evaluation: a warning, by the file's hash."""
    run("fit", "cal.npz")
    done = run("evaluate", "cal.npz", "--calibrator", "calibrator.json")
    assert "fitted on this very file" in done.stderr
    run("fit", "cal.npz", "--test", "cal.npz", code=2)


@pytest.mark.usefixtures("quick_plans")
def test_report_is_written(run, files, tmp_path):
    """fit and evaluate write a page that names the data and needs no network."""
    run("fit", "cal.npz", "--quick", "--report", "r.html", "--model", "<b>net</b>")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "cal.npz" in page
    assert "&lt;b&gt;net" in page
    assert "<b>net" not in page
    page_of = ("evaluate", "test.npz", "--quick", "--report")
    run(*page_of, "e.html", "--calibrator", "calibrator.json")
    run(*page_of, "alone.html")
    assert (tmp_path / "alone.html").stat().st_size > 10_000


def test_probabilities_in_a_csv_with_class_names(run, tmp_path):
    """Named columns and labels, in another order than the alphabet's, through fit and apply."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(300, 3)) * 4
    p = reference.softmax(z)
    y = (reference.softmax(z / 2).cumsum(axis=1) < rng.random((300, 1))).sum(axis=1)
    names = np.array(["dog", "ant", "cat"])
    lines = ["prob_dog,prob_ant,prob_cat,label,id"]
    for i, (row, label) in enumerate(zip(p, y, strict=True)):
        lines.append(",".join([*(repr(float(v)) for v in row), names[label], f"r{i}"]))
    (tmp_path / "d.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    result = json.loads(run("fit", "d.csv", "--json").stdout)
    assert result["temperature"] == pytest.approx(reference.temperature(z, y), rel=1e-7)
    run("apply", "calibrator.json", "d.csv", "-o", "o.csv")
    first = (tmp_path / "o.csv").read_text(encoding="utf-8").splitlines()[0]
    assert "prob_dog,prob_ant,prob_cat" in first


def test_ragged_options(run, tmp_path):
    """Questions with 2 to 5 options: fitted over those that exist, written back as ragged."""
    rng = np.random.default_rng(0)
    rows, z = [], np.full((400, 5), -np.inf)
    for i in range(400):
        k = rng.integers(2, 6)
        z[i, :k] = rng.normal(size=k) * 3
        p = reference.softmax(z[i : i + 1, :k] / 2)[0]
        rows.append({"logits": z[i, :k].tolist(), "label": int(rng.choice(k, p=p)), "id": str(i)})
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    y = np.array([row["label"] for row in rows])
    result = json.loads(run("fit", "q.jsonl", "--json").stdout)
    assert result["temperature"] == pytest.approx(reference.temperature(z, y), rel=1e-7)
    run("apply", "calibrator.json", "q.jsonl", "-o", "o.jsonl")
    lines = (tmp_path / "o.jsonl").read_text(encoding="utf-8").splitlines()
    written = [json.loads(line) for line in lines]
    assert [len(w["probs"]) for w in written] == [len(row["logits"]) for row in rows]
    assert all(sum(w["probs"]) == pytest.approx(1) for w in written)
    narrow = "\n".join(json.dumps(row) for row in rows if len(row["logits"]) < 4)
    (tmp_path / "narrow.jsonl").write_text(narrow, encoding="utf-8")
    run("evaluate", "narrow.jsonl", "--calibrator", "calibrator.json")


def test_npy_with_labels_beside_it(run, files, tmp_path):
    """Memory-mapped logits, labels from their own file; --kind says what the array holds."""
    z, y = files["cal"]
    np.save(tmp_path / "z.npy", z.astype(np.float32))
    np.save(tmp_path / "p.npy", reference.softmax(z))
    np.save(tmp_path / "y.npy", y)
    fit = ("--labels", "y.npy", "--quick", "--json")
    t = json.loads(run("fit", "z.npy", *fit).stdout)["temperature"]
    assert t == pytest.approx(tp.TemperatureScaling.fit(z, y).temperature, rel=1e-6)
    by_probs = run("fit", "p.npy", *fit, "--kind", "probs").stdout
    assert json.loads(by_probs)["temperature"] == pytest.approx(t, rel=1e-6)
    run("fit", "p.npy", "--labels", "y.npy", code=2)
    run("fit", "z.npy", code=2)


def test_log_loss_beyond_float_probabilities(run, tmp_path):
    """Gaps of 4,000 between logits: the log loss is exact, not infinite, before and after."""
    rows = np.arange(60)
    predicted = rows % 2
    z = 4000.0 * np.eye(2)[predicted]
    y = np.where(rows % 6 < 4, predicted, 1 - predicted)  # 40 of 60 right
    np.savez(tmp_path / "z.npz", logits=z, labels=y)
    result = json.loads(run("fit", "z.npz", "--json").stdout)
    assert result["before"]["log_loss"] == pytest.approx(4000 / 3, rel=1e-12)
    best = np.log(3) - np.log(2) * 2 / 3  # cross-fitting 60 rows costs some of it
    assert best < result["after"]["log_loss"] < 1.1 * best


def test_kind_overrides_the_name(run, files, tmp_path):
    """Softmax outputs under the key `logits`: refused, unless --kind says what they are."""
    z, y = files["cal"]
    np.savez(tmp_path / "wrong.npz", logits=reference.softmax(z), labels=y)
    assert "look like probabilities" in run("fit", "wrong.npz", code=2).stderr
    fit = ("fit", "wrong.npz", "--quick", "--json")
    right = json.loads(run(*fit, "--kind", "probs").stdout)
    assert right["temperature"] == pytest.approx(tp.TemperatureScaling.fit(z, y).temperature)
    as_said = json.loads(run(*fit, "--kind", "logits").stdout)
    assert as_said["temperature"] < 0.6


def test_demo(run, tmp_path):
    """Real data, no file, no extra: the error falls to a fraction, two files are written."""
    result = json.loads(run("demo", "--json").stdout)
    assert result["evaluated_on"] == "test"
    assert result["temperature"] > 5
    assert result["before"]["ece"] > 0.08
    assert result["after"]["ece"] < 0.4 * result["before"]["ece"]
    assert result["after"]["accuracy"] == result["before"]["accuracy"]
    assert (tmp_path / "report.html").exists()
    assert tp.load(tmp_path / "calibrator.json").classes == tuple("0123456789")


def test_help_fits_on_one_screen_and_shows_examples(run):
    """A line per command, at most 34 for the whole; an example for each command, exit code 0."""
    whole = run("--help").stdout
    assert len(whole.rstrip().splitlines()) <= 34
    for command in ("demo", "fit", "apply", "evaluate"):
        assert command in whole
        assert f"Example: temperance {command}" in run(command, "--help").stdout
    assert run("--version").stdout.strip() == tp.__version__
    assert run().stdout.splitlines() == whole.splitlines()


def test_nothing_half_written(run, files, tmp_path):
    """An unwritable output is refused before the work, and leaves no file behind."""
    run("fit", "cal.npz")
    before = sorted(p.name for p in tmp_path.iterdir())
    run("fit", "cal.npz", "-o", "no/such/folder/c.json", code=2)
    run("fit", "cal.npz", "--report", "no/such/r.html", code=2)
    run("apply", "calibrator.json", "test.npz", "-o", "no/such/o.csv", code=2)
    run("apply", "calibrator.json", "test.npz", "-o", "out.xyz", code=2)
    run("apply", "calibrator.json", "test.npz", "-o", tmp_path, code=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def write(name, **arrays):
    return lambda folder: np.savez(folder / name, **arrays)


Z = np.array([[2.0, 0.0, 1.0], [0.0, 3.0, 1.0], [1.0, 0.5, 2.0], [0.0, 1.0, 0.0]])
Y = np.array([0, 1, 2, 0])
INFINITE = np.array([0, 0, np.inf])
BAD = [  # how the file comes about, arguments, what the error says
    (lambda d: None, ["fit", "none.npz"], "none.npz"),
    (lambda d: (d / "e.npz").touch(), ["fit", "e.npz"], "empty"),
    (lambda d: (d / "e.csv").touch(), ["fit", "e.csv"], "empty"),
    (lambda d: (d / "t.npz").write_bytes(b"PK\x03\x04 not a zip"), ["fit", "t.npz"], "t.npz: "),
    (lambda d: Path(d / "f.txt").write_text("1"), ["fit", "f.txt"], ".npz"),
    (write("o.npz", logits=np.array([[{}]], dtype=object), labels=[0]), ["fit", "o.npz"], "pickle"),
    (write("k.npz", scores=Z, labels=Y), ["fit", "k.npz"], "scores"),
    (write("l.npz", logits=Z), ["fit", "l.npz"], "labels"),
    (write("b.npz", logits=Z, probs=Z, labels=Y), ["fit", "b.npz"], "--kind"),
    (write("n.npz", logits=Z + INFINITE, labels=Y), ["fit", "n.npz"], "row 1 (from 1) holds inf"),
    (write("r.npz", logits=Z, labels=Y + 1), ["fit", "r.npz"], "`labels`"),
    (write("h.npz", logits=Z, labels=Y + 0.5), ["fit", "h.npz"], "whole numbers"),
    (write("s.npz", logits=Z, labels=["a"] * 4), ["fit", "s.npz"], "--label-map"),
    (write("1.npz", logits=Z[:, :0], labels=Y * 0), ["fit", "1.npz"], "has no columns"),
    (write("0.npz", logits=Z[:0], labels=Y[:0]), ["fit", "0.npz"], "no rows"),
    (write("w.npz", logits=Z, labels=Y, weights=[1, 1, -1, 1]), ["fit", "w.npz"], "row 3 (from 1)"),
    (write("w.npz", logits=Z, labels=Y, weights=np.zeros(4)), ["fit", "w.npz"], "all be zero"),
    (write("p.npz", logits=Z, labels=Z.argmax(axis=1)), ["fit", "p.npz"], "--prior 1"),
    (write("a.npz", logits=Z, labels=Z.argmin(axis=1)), ["fit", "a.npz"], "no better than chance"),
    (write("c.npz", logits=Z * 0, labels=Y), ["fit", "c.npz"], "all logits are equal"),
    (write("q.npz", probs=Z, labels=Y), ["evaluate", "q.npz"], "`probs` must lie in"),
    (write("g.npz", logits=Z, labels=Y), ["fit", "g.npz", "--method", "magic"], "temperature"),
    (write("g.npz", logits=Z, labels=Y), ["fit", "g.npz", "--prior", "-1"], "--prior"),
    (write("g.npz", logits=Z, labels=Y), ["fit", "g.npz", "--kind", "odds"], "odds"),
    (write("g.npz", logits=Z, labels=Y), ["fit", "g.npz", "--bins", "0"], "--bins"),
    (write("g.npz", logits=Z, labels=Y), ["evaluate", "g.npz", "--max-ece", "nan"], "--max-ece"),
    (write("g.npz", logits=Z, labels=Y), ["evaluate", "g.npz", "--calibrator", "g.npz"], "JSON"),
    (write("g.npz", logits=Z, labels=Y), ["fit"], "CAL"),
    (write("g.npz", logits=Z, labels=Y), ["melt", "g.npz"], "melt"),
    (write("g.npz", logits=Z, labels=Y), ["fit", "g.npz", "--frobnicate"], "frobnicate"),
    (
        lambda d: (d / "m.csv").write_text("logit_a,logit_b,label\n1,2,a\n3,,b\n"),
        ["fit", "m.csv"], "line 3",
    ),
    (
        lambda d: (d / "d.csv").write_text("logit_a,logit_a,label\n1,2,a\n"),
        ["fit", "d.csv"], "logit_a",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("make", "arguments", "message"), BAD)
def test_bad_input_ends_in_one_line(run, tmp_path, make, arguments, message):
    """Exit code 2, one line on stderr that starts with `error:`, nothing on stdout, no file."""
    make(tmp_path)
    before = sorted(p.name for p in tmp_path.iterdir())
    assert message in run(*arguments, code=2).stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_calibrator_of_other_data(run, files, tmp_path):
    """Another number of classes, a newer file, other class names."""
    run("fit", "cal.npz")
    np.savez(tmp_path / "three.npz", logits=Z, labels=Y)
    for command in (["apply", "calibrator.json", "three.npz", "-o", "o.npz"],
                    ["evaluate", "three.npz", "--calibrator", "calibrator.json"]):  # fmt: skip
        assert "has 3 classes" in run(*command, code=2).stderr
    content = json.loads((tmp_path / "calibrator.json").read_text())
    content["format_version"] = 99
    (tmp_path / "calibrator.json").write_text(json.dumps(content))
    done = run("apply", "calibrator.json", "test.npz", "-o", "o.npz", code=2)
    assert "newer temperance" in done.stderr


def test_whole_float_labels_and_text_labels(run, tmp_path):
    """Labels 0.0/1.0/2.0 count as integers; names work where the file names its classes."""
    np.savez(tmp_path / "f.npz", logits=Z, labels=Y.astype(float))
    np.savez(
        tmp_path / "s.npz", logits=Z, labels=np.array(["x", "y", "z"])[Y], classes=["x", "y", "z"]
    )
    out = [
        json.loads(run("fit", name, "--prior", 1, "--json").stdout) for name in ("f.npz", "s.npz")
    ]
    assert out[0]["temperature"] == out[1]["temperature"]
    assert out[0]["warnings"]


def test_a_process_of_its_own(start, files):
    """`python -m temperance` ends with 0, 1 at a gate, 2 at bad input, and prints as elsewhere."""
    done = json.loads(start("fit", "cal.npz", "--quick", "--json").stdout)
    assert done["temperature"] == tp.TemperatureScaling.fit(*files["cal"]).temperature
    start("evaluate", "test.npz", "--quick", "--max-ece", "0", code=1)
    assert "nothing.npz" in start("fit", "nothing.npz", code=2).stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_about_a_screen(run, command):
    """At most 60 lines of 80 columns, of every command."""
    assert len(run(*command.split(), "--help", columns=80).stdout.rstrip().splitlines()) <= 60


@pytest.mark.parametrize(
    "command",
    ["fit", "evaluate", "apply", "threshold", "policy", "judge", "cascade", "plan", "compare",
     "shift"],
)  # fmt: skip
def test_the_rest_of_help_is_said_by_help_all(run, command):
    """How files are read, and how numbers are computed, is said by --help-all."""
    short, whole = (run(command, option, columns=80).stdout for option in ("--help", "--help-all"))
    assert "--id-column" not in short
    assert "--id-column" in whole
    assert "How files are read" in whole
    assert short.count("--") < whole.count("--")
    assert "<bool>" not in whole


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("command", ["fit", "shift", "completion", "monitor check"])
def test_paragraphs_of_help_fill_the_terminal(run, command, columns):
    """No line ends where its docstring's did: the next word would not have fitted."""
    words = run(*command.split(), "--help", columns=columns).stdout.partition("\u256d")[0]
    lines = [line.strip() for line in words.splitlines()]
    assert sum(map(bool, lines)) > 3
    for line, following in pairwise(lines):
        if line and following:
            assert len(f"{line} {following.split()[0]}") > columns - 2
