"""Intervals of means in a known range: exact where they can be, held by draws elsewhere."""

import numpy as np
import pytest
from scipy.stats import beta

from temperance.metrics.bounded_mean import UnitSums, term_of, total_of


def sums(values, weights=None, clusters=None):
    values = np.asarray(values, dtype=float)
    weights = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=float)
    return UnitSums.of_rows(values, weights, None if clusters is None else np.asarray(clusters))


@pytest.mark.parametrize("level", [0.9, 0.95, 0.999])
@pytest.mark.parametrize(("right", "n"), [(0, 2), (0, 30), (1, 5), (3, 30), (29, 30), (400, 1000)])
def test_of_zeros_and_ones_it_is_clopper_and_pearsons(right, n, level):
    """Both ends, to .5 % of their distance from the share, and never inside by more than 1e-6."""
    low, high = sums([1.0] * right + [0.0] * (n - right)).ends(0.0, 1.0, level)
    tail = 0.5 * (1.0 - level)
    exact_low = 0.0 if right == 0 else beta.ppf(tail, right, n - right + 1)
    exact_high = beta.ppf(1.0 - tail, right + 1, n - right)
    share = right / n
    assert exact_high - 1e-6 <= high <= exact_high + 0.005 * (exact_high - share)
    assert exact_low - 0.005 * (share - exact_low) <= low <= exact_low + 1e-6


def test_it_is_the_quantile_under_dirichlet_weights():
    """Of any numbers, with weights: what 200,000 draws of exponentials give."""
    rng = np.random.default_rng(0)
    values, weights = rng.beta(2, 1, 12), rng.uniform(0.5, 2.0, 12)
    low, high = sums(values, weights).ends(-1.0, 1.5, 0.95)
    extra = (weights**2).sum() / weights.sum()
    draws = rng.exponential(size=(200_000, 13)) * np.append(weights, extra)
    for end, bound, share in ((low, -1.0, 0.025), (high, 1.5, 0.975)):
        means = draws @ np.append(values, bound) / draws.sum(axis=1)
        assert end == pytest.approx(np.quantile(means, share), abs=0.01)


def test_a_cluster_is_one_unit():
    """Ten rows that are copies of one tell no more than the one, whatever their weight."""
    rng = np.random.default_rng(1)
    values = rng.random(15)
    once = sums(values).ends(0.0, 1.0, 0.95)
    again = sums(values.repeat(10), np.full(150, 3.0), np.arange(15).repeat(10))
    assert again.ends(0.0, 1.0, 0.95) == pytest.approx(once, abs=1e-7)
    assert sums(values.repeat(10)).times(0.1).ends(0.0, 1.0, 0.95)[0] >= once[0] - 1e-7


def test_levels_near_0_and_1():
    """The mean itself, and all of the range."""
    some = sums([0.0, 0.0, 1.0, 0.5])
    assert some.ends(0.0, 1.0, 1e-300) == pytest.approx((0.375, 0.375), abs=0.15)
    assert some.ends(0.0, 1.0, 1.0 - 1e-16) == pytest.approx((0.0, 1.0), abs=1e-3)


def test_sums_of_independent_means_and_of_the_same_mean():
    """Distances to the ends add by their squares; those of one mean, taken twice, add."""
    one, other = sums([0.0, 1.0, 1.0, 0.5]), sums([0.2, 0.4, 0.9])
    ends = [each.ends(0.0, 1.0, 0.95) for each in (one, other)]
    first = term_of(one, ends[0], np.array([1.0, 0.0, 0.0]))
    second = term_of(other, ends[1], np.array([0.0, 1.0, 0.0]), times=-2.0)
    total = total_of([first, second])
    assert total.value == pytest.approx(0.625 - 2 * 0.5)
    below = np.hypot(0.625 - ends[0][0], 2 * (ends[1][1] - 0.5))
    assert total.value - total.low == pytest.approx(below)
    twice = total_of([first, first])
    assert twice.low == pytest.approx(2 * ends[0][0])
    minus = term_of(one, ends[0], np.array([1.0, 0.0, 0.0]), times=-1.0)
    assert total_of([first, minus]).low < 0.0 == total_of([first, minus]).value
    assert total_of([first, minus], trust=1.0).high < total_of([first, minus]).high


@pytest.mark.slow
def test_intervals_hold_skewed_means(request):
    """Rare large numbers among small ones, 30 rows: where normal intervals hold in .3 to .8."""
    slow = "slow" in request.config.getoption("markexpr")
    count = 2000 if slow else 150
    rng = np.random.default_rng(2)
    for share in (0.02, 0.05, 0.2):
        truth = share + (1 - share) * 0.01
        held = normal = 0
        for _ in range(count):
            x = np.where(rng.random(30) < share, 1.0, rng.uniform(0.0, 0.02, 30))
            low, high = sums(x).ends(0.0, 1.0, 0.95)
            held += low <= truth <= high
            normal += abs(x.mean() - truth) <= 1.96 * x.std(ddof=1) / np.sqrt(30)
        assert held / count >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / count), share
        assert normal / count < 0.95
