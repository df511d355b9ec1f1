"""The moments of scores, compiled: each row is exponentiated once, and read while it is cached."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from temperance.kernels.loss import FLOOR
from temperance.kernels.loss_numba import _ends, _exp, _in_wide_vectors
from temperance.kernels.score_moments import RowScores
from temperance.numerics import IN_CACHE, as_float64, row_blocks

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["gap_moments", "own_moments", "row_scores"]

_REORDER = {"reassoc", "contract", "nsz", "arcp"}  # sums in any order; nan and infinity are kept
_FLOOR = float(FLOOR[np.dtype(np.float64)])


def row_scores(logits: NDArray[Any]) -> RowScores:
    """Return what the softmax of each row of logits is (see `CompiledMoments`)."""
    n = len(logits)
    largest, total, moments = np.empty(n), np.empty(n), np.empty((2, 3, n))
    predicted, n_top = np.empty((2, n), dtype=np.intp)
    for rows in row_blocks(logits, IN_CACHE):
        z = np.ascontiguousarray(as_float64(logits[rows]))
        _find(z, largest[rows], predicted[rows], n_top[rows])
        _fill_own(z, largest[rows], np.empty(0), total[rows], moments[:, :, rows])
    return RowScores(largest, total, predicted, n_top, moments[0], moments[1])


def own_moments(logits: Array, largest: Array, confidence: Array) -> Array:
    """Return the moments of logits and probabilities (see `CompiledMoments`)."""
    moments = np.empty((2, 3, len(logits)))
    _fill_own(np.ascontiguousarray(logits), largest, confidence, np.empty(len(logits)), moments)
    return moments


def gap_moments(
    logits: tuple[Array, Array], largest: tuple[Array, Array], confidence: tuple[Array, Array]
) -> Array:
    """Return the moments of what two models differ in (see `CompiledMoments`)."""
    z, base = map(np.ascontiguousarray, logits)
    moments = np.empty((2, 2, 3, len(z)))
    _fill_gaps(z, largest[0], confidence[0], base, largest[1], confidence[1], moments)
    return moments


@njit(nogil=True, cache=True, fastmath=_REORDER, error_model="numpy")
def _top(z, largest):
    """First place of the largest number of a row, and how many are as large."""
    _in_wide_vectors()
    n = np.int64(len(z))
    first, number = n, np.int64(0)
    for j in range(len(z)):
        top = z[j] == largest
        number += top
        first = min(first, np.int64(j) if top else n)
    return first, number


@njit(nogil=True, cache=True, error_model="numpy")
def _find(z, largest, predicted, n_top):
    """Fill the largest number of each row, its first place and how often it is there, (m,)."""
    for i in range(len(z)):
        largest[i], _ = _ends(z[i])
        predicted[i], n_top[i] = _top(z[i], largest[i])


@njit(nogil=True, cache=True, fastmath=_REORDER, error_model="numpy")
def _enter(z, largest, e, s):
    """Fill s with z - largest and e with exp(s), 0 below the floor; sums of e, e s and e^2."""
    _in_wide_vectors()
    total = first = square = 0.0
    for j in range(len(z)):
        d = z[j] - largest
        above = d > _FLOOR
        x = _exp(max(d, _FLOOR))
        x = x if above else 0.0
        s[j] = d
        e[j] = x
        total += x
        first += x * (d if above else 0.0)
        square += x * x
    return total, first, square


@njit(nogil=True, cache=True, fastmath=_REORDER, error_model="numpy")
def _own(e, s, share, mean, square):
    """Second and fourth central moments, under p = e share, of s and of p itself."""
    _in_wide_vectors()
    s2 = s4 = p2 = p4 = 0.0
    for j in range(len(e)):
        p = e[j] * share
        d = s[j] - mean if s[j] > _FLOOR else 0.0
        d *= d
        weighted = p * d
        s2 += weighted
        s4 += weighted * d
        d = p - square
        d *= d
        weighted = p * d
        p2 += weighted
        p4 += weighted * d
    return s2, s4, p2, p4


@njit(nogil=True, cache=True, error_model="numpy")
def _fill_own(z, largest, confidence, total, moments):
    """Fill `total` (m,) and `moments` (2, 3, m); without a `confidence`, (0,), it is 1 / total."""
    m, k = z.shape
    e, s = np.empty(k), np.empty(k)
    for i in range(m):
        total[i], first, square = _enter(z[i], largest[i], e, s)
        share = confidence[i] if len(confidence) else 1.0 / total[i]
        mean, square = first * share, square * share * share
        s2, s4, p2, p4 = _own(e, s, share, mean, square)
        moments[0, 0, i] = mean
        moments[0, 1, i] = s2
        moments[0, 2, i] = s4
        moments[1, 0, i] = square
        moments[1, 1, i] = p2
        moments[1, 2, i] = p4


@njit(nogil=True, cache=True, fastmath=_REORDER, error_model="numpy")
def _gap_means(e, s, share, f, t, base_share, shift):
    """Means of the gaps in log loss and in probability, each under p = e share and q."""
    _in_wide_vectors()
    of_loss = base_of_loss = of_move = base_of_move = 0.0
    for j in range(len(e)):
        p, q = e[j] * share, f[j] * base_share
        loss, move = t[j] - s[j] + shift, q - p
        loss = loss if abs(loss) < np.inf else 0.0
        of_loss += p * loss
        base_of_loss += q * loss
        of_move += p * move
        base_of_move += q * move
    return of_loss, base_of_loss, of_move, base_of_move


@njit(nogil=True, cache=True, fastmath=_REORDER, error_model="numpy")
def _gap_central(e, s, share, f, t, base_share, shift, means):
    """Second and fourth moments about these means."""
    _in_wide_vectors()
    a, b, c, d = means
    a2 = a4 = b2 = b4 = c2 = c4 = d2 = d4 = 0.0
    for j in range(len(e)):
        p, q = e[j] * share, f[j] * base_share
        loss, move = t[j] - s[j] + shift, q - p
        possible = abs(loss) < np.inf
        x = loss - a if possible else 0.0
        x *= x
        weighted = p * x
        a2 += weighted
        a4 += weighted * x
        x = loss - b if possible else 0.0
        x *= x
        weighted = q * x
        b2 += weighted
        b4 += weighted * x
        x = move - c
        x *= x
        weighted = p * x
        c2 += weighted
        c4 += weighted * x
        x = move - d
        x *= x
        weighted = q * x
        d2 += weighted
        d4 += weighted * x
    return a2, a4, b2, b4, c2, c4, d2, d4


@njit(nogil=True, cache=True, error_model="numpy")
def _fill_gaps(z, largest, confidence, base, base_largest, base_confidence, moments):
    """Fill `moments` (2, 2, 3, m): of two gaps, under two models."""
    m, k = z.shape
    e, s, f, t = np.empty(k), np.empty(k), np.empty(k), np.empty(k)
    for i in range(m):
        _enter(z[i], largest[i], e, s)
        _enter(base[i], base_largest[i], f, t)
        p, q = confidence[i], base_confidence[i]
        shift = np.log(q) - np.log(p)
        means = _gap_means(e, s, p, f, t, q, shift)
        central = _gap_central(e, s, p, f, t, q, shift, means)
        for gap in range(2):
            for model in range(2):
                number = 2 * gap + model
                moments[gap, model, 0, i] = means[number]
                moments[gap, model, 1, i] = central[2 * number]
                moments[gap, model, 2, i] = central[2 * number + 1]
