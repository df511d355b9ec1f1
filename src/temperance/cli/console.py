"""Where things are printed: results on stdout, progress and notes on stderr."""

from __future__ import annotations

import codecs
import json
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

import typer

from temperance.cli.process import by_options, recorded_warnings
from temperance.printable import as_json_text, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from rich.console import Console

    from temperance.gates import Gated
    from temperance.show import Table

__all__ = [
    "Headline",
    "Result",
    "note",
    "print_json",
    "print_table",
    "print_text",
    "progress",
]


class Headline(str):
    """A text that is printed in bold."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What a command returns: its JSON, and its texts and tables; only what is printed is made."""

    content: Callable[[], dict[str, Any]]
    shown: Callable[[], Iterable[str | Table]]
    warnings: Iterable[str] = ()
    files: Mapping[str, Path | None] = field(default_factory=dict)  # written, by what they hold
    notes: tuple[str, ...] = ()  # for people alone
    gates: Sequence[Gated] = ()

    def print(self, *, as_json: bool) -> None:
        """Print one JSON object, or what people read; warnings and files come last in both.

        Then how each gate ended, on stderr; exit code 1 where one did not pass.
        """
        self._print(as_json=as_json)
        for gate in self.gates:
            note(gate.in_words(of_command=True))
        if not all(gate.passed for gate in self.gates):
            raise typer.Exit(1)

    def _print(self, *, as_json: bool) -> None:
        if as_json:
            paths = {name: path and str(path) for name, path in self.files.items()}
            with progress("measuring"):  # what is printed may be computed now
                content = self.content()
            print_json({**content, "warnings": list(self.warnings), **paths})
            return
        with progress("measuring"):
            shown = list(self.shown())
        for each in shown:
            if isinstance(each, str):
                print_text(each, bold=isinstance(each, Headline))
            else:
                print_table(each)
        for warning in self.warnings:
            note(f"warning: {warning}")
        for each in self.notes:
            note(each)
        file_lines = [f"{name}: {path}" for name, path in self.files.items() if path is not None]
        if file_lines:
            print_text("   ".join(file_lines))


def print_text(text: str, *, bold: bool = False) -> None:
    """Print lines of text on stdout; what a terminal would obey in a name is escaped."""
    _stdout().print(printable(text, keep="\n"), style="bold" if bold else None)


def print_table(table: Table) -> None:
    """Print a table as wide as it is: a narrow terminal breaks its lines, and nothing is cut."""
    from rich.measure import Measurement

    console, shown = _stdout(), table.to_rich()
    natural = Measurement.get(console, console.options.update(max_width=10_000), shown).maximum
    console.width = max(natural, console.width)
    console.print(shown, crop=False)


def print_json(content: dict[str, Any]) -> None:
    """Print one JSON object on stdout, and nothing else: valid UTF-8 in every locale.

    Its `warnings` speak of options, as on stderr, and name files without their folders.
    """
    if "warnings" in content:
        content = {**content, "warnings": list(recorded_warnings(content["warnings"]))}
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
    utf8 = codecs.lookup(sys.stdout.encoding or "utf-8").name == "utf-8"
    print(as_json_text(text, ascii_only=not utf8))  # noqa: T201


def note(message: str) -> None:
    """Print a line about the result on stderr."""
    print(printable(by_options(message)), file=sys.stderr)  # noqa: T201


def _stdout() -> Console:
    """Return the console for results; plain text where stdout is no terminal."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False, soft_wrap=not sys.stdout.isatty())


_SHOWN_EVERY = 0.2  # seconds
_FIRST_SLICE = 2.0  # seconds of steps that the time left is judged by
_SLOW = 30.0  # seconds left that are announced


@contextmanager
def progress(what: str, rows: int | None = None) -> Iterator[Callable[[str], None]]:
    """Show `what`, the rows read so far and their speed, while the `with` runs.

    Where the number of `rows` is known, also which part of them is done, in which reading (a fit
    reads them a few times), and the time that is left of it. What the `with` gives begins again
    with another text, for another reading of the same rows. Only where stderr is a terminal; the
    line is gone when the work is done. Steps that will take more than half a minute are announced
    by a line of their own, terminal or not.
    """
    from temperance.blocks import reporting

    cost = _Cost()
    if not sys.stderr.isatty():
        with reporting(lambda _: None, cost.of_step):
            yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.fields[state]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(printable(what), total=None, state="")
        reading = RowProgress(rows)

        def on_rows(count: int) -> None:
            bar.update(task, state=reading.after(count))

        def on_step(now: str, count: int, total: int) -> None:
            if not cost.of_step(now, count, total):
                return
            left = time_text(cost.left(count, total))
            state = f"{count / total:.0%}, {count:,} of {total:,}, {left} left"
            bar.update(task, description=printable(now), state=state)

        def again(now: str) -> None:
            reading.begin()
            bar.update(task, description=printable(now), state="")

        with reporting(on_rows, on_step):
            yield again


class RowProgress:
    """How far the rows are read, in words: of n rows, which may be read more than once."""

    def __init__(self, n: int | None) -> None:
        self._n = n
        self.begin()

    def begin(self) -> None:
        """Start again with the first row."""
        self._n_rows, self._start = 0, monotonic()

    def after(self, count: int) -> str:
        """Return the state after so many more rows.

        >>> reading = RowProgress(200)
        >>> [reading.after(50).partition(" (")[0] for _ in range(2)]
        ['25 %', '50 %']
        """
        self._n_rows += count
        speed = self._n_rows / max(monotonic() - self._start, 1e-9)
        if not self._n:
            return f"{self._n_rows:,} rows ({speed:,.0f}/s)"
        before, within = divmod(self._n_rows - 1, self._n)  # the last row of a reading ends it
        part = (within + 1) / self._n
        number = f"reading {before + 1}, " if before else ""
        left = time_text((self._n - within - 1) / speed)
        return f"{number}{100.0 * part:.0f} % ({speed:,.0f} rows/s, {left} left)"


class _Cost:
    """How long steps of one kind will take, judged by the first of them."""

    def __init__(self) -> None:
        self._what, self._start, self._shown, self._announced = "", 0.0, 0.0, False

    def of_step(self, what: str, count: int, total: int) -> bool:
        """Note a step; announce slow ones once. Whether it is time to show how far they are."""
        now = monotonic()
        if what != self._what:
            self._what, self._start, self._shown, self._announced = what, now, now, False
        if now - self._shown < _SHOWN_EVERY or count == total:
            return False
        self._shown = now
        left = self.left(count, total)
        if not self._announced and now - self._start >= _FIRST_SLICE and left >= _SLOW:
            self._announced = True
            note(
                f"{what}: {count:,} of {total:,} done, about {time_text(left)} left.{_faster(what)}"
            )
        return True

    def left(self, count: int, total: int) -> float:
        """Return the seconds that the other steps will take."""
        return (monotonic() - self._start) * (total - count) / count


def time_text(seconds: float) -> str:
    """Return a time as a person says it: 40 seconds, 3 minutes, 2 hours."""
    for unit, size in (("hour", 3600.0), ("minute", 60.0)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.0f} {unit}s"
    return f"{seconds:.0f} seconds"


def _faster(what: str) -> str:
    return " --quick takes 200 resamples." if what.startswith("measuring") else ""
