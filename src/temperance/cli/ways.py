"""Other ways of calibrating the rows of a fit, for its tables, JSON and report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.alternatives import (
    BIASED,
    UNBIASED,
    ClassBiases,
    calibrated_first,
    pooling_sides,
)
from temperance.calibrators import (
    BiasCorrectedTemperatureScaling,
    LabelPlattScaling,
    TemperatureScaling,
    fit_entries,
    out_of_fold_logits,
)
from temperance.comparison import Comparison, compare_rows, difference_cells
from temperance.crossfit import cross_fit
from temperance.errors import NoOptimumError
from temperance.metrics.resampling import QUICK_RESAMPLES
from temperance.show import Table, number_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from temperance.calibrators import Calibrator, Pool
    from temperance.cli.rows import Rows
    from temperance.evaluation import Evaluation
    from temperance.selection import Selection
    from temperance.shift import Diagnosis

    Array = NDArray[np.float64]
    Fit = Callable[[Array | None], Callable[[Rows], Array]]

__all__ = [
    "baseline_name",
    "class_biases_of",
    "compare_label_ways",
    "compare_pooling",
    "label_way_warnings",
    "label_ways_dict",
    "measure_table",
    "pooling_dict",
    "temperature_rows",
    "ways_table",
]

# What class biases there are, and what they gain over a temperature alone, for the report.


_MOST_CLASSES = 26  # letters; a picture of more says little


def class_biases_of(
    rows: Rows,
    test: Rows | None,
    calibrator: Calibrator,
    selection: Selection | None,
    after: NDArray[np.float64] | None,
    *,
    seed: int = 0,
) -> ClassBiases | None:
    """Return the biases where they were fitted, or tried; None elsewhere, or without an optimum.

    `after`: logits that the calibrator made of the measured rows, which it has not seen.
    """
    fitted = calibrator if isinstance(calibrator, BiasCorrectedTemperatureScaling) else None
    tried = set() if selection is None else {each.method for each in selection.tried}
    plain = not rows.ragged and rows.dense is None and rows.entries is None
    if not plain or rows.n_classes > _MOST_CLASSES:
        return None
    if fitted is None and BiasCorrectedTemperatureScaling.method not in tried:
        return None
    training, measured = rows.training(), test or rows
    try:
        if fitted is None:
            fitted = BiasCorrectedTemperatureScaling.from_rows(training)
        if selection is not None:  # `after` is of the choice, made anew without each fold
            after = _scaled(BiasCorrectedTemperatureScaling, rows, test, seed=seed)
        prior = 0.0 if fitted.record is None else fitted.record.prior
        alone = _scaled(TemperatureScaling, rows, test, prior=prior, seed=seed)
    except NoOptimumError:
        return None
    assert after is not None  # noqa: S101  (of the fitted calibrator, or just made)
    sides = {UNBIASED: measured.predictions(alone), BIASED: measured.predictions(after)}
    return ClassBiases.of(fitted, training, sides)


def _scaled(
    method: type[TemperatureScaling | BiasCorrectedTemperatureScaling],
    rows: Rows,
    test: Rows | None,
    *,
    prior: float = 0.0,
    seed: int,
) -> NDArray[np.float64]:
    """Return the logits of test rows, or of all rows by fits without them."""
    training = rows.training(prior=prior)
    if test is not None:
        return test.scaled_by(method.from_rows(training))
    return out_of_fold_logits(training, method.from_rows, seed=seed)


# Ways of pooling several models, side by side on the same rows.


def compare_pooling(
    rows: Rows,
    test: Rows | None,
    after: NDArray[np.float64] | None,
    *,
    pool: Pool,
    seed: int = 0,
) -> Comparison | None:
    """Compare the ensemble (`after`) with calibrating each member first, and with each member.

    On the test rows, or cross-fitted. None where a member has no temperature of its own.
    """
    measured = test or rows
    assert after is not None  # noqa: S101  (of test rows, or out of fold)
    try:
        others = None if test is None else test.require_members()
        first = calibrated_first(rows.training(), others, pool=pool, seed=seed)
    except NoOptimumError:
        return None
    members = dict(zip(rows.member_names, measured.require_members(), strict=True))
    sides = pooling_sides(after, first, measured.logits, members)
    predictions = {name: measured.predictions(logits) for name, logits in sides.items()}
    return compare_rows(predictions, n_resamples=QUICK_RESAMPLES)


def pooling_dict(comparison: Comparison) -> dict[str, Any]:
    """Return log loss and calibration error of each way, and its paired differences."""
    return {
        name: {
            "log_loss": evaluation.log_loss.to_dict(),
            "ece": evaluation.ece.to_dict(),
            "difference": None
            if name == comparison.baseline
            else comparison.differences[name].log_loss.to_dict(),
        }
        for name, evaluation in comparison.evaluations.items()
    }


# Ways to calibrate a label matrix, side by side: the map, a line per label, base rates alone.


BASE_RATES = "base rate of each label, without the model"
LINES = "slope and intercept per label"


def compare_label_ways(
    rows: Rows, test: Rows | None, after: NDArray[np.float64] | None, *, method: str, seed: int = 0
) -> Comparison | None:
    """Compare the calibrated rows (`after`, the first) with a line per label and with base rates.

    On the test rows, or cross-fitted; rows are held out with all their labels. None of other files
    than label matrices.
    """
    if rows.entries is None:
        return None
    assert after is not None  # noqa: S101  (of rows in memory)
    measured = test or rows
    sides = {method: measured.predictions(after)}
    ways: dict[str, Fit] = {BASE_RATES: lambda weights: _base_rates(rows, weights)}
    if method != LabelPlattScaling.method:
        ways[LINES] = lambda weights: _lines(rows, weights)
    for name, fit in ways.items():
        try:
            sides[name] = measured.predictions(_unseen(rows, test, fit, seed=seed))
        except NoOptimumError:
            continue
    return compare_rows(sides, n_resamples=QUICK_RESAMPLES)


def label_way_warnings(ways: Comparison | None) -> tuple[str, ...]:
    """Return what users should hear where a line per label, or no model at all, does better."""
    if ways is None:
        return ()
    own = ways.baseline
    losses = {name: number_text(each.log_loss.value) for name, each in ways.evaluations.items()}
    found = []
    if LINES in ways.differences and ways.differences[LINES].verdict("log_loss") == "better":
        found.append(
            f"{own} leaves a log loss of {losses[own]}; a slope and an intercept per label leave "
            f"{losses[LINES]}, for they can also move a label that is claimed too often or too "
            f"rarely: fit with --method {LabelPlattScaling.method}, or --method auto."
        )
    if BASE_RATES in ways.differences:
        against = ways.differences[BASE_RATES]
        if against.verdict("log_loss") == "better":
            found.append(
                f"after {own} the log loss of {losses[own]} is worse than that of no model: "
                f"knowing only how often each label applies would cost {losses[BASE_RATES]}."
            )
    return tuple(found)


def label_ways_dict(ways: Comparison) -> dict[str, Any]:
    """Return the log loss of each way, and its difference from the first."""
    return {
        name: {
            "log_loss": evaluation.log_loss.to_dict(),
            "difference": None
            if name == ways.baseline
            else ways.differences[name].log_loss.to_dict(),
        }
        for name, evaluation in ways.evaluations.items()
    }


def _unseen(rows: Rows, test: Rows | None, fit: Fit, *, seed: int) -> Array:
    """Return the logits of test rows, or of all rows by fits without them."""
    if test is not None:
        return fit(rows.weights)(test)

    def out_of_fold(weights: Array) -> Callable[[NDArray[np.bool_]], Array]:
        apply = fit(weights)
        return lambda held_out: apply(rows.taken(held_out))

    numbers = np.unique(rows.require_entries().groups, return_inverse=True)[1]
    return cross_fit(
        out_of_fold, rows.require_labels(), scores=(rows.logits, numbers),
        weights=rows.weights, clusters=rows.clusters, seed=seed,
    )  # fmt: skip


def _lines(rows: Rows, weights: Array | None) -> Callable[[Rows], Array]:
    fitted = fit_entries(LabelPlattScaling.method, rows.training().weighing(weights))
    return lambda others: others.scaled_by(fitted)


def _base_rates(rows: Rows, weights: Array | None) -> Callable[[Rows], Array]:
    """Return a map to the log-odds of how often each label applies, half a row added each way."""
    w = np.ones(rows.n) if weights is None else weights
    total, squares = float(w.sum()), float(w @ w)
    w = w * (total / squares)  # weights count by their ratios
    names, number = np.unique(rows.require_entries().groups, return_inverse=True)
    positive = np.bincount(number, w * rows.require_labels(), len(names)) + 0.5
    negative = np.bincount(number, w, len(names)) - positive + 1.0
    odds = dict(zip(names.tolist(), np.log(positive / negative).tolist(), strict=True))
    rarest = min(odds.values())  # of a label that the fit has no row of

    def apply(others: Rows) -> Array:
        of_label = others.group_names
        assert of_label is not None  # noqa: S101  (names of labels)
        z = np.array([odds.get(str(name), rarest) for name in of_label.tolist()])
        return np.stack([np.zeros_like(z), z], axis=1)

    return apply


# The short table that `fit` prints; the long ones belong to `Evaluation` and `Comparison`.


_MEASURES = {"log_loss": "log loss", "brier": "Brier score", "ece": "ECE", "accuracy": "accuracy"}
_BY_CHANCE = "  by chance"  # the ECE that chance alone would show
_HOW = {
    "cross-fitted": "cross-fitted: every {one} scored by a fit on other rows",
    "test": "of the test file",
    "given": "as given",
}


def measure_table(comparison: Comparison, *, evaluated_on: str, calibrator: Calibrator) -> Table:
    """Before, after, and their paired difference with its 95 % interval."""
    before, after = comparison.evaluations["before"], comparison.evaluations["after"]
    differences = comparison.differences["after"]
    rows: list[tuple[str, ...]] = []
    for name, shown in _MEASURES.items():
        rows.append(
            (
                shown,
                number_text(getattr(before, name).value),
                number_text(getattr(after, name).value),
                *difference_cells(differences, name),
            )
        )
        if name == "ece":
            rows.append((_BY_CHANCE, _at_most(before), _at_most(after), "", ""))
    return Table(
        columns=(
            "",
            baseline_name(calibrator).replace("-", " "),
            "after",
            "difference (95 %)",
            "verdict",
        ),
        rows=tuple(rows),
        caption=f"{before.outcomes.extent(before.n)}, {_how(before, evaluated_on)}",
        words=frozenset({4}),
    )


def _how(evaluation: Evaluation, evaluated_on: str) -> str:
    """Return how rows, answers or entries were measured."""
    outcomes = evaluation.outcomes
    return _HOW[evaluated_on].format(one=outcomes.one)


def baseline_name(calibrator: Calibrator) -> str:
    """Return what "before" is: of scores that claim no probability, the base rate."""
    return "before" if calibrator.reads_probabilities else "base-rate"


def _at_most(evaluation: Evaluation) -> str:
    return f"<= {number_text(evaluation.ece_null.high)}"


def ways_table(comparison: Comparison, *, caption: str = "") -> Table:
    """One row per way: its log loss, ECE and accuracy, and its paired log loss difference."""
    rows = []
    for name, evaluation in comparison.evaluations.items():
        cells = ("", "")
        if name != comparison.baseline:
            cells = difference_cells(comparison.differences[name], "log_loss")
        values = (evaluation.log_loss.value, evaluation.ece.value, evaluation.accuracy.value)
        rows.append((name, *(number_text(value) for value in values), *cells))
    return Table(
        ("", "log loss", "ECE", "accuracy", "log loss less the first (95 %)", "verdict"),
        tuple(rows),
        caption=caption,
        words=frozenset({5}),
    )


def temperature_rows(found: Diagnosis) -> Table:
    """The temperatures of a shift, each with its interval."""
    names = {
        "of the reference": found.reference,
        "of new rows": found.refitted,
        "of the reference, weighed to look like new rows": found.weighted,
    }
    rows = []
    for name, scaling in names.items():
        if scaling is not None and scaling.record is not None:
            low, high = scaling.record.interval()
            rows.append((name, f"{scaling.temperature:.4f}", f"{low:.4g} to {high:.4g}"))
    return Table(("temperature", "T", "95 %"), tuple(rows))
