"""The page on language models shows what happens: each example is read, and run."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from temperance.cli import reading_options
from temperance.file_formats import ANSWER_FORMATS
from temperance.readers import Fields, read

PAGE = (Path(__file__).parents[2] / "docs" / "llm.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(
    r"<!-- example: (\S+) -->\n+```json\n(.*?)```\n+```sh\n(.*?)\n```\n+```text\n(.*?)```",
    PAGE,
    flags=re.DOTALL,
)
NAMES = ("values", "labels", "groups", "clusters", "ids")


def as_text(dataset):
    """A dataset as the page shows it: the arrays that are there, then the notes."""
    lines = []
    for name in NAMES:
        array = getattr(dataset, name)
        if array is not None:
            text = np.array2string(array, precision=2)
            lines.append(f"{name:<9}" + text.replace("\n", "\n" + " " * 9))
    return "\n".join([*lines, *dataset.notes]) + "\n"


def format_said(pairs):
    """The format that options of a command say; a position is a number."""
    given = {key[2:].replace("-", "_"): value for key, value in pairs.items()}
    given["format_name"] = reading_options.FormatName(given.pop("format"))
    if "position" in given:
        given["position"] = int(given["position"])
    return reading_options.llm_format(**given)


def test_every_format_has_an_example():
    """As many examples as the table has formats, one of each."""
    named = [re.search(r"--format (\S+)", command)[1] for _, _, command, _ in EXAMPLES]
    of_options = [name for name, each in ANSWER_FORMATS.items() if not each.scores_only]
    assert sorted(named) == sorted(of_options)
    assert len(named) == PAGE.count("<!-- example")


@pytest.mark.parametrize(("name", "content", "command", "shown"), EXAMPLES, ids=lambda v: v[:12])
def test_example(run, tmp_path, monkeypatch, name, content, command, shown):
    """The excerpt is read as shown, with the options of the command, which the commands take."""
    (tmp_path / name).write_text(content, encoding="utf-8")
    program, verb, file, *options = shlex.split(command)
    assert (program, verb, file) == ("temperance", "fit", name)
    pairs = dict(zip(options[::2], options[1::2], strict=True))
    pairs.pop("--method", None)
    monkeypatch.chdir(tmp_path)
    assert as_text(read(name, format=format_said(pairs))) == shown
    run("evaluate", name, *(part for pair in pairs.items() for part in pair), "--quick")


def test_labels_of_another_file(run, tmp_path, monkeypatch):
    """The two files of the page are joined as it shows."""
    names, batch, labels, command, shown = re.search(
        r"<!-- joined: (.*?) -->\n+```json\n(.*?)```\n+```csv\n(.*?)```\n+```sh\n(.*?)\n```\n+"
        r"```text\n(.*?)```",
        PAGE,
        flags=re.DOTALL,
    ).groups()
    for name, content in zip(names.split(", "), (batch, labels), strict=True):
        (tmp_path / name).write_text(content, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    _, _, file, *options = shlex.split(command)
    pairs = dict(zip(options[::2], options[1::2], strict=True))
    fields = Fields(id=pairs.pop("--id-column"))
    found = read(file, labels=pairs.pop("--labels"), fields=fields, format=format_said(pairs))
    assert as_text(found) == shown
    run("evaluate", file, *options, "--quick")


def test_python_of_the_page():
    """The names that the page imports are there."""
    code = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)[0]
    exec(code.splitlines()[0], {})  # noqa: S102  (the import)
