"""What a probability of 0 is at least: a number, half a last decimal, half the smallest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from temperance.checks.arguments import as_number
from temperance.checks.arrays import count_rows
from temperance.errors import InvalidInputError
from temperance.printable import count_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["FOR_ZEROS", "Floor", "Floored"]

_AUTO = "auto"
_DECIMALS = "decimals="
_MOST_DECIMALS = 15
_EVEN = 0.5
_RESIDUE = (2.0**-66, 2.0**-50)  # what 1 - p leaves of 0 by rounding ...
_COUNTED = 1e-8  # ... where no other probability is smaller than this
_RULE = 'a probability in [0, 1), "decimals=N" (N from 1 to 15) or "auto"'
FOR_ZEROS = (
    'say what a 0 is at least: logits_from_probs(probs, floor="auto") takes half the smallest '
    'positive probability, floor="decimals=3" half a unit of the third decimal, floor=1e-6 a '
    "number of your own; on the command line --floor auto, --floor decimals=3, --floor 1e-6"
)


@dataclass(frozen=True, slots=True)
class Floored:
    """What was raised, counted."""

    floor: float  # where rows were divided by different sums, the largest
    probabilities: int
    rows: int

    def __str__(self) -> str:
        return (
            f"{count_text(self.probabilities, 'probability', 'probabilities')} in "
            f"{count_text(self.rows, 'row')} below {self.floor:.4g} "
            f"{'was' if self.probabilities == 1 else 'were'} raised to it"
        )


@dataclass(frozen=True, slots=True)
class Floor:
    """A floor as the caller says it; 0 raises nothing."""

    number: float = 0.0
    decimals: int | None = None
    auto: bool = False

    @classmethod
    def of(cls, given: object, *, option: str = "") -> Self:
        """Return the floor that a number or a text says, or raise."""
        if isinstance(given, cls):
            return given
        if isinstance(given, str):
            text = given.strip()
            if text == _AUTO:
                return cls(auto=True)
            places = text.removeprefix(_DECIMALS)
            whole = places.isascii() and places.isdigit()
            if text != places and whole and 1 <= int(places) <= _MOST_DECIMALS:
                return cls(decimals=int(places))
            if not option:  # a number as text is one on a command line only
                name = "floor"
                msg = f"`{name}` must be {_RULE}, got {given!r}."
                raise InvalidInputError(msg)
            try:
                given = float(text)
            except ValueError:
                msg = f"`{option}` must be {_RULE}, got {text!r}."
                raise InvalidInputError(msg) from None
        number = as_number(given, name="floor", rule=_RULE, least=0.0, below=1.0, option=option)
        return cls(number)

    @property
    def raises(self) -> bool:
        """Whether there is a floor at all."""
        return self != Floor()

    @property
    def fixed(self) -> float | None:
        """The number that probabilities are raised to, whatever they are; None if they say it."""
        if self.auto or not self.raises:
            return None
        return self.number if self.decimals is None else 0.5 * 10.0**-self.decimals

    def raised(self, p: Array, sums: Array | None = None) -> Array:
        """Return rows (m, k) with no probability below the floor, divided by their sums.

        `sums` are what the rows were divided by before, where decimals count undivided numbers.
        """
        if not self.raises:
            return p
        raised = np.maximum(p, self._level(p, sums))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))

    def of_labels(self, p: Array) -> float:
        """Return what p and 1 - p of independent labels are raised to, below 1/2."""
        level = float(self._level(np.minimum(p, 1.0 - p), None))
        if level >= _EVEN:
            msg = f"`floor` of labels must lie below {_EVEN}, for p and 1 - p; got {level:g}."
            raise InvalidInputError(msg)
        return level

    def count_labels(self, p: Array) -> Floored:
        """Return what `of_labels` raises of p and 1 - p."""
        level = self.of_labels(p)
        low = np.minimum(p, 1.0 - p) < level
        return Floored(level, int(low.sum()), count_rows(low))

    def count(self, p: Array, sums: Array | None = None) -> Floored:
        """Return what `raised` raises of these rows."""
        level = self._level(p, sums)
        low = p < level
        return Floored(float(np.max(level, initial=0.0)), int(low.sum()), count_rows(low))

    def __str__(self) -> str:
        if self.auto:
            return _AUTO
        return f"{self.number!r}" if self.decimals is None else f"{_DECIMALS}{self.decimals}"

    def _level(self, p: Array, sums: Array | None) -> Array:
        if self.auto:
            return np.asarray(0.5 * _smallest(p))
        if self.decimals is None:
            return np.asarray(self.number)
        half = np.asarray(0.5 * 10.0**-self.decimals)
        return half if sums is None else (half / sums)[:, None]


def _smallest(p: Array) -> float:
    """Return the smallest positive probability that is not what rounding left of 0."""
    least = float(p.min(initial=1.0, where=p > 0.0))
    if not _RESIDUE[0] <= least <= _RESIDUE[1]:
        return least
    above = float(p.min(initial=1.0, where=p > _RESIDUE[1]))
    return above if above >= _COUNTED else least
