"""The list of operations of a map computes what the map does."""

import numpy as np
import pytest

import temperance as tp
from temperance.calibrators import METHODS, AnswerConfidence
from temperance.calibrators import operations as ops


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def log_softmax(x):
    with np.errstate(divide="ignore"):
        return (
            np.log(softmax(x))
            if np.isneginf(x).any()
            else x - np.logaddexp.reduce(x, axis=1, keepdims=True)
        )


def log_sigmoid(x):
    return -np.logaddexp(0.0, -x)


def smoothed(x, share):
    exists = ~np.isneginf(x)
    uniform = exists / exists.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        return np.log((1 - share) * softmax(x) + share * uniform)


def affine(x, weights, bias):
    weights = np.array(weights)
    if weights.ndim == 2:
        return np.maximum(x, -1e200) @ weights.T + bias
    return np.where(np.isneginf(x), -np.inf, np.where(np.isneginf(x), 0, x) * weights + bias)


def one_vs_rest(x):
    columns = range(x.shape[1])
    rest = [np.logaddexp.reduce(np.delete(x, c, axis=1), axis=1) for c in columns]
    return x - np.stack(rest, axis=1)


def curves(x, step):
    lines = zip(x.T, step.log_odds, step.probabilities, strict=True)
    return np.stack([np.interp(column, o, p) for column, o, p in lines], axis=1)


def between(x, step):
    """The two steps, looked up one row at a time."""
    out = []
    for o in x[:, 0]:
        below = [p for start, p in zip(step.lower_from, step.lower, strict=True) if start <= o]
        above = [p for end, p in zip(step.upper_to, step.upper, strict=True) if end >= o]
        p0, p1 = below[-1] if below else 0.0, above[0] if above else 1.0
        out.append([p1 / (1 - p0 + p1)])
    return np.array(out)


def pooled(members, step):
    logs = [log_softmax(x) for x in members]
    if step.pool == "log":
        return sum(w * each for w, each in zip(step.weights, logs, strict=True))
    return np.log(sum(w * np.exp(each) for w, each in zip(step.weights, logs, strict=True)))


COMPUTED = {  # operation -> what it does to rows
    ops.Divide: lambda x, step: x / np.array(step.by),
    ops.Smooth: lambda x, step: smoothed(x, step.share),
    ops.LogSoftmax: lambda x, _: log_softmax(x),
    ops.Affine: lambda x, step: affine(x, step.weights, step.bias),
    ops.LogOdds: lambda x, _: x[:, 1:] - x[:, :1],
    ops.OneVsRest: lambda x, _: one_vs_rest(x),
    ops.BetaCurve: lambda x, s: s.a * log_sigmoid(x) - s.b * log_sigmoid(-x) + s.c,
    ops.Curves: curves,
    ops.Steps: between,
    ops.WithZero: lambda x, _: np.hstack([np.zeros_like(x), x]),
    ops.WithComplement: lambda x, _: np.hstack([1 - x, x]),
    ops.Softmax: lambda x, _: softmax(x),
    ops.Sigmoid: lambda x, _: np.exp(log_sigmoid(x)),
    ops.Normalize: lambda x, _: x / x.sum(axis=1, keepdims=True),
    ops.WeightedPool: pooled,
}


def computed(steps, x, groups=None):
    """Operation by operation, in NumPy."""
    for step in steps:
        if isinstance(step, ops.DivideByGroup):
            x = x / np.array([[step.by.get(each, step.pooled)] for each in groups])
        else:
            x = COMPUTED[type(step)](x, step)
    return x


def labelled(k, n=400, seed=0, scale=3.0):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, k)) * scale
    truth = softmax(z / 1.7).cumsum(axis=1)
    return z, (truth < rng.random((n, 1))).sum(axis=1).clip(0, k - 1)


def fitted_maps():
    """One map of every method that takes the logits of one model, of two and of four classes."""
    for name, method in METHODS.items():
        if method.traits.members or method.traits.groups:
            continue
        for k in (2,) if method.traits.binary else (2, 4):
            yield pytest.param(method, k, {}, id=f"{name}-{k}")
    yield pytest.param(tp.TemperatureScaling, 4, {"smooth": True}, id="smoothed")


@pytest.mark.parametrize(("method", "k", "settings"), list(fitted_maps()))
@pytest.mark.parametrize("scale", [0.3, 3.0, 40.0])
def test_operations_are_the_map(method, k, settings, scale):
    """Step by step in NumPy, on new rows beyond those of the fit: what `apply` gives."""
    z, y = labelled(k, scale=scale)
    calibrator = method.fit(z, y, **settings)
    new = np.random.default_rng(1).normal(size=(200, k)) * 2 * scale
    probs = computed(calibrator.operations(), new)
    assert probs == pytest.approx(calibrator.apply(new), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("method", ["temperature", "smoothed", "bias-corrected-temperature",
                                    "vector", "identity"])  # fmt: skip
def test_missing_options_stay_out(method):
    """Where an option does not exist (-inf), the same operations hold."""
    z, y = labelled(4)
    z[::3][np.arange(len(z[::3])), (y[::3] + 1) % 4] = -np.inf
    settings = {"smooth": True} if method == "smoothed" else {}
    calibrator = METHODS.get(method, tp.TemperatureScaling).fit(z, y, **settings)
    probs = computed(calibrator.operations(), z)
    assert probs == pytest.approx(calibrator.apply(z), rel=1e-12, abs=1e-15)
    assert (probs[np.isneginf(z)] == 0).all()


def test_rows_of_groups():
    """Each row is divided by its group's number; a new group by the pooled one."""
    z, y = labelled(3, n=600)
    groups = np.array(["a", "b"])[np.arange(600) % 2]
    calibrator = tp.GroupTemperatureScaling.fit(z, y, groups=groups)
    new = np.array(["a", "b", "new"])[np.arange(600) % 3]
    probs = computed(calibrator.operations(), z, groups=new)
    assert probs == pytest.approx(calibrator.apply(z, groups=new), rel=1e-12)


@pytest.mark.parametrize("pool", ["log", "linear"])
def test_members_are_pooled(pool):
    """Two models: their pool, divided, as probabilities."""
    z, y = labelled(3)
    other = z + np.random.default_rng(2).normal(size=z.shape)
    calibrator = tp.Ensemble.fit([z, other], y, pool=pool)
    probs = computed(calibrator.operations(), [z, other])
    assert probs == pytest.approx(calibrator.apply([z, other]), rel=1e-12)


@pytest.mark.parametrize("method", ["temperature", "group-temperature", "platt", "identity"])
def test_label_matrices(method):
    """Each label's logit on its own, and a sigmoid."""
    z, _ = labelled(3)
    y = (np.random.default_rng(3).random(z.shape) < 1 / (1 + np.exp(-z / 2))).astype(int)
    calibrator = tp.select_labels(z, y, methods=[method]).calibrator if method == "platt" else None
    calibrator = calibrator or tp.MultilabelScaling.fit(z, y, per_label="group" in method)
    probs = computed(calibrator.operations(), z)
    assert probs == pytest.approx(calibrator.apply(z), rel=1e-12)


def test_answers_are_two_classes():
    """The log-odds of a score, as logits (0, x), go through the inner map's operations."""
    scores = np.random.default_rng(4).random(300)
    right = (np.random.default_rng(5).random(300) < scores**2).astype(int)
    calibrator = AnswerConfidence.fit(scores, right, scale="probability", method="beta")
    odds = np.log(scores / (1 - scores))
    probs = computed(calibrator.operations(), np.stack([0 * odds, odds], axis=1))[:, 1]
    assert probs == pytest.approx(calibrator.apply(scores), rel=1e-12)
