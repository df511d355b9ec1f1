"""Risk against coverage: reference numbers, ties by brute force, weights, intervals."""

import itertools

import numpy as np
import pytest

import reference
import temperance as tp
from reference import two_classes
from temperance.decisions import risk_coverage


def slow_areas(wrong):
    """AURC by both conventions and AUGRC of errors in the order of acceptance, by loops."""
    n = len(wrong)
    risks = [sum(wrong[:k]) / k for k in range(1, n + 1)]
    selective = [risks[0], *risks]
    generalized = [0.0, *(sum(wrong[:k]) / n for k in range(1, n + 1))]
    trapezoids = [
        sum((a + b) / 2 for a, b in itertools.pairwise(heights)) / n
        for heights in (selective, generalized)
    ]
    return sum(risks) / n, *trapezoids


@pytest.fixture(scope="module")
def outputs():
    """Probabilities and labels of REF-A and of the test half of REF-B, raw and at the fitted T."""
    z, y = reference.reference_a()
    cal, cal_y, test, test_y = reference.reference_b()
    return {
        "A": (reference.softmax(z), y),
        "A at T": (tp.TemperatureScaling.fit(z, y).apply(z), y),
        "B": (reference.softmax(test), test_y),
        "B at T": (tp.TemperatureScaling.fit(cal, cal_y).apply(test), test_y),
    }


@pytest.mark.parametrize(
    ("name", "aurc", "trapezoid", "augrc"),
    [
        ("A", 0.4374189478, 0.4367595728, 0.2293843750),
        ("A at T", 0.4353869999, 0.4347276249, None),
        ("B", 0.0055377846, 0.0055318246, 0.0050770800),
        ("B at T", 0.0055571334, 0.0055511734, None),
    ],
)
def test_reference_numbers(outputs, name, aurc, trapezoid, augrc):
    """The areas of both reference sets, as other programs gave them."""
    curve = risk_coverage(*outputs[name])
    assert curve.aurc.value == pytest.approx(aurc, abs=6e-11)
    assert curve.aurc_trapezoid == pytest.approx(trapezoid, abs=6e-11)
    if augrc is not None:
        assert curve.augrc.value == pytest.approx(augrc, abs=6e-11)
    if name == "A":
        assert curve.excess_aurc == pytest.approx(0.2641604817, abs=6e-11)


def test_ties_are_the_mean_over_their_orders():
    """Every order of the rows of equal confidence, by brute force: ours is the mean of all."""
    confidence = [0.9, 0.9, 0.8, 0.8, 0.8, 0.7]
    wrong = [0, 1, 1, 0, 0, 1]
    areas = [
        slow_areas([wrong[i] for i in (*first, *second, 5)])
        for first in itertools.permutations((0, 1))
        for second in itertools.permutations((2, 3, 4))
    ]
    curve = risk_coverage(two_classes(confidence), wrong)
    found = (curve.aurc.value, curve.aurc_trapezoid, curve.augrc.value)
    assert found == pytest.approx(np.mean(areas, axis=0), abs=1e-14)
    assert curve.thresholds.tolist() == [0.9, 0.8, 0.7]
    assert curve.coverage == pytest.approx([2 / 6, 5 / 6, 1])
    assert curve.risk == pytest.approx([1 / 2, 2 / 5, 3 / 6])


def test_order_of_rows_has_no_say():
    """Shuffled rows with many ties: the same curve and areas, to the last bit of the curve."""
    rng = np.random.default_rng(0)
    confidence = rng.integers(50, 60, 300) / 60
    wrong = rng.random(300) < 0.3
    order = rng.permutation(300)
    one = risk_coverage(two_classes(confidence), wrong)
    other = risk_coverage(two_classes(confidence[order]), wrong[order])
    assert (one.risk == other.risk).all()
    assert one.to_dict()["aurc"] == pytest.approx(other.to_dict()["aurc"], rel=1e-12)


def test_without_ties_as_by_loops():
    """Distinct confidences: the three areas of a slow loop."""
    rng = np.random.default_rng(1)
    confidence = 0.5 + rng.permutation(200) / 500
    wrong = rng.random(200) < 0.2
    slow = slow_areas(wrong[np.argsort(-confidence)].tolist())
    curve = risk_coverage(two_classes(confidence), wrong)
    found = (curve.aurc.value, curve.aurc_trapezoid, curve.augrc.value)
    assert found == pytest.approx(slow, rel=1e-12)


def test_weights():
    """Their scale has no say, rows of weight 0 are not there, twice is weight 2."""
    rng = np.random.default_rng(2)
    confidence = rng.integers(50, 100, 120) / 100
    wrong = (rng.random(120) < 0.3).astype(int)
    plain = risk_coverage(two_classes(confidence), wrong)
    equal = risk_coverage(two_classes(confidence), wrong, weights=np.full(120, 7.0))
    assert equal.aurc.value == pytest.approx(plain.aurc.value, rel=1e-12)
    assert equal.aurc.high == pytest.approx(plain.aurc.high, rel=1e-12)
    first = np.arange(120) < 80
    part = risk_coverage(two_classes(confidence[first]), wrong[first])
    zeros = risk_coverage(two_classes(confidence), wrong, weights=first)
    assert zeros.to_dict()["augrc"] == pytest.approx(part.to_dict()["augrc"], rel=1e-12)
    assert zeros.n == 80
    twice = np.repeat(np.arange(120), 1 + first)
    repeated = risk_coverage(two_classes(confidence[twice]), wrong[twice])
    weighted = risk_coverage(two_classes(confidence), wrong, weights=1.0 + first)
    assert weighted.augrc.value == pytest.approx(repeated.augrc.value, rel=1e-12)
    assert weighted.aurc.value == pytest.approx(repeated.aurc.value, rel=5e-3)


@pytest.mark.parametrize("heaped", [False, True])
def test_intervals_are_those_of_the_bootstrap(heaped):
    """The influence of the rows gives the spread that resampled rows show."""
    rng = np.random.default_rng(3)
    confidence = rng.uniform(0.5, 1.0, 1000)
    if heaped:
        confidence = confidence.round(1)
    labels = (rng.random(1000) < 0.5 + 0.3 * (confidence > 0.8)).astype(int)
    probs = two_classes(confidence)
    curve = risk_coverage(probs, labels)
    drawn = [
        risk_coverage(probs[rows], labels[rows])
        for rows in (rng.integers(len(labels), size=len(labels)) for _ in range(400))
    ]
    for name in ("aurc", "augrc"):
        half = (getattr(curve, name).high - getattr(curve, name).low) / 2
        spread = np.std([getattr(each, name).value for each in drawn])
        assert half == pytest.approx(1.96 * spread, rel=0.12)  # 3 errors of a spread of 400


def test_rows_that_come_twice_are_clusters():
    """Every row twice, named as clusters: the interval of the rows once."""
    rng = np.random.default_rng(4)
    confidence, wrong = rng.uniform(0.5, 1, 90), rng.random(90) < 0.3
    once = risk_coverage(two_classes(confidence), wrong)
    names = np.repeat([f"patient {i}" for i in range(90)], 2)
    twice = risk_coverage(
        two_classes(np.repeat(confidence, 2)), np.repeat(wrong, 2), clusters=names
    )
    assert twice.to_dict()["augrc"] == pytest.approx(once.to_dict()["augrc"], rel=1e-12)


@pytest.mark.slow
def test_coverage_of_the_intervals(request):
    """Intervals hold the areas of the population in about 95 of 100 samples."""
    repeats = 2000 if "slow" in request.config.getoption("markexpr") else 250
    rng = np.random.default_rng(5)

    def draw(n):
        confidence = rng.uniform(0.5, 1.0, n)
        return confidence, rng.random(n) < 1.6 * (1.0 - confidence) ** 2

    confidence, wrong = draw(400_000)
    truth = risk_coverage(two_classes(confidence), wrong)
    held = np.zeros(2)
    for _ in range(repeats):
        confidence, wrong = draw(500)
        curve = risk_coverage(two_classes(confidence), wrong)
        for i, name in enumerate(("aurc", "augrc")):
            found = getattr(curve, name)
            held[i] += found.low <= getattr(truth, name).value <= found.high
    assert (held / repeats > 0.91).all()
    assert (held / repeats < 0.995).all()


def test_scores_by_hand():
    """Margin and entropy of three classes, and a score of the user's own."""
    probs = [[0.5, 0.25, 0.25], [0.5, 0.5, 0.0]]
    assert risk_coverage(probs, [0, 0], score="margin").thresholds.tolist() == [0.25, 0.0]
    entropy = risk_coverage(probs, [0, 0], score="entropy").thresholds
    assert entropy == pytest.approx([-np.log(2), -1.5 * np.log(2)])
    assert risk_coverage(probs, [0, 0]).thresholds.tolist() == [0.5]
    own = risk_coverage(probs, [0, 1], score=[1.0, 2.0])
    assert (own.score, own.risk.tolist()) == ("own score", [1.0, 0.5])


def test_two_classes_have_one_order():
    """With k = 2 all scores rank rows alike, and a temperature keeps the rank."""
    rng = np.random.default_rng(6)
    odds = rng.normal(size=300) * 2
    labels = (rng.logistic(size=300) < odds).astype(int)
    areas = [
        risk_coverage(tp.TemperatureScaling(t).apply(odds), labels, score=score).aurc.value
        for t in (1.0, 3.0)
        for score in ("confidence", "margin", "entropy")
    ]
    assert areas == pytest.approx([areas[0]] * 6, rel=1e-9)


def test_all_right_and_all_wrong():
    """No error: areas of 0 whose interval is open above; only errors: 1 and 1/2."""
    right = risk_coverage(two_classes([0.9, 0.8, 0.7]), [0, 0, 0])
    assert (right.aurc.value, right.augrc.value, right.excess_aurc) == (0.0, 0.0, 0.0)
    assert right.augrc.high > 0.1
    wrong = risk_coverage(two_classes([0.9, 0.8, 0.7]), [1, 1, 1])
    assert (wrong.aurc.value, wrong.augrc.value, wrong.excess_aurc) == pytest.approx((1, 0.5, 0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"score": "sureness"}, "`score` must be one of confidence, margin, entropy"),
        ({"score": [1.0]}, r"`score` must have shape \(2,\)"),
        ({"score": [1.0, np.nan]}, "row 1 has nan"),
        ({"weights": [0.0, 0.0]}, "must not all be zero"),
        ({"labels": [0, 2]}, "`labels` must be integers in 0..1"),
        ({"probs": np.zeros((0, 2)), "labels": []}, "at least one row"),
        ({"probs": [[2.0, 1.0], [0.0, 1.0]]}, "must lie in"),
    ],
)
def test_errors(options, message):
    """Each refused argument by name."""
    given = {"probs": [[0.9, 0.1], [0.6, 0.4]], "labels": [0, 1], **options}
    with pytest.raises(tp.InvalidInputError, match=message):
        risk_coverage(given.pop("probs"), given.pop("labels"), **given)


def test_shows_itself():
    """Text, plain numbers and a data frame say the same."""
    curve = risk_coverage(two_classes([0.9, 0.8]), [0, 1])
    assert "AUGRC" in str(curve)
    low, high = curve.band()
    assert ((low <= curve.risk) & (curve.risk <= high)).all()
    pytest.importorskip("narwhals")
    pytest.importorskip("pyarrow")
    frame = curve.to_frame("pyarrow")
    assert frame.column_names == ["threshold", "coverage", "risk", "low", "high"]
    assert frame["risk"].to_pylist() == [0.0, 0.5]
