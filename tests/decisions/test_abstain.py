"""Thresholds with a promise: reference numbers, a slow search, and the promise by simulation."""

import math

import numpy as np
import pytest
from scipy.stats import binom, binomtest

import reference
import temperance as tp
from reference import two_classes
from temperance.decisions import Outcome, abstain
from temperance.decisions.abstain import GRID, Target, first_tried
from temperance.decisions.binomial import clopper_pearson, fewest_rows, rows_needed, upper_limit
from temperance.decisions.rows import DecisionRows
from temperance.decisions.split import split_rows


def slow_start(confidence, max_risk, delta):
    """The first threshold whose test passes with .999 if confidences hold, or the likeliest."""
    best, likeliest = None, 0.0
    for i in range(999, -1, -1):
        accepted = confidence >= i / 1000
        n = int(accepted.sum())
        if n < math.log(delta) / math.log(1 - max_risk):
            continue
        p_values = binom.cdf(np.arange(n + 1), n, max_risk)
        allowed = np.flatnonzero(p_values <= delta)[-1]
        passes = binom.cdf(allowed, n, (1 - confidence[accepted]).mean())
        if passes >= 0.999:
            return i
        if passes > likeliest:
            best, likeliest = i, passes
    return best


def slow_search(confidence, wrong, max_risk, delta, *, start=None):
    """The fixed sequence, one threshold after the other; None where the first fails."""
    chosen = None
    start = slow_start(confidence, max_risk, delta) if start is None else start
    for i in range(-1 if start is None else start, -1, -1):
        accepted = confidence >= i / 1000
        n = accepted.sum()
        if n < math.log(delta) / math.log(1 - max_risk):
            continue
        if binom.cdf(wrong[accepted].sum(), n, max_risk) > delta:
            break
        chosen = i / 1000
    return chosen


@pytest.fixture(scope="module")
def calibrated():
    """REF-B: probabilities at the T of its calibration half, with labels, of both halves."""
    cal, cal_y, test, test_y = reference.reference_b()
    scaling = tp.TemperatureScaling.fit(cal, cal_y)
    return scaling.apply(cal), cal_y, scaling.apply(test), test_y


@pytest.mark.parametrize(
    ("max_risk", "threshold", "accepted", "errors", "coverage", "risk"),
    [
        (0.01, 0.969, 3708, 25, 0.7394, 0.00298),
        (0.02, 0.914, 4229, 68, 0.8502, 0.01247),
        (0.03, 0.843, 4445, 114, 0.8942, 0.01968),
    ],
)
def test_reference_numbers(calibrated, max_risk, threshold, accepted, errors, coverage, risk):
    """Thresholds of REF-B's calibration half, and what they do on its test half."""
    cal, cal_y, test, test_y = calibrated
    rule = abstain(cal, cal_y, max_risk=max_risk)
    assert rule.threshold == threshold
    assert rule.outcome == Outcome(5000, accepted, errors)
    measured = rule.measure(test, test_y)
    assert measured.coverage.value == coverage
    assert measured.risk.value == pytest.approx(risk, abs=6e-6)
    assert measured.risk.low < measured.risk.value < measured.risk.high
    assert f"at most {100 * max_risk:g} % of the answers" in rule.guarantee


@pytest.mark.parametrize("seed", range(8))
def test_as_a_slow_search(seed):
    """Random confidences with ties, right and wrong: the threshold of the slow loop, or none."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(20, 500))
    confidence = rng.beta(6, 1, n).clip(0.5).round(int(rng.integers(2, 9)))
    wrong = rng.random(n) < (1 - confidence) * rng.uniform(0.3, 1.2)
    max_risk, sure = rng.uniform(0.03, 0.3), rng.uniform(0.6, 0.99)
    searches = {None: None, 1e-9: 999}  # a coverage near 0: from the first with rows enough on
    for min_coverage, start in searches.items():
        expected = slow_search(confidence, wrong, max_risk, 1 - sure, start=start)
        target = {"max_risk": max_risk, "min_coverage": min_coverage, "confidence": sure}
        if expected is None:
            with pytest.raises(tp.InvalidInputError, match="cannot be promised"):
                abstain(two_classes(confidence), wrong, **target)
        else:
            assert abstain(two_classes(confidence), wrong, **target).threshold == expected


@pytest.mark.parametrize("seed", range(6))
def test_where_the_search_begins(seed):
    """By the confidences alone, as a slow loop says; claims that are too bad begin at the best."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(100, 900))
    confidence = rng.beta(rng.uniform(2, 12), 1, n).clip(0.5)
    max_risk = rng.uniform(0.02, 0.3)
    place = first_tried(confidence, Target(max_risk, None, 0.05, GRID))
    start = slow_start(confidence, max_risk, 0.05)
    assert (None if place is None else 999 - place) == start


def test_a_row_at_the_threshold_is_accepted(calibrated):
    """At least the threshold, but for rounding: 0.914 in single precision is 0.91399997."""
    rule = abstain(*calibrated[:2], max_risk=0.02)
    assert rule.threshold == 0.914
    assert rule.accepts([0.914, np.float32(0.914), 0.913998]).tolist() == [True, True, False]


@pytest.mark.parametrize("target", [{"max_risk": 0.25}, {"min_coverage": 0.5}])
def test_a_threshold_parts_no_forecast_from_its_own_rounding(target):
    """Tenths, however computed: the same rows are accepted, and the promise counts them all."""
    rng = np.random.default_rng(0)
    tenths = rng.integers(5, 11, 900)
    wrong = (rng.random(900) > tenths / 11).astype(int)
    in_turn = [tenths / 10, 0.1 * tenths, (tenths / 10).astype(np.float32), 1 - (10 - tenths) / 10]
    mixed = np.choose(np.arange(900) % 4, in_turn)
    rules = [abstain(two_classes(np.clip(way, 0, 1)), wrong, **target) for way in (*in_turn, mixed)]
    accepted = rules[0].accepts(tenths / 10)
    assert 0 < accepted.sum() < 900
    for rule in rules:
        assert rule.threshold == pytest.approx(rules[0].threshold, abs=1e-6)
        assert rule.outcome == rules[0].outcome
        for way in (*in_turn, mixed):
            assert (rule.accepts(way) == accepted).all()


def test_a_failure_ends_the_sequence():
    """Looser thresholds that would pass again are not looked at: that would cost the promise."""
    confidence = np.repeat([0.95, 0.85, 0.55], [200, 20, 4000])
    wrong = np.zeros(4220, dtype=bool)
    wrong[200:216] = True
    assert binom.cdf(16, 4220, 0.02) < 0.05
    assert abstain(two_classes(confidence), wrong, max_risk=0.02).threshold == 0.851
    own = abstain(two_classes(confidence), wrong, max_risk=0.02, thresholds=[0.9, 0.5])
    assert own.threshold == 0.5


def violations(world, repeats, n, *, seed=0, **target):
    """Share of draws of n rows whose threshold breaks its promise; refusals break none."""
    draw, risk_at = world
    rng = np.random.default_rng(seed)
    broken = made = 0
    for _ in range(repeats):
        confidence, wrong = draw(rng, n)
        try:
            rule = abstain(two_classes(confidence), wrong, **target)
        except tp.InvalidInputError:
            continue
        made += 1
        broken += risk_at(rule.threshold) > rule.promised_risk
    assert made
    return broken / repeats


def calibrated_world():
    """Confidence uniform on [1/2, 1], wrong with probability 1 - confidence: R(t) = (1 - t) / 2."""

    def draw(rng, n):
        confidence = rng.uniform(0.5, 1, n)
        return confidence, rng.random(n) > confidence

    return draw, lambda t: (1 - max(t, 0.5)) / 2


def world_of(values, shares, risks):
    """A few confidences, each with its share of the rows and its risk."""
    values, shares, risks = map(np.asarray, (values, shares, risks))

    def draw(rng, n):
        at = rng.choice(len(values), n, p=shares)
        return values[at], rng.random(n) < risks[at]

    def risk_at(t):
        share = shares * (values >= t)
        return float(share @ risks / share.sum())

    return draw, risk_at


def unruly_world():
    """Risk falls as more rows are accepted, and half of the draws begin with the worse half.

    The surer half is wrong twice as often as the target of 5 %, the other almost never: both
    together lie just above the target.
    """
    return world_of([0.99, 0.9], [0.5, 0.5], [0.1, 0.0002])


def heaped_world():
    """Three confidences only, as people and language models say them."""
    return world_of([0.99, 0.9, 0.7], [0.5, 0.3, 0.2], [0.03, 0.12, 0.3])


@pytest.mark.slow
@pytest.mark.parametrize("sure", [0.95, 0.8])
@pytest.mark.parametrize(
    ("world", "n", "target"),
    [
        (calibrated_world, 600, {"max_risk": 0.1}),
        (calibrated_world, 300, {"max_risk": 0.05}),
        (unruly_world, 118, {"max_risk": 0.05}),
        (heaped_world, 400, {"max_risk": 0.06}),
        (unruly_world, 240, {"max_risk": 0.05, "min_coverage": 0.5}),
        (calibrated_world, 600, {"max_risk": 0.1, "min_coverage": 0.3}),
        (calibrated_world, 300, {"min_coverage": 0.6}),
        (unruly_world, 300, {"min_coverage": 0.5}),
        (heaped_world, 400, {"min_coverage": 0.8}),
    ],
)
def test_the_promise_is_kept(request, world, n, target, sure):
    """Over draws of labelled rows, at most 1 - confidence of the thresholds break their promise."""
    repeats = 2000 if "slow" in request.config.getoption("markexpr") else 200
    delta = 1 - sure
    share = violations(world(), repeats, n, confidence=sure, **target)
    assert share <= delta + 3 * math.sqrt(delta * sure / repeats)


@pytest.mark.slow
def test_the_promise_is_no_looser_than_it_says(request):
    """Where a threshold sits right above the target, about delta of the draws break it."""
    world = world_of([0.99, 0.6], [0.5, 0.5], [0.001, 0.1])
    repeats = 2000 if "slow" in request.config.getoption("markexpr") else 400
    share = violations(world, repeats, 2000, confidence=0.9, max_risk=0.05)
    assert share == pytest.approx(0.08, abs=0.03)  # the binomial keeps a little of its 0.1


def test_min_coverage(calibrated):
    """The k-th largest confidence, no label looked at, and the exact upper limit at it."""
    cal, cal_y, *_ = calibrated
    confidence = np.sort(cal.max(axis=1))[::-1]
    rule = abstain(cal, cal_y, min_coverage=0.85)
    assert rule.threshold == confidence[4249]
    assert rule.outcome.accepted == 4250
    exact = binomtest(rule.outcome.errors, 4249).proportion_ci(0.9, "exact").high
    assert exact <= rule.promised_risk <= 1.01 * exact
    flipped = abstain(cal, cal.argmax(axis=1), min_coverage=0.85)
    assert flipped.threshold == rule.threshold
    assert abstain(cal, cal_y, min_coverage=1.0).outcome.accepted == 5000


def test_risk_from_a_coverage_on(calibrated):
    """The search begins at the coverage: an error among the surest rows no longer ends it."""
    confidence, wrong = np.repeat([0.99, 0.9], [160, 4000]), np.arange(4160) % 100 == 7
    with pytest.raises(tp.InvalidInputError, match="of the 160 most confident"):
        abstain(two_classes(confidence), wrong, max_risk=0.02, min_coverage=0.01)
    rule = abstain(two_classes(confidence), wrong, max_risk=0.02, min_coverage=0.5)
    assert rule.outcome == Outcome(4160, 4160, 42)
    cal, cal_y, *_ = calibrated
    assert abstain(cal, cal_y, max_risk=0.02, min_coverage=0.7).threshold == 0.914
    with pytest.raises(tp.InvalidInputError, match="at a coverage of 90 %: of the 4,"):
        abstain(cal, cal_y, max_risk=0.02, min_coverage=0.9)


@pytest.mark.slow
def test_groups_keep_their_promises_at_once(request):
    """Over draws, at most delta have any group above the target; the level of each is delta / m."""
    repeats = 1000 if "slow" in request.config.getoption("markexpr") else 100
    rng = np.random.default_rng(0)
    draw, risk_at = calibrated_world()
    names = np.repeat([f"g{i}" for i in range(5)], 300)
    broken = 0
    for _ in range(repeats):
        confidence, wrong = draw(rng, 1500)
        try:
            rule = abstain(
                two_classes(confidence), wrong, max_risk=0.15, confidence=0.8, groups=names
            )
        except tp.InvalidInputError:
            continue  # refused
        kept = [each.threshold for each in rule.promises if each.threshold is not None]
        broken += any(risk_at(t) > 0.15 for t in kept)
    assert broken / repeats <= 0.2 + 3 * math.sqrt(0.16 / repeats)


def test_each_group_is_searched_by_itself(calibrated):
    """As m searches at delta / m; groups too small to have a promise do not count."""
    cal, cal_y, test, test_y = calibrated
    names = np.array(["even", "odd"])[cal_y % 2].astype("U8")
    names[:100] = "tiny"
    names[100:120] = "other"
    rule = abstain(cal, cal_y, max_risk=0.03, groups=names)
    confidence, wrong = cal.max(axis=1), cal.argmax(axis=1) != cal_y
    found = {each.group: each for each in rule.promises}
    assert set(found) == {"even", "odd", "other", "tiny"}
    for name in ("even", "odd"):
        of = names == name
        assert found[name].threshold == slow_search(confidence[of], wrong[of], 0.03, 0.025)
    assert found["tiny"].threshold is None
    assert "at least 122 accepted rows" in found["tiny"].reason  # log(.025) / log(.97)
    assert "in each of 2 groups at most 3 %" in rule.guarantee
    assert "2 other groups are never answered" in rule.guarantee
    assert rule.threshold is None
    accepted = rule.accepts([1.0] * 5, ["even", "tiny", "", "new", None])
    assert accepted.tolist() == [True, False, False, False, False]
    with pytest.raises(tp.InvalidInputError, match="`groups` must be given"):
        rule.measure(test, test_y)


def test_one_row_of_each_cluster_counts():
    """Rows of one cluster err together: ten times the rows are not ten times the evidence."""
    confidence, wrong = np.full(2000, 0.9), np.repeat(np.arange(200) < 3, 10)
    names = np.repeat(np.arange(200), 10)
    rule = abstain(two_classes(confidence), wrong, max_risk=0.05, clusters=names)
    assert rule.outcome == Outcome(200, 200, 3)
    assert rule.n_given == 2000
    assert "clusters (one row of each)" in rule.assumption
    with pytest.raises(tp.InvalidInputError, match="cannot be promised"):
        abstain(two_classes(confidence), wrong, max_risk=0.02, clusters=names)
    assert abstain(two_classes(confidence), wrong, max_risk=0.025).outcome.n == 2000


def test_the_row_drawn_of_a_cluster_does_not_depend_on_the_order():
    """Sorted, reversed and shuffled rows make one promise; another seed draws others."""
    rng = np.random.default_rng(3)
    confidence = rng.uniform(0.5, 1.0, 900)
    wrong = (rng.random(900) > confidence).astype(int)
    names, groups = rng.integers(0, 300, 900), rng.choice(["a", "b"], 900)
    orders = [np.arange(900), np.argsort(confidence), np.arange(900)[::-1], rng.permutation(900)]

    def rules(seed):
        return [
            abstain(
                two_classes(confidence[o]), wrong[o], max_risk=0.3,
                clusters=names[o], groups=groups[o], seed=seed,
            )
            for o in orders
        ]  # fmt: skip

    first, *others = rules(seed=0)
    assert all(rule == first for rule in others)
    assert rules(seed=1)[0] != first


@pytest.mark.parametrize("n_wrong", [1, 4])
def test_the_row_drawn_from_a_cluster_does_not_decide_alone(n_wrong):
    """A threshold that most of five draws of one row a cluster do not have is none, at any seed.

    Of 60 clusters of 4 confident rows some hold one wrong row: whether it is drawn decides.
    """
    probs, names = two_classes(np.full(240, 0.9)), np.repeat(np.arange(60), 4)
    wrong = np.zeros(240, dtype=int)
    wrong[: 4 * n_wrong : 4] = 1  # in the first clusters
    alone = []
    for seed in range(5):
        rows = DecisionRows.check(probs, wrong, clusters=names, seed=seed)
        alone.append(slow_search(rows.confidence, rows.wrong, 0.05, 0.05) is not None)
    for seed in range(5):
        most = 2 * sum(alone) > 5
        if alone[seed] and most:
            rule = abstain(probs, wrong, max_risk=0.05, clusters=names, seed=seed)
            assert rule.draws.with_threshold == sum(alone)
            assert rule.draws.in_words() in str(rule)
            assert rule.draws.in_words() in rule._repr_html_()
            assert rule.to_dict()["draws"]["with_threshold"] == sum(alone)
            continue
        with pytest.raises(tp.InvalidInputError, match="cannot be promised") as refused:
            abstain(probs, wrong, max_risk=0.05, clusters=names, seed=seed)
        if alone[seed]:
            words = f"only {sum(alone)} of 5 draws of one row a cluster"
        else:
            words = f"{sum(alone) or 'None'} of 5 draws of one row a cluster (seeds 0 to 4)"
        assert words in str(refused.value)
    assert {1: 2 < sum(alone) < 5, 4: 0 < sum(alone) < 3}[n_wrong]
    assert (
        abstain(two_classes(np.full(99, 0.9)), np.zeros(99, dtype=int), max_risk=0.05).draws is None
    )


def test_equal_weights_only():
    """Weights of 0 leave rows out, equal ones say nothing, others are refused."""
    confidence, wrong = np.full(400, 0.9), np.arange(400) >= 300
    rule = abstain(two_classes(confidence), wrong, max_risk=0.02, weights=np.where(wrong, 0.0, 2.5))
    assert rule.outcome == Outcome(300, 300, 0)
    with pytest.raises(
        tp.InvalidInputError, match=r"`weights` must be equal .* row 300 has 1, row"
    ):
        abstain(two_classes(confidence), wrong, max_risk=0.5, weights=1.0 + ~wrong)


def test_refusals_say_how_many_labels():
    """Too few rows; the best rows too bad; a target that no threshold of this model reaches."""
    few = "at least 149 accepted rows, none of them wrong, and there are 100. About 386 labelled"
    assert rows_needed(0.5 / 101, 0.02, 0.05) == 386  # half an error added
    with pytest.raises(tp.InvalidInputError, match=few):
        abstain(two_classes(np.full(100, 0.9)), np.zeros(100, dtype=int), max_risk=0.02)
    with pytest.raises(tp.InvalidInputError, match="No number of labels would do"):
        abstain(two_classes(np.full(500, 0.9)), np.ones(500, dtype=int), max_risk=0.5)
    wrong = np.arange(500) % 100 == 0  # 1 %: 1.1 % with the half added
    message = r"of the 500 most confident rows \(>= 0.9\) 5 are wrong, 1 %. About ([\d,]+)"
    with pytest.raises(tp.InvalidInputError, match=message) as caught:
        abstain(two_classes(np.full(500, 0.9)), wrong, max_risk=0.02)
    needed = int(str(caught.value).split("About ")[1].split(" ")[0].replace(",", ""))
    assert needed == rows_needed(5.5 / 501, 0.02, 0.05)
    allowed = max(k for k in range(100) if binom.cdf(k, needed, 0.02) <= 0.05)
    assert binom.cdf(allowed, needed, 5.5 / 501) == pytest.approx(0.82, abs=0.03)


def test_all_right_accepts_all():
    """No error and rows enough: every answer is covered, also less confident ones to come."""
    rule = abstain(two_classes(np.linspace(0.6, 1, 200)), np.zeros(200, dtype=int), max_risk=0.02)
    assert rule.threshold == 0.0
    assert rule.guarantee == "With 95 % confidence, at most 2 % of all answers are wrong."
    assert rule.accepts([0.5]).all()


def test_no_row_accepted():
    """On rows that never reach the threshold: coverage 0, no risk, and no nan anywhere."""
    confidence = np.repeat([0.95, 0.6], [300, 300])
    rule = abstain(two_classes(confidence), np.arange(600) >= 300, max_risk=0.02)
    outcome = rule.measure(two_classes(np.full(10, 0.55)), np.zeros(10, dtype=int))
    assert outcome.to_dict()["risk"] is None
    assert outcome.coverage.value == 0.0


def test_masked_options_and_one_class():
    """-inf logits have probability 0; labels of a single class are labels as others."""
    z = np.tile([4.0, 0.0, -np.inf], (300, 1))
    probs = tp.TemperatureScaling(1.0).apply(z)
    assert abstain(probs, np.zeros(300, dtype=int), max_risk=0.02).threshold == 0.0
    of_one = abstain(np.full(300, 0.9), np.ones(300, dtype=int), max_risk=0.02)
    assert of_one.outcome == Outcome(300, 300, 0)


def test_exact_limits():
    """Clopper and Pearson's, as SciPy has them; the edge cases by hand."""
    for errors, n in ((0, 7), (3, 50), (50, 50), (499, 1000)):
        expected = binomtest(errors, n).proportion_ci(0.95, "exact")
        found = clopper_pearson(errors, n)
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert upper_limit(0, 10, 0.05) == pytest.approx(1 - 0.05**0.1)
    assert upper_limit(0, 0, 0.05) == 1.0
    assert [fewest_rows(0.02, d) for d in (0.05, 0.01)] == [149, 228]
    assert rows_needed(0.02, 0.02, 0.05) is None
    assert rows_needed(0.0, 0.02, 0.05) == 149


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "Give `max_risk` .--max-risk., .* or `min_coverage`"),
        ({"max_risk": 0}, "`max_risk` .--max-risk. must be .* got 0. No number of labels"),
        ({"max_risk": 1}, "`max_risk`"),
        ({"max_risk": math.nan}, "`max_risk`"),
        ({"min_coverage": 0.0}, "`min_coverage` .--min-coverage. must be"),
        ({"min_coverage": 1.1}, "`min_coverage`"),
        ({"max_risk": 0.1, "confidence": 1.0}, "`confidence` .--confidence. must be"),
        ({"max_risk": 0.1, "confidence": 0.0}, "`confidence`"),
        ({"max_risk": 0.1, "thresholds": [0.5, 0.6]}, "`thresholds` must be .* fall strictly"),
        ({"max_risk": 0.1, "thresholds": []}, "`thresholds`"),
        ({"max_risk": 0.1, "thresholds": [1.5, 0.2]}, "`thresholds`"),
        ({"min_coverage": 0.5, "thresholds": [0.5]}, "with `min_coverage` leave them out"),
        ({"max_risk": 0.1, "groups": ["a"]}, "`groups` must have shape"),
        ({"max_risk": 0.1, "groups": [""] * 50}, "must be known for every row"),
        ({"max_risk": 0.1, "clusters": ["a"]}, "`clusters` must have shape"),
        ({"max_risk": 0.01, "groups": ["a", "b"] * 25}, "for any of 2 groups; in the largest, 'a'"),
    ],
)
def test_errors(options, message):
    """Each refused argument by name."""
    with pytest.raises(tp.InvalidInputError, match=message):
        abstain(two_classes(np.full(50, 0.9)), np.zeros(50, dtype=int), **options)


def test_split_is_stratified_and_seeded():
    """Of every class the share, within one row; another seed, another split; clusters whole."""
    labels = np.random.default_rng(0).choice(5, 1003, p=[0.6, 0.2, 0.1, 0.07, 0.03])
    fits = split_rows(labels, 0.2, seed=1)
    assert abs(fits.sum() - 0.2 * 1003) <= 1
    for c in range(5):
        assert abs(fits[labels == c].sum() - 0.2 * (labels == c).sum()) <= 1
    assert (fits == split_rows(labels, 0.2, seed=1)).all()
    assert (fits != split_rows(labels, 0.2, seed=2)).any()
    clusters = np.arange(1003) // 4
    whole = split_rows(labels, 0.2, seed=1, clusters=clusters)
    assert all(len(set(whole[clusters == c])) == 1 for c in range(251))
    assert whole.sum() == pytest.approx(0.2 * 1003, abs=8)


def test_shows_itself(calibrated):
    """Text for a terminal, a table for a notebook, plain numbers for JSON."""
    rule = abstain(*calibrated[:2], max_risk=0.02)
    for words in ("0.914", "68 of 4,229", "independent of each other", "flatters"):
        assert words in str(rule)
        assert words in rule._repr_html_()
    assert rule.to_dict()["rows"]["risk"]["value"] == 68 / 4229


def test_a_split_does_not_depend_on_the_place():
    """In every order the same rows are fitted on, drawn alone or by clusters."""
    rng = np.random.default_rng(0)
    z, labels, clusters = (
        rng.normal(size=(300, 3)),
        rng.integers(0, 3, 300),
        rng.integers(0, 80, 300),
    )
    for units in (None, clusters):
        fits = split_rows(labels, 0.2, seed=1, scores=(z,), clusters=units)
        for order in (np.argsort(labels), np.argsort(z.max(axis=1)), rng.permutation(300)):
            own = None if units is None else units[order]
            again = split_rows(labels[order], 0.2, seed=1, scores=(z[order],), clusters=own)
            assert (again == fits[order]).all()
