"""`temperance evaluate`: can these probabilities be believed? With gates for CI."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from temperance.blocks import connected
from temperance.cli.block_rows import BlockRows
from temperance.cli.console import note, print_json, print_table, print_text, progress
from temperance.cli.files import recorded
from temperance.cli.gates import (
    MaxBrier,
    MaxEce,
    MaxLogLoss,
    MinAccuracy,
    UndecidedOption,
    check_gates,
    enforce,
    given_limits,
)
from temperance.cli.label_plan import label_plan
from temperance.cli.measured import (
    Settings,
    infinite_losses,
    measure_after,
    measure_raw,
    row_warnings,
)
from temperance.cli.members import read_members
from temperance.cli.options import (
    BinsOption,
    DaskOption,
    JsonOption,
    QuickOption,
    ReportOption,
    ResamplesOption,
    SeedOption,
)
from temperance.cli.reading_options import Reading, takes_reading
from temperance.cli.tables import baseline_name, measure_table
from temperance.errors import InvalidInputError
from temperance.evaluate.tables import evaluation_tables
from temperance.export import load, load_facts
from temperance.metrics.resampling import N_RESAMPLES, QUICK_RESAMPLES
from temperance.report import ReportContent, headline, split_sentence, write_report
from temperance.version import __version__
from temperance.writers import check_writable

if TYPE_CHECKING:
    from temperance.calibrators import Calibrator
    from temperance.cli.row_facts import RowFacts
    from temperance.cli.rows import Rows
    from temperance.compare import Comparison
    from temperance.evaluate import Evaluation

__all__ = ["evaluate"]


@takes_reading()
def evaluate(
    file: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Logits or probabilities with labels; of an ensemble one file per model.",
        ),
    ],
    calibrator_file: Annotated[
        Path | None,
        typer.Option("--calibrator", metavar="FILE.json", help="Apply this calibrator first."),
    ] = None,
    report: ReportOption = None,
    max_ece: MaxEce = None,
    max_log_loss: MaxLogLoss = None,
    max_brier: MaxBrier = None,
    min_accuracy: MinAccuracy = None,
    undecided: UndecidedOption = None,
    dask: DaskOption = None,
    n_bins: BinsOption = 15,
    n_resamples: ResamplesOption = N_RESAMPLES,
    quick: QuickOption = False,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
    reading: Reading = Reading(),  # noqa: B008  (a frozen value; options take its place)
) -> None:
    """Measure probabilities against labels, each number with a 95 % interval.

    With --calibrator: before and after it. A gate fails where the whole interval is beyond the
    limit, and passes where all of it is within; where it holds the limit, --undecided decides.
    Files, or folders of files, of 1 GiB and more are read block by block, once, in little memory.
    """
    if report is not None:
        check_writable(report, {".html", ".htm"})
    limits = given_limits(
        undecided,
        max_ece=max_ece,
        max_log_loss=max_log_loss,
        max_brier=max_brier,
        min_accuracy=min_accuracy,
    )
    calibrator = None if calibrator_file is None else load(calibrator_file)
    reading = reading.of_answers(calibrator)
    large = BlockRows.of(file, reading, on_cluster=dask is not None)
    rows: Rows | BlockRows = large or read_members(file, reading)
    _check_rows(rows, calibrator, str(calibrator_file))
    settings: Settings = {
        "n_bins": n_bins,
        "n_resamples": QUICK_RESAMPLES if quick else n_resamples,
        "seed": seed,
    }
    comparison = after = None
    with connected(dask):
        if calibrator is None:
            before, facts = measure_raw(rows, **settings)
            final = before
        else:
            measured = measure_after(rows, calibrator, **settings)
            after = measured.after
    if calibrator is not None:
        comparison, facts = measured.comparison, measured.facts
        before, final = comparison.evaluations["before"], comparison.evaluations["after"]
    gates = check_gates(final, limits, undecided)
    warnings = (
        *infinite_losses(rows, final, after),
        *_warnings(facts, final, calibrator_file),
        *row_warnings(rows),
    )
    advice = _advice(rows, calibrator_file)
    finding = headline(comparison, before, calibrator, advice=advice)
    if report is not None:
        content = ReportContent(
            title=recorded(f"Calibration report: {rows.source}"),
            comparison=comparison,
            evaluation=before,
            calibrator=calibrator,
            evaluated_on="given",
            facts=recorded(_told(facts, calibrator_file)),
            warnings=recorded(warnings),
            plan=None if isinstance(rows, BlockRows) else label_plan(rows, calibrator),
            members=facts.members,
            advice=advice,
        )
        with progress("drawing the report"):
            write_report(report, content)
    if as_json:
        files = {"calibrator": calibrator_file, "report": report}
        print_json(
            {
                **_measures(comparison, before, final),
                "evaluated_on": "given",
                "baseline": None if calibrator is None else baseline_name(calibrator),
                "headline": finding,
                "gates": [gate.to_dict() for gate in gates],
                "passed": all(gate.passed for gate in gates),
                "warnings": list(warnings),
                "data_sha256": facts.sha256,
                **{name: None if path is None else str(path) for name, path in files.items()},
            }
        )
    else:
        print_text(finding, bold=True)
        print_text(split_sentence(before, calibrator=calibrator))
        tables = []
        if comparison is not None and calibrator is not None:
            tables.append(measure_table(comparison, evaluated_on="given", calibrator=calibrator))
        for table in (*tables, *evaluation_tables(final)):
            print_table(table)
        for warning in warnings:
            note(f"warning: {warning}")
        if report is not None:
            print_text(f"report: {report}")
    enforce(gates)


def _advice(rows: Rows | BlockRows, calibrator_file: Path | None) -> str:
    """Return what to try where the calibrated rows are still refuted; "" where all was tried."""
    if calibrator_file is None or (
        not isinstance(rows, BlockRows) and (rows.entries or rows.members)
    ):
        return ""
    chosen = load_facts(calibrator_file).get("selection") is not None
    return "" if chosen else "fit with --method auto tries richer maps"


def _check_rows(rows: Rows | BlockRows, calibrator: Calibrator | None, source: str) -> None:
    """Raise where the calibrator is not of these rows, or where without one they say nothing."""
    if calibrator is not None:
        rows.check_fits(calibrator, source)
    elif not isinstance(rows, BlockRows) and not rows.says_probabilities:
        msg = (
            f"{rows.source}: a score of `--score-scale` real is no probability to measure, but one "
            f"to learn a map from: temperance fit {rows.source} --kind answers --score-scale real; "
            "then evaluate other rows with --calibrator calibrator.json."
        )
        raise InvalidInputError(msg)


def _measures(
    comparison: Comparison | None, before: Evaluation, final: Evaluation
) -> dict[str, Any]:
    if comparison is None:
        return final.to_dict()
    differences = comparison.differences["after"].to_dict()
    return {**final.to_dict(), "before": before.to_dict(), "differences": differences}


def _warnings(rows: RowFacts, final: Evaluation, calibrator_file: Path | None) -> tuple[str, ...]:
    found = []
    if calibrator_file and load_facts(calibrator_file).get("data_sha256") == rows.sha256:
        found.append(
            f"{calibrator_file} was fitted on this very file: the measures after it flatter it."
        )
    if final.tied_rows and final.tie_neutral_accuracy is not None:
        tied, outcomes = final.outcomes.rows(final.tied_rows), final.outcomes
        has = "has" if final.tied_rows == 1 else "have"
        if outcomes.kind == "classes":
            told = (
                f"{tied} {has} several most probable classes: the first column counts as "
                "predicted. Without regard to the order of columns"
            )
        else:
            no = "wrong" if outcomes.kind == "answers" else "not applying"
            told = (
                f"{tied} {has} a probability of exactly 1/2, which counts as {no}. Counted as half "
                "right"
            )
        found.append(f"{told} the accuracy is {final.tie_neutral_accuracy:.4f}.")
    return tuple(found)


def _told(rows: RowFacts, calibrator_file: Path | None) -> tuple[tuple[str, str], ...]:
    return (
        ("Rows", rows.described),
        ("SHA-256 of that file", rows.sha256),
        ("Calibrator", "none" if calibrator_file is None else str(calibrator_file)),
        ("Weights", "yes" if rows.weighted else "none"),
        ("Library", f"temperance {__version__}"),
    )
