"""`temperance apply`: new outputs in, calibrated probabilities out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from temperance.calibrators import temperature_of
from temperance.cli.console import note, print_json, progress
from temperance.cli.group_warnings import group_warnings
from temperance.cli.members import read_members
from temperance.cli.options import (
    GroupColumn,
    IdColumn,
    JsonOption,
    KindOption,
    LabelColumn,
    LogitsColumn,
    ProbsColumn,
    WeightColumn,
)
from temperance.cli.rows import naming
from temperance.export import load
from temperance.readers import Fields
from temperance.writers import SUFFIXES, check_writable, write_probs

__all__ = ["apply"]


def apply(
    calibrator_file: Annotated[
        Path, typer.Argument(metavar="CALIBRATOR", help="A calibrator.json of `temperance fit`.")
    ],
    file: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="Logits or probabilities; of an ensemble one file per model."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="Probabilities: .npz .npy .csv .tsv .parquet .jsonl.",
        ),
    ],
    as_json: JsonOption = False,
    kind: KindOption = None,
    label_column: LabelColumn = None,
    weight_column: WeightColumn = None,
    group_column: GroupColumn = None,
    id_column: IdColumn = None,
    logits_column: LogitsColumn = None,
    probs_column: ProbsColumn = None,
) -> None:
    """Write calibrated probabilities for every row of a file.

    Labels, ids, groups and weights of FILE are handed on.
    """
    check_writable(output, SUFFIXES)
    calibrator = load(calibrator_file)
    fields = Fields(
        label_column, weight_column, group_column, id_column, logits_column, probs_column
    )
    rows = read_members(file, kind=kind, fields=fields, labelled=False)
    rows.check_fits(calibrator, str(calibrator_file))
    with naming(rows.source), progress(f"applying to {rows.n:,} rows"):
        probs = rows.applied(calibrator)
    warnings = group_warnings(calibrator, rows)
    with progress(f"writing {output.name}"):
        write_probs(
            output,
            probs,
            classes=rows.classes or calibrator.classes,
            labels=rows.labels if rows.entries is None else None,
            ids=rows.ids,
            groups=rows.groups if rows.entries is None else None,
            weights=rows.weights if rows.entries is None else None,
            mask=~np.isneginf(rows.logits) if rows.ragged else None,
        )
    if as_json:
        print_json(
            {
                "method": calibrator.name,
                "temperature": temperature_of(calibrator),
                "n": len(probs),
                "classes": probs.shape[1],
                "mean_confidence": float(probs.max(axis=1).mean()),
                "calibrator": str(calibrator_file),
                "output": str(output),
                "warnings": list(warnings),
            }
        )
    else:
        for warning in warnings:
            note(f"warning: {warning}")
        note(f"{len(probs):,} rows written to {output}")
