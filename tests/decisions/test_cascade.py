"""When rows go on to a better model: thresholds, costs, and what calibration is worth."""

import json
import math
import re

import numpy as np
import pytest

import reference
import temperance as tp
from cascade_models import CALIBRATED, RAW, hopeless, three_models, two_models
from temperance.decisions import DeferralRule, cascade
from temperance.decisions.cascade_measures import Yardstick
from temperance.decisions.deferral import ConstantLoss, IsotonicLoss, LogisticLoss, fit_loss
from temperance.report import render_cascade
from temperance.show import number_text


def wrong(logits, y):
    return (logits.argmax(axis=1) != y).astype(float)


def total(answered, losses, costs):
    """Mean cost row by row: what is lost, and each model that was run."""
    sums = 0.0
    for row, model in enumerate(answered):
        sums += losses[model][row] + sum(costs[:model])
    return sums / len(answered)


@pytest.mark.parametrize(
    ("kappa", "raw", "calibrated", "oracle"),
    [
        (0.01, 0.019416, 0.010234, 0.009980),
        (0.05, 0.028758, 0.020020, 0.018448),
        (0.10, 0.037176, 0.028864, 0.027728),
    ],
)
def test_reference_costs(kappa, raw, calibrated, oracle):
    """VGG on CIFAR-10 before an expert that errs in 2 %: half the cost at small kappa.

    The oracle is the best of all thresholds, so at most the published one, which is of a grid.
    """
    z, y, test, test_y = reference.reference_b()
    found = cascade({"vgg": z}, y, costs=kappa, expert_error=0.02, test=({"vgg": test}, test_y))
    assert found.policy.rules[0].threshold == pytest.approx(0.98 - kappa, abs=1e-15)
    assert found.ways[RAW].cost.value == pytest.approx(raw, abs=5e-7)
    assert found.ways[CALIBRATED].cost.value == pytest.approx(calibrated, abs=5e-7)
    assert found.worth.value == pytest.approx(raw - calibrated, abs=1e-6)
    assert 0 < found.worth.low < found.worth.value < found.worth.high
    assert oracle - 1e-4 < found.hindsight <= oracle

    c = reference.softmax(test / found.policy.calibrators[0].temperature).max(axis=1)
    costs = np.where(
        c[:, None] < np.r_[0, np.unique(c), 2], 0.02 + kappa, wrong(test, test_y)[:, None]
    )
    assert found.hindsight == pytest.approx(costs.mean(axis=0).min(), abs=1e-12)


def test_cross_fitted_by_hand():
    """Every row by a temperature and an expert error of the other folds, written out."""
    models, y = two_models(n=500)
    found = cascade(models, y, costs=0.05)
    from temperance.crossfit import folds_of

    folds = folds_of(y, scores=tuple(models.values()))
    lost, spent = np.empty(500), np.empty(500)
    errs = {name: wrong(z, y) for name, z in models.items()}
    for fold in range(5):
        own, others = folds == fold, folds != fold
        t = reference.temperature(models["cheap"][others], y[others])
        c = reference.softmax(models["cheap"][own] / t).max(axis=1)
        on = 1 - c > errs["expert"][others].mean() + 0.05
        lost[own] = np.where(on, errs["expert"][own], errs["cheap"][own])
        spent[own] = 0.05 * on
    way = found.ways[CALIBRATED]
    assert way.error.value == pytest.approx(lost.mean(), abs=1e-12)
    assert way.spent.value == pytest.approx(spent.mean(), abs=1e-12)
    assert way.cost.value == pytest.approx(way.error.value + way.spent.value)
    assert way.answered == pytest.approx((1 - spent.mean() / 0.05, spent.mean() / 0.05))
    half = 1.959964 * np.std(lost + spent, ddof=1) / math.sqrt(500)
    assert way.cost.high - way.cost.value == pytest.approx(half, rel=1e-6)
    assert found.last_error.value == pytest.approx(lost[spent > 0].mean())
    for name, z in models.items():
        alone = found.ways[f"{name} alone"]
        assert alone.error.value == pytest.approx(wrong(z, y).mean())
        assert alone.spent.value == pytest.approx(0.05 if name == "expert" else 0.0)
    gap = found.differences["expert alone"]["cost"]
    assert gap.value == pytest.approx((lost + spent - errs["expert"] - 0.05).mean())


def test_threshold_is_the_best_in_the_long_run():
    """With the truth known, no threshold of a fine grid is cheaper than 1 - e - kappa."""
    rng = np.random.default_rng(4)
    c = rng.uniform(0.5, 1.0, size=80_000)
    z = np.stack([np.zeros(len(c)), np.log(c / (1 - c))], axis=1)
    y = (rng.random(len(c)) < c).astype(int)
    found = cascade({"cheap": z}, y, costs=0.1, expert_error=0.05)
    at = found.policy.rules[0].threshold
    assert at == pytest.approx(0.85)
    costs = {t: np.where(c < t, 0.15, 1 - c).mean() for t in np.linspace(0.5, 1, 101)}
    assert min(costs, key=costs.get) == pytest.approx(at)
    assert found.ways[CALIBRATED].cost.value == pytest.approx(min(costs.values()), abs=0.004)
    assert abs(found.worth.value) < 0.001  # the model was calibrated: nothing to gain


def test_three_models_from_the_last_back():
    """The rules are those of a search over all pairs of thresholds, on the rows of the fit."""
    models, y = three_models()
    costs = (0.03, 0.08)
    found = cascade(models, y, costs=costs)
    losses = [wrong(z, y) for z in models.values()]
    scaled = [tp.TemperatureScaling.fit(z, y).apply(z).max(axis=1) for z in models.values()]
    last = 1 - losses[2].mean() - 0.08
    assert found.policy.rules[1].threshold == pytest.approx(last, abs=1e-12)
    after = np.where(scaled[1] < last, losses[2] + 0.08, losses[1])
    first = 1 - after.mean() - 0.03
    assert found.policy.rules[0].threshold == pytest.approx(first, abs=1e-12)
    answered = found.policy.route(models)
    expected = np.where(scaled[0] >= first, 0, np.where(scaled[1] >= last, 1, 2))
    assert (answered == expected).all()
    best = min(
        total(np.where(scaled[0] >= a, 0, np.where(scaled[1] >= b, 1, 2)), losses, costs)
        for a in np.linspace(0.4, 1, 13)
        for b in np.linspace(0.4, 1, 13)
    )
    assert total(answered, losses, costs) < best + 0.01
    assert sum(found.ways[CALIBRATED].answered) == pytest.approx(1)
    assert found.ways["expert alone"].spent.value == pytest.approx(0.08)
    assert found.curve.cost.max() == pytest.approx(0.11)
    assert found.hindsight is None


def test_budget_and_accuracy():
    """A budget is kept and used up, a target reached at the least cost, on the rows of the fit."""
    models, y = two_models()
    losses = [wrong(z, y) for z in models.values()]
    c = tp.TemperatureScaling.fit(models["cheap"], y).apply(models["cheap"]).max(axis=1)
    found = cascade(models, y, costs=2.0, budget=0.5)
    on = found.policy.route(models)
    assert 0.5 - 2 * 3 / 4000 <= 2.0 * on.mean() <= 0.5
    assert c[on == 1].max() < c[on == 0].min()
    assert found.ways[CALIBRATED].spent.value == pytest.approx(0.5, abs=0.03)
    assert found.ways[CALIBRATED].cost is None
    assert cascade(models, y, costs=2.0, budget=0.0).policy.rules[0].ranges == ()

    target = 1 - 0.5 * (losses[0].mean() + losses[1].mean())
    found = cascade(models, y, costs=2.0, min_accuracy=target)
    on = found.policy.route(models)
    assert np.where(on, losses[1], losses[0]).mean() <= 1 - target
    order = np.sort(c)
    fewer = [np.where(c < t, losses[1], losses[0]).mean() for t in order[: on.sum() - 40]]
    assert min(fewer[::40]) > 1 - target
    assert found.policy.price > 0


def test_a_target_that_no_threshold_reaches():
    """The error says what can be reached, and that can be had."""
    models, y = two_models()
    with pytest.raises(tp.InvalidInputError, match="the most is") as caught:
        cascade(models, y, costs=1.0, min_accuracy=0.9999)
    most = float(str(caught.value).split("the most is ")[1].split(",")[0])
    assert most >= 1 - wrong(models["expert"], y).mean() - 5e-5
    found = cascade(models, y, costs=1.0, min_accuracy=most - 1e-4)
    assert found.ways[CALIBRATED].error.value < 1 - most + 0.02


@pytest.mark.parametrize(
    ("costs", "bad"), [([1, "a"], "'a'"), ([1.0, True], "True"), ([[1]], r"\[1\]"), ("a", "'a'")]
)
def test_the_bad_cost_is_named(costs, bad):
    """Not the number that stands beside it."""
    models = {name: np.eye(3) for name in "abc"}
    with pytest.raises(tp.InvalidInputError, match=rf"`costs` \(--cost\) must be .* got {bad}\."):
        cascade(models, [0, 1, 2], costs=costs)


def test_costs_in_money():
    """Cost and cost of an error in cents are kappa times a hundred."""
    models, y = two_models(n=1000)
    errors, cents = cascade(models, y, costs=0.05), cascade(models, y, costs=5, error_cost=100)
    assert cents.policy.rules[0].threshold == pytest.approx(errors.policy.rules[0].threshold)
    assert cents.ways[CALIBRATED].cost.value == pytest.approx(
        100 * errors.ways[CALIBRATED].cost.value
    )
    way = cents.ways[CALIBRATED]
    said = f"{100 * way.error.value:.4f} for errors, {way.spent.value:.4f} for models"
    assert said in cents.in_words()
    assert cents.worth.low == pytest.approx(100 * errors.worth.low)
    assert cents.hindsight == pytest.approx(100 * errors.hindsight)


@pytest.mark.parametrize("kind", ["isotonic", "logistic"])
def test_fitted_expert_error(kind):
    """Rows that are hard for both are not worth an expert; only a fitted error can know."""
    models, y = hopeless()
    constant = cascade(models, y, costs=0.08)
    fitted = cascade(models, y, costs=0.08, expert_error=kind)
    ((low, high),) = constant.policy.rules[0].ranges
    assert low == 0
    assert high < 0.85
    if kind == "isotonic":
        assert fitted.policy.rules[0].ranges[0][0] > 0.5
        assert fitted.ways[CALIBRATED].cost.value < constant.ways[CALIBRATED].cost.value - 0.02
        assert fitted.ways[CALIBRATED].cost.value < fitted.ways["expert alone"].cost.value
    (warning,) = constant.warnings
    assert "isotonic" in warning
    assert fitted.warnings == ()
    assert fitted.isotonic_gain is None
    if kind == "isotonic":
        gain = constant.ways[CALIBRATED].cost.value - fitted.ways[CALIBRATED].cost.value
        assert constant.isotonic_gain.value == pytest.approx(gain)
        assert f"{gain:.4f} per row" in warning


def test_expected_loss_kinds():
    """Means of equal rows; an isotonic curve that falls; a logistic one by its equations."""
    c = np.repeat([0.4, 0.6, 0.9], 4)
    v = np.array([1, 1, 1, 0, 1, 1, 0, 0, 1, 0, 0, 0], dtype=float)
    w = np.ones(12)
    assert fit_loss("constant", c, v, w) == ConstantLoss(0.5)
    curve = fit_loss("isotonic", c, v, w)
    assert isinstance(curve, IsotonicLoss)
    assert curve.at(np.array([0.0, 0.4, 0.5, 0.9, 1.0])) == pytest.approx(
        [0.75, 0.75, 0.625, 0.25, 0.25]
    )
    line = fit_loss("logistic", c, v, w)
    assert isinstance(line, LogisticLoss)
    p = line.at(c)
    odds = np.log(c / (1 - c))
    assert (v - p).sum() == pytest.approx(0, abs=1e-9)
    assert ((v - p) * odds).sum() == pytest.approx(0, abs=1e-9)
    assert line.slope < 0
    rising = fit_loss("logistic", c, v[::-1], w)
    assert rising.slope > 0
    assert fit_loss("isotonic", c, v[::-1], w).at(c) == pytest.approx(0.5)
    weighted = fit_loss("constant", c, v, np.arange(12.0))
    assert weighted.value == pytest.approx((np.arange(12) * v).sum() / 66)


@pytest.mark.parametrize("kind", ["constant", "isotonic", "logistic"])
def test_an_expert_that_is_always_right(kind):
    """It is expected to lose nothing, whatever is fitted: the threshold is 1 - kappa."""
    models, y = two_models(n=600)
    models["expert"] = 9.0 * np.eye(4)[y]
    found = cascade(models, y, costs=0.1, expert_error=kind)
    assert found.policy.rules[0].expected == ConstantLoss(0.0)
    assert found.policy.rules[0].threshold == pytest.approx(0.9)
    assert found.last_error.value == 0
    assert found.warnings == ()


def test_an_expert_that_is_too_dear():
    """It is never asked, and the sentence says so; then calibration is worth nothing."""
    models, y = two_models(n=600)
    found = cascade(models, y, costs=2.0)
    assert found.policy.rules[0].ranges == ()
    assert found.in_words().startswith("Never ask expert")
    assert "Calibration changes nothing" in found.in_words()
    assert found.ways[CALIBRATED].answered == (1.0, 0.0)
    assert found.last_error is None
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_cascade_that_one_model_beats_says_so_first():
    """No rule is given as advice that a later sentence takes back; on the page either."""
    models, y = three_models(n=3_000)
    rng = np.random.default_rng(8)
    models["middle"] = 3.0 * rng.normal(size=models["middle"].shape)  # dear, and knows nothing
    found = cascade(models, y, costs=[0.3, 0.01])
    best = found.ways["expert alone"].cost.value
    assert found.ways[CALIBRATED].cost.value > best
    words = found.in_words()
    first = f"Do not use the cascade: expert alone costs less per row, {number_text(best)} against"
    assert words.startswith(first)
    assert "The rule found: ask " in words
    assert "But " not in words
    page = render_cascade(found, title="x")
    assert re.search(r'class="finding">Do not use the cascade: expert alone', page)


def test_ranges_of_a_rule():
    """The confidences at which a rule says go on, found by walking."""
    rule = DeferralRule(IsotonicLoss(np.array([0.5, 0.7]), np.array([0.45, 0.05])), 0.08, 0.5)
    ((low, high),) = rule.ranges
    walk = np.linspace(0.5, 1, 100_001)
    on = walk[rule.goes_on(walk)]
    assert (low, high) == pytest.approx((on.min(), on.max()), abs=1e-5)
    assert rule.threshold == high
    assert DeferralRule(ConstantLoss(0.02), 0.05, 0.1).ranges == ((0.0, pytest.approx(0.93)),)
    assert DeferralRule(ConstantLoss(0.02), -1.0, 0.1).ranges == ((0.0, 1.0),)


def test_weights_are_repeated_rows():
    """Weights 0, 1, 2 on test rows give the means of rows written out that often."""
    models, y = two_models(n=900)
    test, labels = two_models(n=600, seed=1)
    w = np.arange(600) % 3
    weighted = cascade(models, y, costs=0.05, test=(test, labels, w))
    repeated = cascade(
        models, y, costs=0.05,
        test=({name: z.repeat(w, axis=0) for name, z in test.items()}, labels.repeat(w)),
    )  # fmt: skip
    for name in weighted.ways:
        assert weighted.ways[name].cost.value == pytest.approx(repeated.ways[name].cost.value)
        assert weighted.ways[name].answered == pytest.approx(repeated.ways[name].answered)
    assert weighted.worth.value == pytest.approx(repeated.worth.value)
    assert weighted.hindsight == pytest.approx(repeated.hindsight)
    assert weighted.curve.accuracy == pytest.approx(repeated.curve.accuracy)
    fit = cascade(models, y, costs=0.05, weights=np.arange(900) % 3)
    again = cascade(
        {name: z.repeat(np.arange(900) % 3, axis=0) for name, z in models.items()},
        y.repeat(np.arange(900) % 3), costs=0.05,
    )  # fmt: skip
    assert fit.policy.rules[0].threshold == pytest.approx(again.policy.rules[0].threshold)


def test_clusters_are_counted():
    """Each row four times, as clusters: the intervals are those of the rows, not half as wide."""
    models, y = two_models(n=900)
    test, labels = two_models(n=600, seed=1)
    plain = cascade(models, y, costs=0.05, test=(test, labels))
    four = {name: z.repeat(4, axis=0) for name, z in test.items()}
    rows = np.arange(600).repeat(4)
    clustered = cascade(models, y, costs=0.05, test=(four, labels.repeat(4), None, rows))
    careless = cascade(models, y, costs=0.05, test=(four, labels.repeat(4)))
    assert clustered.n_clusters == 600
    few = {"rel": 0.005}  # Student's t of 599 clusters
    assert clustered.worth.low == pytest.approx(plain.worth.low, **few)
    cost = plain.ways[CALIBRATED].cost.high
    assert clustered.ways[CALIBRATED].cost.high == pytest.approx(cost, **few)
    width = careless.worth.high - careless.worth.low
    assert width == pytest.approx(0.5 * (plain.worth.high - plain.worth.low), rel=0.01)
    assert cascade(models, y, costs=0.05, clusters=np.arange(900) // 3).n_clusters == 300


def test_interval_holds_what_calibration_is_worth(request, monkeypatch):
    """Of samples from one world, the 95 % interval holds the mean of all in about 95 %."""
    monkeypatch.setattr(Yardstick, "curve", lambda *_: None)  # at each price: most of the time
    draws = 300 if "slow" in request.config.getoption("markexpr") else 40
    fit, y = two_models(n=2000, seed=99)
    values, held = [], []
    for seed in range(draws):
        found = cascade(fit, y, costs=0.05, test=two_models(n=500, seed=seed))
        values.append(found.worth.value)
        held.append((found.worth.low, found.worth.high))
    truth = np.mean(values)
    cover = np.mean([low <= truth <= high for low, high in held])
    assert truth > 0.01
    assert abs(cover - 0.95) < 4 * math.sqrt(0.95 * 0.05 / draws)


def test_curve():
    """From no row sent on to all, costs rise, and both ends are the models alone."""
    models, y = two_models()
    found = cascade(models, y, costs=0.2)
    for curve in (found.curve, found.raw_curve):
        assert (np.diff(curve.price) < 0).all()
        assert (np.diff(curve.cost) >= 0).all()
        assert (curve.cost[0], curve.cost[-1]) == pytest.approx((0, 0.2))
        assert curve.accuracy[0] == pytest.approx(1 - wrong(models["cheap"], y).mean())
        assert curve.accuracy[-1] == pytest.approx(1 - wrong(models["expert"], y).mean())
        assert (curve.accuracy_low <= curve.accuracy).all()
        assert (curve.accuracy <= curve.accuracy_high).all()
        assert curve.sent_on == pytest.approx(curve.cost / 0.2)
    way = found.ways[CALIBRATED]
    at = np.interp(way.spent.value, found.curve.cost, found.curve.accuracy)
    assert 1 - way.error.value == pytest.approx(at, abs=0.005)


def test_with_calibrators_that_change_the_class():
    """Then the cheap model's own answers are the calibrated ones."""
    models, y = two_models(n=2000)
    shifted = models["cheap"] + np.array([2.0, 0, 0, 0])
    models = {"cheap": shifted, "expert": models["expert"]}
    test = two_models(n=2000, seed=8)
    moved = {"cheap": test[0]["cheap"] + np.array([2.0, 0, 0, 0]), "expert": test[0]["expert"]}
    found = cascade(
        models, y, costs=2.0, method="bias-corrected-temperature", test=(moved, test[1])
    )
    scaling = tp.BiasCorrectedTemperatureScaling.fit(shifted, y)
    corrected = wrong(scaling.apply(moved["cheap"]), test[1]).mean()
    assert found.ways[CALIBRATED].error.value == pytest.approx(corrected)
    assert found.ways[RAW].error.value == pytest.approx(wrong(moved["cheap"], test[1]).mean())
    assert corrected < found.ways[RAW].error.value - 0.01


def test_results_show_themselves():
    """Text, HTML, data frame and JSON hold the numbers of the ways; nothing is nan."""
    pytest.importorskip("narwhals")
    pytest.importorskip("pyarrow")
    models, y = two_models(n=800)
    for goal in ({}, {"budget": 0.02}, {"min_accuracy": 0.7}):
        found = cascade(models, y, costs=0.05, **goal)
        text = str(found)
        assert found.in_words() in text
        assert f"{found.ways[RAW].error.value:.4f}" in text
        assert "<table" in found._repr_html_()
        content = json.loads(json.dumps(found.to_dict(), allow_nan=False))
        assert content["ways"][CALIBRATED]["error"]["value"] == found.ways[CALIBRATED].error.value
        assert content["calibration_worth"]["low"] == found.worth.low
        assert content["stages"][0]["threshold"] == found.policy.rules[0].threshold
        assert len(content["curve"]["cost"]) == len(found.curve.cost)
        assert "curve" not in found.to_dict(curves=False)
        rows = found.to_frame("pyarrow").to_pylist()
        (row,) = (each for each in rows if (each["way"], each["measure"]) == (RAW, "error"))
        assert row["value"] == found.ways[RAW].error.value
        assert row["difference"] == found.differences[RAW]["error"].value
        assert len(rows) == 4 * (2 if goal else 3)


GOOD = two_models(n=60)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m, y: ({"cheap": m["cheap"]}, y, {"costs": 0.1}), "of 2 or more models"),
        (lambda m, y: ([*m.values()], y, {"costs": 0.1}), "mapping of name to logits"),
        (lambda m, y: (m, y, {"costs": [0.1, 0.1], "expert_error": 0.1}), "different names"),
        (lambda m, y: (m, y, {"costs": []}), "1 for 2 models .*, got 0"),
        (lambda m, y: (m, y, {"costs": [0.1, 0.2]}), "1 for 2 models .*, got 2"),
        (lambda m, y: (m, y, {"costs": -0.1}), "above 0, got -0.1"),
        (lambda m, y: (m, y, {"costs": 0.0}), "above 0, got 0.*pooled"),
        (lambda m, y: (m, y, {"costs": math.nan}), "above 0, got nan"),
        (lambda m, y: (m, y, {"costs": 0.1, "budget": 0.1, "min_accuracy": 0.5}), "together"),
        (lambda m, y: (m, y, {"costs": 0.1, "budget": -1.0}), "`budget`.*>= 0, got -1"),
        (lambda m, y: (m, y, {"costs": 0.1, "min_accuracy": 1.0}), "between 0 and 1, got 1"),
        (lambda m, y: (m, y, {"costs": 0.1, "error_cost": 0.0}), "`error_cost`.*above 0"),
        (lambda m, y: (m, y, {"costs": 0.1, "error_cost": 2, "budget": 1.0}), "no meaning"),
        (lambda m, y: (m, y, {"costs": 0.1, "expert_error": "nice"}), "constant, isotonic"),
        (
            lambda m, y: ({"a": m["cheap"]}, y, {"costs": 0.1, "expert_error": 1.0}),
            r"in \[0, 1\), got 1",
        ),
        (lambda m, y: (m, y, {"costs": 0.1, "method": "magic"}), "`method` must be one of"),
        (lambda m, y: (m, y, {"costs": 0.1, "method": "ensemble"}), "single model"),
        (lambda m, y: (m, 0 * y, {"costs": 0.1}), "all of class 0"),
        (
            lambda m, y: (m, tp.Positions(0 * y), {"costs": 0.1, "classes": ["b", "c", "d", "a"]}),
            r"all of class b \(60 rows\)",
        ),
        (lambda m, y: (m | {"expert": m["expert"][:-1]}, y, {"costs": 0.1}), r"\(59, 4\)"),
        (lambda m, y: (m | {"expert": m["expert"][:, :3]}, y, {"costs": 0.1}), r"\(60, 3\)"),
        (lambda m, y: (m | {"expert": reference.softmax(m["expert"])}, y, {"costs": 0.1}), "prob"),
        (lambda m, y: (m, y, {"costs": 0.1, "weights": -np.ones(60)}), "`weights` must be"),
        (lambda m, y: (m, y, {"costs": 0.1, "weights": np.zeros(60)}), "all be zero"),
        (lambda m, y: (m, y, {"costs": 0.1, "clusters": np.zeros(59)}), "`clusters` must have"),
        (lambda m, y: (m, y, {"costs": 0.1, "test": ({"cheap": m["cheap"]}, y)}), "the 2 models"),
    ],
)
def test_bad_input(change, message):
    """One sentence each: the argument, the rule, what was found."""
    models, y, settings = change(*GOOD)
    with pytest.raises(tp.InvalidInputError, match=message):
        cascade(models, y, **settings)


def test_a_cheap_model_that_is_always_right():
    """It has no best temperature; a prior gives one, and then no row is sent on."""
    models, _ = two_models(n=200)
    y = models["cheap"].argmax(axis=1)
    with pytest.raises(tp.NoOptimumError, match="prior"):
        cascade(models, y, costs=0.1)
    found = cascade(models, y, costs=0.1, prior=1.0)
    assert found.ways[CALIBRATED].error.value == 0
    assert "cheap alone" in found.in_words()


def test_the_policy_on_new_rows():
    """Rows without labels: the expert is asked exactly below the threshold."""
    models, y = two_models()
    found = cascade(models, y, costs=0.05)
    new, _ = two_models(n=300, seed=5)
    c = found.policy.calibrators[0].apply(new["cheap"]).max(axis=1)
    asked = found.policy.goes_on(new["cheap"])
    assert (asked == (c < found.policy.rules[0].threshold)).all()
    assert (found.policy.route({"cheap": new["cheap"]}) == asked).all()
    with pytest.raises(tp.InvalidInputError, match="holds 'cheap'"):
        found.policy.route({"small": new["cheap"]})
    with pytest.raises(tp.InvalidInputError, match="4 columns"):
        found.policy.goes_on(new["cheap"][:, :3])
    with pytest.raises(tp.InvalidInputError, match=r"0\.\.0, got 1"):
        found.policy.goes_on(new["cheap"], stage=1)
