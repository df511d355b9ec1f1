"""What accuracy is had for what cost, when rows go on from a cheap model to a better one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, Self

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator

from temperance.checks.arguments import optional_text
from temperance.errors import InvalidInputError
from temperance.plots.dots import fitting, fitting_apart, width_of
from temperance.plots.theme import (
    INK,
    MUTED,
    OVER,
    PAPER,
    SMALL,
    TEXT,
    UNDER,
    Display,
    Shares,
    quiet,
)
from temperance.printable import digits_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from temperance.metrics.estimates import Estimate

__all__ = ["CostDisplay"]

_NAME = 170.0  # points: room of a name in the key
_POINTS = 72.0  # per inch
_APART = 0.03  # of the axes, between the key and what is drawn: half a marker
_HANDLE, _ROW = 3.5, 1.65  # of the key, in sizes of its letters: beside the names; from row to row
_ROOM = 0.06  # of an axis, beside the outermost points
_FIRST, _SECOND = "calibrated thresholds", "raw thresholds"  # the others are models alone
_MARKERS = "Dsv^<>"
_CORNERS: tuple[Literal["lower right", "upper left", "lower left", "upper right"], ...] = (
    "lower right",
    "upper left",
    "lower left",
    "upper right",
)  # for the key, the best first


class CurveLike(Protocol):
    """What is drawn of a cost curve; `temperance.decisions` makes them."""

    @property
    def cost(self) -> NDArray[np.float64]:
        """Mean cost per row of the models after the first, (m,)."""

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """In [0, 1], (m,)."""

    @property
    def accuracy_low(self) -> NDArray[np.float64]:
        """Low ends of its intervals."""

    @property
    def accuracy_high(self) -> NDArray[np.float64]:
        """High ends of its intervals."""


class WayOfAnswering(Protocol):
    """What is drawn of a way of answering all rows."""

    @property
    def spent(self) -> Estimate:
        """Mean cost per row of the models after the first."""

    @property
    def error(self) -> Estimate:
        """Share of wrong answers."""


class CascadeLike(Protocol):
    """What is drawn of a `temperance.decisions.Cascade`."""

    @property
    def curve(self) -> CurveLike:
        """Of calibrated thresholds."""

    @property
    def raw_curve(self) -> CurveLike:
        """Of raw thresholds."""

    @property
    def ways(self) -> Mapping[str, WayOfAnswering]:
        """Ways of answering by name."""


class CostDisplay(Display):
    """Accuracy against cost per row: a curve over all thresholds, and a point per way of answering.

    Blue: calibrated thresholds, with the 95 % band of the accuracy; orange, dashed: raw ones. The
    filled points are where the thresholds found lie on them; hollow ones are single models.

    Parameters
    ----------
    curve : CostCurve
        Of calibrated thresholds.
    points : mapping of str to (cost, accuracy)
        Ways of answering, in the order of the key.
    raw_curve : CostCurve, optional
        Of raw thresholds.
    name : str, optional
        Of the cascade.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it is drawn.
    figure_ : matplotlib.figure.Figure
        The figure of `ax_`; without `ax`, a new one that belongs to no window.

    Raises
    ------
    InvalidInputError
        A curve without a point.
    """

    _size = (420.0, 330.0)
    _margins = (52.0, 18.0, 46.0, 36.0)

    def __init__(
        self,
        curve: CurveLike,
        points: Mapping[str, tuple[float, float]],
        *,
        raw_curve: CurveLike | None = None,
        name: str | None = None,
    ) -> None:
        if len(curve.cost) == 0:
            msg = "`curve` must have at least one point."
            raise InvalidInputError(msg)
        self.curve = curve
        self.raw_curve = raw_curve
        self.points = dict(points)
        self.name = optional_text(name, name="name")

    @classmethod
    def from_cascade(
        cls, cascade: CascadeLike, *, name: str | None = None, ax: Axes | None = None
    ) -> Self:
        """Draw what `temperance.decisions.cascade` found.

        Parameters
        ----------
        cascade : Cascade
            From `cascade`.
        name : str, optional
            Of the cascade.
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure where left out.

        Returns
        -------
        CostDisplay
            Drawn.
        """
        points = {
            key: (way.spent.value, 1.0 - way.error.value) for key, way in cascade.ways.items()
        }
        return cls(cascade.curve, points, raw_curve=cascade.raw_curve, name=name).plot(ax)

    def _draw(self, ax: Axes) -> None:
        quiet(ax)
        curve, raw = self.curve, self.raw_curve
        ax.fill_between(curve.cost, curve.accuracy_low, curve.accuracy_high, color=UNDER,
                        alpha=0.16, linewidth=0.0, zorder=1.5)  # fmt: skip
        if raw is not None:
            ax.plot(raw.cost, raw.accuracy, color=OVER, linewidth=1.4, linestyle=(0, (4, 2)),
                    zorder=2)  # fmt: skip
        ax.plot(curve.cost, curve.accuracy, color=UNDER, linewidth=2.0, zorder=2.5)
        room = min(_NAME, 0.5 * _points(ax)[0])
        names = fitting_apart([*self.points], room)
        for number, (key, (cost, accuracy)) in enumerate(self.points.items()):
            marker, colour = _MARKERS[(number - 2) % len(_MARKERS)], MUTED
            if key in {_FIRST, _SECOND}:
                marker, colour = ("o", UNDER) if key == _FIRST else ("X", OVER)
            hollow = colour == MUTED
            ax.plot([cost], [accuracy], marker=marker, linestyle="none",
                    markersize=10.0 if key == _SECOND else 7.5,
                    color=PAPER if hollow else colour, clip_on=False, zorder=4 - 0.1 * number,
                    markeredgecolor=colour if hollow else PAPER, label=names[number],
                    markeredgewidth=1.6 if hollow else 1.0)  # fmt: skip
        self._set_limits(ax)
        self._draw_key(ax, names)
        ax.set_xlabel("Cost of later models, per row", fontsize=TEXT, color=INK, labelpad=6)
        ax.set_ylabel("Accuracy", fontsize=TEXT, color=INK, rotation=0,
                      horizontalalignment="left", verticalalignment="bottom")  # fmt: skip
        ax.yaxis.set_label_coords(0.0, 1.015)
        if self.name is not None:
            ax.set_title(fitting(self.name, 220.0, size=TEXT), loc="right", pad=8, color=INK,
                         fontsize=TEXT, fontweight="bold", parse_math=False)  # fmt: skip

    def alt_text(self) -> tuple[str, str]:
        """Return a title and the points in words."""
        phrases = [
            f"{key}: cost {digits_text(cost, 4)}, accuracy {accuracy:.1%}"
            for key, (cost, accuracy) in self.points.items()
        ]
        title = f"Cost and accuracy{'' if self.name is None else f': {self.name}'}"
        ends = (
            f"From a cost of {digits_text(self.curve.cost.min(), 4)} per row with accuracy "
            f"{self.curve.accuracy[self.curve.cost.argmin()]:.1%} to "
            f"{digits_text(self.curve.cost.max(), 4)} with "
            f"{self.curve.accuracy[self.curve.cost.argmax()]:.1%}."
        )
        return title, f"{ends} {'; '.join(phrases)}."

    def _draw_key(self, ax: Axes, names: Sequence[str]) -> None:
        """Draw the key in a corner where nothing is drawn, or else make room below for it."""
        ends = ax.transAxes.inverted().transform(ax.transData.transform(self._outline()))
        across, up = (SMALL / each for each in _points(ax))
        width = across * (_HANDLE + max(map(width_of, names))) + _APART
        height = up * (_ROW * len(names) + 1.0) + _APART
        for corner in _CORNERS:
            in_width = ends[:, 0] > 1.0 - width if "right" in corner else ends[:, 0] < width
            in_height = ends[:, 1] > 1.0 - height if "upper" in corner else ends[:, 1] < height
            if not (in_width & in_height).any():
                break
        else:
            corner = _CORNERS[0]
            low, high = ax.get_ylim()
            ax.set_ylim((low - height * high) / (1.0 - height), high)
        key = ax.legend(loc=corner, frameon=False, fontsize=SMALL, labelcolor=INK,
                        handletextpad=0.3, borderaxespad=0.2, labelspacing=0.35)  # fmt: skip
        for text in key.get_texts():
            text.set_parse_math(False)

    def _outline(self) -> NDArray[np.float64]:
        """Return points (n, 2) all along the lines and the edges of the band, and the markers."""
        curve, raw = self.curve, self.raw_curve
        lines = [(curve.cost, y) for y in (curve.accuracy, curve.accuracy_low, curve.accuracy_high)]
        lines += [] if raw is None else [(raw.cost, raw.accuracy)]
        corners = []
        for x, y in lines:
            steps = np.linspace(0.0, len(x) - 1.0, 4 * len(x) + 400)
            corners.append(
                np.stack([np.interp(steps, range(len(x)), each) for each in (x, y)], axis=1)
            )
        return np.concatenate([*corners, np.array([*self.points.values()]).reshape(-1, 2)])

    def _set_limits(self, ax: Axes) -> None:
        """Leave room for the points, and below them for the key."""
        across = [*self.curve.cost, *(cost for cost, _ in self.points.values())]
        up = [
            *self.curve.accuracy_low,
            *self.curve.accuracy_high,
            *(accuracy for _, accuracy in self.points.values()),
        ]
        width = max(*across, 1e-12)
        height = max(max(up) - min(up), 1e-3)
        ax.set_xlim(-_ROOM * width, (1.0 + _ROOM) * width)
        ax.set_ylim(min(up) - _ROOM * height, min(max(up) + _ROOM * height, 1.0 + 0.1 * height))
        ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
        ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda tick, _: f"{tick:g}"))
        ax.yaxis.set_major_formatter(Shares())


def _points(ax: Axes) -> tuple[float, float]:
    """Return width and height of the axes in points."""
    box = ax.get_window_extent()
    return _POINTS * box.width / ax.figure.dpi, _POINTS * box.height / ax.figure.dpi
