"""`temperance evaluate`: can these probabilities be believed? With gates for CI."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from math import isfinite, isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from temperance.blocks import connected
from temperance.checks.arguments import as_not_negative
from temperance.cli.console import note, print_json, print_table, print_text, progress
from temperance.cli.files import recorded, recorded_warnings
from temperance.cli.measured import (
    infinite_losses,
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
from temperance.cli.reading import BlockRows
from temperance.cli.reading_options import Reading, takes_reading
from temperance.cli.rows import Settings
from temperance.cli.ways import baseline_name, measure_table
from temperance.errors import InvalidInputError
from temperance.evaluation.evaluation import evaluation_tables
from temperance.formats import load, load_facts
from temperance.metrics.outcomes import Outcomes
from temperance.metrics.resampling import N_RESAMPLES, QUICK_RESAMPLES
from temperance.report import ReportContent, headline, split_sentence, write_report
from temperance.show import number_text
from temperance.version import __version__
from temperance.writers.place import check_writable

if TYPE_CHECKING:
    from temperance.calibrators import Calibrator
    from temperance.cli.rows import RowFacts, Rows
    from temperance.comparison import Comparison
    from temperance.evaluation import Evaluation
    from temperance.metrics.estimates import Estimate

__all__ = ["Gate", "Undecided", "check_gates", "enforce", "evaluate"]

# Limits that an evaluation must keep, for use in CI: judged by evidence, not by luck.


_PANEL = "Gates (exit code 1 when one fails)"
GateVerdict = Literal["passed", "failed", "undecided"]

_ROWS = Outcomes()


class Undecided(StrEnum):
    """What a gate is of which the rows cannot tell."""

    passing = "pass"
    failing = "fail"


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


@dataclass(frozen=True, slots=True)
class Gate:
    """One limit, the measure with its 95 % interval, and what these say of one another.

    Failed: the whole interval is beyond the limit, or the measure is undefined. Passed: the whole
    interval is within the limit, or on it. Undecided: the limit lies inside the interval, so that
    other rows of the same kind might as well have said the contrary.
    """

    option: str
    measure: str
    limit: float
    value: float
    low: float
    high: float
    n: int  # rows
    verdict: GateVerdict
    passed: bool  # the verdict, or what an undecided gate is taken for
    outcomes: Outcomes = _ROWS  # what the rows are

    @classmethod
    def of(
        cls,
        option: str,
        limit: float,
        estimate: Estimate,
        *,
        n: int,
        undecided: Undecided,
        outcomes: Outcomes = _ROWS,
    ) -> Gate:
        """Judge an estimate by the limit of an option, `--max-...` or `--min-...`."""
        verdict = _verdict(estimate, limit, largest=option.startswith("--max-"))
        return cls(
            option=option,
            measure=_measure(option),
            limit=limit,
            value=estimate.value,
            low=estimate.low,
            high=estimate.high,
            n=n,
            verdict=verdict,
            passed=verdict == "passed"
            or (verdict == "undecided" and undecided is Undecided.passing),
            outcomes=outcomes,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields for JSON; an infinite or undefined number is None."""
        numbers = {name: getattr(self, name) for name in ("value", "low", "high")}
        finite = {name: each if isfinite(each) else None for name, each in numbers.items()}
        found = {**asdict(self), **finite}
        del found["outcomes"]
        return found

    def __str__(self) -> str:
        """Say in a line how the gate ended and why."""
        measured = f"{self.measure} is {_number(self.value)}"
        if isfinite(self.value) and self.low < self.high:
            measured += f" (95 % interval {_number(self.low)} to {_number(self.high)})"
        told = f"gate {self.verdict}: {self.option} {self.limit:g}"
        if self.verdict != "undecided":
            return f"{told}, {'and' if self.passed else 'but'} {measured}"
        end = "passes" if self.passed else "fails"
        chosen = "pass" if self.passed else "fail"
        return (
            f"{told}, {measured}: {self.outcomes.rows(self.n)} cannot tell. It {end} "
            f"(--undecided {chosen}); more {self.outcomes.plural} narrow the interval."
        )


def _verdict(estimate: Estimate, limit: float, *, largest: bool) -> GateVerdict:
    """Return where an interval lies; nan, of what no row can tell, keeps no limit."""
    low, high = estimate.low, estimate.high
    if isnan(estimate.value) or (low > limit if largest else high < limit):
        return "failed"
    # an end that is nan is no end: the interval has no limits
    return "passed" if (high <= limit if largest else low >= limit) else "undecided"


def _number(value: float) -> str:
    return f"{value:.4g}" if isfinite(value) else number_text(value)


def given_limits(undecided: Undecided | None = None, **limits: float | None) -> dict[str, float]:
    """Return the limits that were given, e.g. of `max_ece=0.05`, checked, by their options."""
    options = {f"--{name.replace('_', '-')}": limit for name, limit in limits.items()}
    given = {
        option: as_not_negative(limit, name=option)
        for option, limit in options.items()
        if limit is not None
    }
    if undecided is not None and not given:
        msg = f"--undecided {undecided} needs a limit that it is about: {', '.join(options)}."
        raise InvalidInputError(msg)
    return given


def check_gates(
    evaluation: Evaluation, limits: dict[str, float], undecided: Undecided | None = None
) -> list[Gate]:
    """Return a gate for each limit, by its option, e.g. `{"--max-ece": 0.05}`."""
    taken = undecided or Undecided.passing
    return [
        Gate.of(
            option,
            limit,
            getattr(evaluation, _measure(option)),
            n=evaluation.n,
            undecided=taken,
            outcomes=evaluation.outcomes,
        )
        for option, limit in limits.items()
    ]


def _measure(option: str) -> str:
    """Return the field of an evaluation that an option limits: --max-log-loss, log_loss."""
    return option.removeprefix("--").partition("-")[2].replace("-", "_")


def enforce(gates: list[Gate]) -> None:
    """Print a line for each gate and end with exit code 1 if any does not pass."""
    for gate in gates:
        note(str(gate))
    if not all(gate.passed for gate in gates):
        raise typer.Exit(1)


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
            before, facts = rows.measure_raw(**settings)
            final = before
        else:
            measured = rows.measure_after(calibrator, **settings)
            after = measured.after
    if calibrator is not None:
        comparison, facts = measured.comparison, measured.facts
        before, final = comparison.evaluations["before"], comparison.evaluations["after"]
    gates = check_gates(final, limits, undecided)
    warnings = (
        *infinite_losses(rows, final, after),
        *_warnings(facts, final, calibrator_file),
        *rows.warnings(),
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
            warnings=recorded_warnings(warnings),
            plan=rows.label_plan(calibrator),
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
