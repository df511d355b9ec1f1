"""What the scores of answers are: as a calibrator has them, or as arguments say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.checks.answer_scores import AnswerScale
from temperance.errors import InvalidInputError
from temperance.rows.file_rows import ANSWERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from temperance.calibrators import Calibrator

__all__ = ["OF_ANSWERS", "answer_scale"]

OF_ANSWERS = '`kind="answers"` (--kind answers)'


def answer_scale(
    kind: str | None,
    name: str | None,
    of: int | None,
    words: Mapping[str, float] | None,
    calibrator: Calibrator | None = None,
) -> AnswerScale | None:
    """Return what the scores are, by the calibrator or as they are said to be; None of others."""
    known = None if calibrator is None else calibrator.answer_scale
    if kind != ANSWERS and known is None:
        if name is not None or of is not None or words is not None:
            msg = (
                "`score_scale` (--score-scale), `score_of` (--score-of) and `score_words` "
                f"(--score-words) are for {OF_ANSWERS}."
            )
            raise InvalidInputError(msg)
        return None
    if calibrator is not None and known is None:
        msg = f"{OF_ANSWERS} needs a calibrator of answers, got one of {calibrator.name}."
        raise InvalidInputError(msg)
    if kind not in (None, ANSWERS):
        msg = f"`kind` (--kind) must be answers for a calibrator of answers, got {kind}."
        raise InvalidInputError(msg)
    if name is None:
        if known is not None:
            return known
        msg = (
            "`score_scale` (--score-scale) must say what the scores are: logprob, probability, "
            "fraction, percent, count, with `score_of` (--score-of), or real."
        )
        raise InvalidInputError(msg)
    pairs = tuple(words.items()) if words is not None else ()
    if words is None and known is not None:
        pairs = known.words
    scale = AnswerScale(name, of, pairs)
    if known is not None and scale != known:
        msg = (
            f"`score_scale` (--score-scale) must be that of the calibrator, {known.name}, or be "
            "left out."
        )
        raise InvalidInputError(msg)
    return scale
