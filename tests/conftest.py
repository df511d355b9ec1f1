"""Data with a known truth, and the command line in an empty folder."""

import os
import subprocess
import sys

import numpy as np
import pytest

import reference


@pytest.fixture
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
def run(tmp_path):
    """Run `temperance ...` in an empty folder, as a user would."""

    def call(*arguments, code=0, columns=100):
        done = subprocess.run(
            [sys.executable, "-m", "temperance", *map(str, arguments)],
            cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
            env={**os.environ, "COLUMNS": str(columns)},
        )  # fmt: skip
        assert done.returncode == code, done.stderr + done.stdout
        assert "Traceback" not in done.stderr
        if code == 2:
            assert done.stderr.startswith("error: ")
            assert done.stderr.count("\n") == 1
            assert done.stdout == ""
        return done

    return call


@pytest.fixture
def files(tmp_path, sample):
    """Calibration and test rows of an over-confident model as .npz, and their arrays."""
    arrays = {}
    for name, seed in (("cal", 1), ("test", 2)):
        z, y = sample(seed, n=600, k=4, temperature=2.0)
        np.savez(tmp_path / f"{name}.npz", logits=z, labels=y)
        arrays[name] = (z, y)
    return arrays
