"""Fit, evaluate on rows the fit has not seen, save, report: what `fit` and `demo` share."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal

from temperance.alternatives import BIASED
from temperance.calibrators import (
    TemperatureRecord,
    Training,
    interval_of,
    temperature_of,
)
from temperance.cli.console import note, print_json, print_table, print_text, progress
from temperance.cli.files import recorded, recorded_warnings
from temperance.cli.fitting import fit_rows
from temperance.cli.measured import (
    infinite_losses,
    interval_warnings,
)
from temperance.cli.reading import BlockRows
from temperance.cli.rows import Settings
from temperance.cli.ways import (
    baseline_name,
    class_biases_of,
    compare_label_ways,
    compare_pooling,
    label_way_warnings,
    label_ways_dict,
    measure_table,
    pooling_dict,
    ways_table,
)
from temperance.formats import save
from temperance.metrics.resampling import N_RESAMPLES
from temperance.printable import count_text
from temperance.report import ReportContent, headline, split_sentence, write_report
from temperance.selection.choose import LEAST_PER_PARAMETER
from temperance.selection.selection import selection_table
from temperance.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from temperance.alternatives import ClassBiases
    from temperance.calibrators import Calibrator, FitRecord, Pool
    from temperance.cli.rows import RowFacts, Rows
    from temperance.comparison import Comparison
    from temperance.planning import Plan
    from temperance.selection import Selection

__all__ = ["Calibration", "calibrate", "finish", "fit_warnings"]

_FEW_LABELS = 200


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """A fitted calibrator with its measures on rows it has not seen."""

    calibrator: Calibrator
    comparison: Comparison  # "before" and "after"
    evaluated_on: Literal["cross-fitted", "test"]
    rows: RowFacts  # of the fit
    test: RowFacts | None
    warnings: tuple[str, ...]
    pooling: Comparison | None = None  # of an ensemble: other ways of pooling, on the same rows
    selection: Selection | None = None  # how the method was chosen; None where it was named
    class_biases: ClassBiases | None = None  # where they were fitted, or a report will show them
    label_ways: Comparison | None = None  # of a label matrix: other ways, on the same rows
    plan: Plan | None = None  # labels still needed, where a report will say it
    may_choose: bool = True  # whether the command takes another --method

    @property
    def record(self) -> FitRecord:
        """What the fit left behind."""
        record = self.calibrator.record
        assert record is not None  # noqa: S101  (a fit leaves one)
        return record

    @property
    def tried(self) -> dict[str, float]:
        """Log loss of each map tried, on the rows measured, by fits that had not seen them."""
        found = {self.calibrator.name: self.comparison.evaluations["after"].log_loss.value}
        if self.class_biases is not None:
            biased = self.class_biases.comparison.evaluations[BIASED]
            found["a temperature with class biases"] = biased.log_loss.value
        if self.selection is not None and self.evaluated_on == "cross-fitted":
            found |= {
                each.method: each.log_loss.value
                for each in self.selection.tried
                if each.log_loss is not None and each.method != "identity"
            }
        return found

    @property
    def advice(self) -> str:
        """What to try where these rows still refute calibration; "" where all has been tried."""
        richer = self.calibrator.richer_method
        if not self.may_choose or self.selection is not None or richer is None:
            return ""
        zeros = self.comparison.evaluations["before"].zero_probability_labels
        return (
            f"try --method {richer}{' --floor auto' if zeros else ''}"  # most maps need logarithms
        )


def calibrate(
    rows: Rows,
    test: Rows | BlockRows | None,
    *,
    method: str,
    prior: float,
    n_bins: int,
    seed: int,
    n_resamples: int = N_RESAMPLES,
    pool: Pool = "linear",
    planned: bool = False,
) -> Calibration:
    """Fit on `rows`; measure on `test`, or on `rows` themselves cross-fitted.

    `planned`: also say how many labels are still needed.
    """
    fitted = fit_rows(
        rows, method=method, prior=prior, pool=pool, out_of_fold=test is None, seed=seed
    )
    calibrator, out_of_fold = fitted.calibrator, fitted.out_of_fold
    settings: Settings = {"n_bins": n_bins, "n_resamples": n_resamples, "seed": seed}
    if test is not None:
        measured = test.measure_after(calibrator, **settings)
    else:
        assert out_of_fold is not None  # noqa: S101  (it was asked for)
        measured = rows.measure_scaled(out_of_fold, **settings)
    comparison = measured.comparison
    pooling = plan = biases = label_ways = None
    if not isinstance(test, BlockRows):
        if rows.members is not None:
            with progress("comparing ways of pooling"):
                pooling = compare_pooling(rows, test, measured.after, pool=pool, seed=seed)
        if rows.entries is not None:
            with progress("comparing ways"):
                label_ways = compare_label_ways(
                    rows, test, measured.after, method=calibrator.name, seed=seed
                )
        plan = (test or rows).label_plan(calibrator) if planned else None
        if planned or fitted.selection is None:
            with progress("class biases"):
                biases = class_biases_of(
                    rows, test, calibrator, fitted.selection, measured.after, seed=seed
                )
    return Calibration(
        calibrator=calibrator,
        comparison=comparison,
        evaluated_on="cross-fitted" if test is None else "test",
        rows=rows.facts,
        test=None if test is None else measured.facts,
        pooling=pooling,
        selection=fitted.selection,
        class_biases=biases,
        label_ways=label_ways,
        plan=plan,
        warnings=(
            *fit_warnings(calibrator, comparison),
            *_few_events(calibrator, rows),
            *label_way_warnings(label_ways),
            *_not_pooled(rows, pooling),
            *interval_warnings(calibrator, rows),
            *infinite_losses(rows if test is None else test, comparison.evaluations["before"]),
            *(() if test is None else rows.notes),  # else they are among those of the measures
            *measured.warnings,
        ),
    )


def finish(
    done: Calibration, *, output: Path, report: Path | None, as_json: bool, model: str | None
) -> None:
    """Write the files and print the result."""
    summary = _summary(done, output=output, report=report)
    facts = {
        "data": done.rows.source,
        "data_sha256": done.rows.sha256,
        "data_kind": done.rows.kind,
        "model": model,
        "selection": None if done.selection is None else done.selection.to_dict(),
    }
    evaluation = {"evaluated_on": done.evaluated_on, **done.comparison.to_dict(curves=False)}
    save(done.calibrator, output, facts=recorded(facts), evaluation=evaluation)
    if report is not None:
        with progress("drawing the report"):
            write_report(report, _report_content(done, output=output, model=model))
    if as_json:
        print_json(summary)
        return
    if done.pooling is not None:
        print_table(ways_table(done.pooling))
    if done.selection is not None:
        print_table(selection_table(done.selection))
        print_text(done.selection.in_words(), bold=True)
    print_text(summary["headline"], bold=True)
    print_text(split_sentence(done.comparison.evaluations["before"], done.tried, done.calibrator))
    print_table(
        measure_table(done.comparison, evaluated_on=done.evaluated_on, calibrator=done.calibrator)
    )
    print_text(str(done.calibrator))
    for table in done.calibrator.tables():
        print_table(table)
    for warning in done.warnings:
        note(f"warning: {warning}")
    print_text(f"calibrator: {output}" + (f"   report: {report}" if report else ""))


def _summary(done: Calibration, *, output: Path, report: Path | None) -> dict[str, Any]:
    record, comparison = done.record, done.comparison
    sides = {name: each.to_dict(curves=False) for name, each in comparison.evaluations.items()}
    measures = ("log_loss", "brier", "ece", "accuracy")
    return {
        "method": done.calibrator.name,
        "kind": done.calibrator.kind,
        **_temperature(done.calibrator),
        "n": record.n,
        "classes": done.calibrator.n_classes or done.rows.n_classes,
        "evaluated_on": done.evaluated_on,
        "n_evaluated": (done.test or done.rows).n,
        **{side: {name: e[name]["value"] for name in measures} for side, e in sides.items()},
        "intervals": sides,
        "differences": comparison.differences["after"].to_dict(),
        "score_test": record.score_test.to_dict(),
        "prior": record.prior,
        "passes": record.passes,
        "selection": None if done.selection is None else done.selection.to_dict(),
        "pooling": None if done.pooling is None else pooling_dict(done.pooling),
        "label_ways": None if done.label_ways is None else label_ways_dict(done.label_ways),
        "class_biases": None if done.class_biases is None else done.class_biases.to_dict(),
        "headline": headline(
            comparison,
            comparison.evaluations["before"],
            done.calibrator,
            score_test=record.score_test,
            advice=done.advice,
        ),
        "maps_tried": {name: loss if isfinite(loss) else None for name, loss in done.tried.items()},
        "baseline": baseline_name(done.calibrator),
        "warnings": list(done.warnings),
        "data_sha256": done.rows.sha256,
        "calibrator": str(output),
        "report": None if report is None else str(report),
    }


def _temperature(calibrator: Calibrator) -> dict[str, Any]:
    """The temperature with what is known about it; null for methods that have none."""
    record, interval = calibrator.record, interval_of(calibrator)
    known = record if isinstance(record, TemperatureRecord) else None
    return {
        "temperature": temperature_of(calibrator),
        "temperature_interval": None if interval is None else list(interval),
        "temperature_standard_error": None if known is None else known.standard_error,
        "expected_regret": None if known is None else known.expected_regret,
    }


def _report_content(done: Calibration, *, output: Path, model: str | None) -> ReportContent:
    record = done.record
    facts = [
        ("Model", model or "not named (--model)"),
        ("Rows of the fit", done.rows.described),
        ("SHA-256 of that file", done.rows.sha256),
    ]
    if done.test is not None:
        facts += [("Test rows", done.test.described), ("SHA-256 of that file", done.test.sha256)]
    facts += [
        ("Method", f"{done.calibrator.name}: {done.calibrator.own_traits.summary}"),
        ("Prior", f"{record.prior:g} pseudo-rows on no change" if record.prior else "none"),
        ("Weights", "yes" if done.rows.weighted else "none"),
        *([] if record.floor is None else [("Floor of probabilities", _floor_text(record))]),
        ("Passes over the data", str(record.passes)),
        ("Fitted at", record.fitted_at or "unknown"),
        ("Calibrator", str(output)),
        ("Library", f"temperance {__version__}"),
    ]
    return ReportContent(
        title=recorded(f"Calibration report: {model or done.rows.source}"),
        comparison=done.comparison,
        evaluation=done.comparison.evaluations["before"],
        calibrator=done.calibrator,
        evaluated_on=done.evaluated_on,
        facts=recorded(tuple(facts)),
        warnings=recorded_warnings(done.warnings),
        plan=done.plan,
        selection=done.selection,
        members=done.rows.members,
        pooling=done.pooling,
        class_biases=done.class_biases,
        tried=done.tried,
        advice=done.advice,
        label_ways=done.label_ways,
    )


def _few_events(calibrator: Calibrator, rows: Rows) -> tuple[str, ...]:
    """Return a warning if a map has learned its numbers from few events each."""
    if rows.entries is not None or rows.members is not None or rows.answers is not None:
        return ()
    training = Training(rows.logits, rows.require_labels(), rows.weights, rows.classes)
    n_parameters = calibrator.traits.n_parameters(training.k)
    each = training.events_per_parameter(n_parameters)
    least = LEAST_PER_PARAMETER[training.k == 2]
    if each >= least:
        return ()
    what = "rows of the rarer class" if training.k == 2 else "rows"
    msg = (
        f"{calibrator.method} has learned {count_text(n_parameters, 'number')} from "
        f"{each * n_parameters:,.0f} {what}, {each:.2g} for each; from fewer than {least} it "
        "follows chance: --method auto leaves such maps out."
    )
    return (msg,)


def _floor_text(record: FitRecord) -> str:
    floor = f"{record.floor:.4g}"
    if record.n_floored is None:
        return floor
    return f"{floor}; {count_text(record.n_floored, 'was', 'were')} raised to it"


def fit_warnings(calibrator: Calibrator, comparison: Comparison) -> tuple[str, ...]:
    """Return what users should hear about a fit and its measures."""
    found = []
    record, interval = calibrator.record, interval_of(calibrator)
    labelled = [f"labelled {each}" for each in calibrator.unit]
    if record is not None and record.n < _FEW_LABELS and interval is not None:
        found.append(
            f"only {count_text(record.n, *labelled)}: the temperature is known only to lie between "
            f"{interval[0]:.3g} and {interval[1]:.3g}."
        )
        if isinstance(record, TemperatureRecord) and record.expected_regret is not None:
            found[-1] += (
                f" Not knowing it better costs new rows about {record.expected_regret:.2g} nats of "
                "log loss each."
            )
    if comparison.differences["after"].verdict("log_loss") == "worse":
        found.append(
            "the calibrated probabilities are worse than the model's own: do not use them."
            if calibrator.reads_probabilities
            else "the map's probabilities are worse than the base rate alone: do not use them."
        )
    return tuple(found)


def _not_pooled(rows: Rows, pooling: Comparison | None) -> tuple[str, ...]:
    if rows.members is None or pooling is not None:
        return ()
    return ("a model has no best temperature of its own: ways of pooling were not compared.",)
