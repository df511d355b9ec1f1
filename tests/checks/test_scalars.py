"""Every single number that a public call takes: a wrong one is our error with the rule, at once.

Each public function and method with such arguments is called with all of a list of wrong values.
"""

import inspect
import tempfile
import types
import warnings
from functools import partial

import numpy as np
import pytest

import temperance as tp

N, K = 60, 3
RNG = np.random.default_rng(0)
Z = RNG.normal(size=(N, K)) * 3.0
Y = (np.exp(Z / 2).cumsum(axis=1) < RNG.random((N, 1)) * np.exp(Z / 2).sum(axis=1)[:, None]).sum(
    axis=1
)
P = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)
Z2 = Z[:, :2]
Y2 = (RNG.random(N) < 1.0 / (1.0 + np.exp((Z2[:, 0] - Z2[:, 1]) / 2))).astype(int)
GROUPS = np.repeat(["a", "b"], N // 2)
TEXT = ["a", "", "1", "0.5", b"1"]
NO_NUMBER = [*TEXT, True, False, [], [0.5], (), {}, object(), 1j, np.array([0.5, 0.5]), float]
NO_RANGE = [
    float("nan"), float("inf"), float("-inf"), np.float64("nan"), -1, -0.5, -1e308, 10**400,
    -(10**400), -(2**63), -1e-300,
]  # fmt: skip
ANY_RANGE = [
    0,
    1,
    0.5,
    1e-300,
    5e-324,
    1e308,
    1 - 1e-16,
    2**63,
    10**9,
    np.float32(0.5),
    np.array(0.5),
]
NUMBERS = (None, *NO_NUMBER, *NO_RANGE, *ANY_RANGE)


def of_monitor(name, **arguments):
    """Call a method of a monitor in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        tp.save(tp.TemperatureScaling(2.0), f"{folder}/c.json")
        with tp.Monitor.create(f"{folder}/m.db", f"{folder}/c.json") as monitor:
            return getattr(monitor, name)(**arguments)


def a_monitor(capacity=5):
    """Make a monitor in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        tp.save(tp.TemperatureScaling(2.0), f"{folder}/c.json")
        tp.Monitor.create(f"{folder}/m.db", f"{folder}/c.json", capacity=capacity).close()


def calls():  # noqa: PLR0915
    """Yield a name, a callable, its good arguments, and the scalars to spoil."""
    fit = {"logits": Z, "labels": Y}
    for kind in (tp.TemperatureScaling, tp.BiasCorrectedTemperatureScaling):
        yield f"{kind.__name__}.fit", kind.fit, fit, ("prior", "class_axis")
    yield "Identity.fit", tp.Identity.fit, fit, ("class_axis",)
    yield "Monitor.flush", partial(of_monitor, "flush"), {}, ("timeout",)
    row = {"ids": "a", "logits": [1.0, 0.0]}
    yield "Monitor.log", partial(of_monitor, "log"), row, ("time",)
    two = {"logits": Z2, "labels": Y2}
    yield "BetaCalibration.fit", tp.BetaCalibration.fit, two, ("prior", "class_axis")
    for kind in (tp.PlattScaling, tp.IsotonicCalibration, tp.VennAbers):
        yield f"{kind.__name__}.fit", kind.fit, two, ("class_axis",)
    for kind in (tp.VectorScaling, tp.MatrixScaling):
        yield f"{kind.__name__}.fit", kind.fit, fit, ("class_axis",)
    group = tp.GroupTemperatureScaling
    yield "GroupTemperatureScaling.fit", group.fit, {**fit, "groups": GROUPS}, ("prior",)
    members = {"members": [Z, Z[::-1]], "labels": Y}
    yield "Ensemble.fit", tp.Ensemble.fit, members, ("prior",)
    matrix = {"logits": Z, "labels": (RNG.normal(size=Z.shape) < Z).astype(int)}
    yield "MultilabelScaling.fit", tp.MultilabelScaling.fit, matrix, ("prior",)
    blocks = {"blocks": [(Z, Y)]}
    yield "TemperatureScaling.fit_blocks", tp.TemperatureScaling.fit_blocks, blocks, ("prior",)
    for name, kind, good, scalars in births():
        yield name, kind, good, (*scalars, "n_classes")
    for fitted in (tp.Identity(), tp.TemperatureScaling(2.0), tp.PlattScaling(1.0, 0.0)):
        logits = {"logits": Z2 if fitted.traits.binary else Z}
        for method in ("apply", "scale"):
            call = getattr(fitted, method)
            yield f"{type(fitted).__name__}.{method}", call, logits, ("class_axis",)
    record = tp.TemperatureScaling.fit(**fit).record
    yield "TemperatureRecord.interval", record.interval, {}, ("level",)
    measured = {"probs": P, "labels": Y}
    yield "evaluate", tp.evaluate, {**measured, "n_resamples": 100}, ("seed",)
    yield "check_gates", tp.check_gates, {"evaluation": tp.evaluate(P, Y)}, (
        "max_ece", "max_log_loss", "max_brier", "min_accuracy",
    )  # fmt: skip
    both = {"probs": {"a": P, "b": P}, "labels": Y, "n_resamples": 100}
    yield "compare", tp.compare, both, ("seed",)
    of_blocks = {"blocks": [(Z, Y)], "n_resamples": 100}
    of_probs = {**of_blocks, "blocks": [(P, Y)]}
    yield "evaluate_blocks", tp.evaluate_blocks, of_probs, ("seed", "n_rows")
    two_blocks = {**of_blocks, "calibrators": {"a": None, "b": tp.TemperatureScaling(2.0)}}
    yield "compare_blocks", tp.compare_blocks, two_blocks, ("seed", "n_rows")
    yield "plan", tp.plan, {"logits": Z, "ece": 0.3}, (
        "temperature", "precision", "ece", "power", "seed",
    )  # fmt: skip
    yield "dense_rows", tp.dense_rows, fit, ("class_axis",)
    many = {"probs": np.tile([[0.9, 0.1]], (400, 1)), "labels": np.zeros(400, dtype=int)}
    rule = tp.decisions.abstain(**many, max_risk=0.05)
    yield "abstain", tp.decisions.abstain, {**many, "max_risk": 0.05}, (
        "max_risk", "confidence", "seed", "min_coverage",
    )  # fmt: skip
    policy = {"logits": Z, "labels": Y, "max_risk": 0.8}
    yield "fit_policy", tp.decisions.fit_policy, policy, (
        "max_risk", "confidence", "fit_share", "seed", "min_coverage",
    )  # fmt: skip
    yield "Abstention.measure", rule.measure, many, ("seed",)
    rates = {
        "min_precision": 0.5, "max_false_positive_rate": 0.9, "min_recall": 0.1,
        "min_negative_predictive_value": 0.1, "max_false_negative_rate": 0.9,
    }  # fmt: skip
    half = {**many, "probs": np.repeat([[0.1, 0.9], [0.9, 0.1]], 200, axis=0), "event": 1,
            "labels": np.repeat([1, 0], 200)}  # fmt: skip
    yield "bands", tp.decisions.bands, {**half, **rates}, (*rates, "confidence", "seed")
    yield "Bands.measure", tp.decisions.bands(**half, **rates).measure, {
        "probs": half["probs"], "labels": half["labels"],
    }, ("seed",)  # fmt: skip
    yield "coverage_table", tp.decisions.coverage_table, many, ("confidence", "seed")
    table = tp.decisions.coverage_table(**many)
    yield "CoverageTable.choose", table.choose, {"max_risk": 0.05}, ("max_risk",)
    judged = {"verdicts": [1.0] * 30 + [0.0] * 30, "labels": ([1, 1, 0, None] * 15)}
    yield "pass_rate", tp.llm.pass_rate, judged, ("level",)
    yield "plan_pass_rate", tp.llm.plan_pass_rate, judged, ("half_width", "agreement", "level")
    systems = {**judged, "systems": ["a", "b"] * 30}
    yield "compare_pass_rates", tp.llm.compare_pass_rates, systems, ("level",)
    rates = tp.llm.compare_pass_rates(**systems)
    yield "PassRateComparison.differences_at", rates.differences_at, {"level": 0.9}, ("level",)
    yield "within_accuracy", tp.metrics.within_accuracy, measured, ("levels",)
    yield "Monitor.create", a_monitor, {}, ("capacity",)
    models = {"models": {"a": Z, "b": Z[:, [0, 2, 1]]}, "labels": Y, "costs": 0.1}
    yield "cascade", tp.decisions.cascade, models, (
        "costs", "budget", "min_accuracy", "error_cost", "expert_error", "prior", "seed",
    )  # fmt: skip
    curve = tp.decisions.risk_coverage(P, Y)
    yield "RiskCoverage.band", curve.band, {}, ("level",)
    yield "AnswerScale", tp.llm.AnswerScale, {"name": "count", "of": 10}, ("of",)
    scores = {"scores": [3, 5, 7, 9] * 15, "correct": [0, 1] * 30, "scale": "count", "of": 10}
    scores["method"] = "beta"
    yield "AnswerConfidence.fit", tp.llm.AnswerConfidence.fit, scores, ("of", "prior")
    of = {"scores": [3, 5], "scale": "count", "of": 10}
    yield "answer_log_odds", tp.llm.answer_log_odds, of, ("of",)
    rates = {"scores": [90, 50, 90], "correct": [1, 0, 0]}
    yield "rates_by_score", tp.llm.rates_by_score, rates, ("level",)
    corp = {**measured, "n_resamples": 100}
    yield "corp_reliability", tp.metrics.corp_reliability, corp, ("seed", "event")
    groups = {**measured, "groups": GROUPS}
    yield "group_score_tests", tp.metrics.group_score_tests, groups, ("seed",)
    source = {"source": Z, "target": Z + 0.5}
    yield "covariate_weights", tp.shift.covariate_weights, source, ("ridge", "clip")
    yield "shape_features", tp.shift.shape_features, {"logits": Z}, ("top",)
    shift = tp.shift.estimate_label_shift_from_logits(Z[::-1], Z, Y)
    yield "LabelShift.interval", shift.interval, {}, ("level",)
    yield "select", tp.select, {**fit, "methods": ["identity", "temperature"]}, ("seed",)
    matrix = {"logits": Z, "labels": np.eye(Z.shape[1], dtype=int)[Y]}
    few = {**matrix, "methods": ["identity", "temperature"]}
    yield "select_labels", tp.select_labels, few, ("seed",)
    one = {"logits": Z[:, :1], "labels": Y2[:, None], "prior": 1.0}  # a line alone is found at once
    yield "compare_label_ways", tp.compare_label_ways, one, ("prior", "seed")
    yield "class_biases", tp.class_biases, fit, ("prior", "seed")
    yield "compare_pooling", tp.compare_pooling, {**members, "prior": 1.0}, ("prior", "seed")
    yield "diagnose", tp.shift.diagnose, {"reference": Z, "labels": Y, "new": Z}, ("seed",)
    yield "covariate_weights", tp.shift.covariate_weights, {"source": Z, "target": Z}, (
        "seed", "clip", "ridge",
    )  # fmt: skip
    masks = {"logits": np.where(Z > 5.0, -1e9, Z), "mask_below": -1e9, "mask_value": -1e9}
    yield "masked_logits", tp.masked_logits, masks, ("mask_below", "mask_value")
    yield "logits_from_probs", tp.logits_from_probs, {"probs": P}, (
        "floor", "decimals",
    )  # fmt: skip
    ask = tp.decisions.cascade(**models).policy
    yield "CascadePolicy.goes_on", ask.goes_on, {"logits": Z}, ("stage",)
    shown = {"logprobs": np.log(P), "labels": Y}
    top = tp.llm.TopKTemperature
    yield "TopKTemperature.fit", top.fit, shown, ("prior",)
    yield "TopKTemperature.interval", top.fit(**shown).interval, {}, ("level",)
    of_groups = {"temperatures": {"a": 1.0, "b": 2.0}}
    display = tp.plots.TemperatureDisplay.from_temperatures
    yield "TemperatureDisplay.from_temperatures", display, of_groups, ("pooled",)
    plots = tp.plots.RiskCoverageDisplay
    drawn = plots.from_predictions
    yield "RiskCoverageDisplay.from_predictions", drawn, measured, ("threshold", "max_risk")
    yield "RiskCoverageDisplay", plots, {"curve": curve}, ("threshold", "max_risk")


def births():
    """Yield the calibrators that numbers alone make."""
    yield "TemperatureScaling", tp.TemperatureScaling, {"temperature": 2.0}, (
        "temperature", "smoothing",
    )  # fmt: skip
    yield "GroupTemperatureScaling", tp.GroupTemperatureScaling, {
        "temperature": 2.0, "temperatures": {"a": 1.0},
    }, ("temperature", "spread", "temperatures")  # fmt: skip
    yield "BiasCorrectedTemperatureScaling", tp.BiasCorrectedTemperatureScaling, {
        "temperature": 2.0, "bias": [0.1, -0.1],
    }, ("temperature", "bias")  # fmt: skip
    yield "PlattScaling", tp.PlattScaling, {"slope": 1.0, "intercept": 0.0}, ("slope", "intercept")
    yield "BetaCalibration", tp.BetaCalibration, {"a": 1.0, "b": 1.0, "c": 0.0}, ("a", "b", "c")
    yield "Ensemble", tp.Ensemble, {"temperature": 1.0, "weights": [0.5, 0.5]}, (
        "temperature", "weights",
    )  # fmt: skip
    yield "Identity", tp.Identity, {}, ()
    base = tp.TemperatureScaling(1.0)
    yield "VectorScaling", tp.VectorScaling, {
        "base": base, "factors": [1.0, 1.0], "bias": [0.0, 0.0],
    }, ("base", "factors", "bias")  # fmt: skip
    yield "MatrixScaling", tp.MatrixScaling, {
        "base": base, "matrix": np.eye(2), "bias": [0.0, 0.0],
    }, ("base", "matrix", "bias")  # fmt: skip
    yield "MultilabelScaling", tp.MultilabelScaling, {"inner": base, "n_classes": 2}, ("inner",)


CALLS = {name: call for name, *call in calls()}
CASES = [(name, scalar) for name, (_, _, scalars) in CALLS.items() for scalar in scalars]
LISTS = {"costs", "bias", "weights", "factors", "matrix"}  # of which a number alone may be one


@pytest.mark.parametrize(("name", "scalar"), CASES)
def test_a_wrong_number_is_our_error(name, scalar):
    """Only `TemperanceError` comes, on one line that names the argument; no warning of others."""
    call, good, _ = CALLS[name]
    call(**good)
    for value in NUMBERS:
        try:
            call(**{**good, scalar: value})
        except tp.TemperanceError as error:
            assert "\n" not in str(error)
            if any(value is each for each in NO_NUMBER) and isinstance(error, ValueError):
                assert f"`{scalar}`" in str(error), (value, str(error))
        else:
            wrong = [*TEXT, True, False, {}, (), [], float, 1j] if scalar not in LISTS else TEXT
            assert not any(value is each for each in wrong), f"{value!r} was taken"


def scalar_parameters(call):
    """Return the parameters of a signature that are single numbers."""
    return {
        each.name
        for each in inspect.signature(call).parameters.values()
        if each.annotation in {"float", "int", "float | None", "int | None"}
        and each.name not in {"n_bins", "n_resamples", "ignore_label", "norm"}
    }


def public_calls():
    """Yield the functions and the methods of all public names, but results and their fields."""
    for module in (
        tp,
        tp.decisions,
        tp.llm,
        tp.metrics,
        tp.plots,
        tp.readers,
        tp.shift,
        tp.writers,
    ):
        for name in module.__all__:
            value = getattr(module, name)
            if isinstance(value, types.FunctionType):
                yield name, value
            elif inspect.isclass(value):
                for own in dir(value):
                    method = getattr(value, own)
                    if not own.startswith("_") and callable(method):
                        yield f"{value.__name__}.{own}", method


INNER = {  # for other parts of this library; or of classes without such arguments of their own
    "from_json", "of", "of_rows", "from_rows", "around", "normal", "chi_square", "undefined",
    "outputs", "checked_rows", "refuse_arguments", "temperatures_of", "require_width", "rescaled",
    "with_columns", "check",
}  # fmt: skip


def test_no_call_with_a_number_is_left_out():
    """Each public function and method that takes a number stands in the list above."""
    missing = []
    for name, call in public_calls():
        own = name.rpartition(".")[2]
        if own in INNER or own in {"apply", "scale"}:
            continue
        try:
            scalars = scalar_parameters(call)
        except ValueError:
            continue
        known = set(CALLS[name][2]) if name in CALLS else set()
        if scalars - known:
            missing.append((name, scalars - known))
    assert not missing


def test_intervals_near_certainty():
    """The widest interval that a float can ask for is finite, and wider than a narrower one."""
    record = tp.TemperatureScaling.fit(Z, Y).record
    with warnings.catch_warnings(action="error"):
        low, high = record.interval(1 - 1e-16)
    narrow = record.interval(0.9999)
    assert low < narrow[0] < narrow[1] < high < float("inf")


@pytest.mark.parametrize("prior", [1e15, 1e50, 1e100])
def test_an_endless_prior_changes_nothing(prior):
    """A prior stronger than any data leaves T at 1."""
    assert tp.TemperatureScaling.fit(Z, Y, prior=prior).temperature == pytest.approx(1.0, abs=1e-9)
    fitted = tp.BiasCorrectedTemperatureScaling.fit(Z, Y, prior=prior)
    assert fitted.temperature == pytest.approx(1.0, abs=1e-6)
    assert np.abs(fitted.bias).max() < 1e-6
    beta = tp.BetaCalibration.fit(Z2, Y2, prior=prior)
    assert [beta.a, beta.b, beta.c] == pytest.approx([1.0, 1.0, 0.0], abs=1e-6)


@pytest.mark.parametrize("prior", [1e101, 1e308])
def test_a_prior_beyond_any_meaning_is_refused(prior):
    """The end of the range is stated."""
    with pytest.raises(tp.InvalidInputError, match=r"`prior` must be .* at most 1e100, got 1e"):
        tp.TemperatureScaling.fit(Z, Y, prior=prior)


def test_names_given_as_bytes_are_their_text():
    """Groups and clusters of bytes, as some files hold them, are named without b''."""
    fitted = tp.GroupTemperatureScaling.fit(Z, Y, groups=np.repeat([b"law", "ü".encode()], N // 2))
    assert set(fitted.temperatures) == {"law", "ü"}
    found = tp.evaluate(P, Y, groups=np.repeat([b"law", b"math"], N // 2), n_resamples=100)
    assert {each.name for each in found.groups} == {"law", "math"}
    with pytest.raises(tp.InvalidInputError, match=r"`groups` must be text; b'.xff' is not UTF-8"):
        tp.GroupTemperatureScaling.fit(Z, Y, groups=[b"\xff"] * N)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: tp.metrics.holm(["a"]), "p_values"),
        (lambda: tp.metrics.holm(0.1), "p_values"),
        (lambda: tp.metrics.holm([None, 0.1]), "p_values"),
        (lambda: tp.GroupTemperatureScaling(2.0, {"a": 1.0}, small_groups=5), "small_groups"),
        (lambda: tp.GroupTemperatureScaling(2.0, {"a": 1.0}, small_groups="bc"), "small_groups"),
        (lambda: tp.GroupTemperatureScaling(2.0, {"a": 1.0}, small_groups=("a",)), "small_groups"),
        (lambda: tp.IsotonicCalibration("abc"), "curves"),
        (lambda: tp.VennAbers("a", "b", "c", "d"), "lower_from"),
        (lambda: tp.llm.AnswerConfidence("a", "b"), "inner"),
        (lambda: tp.llm.AnswerConfidence(tp.Identity(), "percent"), "score_scale"),
        (lambda: tp.decisions.DecisionPolicy("a", "b"), "calibrator"),
        (lambda: tp.decisions.DecisionPolicy(tp.Identity(), 0.9), "rule"),
        (lambda: tp.decisions.save_policy("a", "p.json"), "policy"),
        (lambda: tp.TemperatureScaling(2.0, classes=["a", "a"]), "classes"),
        (lambda: tp.TemperatureScaling(2.0, classes="ab"), "classes"),
        (lambda: tp.TemperatureScaling(2.0, n_classes=3, classes=["a", "b"]), "classes"),
        (lambda: tp.PlattScaling(1.0, 0.0, n_classes=3), "n_classes"),
    ],
)
def test_a_value_of_the_wrong_type_is_our_error(call, name):
    """What is made of other values says which one is none."""
    with pytest.raises(tp.InvalidInputError, match=f"^`{name}` must"):
        call()
