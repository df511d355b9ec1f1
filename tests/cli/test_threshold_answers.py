"""Thresholds on P(correct) of whole answers: Python, `temperance threshold`, and the policy."""

import json

import numpy as np
import pytest
from scipy.stats import binom

import temperance as tp
from temperance.decisions import DecisionPolicy, abstain, load_policy


def answers(n=3000, seed=0):
    """Stated percentages, heaped at tens, of a model that is over-confident; right or wrong."""
    rng = np.random.default_rng(seed)
    stated = rng.choice(np.arange(10, 101, 10), n)
    right = rng.random(n) < np.clip(stated / 100, 0, 1) ** 1.5 * 0.97
    return stated.astype(float), right


def slow_threshold(chance, right, risk, start):
    """Thresholds from `start` down in steps of .001, until one fails."""
    kept = None
    for step in range(round(start * 1000), -1, -1):
        accepted = chance >= step / 1000
        n, wrong = accepted.sum(), (accepted & ~right).sum()
        if n == 0 or binom.cdf(wrong, n, risk) > 0.05:
            return kept
        kept = step / 1000
    return kept


def test_an_answer_is_wrong_by_its_label_alone():
    """Not by whether its probability is below one half: whoever answers stands by it."""
    chance = np.repeat([0.45, 0.05], 400)
    right = np.repeat([True, False], 400)
    rule = abstain(chance, right, max_risk=0.02, answers=True)
    assert rule.accepts([0.45, 0.44, 0.05]).tolist() == [True, rule.threshold <= 0.44, False]
    assert rule.threshold == pytest.approx(slow_threshold(chance, right, 0.02, 0.45))
    outcome = rule.measure(chance, right, answers=True)
    assert (outcome.accepted, outcome.errors) == (400, 0)
    verdicts = abstain(1 - chance, ~right, max_risk=0.02)  # .95 sure of being wrong, and they are
    assert verdicts.accepts([0.95]).all()
    with pytest.raises(tp.InvalidInputError, match=r"probability \(n,\) that each is right"):
        abstain(np.stack([1 - chance, chance], 1), right, max_risk=0.02, answers=True)


def test_from_scores_to_accepted_answers(run, tmp_path):
    """The command splits, fits Platt, sets the threshold; the policy decides new answers."""
    stated, right = answers()
    lines = [f"{s:g},{int(r)}" for s, r in zip(stated, right, strict=True)]
    (tmp_path / "a.csv").write_text("\n".join(["score,correct", *lines]), encoding="utf-8")
    options = ("--kind", "answers", "--score-scale", "percent", "--max-risk", 0.15)
    found = json.loads(run("threshold", "a.csv", *options, "--json").stdout)
    assert found["method"] == "platt"
    policy = load_policy(tmp_path / "policy.json")
    chance, accepted = policy.apply(stated)
    assert (accepted == (chance >= found["threshold"])).all()
    assert 0.0 < accepted.mean() < 1.0
    assert accepted[stated == 100].all()
    assert not accepted[stated == 50].any()
    new, new_right = answers(seed=1)
    assert 1 - new_right[policy.apply(new).accepted].mean() < 0.15
    run("apply", "policy.json", "a.csv", "-o", "out.csv")
    rows = (tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()
    column = rows[0].split(",").index("accepted")
    written = [row.split(",")[column].lower() in {"true", "1"} for row in rows[1:]]
    assert written == accepted.tolist()
    page = run("threshold", "a.csv", *options, "--report", "t.html").stdout
    assert found["guarantee"] in page
    assert (tmp_path / "t.html").stat().st_size > 10_000


def test_with_a_calibrator_of_other_answers(run, tmp_path):
    """All rows set the threshold; the scale is that of the calibrator; as they are is possible."""
    stated, right = answers()
    fitted = tp.llm.AnswerConfidence.fit(*answers(seed=5), scale="percent", method="isotonic")
    tp.save(fitted, tmp_path / "c.json")
    np.savez(tmp_path / "a.npz", score=stated, correct=right)
    options = ("--max-risk", 0.15, "--json")
    found = json.loads(run("threshold", "a.npz", "--calibrator", "c.json", *options).stdout)
    rule = abstain(fitted.apply(stated), right, max_risk=0.15, answers=True)
    assert found["threshold"] == rule.threshold
    assert found["rows"]["errors"] == rule.outcome.errors
    policy = DecisionPolicy(fitted, rule)
    assert (policy.apply(stated).accepted == (fitted.apply(stated) >= rule.threshold)).all()
    raw = ("--kind", "answers", "--score-scale", "percent", "--as-is", *options)
    found = json.loads(run("threshold", "a.npz", *raw).stdout)
    as_is = tp.llm.AnswerConfidence.fit(stated, right, scale="percent", method="identity")
    rule = abstain(as_is.apply(stated), right, max_risk=0.15, answers=True)
    assert found["threshold"] == rule.threshold
    err = run("threshold", "a.npz", "--kind", "answers", "--max-risk", 0.1, code=2).stderr
    assert "--score-scale" in err


def test_a_calibrator_of_answers_asks_for_their_score(run, tmp_path):
    """A file without it: the option that names it, not those of the scores of classes."""
    stated, right = answers(400)
    lines = ["score,correct", *(f"{s},{int(r)}" for s, r in zip(stated, right, strict=True))]
    (tmp_path / "fit.csv").write_text("\n".join(lines))
    run("fit", "fit.csv", "--kind", "answers", "--score-scale", "percent", "-o", "a.json")
    (tmp_path / "other.csv").write_text("\n".join(["sure,correct", *lines[1:]]))
    np.savez(tmp_path / "z.npz", logits=np.zeros((4, 2)), labels=[0, 1, 0, 1])
    (tmp_path / "z.jsonl").write_text('{"logits": [0.0, 1.0], "label": 1}\n')
    for name in ("other.csv", "z.npz", "z.jsonl"):
        told = run("evaluate", name, "--calibrator", "a.json", code=2).stderr
        assert "`--score-column` names the column or key that holds it" in told
        assert "--logits-column" not in told
        assert "columns of the classes" not in told
    run("evaluate", "other.csv", "--calibrator", "a.json", "--score-column", "sure", "--quick")
