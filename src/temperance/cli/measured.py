"""What to say of rows that were measured, and which rows a test may not hold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from temperance.alignment import column_order
from temperance.calibrators import interval_of
from temperance.cli.reading import BlockRows
from temperance.cli.rows import Rows, naming
from temperance.errors import InvalidInputError
from temperance.printable import count_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.calibrators import Calibrator
    from temperance.evaluation import Evaluation

__all__ = ["check_test", "infinite_losses", "interval_warnings"]


def interval_warnings(calibrator: Calibrator, rows: Rows) -> tuple[str, ...]:
    """Return a warning if the interval of a temperature takes each row as a draw of its own."""
    if rows.clusters is None or calibrator.counts_clusters or interval_of(calibrator) is None:
        return ()
    method = calibrator.method
    return (f"the interval of T of {method} counts rows, not clusters: it is too narrow.",)


def infinite_losses(
    rows: Rows | BlockRows,
    evaluation: Evaluation,
    logits: NDArray[np.float64] | None = None,
    *,
    name: str | None = None,
) -> tuple[str, ...]:
    """Return a warning where true classes have probability 0, which names rows in memory.

    `logits` are the ones evaluated, and `name` whose, where these are not the rows' own.
    """
    count = evaluation.zero_probability_labels
    if not count:
        return ()
    which = rows.impossible_rows(logits)
    outcomes = evaluation.outcomes
    has = "has" if count == 1 else "have"
    told = f"{outcomes.rows(count)} {has} {outcomes.impossible}{which}"
    return (f"{name or rows.source}: {told}: the log loss is infinite.",)


def check_test(rows: Rows | BlockRows, test: Rows | BlockRows) -> None:
    """Refuse test rows that are the fit's, or of other classes."""
    if _same(rows, test):
        msg = (
            f"`--test` must hold other rows than the fit's, but {test.source} is the "
            f"same as {rows.source}. Leave --test out: the measures are then cross-fitted."
        )
        raise InvalidInputError(msg)
    if not rows.ragged and not test.ragged and test.n_classes != rows.n_classes:
        msg = (
            f"{test.source}: has {count_text(test.n_classes, 'class', 'classes')}, but "
            f"{rows.source} has {rows.n_classes}."
        )
        raise InvalidInputError(msg)
    with naming(test.source):
        column_order(test.classes, rows.classes, whose=rows.source)


def _same(rows: Rows | BlockRows, test: Rows | BlockRows) -> bool:
    """Whether bytes are the same; of large files, whether their path is."""
    if isinstance(rows, Rows) and isinstance(test, Rows):
        return rows.sha256 == test.sha256
    return Path(rows.source).resolve() == Path(test.source).resolve()
