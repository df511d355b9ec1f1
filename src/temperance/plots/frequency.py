"""Shares of classes then and now: a dot with its interval beside a mark for what was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

from temperance.checks.arguments import as_mapping, optional_text
from temperance.errors import InvalidInputError
from temperance.metrics.estimates import Estimate
from temperance.plots.dots import Dot, draw_dots, draw_name, size_of
from temperance.plots.theme import INK, MUTED, PAPER, SMALL, TEXT, Display, Shares

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

__all__ = ["FrequencyDisplay"]

_ROOM = 0.05  # of the axis, beside the outermost end
_INCH = 72.0
_ABOVE = 11.0  # points from the axes to the key
_LEAST = 0.01  # of the axis, from end to end


class FrequencyDisplay(Display):
    """Frequency of each class: a diamond for what it was, a dot with its 95 % bar for what it is.

    A dot is black where its interval leaves out what was, else grey.

    Parameters
    ----------
    reference : mapping of str to float
        What each class's share was, in [0, 1].
    new : mapping of str to Estimate
        What it is, of the same classes; in the order drawn.
    name : str, optional
        Of the rows.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it is drawn.
    figure_ : matplotlib.figure.Figure
        The figure of `ax_`; without `ax`, a new one that belongs to no window.

    Raises
    ------
    InvalidInputError
        No class, other classes in one than in the other, or a share outside [0, 1].

    Examples
    --------
    >>> from temperance import Estimate
    >>> display = FrequencyDisplay.from_frequencies(
    ...     {"cat": 0.5, "dog": 0.5}, {"cat": Estimate(0.7, 0.6, 0.8), "dog": 0.3}
    ... )
    >>> [text.get_text() for text in display.ax_.get_yticklabels()]
    ['cat', 'dog']
    """

    def __init__(
        self,
        reference: Mapping[str, float],
        new: Mapping[str, Estimate],
        *,
        name: str | None = None,
    ) -> None:
        rule = "a mapping of class to share"
        reference = as_mapping(reference, name="reference", rule=rule)
        new = as_mapping(new, name="new", rule="a mapping of class to `Estimate`")
        if not new or set(new) != set(reference):
            msg = (
                f"`new` must hold the classes of `reference`, at least one; got {len(new)} and "
                f"{len(reference)}, {len(set(new) & set(reference))} of them the same."
            )
            raise InvalidInputError(msg)
        for key, each in new.items():
            shares = (reference[key], each.low, each.value, each.high)
            if not all(0.0 <= share <= 1.0 for share in shares):
                msg = f"`reference` and `new` must hold shares in [0, 1], got {shares} of {key!r}."
                raise InvalidInputError(msg)
        self.reference = {key: float(reference[key]) for key in new}
        self.new = dict(new)
        self.name = optional_text(name, name="name")
        self._size, self._margins = size_of(
            len(new), top=26.0 + (0.0 if name is None else 22.0), right=52.0
        )

    @classmethod
    def from_frequencies(
        cls,
        reference: Mapping[str, float],
        new: Mapping[str, Estimate | float],
        *,
        name: str | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Draw shares of classes.

        Parameters
        ----------
        reference : mapping of str to float
            What each class's share was, in [0, 1].
        new : mapping of str to Estimate or float
            What it is, of the same classes; in the order drawn.
        name : str, optional
            Of the rows.
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure where left out.

        Returns
        -------
        FrequencyDisplay
            Drawn.

        Raises
        ------
        InvalidInputError
            As above.
        """
        frequencies = {
            str(key): each if isinstance(each, Estimate) else Estimate(each, each, each)
            for key, each in new.items()
        }
        return cls({str(k): v for k, v in reference.items()}, frequencies, name=name).plot(ax)

    def _draw(self, ax: Axes) -> None:
        ends = [s for e in self.new.values() for s in (e.low, e.high)] + [*self.reference.values()]
        low, high = min(ends), max(ends)
        room = _ROOM * max(high - low, _LEAST)
        dots = [
            Dot(key, each.value, each.low, each.high, f"{each.value:.1%}".replace("%", " %"),
                MUTED if each.low <= self.reference[key] <= each.high else INK,
                hollow=each.low == each.high)
            for key, each in self.new.items()
        ]  # fmt: skip
        draw_dots(ax, dots, limits=(low - room, high + room))
        for y, share in enumerate(self.reference.values()):
            ax.plot([share], [y], marker="D", markersize=6.0, color=PAPER, markeredgecolor=MUTED,
                    markeredgewidth=1.3, linestyle="none", clip_on=False, zorder=3.5)  # fmt: skip
        ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        ax.xaxis.set_major_formatter(Shares())
        ax.set_xlabel("Share of rows", fontsize=TEXT, color=INK, labelpad=6)
        _draw_key(ax)
        if self.name is not None:
            draw_name(ax, self.name, pad=26.0, from_names=self._own is not None)

    def alt_text(self) -> tuple[str, str]:
        """Return a title and every class's share then and now in words."""
        phrases = [
            f"{key} was {self.reference[key]:.1%}, is {each.value:.1%}"
            + ("" if each.low == each.high else f" ({each.low:.1%} to {each.high:.1%})")
            for key, each in self.new.items()
        ]
        title = f"Class frequencies{'' if self.name is None else f': {self.name}'}"
        return title, f"Share of each class with its 95 % interval: {'; '.join(phrases)}."


def _draw_key(ax: Axes) -> None:
    """Say what a diamond and a dot are, above the rows."""
    scale = ax.figure.dpi_scale_trans
    for across, marker, words, inside in ((6.0, "D", "reference", PAPER), (84.0, "o", "new", INK)):
        of_marker = ax.transAxes + ScaledTranslation(across / _INCH, _ABOVE / _INCH, scale)
        ax.plot([0.0], [1.0], marker=marker, markersize=6.0, color=inside, markeredgewidth=1.3,
                markeredgecolor=MUTED if marker == "D" else PAPER, linestyle="none",
                clip_on=False, zorder=4, transform=of_marker)  # fmt: skip
        ax.annotate(words, (0.0, 1.0), (across + 8.0, _ABOVE), xycoords="axes fraction",
                    textcoords="offset points", ha="left", va="center", fontsize=SMALL,
                    color=MUTED)  # fmt: skip
