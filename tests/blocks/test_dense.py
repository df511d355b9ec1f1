"""Outputs per pixel or token: the class axis anywhere, labels that do not count left out."""

import json

import numpy as np
import pytest

import temperance as tp
from commands import run_in


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
        ({"class_axis": 4}, "`class_axis` .--class-axis. must name one of the 4 axes.*got 4"),
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


# --- files ------------------------------------------------------------------------------------

PIXELS = ("--class-axis", "1", "--ignore-label", "255")
QUICK = ("--quick", "--json")


@pytest.fixture
def dense(sample):
    """Logits (40, 3, 4, 5), labels (40, 4, 5), some 255 (there the logits are nan), as rows too."""
    return drawn_images(sample)


@pytest.fixture(scope="module")
def of_rows(sample, tmp_path_factory):
    """What `fit` and `evaluate` say of the pixels as rows, with the images as clusters."""
    _, y, rows, labels = drawn_images(sample)
    folder = tmp_path_factory.mktemp("rows")
    np.savez(folder / "rows.npz", logits=rows, labels=labels, clusters=names(images_of(y)))
    return {
        command: json.loads(run_in(folder, command, "rows.npz", *QUICK).stdout)
        for command in ("fit", "evaluate")
    }


def drawn_images(sample):
    """Make these logits and labels."""
    z, y = sample(n=800, k=3)
    void = np.random.default_rng(1).random(800) < 0.2
    y = np.where(void, 255, y)
    z = np.where(void[:, None], np.nan, z)
    return np.moveaxis(z.reshape(40, 4, 5, 3), -1, 1), y.reshape(40, 4, 5), z[~void], y[~void]


def images_of(y):
    """The image of each pixel that counts, by number."""
    return np.repeat(np.arange(40), 20)[(y != 255).ravel()]


def names(numbers):
    """Names in the order of the numbers, for clusters are resampled in the order of their names."""
    return np.char.zfill(numbers.astype(str), 3)


@pytest.mark.parametrize("form", ["npz", "npy"])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_files_are_read_as_pixels(run, tmp_path, dense, of_rows, form, axis):
    """Wherever the class axis is, the numbers are those of the pixels as rows with clusters."""
    z, y, rows, _ = dense
    z = np.moveaxis(z, 1, axis)
    arguments = ["cal.npz"]
    if form == "npy":
        np.save(tmp_path / "cal.npy", z)
        np.save(tmp_path / "y.npy", y)
        arguments = ["cal.npy", "--labels", "y.npy"]
    else:
        np.savez(tmp_path / "cal.npz", logits=z, labels=y)
    options = ("--class-axis", axis, "--ignore-label", 255, *QUICK)
    for command, expected in of_rows.items():
        found = json.loads(run(command, *arguments, *options).stdout)
        for name in {"data_sha256", "passes", "warnings"} & found.keys():
            found[name] = expected[name]
        assert found == expected
    assert found["n"] == len(rows)


@pytest.mark.parametrize("out", ["out.npz", "out.npy"])
def test_apply_keeps_the_shape(run, tmp_path, dense, out):
    """Probabilities, labels (void ones too), ids per image and weights per pixel."""
    z, y = np.nan_to_num(dense[0]), dense[1]
    weights = np.random.default_rng(2).uniform(size=y.shape)
    ids = np.array([f"image {i}" for i in range(40)])
    np.savez(tmp_path / "new.npz", logits=z, labels=y, weights=weights, ids=ids)
    fitted = tp.TemperatureScaling(2.0)
    tp.save(fitted, tmp_path / "c.json")
    done = json.loads(
        run("apply", "c.json", "new.npz", "--class-axis", "1", "-o", out, "--json").stdout
    )
    expected = fitted.apply(z, class_axis=1)
    assert (done["n"], done["classes"]) == (800, 3)
    assert done["mean_confidence"] == pytest.approx(expected.max(axis=1).mean())
    written = np.load(tmp_path / out)
    if out == "out.npy":
        assert np.array_equal(written, expected)
        return
    assert np.array_equal(written["probs"], expected)
    assert np.array_equal(written["labels"], y)
    assert np.array_equal(written["weights"], weights)
    assert np.array_equal(written["ids"], ids)
    before = run("evaluate", "new.npz", "--calibrator", "c.json", *PIXELS, *QUICK).stdout
    after = run("evaluate", "out.npz", *PIXELS, *QUICK).stdout
    before, after = json.loads(before), json.loads(after)
    assert after["log_loss"]["value"] == pytest.approx(before["log_loss"]["value"])
    assert after["log_loss"]["low"] == pytest.approx(before["log_loss"]["low"])


def test_what_is_beside_is_per_pixel_or_per_image(run, tmp_path, dense):
    """Weights, groups and clusters of either shape; other shapes say which are taken."""
    z, y, rows, labels = dense
    image = images_of(y)
    weights, sites = np.linspace(1, 2, 40), np.array(["a", "b"] * 20)
    patients = np.arange(40) // 2
    np.savez(tmp_path / "rows.npz", logits=rows, labels=labels, weights=weights[image],
             groups=sites[image], clusters=patients[image])  # fmt: skip
    expected = json.loads(run("evaluate", "rows.npz", *QUICK).stdout)

    def whole(values):
        return np.broadcast_to(values[:, None, None], y.shape)

    for per in (np.asarray, whole):
        np.savez(tmp_path / "cal.npz", logits=z, labels=y, weights=per(weights),
                 groups=per(sites), clusters=per(patients))  # fmt: skip
        found = json.loads(run("evaluate", "cal.npz", *PIXELS, *QUICK).stdout)
        for name in ("log_loss", "ece"):
            assert found[name] == pytest.approx(expected[name])
        for each, other in zip(found["groups"], expected["groups"], strict=True):
            assert each["group"] == other["group"]
            assert each["log_loss"] == pytest.approx(other["log_loss"])
    np.savez(tmp_path / "cal.npz", logits=z, labels=y, weights=weights[:7])
    err = run("evaluate", "cal.npz", *PIXELS, code=2).stderr
    assert r"`weights` must have shape (40, 4, 5)" in err
    assert "(40,), one per image or sequence, got (7,)" in err


def test_pixels_of_an_image_are_one_draw(run, tmp_path, dense):
    """Every pixel twice over in its image: the same intervals, of T too, not narrower ones."""
    z, y, _, _ = dense
    np.savez(tmp_path / "once.npz", logits=z, labels=y)
    np.savez(tmp_path / "twice.npz", logits=np.tile(z, (1, 1, 2, 1)), labels=np.tile(y, (1, 2, 1)))
    once, twice = (
        json.loads(run("fit", f"{name}.npz", *PIXELS, *QUICK).stdout) for name in ("once", "twice")
    )
    assert twice["n"] == 2 * once["n"]
    assert twice["temperature_interval"] == pytest.approx(once["temperature_interval"])
    assert twice["score_test"]["z"] == pytest.approx(once["score_test"]["z"])
    for end in ("low", "high"):
        assert twice["differences"]["log_loss"][end] == pytest.approx(
            once["differences"]["log_loss"][end],
            rel=0.1,  # beside what probabilities imply
        )


def test_comparison_of_dense_files(run, tmp_path, dense):
    """The other file needs no labels; its pixels are those that count in the first."""
    z, y, rows, labels = dense
    np.savez(tmp_path / "a.npz", logits=z, labels=y)
    np.savez(tmp_path / "b.npz", logits=z / 2)
    found = json.loads(run("compare", "a.npz", "b.npz", *PIXELS, *QUICK).stdout)
    expected = tp.metrics.log_loss(tp.TemperatureScaling(2.0).apply(rows), labels)
    assert found["evaluations"]["b"]["log_loss"]["value"] == pytest.approx(expected)
    np.savez(tmp_path / "b.npz", logits=np.nan_to_num(np.swapaxes(z, 2, 3)))
    assert "has shape (40, 5, 4)" in run("compare", "a.npz", "b.npz", *PIXELS, code=2).stderr
    np.savez(tmp_path / "b.npz", logits=z[:30])
    err = run("compare", "a.npz", "b.npz", *PIXELS, code=2).stderr
    assert (
        "b.npz: must have the 800 rows of the first file, got scores of shape (30, 3, 4, 5)" in err
    )


def test_ensemble_of_dense_files(run, tmp_path, dense):
    """Pixels that do not count in the first file are left out of all; `apply` keeps the shape."""
    z, y, rows, labels = dense
    np.savez(tmp_path / "a.npz", logits=z, labels=y)
    np.savez(tmp_path / "b.npz", logits=-z[:, ::-1])
    run("fit", "a.npz", "b.npz", "--method", "ensemble", *PIXELS, *QUICK)
    fitted = tp.load(tmp_path / "calibrator.json")
    assert fitted == tp.Ensemble.fit([rows, -rows[:, ::-1]], labels)
    np.savez(tmp_path / "a.npz", logits=np.nan_to_num(z))
    np.savez(tmp_path / "b.npz", logits=np.nan_to_num(z))
    run("apply", "calibrator.json", "a.npz", "b.npz", "--class-axis", "1", "-o", "out.npz")
    assert np.load(tmp_path / "out.npz")["probs"].shape == z.shape


@pytest.mark.parametrize(
    ("arrays", "arguments", "message"),
    [
        ({}, ["fit", "cal.npz"], "Name the axis of the classes, as --class-axis 1 (fit"),
        ({}, ["fit", "cal.npz", "--class-axis", "4"], "`--class-axis` must name one of the 4 axes"),
        ({}, ["fit", "cal.npz", "--class-axis", "2"], "Then say `--class-axis 1`."),
        ({}, ["fit", "cal.npz", "--class-axis", "1"], "--ignore-label 255"),
        ({"labels": np.zeros((40, 5, 4), int)}, ["fit", "cal.npz", "--class-axis", "1"],
         "`labels` must have shape (40, 4, 5)"),
        ({}, ["fit", "cal.npz", *PIXELS, "--method", "group-temperature"], "does not"),
        ({}, ["apply", "c.json", "cal.npz", "--class-axis", "1", "-o", "out.csv"],
         "out.csv: outputs per pixel or token are written to .npz and .npy files"),
        ({}, ["apply", "c.json", "cal.npz", "-o", "out.npz"], "as --class-axis 1 (fit, apply"),
        ({"groups": np.array(["a", "b"] * 20)},
         ["apply", "groups.json", "cal.npz", "--class-axis", "1", "-o", "out.npz"],
         "groups.json has a temperature per group, which outputs per pixel or token"),
        ({"ids": np.arange(3)}, ["apply", "c.json", "cal.npz", "--class-axis", "1", "-o", "o.npz"],
         "`ids` must have shape (40, 4, 5)"),
        ({}, ["fit", "cal.csv", "--class-axis", "1"], "are read from .npz and .npy and"),
    ],
)  # fmt: skip
def test_dense_files_that_do_not_fit(run, tmp_path, dense, arrays, arguments, message):
    """Each says what to do."""
    z, y, _, _ = dense
    np.savez(tmp_path / "cal.npz", **{"logits": np.nan_to_num(z), "labels": y, **arrays})
    (tmp_path / "cal.csv").write_text("logit_a,logit_b,label\n1,2,0\n")
    tp.save(tp.TemperatureScaling(2.0), tmp_path / "c.json")
    tp.save(tp.GroupTemperatureScaling(2.0, {"a": 1.0}), tmp_path / "groups.json")
    assert message in run(*arguments, code=2).stderr
    assert not list(tmp_path.glob("o*.npz"))


def test_one_image_only(run, tmp_path, dense):
    """Its pixels say nothing of how sure a number is, unless it is cut into clusters."""
    z, y, _, _ = dense
    np.savez(tmp_path / "one.npz", logits=z[:1], labels=y[:1])
    assert "key `clusters`" in run("evaluate", "one.npz", *PIXELS, code=2).stderr
    tiles = np.arange(20).reshape(1, 4, 5) // 5
    np.savez(tmp_path / "one.npz", logits=z[:1], labels=y[:1], clusters=tiles)
    found = json.loads(run("evaluate", "one.npz", *PIXELS, *QUICK).stdout)
    (warning,) = found["warnings"]
    assert warning.startswith("one.npz has only 4 clusters (rows that belong together): intervals")


def test_auto_leaves_groups_alone(run, tmp_path, dense):
    """What `apply` would refuse is not chosen, though the file has groups."""
    z, y, _, _ = dense
    np.savez(tmp_path / "cal.npz", logits=z, labels=y, groups=np.array(["a", "b"] * 20))
    done = json.loads(run("fit", "cal.npz", "--method", "auto", *PIXELS, *QUICK).stdout)
    skipped = {each["method"]: each["left_out"] for each in done["selection"]["candidates"]}
    assert skipped["group-temperature"] == "needs groups"


def test_other_commands_leave_rows_out(run, tmp_path, sample):
    """`plan` and `shift` take --ignore-label too, of both files."""
    z, y = sample(n=600)
    marked = np.where(np.arange(600) % 5 == 0, -100, y)
    np.savez(tmp_path / "a.npz", logits=z, labels=marked)
    np.savez(tmp_path / "b.npz", logits=z[:300], labels=marked[:300])
    np.savez(tmp_path / "kept.npz", logits=z[marked >= 0], labels=y[marked >= 0])
    found = json.loads(run("shift", "a.npz", "b.npz", "--ignore-label", "-100", *QUICK).stdout)
    assert (found["n_reference"], found["n_new"]) == (480, 240)
    found = json.loads(run("plan", "a.npz", "--ignore-label", "-100", "--json").stdout)
    assert found == json.loads(run("plan", "kept.npz", "--json").stdout)
