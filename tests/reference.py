"""Slow, obvious implementations and reference data, written unlike the library's own."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

SHARED = Path(__file__).parents[2] / "shared" / "data"


def shared(name):
    """Arrays of a real data set that lies beside the checkout, or skip the test."""
    path = SHARED / f"{name}.npz"
    if not path.exists():
        pytest.skip(f"{name}.npz is not beside this checkout")
    return dict(np.load(path, allow_pickle=False))


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def two_classes(confidence):
    """Probabilities of two classes, the first predicted: label 0 is right, label 1 wrong."""
    c = np.asarray(confidence, dtype=float)
    return np.stack([c, 1 - c], axis=1)


def gumbel_rows(n=2000, k=5, seed=0):
    """Logits, and labels drawn at T = 2: the largest of z / 2 and Gumbel noise."""
    rng = np.random.default_rng(seed)
    z = 3 * rng.normal(size=(n, k))
    y = (z / 2 + rng.gumbel(size=z.shape)).argmax(axis=1)
    return z, y


def reference_a():
    """REF-A: 400 rows of 5 logits in closed form; the labels were drawn at T = 2."""
    i = np.arange(1, 401)[:, None]
    k = np.arange(5)
    z = 3 * np.sin(0.7 * i * (k + 1)) + 1.5 * np.cos(1.3 * i + 2.1 * k)
    u = (i[:, 0] * 0.6180339887498949) % 1
    cumulative = softmax(z / 2).cumsum(axis=1)
    cumulative[:, -1] = 1
    return z, (u[:, None] >= cumulative).sum(axis=1)


def reference_b():
    """REF-B: logits and labels of the calibration and the test half of CIFAR-10 VGG."""
    data = shared("cifar10_vgg")
    p = data["probs"].astype(np.float64)
    z = np.log(p / p.sum(axis=1, keepdims=True))
    y = data["labels"].astype(int)
    return z[:5000], y[:5000], z[5000:], y[5000:]


def calibrated_b():
    """All logits of REF-B at the temperature of its calibration half: a calibrated model."""
    z, _, z_test, _ = reference_b()
    return np.concatenate([z, z_test]) / 1.735877588761


def temperature(z, y, w=None, prior=0.0):
    """The best temperature by golden-section search on log T: no derivative, no block."""
    w = np.ones(len(y)) if w is None else np.asarray(w, dtype=float)

    def loss(log_t):
        scaled = z / math.exp(log_t)
        top = scaled.max(axis=1)
        logsumexp = np.log(np.exp(scaled - top[:, None]).sum(axis=1)) + top
        beta = math.exp(-log_t)
        penalty = prior * (beta - 1 - math.log(beta))
        return float(w @ (logsumexp - scaled[np.arange(len(y)), y])) + penalty

    ratio = (math.sqrt(5) - 1) / 2
    low, high = -12.0, 12.0
    while high - low > 1e-10:
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, right) if loss(left) < loss(right) else (left, high)
    return math.exp((low + high) / 2)


def bin_of(confidence, n_bins):
    """Number of the bin (b/B, (b+1)/B], with 0 in the first, by walking up the edges."""
    b = 0
    while b < n_bins - 1 and confidence > (b + 1) / n_bins + min(1e-6, 2e-5 / n_bins):
        b += 1
    return b


def expected_calibration_error(p, y, n_bins=15, w=None):
    """ECE, row by row."""
    w = [1.0] * len(y) if w is None else w
    sums = {}
    for row, label, weight in zip(p, y, w, strict=True):
        confidence = max(row)
        entry = sums.setdefault(bin_of(confidence, n_bins), [0.0, 0.0])
        entry[0] += weight * confidence
        entry[1] += weight * (list(row).index(confidence) == label)
    return sum(abs(c - k) for c, k in sums.values()) / sum(w)


def log_loss(p, y):
    return sum(-math.log(row[label]) for row, label in zip(p, y, strict=True)) / len(y)


def brier(p, y):
    total = 0.0
    for row, label in zip(p, y, strict=True):
        total += sum((q - (k == label)) ** 2 for k, q in enumerate(row))
    return total / len(y)
