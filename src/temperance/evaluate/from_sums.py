"""The evaluation of merged sums."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from temperance.checks.contradictions import one_label
from temperance.evaluate.block_sums import EVENT_BRIER, EVENT_LOG
from temperance.evaluate.evaluation import Evaluation
from temperance.metrics.all_errors import ERROR_NAMES, calibration_error_of
from temperance.metrics.base_rates import base_rates_of_counts
from temperance.metrics.cells import MOST_CLASSES, ClassErrors, EventSums
from temperance.metrics.enough_events import Events
from temperance.metrics.estimates import mean_estimate, score_estimate, share_estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from temperance.evaluate.block_sums import EvaluationSums
    from temperance.metrics.cells import ProbabilityGrid
    from temperance.metrics.class_table import ClassResult
    from temperance.metrics.estimates import CalibrationError, Draws
    from temperance.metrics.isotonic import Score

__all__ = ["measured_of"]

_NO_SPLIT = "needs temperatures fitted on other rows: fit one, and evaluate with it and without"
_NO_PARTS = "needs every row's probability of every class in order"
_MANY = "{k:,} classes; sums per class and bin are made of up to {most:,}"


def measured_of(
    sums: EvaluationSums, grid: ProbabilityGrid, *, k: int, n_resamples: int, seed: int, side: int
) -> tuple[Evaluation, dict[str, Draws]]:
    """Return the evaluation of merged sums, and the draws that differences need.

    What sums do not hold is named in `left_out`. Sides that are compared have draws of their own,
    independent of each other: the difference is then no surer than it looks.
    """
    doubt = sums.means.squared_weight / sums.means.weight**2
    source = [seed, 8 + side]  # of random numbers
    top = EventSums("top-label", sums.top_label, grid, n_resamples, source, doubt)
    event = top
    if sums.class_one is not None:
        event = EventSums(1, sums.class_one, grid, n_resamples, source, doubt)
    means: dict[Score, float] = {
        "brier": sums.means.mean(EVENT_BRIER),
        "log": sums.means.mean(EVENT_LOG),
    }
    corp, log_parts, corp_draws = event.corp(means)
    classes = None
    if sums.classes is not None:
        classes = ClassErrors(sums.classes, k, grid.n_bins, n_resamples, seed, doubt)
    drawn = top.errors() | {"flattened": sums.flattened.draws(k, n_resamples, doubt, seed=source)}
    errors = _errors(drawn, classes)
    events = Events.of_sums(sums.n, sums.means, sums.tests.joint, accuracy=2, confidence=3)
    tests = events.allowed(
        sums.tests.tests(k, event.name, ece=errors["ece"], miscalibration=corp.miscalibration)
    )
    log_loss = score_estimate(sums.means, 0, sums.implied, 0, highest=inf)
    brier = score_estimate(sums.means, 1, sums.implied, 1, highest=2.0)
    evaluation = Evaluation(
        n=sums.n,
        n_classes=k,
        log_loss=log_loss,
        brier=brier,
        accuracy=share_estimate(sums.means, 2),
        confidence=mean_estimate(sums.means, 3, bounds=(0.0, 1.0)),
        errors=errors,
        refinement=None,
        corp=corp,
        log_parts=log_parts,
        brier_parts=None,
        tests=tests,
        reliability=top.reliability(),
        classes=() if classes is None else classes.table(),
        groups=(),
        zero_probability_labels=sums.zero_probability_labels,
        n_clusters=None,
        n_bins=grid.n_bins,
        n_resamples=n_resamples,
        seed=seed,
        left_out=_left_out(errors, k),
        tied_rows=sums.tied_rows,
        tie_neutral_accuracy=min(
            max(sums.means.mean(2) + sums.tie_gain / sums.means.weight, 0.0), 1.0
        ),
        base_rates=base_rates_of_counts(sums.class_weight, 1.0 / doubt, log_loss, brier),
        weak_calibration=sums.tests.line.weak_calibration(1) if k == 2 else None,
        grid_error={**top.errors_off(), "miscalibration": event.miscalibration_off()},
        notes=() if classes is None else _notes(classes.table(), sums.n),
    )
    return evaluation, {**drawn, **corp_draws}


def _notes(classes: Sequence[ClassResult], n: int) -> tuple[str, ...]:
    """Return what the counts of the labels say: which one fills all rows."""
    present = [each.number for each in classes if each.n]
    return (one_label(present[0], n=n),) if len(present) == 1 and n > 1 else ()


def _errors(drawn: dict[str, Draws], classes: ClassErrors | None) -> dict[str, CalibrationError]:
    found = {name: calibration_error_of(name, each) for name, each in drawn.items()}
    if classes is not None:
        found["classwise"] = classes.classwise()
        found["top_label_conditional"] = classes.by_top_label()
    return {name: found[name] for name in ERROR_NAMES if name in found}


def _left_out(errors: dict[str, CalibrationError], k: int) -> dict[str, str]:
    """Return what `evaluate` gives and sums do not, with the reason."""
    reasons = {"refinement": _NO_SPLIT, "brier_parts": _NO_PARTS}
    missing = [name for name in ERROR_NAMES if name not in errors]
    if missing:
        missing.append("classes")
    return reasons | {name: _MANY.format(k=k, most=MOST_CLASSES) for name in missing}
