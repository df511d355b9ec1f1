"""`temperance policy`, and `temperance apply` with what it writes."""

import csv
import json

import numpy as np
import pytest

import temperance as tp
from commands import json_of
from temperance.decisions import bands, coverage_table, load_policy
from temperance.decisions.split import split_rows
from temperance.readers import read

PROMISES = ("--min-precision", "0.85", "--max-fnr", "0.05")
LIMITS = {"min_precision": 0.85, "max_false_negative_rate": 0.05}


@pytest.fixture
def data(tmp_path):
    """Two classes by name, too sure by half, in files with groups and documents of three rows."""
    rng = np.random.default_rng(0)
    arrays = {}
    for name in ("cal", "test"):
        z = 3 * rng.normal(size=3000)
        y = (rng.random(3000) < 1 / (1 + np.exp(-z / 1.5))).astype(int)
        p = 1 / (1 + np.exp(-z))
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            out = csv.writer(file)
            out.writerow(["prob_no", "prob_yes", "label", "group", "document"])
            for i in range(3000):
                row = [1 - p[i], p[i], ("no", "yes")[y[i]], f"q{i % 2}", f"d{i // 3}"]
                out.writerow(row)
        arrays[name] = (np.stack([np.log(1 - p), np.log(p)], axis=1), y)
    return arrays


def rows_of(path):
    """The rows of a table, by the names of its columns."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_bands_as_by_hand(run, data, tmp_path):
    """A fifth of the rows fits T, the others set both thresholds; the test rows measure them."""
    done = run("policy", "cal.csv", "--event", "yes", *PROMISES, "--test", "test.csv", "--json")
    result = json_of(done)
    z, y = data["cal"]
    fits = split_rows(y, 0.2, seed=0, scores=(z,))
    scaling = tp.TemperatureScaling.fit(z[fits], y[fits])
    rule = bands(scaling.apply(z[~fits]), y[~fits], event=1, **LIMITS)
    part = rule.parts[0]
    assert result["temperature"] == pytest.approx(scaling.temperature)
    assert (result["accept_from"], result["reject_to"]) == (part.accept_from, part.reject_to)
    assert result["score"] == "P(yes)"
    assert result["promises"] == LIMITS
    assert result["rows"] == rule.counts.to_dict()
    counts = rule.measure(scaling.apply(data["test"][0]), data["test"][1]).to_dict()
    assert result["test"] == counts
    assert (result["use"]["n_fit"], result["use"]["n_threshold"]) == (fits.sum(), (~fits).sum())
    assert result["policy"] == "policy.json"
    assert load_policy(tmp_path / "policy.json").rule.guarantee == result["guarantee"]
    shown = run("policy", "cal.csv", "--event", "yes", *PROMISES, "--test", "test.csv").stdout
    assert "at least 85 % of what is accepted is yes" in shown
    assert "at most 5 % of the rows that are yes are rejected" in shown


@pytest.mark.parametrize("suffix", ["csv", "npz", "jsonl", "parquet"])
def test_apply_writes_the_band_of_every_row(run, data, tmp_path, suffix):
    """`band` beside `accepted` in every format that has columns, as `decide` gives it."""
    if suffix == "parquet":
        pq = pytest.importorskip("pyarrow.parquet")
    run("policy", "cal.csv", "--event", "yes", *PROMISES)
    run("apply", "policy.json", "test.csv", "-o", f"out.{suffix}")
    policy = load_policy(tmp_path / "policy.json")
    expected = policy.decide(data["test"][0]).bands.tolist()
    assert set(expected) == {"accept", "review", "reject"}
    path = tmp_path / f"out.{suffix}"
    if suffix == "csv":
        found = rows_of(path)
        assert [each["band"] for each in found] == expected
        assert [each["accepted"] == "true" for each in found] == [e == "accept" for e in expected]
    elif suffix == "npz":
        assert np.load(path)["band"].tolist() == expected
    elif suffix == "jsonl":
        assert [json.loads(line)["band"] for line in path.read_text().splitlines()] == expected
    else:
        assert pq.read_table(path)["band"].to_pylist() == expected
    assert read(path).values.shape == (3000, 2)  # what is written is read back


def test_documents_are_accepted_whole(run, data, tmp_path):
    """`--composite`: rows of a cluster share one decision, in the file and where it is applied."""
    where = ("--cluster-column", "document")
    tp.save(tp.TemperatureScaling(1.5, n_classes=2, classes=("no", "yes")), tmp_path / "c.json")
    done = run("policy", "cal.csv", "--composite", "product", *where, "--min-precision", "0.6",
               "--calibrator", "c.json", "--json")  # fmt: skip
    result = json_of(done)
    assert (result["n"], result["n_given"], result["composite"]) == (1000, 3000, "product")
    run("apply", "policy.json", "test.csv", *where, "-o", "out.csv")
    found = rows_of(tmp_path / "out.csv")
    of = np.arange(3000) // 3
    by_hand = load_policy(tmp_path / "policy.json").decide(data["test"][0], clusters=of)
    assert [each["band"] for each in found] == by_hand.bands.tolist()
    assert {len({each["band"] for each in found[i : i + 3]}) for i in range(0, 3000, 3)} == {1}
    error = run("apply", "policy.json", "test.csv", "-o", "out.csv", code=2).stderr
    assert "`clusters` must be given" in error


def test_bands_of_every_group(run, data, tmp_path):
    """One file for all questions; rows of another group are for review, and counted."""
    run("policy", "cal.csv", "--event", "yes", "--per-group", "--min-precision", "0.8",
        "--min-npv", "0.8", "--as-is")  # fmt: skip
    rule = load_policy(tmp_path / "policy.json").rule
    assert [part.group for part in rule.parts] == ["q0", "q1"]
    text = (tmp_path / "test.csv").read_text().replace(",q1,", ",q9,")
    (tmp_path / "new.csv").write_text(text)
    done = run("apply", "policy.json", "new.csv", "-o", "out.csv")
    assert "1,500 rows of groups without a promise" in done.stderr
    found = rows_of(tmp_path / "out.csv")
    assert {each["band"] for each in found if each["group"] == "q9"} == {"review"}
    assert {each["band"] for each in found if each["group"] == "q0"} == {
        "accept", "review", "reject"}  # fmt: skip


def test_a_table_of_risks_in_one_look(run, data, tmp_path):
    """Without promises: coverage at .01, .02, .05, .1, all at once; one may be chosen."""
    result = json_of(run("policy", "cal.csv", "--as-is", "--json"))
    z, y = data["cal"]
    table = coverage_table(np.exp(z), y)
    assert result["risks"] == table.to_dict()["risks"]
    assert [each["max_risk"] for each in result["risks"]] == [0.01, 0.02, 0.05, 0.1]
    assert result["policy"] is None
    assert not (tmp_path / "policy.json").exists()
    run("policy", "cal.csv", "--as-is", "--risks", "0.1,0.3", "--choose", "0.3")
    rule = load_policy(tmp_path / "policy.json").rule
    assert (rule.max_risk, rule.confidence) == (0.3, pytest.approx(1 - 0.05 / 2))
    for words, options in (
        ("must be a risk of the table, 0.01, 0.02", ("--choose", "0.03")),
        ("must be numbers with commas", ("--risks", "0.1;0.2")),
        ("each once", ("--risks", "0.1,0.1")),
        ("`--risks` must be a number between", ("--risks", "0.1,1.5")),
        ("is of the table", ("--choose", "0.1", "--min-recall", "0.5")),
        ("`--event` needs a promise", ("--event", "yes")),
        ("About", ("--as-is", "--risks", "0.0001,0.1", "--choose", "0.0001")),
    ):
        done = run("policy", "cal.csv", *options, code=2)
        assert words in done.stderr
        assert done.stderr.count("\n") == 1


def test_refusals_are_one_line(run, data):
    """Promises that exclude each other, too few rows, no such class, twice the same labels."""
    for words, options in (
        ("exclude each other on these rows", ("--min-precision", "0.8", "--min-recall", "0.9")),
        ("The rows of the fit come on top: `--fit-share`, 0.2", ("--max-fpr", "0.0001")),
        ("`event` must be", ("--event", "maybe", "--min-recall", "0.5")),
        ("--min-recall` must be a number strictly between", ("--min-recall", "1")),
        ("needs `--cluster-column`", ("--composite", "minimum", "--min-precision", "0.5")),
    ):  # fmt: skip
        own = () if "--event" in options or "--composite" in options else ("--event", "yes")
        done = run("policy", "cal.csv", *own, *options, code=2)
        assert words in done.stderr, done.stderr
        assert done.stderr.count("\n") == 1


def test_refusals_speak_of_the_options_that_were_given(run, data):
    """A risk of the table is --choose; rows of the fit come on top of a number, not of none."""
    told = run("policy", "cal.csv", "--choose", "0.01", code=2).stderr
    assert told.startswith("error: cal.csv: `--choose` 0.01 cannot be promised")
    assert "--max-risk" not in told
    never = ("--event", "yes", "--min-precision", "0.999", "--min-recall", "0.999")
    told = run("policy", "cal.csv", *never, code=2).stderr
    assert "No number of labels would do" in told
    assert "come on top" not in told


def test_labels_used_twice_are_told(run, data):
    """A calibrator that was fitted on the very file: nothing is promised, and it is said."""
    run("fit", "cal.csv")
    done = run("policy", "cal.csv", "--event", "yes", *PROMISES, "--calibrator", "calibrator.json")
    assert "WAS FITTED ON" in done.stderr


def test_a_policy_whose_calibrator_was_fitted_again(run, data, tmp_path):
    """Another temperature in the file than the counts are of: refused by apply and serve alike."""
    run("policy", "cal.csv", "--event", "yes", *PROMISES)
    content = json.loads((tmp_path / "policy.json").read_text())
    content["calibrator"]["parameters"]["temperature"] *= 1.1
    content["calibrator"]["fit"] = {}
    (tmp_path / "policy.json").write_text(json.dumps(content))
    done = run("apply", "policy.json", "test.csv", "-o", "out.csv", code=2)
    assert "the counts are of another map" in done.stderr
