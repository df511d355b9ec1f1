"""scikit-learn's own questions to an estimator; none is expected to fail."""

import warnings

import pytest

pytest.importorskip("sklearn.base")

from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import BernoulliNB
from sklearn.utils.estimator_checks import parametrize_with_checks

from temperance.sklearn import CalibratedClassifier

# Log-odds and probabilities. What these ask of weights, that a row of weight 2 be two rows, holds
# where the estimator does so itself (a forest, which draws rows, does not) and the map needs no
# prior: its pseudo-row is one of the effective rows, which weights do not add to.
ESTIMATORS = [LogisticRegression(), BernoulliNB()]


@parametrize_with_checks([CalibratedClassifier(each) for each in ESTIMATORS])
def test_scikit_learns_checks_of_estimators(estimator, check):
    """All pass: parameters, clones, errors, pickles, weights, names of columns, tags."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of convergence on a handful of rows
        check(estimator)
