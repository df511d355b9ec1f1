"""Which rows a temperature per group does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.calibrators import GroupTemperatureScaling

if TYPE_CHECKING:
    from temperance.calibrators import Calibrator
    from temperance.cli.rows import Rows

__all__ = ["group_warnings"]

_SHOWN = 5


def group_warnings(calibrator: Calibrator, rows: Rows) -> tuple[str, ...]:
    """Return what to say of rows that get the pooled temperature, where groups have their own."""
    if not isinstance(calibrator, GroupTemperatureScaling):
        return ()
    pooled = f"get the pooled temperature, {calibrator.temperature:.4g}"
    names = rows.group_names
    if names is None:
        return (f"{rows.source} has no groups (--group-column): all rows {pooled}.",)
    unseen = calibrator.unseen(names)
    if not unseen:
        return ()
    more = ", ..." if len(unseen) > _SHOWN else ""
    return (
        f"groups not seen in the fit: {', '.join(unseen[:_SHOWN])}{more}. Their rows {pooled}.",
    )
