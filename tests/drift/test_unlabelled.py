"""Before labels arrive: sums of confidences, their shift, the accuracy and when it is void."""

import numpy as np
import pytest
from scipy.stats import ks_2samp

import temperance as tp
from temperance.drift import AccuracyEstimate, ConfidenceShift, ConfidenceSums


def test_sums_merge():
    """Those of all rows are those of the parts, and a dictionary keeps them."""
    rng = np.random.default_rng(0)
    c, right = rng.uniform(0.2, 1.0, 500), rng.integers(-1, 2, 500)
    whole = ConfidenceSums.of(c, right)
    parts = ConfidenceSums.of(c[:99], right[:99]).merge(ConfidenceSums.of(c[99:], right[99:]))
    assert parts.n == whole.n == 500
    assert (parts.counts == whole.counts).all()
    for name in ("confidence", "variance", "surplus", "squares", "labelled_variance"):
        assert getattr(parts, name) == pytest.approx(getattr(whole, name), rel=1e-12)
    assert whole.labelled == (right >= 0).sum()
    assert whole.surplus == pytest.approx((right - c)[right >= 0].sum())
    assert ConfidenceSums.from_dict(whole.to_dict()) == whole


def test_the_distance_is_that_of_kolmogorov_and_smirnov():
    """On cells of the log-odds it is at most the exact one, and close to it."""
    rng = np.random.default_rng(1)
    one, two = 1 / (1 + np.exp(-rng.normal(2, 1, 3000))), 1 / (1 + np.exp(-rng.normal(2.4, 1, 999)))
    exact = ks_2samp(one, two)
    found = ConfidenceShift.between(ConfidenceSums.of(one), ConfidenceSums.of(two))
    assert exact.statistic - 0.03 < found.distance <= exact.statistic + 1e-12
    assert found.p_value >= exact.pvalue
    assert found.moved
    assert found.mean == pytest.approx(two.mean())


def test_a_slight_shift_is_no_warning():
    """However many rows there are: it must be one that people see."""
    rng = np.random.default_rng(2)
    one, two = (1 / (1 + np.exp(-rng.normal(mean, 1, 200_000))) for mean in (2.0, 2.1))
    found = ConfidenceShift.between(ConfidenceSums.of(one), ConfidenceSums.of(two))
    assert found.p_value < 1e-50
    assert not found.moved


def test_the_ends_of_the_scale():
    """Confidences of 0 and 1 have cells, too."""
    sums = ConfidenceSums.of([0.0, 1.0, 0.5])
    assert sums.counts[0] == sums.counts[-1] == sums.counts[128] == 1


def test_reasons_not_to_believe_it():
    labelled = ConfidenceSums.of([0.9] * 200, [1] * 180 + [0] * 20)
    now = ConfidenceSums.of([0.6] * 500)
    assert AccuracyEstimate.of(labelled, labelled).void == ()
    shift = ConfidenceShift.between(labelled, now)
    (moved,) = AccuracyEstimate.of(now, labelled, shift=shift).void
    assert "mean confidence 0.600 against 0.900" in moved
    (alarmed,) = AccuracyEstimate.of(now, labelled, alarm=True).void
    assert "fit again" in alarmed
    few = ConfidenceSums.of([0.9] * 10, [1] * 10)
    assert "only 10 labels" in AccuracyEstimate.of(now, few).void[0]
    none = AccuracyEstimate.of(now, ConfidenceSums.of([0.9]))
    assert none.value == pytest.approx(0.6)
    assert "only 0 labels" in none.void[0]


@pytest.mark.parametrize(
    ("confidence", "correct", "message"),
    [
        ([1.2], None, "`confidence`"),
        ([np.nan], None, "`confidence`"),
        ([[0.5]], None, "`confidence`"),
        ([0.5], [2], "`correct`"),
        ([0.5], [1, 0], "`correct`"),
    ],
)
def test_refused_confidences(confidence, correct, message):
    with pytest.raises(tp.InvalidInputError, match=message):
        ConfidenceSums.of(confidence, correct)


def test_nothing_is_compared_or_estimated_without_rows():
    nothing, one = ConfidenceSums.of([]), ConfidenceSums.of([0.5])
    with pytest.raises(tp.InvalidInputError, match="at least one row"):
        ConfidenceShift.between(one, nothing)
    with pytest.raises(tp.InvalidInputError, match="at least one row"):
        AccuracyEstimate.of(nothing, one)


def confidences(name, rng, n):
    if name == "certain":
        return 1 / (1 + np.exp(-rng.normal(6, 1, n)))
    if name == "middling":
        return rng.uniform(0.3, 0.9, n)
    return 1 - np.clip(0.01 * np.exp(0.7 * rng.normal(size=n)), 0, 0.5)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "lower"), [("certain", 0.002), ("middling", 0.03), ("rare", 0.0)])
@pytest.mark.parametrize(("labelled", "rows"), [(100, 100), (300, 1000), (2000, 500)])
def test_coverage_of_the_accuracy(name, lower, labelled, rows, request):
    """The share of right answers is in the interval in .91 or more, miscalibrated by `lower`."""
    full = "slow" in request.config.getoption("markexpr")
    repeats = 1000 if full else 100
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(repeats):
        with_labels, without = confidences(name, rng, labelled), confidences(name, rng, rows)
        right = rng.random(labelled) < with_labels - lower
        share = (rng.random(rows) < without - lower).mean()
        found = AccuracyEstimate.of(
            ConfidenceSums.of(without), ConfidenceSums.of(with_labels, right.astype(int))
        )
        held += found.low <= share <= found.high
    assert held / repeats >= 0.91 - 3 * np.sqrt(0.91 * 0.09 / repeats)
