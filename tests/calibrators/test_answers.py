"""Confidence in whole answers: scores, their scales, the map to P(correct), heaped values."""

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import reference
import temperance as tp
from reference import sigmoid
from temperance.llm import (
    AnswerConfidence,
    AnswerScale,
    answer_log_odds,
    rates_by_score,
    sequence_scores,
)

METHODS = ("platt", "beta", "isotonic", "venn-abers")
# Stated percentages, how often each is stated, and how often it is then right: no logistic curve.
STATED = np.array([0, 10, 20, 50, 60, 70, 80, 90, 95, 100])
SHARE = np.array([2, 1, 2, 5, 5, 10, 20, 25, 15, 15]) / 100
TRUTH = np.array([0.05, 0.1, 0.12, 0.25, 0.3, 0.38, 0.5, 0.62, 0.66, 0.78])


def heaped(n, rng):
    """Answers with ten distinct stated percentages, and whether they are right."""
    which = rng.choice(len(STATED), size=n, p=SHARE)
    return STATED[which], rng.random(n) < TRUTH[which]


def test_log_odds_by_hand():
    """Each scale at points where the answer is known."""
    assert answer_log_odds([math.log(0.75)], scale="logprob") == pytest.approx(math.log(3))
    assert answer_log_odds([0.75, 0.5], scale="probability") == pytest.approx([math.log(3), 0])
    assert answer_log_odds([50, 100], scale="percent") == pytest.approx([0, math.log(100.5 / 0.5)])
    assert answer_log_odds([2, 0], scale="count", of=4) == pytest.approx([0, math.log(0.5 / 4.5)])
    assert answer_log_odds([-7.5], scale="real").tolist() == [-7.5]
    fractions = answer_log_odds([0.0, 0.9, 1.0], scale="fraction")
    assert fractions == pytest.approx(answer_log_odds([0, 90, 100], scale="percent"))


@pytest.mark.parametrize(
    ("scale", "scores"),
    [
        ("logprob", [-900.0, -30.0, -1.0, -1e-3, -1e-6, -1e-12, 0.0, 1e-7]),
        ("probability", [0.0, 1e-30, 1e-9, 0.5, 1 - 1e-6, 1.0]),
        ("fraction", [0.0, 0.01, 0.5, 0.99, 0.999, 1.0]),
        ("percent", [0, 1, 50, 99, 99.9, 100]),
    ],
)
def test_log_odds_are_finite_and_rise(scale, scores):
    """The ends, which rounding reaches, have log-odds too, and never below their neighbours'."""
    odds = answer_log_odds(scores, scale=scale)
    assert np.isfinite(odds).all()
    assert (np.diff(odds) >= 0).all()


@pytest.mark.parametrize(
    ("scale", "of", "scores", "message"),
    [
        ("percents", None, [1], "one of logprob, probability"),
        ("count", None, [1], "`of` must be the number of samples"),
        ("count", 0, [1], "`of` must be the number of samples"),
        ("percent", 100, [1], "for the scale count and no other"),
        ("count", 5, [6], "counts of 5, whole numbers; row 0 holds 6"),
        ("count", 5, [1, 2.5], "row 1 holds 2.5"),
        ("logprob", None, [-1, 0.7], "at most 0; row 1 holds 0.7"),
        ("count", 5, [3, 7], "Counts of more samples, 7 or above"),
        ("logprob", None, [0.9, 0.7], "Are they on the scale fraction or percent"),
        ("logprob", None, [-1, -9999.0], "server's word"),
        ("logprob", None, [-1, -np.inf], "row 1 holds -inf"),
        ("probability", None, [0.5, 90], "row 1 holds 90 .1 such row.. Are .* scale percent"),
        ("percent", None, [-0.5, -3], "Are they on the scale logprob"),
        ("percent", None, [0.9, 0.95, 0.8, 1.0, 0.7], "look like fractions: all 5"),
        ("real", None, [1, np.nan], "finite; row 1 holds nan.*Leave answers without a score out"),
        ("real", None, [[1.0]], "shape .n,., one score per answer"),
        ("real", None, ["high"], "must hold numbers"),
    ],
)  # fmt: skip
def test_bad_scores(scale, of, scores, message):
    """A scale is never guessed; a score outside it names the row, and the scale that would fit."""
    with pytest.raises(tp.InvalidInputError, match=message):
        answer_log_odds(scores, scale=scale, of=of)


def test_a_few_low_percentages_are_percentages():
    """One per cent, or nought, is no fraction."""
    assert answer_log_odds([1, 0, 1, 1, 0, 0], scale="percent")[0] == pytest.approx(
        np.log(1.5 / 99.5)
    )
    assert answer_log_odds([0.5], scale="percent") == pytest.approx(np.log(1 / 100))


def test_platt_finds_the_curve_that_made_the_data():
    """Right with probability sigmoid(0.3 log-odds - 1): slope and intercept within 4 errors."""
    rng = np.random.default_rng(1)
    score = -rng.gamma(2.0, 2.0, size=20_000)
    odds = answer_log_odds(score, scale="logprob")
    correct = rng.random(len(odds)) < sigmoid(0.3 * odds - 1.0)
    found = AnswerConfidence.fit(score, correct, scale="logprob")
    assert found.inner.slope == pytest.approx(0.3, abs=0.03)
    assert found.inner.intercept == pytest.approx(-1.0, abs=0.12)
    assert found.apply([-1.0])[0] == pytest.approx(
        sigmoid(0.3 * answer_log_odds([-1.0], scale="logprob")[0] - 1.0), abs=0.02
    )
    assert found.record.n == 20_000


@pytest.mark.parametrize("method", METHODS)
def test_the_same_as_a_calibrator_of_two_classes(method):
    """Nothing but the score's log-odds goes in, and equal scores come out equal in any order."""
    scores, correct = heaped(600, np.random.default_rng(2))
    found = AnswerConfidence.fit(scores, correct, scale="percent", method=method)
    odds = answer_log_odds(scores, scale="percent")
    own = tp.METHODS[method].fit(odds, correct.astype(int))
    assert found.apply(scores) == pytest.approx(own.apply(odds)[:, 1], abs=1e-12)
    assert sigmoid(found.scale(scores)) == pytest.approx(found.apply(scores), abs=1e-12)
    order = np.random.default_rng(3).permutation(600)
    again = AnswerConfidence.fit(scores[order], correct[order], scale="percent", method=method)
    assert again.apply(STATED) == pytest.approx(found.apply(STATED), abs=1e-9)
    assert (np.diff(found.apply(STATED)) >= 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_only_ratios_of_weights_matter(method):
    """Of ties as well; a weight of 0 leaves out, and only likelihood takes 2 for a row twice."""
    scores, correct = heaped(300, np.random.default_rng(4))
    twice = np.arange(300) % 3 == 0

    def said(weights=None, places=slice(None)):
        found = AnswerConfidence.fit(
            scores[places], correct[places], scale="percent", method=method, weights=weights
        )
        return found.apply(STATED)

    known = said(1.0 + twice)
    for scale in (1.0 / 400, 1e6):
        assert said(scale * (1.0 + twice)) == pytest.approx(known, abs=1e-9)
    assert said(0.01 * twice) == pytest.approx(said(places=twice), abs=1e-6)
    if method == "beta":
        places = np.r_[np.arange(300), np.flatnonzero(twice)]
        assert known == pytest.approx(said(places=places), abs=1e-6)


def test_isotonic_of_heaped_scores_by_hand():
    """One knot per value; 60 and 70 fall, so they are pooled and their line joined."""
    scores = [50] * 4 + [60] * 4 + [70] * 4 + [90] * 4
    correct = [0, 0, 0, 1, 0, 1, 1, 1] * 2
    found = AnswerConfidence.fit(scores, correct, scale="percent", method="isotonic")
    said = found.apply([50, 60, 70, 90])
    assert said[[0, 3]] == pytest.approx([0.25, 0.75])
    assert 0.25 < said[1] < 0.5 < said[2] < 0.75  # about their common share, 1/2


@pytest.mark.slow
def test_every_value_gets_its_probability(request):
    """Heaped, with a known truth: raw .27 off; 2,000 answers bring isotonic within .03."""
    slow = "slow" in request.config.getoption("markexpr")
    rng = np.random.default_rng(5)
    off = {}
    for method in ("rate", *METHODS):
        off[method] = []
    for _ in range(100 if slow else 15):
        scores, correct = heaped(2000, rng)
        rates = rates_by_score(scores, correct)
        share = np.zeros(len(STATED))
        share[np.searchsorted(STATED, rates.score)] = rates.rate
        off["rate"].append(SHARE @ (share - TRUTH) ** 2)
        for method in METHODS:
            found = AnswerConfidence.fit(scores, correct, scale="percent", method=method)
            off[method].append(SHARE @ (found.apply(STATED) - TRUTH) ** 2)
    off = {method: np.sqrt(np.mean(each)) for method, each in off.items()}
    raw = np.sqrt(SHARE @ (sigmoid(answer_log_odds(STATED, scale="percent")) - TRUTH) ** 2)
    assert raw > 0.27
    assert off["isotonic"] < 0.03
    assert off["isotonic"] < off["rate"]  # neighbours help
    assert off["isotonic"] < off["platt"] < 0.06  # this truth is no logistic curve


@pytest.mark.slow
def test_intervals_of_each_value_hold_the_truth(request):
    """Jeffreys intervals of P(correct) per stated value: 95 % of 1,500 hold it; here of 600."""
    slow = "slow" in request.config.getoption("markexpr")
    rng = np.random.default_rng(6)
    inside = []
    for _ in range(150 if slow else 60):
        scores, correct = heaped(500, rng)
        rates = rates_by_score(scores, correct)
        truth = TRUTH[np.searchsorted(STATED, rates.score)]
        inside += list((rates.low <= truth) & (truth <= rates.high))
    error = np.sqrt(0.95 * 0.05 / len(inside))
    assert np.mean(inside) == pytest.approx(0.95, abs=4 * error)


def test_rates_by_score():
    """Counts by hand, Jeffreys' ends by SciPy's beta distribution, a calibrator beside them."""
    from scipy.stats import beta

    scores, correct = [90] * 8 + [50] * 2 + [10], [1] * 6 + [0] * 2 + [0] * 2 + [1]
    rates = rates_by_score(scores, correct, level=0.9)
    assert rates.score.tolist() == [10, 50, 90]
    assert rates.n.tolist() == [1, 2, 8]
    assert rates.correct.tolist() == [1, 0, 6]
    assert rates.rate.tolist() == [1.0, 0.0, 0.75]
    assert rates.low[2] == pytest.approx(beta.ppf(0.05, 6.5, 2.5))
    assert rates.high[2] == pytest.approx(beta.ppf(0.95, 6.5, 2.5))
    assert (rates.high[0], rates.low[1]) == (1.0, 0.0)
    found = AnswerConfidence.fit(*heaped(300, np.random.default_rng(7)), scale="percent")
    beside = rates_by_score(scores, correct, calibrator=found)
    assert beside.calibrated == pytest.approx(found.apply([10, 50, 90]))
    assert "calibrated" in str(beside)
    assert "<table" in beside._repr_html_()
    assert json.loads(json.dumps(beside.to_dict()))["n"] == [1, 2, 8]
    many = rates_by_score(np.arange(50), np.arange(50) % 2)
    assert "20 larger scores are not shown" in str(many).replace("\n", " ")


@pytest.mark.parametrize(
    ("scores", "correct", "level", "message"),
    [
        ([], [], 0.95, "n >= 1"),
        ([np.nan], [1], 0.95, "not finite"),
        ([[1]], [1], 0.95, "shape"),
        ([1], [1, 0], 0.95, "`correct` must have shape .1,."),
        ([1], [1], 1.0, "strictly between"),
    ],
)
def test_bad_rates(scores, correct, level, message):
    """Each message says which argument."""
    with pytest.raises(tp.InvalidInputError, match=message):
        rates_by_score(scores, correct, level=level)


@pytest.mark.parametrize(
    ("correct", "message"),
    [
        ([1, 0, 2], "row 2 holds 2 .1 such row.. Graded answers"),
        ([1, 0, 0.5], "row 2 holds 0.5"),
        (["yes", "true", "false"], "row 0 holds 'yes'"),
        ([1, 0], "shape .3,., one per score"),
        ([1, 0, None], "row 2 is missing"),
        (np.array([1, 0, 1], dtype="datetime64[s]"), "true and false, or 1 and 0"),
    ],
)
def test_bad_outcomes(correct, message):
    """Right or wrong, nothing in between."""
    with pytest.raises(tp.InvalidInputError, match=message):
        AnswerConfidence.fit([10, 50, 90], correct, scale="percent")


def test_outcomes_as_text_booleans_and_numbers_are_alike():
    """True, "TRUE", 1 and 1.0 say the same."""
    scores, correct = heaped(60, np.random.default_rng(8))
    expected = AnswerConfidence.fit(scores, correct, scale="percent").apply([90])
    for same in (correct.astype(int), correct.astype(float), correct.astype(str), list(correct)):
        assert AnswerConfidence.fit(scores, same, scale="percent").apply([90]) == expected


@pytest.mark.parametrize(
    ("scores", "correct", "method", "reason"),
    [
        ([90] * 6, [0, 1] * 3, "platt", "constant-logits"),
        ([10, 20, 90], [1, 1, 1], "isotonic", "empty-class"),
        ([10, 20, 90], [1, 1, 0], "platt", "worse-than-chance"),
        ([10, 20, 90], [0, 0, 1], "beta", "separable"),
        ([], [], "platt", "no-rows"),
    ],
)
def test_no_optimum(scores, correct, method, reason):
    """Data without an optimum say so, as for two classes."""
    with pytest.raises(tp.NoOptimumError) as caught:
        AnswerConfidence.fit(scores, correct, scale="percent", method=method)
    assert caught.value.reason == reason


def test_other_methods_are_refused():
    """A temperature has no intercept: it cannot say that most answers are wrong."""
    with pytest.raises(tp.InvalidInputError, match="`method` must be one of identity, platt"):
        AnswerConfidence.fit([10, 90], [0, 1], scale="percent", method="temperature")
    with pytest.raises(tp.InvalidInputError, match="`inner` must be a calibrator, one of"):
        AnswerConfidence(tp.TemperatureScaling(2.0), AnswerScale("percent"))


@pytest.mark.parametrize("method", ["identity", *METHODS])
@pytest.mark.parametrize(("scale", "of"), [("percent", None), ("count", 100)])
def test_saved_and_loaded(tmp_path, method, scale, of):
    """`calibrator.json` keeps the scale with the map."""
    scores, correct = heaped(200, np.random.default_rng(9))
    found = AnswerConfidence.fit(scores, correct, scale=scale, of=of, method=method)
    path = tmp_path / "calibrator.json"
    tp.save(found, path)
    again = tp.load(path)
    assert again == found
    assert again.apply(STATED) == pytest.approx(found.apply(STATED), abs=0)
    content = json.loads(path.read_text())
    assert content["method"] == method
    assert content["input"]["kind"] == "answers"
    assert content["input"]["classes"] == ["wrong", "correct"]
    assert content["parameters"]["score"] == {"scale": scale} | ({"of": of} if of else {})
    assert scale in str(found)
    assert "<svg" in found._repr_html_()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["parameters"].pop("score"), "`score` must be an object"),
        (lambda c: c["parameters"]["score"].update(scale="per mille"), "`scale` must say"),
        (lambda c: c["parameters"]["score"].update(of=3), "`of` must be"),
        (lambda c: c.update(method="temperature"), "`temperature` must be a number"),
        (lambda c: c["input"].update(kind=["answers"]), "`kind` must be one of logits, multilabel"),
    ],
)
def test_tampered_files(tmp_path, change, message):
    """A file that does not make sense is an error that names it."""
    path = tmp_path / "calibrator.json"
    tp.save(AnswerConfidence.fit(*heaped(200, np.random.default_rng(9)), scale="percent"), path)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(tp.FileFormatError, match=message) as caught:
        tp.load(path)
    assert str(path) in str(caught.value)


def test_sequence_scores():
    """By hand; of arrays in float16 and of rounding just above 0."""
    found = sequence_scores([[-1.0, -3.0], np.array([-0.5], np.float16), [-2.0, 1e-8]])
    assert found.sum.tolist() == [-4.0, -0.5, -2.0]
    assert found.mean.tolist() == [-2.0, -0.5, -1.0]
    assert found.min.tolist() == [-3.0, -0.5, -2.0]
    assert found.length.tolist() == [2, 1, 2]
    assert found.to_dict()["length"] == [2, 1, 2]
    assert len(sequence_scores([]).sum) == 0
    assert answer_log_odds(found.mean, scale="logprob")[0] < 0


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([[-1.0], []], "`token_logprobs.1.` must hold .* it has no tokens"),
        ([-1.0, -2.0], "shape"),
        ([[-1.0, 0.5]], "at most 0"),
        ([[-1.0, np.nan]], "token 1 has nan"),
        ([[-9999.0]], "token 0 has -9999"),
        ([[-1.0, -100.0]], "token 1 has -100"),
        ([[-1.0, -np.inf]], "Padding"),
        ([["a"]], "must hold numbers"),
    ],
)
def test_bad_sequences(answers, message):
    """The answer and the token are named."""
    with pytest.raises(tp.InvalidInputError, match=message):
        sequence_scores(answers)


def test_token_temperatures_do_not_calibrate_answers():
    """Calibrated on tokens (T = 1), and yet: probabilities of whole answers are far too low.

    Answers of 8 tokens of some .8 each have probability .8 to the 8th, and are right half the time:
    of what can be said in many ways, each way is unlikely. The pairs (score, right) know.
    """
    rng = np.random.default_rng(10)
    tokens = np.log(rng.beta(8, 2, size=(4000, 8)))
    correct = rng.random(4000) < 0.5 + 0.25 * np.tanh(tokens.mean(axis=1) + 0.25)
    scores = sequence_scores(tokens)
    raw = np.exp(scores.sum)
    assert raw.mean() < 0.3
    found = AnswerConfidence.fit(scores.sum[:2000], correct[:2000], scale="logprob")
    after = found.apply(scores.sum[2000:])
    truth = correct[2000:].astype(int)
    assert after.mean() == pytest.approx(truth.mean(), abs=0.04)
    gain = tp.compare({"before": raw[2000:], "after": after}, truth, n_resamples=200)
    assert gain.differences["after"].verdict("log_loss") == "better"


def test_real_model_per_subject():
    """16 MMLU subjects of LLaMA-13B: the README's row, and each subject's own T by slow search."""
    data = reference.shared("mmlu16_llama13b")
    z, y = tp.logits_from_probs(data["probs"]), data["labels"].astype(int)
    subject = data["subject"].astype(str)
    probs = reference.softmax(z)
    assert len(set(subject)) == 16
    assert tp.metrics.accuracy(probs, y) == pytest.approx(0.4054, abs=5e-5)
    assert tp.metrics.log_loss(probs, y) == pytest.approx(1.2569, abs=5e-5)
    assert tp.metrics.expected_calibration_error(probs, y) == pytest.approx(0.0561, abs=5e-5)
    pooled = tp.TemperatureScaling.fit(z, y)
    assert pooled.temperature == pytest.approx(0.9340, abs=6e-5)
    assert pooled.record.log_loss_after == pytest.approx(1.2565, abs=5e-5)
    grouped = tp.GroupTemperatureScaling.fit(z, y, groups=subject)
    assert grouped.temperature == pytest.approx(pooled.temperature, rel=1e-9)
    assert set(grouped.record.groups) == set(subject)
    for name in sorted(set(subject)):
        own = subject == name
        alone = reference.temperature(z[own], y[own])
        part = grouped.record.groups[name]
        assert part.n == own.sum()
        shrunk = grouped.temperatures[name]
        if math.isfinite(alone) and alone < 1e4:  # shrinkage goes towards the pooled T, not past
            low, high = sorted((alone, pooled.temperature))
            assert low * (1 - 1e-6) <= shrunk <= high * (1 + 1e-6)


def test_the_page_runs():
    """The Python of docs/answers.md runs; its bounds and P(correct) make sense."""
    page = Path(__file__).parents[2] / "docs" / "answers.md"
    code = "".join(re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL))
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    fitted, hidden, bounds, third, *table = run.stdout.splitlines()
    temperature, low, high = map(float, re.findall(r"[\d.]+", fitted))
    assert 0.0 < low < temperature < high
    assert hidden.startswith("50 rows")
    assert bounds.count("[") == 2
    sure, unsure = map(float, third.strip("[]").split())
    assert 0.9 > sure > unsure > 0.2
    assert table[0].split()[:2] == ["score", "answers"]
