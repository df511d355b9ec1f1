"""Streams of served log probabilities unlike each other, and labels drawn by their truth."""

import numpy as np

import reference

NAMES = ["ten classes", "rare events", "near certain", "heavy tails", "ragged", "ties"]


def log_softmax(z):
    top = z.max(axis=1, keepdims=True)
    return z - top - np.log(np.exp(z - top).sum(axis=1, keepdims=True))


def served(name, rng, n):
    """Log probabilities of `n` rows of a world; -inf where an option is not there."""
    if name == "rare events":  # 1 % positives
        odds = np.log(0.01 / 0.99) + 0.7 * rng.normal(size=n)
        return log_softmax(np.stack([np.zeros(n), odds], axis=1))
    if name == "near certain":  # 99.7 % accurate
        z = rng.normal(size=(n, 4))
        z[np.arange(n), rng.integers(4, size=n)] += 8.6
        return log_softmax(z)
    if name == "heavy tails":
        return log_softmax(2.0 * rng.standard_t(2, size=(n, 5)))
    if name == "ragged":
        z = 2.0 * rng.normal(size=(n, 6))
        z[np.arange(6) >= rng.integers(2, 7, size=n)[:, None]] = -np.inf
        return log_softmax(z)
    if name == "ties":
        return log_softmax(np.round(rng.normal(size=(n, 3))))
    return log_softmax(3.0 * rng.normal(size=(n, 10)))


def drawn(rng, log_probs):
    """Labels of the classes' probabilities, which need not sum to 1."""
    p = reference.softmax(np.where(np.isfinite(log_probs), log_probs, -1e9))
    cumulative = p.cumsum(axis=1) / p.sum(axis=1, keepdims=True)
    return (cumulative <= rng.random((len(p), 1))).sum(axis=1).clip(max=p.shape[1] - 1)
