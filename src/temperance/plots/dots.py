"""Rows of dots with bars on one axis, each row with its name: what forest plots are made of."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, takewhile
from math import sqrt
from typing import TYPE_CHECKING
from unicodedata import east_asian_width

from temperance.plots.theme import INK, MUTED, PAPER, SMALL, TEXT, quiet
from temperance.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

__all__ = [
    "BOTTOM",
    "Dot",
    "draw_dots",
    "draw_mark",
    "draw_name",
    "fitting",
    "fitting_apart",
    "size_of",
    "width_of",
]

_WIDTH = 380.0  # points, as are the next ones
_ROW = 20.0
_NAMES = 140.0  # room left of the axis
BOTTOM = 42.0
_WIDE = frozenset("mwMW@%&\u2014\u2026")


@dataclass(frozen=True, slots=True)
class Dot:
    """One row: a value, the bar of its interval, and the value again in figures."""

    name: str
    value: float
    low: float
    high: float
    text: str
    colour: str = INK
    hollow: bool = False  # no interval is known


def size_of(
    n_rows: int, *, top: float, right: float
) -> tuple[tuple[float, float], tuple[float, float, float, float]]:
    """Return a figure's width and height, and its margins, for so many rows."""
    return (_WIDTH, top + _ROW * n_rows + BOTTOM), (_NAMES, right, BOTTOM, top)


def draw_dots(ax: Axes, dots: Sequence[Dot], *, limits: tuple[float, float]) -> None:
    """Draw the first row at the top; a bar that leaves the limits ends in an arrow."""
    quiet(ax)
    low, high = limits
    ax.set_xlim(low, high)
    ax.set_ylim(len(dots) - 0.5, -0.5)
    names = fitting_apart([dot.name for dot in dots], _NAMES - 10.0)
    ax.set_yticks(range(len(dots)), labels=names, parse_math=False, color=INK, fontsize=SMALL)
    ax.grid(visible=False, axis="y")
    for y, dot in enumerate(dots):
        ends = max(dot.low, low), min(dot.high, high)
        ax.plot(ends, [y, y], color=dot.colour, linewidth=1.8, solid_capstyle="butt", zorder=3)
        for end, cut, marker in zip(ends, (dot.low < low, dot.high > high), "<>", strict=True):
            if cut:
                ax.plot([end], [y], marker=marker, markersize=6.0, color=dot.colour,
                        linestyle="none", clip_on=False, zorder=3)  # fmt: skip
        ax.plot([dot.value], [y], marker="o", markersize=6.5, linestyle="none", zorder=4,
                color=PAPER if dot.hollow else dot.colour, clip_on=False,
                markeredgecolor=dot.colour if dot.hollow else PAPER,
                markeredgewidth=1.6 if dot.hollow else 1.0)  # fmt: skip
        ax.annotate(dot.text, (1.0, y), (8.0, 0.0), xycoords=ax.get_yaxis_transform(),
                    textcoords="offset points", ha="left", va="center", fontsize=SMALL,
                    color=INK)  # fmt: skip


def draw_mark(ax: Axes, at: float, words: str, *, pad: float = 5.0, dashed: bool = False) -> None:
    """Draw a line across all rows, with words `pad` points above it, towards the middle."""
    low, high = ax.get_xbound()
    middle = sqrt(low * high) if ax.get_xscale() == "log" else 0.5 * (low + high)
    side = "right" if at > middle else "left"
    ax.axvline(at, color=MUTED, linewidth=1.2, linestyle=(0, (5, 3)) if dashed else "-", zorder=2)
    ax.annotate(words, (at, 1.0), (0.0, pad), xycoords=ax.get_xaxis_transform(),
                textcoords="offset points", ha=side, va="bottom", fontsize=SMALL,
                color=MUTED)  # fmt: skip


def draw_name(ax: Axes, name: str, *, pad: float, from_names: bool) -> None:
    """Write the name of the whole above the rows, from the left edge of the names or the axes."""
    across = 10.0 - _NAMES if from_names else 0.0
    ax.annotate(fitting(name, _WIDTH - 60.0, size=TEXT + 1.0), (0.0, 1.0), (across, pad),
                xycoords="axes fraction", textcoords="offset points", ha="left", va="bottom",
                fontsize=TEXT + 1.0, fontweight="bold", color=INK, parse_math=False)  # fmt: skip


def fitting(name: str, width: float, *, size: float = SMALL) -> str:
    """Return the name, or both its ends where it is wider than so many points, about."""
    name = printable(" ".join(name.split()))
    if width_of(name) * size <= width:
        return name
    room, left, right = width / size - _em("\u2026"), "", ""
    while room > 0.0:
        for end in ("left", "right"):
            letter = name[len(left)] if end == "left" else name[-1 - len(right)]
            room -= _em(letter)
            if room <= 0.0:
                break
            left, right = (left + letter, right) if end == "left" else (left, letter + right)
    return f"{left}\u2026{right}"


def fitting_apart(names: Sequence[str], width: float, *, size: float = SMALL) -> list[str]:
    """Return the names as `fitting` does; those that would look the same without what they share.

    >>> fitting_apart([f"gpt-2026-11-01-step-{step}000-ema" for step in (1, 2)], 90.0)
    ['gpt-…1000-e…', 'gpt-…2000-e…']
    """
    plain = [printable(" ".join(name.split())) for name in names]
    shown = [fitting(name, width, size=size) for name in names]
    for same in dict.fromkeys(shown):
        places = [i for i, each in enumerate(shown) if each == same]
        _part(shown, plain, places, width / size)
    return shown


def _part(shown: list[str], names: list[str], places: list[int], room: float) -> None:
    """Write names that look the same by where they part, as often as some still do."""
    alike = [names[i] for i in places]
    if len({*alike}) < 2:
        return
    at = sum(1 for _ in takewhile(lambda each: len({*each}) == 1, zip(*alike, strict=False)))
    for i in places:
        shown[i] = _around(names[i], at, room)
    letters = [name[at : at + 1] for name in alike]
    for letter in dict.fromkeys(letters):
        part = [i for i, each in zip(places, letters, strict=True) if each == letter]
        if len({shown[i] for i in part}) < len(part):
            _part(shown, names, part, room)


def _around(name: str, at: int, room: float) -> str:
    """Return the head of a name, and what stands at a place of it with the head of its word."""
    word = max(name.rfind(mark, 0, at) for mark in " _-/.:,") + 1
    start = word if width_of(name[word:at]) < room / 3.0 else at
    head = _beginning(name[:start], room / 3.0) + "\u2026" if start else ""
    rest = name[start:]
    tail = _beginning(rest, room - width_of(head) - _em("\u2026"))
    return f"{head}{tail}" if tail == rest else f"{head}{tail}\u2026"


def _beginning(text: str, room: float) -> str:
    """Return as much of a text as fits."""
    widths = accumulate(map(_em, text))
    return text[: sum(1 for _ in takewhile(lambda width: width <= room, widths))]


def width_of(name: str) -> float:
    """Return the width of a name in a wide sans-serif font, in units of its size, about."""
    return sum(map(_em, name))


def _em(letter: str) -> float:
    """Width of a letter in a wide sans-serif font, in units of its size."""
    if letter in _WIDE or east_asian_width(letter) in "FW":
        return 1.0
    return 0.72 if letter.isupper() else 0.61
