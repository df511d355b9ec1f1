"""Labels as words: what they spell, which column they name, and how messages show them."""

from __future__ import annotations

import re
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from numpy.typing import NDArray

__all__ = [
    "WORDS", "class_place", "distinct_labels", "label_text", "label_value", "lacks_label", "listed",
    "place_of", "shell_word", "shown",
]  # fmt: skip

_SHOWN = 10  # names quoted in a message
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_FLOAT = re.compile(r"[+-]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][+-]?[0-9]{1,3})?")
WORDS = {"false": 0, "true": 1}
_NO_LABEL = frozenset({"", "na", "n/a", "#n/a", "<na>", "nan", "null"})


def place_of(classes: tuple[str, ...] | None, k: int | None) -> Callable[[object], int]:
    """Return what gives the column of a label, or -1: by name where there are `classes`.

    Without them by position, below `k` where it is known.
    """
    if classes is not None:
        return class_place(classes)

    def position(label: object) -> int:
        value = label_value(label)
        inside = isinstance(value, int) and value >= 0 and (k is None or value < k)
        return value if inside and isinstance(value, int) else -1

    return position


def class_place(classes: tuple[str, ...]) -> Callable[[object], int]:
    """Return what looks a label up among names: letter by letter, else by value; -1 for none."""
    exact = {name.strip(): number for number, name in enumerate(classes)}
    if len(exact) < len(classes):
        exact = {}  # some differ by the blanks around them alone
    exact |= {name: number for number, name in enumerate(classes)}
    by_value: dict[float, list[int]] = {}
    for number, name in enumerate(classes):
        if (value := label_value(name)) is not None:
            by_value.setdefault(value, []).append(number)

    def place(label: object) -> int:
        text = label_text(label)
        for spelled in (text, text.strip()):
            if spelled in exact:
                return exact[spelled]
        value = label_value(label)
        named = [] if value is None else by_value.get(value, [])
        return named[0] if len(named) == 1 else -1

    return place


def distinct_labels(y: NDArray[Any]) -> tuple[list[Any], NDArray[np.intp]]:
    """Return each label once, in order of appearance, and where each row's is among them."""
    if y.dtype.kind in "iubf":
        values, inverse = np.unique(y, return_inverse=True)
        return values.tolist(), inverse.reshape(-1)
    number: dict[Any, int] = {}
    inverse = np.fromiter(
        (number.setdefault((type(each) is bool, each), len(number)) for each in y.ravel().tolist()),
        dtype=np.intp,
        count=y.size,
    )
    return [each for _, each in number], inverse


def label_text(value: object) -> str:
    """Return a label as text."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def label_value(label: object) -> int | float | None:
    """Return the number that a label is or spells; None of other text. True is 1, False 0."""
    if isinstance(label, bool | np.bool_ | int | np.integer):
        return int(label)
    if isinstance(label, float | np.floating):
        number: int | float | None = float(label)
    else:
        text = label_text(label).strip()
        number = int(text) if _INTEGER.fullmatch(text) else WORDS.get(text.lower())
        if number is None and _FLOAT.fullmatch(text):
            number = float(text)
    if isinstance(number, float):
        return None if not isfinite(number) else int(number) if number.is_integer() else number
    return number


def shown(label: object) -> str:
    """Return a label as messages quote it: text in quotation marks."""
    is_text = isinstance(label, str | bytes)
    return repr(label_text(label)) if is_text else label_text(label)


def shell_word(text: str) -> str:
    """Return a word as a shell takes it."""
    return text if re.fullmatch(r"[\w.+-]+", text) else "'" + text.replace("'", "'\\''") + "'"


def listed(names: Sequence[str]) -> str:
    """Return the first names, commas between, and whether there are more."""
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def lacks_label(cell: str, classes: Collection[str]) -> bool:
    """Whether a label is blank or says that it holds no value, and is no class of that name."""
    text = cell.strip()
    return text.casefold() in _NO_LABEL and text not in classes
