"""`temperance.harness.CalibrationMetric` in Hugging Face evaluate, without a network."""

import warnings

import numpy as np
import pytest

import temperance as tp

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    evaluate = pytest.importorskip("evaluate", exc_type=ImportError)
    from temperance.harness import CalibrationMetric

pytestmark = pytest.mark.filterwarnings("ignore")  # of the packages that it loads


@pytest.fixture(autouse=True)
def offline(tmp_path, monkeypatch):
    """Nothing is fetched, and caches lie in the test's folder."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(evaluate.config, "HF_EVALUATE_OFFLINE", True)
    for name in ("HF_METRICS_CACHE", "HF_MODULES_CACHE"):
        monkeypatch.setattr(evaluate.config, name, tmp_path / name, raising=False)


def numbers_of(found):
    """What the module returns, of an evaluation."""
    return {
        "ece": found.ece.value, "ece_low": found.ece.low, "ece_high": found.ece.high,
        "ece_null_mean": found.ece_null.mean, "ece_null_high": found.ece_null.high,
        "ece_p_value": found.errors["ece"].p_value, "log_loss": found.log_loss.value,
        "brier": found.brier.value, "accuracy": found.accuracy.value,
    }  # fmt: skip


def test_it_computes_what_evaluate_computes(sample):
    """Of lists of probabilities, with settings."""
    z, y = sample()
    probs = np.exp(z - z.max(axis=1, keepdims=True))
    probs /= probs.sum(axis=1, keepdims=True)
    found = CalibrationMetric().compute(
        predictions=probs.tolist(), references=y.tolist(), n_bins=10, n_resamples=200, seed=3
    )
    expected = numbers_of(tp.evaluate(probs, y, n_bins=10, n_resamples=200, seed=3))
    assert found == pytest.approx(expected)
    assert all(type(each) is float for each in found.values())


def test_one_probability_per_row_is_that_of_class_1():
    """As `tp.evaluate` takes (n,)."""
    p, y = [0.2, 0.9, 0.7, 0.4] * 10, [0, 1, 0, 1] * 10
    found = CalibrationMetric().compute(predictions=p, references=y, n_resamples=200)
    assert found == pytest.approx(numbers_of(tp.evaluate(p, y, n_resamples=200)))


def test_batches_add_up_and_metrics_combine():
    """`add_batch` and `evaluate.combine`, as other metrics of that package."""
    metric = CalibrationMetric()
    p, y = np.array([[0.8, 0.2], [0.4, 0.6]] * 20), [0, 1, 1, 1] * 10
    for rows in (slice(0, 25), slice(25, 40)):
        metric.add_batch(predictions=p[rows].tolist(), references=y[rows])
    whole = CalibrationMetric().compute(predictions=p.tolist(), references=y)
    assert metric.compute() == whole
    combined = evaluate.combine([CalibrationMetric()])
    assert combined.compute(predictions=p.tolist(), references=y) == whole


def test_it_is_loaded_from_a_file(tmp_path):
    """`evaluate.load` of two lines that a team shares."""
    folder = tmp_path / "calibration"
    folder.mkdir()
    code = '"""Calibration."""\nfrom temperance.harness import CalibrationMetric\n'
    (folder / "calibration.py").write_text(code, encoding="utf-8")
    metric = evaluate.load(str(folder / "calibration.py"))
    p, y = [0.2, 0.9, 0.7, 0.4] * 10, [0, 1, 0, 1] * 10
    assert metric.compute(predictions=p, references=y)["accuracy"] == pytest.approx(0.5)


def test_bad_rows_are_refused_in_our_words():
    """The message of `tp.evaluate`."""
    with pytest.raises(tp.InvalidInputError, match="`probs`"):
        CalibrationMetric().compute(predictions=[[0.5, 0.9]], references=[0])
