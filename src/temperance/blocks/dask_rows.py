"""Labelled rows as Dask arrays: a task per chunk, and only sums travel."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from dask.base import compute
from dask.delayed import delayed

from temperance.blocks.chunks import Chunk, Complaint, merge_sums
from temperance.blocks.dask_inputs import Pieces, cut
from temperance.blocks.dask_workers import require_workers
from temperance.blocks.folds import FoldPass, RowFolds
from temperance.blocks.mapping import report_rows
from temperance.blocks.rereading import joined, read_again, require_weight
from temperance.checks import Positions, as_classes
from temperance.errors import InvalidInputError, NoOptimumError
from temperance.kernels.engines import moments_kernel, preferred_engine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dask.array import Array
    from dask.delayed import Delayed

    from temperance.blocks.arrays import ArrayRows
    from temperance.blocks.parts import FilePart, FileParts
    from temperance.kernels.engines import Engine
    from temperance.kernels.loss import ExistenceSums, LossPass

__all__ = ["DaskRows", "computed", "each_computed", "map_parts"]

A = TypeVar("A")
S = TypeVar("S")
_SAMPLE = 1 << 22  # elements that come here to start the search (16 MiB in single precision)
_TOGETHER = 16  # results that one task merges


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
        parts = cut(logits, labels, weights, class_axis=class_axis)
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
        sums: ExistenceSums = _found(*computed(self._tree(lambda chunk: chunk.existence_sums)))
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
        self.last = _found(sums)
        found = self.last.total()
        report_rows(found.n)
        return require_weight(found)

    def _sums_at(self, betas: tuple[float, ...]) -> Delayed:
        return self._tree(lambda chunk: partial(chunk.loss_pass, betas))

    def _tree(self, task_of: Callable[[Chunk], Callable[..., Any]]) -> Delayed:
        """Return the merged results of a task per chunk, merged in the order of the chunks."""
        pairs = zip(self.chunks, self.pieces, strict=True)
        return _merged([delayed(task_of(chunk))(*piece) for chunk, piece in pairs])


def map_parts(function: Callable[[int, FilePart], S | None], parts: Sequence[FilePart]) -> S:
    """Return the merged results of `function(number, part)`, each computed by a worker."""
    tasks = [delayed(function)(number, part) for number, part in enumerate(parts)]
    (found,) = computed(_merged(tasks))
    if found is None:
        msg = "There are no rows: no part has one that counts."
        raise NoOptimumError(msg, reason="no-rows")
    return cast("S", found)


def each_computed(function: Callable[[A], S], items: Sequence[A]) -> list[S]:
    """Return `function(item)` of each item, each computed by a worker."""
    return list(computed(*(delayed(function)(item) for item in items)))


def _merged(parts: list[Delayed]) -> Delayed:
    """Return the promise of the merged results, merged in their order."""
    while len(parts) > 1:
        starts = range(0, len(parts), _TOGETHER)
        parts = [delayed(merge_sums)(parts[i : i + _TOGETHER]) for i in starts]
    (whole,) = parts
    return whole


def computed(*results: Delayed) -> tuple[Any, ...]:
    """Return results of the current client, or of Dask's default scheduler."""
    require_workers()
    found: tuple[Any, ...] = compute(*results)
    return found


def _found(sums: Any) -> Any:  # noqa: ANN401  (sums of one kind, or what went wrong)
    if isinstance(sums, Complaint):
        raise InvalidInputError(sums.message)
    if sums is None:
        msg = "There are no rows: a fit needs labelled rows."
        raise NoOptimumError(msg, reason="no-rows")
    return sums
