"""The pages of decisions: of a threshold, when to answer, and of a cascade, which model answers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from temperance.calibrators import temperature_of
from temperance.decisions.abstention import outcome_cells
from temperance.decisions.cascade_result import GAINS, gains, range_text, verdict
from temperance.plots import CostDisplay, RiskCoverageDisplay
from temperance.report.tables import estimate_cell, render, svg
from temperance.show import interval_text, number_text, percent_text
from temperance.writers.place import write_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike

    from temperance.calibrators import Calibrator
    from temperance.decisions import Abstention, Cascade, Outcome, RiskCoverage
    from temperance.metrics.estimates import Estimate
    from temperance.report.tables import Cell

__all__ = [
    "ThresholdContent",
    "render_cascade",
    "render_threshold",
    "write_cascade",
    "write_threshold",
]

# The page of a threshold: when to answer, when to abstain, and what is promised of the answers.


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
        level=percent_text(rule.confidence),
        missed=percent_text(1.0 - rule.confidence),
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
                "promised": ""
                if each.max_risk is None
                else f"at most {percent_text(each.max_risk)}",
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
    return percent_text(share, decimals).replace(" ", "\u00a0")


# The page of a cascade: when rows go on to the next model, and what that costs.


_SENTENCE = re.compile(r"(?<=[.]) (?=[A-Z])")
_HOW = {
    "cross-fitted": "Cross-fitted: the rows were cut into five parts, and the rows of each part "
    "were answered by rules found on the other four, calibrators included.",
    "test": "Measured on test rows that the rules have not seen.",
}
_EXPECTED = {
    "constant": "its mean error, the same for every row",
    "isotonic": "its error given the confidence so far (isotonic)",
    "logistic": "its error given the confidence so far (logistic)",
}


def write_cascade(
    path: str | PathLike[str],
    cascade: Cascade,
    *,
    title: str,
    facts: Sequence[tuple[str, str]] = (),
    warnings: Sequence[str] = (),
) -> None:
    """Write the page as UTF-8 text, whole or not at all; raise InvalidInputError if it cannot."""
    text = render_cascade(cascade, title=title, facts=facts, warnings=warnings)
    write_text(path, text)


def render_cascade(
    cascade: Cascade,
    *,
    title: str,
    facts: Sequence[tuple[str, str]] = (),
    warnings: Sequence[str] = (),
) -> str:
    """Return the page as text."""
    first, *rest = _SENTENCE.split(cascade.in_words())
    policy = cascade.policy
    return render(
        "cascade.html.j2",
        title=title,
        finding=first.replace(" %", "\u00a0%"),
        split=" ".join(rest).replace(" %", "\u00a0%"),
        warnings=warnings,
        how=_HOW[cascade.evaluated_on],
        figure=svg(CostDisplay.from_cascade(cascade), "cost"),
        stages=_stages(cascade),
        ways=_ways(cascade),
        gain=GAINS[cascade.goal.kind].capitalize(),
        goal=cascade.goal,
        price=policy.price,
        hindsight=cascade.hindsight,
        two=len(policy.names) == 2 and cascade.method == "temperature",
        expected=_EXPECTED[policy.rules[-1].expected.to_dict()["kind"]],
        n=cascade.n,
        n_clusters=cascade.n_clusters,
        method=cascade.method,
        facts=facts,
    )


def _stages(cascade: Cascade) -> list[dict[str, Any]]:
    policy = cascade.policy.to_dict()["stages"]
    return [
        {
            "name": each["model"],
            "calibrator": each["calibrator"]["method"]
            if each["temperature"] is None
            else f"T = {each['temperature']:.4f}",
            "range": range_text(rule),
            "next": each["next"],
            "cost": f"{each['cost']:g}",
        }
        for each, rule in zip(policy, cascade.policy.rules, strict=True)
    ]


def _ways(cascade: Cascade) -> list[dict[str, Any]]:
    saved = gains(cascade)
    return [
        {
            "name": name,
            "sent": f"{way.answered[-1]:.1%}".replace("%", "\u00a0%"),
            "error": _cell(way.error),
            "spent": _cell(way.spent),
            "cost": None if way.cost is None else _cell(way.cost),
            "gain": estimate_cell(saved[name], sign=True) if name in saved else None,
            "verdict": verdict(saved[name]) if name in saved else "",
        }
        for name, way in cascade.ways.items()
    ]


def _cell(estimate: Estimate) -> Cell:
    """Return a value with its interval, where anything is left to chance."""
    if estimate.low == estimate.high:
        return number_text(estimate.value), "", ""
    return estimate_cell(estimate)
