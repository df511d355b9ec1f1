"""What all displays share: the axes they draw on, and how a notebook shows them."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from temperance.checks.arguments import require_type
from temperance.plots.svg import to_svg
from temperance.plots.theme import PAPER

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure

__all__ = ["Display"]

_POINTS = 72.0  # per inch
_PNG_DPI = 200.0


class Display:
    """A diagram that remembers its axes.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it is drawn; set by `plot`.
    figure_ : matplotlib.figure.Figure
        The figure of `ax_`.
    """

    ax_: Axes
    figure_: Figure | SubFigure
    _own: Figure | None = None  # the figure, if this display made it
    _margins: tuple[float, float, float, float]  # left, right, bottom, top of the axes, points
    _size: tuple[float, float]  # width and height of a new figure, points

    def _begin(self, ax: Axes | None) -> Axes:
        """Return the axes to draw on; a new figure belongs to no window and no notebook cell."""
        if ax is None:
            (width, height), (left, right, bottom, top) = self._size, self._margins
            figure = Figure(figsize=(width / _POINTS, height / _POINTS), facecolor="none")
            ax = figure.add_axes(
                (
                    left / width,
                    bottom / height,
                    (width - left - right) / width,
                    (height - bottom - top) / height,
                )
            )
            self._own = figure
        else:
            require_type(ax, Axes, name="ax", rule="the axes of a Matplotlib figure, or None")
            self._own = None
        self.ax_, self.figure_ = ax, ax.figure
        return ax

    def alt_text(self) -> tuple[str, str]:
        """Return a title and a description for those who do not see the diagram."""
        raise NotImplementedError

    def _repr_svg_(self) -> str | None:
        """Show a figure of our own in a notebook; axes of the user are shown already."""
        if self._own is None:
            return None
        title, description = self.alt_text()
        drawn = to_svg(self._own, title=title, description=description, background=PAPER)
        width = self._own.get_figwidth() * _POINTS * 4.0 / 3.0  # CSS pixels
        return drawn.replace('width="100%"', f'width="{width:.0f}"', 1)

    def _repr_png_(self) -> bytes | None:
        if self._own is None:
            return None
        file = BytesIO()
        self._own.savefig(file, format="png", dpi=_PNG_DPI, facecolor=PAPER, edgecolor="none")
        return file.getvalue()
