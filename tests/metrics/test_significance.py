"""Tests of calibration: reference numbers, slow loops, edges, sizes and power."""

import itertools
import json
import math
from functools import reduce

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import binom, chi2, norm
from scipy.stats import f as f_distribution

import reference
import temperance as tp
import verdict_worlds
from temperance import metrics
from temperance.kernels.affine import joint_sums
from temperance.metrics.cox import cox_rows
from temperance.metrics.group_tests import group_score_rows
from temperance.metrics.inputs import Predictions
from temperance.metrics.joint_tests import class_bias_rows, joint_score_rows
from temperance.metrics.z_tests import (
    calibration_in_the_large_rows,
    score_rows,
    spiegelhalter_rows,
)

ON_ROWS = [
    score_rows,
    joint_score_rows,
    class_bias_rows,
    spiegelhalter_rows,
    calibration_in_the_large_rows,
    cox_rows,
]
PUBLIC = [
    metrics.score_test,
    metrics.joint_score_test,
    metrics.class_bias_test,
    metrics.spiegelhalter_test,
    metrics.calibration_in_the_large_test,
    metrics.cox_test,
]
PRINTED = {  # (set, at T): statistics with all digits of the table
    ("A", "raw"): {
        score_rows: 17.94862005,
        spiegelhalter_rows: 10.6092270138,
        calibration_in_the_large_rows: -8.8921766263,
        cox_rows: 103.9596,
    },
    ("A", "fitted"): {
        score_rows: 0.0,
        spiegelhalter_rows: 0.1627561943,
        calibration_in_the_large_rows: 0.2658189733,
        cox_rows: 0.09126,
    },
    ("B-cal", "raw"): {score_rows: 50.65615409},
    ("B-test", "raw"): {
        score_rows: 37.54585514,
        joint_score_rows: 1451.6288784411,
        class_bias_rows: 32.35146157,
        spiegelhalter_rows: 29.2547516012,
        calibration_in_the_large_rows: -19.5605648214,
        cox_rows: 439.1810,
    },
    ("B-test", "fitted"): {
        score_rows: -3.04584347,
        joint_score_rows: 22.66494382,
        class_bias_rows: 14.02027534,
        spiegelhalter_rows: -0.6558108640,
        calibration_in_the_large_rows: -0.6758442186,
        cox_rows: 22.4845,
    },
}
PRINTED_LINES = {
    ("A", "raw"): (-0.47926466, 0.41878969),
    ("A", "fitted"): (0.02291511, 0.96828401),
    ("B-test", "raw"): (-0.63391744, 0.63599771),
    ("B-test", "fitted"): (-0.43567391, 1.22267314),
}


def data_set(name, at):
    """Logits and labels of a reference set, at T = 1 or at the temperature that belongs to it."""
    if name == "A":
        z, y = reference.reference_a()
        fitted_on = z, y
    else:
        z, y, z_test, y_test = reference.reference_b()
        fitted_on = z, y
        if name == "B-test":
            z, y = z_test, y_test
    if at == "fitted":
        z = z / tp.TemperatureScaling.fit(*fitted_on).temperature
    return z, y


def predictions(z, y, w=None, clusters=None):
    w = None if w is None else np.asarray(w, dtype=float)
    return Predictions.from_logits(np.asarray(z, dtype=float), np.asarray(y), w, clusters)


@pytest.mark.parametrize(("name", "at"), PRINTED)
def test_reference_numbers(name, at):
    """The printed statistics, to every printed digit, from logits and from probabilities."""
    z, y = data_set(name, at)
    p = reference.softmax(z)
    public = dict(zip(ON_ROWS, PUBLIC, strict=True))
    for test, expected in PRINTED[name, at].items():
        places = len(f"{expected}".partition(".")[2])
        near = pytest.approx(expected, abs=0.6 * 10 ** -max(places, 4))
        assert test(predictions(z, y)).statistic == near, test
        assert public[test](p, y).statistic == near, test


@pytest.mark.parametrize(("name", "at"), PRINTED_LINES)
def test_reference_lines(name, at):
    """Intercept and slope of Cox's line, as printed."""
    test = cox_rows(predictions(*data_set(name, at)))
    assert (test.intercept, test.slope) == pytest.approx(PRINTED_LINES[name, at], abs=6e-9)


def test_reference_p_values_and_directions():
    """p at the fitted T of B-test; what is over- and what under-confident; the robust z."""
    raw, fitted = data_set("B-test", "raw"), data_set("B-test", "fitted")
    test = joint_score_rows(predictions(*fitted))
    assert test.degrees_of_freedom == 10
    assert test.p_value == pytest.approx(0.01205, abs=6e-6)
    assert class_bias_rows(predictions(*fitted)).degrees_of_freedom == 9
    for run in (score_rows, spiegelhalter_rows, calibration_in_the_large_rows, cox_rows):
        assert run(predictions(*raw)).leaning == "over-confident"
    for run in (score_rows, spiegelhalter_rows, cox_rows):
        assert run(predictions(*fitted)).leaning == "under-confident"
    for name, robust in (("A", 8.09638606), ("B-cal", 13.18917049)):
        z, y = data_set(name, "raw")
        each = score_rows(predictions(z, y, clusters=np.arange(len(y))))
        assert each.statistic == pytest.approx(robust, abs=6e-9)


def slow_score(z, y, w, cluster):
    """Scores of each row and their covariance by loops over rows and pairs of classes."""
    k = len(z[0])
    total, model, by_cluster = np.zeros(k), np.zeros((k, k)), {}
    for row, label, weight, unit in zip(z, y, w, cluster, strict=True):
        exps = [math.exp(v) for v in row]
        p = [e / sum(exps) for e in exps]
        features = [
            [0.0 if p_c == 0 else row[c], *(float(c == j) for j in range(k - 1))]
            for c, p_c in enumerate(p)
        ]
        mean = [sum(p[c] * features[c][j] for c in range(k)) for j in range(k)]
        score = np.array([weight * (features[label][j] - mean[j]) for j in range(k)])
        total += score
        by_cluster[unit] = by_cluster.get(unit, 0) + score
        for a, b in itertools.product(range(k), repeat=2):
            cross = sum(
                p[c] * (features[c][a] - mean[a]) * (features[c][b] - mean[b]) for c in range(k)
            )
            model[a, b] += weight**2 * cross
    robust = sum(np.outer(s, s) for s in by_cluster.values())
    return total, model, robust


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_score_tests_match_loops(sample, weighted, clustered, masked):
    """Score, joint and class-bias test against loops, with masks, weights and clusters."""
    z, y = sample(seed=1, n=40, k=4)
    if masked:
        gone = np.random.default_rng(2).random(z.shape) < 0.25
        gone[np.arange(40), y] = False
        z = np.where(gone, -np.inf, z)
    w = 0.25 * (1 + np.arange(40) % 5) if weighted else np.ones(40)
    units = np.arange(40) * 7 % 13
    total, model, robust = slow_score(z.tolist(), y.tolist(), w, units)
    variance = robust if clustered else model
    rows = predictions(z, y, w if weighted else None, units if clustered else None)
    assert score_rows(rows).statistic == pytest.approx(-total[0] / math.sqrt(variance[0, 0]))
    for run, first in ((joint_score_rows, 0), (class_bias_rows, 1)):
        u, v = total[first:], variance[first:, first:]
        test, expected = run(rows), u @ np.linalg.solve(v, u)
        assert test.statistic == pytest.approx(expected, rel=1e-9)
        assert test.degrees_of_freedom == 4 - first
        assert test.p_value == pytest.approx(chi2.sf(expected, 4 - first), rel=1e-9)


def test_clusters_that_blocks_cut_count_once(sample, monkeypatch):
    """Blocks of three rows give the sums of one block, whatever the sizes of the clusters."""
    z, y = sample(n=60, k=3)
    units = np.repeat(np.arange(12), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 4, 1])
    shuffle = np.random.default_rng(0).permutation(60)
    whole = [run(predictions(z, y, None, units)) for run in (joint_score_rows, class_bias_rows)]
    monkeypatch.setattr("temperance.metrics.joint_tests.BLOCK_ELEMENTS", 9)
    rows = predictions(z[shuffle], y[shuffle], None, units[shuffle])
    cut = [joint_score_rows(rows), class_bias_rows(rows)]
    assert [t.statistic for t in cut] == pytest.approx([t.statistic for t in whole], rel=1e-9)
    plain = joint_score_rows(predictions(z, y)).statistic
    monkeypatch.setattr("temperance.metrics.joint_tests.BLOCK_ELEMENTS", 1 << 17)
    assert joint_score_rows(predictions(z, y)).statistic == pytest.approx(plain, rel=1e-12)


def test_joint_sums_merge(sample):
    """The sums of two parts add up to the sums of the whole."""
    z, y = sample(n=50)
    w = 1.0 + np.arange(50) % 3
    merged = joint_sums(z[:20], y[:20], w[:20]).merge(joint_sums(z[20:], y[20:], w[20:]))
    whole = joint_sums(z, y, w)
    assert merged.score == pytest.approx(whole.score)
    assert merged.covariance == pytest.approx(whole.covariance)
    assert np.abs(whole.covariance[1:, 1:].sum(axis=1)).max() < 1e-12


@pytest.mark.parametrize("cuts", [(1, 2, 3), (7, 30), (20,), (49,)])
def test_joint_sums_of_fewer_rows_than_classes_merge(sample, cuts):
    """Blocks of 1, 2, 20 or 49 rows of 12 classes add up to the whole, weights scaled or not."""
    z, y = sample(n=50, k=12)
    w = 1.0 + np.arange(50) % 3
    whole = joint_sums(z, y, w)
    for exponent in (0, 3):
        parts = [
            joint_sums(*each) for each in zip(*(np.split(v, cuts) for v in (z, y, w)), strict=True)
        ]
        merged = reduce(lambda a, b: a.merge(b), [part.rescaled(exponent) for part in parts])
        expected = whole.covariance * 4.0**exponent
        assert merged.covariance == pytest.approx(expected, rel=1e-12, abs=1e-13)


def slow_cox(odds, hit, w, clusters):
    """Cox's test by a general optimiser and matrices, the sandwich by loops."""

    def loss(theta):
        signed = np.where(hit, 1, -1) * (theta[0] + theta[1] * odds)
        return float(w @ np.logaddexp(0, -signed))

    start = minimize(loss, [0.0, 0.5], method="Nelder-Mead").x
    fit = minimize(loss, start, method="BFGS", options={"gtol": 1e-9}).x
    x = np.stack([np.ones(len(odds)), odds], axis=1)
    q = 1 / (1 + np.exp(-(x @ fit)))
    information = sum(w[i] * q[i] * (1 - q[i]) * np.outer(x[i], x[i]) for i in range(len(w)))
    if clusters is None:
        meat = sum(w[i] ** 2 * q[i] * (1 - q[i]) * np.outer(x[i], x[i]) for i in range(len(w)))
    else:
        meat = np.zeros((2, 2))
        for unit in set(clusters.tolist()):
            score = sum(w[i] * (hit[i] - q[i]) * x[i] for i in np.flatnonzero(clusters == unit))
            meat += np.outer(score, score)
    covariance = np.linalg.inv(information) @ meat @ np.linalg.inv(information)
    away = fit - [0, 1]
    scale = (away @ np.linalg.inv(covariance) @ away) / (away @ information @ away)
    return 2 * (loss([0.0, 1.0]) - loss(fit)) * scale, fit, np.sqrt(covariance.diagonal())


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("k", [2, 4])
def test_cox_matches_a_general_optimiser(sample, weighted, clustered, k):
    """Statistic, line and standard errors, for the top label and for a class."""
    z, y = sample(seed=3, n=150, k=k)
    p = reference.softmax(z)
    w = 0.2 * (1.0 + np.arange(150) % 5)
    units = np.arange(150) * 11 % 40
    kwargs = {"weights": w if weighted else None, "clusters": units if clustered else None}
    top = p.max(axis=1), p.argmax(axis=1) == y
    events = {"top-label": top, k - 1: (p[:, k - 1], y == k - 1), None: top}
    if k == 2:
        events[None] = p[:, 1], y == 1
    for event, (c, hit) in events.items():
        test = metrics.cox_test(p, y, event=event, **kwargs)
        expected, line, errors = slow_cox(
            np.log(c / (1 - c)), hit, w if weighted else np.ones(150), kwargs["clusters"]
        )
        assert test.statistic == pytest.approx(expected, rel=1e-6)
        assert (test.intercept, test.slope) == pytest.approx(tuple(line), rel=1e-5, abs=1e-6)
        found = test.intercept_standard_error, test.slope_standard_error
        assert found == pytest.approx(tuple(errors), rel=1e-5)
        if clustered:  # Hotelling: (m - 2) / (2 m) of the statistic is F of 2 and m - 2
            weight = np.bincount(units, w if weighted else None)
            m = weight.sum() ** 2 / (weight @ weight)
            assert test.n_clusters == pytest.approx(m)
            p_value = f_distribution.sf((m - 2) / (2 * m) * expected, 2, m - 2)
        else:
            p_value = math.exp(-expected / 2)
        assert test.p_value == pytest.approx(p_value, rel=1e-5)
        assert test.leaning == ("over-confident" if line[1] < 1 else "under-confident")


@pytest.mark.parametrize("event", ["top-label", 0, 2, None])
def test_z_tests_match_their_definitions(sample, event):
    """Spiegelhalter's test from the Brier score and its moments; the mean, observed - expected."""
    z, y = sample(seed=5, n=80, k=3)
    p = reference.softmax(z)
    w = 1.0 + np.arange(80) % 4
    named = event not in {"top-label", None}
    excess = brier_variance = gap = variance = 0.0
    for row, label, weight in zip(p.tolist(), y.tolist(), w, strict=True):
        c = row[event] if named else max(row)
        happened = label == (event if named else row.index(c))
        outcomes = ((c, (1 - c) ** 2), (1 - c, c**2))
        mean = sum(chance * score for chance, score in outcomes)
        excess += weight * ((happened - c) ** 2 - mean)
        brier_variance += weight**2 * sum(q * (score - mean) ** 2 for q, score in outcomes)
        gap += weight * (happened - c)
        variance += weight**2 * c * (1 - c)
    test = metrics.spiegelhalter_test(p, y, event=event, weights=w)
    assert test.statistic == pytest.approx(excess / math.sqrt(brier_variance))
    test = metrics.calibration_in_the_large_test(p, y, event=event, weights=w)
    assert test.statistic == pytest.approx(gap / math.sqrt(variance))
    assert test.p_value == pytest.approx(2 * norm.sf(abs(test.statistic)))
    word = "predicted" if named else "confident"
    assert test.leaning == f"{'over' if gap < 0 else 'under'}-{word}"


def test_agrees_with_the_score_test_of_evaluate(sample):
    """One test, one number: evaluate and score_test, weights included."""
    z, y = sample()
    w = 1.0 + np.arange(len(y)) % 3
    mine = metrics.score_test(reference.softmax(z), y, weights=w)
    theirs = tp.evaluate(reference.softmax(z), y, weights=w).score_test
    assert (mine.statistic, mine.direction) == (pytest.approx(theirs.z), theirs.direction)
    assert mine.p_value == pytest.approx(theirs.p_value)


@pytest.mark.parametrize("run", PUBLIC)
def test_one_column_is_two_columns(sample, run):
    """K = 2 as the probability of class 1 and as two columns."""
    z, y = sample(k=2)
    p = reference.softmax(z)[:, 1]
    one, two = run(p, y).to_dict(), run(np.stack([1 - p, p], axis=1), y).to_dict()
    assert one == two


def test_two_classes_are_one_event(sample):
    """For K = 2: Spiegelhalter's test is the same for every event, class bias is the mean's."""
    z, y = sample(k=2, seed=9)
    p = reference.softmax(z)
    by_event = [metrics.spiegelhalter_test(p, y, event=e).statistic for e in ("top-label", 0, 1)]
    assert by_event == pytest.approx([by_event[0]] * 3)
    mean = [metrics.calibration_in_the_large_test(p, y, event=e).statistic for e in (0, 1)]
    assert mean[0] == pytest.approx(-mean[1])
    assert metrics.class_bias_test(p, y).statistic == pytest.approx(mean[1] ** 2)
    of_class, of_top = metrics.cox_test(p, y), metrics.cox_test(p, y, event="top-label")
    assert of_class.slope != pytest.approx(of_top.slope, rel=1e-3)
    mirrored = metrics.cox_test(p, y, event=0)
    assert (-mirrored.intercept, mirrored.slope) == pytest.approx(
        (of_class.intercept, of_class.slope)
    )


@pytest.mark.parametrize("run", PUBLIC)
def test_rows_of_weight_zero_are_not_there(sample, run):
    """A row of weight 0 counts for nothing, not even one with a label of probability 0."""
    z, y = sample(n=60, k=3)
    p = reference.softmax(z)
    units = np.arange(60) // 3
    plain = run(p, y, weights=np.full(60, 5.0), clusters=units)
    more = np.concatenate([p, [[1.0, 0.0, 0.0]]]), np.append(y, 1)
    w = np.append(np.ones(60), 0.0)
    padded = run(*more, weights=w, clusters=np.append(units, 99))
    assert padded == plain
    assert run(p, y, clusters=units).statistic == pytest.approx(plain.statistic)
    assert run(p, y, weights=np.full(60, 1e-300)).statistic == pytest.approx(run(p, y).statistic)


@pytest.mark.parametrize("run", PUBLIC)
def test_weight_two_is_not_row_twice(sample, run):
    """Importance weights: a row twice is evidence twice, all weights doubled is no evidence."""
    z, y = sample(n=300, k=3)
    p = reference.softmax(z)
    once, doubled = run(p, y).statistic, run(p, y, weights=np.full(300, 2.0)).statistic
    twice = run(p.repeat(2, axis=0), y.repeat(2)).statistic
    assert doubled == pytest.approx(once)
    chi_square = run(p, y).degrees_of_freedom is not None
    assert twice == pytest.approx(once * (2.0 if chi_square else math.sqrt(2.0)))


@pytest.mark.parametrize("run", PUBLIC)
def test_copies_within_a_cluster_add_nothing(sample, run):
    """Each row three times, as one cluster, is each row once as its own cluster."""
    z, y = sample(n=200, k=3)
    p = reference.softmax(z)
    once = run(p, y, clusters=np.arange(200))
    copies = run(p.repeat(3, axis=0), y.repeat(3), clusters=np.arange(200).repeat(3))
    assert copies.statistic == pytest.approx(once.statistic)
    names = np.array([f"patient {i}" for i in range(200)]).repeat(3)
    assert run(p.repeat(3, axis=0), y.repeat(3), clusters=names) == copies


THIRD = [1 / 3, 1 / 3, 1 / 3]
UNDEFINED = {  # (probs, labels): the tests that are undefined, and a word of the reason
    "zero-probability label": (
        [[1.0, 0.0], [0.6, 0.4], [0.3, 0.7], [0.2, 0.8]],
        [1, 0, 0, 1],
        dict.fromkeys(("score", "joint-score", "class-bias"), "probability 0")
        | {"cox": "probability 0"},
    ),
    "all certain and right": (
        [[1.0, 0.0], [0.0, 1.0]],
        [0, 1],
        dict.fromkeys(("score", "joint-score", "class-bias", "spiegelhalter"), "chance")
        | {"calibration-in-the-large": "chance", "cox": "0 or 1"},
    ),
    "uniform": ([THIRD] * 4, [0, 1, 2, 0], {"score": "chance", "cox": "equal"}),
    "coins": (
        [[0.5, 0.5]] * 4,
        [0, 1, 1, 0],
        {"score": "chance", "spiegelhalter": "chance", "cox": "equal"},
    ),
    "one half, up to rounding": (
        [[0.5, 0.1, 0.4], [0.2, 0.3, 0.5], [0.5, 0.37, 0.13]] * 3,
        [0, 1, 2, 0, 2, 0, 1, 2, 1],
        {"spiegelhalter": "chance", "cox": "equal"},
    ),
    "all right": ([[0.6, 0.4], [0.3, 0.7], [0.2, 0.8]], [0, 1, 1], {"cox": "threshold"}),
    "three classes all right": (
        [[0.5, 0.3, 0.2], [0.2, 0.2, 0.6], [0.1, 0.8, 0.1]],
        [0, 2, 1],
        {"cox": "always"},
    ),
    "three classes all wrong": (
        [[0.5, 0.3, 0.2], [0.2, 0.2, 0.6], [0.1, 0.8, 0.1]],
        [1, 1, 2],
        {"cox": "never"},
    ),
    "one class present": ([[0.6, 0.4], [0.3, 0.7], [0.2, 0.8]], [0, 0, 0], {"cox": "never"}),
    "one row": ([[0.6, 0.3, 0.1]], [1], {"cox": "never"}),
    "all confidences equal": ([[0.7, 0.3], [0.3, 0.7]] * 2, [0, 1, 1, 0], {}),
    "equal confidence of one class": ([[0.7, 0.3]] * 3, [0, 1, 1], {"cox": "equal"}),
}


@pytest.mark.parametrize("case", UNDEFINED)
def test_undefined_tests_say_why(case):
    """Degenerate data: a reason in place of numbers, or finite numbers; JSON without NaN."""
    p, y, undefined = UNDEFINED[case]
    for run in PUBLIC:
        test = run(p, y)
        text = json.dumps(test.to_dict(), allow_nan=False)
        assert json.loads(text) == test.to_dict()
        if test.name in undefined:
            assert (test.statistic, test.p_value, test.direction) == (None, None, None)
            assert undefined[test.name] in test.reason
        else:
            assert test.reason is None
            assert math.isfinite(test.statistic)
            assert 0 <= test.p_value <= 1


def test_an_impossible_outcome_refutes():
    """All probabilities 0 or 1 and one row wrong: p = 0 where no score is infinite."""
    p, y = [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], [0, 1, 1]
    for run in (metrics.spiegelhalter_test, metrics.calibration_in_the_large_test):
        test = run(p, y, event="top-label")
        assert (test.p_value, test.direction) == (0.0, "over-confident")
        assert math.isfinite(test.statistic)
    far = predictions([[0, -800.0, -900.0], [0, -800.0, -900.0]], [0, 1])  # exp(-800) is 0
    for run in (joint_score_rows, class_bias_rows, score_rows):
        assert run(far).p_value == 0.0
        assert math.isfinite(run(far).statistic)


@pytest.mark.parametrize("run", PUBLIC)
def test_few_clusters(sample, run):
    """One cluster shows no chance; with two, z cannot pass sqrt(2) however bad the model."""
    z, y = sample(n=100, k=3)
    p = reference.softmax(3 * z)
    assert run(p, y, clusters=["a"] * 100).p_value is None
    two = run(p, y, clusters=np.arange(100) % 2)
    if two.degrees_of_freedom is None and two.reason is None:
        assert abs(two.statistic) <= math.sqrt(2) + 1e-12
    else:
        assert "cluster" in two.reason


def test_directions_that_the_data_cannot_show_do_not_count(sample):
    """A class never possible costs a degree of freedom; so does a temperature equal to biases."""
    z, y = sample(n=200, k=3)
    without, wider = predictions(z, y), np.insert(z, 1, -np.inf, axis=1)
    with_empty = predictions(wider, np.where(y > 0, y + 1, 0))
    for run in (joint_score_rows, class_bias_rows):
        assert run(with_empty).statistic == pytest.approx(run(without).statistic)
        assert run(with_empty).degrees_of_freedom == run(without).degrees_of_freedom
    same = predictions(np.tile(z[:1], (200, 1)), y)  # constant rows: z is a sum of class terms
    joint, biases = joint_score_rows(same), class_bias_rows(same)
    assert joint.degrees_of_freedom == biases.degrees_of_freedom == 2
    assert joint.statistic == pytest.approx(biases.statistic)
    # two pairs of options that never meet: two biases, not three
    left, right = np.insert(z[:, :2], [2, 2], -np.inf, axis=1), np.full((200, 4), -np.inf)
    right[:, 2:] = z[:, :2]
    parted = predictions(np.concatenate([left, right]), np.r_[y % 2, 2 + y % 2])
    assert class_bias_rows(parted).degrees_of_freedom == 2
    one_sided = class_bias_rows(predictions(z[:, :2], y % 2)).statistic
    assert class_bias_rows(parted).statistic == pytest.approx(2 * one_sided)


def test_too_many_classes_give_a_reason():
    """2,001 classes: no 2,001 x 2,001 matrix, but a result that says so."""
    z = np.random.default_rng(0).normal(size=(3, 2001))
    test = joint_score_rows(predictions(z, [0, 1, 2]))
    assert test.p_value is None
    assert "2001 classes" in test.reason
    assert score_rows(predictions(z, [0, 1, 2])).p_value is not None


def test_exact_where_probabilities_round_to_one():
    """Confidence 1 - 1e-17 in float64 is 1, but its chance to be wrong counts."""
    z = np.array([[0.0, -40.0]] * 50 + [[0.0, -1.0]] * 50)
    rows = predictions(z, np.arange(100) % 2)
    q = math.exp(-40) / (1 + math.exp(-40))
    c = 1 / (1 + math.exp(-1))
    expected = (25 - 50 * q + 25 - 50 * (1 - c)) / math.sqrt(50 * (q * (1 - q) + c * (1 - c)))
    assert calibration_in_the_large_rows(rows).statistic == pytest.approx(expected)
    assert cox_rows(rows).slope == pytest.approx(0, abs=1e-9)
    tiny = predictions([[0.0, -70.0, -71.0]] * 9, [0] * 9)
    p = np.exp([-70.0, -71.0])
    expected = 9 * (p.sum() ** 2 / p.sum())  # sum of U_k^2 / V_kk, which hardly overlap
    assert class_bias_rows(tiny).statistic == pytest.approx(expected, rel=1e-9)
    assert class_bias_rows(tiny).degrees_of_freedom == 2


def test_holm_by_its_definition():
    """Holm's example, ties, ends, one, none, and what is not a p-value."""
    # Holm 1979 as R prints it: p.adjust(c(.01, .02, .03, .04, .05), "holm")
    assert metrics.holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx(
        [0.05, 0.08, 0.09, 0.09, 0.09]
    )
    assert metrics.holm([0.3, 0.3, 0.9]) == pytest.approx([0.9, 0.9, 0.9])
    assert metrics.holm([0.0, 1.0]) == [0.0, 1.0]
    assert metrics.holm([0.2]) == [0.2]
    assert metrics.holm([]) == []
    for bad in (-0.1, 1.1, math.nan):
        with pytest.raises(tp.InvalidInputError, match="`p_values` must lie in"):
            metrics.holm([0.5, bad])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1), max_size=8), st.floats(0.001, 0.999))
def test_holm_rejects_step_by_step(p_values, level):
    """adjusted <= level where the sequential procedure at that level rejects."""
    rejected, left = set(), sorted(range(len(p_values)), key=lambda i: p_values[i])
    while left and len(left) * p_values[left[0]] <= level:
        rejected.add(left.pop(0))
    adjusted = metrics.holm(p_values)
    ties = {p_values[i] for i in rejected} & {p_values[i] for i in left}
    for i, value in enumerate(adjusted):
        assert p_values[i] <= value <= 1
        assert (value <= level) == (i in rejected) or p_values[i] in ties


def grouped(seed=0):
    """Three calibrated groups of 600 rows and one that is over-confident by T = 2."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(2400, 4)) * 2
    names = np.array(["a", "b", "bad", "other"]).repeat(600)
    p = reference.softmax(np.where(names[:, None] == "bad", z / 2, z))
    y = (p.cumsum(axis=1) < rng.random((2400, 1))).sum(axis=1)
    shuffle = rng.permutation(2400)
    return reference.softmax(z)[shuffle], y[shuffle], names[shuffle]


def test_groups_are_tested_one_by_one():
    """Each group's test is that of its rows alone; Holm over all; the worst comes first."""
    p, y, names = grouped()
    tests = metrics.group_score_tests(p, y, names)
    assert tests[0].group == "bad"
    assert tests[0].direction == "over-confident"
    assert tests[0].adjusted_p_value < 1e-6
    assert {each.group: each.n for each in tests} == dict.fromkeys(["a", "b", "bad", "other"], 600)
    for each in tests:
        assert each.test == metrics.score_test(p[names == each.group], y[names == each.group])
        assert json.loads(json.dumps(each.to_dict(), allow_nan=False)) == each.to_dict()
    raw = [each.test.p_value for each in tests]
    assert raw == sorted(raw)
    assert [each.adjusted_p_value for each in tests] == metrics.holm(raw)


@pytest.mark.parametrize("with_clusters", [False, True])
def test_groups_with_weights_and_clusters(with_clusters):
    """Weights and clusters reach the groups; rows of weight 0 are not counted."""
    p, y, names = grouped(1)
    w = 0.5 * (np.arange(2400) % 4)
    w[names == "b"] = 0.0
    units = (np.arange(2400) // 5).astype(str) if with_clusters else None
    tests = metrics.group_score_tests(p, y, names, weights=w, clusters=units)
    of_rows = {each.group: each for each in metrics.group_score_tests(p, y, names, weights=w)}
    for each in tests:
        own = names == each.group
        assert each.n == np.count_nonzero(w[own])
        if each.group == "b":
            assert each is tests[-1]
            assert (each.adjusted_p_value, each.test.reason) == (
                None, "no row has a weight above 0",
            )  # fmt: skip
        else:
            alone = metrics.score_test(
                p[own], y[own], weights=w[own], clusters=units[own] if with_clusters else None
            )
            assert each.test.statistic == pytest.approx(alone.statistic)
            if with_clusters:
                rows_alone = of_rows[each.group].test.p_value
                assert each.test.p_value == pytest.approx(max(alone.p_value, rows_alone))
    defined = [each.test.p_value for each in tests[:-1]]
    assert [each.adjusted_p_value for each in tests[:-1]] == metrics.holm(defined)


def test_a_group_of_one_row_is_honest():
    """One row proves no more than its label's improbability; an impossible label refutes all."""
    p = [[0.9, 0.06, 0.04], [0.9, 0.06, 0.04], [1.0, 0.0, 0.0]]
    tests = metrics.group_score_tests(p, [2, 0, 1], ["rare", "usual", "impossible"])
    impossible, rare, usual = tests
    assert (rare.group, rare.n, rare.test.leaning) == ("rare", 1, "over-confident")
    assert rare.direction == "neither"
    assert rare.test.statistic > 3  # "p = 0.001" of a normal distribution
    assert rare.test.p_value == pytest.approx(0.04, abs=0.025)
    assert usual.test.p_value == 1.0
    assert (impossible.group, impossible.adjusted_p_value) == ("impossible", 0.0)
    assert impossible.direction == "over-confident"
    again = metrics.group_score_tests(p, [2, 0, 1], ["rare", "usual", "impossible"])
    assert again == tests


def test_small_groups_by_all_their_outcomes():
    """p of three rows against the sum over all 27 outcomes."""
    p = np.array([[0.7, 0.2, 0.1], [0.5, 0.3, 0.2], [0.15, 0.8, 0.05]])
    y = np.array([1, 0, 0])
    w = np.array([1.0, 2.0, 1.5])
    score = w[:, None] * ((p * np.log(p)).sum(axis=1, keepdims=True) - np.log(p))
    observed = abs(score[[0, 1, 2], y].sum()) - 1e-12
    exact = sum(
        math.prod(p[[0, 1, 2], list(labels)])
        for labels in itertools.product(range(3), repeat=3)
        if abs(score[[0, 1, 2], list(labels)].sum()) >= observed
    )
    found = [
        metrics.group_score_tests(p, y, ["g"] * 3, weights=w, seed=s)[0].test.p_value
        for s in range(60)
    ]
    assert 0.02 < exact < 0.98
    assert np.mean(found) == pytest.approx(exact, rel=0.15)
    assert len(set(found)) > 5  # the seed matters


def test_what_no_draw_can_show_has_an_upper_bound():
    """30 rows at 90 %, 20 or 25 wrong: p between the exact binomial sum and 100 times it."""
    for wrong in (20, 25):
        y = [1] * wrong + [0] * (30 - wrong)
        found = metrics.group_score_tests([[0.9, 0.1]] * 30, y, ["g"] * 30)[0].test.p_value
        away = wrong - 3
        exact = sum(
            math.comb(30, count) * 0.1**count * 0.9 ** (30 - count)
            for count in range(31)
            if abs(count - 3) >= away
        )
        assert exact < found < 100 * exact < 1e-9
    # two scores, each with probability 1/2: both tails count, 2 / 2^30
    found = metrics.group_score_tests([[0.5, 0.25, 0.25]] * 30, [0] * 30, ["g"] * 30)
    assert found[0].test.p_value == pytest.approx(2**-29, rel=0.01)
    names = np.arange(1000).repeat(30)  # 1,000 groups: 10,001 draws alone could pick out none
    y = (np.arange(30_000) % 30 == 0).astype(int)
    y[:20] = 1
    tests = metrics.group_score_tests(np.tile([[0.9, 0.1]], (30_000, 1)), y, names)
    assert tests[0].group == "0"
    assert tests[0].adjusted_p_value < 1e-9


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p, y: metrics.group_score_tests(p, y, ["a"]), "`groups` must have shape"),
        (lambda p, y: metrics.group_score_tests(p, y, ["a", None, "b"]), "row 1 has none"),
        (lambda p, y: metrics.score_test(p, y, clusters=[1, 2]), "`clusters` must have shape"),
        (lambda p, y: metrics.cox_test(p, y, event=3), "`event` must be"),
        (lambda p, y: metrics.spiegelhalter_test(p, y, event="x"), "`event` must be"),
        (lambda p, y: metrics.score_test(p, y, weights=[0, 0, 0]), "must not all be zero"),
        (lambda p, y: metrics.joint_score_test(np.zeros((0, 2)), []), "at least one row"),
    ],
)
def test_bad_arguments(call, message):
    """What is refused, and in which words."""
    with pytest.raises(tp.InvalidInputError, match=message):
        call([[0.5, 0.5]] * 3, [0, 1, 0])


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_data_give_finite_numbers_or_a_reason(data):
    """Extreme, tied, masked, weighted, clustered: never NaN, never a crash, p in [0, 1]."""
    n, k = data.draw(st.integers(1, 8)), data.draw(st.integers(2, 4))
    value = st.sampled_from([0.0, 1.0, -3.0, 40.0, -745.0, 1e6, 1e100, -np.inf, 1e-17, 0.5])
    z = np.array(data.draw(st.lists(value, min_size=n * k, max_size=n * k))).reshape(n, k)
    z[np.isneginf(z).all(axis=1)] = 0.0
    y = np.array(data.draw(st.lists(st.integers(0, k - 1), min_size=n, max_size=n)))
    w = data.draw(
        st.none() | st.lists(st.sampled_from([0.0, 1e-9, 1.0, 1e200]), min_size=n, max_size=n)
    )
    units = data.draw(st.none() | st.lists(st.integers(0, 3), min_size=n, max_size=n))
    if w is not None and not any(w):
        w = None
    if units is not None:
        units = np.unique(units, return_inverse=True)[1]
    rows = predictions(z, y, w, units)
    for run in ON_ROWS:
        test = run(rows)
        json.dumps(test.to_dict(), allow_nan=False)
        assert (test.reason is None) == (test.p_value is not None)
        assert test.p_value is None or 0 <= test.p_value <= 1
        assert test.reason is None or len(test.reason) > 10
    for each in group_score_rows(rows, ("a", "b"), np.arange(n) % 2):
        json.dumps(each.to_dict(), allow_nan=False)
        assert each.adjusted_p_value is None or 0 <= each.adjusted_p_value <= 1


def test_a_rare_event_that_did_not_happen_refutes_no_group():
    """Between clusters it shows no variance at all: z is -7.7, and 60 rows of 2 % are no sign."""
    p, y = np.full(60, 0.02), np.zeros(60, dtype=int)
    for units in (np.arange(60), np.arange(60) // 2):
        found = metrics.group_score_tests(p, y, ["a"] * 60, clusters=units)
        assert found[0].test.p_value > 0.25
    alone = metrics.group_score_tests(p, y, ["a"] * 60)
    assert metrics.group_score_tests(p, y, ["a"] * 60, clusters=np.arange(60)) == alone


def test_rare_events_between_clusters():
    """Of 12 events expected four happened: as improbable as of independent rows, not as z says."""
    p, y = np.full(1000, 0.012), (np.arange(1000) < 4).astype(int)
    units = np.arange(1000) // 20 * 7 % 50
    clustered, alone = (
        tp.evaluate(p, y, clusters=each, n_resamples=200, measures=("tests",)).tests
        for each in (np.arange(1000), None)
    )
    assert metrics.score_test(p, y, clusters=np.arange(1000)).p_value < 0.0005
    assert clustered.score.p_value == pytest.approx(alone.score.p_value)
    assert alone.score.p_value > 0.01
    assert clustered.score.statistic == pytest.approx(-4.0, abs=0.1)
    often = np.full(1000, 0.3), (np.arange(1000) % 3 == 0).astype(int)
    tests = tp.evaluate(*often, clusters=units, n_resamples=200, measures=("tests",)).tests
    assert tests.score.p_value == metrics.score_test(*often, clusters=units).p_value


def test_clusters_widen_what_a_group_shows():
    """Copies of each row as one cluster: the larger p-value is the one of clusters."""
    rng = np.random.default_rng(3)
    p = np.repeat(rng.uniform(0.5, 0.95, 60), 4)
    y = np.repeat((rng.random(60) < 0.62).astype(int), 4)
    units = np.arange(240) // 4
    names = ["a"] * 240
    clustered, alone = (
        metrics.group_score_tests(p, y, names, clusters=each)[0].test for each in (units, None)
    )
    assert clustered.p_value == metrics.score_test(p, y, clusters=units).p_value
    assert clustered.p_value > 10.0 * alone.p_value


@pytest.mark.parametrize("events", [4, 6, 9])
def test_few_events_in_a_large_group(events):
    """Of one event expected in 1,000 rows: p not below the exact one, nor 20 times as large."""
    p, y = np.full(1000, 0.001), (np.arange(1000) < events).astype(int)
    exact = binom.sf(events - 1, 1000, 0.001)
    found = metrics.group_score_tests(p, y, ["a"] * 1000)[0].test
    assert exact <= found.p_value < 20.0 * exact + 0.02
    assert math.erfc(abs(found.statistic) / math.sqrt(2)) < exact  # what z says by itself


RATES = {  # T score, joint score, Spiegelhalter: rejections at 5 % in the table, n = 1,000
    "calibrated": (0.033, 0.043, 0.027),
    "over": (0.997, 0.990, 0.993),
    "under": (0.920, 0.223, 0.847),
    "biased": (0.103, 0.880, 0.100),
}


@pytest.fixture(scope="module")
def pool():
    """All logits of REF-B at the temperature of its calibration half: a calibrated model."""
    return reference.calibrated_b()


def labels_from(z, rng):
    p = reference.softmax(z)
    return (p.cumsum(axis=1) < rng.random((len(z), 1)) * p.sum(axis=1, keepdims=True)).sum(axis=1)


@pytest.mark.slow
@pytest.mark.parametrize("world", RATES)
def test_sizes_and_power(pool, world):
    """Rejection rates on 1,000 rows of B. The table does not name its biased classes: cat, dog."""
    rng, repetitions = np.random.default_rng(20), 300
    biases = np.zeros(10)
    biases[[3, 5]] = 0.7, -0.7
    truth = {"over": lambda z: z / 1.2, "under": lambda z: z / 0.85, "biased": lambda z: z + biases}
    runs = (score_rows, joint_score_rows, spiegelhalter_rows, class_bias_rows, cox_rows)
    rejected = np.zeros(len(runs))
    for _ in range(repetitions):
        z = pool[rng.integers(0, len(pool), 1000)]
        rows = predictions(z, labels_from(truth.get(world, np.asarray)(z), rng))
        rejected += [run(rows).p_value < 0.05 for run in runs]
    rates = rejected / repetitions
    for rate, expected in zip(rates, RATES[world], strict=False):
        # both rates are of 300 samples
        error = math.sqrt(2 * max(expected * (1 - expected), 0.05 * 0.95) / repetitions)
        assert rate == pytest.approx(expected, abs=3 * error)
    if world == "calibrated":
        assert rates[3:] == pytest.approx(0.05, abs=3 * math.sqrt(0.05 * 0.95 / repetitions))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["weights", "clusters"])
def test_sizes_with_weights_and_clusters(kind):
    """Calibrated rows rejected in 5 % of samples: unequal weights, or four copies of each row."""
    rng, repetitions = np.random.default_rng(21), 400
    rejected, naive = np.zeros(len(ON_ROWS)), np.zeros(len(ON_ROWS))
    for _ in range(repetitions):
        z = rng.normal(size=(300, 3)) * 1.5
        y = labels_from(z, rng)
        w = units = None
        if kind == "weights":
            w = rng.exponential(size=300)
        else:
            z, y, units = z.repeat(4, axis=0), y.repeat(4), np.arange(300).repeat(4)
        rejected += [run(predictions(z, y, w, units)).p_value < 0.05 for run in ON_ROWS]
        naive += [run(predictions(z, y)).p_value < 0.05 for run in ON_ROWS]
    error = math.sqrt(0.05 * 0.95 / repetitions)
    assert rejected / repetitions == pytest.approx(0.05, abs=3.5 * error)
    if kind == "clusters":
        assert (naive / repetitions > 0.2).all()


@pytest.mark.slow
@pytest.mark.parametrize("count", [8, 20])
def test_size_of_cox_with_few_clusters(count):
    """Clusters of 20 rows with luck in common: refuted in .05 to .09, by chi-square in .16 on."""
    rng, repetitions = np.random.default_rng(23), 400
    p_values, by_chi_square = [], []
    for _ in range(repetitions):
        z, y, more = verdict_worlds.lucky(rng, count, 20, alike=0.0 if count == 8 else 0.8)
        test = cox_rows(predictions(z, y, clusters=more["clusters"]))
        p_values.append(test.p_value)
        by_chi_square.append(math.exp(-test.statistic / 2))
    error = math.sqrt(0.05 * 0.95 / repetitions)
    assert np.mean(np.array(p_values) < 0.05) < 0.08 + 3 * error
    assert np.mean(np.array(by_chi_square) < 0.05) > 0.13


@pytest.mark.slow
def test_sizes_of_small_groups(pool):
    """Groups of 10 and 100 calibrated rows: p < 0.01 in 1 % of them, where z alone says more."""
    rng = np.random.default_rng(22)
    n_groups = 1500
    for n in (10, 100):
        z = pool[rng.integers(0, len(pool), n * n_groups)]
        names = np.arange(n_groups).repeat(n)
        tests = metrics.group_score_tests(reference.softmax(z), labels_from(z, rng), names)
        small = np.mean([each.test.p_value < 0.01 for each in tests])
        by_normal = np.mean([abs(each.test.statistic) > 2.5758 for each in tests])
        assert small < 0.01 + 3.5 * math.sqrt(0.01 / n_groups)
        assert small > 0.01 - 3.5 * math.sqrt(0.01 / n_groups) - 0.002
        if n == 10:
            assert by_normal > 0.02
        assert sum(each.adjusted_p_value < 0.05 for each in tests) <= 1
