"""What rows cannot show yet, probabilities say: intervals and verdicts of rare errors."""

from math import exp, inf, log, sqrt

import numpy as np
import pytest
from scipy.stats import chi2
from scipy.stats import t as student

import reference
import temperance as tp
from temperance.metrics.estimates import gap_estimate, score_estimate
from temperance.metrics.implied import GapSums, ImpliedSums, implied_scores, paired_gaps
from temperance.metrics.inputs import Predictions, row_measures
from temperance.sums import MeanSums

Z95 = 1.959963984540054


def by_hand(p, scores, seen, w):
    """Mean, squared standard error between rows, and within, by loops over rows and classes."""
    means, variances, fourths = [], [], []
    for row, own in zip(p, scores, strict=True):
        mean = sum(a * s for a, s in zip(row, own, strict=True))
        means.append(mean)
        variances.append(sum(a * (s - mean) ** 2 for a, s in zip(row, own, strict=True)))
        fourths.append(sum(a * (s - mean) ** 4 for a, s in zip(row, own, strict=True)))
    total = sum(w)
    mean = sum(a * m for a, m in zip(w, means, strict=True)) / total
    between = sum((a * (m - mean)) ** 2 for a, m in zip(w, means, strict=True)) / total**2
    between /= 1 - sum(a * a for a in w) / total**2
    within = sum(a * a * v for a, v in zip(w, variances, strict=True))
    shown = sum((a * (s - m)) ** 2 for a, s, m in zip(w, seen, means, strict=True))
    doubt = sqrt(sum(a**4 * (f - v * v) for a, f, v in zip(w, fourths, variances, strict=True)))
    return mean, between + min(within, shown + 2 * doubt) / total**2


@pytest.mark.parametrize("weighted", [False, True])
def test_what_probabilities_imply_by_hand(sample, weighted):
    """Expected log loss and Brier score, and their squared errors, by loops."""
    z, y = sample(n=60, temperature=0.6)
    w = np.random.default_rng(0).uniform(0.5, 2.0, 60) if weighted else None
    rows = Predictions.from_logits(z, y, w)
    implied = implied_scores(rows, row_measures(rows)[:, :2])
    p = reference.softmax(z)
    square = (p * p).sum(axis=1)[:, None]
    for column, scores in enumerate((-np.log(p), square + 1 - 2 * p)):
        seen = scores[np.arange(60), y]
        mean, squared = by_hand(p, scores, seen, np.ones(60) if w is None else w)
        assert implied.mean(column) == pytest.approx(mean)
        assert implied.squared_error(column) == pytest.approx(squared)


def test_what_two_models_imply_by_hand(sample):
    """Of log loss, Brier score and accuracy, under each model's probabilities."""
    z, y = sample(n=80)
    other = z + np.random.default_rng(1).normal(size=z.shape)
    own, base = (Predictions.from_logits(each, y, None) for each in (other, z))
    gaps = paired_gaps(own, base)
    p, q = reference.softmax(other), reference.softmax(z)
    brier = [(a * a).sum(axis=1)[:, None] + 1 - 2 * a for a in (p, q)]
    right = [np.eye(4)[a.argmax(axis=1)] for a in (p, q)]
    differences = (np.log(q) - np.log(p), brier[0] - brier[1], right[0] - right[1])
    for model, sums in ((p, gaps.own), (q, gaps.baseline)):
        for column, scores in enumerate(differences):
            seen = scores[np.arange(80), y]
            mean, squared = by_hand(model, scores, seen, np.ones(80))
            assert sums.mean(column) == pytest.approx(mean)
            assert sums.squared_error(column) == pytest.approx(squared)


def test_sums_of_halves_are_those_of_the_whole(sample):
    """They merge, also where weights are on other scales."""
    z, y = sample(n=200)
    w = np.random.default_rng(0).uniform(size=200)
    own, base = (Predictions.from_logits(each, y, w) for each in (z / 2, z))
    whole = paired_gaps(own, base)

    def half(rows, part, scale=1.0):
        return Predictions.from_logits(rows.scores[part], y[part], w[part] * scale)

    first, last = slice(None, 90), slice(90, None)
    merged = paired_gaps(half(own, first), half(base, first)).merge(
        paired_gaps(half(own, last, 2.0**-8), half(base, last, 2.0**-8)).rescaled(8)
    )
    for index in range(3):
        one, two = gap_estimate(whole, index), gap_estimate(merged, index)
        assert [two.low, two.high] == pytest.approx([one.low, one.high])


@pytest.mark.parametrize("errors", [0, 1, 3, 40])
def test_equal_errors_are_a_poisson_number(errors):
    """Scores of 0 and 2 under a model that expects such errors: exact low end, root at the high."""
    n = 1000
    values = np.zeros((n, 1))
    values[:errors] = 2.0
    sums = MeanSums.of(values, None)
    share = 0.002
    moments = (np.full((n, 1), 2 * share), np.full((n, 1), 4 * share * (1 - share)))
    implied = ImpliedSums.of((*moments, np.full((n, 1), 16 * share)), values, None, None)
    found = score_estimate(sums, 0, implied, 0, highest=inf)
    c = 2.0 / n  # what one error adds to the mean
    if not errors:  # of 1,000 rows, up to 1 - .025 ** .001 may be wrong
        assert (found.low, found.high) == (0.0, inf)
        found = score_estimate(sums, 0, implied, 0, highest=2.0)
        assert found.high == pytest.approx(2 * 3.68 / n, rel=0.01)
        return
    low = c * chi2.ppf(0.025, 2 * errors) / 2
    assert found.low == pytest.approx(low, rel=0.08)
    assert (found.high - found.value) ** 2 == pytest.approx(Z95**2 * c * found.high, rel=0.05)
    assert found.high >= 3.6 * c  # three of a thousand may have been missed


def test_ends_of_a_difference_are_where_it_would_be_surprising(sample):
    """By definition: every mean m with (d - m)^2 <= z^2 SE(m)^2, searched on a fine grid."""
    z, y = sample(n=150, temperature=0.8)
    for factor in (0.5, 0.8, 1.3, 3.0):
        own, base = (Predictions.from_logits(each, y, None) for each in (factor * z, z))
        gaps = paired_gaps(own, base)
        for index in (0, 1):
            found = gap_estimate(gaps, index)
            b, a = gaps.own.mean(index), gaps.baseline.mean(index)
            at_b, at_a = (each.squared_error(index) for each in (gaps.own, gaps.baseline))
            assert b < 0 < a
            m = np.linspace(found.low - 0.2, found.high + 0.2, 400_001)
            line = np.maximum(at_b + (m - b) * (at_a - at_b) / (a - b), 0.0)
            at_zero = at_b - b * (at_a - at_b) / (a - b)
            seen = gaps.means.standard_error(index) ** 2
            inside = (found.value - m) ** 2 <= Z95**2 * np.maximum(line, max(seen, at_zero))
            assert found.low <= m[inside].min() + 1e-5
            assert found.high >= m[inside].max() - 1e-5
            if a > found.value > b:  # and no further than that
                assert found.low == pytest.approx(m[inside].min(), abs=1e-5)
                assert found.high == pytest.approx(m[inside].max(), abs=1e-5)


def test_rows_of_clusters_take_students_t():
    """Ten clusters of two like rows: the difference has nine degrees of freedom."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(10, 4)).repeat(2, axis=0)
    clusters = np.arange(20) // 2
    nothing = ImpliedSums.of(tuple(np.zeros((20, 3)) for _ in range(3)), values[:, :3], None, None)
    gaps = GapSums(MeanSums.of(values, None, clusters), nothing, nothing)
    found = gap_estimate(gaps, 0)
    once = values[::2, 0]
    half = student.ppf(0.975, 9) * once.std(ddof=1) / sqrt(10)
    assert found.high - found.value == pytest.approx(half)


def test_copies_in_their_cluster_say_nothing_new():
    """Rare errors, each row ten times as one cluster: as wide as once, not root ten narrower."""
    rng = np.random.default_rng(4)
    z = WORLDS["3 %"](rng, 150)
    y, rows = drawn(rng, z), np.arange(150).repeat(10)
    ends = []
    for own, labels, units in ((z, y, None), (z[rows], y[rows], rows), (z[rows], y[rows], None)):
        p, q = (reference.softmax(factor * own) for factor in (1.0, 1.3))
        c = tp.compare({"q": q, "p": p}, labels, clusters=units, n_resamples=100)
        found = (c.evaluations["p"].log_loss, c.differences["p"].log_loss)
        ends.append([each.high - each.low for each in found])
    once, clustered, careless = np.array(ends)
    assert clustered == pytest.approx(once, rel=0.05)
    assert (careless < 0.6 * once).all()


def test_certain_models_and_infinite_losses():
    """Sure and right four times: an error to come costs without end. Infinite: for certain."""
    sure = tp.evaluate(np.eye(2)[[0, 1, 0, 1]], [0, 1, 0, 1], n_resamples=100)
    assert (sure.log_loss.value, sure.log_loss.low, sure.log_loss.high) == (0.0, 0.0, inf)
    assert sure.brier.high == pytest.approx(2 * (1 - 0.025 ** (1 / 4)))
    wrong = tp.evaluate(np.eye(2)[[0, 1, 0, 1]], [0, 1, 0, 0], n_resamples=100).log_loss
    assert (wrong.low, wrong.high) == (inf, inf)
    one = tp.evaluate([[0.9, 0.1]], [0], n_resamples=100).log_loss
    assert (one.low, one.high) == (0.0, inf)  # one row has no spread to see


def test_no_positive_is_no_proof():
    """100 rows of .7 % without an event: sharper probabilities are not better for sure."""
    rng = np.random.default_rng(3)
    odds = rng.normal(-5.6, 1.2, 100)
    p, q = (1 / (1 + np.exp(-each)) for each in (odds, 1.3 * odds))
    compared = tp.compare({"sharper": q, "true": p}, np.zeros(100, dtype=int), n_resamples=100)
    for measure in ("log_loss", "brier"):
        assert compared.differences["true"].measures[measure].value > 0  # as seen
        assert compared.differences["true"].verdict(measure) == "cannot tell"


# The promise, in worlds of rare errors


def rare(mean, spread=1.2):
    """Log-odds of two classes around `mean`: their own probabilities are true."""
    return lambda rng, n: np.stack([np.zeros(n), rng.normal(mean, spread, n)], axis=1)


def leading(by, spread):
    """Ten classes of which one leads: near-certain models."""

    def draw(rng, n):
        z = rng.normal(size=(n, 10))
        z[np.arange(n), rng.integers(0, 10, n)] += rng.normal(by, spread, n)
        return z

    return draw


WORLDS = {
    "0.7 %": rare(-5.6), "1 %": rare(-5.2), "3 %": rare(-4.0), "5 %": rare(-3.5),
    "right 97 %": leading(8, 2.0), "right 99.7 %": leading(12, 2.5),
    "right 99.7 %, heavy tails": lambda rng, n: rng.normal(0, 400.0, (n, 10)),
}  # fmt: skip


def drawn(rng, z):
    """Labels drawn from softmax(z)."""
    p = reference.softmax(z)
    return (p.cumsum(axis=1) < rng.random((len(z), 1))).sum(axis=1).clip(0, z.shape[1] - 1)


def logarithms(z):
    z = z - z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


@pytest.mark.slow
@pytest.mark.parametrize("world", ["0.7 %", "right 99.7 %", "right 99.7 %, heavy tails", "3 %"])
def test_no_wrong_verdict_where_errors_are_rare(request, world):
    """The truth against the same log-odds times 1.3, and divided: never "worse" beyond .025."""
    full = "slow" in request.config.getoption("markexpr")
    sizes, draws = ((50, 100, 200, 500, 1000), 1000) if full else ((50, 100), 30)
    for n in sizes:
        rng = np.random.default_rng(n)
        wrong = {(factor, measure): 0 for factor in (1.3, 1 / 1.3) for measure in (0, 1)}
        for _ in range(draws):
            z = WORLDS[world](rng, n)
            y = drawn(rng, z)
            true = Predictions.from_logits(z, y, None)
            for factor in (1.3, 1 / 1.3):
                other = Predictions.from_logits(factor * z, y, None)
                gaps = paired_gaps(true, other)
                for measure in (0, 1):
                    wrong[factor, measure] += gap_estimate(gaps, measure).low > 0
        most = 0.025 * draws + (3.0 * sqrt(0.025 * draws) if draws < 100 else 0.0)
        assert max(wrong.values()) <= most, (n, wrong)


@pytest.mark.slow
@pytest.mark.parametrize("world", [each for each in WORLDS if each != "0.7 %"])
def test_means_of_scores_hold_where_errors_are_rare(request, world):
    """Log loss and Brier score of 60 to 1,000 rows, of the truth and of a sharper model."""
    full = "slow" in request.config.getoption("markexpr")
    sizes, draws = ((60, 100, 200, 500, 1000), 1000) if full else ((60, 200), 60)
    big = WORLDS[world](np.random.default_rng(0), 200_000)
    p = reference.softmax(big)
    for factor in (1.0, 1.3):
        q = reference.softmax(factor * big)
        logs = np.where(p > 0, logarithms(factor * big), 0.0)
        truth = (-(p * logs).sum(axis=1).mean(), (q * q - 2 * p * q + p).sum(axis=1).mean())
        for n in sizes:
            rng = np.random.default_rng(n)
            held = np.zeros(2)
            for _ in range(draws):
                z = WORLDS[world](rng, n)
                rows = Predictions.from_logits(factor * z, drawn(rng, z), None)
                seen = row_measures(rows)[:, :2]
                sums, implied = MeanSums.of(seen, None), implied_scores(rows, seen)
                for measure, highest in ((0, inf), (1, 2.0)):
                    found = score_estimate(sums, measure, implied, measure, highest=highest)
                    held[measure] += found.low <= truth[measure] <= found.high
            least = 0.92 - (3.0 * sqrt(0.92 * 0.08 / draws) if draws < 100 else 0.0)
            assert held.min() / draws >= least, (n, factor, held / draws)


@pytest.mark.slow
def test_power_is_kept(request):
    """REF-B with T off by 1.2, 2,000 rows: "better" as often as the rows' own spread says it."""
    full = "slow" in request.config.getoption("markexpr")
    z, _, z_test, _ = reference.reference_b()
    pool = np.concatenate([z, z_test]) / 1.735877588761
    draws = 1000 if full else 40
    rng, found, plain = np.random.default_rng(1), 0, 0
    for _ in range(draws):
        true = pool[rng.integers(0, len(pool), 2000)]
        y = drawn(rng, true)
        gaps = paired_gaps(
            Predictions.from_logits(true, y, None), Predictions.from_logits(1.2 * true, y, None)
        )
        found += gap_estimate(gaps, 0).high < 0
        plain += gaps.means.mean(0) + Z95 * gaps.means.standard_error(0) < 0
    assert plain / draws > 0.6
    assert found >= plain - 0.02 * draws


def test_log_loss_of_a_certain_binary_example():
    """Two rows at 1/2: the log loss is log 2 with no spread, and none is implied."""
    found = tp.evaluate([[0.5, 0.5]] * 4, [0, 1, 0, 1], n_resamples=100).log_loss
    assert found.value == pytest.approx(log(2))
    assert found.low == pytest.approx(log(2))
    assert found.high == pytest.approx(log(2))
    assert exp(-found.value) == pytest.approx(0.5)
