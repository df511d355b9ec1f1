"""Other packages' measures of the same rows: equal where definitions agree; where not, why."""

import math

import numpy as np
import pytest

import reference
from temperance import metrics

# Some warn when imported, or of their own dependencies.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def network():
    """Raw probabilities and labels of the test half of REF-B."""
    *_, z, y = reference.reference_b()
    return reference.softmax(z), y


@pytest.fixture
def binary(sample):
    """One column with ties, its labels, and weights, of 500 rows."""
    z, y = sample(seed=11, n=500, k=2)
    p1 = reference.softmax(z)[:, 1].round(2).clip(0.01, 0.99)
    return p1, y, np.random.default_rng(11).uniform(0.1, 2, 500)


def test_scikit_learn_brier_score_and_log_loss(binary):
    """Its binary scores, with and without weights, are those that our parts add up to."""
    theirs = pytest.importorskip("sklearn.metrics")
    p1, y, w = binary
    for weights in (None, w):
        brier = metrics.score_decomposition(p1, y, weights=weights).score
        assert theirs.brier_score_loss(y, p1, sample_weight=weights) == pytest.approx(brier)
        log = metrics.score_decomposition(p1, y, score="log", weights=weights).score
        assert theirs.log_loss(y, p1, sample_weight=weights) == pytest.approx(log)


def test_scikit_learn_isotonic(binary):
    """Its isotonic regression is the curve of our reliability diagram."""
    theirs = pytest.importorskip("sklearn.isotonic")
    p1, y, w = binary
    for weights in (None, w):
        curve = metrics.corp_reliability(p1, y, weights=weights, n_resamples=100)
        fitted = theirs.IsotonicRegression(out_of_bounds="clip").fit(p1, y, sample_weight=weights)
        assert curve.recalibrated == pytest.approx(fitted.predict(curve.probability), abs=1e-9)


def test_scikit_learn_quantile_bins(sample):
    """Where nothing is tied and n divides: its "quantile" bins are our bins of equal mass.

    It puts edges between rows, we put them on a row. With ties it may leave bins empty and drop
    them; we never part ties either.
    """
    theirs = pytest.importorskip("sklearn.calibration")
    z, y = sample(seed=12, n=300, k=2)
    p1 = reference.softmax(z)[:, 1]
    p1, y = np.where(p1 < 0.5, 1 - p1, p1), np.where(p1 < 0.5, 1 - y, y)
    right, said = theirs.calibration_curve(y, p1, n_bins=10, strategy="quantile")
    curve = metrics.reliability_curve(p1, y, n_bins=10, binning="equal-mass")
    assert curve.accuracy == pytest.approx(right)
    assert curve.confidence == pytest.approx(said)


def test_model_diagnostics_decompositions(binary):
    """Its `decompose` is ours, for both scores, with and without weights."""
    theirs = pytest.importorskip("model_diagnostics.scoring")
    p1, y, w = binary
    for weights in (None, w):
        for name, function in (("brier", theirs.SquaredError()), ("log", theirs.LogLoss())):
            table = theirs.decompose(y, p1, weights=weights, scoring_function=function)
            parts = metrics.score_decomposition(p1, y, score=name, weights=weights)
            expected = {column: table[column][0] for column in parts.to_dict()}
            assert parts.to_dict() == pytest.approx(expected, abs=1e-12)


def test_uncertainty_calibration(network):
    """verified_calibration: ECE, and the root mean square error, debiased or not."""
    theirs = pytest.importorskip("calibration")
    p, y = network
    ece = metrics.expected_calibration_error(p, y)
    assert theirs.get_ece(p, y, num_bins=15) == pytest.approx(ece, rel=1e-9)
    biased = metrics.expected_calibration_error(p, y, norm=2, binning="equal-mass")
    found = theirs.get_calibration_error(p, y, p=2, debias=False, mode="top-label")
    assert found == pytest.approx(biased, rel=1e-9)
    for mode, over in (("top-label", "top-label"), ("marginal", "classes")):
        found = theirs.get_calibration_error(p, y, p=2, debias=True, mode=mode)
        assert metrics.debiased_calibration_error(p, y, over=over) == pytest.approx(found, rel=1e-9)


def test_netcal(network):
    """Its ECE and MCE of a multiclass model are those of the predicted class, in our bins."""
    theirs = pytest.importorskip("netcal.metrics")
    p, y = network
    ece = metrics.expected_calibration_error(p, y)
    assert theirs.ECE(15).measure(p, y) == pytest.approx(ece, rel=1e-9)
    largest = metrics.expected_calibration_error(p, y, norm=math.inf)
    assert theirs.MCE(15).measure(p, y) == pytest.approx(largest, rel=1e-9)


def test_netcal_average_error_is_another(network):
    """Its ACE is the mean over bins of equal width, each bin counting the same: not equal mass."""
    theirs = pytest.importorskip("netcal.metrics")
    p, y = network
    curve = metrics.reliability_curve(p, y)
    each = np.abs(curve.accuracy - curve.confidence)
    assert theirs.ACE(15).measure(p, y) == pytest.approx(each.mean(), rel=1e-9)


def in_single_precision(c, hit, n_bins):
    """ECE with bins closed on the left, added up row by row in single precision."""
    place = np.searchsorted(np.linspace(0, 1, n_bins + 1), c, side="right") - 1
    said, right, count = np.zeros((3, n_bins + 1), dtype=np.float32)
    np.add.at(said, place, c.astype(np.float32))
    np.add.at(right, place, hit.astype(np.float32))
    np.add.at(count, place, np.float32(1))
    return np.abs(right - said).sum() / count.sum()


def test_torchmetrics(network):
    """torchmetrics 1.9 prints .03743409, we .03742229: it adds up in single precision.

    Thousands of confidences near 1, added to a sum of thousands, lose their last digits. Of few
    rows it gives our number. A confidence of exactly 1 gets a bin of its own there, not here.
    """
    torch = pytest.importorskip("torch")
    theirs = pytest.importorskip("torchmetrics.functional.classification")

    def error(p, y, norm="l1"):
        p, y = torch.tensor(p), torch.tensor(y)
        return float(theirs.multiclass_calibration_error(p, y, p.shape[1], n_bins=15, norm=norm))

    p, y = network
    c, hit = p.max(axis=1), p.argmax(axis=1) == y
    assert error(p, y) == pytest.approx(0.03743409, abs=6e-9)
    assert in_single_precision(c, hit, 15) == pytest.approx(error(p, y), rel=2e-6)
    for norm, number in (("l1", 1), ("l2", 2), ("max", math.inf)):
        ours = metrics.expected_calibration_error(p[:200], y[:200], norm=number)
        assert error(p[:200], y[:200], norm) == pytest.approx(ours, abs=1e-6)
    certain, label = np.array([[0.95, 0.05], [1.0, 0.0]]), np.array([0, 1])
    assert error(certain, label) == pytest.approx((0.05 + 1.0) / 2)
    ours = metrics.expected_calibration_error(certain, label)
    assert ours == pytest.approx(0.475)  # both in the last bin: .975 said, .5 right


def as_relplot(c, hit, *, halved):
    """relplot's smooth error: 200 points, and a density that it divides by.

    It spreads each row over two points of a grid 0.001 apart and reflects about the last point,
    which is thereby counted once where its mirror image should double it: with `halved`, what
    lies on that point has half its weight.
    """
    w = np.ones(len(c))
    if halved:
        w -= 0.5 * np.clip(1 - (1 - c) / 0.001, 0, 1)
    t, columns = np.linspace(0, 1, 200), np.stack([w * (c - hit), w], axis=1)
    low, high = 0.001, 1.0
    for _ in range(12):
        width = (low + high) / 2
        spread = sum(np.exp(-0.5 * ((t[:, None] - at) / width) ** 2) for at in (c, -c, 2 - c))
        gap, density = (spread @ columns).T
        found = np.abs(gap).sum() / density.sum()
        low, high = (width, high) if found > width else (low, width)
    return found


def test_relplot_halves_what_is_nearly_certain(network):
    """relplot 1.0.3 prints .0499 for .0359, the number of the paper's definition, which is ours.

    Two rows of three here are within .001 of 1. relplot counts them up to a half less than the
    others, so it divides the gap, which is elsewhere, by too few rows. Without the halving its
    own way of integrating gives our number; so does direct quadrature of the definition.
    """
    p, y = network
    c, hit = p.max(axis=1), p.argmax(axis=1) == y
    ours = metrics.smooth_calibration_error(p, y)
    assert (c > 0.999).mean() > 0.6
    assert as_relplot(c, hit, halved=False) == pytest.approx(ours, abs=1e-3)
    assert as_relplot(c, hit, halved=True) == pytest.approx(0.0499024014, abs=3e-4)
    theirs = pytest.importorskip("relplot")
    assert theirs.smECE(c, hit.astype(float)) == pytest.approx(0.0499024014, abs=6e-11)


def test_relplot_elsewhere(sample):
    """Where no confidence is within .001 of 1, relplot agrees to its grid's 0.001."""
    theirs = pytest.importorskip("relplot")
    z, y = sample(seed=13, n=800)
    p = reference.softmax(z / 2)
    c, hit = p.max(axis=1), p.argmax(axis=1) == y
    keep = c < 0.999
    ours = metrics.smooth_calibration_error(p[keep], y[keep])
    assert theirs.smECE(c[keep], hit[keep].astype(float)) == pytest.approx(ours, abs=1.5e-3)
