"""Rows as bytes: the numbers come back, in the fewest bytes of the ways there are."""

import struct

import numpy as np
import pytest

from temperance.monitor.scores import packed, packed_few, repacked, unpacked, unpacked_few

SIZES = {"float32": 4, "float16": 2}


def read_slowly(row):
    """Read a row number by number: its numbers, by place, and how many options it has."""
    half, code = row[0] & 1, row[0] & 6
    letter, size = "e" if half else "f", 2 if half else 4
    if not code:
        numbers = struct.unpack(f"<{(len(row) - 1) // size}{letter}", row[1:])
        return list(numbers)
    place = {2: "B", 4: "H", 6: "I"}[code]
    at, rest, width = 1, float("-inf"), None
    if row[0] & 8:
        width, rest = struct.unpack_from(f"<I{letter}", row, 1)
        at += 4 + size
    count = (len(row) - at) // (size + struct.calcsize(place))
    numbers = struct.unpack_from(f"<{count}{letter}", row, at)
    places = struct.unpack_from(f"<{count}{place}", row, at + count * size)
    values = [rest] * (width or max(places) + 1)
    for each, number in zip(places, numbers, strict=True):
        values[each] = number
    return values


def rows_of(rng, kind, n, k):
    z = 3.0 * rng.normal(size=(n, k))
    missing = rng.random((n, k)) < 0.8
    if kind == "few":
        z[missing] = -np.inf
    elif kind == "a rest with a number":
        z[missing] = -7.0
    elif kind == "ties":
        z = np.round(z)
    elif kind == "all the same":
        z[:] = 4.0
    elif kind == "both":
        z[missing] = -7.0
        z[:, k // 2 :] = -np.inf
    z[:, 0] = 1.0 if kind != "all the same" else 4.0
    return z


@pytest.mark.parametrize("precision", SIZES)
@pytest.mark.parametrize(
    "kind", ["whole", "few", "a rest with a number", "ties", "all the same", "both"]
)
@pytest.mark.parametrize("k", [2, 3, 10, 256, 257, 66_000])
def test_numbers_come_back(precision, kind, k):
    """Those of the precision, of every kind of rows; in no more bytes than the whole row."""
    rng = np.random.default_rng(k)
    z = rows_of(rng, kind, 5, k)
    limit = np.finfo(precision).max
    centred = z - z.max(axis=1, keepdims=True)
    wanted = np.where(np.isneginf(z), -np.inf, centred.clip(min=-limit)).astype(precision)
    rows = packed(z, precision)
    assert np.array_equal(unpacked(rows, k), wanted.astype(np.float32))
    for row, numbers in zip(rows, wanted.tolist(), strict=True):
        there = int(np.flatnonzero(np.isfinite(numbers))[-1]) + 1
        assert read_slowly(row) == numbers[:there]
        assert len(row) <= 1 + SIZES[precision] * there
    if kind == "few":
        shown = np.isfinite(z).sum(axis=1)
        place = 1 if k <= 256 else 2 if k <= 65_536 else 4
        assert (
            np.array([len(row) for row in rows]) <= 1 + shown * (SIZES[precision] + place)
        ).all()


@pytest.mark.parametrize("precision", SIZES)
def test_a_row_is_the_same_bytes_whatever_it_is_beside(precision):
    """Alone, padded, and in another order: so that the same again is known as such."""
    rng = np.random.default_rng(0)
    z = np.concatenate(
        [rows_of(rng, kind, 4, 20) for kind in ("whole", "few", "a rest with a number", "both")]
    )
    rows = packed(z, precision)
    padded = np.pad(z, ((0, 0), (0, 300)), constant_values=-np.inf)
    order = rng.permutation(len(z))
    assert packed(padded, precision) == rows
    assert [packed(z[order], precision)[place] for place in order.argsort()] == rows
    assert [packed(row[None], precision)[0] for row in z] == rows
    assert repacked(rows, 20) == rows


@pytest.mark.parametrize("precision", SIZES)
def test_numbered_options_come_back(precision):
    """By number, rising; what is at -inf is not written."""
    options = np.array([[70_000, 3, 9], [5, 1, 2], [1 << 31, 0, 4]])
    logits = np.array([[-1.0, -2.0, -3.0], [-0.5, -np.inf, -1.0], [-np.inf, -4.0, -np.inf]])
    rows = packed_few(options, logits, precision)
    size = SIZES[precision]
    assert [len(row) for row in rows] == [1 + 3 * (size + 4), 1 + 2 * (size + 1), 1 + size + 1]
    back, numbers = unpacked_few(rows, 3)
    assert numbers.tolist() == [[3, 9, 70_000], [2, 5, -1], [0, -1, -1]]
    assert back.tolist() == [[-1.0, -2.0, 0.0], [-0.5, 0.0, -np.inf], [0.0, -np.inf, -np.inf]]
    assert read_slowly(rows[1]) == [-np.inf, -np.inf, -0.5, -np.inf, -np.inf, 0.0]


@pytest.mark.parametrize(("precision", "bound"), [("float32", 1e-6), ("float16", 1e-2)])
def test_probabilities_of_any_offset_and_size(precision, bound):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(50, 6)) * 5 + 1e4
    z[::3, 4:] = -np.inf
    z[1, 2] = -np.inf
    z[2, 0] = -1e9
    back = unpacked(packed(z, precision), 6)
    p, q = (np.exp(each - each.max(axis=1, keepdims=True)) for each in (z, back))
    np.testing.assert_allclose(
        q / q.sum(axis=1, keepdims=True), p / p.sum(axis=1, keepdims=True), atol=bound
    )
    assert (np.isneginf(back) == np.isneginf(z)).all()


def test_no_rows():
    assert packed(np.empty((0, 3)), "float32") == []
    assert unpacked([], 3).shape == (0, 3)
    assert repacked([], 3) == []
    assert unpacked_few([], 3)[1].shape == (0, 3)
