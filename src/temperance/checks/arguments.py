"""Arguments that are neither arrays nor numbers: words, switches, sequences, mappings.

Each is what it says it is, or an InvalidInputError with the rule: arrays have no truth value, and
the text "no" has one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.checks.numbers import value_text
from temperance.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = [
    "as_flag",
    "as_mapping",
    "as_sequence",
    "as_word",
    "optional_text",
    "require_type",
]


def as_word(value: object, words: Collection[str], *, name: str) -> str:
    """Return one of the words that an argument may be."""
    if isinstance(value, str) and value in words:
        return value
    quoted = [f'"{word}"' for word in words]
    rule = " or ".join(quoted) if len(quoted) < 3 else f"one of {', '.join(words)}"
    msg = f"`{name}` must be {rule}, got {value_text(value)}."
    raise InvalidInputError(msg)


def as_flag(value: object, *, name: str) -> bool:
    """Return True or False."""
    if not isinstance(value, bool | np.bool_):
        msg = f"`{name}` must be True or False, got {value_text(value)}."
        raise InvalidInputError(msg)
    return bool(value)


def as_sequence(value: object, *, name: str, rule: str) -> list[Any]:
    """Return the elements of anything that has some, in order; text and mappings are no sequence.

    `rule` says what they are: "`name` must be `rule`".
    """
    unordered = isinstance(value, str | bytes | Mapping) or getattr(value, "ndim", 1) == 0
    if unordered or isinstance(value, type) or not isinstance(value, Iterable):
        msg = f"`{name}` must be {rule}, got {value_text(value)}."
        raise InvalidInputError(msg)
    return list(value)


def as_mapping(value: object, *, name: str, rule: str) -> Mapping[Any, Any]:
    """Return a mapping; `rule` as in `as_sequence`."""
    found: Mapping[Any, Any] = require_type(value, Mapping, name=name, rule=rule)
    return found


def require_type(value: object, kind: Any, *, name: str, rule: str) -> Any:  # noqa: ANN401
    """Return a value of this type (or one of these); `rule` as in `as_sequence`."""
    if not isinstance(value, kind):
        msg = f"`{name}` must be {rule}, got {value_text(value)}."
        raise InvalidInputError(msg)
    return value


def optional_text(value: object, *, name: str) -> str | None:
    """Return a text, or None."""
    if value is not None and not isinstance(value, str):
        msg = f"`{name}` must be a text or None, got {value_text(value)}."
        raise InvalidInputError(msg)
    return value
