"""The first lines: what is left, what is off, what is too little, and what no model would cost."""

import json
from collections import Counter
from math import log

import numpy as np
import pytest

import reference
import temperance as tp
from temperance.evaluation.evaluation import data_words, group_words
from temperance.metrics.base_rates import base_rates
from temperance.metrics.inputs import Predictions
from temperance.report import ReportContent, headline, render_report, split_sentence


def drawn(p, rng):
    """Labels drawn from probabilities."""
    return (p.cumsum(axis=1) < rng.random((len(p), 1))).sum(axis=1).clip(0, p.shape[1] - 1)


def binary(n, slope, intercept=0.0, *, seed=0, spread=1.5):
    """Log-odds of class 1, and labels that follow them with a slope and an intercept."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(size=n) * spread
    y = (rng.random(n) < 1.0 / (1.0 + np.exp(-(slope * odds + intercept)))).astype(int)
    return odds, y


def two(odds):
    """Probabilities of both classes."""
    p = 1.0 / (1.0 + np.exp(-odds))
    return np.stack([1.0 - p, p], axis=1)


def write(path, odds, y, **more):
    np.savez(path, logits=np.stack([np.zeros_like(odds), odds], axis=1), labels=y, **more)


def fit(run, *arguments):
    """What `fit --quick --json` returns."""
    return json.loads(run("fit", *arguments, "--quick", "--json").stdout)


@pytest.mark.parametrize("weighted", [False, True])
def test_base_rates_are_counted_by_hand(weighted):
    """Entropy and Brier score of the frequencies, and the skills, by loops over rows."""
    rng = np.random.default_rng(3)
    p = reference.softmax(rng.normal(size=(300, 4)))
    y = rng.choice(4, 300, p=[0.6, 0.3, 0.1, 0.0])  # a class that never comes
    w = rng.integers(1, 5, 300).astype(float) if weighted else None
    weight = Counter()
    for label, each in zip(y.tolist(), np.ones(300) if w is None else w, strict=True):
        weight[label] += each
    total = sum(weight.values())
    share = [weight[j] / total for j in range(4)]
    log_loss = brier = own_loss = own_brier = 0.0
    for row, label, each in zip(p, y, np.ones(300) if w is None else w, strict=True):
        log_loss -= each * log(share[label]) / total
        brier += each * sum((share[j] - (j == label)) ** 2 for j in range(4)) / total
        own_loss -= each * log(row[label]) / total
        own_brier += each * sum((row[j] - (j == label)) ** 2 for j in range(4)) / total
    e = tp.evaluate(p, y, weights=w, n_resamples=100)
    base = e.base_rates
    assert (base.log_loss, base.brier) == pytest.approx((log_loss, brier), rel=1e-12)
    assert base.log_loss_skill.value == pytest.approx(1 - own_loss / log_loss, abs=1e-10)
    assert base.brier_skill.value == pytest.approx(1 - own_brier / brier, abs=1e-10)
    assert base.log_loss_skill.low < base.log_loss_skill.value < base.log_loss_skill.high
    blocks = [
        (p[at], y[at]) if w is None else (p[at], y[at], w[at])
        for at in (slice(0, 100), slice(100, 300))
    ]
    read = tp.evaluate_blocks(blocks, kind="probs", n_resamples=100).base_rates
    assert (read.log_loss, read.brier) == pytest.approx((base.log_loss, base.brier))
    assert read.log_loss_skill.value == pytest.approx(base.log_loss_skill.value)
    stored = e.to_dict()["base_rates"]
    assert stored["log_loss"] == base.log_loss
    assert stored["brier_skill"]["low"] == base.brier_skill.low
    text, page = str(e), e._repr_html_()
    for shown in (f"{base.log_loss:.4f}", f"{base.brier_skill.value:.4f}"):
        assert shown in text
        assert shown in page


def test_base_rates_at_the_edges():
    """One class: no skill is defined; a certain error: infinitely worse; equal: 0."""
    one = tp.evaluate([[0.9, 0.1]] * 4, [0] * 4, n_resamples=100)
    assert one.base_rates.log_loss == one.base_rates.brier == 0.0
    assert one.to_dict()["base_rates"]["log_loss_skill"]["value"] is None
    assert one.base_rates.verdict == "cannot tell"
    assert "skill" not in str(one)
    wrong = tp.evaluate([[1.0, 0.0], [0.5, 0.5]], [1, 0], n_resamples=100)
    assert wrong.base_rates.log_loss_skill.value == -np.inf
    assert wrong.to_dict()["base_rates"]["log_loss_skill"]["value"] is None
    same = tp.evaluate([[0.75, 0.25]] * 8, [0, 0, 0, 1] * 2, n_resamples=100)
    assert same.base_rates.log_loss_skill.value == pytest.approx(0.0, abs=1e-12)


@pytest.mark.slow
def test_worse_than_no_model_needs_evidence(request):
    """A model as good as its true class frequencies is seldom called worse than no model.

    In `make check` 60 samples a world; 1,000 with `-m slow`.
    """
    full = "slow" in request.config.getoption("markexpr")
    draws = 1000 if full else 60
    for world, shares in enumerate(([0.5, 0.5], [0.97, 0.03], [0.1] * 10, [0.001] * 1000)):
        rng = np.random.default_rng(world)
        p = np.array(shares)
        for n in (60, 500):
            worse = 0
            for _ in range(draws):
                y = rng.choice(len(p), n, p=p)
                rows = Predictions.check(np.tile(p, (n, 1)), y, None)
                worse += base_rates(rows).verdict == "worse"
            assert worse <= 0.025 * draws + 3 * (0.025 * draws) ** 0.5


def test_still_not_calibrated_after_a_map_that_cannot(run, tmp_path):
    """An intercept that a temperature cannot move: refuted before and after, with a way out."""
    odds, y = binary(4000, 0.5, -1.5)
    write(tmp_path / "in.npz", odds, y)
    result = fit(run, "in.npz", "-o", "c.json")
    said = result["headline"]
    assert "Still not calibrated: " in said
    assert said.count("try --method auto.") == 1
    assert "after calibration, when it says" not in said
    again = fit(run, "in.npz", "-o", "d.json", "--method", "auto")  # the advice, to the letter
    assert "till not calibrated" not in again["headline"]
    assert "--method auto" not in again["headline"]
    assert again["after"]["log_loss"] < result["after"]["log_loss"] - 0.02


def test_ece_beyond_chance_is_told_with_what_chance_explains():
    """The two numbers are those of the evaluation after calibration."""
    odds, y = binary(4000, 0.5, -1.5)
    comparison = tp.compare({"before": two(odds), "after": two(0.5 * odds)}, y, n_resamples=100)
    after = comparison.evaluations["after"]
    assert after.ece.value > after.ece_null.high
    said = headline(comparison, comparison.evaluations["before"], advice="try x")
    numbers = f"ECE {after.ece.value:.4f}, at most {after.ece_null.high:.4f} by chance"
    assert f"Still not calibrated: {numbers}; try x." in said
    healed = tp.compare({"before": two(odds), "after": two(0.5 * odds - 1.5)}, y, n_resamples=100)
    assert "not calibrated" not in headline(healed, healed.evaluations["before"], advice="try x")


def test_the_headline_does_not_contradict_the_test_below_it(run, tmp_path):
    """Under-confident models of 205 and 300 rows are not "as good as these rows can tell"."""
    seen = set()
    for seed, (n, slope) in enumerate([(205, 2.0), (300, 1.4)] * 3):
        odds, y = binary(n, slope, seed=seed)
        write(tmp_path / "in.npz", odds, y)
        result = fit(run, "in.npz", "-o", "c.json")
        direction = result["score_test"]["direction"]
        if direction == "neither":
            continue
        seen.add(direction)
        assert "as good as" not in result["headline"]
        assert "nothing that calibration" not in result["headline"]
    assert seen == {"under-confident"}


def test_a_score_test_alone_is_told_as_such():
    """Where the fit's own test finds a direction and all tests as one do not, both are said."""
    for seed in range(40):
        odds, y = binary(300, 1.25, seed=seed)
        comparison = tp.compare(
            {"before": two(odds), "after": two(1.25 * odds)}, y, n_resamples=100
        )
        before = comparison.evaluations["before"]
        if before.tests.verdict.calibrated and before.score_test.direction != "neither":
            break
    said = headline(comparison, before)
    assert "do not settle it" in said
    assert f"finds this model {before.score_test.direction}" in said
    assert "as good as" in headline(None, before)  # the corrected verdict, of a model by itself


def test_groups_stand_in_the_first_lines(run, tmp_path):
    """How many are off, and the worst, before and after; not below a praise of the whole."""
    rng = np.random.default_rng(0)
    names = np.repeat(["sure", "shy", "fine"], 1500)
    truth = np.repeat([0.4, 2.2, 1.0], 1500)
    odds = rng.normal(size=4500) * 1.5
    y = (rng.random(4500) < 1.0 / (1.0 + np.exp(-truth * odds))).astype(int)
    write(tmp_path / "in.npz", odds, y, groups=names)
    e = tp.evaluate(two(odds), y, groups=names, n_resamples=100)
    off = [each for each in e.groups if each.differs]
    assert {each.name for each in off} == {"sure", "shy"}
    told = f"2 of 3 groups are off; worst: {e.groups[0].name} (claims "
    for text in (str(e).split("\n\n")[0], e._repr_html_()[:600], headline(None, e)):
        assert told in text
        assert "as good as" not in text
    result = fit(run, "in.npz", "-o", "c.json")
    assert "After calibration 2 of 3 groups are off; worst: " in result["headline"]
    done = run("evaluate", "in.npz", "--quick")
    assert told in " ".join(done.stdout.split())[:600]
    good = tp.evaluate(two(truth * odds), y, groups=names, n_resamples=100)
    assert group_words(good) == ""


def test_too_little_data_stands_first(run, tmp_path):
    """Few rows, few of the rarer class, few errors: the first words say so."""
    odds, y = binary(60, 1.0)
    few = tp.evaluate(two(odds), y, n_resamples=100)
    assert headline(None, few).startswith("With only 60 rows, ")
    assert str(few).startswith("With only 60 rows, ")
    rng = np.random.default_rng(0)
    odds = rng.normal(size=3000) - 7.5
    y = (rng.random(3000) < 1.0 / (1.0 + np.exp(-odds))).astype(int)
    rare = tp.evaluate(two(odds), y, n_resamples=100)
    assert 0 < y.sum() < 10
    assert headline(None, rare).startswith(f"With only {y.sum()} row")
    assert "of class 1 in 3,000 rows" in data_words(rare)
    z = rng.normal(size=(3000, 3))
    z[np.arange(3000), rng.integers(3, size=3000)] += 12.0
    p = reference.softmax(z)
    sure = tp.evaluate(p, drawn(p, rng), n_resamples=100)
    assert sure.accuracy.value > 1 - 10 / 3000
    assert "wrong prediction" in data_words(sure)
    write(tmp_path / "in.npz", odds[:150] + 7.5, np.arange(150) % 2)
    assert fit(run, "in.npz", "-o", "c.json")["headline"].startswith("With only 150 rows, ")


def test_an_infinite_loss_is_under_no_praise():
    """One impossible outcome in 1,000 good rows: every first line says it."""
    rng = np.random.default_rng(0)
    p = two(rng.normal(size=1000))
    y = drawn(p, rng)
    p[0] = [1.0, 0.0]
    y[0] = 1
    e = tp.evaluate(p, y, n_resamples=100)
    comparison = tp.compare({"before": p, "after": p.copy()}, y, n_resamples=100)
    page = render_report(ReportContent("t", e, None, None, evaluated_on="given", facts=()))
    finding = page.split('<p class="finding">')[1].split("</p>")[0]
    said = (headline(None, e), headline(comparison, e), str(e).split("\n\n")[0], finding)
    for text in said:
        assert "1 row has a true class of probability 0, so the log loss is infinite" in text
        assert "as good as" not in text
        assert "no test refutes" not in text.lower()
    from temperance.comparison import in_words

    assert in_words(comparison).startswith("The log loss of before and after is infinite.")


def test_the_group_of_an_impossible_outcome_comes_first():
    """It is no group of which nothing is known: it is off for certain, and its cell says so."""
    rng = np.random.default_rng(1)
    p = two(rng.normal(size=400))
    y = drawn(p, rng)
    names = np.repeat(["zzz", "a", "b", "c"], 100)
    p[3], y[3] = [1.0, 0.0], 1
    e = tp.evaluate(p, y, groups=names, n_resamples=100)
    assert e.groups[0].name == "zzz"
    assert e.groups[0].differs
    assert e.groups[0].score_test.adjusted_p_value == 0.0
    assert group_words(e) == "1 of 4 groups is off; worst: zzz (a true class of probability 0)."
    (line,) = [each for each in str(e).splitlines() if each.startswith(" zzz")]
    assert "p < 0.001" in line
    assert "not calibrated" in line


def test_what_a_temperature_leaves_is_not_what_the_model_does_not_know(run, tmp_path):
    """A richer map leaves less, the frequencies alone cost less, and both are said with numbers."""
    odds, y = binary(6000, 1.0, -3.0, spread=0.6)
    write(tmp_path / "in.npz", odds, y)
    result = fit(run, "in.npz", "-o", "c.json", "--report", "r.html")
    e = tp.evaluate(two(odds), y, n_resamples=100)
    shell = " ".join(run("fit", "in.npz", "-o", "c.json", "--quick").stdout.split())
    page = " ".join((tmp_path / "r.html").read_text().split())
    for text in (shell, page, split_sentence(e), str(e)):
        assert "does not know" not in text
    share = y.mean()
    cost = -share * log(share) - (1 - share) * log(1 - share)
    for text in (shell, page, split_sentence(e)):
        assert (
            f"would cost {cost:.3f} (skill of this model: {1 - e.log_loss.value / cost:.3f})"
            in text
        )
    assert "is above" in result["headline"]
    assert "it is worse than no model." in result["headline"]
    chosen = fit(run, "in.npz", "-o", "c.json", "--method", "auto")
    assert "worse than no model" not in chosen["headline"]
    best = min(chosen["maps_tried"], key=chosen["maps_tried"].get)
    left = chosen["maps_tried"][best]
    assert left < e.refinement.refinement.value - 0.05
    text = " ".join(run("fit", "in.npz", "-o", "c.json", "--method", "auto").stdout.split())
    assert f"the best map tried, {best}, leaves {left:.3f}" in text


def test_what_is_impossible_needs_no_many_rows():
    """One row refutes it, and where all do, that is said; how few there are says nothing."""
    wrong = tp.evaluate([[1.0, 0.0]] * 3, [1, 1, 1], n_resamples=100)
    start = "All 3 rows have a true class of probability 0, so the log loss is infinite"
    assert headline(None, wrong).startswith(start)
    assert "With only" not in str(wrong)
    some = tp.evaluate([[1.0, 0.0]] * 3, [0, 1, 0], n_resamples=100)
    assert headline(None, some).startswith("1 row has a true class of probability 0")
    one = tp.evaluate([[1.0, 0.0]], [1], n_resamples=100)
    assert headline(None, one).startswith("1 row has a true class of probability 0")
