"""Write public_api.txt, the names and signatures that users rely on: `make api`.

A difference to the file fails a test: what breaks or adds to the interface is then a decision, that
is read in the change of one file.
"""

from __future__ import annotations

import dataclasses
import inspect
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

import temperance
from temperance.cli.app import COMMANDS, load_command

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = Path(__file__).with_name("public_api.txt")


def lines() -> list[str]:
    """Return a line per public name: functions, classes, their members, commands, options."""
    modules = ["temperance", *_parts()]
    found = [line for name in modules for line in _of_module(name)]
    return [*found, *(line for name in COMMANDS for line in _of_command(name))]


def _parts() -> list[str]:
    """Return the modules whose names are public: those that say so on the page of public names."""
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    listed = {line[3:] for line in page.splitlines() if line.startswith("## temperance.")}
    there = {f"temperance.{each.name}" for each in iter_modules(temperance.__path__)}
    return sorted(listed & there)


def _of_module(name: str) -> Iterator[str]:
    module = import_module(name)
    for each in sorted(module.__all__):
        thing = getattr(module, each)
        if inspect.ismodule(thing):
            yield f"{name}.{each}"
        elif inspect.isclass(thing):
            yield from _of_class(f"{name}.{each}", thing)
        elif callable(thing):
            yield f"{name}.{each}{_signature(thing)}"
        else:
            yield f"{name}.{each}: {type(thing).__name__}"


def _of_class(name: str, thing: type) -> Iterator[str]:
    bases = [each.__name__ for each in thing.__bases__ if each is not object]
    yield f"{name}({', '.join(bases)})"
    if not (inspect.isabstract(thing) or issubclass(thing, Exception)):
        yield f"{name}.__init__{_signature(thing)}"
    fields = {}
    if dataclasses.is_dataclass(thing):
        fields = {each.name: each.type for each in dataclasses.fields(thing)}
    for member in sorted({*dir(thing), *fields}):
        static = inspect.getattr_static(thing, member, None)
        if member.startswith("_") or not _is_ours(thing, member):
            continue
        if member in fields:
            yield f"{name}.{member}: {fields[member]}"
        elif isinstance(static, property):
            returned = inspect.signature(static.fget).return_annotation if static.fget else ""
            yield f"{name}.{member}: {_annotation(returned)}"
        elif callable(getattr(thing, member)):
            yield f"{name}.{member}{_signature(getattr(thing, member))}"
        else:
            yield f"{name}.{member}"


def _is_ours(thing: type, member: str) -> bool:
    """Whether a class of this package has the member, not only a base of another one."""
    holder = next((each for each in thing.__mro__ if member in each.__dict__), thing)
    return holder.__module__.startswith("temperance")


def _annotation(said: Any) -> str:
    return said if isinstance(said, str) else inspect.formatannotation(said)


def _signature(thing: Any) -> str:
    signature = inspect.signature(thing)
    shown = [
        each.replace(annotation=_Said(_annotation(each.annotation)))
        if each.annotation is not each.empty else each
        for each in signature.parameters.values()
    ]  # fmt: skip
    returned = signature.return_annotation
    text = str(inspect.Signature(shown)).replace("<factory>", "...")
    return text if returned is signature.empty else f"{text} -> {_annotation(returned)}"


class _Said:
    """An annotation that shows itself as it is written."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _of_command(name: str) -> Iterator[str]:
    for each in load_command(name).params:
        spelled = " ".join(sorted(each.opts)) if each.param_type_name == "option" else each.name
        choices = getattr(each.type_descriptor, "choices", None)
        words = "" if choices is None else f" {{{'|'.join(str(word) for word in choices)}}}"
        yield f"$ temperance {name}: {spelled}{words}"


if __name__ == "__main__":
    FILE.write_text("\n".join(lines()) + "\n", encoding="utf-8")
