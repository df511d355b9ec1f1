"""The page for people who read nothing else: whether 85 % is really 85 %."""

from temperance.report.decisions import (
    ThresholdContent,
    render_cascade,
    render_threshold,
    write_cascade,
    write_threshold,
)
from temperance.report.findings import headline, split_sentence
from temperance.report.html import (
    ReportContent,
    render_comparison,
    render_report,
    write_comparison,
    write_report,
)
from temperance.report.shift import render_shift, write_shift

__all__ = [
    "ReportContent",
    "ThresholdContent",
    "headline",
    "render_cascade",
    "render_comparison",
    "render_report",
    "render_shift",
    "render_threshold",
    "split_sentence",
    "write_cascade",
    "write_comparison",
    "write_report",
    "write_shift",
    "write_threshold",
]
