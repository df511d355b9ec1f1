"""The layers of the design, what an import costs, and that what is public is documented."""

import ast
import doctest
import importlib
import inspect
import pkgutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import temperance as tp

SRC = Path(tp.__file__).parent
LAYERS = [  # imports point to an earlier line, or stay within one name
    {"printable"},
    {"errors", "loading", "version", "defaults", "sums", "frozen"},
    {"numerics", "alignment", "file_formats"},
    {"checks"},
    {"crossfit", "logistic_regression", "isotonic_regression"},
    {"kernels", "binning", "readers", "writers", "show"},
    {"blocks", "significance"},
    {"calibrators", "metrics", "planning"},
    {"formats"},
    {"selection"},
    {"evaluation"},
    {"comparison", "drift"},
    {"plots", "shift", "decisions", "llm", "alternatives", "export", "sklearn"},
    {"gates"},
    {"rows", "torch", "monitor", "doctor"},
    {"report"},
    {"serving"},
    {"mlflow", "harness", "telemetry"},
    {"cli"},
    {"__main__", "__init__"},
]
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names}
OPTIONAL = {  # package -> the only places that may import it
    "matplotlib": {"plots", "report"},
    "jinja2": {"report"},
    "scipy": {
        "isotonic_regression",
        "blocks",
        "calibrators",
        "metrics",
        "numerics",
        "significance",
        "planning",
        "shift",
        "decisions",
        "llm",
        "drift",
    },
    "narwhals": {"show"},
    "typer": {"cli"},
    "rich": {"cli", "show"},
    "pyarrow": {"readers", "writers", "serving"},
    "sklearn": {"sklearn"},
    "numba": {"kernels"},
    "threadpoolctl": {"blocks"},
    "llvmlite": {"kernels"},  # comes with numba
    "torch": {"kernels", "blocks", "readers", "torch", "doctor"},
    "distributed": {"blocks"},  # comes with dask
    "dask": {"blocks"},
    "duckdb": {"export"},
    "psycopg": {"export", "monitor"},
    "polars": {"export"},
    "mlflow": {"mlflow"},
    "pandas": {"mlflow"},
    "opentelemetry": {"telemetry"},
    "lm_eval": {"harness"},
    "evaluate": {"harness"},
    "datasets": {"harness"},  # comes with evaluate
    "starlette": {"serving"},
    "uvicorn": {"serving"},
    "h11": {"serving"},  # comes with uvicorn
    "prometheus_client": {"serving"},
    "onnx": {"export"},
    "onnxruntime": {"export"},
    "zstandard": {"readers"},
}
MODULES = sorted(SRC.rglob("*.py"))


def top(path):
    return path.relative_to(SRC).parts[0].removesuffix(".py")


@cache
def imports(path):
    """Names that a module imports anywhere, as they stand."""
    return list(_imports(path))


def _imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            if node.module == "temperance":
                yield from (f"temperance.{alias.name}" for alias in node.names)
            else:
                yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("part", sorted(set(map(top, MODULES))))
def test_imports_point_down(part):
    """No module imports a name of its own layer or of a later one."""
    for path, name in imports_of(part):
        parts = name.split(".")
        if parts[0] == "temperance":
            assert len(parts) > 1, f"{path} imports the package root"
            if parts[1] != part:
                assert LAYER[parts[1]] < LAYER[part], f"{path} imports {name}"


@pytest.mark.parametrize("part", sorted(set(map(top, MODULES))))
def test_optional_packages_stay_in_their_place(part):
    """Each heavy package is imported only where it is used."""
    allowed = {"temperance", "numpy", *sys.stdlib_module_names}
    for path, name in imports_of(part):
        root = name.split(".")[0]
        assert root in allowed or part in OPTIONAL[root], f"{path} imports {name}"


def imports_of(part):
    """Modules of a folder (or the one of this name), each with every name that it imports."""
    return [(path, name) for path in MODULES if top(path) == part for name in imports(path)]


def loaded_by(code):
    """Names of the packages that a fresh interpreter has loaded after `code`."""
    code = f"import sys; before = set(sys.modules); {code}; print(*set(sys.modules) - before)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in run.stdout.split()} - set(sys.stdlib_module_names)


def test_import_loads_nothing_but_itself():
    """A fresh interpreter that imports temperance has loaded no other installed package."""
    assert loaded_by("import temperance") == {"temperance"}


@pytest.mark.parametrize(
    "use", ["TemperatureScaling", "evaluate", "METHODS", "save", "shift", "decisions", "llm"]
)
def test_use_loads_numpy_and_nothing_heavier(use):
    """What a name needs beyond NumPy is loaded when it is called."""
    assert loaded_by(f"import temperance as tp; tp.{use}") <= {"temperance", "numpy"}


def test_an_extra_that_is_missing_is_named():
    """Without scikit-learn `temperance.sklearn` says what to install; `import temperance` works."""
    code = (
        "import sys; sys.modules['sklearn'] = None; import temperance as tp\n"
        "try:\n    import temperance.sklearn\n"
        "except tp.MissingDependencyError as error:\n    print(error)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == (
        "temperance.sklearn needs the package scikit-learn, which is not installed: "
        'pip install "temperance[sklearn]".\n'
    )


def test_no_function_is_named_like_a_module_of_the_package():
    """`tp.plan` can only be the function: nothing in the folder has that name."""
    modules = {path.relative_to(SRC).parts[0].removesuffix(".py") for path in MODULES}
    assert not modules & {name for name in tp.__all__ if not inspect.ismodule(getattr(tp, name))}


def test_every_public_name_has_a_home():
    """Names load on first use; one that does not exist is an AttributeError."""
    assert all(getattr(tp, name) is not None for name in tp.__all__)
    assert dir(tp) == sorted(tp.__all__)
    with pytest.raises(AttributeError, match="no attribute 'temper'"):
        tp.temper  # noqa: B018


def test_importing_plots_leaves_matplotlibs_state_alone():
    """No changed rcParams, no backend switched; pyplot is imported nowhere."""
    assert not any("pyplot" in name for path in MODULES for name in imports(path))
    code = (
        "import matplotlib; before = dict(matplotlib.rcParams); import temperance.plots; "
        "assert dict(matplotlib.rcParams) == before"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def public_modules():
    yield tp
    for info in pkgutil.walk_packages(tp.__path__, "temperance."):
        if "__main__" not in info.name:
            try:
                yield importlib.import_module(info.name)
            except ImportError as error:
                missing = getattr(error.__cause__, "name", None) or error.name
                assert missing in OPTIONAL, info.name  # an extra that is not installed


@pytest.mark.parametrize("module", list(public_modules()), ids=lambda m: m.__name__)
def test_all_is_complete_and_documented(module):
    """`__all__` exists and names things that are there, each with a docstring."""
    assert module.__doc__
    for name in module.__all__:
        try:
            thing = getattr(module, name)
        except tp.MissingDependencyError:  # of an extra that is not installed
            continue
        if inspect.isfunction(thing) or inspect.isclass(thing):
            assert inspect.getdoc(thing), f"{module.__name__}.{name}"


@pytest.mark.parametrize(
    "name",
    sorted(
        set(tp.metrics.__all__)
        | {
            "evaluate",
            "evaluate_blocks",
            "compare",
            "compare_blocks",
            "plan",
            "select",
            "save",
            "load",
        }
    ),
)
def test_public_functions_show_an_example(name):
    """Parameters, returns, errors and a runnable example in every public docstring."""
    thing = getattr(tp, name, None) or getattr(tp.metrics, name)
    if inspect.isclass(thing):
        return
    text = inspect.getdoc(thing)
    for heading in ("Parameters", "Raises", "Examples"):
        assert f"{heading}\n---" in text
    assert doctest.DocTestParser().get_examples(text)
