"""Where the confidences lie, and whether their mean is the accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
from matplotlib.ticker import MaxNLocator

from temperance.checks.arguments import optional_text
from temperance.metrics.estimates import Estimate
from temperance.metrics.reliability import reliability_curve
from temperance.plots.theme import BARS, INK, MUTED, OVER, TEXT, UNDER, Display, Shares, quiet
from temperance.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

    from temperance.evaluation import Evaluation
    from temperance.metrics.reliability import ReliabilityCurve

__all__ = ["ConfidenceDisplay"]

_ROOM = 0.38  # of the width: what the words beside a line need


class ConfidenceDisplay(Display):
    """Histogram of the confidence, with its mean and the accuracy as vertical lines.

    The two lines of a calibrated model meet.

    Parameters
    ----------
    curve : ReliabilityCurve
        Its bins and their shares are the histogram.
    confidence : float
        Mean confidence, in [0, 1].
    accuracy : Estimate or float
        In [0, 1]. Where its interval holds the mean confidence, the line of the latter is grey.
    name : str, optional
        Of the model.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it is drawn.
    figure_ : matplotlib.figure.Figure
        The figure of `ax_`; without `ax`, a new one that belongs to no window.
    """

    _size = (352.0, 220.0)
    _margins = (44.0, 18.0, 44.0, 34.0)

    def __init__(
        self,
        curve: ReliabilityCurve,
        *,
        confidence: float,
        accuracy: Estimate | float,
        name: str | None = None,
    ) -> None:
        self.curve = curve
        self.confidence = confidence
        if not isinstance(accuracy, Estimate):
            accuracy = Estimate(accuracy, accuracy, accuracy)
        self.accuracy = accuracy
        self.name = optional_text(name, name="name")

    @classmethod
    def from_predictions(
        cls,
        probs: ArrayLike,
        labels: ArrayLike,
        *,
        weights: ArrayLike | None = None,
        n_bins: int = 15,
        classes: Sequence[object] | None = None,
        ignore_label: float | str | None = None,
        name: str | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Measure probabilities and draw them; the accuracy has its 95 % Wilson interval.

        Parameters
        ----------
        probs : array_like, shape (n, k) or (n,)
            Probabilities in [0, 1], rows summing to 1; (n,) is the probability of class 1.
        labels : array_like, shape (n,)
            True classes in 0..k-1, or names in `classes`.
        weights : array_like, shape (n,), optional
            Finite, >= 0.
        n_bins : int, default 15
            Bins of equal width.
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
        ConfidenceDisplay
            Drawn.

        Raises
        ------
        InvalidInputError
            As in `metrics.reliability_curve`.
        """
        curve, whole = (
            reliability_curve(
                probs, labels, n_bins=bins, weights=weights, classes=classes,
                ignore_label=ignore_label,
            )
            for bins in (n_bins, 1)
        )  # fmt: skip
        accuracy = Estimate(
            *(float(each[0]) for each in (whole.accuracy, whole.accuracy_low, whole.accuracy_high))
        )
        own = cls(curve, confidence=float(whole.confidence[0]), accuracy=accuracy, name=name)
        return own.plot(ax)

    @classmethod
    def from_evaluation(
        cls, evaluation: Evaluation, *, name: str | None = None, ax: Axes | None = None
    ) -> Self:
        """Draw what `evaluate` measured.

        Parameters
        ----------
        evaluation : Evaluation
            From `evaluate`, or out of a `Comparison`.
        name : str, optional
            Of the model.
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure where left out.

        Returns
        -------
        ConfidenceDisplay
            Drawn.
        """
        return cls(
            evaluation.reliability,
            confidence=evaluation.confidence.value,
            accuracy=evaluation.accuracy,
            name=name,
        ).plot(ax)

    def _draw(self, ax: Axes) -> None:
        quiet(ax)
        width = self.curve.upper - self.curve.lower
        ax.bar(self.curve.lower + 0.05 * width, self.curve.share, 0.9 * width, align="edge",
               color=BARS, linewidth=0.0, zorder=1.5)  # fmt: skip
        top = float(self.curve.share.max())
        self._draw_lines(ax, top)
        ax.set_xlim(-0.02, 1.02)
        ax.set_ylim(0.0, 1.44 * top)
        ax.grid(visible=False, axis="x")
        ax.xaxis.set_ticks(np.linspace(0.0, 1.0, 6))
        ax.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        ax.xaxis.set_major_formatter(Shares())
        ax.yaxis.set_major_formatter(Shares())
        ax.set_xlabel("Confidence", fontsize=TEXT, color=INK, labelpad=6)
        ax.set_ylabel("Share of predictions", fontsize=TEXT, color=INK, rotation=0,
                      horizontalalignment="left", verticalalignment="bottom")  # fmt: skip
        ax.yaxis.set_label_coords(0.0, 1.015)
        if self.name is not None:
            ax.set_title(printable(self.name), loc="right", pad=8, color=INK, fontsize=TEXT,
                         fontweight="bold", parse_math=False)  # fmt: skip

    def alt_text(self) -> tuple[str, str]:
        """Return a title and the histogram in words."""
        title = f"Histogram of confidence{'' if self.name is None else f': {self.name}'}"
        fullest = int(np.argmax(self.curve.share))
        return title, (
            f"Mean confidence {self.confidence:.1%}, accuracy {self.accuracy.value:.1%}. "
            f"Most predictions, {self.curve.share[fullest]:.0%}, have a confidence between "
            f"{self.curve.lower[fullest]:.0%} and {self.curve.upper[fullest]:.0%}."
        )

    def _draw_lines(self, ax: Axes, top: float) -> None:
        """Draw both lines, one higher than the other, so that no line crosses words."""
        claims = (self.confidence, "claims", self._colour())
        right = (self.accuracy.value, "is right", INK)
        first, second = sorted((claims, right))
        first_left, second_left = first[0] > _ROOM, second[0] > 1.0 - _ROOM
        high, low = 1.34 * top, 1.16 * top
        first_higher = not first_left and not second_left
        _draw_line(ax, first, left=first_left, reach=high if first_higher else low)
        _draw_line(ax, second, left=second_left, reach=low if first_higher else high)

    def _colour(self) -> str:
        if self.accuracy.low <= self.confidence <= self.accuracy.high:
            return MUTED
        return OVER if self.confidence > self.accuracy.value else UNDER


def _draw_line(ax: Axes, line: tuple[float, str, str], *, left: bool, reach: float) -> None:
    """Draw a line with its words at its upper end."""
    at, verb, colour = line
    ax.plot([at, at], [0.0, reach], color=colour, linewidth=1.6, zorder=3, clip_on=False,
            linestyle="-" if colour == INK else (0, (4, 2)))  # fmt: skip
    ax.text(at - 0.012 if left else at + 0.012, reach, f"{verb} {at:.1%}".replace("%", " %"),
            ha="right" if left else "left", va="top", fontsize=TEXT, color=colour,
            zorder=4)  # fmt: skip
