"""Pages of the site with every docstring in full, one per public module: written by the build."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import TYPE_CHECKING

from api import MODULES, VALUES
from contents import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def write(docs: Path) -> None:
    """Write a page per module; those that are as they should be are left alone."""
    folder = docs / FOLDER
    folder.mkdir(exist_ok=True)
    for name in MODULES:
        path, text = folder / f"{name}.rst", page(name)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def page(name: str) -> str:
    """Return the page of a module, as reStructuredText: what it is for, then every name."""
    return "\n".join(_lines(name))


def _lines(name: str) -> Iterator[str]:
    module, top = import_module(name), import_module("temperance")
    yield f"{name}\n{'=' * len(name)}\n"
    yield f".. automodule:: {name}\n   :no-members:\n"
    for each in sorted(module.__all__, key=str.casefold):
        thing = getattr(module, each)
        if inspect.ismodule(thing):  # has a page of its own
            continue
        yield f"{each}\n{'-' * len(each)}\n"
        if name != "temperance" and getattr(top, each, None) is thing:
            yield f"The same as :py:obj:`temperance.{each}`.\n"
        elif inspect.isclass(thing):
            yield f".. autoclass:: {name}.{each}\n"
        elif inspect.isfunction(thing):
            yield f".. autofunction:: {name}.{each}\n"
        else:
            verb = "read" if name == "temperance.readers" else "written"
            words = VALUES[each].replace("{read or written}", verb)
            yield f".. py:data:: {each}\n   :module: {name}\n\n   {words}\n"
