"""The CORP reliability diagram: what isotonic recalibration would say, and what chance allows."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Self

import numpy as np

from temperance.checks.arguments import optional_text
from temperance.metrics.corp import CorpReliability, corp_reliability
from temperance.metrics.outcomes import Outcomes
from temperance.metrics.resampling import N_RESAMPLES
from temperance.plots.square import (
    Words,
    draw_clearest,
    draw_corners,
    draw_frame,
    draw_name,
    draw_strip,
)
from temperance.plots.theme import BARS, INK, MUTED, OVER, PAPER, SMALL, UNDER, Display
from temperance.show import number_text, p_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

    from temperance.evaluation import Evaluation
    from temperance.metrics.events import EventName

__all__ = ["CorpDisplay"]

_STRIPS = 0.025 * np.arange(-0.5, 41.0)  # bars in the middle of which 5, 10, 15 % lie
_FEW = 30  # up to so many distinct probabilities, each is a dot
_HALF = 0.02  # half the width of the bands of a single probability
_FINE = 0.004  # steps along the probability that are narrower than the line
_APART = 0.005  # points of a line that words keep away from
_TINY = 1e-9  # a curve on the edge of the band is within it


class CorpDisplay(Display):
    """CORP reliability diagram: reliability without bins.

    The curve is the isotonic regression of the event on its probability. The grey band around the
    diagonal holds 95 % of calibrated models' curves: where the curve leaves it, it is coloured,
    below as over-confident, above as under-confident. The lighter band around the curve holds
    95 % of the curves of resampled rows. The strip at the bottom shows where the rows are.

    Parameters
    ----------
    corp : CorpReliability
        From `corp_reliability`, or `evaluate(...).corp`.
    name : str, optional
        Of the model.
    event_name : str, optional
        What a class's event is called; "class 1" where left out.
    adjusted_p_value : float, optional
        That of the miscalibration, corrected for the tests beside it (`Evaluation.tests`): shown
        in place of the curve's own, and named as corrected.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it is drawn.
    figure_ : matplotlib.figure.Figure
        The figure of `ax_`; without `ax`, a new one that belongs to no window.

    References
    ----------
    Dimitriadis, Gneiting and Jordan (2021), Stable reliability diagrams for probabilistic
    classifiers, PNAS 118, https://doi.org/10.1073/pnas.2016191118

    Examples
    --------
    >>> display = CorpDisplay.from_predictions([0.2, 0.4, 0.9], [1, 0, 1])
    >>> display.ax_.get_xlabel()
    'Probability of class 1: what the model says'
    """

    _size = (380.0, 494.0)
    _margins = (46.0, 18.0, 44.0, 84.0)

    def __init__(
        self,
        corp: CorpReliability,
        *,
        name: str | None = None,
        event_name: str | None = None,
        adjusted_p_value: float | None = None,
    ) -> None:
        self.corp = corp
        self.adjusted_p_value = adjusted_p_value
        self.name = optional_text(name, name="name")
        self.event_name = optional_text(event_name, name="event_name") or f"class {corp.event}"

    @classmethod
    def from_predictions(
        cls,
        probs: ArrayLike,
        labels: ArrayLike,
        *,
        event: EventName | None = None,
        weights: ArrayLike | None = None,
        clusters: ArrayLike | None = None,
        n_resamples: int = N_RESAMPLES,
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
            What the probability is of: that the predicted class is right, or that the class is
            this one; by default class 1 of two classes, else "predicted".
        weights : array_like, shape (n,), optional
            Finite, >= 0. A row of weight 2 counts as two rows in the curve and in the parts of
            the score, and as one in the bands and the p-value.
        clusters : array_like, shape (n,), optional
            Names of what rows belong to; rows of one are resampled together.
        n_resamples : int, default 1000
            Of the bands and the p-value, 100 to 20,000.
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
        CorpDisplay
            Drawn.

        Raises
        ------
        InvalidInputError
            As in `corp_reliability`.
        """
        corp = corp_reliability(
            probs,
            labels,
            event=event,
            weights=weights,
            clusters=clusters,
            n_resamples=n_resamples,
            classes=classes,
            ignore_label=ignore_label,
        )
        event_name = None
        if corp.event != "top-label":
            event_name = Outcomes.named(probs, classes).class_name(int(corp.event))
        return cls(corp, name=name, event_name=event_name).plot(ax)

    @classmethod
    def from_evaluation(
        cls, evaluation: Evaluation, *, name: str | None = None, ax: Axes | None = None
    ) -> Self:
        """Draw what `evaluate` measured; the p-value is corrected for the number of tests.

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
        CorpDisplay
            Drawn.
        """
        corp, event_name = evaluation.corp, None
        if corp.event != "top-label":
            event_name = evaluation.outcomes.class_name(int(corp.event))
        adjusted = evaluation.tests.adjusted_p_values["miscalibration"]
        own = cls(corp, name=name, event_name=event_name, adjusted_p_value=adjusted)
        return own.plot(ax)

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
        CorpDisplay
            Itself.
        """
        ax, corp = self._begin(ax), self.corp
        top_label = corp.event == "top-label"
        draw_frame(
            ax,
            says="Confidence: what the model says" if top_label
            else f"Probability of {self.event_name}: what the model says",
            happens="Accuracy: how often it is right" if top_label
            else f"How often {self.event_name} happens",
        )  # fmt: skip
        share = np.histogram(corp.probability, _STRIPS, weights=corp.share)[0]
        draw_strip(ax, _STRIPS[:-1], _STRIPS[1:], share)
        _draw_bands(ax, corp)
        _draw_curve(ax, corp)
        _draw_words(ax, corp)
        shown = self.name if name is None else optional_text(name, name="name")
        if shown is not None:
            draw_name(ax, shown, pad=60)
        ax.annotate("\n".join(self._parts()), (0.0, 1.0), (0.0, 28.0), xycoords="axes fraction",
                    textcoords="offset points", ha="left", va="bottom", fontsize=SMALL,
                    color=MUTED)  # fmt: skip
        return self

    def alt_text(self) -> tuple[str, str]:
        """Return a title and the diagram in words: what the model says and what happens."""
        corp = self.corp
        happens = "is right" if corp.event == "top-label" else f"{self.event_name} happens"
        places = np.searchsorted(corp.share.cumsum(), (0.1, 0.5, 0.9)).clip(max=len(corp.share) - 1)
        phrases = [
            f"says {corp.probability[i]:.1%}, {happens} {corp.recalibrated[i]:.1%}" for i in places
        ]
        colours = _colours(corp.recalibrated, corp.consistency_low, corp.consistency_high)
        title = f"CORP reliability diagram{'' if self.name is None else f': {self.name}'}"
        return title, (
            f"Isotonic frequency against probability. {', '.join(self._parts())}. The model "
            f"{'; '.join(dict.fromkeys(phrases))}. Against "
            f"what a calibrated model would show, the curve is too low for "
            f"{corp.share[colours == OVER].sum():.0%} of the predictions and too high for "
            f"{corp.share[colours == UNDER].sum():.0%}."
        )

    def _parts(self) -> tuple[str, str]:
        """Return what the Brier score is made of, in words."""
        miscalibration = number_text(self.corp.decomposition.miscalibration)
        discrimination = number_text(self.corp.decomposition.discrimination)
        p_value = p_text(self.corp.p_value)
        if self.adjusted_p_value is not None:
            p_value = f"{p_text(self.adjusted_p_value)}, corrected"
        return f"miscalibration {miscalibration} ({p_value})", f"discrimination {discrimination}"


def _draw_bands(ax: Axes, corp: CorpReliability) -> None:
    """Fill what chance allows a calibrated model, and where the curve may be."""
    visible = _visible(corp.probability)
    for low, high, colour, alpha, order in (
        (corp.consistency_low, corp.consistency_high, BARS, 0.45, 1.6),
        (corp.confidence_low, corp.confidence_high, INK, 0.1, 1.7),
    ):
        x, bottom, top = corp.probability[visible], low[visible], high[visible]
        if x[-1] - x[0] < _HALF:
            x = np.array([x[0] - _HALF, *x, x[-1] + _HALF])
            bottom, top = np.pad(bottom, 1, mode="edge"), np.pad(top, 1, mode="edge")
        ax.fill_between(x, bottom, top, color=colour, alpha=alpha, linewidth=0.0, zorder=order)
    for edge in (bottom, top):
        ax.plot(x, edge, color=MUTED, alpha=0.6, linewidth=0.7, zorder=1.8)


def _draw_curve(ax: Axes, corp: CorpReliability) -> None:
    """Draw the curve, in colour where it leaves the consistency band, and dots if they are few."""
    visible = _visible(corp.probability)
    x, curve = corp.probability[visible], corp.recalibrated[visible]
    edges = corp.consistency_low[visible], corp.consistency_high[visible]
    fine = np.unique(np.concatenate([x, *(_crossings(x, curve - edge) for edge in edges)]))
    middle = 0.5 * (fine[1:] + fine[:-1])
    colours = _colours(*(np.interp(middle, x, y) for y in (curve, *edges)))
    changes = 1 + np.flatnonzero(colours[1:] != colours[:-1])
    for start, end in pairwise([0, *changes, len(middle)] if len(middle) else []):
        piece = fine[start : end + 1]
        ax.plot(piece, np.interp(piece, x, curve), color=str(colours[start]), linewidth=2.0,
                solid_capstyle="round", zorder=3)  # fmt: skip
    if len(corp.probability) > _FEW:
        return
    for says, happens, colour in zip(x, curve, _colours(curve, *edges), strict=True):
        ax.plot([says], [happens], marker="o", markersize=6.5, color=str(colour), linestyle="none",
                markeredgecolor=PAPER, markeredgewidth=1.0, clip_on=False, zorder=4)  # fmt: skip


def _visible(x: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Mark the first and the last point of each step along x: between them nothing is seen."""
    if len(x) <= _FEW:
        return np.ones(len(x), dtype=bool)
    new = np.diff(np.floor(x / _FINE)) > 0.0
    step_ends: NDArray[np.bool_] = np.append(True, new) | np.append(new, True)
    return step_ends


def _crossings(x: NDArray[np.float64], gap: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where a broken line through (x, gap) changes its sign."""
    at = np.flatnonzero(gap[:-1] * gap[1:] < 0.0)
    crossed: NDArray[np.float64] = x[at] + (x[at + 1] - x[at]) * gap[at] / (gap[at] - gap[at + 1])
    return crossed


def _colours(
    curve: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> NDArray[np.str_]:
    """Return the colour of each point of a curve: below, above or within a band."""
    return np.where(curve < low - _TINY, OVER, np.where(curve > high + _TINY, UNDER, INK))


def _along(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points (n, 2) all along a broken line, also where it jumps."""
    length = np.append(0.0, np.cumsum(np.hypot(np.diff(x), np.diff(y))))
    fine = np.unique(np.append(length, np.arange(0.0, length[-1], _APART)))
    return np.stack([np.interp(fine, length, x), np.interp(fine, length, y)], axis=1)


def _draw_words(ax: Axes, corp: CorpReliability) -> None:
    """Say what the two sides and the band mean, where the curve is not in the way."""
    x = corp.probability
    points, *edges = (
        _along(x, y) for y in (corp.recalibrated, corp.confidence_low, corp.confidence_high)
    )
    if corp.event == "top-label":
        corners = draw_corners(ax, points)
    else:  # 10 % may be too much, and is not confident
        corners = draw_corners(
            ax, points, below="probability too high", above="probability too low"
        )
    along = np.array([0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8, 0.12, 0.88])
    interior = (along > x[0]) & (along < x[-1])  # better in the band than beside it
    places = [
        Words("if calibrated", at - step, at + step, "center", up, 45.0)
        for at in (*along[interior], *along[~interior])
        for step, up in ((0.012, "bottom"), (-0.012, "top"))
    ]
    points = np.concatenate([points, corners])
    draw_clearest(ax, places, points, np.concatenate(edges), color=INK)
