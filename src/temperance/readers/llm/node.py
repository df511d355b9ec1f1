"""A value inside a JSON record with the path that leads to it, which every error names."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isnan, nan
from typing import TYPE_CHECKING, Any, NoReturn

from temperance.errors import FileFormatError
from temperance.readers.guard import name_list, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "SENTINEL",
    "Node",
    "check_sum",
    "decimals",
    "has_failed",
    "is_right",
    "response_of",
    "same_word",
]

SENTINEL = -9999.0  # servers write it for "very unlikely", without a number
# No float32 probability is smaller than e^-88, so a token's log-probability below it was never
# measured: servers write -100, -1000, -9999 or the smallest float for "impossible".
IMPOSSIBLE = -88.0
_ABOVE_ZERO = 1e-3  # what rounding may add to a log-probability of 0


@dataclass(frozen=True, slots=True)
class Node:
    """One value of a record; `path` is how messages call it, "" for the record itself."""

    value: Any
    path: str = ""

    def get(self, key: str) -> Node | None:
        """Return the value under a key of an object; None where it is absent or null."""
        if not isinstance(self.value, dict):
            self.refuse("an object")
        value = self.value.get(key)
        return None if value is None else Node(value, f"{self.path}.{key}" if self.path else key)

    def need(self, key: str) -> Node:
        """Return the value under a key, or raise that there is none."""
        node = self.get(key)
        if node is None:
            inside = f"`{self.path}` " if self.path else ""
            held = name_list([name for name in self.value if name != key])
            msg = f"{inside}has no key `{key}` (or null there); it holds {held}."
            raise FileFormatError(msg)
        return node

    def entry(self, key: str) -> Node:
        """Return the value under a key that must be there, but may be null."""
        if self.get(key) is None and key not in self.value:
            self.need(key)
        return Node(self.value[key], f"{self.path}.{key}" if self.path else key)

    def find(self, path: str) -> Node | None:
        """Return the value at a dotted path such as `doc.answer` or `golds.0`; None if absent.

        A key that itself holds the dots comes first.
        """
        if not isinstance(self.value, dict | list):
            return None
        whole = self._child(path)
        if whole is not None:
            return whole
        head, dot, tail = path.partition(".")
        child = self._child(head) if dot else None
        return None if child is None else child.find(tail)

    def items(self) -> list[Node]:
        """Return the members of a list."""
        if not isinstance(self.value, list):
            self.refuse("a list")
        return [Node(value, f"{self.path}[{i}]") for i, value in enumerate(self.value)]

    def text(self) -> str:
        """Return text."""
        if not isinstance(self.value, str):
            self.refuse("text")
        return self.value

    def name(self) -> int | str:
        """Return an integer or a text, as ids and groups are."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | str):
            self.refuse("an integer or a text")
        return (
            self.value
            if isinstance(self.value, str) or abs(self.value) < 2**63
            else str(self.value)
        )

    def number(self) -> float:
        """Return a number, or that of a text that holds one; -inf is one, nan and inf are not."""
        number = nan
        if isinstance(self.value, int | float) and not isinstance(self.value, bool):
            try:
                number = float(self.value)
            except OverflowError:
                self.refuse("a number that a float can hold")
        elif isinstance(self.value, str) and "_" not in self.value:
            try:
                number = float(self.value)
            except ValueError:
                self.refuse("a number")
        if isnan(number) or number == inf:
            self.refuse("a number")
        return number

    def log_prob(self) -> float:
        """Return a log-probability; nan for one that is not known but for being very low."""
        value = self.number()
        if value > _ABOVE_ZERO:
            self.refuse("a log-probability, so at most 0")
        return nan if value <= SENTINEL else value

    def token_log_prob(self) -> float:
        """Return the log-probability of one token; nan for null and what stands for impossible."""
        value = nan if self.value is None else self.log_prob()
        return value if value > IMPOSSIBLE else nan

    def prob(self) -> float:
        """Return a probability."""
        value = self.number()
        if not 0.0 <= value <= 1.0:
            self.refuse("a probability between 0 and 1")
        return value

    def refuse(self, rule: str) -> NoReturn:
        """Raise FileFormatError: the path, the rule, what was found."""
        what = f"`{self.path}`" if self.path else "the line"
        msg = f"{what} must be {rule}, got {quoted(self.value)}."
        raise FileFormatError(msg)

    def _child(self, key: str) -> Node | None:
        if isinstance(self.value, dict):
            return self.get(key)
        inside = isinstance(self.value, list) and key.isdecimal() and key.isascii()
        if inside and len(key) < 10 and int(key) < len(self.value):
            value = self.value[int(key)]
            return None if value is None else Node(value, f"{self.path}[{key}]")
        return None


# Probabilities as servers write them: rounded to some decimals.


_TOLERANCE = 1e-3
_MOST = 8  # decimals of a rounded number; more are those of the arithmetic
_LEAST = 2


def decimals(values: Sequence[float]) -> int | None:
    """Return the decimals that all of the values have; None if they are not rounded."""
    for count in range(_LEAST, _MOST + 1):
        if all(round(value, count) == value for value in values):
            return count
    return None


def check_sum(values: Sequence[float], node: Node) -> None:
    """Raise unless probabilities sum to 1, within what the rounding of each can make."""
    count = decimals(values)
    rounding = 0.0 if count is None else 0.5 * len(values) * 10.0**-count
    total = sum(values)
    if abs(total - 1.0) > max(_TOLERANCE, rounding) + 1e-12:
        msg = f"`{node.path}` must sum to 1, but sums to {total:.6g}."
        raise FileFormatError(msg)


# Where in a line the server's response is, and whether there is one: requests also fail.


_PLACES = ("response.body", "response")  # of batch files; of lines with labels beside a response
_FIRST_ERROR = 400  # of the status codes


def response_of(line: Node, key: str) -> Node:
    """Return the object that has `key`: the line, its `response`, or its `response.body`."""
    if line.get(key) is not None:
        return line
    for place in _PLACES:
        inside = line.find(place)
        if inside is not None and isinstance(inside.value, dict) and inside.get(key) is not None:
            return inside
    return line


def has_failed(line: Node, key: str) -> bool:
    """Whether the line says that its request failed: an error, or its status code, and no `key`."""
    if response_of(line, key).get(key) is not None:
        return False
    errors = [line.find(path) for path in ("error", "response.error", "response.body.error")]
    if any(error is not None and error.value for error in errors):
        return True
    status = line.find("response.status_code")
    return status is not None and isinstance(status.value, int) and status.value >= _FIRST_ERROR


# A label that is an option in other words: in other case, or yes for true.


_YES = frozenset({"yes", "true"})
_NO = frozenset({"no", "false"})


def same_word(label: object, options: Sequence[Sequence[str]]) -> int | None:
    """Return the one option that a label names in other case, or as true and false for yes and no.

    Each option is the sequence of its spellings.
    """
    word = _folded(str(label))
    folded = [{_folded(text) for text in spellings} for spellings in options]
    matches = [i for i, words in enumerate(folded) if word in words]
    if len(matches) == 1:
        return matches[0]
    if matches or len(options) != 2:
        return None
    for kind, other in ((_YES, _NO), (_NO, _YES)):
        if word in kind:
            for i in (0, 1):
                if folded[i] & kind and folded[1 - i] & other and not folded[i] & other:
                    return i
    return None


def _folded(text: str) -> str:
    return text.strip().casefold()


_RIGHT = {"true": 1, "1": 1, "false": 0, "0": 0}


def is_right(node: Node) -> int:
    """Return 1 where an answer is said to be right, 0 where wrong."""
    value = node.value
    number = int(value) if isinstance(value, int | float) and value in (0, 1) else None
    if isinstance(value, str):
        number = _RIGHT.get(_folded(value))
    if number is None:
        node.refuse("true or 1 where the answer is right, false or 0 where not")
    return number
