"""Where the scores of right and wrong rows lie, and which of them are accepted and rejected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from temperance.plots.theme import (
    BARS,
    INK,
    MUTED,
    OVER,
    SMALL,
    TEXT,
    UNDER,
    Display,
    Shares,
    quiet,
)
from temperance.printable import capitalised, printable
from temperance.show import percent_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["BandsDisplay"]

_BINS = 25
_FULL = 1.3  # of the highest bar: where the names of the bands stand
_NARROW = 0.13  # of the width: a band whose name would not fit
_SHADE = 0.09


class BandsDisplay(Display):
    """Histogram of the score, rows of the other truth apart, over the bands.

    Parameters
    ----------
    score : ndarray, shape (n,)
        In [0, 1]: what thresholds are on.
    positive : ndarray of bool, shape (n,)
        Whether the answer is right, or the row of the class that is decided about.
    accept_from, reject_to : float, optional
        Where the bands begin; what is None has none, or has several.
    score_name : str
        What the score is called.
    words : mapping of str to str
        How the rows of each truth are called: `are_yes`, `are_no`.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it is drawn.
    figure_ : matplotlib.figure.Figure
        The figure of `ax_`; without `ax`, a new one that belongs to no window.
    """

    _size = (480.0, 250.0)
    _margins = (44.0, 18.0, 44.0, 34.0)

    def __init__(
        self,
        score: NDArray[np.float64],
        positive: NDArray[np.bool_],
        *,
        accept_from: float | None,
        reject_to: float | None,
        score_name: str,
        words: Mapping[str, str],
    ) -> None:
        edges = np.linspace(0.0, 1.0, _BINS + 1)
        counts = [np.histogram(score[of], edges)[0] for of in (positive, ~positive)]
        self.shares = np.array(counts) / len(score)
        self.accept_from, self.reject_to = accept_from, reject_to
        self.score_name, self.words = score_name, words

    def _draw(self, ax: Axes) -> None:
        quiet(ax)
        left = np.arange(_BINS) / _BINS + 0.05 / _BINS
        yes, no = self.shares
        ax.bar(left, yes, 0.9 / _BINS, align="edge", color=BARS, linewidth=0.0, zorder=1.5)
        ax.bar(left, no, 0.9 / _BINS, bottom=yes, align="edge", color=OVER, linewidth=0.0,
               zorder=1.5)  # fmt: skip
        top = max(float((yes + no).max()), 1e-9)
        ax.set_xlim(-0.02, 1.02)
        ax.set_ylim(0.0, _FULL * 1.12 * top)
        self._draw_bands(ax, _FULL * top)
        ax.grid(visible=False, axis="x")
        ax.xaxis.set_ticks(np.linspace(0.0, 1.0, 6))
        ax.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        ax.yaxis.set_major_formatter(Shares())
        score = self.score_name
        ax.set_xlabel(printable(capitalised(score)), fontsize=TEXT, color=INK,
                      labelpad=6, parse_math=False)  # fmt: skip
        ax.set_ylabel("Share of rows", fontsize=TEXT, color=INK, rotation=0,
                      horizontalalignment="left", verticalalignment="bottom")  # fmt: skip
        ax.yaxis.set_label_coords(0.0, 1.015)
        words = printable(self.words["are_no"].removeprefix("are "))
        ax.set_title(f"{words} on top", loc="right", pad=8, color=OVER, fontsize=SMALL,
                     parse_math=False)  # fmt: skip

    def _draw_bands(self, ax: Axes, at: float) -> None:
        reject, accept = self.reject_to, self.accept_from
        low, high = (0.0 if reject is None else reject), (1.0 if accept is None else accept)
        bands = (("reject", 0.0, low, OVER), ("review", low, high, MUTED),
                 ("accept", high, 1.0, UNDER))  # fmt: skip
        if reject is accept is None:
            return
        for name, start, end, colour in bands:
            if end <= start and name != "review":
                continue
            if name != "review":
                ax.axvspan(start, end, color=colour, alpha=_SHADE, linewidth=0.0, zorder=1.0)
                line = end if name == "reject" else start
                ax.axvline(line, color=colour, linewidth=1.4, zorder=3)
            if end - start >= _NARROW:
                ax.text((start + end) / 2.0, at, name, ha="center", va="bottom", color=colour,
                        fontsize=TEXT, fontweight="bold", zorder=4)  # fmt: skip

    def alt_text(self) -> tuple[str, str]:
        """Return a title and the bands in words."""
        sentences = [f"Histogram of the {self.score_name}."]
        if self.reject_to is not None:
            sentences.append(f"Rows up to {self.reject_to:.4g} are rejected.")
        if self.accept_from is not None:
            sentences.append(f"Rows from {self.accept_from:.4g} on are accepted.")
        yes = float(self.shares[0].sum())
        sentences.append(f"{percent_text(yes, 1)} {self.words['are_yes']}.")
        return "Scores and bands", " ".join(sentences)
