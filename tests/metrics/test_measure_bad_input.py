"""Awkward data for every measure: an honest number or a clear error, never one that is none."""

import json
import math
import re

import numpy as np
import pytest

import reference
import temperance as tp
from temperance import metrics
from temperance.report import ReportContent, render_report

ERRORS = [
    metrics.expected_calibration_error,
    metrics.debiased_calibration_error,
    metrics.classwise_calibration_error,
    metrics.top_label_conditional_calibration_error,
    metrics.flattened_calibration_error,
    metrics.smooth_calibration_error,
    metrics.ks_calibration_error,
    metrics.sweep_calibration_error,
]
SCORES = [metrics.log_loss, metrics.brier_score, metrics.accuracy]
DIAGRAMS = [
    metrics.score_decomposition,
    metrics.murphy_decomposition,
    metrics.corp_reliability,
    metrics.reliability_curve,
]
MEASURES = [*SCORES, *ERRORS, *DIAGRAMS]
THREE = [[0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]] * 4
SURE = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]] * 4
CASES = {  # probs, labels, options of `evaluate`
    "one row, right": (THREE[:1], [0], {}),
    "one row, wrong": (THREE[:1], [1], {}),
    "one row, certain": (SURE[:1], [0], {}),
    "one row, impossible": (SURE[:1], [2], {}),
    "one row, two classes": ([0.3], [1], {}),
    "two rows": (THREE[:2], [0, 2], {}),
    "one class present": ([0.4, 0.7, 0.8] * 5, [1] * 15, {}),
    "one of three classes present": (THREE, [2] * 12, {}),
    "a class never possible": ([[0.6, 0.4, 0.0], [0.1, 0.9, 0.0]] * 5, [0, 1] * 5, {}),
    "all confidences equal": ([0.7] * 10, [1] * 6 + [0] * 4, {}),
    "all probabilities equal": ([[0.25] * 4] * 10, [0, 1, 2, 3, 0] * 2, {}),
    "coins": ([0.5] * 10, [0, 1] * 5, {}),
    "all right": (THREE, [0, 1, 2] * 4, {}),
    "all wrong": (THREE, [1, 2, 0] * 4, {}),
    "all certain and right": (SURE, [0, 1] * 4, {}),
    "all certain and wrong": (SURE, [1, 2] * 4, {}),
    "ties everywhere": ([[0.5, 0.25, 0.25]] * 9 + [[0.25, 0.5, 0.25]] * 9, [0, 1, 2] * 6, {}),
    "ties of two predictions": ([[0.4, 0.4, 0.2]] * 10, [0, 1] * 5, {}),
    "beyond rounding": ([[1 - 1e-17, 1e-17], [1e-300, 1.0]] * 3, [0, 1] * 3, {}),
    "weights with zeros": (THREE, [0, 1, 0] * 4, {"weights": [1, 0, 2] * 4}),
    "impossible, but of weight 0": (SURE, [0, 2] * 4, {"weights": [1, 0] * 4}),
    "tiny weights": (THREE, [0, 1, 0] * 4, {"weights": [1e-100] * 12}),
    "large weights": (THREE, [0, 1, 0] * 4, {"weights": [1e100] * 12}),
    "a group with one row": (THREE, [0, 1, 0] * 4, {"groups": ["a"] + ["b"] * 11}),
    "a group of weight 0": (
        THREE,
        [0, 1, 0] * 4,
        {"groups": ["a"] + ["b"] * 11, "weights": [0] + [1] * 11},
    ),
    "groups of one row each": (THREE, [0, 1, 0] * 4, {"groups": list("abcdefghijkl")}),
    "one cluster": (THREE, [0, 1, 0] * 4, {"clusters": ["a"] * 12}),
    "two clusters": (THREE, [0, 1, 0] * 4, {"clusters": ["a", "b"] * 6}),
    "one bin": (THREE, [0, 1, 0] * 4, {"n_bins": 1}),
    "more bins than rows": (THREE, [0, 1, 0] * 4, {"n_bins": 1000}),
}
INFINITE = {"one row, impossible", "all certain and wrong"}  # log loss; JSON says null


def numbers(content, path=""):
    """Every number, text or None of nested dictionaries and lists, by its path."""
    if isinstance(content, (dict, list)):
        items = content.items() if isinstance(content, dict) else enumerate(content)
        return {k: v for key, each in items for k, v in numbers(each, f"{path}/{key}").items()}
    return {path: content}


def check_interval(found, path):
    """Whether low <= value <= high; None is an end without bound, or no interval at all."""
    value, low, high = found["value"], found["low"], found["high"]
    if value is None:
        assert low is high is None, path  # an infinite log loss
    elif low is None:  # no interval of it holds, or it has no bound below
        assert high is None or value <= high, path
    else:
        assert low <= value, path
        assert high is None or value <= high, path


def check_all(content, path=""):
    """Intervals hold their values, p-values are shares, nothing is NaN."""
    if isinstance(content, dict):
        if {"value", "low", "high"} <= content.keys():
            check_interval(content, path)
        if content.get("p_value") is not None:
            assert 0 <= content["p_value"] <= 1, path
        if "null_mean" in content:
            assert content["null_mean"] >= 0, path
            assert content["null_high"] >= 0, path
    for name, value in numbers(content).items():
        assert value is None or isinstance(value, (int, str)) or math.isfinite(value), name
    if isinstance(content, (dict, list)):
        items = content.items() if isinstance(content, dict) else enumerate(content)
        for key, each in items:
            check_all(each, f"{path}/{key}")


@pytest.mark.parametrize("name", CASES)
def test_evaluate(name):
    """Every number is one, every interval holds its value, and the tables can be shown."""
    p, y, options = CASES[name]
    evaluation = tp.evaluate(p, y, n_resamples=100, **options)
    content = evaluation.to_dict()
    check_all(content)
    json.dumps(content, allow_nan=False)
    assert (content["log_loss"]["value"] is None) == (name in INFINITE)
    for error in content["calibration_errors"].values():
        assert 0 <= error["value"] <= 1
    for text in (str(evaluation), evaluation._repr_html_()):
        assert "nan" not in text.lower()


@pytest.mark.parametrize("name", CASES)
def test_report(name):
    """The page and its pictures have neither nan nor inf, before and after a temperature."""
    p, y, options = CASES[name]
    comparison = tp.compare({"before": p, "after": p}, y, n_resamples=100, **options)
    text = render_report(
        ReportContent(
            title="awkward",
            evaluation=comparison.evaluations["before"],
            comparison=comparison,
            calibrator=tp.TemperatureScaling(1.5),
            evaluated_on="given",
            facts=(),
        )
    )
    words = re.sub(r"<style>.*?</style>|<[^>]*>", " ", text, flags=re.DOTALL)
    assert not re.search(r"\b(nan|inf|None)\b", words)
    assert not re.search(r'"[^"]*\b(nan|inf)\b[^"]*"', text)
    assert "the same" in words


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("name", CASES)
def test_measures(name, measure):
    """Each measure by itself: in its range, not NaN, the same as of the rows that count."""
    p, y, options = CASES[name]
    w = options.get("weights")
    extra = {"n_resamples": 100} if measure is metrics.corp_reliability else {}
    found = measure(p, y, weights=w, **extra)
    if measure in DIAGRAMS:
        found = found.to_dict()
        check_all(found)
    elif measure in ERRORS or measure is metrics.accuracy:
        assert 0 <= found <= 1
    else:
        assert found >= 0
    if w is None or measure is metrics.corp_reliability:  # other rows, other resamples
        return
    keep = np.flatnonzero(w)
    alone = measure(np.asarray(p)[keep], np.asarray(y)[keep], weights=np.asarray(w)[keep])
    if measure in DIAGRAMS:
        alone = {k: v for k, v in numbers(alone.to_dict()).items() if "count" not in k}
        found = {k: v for k, v in numbers(found).items() if "count" not in k}
    assert found == pytest.approx(alone, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("name", ["one row, right", "one row, certain", "one row, two classes"])
def test_one_row_proves_nothing(name):
    """Its accuracy may be nearly anything, its errors too, and chance explains each of them."""
    p, y, _ = CASES[name]
    content = tp.evaluate(p, y, n_resamples=100).to_dict()
    assert content["accuracy"]["high"] - content["accuracy"]["low"] > 0.7
    assert content["log_loss"]["high"] is None
    for error in content["calibration_errors"].values():
        assert error["p_value"] > 0.05
        if error["low"] is not None:
            assert error["low"] == 0
            assert error["high"] == 1
    assert all(test.get("p_value") is None or test["p_value"] > 0.01
               for test in content["tests"].values())  # fmt: skip


def test_certain_and_wrong_is_refuted():
    """Probability 1 and never right: the largest error there is, and no calibrated world has it."""
    p, y, _ = CASES["all certain and wrong"]
    errors = tp.evaluate(p, y, n_resamples=100).to_dict()["calibration_errors"]
    for name in ("ece", "ece_equal_mass", "debiased", "smooth", "ks", "top_label_conditional"):
        assert errors[name]["value"] == pytest.approx(1)
        assert errors[name]["null_high"] == 0
        assert errors[name]["p_value"] == pytest.approx(1 / 101)
    assert errors["ece"]["low"] > 0.5


def test_certain_and_right_is_no_error_and_no_proof():
    """Probability 1 and right eight times: every error is 0, but may be more than 0."""
    p, y, _ = CASES["all certain and right"]
    content = tp.evaluate(p, y, n_resamples=100).to_dict()
    for error in content["calibration_errors"].values():
        assert error["value"] == 0
        assert error["p_value"] == 1
        assert error["high"] is None or error["high"] > 0.1
    assert content["accuracy"]["low"] < 0.9


def test_equal_confidences_have_one_gap():
    """Where all say 0.7 and 60 % are right, every error of the prediction is 0.1."""
    p, y, _ = CASES["all confidences equal"]
    for measure in (
        metrics.expected_calibration_error,
        metrics.top_label_conditional_calibration_error,
        metrics.ks_calibration_error,
        metrics.classwise_calibration_error,
    ):
        assert measure(p, y) == pytest.approx(0.1)
    assert metrics.smooth_calibration_error(p, y) == pytest.approx(0.1, abs=1e-3)
    parts = metrics.score_decomposition(p, y)
    assert parts.miscalibration == pytest.approx(0.01)
    assert parts.discrimination == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("measure", MEASURES)
def test_one_column_or_two(sample, measure):
    """K = 2 as the probability of class 1 or as two columns: the same numbers."""
    z, y = sample(seed=14, n=60, k=2)
    p = reference.softmax(z)
    p1 = p[:, 1]
    extra = {"n_resamples": 100} if measure is metrics.corp_reliability else {}
    one, two = measure(p1, y, **extra), measure(np.stack([1 - p1, p1], axis=1), y, **extra)
    if measure in DIAGRAMS:
        one, two = numbers(one.to_dict()), numbers(two.to_dict())
        assert one.pop("/event", None) == two.pop("/event", None)
    assert one == pytest.approx(two, rel=1e-12)


def test_evaluate_one_column_or_two(sample):
    """All that is measured of two classes, intervals and p-values included."""
    z, y = sample(seed=15, n=60, k=2)
    p1 = reference.softmax(z)[:, 1]
    groups = np.arange(60) % 3
    one = tp.evaluate(p1, y, groups=groups, n_resamples=100)
    two = tp.evaluate(np.stack([1 - p1, p1], axis=1), y, groups=groups, n_resamples=100)
    assert numbers(one.to_dict()) == numbers(two.to_dict())


REFUSED = [
    ((np.zeros((0, 3)), []), {}, "at least one row"),
    (([[0.5, 0.6]], [0]), {}, "row 0 sums to"),
    (([[np.nan, 1.0]], [0]), {}, "row 0 holds nan"),
    (([[1.5, -0.5]], [0]), {}, "row 0"),
    (([[0.5, 0.5]], [2]), {}, "row 0 holds 2"),
    (([[0.5, 0.5]], [-1]), {}, "row 0 holds -1"),
    (([[0.5, 0.5]], [0, 1]), {}, "`labels` must have shape"),
    (([[0.5, 0.5]] * 2, [0, 1]), {"weights": [0, 0]}, "must not all be zero"),
    (([[0.5, 0.5]] * 2, [0, 1]), {"weights": [1, -1]}, "row 1 has -1"),
    (([[0.5, 0.5]] * 2, [0, 1]), {"weights": [1, np.nan]}, "row 1 has nan"),
    (([[0.5, 0.5]] * 2, [0, 1]), {"weights": [1]}, "`weights` must have shape"),
]


@pytest.mark.parametrize("measure", [*MEASURES, tp.evaluate])
@pytest.mark.parametrize(("data", "options", "message"), REFUSED)
def test_refused(measure, data, options, message):
    """Every measure refuses in the same words."""
    with pytest.raises(tp.InvalidInputError, match=message) as caught:
        measure(*data, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("measure", "options", "message"),
    [
        (metrics.expected_calibration_error, {"norm": 0.5}, "`norm`"),
        (metrics.expected_calibration_error, {"norm": np.nan}, "`norm`"),
        (metrics.debiased_calibration_error, {"over": "rows"}, "`over`"),
        (metrics.debiased_calibration_error, {"n_bins": 0}, "`n_bins`"),
        (metrics.classwise_calibration_error, {"n_bins": 0}, "`n_bins`"),
        (metrics.flattened_calibration_error, {"n_bins": 0}, "`n_bins`"),
        (metrics.top_label_conditional_calibration_error, {"n_bins": 0}, "`n_bins`"),
        (metrics.score_decomposition, {"score": "crps"}, "`score`"),
        (metrics.score_decomposition, {"event": 2}, "`event`"),
        (metrics.murphy_decomposition, {"event": -1}, "`event`"),
        (metrics.corp_reliability, {"event": True}, "`event`"),
        (metrics.corp_reliability, {"n_resamples": 99}, "`n_resamples`"),
        (metrics.corp_reliability, {"clusters": [1]}, "`clusters`"),
        (tp.evaluate, {"n_bins": 0}, "`n_bins`"),
        (tp.evaluate, {"n_resamples": 100.5}, "`n_resamples`"),
        (tp.evaluate, {"groups": ["a"]}, "`groups`"),
        (tp.evaluate, {"groups": ["a", None]}, "`groups`"),
        (tp.evaluate, {"clusters": ["a", None]}, "`clusters`"),
    ],
)
def test_options_are_refused(measure, options, message):
    """Options out of range are named."""
    with pytest.raises(tp.InvalidInputError, match=message):
        measure([[0.5, 0.5], [0.2, 0.8]], [0, 1], **options)
