"""The page of a threshold: when to answer, when to abstain, and what is promised of the answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from temperance.calibrators import temperature_of
from temperance.decisions.abstention import outcome_cells, percent
from temperance.plots import RiskCoverageDisplay
from temperance.report.page import render, svg
from temperance.report.tables import estimate_cell
from temperance.show import interval_text, number_text
from temperance.writers import write_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    from temperance.calibrators import Calibrator
    from temperance.decisions import Abstention, Outcome, RiskCoverage

__all__ = ["ThresholdContent", "render_threshold", "write_threshold"]


@dataclass(frozen=True, slots=True, eq=False)
class ThresholdContent:
    """Everything the page shows; it measures nothing itself."""

    title: str
    rule: Abstention
    calibrator: Calibrator
    curve: RiskCoverage  # of the test rows; without any, of those that set the threshold
    test: Outcome | None
    use: str  # which rows were used for what
    facts: tuple[tuple[str, str], ...]
    test_groups: Mapping[str, Outcome] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def write_threshold(path: str | PathLike[str], content: ThresholdContent) -> None:
    """Write the page as UTF-8 text, whole or not at all; raise InvalidInputError if it cannot."""
    write_text(path, render_threshold(content))


def render_threshold(content: ThresholdContent) -> str:
    """Return the page as text."""
    rule = content.rule
    promised = None if rule.per_group else rule.promised_risk
    display = RiskCoverageDisplay(content.curve, threshold=rule.threshold, max_risk=promised).plot()
    temperature = temperature_of(content.calibrator)
    return render(
        "threshold.html.j2",
        title=content.title,
        finding=rule.guarantee.replace(" %", "\u00a0%"),
        split=_answered(content),
        warnings=content.warnings,
        per_group=rule.per_group,
        min_coverage=rule.min_coverage,
        by_risk=rule.max_risk is not None,
        level=percent(rule.confidence),
        missed=percent(1.0 - rule.confidence),
        calibrator=content.calibrator.name
        + ("" if temperature is None else f", T = {temperature:.4g}"),
        tested=content.test is not None,
        figure=svg(display, "risk-coverage"),
        outcomes=_outcomes(content),
        promises=_promises(rule, content.test_groups),
        areas=[
            ("AUGRC", "Mean risk of a wrong answer over all coverages. To compare models by.",
             estimate_cell(content.curve.augrc)),
            ("AURC", "Mean share of wrong answers; ruled by the most confident rows.",
             estimate_cell(content.curve.aurc)),
            ("Risk, all answered", "Share of wrong answers without abstaining.",
             (number_text(content.curve.error_rate), "", "")),
        ],
        assumption=rule.assumption,
        use=content.use,
        facts=content.facts,
    )  # fmt: skip


def _answered(content: ThresholdContent) -> str:
    """Return how many rows are answered, and how many answers are wrong."""
    seen = content.test or content.rule.outcome
    rows = "test rows" if content.test else "rows that set it"
    text = f"Of {seen.n:,} {rows}, {_percent(seen.coverage.value)} are answered"
    risk = seen.risk
    if risk is None:
        return f"{text}: none."
    return (
        f"{text}; {_percent(risk.value, 2)} of the answers are wrong "
        f"({_percent(risk.low, 2)} to {_percent(risk.high, 2)})."
    )


def _outcomes(content: ThresholdContent) -> list[dict[str, Any]]:
    named = {"Rows that set the threshold": content.rule.outcome, "Test rows": content.test}
    return [
        {"name": name, **_cells(outcome)} for name, outcome in named.items() if outcome is not None
    ]


def _promises(rule: Abstention, test: Mapping[str, Outcome]) -> list[dict[str, Any]]:
    """Return one row per group; those that are never answered last."""
    if not rule.per_group:
        return []
    rows = []
    for each in sorted(rule.promises, key=lambda promise: promise.threshold is None):
        outcome = test.get(each.group or "") if test else each.outcome
        rows.append(
            {
                "name": each.group,
                "threshold": "never" if each.threshold is None else f"{each.threshold:.4g}",
                "promised": "" if each.max_risk is None else f"at most {percent(each.max_risk)}",
                "reason": each.reason,
                **({} if outcome is None else _cells(outcome)),
            }
        )
    return rows


def _cells(outcome: Outcome) -> dict[str, Any]:
    rows, _, wrong, _ = outcome_cells(outcome)
    risk = outcome.risk
    return {
        "rows": rows,
        "coverage": estimate_cell(outcome.coverage),
        "wrong": wrong,
        "risk": ("none answered", "", "")
        if risk is None
        else (f"{risk.value:.4f}", interval_text(risk.low, risk.high), ""),
    }


def _percent(share: float, decimals: int = 1) -> str:
    return f"{100.0 * share:.{decimals}f}\u00a0%"
