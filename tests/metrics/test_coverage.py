"""Printed intervals hold the population's value: labels drawn from a known truth, over and over.

By default few samples; `pytest -m slow` draws 200. `benchmarks/coverage.py` writes the tables.
"""

from math import sqrt

import numpy as np
import pytest
from scipy.optimize import isotonic_regression

import coverage_worlds as worlds
import temperance as tp

TIGHT = (*worlds.PLAIN, "ece", "ece_equal_mass", "smooth", "ks")


@pytest.mark.slow
@pytest.mark.parametrize("n", [500, 2000])
def test_intervals_hold_the_truth(n, request):
    """Every interval of `evaluate` and `compare` covers .90 or more, but for simulation's error."""
    full = "slow" in request.config.getoption("markexpr")
    repetitions, n_resamples = (200, 200) if full else (15, 100)
    p, models = worlds.pool()
    found = worlds.coverage(p, models, n=n, repetitions=repetitions, n_resamples=n_resamples)
    error = sqrt(0.9 * 0.1 / repetitions)
    missed = {key: share for key, share in found.items() if share < 0.9 - 3.5 * error}
    assert not missed
    # nor so wide that they always hold, which those of other measures may near calibration
    for name in models:
        means = [found["value", side, of] for side in (worlds.SURE, name) for of in TIGHT]
        assert np.mean(means) < (0.985 if full else 1.0)
    assert {measure for _, _, measure in found} >= {*TIGHT, "debiased", "class"}
    assert ("value", "class biases", "classwise") not in found


@pytest.mark.slow
@pytest.mark.parametrize("world", worlds.WORLDS)
def test_bands_of_the_diagram_hold_the_curve(request, world):
    """Row by row: the confidence band the true curve, the consistency band a calibrated one's."""
    full = "slow" in request.config.getoption("markexpr")
    sizes = [(500, 60), (2000, 60)] if full else [(500, 15)]
    p, models = worlds.pool()
    q = models[world]
    said, true = q.max(axis=1), p[np.arange(len(p)), q.argmax(axis=1)]
    order = np.argsort(said)
    said, true = said[order], isotonic_regression(true[order]).x
    for n, repetitions in sizes:
        rng, held = np.random.default_rng(n), []
        for seed in range(repetitions):
            rows = rng.integers(0, len(p), n)
            of_truth, of_model = (
                tp.metrics.corp_reliability(
                    q[rows],
                    (probs[rows].cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(0, 9),
                    n_resamples=200,
                    seed=seed,
                )
                for probs in (p, q)
            )
            curve = np.interp(of_truth.probability, said, true)
            inside = (of_truth.confidence_low <= curve) & (curve <= of_truth.confidence_high)
            own = of_model.recalibrated
            within = (of_model.consistency_low <= own) & (own <= of_model.consistency_high)
            held.append([inside @ of_truth.share, within @ of_model.share])
        error = np.std(held, axis=0) / sqrt(repetitions)
        confidence, consistency = np.mean(held, axis=0) + 3 * error
        assert confidence > 0.9
        assert consistency > 0.93
        assert np.mean(held) < 0.99


def test_a_run_of_hits_leaves_doubt():
    """Ten hits of ten: frequencies from .025 ** (1 / 10) = .69 on; ten misses up to .31."""
    for label, low, high in ((1, 0.6915, 1.0), (0, 0.0, 0.3085)):
        curve = tp.metrics.corp_reliability(np.full(10, 0.5), np.full(10, label), n_resamples=100)
        assert curve.confidence_low == pytest.approx([low], abs=5e-5)
        assert curve.confidence_high == pytest.approx([high], abs=5e-5)
