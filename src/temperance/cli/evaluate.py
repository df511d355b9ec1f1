"""`temperance evaluate`: can these probabilities be believed? With gates for CI."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from temperance.cli.console import Result
from temperance.cli.gating import (
    GATES,
    Gating,
    JUnitOption,
    MarginOption,
    MarkdownOption,
    UndecidedOption,
    as_margins,
    ended,
)
from temperance.cli.options import (
    BinsOption,
    DaskOption,
    QuickOption,
    ReportOption,
    ResamplesOption,
    SeedOption,
)
from temperance.cli.process import files_read, recorded, recorded_warnings
from temperance.cli.reading_options import takes_reading
from temperance.defaults import N_RESAMPLES, QUICK_RESAMPLES
from temperance.errors import InvalidInputError
from temperance.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from temperance.calibrators import Calibrator
    from temperance.comparison import Comparison
    from temperance.evaluation import Evaluation
    from temperance.gates import Baseline, Gated, RowSums
    from temperance.metrics.ordinal import OrdinalMeasures
    from temperance.report import OrderedLevels
    from temperance.rows.blocks import BlockRows
    from temperance.rows.memory import MeasureSettings, RowFacts, Rows
    from temperance.rows.reading import Reading
    from temperance.show import Table

__all__ = ["evaluate"]


def _limit(name: str, what: str) -> Any:  # noqa: ANN401  (typer's option object)
    return typer.Option(name, metavar="X", help=what, rich_help_panel=GATES)


MaxEce = Annotated[float | None, _limit("--max-ece", "Largest calibration error.")]
MaxLogLoss = Annotated[float | None, _limit("--max-log-loss", "Largest log loss.")]
MaxBrier = Annotated[float | None, _limit("--max-brier", "Largest Brier score.")]
MinAccuracy = Annotated[float | None, _limit("--min-accuracy", "Smallest accuracy.")]
BaselineOption = Annotated[
    Path | None,
    typer.Option(
        "--baseline",
        metavar="OLD.json",
        help="What evaluate --json printed of an older model: fail where this one is worse.",
        rich_help_panel=GATES,
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
    ordered: Annotated[
        bool,
        typer.Option(
            "--ordered",
            help="Classes are levels in the order of the columns, as scores from 1 to 5: also "
            "measure how far off.",
        ),
    ] = False,
    max_ece: MaxEce = None,
    max_log_loss: MaxLogLoss = None,
    max_brier: MaxBrier = None,
    min_accuracy: MinAccuracy = None,
    baseline_file: BaselineOption = None,
    margin: MarginOption = None,
    undecided: UndecidedOption = None,
    junit: JUnitOption = None,
    markdown: MarkdownOption = None,
    dask: DaskOption = None,
    n_bins: BinsOption = 15,
    n_resamples: ResamplesOption = N_RESAMPLES,
    quick: QuickOption = False,
    seed: SeedOption = 0,
) -> Result:
    """Measure probabilities against labels, each number with a 95 % interval.

    With --calibrator: before and after it. A gate fails where the whole interval is beyond the
    limit, and passes where all of it is within; where it holds the limit, --undecided decides.
    --baseline OLD.json judges the differences from an older model in the same way.
    Files, or folders of files, of 1 GiB and more are read block by block, once, in little memory.
    """
    from temperance.blocks import connected
    from temperance.cli.console import Headline, progress
    from temperance.comparison import baseline_name
    from temperance.formats import load
    from temperance.frozen import plain
    from temperance.gates.baseline import baseline_head
    from temperance.report import headline
    from temperance.rows.calibration import infinite_losses
    from temperance.rows.reading import large_rows, read_members
    from temperance.writers.place import check_writable

    if report is not None:
        check_writable(report, {".html", ".htm"})
    gating = Gating(undecided, junit, markdown)
    conditions = _Conditions.of(
        gating, baseline_file, margin,
        max_ece=max_ece, max_log_loss=max_log_loss, max_brier=max_brier, min_accuracy=min_accuracy,
    )  # fmt: skip
    calibrator = None if calibrator_file is None else load(calibrator_file)
    reading = reading.for_calibrator(calibrator)
    large = large_rows(file, reading, on_cluster=dask is not None)
    rows: Rows | BlockRows = large or read_members(file, reading)
    _check_rows(rows, calibrator, str(calibrator_file))
    settings: MeasureSettings = {
        "n_bins": n_bins,
        "n_resamples": QUICK_RESAMPLES if quick else n_resamples,
        "seed": seed,
    }
    comparison = after = None
    with nullcontext() if dask is None else connected(dask):
        if calibrator is None:
            before, facts = rows.measure_raw(**settings)
            final = before
        else:
            measurement = rows.measure_after(calibrator, **settings)
            after = measurement.after
    if calibrator is not None:
        comparison, facts = measurement.comparison, measurement.facts
        before, final = comparison.evaluations["before"], comparison.evaluations["after"]
    levels = rows.ordinal_measures(after, n_bins=n_bins) if ordered else None
    row_sums = cache(partial(rows.row_sums, after))
    gates, against = conditions.judge(final, row_sums, gating)
    warnings = (
        *infinite_losses(rows, final, after),
        *_warnings(facts, final, calibrator_file),
        *(() if calibrator is None else rows.fallbacks(calibrator)),
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
            ordered=_ordered(rows, levels, after, n_bins),
            members=facts.members,
            untried="auto" if advice else "",
            files=files_read(file, calibrator_file),
        )
        with progress("drawing the report"):
            write_report(report, content)
    about = {
        "evaluated_on": "given",
        "baseline": None if calibrator is None else baseline_name(calibrator),
        "headline": finding,
        **ended(gates),
        "against_baseline": against,
        "data_sha256": facts.sha256,
        "calibrator": None if calibrator_file is None else str(calibrator_file),
    }

    def shown() -> Iterator[str | Table]:
        yield Headline(finding)
        yield from _shown(comparison, before, final, calibrator)
        if levels is not None:
            yield from levels.tables()

    gating.write(
        "evaluate", gates, source=facts.source, headline=finding, shown=shown, warnings=warnings,
        digests={facts.source: facts.sha256}, report=report,
    )  # fmt: skip
    return Result(
        lambda: {
            **baseline_head(),
            **_measures(comparison, before, final),
            **about,
            **({} if levels is None else {"ordered": levels.to_dict()}),
            "row_sums": plain(row_sums()),
        },
        shown,
        warnings=warnings,
        files={"report": report, **gating.files},
        gates=gates,
    )


@dataclass(frozen=True, slots=True)
class _Conditions:
    """The gates of a command line, checked before a row is read."""

    limits: dict[str, float]
    baseline: Baseline | None
    margins: dict[str, float]

    @classmethod
    def of(
        cls,
        gating: Gating,
        baseline_file: Path | None,
        margin: list[str] | None,
        **limits: float | None,
    ) -> _Conditions:
        from temperance.gates import Baseline
        from temperance.gates.limits import as_limits

        known = as_limits(**limits)
        options = ("--baseline", *(f"--{name.replace('_', '-')}" for name in limits))
        gating.check(any_gate=bool(known) or baseline_file is not None, options=options)
        if margin and baseline_file is None:
            msg = "`--margin` needs --baseline OLD.json, than which a measure may be worse by that."
            raise InvalidInputError(msg)
        baseline = None if baseline_file is None else Baseline.read(baseline_file)
        return cls(known, baseline, as_margins(margin))

    def judge(
        self, final: Evaluation, row_sums: Callable[[], RowSums | None], gating: Gating
    ) -> tuple[tuple[Gated, ...], dict[str, Any] | None]:
        """Return all gates, and what JSON says of the baseline as a whole."""
        from temperance.gates import check_baseline, check_gates
        from temperance.gates.difference import overall

        gates = check_gates(final, **self.limits, undecided=gating.taken_for)
        if self.baseline is None:
            return gates, None
        own, old = row_sums(), self.baseline.row_sums
        differences = check_baseline(
            final, self.baseline,
            row_sums=own, margins=self.margins, undecided=gating.taken_for,
        )  # fmt: skip
        against = {
            "file": self.baseline.name,
            "n": self.baseline.n,
            "same_rows": None if own is None or old is None else own.same_rows(old),
            "verdict": overall(differences),
            "measures": {each.measure: each.finding for each in differences},
        }  # fmt: skip
        return (*gates, *differences), against


def _shown(
    comparison: Comparison | None,
    before: Evaluation,
    final: Evaluation,
    calibrator: Calibrator | None,
) -> Iterator[str | Table]:
    """Yield how the log loss splits, then the tables of all that was measured."""
    from temperance.comparison import measure_table
    from temperance.evaluation.evaluation import evaluation_tables
    from temperance.report import split_sentence

    yield split_sentence(before, calibrator=calibrator)
    if comparison is not None and calibrator is not None:
        yield measure_table(comparison, evaluated_on="given", calibrator=calibrator)
    yield from evaluation_tables(final)


def _ordered(
    rows: Rows | BlockRows,
    levels: OrdinalMeasures | None,
    after: NDArray[Any] | None,
    n_bins: int,
) -> dict[str, OrderedLevels]:
    """Return what the report shows of ordered levels, a side each; {} where they are none."""
    from temperance.report import OrderedLevels

    if levels is None:
        return {}
    last = OrderedLevels(levels, rows.level_events(after, n_bins=n_bins))
    if after is None:
        return {"As it is": last}
    raw = OrderedLevels(rows.ordinal_measures(n_bins=n_bins), rows.level_events(n_bins=n_bins))
    return {"Before": raw, "After": last}


def _advice(rows: Rows | BlockRows, calibrator_file: Path | None) -> str:
    """Return what to try where the calibrated rows are still refuted; "" where all was tried."""
    from temperance.formats import load_facts

    if calibrator_file is None or not rows.takes_auto:
        return ""
    is_selection = load_facts(calibrator_file).get("selection") is not None
    return "" if is_selection else "fit with --method auto tries richer maps"


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
