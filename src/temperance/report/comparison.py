"""The page of a comparison: which of several models is better, if one can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from temperance.comparison import difference_tables, in_words
from temperance.metrics.estimates import apart_from_zero
from temperance.plots import CalibrationCurvesDisplay, CorpDisplay
from temperance.plots.curves import MOST_CURVES
from temperance.printable import capitalised
from temperance.report.screen import Screen
from temperance.report.tables import compared_group_rows, render, svg
from temperance.report.verdict import claim_numbers, standing, state_of
from temperance.show import number_text
from temperance.writers.place import write_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from temperance.comparison import Comparison

__all__ = ["model_to_go_on_with", "render_comparison", "write_comparison"]

_MOST_SIDES = 4  # beside one another on the first screen


def write_comparison(
    path: str | PathLike[str],
    comparison: Comparison,
    *,
    title: str,
    facts: Sequence[tuple[str, str]] = (),
) -> None:
    """Write the page as UTF-8 text, whole or not at all; raise InvalidInputError if it cannot."""
    text = render_comparison(comparison, title=title, facts=facts)
    write_text(path, text)


def render_comparison(
    comparison: Comparison, *, title: str, facts: Sequence[tuple[str, str]] = ()
) -> str:
    """Return the page as text."""
    return render(
        "comparison.html.j2",
        title=title,
        finding=in_words(comparison),
        screen=_comparison_screen(comparison),
        together=svg(CalibrationCurvesDisplay.from_comparison(comparison), "curves")
        if len(comparison.evaluations) <= MOST_CURVES
        else "",
        figures=[
            svg(CorpDisplay.from_evaluation(each, name=name), f"corp-{number}")
            for number, (name, each) in enumerate(comparison.evaluations.items())
        ],
        tables=_tables(comparison),
        groups=compared_group_rows(comparison.evaluations),
        sides=list(comparison.evaluations),
        evaluation=comparison.evaluations[comparison.baseline],
        facts=facts,
    )


def model_to_go_on_with(comparison: Comparison) -> str | None:
    """Return the model to go on with by its log loss; None where these rows cannot tell.

    Another than the baseline must be better than that, read for the number of models (Holm), as
    the lowest of many log losses is low by chance; the baseline must beat or equal each by itself.
    """
    losses = {name: each.log_loss.value for name, each in comparison.evaluations.items()}
    best = min(losses, key=losses.__getitem__)
    others = comparison.differences
    if best == comparison.baseline:
        verdicts = {each.verdict("log_loss") for each in others.values()}
        return best if verdicts <= {"worse", "the same"} else None
    apart = apart_from_zero([each.log_loss for each in others.values()])
    return best if dict(zip(others, apart, strict=True))[best] else None


def _tables(comparison: Comparison) -> list[dict[str, Any]]:
    """Return each table as the page shows it: heads and measures begin with a capital letter."""
    return [
        {
            "sides": table.columns[1:3],
            "columns": [*table.columns[:3], *map(capitalised, table.columns[3:])],
            "rows": [(capitalised(name), *cells) for name, *cells in table.rows],
        }
        for table in difference_tables(comparison)
    ]


def _comparison_screen(comparison: Comparison) -> Screen:
    """Return each model's verdict, the three numbers of all, and which one to go on with."""
    sides = comparison.evaluations
    best = min(sides, key=lambda name: sides[name].log_loss.value)
    has_best = best == model_to_go_on_with(comparison)
    many = sides[best].outcomes.plural
    step = (
        f"Go on with {best}."
        if has_best
        else f"Label more {many}: these cannot tell which is best."
    )
    if has_best and standing(sides[best]).word == "not calibrated":
        which = "better one" if len(sides) == 2 else "best one"
        step = f"Learn a map for {best}: the {which}, and not calibrated."
    value = number_text(sides[best].log_loss.value)
    few = len(sides) <= _MOST_SIDES
    return Screen(
        [state_of(name, each) for name, each in sides.items()],
        [("Lowest log loss", value, f"{best}.", ""), ("What to do next", "", step, "")],
        list(sides) if few else (),
        claim_numbers(sides) if few else (),
    )
