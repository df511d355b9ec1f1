"""The table of a selection: what the terminal, a notebook and the report show."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from temperance.printable import count_text
from temperance.select.candidates import OF_ZEROS
from temperance.show import Table, interval_text, number_text

if TYPE_CHECKING:
    from temperance.select.selection import Candidate, Selection

__all__ = ["not_tried", "selection_cells", "selection_frame", "selection_table", "unchanged_text"]


# What the reader knows of the data; the JSON lists all reasons.
_OBVIOUS = {
    "for two classes",
    "needs groups",
    "needs two groups",
    "two classes: platt says the same",
    OF_ZEROS,  # said in a sentence of its own
}


def selection_table(selection: Selection) -> Table:
    """One row per candidate, the simplest first; the chosen one is marked."""
    return Table(
        (
            "method",
            "",
            "log loss",
            f"less {unchanged_text(selection)} (95 %)",
            "behind the best",
            "note",
        ),
        tuple(selection_cells(selection)),
        caption=(
            f"{count_text(selection.n, *selection.calibrator.unit)}, cross-fitted in "
            f"{selection.n_folds} folds; the simplest map within one standard error of the best "
            f"is chosen. {not_tried(selection)}"
        ),
        words=frozenset({1, 5}),
    )


def selection_cells(selection: Selection) -> list[tuple[str, ...]]:
    """Return the cells of the table: method, mark, log loss, gain, distance to the best, note."""
    return [
        (
            each.method,
            "chosen" if each.method == selection.method else "",
            *_cells(each, first=each is selection.candidates[0]),
            _note(each),
        )
        for each in selection.tried
    ]


def unchanged_text(selection: Selection) -> str:
    """Return what every map must beat: doing nothing, or of scores the base rate."""
    return "doing nothing" if selection.candidates[0].method == "identity" else "base rate"


def not_tried(selection: Selection) -> str:
    """Return the methods that might have been tried, with reasons; "" if there are none."""
    reasons = [
        f"{each.method} ({each.left_out})"
        for each in selection.candidates
        if each.left_out and each.left_out not in _OBVIOUS
    ]
    return f"Not tried: {'; '.join(reasons)}." if reasons else ""


def selection_frame(selection: Selection) -> dict[str, list[Any]]:
    """Return the columns of a data frame of all candidates."""
    names = (
        "method", "log_loss", "low", "high", "difference", "difference_low", "difference_high",
        "behind", "behind_standard_error", "prior", "left_out", "chosen",
    )  # fmt: skip
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for each in selection.candidates:
        loss, gap = (
            (None, None, None) if found is None else (found.value, found.low, found.high)
            for found in (each.log_loss, each.difference)
        )
        values = (
            each.method, *loss, *gap, each.behind, each.behind_standard_error, each.prior,
            each.left_out, each.method == selection.method,
        )  # fmt: skip
        for name, value in zip(names, values, strict=True):
            columns[name].append(value)
    return columns


def _note(each: Candidate) -> str:
    if each.no_optimum:
        return f"with a prior; a part of the rows has no optimum ({each.no_optimum})"
    return "with a prior" if each.prior else ""


def _cells(each: Candidate, *, first: bool) -> tuple[str, str, str]:
    if each.log_loss is None or each.difference is None or each.behind is None:
        return "", "", ""
    gap, error = each.difference, each.behind_standard_error or 0.0
    less = ""
    if not first:
        interval = interval_text(gap.low, gap.high, sign=True)
        less = f"{number_text(gap.value, sign=True)} ({interval})"
    behind = number_text(each.behind) if each.behind else ""
    if behind and isfinite(each.behind):
        behind += f" (± {number_text(error)})"
    return number_text(each.log_loss.value), less, behind
