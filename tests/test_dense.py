"""Outputs per pixel or token: the class axis anywhere, labels that do not count left out."""

import json

import numpy as np
import pytest

import temperance as tp


@pytest.fixture
def images(sample):
    """Logits (2, 3, 8, 5) as PyTorch has them, labels (2, 8, 5), and the same as rows."""
    z, y = sample(n=80, k=3)
    return np.moveaxis(z.reshape(2, 8, 5, 3), -1, 1), y.reshape(2, 8, 5), z, y


@pytest.mark.parametrize("method", ["identity", "temperature", "vector"])
def test_class_axis(images, method):
    """The fit is that of the pixels as rows; `apply` and `scale` keep the shape."""
    z, y, rows, labels = images
    kind = tp.METHODS[method]
    dense = kind.fit(z, y, class_axis=1)
    plain = kind.fit(rows, labels)
    assert dense == plain
    probs = dense.apply(z, class_axis=1)
    assert probs.shape == z.shape
    assert probs.sum(axis=1) == pytest.approx(1)
    assert np.moveaxis(probs, 1, -1).reshape(-1, 3) == pytest.approx(plain.apply(rows))
    assert dense.scale(z, class_axis=1).shape == z.shape


def test_last_axis_is_the_default(images):
    """Shape (..., k) needs no word."""
    z, y, rows, labels = images
    last = np.moveaxis(z, 1, -1)
    fitted = tp.TemperatureScaling.fit(last, y)
    assert fitted == tp.TemperatureScaling.fit(rows, labels)
    assert fitted.apply(last).shape == last.shape


@pytest.mark.parametrize("ignored", [255, -100])
def test_labels_that_do_not_count(images, ignored):
    """Their pixels are as if they were not there, even where the logits are nan."""
    z, y, rows, labels = images
    y, z = y.copy(), z.copy()
    y[0, :3] = ignored
    z[0, :, :3] = np.nan
    keep = (y != ignored).ravel()
    fitted = tp.TemperatureScaling.fit(z, y, class_axis=1, ignore_label=ignored)
    assert fitted == tp.TemperatureScaling.fit(rows[keep], labels[keep])
    with pytest.raises(tp.InvalidInputError, match="nan"):
        tp.TemperatureScaling.fit(z, images[1], class_axis=1)


def test_weights_per_pixel(images):
    """In the shape of the labels."""
    z, y, rows, labels = images
    w = np.random.default_rng(0).uniform(size=y.shape)
    dense = tp.TemperatureScaling.fit(z, y, weights=w, class_axis=1)
    assert dense == tp.TemperatureScaling.fit(rows, labels, weights=w.ravel())


def test_rows_of_dense_outputs_for_evaluate(images):
    """What `evaluate` takes: probabilities as rows, without the pixels left out."""
    z, y, rows, labels = images
    probs = tp.TemperatureScaling(1.0).apply(z, class_axis=1)
    y = y.copy()
    y[1, 0, 0] = 255
    p, kept = tp.dense_rows(probs, y, class_axis=1, ignore_label=255)
    keep = (y != 255).ravel()
    assert kept.tolist() == labels[keep].tolist()
    expected = tp.metrics.log_loss(tp.TemperatureScaling(1.0).apply(rows[keep]), labels[keep])
    assert tp.metrics.log_loss(p, kept) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_axis": 4}, "`class_axis` must name one of the 4 axes.*got 4"),
        ({}, r"`labels` must have shape \(2, 3, 8\).*`class_axis=1`"),
        ({"class_axis": 2}, r"`labels` must have shape \(2, 3, 5\)"),
    ],
)
def test_wrong_axes(images, options, message):
    """An axis that is none, and labels that do not fit the one named."""
    with pytest.raises(tp.InvalidInputError, match=message):
        tp.TemperatureScaling.fit(images[0], images[1], **options)


def test_nothing_left(images):
    """All pixels left out: there are no rows."""
    z, y, _, _ = images
    with pytest.raises(tp.NoOptimumError, match="no rows"):
        tp.TemperatureScaling.fit(z, np.full_like(y, 255), class_axis=1, ignore_label=255)


def test_ignored_rows_on_the_command_line(run, tmp_path, sample):
    """--ignore-label leaves rows out of the fit and the measures."""
    z, y = sample(n=300)
    marked = np.where(np.arange(300) < 50, -100, y)
    np.savez(tmp_path / "cal.npz", logits=z, labels=marked)
    done = json.loads(run("fit", "cal.npz", "--ignore-label", "-100", "--quick", "--json").stdout)
    assert done["n"] == 250
    assert done["temperature"] == tp.TemperatureScaling.fit(z[50:], y[50:]).temperature
