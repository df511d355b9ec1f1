"""The tests of all classes together look at so many rows as their work allows, and say so."""

import numpy as np
import pytest

import temperance as tp
from temperance.crossfit import are_drawn
from temperance.metrics import joint_tests
from temperance.metrics.inputs import Predictions

NAMES = ("class-bias", "joint-score")


@pytest.fixture
def few(monkeypatch):
    """So little work that 100 rows of four classes are looked at."""
    monkeypatch.setattr(joint_tests, "_WORK", 1600)
    monkeypatch.setattr(joint_tests, "_LEAST_ROWS", 10)


def rows(n, seed=0, k=4):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, k)) * 2
    return z, (z + rng.gumbel(size=z.shape)).argmax(axis=1)


def probs(z):
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def drawn(n, most=100):
    return np.flatnonzero(are_drawn(0, n, of=n, most=most))


@pytest.mark.usefixtures("few")
def test_the_test_is_that_of_the_drawn_rows():
    """About 100 of 1,000: the statistic is that of these rows alone, in memory and in blocks."""
    z, y = rows(1000)
    some = drawn(1000)
    assert 70 < len(some) < 130
    alone = tp.evaluate(probs(z[some[:100]]), y[some[:100]], n_resamples=100).tests  # all of them
    assert alone.joint.n_rows is None
    expected = joint_tests.joint_score_rows(Predictions.check(probs(z), y, None))
    whole = tp.evaluate(probs(z), y, n_resamples=100).tests
    assert whole.joint.n_rows == expected.n_rows == len(some)
    assert whole.class_bias.n_rows == len(some)
    assert whole.score.n_rows is None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joint_tests, "_WORK", 1 << 40)
        by_hand = tp.evaluate(probs(z[some]), y[some], n_resamples=100).tests
    assert whole.joint.statistic == pytest.approx(by_hand.joint.statistic, rel=1e-9)
    for cuts in ([1000], [30, 70, 400, 500], [150] * 6 + [100]):
        starts = np.cumsum([0, *cuts[:-1]])
        blocks = [(z[s : s + m], y[s : s + m]) for s, m in zip(starts, cuts, strict=True)]
        for given, n_rows in ((blocks, None), (iter(blocks), 1000)):
            read = tp.evaluate_blocks(given, kind="logits", n_resamples=100, n_rows=n_rows).tests
            assert read.joint.n_rows == len(some)
            assert read.joint.statistic == pytest.approx(by_hand.joint.statistic, rel=1e-6)


@pytest.mark.usefixtures("few")
def test_blocks_of_an_unknown_number_are_tested_whole_or_not():
    """The first rows of a sorted file would be chosen by their labels."""
    z, y = rows(1000)
    blocks = [(z[s : s + 50], y[s : s + 50]) for s in range(0, 1000, 50)]
    for name in ("class_bias", "joint"):
        test = getattr(tp.evaluate_blocks(iter(blocks), kind="logits", n_resamples=100).tests, name)
        assert test.statistic is None
        assert "1,000 rows, more than this test looks at (100)" in test.reason
        few = tp.evaluate_blocks(iter(blocks[:2]), kind="logits", n_resamples=100).tests
        assert getattr(few, name).statistic is not None


ORDERS = {
    "as they came": lambda y: np.arange(len(y)),
    "sorted by label": lambda y: np.argsort(y, kind="stable"),
    "labels take turns": lambda y: np.argsort(
        [np.count_nonzero(y[:i] == y[i]) * 4 + y[i] for i in range(len(y))], kind="stable"
    ),
}


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("order", ORDERS)
def test_calibrated_rows_are_refuted_as_often_as_they_may(order):
    """p of 300 calibrated samples: below .05 in one of twenty, in whatever order rows come."""
    below = np.zeros(2)
    for seed in range(300):
        z, y = rows(300, seed=seed)
        at = ORDERS[order](y)
        checked = Predictions.check(probs(z[at]), y[at], None)
        tests = joint_tests.class_bias_rows(checked), joint_tests.joint_score_rows(checked)
        below += [test.p_value < 0.05 for test in tests]
        if seed == 0:
            read = tp.evaluate_blocks([(z[at], y[at])], kind="logits", n_resamples=100).tests
            assert read.joint.statistic == pytest.approx(tests[1].statistic, rel=1e-6)
    assert below / 300 == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / 300))


@pytest.mark.usefixtures("few")
def test_tables_and_json_say_how_many():
    z, y = rows(1000)
    evaluation = tp.evaluate(probs(z), y, n_resamples=100)
    n = len(drawn(1000))
    assert f"class biases, on {n} rows" in str(evaluation)
    tests = evaluation.to_dict()["tests"]
    assert [tests[name]["n_rows"] for name in (*NAMES, "score")] == [n, n, None]


def test_small_data_are_looked_at_whole():
    """Up to 40,000 rows of 1,000 classes, 4 million of 100; none of more than 2,000 classes."""
    assert joint_tests.joint_rows(1000) == 40_000
    assert joint_tests.joint_rows(100) == 4_000_000
    assert joint_tests.joint_rows(2000) == 10_000
    assert joint_tests.joint_rows(2001) == 0
    z, y = rows(500)
    assert tp.evaluate(probs(z), y, n_resamples=100).tests.joint.n_rows is None
