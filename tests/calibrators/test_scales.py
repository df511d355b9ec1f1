"""Weights on any scale, blocks that reuse their memory, and arguments beyond all bounds."""

import math
import re
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
    "plan": lambda r, w: tp.plan(r.z, temperature=1.5, ece=0.3, weights=w).to_dict(),
    "risk_coverage": lambda r, w: decisions.risk_coverage(r.probs, r.y, weights=w).to_dict(),
    "estimate_label_shift": lambda r, w: shift.estimate_label_shift(
        r.probs, [0.2, 0.3, 0.5], weights=w
    ).to_dict(),
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


@pytest.mark.parametrize("name", WHOLE)
def test_weights_count_in_proportion(rows, name):
    """Weights of any scale give the results of weights of which the largest is 1."""
    known = WHOLE[name](rows, rows.w)
    for scale in SCALES:
        same(known, WHOLE[name](rows, rows.w * scale))


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


SCORE_SCALES = [1e-150, 1e-99, 1e-30, 1e-7, 1e-4, 1e2, 1e3, 1e5, 1e20, 1e98, 1e150]


@pytest.mark.parametrize("scale", SCORE_SCALES)
@pytest.mark.parametrize("method", sorted({*tp.METHODS, "multilabel"} - {"identity", "beta"}))
def test_maps_follow_the_scale_of_the_scores(rows, method, scale):
    """Scores times c give the map of the scores, or one error that says what to do."""
    y, kind = rows.y, tp.METHODS.get(method, tp.MultilabelScaling)
    z = rows.z[:, :2] if method in BINARY else rows.z
    given = {"groups": rows.groups} if method == "group-temperature" else {}
    if method in BINARY:
        y = np.minimum(y, 1)
    elif method == "multilabel":
        y = (rows.z + 2 * np.roll(rows.z, 1, axis=0) > 0).astype(int)
    elif method == "ensemble":  # means of probabilities follow no scale, those of logs do
        z, given["pool"] = np.stack([z, np.cbrt(z)]), "log"
    fit = {**given}
    given.pop("pool", None)
    known = kind.fit(z, y, **fit).apply(z, **given)
    try:
        found = kind.fit(z * scale, y, **fit).apply(z * scale, **given)
    except tp.InvalidInputError as error:
        rule = r"must (differ|lie between)|multiply all of them"
        assert not 1e-99 <= scale <= 1e98, error
        assert re.search(rule, str(error))
        return
    np.testing.assert_allclose(found, known, rtol=1e-6, atol=1e-9)


def slow_beta(odds, hit):
    """Beta calibration by a search on the loss, in units where the largest |log-odds| is 1."""
    from scipy.optimize import minimize

    unit = np.abs(odds).max()
    p, q = -np.logaddexp(0, -odds) / unit, np.logaddexp(0, odds) / unit

    def loss(at):
        a, b = at[:2] ** 2  # >= 0
        line = a * p + b * q + at[2]
        return (np.logaddexp(0, line) - hit * line).mean()

    found = min(
        (
            minimize(loss, start, method="Nelder-Mead",
                     options={"xatol": 1e-12, "fatol": 1e-16, "maxiter": 20_000, "maxfev": 20_000})
            for start in ([1.0, 1.0, 0.0], [3.0, 0.3, 0.0], [0.3, 3.0, 0.0])
        ),
        key=lambda each: each.fun,
    )  # fmt: skip
    return found.fun


@pytest.mark.parametrize("scale", SCORE_SCALES)
def test_beta_is_the_best_map_at_any_scale(rows, scale):
    """As low as a slow search gets, where its features are curved and where they have a kink."""
    odds, hit = rows.z[:, 1] * scale, (rows.z[:, 1] / 2 + rows.z[:, 0] / 3 > 0).astype(int)
    if not 1e-4 <= scale <= 1e99:
        with pytest.raises(tp.InvalidInputError, match=r"must (differ by more|lie between)"):
            tp.BetaCalibration.fit(odds, hit)
        return
    fitted = tp.BetaCalibration.fit(odds, hit)
    slow = slow_beta(odds, hit)
    assert slow - 1e-6 < fitted.record.log_loss_after < slow + 2e-9
    again = metrics.log_loss(fitted.apply(odds), hit)
    assert again == pytest.approx(fitted.record.log_loss_after, rel=1e-9)


def test_beta_sees_errors_at_log_odds_of_a_thousand():
    """Rows at +-1000 of which a tenth are wrong are not separable."""
    shares = {-1000.0: 0.12, -500.0: 0.27, 500.0: 0.73, 1000.0: 0.88}
    odds = np.repeat([*shares], 100)
    hit = np.concatenate([np.arange(100) < round(100 * share) for share in shares.values()])
    p = tp.BetaCalibration.fit(odds, hit.astype(int)).apply([*shares])[:, 1]
    np.testing.assert_allclose(p, [*shares.values()], atol=0.002)


@pytest.mark.parametrize("size", [700.0, 745.0, 746.0, 800.0, 1e4, 1e99])
@pytest.mark.parametrize("k", [2, 3])
def test_isotonic_rises_at_any_log_odds(size, k):
    """Not turned over, in silence, where exp(-log-odds) is 0."""
    z = np.zeros((200, k))
    z[:, 1] = np.repeat([-size, size], 100)
    z[:, 2:] = -2.0 * size
    y = np.array([0] * 90 + [1] * 110)
    y[190:] = 0
    if k == 3:
        y[::50] = 2
    probs = tp.IsotonicCalibration.fit(z, y).apply(z)
    for c in range(k):
        np.testing.assert_allclose(probs[:100, c], (y[:100] == c).mean(), atol=0.02)
        np.testing.assert_allclose(probs[100:, c], (y[100:] == c).mean(), atol=0.02)


@pytest.mark.parametrize("scale", [1e-5, 1.0, 30.0, 1e3, 1e98])
def test_log_odds_against_the_rest_at_any_scale(rows, scale):
    """Of three classes, against forty digits."""
    mpmath = pytest.importorskip("mpmath")
    from temperance.calibrators.isotonic import _one_vs_rest

    z = rows.z[:40] * scale
    z[3] = z[3, 0]
    z[4, 1], z[5, :2] = -np.inf, -np.inf
    found = _one_vs_rest(z)
    with mpmath.workdps(40):
        for i, row in enumerate(z.tolist()):
            for c in range(3):
                top = max(row)
                rest = [mpmath.mpf(v) for j, v in enumerate(row) if j != c and v > -math.inf]
                if row[c] == -math.inf or not rest:
                    assert found[i, c] == (-math.inf if row[c] == -math.inf else math.inf)
                    continue
                largest = max(rest)
                whole = mpmath.fsum(mpmath.exp(v - largest) for v in rest)
                exact = mpmath.mpf(row[c]) - largest - mpmath.log(whole)
                wide = max(abs(v - top) for v in row if v > -math.inf)
                assert found[i, c] == pytest.approx(
                    float(exact), rel=1e-13, abs=4e-16 * wide + 1e-15
                )


def test_isotonic_of_many_classes_needs_bends(rows):
    """One class against two is no straight line: scores that differ by nothing are refused."""
    with pytest.raises(
        tp.InvalidInputError, match=r"of isotonic must differ by more than 0.0001 in"
    ):
        tp.IsotonicCalibration.fit(rows.z * 1e-30, rows.y)


def reusing(z, y, w):
    """Yield blocks that all lie in the same three arrays, and spoil these at the end."""
    held = np.empty((BLOCK, z.shape[1])), np.empty(BLOCK, dtype=np.intp), np.empty(BLOCK)
    for block in blocks(z, y, w):
        for own, values in zip(held, block, strict=True):
            own[:] = values
        yield held
    held[0][:], held[1][:], held[2][:] = np.nan, 99, -1.0


def test_blocks_may_reuse_their_memory(rows, monkeypatch):
    """`buffer[:] = ...; yield buffer` gives what blocks of their own give, in every reading.

    Five times, for threads do not always meet.
    """
    for module in ("temperance.blocks.stream", "temperance.evaluation.blocks"):
        monkeypatch.setattr(sys.modules[module], "thread_count", lambda: 8)
    z, y = np.tile(rows.z, (5, 1)), np.tile(rows.y, 5)
    w = np.tile(rows.w + 0.5, 5)
    own = blocks(z, y, w)
    fitted = tp.TemperatureScaling.fit_blocks(own)
    sides = {"raw": None, "fitted": fitted}
    options = {"kind": "logits", "n_resamples": 100}
    evaluation, comparison = (
        tp.evaluate_blocks(own, **options),
        tp.compare_blocks(own, sides, **options),
    )
    for _ in range(5):
        again = tp.TemperatureScaling.fit_blocks(lambda: reusing(z, y, w))
        assert again.temperature == fitted.temperature
        assert tp.evaluate_blocks(reusing(z, y, w), **options) == evaluation
        assert tp.compare_blocks(reusing(z, y, w), sides, **options) == comparison


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
    """Every class and group is a step that a caller can follow, when it is computed."""
    from temperance.blocks import reporting

    steps = []
    with reporting(lambda _: None, lambda *step: steps.append(step)):
        tp.evaluate(rows.probs, rows.y, groups=rows.groups, n_resamples=100).to_dict()
        tp.GroupTemperatureScaling.fit(rows.z, rows.y, groups=rows.groups)
    assert {("measuring classes", 3, 3), ("testing groups", 2, 2), ("fitting groups", 2, 2)} <= set(
        steps
    )
