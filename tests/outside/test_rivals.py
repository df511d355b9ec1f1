"""Other packages on the same rows: equal where definitions agree; where not, the test says why."""

import numpy as np
import pytest

import reference
import temperance as tp

calibration = pytest.importorskip("sklearn.calibration")
sklearn_metrics = pytest.importorskip("sklearn.metrics")


@pytest.fixture
def data(sample):
    """400 rows of 4 classes."""
    z, y = sample(seed=3)
    return z, y, reference.softmax(z)


def fit_scikit_learn(logits, labels):
    """Inverse temperature of scikit-learn's (private) temperature scaling on bare logits."""
    scaling = getattr(calibration, "_TemperatureScaling", None)
    if scaling is None:
        pytest.skip("this scikit-learn has no temperature scaling")
    return scaling().fit(logits, labels).beta_


def test_same_temperature_as_scikit_learn(data):
    """On two-dimensional logits both find the same optimum, they to seven digits."""
    z, y, _ = data
    ours = tp.TemperatureScaling.fit(z, y).temperature
    assert 1 / fit_scikit_learn(z, y) == pytest.approx(ours, rel=1e-6)


def test_half_of_scikit_learns_temperature_for_one_column(data):
    """scikit-learn reads one column as (-z, z), twice the log-odds: its T is twice ours."""
    z, y, _ = data
    margin, binary = z[:, 1] - z[:, 0], (y % 2)
    ours = tp.TemperatureScaling.fit(margin, binary, prior=0).temperature
    assert 1 / fit_scikit_learn(margin, binary) == pytest.approx(2 * ours, rel=1e-6)


def test_same_scores_as_scikit_learn(data):
    """Log loss and accuracy agree; the binary Brier score there is half of Brier's own."""
    _, y, p = data
    assert tp.metrics.log_loss(p, y) == pytest.approx(sklearn_metrics.log_loss(y, p), rel=1e-12)
    accuracy = sklearn_metrics.accuracy_score(y, p.argmax(axis=1))
    assert tp.metrics.accuracy(p, y) == pytest.approx(accuracy)
    binary, p1 = y % 2, p[:, 1]
    theirs = sklearn_metrics.brier_score_loss(binary, p1)
    assert tp.metrics.brier_score(p1, binary) == pytest.approx(2 * theirs, rel=1e-12)


def test_same_bins_as_scikit_learns_calibration_curve(data):
    """Its edge rule is ours: the points of the curve agree where class 1 is the prediction."""
    _, y, p = data
    keep = p[:, 0] < p[:, 1]
    p1 = p[keep, 1] / (p[keep, 0] + p[keep, 1])
    p1[:4] = [0.6, 0.8, 1.0, 0.7]  # on edges too
    binary = (y[keep] == 1).astype(int)
    right, said = calibration.calibration_curve(binary, p1, n_bins=5)
    curve = tp.metrics.reliability_curve(p1, binary, n_bins=5)
    assert curve.accuracy == pytest.approx(right)
    assert curve.confidence == pytest.approx(said)
    assert np.all(np.diff(curve.confidence) > 0)
