"""Worlds whose logits are the truth, for verdicts: rows alike, rare, few, weighted, in groups."""

import numpy as np
from scipy.stats import norm

import reference
import temperance as tp
from temperance.calibrators import Training, class_bias_errors
from temperance.checks.answer_scores import ANSWER_CLASSES
from temperance.checks.label_matrix import LABEL_CLASSES
from temperance.evaluation.evaluation import is_refuted
from temperance.metrics.inputs import Predictions
from temperance.metrics.z_tests import score_rows
from temperance.report.comparison import model_to_go_on_with
from temperance.report.verdict import standing

NODES, SHARES = np.polynomial.hermite_e.hermegauss(60)
SHARES = SHARES / SHARES.sum()  # of a standard normal number near each node


def two_classes(odds):
    """Logits of two classes with these log-odds of the second."""
    return np.stack([np.zeros(len(odds)), odds], axis=1)


def binary(rng, n, centre, spread, **more):
    """Two classes whose log-odds are normal."""
    odds = rng.normal(centre, spread, n)
    return two_classes(odds), (rng.random(n) < reference.sigmoid(odds)).astype(int), more


def tied(rng, n):
    """Probabilities of one decimal."""
    p = rng.integers(1, 10, n) / 10
    return two_classes(np.log(p / (1.0 - p))), (rng.random(n) < p).astype(int), {}


def several(rng, n, k, **more):
    """Classes that logits foretell."""
    z = 2.0 * rng.normal(size=(n, k))
    return z, (z + rng.gumbel(size=z.shape)).argmax(axis=1), more


def alike(rng, n):
    """Rows in clusters of ten: one probability, and outcomes that go together."""
    p = np.repeat(rng.uniform(0.05, 0.95, n // 10), 10)
    shared = np.repeat(rng.normal(size=n // 10), 10) + rng.normal(size=n)
    labels = (shared < 2.0**0.5 * norm.ppf(p)).astype(int)
    return two_classes(np.log(p / (1.0 - p))), labels, {"clusters": np.arange(n) // 10}


def lucky(rng, count, size, *, centre=0.0, alike=0.0, unequal=False):
    """Clusters that share luck: one normal number is added to the log-odds of all rows of each.

    The probability is that over all luck. `alike` is the share of the variance of log-odds that
    is between clusters, and `unequal` makes sizes log-normal.
    """
    sizes = np.full(count, size)
    if unequal:
        sizes = np.maximum(2, rng.lognormal(np.log(size), 1.0, count)).astype(int)
    unit = np.repeat(np.arange(count), sizes)
    between, within = rng.normal(size=count)[unit], rng.normal(size=len(unit))
    odds = centre + 1.5 * (alike**0.5 * between + (1.0 - alike) ** 0.5 * within)
    luck = rng.normal(size=count)[unit]
    labels = (rng.random(len(unit)) < reference.sigmoid(odds + luck)).astype(int)
    p = reference.sigmoid(odds[:, None] + NODES) @ SHARES
    return two_classes(np.log(p / (1.0 - p))), labels, {"clusters": unit}


def lucky_classes(rng, count, size, k, *, shared=0.4, alike=0.5):
    """The same of k classes: a normal number, partly the cluster's, says which rank comes true."""
    unit = np.repeat(np.arange(count), size)
    n = len(unit)
    between, within = rng.normal(size=(count, k))[unit], rng.normal(size=(n, k))
    z = 2.0 * (alike**0.5 * between + (1.0 - alike) ** 0.5 * within)
    p = reference.softmax(z)
    order = np.argsort(-p, axis=1)
    luck = shared**0.5 * rng.normal(size=count)[unit] + (1.0 - shared) ** 0.5 * rng.normal(size=n)
    cumulative = np.take_along_axis(p, order, 1).cumsum(axis=1)[:, :-1]
    rank = (cumulative < norm.cdf(luck)[:, None]).sum(axis=1)
    return z, order[np.arange(n), rank], {"clusters": unit}


def grouped(rng, count, *, unequal=False, n=2000):
    """Four classes in groups, of equal sizes or falling as 1 / rank^1.3."""
    shares = 1.0 / np.arange(1, count + 1) ** (1.3 if unequal else 0.0)
    number = rng.choice(count, n, p=shares / shares.sum())
    return several(rng, n, 4, groups=np.char.add("group ", number.astype(str)))


def label_matrix(rng, n, count=14, shared=0.3):
    """Labels of .02 to .4 that go together within a row."""
    odds = np.linspace(-4.0, -0.5, count) + 1.5 * rng.normal(size=(n, count))
    luck = shared**0.5 * rng.normal(size=(n, 1)) + (1.0 - shared) ** 0.5 * rng.normal(
        size=(n, count)
    )
    labels = norm.cdf(luck) > 1.0 - reference.sigmoid(odds)
    names = np.char.add("label ", np.arange(count).astype(str))
    more = {
        "groups": np.tile(names, n),
        "clusters": np.repeat(np.arange(n), count),
        "classes": LABEL_CLASSES,
    }
    return two_classes(odds.ravel()), labels.ravel().astype(int), more


STATED = np.array([50, 60, 70, 80, 85, 90, 95, 99, 100])
STATED_SHARES = [0.05, 0.05, 0.1, 0.15, 0.1, 0.25, 0.2, 0.05, 0.05]


def stated(rng, n):
    """Answers with a stated percentage of a few heaped values, right as often as they say."""
    percent = rng.choice(STATED, n, p=STATED_SHARES)
    odds = np.log((percent + 0.5) / (100.5 - percent))
    hits = (rng.random(n) < reference.sigmoid(odds)).astype(int)
    return two_classes(odds), tp.Positions(hits), {"classes": ANSWER_CLASSES}


def answers(rng, n):
    """Answers with a measured score: log-odds of being right, mostly above 0."""
    z, hits, _ = binary(rng, n, 1.5, 1.5)
    return z, tp.Positions(hits), {"classes": ANSWER_CLASSES}


def noisy(rng, n, k, scales):
    """Models that see the true logits with noise, one per scale: alike where scales are."""
    z, labels, _ = several(rng, n, k)
    return [reference.softmax(z + scale * rng.normal(size=z.shape)) for scale in scales], labels


WORLDS = {  # name -> (logits that are the truth, labels, other arguments of `evaluate`)
    "four classes, 2,000": lambda rng: several(rng, 2000, 4),
    "four classes, 10,000": lambda rng: several(rng, 10_000, 4),
    "ten classes, 2,000": lambda rng: several(rng, 2000, 10),
    "two classes, 2,000": lambda rng: binary(rng, 2000, 0.0, 1.5),
    "near-certain (log-odds about 6), 3,000": lambda rng: binary(rng, 3000, 6.0, 1.5),
    "ties (one decimal), 2,000": lambda rng: tied(rng, 2000),
    "ten rows, two classes": lambda rng: binary(rng, 10, 0.0, 1.5),
    "ten rows, four classes": lambda rng: several(rng, 10, 4),
    "ten rows, ten classes": lambda rng: several(rng, 10, 10),
    "30 rows, two classes": lambda rng: binary(rng, 30, 0.0, 1.5),
    "30 rows, four classes": lambda rng: several(rng, 30, 4),
    "30 rows, ten classes": lambda rng: several(rng, 30, 10),
    "1.7 % positives, 3,000": lambda rng: binary(rng, 3000, -4.5, 1.0),
    ".5 % positives, 1,000": lambda rng: binary(rng, 1000, -5.75, 1.0),
    ".5 % positives, 3,000": lambda rng: binary(rng, 3000, -5.75, 1.0),
    ".5 % positives, 10,000": lambda rng: binary(rng, 10_000, -5.75, 1.0),
    "3 groups, four classes, 2,000": lambda rng: grouped(rng, 3),
    "3 groups, very unequal": lambda rng: grouped(rng, 3, unequal=True),
    "8 groups": lambda rng: grouped(rng, 8),
    "8 groups, very unequal": lambda rng: grouped(rng, 8, unequal=True),
    "40 groups": lambda rng: grouped(rng, 40),
    "40 groups, very unequal": lambda rng: grouped(rng, 40, unequal=True),
    "exponential weights, four classes, 2,000": lambda rng: several(
        rng, 2000, 4, weights=rng.exponential(size=2000)
    ),
    "log-normal weights (1.5), four classes, 2,000": lambda rng: several(
        rng, 2000, 4, weights=rng.lognormal(0.0, 1.5, 2000)
    ),
    "Pareto weights (1.5), four classes, 2,000": lambda rng: several(
        rng, 2000, 4, weights=1.0 + rng.pareto(1.5, 2000)
    ),
    "Pareto weights (1.1), two classes, 2,000": lambda rng: binary(
        rng, 2000, 0.0, 1.5, weights=1.0 + rng.pareto(1.1, 2000)
    ),
    "log-normal weights (2), two classes, 300": lambda rng: binary(
        rng, 300, 0.0, 1.5, weights=rng.lognormal(0.0, 2.0, 300)
    ),
    "200 clusters of 10 alike rows": lambda rng: alike(rng, 2000),
    "100 clusters of 20, shared luck": lambda rng: lucky(rng, 100, 20),
    "100 clusters of 20, shared luck and odds": lambda rng: lucky(rng, 100, 20, alike=0.8),
    "20 clusters of 20, shared luck": lambda rng: lucky(rng, 20, 20),
    "20 clusters of 20, shared luck and odds": lambda rng: lucky(rng, 20, 20, alike=0.8),
    "8 clusters of 20, shared luck": lambda rng: lucky(rng, 8, 20),
    "50 clusters of log-normal size": lambda rng: lucky(rng, 50, 20, unequal=True),
    "40 clusters of 20, 8 % positives": lambda rng: lucky(rng, 40, 20, centre=-3.0),
    "50 clusters of 20, 1 % positives": lambda rng: lucky(rng, 50, 20, centre=-6.0),
    "100 clusters of 20, four classes": lambda rng: lucky_classes(rng, 100, 20, 4),
    "20 clusters of 20, four classes": lambda rng: lucky_classes(rng, 20, 20, 4),
    "30 clusters of 20, ten classes": lambda rng: lucky_classes(rng, 30, 20, 10),
    "14 labels, 60 rows": lambda rng: label_matrix(rng, 60),
    "14 labels, 300 rows": lambda rng: label_matrix(rng, 300),
    "answers with a stated percentage, 100": lambda rng: stated(rng, 100),
    "answers with a stated percentage, 500": lambda rng: stated(rng, 500),
    "answers with a stated percentage, 2,000": lambda rng: stated(rng, 2000),
    "answers with a score, 500": lambda rng: answers(rng, 500),
}


def verdict(make, seed, *, sharp=1.0, n_resamples=200):
    """What the first screen says of a sample of a world, and the test (or "groups") that refutes.

    200 resamples: of 100 the smallest p-value, corrected for eight tests, is .08.
    """
    z, labels, more = make(np.random.default_rng([seed, 7]))
    e = tp.evaluate(
        reference.softmax(sharp * z), labels, n_resamples=n_resamples,
        measures=("tests", "ece", "groups"), **more,
    )  # fmt: skip
    return standing(e).word, e.tests.verdict.test if is_refuted(e) else "groups"


# Words of direction, where there is next to nothing to find.


COMPARED = ("log_loss", "brier", "accuracy", "ece")


def sides_of_one(n, temperature, seed):
    """What the score test, and the interval of T, say of four classes: "over", "under", or ""."""
    rng = np.random.default_rng([seed, 5])
    z = 2.0 * rng.normal(size=(n, 4))
    labels = (z / temperature + rng.gumbel(size=z.shape)).argmax(axis=1)
    direction = score_rows(Predictions.from_logits(z, labels, None)).direction
    low, high = tp.TemperatureScaling.fit(z, labels).record.interval()
    by_interval = "over" if low > 1.0 else "under" if high < 1.0 else ""
    return direction.removesuffix("-confident").replace("neither", ""), by_interval


def differences(n, scale, seed):
    """What `compare` says of a model beside one of noise .7, measure by measure."""
    sides, labels = noisy(np.random.default_rng([seed, 6]), n, 4, (0.7, scale))
    compared = tp.compare(
        {"a": sides[0], "b": sides[1]}, labels, n_resamples=200, measures=COMPARED
    )
    return {name: compared.differences["b"].verdict(name) for name in COMPARED}


def chosen(n, count, seed):
    """The model that the page of a comparison goes on with, of so many that are alike, or None."""
    sides, labels = noisy(np.random.default_rng([seed, 8]), n, 4, (0.7,) * count)
    named = {f"model {number}": each for number, each in enumerate(sides)}
    return model_to_go_on_with(tp.compare(named, labels, n_resamples=100, measures=("log_loss",)))


def biases(n, k, seed):
    """The biases fitted to k classes that have none, each with its interval."""
    z, labels, _ = several(np.random.default_rng([seed, 9]), n, k)
    fitted = tp.BiasCorrectedTemperatureScaling.fit(z, labels)
    half = norm.ppf(0.975) * class_bias_errors(fitted, Training(z, labels, None))
    return [
        tp.Estimate(*each)
        for each in np.stack([fitted.bias, fitted.bias - half, fitted.bias + half], 1)
    ]
