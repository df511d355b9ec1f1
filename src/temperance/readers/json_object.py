"""One JSON object, read key by key with errors that name the file and the key."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from sys import float_info
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from temperance.errors import FileFormatError
from temperance.readers.guard import refusing, require_file

if TYPE_CHECKING:
    from os import PathLike

    from numpy.typing import NDArray

__all__ = ["JsonObject", "json_file", "shown"]


@dataclass(frozen=True, slots=True)
class JsonObject:
    """The keys of one object of a file."""

    values: dict[str, Any]
    where: str  # the file, as messages name it

    def given(self, key: str) -> bool:
        """Whether the key is there and not null."""
        return self.values.get(key) is not None

    def section(self, key: str) -> JsonObject:
        """Return an object inside this one."""
        value = self.values.get(key)
        if not isinstance(value, dict):
            self.refuse(key, "an object")
        return JsonObject(value, self.where)

    def sections(self, key: str) -> list[JsonObject]:
        """Return a list of objects inside this one."""
        value = self.values.get(key)
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            self.refuse(key, "a list of objects")
        return [JsonObject(each, self.where) for each in value]

    def number(self, key: str) -> float:
        """Return a finite number."""
        value = self.values.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.refuse(key, "a number")
        if not abs(value) <= float_info.max:  # an integer may be larger than any float
            self.refuse(key, "a finite number")
        return float(value)

    def integer(self, key: str) -> int:
        """Return an integer >= 1."""
        value = self.values.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            self.refuse(key, "an integer >= 1")
        return value

    def text(self, key: str) -> str:
        """Return text."""
        value = self.values.get(key)
        if not isinstance(value, str):
            self.refuse(key, "text")
        return value

    def numbers(self, key: str, *, shape: tuple[int | None, ...] = (None,)) -> NDArray[np.float64]:
        """Return a list of finite numbers, nested as `shape` says; None is any length."""
        value = self.values.get(key)
        try:
            array = np.asarray(value)
        except ValueError:  # lists of different lengths
            array = np.empty(())
        fits = array.ndim == len(shape) and all(
            wanted in (None, length) for wanted, length in zip(shape, array.shape, strict=True)
        )
        if not fits or array.dtype.kind not in "iuf" or not np.isfinite(array).all():
            sizes = " x ".join("n" if length is None else str(length) for length in shape)
            self.refuse(key, f"a list of {sizes} finite numbers")
        return array.astype(np.float64)

    def refuse(self, key: str, rule: str) -> NoReturn:
        """Raise FileFormatError: the key, the rule, what was found."""
        msg = f"{self.where}: `{key}` must be {rule}, got {shown(self.values.get(key))}."
        raise FileFormatError(msg)


def shown(value: object) -> str:
    """Return the value as Python writes it, cut to 40 characters."""
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def json_file(path: str | PathLike[str]) -> JsonObject:
    """Return the one object of a JSON file, or raise FileFormatError."""
    with refusing(path):
        require_file(Path(path))
        text = Path(path).read_bytes()
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, nested without end
        msg = f"{path}: not a JSON file: {' '.join(str(error).split())}."
        raise FileFormatError(msg) from error
    if not isinstance(content, dict):
        msg = f"{path}: not a file of temperance: its JSON is not an object."
        raise FileFormatError(msg)
    return JsonObject(content, str(path))
