"""Labelled rows as Dask arrays: a task per chunk on a worker, and only sums travel."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from math import isnan, prod
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
from dask.delayed import delayed

from temperance.blocks.dask_workers import Complaint, computed, merge_tree
from temperance.blocks.files import FilePart
from temperance.blocks.rows import ArrayRows, report_rows
from temperance.blocks.stream import FoldPass, RowFolds, joined, read_again, require_weight, thinned
from temperance.checks import (
    Positions,
    as_classes,
    as_labels,
    as_logits,
    refuse_masked_labels,
    refuse_probs,
)
from temperance.checks.arrays import as_array, is_dask_array
from temperance.checks.forms import Dense, require_axis, without_ignored
from temperance.checks.row_values import checked_weights
from temperance.checks.scores import as_logits_unread, refuse_padding, require_shape
from temperance.errors import InvalidInputError, NoOptimumError
from temperance.kernels.engines import moments_kernel, preferred_engine
from temperance.kernels.loss import existence_sums

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from dask.array import Array
    from dask.delayed import Delayed

    from temperance.blocks.files import FileParts
    from temperance.kernels.engines import Engine
    from temperance.kernels.loss import ExistenceSums, LossPass

__all__ = ["DaskRows"]

# What a worker of a cluster does with one chunk of rows, and how results are merged.


# The numbers of a chunk, or None where there are none; before they are computed, a promise. For the
# logits a part of a file may stand, which holds labels and weights as well.
Numbers = Any


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
        self, betas: tuple[float, ...], logits: Numbers, labels: Numbers, weights: Numbers
    ) -> FoldPass | Complaint | None:
        """Return the sums of the chunk's folds; None where it has no row that counts."""
        rows = self._checked(logits, labels, weights)
        if not isinstance(rows, ArrayRows):
            return rows
        moments = moments_kernel(self.engine, elements=self.elements)
        return FoldPass.of(rows, self.folds, betas, block=self.number, first=0, moments=moments)

    def existence_sums(
        self, logits: Numbers, labels: Numbers, weights: Numbers
    ) -> ExistenceSums | Complaint | None:
        """Return the sums of the chunk that decide whether an optimum exists."""
        rows = self._checked(logits, labels, weights)
        if not isinstance(rows, ArrayRows):
            return rows
        return existence_sums(rows.logits, rows.labels, rows.weights)

    def sample(
        self, most: int, logits: Numbers, labels: Numbers, weights: Numbers
    ) -> ArrayRows | None:
        """Return a few rows of the chunk, at least one, of at most so many elements."""
        rows = self._checked(logits, labels, weights)
        return thinned(rows, most=most) if isinstance(rows, ArrayRows) else None

    def bad_values(self, logits: Numbers, labels: Numbers, weights: Numbers) -> Complaint | None:
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

    def _checked(
        self, logits: Numbers, labels: Numbers, weights: Numbers
    ) -> ArrayRows | Complaint | None:
        try:
            with _rows_of(logits):
                rows = self._rows(logits, labels, weights)
        except InvalidInputError as error:
            return self._complaint(error, logits)
        return rows if rows.n else None

    def _rows(self, logits: Numbers, labels: Numbers, weights: Numbers) -> ArrayRows:
        if isinstance(logits, FilePart):
            logits, labels, weights = logits.read()
        outputs, dense = Dense.of(logits, class_axis=self.class_axis)
        y: Any = dense.labels(labels)
        w: Any = None if weights is None else dense.flat(weights, name="weights")
        y, w, rows = without_ignored(y, self.ignore_label, w, outputs)
        assert rows is not None  # noqa: S101  (only what is None stays None)
        z = as_logits_unread(rows)
        n, k = z.shape
        if k != self.k:
            msg = f"`logits` have {k} columns, those of all chunks should have {self.k}."
            raise InvalidInputError(msg)
        y = as_labels(y, n=n, k=k, classes=self.classes)
        if self.refuse_probs and n:
            refuse_probs(rows)
            if rows.ndim > 1:
                refuse_padding(z, y)
        return ArrayRows(z, y, checked_weights(w, n=n, all_zero=True), engine=self.engine)

    def _complaint(self, error: InvalidInputError, logits: Numbers) -> Complaint:
        if isinstance(logits, FilePart):
            return Complaint(f"{logits.path}: {error}")
        start = "" if self.first is None else f" (from row {self.first} on)"
        return Complaint(f"Chunk {self.number}{start}: {error}")


def _rows_of(logits: Numbers) -> AbstractContextManager[None]:
    """Name rows of a part of a file by their number in it."""
    return logits.rows_named() if isinstance(logits, FilePart) else nullcontext()


# From what the caller of a fit gives with a Dask array of logits to chunks cut alike.


Pieces = tuple[Numbers, Numbers, Numbers]  # logits, labels, weights of a chunk


@dataclass(frozen=True, slots=True)
class Cut:
    """Chunks of rows, with the place of the first row of each (None where sizes are unknown)."""

    pieces: list[Pieces]
    firsts: list[int | None]
    k: int
    elements: int


def cut_alike(logits: Array, labels: Any, weights: Any, *, class_axis: int) -> Cut:  # noqa: ANN401
    """Return logits, labels and weights in the chunks of the logits, or say what is in the way."""
    if logits.ndim > 1:
        require_axis(class_axis, ndim=logits.ndim)
    k = _classes(logits, class_axis)
    sizes = logits.chunks[0]
    columns = [
        _in_chunks(values, sizes, name=name)
        for values, name in ((labels, "labels"), (weights, "weights"))
    ]
    pieces = list(zip(logits.to_delayed().ravel(), *columns, strict=True))
    sized = not any(isnan(size) for size in sizes)
    per_entry = prod(logits.shape[1:]) // k if logits.ndim > 1 else 1
    starts = np.cumsum([0, *sizes[:-1]]) * per_entry
    firsts = [int(start) if sized else None for start in starts]
    return Cut(pieces, firsts, k, int(sum(sizes)) * per_entry * k if sized else 0)


def _classes(logits: Array, class_axis: int) -> int:
    """Return the number of classes; every row must lie in one chunk."""
    if logits.ndim <= 1:
        require_shape(logits.shape)
        return 2
    axis = class_axis % logits.ndim
    for other in range(1, logits.ndim):
        if len(logits.chunks[other]) > 1:
            msg = (
                f"`logits` must be cut along their first axis only, but axis {other} is cut into "
                f"{len(logits.chunks[other])} chunks: pass `logits.rechunk({{{other}: -1}})`."
            )
            raise InvalidInputError(msg)
    if axis == 0 or any(isnan(size) for size in logits.shape[1:]):
        msg = (
            "`logits` as a Dask array must have rows (images, sequences) along the first axis "
            f"and known sizes along the others, got shape {logits.shape} with `class_axis` "
            f"{class_axis}."
        )
        raise InvalidInputError(msg)
    k = int(logits.shape[axis])
    rows = 0 if isnan(logits.shape[0]) else logits.shape[0]
    if k == 1 and logits.ndim == 2:
        return 2
    require_shape((rows, k))
    return k


def _in_chunks(values: Any, sizes: tuple[Any, ...], *, name: str) -> list[Any]:  # noqa: ANN401
    """Return what lies beside each chunk of logits; arrays are cut, None stays None."""
    if values is None:
        return [None] * len(sizes)
    sized = not any(isnan(size) for size in sizes)
    if np.ndim(values) == 0:
        _require_rows((), sum(sizes), name=name)
    if not is_dask_array(values):
        if not sized:
            msg = (
                f"`{name}` cannot be cut like `logits`, whose chunks have unknown sizes: call "
                f"`logits.compute_chunk_sizes()` first, or pass {name} as a Dask array."
            )
            raise InvalidInputError(msg)
        array = _narrow(as_array(values, name=name))
        _require_rows(array.shape[:1], sum(sizes), name=name)
        return np.split(array, np.cumsum(sizes)[:-1])
    if sized and not any(isnan(size) for size in values.chunks[0]):
        _require_rows(values.shape[:1], sum(sizes), name=name)
        values = values.rechunk({0: sizes, **dict.fromkeys(range(1, values.ndim), -1)})
    if values.numblocks != (len(sizes), *(1,) * (values.ndim - 1)):
        msg = (
            f"`{name}` must be cut like `logits`, into {len(sizes)} chunks of rows, got "
            f"{values.numblocks}, of unknown sizes: call `compute_chunk_sizes()` of both."
        )
        raise InvalidInputError(msg)
    return list(values.to_delayed().ravel())


def _require_rows(rows: tuple[int, ...], n: int, *, name: str) -> None:
    if rows != (n,):
        size = rows[0] if rows else "a single value"
        msg = f"`{name}` must have one value per row of `logits`, {n:,}, got {size}."
        raise InvalidInputError(msg)


def _narrow(labels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return integers in the smallest type that holds them: they travel with every pass."""
    if labels.dtype.kind not in "iu" or not labels.size:
        return labels
    ends = (np.min_scalar_type(end) for end in (labels.min(), labels.max()))
    return labels.astype(np.result_type(*ends))


# Labelled rows as Dask arrays: a task per chunk, and only sums travel.


A = TypeVar("A")
S = TypeVar("S")
_SAMPLE = 1 << 22  # elements that come here to start the search (16 MiB in single precision)


@dataclass(slots=True, eq=False)
class DaskRows:
    """Chunks of rows, read again for every pass by the current `distributed.Client`, if any."""

    pieces: list[Pieces]  # of each chunk: its logits, labels and weights, not computed
    chunks: list[Chunk]
    k: int
    classes: tuple[str, ...] | None
    n_folds: int = 1
    last: FoldPass | None = field(default=None, init=False)  # of the reading before
    _first: LossPass | None = field(default=None, init=False)  # of the first reading, at T = 1

    @classmethod
    def check(
        cls,
        logits: Array,
        labels: Any,  # noqa: ANN401  (a Dask array, or array_like)
        *,
        weights: Any = None,  # noqa: ANN401
        classes: Sequence[object] | None = None,
        class_axis: int = -1,
        ignore_label: int | str | None = None,
        refuse_probs: bool = True,
        engine: Engine = "auto",
    ) -> Self:
        """Return the arguments of a `fit`, cut alike, or raise; nothing is computed."""
        if engine == "torch":
            moments_kernel(engine, elements=0)  # says what it is for
        if positions := isinstance(labels, Positions):
            labels = labels.values
        parts = cut_alike(logits, labels, weights, class_axis=class_axis)
        names = as_classes(classes, k=parts.k)
        chunks = [
            Chunk(
                number, first, parts.k, None if positions else names, class_axis, ignore_label,
                refuse_probs, engine, elements=parts.elements,
            )
            for number, first in enumerate(parts.firsts)
        ]  # fmt: skip
        return cls(parts.pieces, chunks, parts.k, names)

    @classmethod
    def of_parts(
        cls,
        parts: FileParts,
        classes: tuple[str, ...] | None,
        *,
        refuse_probs: bool = True,
        n_folds: int = 1,
        seed: int = 0,
    ) -> Self:
        """Return rows that each worker reads from a file, in folds drawn by `seed`."""
        engine = preferred_engine()
        chunks = [
            Chunk(
                number, None, parts.k, classes, -1, None, refuse_probs, engine,
                elements=parts.elements, folds=RowFolds(n_folds, seed),
            )
            for number in range(len(parts.parts))
        ]  # fmt: skip
        return cls([(part, None, None) for part in parts.parts], chunks, parts.k, classes, n_folds)

    @property
    def sample_readings(self) -> int:
        """How often `sample` reads all rows: to gather it."""
        return 1

    def loss_pass(self, betas: tuple[float, ...]) -> LossPass:
        """Return the sums of all rows at these inverse temperatures, in one reading."""
        return read_again(self._first, betas, self._read, name="logits")

    def existence_sums(self) -> ExistenceSums:
        """Return the sums that decide whether an optimum exists, in one reading."""
        sums: ExistenceSums = _require_sums(
            *computed(self._tree(lambda chunk: chunk.existence_sums))
        )
        return sums

    def sample(self) -> ArrayRows | None:
        """Return some rows from all over; reads everything once, which also gives the sums at 1."""
        every = -(-len(self.chunks) * self.k // _SAMPLE)
        pairs = list(zip(self.chunks, self.pieces, strict=True))[::every]
        most = _SAMPLE // len(pairs)
        some = [delayed(partial(chunk.sample, most))(*piece) for chunk, piece in pairs]
        sums, *samples = computed(self._sums_at((1.0,)), *some)
        self._first = self._checked(sums)
        return joined([rows for rows in samples if rows is not None])

    def refuse_bad_values(self) -> None:
        """Raise where a logit is nan, infinite or too large, or a label's option is missing."""
        (complaint,) = computed(self._tree(lambda chunk: chunk.bad_values))
        if complaint is not None:
            raise InvalidInputError(complaint.message)

    def _read(self, betas: tuple[float, ...]) -> LossPass:
        return self._checked(*computed(self._sums_at(betas)))

    def _checked(self, sums: FoldPass | Complaint | None) -> LossPass:
        self.last = _require_sums(sums)
        total = self.last.total()
        report_rows(total.n)
        return require_weight(total)

    def _sums_at(self, betas: tuple[float, ...]) -> Delayed:
        return self._tree(lambda chunk: partial(chunk.loss_pass, betas))

    def _tree(self, task_of: Callable[[Chunk], Callable[..., Any]]) -> Delayed:
        """Return the merged results of a task per chunk, merged in the order of the chunks."""
        pairs = zip(self.chunks, self.pieces, strict=True)
        return merge_tree([delayed(task_of(chunk))(*piece) for chunk, piece in pairs])


def _require_sums(sums: Any) -> Any:  # noqa: ANN401  (sums of one kind, or what went wrong)
    if isinstance(sums, Complaint):
        raise InvalidInputError(sums.message)
    if sums is None:
        msg = "There are no rows: a fit needs labelled rows."
        raise NoOptimumError(msg, reason="no-rows")
    return sums
