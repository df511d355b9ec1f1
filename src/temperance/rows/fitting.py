"""Fit one method, or let the rows choose among all; score each row by a fit without it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from temperance.alignment import column_order
from temperance.blocks import report_work
from temperance.calibrators import METHODS, check_method, out_of_fold_logits
from temperance.errors import InvalidInputError, NoOptimumError
from temperance.printable import count_text
from temperance.rows.layouts import AUTO
from temperance.rows.memory import naming
from temperance.selection import BASE_RATE, select_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from temperance.calibrators import Calibrator, Pool, Training
    from temperance.rows.blocks import BlockRows
    from temperance.rows.memory import Rows
    from temperance.selection import Selection

__all__ = ["Fitted", "check_test", "fit_rows"]


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A calibrator, and its rows' logits calibrated by fits that had not seen them."""

    calibrator: Calibrator
    out_of_fold: NDArray[np.float64] | None  # (n, k); None where other rows will be measured
    selection: Selection | None = None

    def around(self, calibrator: Calibrator) -> Fitted:
        """Return the same with the map of the file's own outputs in place of its inner one."""
        selection = self.selection
        if selection is not None:
            selection = replace(selection, calibrator=calibrator)
        return replace(self, calibrator=calibrator, selection=selection)


def fit_rows(
    rows: Rows,
    *,
    method: str,
    prior: float,
    out_of_fold: bool,
    pool: Pool = "linear",
    seed: int = 0,
) -> Fitted:
    """Fit the method on all rows, and where asked also on each fold's other rows."""
    check_method(method, prior=prior, also=(AUTO,))
    rows.layout.check_method(method)
    with naming(rows.source, rows.file_rows):
        training = rows.training(prior=prior)
        if method == AUTO:
            fitted = _select(rows, training, seed)
        else:
            fitted = _fit_method(rows, training, method, pool, out_of_fold=out_of_fold, seed=seed)
    inner = _with_floor(fitted.calibrator, rows)
    return fitted.around(rows.layout.around(inner, training, rows.classes))


def _with_floor(calibrator: Calibrator, rows: Rows) -> Calibrator:
    """Return the calibrator with a record of what the probabilities were raised to."""
    record, floored = calibrator.record, rows.floored
    if record is None or floored is None:
        return calibrator
    known = replace(record, floor=floored.floor, n_floored=floored.probabilities)
    return replace(calibrator, record=known)


def _select(rows: Rows, training: Training, seed: int) -> Fitted:
    training = training.require_learnable(zeros=True)
    with report_work(f"choosing a method on {rows.outcomes.rows(rows.n)}", rows=rows.n):
        selection, honest = select_rows(training, seed=seed, **rows.layout.choice()._asdict())
    if selection.method == BASE_RATE:
        msg = (
            "No map of these scores has a smaller log loss than knowing only how often answers are "
            "right, on rows that it has not seen. More rows or another score may; or name a map: "
            '`method="platt"` (--method platt).'
        )
        raise NoOptimumError(msg, reason="worse-than-chance")
    return Fitted(selection.calibrator, honest, selection)


def _fit_method(
    rows: Rows, training: Training, method: str, pool: Pool, *, out_of_fold: bool, seed: int
) -> Fitted:
    training = training.require_learnable(zeros=METHODS[method].traits.zeros)
    learn = partial(rows.layout.learn, method, pool=pool)
    with report_work(f"fitting on {rows.outcomes.rows(rows.n)}", rows=rows.n):
        calibrator = learn(training)
    if not out_of_fold:
        return Fitted(calibrator, None)
    with report_work("cross-fitting", rows=rows.n):
        return Fitted(calibrator, out_of_fold_logits(training, learn, seed=seed))


# Which rows may measure a fit.


def check_test(rows: Rows | BlockRows, test: Rows | BlockRows) -> None:
    """Refuse test rows that are the fit's, or of other classes."""
    if _same(rows, test):
        msg = (
            f"`test` (--test) must hold other rows than the fit's, but {test.source} is the "
            f"same as {rows.source}. Leave it out: the measures are then cross-fitted."
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
    own, other = rows.in_memory, test.in_memory
    if own is not None and other is not None:
        return own.sha256 == other.sha256
    return Path(rows.source).resolve() == Path(test.source).resolve()
