"""Cross-fitting: no row is scored by a fit that saw it, and its fold is not a matter of place."""

import json
import re

import numpy as np
import pytest

import reference
import temperance as tp
from temperance.crossfit import content_order, cross_fit, folds_of, unshuffled_folds


@pytest.mark.filterwarnings("ignore:The least populated class")
@pytest.mark.parametrize("seed", range(8))
def test_unshuffled_folds_are_those_of_scikit_learn(seed):
    """The same rows in the same folds as StratifiedKFold(5) without shuffling."""
    model_selection = pytest.importorskip("sklearn.model_selection")
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2 + seed % 4, rng.integers(40, 200))
    expected = np.empty(len(y), dtype=int)
    for fold, (_, rows) in enumerate(model_selection.StratifiedKFold(5).split(y, y)):
        expected[rows] = fold
    assert (unshuffled_folds(y) == expected).all()


@pytest.mark.filterwarnings("ignore:The least populated class")
@pytest.mark.parametrize("seed", range(8))
def test_folds_hold_as_many_of_each_class_as_those_of_scikit_learn(seed):
    """The sizes of StratifiedKFold(5, shuffle=True), class by class, in some order of the folds."""
    model_selection = pytest.importorskip("sklearn.model_selection")
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2 + seed % 4, rng.integers(40, 200))
    z = rng.normal(size=(len(y), 3))
    folds = folds_of(y, scores=(z,), seed=seed)
    shuffled = model_selection.StratifiedKFold(5, shuffle=True, random_state=seed)
    theirs = [np.bincount(y[rows], minlength=5).tolist() for _, rows in shuffled.split(y, y)]
    ours = [np.bincount(y[folds == fold], minlength=5).tolist() for fold in range(5)]
    for own, other in zip(zip(*ours, strict=True), zip(*theirs, strict=True), strict=True):
        assert sorted(own) == sorted(other)
    assert sorted(map(sum, ours)) == sorted(map(sum, theirs))


def test_few_rows_are_folds_of_one():
    """Three rows make three folds, one row makes one, and no row none."""
    assert sorted(folds_of(np.zeros(3, dtype=int))) == [0, 1, 2]
    assert folds_of(np.zeros(1, dtype=int)).tolist() == [0]
    assert folds_of(np.zeros(0, dtype=int)).tolist() == []


def orders(z, y, rng):
    """The same rows: sorted, reversed, grouped, in turn, and by chance."""
    p = reference.softmax(z)
    n = len(y)
    by_loss = np.argsort(p[np.arange(n), y])
    by_class = np.lexsort((p.max(axis=1), y))
    hits = p.argmax(axis=1) == y
    right, wrong = np.flatnonzero(hits), np.flatnonzero(~hits)
    every_fifth = np.concatenate([right, wrong])[np.argsort(np.r_[np.arange(len(right)),
        5 * np.arange(len(wrong)) + 0.5])]  # fmt: skip
    yield from (np.argsort(p.max(axis=1)), by_loss, by_loss[::-1], by_class, by_class[::-1])
    yield from (np.concatenate([by_class[i::5] for i in range(5)]), every_fifth)
    yield from (rng.permutation(n) for _ in range(3))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("world", ["continuous", "ties", "rare", "ten rows", "masked", "clusters"])
def test_a_fold_does_not_depend_on_the_place(world, dtype):
    """In every order each row is in the fold it had; of equal rows as many are."""
    rng = np.random.default_rng(3)
    n = 10 if world == "ten rows" else 500
    z = (rng.normal(size=(n, 3)) * 2).astype(dtype)
    if world == "ties":
        z = np.round(z)
    if world == "masked":
        z[rng.random(z.shape) < 0.2] = -np.inf
        z[:, 0] = rng.normal(size=n)
    y = (rng.random(n) < 0.02).astype(int) if world == "rare" else rng.integers(0, 3, n)
    clusters = rng.integers(0, 60, n) if world == "clusters" else None
    folds = folds_of(y, scores=(z,), clusters=clusters, seed=4)
    for order in orders(z, y, rng):
        own = None if clusters is None else clusters[order]
        again = folds_of(y[order], scores=(z[order],), clusters=own, seed=4)
        if world == "ties":
            rows = np.unique(np.c_[z, y], axis=0, return_inverse=True)[1].ravel()
            pairs = (np.c_[rows, folds], np.c_[rows[order], again])
            first, second = (each[np.lexsort(each.T)] for each in pairs)
            assert (first == second).all()
        else:
            assert (again == folds[order]).all()


@pytest.mark.parametrize("place", ["sorted", "by class", "every fifth", "as they come"])
def test_no_fold_is_special(place):
    """Folds of sorted, grouped and interleaved rows hold what folds drawn by chance hold."""
    rng = np.random.default_rng(8)
    n, y = 4000, None
    for seed in range(5):
        z = rng.normal(size=(n, 2))
        y = (z[:, 1] - z[:, 0] + rng.logistic(size=n) > 0).astype(int)
        order = {
            "sorted": np.argsort(z[:, 1]), "by class": np.argsort(y, kind="stable"),
            "every fifth": np.arange(n), "as they come": rng.permutation(n),
        }[place]  # fmt: skip
        z, y = z[order], y[order]
        if place == "every fifth":
            z[::5] += [0.0, 3.0]
        for scores in ((z,), ()):
            folds = folds_of(y, scores=scores, seed=seed)
            means = [z[folds == fold].mean(axis=0) for fold in range(5)]
            spread = z.std(axis=0) * np.sqrt(5 / n)
            assert (np.abs(means - z.mean(axis=0)) < 4 * spread).all()


def test_seeds_draw_other_folds():
    """A seed gives its folds again, another seed other ones."""
    z = np.random.default_rng(0).normal(size=(200, 3))
    y = np.zeros(200, dtype=int)
    first, again, other = (folds_of(y, scores=(z,), seed=seed) for seed in (0, 0, 1))
    assert (first == again).all()
    assert 0.7 < (first != other).mean() < 0.9


def test_single_precision_and_printed_digits_have_the_same_folds():
    """What a file of another format rounds in the last place moves next to no row."""
    z = np.random.default_rng(0).normal(size=(2000, 3)) * 4
    y = np.arange(2000) % 3
    folds = folds_of(y, scores=(z,))
    for rounded in (z.astype(np.float32), np.round(z, 9)):
        assert (folds_of(y, scores=(rounded,)) == folds).mean() > 0.999


def test_content_order_sorts_equal_rows_together():
    """Sums that tie are told apart by the rows themselves, and 0 from -0 by nothing."""
    z = np.array([[0.0, 1.0], [-0.0, 1.0], [np.inf, 1.0], [1e15, 1.0], [0.0, 1.0], [np.inf, 1.0]])
    order = content_order([z]).tolist()
    assert sorted(order[:3]) == [0, 1, 4]
    assert {2, 5} in ({*order[3:5]}, {*order[4:]})


@pytest.mark.parametrize("seed", range(4))
def test_clusters_stay_whole_and_folds_even(seed):
    """No cluster in two folds; sizes differ by less than the largest cluster, classes by a few."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 12, 150)
    clusters = rng.permutation(np.repeat(np.arange(150), sizes))
    y = rng.integers(0, 3, len(clusters))
    folds = folds_of(y, clusters=clusters, seed=seed)
    assert all(len(set(folds[clusters == c])) == 1 for c in range(150))
    assert np.ptp(np.bincount(folds)) <= 2
    for c in range(3):
        assert np.ptp(np.bincount(folds[y == c], minlength=5)) <= 5


def test_one_large_cluster_among_single_rows():
    """It fills a fold of its own, and the single rows fill the others alike, class by class."""
    clusters = np.r_[np.zeros(300, dtype=int), np.arange(1, 301)]
    y = np.arange(600) % 2
    folds = folds_of(y, clusters=clusters)
    assert sorted(np.bincount(folds)) == [75, 75, 75, 75, 300]
    for c in range(2):
        assert min(np.bincount(folds[y == c])) >= 36


def test_very_many_clusters():
    """More clusters than are placed one by one: still whole, still even."""
    clusters = np.repeat(np.arange(30_000), 2)
    y = np.arange(60_000) // 2 % 7
    folds = folds_of(y, clusters=clusters)
    assert (folds[::2] == folds[1::2]).all()
    assert np.ptp(np.bincount(folds)) <= 4
    assert max(np.ptp(np.bincount(folds[y == c])) for c in range(7)) <= 40


def test_each_row_is_scored_by_a_fit_without_it(sample):
    """The result equals five fits on copies of the other folds."""
    z, y = sample(n=100)
    w = np.random.default_rng(0).uniform(0.5, 2, 100)
    fit = tp.TemperatureScaling.fit

    def out_of_fold(weights):
        fitted = fit(z, y, weights=weights)
        return lambda held_out: fitted.apply(z[held_out])

    probs = cross_fit(out_of_fold, y, scores=(z,), weights=w)
    folds = folds_of(y, scores=(z,), weights=w)
    for fold in range(5):
        out, rest = folds == fold, folds != fold
        by_hand = fit(z[rest], y[rest], weights=w[rest]).apply(z[out])
        assert probs[out] == pytest.approx(by_hand, rel=1e-9)


def test_too_few_rows_say_what_to_do():
    """Two rows fit, but not without one of them: the error names the way out."""
    z = np.array([[1.0, 0.0], [3.0, 0.0]])
    y = np.array([1, 0])
    tp.TemperatureScaling.fit(z, y)
    with pytest.raises(tp.NoOptimumError, match=r"leaves 1 of 2 rows out.*--test"):
        cross_fit(lambda w: tp.TemperatureScaling.fit(z, y, weights=w).apply, y)


def test_rows_of_weight_zero_move_no_other_row():
    """The others are in the folds they have alone, clusters or none."""
    rng = np.random.default_rng(1)
    z, y = rng.normal(size=(300, 3)), rng.integers(0, 3, 300)
    w = rng.choice([0.0, 1.0, 2.5], 300)
    there = w > 0
    for clusters in (None, rng.integers(0, 50, 300)):
        folds = folds_of(y, scores=(z,), weights=w, clusters=clusters)
        own = None if clusters is None else clusters[there]
        alone = folds_of(y[there], scores=(z[there],), weights=w[there], clusters=own)
        assert (folds[there] == alone).all()


WORLDS = {  # scale of the model's logits, classes, noise: over-confident, fine, under-confident
    "over-confident": (2.5, 3, 400),
    "calibrated": (1.0, 2, 250),
    "a little over-confident": (1.2, 2, 250),
    "under-confident": (0.5, 4, 150),
    "rare": (1.5, 2, 600),
}


@pytest.mark.parametrize("world", WORLDS)
def test_orders_of_a_file_have_one_verdict(run, tmp_path, world):
    """Sorted, reversed, grouped and interleaved: the same numbers, and so the same verdicts."""
    scale, k, n = WORLDS[world]
    rng = np.random.default_rng(n)
    z = rng.normal(size=(n, k)) * 2
    if world == "rare":
        z[:, 1] -= 4
    y = (reference.softmax(z).cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(0, k - 1)
    z *= scale
    found = []
    for i, order in enumerate(orders(z, y, rng)):
        np.savez(tmp_path / f"{i}.npz", logits=z[order], labels=y[order])
        found.append(json.loads(run("fit", f"{i}.npz", "--quick", "--json").stdout))
    first = found[0]
    for each in found[1:]:
        assert each["after"]["log_loss"] == pytest.approx(first["after"]["log_loss"], rel=1e-9)
        difference = each["differences"]["log_loss"]
        assert difference["value"] == pytest.approx(
            first["differences"]["log_loss"]["value"], abs=1e-9
        )
        assert difference["verdict"] == first["differences"]["log_loss"]["verdict"]
        said, known = (re.sub(r"at most [\d.]+ by", "", e["headline"]) for e in (each, first))
        assert said == known  # what chance allows is drawn row by row


@pytest.mark.parametrize("command", ["fit", "fit auto", "threshold", "select"])
@pytest.mark.parametrize("rows", ["none", "one", "one cluster"])
def test_nothing_left_to_fit_on_is_one_line(run, tmp_path, rows, command):
    """One row, no row, and rows of one cluster: the rule and the way out, and that way works."""
    rng = np.random.default_rng(0)
    n = {"none": 0, "one": 1, "one cluster": 60}[rows]
    z, y, one = rng.normal(size=(n, 3)), rng.integers(0, 3, n), np.zeros(n, dtype=int)
    clusters = one if rows == "one cluster" else None
    if command == "select":
        with pytest.raises(tp.NoOptimumError):
            tp.select(z, y, clusters=clusters)
        return
    np.savez(tmp_path / "a.npz", logits=z, labels=y, **({} if clusters is None else {"ids": one}))
    options = {"threshold": ("--max-risk", "0.5"), "fit auto": ("--method", "auto")}
    told = run(command.split()[0], "a.npz", *options.get(command, ()), code=2).stderr
    assert told.count("\n") == 1
    if n and command == "fit auto":
        more = rng.normal(size=(50, 3))
        np.savez(tmp_path / "b.npz", logits=more, labels=rng.integers(0, 3, 50))
        assert "--method temperature --prior 1 --test FILE" in told
        run("fit", "a.npz", "--method", "temperature", "--prior", "1", "--test", "b.npz", "--quick")


def test_classes_rarer_than_folds(run, tmp_path, sample):
    """A class of two rows among five folds: a method that needs each class is left out, or told."""
    z, y = sample(n=100, k=3)
    y[y == 2] = 0
    y[:2] = 2
    np.savez(tmp_path / "a.npz", logits=z, labels=y)
    for method in ("auto", "temperature", "vector", "bias-corrected-temperature"):
        assert run("fit", "a.npz", "--method", method, "--quick").returncode == 0
    y[1] = 0
    np.savez(tmp_path / "b.npz", logits=z, labels=y)
    run("fit", "b.npz", "--method", "auto", "--quick")
    told = run("fit", "b.npz", "--method", "bias-corrected-temperature", "--quick", code=2).stderr
    assert "--test FILE" in told
    assert told.count("\n") == 1
