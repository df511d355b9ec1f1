"""The site: its pages run as printed, every page and every public name has its place."""

import importlib
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pages import Page

ROOT = Path(__file__).parents[2]
QUIET = ("-W", "error", "-W", "ignore::DeprecationWarning")  # of old matplotlib
DOCS = ROOT / "docs"
SESSIONS = (  # pages whose blocks are one session
    "agents", "choose", "definitions", "faq", "five-minutes", "python", "scale", "schemas", "split",
)  # fmt: skip
BLOCK = re.compile(r"```(python|sh)\n(.*?)```\n(?:\n```text\n(.*?)```\n)?", flags=re.DOTALL)
COMMAND = (
    "print(_run([_sys.executable, '-m', *_split({!r}, comments=True)], check=True, text=True, "
    "stdout=_PIPE).stdout, end='')"
)
HEAD = """import sys as _sys
from shlex import split as _split
from subprocess import PIPE as _PIPE, run as _run
"""


@pytest.fixture
def script(monkeypatch):
    """A script of the folder of pages, imported as its neighbours import it."""
    monkeypatch.syspath_prepend(str(DOCS))
    yield importlib.import_module
    for name in ("api", "contents", "reference"):
        sys.modules.pop(name, None)


def session(page):
    """What a page types, as one program: blocks of Python, and commands; a NUL before each."""
    blocks = BLOCK.findall((DOCS / f"{page}.md").read_text(encoding="utf-8"))
    parts = [
        code
        if language == "python"
        else "\n".join(COMMAND.format(line) for line in code.splitlines())
        for language, code, _ in blocks
    ]
    program = "".join(f"print('\\0', flush=True)\n{part}\n" for part in parts)
    return HEAD + program, [text for *_, text in blocks]


@pytest.mark.parametrize("page", SESSIONS)
def test_page_prints_what_it_shows(page, tmp_path):
    """The blocks of a page, one after the other, print the text below each, and nothing else."""
    program, shown = session(page)
    if "temperance.sklearn" in program:
        pytest.importorskip("sklearn.base")
    ended = subprocess.run(
        [sys.executable, *QUIET, "-c", program], cwd=tmp_path, capture_output=True,
        text=True, check=True, env={**os.environ, "COLUMNS": "100"},
    )  # fmt: skip
    printed = [
        "\n".join(line.rstrip() for line in part.strip("\n").splitlines())
        for part in ended.stdout.split("\0\n")[1:]
    ]
    assert any(shown)
    assert printed == [text.strip("\n") for text in shown]


@pytest.mark.parametrize("page", ["answers", "cascades", "decisions"])
def test_python_of_a_page_prints_what_it_shows(page, tmp_path):
    """Of pages that also sketch: blocks with a text below, one after the other, print its words."""
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    blocks = [each[1:] for each in BLOCK.findall(text) if each[0] == "python" and each[2]]
    program = "".join(f"print('\\0')\n{code}\n" for code, _ in blocks)
    ended = subprocess.run(
        [sys.executable, *QUIET, "-c", program], cwd=tmp_path, capture_output=True,
        text=True, check=True, env={**os.environ, "COLUMNS": "100"},
    )  # fmt: skip
    printed = [part.split() for part in ended.stdout.split("\0\n")[1:]]
    assert printed == [shown.split() for _, shown in blocks]
    assert blocks


COMING = (DOCS / "coming-from.md").read_text(encoding="utf-8")
PAIRS = re.findall(
    r"<!-- needs: (\w+) -->\n\n```python\n(.*?)```\n\n```text\n(.*?)```", COMING, flags=re.DOTALL
)
LOOSE = {"netcal": r"(?<=\d\.\d{3})\d+", "torch": r"(?<=theirs \d\.\d)\d+"}  # digits of searches


@pytest.mark.parametrize(("package", "code", "shown"), PAIRS, ids=[each[0] for each in PAIRS])
def test_other_packages_and_ours(tmp_path, package, code, shown):
    """Their call and ours, on the rows of the page, print what stands below."""
    pytest.importorskip(package, exc_type=ImportError)
    rows = re.search(r"```python\n(.*?)```", COMING, flags=re.DOTALL)[1]
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", rows + code], cwd=tmp_path, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    loose = LOOSE.get(package, "$^")
    assert re.sub(loose, "", ended.stdout) == re.sub(loose, "", shown)


def test_every_package_that_people_come_from_has_its_pair():
    """One pair of calls in each section, and each with what it prints."""
    sections = re.findall(r"(?m)^## ", COMING)
    assert len(PAIRS) == len(sections) == COMING.count("<!-- needs")


def test_every_measure_is_defined():
    """Each public name of temperance.metrics stands on the page of definitions."""
    from temperance import metrics

    text = (DOCS / "definitions.md").read_text(encoding="utf-8")
    assert [name for name in metrics.__all__ if f"`{name}`" not in text] == []


def test_every_page_has_its_place(script):
    """Each page lies below one other, and the arrangement names nothing that is not there."""
    contents = script("contents")
    placed = [name for below in contents.SECTIONS.values() for name in below]
    pages = {path.stem for path in DOCS.glob("*.md")} | set(contents.REFERENCE)
    assert sorted(placed) == sorted(pages - {"index"})
    assert set(contents.SECTIONS) <= pages
    for file, page in contents.ELSEWHERE.items():
        assert (DOCS / file).exists()
        assert (DOCS / page).exists()


def test_every_public_name_has_an_entry(script):
    """The reference has a heading and a description for each name of `__all__`, per module."""
    reference, modules = script("reference"), script("api").MODULES
    for module in modules:
        if module in {"temperance.sklearn", "temperance.torch", "temperance.mlflow"}:
            pytest.importorskip(module.split(".")[1])
        described = re.findall(r"(?m)^(\S+)\n-+\n\n(?:\.\.|The same as)", reference.page(module))
        thing = importlib.import_module(module)
        names = {name for name in thing.__all__ if not inspect.ismodule(getattr(thing, name))}
        assert set(described) == names


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The site, built with every warning an error."""
    for package in ("sphinx", "myst_parser", "pydata_sphinx_theme", "sklearn", "torch", "mlflow"):
        pytest.importorskip(package)
    folder = tmp_path_factory.mktemp("site")
    ended = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-d", str(folder / "cache"),
         str(DOCS), str(folder / "html")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return folder / "html"


def test_the_site_fetches_nothing_from_elsewhere(built):
    """No script, style, font or picture of another host; links for people may lead anywhere."""
    pages = list(built.rglob("*.html"))
    assert len(pages) > 30
    for path in pages:
        text = path.read_text(encoding="utf-8")
        fetched = re.findall(r"<(?:script|img|iframe|link)\b[^>]*?(?:src|href)=\"([^\"]*)\"", text)
        assert fetched
        assert [each for each in fetched if re.match(r"(https?:)?//", each)] == [], path.name
    for path in built.rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"(url\(|@import)\s*['\"]?(https?:)?//", text), path.name


def test_the_site_explains_every_public_name(built, script):
    """Each has an anchor on the page of its module, or of the root where it is the same thing."""
    import temperance

    for module in script("api").MODULES:
        thing = importlib.import_module(module)
        ids = set(Page((built / "reference" / f"{module}.html").read_text(encoding="utf-8")).ids)
        for name in thing.__all__:
            value = getattr(thing, name)
            again = module != "temperance" and getattr(temperance, name, None) is value
            if not inspect.ismodule(value) and not again:
                assert f"{module}.{name}" in ids
