"""The words that any language of columns has, and in which a map is written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Language"]


class Language(ABC):
    """What a language of columns can do; values are whatever it computes with.

    A map is written in layers: each names its values, which the next one reads, so that each value
    is computed once.
    """

    def __init__(self) -> None:
        self.layers: list[dict[str, Any]] = []  # name of a value -> what it is, per layer

    @abstractmethod
    def column(self, name: str) -> Any:  # noqa: ANN401  (text, or an expression)
        """Return the numbers of a column, in double precision."""

    @abstractmethod
    def number(self, value: float) -> Any:  # noqa: ANN401
        """Return a number."""

    @abstractmethod
    def call(self, name: str, *values: Any) -> Any:  # noqa: ANN401
        """Return "exp" or "ln" of a value, "greatest" or "least" of several."""

    @abstractmethod
    def binary(self, left: Any, sign: str, right: Any) -> Any:  # noqa: ANN401
        """Return left + right, left - right, left * right or left / right."""

    def sum(self, *values: Any) -> Any:  # noqa: ANN401
        """Return the sum of values, as that of two halves: no parser goes 1,000 brackets deep."""
        half = len(values) // 2
        if half == 0:
            return values[0]
        return self.binary(self.sum(*values[:half]), "+", self.sum(*values[half:]))

    @abstractmethod
    def first_of(self, cases: Sequence[tuple[Any, str, float, Any]], otherwise: Any) -> Any:  # noqa: ANN401
        """Return the value of the first case (x, "<", "<=" or ">=", number, value) that is true.

        Nothing where x, the same of all cases, is nothing.
        """

    @abstractmethod
    def of_name(self, column: str, values: dict[str, float], otherwise: float) -> Any:  # noqa: ANN401
        """Return the number of the name in a column."""

    @abstractmethod
    def nothing(self) -> Any:  # noqa: ANN401
        """Return no number (NULL)."""

    @abstractmethod
    def at_least(self, x: Any, least: float) -> Any:  # noqa: ANN401
        """Return x, or a number where x is below it; nothing where x is nothing."""

    @abstractmethod
    def reference(self, name: str) -> Any:  # noqa: ANN401
        """Return a value of an earlier layer by its name."""

    def bind(self, stem: str, values: Sequence[Any]) -> list[Any]:
        """Add a layer with these values, and return references to them."""
        layer = f"temperance_{len(self.layers) + 1}_{stem}"
        names = [f"{layer}_{i}" if len(values) > 1 else layer for i in range(len(values))]
        self.layers.append(dict(zip(names, values, strict=True)))
        return [self.reference(name) for name in names]
