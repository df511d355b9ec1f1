"""The page of a comparison of several models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.comparison import difference_tables, in_words
from temperance.plots import CorpDisplay
from temperance.report.tables import render, svg
from temperance.writers import write_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from temperance.comparison import Comparison

__all__ = ["render_comparison", "write_comparison"]


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
        figures=[
            svg(CorpDisplay.from_evaluation(each, name=name), f"corp-{number}")
            for number, (name, each) in enumerate(comparison.evaluations.items())
        ],
        tables=difference_tables(comparison),
        evaluation=comparison.evaluations[comparison.baseline],
        facts=facts,
    )
