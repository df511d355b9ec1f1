"""Where scikit-learn's users put a classifier: pipelines, searches, pickles, frames, routing."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn.base")

import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibrationDisplay
from sklearn.compose import make_column_transformer
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import temperance as tp
from temperance.sklearn import CalibratedClassifier


@pytest.fixture
def data():
    return make_classification(
        400, 6, n_informative=4, n_classes=3, n_clusters_per_class=1, flip_y=0.1, random_state=0
    )


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def test_a_pipeline_inside_and_around(data):
    """The map of a pipeline's last step, and a step that is a calibrated classifier: the same."""
    X, y = data
    inside = CalibratedClassifier(make_pipeline(StandardScaler(), LogisticRegression()))
    around = make_pipeline(StandardScaler(), CalibratedClassifier(LogisticRegression()))
    around.set_output(transform="pandas")
    np.testing.assert_allclose(
        inside.fit(X, y).predict_proba(X), around.fit(X, y).predict_proba(X), atol=0.03
    )
    np.testing.assert_array_equal(
        around.predict(X), around[-1].classes_[around.predict_proba(X).argmax(1)]
    )


def test_text_goes_through(data):
    """Rows need not be numbers: lists of text, sparse inside."""
    texts = ["good fine", "bad awful", "fine good good", "awful", "bad", "fine"] * 10
    y = ["+", "-", "+", "-", "-", "+"] * 10
    y[:2] = "-+"
    model = CalibratedClassifier(make_pipeline(CountVectorizer(), MultinomialNB()))
    assert model.fit(texts, y).predict(["good", "awful bad"]).tolist() == ["+", "-"]


def test_a_search_over_methods_and_the_estimator(data):
    """`method` and `estimator__C` are parameters as any other."""
    X, y = data
    grid = {"method": ["identity", "temperature", "vector"], "estimator__C": [0.1, 1.0]}
    search = GridSearchCV(
        CalibratedClassifier(LogisticRegression()), grid, scoring="neg_log_loss", cv=3
    )
    search.fit(X, y)
    assert search.best_params_["method"] in grid["method"]
    assert search.best_estimator_.calibrator_.method == search.best_params_["method"]
    outer = CalibratedClassifier(GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=3), cv=3)
    assert outer.fit(X, y).response_method_ == "decision_function"


def test_cross_validation_and_one_against_the_rest(data):
    """Both copy and fit it; of one against the rest each class has a map of its own."""
    X, y = data
    model = CalibratedClassifier(LogisticRegression())
    scores = cross_validate(model, X, y, scoring="neg_log_loss", cv=3, return_estimator=True)
    assert (scores["test_score"] > -np.log(3)).all()
    assert all(each.calibrator_.record.n < 400 for each in scores["estimator"])
    rest = OneVsRestClassifier(model).fit(X, y)
    assert [each.calibrator_.n_classes for each in rest.estimators_] == [2, 2, 2]
    np.testing.assert_allclose(rest.predict_proba(X).sum(axis=1), 1.0)


def test_under_scikit_learns_own_diagram(data):
    """CalibrationDisplay takes it for the classifier that it is."""
    from matplotlib.figure import Figure

    X, y = data
    model = CalibratedClassifier(LogisticRegression()).fit(X, y == 0)
    display = CalibrationDisplay.from_estimator(model, X, y == 0, ax=Figure().subplots())
    assert len(display.prob_true) > 2


def test_a_fitted_estimator_survives_copies(data):
    """FrozenEstimator keeps its fit in clones and searches; cv="prefit" alone says what to do."""
    X, y = data
    frozen = pytest.importorskip("sklearn.frozen").FrozenEstimator(LogisticRegression().fit(X, y))
    search = GridSearchCV(CalibratedClassifier(frozen), {"method": ["temperature", "vector"]}, cv=3)
    assert search.fit(X, y).best_estimator_.estimator_ is not None
    lost = clone(CalibratedClassifier(LogisticRegression().fit(X, y), cv="prefit"))
    with pytest.raises(tp.InvalidInputError, match=r"must be fitted.*FrozenEstimator\(estimator\)"):
        lost.fit(X, y)


@pytest.mark.parametrize("method", ["temperature", "vector", "isotonic", "auto"])
def test_pickles_hold_the_map_as_json(data, method, tmp_path):
    """pickle, joblib, and skops, which asks to trust our class and nothing else of ours."""
    import joblib

    X, y = data
    model = CalibratedClassifier(RandomForestClassifier(10, random_state=0), method).fit(X, y)
    copies = [pickle.loads(pickle.dumps(model))]  # noqa: S301  (our own)
    joblib.dump(model, tmp_path / "model.joblib")
    copies.append(joblib.load(tmp_path / "model.joblib"))
    assert b"temperance/calibrator" in pickle.dumps(model)
    assert b"temperance.calibrators" not in pickle.dumps(model)
    for each in copies:
        assert each.calibrator_ == model.calibrator_
        np.testing.assert_array_equal(each.predict_proba(X), model.predict_proba(X))
        assert str(each.evaluation_) == str(model.evaluation_)
        assert str(each.selection_) == str(model.selection_)


def test_skops_trusts_our_class_alone(data, tmp_path):
    """A file without pickle: of temperance only the classifier itself is named in it."""
    io = pytest.importorskip("skops.io")
    X, y = data
    model = CalibratedClassifier(LogisticRegression()).fit(X, y)
    io.dump(model, tmp_path / "model.skops")
    types = io.get_untrusted_types(file=tmp_path / "model.skops")
    assert types == ["temperance.sklearn.classifier.CalibratedClassifier"]
    copy = io.load(tmp_path / "model.skops", trusted=types)
    assert copy.calibrator_ == model.calibrator_
    np.testing.assert_array_equal(copy.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("frames", ["pandas", "polars"])
def test_frames_with_their_names_checked(data, frames):
    """Columns of another order are refused, by the estimator or for it."""
    library = pytest.importorskip(frames)
    X, y = data
    names = list("abcdef")
    frame = library.DataFrame(dict(zip(names, X.T, strict=True)))
    labels = library.Series(y)
    model = CalibratedClassifier(LogisticRegression()).fit(frame, labels)
    assert model.feature_names_in_.tolist() == names
    plain = CalibratedClassifier(LogisticRegression()).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(frame), plain.predict_proba(X), atol=1e-8)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict_proba(frame[names[::-1]])


def test_names_are_checked_for_an_estimator_that_does_not(data):
    """The message says how to put the columns right, and that puts them right."""
    pandas = pytest.importorskip("pandas")
    X, y = data

    class Careless(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            return super().fit(np.asarray(X), y, sample_weight)

        def decision_function(self, X):
            return super().decision_function(np.asarray(X))

    frame = pandas.DataFrame(X, columns=list("abcdef"))
    classifier = CalibratedClassifier(Careless()).fit(frame, y)
    mixed = frame[list("fedcba")]
    with pytest.raises(tp.InvalidInputError, match=r"in their order.*X\[classifier\.feature_na"):
        classifier.predict(mixed)
    with pytest.raises(tp.InvalidInputError, match="'a' is missing"):
        classifier.predict(frame[list("bcdef")])
    np.testing.assert_array_equal(
        classifier.predict_proba(mixed[classifier.feature_names_in_]),
        classifier.predict_proba(frame),
    )


def test_a_frame_of_mixed_columns(data):
    """Columns of text are the estimator's business."""
    pandas = pytest.importorskip("pandas")
    X, y = data
    frame = pandas.DataFrame({"x": X[:, 0], "kind": np.where(X[:, 1] > 0, "up", "down")})
    columns = make_column_transformer((OneHotEncoder(), ["kind"]), remainder="passthrough")
    model = CalibratedClassifier(make_pipeline(columns, LogisticRegression())).fit(frame, y)
    assert model.feature_names_in_.tolist() == ["x", "kind"]
    assert model.predict_proba(frame).shape == (400, 3)


def test_routed_weights_and_groups(data, routing):
    """Who asks gets them: the classifier, its estimator, the splitter; through a pipeline too."""
    X, y = data
    w, groups = np.random.default_rng(0).random(400) + 0.1, np.arange(400) // 4
    weighed = LogisticRegression().set_fit_request(sample_weight=True)
    model = CalibratedClassifier(weighed, cv=GroupKFold(4))
    model.set_fit_request(sample_weight=True, groups=True)
    direct = model.fit(X, y, sample_weight=w, groups=groups)
    unchanged = StandardScaler(with_mean=False, with_std=False).set_fit_request(sample_weight=False)
    pipeline = make_pipeline(unchanged, clone(model))
    pipeline.fit(X, y, sample_weight=w, groups=groups)
    np.testing.assert_array_equal(pipeline.predict_proba(X), direct.predict_proba(X))
    with sklearn.config_context(enable_metadata_routing=False):
        plain = CalibratedClassifier(LogisticRegression(), cv=GroupKFold(4))
        plain.fit(X, y, sample_weight=w, groups=groups)
        unweighed = CalibratedClassifier(LogisticRegression(), cv=GroupKFold(4))
        unweighed.fit(X, y, groups=groups)
    np.testing.assert_array_equal(plain.predict_proba(X), direct.predict_proba(X))
    assert abs(unweighed.predict_proba(X) - direct.predict_proba(X)).max() > 1e-4


def test_the_estimator_gets_no_weights_that_it_did_not_ask_for(data, routing):
    """Asked not to, it learns without; where nobody said, scikit-learn's error says so."""
    X, y = data
    w = np.random.default_rng(0).random(400) + 0.1
    model = CalibratedClassifier(LogisticRegression().set_fit_request(sample_weight=False))
    model.set_fit_request(sample_weight=True).fit(X, y, sample_weight=w)
    np.testing.assert_array_equal(model.estimator_.coef_, LogisticRegression().fit(X, y).coef_)
    assert model.calibrator_.record.weight < 400
    with pytest.raises(ValueError, match="not explicitly set as requested"):
        CalibratedClassifier(LogisticRegression()).fit(X, y, sample_weight=w)


def test_folds_side_by_side(data):
    """Two at a time: the same classifier."""
    X, y = data
    one, two = (
        CalibratedClassifier(LogisticRegression(), n_jobs=each).fit(X, y) for each in (None, 2)
    )
    assert one.calibrator_ == two.calibrator_
