"""`--kind answers` on the command line: fit, apply, evaluate, and what they refuse."""

import csv
import json

import numpy as np
import pytest

import temperance as tp
from temperance.llm import AnswerConfidence

ANSWERS = ("--kind", "answers", "--score-scale", "percent")


@pytest.fixture
def answers(tmp_path):
    """Stated percentages of an over-confident model: cal and test, in three formats."""
    rng = np.random.default_rng(0)
    stated = np.array([50, 60, 70, 80, 90, 100])
    arrays = {}
    for name, n in (("cal", 400), ("test", 300)):
        score = rng.choice(stated, size=n)
        correct = rng.random(n) < score / 150
        arrays[name] = (score, correct)
        np.savez(tmp_path / f"{name}.npz", score=score, correct=correct)
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["id", "score", "correct"])
            rows.writerows(
                (f"q{i}", *pair) for i, pair in enumerate(zip(*arrays[name], strict=True))
            )
        (tmp_path / f"{name}.jsonl").write_text(
            "".join(
                json.dumps({"score": int(s), "correct": bool(c)}) + "\n"
                for s, c in zip(*arrays[name], strict=True)
            )
        )
    return arrays


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "npz"])
def test_fit_apply_evaluate(run, tmp_path, answers, suffix):
    """All three give what Python gives, from every format."""
    done = run(
        "fit", f"cal.{suffix}", *ANSWERS, "--test", f"test.{suffix}", "--resamples", 100, "--json"
    )
    told = json.loads(done.stdout)
    assert (told["method"], told["kind"], told["n"]) == ("platt", "answers", 400)
    assert told["after"]["log_loss"] < told["before"]["log_loss"]
    own = AnswerConfidence.fit(*answers["cal"], scale="percent")
    saved = tp.load(tmp_path / "calibrator.json")
    assert saved.inner == own.inner
    run("apply", "calibrator.json", f"test.{suffix}", "-o", "out.npz")
    out = np.load(tmp_path / "out.npz")
    assert out["probs"] == pytest.approx(own.apply(answers["test"][0]), rel=1e-12)
    assert out["labels"].tolist() == answers["test"][1].tolist()
    done = run(
        "evaluate",
        f"test.{suffix}",
        "--calibrator",
        "calibrator.json",
        "--resamples",
        100,
        "--json",
    )
    measured = json.loads(done.stdout)
    assert measured["log_loss"]["value"] == pytest.approx(told["after"]["log_loss"])
    truth = answers["test"][1].astype(int)
    expected = tp.metrics.log_loss(own.apply(answers["test"][0]), truth)
    assert measured["log_loss"]["value"] == pytest.approx(expected)
    done = run("evaluate", "out.npz", "--resamples", 100, "--json")
    assert json.loads(done.stdout)["log_loss"]["value"] == pytest.approx(expected)


@pytest.mark.parametrize("method", ["beta", "isotonic", "venn-abers", "auto"])
def test_other_methods_and_a_report(run, tmp_path, answers, method):
    """Cross-fitted, with a report; auto chooses among the maps of answers."""
    done = run(
        "fit", "cal.csv", *ANSWERS, "--method", method, "--resamples", 100, "--json",
        "--report", "report.html",
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert told["evaluated_on"] == "cross-fitted"
    if method == "auto":
        names = {each["method"] for each in told["selection"]["candidates"]}
        assert names == {"identity", "platt", "beta", "isotonic", "venn-abers"}
    else:
        assert told["method"] == method
    assert isinstance(tp.load(tmp_path / "calibrator.json"), AnswerConfidence)
    assert "400 answers, score percent" in (tmp_path / "report.html").read_text()


def test_raw_scores_can_be_measured(run, answers):
    """Without a calibrator, as the probabilities that they state."""
    done = run("evaluate", "test.csv", *ANSWERS, "--resamples", 100, "--json")
    score, correct = answers["test"]
    stated = (score + 0.5) / 101
    expected = tp.metrics.log_loss(stated, correct.astype(int))
    assert json.loads(done.stdout)["log_loss"]["value"] == pytest.approx(expected)


def test_names_of_columns_and_counts(run, tmp_path):
    """Any names; counts of samples need to know of how many."""
    rng = np.random.default_rng(1)
    agree = rng.integers(0, 11, size=300)
    right = rng.random(300) < 0.1 + 0.06 * agree
    rows = "".join(f"{a},{r}\n" for a, r in zip(agree, right.astype(int), strict=True))
    (tmp_path / "samples.csv").write_text("agree,right\n" + rows)
    names = ("--score-column", "agree", "--label-column", "right")
    scale = ("--score-scale", "count", "--score-of", 10)
    run("fit", "samples.csv", "--kind", "answers", *names, *scale, "--resamples", 100)
    assert tp.load(tmp_path / "calibrator.json").score_scale.of == 10
    run("evaluate", "samples.csv", "--calibrator", "calibrator.json", *names, "--quick")
    run("apply", "calibrator.json", "samples.csv", *names, "-o", "out.csv")
    assert (tmp_path / "out.csv").read_text().startswith("label,prob\n")


def test_apply_needs_no_outcomes(run, tmp_path, answers):
    """New answers are not judged yet; ids are handed on."""
    run("fit", "cal.csv", *ANSWERS, "--resamples", 100)
    (tmp_path / "new.csv").write_text("id,score\na,90\nb,50\n")
    done = run("apply", "calibrator.json", "new.csv", "-o", "out.csv", "--json")
    saved = tp.load(tmp_path / "calibrator.json")
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0] == "id,prob"
    assert float(lines[1].removeprefix("a,")) == saved.apply([90])[0]
    assert json.loads(done.stdout)["mean_confidence"] == pytest.approx(saved.apply([90, 50]).mean())


def test_clusters_of_answers(run, answers, tmp_path):
    """Several answers to one question are one cluster."""
    text = (tmp_path / "cal.csv").read_text().splitlines()
    lines = [f"{text[0]},cluster"] + [f"{line},{i // 4}" for i, line in enumerate(text[1:])]
    (tmp_path / "clustered.csv").write_text("\n".join(lines) + "\n")
    done = run("fit", "clustered.csv", *ANSWERS, "--resamples", 100, "--json")
    assert json.loads(done.stdout)["n"] == 400


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("fit cal.csv --kind answers", "`--score-scale` must say what the scores are"),
        ("fit cal.csv --score-scale percent", "are for `--kind answers`"),
        ("fit cal.csv --kind answers --score-scale fraction", "Are they on the scale percent"),
        ("fit cal.csv --kind answers --score-scale count", "number of samples"),
        ("fit cal.csv --kind answers --score-scale bogus", "--score-scale"),
        ("fit cal.csv --kind answers --score-scale percent --score-of 5", "for the scale count"),
        ("fit cal.csv --kind answers --score-scale percent --method vector", "`--kind answers`"),
        ("fit cal.csv --kind answers --score-scale percent --method nope", "must be one of"),
        ("fit cal.csv --kind answers --score-scale percent --prior 1", "`--prior` has no meaning"),
        ("fit cal.csv --kind answers --score-scale percent --score-column no", "no column `no"),
        ("fit cal.csv --kind answers --score-scale percent --label-column no", "no column `no"),
        ("fit cal.csv --kind answers --score-scale percent --class-axis 1", "--class-axis"),
        ("fit cal.csv --kind answers --score-scale percent --ignore-label 1", "--ignore-label"),
        ("fit cal.csv --kind answers --score-scale percent --probs-column p", "--score-column"),
        ("fit cal.csv --kind answers --score-scale percent --test cal.csv", "other rows"),
        ("fit cal.csv --score-column score", "is for `--kind answers`"),
        ("fit graded.csv --kind answers --score-scale percent", "Graded answers"),
        ("fit nan.csv --kind answers --score-scale percent", "lacks a value of 'score'"),
        ("fit wrong.csv --kind answers --score-scale percent", "always true"),
        ("compare cal.csv test.csv --kind answers", "for fit, apply, evaluate"),
        ("plan cal.csv --kind answers", "for fit, apply, evaluate"),
        ("shift cal.csv test.csv --kind answers", "for fit, apply, evaluate"),
        ("evaluate test.csv --calibrator made.json --score-scale real", "that of the calibrator"),
        ("evaluate test.csv --calibrator made.json --kind probs", "must be answers"),
        ("evaluate test.csv --calibrator t.json --kind answers --score-scale percent",
         "needs a calibrator of answers"),
        ("apply made.json rows.npz -o out.csv", "no key `score`"),
        ("apply t.json test.csv -o out.csv --kind answers", "needs a calibrator of answers"),
        ("compare rows.npz made.json", "go together"),
    ],
)  # fmt: skip
def test_what_is_refused(run, tmp_path, answers, arguments, message):
    """One line that starts with error:, and exit code 2."""
    (tmp_path / "graded.csv").write_text("score,correct\n10,0\n90,0.5\n")
    (tmp_path / "nan.csv").write_text("score,correct\n10,0\nnan,1\n")
    (tmp_path / "wrong.csv").write_text("score,correct\n10,1\n90,1\n")
    np.savez(tmp_path / "rows.npz", logits=3 * np.eye(2), labels=[0, 1])
    tp.save(AnswerConfidence.fit(*answers["cal"], scale="percent"), tmp_path / "made.json")
    tp.save(tp.TemperatureScaling(2.0), tmp_path / "t.json")
    assert message in run(*arguments.split(), code=2).stderr
