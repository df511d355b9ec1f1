"""Save a fit with its measures, print and report it: what `fit` and `demo` share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING, Any, Self

from temperance.calibrators import interval_of, temperature_of
from temperance.cli.console import Headline, Result, progress
from temperance.cli.process import files_read, recorded, recorded_warnings
from temperance.comparison import baseline_name, measure_table, ways_table
from temperance.formats import save
from temperance.printable import count_text
from temperance.report import headline, split_sentence
from temperance.rows.calibration import few_events, fit_blocks, fit_rows
from temperance.selection.selection import selection_table
from temperance.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from temperance.calibrators import Calibrator, FitRecord, Pool
    from temperance.comparison import Comparison
    from temperance.report import ReportContent
    from temperance.rows.blocks import BlockRows
    from temperance.rows.calibration import Calibration
    from temperance.rows.memory import RowFacts, Rows
    from temperance.show import Table

__all__ = ["PRINTED", "OnlyFit", "finish"]

# What the command prints, and what is kept beside the calibrator.
PRINTED = (
    "log_loss", "brier", "accuracy", "confidence", "ece", "tests", "refinement", "base_rates",
    "groups",
)  # fmt: skip


def finish(
    calibration: Calibration,
    *,
    output: Path,
    report: Path | None,
    model: str | None,
    files: Sequence[Path] = (),
) -> Result:
    """Write the files and return what is to be printed; `files` are those that were read."""
    facts = {
        "data": calibration.rows.source,
        "data_sha256": calibration.rows.sha256,
        "data_kind": calibration.rows.kind,
        "model": model,
        "selection": None if calibration.selection is None else calibration.selection.to_dict(),
    }
    evaluation = {
        "evaluated_on": calibration.evaluated_on,
        **calibration.comparison.to_dict(curves=False),
    }
    save(calibration.calibrator, output, facts=recorded(facts), evaluation=evaluation)
    if report is not None:
        from temperance.report import write_report

        with progress("drawing the report"):
            content = _report_content(calibration, output=output, model=model)
            write_report(report, replace(content, files=files_read(files, output)))
    return Result(
        lambda: _summary(calibration),
        lambda: _shown(calibration),
        warnings=calibration.warnings,
        files={"calibrator": output, "report": report},
    )


# The same without measures.


@dataclass(frozen=True, slots=True, eq=False)
class OnlyFit:
    """A fitted calibrator of which nothing was measured."""

    calibrator: Calibrator
    rows: RowFacts
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, rows: Rows, *, method: str, prior: float, pool: Pool, seed: int) -> Self:
        """Fit rows in memory."""
        fitted = fit_rows(rows, method=method, prior=prior, pool=pool, out_of_fold=False, seed=seed)
        warnings = (*few_events(fitted.calibrator, rows), *rows.notes)
        return cls(fitted.calibrator, rows.facts, warnings)

    @classmethod
    def of_blocks(cls, rows: BlockRows, *, prior: float, seed: int) -> Self:
        """Fit rows that stay in their file."""
        with rows.digest() as digest:
            scaling, _ = fit_blocks(rows, prior=prior, n_folds=1, seed=seed)
            assert scaling.record is not None  # noqa: S101  (a fit leaves one)
            known = rows.facts(scaling.record.n, sha256=digest())
            return cls(scaling, known, rows.warnings())

    def finish(self, *, output: Path, model: str | None) -> Result:
        """Write the calibrator and return what is to be printed."""
        facts = {
            "data": self.rows.source,
            "data_sha256": self.rows.sha256,
            "data_kind": self.rows.kind,
            "model": model,
            "selection": None,
        }
        save(self.calibrator, output, facts=recorded(facts))
        return Result(
            self._summary,
            lambda: (str(self.calibrator), *self.calibrator.tables(), "nothing was measured"),
            warnings=self.warnings,
            files={"calibrator": output, "report": None},
        )

    def _summary(self) -> dict[str, Any]:
        record = self.calibrator.record
        return {
            "method": self.calibrator.name,
            "kind": self.calibrator.kind,
            **_temperature(self.calibrator),
            "n": self.rows.n if record is None else record.n,
            "classes": self.calibrator.n_classes or self.rows.n_classes,
            **dict.fromkeys(("evaluated_on", "before", "after")),
            "data_sha256": self.rows.sha256,
        }


# What is printed.


def _headline(calibration: Calibration) -> str:
    """Return the first line that is said of a fit."""
    return headline(
        calibration.comparison,
        calibration.comparison.evaluations["before"],
        calibration.calibrator,
        score_test=calibration.record.score_test,
        advice=_advice(calibration),
    )


def _shown(calibration: Calibration) -> Iterator[str | Table]:
    before = calibration.comparison.evaluations["before"]
    if calibration.pooling is not None:
        yield ways_table(calibration.pooling)
    if calibration.selection is not None:
        yield selection_table(calibration.selection)
        yield Headline(calibration.selection.in_words())
    yield Headline(_headline(calibration))
    yield split_sentence(before, calibration.tried, calibration.calibrator)
    yield measure_table(
        calibration.comparison,
        evaluated_on=calibration.evaluated_on,
        calibrator=calibration.calibrator,
    )
    yield str(calibration.calibrator)
    yield from calibration.calibrator.tables()


def _summary(calibration: Calibration) -> dict[str, Any]:
    record, comparison = calibration.record, calibration.comparison
    sides = {name: each.to_dict(curves=False) for name, each in comparison.evaluations.items()}
    measures = ("log_loss", "brier", "ece", "accuracy")
    return {
        "method": calibration.calibrator.name,
        "kind": calibration.calibrator.kind,
        **_temperature(calibration.calibrator),
        "n": record.n,
        "classes": calibration.calibrator.n_classes or calibration.rows.n_classes,
        "evaluated_on": calibration.evaluated_on,
        "n_evaluated": (calibration.test or calibration.rows).n,
        **{side: {name: e[name]["value"] for name in measures} for side, e in sides.items()},
        "intervals": sides,
        "differences": comparison.differences["after"].to_dict(),
        "score_test": record.score_test.to_dict(),
        "prior": record.prior,
        "passes": record.passes,
        "selection": None if calibration.selection is None else calibration.selection.to_dict(),
        "pooling": None if calibration.pooling is None else _pooling_dict(calibration.pooling),
        "label_ways": None
        if calibration.label_ways is None
        else _label_ways_dict(calibration.label_ways),
        "class_biases": None
        if calibration.class_biases is None
        else calibration.class_biases.to_dict(),
        "headline": _headline(calibration),
        "maps_tried": {
            name: loss if isfinite(loss) else None for name, loss in calibration.tried.items()
        },
        "baseline": baseline_name(calibration.calibrator),
        "data_sha256": calibration.rows.sha256,
    }


def _temperature(calibrator: Calibrator) -> dict[str, Any]:
    """The temperature with what is known about it; null for methods that have none."""
    known, interval = calibrator.temperature_record, interval_of(calibrator)
    return {
        "temperature": temperature_of(calibrator),
        "temperature_interval": None if interval is None else list(interval),
        "temperature_standard_error": None if known is None else known.standard_error,
        "expected_regret": None if known is None else known.expected_regret,
    }


def _report_content(calibration: Calibration, *, output: Path, model: str | None) -> ReportContent:
    from temperance.report import ReportContent

    record = calibration.record
    facts = [
        ("Model", model or "not named (--model)"),
        ("Rows of the fit", calibration.rows.described),
        ("SHA-256 of that file", calibration.rows.sha256),
    ]
    if calibration.test is not None:
        facts += [
            ("Test rows", calibration.test.described),
            ("SHA-256 of that file", calibration.test.sha256),
        ]
    facts += [
        ("Method", f"{calibration.calibrator.name}: {calibration.calibrator.own_traits.summary}"),
        ("Prior", f"{record.prior:g} pseudo-rows on no change" if record.prior else "none"),
        ("Weights", "yes" if calibration.rows.weighted else "none"),
        *([] if record.floor is None else [("Floor of probabilities", _floor_text(record))]),
        ("Passes over the data", str(record.passes)),
        ("Fitted at", record.fitted_at or "unknown"),
        ("Calibrator", str(output)),
        ("Library", f"temperance {__version__}"),
    ]
    return ReportContent(
        title=recorded(f"Calibration report: {model or calibration.rows.source}"),
        comparison=calibration.comparison,
        evaluation=calibration.comparison.evaluations["before"],
        calibrator=calibration.calibrator,
        evaluated_on=calibration.evaluated_on,
        facts=recorded(tuple(facts)),
        warnings=recorded_warnings(calibration.warnings),
        plan=calibration.plan,
        selection=calibration.selection,
        members=calibration.rows.members,
        pooling=calibration.pooling,
        class_biases=calibration.class_biases,
        tried=calibration.tried,
        untried=_untried(calibration),
        label_ways=calibration.label_ways,
    )


def _floor_text(record: FitRecord) -> str:
    floor = f"{record.floor:.4g}"
    if record.n_floored is None:
        return floor
    return f"{floor}; {count_text(record.n_floored, 'was', 'were')} raised to it"


# Ways side by side, in JSON.


def _pooling_dict(comparison: Comparison) -> dict[str, Any]:
    """Return log loss and calibration error of each way, and its paired differences."""
    return {
        name: {
            "log_loss": evaluation.log_loss.to_dict(),
            "ece": evaluation.ece.to_dict(),
            "difference": None
            if name == comparison.baseline
            else comparison.differences[name].log_loss.to_dict(),
        }
        for name, evaluation in comparison.evaluations.items()
    }


def _label_ways_dict(ways: Comparison) -> dict[str, Any]:
    """Return the log loss of each way, and its difference from the first."""
    return {
        name: {
            "log_loss": evaluation.log_loss.to_dict(),
            "difference": None
            if name == ways.baseline
            else ways.differences[name].log_loss.to_dict(),
        }
        for name, evaluation in ways.evaluations.items()
    }


def _advice(calibration: Calibration) -> str:
    """Return what to try where these rows still refute calibration; "" where all has been tried."""
    untried = _untried(calibration)
    return f"try --method {untried}" if untried else ""


def _untried(calibration: Calibration) -> str:
    """Return the method that has not been tried, with the option that it needs; "" of none."""
    if calibration.untried is None:
        return ""
    zeros = calibration.comparison.evaluations["before"].zero_probability_labels
    floor = " --floor auto" if zeros else ""  # most maps need logarithms
    return f"{calibration.untried}{floor}"
