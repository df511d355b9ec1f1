"""The gamma distribution against scipy's, which is another program."""

import pytest
from scipy.special import gammaincc, gammaincinv

from temperance.gamma_distribution import beyond, gamma_quantile

SHAPES = [1e-3, 0.1, 0.5, 1.0, 2.5, 19.9, 20.1, 300.0, 9999.0]


@pytest.mark.parametrize("shape", [*SHAPES, 2e4, 3e7])
@pytest.mark.parametrize("times", [0.01, 0.8, 0.99, 1.0, 1.01, 1.3, 5.0])
def test_shares_beyond_a_number_are_those_of_scipy(shape, times):
    """Below the mean and far into the tail, where they are tiny."""
    expected = float(gammaincc(shape, times * shape))
    assert beyond(shape, times * shape) == pytest.approx(expected, rel=1e-11, abs=1e-290)


@pytest.mark.parametrize("shape", [*SHAPES, 1e4, 2e5, 9e6, 1e9])
@pytest.mark.parametrize("p", [0.001, 0.025, 0.2, 0.5])
def test_quantiles_are_those_of_scipy(shape, p):
    """By steps, and of large shapes by a series; of tiny ones they vanish."""
    expected = float(gammaincinv(shape, p))
    assert gamma_quantile(shape, p) == pytest.approx(expected, rel=1e-12, abs=1e-300)


def test_ends():
    """All lies beyond 0 and below, nothing beyond infinity; an endless shape has no end."""
    assert (beyond(2.0, 0.0), beyond(2.0, -1.0), beyond(2.0, float("inf"))) == (1.0, 1.0, 0.0)
    assert gamma_quantile(float("inf"), 0.025) == float("inf")
