"""What the README shows is what happens."""

import importlib.util
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import temperance as tp
from temperance.calibrators import method_tables

ROOT = Path(__file__).parents[2]


def test_readme_python_runs(tmp_path):
    """The Python of the README runs as printed and prints what its comments say."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    code = "".join(each for each in blocks if "temperance.sklearn" not in each)
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    first, second, third, split, tests, title, to_see, *rest = run.stdout.splitlines()
    assert 1.8 < float(first.split()[0]) < 2.2
    assert second == "over-confident"
    assert third.startswith("Estimate(value=-")
    removed, left = map(float, split.split())
    assert 0 < removed < left
    p_value, chance = map(float, tests.split())
    assert p_value < 0.001
    assert 0 < chance < 0.1
    assert title.startswith("labels needed")
    assert "T should be 1.1" in to_see
    assert (tmp_path / "calibrator.json").exists()
    assert rest[-3].startswith("temperature lowers the log loss by ")
    assert rest[-2] == "(1000, 10)"
    assert rest[-1] in {"3", "4"}


def test_readme_forest_prints_what_it_shows(tmp_path):
    """The random forest of the README: its five lines, and the numbers under them."""
    pytest.importorskip("sklearn.base")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    pattern = r"```python\n([^`]*temperance\.sklearn.*?)```\s+```text\n(.*?)```"
    code, shown = re.search(pattern, text, flags=re.DOTALL).groups()
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path, capture_output=True, text=True, check=True,
        env={**os.environ, "COLUMNS": "100"},
    )  # fmt: skip
    assert [line.rstrip() for line in run.stdout.splitlines()] == shown.splitlines()


def test_links_of_the_pages_lead_somewhere():
    """Every relative link of the README and the other pages names a file that is there."""
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_page_of_methods_is_up_to_date():
    """`make docs` has been run: the page shows what `temperance methods` shows."""
    text = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    for table in method_tables():
        assert table.to_markdown() in text


def script(name):
    """A script that writes a page."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_public_names_is_up_to_date():
    """`make docs` has been run: the page shows first sentences and signatures as they are."""
    pytest.importorskip("sklearn.base")  # which one of the parts is made of
    assert (ROOT / "docs" / "api.md").read_text(encoding="utf-8") == script("api").page()


def test_the_page_of_files_is_up_to_date():
    """`make docs` has been run: the page shows what the schemas say."""
    page = script("formats").page()
    assert (ROOT / "docs" / "formats.md").read_text(encoding="utf-8") == page
    assert page.count("| `temperature` | ") == 2  # of classes and of labels


PARTS = {"temperance": tp} | {
    f"temperance.{name}": getattr(tp, name)
    for name in tp.__all__
    if inspect.ismodule(getattr(tp, name))
}


@pytest.mark.parametrize("part", PARTS)
def test_every_public_name_stands_on_a_page(part):
    """Each name of `__all__`, under its module, with a sentence that ends."""
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    section = re.search(rf"^## {re.escape(part)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    entries = dict(re.findall(r"^### (\S+)\n\n(.+)$", section[1], flags=re.MULTILINE))
    names = {name for name in PARTS[part].__all__ if f"temperance.{name}" not in PARTS}
    assert set(entries) == names
    assert [name for name, sentence in entries.items() if sentence[-1] not in ".:"] == []
