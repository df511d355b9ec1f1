"""One JSON object per line; the rows may have different numbers of options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from temperance.readers.json_lines import json_lines, naming_line
from temperance.readers.jsonl_columns import IdsBesideLabels, Labels, Scores, Weights
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
    weights = Weights(fields.weight or "weight", required=fields.weight is not None)
    groups = Labels(fields.group or "group", required=fields.group is not None)
    clusters = Labels(fields.cluster or "cluster", required=fields.cluster is not None)
    ids = Labels(fields.id or "id", required=fields.id is not None)
    _fill([scores, weights, groups, clusters, ids, *of_labels], path)
    values, ragged = scores.array()
    return Rows(
        kind=scores.kind,
        values=values,
        labels=of_labels[-1].array() if of_labels else None,
        weights=weights.array(),
        groups=groups.array(),
        clusters=clusters.array(),
        ids=ids.array(),
        ragged=ragged,
    )


def _labels(request: Request, scores: Scores | None) -> list[Any]:
    """Return what reads the labels, last, after what refuses others; nothing if not wanted."""
    if not request.labels:
        return []
    if request.layout == "labels":
        return [LabelLists(request, scores)]
    name = request.fields.label
    required = name is not None or scores is None
    return [
        NoLabelLists(name or "label"),
        Labels(name or "label", required=required, booleans=True),
    ]


def _fill(columns: Sequence[Any], path: Path) -> None:
    """Add every record of the file to every column."""
    for line, record in json_lines(path):
        with naming_line(line):
            for column in columns:
                column.add(record)
