"""Labelled rows as arrays, in memory or memory-mapped, worked on by threads."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial, reduce
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from temperance.blocks.mapping import map_rows, thread_count
from temperance.checks import as_logits, refuse_masked_labels
from temperance.kernels.engines import moments_kernel
from temperance.kernels.loss_numpy import existence_sums, loss_pass
from temperance.numerics import let_go, row_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.kernels.engines import Engine
    from temperance.kernels.loss import ExistenceSums, LossPass, RowMomentsKernel

__all__ = ["ArrayRows", "sampled_rows", "worth_sampling"]

_BLOCK = 1 << 19  # elements: enough that threads seldom meet, few enough for the shared cache
_LARGE = 1 << 20  # elements; a sample of fewer saves nothing
_MANY = 512  # rows
_SHARE = 8  # one row in so many is sampled
_SAMPLE = 1 << 22  # elements of a sample, at most (16 MiB in single precision)
_LEAST_RUNS = 8
_RUN_BYTES = 1 << 16  # sampled together, so that a disk reads no page for one row of it


@dataclass(frozen=True, slots=True, eq=False)
class ArrayRows:
    """Rows of a fit, at least one; a kernel sees them block by block, in their own dtype."""

    logits: NDArray[Any]  # (n, k)
    labels: NDArray[np.intp]  # (n,)
    weights: NDArray[np.float64] | None  # (n,)
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
        """Return the sums of all rows at these inverse temperatures, in one reading."""
        moments = moments_kernel(self.engine, elements=self.logits.size)
        return map_rows(
            partial(loss_pass, betas=betas, moments=moments),
            self.logits, self.labels, self.weights, elements=_BLOCK,
            threads=thread_count() if self.logits.size > 2 * _BLOCK else 1,
        )  # fmt: skip

    def taken(self, places: NDArray[np.intp]) -> Self:
        """Return the rows at these places."""
        weights = None if self.weights is None else self.weights[places]
        return replace(
            self, logits=self.logits[places], labels=self.labels[places], weights=weights
        )

    def loss_pass_alone(self, betas: tuple[float, ...], *, moments: RowMomentsKernel) -> LossPass:
        """Return the sums of all rows by this kernel, in this thread, unreported."""
        w = self.weights
        parts = (
            loss_pass(
                self.logits[rows], self.labels[rows], None if w is None else w[rows],
                betas=betas, moments=moments,
            )
            for rows in row_blocks(self.logits, _BLOCK)
        )  # fmt: skip
        return reduce(lambda left, right: left.merge(right), parts)

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
        refuse_masked_labels(self.logits, self.labels, classes=getattr(self, "classes", None))


def worth_sampling(n: int, k: int) -> bool:
    """Whether a search that starts on a sample of n rows saves more than the sample costs."""
    return n * k >= _LARGE and n >= _MANY


def sampled_rows(n: int, *, row_bytes: int, k: int) -> NDArray[np.intp]:
    """Return the places of about one row in eight, in runs of neighbours at equal distances."""
    wanted = max(1, min(n // _SHARE, _SAMPLE // k))
    run = max(1, min(wanted // _LEAST_RUNS, _RUN_BYTES // row_bytes))
    runs = wanted // run
    starts = np.linspace(0, n - run, runs).astype(np.intp)
    return (starts[:, None] + np.arange(run)).ravel()
