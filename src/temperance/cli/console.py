"""Where things are printed: results on stdout, progress and notes on stderr."""

from __future__ import annotations

import codecs
import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from temperance.blocks import reporting
from temperance.printable import as_json_text, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

    from temperance.show import Table

__all__ = ["note", "print_json", "print_table", "print_text", "progress"]


def print_text(text: str, *, bold: bool = False) -> None:
    """Print lines of text on stdout; what a terminal would obey in a name is escaped."""
    _stdout().print(printable(text, keep="\n"), style="bold" if bold else None)


def print_table(table: Table) -> None:
    """Print a table as wide as it is: a narrow terminal breaks its lines, and nothing is cut."""
    from rich.measure import Measurement  # noqa: PLC0415

    console, shown = _stdout(), table.to_rich()
    natural = Measurement.get(console, console.options.update(max_width=10_000), shown).maximum
    console.width = max(natural, console.width)
    console.print(shown, crop=False)


def print_json(content: dict[str, Any]) -> None:
    """Print one JSON object on stdout, and nothing else: valid UTF-8 in every locale."""
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
    utf8 = codecs.lookup(sys.stdout.encoding or "utf-8").name == "utf-8"
    print(as_json_text(text, ascii_only=not utf8))  # noqa: T201


def note(message: str) -> None:
    """Print a line about the result on stderr."""
    print(printable(message), file=sys.stderr)  # noqa: T201


def _stdout() -> Console:
    """Return the console for results; plain text where stdout is no terminal."""
    from rich.console import Console  # noqa: PLC0415

    return Console(highlight=False, markup=False, emoji=False, soft_wrap=not sys.stdout.isatty())


@contextmanager
def progress(what: str, *, rows: int | None = None) -> Iterator[Callable[[str], None]]:
    """Show `what`, the rows read so far and their speed, while the `with` runs.

    Where the number of `rows` is known, also how much of them is done and the time that is left.
    What the `with` gives begins again with another text, for another reading of the same rows.
    Only where stderr is a terminal; the line is gone when the work is done.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        Progress,
        ProgressColumn,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    known: tuple[ProgressColumn, ...] = ()
    if rows is not None:
        known = (BarColumn(bar_width=20), TextColumn("left"), TimeRemainingColumn())
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.fields[rows]}", markup=False),
        TimeElapsedColumn(),
        *known,
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(printable(what), total=rows, rows="")

        def on_rows(count: int) -> None:
            bar.update(task, advance=count)
            state = bar.tasks[0]
            speed = f" ({state.speed:,.0f}/s)" if state.speed else ""
            bar.update(task, rows=f"{state.completed:,.0f} rows read{speed}")

        def again(now: str) -> None:
            bar.reset(task, description=printable(now), rows="")

        with reporting(on_rows):
            yield again
