"""No direction without evidence, in any of the places where one is said."""

import json
from dataclasses import replace

import numpy as np
import pytest

import reference
import temperance as tp
from temperance.calibrators.record import ScoreTest, sharpness_in_words
from temperance.metrics import (
    calibration_in_the_large_test,
    cox_test,
    group_score_tests,
    score_test,
)
from temperance.report import ReportContent, render_report
from temperance.significance import CalibrationTest

NO_SIGN = "no clear sign of over- or under-confidence"


def sample(n, temperature, *, seed=0, k=2):
    """Logits whose labels are drawn at a temperature: 1 is a calibrated model."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, k)) * 2.0
    p = reference.softmax(z / temperature)
    return z, (p.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(0, k - 1)


@pytest.mark.parametrize(
    ("z", "p", "direction"),
    [
        (0.3, 0.754, "neither"),
        (-0.3, 0.754, "neither"),
        (0.0, 1.0, "neither"),
        (1.9, 0.0574, "neither"),
        (2.1, 0.0357, "over-confident"),
        (-3.3, 0.00097, "under-confident"),
    ],
)
def test_a_direction_needs_a_small_p_value(z, p, direction):
    """The sign of z alone is a leaning; a direction is said where chance hardly explains it."""
    for test in (ScoreTest(z, p), CalibrationTest("score", z, None, p, ScoreTest(z, p).leaning)):
        assert test.direction == direction
        assert test.to_dict()["direction"] == direction
    said = sharpness_in_words(ScoreTest(z, p))
    assert said.startswith(NO_SIGN if direction == "neither" else f"the model is {direction} ")


def test_every_place_says_the_same(run, tmp_path):
    """Terminal, notebook, JSON and report of a fit to a calibrated model."""
    z, y = sample(400, 1.0)
    np.savez(tmp_path / "in.npz", logits=z, labels=y)
    fitted = tp.TemperatureScaling.fit(z, y)
    assert fitted.record.score_test.p_value > 0.05
    assert fitted.record.score_test.z != 0.0
    shell = " ".join(run("fit", "in.npz", "-o", "c.json", "--quick").stdout.split())
    result = json.loads(run("fit", "in.npz", "-o", "c.json", "--quick", "--json").stdout)
    evaluation = tp.evaluate(reference.softmax(z), y, n_resamples=100)
    page = render_report(
        ReportContent("t", evaluation, None, fitted, evaluated_on="given", facts=())
    )
    said = sharpness_in_words(fitted.record.score_test)
    assert said in shell
    assert said in fitted._repr_html_()
    assert said[1:] in page.replace("\N{NO-BREAK SPACE}", " ")
    for text in (shell, fitted._repr_html_(), page):
        assert "the model is over" not in text
        assert "the model is under" not in text
    assert result["score_test"]["direction"] == "neither"
    assert json.loads((tmp_path / "c.json").read_text())["fit"]["score_test"]["direction"] == (
        "neither"
    )


def test_several_tests_are_read_corrected():
    """Of a group, and among the tests of `evaluate`, the direction asks the corrected p-value."""
    z, y = sample(400, 1.0, seed=59)  # the score test alone: p = 0.014
    p = reference.softmax(z)
    one = score_test(p, y)
    assert one.direction == one.leaning != "neither"
    groups = np.array(["a", "b"])[np.arange(400) % 2]
    for each in group_score_tests(p, y, groups):
        assert each.adjusted_p_value > 0.05
        assert each.direction == "neither"
    tests = tp.evaluate(p, y, n_resamples=100).tests
    assert tests.adjusted_p_values["score"] > 0.05
    assert tests.to_dict()["score"]["direction"] == "neither"
    assert replace(tests.score, p_value=0.5).direction == "neither"


def test_the_line_has_the_direction_of_its_slope():
    """A wrong intercept refutes the line, but says nothing of how sharp the model is."""
    rng = np.random.default_rng(1)
    odds = rng.normal(size=2000)
    y = (rng.random(2000) < 1.0 / (1.0 + np.exp(-(odds + 0.7)))).astype(int)
    test = cox_test(1.0 / (1.0 + np.exp(-odds)), y)
    assert test.p_value < 1e-6
    assert abs(test.slope - 1.0) < 1.96 * test.slope_standard_error
    assert test.direction == test.to_dict()["direction"] == "neither"
    sharp = cox_test(1.0 / (1.0 + np.exp(-3.0 * odds)), y)
    assert sharp.direction == "over-confident"


def test_in_the_large_has_no_direction_by_chance():
    """Mean confidence a little above the accuracy is not over-confidence."""
    test = calibration_in_the_large_test([0.75, 0.75, 0.75, 0.75], [1, 1, 0, 0])
    assert (test.leaning, test.direction) == ("over-predicted", "neither")


def test_older_files_with_the_sign_of_z_still_load(tmp_path):
    """A file whose direction was the sign of z alone is read, and another word is refused."""
    z, y = sample(400, 1.0)
    fitted = tp.TemperatureScaling.fit(z, y)
    tp.save(fitted, tmp_path / "c.json")
    stored = json.loads((tmp_path / "c.json").read_text())
    test = fitted.record.score_test
    for word in (test.leaning, "neither"):
        stored["fit"]["score_test"]["direction"] = word
        (tmp_path / "c.json").write_text(json.dumps(stored))
        assert tp.load(tmp_path / "c.json").record.score_test == test
    other = {"over-confident", "under-confident"} - {test.leaning}
    stored["fit"]["score_test"]["direction"] = other.pop()
    (tmp_path / "c.json").write_text(json.dumps(stored))
    with pytest.raises(tp.FileFormatError, match="direction"):
        tp.load(tmp_path / "c.json")
