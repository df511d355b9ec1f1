"""The command line in a folder: in this process, or in one of its own."""

import json
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO

import pytest


def run_in(folder, *arguments, code=0, columns=100):
    """Run `temperance ...` in a folder, as a user would, but without a new process.

    That saves a second of imports each time; tests/cli/test_cli.py starts real processes as well.
    """
    from temperance.cli import main

    out, err, returncode = StringIO(), StringIO(), 0
    with (
        pytest.MonkeyPatch.context() as patch, chdir(folder),
        redirect_stdout(out), redirect_stderr(err),
    ):  # fmt: skip
        patch.setenv("COLUMNS", str(columns))
        patch.setattr(sys, "argv", ["temperance", *map(str, arguments)])
        try:
            main()
        except SystemExit as end:
            returncode = end.code or 0
    done = Done(out.getvalue(), err.getvalue(), returncode)
    check(done, code)
    return done


def json_of(done):
    """What a command run with --json printed."""
    return json.loads(done.stdout)


def evaluation_of(*files, **options):
    """What `temperance evaluate FILE...` measures, read with these options, before it is printed.

    Each measure is computed when it is asked for, where --json computes them all.
    """
    from temperance.defaults import QUICK_RESAMPLES
    from temperance.rows.reading import Reading, read_members

    evaluation, _ = read_members(files, Reading(**options)).measure_raw(
        n_bins=15, n_resamples=QUICK_RESAMPLES, seed=0
    )
    return evaluation


def start_in(folder, *arguments, code=0):
    """Run `python -m temperance ...` in a folder, in a process of its own."""
    done = subprocess.run(  # noqa: S603  (our own command)
        [sys.executable, "-m", "temperance", *map(str, arguments)],
        cwd=folder, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    check(done, code)
    return done


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
