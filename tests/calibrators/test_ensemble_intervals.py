"""How sure the temperature of a pool is, its members' weights being fitted on the same rows."""

from math import log, sqrt

import numpy as np
import pytest

import reference
import temperance as tp
from temperance.calibrators import Training, pooled_logits
from temperance.calibrators.ensemble import joint_error


@pytest.fixture
def models():
    """Two members who see the truth through noise; the second is sharper than it should be."""

    def draw(rng, n, sharper=3.0, k=4):
        truth = 2 * rng.normal(size=(n, k))
        y = (truth + rng.gumbel(size=(n, k))).argmax(axis=1)
        return [a * truth + rng.normal(size=(n, k)) for a in (1.0, sharper)], y

    return draw


@pytest.mark.parametrize("prior", [0.0, 20.0])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("pool", ["linear", "log"])
def test_standard_error_against_the_jackknife(models, pool, weighted, prior):
    """Leaving out one row at a time, fitting weights and temperature anew."""
    n = 150
    members, y = models(np.random.default_rng(2), n, sharper=1.5)
    w = 0.2 + (members[0][:, 0] > 0) if weighted else np.ones(n)

    def fit(kept):
        return tp.Ensemble.fit(
            [z[kept] for z in members], y[kept], pool=pool, weights=w[kept], prior=prior
        )

    whole = fit(np.arange(n))
    assert (whole.weights > 0.1).all()
    left = np.array([1 / fit(np.delete(np.arange(n), i)).temperature for i in range(n)])
    expected = sqrt(((left - left.mean()) ** 2).sum())
    found = joint_error(
        members, Training.check(members[0], y, weights=w), whole.weights,
        temperature=whole.temperature, pool=pool, prior=prior,
    )  # fmt: skip
    assert found == pytest.approx(expected, rel=0.08)
    pooled = pooled_logits(members, whole.weights, pool=pool)
    known = tp.TemperatureScaling.fit(pooled, y, weights=w, prior=prior, refuse_probs=False).record
    shown = found * whole.temperature**2  # with a prior, not below the posterior error
    shown = max(shown, known.standard_error) if prior else shown
    assert whole.record.standard_error == pytest.approx(shown, rel=1e-9)


@pytest.mark.parametrize("pool", ["linear", "log"])
def test_members_that_say_the_same(models, pool):
    """Their weights are anyone's guess, and T is as sure as that of one; masked options too."""
    (z, _), y = models(np.random.default_rng(3), 400)
    z[np.arange(0, 400, 3), (y[::3] + 1) % 4] = -np.inf
    alone = tp.TemperatureScaling.fit(z, y).record
    both = tp.Ensemble.fit([z, z], y, pool=pool).record
    assert both.standard_error == pytest.approx(alone.standard_error, rel=1e-4)


def test_a_member_far_too_sharp_widens_the_interval(models):
    """Of the log pool, T moves with the weights: known weights would halve the error."""
    members, y = models(np.random.default_rng(4), 1000)
    fitted = tp.Ensemble.fit(members, y, pool="log")
    logs = [np.log(reference.softmax(z)) for z in members]
    pooled = sum(w * z for w, z in zip(fitted.weights, logs, strict=True))
    known = tp.TemperatureScaling.fit(pooled, y)
    assert known.temperature == pytest.approx(fitted.temperature, rel=1e-6)
    assert fitted.record.standard_error > 1.7 * known.record.standard_error


def test_a_member_of_weight_0_is_free_to_move(models):
    """On few rows one of two may get nothing: the error of T still allows for its weight."""
    rng = np.random.default_rng(5)
    for _ in range(100):
        members, y = models(rng, 100)
        fitted = tp.Ensemble.fit(members, y, pool="log")
        if fitted.weights.tolist() == [0.0, 1.0]:
            break
    alone = tp.TemperatureScaling.fit(members[1], y)
    assert fitted.temperature == pytest.approx(alone.temperature, rel=1e-6)
    assert fitted.record.standard_error > 1.5 * alone.record.standard_error


@pytest.mark.slow
@pytest.mark.parametrize("n", [200, 1000])
@pytest.mark.parametrize("pool", ["linear", "log"])
@pytest.mark.parametrize("sharper", [1.0, 3.0])
def test_coverage(models, request, pool, sharper, n):
    """95 % intervals hold the T of endless rows in .93 or more; .63 if weights were known."""
    full = "slow" in request.config.getoption("markexpr")
    repetitions = 1000 if full else 60
    many, labels = models(np.random.default_rng(99), 200_000 if full else 50_000, sharper)
    truth = tp.Ensemble.fit(many, labels, pool=pool).temperature
    rng, held = np.random.default_rng(7), 0
    for _ in range(repetitions):
        low, high = tp.Ensemble.fit(*models(rng, n, sharper), pool=pool).record.interval()
        held += low <= truth <= high
        assert log(high / low) > 0
    assert held / repetitions > 0.94 - 3.5 * sqrt(0.06 * 0.94 / repetitions)
