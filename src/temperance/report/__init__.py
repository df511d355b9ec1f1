"""The page for people who read nothing else: whether 85 % is really 85 %.

Importing this package loads nothing: each name loads its part when it is first used, and what draws
(matplotlib, Jinja) with the pages.
"""

from typing import TYPE_CHECKING

from temperance.loading import loading

if TYPE_CHECKING:
    from temperance.report.commands import Files
    from temperance.report.comparison import render_comparison, write_comparison
    from temperance.report.decisions import (
        ThresholdContent,
        render_cascade,
        render_threshold,
        write_cascade,
        write_threshold,
    )
    from temperance.report.findings import headline, split_sentence
    from temperance.report.html import ReportContent, render_report, write_report
    from temperance.report.monitor import render_monitor, write_monitor
    from temperance.report.ordered import OrderedLevels
    from temperance.report.planning import render_plan, write_plan
    from temperance.report.policy import (
        BandsContent,
        PolicyContent,
        render_policy,
        write_policy,
    )
    from temperance.report.shift import render_shift, write_shift

_PARTS = {  # part -> its public names
    "commands": ("Files",),
    "comparison": ("render_comparison", "write_comparison"),
    "decisions": (
        "ThresholdContent",
        "render_cascade",
        "render_threshold",
        "write_cascade",
        "write_threshold",
    ),
    "findings": ("headline", "split_sentence"),
    "html": ("ReportContent", "render_report", "write_report"),
    "monitor": ("render_monitor", "write_monitor"),
    "ordered": ("OrderedLevels",),
    "planning": ("render_plan", "write_plan"),
    "policy": ("BandsContent", "PolicyContent", "render_policy", "write_policy"),
    "shift": ("render_shift", "write_shift"),
}

__all__ = [
    "BandsContent",
    "Files",
    "OrderedLevels",
    "PolicyContent",
    "ReportContent",
    "ThresholdContent",
    "headline",
    "render_cascade",
    "render_comparison",
    "render_monitor",
    "render_plan",
    "render_policy",
    "render_report",
    "render_shift",
    "render_threshold",
    "split_sentence",
    "write_cascade",
    "write_comparison",
    "write_monitor",
    "write_plan",
    "write_policy",
    "write_report",
    "write_shift",
    "write_threshold",
]


__getattr__ = loading(
    __name__, {name: f"{__name__}.{part}" for part, names in _PARTS.items() for name in names}
)
