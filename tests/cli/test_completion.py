"""What the tab key shows, as a shell asks for it, and what help calls types."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from temperance.cli.app import COMMANDS, GROUPS, load_command
from temperance.cli.completion import ShellName

MAIN = "import sys; sys.argv[0] = 'temperance'; from temperance.cli import run; run()"


def answers(line):
    """Return what a bash that has typed this line is answered."""
    run = subprocess.run(
        [sys.executable, "-c", MAIN], capture_output=True, text=True, check=True,
        env={**os.environ, "_TEMPERANCE_COMPLETE": "complete_bash", "COMP_WORDS": line,
             "COMP_CWORD": str(line.count(" "))},
    )  # fmt: skip
    return run.stdout.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("temperance ", [*(name for name in COMMANDS if " " not in name), *GROUPS]),
        ("temperance ev", ["evaluate"]),
        ("temperance monitor ro", ["rollback"]),
        ("temperance export ", ["sql", "polars", "onnx"]),
        ("temperance fit cal.npz --kind ", ["logits", "probs", "multilabel", "answers"]),
        ("temperance fit cal.npz --test-l", ["--test-labels"]),
        ("temperance fit ca", []),  # files are the shell's own business
    ],
)
def test_the_shell_is_answered(line, expected):
    """Commands, their options and the words of an option; the shell completes files itself."""
    assert sorted(answers(line)) == sorted(expected)


@pytest.mark.parametrize("shell", list(ShellName))
def test_the_script_asks_the_command(run, shell):
    """It names the command and the variable by which it asks."""
    script = run("completion", shell.value).stdout
    assert "_TEMPERANCE_COMPLETE" in script
    assert f"complete_{shell.value}" in script
    assert "temperance" in script


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_takes_the_script(run, tmp_path):
    """Bash reads it without a word and has a completion for the command then."""
    (tmp_path / "script").write_text(run("completion", "bash").stdout)
    run = subprocess.run(
        ["bash", "--norc", "-c", "source ./script && complete -p temperance"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "_temperance_completion" in run.stdout
    assert not run.stderr


def test_install_writes_where_bash_looks(run, tmp_path, monkeypatch):
    """A file with the script, and a line that reads it; a second time adds no other line."""
    monkeypatch.setenv("HOME", str(tmp_path))
    said = run("completion", "bash", "--install").stdout
    rc = (tmp_path / ".bashrc").read_text()
    file = tmp_path / ".bash_completions" / "temperance.sh"
    assert str(file) in said.replace("\n", "")
    assert str(file) in rc
    assert file.read_text().strip() == run("completion", "bash").stdout.strip()
    run("completion", "bash", "--install")
    assert (tmp_path / ".bashrc").read_text().split() == rc.split()


def test_an_unknown_shell_is_refused(run):
    """By the words that there are."""
    assert "'bash', 'zsh', 'fish', 'powershell'" in run("completion", "tcsh", code=2).stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_types_are_words(run, name):
    """No type of Python in help: neither `<list[Path]>` nor `<int range>`."""
    option = "--help-all" if has_help_all(name) else "--help"
    shown = run(*name.split(), option).stdout
    assert not re.findall(r"<(?:list\[.*?|path|str|int|float|bool|\w+ range)>", shown)


def has_help_all(name):
    return any("--help-all" in each.opts for each in load_command(name).params)
