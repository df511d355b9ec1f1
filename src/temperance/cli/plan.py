"""`temperance plan`: how many labels do I need? Answered before anybody labels a row."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from temperance.cli.console import Result
from temperance.cli.options import (
    BinsOption,
    PassOption,
    ReportOption,
    SeedOption,
    passing_words,
)
from temperance.cli.process import files_read, recorded, recorded_warnings
from temperance.cli.reading_options import takes_reading
from temperance.errors import InvalidInputError, NoOptimumError
from temperance.printable import count_text, digits_text
from temperance.version import __version__

if TYPE_CHECKING:
    from temperance.calibrators import Calibrator, TemperatureScaling
    from temperance.planning import Plan
    from temperance.report import Files
    from temperance.rows.memory import Rows
    from temperance.rows.reading import Reading

__all__ = ["plan"]

_JUDGES = "Judges of a language model's answers"


@takes_reading(without=("class_axis", "cluster_column"), answers=False)
def plan(
    reading: Reading,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="Logits or probabilities; labels are not needed."),
    ],
    error: Annotated[
        float, typer.Option("--error", metavar="X", help="Calibration error to see (ECE).")
    ] = 0.02,
    temperature: Annotated[
        float, typer.Option("--temperature", metavar="T", help="Temperature to tell from 1.")
    ] = 1.1,
    precision: Annotated[
        float,
        typer.Option("--precision", metavar="X", help="Know T within this share of T."),
    ] = 0.05,
    power: Annotated[
        float, typer.Option("--power", metavar="P", help="Probability of seeing what is there.")
    ] = 0.8,
    calibrator_file: Annotated[
        Path | None,
        typer.Option("--calibrator", metavar="FILE.json", help="Apply this calibrator first."),
    ] = None,
    n_bins: BinsOption = 15,
    seed: SeedOption = 0,
    report: ReportOption = None,
    judge_column: Annotated[
        str | None,
        typer.Option(
            "--judge-column",
            metavar="NAME",
            help="FILE holds a judge's verdicts in this column (`temperance judge`): plan the "
            "labels that its pass rate needs.",
            rich_help_panel=_JUDGES,
        ),
    ] = None,
    half_width: Annotated[
        float | None,
        typer.Option(
            "--half-width",
            metavar="X",
            help="Know the pass rate within this; 0.03 where left out.",
            rich_help_panel=_JUDGES,
        ),
    ] = None,
    agreement: Annotated[
        float | None,
        typer.Option(
            "--agreement",
            metavar="P",
            help="How often people may agree with the judge, where no row has a label yet.",
            rich_help_panel=_JUDGES,
        ),
    ] = None,
    passing: PassOption = None,
) -> Result:
    """Say how many labels are needed to judge and to calibrate a model.

    The outputs are taken as calibrated. If FILE has labels, or with --calibrator, they are
    scaled first, and that fit's standard error says how well a temperature can be known.
    """
    from temperance.calibrators import temperature_of
    from temperance.cli.console import progress
    from temperance.formats import load
    from temperance.planning import check_options
    from temperance.planning import plan as plan_labels
    from temperance.rows.memory import naming
    from temperance.rows.reading import read_rows
    from temperance.writers.place import check_writable

    if report is not None:
        check_writable(report, {".html", ".htm"})
    if judge_column is not None:
        if report is not None:
            msg = "`--report` has no page of a plan with --judge-column: leave one of them out."
            raise InvalidInputError(msg)
        return _plan_of_judge(
            file, reading, judge_column, passing,
            half_width=0.03 if half_width is None else half_width, agreement=agreement,
        )  # fmt: skip
    for name, value in (("half-width", half_width), ("agreement", agreement), ("pass", passing)):
        if value is not None:
            msg = f"`--{name}` needs --judge-column, which names a judge's verdicts."
            raise InvalidInputError(msg)
    check_options(temperature, precision, error, power, n_bins)
    loaded = None if calibrator_file is None else load(calibrator_file)
    rows = read_rows(file, reading.with_floor_of(loaded), labelled=False)
    if loaded is not None:
        rows.check_fits(loaded, str(calibrator_file))
    with naming(rows.source), progress("planning"):
        calibrator: Calibrator | None = loaded
        warnings = list(rows.notes)
        if calibrator is None:
            calibrator = _first_fit(rows, warnings)
        scaled = rows.logits
        if calibrator is not None:
            scaled = rows.scaled_by(calibrator)
        answer = plan_labels(
            scaled,
            temperature=temperature,
            precision=precision,
            ece=error,
            power=power,
            weights=rows.weights,
            pilot=None if calibrator is None else calibrator.temperature_record,
            n_bins=n_bins,
            seed=seed,
            refuse_probs=False,
        )
    scaled_by = None if calibrator is None else temperature_of(calibrator)
    source = "its labels" if calibrator_file is None else str(calibrator_file)
    by = "" if calibrator is None else f", scaled by the {_map_name(calibrator)} of {source}"
    if report is not None:
        files = files_read([file], calibrator_file)
        _write_report(report, answer, rows, f"{rows.described}{by}", warnings, files)
    return Result(
        lambda: {**answer.to_dict(), "scaled_by": scaled_by},
        lambda: (str(answer), f"planned from {rows.described}{by}"),
        warnings=warnings,
        files={"report": report},
    )


def _write_report(
    report: Path,
    answer: Plan,
    rows: Rows,
    planned_from: str,
    warnings: list[str],
    files: Files,
) -> None:
    from temperance.cli.console import progress
    from temperance.report import write_plan

    with progress("drawing the report"):
        write_plan(
            report,
            answer,
            title=recorded(f"Label plan: {rows.source}"),
            facts=recorded(
                (
                    ("Planned from", planned_from),
                    ("SHA-256 of that file", rows.sha256),
                    ("Library", f"temperance {__version__}"),
                )
            ),
            warnings=recorded_warnings(warnings),
            files=files,
            labelled=0 if rows.labels is None else rows.n,
        )


def _plan_of_judge(
    file: Path,
    reading: Reading,
    judge_column: str,
    passing: str | None,
    *,
    half_width: float,
    agreement: float | None,
) -> Result:
    """Say how many labels the pass rate of a judge needs."""
    from temperance.cli.console import progress
    from temperance.llm import plan_pass_rate
    from temperance.rows.judged import JudgedColumns, read_judged
    from temperance.rows.memory import naming

    fields = reading.fields
    columns = JudgedColumns(
        judge_column, fields.label or "label", weight=fields.weight, id=fields.id or "id",
        passing=passing_words(passing), label_id=fields.label_id,
    )  # fmt: skip
    labels = reading.labels if isinstance(reading.labels, Path) else None
    rows = read_judged(file, columns, labels=labels, labelled=fields.label is not None)
    with naming(rows.source), progress("planning"):
        answer = plan_pass_rate(
            rows.verdicts,
            rows.labels if rows.n_labelled else None,
            half_width=half_width,
            agreement=agreement,
            weights=rows.weights,
        )
    facts = (
        f"planned from {count_text(answer.n, 'verdict')} of {rows.source}, "
        f"{count_text(answer.n_labelled, 'label')}"
    )
    return Result(
        answer.to_dict,
        lambda: (str(answer), facts),
        warnings=rows.notes,
    )


def _map_name(calibrator: Calibrator) -> str:
    from temperance.calibrators import temperature_of

    temperature = temperature_of(calibrator)
    return calibrator.method if temperature is None else f"T = {digits_text(temperature, 4)}"


def _first_fit(rows: Rows, warnings: list[str]) -> TemperatureScaling | None:
    """Return the temperature that the file's labels give, if there are labels and they do."""
    from temperance.calibrators import TemperatureScaling

    if rows.labels is None:
        return None
    try:
        return TemperatureScaling.fit(
            rows.logits, rows.labels, weights=rows.weights, refuse_probs=False
        )
    except (InvalidInputError, NoOptimumError) as error:
        warnings.append(f"the labels are not used. {error}")
        return None
