"""How sure a temperature is where rows belong together: errors that count clusters."""

import json

import numpy as np
import pytest

import reference
import temperance as tp
from temperance.calibrators import count_clusters


def counted(z, y, clusters, weights=None, prior=0.0):
    """The record of a fit, counting clusters."""
    fitted = tp.TemperatureScaling.fit(z, y, weights=weights, prior=prior)
    return fitted, count_clusters(fitted.record, z, y, weights, clusters)


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
    curvature = (loss(beta + step) - 2 * loss(beta) + loss(beta - step)).sum() / step**2
    error = np.sqrt((slopes(beta) ** 2).sum()) / curvature
    assert record.standard_error == pytest.approx(error * fitted.temperature**2, rel=1e-4)
    assert record.expected_regret == pytest.approx(0.5 * error**2 * curvature / w.sum(), rel=1e-4)
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
    assert clusters["temperature_interval"] == pytest.approx(once["temperature_interval"])
    assert clusters["temperature_standard_error"] == pytest.approx(
        2 * rows["temperature_standard_error"]
    )
    saved = tp.load(tmp_path / "calibrator.json").record
    assert saved.interval() == pytest.approx(once["temperature_interval"])
    vector = fit("clusters", "--method", "vector")
    assert vector["score_test"] == clusters["score_test"]
    warned = fit("clusters", "--method", "bias-corrected-temperature")["warnings"]
    assert any("counts rows, not clusters" in each for each in warned)
    assert not any("clusters" in each for each in clusters["warnings"])
