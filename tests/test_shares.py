"""Probabilities whose rows do not sum to 1: refused with words that are true, or divided."""

import json

import numpy as np
import pytest

import reference
import temperance as tp
from temperance.checks.scores import share_of_whole

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
    with pytest.raises(tp.InvalidInputError, match=r"floor=1e-6.*--floor 1e-6") as refused:
        tp.TemperatureScaling.fit(p, Y)
    assert "Drop" not in str(refused.value)
    own = np.maximum(zeros / zeros.sum(axis=1, keepdims=True), 1e-3)
    right = reference.temperature(np.log(own), Y)
    floored = tp.logits_from_probs(zeros, renormalize=True, floor=1e-3)
    assert tp.TemperatureScaling.fit(floored, Y).temperature == pytest.approx(right, rel=1e-6)
    with pytest.raises(tp.InvalidInputError, match=r"`floor` must be a probability in \[0, 1\)"):
        tp.logits_from_probs(P, floor=-0.1)


def test_the_command_divides_and_counts(run, tmp_path):
    """In every format, in `fit` and in `apply`; what was done is counted."""
    np.savez(tmp_path / "odds.npz", probs=1.06 * P, labels=Y)
    header = "prob_0,prob_1,prob_2,label\n"
    lines = [",".join(map(str, [*row, y])) for row, y in zip(100 * P, Y, strict=True)]
    (tmp_path / "percent.csv").write_text(header + "\n".join(lines) + "\n")
    records = [{"probs": row.tolist(), "label": int(y)} for row, y in zip(STATED, Y, strict=True)]
    (tmp_path / "stated.jsonl").write_text("\n".join(map(json.dumps, records)) + "\n")
    right = reference.temperature(Z, Y)
    for name, count in (("odds.npz", 400), ("percent.csv", 400), ("stated.jsonl", 4)):
        refused = run("fit", name, code=2).stderr
        assert "--renormalize" in refused
        assert "--kind logits" not in refused
        done = run("fit", name, "--renormalize", "--quick", "--json")
        told = json.loads(done.stdout)
        assert told["temperature"] == pytest.approx(right, rel=1e-6)
        assert any(f"{count} of 400 rows did not sum to 1" in each for each in told["warnings"])
    done = run("apply", "calibrator.json", "odds.npz", "--renormalize", "-o", "out.npz")
    assert "did not sum to 1" in done.stderr
    expected = reference.softmax(Z / right)
    assert np.load(tmp_path / "out.npz")["probs"] == pytest.approx(expected, abs=1e-6)
    forced = run("fit", "odds.npz", "--kind", "logits", "--quick")
    assert "logits look like shares of 1.06" in forced.stderr
    refused = run("fit", "odds.npz", "--renormalize", "--kind", "logits", code=2).stderr
    assert "`--renormalize` is for probabilities" in refused
    refused = run("fit", "odds.npz", "--mask-below", "-9", code=2).stderr
    assert "`--mask-below -9.0` is for logits" in refused


def test_a_floor_on_the_command_line(run, tmp_path):
    """Decisions are named so; printed zeros have a floor, which is counted."""
    zeros = P.round(2)
    zeros /= zeros.sum(axis=1, keepdims=True)
    np.savez(tmp_path / "zeros.npz", probs=zeros, labels=Y)
    np.savez(tmp_path / "hard.npz", probs=np.eye(3)[Z.argmax(axis=1)], labels=Y)
    assert "--floor 1e-6" in run("fit", "zeros.npz", code=2).stderr
    done = json.loads(run("fit", "zeros.npz", "--floor", "1e-3", "--quick", "--json").stdout)
    own = np.maximum(zeros, 1e-3)
    assert done["temperature"] == pytest.approx(reference.temperature(np.log(own), Y), rel=1e-6)
    assert any("were raised to it (--floor)" in each for each in done["warnings"])
    refused = run("fit", "hard.npz", code=2).stderr
    assert "these are decisions, not probabilities" in refused
    assert "Drop" not in refused
    assert "these are decisions" in run("evaluate", "hard.npz", "--quick").stderr


def test_one_cell_that_is_wrong_is_no_share_of_a_whole():
    """Among rows that sum to 1 a cell of 1.5 is a mistake, with `renormalize` as without."""
    p = np.full((60, 3), 1 / 3)
    p[7] = [1.5, 0.5, 0.377]
    for renormalize in (False, True):
        with pytest.raises(
            tp.InvalidInputError, match=r"row 7 holds 1\.5 .*eave (the|them)"
        ) as info:
            tp.logits_from_probs(p, renormalize=renormalize)
        assert "--renormalize" not in str(info.value)
