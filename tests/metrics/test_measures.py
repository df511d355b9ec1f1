"""Scores, calibration error, reliability curve: by hand, row by row, at the edges."""

from dataclasses import astuple
from fractions import Fraction
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
import temperance as tp
from temperance import metrics
from temperance.binning import assign, bin_edges, forecast_numbers

MEASURES = [
    metrics.log_loss,
    metrics.brier_score,
    metrics.accuracy,
    metrics.expected_calibration_error,
]


def two_columns(confidence, correct):
    """Binary rows whose predicted class is 0 with the given confidence (0 counts as 1 - 1e-300)."""
    c = np.asarray(confidence, dtype=float)
    return np.stack([c, 1 - c], axis=1), np.where(correct, 0, 1)


@pytest.mark.parametrize("n_bins", [1, 2, 3, 5, 10, 15, 20, 100])
def test_edge_rule(n_bins):
    """0 and 1/B fall in the first bin, 2e-6 above 1/B in the second, 1 in the last."""
    edges = bin_edges(np.ones(1), n_bins=n_bins, binning="equal-width", weights=None)
    assert len(edges) == n_bins + 1
    on_edge = np.arange(n_bins + 1) / n_bins
    assert assign(on_edge, edges).tolist() == [0, *range(n_bins)]
    above = on_edge[:-1] + 2e-6
    assert assign(above, edges).tolist() == list(range(n_bins))
    by_rounding = np.nextafter(on_edge[1:], 2)
    assert assign(by_rounding, edges).tolist() == list(range(n_bins))


@pytest.mark.parametrize("n_bins", range(1, 31))
def test_forecasts_k_of_n_are_binned_as_fractions(n_bins):
    """k/n falls in the bin of the exact fraction, however it was computed, in either precision."""
    edges = bin_edges(np.ones(1), n_bins=n_bins, binning="equal-width", weights=None)
    for n in range(1, 61):
        k = np.arange(n + 1)
        exact = [max(0, ceil(Fraction(int(each) * n_bins, n)) - 1) for each in k]
        for dtype in (np.float64, np.float32):
            one = dtype(1)
            p = k.astype(dtype) / dtype(n)
            with np.errstate(divide="ignore"):
                z = np.log(np.stack([one - p, p], axis=1))
            e = np.exp(z - z.max(axis=1, keepdims=True))
            softmax = (e / e.sum(axis=1, keepdims=True))[:, 1]
            added = np.cumsum(np.r_[0.0, np.full(n, 1.0 / n)])
            ways = (p, (one / dtype(n)) * k.astype(dtype), one - (n - k).astype(dtype) / dtype(n))
            for each in (*ways, softmax, added):
                value = np.clip(each.astype(np.float64), 0.0, 1.0)
                assert assign(value, edges).tolist() == exact


def test_how_a_forecast_was_computed_moves_no_error():
    """0.1 * 3, 1 - 0.7, 0.3 and 0.3 in single precision have the same errors, however binned."""
    from temperance.metrics import reliability_curve
    from temperance.metrics.selective import risk_coverage

    rng = np.random.default_rng(0)
    tenths = rng.integers(5, 11, 400)
    y = (rng.random(400) < tenths / 12).astype(int)
    ways = [tenths / 10, 0.1 * tenths, 1 - (10 - tenths) / 10, (tenths / 10).astype(np.float32)]
    found = []
    for way in [*ways, np.choose(rng.integers(0, 4, 400), ways)]:
        p = np.stack([1 - np.clip(way.astype(float), 0, 1), np.clip(way.astype(float), 0, 1)], 1)
        evaluation = tp.evaluate(p, y, n_bins=10, n_resamples=100)
        blocks = tp.evaluate_blocks([(p[:150], y[:150]), (p[150:], y[150:])], n_bins=10)
        curve = risk_coverage(p, y)
        ranked = [
            evaluation.errors["ks"].value,
            evaluation.corp.miscalibration.value,
            metrics.murphy_decomposition(p, y).resolution,
            curve.aurc.value,
            curve.augrc.high,
            risk_coverage(p, y, score="margin").aurc.value,
            risk_coverage(p, y, score="entropy").aurc.value,
        ]
        of_bins = ("ece", "ece_equal_mass", "debiased", "smooth", "classwise", "flattened")
        values = [each.errors[name].value for each in (evaluation, blocks) for name in of_bins]
        counts = [
            curve.count.tolist()
            for curve in (
                evaluation.reliability,
                blocks.reliability,
                reliability_curve(p, y, n_bins=10),
            )
        ]
        found.append((values + ranked, [*counts, len(curve.risk)]))
    for values, counts in found[1:]:
        assert values == pytest.approx(found[0][0], abs=1e-6)
        assert counts == found[0][1]


@pytest.mark.parametrize("norm", [2, 50, 200, 700, 1000, 1e6])
def test_a_large_norm_loses_no_gap(norm):
    """The error of a finite norm lies between the mean gap and the largest one, and tends to it."""
    p, y = two_columns([0.6, 0.8, 1.0, 1.0], [False, True, True, False])
    mean, largest = (
        metrics.expected_calibration_error(p, y, n_bins=5, norm=each) for each in (1, np.inf)
    )
    error = metrics.expected_calibration_error(p, y, n_bins=5, norm=norm)
    exact = largest * float(Fraction(1, 4)) ** (1 / norm)  # of one row in four
    assert mean <= error <= largest
    assert error >= exact * (1 - 1e-12)


@settings(max_examples=100, deadline=None)
@given(c=st.floats(0, 1), n_bins=st.integers(1, 40))
def test_bins_match_a_walk_up_the_edges(c, n_bins):
    """Any confidence lands where the rule, followed edge by edge, puts it."""
    edges = bin_edges(np.ones(1), n_bins=n_bins, binning="equal-width", weights=None)
    assert assign(np.array([c]), edges)[0] == reference.bin_of(c, n_bins)


def test_textbook_rows_at_the_edges():
    """c = .6, .8, 1 with 5 bins: three bins, each off by its own gap."""
    p, y = two_columns([0.6, 0.8, 1.0, 1.0], [False, True, True, False])
    # bins (.4,.6]: .6 - 0; (.6,.8]: .8 - 1; (.8,1]: 2 - 1 of two rows
    expected = ((0.4 * 0) + 0.2 + 1.0) / 4
    p, y = p[1:], y[1:]
    assert metrics.expected_calibration_error(p, y, n_bins=5) == pytest.approx(expected * 4 / 3)


def test_confidence_of_exactly_one_has_no_bin_of_its_own():
    """With one bin the error is |mean confidence - accuracy|, rows of confidence 1 included."""
    p, y = two_columns([0.8, 1.0, 1.0, 1.0], [True, True, True, False])
    assert metrics.expected_calibration_error(p, y, n_bins=1) == pytest.approx(0.95 - 0.75)
    p, y = two_columns([0.95, 1.0], [True, False])  # torchmetrics prints 0.525 here
    assert metrics.expected_calibration_error(p, y, n_bins=10) == pytest.approx(0.475)


@pytest.mark.parametrize("seed", range(5))
def test_row_by_row(sample, seed):
    """Each measure equals a loop over rows, weighted ECE included."""
    z, y = sample(seed, n=120)
    p = reference.softmax(z)
    assert metrics.log_loss(p, y) == pytest.approx(reference.log_loss(p, y), rel=1e-12)
    assert metrics.brier_score(p, y) == pytest.approx(reference.brier(p, y), rel=1e-12)
    ece = reference.expected_calibration_error
    assert metrics.expected_calibration_error(p, y) == pytest.approx(ece(p, y), rel=1e-12)
    w = np.random.default_rng(seed).uniform(0, 2, 120)
    weighted = metrics.expected_calibration_error(p, y, weights=w)
    assert weighted == pytest.approx(ece(p, y, w=w), rel=1e-12)


@pytest.mark.parametrize("measure", MEASURES)
def test_weight_two_is_the_row_twice(sample, measure):
    """Weights count rows; a row of weight 0 is not there, even with probability 0."""
    z, y = sample(n=60)
    p = reference.softmax(z)
    w = np.arange(60) % 3
    assert measure(p, y, weights=w) == pytest.approx(measure(p.repeat(w, axis=0), y.repeat(w)))
    p[0] = [0, 1, 0, 0]
    y[0] = 0
    assert np.isfinite(measure(p, y, weights=w))


@pytest.mark.parametrize("measure", MEASURES)
def test_row_and_class_order_do_not_matter(sample, measure):
    """A permutation of rows, and of classes with their labels, changes nothing."""
    z, y = sample(n=80)
    p = reference.softmax(z)
    rng = np.random.default_rng(0)
    rows, columns = rng.permutation(80), rng.permutation(4)
    moved = measure(p[rows][:, columns], columns.argsort()[y[rows]])
    assert moved == pytest.approx(measure(p, y), rel=1e-12)


@pytest.mark.parametrize("measure", MEASURES)
def test_one_column_is_the_probability_of_class_one(measure):
    """(n,) probabilities and two columns give the same."""
    p1 = np.array([0.1, 0.7, 0.4, 0.9])
    y = [0, 1, 1, 1]
    assert measure(p1, y) == pytest.approx(measure(np.stack([1 - p1, p1], axis=1), y))


def test_equal_mass_never_parts_ties():
    """Half the rows with one confidence: the error does not depend on the order of the rows."""
    rng = np.random.default_rng(0)
    c = np.concatenate([np.full(50, 0.75), rng.uniform(0.5, 1, 50)])
    p, y = two_columns(c, rng.random(100) < c)
    errors = set()
    for _ in range(5):
        order = rng.permutation(100)
        error = metrics.expected_calibration_error(
            p[order], y[order], n_bins=7, binning="equal-mass"
        )
        errors.add(round(error, 12))
    assert len(errors) == 1


def test_equal_mass_weights():
    """Weights of one are no weights, and whole weights are repeated rows."""
    rng = np.random.default_rng(0)
    c = rng.uniform(0.5, 1, 100)
    p, y = two_columns(c, rng.random(100) < c)

    def error(p, y, w=None):
        return metrics.expected_calibration_error(p, y, binning="equal-mass", weights=w)

    assert error(p, y, np.ones(100)) == error(p, y)
    w = rng.integers(0, 4, 100)
    assert error(p, y, w) == pytest.approx(error(p.repeat(w, axis=0), y.repeat(w)))
    assert 0 <= error(p, y, rng.uniform(0, 1e-3, 100)) <= 1


@pytest.mark.parametrize("options", [{"n_bins": 0}, {"n_bins": 2.5}, {"binning": "quantile"}])
def test_options_are_checked(options):
    """A number of bins below 1, half a bin, and a binning that does not exist."""
    with pytest.raises(tp.InvalidInputError, match=f"`{next(iter(options))}`"):
        metrics.expected_calibration_error([[0.5, 0.5]], [0], **options)


def test_log_loss_of_an_impossible_label_is_infinite():
    """Nothing is clipped: a true class of probability 0 makes the mean infinite."""
    assert metrics.log_loss([[1.0, 0.0], [0.5, 0.5]], [1, 0]) == np.inf


def test_reliability_curve_holds_the_error(sample):
    """The curve's gaps, weighted by its shares, are the calibration error; no nan, no empty bin."""
    z, y = sample(n=300)
    p = reference.softmax(z)
    curve = metrics.reliability_curve(p, y)
    error = (curve.share * abs(curve.confidence - curve.accuracy)).sum()
    assert error == pytest.approx(metrics.expected_calibration_error(p, y))
    assert curve.count.sum() == 300
    assert (curve.lower < curve.confidence).all()
    assert (curve.confidence <= curve.upper).all()
    assert (curve.accuracy_low <= curve.accuracy).all()
    assert (curve.accuracy <= curve.accuracy_high).all()


def test_wilson_interval_by_hand():
    """1 right of 1: Wilson's lower end is 1 / (1 + q^2); never below 0 or above 1."""
    curve = metrics.reliability_curve([[0.75, 0.25]], [0], n_bins=1)
    assert curve.accuracy_low[0] == pytest.approx(1 / (1 + 1.959964**2), rel=1e-6)
    assert curve.accuracy_high[0] == 1.0


@pytest.mark.parametrize("d", [10, 15, 30, 100])
@pytest.mark.parametrize("weighted", [False, True])
def test_bins_of_equal_mass_part_no_forecast_from_its_own_rounding(d, weighted):
    """Forecasts k / n in single precision fall in the bins of the fractions they stand for."""
    rng = np.random.default_rng(d)
    counts = rng.multinomial(d, [0.5, 0.3, 0.2], 400)
    counts = counts[np.diff(np.sort(counts), axis=1)[:, 1] > 0]  # no two classes are first
    exact = counts / d
    labels = (exact.cumsum(axis=1) < rng.random((len(exact), 1))).sum(axis=1)
    weights = rng.integers(1, 4, len(exact)).astype(float) if weighted else None
    e = exact.astype("f4") * rng.uniform(0.5, 2.0, (len(exact), 1)).astype("f4")
    rounded = [exact.astype("f4"), e / e.sum(axis=1, keepdims=True), exact * (1 - 1e-16)]
    options = {"n_bins": 15, "binning": "equal-mass", "weights": weights}
    known = metrics.reliability_curve(exact, labels, **options)
    for probs in rounded:
        found = metrics.reliability_curve(probs, labels, **options)
        assert found.count.tolist() == known.count.tolist()
        assert metrics.expected_calibration_error(probs, labels, **options) == pytest.approx(
            metrics.expected_calibration_error(exact, labels, **options), abs=1e-6
        )
        for measure in (metrics.murphy_decomposition, metrics.score_decomposition):
            for before, after in zip(
                astuple(measure(exact, labels, weights=weights)),
                astuple(measure(probs, labels, weights=weights)),
                strict=True,
            ):
                assert after == pytest.approx(before, abs=2e-6)


def test_dense_forecasts_are_told_apart():
    """Only what lies alone is one forecast: no run of close values, nor those of a sure model."""
    dense = np.sort(np.random.default_rng(0).random(100_000))
    assert forecast_numbers(dense)[-1] > 99_700  # pairs that lie alone by chance
    sure = 1.0 - np.logspace(-2, -12, 200)
    for values in (sure, np.array([0.5]), np.array([0.2, 0.2 + 2e-6, 0.9])):
        assert forecast_numbers(values).tolist() == list(range(len(values)))
    assert forecast_numbers(np.array([0.2, 0.2, 0.2 + 1e-7, 0.9])).tolist() == [0, 0, 0, 1]
