"""Arguments that are no arrays: words, switches, sequences, mappings, and single numbers.

Each is what it says it is, or an InvalidInputError with the rule: arrays have no truth value, and
the text "no" has one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf, isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = [
    "MOST_CLASSES",
    "as_count",
    "as_flag",
    "as_float_dtype",
    "as_level",
    "as_mapping",
    "as_not_negative",
    "as_number",
    "as_positive",
    "as_seed",
    "as_sequence",
    "as_share",
    "as_whole",
    "as_word",
    "optional_text",
    "require_type",
    "value_text",
]

# One number given as an argument: what counts as one, and the range that it must lie in.
#
# A number is an int or a float, of Python or NumPy, or an array without axes that holds one. Text
# is none, however it reads, and neither are true and false: `prior=True` is a slip, not a 1.


MOST_CLASSES = 10_000_000  # columns: 80 MB of float64 in a single row
_LONGEST = 40
_NUMERIC = "iuf"


def as_number(
    value: object,
    *,
    name: str,
    rule: str = "a finite number",
    above: float = -inf,
    least: float = -inf,
    below: float = inf,
    most: float = inf,
    hint: str = "",
    option: str = "",
) -> float:
    """Return a finite number in a range, or raise InvalidInputError.

    Parameters
    ----------
    value : object
        What the caller gave.
    name : str
        The argument, as its caller knows it.
    rule : str
        The range in words: "`name` must be `rule`".
    above, below : float
        Ends that the number may not reach.
    least, most : float
        Ends that it may.
    hint : str
        One more sentence for the message; without one, a number up to 100 where a share is asked
        for is told which share it is as a percentage.
    option : str
        What the argument is called on the command line.

    Returns
    -------
    float

    Raises
    ------
    InvalidInputError
        Text, a boolean, an array of several numbers, nan, infinite, or out of the range.

    Examples
    --------
    >>> as_number(2, name="prior", rule="a finite number >= 0", least=0.0)
    2.0
    """
    number = _float_of(value)
    inside = number is not None and isfinite(number) and above < number < below
    if number is None or not inside or not least <= number <= most:
        of_share = max(above, least) >= 0.0 and min(below, most) <= 1.0
        raise _refusal(name, option, rule, value, hint or (_percentage(number) * of_share))
    return number


def _percentage(number: float | None) -> str:
    """Return the question whether a number that is no share is one in percent; "" if it is none.

    >>> _percentage(95.0), _percentage(-1.0)
    ('A percentage? 95 % is 0.95.', '')
    """
    if number is None or not 1.01 <= number <= 100.0:
        return ""
    return f"A percentage? {number:g} % is {number / 100.0:.6g}."


def as_positive(value: object, *, name: str, hint: str = "", option: str = "") -> float:
    """Return a finite number above 0."""
    return as_number(
        value, name=name, rule="a finite number above 0", above=0.0, hint=hint, option=option
    )


def as_not_negative(value: object, *, name: str, hint: str = "", option: str = "") -> float:
    """Return a finite number >= 0."""
    return as_number(
        value, name=name, rule="a finite number >= 0", least=0.0, hint=hint, option=option
    )


def as_share(value: object, *, name: str, hint: str = "", option: str = "") -> float:
    """Return a number in [0, 1]."""
    return as_number(
        value, name=name, rule="a number in [0, 1]", least=0.0, most=1.0, hint=hint, option=option
    )


def as_level(value: object, *, name: str, hint: str = "", option: str = "") -> float:
    """Return a number strictly between 0 and 1, such as the level of an interval."""
    return as_number(
        value,
        name=name,
        rule="a number strictly between 0 and 1",
        above=0.0,
        below=1.0,
        hint=hint,
        option=option,
    )


def as_count(
    value: object,
    *,
    name: str,
    least: int = 1,
    most: int | None = None,
    hint: str = "",
    option: str = "",
) -> int:
    """Return a whole number >= `least` and, where given, <= `most`; 15.0 counts as 15."""
    upto = f"{least:,} to {most:,}" if most is not None else f">= {least}"
    rule = f"a whole number {upto}" if most is None else f"a whole number from {upto}"
    whole = as_whole(value, name=name, rule=rule, hint=hint, option=option)
    if whole < least or (most is not None and whole > most):
        raise _refusal(name, option, rule, value, hint)
    return whole


def as_seed(value: object, *, name: str = "seed") -> int:
    """Return a whole number >= 0, the seed of what is drawn: the same seed, the same numbers."""
    return as_count(value, name=name, least=0)


def as_whole(
    value: object, *, name: str, rule: str = "a whole number", hint: str = "", option: str = ""
) -> int:
    """Return a whole number of any sign, exactly; 2.0 counts as 2."""
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    number = _float_of(value)
    if number is None or not isfinite(number) or number != int(number):
        raise _refusal(name, option, rule, value, hint)
    return int(number)


def value_text(value: object) -> str:
    """Return any value as a message shows it: escaped, on one line, at most 40 characters."""
    plain: Any = value
    if _is_numeric(value) and hasattr(value, "item"):
        plain = plain.item()  # 2.5 instead of np.float64(2.5)
    try:
        text = repr(plain) if not isinstance(plain, str) else repr(plain[: _LONGEST + 1])
    except ValueError:  # Python does not print integers of more than 4,300 digits
        text = f"{'-' if plain < 0 else ''}a number of thousands of digits"
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _refusal(name: str, option: str, rule: str, value: object, hint: str) -> InvalidInputError:
    argument = f"`{name}` ({option})" if option else f"`{name}`"
    text = f"{argument} must be {rule}, got {value_text(value)}."
    return InvalidInputError(f"{text} {hint}" if hint else text)


def _float_of(value: object) -> float | None:
    """Return a number as float, infinite where it is too large for one; None of what is none."""
    plain: Any = value
    if isinstance(value, bool | str | bytes | bytearray) or not _is_numeric(value):
        return None
    try:
        return float(plain)
    except OverflowError:
        return inf if plain > 0 else -inf
    except (TypeError, ValueError, RuntimeError):
        return None


def _is_numeric(value: object) -> bool:
    """Whether this is one number: Python's, NumPy's, or an array or tensor without axes."""
    if isinstance(value, int | float):
        return not isinstance(value, bool)
    if getattr(value, "shape", None) != ():
        return False
    dtype: Any = getattr(value, "dtype", None)
    kind = getattr(dtype, "kind", None)
    if kind is None:  # a tensor: its dtype has no kind
        return bool(getattr(dtype, "is_floating_point", False)) or "int" in str(dtype)
    return kind in _NUMERIC or str(dtype) == "bfloat16"


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


def as_float_dtype(value: object) -> np.dtype[Any]:
    """Return float32 or float64, the argument `dtype`."""
    try:
        dtype: np.dtype[Any] | None = None if value is None else np.dtype(value)  # type: ignore[call-overload]
    except (TypeError, ValueError):  # text that names no dtype, and things that are no text
        dtype = None
    if dtype not in (np.float32, np.float64):
        msg = f"`dtype` must be float32 or float64, got {value_text(value)}."
        raise InvalidInputError(msg)
    return dtype


def as_sequence(value: object, *, name: str, rule: str, in_order: bool = True) -> list[Any]:
    """Return the elements of anything that has some, in order; text and mappings are no sequence.

    `rule` says what they are: "`name` must be `rule`". Nor are sets, whose order is by chance,
    where elements are matched with columns or rows: `in_order`.
    """
    if in_order and isinstance(value, set | frozenset):
        msg = f"`{name}` must be {rule}, in their order, and a set has none; give a list."
        raise InvalidInputError(msg)
    unordered = isinstance(value, str | bytes | Mapping) or getattr(value, "ndim", 1) == 0
    if unordered or isinstance(value, type) or not isinstance(value, Iterable):
        msg = f"`{name}` must be {rule}, got {value_text(value)}."
        raise InvalidInputError(msg)
    return list(value)


def as_mapping(value: object, *, name: str, rule: str) -> Mapping[Any, Any]:
    """Return a mapping; `rule` as in `as_sequence`."""
    mapping: Mapping[Any, Any] = require_type(value, Mapping, name=name, rule=rule)
    return mapping


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
