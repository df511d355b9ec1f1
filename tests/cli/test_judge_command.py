"""`temperance judge`, and `temperance plan` of a judge's verdicts."""

import csv
import json

import numpy as np
import pytest

from temperance.llm import compare_pass_rates, pass_rate, plan_pass_rate


@pytest.fixture
def judged(tmp_path):
    """Verdicts on two systems as words in a CSV, as booleans in JSON Lines; 240 labels."""
    rng = np.random.default_rng(0)
    n = 1200
    y = rng.random(n) < 0.75
    f = np.where(rng.random(n) < 0.92, y, ~y)
    asked = rng.permutation(n) < 240
    systems = np.repeat(["old", "new"], n // 2)
    words = np.array(["fail", "pass"])
    with (tmp_path / "judged.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["id", "system", "question", "verdict", "human"])
        for i in range(n):
            said = words[int(y[i])] if asked[i] else ""
            table.writerow([f"r{i}", systems[i], i % 600, words[int(f[i])], said])
    with (tmp_path / "judged.jsonl").open("w", encoding="utf-8") as file:
        for i in range(n):
            line = {"id": f"r{i}", "judge": {"verdict": bool(f[i])}}
            file.write(json.dumps(line | ({"label": bool(y[i])} if asked[i] else {})) + "\n")
    return f.astype(float), np.where(asked, y, np.nan), systems


def test_words_and_booleans_give_the_same_rate(run, judged):
    """A blank, or a key that is not there, is a row that nobody was asked about."""
    f, labels, _ = judged
    words = run("judge", "judged.csv", "--label-column", "human", "--pass", "pass", "--json")
    booleans = run("judge", "judged.jsonl", "--judge-column", "judge.verdict", "--json")
    found = json.loads(words.stdout)
    expected = pass_rate(f, labels).to_dict()
    del expected["notes"]
    assert {key: found[key] for key in expected} == expected
    assert found["warnings"] == []
    other = json.loads(booleans.stdout)
    assert other["pass_rate"] == found["pass_rate"]
    assert len(other["data_sha256"]) == 64


def test_systems_are_compared(run, judged):
    """Each corrected by its own labels, rows of a question together."""
    f, labels, systems = judged
    done = run("judge", "judged.csv", "--label-column", "human", "--pass", "pass",
               "--system-column", "system", "--cluster-column", "question",
               "--baseline", "new", "--json")  # fmt: skip
    found = json.loads(done.stdout)
    expected = compare_pass_rates(
        f, labels, systems, baseline="new", clusters=np.arange(1200) % 600
    )
    assert found["differences"] == expected.to_dict()["differences"]
    assert found["baseline"] == "new"
    shown = run("judge", "judged.csv", "--label-column", "human", "--pass", "pass",
                "--system-column", "system")  # fmt: skip
    assert "less old" in shown.stdout


def test_labels_of_another_file_are_joined_by_id(run, judged, tmp_path):
    """In any order; ids that have no verdict are counted."""
    _, labels, _ = judged
    rows = np.flatnonzero(~np.isnan(labels))[::-1]
    lines = ["id,label", *(f"r{i},{int(labels[i])}" for i in rows), "r9999,1"]
    (tmp_path / "people.csv").write_text("\n".join(lines), encoding="utf-8")
    done = run("judge", "judged.jsonl", "--judge-column", "judge.verdict",
               "--labels", "people.csv", "--json")  # fmt: skip
    inside = run("judge", "judged.jsonl", "--judge-column", "judge.verdict", "--json")
    found = json.loads(done.stdout)
    assert found["pass_rate"] == json.loads(inside.stdout)["pass_rate"]
    assert "1 label of ids that" in found["warnings"][0]
    assert "r9999" in found["warnings"][0]


def test_rows_without_a_verdict_are_left_out_and_told(run, tmp_path):
    """A judge that did not answer has not passed."""
    lines = ["verdict,label", *["1,1", "0,0", ",1"] * 20]
    (tmp_path / "some.csv").write_text("\n".join(lines), encoding="utf-8")
    done = run("judge", "some.csv")
    assert "40 rows, 40 labelled" in done.stdout
    assert "left out 20 rows without a verdict" in done.stderr


def test_plan_of_a_judge(run, judged):
    """From labels there are, or from an agreement that is thought of."""
    f, labels, _ = judged
    done = run("plan", "judged.csv", "--judge-column", "verdict", "--label-column", "human",
               "--pass", "pass", "--half-width", "0.025", "--json")  # fmt: skip
    expected = plan_pass_rate(f, labels, half_width=0.025).to_dict()
    found = json.loads(done.stdout)
    assert {key: found[key] for key in expected} == expected
    shown = run("plan", "judged.csv", "--judge-column", "verdict", "--pass", "pass",
                "--agreement", "0.9")  # fmt: skip
    assert "labels needed to know the pass rate to +-0.0300" in shown.stdout
    assert "planned from 1,200 verdicts of judged.csv, 0 labels" in shown.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["judge", "judged.csv"], "`verdict` must hold 1 or true .*--pass pass"),
        (["judge", "judged.csv", "--pass", "pass"], "has no column `label`"),
        (["judge", "judged.jsonl"], "has no key `verdict` in any of its 1,200 lines"),
        (["judge", "judged.jsonl", "--judge-column", "judge"], "one value per line; line 1"),
        (["judge", "judged.jsonl", "--judge-column", "judge.verdict", "--labels", "judged.csv",
          "--pass", "pass", "--label-column", "question", "--id-column", "question"],
         "has no key `question`"),
        (["judge", "judged.csv", "--pass", "pass", "--label-column", "human", "--labels",
          "judged.csv", "--id-column", "system"], "ids must name one row each"),
        (["judge", "judged.csv", "--baseline", "old"], "`--baseline` needs --system-column"),
        (["judge", "judged.csv", "--method", "guess"], "Invalid value for '--method'"),
        (["plan", "judged.csv", "--agreement", "0.9"], "`--agreement` needs --judge-column"),
        (["plan", "judged.csv", "--judge-column", "verdict", "--pass", "pass"],
         "`--agreement` must say how often"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(run, judged, words, message):
    """Exit code 2, what was wrong, and what to do."""
    done = run(*words, code=2)
    assert len(done.stderr.splitlines()) == 1
    import re

    assert re.search(message, done.stderr), done.stderr
