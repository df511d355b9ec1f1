"""From a file of label matrices to checked rows: one per entry."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from temperance.checks import as_classes, as_groups, as_weights
from temperance.checks.contradictions import AS_THEY_ARE, ScoreRules
from temperance.checks.label_matrix import (
    Entries,
    as_label_logits,
    label_logits_from_probs,
    label_names,
)
from temperance.cli.rows import Beside, Rows
from temperance.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.readers import Dataset

__all__ = ["rows_of_labels"]


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
        ignore_label=None if matrix is None else ignore_label,
        keep=keep,
    )
    weights, row = as_weights(file.weights, n=n), entries.clusters
    if file.clusters is not None:
        entries = replace(entries, clusters=as_groups(file.clusters, n=n, name="clusters")[1][row])
    return Rows(
        logits=entries.logits,
        labels=None if matrix is None else entries.labels,
        weights=None if weights is None else weights[row],
        groups=entries.groups,
        clusters=np.unique(entries.clusters, return_inverse=True)[1],
        ids=file.ids,
        classes=classes,
        ragged=False,
        kind=file.kind,
        source=file.source,
        sha256=file.sha256(),
        entries=entries,
        keep=entries.keep,
        beside=_beside(file, outputs.shape) if whole else None,
        notes=(*file.notes, *rules.note(floored)),
        floored=floored,
        file_ids=file.ids,
    )


def _beside(file: Dataset, shape: tuple[int, ...]) -> Beside:
    """Return what is handed on; labels as integers."""
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
    return Beside(labels=labels, ids=file.ids, groups=file.groups, weights=file.weights)
