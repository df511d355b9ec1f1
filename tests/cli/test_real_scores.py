"""Scores that claim no probability (`--score-scale real`): a map must beat the base rate."""

import json

import numpy as np
import pytest

import temperance as tp
from temperance.llm import AnswerConfidence

OPTIONS = ("--kind", "answers", "--score-scale", "real")


@pytest.fixture
def deciles(tmp_path):
    """Scores 1 to 10, a decile each, with P(right) from .2 to .8; the file is in the folder."""
    rng = np.random.default_rng(0)
    score = rng.integers(1, 11, 800)
    correct = (rng.random(800) < 0.2 + 0.6 * (score - 1) / 9) * 1
    lines = [f"{s},{c}\n" for s, c in zip(score, correct, strict=True)]
    (tmp_path / "in.csv").write_text("score,correct\n" + "".join(lines))
    return score, correct


def entropy(correct):
    share = correct.mean()
    return -(share * np.log(share) + (1 - share) * np.log(1 - share))


def test_no_word_of_what_the_scores_claim(run, tmp_path, deciles):
    """Neither terminal nor page takes a decile for a log-odds: no 99 %, no over-confidence."""
    shown = run("fit", "in.csv", *OPTIONS, "--quick", "--report", "r.html").stdout
    run("evaluate", "in.csv", "--calibrator", "calibrator.json", "--quick", "--report", "e.html")
    for text in (shown, (tmp_path / "r.html").read_text(), (tmp_path / "e.html").read_text()):
        for claim in (
            "this model says",
            "99 %",
            "99\u00a0%",
            "confident (",
            "is what the model does not know",
        ):
            assert claim not in text, claim
        assert "knowing only how often answers are right" in text
    assert "base rate" in shown


def test_before_is_the_base_rate(run, tmp_path, deciles):
    """Every "before" in the JSON and the file is of a constant, of `fit` and of `evaluate`."""
    _, correct = deciles
    done = json.loads(run("fit", "in.csv", *OPTIONS, "--quick", "--json").stdout)
    assert done["baseline"] == "base-rate"
    assert done["before"]["log_loss"] == pytest.approx(entropy(correct), abs=1e-4)
    assert done["before"]["ece"] < 1e-3
    assert done["differences"]["log_loss"]["value"] < 0
    fit = json.loads((tmp_path / "calibrator.json").read_text())["fit"]
    assert fit["log_loss_before"] == pytest.approx(entropy(correct), abs=1e-4)
    assert fit["score_test"]["z"] == 0.0
    found = ("evaluate", "in.csv", "--calibrator", "calibrator.json", "--quick", "--json")
    assert json.loads(run(*found).stdout)["before"]["ece"]["value"] < 1e-3
    percent = ("--kind", "answers", "--score-scale", "percent", "--quick", "--json")
    assert json.loads(run("fit", "in.csv", *percent).stdout)["baseline"] == "before"


def test_the_record_in_python(deciles):
    """The same facts from `AnswerConfidence.fit`, and its text is silent about confidence."""
    score, correct = deciles
    found = AnswerConfidence.fit(score, correct, scale="real")
    assert found.record.log_loss_before == pytest.approx(entropy(correct), abs=1e-4)
    assert "confident" not in str(found)
    assert "log loss of the base rate" in found._repr_html_()
    assert "confident" in str(AnswerConfidence.fit(score, correct, scale="percent"))


def test_auto_must_beat_the_base_rate(run, tmp_path, deciles):
    """Scores that tell something get a map; noise gets an error that says so, and a way out."""
    done = json.loads(
        run("fit", "in.csv", *OPTIONS, "--method", "auto", "--quick", "--json").stdout
    )
    names = [each["method"] for each in done["selection"]["candidates"]]
    assert names == ["base-rate", "platt", "beta", "isotonic", "venn-abers"]
    base = done["selection"]["candidates"][0]["log_loss"]["value"]
    assert base == pytest.approx(entropy(deciles[1]), abs=0.002)
    shown = run("fit", "in.csv", *OPTIONS, "--method", "auto", "--quick").stdout
    assert "less base rate" in shown
    assert "doing nothing" not in shown
    rng = np.random.default_rng(1)
    lines = [
        f"{s:.3f},{c}\n" for s, c in zip(rng.normal(size=300), rng.integers(0, 2, 300), strict=True)
    ]
    (tmp_path / "noise.csv").write_text("score,correct\n" + "".join(lines))
    fit = ("fit", "noise.csv", *OPTIONS, "--quick")
    assert "how often answers are right" in run(*fit, "--method", "auto", code=2).stderr


def test_what_would_take_scores_for_probabilities(run, deciles):
    """Refused, each with a way out that works."""
    evaluate = ("evaluate", "in.csv", *OPTIONS, "--quick")
    told = run(*evaluate, code=2).stderr
    assert "temperance fit in.csv --kind answers --score-scale real" in told
    run("fit", "in.csv", "--kind", "answers", "--score-scale", "real", "--quick")
    run("evaluate", "in.csv", "--calibrator", "calibrator.json", "--quick")
    assert "platt, beta" in run("fit", "in.csv", *OPTIONS, "--method", "identity", code=2).stderr
    risk = ("threshold", "in.csv", *OPTIONS, "--max-risk", "0.4")
    assert "leave it out" in run(*risk, "--as-is", code=2).stderr
    run(*risk)
    score, correct = deciles
    with pytest.raises(tp.InvalidInputError, match="real scores"):
        AnswerConfidence.fit(score, correct, scale="real", method="identity")


def test_weights_and_extremes_of_the_base_rate(run, tmp_path):
    """All right in the test file: the base rate is finite; weights count by their ratios."""
    rng = np.random.default_rng(2)
    score = rng.normal(size=200)
    correct = (rng.random(200) < 1 / (1 + np.exp(-score))) * 1

    def write(name, correct, weight):
        lines = [f"{s},{c},{weight}\n" for s, c in zip(score, correct, strict=True)]
        (tmp_path / name).write_text("score,correct,weight\n" + "".join(lines))

    write("a.csv", correct, 1.0)
    write("b.csv", correct, 0.001)
    write("c.csv", np.ones(200, int), 1.0)
    one, same = (
        json.loads(run("fit", f"{name}.csv", *OPTIONS, "--quick", "--json").stdout)["before"]
        for name in "ab"
    )
    assert one["log_loss"] == pytest.approx(same["log_loss"])
    found = ("evaluate", "c.csv", "--calibrator", "calibrator.json", "--quick", "--json")
    assert 0 < json.loads(run(*found).stdout)["before"]["log_loss"]["value"] < 0.01
