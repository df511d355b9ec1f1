"""Values that contradict their columns are told or refused; legitimate data pass."""

import json

import numpy as np
import pytest

import reference
import temperance as tp
from temperance.checks.contradictions import (
    are_decisions,
    one_based_labels,
    only_label,
    ranked_columns,
)
from temperance.checks.scores import padding_value


def drawn(z, rng, temperature=2.0):
    return (z / temperature + rng.gumbel(size=z.shape)).argmax(axis=1)


def ragged(rng, n=600, k=5, centre=-100.0, spread=15.0):
    """Log-likelihoods of 2 to k options, the missing ones -inf at the end; labels of T = 2."""
    z = centre + spread * rng.normal(size=(n, k))
    z[np.arange(k) >= rng.integers(2, k + 1, size=n)[:, None]] = -np.inf
    return z, drawn(z, rng)


def padded(z, value):
    return np.where(np.isneginf(z), value, z)


@pytest.mark.parametrize("value", [-100.0, 0.0, -99.5])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_padding_that_takes_part_is_refused_with_a_way_out_that_works(value, dtype):
    """The temperature of the padded rows, masked as the message says, is that of the options."""
    z, y = ragged(np.random.default_rng(1))
    pads = padded(z, value).astype(dtype)
    with pytest.raises(tp.InvalidInputError, match=f"mask_value={value:g}") as refused:
        tp.TemperatureScaling.fit(pads, y)
    assert f"{np.isneginf(z).sum():,} times" in str(refused.value)
    masked = tp.masked_logits(pads, mask_value=value)
    assert masked.dtype == dtype
    right = reference.temperature(z, y)
    assert tp.TemperatureScaling.fit(masked, y).temperature == pytest.approx(right, rel=1e-5)
    forced = tp.TemperatureScaling.fit(pads, y, refuse_probs=False, prior=1.0)
    assert abs(forced.temperature - right) > 1


def test_padding_at_any_place_is_seen():
    """Options left out in the middle of a row count as those at its end."""
    rng = np.random.default_rng(2)
    z = -100 + 15 * rng.normal(size=(600, 5))
    z[rng.random(z.shape) < 0.3] = -np.inf
    z[np.isneginf(z).all(axis=1), 0] = -100.5
    y = drawn(z, rng)
    found = padding_value(padded(z, -100.0), y)
    assert found is not None
    assert found.value == -100.0
    assert found.cells == np.isneginf(z).sum()


@pytest.mark.parametrize("value", [-100.0, -1.0, 0.0, 999.0, 1e9])
def test_padding_that_always_leads_is_seen(value):
    """A number that is the largest wherever it stands, and never a label, is no ceiling."""
    rng = np.random.default_rng(4)
    z = 3 * rng.normal(size=(500, 4))
    y = drawn(z, rng)
    absent = rng.random(z.shape) < 0.2
    absent[np.arange(500), y] = False
    low = np.where(absent, value, z + min(value, 0.0) - 50)
    with pytest.raises(tp.InvalidInputError, match=f"mask_value={value:.0f}"):
        tp.TemperatureScaling.fit(low, y)
    right = tp.TemperatureScaling.fit(np.where(absent, -np.inf, z), y).temperature
    masked = tp.masked_logits(low, mask_value=value)
    assert tp.TemperatureScaling.fit(masked, y).temperature == pytest.approx(right)


@pytest.mark.parametrize("lowest", [np.finfo(each).min for each in (float, "f4", "f2")])
def test_the_smallest_number_of_a_dtype_does_not_overflow(lowest):
    """Where it is left unsaid that it is a mask, it has the probability of one all the same."""
    rng = np.random.default_rng(5)
    z = 3 * rng.normal(size=(500, 4))
    y = drawn(z, rng)
    absent = rng.random(z.shape) < 0.05
    absent[np.arange(500), y] = False
    right = tp.TemperatureScaling.fit(np.where(absent, -np.inf, z), y).temperature
    found = tp.TemperatureScaling.fit(np.where(absent, float(lowest), z), y)
    assert found.temperature == pytest.approx(right, rel=1e-6)


def test_every_way_to_fit_refuses_padding():
    """In memory, of a tensor, in blocks, of Dask arrays, and in evaluations of blocks."""
    torch, da = pytest.importorskip("torch"), pytest.importorskip("dask.array")
    z, y = ragged(np.random.default_rng(3))
    z = padded(z, -100.0)
    fit = tp.TemperatureScaling.fit
    tensor = torch.tensor(z, dtype=torch.bfloat16)
    blocks = [(z[:300], y[:300]), (z[300:], y[300:])]
    for refused in (
        lambda: fit(z, y),
        lambda: fit(torch.tensor(z), y),
        lambda: fit(tensor, y),
        lambda: fit(da.from_array(z, chunks=(300, 5)), y),
        lambda: tp.TemperatureScaling.fit_blocks(blocks),
        lambda: tp.evaluate_blocks(blocks, kind="logits"),
        lambda: tp.VectorScaling.fit(z, y),
    ):
        with pytest.raises(tp.InvalidInputError, match="padding for options that do not exist"):
            refused()


def quantised(rng):
    z = np.clip(np.round(20 * rng.normal(size=(800, 4))), -128, 127)
    return z, drawn(z, rng, 20.0)


def ceiling(rng):
    z = np.minimum(6 * rng.normal(size=(800, 4)), 5.0)
    return z, drawn(z, rng)


def floored(rng):
    z = np.maximum(6 * rng.normal(size=(800, 4)), -3.0)
    return z, drawn(z, rng)


def rectified(rng):
    z = np.maximum(3 * rng.normal(size=(800, 4)), 0.0)
    return z, drawn(z, rng)


def reference_class(rng):
    z = 3 * rng.normal(size=(800, 4)) + 1.0
    z[:, 3] = 0.0
    return z, drawn(z, rng)


def masked_far_below(rng):
    z, y = ragged(rng, centre=0.0, spread=3.0)
    return padded(z, -1e4), y


def half_precision(rng):
    z = (3 * rng.normal(size=(3000, 4))).astype("float16")
    return z, drawn(z.astype(float), rng)


def worse_than_chance(rng):
    z = np.clip(3 * rng.normal(size=(800, 2)), -4, 4)
    return -z, z.argmax(axis=1)


def one_class_of_log_odds(rng):
    z = rng.normal(size=300)
    return np.stack([np.zeros(300), z], axis=1), np.ones(300, int)


@pytest.mark.parametrize(
    "case",
    [
        quantised,
        ceiling,
        floored,
        rectified,
        reference_class,
        masked_far_below,
        half_precision,
        worse_than_chance,
        one_class_of_log_odds,
    ],
)
def test_no_number_of_legitimate_logits_is_taken_for_padding(case):
    """Of 40 draws of each kind none is refused."""
    for seed in range(40):
        z, y = case(np.random.default_rng(seed))
        assert padding_value(z, y) is None


def test_padding_without_labels():
    """`apply` refuses what would get probabilities; legitimate logits pass there as well."""
    z, y = ragged(np.random.default_rng(4))
    fitted = tp.TemperatureScaling.fit(z, y)
    with pytest.raises(tp.InvalidInputError, match=r"only at the ends of rows.*mask_value=-100"):
        fitted.apply(padded(z, -100.0))
    masked = tp.masked_logits(padded(z, -100.0), mask_value=-100)
    assert (fitted.apply(masked) == fitted.apply(z)).all()
    for case in (quantised, ceiling, floored, rectified, reference_class, masked_far_below):
        for seed in range(40):
            assert padding_value(case(np.random.default_rng(seed))[0], None) is None


@pytest.mark.parametrize("k", [2, 3, 10])
@pytest.mark.parametrize("largest", ["first", "last"])
def test_rows_sorted_by_rank_are_told(k, largest):
    """Top-k lists, from the largest on or up to it, of random logits."""
    rng = np.random.default_rng(k)
    z = np.sort(3 * rng.normal(size=(400, k)), axis=1)
    z = z[:, ::-1] if largest == "first" else z
    assert f"the {largest} column is the largest of every row" in ranked_columns(z)
    assert ranked_columns(rng.permuted(z, axis=1)) is None


def rare_event(rng):
    """Class 0 is nearly sure in every row, and mostly right."""
    z = np.stack([np.full(1000, 4.0), rng.normal(size=1000)], axis=1)
    return z[z[:, 0] > z[:, 1]]


def imbalanced(rng):
    return np.array([6.0, 2.0, -3.0]) + rng.normal(size=(500, 3))


def confident_first(rng):
    return np.array([3.0, 0.0]) + rng.normal(size=(200, 2))


@pytest.mark.parametrize("case", [rare_event, imbalanced, confident_first])
def test_a_class_that_always_leads_is_no_rank(case):
    """Of 100 draws of each kind none is told: there are few near ties, or some fell otherwise."""
    assert not any(ranked_columns(case(np.random.default_rng(seed))) for seed in range(100))


def test_one_label_is_advised_no_richer_map(run, tmp_path):
    """Where one label fills all rows richer maps are refused: the headline does not send there."""
    z = np.random.default_rng(0).normal(size=(300, 3)) * 3
    np.savez(tmp_path / "one.npz", logits=z, labels=np.ones(300, int))
    fit = run("fit", "one.npz", "--quick", "--report", "r.html").stdout.splitlines()[0]
    used = ("--calibrator", "calibrator.json", "--quick")
    evaluate = run("evaluate", "one.npz", *used).stdout.splitlines()[0]
    for headline in (fit, evaluate):
        assert "Still not calibrated" in headline
        assert "--method auto" not in headline
    assert "--method auto" not in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_one_label_and_decisions_are_named():
    """In every evaluation, beside its tables and in its numbers."""
    z = 2 * np.random.default_rng(0).normal(size=(60, 3))
    p = reference.softmax(z)
    zeros = np.zeros(60, int)
    evaluation = tp.evaluate(p, zeros, n_resamples=100)
    assert "one label, 0, fills all 60 rows" in str(evaluation)
    assert evaluation.notes == tuple(evaluation.to_dict()["notes"])
    in_blocks = tp.evaluate_blocks([(p, zeros)], kind="probs", n_resamples=100)
    assert in_blocks.notes == evaluation.notes
    assert only_label(zeros, k=3, classes=["a", "b", "c"]).startswith("one label, a, fills")
    hard = np.eye(3)[z.argmax(axis=1)]
    told = tp.evaluate(hard, z.argmax(axis=1), n_resamples=100).notes
    assert len(told) == 1
    assert "every probability is exactly 0 or 1: these are decisions" in told[0]
    with np.errstate(divide="ignore"):
        assert are_decisions(np.log(hard))
        assert not are_decisions(np.log(p))
    assert tp.evaluate(p, z.argmax(axis=1), n_resamples=100).notes == ()


@pytest.mark.parametrize("method", ["vector", "matrix", "bias-corrected-temperature", "isotonic"])
def test_what_learns_every_class_refuses_one_label(method):
    """The gold option always first: only its place could be learnt; one temperature still runs."""
    rng = np.random.default_rng(5)
    z = rng.normal(size=(300, 4))
    z[:, 0] += 1.0
    y = np.zeros(300, int)
    with pytest.raises(tp.NoOptimumError) as refused:
        tp.METHODS[method].fit(z, y)
    assert refused.value.reason == "empty-class"
    right = reference.temperature(z, y)
    assert tp.TemperatureScaling.fit(z, y).temperature == pytest.approx(right, rel=1e-6)


def test_the_command_takes_the_advice(run, tmp_path):
    """`--mask-value` and `--mask-below` give the temperature of the options that exist."""
    z, y = ragged(np.random.default_rng(1))
    np.savez(tmp_path / "padded.npz", logits=padded(z, -100.0), labels=y)
    np.savez(tmp_path / "far.npz", logits=padded(z, np.finfo("float64").min), labels=y)
    assert "on the command line --mask-value -100." in run("fit", "padded.npz", code=2).stderr
    refused = run("fit", "far.npz", code=2).stderr
    assert "must be finite" not in refused
    assert "--mask-below -1e100" in refused
    right = reference.temperature(z, y)
    for args in (("padded.npz", "--mask-value", "-100"), ("far.npz", "--mask-below", "-1e100")):
        told = json.loads(run("fit", *args, "--quick", "--json").stdout)
        assert told["temperature"] == pytest.approx(right, rel=1e-6)
        missing = np.isneginf(z)
        count, rows = missing.sum(), missing.any(axis=1).sum()
        assert any(each.startswith(f"{count} logits in {rows} rows") for each in told["warnings"])
    forced = run("fit", "padded.npz", "--kind", "logits", "--prior", "1", "--quick")
    assert "hold padding" in forced.stderr


@pytest.mark.parametrize("mask", [-1e9, -1e4, "min"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_masks_in_every_dtype(mask, dtype):
    """The smallest number of the dtype and round numbers far below, as they are there."""
    pytest.importorskip("torch")
    import torch

    z, y = ragged(np.random.default_rng(6), centre=0.0, spread=3.0)
    kind = getattr(torch, dtype)
    smallest = torch.finfo(kind).min
    value = smallest if mask == "min" else max(mask, smallest)
    masked = torch.tensor(padded(z, value)).to(kind)
    masked[torch.tensor(np.isneginf(z))] = smallest if mask == "min" else value
    out = tp.masked_logits(masked, mask_below=value)
    assert (np.isneginf(out) == np.isneginf(z)).all()
    right = reference.temperature(out.astype(float), y)
    assert tp.TemperatureScaling.fit(out, y).temperature == pytest.approx(right, rel=1e-4)
    if not (dtype == "float64" and mask == "min"):  # far below they take no part undeclared either
        undeclared = tp.TemperatureScaling.fit(masked.float().numpy(), y).temperature
        assert undeclared == pytest.approx(right, rel=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "`mask_below` or `mask_value` must say"),
        ({"mask_below": np.nan}, "`mask_below` must be a number below infinity, got nan"),
        ({"mask_value": "x"}, "`mask_value` must be a number below infinity, got 'x'"),
        ({"mask_below": True}, "`mask_below` must be a number below infinity, got True"),
    ],
)
def test_masks_must_be_numbers(options, message):
    """What is no number masks nothing."""
    with pytest.raises(tp.InvalidInputError, match=message):
        tp.masked_logits([[1.0, 2.0]], **options)


def counted_from_one(rng, n=300, k=4):
    """Logits and labels of which none is the last class, counted from 1."""
    z = 3 * rng.normal(size=(n, k))
    y = drawn(z, rng)
    return z[y < k - 1], y[y < k - 1] + 1


@pytest.mark.parametrize("more", [0, 1])
def test_labels_that_count_from_one_are_seen(more):
    """With as many columns as labels, the last of which is absent, or with one column more."""
    rng = np.random.default_rng(3)
    z, y = counted_from_one(rng)
    z = np.hstack([z, rng.normal(-30.0, 3.0, size=(len(z), more))])
    before, own = ((z.argmax(axis=1) == y - c).sum() for c in (1, 0))
    note = one_based_labels(z, y)
    assert f"in {before} of {len(y)} rows, in the label's own in {own}" in note
    assert "--label-map one-based" in note
    for classes in (None, [str(c) for c in range(z.shape[1])]):
        probs = reference.softmax(z)
        assert note in tp.evaluate(probs, tp.Positions(y), classes=classes, n_resamples=100).notes
        if not more:  # a column that is never likely makes any label better than chance
            with pytest.raises(tp.NoOptimumError, match="one-based") as refused:
                tp.TemperatureScaling.fit(z, tp.Positions(y), classes=classes)
            assert refused.value.reason == "worse-than-chance"
    assert tp.TemperatureScaling.fit(z, y - 1).temperature == pytest.approx(2.0, rel=0.4)
    assert one_based_labels(z, y - 1) is None
    assert one_based_labels(z, y, [f"c{c}" for c in range(z.shape[1])]) is None


def test_an_absent_class_0_is_no_count_from_one():
    """The rows of a model that is right, by chance or wrong elsewhere; few rows tell nothing."""
    for seed in range(200):
        rng = np.random.default_rng(seed)
        z = rng.normal(size=(200, 5)) * rng.choice([0.1, 1.0, 4.0])
        y = drawn(z, rng)
        assert one_based_labels(z[y > 0], y[y > 0]) is None
        assert one_based_labels(z, rng.integers(1, 5, size=200)) is None
        assert one_based_labels(z, y) is None
    z, y = counted_from_one(np.random.default_rng(0), n=20)
    assert one_based_labels(z, y) is None
    assert one_based_labels(z[:, :2], np.ones(len(z), dtype=int)) is None


def test_the_command_says_that_labels_count_from_one(run, tmp_path):
    """In the error of a fit and in a warning of what measures; what it says is what helps."""
    z, y = counted_from_one(np.random.default_rng(3))
    np.savez(tmp_path / "rows.npz", logits=z, labels=y)
    assert "--label-map one-based" in run("fit", "rows.npz", code=2).stderr
    assert "--label-map one-based" in run("evaluate", "rows.npz").stderr
    fitted = run("fit", "rows.npz", "--label-map", "one-based", "--json")
    assert json.loads(fitted.stdout)["temperature"] == pytest.approx(2.0, rel=0.4)
    assert "one-based" not in fitted.stderr
