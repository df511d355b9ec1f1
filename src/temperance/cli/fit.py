"""`temperance fit`: from a file of outputs and labels to a calibrator, with proof."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from temperance.cli.calibration import calibrate, finish
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
from temperance.errors import InvalidInputError
from temperance.kernels.engines import preferring
from temperance.metrics.resampling import N_RESAMPLES, QUICK_RESAMPLES
from temperance.readers import Fields
from temperance.writers import check_writable

__all__ = ["fit"]


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
) -> None:
    """Learn a calibrator from a file of outputs and labels.

    Prints measures before and after on rows that the fit has not seen: cross-fitted, or on TEST.
    Reads .npz, .npy (with --labels), .csv, .tsv, .parquet, .arrow and .jsonl.
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
    reading = {
        "kind": kind, "fields": fields, "ignore_label": ignore_label, "class_axis": class_axis,
    }  # fmt: skip
    rows = read_members(cal, labels=labels, **reading)
    test_rows = None
    if test:
        if len(test) != len(cal):
            msg = f"`--test` must name a file per model: {len(cal)}, got {len(test)}."
            raise InvalidInputError(msg)
        test_rows = read_members(test, labels=test_labels, **reading)
        if test_rows.sha256 == rows.sha256:
            msg = (
                f"`--test` must hold other rows than the fit's, but {test_rows.source} is the "
                f"same as {rows.source}. Leave --test out: the measures are then cross-fitted."
            )
            raise InvalidInputError(msg)
        if not rows.ragged and not test_rows.ragged and test_rows.n_classes != rows.n_classes:
            msg = (
                f"{test_rows.source}: has {test_rows.n_classes} classes, but {rows.source} has "
                f"{rows.n_classes}."
            )
            raise InvalidInputError(msg)
    with preferring(engine.value):
        done = calibrate(
            rows,
            test_rows,
            method=method,
            prior=prior,
            pool=pool.value,
            n_bins=n_bins,
            seed=seed,
            n_resamples=QUICK_RESAMPLES if quick else n_resamples,
        )
    finish(done, output=output, report=report, as_json=as_json, model=model)
