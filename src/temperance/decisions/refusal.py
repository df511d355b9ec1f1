"""Why rows do not support a promise, and how many labels would."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from temperance.decisions.abstention import percent
from temperance.decisions.search import first_tried, labels_needed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from temperance.decisions.abstention import Promise
    from temperance.decisions.rows import DecisionRows
    from temperance.decisions.search import Target

__all__ = ["reason", "refusal"]


def reason(rows: DecisionRows, target: Target, group: str | None) -> str:
    """Say why no threshold keeps the risk, and how many labels would let one."""
    fewest, grid = target.fewest(rows.n), target.grid
    loosest = int(np.count_nonzero(rows.confidence >= grid[-1]))
    if loosest < fewest:
        why = (
            f"it takes at least {fewest:,} accepted rows, none of them wrong, and there are "
            f"{loosest:,}"
        )
    else:
        first = float(grid[first_tried(rows.confidence, target) or 0])
        chosen = rows.confidence >= first
        best, wrong = int(np.count_nonzero(chosen)), int(np.count_nonzero(rows.wrong & chosen))
        why = (
            f"of the {best:,} most confident rows (>= {first:g}) {wrong:,} "
            f"{'is' if wrong == 1 else 'are'} wrong, {percent(wrong / best)}"
        )
    needed = labels_needed(rows.confidence, rows.wrong, target)
    if needed is None:
        return (
            f"{why}. No number of labels would do: no threshold's risk lies below the target here"
        )
    of = "" if group is None else " of this group"
    if rows.clustered:
        of += ", each of another cluster,"
    if target.kept == 1.0:
        return f"{why}. About {needed:,} labelled rows{of} would do, as these go (power 80 %)"
    labelled = ceil(needed / target.kept)
    return (
        f"{why}. About {labelled:,} labelled rows{of} would do, as these go (power 80 %): "
        f"{needed:,} of them for the threshold, the others for the fit"
    )


def refusal(promises: Sequence[Promise], target: Target, confidence: float) -> str:
    """Return the message of rows that allow no promise at all."""
    goal = (
        f"`max_risk` (--max-risk) {target.max_risk:g} cannot be promised with "
        f"{percent(confidence)} confidence"
    )
    if target.min_coverage is not None:
        goal += f" at a coverage of {percent(target.min_coverage)}"
    first = max(promises, key=lambda each: each.outcome.n)
    if first.group is None:
        return f"{goal}: {first.reason}. Or allow a larger risk."
    return (
        f"{goal} for any of {len(promises)} groups; in the largest, {first.group!r}, "
        f"{first.reason}. Or make one promise for all rows, without `groups` (--per-group)."
    )
