"""Observed : expected, calibration intercept and slope; and one verdict of all tests."""

import json
import re

import numpy as np
import pytest
from scipy.optimize import brentq, minimize
from scipy.stats import norm, t

from reference import sigmoid
from temperance import evaluate, evaluate_blocks, metrics
from temperance.metrics import weak_calibration

NAMES = ("observed_expected", "intercept", "slope")


def _rows(seed, n, *, slope=0.7, shift=-0.4, mean=-1.0):
    rng = np.random.default_rng(seed)
    odds = rng.normal(mean, 1.5, n)
    return odds, (rng.random(n) < sigmoid(shift + slope * odds)).astype(int), rng


@pytest.mark.parametrize("weighted", [False, True])
def test_the_three_numbers_by_other_means(weighted):
    """Sums, a root and a general minimiser instead of Newton; scikit-learn agrees on the slope."""
    odds, y, rng = _rows(1, 300)
    w = rng.exponential(size=300) if weighted else np.ones(300)
    found = weak_calibration(sigmoid(odds), y, weights=w if weighted else None)
    assert found.observed_expected.value == pytest.approx((w @ y) / (w @ sigmoid(odds)))
    assert found.intercept.value == pytest.approx(
        brentq(lambda a: w @ (y - sigmoid(odds + a)), -9, 9), abs=1e-7
    )
    sign = 1 - 2 * y
    loss = minimize(lambda ab: w @ np.logaddexp(0, sign * (ab[0] + ab[1] * odds)), [0, 1])
    assert found.slope.value == pytest.approx(loss.x[1], abs=1e-4)
    linear = pytest.importorskip("sklearn.linear_model")
    fitted = linear.LogisticRegression(C=np.inf, tol=1e-8).fit(odds[:, None], y, sample_weight=w)
    assert found.slope.value == pytest.approx(fitted.coef_[0, 0], abs=1e-4)


def test_intervals_by_their_definitions():
    """Ends of the intercept are where its score test has p = 0.05; the slope's is Wald's."""
    odds, y, _ = _rows(2, 400)
    found = weak_calibration(sigmoid(odds), y)
    q = sigmoid(odds + found.intercept.value)
    residual = y - q
    dispersion = max(1, 400 * residual.var(ddof=1) / (q * (1 - q)).sum())
    for end, sign in ((found.intercept.low, 1), (found.intercept.high, -1)):
        p = sigmoid(odds + end)
        z = (y - p).sum() / np.sqrt(dispersion * (p * (1 - p)).sum())
        assert z == pytest.approx(sign * norm.ppf(0.975), rel=1e-6)
    ratio = found.observed_expected.value
    of_ratio = 400 * (y - ratio * sigmoid(odds)).var(ddof=1)
    wald = norm.ppf(0.975) * np.sqrt(of_ratio) / sigmoid(odds).sum()
    assert found.observed_expected.low == pytest.approx(ratio - wald, abs=0.02)
    assert found.observed_expected.high == pytest.approx(ratio + wald, abs=0.02)
    half = found.slope.high - found.slope.value
    cox = metrics.cox_test(sigmoid(odds), y)
    assert half == pytest.approx(norm.ppf(0.975) * cox.slope_standard_error, rel=0.1)


def test_rows_of_one_cluster_count_as_one():
    """Every row five times over, as clusters: the same, but for Student's t; weights likewise."""
    odds, y, _ = _rows(3, 40, mean=0.0)
    p = sigmoid(odds)
    once = weak_calibration(p, y, clusters=np.arange(40))
    copies = weak_calibration(
        np.repeat(p, 5), np.repeat(y, 5), clusters=np.repeat(np.arange(40), 5)
    )
    alone = weak_calibration(p, y)
    for name in NAMES:
        one, five, plain = (getattr(each, name) for each in (once, copies, alone))
        assert one.value == pytest.approx(five.value, abs=1e-7)
        assert five.high - five.low == pytest.approx(one.high - one.low, rel=0.25)
        assert one.high - one.low >= plain.high - plain.low
    assert once.slope.high - once.slope.low >= (
        t.ppf(0.975, 39) / norm.ppf(0.975) * (alone.slope.high - alone.slope.low) * 0.999
    )
    w = np.random.default_rng(4).exponential(size=40)
    for scale in (1e-9, 1e6):
        one, other = (weak_calibration(p, y, weights=each) for each in (w, scale * w))
        for name in NAMES:
            assert getattr(one, name).low == pytest.approx(getattr(other, name).low, rel=1e-6)
    heavy = weak_calibration(p, y, weights=w)
    assert heavy.slope.high - heavy.slope.low > alone.slope.high - alone.slope.low


@pytest.mark.parametrize(
    ("probs", "labels", "options", "reasons"),
    [
        (
            [0.1, 0.2, 0.3] * 9,
            [0] * 27,
            {},
            {"intercept": "never happened in 27 rows", "slope": "never"},
        ),
        ([0.1, 0.2, 0.3] * 9, [1] * 27, {}, {"intercept": "always happened", "slope": "always"}),
        ([0.1, 0.2, 0.8] * 9, [0, 0, 1] * 9, {}, {"slope": "a threshold parts the rows"}),
        ([0.1, 0.2, 0.8] * 9, [0] * 24 + [1, 0, 1], {}, {"slope": r"too few events \(2\) to say"}),
        ([0.3] * 20, [0, 1] * 10, {}, {"slope": "all log-odds are equal"}),
        (
            [0.0] + [0.3, 0.6] * 10,
            [1] + [0, 1] * 10,
            {},
            {"intercept": "1 row has", "slope": "1"},
        ),
        ([0.0, 1.0] * 9, [0, 1] * 9, {}, dict.fromkeys(NAMES, "is 0 or 1: nothing is left")),
        (
            [0.3, 0.6] * 10,
            [0, 1] * 10,
            {"clusters": [0, 1] * 10},
            dict.fromkeys(NAMES, r"too few clusters \(2\)"),
        ),
    ],
)
def test_where_there_is_none_it_says_why(probs, labels, options, reasons):
    """Never a number that the rows do not support, never an empty cell."""
    found = weak_calibration(probs, labels, **options)
    assert {name for name in NAMES if getattr(found, name) is None} == set(reasons)
    for name, why in reasons.items():
        assert re.search(why, found.reasons[name])
    said = json.dumps(found.to_dict(), allow_nan=False)
    assert all(why in said for why in found.reasons.values())


def test_no_event_is_evidence_too():
    """None in 300 rows where 3.84 would be: the ratio is 0, and at most 1."""
    p = np.full(300, 3.84 / 300)
    found = weak_calibration(p, [0] * 300)
    assert found.observed_expected.value == found.observed_expected.low == 0
    assert found.observed_expected.high == pytest.approx(1.0, abs=0.02)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("tiny", [1e-15, 1e-300])
def test_all_but_certain_rows(tiny):
    """One surprise on either side: no overflow, and a ratio that is right."""
    p = np.r_[np.full(50, tiny), np.full(50, 1 - max(tiny, 1e-16))]
    y = np.r_[np.zeros(49, int), np.ones(50, int), [0]]
    found = weak_calibration(p, y)
    assert found.observed_expected.value == pytest.approx(1.0)
    assert found.intercept.low < 0 < found.intercept.high


def test_evaluate_shows_them(capsys):
    """As a table, in JSON, in the frame; of more classes there are none."""
    odds, y, _ = _rows(5, 300)
    p = sigmoid(odds)
    found = evaluate(p, y, n_resamples=100)
    direct = weak_calibration(p, y)
    assert found.weak_calibration == direct
    assert found.to_dict()["weak_calibration"] == direct.to_dict()
    for words in ("observed : expected", "calibration intercept", "calibration slope"):
        assert words in str(found)
    pytest.importorskip("narwhals")
    pytest.importorskip("pandas")
    frame = found.to_frame("pandas").set_index("measure")
    assert frame.loc["slope", "low"] == direct.slope.low
    assert f"class 1 happened in {y.sum()} of 300 rows" in str(found)
    none = evaluate(p, np.zeros(300, int), n_resamples=100)
    assert "none: the event never happened in 300 rows" in " ".join(str(none).split())
    three = evaluate(np.full((9, 3), 1 / 3), np.arange(9) % 3, n_resamples=100)
    assert three.weak_calibration is None
    assert "calibration slope" not in str(three)
    assert three.to_dict()["weak_calibration"] is None


@pytest.mark.parametrize("weighted", [False, True])
def test_blocks_give_the_same(weighted):
    """From cells of nearly equal log-odds, certain rows with them."""
    odds, y, rng = _rows(6, 2000)
    p = sigmoid(odds)
    p[:3], y[:3], p[3:5], y[3:5] = 0.0, 0, 1.0, 1
    w = rng.exponential(size=2000) if weighted else None
    whole = weak_calibration(p, y, weights=w)
    cuts = [slice(0, 700), slice(700, 701), slice(701, 2000)]
    blocks = [(p[c], y[c]) if w is None else (p[c], y[c], w[c]) for c in cuts]
    found = evaluate_blocks(blocks, n_resamples=100).weak_calibration
    assert (found.n, found.n_events) == (whole.n, whole.n_events)
    for name in NAMES:
        one, other = getattr(whole, name), getattr(found, name)
        assert [other.value, other.low, other.high] == pytest.approx(
            [one.value, one.low, one.high], abs=2e-3
        )
    y[0] = 1
    found = evaluate_blocks([(p, y)], n_resamples=100).weak_calibration
    assert found.reasons["intercept"] == "1 row has an outcome of probability 0"
    ratio = weak_calibration(p, y).observed_expected
    assert found.observed_expected.high == pytest.approx(ratio.high, abs=1e-3)


# --- one verdict ---------------------------------------------------------------------------------


def test_p_values_are_corrected_for_their_number():
    """Eight looks at one sample: what looked like evidence alone is none (p of .017 to .034)."""
    rng = np.random.default_rng(0)
    odds = rng.normal(size=500) * 1.5 - 1
    y = (rng.random(500) < sigmoid(odds)).astype(int)
    tests = evaluate(sigmoid(odds), y, n_resamples=200).tests
    alone = [p for p in tests.p_values.values() if p <= 0.05]
    assert len(alone) == 4
    assert list(tests.adjusted_p_values.values()) == metrics.holm(list(tests.p_values.values()))
    assert tests.verdict.calibrated
    assert tests.verdict.test == "score"
    assert tests.verdict.n_tests == 8
    assert tests.verdict.adjusted_p_value == pytest.approx(8 * tests.score.p_value)


def test_the_verdict_stands_once(capsys):
    """In words below the tests, with the test that decides; undefined tests do not count."""
    odds, y, _ = _rows(7, 2000)
    found = evaluate(sigmoid(odds), y, n_resamples=100)
    assert str(found).count("verdict:") == 1
    assert "verdict: not calibrated, by " in str(found)
    said = found.to_dict()["verdict"]
    assert said["calibrated"] is False
    assert found.to_dict()["tests"][said["test"]]["adjusted_p_value"] == said["adjusted_p_value"]
    one = evaluate([[0.0, 1.0]] * 5, [1] * 5, n_resamples=100)
    assert one.tests.verdict.n_tests == 2
    assert "verdict: no test refutes calibration" in str(one)


def _worlds(rng, name, n):
    """Log-odds, the chance of the event, weights and clusters of a sample."""
    weights = clusters = None
    if name == "rare":
        odds = rng.normal(-4.6, 1.2, n)
        chance = sigmoid(odds)
    elif name == "too sharp":
        odds = rng.normal(-1.0, 1.5, n)
        chance = sigmoid(0.4 + 0.6 * odds)
    elif name == "curved":
        odds = rng.normal(-3.0, 1.2, n)
        chance = sigmoid(odds + 0.6 * np.sin(2 * odds))
    elif name == "clear":
        odds = rng.choice([-4.0, 4.0], n) + rng.normal(size=n)
        chance = sigmoid(odds)
    elif name == "weighted":
        odds, weights = rng.normal(-2.0, 1.3, n), rng.lognormal(0, 0.8, n)
        chance = sigmoid(-0.3 + 0.9 * odds)
    else:  # hospitals of 30 patients, each with a risk of its own
        clusters = np.arange(n) // 30
        at = rng.normal(size=(2, clusters.max() + 1))[:, clusters]
        odds = rng.normal(-1.0, 1.0, n) + 0.5 * at[0]
        chance = sigmoid(odds + 0.5 * at[1])
    return odds, chance, weights, clusters


def _truth(name):
    """The three numbers of a population of 600,000, from chances instead of outcomes."""
    odds, chance, _, _ = _worlds(np.random.default_rng(1), name, 600_000)
    shift, line = 0.0, np.array([0.0, 1.0])
    x = np.stack([np.ones_like(odds), odds])
    for _ in range(30):
        q = sigmoid(odds + shift)
        shift += (chance - q).sum() / (q * (1 - q)).sum()
        q = sigmoid(line @ x)
        line = line + np.linalg.solve((x * (q * (1 - q))) @ x.T, x @ (chance - q))
    return dict(zip(NAMES, (chance.mean() / sigmoid(odds).mean(), shift, line[1]), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "n"),
    [
        ("rare", 300),
        ("rare", 1000),
        ("too sharp", 60),
        ("too sharp", 1000),
        ("curved", 200),
        ("clear", 500),
        ("weighted", 200),
        ("hospitals", 240),
        ("hospitals", 900),
    ],
)
def test_intervals_hold_the_truth(request, name, n):
    """In .93 to .99 of samples; where a number is left out, there were too few events."""
    full = "slow" in request.config.getoption("markexpr")
    draws, slack = (1000, 0.0) if full else (100, 0.05)
    truth, held = _truth(name), {each: [] for each in NAMES}
    for seed in range(draws):
        rng = np.random.default_rng([seed, n])
        odds, chance, weights, clusters = _worlds(rng, name, n)
        y = (rng.random(n) < chance).astype(int)
        found = weak_calibration(sigmoid(odds), y, weights=weights, clusters=clusters)
        for each in NAMES:
            own = getattr(found, each)
            if own is not None:
                held[each].append(own.low <= truth[each] <= own.high)
    for each in NAMES:
        assert len(held[each]) >= (0.4 if name == "rare" else 0.9) * draws
        assert 0.93 - slack <= np.mean(held[each]) <= 0.992 + slack


@pytest.mark.slow
@pytest.mark.parametrize(("n", "k"), [(100, 2), (1000, 2), (300, 5)])
def test_a_calibrated_model_is_seldom_refuted(request, n, k):
    """By any test of them all, corrected, in at most 5 % of samples; uncorrected in 12 to 20 %."""
    full = "slow" in request.config.getoption("markexpr")
    draws, slack = (500, 0.02) if full else (30, 0.1)
    refuted = alone = 0
    for seed in range(draws):
        rng = np.random.default_rng([seed, n, k])
        z = rng.normal(0, 1.5, (n, k))
        p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        y = (z + rng.gumbel(size=z.shape)).argmax(axis=1)
        tests = evaluate(p, y, n_resamples=100).tests
        refuted += not tests.verdict.calibrated
        alone += min(each for each in tests.p_values.values() if each is not None) <= 0.05
    assert refuted / draws <= 0.05 + slack
    assert alone > refuted
