"""What to say where rows belong together and intervals are rough all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.calibrators import interval_of
from temperance.cli.fitting import counts_clusters

if TYPE_CHECKING:
    from temperance.calibrators import Calibrator
    from temperance.cli.rows import Rows

__all__ = ["cluster_warnings", "interval_warnings"]

_FEW = 8  # from here on 95 % intervals held the truth in .92 to .98 of samples (docs/method.md)


def cluster_warnings(rows: Rows) -> tuple[str, ...]:
    """Return a warning if intervals rest on a few clusters."""
    if rows.clusters is None:
        return ()
    count = int(rows.clusters.max()) + 1
    if count >= _FEW:
        return ()
    what = "rows" if rows.entries is not None else "clusters (rows that belong together)"
    msg = (
        f"{rows.source} has only {count} {what}: intervals from so few are rough, and only more of "
        "them, not more rows of each, narrow them."
    )
    return (msg,)


def interval_warnings(calibrator: Calibrator, rows: Rows) -> tuple[str, ...]:
    """Return a warning if the interval of a temperature takes each row as a draw of its own."""
    if rows.clusters is None or counts_clusters(calibrator) or interval_of(calibrator) is None:
        return ()
    method = calibrator.method
    return (f"the interval of T of {method} counts rows, not clusters: it is too narrow.",)
