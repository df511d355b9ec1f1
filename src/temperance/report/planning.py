"""The page of a plan: how many rows to label, for those who have to pay for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.report.commands import Files
from temperance.report.screen import Screen, State
from temperance.report.tables import render
from temperance.show import percent_text
from temperance.writers.place import write_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from temperance.planning import Plan
    from temperance.report.screen import Glance

__all__ = ["render_plan", "write_plan"]


def write_plan(
    path: str | PathLike[str],
    plan: Plan,
    *,
    title: str,
    facts: Sequence[tuple[str, str]] = (),
    warnings: Sequence[str] = (),
    files: Files | None = None,
    labelled: int = 0,
) -> None:
    """Write the page as UTF-8 text, whole or not at all; raise InvalidInputError if it cannot."""
    text = render_plan(
        plan, title=title, facts=facts, warnings=warnings, files=files, labelled=labelled
    )
    write_text(path, text)


def render_plan(
    plan: Plan,
    *,
    title: str,
    facts: Sequence[tuple[str, str]] = (),
    warnings: Sequence[str] = (),
    files: Files | None = None,
    labelled: int = 0,
) -> str:
    """Return the page as text.

    Parameters
    ----------
    plan, title, facts, warnings
    files : Files, optional
        What the command of the next step is written with.
    labelled : int, default 0
        How many labels there are already.
    """
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
            [_state(plan, labelled)],
            glance=[
                (
                    name,
                    "no number" if count is None else f"{count:,}",
                    "" if count is None else to,
                    "",
                )
                for name, (count, to) in counts.items()
            ]
            + [_next_step(plan, files or Files(), labelled)],
        ),
        plan=plan,
        facts=facts,
        warnings=warnings,
    )


def _state(plan: Plan, labelled: int) -> State:
    """Return whether there are labels enough to see an error of calibration."""
    needed, who = plan.labels_for_ece, f"To see a calibration error of {plan.ece:g}"
    labels_text = f"There are {labelled:,} labels now" if labelled else "There are no labels yet"
    if needed is None:
        return State(who, "No number of labels is enough", labels_text)
    if labelled >= needed:
        return State(who, "There are labels enough", labels_text, "good")
    return State(who, f"Label {needed - labelled:,} {'more ' if labelled else ''}rows", labels_text)


def _next_step(plan: Plan, files: Files, labelled: int) -> Glance:
    """Return to measure what is labelled, or to label rows and measure them then."""
    name, needed = "What to do next", plan.labels_for_ece
    if needed is None:
        return name, "", "Plan for a larger error: this one cannot be seen here.", ""
    if labelled >= needed:
        after = ("--calibrator", files.result) if files.result else ()
        command = files.line("evaluate", files.rows, *after, "--report", "evaluate.html")
        return name, "", "Measure the rows that are labelled.", command
    more = f"Label {needed - labelled:,} {'more ' if labelled else ''}rows drawn at random"
    return name, "", f"{more}, then measure them.", files.measure()


def _finding(plan: Plan) -> str:
    """Return the number that answers "is it calibrated?"."""
    if plan.labels_for_ece is None:
        return f"No number of labels would show a calibration error of {plan.ece:g} here."
    return (
        f"With {plan.labels_for_ece:,} labels, an error of calibration of {plan.ece:g} would be "
        f"seen in {percent_text(plan.power)} of cases."
    )
