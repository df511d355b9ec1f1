"""Class frequencies then and now: the rows of a table, and a picture of up to twenty classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from temperance.metrics.estimates import Estimate
from temperance.plots import FrequencyDisplay
from temperance.report.page import svg
from temperance.report.tables import estimate_cell
from temperance.show import number_text

if TYPE_CHECKING:
    from temperance.report.tables import Cell
    from temperance.shift import LabelShift, Transfer

__all__ = ["frequency_picture", "frequency_rows"]

_MOST = 20


def frequency_rows(found: Transfer) -> list[tuple[str, str, Cell, Cell | None, str]]:
    """Return name, reference, new, counted (with labels) and a word; of many, what moved most."""
    shift = found.frequencies
    estimates = _estimates(shift)
    shown = np.arange(len(estimates))
    if len(shown) > _MOST:
        moved = np.abs(shift.priors - shift.source_priors)
        shown = np.argsort(-moved, kind="stable")[:_MOST]
    counted = None
    if found.comparison is not None:
        counted = next(iter(found.comparison.evaluations.values())).classes
    return [
        (
            _name(shift, c),
            number_text(float(shift.source_priors[c])),
            estimate_cell(estimates[c]),
            None if counted is None else estimate_cell(counted[c].frequency),
            "" if shift.unchanged else _word(estimates[c], float(shift.source_priors[c])),
        )
        for c in shown.tolist()
    ]


def frequency_picture(shift: LabelShift) -> str:
    """Return the picture; "" of more than twenty classes."""
    if len(shift.priors) > _MOST:
        return ""
    names = [_name(shift, c) for c in range(len(shift.priors))]
    display = FrequencyDisplay.from_frequencies(
        dict(zip(names, shift.source_priors.tolist(), strict=True)),
        dict(zip(names, _estimates(shift), strict=True)),
    )
    return svg(display, "frequencies")


def _estimates(shift: LabelShift) -> list[Estimate]:
    """Return each frequency with its interval, all in [0, 1]."""
    ends = shift.interval().clip(0.0, 1.0)
    values = shift.priors.clip(0.0, 1.0)
    return [
        Estimate(value, min(low, value), max(high, value))
        for value, (low, high) in zip(values.tolist(), ends.tolist(), strict=True)
    ]


def _name(shift: LabelShift, c: int) -> str:
    return shift.classes[c] if shift.classes else str(c)


def _word(estimate: Estimate, before: float) -> str:
    if estimate.low <= before <= estimate.high:
        return ""
    return "more often" if estimate.value > before else "less often"
