"""`temperance shift`: whether a temperature still holds on new rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from temperance.cli.console import Result
from temperance.cli.gating import (
    Gating,
    JUnitOption,
    MarkdownOption,
    Moved,
    UndecidedOption,
    ended,
    fail_if,
)
from temperance.cli.options import (
    READING,
    KindName,
    QuickOption,
    ReportOption,
    ResamplesOption,
    SeedOption,
)
from temperance.cli.process import files_read, recorded, recorded_warnings
from temperance.cli.reading_options import takes_reading
from temperance.defaults import N_RESAMPLES, QUICK_RESAMPLES
from temperance.errors import InvalidInputError
from temperance.printable import count_text, digits_text
from temperance.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

    from temperance.report import Files
    from temperance.rows.memory import Rows
    from temperance.rows.reading import Reading
    from temperance.shift import Diagnosis
    from temperance.show import Table

__all__ = ["shift"]


@takes_reading(without=("class_axis", "group_column"), answers=False)
def shift(
    reading: Reading,
    reference: Annotated[
        Path, typer.Argument(metavar="REFERENCE", help="Labelled rows to fit the temperature on.")
    ],
    new: Annotated[
        Path, typer.Argument(metavar="NEW", help="Rows of the same model, labelled or not.")
    ],
    reference_labels: Annotated[
        Path | None,
        typer.Option(
            "--reference-labels",
            metavar="FILE",
            help="Labels of REFERENCE from another file.",
            rich_help_panel=READING[0],
        ),
    ] = None,
    report: ReportOption = None,
    fails: Annotated[
        Moved | None, fail_if("Fail where the temperature or the class frequencies have moved.")
    ] = None,
    undecided: UndecidedOption = None,
    junit: JUnitOption = None,
    markdown: MarkdownOption = None,
    n_resamples: ResamplesOption = N_RESAMPLES,
    quick: QuickOption = False,
    seed: SeedOption = 0,
) -> Result:
    """Say how a temperature fitted on REFERENCE does on NEW, and what would do better.

    Calibration degrades where data change. With labels of NEW (in the file, or --labels): measures
    before and after, the temperature re-fitted there, and what that gains. Without: whether class
    frequencies have moved, and whether the rows look different. --report shows all of it as a page.
    --fail-if moved makes it a gate for CI.
    """
    from temperance.cli.console import progress
    from temperance.gates import check_shift
    from temperance.rows.memory import naming
    from temperance.rows.reading import read_rows
    from temperance.shift import diagnose
    from temperance.writers.place import check_writable

    if report is not None:
        check_writable(report, {".html", ".htm"})
    gating = Gating(undecided, junit, markdown)
    gating.check(any_gate=fails is not None, options=["--fail-if moved"])
    if reading.kind == KindName.multilabel:
        msg = "`--kind` must be logits or probs here: shift compares one class per row."
        raise InvalidInputError(msg)
    of_reference = "`reference_labels` (--reference-labels)"
    first = read_rows(reference, reading.other_file(reference_labels, labels_from=of_reference))
    of_new = reading.other_file(reading.labels, of_model=first, labels_from=reading.labels_from)
    other = read_rows(new, of_new, labelled=False, like=first)
    warnings = (*first.notes, *other.notes)
    _check_pair(first, other)
    with naming(f"{first.source}, {other.source}"), progress("comparing"):
        diagnosis = diagnose(
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
        _write_report(report, diagnosis, first, other, files_read((reference, new)))
    gates = () if fails is None else check_shift(diagnosis, undecided=gating.taken_for)
    gating.write(
        "shift", gates, source=f"{first.source} {other.source}", headline=diagnosis.in_words(),
        shown=lambda: _shown(diagnosis, other), warnings=warnings,
        digests={each.source: each.sha256 for each in (first, other)}, report=report,
    )  # fmt: skip
    digests = {"reference_sha256": first.sha256, "new_sha256": other.sha256}
    notes = []
    if other.labels is None:
        notes.append(f"{other.source}: has no labels. {other.labels_advice}")
    return Result(
        lambda: {**diagnosis.to_dict(), **ended(gates), **digests},
        lambda: _shown(diagnosis, other),
        warnings=warnings,
        files={"report": report, **gating.files},
        notes=tuple(notes),
        gates=gates,
    )


def _shown(diagnosis: Diagnosis, other: Rows) -> Iterator[str | Table]:
    from temperance.cli.console import Headline
    from temperance.comparison import ways_table

    yield Headline(diagnosis.in_words())
    yield _temperatures(diagnosis)
    if diagnosis.comparison is not None:
        caption = f"{count_text(other.n, 'row')} of {other.source}"
        yield ways_table(diagnosis.comparison, caption=caption)
    yield from diagnosis.frequencies.tables()
    if diagnosis.covariates is not None:
        yield from diagnosis.covariates.tables()


def _temperatures(diagnosis: Diagnosis) -> Table:
    """The temperatures of a shift, each with its interval."""
    from temperance.show import Table, number_text

    names = {
        "of the reference": diagnosis.reference,
        "of new rows": diagnosis.refitted,
        "of the reference, weighed to look like new rows": diagnosis.weighted,
    }
    rows = []
    for name, scaling in names.items():
        if scaling is not None and scaling.record is not None:
            low, high = (digits_text(end, 4) for end in scaling.record.interval())
            rows.append((name, number_text(scaling.temperature), f"{low} to {high}"))
    return Table(("temperature", "T", "95 %"), tuple(rows))


def _write_report(
    report: Path, diagnosis: Diagnosis, first: Rows, other: Rows, files: Files
) -> None:
    from temperance.cli.console import progress
    from temperance.report import write_shift

    weighted = [each.source for each in (first, other) if each.weights is not None]
    facts = (
        ("Reference", first.described),
        ("SHA-256 of that file", first.sha256),
        ("New rows", f"{other.described}, {'no labels' if other.labels is None else 'labelled'}"),
        ("SHA-256 of that file", other.sha256),
        ("Weights", ", ".join(weighted) or "none"),
        *(("Reading", each) for each in recorded_warnings((*first.notes, *other.notes))),
        ("Library", f"temperance {__version__}"),
    )
    plan = other.label_plan(diagnosis.reference) if other.labels is None else None
    title = f"Shift: {first.source} to {other.source}"
    with progress("drawing the report"):
        write_shift(
            report, diagnosis, title=recorded(title), facts=recorded(facts), plan=plan, files=files
        )


def _check_pair(first: Rows, other: Rows) -> None:
    from temperance.checks import refuse_masked_labels
    from temperance.rows.memory import naming

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
