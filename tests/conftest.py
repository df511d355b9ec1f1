"""Data with a known truth, and the command line in an empty folder."""

import os
from functools import partial

# One thread of linear algebra per test process: as many processes as processors run beside each
# other, and with more threads they mostly wait for one another.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest

import reference
from commands import run_in, start_in


@pytest.fixture(scope="session")
def sample():
    """Make `n` rows of `k` logits, and labels drawn at the given temperature."""

    def make(seed=0, n=400, k=4, temperature=2.0, spread=3.0):
        rng = np.random.default_rng(seed)
        z = rng.normal(size=(n, k)) * spread
        p = reference.softmax(z / temperature)
        y = (p.cumsum(axis=1) < rng.random((n, 1)) * p.sum(axis=1, keepdims=True)).sum(axis=1)
        return z, y

    return make


@pytest.fixture
def quick_plans(monkeypatch):
    """Let `plan` simulate a tenth of its samples, where a page shows its answer beside others."""
    monkeypatch.setattr("temperance.planning._DRAWS", 400)


@pytest.fixture
def run(tmp_path):
    """Run `temperance ...` in an empty folder (`commands.run_in`)."""
    return partial(run_in, tmp_path)


@pytest.fixture
def start(tmp_path):
    """Run `python -m temperance ...` in an empty folder, in a process of its own."""
    return partial(start_in, tmp_path)


@pytest.fixture
def files(tmp_path, sample):
    """Calibration and test rows of an over-confident model as .npz, and their arrays."""
    arrays = {}
    for name, seed in (("cal", 1), ("test", 2)):
        z, y = sample(seed, n=600, k=4, temperature=2.0)
        np.savez(tmp_path / f"{name}.npz", logits=z, labels=y)
        arrays[name] = (z, y)
    return arrays


@pytest.hookimpl(tryfirst=True)
def pytest_collectreport(report):
    """A test file that cannot be imported is an error; only files of `src` may need an extra.

    Without this `--doctest-ignore-import-errors` would skip its tests in silence.
    """
    if (
        report.skipped
        and report.nodeid.startswith("tests")
        and "unable to import" in str(report.longrepr)
    ):
        report.outcome = "failed"
