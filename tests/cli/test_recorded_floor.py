"""The floor of a calibrator's fit, wherever a calibrator file meets probabilities."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from commands import run_in

FLOOR = 0.01
TOLD = "as in the fit of the calibrator"


def votes(path, n, seed, least=0.0):
    """Write probabilities with zeros, or none below `least`, as votes of trees give them."""
    rng = np.random.default_rng(seed)
    truth = rng.dirichlet(np.full(3, 0.7), n)
    probs = np.array([rng.multinomial(25, p) for p in truth]) / 25
    labels = np.array([rng.choice(3, p=p) for p in 0.92 * truth + 0.08 / 3])
    if least:
        probs = np.maximum(probs, least)
        probs /= probs.sum(axis=1, keepdims=True)
    assert bool((probs[np.arange(n), labels] == 0.0).any()) == (not least)
    np.savez(path, probs=probs, labels=np.array(["a", "b", "c"])[labels], classes=["a", "b", "c"])
    return path


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A folder of two files of votes, and a calibrator of the first."""
    made = tmp_path_factory.mktemp("votes")
    votes(made / "cal.npz", 1_500, 0)
    votes(made / "new.npz", 1_500, 1)
    run_in(made, "fit", "cal.npz", "--floor", FLOOR, "--quick")
    return made


@pytest.fixture
def folder(tmp_path, fitted):
    """The same in the folder of `run`."""
    return shutil.copytree(fitted, tmp_path, dirs_exist_ok=True)


OPENS = r"temperance.formats import.*\bload\b|Map\.read\(|dealing_of\("
USES = {  # every command that takes a calibrator
    "apply": ["apply", "calibrator.json", "new.npz", "-o", "out.npz"],
    "evaluate": ["evaluate", "new.npz", "--calibrator", "calibrator.json", "--quick"],
    "compare": ["compare", "new.npz", "calibrator.json", "--quick"],
    "threshold": [
        "threshold", "new.npz", "--calibrator", "calibrator.json", "--max-risk", "0.25",
        "--test", "cal.npz",
    ],
    "policy": ["policy", "new.npz", "--calibrator", "calibrator.json"],
    "plan": ["plan", "new.npz", "--calibrator", "calibrator.json"],
}  # fmt: skip


def answer(options, run):
    return json.loads(run(*options, "--json").stdout)


def numbers(found):
    """Return an answer without its words, digests and times."""
    words = {"warnings", "data_sha256", "files"}
    found = {name: value for name, value in found.items() if name not in words}
    if "use" in found:
        found["use"] = {name: each for name, each in found["use"].items() if name != "set_at"}
    return found


def test_the_table_holds_every_command_that_takes_a_calibrator():
    """A new command with --calibrator, or a calibrator among its files, belongs in the table."""
    cli = Path(__file__).parents[2] / "src" / "temperance" / "cli"
    loads = {
        path.stem
        for path in cli.glob("*.py")
        if re.search(OPENS, path.read_text()) and path.stem != "dealing"
    }
    assert loads == set(USES)


@pytest.mark.parametrize("name", USES)
def test_the_recorded_floor_holds_and_is_told(name, run, folder):
    """Without --floor: the numbers of --floor with the recorded one, and one line that says so."""
    found = answer(USES[name], run)
    told = [each for each in found["warnings"] if TOLD in each]
    assert told, found["warnings"]
    assert len(set(told)) == len(told)
    said = answer([*USES[name], "--floor", str(FLOOR)], run)
    assert numbers(found) == numbers(said)
    assert not [each for each in said["warnings"] if TOLD in each]


@pytest.mark.parametrize("name", USES)
def test_an_option_overrides_it(name, run, folder):
    """--floor says otherwise."""
    found = answer([*USES[name], "--floor", "0.03"], run)
    assert any("below 0.03 were raised" in each for each in found["warnings"])
    assert not [each for each in found["warnings"] if TOLD in each]


def test_a_policy_carries_it_on(run, folder):
    """The calibrator within policy.json has its record too."""
    answer(USES["threshold"], run)
    found = answer(["apply", "policy.json", "new.npz", "-o", "out.npz"], run)
    assert any(TOLD in each for each in found["warnings"])


def test_a_policy_of_a_threshold_with_its_own_fit_carries_it_on(run, folder):
    """As where the threshold's own rows were split for the fit."""
    answer(["threshold", "cal.npz", "--floor", "auto", "--max-risk", "0.3"], run)
    found = answer(["apply", "policy.json", "new.npz", "-o", "out.npz"], run)
    assert any(TOLD in each for each in found["warnings"])


def test_maps_with_other_floors_meet_each_its_own(run, folder):
    """`compare`: a map of zeros as they are, and one of floored ones, of one file."""
    run("fit", "cal.npz", "--method", "isotonic", "-o", "i.json", "--quick")
    both = answer(["compare", "new.npz", "calibrator.json", "i.json", "--quick"], run)
    for name in ("calibrator", "i"):
        one = answer(["compare", "new.npz", f"{name}.json", "--quick"], run)
        own, together = (each["evaluations"][name]["log_loss"] for each in (one, both))
        assert own == together


def test_auto_on_a_test_file_is_the_floor_of_the_fit(run, folder):
    """Half the smallest probability of the fit's file, which will be recorded, not of TEST's."""
    votes(folder / "test.npz", 800, 2, least=0.005)
    auto = answer(["fit", "cal.npz", "--test", "test.npz", "--floor", "auto", "--quick"], run)
    floor = json.loads((folder / "calibrator.json").read_text())["fit"]["floor"]
    said = answer(["fit", "cal.npz", "--test", "test.npz", "--floor", str(floor), "--quick"], run)
    assert auto["after"] == said["after"]
    assert any(f"below {floor:.4g} were raised" in each for each in auto["warnings"])


def test_answers_without_a_confidence_are_told_of(run, tmp_path):
    """Zeros and ones alone say nothing of what a 0 is: half of 1 is taken, and that is said."""
    lines = ["prob_a,prob_b,label", *["1,0,a", "0,1,b", "1,0,b"] * 20]
    (tmp_path / "hard.csv").write_text("\n".join(lines))
    told = run("evaluate", "hard.csv", "--floor", "auto", "--quick").stderr
    assert "below 0.5 were raised to it, by `--floor`. No probability lies between 0 and 1" in told
    (tmp_path / "soft.csv").write_text("\n".join([*lines, "0.25,0.75,b"]))
    told = run("evaluate", "soft.csv", "--floor", "auto", "--quick").stderr
    assert "below 0.125 were raised to it" in told
    assert "No probability lies" not in told
    told = run("evaluate", "hard.csv", "--floor", "0.5", "--quick").stderr
    assert "No probability lies" not in told
