"""Platt, beta, isotonic and Venn-Abers: reference numbers, plain code, and what has no fit."""

import json

import numpy as np
import pytest

import reference
import temperance as tp
from temperance.calibrators.venn_abers import venn_abers_steps
from temperance.logistic_regression import fit_logistic

BINARY = ["platt", "beta", "isotonic", "venn-abers"]


@pytest.fixture
def top_label():
    """REF-B as two classes, "the predicted class is right" or not: log-odds and outcomes."""

    def odds(z, y):
        log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        predicted = log_p.argmax(axis=1)
        rest = np.where(np.arange(10) == predicted[:, None], -np.inf, log_p)
        return log_p.max(axis=1) - np.log(np.exp(rest).sum(axis=1)), (predicted == y).astype(int)

    z, y, z_test, y_test = reference.reference_b()
    return *odds(z, y), *odds(z_test, y_test)


@pytest.fixture
def crowd():
    """Log-odds that are too extreme at one end, with outcomes."""
    rng = np.random.default_rng(8)
    odds = rng.normal(size=400) * 2
    return odds, (rng.random(400) < 1 / (1 + np.exp(-0.5 * odds - 0.3 * (odds > 0)))).astype(int)


def loss(odds, hit):
    """Mean log loss of log-odds."""
    return np.logaddexp(0, np.where(hit == 1, -odds, odds)).mean()


def test_logistic_regression_against_scikit_learn(top_label):
    """Without Platt's targets: the numbers of a rival that is told to converge."""
    model = pytest.importorskip("sklearn.linear_model").LogisticRegression
    odds, hit, _, _ = top_label
    rival = model(C=1e8, tol=1e-12, max_iter=10_000).fit(odds[:, None], hit)
    features = np.stack([odds, np.ones(len(odds))], axis=1)
    found = fit_logistic(features, hit.astype(float), np.ones(len(odds))).coefficients
    assert found == pytest.approx([rival.coef_[0, 0], rival.intercept_[0]], abs=1e-6)


def test_affine_map_of_the_top_label(top_label):
    """The printed coefficients are those of a search that stopped early: ours fit better.

    (.58451515, -.6459442) lies 3e-9 above the optimum (.58446469, -.64542777) on the rows of the
    fit, and 2e-6 above it on the test rows, whose printed log loss is .13437526.
    """
    odds, hit, odds_test, hit_test = top_label
    features = np.stack([odds, np.ones(len(odds))], axis=1)
    a, b = fit_logistic(features, hit.astype(float), np.ones(len(odds))).coefficients
    assert (a, b) == pytest.approx((0.58451515, -0.6459442), abs=6e-4)
    assert loss(a * odds + b, hit) < loss(0.58451515 * odds - 0.6459442, hit)
    printed = loss(0.58451515 * odds_test - 0.6459442, hit_test)
    assert printed == pytest.approx(0.13437526, abs=2e-8)
    assert loss(a * odds_test + b, hit_test) == pytest.approx(printed, abs=2e-6)


def test_beta_map_of_the_top_label(top_label):
    """a is 0, and the printed third number is the probability that is mapped to 1/2.

    The printed b and midpoint, again of a search that stopped early, fit the rows 3e-9 worse.
    """
    odds, hit, odds_test, hit_test = top_label
    fitted = tp.BetaCalibration.fit(odds, hit)
    b, middle = 0.62258958, 0.75811037
    assert fitted.a == 0.0
    assert fitted.b == pytest.approx(b, abs=1e-4)
    assert 1 - np.exp(fitted.c / fitted.b) == pytest.approx(middle, abs=1e-4)
    constant = b * np.log(1 - middle)
    assert loss(fitted.scale(odds), hit) < loss(b * np.logaddexp(0, odds) + constant, hit)
    printed = loss(b * np.logaddexp(0, odds_test) + constant, hit_test)
    assert printed == pytest.approx(0.13318804, abs=3e-8)
    assert loss(fitted.scale(odds_test), hit_test) == pytest.approx(printed, abs=5e-6)


def test_platt_minimises_the_loss_of_its_targets(crowd):
    """No neighbour of slope and intercept is better against (N1 + 1)/(N1 + 2) and 1/(N0 + 2)."""
    odds, hit = crowd
    fitted = tp.PlattScaling.fit(odds, hit)
    n1 = hit.sum()
    n0 = len(hit) - n1
    target = np.where(hit == 1, (n1 + 1) / (n1 + 2), 1 / (n0 + 2))

    def objective(a, b):
        q = a * odds + b
        return (np.logaddexp(0, q) - target * q).sum()

    best = objective(fitted.slope, fitted.intercept)
    for angle in np.linspace(0, 6, 9):
        step = 1e-4 * np.array([np.cos(angle), np.sin(angle)])
        assert objective(fitted.slope + step[0], fitted.intercept + step[1]) > best


@pytest.mark.parametrize("prior", [0.0, 3.0])
def test_beta_is_the_best_of_a_grid(prior):
    """Under a, b >= 0: no point of a fine grid around it is better, also where a is cut to 0."""
    for bend in (-0.6, 0.0, 0.6):
        rng = np.random.default_rng(1)
        odds = rng.normal(size=300) * 2
        p = 1 / (1 + np.exp(-(0.6 + bend * np.tanh(odds)) * odds))
        hit = (rng.random(300) < p).astype(int)
        fitted = tp.BetaCalibration.fit(odds, hit, prior=prior)
        x = np.stack([-np.logaddexp(0, -odds), np.logaddexp(0, odds), np.ones(300)], axis=1)

        def objective(at, x=x, hit=hit):
            q = x @ at
            away = at - np.array([1.0, 1.0, 0.0])
            return (np.logaddexp(0, q) - hit * q).sum() + prior / 2 * away @ away

        at = np.array([fitted.a, fitted.b, fitted.c])
        assert (at[:2] >= 0).all()
        for step in np.random.default_rng(2).normal(size=(200, 3)) * 0.01:
            other = at + step
            other[:2] = np.maximum(other[:2], 0)
            assert objective(other) >= objective(at) - 1e-9


@pytest.mark.parametrize(
    ("odds", "hit"),
    [
        ([-3, -2, -1, 0, 1, 2, 3], [0, 0, 1, 1, 1, 1, 0]),  # an interval tells the classes apart
        ([-3, -2, -1, 0, 1, 2, 3, 4], [0, 0, 0, 1, 1, 1, 0, 0]),
        ([-1, 1] * 10, [0, 1] * 8 + [1, 0] * 2),  # two scores: three numbers are one too many
    ],
)
def test_beta_where_only_the_unbounded_map_has_no_optimum(odds, hit):
    """Under a, b >= 0 there is one: as good as what a general search from three starts finds."""
    from scipy.optimize import minimize

    odds, hit = np.array(odds, dtype=float), np.array(hit)
    x = np.stack([-np.logaddexp(0, -odds), np.logaddexp(0, odds), np.ones(len(odds))], axis=1)
    bounds = [(0, None), (0, None), (None, None)]
    best = min(
        minimize(lambda at: loss(x @ at, hit), start, bounds=bounds, method="L-BFGS-B").fun
        for start in ([1, 1, 0], [0.1, 0, 0], [0, 0.1, 0])
    )
    fitted = tp.BetaCalibration.fit(odds, hit)
    assert fitted.record.log_loss_after == pytest.approx(best, abs=1e-9)


def test_beta_sees_separation_before_it_starts():
    """300 rows: the search would end far out, where another step gains nothing."""
    odds = np.sort(np.random.default_rng(0).normal(size=300)) * 4
    hit = (odds > 0).astype(int)
    tied = odds.copy()
    tied[np.abs(odds).argsort()[:8]] = 0.0  # rows of both classes at one score change nothing
    for scores in (odds, tied):
        with pytest.raises(tp.NoOptimumError, match="--prior 1") as caught:
            tp.BetaCalibration.fit(scores, hit)
        assert caught.value.reason == "separable"


def centred(odds, hit, w=None):
    """Centred isotonic regression, block by block: pool violators in a list, then interpolate."""
    w = np.ones(len(hit)) if w is None else w
    blocks = []
    for x in sorted(set(odds[w > 0])):
        own = w[odds == x]
        blocks.append([x * own.sum(), (own * hit[odds == x]).sum(), own.sum()])
        while len(blocks) > 1 and blocks[-2][1] * blocks[-1][2] >= blocks[-1][1] * blocks[-2][2]:
            last = blocks.pop()
            blocks[-1] = [a + b for a, b in zip(blocks[-1], last, strict=True)]
    x = [b[0] / b[2] for b in blocks]
    least = 1 / (w.sum() ** 2 / (w**2).sum() + 2)
    return x, np.clip([b[1] / b[2] for b in blocks], least, 1 - least)


def test_isotonic_is_centred_and_never_certain(crowd):
    """The knots are the centres of the pooled blocks; between them a line, outside constant."""
    odds, hit = crowd
    odds = odds.round(1)  # with ties
    fitted = tp.IsotonicCalibration.fit(odds, hit)
    x, p = centred(odds, hit)
    new = np.linspace(-9, 9, 500)
    assert fitted.apply(new)[:, 1] == pytest.approx(np.interp(new, x, p), abs=1e-12)
    assert fitted.apply([-1e9, 1e9])[:, 1] == pytest.approx([p[0], p[-1]])
    assert 1 / 402 <= p[0] < p[-1] <= 401 / 402


def test_isotonic_on_the_top_label(top_label):
    """Plain steps reach the printed .1308330 where none of them is wrong; from 300 rows they are.

    Joined and clipped they cost .0004 more there, and never lose without bound.
    """
    isotonic = pytest.importorskip("sklearn.isotonic").IsotonicRegression
    odds, hit, odds_test, hit_test = top_label
    losses = {}
    for n in (5000, 300):
        plain = isotonic(out_of_bounds="clip").fit(odds[:n], hit[:n]).predict(odds_test)
        with np.errstate(divide="ignore"):
            losses[n] = -np.log(np.where(hit_test == 1, plain, 1 - plain)).mean()
        ours = loss(tp.IsotonicCalibration.fit(odds[:n], hit[:n]).scale(odds_test), hit_test)
        assert ours < min(losses[n] + 5e-4, loss(odds_test, hit_test))
    assert losses[5000] == pytest.approx(0.13083305, abs=3e-7)
    assert losses[300] == np.inf


def test_isotonic_of_many_classes_by_hand(sample):
    """One curve per class on its log-odds against the rest, divided by the sum."""
    z, y = sample(n=500, k=3)
    p = reference.softmax(z)
    odds = np.log(p) - np.log(1 - p)
    curves = [centred(odds[:, c], (y == c).astype(int)) for c in range(3)]
    by_hand = np.stack([np.interp(odds[:, c], *curves[c]) for c in range(3)], axis=1)
    by_hand /= by_hand.sum(axis=1, keepdims=True)
    assert tp.IsotonicCalibration.fit(z, y).apply(z) == pytest.approx(by_hand, abs=1e-9)


def test_isotonic_one_vs_rest_on_rows_that_no_fit_has_seen():
    """Plain steps reach the printed .7264 and .08873, with four labels of probability 0; ours
    have none, and beat the printed table in both.
    """
    isotonic = pytest.importorskip("sklearn.isotonic").IsotonicRegression
    z, y, z_test, y_test = reference.reference_b()
    p, p_test = reference.softmax(z), reference.softmax(z_test)
    plain = np.stack(
        [
            isotonic(out_of_bounds="clip").fit(p[:, c], y == c).predict(p_test[:, c])
            for c in range(10)
        ],
        axis=1,
    )
    plain /= plain.sum(axis=1, keepdims=True)
    of_label = plain[np.arange(5000), y_test]
    assert (of_label == 0).sum() == 4
    assert f"{tp.metrics.brier_score(plain, y_test):.5f}" == "0.08873"
    ours = tp.IsotonicCalibration.fit(z, y).apply(z_test)
    assert tp.metrics.log_loss(ours, y_test) < 0.183
    assert tp.metrics.brier_score(ours, y_test) < 0.08873


def test_log_odds_keep_their_digits():
    """Classes of probability 1 - e^-60 and 1 - e^-90 have knots of their own."""
    odds = np.array([-90.0, -60.0, 60.0, 90.0, -75.0, 75.0])
    z = np.stack([odds, np.zeros(6), np.full(6, -300.0)], axis=1)
    fitted = tp.IsotonicCalibration.fit(z, [1, 0, 1, 0, 2, 0])
    assert fitted.curves[0].log_odds[[0, -1]] == pytest.approx([-82.5, 82.5])


def brute_force(odds, hit, at, w=None):
    """Both isotonic fits with the new row added, by scipy, one score at a time."""
    from scipy.optimize import isotonic_regression

    w = np.ones(len(hit)) if w is None else w * w.sum() / (w**2).sum()
    odds, hit, w = odds[w > 0], hit[w > 0], np.r_[w[w > 0], 1.0]

    found = []
    for label in (0, 1):
        x, y = np.r_[odds, at], np.r_[hit, label]
        scores, number = np.unique(x, return_inverse=True)
        weight = np.bincount(number, w)
        fit = isotonic_regression(np.bincount(number, w * y) / weight, weights=weight).x
        found.append(fit[np.searchsorted(scores, at)])
    return found


@pytest.mark.parametrize("seed", range(6))
def test_venn_abers_against_brute_force(seed):
    """At every score, between all, and beyond both ends; with and without ties."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(size=60)
    odds = odds.round(1) if seed % 2 else odds
    hit = (rng.random(60) < 1 / (1 + np.exp(-2 * odds))).astype(int)
    fitted = tp.VennAbers.fit(odds, hit)
    scores = np.unique(odds)
    at = np.r_[scores[0] - 1, scores, (scores[1:] + scores[:-1]) / 2, scores[-1] + 1]
    low, high = fitted.interval(at)
    expected = np.array([brute_force(odds, hit, one) for one in at])
    assert low == pytest.approx(expected[:, 0], abs=1e-12)
    assert high == pytest.approx(expected[:, 1], abs=1e-12)
    p = fitted.apply(at)[:, 1]
    assert p == pytest.approx(high / (1 - low + high), abs=1e-12)
    assert ((low < p) & (p < high)).all()


KINDS_OF_WEIGHTS = {
    "uniform": lambda rng, n: rng.random(n),
    "exponential": lambda rng, n: rng.exponential(size=n),
    "lognormal": lambda rng, n: rng.lognormal(sigma=3.0, size=n),
    "tenths": lambda rng, n: rng.integers(1, 10, n) / 10.0,
    "a few": lambda rng, n: rng.choice([0.1, 0.3, 1e-3], n),
    "with zeros": lambda rng, n: rng.random(n) * (rng.random(n) < 0.5),
    "wide": lambda rng, n: 10.0 ** rng.uniform(-130, 0, n),
    "densities": lambda rng, n: 1e-200 * rng.gamma(0.3, size=n),
    "float32": lambda rng, n: rng.random(n).astype(np.float32),
}


@pytest.mark.parametrize("kind", KINDS_OF_WEIGHTS)
def test_steps_and_curves_of_any_weights(kind):
    """Forty random weightings of each kind: rising, in order, and as plain code has it.

    The rounding of sums of weights let steps fall, or leave [0, 1], in two fits of three.
    """
    for seed in range(40):
        rng = np.random.default_rng([seed, len(kind)])
        n = int(rng.integers(5, 120))
        odds = rng.normal(size=n).round(int(rng.integers(0, 4))) * 10.0 ** rng.integers(-3, 4)
        hit = (rng.random(n) < 1 / (1 + np.exp(-np.clip(2 * odds, -50, 50)))).astype(int)
        hit[:2] = [0, 1]
        w = KINDS_OF_WEIGHTS[kind](rng, n)
        w[:2] = w.max()
        scores = np.unique(odds)
        at = np.r_[scores[0] - 1, scores, (scores[1:] + scores[:-1]) / 2, scores[-1] + 1]
        at.sort()
        fitted = tp.VennAbers.fit(odds, hit, weights=w)
        low, high = fitted.interval(at)
        p = fitted.apply(at)[:, 1]
        assert (np.diff(low) >= 0).all()
        assert (np.diff(high) >= 0).all()
        assert ((low >= 0) & (low < high) & (high <= 1) & (p >= 0) & (p <= 1)).all()
        if seed < 8:
            exact = w.astype(float) / float(w.max())
            counted = np.where(exact < 1e-135, 0.0, exact)
            by_hand = np.array([brute_force(odds, hit, one, counted) for one in at])
            assert np.stack([low, high], axis=1) == pytest.approx(by_hand, abs=1e-9)
        curve = tp.IsotonicCalibration.fit(odds, hit, weights=w).apply(at)[:, 1]
        assert (np.diff(curve) >= -1e-15).all()
        assert ((curve > 0) & (curve < 1)).all()


def test_venn_abers_of_the_rain_forecasts():
    """REF-N, EMOS: both probabilities and the one between at .2, .5 and .8."""
    data = reference.shared("niamey_rain")
    name = next(key for key in data if key.lower() == "emos")
    label = next(key for key in data if key in {"y", "labels", "obs", "rain"})
    p = data[name].astype(float)
    p = np.clip(p, 1e-300, 1 - 1e-16)
    fitted = tp.VennAbers.fit(np.log(p) - np.log1p(-p), data[label].astype(int))
    odds = np.log([0.2, 0.5, 0.8]) - np.log([0.8, 0.5, 0.2])
    low, high = fitted.interval(odds)
    assert low == pytest.approx([0, 0.6060606061, 0.8], abs=6e-11)
    assert high == pytest.approx([0.4117647059, 0.6363636364, 1], abs=6e-11)
    expected = [0.2916666667, 0.6176470588, 0.8333333333]
    assert fitted.apply(odds)[:, 1] == pytest.approx(expected, abs=6e-11)


def test_venn_abers_of_the_top_label(top_label):
    """The printed log loss on the test half of REF-B."""
    odds, hit, odds_test, hit_test = top_label
    fitted = tp.VennAbers.fit(odds, hit)
    assert loss(fitted.scale(odds_test), hit_test) == pytest.approx(0.13234112, abs=6e-9)


@pytest.mark.parametrize(
    ("n", "log_loss", "brier"), [(5000, 0.18678, 0.08884), (500, 0.2473, 0.1016)]
)
def test_venn_abers_one_vs_rest(n, log_loss, brier):
    """One binary predictor per class, divided by the sum: the printed table, worse than one T."""
    z, y, z_test, y_test = reference.reference_b()
    probs = np.empty(z_test.shape)
    halves = [reference.softmax(x) for x in (z[:n], z_test)]
    for c in range(10):
        odds = [np.log(p[:, c]) - np.log1p(-p[:, c]) for p in halves]
        probs[:, c] = tp.VennAbers.fit(odds[0], (y[:n] == c).astype(int)).apply(odds[1])[:, 1]
    probs /= probs.sum(axis=1, keepdims=True)
    digits = 5 if n == 5000 else 4
    assert round(tp.metrics.log_loss(probs, y_test), digits) == log_loss
    assert round(tp.metrics.brier_score(probs, y_test), digits) == brier


def test_venn_abers_is_fast_enough_for_many_rows():
    """The hulls of 50,000 distinct scores are walked, not searched: a few passes in all."""
    rng = np.random.default_rng(0)
    odds = rng.normal(size=50_000)
    hit = (rng.random(50_000) < 1 / (1 + np.exp(-odds))).astype(float)
    scores, low, high = venn_abers_steps(odds, hit, np.ones(50_000))
    assert len(scores) == 50_000
    assert (low < high).all()
    assert (np.diff(low) > -1e-12).all()
    assert (np.diff(high) > -1e-12).all()


def test_beta_of_weights_is_that_of_repeated_rows(crowd):
    """Likelihood alone counts no rows: weights 0, 1, 2 are the rows written out that often."""
    odds, hit = crowd
    w = np.arange(400) % 3
    weighted = tp.BetaCalibration.fit(odds, hit, weights=w)
    repeated = tp.BetaCalibration.fit(odds.repeat(w), hit.repeat(w))
    new = np.linspace(-5, 5, 40)
    assert weighted.apply(new) == pytest.approx(repeated.apply(new), abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_weighted_maps_against_plain_code(crowd, seed):
    """Platt, isotonic and Venn-Abers of importance weights: formulas with effective numbers."""
    from scipy.optimize import minimize

    odds, hit = crowd
    rng = np.random.default_rng(seed)
    w = rng.exponential(size=400) ** 2 * (rng.random(400) < 0.8)
    new = np.linspace(-5, 5, 30)
    n0, n1 = (w[hit == c].sum() ** 2 / (w[hit == c] ** 2).sum() for c in (0, 1))
    target = np.where(hit == 1, (n1 + 1) / (n1 + 2), 1 / (n0 + 2))

    def objective(at):
        q = at[0] * odds + at[1]
        return (w * (np.logaddexp(0, q) - target * q)).sum() / w.sum()

    best = minimize(
        objective,
        [1.0, 0.0],
        method="Nelder-Mead",
        options={"xatol": 1e-10, "fatol": 1e-15, "maxiter": 2000},
    ).x
    platt = tp.PlattScaling.fit(odds, hit, weights=w)
    assert (platt.slope, platt.intercept) == pytest.approx(tuple(best), abs=1e-6)
    odds = odds.round(1)
    isotonic = tp.IsotonicCalibration.fit(odds, hit, weights=w).apply(new)[:, 1]
    assert isotonic == pytest.approx(np.interp(new, *centred(odds, hit, w)), abs=1e-9)
    ends = tp.VennAbers.fit(odds, hit, weights=w).interval(new)
    by_hand = np.array([brute_force(odds, hit, at, w) for at in new])
    assert np.stack(ends, axis=1) == pytest.approx(by_hand, abs=1e-9)


@pytest.mark.parametrize("method", BINARY)
def test_one_class_is_refused(method):
    """Without a row of the other class nothing says how often it comes."""
    for label in (0, 1):
        with pytest.raises(tp.NoOptimumError, match=r"one outcome.*--prior 1") as caught:
            tp.METHODS[method].fit([1.0, 2.0, 3.0], [label] * 3)
        assert caught.value.reason == "empty-class"


@pytest.mark.parametrize("method", BINARY)
def test_separable_rows(method):
    """Platt's targets, clipping and the added row keep three of them finite; beta needs a prior."""
    odds, hit = [-2.0, -1.0, 1.0, 2.0], [0, 0, 1, 1]
    kind = tp.METHODS[method]
    if method == "beta":
        with pytest.raises(tp.NoOptimumError) as caught:
            kind.fit(odds, hit)
        assert caught.value.reason == "separable"
        assert "--prior 1" in str(caught.value)
        fitted = kind.fit(odds, hit, prior=1.0)
    else:
        fitted = kind.fit(odds, hit)
    probs = fitted.apply(odds)
    assert ((probs > 0) & (probs < 1)).all()
    assert probs[0, 1] < 0.5 < probs[3, 1]


@pytest.mark.parametrize("method", ["platt", "beta"])
def test_no_slope(method):
    """Constant scores, and scores that fall where they should rise, are refused by reason."""
    kind = tp.METHODS[method]
    with pytest.raises(tp.NoOptimumError) as caught:
        kind.fit([1.5] * 6, [0, 1] * 3)
    assert caught.value.reason == "constant-logits"
    with pytest.raises(tp.NoOptimumError) as caught:
        kind.fit([-2.0, -1, -1.5, 1, 2, 1.5] * 4, [1, 1, 0, 0, 0, 1] * 4)
    assert caught.value.reason == "worse-than-chance"


@pytest.mark.parametrize("method", ["isotonic", "venn-abers"])
def test_constant_scores_give_the_frequency(method):
    """One knot, one step: all that can be said is how often class 1 is true."""
    fitted = tp.METHODS[method].fit([1.5] * 30, [1, 0, 0] * 10)
    assert fitted.apply([1.5])[0, 1] == pytest.approx(1 / 3, abs=0.011)


@pytest.mark.parametrize("method", BINARY)
def test_rows_with_one_option(crowd, method):
    """They leave the fit alone, and keep probability 1 for what there is."""
    odds, hit = crowd
    z = np.stack([np.zeros(400), odds], axis=1)
    masked = np.concatenate([z, [[0.0, -np.inf], [-np.inf, 3.0]]])
    plain = tp.METHODS[method].fit(z, hit)
    with_them = tp.METHODS[method].fit(masked, np.r_[hit, 0, 1])
    probs = with_them.apply(masked)
    assert probs[:400] == pytest.approx(plain.apply(z), abs=1e-12)
    assert probs[400:].tolist() == [[1.0, 0.0], [0.0, 1.0]]
    if method == "venn-abers":
        assert [ends[400:].tolist() for ends in with_them.interval(masked)] == [[0, 1], [0, 1]]


def test_masked_options_of_many_classes(sample):
    """One-vs-rest curves leave a missing option at 0 and learn from the rows that have it."""
    z, y = sample(n=600, k=3)
    mask = np.zeros(z.shape, dtype=bool)
    mask[np.arange(0, 600, 3), (y[::3] + 1) % 3] = True
    probs = tp.IsotonicCalibration.fit(np.where(mask, -np.inf, z), y).apply(
        np.where(mask, -np.inf, z)
    )
    assert (probs[mask] == 0).all()
    assert (probs[~mask] > 0).all()


def test_isotonic_names_the_class_without_rows(sample):
    """Three classes, one never true."""
    z, y = sample(n=60, k=3)
    with pytest.raises(tp.NoOptimumError, match="Class c is never true"):
        tp.IsotonicCalibration.fit(z, tp.Positions(np.minimum(y, 1)), classes=["a", "b", "c"])


@pytest.mark.parametrize("method", [tp.PlattScaling, tp.BetaCalibration, tp.VennAbers])
def test_maps_of_two_classes_name_the_class_without_rows(method):
    """By its name where classes have some, else by its number."""
    with pytest.raises(tp.NoOptimumError, match="Class dog is never true"):
        method.fit([-1.0, 1.0, 2.0], ["cat"] * 3, classes=["cat", "dog"])
    with pytest.raises(tp.NoOptimumError, match="Class 1 is always true"):
        method.fit([-1.0, 1.0, 2.0], [1] * 3)


@pytest.mark.parametrize(
    ("method", "change", "message"),
    [
        ("platt", {"slope": -1.0}, "slope"),
        ("beta", {"a": 0.0, "b": 0.0}, "not both 0"),
        ("beta", {"b": -1.0}, ">= 0"),
        ("isotonic", {"curves": [{"log_odds": [1, 0], "probability": [0.1, 0.2]}]}, "rising"),
        ("isotonic", {"curves": [{"log_odds": [0, 1], "probability": [0.2, 0.1]}]}, "never falls"),
        ("isotonic", {"curves": [{"log_odds": [0], "probability": [1.0]}]}, r"\(0, 1\)"),
        ("isotonic", {"curves": []}, "one of two classes"),
        ("venn-abers", {"lower": [0.5], "lower_from": [1.0, 2.0]}, "lower_from"),
        ("venn-abers", {"upper": [0.0], "upper_to": [1.0]}, "upper above 0"),
    ],
)
def test_tampered_files(tmp_path, crowd, method, change, message):
    """What is no such map is refused with the file's name and the rule."""
    path = tmp_path / "c.json"
    tp.save(tp.METHODS[method].fit(*crowd), path)
    content = json.loads(path.read_text())
    content["parameters"].update(change)
    path.write_text(json.dumps(content))
    with pytest.raises(tp.FileFormatError, match=rf"c\.json.*{message}"):
        tp.load(path)
