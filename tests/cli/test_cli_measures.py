"""The command line on several models, groups, clusters and numbers of resamples."""

import json
import re

import numpy as np
import pytest

import reference
import temperance as tp

QUICK = ("--resamples", 100, "--json")


@pytest.fixture
def models(tmp_path, sample):
    """Three models of the same 600 rows: raw, softer, and shuffled columns."""
    z, y = sample(3, n=600, k=4, temperature=2.0)
    np.savez(tmp_path / "raw.npz", logits=z, labels=y, ids=np.arange(600).astype(str))
    np.savez(tmp_path / "soft.npz", logits=z / 2)
    np.savez(tmp_path / "bad.npz", probs=reference.softmax(z[:, ::-1]))
    return z, y


def test_compare_is_that_of_python(run, models):
    """Same numbers as `tp.compare`; the second file needs no labels; probabilities may be mixed."""
    z, y = models
    result = json.loads(run("compare", "raw.npz", "soft.npz", "bad.npz", *QUICK).stdout)
    sides = {"raw": z, "soft": z / 2, "bad": z[:, ::-1]}
    expected = tp.compare(
        {name: reference.softmax(each) for name, each in sides.items()}, y, n_resamples=100
    )
    assert result["baseline"] == "raw"
    assert list(result["differences"]) == ["soft", "bad"]
    for name in ("soft", "bad"):
        for measure, each in expected.differences[name].to_dict().items():
            found = result["differences"][name][measure]
            assert found["verdict"] == each["verdict"]
            assert found["value"] == pytest.approx(each["value"], abs=1e-9)
            assert found["low"] == pytest.approx(each["low"], abs=1e-9)
    assert result["differences"]["soft"]["log_loss"]["verdict"] == "better"
    assert result["differences"]["bad"]["accuracy"]["verdict"] == "worse"
    assert "soft is better than raw in log loss" in result["headline"]
    assert "bad is worse than raw in log loss" in result["headline"]


def test_compare_a_calibrator_with_the_model_itself(run, models):
    """A .json file stands for the first file's logits after it."""
    run("fit", "raw.npz", "-o", "t.json", "--resamples", 100)
    result = json.loads(run("compare", "raw.npz", "t.json", "soft.npz", *QUICK).stdout)
    z, y = models
    scaled = tp.TemperatureScaling.fit(z, y).apply(z)
    after = result["evaluations"]["t"]["log_loss"]["value"]
    assert after == pytest.approx(tp.metrics.log_loss(scaled, y), rel=1e-12)
    assert result["differences"]["t"]["accuracy"] == {
        "value": 0.0, "low": 0.0, "high": 0.0, "verdict": "the same",
    }  # fmt: skip


def test_compare_for_people(run, models, tmp_path):
    """A sentence first, one table per model, and a report when asked."""
    text = run("compare", "raw.npz", "soft.npz", "bad.npz", "--quick", "--report", "c.html").stdout
    assert text.startswith("soft is better than raw in log loss")
    assert text.count("verdict") == 2
    assert "report: c.html" in text
    assert "bad" in (tmp_path / "c.html").read_text(encoding="utf-8")


def test_a_narrow_terminal_cuts_nothing(run, models):
    """At 40 columns every name, number and verdict is still there."""
    words = ("ECE, equal mass", "miscalibration", "difference (95 %)", "better")
    wide = run("compare", "raw.npz", "soft.npz", "--quick", columns=200).stdout
    narrow = run("compare", "raw.npz", "soft.npz", "--quick", columns=40).stdout
    for word in words:
        assert word in narrow
    assert re.findall(r"[-+]?\d\.\d+", narrow) == re.findall(r"[-+]?\d\.\d+", wide)
    assert "…" not in narrow


def test_compare_refuses_other_rows(run, models, tmp_path):
    """Rows, classes, ids and labels must be those of the first file, in its order."""
    z, y = models
    np.savez(tmp_path / "short.npz", logits=z[:10])
    np.savez(tmp_path / "narrow.npz", logits=z[:, :3])
    np.savez(tmp_path / "turned.npz", logits=z[::-1], labels=y[::-1])
    np.savez(tmp_path / "others.npz", logits=z, ids=np.arange(1, 601).astype(str))
    run("fit", "raw.npz", "-o", "t.json", "--resamples", 100)
    for arguments, words in [
        (["raw.npz"], "at least two files"),
        (["t.json", "raw.npz"], "first file must hold outputs and labels"),
        (["soft.npz", "raw.npz"], "has no labels"),
        (["raw.npz", "raw.npz"], "named twice"),
        (["raw.npz", "short.npz"], "has 10 rows"),
        (["raw.npz", "narrow.npz"], "3 classes"),
        (["raw.npz", "turned.npz"], "labels differ"),
        (["raw.npz", "others.npz"], "1 of 600 rows of raw.npz has an id that"),
        (["raw.npz", "none.npz"], "none.npz"),
        (["raw.npz", "soft.npz", "--resamples", "5"], "--resamples"),
        (["raw.npz", "soft.npz", "--report", "no/such/folder/c.html"], "no/such/folder"),
    ]:
        assert words in run("compare", *arguments, code=2).stderr


@pytest.fixture
def grouped(tmp_path, sample):
    """Half the rows calibrated, half over-confident; every row there twice, as one cluster."""
    z, y = sample(5, n=400, k=3, temperature=1.0)
    z[200:] *= 3
    group = np.where(np.arange(400) < 200, "plain", "sure of itself")
    lines = ["logit_a,logit_b,logit_c,label,subject,patient"]
    lines += [
        ",".join([*map(repr, z[i].tolist()), "abc"[y[i]], group[i], f"p{i}"])
        for i in np.arange(400).repeat(2)
    ]
    text = "\n".join(lines) + "\n"
    (tmp_path / "g.csv").write_text(text, encoding="utf-8")
    return z, y, group


def test_group_column(run, grouped):
    """--group names the column: the group that errs comes first, with a corrected p-value."""
    done = run(
        "evaluate", "g.csv", "--group", "subject", "--cluster", "patient", "--label-column",
        "label", *QUICK,
    )  # fmt: skip
    result = json.loads(done.stdout)
    first, second = result["groups"]
    assert (first["group"], first["n"]) == ("sure of itself", 400)
    assert first["adjusted_p_value"] < 0.001
    assert (second["group"], second["n"]) == ("plain", 400)
    assert second["adjusted_p_value"] > 0.01
    text = run("evaluate", "g.csv", "--group", "subject", "--quick").stdout
    assert "not calibrated" in text
    assert "sure of itself" in text


def test_clusters_of_copies_add_nothing(run, grouped, tmp_path):
    """Every row twice as one cluster: the intervals of every row once, by file or by Python."""
    z, y, _ = grouped
    doubled = json.loads(run("evaluate", "g.csv", "--cluster", "patient", *QUICK).stdout)
    np.savez(tmp_path / "once.npz", logits=z, labels=y)
    once = json.loads(run("evaluate", "once.npz", *QUICK).stdout)
    without = json.loads(run("evaluate", "g.csv", "--repeated-ids", "keep", *QUICK).stdout)
    assert (doubled["n"], doubled["n_clusters"], once["n_clusters"]) == (800, 400, None)
    for end in ("value", "low", "high"):
        near = 1e-9 if end == "value" else 0.003  # Student's t of 399 degrees of freedom
        assert doubled["log_loss"][end] == pytest.approx(once["log_loss"][end], rel=near)
    wide, narrow = (each["ece"]["high"] - each["ece"]["low"] for each in (doubled, without))
    assert wide > 1.15 * narrow
    assert doubled["score_test"]["z"] < without["score_test"]["z"]


def test_clusters_in_npz_and_jsonl(run, grouped, tmp_path):
    """The field `cluster` is found by its name, as `group` is."""
    z, y, group = grouped
    names = np.array([f"p{i // 2}" for i in range(400)])
    np.savez(tmp_path / "c.npz", logits=z, labels=y, groups=group, clusters=names)
    lines = [
        json.dumps({"logits": z[i].tolist(), "label": int(y[i]), "group": group[i],
                    "cluster": names[i]})
        for i in range(400)
    ]  # fmt: skip
    (tmp_path / "c.jsonl").write_text("\n".join(lines), encoding="utf-8")
    found = [json.loads(run("evaluate", f, *QUICK).stdout) for f in ("c.npz", "c.jsonl")]
    assert [each["n_clusters"] for each in found] == [200, 200]
    assert found[0]["log_loss"] == found[1]["log_loss"]
    assert [each["group"] for each in found[0]["groups"]] == ["sure of itself", "plain"]
    missing = run("evaluate", "c.npz", "--cluster", "patient", code=2)
    assert "patient" in missing.stderr


def test_clusters_in_parquet(run, grouped, tmp_path):
    """A column `cluster`, or the one that --cluster names."""
    table = pytest.importorskip("pyarrow").table
    parquet = pytest.importorskip("pyarrow.parquet")
    z, y, _ = grouped
    columns = {f"logit_{j}": z[:, j] for j in range(3)}
    names = np.array([f"p{i // 4}" for i in range(400)])
    for name in ("cluster", "patient"):
        parquet.write_table(
            table({**columns, "label": y, name: names}), tmp_path / f"{name}.parquet"
        )
    found = json.loads(run("evaluate", "cluster.parquet", *QUICK).stdout)
    named = json.loads(run("evaluate", "patient.parquet", "--cluster", "patient", *QUICK).stdout)
    assert found["n_clusters"] == named["n_clusters"] == 100


def test_number_of_resamples(run, models):
    """--resamples is what it says, --quick is 200; the seed makes the same numbers again."""
    found = {}
    for options in ("--resamples 100", "--quick", "--quick --seed 1"):
        done = run("evaluate", "raw.npz", *options.split(), "--json")
        found[options] = json.loads(done.stdout)
    assert [each["n_resamples"] for each in found.values()] == [100, 200, 200]
    again = json.loads(run("evaluate", "raw.npz", "--quick", "--json").stdout)
    assert again == found["--quick"]
    assert found["--quick --seed 1"]["ece"] != again["ece"]
    assert found["--quick --seed 1"]["log_loss"] == again["log_loss"]


def test_help_of_compare_and_plan(run):
    """Both are listed, and show an example."""
    whole = run("--help").stdout
    for command in ("compare", "plan"):
        assert command in whole
        assert f"Example: temperance {command}" in run(command, "--help").stdout
