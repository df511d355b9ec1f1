"""What a row is, whatever its place: an order of rows by their content, and a number for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.numerics import as_float64, row_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["content_order", "drawn_bits", "row_hashes"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_LARGEST = 1e12  # larger values count as this one: their sums stay finite


def content_order(
    values: Sequence[NDArray[Any]], *, beside: Sequence[NDArray[Any]] = ()
) -> NDArray[np.intp]:
    """Return the places of all rows, (n,), in an order that depends on what they hold alone.

    `values` are arrays (n,) or (n, k) of numbers. Rows are sorted by a sum of their numbers with
    fixed factors, so that single precision and printed digits give the order of the numbers they
    stand for; equal sums by the `row_hashes` of `values` and of what is `beside` them; and rows
    that are equal by place: which is which of them makes no difference.
    """
    key = sum(_sums(each) for each in values)
    order = np.argsort(key, kind="stable")
    ordered = np.asarray(key)[order]
    same = ordered[1:] == ordered[:-1]
    if same.any():
        tied = np.zeros(len(order), dtype=bool)
        tied[1:] |= same
        tied[:-1] |= same
        places, group = order[tied], np.cumsum(np.r_[True, ~same])[tied]
        hashes = row_hashes([each[places] for each in (*values, *beside)])
        order[tied] = places[np.lexsort((hashes, group))]
    return order


def row_hashes(values: Sequence[NDArray[Any]]) -> NDArray[np.uint64]:
    """Return 64 bits for each row, (n,), that equal rows share and others all but never."""
    found = np.zeros(len(values[0]), dtype=np.uint64)
    for number, each in enumerate(values):
        columns = each.reshape(len(each), -1)
        places = np.arange(1, columns.shape[1] + 1, dtype=np.uint64) * _GOLDEN
        for rows in row_blocks(columns):
            bits = (as_float64(columns[rows]) + 0.0).view(np.uint64)  # 0 and -0 are equal
            mixed = _mixed(bits ^ _mixed(places + np.uint64(number))).sum(axis=1, dtype=np.uint64)
            found[rows] = _mixed(found[rows] ^ mixed)
    return found


def drawn_bits(seed: int, stream: int, places: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return 64 bits drawn for each place, (n,), of one of many streams: SplitMix64."""
    start = np.array([seed % (1 << 64), stream], dtype=np.uint64)
    start = _mixed(start + _GOLDEN)
    return _mixed(places * _GOLDEN + _mixed(start[:1] ^ _mixed(start[1:] + _GOLDEN)))


def _sums(values: NDArray[Any]) -> NDArray[np.float64]:
    columns = values.reshape(len(values), -1)
    factors = 0.5 + np.modf(np.arange(1, columns.shape[1] + 1) * 0.6180339887498949)[0]
    found = np.empty(len(columns))
    for rows in row_blocks(columns):
        there = np.nan_to_num(as_float64(columns[rows]), posinf=_LARGEST, neginf=-_LARGEST)
        found[rows] = (np.clip(there, -_LARGEST, _LARGEST) * factors).sum(axis=1)
    return found


def _mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the bits well mixed, as the finaliser of SplitMix64 does."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
