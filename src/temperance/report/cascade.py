"""The page of a cascade: when rows go on to the next model, and what that costs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from temperance.decisions.cascade_result import GAINS, gains, range_text, verdict
from temperance.plots import CostDisplay
from temperance.report.page import render, svg
from temperance.report.tables import estimate_cell
from temperance.show import number_text
from temperance.writers import write_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from temperance.decisions import Cascade
    from temperance.metrics.estimates import Estimate
    from temperance.report.tables import Cell

__all__ = ["render_cascade", "write_cascade"]

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
    found: Cascade,
    *,
    title: str,
    facts: Sequence[tuple[str, str]] = (),
    warnings: Sequence[str] = (),
) -> None:
    """Write the page as UTF-8 text, whole or not at all; raise InvalidInputError if it cannot."""
    text = render_cascade(found, title=title, facts=facts, warnings=warnings)
    write_text(path, text)


def render_cascade(
    found: Cascade,
    *,
    title: str,
    facts: Sequence[tuple[str, str]] = (),
    warnings: Sequence[str] = (),
) -> str:
    """Return the page as text."""
    first, *rest = _SENTENCE.split(found.in_words())
    policy = found.policy
    return render(
        "cascade.html.j2",
        title=title,
        finding=first.replace(" %", "\u00a0%"),
        rest=" ".join(rest).replace(" %", "\u00a0%"),
        warnings=warnings,
        how=_HOW[found.evaluated_on],
        figure=svg(CostDisplay.from_cascade(found), "cost"),
        stages=_stages(found),
        ways=_ways(found),
        gain=GAINS[found.goal.kind].capitalize(),
        goal=found.goal,
        price=policy.price,
        hindsight=found.hindsight,
        two=len(policy.names) == 2 and found.method == "temperature",
        expected=_EXPECTED[policy.rules[-1].expected.to_dict()["kind"]],
        n=found.n,
        n_clusters=found.n_clusters,
        method=found.method,
        facts=facts,
    )


def _stages(found: Cascade) -> list[dict[str, Any]]:
    policy = found.policy.to_dict()["stages"]
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
        for each, rule in zip(policy, found.policy.rules, strict=True)
    ]


def _ways(found: Cascade) -> list[dict[str, Any]]:
    saved = gains(found)
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
        for name, way in found.ways.items()
    ]


def _cell(estimate: Estimate) -> Cell:
    """Return a value with its interval, where anything is left to chance."""
    if estimate.low == estimate.high:
        return number_text(estimate.value), "", ""
    return estimate_cell(estimate)
