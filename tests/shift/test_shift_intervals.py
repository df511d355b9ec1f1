"""How sure class frequencies without labels are: near 0 and 1, and with the calibrator's doubt."""

from itertools import pairwise
from math import sqrt

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import beta, chi2

import reference
import temperance as tp
from temperance.calibrators import Training
from temperance.shift import estimate_label_shift, estimate_label_shift_from_logits
from temperance.shift.priors import label_shift_of_rows

SOURCE = np.array([0.5, 0.3, 0.2])
FALL = chi2.ppf(0.95, 1) / 2  # nats


@pytest.fixture
def world():
    """Three round normal distributions some standard deviations apart: exact logits, labels."""

    def draw(rng, n, frequencies, apart=2.0):
        means = apart * np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        y = rng.choice(3, size=n, p=frequencies)
        x = rng.normal(size=(n, 2)) + means[y]
        return -0.5 * ((x[:, None] - means) ** 2).sum(axis=2) + np.log(SOURCE), y

    return draw


def crossing(fall, outer, peak):
    """Where a fall passes FALL between `peak` and `outer`; `outer` if it does not."""
    return outer if fall(outer) < FALL else brentq(lambda t: fall(t) - FALL, *sorted((peak, outer)))


@pytest.mark.parametrize("counts", [(0, 3, 197), (1, 199, 0), (0, 0, 50), (12, 188, 0)])
def test_rows_that_are_sure_have_binomial_intervals(counts):
    """Likelihood ratio of a count, or the quantile of its likelihood where that is further out."""
    n = sum(counts)
    found = estimate_label_shift(np.repeat(np.eye(3), counts, axis=0), SOURCE)
    assert found.priors == pytest.approx(np.array(counts) / n, abs=1e-12)
    for count, (low, high) in zip(counts, found.interval(), strict=True):
        if 5 * sqrt(count * (n - count) / n) < min(count, n - count):
            continue  # in the interior: normal
        share = count / n

        def fall(t, count=count, share=share):
            hit = count * np.log(share / max(t, 1e-300)) if count else 0.0
            rest = n - count
            return hit + (rest * np.log((1 - share) / max(1 - t, 1e-300)) if rest else 0.0)

        quantiles = beta.ppf([0.025, 0.975], count + 1, n - count + 1)
        exact = 0.03 * beta.std(count + 1, n - count + 1)
        assert low == pytest.approx(min(crossing(fall, 0.0, share), quantiles[0]), abs=exact)
        assert high == pytest.approx(max(crossing(fall, 1.0, share), quantiles[1]), abs=exact)


def test_a_class_that_no_row_shows_may_still_be_one_in_n_over_four():
    """Nothing in 500 rows: up to 3.7 in 500 at 95 %, 2.3 at 80 %, in closed form."""
    found = estimate_label_shift(np.eye(3)[np.arange(500) % 2], SOURCE)
    for level in (0.8, 0.95, 0.99):
        expected = 1 - ((1 - level) / 2) ** (1 / 501)
        assert found.interval(level)[2] == pytest.approx([0.0, expected], rel=0.01)
    assert found.interval(1 - 1e-9)[2].tolist() == [0.0, 1.0]  # further than was looked


def test_all_rows_of_one_class():
    """The estimate is 1, not known without error: the interval is that of the others, from 1."""
    found = estimate_label_shift(np.tile([0.999, 0.001], (40, 1)), [0.5, 0.5])
    assert found.priors.tolist() == [1.0, 0.0]
    assert found.on_boundary.all()
    assert np.isnan(found.standard_errors).all()
    low, high = found.interval().T
    assert (high[0], low[1]) == (1.0, 0.0)
    assert low[0] == pytest.approx(1 - high[1], abs=1e-6)
    assert high[1] == pytest.approx(1 - 0.025 ** (1 / 41), rel=0.02)


def test_near_0_the_interval_is_the_profile_likelihood_s(world):
    """Overlapping classes: the others are chosen best for every frequency, by a search."""
    rng, checked = np.random.default_rng(1), 0
    for frequencies in ([0.6, 0.4, 0.0], [0.58, 0.4, 0.02], [0.55, 0.4, 0.05]):
        p = reference.softmax(world(rng, 300, frequencies, apart=1.5)[0])
        found = estimate_label_shift(p, SOURCE)
        top = np.log(p @ (found.priors / SOURCE)).sum()

        def fall(t, p=p, top=top):
            def loss(of_rest):
                q = np.array([of_rest * (1 - t), (1 - of_rest) * (1 - t), t])
                return -np.log(p @ (q / SOURCE)).sum()

            best = minimize_scalar(loss, bounds=(0, 1), method="bounded", options={"xatol": 1e-8})
            return top + best.fun

        at = np.linspace(0, 0.5, 1001)
        likelihood = np.exp([-fall(t) for t in at])
        share = likelihood.cumsum() / likelihood.sum()
        quantiles = np.interp([0.025, 0.975], share, at)
        low, high = found.interval()[2]
        peak = found.priors[2]
        if peak > 0:
            expected = min(crossing(fall, 0.0, peak), quantiles[0])
            assert low == pytest.approx(expected, abs=0.001)
        assert high == pytest.approx(max(crossing(fall, 0.5, peak), quantiles[1]), rel=0.02)
        checked += 1
    assert checked == 3


def test_levels_are_nested_and_weights_scale_nothing(world):
    """A higher level holds a lower one; weights of 7 are none; the curve ends where the rows do."""
    p = reference.softmax(world(np.random.default_rng(2), 200, [0.6, 0.38, 0.02])[0])
    found = estimate_label_shift(p, SOURCE)
    ends = [found.interval(level) for level in (0.5, 0.8, 0.95, 0.999)]
    for inner, outer in pairwise(ends):
        assert (outer[:, 0] <= inner[:, 0]).all()
        assert (outer[:, 1] >= inner[:, 1]).all()
    weighted = estimate_label_shift(p, SOURCE, weights=np.full(200, 7.0))
    assert weighted.interval() == pytest.approx(found.interval(), abs=1e-9)
    unequal = estimate_label_shift(p, SOURCE, weights=np.r_[np.full(100, 5.0), np.full(100, 0.1)])
    widths = [np.diff(each.interval())[2, 0] for each in (found, unequal)]
    assert widths[1] > 1.2 * widths[0]  # 104 effective rows


def test_data_too_large_for_the_likelihood_follow_its_quadratic(monkeypatch):
    """Nothing in 500 rows: the fall 500 t + 500 t^2 / 2 in place of -500 log(1 - t)."""
    monkeypatch.setattr("temperance.shift.prior_errors._MOST_WORK", 0.0)
    found = estimate_label_shift(np.eye(3)[np.arange(500) % 2], SOURCE)
    at = np.linspace(0, 0.05, 100_001)
    likelihood = np.exp(-500 * at - 250 * at**2)
    expected = at[(likelihood.cumsum() >= 0.975 * likelihood.sum()).argmax()]
    assert found.interval()[2, 1] == pytest.approx(expected, rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("apart", [1.0, 2.0, 4.0, 10.0])
def test_coverage_at_the_boundary(world, request, apart):
    """Frequencies of 0, .005 and .02 among 500 rows are held by .95 of the intervals or more.

    In full (1,000 samples each) .95 to 1.00; with the quadratic likelihood it was .91 to .94
    where a rare class stands apart.
    """
    repetitions = 1000 if "slow" in request.config.getoption("markexpr") else 100
    for rare in (0.0, 0.005, 0.02):
        rng, held = np.random.default_rng(0), 0
        for _ in range(repetitions):
            p = reference.softmax(world(rng, 500, [0.6 - rare, 0.4, rare], apart)[0])
            low, high = estimate_label_shift(p, SOURCE).interval()[2]
            held += low <= rare <= high
        assert held / repetitions > 0.945 - 3.5 * sqrt(0.05 * 0.95 / repetitions)


def test_the_calibrator_s_doubt_in_closed_form():
    """Rows that say yes or no: the error of (yes - a) / (b - a), all three of them estimated.

    a and b are the shares of yes among 90 rows of class 0 and 60 of class 1.
    """
    z = np.r_[np.ones(18), -np.ones(72), np.ones(48), -np.ones(12)]
    y = np.r_[np.zeros(90, int), np.ones(60, int)]
    new = np.r_[np.ones(300), -np.ones(200)]
    found = estimate_label_shift_from_logits(new, z, y)
    a, b, yes = 18 / 90, 48 / 60, 0.6
    q = (yes - a) / (b - a)
    assert found.priors == pytest.approx([1 - q, q], abs=1e-9)
    variance = yes * (1 - yes) / 500
    variance += (1 - q) ** 2 * a * (1 - a) / 90 + q**2 * b * (1 - b) / 60
    assert found.standard_errors == pytest.approx([sqrt(variance) / (b - a)] * 2, rel=1e-6)
    assert found.calibrator == tp.BiasCorrectedTemperatureScaling.fit(z, y)
    known = estimate_label_shift(found.calibrator.apply(new), found.source_priors)
    assert found.standard_errors[1] > 1.5 * known.standard_errors[1]


@pytest.mark.parametrize("method", ["bias-corrected-temperature", "temperature"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_calibrator_s_doubt_against_the_jackknife(world, method, weighted):
    """Leaving out one source row at a time, fitting and estimating anew."""
    rng, n = np.random.default_rng(3), 100
    (z, y), (new, _) = world(rng, n, SOURCE), world(rng, 400, [0.2, 0.3, 0.5])
    z, new = 2 * z + [0.5, 0, 0], 2 * new + [0.5, 0, 0]
    w, of_new = np.ones(n), np.ones(400)
    if weighted:
        w, of_new = 0.2 + (z[:, 0] > z[:, 1]), 0.2 + 2 * (new[:, 0] > new[:, 1])
    kind = tp.METHODS[method]

    def estimated(kept):
        rows = Training.check(z[kept], y[kept], weights=w[kept])
        return label_shift_of_rows(rows, new, of_new, kind.fit(z[kept], y[kept], weights=w[kept]))

    whole = estimated(np.arange(n))
    known = estimate_label_shift(whole.calibrator.apply(new), whole.source_priors, weights=of_new)
    found = whole.standard_errors**2 - known.standard_errors**2
    left = np.array([estimated(np.delete(np.arange(n), i)).priors for i in range(n)])
    expected = ((left - left.mean(axis=0)) ** 2).sum(axis=0)
    assert found == pytest.approx(expected, rel=0.15)


def test_options_that_do_not_exist_and_rows_of_weight_0(world):
    """Masked options are no class of a row; rows of weight 0 change no number."""
    rng = np.random.default_rng(4)
    (z, y), (new, _) = world(rng, 300, SOURCE), world(rng, 300, [0.2, 0.3, 0.5])
    z[np.arange(0, 300, 4), (y[::4] + 1) % 3] = -np.inf
    new[::5, 1] = -np.inf
    w, of_source = (np.arange(300) % 3 > 0).astype(float), (np.arange(300) % 7 > 0).astype(float)
    found = estimate_label_shift_from_logits(new, z, y, new_weights=w, weights=of_source)
    without = estimate_label_shift_from_logits(new[w > 0], z[of_source > 0], y[of_source > 0])
    assert found.priors == pytest.approx(without.priors, abs=1e-8)
    assert found.standard_errors == pytest.approx(without.standard_errors, rel=1e-6)
    assert np.isfinite(found.interval()).all()


def test_source_rows_without_a_class_fall_back_on_the_temperature(world):
    """Biases need every class; a temperature then calibrates alone. No new rows are refused."""
    rng = np.random.default_rng(5)
    (z, y), (new, _) = world(rng, 200, [0.6, 0.4, 0.0]), world(rng, 100, SOURCE)
    found = estimate_label_shift_from_logits(new, 2 * z, tp.Positions(y), classes=["a", "b", "c"])
    assert found.calibrator.method == "temperature"
    assert found.classes == ("a", "b", "c")
    with pytest.raises(tp.InvalidInputError, match="at least one row"):
        estimate_label_shift_from_logits(new[:0], z, y)
    with pytest.raises(tp.InvalidInputError, match="3 columns"):
        estimate_label_shift_from_logits(new[:, :2], z, y)


def holds(found, truth):
    low, high = found.interval().T
    return (low <= truth) & (truth <= high)


@pytest.mark.slow
@pytest.mark.parametrize("n_source", [500, 5000])
def test_coverage_with_the_calibrator_fitted_inside(world, request, n_source):
    """5,000 new rows: intervals hold the truth in .94 or more; .82 if the calibrator were known."""
    full = "slow" in request.config.getoption("markexpr")
    repetitions = 400 if full else 40
    truth, held, taken_as_known = np.array([0.2, 0.2, 0.6]), np.zeros(3), np.zeros(3)
    rng = np.random.default_rng(6)
    for _ in range(repetitions):
        (z, y), (new, _) = world(rng, n_source, SOURCE), world(rng, 5000, truth)
        z, new = 2 * z + [0.5, -0.5, 0], 2 * new + [0.5, -0.5, 0]
        found = estimate_label_shift_from_logits(new, z, y)
        known = estimate_label_shift(found.calibrator.apply(new), found.calibrator.apply(z))
        held += holds(found, truth)
        taken_as_known += holds(known, truth)
    error = sqrt(0.06 * 0.94 / repetitions)
    assert (held / repetitions > 0.94 - 3.5 * error).all()
    assert (taken_as_known <= held + 1).all()
    if n_source == 500 and full:
        assert taken_as_known.min() / repetitions < 0.9
