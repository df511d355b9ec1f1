"""Labelled rows in files: blocks of a reader as blocks of a fit."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.checks.arrays import rows_from, rows_of_file
from temperance.checks.labels import is_label
from temperance.checks.score_rules import AS_THEY_ARE, ScoreRules
from temperance.errors import FileFormatError, InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from temperance.readers import BlockFile, Dataset

__all__ = ["counting_rows", "labelled_blocks", "labels_of", "logits_of"]


def labelled_blocks(file: BlockFile, rules: ScoreRules = AS_THEY_ARE) -> Iterator[tuple[Any, ...]]:
    """Yield (logits, labels) or (logits, labels, weights) of each block of a file."""
    for block in file:
        labels, logits = labels_of(block), logits_of(block, rules)
        if block.weights is None:
            yield logits, labels
        else:
            yield logits, labels, block.weights


def labels_of(block: Dataset) -> NDArray[Any]:
    """Return the labels of a block, which must have them."""
    if block.labels is None:
        msg = (
            f"{block.source}: has no labels. Name their column with --label-column, or give "
            "their file with --labels."
        )
        raise FileFormatError(msg)
    return block.labels


def counting_rows(
    labels: NDArray[Any],
    ignore_label: int | str | None,
    weights: NDArray[Any] | None = None,
) -> NDArray[np.bool_] | None:
    """Return which rows have a label that counts, and no weight of 0; None where all do.

    Weights that are all 0, or are not numbers, are left for others to complain of.
    """
    if labels.ndim != 1:
        return None
    keep = np.ones(len(labels), dtype=bool)
    if ignore_label is not None:
        keep &= ~is_label(labels, ignore_label)
    if weights is not None and weights.shape == keep.shape and weights.dtype.kind in "iuf":
        keep &= (weights != 0) | ~weights.any()
    return None if keep.all() else keep


def logits_of(block: Dataset, rules: ScoreRules = AS_THEY_ARE) -> NDArray[Any]:
    """Return the logits of a block, unread where no rule is for them; of probabilities the log."""
    if block.kind == "logits" and not rules.options:
        return block.values
    with _naming(block.source), rows_of_file(), rows_from(block.first):
        return rules.logits(block.values, block.kind)


@contextmanager
def _naming(source: str) -> Iterator[None]:
    try:
        yield
    except InvalidInputError as error:
        msg = f"{source}: {error}"
        raise InvalidInputError(msg) from error
