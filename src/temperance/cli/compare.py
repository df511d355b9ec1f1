"""`temperance compare`: which of several models or calibrators is better, if one can tell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from temperance.cli.console import note, print_json, print_table, print_text, progress
from temperance.cli.members import check_same_rows
from temperance.cli.options import (
    BinsOption,
    JsonOption,
    QuickOption,
    ReportOption,
    ResamplesOption,
    SeedOption,
)
from temperance.cli.reading import read_rows
from temperance.cli.reading_options import Reading, takes_reading
from temperance.cli.rows import Rows
from temperance.compare import compare_rows
from temperance.compare.tables import difference_tables, in_words
from temperance.errors import InvalidInputError
from temperance.export import load
from temperance.metrics.resampling import N_RESAMPLES, QUICK_RESAMPLES
from temperance.report import write_comparison
from temperance.version import __version__
from temperance.writers import check_writable

if TYPE_CHECKING:
    from temperance.metrics.inputs import Predictions

__all__ = ["compare"]


@takes_reading(without=("score_column", "score_scale", "score_of"))
def compare(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="A B [C ...]",
            help="Outputs on the same rows, A the baseline with the labels. Rows match by id, "
            "or without in their order; classes by name. A .json is a calibrator, applied to A.",
        ),
    ],
    report: ReportOption = None,
    n_bins: BinsOption = 15,
    n_resamples: ResamplesOption = N_RESAMPLES,
    quick: QuickOption = False,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
    reading: Reading = Reading(),  # noqa: B008  (a frozen value; options take its place)
) -> None:
    """Compare models, or calibrators, on the same labelled rows.

    Every difference from the first is paired, row by row, with a 95 % interval and a verdict:
    better, worse, or cannot tell.
    """
    if report is not None:
        check_writable(report, {".html", ".htm"})
    first, sides, notes = _read(files, reading)
    with progress("measuring"):
        comparison = compare_rows(
            sides,
            groups=first.named_groups,
            n_bins=n_bins,
            n_resamples=QUICK_RESAMPLES if quick else n_resamples,
            seed=seed,
        )
    words = in_words(comparison)
    if report is not None:
        facts = (
            ("Rows", first.described),
            ("SHA-256 of that file", first.sha256),
            ("Compared", ", ".join(map(str, files))),
            *(("Reading", each) for each in notes),
            ("Library", f"temperance {__version__}"),
        )
        with progress("drawing the report"):
            write_comparison(report, comparison, title=f"Comparison: {first.source}", facts=facts)
    if as_json:
        print_json(
            {
                **comparison.to_dict(),
                "headline": words,
                "warnings": list(notes),
                "data_sha256": first.sha256,
                "report": None if report is None else str(report),
            }
        )
        return
    print_text(words, bold=True)
    for table in difference_tables(comparison):
        print_table(table)
    for warning in notes:
        note(f"warning: {warning}")
    if report is not None:
        print_text(f"report: {report}")


def _read(
    files: list[Path], reading: Reading
) -> tuple[Rows, dict[str, Predictions], tuple[str, ...]]:
    """Return the baseline's rows, every file's predictions under its name, and notes of them."""
    if len(files) < 2:
        msg = (
            f"compare needs at least two files, got {len(files)}: outputs, or calibrators (.json)."
        )
        raise InvalidInputError(msg)
    if files[0].suffix.lower() == ".json":
        msg = f"{files[0]}: the first file must hold outputs and labels, not a calibrator."
        raise InvalidInputError(msg)
    first = read_rows(files[0], reading)
    names = _names(files)
    sides, notes = {names[0]: first.predictions()}, first.notes
    for name, path in zip(names[1:], files[1:], strict=True):
        if path.suffix.lower() == ".json":
            calibrator = load(path)
            first.check_fits(calibrator, str(path))
            logits = first.scaled_by(calibrator)
        else:
            other = read_rows(
                path, reading.other_file(), labelled=False, like=first, same_rows=True
            )
            check_same_rows(first, other)
            logits, notes = other.logits, (*notes, *other.notes)
        sides[name] = first.predictions(logits)
    return first, sides, notes


def _names(files: list[Path]) -> list[str]:
    """Return the stems, or the whole paths where two stems are the same."""
    stems = [path.stem for path in files]
    names = stems if len(set(stems)) == len(files) else [str(path) for path in files]
    if len(set(names)) < len(files):
        msg = "compare needs different files; one of them is named twice."
        raise InvalidInputError(msg)
    return names
