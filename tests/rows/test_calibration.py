"""`temperance fit` from Python: the calibrator and the measures of the command line."""

import json

import numpy as np
import pytest

import temperance as tp
from temperance.formats import load
from temperance.rows import Reading, calibrate, calibrate_blocks, large_rows, read_rows, reading

RNG = np.random.default_rng(1)
Z = RNG.normal(size=(600, 3)) * 3
Y = (Z / 2 + RNG.gumbel(size=Z.shape)).argmax(axis=1)
SETTINGS = {"prior": 0.0, "n_bins": 15, "n_resamples": 200, "seed": 0}


@pytest.fixture
def files(tmp_path):
    """Rows of a fit, and of a test."""
    np.savez(tmp_path / "cal.npz", logits=Z[:400], labels=Y[:400])
    np.savez(tmp_path / "test.npz", logits=Z[400:], labels=Y[400:])
    return tmp_path / "cal.npz", tmp_path / "test.npz"


@pytest.mark.parametrize(
    ("method", "tested"),
    [("temperature", False), ("temperature", True), ("vector", True), ("auto", False)],
)
def test_python_and_the_command_line_say_the_same(run, files, tmp_path, method, tested):
    """Calibrator, measures of both sides, and warnings."""
    cal, test = files
    other = ["--test", test] if tested else []
    command = ["fit", cal, *other, "--method", method, "--quick", "--json", "-o", "c.json"]
    printed = json.loads(run(*command).stdout)
    fit = calibrate(read_rows(cal), read_rows(test) if tested else None, method=method, **SETTINGS)
    assert fit.calibrator == load(tmp_path / "c.json")
    assert fit.evaluated_on == printed["evaluated_on"]
    for side, evaluation in fit.comparison.evaluations.items():
        assert evaluation.log_loss.value == printed[side]["log_loss"]
        assert evaluation.ece.to_dict() == printed["intervals"][side]["ece"]
    assert len(fit.warnings) == len(printed["warnings"])


def test_rows_that_stay_in_their_file_give_the_same_temperature(files, monkeypatch):
    """And the same measures of a test, whichever of both files is read block by block."""
    cal, test = map(read_rows, files)
    whole = calibrate(cal, test, **SETTINGS)
    monkeypatch.setattr(reading, "LARGE_BYTES", 1)
    for rows in (test, large_rows([files[1]], Reading())):
        blocks = calibrate_blocks(large_rows([files[0]], Reading()), rows, **SETTINGS)
        assert blocks.calibrator.temperature == pytest.approx(whole.calibrator.temperature, 1e-7)
        losses = [each.comparison.evaluations["after"].log_loss.value for each in (whole, blocks)]
        assert losses[1] == pytest.approx(losses[0], rel=1e-9)


def test_a_method_must_be_for_the_layout_of_the_rows(tmp_path):
    """Answers take maps of answers."""
    lines = [f"{score},{int(score > 0.5)}" for score in RNG.random(50)]
    (tmp_path / "answers.csv").write_text("score,correct\n" + "\n".join(lines) + "\n")
    answers = Reading(kind="answers", score_scale="probability")
    rows = read_rows(tmp_path / "answers.csv", answers)
    with pytest.raises(tp.InvalidInputError, match=r'must be one of .* for `kind="answers"`'):
        calibrate(rows, method="matrix")
