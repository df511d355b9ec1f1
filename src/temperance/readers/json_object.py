"""One JSON object, read key by key with errors that name the file and the key.

What is written twice is an error, never a choice: a key that stands twice in one object, and, once
a program has asked for all it knows, a key that nobody has asked for.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from sys import float_info
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from temperance.checks.arguments import value_text as shown
from temperance.errors import FileFormatError
from temperance.readers.guard import name_list, refusing, require_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

    from numpy.typing import NDArray

__all__ = ["JsonObject", "json_file", "parse_json", "shown"]

MOST_COUNTED = 10**15  # of anything counted: floats hold it exactly
_ROUNDING = 1e-9  # relative: what other programs' printing of floats may change


@dataclass(frozen=True, slots=True)
class JsonObject:
    """The keys of one object of a file."""

    values: dict[str, Any]
    where: str  # the file, as messages name it
    name: str = ""  # of the object in the file; "" at the top
    keys_read: set[str] = field(default_factory=set)  # keys that were asked for

    def get(self, key: str) -> Any:  # noqa: ANN401  (whatever JSON holds)
        """Return what stands there, None where nothing does."""
        self.keys_read.add(key)
        return self.values.get(key)

    def has(self, key: str) -> bool:
        """Whether the key is there and not null."""
        return self.get(key) is not None

    def section(self, key: str) -> JsonObject:
        """Return an object inside this one."""
        value = self.get(key)
        if not isinstance(value, dict):
            self.refuse(key, "an object")
        return JsonObject(value, self.where, key)

    def sections(self, key: str) -> list[JsonObject]:
        """Return a list of objects inside this one."""
        value = self.get(key)
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            self.refuse(key, "a list of objects")
        return [JsonObject(each, self.where, f"{key}[{i}]") for i, each in enumerate(value)]

    def number(self, key: str) -> float:
        """Return a finite number."""
        value = self.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.refuse(key, "a number")
        if not abs(value) <= float_info.max:  # an integer may be larger than any float
            self.refuse(key, "a finite number")
        return float(value)

    def share(self, key: str) -> float:
        """Return a number in [0, 1]."""
        value = self.number(key)
        if not 0.0 <= value <= 1.0:
            self.refuse(key, "a number in [0, 1]")
        return value

    def not_negative(self, key: str) -> float:
        """Return a finite number >= 0."""
        value = self.number(key)
        if value < 0.0:
            self.refuse(key, "a number >= 0")
        return value

    def integer(self, key: str, *, least: int = 1, most: int = MOST_COUNTED) -> int:
        """Return an integer from `least` to `most`."""
        value = self.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            self.refuse(key, f"an integer >= {least}")
        if value > most:
            self.refuse(key, f"an integer from {least} to {most:,}")
        return value

    def flag(self, key: str) -> bool:
        """Return true or false."""
        value = self.get(key)
        if not isinstance(value, bool):
            self.refuse(key, "true or false")
        return value

    def text(self, key: str) -> str:
        """Return text."""
        value = self.get(key)
        if not isinstance(value, str):
            self.refuse(key, "text")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts."""
        value = self.get(key)
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            self.refuse(key, "a list of texts")
        return tuple(value)

    def numbers(self, key: str, *, shape: tuple[int | None, ...] = (None,)) -> NDArray[np.float64]:
        """Return a list of finite numbers, nested as `shape` says; None is any length."""
        value = self.get(key)
        if not _is_nested(value, shape):
            sizes = " x ".join("n" if length is None else str(length) for length in shape)
            self.refuse(key, f"a list of {sizes} finite numbers")
        return np.array(value, dtype=np.float64)

    def require_equal(self, key: str, expected: object, *, because: str) -> None:
        """Raise FileFormatError unless the key says what the rest of the file says.

        Floats may differ by rounding, for other programs write and read them too.
        """
        if not _agree(self.get(key), expected):
            self.refuse(key, f"{shown(expected)}, {because}")

    def require_all_asked(self) -> None:
        """Raise FileFormatError for a key that no one has asked for: it would be ignored."""
        unknown = sorted(set(self.values) - self.keys_read)
        if unknown:
            of = f"`{self.name}`" if self.name else "the file"
            msg = (
                f"{self.where}: {of} must hold no other keys than "
                f"{name_list(sorted(self.keys_read))}; `{unknown[0]}` would be ignored."
            )
            raise FileFormatError(msg)

    def refuse(self, key: str, rule: str) -> NoReturn:
        """Raise FileFormatError: the key, the rule, what was found."""
        msg = f"{self.where}: `{key}` must be {rule}, got {shown(self.values.get(key))}."
        raise FileFormatError(msg)


def json_file(path: str | PathLike[str]) -> JsonObject:
    """Return the one object of a JSON file, or raise FileFormatError.

    NaN and Infinity, which are no JSON, and keys that stand twice are refused.
    """
    with refusing(path):
        require_file(Path(path))
        text = Path(path).read_bytes()
    try:
        content = parse_json(text, strict=True)
    except FileFormatError as error:
        msg = f"{path}: {error}"
        raise FileFormatError(msg) from error
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, nested without end
        msg = f"{path}: not a JSON file: {' '.join(str(error).split())}."
        raise FileFormatError(msg) from error
    if not isinstance(content, dict):
        msg = f"{path}: not a file of temperance: its JSON is not an object."
        raise FileFormatError(msg)
    return JsonObject(content, str(path))


def parse_json(
    text: str | bytes,
    *,
    strict: bool = False,
    parse_float: Callable[[str], float] | None = None,
) -> Any:  # noqa: ANN401  (any JSON)
    """Return the value of a JSON text; `strict` takes no NaN and no Infinity.

    Raises FileFormatError for an object in which a key stands twice (plain `json.loads` takes the
    last), else what `json.loads` raises.
    """
    if strict:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    return json.loads(text, object_pairs_hook=_unique, parse_float=parse_float)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        twice = next(key for key, count in counts.items() if count > 1)
        msg = (
            f"the key {shown(twice)} must stand once in an object, but stands there "
            f"{counts[twice]} times. Which one is meant? Delete the others."
        )
        raise FileFormatError(msg)
    return content


def _no_constant(text: str) -> NoReturn:
    msg = f"its numbers must be finite, but it holds {text}."
    raise FileFormatError(msg)


def _is_nested(value: Any, shape: tuple[int | None, ...]) -> bool:  # noqa: ANN401
    """Whether lists of these lengths hold finite numbers, and nothing else."""
    if not isinstance(value, list) or shape[0] not in (None, len(value)):
        return False
    if len(shape) > 1:
        lengths = {len(each) for each in value if isinstance(each, list)}
        return len(lengths) <= 1 and all(_is_nested(each, shape[1:]) for each in value)
    return _all_finite(value)


def _all_finite(values: list[Any]) -> bool:
    return all(type(each) in (int, float) and abs(each) <= float_info.max for each in values)


def _agree(value: Any, expected: object) -> bool:  # noqa: ANN401  (any JSON)
    if isinstance(expected, list):
        same = isinstance(value, list) and len(value) == len(expected)
        return same and all(_agree(*pair) for pair in zip(value, expected, strict=True))
    if isinstance(expected, float) and _all_finite([value]):
        return bool(abs(value - expected) <= _ROUNDING * abs(expected))
    return type(value) is type(expected) and value == expected
