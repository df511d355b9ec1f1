"""The page of a plan: how many rows to label, for those who have to pay for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.report.screen import Screen
from temperance.report.tables import render
from temperance.show import percent_text
from temperance.writers.place import write_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from temperance.planning import Plan

__all__ = ["render_plan", "write_plan"]


def write_plan(
    path: str | PathLike[str],
    plan: Plan,
    *,
    title: str,
    facts: Sequence[tuple[str, str]] = (),
    warnings: Sequence[str] = (),
) -> None:
    """Write the page as UTF-8 text, whole or not at all; raise InvalidInputError if it cannot."""
    write_text(path, render_plan(plan, title=title, facts=facts, warnings=warnings))


def render_plan(
    plan: Plan,
    *,
    title: str,
    facts: Sequence[tuple[str, str]] = (),
    warnings: Sequence[str] = (),
) -> str:
    """Return the page as text."""
    counts = {
        "To see an error": (
            plan.labels_for_ece,
            (
                f"labels show a calibration error of {plan.ece:g}, with {percent_text(plan.power)} "
                "power."
            ),
        ),
        "To see a temperature": (
            plan.labels_for_temperature,
            (
                f"labels show that T should be {plan.temperature:g}, with "
                f"{percent_text(plan.power)} power."
            ),
        ),
        "To know the temperature": (
            plan.labels_for_precision,
            f"labels tell T within {percent_text(plan.precision)} (95\u00a0%).",
        ),
    }
    return render(
        "plan_page.html.j2",
        title=title,
        finding=_finding(plan),
        screen=Screen(
            glance=[
                (
                    name,
                    "no number" if count is None else f"{count:,}",
                    "" if count is None else to,
                    "",
                )
                for name, (count, to) in counts.items()
            ]
        ),
        plan=plan,
        facts=facts,
        warnings=warnings,
    )


def _finding(plan: Plan) -> str:
    """Return the number that answers "is it calibrated?"."""
    if plan.labels_for_ece is None:
        return f"No number of labels would show a calibration error of {plan.ece:g} here."
    return (
        f"With {plan.labels_for_ece:,} labels, an error of calibration of {plan.ece:g} would be "
        f"seen in {percent_text(plan.power)} of cases."
    )
