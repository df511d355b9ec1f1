"""The rules that keep the house in order: no circles, no long functions, files with one idea."""

import ast
import re
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import temperance as tp

ROOT = Path(__file__).parents[2]
SRC, TESTS = Path(tp.__file__).parent, ROOT / "tests"
MODULES = {
    ".".join(path.relative_to(SRC.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(SRC.rglob("*.py"))
}

LONGEST = 60  # lines of a function, its docstring not counted
COMMANDS = "cli"  # here the signature is not counted: it is the list of a command's options
LONG_FUNCTIONS = {  # module and function -> why it is longer
    "cli.evaluate.evaluate": "a command whose output depends on what was measured",
    "cli.threshold.threshold": "a command whose options exclude each other",
}
LARGEST = 600  # lines of a file
LARGE_FILES = {  # file -> the one idea that it holds
    "src/temperance/calibrators/calibrator.py": "what every calibrator is: inputs, outputs, words",
    "src/temperance/calibrators/label_platt.py": "a line per label: its model, its fit, its words",
    "src/temperance/calibrators/temperature.py": "one temperature: its map, its fit, the search",
    "src/temperance/comparison.py": "paired differences, their verdicts, and how they are shown",
    "src/temperance/evaluation/evaluation.py": "what was measured, in numbers, tables and words",
    "src/temperance/monitor/store.py": "what a monitor keeps: written, read, let go",
    "src/temperance/rows/calibration.py": "a fit of rows, its measures, and other ways beside it",
    "src/temperance/readers/arrow.py": "columns of Arrow and Parquet as arrays, block by block",
    "src/temperance/readers/jsonl.py": "JSON Lines: one walk over the lines fills every column",
    "tests/cli/test_process.py": "what a command does to files, signals, streams and terminals",
    "tests/monitor/test_store.py": "a store in either database: what is written, read and let go",
    "tests/metrics/test_significance.py": "every test of calibration against simulated truth",
    "tests/readers/test_llm_readers.py": "every format of language models, by the same questions",
    "tests/readers/test_readers.py": "every format of arrays and tables, by the same questions",
    "tests/readers/test_tables.py": "the tables that people have, one test each",
}
OF_NO_MODULE = {  # folder of tests -> what it holds
    "data": "files that tests read",
    "examples": "the scripts of examples/, run and counted again",
    "house": "rules of the code and of the pages, and whether the pages run",
    "outside": "other packages and published numbers",
    "typing": "code of users, read by mypy and never run",
    "with_sklearn": "tests of temperance.sklearn: a folder `sklearn` here would be imported for it",
    "with_torch": "tests of temperance.torch, likewise",
}


@pytest.fixture(scope="module")
def trees():
    """The syntax of every module."""
    return {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def modules_imported(tree):
    """Names of our modules that a module imports anywhere, for its types alone too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in MODULES else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def circle(graph):
    """Return the modules of a circle of imports, or none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_no_circle_of_imports(trees):
    """No module needs itself to be understood; imports for types alone count."""
    graph = {name: set(modules_imported(tree)) & set(MODULES) for name, tree in trees.items()}
    assert sum(map(len, graph.values())) > len(MODULES)
    assert circle({**graph, "a": {"b"}, "b": {"a"}}) == ["a", "b", "a"]  # would be seen
    assert circle(graph) == []


def lines_of(function, *, signature):
    """Return how many lines a function has, without its docstring."""
    body = function.body
    documented = ast.get_docstring(function) is not None
    doc = body[0].end_lineno - body[0].lineno + 1 if documented else 0
    first = function.lineno if signature else body[0].lineno
    return function.end_lineno - first + 1 - doc


def long_functions(trees):
    """Names of the functions that are longer than allowed."""
    for name, tree in trees.items():
        inside = name.removeprefix("temperance.")
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                n = lines_of(node, signature=not inside.startswith(COMMANDS))
                if n > LONGEST:
                    yield f"{inside}.{node.name}"


def test_functions_are_short(trees):
    """At most 60 lines; the exceptions have a reason, and each is still needed."""
    assert sorted(long_functions(trees)) == sorted(LONG_FUNCTIONS)


def test_large_files_hold_one_idea():
    """A file of more than 600 lines says why; none is on the list without need."""
    paths = [*MODULES.values(), *TESTS.rglob("*.py")]
    large = {
        path.relative_to(ROOT).as_posix()
        for path in paths
        if len(path.read_text(encoding="utf-8").splitlines()) > LARGEST
    }
    assert large == set(LARGE_FILES)


def test_tests_mirror_the_source():
    """Tests of what lies in src/temperance/x lie in tests/x; other folders say what they hold."""
    parts = {path.relative_to(SRC).parts[0].removesuffix(".py") for path in MODULES.values()}
    folders = {path.name for path in TESTS.iterdir() if path.is_dir() and path.name[0] not in "._"}
    assert folders - parts == set(OF_NO_MODULE)
    assert not list(TESTS.glob("test_*.py"))


def kinds(trees):
    """Names of the classes that a caller need not tell apart: calibrators, records, rows."""
    of_calibrators = {
        node.name
        for name, tree in trees.items()
        if name.startswith("temperance.calibrators.")
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    return {*of_calibrators, "Rows", "BlockRows"} - {"Calibrator"}


def kinds_asked(tree):
    """Names of the kinds that a module asks for by `isinstance`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
            yield from (each.id for each in ast.walk(node.args[1]) if isinstance(each, ast.Name))


def test_no_one_asks_which_calibrator_or_rows_it_holds(trees):
    """What differs is a property or a method of the class; whether it is a calibrator is asked."""
    known = kinds(trees)
    assert {"TemperatureRecord", "Ensemble", "MultilabelScaling"} < known
    asked = {
        name: set(kinds_asked(tree)) & known
        for name, tree in trees.items()
        if not name.startswith("temperance.calibrators")
    }
    assert {name: each for name, each in asked.items() if each} == {}
    example = ast.parse("isinstance(x, Ensemble | Rows)")
    assert set(kinds_asked(example)) & known == {"Ensemble", "Rows"}  # would be seen


def picture():
    """Names in the first column of CONTRIBUTING's table of folders, row by row."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text[text.index("| folder or file |") :].split("\n\n")[0]
    return [re.findall(r"`([^`]+)`", row.split("|")[1]) for row in table.splitlines()[2:]]


def test_the_picture_of_folders_is_the_tree():
    """CONTRIBUTING names each folder and module of the source once, and nothing else."""
    named = Counter(name for row in picture() for name in row)
    tree = {path.name + "/" if path.is_dir() else path.name for path in SRC.iterdir()}
    tree -= {"__init__.py", "__pycache__/", "py.typed"}
    assert named == Counter(tree)


@pytest.mark.parametrize("row", range(len(picture())))
def test_the_picture_is_in_the_order_of_imports(trees, row):
    """No row of CONTRIBUTING's table imports from a row below it."""
    rows = [{name.rstrip("/").removesuffix(".py") for name in names} for names in picture()]
    below = set().union(*rows[row + 1 :])
    for name, tree in trees.items():
        if name != "temperance" and name.split(".")[1] in rows[row]:
            assert not {each.split(".")[1] for each in modules_imported(tree)
                        if each.startswith("temperance.")} & below, name  # fmt: skip
