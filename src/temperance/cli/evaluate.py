"""`temperance evaluate`: can these probabilities be believed? With gates for CI."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from temperance.cli.options import (
    BinsOption,
    DaskOption,
    JsonOption,
    QuickOption,
    ReportOption,
    ResamplesOption,
    SeedOption,
    Undecided,
)
from temperance.cli.process import recorded, recorded_warnings
from temperance.cli.reading_options import takes_reading
from temperance.defaults import N_RESAMPLES, QUICK_RESAMPLES
from temperance.errors import InvalidInputError
from temperance.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

    from temperance.calibrators import Calibrator
    from temperance.comparison import Comparison
    from temperance.evaluation import Evaluation
    from temperance.rows.blocks import BlockRows
    from temperance.rows.memory import RowFacts, Rows, Settings
    from temperance.rows.reading import Reading
    from temperance.show import Table

__all__ = ["evaluate"]

_PANEL = "Gates (exit code 1 when one fails)"


def _limit(name: str, what: str) -> Any:  # noqa: ANN401  (typer's option object)
    return typer.Option(name, metavar="X", help=what, rich_help_panel=_PANEL)


MaxEce = Annotated[float | None, _limit("--max-ece", "Largest calibration error.")]
MaxLogLoss = Annotated[float | None, _limit("--max-log-loss", "Largest log loss.")]
MaxBrier = Annotated[float | None, _limit("--max-brier", "Largest Brier score.")]
MinAccuracy = Annotated[float | None, _limit("--min-accuracy", "Smallest accuracy.")]
UndecidedOption = Annotated[
    Undecided | None,
    typer.Option(
        "--undecided",
        help="Of a limit within the 95 % interval, where these rows cannot tell.",
        show_default="pass",
        rich_help_panel=_PANEL,
    ),
]


@takes_reading()
def evaluate(
    reading: Reading,
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
) -> None:
    """Measure probabilities against labels, each number with a 95 % interval.

    With --calibrator: before and after it. A gate fails where the whole interval is beyond the
    limit, and passes where all of it is within; where it holds the limit, --undecided decides.
    Files, or folders of files, of 1 GiB and more are read block by block, once, in little memory.
    """
    from temperance.blocks import connected
    from temperance.cli.console import Headline, Result, note, progress
    from temperance.cli.tables import baseline_name
    from temperance.evaluation import check_gates
    from temperance.formats import load
    from temperance.report import headline
    from temperance.rows.calibration import infinite_losses
    from temperance.rows.reading import large_rows, read_members
    from temperance.writers.place import check_writable

    if report is not None:
        check_writable(report, {".html", ".htm"})
    limits = _limits(
        undecided,
        max_ece=max_ece,
        max_log_loss=max_log_loss,
        max_brier=max_brier,
        min_accuracy=min_accuracy,
    )
    calibrator = None if calibrator_file is None else load(calibrator_file)
    reading = reading.for_calibrator(calibrator)
    large = large_rows(file, reading, on_cluster=dask is not None)
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
            before, facts = rows.measure_raw(**settings)
            final = before
        else:
            measured = rows.measure_after(calibrator, **settings)
            after = measured.after
    if calibrator is not None:
        comparison, facts = measured.comparison, measured.facts
        before, final = comparison.evaluations["before"], comparison.evaluations["after"]
    gates = check_gates(final, **limits, undecided="pass" if undecided is None else undecided.value)
    warnings = (
        *infinite_losses(rows, final, after),
        *_warnings(facts, final, calibrator_file),
        *rows.warnings(),
    )
    advice = _advice(rows, calibrator_file)
    finding = headline(comparison, before, calibrator, advice=advice)
    if report is not None:
        from temperance.report import ReportContent, write_report

        content = ReportContent(
            title=recorded(f"Calibration report: {rows.source}"),
            comparison=comparison,
            evaluation=before,
            calibrator=calibrator,
            evaluated_on="given",
            facts=recorded(_facts(facts, calibrator_file)),
            warnings=recorded_warnings(warnings),
            plan=rows.label_plan(calibrator),
            members=facts.members,
            advice=advice,
        )
        with progress("drawing the report"):
            write_report(report, content)
    about = {
        "evaluated_on": "given",
        "baseline": None if calibrator is None else baseline_name(calibrator),
        "headline": finding,
        "gates": [gate.to_dict() for gate in gates],
        "passed": all(gate.passed for gate in gates),
        "data_sha256": facts.sha256,
        "calibrator": None if calibrator_file is None else str(calibrator_file),
    }
    result = Result(
        lambda: {**_measures(comparison, before, final), **about},
        lambda: (Headline(finding), *_shown(comparison, before, final, calibrator)),
        warnings=warnings,
        files={"report": report},
    )
    result.print(as_json=as_json)
    for gate in gates:
        note(gate.in_words(of_command=True))
    if not all(gate.passed for gate in gates):
        raise typer.Exit(1)


def _limits(undecided: Undecided | None, **limits: float | None) -> dict[str, float]:
    """Return the limits, checked before a row is read; without any there is none to decide."""
    from temperance.evaluation import as_limits

    known = as_limits(**limits)
    if undecided is not None and not known:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in limits)
        msg = f"--undecided {undecided} needs a limit that it is about: {options}."
        raise InvalidInputError(msg)
    return known


def _shown(
    comparison: Comparison | None,
    before: Evaluation,
    final: Evaluation,
    calibrator: Calibrator | None,
) -> Iterator[str | Table]:
    """Yield how the log loss splits, then the tables of all that was measured."""
    from temperance.cli.tables import measure_table
    from temperance.evaluation.evaluation import evaluation_tables
    from temperance.report import split_sentence

    yield split_sentence(before, calibrator=calibrator)
    if comparison is not None and calibrator is not None:
        yield measure_table(comparison, evaluated_on="given", calibrator=calibrator)
    yield from evaluation_tables(final)


def _advice(rows: Rows | BlockRows, calibrator_file: Path | None) -> str:
    """Return what to try where the calibrated rows are still refuted; "" where all was tried."""
    from temperance.formats import load_facts

    if calibrator_file is None or not rows.takes_auto:
        return ""
    chosen = load_facts(calibrator_file).get("selection") is not None
    return "" if chosen else "fit with --method auto tries richer maps"


def _check_rows(rows: Rows | BlockRows, calibrator: Calibrator | None, source: str) -> None:
    """Raise where the calibrator is not of these rows, or where without one they say nothing."""
    if calibrator is not None:
        rows.check_fits(calibrator, source)
    else:
        rows.refuse_scores()


def _measures(
    comparison: Comparison | None, before: Evaluation, final: Evaluation
) -> dict[str, Any]:
    if comparison is None:
        return final.to_dict()
    differences = comparison.differences["after"].to_dict()
    return {**final.to_dict(), "before": before.to_dict(), "differences": differences}


def _warnings(rows: RowFacts, final: Evaluation, calibrator_file: Path | None) -> tuple[str, ...]:
    from temperance.formats import load_facts

    warnings = []
    if calibrator_file and load_facts(calibrator_file).get("data_sha256") == rows.sha256:
        warnings.append(
            f"{calibrator_file} was fitted on this very file: the measures after it flatter it."
        )
    if final.tied_rows and final.tie_neutral_accuracy is not None:
        tied, outcomes = final.outcomes.rows(final.tied_rows), final.outcomes
        has = "has" if final.tied_rows == 1 else "have"
        if outcomes.kind == "classes":
            text = (
                f"{tied} {has} several most probable classes: the first column counts as "
                "predicted. Without regard to the order of columns"
            )
        else:
            no = "wrong" if outcomes.kind == "answers" else "not applying"
            text = (
                f"{tied} {has} a probability of exactly 1/2, which counts as {no}. Counted as half "
                "right"
            )
        warnings.append(f"{text} the accuracy is {final.tie_neutral_accuracy:.4f}.")
    return tuple(warnings)


def _facts(rows: RowFacts, calibrator_file: Path | None) -> tuple[tuple[str, str], ...]:
    return (
        ("Rows", rows.described),
        ("SHA-256 of that file", rows.sha256),
        ("Calibrator", "none" if calibrator_file is None else str(calibrator_file)),
        ("Weights", "yes" if rows.weighted else "none"),
        ("Library", f"temperance {__version__}"),
    )
