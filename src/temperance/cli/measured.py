"""Measure rows before and after a calibrator, in memory or block by block."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import numpy as np

from temperance.alignment import column_order
from temperance.calibrators import interval_of
from temperance.cli.console import progress
from temperance.cli.fitting import counts_clusters
from temperance.cli.reading import BlockRows
from temperance.cli.rows import Rows, naming
from temperance.comparison import compare_blocks, compare_rows
from temperance.errors import InvalidInputError
from temperance.evaluation import evaluate_blocks, evaluate_rows
from temperance.printable import count_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.calibrators import Calibrator
    from temperance.cli.rows import RowFacts
    from temperance.comparison import Comparison
    from temperance.evaluation import Evaluation
    from temperance.evaluation.pieces import OutOfFold

__all__ = [
    "Settings",
    "check_test",
    "cluster_warnings",
    "infinite_losses",
    "interval_warnings",
    "measure_after",
    "measure_blocks",
    "measure_raw",
    "measure_scaled",
]

# What to say where rows belong together and intervals are rough all the same.


_FEW = 8  # from here on 95 % intervals held the truth in .92 to .98 of samples (docs/numbers.md)


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


_SHOWN = 5  # rows named in a line


class Settings(TypedDict):
    """How rows are measured."""

    n_bins: int
    n_resamples: int
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """The measures of a file's rows, and what is said about them."""

    comparison: Comparison
    facts: RowFacts
    warnings: tuple[str, ...]
    after: NDArray[np.float64] | None = None  # calibrated logits, of rows in memory


def measure_after(
    rows: Rows | BlockRows, calibrator: Calibrator, **settings: Unpack[Settings]
) -> Measured:
    """Measure rows as they are and after a calibrator that has not seen them."""
    if isinstance(rows, BlockRows):
        rows.check_fits(calibrator, "the calibrator")
        return measure_blocks(rows, calibrator, **settings)
    with progress(f"applying to {rows.outcomes.rows(rows.n)}"):
        after = rows.scaled_by(calibrator)
    return measure_scaled(rows, after, **settings)


def measure_scaled(
    rows: Rows, after: NDArray[np.float64], **settings: Unpack[Settings]
) -> Measured:
    """Measure rows in memory as they are, and their calibrated logits."""
    with progress("measuring"):
        sides = {"before": rows.predictions(rows.unchanged), "after": rows.predictions(after)}
        comparison = compare_rows(sides, groups=rows.named_groups, **settings)
    return Measured(comparison, rows.facts, row_warnings(rows), after)


def measure_blocks(
    rows: BlockRows,
    after: Calibrator | OutOfFold,
    **settings: Unpack[Settings],
) -> Measured:
    """Measure a large file before and after, in one reading beside that of the digest."""
    sides = {"before": None, "after": after}
    with rows.digest() as digest, naming(rows.source), rows.progress("measuring"):
        comparison = compare_blocks(
            rows.source_of_blocks,
            sides,
            classes=rows.classes,
            refuse_probs=rows.refuse_probs,
            **settings,
        )
        facts = rows.facts(comparison.evaluations["before"], sha256=digest())
    return Measured(comparison, facts, row_warnings(rows))


def measure_raw(
    rows: Rows | BlockRows, **settings: Unpack[Settings]
) -> tuple[Evaluation, RowFacts]:
    """Measure rows as they are."""
    if not isinstance(rows, BlockRows):
        with progress("measuring"):
            evaluation = evaluate_rows(rows.predictions(), groups=rows.named_groups, **settings)
        return evaluation, rows.facts
    with rows.digest() as digest, naming(rows.source), rows.progress("measuring"):
        evaluation = evaluate_blocks(
            rows.source_of_blocks, kind="logits", classes=rows.classes,
            refuse_probs=rows.refuse_probs, **settings,
        )  # fmt: skip
        return evaluation, rows.facts(evaluation, sha256=digest())


def row_warnings(rows: Rows | BlockRows) -> tuple[str, ...]:
    """Return what users should hear about rows that were measured."""
    if isinstance(rows, BlockRows):
        return rows.warnings()
    return (*rows.notes, *cluster_warnings(rows))


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
    which = ""
    if isinstance(rows, Rows) and rows.file_rows is not None:
        own = rows.logits if logits is None else logits
        labels = rows.require_labels()
        found = np.flatnonzero(np.isneginf(own[np.arange(len(own)), labels]))
        shown = ", ".join(f"{rows.file_rows[row] + 1:,}" for row in found[:_SHOWN])
        more = ", ..." if count > _SHOWN else ""
        which = f" ({'row' if count == 1 else 'rows'} {shown}{more}, counted from 1)"
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
