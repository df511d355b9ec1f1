"""The one isotonic regression, against the max-min formula and its definition by steps."""

import numpy as np
import pytest

from temperance import isotonic_regression
from temperance.isotonic_regression import Pools, centred_isotonic, rising_means


def max_min(y, w):
    """Isotonic means by their formula: the largest of the smallest means of ranges around each."""
    mean = [[w[i : j + 1] @ y[i : j + 1] / w[i : j + 1].sum() if i <= j else np.nan
             for j in range(len(y))] for i in range(len(y))]  # fmt: skip
    return [
        max(min(mean[i][j] for j in range(at, len(y))) for i in range(at + 1))
        for at in range(len(y))
    ]


@pytest.fixture
def rows():
    """Distinct places, outcomes that rise on the whole, weights."""
    rng = np.random.default_rng(3)
    x = np.sort(rng.normal(size=40))
    return x, (rng.random(40) < 1 / (1 + np.exp(-x))).astype(float), rng.gamma(2.0, size=40)


def test_means_are_those_of_the_max_min_formula(rows):
    """One row of means at a time, also of several rows."""
    _, y, w = rows
    both = rising_means(np.stack([w * y, w * (1 - y)]), np.stack([w, w]))
    assert both == pytest.approx(np.array([max_min(y, w), max_min(1 - y, w)]))


def test_places_without_weight_follow_the_one_below(rows):
    """The first ones the one above; the others do not feel them."""
    _, y, w = rows
    w = np.where(np.isin(np.arange(40), [0, 1, 17, 39]), 0.0, w)
    held = w > 0
    means = rising_means(w * y, w)
    assert means[held] == pytest.approx(max_min(y[held], w[held]))
    assert means[[0, 1, 17, 39]] == pytest.approx(means[[2, 2, 16, 38]])


@pytest.mark.parametrize("passes", [0, 1, 64])
@pytest.mark.parametrize("at_once", [1, 100, 1 << 16])
def test_many_rows_are_as_each_alone(monkeypatch, passes, at_once):
    """Whether pooled together or one by one, to the end or by scipy; a row without weight is 0."""
    monkeypatch.setattr(isotonic_regression, "_PASSES", passes)
    monkeypatch.setattr(isotonic_regression, "_AT_ONCE", at_once)
    rng = np.random.default_rng(4)
    w = rng.poisson(1.0, size=(9, 30)).astype(float)
    y = (rng.random((9, 30)) < np.linspace(0.0, 1.0, 30)).astype(float)
    y[3], y[4] = np.arange(30) / 30, np.append(np.arange(29.0), -40.0)  # one fall at the end
    w[4], w[5] = 1.0, 0.0
    means = rising_means(w * y, w)
    for row in (0, 1, 2, 3, 4, 6, 7, 8):
        held = w[row] > 0
        assert means[row, held] == pytest.approx(max_min(y[row, held], w[row, held]))
    assert (means[5] == 0).all()
    pools = Pools.of(w * y, w)
    assert pools.totals(pools.sums) == pytest.approx((w * y).sum(axis=1))
    assert pools.totals(np.ones(len(pools.sums)))[4] == len(np.unique(means[4]))


@pytest.mark.parametrize("rising", [True, False])
def test_knots_are_the_steps_centres_of_mass(rows, rising):
    """By the formula's steps; rows of one place count as one."""
    x, y, w = rows
    y = y if rising else 1 - y
    means = np.array(max_min(y, w) if rising else [-v for v in max_min(-y, w)])
    steps = [np.flatnonzero(np.isclose(means, level)) for level in dict.fromkeys(means.round(9))]
    centres = [w[at] @ x[at] / w[at].sum() for at in steps]
    twice = (np.repeat(each, 2) for each in (x, y, w / 2))
    knots, levels = centred_isotonic(*twice, rising=rising)
    assert knots == pytest.approx(centres)
    assert levels == pytest.approx([means[at[0]] for at in steps])


def test_rows_beyond_move_no_centre():
    """They are pooled with their step, whose centre is that of the others, and have own knots."""
    x, y = np.array([-9.0, 0.0, 1.0, 2.0, 9.0]), np.array([1.0, 0.0, 0.0, 1.0, 1.0])
    knots, levels = centred_isotonic(x, y, np.ones(5), beyond=9.0)
    assert knots.tolist() == [-9.0, 0.5, 2.0, 9.0]
    assert levels == pytest.approx([1 / 3, 1 / 3, 1.0, 1.0])
    assert centred_isotonic(x, y, np.ones(5))[0][0] == pytest.approx(-8 / 3)


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_many_rows_are_fitted_each_by_itself(share):
    """Rows put end to end do not feel each other, whatever the span and the empty places."""
    rng = np.random.default_rng(5)
    w = rng.gamma(2.0, size=(150, 30)) * (rng.random((150, 30)) >= share)
    w[:, 7] += 0.1
    y = np.linspace(0.0, 1.0, 30) + rng.normal(size=(150, 30)) * rng.choice([0.1, 5.0], (150, 1))
    together = rising_means(w * y, w)
    alone = [rising_means(w[i] * y[i], w[i]) for i in range(150)]
    assert together == pytest.approx(np.array(alone), abs=1e-11)
    assert (together[0] == alone[0]).all()
    held = w[149] > 0
    assert together[149][held] == pytest.approx(max_min(y[149][held], w[149][held]), abs=1e-11)
    assert rising_means((w * y).reshape(3, 50, 30), w.reshape(3, 50, 30)).shape == (3, 50, 30)
