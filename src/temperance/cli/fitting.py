"""Fit one method, or let the rows choose among all; score each row by a fit without it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from temperance.calibrators import (
    ANSWER_METHODS,
    LABEL_METHODS,
    METHODS,
    AnswerConfidence,
    Ensemble,
    GroupTemperatureScaling,
    Identity,
    MultilabelScaling,
    check_method,
    fit_entries,
    fit_method,
    out_of_fold_logits,
)
from temperance.cli.console import progress
from temperance.cli.rows import naming
from temperance.errors import InvalidInputError, NoOptimumError
from temperance.selection import BASE_RATE, SCORE_METHODS, LabelTrials, ScoreTrials, select_rows
from temperance.selection.choose import SIMPLEST_FIRST, Trials

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.calibrators import Calibrator, Pool, Training
    from temperance.checks.label_matrix import Entries
    from temperance.cli.rows import Rows
    from temperance.selection import Selection

__all__ = ["fit_rows"]

AUTO = "auto"


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
    if (rows.members is not None) != (method == Ensemble.method):
        msg = (
            f"`--method {Ensemble.method}` takes two files or more of the same rows, one per "
            "model, and other methods take one."
        )
        raise InvalidInputError(msg)
    if rows.entries is not None and method not in (*LABEL_METHODS, AUTO):
        msg = (
            f"`--method` must be one of {', '.join(LABEL_METHODS)} or {AUTO} for --kind "
            "multilabel: no change, one temperature for all labels, one per label, a slope and an "
            f"intercept per label, or the choice of the rows; got {method!r}."
        )
        raise InvalidInputError(msg)
    if rows.answers is not None and method not in (*ANSWER_METHODS, AUTO):
        msg = (
            f"`--method` must be one of {', '.join(ANSWER_METHODS)} or {AUTO} for --kind answers, "
            f"got {method!r}."
        )
        raise InvalidInputError(msg)
    if rows.answers is not None and method == Identity.method:
        rows.answers.refuse_identity()
    if rows.dense is not None and method == GroupTemperatureScaling.method:
        msg = (
            "`--method` must be one that takes outputs per pixel or token (--class-axis); "
            f"{method} does not."
        )
        raise InvalidInputError(msg)
    with naming(rows.source, rows.file_rows):
        if method == AUTO:
            fitted = _chosen(rows, prior, seed)
        else:
            fitted = _named(rows, method, prior, pool, out_of_fold=out_of_fold, seed=seed)
    fitted = replace(fitted, calibrator=_with_floor(fitted.calibrator, rows))
    if rows.entries is not None:
        return fitted.around(_of_labels(fitted.calibrator, rows, rows.entries))
    if rows.answers is not None:
        answers = AnswerConfidence.around(
            fitted.calibrator, rows.answers, labels=rows.labels, weights=rows.weights
        )
        return fitted.around(answers)
    if rows.ragged and fitted.calibrator.traits.any_width:
        return replace(fitted, calibrator=replace(fitted.calibrator, n_classes=None))
    return fitted


def _with_floor(calibrator: Calibrator, rows: Rows) -> Calibrator:
    """Return the calibrator with a record of what the probabilities were raised to."""
    record, floored = calibrator.record, rows.floored
    if record is None or floored is None:
        return calibrator
    known = replace(record, floor=floored.floor, n_floored=floored.probabilities)
    return replace(calibrator, record=known)


def _of_labels(inner: Calibrator, rows: Rows, entries: Entries) -> MultilabelScaling:
    """Return the map of (n, l) outputs of one fitted on their entries."""
    return MultilabelScaling.around(inner, entries, rows.weights, classes=rows.classes)


def _chosen(rows: Rows, prior: float, seed: int) -> Fitted:
    methods: list[str] | None = None
    if rows.answers is not None:
        methods = list(ANSWER_METHODS)
    elif rows.ragged:
        methods = [name for name, each in METHODS.items() if each.traits.any_width]
    trials_of: type[Trials] = Trials
    order: tuple[str, ...] = SIMPLEST_FIRST
    if rows.entries is not None:
        trials_of, order = LabelTrials, tuple(LABEL_METHODS)
    elif rows.answers is not None and not rows.answers.says_probabilities:
        trials_of, order, methods = ScoreTrials, SCORE_METHODS, None
    training = rows.training(prior=prior).require_learnable(zeros=True)
    with progress(f"choosing a method on {rows.outcomes.rows(rows.n)}"):
        selection, honest = select_rows(
            training, methods=methods, chosen=rows.answers is not None, seed=seed,
            trials_of=trials_of, order=order,
        )  # fmt: skip
    if selection.method == BASE_RATE:
        msg = (
            "No map of these scores has a smaller log loss than knowing only how often answers are "
            "right, on rows that it has not seen. More rows or another score may; or name a map "
            "(--method platt)."
        )
        raise NoOptimumError(msg, reason="worse-than-chance")
    return Fitted(selection.calibrator, honest, selection)


def _named(
    rows: Rows, method: str, prior: float, pool: Pool, *, out_of_fold: bool, seed: int
) -> Fitted:
    training = rows.training(prior=prior).require_learnable(zeros=METHODS[method].traits.zeros)

    def learn(weighed: Training) -> Calibrator:
        if rows.members is not None:
            return Ensemble.from_rows(weighed, pool=pool)
        if rows.entries is not None:
            return fit_entries(method, weighed)
        return fit_method(method, weighed)

    with progress(f"fitting on {rows.outcomes.rows(rows.n)}"):
        calibrator = learn(training)
    if not out_of_fold:
        return Fitted(calibrator, None)
    with progress("cross-fitting"):
        return Fitted(calibrator, out_of_fold_logits(training, learn, seed=seed))
