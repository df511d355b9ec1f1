"""How sure a temperature is where rows belong together: errors that count clusters."""

import json

import numpy as np
import pytest
from scipy.stats import t as student

import reference
import temperance as tp
from temperance.calibrators import Training, count_clusters


def counted(z, y, clusters, weights=None, prior=0.0):
    """The record of a fit, counting clusters."""
    fitted = tp.TemperatureScaling.fit(z, y, weights=weights, prior=prior)
    return fitted, count_clusters(fitted.record, Training(z, y, weights, clusters=clusters))


def test_every_row_its_own_cluster(sample):
    """Then nothing changes, also with weights and masked options."""
    z, y = sample(n=300)
    z[np.arange(300), (y + 1) % 4] = -np.inf
    w = np.random.default_rng(0).uniform(size=300)
    fitted, record = counted(z, y, np.arange(300), weights=w)
    assert record.standard_error == pytest.approx(fitted.record.standard_error)
    assert record.expected_regret == pytest.approx(fitted.record.expected_regret)


def test_formula_by_hand(sample):
    """The sandwich with slopes and curvature by differences of a plain loss, cluster by cluster."""
    z, y = sample(n=200)
    clusters = np.random.default_rng(0).integers(0, 30, size=200)
    clusters = np.unique(clusters, return_inverse=True)[1]
    w = np.random.default_rng(1).uniform(size=200)
    fitted, record = counted(z, y, clusters, weights=w)

    def loss(beta):
        return -np.log(reference.softmax(beta * z)[np.arange(200), y]) * w

    step = 1e-4

    def slopes(beta):
        of_row = (loss(beta + step) - loss(beta - step)) / (2 * step)
        return np.array([of_row[clusters == c].sum() for c in range(clusters.max() + 1)])

    beta = 1 / fitted.temperature
    of_row = (loss(beta + step) - 2 * loss(beta) + loss(beta - step)) / step**2
    curvature = of_row.sum()
    left = curvature - np.bincount(clusters, of_row)  # without each cluster
    total = np.bincount(clusters, w)
    g = total.sum() ** 2 / (total**2).sum()  # effective number of clusters
    error = np.sqrt(((slopes(beta) / left) ** 2).sum())
    assert record.standard_error == pytest.approx(error * fitted.temperature**2, rel=1e-4)
    assert record.expected_regret == pytest.approx(0.5 * error**2 * curvature / w.sum(), rel=1e-4)
    assert record.degrees_of_freedom == pytest.approx(g - 1)
    half = student.ppf(0.975, g - 1) * record.standard_error / record.temperature
    assert np.log(record.interval()[1] / record.temperature) == pytest.approx(half)
    at_one = slopes(1.0)
    assert record.score_test.z == pytest.approx(at_one.sum() / np.sqrt((at_one**2).sum()), rel=1e-4)


def test_coverage_with_rows_that_go_together():
    """Rows of an image share its blur: intervals that count images hold, those of rows do not."""
    rng = np.random.default_rng(5)

    def draw(images):
        z = rng.normal(size=(images * 25, 3)) * 3
        sharpness = np.repeat(rng.uniform(0.2, 1.0, size=images), 25)[:, None]
        p = reference.softmax(z * sharpness).cumsum(axis=1)
        return z, (p < rng.random((len(z), 1))).sum(axis=1).clip(0, 2)

    truth = tp.TemperatureScaling.fit(*draw(20_000)).temperature
    clusters = np.repeat(np.arange(100), 25)
    held = {"images": 0, "rows": 0}
    for _ in range(200):
        fitted, record = counted(*draw(100), clusters)
        for name, each in (("images", record), ("rows", fitted.record)):
            low, high = each.interval()
            held[name] += low < truth < high
    assert held["images"] / 200 > 0.90  # .95 less three standard errors
    assert held["rows"] / 200 < 0.85


def test_fit_counts_clusters_of_a_file(run, tmp_path, sample):
    """Copies of the rows in their cluster leave the interval of T alone; without, it shrinks."""
    z, y = sample(n=200)
    np.savez(tmp_path / "once.npz", logits=z, labels=y)
    four = {"logits": np.tile(z, (4, 1)), "labels": np.tile(y, 4)}
    np.savez(tmp_path / "rows.npz", **four)
    np.savez(tmp_path / "clusters.npz", **four, clusters=np.tile(np.arange(200), 4))

    def fit(name, *options):
        keep = ("--repeated-ids", "keep")  # copies count as rows of their own
        return json.loads(run("fit", f"{name}.npz", "--quick", "--json", *keep, *options).stdout)

    once, rows, clusters = (fit(name) for name in ("once", "rows", "clusters"))
    few = 200 / 199  # for clusters alike in curvature; beside Student's t of 199 degrees of freedom
    near = {"rel": 0.003}
    assert clusters["temperature_interval"] == pytest.approx(once["temperature_interval"], **near)
    assert clusters["temperature_standard_error"] == pytest.approx(
        2 * few * rows["temperature_standard_error"], rel=0.003
    )
    saved = tp.load(tmp_path / "calibrator.json").record
    assert list(saved.interval()) == pytest.approx(clusters["temperature_interval"])
    vector = fit("clusters", "--method", "vector")
    assert vector["score_test"] == clusters["score_test"]
    warned = fit("clusters", "--method", "bias-corrected-temperature")["warnings"]
    assert any("counts rows, not clusters" in each for each in warned)
    assert not any("clusters" in each for each in clusters["warnings"])


def test_a_fit_takes_clusters(sample):
    """In Python as in the command: T stays, its interval counts clusters; in whatever order."""
    z, y = sample(n=120)
    names = np.array([f"patient {i}" for i in np.arange(120) // 4])
    plain, fitted = (tp.TemperatureScaling.fit(z, y, **of) for of in ({}, {"clusters": names}))
    assert fitted.temperature == plain.temperature
    counted = count_clusters(plain.record, Training(z, y, None, clusters=np.arange(120) // 4))
    assert fitted.record.interval() == pytest.approx(counted.interval())
    assert fitted.record.degrees_of_freedom == counted.degrees_of_freedom
    order = np.random.default_rng(0).permutation(120)
    again = tp.TemperatureScaling.fit(z[order], y[order], clusters=names[order])
    assert again.record.interval() == pytest.approx(fitted.record.interval())
    void = tp.TemperatureScaling.fit(
        np.r_[z, z[:3]], np.r_[y, [-1] * 3], clusters=np.r_[names, names[:3]], ignore_label=-1
    )
    assert void.record.interval() == pytest.approx(fitted.record.interval())
    with pytest.raises(tp.InvalidInputError, match="`clusters` must have shape"):
        tp.TemperatureScaling.fit(z, y, clusters=names[1:])
    with pytest.raises(tp.InvalidInputError, match="row 3 has none"):
        tp.TemperatureScaling.fit(z, y, clusters=np.where(np.arange(120) == 3, "", names))


def test_one_cluster_says_nothing(sample):
    """Chance is seen between clusters only: the interval of one has no ends."""
    z, y = sample(n=50)
    record = tp.TemperatureScaling.fit(z, y, clusters=["all"] * 50).record
    low, high = record.interval()
    assert low < 1e-100
    assert high > 1e100


def test_images_are_clusters_of_pixels(sample):
    """Of dense outputs one name per image will do."""
    z, y = sample(n=4 * 25)
    images, labels = z.reshape(4, 25, -1), y.reshape(4, 25)
    fitted = tp.TemperatureScaling.fit(images, labels, clusters=["a", "b", "a", "c"])
    rows = tp.TemperatureScaling.fit(z, y, clusters=np.repeat(["a", "b", "a", "c"], 25))
    assert fitted.record == rows.record


def test_clusters_elsewhere_are_refused(sample):
    """Rows on a cluster of computers do not know each other's patients."""
    da = pytest.importorskip("dask.array")
    z, y = sample(n=50)
    with pytest.raises(tp.InvalidInputError, match="arrays in memory"):
        tp.TemperatureScaling.fit(da.from_array(z, chunks=(25, -1)), y, clusters=y)


@pytest.mark.slow
def test_few_clusters_hold_the_truth(request):
    """Eight to forty clusters of like sharpness: T, log loss, Brier score and accuracy."""
    full = "slow" in request.config.getoption("markexpr")
    rng = np.random.default_rng(1)

    def draw(n_clusters):
        z = rng.normal(size=(n_clusters * 20, 3)) * 3
        sharpness = np.repeat(rng.uniform(0.2, 1.0, n_clusters), 20)[:, None]
        p = reference.softmax(z * sharpness).cumsum(axis=1)
        return z, (p < rng.random((len(z), 1))).sum(axis=1).clip(0, 2)

    z, y = draw(8_000)
    p, rows = reference.softmax(z), np.arange(len(y))
    truth = (
        tp.TemperatureScaling.fit(z, y).temperature,
        -np.log(p[rows, y]).mean(),
        ((p - np.eye(3)[y]) ** 2).sum(axis=1).mean(),
        (p.argmax(axis=1) == y).mean(),
    )
    draws = 400 if full else 12
    for n_clusters in (8, 10, 20, 40) if full else (10,):
        names, held = np.repeat(np.arange(n_clusters), 20), np.zeros(4)
        for _ in range(draws):
            z, y = draw(n_clusters)
            low, high = tp.TemperatureScaling.fit(z, y, clusters=names).record.interval()
            e = tp.evaluate(reference.softmax(z), y, clusters=names, n_resamples=100)
            ends = [(low, high), *((m.low, m.high) for m in (e.log_loss, e.brier, e.accuracy))]
            held += [a <= each <= b for each, (a, b) in zip(truth, ends, strict=True)]
        error = np.sqrt(0.05 * 0.95 / draws)
        assert (held / draws >= 0.93 - 2.5 * error).all(), (n_clusters, held / draws)


def test_the_error_is_that_of_leaving_a_cluster_out(sample):
    """To first order beta moves by S / (V - V_g) without cluster g, as fits without it do."""
    z, y = sample(n=800)
    clusters = np.random.default_rng(3).integers(0, 10, 800)
    record = tp.TemperatureScaling.fit(z, y, clusters=clusters).record
    without = [
        1 / tp.TemperatureScaling.fit(z[clusters != c], y[clusters != c]).temperature
        for c in range(10)
    ]
    moved = np.sqrt(((np.array(without) - 1 / record.temperature) ** 2).sum())
    assert record.standard_error / record.temperature**2 == pytest.approx(moved, rel=0.05)


def test_one_cluster_that_knows_everything(sample):
    """The others have constant logits and say nothing: then it is as one cluster."""
    z, y = sample(n=60)
    z[20:] = 0.0
    record = tp.TemperatureScaling.fit(z, y, clusters=np.arange(60) // 20).record
    assert record.standard_error == np.inf
    assert record.expected_regret is None


def shared(size, rng):
    """Rows of a cluster share what makes the model wrong there: logits, what is true, clusters."""
    of_row = np.repeat(np.arange(len(size)), size)

    def draw(kind):
        n, m = len(of_row), len(size)
        if kind == "binary base rates":
            odds = 2 * rng.normal(size=n)
            z = np.stack([0 * odds, 1.5 * odds], axis=1)
            true = reference.softmax(np.stack([0 * odds, odds + rng.normal(size=m)[of_row]], 1))
        elif kind == "ten classes, biases":
            z = 2 * rng.normal(size=(n, 10))
            true = reference.softmax(0.7 * z + rng.normal(size=(m, 10))[of_row])
        elif kind == "wrong labels":
            z, wrong = 3 * rng.normal(size=(n, 3)), rng.beta(0.5, 3, m)[of_row][:, None]
            true = (1 - wrong) * reference.softmax(z) + wrong / 3
        elif kind == "temperatures":
            z = 3 * rng.normal(size=(n, 5))
            true = reference.softmax(z / np.exp(rng.normal(0, 0.5, m))[of_row][:, None])
        else:
            z = 3 * rng.normal(size=(n, 3))
            true = reference.softmax(0.6 * z)
        return z, (true.cumsum(1) < rng.random((n, 1))).sum(1).clip(0, z.shape[1] - 1)

    return of_row, draw


UNLIKE = ["binary base rates", "ten classes, biases", "wrong labels", "temperatures", "nothing"]


@pytest.mark.slow
@pytest.mark.parametrize("world", UNLIKE)
@pytest.mark.parametrize("sizes", ["equal", "20 to 50", "log-normal"])
def test_intervals_of_few_clusters_hold_t(request, world, sizes):
    """From 8 clusters on the interval of T holds it in .93 of samples or more, whatever is shared.

    Less what simulation may err by.
    """
    full = "slow" in request.config.getoption("markexpr")
    rng = np.random.default_rng([UNLIKE.index(world), len(sizes)])

    def size(m):
        if sizes == "log-normal":
            return np.exp(rng.normal(3, 1, m)).clip(2, 400).astype(int)
        return np.full(m, 20) if sizes == "equal" else rng.integers(20, 51, m)

    truth = tp.TemperatureScaling.fit(*shared(size(3000), rng)[1](world)).temperature
    draws = 1000 if full else 25
    for m in (8, 10, 20) if full else (8,):
        held = 0
        for _ in range(draws):
            clusters, draw = shared(size(m), rng)
            z, y = draw(world)
            low, high = tp.TemperatureScaling.fit(z, y, clusters=clusters).record.interval()
            held += low <= truth <= high
        error = np.sqrt(0.07 * 0.93 / draws)
        assert held / draws >= 0.93 - 2.5 * error, (m, held / draws)
        assert held / draws <= (0.99 if full else 1.0), m
