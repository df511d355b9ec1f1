"""The largest number of each row is the same, whichever way rows are read."""

import numpy as np
import pytest

from temperance.numerics import centred_rows, row_maxima

SHAPES = [(0, 3), (1, 1), (1, 10), (5, 2), (400, 1), (400, 2), (600, 31), (700, 33), (40_000, 3)]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_is_the_maximum_of_each_row(shape: tuple[int, int], dtype: str) -> None:
    values = (100.0 * np.random.default_rng(0).normal(size=shape)).astype(dtype)
    for layout in (values, np.asfortranarray(values), np.repeat(values, 2, axis=0)[::2]):
        largest = row_maxima(layout)
        assert largest.dtype == values.dtype
        np.testing.assert_array_equal(largest, values.max(axis=1))


@pytest.mark.parametrize("place", [0, 1, 3])
def test_nan_is_the_largest_and_absent_options_are_not(place: int) -> None:
    values = np.zeros((500, 4))
    values[:, place] = -np.inf
    values[7, place] = np.nan
    largest = row_maxima(values)
    assert np.isnan(largest[7])
    assert not np.delete(largest, 7).any()


def test_values_are_left_as_they_were() -> None:
    values = np.random.default_rng(1).normal(size=(1_000, 5))
    before = values.copy()
    centred = centred_rows(values)
    np.testing.assert_array_equal(values, before)
    np.testing.assert_array_equal(centred.max(axis=1), 0.0)
    np.testing.assert_array_equal(centred, before - before.max(axis=1, keepdims=True))
