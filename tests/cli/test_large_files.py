"""Large files and folders on the command line: one reading, written as it goes, all or nothing."""

import json

import numpy as np
import pytest

import temperance as tp
from temperance.readers import blocks, read, read_blocks
from temperance.rows import reading
from temperance.writers import writing_blocks
from temperance.writers.content import Content

N, K = 1000, 4
SUFFIXES = ["npy", "csv", "tsv", "jsonl", pytest.param("parquet", id="parquet")]


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    """A calibrator, and logits with labels and groups in a .npz that counts as large."""
    monkeypatch.setattr(reading, "LARGE_BYTES", 1)
    monkeypatch.setattr(blocks, "_BLOCK", 100 * K)
    rng = np.random.default_rng(0)
    z = 3 * rng.normal(size=(N, K))
    y = (z / 2 + rng.gumbel(size=z.shape)).argmax(axis=1)
    np.savez(tmp_path / "new.npz", logits=z, labels=y, groups=np.array(["a", "b"])[y % 2])
    scaling = tp.TemperatureScaling.fit(z, y)
    tp.save(scaling, tmp_path / "calibrator.json")
    return z, y, scaling


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_apply_writes_block_by_block(run, tmp_path, outputs, suffix):
    """The probabilities that `apply` gives for all rows at once, with labels and groups."""
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    z, y, scaling = outputs
    done = run("apply", "calibrator.json", "new.npz", "-o", f"out.{suffix}", "--json")
    told = json.loads(done.stdout)
    assert (told["n"], told["classes"], told["warnings"]) == (N, K, [])
    written = read(tmp_path / f"out.{suffix}", kind="probs")
    assert written.values == pytest.approx(scaling.apply(z), rel=1e-12)
    assert told["mean_confidence"] == pytest.approx(scaling.apply(z).max(axis=1).mean())
    if suffix != "npy":
        assert written.labels.astype(int).tolist() == y.tolist()
        assert written.groups.tolist() == np.array(["a", "b"])[y % 2].tolist()


def test_apply_to_a_folder(run, tmp_path, outputs):
    """Shards one after the other; group temperatures find their groups."""
    z, y, _ = outputs
    (tmp_path / "shards").mkdir()
    names = np.array(["a", "b"])[y % 2]
    for number, part in enumerate(np.array_split(np.arange(N), 3)):
        np.savez(tmp_path / f"shards/{number}.npz", logits=z[part], groups=names[part])
    by_group = tp.GroupTemperatureScaling.fit(z, y, groups=names)
    tp.save(by_group, tmp_path / "groups.json")
    run("apply", "groups.json", "shards", "-o", "out.npy")
    found = np.load(tmp_path / "out.npy")
    assert found == pytest.approx(by_group.apply(z, groups=names), rel=1e-12)


def test_nothing_half_written_is_left(run, tmp_path, outputs):
    """A bad row in the last shard: its file and row are named, the old output stays."""
    z, _, _ = outputs
    (tmp_path / "shards").mkdir()
    np.savez(tmp_path / "shards/0.npz", logits=z)
    z[307, 1] = np.nan
    np.savez(tmp_path / "shards/1.npz", logits=z)
    (tmp_path / "out.csv").write_text("old", encoding="utf-8")
    done = run("apply", "calibrator.json", "shards", "-o", "out.csv", code=2)
    assert "shards/1.npz: `logits` must be finite" in done.stderr
    assert "row 308 (from 1)" in done.stderr
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "calibrator.json", "new.npz", "out.csv", "shards",
    ]  # fmt: skip


def test_a_format_that_cannot_grow_is_refused(run, outputs):
    """An .npz archive has its arrays' sizes in front: another format is asked for at once."""
    done = run("apply", "calibrator.json", "new.npz", "-o", "out.npz", code=2)
    assert ".npy .csv .csv.gz .tsv .tsv.gz .parquet .jsonl .ndjson for" in done.stderr


def test_another_number_of_classes_is_refused(run, tmp_path, outputs):
    """As for small files: the file, its classes, and those of the fit."""
    np.savez(tmp_path / "new.npz", logits=outputs[0][:, :3])
    done = run("apply", "calibrator.json", "new.npz", "-o", "out.npy", code=2)
    assert "has 3 classes, but calibrator.json was fitted on 4" in done.stderr


def test_a_growing_array_is_an_ordinary_one(tmp_path):
    """The header that is written at the end is the one NumPy would write."""
    p = np.random.default_rng(0).dirichlet(np.ones(3), size=100_001)
    with writing_blocks(tmp_path / "a.npy") as writer:
        for part in (p[:7], p[7:100_000], p[100_000:]):
            writer.add(Content.of(part, classes=None, mask=None, columns={}))
    np.save(tmp_path / "b.npy", p)
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()


def test_rows_are_counted_without_reading(tmp_path):
    """Of .npy and .parquet from their headers; of other formats not at all."""
    np.save(tmp_path / "a.npy", np.zeros((7, 3)))
    assert read_blocks(tmp_path / "a.npy").n_rows == 7
    (tmp_path / "a.csv").write_text("logit_0,logit_1\n1,2\n", encoding="utf-8")
    assert read_blocks(tmp_path / "a.csv").n_rows is None
    assert read_blocks(tmp_path).n_rows is None
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"logits": [[0.0, 1.0]] * 5}), tmp_path / "a.parquet")
    assert read_blocks(tmp_path / "a.parquet").n_rows == 5
