"""`temperance shift`: whether a temperature still holds on new rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from temperance.checks import refuse_masked_labels
from temperance.cli.console import note, print_json, print_table, print_text, progress
from temperance.cli.files import recorded
from temperance.cli.options import (
    JsonOption,
    KindName,
    QuickOption,
    ReportOption,
    ResamplesOption,
    SeedOption,
)
from temperance.cli.reading import read_rows
from temperance.cli.reading_options import Reading, takes_reading
from temperance.cli.rows import naming
from temperance.cli.ways import temperature_rows, ways_table
from temperance.errors import InvalidInputError
from temperance.metrics.resampling import N_RESAMPLES, QUICK_RESAMPLES
from temperance.printable import count_text
from temperance.report import write_shift
from temperance.shift import transfer
from temperance.version import __version__
from temperance.writers import check_writable

if TYPE_CHECKING:
    from temperance.cli.rows import Rows
    from temperance.shift import Transfer

__all__ = ["shift"]


@takes_reading(without=("class_axis", "group_column", "score_column", "score_scale", "score_of"))
def shift(
    reference: Annotated[
        Path, typer.Argument(metavar="REFERENCE", help="Labelled rows to fit the temperature on.")
    ],
    new: Annotated[
        Path, typer.Argument(metavar="NEW", help="Rows of the same model, labelled or not.")
    ],
    report: ReportOption = None,
    n_resamples: ResamplesOption = N_RESAMPLES,
    quick: QuickOption = False,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
    reading: Reading = Reading(),  # noqa: B008  (a frozen value; options take its place)
) -> None:
    """Say how a temperature fitted on REFERENCE does on NEW, and what would do better.

    Calibration degrades where data change. With labels of NEW (in the file, or --labels): measures
    before and after, the temperature re-fitted there, and what that gains. Without: whether class
    frequencies have moved, and whether the rows look different. --report shows all of it as a page.
    """
    if report is not None:
        check_writable(report, {".html", ".htm"})
    if reading.kind == KindName.multilabel:
        msg = "`--kind` must be logits or probs here: shift compares one class per row."
        raise InvalidInputError(msg)
    first = read_rows(reference, reading.other_file())
    of_new = reading.other_file(reading.labels, of_model=first)
    other = read_rows(new, of_new, labelled=False, like=first)
    warnings = (*first.notes, *other.notes)
    _check_pair(first, other)
    with naming(f"{first.source}, {other.source}"), progress("comparing"):
        found = transfer(
            first.logits,
            first.require_positions(),
            other.logits,
            None if other.labels is None else other.require_positions(),
            weights=first.weights,
            new_weights=other.weights,
            new_clusters=other.clusters,
            classes=first.classes,
            n_resamples=QUICK_RESAMPLES if quick else n_resamples,
            refuse_probs=False,
            seed=seed,
        )
    if report is not None:
        _write_report(report, found, first, other)
    if as_json:
        files = {"reference_sha256": first.sha256, "new_sha256": other.sha256}
        written = None if report is None else str(report)
        print_json({**found.to_dict(), **files, "warnings": list(warnings), "report": written})
        return
    print_text(found.in_words(), bold=True)
    print_table(temperature_rows(found))
    if found.comparison is not None:
        print_table(
            ways_table(found.comparison, caption=f"{count_text(other.n, 'row')} of {other.source}")
        )
    print_text(str(found.frequencies))
    if found.covariates is not None:
        print_text(str(found.covariates))
    for warning in warnings:
        note(f"warning: {warning}")
    if other.labels is None:
        note(f"{other.source}: has no labels. {other.labels_advice}")
    if report is not None:
        print_text(f"report: {report}")


def _write_report(report: Path, found: Transfer, first: Rows, other: Rows) -> None:
    weighted = [each.source for each in (first, other) if each.weights is not None]
    facts = (
        ("Reference", first.described),
        ("SHA-256 of that file", first.sha256),
        ("New rows", f"{other.described}, {'no labels' if other.labels is None else 'labelled'}"),
        ("SHA-256 of that file", other.sha256),
        ("Weights", ", ".join(weighted) or "none"),
        *(("Reading", each) for each in (*first.notes, *other.notes)),
        ("Library", f"temperance {__version__}"),
    )
    plan = other.label_plan(found.reference) if other.labels is None else None
    title = f"Shift: {first.source} to {other.source}"
    with progress("drawing the report"):
        write_shift(report, found, title=recorded(title), facts=recorded(facts), plan=plan)


def _check_pair(first: Rows, other: Rows) -> None:
    if first.sha256 == other.sha256:
        msg = f"{other.source}: is the same file as {first.source}; nothing can have shifted."
        raise InvalidInputError(msg)
    if first.ragged or other.ragged or first.n_classes != other.n_classes:
        msg = (
            f"{other.source}: has {count_text(other.n_classes, 'class', 'classes')}, "
            f"{first.source} {first.n_classes}; "
            "both must have the same ones in every row."
        )
        raise InvalidInputError(msg)
    for rows in (first, other):
        if rows.labels is not None:
            with naming(rows.source, rows.file_rows):
                refuse_masked_labels(rows.logits, rows.labels, classes=rows.classes)
