"""Cheap models and experts for cascades, with the labels of both."""

import numpy as np

CALIBRATED, RAW = "calibrated thresholds", "raw thresholds"


def two_models(n=4000, seed=0, k=4, sharp=3.0, noise=0.5):
    """An over-confident cheap model, an expert that sees more, and the labels of both."""
    rng = np.random.default_rng(seed)
    z = 2.0 * rng.normal(size=(n, k))
    y = (z + 0.5 * rng.gumbel(size=z.shape)).argmax(axis=1)
    cheap = sharp * (z + 2.0 * rng.normal(size=z.shape)) / 3.0
    return {"cheap": cheap, "expert": 2.0 * (z + noise * rng.normal(size=z.shape))}, y


def three_models(n=4000, seed=0):
    models, y = two_models(n, seed)
    rng = np.random.default_rng([seed, 1])
    z = models["expert"] / 2.0
    middle = 4.0 * (z + rng.normal(size=z.shape))
    return {"cheap": models["cheap"], "middle": middle, "expert": models["expert"]}, y


def hopeless(n=6000, seed=3):
    """A third of the rows no model can do; the expert knows all others."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(3, size=n)  # 0: easy, 1: hard for the cheap model, 2: for both
    c = np.array([0.97, 0.7, 0.5])[kind]
    y = rng.integers(2, size=n)
    right = rng.random(n) < c
    odds = np.log(c / (1 - c)) * np.where(right == (y == 1), 1, -1)
    knows = np.where(kind == 2, rng.random(n) < 0.5, rng.random(n) < 0.99)
    expert = np.where(knows == (y == 1), 3.0, -3.0)
    return {
        name: np.stack([0 * o, o], axis=1) for name, o in (("cheap", odds), ("expert", expert))
    }, y
