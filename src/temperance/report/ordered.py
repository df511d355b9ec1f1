"""Ordered levels in the report: how far off, and whether "at most this level" is calibrated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.plots import CalibrationCurvesDisplay
from temperance.plots.curves import MOST_CURVES
from temperance.report.tables import svg
from temperance.show import number_text, percent_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from temperance.metrics.estimates import Estimate
    from temperance.metrics.ordinal import LevelEvent, OrdinalMeasures
    from temperance.report.tables import Cell

__all__ = ["OrderedLevels", "ordered_section"]

_MEASURES = (
    ("ranked_probability_score", "Ranked probability score",
     ("Squared distance of the cumulative probabilities from the true level; a miss by two levels "
     "costs more than one by one. 0 is best.")),
    ("within_one_accuracy", "Within one level",
     "Share of rows whose most probable level is at most one from the true one. 1 is best."),
    ("cumulative_calibration_error", "Calibration error of the levels",
     ("Mean gap of claim and truth of \u201cat most this level\u201d, over the levels. 0 is best; "
     "chance alone makes it larger.")),
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class OrderedLevels:
    """What is measured of the levels on one side: before or after calibration."""

    measures: OrdinalMeasures
    events: tuple[LevelEvent, ...]


def ordered_section(levels: Mapping[str, OrderedLevels]) -> dict[str, Any] | None:
    """Return tables and pictures, a side each; None where classes are no levels."""
    if not levels:
        return None
    several = len(levels) > 1
    first = next(iter(levels.values()))
    return {
        "sides": list(levels),
        "n_levels": first.measures.n_levels,
        "measures": [
            {
                "name": name,
                "meaning": meaning,
                "values": [
                    (number_text(getattr(each.measures, key)), "", "") for each in levels.values()
                ],
            }
            for key, name, meaning in _MEASURES
        ],
        "figures": [
            _figure(each.events, side if several else None, number)
            for number, (side, each) in enumerate(levels.items())
        ],
        "drawn": min(len(first.events), MOST_CURVES),
        "events": [
            {
                "level": event.level,
                "true": _share(event.frequency),
                "sides": [_cells(each.events[number]) for each in levels.values()],
            }
            for number, event in enumerate(first.events)
        ],
    }


def _share(estimate: Estimate) -> Cell:
    """Return a share in percent with its interval."""
    low, high = (f"{100.0 * end:.1f}" for end in (estimate.low, estimate.high))
    return f"{100.0 * estimate.value:.1f}\u00a0%", f"{low} to {high}\u00a0%", ""


def _cells(event: LevelEvent) -> tuple[str, str]:
    """Return what is claimed, and the calibration error."""
    claimed = percent_text(event.probability, 1).replace(" ", "\u00a0")
    return claimed, number_text(event.error)


def _figure(events: tuple[LevelEvent, ...], side: str | None, number: int) -> str:
    """Draw a curve per level; of many levels as many as one picture holds, evenly chosen."""
    places = np.unique(np.linspace(0, len(events) - 1, MOST_CURVES).round().astype(int))
    display = CalibrationCurvesDisplay(
        {f"at most {events[i].level}": events[i].curve for i in places},
        name=side,
        event_name="a level of at most this",
    )
    return svg(display.plot(), f"ordered-{number}")
