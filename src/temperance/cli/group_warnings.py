"""Which rows a temperature per group does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from temperance.calibrators import GroupTemperatureScaling
from temperance.printable import count_text

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
    warnings = []
    none = int(np.count_nonzero(names == ""))
    if none:
        which = f"{count_text(none, 'row')} of {rows.source} without a group"
        warnings.append(f"{which}: they {pooled}.")
    if unseen := calibrator.unseen(names):
        more = ", ..." if len(unseen) > _SHOWN else ""
        shown = f"{', '.join(unseen[:_SHOWN])}{more}"
        warnings.append(f"groups not seen in the fit: {shown}. Their rows {pooled}.")
    return tuple(warnings)
