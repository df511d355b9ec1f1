"""Labelled rows that come block by block, of which only a few blocks are in memory at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial, reduce
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

import numpy as np

from temperance.blocks.files import labelled_blocks
from temperance.blocks.rows import (
    BLOCK,
    ArrayRows,
    merged,
    sampled_rows,
    thread_count,
    worth_series,
)
from temperance.checks import as_labels, as_logits, refuse_masked_labels, refuse_probs
from temperance.checks.arguments import value_text
from temperance.checks.arrays import as_array, rows_among, rows_from
from temperance.checks.forms import named_scores
from temperance.checks.labels import kept_labels, kept_rows, labelled_rows
from temperance.checks.row_values import checked_weights, in_effective_rows
from temperance.checks.scores import as_logits_unread, refuse_padding
from temperance.crossfit import drawn_bits
from temperance.errors import InvalidInputError, NoOptimumError
from temperance.kernels.engines import moments_kernel
from temperance.kernels.loss import existence_sums, fold_passes
from temperance.numerics import let_go, owned, row_blocks
from temperance.printable import count_text
from temperance.readers import BlockFile

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from temperance.kernels.engines import Engine
    from temperance.kernels.loss import ExistenceSums, LossPass, RowMomentsKernel

__all__ = [
    "FoldPass",
    "FoldedRows",
    "LabelledRows",
    "RowFolds",
    "StreamRows",
    "block_parts",
    "cut",
    "joined",
    "may_be_reused",
    "naming_block",
    "opened",
    "read_again",
    "require_weight",
    "thinned",
]

# What every reader of a caller's blocks does: take one apart, and name it in an error.


def block_parts(block: Any, *, scores: str, weighed: bool | None) -> tuple[Any, Any, Any]:  # noqa: ANN401
    """Return scores, labels and weights (or None); `weighed`: whether blocks before had weights."""
    if not isinstance(block, tuple | list) or len(block) not in (2, 3):
        what = type(block).__name__
        msg = f"a block must be ({scores}, labels) or ({scores}, labels, weights), got {what}."
        raise InvalidInputError(msg)
    outputs, labels, weights = (*block, None)[:3]
    if weighed not in (None, weights is not None):
        msg = "some blocks have weights and some have none; all need them, or none."
        raise InvalidInputError(msg)
    return outputs, labels, weights


def opened(blocks: Iterable[Any] | Callable[[], Iterable[Any]]) -> Iterable[Any]:
    """Return blocks to iterate over; a function is asked for them."""
    iterable = blocks() if callable(blocks) and not isinstance(blocks, type) else blocks
    wrong = isinstance(iterable, str | bytes | type) or getattr(iterable, "ndim", 1) == 0
    if wrong or not isinstance(iterable, Iterable):
        msg = (
            "`blocks` must be an iterable of (scores, labels) or (scores, labels, weights), or a "
            f"function that returns one, got {value_text(iterable)}."
        )
        raise InvalidInputError(msg)
    return iterable


def may_be_reused(blocks: Any) -> bool:  # noqa: ANN401  (the caller's)
    """Whether the arrays of a block may hold other rows once the next block is taken.

    Those of a list lie beside each other; a generator may fill one array again and again
    (`buffer[:] = ...; yield buffer, labels`), and threads still work on its last blocks.
    """
    return not isinstance(blocks, Sequence)


def cut(array: NDArray[Any], rows: slice, *, copied: bool) -> NDArray[Any]:
    """Return some rows of a block, in memory of their own where asked."""
    return owned(array[rows]) if copied else array[rows]


@contextmanager
def naming_block(number: int, first: int) -> Iterator[None]:
    """Put a block's number, and that of its first row, before the message of bad input."""
    try:
        with rows_from(first):
            yield
    except InvalidInputError as error:
        msg = f"Block {number} (from row {first} on): {error}"
        raise InvalidInputError(msg) from error


_PIECE = 1 << 20  # elements that one thread works on
_SAMPLE = 1 << 22  # elements kept to start the search


class BlockPiece(NamedTuple):
    """Rows of one block that a thread works on."""

    block: int  # number of the block
    first: int  # number of the first row in the block
    rows: ArrayRows


@dataclass(slots=True, eq=False)
class StreamRows:
    """Blocks of (logits, labels) or (logits, labels, weights), read again for every pass.

    Parameters
    ----------
    blocks : iterable, or function that returns one
        Gives the same blocks every time it is iterated over (or called): a list, a reader of
        files, a function that opens a data set; not a generator, which can be read only once.
    classes : tuple of str, optional
        Names of the classes, as labels may use them.
    engine : str, default "auto"
        As in `ArrayRows`.
    refuse_probs : bool, default True
        Raise where a whole block holds what looks like probabilities.
    n_folds : int, default 1
        `last` has the sums of so many folds of rows.
    seed : int, default 0
        Of the folds (`RowFolds`).
    ignore_label : int or str, optional
        Rows of this label are left out.
    """

    blocks: Iterable[Any] | Callable[[], Iterable[Any]]
    classes: tuple[str, ...] | None = None
    engine: Engine = "auto"
    refuse_probs: bool = True
    n_folds: int = 1
    seed: int = 0
    ignore_label: float | str | None = None
    k: int = 0  # classes, known from the first block on
    last: FoldPass | None = field(default=None, init=False)  # of the reading before
    _first: LossPass | None = field(default=None, init=False)  # of that reading, at T = 1

    def __post_init__(self) -> None:
        if isinstance(self.blocks, BlockFile):
            file = self.blocks if self.classes is None else self.blocks.in_order(self.classes)
            self.classes = file.header().classes or self.classes
            self.blocks = partial(labelled_blocks, file)
        if isinstance(self.blocks, Iterator):
            msg = (
                "`blocks` can be read only once, but a fit reads them two or three times: pass a "
                "list, or a function that returns a new generator."
            )
            raise InvalidInputError(msg)

    @property
    def sample_readings(self) -> int:
        """How often `sample` reads all rows: to gather it."""
        return 1

    def loss_pass(self, betas: tuple[float, ...]) -> LossPass:
        """Return the sums of all rows at these inverse temperatures, in one reading."""
        return read_again(
            self._first, betas, lambda new: self._read(new, self._pieces()), name="blocks"
        )

    def _read(self, betas: tuple[float, ...], pieces: Iterator[BlockPiece]) -> LossPass:
        folds = RowFolds(self.n_folds, self.seed)

        def of_piece(work: tuple[BlockPiece, RowMomentsKernel]) -> tuple[int, FoldPass]:
            piece, moments = work
            rows = piece.rows
            sums = FoldPass.of(
                rows, folds, betas, block=piece.block, first=piece.first, moments=moments
            )
            let_go(rows.logits)
            return rows.n, sums

        self.last = merged(of_piece, self._with_kernel(pieces), threads=thread_count())
        return require_weight(self.last.total())

    def _with_kernel(
        self, pieces: Iterator[BlockPiece]
    ) -> Iterator[tuple[BlockPiece, RowMomentsKernel]]:
        """Yield each piece and what reads it: by what is known to come, or what came before it."""
        first, so_far = self._first, _PIECE
        series = first is not None and worth_series(first.n, self.k)
        for piece in pieces:
            elements = so_far if first is None else first.n * self.k
            yield piece, moments_kernel(self.engine, elements=elements, series=series)
            so_far += piece.rows.logits.size

    def existence_sums(self) -> ExistenceSums:
        """Return the sums that decide whether an optimum exists, in one reading."""

        def of_piece(piece: BlockPiece) -> tuple[int, ExistenceSums]:
            rows = piece.rows
            return rows.n, existence_sums(rows.logits, rows.labels, rows.weights)

        return merged(of_piece, self._pieces(), threads=thread_count())

    def sample(self) -> ArrayRows | None:
        """Return some rows from all over; reads everything once, which also gives the sums at 1."""
        samples: list[ArrayRows] = []

        def keeping() -> Iterator[BlockPiece]:
            every = 1
            for number, piece in enumerate(self._pieces()):
                if number % every == 0:
                    samples.append(thinned(piece.rows))
                if sum(each.logits.size for each in samples) > 2 * _SAMPLE:
                    samples[:] = samples[
                        ::2
                    ]  # keep every second piece from here on, and until here
                    every *= 2
                yield piece

        self._first = self._read((1.0,), keeping())
        return joined(samples)

    def refuse_bad_values(self) -> None:
        """Raise where a logit is nan, infinite or too large, or a label's option is missing."""
        first = 0
        for number, rows in self._checked():
            with naming_block(number, first):
                as_logits(rows.logits)
                refuse_masked_labels(rows.logits, rows.labels)
            first += rows.n

    def _pieces(self) -> Iterator[BlockPiece]:
        """Yield the blocks, checked, cut so that every thread has something to do."""
        blocks = opened(self.blocks)
        copied = may_be_reused(blocks) and thread_count() > 1
        for number, rows in self._checked(blocks):
            for part in row_blocks(rows.logits, _PIECE):
                weights = None if rows.weights is None else cut(rows.weights, part, copied=copied)
                piece = replace(
                    rows,
                    logits=cut(rows.logits, part, copied=copied),
                    labels=cut(rows.labels, part, copied=copied),
                    weights=weights,
                )
                yield BlockPiece(number, part.start, piece)

    def _checked(self, blocks: Iterable[Any] | None = None) -> Iterator[tuple[int, ArrayRows]]:
        if blocks is None:
            blocks = opened(self.blocks)
        first, weighed = 0, None
        for number, block in enumerate(blocks):
            with naming_block(number, first):
                rows = self._block(block, weighed=weighed)
            weighed = rows.weights is not None
            first += rows.n
            if rows.n:
                yield number, rows
        if first == 0:
            msg = "There are no rows: a fit needs labelled rows."
            raise NoOptimumError(msg, reason="no-rows")

    def _block(self, block: Any, *, weighed: bool | None) -> ArrayRows:  # noqa: ANN401  (the caller's)
        outputs, labels, weights = block_parts(block, scores="logits", weighed=weighed)
        outputs, self.classes = named_scores(
            outputs, self.classes, name="logits", labels=labels, weights=weights
        )
        keep = labelled_rows(labels, self.ignore_label, may_be_none=True)
        outputs = kept_rows(outputs, keep, name="logits")
        with rows_among(keep):
            z = as_logits_unread(outputs)
            n, k = z.shape
            self.k = self.k or k
            if k != self.k:
                msg = f"`logits` have {k} columns, those of the first block {self.k}."
                raise InvalidInputError(msg)
            y = as_labels(kept_labels(labels, keep), n=n, k=k, classes=self.classes)
            if self.refuse_probs and self._first is None and (n or keep is None):
                refuse_probs(outputs)
                if as_array(outputs, name="logits").ndim > 1:
                    refuse_padding(z, y)
            w = checked_weights(kept_rows(weights, keep, name="weights"), n=n, all_zero=True)
        return ArrayRows(z, y, w, engine=self.engine)


# Folds of rows that come block by block, and the sums of one reading kept apart by fold.


@dataclass(frozen=True, slots=True)
class RowFolds:
    """A fold for each row of each block, drawn by `seed`: every fold has rows from all over.

    The same in every reading of the same blocks, whatever else is known of the rows.
    """

    n_folds: int
    seed: int = 0

    def of(self, block: int, first: int, n: int) -> NDArray[np.intp]:
        """Return the folds, (n,), of the rows of a block from number `first` in it on."""
        bits = drawn_bits(self.seed, block, np.arange(first, first + n, dtype=np.uint64))
        return (bits % np.uint64(self.n_folds)).astype(np.intp)


@dataclass(frozen=True, slots=True)
class FoldPass:
    """Sums of each fold; None where it has no row yet."""

    betas: tuple[float, ...]  # the inverse temperatures of the sums
    folds: tuple[LossPass | None, ...]

    @classmethod
    def of(
        cls,
        rows: ArrayRows,
        folds: RowFolds,
        betas: tuple[float, ...],
        *,
        block: int,
        first: int,
        moments: RowMomentsKernel,
    ) -> Self:
        """Return the sums of the rows of a block from number `first` in it on."""
        fold, w = folds.of(block, first, rows.n), rows.weights
        parts = (
            fold_passes(
                rows.logits[some], rows.labels[some], None if w is None else w[some],
                folds=[np.flatnonzero(fold[some] == f) for f in range(folds.n_folds)],
                betas=betas, moments=moments,
            )
            for some in row_blocks(rows.logits, BLOCK)
        )  # fmt: skip
        return reduce(lambda left, right: left.merge(right), (cls(betas, p) for p in parts))

    def merge(self, other: Self) -> Self:
        """Return the sums over the rows of both."""
        pairs = zip(self.folds, other.folds, strict=True)
        return replace(self, folds=tuple(b if a is None else _merged(a, b) for a, b in pairs))

    def total(self) -> LossPass:
        """Return the sums of all folds."""
        sums = self.without(None)
        assert sums is not None  # noqa: S101  (there is a row)
        return sums

    def without(self, fold: int | None) -> LossPass | None:
        """Return the sums of all folds but this one; None where no other has a row.

        Weights add up to the effective number of these rows.
        """
        others = [
            each for number, each in enumerate(self.folds) if each is not None and number != fold
        ]
        return reduce(lambda a, b: a.merge(b), others).in_effective_rows() if others else None


def _merged(one: LossPass, other: LossPass | None) -> LossPass:
    return one if other is None else one.merge(other)


# What a fit of a temperature asks of labelled rows, wherever they lie.


class LabelledRows(Protocol):
    """Logits with labels, and perhaps weights, that are read as sums and never as a whole."""

    @property
    def k(self) -> int:
        """Number of classes."""
        ...

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Names of the classes."""
        ...

    @property
    def sample_readings(self) -> int:
        """How often `sample` reads all rows."""
        ...

    def loss_pass(self, betas: tuple[float, ...]) -> LossPass:
        """Return the sums of all rows at these inverse temperatures, in one reading."""
        ...

    def existence_sums(self) -> ExistenceSums:
        """Return the sums that decide whether an optimum exists, in one reading."""
        ...

    def sample(self) -> LabelledRows | Self | None:
        """Return some rows from all over, to start a search with; None where that saves nothing."""
        ...

    def refuse_bad_values(self) -> None:
        """Raise `InvalidInputError` that names the first bad row, after sums were not finite."""
        ...


class FoldedRows(LabelledRows, Protocol):
    """Labelled rows whose last reading left the sums of each fold."""

    @property
    def n_folds(self) -> int:
        """Number of folds."""
        ...

    @property
    def last(self) -> FoldPass | None:
        """The sums of each fold, after a reading."""
        ...


# Rows that are read anew for every pass: what the first reading gave, and if it still holds.


_SAME = 1e-9  # sums of the same rows, cut otherwise, agree to this


def read_again(
    first: LossPass | None,
    betas: tuple[float, ...],
    read: Callable[[tuple[float, ...]], LossPass],
    *,
    name: str,
) -> LossPass:
    """Return the sums at these inverse temperatures; those at 1 are those of `first`."""
    if first is None:
        return read(betas)
    new = betas[1:] if betas[0] == 1.0 and len(betas) > 1 else betas
    second = read(new)
    gap = abs(second.gap_to_largest - first.gap_to_largest)
    if second.n != first.n or gap > _SAME * abs(first.gap_to_largest):
        msg = (
            f"`{name}` gave other rows when read again: {count_text(first.n, 'row')} with a "
            "checksum of "
            f"{first.gap_to_largest:.9g} first, {second.n:,} with {second.gap_to_largest:.9g} "
            "then. Every reading must give the same rows: no random samples, no growing file."
        )
        raise InvalidInputError(msg)
    return second if new is betas else replace(second, at=(first.at[0], *second.at))


def require_weight(sums: LossPass) -> LossPass:
    """Return the sums of all rows, some of which must count."""
    if sums.at[0].weight == 0.0:
        msg = "`weights` must not all be zero: no row would count."
        raise InvalidInputError(msg)
    return sums


def thinned(rows: ArrayRows, *, most: int | None = None) -> ArrayRows:
    """Return about one row in eight, at least one, of `most` elements, copied."""
    places = sampled_rows(rows.n, row_bytes=rows.k * rows.logits.itemsize, k=rows.k)
    if most is not None:
        places = places[:: max(1, -(-len(places) * rows.k // most))]
    weights = None if rows.weights is None else rows.weights[places]
    return replace(rows, logits=rows.logits[places], labels=rows.labels[places], weights=weights)


def joined(parts: list[ArrayRows]) -> ArrayRows | None:
    """Return the rows of all parts, in their order; None where all weigh 0."""
    weights = [rows.weights for rows in parts if rows.weights is not None]
    if weights and not any(w.any() for w in weights):
        return None
    return ArrayRows(
        np.concatenate([rows.logits for rows in parts]),
        np.concatenate([rows.labels for rows in parts]),
        in_effective_rows(np.concatenate(weights)) if weights else None,
        engine=parts[0].engine,
    )
