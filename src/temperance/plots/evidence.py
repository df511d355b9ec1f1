"""Evidence over labels: how much speaks against what was served, and where that is enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator

from temperance.checks.arguments import as_number, optional_text
from temperance.errors import InvalidInputError
from temperance.plots.square import draw_name
from temperance.plots.theme import INK, MUTED, OVER, SMALL, TEXT, UNDER, Display, quiet
from temperance.show import number_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

    from temperance.drift import Alarm, EvidencePath

__all__ = ["EvidenceDisplay"]

_MOST = 600  # points of a line
_LOWEST = -12.0  # nats: what lies lower is drawn there, as it says no more


class EvidenceDisplay(Display):
    """The log of the evidence after each label, with the line that raises an alarm.

    Parameters
    ----------
    labels : array_like, shape (n,)
        Numbers of labels, rising, n >= 1.
    log_evidence : array_like, shape (n,)
        Natural log of the evidence after them.
    threshold : float
        Where it is enough, above 0.
    onset : tuple of int, optional
        First label after the change, and the ends of its range: (onset, low, high).
    marks : sequence of (int, str), optional
        Labels at which something happened, and what.
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
        No labels, another number of values, or a threshold that is not above 0.

    Examples
    --------
    >>> display = EvidenceDisplay([1, 2, 3], [0.1, 2.0, 5.1], 4.6).plot()
    >>> display.ax_.get_xlabel()
    'Labels, in the order of their arrival'
    """

    _size = (400.0, 240.0)
    _margins = (46.0, 16.0, 46.0, 54.0)

    def __init__(
        self,
        labels: ArrayLike,
        log_evidence: ArrayLike,
        threshold: float,
        *,
        onset: tuple[int, int, int] | None = None,
        marks: Sequence[tuple[int, str]] = (),
        name: str | None = None,
    ) -> None:
        self.labels = np.asarray(labels, dtype=np.float64)
        self.log_evidence = np.asarray(log_evidence, dtype=np.float64)
        if self.labels.ndim != 1 or not len(self.labels) or (
            self.labels.shape != self.log_evidence.shape
        ):  # fmt: skip
            msg = "`labels` and `log_evidence` must have one number per label, and at least one."
            raise InvalidInputError(msg)
        self.threshold = as_number(threshold, name="threshold", rule="above 0", least=1e-9)
        self.onset = onset
        self.marks = tuple(marks)
        self.name = optional_text(name, name="name")

    @classmethod
    def from_path(
        cls,
        path: EvidencePath,
        alarm: Alarm,
        *,
        name: str | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Draw what `temperance.drift.collect` gives.

        Parameters
        ----------
        path : EvidencePath
        alarm : Alarm
            When it is enough, and so which evidence is drawn.
        name : str, optional
            Of the model.
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure where left out.

        Returns
        -------
        EvidenceDisplay
            Drawn.

        Raises
        ------
        InvalidInputError
            No labels.
        """
        values = path.log_evidence if alarm.alpha is not None else path.log_run_length
        labels = np.arange(1, len(path) + 1) + path.first.n
        return cls(labels, values, alarm.threshold, name=name).plot(ax)

    def _draw(self, ax: Axes) -> None:
        quiet(ax)
        shown = self._shown()
        x, y = self.labels[shown], self.log_evidence[shown].clip(min=_LOWEST)
        over = y >= self.threshold
        if self.onset is not None:
            first, low, high = self.onset
            ax.axvspan(low, high, color=UNDER, alpha=0.12, linewidth=0.0, zorder=1)
            ax.axvline(first, color=UNDER, linewidth=1.2, zorder=2)
        ax.axhline(self.threshold, color=OVER, linewidth=1.2, linestyle=(0, (4, 3)), zorder=2)
        ax.plot(x, y, color=INK, linewidth=1.6, zorder=3, marker="o" if len(x) == 1 else None)
        if over.any():
            at = int(over.argmax())
            ax.plot([x[at]], [y[at]], marker="o", markersize=7.0, color=OVER, linestyle="none",
                    zorder=4)  # fmt: skip
        top = max(float(y.max()), self.threshold) * 1.12
        ax.set_ylim(min(float(y.min()), 0.0) - 0.6, top + 0.4)
        ax.set_xlim(self.labels[0] - 0.5, max(self.labels[-1], self.labels[0] + 1.0) + 0.5)
        for at, words in self.marks:
            ax.axvline(at, color=MUTED, linewidth=0.9, linestyle=(0, (1, 2)), zorder=1.5)
            ax.annotate(words, (at, top), (3.0, -2.0), textcoords="offset points", fontsize=SMALL,
                        color=MUTED, va="top")  # fmt: skip
        ax.annotate("alarm", (1.0, self.threshold), (-2.0, 3.0), xycoords=("axes fraction", "data"),
                    textcoords="offset points", ha="right", va="bottom", fontsize=SMALL,
                    color=OVER)  # fmt: skip
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda tick, _: f"{tick:,.0f}"))
        ax.yaxis.set_major_locator(MaxNLocator(5))
        ax.set_xlabel("Labels, in the order of their arrival", fontsize=TEXT, color=INK, labelpad=6)
        ax.set_ylabel("Log of the evidence, nats", fontsize=TEXT, color=INK, rotation=0,
                      horizontalalignment="left", verticalalignment="bottom")  # fmt: skip
        ax.yaxis.set_label_coords(0.0, 1.02)
        if self.name is not None:
            draw_name(ax, self.name, pad=30)

    def _shown(self) -> np.ndarray:
        """Return the places of the points that are drawn: some, the highest and the last."""
        n = len(self.labels)
        some = np.unique(np.linspace(0, n - 1, min(n, _MOST)).astype(int))
        crossed = np.flatnonzero(self.log_evidence >= self.threshold)[:1]
        return np.unique(np.concatenate([some, [int(self.log_evidence.argmax())], crossed]))

    def alt_text(self) -> tuple[str, str]:
        """Return a title and the line in words."""
        over = np.flatnonzero(self.log_evidence >= self.threshold)
        course = (
            f"never reaches {number_text(self.threshold, 2)}"
            if not len(over)
            else f"reaches {number_text(self.threshold, 2)} at label {self.labels[over[0]]:,.0f}"
        )
        since = "" if self.onset is None else f" The change began about label {self.onset[0]:,}."
        title = f"Evidence over labels{'' if self.name is None else f': {self.name}'}"
        return title, (
            f"Log of the evidence that served probabilities are wrong: it {course}, and is "
            f"{number_text(self.log_evidence[-1], 2)} after {self.labels[-1]:,.0f} labels.{since}"
        )
