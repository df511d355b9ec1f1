"""True classes of probability 0: infinite losses, whose differences are no numbers."""

from __future__ import annotations

import json
from math import inf, isnan, nan

import numpy as np
import pytest

import temperance as tp
from temperance.metrics.estimates import Estimate

RNG = np.random.default_rng(4)
LOGITS = 3 * RNG.normal(size=(120, 3))
LABELS = (LOGITS / 2 + RNG.gumbel(size=(120, 3))).argmax(axis=1)


def probs(*impossible, scale=1.0):
    """Probabilities of which some rows rule their label out."""
    z = LOGITS / scale
    z[list(impossible), LABELS[list(impossible)]] = -np.inf
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


@pytest.fixture
def files(tmp_path):
    """Write rows to fit on, and rows of which two are impossible."""
    np.savez(tmp_path / "cal.npz", probs=probs(scale=1.1), labels=LABELS)
    for name, scale in (("test", 1.0), ("other", 2.0)):
        np.savez(tmp_path / f"{name}.npz", probs=probs(4, 7, scale=scale), labels=LABELS)


def test_infinite_less_infinite_is_no_number():
    """Undefined in every form, and of no verdict; the Brier score is compared as ever."""
    both = tp.compare({"a": probs(4), "b": probs(4, scale=2.0)}, LABELS, n_resamples=100)
    found = both.differences["b"]
    assert isnan(found.log_loss.value)
    assert found.verdict("log_loss") == "cannot tell"
    assert found.to_dict()["log_loss"]["value"] is None
    assert np.isfinite(found.brier.value)
    shown = next(line for line in str(both).splitlines() if "log loss" in line)
    assert shown.split() == ["log", "loss", "infinite", "infinite", "undefined", "cannot", "tell"]
    one = tp.compare({"a": probs(), "b": probs(4)}, LABELS, n_resamples=100)
    assert one.differences["b"].log_loss.value == inf
    assert one.differences["b"].verdict("log_loss") == "worse"
    assert "+infinite" in str(one)


def test_blocks_say_the_same():
    """Sums of blocks keep what is undefined."""
    with np.errstate(divide="ignore"):
        rows = [(np.log(probs(4))[part], LABELS[part]) for part in np.split(np.arange(120), 3)]
    sides = {"a": None, "b": tp.TemperatureScaling(2.0)}
    found = tp.compare_blocks(lambda: rows, sides, n_resamples=100).differences["b"]
    assert isnan(found.log_loss.value)
    assert found.verdict("log_loss") == "cannot tell"


def test_the_command_names_the_rows(run, files, tmp_path):
    """In the shell, in JSON and in the report; rows are those of the file, counted from 1."""
    fit = ("fit", "cal.npz", "--test", "test.npz", "--quick")
    told = "test.npz: 2 rows have a true class of probability 0 (rows 5, 8, counted from 1)"
    done = run(*fit, "--report", "r.html")
    assert told in done.stderr
    headline, shown = [line for line in done.stdout.splitlines() if "log loss" in line][:2]
    assert "2 rows have a true class of probability 0, so the log loss is infinite" in headline
    assert "undefined" in shown
    page = (tmp_path / "r.html").read_text()
    assert "infinite because in 2 rows the" in page
    assert "undefined" in page
    found = json.loads(run(*fit, "--json").stdout)
    assert found["differences"]["log_loss"] == {
        "value": None, "low": None, "high": None, "verdict": "cannot tell",
    }  # fmt: skip
    assert any(told in each for each in found["warnings"])
    for options in ((), ("--calibrator", "calibrator.json")):
        assert told in run("evaluate", "test.npz", "--quick", *options).stderr
    both = run("compare", "test.npz", "other.npz", "--quick").stderr
    assert "test: 2 rows have" in both
    assert "other: 2 rows have" in both


def test_rows_left_out_are_counted_among_those_of_the_file(run, tmp_path):
    """A row that is ignored before the impossible one does not move its number."""
    labels = LABELS.copy()
    labels[1] = -1
    np.savez(tmp_path / "t.npz", probs=probs(4), labels=labels)
    told = run("evaluate", "t.npz", "--quick", "--ignore-label", "-1").stderr
    assert "1 row has a true class of probability 0 (row 5, counted from 1)" in told


def test_gates_call_things_by_their_names():
    """An infinite measure is infinite; one that is nan is undefined, and keeps no limit."""
    evaluation = tp.evaluate(probs(4), LABELS, n_resamples=100)
    gate, *_ = tp.check_gates(evaluation, max_log_loss=1.0)
    assert (gate.passed, gate.verdict, gate.to_dict()["value"]) == (False, "failed", None)
    nowhere = Estimate(nan, nan, nan)
    undefined = tp.Gate.of("max_ece", 0.1, nowhere, n=5)
    assert undefined.verdict == "failed"
    assert undefined.to_dict()["value"] is None
    assert "log_loss is infinite" in str(gate)
    assert "ece is undefined" in str(undefined)
