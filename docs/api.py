"""Write docs/api.md, the page of all public names: `make docs`."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDTH = 100
PAGE = Path(__file__).with_name("api.md")
MODULES = (
    "temperance",
    "temperance.metrics",
    "temperance.plots",
    "temperance.decisions",
    "temperance.llm",
    "temperance.shift",
    "temperance.drift",
    "temperance.gates",
    "temperance.monitor",
    "temperance.readers",
    "temperance.rows",
    "temperance.writers",
    "temperance.export",
    "temperance.sklearn",
    "temperance.torch",
    "temperance.mlflow",
    "temperance.doctor",
    "temperance.telemetry",
)
VALUES = {  # what is neither a function nor a class has no docstring
    "METHODS": "The calibrators by their names, as `--method` and `calibrator.json` call them.",
    "__version__": "The version of this package.",
    "FORMATS": "Names of the formats of language models' files, as `--format` takes them.",
    "SUFFIXES": "Suffixes of the files that can be {read or written}.",
}
HEAD = """# Public names

Every public name: its first sentence, and how it is called. What the arguments are, what comes
back, the errors, the formula, its source and an example stand in the docstring:
`help(temperance.evaluate)`. Of a class: how it is made, and the methods that take arguments;
results have `to_dict()` too. Whatever is not here is inside and may change. `make docs` writes
this page.
"""


def page() -> str:
    """Return the page, of the docstrings and signatures as they are."""
    return "\n".join([HEAD, *(part for name in MODULES for part in _module(name))])


def _module(name: str) -> Iterator[str]:
    module = import_module(name)
    yield f"## {name}\n"
    yield f"{_sentence(module)}\n"
    for each in sorted(module.__all__, key=str.casefold):
        thing = getattr(module, each)
        if inspect.ismodule(thing):  # has a part of its own
            continue
        yield f"### {each}\n"
        if inspect.isclass(thing) or inspect.isfunction(thing):
            yield f"{_sentence(thing)}\n"
            lines = (fill(call, WIDTH, subsequent_indent="    ") for call in _calls(each, thing))
            yield "```text\n" + "\n".join(lines) + "\n```\n"
        else:
            verb = "read" if name == "temperance.readers" else "written"
            yield VALUES[each].replace("{read or written}", verb) + "\n"


def _sentence(thing: object) -> str:
    """Return the first paragraph of the docstring, in one line."""
    return " ".join(_docstring(thing).split("\n\n")[0].split())


def _docstring(thing: object) -> str:
    return inspect.getdoc(thing) or ""


def _calls(name: str, thing: Any) -> Iterator[str]:  # noqa: ANN401
    """Yield how a function is called, or a class and those methods that explain their arguments."""
    if not inspect.isclass(thing):
        yield name + _arguments(thing)
        return
    if issubclass(thing, Exception):
        yield f"{name}(message)"
        return
    if not inspect.isabstract(thing):
        yield name + _arguments(thing)
    for each in dir(thing):
        method = getattr(thing, each)
        if (getattr(method, "__module__", None) or "").startswith("sklearn"):
            continue  # of the base classes of an estimator, which explain themselves
        if callable(method) and not each.startswith("_") and "\n---" in _docstring(method):
            of_class = isinstance(inspect.getattr_static(thing, each), classmethod)
            yield (name if of_class else "") + f".{each}" + _arguments(method)


def _arguments(thing: Any) -> str:  # noqa: ANN401
    """Return the parameters with their defaults; their types stand in the docstring."""
    signature = inspect.signature(thing)
    plain = [
        each.replace(annotation=inspect.Parameter.empty)
        for each in signature.parameters.values()
        if each.name != "self"
    ]
    return str(inspect.Signature(plain)).replace("<factory>", "...")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
