"""One temperature per group in the report: a table, a picture, and who was too small."""

from __future__ import annotations

from math import exp, log
from typing import TYPE_CHECKING, Any

from temperance.calibrators import (
    GroupTemperatureRecord,
    GroupTemperatureScaling,
    MultilabelScaling,
    ends_text,
)
from temperance.metrics.estimates import Estimate
from temperance.plots import TemperatureDisplay
from temperance.printable import count_text
from temperance.report.page import svg

if TYPE_CHECKING:
    from temperance.calibrators import Calibrator
    from temperance.calibrators.shrinkage import Part

__all__ = ["group_section"]

_MOST = 30
_SMALL = 20  # names of groups that are too small


def group_section(calibrator: Calibrator | None) -> dict[str, Any] | None:
    """Return what the report shows of the groups' temperatures; None of other methods."""
    scaling = calibrator.inner if isinstance(calibrator, MultilabelScaling) else calibrator
    if calibrator is None or not isinstance(scaling, GroupTemperatureScaling):
        return None
    record = calibrator.record
    parts = record.groups if isinstance(record, GroupTemperatureRecord) else {}
    pooled = scaling.temperature

    def farthest(name: str) -> tuple[float, int, str]:
        n = parts[name].n if name in parts else 0
        return -abs(log(scaling.temperatures[name] / pooled)), -n, name

    shown = sorted(scaling.temperatures, key=farthest)[:_MOST]
    estimates = {name: _estimate(scaling.temperatures[name], parts.get(name)) for name in shown}
    small = [
        f"{name} ({count_text(parts[name].n, 'row')})" if name in parts else name
        for name in scaling.small_groups
    ]
    return {
        "what": "label" if scaling is not calibrator else "group",
        "pooled": f"{pooled:.4g}",
        "factor": f"{exp(scaling.spread):.3g}" if scaling.spread else "",
        "known": bool(parts),
        "rows": [_row(name, estimates[name], parts.get(name), pooled) for name in shown],
        "more": len(scaling.temperatures) - len(shown),
        "small": small[:_SMALL],
        "more_small": len(small) - len(small[:_SMALL]),
        "figure": _forest(estimates, pooled) if scaling.spread else "",
    }


def _row(name: str, estimate: Estimate, part: Part | None, pooled: float) -> dict[str, str]:
    """Return one group; shrunk is by how much of its distance it was moved to the pooled T."""
    row = {"name": name, "value": f"{estimate.value:.4f}", "n": "", "alone": "", "interval": "",
           "shrunk": ""}  # fmt: skip
    if part is None:
        return row
    row["n"] = f"{part.n:,}"
    row["alone"] = "none" if part.alone is None else f"{part.alone:.4f}"
    if part.interval is not None:
        row["interval"] = ends_text(*part.interval)
    if part.alone is not None and part.alone != pooled:
        kept = log(estimate.value / pooled) / log(part.alone / pooled)
        row["shrunk"] = f"{1.0 - min(max(kept, 0.0), 1.0):.0%}".replace("%", "\u00a0%")
    return row


def _estimate(temperature: float, part: Part | None) -> Estimate:
    low, high = (temperature, temperature) if part is None or not part.interval else part.interval
    return Estimate(temperature, min(low, temperature), max(high, temperature))


def _forest(estimates: dict[str, Estimate], pooled: float) -> str:
    ordered = dict(sorted(estimates.items(), key=lambda item: item[1].value))
    return svg(TemperatureDisplay.from_temperatures(ordered, pooled=pooled), "groups")
