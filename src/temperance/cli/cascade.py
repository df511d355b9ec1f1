"""`temperance cascade`: which rows a cheap model answers, and which go on to a better one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from temperance.cli.console import Result
from temperance.cli.options import (
    COMPUTING,
    TEST_LABELS,
    FoldSeedOption,
    KindName,
    ReportOption,
    TestLabelsOption,
)
from temperance.cli.process import files_read, recorded, recorded_warnings
from temperance.cli.reading_options import takes_reading
from temperance.errors import InvalidInputError
from temperance.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from temperance.decisions import Cascade
    from temperance.report import Files
    from temperance.rows.memory import Rows
    from temperance.rows.reading import Reading

__all__ = ["cascade"]


@takes_reading(without=("class_axis", "group_column"), answers=False)
def cascade(
    reading: Reading,
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
        typer.Option(
            "--prior",
            metavar="X",
            min=0.0,
            help="Pseudo-rows that say T = 1; 1 helps tiny data.",
            rich_help_panel=COMPUTING,
        ),
    ] = 0.0,
    test: Annotated[
        list[Path] | None,
        typer.Option(
            "--test",
            metavar="TEST",
            help="Measure on these files, one per model, instead of cross-fitting.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE.json",
            help="Where the cascade goes, for apply and serve.",
        ),
    ] = None,
    report: ReportOption = None,
    seed: FoldSeedOption = 0,
    test_labels: TestLabelsOption = None,
) -> Result:
    """Find the confidence below which a row goes on to the next model.

    Minimises cost, or errors for a budget, or cost for an accuracy, from calibrated confidences.
    Says what calibration was worth, on rows that were not used to choose: cross-fitted, or TEST.
    With -o the cascade is written: `temperance apply cascade.json CHEAP` says of new rows which to
    ask the next model, and with its outputs too gives the probabilities of all.
    """
    from temperance.cli.console import Headline, progress
    from temperance.decisions.cascade import cascade as find_cascade
    from temperance.decisions.cascade import check_options
    from temperance.decisions.cascade_result import cascade_table, rule_table
    from temperance.rows.calibration import check_test
    from temperance.rows.memory import naming
    from temperance.writers.place import check_writable

    for path, suffixes in ((report, {".html", ".htm"}), (output, {".json"})):
        if path is not None:
            check_writable(path, suffixes)
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
        others = _read(test, replace(reading, labels=test_labels, labels_from=TEST_LABELS), rows)
        for own, other in zip(rows, others, strict=True):
            check_test(own, other)
    with naming(rows[0].source), progress("finding thresholds"):
        result = find_cascade(
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
    warnings = (*notes, *result.warnings, *(others or rows)[0].cluster_warnings())
    if report is not None:
        _write_report(report, result, rows, others, warnings, files_read(files, output))
    if output is not None:
        from temperance.decisions import save_cascade

        facts = {"data": [each.source for each in rows], "data_sha256": [e.sha256 for e in rows],
                 "n": rows[0].n, "method": method, "goal": result.goal.to_dict()}  # fmt: skip
        save_cascade(result.policy, output, facts=recorded(facts))
    return Result(
        lambda: {**result.to_dict(), "data_sha256": [each.sha256 for each in rows]},
        lambda: (Headline(result.in_words()), rule_table(result), cascade_table(result)),
        warnings=warnings,
        files={"cascade": output, "report": report},
    )


def _expected(text: str) -> str | float:
    """Return a number where it is one."""
    try:
        return float(text)
    except ValueError:
        return text


def _names(files: list[Path], *, known: bool) -> tuple[str, ...]:
    """Return a name per file (see `stems_of`), of as many files as a cascade has."""
    from temperance.rows.reading import stems_of

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
    from temperance.rows.reading import check_same_rows, read_rows

    like, *others = models or [None] * len(files)
    of_first = reading.other_file(reading.labels, of_model=like, labels_from=reading.labels_from)
    first = read_rows(files[0], of_first, like=like)
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
    result: Cascade,
    rows: Sequence[Rows],
    others: Sequence[Rows] | None,
    warnings: Sequence[str],
    files: Files,
) -> None:
    from temperance.cli.console import progress
    from temperance.report import write_cascade

    facts: list[tuple[str, str]] = []
    for what, each in (("Rows of the fit", rows), ("Test rows", others or ())):
        for one in each:
            facts += [(what, one.described), ("SHA-256 of that file", one.sha256)]
    facts += [
        ("Weights", "yes" if rows[0].weights is not None else "none"),
        ("Library", f"temperance {__version__}"),
    ]
    title = f"Cascade: {' to '.join(result.policy.names)}"
    with progress("drawing the report"):
        write_cascade(
            report,
            result,
            title=recorded(title),
            facts=recorded(facts),
            warnings=recorded_warnings(warnings),
            files=files,
        )
