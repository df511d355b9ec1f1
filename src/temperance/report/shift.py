"""The page of a shift: whether a temperature still holds on new rows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from temperance.plots import CorpDisplay, TemperatureDisplay
from temperance.report.findings import headline
from temperance.report.frequencies import frequency_picture, frequency_rows
from temperance.report.page import render, svg
from temperance.report.shift_words import about_move, about_rows, gains
from temperance.report.ways import way_tables
from temperance.shift.transfer import BIASED, CORRECTED
from temperance.show import p_text
from temperance.writers import write_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from temperance.calibrators import TemperatureScaling
    from temperance.plan import Plan
    from temperance.shift import Transfer

__all__ = ["render_shift", "write_shift"]

_SHORT = {BIASED: "class biases", CORRECTED: "frequencies corrected"}  # above a diagram
_SENTENCE = re.compile(r"(?<=\.) (?=[A-Z])")


def write_shift(
    path: str | PathLike[str],
    found: Transfer,
    *,
    title: str,
    facts: Sequence[tuple[str, str]] = (),
    plan: Plan | None = None,
) -> None:
    """Write the page as UTF-8 text, whole or not at all; raise InvalidInputError if it cannot."""
    text = render_shift(found, title=title, facts=facts, plan=plan)
    write_text(path, text)


def render_shift(
    found: Transfer,
    *,
    title: str,
    facts: Sequence[tuple[str, str]] = (),
    plan: Plan | None = None,
) -> str:
    """Return the page as text; `plan` says how many labels would settle what is open."""
    first, *rest = _SENTENCE.split(found.in_words())
    evaluations = {} if found.comparison is None else found.comparison.evaluations
    at_reference = next(iter(evaluations.values()), None)
    return render(
        "shift.html.j2",
        title=title,
        finding=first,
        rest=" ".join(rest),
        at_reference=None if at_reference is None else headline(None, at_reference),
        evaluation=at_reference,
        refitted=found.refitted is not None,
        temperatures=temperature_rows(found),
        forest=_forest(found),
        moved=about_move(found),
        figures=[
            svg(CorpDisplay.from_evaluation(each, name=_SHORT.get(name, name)), f"corp-{number}")
            for number, (name, each) in enumerate(evaluations.items())
        ],
        ways=[] if found.comparison is None else way_tables(found.comparison),
        gains=gains(found),
        frequencies=found.frequencies,
        p=p_text(found.frequencies.p_value),
        classes=frequency_rows(found),
        frequency_figure=frequency_picture(found.frequencies),
        looks=about_rows(found),
        plan=plan,
        facts=facts,
    )


def temperature_rows(found: Transfer) -> list[dict[str, str]]:
    """Return each temperature with its interval and the rows it comes from."""
    weighed = "" if found.covariates is None else f"{found.covariates.effective_rows:,.0f}"
    named = {
        "Of the reference": (found.reference, f"{found.n_reference:,}"),
        "Re-fitted on the new rows": (found.refitted, f"{found.n_new:,}"),
        "Of the reference, weighed to look like the new rows": (
            found.weighted,
            f"worth {weighed} of {found.n_reference:,}",
        ),
    }
    return [
        {
            "name": name,
            "value": f"{scaling.temperature:.4f}",
            "interval": "{:.4g} to {:.4g}".format(*scaling.record.interval()),
            "rows": rows,
        }
        for name, (scaling, rows) in named.items()
        if scaling is not None and scaling.record is not None
    ]


def _forest(found: Transfer) -> str:
    named: dict[str, TemperatureScaling | None] = {
        "reference": found.reference,
        "re-fitted, new rows": found.refitted,
        "reference, weighed": found.weighted,
    }
    known: dict[str, Any] = {name: each for name, each in named.items() if each is not None}
    return svg(TemperatureDisplay.from_temperatures(known), "temperatures")
