"""Folders of shards: columns are matched by name, and nothing is left out in silence."""

import csv
import json
import os
import socket

import numpy as np
import pytest

import reference
import temperance as tp
from temperance.readers import blocks, read, read_blocks
from temperance.rows import reading
from temperance.writers import write_probs

CLASSES = ("cat", "dog", "emu", "fox")
ORDERS = ([0, 1, 2, 3], [2, 0, 3, 1], [3, 2, 1, 0])
SUFFIXES = ("csv", "tsv", "parquet", "arrow", "npz")
N = 600


def write_shard(path, columns, *, kind="logit", labels=None, **beside):
    """Write columns by class name, as a table or as arrays with `classes`."""
    names, values = list(columns), np.stack(list(columns.values()), axis=1)
    labels = {} if labels is None else {"label": labels}
    if path.suffix == ".npz":
        plural = {f"{name}s": each for name, each in {**labels, **beside}.items()}
        np.savez(path, **{f"{kind}s": values}, classes=names, **plural)
        return
    table = {f"{kind}_{name}": values[:, j] for j, name in enumerate(names)}
    table.update(labels, **beside)
    if path.suffix in {".csv", ".tsv"}:
        with path.open("w", newline="") as file:
            rows = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
            rows.writerow(table)
            rows.writerows(zip(*(each.tolist() for each in table.values()), strict=True))
        return
    pa = pytest.importorskip("pyarrow")
    from pyarrow import feather, parquet

    write = parquet.write_table if path.suffix == ".parquet" else feather.write_feather
    write(pa.table({name: each.tolist() for name, each in table.items()}), path)


@pytest.fixture
def rows(sample):
    z, y = sample(5, n=N, k=4, temperature=2.0)
    return z, y


def folder(tmp_path, rows, suffix, *, kind="logit", name="shards"):
    """Three shards, each with its columns in another order."""
    z, y = rows
    place = tmp_path / name
    place.mkdir()
    values = z if kind == "logit" else reference.softmax(z)
    for number, (part, order) in enumerate(
        zip(np.array_split(np.arange(N), 3), ORDERS, strict=True)
    ):
        columns = {CLASSES[j]: values[part, j] for j in order}
        write_shard(
            place / f"{number}.{suffix}", columns, kind=kind, labels=np.array(CLASSES)[y[part]]
        )
    return place


@pytest.mark.parametrize("kind", ["logit", "prob"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_columns_are_matched_in_memory_and_in_blocks(tmp_path, rows, suffix, kind):
    """A shard's numbers stand under the first shard's names, and fits are those of one file."""
    z, y = rows
    place = folder(tmp_path, rows, suffix, kind=kind)
    values = z if kind == "logit" else reference.softmax(z)
    whole = read(place)
    assert whole.classes == CLASSES
    np.testing.assert_allclose(whole.values, values, rtol=1e-12)
    parts = list(read_blocks(place))
    assert {part.classes for part in parts} == {CLASSES}
    np.testing.assert_allclose(np.concatenate([p.values for p in parts]), values, rtol=1e-12)
    expected = reference.temperature(z, y)
    fitted = tp.TemperatureScaling.fit_blocks(read_blocks(place))
    assert fitted.temperature == pytest.approx(expected, rel=1e-6)
    assert fitted.classes == CLASSES
    again = tp.TemperatureScaling.fit_blocks(read_blocks(place), classes=CLASSES[::-1])
    assert again.temperature == pytest.approx(expected, rel=1e-6)
    assert again.classes == CLASSES[::-1]
    here = tp.evaluate(fitted.apply(z), y, n_resamples=100)
    there = tp.evaluate_blocks(read_blocks(place), calibrator=again, n_resamples=100)
    assert there.log_loss.value == pytest.approx(here.log_loss.value, rel=1e-9)
    assert there.accuracy.value == here.accuracy.value


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("size", [1 << 30, 1])
def test_commands_on_permuted_shards(run, tmp_path, rows, monkeypatch, suffix, size):
    """fit, evaluate and apply give the digits of the single file, in memory and in blocks."""
    monkeypatch.setattr(reading, "LARGE_BYTES", size)
    monkeypatch.setattr(blocks, "_BLOCK", 100 * 4)
    z, y = rows
    folder(tmp_path, rows, suffix)
    columns = {CLASSES[j]: z[:, j] for j in ORDERS[1]}
    write_shard(tmp_path / f"one.{suffix}", columns, labels=np.array(CLASSES)[y])
    found = json.loads(run("fit", "shards", "--quick", "--json").stdout)
    assert found["temperature"] == pytest.approx(reference.temperature(z, y), rel=1e-7)
    options = ("--calibrator", "calibrator.json", "--quick", "--json")
    folded, whole = (
        json.loads(run("evaluate", name, *options).stdout) for name in ("shards", f"one.{suffix}")
    )
    for measure in ("log_loss", "accuracy", "brier"):
        assert folded[measure]["value"] == pytest.approx(whole[measure]["value"], rel=1e-9)
    probs = reference.softmax(z / found["temperature"])
    for source, header in (("shards", CLASSES), (f"one.{suffix}", [CLASSES[j] for j in ORDERS[1]])):
        run("apply", "calibrator.json", source, "-o", "out.csv")
        written = read(tmp_path / "out.csv")
        assert written.classes == tuple(header)
        np.testing.assert_allclose(
            written.values, probs[:, [CLASSES.index(name) for name in header]], rtol=1e-6
        )


def test_a_calibrator_of_every_class_takes_columns_by_name(run, tmp_path, rows):
    """A bias per class goes to the class of its name; the output keeps the file's header."""
    z, y = rows
    names = np.array(CLASSES)[y]
    write_shard(tmp_path / "cal.csv", dict(zip(CLASSES, z.T, strict=True)), labels=names)
    write_shard(tmp_path / "new.csv", {CLASSES[j]: z[:, j] for j in ORDERS[1]}, labels=names)
    run("fit", "cal.csv", "--method", "vector", "--quick")
    run("apply", "calibrator.json", "cal.csv", "-o", "same.csv")
    run("apply", "calibrator.json", "new.csv", "-o", "other.csv")
    same, other = read(tmp_path / "same.csv"), read(tmp_path / "other.csv")
    assert other.classes == tuple(CLASSES[j] for j in ORDERS[1])
    np.testing.assert_allclose(other.values, same.values[:, ORDERS[1]], rtol=1e-12)
    evaluate = ("evaluate", "--calibrator", "calibrator.json", "--quick", "--json")
    a, b = (json.loads(run(*evaluate, name).stdout) for name in ("cal.csv", "new.csv"))
    assert b["log_loss"]["value"] == pytest.approx(a["log_loss"]["value"], rel=1e-12)


def test_a_test_file_in_another_order(run, tmp_path, rows):
    """--test, shift, compare and cascade match columns by name."""
    z, y = rows
    names = np.array(CLASSES)[y]
    half = slice(0, N // 2), slice(N // 2, N)
    for name, part, order in (("a", 0, 0), ("b", 1, 0), ("c", 1, 1), ("d", 0, 1)):
        columns = {
            CLASSES[j]: z[half[part], j] * (1.0 if name != "d" else 0.6) for j in ORDERS[order]
        }
        write_shard(tmp_path / f"{name}.csv", columns, labels=names[half[part]])
    fits = [
        json.loads(run("fit", "a.csv", "--test", test, "--quick", "--json").stdout)
        for test in ("b.csv", "c.csv")
    ]
    assert fits[0]["after"] == pytest.approx(fits[1]["after"], rel=1e-9)
    shifts = [
        json.loads(run("shift", "a.csv", new, "--quick", "--json").stdout)["verdict"]
        for new in ("b.csv", "c.csv")
    ]
    assert shifts[0] == shifts[1]
    compared = json.loads(run("compare", "a.csv", "d.csv", "--quick", "--json").stdout)
    losses = [
        tp.metrics.log_loss(reference.softmax(z[half[0]] * factor), y[half[0]])
        for factor in (1.0, 0.6)
    ]
    found = compared["differences"]["d"]["log_loss"]["value"]
    assert found == pytest.approx(losses[1] - losses[0], rel=1e-6)
    run("cascade", "a.csv", "d.csv", "--cost", "0.01", "--json")


def test_names_that_contradict_show_both_lists(run, tmp_path, rows):
    """Another class, one missing, one too many, none at all: an error, everywhere."""
    z, y = rows
    place = tmp_path / "shards"
    place.mkdir()
    write_shard(place / "a.csv", dict(zip(CLASSES, z.T, strict=True)), labels=np.array(CLASSES)[y])
    others = {
        "other": (("cat", "dog", "emu", "gnu"), "it has no fox and .*a.csv no gnu"),
        "fewer": (("cat", "dog", "emu"), "it has no fox"),
    }
    for names, words in others.values():
        columns = dict(zip(names, z.T[: len(names)], strict=True))
        write_shard(place / "b.csv", columns, labels=np.array(CLASSES)[y % 3])
        both = rf"b\.csv: its classes \({', '.join(names)}\) .*\({', '.join(CLASSES)}\): {words}"
        for reader in (read, lambda path: list(read_blocks(path))):
            with pytest.raises(tp.FileFormatError, match=both):
                reader(place)
    (place / "b.csv").unlink()
    np.savez(place / "b.npz", logits=z, labels=y)
    with pytest.raises(tp.FileFormatError, match="names its classes"):
        read(place)
    assert "names its classes" in run("fit", "shards", code=2).stderr


@pytest.mark.parametrize("in_blocks", [False, True])
def test_kind_columns_and_what_is_beside_are_compared(tmp_path, rows, in_blocks):
    """For every shard, with the same words in memory and in blocks."""
    z, y = rows
    reader = (lambda path: list(read_blocks(path))) if in_blocks else read
    p = reference.softmax(z)
    first = {"logits": z, "labels": y, "weights": np.ones(N), "ids": np.arange(N)}
    place = tmp_path / "shards"
    place.mkdir()
    np.savez(place / "a.npz", **first)
    for change, words in (
        ({"logits": None, "probs": p}, "holds probs, but .*a.npz logits"),
        ({"labels": None}, "has no labels, unlike .*a.npz"),
        ({"weights": None}, "has no weights"),
        ({"groups": y}, "has groups, unlike"),
        ({"ids": None}, "has no ids"),
        ({"logits": z[:, :3]}, "has 3 columns, but .*a.npz has 4 columns"),
        ({"labels": np.array(CLASSES)[y]}, "its labels are text .*numbers"),
        ({"ids": np.arange(N) + 0.5}, "its ids are numbers .float64"),
    ):
        np.savez(place / "b.npz", **{k: v for k, v in {**first, **change}.items() if v is not None})
        np.savez(place / "c.npz", **first)
        with pytest.raises(tp.FileFormatError, match=rf"b\.npz: {words}") as error:
            reader(place)
        assert "\n" not in str(error.value)


def test_labels_of_other_kinds_are_made_like_the_first(tmp_path, rows):
    """Text that spells the number, whole floats: one kind; 07 is not 7."""
    z, _ = rows
    place = tmp_path / "shards"
    place.mkdir()
    np.savez(place / "a.npz", logits=z, labels=np.arange(N) % 4, ids=np.arange(N))
    np.savez(place / "b.npz", logits=z, labels=(np.arange(N) % 4) * 1.0, ids=np.arange(N))
    np.savez(place / "c.npz", logits=z, labels=(np.arange(N) % 4).astype(str), ids=np.arange(N))
    found = read(place)
    assert found.labels.dtype.kind == "i"
    assert (found.labels == np.tile(np.arange(N) % 4, 3)).all()
    np.savez(place / "c.npz", logits=z, labels=np.full(N, "01"), ids=np.arange(N))
    with pytest.raises(tp.FileFormatError, match=r"its labels are text \(such as '01'\)"):
        read(place)


def test_positions_as_labels_are_those_of_their_own_file(tmp_path, rows):
    """Labels that count the columns of their own shard, which lie in another order there."""
    z, y = rows
    place = tmp_path / "shards"
    place.mkdir()
    order = ORDERS[1]
    np.savez(place / "a.npz", logits=z, labels=y, classes=CLASSES)
    names = [CLASSES[j] for j in order]
    np.savez(place / "b.npz", logits=z[:, order], labels=np.argsort(order)[y], classes=names)
    for found in (
        [read(place, label_map="positions")],
        list(read_blocks(place, label_map="positions")),
    ):
        values = np.concatenate([each.values for each in found])
        labels = np.concatenate([each.labels for each in found])
        np.testing.assert_array_equal(values, np.concatenate([z, z]))
        np.testing.assert_array_equal(labels, np.array(CLASSES)[np.concatenate([y, y])])


def test_a_label_matrix_in_another_order(tmp_path, rows):
    """Columns of labels move with the columns of scores."""
    z, _ = rows
    matrix = (z > 0).astype(int)
    place = tmp_path / "shards"
    place.mkdir()
    for name, order in (("a", ORDERS[0]), ("b", ORDERS[1])):
        columns = {f"logit_{CLASSES[j]}": z[:, j] for j in order}
        columns |= {f"label_{CLASSES[j]}": matrix[:, j] for j in order}
        with (place / f"{name}.csv").open("w", newline="") as file:
            rows_ = csv.writer(file)
            rows_.writerow(columns)
            rows_.writerows(zip(*(each.tolist() for each in columns.values()), strict=True))
    found = read(place, layout="labels")
    np.testing.assert_allclose(found.values, np.concatenate([z, z]))
    np.testing.assert_array_equal(found.labels, np.concatenate([matrix, matrix]))


def test_hidden_names_are_no_shards(tmp_path, rows):
    """Left-over temporary files, Spark's metadata and editors' copies are told, not read."""
    place = folder(tmp_path, rows, "csv")
    text = (place / "0.csv").read_bytes()
    for name in (".0f3a.csv", "_metadata.csv", "~old.csv~"):
        (place / name).write_bytes(text)
    (place / "_SUCCESS").touch()
    (place / "README.md").write_text("shards")
    (place / ".git").mkdir()
    for found in (read(place), read_blocks(place)):
        (note,) = found.notes
        assert "left out 2 of its files" in note
        assert ".0f3a.csv" in note
        assert "_metadata.csv" in note
    assert len(read(place).values) == N
    (place / "3.csv.bak").write_bytes(text)
    assert any("'3.csv.bak'" in note for note in read(place).notes)


def test_sub_folders_are_never_left_out(run, tmp_path, rows):
    """Shards below a folder are an error that names them; other folders do not matter."""
    place = folder(tmp_path, rows, "csv")
    (place / "plots").mkdir()
    (place / "plots" / "a.png").touch()
    assert len(read(place).values) == N
    below = place / "part=1" / "deep"
    below.mkdir(parents=True)
    (below / "x.parquet").write_bytes(b"PAR1")
    for reader in (read, read_blocks):
        with pytest.raises(tp.FileFormatError, match=r"sub-folder 'part=1' .*x\.parquet"):
            reader(place)
    assert run("fit", "shards", code=2).stderr.startswith("error: ")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
@pytest.mark.parametrize("suffix", ["csv", "npy", "parquet", "jsonl"])
def test_only_regular_files_are_read(tmp_path, rows, suffix):
    """A pipe or a socket in a folder, or in the place of a file, is named at once."""
    place = folder(tmp_path, rows, "csv")
    os.mkfifo(place / f"9.{suffix}")
    for path in (place, place / f"9.{suffix}"):
        for reader in (read, read_blocks):
            with pytest.raises(tp.FileFormatError, match=rf"9\.{suffix}: .*is a pipe"):
                reader(path)
    (place / f"9.{suffix}").unlink()
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(place / "s.csv"))
        with pytest.raises(tp.FileFormatError, match=r"s\.csv: .*no regular file"):
            read(place)


def test_the_list_of_shards_is_taken_once(tmp_path, rows):
    """A file that comes later is not read by the next pass."""
    place = folder(tmp_path, rows, "csv")
    found = read_blocks(place)
    (place / "3.csv").write_bytes((place / "0.csv").read_bytes())
    assert sum(len(block.values) for block in found) == N
    assert len(found.files) == 3


def test_an_output_in_the_folder_that_is_read_is_refused(run, tmp_path, rows):
    """It would be one of the shards the next time; nothing is written."""
    place = folder(tmp_path, rows, "csv")
    run("fit", "shards", "--quick")
    before = sorted(place.iterdir())
    (tmp_path / "link").symlink_to(place)
    for target in ("shards/out.csv", "link/out.csv"):
        error = run("apply", "calibrator.json", "shards", "-o", target, code=2).stderr
        assert "lies in the folder shards (FILE), whose files are read" in error
    assert sorted(place.iterdir()) == before
    run("apply", "calibrator.json", "shards", "-o", "out.csv")


def test_parquet_shards_of_other_dtypes(run, tmp_path, rows):
    """float32 beside float64, integers beside floats of weights: right; text scores: one line."""
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    z, y = rows
    place = tmp_path / "shards"
    place.mkdir()
    label = np.array(CLASSES)[y]
    for number, (dtype, weights) in enumerate(
        ((np.float64, np.arange(N) + 1), (np.float32, np.full(N, 0.5)))
    ):
        order = ORDERS[number]
        table = {f"logit_{CLASSES[j]}": z[:, j].astype(dtype) for j in order}
        parquet.write_table(
            pa.table({**table, "label": label.tolist(), "weight": weights}),
            place / f"{number}.parquet",
        )
    found = json.loads(run("fit", "shards", "--quick", "--json").stdout)
    weights = np.concatenate([np.arange(N) + 1, np.full(N, 0.5)])
    expected = tp.TemperatureScaling.fit(
        np.concatenate([z, z]), np.concatenate([y, y]), weights=weights
    )
    assert found["temperature"] == pytest.approx(expected.temperature, rel=1e-5)
    run("apply", "calibrator.json", "shards", "-o", "out.parquet")
    np.testing.assert_allclose(read(tmp_path / "out.parquet").weights, weights)
    table = {f"logit_{name}": z[:, j].astype(str).tolist() for j, name in enumerate(CLASSES)}
    parquet.write_table(
        pa.table({**table, "label": label.tolist(), "weight": weights[:N]}), place / "2.parquet"
    )
    error = run("fit", "shards", "--quick", code=2).stderr
    assert error.count("\n") == 1
    assert "2.parquet" in error


def test_a_single_column_of_two_named_classes_is_turned(tmp_path):
    """Log-odds of class b become log-odds of class a where the order of names is the other."""
    z = np.array([1.0, -2.0, 0.5])
    place = tmp_path / "shards"
    place.mkdir()
    np.savez(place / "a.npz", logits=z, labels=["a", "b", "a"], classes=["a", "b"])
    np.savez(place / "b.npz", logits=-z, labels=["a", "b", "a"], classes=["b", "a"])
    np.testing.assert_allclose(read(place).values, [*z, *z])


def test_written_files_are_read_back_beside_each_other(tmp_path, rows):
    """Files of `write_probs` in several formats and orders make one folder."""
    z, y = rows
    p = reference.softmax(z)
    place = tmp_path / "shards"
    place.mkdir()
    for number, (suffix, order) in enumerate(zip(("csv", "npz", "tsv"), ORDERS, strict=True)):
        names = [CLASSES[j] for j in order]
        write_probs(
            place / f"{number}.{suffix}", p[:, order], classes=names, labels=np.array(CLASSES)[y]
        )
    found = read(place)
    np.testing.assert_allclose(found.values, np.concatenate([p, p, p]), rtol=1e-6)
