"""A table of words and numbers, as text, for the terminal, and as HTML."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from io import StringIO
from typing import TYPE_CHECKING

from temperance.printable import printable

if TYPE_CHECKING:
    from rich.table import Table as RichTable

__all__ = ["Table"]

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
        lines = [self.columns, aligned, *self.rows]
        cells = [[cell.replace("|", "\\|") for cell in line] for line in lines]
        text = "\n".join(f"| {' | '.join(line)} |" for line in cells)
        return f"{text}\n\n{self.caption}" if self.caption else text

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
