"""The rows of a file, checked: of classes, of a matrix of labels, of answers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.checks import (
    as_classes,
    as_groups,
    as_labels,
    as_weights,
    looks_like_probs,
    refuse_masked_labels,
    refuse_probs,
)
from temperance.checks.answer_scores import ANSWER_CLASSES, AnswerScale, as_correct
from temperance.checks.arrays import rows_of_file
from temperance.checks.contradictions import AS_THEY_ARE, ScoreRules, contradictions
from temperance.checks.forms import Dense
from temperance.checks.label_matrix import (
    Entries,
    as_label_logits,
    label_logits_from_probs,
    label_names,
)
from temperance.checks.labels import counting_rows
from temperance.checks.scores import padding_value, refuse_padding, share_of_whole
from temperance.errors import FileFormatError, InvalidInputError
from temperance.printable import count_text, digits_text
from temperance.readers import read
from temperance.rows.layouts import Answers, Classes, Labels, Pixels
from temperance.rows.memory import Rows

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from temperance.calibrators import Calibrator
    from temperance.checks import LabelMap
    from temperance.readers import Dataset, Fields, LlmFormat
    from temperance.readers.dataset import Missing

__all__ = [
    "ANSWERS",
    "OF_ANSWERS",
    "answer_scale",
    "file_columns",
    "read_answers",
    "rows_of_answers",
    "rows_of_classes",
    "rows_of_labels",
]

_AS_PROBS = '`kind="probs"` (--kind probs)'
_FEW_ROWS = 5  # fewer unlabelled rows than this may look like probabilities by chance


def rows_of_classes(
    file: Dataset,
    *,
    labelled: bool,
    ignore_label: int | str | None,
    class_axis: int | None,
    keep: NDArray[np.bool_] | None,
    whole: bool,
    rules: ScoreRules = AS_THEY_ARE,
) -> Rows:
    """Return the rows that count: all of them, those that `keep` says, or not of `ignore_label`.

    Of a `whole` file the labels are not looked at, but handed on.
    """
    scores, dense, dataset = file.values, None, file
    if class_axis is not None:
        scores, dense = Dense.moved(file.values, class_axis=class_axis)
        dataset = _flat(file, dense)
    keep = _counting(dataset, scores, keep, ignore_label=ignore_label, whole=whole)
    if keep is not None:
        dataset = _part(dataset, scores, keep)
    elif dense is not None:
        dataset = replace(dataset, values=scores.reshape(-1, scores.shape[-1]))
    with rows_of_file(_places(file, keep, dense)):
        logits = _logits(dataset, rules, labelled=labelled)
        n, k = logits.shape
        classes = as_classes(dataset.classes, k=k)
        labels = None
        if dataset.labels is not None and not whole:
            labels = as_labels(dataset.labels, n=n, k=k, classes=classes)
            if dataset.kind == "logits":
                refuse_masked_labels(logits, labels, classes=classes, of_logits=True)
        if dataset.kind == "logits" and not dataset.kind_forced and dataset.values.ndim > 1:
            refuse_padding(logits, labels)
        weights = as_weights(dataset.weights, n=n)
    floored = rules.floored(dataset.values, dataset.kind)
    return _rows(
        file,
        logits=logits,
        labels=labels,
        weights=weights,
        groups=dataset.groups,
        clusters=_clusters(dataset, n, numbered=dense is not None, whole=whole),
        ids=dataset.ids,
        classes=classes,
        layout=Classes(ragged=dataset.ragged) if dense is None else Pixels(dense),
        keep=keep,
        columns=file_columns(file) if whole else None,
        floored=floored,
        notes=(
            *rules.notes(dataset.values, logits),
            *rules.note(floored),
            *_notes(dataset, logits, labels),
        ),
    )


def _rows(file: Dataset, *, notes: tuple[str, ...] = (), **checked: Any) -> Rows:  # noqa: ANN401
    """Return what was checked as rows that know where they come from."""
    return Rows(
        kind=file.kind,
        source=file.source,
        sha256=file.sha256(),
        notes=(*file.notes, *notes),
        file_ids=file.ids,
        left_out=file.left_out,
        **checked,
    )


def file_columns(
    file: Dataset, labels: NDArray[Any] | None = None
) -> Mapping[str, NDArray[Any] | None]:
    """Return what a file says of its rows, in its own shape, as `temperance apply` hands it on."""
    return {
        "labels": file.labels if labels is None else labels,
        "ids": file.ids,
        "groups": file.groups,
        "weights": file.weights,
    }


def _counting(
    dataset: Dataset,
    scores: NDArray[Any],
    keep: NDArray[np.bool_] | None,
    *,
    ignore_label: int | str | None,
    whole: bool,
) -> NDArray[np.bool_] | None:
    """Return which rows count, those of another file's if `keep` says; None: all of them."""
    if keep is None:
        if not whole and dataset.labels is not None:
            keep = counting_rows(dataset.labels, ignore_label)
    elif len(keep) != prod(scores.shape[:-1] if scores.ndim > 1 else scores.shape):
        msg = (
            f"must have the {count_text(len(keep), 'row')} of the first file, got scores of "
            f"shape {dataset.values.shape}."
        )
        raise InvalidInputError(msg)
    if keep is not None and not keep.any():
        msg = (
            f"has no row with a label that counts: all {len(keep):,} have the label "
            f"{ignore_label}, which `ignore_label` (--ignore-label) leaves out."
        )
        raise InvalidInputError(msg)
    return keep


def _places(file: Dataset, keep: NDArray[np.bool_] | None, dense: Dense | None) -> NDArray[np.intp]:
    """Return which row of the file, counted from 0, each row that counts is; or which pixel."""
    if dense is not None:
        places = np.arange(prod(dense.shape))
    else:
        n = len(file.values) + len(file.left_out)
        places = np.delete(np.arange(file.first, file.first + n), list(file.left_out))
    return places if keep is None else places[keep]


def _flat(file: Dataset, dense: Dense) -> Dataset:
    """Return what is said of the scores as one value per pixel; ids stay as they are."""

    def spread(name: str) -> NDArray[Any] | None:
        values = getattr(file, name)
        return None if values is None else dense.spread(values, name=name)

    images = np.arange(dense.shape[0]) if len(dense.shape) > 1 else None
    numbered = images if file.clusters is None else _numbers(file.clusters)
    return replace(
        file,
        labels=None if file.labels is None else dense.flat(file.labels, name="labels"),
        weights=spread("weights"),
        groups=spread("groups"),
        ids=None if file.ids is None else dense.fitting(file.ids, name="ids"),
        clusters=None if numbered is None else dense.spread(numbered, name="clusters"),
    )


def _numbers(clusters: NDArray[Any]) -> NDArray[np.intp]:
    names = clusters.ravel()
    return as_groups(names, n=len(names), name="clusters")[1].reshape(clusters.shape)


def _part(dataset: Dataset, scores: NDArray[Any], keep: NDArray[np.bool_]) -> Dataset:
    """Return the rows that `keep` says, copied once."""

    def column(values: NDArray[Any] | None) -> NDArray[Any] | None:
        return values[keep] if values is not None and len(values) == len(keep) else values

    return replace(
        dataset,
        values=scores[keep.reshape(scores.shape[:-1] if scores.ndim > 1 else scores.shape)],
        labels=column(dataset.labels),
        weights=column(dataset.weights),
        groups=column(dataset.groups),
        clusters=column(dataset.clusters),
        ids=column(dataset.ids),
    )


def _logits(dataset: Dataset, rules: ScoreRules, *, labelled: bool) -> NDArray[Any]:
    logits = rules.logits(dataset.values, dataset.kind)
    if dataset.kind == "probs":
        return logits
    if not dataset.kind_forced and (labelled or len(logits) >= _FEW_ROWS):
        refuse_probs(dataset.values)
    return logits


def _notes(
    dataset: Dataset, logits: NDArray[Any], labels: NDArray[np.intp] | None
) -> tuple[str, ...]:
    """Return what the values say against what their columns are, in labelled rows."""
    if labels is None:
        return ()
    notes = contradictions(logits, labels, kind=dataset.kind, classes=dataset.classes)
    if dataset.kind != "logits" or not dataset.kind_forced:
        return notes
    if dataset.values.ndim > 1 and padding_value(logits, labels) is not None:
        notes += ('logits hold padding, which takes part as `kind="logits"` (--kind logits) says.',)
    if looks_like_probs(dataset.values):
        note = f"logits look like probabilities: {_AS_PROBS} would read them as such."
        return (*notes, note)
    whole = share_of_whole(dataset.values)
    if whole is None:
        return notes
    note = (
        f"logits look like shares of {digits_text(whole, 4)}: {_AS_PROBS} and `renormalize` "
        "(--renormalize) would read them as probabilities."
    )
    return (*notes, note)


def _clusters(dataset: Dataset, n: int, *, numbered: bool, whole: bool) -> NDArray[np.intp] | None:
    """Return each row's cluster, 0..m-1 without gaps; of a `whole` file None where some lack."""
    if dataset.clusters is None:
        return None
    if whole and not numbered:
        with suppress(InvalidInputError):
            return as_groups(dataset.clusters, n=n, name="clusters")[1]
        return None
    if numbered:  # some may have lost all their rows
        return np.unique(dataset.clusters, return_inverse=True)[1]
    return as_groups(dataset.clusters, n=n, name="clusters")[1]


# From a file of label matrices to checked rows: one per entry.


def rows_of_labels(
    file: Dataset,
    *,
    ignore_label: int | str | None,
    keep: NDArray[np.bool_] | None,
    whole: bool,
    rules: ScoreRules = AS_THEY_ARE,
) -> Rows:
    """Return each entry that counts as a row, its label as group, its row as cluster.

    The file's own clusters, where it has them, say which rows belong together. Of a `whole` file
    the labels are not looked at, but handed on.
    """
    if file.kind == "probs":
        outputs = label_logits_from_probs(file.values, floor=rules.least)
    else:
        rules.refuse_of_probs()
        outputs = as_label_logits(file.values, refuse_probs=not file.kind_forced)
    floored = rules.floored_labels(file.values, file.kind)
    n, count = outputs.shape
    classes = as_classes(file.classes, k=count)
    if keep is not None and keep.shape != outputs.shape:
        msg = f"must have the rows and labels of the first file, {keep.shape}, got {outputs.shape}."
        raise InvalidInputError(msg)
    matrix = None if whole else file.labels
    entries = Entries.of(
        outputs,
        np.zeros((n, count), dtype=np.int8) if matrix is None else matrix,
        names=label_names(classes, count=count),
        weights=file.weights,
        clusters=file.clusters,
        ignore_label=None if matrix is None else ignore_label,
        keep=keep,
    )
    return _rows(
        file,
        logits=entries.logits,
        labels=None if matrix is None else entries.labels,
        weights=entries.weights,
        groups=entries.groups,
        clusters=np.unique(entries.clusters, return_inverse=True)[1],
        ids=file.ids,
        classes=classes,
        layout=Labels(outputs, entries.keep),
        keep=entries.keep,
        columns=file_columns(file, _whole_labels(file, outputs.shape)) if whole else None,
        notes=rules.note(floored),
        floored=floored,
    )


def _whole_labels(file: Dataset, shape: tuple[int, ...]) -> NDArray[Any] | None:
    """Return a matrix of labels as it is handed on: integers."""
    labels = file.labels
    if labels is not None and labels.shape != shape:
        msg = (
            f"`labels` must be a matrix of shape {shape}, one column per label, got {labels.shape}."
        )
        raise InvalidInputError(msg)
    if labels is not None and labels.dtype.kind == "f" and not np.isfinite(labels).all():
        row, column = (int(i) for i in np.argwhere(~np.isfinite(labels))[0])
        msg = (
            f"`labels` must be numbers to be handed on; row {row}, column {column} holds "
            f"{labels[row, column]}. Write a number for what is unknown, e.g. -1."
        )
        raise InvalidInputError(msg)
    if labels is not None and labels.dtype.kind in "fb":
        labels = labels.astype(np.int64)
    return labels


# From a file of one score per answer, and whether it was right, to checked rows.


ANSWERS = "answers"


def read_answers(
    path: Path,
    *,
    fields: Fields,
    labels: Path | Mapping[Any, Any] | None,
    labelled: bool,
    label_map: LabelMap | None = None,
    na: Missing = "refuse",
    llm: LlmFormat | None = None,
    scale: AnswerScale | None = None,
) -> Dataset:
    """Read scores and outcomes, of `score` and `correct` unless told otherwise.

    Outcomes that nobody needs and nobody named may be missing. Of a file of a language model's
    answers the score is one of their tokens, or under the key that is named.
    """
    if fields.probs is not None:
        msg = (
            "`fields.probs` (--probs-column) has no meaning for answers: say `score_column` "
            "(--score-column)."
        )
        raise InvalidInputError(msg)
    if llm is not None:
        if label_map is not None or na != "refuse":
            msg = "`label_map` (--label-map) and `na` (--na) do not go with answers of a format."
            raise InvalidInputError(msg)
        return _scores_of_lines(path, llm, fields, labels, scale)
    fields = replace(fields, logits=fields.logits or "score")
    answer_fields = fields
    if not isinstance(labels, Mapping):
        answer_fields = replace(fields, label=fields.label or "correct")
    texts = scale if scale is not None and scale.takes_texts else None
    with _naming_scores(fields.logits):
        try:
            return read(
                path, kind="logits", fields=answer_fields, labels=labels, label_map=label_map,
                na=na, texts=texts,
            )  # fmt: skip
        except FileFormatError:
            if labelled or fields.label is not None or labels is not None:
                raise
        return read(path, kind="logits", fields=fields, na=na, texts=texts)


@contextmanager
def _naming_scores(column: object) -> Iterator[None]:
    """Say of a file without scores of answers what names these: its hints are for classes."""
    try:
        yield
    except FileFormatError as error:
        complaint = re.match(
            rf"(.*has no (?:column|key) `{re.escape(str(column))}`.*?)\.(?: |$)", str(error)
        )
        if complaint is None:
            raise
        msg = (
            f"{complaint[1]}. Answers have one score each, of how sure the model was: "
            "`score_column` (--score-column) names the column or key that holds it. Scores of each "
            "class are not read as answers, nor by a calibrator of answers."
        )
        raise FileFormatError(msg) from error


def _scores_of_lines(
    path: Path,
    llm: LlmFormat,
    fields: Fields,
    labels: Path | Mapping[Any, Any] | None,
    scale: AnswerScale | None,
) -> Dataset:
    """Read the scores of answers as language models' servers write them."""
    from temperance.readers.llm.scored import read_scores  # noqa: PLC0415  (only of these files)

    score = fields.logits
    if not isinstance(score, str):
        msg = (
            "`score_column` (--score-column) must say which score to take of answers of a format: "
            "mean, sum or min of the log-probabilities of their tokens, or the key that holds one."
        )
        raise InvalidInputError(msg)
    as_number = None if scale is None or not scale.takes_texts else scale.as_number
    return read_scores(path, llm, fields=fields, score=score, labels=labels, as_number=as_number)


def _scores(file: Dataset, scale: AnswerScale) -> NDArray[Any]:
    """Return the scores in the unit of their scale; a percent sign says the unit."""
    if not file.percent:
        return file.values
    if scale.name == "percent":
        return np.asarray(np.round(file.values * 100, 10))  # a hundredth is no binary number
    if scale.name in {"probability", "fraction"}:
        return file.values
    msg = (
        f"`score_scale` (--score-scale) is {scale.name}, but the scores have percent signs: say "
        "percent."
    )
    raise InvalidInputError(msg)


def rows_of_answers(
    file: Dataset, scale: AnswerScale, *, ignore_label: int | str | None, whole: bool
) -> Rows:
    """Return each answer as a row of two classes, wrong and correct, by its score's log-odds."""
    if ignore_label is not None:
        msg = (
            "`ignore_label` (--ignore-label) has no meaning for answers, which are right or wrong."
        )
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
    return _rows(
        file,
        logits=np.stack([np.zeros(n), odds], axis=1),
        labels=None if whole else labels,
        weights=as_weights(file.weights, n=n),
        groups=file.groups,
        clusters=clusters,
        ids=file.ids,
        classes=ANSWER_CLASSES,
        layout=Answers(scale),
        columns=file_columns(file, labels) if whole else None,
    )


# What the scores of answers are: as a calibrator has them, or as arguments say.


OF_ANSWERS = '`kind="answers"` (--kind answers)'


def answer_scale(
    kind: str | None,
    name: str | None,
    of: int | None,
    words: Mapping[str, float] | None,
    calibrator: Calibrator | None = None,
) -> AnswerScale | None:
    """Return what the scores are, by the calibrator or as they are pairs to be; None of others."""
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
