"""Rows that lie in arrays: a kernel mapped over their blocks by threads, what it returns merged."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import chain, islice
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias, TypeVar

import numpy as np

from temperance.checks import as_logits, refuse_masked_labels
from temperance.checks.arguments import require_type
from temperance.kernels.engines import moments_kernel
from temperance.kernels.loss import existence_sums, loss_pass
from temperance.numerics import let_go, row_blocks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from temperance.kernels.engines import Engine
    from temperance.kernels.loss import ExistenceSums, LossPass

__all__ = [
    "BLOCK",
    "ArrayRows",
    "calling",
    "map_rows",
    "merged",
    "one_thread_each",
    "report_rows",
    "report_step",
    "report_work",
    "reporting",
    "reporting_work",
    "sampled_rows",
    "thread_count",
    "unreported",
    "worth_sampling",
    "worth_series",
]

# One thread of linear algebra per thread of ours: two kinds of threads wait for each other.


_lock = Lock()
_limits: list[Any] = []  # what was set aside, once for all that are inside
_inside = [0]


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Keep matrix products inside the `with` to the thread that asks for them.

    The limit is one of the process. Where several threads are inside, the first sets it and the
    last puts back what was there before; each by itself would put back the limit of another.
    """
    controller = _controller()
    with _lock:
        _inside[0] += 1
        if _inside[0] == 1 and controller is not None:
            _limits.append(controller.limit(limits=1, user_api="blas"))
    try:
        yield
    finally:
        with _lock:
            _inside[0] -= 1
            if not _inside[0] and _limits:
                _limits.pop().restore_original_limits()


@cache
def _controller() -> Any:  # noqa: ANN401
    """Look once at what NumPy and SciPy have loaded, each its own; None without threads."""
    import scipy.linalg  # noqa: F401, PLC0415  (loads what is to be looked at)
    from threadpoolctl import ThreadpoolController  # noqa: PLC0415  (most uses do without)

    controller = ThreadpoolController()
    return controller if controller.select(user_api="blas").lib_controllers else None


_AHEAD = 4  # blocks per thread that wait to be worked on
_on_rows: ContextVar[Callable[[int], None] | None] = ContextVar("_on_rows", default=None)

ShowWork: TypeAlias = "Callable[[str, int | None], AbstractContextManager[Callable[[str], None]]]"
_on_work: ContextVar[ShowWork | None] = ContextVar("_on_work", default=None)
_on_step: ContextVar[Callable[[str, int, int], object] | None] = ContextVar(
    "_on_step", default=None
)


class _Mergeable(Protocol):
    def merge(self, other: Self, /) -> Self: ...


S = TypeVar("S", bound=_Mergeable)


def map_rows(
    kernel: Callable[..., S],
    scores: NDArray[Any],
    *per_row: NDArray[Any] | None,
    threads: int = 1,
    elements: int | None = None,
) -> S:
    """Return the merged `kernel(block of scores, block of each per-row array)`; None stays None.

    All arrays share their first axis, of length >= 1. Only some blocks at a time, of `elements`
    numbers each, are read and converted, so a memory-mapped array is never in memory as a whole.
    Blocks are merged in their order: the result does not depend on the number of threads.
    """

    def of_block(rows: slice) -> tuple[int, S]:
        others = (None if array is None else array[rows] for array in per_row)
        block = scores[rows]
        sums = kernel(block, *others)
        let_go(block)
        return rows.stop - rows.start, sums

    return merged(of_block, row_blocks(scores, elements), threads=threads)


def merged(
    work: Callable[[Any], tuple[int, S]],
    blocks: Iterable[Any],
    *,
    threads: int = 1,
    ahead: int = _AHEAD,
) -> S:
    """Return the merged sums of `work(block)`, which also says how many rows it saw.

    Up to `ahead` blocks per thread are taken before they are needed; so many sums may wait.
    """
    total: S | None = None
    for n, sums in _in_order(work, blocks, threads, ahead):
        total = sums if total is None else total.merge(sums)
        report_rows(n)
    assert total is not None  # noqa: S101  (there is a block)
    return total


def thread_count() -> int:
    """Return how many threads share the work: the processors this process may use.

    The environment variable OMP_NUM_THREADS, which also limits what NumPy is built on, limits it.
    """
    processors = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    )
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(processors or 1, int(limit) if limit.isdecimal() and int(limit) else 1 << 30))


@contextmanager
def reporting(
    on_rows: Callable[[int], None], on_step: Callable[[str, int, int], object] | None = None
) -> Iterator[None]:
    """Call `on_rows(number of rows done)` after each block mapped inside the `with`.

    And `on_step(what, done, total)` after each of many steps that are no reading of rows: classes
    and groups measured, groups fitted.
    """
    tokens = _on_rows.set(on_rows), _on_step.set(on_step)
    try:
        yield
    finally:
        _on_rows.reset(tokens[0])
        _on_step.reset(tokens[1])


@contextmanager
def calling(progress: Callable[[int], object] | None) -> Iterator[None]:
    """Call `progress(rows read so far)` after each block of what runs inside the `with`, if given.

    Raises InvalidInputError if it is no function.
    """
    if progress is None:
        yield
        return
    require_type(
        progress, Callable, name="progress", rule="a function of the number of rows read so far"
    )
    n_done = 0

    def on_rows(n: int) -> None:
        nonlocal n_done
        n_done += n
        progress(n_done)

    with reporting(on_rows, _on_step.get()):
        yield


@contextmanager
def unreported() -> Iterator[None]:
    """Report none of the rows that are read inside the `with`."""
    token = _on_rows.set(None)
    try:
        yield
    finally:
        _on_rows.reset(token)


@contextmanager
def reporting_work(show: ShowWork) -> Iterator[None]:
    """Show each piece of work that `report_work` names inside the `with`, by `show(what, rows)`."""
    token = _on_work.set(show)
    try:
        yield
    finally:
        _on_work.reset(token)


@contextmanager
def report_work(what: str, *, rows: int | None = None) -> Iterator[Callable[[str], None]]:
    """Say what is worked on inside the `with`, and of how many `rows`, where that is known.

    What the `with` gives says that other work on the same rows begins. Nobody listens unless
    `reporting_work` names somebody.

    >>> with report_work("measuring", rows=100) as again:
    ...     again("measuring once more")
    """
    show = _on_work.get()
    if show is None:
        yield lambda _: None
        return
    with show(what, rows) as again:
        yield again


def report_step(what: str, number: int, total: int) -> None:
    """Say that `number` of `total` steps of this kind are done."""
    if (report := _on_step.get()) is not None:
        report(what, number, total)


def report_rows(n: int) -> None:
    """Say that `n` more rows are done."""
    if (report := _on_rows.get()) is not None:
        report(n)


def _in_order(
    work: Callable[[Any], tuple[int, S]], blocks: Iterable[Any], threads: int, ahead: int
) -> Iterator[tuple[int, S]]:
    """Yield the results in the order of the blocks; only a few blocks are taken ahead."""
    blocks = iter(blocks)
    first = list(islice(blocks, 2))
    if threads == 1 or len(first) < 2:  # a pool costs as much as a block of 100,000 numbers
        yield from map(work, chain(first, blocks))
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Any] = deque()
        try:
            for block in chain(first, blocks):
                waiting.append(pool.submit(copy_context().run, work, block))
                if len(waiting) > ahead * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:  # after an error, or Ctrl-C, nothing new is begun
            for future in waiting:
                future.cancel()


# Labelled rows as arrays, in memory or memory-mapped, worked on by threads.


BLOCK = 1 << 19  # elements: enough that threads seldom meet, few enough for the shared cache
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
            self.logits, self.labels, self.weights, elements=BLOCK,
            threads=thread_count() if self.logits.size > 2 * BLOCK else 1,
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
