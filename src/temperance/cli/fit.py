"""`temperance fit`: from a file of outputs and labels to a calibrator, with proof."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Unpack

import typer

from temperance.blocks import connected
from temperance.calibrators import METHODS, PlattScaling, TemperatureScaling, fold_temperatures
from temperance.cli.calibration import Calibration, calibrate, finish, fit_warnings
from temperance.cli.measured import check_test, infinite_losses
from temperance.cli.members import read_members
from temperance.cli.options import (
    BinsOption,
    DaskOption,
    EngineName,
    EngineOption,
    JsonOption,
    PoolName,
    QuickOption,
    ReportOption,
    ResamplesOption,
    SeedOption,
    TestLabelsOption,
)
from temperance.cli.reading import BlockRows
from temperance.cli.reading_options import Reading, takes_reading
from temperance.cli.rows import Rows, naming
from temperance.errors import InvalidInputError
from temperance.evaluation.pieces import OutOfFold
from temperance.evaluation.refinement import RefinementSplit
from temperance.file_formats import FILE_FORMATS, names_in_help
from temperance.kernels.engines import preferring
from temperance.metrics.estimates import Estimate
from temperance.metrics.resampling import N_RESAMPLES, QUICK_RESAMPLES
from temperance.writers import check_writable

if TYPE_CHECKING:
    from temperance.cli.rows import Settings
    from temperance.comparison import Comparison

__all__ = ["fit"]

# `temperance fit` on rows that are read block by block: a temperature, cross-fitted.


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
        measured = rows.measure_cross_fitted(out_of_fold, **settings)
        facts = measured.facts
        comparison = _with_split(measured.comparison, calibrator.temperature)
    else:
        with rows.digest() as digest:
            measured = test.measure_after(calibrator, **settings)
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


@takes_reading()
def fit(
    cal: Annotated[
        list[Path],
        typer.Argument(
            metavar="CAL...",
            help="Logits or probabilities with labels, unseen in training; of an ensemble one "
            f"file per model. Formats: {names_in_help(FILE_FORMATS)}, and folders of them "
            f"({names_in_help(each for each in FILE_FORMATS if each.scores_only)} with --labels); "
            "with --format what language models answered.",
        ),
    ],
    test: Annotated[
        list[Path] | None,
        typer.Option(
            "--test", metavar="TEST", help="Measure on this file instead of cross-fitting."
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            "--method",
            metavar="NAME",
            help="A calibrator (`temperance methods` lists them), or auto: the rows choose. "
            "Default: temperature; of answers platt.",
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE.json", help="Where the calibrator goes.")
    ] = Path("calibrator.json"),
    report: ReportOption = None,
    prior: Annotated[
        float,
        typer.Option("--prior", min=0.0, help="Pseudo-rows that say T = 1; 1 helps tiny data."),
    ] = 0.0,
    pool: Annotated[
        PoolName, typer.Option("--pool", help="Of an ensemble: the mean of what.")
    ] = PoolName.linear,
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="Recorded in the calibrator.")
    ] = None,
    engine: EngineOption = EngineName.auto,
    dask: DaskOption = None,
    n_bins: BinsOption = 15,
    n_resamples: ResamplesOption = N_RESAMPLES,
    quick: QuickOption = False,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
    test_labels: TestLabelsOption = None,
    reading: Reading = Reading(),  # noqa: B008  (a frozen value; options take its place)
) -> None:
    """Learn a calibrator from a file of outputs and labels.

    Prints measures before and after on rows that the fit has not seen: cross-fitted, or on TEST.
    Of 1 GiB and more, a temperature is fitted block by block, in little memory.
    """
    check_writable(output, {".json"})
    if report is not None:
        check_writable(report, {".html", ".htm"})
    reading = reading.of_answers()
    if method is None:
        method = TemperatureScaling.method if reading.answers is None else PlattScaling.method
    settings: dict[str, Any] = {
        "prior": prior,
        "n_bins": n_bins,
        "seed": seed,
        "n_resamples": QUICK_RESAMPLES if quick else n_resamples,
    }
    if test and len(test) != len(cal):
        msg = f"`--test` must name a file per model: {len(cal)}, got {len(test)}."
        raise InvalidInputError(msg)
    with preferring(engine.value), connected(dask):
        rows, test_rows = _read(
            cal, test, reading, test_labels=test_labels, method=method,
            on_cluster=dask is not None,
        )  # fmt: skip
        if isinstance(rows, BlockRows):
            done = calibrate_blocks(rows, test_rows, **settings)
        else:
            done = calibrate(
                rows, test_rows, method=method, pool=pool.value, planned=report is not None,
                **settings,
            )  # fmt: skip
    finish(done, output=output, report=report, as_json=as_json, model=model)


def _read(
    cal: list[Path],
    test: list[Path] | None,
    reading: Reading,
    *,
    test_labels: Path | None,
    method: str,
    on_cluster: bool,
) -> tuple[Rows | BlockRows, Rows | BlockRows | None]:
    """Read the rows of the fit and of the test, or open them where they stay in their files."""
    rows: Rows | BlockRows | None = None
    if method == TemperatureScaling.method:
        rows = BlockRows.of(cal, reading, on_cluster=on_cluster)
    elif on_cluster:
        msg = f"`--dask` is for --method temperature, whose fit is sums over rows; got {method!r}."
        raise InvalidInputError(msg)
    rows = rows or read_members(cal, reading)
    if not test:
        return rows, None
    model = rows if isinstance(rows, Rows) else None
    of_test = reading.other_file(test_labels, of_model=model)
    test_rows: Rows | BlockRows | None = None
    if method in METHODS and not METHODS[method].traits.groups:
        test_rows = BlockRows.of(test, of_test, on_cluster=on_cluster)
    if isinstance(test_rows, BlockRows):
        test_rows = test_rows.in_order(rows.classes)
    else:
        test_rows = read_members(test, of_test, like=rows)
    check_test(rows, test_rows)
    return rows, test_rows
