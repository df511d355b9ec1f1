"""Three bands: thresholds as a slow search finds them, promises by simulation, refusals."""

import math
import re

import numpy as np
import pytest
from scipy.stats import binom

import temperance as tp
from temperance.decisions import BandCounts, DecisionPolicy, bands, load_policy, save_policy
from temperance.decisions.band_search import BAND_GRID
from temperance.decisions.binomial import rows_needed

LIMITS = ("min_precision", "max_false_positive_rate", "min_recall",
          "min_negative_predictive_value", "max_false_negative_rate")  # fmt: skip


def rates(score, positive, accept_from, reject_to):
    """The five rates of two thresholds, counted row by row; None of an empty denominator."""
    cells = {(truth, band): 0 for truth in (True, False) for band in "arj"}
    for s, truth in zip(score.tolist(), positive.tolist(), strict=True):
        band = "a" if s >= accept_from - 1e-6 else "j" if s <= reject_to + 1e-6 else "r"
        cells[truth, band] += 1

    def share(of, among):
        whole = sum(cells[each] for each in among)
        return sum(cells[each] for each in of) / whole if whole else None

    yes, no = [(True, b) for b in "arj"], [(False, b) for b in "arj"]
    return {
        "precision": share([(True, "a")], [(True, "a"), (False, "a")]),
        "false_positive_rate": share([(False, "a")], no),
        "recall": share([(True, "a")], yes),
        "negative_predictive_value": share([(False, "j")], [(True, "j"), (False, "j")]),
        "false_negative_rate": share([(True, "j")], yes),
    }


def slow_start(score, max_risk, delta):
    """The first threshold whose test passes with .999 if scores hold, or the likeliest."""
    best, likeliest = None, -1.0
    for i, t in enumerate(BAND_GRID):
        accepted = score >= t - 1e-6
        n = int(accepted.sum())
        if n < math.log(delta) / math.log(1 - max_risk):
            continue
        allowed = np.flatnonzero(binom.cdf(np.arange(n + 1), n, max_risk) <= delta)[-1]
        passes = binom.cdf(allowed, n, (1 - score[accepted]).mean())
        if passes >= 0.999:
            return i
        if passes > likeliest:
            best, likeliest = i, passes
    return best


def slow_accept(score, positive, delta, min_precision=None, max_fpr=None):
    """Strict to loose, one threshold after the other; begins as `abstain` does for a precision."""
    start = 0 if min_precision is None else slow_start(score, 1 - min_precision, delta)
    if start is None:
        return None
    chosen = None
    for t in BAND_GRID[start:]:
        accepted = score >= t - 1e-6
        bad, n, n_no = (
            int((accepted & ~positive).sum()),
            int(accepted.sum()),
            int((~positive).sum()),
        )
        if min_precision is not None and (n == 0 or binom.cdf(bad, n, 1 - min_precision) > delta):
            break
        if max_fpr is not None and (n_no == 0 or binom.cdf(bad, n_no, max_fpr) > delta):
            break
        chosen = t
    return chosen if chosen is not None and (score >= chosen - 1e-6).any() else None


def slow_recall(score, positive, delta, min_recall):
    """Loose to strict, one threshold after the other."""
    chosen = None
    for t in BAND_GRID[::-1]:
        missed = int((positive & ~(score >= t - 1e-6)).sum())
        n_yes = int(positive.sum())
        if n_yes == 0 or binom.cdf(missed, n_yes, 1 - min_recall) > delta:
            break
        chosen = t
    return chosen


@pytest.mark.parametrize("seed", range(12))
def test_as_a_slow_search(seed):
    """Random scores with ties, any promises: the thresholds of slow loops, or a refusal."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(200, 900))
    p = rng.beta(0.5, 0.5, n).round(int(rng.integers(2, 9)))
    y = rng.random(n) < p
    given = {
        "min_precision": rng.uniform(0.6, 0.95) if rng.random() < 0.6 else None,
        "max_false_positive_rate": rng.uniform(0.02, 0.3) if rng.random() < 0.5 else None,
        "min_recall": rng.uniform(0.2, 0.9) if rng.random() < 0.4 else None,
        "min_negative_predictive_value": rng.uniform(0.6, 0.95) if rng.random() < 0.6 else None,
        "max_false_negative_rate": rng.uniform(0.02, 0.3) if rng.random() < 0.5 else None,
    }
    strict = given["min_precision"] or given["max_false_positive_rate"]
    rejects = given["min_negative_predictive_value"] or given["max_false_negative_rate"]
    sides = sum(map(bool, (strict, given["min_recall"], rejects)))
    if not sides:
        given["min_precision"] = strict = 0.7
        sides = 1
    delta = 0.1 / sides
    accept = slow_accept(p, y, delta, given["min_precision"], given["max_false_positive_rate"])
    if given["min_recall"]:
        loose = slow_recall(p, y, delta, given["min_recall"])
        if strict:
            accept = None if accept is None or loose is None or accept > loose else accept
        else:
            accept = loose
    mirrored = slow_accept(
        1 - p, ~y, delta, given["min_negative_predictive_value"], given["max_false_negative_rate"]
    )
    wants_accept = bool(strict or given["min_recall"])
    failed = (wants_accept and accept is None) or (rejects and mirrored is None)
    both = wants_accept and rejects and not failed
    call = {"event": 1, "confidence": 0.9, **{k: v for k, v in given.items() if v}}
    if failed:
        with pytest.raises(tp.InvalidInputError, match="can be promised with 90 % confidence"):
            bands(p, y.astype(int), **call)
        return
    found = bands(p, y.astype(int), **call).parts[0]
    if both and 1 - mirrored >= accept - 2e-6:  # they overlap: stricter ones, apart
        assert found.reject_to < found.accept_from
        assert found.accept_from >= accept
        assert found.reject_to <= 1 - mirrored + 1e-9
        return
    if wants_accept:
        assert found.accept_from == accept
    if rejects:
        assert found.reject_to == pytest.approx(1 - mirrored, abs=1e-12)


def test_counts_and_rates_row_by_row():
    """Every rate of the rows that set the thresholds, and of others, as counted one by one."""
    rng = np.random.default_rng(5)
    p = rng.beta(0.4, 0.4, 3000)
    y = rng.random(3000) < p
    rule = bands(p, y.astype(int), event=1, min_precision=0.9, max_false_negative_rate=0.05)
    other = rng.beta(0.4, 0.4, 500).round(3)
    truth = rng.random(500) < other
    part = rule.parts[0]
    for counts, (s, t) in ((rule.counts, (p, y)), (rule.measure(other, truth.astype(int)),
                                                    (other, truth))):  # fmt: skip
        expected = rates(s, t, part.accept_from, part.reject_to)
        for name, value in expected.items():
            own = getattr(counts, name)
            assert own.value == value
            assert own.low <= value <= own.high
    decided = rule.decide(other)
    assert decided.tolist() == [
        "accept" if s >= part.accept_from - 1e-6 else "reject" if s <= part.reject_to + 1e-6
        else "review" for s in other
    ]  # fmt: skip
    assert (rule.accepts(other) == (decided == "accept")).all()


# Simulations: worlds of few scores, whose rates at every pair of thresholds are known.


class World:
    """Scores, how often each comes, and how often a row of it is positive."""

    def __init__(self, scores, shares, positive):
        self.scores, self.shares, self.positive = map(np.asarray, (scores, shares, positive))

    def draw(self, rng, n):
        at = rng.choice(len(self.scores), n, p=self.shares)
        return self.scores[at], rng.random(n) < self.positive[at]

    def rates(self, accept_from, reject_to):
        yes, no = self.shares * self.positive, self.shares * (1 - self.positive)
        a = self.scores >= (2 if accept_from is None else accept_from) - 1e-6
        j = self.scores <= (-1 if reject_to is None else reject_to) + 1e-6
        return {
            "min_precision": yes[a].sum() / max((yes + no)[a].sum(), 1e-300),
            "max_false_positive_rate": no[a].sum() / no.sum(),
            "min_recall": yes[a].sum() / yes.sum(),
            "min_negative_predictive_value": no[j].sum() / max((yes + no)[j].sum(), 1e-300),
            "max_false_negative_rate": yes[j].sum() / yes.sum(),
        }

    def broken(self, part, limits):
        """Whether a promise of these thresholds is broken here."""
        found = self.rates(part.accept_from, part.reject_to)
        for name, limit in limits.items():
            end = part.reject_to if name in LIMITS[3:] else part.accept_from
            if end is None:
                continue
            if found[name] < limit - 1e-12 if name[:3] == "min" else found[name] > limit + 1e-12:
                return True
        return False


def calibrated(m=40, a=0.5, b=0.5):
    """Scores that mean what they say, more of them at the ends."""
    scores = (np.arange(m) + 0.5) / m
    shares = scores ** (a - 1) * (1 - scores) ** (b - 1)
    return World(scores, shares / shares.sum(), scores)


WORLDS = {
    "calibrated": (calibrated(), 500),
    "rare events": (calibrated(200, 0.15, 3.0), 3000),
    "near-certain": (World([0.9999, 0.999, 0.99, 0.3, 0.001, 0.0001],
                           [0.3, 0.1, 0.08, 0.04, 0.1, 0.38],
                           [0.999, 0.94, 0.7, 0.5, 0.08, 0.001]), 900),
    "heavy tails": (World(1 / (1 + np.exp(-np.linspace(-12, 12, 49))), np.full(49, 1 / 49),
                          0.5 + np.arctan(np.linspace(-12, 12, 49)) / np.pi), 700),
    "ties": (World([0.9, 0.5, 0.1], [0.4, 0.2, 0.4], [0.89, 0.5, 0.11]), 400),
    "a cliff": (World([0.95, 0.9, 0.1, 0.05], [0.3, 0.2, 0.2, 0.3], [0.93, 0.7, 0.3, 0.07]), 500),
    "unruly": (World([0.99, 0.9, 0.1, 0.01], [0.2, 0.3, 0.3, 0.2], [0.8, 0.95, 0.05, 0.2]), 500),
    "few rows": (calibrated(10), 80),
}  # fmt: skip
PROMISES = {
    "precision": {"min_precision": 0.9},
    "fpr": {"max_false_positive_rate": 0.05},
    "recall": {"min_recall": 0.7},
    "npv": {"min_negative_predictive_value": 0.9},
    "fnr": {"max_false_negative_rate": 0.05},
    "both bands": {"min_precision": 0.9, "min_negative_predictive_value": 0.9},
    "all": {"min_precision": 0.8, "max_false_positive_rate": 0.1, "min_recall": 0.3,
            "min_negative_predictive_value": 0.8, "max_false_negative_rate": 0.1},
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("promised", PROMISES)
@pytest.mark.parametrize("name", WORLDS)
def test_promises_are_kept(request, name, promised):
    """Over draws of labelled rows, at most 1 - confidence have any promise broken."""
    repeats = 2000 if "slow" in request.config.getoption("markexpr") else 60
    world, n = WORLDS[name]
    rng = np.random.default_rng(0)
    broken = 0
    for _ in range(repeats):
        score, positive = world.draw(rng, n)
        try:
            rule = bands(score, positive.astype(int), event=1, confidence=0.9, **PROMISES[promised])
        except tp.InvalidInputError:
            continue  # refused: nothing is promised
        broken += world.broken(rule.parts[0], PROMISES[promised])
    assert broken / repeats <= 0.1 + 3 * math.sqrt(0.09 / repeats)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limits", "world"),
    [
        ({"min_precision": 0.9}, World([0.95, 0.6], [0.5, 0.5], [0.999, 0.8])),
        ({"max_false_positive_rate": 0.1}, World([0.9, 0.6, 0.1], [0.3, 0.2, 0.5], [1, 0.7, 0.0])),
        ({"min_recall": 0.8}, World([0.9, 0.6, 0.1], [0.4, 0.2, 0.4], [0.99, 0.5, 0.01])),
    ],
)
def test_promises_are_no_looser_than_they_say(request, limits, world):
    """Where a threshold breaks its promise by a hair, nearly delta of the draws take it."""
    repeats = 2000 if "slow" in request.config.getoption("markexpr") else 300
    name, limit = next(iter(limits.items()))
    ends = [world.rates(t, None)[name] for t in world.scores]
    sign = 1 if name[:3] == "min" else -1
    bad = [e for e in ends if sign * (e - limit) < 0]
    hair = max(bad, key=lambda e: sign * e) + sign * 1e-9  # promised: just more than is kept
    rng = np.random.default_rng(1)
    broken = 0
    for _ in range(repeats):
        score, positive = world.draw(rng, 1500)
        try:
            rule = bands(score, positive.astype(int), event=1, confidence=0.9, **{name: hair})
        except tp.InvalidInputError:
            continue
        broken += world.rates(rule.parts[0].accept_from, None)[name] * sign < hair * sign - 1e-12
    assert 0.05 < broken / repeats < 0.12


@pytest.mark.slow
def test_groups_and_clusters_keep_their_promises_at_once(request):
    """Two bands in each of four groups of clustered rows: any broken promise counts."""
    repeats = 1000 if "slow" in request.config.getoption("markexpr") else 40
    world, limits = calibrated(), {"min_precision": 0.85, "min_negative_predictive_value": 0.85}
    rng = np.random.default_rng(2)
    broken = 0
    for _ in range(repeats):
        score, positive = world.draw(rng, 1600)
        names = np.repeat(["a", "b", "c", "d"], 400)
        three = {"groups": np.tile(names, 3), "clusters": np.tile(np.arange(1600), 3)}
        rule = bands(np.tile(score, 3), np.tile(positive, 3).astype(int), event=1, confidence=0.8,
                     **three, **limits)  # fmt: skip
        assert rule.counts.n == 1600
        broken += any(world.broken(part, limits) for part in rule.parts)
    assert broken / repeats <= 0.2 + 3 * math.sqrt(0.16 / repeats)


@pytest.mark.slow
def test_composite_answers_keep_their_promise(request):
    """Documents of one to five questions, whose errors come together: all of one right."""
    repeats = 2000 if "slow" in request.config.getoption("markexpr") else 60
    rng = np.random.default_rng(3)

    def documents(n):
        sizes, hard = rng.integers(1, 6, n), rng.beta(6, 1, n)
        of = np.repeat(np.arange(n), sizes)
        confidence = np.clip(hard[of] + rng.normal(0, 0.02, len(of)), 0.5, 1)
        fails_whole = rng.random(n) > hard**0.5  # the rows of a document err together
        wrong = fails_whole[of] | (rng.random(len(of)) > hard[of] ** 0.5)
        return np.stack([confidence, 1 - confidence], axis=1), wrong.astype(int), of

    new = documents(40_000)
    broken = 0
    for _ in range(repeats):
        probs, labels, of = documents(400)
        try:
            rule = bands(probs, labels, clusters=of, composite="product", min_precision=0.8,
                         confidence=0.9)  # fmt: skip
        except tp.InvalidInputError:
            continue
        broken += rule.measure(new[0], new[1], clusters=new[2]).precision.value < 0.8
    assert broken / repeats <= 0.1 + 3 * math.sqrt(0.09 / repeats)


# Composite answers, overlap, groups.


@pytest.mark.parametrize("composite", ["product", "minimum"])
def test_a_composite_answer_is_right_where_all_its_rows_are(composite):
    """Counts by a loop over documents; the file needs clusters, and a document is one decision."""
    rng = np.random.default_rng(0)
    confidence = rng.beta(20, 1, 3000).clip(0.5)
    of = np.sort(rng.integers(0, 900, 3000)).astype(str)
    wrong = rng.random(3000) > confidence
    probs = np.stack([confidence, 1 - confidence], axis=1)
    rule = bands(probs, wrong.astype(int), clusters=of, composite=composite, min_precision=0.9)
    at = rule.parts[0].accept_from
    n = accepted = right = 0
    expected = []
    for name in dict.fromkeys(of.tolist()):
        own = confidence[of == name]
        score = math.prod(own.tolist()) if composite == "product" else min(own.tolist())
        n, takes = n + 1, score >= at - 1e-6
        accepted += takes
        right += takes and not wrong[of == name].any()
        expected += ["accept" if takes else "review"] * len(own)
    assert (rule.counts.n, rule.counts.accepted, rule.counts.accepted_positives) == (
        n, accepted, right)  # fmt: skip
    policy = DecisionPolicy(tp.TemperatureScaling(1.0), rule)
    logits = np.log(probs)
    assert policy.decide(logits, clusters=of).bands.tolist() == expected
    with pytest.raises(tp.InvalidInputError, match="`clusters` must be given"):
        policy.decide(logits)
    with pytest.raises(tp.InvalidInputError, match="needs `clusters`"):
        bands(probs, wrong.astype(int), composite=composite, min_precision=0.9)
    with pytest.raises(tp.InvalidInputError, match="must not be given with `groups`"):
        bands(probs, wrong.astype(int), clusters=of, groups=of, composite=composite,
              min_precision=0.9)  # fmt: skip


def test_bands_that_would_overlap_are_parted():
    """Where both promises hold everywhere, no row is in both bands, and none is left for review."""
    rng = np.random.default_rng(0)
    p = np.concatenate([rng.uniform(0.9, 1, 500), rng.uniform(0, 0.1, 500)])
    y = (p > 0.5).astype(int)
    rule = bands(p, y, event=1, min_precision=0.4, min_negative_predictive_value=0.4)
    assert rule.counts == BandCounts(1000, 500, 500, 500, 500, 0)
    assert rule.counts.reviewed == 0
    constant = np.full(500, 0.5)
    with pytest.raises(tp.InvalidInputError, match="the bands overlap wherever they begin"):
        bands(constant, np.arange(500) % 2, event=1, min_precision=0.3,
              min_negative_predictive_value=0.3)  # fmt: skip


def test_each_group_has_its_own_bands():
    """At its share of the level; groups too small, and rows of no group, are reviewed."""
    rng = np.random.default_rng(1)
    p = rng.beta(0.4, 0.4, 2020)
    y = rng.random(2020) < p
    names = np.array(["q1"] * 1000 + ["q2"] * 1000 + ["tiny"] * 20)
    rule = bands(p, y.astype(int), event=1, groups=names, min_precision=0.85,
                 min_negative_predictive_value=0.85)  # fmt: skip
    found = {part.group: part for part in rule.parts}
    for name in ("q1", "q2"):
        of = names == name
        assert found[name].accept_from == slow_accept(p[of], y[of], 0.05 / 4, 0.85)
        mirrored = slow_accept(1 - p[of], ~y[of], 0.05 / 4, 0.85)
        assert found[name].reject_to == pytest.approx(1 - mirrored)
    assert found["tiny"].accept_from is None
    assert "takes at least" in found["tiny"].accept_reason
    decided = rule.decide([1.0, 0.0, 1.0, 1.0, 1.0], ["q1", "q2", "tiny", "new", None])
    assert decided.tolist() == ["accept", "reject", "review", "review", "review"]
    with pytest.raises(tp.InvalidInputError, match="`groups` must be given"):
        rule.decide([1.0])


# Refusals: what excludes what, and how many labels would do.


def test_promises_that_exclude_each_other():
    """A precision and a recall that no threshold keeps both: where each would be, what is there."""
    world, rng = calibrated(), np.random.default_rng(0)
    score, positive = world.draw(rng, 2000)
    with pytest.raises(tp.InvalidInputError, match="exclude each other") as refused:
        bands(score, positive.astype(int), event=1, min_precision=0.9, min_recall=0.95)
    text = str(refused.value)
    assert "`min_precision` (--min-precision) and `min_recall` (--min-recall)" in text
    assert "No number of labels would do" in text
    with pytest.raises(tp.InvalidInputError, match=r"exclude each other.*About [0-9,]+ labelled"):
        bands(score[:300], positive[:300].astype(int), event=1, min_precision=0.8, min_recall=0.8)


def test_labels_that_would_do_are_those_of_all_that_is_asked():
    """A precision that more labels would allow, beside a recall that no threshold has with it."""
    world, rng = calibrated(), np.random.default_rng(0)
    score, positive = world.draw(rng, 300)
    y = positive.astype(int)
    ends = np.unique(score)
    precision = np.array([positive[score >= t].mean() for t in ends])
    recall = np.array([(positive & (score >= t)).sum() / positive.sum() for t in ends])
    assert not ((precision > 0.98) & (recall > 0.9)).any()
    with pytest.raises(tp.InvalidInputError, match=r"`min_precision`.*About [0-9,]+ labelled rows"):
        bands(score, y, event=1, min_precision=0.98)
    for both in ({"min_precision": 0.98}, {"max_false_positive_rate": 0.005}):
        with pytest.raises(tp.InvalidInputError, match="No number of labels would do") as refused:
            bands(score, y, event=1, min_recall=0.9, **both)
        (name,) = both
        assert f"do these rows keep `{name}`" in str(refused.value)
        assert "and `min_recall` (--min-recall) at once" in str(refused.value)
    with pytest.raises(tp.InvalidInputError, match="About ") as refused:
        bands(score, y, event=1, min_precision=0.8, min_recall=0.75)
    alone = []
    for each in ({"min_precision": 0.8}, {"min_recall": 0.75}):
        try:
            bands(score, y, event=1, **each)
        except tp.InvalidInputError as error:
            alone.append(int(re.search(r"About ([0-9,]+)", str(error)).group(1).replace(",", "")))
    both = int(re.search(r"About ([0-9,]+)", str(refused.value)).group(1).replace(",", ""))
    assert both >= max(alone, default=0)


def test_refusals_say_how_many_labels():
    """Of each promise: the rows of its denominator, and so many more as that is a share of all."""
    y = np.repeat([1, 0], [40, 160])
    p = np.repeat([0.9, 0.1], [40, 160])
    needed = 5 * rows_needed(0.5 / 41, 0.05, 0.05)  # a fifth of the rows is accepted
    for options, words in (
        (
            {"min_precision": 0.95},
            "of 200 accepted rows .* 160 are negative, 80 %",
        ),
        ({"min_recall": 0.95}, "at least 59 positive rows, none of them missed, and there are 40"),
    ):
        with pytest.raises(tp.InvalidInputError, match=f"{words}. About {needed:,} labelled"):
            bands(p, y, event=1, **options)
    with pytest.raises(tp.InvalidInputError, match=r"at least 59 accepted rows.* there are 30"):
        bands(p[:30], y[:30], event=1, min_precision=0.95)
    with pytest.raises(tp.InvalidInputError, match=r"at least 299 negative rows.*there are 160"):
        bands(p, y, event=1, max_false_positive_rate=0.01)
    with pytest.raises(tp.InvalidInputError, match="No number of labels would do"):
        bands(1 - p, y, event=1, min_precision=0.95)


def test_an_empty_band_is_refused():
    """A false-positive rate that holds only where no row is accepted promises nothing."""
    p = np.repeat([0.4, 0.2], 200)
    y = np.tile([1, 0], 200)
    with pytest.raises(tp.InvalidInputError, match=r"the band is empty: no row reaches 0\.401"):
        bands(p, y, event=1, max_false_positive_rate=0.1)
    with pytest.raises(
        tp.InvalidInputError, match=r"is empty: no row is as low as 0\.599, the loo"
    ):
        bands(1 - p, 1 - y, event=1, max_false_negative_rate=0.1)  # in the words of P(1) as well


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({}, "Give one promise or more"),
        ({"min_recall": 1.0}, r"strictly between 0 and 1, got 1.0. No number of labels"),
        ({"max_false_positive_rate": 0.0}, "strictly between 0 and 1, got 0.0. No number"),
        ({"min_precision": "0.9"}, r"`min_precision` \(--min-precision\) must be a number"),
        ({"min_precision": 0.9, "event": "yes"}, "`event` must be"),
        ({"min_precision": 0.9, "composite": "mean"}, "`composite` must be"),
        ({"min_precision": 0.9, "confidence": 1.0}, "`confidence`"),
    ],
)
def test_bad_arguments(limits, words):
    """Each is named, with its rule and what was given."""
    with pytest.raises(tp.InvalidInputError, match=words):
        bands([0.9] * 100, [1] * 100, **limits)


# A policy of bands: what it decides, its file, and bad files.


@pytest.fixture
def policy():
    """A map of named classes, and two bands of one of them."""
    rng = np.random.default_rng(0)
    z = 3 * rng.normal(size=4000)
    y = np.where(rng.random(4000) < 1 / (1 + np.exp(-z)), "yes", "no")
    scaling = tp.TemperatureScaling(1.0, n_classes=2, classes=("no", "yes"))
    rule = bands(scaling.apply(z), y, classes=("no", "yes"), event="yes", min_precision=0.9,
                 max_false_negative_rate=0.02)  # fmt: skip
    return DecisionPolicy(scaling, rule, {"n_fit": 0})


def test_decides_by_the_probability_of_the_class(policy):
    """Probabilities are the calibrator's; the class is looked at, not the prediction."""
    z = np.linspace(-6, 6, 101)
    probs, decided = policy.decide(z)
    part = policy.rule.parts[0]
    assert (probs == policy.calibrator.apply(z)).all()
    assert decided.tolist() == [
        "accept" if p >= part.accept_from else "reject" if p <= part.reject_to else "review"
        for p in probs[:, 1]
    ]
    assert policy.apply(z).accepted.tolist() == [each == "accept" for each in decided]
    other = tp.TemperatureScaling(1.0, classes=("yes", "no"))
    with pytest.raises(tp.InvalidInputError, match="does not have there"):
        DecisionPolicy(other, policy.rule)


def test_the_file_gives_the_same_policy(policy, tmp_path):
    """Saved and loaded: equal; of groups and of composite answers too."""
    rng = np.random.default_rng(4)
    p = rng.beta(0.4, 0.4, 2000)
    y = (rng.random(2000) < p).astype(int)
    names = np.repeat(["q1", "q2"], [1990, 10])
    of_groups = bands(p, y, event=1, groups=names, min_precision=0.85, max_false_negative_rate=0.1)
    composite = bands(p, y, clusters=np.arange(2000) // 2, composite="minimum", min_precision=0.7)
    for each in (policy, *(DecisionPolicy(tp.TemperatureScaling(2.0), rule)
                           for rule in (of_groups, composite))):  # fmt: skip
        save_policy(each, tmp_path / "policy.json")
        assert load_policy(tmp_path / "policy.json") == each
        assert load_policy(tmp_path / "policy.json").rule.guarantee == each.rule.guarantee
