"""Class frequencies without labels, and weights of source rows, against slow and closed forms."""

import numpy as np
import pytest
from scipy.stats import norm

import reference
import temperance as tp
from temperance.shift import covariate_weights, estimate_label_shift, shape_features

MEANS = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]])
SOURCE = np.array([0.5, 0.3, 0.2])


def posteriors(x):
    """P(class) of points from three round normal distributions, at the source's frequencies."""
    return reference.softmax(-0.5 * ((x[:, None] - MEANS) ** 2).sum(axis=2) + np.log(SOURCE))


def draw(rng, n, frequencies):
    """Exact source posteriors of n rows whose classes have these frequencies."""
    y = rng.choice(3, size=n, p=frequencies)
    return posteriors(rng.normal(size=(n, 2)) + MEANS[y])


def expectation_maximisation(p, pi, w, steps=20_000):
    """Saerens' iteration, as it is written."""
    q = pi.copy()
    for _ in range(steps):
        posterior = p * q / pi
        posterior /= posterior.sum(axis=1, keepdims=True)
        q = w @ posterior / w.sum()
    return q


@pytest.mark.parametrize(
    ("method", "q0", "distance", "before", "after"),
    [
        ("identity", 0.310277, 0.0244, 0.235667, 0.221163),
        ("temperature", 0.317719416, 0.0211, 0.188558, 0.174637),
        ("bias-corrected-temperature", 0.323943, 0.0270, 0.179217, 0.175219),
    ],
)
def test_label_shift_of_real_data(method, q0, distance, before, after):
    """CIFAR-10 with too many of class 0: frequencies and log losses of the reference."""
    z, y, new, labels = reference.reference_b()
    kept = (labels == 0) | (np.arange(5000) % 4 == 0)
    calibrator = tp.METHODS[method].fit(z, y)
    probs, labels = calibrator.apply(new[kept]), labels[kept]
    shift = estimate_label_shift(probs, calibrator.apply(z))
    assert shift.n == 1620
    assert abs(shift.priors[0] - q0) < (1e-8 if method == "temperature" else 1e-6)
    true = np.bincount(labels, minlength=10) / 1620
    assert abs(np.abs(shift.priors - true).sum() - distance) < 5.1e-5
    corrected = shift.apply(probs)
    assert abs(reference.log_loss(probs, labels) - before) < 5.1e-7
    assert abs(reference.log_loss(corrected, labels) - after) < 5.1e-7
    assert shift.p_value < 1e-6
    low, high = shift.interval().T
    assert ((low <= true) & (true <= high)).sum() >= 9


def test_frequencies_are_those_of_em():
    """Newton's maximum is the fixed point of EM, with weights, and its gap certifies it."""
    rng = np.random.default_rng(0)
    p, w = draw(rng, 300, [0.2, 0.2, 0.6]), rng.uniform(0, 2, 300)
    shift = estimate_label_shift(p, SOURCE, weights=w)
    assert shift.priors == pytest.approx(expectation_maximisation(p, SOURCE, w), abs=1e-9)
    assert shift.gap < 1e-12


def test_a_class_that_is_gone_is_exactly_0():
    """On the boundary: 0, no standard error, an interval from 0 that says how sure that is."""
    p = draw(np.random.default_rng(3), 500, [0.6, 0.4, 0.0])
    shift = estimate_label_shift(p, SOURCE)
    assert shift.on_boundary.tolist() == [False, False, True]
    assert shift.priors[2] == 0.0
    assert np.isnan(shift.standard_errors[2])
    assert shift.to_dict()["standard_errors"][2] is None
    low, high = shift.interval()[2]
    assert low == 0.0
    assert 0.0 < high < 0.1
    assert shift.gap < 1e-12


def test_weights_are_copies_and_absences():
    """Weight 2 is the row twice for the estimate; weight 0 is the row absent, for all numbers."""
    p = draw(np.random.default_rng(1), 60, [0.2, 0.3, 0.5])
    w = np.arange(60) % 3
    twice = estimate_label_shift(np.repeat(p, w, axis=0), SOURCE)
    assert estimate_label_shift(p, SOURCE, weights=w).priors == pytest.approx(
        twice.priors, abs=1e-10
    )
    absent = estimate_label_shift(p, SOURCE, weights=w > 0)
    without = estimate_label_shift(p[w > 0], SOURCE)
    assert absent.standard_errors == pytest.approx(without.standard_errors, abs=1e-10)
    assert absent.p_value == pytest.approx(without.p_value, abs=1e-10)


@pytest.mark.slow
def test_intervals_hold_the_truth_and_the_test_its_size(request):
    """95 % intervals hold the frequencies; the test finds no change in 5 % of unchanged worlds."""
    repetitions = 1000 if "slow" in request.config.getoption("markexpr") else 60
    rng = np.random.default_rng(5)
    for frequencies in (SOURCE, np.array([0.15, 0.25, 0.6]), np.array([0.02, 0.9, 0.08])):
        held, found, priors, errors = np.zeros(3), 0, [], []
        for _ in range(repetitions):
            shift = estimate_label_shift(draw(rng, 400, frequencies), draw(rng, 600, SOURCE))
            low, high = shift.interval().T
            held += (low <= frequencies) & (frequencies <= high)
            found += shift.p_value < 0.05
            priors.append(shift.priors)
            errors.append(shift.standard_errors)
        error = (0.05 * 0.95 / repetitions) ** 0.5
        stated = np.nanmean(np.square(errors), axis=0) ** 0.5 / np.std(priors, axis=0)
        if frequencies.min() > 0.1:  # else some estimates are 0, and vary less
            assert (np.abs(stated - 1) < 0.05 + 3.5 / (2 * repetitions) ** 0.5).all()
        assert (held / repetitions > 0.92 - 3.5 * error).all()
        if frequencies is SOURCE:
            assert abs(found / repetitions - 0.05) < 0.01 + 3.5 * error
        else:
            assert found / repetitions > 0.95


def test_rows_that_tell_nothing_keep_the_source():
    """Constant probabilities: nothing moves, nothing is known, and the interval says so."""
    shift = estimate_label_shift(np.tile(SOURCE, (20, 1)), SOURCE)
    assert shift.priors == pytest.approx(SOURCE, abs=1e-12)
    assert np.isnan(shift.standard_errors).all()
    assert shift.interval().tolist() == [[0.0, 1.0]] * 3
    assert shift.p_value is None


@pytest.mark.parametrize(
    ("priors", "message"),
    [
        ([0.5, 0.3, 0.3], r"`source_priors` must sum to 1.*1\.1"),
        ([0.5, 0.5], r"`source_priors` must have shape \(3,\)"),
        ([np.nan, 0.5, 0.5], r"`source_priors` must lie in \[0, 1\]; class a has nan"),
        ([-0.5, 1.0, 0.5], r"class a has -0\.5"),
        ([0.5, 0.5, 0.0], r"class c has 0, and row 0 gives it probability"),
        ([[0.5, 0.3, 0.2]], "at least 2 source rows, got 1"),
        ([[0.5, 0.5], [0.5, 0.5]], "3 columns of `probs`, got 2"),
    ],
)
def test_bad_source_priors_are_refused(priors, message):
    """The message names the argument, the class, and what was found."""
    p = draw(np.random.default_rng(1), 20, SOURCE)
    with pytest.raises(tp.InvalidInputError, match=message):
        estimate_label_shift(p, priors, classes=["a", "b", "c"])


def test_bad_rows_are_refused():
    """No rows, no weight, a nan: errors, never a number."""
    for probs, weights in (
        (np.zeros((0, 3)), None),
        ([SOURCE, SOURCE], [0, 0]),
        ([[np.nan, 0.5, 0.5]], None),
    ):
        with pytest.raises(tp.InvalidInputError, match=r"`probs`|`weights`"):
            estimate_label_shift(probs, SOURCE, weights=weights)
    gone = estimate_label_shift([[1.0, 0.0, 0.0]] * 3, SOURCE)
    with pytest.raises(tp.InvalidInputError, match="row 0 lie on classes whose new frequency is 0"):
        gone.apply([[0.0, 1.0, 0.0]])


def test_results_show_themselves():
    """Text, HTML and frame hold every class under its name."""
    p = draw(np.random.default_rng(2), 400, [0.2, 0.2, 0.6])
    shift = estimate_label_shift(p, SOURCE, classes=["cat", "<dog>", "owl"])
    assert "owl" in str(shift)
    assert "more" in str(shift)
    assert "&lt;dog&gt;" in shift._repr_html_()
    pytest.importorskip("pandas")
    frame = shift.to_frame("pandas")
    assert frame["new"].tolist() == shift.priors.tolist()
    assert frame["class"].tolist() == ["cat", "<dog>", "owl"]


def test_no_class_has_moved_where_the_test_finds_nothing():
    """One of ten intervals leaves its class out by chance; the table says no word of it."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        p = rng.dirichlet(np.ones(10) / 3, size=1200)
        shift = estimate_label_shift(p[:600], p[600:])
        low, high = shift.interval().T
        out = (shift.source_priors < low) | (shift.source_priors > high)
        if out.any() and shift.p_value > 0.05:
            break
    assert out.any()
    assert shift.unchanged
    words = str(shift)
    assert "more" not in words
    assert "fewer" not in words
    moved = estimate_label_shift(p[:600][p[:600, 0] > 0.1], p[600:])
    assert not moved.unchanged
    assert "more" in str(moved)


def test_weights_of_two_normal_distributions():
    """A target moved by half a spread: AUC and density ratio in closed form."""
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=5000), rng.normal(size=5000) + 0.5
    found = covariate_weights(source, target)
    assert found.auc.low < norm.cdf(0.5 / np.sqrt(2)) < found.auc.high
    assert found.told_apart
    slope = np.polyfit(source, np.log(found.weights), 1)[0]  # true 0.5; standard error 0.02
    assert abs(slope - 0.5) < 0.08
    assert found.weights.mean() == pytest.approx(1.0)
    by_hand = found.weights.sum() ** 2 / (found.weights**2).sum()
    assert found.effective_rows == pytest.approx(by_hand)


def test_area_under_curve_is_a_count_of_pairs():
    """AUC of two columns of small integers, ties half, equals the loop over pairs."""
    from temperance.shift.covariates import area_under_curve

    rng = np.random.default_rng(0)
    s, target, w = rng.integers(0, 5, 60), np.arange(60) % 3 == 0, rng.uniform(0, 2, 60)
    total = won = 0.0
    for i in np.flatnonzero(target):
        for j in np.flatnonzero(~target):
            total += w[i] * w[j]
            won += w[i] * w[j] * (0.5 if s[i] == s[j] else s[i] > s[j])
    assert area_under_curve(s, target, w).value == pytest.approx(won / total, rel=1e-12)


def test_clipped_weights_have_mean_1_and_their_limit():
    """No weight is larger than `clip`, exactly, and the mean stays 1."""
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(200, 2)), rng.normal(size=(150, 2)) + 1.0
    found = covariate_weights(source, target, clip=3.0)
    assert found.weights.max() == 3.0
    assert found.clipped == (found.weights == 3.0).sum() > 0
    assert found.weights.mean() == pytest.approx(1.0, rel=1e-12)


def test_the_same_data_cannot_be_told_apart():
    """Halves of CIFAR-10: AUC one half within its interval, weights all but 1."""
    z, _, new, _ = reference.reference_b()
    found = covariate_weights(shape_features(z), shape_features(new))
    assert not found.told_apart
    assert found.effective_rows > 4900
    assert "no (AUC 0." in str(found)
    assert found.auc.value == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("source", "target", "options", "message"),
    [
        (np.zeros((20, 2)), np.zeros((20, 3)), {}, "`target` must have the 2 columns"),
        (np.zeros((5, 2)), np.zeros((20, 2)), {}, "`source` must have at least 10 rows"),
        (
            np.full((20, 2), np.nan),
            np.zeros((20, 2)),
            {},
            "`source` must be finite, and not beyond 1e.100; row 0",
        ),
        (np.zeros(20), np.zeros(20), {"clip": 1.0}, "`clip` must be a finite number above 1"),
        (np.zeros(20), np.zeros(20), {"ridge": 0.0}, "`ridge` must be a finite number above 0"),
        (np.zeros(20), np.zeros(20), {"source_weights": np.zeros(20)}, "not all be zero"),
    ],
)
def test_bad_features_are_refused(source, target, options, message):
    """The message names the argument and what was found."""
    with pytest.raises(tp.InvalidInputError, match=message):
        covariate_weights(source, target, **options)
