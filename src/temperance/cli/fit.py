"""`temperance fit`: from a file of outputs and labels to a calibrator, with proof."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from temperance.calibrators import METHODS, TemperatureScaling
from temperance.cli.block_rows import BlockRows
from temperance.cli.calibration import calibrate, finish
from temperance.cli.large_fit import calibrate_blocks
from temperance.cli.llm_options import takes_llm_formats
from temperance.cli.measured import check_test
from temperance.cli.members import read_members
from temperance.cli.options import (
    BinsOption,
    ClassAxis,
    ClusterColumn,
    EngineName,
    EngineOption,
    GroupColumn,
    IdColumn,
    IgnoreLabel,
    JsonOption,
    KindOption,
    LabelColumn,
    LabelsOption,
    LogitsColumn,
    PoolName,
    ProbsColumn,
    QuickOption,
    ReportOption,
    ResamplesOption,
    SeedOption,
    WeightColumn,
)
from temperance.cli.rows import Rows
from temperance.errors import InvalidInputError
from temperance.kernels.engines import preferring
from temperance.metrics.resampling import N_RESAMPLES, QUICK_RESAMPLES
from temperance.readers import Fields, LlmFormat
from temperance.writers import check_writable

__all__ = ["fit"]


@takes_llm_formats
def fit(
    cal: Annotated[
        list[Path],
        typer.Argument(
            metavar="CAL...",
            help="Logits or probabilities with labels, unseen in training; of an ensemble one "
            "file per model.",
        ),
    ],
    test: Annotated[
        list[Path] | None,
        typer.Option(
            "--test", metavar="TEST", help="Measure on this file instead of cross-fitting."
        ),
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            "--method",
            metavar="NAME",
            help="A calibrator (`temperance methods` lists them), or auto: the rows choose.",
        ),
    ] = "temperature",
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
    n_bins: BinsOption = 15,
    n_resamples: ResamplesOption = N_RESAMPLES,
    quick: QuickOption = False,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
    kind: KindOption = None,
    labels: LabelsOption = None,
    test_labels: Annotated[
        Path | None,
        typer.Option(
            "--test-labels",
            metavar="FILE",
            help="Labels of TEST from another file.",
            rich_help_panel="How files are read",
        ),
    ] = None,
    ignore_label: IgnoreLabel = None,
    class_axis: ClassAxis = None,
    label_column: LabelColumn = None,
    weight_column: WeightColumn = None,
    group_column: GroupColumn = None,
    cluster_column: ClusterColumn = None,
    id_column: IdColumn = None,
    logits_column: LogitsColumn = None,
    probs_column: ProbsColumn = None,
    llm: LlmFormat | None = None,
) -> None:
    """Learn a calibrator from a file of outputs and labels.

    Prints measures before and after on rows that the fit has not seen: cross-fitted, or on TEST.
    Reads .npz, .npy (with --labels), .csv, .tsv, .parquet, .arrow, .jsonl, and folders of them, and
    with --format what language models answered. Of 1 GiB and more, a temperature is fitted block by
    block, in little memory.
    """
    check_writable(output, {".json"})
    if report is not None:
        check_writable(report, {".html", ".htm"})
    fields = Fields(
        label_column,
        weight_column,
        group_column,
        id_column,
        logits_column,
        probs_column,
        cluster_column,
    )
    reading: dict[str, Any] = {
        "kind": kind, "fields": fields, "ignore_label": ignore_label, "class_axis": class_axis,
        "llm": llm,
    }  # fmt: skip
    settings: dict[str, Any] = {
        "prior": prior,
        "n_bins": n_bins,
        "seed": seed,
        "n_resamples": QUICK_RESAMPLES if quick else n_resamples,
    }
    if test and len(test) != len(cal):
        msg = f"`--test` must name a file per model: {len(cal)}, got {len(test)}."
        raise InvalidInputError(msg)
    of_blocks = method == TemperatureScaling.method
    large = BlockRows.of(cal, labels=labels, **reading) if of_blocks else None
    rows: Rows | BlockRows = large or read_members(cal, labels=labels, **reading)
    test_rows: Rows | BlockRows | None = None
    if test:
        if method in METHODS and not METHODS[method].traits.groups:
            test_rows = BlockRows.of(test, labels=test_labels, **reading)
        test_rows = test_rows or read_members(test, labels=test_labels, **reading)
        check_test(rows, test_rows)
    with preferring(engine.value):
        if isinstance(rows, BlockRows):
            done = calibrate_blocks(rows, test_rows, **settings)
        else:
            done = calibrate(
                rows, test_rows, method=method, pool=pool.value, planned=report is not None,
                **settings,
            )  # fmt: skip
    finish(done, output=output, report=report, as_json=as_json, model=model)
