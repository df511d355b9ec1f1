"""The risk-coverage diagram: how often a model errs if it may decline to answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
from matplotlib.ticker import MaxNLocator

from temperance.binning import reaches
from temperance.checks.arguments import as_number, as_share, optional_text
from temperance.metrics.selective import RiskCoverage, risk_coverage
from temperance.plots.square import SIDE, Words, clearest, draw_name
from temperance.plots.theme import (
    BARS,
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

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

__all__ = ["RiskCoverageDisplay"]

_MOST = 400  # points of the curve that are drawn
_STEADY = 0.1  # of the coverage, below which the risk of a few rows does not set the scale
_ROOM = 1.25  # of the height, above all that is to be seen
_WORDS = 0.86  # of the height, above which stand the words
_MIDDLE = 0.5
_END, _GAP = 0.99, 0.013  # where words at a line end, and how far from it they stand
_LINE = 0.08  # of the height, that a line of words takes


class RiskCoverageDisplay(Display):
    """Risk-coverage diagram: errors among the accepted rows, against the share accepted.

    The curve is the lower the better the model knows which of its answers are wrong. The band is
    the 95 % interval of each point by itself. A chosen threshold is a dot with its bar, and a
    promised risk a dashed line: the dot is orange where its bar lies above that line.

    Parameters
    ----------
    curve : RiskCoverage
        From `decisions.risk_coverage`.
    threshold : float, optional
        Rows of at least this score are accepted; its point is marked.
    max_risk : float, optional
        In [0, 1]; what was promised.
    name : str, optional
        Of the model.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it is drawn.
    figure_ : matplotlib.figure.Figure
        The figure of `ax_`; without `ax`, a new one that belongs to no window.

    Raises
    ------
    InvalidInputError
        `max_risk` is not in [0, 1], or `threshold` is nan.

    Examples
    --------
    >>> display = RiskCoverageDisplay.from_predictions([[0.75, 0.25], [0.75, 0.25]], [0, 1])
    >>> display.ax_.get_xlabel()
    'Coverage: share of rows that are answered'
    """

    _size = (420.0, 330.0)
    _margins = (52.0, 20.0, 44.0, 54.0)

    def __init__(
        self,
        curve: RiskCoverage,
        *,
        threshold: float | None = None,
        max_risk: float | None = None,
        name: str | None = None,
    ) -> None:
        self.curve = curve
        self.threshold = None if threshold is None else as_number(threshold, name="threshold")
        self.max_risk = None if max_risk is None else as_share(max_risk, name="max_risk")
        self.name = optional_text(name, name="name")

    @classmethod
    def from_predictions(
        cls,
        probs: ArrayLike,
        labels: ArrayLike,
        *,
        weights: ArrayLike | None = None,
        score: str | ArrayLike = "confidence",
        threshold: float | None = None,
        max_risk: float | None = None,
        classes: Sequence[object] | None = None,
        ignore_label: float | str | None = None,
        name: str | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Measure probabilities and draw them.

        Parameters
        ----------
        probs : array_like, shape (n, k) or (n,)
            Probabilities in [0, 1], rows summing to 1; (n,) is the probability of class 1.
        labels : array_like, shape (n,)
            True classes in 0..k-1, or names in `classes`.
        weights : array_like, shape (n,), optional
            Finite, >= 0.
        score : {"confidence", "margin", "entropy"} or array_like, shape (n,), default "confidence"
            As in `decisions.risk_coverage`.
        threshold : float, optional
            Of the score; its point is marked.
        max_risk : float, optional
            In [0, 1]; what was promised.
        classes : sequence of str, optional
            Names of the columns, as labels may use them.
        ignore_label : int or str, optional
            Rows of this label are left out.
        name : str, optional
            Of the model.
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure where left out.

        Returns
        -------
        RiskCoverageDisplay
            Drawn.

        Raises
        ------
        InvalidInputError
            As in `decisions.risk_coverage`, and as above.
        """
        curve = risk_coverage(
            probs, labels, weights=weights, score=score, classes=classes, ignore_label=ignore_label
        )
        return cls(curve, threshold=threshold, max_risk=max_risk, name=name).plot(ax)

    def _draw(self, ax: Axes) -> None:
        quiet(ax)
        curve = self.curve
        low, high = curve.band()
        shown = np.unique(np.linspace(0, len(curve.risk) - 1, _MOST).astype(int))
        x = curve.coverage[shown]
        ax.fill_between(x, low[shown], high[shown], color=BARS, alpha=0.35, linewidth=0.0,
                        zorder=1.5)  # fmt: skip
        ax.plot(x, curve.risk[shown], color=INK, linewidth=1.8, zorder=3,
                marker="o" if len(shown) == 1 else None)  # fmt: skip
        top = self._top(high)
        ax.set_xlim(-0.02, 1.02)
        ax.set_ylim(0.0, top)
        if self.max_risk is not None:
            _draw_target(ax, self.max_risk, np.stack([x, curve.risk[shown] / top], axis=1), top=top)
        self._draw_point(ax, low, high, top)
        ax.xaxis.set_ticks(np.linspace(0.0, 1.0, 6))
        ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        ax.xaxis.set_major_formatter(Shares())
        ax.yaxis.set_major_formatter(Shares())
        ax.set_xlabel("Coverage: share of rows that are answered", fontsize=TEXT, color=INK,
                      labelpad=6)  # fmt: skip
        ax.set_ylabel("Risk: share of answers that are wrong", fontsize=TEXT, color=INK, rotation=0,
                      horizontalalignment="left", verticalalignment="bottom")  # fmt: skip
        ax.yaxis.set_label_coords(0.0, 1.015)
        if self.name is not None:
            draw_name(ax, self.name, pad=30)
        ax.set_title(f"AUGRC {curve.augrc.value:.4f}", loc="right", pad=30, color=MUTED,
                     fontsize=TEXT, fontweight="normal")  # fmt: skip

    @property
    def _place(self) -> int | None:
        """The curve's point at the threshold; None without one, -1 where no row reaches it."""
        if self.threshold is None:
            return None
        return int(np.count_nonzero(reaches(self.curve.thresholds, self.threshold))) - 1

    def alt_text(self) -> tuple[str, str]:
        """Return a title and the curve in words."""
        curve = self.curve
        phrases = []
        for share in (0.5, 0.8, 1.0):
            at = int(np.argmax(curve.coverage >= share - 1e-12))
            phrases.append(f"{curve.risk[at]:.2%} with {curve.coverage[at]:.0%} answered")
        place = self._place
        if place is not None and place >= 0:
            phrases.append(
                f"at the chosen threshold {self.threshold:.6g}, {curve.risk[place]:.2%} with "
                f"{curve.coverage[place]:.1%} answered"
            )
        title = f"Risk-coverage diagram{'' if self.name is None else f': {self.name}'}"
        promised = "" if self.max_risk is None else f" Promised: at most {self.max_risk:.2%}."
        return title, f"Share of answers that are wrong: {'; '.join(phrases)}.{promised}"

    def _top(self, high: np.ndarray) -> float:
        """Return the height of the diagram: the curve where it is steady, and what is marked."""
        curve, place = self.curve, self._place
        heights = [float(curve.risk[curve.coverage >= _STEADY].max()), self.max_risk or 0.0]
        if place is not None and place >= 0:
            heights.append(float(min(high[place], 3.0 * max(*heights, float(curve.risk[place])))))
        if max(heights) == 0.0:
            heights.append(float(high[-1]))
        return min(_ROOM * max(heights), 1.02)

    def _draw_point(self, ax: Axes, low: np.ndarray, high: np.ndarray, top: float) -> None:
        """Mark the chosen threshold, and say what it does above the curve."""
        place = self._place
        if place is None:
            return
        if place < 0:
            ax.annotate(f"no row reaches {self.threshold:.6g}", (0.5, 0.97),
                        xycoords="axes fraction", ha="center", va="top", fontsize=TEXT,
                        color=OVER)  # fmt: skip
            return
        across, up = float(self.curve.coverage[place]), float(self.curve.risk[place])
        broken = self.max_risk is not None and low[place] > self.max_risk
        colour = OVER if broken else UNDER
        end = min(float(high[place]), _WORDS * top)
        ax.plot([across, across], [low[place], end], color=colour, linewidth=1.6, zorder=4,
                solid_capstyle="butt")  # fmt: skip
        ax.plot([across], [up], marker="o", markersize=8.0, color=colour, markeredgecolor=PAPER,
                markeredgewidth=1.2, linestyle="none", clip_on=False, zorder=4.5)  # fmt: skip
        words = (
            f"threshold {self.threshold:.4g}: {_percent(across)} answered,\n{_percent(up)} wrong"
        )
        right = across > _MIDDLE
        ax.plot([across, across], [end, _WORDS * top], color=colour, linewidth=0.8, zorder=2,
                linestyle=(0, (1, 2)))  # fmt: skip
        ax.annotate(words, (across, (_WORDS + 0.02) * top), (4.0 if right else -4.0, 0.0),
                    textcoords="offset points", ha="right" if right else "left", va="bottom",
                    fontsize=SMALL, color=colour, zorder=5)  # fmt: skip


def _draw_target(ax: Axes, max_risk: float, curve: NDArray[np.float64], *, top: float) -> None:
    """Draw the promise as a dashed line; its words where the curve, (n, 2) of the axes, is not."""
    ax.axhline(max_risk, color=MUTED, linewidth=1.2, linestyle=(0, (5, 3)), zorder=2)
    box = ax.get_window_extent()
    across, up = (72.0 * side / ax.figure.dpi / SIDE for side in (box.width, box.height))
    places = [
        Words(
            f"promised {_percent(max_risk)}",
            x * across,
            (max_risk / top + step) * up,
            "right",
            foot,
        )
        for x in np.arange(_END, _MIDDLE - 0.2, -0.05).tolist()
        for step, foot in ((_GAP, "bottom"), (-_GAP, "top"))
        if foot == "bottom" or max_risk > _LINE * top
    ]
    steps = np.linspace(0.0, len(curve) - 1.0, 4 * len(curve))
    points = np.stack([np.interp(steps, range(len(curve)), each) for each in curve.T], axis=1)
    words = clearest(places, points * (across, up))
    ax.text(words.x / across, words.y / up * top, words.text, ha="right", va=words.up,
            fontsize=SMALL, color=MUTED, zorder=5)  # fmt: skip


def _percent(share: float) -> str:
    return f"{100.0 * share:.3g} %"
