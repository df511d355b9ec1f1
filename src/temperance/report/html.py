"""One self-contained HTML page: no script, no network, good on a phone, in the dark, on paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from temperance.calibrators import interval_of, temperature_of
from temperance.evaluate.tables import left_out_rows, verdict_sentence
from temperance.plots import ConfidenceDisplay, CorpDisplay, ReliabilityDisplay
from temperance.report.class_biases import class_bias_section
from temperance.report.findings import (
    explain_calibrator,
    explain_test,
    headline,
    split_sentence,
)
from temperance.report.group_temperatures import group_section
from temperance.report.label_lines import label_section
from temperance.report.page import render, svg
from temperance.report.pooling import pooling_section
from temperance.report.tables import class_rows, error_rows, group_rows, score_rows, weak_rows
from temperance.report.verdicts import verdicts
from temperance.select.tables import not_tried, selection_cells, unchanged_text
from temperance.writers import write_text

if TYPE_CHECKING:
    from os import PathLike

    from temperance.evaluate import Evaluation
    from temperance.report.content import ReportContent

__all__ = ["render_report", "write_report"]

_HOW = {
    "cross-fitted": (
        "Cross-fitted: the {rows} were cut into five parts, and each part was scored by a fit on "
        "the other four. Every {one} was scored by a map that never saw it."
    ),
    "test": "Measured on test {rows} that the fit has not seen.",
    "given": "Measured on the {rows} given. Make sure that the calibrator was not fitted on them.",
}


def write_report(path: str | PathLike[str], content: ReportContent) -> None:
    """Write the page as UTF-8 text, whole or not at all; raise InvalidInputError if it cannot."""
    write_text(path, render_report(content))


def render_report(content: ReportContent) -> str:
    """Return the page as text."""
    sides = _sides(content)
    differences = None if content.comparison is None else content.comparison.differences["after"]
    evaluation = content.evaluation
    # a base rate has no confidences to draw or to test
    claims = sides if _reads_probabilities(content) else {"After": sides["After"]}
    impossible = max(each.zero_probability_labels for each in sides.values())
    one = "answer" if evaluation.outcomes.kind == "answers" else "row"  # labels share their row
    return render(
        "template.html.j2",
        title=content.title,
        finding=_finding(content).replace(" %", "\u00a0%"),
        split=split_sentence(evaluation, content.tried, content.calibrator),
        reads_probabilities=_reads_probabilities(content),
        warnings=content.warnings,
        facts=content.facts,
        how=_HOW[content.evaluated_on].format(one=one, rows=f"{one}s"),
        evaluation=evaluation,
        sides=list(sides),
        figures=_figures(claims),
        scores=score_rows(sides, differences),
        errors=error_rows(sides, differences),
        classes=class_rows(sides),
        groups=group_rows(sides),
        weak=weak_rows(claims),
        verdicts=[
            (name, _sentence(verdict_sentence(each)), verdicts(each))
            for name, each in claims.items()
        ],
        biased=_significant(list(sides.values())[-1].tests.adjusted_p_values["class-bias"]),
        plan=content.plan,
        scales=content.calibrator is None or temperature_of(content.calibrator) is not None,
        outcomes=evaluation.outcomes,
        unit=one,
        of_event=evaluation.outcomes.of_class(1) if evaluation.n_classes == 2 else "",
        selection=content.selection,
        not_tried="" if content.selection is None else not_tried(content.selection),
        unchanged="" if content.selection is None else unchanged_text(content.selection),
        candidates=[] if content.selection is None else selection_cells(content.selection),
        calibrator=_calibrator(content),
        pooling=pooling_section(content),
        class_biases=class_bias_section(content.class_biases),
        group_temperatures=group_section(content.calibrator),
        labels=label_section(content),
        left_out=left_out_rows(evaluation),
        infinite="" if not impossible else evaluation.outcomes.rows(impossible),
    )


def _finding(content: ReportContent) -> str:
    """Return the first sentences; what is said of the fit's rows below is not contradicted."""
    record = None if content.calibrator is None else content.calibrator.record
    of_fit = record is not None and content.evaluated_on != "given"
    return headline(
        content.comparison,
        content.evaluation,
        content.calibrator,
        score_test=record.score_test if record is not None and of_fit else None,
        advice=content.advice,
    )


def _sides(content: ReportContent) -> dict[str, Evaluation]:
    if content.comparison is None:
        return {"As it is": content.evaluation}
    evaluations = content.comparison.evaluations
    first = "Before" if _reads_probabilities(content) else "Base rate alone"
    return {first: evaluations["before"], "After": evaluations["after"]}


def _reads_probabilities(content: ReportContent) -> bool:
    """Whether the model's outputs claim a confidence; a score to learn a map from does not."""
    return content.calibrator is None or content.calibrator.reads_probabilities


def _figures(sides: dict[str, Evaluation]) -> dict[str, list[str]]:
    """Draw each side's diagrams; the kinds stand in one row each."""
    figures: dict[str, list[str]] = {"corp": [], "reliability": [], "confidence": []}
    for number, (name, each) in enumerate(sides.items()):
        displays = {
            "corp": CorpDisplay(
                each.corp,
                name=name,
                event_name=_event_name(each),
                adjusted_p_value=each.tests.adjusted_p_values["miscalibration"],
            ).plot(),
            "reliability": ReliabilityDisplay.from_evaluation(each, name=name),
            "confidence": ConfidenceDisplay.from_evaluation(each, name=name),
        }
        for kind, display in displays.items():
            figures[kind].append(svg(display, f"{kind}-{number}"))
    return figures


def _event_name(evaluation: Evaluation) -> str | None:
    """Return what the event of the CORP diagram is called; None of the predicted class."""
    event = evaluation.corp.event
    return None if event == "top-label" else evaluation.outcomes.class_name(int(event))


def _sentence(verdict: str) -> str:
    """Return a verdict as a sentence of a page."""
    said = verdict.removeprefix("verdict: ")
    return said[0].upper() + said[1:]


def _significant(p_value: float | None) -> bool:
    return p_value is not None and p_value < 0.05


def _calibrator(content: ReportContent) -> dict[str, Any] | None:
    """What was fitted, with its temperature if the method has one."""
    calibrator = content.calibrator
    if calibrator is None:
        return None
    record, interval = calibrator.record, interval_of(calibrator)
    temperature = temperature_of(calibrator)
    return {
        "method": calibrator.method,
        "value": temperature,
        "low": None if interval is None else interval[0],
        "high": None if interval is None else interval[1],
        "n": None if record is None else record.n,
        "does": explain_calibrator(calibrator),
        "facts": calibrator.facts(),
        "test": None
        if record is None or not calibrator.reads_probabilities
        else explain_test(record),
    }
