"""Labelled rows in files: blocks of a reader as blocks of a fit."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.checks.arrays import rows_from, rows_of_file
from temperance.checks.labels import is_label, spells_otherwise
from temperance.checks.score_rules import AS_THEY_ARE, ScoreRules
from temperance.errors import FileFormatError, InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from temperance.readers import BlockFile, Dataset

__all__ = ["IgnoredLabel", "counting_rows", "labelled_blocks", "labels_of", "logits_of"]


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


class IgnoredLabel:
    """A label that is left out of all blocks of a file, by one decision for all of them.

    `1` is also the label 01 where no label of the file is 1 itself. Only where a block has such a
    label does the decision matter; then the file is read once for it.
    """

    def __init__(self, file: BlockFile, label: int | str | None) -> None:
        self.label = label
        self._file = file
        self._as_spelled: bool | None = None

    def as_spelled(self) -> bool:
        """Whether the label stands in the file letter by letter."""
        if self._as_spelled is None:
            self._as_spelled = any(
                block.labels is not None
                and is_label(labels_of(block), self.label, as_spelled=True).any()
                for block in self._file
            )
        return self._as_spelled

    def counting_rows(
        self, labels: NDArray[Any], weights: NDArray[Any] | None = None
    ) -> NDArray[np.bool_] | None:
        """Return which rows of a block count (see `counting_rows`)."""
        matters = self.label is not None and spells_otherwise(labels, self.label)
        as_spelled = self.as_spelled() if matters else None
        return counting_rows(labels, self.label, weights, as_spelled=as_spelled)


def counting_rows(
    labels: NDArray[Any],
    ignore_label: int | str | None,
    weights: NDArray[Any] | None = None,
    *,
    as_spelled: bool | None = None,
) -> NDArray[np.bool_] | None:
    """Return which rows have a label that counts, and no weight of 0; None where all do.

    Weights that are all 0, or are not numbers, are left for others to complain of. `as_spelled` is
    that of `is_label`.
    """
    if labels.ndim != 1:
        return None
    keep = np.ones(len(labels), dtype=bool)
    if ignore_label is not None:
        keep &= ~is_label(labels, ignore_label, as_spelled=as_spelled)
    if weights is not None and weights.shape == keep.shape and weights.dtype.kind in "iuf":
        keep &= (weights != 0) | ~weights.any()
    return None if keep.all() else keep


def logits_of(block: Dataset, rules: ScoreRules = AS_THEY_ARE) -> NDArray[Any]:
    """Return the logits of a block, unread where no rule is for them; of probabilities the log."""
    if block.kind == "logits" and not rules.options:
        return block.values
    with _naming(block.source), rows_of_file(), rows_from(block.first):
        if rules.floor is not None and rules.floor.auto:
            msg = (
                "`--floor` auto asks for the smallest of all probabilities first, and these are "
                "read block by block: say --floor decimals=N (their decimals) or a number."
            )
            raise InvalidInputError(msg)
        return rules.logits(block.values, block.kind)


@contextmanager
def _naming(source: str) -> Iterator[None]:
    try:
        yield
    except InvalidInputError as error:
        msg = f"{source}: {error}"
        raise InvalidInputError(msg) from error
