"""A number is spelled the same way however many rows a file has."""

import numpy as np
import pytest

from temperance import writers

pytest.importorskip("pyarrow")
NUMBERS = [
    0.1, 1e-4, 9.999e-5, 1e-10, 9.5e-11, 123456789.25, 9999999999.5, 10000000000.5, 12345678901.25,
    123456789012345.0, 1e15, 1e16, 1.5e300, 5e-324,
]  # fmt: skip


def test_many_rows_and_few_are_spelled_alike(tmp_path):
    """Files of 1 MB and more are written by pyarrow, whose exponents begin elsewhere."""
    n = 70_000
    weights = np.resize(np.array(NUMBERS), n)
    probs, labels = np.full((n, 2), 0.5), np.zeros(n, dtype=int)
    writers.write_probs(tmp_path / "many.csv", probs, labels=labels, weights=weights)
    few = len(NUMBERS)
    writers.write_probs(
        tmp_path / "few.csv", probs[:few], labels=labels[:few], weights=weights[:few]
    )
    many = (tmp_path / "many.csv").read_text(encoding="utf-8").splitlines()
    assert (tmp_path / "many.csv").stat().st_size > 1 << 20
    assert many[: few + 1] == (tmp_path / "few.csv").read_text(encoding="utf-8").splitlines()
