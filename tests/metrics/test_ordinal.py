"""Measures of ordered levels: loops over rows, two levels, and what a proper score must do."""

import json

import numpy as np
import pytest

import temperance as tp
from pages import check_stands_alone, words_of
from temperance.checks import Positions
from temperance.metrics import (
    accuracy,
    brier_score,
    cumulative_calibration_error,
    expected_calibration_error,
    ranked_probability_score,
    within_accuracy,
)
from temperance.metrics.inputs import Predictions
from temperance.metrics.ordinal import level_events


@pytest.fixture
def rows():
    """Probabilities of five levels, the levels they foresee, and weights."""
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.full(5, 0.7), size=400)
    y = (p.cumsum(axis=1) < rng.random((400, 1))).sum(axis=1).clip(0, 4)
    return p, y, rng.integers(0, 4, 400).astype(float)


def test_as_loops_over_rows(rows):
    """Each measure row by row, with weights; rows of weight 2 count as two."""
    p, y, w = rows
    scores, near = [], []
    for probs, level in zip(p.tolist(), y.tolist(), strict=True):
        scores.append(sum((sum(probs[: j + 1]) - (level <= j)) ** 2 for j in range(4)) / 4)
        near.append(abs(max(range(5), key=probs.__getitem__) - level) <= 1)
    assert ranked_probability_score(p, y) == pytest.approx(sum(scores) / 400)
    weighted = sum(a * b for a, b in zip(scores, w, strict=True)) / w.sum()
    assert ranked_probability_score(p, y, weights=w) == pytest.approx(weighted)
    assert within_accuracy(p, y) == pytest.approx(sum(near) / 400)
    twice = np.repeat(np.arange(400), w.astype(int))
    for measure in (ranked_probability_score, within_accuracy, cumulative_calibration_error):
        assert measure(p, y, weights=w) == pytest.approx(measure(p[twice], y[twice]))
    each = [
        expected_calibration_error(p[:, : j + 1].sum(axis=1).clip(0, 1), y <= j, event=1)
        for j in range(4)
    ]
    assert cumulative_calibration_error(p, y) == pytest.approx(sum(each) / 4)


def test_two_levels_are_the_measures_of_two_classes(rows):
    """Half of Brier's score, the accuracy, and the error of class 0."""
    p, y = rows[0][:, 0] / rows[0][:, :2].sum(axis=1), rows[1] > 1
    probs = np.stack([p, 1 - p], axis=1)
    assert ranked_probability_score(probs, y) == pytest.approx(brier_score(probs, y) / 2)
    assert within_accuracy(probs, y, levels=0) == accuracy(probs, y)
    assert within_accuracy(probs, y) == 1.0
    expected = expected_calibration_error(p, ~y, event=1)
    assert cumulative_calibration_error(probs, y) == pytest.approx(expected)


def test_farther_off_costs_more():
    """A certain forecast k levels off: k of the four thresholds are wrong."""
    sure = np.eye(5)[[0] * 5]
    scores = [ranked_probability_score(sure[:1], [level]) for level in range(5)]
    assert scores == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert [within_accuracy(sure[:1], [level], levels=2) for level in range(5)] == [1, 1, 1, 0, 0]


def test_it_is_proper(rows):
    """No sharper or flatter forecast has a better expected score than the true one."""
    p = rows[0]

    def expected(forecast):
        return sum(
            p[i, y] * ranked_probability_score(forecast[i : i + 1], [y])
            for i in range(40) for y in range(5)
        )  # fmt: skip

    own = expected(p)
    for power in (0.5, 0.9, 1.1, 2.0):
        other = p**power / (p**power).sum(axis=1, keepdims=True)
        assert expected(other) > own


def test_errors_and_names(rows):
    """Names of levels are in the order of the columns; bad arguments are named."""
    p, y, _ = rows
    names = ["bad", "poor", "fair", "good", "great"]
    by_name = ranked_probability_score(p, np.array(names)[y], classes=names)
    assert by_name == ranked_probability_score(p, y)
    with pytest.raises(tp.InvalidInputError, match="`levels`"):
        within_accuracy(p, y, levels=-1)
    with pytest.raises(tp.InvalidInputError, match="`n_bins`"):
        cumulative_calibration_error(p, y, n_bins=0)


def test_all_three_at_once():
    """The numbers of the functions themselves, of weighted rows too."""
    rng = np.random.default_rng(3)
    p = rng.dirichlet(np.ones(5), 300)
    y, w = rng.integers(5, size=300), rng.integers(0, 3, size=300)
    seen = tp.metrics.ordinal_measures(p, y, weights=w, n_bins=10)
    assert seen.ranked_probability_score == tp.metrics.ranked_probability_score(p, y, weights=w)
    assert seen.within_one_accuracy == tp.metrics.within_accuracy(p, y, weights=w)
    assert seen.cumulative_calibration_error == tp.metrics.cumulative_calibration_error(
        p, y, weights=w, n_bins=10
    )
    assert (seen.n, seen.n_levels) == (300, 5)


def test_the_command_measures_levels(run, tmp_path):
    """`evaluate --ordered`: before a calibrator and after it; not of options of their own."""
    rng = np.random.default_rng(4)
    z = 3 * rng.normal(size=(500, 4))
    y = (z / 2 + rng.gumbel(size=z.shape)).argmax(axis=1)
    np.savez(tmp_path / "a.npz", logits=z, labels=y)
    tp.save(tp.TemperatureScaling(2.0), tmp_path / "c.json")
    for options, temperature in (([], 1.0), (["--calibrator", "c.json"], 2.0)):
        told = run("evaluate", "a.npz", "--quick", "--ordered", "--json", *options).stdout
        p = tp.TemperatureScaling(temperature).apply(z)
        expected = tp.metrics.ranked_probability_score(p, y)
        assert json.loads(told)["ordered"]["ranked_probability_score"] == pytest.approx(expected)
    assert "ranked probability score" in run("evaluate", "a.npz", "--quick", "--ordered").stdout
    assert "ordered" not in json.loads(run("evaluate", "a.npz", "--quick", "--json").stdout)
    rows = [{"logits": [0.0, 1.0], "label": 1}, {"logits": [0.0, 1.0, 2.0], "label": 2}] * 20
    (tmp_path / "r.jsonl").write_text("\n".join(map(json.dumps, rows)))
    said = run("evaluate", "r.jsonl", "--quick", "--ordered", code=2).stderr
    assert "options of their own" in said


def test_events_of_levels_as_by_hand(rows):
    """Each event's claim and share, and errors whose mean is the measure."""
    p, y, w = rows
    checked = Predictions.check(p, Positions(y), w, classes=list("abcde"))
    events = level_events(checked, n_bins=15)
    assert [each.level for each in events] == list("abcd")
    for j, each in enumerate(events):
        below, true = p[:, : j + 1].sum(axis=1), y <= j
        assert each.probability == pytest.approx((w * below).sum() / w.sum())
        assert each.frequency.value == pytest.approx((w * true).sum() / w.sum())
        assert each.frequency.low < each.frequency.value < each.frequency.high
        share = each.curve.share
        assert (share * each.curve.recalibrated).sum() == pytest.approx(each.frequency.value)
    mean = np.mean([each.error for each in events])
    assert mean == pytest.approx(cumulative_calibration_error(p, y, weights=w))


@pytest.mark.usefixtures("quick_plans")
def test_the_report_shows_levels(run, tmp_path):
    """A section with the measures before and after, a picture each, and a row per level."""
    rng = np.random.default_rng(4)
    z = 3 * rng.normal(size=(400, 12))
    y = (z / 2 + rng.gumbel(size=z.shape)).argmax(axis=1)
    np.savez(tmp_path / "a.npz", logits=z, labels=y)
    tp.save(tp.TemperatureScaling(2.0), tmp_path / "c.json")
    command = ("evaluate", "a.npz", "--calibrator", "c.json", "--quick", "--report", "r.html")
    run(*command, "--ordered")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    check_stands_alone(page)
    words = words_of(page)
    assert "How far off, on 12 ordered levels" in words
    assert "Drawn are 8 of the 11 levels" in words
    for temperature in (1.0, 2.0):
        p = tp.TemperatureScaling(temperature).apply(z)
        assert f"{ranked_probability_score(p, y):.4f}" in words
        assert f"{within_accuracy(p, y):.4f}" in words
    shares = [f"at most {j} {100 * np.mean(y <= j):.1f} %" for j in range(11)]
    assert all(each in words for each in shares)
    assert page.count("a level of at most this") >= 2
    run(*command)
    assert "ordered levels" not in words_of((tmp_path / "r.html").read_text(encoding="utf-8"))
