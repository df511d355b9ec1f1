"""Temperatures with their intervals, one below the other: a forest plot."""

from __future__ import annotations

from math import ceil, exp, floor, inf, log, log10
from typing import TYPE_CHECKING, Self

from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from temperance.calibrators import Calibrator, ends_text, interval_of, temperature_of
from temperance.checks.arguments import as_mapping, as_number, optional_text
from temperance.errors import InvalidInputError
from temperance.metrics.estimates import Estimate
from temperance.plots.dots import Dot, draw_dots, draw_mark, draw_name, size_of
from temperance.plots.theme import INK, MUTED, OVER, TEXT, UNDER, Display
from temperance.printable import digits_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

__all__ = ["TemperatureDisplay"]


_ROOM = 0.06  # of the axis, beside the outermost end
_FARTHEST = 8.0  # factor beyond the outermost dots at which a bar is cut
_NARROW = 8.0  # factor from end to end, below which equal steps of T look even enough
_FEW_DECADES, _MOST_DECADES = 3, 6
_LINE = 14.0  # points: a line of words above the rows


class TemperatureDisplay(Display):
    """Forest plot of temperatures: a dot and its 95 % bar each, on a log axis with T = 1 marked.

    Orange: the interval lies above 1, the model is over-confident; blue: below 1, under-confident;
    grey: it holds 1. A hollow dot has no interval.

    Parameters
    ----------
    temperatures : mapping of str to Estimate
        Each T > 0 with its interval, in the order drawn; low = high where no interval is known. A
        low end of 0 or a high end of infinity is one without end, drawn as an arrow.
    pooled : float, optional
        A common temperature > 0, drawn as a line.
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
        No temperature, one that is not a finite number above 0, or an interval without it.

    Examples
    --------
    >>> from temperance import Estimate
    >>> display = TemperatureDisplay.from_temperatures({"May": 1.5, "June": Estimate(2, 1.6, 2.5)})
    >>> [text.get_text() for text in display.ax_.get_yticklabels()]
    ['May', 'June']
    """

    def __init__(
        self,
        temperatures: Mapping[str, Estimate],
        *,
        pooled: float | None = None,
        name: str | None = None,
    ) -> None:
        temperatures = as_mapping(
            temperatures, name="temperatures", rule="a mapping of name to `Estimate`"
        )
        if not temperatures:
            msg = "`temperatures` must hold at least one temperature, got none."
            raise InvalidInputError(msg)
        for key, each in temperatures.items():
            _check(each, f"`temperatures` of {key!r}")
        if pooled is not None:
            rule = "a number from 1e-100 to 1e100"
            pooled = as_number(pooled, name="pooled", rule=rule, least=1e-100, most=1e100)
        self.temperatures = dict(temperatures)
        self.pooled = pooled
        self.name = optional_text(name, name="name")
        top = 24.0 + (0.0 if pooled is None else _LINE) + (0.0 if name is None else 22.0)
        self._size, self._margins = size_of(len(temperatures), top=top, right=46.0)

    @classmethod
    def from_temperatures(
        cls,
        temperatures: Mapping[str, Calibrator | Estimate | float],
        *,
        pooled: float | None = None,
        name: str | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Draw temperatures of calibrators, or numbers.

        Parameters
        ----------
        temperatures : mapping of str to Calibrator, Estimate or float
            A calibrator must have a temperature; its interval is that of its record.
        pooled : float, optional
            A common temperature, drawn as a line.
        name : str, optional
            Of the model.
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure where left out.

        Returns
        -------
        TemperatureDisplay
            Drawn.

        Raises
        ------
        InvalidInputError
            No temperature, a calibrator without one, or as above.
        """
        estimates = {str(key): _estimate(str(key), each) for key, each in temperatures.items()}
        return cls(estimates, pooled=pooled, name=name).plot(ax)

    def _draw(self, ax: Axes) -> None:
        ax.set_xscale("log")
        limits = self._limits()
        dots = [
            Dot(key, each.value, each.low, each.high, _figure(each.value), _colour(each),
                hollow=each.low == each.high)
            for key, each in self.temperatures.items()
        ]  # fmt: skip
        draw_dots(ax, dots, limits=limits)
        ax.xaxis.set_major_locator(FixedLocator(_ticks(*limits)))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(FuncFormatter(lambda tick, _: f"{tick:g}"))
        ax.set_xlabel("Temperature T", fontsize=TEXT, color=INK, labelpad=6)
        draw_mark(ax, 1.0, "T = 1", dashed=True)
        if self.pooled is not None:
            draw_mark(ax, self.pooled, f"pooled {_figure(self.pooled)}", pad=5.0 + _LINE)
        if self.name is not None:
            pad = 24.0 + (0.0 if self.pooled is None else _LINE)
            draw_name(ax, self.name, pad=pad, from_names=self._own is not None)

    def alt_text(self) -> tuple[str, str]:
        """Return a title and every temperature in words."""
        phrases = [
            f"{key} {digits_text(each.value, 3)}"
            + ("" if each.low == each.high else f" ({ends_text(each.low, each.high, 3)})")
            for key, each in self.temperatures.items()
        ]
        of_all = "" if self.pooled is None else f" Pooled, it is {digits_text(self.pooled, 3)}."
        title = f"Temperatures{'' if self.name is None else f': {self.name}'}"
        return title, f"Temperatures with 95 % intervals: {'; '.join(phrases)}.{of_all}"

    def _limits(self) -> tuple[float, float]:
        """Return ends of the axis that hold 1, all dots, and bars that are not endless."""
        dots = [each.value for each in self.temperatures.values()]
        dots += [1.0] if self.pooled is None else [1.0, self.pooled]
        least, most = min(dots), max(dots)
        low = min(least, *(each.low for each in self.temperatures.values()))
        high = max(most, *(each.high for each in self.temperatures.values()))
        low, high = log(max(low, least / _FARTHEST)), log(min(high, most * _FARTHEST))
        room = max(_ROOM * (high - low), _ROOM)
        return exp(low - room), exp(high + room)


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers that lie apart on a log axis."""
    if high / low < _NARROW:
        ticks = MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(low, high)
        return [float(tick) for tick in ticks if low <= tick <= high]
    decades = range(floor(log10(low)), ceil(log10(high)) + 1)
    step = ceil(len(decades) / _MOST_DECADES)
    digits = (1, 2, 5) if len(decades) <= _FEW_DECADES else (1,)
    ticks = [digit * 10.0**decade for decade in decades[::step] for digit in digits]
    return [tick for tick in ticks if low <= tick <= high]


def _figure(value: float) -> str:
    return f"{value:.2f}" if 0.1 <= value < 100.0 else digits_text(value, 3)


def _colour(estimate: Estimate) -> str:
    if estimate.low <= 1.0 <= estimate.high or estimate.low == estimate.high:
        return MUTED
    return OVER if estimate.low > 1.0 else UNDER


def _estimate(name: str, value: Calibrator | Estimate | float) -> Estimate:
    if isinstance(value, Estimate):
        return value
    if not isinstance(value, Calibrator):
        return Estimate(float(value), float(value), float(value))
    temperature = temperature_of(value)
    if temperature is None:
        msg = f"`temperatures` of {name!r} must have a temperature; {value.method} has none."
        raise InvalidInputError(msg)
    return Estimate(temperature, *(interval_of(value) or (temperature, temperature)))


def _check(estimate: Estimate, name: str) -> None:
    if not 0.0 <= estimate.low <= estimate.value <= estimate.high or not 0 < estimate.value < inf:
        msg = (
            f"{name} must be a finite number above 0 within its interval, got {estimate.value} "
            f"({estimate.low} to {estimate.high})."
        )
        raise InvalidInputError(msg)
