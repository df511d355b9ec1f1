"""`temperance fit`: from a file of outputs and labels to a calibrator, with proof."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from temperance.cli.console import Result
from temperance.cli.options import (
    COMPUTING,
    TEST_LABELS,
    BinsOption,
    DaskOption,
    EngineName,
    EngineOption,
    JsonOption,
    KindName,
    PoolName,
    QuickOption,
    ReportOption,
    ResamplesOption,
    SeedOption,
    TestLabelsOption,
)
from temperance.cli.reading_options import takes_reading
from temperance.defaults import N_RESAMPLES, QUICK_RESAMPLES
from temperance.errors import InvalidInputError
from temperance.file_formats import FILE_FORMATS, names_in_help

if TYPE_CHECKING:
    from temperance.rows.blocks import BlockRows
    from temperance.rows.memory import Rows
    from temperance.rows.reading import Reading

__all__ = ["fit"]


@takes_reading()
def fit(
    reading: Reading,
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
        typer.Option(
            "--prior",
            metavar="X",
            min=0.0,
            help="Pseudo-rows that say T = 1; 1 helps tiny data.",
            rich_help_panel=COMPUTING,
        ),
    ] = 0.0,
    pool: Annotated[
        PoolName,
        typer.Option("--pool", help="Of an ensemble: the mean of what.", rich_help_panel=COMPUTING),
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
    only_fit: Annotated[
        bool, typer.Option("--only-fit", help="Measure nothing: fit and save, as fast as it gets.")
    ] = False,
    test_labels: TestLabelsOption = None,
) -> Result:
    """Learn a calibrator from a file of outputs and labels.

    Prints measures before and after on rows that the fit has not seen: cross-fitted, or on TEST.
    Of 1 GiB and more, a temperature is fitted block by block, in little memory.
    """
    from temperance.blocks import connected
    from temperance.calibrators import PlattScaling, TemperatureScaling
    from temperance.cli.calibration import PRINTED, OnlyFit, finish
    from temperance.kernels.engines import preferring
    from temperance.rows.calibration import calibrate, calibrate_blocks
    from temperance.rows.reading import read_members
    from temperance.writers.place import check_writable

    check_writable(output, {".json"})
    if report is not None:
        check_writable(report, {".html", ".htm"})
    if method is None:
        answers = reading.kind == KindName.answers
        method = PlattScaling.method if answers else TemperatureScaling.method
    settings: dict[str, Any] = {
        "prior": prior,
        "n_bins": n_bins,
        "seed": seed,
        "n_resamples": QUICK_RESAMPLES if quick else n_resamples,
        "measures": None if as_json or report else PRINTED,
    }
    if only_fit and (test or report or method == "auto"):
        option = "--test" if test else "--report" if report else "--method auto"
        msg = f"`--only-fit` measures nothing, but {option} needs measures: leave one of them out."
        raise InvalidInputError(msg)
    if test and len(test) != len(cal):
        msg = f"`--test` must name a file per model: {len(cal)}, got {len(test)}."
        raise InvalidInputError(msg)
    with preferring(engine.value), nullcontext() if dask is None else connected(dask):
        test_of = partial(
            _test_rows, test, reading, labels=test_labels, method=method,
            on_cluster=dask is not None,
        )  # fmt: skip
        large = _large(cal, reading, method=method, on_cluster=dask is not None)
        if only_fit:
            if large is not None:
                only = OnlyFit.of_blocks(large, prior=prior, seed=seed)
            else:
                rows = read_members(cal, reading)
                only = OnlyFit.of(rows, method=method, prior=prior, pool=pool.value, seed=seed)
            return only.finish(output=output, model=model)
        if large is not None:
            calibration = calibrate_blocks(large, test_of(large), **settings)
        else:
            rows = read_members(cal, reading)
            calibration = calibrate(
                rows, test_of(rows), method=method, pool=pool.value, planned=report is not None,
                **settings,
            )  # fmt: skip
    return finish(calibration, output=output, report=report, model=model, files=cal)


def _large(cal: list[Path], reading: Reading, *, method: str, on_cluster: bool) -> BlockRows | None:
    """Return the rows of the fit where they stay in their file; None where they are read."""
    from temperance.calibrators import TemperatureScaling
    from temperance.rows.reading import large_rows

    if method == TemperatureScaling.method:
        return large_rows(cal, reading, on_cluster=on_cluster)
    if on_cluster:
        msg = f"`--dask` is for --method temperature, whose fit is sums over rows; got {method!r}."
        raise InvalidInputError(msg)
    return None


def _test_rows(
    test: list[Path] | None,
    reading: Reading,
    rows: Rows | BlockRows,
    *,
    labels: Path | None,
    method: str,
    on_cluster: bool,
) -> Rows | BlockRows | None:
    """Return the rows of the test, read or where they stay in their files; None without one."""
    from temperance.calibrators import METHODS
    from temperance.rows.calibration import check_test
    from temperance.rows.reading import large_rows, read_members

    if not test:
        return None
    of_test = reading.other_file(labels, of_model=rows.in_memory, labels_from=TEST_LABELS)
    large = None
    if method in METHODS and not METHODS[method].traits.groups:
        large = large_rows(test, of_test, on_cluster=on_cluster)
    test_rows: Rows | BlockRows
    if large is not None:
        test_rows = large.in_order(rows.classes)
    else:
        test_rows = read_members(test, of_test, like=rows)
    check_test(rows, test_rows)
    return test_rows
