"""The square that says against happens, on which reliability diagrams are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from temperance.plots.theme import BARS, INK, MUTED, OVER, SMALL, TEXT, UNDER, Shares, quiet
from temperance.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = [
    "SIDE",
    "Words",
    "clearest",
    "draw_clearest",
    "draw_corners",
    "draw_diagonal_words",
    "draw_frame",
    "draw_name",
    "draw_strip",
]

_FLOOR = -0.17  # the strip below 0 that shows where the rows are
_STRIP = 0.11  # height of its tallest bar
_NAME = 26  # characters of a name that fit beside the other words
_TICKS = np.linspace(0.0, 1.0, 6)
SIDE = 300.0  # points, about, of the square on a figure of its own
_LETTER = 0.02  # width of a small letter, in the units of the square
_LINE = 0.042  # height of a line of them
_EDGE, _STEP = 0.98, 0.04  # where words in a corner end, and between other places for them
_DIAGONAL = "perfectly calibrated"
_KEYS = ("\u2013 \u2013 perfectly calibrated", "\u2013 \u2013 calibrated")
_FIRST = "probability "  # of words in a corner, which goes where all of them have no room
_FREE = 0.01  # room between words and points that do not touch
_ENOUGH = 0.035  # room between words and a curve, beyond which more is no better


@dataclass(frozen=True, slots=True)
class Words:
    """A small line of text and where it may stand."""

    text: str
    x: float
    y: float
    across: str = "center"  # what of the text is at x: left, center, right
    up: str = "bottom"  # what of it is at y: bottom, top
    rotation: float = 0.0  # degrees

    def points(self) -> NDArray[np.float64]:
        """Return points (n, 2) along the foot and the top of level words."""
        left = self.x - {"left": 0.0, "center": 0.5, "right": 1.0}[self.across] * (
            width := _LETTER * len(self.text)
        )
        foot = self.y - {"bottom": 0.0, "top": _LINE}[self.up]
        along = left + np.linspace(0.0, width, 2 * len(self.text))
        return np.concatenate(
            [np.stack([along, np.full(len(along), y)], axis=1) for y in (foot, foot + _LINE)]
        )

    def distance(self, points: NDArray[np.float64]) -> float:
        """Return the distance from the nearest of the points, (n, 2), about: fonts differ."""
        width = _LETTER * len(self.text)
        turn = np.deg2rad(self.rotation)
        moved = points - (self.x, self.y)
        along = moved @ (np.cos(turn), np.sin(turn))
        over = moved @ (-np.sin(turn), np.cos(turn))
        left = {"left": 0.0, "center": -0.5, "right": -1.0}[self.across] * width
        foot = {"bottom": 0.0, "top": -_LINE}[self.up]
        along_gap = np.maximum(np.maximum(left - along, along - left - width), 0.0)
        over_gap = np.maximum(np.maximum(foot - over, over - foot - _LINE), 0.0)
        return float(np.hypot(along_gap, over_gap).min())


def draw_frame(ax: Axes, *, says: str, happens: str) -> None:
    """Labels, ticks, limits, and the diagonal on which things happen as often as is said."""
    quiet(ax)
    ax.set_aspect("equal")
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(_FLOOR, 1.02)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_ticks(_TICKS)
        axis.set_major_formatter(Shares())
    ax.set_xlabel(says, fontsize=TEXT, color=INK, labelpad=6)
    ax.set_ylabel(happens, fontsize=TEXT, color=INK, rotation=0,
                  horizontalalignment="left", verticalalignment="bottom")  # fmt: skip
    ax.yaxis.set_label_coords(0.0, 1.015)
    ax.plot([0.0, 1.0], [0.0, 1.0], color=MUTED, linewidth=1.2, linestyle=(0, (5, 3)), zorder=2)


def draw_name(ax: Axes, name: str, *, pad: float) -> None:
    """Write the name above the square, `pad` points from it; of a long one, both ends."""
    half, name = _NAME // 2, printable(name)
    shown = name if len(name) <= _NAME else f"{name[:half]}\u2026{name[-half:]}"
    ax.set_title(shown, loc="left", pad=pad, color=INK, fontsize=13, fontweight="bold",
                 parse_math=False)  # fmt: skip


def draw_strip(
    ax: Axes,
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
    share: NDArray[np.float64],
) -> None:
    """Show below the square which share of the rows lies between `lower` and `upper`."""
    tallest = int(np.argmax(share))
    width = upper - lower
    ax.bar(lower + 0.05 * width, _STRIP * share / share[tallest], 0.9 * width, bottom=_FLOOR,
           align="edge", color=BARS, linewidth=0.0, zorder=1.5)  # fmt: skip
    ax.text(-0.035, _FLOOR, "rows", ha="right", va="bottom", fontsize=SMALL, color=MUTED)
    middle = float(lower[tallest] + 0.5 * width[tallest])
    ax.text(min(max(middle, 0.05), 0.95), _FLOOR + _STRIP + 0.008,
            f"{share[tallest]:.0%}".replace("%", " %"), ha="center", va="bottom",
            fontsize=SMALL, color=MUTED, zorder=1.6)  # fmt: skip


def draw_clearest(
    ax: Axes, places: Sequence[Words], *obstacles: NDArray[np.float64], color: str
) -> Words:
    """Write words at the first place with room enough, or else where the points are farthest.

    Returns them where they stand. Each array of obstacles, (n, 2), only decides between places that
    are as good for those before.
    """
    words = clearest(places, *obstacles)
    ax.text(words.x, words.y, words.text, ha=words.across, va=words.up, rotation=words.rotation,
            rotation_mode="anchor", fontsize=SMALL, color=color, zorder=5)  # fmt: skip
    return words


def clearest(places: Sequence[Words], *obstacles: NDArray[np.float64]) -> Words:
    """Return the place that `draw_clearest` writes at."""
    return max(
        places,
        key=lambda place: [min(place.distance(points), _ENOUGH) for points in obstacles],
    )


def draw_corners(
    ax: Axes,
    points: NDArray[np.float64],
    *,
    below: str = "over-confident",
    above: str = "under-confident",
) -> NDArray[np.float64]:
    """Say what the sides of the diagonal mean, in the corners or as near them as no point is.

    Returns points (n, 2) of these words, for others to keep away from.
    """
    low = draw_clearest(
        ax, _free(points, map(_below_diagonal, _shorter(below))), points, color=OVER
    )
    upper = _free(points, map(_above_diagonal, _shorter(above)))
    return np.concatenate([low.points(), draw_clearest(ax, upper, points, color=UNDER).points()])


def draw_diagonal_words(ax: Axes, points: NDArray[np.float64]) -> None:
    """Name the diagonal along it or, where no place there is free of points (n, 2), as a legend.

    Where no words have room, none stand: the line is dashed and alone.
    """
    along = [
        Words(_DIAGONAL, at - step, at + step, "center", up, 45.0)
        for at in (0.5, 0.65, 0.35, 0.8, 0.2, 0.72, 0.28, 0.58, 0.42, 0.16, 0.84)
        for step, up in ((0.018, "bottom"), (-0.018, "top"))
    ]
    keys = [_above_diagonal(each) + _below_diagonal(each) for each in _KEYS]
    places = _free(points, [along, *keys])
    if max(each.distance(points) for each in places) >= _FREE:
        draw_clearest(ax, places, points, color=MUTED)


def _shorter(words: str) -> list[str]:
    """Return the words, and without the first of them what is left where it says enough."""
    return list(dict.fromkeys([words, words.removeprefix(_FIRST)]))


def _free(points: NDArray[np.float64], ways: Iterable[list[Words]]) -> list[Words]:
    """Return the first way to write that has a place free of all points, or else the last."""
    places: list[Words] = []
    for places in ways:
        if max(each.distance(points) for each in places) >= _FREE:
            break
    return places


def _above_diagonal(text: str) -> list[Words]:
    """Return places that lie above the diagonal as a whole, the nearest to the corner first."""
    return [
        Words(each.text, 1.0 - each.x, 1.0 - each.y, "left", "top")
        for each in _below_diagonal(text)
    ]


def _below_diagonal(text: str) -> list[Words]:
    """Return places that lie below the diagonal as a whole, the nearest to the corner first."""
    width = _LETTER * len(text)
    places = [
        Words(text, x, y, "right")
        for x in np.arange(_EDGE, width, -_STEP).tolist()
        for y in np.arange(1.0 - _EDGE + 0.01, x - width - _LINE - _ENOUGH, _STEP).tolist()
    ]
    return sorted(places, key=lambda each: each.y - each.x)
