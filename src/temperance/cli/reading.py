"""From a file to checked rows: of classes, or of a matrix of labels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.calibrators import MultilabelScaling
from temperance.checks import (
    as_classes,
    as_groups,
    as_labels,
    as_logits,
    as_probs,
    as_weights,
    refuse_masked_labels,
    refuse_probs,
)
from temperance.checks.label_matrix import (
    Entries,
    as_label_logits,
    label_logits_from_probs,
    label_names,
)
from temperance.cli.console import progress
from temperance.cli.rows import Rows, naming
from temperance.numerics import log_probs
from temperance.readers import Dataset, Fields, read

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from temperance.readers import Kind

__all__ = ["read_rows"]

_FEW_ROWS = 5  # fewer unlabelled rows than this may look like probabilities by chance


def read_rows(
    path: Path,
    *,
    kind: str | None,
    fields: Fields,
    labels: Path | None = None,
    labelled: bool = True,
    ignore_label: int | None = None,
) -> Rows:
    """Read a file and check its rows; `labelled` rows must have labels."""
    multilabel = kind == MultilabelScaling.kind
    with progress(f"reading {path.name}"):
        dataset = read(path, kind=_kind(kind), fields=fields, labels=labels)
        with naming(str(path)):
            if multilabel:
                rows = _of_labels(dataset, labelled=labelled, ignore_label=ignore_label)
            else:
                rows = _of_classes(_without(dataset, ignore_label), labelled=labelled)
    if labelled:
        rows.require_labels()
    return rows


def _kind(kind: str | None) -> Kind | None:
    """Return what a reader is told: of a label matrix the scores say it by their name."""
    return "logits" if kind == "logits" else "probs" if kind == "probs" else None


def _of_classes(dataset: Dataset, *, labelled: bool) -> Rows:
    if dataset.kind == "probs":
        logits: NDArray[Any] = log_probs(as_probs(dataset.values))
    else:
        logits = as_logits(dataset.values)
        if not dataset.kind_forced and (labelled or len(logits) >= _FEW_ROWS):
            refuse_probs(dataset.values)
    n, k = logits.shape
    classes = as_classes(dataset.classes, k=k)
    labels = None
    if dataset.labels is not None:
        labels = as_labels(dataset.labels, n=n, k=k, classes=classes)
        if dataset.kind == "logits":
            refuse_masked_labels(logits, labels)
    return Rows(
        logits=logits,
        labels=labels,
        weights=as_weights(dataset.weights, n=n),
        groups=dataset.groups,
        clusters=None
        if dataset.clusters is None
        else as_groups(dataset.clusters, n=n, name="clusters")[1],
        ids=dataset.ids,
        classes=classes,
        ragged=dataset.ragged,
        kind=dataset.kind,
        source=dataset.source,
        sha256=dataset.sha256(),
    )


def _without(dataset: Dataset, ignore_label: int | None) -> Dataset:
    """Leave out the rows whose label says that they do not count."""
    y = dataset.labels
    if ignore_label is None or y is None:
        return dataset
    keep = y.astype(str) != str(ignore_label)
    if y.dtype.kind in "iuf":
        keep = y != ignore_label
    return replace(
        dataset,
        values=dataset.values[keep],
        labels=y[keep],
        weights=None if dataset.weights is None else dataset.weights[keep],
        groups=None if dataset.groups is None else dataset.groups[keep],
        clusters=None if dataset.clusters is None else dataset.clusters[keep],
        ids=None if dataset.ids is None else dataset.ids[keep],
    )


def _of_labels(dataset: Dataset, *, labelled: bool, ignore_label: int | None) -> Rows:
    """Return each entry of a label matrix as a row, its label as group, its row as cluster."""
    if dataset.kind == "probs":
        outputs = label_logits_from_probs(dataset.values)
    else:
        outputs = as_label_logits(dataset.values, refuse_probs=not dataset.kind_forced)
    n, count = outputs.shape
    classes = as_classes(dataset.classes, k=count)
    matrix = dataset.labels if labelled else None
    names = label_names(classes, count=count)
    entries = Entries.of(
        outputs,
        np.zeros((n, count)) if matrix is None else matrix,
        names=names,
        ignore_label=None if matrix is None else ignore_label,
    )
    weights = as_weights(dataset.weights, n=n)
    return Rows(
        logits=entries.logits,
        labels=None if matrix is None else entries.labels,
        weights=None if weights is None else weights[entries.clusters],
        groups=entries.groups,
        clusters=entries.clusters,
        ids=dataset.ids,
        classes=classes,
        ragged=False,
        kind=dataset.kind,
        source=dataset.source,
        sha256=dataset.sha256(),
        entries=entries,
    )
