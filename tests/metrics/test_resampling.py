"""Sums of resamples and of calibrated worlds: what is summed once for many, against each alone."""

import numpy as np
import pytest

import reference
import temperance as tp
from temperance.kernels.engines import preferring
from temperance.metrics.error_measures import ERROR_MEASURES, error_draws, ks_draws, smooth_error
from temperance.metrics.events import class_event, ranks_of, top_label_event
from temperance.metrics.inputs import Predictions
from temperance.metrics.joint_tests import Events, _joint_scores
from temperance.metrics.resampling import Resampling, draw_labels
from temperance.metrics.z_tests import log_odds


def predictions(n, k, *, weighted=False, seed=0):
    """Rows of a calibrated model."""
    rng = np.random.default_rng([seed, n, k])
    z = 2.0 * rng.normal(size=(n, k))
    labels = (z + rng.gumbel(size=z.shape)).argmax(axis=1)
    weights = rng.uniform(0.5, 2.0, size=n) if weighted else None
    return Predictions.check(reference.softmax(z), labels, weights)


class Sums:
    """Gaps of worlds on the grid, as `smooth_error` reads them."""

    def __init__(self, gap):
        self.gap, self.total = gap, np.ones(gap.shape[:-1])


@pytest.mark.parametrize("n", [150, 4000])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_bins", [15, 300, 1000])
def test_null_hits_are_counted_in_each_world(n, weighted, n_bins):
    """Bins in the order of the confidence, and bins in no order."""
    rows = predictions(n, 5, weighted=weighted)
    resampling = Resampling(rows, 100, 3)
    event = top_label_event(rows)
    w = np.ones(n) if rows.weights is None else rows.weights
    for bins in (
        np.minimum((event.probability * n_bins).astype(int), n_bins - 1),
        np.random.default_rng(1).integers(0, n_bins, n),
    ):
        sums = resampling.sums(event, bins, n_bins)
        order = np.argsort(event.probability, kind="stable")
        for world, right in enumerate(resampling._null_correct):  # noqa: SLF001
            expected = np.bincount(bins[order], w[order] * right, n_bins)
            assert sums.hits[101 + world] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("n", "n_bins"), [(150, 15), (150, 300), (4000, 15), (4000, 300)])
def test_resamples_weight_the_rows_of_their_groups(n, n_bins):
    """Few bins or many, a group a row or several; sums of p - k follow from those of both."""
    rows = predictions(n, 3, weighted=True)
    resampling = Resampling(rows, 100, 3)
    event = class_event(rows, 1)
    bins = np.random.default_rng(1).integers(0, n_bins, n)
    sums = resampling.sums(event, bins, n_bins)
    parts = {"weight": np.ones(n), "probability": event.probability, "hits": event.hit}
    before = sums.gap
    for world, drawn in enumerate(resampling._group_weights[:5]):  # noqa: SLF001
        w = rows.weights * drawn[resampling._group]  # noqa: SLF001
        for name, values in parts.items():
            expected = np.bincount(bins, w * values, n_bins)
            assert getattr(sums, name)[1 + world] == pytest.approx(expected, rel=1e-6, abs=1e-5)
    again = resampling.sums(event, bins, n_bins)
    assert again.probability - again.hits == pytest.approx(before, abs=1e-4)
    assert again.gap == pytest.approx(before, abs=1e-4)


@pytest.mark.parametrize("k", [4, 60])
def test_labels_are_drawn_by_their_probabilities(k):
    """Labels of a loop over draws and rows that inverts each row's sums, and their frequencies."""
    rows = predictions(40, k)
    probs = rows.probs.copy()
    probs[3] = np.eye(k)[1]  # certain: never another class
    drawn = draw_labels(probs, 500, seed=2)
    uniform = np.random.default_rng([2, 3]).random((500, 40)) * probs.cumsum(axis=1)[:, -1]
    for row in range(0, 40, 7):
        steps = probs[row].cumsum()
        expected = [next(j for j in range(k) if u < steps[j]) for u in uniform[:50, row]]
        assert drawn[:50, row].tolist() == expected
    assert (drawn[:, 3] == 1).all()
    frequency = np.bincount(drawn.ravel(), minlength=k) / drawn.size
    assert frequency == pytest.approx(probs.mean(axis=0), abs=0.02)


@pytest.mark.parametrize("sharpness", [0.0, 1.0, 40.0])
def test_compiled_labels_are_those_of_numpy(sharpness):
    """One by one, of even rows and of nearly certain ones."""
    pytest.importorskip("numba")
    z = sharpness * np.random.default_rng(0).normal(size=(30, 80))
    probs = reference.softmax(z)
    probs[3] = np.eye(80)[79]
    drawn = []
    for engine in ("numpy", "numba"):
        with preferring(engine):
            drawn.append(draw_labels(probs, 300, seed=2))
    assert np.array_equal(*drawn)


def test_each_world_has_its_own_smoothing_width():
    """What is found from the width of a neighbour is the root that bisection finds alone."""
    rng = np.random.default_rng(0)
    gap = rng.normal(size=(600, 512)) * rng.choice([1e-4, 1e-3], size=(600, 1))
    gap[::3] += 2e-4  # worlds whose mean gap is large
    gap[5] = 0.0
    found = smooth_error(Sums(gap))
    points = (np.arange(512) + 0.5) / 512
    frequency = np.pi * np.arange(512)
    basis = np.cos(points[:, None] * frequency)  # of the cosine transform
    basis[:, 0] /= 2
    for world in range(0, 600, 37):
        coefficients = (np.cos(frequency[:, None] * points) @ gap[world]) * 2 / 512
        low, high = 0.0, 1.0
        for _ in range(40):
            width = (low + high) / 2
            smoothed = basis @ (coefficients * np.exp(-0.5 * (frequency * width) ** 2))
            low, high = (width, high) if np.abs(smoothed).sum() > width else (low, width)
        near = 1e-4 if world else 3e-4  # the first one starts from both ends
        assert found[world] == pytest.approx(width, abs=near)
    assert found[5] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("n", [300, 3000])
def test_ranks_of_the_curve_give_the_draws_of_ks(n):
    """One set of sums for both, as if each had its own; of ranks of several rows by their means."""
    rows = predictions(n, 4)
    resampling, event = Resampling(rows, 100, 1), top_label_event(rows)
    ranked = resampling.sums(event, *ranks_of(event.probability))
    assert ranked.hits.shape == ranked.probability.shape  # as the curve reads them
    shared, own = ks_draws(resampling, ranked), error_draws(resampling, "ks", n_bins=15)
    assert (shared.value, shared.doubt) == (own.value, own.doubt)
    near = 1e-9 if n <= 1000 else 0.01 * own.resampled.std()
    assert shared.resampled == pytest.approx(own.resampled, abs=near)
    assert shared.spread == pytest.approx(own.spread, rel=1e-3)
    assert shared.null == pytest.approx(own.null, abs=1e-12)
    assert "ks" in ERROR_MEASURES


@pytest.mark.parametrize("event", [None, 2])
def test_log_odds_of_probabilities_are_those_of_their_logarithms(event):
    """Of what is 0 or 1 they are infinite."""
    probs = np.array([[0.1, 0.7, 0.2], [1e-200, 0.3, 0.7], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    rows = Predictions.check(probs, [0, 1, 1, 2], None)
    of = top_label_event(rows) if event is None else class_event(rows, event)
    place = rows.predicted if event is None else np.full(4, event)
    with np.errstate(divide="ignore"):
        expected = [
            np.log(p[j]) - np.log(np.delete(p, j).sum()) for p, j in zip(probs, place, strict=True)
        ]
    assert log_odds(rows, of) == pytest.approx(expected, rel=1e-12)


def test_events_of_scores_are_those_of_the_rows():
    """The covariance of the joint test holds each class's variance."""
    rows = predictions(700, 6)
    of_rows, of_scores = Events.of(rows), Events.of(rows, _joint_scores(rows))
    for name in ("n", "expected", "observed", "per_class"):
        assert getattr(of_scores, name) == pytest.approx(getattr(of_rows, name), rel=1e-12)
    weighted = predictions(700, 6, weighted=True)
    again = Events.of(weighted, _joint_scores(weighted))
    assert again.per_class == Events.of(weighted).per_class  # on the scale of effective rows


@pytest.mark.parametrize("seed", [1, 2])
def test_many_classes_of_few_rows_are_judged_by_labels_drawn_anew(seed):
    """A calibrated model of 300 classes and 12,000 rows: no p-value says that it is none.

    Cells hold few labels, so sums are skewed: where drawn rows changed their sign instead, these
    p-values were .001 and .002.
    """
    rng = np.random.default_rng(seed)
    z = 3.5 * rng.normal(size=(12_000, 300))
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    y = (p.cumsum(axis=1) < rng.random((len(p), 1))).sum(axis=1).clip(0, 299)
    errors = tp.evaluate(p, y, measures=("classwise", "top_label_conditional")).errors
    assert errors["top_label_conditional"].p_value > 0.01
    assert errors["classwise"].p_value > 0.05
