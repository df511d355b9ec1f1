"""What a fit of a temperature asks of labelled rows, wherever they lie, also fold by fold."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial, reduce
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from temperance.blocks.mapping import map_rows, thread_count
from temperance.checks import as_logits, refuse_masked_labels
from temperance.checks.row_values import in_effective_rows
from temperance.crossfit import drawn_bits
from temperance.errors import InvalidInputError
from temperance.kernels.engines import moments_kernel
from temperance.kernels.loss import existence_sums, fold_passes, loss_pass
from temperance.numerics import let_go, row_blocks
from temperance.printable import count_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from temperance.kernels.engines import Engine
    from temperance.kernels.loss import ExistenceSums, LossPass, RowMomentsKernel

__all__ = [
    "ArrayRows",
    "FoldPass",
    "FoldedRows",
    "LabelledRows",
    "RowFolds",
    "joined",
    "read_again",
    "require_weight",
    "sampled_rows",
    "thinned",
    "worth_sampling",
    "worth_series",
]

# Labelled rows as arrays, in memory or memory-mapped, worked on by threads.


_BLOCK = 1 << 19  # elements: enough that threads seldom meet, few enough for the shared cache
_LARGE = 1 << 18  # elements; a sample of fewer saves nothing
_MANY = 512  # rows
_SHARE = 8  # one row in so many is sampled, up to
_ENOUGH = (
    2_000  # rows: from there a start is so close that the second reading certifies the end ...
)
_SHARE_OF_MANY = 32  # ... and one row in so many, beyond
_SAMPLE = 1 << 22  # elements of a sample, at most (16 MiB in single precision)
_LEAST_RUNS = 8
_WIDE = 96  # columns: of shorter rows, ten powers of a logit take as long as another exp
_SURE = 500  # sampled rows: from there on the minimum is seldom too far for a series
_RUN_BYTES = 1 << 16  # sampled together, so that a disk reads no page for one row of it


@dataclass(frozen=True, slots=True, eq=False)
class ArrayRows:
    """Rows of a fit, at least one; a kernel sees them block by block, in their own dtype."""

    logits: NDArray[Any]  # (n, k)
    labels: NDArray[np.intp]  # (n,)
    weights: NDArray[np.float64] | None  # (n,)
    classes: tuple[str, ...] | None = None
    engine: Engine = field(default="auto", kw_only=True)

    @property
    def sample_readings(self) -> int:
        """How often `sample` reads all rows: it picks some."""
        return 0

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.labels)

    @property
    def k(self) -> int:
        """Number of classes."""
        return int(self.logits.shape[1])

    def loss_pass(self, betas: tuple[float, ...]) -> LossPass:
        """Return the sums of all rows at these inverse temperatures, in one reading.

        The last of several is where a sample has its minimum. Derivatives of high order are taken
        there if the engine has them and they are likely to spare another reading.
        """
        moments = moments_kernel(
            self.engine,
            elements=self.logits.size,
            series=len(betas) > 1 and worth_series(self.n, self.k),
        )
        return map_rows(
            partial(loss_pass, betas=betas, moments=moments),
            self.logits, self.labels, self.weights, elements=_BLOCK,
            threads=thread_count() if self.logits.size > 2 * _BLOCK else 1,
        )  # fmt: skip

    def existence_sums(self) -> ExistenceSums:
        """Return the sums that decide whether an optimum exists, in one reading."""
        return map_rows(existence_sums, self.logits, self.labels, self.weights)

    def sample(self) -> Self | None:
        """Return runs of rows from all over, copied; None of few rows, and where all weigh 0."""
        if not worth_sampling(self.n, self.k):
            return None
        rows = sampled_rows(self.n, row_bytes=self.k * self.logits.itemsize, k=self.k)
        weights = None if self.weights is None else self.weights[rows]
        if weights is not None and not weights.any():
            return None
        logits = np.empty((len(rows), self.k), dtype=self.logits.dtype)
        for part in row_blocks(logits):
            logits[part] = self.logits[rows[part]]
            let_go(self.logits)  # of a map, the system brings many more pages than were asked for
        return replace(self, logits=logits, labels=self.labels[rows], weights=weights)

    def refuse_bad_values(self) -> None:
        """Raise where a logit is nan, infinite or too large, or a label's option is missing."""
        as_logits(self.logits)
        refuse_masked_labels(self.logits, self.labels, classes=self.classes)


def worth_sampling(n: int, k: int) -> bool:
    """Whether a search that starts on a sample of n rows saves more than the sample costs."""
    return n * k >= _LARGE and n >= _MANY


def worth_series(n: int, k: int) -> bool:
    """Whether derivatives of high order, where a sample has its minimum, find that of n rows."""
    return worth_sampling(n, k) and k >= _WIDE and _sample_size(n, k) >= _SURE


def _sample_size(n: int, k: int) -> int:
    share = min(n // _SHARE, max(_ENOUGH, n // _SHARE_OF_MANY))
    return max(1, min(share, _SAMPLE // k))


def sampled_rows(n: int, *, row_bytes: int, k: int) -> NDArray[np.intp]:
    """Return the places of a sample of rows, in runs of neighbours at equal distances.

    One row in eight up to 2,000 rows, one in 32 of more than 64,000.
    """
    target = _sample_size(n, k)
    run = max(1, min(target // _LEAST_RUNS, _RUN_BYTES // row_bytes))
    runs = target // run
    starts = np.linspace(0, n - run, runs).astype(np.intp)
    return (starts[:, None] + np.arange(run)).ravel()


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
            for some in row_blocks(rows.logits, _BLOCK)
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
