"""`temperance apply`: new outputs in, calibrated probabilities out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np
import typer

from temperance.calibrators import temperature_of
from temperance.cli.answer_rows import answer_scale, score_column_of
from temperance.cli.console import note, print_json, progress
from temperance.cli.group_warnings import group_warnings
from temperance.cli.large import apply_blocks, is_large
from temperance.cli.llm_options import takes_llm_formats
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
    ScoreColumn,
    WeightColumn,
)
from temperance.cli.reading import read_kind
from temperance.cli.rows import naming
from temperance.export import load
from temperance.readers import Fields, LlmFormat, read_blocks
from temperance.writers import (
    SUFFIXES,
    check_block_suffix,
    check_dense,
    check_writable,
    write_probs,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.calibrators import Calibrator

__all__ = ["apply"]


@takes_llm_formats
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
    score_column: ScoreColumn = None,
    llm: LlmFormat | None = None,
) -> None:
    """Write calibrated probabilities for every row of a file.

    Labels, ids, groups and weights of FILE are handed on, whatever the labels are; a .npy file has
    no place for them. Outputs per pixel or token (--class-axis) keep their shape. A folder of
    shards, or a file of 1 GiB and more, is read once and written row by row, in little memory.
    """
    check_writable(output, SUFFIXES)
    if class_axis is not None:
        check_dense(output)
    calibrator = load(calibrator_file)
    answers = answer_scale(kind, None, None, calibrator)
    scores_in = score_column_of(answers, score_column, logits_column)
    fields = Fields(label_column, weight_column, group_column, id_column, scores_in, probs_column)
    plain = calibrator.kind == "logits" and not calibrator.traits.members
    plain = plain and class_axis is None and llm is None
    if plain and len(file) == 1 and (file[0].is_dir() or is_large(file)):
        check_block_suffix(output)
        scores = None if kind is None else read_kind(kind)
        blocks = read_blocks(file[0], kind=scores, fields=fields)
        with progress(f"applying to {file[0].name}", rows=blocks.n_rows):
            done = apply_blocks(blocks, calibrator, output, calibrator_file=calibrator_file)
        told = _Told(done.n, done.classes, done.mean_confidence, ())
        _tell(told, calibrator, calibrator_file, output, as_json=as_json)
        return
    rows = read_members(
        file, kind=kind, fields=fields, labelled=False, whole=True, class_axis=class_axis,
        answers=answers, llm=llm,
    )  # fmt: skip
    beside = rows.beside
    assert beside is not None  # noqa: S101  (of whole files)
    rows.check_fits(calibrator, str(calibrator_file))
    with naming(rows.source), progress(f"applying to {rows.n:,} rows"):
        probs = rows.applied(calibrator)
    warnings = (*rows.notes, *group_warnings(calibrator, rows))
    with progress(f"writing {output.name}"):
        write_probs(
            output,
            probs if rows.dense is None else rows.dense.restore(probs),
            classes=None if answers is not None else rows.classes or calibrator.classes,
            labels=beside.labels,
            ids=beside.ids,
            groups=beside.groups,
            weights=beside.weights,
            mask=~np.isneginf(rows.logits) if rows.ragged else None,
            layout=rows.layout,
        )
    confidence = _mean_confidence(probs, of_labels=rows.entries is not None)
    count = 2 if answers is not None else probs.shape[1]
    told = _Told(len(probs), count, confidence, warnings)
    _tell(told, calibrator, calibrator_file, output, as_json=as_json)


class _Told(NamedTuple):
    """What is said about the rows written."""

    n: int
    classes: int
    mean_confidence: float
    warnings: tuple[str, ...]


def _tell(
    told: _Told, calibrator: Calibrator, calibrator_file: Path, output: Path, *, as_json: bool
) -> None:
    if as_json:
        print_json(
            {
                "method": calibrator.name,
                "temperature": temperature_of(calibrator),
                **told._asdict(),
                "calibrator": str(calibrator_file),
                "output": str(output),
                "warnings": list(told.warnings),
            }
        )
        return
    for warning in told.warnings:
        note(f"warning: {warning}")
    note(f"{told.n:,} rows written to {output}")


def _mean_confidence(probs: NDArray[np.float64], *, of_labels: bool) -> float:
    """Return the mean probability of what is predicted: a class, each label's yes or no.

    Of answers, shape (n,), that they are right.
    """
    if probs.ndim == 1:
        return float(probs.mean())
    return float((np.maximum(probs, 1.0 - probs) if of_labels else probs.max(axis=1)).mean())
