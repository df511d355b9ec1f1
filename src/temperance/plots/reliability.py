"""The reliability diagram: whether a model is right as often as it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np

from temperance.checks.arguments import optional_text
from temperance.checks.arrays import as_numbers
from temperance.checks.labels import class_position
from temperance.metrics.estimates import Estimate
from temperance.metrics.outcomes import Outcomes
from temperance.metrics.reliability import ReliabilityCurve, reliability_curve
from temperance.plots.square import (
    draw_corners,
    draw_diagonal_words,
    draw_frame,
    draw_name,
    draw_strip,
)
from temperance.plots.theme import MUTED, OVER, PAPER, TEXT, UNDER, Display

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

    from temperance.evaluation import Evaluation
    from temperance.metrics.events import EventName

__all__ = ["ReliabilityDisplay"]

_HALF_GAP = 0.017  # half of the width of a band from the diagonal to a point, of the square's
_POINTS = 60  # along a gap, for words to keep away from


class ReliabilityDisplay(Display):
    """Reliability diagram.

    A point below the diagonal is over-confident, one above it under-confident. Its bar is the
    95 % Wilson interval of the accuracy; where that reaches the diagonal, chance may explain the
    gap, which is then grey. The strip at the bottom shows which share of the rows each bin holds.

    Parameters
    ----------
    curve : ReliabilityCurve
        From `reliability_curve`, or `evaluate(...).reliability`.
    ece : Estimate or float, optional
        Expected calibration error to print beside the name.
    name : str, optional
        Of the model.
    of : str, optional
        What the probability is of, for the words, where it is not of the predicted class.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it is drawn.
    figure_ : matplotlib.figure.Figure
        The figure of `ax_`; without `ax`, a new one that belongs to no window.

    Examples
    --------
    >>> display = ReliabilityDisplay.from_predictions([[0.75, 0.25], [0.75, 0.25]], [0, 1])
    >>> display.ax_.get_xlabel()
    'Probability of class 1'
    """

    _size = (380.0, 464.0)
    _margins = (46.0, 18.0, 44.0, 54.0)

    def __init__(
        self,
        curve: ReliabilityCurve,
        *,
        ece: Estimate | float | None = None,
        name: str | None = None,
        of: str | None = None,
    ) -> None:
        self.curve = curve
        self.ece = ece
        self.name = optional_text(name, name="name")
        self.of = of

    @classmethod
    def from_predictions(
        cls,
        probs: ArrayLike,
        labels: ArrayLike,
        *,
        event: EventName | None = None,
        weights: ArrayLike | None = None,
        n_bins: int = 15,
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
        event : "predicted" or class, optional
            What the probability is of: that the predicted class is right, or that the true class is
            this one, by its number or its name; by default class 1 of two classes, else
            "predicted".
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
        ReliabilityDisplay
            Drawn.

        Raises
        ------
        InvalidInputError
            As in `reliability_curve`.
        """
        shape = as_numbers(probs, name="probs").shape
        if event is None:
            event = 1 if len(shape) == 1 or shape[1:] == (2,) else "predicted"
        curve = reliability_curve(
            probs, labels, event=event, n_bins=n_bins, weights=weights, classes=classes,
            ignore_label=ignore_label,
        )  # fmt: skip
        error = float(curve.share @ np.abs(curve.confidence - curve.accuracy))
        of = None
        if event not in ("predicted", "top-label"):
            outcomes = Outcomes.named(probs, classes)
            of = outcomes.class_name(class_position(event, outcomes.names))
        return cls(curve, ece=error, name=name, of=of).plot(ax)

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
        ReliabilityDisplay
            Drawn.
        """
        return cls(evaluation.reliability, ece=evaluation.ece, name=name).plot(ax)

    def plot(self, ax: Axes | None = None, *, name: str | None = None) -> Self:
        """Draw the diagram.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure where left out.
        name : str, optional
            Instead of the display's own.

        Returns
        -------
        ReliabilityDisplay
            Itself.
        """
        ax = self._begin(ax)
        says, happens = "Confidence: what the model says", "Accuracy: how often it is right"
        if self.of is not None:
            says, happens = f"Probability of {self.of}", f"How often it is {self.of}"
        draw_frame(ax, says=says, happens=happens)
        draw_strip(ax, self.curve.lower, self.curve.upper, self.curve.share)
        _draw_gaps(ax, self.curve)
        _draw_words(ax, self.curve, of_event=self.of is not None)
        shown = self.name if name is None else optional_text(name, name="name")
        if shown is not None:
            draw_name(ax, shown, pad=30)
        if self.ece is not None:
            value = self.ece.value if isinstance(self.ece, Estimate) else self.ece
            ax.set_title(f"ECE {value:.3f}", loc="right", pad=30, color=MUTED, fontsize=TEXT,
                         fontweight="normal")  # fmt: skip
        return self

    def alt_text(self) -> tuple[str, str]:
        """Return a title and the diagram in words: what its fullest bins say and do."""
        curve = self.curve
        fullest = sorted(np.argsort(-curve.share, kind="stable")[:3].tolist())
        right = "is right" if self.of is None else f"it is {self.of}"
        phrases = "; ".join(
            f"says {curve.confidence[i]:.1%}, {right} {curve.accuracy[i]:.1%}"
            f" ({curve.share[i]:.0%} of the predictions)"
            for i in fullest
        )
        title = f"Reliability diagram{'' if self.name is None else f': {self.name}'}"
        axes = "Accuracy against confidence"
        if self.of is not None:
            axes = f"How often it is {self.of} against its probability"
        what = "points" if len(curve.share) > 1 else "point"
        return title, (
            f"{axes}, {len(curve.share)} {what}. Where most predictions are, the model {phrases}."
        )


def _draw_gaps(ax: Axes, curve: ReliabilityCurve) -> None:
    """One point per bin, its interval, and a band from the diagonal to it."""
    says, right = curve.confidence, curve.accuracy
    for i, colour in enumerate(_colours(curve)):
        band = [says[i], right[i]]
        ax.plot([says[i], says[i]], band, color=colour, alpha=0.35, linewidth=9.0,
                solid_capstyle="butt", zorder=2.5)  # fmt: skip
        ax.plot([says[i], says[i]], [curve.accuracy_low[i], curve.accuracy_high[i]], color=colour,
                linewidth=1.4, solid_capstyle="butt", zorder=3)  # fmt: skip
        ax.plot([says[i]], [right[i]], marker="o", markersize=6.5, color=colour,
                markeredgecolor=PAPER, markeredgewidth=1.0, linestyle="none", clip_on=False,
                zorder=4)  # fmt: skip


def _colours(curve: ReliabilityCurve) -> list[str]:
    """Colour of each bin: over- or under-confident, or grey where chance explains the gap."""
    return [
        OVER if says > high else UNDER if says < low else MUTED
        for says, low, high in zip(
            curve.confidence, curve.accuracy_low, curve.accuracy_high, strict=True
        )
    ]


def _draw_words(ax: Axes, curve: ReliabilityCurve, *, of_event: bool) -> None:
    """Say what the corners and the diagonal mean, where no gap and no interval is in the way."""
    along = np.linspace(0.0, 1.0, _POINTS)[:, None]
    low = np.minimum(curve.accuracy_low, curve.confidence)
    high = np.maximum(curve.accuracy_high, curve.confidence)
    up = low + along * (high - low)
    sides = np.array([-1.0, 1.0])[:, None, None] * _HALF_GAP
    gaps = np.stack([*np.broadcast_arrays(curve.confidence + sides, up)], axis=-1).reshape(-1, 2)
    if of_event:  # 10 % may be too much, and is not confident
        corners = draw_corners(ax, gaps, below="probability too high", above="probability too low")
    else:
        corners = draw_corners(ax, gaps)
    draw_diagonal_words(ax, np.concatenate([gaps, corners]))
