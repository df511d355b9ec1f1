"""The page on judges shows what happens: its commands run, and its Python."""

import csv
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "judges.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"```sh\n(.*?)\n```\n+```text\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.fixture
def judged(tmp_path):
    """The file of the page: two systems, a thousand answers each, 120 of them labelled."""
    rng = np.random.default_rng(0)
    n, words = 1000, np.array(["fail", "pass"])
    with (tmp_path / "judged.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["question", "system", "verdict", "human"])
        for system, share in (("old", 0.7), ("new", 0.78)):
            y = rng.random(n) < share
            v = rng.random(n) < np.where(y, 0.95, 0.2)
            asked = rng.permutation(n) < 120
            for i in range(n):
                said = words[int(y[i])] if asked[i] else ""
                table.writerow([i, system, words[int(v[i])], said])


def words_of(text):
    """Lines of words, without the rules of tables."""
    lines = (line.split() for line in text.splitlines())
    return [line for line in lines if line and not set("".join(line)) <= {"─"}]


@pytest.mark.parametrize(("command", "shown"), COMMANDS, ids=lambda text: text[:30])
def test_a_command_prints_what_the_page_shows(run, judged, command, shown):
    """Number by number."""
    program, *arguments = shlex.split(command)
    assert program == "temperance"
    assert words_of(run(*arguments, columns=200).stdout) == words_of(shown)


def test_python_of_the_page_runs():
    """The judge errs in a tenth; the rate is that of people."""
    assert len(COMMANDS) == 4
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    names = {}
    exec(code, names)  # noqa: S102  (the page's own)
    rate = names["rate"].pass_rate
    assert rate.low <= names["people"].mean() <= rate.high
    assert names["rate"].worth_labels > 300
