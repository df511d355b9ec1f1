"""Values that are frozen whole: no array, mapping or list of theirs can be written to.

What takes long may be computed when it is first looked at: `deferred`, `DeferredDict`. And
values as JSON takes them: `Plain`, `plain`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any, ClassVar, NoReturn, Self, TypeAlias, TypeVar, cast

import numpy as np

__all__ = [
    "DeferredDict",
    "Frozen",
    "FrozenDict",
    "LazyFrozen",
    "MaybeNone",
    "Plain",
    "deferred",
    "frozen",
    "plain",
]

K = TypeVar("K")
V = TypeVar("V")
# `X | MaybeNone`: None in cases that who reads it can rule out, such as the record of a calibrator
# that was just fitted. Type checkers then ask for no test of None, as in typeshed.
MaybeNone: TypeAlias = Any


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


class LazyFrozen(Frozen):
    """The same for a dataclass without slots, whose fields may be `deferred`.

    Such a field is computed when it is first read, and then is what it is; comparing, pickling or
    copying the value reads all of them. Fields must have no default of their own in the class,
    which would be found in their place (`field(default_factory=...)` leaves none).
    """

    def __post_init__(self) -> None:
        """Freeze the fields that are there, and set those aside that are still to be computed."""
        waiting = {}
        for name, value in list(vars(self).items()):
            if isinstance(value, _Deferred):
                waiting[name] = value
                del self.__dict__[name]
            else:
                self.__dict__[name] = frozen(value)
        self.__dict__["_waiting"] = waiting

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  (of any kind)
        """Compute a deferred field; called for what is not there."""
        waiting = self.__dict__.get("_waiting", {})
        if (one := waiting.get(name)) is None:
            if name in self.__dict__:  # another thread was here in between
                return self.__dict__[name]
            msg = f"{type(self).__name__!r} object has no attribute {name!r}"
            raise AttributeError(msg)
        value = self.__dict__[name] = frozen(one.compute())
        waiting.pop(name, None)  # with what it was computed of
        return value

    def but(self, **changes: Any) -> Self:  # noqa: ANN401  (of any kind)
        """Return a copy with other fields, also deferred ones; the rest stays uncomputed."""
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        waiting = copy.__dict__["_waiting"] = dict(self.__dict__.get("_waiting", {}))
        for name, value in changes.items():
            waiting.pop(name, None)
            copy.__dict__.pop(name, None)
            if isinstance(value, _Deferred):
                waiting[name] = value
            else:
                copy.__dict__[name] = frozen(value)
        return copy


class _Deferred:
    """A value that is not computed yet."""

    __slots__ = ("compute",)

    def __init__(self, compute: Callable[[], Any]) -> None:
        self.compute = compute


def deferred(compute: Callable[[], V]) -> V:
    """Return what stands for the value of `compute()` until a field of `LazyFrozen` is read."""
    return cast("V", _Deferred(compute))


class DeferredDict(Mapping[K, V]):
    """A frozen mapping of known keys; each value is computed when it is first looked up."""

    __slots__ = ("_compute", "_values")

    def __init__(self, keys: Iterable[K], compute: Callable[[K], V]) -> None:
        self._compute: Callable[[K], V] = compute
        self._values: dict[K, Any] = dict.fromkeys(keys, _MISSING)

    def __getitem__(self, key: K) -> V:
        value = self._values[key]
        if value is _MISSING:
            value = self._values[key] = frozen(self._compute(key))
            if _MISSING not in self._values.values():
                self._compute = _computed  # and what it holds goes
        return cast("V", value)

    def __iter__(self) -> Iterator[K]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __or__(self, other: Mapping[K, V]) -> dict[K, V]:
        return dict(self) | dict(other)

    def __ror__(self, other: Mapping[K, V]) -> dict[K, V]:
        return dict(other) | dict(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return FrozenDict, (dict(self),)

    def __repr__(self) -> str:
        return repr(dict(self))


_MISSING = object()


def _computed(key: object) -> NoReturn:
    raise KeyError(key)


def frozen(value: Any) -> Any:  # noqa: ANN401  (of any kind)
    """Return a value that cannot be written to: itself, or a frozen copy."""
    if isinstance(value, np.ndarray):
        return _read_only(value)
    if isinstance(value, FrozenDict | DeferredDict):
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
    copy = object.__new__(kind)
    for name, value in values.items():
        object.__setattr__(copy, name, frozen(value))
    return copy


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


# Values as plain numbers, text, lists and dictionaries, as JSON takes them.


def plain(value: Any) -> Any:  # noqa: ANN401  (of any kind)
    """Return what JSON takes for a value; None, text and Python's own numbers are themselves."""
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if hasattr(value, "tolist"):  # NumPy's arrays and numbers
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value


class Plain:
    """Base of a dataclass whose `to_dict` holds its fields, or the attributes that it names."""

    __slots__ = ()
    json_keys: ClassVar[tuple[str, ...]] = ()  # attributes, in their order; () = all fields

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, text and lists for JSON, by name."""
        keys = self.json_keys or [each.name for each in fields(self)]  # type: ignore[arg-type]
        return {key: plain(getattr(self, key)) for key in keys}
