"""What a terminal shows while rows are read: which part, how fast, how long still."""

import sys
from io import StringIO

import pytest

from temperance.blocks import report_rows, report_step, report_work, reporting_work
from temperance.cli import console


class Terminal(StringIO):
    """A terminal that keeps what was written to it."""

    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    return Terminal()


@pytest.mark.parametrize(
    ("n", "counts", "states"),
    [
        (200, [50, 50, 100], ["25 %", "50 %", "100 %"]),
        (
            200,
            [200, 100, 100, 1],
            ["100 %", "reading 2, 50 %", "reading 2, 100 %", "reading 3, 0 %"],
        ),
        (3, [1, 1, 1], ["33 %", "67 %", "100 %"]),
        (None, [50, 1500], ["50 rows", "1,550 rows"]),
    ],
)
def test_a_reading_in_words(n, counts, states):
    """Never more rows than there are: a fit reads the same ones again."""
    reading = console.RowProgress(n)
    assert [reading.after(count).partition(" (")[0] for count in counts] == states


def test_time_left_is_of_this_reading(monkeypatch):
    """25 of 100 rows in one second: three more seconds."""
    times = iter([0.0, 1.0])
    monkeypatch.setattr(console, "monotonic", lambda: next(times))
    assert console.RowProgress(100).after(25) == "25 % (25 rows/s, 3 seconds left)"


def test_a_terminal_sees_how_far_it_is(terminal, monkeypatch):
    """Rows of the first reading, then of another text; the line is gone at the end."""
    monkeypatch.setattr(sys, "stderr", terminal)
    with console.progress("fitting on a.npz", rows=400) as again:
        report_rows(100)
        again("measuring")
        report_rows(400)
    written = terminal.getvalue()
    assert "fitting on a.npz" in written
    assert "measuring" in written
    assert "100 %" in written


def test_a_terminal_sees_what_the_library_works_on(terminal, monkeypatch):
    """The library names the work and its rows; the command line shows them."""
    monkeypatch.setattr(sys, "stderr", terminal)
    with report_work("reading a.npz"):
        assert terminal.getvalue() == ""  # nobody listens
    with reporting_work(console.progress), report_work("reading b.npz", rows=4) as again:
        report_rows(4)
        again("measuring")
        report_rows(2)
    written = terminal.getvalue()
    assert all(each in written for each in ("reading b.npz", "measuring", "50 %"))
    assert "a.npz" not in written


def test_steps_are_shown_in_percent(terminal, monkeypatch):
    """Of steps that are no rows: how many, which part, and the time left."""
    monkeypatch.setattr(console, "_SHOWN_EVERY", -1.0)
    monkeypatch.setattr(sys, "stderr", terminal)
    with console.progress("measuring"):
        for number in range(1, 4):
            report_step("testing groups", number, 4)
    assert "75%, 3 of 4" in terminal.getvalue()


def test_no_terminal_sees_nothing(monkeypatch):
    """In a log, a line that is written over and over would be noise."""
    monkeypatch.setattr(sys, "stderr", StringIO())
    with console.progress("fitting", rows=10):
        report_rows(10)
    assert sys.stderr.getvalue() == ""
