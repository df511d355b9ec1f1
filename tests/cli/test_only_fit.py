"""`temperance fit --only-fit` saves the same calibrator, and measures nothing."""

import json

import numpy as np
import pytest

from temperance.formats import load, load_facts
from temperance.metrics import resampling
from temperance.rows import reading

METHODS = ["temperature", "vector", "bias-corrected-temperature", "identity"]


@pytest.fixture
def cal(tmp_path):
    rng = np.random.default_rng(3)
    z = rng.normal(size=(400, 3)) * 3
    y = (z / 2 + rng.gumbel(size=z.shape)).argmax(axis=1)
    np.savez(tmp_path / "cal.npz", logits=z, labels=y)
    return tmp_path / "cal.npz"


def test_rows_that_stay_in_their_file(cal, run, monkeypatch):
    """Read block by block for the fit alone."""
    whole, only = cal.with_name("whole.json"), cal.with_name("only.json")
    run("fit", cal, "-o", whole)
    monkeypatch.setattr(reading, "LARGE_BYTES", 1)
    monkeypatch.setattr("temperance.rows.blocks.compare_blocks", None)
    done = run("fit", cal, "-o", only, "--only-fit", "--json")
    assert json.loads(done.stdout)["n"] == 400
    assert load(only).temperature == pytest.approx(load(whole).temperature, rel=1e-9)
    assert load_facts(only)["data_sha256"] == load_facts(whole)["data_sha256"]


def test_the_floor_of_probabilities_goes_along(cal, run, monkeypatch):
    """What zeros are raised to belongs to the map, measured or not, in memory or in the file."""
    content = dict(np.load(cal))
    logits = content.pop("logits")
    probs = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.savez(cal.with_name("p.npz"), probs=probs / probs.sum(axis=1, keepdims=True), **content)
    floors = []
    for size in (1 << 40, 1):
        monkeypatch.setattr(reading, "LARGE_BYTES", size)
        for only in ((), ("--only-fit",)):
            run("fit", "p.npz", "--floor", "0.001", "-o", "c.json", *only)
            floors.append(load(cal.with_name("c.json")).record.floor)
    assert floors == [0.001] * 4


@pytest.mark.parametrize("method", METHODS)
def test_the_calibrator_is_that_of_a_fit_with_measures(cal, run, method):
    whole, only = cal.with_name("whole.json"), cal.with_name("only.json")
    run("fit", cal, "--method", method, "-o", whole)
    done = run("fit", cal, "--method", method, "-o", only, "--only-fit")
    assert "nothing was measured" in done.stdout
    assert load(only) == load(whole)
    assert load_facts(only)["data_sha256"] == load_facts(whole)["data_sha256"]
    content = json.loads(only.read_text(encoding="utf-8"))
    assert not content["evaluation"]


def test_nothing_is_resampled_or_cross_fitted(cal, run, monkeypatch):
    def refuse(*_args, **_settings):
        raise AssertionError

    monkeypatch.setattr(resampling, "Resampling", refuse)
    monkeypatch.setattr("temperance.crossfit.fold_fits", refuse)
    done = run("fit", cal, "-o", cal.with_name("c.json"), "--only-fit", "--json")
    summary = json.loads(done.stdout)
    assert [summary[key] for key in ("evaluated_on", "before", "after")] == [None] * 3
    assert summary["temperature"] == pytest.approx(load(cal.with_name("c.json")).temperature)


@pytest.mark.parametrize(
    ("options", "named"),
    [(["--test"], "--test"), (["--report"], "--report"), (["--method", "auto"], "--method auto")],
)
def test_what_needs_measures_is_refused(cal, run, options, named):
    given = {"--test": [str(cal)], "--report": [str(cal.with_name("r.html"))]}
    done = run("fit", cal, "--only-fit", *options, *given.get(options[0], []), code=2)
    assert f"`--only-fit` measures nothing, but {named} needs measures" in done.stderr
    assert not cal.with_name("r.html").exists()
