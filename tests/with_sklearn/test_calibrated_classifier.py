"""What is learned from which rows, and that scikit-learn's own maps say the same."""

import numpy as np
import pytest

pytest.importorskip("sklearn.base")

from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold, TimeSeriesSplit, cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import temperance as tp
from temperance.sklearn import CalibratedClassifier

FOLDS = StratifiedKFold(5)


def rows(k=3, n=500, seed=0):
    return make_classification(
        n, 8, n_informative=5, n_classes=k, n_clusters_per_class=1, flip_y=0.2, random_state=seed
    )


class Claims(ClassifierMixin, BaseEstimator):
    """A fitted model that claims the probabilities it is given as X."""

    def __init__(self, classes=(0, 1)):
        self.classes = classes
        self.classes_ = np.asarray(classes)

    def fit(self, X, y):
        return self

    def predict(self, X):
        return self.classes_[np.argmax(X, axis=1)]

    def predict_proba(self, X):
        return X


def test_one_estimator_of_all_rows_and_one_map_of_cross_fitted_scores():
    """The estimator is that of a plain fit, the map that of scikit-learn's cross_val_predict."""
    X, y = rows()
    for estimator, method in (
        (LogisticRegression(), "decision_function"),
        (GradientBoostingClassifier(n_estimators=10, random_state=0), "decision_function"),
        (MLPClassifier((8,), learning_rate_init=0.05, tol=0.05, random_state=0), "predict_proba"),
    ):
        fitted = CalibratedClassifier(estimator, cv=FOLDS).fit(X, y)
        scores = cross_val_predict(estimator, X, y, cv=FOLDS, method=method)
        logits = scores if method == "decision_function" else np.log(scores)
        expected = tp.TemperatureScaling.fit(logits, y)
        assert fitted.calibrator_.temperature == pytest.approx(expected.temperature, rel=1e-9)
        assert fitted.calibrator_.classes == ("0", "1", "2")
        alone = getattr(estimator.fit(X, y), method)(X)
        logits = alone if method == "decision_function" else np.log(alone)
        np.testing.assert_allclose(fitted.predict_proba(X), expected.apply(logits), atol=1e-9)
        assert fitted.response_method_ == method


def test_binary_margins_are_the_log_odds_of_the_second_class():
    """Labels "no" and "yes": log-odds z become those of class "yes", divided by T."""
    X, y = rows(k=2)
    y = np.array(["no", "yes"])[y]
    fitted = CalibratedClassifier(LogisticRegression()).fit(X, y)
    probs = fitted.predict_proba(X)
    margins = LogisticRegression().fit(X, y).decision_function(X)
    odds = margins / fitted.calibrator_.temperature
    np.testing.assert_allclose(np.log(probs[:, 1] / probs[:, 0]), odds, atol=1e-9)
    assert fitted.predict(X).tolist() == np.where(odds > 0, "yes", "no").tolist()


SKLEARN_HAS_TEMPERATURE = "temperature" in CalibratedClassifierCV.__doc__


@pytest.mark.parametrize(
    ("method", "theirs", "k", "tolerance"),
    [("platt", "sigmoid", 2, 1e-3), ("isotonic", "isotonic", 2, 2e-3),
     ("temperature", "temperature", 2, 1e-6), ("temperature", "temperature", 3, 1e-6)],
)  # fmt: skip
def test_scikit_learns_maps_do_as_well(method, theirs, k, tolerance):
    """Same folds, same estimator: Brier scores on new rows agree, and log losses of smooth maps.

    scikit-learn's isotonic says 0 and 1 where ours does not: its log loss is no measure of it.
    """
    if theirs == "temperature" and not SKLEARN_HAS_TEMPERATURE:
        pytest.skip("this scikit-learn has no temperature")
    X, y = rows(k=k, n=2000)
    ours = CalibratedClassifier(LogisticRegression(), method, cv=FOLDS).fit(X[:1000], y[:1000])
    rival = CalibratedClassifierCV(LogisticRegression(), method=theirs, cv=FOLDS, ensemble=False)
    rival.fit(X[:1000], y[:1000])
    own, other = (each.predict_proba(X[1000:]) for each in (ours, rival))
    brier = [((p - np.eye(k)[y[1000:]]) ** 2).sum(axis=1).mean() for p in (own, other)]
    assert brier[0] == pytest.approx(brier[1], abs=tolerance)
    if method != "isotonic":
        losses = [log_loss(y[1000:], p) for p in (own, other)]
        assert losses[0] == pytest.approx(losses[1], abs=tolerance)


def test_half_precision_probabilities_are_what_they_are():
    """Of float16 probabilities T is that of float64; scikit-learn takes them for logits."""
    rng = np.random.default_rng(0)
    z = 3.0 * rng.normal(size=(4000, 5))
    y = (z / 2.5 + rng.gumbel(size=z.shape)).argmax(axis=1)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    model = Claims(tuple(range(5)))
    exact, half, single = (
        CalibratedClassifier(model, cv="prefit").fit(p.astype(dtype), y)
        for dtype in (np.float64, np.float16, np.float32)
    )
    assert exact.calibrator_.temperature == pytest.approx(2.5, rel=0.05)
    assert half.calibrator_.temperature == pytest.approx(exact.calibrator_.temperature, rel=0.01)
    assert single.calibrator_.temperature == pytest.approx(exact.calibrator_.temperature, rel=1e-6)
    measured = half.evaluation_.evaluations
    assert measured["after"].log_loss.high < measured["before"].log_loss.low
    if not SKLEARN_HAS_TEMPERATURE:
        pytest.skip("this scikit-learn has no temperature")
    frozen = pytest.importorskip("sklearn.frozen").FrozenEstimator(model)
    rival = CalibratedClassifierCV(frozen, method="temperature").fit(p.astype(np.float16), y)
    ours = log_loss(y, half.predict_proba(p.astype(np.float16)))
    assert ours == pytest.approx(log_loss(y, exact.predict_proba(p)), abs=1e-3)
    assert log_loss(y, rival.predict_proba(p.astype(np.float16))) > ours + 0.05


def test_votes_of_no_tree_are_raised_to_half_the_smallest_and_counted():
    """20 trees vote in twentieths: zeros become 1/40, and so do those of new rows."""
    X, y = rows(k=3)
    forest = RandomForestClassifier(20, random_state=0)
    fitted = CalibratedClassifier(forest, cv=FOLDS).fit(X, y)
    votes = cross_val_predict(forest, X, y, cv=FOLDS, method="predict_proba")
    assert fitted.floor_ == pytest.approx(1 / 40)
    assert fitted.n_floored_ == (votes == 0).sum() > 100
    record = fitted.calibrator_.record
    assert (record.floor, record.n_floored) == (fitted.floor_, fitted.n_floored_)
    same = tp.TemperatureScaling.fit(tp.logits_from_probs(votes, floor="auto"), y)
    assert record.temperature == pytest.approx(same.temperature)
    sure = fitted.estimator_.predict_proba(X).max(axis=1) == 1.0
    assert sure.any()
    expected = same.apply(np.log([[1.0, 1 / 40, 1 / 40]])).max()
    np.testing.assert_allclose(fitted.predict_proba(X)[sure].max(axis=1), expected)


def test_without_zeros_no_probability_is_raised():
    """New rows may be surer than all rows of the fit; only what underflows is raised."""
    p = np.array([[0.2, 0.8], [0.7, 0.3], [0.4, 0.6], [0.4, 0.6], [0.6, 0.4]])
    fitted = CalibratedClassifier(Claims(), cv="prefit", prior=1.0).fit(p, [1, 0, 1, 0, 1])
    t = fitted.calibrator_.temperature
    assert fitted.n_floored_ == 0
    new = fitted.predict_log_proba([[0.001, 0.999], [0.0, 1.0]])
    assert new[0, 1] - new[0, 0] == pytest.approx(np.log(999) / t)
    assert new[1, 1] - new[1, 0] == pytest.approx(-np.log(np.finfo(float).tiny) / t)


def test_log_probabilities_keep_what_underflows():
    """Naive Bayes far from everything: predict_proba holds 0, its logarithm -2000."""
    X, y = np.r_[np.zeros(20), np.ones(20) * 50.0][:, None], np.repeat([0, 1], 20)
    X = X + np.random.default_rng(0).normal(size=X.shape)
    y[[3, 25]] = y[[25, 3]]
    fitted = CalibratedClassifier(GaussianNB(var_smoothing=0), response_method="predict_log_proba")
    fitted.set_params(cv="prefit", estimator=GaussianNB().fit(X, (X[:, 0] > 25).astype(int)))
    fitted.fit(X, y)
    assert (fitted.estimator_.predict_proba(X) == 0).any()
    assert fitted.n_floored_ == 0
    expected = tp.TemperatureScaling.fit(fitted.estimator_.predict_log_proba(X), y)
    assert fitted.calibrator_.temperature == pytest.approx(expected.temperature)


def test_a_floor_of_ones_own_and_none():
    """A number is the floor; 0 leaves zeros as options that do not exist."""
    p = np.array([[1.0, 0.0], [0.2, 0.8], [0.4, 0.6], [0.7, 0.3], [0.6, 0.4]])
    y = [0, 1, 0, 0, 1]
    fitted = CalibratedClassifier(Claims(), cv="prefit", floor=0.01).fit(p, y)
    same = tp.TemperatureScaling.fit(tp.logits_from_probs(p, floor=0.01), y)
    assert fitted.calibrator_.temperature == pytest.approx(same.temperature)
    assert (fitted.floor_, fitted.n_floored_) == (0.01, 1)
    none = CalibratedClassifier(Claims(), cv="prefit", floor=0.0).fit(p, y)
    assert none.predict_proba(p)[0].tolist() == [1.0, 0.0]


def test_a_fitted_estimator_is_taken_as_it_is():
    """cv="prefit" and FrozenEstimator: the same object, and a map of the rows that are passed."""
    X, y = rows()
    model = LogisticRegression().fit(X[:200], y[:200])
    expected = tp.TemperatureScaling.fit(model.decision_function(X[200:]), y[200:])
    fitted = CalibratedClassifier(model, cv="prefit").fit(X[200:], y[200:])
    assert fitted.estimator_ is model
    assert fitted.calibrator_.record == expected.record
    frozen = pytest.importorskip("sklearn.frozen").FrozenEstimator(model)
    rarely = np.r_[np.flatnonzero(y < 2), np.flatnonzero(y == 2)[:1]]  # no folds could do
    alike = CalibratedClassifier(frozen, prior=1.0).fit(X[rarely], y[rarely])
    assert alike.estimator_ is frozen
    assert (y[rarely] == 2).sum() == 1
    assert CalibratedClassifier(frozen).fit(X[200:], y[200:]).calibrator_ == fitted.calibrator_


def test_classes_that_the_calibration_rows_lack_keep_their_column():
    """A fitted estimator of 4 classes, calibrated on rows of 3 of them."""
    X, y = rows(k=4)
    model = LogisticRegression().fit(X, y)
    fitted = CalibratedClassifier(model, cv="prefit").fit(X[y < 3], y[y < 3])
    assert fitted.classes_.tolist() == [0, 1, 2, 3]
    assert fitted.predict_proba(X).shape == (500, 4)


@pytest.mark.parametrize(
    "names", [(0, 1, 2), (5, 7, 30), ("c", "a", "b"), (False, True), (-1, 1), ("", " x")]
)
def test_classes_are_numbers_text_or_booleans(names, tmp_path):
    """Columns are in the order of classes_, and calibrator.json names them."""
    X, y = rows(k=len(names))
    names = np.sort(np.array(names))
    fitted = CalibratedClassifier(LogisticRegression()).fit(X, names[y])
    assert fitted.classes_.tolist() == names.tolist()
    assert fitted.classes_.dtype == fitted.predict(X).dtype == names.dtype
    assert (fitted.predict(X) == names[y]).mean() > 0.6
    tp.save(fitted.calibrator_, tmp_path / "calibrator.json")
    assert tp.load(tmp_path / "calibrator.json") == fitted.calibrator_


def test_weights_weigh_estimator_and_map():
    """Of rows of weight 0 neither learns anything."""
    X, y = rows(n=300)
    w = np.random.default_rng(0).integers(0, 3, 300)
    w[-50:] = 0
    some = w > 0
    for method in ("temperature", "vector"):
        model = CalibratedClassifier(LogisticRegression(tol=1e-10), method)
        weighed = model.fit(X, y, sample_weight=w).predict_proba(X)
        without = model.fit(X[some], y[some], sample_weight=w[some]).predict_proba(X)
        np.testing.assert_allclose(weighed, without, atol=1e-6)
        alike = model.fit(X[some], y[some]).predict_proba(X)
        assert abs(weighed - alike).max() > 1e-3


def test_an_estimator_without_weights_says_so():
    """The map is weighed all the same."""
    X, y = rows(n=300)
    model = make_pipeline(StandardScaler(), LogisticRegression())
    w = np.linspace(0.1, 2.0, 300)
    with pytest.warns(UserWarning, match=r"Pipeline\.fit takes no sample_weight.*set_fit_request"):
        fitted = CalibratedClassifier(model, cv=FOLDS).fit(X, y, sample_weight=w)
    scores = cross_val_predict(model, X, y, cv=FOLDS, method="decision_function")
    expected = tp.TemperatureScaling.fit(scores, y, weights=w)
    assert fitted.calibrator_.temperature == pytest.approx(expected.temperature)


def test_groups_are_held_out_whole_and_count_once():
    """Each row ten times: with groups no copy is known to the fit, and the interval is wider."""
    X, y = rows(n=100)
    X, y, groups = np.repeat(X, 10, axis=0), np.repeat(y, 10), np.repeat(np.arange(100), 10)
    forest = RandomForestClassifier(10, random_state=0)
    leaking = CalibratedClassifier(forest).fit(X, y)
    honest = CalibratedClassifier(forest).fit(X, y, groups=groups)
    before = [each.evaluation_.evaluations["before"].accuracy.value for each in (leaking, honest)]
    assert before[0] > 0.99 > before[1] + 0.1
    model = LogisticRegression()
    one = CalibratedClassifier(model, cv="prefit").set_params(estimator=model.fit(X, y))
    narrow, wide = (
        np.subtract(*np.log(each.calibrator_.record.interval()))
        for each in (
            one.fit(X, y),
            CalibratedClassifier(model, cv="prefit").fit(X, y, None, groups),
        )
    )
    assert wide / narrow == pytest.approx(np.sqrt(10), rel=0.1)


def test_a_class_needs_two_rows_not_as_many_as_folds():
    """Two rows of a class among five folds: each is scored by an estimator that knows the other."""
    X, y = rows(n=300)
    y[y == 2] = 1
    y[[10, 20]] = 2
    fitted = CalibratedClassifier(LogisticRegression()).fit(X, y)
    assert fitted.calibrator_.record.n == 300
    assert fitted.predict_proba(X).shape == (300, 3)
    y[10] = 1
    with pytest.raises(tp.InvalidInputError, match=r"class 2 \(1 row\) is all held out in fold \d"):
        CalibratedClassifier(LogisticRegression()).fit(X, y)
    same = CalibratedClassifier(LogisticRegression(), cv=2)  # the way out: leave the class out
    assert same.fit(X[y < 2], y[y < 2]).calibrator_.record.n == 299


def test_rows_never_held_out_teach_the_estimator_alone():
    """TimeSeriesSplit holds the first block out of no fit: 5/6 of the rows teach the map."""
    X, y = rows(n=600)
    fitted = CalibratedClassifier(LogisticRegression(), cv=TimeSeriesSplit(5)).fit(X, y)
    assert fitted.calibrator_.record.n == 500
    np.testing.assert_array_equal(fitted.estimator_.coef_, LogisticRegression().fit(X, y).coef_)


def test_folds_do_not_depend_on_the_order_of_rows():
    """Shuffled rows, sorted rows: the same map."""
    X, y = rows()
    order = np.argsort(y, kind="stable")
    one, other = (
        CalibratedClassifier(LogisticRegression(tol=1e-10)).fit(X[each], y[each])
        for each in (order, np.random.default_rng(0).permutation(500))
    )
    assert one.calibrator_.temperature == pytest.approx(other.calibrator_.temperature, rel=1e-5)


METHODS = [
    name for name, each in tp.METHODS.items() if not (each.traits.groups or each.traits.members)
]


@pytest.mark.parametrize("method", [*METHODS, "auto"])
def test_every_method_of_scores_alone(method):
    """What it learns is what it learns from the scores themselves; rows sum to 1."""
    X, y = rows(k=2)
    fitted = CalibratedClassifier(LogisticRegression(), method, cv=FOLDS).fit(X, y)
    scores = cross_val_predict(LogisticRegression(), X, y, cv=FOLDS, method="decision_function")
    if method == "auto":
        expected = tp.select(scores, y).calibrator
        assert fitted.selection_.method == expected.method
    else:
        expected = tp.METHODS[method].fit(scores, y)
        assert fitted.selection_ is None
    alone = LogisticRegression().fit(X, y).decision_function(X)
    probs = fitted.predict_proba(X)
    np.testing.assert_allclose(probs, expected.apply(alone), atol=1e-9)
    np.testing.assert_allclose(probs.sum(axis=1), 1.0)
    np.testing.assert_allclose(fitted.predict_log_proba(X), np.log(probs), atol=1e-8)
    after = fitted.evaluation_.evaluations["after"].log_loss.value
    assert after < np.log(2)


def test_the_evaluation_is_of_rows_that_neither_model_nor_map_has_seen():
    """A forest that knows its rows by heart: the measures are those of new rows."""
    X, y = rows(n=3000)
    forest = CalibratedClassifier(RandomForestClassifier(30, random_state=0)).fit(X[:500], y[:500])
    assert "_comparison" not in vars(forest)  # nothing is measured before it is asked for
    evaluation = forest.evaluation_
    assert forest.evaluation_ is evaluation
    before, after = (evaluation.evaluations[name] for name in ("before", "after"))
    assert forest.score(X[:500], y[:500]) > 0.98 > before.accuracy.value + 0.1
    new = log_loss(y[500:], forest.predict_proba(X[500:]))
    assert after.log_loss.low < new < after.log_loss.high
    assert 2 * log_loss(y[:500], forest.predict_proba(X[:500])) < after.log_loss.low


def test_the_map_that_measures_a_row_has_not_seen_it():
    """Steps drawn through the rows lose more on rows held out than on those that taught them."""
    X, y = rows(n=200)
    fitted = CalibratedClassifier(LogisticRegression(), "isotonic", cv=FOLDS).fit(X, y)
    after = fitted.evaluation_.evaluations["after"].log_loss.value
    assert after > fitted.calibrator_.record.log_loss_after + 0.02


def test_a_prior_where_there_is_no_optimum_without():
    """All rows right: one pseudo-row says "no change", and the record says that it did."""
    X, y = np.r_[np.zeros((20, 1)), np.ones((20, 1))], np.repeat([0, 1], 20)
    fitted = CalibratedClassifier(LogisticRegression()).fit(X, y)
    assert fitted.calibrator_.record.prior == 1.0
    with pytest.raises(tp.NoOptimumError, match="No finite temperature"):
        CalibratedClassifier(LogisticRegression(), prior=0.0).fit(X, y)
    constant = CalibratedClassifier(DummyClassifier(), cv=2).fit(X, y)
    np.testing.assert_allclose(constant.predict_proba(X), 0.5)


def test_margins_of_many_classes_are_logits():
    """One-vs-rest margins of a support vector machine: T of their softmax."""
    X, y = rows()
    fitted = CalibratedClassifier(SVC(), cv=FOLDS).fit(X, y)
    scores = cross_val_predict(SVC(), X, y, cv=FOLDS, method="decision_function")
    expected = tp.TemperatureScaling.fit(scores, y).temperature
    assert fitted.calibrator_.temperature == pytest.approx(expected)


def test_columns_follow_the_classes_of_the_estimator():
    """A fitted model with its classes in an order of its own is not sorted behind its back."""
    p = np.array([[0.2, 0.8], [0.7, 0.3], [0.4, 0.6], [0.4, 0.6], [0.6, 0.4]])
    model = Claims(("b", "a"))
    fitted = CalibratedClassifier(model, cv="prefit", prior=1.0).fit(p, list("ababb"))
    assert fitted.classes_.tolist() == ["b", "a"]
    assert fitted.predict(p).tolist() == list("abaab")


class InOrderOfAppearance(GaussianNB):
    """Naive Bayes that numbers its classes as they come, and gives its columns in that order."""

    def fit(self, X, y, sample_weight=None):
        super().fit(X, y, sample_weight)
        self.order = np.argsort(np.unique(y, return_index=True)[1])
        self.classes_ = self.classes_[self.order]
        return self

    def predict_proba(self, X):
        theirs = GaussianNB().fit(self.theta_, np.arange(len(self.theta_)))
        theirs.theta_, theirs.var_ = self.theta_, self.var_
        theirs.class_prior_ = self.class_prior_
        return theirs.predict_proba(X)[:, self.order]


def test_copies_may_have_their_classes_in_other_orders():
    """Each fold's columns are matched by class: the map is that of sorted columns."""
    X, y = rows()
    sorted_ = CalibratedClassifier(GaussianNB(), cv=FOLDS).fit(X, y)
    as_they_come = CalibratedClassifier(InOrderOfAppearance(), cv=FOLDS).fit(X, y)
    expected = sorted_.calibrator_.temperature
    assert as_they_come.calibrator_.temperature == pytest.approx(expected, rel=1e-6)
    assert as_they_come.estimator_.classes_.tolist() != [0, 1, 2]
    np.testing.assert_allclose(as_they_come.predict_proba(X), sorted_.predict_proba(X), atol=1e-6)
