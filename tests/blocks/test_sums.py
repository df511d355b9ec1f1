"""Everything is a sum over rows: blocks merge to the whole, in any order."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
from temperance import numerics
from temperance.binning import BinSums, assign
from temperance.blocks import map_rows, reporting
from temperance.kernels.loss import existence_sums, loss_sums
from temperance.sums import MeanSums

N = 60


def of_loss(rows):
    z, y, w = DATA
    return loss_sums(z[rows], y[rows], w[rows], beta=0.7)


def of_existence(rows):
    z, y, w = DATA
    return existence_sums(z[rows], y[rows], w[rows])


def of_bins(rows):
    z, y, w = DATA
    p = reference.softmax(z[rows])
    bins = assign(p.max(axis=1), np.arange(8) / 7)
    return BinSums.of(p.max(axis=1), p.argmax(axis=1) == y[rows], w[rows], bins, 7)


def of_means(rows):
    z, _, w = DATA
    return MeanSums.of(z[rows], w[rows])


def make_data():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(N, 4)) * 3
    y = rng.integers(0, 4, N)
    z[rng.random(z.shape) < 0.1] = -np.inf
    z[np.arange(N), y] = 1.0
    return z, y, rng.uniform(0, 2, N)


DATA = make_data()


def values(sums):
    return np.concatenate([np.atleast_1d(getattr(sums, f.name)) for f in fields(sums)])


@pytest.mark.parametrize("of", [of_loss, of_existence, of_bins, of_means])
@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(1, N - 1), min_size=2, max_size=2, unique=True))
def test_merge_is_associative_and_gives_the_whole(of, cuts):
    """(a + b) + c = a + (b + c) = c + b + a = all rows at once."""
    first, second = sorted(cuts)
    a, b, c = of(slice(0, first)), of(slice(first, second)), of(slice(second, N))
    whole = values(of(slice(0, N)))
    for merged in (a.merge(b).merge(c), a.merge(b.merge(c)), c.merge(b).merge(a)):
        assert values(merged) == pytest.approx(whole, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("elements", [1, 7, 64, 10**6])
def test_block_size_does_not_change_the_sums(monkeypatch, elements):
    """One row at a time or all at once: the same sums, and every row is reported once."""
    z, y, w = DATA
    whole = values(loss_sums(z, y, w, beta=1.3))
    monkeypatch.setattr(numerics, "BLOCK_ELEMENTS", elements)
    seen = []
    with reporting(seen.append):
        merged = map_rows(lambda *block: loss_sums(*block, beta=1.3), z, y, w)
    assert values(merged) == pytest.approx(whole, rel=1e-12)
    assert sum(seen) == N
    assert len(seen) == -(-N // max(1, elements // 4))


def test_slope_and_curvature_are_derivatives_of_the_loss():
    """Central differences of the loss in beta agree with the kernel's slope and curvature."""
    z, y, w = DATA
    step = 1e-5
    low, mid, high = (loss_sums(z, y, w, beta=0.9 + d) for d in (-step, 0.0, step))
    assert mid.slope == pytest.approx((high.loss - low.loss) / (2 * step), rel=1e-8)
    assert mid.curvature == pytest.approx((high.slope - low.slope) / (2 * step), rel=1e-7)
    at_zero, far = loss_sums(z, y, w, beta=1e-9), loss_sums(z, y, w, beta=1e4)
    ends = existence_sums(z, y, w)
    assert ends.gap_to_mean == pytest.approx(at_zero.slope, rel=1e-6)
    assert ends.gap_to_largest == pytest.approx(far.slope, rel=1e-6)


def test_standard_error_of_a_mean():
    """The textbook error s / sqrt(n), and infinite for one row."""
    x = np.array([[1.0], [2.0], [4.0], [9.0]])
    assert MeanSums.of(x, None).standard_error(0) == pytest.approx(x.std(ddof=1) / 2)
    assert MeanSums.of(x, np.full(4, 7.0)).standard_error(0) == pytest.approx(x.std(ddof=1) / 2)
    assert MeanSums.of(x[:1], None).standard_error(0) == np.inf
