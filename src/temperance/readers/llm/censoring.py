"""Options whose probability is only known to be low: bounded, masked, left out or refused."""

from __future__ import annotations

from math import inf, isnan, nan
from typing import TYPE_CHECKING

from temperance.errors import FileFormatError
from temperance.readers.guard import quoted
from temperance.readers.llm.probabilities import decimals

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from temperance.readers.llm.answer import Answer
    from temperance.readers.llm.llm_format import Missing
    from temperance.readers.llm.row import Row

__all__ = ["censored", "hide_rounded"]

# What is shown is likelier than what is not: an option that could be as likely as one that is
# shown comes behind it by this much, in nats, so that the likeliest option is one of those shown.
_BEHIND = 1e-9


def hide_rounded(answers: Sequence[Answer]) -> int | None:
    """Take probabilities of 0 for not known where all are rounded; return to how many decimals."""
    of_probs = [answer for answer in answers if answer.probs]
    if not any(0.0 in answer.scores for answer in of_probs):
        return None
    count = decimals([prob for answer in of_probs for prob in answer.scores])
    if count is None:
        return None
    for answer in of_probs:
        answer.scores = [prob or nan for prob in answer.scores]
        answer.ceiling = 0.5 * 10.0**-count
    return count


def censored(rows: Sequence[Row], missing: Missing, counts: Counter[str]) -> list[Row]:
    """Return the rows to keep: what was not known has its bound, or is gone with its row."""
    kept = []
    for row in rows:
        answer = row.answer
        lacking = [i for i, score in enumerate(answer.scores) if isnan(score)]
        if not lacking:
            kept.append(row)
        elif missing == "error":
            raise _unknown(row, lacking[0])
        elif missing == "drop":
            counts["lacking an option"] += 1
        elif missing == "shown":
            if _only_shown(answer, lacking, counts):
                kept.append(row)
        elif len(lacking) == len(answer.scores) or isnan(answer.ceiling):
            counts["without any option"] += 1
        else:
            bound = answer.ceiling
            if bound in answer.scores and not answer.probs:
                bound -= _BEHIND
            for i in lacking:
                answer.scores[i] = bound
            counts["bounded rows"] += 1
            counts["bounded options"] += len(lacking)
            counts["bounded labels"] += answer.label in lacking
            kept.append(row)
    return kept


def _only_shown(answer: Answer, lacking: Sequence[int], counts: Counter[str]) -> bool:
    """Take options that are not shown out of the row; say whether the row tells anything then."""
    if len(answer.scores) - len(lacking) < 2:
        counts["with less than two options"] += 1
        return False
    if answer.label in lacking:
        counts["with a label not shown"] += 1
        return False
    for i in lacking:
        answer.scores[i] = 0.0 if answer.probs else -inf
    counts["masked rows"] += 1
    counts["masked options"] += len(lacking)
    return True


def _unknown(row: Row, place: int) -> FileFormatError:
    options = row.answer.options
    option = f"option {place} (counted from 0)"
    if options:
        option = f"option {quoted(options[place].value)}"
    why = "a probability of 0, rounded" if row.answer.probs else "no log-probability"
    return FileFormatError(
        f"{row.where}: {option} has {why}: it is only known to be low. Take the most it can be "
        "with --missing bound, or compare the others only with --missing shown."
    )
