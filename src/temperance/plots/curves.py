"""Several models, or ways to calibrate one, on the same axes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from temperance.checks.arguments import as_mapping, optional_text
from temperance.checks.forms import frame_names
from temperance.errors import InvalidInputError
from temperance.metrics.corp import CorpReliability, corp_reliability
from temperance.metrics.outcomes import Outcomes
from temperance.plots.dots import fitting_apart
from temperance.plots.square import draw_frame, draw_name
from temperance.plots.theme import INK, MUTED, OVER, PAPER, SMALL, UNDER, Display, estimated
from temperance.show import number_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

    from temperance.comparison import Comparison
    from temperance.metrics.events import EventName

__all__ = ["MOST_CURVES", "CalibrationCurvesDisplay"]

# Colour, dash and marker all differ, so that no two lines are alike in print or to any eye.
_STYLES = (
    (INK, "-", "o"), (UNDER, (0, (6, 2)), "s"), (OVER, (0, (2, 1.5)), "^"),
    (MUTED, (0, (6, 2, 1, 2)), "D"), (UNDER, (0, (1, 1)), "v"), (OVER, (0, (9, 2)), "P"),
    (INK, (0, (4, 1, 1, 1, 1, 1)), "X"), (MUTED, "-", "*"),
)  # fmt: skip
MOST_CURVES = len(_STYLES)
_MARKS = (0.1, 0.5, 0.9)  # shares of the rows below a marker
_LETTERS = 173.0  # points that a name in the legend may be wide
_ROW = 15.0  # height of a row of the legend, points


class CalibrationCurvesDisplay(Display):
    """Isotonic (CORP) calibration curves of several models, with a legend below the square.

    Parameters
    ----------
    curves : mapping of str to CorpReliability
        From one to eight, all of the same event; in the order of the legend.
    name : str, optional
        Of the whole.
    event_name : str, optional
        What the event is called, of curves that are of a class.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it is drawn.
    figure_ : matplotlib.figure.Figure
        The figure of `ax_`; without `ax`, a new one that belongs to no window.

    Raises
    ------
    InvalidInputError
        No curve, more than eight, or curves of different events.

    References
    ----------
    Dimitriadis, Gneiting and Jordan (2021), Stable reliability diagrams for probabilistic
    classifiers, PNAS 118, https://doi.org/10.1073/pnas.2016191118

    Examples
    --------
    >>> display = CalibrationCurvesDisplay.from_predictions(
    ...     {"raw": [0.1, 0.4, 0.9], "softer": [0.3, 0.5, 0.7]}, [0, 1, 1]
    ... )
    >>> [text.get_text() for text in display.ax_.get_legend().get_texts()]
    ['raw (miscalibration 0.1267)', 'softer (miscalibration 0.1433)']
    """

    def __init__(
        self,
        curves: Mapping[str, CorpReliability],
        *,
        name: str | None = None,
        event_name: str | None = None,
    ) -> None:
        rule = "a mapping of name to `CorpReliability`"
        by_name = as_mapping(curves, name="curves", rule=rule)
        if not 1 <= len(by_name) <= MOST_CURVES:
            msg = f"`curves` must hold from 1 to {MOST_CURVES} curves, got {len(by_name)}."
            raise InvalidInputError(msg)
        events = {each.event for each in by_name.values()}
        if len(events) > 1:
            msg = f"`curves` must be of one event, got {', '.join(sorted(events))}."
            raise InvalidInputError(msg)
        self.curves = {str(key): each for key, each in by_name.items()}
        self.name = optional_text(name, name="name")
        (event,) = events
        self.event_name = None
        if event != "top-label":
            self.event_name = optional_text(event_name, name="event_name") or f"class {event}"
        below = 54.0 + _ROW * len(self.curves)
        top = 34.0 + (0.0 if name is None else 20.0)
        self._size = (380.0, 316.0 * 1.19 / 1.04 + below + top)
        self._margins = (46.0, 18.0, below, top)

    @classmethod
    def from_predictions(
        cls,
        probs: Mapping[str, ArrayLike],
        labels: ArrayLike,
        *,
        event: EventName | None = None,
        weights: ArrayLike | None = None,
        classes: Sequence[object] | None = None,
        ignore_label: float | str | None = None,
        name: str | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Measure several sets of probabilities of the same rows and draw them.

        Parameters
        ----------
        probs : mapping of str to array_like, shape (n, k) or (n,)
            Probabilities in [0, 1], rows summing to 1; (n,) is the probability of class 1.
        labels : array_like, shape (n,)
            True classes in 0..k-1, or names in `classes`; the same for all.
        event : "predicted" or class, optional
            As in `metrics.corp_reliability`: by default class 1 of two classes, else "predicted".
        weights : array_like, shape (n,), optional
            Finite, >= 0.
        classes : sequence of str, optional
            Names of the columns, as labels may use them.
        ignore_label : int or str, optional
            Rows of this label are left out.
        name : str, optional
            Of the whole.
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure where left out.

        Returns
        -------
        CalibrationCurvesDisplay
            Drawn.

        Raises
        ------
        InvalidInputError
            As above, and as in `metrics.corp_reliability`.
        """
        by_name = as_mapping(probs, name="probs", rule="a mapping of name to probabilities")
        curves = {
            str(key): corp_reliability(
                each, labels, event=event, weights=weights, classes=classes,
                ignore_label=ignore_label, n_resamples=100,
            )
            for key, each in by_name.items()
        }  # fmt: skip
        event_name = None
        first = next(iter(curves.values()), None)
        if first is not None and first.event != "top-label":
            names = frame_names(next(iter(by_name.values()))) if classes is None else classes
            event_name = Outcomes.named([], names).class_name(int(first.event))
        return cls(curves, name=name, event_name=event_name).plot(ax)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,  # noqa: ANN401  (whatever has predict_proba, or several by name)
        X: Any,  # noqa: ANN401, N803  (scikit-learn's name)
        y: ArrayLike,
        **options: Any,  # noqa: ANN401
    ) -> Self:
        """Draw `predict_proba` of fitted classifiers on the same labelled rows.

        Parameters
        ----------
        estimator : classifier, or mapping of str to classifier
            Fitted, with `predict_proba`, all of the same classes.
        X : array_like, shape (n, m)
            Rows that they were not fitted on.
        y : array_like, shape (n,)
            Their labels, as in `classes_`.
        **options
            Of `from_predictions`.

        Returns
        -------
        CalibrationCurvesDisplay
            Drawn.

        Raises
        ------
        InvalidInputError
            An estimator without `predict_proba`, one of other classes than the first, or as in
            `from_predictions`.
        """
        several = estimator if isinstance(estimator, Mapping) else {
            type(estimator).__name__: estimator
        }  # fmt: skip
        estimates = {str(key): estimated(each, X, y) for key, each in several.items()}
        classes = [each for _, _, each in estimates.values()]
        other = [key for key, each in zip(estimates, classes, strict=True) if each != classes[0]]
        if other:
            msg = f"`estimator` must hold classifiers of the same classes; {other[0]} has others."
            raise InvalidInputError(msg)
        labels: Any = next((each for _, each, _ in estimates.values()), y)
        settings = {"classes": classes[0]} if classes else {}
        probs = {key: each for key, (each, _, _) in estimates.items()}
        return cls.from_predictions(probs, labels, **{**settings, **options})

    @classmethod
    def from_comparison(
        cls, comparison: Comparison, *, name: str | None = None, ax: Axes | None = None
    ) -> Self:
        """Draw what `compare` measured.

        Parameters
        ----------
        comparison : Comparison
            Of up to eight sets of probabilities.
        name : str, optional
            Of the whole.
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure where left out.

        Returns
        -------
        CalibrationCurvesDisplay
            Drawn.

        Raises
        ------
        InvalidInputError
            As above.
        """
        evaluations = comparison.evaluations
        first, event_name = evaluations[comparison.baseline], None
        if first.corp.event != "top-label":
            event_name = first.outcomes.class_name(int(first.corp.event))
        curves = {key: each.corp for key, each in evaluations.items()}
        return cls(curves, name=name, event_name=event_name).plot(ax)

    def _draw(self, ax: Axes) -> None:
        event = self.event_name
        draw_frame(
            ax,
            says="Confidence: what the model says" if event is None else f"Probability of {event}",
            happens="Accuracy: how often it is right" if event is None
            else f"How often {event} happens",
        )  # fmt: skip
        ax.set_ylim(-0.02, 1.02)
        names = fitting_apart([*self.curves], _LETTERS)
        for name, corp, (colour, dash, marker) in zip(
            names, self.curves.values(), _STYLES, strict=False
        ):
            places = np.searchsorted(corp.share.cumsum(), _MARKS).clip(max=len(corp.share) - 1)
            ax.plot(corp.probability, corp.recalibrated, color=colour, linewidth=1.8,
                    linestyle=dash, marker=marker, markevery=[int(i) for i in np.unique(places)],
                    markersize=6.5, markeredgecolor=PAPER, markeredgewidth=0.8,
                    label=_label(name, corp), zorder=3)  # fmt: skip
        legend = ax.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.13), frameon=False,
                        fontsize=SMALL, labelcolor=INK, handlelength=3.2, borderaxespad=0.0,
                        labelspacing=0.35)  # fmt: skip
        for text in legend.get_texts():
            text.set_parse_math(False)
        if self.name is not None:
            draw_name(ax, self.name, pad=30.0)

    def alt_text(self) -> tuple[str, str]:
        """Return a title and each curve in words: what it says and what happens."""
        happens = "is right" if self.event_name is None else f"{self.event_name} happens"
        phrases = []
        for key, corp in self.curves.items():
            places = np.searchsorted(corp.share.cumsum(), _MARKS).clip(max=len(corp.share) - 1)
            points = dict.fromkeys(
                f"says {corp.probability[i]:.1%}, {happens} {corp.recalibrated[i]:.1%}"
                for i in places.tolist()
            )
            phrases.append(f"{key} {'; '.join(points)}")
        title = f"Calibration curves{'' if self.name is None else f': {self.name}'}"
        return title, f"Isotonic frequency against probability. {'. '.join(phrases)}."


def _label(name: str, corp: CorpReliability) -> str:
    """Return a name with how much the best rising curve saves of its Brier score."""
    return f"{name} (miscalibration {number_text(corp.decomposition.miscalibration)})"
