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
QUIET = ("-W", "error", "-W", "ignore::DeprecationWarning")  # of old matplotlib


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
    fitted, lowered = run.stdout.splitlines()
    temperature, low, high = (float(each.strip("(),")) for each in fitted.split())
    assert 1.8 < low < temperature < high < 2.2
    assert re.fullmatch(r"Estimate\(value=-0\.\d+, low=-0\.\d+, high=-0\.\d+\)", lowered)
    assert (tmp_path / "calibrator.json").exists()


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


def test_readme_demo_prints_what_it_shows(tmp_path):
    """`make docs` has been run: `temperance demo` prints the README's block, digit by digit."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"<!-- demo -->\n\n```text\n(.*?)```\n\n<!-- /demo -->", text, re.DOTALL)
    run = subprocess.run(
        [sys.executable, *QUIET, "-m", "temperance", "demo"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
        env={**os.environ, "COLUMNS": "100"},
    )  # fmt: skip
    printed = [line.rstrip() for line in run.stdout.strip().splitlines()]
    assert printed == shown[1].splitlines()


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
    for name, text in script("formats").schemas().items():
        assert (ROOT / "docs" / "schemas" / name).read_text(encoding="utf-8") == text


def test_the_page_of_plots_is_up_to_date():
    """Each display has its part, whose code draws it, and a picture."""
    diagrams = script("diagrams")
    assert (ROOT / "docs" / "plots.md").read_text(encoding="utf-8") == diagrams.page()
    displays = {name for name in tp.plots.__all__ if name.endswith("Display")}
    assert {each.name for each in diagrams.DIAGRAMS} == displays
    for each, figure in diagrams.drawn():
        assert each.code.count(f"tp.plots.{each.name}.") == 1
        assert figure.axes
        assert (diagrams.IMAGES / f"{each.name}.svg").exists()


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
