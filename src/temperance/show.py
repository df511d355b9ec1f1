"""Tables, numbers and small curves, the same in the terminal, the notebook and the report."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from html import escape
from io import StringIO
from math import isfinite, isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.errors import InvalidInputError, MissingDependencyError
from temperance.printable import WRITTEN_OUT, digits_text, printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from rich.table import Table as RichTable

__all__ = [
    "Shown",
    "Table",
    "beside",
    "four_digits",
    "interval_text",
    "markdown_text",
    "number_text",
    "p_text",
    "percent_text",
    "positive_text",
    "sketch",
    "to_frame",
]

# Tables, numbers and small curves, the same in the terminal, the notebook and the report.


# Numbers as text, the same in the terminal, the notebook and the report.


_LEAST_SHOWN = 1e-3  # of what four decimals would show as one digit, or as none


def number_text(value: float, decimals: int = 4, *, sign: bool = False) -> str:
    """Return so many decimals, with + where `sign` asks for it; "infinite", or "undefined", if so.

    From 10 million on it has four digits and an exponent.

    What rounds to 0 is never below it.

    >>> number_text(0.25), number_text(0.25, sign=True), number_text(float("nan"))
    ('0.2500', '+0.2500', 'undefined')
    >>> number_text(-0.00001), number_text(-0.00001, sign=True)
    ('0.0000', '+0.0000')
    >>> number_text(1e30), number_text(-123456.789)
    ('1e+30', '-123456.7890')
    >>> number_text(float("inf")), number_text(float("-inf"), sign=True)
    ('infinite', '-infinite')
    """
    if isnan(value):
        return "undefined"
    if not isfinite(value):
        return f"{'-' if value < 0.0 else '+' if sign else ''}infinite"
    form = f"z.{decimals}f" if abs(value) < WRITTEN_OUT else ".4g"
    return f"{value:{'+' if sign else ''}{form}}"


def positive_text(value: float) -> str:
    """Return a number above 0 with four decimals, or with four digits where these say too little.

    >>> positive_text(1.7359), positive_text(1.8529e-9)
    ('1.7359', '1.853e-09')
    """
    return number_text(value) if value >= _LEAST_SHOWN else f"{value:.4g}"


def interval_text(low: float, high: float, *, sign: bool = False) -> str:
    """Return "low to high"; "unknown" where neither end is finite.

    >>> interval_text(0.1, 0.3)
    '0.1000 to 0.3000'
    """
    if not isfinite(low) and not isfinite(high):
        return "unknown"
    return f"{number_text(low, sign=sign)} to {number_text(high, sign=sign)}"


def four_digits(value: float) -> str:
    """Return a positive number with four digits, those at its end also where they are 0.

    >>> four_digits(2.35), four_digits(0.0312), four_digits(12345.6)
    ('2.350', '0.03120', '12350')
    """
    text = f"{value:#.4g}".removesuffix(".")
    return digits_text(value, 4) if "e" in text else text


def percent_text(share: float, decimals: int | None = None) -> str:
    """Return a share as percent, to so many decimals, else to four digits.

    What is below 1 is then never "100 %": it has as many more digits as that takes.

    >>> percent_text(0.02), percent_text(0.99999), percent_text(0.12345, 1)
    ('2 %', '99.999 %', '12.3 %')
    """
    if decimals is not None:
        return f"{100.0 * share:.{decimals}f} %"
    texts = (f"{100.0 * share:.{digits}g}" for digits in range(4, 18))
    return f"{next(text for text in texts if text != '100' or share >= 1.0)} %"


def p_text(p_value: float | None) -> str:
    """Return "p = 0.031"; "p < 0.001" below that; "" where there is none.

    >>> p_text(0.0314), p_text(1e-9), p_text(None)
    ('p = 0.031', 'p < 0.001', '')
    """
    if p_value is None:
        return ""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"


# Text as Markdown.


_MARKDOWN = str.maketrans({
    **{mark: f"\\{mark}" for mark in "\\`*_[]#~$"},
    "|": "&#124;", "&": "&amp;", "<": "&lt;", ">": "&gt;", "\n": " ",
})  # fmt: skip
_CALLS = re.compile(r"(?<=@)(?=\w)|(?<=:)(?=//)|(?<=www)(?=\.)")


def markdown_text(text: str) -> str:
    r"""Return text that Markdown shows as it is, in a cell of a table too: no mark-up, no link.

    Nor does it call anybody: an @ before a name has a space of no width behind it.

    >>> print(markdown_text("a|b <*c*>"))
    a&#124;b &lt;\*c\*&gt;
    """
    escaped = printable(text, keep="\n").translate(_MARKDOWN)
    return _CALLS.sub("&#8203;", escaped)


# A small square picture for a notebook: a curve over [0, 1] against the diagonal, as SVG.


_SIDE, _LEFT, _TOP = 160, 26, 8  # pixels
_MOST = 120  # points of a curve
_TEXT = 'fill="currentColor" font-size="11" font-family="sans-serif"'


def sketch(
    across: NDArray[np.float64],
    up: NDArray[np.float64],
    *,
    name: str,
    words: str,
    band: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
    across_name: str,
    up_name: str,
) -> str:
    """Return an `<svg>` without script or style sheet, in the colours of the page.

    Parameters
    ----------
    across, up : ndarray, shape (m,)
        The curve, ascending in `across`; both in [0, 1].
    name, words : str
        Title and description for those who do not see it.
    band : pair of ndarray, shape (m,), optional
        Lower and upper end over `across`, shaded.
    across_name, up_name : str
        Of the axes.
    """
    name, words = escape(printable(name)), escape(printable(words))
    keep = np.unique(np.linspace(0, len(across) - 1, min(len(across), _MOST)).astype(int))
    x = across[keep]
    shaded = ""
    if band is not None:
        there_and_back = np.r_[x, x[::-1]], np.r_[band[0][keep], band[1][keep][::-1]]
        shaded = f'<polygon points="{_points(*there_and_back)}" fill="currentColor" opacity=".15"/>'
    edge, bottom = _LEFT + _SIDE, _TOP + _SIDE
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{edge + 10}" height="{bottom + 34}" '
        f'role="img" aria-label="{name}: {words}">'
        f"<title>{name}: {words}</title>"
        f'<rect x="{_LEFT}" y="{_TOP}" width="{_SIDE}" height="{_SIDE}" fill="none" '
        f'stroke="currentColor" opacity=".35"/>'
        f'<path d="M{_LEFT} {bottom}L{edge} {_TOP}" stroke="currentColor" opacity=".35" '
        f'stroke-dasharray="3 3"/>{shaded}'
        f'<polyline points="{_points(x, up[keep])}" fill="none" stroke="#0072b2" '
        f'stroke-width="2.5" stroke-linejoin="round"/>'
        f'<text x="{_LEFT}" y="{bottom + 13}" {_TEXT}>0</text>'
        f'<text x="{edge}" y="{bottom + 13}" text-anchor="end" {_TEXT}>1</text>'
        f'<text x="{_LEFT + _SIDE / 2:g}" y="{bottom + 27}" text-anchor="middle" {_TEXT}>'
        f"{escape(across_name)}</text>"
        f'<text transform="translate({_LEFT - 10} {_TOP + _SIDE / 2:g}) rotate(-90)" '
        f'text-anchor="middle" {_TEXT}>{escape(up_name)}</text></svg>'
    )


def beside(*parts: str) -> str:
    """Return pieces of HTML side by side, below one another where there is no room."""
    cells = "".join(f"<div>{part}</div>" for part in parts)
    return (
        '<div style="display: flex; flex-wrap: wrap; gap: 1em; align-items: flex-start">'
        f"{cells}</div>"
    )


def _points(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    across = _LEFT + _SIDE * np.clip(x, 0.0, 1.0)
    down = _TOP + _SIDE * (1.0 - np.clip(y, 0.0, 1.0))
    return " ".join(f"{a:.1f},{d:.1f}" for a, d in zip(across, down, strict=True))


# A table of words and numbers, as text, for the terminal, and as HTML.


_WIDE = 10_000  # columns: a table as text is never wrapped
_CELL = "padding: .25em .75em; text-align: {}"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under column names; the first column names the rows."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""
    caption: str = ""
    words: frozenset[int] = frozenset()  # columns besides the first that hold words, not numbers

    def __post_init__(self) -> None:
        """Let no name command the terminal or break a page."""
        shown = {
            "columns": tuple(map(printable, self.columns)),
            "rows": tuple(tuple(map(printable, row)) for row in self.rows),
            "title": printable(self.title, keep="\n"),
            "caption": printable(self.caption, keep="\n"),
        }
        for name, value in shown.items():
            object.__setattr__(self, name, value)

    def to_rich(self) -> RichTable:
        """Return the table for rich's console."""
        from rich import box  # noqa: PLC0415
        from rich.table import Table as RichTable  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        table = RichTable(
            title=Text(self.title) if self.title else None,
            caption=Text(self.caption) if self.caption else None,
            box=box.SIMPLE_HEAD,
            title_justify="left",
            caption_justify="left",
            pad_edge=False,
        )
        for number, column in enumerate(self.columns):
            table.add_column(Text(column), justify=self._align(number), no_wrap=number > 0)  # type: ignore[arg-type]
        for row in self.rows:
            table.add_row(*(Text(cell) for cell in row))  # a name may hold [brackets]
        return table

    def to_text(self) -> str:
        """Return what the terminal shows, without colours."""
        from rich.console import Console  # noqa: PLC0415

        file = StringIO()
        Console(file=file, width=_WIDE, color_system=None).print(self.to_rich())
        lines = (line.rstrip() for line in file.getvalue().splitlines())
        return "\n".join(lines).strip("\n")

    def to_markdown(self) -> str:
        """Return a Markdown table, its caption below."""
        aligned = ["---:" if self._align(i) == "right" else "---" for i in range(len(self.columns))]
        head, *rows = [list(map(markdown_text, line)) for line in (self.columns, *self.rows)]
        text = "\n".join(f"| {' | '.join(line)} |" for line in (head, aligned, *rows))
        return f"{text}\n\n{markdown_text(self.caption)}" if self.caption else text

    def to_html(self) -> str:
        """Return one `<table>` without script or style sheet."""
        head = "".join(self._cell("th", number, text) for number, text in enumerate(self.columns))
        body = "".join(
            f"<tr>{''.join(self._cell('td', number, text) for number, text in enumerate(row))}</tr>"
            for row in self.rows
        )
        caption = " &middot; ".join(escape(text) for text in (self.title, self.caption) if text)
        shown = f'<caption style="text-align: left">{caption}</caption>' if caption else ""
        return (
            '<table style="border-collapse: collapse; font-variant-numeric: tabular-nums">'
            f"{shown}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )

    def _align(self, number: int) -> str:
        return "left" if number == 0 or number in self.words else "right"

    def _cell(self, tag: str, number: int, text: str) -> str:
        return f'<{tag} style="{_CELL.format(self._align(number))}">{escape(text)}</{tag}>'


# A table of results in the user's own data frame library.


BACKENDS = ("pandas", "polars", "pyarrow")
_PURPOSE = "A data frame of results"


def to_frame(columns: Mapping[str, Sequence[Any]], backend: str | None = None) -> Any:  # noqa: ANN401
    """Return the columns as a data frame.

    Parameters
    ----------
    columns : mapping of name to sequence
        All of the same length.
    backend : {"pandas", "polars", "pyarrow"}, optional
        Whose frame; where left out, the first of these that your program has already imported,
        else the first that is installed.

    Raises
    ------
    InvalidInputError
        An unknown backend.
    MissingDependencyError
        narwhals is not installed, or not the library asked for, or none of the three.
    """
    if backend is not None and backend not in BACKENDS:
        msg = f"`backend` must be one of {', '.join(BACKENDS)}, got {backend!r}."
        raise InvalidInputError(msg)
    try:
        import narwhals as nw  # noqa: PLC0415
    except ImportError as error:
        package = "narwhals"
        raise MissingDependencyError(package, extra="frames", purpose=_PURPOSE) from error
    imported = [name for name in BACKENDS if name in sys.modules]
    for name in (backend,) if backend else dict.fromkeys((*imported, *BACKENDS)):
        try:
            return nw.from_dict(dict(columns), backend=name).to_native()  # type: ignore[arg-type]
        except ImportError:
            continue
    raise MissingDependencyError(
        backend or f"{', '.join(BACKENDS[:-1])} or {BACKENDS[-1]}", extra="frames", purpose=_PURPOSE
    )


# A result that shows itself.


class Shown:
    """Base of a result: its tables as text and in a notebook, its columns as a data frame."""

    __slots__ = ()

    def tables(self) -> tuple[Table, ...]:
        """Return the tables that people see."""
        raise NotImplementedError

    def columns(self) -> dict[str, list[Any]]:
        """Return the numbers as columns of plain values."""
        raise NotImplementedError

    def to_frame(self, backend: str | None = None) -> Any:  # noqa: ANN401
        """Return the numbers as a data frame, of the columns of `columns`.

        Parameters
        ----------
        backend : {"pandas", "polars", "pyarrow"}, optional
            Whose; where left out, the one that your program has imported.

        Raises
        ------
        InvalidInputError
            An unknown backend.
        MissingDependencyError
            The library, or narwhals, is not installed.
        """
        return to_frame(self.columns(), backend)

    def __str__(self) -> str:
        return "\n\n".join(table.to_text() for table in self.tables())

    def _repr_html_(self) -> str:
        """Show the tables in a notebook."""
        return beside(*(table.to_html() for table in self.tables()))
