"""`temperance fit` on rows that are read block by block: a temperature, cross-fitted."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING, Unpack

from temperance.calibrators import TemperatureScaling, fold_temperatures
from temperance.cli.calibration import Calibration, fit_warnings
from temperance.cli.measured import infinite_losses, measure_after, measure_blocks
from temperance.cli.rows import naming
from temperance.evaluate.pieces import OutOfFold
from temperance.metrics.estimates import Estimate
from temperance.refinement import RefinementSplit

if TYPE_CHECKING:
    from temperance.cli.block_rows import BlockRows
    from temperance.cli.measured import Settings
    from temperance.cli.rows import Rows
    from temperance.compare import Comparison

__all__ = ["calibrate_blocks"]

_FOLDS = 5


def calibrate_blocks(
    rows: BlockRows, test: Rows | BlockRows | None, *, prior: float, **settings: Unpack[Settings]
) -> Calibration:
    """Fit a temperature; measure on `test`, or on `rows` by fits without the fold of each."""
    calibrator, folds = _fitted(
        rows, prior=prior, n_folds=_FOLDS if test is None else 1, seed=settings["seed"]
    )
    floor = rows.rules.least.fixed
    if floor is not None and calibrator.record is not None:
        calibrator = replace(calibrator, record=replace(calibrator.record, floor=floor))
    if test is None:
        without = tuple(TemperatureScaling(temperature) for temperature in folds)
        out_of_fold = OutOfFold(without, settings["seed"])
        measured = measure_blocks(rows, out_of_fold, **settings)
        facts = measured.facts
        comparison = _with_split(measured.comparison, calibrator.temperature)
    else:
        with rows.digest() as digest:
            measured = measure_after(test, calibrator, **settings)
            facts = rows.facts(calibrator, sha256=digest())
        comparison = measured.comparison
    return Calibration(
        calibrator=calibrator,
        comparison=comparison,
        evaluated_on="cross-fitted" if test is None else "test",
        rows=facts,
        test=None if test is None else measured.facts,
        warnings=(
            *fit_warnings(calibrator, comparison),
            *infinite_losses(rows if test is None else test, comparison.evaluations["before"]),
            *(() if test is None else rows.warnings()),  # else they are among the measures'
            *measured.warnings,
        ),
    )


def _fitted(
    rows: BlockRows, *, prior: float, n_folds: int, seed: int
) -> tuple[TemperatureScaling, tuple[float, ...]]:
    """Return the calibrator, and where there are folds the temperature without each."""
    name = rows.file.path.name
    with naming(rows.source), rows.progress("fitting on") as again:
        to_fit = rows.to_fit(
            n_folds=n_folds,
            seed=seed,
            on_reading=lambda number: again(f"fitting on {name}, reading {number}"),
        )
        calibrator = TemperatureScaling.of_rows(to_fit, prior=prior)
        folds = fold_temperatures(to_fit, prior=prior) if n_folds > 1 else ()
    return calibrator, folds


def _with_split(comparison: Comparison, temperature: float) -> Comparison:
    """Say what of the log loss a temperature removes: the sides differ by cross-fitted ones."""
    before, after = comparison.evaluations["before"], comparison.evaluations["after"]
    gained = comparison.differences["after"].log_loss
    if not isfinite(before.log_loss.value):
        return comparison
    split = RefinementSplit(
        refinement=after.log_loss,
        calibration=Estimate(-gained.value, -gained.high, -gained.low),
        temperature=temperature,
    )
    missing = {name: why for name, why in before.left_out.items() if name != "refinement"}
    known = replace(before, refinement=split, left_out=missing)
    return replace(comparison, evaluations={**comparison.evaluations, "before": known})
