"""Cross-fitting: no row is scored by a fit that saw it, and folds are those of scikit-learn."""

import numpy as np
import pytest

import temperance as tp
from temperance.crossfit import cross_fit, stratified_folds


@pytest.mark.filterwarnings("ignore:The least populated class")
@pytest.mark.parametrize("seed", range(8))
def test_folds_are_those_of_scikit_learn(seed):
    """The same rows in the same folds as StratifiedKFold(5) without shuffling."""
    model_selection = pytest.importorskip("sklearn.model_selection")
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2 + seed % 4, rng.integers(40, 200))
    expected = np.empty(len(y), dtype=int)
    for fold, (_, rows) in enumerate(model_selection.StratifiedKFold(5).split(y, y)):
        expected[rows] = fold
    assert (stratified_folds(y, n_folds=5) == expected).all()


def test_folds_spread_classes_evenly():
    """Sizes differ by at most one, overall and within each class; few rows are folds of one."""
    y = np.array([0] * 23 + [1] * 7 + [2] * 5)
    folds = stratified_folds(y, n_folds=5)
    for part in (folds, folds[y == 0], folds[y == 1], folds[y == 2]):
        sizes = np.bincount(part, minlength=5)
        assert sizes.max() - sizes.min() <= 1
    assert sorted(stratified_folds(np.zeros(3, dtype=int), n_folds=5)) == [0, 1, 2]


def test_each_row_is_scored_by_a_fit_without_it(sample):
    """The result equals five fits on copies of the other folds."""
    z, y = sample(n=100)
    w = np.random.default_rng(0).uniform(0.5, 2, 100)
    fit = tp.TemperatureScaling.fit

    def out_of_fold(weights):
        fitted = fit(z, y, weights=weights)
        return lambda held_out: fitted.apply(z[held_out])

    probs = cross_fit(out_of_fold, y, weights=w)
    folds = stratified_folds(y, n_folds=5)
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
