"""The one logistic regression, against scipy's search and against its own equations."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize

import temperance as tp
from temperance.logistic_regression import LogisticRegression, fit_logistic


@pytest.fixture
def rows():
    """Three features of different units and an intercept, outcomes, and uneven weights."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(400, 3)) * [1.0, 30.0, 0.02]
    p = 1 / (1 + np.exp(-(0.4 + x @ [1.2, -0.05, 20.0])))
    features = np.column_stack([x, np.ones(len(x))])
    return features, (rng.random(len(x)) < p).astype(float), rng.gamma(1.0, size=len(x))


def by_search(features, targets, weights, ridge=0.0, centre=0.0):
    """Coefficients by scipy's trust-region search over standardised features."""
    unit = np.abs(features).mean(axis=0)
    z = features / unit

    def loss(at):
        odds, away = z @ at, at / unit - centre
        return weights @ (np.logaddexp(0, odds) - targets * odds) + 0.5 * (ridge * away) @ away

    def slope(at):
        p = 1 / (1 + np.exp(-(z @ at)))
        return z.T @ (weights * (p - targets)) + ridge * (at / unit - centre) / unit

    def curvature(at):
        p = 1 / (1 + np.exp(-(z @ at)))
        return (z.T * (weights * p * (1 - p))) @ z + np.diag(ridge / unit**2 * np.ones(len(unit)))

    start = np.zeros(len(unit))
    best = minimize(loss, start, jac=slope, hess=curvature, method="trust-exact",
                    options={"gtol": 1e-9})  # fmt: skip
    return best.x / unit


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize(
    ("ridge", "centre"),
    [(0.0, None), (3.0, None), (2.0, np.array([1.0, 0.1, -3.0, 0.5])),
     (np.array([5.0, 1.0, 0.1, 0.0]), None)],
    ids=["free", "ridge", "about a centre", "one strength each"],
)  # fmt: skip
def test_it_is_the_optimum_that_another_search_finds(rows, soft, ridge, centre):
    """With weights, labels or probabilities as targets, and every kind of penalty."""
    features, targets, weights = rows
    targets = 0.9 * targets + 0.03 if soft else targets
    fit = fit_logistic(features, targets, weights, ridge=ridge, centre=centre)
    rival = by_search(features, targets, weights, ridge, 0.0 if centre is None else centre)
    assert fit.coefficients == pytest.approx(rival, rel=1e-7)


def test_a_weight_of_two_is_the_row_twice(rows):
    """Also of weight 0: the row left out."""
    features, targets, _ = rows
    times = np.random.default_rng(0).integers(0, 4, len(targets))
    fit = fit_logistic(features, targets, times.astype(float)).coefficients
    repeated = fit_logistic(
        np.repeat(features, times, axis=0), np.repeat(targets, times), np.ones(times.sum())
    )
    assert fit == pytest.approx(repeated.coefficients, rel=1e-10)


def test_offsets_and_units_of_the_features_change_nothing(rows):
    """Features 1,000 units off, of any scale: the same log-odds in every row."""
    features, targets, weights = rows
    moved = features.copy()
    moved[:, :3] = (features[:, :3] + 1e3 * features[:, :3].std(axis=0)) * [1e-90, 1.0, 1e90]
    fits = (fit_logistic(each, targets, weights).coefficients for each in (features, moved))
    odds, moved_odds = features @ next(fits), moved @ next(fits)
    assert moved_odds == pytest.approx(odds, abs=1e-8)


@pytest.mark.parametrize("overlap", [1e-1, 1e-4, 1e-8])
def test_rows_that_are_all_but_separated(overlap):
    """One pair out of order by ever less: the equations of the optimum hold, term by term."""
    x = np.array([-1.0, -overlap, overlap, 1.0])
    y = np.array([0.0, 1.0, 0.0, 1.0])
    slope, intercept = fit_logistic(np.stack([x, np.ones(4)], axis=1), y, np.ones(4)).coefficients
    assert intercept == pytest.approx(0.0, abs=1e-9)
    # slope: 2 / (1 + exp(s)) of the outer pair = 2 overlap / (1 + exp(-s overlap)) of the inner
    assert 1 / (1 + math.exp(slope)) == pytest.approx(
        overlap / (1 + math.exp(-slope * overlap)), rel=1e-4
    )


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([-2, -1, 1, 2], [0, 0, 1, 1]),
        ([-1, 0, 0, 1], [0, 0, 1, 1]),
        ([1, 2, 3, 4], [1, 1, 0, 0]),
        ([3, 3, 3, 3], [1, 1, 0, 0]),
        ([1, 2, 3, 4], [1, 1, 1, 1]),
    ],
    ids=["apart", "but for a tie", "falling", "no feature", "one outcome"],
)
def test_separated_rows_have_no_optimum(x, y):
    """Raised as such, and not answered by the slope at which the search grew tired."""
    features = np.stack([np.array(x, dtype=float), np.ones(4)], axis=1)
    with pytest.raises(tp.NoOptimumError) as caught:
        fit_logistic(features, np.array(y, dtype=float), np.ones(4))
    assert caught.value.reason == "separable"
    finite = fit_logistic(features, np.array(y, dtype=float), np.ones(4), ridge=1.0)
    assert np.abs(finite.coefficients).max() < 2.0


def test_scores_and_curvature_are_those_of_the_loss(rows):
    """Differences of the loss, and of the sum of the scores."""
    problem = LogisticRegression(*rows)
    at, step = np.array([0.3, -0.02, 4.0, 0.1]), 1e-5 * np.array([1.0, 0.03, 50.0, 1.0])
    slope, curvature = problem.derivatives(at)
    assert problem.scores(at).sum(axis=0) == pytest.approx(-slope)
    assert problem.information(at) == pytest.approx(curvature)
    assert problem.covariance(at) == pytest.approx(np.linalg.inv(curvature))
    for j, h in enumerate(np.diag(step)):
        up, down = problem.loss(at + h), problem.loss(at - h)
        assert (up - down) / (2 * step[j]) == pytest.approx(slope[j], rel=1e-6)
        change = problem.derivatives(at + h)[0] - problem.derivatives(at - h)[0]
        assert change / (2 * step[j]) == pytest.approx(curvature[j], rel=1e-5, abs=1e-6)
