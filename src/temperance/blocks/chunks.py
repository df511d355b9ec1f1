"""What a worker of a cluster does with one chunk of rows, and how results are merged."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

from temperance.blocks.arrays import ArrayRows
from temperance.blocks.folds import FoldPass, RowFolds
from temperance.blocks.parts import FilePart
from temperance.blocks.rereading import thinned
from temperance.checks import as_labels, as_logits, refuse_masked_labels, refuse_probs
from temperance.checks.contradictions import refuse_padding
from temperance.checks.dense import Dense, without_ignored
from temperance.checks.scores import as_logits_unread
from temperance.checks.weights import checked_weights
from temperance.errors import InvalidInputError
from temperance.kernels.engines import moments_kernel
from temperance.kernels.loss_numpy import existence_sums

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from temperance.kernels.engines import Engine
    from temperance.kernels.loss import ExistenceSums

__all__ = ["Chunk", "Complaint", "Part", "merge_sums"]

# The numbers of a chunk, or None where there are none; before they are computed, a promise. For the
# logits a part of a file may stand, which holds labels and weights as well.
Part = Any


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong with a chunk: sent back as a value, so that the first chunk's is told."""

    message: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """What is known of a chunk before its numbers are there."""

    number: int
    first: int | None  # the place of its first row; None where sizes are not known
    k: int
    classes: tuple[str, ...] | None
    class_axis: int
    ignore_label: int | str | None
    refuse_probs: bool
    engine: Engine
    elements: int  # of all chunks
    folds: RowFolds = RowFolds(1)  # noqa: RUF009  (a frozen value)

    def loss_pass(
        self, betas: tuple[float, ...], logits: Part, labels: Part, weights: Part
    ) -> FoldPass | Complaint | None:
        """Return the sums of the chunk's folds; None where it has no row that counts."""
        rows = self._checked(logits, labels, weights)
        if not isinstance(rows, ArrayRows):
            return rows
        moments = moments_kernel(self.engine, elements=self.elements)
        return FoldPass.of(rows, self.folds, betas, block=self.number, first=0, moments=moments)

    def existence_sums(
        self, logits: Part, labels: Part, weights: Part
    ) -> ExistenceSums | Complaint | None:
        """Return the sums of the chunk that decide whether an optimum exists."""
        rows = self._checked(logits, labels, weights)
        if not isinstance(rows, ArrayRows):
            return rows
        return existence_sums(rows.logits, rows.labels, rows.weights)

    def sample(self, most: int, logits: Part, labels: Part, weights: Part) -> ArrayRows | None:
        """Return a few rows of the chunk, at least one, of at most so many elements."""
        rows = self._checked(logits, labels, weights)
        return thinned(rows, most=most) if isinstance(rows, ArrayRows) else None

    def bad_values(self, logits: Part, labels: Part, weights: Part) -> Complaint | None:
        """Return what is wrong with the values of the chunk."""
        rows = self._checked(logits, labels, weights)
        if not isinstance(rows, ArrayRows):
            return rows
        try:
            with _rows_of(logits):
                as_logits(rows.logits)
                refuse_masked_labels(rows.logits, rows.labels)
        except InvalidInputError as error:
            return self._complaint(error, logits)
        return None

    def _checked(self, logits: Part, labels: Part, weights: Part) -> ArrayRows | Complaint | None:
        try:
            with _rows_of(logits):
                rows = self._rows(logits, labels, weights)
        except InvalidInputError as error:
            return self._complaint(error, logits)
        return rows if rows.n else None

    def _rows(self, logits: Part, labels: Part, weights: Part) -> ArrayRows:
        if isinstance(logits, FilePart):
            logits, labels, weights = logits.read()
        given, dense = Dense.of(logits, class_axis=self.class_axis)
        y: Any = dense.labels(labels)
        w: Any = None if weights is None else dense.flat(weights, name="weights")
        y, w, kept = without_ignored(y, self.ignore_label, w, given)
        assert kept is not None  # noqa: S101  (only what is None stays None)
        z = as_logits_unread(kept)
        n, k = z.shape
        if k != self.k:
            msg = f"`logits` have {k} columns, those of all chunks should have {self.k}."
            raise InvalidInputError(msg)
        y = as_labels(y, n=n, k=k, classes=self.classes)
        if self.refuse_probs and n:
            refuse_probs(kept)
            if kept.ndim > 1:
                refuse_padding(z, y)
        return ArrayRows(z, y, checked_weights(w, n=n, all_zero=True), engine=self.engine)

    def _complaint(self, error: InvalidInputError, logits: Part) -> Complaint:
        if isinstance(logits, FilePart):
            return Complaint(f"{logits.path}: {error}")
        start = "" if self.first is None else f" (from row {self.first} on)"
        return Complaint(f"Chunk {self.number}{start}: {error}")


def _rows_of(logits: Part) -> AbstractContextManager[None]:
    """Name rows of a part of a file by their number in it."""
    return logits.rows_named() if isinstance(logits, FilePart) else nullcontext()


def merge_sums(parts: list[Any]) -> Any:  # noqa: ANN401  (sums of one kind, complaints, None)
    """Return the first complaint there is, else the merged sums; None where there are none."""
    there = [part for part in parts if part is not None]
    complaints = (part for part in there if isinstance(part, Complaint))
    if (first := next(complaints, None)) is not None:
        return first
    return reduce(lambda left, right: left.merge(right), there) if there else None
