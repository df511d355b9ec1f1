"""`warnings` in JSON say what stderr says, of options and of files by their names alone."""

import html
import json
import re

import numpy as np
import pytest

import temperance as tp
from cascade_models import two_models

PYTHON = re.compile(r"`[a-z]+_[a-z_]+`")


def warnings_of(run, *arguments):
    """Return the warnings of a command's JSON, and the text of its stderr without --json."""
    found = json.loads(run(*arguments, "--json").stdout)["warnings"]
    assert found
    return found, run(*arguments).stderr


@pytest.fixture
def folder(tmp_path):
    """Files that every command has something to say about, in a folder of their own."""
    inner = tmp_path / "a folder"
    inner.mkdir()
    models, y = two_models(n=800)
    easy = np.arange(800) < 600
    expert = np.where(easy[:, None], models["expert"], 4.0 * np.eye(4)[(y + 1) % 4])
    models["expert"] = expert
    models["cheap"] = np.where(easy[:, None], models["cheap"], 0.05 * models["cheap"])
    for name, z in models.items():
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p = (p / p.sum(axis=1, keepdims=True)).round(3)
        np.savez(inner / f"{name}.npz", probs=p / p.sum(axis=1, keepdims=True), labels=y)
    scaling = tp.TemperatureScaling.fit(models["cheap"], y)
    tp.save(scaling, inner / "c.json")
    return inner


COMMANDS = {
    "fit": ("fit", "cheap.npz", "--floor", "decimals=3", "--quick"),
    "evaluate": ("evaluate", "cheap.npz", "--floor", "decimals=3", "--quick"),
    "apply": ("apply", "c.json", "cheap.npz", "-o", "out.npz", "--floor", "1e-3"),
    "compare": ("compare", "cheap.npz", "expert.npz", "--floor", "decimals=3", "--quick"),
    "cascade": ("cascade", "cheap.npz", "expert.npz", "--cost", ".01", "--floor", "decimals=3"),
    "shift": ("shift", "cheap.npz", "expert.npz", "--floor", "decimals=3", "--quick"),
    "threshold": ("threshold", "cheap.npz", "--max-risk", ".5", "--floor", "decimals=3"),
    "plan": ("plan", "cheap.npz", "--floor", "decimals=3"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_warnings_speak_of_options_and_file_names(name, folder, run):
    """No name of Python, and no folder; otherwise what stderr says."""
    given = [folder / each if "." in each[1:] and (folder / each).exists() else each
             for each in COMMANDS[name]]  # fmt: skip
    found, stderr = warnings_of(run, *given)
    for each in found:
        assert not PYTHON.search(each)
        assert "a folder" not in each
    told = stderr.replace(f"{folder}/", "")
    for each in found:
        assert each in told
    if name == "cascade":
        assert any(
            "`--expert-error isotonic`" in each or "`--expert-error`" in each for each in found
        )


@pytest.mark.parametrize("name", ["fit", "evaluate", "cascade", "threshold"])
def test_pages_say_what_json_says(name, folder, run, tmp_path):
    """The warnings of a page are those of the JSON, in words instead of options."""
    given = [folder / each if "." in each[1:] and (folder / each).exists() else each
             for each in COMMANDS[name]]  # fmt: skip
    path = tmp_path / "page.html"
    done = run(*given, "--json", "--report", path)
    page = " ".join(html.unescape(path.read_text(encoding="utf-8")).split())
    warnings = json.loads(done.stdout)["warnings"]
    assert warnings
    for each in warnings:
        words = re.sub(r" \(--[^()]*\)", "", each)
        words = re.sub(r"`--([^`]*)`", lambda match: match[1].replace("-", " "), words)
        assert " ".join(words.split()) in page
