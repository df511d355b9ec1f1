"""The colours of all diagrams, and axes without clutter."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "BARS",
    "CSS_VARIABLES",
    "GRID",
    "INK",
    "MUTED",
    "OVER",
    "PAPER",
    "SMALL",
    "TEXT",
    "UNDER",
    "quiet",
]

# Okabe and Ito's vermilion (darker, so that words in it can be read) and blue stay apart for
# every kind of colour vision.
OVER = "#bf5000"  # over-confident
UNDER = "#0072b2"  # under-confident
INK = "#1b1f24"  # points, titles
MUTED = "#5b636c"  # labels, ticks, gaps that chance explains
BARS = "#aab2bb"  # where the rows are
GRID = "#e3e6ea"
PAPER = "#ffffff"  # round points, so that they stand out from their bars

# A page that defines these changes the colours of an SVG, for instance for a dark screen.
CSS_VARIABLES = {
    OVER: "--plot-over",
    UNDER: "--plot-under",
    INK: "--plot-ink",
    MUTED: "--plot-muted",
    BARS: "--plot-bars",
    GRID: "--plot-grid",
    PAPER: "--plot-paper",
}

TEXT = 11.0  # points
SMALL = 10.0


def quiet(ax: Axes) -> None:
    """Make the background clear, drop the frame, draw a faint grid behind everything."""
    ax.set_facecolor("none")
    ax.set_axisbelow(True)
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.tick_params(length=0, labelsize=SMALL, labelcolor=MUTED, pad=5)
    ax.grid(visible=True, color=GRID, linewidth=0.8, linestyle="-", alpha=1.0)
