"""The page on language models shows what happens: each example is read, and run."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from temperance.cli import reading_options
from temperance.readers import read

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


def test_every_format_has_an_example():
    """Five formats, five examples."""
    assert len(EXAMPLES) == len(reading_options.FormatName) == PAGE.count("<!-- example")


@pytest.mark.parametrize(("name", "content", "command", "shown"), EXAMPLES, ids=lambda v: v[:12])
def test_example(run, tmp_path, monkeypatch, name, content, command, shown):
    """The excerpt is read as shown, with the options of the command, which the commands take."""
    (tmp_path / name).write_text(content, encoding="utf-8")
    program, verb, file, *options = shlex.split(command)
    assert (program, verb, file) == ("temperance", "fit", name)
    pairs = dict(zip(options[::2], options[1::2], strict=True))
    pairs.pop("--method", None)
    given = {"format_name": reading_options.FormatName(pairs["--format"])}
    given |= {key[2:].replace("-", "_"): v for key, v in pairs.items() if key != "--format"}
    monkeypatch.chdir(tmp_path)
    assert as_text(read(name, format=reading_options.llm_format(**given))) == shown
    run("evaluate", name, *(part for pair in pairs.items() for part in pair), "--quick")


def test_python_of_the_page():
    """The names that the page imports are there."""
    code = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)[0]
    exec(code.splitlines()[0], {})  # noqa: S102  (the import)
