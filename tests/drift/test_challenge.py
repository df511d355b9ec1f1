"""A challenger earns its place on rows that neither calibrator was fitted on."""

import math

import numpy as np
import pytest

import temperance as tp
from streams import drawn, served
from temperance.drift import Challenge, challenge
from temperance.drift.challenge import prequential_log_probs


def test_it_is_the_ratio_of_likelihoods():
    rng = np.random.default_rng(0)
    x = served("heavy tails", rng, 400)
    old, new = np.exp(x), tp.TemperatureScaling(2.0).apply(x)
    y = drawn(rng, x / 1.8)
    found = challenge(old, new, y)
    rows = np.arange(400)
    ratio = np.log(new[rows, y] / old[rows, y])
    assert found.log_evidence == pytest.approx(ratio.sum())
    assert found.peak == pytest.approx(ratio.cumsum().max())
    losses = [float(tp.metrics.log_loss(p, y)) for p in (old, new)]
    assert found.mean_gain == pytest.approx(losses[0] - losses[1])
    assert found.standard_error == pytest.approx(ratio.std(ddof=1) / 20)
    assert found.earned()
    assert challenge(new, old, y).log_evidence == pytest.approx(-ratio.sum())


def test_one_row_has_no_standard_error():
    found = challenge([[0.5, 0.5]], [[0.6, 0.4]], [0])
    assert math.isnan(found.standard_error)
    assert not found.earned()


def test_each_block_is_scored_by_a_fit_on_the_rows_before():
    fits = []

    def fit(rows):
        fits.append(len(rows))
        assert rows.tolist() == list(range(len(rows)))
        return lambda others: np.zeros((len(others), 2))

    scored = prequential_log_probs(fit, 25, first=5, blocks=4)
    assert fits == [5, 10, 15, 20]
    assert np.concatenate([rows for rows, _ in scored]).tolist() == list(range(5, 25))
    np.testing.assert_allclose(np.concatenate([log_p for _, log_p in scored]), -math.log(2))
    assert len(prequential_log_probs(fit, 7, first=5)) == 2


@pytest.mark.parametrize(
    ("old", "new", "y", "message"),
    [
        ([[0.5, 0.5]], [[0.5, 0.3, 0.2]], [0], r"shape \(1, 3\)"),
        ([[1.0, 0.0]], [[0.5, 0.5]], [1], "probability 0"),
        ([[0.5, 0.5]], [[0.5, 0.5]], [3], "labels"),
    ],
)
def test_refused_rows(old, new, y, message):
    with pytest.raises(tp.InvalidInputError, match=message):
        challenge(old, new, y)


def test_refused_levels_and_first_rows():
    with pytest.raises(tp.InvalidInputError, match="`alpha`"):
        Challenge(1, 0.0, 0.0, 0.0, 0.0).earned(0.0)
    with pytest.raises(tp.InvalidInputError, match="`first` must leave rows"):
        prequential_log_probs(lambda rows: lambda others: others, 5, first=5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ten classes", "rare events", "near certain"])
def test_a_calibrated_champion_seldom_loses_its_place(name, request):
    """Challengers fitted on past rows of a calibrated stream: promoted in at most 5 %."""
    full = "slow" in request.config.getoption("markexpr")
    repeats = 1000 if full else 60
    rng = np.random.default_rng(1)
    promoted = 0
    for _ in range(repeats):
        x = served(name, rng, 600)
        y = drawn(rng, x)

        def fit(rows, x=x, y=y):
            return tp.TemperatureScaling.fit(x[rows], y[rows], prior=1.0).scale

        def scaled(rows, fit=fit, x=x):
            scale = fit(rows)
            return lambda others: scale(x[others])

        gains = [
            (log_p - x[rows])[np.arange(len(rows)), y[rows]]
            for rows, log_p in prequential_log_probs(scaled, 600, first=200, blocks=4)
        ]
        promoted += Challenge.of_gains(np.concatenate(gains)).earned(0.05)
    assert promoted / repeats <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / repeats)
