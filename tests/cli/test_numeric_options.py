"""Every numeric option of every command, given what no one means: one line, or a right answer."""

import inspect
import json
import shutil
import typing
from contextlib import suppress

import numpy as np
import pytest
from typer.models import OptionInfo

from commands import run_in
from temperance.cli import app

VALUES = [
    "nan", "inf", "-inf", "1e309", "-1e400", "1e-300", "0", "-1", "", "a", "1,5", "9" * 400, "true",
]  # fmt: skip
COMMANDS = {  # name -> a call that works
    "fit": ["fit", "cal.npz", "--quick", "-o", "out.json"],
    "apply": ["apply", "c.json", "cal.npz", "-o", "out.npz"],
    "evaluate": ["evaluate", "probs.npz", "--quick"],
    "compare": ["compare", "cal.npz", "probs.npz", "--quick"],
    "shift": ["shift", "cal.npz", "test.npz", "--quick"],
    "cascade": ["cascade", "cal.npz", "test.npz", "--cost", "0.1"],
    "judge": ["judge", "judged.npz"],
    "plan": ["plan", "cal.npz", "--error", "0.3"],
    "threshold": ["threshold", "cal.npz", "--max-risk", "0.4", "-o", "policy.json"],
    "policy": ["policy", "cal.npz", "--calibrator", "c.json", "-o", "bands.json"],
    "serve": ["serve", "c.json", "--port", "0"],
    "monitor init": ["monitor", "init", "m.db", "--calibrator", "c.json"],
    "monitor log": ["monitor", "log", "m.db", "ids.npz"],
    "monitor refit": ["monitor", "refit", "m.db"],
    "monitor serve": ["monitor", "serve", "m.db", "--port", "0"],
    "monitor run": ["monitor", "run", "m.db", "--times", "1"],
}


def numeric_options():
    """Yield command and option of every parameter that is one number, or a list of them."""
    for name in app.COMMANDS:
        call = app.command_function(name)
        names = {each.name: each.opts[0] for each in app.load_command(name).params}
        hints = typing.get_type_hints(call, include_extras=True)
        for each in inspect.signature(call).parameters.values():
            annotation = each.annotation
            if isinstance(annotation, str):
                annotation = hints[each.name]
            own = getattr(annotation, "__metadata__", ())
            of = str(getattr(annotation, "__origin__", ""))
            if any(isinstance(each, OptionInfo) for each in own) and ("int" in of or "float" in of):
                yield name, names[each.name]


OPTIONS = list(numeric_options())


def no_constant(text):
    message = f"{text} is no JSON"
    raise AssertionError(message)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """A folder of few rows, and what commands on them need."""
    folder = tmp_path_factory.mktemp("rows")
    rng = np.random.default_rng(0)
    for name in ("cal", "test"):
        z = rng.normal(size=(120, 3)) * 3.0
        p = np.exp(z / 2.0)
        p /= p.sum(axis=1, keepdims=True)
        y = (p.cumsum(axis=1) < rng.random((120, 1))).sum(axis=1)
        np.savez(folder / f"{name}.npz", logits=z, labels=y)
        np.savez(folder / "probs.npz", probs=p, labels=y)
    run_in(folder, "fit", "cal.npz", "--quick", "-o", "c.json")
    asked = np.where(np.arange(120) < 30, y == 0, np.nan)
    np.savez(folder / "judged.npz", verdict=(p[:, 0] > 0.4).astype(float), label=asked)
    np.savez(folder / "ids.npz", logits=z, labels=y, ids=np.arange(120))
    return folder


@pytest.fixture
def inputs(tmp_path, rows, run, command):
    """The same in a folder of the test's own, with a monitor for commands of one."""
    shutil.copytree(rows, tmp_path, dirs_exist_ok=True)
    if command.startswith("monitor"):
        run("monitor", "init", "m.db", "--calibrator", "c.json")
        run("monitor", "log", "m.db", "ids.npz")
        run("monitor", "label", "m.db", "ids.npz")


def test_the_list_is_not_empty():
    """Every command with a number is tried below."""
    assert len(OPTIONS) > 30
    assert {command for command, _ in OPTIONS} == COMMANDS.keys()


@pytest.fixture
def started(monkeypatch):
    """Let a service end when it has begun; without its packages none begins."""
    with suppress(ImportError):
        from temperance.serving.server import _Server

        monkeypatch.setattr(_Server, "run", lambda server, sockets: server.on_start())


@pytest.mark.parametrize(("command", "option"), OPTIONS)
@pytest.mark.usefixtures("started")
def test_numbers_that_no_one_means(inputs, run, command, option):
    """Exit code 2 and one line that names the option, or JSON that any reader takes."""
    for value in VALUES:
        arguments = [
            each for each in COMMANDS[command] if each != "--quick" or option != "--resamples"
        ]
        if option in arguments:  # given once
            place = arguments.index(option)
            del arguments[place : place + 2]
        done = run(*arguments, f"{option}={value}", "--json", code=None)
        if done.returncode == 2:
            assert done.stderr.startswith("error: "), (value, done.stderr)
            assert done.stderr.count("\n") == 1
            assert done.stdout == ""
            assert len(done.stderr) < 700, value
        else:
            assert done.returncode in (0, 1), (value, done.stderr)
            json.loads(done.stdout, parse_constant=no_constant)
            assert value not in {"nan", "a", "", "1,5", "true"}, f"{value!r} was taken"
