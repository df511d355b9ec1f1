"""Probabilities whose rows do not sum to 1: refused with words that are true, or divided."""

import json

import numpy as np
import pytest

import reference
import temperance as tp
from temperance.checks.scores import share_of_whole
from temperance.rows import reading

RNG = np.random.default_rng(0)
Z = 2 * RNG.normal(size=(400, 3))
P = reference.softmax(Z)
Y = (Z / 1.5 + RNG.gumbel(size=Z.shape)).argmax(axis=1)
STATED = np.where(np.arange(400)[:, None] < 4, P * 0.5, P)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (P * 1.06, r"Rows sum to about 1\.06: shares of a whole\?"),
        (100 * P, "Rows that sum to 100 are percentages: divide by 100"),
        (np.round(100 * P), "Rows that sum to 100 are percentages"),
        (np.round(255 * P).astype("u1"), "Whole numbers up to 255, as 8 bits hold them"),
        (np.round(500 * P), "Rows sum to about 500: shares of a whole"),
        (1 / (1.05 * P), r"Decimal odds\? Their inverses are probabilities with a margin"),
        (P.round(1), "rows must sum to 1 within 0.001"),
        (STATED, r"row 0 sums to 0\.5 \(4 such rows\)"),
        (np.floor(256 * P) / 256, "rows must sum to 1 within 0.001"),
        (100 * P[:, 0], r"Percentages\? Divide by 100"),
    ],
)
def test_no_advice_takes_shares_for_logits(values, message):
    """What is never negative and sums to one whole is not what goes into a softmax."""
    with pytest.raises(tp.InvalidInputError, match=message) as refused:
        tp.logits_from_probs(values)
    assert "logits" not in str(refused.value).replace("logits_from_probs", "")
    if values.ndim == 2 and "odds" not in message:
        evaluation = tp.evaluate(values, Y, n_resamples=100, renormalize=True)
        own = values / values.sum(axis=1, keepdims=True)
        brier = ((own - np.eye(3)[Y]) ** 2).sum(axis=1).mean()
        assert evaluation.brier.value == pytest.approx(brier, rel=1e-9)


def test_a_third_three_times_is_within_a_thousandth():
    """0.333 + 0.333 + 0.333 is 0.001 away from 1, and by rounding a little more: as promised."""
    assert np.isfinite(tp.logits_from_probs([[0.333, 0.333, 0.333]])).all()
    with pytest.raises(tp.InvalidInputError, match=r"must sum to 1 within 0\.001"):
        tp.logits_from_probs([[0.333, 0.333, 0.3329]])


@pytest.mark.parametrize("whole", [0.5, 1.06, 100.0, 255.0])
def test_shares_are_divided_by_their_sums(whole):
    """Whatever they are shares of: the temperature is that of the probabilities."""
    for dtype in ("float64", "float32"):
        z = tp.logits_from_probs((whole * P).astype(dtype), renormalize=True)
        assert np.exp(z).sum(axis=1) == pytest.approx(1, abs=1e-12)
        assert z == pytest.approx(np.log(P), abs=1e-4)
    z = tp.logits_from_probs(whole * P, renormalize=True)
    right = reference.temperature(Z, Y)
    assert tp.TemperatureScaling.fit(z, Y).temperature == pytest.approx(right, rel=1e-6)


@pytest.mark.parametrize("whole", [1.06, 100.0, 255.0])
def test_shares_called_logits_are_refused(whole):
    """Unless the caller says that they really are; of logits nothing sums to one whole."""
    with pytest.raises(tp.InvalidInputError, match=r"look like shares of a whole.*--renormalize"):
        tp.TemperatureScaling.fit(whole * P, Y)
    assert tp.TemperatureScaling.fit(whole * P, Y, refuse_probs=False).temperature > 0
    torch = pytest.importorskip("torch")
    with pytest.raises(tp.InvalidInputError, match="look like shares of a whole"):
        tp.TemperatureScaling.fit(torch.tensor(whole * P).bfloat16(), Y)


@pytest.mark.parametrize("k", [2, 5, 100, 1000])
def test_logits_that_are_not_negative_pass(k):
    """ReLU and softplus outputs, shifted and clipped logits: their sums vary with the columns."""
    for seed in range(20):
        z = 3 * np.random.default_rng(seed).normal(size=(300, k))
        for logits in (np.maximum(z, 0), np.logaddexp(z, 0), z - z.min(), np.clip(z + 3, 0, 6)):
            assert share_of_whole(logits) is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.where(np.arange(400)[:, None] < 2, 0.0, P), r"sum to 0 cannot.*row 0 .*2 such rows"),
        (1 / (1.05 * P), "above 1 must be shares of one whole.*Decimal odds"),
        (Z, "must not be negative"),
        (np.where(np.arange(400)[:, None] == 7, np.nan, P), "row 7 holds nan"),
    ],
)
def test_not_everything_can_be_divided(values, message):
    """Rows of zeros, odds, logits and missing values are no shares."""
    with pytest.raises(tp.InvalidInputError, match=message):
        tp.logits_from_probs(values, renormalize=True)


def test_a_floor_is_what_a_printed_zero_is_taken_for():
    """Raised, then divided by the new sum; labels of probability 0 then have a finite loss."""
    z = tp.logits_from_probs([[1.0, 0.0], [0.6, 0.4]], floor=0.25)
    assert np.exp(z) == pytest.approx(np.array([[0.8, 0.2], [0.6, 0.4]]))
    zeros = P.round(1)
    p = tp.logits_from_probs(zeros, renormalize=True)
    with pytest.raises(tp.InvalidInputError, match=r'floor="auto".*--floor auto') as refused:
        tp.TemperatureScaling.fit(p, Y)
    assert "Drop" not in str(refused.value)
    own = np.maximum(zeros / zeros.sum(axis=1, keepdims=True), 1e-3)
    right = reference.temperature(np.log(own), Y)
    floored = tp.logits_from_probs(zeros, renormalize=True, floor=1e-3)
    assert tp.TemperatureScaling.fit(floored, Y).temperature == pytest.approx(right, rel=1e-6)
    for wrong in (-0.1, 1.0, "a", "decimals=0", "decimals=16", "decimals=x", "0.1", None, np.nan):
        with pytest.raises(
            tp.InvalidInputError, match=r"`floor` must be a probability in \[0, 1\)"
        ):
            tp.logits_from_probs(P, floor=wrong)
        with pytest.raises(
            tp.InvalidInputError, match=r"`floor` must be a probability in \[0, 1\)"
        ):
            tp.label_logits_from_probs(P, floor=wrong)


def test_decimals_are_the_floor_of_that_name():
    """Half a unit of the last decimal, in one word; beside another floor it would be two."""
    short, long = (tp.logits_from_probs(P, **each) for each in ({"decimals": 2}, _TWO))
    np.testing.assert_array_equal(short, long)
    by_hand = np.maximum(P, 0.005)
    np.testing.assert_allclose(np.exp(short), by_hand / by_hand.sum(axis=1, keepdims=True))
    for wrong in (0, 16, 1.5, "2", True, np.nan):
        with pytest.raises(tp.InvalidInputError, match=r"`decimals` must be a whole number from 1"):
            tp.logits_from_probs(P, decimals=wrong)
    with pytest.raises(tp.InvalidInputError, match=r"leave out it or `floor`"):
        tp.logits_from_probs(P, decimals=2, floor="auto")


_TWO = {"floor": "decimals=2"}


def test_one_sum_of_all_rows_is_told_as_one(run, tmp_path):
    """Percentages sum to 100, not "to 100 to 100"."""
    np.savez(tmp_path / "percent.npz", probs=np.tile([[30.0, 70.0]], (30, 1)), labels=[0, 1] * 15)
    told = run("evaluate", "percent.npz", "--renormalize", "--quick").stderr
    assert "did not sum to 1, but to 100: each" in told


def test_floors_of_printed_and_of_counted_zeros():
    """Half a unit of the last decimal, as printed; half the smallest there is; by hand."""
    p = np.array([[0.0, 0.25, 0.75], [0.002, 0.998, 0.0]])

    def by_hand(least):
        raised = np.maximum(p, least)
        return raised / raised.sum(axis=1, keepdims=True)

    for floor, least in (("decimals=3", 5e-4), ("decimals=1", 0.05), ("auto", 1e-3), (1e-2, 1e-2)):
        found = np.exp(tp.logits_from_probs(p, floor=floor))
        np.testing.assert_allclose(found, by_hand(least), rtol=1e-12)
    percent = tp.logits_from_probs(100 * p, renormalize=True, floor="decimals=1")  # 0.05 %
    np.testing.assert_allclose(np.exp(percent), by_hand(5e-4), rtol=1e-12)
    one_column = np.exp(tp.logits_from_probs([1.0, 0.998, 0.3], floor="auto"))
    np.testing.assert_allclose(one_column[0], np.array([0.001, 1.0]) / 1.001, rtol=1e-9)
    assert np.isneginf(tp.logits_from_probs(p)).sum() == 2  # nothing unless asked
    residue = tp.logits_from_probs([[0.98, 0.02, 1.0 - 0.98 - 0.02], [0.5, 0.1, 0.4]], floor="auto")
    assert np.exp(residue).min() == pytest.approx(0.01 / 1.01)  # not half of 9e-18
    tiny = np.exp(tp.logits_from_probs([[1.0, 0.0], [1.0, 1e-200], [0.999, 1e-3]], floor="auto"))
    assert tiny[0, 1] == pytest.approx(5e-201, rel=1e-9, abs=0.0)
    last = tp.logits_from_probs([[1.0, 0.0], [1.0, 5e-324]], floor="auto")  # it has no half
    np.testing.assert_array_equal(last[:, 1], np.log([5e-324, 5e-324]))
    odds = tp.label_logits_from_probs([[0.0, 0.25], [1.0, 0.98]], floor="auto")
    np.testing.assert_allclose(1 / (1 + np.exp(-odds)), [[0.01, 0.25], [0.99, 0.98]], rtol=1e-9)
    with pytest.raises(tp.InvalidInputError, match=r"`floor` of labels must lie below 0.5"):
        tp.label_logits_from_probs([[0.0, 0.25]], floor=0.5)


@pytest.mark.parametrize("method", ["isotonic", "venn-abers"])
def test_an_impossible_row_is_the_lowest_score(method):
    """Methods of ranks take a label of probability 0 as it is; nothing is then certain."""
    rng = np.random.default_rng(0)
    odds = 2.0 * rng.normal(size=400)
    hit = (rng.random(400) < 1 / (1 + np.exp(-odds))).astype(int)
    p = 1 / (1 + np.exp(-odds))
    p[:40], hit[:40] = 0.0, 0
    p[40:60], hit[40:60] = 1.0, 1
    kind, z = tp.METHODS[method], tp.logits_from_probs(p)
    certain = kind.fit(z, hit)
    assert certain.apply(z)[:60, 1].tolist() == [0.0] * 40 + [1.0] * 20  # never wrong: no options
    hit[:3], hit[40:42] = 1, 0
    fitted = kind.fit(z, hit)
    if method == "venn-abers":
        beyond = np.where(p == 0.0, -1e9, np.where(p == 1.0, 1e9, odds))
        ends, others = fitted.interval(z), kind.fit(beyond, hit).interval(beyond)
        np.testing.assert_allclose(ends, others, atol=1e-12)
    else:  # pooled by a rival that asks for ranks alone
        rival = pytest.importorskip("sklearn.isotonic").IsotonicRegression()
        steps = np.clip(rival.fit_transform(p, hit), 1 / 402, 401 / 402)
        np.testing.assert_allclose(fitted.apply(z)[:60, 1], steps[:60], atol=1e-12)
        assert (np.diff(fitted.apply(z)[np.argsort(p), 1]) >= -1e-15).all()
    assert fitted.record.log_loss_before == np.inf
    assert fitted.record.to_dict()["log_loss_before"] is None
    assert fitted.record.log_loss_after == pytest.approx(tp.metrics.log_loss(fitted.apply(z), hit))
    alone = np.ones(400)
    alone[:60] = 0.0  # as cross-fitting holds rows out: they are served, and not certain
    served = kind.fit(z, hit, weights=alone).apply(z)[:60]
    assert ((served > 0) & (served < 1)).all()


def test_zeros_of_many_classes_may_come_true():
    """One-vs-rest curves of a forest's votes: at 0 they say how often that class came true."""
    rng = np.random.default_rng(1)
    votes = rng.dirichlet([0.3] * 3, 2000).round(1)
    votes /= votes.sum(axis=1, keepdims=True)
    y = np.array([rng.choice(3, p=0.85 * row + 0.05) for row in votes])
    z = tp.logits_from_probs(votes)
    probs = tp.IsotonicCalibration.fit(z, y).apply(z)
    for c in range(3):
        zero = votes[:, c] == 0.0
        assert probs[zero, c].mean() == pytest.approx((y[zero] == c).mean(), abs=0.01)
    sure = np.take_along_axis(votes, y[:, None], axis=1)[:, 0] > 0.0
    z, y = z[sure], y[sure]
    assert (tp.IsotonicCalibration.fit(z, y).apply(z)[np.isneginf(z)] == 0.0).all()


ZEROS = "prob,label\n" + "".join(
    f"{p},{y}\n"
    for p, y in [
        ("0.000", 1),
        *[("0.000", 0), ("0.250", 0), ("0.250", 1), ("0.750", 0), ("0.750", 1), ("1.000", 1)] * 20,
    ]
)


def test_zeros_in_a_file(run, tmp_path):
    """Each way out that the error names works to the letter; what was raised is counted."""
    (tmp_path / "in.csv").write_text(ZEROS)
    for method in ("temperature", "platt", "beta", "vector", "bias-corrected-temperature"):
        error = run("fit", "in.csv", "--method", method, code=2).stderr
        assert "row 1 (from 1)" in error
        assert "Drop" not in error
        for way in ("--floor auto", "--floor decimals=3", "--floor 1e-6", "isotonic", "venn-abers"):
            assert way in error
    counts = {"auto": 41, "decimals=3": 41, "1e-6": 41, "0.3": 121}
    for floor, count in counts.items():
        done = run("fit", "in.csv", "--floor", floor, "--quick", "--report", "r.html")
        assert f"{count} probabilities in {count} rows below" in done.stderr
        record = json.loads((tmp_path / "calibrator.json").read_text())["fit"]
        least = {"auto": 0.125, "decimals=3": 5e-4}.get(floor) or float(floor)
        assert (record["floor"], record["n_floored"]) == (least, count)
        page = (tmp_path / "r.html").read_text()
        assert f"{least:.4g}; {count} were raised to it" in page
        loaded = tp.load(tmp_path / "calibrator.json").record
        assert (loaded.floor, loaded.n_floored) == (least, count)
    for method in ("isotonic", "venn-abers"):
        done = run("fit", "in.csv", "--method", method, "--quick", "--json")
        assert json.loads(done.stdout)["n"] == 121
        assert tp.load(tmp_path / "calibrator.json").record.log_loss_before == np.inf
    error = run("fit", "in.csv", "--floor", "decimals=x", code=2).stderr
    assert '`--floor` must be a probability in [0, 1), "decimals=N"' in error


def test_new_rows_have_the_floor_of_the_fit(run, tmp_path):
    """`apply` and `evaluate` raise zeros as the fit did, and say so; `--floor 0` leaves them."""
    (tmp_path / "in.csv").write_text(ZEROS)
    run("fit", "in.csv", "--floor", "auto", "--quick")
    done = run("apply", "calibrator.json", "in.csv", "-o", "out.npz")
    assert "41 probabilities in 41 rows below 0.125 were raised to it, as in the fit" in done.stderr
    calibrator = tp.load(tmp_path / "calibrator.json")
    p = np.array([line.split(",")[0] for line in ZEROS.splitlines()[1:]], dtype=float)
    expected = calibrator.apply(tp.logits_from_probs(p, floor="auto"))
    np.testing.assert_allclose(np.load(tmp_path / "out.npz")["probs"], expected, rtol=1e-9)
    assert "as in the fit" in run("evaluate", "in.csv", "--calibrator", "calibrator.json").stderr
    assert run("apply", "calibrator.json", "in.csv", "--floor", "0", "-o", "out.npz").stderr == (
        "121 rows written to out.npz\n"
    )
    assert (np.load(tmp_path / "out.npz")["probs"] == 0.0).sum() == 41


def test_floors_of_labels_and_of_blocks(run, tmp_path, monkeypatch):
    """A label matrix has p and 1 - p; what is read block by block knows no smallest of all."""
    rng = np.random.default_rng(0)
    p = rng.beta(0.2, 0.5, (200, 3)).round(2)
    y = (rng.random((200, 3)) < 0.8 * p + 0.1).astype(int)
    np.savez(tmp_path / "labels.npz", probs=p, labels=y)
    command = ("fit", "labels.npz", "--kind", "multilabel", "--quick")
    assert "--floor auto" in run(*command, code=2).stderr
    run(*command, "--floor", "auto")
    least = 0.5 * np.minimum(p, 1 - p)[(p > 0) & (p < 1)].min()
    odds = np.log(np.clip(p, least, 1 - least)) - np.log1p(-np.clip(p, least, 1 - least))
    right = tp.MultilabelScaling.fit(odds, y).temperature
    assert tp.load(tmp_path / "calibrator.json").temperature == pytest.approx(right, rel=1e-9)
    monkeypatch.setattr(reading, "LARGE_BYTES", 1)
    shown = P.round(2)
    shown[:, 2] = np.maximum(1.0 - shown[:, 0] - shown[:, 1], 0.0)
    np.savez(tmp_path / "large.npz", probs=shown, labels=Y)
    assert "say decimals=N" in run("fit", "large.npz", "--floor", "auto", code=2).stderr
    done = run("fit", "large.npz", "--floor", "decimals=2", "--quick")
    assert "scores were read with `--floor decimals=2`" in done.stderr
    record = tp.load(tmp_path / "calibrator.json").record
    assert (record.floor, record.n_floored) == (0.005, None)
    run("apply", "calibrator.json", "large.npz", "-o", "out.npy")
    assert np.load(tmp_path / "out.npy").min() > 0.0
