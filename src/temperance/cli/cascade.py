"""`temperance cascade`: which rows a cheap model answers, and which go on to a better one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from temperance.cli.console import note, print_json, print_table, print_text, progress
from temperance.cli.files import recorded, recorded_warnings
from temperance.cli.measured import check_test
from temperance.cli.members import check_same_rows, stems_of
from temperance.cli.options import (
    FoldSeedOption,
    JsonOption,
    KindName,
    ReportOption,
    TestLabelsOption,
)
from temperance.cli.reading import read_rows
from temperance.cli.reading_options import Reading, takes_reading
from temperance.cli.rows import naming
from temperance.decisions.cascade import cascade as find_cascade
from temperance.decisions.cascade import check_options
from temperance.decisions.cascade_result import cascade_table, rule_table
from temperance.errors import InvalidInputError
from temperance.report import write_cascade
from temperance.version import __version__
from temperance.writers.place import check_writable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from temperance.cli.rows import Rows
    from temperance.decisions import Cascade

__all__ = ["cascade"]


@takes_reading(without=("class_axis", "group_column", "score_column", "score_scale", "score_of"))
def cascade(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="CHEAP EXPERT [MORE ...]",
            help="Outputs of each model on the same rows, cheap first; labels are those of CHEAP. "
            "Rows are matched by ids, or without in their order.",
        ),
    ],
    costs: Annotated[
        list[float] | None,
        typer.Option(
            "--cost",
            metavar="X",
            help="What running the next model on a row costs, in errors (0.01: a hundred rows cost "
            "as much as an error) or see --error-cost. Once per model after the first.",
        ),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            "--budget", metavar="X", help="Fewest errors for at most this mean cost per row."
        ),
    ] = None,
    min_accuracy: Annotated[
        float | None,
        typer.Option(
            "--min-accuracy", metavar="A", help="Least mean cost with at least this accuracy."
        ),
    ] = None,
    error_cost: Annotated[
        float,
        typer.Option("--error-cost", metavar="X", help="Cost of an error, in the unit of --cost."),
    ] = 1.0,
    expert_error: Annotated[
        str,
        typer.Option(
            "--expert-error",
            metavar="KIND|X",
            help="What to expect of the next model: constant (its mean error), isotonic or "
            "logistic (given the confidence so far); or a number, the error rate of a last model "
            "without a file, e.g. a person.",
        ),
    ] = "constant",
    method: Annotated[
        str, typer.Option("--method", metavar="NAME", help="Calibrator of the confidences.")
    ] = "temperature",
    prior: Annotated[
        float,
        typer.Option("--prior", min=0.0, help="Pseudo-rows that say T = 1; 1 helps tiny data."),
    ] = 0.0,
    test: Annotated[
        list[Path] | None,
        typer.Option(
            "--test",
            metavar="TEST",
            help="Measure on these files, one per model, instead of cross-fitting.",
        ),
    ] = None,
    report: ReportOption = None,
    seed: FoldSeedOption = 0,
    as_json: JsonOption = False,
    test_labels: TestLabelsOption = None,
    reading: Reading = Reading(),  # noqa: B008  (a frozen value; options take its place)
) -> None:
    """Find the confidence below which a row goes on to the next model.

    Minimises cost, or errors for a budget, or cost for an accuracy, from calibrated confidences.
    Says what calibration was worth, on rows that were not used to choose: cross-fitted, or TEST.
    """
    if report is not None:
        check_writable(report, {".html", ".htm"})
    if reading.kind == KindName.multilabel:
        msg = "`--kind` must be logits or probs here: a cascade takes one class per row."
        raise InvalidInputError(msg)
    expected = _expected(expert_error)
    settings: dict[str, Any] = {
        "costs": costs or [], "budget": budget, "min_accuracy": min_accuracy,
        "error_cost": error_cost, "expert_error": expected, "method": method, "prior": prior,
    }  # fmt: skip
    names = _names(files, known=not isinstance(expected, str))
    check_options(len(files) + (not isinstance(expected, str)), **settings)
    if test and len(test) != len(files):
        msg = f"`--test` must name a file per model: {len(files)}, got {len(test)}."
        raise InvalidInputError(msg)
    rows = _read(files, reading)
    others = None
    if test:
        others = _read(test, replace(reading, labels=test_labels), rows)
        for own, other in zip(rows, others, strict=True):
            check_test(own, other)
    with naming(rows[0].source), progress("finding thresholds"):
        found = find_cascade(
            _models(names, rows),
            rows[0].require_labels(),
            weights=rows[0].weights,
            clusters=rows[0].clusters,
            test=None if others is None else _test(names, others),
            refuse_probs=False,
            seed=seed,
            **settings,
        )
    notes = [note for each in (*rows, *(others or ())) for note in each.notes]
    warnings = (*notes, *found.warnings, *(others or rows)[0].cluster_warnings())
    if report is not None:
        _write_report(report, found, rows, others, warnings)
    if as_json:
        written = None if report is None else str(report)
        digests = {"data_sha256": [each.sha256 for each in rows]}
        print_json({**found.to_dict(), "warnings": list(warnings), **digests, "report": written})
        return
    print_text(found.in_words(), bold=True)
    print_table(rule_table(found))
    print_table(cascade_table(found))
    for warning in warnings:
        note(f"warning: {warning}")
    if report is not None:
        print_text(f"report: {report}")


def _expected(given: str) -> str | float:
    """Return a number where it is one."""
    try:
        return float(given)
    except ValueError:
        return given


def _names(files: list[Path], *, known: bool) -> tuple[str, ...]:
    """Return a name per file (see `stems_of`), of as many files as a cascade has."""
    if len({path.resolve() for path in files}) < len(files):
        msg = "The files of a cascade must be different; one of them is named twice."
        raise InvalidInputError(msg)
    if len(files) < 2 - known:
        msg = (
            "A cascade needs two files or more, cheap first, or one and --expert-error with the "
            f"error rate of who is asked next; got {len(files)}."
        )
        raise InvalidInputError(msg)
    return stems_of(files)


def _read(
    files: list[Path], reading: Reading, models: Sequence[Rows | None] | None = None
) -> list[Rows]:
    """Read every model's rows, those of the first with labels, and check that they are the same.

    `models` are other rows of the same models: classes are in the order of those of the first.
    """
    like, *others = models or [None] * len(files)
    first = read_rows(files[0], reading.other_file(reading.labels, of_model=like), like=like)
    rows = [first]
    for path, model in zip(files[1:], others, strict=True):
        own = reading.other_file(of_model=model)
        other = read_rows(path, own, labelled=False, like=first, same_rows=True)
        check_same_rows(first, other)
        rows.append(other)
    return rows


def _models(names: Sequence[str], rows: Sequence[Rows]) -> dict[str, Any]:
    return {name: each.logits for name, each in zip(names, rows, strict=True)}


def _test(names: Sequence[str], rows: Sequence[Rows]) -> tuple[Any, ...]:
    first = rows[0]
    return _models(names, rows), first.require_labels(), first.weights, first.clusters


def _write_report(
    report: Path,
    found: Cascade,
    rows: Sequence[Rows],
    others: Sequence[Rows] | None,
    warnings: Sequence[str],
) -> None:
    facts: list[tuple[str, str]] = []
    for what, each in (("Rows of the fit", rows), ("Test rows", others or ())):
        for one in each:
            facts += [(what, one.described), ("SHA-256 of that file", one.sha256)]
    facts += [
        ("Weights", "yes" if rows[0].weights is not None else "none"),
        ("Library", f"temperance {__version__}"),
    ]
    title = f"Cascade: {' to '.join(found.policy.names)}"
    with progress("drawing the report"):
        write_cascade(
            report,
            found,
            title=recorded(title),
            facts=recorded(facts),
            warnings=recorded_warnings(warnings),
        )
