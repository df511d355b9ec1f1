"""The first screen of every page: what it found, in states, numbers and a next step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["NO_SCREEN", "Glance", "Screen", "State"]


@dataclass(frozen=True, slots=True)
class State:
    """What one thing on the page is: "Before: not calibrated", and why that is said."""

    who: str
    word: str
    why: str = ""
    css: Literal["good", "bad", "open"] = "open"


Glance = tuple[str, str, str, str]  # name, number, words, command; "" for what there is not


@dataclass(frozen=True, slots=True)
class Screen:
    """All of it; a page shows what there is."""

    states: Sequence[State] = ()
    glance: Sequence[Glance] = ()
    sides: Sequence[str] = ()  # columns of `numbers`
    numbers: Sequence[dict[str, Any]] = ()  # name, meaning and a cell per side


NO_SCREEN = Screen()
