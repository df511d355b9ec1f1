"""XGBoost, LightGBM and CatBoost: their raw margins are what their probabilities come from."""

import numpy as np
import pytest

pytest.importorskip("sklearn.base")

from sklearn.datasets import make_classification
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import temperance as tp
from temperance.sklearn import CalibratedClassifier


def xgboost(**options):
    xgb = pytest.importorskip("xgboost")
    return xgb.XGBClassifier(n_estimators=25, n_jobs=1, random_state=0, **options)


def lightgbm(**options):
    lgb = pytest.importorskip("lightgbm")
    return lgb.LGBMClassifier(
        n_estimators=25, n_jobs=1, learning_rate=0.5, random_state=0, verbose=-1, **options
    )


def catboost(**options):
    cat = pytest.importorskip("catboost")
    return cat.CatBoostClassifier(
        iterations=25,
        thread_count=1,
        learning_rate=0.9,
        random_seed=0,
        verbose=False,
        allow_writing_files=False,
        **options,
    )


MAKERS = {"xgboost": xgboost, "lightgbm": lightgbm, "catboost": catboost}


def rows(k):
    return make_classification(
        600, 8, n_informative=5, n_classes=k, n_clusters_per_class=1, flip_y=0.2, random_state=0
    )


@pytest.mark.filterwarnings("ignore")  # of these packages, about each other's versions
@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("maker", MAKERS)
def test_raw_margins_are_the_logits_of_their_probabilities(maker, k):
    """Unchanged margins give predict_proba; the map of a fit lowers the log loss."""
    X, y = rows(k)
    model = MAKERS[maker]()
    same = CalibratedClassifier(model.fit(X[:300], y[:300]), "identity", cv="prefit")
    same.fit(X[300:], y[300:])
    assert same.response_method_ not in ("predict_proba", "predict_log_proba")
    probs = model.predict_proba(X)
    np.testing.assert_allclose(same.predict_proba(X), probs, atol=2e-6)
    fitted = CalibratedClassifier(MAKERS[maker](), cv=3).fit(X, y)
    before, after = (fitted.evaluation_.evaluations[name] for name in ("before", "after"))
    assert after.log_loss.value < before.log_loss.value
    assert fitted.calibrator_.temperature > 1.0
    assert (fitted.predict(X) == np.ravel(fitted.estimator_.predict(X))).mean() > 0.99
    assert fitted.n_floored_ == 0


@pytest.mark.filterwarnings("ignore")
def test_margins_of_xgboost_hold_its_base_score():
    """base_score moves every margin by its log-odds, as it moves the probabilities."""
    X, y = rows(2)
    for share in (0.1, 0.9):
        model = xgboost(base_score=share).fit(X[:300], y[:300])
        same = CalibratedClassifier(model, "identity", cv="prefit").fit(X[300:], y[300:])
        np.testing.assert_allclose(same.predict_proba(X), model.predict_proba(X), atol=2e-6)
    multi = xgboost(objective="multi:softprob").fit(*rows(3))
    same = CalibratedClassifier(multi, "identity", cv="prefit").fit(*rows(3))
    np.testing.assert_allclose(same.predict_proba(X), multi.predict_proba(X), atol=2e-6)


@pytest.mark.filterwarnings("ignore")
def test_margins_reach_beyond_single_precision():
    """Margins of 30: probabilities in float32 are 0 and 1, log-odds are still log-odds."""
    X, y = np.repeat([[0.0], [1.0]], 200, axis=0), np.repeat([0, 1], 200)
    model = xgboost(learning_rate=1.0, reg_lambda=0.0, min_child_weight=0.0, max_depth=1)
    model.set_params(n_estimators=60).fit(X, y)
    assert (model.predict_proba(X) == 0).any()
    y[[5, 205]] = y[[205, 5]]
    fitted = CalibratedClassifier(model, cv="prefit").fit(X, y)
    expected = tp.TemperatureScaling.fit(model.predict(X, output_margin=True), y)
    assert fitted.calibrator_.temperature == pytest.approx(expected.temperature)
    floored = CalibratedClassifier(model, cv="prefit", response_method="predict_proba").fit(X, y)
    assert floored.n_floored_ > 0


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("maker", MAKERS)
def test_behind_a_pipeline_too(maker):
    """The last step's margins, of rows as the steps before leave them."""
    X, y = rows(2)
    model = make_pipeline(StandardScaler(), MAKERS[maker]()).fit(X[:300], y[:300])
    same = CalibratedClassifier(model, "identity", cv="prefit").fit(X[300:], y[300:])
    np.testing.assert_allclose(same.predict_proba(X), model.predict_proba(X), atol=2e-6)
