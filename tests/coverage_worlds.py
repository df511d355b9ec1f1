"""Worlds of a known truth: what each measure is of all rows, and how often intervals hold it."""

from collections import defaultdict

import numpy as np
from scipy.optimize import isotonic_regression

import reference
import temperance as tp

BIASES = np.array([0.0, 0, 0, 0.7, 0, -0.7, 0, 0, 0, 0])  # cat and dog
WORLDS = {  # what the model makes of the true logits
    "b = 1.15": lambda z: 1.15 * z,
    "b = 1.7359": lambda z: 1.7359 * z,
    "b = 0.75": lambda z: 0.75 * z,
    "class biases": lambda z: z + BIASES,  # gaps of both signs
}
SURE = "calibrated"  # the model that says the true probabilities
PLAIN = ("log_loss", "brier", "accuracy", "confidence")


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
        "debiased": np.sqrt(sum(squares) / len(p)),
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


def intervals_of(evaluation, measures=None):
    """Every interval of an evaluation by the name of its truth; only `PLAIN`, where asked."""
    plain = {name: getattr(evaluation, name) for name in PLAIN}
    if measures is not None:
        return plain
    errors = {name: error.estimate for name, error in evaluation.errors.items()}
    return {
        **plain,
        **errors,
        "miscalibration": evaluation.corp.miscalibration.estimate,
        "sum of uncertainty": evaluation.brier_parts.uncertainty,
        **{f"class {each.number}": each.error.estimate for each in evaluation.classes},
        **{f"frequency {each.number}": each.frequency for each in evaluation.classes},
    }


def coverage(p, models, *, n, repetitions, n_resamples, measures=None, start=0):
    """Share of samples whose interval holds the truth, by (kind, model, measure).

    The kind is "value" or "difference". Labels are drawn from p, (rows, k); `models` holds the
    probabilities of each model, and all are compared with p itself on the same rows. With
    `measures`, only those of `PLAIN` are looked at.
    """
    sides = {SURE: p, **models}
    truths = {name: truth_of(p, q) for name, q in sides.items()}
    held = defaultdict(list)

    def look(kind, name, measure, interval, truth):
        inside = interval.low - 1e-9 <= truth <= interval.high + 1e-9
        held[kind, name, measure.rstrip(" 0123456789")].append(inside)

    for seed in range(start, start + repetitions):
        rng = np.random.default_rng([n, seed])
        rows = rng.integers(0, len(p), n)
        y = (p[rows].cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(0, p.shape[1] - 1)
        c = tp.compare(
            {name: q[rows] for name, q in sides.items()}, y, n_resamples=n_resamples, seed=seed,
            measures=measures,
        )  # fmt: skip
        for name, evaluation in c.evaluations.items():
            for measure, interval in intervals_of(evaluation, measures).items():
                if interval is not None:
                    look("value", name, measure, interval, truths[name][measure])
        for name, differences in c.differences.items():
            for measure, interval in differences.measures.items():
                gap = truths[name][measure] - truths[SURE][measure]
                look("difference", name, measure, interval, gap)
    return {key: float(np.mean(each)) for key, each in held.items()}


def pool():
    """All rows of REF-B at its temperature: what labels are drawn from, and what models say."""
    z = reference.calibrated_b()
    return reference.softmax(z), {name: reference.softmax(of(z)) for name, of in WORLDS.items()}
