"""action.yml, the hook of pre-commit and the recipes of docs/gates.md, parsed and run."""

import os
import re
import shlex
import stat
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

import temperance as tp

yaml = pytest.importorskip("yaml")
ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
INSTALL, JUDGE = ACTION["runs"]["steps"]
PAGE = (ROOT / "docs" / "gates.md").read_text(encoding="utf-8")


@pytest.fixture
def runner(tmp_path, sample):
    """Run a step of the action as a runner does, in a folder with two models' outputs."""
    z, y = sample(1, n=600, k=3, temperature=2.0)
    np.savez(tmp_path / "good one.npz", logits=z / 2.0, labels=y)
    np.savez(tmp_path / "sharp.npz", logits=2.0 * z, labels=y)
    files = {name: tmp_path / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    temporary = tmp_path / "temporary"

    def run(step, given, code=0, path=None):
        for each in files.values():
            each.write_text("")
        inputs = {name: each.get("default", "") for name, each in ACTION["inputs"].items()} | given
        of_step = {
            name: re.sub(r"\$\{\{ inputs\.([a-z]+) \}\}", lambda found: inputs[found[1]], each)
            for name, each in step["env"].items()
        }
        env = {
            **os.environ, **of_step, **{name: str(each) for name, each in files.items()},
            "RUNNER_TEMP": str(temporary), "GITHUB_ACTION_PATH": str(ROOT),
            "PYTHONPATH": str(Path(tp.__file__).parents[1]),
        }  # fmt: skip
        if path is not None:
            env["PATH"] = f"{path}{os.pathsep}{env['PATH']}"
        done = subprocess.run(
            ["/bin/bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
            cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == code, done.stderr + done.stdout
        outputs = dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text().split())
        return done, outputs, files["GITHUB_STEP_SUMMARY"].read_text(encoding="utf-8")

    script(temporary / "temperance-gate" / "bin" / "python", f'exec {sys.executable} "$@"')
    return run


def script(path, line):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_the_action_is_composite_and_uses_nothing_unpinned():
    """Every step is a script that says its shell; inputs reach it as variables alone."""
    assert ACTION["runs"]["using"] == "composite"
    for step in (INSTALL, JUDGE):
        assert step["shell"] == "bash"
        assert "uses" not in step
        assert "${{" not in step["run"]
    for output in ACTION["outputs"].values():
        name = re.fullmatch(r"\$\{\{ steps\.gate\.outputs\.([a-z]+) \}\}", output["value"])[1]
        assert f"{name}=" in JUDGE["run"]


def test_the_action_installs_its_own_checkout(runner, tmp_path):
    """A virtual environment, and the folder of the action in it, with extras and constraints."""
    stub = tmp_path / "stub"
    log = tmp_path / "log"
    installed = 'bin="$3/bin"; mkdir -p "$bin"; cp "$0" "$bin/python"'
    line = f'echo "$@" >> {log}; if [ "$2" = venv ]; then {installed}; fi'
    script(stub / "python3", line)
    (tmp_path / "temporary" / "temperance-gate" / "bin" / "python").unlink()
    runner(INSTALL, {"extras": "arrow", "constraints": "pins.txt"}, path=stub)
    made, pip = log.read_text().splitlines()
    assert made == f"-m venv {tmp_path}/temporary/temperance-gate"
    assert pip == (
        f"-m pip install --quiet --disable-pip-version-check --constraint pins.txt {ROOT}[arrow]"
    )
    log.unlink()
    runner(INSTALL, {}, path=stub)
    assert log.read_text().splitlines()[1].endswith(f"version-check {ROOT}")


def test_the_action_judges(runner, tmp_path):
    """Exit code, outputs, both files and the summary: passed, failed, wrong input."""
    passing = {"command": "evaluate", "arguments": "'good one.npz'\n--max-ece 0.5"}
    _, outputs, summary = runner(JUDGE, passing)
    assert outputs == {
        "passed": "true", "markdown": "temperance-results/temperance.md",
        "junit": "temperance-results/temperance.xml",
    }  # fmt: skip
    assert summary == (tmp_path / outputs["markdown"]).read_text(encoding="utf-8")
    assert ET.parse(tmp_path / outputs["junit"]).getroot().get("tests") == "1"  # noqa: S314
    failing = {"command": "compare", "arguments": '"good one.npz" sharp.npz --fail-if worse'}
    done, outputs, summary = runner(JUDGE, failing, code=1)
    assert outputs["passed"] == "false"
    assert "::error::a gate failed" in done.stdout
    assert summary.startswith("### temperance compare good one sharp: failed (")
    done, outputs, summary = runner(JUDGE, passing | {"arguments": "none.npz --max-ece 1"}, code=2)
    assert (outputs, summary) == ({}, "")
    assert "::error::temperance evaluate could not run" in done.stdout
    done, _, _ = runner(JUDGE, passing | {"arguments": "'good one.npz'"}, code=2)
    assert "needs a gate" in done.stderr


def test_arguments_of_the_action_run_nothing(runner, tmp_path):
    """What looks like a command is the name of a file, and other commands are refused."""
    evil = {"command": "evaluate", "arguments": "$(touch made) `touch made`; touch made"}
    runner(JUDGE, evil, code=2)
    runner(JUDGE, {"command": "serve; touch made", "arguments": ""}, code=2)
    done, _, _ = runner(JUDGE, {"command": "evaluate", "arguments": "'open; touch made"}, code=2)
    assert "::error::arguments: bad quotes" in done.stdout
    assert not (tmp_path / "made").exists()


def blocks(language, words):
    found = re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)
    (block,) = [each for each in found if words in each]
    return block


def test_the_example_workflow_is_one_of_the_action(runner):
    """It names the action at a full commit, its inputs are known, and its gate runs."""
    workflow = yaml.safe_load(blocks("yaml", "runs-on"))
    steps = workflow["jobs"]["calibration"]["steps"]
    (step,) = [each for each in steps if "temperance@" in each.get("uses", "")]
    for each in steps:
        assert re.search(r"@[0-9a-f]{40}$|@<[a-z ]+>$", each.get("uses", "@<commit>")), each
    assert set(step["with"]) <= set(ACTION["inputs"])
    assert workflow["permissions"] == {"contents": "read"}


def test_the_hook_and_its_example(run, tmp_path, sample):
    """pre-commit starts `temperance` with the arguments of the configuration."""
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    config = yaml.safe_load(blocks("yaml", "repos:"))
    (used,) = config["repos"][0]["hooks"]
    assert used["id"] == hook["id"]
    assert hook["pass_filenames"] is False
    z, y = sample(1, n=600, k=3, temperature=2.0)
    (tmp_path / "outputs").mkdir()
    np.savez(tmp_path / "outputs" / "validation.npz", logits=z / 2.0, labels=y)
    old = run("evaluate", "outputs/validation.npz", "--json").stdout
    (tmp_path / "outputs" / "baseline.json").write_text(old)
    assert hook["entry"] == "temperance"
    run(*used["args"])


def test_the_gitlab_recipe(run, tmp_path, sample):
    """Its last line runs as printed, and what it writes is what its artifacts name."""
    job = yaml.safe_load(blocks("yaml", "artifacts:"))["calibration"]
    z, y = sample(1, n=600, k=3, temperature=2.0)
    (tmp_path / "outputs").mkdir()
    np.savez(tmp_path / "outputs" / "validation.npz", logits=z / 2.0, labels=y)
    old = run("evaluate", "outputs/validation.npz", "--json").stdout
    (tmp_path / "outputs" / "baseline.json").write_text(old)
    name, *arguments = shlex.split(job["script"][-1])
    assert name == "temperance"
    run(*arguments)
    artifacts = job["artifacts"]
    assert artifacts["when"] == "always"
    for path in (artifacts["reports"]["junit"], *artifacts["paths"]):
        assert (tmp_path / path).exists()


def test_the_action_runs_every_command_that_has_gates():
    """Those that write --junit are the list of the step, of its message and of its input."""
    listed = (ROOT / "tests" / "house" / "public_api.txt").read_text(encoding="utf-8")
    gates = re.findall(r"^\$ temperance (\w+): --junit", listed, flags=re.MULTILINE)
    (step,) = re.findall(r"^ *([a-z|]+)\) ;;$", JUDGE["run"], flags=re.MULTILINE)
    assert sorted(step.split("|")) == sorted(gates)
    for text in (JUDGE["run"], ACTION["inputs"]["command"]["description"]):
        (words,) = re.findall(r"((?:\w+, )+\w+ or \w+)", text)
        assert re.split(r", | or ", words) == step.split("|")
