"""How many labels a report says are still needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from temperance.cli.console import progress
from temperance.errors import InvalidInputError, NoOptimumError
from temperance.plan import plan

if TYPE_CHECKING:
    from temperance.calibrators import TemperatureScaling
    from temperance.cli.rows import Rows
    from temperance.plan import Plan

__all__ = ["label_plan"]

_ROWS = 5000  # enough to know the confidences by


def label_plan(rows: Rows, calibrator: TemperatureScaling | None) -> Plan | None:
    """Return the numbers of labels, planned from 5,000 rows; None where they allow none."""
    logits, weights = rows.logits, rows.weights
    if rows.n > _ROWS:
        taken = np.sort(np.random.default_rng(0).choice(rows.n, _ROWS, replace=False))
        logits, weights = logits[taken], None if weights is None else weights[taken]
    if calibrator is not None:
        logits = calibrator.scale(logits, refuse_probs=False)
    pilot = None if calibrator is None else calibrator.record
    try:
        with progress("planning"):
            return plan(logits, weights=weights, pilot=pilot, refuse_probs=False)
    except (InvalidInputError, NoOptimumError):
        return None
