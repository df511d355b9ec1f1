"""Data with a known truth: labels drawn from softmax(logits / T)."""

import numpy as np
import pytest

import reference


@pytest.fixture
def sample():
    """Make `n` rows of `k` logits, and labels drawn at the given temperature."""

    def make(seed=0, n=400, k=4, temperature=2.0, spread=3.0):
        rng = np.random.default_rng(seed)
        z = rng.normal(size=(n, k)) * spread
        p = reference.softmax(z / temperature)
        y = (p.cumsum(axis=1) < rng.random((n, 1)) * p.sum(axis=1, keepdims=True)).sum(axis=1)
        return z, y

    return make
