"""`event=`, `classes=` and `ignore_label=`: of every public function that takes labels."""

import inspect
import re
from functools import partial
from itertools import pairwise

import numpy as np
import pytest

import reference
import temperance as tp
from reference import sigmoid
from temperance import metrics
from temperance.calibrators.methods import METHODS
from temperance.errors import InvalidInputError, NoOptimumError

N = 60


@pytest.fixture(scope="module")
def two_classes():
    """Log-odds and labels of 400 rows of two classes that are too sure of themselves."""
    rng = np.random.default_rng(5)
    odds = rng.normal(-0.5, 2.0, 400)
    return odds, (rng.random(400) < 1 / (1 + np.exp(-0.5 * odds))).astype(int)


def _public():
    """Every public function and class method that takes labels, by its name."""
    found = {}
    parts = [tp, metrics, tp.plots, tp.decisions, tp.llm, tp.shift]
    for part in parts:
        for name in part.__all__:
            value = getattr(part, name)
            if inspect.isclass(value):
                members = {f"{name}.{m}": getattr(value, m) for m in dir(value) if m[0] != "_"}
            else:
                members = {name: value} if inspect.isfunction(value) else {}
            found |= {
                called: function
                for called, function in members.items()
                if callable(function) and "labels" in _parameters(function)
            }
    return found


def _parameters(function):
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}


# Of places among the tokens shown (-1: not shown), of a rule that has to be there first, and of
# matrices of labels, which have tests of their own; and of a store, which meets predictions.
APART = {
    "TopKTemperature.fit",
    "label_positions",
    "Abstention.measure",
    "MultilabelScaling.fit",
    "compare_label_ways",
    "select_labels",
    "AnswerConfidence.around",
    "Monitor.label",
    "Bands.measure",  # of a rule
    "pass_rate",  # what people say of rows that a judge judged
    "compare_pass_rates",
    "plan_pass_rate",
}
FUNCTIONS = {name: each for name, each in _public().items() if name not in APART}


def _arguments(name, function, scores, labels):
    """What the function needs besides labels, from logits of shape (n, k)."""
    probs = reference.softmax(scores)
    groups = np.arange(len(labels)) // 3 % 2
    given = {"logits": scores, "probs": probs, "members": [scores, 1.5 * scores], "costs": 0.1}
    given |= {"models": {"a": scores, "b": 2 * scores}, "reference": scores, "new": scores}
    given |= {"groups": groups, "max_risk": 0.9, "n_resamples": 100, "seed": 0}
    given |= {"min_recall": 0.01, "risks": [0.9]}
    if name in ("compare", "CalibrationCurvesDisplay.from_predictions"):
        given["probs"] = {"a": probs, "b": probs[:, ::-1]}
    needed = _parameters(function)
    return {key: value for key, value in given.items() if key in needed}


OF_TWO = {f"{method}.fit" for method in ("BetaCalibration", "PlattScaling", "VennAbers")}


def _call(name, labels, **options):
    rng = np.random.default_rng(2)
    truth = rng.integers(3, size=N)
    if name in OF_TWO:
        truth = truth % 2
        scores = rng.normal(size=(N, 2)) + 1.5 * np.eye(2)[truth]
        options = {k: v[:2] if k == "classes" else v for k, v in options.items()}
    else:
        scores = rng.normal(size=(N, 3)) + 1.5 * np.eye(3)[truth]
    function = FUNCTIONS[name]
    return function(labels=labels(truth), **_arguments(name, function, scores, truth), **options)


# What is wrong with the first rows' labels, and the message's advice, which must work.
def _void(truth):
    return np.where(np.arange(N) < 2, -100, truth)


def _odd(truth):
    return np.where(np.arange(N) < 2, 7, truth)


def _unknown(truth):
    return np.where(np.arange(N) < 2, "unknown", np.array(["a", "b", "c"])[truth])


def _nan(truth):
    return np.where(np.arange(N) < 2, np.nan, truth)


def _names(truth):
    return np.array(["a", "b", "c"])[truth]


NAMED = {"classes": ["a", "b", "c"]}
WRONG = {
    "-100": (_void, {}),
    "7": (_odd, {}),
    "unknown": (_unknown, NAMED),
    "nan": (_nan, {"classes": [0, 1, 2]}),
    "names": (_names, {}),
}
EQUAL_WEIGHTS = {"abstain", "bands", "coverage_table", "fit_policy"}
NO_CLASSES = {"dense_rows"}  # only cuts labels and rows to shape
MATRICES = {"multilabel_rows", "dense_rows"}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", sorted(FUNCTIONS.keys() - MATRICES))
def test_no_error_advises_an_option_that_does_not_exist(name, wrong):
    """What a message says to pass can be passed, and then the call works."""
    labels, options = WRONG[wrong]
    with pytest.raises(InvalidInputError) as caught:
        _call(name, labels, **options)
    message = str(caught.value)
    assert "row 0 " in message
    advised = dict(re.findall(r"`(\w+)=([^`]+)`", message))
    if "in Python also `classes=`" in message:
        advised["classes"] = "['a', 'b', 'c']"
    assert set(advised) <= set(_parameters(FUNCTIONS[name]))
    assert advised or "in Python labels == " in message
    if not advised:
        return
    given = {key: eval(value, {"float": float}) for key, value in advised.items()}  # noqa: S307
    _call(name, labels, **options, **given)


@pytest.mark.parametrize("name", sorted(FUNCTIONS.keys() - MATRICES))
def test_rows_without_a_label_are_as_if_they_were_not_there(name):
    """Left out of scores, weights, groups and clusters alike."""

    def seen(labels, places, **more):
        rng, k = np.random.default_rng(2), 2 if name in OF_TWO else 3
        truth = rng.integers(k, size=N)
        scores = rng.normal(size=(N, k)) + 1.5 * np.eye(k)[truth]
        extra = {
            "weights": np.where(np.arange(N) % 3, 1.0, 1.0 if name in EQUAL_WEIGHTS else 2.0),
            "clusters": np.arange(N) // 2,
            "new_clusters": np.arange(N) // 2,
        }
        function = FUNCTIONS[name]
        given = _arguments(name, function, scores, truth)
        given |= {k: v for k, v in extra.items() if k in _parameters(function)}
        if "new_labels" in _parameters(function):
            given["new_labels"] = labels(truth)
        for key, value in given.items():
            if isinstance(value, dict):
                given[key] = {k: v[places] for k, v in value.items()}
            elif isinstance(value, list) and key != "risks":
                given[key] = [v[places] for v in value]
            elif isinstance(value, np.ndarray) and not (key == "new" and "label_shift" in name):
                given[key] = value[places]
        if "new_labels" in given:
            given["new_labels"] = labels(truth)[places]
        return function(labels=labels(truth)[places], **given, **more)

    whole = seen(_void, np.arange(N), ignore_label=-100)
    assert _text(whole) == _text(seen(_void, np.arange(2, N)))


def _text(value):
    """A result as text, without what a plot keeps of its figure."""
    if hasattr(value, "alt_text"):
        return value.alt_text()
    found = value.to_dict() if hasattr(value, "to_dict") else value
    return re.sub(r"fitted_at=[^,]*|'fitted_at': [^,]*", "", str(found))


def test_a_row_is_named_as_it_was_given():
    """Rows that are left out count in the number of the first bad one."""
    probs = np.full((4, 3), 1 / 3)
    for function in (metrics.log_loss, metrics.score_test, tp.evaluate):
        with pytest.raises(InvalidInputError, match="row 3 holds 9"):
            function(probs, [-1, 0, 1, 9], ignore_label=-1)
        with pytest.raises(InvalidInputError, match=r"`weights` .* row 2 has -1"):
            function(probs, [-1, 0, 1, 2], weights=[-5, 1, -1, 1], ignore_label=-1)
    with pytest.raises(InvalidInputError, match="row 3 holds 9"):
        tp.TemperatureScaling.fit(np.eye(4, 3), [-1, 0, 1, 9], ignore_label=-1)
    with pytest.raises(InvalidInputError, match="leaves no row: all 4 labels are -1"):
        metrics.log_loss(probs, [-1] * 4, ignore_label=-1)


@pytest.mark.parametrize("name", ["fit_blocks", "evaluate_blocks", "compare_blocks"])
def test_blocks_leave_rows_out_too(name):
    """As the message advises: whole blocks of them as well, and rows keep their numbers."""
    rng = np.random.default_rng(4)
    y = rng.integers(3, size=N)
    z = rng.normal(size=(N, 3)) + np.eye(3)[y]
    function = getattr(tp, name, None) or getattr(tp.TemperatureScaling, name)
    sides = {"a": None, "b": tp.TemperatureScaling(2.0)}
    more = {
        "fit_blocks": {},
        "evaluate_blocks": {"kind": "logits", "n_resamples": 100},
        "compare_blocks": {"calibrators": sides, "n_resamples": 100},
    }[name]
    void = np.where((np.arange(N) < 20) | (np.arange(N) == 25), -1, y)
    blocks = [(z[i : i + 20], void[i : i + 20]) for i in range(0, N, 20)]
    with pytest.raises(InvalidInputError, match=re.escape("`ignore_label=-1`")):
        function(blocks, **more)
    found = function(blocks, ignore_label=-1, **more)
    keep = void >= 0
    parts = (slice(0, 0), slice(0, 19), slice(19, 39))
    kept = [(z[keep][part], y[keep][part]) for part in parts]
    assert _text(found) == _text(function(kept, **more))
    void[27] = 9
    blocks = [(z[i : i + 20], void[i : i + 20]) for i in range(0, N, 20)]
    with pytest.raises(InvalidInputError, match=r"Block 1 .* row 7 holds 9"):
        function(blocks, ignore_label=-1, **more)


@pytest.mark.parametrize("method", [m for m in METHODS if m != "ensemble"])
def test_every_calibrator_leaves_rows_out(method):
    """Also those that are fitted with groups."""
    more = {"groups": np.arange(N) % 2} if method == "group-temperature" else {}
    rng = np.random.default_rng(3)
    z, y = rng.normal(size=(N, 2)), rng.integers(2, size=N)
    fit = partial(METHODS[method].fit, **more)
    if method in ("matrix", "vector", "bias-corrected-temperature"):
        z = z + np.eye(2)[y]
    try:
        one = fit(z, np.where(np.arange(N) < 3, -1, y), ignore_label=-1)
    except NoOptimumError:
        pytest.skip("these rows have no optimum")
    more = {k: v[3:] for k, v in more.items()}
    other = METHODS[method].fit(z[3:], y[3:], **more)
    assert np.array_equal(one.scale(z), other.scale(z))


# --- event ---------------------------------------------------------------------------------------

ERRORS = [
    metrics.expected_calibration_error,
    metrics.smooth_calibration_error,
    metrics.ks_calibration_error,
    metrics.sweep_calibration_error,
]


@pytest.mark.parametrize("error", ERRORS)
def test_an_event_is_the_predicted_class_or_one_of_them(two_classes, error):
    """Class 1 of two is what a model of "predicted" is that always predicts it; 0 its mirror."""
    odds, y = two_classes
    p = sigmoid(odds)
    assert error(p, y) == error(p, y, event="predicted")
    sure = np.abs(p - 0.5) + 0.5
    assert error(p, y) == pytest.approx(error(sure, (p > 0.5) == y, event=1), abs=2e-3)
    assert error(p, y, event=1) == pytest.approx(error(1 - p, 1 - y, event=1), abs=2e-2)
    assert error(p, y, event=1) != pytest.approx(error(p, y), abs=1e-4)
    names = ["ill", "well"]
    labels = np.array(names)[y]
    assert error(p, labels, classes=names, event="well") == error(p, y, event=1)
    for bad in (2, -1, "dead", True, 0.5, None if error is ERRORS[0] else "top"):
        if bad is not None:
            with pytest.raises(InvalidInputError, match='`event` must be "predicted" or a class'):
                error(p, y, event=bad)


def test_a_class_called_by_a_number_is_meant_by_it():
    """As labels are: names come before positions."""
    p, y = [0.9, 0.2], ["2", "1"]
    one = metrics.expected_calibration_error(p, y, classes=[1, 2], event=1)
    assert one == metrics.expected_calibration_error(p, y, classes=[1, 2], event="1")
    assert one == metrics.expected_calibration_error(p, [1, 0], event=0)
    with pytest.raises(InvalidInputError, match="a class among '1', '2', got 0"):
        metrics.expected_calibration_error(p, y, classes=[1, 2], event=0)
    assert metrics.expected_calibration_error(
        p, ["b", "a"], classes=["a", "b"], event=1
    ) == metrics.expected_calibration_error(p, [1, 0], event=1)


@pytest.mark.parametrize(("binning", "strategy"), [("equal-width", "uniform")])
@pytest.mark.parametrize("n_bins", [5, 10, 15])
def test_the_curve_of_class_1_is_scikit_learns(two_classes, n_bins, binning, strategy):
    """Its calibration_curve, bin by bin."""
    theirs = pytest.importorskip("sklearn.calibration")
    odds, y = two_classes
    p = sigmoid(odds)
    happened, said = theirs.calibration_curve(y, p, n_bins=n_bins, strategy=strategy)
    curve = metrics.reliability_curve(p, y, event=1, n_bins=n_bins, binning=binning)
    assert curve.confidence == pytest.approx(said)
    assert curve.accuracy == pytest.approx(happened)


@pytest.mark.parametrize("norm", [1.0, 2.0, np.inf])
@pytest.mark.parametrize("n_bins", [1, 7, 15])
def test_the_error_of_class_1_is_torchmetrics(two_classes, n_bins, norm):
    """Its binary_calibration_error: written out here, as probabilities of class 1 in [a, b)."""
    odds, y = two_classes
    p = sigmoid(odds)
    which = np.minimum((p * n_bins).astype(int), n_bins - 1)
    gaps = [
        (np.mean(which == b), abs(p[which == b].mean() - y[which == b].mean()))
        for b in np.unique(which)
    ]
    if norm == np.inf:
        expected = max(gap for _, gap in gaps)
    else:
        expected = sum(share * gap**norm for share, gap in gaps) ** (1 / norm)
    found = metrics.expected_calibration_error(p, y, event=1, n_bins=n_bins, norm=norm)
    assert found == pytest.approx(expected)


def test_other_errors_of_class_1_by_their_definitions(two_classes):
    """The largest running sum of y - p, and the sweep's bins, row by row."""
    odds, y = two_classes
    p = sigmoid(odds)
    order = np.argsort(p)
    running = np.abs(np.cumsum((y - p)[order])).max() / len(y)
    assert metrics.ks_calibration_error(p, y, event=1) == pytest.approx(running)
    last = None
    for n_bins in range(1, len(y) + 1):
        cuts = np.arange(n_bins + 1) * len(y) // n_bins
        parts = [order[a:b] for a, b in pairwise(cuts)]
        rates = [y[part].mean() for part in parts]
        if any(b < a for a, b in pairwise(rates)):
            break
        last = sum(abs((y - p)[part].sum()) for part in parts) / len(y)
    assert metrics.sweep_calibration_error(p, y, event=1) == pytest.approx(last, abs=2e-2)


def test_the_diagram_says_what_its_axes_are(two_classes):
    """Of a class: its probability, and how often it is the true one."""
    odds, y = two_classes
    names = ["ill", "well"]
    shown = tp.plots.ReliabilityDisplay.from_predictions(
        sigmoid(odds), np.array(names)[y], classes=names, event="well", n_bins=5
    )
    assert shown.ax_.get_xlabel() == "Probability of class well"
    assert "How often it is class well against its probability" in shown.alt_text()[1]
    plain = tp.plots.ReliabilityDisplay.from_predictions(sigmoid(odds), y)
    assert plain.ax_.get_xlabel() == "Probability of class 1"
    three = tp.plots.ReliabilityDisplay.from_predictions(np.full((30, 3), 1 / 3), [0, 1, 2] * 10)
    assert three.ax_.get_xlabel() == "Confidence: what the model says"
