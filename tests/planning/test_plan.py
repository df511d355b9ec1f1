"""How many labels: reference numbers, slow sums, and simulated labels that keep the promise."""

import json
import math
from functools import partial
from statistics import NormalDist

import numpy as np
import pytest

import reference
import temperance as tp
from temperance import numerics

NORMAL = NormalDist()


@pytest.fixture(scope="module")
def pools():
    """Calibrated outputs of REF-A and of the test half of REF-B, each with its first fit."""
    a, labels = reference.reference_a()
    b, b_labels, b_test, _ = reference.reference_b()
    fits = {
        "A": (tp.TemperatureScaling.fit(a, labels), a),
        "B": (tp.TemperatureScaling.fit(b, b_labels), b_test),
    }
    return {name: (fit.scale(z), fit.record) for name, (fit, z) in fits.items()}


def slow_sums(z, t, w):
    """Score under p: mean, variance; under q: mean and second moment; row by row, label by label.

    Everything is the mean over rows of one label drawn from the row.
    """
    null = first = second = information = 0.0
    for row, weight in zip(z, w, strict=True):
        options = np.array([v - max(row) for v in row if v != -math.inf])
        p = np.exp(options) / sum(np.exp(options))
        q = np.exp(options / t) / sum(np.exp(options / t))
        scores = [float(p @ options) - value for value in options]
        null += sum(pk * (weight * g) ** 2 for pk, g in zip(p, scores, strict=True))
        information += sum(pk * weight * g**2 for pk, g in zip(p, scores, strict=True))
        first += sum(qk * weight * g for qk, g in zip(q, scores, strict=True))
        second += sum(qk * (weight * g) ** 2 for qk, g in zip(q, scores, strict=True))
    n = sum(1 for weight in w if weight > 0)
    return null / n, first / n, second / n, information / n


@pytest.mark.parametrize(
    ("t", "of_a", "of_b"),
    [
        (1.05, 6980, 4613), (1.1, 1852, 1074), (1.2, 521, 238), (1.5, 116, 31),
        (0.9, 1452, 1495), (0.8, 321, 462),
    ],
)  # fmt: skip
def test_temperature_reference(pools, t, of_a, of_b):
    """Twelve reference numbers: logits over their fitted T, REF-B's test half over REF-B-cal's."""
    for name, expected in (("A", of_a), ("B", of_b)):
        answer = tp.plan(pools[name][0], temperature=t, ece=0.3)
        assert answer.labels_for_temperature == expected


@pytest.mark.parametrize(
    ("name", "precision", "whole"),
    [("A", 0.05, 3459), ("A", 0.1, 906), ("B", 0.05, 1757), ("B", 0.1, 460)],
)
def test_precision_reference(pools, name, precision, whole):
    """With a first fit's sandwich error; the reference gives the integer part, we the next one."""
    logits, record = pools[name]
    answer = tp.plan(logits, precision=precision, pilot=record, ece=0.3)
    assert answer.labels_for_precision == whole + 1
    assert answer.pilot_rows == record.n


def test_precision_is_kept_by_a_fit_on_that_many_labels(sample):
    """Fit on the planned number of labels: the interval is as wide as it was to be."""
    z, _ = sample(3, n=4000, temperature=1.0)
    n = tp.plan(z, precision=0.1).labels_for_precision
    low, high = tp.TemperatureScaling.fit(*sample(4, n=n, temperature=1.0)).record.interval()
    assert math.sqrt(high / low) == pytest.approx(1.1, abs=0.01)


@pytest.mark.parametrize(("t", "power"), [(1.1, 0.8), (0.7, 0.95), (3.0, 0.3), (1e-3, 0.5)])
@pytest.mark.parametrize("weighted", [False, True])
def test_against_slow_sums(t, power, weighted):
    """Masked options, weights (one of them 0), T near 0: as by going through every label."""
    rng = np.random.default_rng(5)
    z = rng.normal(size=(30, 4)) * 2
    z[::3, 1] = -np.inf
    w = rng.integers(0, 4, 30).astype(float) if weighted else np.ones(30)
    w[0] = 0.0 if weighted else 1.0
    null, first, second, information = slow_sums(z, t, w)
    spread = math.sqrt(second - first**2)
    root = (NORMAL.inv_cdf(0.975) * math.sqrt(null) + NORMAL.inv_cdf(power) * spread) / first
    answer = tp.plan(z, temperature=t, power=power, weights=w if weighted else None, ece=0.1)
    assert answer.labels_for_temperature == math.ceil(root**2)
    error = math.sqrt(null) / information
    wanted = math.ceil((NORMAL.inv_cdf(0.975) * error / math.log(1.05)) ** 2)
    assert answer.labels_for_precision == wanted


@pytest.mark.slow
@pytest.mark.parametrize("name", ["A", "B"])
@pytest.mark.parametrize(("t", "power"), [(1.2, 0.8), (0.8, 0.8), (1.5, 0.9), (1.1, 0.5)])
def test_power_of_the_score_test(pools, name, t, power):
    """On labels drawn at T, the score test (as Spiegelhalter's, in log p) rejects as planned."""
    logits, _ = pools[name]
    n = tp.plan(logits, temperature=t, power=power, ece=0.3).labels_for_temperature
    rng = np.random.default_rng(6)
    truth = reference.softmax(logits / t).cumsum(axis=1)
    truth /= truth[:, -1:]
    p = reference.softmax(logits)
    score = np.log(np.where(p > 0, p, 1.0))
    mean = (p * score).sum(axis=1)
    variance = (p * score**2).sum(axis=1) - mean**2
    repeats, rejected = 2000, 0
    for _ in range(repeats):
        rows = rng.integers(len(logits), size=n)
        labels = (truth[rows] <= rng.random((n, 1))).sum(axis=1)
        z = (mean[rows] - score[rows, labels]).sum() / math.sqrt(variance[rows].sum())
        rejected += abs(z) > 1.959964
    assert rejected / repeats == pytest.approx(power, abs=0.04)  # 4 standard errors


def lowered(confidence, ece):
    """Accuracy so far below confidence, but not below 0, that the mean distance is `ece`."""
    low, high = 0.0, 1.0
    for _ in range(60):
        gap = (low + high) / 2
        low, high = (gap, high) if np.minimum(gap, confidence).mean() < ece else (low, gap)
    return np.maximum(confidence - high, 0.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "ece", "n_bins", "power"),
    [("A", 0.1, 15, 0.8), ("A", 0.3, 5, 0.8), ("B", 0.02, 15, 0.8), ("B", 0.05, 15, 0.5),
     ("B", 0.1, 1, 0.9), ("B", 0.3, 15, 0.8)],
)  # fmt: skip
def test_power_of_the_calibration_error(pools, name, ece, n_bins, power):
    """Real rows and labels, the ECE row by row: beyond the null band as often as planned."""
    p = reference.softmax(pools[name][0])
    confidence = p.max(axis=1)
    wrong = lowered(confidence, ece)
    assert (confidence - wrong).mean() == pytest.approx(ece)
    bins = np.array([reference.bin_of(c, n_bins) for c in confidence])
    n = tp.plan(pools[name][0], ece=ece, n_bins=n_bins, power=power).labels_for_ece
    rng = np.random.default_rng(7)
    repeats = 2000
    errors = {"calibrated": [], "erring": []}
    for _ in range(repeats):
        rows = rng.integers(len(p), size=n)
        for key, accuracy in (("calibrated", confidence), ("erring", wrong)):
            gap = confidence[rows] - (rng.random(n) < accuracy[rows])
            errors[key].append(np.abs(np.bincount(bins[rows], gap)).sum() / n)
    seen = (np.array(errors["erring"]) > np.quantile(errors["calibrated"], 0.95)).mean()
    assert seen == pytest.approx(power, abs=0.05)  # 4 errors of `seen`, and the band's own


def test_more_is_needed_for_less(sample):
    """Smaller errors, narrower intervals, higher power: more labels."""
    z, _ = sample(1, n=500)
    base = tp.plan(z, temperature=1.2, precision=0.1, ece=0.05)
    harder = [
        tp.plan(z, temperature=1.1, precision=0.05, ece=0.03),
        tp.plan(z, temperature=1.2, precision=0.09, ece=0.05, power=0.95),
    ]
    for each in harder:
        assert each.labels_for_temperature > base.labels_for_temperature
        assert each.labels_for_precision > base.labels_for_precision
        assert each.labels_for_ece > base.labels_for_ece


@pytest.mark.usefixtures("quick_plans")
def test_blocks_types_offsets_and_order(sample, monkeypatch):
    """Small blocks, float32 probabilities, offsets, shuffled and read-only rows: the same plan."""
    z, _ = sample(2, n=300)
    plan = partial(tp.plan, ece=0.1)
    expected = plan(z)
    z.flags.writeable = False
    rng = np.random.default_rng(0)
    assert plan(rng.permutation(z) + rng.normal(size=(300, 1)) * 9) == expected
    assert plan(tp.logits_from_probs(reference.softmax(z))) == expected
    monkeypatch.setattr(numerics, "BLOCK_ELEMENTS", 40)
    assert plan(z) == expected


def test_weights(sample):
    """Equal weights change nothing, rows of weight 0 are not there, unequal weights cost."""
    z, _ = sample(2, n=300)
    plan = partial(tp.plan, ece=0.1)
    plain = plan(z[:200])
    assert plan(z[:200], weights=np.full(200, 3.0)) == plain
    zeros = plan(z, weights=np.arange(300) < 200)
    for name in ("temperature", "precision", "ece"):
        count = f"labels_for_{name}"
        assert getattr(zeros, count) == getattr(plain, count)
    halves = np.where(np.arange(200) % 2, 1.0, 3.0)  # worth 1 / 1.25 of the rows
    unequal = plan(np.repeat(z[:100], 2, axis=0), weights=halves)
    equal = plan(z[:100])
    assert unequal.labels_for_precision == pytest.approx(1.25 * equal.labels_for_precision, abs=1)
    assert unequal.labels_for_ece == pytest.approx(1.25 * equal.labels_for_ece, rel=0.05)


def test_log_odds_are_two_columns(sample):
    """Shape (n,) is (0, z)."""
    z, _ = sample(2, n=100, k=2)
    odds = z[:, 1] - z[:, 0]
    assert tp.plan(odds) == tp.plan(np.stack([np.zeros(100), odds], axis=1))


def test_where_no_number_is_enough():
    """None, with a reason in words, for each question; never a made-up integer."""
    certain = tp.plan([[1e4, 0.0], [0.0, 1e4]], ece=0.02)
    assert (certain.labels_for_temperature, certain.labels_for_precision) == (None, None)
    one_error_tells = math.log(0.2) / math.log(0.98)
    assert certain.labels_for_ece == pytest.approx(one_error_tells, rel=0.05)
    assert certain.reasons.keys() == {"temperature", "precision"}
    flat = tp.plan([[0.1, 0.0, 0.0]] * 5, ece=0.5)
    assert flat.labels_for_ece is None
    assert "0.5 below a mean confidence of 0.356" in flat.reasons["ece"]
    assert "no number" in str(flat)
    tiny = tp.plan([[2.0, 0.0]], precision=1e-9, temperature=1 + 1e-9, ece=1e-9)
    assert tiny.reasons.keys() == {"temperature", "precision", "ece"}
    assert "1,000,000,000,000" in tiny.reasons["ece"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0}, "`temperature` must be a finite number above 0, got 0"),
        ({"temperature": -1.1}, "`temperature` must be"),
        ({"temperature": math.nan}, "`temperature` must be"),
        ({"temperature": 1}, "`temperature` .--temperature. must differ from 1"),
        ({"precision": 0}, "`precision` must be"),
        ({"precision": math.inf}, "`precision` must be"),
        ({"ece": 0}, "`ece` .--error. must be a number between 0 and 1, got 0"),
        ({"ece": 1.0}, "`ece`"),
        ({"power": 0.05}, "`power` must be a number between 0.05 and 1, got 0.05"),
        ({"power": 1}, "`power`"),
        ({"n_bins": 0}, "`n_bins` must be a whole number from 1 to 1,000"),
        ({"n_bins": 2.5}, "`n_bins`"),
        ({"weights": [1.0]}, "`weights` must have shape"),
        ({"logits": [[2.0, 2.0], [1.0, 1.0]]}, "constant in every row"),
        ({"logits": [[2.0, -math.inf], [-math.inf, 1.0]]}, "constant in every row"),
        ({"logits": np.zeros((2, 0))}, "at least 2 columns"),
        ({"logits": np.zeros((0, 3))}, "at least one row"),
        ({"logits": [[0.9, 0.1], [0.2, 0.8]]}, "look like probabilities"),
        ({"logits": [[math.nan, 0.0]]}, "must be finite"),
    ],
)
def test_errors(options, message):
    """Each refused argument by name."""
    logits = options.get("logits", [[2.0, 0.0], [0.0, 3.0]])
    with pytest.raises(tp.InvalidInputError, match=message):
        tp.plan(logits, **{k: v for k, v in options.items() if k != "logits"})


@pytest.mark.usefixtures("quick_plans")
def test_command_on_unlabelled_rows(run, tmp_path, sample):
    """JSON is the plan of the file's logits; without --json three sentences and the source."""
    z, _ = sample(1, n=400)
    np.savez(tmp_path / "pool.npz", logits=z)
    options = ("--error", 0.05, "--temperature", 0.9, "--precision", 0.1, "--power", 0.9)
    done = run("plan", "pool.npz", *options, "--bins", 10, "--seed", 3, "--json")
    assert done.stderr == ""
    expected = tp.plan(z, temperature=0.9, precision=0.1, ece=0.05, power=0.9, n_bins=10, seed=3)
    result = json.loads(done.stdout)
    assert result == {**expected.to_dict(), "scaled_by": None, "report": None, "warnings": []}
    assert (result["n"], result["classes"], result["pilot_rows"]) == (400, 4, None)
    text = run("plan", "pool.npz", *options).stdout
    for count in (expected.labels_for_temperature, expected.labels_for_precision):
        assert f"{count:,}  to " in text
    for words in ("90 % power", "under-confident", "an ECE of 0.05", "pool.npz: 400 rows"):
        assert words in text


@pytest.mark.usefixtures("quick_plans")
def test_command_uses_labels_and_calibrators(run, tmp_path, sample):
    """Labelled rows are scaled by their own fit, others by a calibrator's; both give the error."""
    z, y = sample(1, n=400)
    np.savez(tmp_path / "cal.npz", logits=z, labels=y)
    fitted = tp.TemperatureScaling.fit(z, y)
    tp.save(fitted, tmp_path / "calibrator.json")
    wide = ("--error", "0.1")
    expected = tp.plan(fitted.scale(z), ece=0.1, pilot=fitted.record).to_dict()
    result = json.loads(run("plan", "cal.npz", *wide, "--json").stdout)
    assert result == {**expected, "scaled_by": fitted.temperature, "report": None, "warnings": []}
    new, _ = sample(2, n=300)
    np.savez(tmp_path / "new.npz", logits=new)
    command = ("plan", "new.npz", "--calibrator", "calibrator.json", *wide)
    result = json.loads(run(*command, "--json").stdout)
    expected = tp.plan(fitted.scale(new), ece=0.1, pilot=fitted.record).to_dict()
    assert result == {**expected, "scaled_by": fitted.temperature, "report": None, "warnings": []}
    assert "of calibrator.json" in run(*command).stdout


def test_command_reads_probabilities_and_says_what_it_ignores(run, tmp_path):
    """CSV of probabilities; labels without a finite T are left out, with a warning."""
    lines = "prob_a,prob_b,label\n0.8,0.2,a\n0.3,0.7,b\n"
    (tmp_path / "rows.csv").write_text(lines, encoding="utf-8")
    done = run("plan", "rows.csv")
    assert done.stderr.startswith("warning: the labels are not used. No finite temperature")
    expected = tp.plan(tp.logits_from_probs([[0.8, 0.2], [0.3, 0.7]]))
    assert f"{expected.labels_for_temperature:,}  to see" in done.stdout
    result = json.loads(run("plan", "rows.csv", "--json").stdout)
    assert result["scaled_by"] is None
    assert len(result["warnings"]) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("none.npz",), "none.npz"),
        (("pool.npz", "--error", "0"), "--error"),
        (("pool.npz", "--temperature", "1"), "`--temperature` must differ from 1"),
        (("pool.npz", "--power", "1.5"), "`power`"),
        (("pool.npz", "--precision", "-1"), "`precision`"),
        (("flat.npz",), "flat.npz: `logits` are constant"),
        (("pool.npz", "--calibrator", "none.json"), "none.json"),
        (("pool.npz", "--label-column", "truth"), "truth"),
        ((), "FILE"),
    ],
)
def test_command_errors(run, tmp_path, sample, arguments, message):
    """Bad input: exit code 2, one line on stderr that names what is wrong, nothing on stdout."""
    np.savez(tmp_path / "pool.npz", logits=sample(1, n=50)[0])
    np.savez(tmp_path / "flat.npz", logits=np.ones((9, 3)), labels=np.zeros(9, dtype=int))
    assert message in run("plan", *arguments, code=2).stderr
