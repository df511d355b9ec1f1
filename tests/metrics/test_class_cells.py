"""The errors of many classes at once, against one class after the other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from temperance import evaluate
from temperance.metrics import (
    classwise_calibration_error,
    events,
    flattened_calibration_error,
)
from temperance.metrics.error_measures import (
    binned_error,
    class_draws,
    class_errors,
    class_null_draws,
    conditional_error,
    observed,
)
from temperance.metrics.estimates import Draws, share_estimate
from temperance.metrics.events import ObservedGaps, bins_of, cells_of_classes, class_event
from temperance.metrics.group_tests import class_table
from temperance.metrics.inputs import Predictions
from temperance.metrics.resampling import Resampling
from temperance.sums import MeanSums

ROUNDING = 1e-7  # resamples of groups of rows are summed in single precision


def predictions(n: int, k: int, *, weighted: bool = False, clustered: bool = False) -> Predictions:
    rng = np.random.default_rng(n + k)
    z = 2.0 * rng.normal(size=(n, k))
    probs = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    weights = rng.integers(1, 4, size=n) * 0.5 if weighted else None
    clusters = rng.integers(0, max(n // 4, 1), size=n) if clustered else None
    labels = (z / 2 + rng.gumbel(size=z.shape)).argmax(axis=1)
    return Predictions.check(probs, labels, weights, clusters)


CASES = [
    pytest.param(predictions(60, 5), 12, id="every row a group"),
    pytest.param(predictions(60, 5, weighted=True), 12, id="weights"),
    pytest.param(predictions(60, 5, clustered=True), 12, id="clusters"),
    pytest.param(predictions(60, 5, weighted=True, clustered=True), 1, id="both, one bin"),
    pytest.param(predictions(1500, 4, weighted=True), 7, id="groups of rows"),
    pytest.param(predictions(1, 40), 15, id="one row"),
]


def of_each_class(resampling: Resampling, n_bins: int) -> np.ndarray:
    """Return (classes, worlds) the long way: the sums of one class, then of the next."""
    rows, found = resampling.rows, []
    for j in range(rows.probs.shape[1]):
        event = class_event(rows, j)
        bins = bins_of(event.probability, n_bins=n_bins, binning="equal-width", weights=None)
        found.append(binned_error(resampling.sums(event, bins, n_bins)))
    return np.stack(found)


@pytest.mark.parametrize("at_once", [1, 1 << 22])
@pytest.mark.parametrize(("rows", "n_bins"), CASES)
def test_classes_in_batches_are_classes_one_by_one(
    rows: Predictions, n_bins: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "AT_ONCE", at_once)
    resampling = Resampling(rows, 100, seed=3)
    batches = [errors for errors, _ in class_errors(rows, resampling, n_bins=n_bins)]
    assert len(batches) == (1 if at_once > 1 else rows.probs.shape[1])
    expected = of_each_class(resampling, n_bins)
    np.testing.assert_allclose(np.concatenate(batches), expected, rtol=0, atol=ROUNDING)
    draws, errors = class_draws(resampling, n_bins=n_bins)
    slow = [Draws.split(each, 100, doubt=resampling.doubt) for each in expected]
    for error, of_class in zip(errors, slow, strict=True):
        by_class = of_class.calibration_error().to_dict()
        assert error.to_dict() == pytest.approx(by_class, abs=ROUNDING)
    assert draws["classwise"].value == pytest.approx(expected[:, 0].mean(), abs=1e-12)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("at_once", [1, 1 << 22])
@pytest.mark.parametrize(("rows", "n_bins"), CASES)
def test_draws_without_single_classes_are_the_same(
    rows: Predictions, n_bins: int, at_once: int, signed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the flattened error, and the classwise one's but for resamples it has no use for."""
    monkeypatch.setattr(events, "AT_ONCE", at_once)
    if signed:
        monkeypatch.setattr("temperance.metrics.resampling._DRAWS", 100)
        monkeypatch.setattr("temperance.metrics.resampling._DRAWS_OF_MANY", 100)
    resampling = Resampling(rows, 100, seed=3)
    expected, _ = class_draws(resampling, n_bins=n_bins)
    found = class_null_draws(Resampling(rows, 100, seed=3), n_bins=n_bins)
    for name, draws in found.items():
        assert draws.value == pytest.approx(expected[name].value, abs=1e-12)
        np.testing.assert_allclose(draws.null, expected[name].null, rtol=0, atol=ROUNDING)
    resampled = expected["flattened"].resampled
    np.testing.assert_allclose(found["flattened"].resampled, resampled, rtol=0, atol=ROUNDING)
    assert len(found["classwise"].resampled) == 0


def test_signs_of_groups_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many rows that few labels are drawn."""
    monkeypatch.setattr("temperance.metrics.resampling._DRAWS", 100)
    rows = predictions(300, 4, weighted=True)
    resampling = Resampling(rows, 100, seed=0)
    batches = [errors for errors, _ in class_errors(rows, resampling, n_bins=6)]
    expected = of_each_class(resampling, 6)
    np.testing.assert_allclose(np.concatenate(batches), expected, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize(("rows", "n_bins"), CASES)
def test_shares_of_classes(rows: Predictions, n_bins: int) -> None:
    _, errors = class_draws(Resampling(rows, 100, seed=3), n_bins=n_bins)
    for each in class_table(rows, errors):
        hit = (rows.labels == each.number)[:, None]
        share = share_estimate(MeanSums.of(hit, rows.weights, rows.clusters), 0)
        assert each.frequency.to_dict() == pytest.approx(share.to_dict(), abs=1e-12)
        assert each.n == hit.sum()


def test_work_of_many_classes_is_done_in_few_steps() -> None:
    """1 x 100,000 did not end in 200 s: 2.3 ms a class."""
    rows = predictions(1, 100_000)
    batches = list(cells_of_classes(rows, n_bins=15, worlds=2001))
    assert len(batches) < 60
    assert max(each.n_cells for each in batches) * 2001 <= events.AT_ONCE
    wide = cells_of_classes(predictions(50, 1000), n_bins=15, worlds=2001)
    assert max(each.n_cells for each in wide) * 2001 <= events.AT_ONCE
    found = evaluate(rows.probs[:, :5000] / rows.probs[:, :5000].sum(), [3], n_resamples=100)
    assert len(found.classes) == 5000
    assert [each.n for each in found.classes[:5]] == [0, 0, 0, 1, 0]


def test_conditional_error_looks_at_cells_that_hold_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = predictions(200, 30)
    whole = conditional_error(rows, observed(rows), n_bins=10)
    expected, total = 0.0, len(rows.labels)
    bins = bins_of(rows.confidence, n_bins=10, binning="equal-width", weights=None)
    for c, b in set(zip(rows.predicted.tolist(), bins.tolist(), strict=True)):
        own = (rows.predicted == c) & (bins == b)
        expected += abs((rows.confidence[own] - rows.correct[own]).sum()) / total
    assert whole == pytest.approx(expected, abs=1e-12)
    monkeypatch.setattr("temperance.metrics.error_measures._CELLS", 7)
    assert conditional_error(rows, observed(rows), n_bins=10) == pytest.approx(expected, abs=1e-12)


def test_values_without_resamples() -> None:
    rows = predictions(80, 6, weighted=True)
    found = [errors for errors, _ in class_errors(rows, ObservedGaps(rows), n_bins=9)]
    expected = np.concatenate(found)
    p, y, w = rows.probs, rows.labels, rows.weights
    value = classwise_calibration_error(p, y, n_bins=9, weights=w)
    assert value == pytest.approx(expected.mean(), abs=1e-12)
    plain = replace(rows, weights=None)
    one_bin = flattened_calibration_error(p, y, n_bins=1)
    assert one_bin == pytest.approx(abs(plain.probs.sum() - 80) / 480, abs=1e-12)
