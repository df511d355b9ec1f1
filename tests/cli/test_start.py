"""What a command loads before it says anything: itself, and no more than it needs."""

import inspect
import subprocess
import sys

import numpy as np
import pytest
import typer

from temperance.cli.app import COMMANDS, GROUPS, app, command_function, load_command

HEAVY = {"numpy", "scipy", "matplotlib", "jinja2", "pandas", "polars", "pyarrow", "numba", "torch"}
COMMAND_LINE = """
from temperance.cli import main
try:
    main({})
except SystemExit as end:
    assert not end.code
"""


def loaded(code, folder=None):
    """Return the modules that a fresh interpreter has loaded after `code`."""
    code = f"import sys\n{code}\nprint(*sys.modules, file=sys.stderr)"
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    return set(ended.stderr.split())


def loaded_by_command(*arguments, folder=None):
    """Return the modules that `temperance ...` loads."""
    return loaded(COMMAND_LINE.format(list(arguments)), folder)


def packages(modules):
    """Return the packages of modules."""
    return {name.split(".")[0] for name in modules}


def test_version_loads_next_to_nothing():
    """No library, and nothing of what draws or checks options."""
    assert not packages(loaded_by_command("--version")) & {*HEAVY, "rich", "pydantic", "pygments"}


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_loads_no_library(command):
    """The list of commands loads none of them; the help of a command that one."""
    modules = loaded_by_command(*command.split(), "--help")
    assert not packages(modules) & HEAVY
    commands = {f"temperance.cli.{name.replace(' ', '.')}": name for name in COMMANDS}
    assert [commands[name] for name in modules & commands.keys()] == ([command] if command else [])


@pytest.mark.parametrize("name", ["cli.calibration", "report", "decisions", "shift"])
def test_what_draws_is_loaded_with_a_drawing(name):
    """Neither Matplotlib nor Jinja where nothing is drawn yet, and no data frames."""
    assert packages(loaded(f"import temperance.{name}")) & HEAVY <= {"numpy"}


def test_a_fit_loads_what_it_uses(tmp_path, sample):
    """A small fit without a report: no plots, pages, data frames, compiler, nor other command."""
    z, y = sample(1, n=300)
    np.savez(tmp_path / "a.npz", logits=z, labels=y)
    modules = loaded_by_command("fit", "a.npz", "--quick", folder=tmp_path)
    assert packages(modules) & HEAVY <= {"numpy", "scipy"}
    unused = (
        "scipy.stats",
        "temperance.plots",
        "temperance.report.html",
        "temperance.readers.llm.",
    )
    llm = {"temperance.readers.llm.llm_format"}  # the type of an option
    assert not {name for name in modules if name.startswith(unused)} - llm
    assert not modules & {f"temperance.cli.{name}" for name in COMMANDS if name != "fit"}


def test_the_list_says_what_the_commands_say(run, monkeypatch):
    """Its lines begin the docstrings, and `--help` prints what a list of loaded commands would."""
    for name, entry in COMMANDS.items():
        function = command_function(name)
        assert inspect.getdoc(function).split("\n\n")[0].replace("\n", " ") == entry.line
        assert load_command(name).epilog == f"Example: [bold]temperance {entry.example}[/]"
        assert f"{entry.example} ".startswith(f"{name} ")
    listed = run("--help")
    group = typer.main.get_command(app)
    groups = {name: group.commands[name] for name in GROUPS}
    listed_there = {name: run(name, "--help") for name in GROUPS}
    for name, each in groups.items():
        each.commands = {
            command.removeprefix(f"{name} "): load_command(command)
            for command in COMMANDS if command.startswith(f"{name} ")
        }  # fmt: skip
    group.commands = {name: load_command(name) for name in COMMANDS if " " not in name} | groups
    monkeypatch.setattr(typer.main, "get_command", lambda _: group)
    assert run("--help") == listed
    for name in GROUPS:
        assert run(name, "--help") == listed_there[name]
