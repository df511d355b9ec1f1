"""Label matrices in the report: each label's line, and what other ways leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from temperance.calibrators import LabelPlattScaling, MultilabelScaling
from temperance.calibrators.label_platt import number_cells
from temperance.report.ways import way_tables

if TYPE_CHECKING:
    from temperance.report.content import ReportContent

__all__ = ["label_section"]

_MOST = 100
_MEASURES = ("log_loss", "ece")


def label_section(content: ReportContent) -> dict[str, Any] | None:
    """Return lines and tables; None of other calibrators."""
    scaling, ways = content.calibrator, content.label_ways
    if not isinstance(scaling, MultilabelScaling):
        return None
    lines = scaling.inner if isinstance(scaling.inner, LabelPlattScaling) else None
    if lines is None and ways is None:
        return None
    return {
        "lines": None if lines is None else _lines(lines),
        "tables": [] if ways is None else way_tables(ways, measures=_MEASURES),
    }


def _lines(lines: LabelPlattScaling) -> dict[str, Any]:
    shown = lines.farthest[:_MOST]
    return {
        "slope": f"{lines.slope:.4g}",
        "intercept": f"{lines.intercept:.4g}",
        "rows": [
            {
                "name": name,
                "slope": number_cells(lines.slopes[name], lines.slope_intervals.get(name)),
                "intercept": number_cells(
                    lines.intercepts[name], lines.intercept_intervals.get(name)
                ),
                "note": "few events: near the common line" if name in lines.few_events else "",
            }
            for name in shown
        ],
        "more": len(lines.slopes) - len(shown),
    }
