"""Data with a known truth, and the command line in an empty folder."""

import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO

# One thread of linear algebra per test process: as many processes as processors run beside each
# other, and with more threads they mostly wait for one another.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

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
def run(tmp_path, monkeypatch):
    """Run `temperance ...` in an empty folder, as a user would, but without a new process.

    That saves a second of imports each time; tests/cli/test_cli.py starts real processes as well.
    """

    def call(*arguments, code=0, columns=100):
        from temperance.cli import main

        out, err, returncode = StringIO(), StringIO(), 0
        with monkeypatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.chdir(tmp_path)
            patch.setenv("COLUMNS", str(columns))
            patch.setattr(sys, "argv", ["temperance", *map(str, arguments)])
            try:
                main()
            except SystemExit as end:
                returncode = end.code or 0
        done = Done(out.getvalue(), err.getvalue(), returncode)
        check(done, code)
        return done

    return call


@pytest.fixture
def start(tmp_path):
    """Run `python -m temperance ...` in an empty folder, in a process of its own."""

    def call(*arguments, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "temperance", *map(str, arguments)],
            cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        check(done, code)
        return done

    return call


@dataclass(frozen=True)
class Done:
    """What a command printed, and how it ended."""

    stdout: str
    stderr: str
    returncode: int


def check(done, code):
    """The exit code is the expected one, and an error is one line on stderr."""
    assert code in (None, done.returncode), done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    if code == 2:
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1
        assert done.stdout == ""


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
