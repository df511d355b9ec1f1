"""One JSON object per line; the rows may have different numbers of options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from temperance.readers.json_lines import json_lines, naming_line
from temperance.readers.jsonl_columns import (
    ClassNames,
    IdsBesideLabels,
    Labels,
    NearNames,
    Scores,
    Weights,
)
from temperance.readers.jsonl_labels import LabelLists, NoLabelLists
from temperance.readers.request import Request, Rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["read_jsonl"]


def read_jsonl(path: Path, request: Request) -> Rows:
    """Read the records of a JSON Lines file; empty lines are skipped."""
    fields = request.fields
    if not request.scores:
        of_labels = _labels(request, None)
        beside = IdsBesideLabels(request)
        _fill([*of_labels, beside], path)
        return Rows(labels=of_labels[-1].array(), ids=beside.array())
    scores = Scores(request)
    of_labels = _labels(request, scores)
    weights = Weights("weight", fields.weight)
    groups = Labels("group", fields.group)
    clusters = Labels("cluster", fields.cluster)
    ids = Labels("id", fields.id)
    classes = ClassNames()
    _fill([scores, classes, NearNames(request), weights, groups, clusters, ids, *of_labels], path)
    values, ragged = scores.array()
    return Rows(
        kind=scores.kind,
        values=values,
        labels=of_labels[-1].array() if of_labels else None,
        weights=weights.array(),
        groups=groups.array(),
        clusters=clusters.array(),
        ids=ids.array(),
        classes=scores.named_by(classes.names),
        ragged=ragged,
    )


def _labels(request: Request, scores: Scores | None) -> list[Any]:
    """Return what reads the labels, last, after what refuses others; nothing if not wanted."""
    if not request.labels:
        return []
    if request.layout == "labels":
        return [LabelLists(request, scores)]
    name = request.fields.label
    return [
        NoLabelLists(name or "label"),
        Labels("label", name, required=scores is None, booleans=True),
    ]


def _fill(columns: Sequence[Any], path: Path) -> None:
    """Add every record of the file to every column."""
    for line, record in json_lines(path):
        with naming_line(line):
            for column in columns:
                column.add(record)
