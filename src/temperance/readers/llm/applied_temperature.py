"""What an answer says of a temperature that its server has applied already."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Applied", "applied_temperature"]

# The most specific first: of a question by its name, of a type of questions, of all.
_BY_NAME = ("temperature_by_question", "temperature_by_name")
_BY_TYPE = ("temperature_by_type", "temperatures")
_OF_ALL = ("temperature_applied", "applied_temperature", "calibration_temperature", "temperature")
_OTHER = ("temperature_by_options",)  # a formula, not a number
# What was sent, and what is no word about the answer.
_NOT_SAID = frozenset({
    "answers", "probabilities", "legend", "request", "questions", "body", "state", "input",
    "prompt", "usage", "label", "labels", "gold", "doc", "metadata",
})  # fmt: skip
_DEPTH = 2  # objects inside the answer or the response that a server keeps its own words in


class Applied(NamedTuple):
    """A temperature that stands beside an answer, and under which key."""

    key: str  # path inside the response or the answer
    temperature: float | None  # None where only the fact is told


def applied_temperature(
    places: Sequence[Any], *, type_: str, name: str | None = None
) -> Applied | None:
    """Return what the first of the places says of an answer of this type and name.

    Places are JSON objects: the answer, then what it stands in. A temperature of 1 is none; one of
    0 is of sampling, not of calibration.
    """
    for place in places:
        objects = list(_objects(place, "", _DEPTH))
        for keys, entry in ((_BY_NAME, name), (_BY_TYPE, type_), (_OF_ALL, type_), (_OTHER, None)):
            for path, known in objects:
                for key in keys:
                    if key in known:
                        found = _said(known[key], entry, other=keys is _OTHER)
                        if found is not None:
                            return None if found == 1.0 else Applied(path + key, found or None)
    return None


def _objects(value: Any, path: str, depth: int) -> Iterator[tuple[str, dict[str, Any]]]:  # noqa: ANN401
    """Yield an object and those in it, outermost first, with the paths that lead to them."""
    if not isinstance(value, dict):
        return
    yield path, value
    if depth:
        for key, inside in value.items():
            if key not in _NOT_SAID:
                yield from _objects(inside, f"{path}{key}.", depth - 1)


def _said(value: Any, entry: str | None, *, other: bool) -> float | None:  # noqa: ANN401
    """Return the temperature that a value says; 0 where it says that, not which; None if neither.

    An object holds one per name or type; a list is one per something that is not known here.
    """
    if isinstance(value, dict) and not other:
        value = value.get(entry) if entry is not None else None
    if value is True or (other and isinstance(value, dict) and value):
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    number = float(value) if abs(value) < 1e300 else 0.0
    return number if isfinite(number) and number > 0.0 else None
