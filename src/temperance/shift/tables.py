"""Class frequencies then and now, as a table and as columns of a data frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.show import Table, interval_text, number_text, p_text

if TYPE_CHECKING:
    from temperance.shift.label_shift_result import LabelShift

__all__ = ["prior_columns", "prior_table"]

_MOST_ROWS = 20


def prior_table(shift: LabelShift) -> Table:
    """One row per class; of more than 20 classes those that moved most."""
    k = len(shift.priors)
    intervals = shift.interval()
    shown = np.arange(k)
    if k > _MOST_ROWS:
        moved = np.abs(shift.priors - shift.source_priors)
        shown = np.sort(np.argsort(-moved, kind="stable")[:_MOST_ROWS])
    rows = tuple(
        (
            _name(shift, c),
            number_text(float(shift.source_priors[c])),
            number_text(float(shift.priors[c])),
            interval_text(*map(float, intervals[c])),
            _word(shift, intervals[c], c),
        )
        for c in shown.tolist()
    )
    of = f", the {_MOST_ROWS} of {k} classes that moved most" if k > _MOST_ROWS else ""
    test = shift.test.reason or f"no change: {p_text(shift.p_value)}"
    caption = f"{shift.n:,} new rows, without their labels{of}; {test}"
    columns = ("class", "source", "new", "95 %", "")
    return Table(columns, rows, caption=caption, words=frozenset({4}))


def prior_columns(shift: LabelShift) -> dict[str, list[Any]]:
    """Return the columns of a data frame, one row per class."""
    low, high = shift.interval().T.tolist()
    return {
        "class": [_name(shift, c) for c in range(len(shift.priors))],
        "source": shift.source_priors.tolist(),
        "new": shift.priors.tolist(),
        "low": low,
        "high": high,
        "standard_error": shift.to_dict()["standard_errors"],
        "on_boundary": shift.on_boundary.tolist(),
    }


def _name(shift: LabelShift, c: int) -> str:
    return shift.classes[c] if shift.classes else str(c)


def _word(shift: LabelShift, interval: np.ndarray, c: int) -> str:
    """Return "more" or "fewer" where the interval leaves the source's frequency out.

    Not where the test of all classes finds nothing: of ten intervals one in twenty errs, too.
    """
    low, high = interval
    if shift.unchanged or low <= shift.source_priors[c] <= high:
        return ""
    return "more" if shift.priors[c] > shift.source_priors[c] else "fewer"
