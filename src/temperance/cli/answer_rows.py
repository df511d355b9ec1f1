"""From a file of one score per answer, and whether it was right, to checked rows."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.calibrators import AnswerConfidence
from temperance.checks import as_groups, as_weights
from temperance.checks.answer_scores import ANSWER_CLASSES, AnswerScale, as_correct
from temperance.cli.rows import Beside, Rows
from temperance.errors import FileFormatError, InvalidInputError
from temperance.readers import read

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from temperance.calibrators import Calibrator
    from temperance.checks import LabelMap
    from temperance.readers import Dataset, Fields, Missing

__all__ = ["ANSWERS", "answer_scale", "read_answers", "rows_of_answers", "score_column_of"]

ANSWERS = "answers"


def read_answers(
    path: Path,
    *,
    fields: Fields,
    labels: Path | None,
    labelled: bool,
    label_map: LabelMap | None = None,
    na: Missing = "refuse",
) -> Dataset:
    """Read scores and outcomes, of `score` and `correct` unless told otherwise.

    Outcomes that nobody needs and nobody named may be missing.
    """
    if fields.probs is not None:
        msg = "`--probs-column` has no meaning for --kind answers: say --score-column."
        raise InvalidInputError(msg)
    fields = replace(fields, logits=fields.logits or "score")
    named = replace(fields, label=fields.label or "correct")
    try:
        return read(path, kind="logits", fields=named, labels=labels, label_map=label_map, na=na)
    except FileFormatError:
        if labelled or fields.label is not None or labels is not None:
            raise
    return read(path, kind="logits", fields=fields, na=na)


def _scores(file: Dataset, scale: AnswerScale) -> NDArray[Any]:
    """Return the scores in the unit of their scale; a percent sign says the unit."""
    if not file.percent:
        return file.values
    if scale.name == "percent":
        return np.asarray(np.round(file.values * 100, 10))  # a hundredth is no binary number
    if scale.name in {"probability", "fraction"}:
        return file.values
    msg = f"`--score-scale` is {scale.name}, but the scores have percent signs: say percent."
    raise InvalidInputError(msg)


def score_column_of(
    answers: AnswerScale | None,
    score_column: str | None,
    logits_column: str | tuple[str, ...] | None,
) -> str | tuple[str, ...] | None:
    """Return the name of the column of scores that the options give."""
    if score_column is None:
        return logits_column
    if answers is None or logits_column is not None:
        msg = "`--score-column` is for --kind answers, where it takes the place of --logits-column."
        raise InvalidInputError(msg)
    return score_column


def answer_scale(
    kind: str | None, name: str | None, of: int | None, calibrator: Calibrator | None = None
) -> AnswerScale | None:
    """Return what the scores are, by the calibrator or by the options; None of other files."""
    known = calibrator.score_scale if isinstance(calibrator, AnswerConfidence) else None
    if kind != ANSWERS and known is None:
        if name is not None or of is not None:
            msg = "`--score-scale` and --score-of are for --kind answers."
            raise InvalidInputError(msg)
        return None
    if calibrator is not None and known is None:
        msg = f"`--kind answers` needs a calibrator of answers, got one of {calibrator.name}."
        raise InvalidInputError(msg)
    if kind not in (None, ANSWERS):
        msg = f"`--kind` must be answers for a calibrator of answers, got {kind}."
        raise InvalidInputError(msg)
    if name is None:
        if known is not None:
            return known
        msg = (
            "`--score-scale` must say what the scores are: logprob, probability, fraction, "
            "percent, count (with --score-of) or real."
        )
        raise InvalidInputError(msg)
    given = AnswerScale(name, of)
    if known is not None and given != known:
        msg = f"`--score-scale` must be that of the calibrator, {known.name}, or be left out."
        raise InvalidInputError(msg)
    return given


def rows_of_answers(
    file: Dataset, scale: AnswerScale, *, ignore_label: int | str | None, whole: bool
) -> Rows:
    """Return each answer as a row of two classes, wrong and correct, by its score's log-odds."""
    if ignore_label is not None:
        msg = "`--ignore-label` has no meaning for --kind answers: an answer is right or wrong."
        raise InvalidInputError(msg)
    odds = scale.log_odds(_scores(file, scale), name="score")
    n = len(odds)
    labels = file.labels
    if labels is not None:
        with suppress(InvalidInputError) if whole else nullcontext():  # handed on as they are
            labels = as_correct(labels, n=n)
    clusters = None
    if file.clusters is not None and not whole:
        clusters = as_groups(file.clusters, n=n, name="clusters")[1]
    beside = Beside(labels=labels, ids=file.ids, groups=file.groups, weights=file.weights)
    return Rows(
        logits=np.stack([np.zeros(n), odds], axis=1),
        labels=None if whole else labels,
        weights=as_weights(file.weights, n=n),
        groups=file.groups,
        clusters=clusters,
        ids=file.ids,
        classes=ANSWER_CLASSES,
        ragged=False,
        kind=file.kind,
        source=file.source,
        sha256=file.sha256(),
        answers=scale,
        beside=beside if whole else None,
        notes=file.notes,
    )
