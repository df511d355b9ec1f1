"""The exponential of the compiled kernel is as exact as its page says (docs/kernels.md)."""

import numpy as np
import pytest

pytest.importorskip("numba")

from temperance.kernels.loss import FLOOR
from temperance.kernels.loss_numba import _add_class

WIDER = {np.float32: np.float64, np.float64: np.longdouble}
BOUNDS = [  # dtype, exponents down to, largest relative error: the table of the page
    (np.float32, -1.0, 1.3e-7),
    (np.float32, -16.0, 1.3e-7),
    (np.float32, -40.0, 1.8e-7),
    (np.float32, -87.0, 3.1e-7),
    (np.float64, -1.0, 0.9e-14),
    (np.float64, -40.0, 1.1e-14),
    (np.float64, -100.0, 1.3e-14),
    (np.float64, -700.0, 3.4e-14),
]


def compiled(exponents):
    """What the kernel adds to a row's sum for a logit so far below the largest one."""
    dtype = exponents.dtype.type
    sums = np.zeros((4, len(exponents)), dtype)
    largest = np.zeros_like(exponents)
    _add_class(exponents, largest, dtype(1), dtype(FLOOR[exponents.dtype]), *sums)
    return sums[0]


def exponents(dtype, lowest):
    """Numbers of the whole range, and the neighbours of where the power of two changes."""
    rng = np.random.default_rng(0)
    change = -(np.arange(1010) + 0.5) * np.log(2.0)
    near = (change[:, None] * (1.0 + np.linspace(-1e-4, 1e-4, 201))).ravel()
    spread = np.r_[rng.uniform(lowest, 0.0, 400_000), -np.geomspace(1e-30, -lowest, 20_000), near]
    s = np.r_[spread, lowest, 0.0].astype(dtype)
    return s[(s >= lowest) & (s <= 0.0)]


@pytest.mark.parametrize(("dtype", "lowest", "bound"), BOUNDS)
def test_relative_error(dtype, lowest, bound):
    """Below the bound everywhere, against a wider type; and the bound is not idle."""
    s = exponents(dtype, lowest)
    exact = np.exp(s.astype(WIDER[dtype]))
    worst = float((np.abs(compiled(s) - exact) / exact).max())
    assert bound / 8 < worst <= bound


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_largest_option_counts_one_and_a_missing_one_nothing(dtype):
    """exp(0) is 1 to the last bit; -inf and all below the floor count as the floor does."""
    floor = FLOOR[np.dtype(dtype)]
    one, at_floor, below, missing = compiled(np.array([0.0, floor, 2 * floor, -np.inf], dtype))
    assert one == 1.0
    assert at_floor == below == missing < 2e-38
