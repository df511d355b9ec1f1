"""Moments of scores: compiled, by NumPy, and written out."""

import numpy as np
import pytest

from temperance.kernels.engines import compiled_moments, preferring
from temperance.metrics.implied import paired_gaps
from temperance.metrics.inputs import Predictions, row_measures, score_moments

SHAPES = [(1, 2), (3, 2), (50, 10), (40, 33), (7, 1500)]


def written_out(scores, probs):
    """Return mean, variance and fourth central moment, class by class."""
    moments = np.zeros((3, len(scores)))
    for i, (s, p) in enumerate(zip(scores, probs, strict=True)):
        there = [j for j in range(len(s)) if np.isfinite(s[j])]
        mean = sum(p[j] * s[j] for j in there)
        moments[:, i] = (
            mean,
            *(sum(p[j] * (s[j] - mean) ** power for j in there) for power in (2, 4)),
        )
    return moments


def drawn_logits(rng, shape, dtype, impossible):
    """Return logits of rows that are near certain, even or far out, with ties and options gone."""
    z = rng.standard_t(2.0, size=shape) * 10.0 ** rng.integers(-3, 4, size=(shape[0], 1))
    z = np.where(rng.random((shape[0], 1)) < 0.3, np.rint(z), z)  # ties
    gone = rng.random(shape) < impossible
    gone[np.arange(shape[0]), rng.integers(shape[1], size=shape[0])] = False
    z[gone] = -np.inf
    return z.astype(dtype)


def softmax_of(logits):
    """Return the softmax of rows."""
    z = logits.astype(np.float64)
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


@pytest.fixture
def compiled():
    """Return the compiled functions."""
    pytest.importorskip("numba")
    with preferring("numba"):
        return compiled_moments(1)


@pytest.mark.parametrize("shape", [(1, 1), *SHAPES])
@pytest.mark.parametrize("impossible", [0.0, 0.2])
def test_moments_are_those_of_the_definition(shape, impossible):
    """Near-certain rows, wide scores, classes without a score, in rows that do not lie together."""
    rng = np.random.default_rng(5 + shape[1])
    scores = rng.standard_t(2.0, size=shape) * 10.0 ** rng.integers(-3, 4, size=(shape[0], 1))
    scores[rng.random(shape) < impossible] = rng.choice([np.inf, -np.inf, np.nan])
    probs = rng.dirichlet(np.full(shape[1], 0.1), size=shape[0])
    expected = written_out(scores, probs)
    for layout in (np.asarray, np.asfortranarray):
        ours = layout(scores)
        np.testing.assert_allclose(
            score_moments(ours, layout(probs)), expected, rtol=1e-9, atol=1e-300
        )
        np.testing.assert_array_equal(ours, scores)  # read only


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("impossible", [0.0, 0.3])
def test_a_reading_of_logits_gives_what_their_softmax_is(compiled, dtype, shape, impossible):
    """The largest, its first class, ties, the normaliser and all moments."""
    rng = np.random.default_rng(shape[1])
    z = drawn_logits(rng, shape, dtype, impossible)
    p = softmax_of(z)
    for layout in (np.ascontiguousarray, np.asfortranarray):
        scores = compiled.row_scores(layout(z))
        np.testing.assert_array_equal(scores.largest, z.max(axis=1))
        np.testing.assert_array_equal(scores.predicted, z.argmax(axis=1))
        np.testing.assert_array_equal(scores.n_top, (z == z.max(axis=1, keepdims=True)).sum(axis=1))
        np.testing.assert_allclose(1.0 / scores.total, p.max(axis=1), rtol=1e-13)
        centred = z.astype(np.float64) - z.max(axis=1, keepdims=True)
        for moments, of in ((scores.of_logits, centred), (scores.of_probs, p)):
            np.testing.assert_allclose(moments, written_out(of, p), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("shape", SHAPES)
def test_moments_of_probabilities_that_do_not_sum_to_one(compiled, shape):
    """Probabilities of files are rounded: they count as they are."""
    rng = np.random.default_rng(shape[1])
    p = softmax_of(drawn_logits(rng, shape, np.float64, 0.2)) * (1.0 + 1e-6)
    with np.errstate(divide="ignore"):
        z, largest = np.log(p), np.log(p.max(axis=1))
    moments = compiled.own_moments(z, largest, p.max(axis=1))
    expected = [written_out(of, p) for of in (z - largest[:, None], p)]
    np.testing.assert_allclose(moments, expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("impossible", [0.0, 0.3])
def test_gaps_of_two_models_under_each(compiled, shape, impossible):
    """An option that only one of them calls impossible has no gap in log loss."""
    rng = np.random.default_rng(shape[1])
    z = [drawn_logits(rng, shape, np.float64, impossible) for _ in range(2)]
    p = [softmax_of(each) for each in z]
    largest = [each.max(axis=1) for each in z]
    confidence = [each.max(axis=1) for each in p]
    moments = compiled.gap_moments(z, largest, confidence)
    with np.errstate(invalid="ignore"):
        centred = [each - top[:, None] for each, top in zip(z, largest, strict=True)]
        loss = centred[1] - centred[0] + np.log(confidence[1] / confidence[0])[:, None]
    expected = [[written_out(gap, each) for each in p] for gap in (loss, p[1] - p[0])]
    np.testing.assert_allclose(moments, expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("weighted", [False, True])
def test_predictions_are_the_same_by_both_engines(dtype, shape, weighted):
    """All that is derived of a row, and the sums of what two models differ in."""
    pytest.importorskip("numba")
    rng = np.random.default_rng(shape[1])
    n = shape[0]
    weights = rng.choice([0.0, 0.5, 3.0], size=n) if weighted and n > 1 else None
    logits = [drawn_logits(rng, shape, dtype, 0.2) for _ in range(2)]
    options = np.isfinite(logits[0]) & (np.isfinite(logits[1]) | weighted)
    options |= ~options.any(axis=1, keepdims=True)
    labels = (rng.random(shape) * options).argmax(axis=1)
    of_engine = []
    for engine in ("numpy", "numba"):
        with preferring(engine):
            two = [Predictions.from_logits(each, labels, weights) for each in logits]
            assert all((each.row_scores is None) == (engine == "numpy") for each in two)
            gaps = paired_gaps(*two) if weights is None else None
            of_rows = [
                (row_measures(each), each.of_label, each.ties(), each.logit_moments) for each in two
            ]
            of_engine.append((of_rows, gaps))
    for ours, theirs in zip(of_engine[0][0], of_engine[1][0], strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-10, atol=1e-14)
    first, second = of_engine[0][1], of_engine[1][1]
    if first is not None:
        for a, b in ((first.own, second.own), (first.baseline, second.baseline)):
            for name in ("variance", "squared_gap"):
                np.testing.assert_allclose(getattr(b, name), getattr(a, name), rtol=1e-8)
