"""From a file to checked rows: of classes, or of a matrix of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.calibrators import MultilabelScaling
from temperance.cli.answer_rows import ANSWERS, read_answers, rows_of_answers
from temperance.cli.class_rows import rows_of_classes
from temperance.cli.console import progress
from temperance.cli.label_rows import rows_of_labels
from temperance.cli.rows import Rows, naming
from temperance.errors import InvalidInputError
from temperance.readers import read

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from temperance.cli.reading_options import Reading
    from temperance.readers import Kind, Layout

__all__ = ["read_kind", "read_rows"]


def read_rows(
    path: Path,
    reading: Reading,
    *,
    labelled: bool = True,
    keep: NDArray[np.bool_] | None = None,
    whole: bool = False,
) -> Rows:
    """Read a file and check its rows; `labelled` rows must have labels.

    The rows that `keep` of another file says are taken here as well. Of a `whole` file all rows are
    taken, and what is beside their scores is not looked at.
    """
    kind, fields, labels, class_axis = (
        reading.kind, reading.fields, reading.labels, reading.class_axis
    )  # fmt: skip
    ignore_label, answers, llm = reading.ignore_label, reading.answers, reading.llm
    if kind == ANSWERS and answers is None:
        msg = "`--kind` answers is for fit, apply and evaluate."
        raise InvalidInputError(msg)
    if answers is not None and class_axis is not None:
        msg = "`--class-axis` has no meaning for --kind answers."
        raise InvalidInputError(msg)
    multilabel = kind == MultilabelScaling.kind
    if multilabel and class_axis is not None:
        msg = "`--class-axis` is for one class per pixel or token, not for --kind multilabel."
        raise InvalidInputError(msg)
    if reading.rules.options and (multilabel or answers is not None):
        msg = f"`{reading.rules.options[0]}` is for one class per row, not for --kind {kind}."
        raise InvalidInputError(msg)
    layout: Layout = "labels" if multilabel else "rows" if class_axis is None else "dense"
    if llm is not None and (layout != "rows" or labels is not None or answers is not None):
        msg = (
            "`--format` goes with one class per row and labels in the lines themselves, not with "
            "--kind multilabel or answers, --class-axis, --labels or --test-labels."
        )
        raise InvalidInputError(msg)
    with progress(f"reading {path.name}"):
        if answers is not None:
            file = read_answers(
                path, fields=fields, labels=labels, labelled=labelled, label_map=reading.label_map
            )
        else:
            file = read(
                path,
                kind=read_kind(kind),
                fields=fields,
                labels=labels,
                layout=layout,
                format=llm,
                label_map=reading.label_map,
            )
        with naming(str(path)):
            if answers is not None:
                rows = rows_of_answers(file, answers, ignore_label=ignore_label, whole=whole)
            elif multilabel:
                rows = rows_of_labels(file, ignore_label=ignore_label, keep=keep, whole=whole)
            else:
                rows = rows_of_classes(
                    file, labelled=labelled, ignore_label=ignore_label, class_axis=class_axis,
                    keep=keep, whole=whole, rules=reading.rules,
                )  # fmt: skip
    if labelled:
        rows.require_labels()
        _require_clusters(rows)
    return rows


def read_kind(kind: str | None) -> Kind | None:
    """Return what a reader is told: of a label matrix the scores say it by their name."""
    return "logits" if kind == "logits" else "probs" if kind == "probs" else None


def _require_clusters(rows: Rows) -> None:
    """Refuse pixels of a single image: nothing would say how sure a number is."""
    if rows.dense is not None and rows.clusters is not None and not rows.clusters.any():
        msg = (
            f"{rows.source}: all rows are of one image or sequence (the first axis beside that of "
            "the classes), and they belong together, so nothing says how sure a number is. Add "
            "others, or say with a key `clusters` which pixels belong together, e.g. tiles."
        )
        raise InvalidInputError(msg)
