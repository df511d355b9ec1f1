"""How many labels a report says are still needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from temperance.calibrators import TemperatureRecord
from temperance.cli.console import progress
from temperance.errors import InvalidInputError, NoOptimumError
from temperance.plan import plan

if TYPE_CHECKING:
    from temperance.calibrators import Calibrator
    from temperance.cli.rows import Rows
    from temperance.plan import Plan

__all__ = ["label_plan"]

_ROWS = 5000  # enough to know the confidences by


def label_plan(rows: Rows, calibrator: Calibrator | None) -> Plan | None:
    """Return the numbers of labels, planned from 5,000 rows; None where they allow none."""
    logits = rows.logits if calibrator is None else rows.scaled_by(calibrator)
    weights = rows.weights
    if rows.n > _ROWS:
        taken = np.sort(np.random.default_rng(0).choice(rows.n, _ROWS, replace=False))
        logits, weights = logits[taken], None if weights is None else weights[taken]
    record = None if calibrator is None else calibrator.record
    pilot = record if isinstance(record, TemperatureRecord) else None
    try:
        with progress("planning"):
            return plan(logits, weights=weights, pilot=pilot, refuse_probs=False)
    except (InvalidInputError, NoOptimumError):
        return None
