"""The pass rate of a judge, corrected by people's labels: its formulas, and that intervals hold."""

import numpy as np
import pytest

from temperance.errors import InvalidInputError
from temperance.llm import compare_pass_rates, pass_rate

BINARY = {  # pass rate, P(judge passes | people pass), P(judge passes | people fail)
    "useless": (0.7, 0.6, 0.6),
    "always passes": (0.7, 1.0, 1.0),
    "good": (0.7, 0.95, 0.1),
    "perfect": (0.7, 1.0, 0.0),
    "rare failures": (0.98, 0.99, 0.4),
    "very rare failures": (0.99, 1.0, 0.3),
    "rare passes": (0.03, 0.8, 0.05),
    "perfect, rare failures": (0.98, 1.0, 0.0),
    "the wrong way round": (0.6, 0.3, 0.7),
}


def world(name, rng, n):
    """Return verdicts, what people would say, clusters or none."""
    if name in BINARY:
        p, sensitivity, false = BINARY[name]
        y = rng.random(n) < p
        f = rng.random(n) < np.where(y, sensitivity, false)
        return f.astype(float), y.astype(float), None
    if name == "scores":
        z = rng.normal(0.8, 1.5, n)
        y = rng.random(n) < 1 / (1 + np.exp(-(0.5 * z + 0.2)))
        return 1 / (1 + np.exp(-z)), y.astype(float), None
    if name == "grades":
        grade = rng.beta(3, 1.5, n)
        y = np.clip(grade + rng.normal(0, 0.1, n), 0, 1).round(1)
        return np.clip(grade + 0.1 + rng.normal(0, 0.15, n), 0, 1), y, None
    if name == "heavy tails":
        y = rng.random(n) < 0.97
        return np.where(y, rng.beta(30, 1, n), rng.beta(2, 1, n)), y.astype(float), None
    assert name == "clusters"
    topic, taste = (rng.normal(at, 1.1, n // 10).repeat(10) for at in (0.8, 0.0))
    y = topic + rng.logistic(size=n) > 0
    f = topic + taste + 2 * (y - 0.5) + rng.logistic(size=n) > 0
    return f.astype(float), y.astype(float), np.arange(n) // 10


OTHERS = ("scores", "grades", "heavy tails", "clusters")


def asked(rng, y, n, clusters=None):
    """Labels of n rows, or of the rows of n / 10 clusters, drawn at random."""
    labels = np.full(len(y), np.nan)
    if clusters is None:
        rows = rng.permutation(len(y))[:n]
    else:
        rows = np.isin(clusters, rng.permutation(len(y) // 10)[: n // 10])
    labels[rows] = y[rows]
    return labels


def truth(name):
    if name in BINARY:
        return BINARY[name][0]
    return world(name, np.random.default_rng(9), 2_000_000)[1].mean()


def count_of(request, many, few):
    return many if "slow" in request.config.getoption("markexpr") else few


@pytest.mark.slow
@pytest.mark.parametrize("n", [30, 100])
@pytest.mark.parametrize("name", [*BINARY, *OTHERS])
def test_intervals_hold_the_truth(request, name, n):
    """At 95 %, of whatever judge and however rare; normal ones do not."""
    count = count_of(request, 1000, 20)
    rng = np.random.default_rng(3)
    true = truth(name)
    held = 0
    for _ in range(count):
        f, y, clusters = world(name, rng, 1000)
        found = pass_rate(f, asked(rng, y, max(n, 100) if clusters is not None else n, clusters),
                          clusters=clusters)  # fmt: skip
        held += found.pass_rate.low <= true <= found.pass_rate.high
    assert held / count >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / count)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["scores", "grades", "good", "heavy tails", "clusters"])
def test_intervals_of_the_calibrated_judge_hold(request, name):
    """The map is never of the row that it scores."""
    count = count_of(request, 600, 15)
    rng = np.random.default_rng(4)
    true = truth(name)
    held = 0
    for _ in range(count):
        f, y, clusters = world(name, rng, 1000)
        labels = asked(rng, y, 100, clusters)
        found = pass_rate(f, labels, method="calibrated", clusters=clusters)
        held += found.pass_rate.low <= true <= found.pass_rate.high
    assert held / count >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / count)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["stratified", "adjusted-count"])
@pytest.mark.parametrize("name", ["good", "perfect", "rare failures", "rare passes"])
def test_intervals_hold_where_labels_were_chosen(request, name, method):
    """As many of each verdict, or of each label; taken for random, they mislead."""
    count = count_of(request, 600, 15)
    rng = np.random.default_rng(5)
    true, n, known = truth(name), 1000, 0
    held = misled = 0
    for _ in range(count):
        f, y, _ = world(name, rng, n if method == "stratified" else 4 * n)
        by = f if method == "stratified" else y
        rows = np.concatenate([rng.permutation(np.flatnonzero(by == each))[:30] for each in (0, 1)])
        labels = np.full(len(y), np.nan)
        labels[rows] = y[rows]
        found = pass_rate(f, labels, method=method)
        held += found.pass_rate.low <= true <= found.pass_rate.high
        at_random = pass_rate(f, labels)
        misled += not at_random.pass_rate.low <= true <= at_random.pass_rate.high
        known += any("not drawn at random" in note for note in at_random.notes)
    assert held / count >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / count)
    if BINARY[name][0] != 0.7:  # there halves are near the truth
        assert known / count > 0.5
        # two verdicts: their slope makes up for how many of each there are, but not of labels
        assert (misled / count > 0.5) == (method == "adjusted-count")


@pytest.mark.slow
@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("name", ["good", "rare failures", "scores", "perfect"])
def test_differences_hold_the_truth(request, name, paired):
    """Two systems whose answers to one question are alike, or of different questions."""
    count = count_of(request, 600, 15)
    rng = np.random.default_rng(6)
    n, held = 500, 0
    for _ in range(count):
        f, y, _ = world(name, rng, n)
        # the other system differs in one answer of five
        g, z, _ = world(name, rng, n)
        if paired:
            same = rng.random(n) < 0.8
            g, z = np.where(same, f, g), np.where(same, y, z)
        questions = np.tile(np.arange(n), 2) if paired else np.arange(2 * n)
        rows = np.isin(questions, rng.permutation(questions.max() + 1)[: 60 if paired else 120])
        labels = np.where(rows, np.r_[y, z], np.nan)
        found = compare_pass_rates(
            np.r_[f, g], labels, np.repeat(["a", "b"], n), clusters=questions
        ).differences["b"]
        held += found.low <= 0.0 <= found.high
    assert held / count >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / count)


def test_pairing_makes_differences_shorter():
    """Systems that fail on the same questions: the difference is known better than by halves."""
    rng = np.random.default_rng(7)
    y = (rng.random(1000) < 0.7).astype(float)
    z = np.where(rng.random(1000) < 0.95, y, 1 - y)
    f = (rng.random(1000) < 0.5).astype(float)  # a judge that tells nothing
    labels = np.where(np.tile(np.arange(1000) < 200, 2), np.r_[y, z], np.nan)
    systems = np.repeat(["old", "new"], 1000)
    apart = compare_pass_rates(np.r_[f, f], labels, systems).differences["new"]
    paired = compare_pass_rates(
        np.r_[f, f], labels, systems, clusters=np.tile(np.arange(1000), 2)
    ).differences["new"]
    assert paired.value == apart.value
    assert paired.high - paired.low < 0.7 * (apart.high - apart.low)


def test_the_estimate_is_the_formula_and_is_between_judge_and_people():
    """By loops, with weights; the judge alone and the labels alone are what they say."""
    rng = np.random.default_rng(8)
    f, y, _ = world("scores", rng, 200)
    labels, w = asked(rng, y, 40), rng.uniform(0.5, 2.0, 200)
    found = pass_rate(f, labels, weights=w)
    there = [i for i in range(200) if labels[i] == labels[i]]
    total = sum(w[i] for i in there)
    mean_f, mean_y = (sum(w[i] * x[i] for i in there) / total for x in (f, labels))
    slope = sum(w[i] * (f[i] - mean_f) * (labels[i] - mean_y) for i in there) / sum(
        w[i] * (f[i] - mean_f) ** 2 for i in there
    )
    assert 0 < slope < 1
    every = (w @ f) / w.sum()
    assert found.tuning == pytest.approx(slope)
    assert found.pass_rate.value == pytest.approx(mean_y + slope * (every - mean_f))
    assert found.judge_alone == pytest.approx(every)
    assert found.labels_alone.value == pytest.approx(mean_y)
    assert found.n_labelled == 40


def test_it_is_the_estimate_of_the_authors():
    """`ppi_py` gives the same estimate, and tunes alike; its interval is the normal one."""
    ppi_py = pytest.importorskip("ppi_py", exc_type=ImportError)
    rng = np.random.default_rng(10)
    f, y, _ = world("good", rng, 2000)
    labels = asked(rng, y, 300)
    there = ~np.isnan(labels)
    found = pass_rate(f, labels)
    lam = found.tuning * (~there).sum() / len(f)
    parts = (labels[there], f[there], f[~there])
    assert ppi_py.ppi_mean_pointestimate(*parts, lam=lam) == pytest.approx(found.pass_rate.value)
    assert ppi_py.ppi_mean_pointestimate(*parts) == pytest.approx(found.pass_rate.value, abs=0.003)
    low, high = (float(np.squeeze(end)) for end in ppi_py.ppi_mean_ci(*parts, alpha=0.05))
    width = found.pass_rate.high - found.pass_rate.low
    assert 1.0 < width / (high - low) < 1.3


def test_an_adjusted_count_undoes_the_errors_of_the_judge():
    """Known passes and fails, half of each, of a judge whose errors can be counted by hand."""
    verdicts = [1] * 18 + [0] * 2 + [1] * 4 + [0] * 16 + [1] * 60 + [0] * 40
    labels = [1] * 20 + [0] * 20 + [None] * 100
    found = pass_rate(verdicts, labels, method="adjusted-count")
    assert found.pass_rate.value == pytest.approx((0.6 - 0.2) / (0.9 - 0.2))
    assert found.sensitivity.value == pytest.approx(0.9)
    assert found.specificity.value == pytest.approx(0.8)
    assert found.labels_alone is found.tuning is found.worth_labels is None
    more = pass_rate(verdicts[:40] * 50 + verdicts[40:] * 50,
                     labels[:40] * 50 + labels[40:] * 50, method="adjusted-count")  # fmt: skip
    assert more.pass_rate.value == pytest.approx(found.pass_rate.value)
    assert more.pass_rate.high - more.pass_rate.low < 0.2 * (
        found.pass_rate.high - found.pass_rate.low
    )


def test_strata_count_as_often_as_their_verdict():
    """Half of the labels where the judge says fail: each verdict's share comes from all rows."""
    verdicts = [1] * 900 + [0] * 100
    labels = ([1] * 48 + [0] * 2 + [None] * 850) + ([1] * 10 + [0] * 40 + [None] * 50)
    found = pass_rate(verdicts, labels, method="stratified")
    assert found.pass_rate.value == pytest.approx(0.9 * 0.96 + 0.1 * 0.2)
    assert "not drawn at random" in pass_rate(verdicts, labels).notes[0]


def test_a_judge_that_tells_nothing_is_not_listened_to():
    """Its weight is about 0, the interval that of the labels, and this is told."""
    rng = np.random.default_rng(11)
    y = (rng.random(3000) < 0.7).astype(float)
    found = pass_rate(np.ones(3000), asked(rng, y, 200))
    assert found.tuning == 0.0
    assert found.pass_rate == found.labels_alone
    assert found.worth_labels == pytest.approx(200)
    good = pass_rate(np.where(rng.random(3000) < 0.95, y, 1 - y), asked(rng, y, 200))
    assert good.worth_labels > 400
    assert good.notes == ()


def test_shown_and_plain():
    """The table has all ways, JSON the names that the page lists."""
    f, y, _ = world("good", np.random.default_rng(12), 500)
    found = pass_rate(f, asked(np.random.default_rng(13), y, 60))
    text = str(found)
    assert "500 rows, 60 labelled by people (ppi)" in text
    assert "judge alone (biased)" in text
    assert list(found.to_dict()) == [
        "pass_rate", "judge_alone", "labels_alone", "n", "n_labelled", "n_clusters", "method",
        "level", "tuning", "sensitivity", "specificity", "worth_labels", "notes",
    ]  # fmt: skip
    assert found.columns()["way"][0] == "corrected"
    both = compare_pass_rates(np.r_[f, f], np.r_[y, y], ["a"] * 500 + ["b"] * 500)
    assert both.differences["b"].verdict == "cannot tell"
    assert both.to_dict()["baseline"] == "a"
    assert "less a" in str(both)
    assert both.columns()["difference"] == [None, 0.0]


F, Y = [1.0] * 10 + [0.0] * 10, [1.0, None] * 10


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        (([1.0, 2.0], [1, 0]), {}, "`verdicts` must be 1 or true .* row 1 .*grades from a to b"),
        ((F, [3] * 20), {}, "`labels` must be 1 or true .*None where nobody was asked"),
        ((F, Y[:-1]), {}, r"`labels` must have shape \(20,\)"),
        ((F, [1] * 9 + [None] * 11), {}, "at least 10 rows.* 9 of 20 rows have one"),
        ((F, Y), {"method": "ppi++"}, "`method` must be one of ppi, calibrated"),
        ((F, Y), {"level": 1.0}, "`level` .* must be a number strictly"),
        ((F, [1] * 10 + [None] * 10), {"method": "stratified"}, "no row of the verdict 0 has one"),
        ((F, [1] * 20), {"method": "adjusted-count"}, "must be missing in the rows whose"),
        ((F, Y), {"method": "adjusted-count"}, "a row that people fail"),
        ((F, [0.5] * 19 + [None]), {"method": "adjusted-count"}, "pass or fail .* not grades"),
        ((F, [0] * 8 + [1, None] + [1] * 8 + [0, None]), {"method": "adjusted-count"},
         "tell nothing here"),
        ((np.linspace(0, 1, 40), [1, None] * 20), {"method": "stratified"}, "at most 20 values"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(arguments, settings, message):
    """In one line that says what to do."""
    with pytest.raises(InvalidInputError, match=message):
        pass_rate(*arguments, **settings)


def test_an_impossible_mean_verdict_is_refused():
    """New rows passed more often than any pass rate explains: the judge is another there."""
    verdicts = ([1] * 100 + [0] * 400) + ([0] * 500) + [1] * 500
    labels = [1] * 500 + [0] * 500 + [None] * 500
    with pytest.raises(InvalidInputError, match="no pass rate explains"):
        pass_rate(verdicts, labels, method="adjusted-count")


def test_a_mean_verdict_that_chance_explains_has_a_rate():
    """27 of 30 passes pass, of new rows 98.45 %: no rate does at .95, rates near 1 at .9999."""
    verdicts = [1] * 27 + [0] * 3 + [1] * 14 + [0] * 16 + [1] * 3879 + [0] * 61
    labels = [1] * 30 + [0] * 30 + [None] * 3940
    rate = pass_rate(verdicts, labels, method="adjusted-count").pass_rate
    assert rate.value == 1.0
    assert rate.high == 1.0
    assert 0.5 < rate.low < 0.98
    for level in (0.5, 0.9999):
        other = pass_rate(verdicts, labels, method="adjusted-count", level=level).pass_rate
        assert (other.low, other.high) == pytest.approx((rate.low, rate.high))


def test_bad_systems_are_refused():
    """One alone, one without labels, a baseline that is not there."""
    with pytest.raises(InvalidInputError, match="two systems or more"):
        compare_pass_rates(F, Y, ["a"] * 20)
    with pytest.raises(InvalidInputError, match="system 'b': `labels` must be known"):
        compare_pass_rates(F * 2, [*Y, *([None] * 20)], ["a"] * 20 + ["b"] * 20)
    with pytest.raises(InvalidInputError, match="`baseline` must be"):
        compare_pass_rates(F * 2, Y * 2, ["a"] * 20 + ["b"] * 20, baseline="c")
