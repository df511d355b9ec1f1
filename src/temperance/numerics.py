"""Numerically safe primitives on validated arrays. No checks, no policy, no files."""

from __future__ import annotations

import mmap
from math import frexp
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = [
    "BLOCK_ELEMENTS",
    "IN_CACHE",
    "MOST_COUNTED",
    "as_float64",
    "centred_rows",
    "is_mapped",
    "let_go",
    "log_probs",
    "logit",
    "normal_quantile",
    "owned",
    "places_of",
    "row_blocks",
    "row_log_losses",
    "row_maxima",
    "scale_exponent",
    "softmax",
    "softmax_losses",
    "t_quantile",
    "tempered_softmax",
    "two_probs",
    "two_sided_p",
]

_NEAR_ONE = 0.999999
MOST_COUNTED = 2.0**53  # weights from 1 to here may count rows; whole numbers beyond are not exact
_SHORT = 48  # columns in single precision; shorter rows are turned over, which is faster
_FEW = 16  # rows; a loop over the columns costs more than what it saves
_FEW_COLUMNS = 32  # of rows whose largest numbers are looked for column by column
_CALL = 16  # rows that take as long as the call that a column costs
_NEAR_LARGEST = {np.dtype(np.float32): np.float32(1 - 2**-21), np.dtype(np.float64): 1 - 2**-50}
BLOCK_ELEMENTS = 1 << 17  # 1 MiB of float64: a block and its temporaries stay in cache


IN_CACHE = 1 << 15  # numbers of a block of which a few are looked at several times


def row_blocks(values: NDArray[Any], elements: int | None = None) -> Iterator[slice]:
    """Yield slices of rows that cover `values`, each of about `elements` (`BLOCK_ELEMENTS`)."""
    n_columns = values.shape[1] if values.ndim > 1 else 1
    step = max(1, (elements or BLOCK_ELEMENTS) // max(1, n_columns))
    for start in range(0, len(values), step):
        yield slice(start, min(start + step, len(values)))


def places_of(numbers: NDArray[np.intp], m: int) -> list[NDArray[np.intp]]:
    """Return the places of the rows of each group 0..m-1, ascending, by sorting once."""
    order = np.argsort(numbers, kind="stable")
    return np.split(order, np.searchsorted(numbers[order], np.arange(1, m)))


def as_float64(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return `values` in float64, copying only when the dtype differs (bfloat16 included)."""
    return np.asarray(values, dtype=np.float64)


def row_maxima(values: NDArray[Any]) -> NDArray[Any]:
    """Return the largest number of each row, (n,), of values (n, k); nan where a row holds one.

    The same as `values.max(axis=1)`, which takes five to fifty times as long on short rows: there
    it costs a call each. These are read column by column, in blocks that stay in the cache.
    """
    n, k = values.shape
    if not 1 < k <= _FEW_COLUMNS or n <= _CALL * k:
        return np.asarray(np.maximum.reduce(values, axis=1))
    largest = values[:, 0].copy()
    for rows in row_blocks(values, IN_CACHE):
        some = largest[rows]
        for column in values[rows, 1:].T:
            np.maximum(some, column, out=some)
    return largest


def centred_rows(logits: NDArray[Any]) -> NDArray[Any]:
    """Return rows less the largest number of each, (n, k): none is above 0."""
    return np.asarray(logits - row_maxima(logits)[:, None])


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Softmax over the last axis: exact for any finite offset, 0 where a logit is -inf."""
    largest = np.maximum.reduce(logits, axis=-1, keepdims=True)
    exponentials: NDArray[np.float64] = np.exp(logits - largest)
    exponentials /= np.add.reduce(exponentials, axis=-1, keepdims=True)
    return exponentials


def tempered_softmax(logits: NDArray[Any], temperature: float, out: NDArray[Any]) -> bool:
    """Write softmax(logits / temperature) of rows, (m, k), into `out`, in its precision.

    Returns whether each row's largest logit is sure to have the one largest probability; where it
    has not, another may have been rounded to the same number. A row's result does not depend on
    the others. In single precision, logits too, a probability p is off by at most
    2^-24 (4 |log p| + 2 k + 5) p for k <= 48, where k terms are added up one by one; they are in
    pairs above.
    """
    if out.dtype == np.float64 or logits.shape[1] > _SHORT:
        largest = np.maximum.reduce(logits, axis=1, keepdims=True)
        np.exp(_divided(logits, largest, temperature, out), out=out)
        clear = _is_clear(out, len(out))
        out /= np.add.reduce(out, axis=1, keepdims=True)
        return clear
    turned = np.array(logits.T, order="C")
    largest = np.maximum.reduce(turned, axis=0)
    np.exp(_divided(turned, largest, temperature, turned), out=turned)
    clear = _is_clear(turned, len(out))
    turned /= _added_in_order(turned)
    out[:] = turned.T
    return clear


def _added_in_order(terms: NDArray[Any]) -> NDArray[Any]:
    """Sum over the first axis, term by term; NumPy's `sum` takes another order of one row."""
    if terms.shape[1] <= _FEW:
        return np.asarray(np.add.accumulate(terms)[-1])
    total: NDArray[Any] = terms[0].copy()
    for each in terms[1:]:
        total += each
    return total


def _divided(
    logits: NDArray[Any], largest: NDArray[Any], temperature: float, out: NDArray[Any]
) -> NDArray[Any]:
    """(logits - largest) / temperature; in single precision a product, which is faster."""
    with np.errstate(over="ignore"):
        np.subtract(logits, largest, out=out)
        if out.dtype == np.float64:
            out /= temperature
        else:
            out *= np.float32(1.0 / temperature)
    return out


def _is_clear(exponentials: NDArray[Any], n: int) -> bool:
    """Whether only one of each of n rows is within some rounding of the largest, exp(0) = 1."""
    return bool(np.count_nonzero(exponentials > _NEAR_LARGEST[exponentials.dtype]) == n)


def row_log_losses(logits: NDArray[np.float64], labels: NDArray[np.intp]) -> NDArray[np.float64]:
    """Log loss of each row in nats, exact where a probability is too small for float64."""
    z = centred_rows(logits)
    of_label = z[np.arange(len(z)), labels]
    return np.asarray(np.log(np.exp(z, out=z).sum(axis=1)) - of_label)


def softmax_losses(
    logits: NDArray[np.float64], labels: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Softmax of rows, (m, k), and their `row_log_losses`, from one exponential of each logit."""
    z = centred_rows(logits)
    of_label = z[np.arange(len(z)), labels]
    np.exp(z, out=z)
    total = z.sum(axis=1)
    z /= total[:, None]
    return z, np.log(total) - of_label


def log_probs(probs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Natural logarithm with log 0 = -inf and no warning: no epsilon is added."""
    with np.errstate(divide="ignore"):
        return np.log(probs)


def logit(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-odds of probabilities inside (0, 1)."""
    return np.asarray(np.log(p) - np.log1p(-p))


def two_probs(odds: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the probabilities of an event and of its opposite, each to full precision."""
    small = np.exp(-np.abs(odds))
    likely, unlikely = 1.0 / (1.0 + small), small / (1.0 + small)
    happens = odds > 0
    return np.where(happens, likely, unlikely), np.where(happens, unlikely, likely)


def normal_quantile(level: float) -> float:
    """Two-sided standard normal quantile: 1.96 for level 0.95."""
    from statistics import NormalDist  # noqa: PLC0415  (costs as much as the rest of us)

    if level > _NEAR_ONE:  # the rest of it, halved, is exact; half of it from above is rounded
        return -NormalDist().inv_cdf(0.5 * (1.0 - level))
    return NormalDist().inv_cdf(0.5 + 0.5 * level)


def t_quantile(level: float, degrees: float) -> float:
    """Two-sided quantile of Student's t: 2.26 for level 0.95 and 9 degrees of freedom."""
    if degrees == float("inf"):
        return normal_quantile(level)
    if degrees <= 0.0:
        return float("inf")
    from scipy.special import stdtrit  # noqa: PLC0415  (only where there are clusters)

    return float(stdtrit(degrees, 0.5 + 0.5 * level))


def two_sided_p(z: float, degrees: float = float("inf")) -> float:
    """P(|N(0,1)| >= |z|), or that of Student's t, accurate far into the tail."""
    if degrees < float("inf"):
        from scipy.special import stdtr  # noqa: PLC0415  (only where there are clusters)

        return 2.0 * float(stdtr(degrees, -abs(z)))
    from math import erfc, sqrt  # noqa: PLC0415

    return erfc(abs(z) / sqrt(2.0))


# Who owns the memory of a block: a file whose pages are let go, or a caller who reuses it.


_DO_NOT_NEED = getattr(mmap, "MADV_DONTNEED", None)  # not on every system


def let_go(block: NDArray[Any]) -> None:
    """Take the pages of a block out of this process; the system may keep them in its cache.

    Else a file that is read from beginning to end would count as memory of the process. Of anything
    but a read-only map of a file, whose pages can be had again, nothing happens.
    """
    owner = _map_of(block)
    if _DO_NOT_NEED is None or owner is None:
        return
    pages: Any = owner.base
    while isinstance(pages, np.ndarray):
        pages = pages.base
    if not isinstance(pages, mmap.mmap) or not block.flags.c_contiguous:
        return
    start = _address(block) - _address(np.frombuffer(pages, dtype=np.uint8))
    first = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE
    last = (start + block.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE
    if last > first:
        pages.madvise(_DO_NOT_NEED, first, last - first)


def is_mapped(values: NDArray[Any]) -> bool:
    """Whether an array lies in a read-only map of a file."""
    return _map_of(values) is not None


def owned(values: NDArray[Any]) -> NDArray[Any]:
    """Return a copy, which nobody can write to; a read-only map of a file as it is."""
    return values if is_mapped(values) else values.copy()


def _map_of(block: NDArray[Any]) -> Any:  # noqa: ANN401  (np.memmap[Any, Any])
    """Return the read-only map of a file that a block lies in, or None."""
    owner: Any = block
    while isinstance(owner, np.ndarray) and not isinstance(owner, np.memmap):
        owner = owner.base
    return owner if isinstance(owner, np.memmap) and owner.mode == "r" else None


def _address(array: NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])


# The scale of weights.


_NOTHING = -2048  # exponent of weights that are all 0: below that of any other
_STEP = 256  # of exponents: weights from 2^-128 to 2^128, and so nearly all, are not scaled


def scale_exponent(weights: NDArray[np.float64] | None) -> int:
    """Return the power of two that weights of a block are divided by: 0 unless they are extreme.

    Their squares then neither overflow nor vanish. It is a multiple of 256, so that blocks seldom
    differ in it; those that do are brought to one scale (`sums.aligned`) before they are
    merged.
    """
    if weights is None or not len(weights):
        return 0
    largest = float(weights.max())
    return _STEP * round(frexp(largest)[1] / _STEP) if largest else _NOTHING
