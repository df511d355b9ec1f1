"""`fit` and `evaluate` on files that are read block by block, and on folders of any size."""

import json

import numpy as np
import pytest

import reference
import temperance as tp
from temperance.blocks.stream import RowFolds
from temperance.readers import blocks
from temperance.rows import reading

N, K, STEP = 1200, 4, 100  # rows, classes, rows of a block
FOLDS = np.concatenate([RowFolds(5).of(i, 0, STEP) for i in range(N // STEP)])


@pytest.fixture
def rows(tmp_path, sample, monkeypatch):
    """Logits and labels of an over-confident model in a file that counts as large."""
    monkeypatch.setattr(reading, "LARGE_BYTES", 1)
    monkeypatch.setattr(blocks, "_BLOCK", STEP * K)
    z, y = sample(3, n=N, k=K, temperature=2.0)
    np.savez(tmp_path / "cal.npz", logits=z, labels=y)
    return z, y


def losses(z, y):
    return -np.log(reference.softmax(z)[np.arange(len(y)), y])


def test_fit_is_that_of_all_rows(run, tmp_path, rows):
    """The same temperature and the same keys as from memory; each row scored without its fold."""
    z, y = rows
    found = json.loads(run("fit", "cal.npz", "--json", "--quick").stdout)
    assert found["temperature"] == pytest.approx(reference.temperature(z, y), rel=1e-7)
    assert (found["n"], found["n_evaluated"], found["classes"]) == (N, N, K)
    after = np.empty(N)
    for fold in range(5):
        held, others = fold == FOLDS, fold != FOLDS
        t = reference.temperature(z[others], y[others])
        after[held] = losses(z[held] / t, y[held])
    assert found["after"]["log_loss"] == pytest.approx(after.mean(), rel=1e-7)
    gap = after - losses(z, y)
    difference = found["differences"]["log_loss"]
    assert difference["value"] == pytest.approx(gap.mean(), rel=1e-6)
    half = 1.959964 * gap.std(ddof=1) / N**0.5
    assert difference["high"] - difference["low"] == pytest.approx(2 * half, rel=0.05)
    split = found["intervals"]["before"]["log_loss_parts"]
    assert split["calibration"]["value"] == pytest.approx(-gap.mean(), rel=1e-6)
    assert split["refinement"]["value"] == pytest.approx(after.mean(), rel=1e-7)
    assert set(found["intervals"]["before"]["left_out"]) == {"brier_parts"}
    reading.LARGE_BYTES = 1 << 40  # monkeypatch puts it back
    in_memory = json.loads(run("fit", "cal.npz", "--json", "--quick").stdout)
    assert found.keys() == in_memory.keys()
    assert found["data_sha256"] == in_memory["data_sha256"]
    assert found["temperature"] == pytest.approx(in_memory["temperature"], rel=1e-9)
    assert found["temperature_interval"] == pytest.approx(in_memory["temperature_interval"])


def test_evaluate_is_that_of_all_rows(run, tmp_path, rows):
    """Scores, ECE and paired differences as from memory; a gate and the report as well."""
    tp.save(tp.TemperatureScaling(2.0), tmp_path / "c.json")
    options = ("evaluate", "cal.npz", "--calibrator", "c.json", "--json", "--quick")
    found = json.loads(run(*options, "--max-ece", "0.2", "--report", "r.html").stdout)
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Brier score" in page
    assert "two samples" in page
    gated = [each for each in options if each != "--json"]
    done = run(*gated, "--max-ece", "0")  # the interval begins at 0: rows cannot tell
    assert "gate undecided: --max-ece 0" in done.stderr
    run(*gated, "--max-ece", "0", "--undecided", "fail", code=1)
    run(*gated, "--max-log-loss", "0.5", code=1)
    alone = json.loads(run("evaluate", "cal.npz", "--json", "--quick").stdout)
    reading.LARGE_BYTES = 1 << 40
    expected = json.loads(run(*options).stdout)
    assert found.keys() == expected.keys()
    for side in (found, found["before"]):
        other = expected if side is found else expected["before"]
        for name in ("log_loss", "brier", "accuracy", "confidence"):
            assert side[name] == pytest.approx(other[name], rel=1e-9)
        assert side["ece"]["value"] == pytest.approx(other["ece"]["value"], rel=1e-9)
    for name in ("log_loss", "brier", "accuracy"):
        own, other = (each["differences"][name] for each in (found, expected))
        assert own.pop("verdict") == other.pop("verdict")
        assert own == pytest.approx(other, rel=1e-9)
    assert found["differences"].keys() == expected["differences"].keys()
    assert alone["log_loss"] == found["before"]["log_loss"]


@pytest.mark.parametrize("large_test", [True, False])
def test_measured_on_a_test_file(run, tmp_path, rows, sample, large_test):
    """A large or a small file of test rows, by the temperature of all rows of the fit."""
    z, y = rows
    new_z, new_y = sample(9, n=300, k=K, temperature=2.0)
    np.savez(tmp_path / "test.npz", logits=new_z, labels=new_y)
    if not large_test:
        reading.LARGE_BYTES = (tmp_path / "test.npz").stat().st_size + 1
    found = json.loads(run("fit", "cal.npz", "--test", "test.npz", "--json", "--quick").stdout)
    t = reference.temperature(z, y)
    assert (found["evaluated_on"], found["n"], found["n_evaluated"]) == ("test", N, 300)
    assert found["after"]["log_loss"] == pytest.approx(losses(new_z / t, new_y).mean(), rel=1e-7)
    left_out = found["intervals"]["before"]["left_out"]
    assert ("refinement" in left_out) == large_test


def test_a_large_test_file_for_other_methods(run, tmp_path, rows, sample):
    """Any method that takes rows of logits is measured block by block; group-temperature is not."""
    z, y = rows
    np.savez(tmp_path / "small.npz", logits=z[:200], labels=y[:200])
    reading.LARGE_BYTES = (tmp_path / "small.npz").stat().st_size + 1
    found = json.loads(
        run(
            "fit", "small.npz", "--method", "vector", "--test", "cal.npz", "--json", "--quick"
        ).stdout
    )
    expected = tp.VectorScaling.fit(z[:200], y[:200]).apply(z)[np.arange(N), y]
    assert found["after"]["log_loss"] == pytest.approx(-np.log(expected).mean(), rel=1e-9)
    tp.save(tp.GroupTemperatureScaling.fit(z, y, groups=y % 2), tmp_path / "g.json")
    err = run("evaluate", "cal.npz", "--calibrator", "g.json", code=2).stderr
    assert "`temperance apply` it first" in err
    assert "same as" in run("fit", "cal.npz", "--test", "cal.npz", code=2).stderr


def test_groups_and_clusters(run, tmp_path, rows):
    """Clusters change every interval, so they are read as a whole; groups only where asked for."""
    z, y = rows
    names = np.array(["a", "b"])[np.arange(N) % 2]
    np.savez(tmp_path / "groups.npz", logits=z, labels=y, groups=names)
    done = run("fit", "groups.npz", "--json", "--quick")
    assert "groups.npz has groups" in json.loads(done.stdout)["warnings"][0]
    found = json.loads(
        run("evaluate", "groups.npz", "--group-column", "groups", "--json", "--quick").stdout
    )
    assert {each["group"] for each in found["groups"]} == {"a", "b"}
    np.savez(tmp_path / "clusters.npz", logits=z, labels=y, clusters=np.arange(N) // 10)
    assert (
        json.loads(run("evaluate", "clusters.npz", "--json", "--quick").stdout)["n_clusters"] == 120
    )


def test_ignored_labels_names_and_probabilities(run, tmp_path, rows):
    """Text labels of named columns of probabilities; rows of --ignore-label do not count."""
    z, y = rows
    p = reference.softmax(z)
    names = np.array(["ant", "bee", "cat", "dog"])
    columns = ",".join(f"prob_{name}" for name in names)
    lines = [
        ",".join([*map(repr, row.tolist()), names[label]]) for row, label in zip(p, y, strict=True)
    ]
    (tmp_path / "p.csv").write_text("\n".join([f"{columns},label", *lines]), encoding="utf-8")
    found = json.loads(run("fit", "p.csv", "--json", "--quick", "-o", "p.json").stdout)
    assert found["temperature"] == pytest.approx(reference.temperature(z, y), rel=1e-6)
    assert tp.load(tmp_path / "p.json").classes == tuple(names)
    some = np.where(np.arange(N) % 3 == 0, -1, y)
    np.savez(tmp_path / "some.npz", logits=z, labels=some)
    found = json.loads(run("fit", "some.npz", "--ignore-label", "-1", "--json", "--quick").stdout)
    keep = some >= 0
    assert found["n"] == keep.sum()
    assert found["temperature"] == pytest.approx(reference.temperature(z[keep], y[keep]), rel=1e-6)


def test_other_columns_than_the_calibrators(run, tmp_path, rows):
    """Refused before anything is measured."""
    tp.save(tp.TemperatureScaling(2.0, n_classes=5), tmp_path / "five.json")
    err = run("evaluate", "cal.npz", "--calibrator", "five.json", code=2).stderr
    assert "has 4 classes, but five.json was fitted on 5" in err


def test_what_is_wrong_is_named(run, tmp_path, rows):
    """Block and row of a bad value; one block cannot be cross-fitted; no optimum is none."""
    z, y = rows
    bad = z.copy()
    bad[517, 2] = np.nan
    np.savez(tmp_path / "bad.npz", logits=bad, labels=y)
    for command in ("fit", "evaluate"):
        err = run(command, "bad.npz", "--quick", code=2).stderr
        assert err.startswith("error: bad.npz: ")
        assert "500" in err
        assert "row 518 (from 1)" in err
    np.savez(tmp_path / "one.npz", logits=z[:50], labels=y[:50])
    run("fit", "one.npz", "--quick", "-o", "one.json")  # of one block, too, a fifth is held out
    np.savez(tmp_path / "sure.npz", logits=z, labels=z.argmax(axis=1))
    assert "every label" in run("fit", "sure.npz", "--quick", code=2).stderr
    assert not (tmp_path / "calibrator.json").exists()


@pytest.mark.parametrize("command", ["fit", "evaluate", "compare"])
def test_a_small_folder_is_read_as_one_file(run, tmp_path, sample, command):
    """Shards in the order of their names, with everything that one file allows."""
    z, y = sample(3, n=600, k=K, temperature=2.0)
    names = np.array(["a", "b"])[np.arange(600) % 2]
    (tmp_path / "shards").mkdir()
    for number, part in enumerate(np.array_split(np.arange(600), 3)):
        path = tmp_path / f"shards/{number}.npz"
        np.savez(path, logits=z[part], labels=y[part], groups=names[part])
    np.savez(tmp_path / "one.npz", logits=z, labels=y, groups=names)
    np.savez(tmp_path / "other.npz", logits=z / 2, labels=y)
    more = {"fit": ("--method", "group-temperature"), "evaluate": (), "compare": ("other.npz",)}
    both = [
        json.loads(run(command, source, *more[command], "--json", "--quick").stdout)
        for source in ("shards", "one.npz")
    ]
    assert both[0].pop("data_sha256", 0) != both[1].pop("data_sha256", 1)
    for each in both:
        each.pop("warnings", None)
    texts = [json.dumps(each).replace("one.npz", "one") for each in both]
    assert texts[0].replace("shards", "one") == texts[1]


def test_shards_that_do_not_fit(run, tmp_path, sample):
    """Other columns, another kind, labels missing: the shard and the first one are named."""
    z, y = sample(3, n=100, k=K)
    (tmp_path / "shards").mkdir()
    np.savez(tmp_path / "shards/0.npz", logits=z, labels=y)
    cases = {
        "has 3 columns, but": {"logits": z[:, :3], "labels": y % 3},
        "holds probs, but": {"probs": reference.softmax(z), "labels": y},
        "has no labels, unlike": {"logits": z},
        "has weights, unlike": {"logits": z, "labels": y, "weights": y + 1.0},
    }
    for message, content in cases.items():
        np.savez(tmp_path / "shards/1.npz", **content)
        err = run("fit", "shards", code=2).stderr
        assert "shards/1.npz" in err
        assert message in err
    np.save(tmp_path / "y.npy", y)
    err = run("fit", "shards", "--labels", "y.npy", code=2).stderr  # shards first, as above
    assert "shards/1.npz: has weights, unlike shards/0.npz" in err
    np.savez(tmp_path / "shards/1.npz", logits=z, labels=y)
    err = run("fit", "shards", "--labels", "y.npy", code=2).stderr
    assert "by ids alone" in err
    assert "Add a column `id` to every file and to the labels" in err
    (tmp_path / "nothing").mkdir()
    assert "without files" in run("fit", "nothing", code=2).stderr


def test_compare_blocks_by_hand(sample):
    """Means are exactly those of `compare`; a sequence of calibrators takes turns."""
    z, y = sample(1, n=500, k=3)
    cut = [(z[i : i + 100], y[i : i + 100]) for i in range(0, 500, 100)]
    turns = [tp.TemperatureScaling(t) for t in (1.5, 3.0)]
    found = tp.compare_blocks(cut, {"raw": None, "two": turns[0], "turns": turns}, n_resamples=100)
    scale = np.where(np.arange(500) // 100 % 2 == 0, 1.5, 3.0)[:, None]
    probs = {"raw": z, "two": z / 1.5, "turns": z / scale}
    expected = tp.compare({name: reference.softmax(each) for name, each in probs.items()}, y)
    for name in ("two", "turns"):
        for measure in ("log_loss", "brier", "accuracy"):
            own, other = (each.differences[name].measures[measure] for each in (found, expected))
            assert own.to_dict() == pytest.approx(other.to_dict(), rel=1e-9)
        ece = found.differences[name].ece
        assert ece.value == pytest.approx(expected.differences[name].ece.value, rel=1e-9)
        width = expected.differences[name].ece.high - expected.differences[name].ece.low
        assert ece.high - ece.low > 0.9 * width
    with pytest.raises(tp.InvalidInputError, match="at least two sides"):
        tp.compare_blocks(cut, {"raw": None})
    with pytest.raises(tp.InvalidInputError, match="no calibrator for 'b'"):
        tp.compare_blocks(cut, {"a": None, "b": []})


def test_temperatures_of_folds_far_apart(sample):
    """Of few rows every fold weighs much: the rows are read again, for the step is large."""
    from temperance.blocks import StreamRows
    from temperance.calibrators import fold_temperatures

    parts = [sample(i, n=20, k=3, temperature=2.0) for i in range(3)]
    folds = [RowFolds(3).of(number, 0, 20) for number in range(3)]
    stream = StreamRows(parts, n_folds=3)
    tp.TemperatureScaling.of_rows(stream)
    readings = []
    stream.blocks = lambda: readings.append(1) or iter(parts)
    found = fold_temperatures(stream, prior=0.0)
    assert readings
    for fold, t in enumerate(found):
        z, y = (
            np.concatenate([p[side][f != fold] for p, f in zip(parts, folds, strict=True)])
            for side in (0, 1)
        )
        assert t == pytest.approx(reference.temperature(z, y), rel=1e-7)


def test_a_large_sorted_file_has_the_verdict_of_any_order(run, tmp_path, rows):
    """Folds have rows of all blocks: no fold is all of one class, or of the surest rows."""
    z, y = rows
    p = reference.softmax(z).max(axis=1)
    orders = {
        "confidence": np.argsort(p), "label": np.argsort(y, kind="stable"),
        "interleaved": np.argsort(np.argsort(p).argsort() % STEP, kind="stable"),
    }  # fmt: skip
    for name, places in orders.items():
        np.savez(tmp_path / f"{name}.npz", logits=z[places], labels=y[places])
    known, *found = (
        json.loads(run("fit", f"{name}.npz", "--json", "--quick").stdout)
        for name in ("cal", *orders)
    )
    for name, each in zip(orders, found, strict=True):
        expected = pytest.approx(known["after"]["log_loss"], abs=2e-3)
        assert each["after"]["log_loss"] == expected, name
        assert each["headline"].split(".")[0] == known["headline"].split(".")[0], name


def test_rows_of_weight_zero_are_not_there(run, tmp_path, rows):
    """Block by block too: the number of rows and the temperature are those of the others."""
    z, y = rows
    w = np.where(np.arange(N) % 7 == 0, 0.0, 1.0)
    w[:STEP] = 1.0
    np.savez(tmp_path / "w.npz", logits=z, labels=y, weights=w)
    found = json.loads(run("fit", "w.npz", "--json", "--quick").stdout)
    assert found["n"] == found["n_evaluated"] == w.sum()
    assert found["temperature"] == pytest.approx(reference.temperature(z[w > 0], y[w > 0]))


def test_folds_of_rows_hold_as_many_everywhere():
    """Five folds of any stretch of any block are drawn alike, and another seed draws others."""
    folds = RowFolds(5).of(3, 0, 100_000)
    assert np.abs(np.bincount(folds) - 20_000).max() < 5 * 127
    for period in (2, 5, 64):
        counts = np.array([np.bincount(folds[i::period], minlength=5) for i in range(period)])
        expected = counts.sum() / counts.size
        assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)
    assert (RowFolds(5).of(3, 7, 100) == folds[7:107]).all()
    for other in (RowFolds(5, seed=1).of(3, 0, 100_000), RowFolds(5).of(4, 0, 100_000)):
        assert 0.78 < (other != folds).mean() < 0.82
