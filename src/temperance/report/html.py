"""One self-contained HTML page: no script, no network, good on a phone, in the dark, on paper."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from temperance.plots import ConfidenceDisplay, ReliabilityDisplay
from temperance.report.findings import explain_temperature, explain_test, headline
from temperance.report.page import render, svg

if TYPE_CHECKING:
    from os import PathLike

    from temperance.compare import Differences
    from temperance.evaluate import Evaluation
    from temperance.metrics.estimates import Estimate
    from temperance.report.content import ReportContent

__all__ = ["render_report", "write_report"]

_MEASURES = (
    ("log_loss", "Log loss", "The price of being wrong and sure. Lower is better."),
    (
        "brier",
        "Brier score",
        "Squared distance of probabilities and truth, 0 to 2. Lower is better.",
    ),
    ("ece", "Calibration error (ECE)", "Mean gap of claim and accuracy, 0 to 1. Lower is better."),
    ("accuracy", "Accuracy", "Share of right predictions. Higher is better."),
    ("confidence", "Mean confidence", "What the model claims on average. Best equal to accuracy."),
)
_HOW = {
    "cross-fitted": (
        "Cross-fitted: the rows were cut into five parts, and each part was scored by a fit on the "
        "other four. Every row was scored by a map that never saw it."
    ),
    "test": "Measured on test rows that the fit has not seen.",
    "given": "Measured on the rows given. Make sure that the calibrator was not fitted on them.",
}


def write_report(path: str | PathLike[str], content: ReportContent) -> None:
    """Write the page as UTF-8 text."""
    Path(path).write_text(render_report(content), encoding="utf-8")


def render_report(content: ReportContent) -> str:
    """Return the page as text."""
    return render(
        "template.html.j2",
        title=content.title,
        finding=headline(content.comparison, content.evaluation).replace(" %", "\u00a0%"),
        warnings=content.warnings,
        facts=content.facts,
        how=_HOW[content.evaluated_on],
        evaluation=content.evaluation,
        figures=_figures(content),
        measures=_measures(content),
        null_bands=[(name, each.ece_null) for name, each in _sides(content).items()],
        temperature=_temperature(content),
        infinite=any(not isfinite(e.log_loss.value) for e in _sides(content).values()),
    )


def _sides(content: ReportContent) -> dict[str, Evaluation]:
    if content.comparison is None:
        return {"As it is": content.evaluation}
    evaluations = content.comparison.evaluations
    return {"Before": evaluations["before"], "After": evaluations["after"]}


def _figures(content: ReportContent) -> dict[str, list[str]]:
    """Draw each side's diagrams; the two kinds stand in one row each."""
    sides = _sides(content)
    return {
        "reliability": [
            svg(ReliabilityDisplay.from_evaluation(each, name=name), f"reliability-{number}")
            for number, (name, each) in enumerate(sides.items())
        ],
        "confidence": [
            svg(ConfidenceDisplay.from_evaluation(each, name=name), f"confidence-{number}")
            for number, (name, each) in enumerate(sides.items())
        ],
    }


def _measures(content: ReportContent) -> list[dict[str, Any]]:
    sides = _sides(content)
    differences = None if content.comparison is None else content.comparison.differences["after"]
    return [
        {
            "name": name,
            "meaning": meaning,
            "values": [_shown(getattr(each, key)) for each in sides.values()],
            **_difference(differences, key),
        }
        for key, name, meaning in _MEASURES
    ]


def _difference(differences: Differences | None, key: str) -> dict[str, Any]:
    """Difference and verdict of a measure; mean confidence has neither, it is no score."""
    if differences is None or not hasattr(differences, key):
        return {"difference": None, "verdict": ""}
    difference: Estimate = getattr(differences, key)
    if difference.low == difference.high == 0.0:
        return {"difference": None, "verdict": "the same"}
    return {"difference": _shown(difference, sign="+"), "verdict": differences.verdict(key)}


def _shown(estimate: Estimate, *, sign: str = "") -> tuple[str, str]:
    """Value and interval as text."""
    if not isfinite(estimate.value):
        return "infinite", ""
    value = f"{estimate.value:{sign}.4f}"
    if not (isfinite(estimate.low) and isfinite(estimate.high)):
        return value, "interval unknown"
    return value, f"{estimate.low:{sign}.4f} to {estimate.high:{sign}.4f}"


def _temperature(content: ReportContent) -> dict[str, Any] | None:
    if content.calibrator is None:
        return None
    record = content.calibrator.record
    low, high = (None, None) if record is None else record.interval(0.95)
    return {
        "value": content.calibrator.temperature,
        "low": low,
        "high": high,
        "n": None if record is None else record.n,
        "does": explain_temperature(content.calibrator.temperature),
        "test": None if record is None else explain_test(record),
    }
