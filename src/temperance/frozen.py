"""Values that are frozen whole: no array, mapping or list of theirs can be written to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, NoReturn, TypeVar

import numpy as np

__all__ = ["Frozen", "FrozenDict", "frozen"]

K = TypeVar("K")
V = TypeVar("V")


class FrozenDict(dict[K, V]):
    """A dictionary that cannot be changed; it is pickled, copied and written as JSON as others."""

    __slots__ = ()

    def _refuse(self, *_args: object, **_settings: object) -> NoReturn:
        msg = "a frozen mapping cannot be changed; dict(it) is a copy that can."
        raise TypeError(msg)

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self))


class Frozen:
    """Base of a frozen dataclass: its arrays are read-only, its mappings and lists as well.

    Two values are equal if their fields are, arrays number by number (nan equals nan), so that a
    copy, or one that was pickled, is equal to the first; and copies are as frozen.
    """

    __slots__ = ()

    def __post_init__(self) -> None:
        """Freeze every field."""
        for field in fields(self):  # type: ignore[arg-type]
            object.__setattr__(self, field.name, frozen(getattr(self, field.name)))

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        names = [field.name for field in fields(self) if field.compare]  # type: ignore[arg-type]
        return all(_equal(getattr(self, name), getattr(other, name)) for name in names)

    def __hash__(self) -> int:
        names = [field.name for field in fields(self)]  # type: ignore[arg-type]
        values = (getattr(self, name) for name in names)
        return hash((type(self), *(v for v in values if isinstance(v, (int, str)))))

    def __reduce__(self) -> tuple[Any, ...]:
        names = [field.name for field in fields(self)]  # type: ignore[arg-type]
        return _rebuilt, (type(self), {name: getattr(self, name) for name in names})


def frozen(value: Any) -> Any:  # noqa: ANN401  (of any kind)
    """Return a value that cannot be written to: itself, or a frozen copy."""
    if isinstance(value, np.ndarray):
        return _read_only(value)
    if isinstance(value, FrozenDict):
        return value
    if isinstance(value, Mapping):
        return FrozenDict({key: frozen(each) for key, each in value.items()})
    if type(value) in (list, tuple):
        return tuple(frozen(each) for each in value)
    return value


def _read_only(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    owner: Any = array
    while isinstance(owner, np.ndarray):
        if owner.flags.writeable and owner.base is not None:  # someone else may write to it
            array = array.copy()
            break
        owner = owner.base
    array.flags.writeable = False
    return array


def _rebuilt(kind: type[Any], values: dict[str, Any]) -> Any:  # noqa: ANN401
    made = object.__new__(kind)
    for name, value in values.items():
        object.__setattr__(made, name, frozen(value))
    return made


def _equal(one: Any, other: Any) -> bool:  # noqa: ANN401
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        one, other = np.asarray(one), np.asarray(other)
        numbers = one.dtype.kind in "fc" and other.dtype.kind in "fc"
        return bool(np.array_equal(one, other, equal_nan=numbers))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return list(one) == list(other) and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, float) and isinstance(other, float) and one != one:  # noqa: PLR0124
        return other != other  # noqa: PLR0124
    return bool(one == other)
