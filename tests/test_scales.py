"""Weights on any scale, blocks that reuse their memory, and arguments beyond all bounds."""

import math
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import temperance as tp
from temperance import decisions, metrics, shift

SCALES = [1e-200, 1e200, 1e-310, 1e-20, 1e20]
BINARY = {"platt", "beta", "isotonic", "venn-abers"}
BLOCK = 100


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(600, 3)) * 3
    y = (z / 2 + rng.gumbel(size=z.shape)).argmax(axis=1)
    probs = np.exp(z - z.max(axis=1, keepdims=True))
    probs /= probs.sum(axis=1, keepdims=True)
    w = rng.uniform(0.2, 1.0, 600)
    w[:120] = 0.0  # a first block without weight
    w[150] = 1.0
    return SimpleNamespace(
        z=z, y=y, probs=probs, w=w, groups=rng.choice(list("ab"), 600),
        clusters=rng.integers(0, 60, 600),
    )  # fmt: skip


def blocks(scores, y, w):
    return [
        (scores[at : at + BLOCK], y[at : at + BLOCK], w[at : at + BLOCK])
        for at in range(0, len(y), BLOCK)
    ]


def numbers(value, name=""):
    """Yield every number of nested dicts and lists with its place."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from numbers(each, f"{name}.{key}")
    elif isinstance(value, list | tuple):
        for place, each in enumerate(value):
            yield from numbers(each, f"{name}[{place}]")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield name, float(value)


def same(one, other, rel=1e-7):
    one, other = dict(numbers(one)), dict(numbers(other))
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert other[name] == pytest.approx(value, rel=rel, abs=1e-9, nan_ok=True), name


WHOLE = {
    "evaluate": lambda r, w: tp.evaluate(
        r.probs, r.y, weights=w, groups=r.groups, clusters=r.clusters, n_resamples=100
    ).to_dict(),
    "evaluate_blocks": lambda r, w: tp.evaluate_blocks(
        blocks(r.probs, r.y, w), n_resamples=100
    ).to_dict(),
    "compare": lambda r, w: tp.compare(
        {"a": r.probs, "b": r.probs[:, ::-1]}, r.y, weights=w, n_resamples=100
    ).to_dict(),
    "plan": lambda r, w: tp.plan(r.z, temperature=1.5, weights=w).to_dict(),
    "risk_coverage": lambda r, w: decisions.risk_coverage(r.probs, r.y, weights=w).to_dict(),
    "label_shift": lambda r, w: shift.label_shift(r.probs, [0.2, 0.3, 0.5], weights=w).to_dict(),
    "fit_blocks": lambda r, w: [
        tp.TemperatureScaling.fit_blocks(blocks(r.z, r.y, w), prior=prior).temperature
        for prior in (0.0, 3.0)
    ],
    "fit": lambda r, w: [
        tp.TemperatureScaling.fit(r.z, r.y, weights=w, prior=prior).temperature
        for prior in (0.0, 3.0)
    ],
    "group_temperature": lambda r, w: tp.GroupTemperatureScaling.fit(
        r.z, r.y, groups=r.groups, weights=w
    ).parameters(),
}


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", WHOLE)
def test_weights_count_in_proportion(rows, name, scale):
    """Weights of any scale give the results of weights of which the largest is 1."""
    same(WHOLE[name](rows, rows.w), WHOLE[name](rows, rows.w * scale))


def of_method(method, rows, *, prior=None):
    """Return a function that fits the method to rows of these places and weights."""
    k = 2 if method in BINARY else 3
    z, y = rows.z[:, :k], np.minimum(rows.y, k - 1)
    kind = tp.METHODS[method]

    def fitted(weights=None, places=slice(None)):
        options = {"weights": weights}
        if method == "group-temperature":
            options["groups"] = rows.groups[places]
        if prior is not None:
            options["prior"] = prior
        if method == "ensemble":
            members = np.stack([z, np.cbrt(z)])
            found = kind.fit(members[:, places], y[places], **options)
            return found, found.apply(members)
        found = kind.fit(z[places], y[places], **options)
        apply = {"groups": rows.groups} if method == "group-temperature" else {}
        return found, found.apply(z, **apply)

    return fitted


@pytest.mark.parametrize("scale", [*SCALES, "1 / n", 1e6, 3.0])
@pytest.mark.parametrize("method", sorted(tp.METHODS))
def test_every_method_fits_weights_of_any_scale(rows, method, scale):
    """Only the ratios of weights matter: w, w / n and 1e6 w give one map and one record."""
    scale = 1.0 / rows.w.sum() if scale == "1 / n" else scale
    fitted = of_method(method, rows)
    (one, known), (other, found) = fitted(rows.w), fitted(rows.w * scale)
    np.testing.assert_allclose(found, known, rtol=1e-9, atol=1e-12)
    facts, others = one.record.to_dict(), other.record.to_dict()
    del facts["passes"], others["passes"], facts["fitted_at"], others["fitted_at"]
    facts["error_bound"] = others["error_bound"] = None  # of rounding
    same(facts, others)
    assert facts["weight"] == pytest.approx(rows.w.sum() ** 2 / (rows.w @ rows.w), rel=1e-12)


@pytest.mark.parametrize("method", ["temperature", "bias-corrected-temperature", "beta"])
def test_a_prior_counts_in_effective_rows(rows, method):
    """So it does with a prior, whose pseudo-rows stand beside the effective number of rows."""
    fitted = of_method(method, rows, prior=20.0)
    known = fitted(rows.w)[1]
    for scale in (1.0 / 600, 1e6, 1e-200):
        np.testing.assert_allclose(fitted(rows.w * scale)[1], known, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("method", sorted(tp.METHODS))
def test_equal_weights_are_none_and_those_of_0_leave_rows_out(rows, method):
    """Weights of 2 on every row say nothing; on some rows, and 0 on the others, they choose."""
    fitted = of_method(method, rows)
    for weight in (2.0, 1.0 / 600):
        equal = np.full(600, weight)
        np.testing.assert_allclose(fitted(equal)[1], fitted()[1], rtol=1e-9, atol=1e-12)
    kept = np.flatnonzero(rows.w > 0.0)
    chosen = fitted(np.where(rows.w > 0.0, 7.0, 0.0))[1]
    np.testing.assert_allclose(chosen, fitted(places=kept)[1], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("scale", [1e-9, 1e-200, 1e200])
def test_blocks_know_the_scale_of_all_weights(rows, scale):
    """A prior counts in rows of the largest weight, in blocks and on a cluster as in memory."""
    import_dask = pytest.importorskip("dask.array")
    w = rows.w * scale
    whole = tp.TemperatureScaling.fit(rows.z, rows.y, weights=w, prior=3.0).temperature
    in_blocks = tp.TemperatureScaling.fit_blocks(blocks(rows.z, rows.y, w), prior=3.0)
    chunks = import_dask.from_array(rows.z, chunks=(150, 3))
    on_cluster = tp.TemperatureScaling.fit(chunks, rows.y, weights=w, prior=3.0)
    assert in_blocks.temperature == pytest.approx(whole, rel=1e-9)
    assert on_cluster.temperature == pytest.approx(whole, rel=1e-9)


def test_blocks_of_very_different_scales_merge(rows):
    """Half of the blocks 1e-200 times as heavy as the others count for nothing."""
    w = rows.w.copy()
    w[300:] *= 1e-200
    whole = tp.evaluate(rows.probs, rows.y, weights=w, n_resamples=100)
    in_blocks = tp.evaluate_blocks(blocks(rows.probs, rows.y, w), n_resamples=100)
    for name in ("log_loss", "brier", "accuracy"):
        same(getattr(whole, name).to_dict(), getattr(in_blocks, name).to_dict())
    half = tp.TemperatureScaling.fit(rows.z[:300], rows.y[:300], weights=w[:300])
    fitted = tp.TemperatureScaling.fit_blocks(blocks(rows.z, rows.y, w))
    assert fitted.temperature == pytest.approx(half.temperature, rel=1e-9)


@pytest.mark.parametrize("weight", [5e-324, 1e-320, 1.0, 1e300])
def test_one_row_of_weight_can_be_measured(rows, weight):
    """A single weight above 0 is a sample of one, not a division by 0."""
    w = np.zeros(600)
    w[5] = weight
    for evaluation in (
        tp.evaluate(rows.probs, rows.y, weights=w, n_resamples=100),
        tp.evaluate_blocks(blocks(rows.probs, rows.y, w), n_resamples=100),
    ):
        gap = rows.probs[5].max() - (rows.probs[5].argmax() == rows.y[5])
        assert evaluation.ece.value == pytest.approx(abs(gap))
        assert evaluation.accuracy.low == pytest.approx(0.0, abs=0.21)


@pytest.mark.parametrize("method", ["temperature", "platt", "isotonic", "venn-abers", "vector"])
def test_rows_repeated_with_their_weights_are_more_rows(rows, method):
    """All rows twice, weights too, are twice as many rows; what is a count is given as rows."""
    twice = np.repeat(np.arange(600), 2)
    fitted = of_method(method, rows)
    once, again = fitted(rows.w)[0].record, fitted(rows.w[twice], twice)[0].record
    assert again.weight == pytest.approx(2.0 * once.weight, rel=1e-12)
    assert again.score_test.z == pytest.approx(np.sqrt(2.0) * once.score_test.z, rel=1e-9)


def test_a_count_of_equal_rows_is_no_weight(rows):
    """Rows of weight 2 and rows given twice have one best T, but only the latter are known better.

    Nothing tells a weight of 2 among weights of 1 from one of 1 among 1/2.
    """
    rng = np.random.default_rng(1)
    counts = rng.integers(1, 4, 600)
    repeated = np.repeat(np.arange(600), counts)
    fitted = of_method("temperature", rows)
    weighed, told = fitted(counts.astype(float))[0], fitted(None, repeated)[0]
    assert weighed.temperature == pytest.approx(told.temperature, rel=1e-9)
    assert told.record.weight == counts.sum()
    effective = counts.sum() ** 2 / (counts**2).sum()
    assert weighed.record.weight == pytest.approx(effective)
    assert weighed.record.standard_error > 1.3 * told.record.standard_error


def test_priors_of_maps_by_hand():
    """Where maps count rows: Platt's targets, isotonic ends, Venn-Abers intervals, by formula."""
    z = np.array([-1.0, -1.0, 1.0, 1.0, 1.0])
    y = np.array([0, 0, 1, 1, 1])
    w = np.array([1.0, 3.0, 1.0, 1.0, 2.0]) * 1e-3
    kish = [(4.0**2) / 10.0, (4.0**2) / 6.0, (8.0**2) / 16.0]  # class 0, class 1, all
    low, high = 1.0 / (kish[0] + 2.0), (kish[1] + 1.0) / (kish[1] + 2.0)
    platt = tp.PlattScaling.fit(z, y, weights=w).apply([-1.0, 1.0])[:, 1]
    np.testing.assert_allclose(platt, [low, high], rtol=1e-6)  # two places, two numbers: exact
    isotonic = tp.IsotonicCalibration.fit(z, y, weights=w).apply([-1.0, 1.0])[:, 1]
    np.testing.assert_allclose(isotonic, [1.0 / (kish[2] + 2.0), 1.0 - 1.0 / (kish[2] + 2.0)])
    ends = tp.VennAbers.fit(z, y, weights=w).interval([-1.0, 1.0])
    half = kish[2] / 2.0  # of the weight stands at either score
    np.testing.assert_allclose(ends, [[0.0, half / (half + 1.0)], [1.0 / (half + 1.0), 1.0]])


def reusing(z, y, w):
    """Yield blocks that all lie in the same three arrays, and spoil these at the end."""
    held = np.empty((BLOCK, z.shape[1])), np.empty(BLOCK, dtype=np.intp), np.empty(BLOCK)
    for block in blocks(z, y, w):
        for own, values in zip(held, block, strict=True):
            own[:] = values
        yield held
    held[0][:], held[1][:], held[2][:] = np.nan, 99, -1.0


@pytest.mark.parametrize("repeat", range(5))
def test_blocks_may_reuse_their_memory(rows, repeat, monkeypatch):
    """`buffer[:] = ...; yield buffer` gives what blocks of their own give, in every reading."""
    for module in ("temperance.blocks.stream", "temperance.evaluate.blocks"):
        monkeypatch.setattr(sys.modules[module], "thread_count", lambda: 8)
    z, y = np.tile(rows.z, (5, 1)), np.tile(rows.y, 5)
    w = np.tile(rows.w + 0.5, 5)
    known = blocks(z, y, w)
    fitted = tp.TemperatureScaling.fit_blocks(lambda: reusing(z, y, w))
    assert fitted.temperature == tp.TemperatureScaling.fit_blocks(known).temperature
    found = tp.evaluate_blocks(reusing(z, y, w), kind="logits", n_resamples=100)
    assert found == tp.evaluate_blocks(known, kind="logits", n_resamples=100)
    sides = {"raw": None, "fitted": fitted}
    found = tp.compare_blocks(reusing(z, y, w), sides, kind="logits", n_resamples=100)
    assert found == tp.compare_blocks(known, sides, kind="logits", n_resamples=100)


@pytest.mark.parametrize(
    "value", [10**9, 10**7, 2**63, 10**400, math.nan, math.inf, "a", True, None, 0, -1, 2.5]
)
def test_numbers_of_bins_and_resamples_have_bounds(rows, value):
    """Whatever is no number of bins, or of resamples, is refused with the rule."""
    p, y = rows.probs, rows.y
    rule = "`n_bins` must be a whole number from 1 to 1,000, got"
    for measured in (
        lambda: metrics.expected_calibration_error(p, y, n_bins=value),
        lambda: metrics.classwise_calibration_error(p, y, n_bins=value),
        lambda: metrics.reliability_curve(p, y, n_bins=value),
        lambda: tp.evaluate(p, y, n_bins=value),
        lambda: tp.evaluate_blocks([(p, y)], n_bins=value),
        lambda: tp.plan(rows.z, temperature=2.0, n_bins=value),
    ):
        with pytest.raises(tp.InvalidInputError, match=rule):
            measured()
    rule = "`n_resamples` must be a whole number from 100 to 20,000, got"
    for measured in (
        lambda: tp.evaluate(p, y, n_resamples=value),
        lambda: tp.evaluate_blocks([(p, y)], n_resamples=value),
        lambda: metrics.corp_reliability(p, y, n_resamples=value),
    ):
        with pytest.raises(tp.InvalidInputError, match=rule):
            measured()


@pytest.mark.parametrize("norm", [0.5, -math.inf, math.nan, "2", True, None])
def test_a_norm_below_one_is_refused(rows, norm):
    """A norm is a number from 1 to infinity."""
    with pytest.raises(tp.InvalidInputError, match="`norm` must be at least 1"):
        metrics.expected_calibration_error(rows.probs, rows.y, norm=norm)


def test_no_warning_of_numpy_leaves_a_function(rows):
    """Half-precision labels, huge costs and features, no features: an answer, or our error."""
    assert tp.evaluate(rows.probs, rows.y.astype(np.float16), n_resamples=100).n == 600
    for cost in (1e300, 5e-324):
        with pytest.raises(tp.InvalidInputError, match="from 1e-100 to 1e"):
            decisions.cascade({"a": rows.z, "b": rows.z}, rows.y, costs=[cost])
    with pytest.raises(tp.InvalidInputError, match="not beyond 1e"):
        shift.covariate_weights(rows.z * 1e300, rows.z * 1e300)
    with pytest.raises(tp.InvalidInputError, match="`top` must be a whole number"):
        shift.shape_features(rows.z, top=0)
    with pytest.raises(tp.InvalidInputError, match=r"[Mm]ultiply"):
        tp.TemperatureScaling.fit(rows.z * 1e-150, rows.y)


def test_tied_rows_are_counted():
    """Accuracy depends on the order of columns where two are equal; how much is said."""
    probs = np.array([[0.5, 0.5], [0.5, 0.5], [0.9, 0.1], [0.4, 0.6]])
    for p, y in ((probs, [0, 0, 0, 1]), (probs[:, ::-1], [1, 1, 1, 0])):
        whole = tp.evaluate(p, y, n_resamples=100)
        in_blocks = tp.evaluate_blocks([(p[:1], y[:1]), (p[1:], y[1:])], n_resamples=100)
        for evaluation in (whole, in_blocks):
            assert (evaluation.tied_rows, evaluation.tie_neutral_accuracy) == (2, 0.75)
    assert tp.evaluate(probs, [0, 0, 0, 1], weights=[0, 1, 1, 1]).tied_rows == 1


def test_an_impossible_outcome_has_no_number_of_309_digits():
    """A class of probability 0 came true: z is infinite, and printed so."""
    p = np.tile([1.0, 0.0], (5, 1))
    text = str(tp.evaluate(p, [0, 1, 0, 1, 1], n_resamples=100))
    assert "inf (an impossible outcome)" in text
    assert max(map(len, text.splitlines())) < 200


def test_slow_steps_are_announced(monkeypatch, capsys):
    """Steps that will take longer than half a minute say so once, judged by the first of them."""
    from temperance.blocks import report_step
    from temperance.cli import console

    clock = iter(np.arange(0.0, 1e6, 1.5))
    monkeypatch.setattr(console, "monotonic", lambda: float(next(clock)))
    with console.progress("measuring"):
        for done in range(1, 10):
            report_step("testing groups", done, 1000)
        for done in range(1, 4):
            report_step("fitting groups", done, 3)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("testing groups: ")
    assert line.endswith("minutes left.")


def test_classes_and_groups_report_their_steps(rows):
    """Every class, error and group is a step that a caller can follow."""
    from temperance.blocks import reporting

    steps = []
    with reporting(lambda _: None, lambda *step: steps.append(step)):
        tp.evaluate(rows.probs, rows.y, groups=rows.groups, n_resamples=100)
        tp.GroupTemperatureScaling.fit(rows.z, rows.y, groups=rows.groups)
    assert {("measuring classes", 3, 3), ("testing groups", 2, 2), ("fitting groups", 2, 2)} <= set(
        steps
    )
