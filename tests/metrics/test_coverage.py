"""Printed intervals hold the population's value: labels drawn from a known truth, over and over.

By default few samples of 500 rows; `pytest -m slow` draws 200, and 100 of 2,000 rows.
"""

from collections import defaultdict
from math import sqrt

import numpy as np
import pytest
from scipy.optimize import isotonic_regression

import reference
import temperance as tp

BIASES = np.array([0.0, 0, 0, 0.7, 0, -0.7, 0, 0, 0, 0])  # cat and dog
WORLDS = {  # what the model makes of the true logits
    "a little over-confident": lambda z: 1.15 * z,
    "over-confident": lambda z: 1.7359 * z,
    "under-confident": lambda z: 0.75 * z,
    "biased": lambda z: z + BIASES,  # gaps of both signs
}
PLAIN = ("log_loss", "brier", "accuracy", "confidence")
TIGHT = (*PLAIN, "ece", "ece_equal_mass", "smooth", "ks")


@pytest.fixture(scope="module")
def pool():
    """Logits whose softmax is the truth that labels are drawn from: all of REF-B, scaled."""
    return reference.calibrated_b()


def binned(said, true, n_bins=15):
    """Mean distance of said and true probability over bins of equal width, of all rows."""
    bins = np.maximum(np.ceil(said * n_bins).astype(int) - 1, 0)
    return np.abs(np.bincount(bins, said - true)).sum() / len(said)


def corp_parts(said, true):
    """Miscalibration, discrimination and uncertainty of the expected Brier score of one event."""
    order = np.argsort(said)
    said, true = said[order], true[order]

    def score(q):
        return np.mean(q * q - 2 * q * true + true)

    recalibrated = isotonic_regression(true).x
    best, constant = score(recalibrated), score(np.full(len(said), true.mean()))
    return np.array([score(said) - best, constant - best, constant])


def truth_of(p, q):
    """What every measure of q is on all rows, each with all labels in proportion to p."""
    rows = np.arange(len(p))
    said, true = q.max(axis=1), p[rows, q.argmax(axis=1)]
    order = np.argsort(said, kind="stable")
    gap = (said - true)[order]
    masses = [part.sum() for part in np.array_split(gap, 15)]
    squares = [part.sum() ** 2 / len(part) for part in np.array_split(gap, 15)]
    every_label = np.tile(np.arange(10), len(p))
    smooth = tp.metrics.smooth_calibration_error(
        q.repeat(10, axis=0), every_label, weights=p.ravel()
    )
    top = corp_parts(said, true)
    return {
        "log_loss": -(p * np.log(q)).sum(axis=1).mean(),
        "brier": (q * q - 2 * q * p + p).sum(axis=1).mean(),
        "accuracy": true.mean(),
        "confidence": said.mean(),
        "ece": binned(said, true),
        "ece_equal_mass": np.abs(masses).sum() / len(p),
        "debiased": sqrt(sum(squares) / len(p)),
        "smooth": smooth,
        "ks": np.abs(gap.cumsum()).max() / len(p),
        "flattened": np.abs(
            sum(np.bincount(np.maximum(np.ceil(q[:, j] * 15).astype(int) - 1, 0),
                            q[:, j] - p[:, j], 15) for j in range(10))
        ).sum() / p.size,
        "miscalibration": top[0],
        "discrimination": top[1],
        "sum of uncertainty": sum(corp_parts(q[:, j], p[:, j])[2] for j in range(10)),
        **{f"class {j}": binned(q[:, j], p[:, j]) for j in range(10)},
        **{f"frequency {j}": p[:, j].mean() for j in range(10)},
    }  # fmt: skip


def intervals_of(evaluation):
    """Every interval of an evaluation by the name of its truth."""
    errors = {name: error.estimate for name, error in evaluation.errors.items()}
    return {
        **{name: getattr(evaluation, name) for name in PLAIN},
        **errors,
        "miscalibration": evaluation.corp.miscalibration.estimate,
        "sum of uncertainty": evaluation.brier_parts.uncertainty,
        **{f"class {each.number}": each.error.estimate for each in evaluation.classes},
        **{f"frequency {each.number}": each.frequency for each in evaluation.classes},
    }


def coverage(p, q, *, n, repetitions, n_resamples):
    """Share of samples whose interval holds the truth: of p, of q and of their differences."""
    rng = np.random.default_rng(n)
    sure, off = truth_of(p, p), truth_of(p, q)
    held = defaultdict(list)
    for seed in range(repetitions):
        rows = rng.integers(0, len(p), n)
        y = (p[rows].cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(0, 9)
        c = tp.compare({"sure": p[rows], "off": q[rows]}, y, n_resamples=n_resamples, seed=seed)
        for name, truth in (("sure", sure), ("off", off)):
            for measure, interval in intervals_of(c.evaluations[name]).items():
                if interval is not None:
                    held[name, measure.rstrip(" 0123456789")].append(
                        interval.low - 1e-9 <= truth[measure] <= interval.high + 1e-9
                    )
        for measure, interval in c.differences["off"].measures.items():
            difference = off[measure] - sure[measure]
            held["difference", measure].append(
                interval.low - 1e-9 <= difference <= interval.high + 1e-9
            )
    return {key: float(np.mean(each)) for key, each in held.items()}


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS)
def test_intervals_hold_the_truth(pool, request, world):
    """Every interval of `evaluate` and `compare` covers .90 or more, but for simulation's error."""
    full = "slow" in request.config.getoption("markexpr")
    sizes = [(500, 200, 200), (2000, 100, 200)] if full else [(500, 15, 100)]
    p, q = reference.softmax(pool), reference.softmax(WORLDS[world](pool))
    for n, repetitions, n_resamples in sizes:
        found = coverage(p, q, n=n, repetitions=repetitions, n_resamples=n_resamples)
        error = sqrt(0.9 * 0.1 / repetitions)
        missed = {key: share for key, share in found.items() if share < 0.9 - 3.5 * error}
        assert not missed, n
        # nor so wide that they always hold, which those of other measures may near calibration
        means = [found[name, measure] for name in ("sure", "off") for measure in TIGHT]
        assert np.mean(means) < (0.985 if full else 1.0)
        assert {measure for _, measure in found} >= {*TIGHT, "debiased", "class"}
        assert ("off", "classwise") not in found


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS)
def test_bands_of_the_diagram_hold_the_curve(pool, request, world):
    """Row by row: the confidence band the true curve, the consistency band a calibrated one's."""
    full = "slow" in request.config.getoption("markexpr")
    sizes = [(500, 60), (2000, 60)] if full else [(500, 15)]
    p, q = reference.softmax(pool), reference.softmax(WORLDS[world](pool))
    said, true = q.max(axis=1), p[np.arange(len(p)), q.argmax(axis=1)]
    order = np.argsort(said)
    said, true = said[order], isotonic_regression(true[order]).x
    for n, repetitions in sizes:
        rng, held = np.random.default_rng(n), []
        for seed in range(repetitions):
            rows = rng.integers(0, len(p), n)
            of_truth, of_model = (
                tp.metrics.corp_reliability(
                    q[rows],
                    (probs[rows].cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(0, 9),
                    n_resamples=200,
                    seed=seed,
                )
                for probs in (p, q)
            )
            curve = np.interp(of_truth.probability, said, true)
            inside = (of_truth.confidence_low <= curve) & (curve <= of_truth.confidence_high)
            own = of_model.recalibrated
            within = (of_model.consistency_low <= own) & (own <= of_model.consistency_high)
            held.append([inside @ of_truth.share, within @ of_model.share])
        error = np.std(held, axis=0) / sqrt(repetitions)
        confidence, consistency = np.mean(held, axis=0) + 3 * error
        assert confidence > 0.9
        assert consistency > 0.93
        assert np.mean(held) < 0.99


def test_a_run_of_hits_leaves_doubt():
    """Ten hits of ten: frequencies from .025 ** (1 / 10) = .69 on; ten misses up to .31."""
    for label, low, high in ((1, 0.6915, 1.0), (0, 0.0, 0.3085)):
        curve = tp.metrics.corp_reliability(np.full(10, 0.5), np.full(10, label), n_resamples=100)
        assert curve.confidence_low == pytest.approx([low], abs=5e-5)
        assert curve.confidence_high == pytest.approx([high], abs=5e-5)
