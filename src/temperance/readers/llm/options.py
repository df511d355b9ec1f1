"""Options that are the same in every row: then they are the classes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from temperance.readers.llm.answer import Answer, Option

__all__ = ["align"]


def align(answers: Sequence[Answer]) -> tuple[str, ...] | None:
    """Return the names of the options if all rows have the same ones; None otherwise.

    Options whose order means nothing are put into that of the first row.
    """
    options = answers[0].options
    if not options or len(set(options)) < len(options):
        return None
    if any(answer.options != options for answer in answers):
        wanted = set(options)
        if any(
            answer.ordered or len(answer.options) != len(options) or set(answer.options) != wanted
            for answer in answers
        ):
            return None
        for answer in answers:
            _reorder(answer, options)
    return _names(options)


def _reorder(answer: Answer, options: tuple[Option, ...]) -> None:
    places = [answer.options.index(option) for option in options]
    answer.scores = [answer.scores[place] for place in places]
    if answer.label is not None:
        answer.label = places.index(answer.label)
    answer.options = options


def _names(options: Sequence[Option]) -> tuple[str, ...] | None:
    """Return names that differ; None where space at their ends would be all that tells them."""
    names = [option.text for option in options]
    if len(set(names)) < len(names):  # true and "true"
        names = [json.dumps(option.value, ensure_ascii=False) for option in options]
    usable = all(name and name == name.strip() and "\0" not in name for name in names)
    return tuple(names) if usable else None
