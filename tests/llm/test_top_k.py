"""A temperature from top-k log-probabilities, and bounds on what it makes of them."""

import inspect
import json
import re

import numpy as np
import pytest

import reference
import temperance as tp
from temperance.llm import TopKTemperature, label_positions

TRUTH = 1.5
VOCABULARY = 2000


def vocabulary_rows(n, *, size=VOCABULARY, seed=0):
    """Log-probabilities of Zipf's shape with noise, (n, size), some rows steeper than others."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, size))
    z -= rng.uniform(1.2, 2.2, size=(n, 1)) * np.log(np.arange(1, size + 1))
    return z - np.logaddexp.reduce(z, axis=1)[:, None], rng


def shown(logprobs, k=20):
    """Which tokens a server would show, most likely first, and their log-probabilities."""
    order = np.argsort(-logprobs, axis=1)[:, :k]
    return order, np.take_along_axis(logprobs, order, axis=1)


def drawn(n, seed=0, truth=TRUTH, k=20):
    """Top-k rows whose true tokens were drawn at a known temperature, in blocks."""
    tops, places, labels = [], [], []
    for block in range(0, n, 2000):
        logprobs, rng = vocabulary_rows(min(2000, n - block), seed=(seed, block))
        y = (logprobs / truth + rng.gumbel(size=logprobs.shape)).argmax(axis=1)
        order, top = shown(logprobs, k)
        hit = order == y[:, None]
        tops.append(top)
        places.append(np.where(hit.any(axis=1), hit.argmax(axis=1), -1))
        labels.append(y)
    return np.concatenate(tops), np.concatenate(places)


def with_temperature(temperature):
    return TopKTemperature(scaling=tp.TemperatureScaling(temperature))


@pytest.fixture(scope="module")
def rows(request):
    """Rows of 2,000 tokens: 20,000 for slow tests alone, 6,000 beside others, 2,000 without."""
    asked = request.config.getoption("markexpr")
    return drawn({"slow": 20_000, "not slow": 2_000}.get(asked, 6_000))


@pytest.mark.slow
def test_the_truth_is_found_from_the_shown_tokens(rows):
    """T = 1.5 within its own interval; 58 % of the rows show their true token."""
    found = TopKTemperature.fit(*rows)
    low, high = found.interval(0.999)
    assert low < TRUTH < high
    assert found.record.n == (rows[1] >= 0).sum() == found.n - found.n_not_shown
    assert found.record.n / found.n == pytest.approx(0.58, abs=0.02)
    n = len(rows[0])  # the reference: .0117 for 20,000 rows of its own make
    assert found.record.standard_error == pytest.approx(0.0117 * np.sqrt(20_000 / n), rel=0.25)


@pytest.mark.slow
def test_lumping_the_rest_into_one_class_is_biased(rows):
    """What is not offered: a class "other" gives about 1.34; without the rows it wins, over 1.5."""
    top, places = rows
    rest = np.log1p(-np.exp(top).sum(axis=1))
    lumped = np.c_[top, rest]
    labels = np.where(places >= 0, places, top.shape[1])
    biased = reference.temperature(lumped, labels)
    error = TopKTemperature.fit(top, places).record.standard_error
    assert biased == pytest.approx(1.34, abs=0.05)
    assert biased < TRUTH - 5 * error
    kept = places >= 0
    assert (
        reference.temperature(lumped[kept], labels[kept]) > TopKTemperature.fit(*rows).temperature
    )


@pytest.mark.slow
def test_intervals_hold_the_truth(request):
    """The 95 % interval holds T = 1.5 as often as it says: 100 samples of 1,500 rows; here 40."""
    slow = "slow" in request.config.getoption("markexpr")
    count, n = (100, 1500) if slow else (40, 500)
    tops, places = drawn(count * n, seed=5)
    inside = 0
    for first in range(0, count * n, n):
        part = slice(first, first + n)
        low, high = TopKTemperature.fit(tops[part], places[part]).interval()
        inside += low <= TRUTH <= high
    assert inside / count >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / count)


@pytest.mark.parametrize(
    ("beta", "true", "low", "high", "renormalised"),
    [
        (0.667, 0.2010, 0.1504, 0.2530, 0.3244),
        (0.5, 0.0818, 0.0404, 0.1614, 0.2323),
        (1.3, 0.5903, 0.5759, 0.5999, 0.6114),
    ],
)
def test_bounds_of_the_reference(beta, true, low, high, renormalised):
    """Mean probability of the most likely token, beside the reference's (whose rows differ)."""
    logprobs, _ = vocabulary_rows(2000)
    order, top = shown(logprobs)
    truth = np.take_along_axis(reference.softmax(beta * logprobs), order, axis=1)
    bounds = with_temperature(1 / beta).apply(top, vocabulary=VOCABULARY)
    means = [each[:, 0].mean() for each in (truth, bounds.low, bounds.high)]
    means.append(reference.softmax(beta * top)[:, 0].mean())
    assert means == pytest.approx([true, low, high, renormalised], abs=0.015)
    assert means[1] < means[0] < means[2] < means[3]
    assert not bounds.exact.any()
    assert not bounds.one_sided.any()


@pytest.mark.parametrize("beta", [0.05, 0.3, 0.667, 0.999, 1.0, 1.001, 1.3, 4.0, 60.0])
def test_the_truth_lies_inside_whatever_the_rows(beta):
    """Flat, steep and heavy-tailed rows of 3 to 300 tokens, k from 1 to all of them."""
    rng = np.random.default_rng(7)
    for _ in range(60):
        size = int(rng.integers(3, 300))
        k = int(rng.integers(1, size + 1))
        z = rng.choice([0.3, 1.0, 4.0]) * rng.standard_t(rng.choice([2, 30]), size=(5, size))
        logprobs = z - np.logaddexp.reduce(z, axis=1)[:, None]
        order, top = shown(logprobs, k)
        truth = np.take_along_axis(reference.softmax(beta * logprobs), order, axis=1)
        for vocabulary in (size, None):
            bounds = with_temperature(1 / beta).apply(top, vocabulary=vocabulary)
            assert bounds.exact.all() == (k == vocabulary)
            assert bounds.exact.any() == (k == vocabulary)
            assert (truth <= bounds.high * (1 + 1e-9) + 1e-300).all()
            assert (truth + 1e-300 >= bounds.low * (1 - 1e-9)).all()
            assert (bounds.low <= bounds.high).all()
            assert ((bounds.low >= 0) & (bounds.high <= 1)).all()


def test_bounds_can_be_reached():
    """Both ends are those of tails that exist: 64 equal tokens, or as few as the least allows."""
    even = np.log(np.r_[0.5, np.full(64, 0.5 / 64)])
    few = np.log(np.r_[0.5, 0.125, np.full(3, 0.125)])
    for temperature in (2.0, 0.5):
        found = with_temperature(temperature)
        end = "low" if temperature > 1 else "high"
        other = "high" if temperature > 1 else "low"
        truth = reference.softmax(even[None] / temperature)[0, 0]
        assert getattr(found.apply([even[:1]], vocabulary=65), end)[0, 0] == pytest.approx(
            truth, rel=1e-5
        )
        truth = reference.softmax(few[None] / temperature)[0, 0]
        assert getattr(found.apply([few[:2]], vocabulary=5), other)[0, 0] == pytest.approx(
            truth, rel=1e-5
        )


def test_exact_where_all_options_are_shown():
    """V = k, also of ragged rows; a sum of 1 alone says nothing, for tokens may hide in it."""
    rng = np.random.default_rng(3)
    z = rng.normal(size=(50, 4))
    logprobs = z - np.logaddexp.reduce(z, axis=1)[:, None]
    truth = reference.softmax(logprobs / 2)
    bounds = with_temperature(2.0).apply(logprobs, vocabulary=4)
    assert bounds.exact.all()
    assert bounds.low == pytest.approx(truth, abs=1e-12)
    assert (bounds.low == bounds.high).all()
    assert not with_temperature(2.0).apply(logprobs).exact.any()
    single = logprobs.astype(np.float32)
    assert not with_temperature(2.0).apply(single, vocabulary=1000).exact.all()
    assert with_temperature(2.0).apply(single, vocabulary=4).exact.all()
    ragged = [[-0.5, np.log1p(-np.exp(-0.5))], list(logprobs[0]), [-0.1, -3.0]]
    bounds = with_temperature(2.0).apply(ragged, vocabulary=[2, 4, 9])
    assert bounds.exact.tolist() == [True, True, False]
    assert (bounds.high[0, 2:] == 0).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("row", [[0.0], [0.0, -9999.0, -9999.0], [0.0, -800.0], [-1e-9, -87.0]])
def test_a_certain_row_is_not_exact(row, dtype):
    """Its numbers hide what rounding hides: with 100,000 tokens a tenth at T = 2, or anything."""
    row = np.array([row], dtype=dtype)
    soft = with_temperature(2.0)
    bounds = soft.apply(row)
    assert not bounds.exact.any()
    assert bounds.low[0, 0] == 0.0
    assert bounds.high[0, 0] == 1.0
    of_many = soft.apply(row, vocabulary=100_000)
    assert 0.0 < of_many.low[0, 0] < 0.905
    assert np.isfinite(of_many.high).all()
    assert (of_many.low <= of_many.high).all()


def of_forty_digits(logits, beta):
    """Softmax of beta times log-softmax, by mpmath."""
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(40):
        top = max(logits)
        powers = [mpmath.exp(beta * (mpmath.mpf(float(z)) - top)) for z in logits]
        whole = mpmath.fsum(powers)
        sums = mpmath.fsum(mpmath.exp(mpmath.mpf(float(z)) - top) for z in logits)
        logs = [float(mpmath.mpf(float(z)) - top - mpmath.log(sums)) for z in logits]
        return np.array([float(each / whole) for each in powers]), np.array(logs)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "list of float32"])
def test_the_bounds_hold_what_forty_digits_say(dtype):
    """Random rows, flat to certain, of 2 to 40 tokens, rounded to the dtype that is given."""
    rng = np.random.default_rng(len(dtype))
    exact = 0
    for _ in range(250):
        size = int(rng.integers(2, 41))
        k = int(rng.integers(1, min(size, 10) + 1))
        z = rng.choice([0.3, 1.0, 4.0, 15.0]) * rng.standard_t(rng.choice([2, 30]), size=size)
        z = -np.sort(-z)
        z = np.maximum(z, z[0] - 85.0)  # above what servers write for "impossible"
        beta = float(rng.choice([0.2, 0.5, 0.8, 1.0, 1.5, 4.0]))
        truth, logs = of_forty_digits(z, beta)
        shown_logs = logs[:k].astype(dtype.rsplit(" ", 1)[-1])[None]
        top = shown_logs.tolist() if dtype.startswith("list") else shown_logs
        slack = 3e-5 if dtype.startswith("list") else 1e-12  # printed, they say not how they round
        for vocabulary in (size, None, 3 * size):
            if vocabulary == 3 * size and k == size:
                continue
            bounds = with_temperature(1.0 / beta).apply(top, vocabulary=vocabulary)
            exact += int(bounds.exact.sum())
            assert bounds.exact[0] == (vocabulary == k)
            assert (bounds.low[0] * (1.0 - slack) <= truth[:k]).all()
            assert (truth[:k] <= bounds.high[0] * (1.0 + slack)).all()
            assert (bounds.low <= bounds.high).all()
    assert exact >= 5


def test_what_is_known_without_the_vocabulary():
    """With T > 1 only the upper end; with T < 1 both, the upper one that of renormalising."""
    row = [[-0.5, -2.0]]
    soft, sharp = with_temperature(2.0), with_temperature(0.5)
    assert soft.apply(row).one_sided.tolist() == [True]
    assert soft.apply(row).low.tolist() == [[0.0, 0.0]]
    assert soft.apply(row).high == pytest.approx(soft.apply(row, vocabulary=10**9).high)
    assert soft.apply(row, vocabulary=10**15).low[0, 0] < 1e-5
    assert not sharp.apply(row).one_sided.any()
    assert sharp.apply(row).high == pytest.approx(reference.softmax(2 * np.array(row)))
    assert sharp.apply(row).low == pytest.approx(sharp.apply(row, vocabulary=10**9).low)
    assert soft.apply(row).to_dict()["low"] == [None]
    assert "from above only" in str(soft.apply(row))


def test_temperature_one_changes_nothing():
    """T = 1 gives the probabilities shown, known exactly or not."""
    row = np.array([[-0.5, -2.0]])
    bounds = with_temperature(1.0).apply(row, vocabulary=50_000)
    assert bounds.low == pytest.approx(np.exp(row), rel=1e-12)
    assert bounds.high == pytest.approx(np.exp(row), rel=1e-12)


def test_a_certain_model_is_bounded_by_the_rounding_of_its_numbers():
    """A row that sums to 1 in float32 may hide 1e-7, which matters at T = 2."""
    top = np.array([[-1e-8, -20.0]], dtype=np.float32)
    bounds = with_temperature(2.0).apply(top, vocabulary=200_000)
    assert bounds.high[0, 0] > 0.99
    assert bounds.low[0, 0] < 0.9
    half = with_temperature(2.0).apply(top.astype(np.float16), vocabulary=200_000)
    assert half.low[0, 0] < bounds.low[0, 0]


def test_ragged_rows_padding_and_order(rows):
    """Lists of different lengths, -inf padding and any order of the tokens give the same T."""
    top, places = rows[0][:500], rows[1][:500]
    cut = [list(row[: 3 + i % 18]) for i, row in enumerate(top)]
    kept = np.array([y if y < len(row) else -1 for y, row in zip(places, cut, strict=True)])
    found = TopKTemperature.fit(cut, kept)
    padded = np.array([row + [-np.inf] * (20 - len(row)) for row in cut])
    assert TopKTemperature.fit(padded, kept).temperature == found.temperature
    mirrored = np.where(kept >= 0, 19 - kept, -1)
    again = TopKTemperature.fit(padded[:, ::-1], mirrored)
    assert again.temperature == pytest.approx(found.temperature, rel=1e-9)


def test_fit_is_the_conditional_likelihood(rows):
    """The minimum of a slow search over the kept rows, weights and prior included."""
    top, places = rows[0][:400], rows[1][:400]
    kept = places >= 0
    weights = 1.0 + np.arange(400) % 3
    found = TopKTemperature.fit(top, places, weights=weights, prior=2.0)
    w = weights[kept] * weights[kept].sum() / (weights[kept] ** 2).sum()  # effective rows
    slow = reference.temperature(top[kept], places[kept], w, prior=2.0)
    assert found.temperature == pytest.approx(slow, rel=1e-6)


@pytest.mark.parametrize("stand_in", [-9999.0, -1000.0, -100.0, -88.5])
def test_sentinels_count_as_not_shown(stand_in):
    """No float32 is below e^-88: neither a shown label nor part of any sum, in any dtype."""
    rng = np.random.default_rng(0)
    with_it = np.log([[0.6, 0.3, 1.0]] * 60)
    with_it[:, 2] = stand_in
    labels = rng.choice([0, 1], p=[0.8, 0.2], size=60)
    labels[:2] = 2
    found = TopKTemperature.fit(with_it, labels)
    without = TopKTemperature.fit(with_it[:, :2], np.where(labels == 2, -1, labels))
    assert found.temperature == without.temperature
    assert (found.n, found.n_not_shown, found.n_sentinels) == (60, 2, 60)
    for dtype in (np.float32, np.float16):
        assert TopKTemperature.fit(with_it.astype(dtype), labels).n_sentinels == 60
    bounds = with_temperature(2.0).apply(with_it[:1], vocabulary=100)
    assert bounds.low[0, 2] == 0
    roots = np.sqrt([0.6, 0.3, 0.1])  # the token may be all that is left
    assert bounds.high[0, 2] == pytest.approx(roots[2] / roots.sum(), rel=1e-6)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_bounds_of_sentinels_hold_what_the_token_is(temperature):
    """Whatever a token hides behind -100, its calibrated probability lies below its bound."""
    rng = np.random.default_rng(1)
    z = rng.normal(size=(300, 12)) * 3
    z -= np.logaddexp.reduce(z, axis=1)[:, None]
    z = -np.sort(-z, axis=1)
    top = z[:, :4].copy()
    top[:, 3] = -100.0
    bounds = with_temperature(temperature).apply(top, vocabulary=12)
    truth = reference.softmax(z / temperature)[:, :4]
    assert (truth <= bounds.high + 1e-9).all()
    assert (bounds.low <= truth + 1e-9).all()
    of_two = with_temperature(temperature).apply(top[:, [0, 3]], vocabulary=12)
    left = 1.0 - np.exp(z[:, 0])
    assert (of_two.high[:, 1] < of_two.high[:, 0])[left < 0.4].all()


def test_bfloat16_of_torch():
    """A tensor in bfloat16 keeps its tolerance, and its sentinels."""
    torch = pytest.importorskip("torch")
    top = torch.tensor([[-0.7, -0.7, -9999.0]] * 3, dtype=torch.bfloat16)
    bounds = with_temperature(2.0).apply(top, vocabulary=10)
    assert bounds.high[:, 0] == pytest.approx(0.5, abs=0.01)
    assert 0 < bounds.high[0, 2] < bounds.high[0, 1] / 2


def test_saved_as_the_temperature_it_is(tmp_path, rows):
    """`calibrator.json` holds a temperature, which also takes full rows of any width."""
    found = TopKTemperature.fit(*rows)
    path = tmp_path / "calibrator.json"
    tp.save(found.scaling, path)
    with pytest.raises(tp.InvalidInputError, match="save its `scaling`"):
        tp.save(found, path)
    again = TopKTemperature(scaling=tp.load(path))
    assert again.scaling == found.scaling
    assert again.interval() == found.interval()
    assert tp.load(path).apply(np.zeros((1, 50))).shape == (1, 50)
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["n"] == len(rows[0])
    assert re.search(r"\((57|58|59) %\)", str(found))
    assert str(again).startswith("temperature 1.")


def test_positions_of_labels():
    """Found by the token itself; -1 where it is not shown; a token shown twice is refused."""
    assert label_positions([["A", "B"], ["B"], [7, 8]], ["B", "A", 8]).tolist() == [1, -1, 1]
    with pytest.raises(tp.InvalidInputError, match="shows its true token 'A' 2 times"):
        label_positions([["A", "A"]], ["A"])
    with pytest.raises(tp.InvalidInputError, match="one true token per row, got 'A'"):
        label_positions([["A"]], "A")
    with pytest.raises(
        tp.InvalidInputError, match=r"`tokens\[0\]` must be a sequence of tokens, got \'AB\'"
    ):
        label_positions(["AB"], ["A"])


GOOD = [[-0.5, -2.0], [-0.7, -1.0]]


@pytest.mark.parametrize(
    ("logprobs", "labels", "message"),
    [
        ([[-0.5, 0.3]] * 2, [0, 0], "at most 0; row 0 holds 0.3 .2 such rows.* logits"),
        ([[0.5, 0.3]] * 2, [0, 0], "Are these probabilities"),
        ([[-0.5, -0.2]] * 2, [0, 0], "sum to at most 1 .*row 0 sums to 1.42"),
        ([[-0.5, np.nan]] * 2, [0, 0], "row 0 holds nan"),
        ([[-0.5], [-np.inf]], [0, 0], "row 1 shows none"),
        ([[-0.5, -2.0], []], [0, 0], "row 1 shows none"),
        ([[-9999.0, -np.inf]] * 2, [0, 0], "show at least one token"),
        (GOOD, [0, 2], "row 1 has 2 and shows 2 tokens"),
        (GOOD, [0, -2], "row 1 has -2"),
        ([[-0.5, -2.0], [-0.7]], [0, 1], "row 1 has 1 and shows 1 tokens"),
        (GOOD, [0], "shape .2,."),
        (GOOD, ["A", "B"], "label_positions"),
        (GOOD, [0.5, 0], "whole numbers"),
        (GOOD, [True, False], "whole numbers"),
        ([-0.5, -2.0], [0, 0], "shape .n, k. or lists"),
        ([], [], "got shape"),
        ([["a", "b"], ["c"]], [0, 0], "must hold numbers"),
        ([[[-0.5], [-1.0]], [[-0.5]]], [0, 0], "nested deeper"),
    ],
)
def test_bad_rows(logprobs, labels, message):
    """Each message names argument, rule and row."""
    with pytest.raises(tp.InvalidInputError, match=message):
        TopKTemperature.fit(logprobs, labels)


@pytest.mark.parametrize(
    ("vocabulary", "message"),
    [
        (1, "at least that of the tokens shown; row 0 shows 2 and has 1"),
        (2.5, "whole number"),
        (np.inf, "whole number"),
        ([5, 5, 5], "one per row"),
        (True, "one number"),
        ("many", "must hold numbers"),
        (3, "they can hold 0.1353 at most"),
        (2, "they can hold 0 at most"),
    ],
)
def test_bad_vocabulary(vocabulary, message):
    """Too small, not whole, of another length, or at odds with the numbers shown."""
    with pytest.raises(tp.InvalidInputError, match=message):
        with_temperature(2.0).apply(GOOD[:1], vocabulary=vocabulary)


@pytest.mark.parametrize(
    ("logprobs", "labels", "reason"),
    [
        (GOOD, [-1, -1], "no-rows"),
        ([[-0.5], [-0.7]], [0, 0], "constant-logits"),
        (GOOD, [0, 0], "separable"),
        (GOOD, [1, 1], "worse-than-chance"),
    ],
)
def test_no_optimum(logprobs, labels, reason):
    """No finite temperature is an error with its reason."""
    with pytest.raises(tp.NoOptimumError) as caught:
        TopKTemperature.fit(logprobs, labels)
    assert caught.value.reason == reason
    if reason in {"separable", "worse-than-chance"}:
        assert TopKTemperature.fit(logprobs, labels, prior=1.0).temperature > 0


def test_a_temperature_typed_in_has_no_interval():
    """It says so."""
    with pytest.raises(tp.InvalidInputError, match="typed in"):
        with_temperature(2.0).interval()


@pytest.mark.parametrize(
    "labels",
    [
        [0, 0, 0, None, 1, -1],
        [0, 0, 0, float("nan"), 1, -1],
        np.ma.array([0, 0, 0, 0, 1, -1], mask=[0, 0, 0, 1, 0, 0]),
    ],
)
def test_missing_labels_are_refused_without_advice_that_fit_does_not_take(labels):
    """`fit` has no `ignore_label`: the rows are named, and left out of all arrays."""
    rows = [[-0.6931, -1.3863]] * 6
    with pytest.raises(tp.InvalidInputError, match=r"row 3 is.*Leave these rows out") as refused:
        TopKTemperature.fit(rows, labels)
    assert "ignore" not in str(refused.value)
    assert "ignore_label" not in inspect.signature(TopKTemperature.fit).parameters
