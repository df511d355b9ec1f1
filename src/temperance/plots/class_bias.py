"""Biases of classes with their intervals, one below the other: a forest plot."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Self

from matplotlib.ticker import FuncFormatter, MaxNLocator

from temperance.checks.arguments import as_mapping, optional_text
from temperance.errors import InvalidInputError
from temperance.metrics.estimates import Estimate, biased_classes
from temperance.plots.dots import Dot, draw_dots, draw_mark, draw_name, size_of
from temperance.plots.theme import INK, MUTED, OVER, TEXT, UNDER, Display

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

__all__ = ["ClassBiasDisplay"]


_ROOM = 0.06  # of the axis, beside the outermost end
_LEAST = 0.1  # of the axis, from end to end


class ClassBiasDisplay(Display):
    """Forest plot of class biases: a dot and its 95 % bar each, with 0 marked.

    A bias is what has to be added to a class's logit. Orange: below 0, the model claims the class
    too often; blue: above 0, too rarely; grey: one cannot tell, at 5 % over all classes together
    (Holm), though its own interval may leave out 0. A hollow dot has no interval.

    Parameters
    ----------
    biases : mapping of str to Estimate
        Of each class, in the order drawn; low = high where no interval is known.
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
        No class, a bias that is not finite, or an interval without it.

    Examples
    --------
    >>> from temperance import Estimate
    >>> display = ClassBiasDisplay.from_biases({"A": Estimate(-0.3, -0.4, -0.2), "B": 0.3})
    >>> [text.get_text() for text in display.ax_.get_yticklabels()]
    ['A', 'B']
    """

    def __init__(self, biases: Mapping[str, Estimate], *, name: str | None = None) -> None:
        biases = as_mapping(biases, name="biases", rule="a mapping of class to `Estimate`")
        if not biases:
            msg = "`biases` must hold at least one class, got none."
            raise InvalidInputError(msg)
        for key, each in biases.items():
            ends = (each.low, each.value, each.high)
            if not all(map(isfinite, ends)) or not each.low <= each.value <= each.high:
                msg = (
                    f"`biases` must be finite numbers within their intervals, got {each.value} "
                    f"({each.low} to {each.high}) of {key!r}."
                )
                raise InvalidInputError(msg)
        self.biases = dict(biases)
        self.name = optional_text(name, name="name")
        top = 24.0 + (0.0 if name is None else 22.0)
        self._size, self._margins = size_of(len(biases), top=top, right=52.0)

    @classmethod
    def from_biases(
        cls,
        biases: Mapping[str, Estimate | float],
        *,
        name: str | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Draw biases of classes.

        Parameters
        ----------
        biases : mapping of str to Estimate or float
            Of each class, in the order drawn.
        name : str, optional
            Of the model.
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure where left out.

        Returns
        -------
        ClassBiasDisplay
            Drawn.

        Raises
        ------
        InvalidInputError
            As above.
        """
        estimates = {
            str(key): each if isinstance(each, Estimate) else Estimate(each, each, each)
            for key, each in biases.items()
        }
        return cls(estimates, name=name).plot(ax)

    def _draw(self, ax: Axes) -> None:
        ends = [0.0, *(end for each in self.biases.values() for end in (each.low, each.high))]
        low, high = min(ends), max(ends)
        biased = biased_classes(self.biases)
        room = _ROOM * max(high - low, _LEAST)
        dots = [
            Dot(key, each.value, each.low, each.high, f"{each.value:+z.2f}",
                _colour(each.value, is_biased=biased[key]), hollow=each.low == each.high)
            for key, each in self.biases.items()
        ]  # fmt: skip
        draw_dots(ax, dots, limits=(low - room, high + room))
        ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda tick, _: f"{tick:+g}" if tick else "0"))
        ax.set_xlabel("Bias, added to the logit", fontsize=TEXT, color=INK, labelpad=6)
        draw_mark(ax, 0.0, "no bias", dashed=True)
        if self.name is not None:
            draw_name(ax, self.name, pad=24.0, from_names=self._own is not None)

    def alt_text(self) -> tuple[str, str]:
        """Return a title and every bias in words."""
        phrases = [
            f"{key} {each.value:+z.3f}"
            + ("" if each.low == each.high else f" ({each.low:+z.3f} to {each.high:+z.3f})")
            for key, each in self.biases.items()
        ]
        title = f"Class biases{'' if self.name is None else f': {self.name}'}"
        return title, f"Biases of the classes with 95 % intervals: {'; '.join(phrases)}."


def _colour(bias: float, *, is_biased: bool) -> str:
    if not is_biased:
        return MUTED
    return OVER if bias < 0.0 else UNDER
