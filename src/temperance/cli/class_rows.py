"""From a file of one class per row, pixel or token to checked rows."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.blocks import counting_rows
from temperance.checks import (
    as_classes,
    as_groups,
    as_labels,
    as_weights,
    looks_like_probs,
    refuse_masked_labels,
    refuse_probs,
)
from temperance.checks.arrays import rows_of_file
from temperance.checks.contradictions import (
    AS_THEY_ARE,
    ScoreRules,
    contradictions,
    padding_value,
    refuse_padding,
)
from temperance.checks.dense import Dense
from temperance.checks.scores import share_of_whole
from temperance.cli.rows import Beside, Rows
from temperance.errors import InvalidInputError
from temperance.printable import count_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.readers import Dataset

__all__ = ["rows_of_classes"]

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
    if keep is None:
        keep = (
            None if whole or dataset.labels is None else counting_rows(dataset.labels, ignore_label)
        )
    elif len(keep) != (len(scores) if dense is None else prod(dense.shape)):
        shape = file.values.shape
        msg = (
            f"must have the {count_text(len(keep), 'row')} of the first file, got scores of "
            f"shape {shape}."
        )
        raise InvalidInputError(msg)
    if keep is not None:
        if not keep.any():
            msg = (
                f"has no row with a label that counts: all {len(keep):,} have the label "
                f"{ignore_label} (--ignore-label)."
            )
            raise InvalidInputError(msg)
        dataset = _taken(dataset, scores, keep)
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
    return Rows(
        logits=logits,
        labels=labels,
        weights=weights,
        groups=dataset.groups,
        clusters=None if whole else _clusters(dataset, n, numbered=dense is not None),
        ids=dataset.ids,
        classes=classes,
        ragged=dataset.ragged,
        kind=dataset.kind,
        source=dataset.source,
        sha256=dataset.sha256(),
        dense=dense,
        keep=keep,
        beside=Beside(file.labels, file.ids, file.groups, file.weights) if whole else None,
        notes=(
            *file.notes,
            *rules.notes(dataset.values, logits),
            *rules.note(floored),
            *_notes(dataset, logits, labels),
        ),
        file_ids=file.ids,
        floored=floored,
    )


def _places(file: Dataset, keep: NDArray[np.bool_] | None, dense: Dense | None) -> NDArray[np.intp]:
    """Return which row of the file, counted from 0, each row that counts is; or which pixel."""
    if dense is not None:
        places = np.arange(prod(dense.shape))
    else:
        n = len(file.values) + len(file.left_out)
        places = np.delete(np.arange(file.first, file.first + n), list(file.left_out))
    return places if keep is None else places[keep]


def _flat(file: Dataset, dense: Dense) -> Dataset:
    """Return what is beside the scores as one value per pixel; ids stay as they are."""

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


def _taken(dataset: Dataset, scores: NDArray[Any], keep: NDArray[np.bool_]) -> Dataset:
    """Return the rows that `keep` says, copied once."""

    def taken(values: NDArray[Any] | None) -> NDArray[Any] | None:
        return values[keep] if values is not None and len(values) == len(keep) else values

    return replace(
        dataset,
        values=scores[keep.reshape(scores.shape[:-1] if scores.ndim > 1 else scores.shape)],
        labels=taken(dataset.labels),
        weights=taken(dataset.weights),
        groups=taken(dataset.groups),
        clusters=taken(dataset.clusters),
        ids=taken(dataset.ids),
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
        notes += ("logits hold padding, which takes part as --kind logits says.",)
    if looks_like_probs(dataset.values):
        return (*notes, "logits look like probabilities: --kind probs would read them as such.")
    whole = share_of_whole(dataset.values)
    if whole is None:
        return notes
    told = (
        f"logits look like shares of {whole:.4g}: --kind probs --renormalize would read them as "
        "probabilities."
    )
    return (*notes, told)


def _clusters(dataset: Dataset, n: int, *, numbered: bool) -> NDArray[np.intp] | None:
    """Return each row's cluster, 0..m-1 without gaps."""
    if dataset.clusters is None:
        return None
    if numbered:  # some may have lost all their rows
        return np.unique(dataset.clusters, return_inverse=True)[1]
    return as_groups(dataset.clusters, n=n, name="clusters")[1]
