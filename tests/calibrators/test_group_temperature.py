"""One temperature per group: how far each is drawn to the pooled one, and who gets which."""

import json
import math

import numpy as np
import pytest

import reference
import temperance as tp
from temperance.calibrators import Training, ends_text
from temperance.calibrators.shrinkage import between_variance, own_interval, shrunk_fit
from temperance.crossfit import folds_of


@pytest.fixture
def grouped():
    """Groups of known size and temperature; labels drawn from softmax(z / T)."""

    def make(sizes, temperatures, seed=0):
        rng = np.random.default_rng(seed)
        z, y, names = [], [], []
        for number, (n, t) in enumerate(zip(sizes, temperatures, strict=True)):
            own = rng.normal(size=(n, 4)) * 3
            z.append(own)
            y += [rng.choice(4, p=p) for p in reference.softmax(own / t)]
            names += [f"g{number}"] * n
        return np.concatenate(z), np.array(y), np.array(names)

    return make


def test_between_variance_by_hand():
    """With equal errors it is the variance of the values less the error's square."""
    x = np.array([0.0, 0.4, 0.8])  # variance (n - 1): 0.16
    assert between_variance(x, np.full(3, 0.1)) == pytest.approx(0.16 - 0.01, rel=1e-9)
    assert between_variance(x, np.full(3, 0.5)) == 0.0
    assert between_variance(x[:1], np.array([0.1])) == 0.0


def test_between_variance_solves_its_equation():
    """With unequal errors the weighted squares add up to one less than the number of groups."""
    rng = np.random.default_rng(1)
    x, s = rng.normal(size=12), rng.uniform(0.1, 1, 12)
    t2 = between_variance(x, s)
    weight = 1 / (s**2 + t2)
    mean = (weight * x).sum() / weight.sum()
    assert (weight * (x - mean) ** 2).sum() == pytest.approx(11, rel=1e-9)


@pytest.mark.parametrize("strength", [0.5, 20.0, 1e9])
def test_shrunk_fit_against_a_search(sample, strength):
    """The loss of the rows plus the prior about the pooled T, minimised by golden section."""
    z, y = sample(n=80)
    fitted = shrunk_fit(Training.check(z, y), pooled=3.0, strength=strength)
    assert fitted.temperature == pytest.approx(
        3.0 * reference.temperature(z / 3.0, y, prior=strength), rel=1e-7
    )
    if strength == 1e9:
        assert fitted.temperature == pytest.approx(3.0, rel=1e-6)


def test_shrinkage_lands_near_the_truth(grouped):
    """Twelve groups around T = 2: shrunk temperatures are closer to the truth than either end."""
    truth = np.exp(np.random.default_rng(4).normal(math.log(2), 0.3, 12))
    errors = {"pooled": 0.0, "own": 0.0, "shrunk": 0.0}
    for seed in range(6):
        z, y, names = grouped([60] * 12, truth, seed)
        fitted = tp.GroupTemperatureScaling.fit(z, y, groups=names)
        for number, t in enumerate(truth):
            rows = names == f"g{number}"
            own = reference.temperature(z[rows], y[rows])
            shrunk = fitted.temperatures[f"g{number}"]
            for name, found in zip(errors, (fitted.temperature, own, shrunk), strict=True):
                errors[name] += math.log(found / t) ** 2
    assert errors["shrunk"] < min(errors["pooled"], errors["own"])


def test_much_data_keeps_its_own_optimum_little_stays_at_the_pooled(grouped):
    """A group of 3,000 rows is hardly moved, one of 25 mostly."""
    z, y, names = grouped([3000, 3000, 3000, 25], [1.0, 2.0, 4.0, 2.0], seed=2)
    fitted = tp.GroupTemperatureScaling.fit(z, y, groups=names)
    for group in ("g0", "g2"):
        own = reference.temperature(z[names == group], y[names == group])
        assert fitted.temperatures[group] == pytest.approx(own, rel=0.01)
    assert fitted.spread == pytest.approx(math.log(2), rel=0.5)


def test_groups_that_differ_by_chance_alone_get_one_temperature(grouped):
    """All groups drawn at T = 2: in most samples nothing is left between them."""
    pooled = 0
    for seed in range(10):
        z, y, names = grouped([200] * 5, [2.0] * 5, seed)
        fitted = tp.GroupTemperatureScaling.fit(z, y, groups=names)
        pooled += set(fitted.temperatures.values()) == {fitted.temperature}
    assert pooled >= 4  # half of all samples, by chance


def test_small_groups_are_listed(grouped):
    """Under 20 rows a group has the pooled temperature, and is named."""
    z, y, names = grouped([400, 400, 19], [1.0, 3.0, 1.0])
    fitted = tp.GroupTemperatureScaling.fit(z, y, groups=names)
    assert fitted.small_groups == ("g2",)
    assert set(fitted.temperatures) == {"g0", "g1"}
    assert "too small g2" in str(fitted)
    assert fitted.scale(z[:1], groups=["g2"]) == pytest.approx(z[:1] / fitted.temperature)


def test_a_group_without_an_optimum_is_held(grouped):
    """All rows right in one group: T = 0 for itself, finite under the prior."""
    z, y, names = grouped([400, 400, 60], [1.0, 3.0, 1.0])
    y[names == "g2"] = z[names == "g2"].argmax(axis=1)
    fitted = tp.GroupTemperatureScaling.fit(z, y, groups=names)
    assert 0 < fitted.temperatures["g2"] < fitted.temperature


def refused(z, y, w, t, about, clusters=None, quantile=1.959963984540054):
    """Whether a score test, written out, refuses T = t: how far the slope is beyond its limit."""

    def slopes(b):
        p = reference.softmax(b * z)
        mean = (p * z).sum(axis=1)
        return w * (mean - z[np.arange(len(y)), y]), w**2 * ((p * z**2).sum(axis=1) - mean**2)

    g, v = slopes(1 / about)
    c = max(1.0, (g**2).sum() / v.sum())
    if clusters is not None:
        names = sorted(set(clusters.tolist()))
        of_cluster = np.array([g[clusters == name].sum() for name in names])
        c *= len(names) / (len(names) - 1) * (of_cluster**2).sum() / (g**2).sum()
        c = max(1.0, c)
    g, v = slopes(1 / t)
    return abs(g.sum()) - quantile * np.sqrt(c * v.sum())


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("clustered", [False, True])
def test_own_interval_ends_where_a_score_test_refuses(sample, weighted, clustered):
    """Of 60 rows: the test, written out, changes its mind at both ends, at any weights' scale."""
    z, y = sample(n=60, seed=2)
    w = np.random.default_rng(0).uniform(0.2, 2, 60) if weighted else np.ones(60)
    clusters = np.arange(60) // 6 if clustered else None
    quantile = 2.2621571628 if clustered else 1.959963984540054  # of t with 9 degrees of freedom
    best = reference.temperature(z, y, w)
    for scale in (1.0, 1e-9):
        rows = Training.check(z, y, weights=scale * w if weighted else None)
        ends = own_interval(rows, about=best, optimum=True, clusters=clusters)
        assert ends[0] < best < ends[1]
        for end, out in zip(ends, (0.999, 1.001), strict=True):
            assert refused(z, y, w, end * out, best, clusters, quantile) > 0
            assert refused(z, y, w, end / out, best, clusters, quantile) < 0


def test_a_narrow_interval_is_as_good_as_a_straight_line(sample):
    """Of 6,000 rows the ends are q standard errors away, and a score test agrees within 1e-3."""
    z, y = sample(n=6000)
    best = tp.TemperatureScaling.fit(z, y).temperature
    low, high = own_interval(Training.check(z, y), about=best, optimum=True)
    assert low * high == pytest.approx(best**2)
    assert math.log(high / best) < 0.05
    w = np.ones(6000)
    assert refused(z, y, w, high * 1.001, best) > 0 > refused(z, y, w, high / 1.001, best)
    assert refused(z, y, w, low / 1.001, best) > 0 > refused(z, y, w, low * 1.001, best)


def test_intervals_without_an_end(grouped, tmp_path):
    """All right: any small T will do; as good as a coin: any large one; one cluster: no interval.

    A group of right answers alone excludes the T at which 3.8 errors would be expected.
    """
    z, y, names = grouped([400, 400, 60, 60], [1.0, 3.0, 1.0, 1.0])
    right, chance = names == "g2", names == "g3"
    y[right] = z[right].argmax(axis=1)
    y[chance] = np.random.default_rng(1).integers(0, 4, 60)
    fitted = tp.GroupTemperatureScaling.fit(z, y, groups=names)
    parts = fitted.record.groups
    assert parts["g2"].alone is None
    assert parts["g2"].interval[0] == 0.0
    assert parts["g2"].interval[1] < 2.0
    assert parts["g3"].interval[1] == math.inf
    w = np.ones(60)
    high = own_interval(Training.check(z[right], y[right]), about=1.0, optimum=False)[1]
    assert refused(z[right], y[right], w, high * 1.001, 1.0) > 0
    assert refused(z[right], y[right], w, high / 1.001, 1.0) < 0
    tp.save(fitted, tmp_path / "c.json")
    assert tp.load(tmp_path / "c.json") == fitted
    content = json.loads((tmp_path / "c.json").read_text())
    ends = content["fit"]["groups"]["g3"]["temperature_interval"]
    assert ends == [parts["g3"].interval[0], None]
    for bad in ([None, None], ["0", None], [-1, None], [0.1, 2.0, 3.0], [0.0, "x"]):
        content["fit"]["groups"]["g3"]["temperature_interval"] = bad
        (tmp_path / "c.json").write_text(json.dumps(content))
        with pytest.raises(tp.FileFormatError, match="temperature_interval"):
            tp.load(tmp_path / "c.json")
    display = tp.plots.TemperatureDisplay.from_temperatures(
        {"right": tp.Estimate(0.8, 0.0, 1.2), "chance": tp.Estimate(9.0, 3.0, math.inf)}
    )
    assert "right 0.8 (up to 1.2); chance 9 (3 and more)" in display.alt_text()[1]
    assert ends_text(0.0, math.inf) == "any"
    one = tp.GroupTemperatureScaling.fit(z, y, groups=names, clusters=names)
    assert {part.interval for part in one.record.groups.values()} == {None}


def test_groups_count_clusters(run, tmp_path, grouped):
    """Rows that stand three times, as clusters of three: in Python and on the command line.

    c is m / (m - 1) larger and q one of t, so the interval is that of single rows and a little
    more.
    """
    z, y, names = grouped([150, 150], [1.0, 4.0])
    thrice = np.repeat(np.arange(300), 3)
    options = {"groups": names[thrice], "clusters": thrice}
    fitted = tp.GroupTemperatureScaling.fit(z[thrice], y[thrice], **options)
    once = tp.GroupTemperatureScaling.fit(z, y, groups=names)
    for name in ("g0", "g1"):
        ends = np.log([fitted.record.groups[name].interval, once.record.groups[name].interval])
        assert ends[0] == pytest.approx(ends[1], abs=0.03)
        # without clusters, three times as many rows would be surer by the root of three
        assert np.ptp(ends[0]) > 1.4 * np.ptp(ends[1]) / 3**0.5
    more = 300 / 299  # of clusters
    error = more * once.record.standard_error
    assert fitted.record.standard_error == pytest.approx(error, rel=0.002)
    np.savez(tmp_path / "cal.npz", logits=z[thrice], labels=y[thrice], **options)
    run("fit", "cal.npz", "--method", "group-temperature", "--quick", "--json")
    saved = tp.load(tmp_path / "calibrator.json")
    for name in ("g0", "g1"):
        ends = fitted.record.groups[name].interval
        assert saved.record.groups[name].interval == pytest.approx(ends)
    assert saved.temperatures == pytest.approx(fitted.temperatures)


def test_shrinkage_counts_clusters(grouped):
    """Rows that stand five times are as far from the pooled T as rows that stand once."""
    z, y, names = grouped([60] * 10, np.exp(np.random.default_rng(1).normal(0.7, 0.4, 10)), 3)
    five = np.repeat(np.arange(600), 5)
    once = tp.GroupTemperatureScaling.fit(z, y, groups=names)
    copies = {"groups": names[five], "clusters": five}
    counted = tp.GroupTemperatureScaling.fit(z[five], y[five], **copies)
    assert counted.spread == pytest.approx(once.spread, rel=0.05)
    assert counted.spread > 0.0
    for name, t in once.temperatures.items():
        assert counted.temperatures[name] == pytest.approx(t, rel=0.02)
    rows = tp.GroupTemperatureScaling.fit(z[five], y[five], groups=names[five])
    assert rows.spread > 1.05 * counted.spread  # chance taken for differences


def test_groups_that_differ_by_shared_chance_get_one_temperature(grouped):
    """Copies of few rows differ between groups; their clusters say that much of it is chance."""
    z, y, names = grouped([30] * 12, [2.0] * 12, 2)
    ten = np.repeat(np.arange(360), 10)
    rows = tp.GroupTemperatureScaling.fit(z[ten], y[ten], groups=names[ten])
    counted = tp.GroupTemperatureScaling.fit(z[ten], y[ten], groups=names[ten], clusters=ten)
    assert rows.spread > 0.2
    assert counted.spread < 0.6 * rows.spread
    once = tp.GroupTemperatureScaling.fit(z, y, groups=names)
    assert counted.spread == pytest.approx(once.spread, abs=0.05)


def test_a_group_of_one_cluster_gets_the_pooled_temperature(grouped):
    """Nothing says how far chance moves it; the others are judged without it."""
    z, y, names = grouped([200] * 5, [1.0, 2.0, 4.0, 1.5, 6.0], 1)
    clusters = np.where(names == "g4", "one", np.arange(1000).astype(str))
    fitted = tp.GroupTemperatureScaling.fit(z, y, groups=names, clusters=clusters)
    assert fitted.temperatures["g4"] == fitted.temperature
    assert fitted.record.groups["g4"].alone > 4.0
    assert fitted.record.groups["g4"].interval is None
    assert fitted.temperatures["g2"] > 3.0


def one_differs(g, rng, *, t=4.0, others=1.2):
    """Return temperatures of g groups, of which the first is another."""
    return np.r_[t, np.full(g - 1, others)]


def normal_logs(g, rng):
    """Return temperatures whose logarithms are normal."""
    return np.exp(rng.normal(0.5, 0.3, g))


WORLDS = {  # sizes, temperatures, classes, spread of the logits, samples in full, least for the one
    "one of 20 differs": ([50] * 20, one_differs, 4, 3.0, 300, 0.90),
    "two classes": ([50] * 20, one_differs, 2, 2.0, 150, 0.90),
    "few groups": ([100] * 3, lambda g, rng: np.array([3, 1, 1.5]), 4, 3.0, 300, 0.90),
    "many groups": ([30] * 200, normal_logs, 4, 3.0, 10, None),
    "unequal sizes": ([20] * 8 + [50] * 5 + [200] * 3 + [2000], normal_logs, 4, 3.0, 60, None),
    "all alike": ([50] * 20, lambda g, rng: np.full(g, 1.5), 4, 3.0, 100, None),
    "nearly separable": ([50] * 20, lambda g, rng: one_differs(g, rng, t=1, others=0.5), 2, 4.0,
                         100, 0.90),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS)
def test_intervals_of_groups_hold_the_truth(request, world):
    """.93 of all groups at least, and .90 of the one that differs, less three standard errors."""
    full = "slow" in request.config.getoption("markexpr")
    sizes, draw, k, spread, samples, least = WORLDS[world]
    samples = samples if full else max(1, samples // 75)
    rng = np.random.default_rng(list(WORLDS).index(world))
    of_row = np.repeat(np.arange(len(sizes)), sizes)
    held = []
    for _ in range(samples):
        truth = draw(len(sizes), rng)
        z = spread * rng.normal(size=(len(of_row), k))
        y = (z / truth[of_row, None] + rng.gumbel(size=z.shape)).argmax(axis=1)
        parts = tp.GroupTemperatureScaling.fit(z, y, groups=of_row.astype(str)).record.groups
        for g, t in enumerate(truth):
            low, high = parts[str(g)].interval
            assert low <= parts[str(g)].temperature <= high
            held.append(low <= t <= high)
    held = np.array(held).reshape(samples, len(sizes))
    assert held.mean() >= 0.93 - 3 * (0.93 * 0.07 / held.size) ** 0.5
    if least is not None:
        assert held[:, 0].mean() >= least - 3 * (least * (1 - least) / samples) ** 0.5


@pytest.mark.slow
@pytest.mark.parametrize(("n_clusters", "size"), [(20, 5), (8, 10)])
def test_intervals_of_groups_with_clusters(request, n_clusters, size):
    """Most rows of a cluster copy one row and its label: .93 of groups all the same."""
    full = "slow" in request.config.getoption("markexpr")
    samples, rng, t = 100 if full else 6, np.random.default_rng(0), one_differs(10, None)
    clusters = np.arange(10 * n_clusters).repeat(size)
    groups = clusters // n_clusters
    held = []
    for _ in range(samples):
        z = 3 * rng.normal(size=(len(clusters), 4))
        y = (z / t[groups, None] + rng.gumbel(size=z.shape)).argmax(axis=1)
        first = clusters * size
        copied = rng.random(len(clusters)) < 0.7
        z[copied], y[copied] = z[first[copied]], y[first[copied]]
        fitted = tp.GroupTemperatureScaling.fit(z, y, groups=groups.astype(str), clusters=clusters)
        ends = [fitted.record.groups[str(g)].interval for g in range(10)]
        held += [low <= each <= high for (low, high), each in zip(ends, t, strict=True)]
    assert np.mean(held) >= 0.93 - 3 * (0.93 * 0.07 / len(held)) ** 0.5


def test_unseen_and_missing_groups_get_the_pooled_temperature():
    """Of rows that are served: None, nan, empty, unknown names, and no groups at all."""
    scaling = tp.GroupTemperatureScaling(2.0, {"law": 4.0})
    z = np.array([[4.0, 0.0]] * 5)
    groups = np.array(["law", "physics", None, float("nan"), ""], dtype=object)
    assert scaling.scale(z, groups=groups)[:, 0].tolist() == [1.0, 2.0, 2.0, 2.0, 2.0]
    assert scaling.scale(z)[:, 0].tolist() == [2.0] * 5
    assert scaling.unseen(groups) == ("physics",)
    probs = scaling.apply(z, groups=groups)
    assert probs[0] == pytest.approx(reference.softmax(np.array([[1.0, 0.0]]))[0])


def test_groups_of_another_length_are_refused():
    """One name per row, in fit and apply."""
    scaling = tp.GroupTemperatureScaling(2.0, {"law": 4.0})
    with pytest.raises(tp.InvalidInputError, match=r"`groups` must have shape \(2,\)"):
        scaling.apply([[1.0, 0.0]] * 2, groups=["law"])
    with pytest.raises(tp.InvalidInputError, match=r"`groups` must have shape \(3,\)"):
        tp.GroupTemperatureScaling.fit(np.eye(3), [0, 1, 2], groups=["a"], refuse_probs=False)


def test_rows_of_weight_zero_are_absent(grouped):
    """A group whose rows all have weight 0 is as if it were not there."""
    z, y, names = grouped([300, 300, 300], [1.0, 3.0, 9.0])
    w = (names != "g2").astype(float)
    weighted = tp.GroupTemperatureScaling.fit(z, y, groups=names, weights=w)
    kept = names != "g2"
    plain = tp.GroupTemperatureScaling.fit(z[kept], y[kept], groups=names[kept])
    assert weighted.temperatures == pytest.approx(plain.temperatures)
    assert "g2" not in weighted.small_groups


def test_training_loss_of_the_record(grouped):
    """`log_loss_after` is that of every row at its own group's temperature."""
    z, y, names = grouped([300, 300], [1.0, 3.0])
    fitted = tp.GroupTemperatureScaling.fit(z, y, groups=names)
    probs = fitted.apply(z, groups=names)
    assert fitted.record.log_loss_after == pytest.approx(tp.metrics.log_loss(probs, y), rel=1e-12)


def test_round_trip_and_tampered_files(tmp_path, grouped):
    """Comes back equal; a negative temperature of a group is refused by its name."""
    z, y, names = grouped([300, 300, 5], [1.0, 3.0, 1.0])
    fitted = tp.GroupTemperatureScaling.fit(z, y, groups=names)
    path = tmp_path / "c.json"
    tp.save(fitted, path)
    assert tp.load(path) == fitted
    content = json.loads(path.read_text())
    content["parameters"]["temperatures"]["g0"] = -1.0
    path.write_text(json.dumps(content))
    with pytest.raises(tp.FileFormatError, match="group 'g0'"):
        tp.load(path)


def test_command_line(run, tmp_path, grouped):
    """Fit needs the groups' column; apply says which rows fall back on the pooled temperature."""
    z, y, names = grouped([300, 300], [1.0, 4.0])
    np.savez(tmp_path / "cal.npz", logits=z, labels=y, groups=names)
    np.savez(tmp_path / "new.npz", logits=z[:4], groups=np.array(["g0", "g1", "new", "new"]))
    np.savez(tmp_path / "none.npz", logits=z, labels=y)
    fit = ("fit", "cal.npz", "--method", "group-temperature", "--quick", "--json")
    after = json.loads(run(*fit).stdout)["after"]["log_loss"]
    folds, losses = (
        folds_of(y, scores=(z, np.unique(names, return_inverse=True)[1])),
        np.empty(len(y)),
    )
    for fold in range(5):
        out = folds == fold
        own = tp.GroupTemperatureScaling.fit(z[~out], y[~out], groups=names[~out])
        probs = own.apply(z[out], groups=names[out])
        losses[out] = -np.log(probs[np.arange(out.sum()), y[out]])
    assert after == pytest.approx(losses.mean(), rel=1e-9)
    done = run("apply", "calibrator.json", "new.npz", "-o", "out.npz")
    assert "not seen in the fit: new" in done.stderr
    done = run("apply", "calibrator.json", "none.npz", "-o", "out.npz")
    assert "no groups" in done.stderr
    np.savez(tmp_path / "more.npz", logits=z, labels=y, groups=np.where(names == "g0", "g0", "new"))
    for name, told in (("more", "not seen in the fit: new"), ("none", "no groups")):
        done = run("evaluate", f"{name}.npz", "--calibrator", "calibrator.json", "--quick")
        assert told in done.stderr
    refused = run("fit", "none.npz", "--method", "group-temperature", code=2)
    assert "--group-column" in refused.stderr
