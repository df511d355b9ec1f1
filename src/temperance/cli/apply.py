"""`temperance apply`: new outputs in, calibrated probabilities out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from temperance.calibrators import temperature_of
from temperance.cli.console import note, print_json, progress
from temperance.cli.group_warnings import group_warnings
from temperance.cli.members import read_members
from temperance.cli.options import (
    ClassAxis,
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
from temperance.writers import SUFFIXES, check_dense, check_writable, write_probs

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
    class_axis: ClassAxis = None,
    label_column: LabelColumn = None,
    weight_column: WeightColumn = None,
    group_column: GroupColumn = None,
    id_column: IdColumn = None,
    logits_column: LogitsColumn = None,
    probs_column: ProbsColumn = None,
) -> None:
    """Write calibrated probabilities for every row of a file.

    Labels, ids, groups and weights of FILE are handed on, whatever the labels are; a .npy file has
    no place for them. Outputs per pixel or token (--class-axis) keep their shape.
    """
    check_writable(output, SUFFIXES)
    if class_axis is not None:
        check_dense(output)
    calibrator = load(calibrator_file)
    fields = Fields(
        label_column, weight_column, group_column, id_column, logits_column, probs_column
    )
    rows = read_members(
        file, kind=kind, fields=fields, labelled=False, whole=True, class_axis=class_axis
    )
    beside = rows.beside
    assert beside is not None  # noqa: S101  (of whole files)
    rows.check_fits(calibrator, str(calibrator_file))
    with naming(rows.source), progress(f"applying to {rows.n:,} rows"):
        probs = rows.applied(calibrator)
    warnings = group_warnings(calibrator, rows)
    with progress(f"writing {output.name}"):
        write_probs(
            output,
            probs if rows.dense is None else rows.dense.restore(probs),
            classes=rows.classes or calibrator.classes,
            labels=beside.labels,
            ids=beside.ids,
            groups=beside.groups,
            weights=beside.weights,
            mask=~np.isneginf(rows.logits) if rows.ragged else None,
            layout=rows.layout,
        )
    if as_json:
        print_json(
            {
                "method": calibrator.name,
                "temperature": temperature_of(calibrator),
                "n": len(probs),
                "classes": probs.shape[1],
                "mean_confidence": _mean_confidence(probs, of_labels=rows.entries is not None),
                "calibrator": str(calibrator_file),
                "output": str(output),
                "warnings": list(warnings),
            }
        )
    else:
        for warning in warnings:
            note(f"warning: {warning}")
        note(f"{len(probs):,} rows written to {output}")


def _mean_confidence(probs: NDArray[np.float64], *, of_labels: bool) -> float:
    """Return the mean probability of what is predicted: a class, or each label's yes or no."""
    return float((np.maximum(probs, 1.0 - probs) if of_labels else probs.max(axis=1)).mean())
