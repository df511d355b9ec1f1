"""The Python of docs/pytorch.md runs as printed, and prints what it shows."""

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

TEXT = (Path(__file__).parents[2] / "docs" / "pytorch.md").read_text(encoding="utf-8")
BLOCKS = dict(
    zip(
        ["torch", "hugging face"],
        re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL),
        strict=True,
    )
)
SHOWN = re.search(r"```text\n(.*?)```", TEXT, flags=re.DOTALL)[1]
NEEDS = {"torch": ["torch"], "hugging face": ["torch", "transformers"]}
# One process, as torch takes seconds to load; each block has names of its own, and begins anew.
RUN_ALL = """
import contextlib, io, json, sys

printed = {}
for name, code in json.load(sys.stdin).items():
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(code, {"__name__": "__main__"})
    printed[name] = out.getvalue().splitlines()
print(json.dumps(printed))
"""


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """Run the blocks whose packages are there, and return what each prints."""
    blocks = {name: code for name, code in BLOCKS.items() if all(map(find_spec, NEEDS[name]))}
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", RUN_ALL], input=json.dumps(blocks),
        cwd=tmp_path_factory.mktemp("page"), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(run.stdout)


@pytest.mark.parametrize("name", BLOCKS)
def test_the_page_runs(printed, name):
    """Both blocks; the digits of a difference depend on the machine, that it holds does not."""
    for package in NEEDS[name]:
        pytest.importorskip(package)
    if name == "hugging face":
        assert printed[name] == ["True"]
        return
    first, *rest = SHOWN.splitlines()
    line, *others = printed[name]
    assert line.rpartition(" ")[0] == first.rpartition(" ")[0]
    assert float(line.rpartition(" ")[2]) <= 1e-6
    assert others == rest
