"""Evaluations and comparisons: intervals that hold, a null band that is one."""

import copy
import json
import pickle

import numpy as np
import pytest

import reference
import temperance as tp
from temperance.metrics.decomposition import miscalibration_p_value
from temperance.metrics.error_measures import top_label_error
from temperance.metrics.estimates import Draws
from temperance.metrics.inputs import Predictions
from temperance.metrics.resampling import Resampling


def ece_of(p, y, n_resamples=200):
    """ECE with interval and null band as `evaluate` gives it, without the rest."""
    rows = Predictions.check(p, y, None, None)
    resampling = Resampling(rows, n_resamples, 0)
    errors = top_label_error(rows, resampling.sums, n_bins=15)
    return Draws.split(errors, n_resamples, doubt=resampling.doubt).calibration_error()


@pytest.fixture(scope="module")
def halves():
    """Raw and calibrated probabilities of the test half of REF-B, with labels."""
    z, y, z_test, y_test = reference.reference_b()
    scaled = tp.TemperatureScaling.fit(z, y).apply(z_test)
    return reference.softmax(z_test), scaled, y_test


def test_every_estimate_lies_in_its_interval(sample):
    """low <= value <= high for every measure, from 1 row to 1,000."""
    for n in (1, 2, 3, 10, 1000):
        z, y = sample(n=n)
        e = tp.evaluate(reference.softmax(z), y)
        for estimate in (e.log_loss, e.brier, e.ece, e.accuracy, e.confidence):
            assert estimate.low <= estimate.value <= estimate.high
        assert 0 <= e.ece_null.mean <= e.ece_null.high <= 1


def test_ece_alone_is_that_of_evaluate(halves):
    """The short way of the simulations below measures what `evaluate` prints."""
    p, _, y = halves
    assert ece_of(p[:500], y[:500]) == tp.evaluate(p[:500], y[:500], n_resamples=200).errors["ece"]


@pytest.mark.parametrize(
    ("n", "mean", "high"),
    [(200, 0.0332, 0.0485), (500, 0.0221, 0.0319), (2000, 0.0112, 0.0162), (5000, 0.0069, 0.0102)],
)
def test_null_band_of_the_reference(halves, n, mean, high):
    """ECE of a perfectly calibrated model with REF-B's calibrated confidences, at four sizes."""
    _, scaled, _ = halves
    rng = np.random.default_rng(0)
    bands = []
    for _ in range(10 if n >= 2000 else 25):
        rows = rng.integers(0, len(scaled), n)
        bands.append(ece_of(scaled[rows], scaled[rows].argmax(axis=1)).null)
    assert np.mean([band.mean for band in bands]) == pytest.approx(mean, rel=0.07)
    assert np.mean([band.high for band in bands]) == pytest.approx(high, rel=0.07)


def test_null_band_from_signs_is_that_from_labels(halves, monkeypatch):
    """Groups of rows that change their sign, used for many rows, give the band of drawn labels."""
    _, scaled, y = halves
    exact = ece_of(scaled, y, 1000).null
    monkeypatch.setattr("temperance.metrics.resampling._DRAWS", 0)
    signed = ece_of(scaled, y, 1000).null
    assert signed != exact
    assert signed.mean == pytest.approx(exact.mean, rel=0.03)
    assert signed.high == pytest.approx(exact.high, rel=0.05)


@pytest.mark.parametrize(("which", "truth"), [(0, 0.0374222943), (1, 0.0167166184)])
def test_ece_interval_covers(halves, which, truth):
    """The interval holds the population's ECE in 90 to 99 % of 150 samples of 500 rows."""
    p, y = halves[which], halves[2]
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(150):
        rows = rng.integers(0, len(y), 500)
        ece = ece_of(p[rows], y[rows]).estimate
        held += ece.low <= truth <= ece.high
    assert 0.90 <= held / 150 <= 0.99


def test_ece_interval_reaches_zero_under_calibration(halves):
    """Labels drawn from the probabilities themselves: 0 is inside in about 95 % of samples."""
    _, scaled, _ = halves
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(100):
        p = scaled[rng.integers(0, len(scaled), 500)]
        y = (p.cumsum(axis=1) < rng.random((500, 1))).sum(axis=1).clip(0, 9)
        held += ece_of(p, y).estimate.low == 0.0
    assert held >= 88


@pytest.mark.slow
@pytest.mark.parametrize(
    ("world", "expected"),
    [("calibrated", 0.047), ("over", 0.993), ("under", 0.480), ("biased", 0.090)],
)
def test_size_and_power_of_resampled_p_values(world, expected):
    """Rejections at 5 % of 1,000 rows of REF-B, as in the table for the ECE; CORP keeps its 5 %.

    The curve is freer than bins, so chance explains more of it: it finds T = 1.2 in two of three.
    """
    z, _, z_test, _ = reference.reference_b()
    pool = np.concatenate([z, z_test]) / 1.735877588761
    biases = np.array([0.0, 0, 0, 0.7, 0, -0.7, 0, 0, 0, 0])
    truth = {"over": lambda z: z / 1.2, "under": lambda z: z / 0.85, "biased": lambda z: z + biases}
    rng, repetitions = np.random.default_rng(23), 120
    rejected = np.zeros(2)
    for seed in range(repetitions):
        drawn = pool[rng.integers(0, len(pool), 1000)]
        q = reference.softmax(truth.get(world, np.asarray)(drawn))
        y = (q.cumsum(axis=1) < rng.random((1000, 1))).sum(axis=1).clip(0, 9)
        resampling = Resampling(
            Predictions.check(reference.softmax(drawn), y, None, None), 200, seed
        )
        errors = top_label_error(resampling.rows, resampling.sums, n_bins=15)
        ece = Draws.split(errors, 200, doubt=resampling.doubt)
        of_curve = miscalibration_p_value(resampling)
        rejected += [ece.p_value() < 0.05, of_curve < 0.05]
    of_ece, of_corp = rejected / repetitions
    variance = max(expected * (1 - expected), 0.05 * 0.95)
    error = np.sqrt(variance / repetitions + variance / 300)  # the table's is of 300 samples
    assert of_ece == pytest.approx(expected, abs=3 * error)
    if world == "calibrated":
        assert of_corp == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / repetitions))
    elif world == "over":
        assert 0.5 < of_corp < of_ece


def test_compare_gives_paired_differences(halves):
    """Calibration changes log loss and ECE for the better beyond doubt, accuracy not at all."""
    raw, scaled, y = halves
    comparison = tp.compare({"before": raw, "after": scaled}, y, n_resamples=200)
    assert comparison.baseline == "before"
    differences = comparison.differences["after"]
    assert differences.log_loss.value == pytest.approx(0.18305966 - 0.22696933, abs=2e-8)
    assert differences.ece.value == pytest.approx(0.0167166184 - 0.0374222943, abs=1e-9)
    verdicts = {
        name: differences.verdict(name) for name in ("log_loss", "brier", "ece", "accuracy")
    }
    assert verdicts == {
        "log_loss": "better", "brier": "better", "ece": "better", "accuracy": "the same",
    }  # fmt: skip


def test_compare_back_is_forth_turned_round(halves):
    """With the other one as the baseline, every interval changes its sign and nothing else."""
    raw, scaled, y = (each[:1000] for each in halves)
    sets = {"before": raw, "after": scaled}
    forth = tp.compare(sets, y, n_resamples=100).differences["after"]
    back = tp.compare(dict(reversed(sets.items())), y, n_resamples=100).differences["before"]
    assert (forth.verdict("log_loss"), back.verdict("log_loss")) == ("better", "worse")
    for measure, difference in forth.measures.items():
        turned = back.measures[measure]
        assert (turned.low, turned.high) == pytest.approx((-difference.high, -difference.low))


def test_no_interval_where_none_covers(sample):
    """Errors of every class's cells or curve: value, null band and p-value, but no ends."""
    z, y = sample(k=3)
    e = tp.evaluate(reference.softmax(z), y, n_resamples=100)
    errors = {**e.errors, "sum": e.brier_parts.miscalibration}
    silent = {name for name, error in errors.items() if error.estimate is None}
    assert silent == {"classwise", "top_label_conditional", "sum"}
    for name in silent:
        shown = errors[name].to_dict()
        assert (shown["low"], shown["high"]) == (None, None)
        assert shown["value"] > shown["null_high"] > 0  # drawn at T = 2
        assert shown["p_value"] < 0.05
    assert e.brier_parts.to_dict()["discrimination"]["low"] is None


def test_paired_error_by_hand(sample):
    """The interval of a difference is that of the mean of the rows' differences."""
    z, y = sample(n=200)
    p, q = reference.softmax(z), reference.softmax(z / 2)
    rows = np.arange(200)
    d = -np.log(q[rows, y]) + np.log(p[rows, y])
    difference = tp.compare({"p": p, "q": q}, y).differences["q"].log_loss
    half = 1.959964 * d.std(ddof=1) / np.sqrt(200)
    assert difference.low <= d.mean() - half + 1e-9  # see tests/metrics/test_implied.py
    assert difference.high == pytest.approx(d.mean() + half, rel=1e-6)


def test_same_probabilities_do_not_differ(sample):
    """Nothing differs from itself: all differences are exactly zero."""
    z, y = sample()
    p = reference.softmax(z)
    d = tp.compare({"a": p, "b": p}, y).differences["b"]
    assert [d.log_loss.value, d.brier.value, d.ece.value, d.accuracy.value] == [0, 0, 0, 0]
    assert {d.verdict(name) for name in ("log_loss", "ece", "accuracy")} == {"the same"}


def test_impossible_labels_are_counted_and_json_stays_json():
    """A label of probability 0: infinite log loss, counted; JSON says null, never Infinity."""
    p = [[1.0, 0.0], [0.5, 0.5], [0.25, 0.75]]
    e = tp.evaluate(p, [1, 0, 1])
    assert e.zero_probability_labels == 1
    assert e.log_loss.value == np.inf
    assert e.score_test is None
    text = json.dumps(e.to_dict(), allow_nan=False)
    assert json.loads(text)["log_loss"] == {"value": None, "low": None, "high": None}
    both = tp.compare({"a": p, "b": p}, [1, 0, 1])
    json.dumps(both.to_dict(), allow_nan=False)
    assert np.isnan(both.differences["b"].log_loss.value)  # infinite less infinite


def flat(content, path=""):
    """Numbers of nested dictionaries and lists by their path."""
    if isinstance(content, dict):
        return {k: v for key in content for k, v in flat(content[key], f"{path}/{key}").items()}
    if isinstance(content, list):
        return flat(dict(enumerate(content)), path)
    return {path: content}


@pytest.mark.parametrize("weighted", [False, True])
def test_a_group_is_its_rows_alone(sample, weighted):
    """Accuracy, confidence and log loss of a group are those of an evaluation of its rows."""
    z, y = sample(seed=2, n=300)
    p, names = reference.softmax(z), np.array(["a", "b", "b"])[np.arange(300) % 3]
    w = np.random.default_rng(0).uniform(0.5, 2, 300) if weighted else None
    groups = tp.evaluate(p, y, weights=w, groups=names, n_resamples=100).groups
    assert {each.name for each in groups} == {"a", "b"}
    for each in groups:
        own = names == each.name
        alone = tp.evaluate(p[own], y[own], weights=None if w is None else w[own], n_resamples=100)
        assert each.n == own.sum()
        for measure in ("accuracy", "confidence", "log_loss"):
            found, expected = (getattr(which, measure).to_dict() for which in (each, alone))
            assert found == pytest.approx(expected, rel=1e-12)
    p_values = [each.score_test.adjusted_p_value for each in groups]
    assert p_values == sorted(p_values)


def test_weights_of_one_are_no_weights(sample):
    """All numbers are the same but for rounding, intervals included."""
    z, y = sample()
    p = reference.softmax(z)
    weighted = flat(tp.evaluate(p, y, weights=np.full(400, 1.0), n_resamples=100).to_dict())
    plain = flat(tp.evaluate(p, y, n_resamples=100).to_dict())
    assert weighted.keys() == plain.keys()
    for name, number in plain.items():
        close = pytest.approx(number, rel=1e-12) if isinstance(number, float) else number
        assert weighted[name] == close, name


def test_results_print_themselves(sample):
    """Text, HTML and a data frame show the same numbers, and nothing that is no number."""
    z, y = sample()
    p = reference.softmax(z)
    names = np.array(["<b>", "[red]", "c", "d"])[np.arange(400) % 4]
    e = tp.evaluate(p, y, groups=names, n_resamples=100)
    c = tp.compare({"raw": p, "T = 2": reference.softmax(z / 2)}, y, n_resamples=100)
    assert f"{e.log_loss.value:.4f}" in str(e)
    assert "[red]" in str(e)  # a name, not markup
    assert "&lt;b&gt;" in e._repr_html_()
    assert c.differences["T = 2"].verdict("log_loss") in str(c)
    for text in (str(e), e._repr_html_(), str(c), c._repr_html_()):
        assert "nan" not in text.lower()


@pytest.mark.parametrize("backend", ["pandas", "polars", "pyarrow"])
def test_results_become_a_frame_of_ones_own(sample, backend):
    """One row per measure, in the library asked for."""
    pytest.importorskip("narwhals")
    module = pytest.importorskip(backend)
    z, y = sample()
    p = reference.softmax(z)
    e = tp.evaluate(p, y, n_resamples=100)
    frame = e.to_frame(backend)
    assert type(frame).__module__.startswith(module.__name__)
    assert next(iter(frame["value"])) == pytest.approx(e.log_loss.value) or backend == "pyarrow"
    of = dict(zip(*(map(str, frame[name].to_numpy()) for name in ("measure", "adjusted_p_value")),
                  strict=True))  # fmt: skip
    for name in ("ece", "miscalibration"):
        assert float(of[name]) == e.tests.adjusted_p_values[name]
    assert of["smooth"] in {"nan", "None"}  # none of the tests
    both = tp.compare({"a": p, "b": p}, y, n_resamples=100)
    assert both.to_frame(backend).shape[0] == len(both.differences["b"].measures)
    with pytest.raises(tp.InvalidInputError, match="backend"):
        e.to_frame("excel")


def test_compare_refuses():
    """One set, and sets of different shape."""
    with pytest.raises(tp.InvalidInputError, match="at least two"):
        tp.compare({"a": [[0.5, 0.5]]}, [0])
    with pytest.raises(tp.InvalidInputError, match="same shape"):
        tp.compare({"a": [[0.5, 0.5]], "b": [[0.5, 0.25, 0.25]]}, [0])


MEASURED = ("log_loss", "ece")


def test_only_the_measures_asked_for_are_shown(halves):
    """Tables, frames and JSON hold them alone, with the numbers that `evaluate` gives without."""
    raw, scaled, y = halves
    all_of_it, some = tp.evaluate(raw, y), tp.evaluate(raw, y, measures=MEASURED)
    whole, part = all_of_it.to_dict(), some.to_dict()
    assert part.pop("measures") == list(MEASURED)
    assert part.pop("calibration_errors") == {"ece": whole["calibration_errors"]["ece"]}
    assert part == {key: whole[key] for key in part}
    assert {"brier", "tests", "corp", "per_class", "base_rates"}.isdisjoint(part)
    assert some.columns()["measure"] == list(MEASURED)
    assert "Brier" not in str(some)
    assert "calibration was not tested" in some.in_words().lower()
    assert some.brier == all_of_it.brier  # read all the same
    pair = tp.compare({"before": raw, "after": scaled}, y, measures=MEASURED)
    assert list(pair.differences["after"].measures) == list(MEASURED)
    assert pair.evaluations["after"].measures == MEASURED
    blocks = tp.evaluate_blocks([(raw, y)], measures=MEASURED)
    assert set(blocks.to_dict()) == {*part, "measures", "calibration_errors"}


@pytest.mark.parametrize(
    ("measures", "message"),
    [
        ("ece", "`measures` must be names of measures"),
        ((), "one or more"),
        (("ECE",), "must be one of log_loss, brier"),
        (5, "`measures` must be names of measures"),
        ((None,), "got None"),
    ],
)
def test_measures_are_names(measures, message):
    """Each is refused with what the names are."""
    for ask in (
        lambda: tp.evaluate([0.5, 0.5], [0, 1], measures=measures),
        lambda: tp.evaluate_blocks([([0.5, 0.5], [0, 1])], measures=measures),
        lambda: tp.compare({"a": [0.5, 0.5], "b": [0.4, 0.5]}, [0, 1], measures=measures),
    ):
        with pytest.raises(tp.InvalidInputError, match=message):
            ask()


@pytest.mark.parametrize(
    "measures", [["log_loss"], ["weak_calibration"], ["base_rates"], ["tests"]]
)
def test_values_of_some_measures_are_whole(measures, sample):
    """Of arrays and of blocks: copied, pickled, compared and printed like any other."""
    z, y = sample(n=300, k=2)
    p = reference.softmax(z)
    for value in (
        tp.evaluate(p, y, n_resamples=100, measures=measures),
        tp.evaluate_blocks([(p, y)], n_resamples=100, measures=measures),
        tp.compare_blocks(
            [(z, y)], {"a": None, "b": tp.TemperatureScaling(2.0)}, n_resamples=100,
            measures=measures,
        ),
    ):  # fmt: skip
        for other in (pickle.loads(pickle.dumps(value)), copy.copy(value), copy.deepcopy(value)):  # noqa: S301
            assert other == value
        assert repr(value)
    blocks = tp.evaluate_blocks([(p, y)], n_resamples=100, measures=measures)
    assert (blocks.tests.joint.statistic is None) == (measures != ["tests"])
    if measures == ["weak_calibration"]:
        assert "observed : expected" in str(blocks)
    if measures == ["base_rates"]:
        assert "class frequencies alone" in str(blocks)


def test_what_hands_out_its_own_array_is_copied(sample):
    """An object with `__array__` may give the very array that it goes on to change."""

    class Handle:
        def __init__(self, values):
            self.values = values

        def __array__(self, dtype=None, copy=None):
            return self.values if dtype is None else self.values.astype(dtype, copy=False)

        def __len__(self):
            return len(self.values)

    z, y = sample(n=200, k=3)
    p, w = reference.softmax(z), np.linspace(0.5, 2.0, 200)
    expected = tp.evaluate(p.copy(), y.copy(), weights=w.copy(), n_resamples=100).to_dict()
    later = tp.evaluate(Handle(p), Handle(y), weights=Handle(w), n_resamples=100)
    p[:], y[:], w[:] = 1.0 / 3.0, 0, 1.0
    assert later.to_dict() == expected
