"""What cannot be calibrated, in one sentence that names the argument and says the way out."""

import numpy as np
import pytest

pytest.importorskip("sklearn.base")

from sklearn.cluster import KMeans
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression, Perceptron, Ridge, SGDClassifier
from sklearn.model_selection import GroupKFold, RepeatedStratifiedKFold, StratifiedKFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import SVC

import temperance as tp
from temperance.sklearn import CalibratedClassifier

X, Y = make_classification(
    300, 5, n_informative=4, n_redundant=0, n_classes=3, n_clusters_per_class=1, random_state=0
)
MODEL = LogisticRegression()
FITTED = LogisticRegression().fit(X, Y)
ZEROS = np.tile([[1.0, 0.0], [0.4, 0.6]], (5, 1))


class Votes(LogisticRegression):
    """Says X, which holds probabilities."""

    decision_function = property()

    def predict_proba(self, X):
        return X


@pytest.mark.parametrize(
    ("estimator", "options", "message"),
    [
        (LogisticRegression, {}, r"`estimator` .*such as LogisticRegression\(\), got the class"),
        (None, {}, "`estimator` must be a classifier"),
        (Ridge(), {}, "must have predict_proba or decision_function.*Ridge has neither"),
        (MODEL, {"method": "sigmoid"}, "'sigmoid' of scikit-learn is 'platt' here"),
        (MODEL, {"method": "platt"}, "'platt' is for two classes, `y` has 3.*OneVsRest"),
        (MODEL, {"method": "temper"}, r"`method` must be one of identity, temperature.*'temper'"),
        (MODEL, {"method": 3}, "`method` must be one of"),
        (MODEL, {"method": "group-temperature"}, r"takes groups.*temperance\.GroupTemperatureSc"),
        (MODEL, {"method": "ensemble"}, r"takes several models.*temperance\.Ensemble"),
        (MODEL, {"cv": 1}, '`cv` must be a whole number >= 2, "prefit"'),
        (MODEL, {"cv": "prefitted"}, "`cv` must be .*'prefitted'"),
        (MODEL, {"cv": True}, "`cv` must be .*True"),
        (MODEL, {"cv": 2.5}, "`cv` must be .*2.5"),
        (MODEL, {"cv": []}, "`cv` must hold rows out; it has no folds"),
        (MODEL, {"cv": [(np.arange(300), np.arange(9))]}, "fold 0 has some in both"),
        (MODEL, {"cv": RepeatedStratifiedKFold(n_splits=2)}, "row 0 is held out 10 times"),
        (MODEL, {"cv": "prefit"}, "must be fitted.*LogisticRegression has no classes_"),
        (KMeans(2, n_init=1).fit(X), {"cv": "prefit"}, "be a classifier: KMeans has no classes_"),
        (MODEL, {"floor": 2}, "`floor` must be a probability"),
        (MODEL, {"prior": "none"}, '`prior` must be "auto" or a number'),
        (MODEL, {"prior": -1.0}, "`prior` must be a finite number >= 0"),
        (MODEL, {"prior": 1.0, "method": "vector"}, "`prior` .* has no meaning for vector"),
        (MODEL, {"seed": -1}, "`seed` must be"),
        (MODEL, {"response_method": "proba"}, "`response_method` must be one of auto"),
        (Perceptron(), {"response_method": "predict_proba"}, "one that Perceptron has"),
        (SVC(decision_function_shape="ovo"), {}, 'Set decision_function_shape="ovr"'),
    ],
)  # fmt: skip
def test_arguments(estimator, options, message):
    """Each is named, and what it must be."""
    with pytest.raises(tp.InvalidInputError, match=message):
        CalibratedClassifier(estimator, **options).fit(X, Y)


@pytest.mark.parametrize(
    ("labels", "more", "message"),
    [
        (None, {}, "the target y is None"),
        (np.zeros(300), {}, r"`y` must hold two classes or more, got one class, 0\.0, in 300 rows"),
        (np.c_[Y > 0, Y > 1].astype(int), {}, "`y` must have one class per row.*OneVsRest"),
        (np.linspace(0, 1, 300), {}, "Unknown label type"),
        (Y, {"sample_weight": -np.ones(300)}, "`sample_weight` must be finite and >= 0; row 0"),
        (Y, {"sample_weight": np.ones(3)}, r"`sample_weight` must have shape \(300,\)"),
        (Y, {"groups": ["a"] * 300}, "fold 0 holds all out. Are all of one group"),
        (Y, {"groups": ["a"] * 3}, r"`groups` must have shape \(300,\)"),
        (Y, {"groups": Y}, "class 0 .* is all held out in fold"),
        (np.array(["one", *Y[1:]], dtype=object), {}, "`y` must hold numbers or texts, not both"),
        (Y[:50], {}, "inconsistent numbers of samples"),
    ],
)  # fmt: skip
def test_rows(labels, more, message):
    """Labels, weights, groups."""
    with pytest.raises(ValueError, match=message):
        CalibratedClassifier(MODEL).fit(X, labels, **more)


def test_a_splitter_that_tears_groups_apart():
    """The fold and the row are named; a splitter of groups, and a number, keep them together."""
    groups = np.arange(300) // 3
    with pytest.raises(tp.InvalidInputError, match=r"in fold 0 that of row .* GroupKFold"):
        CalibratedClassifier(MODEL, cv=StratifiedKFold(3)).fit(X, Y, groups=groups)
    for cv in (GroupKFold(3), 3):
        CalibratedClassifier(MODEL, cv=cv).fit(X, Y, groups=groups)


def test_labels_that_a_fitted_estimator_does_not_know():
    """Numbers are not their text; the message shows both, and spelling them alike helps."""
    classifier = CalibratedClassifier(FITTED, cv="prefit")
    with pytest.raises(
        tp.InvalidInputError, match="fitted estimator, 0, 1, 2; it does not know '0'"
    ):
        classifier.fit(X, Y.astype(str))
    with pytest.raises(tp.InvalidInputError, match="nonsense: nothing to pass on"):
        classifier.fit(X, Y, nonsense=1)
    assert classifier.fit(X, Y.astype(str).astype(int)).classes_.tolist() == [0, 1, 2]


def test_an_estimator_that_was_put_in_the_place_of_another():
    """A calibrator goes with the classes that it was learned for."""
    classifier = CalibratedClassifier(MODEL, cv=StratifiedKFold(3)).fit(X, Y)
    classifier.estimator_ = LogisticRegression().fit(X, np.array(["a", "b", "c"])[Y])
    with pytest.raises(tp.InvalidInputError, match="0, 1, 2; it has 'a', 'b', 'c'"):
        classifier.predict(X)


def test_zeros_without_a_floor():
    """A true class of probability 0 has no logarithm; the message's floor gives it one."""
    y = np.tile([1, 0], 5)
    model = Votes().fit(ZEROS, y)
    with pytest.raises(tp.InvalidInputError, match='floor="auto"'):
        CalibratedClassifier(model, cv="prefit", floor=0.0).fit(ZEROS, y)
    assert CalibratedClassifier(model, cv="prefit", floor="auto").fit(ZEROS, y).n_floored_ == 5


def test_the_ways_out_lead_out():
    """What five of these messages say to do, done."""
    assert CalibratedClassifier(LogisticRegression(), "vector").fit(X, Y).predict(X).shape == (300,)
    loss = SGDClassifier(loss="log_loss", random_state=0)
    assert CalibratedClassifier(loss, "auto").fit(X, Y).calibrator_ is not None
    svc = SVC(decision_function_shape="ovr")
    assert CalibratedClassifier(svc, cv=StratifiedKFold(5)).fit(X, Y).predict_proba(X).shape[1] == 3
    each = OneVsRestClassifier(CalibratedClassifier(MODEL, "platt"))
    assert each.fit(X, np.c_[Y > 0, Y > 1].astype(int)).predict_proba(X).shape == (300, 2)
    assert each.fit(X, Y).predict_proba(X).shape == (300, 3)
