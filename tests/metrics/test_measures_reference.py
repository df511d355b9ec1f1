"""Every measure against numbers computed elsewhere, and against slow loops over rows."""

import itertools
import math

import numpy as np
import pytest
from scipy.optimize import isotonic_regression

import reference
import temperance as tp
from temperance import metrics

DIGITS = {"rel": 0, "abs": 6e-11}  # the table has ten
CASES = ["A raw", "A fitted", "B raw", "B fitted"]


@pytest.fixture(scope="module")
def case():
    """Probabilities and labels of REF-A, or of the test half of REF-B, raw or at the fitted T."""
    made = {}

    def get(name):
        if name not in made:
            which, at = name.split()
            if which == "A":
                z, y = z_test, y_test = reference.reference_a()
            else:
                z, y, z_test, y_test = reference.reference_b()
            t = 1.0 if at == "raw" else tp.TemperatureScaling.fit(z, y).temperature
            made[name] = reference.softmax(z_test / t), y_test
        return made[name]

    return get


# Four numbers differ in the last digits from the table's, which slow sums (below) and
# uncertainty-calibration 0.1.4 do not give: .2287683772 and .0729813118 (root mean square of the
# raw probabilities), .0053758617 (classwise, REF-B fitted), and .1352252973 (top-label-conditional,
# REF-A fitted).
ERRORS = {  # measure: its value in each of CASES
    "largest gap": (
        lambda p, y: metrics.expected_calibration_error(p, y, norm=math.inf),
        (0.3167905561, 0.4029303621, 0.3285247541, 0.1341529024),
    ),
    "classwise": (
        metrics.classwise_calibration_error,
        (0.0966103593, 0.0491050323, 0.0083999107, 0.0053758657),
    ),
    "top-label-conditional": (
        metrics.top_label_conditional_calibration_error,
        (0.2223609226, 0.1352252971, 0.0415450266, 0.0278914293),
    ),
    "sweep": (
        metrics.sweep_calibration_error,
        (0.1942334627, 0.0379681748, 0.0356983172, 0.0169773233),
    ),
    "root mean square": (
        lambda p, y: metrics.expected_calibration_error(p, y, norm=2, binning="equal-mass"),
        (0.2287682434, 0.1288168037, 0.0729811318, 0.0230578012),
    ),
    "debiased": (
        metrics.debiased_calibration_error,
        (0.2087853430, 0.0897823086, 0.0721486631, 0.0202944776),
    ),
    "debiased over classes": (
        lambda p, y: metrics.debiased_calibration_error(p, y, over="classes"),
        (0.1024583744, 0.0240655176, 0.0068129679, 0.0044777113),
    ),
}


@pytest.mark.parametrize("measure", ERRORS)
@pytest.mark.parametrize("number", range(4))
def test_calibration_errors(case, measure, number):
    """The binned errors of the table, to all ten digits."""
    run, expected = ERRORS[measure]
    assert run(*case(CASES[number])) == pytest.approx(expected[number], abs=1e-10, rel=0)


BRIER = {  # score, miscalibration, discrimination, uncertainty of the predicted class
    "A raw": (0.2776625861, 0.0517305673, 0.0233117312, 0.2492437500),
    "A fitted": (0.2363881748, 0.0098279827, 0.0226835579, 0.2492437500),
    "B raw": (0.0459620839, 0.0068428391, 0.0169285952, 0.0560478400),
    "B fitted": (0.0405058709, 0.0015947472, 0.0171367163, 0.0560478400),
}
LOG = {
    "A raw": (0.1569933043, 0.0493783671, 0.6916339171),
    "A fitted": (0.0217646651, 0.0474270193, 0.6916339171),
    "B raw": (0.0520273265, 0.1007193220, 0.2258654870),
    "B fitted": (0.0116439637, 0.1008853603, 0.2258654870),
}


@pytest.mark.parametrize("name", CASES)
def test_corp_decompositions(case, name):
    """The parts of the Brier and of the log score, and that they add up to the score."""
    brier = metrics.score_decomposition(*case(name))
    log = metrics.score_decomposition(*case(name), score="log")
    parts = ("miscalibration", "discrimination", "uncertainty")
    found = tuple(getattr(brier, part) for part in ("score", *parts))
    assert found == pytest.approx(BRIER[name], **DIGITS)
    assert tuple(getattr(log, part) for part in parts) == pytest.approx(LOG[name], **DIGITS)
    for each in (brier, log):
        total = each.miscalibration - each.discrimination + each.uncertainty
        assert each.score == pytest.approx(total, rel=1e-12)
    curve = metrics.corp_reliability(*case(name), n_resamples=100)
    assert curve.decomposition == brier


def test_at_its_own_temperature_log_loss_is_mean_entropy(case):
    """E_p[log p] equals log p_y on average where T is optimal: the table's 1.2739994440."""
    p, y = case("A fitted")
    entropy = -(p * np.log(p)).sum(axis=1).mean()
    assert entropy == pytest.approx(1.2739994440, abs=6e-11)
    assert metrics.log_loss(p, y) == pytest.approx(entropy, rel=1e-12)


def smoothed(c, values, width, t):
    """Sum of values, each spread by a Gaussian around c that is reflected at 0 and at 1."""
    total = np.zeros(len(t))
    for image in (c, -c, 2 - c, c - 2, c + 2):
        near = (image > -8 * width) & (image < 1 + 8 * width)
        total += np.exp(-0.5 * ((t[:, None] - image[near]) / width) ** 2) @ values[near]
    return total / (width * math.sqrt(2 * math.pi))


def excess(c, gap, width):
    """Integral of |smoothed gap| over [0, 1] by the trapezoidal rule, less the width."""
    t = np.linspace(0, 1, 1001)
    return np.trapezoid(np.abs(smoothed(c, gap, width, t)), t) - width


# Where the excess changes its sign is the smooth error: it falls as the width grows.
SMOOTH = {"A raw": 0.1944532873, "A fitted": 0.0418532641, "B fitted": 0.0174154806}


@pytest.mark.parametrize("name", CASES)
def test_smooth_error_solves_its_equation(case, name):
    """The paper's definition, by direct quadrature, has its solution within 0.0001 of ours."""
    p, y = case(name)
    c, hit = p.max(axis=1), p.argmax(axis=1) == y
    error = metrics.smooth_calibration_error(p, y)
    gap = (hit - c) / len(c)
    assert excess(c, gap, error - 1e-4) > 0 > excess(c, gap, error + 1e-4)
    if name in SMOOTH:  # relplot 1.0.3, exact to about 0.001; for "B raw" see the rivals
        assert error == pytest.approx(SMOOTH[name], abs=1e-3)
    else:
        assert error == pytest.approx(0.0359, abs=1e-4)


def test_smooth_error_with_weights(sample):
    """Weighted rows, among them rows of weight 0, by the same quadrature."""
    z, y = sample(seed=4, n=300)
    p, w = reference.softmax(z), np.random.default_rng(4).integers(0, 4, 300) / 3
    c, hit = p.max(axis=1), p.argmax(axis=1) == y
    error = metrics.smooth_calibration_error(p, y, weights=w)
    gap = w * (hit - c) / w.sum()
    assert excess(c, gap, error - 3e-4) > 0 > excess(c, gap, error + 3e-4)


def cells(p, y, w, n_bins):
    """Weight and gap by (predicted class, bin), by (class, bin), and by bin alone."""
    conditional, by_class, flat = {}, {}, {}
    for row, label, weight in zip(p.tolist(), y.tolist(), w.tolist(), strict=True):
        top = row.index(max(row))
        events = [(conditional, (top, reference.bin_of(row[top], n_bins)), row[top], label == top)]
        for j, q in enumerate(row):
            number = reference.bin_of(q, n_bins)
            events += [(by_class, (j, number), q, label == j), (flat, number, q, label == j)]
        for table, key, q, hit in events:
            entry = table.setdefault(key, [0.0, 0.0])
            entry[0] += weight
            entry[1] += weight * (hit - q)
    return conditional, by_class, flat


@pytest.mark.parametrize("weighted", [False, True])
def test_errors_of_cells_row_by_row(sample, weighted):
    """Conditional, classwise and flattened errors against a loop; ties and edges included."""
    z, y = sample(seed=6, n=200)
    rng = np.random.default_rng(6)
    p = rng.multinomial(20, reference.softmax(z)) / 20
    w = rng.integers(0, 3, 200) * 0.5 if weighted else np.ones(200)
    total, given = w.sum(), w if weighted else None
    for n_bins in (1, 4, 15):
        conditional, by_class, flat = (
            sum(abs(gap) for _, gap in table.values()) / total for table in cells(p, y, w, n_bins)
        )
        found = metrics.top_label_conditional_calibration_error
        assert found(p, y, n_bins=n_bins, weights=given) == pytest.approx(conditional, rel=1e-10)
        found = metrics.classwise_calibration_error
        assert found(p, y, n_bins=n_bins, weights=given) == pytest.approx(by_class / 4, rel=1e-10)
        found = metrics.flattened_calibration_error
        assert found(p, y, n_bins=n_bins, weights=given) == pytest.approx(flat / 4, rel=1e-10)


def test_sweep_by_trying_every_number_of_bins(sample):
    """array_split of the sorted rows until an accuracy falls; a bin each if none ever does."""
    z, y = sample(seed=16, n=200)
    p = reference.softmax(z)
    c, hit = p.max(axis=1), p.argmax(axis=1) == y
    order = np.argsort(c)
    for n_bins in range(1, 201):
        parts = np.array_split(order, n_bins)
        accuracies = [hit[part].mean() for part in parts]
        if any(b < a for a, b in itertools.pairwise(accuracies)):
            break
        error = sum(abs(hit[part].sum() - c[part].sum()) for part in parts) / 200
    assert metrics.sweep_calibration_error(p, y) == pytest.approx(error, rel=1e-12)
    right = p.argmax(axis=1)
    assert metrics.sweep_calibration_error(p, right) == pytest.approx((1 - c).mean(), rel=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_kolmogorov_smirnov_row_by_row(sample, weighted):
    """The largest cumulated gap over all thresholds, equal confidences taken together."""
    z, y = sample(seed=7, n=150)
    p = reference.softmax(z)
    p[:80] = p[:40].repeat(2, axis=0)
    w = np.random.default_rng(7).uniform(0, 2, 150) if weighted else np.ones(150)
    c, hit = p.max(axis=1), p.argmax(axis=1) == y
    largest = max(abs(sum(w[i] * (hit[i] - c[i]) for i in range(150) if c[i] <= t)) for t in c)
    found = metrics.ks_calibration_error(p, y, weights=w if weighted else None)
    assert found == pytest.approx(largest / w.sum(), rel=1e-10)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("score", ["brier", "log"])
def test_isotonic_parts_by_the_min_max_formula(sample, weighted, score):
    """q_i = max over starts s <= i of min over ends e >= i of the mean from s to e."""
    z, y = sample(seed=8, n=90, k=2)
    p1 = reference.softmax(z)[:, 1].round(2).clip(0.01, 0.99)
    w = np.random.default_rng(8).uniform(0.1, 2, 90) if weighted else np.ones(90)
    distinct = np.unique(p1)
    weight = np.array([w[p1 == v].sum() for v in distinct])
    hits = np.array([(w * y)[p1 == v].sum() for v in distinct])
    m = len(distinct)
    q = [
        max(
            min(hits[s : e + 1].sum() / weight[s : e + 1].sum() for e in range(i, m))
            for s in range(i + 1)
        )
        for i in range(m)
    ]
    q = np.array(q)[np.searchsorted(distinct, p1)]

    def mean_score(x):
        x = np.broadcast_to(x, y.shape)
        each = (x - y) ** 2 if score == "brier" else -np.log(np.where(y == 1, x, 1 - x))
        return (w * each).sum() / w.sum()

    parts = metrics.score_decomposition(p1, y, score=score, weights=w if weighted else None)
    said, best, flat = mean_score(p1), mean_score(q), mean_score((w * y).sum() / w.sum())
    assert parts.score == pytest.approx(said, rel=1e-12)
    assert parts.miscalibration == pytest.approx(said - best, abs=1e-12)
    assert parts.discrimination == pytest.approx(flat - best, abs=1e-12)
    assert parts.uncertainty == pytest.approx(flat, rel=1e-12)


def test_decomposition_of_all_classes_is_that_of_the_brier_score(sample):
    """Class by class the parts add up to those of "all", whose score is the Brier score."""
    z, y = sample(seed=9)
    p = reference.softmax(z)
    every = metrics.score_decomposition(p, y, event="all")
    each = [metrics.score_decomposition(p, y, event=j) for j in range(4)]
    assert every.score == pytest.approx(reference.brier(p, y), rel=1e-12)
    for part in ("miscalibration", "discrimination", "uncertainty"):
        assert getattr(every, part) == pytest.approx(sum(getattr(e, part) for e in each))
    assert metrics.murphy_decomposition(p, y, event="all").score == pytest.approx(every.score)


def test_brier_parts_of_an_evaluation(sample):
    """Parts of the Brier score of all classes, and the miscalibration that drawn labels show."""
    z, y = sample(seed=9, n=300, k=3)
    p = reference.softmax(z)
    evaluation = tp.evaluate(p, y, n_resamples=400)
    parts, exact = evaluation.brier_parts, metrics.score_decomposition(p, y, event="all")
    assert parts.score == pytest.approx(reference.brier(p, y), rel=1e-12)
    found = (parts.miscalibration.value, parts.discrimination, parts.uncertainty.value)
    expected = (exact.miscalibration, exact.discrimination, exact.uncertainty)
    assert found == pytest.approx(expected, rel=1e-12)
    assert parts.score == pytest.approx(found[0] - found[1] + found[2], rel=1e-12)
    rng, drawn = np.random.default_rng(0), []
    for _ in range(150):
        labels = (p.cumsum(axis=1) < rng.random((300, 1))).sum(axis=1).clip(0, 2)
        drawn.append(metrics.score_decomposition(p, labels, event="all").miscalibration)
    error = np.std(drawn) * math.sqrt(1 / 150 + 1 / 400)
    assert parts.miscalibration.null.mean == pytest.approx(np.mean(drawn), abs=4 * error)
    assert parts.miscalibration.null.high == pytest.approx(np.quantile(drawn, 0.95), rel=0.1)


def test_bands_of_the_diagram_by_refitting(sample):
    """Consistency: labels from the probabilities; confidence: rows drawn again; both refitted."""
    z, y = sample(seed=15, n=400, k=2, temperature=3.0)
    p1 = reference.softmax(z)[:, 1].round(2)
    curve = metrics.corp_reliability(p1, y, n_resamples=1000)
    rng, drawn, resampled = np.random.default_rng(0), [], []
    for _ in range(600):
        labels, rows = rng.random(400) < p1, rng.integers(0, 400, 400)
        for curves, p, hit in ((drawn, p1, labels), (resampled, p1[rows], y[rows])):
            values, place, count = np.unique(p, return_inverse=True, return_counts=True)
            rate = np.bincount(place, hit) / count
            fitted = isotonic_regression(rate, weights=count).x
            before = np.searchsorted(values, curve.probability, side="right") - 1
            curves.append(fitted[np.maximum(before, 0)])
    pairs = [
        (drawn, curve.consistency_low, curve.consistency_high),
        (resampled, curve.confidence_low, curve.confidence_high),
    ]
    for curves, low, high in pairs:
        expected = np.quantile(curves, [0.025, 0.975], axis=0)
        middle = (curve.probability > 0.1) & (curve.probability < 0.9)
        assert np.abs(low - expected[0])[middle].mean() < 0.02
        assert np.abs(high - expected[1])[middle].mean() < 0.02
    assert np.abs(curve.confidence_low - curve.consistency_low).max() > 0.1


def test_evaluation_holds_the_same_numbers(sample):
    """What `evaluate` calls an error is what the function of that name returns."""
    z, y = sample(seed=10, n=300)
    p = reference.softmax(z)
    errors = tp.evaluate(p, y, n_resamples=100).to_dict()["calibration_errors"]
    expected = {
        "ece": metrics.expected_calibration_error(p, y),
        "ece_equal_mass": metrics.expected_calibration_error(p, y, binning="equal-mass"),
        "debiased": metrics.debiased_calibration_error(p, y),
        "smooth": metrics.smooth_calibration_error(p, y),
        "ks": metrics.ks_calibration_error(p, y),
        "classwise": metrics.classwise_calibration_error(p, y),
        "top_label_conditional": metrics.top_label_conditional_calibration_error(p, y),
        "flattened": metrics.flattened_calibration_error(p, y),
    }
    found = {name: error["value"] for name, error in errors.items()}
    assert found == pytest.approx(expected, rel=1e-12)
