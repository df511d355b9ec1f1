"""`temperance apply`: new outputs in, calibrated probabilities out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np
import typer

from temperance.calibrators import temperature_of
from temperance.cli.applied import Map, header_of
from temperance.cli.console import note, print_json, progress
from temperance.cli.group_warnings import group_warnings
from temperance.cli.large import apply_blocks, is_large
from temperance.cli.members import read_members
from temperance.cli.options import (
    JsonOption,
)
from temperance.cli.reading import read_kind
from temperance.cli.reading_options import Reading, takes_reading
from temperance.cli.rows import naming
from temperance.printable import count_text
from temperance.readers import read_blocks
from temperance.writers import (
    SUFFIXES,
    check_block_suffix,
    check_dense,
    check_writable,
    write_probs,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["apply"]


@takes_reading(
    without=("labels", "ignore_label", "label_map", "cluster_column", "score_scale", "score_of")
)
def apply(
    calibrator_file: Annotated[
        Path,
        typer.Argument(
            metavar="CALIBRATOR",
            help="A calibrator.json of `temperance fit`, or a policy.json of "
            "`temperance threshold`.",
        ),
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
            help="Probabilities: .npz .npy .csv .tsv (also .gz) .parquet .jsonl.",
        ),
    ],
    as_json: JsonOption = False,
    reading: Reading = Reading(),  # noqa: B008  (a frozen value; options take its place)
) -> None:
    """Write calibrated probabilities for every row of a file.

    With a policy also `accepted`, whether the row may be answered; .npy has no place for it.
    Labels, ids, groups and weights of FILE are handed on, whatever the labels are; a .npy file has
    no place for them. Outputs per pixel or token (--class-axis) keep their shape. A folder of
    shards, or a file of 1 GiB and more, is read once and written row by row, in little memory.
    """
    check_writable(output, SUFFIXES)
    if reading.class_axis is not None:
        check_dense(output)
    chosen = Map.read(calibrator_file)
    calibrator = chosen.calibrator
    reading = reading.of_answers(calibrator)
    plain = calibrator.kind == "logits" and not calibrator.traits.members
    plain = plain and reading.class_axis is None and reading.llm is None and reading.na != "drop"
    if plain and len(file) == 1 and (file[0].is_dir() or is_large(file)):
        check_block_suffix(output)
        blocks = read_blocks(file[0], kind=read_kind(reading.kind), fields=reading.fields)
        with progress(f"applying to {file[0].name}", rows=blocks.n_rows):
            done = apply_blocks(blocks, chosen, output, reading.rules)
        warnings = (*blocks.notes, *reading.rules.of_blocks, *_without_place(chosen, output))
        told = _Told(done.n, done.classes, done.mean_confidence, warnings)
        _tell(told, chosen, done.accepted, output, as_json=as_json)
        return
    rows = read_members(file, reading, labelled=False, whole=True)
    beside = rows.beside
    assert beside is not None  # noqa: S101  (of whole files)
    rows.check_fits(calibrator, str(calibrator_file))
    with naming(rows.source), progress(f"applying to {rows.outcomes.rows(rows.n)}"):
        probs = rows.applied(calibrator)
    accepted = chosen.accepted(rows, probs)
    warnings = (
        *rows.notes,
        *group_warnings(calibrator, rows),
        *chosen.unknown_groups(rows),
        *_without_place(chosen, output),
    )
    with progress(f"writing {output.name}"):
        write_probs(
            output,
            probs if rows.dense is None else rows.dense.restore(probs),
            classes=header_of(rows, calibrator),
            labels=beside.labels,
            ids=beside.ids,
            groups=beside.groups,
            weights=beside.weights,
            accepted=accepted,
            mask=~np.isneginf(rows.logits) if rows.ragged else None,
            layout=rows.layout,
        )
    confidence = _mean_confidence(probs, of_labels=rows.entries is not None)
    columns = 2 if rows.answers is not None else probs.shape[1]
    told = _Told(len(probs), columns, confidence, warnings)
    count = None if accepted is None else int(np.count_nonzero(accepted))
    _tell(told, chosen, count, output, as_json=as_json)


class _Told(NamedTuple):
    """What is said about the rows written."""

    n: int
    classes: int
    mean_confidence: float
    warnings: tuple[str, ...]


def _tell(told: _Told, chosen: Map, accepted: int | None, output: Path, *, as_json: bool) -> None:
    rule = chosen.rule
    if as_json:
        decided = {}
        if rule is not None and accepted is not None:
            decided = {
                "accepted": accepted,
                "coverage": accepted / told.n,
                "threshold": rule.threshold,
                "guarantee": rule.guarantee,
            }
        print_json(
            {
                "method": chosen.calibrator.name,
                "temperature": temperature_of(chosen.calibrator),
                **told._asdict(),
                **decided,
                "calibrator": chosen.source,
                "output": str(output),
                "warnings": list(told.warnings),
            }
        )
        return
    for warning in told.warnings:
        note(f"warning: {warning}")
    share = ""
    if accepted is not None:
        share = f", {accepted:,} of them accepted ({accepted / told.n:.1%})".replace("%", " %")
    note(f"{count_text(told.n, 'row')} written to {output}{share}")


def _without_place(chosen: Map, output: Path) -> tuple[str, ...]:
    """Return a warning where a file cannot say which rows are accepted."""
    if chosen.rule is None or output.suffix.lower() != ".npy":
        return ()
    return (f"a .npy file has no place for `accepted`: write {output.with_suffix('.npz').name}.",)


def _mean_confidence(probs: NDArray[np.float64], *, of_labels: bool) -> float:
    """Return the mean probability of what is predicted: a class, each label's yes or no.

    Of answers, shape (n,), that they are right.
    """
    if probs.ndim == 1:
        return float(probs.mean())
    return float((np.maximum(probs, 1.0 - probs) if of_labels else probs.max(axis=1)).mean())
