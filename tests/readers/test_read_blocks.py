"""Files and folders of shards, read some rows at a time: the same rows, the same errors."""

import numpy as np
import pytest

import temperance as tp
from temperance.readers import Fields, blocks, npz, read, read_blocks

N, K = 1000, 4


def data(n=N, seed=0):
    rng = np.random.default_rng(seed)
    z = 3 * rng.normal(size=(n, K))
    y = (z / 2 + rng.gumbel(size=z.shape)).argmax(axis=1)
    return z, y, rng.uniform(0.5, 2, n)


def write(path, z, y, w=None):
    """Write logits, labels and weights in the format of the suffix."""
    columns = {f"logit_{j}": z[:, j] for j in range(K)} | {"label": y}
    if w is not None:
        columns["weight"] = w
    if path.suffix == ".npz":
        extra = {} if w is None else {"weights": w}
        np.savez(path, logits=z, labels=y, **extra)
    elif path.suffix in {".parquet", ".arrow"}:
        pa = pytest.importorskip("pyarrow")
        lists = pa.FixedSizeListArray.from_arrays(pa.array(z.ravel()), K)
        table = pa.table({"logits": lists, "label": y} | ({} if w is None else {"weight": w}))
        if path.suffix == ".parquet":
            import pyarrow.parquet as pq

            pq.write_table(table, path, row_group_size=300)
        else:
            with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as out:
                out.write_table(table, max_chunksize=300)
    elif path.suffix == ".jsonl":
        import json

        keys = [("logits", z), ("label", y)] + ([] if w is None else [("weight", w)])
        lines = (json.dumps({key: a[i].tolist() for key, a in keys}) for i in range(len(y)))
        path.write_text("\n".join(lines), encoding="utf-8")
    else:
        rows = zip(*(column.tolist() for column in columns.values()), strict=True)
        lines = [",".join(columns), *(",".join(map(repr, row)) for row in rows)]
        path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def small_blocks(monkeypatch):
    """Cut small files as if they were large."""
    from temperance.readers import arrow, csv_file

    monkeypatch.setattr(blocks, "_BLOCK", 100 * K)
    monkeypatch.setattr(arrow, "_BLOCK_BYTES", 100 * K * 8)
    monkeypatch.setattr(csv_file, "_BLOCK_ROWS", 100)
    monkeypatch.setattr(npz, "_WORTH_MAPPING", 1)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("suffix", ["npz", "csv", "parquet", "arrow", "jsonl"])
def test_blocks_hold_the_rows_of_the_file(tmp_path, small_blocks, suffix, weighted):
    """All columns, in order, in many blocks; twice over; and the fit is that of all rows."""
    z, y, w = data()
    path = write(tmp_path / f"a.{suffix}", z, y, w if weighted else None)
    file, whole = read_blocks(path), read(path)
    for _ in range(2):
        parts = list(file)
        assert len(parts) >= 8
        for name in ("values", "labels", "weights"):
            expected = getattr(whole, name)
            if expected is None:
                assert all(getattr(part, name) is None for part in parts)
            else:
                assert (np.concatenate([getattr(part, name) for part in parts]) == expected).all()
        assert all(part.classes == whole.classes for part in parts)
    classes = whole.classes
    fitted = tp.TemperatureScaling.fit_blocks(file, classes=classes)
    exact = tp.TemperatureScaling.fit(z, y, weights=w if weighted else None)
    assert fitted.temperature == pytest.approx(exact.temperature, rel=1e-9)


def test_arrays_are_mapped_not_read(tmp_path, small_blocks):
    """Blocks of .npy and uncompressed .npz are views of a memory map, whatever their alignment."""
    z, y, _ = data()
    for order in "CF":
        path = tmp_path / "a.npz"
        np.savez(path, labels=y, logits=np.asarray(z, order=order))
        np.save(tmp_path / "a.npy", np.asarray(z, order=order))
        np.save(tmp_path / "y.npy", y)
        for file in (read_blocks(path), read_blocks(tmp_path / "a.npy", labels=tmp_path / "y.npy")):
            parts = list(file)
            assert isinstance(parts[0].values, np.memmap)
            assert (np.concatenate([part.values for part in parts]) == z).all()
            for engine in ("auto", "numpy"):
                fitted = tp.TemperatureScaling.fit_blocks(file, engine=engine)
                assert fitted.temperature == pytest.approx(
                    tp.TemperatureScaling.fit(z, y).temperature, rel=1e-9
                )


@pytest.mark.parametrize("suffix", ["npz", "csv", "parquet"])
def test_a_folder_of_shards(tmp_path, suffix):
    """Files in the order of their names, others left alone; probabilities too."""
    z, y, _ = data()
    for number in range(3):
        write(tmp_path / f"part-{number}.{suffix}", z[number::3], y[number::3])
    (tmp_path / "README").write_text("not a shard", encoding="utf-8")
    file = read_blocks(tmp_path)
    assert [f.name for f in file.files] == [f"part-{i}.{suffix}" for i in range(3)]
    assert file.size == sum(f.stat().st_size for f in file.files)
    fitted = tp.TemperatureScaling.fit_blocks(file, classes=[str(c) for c in range(K)])
    assert fitted.temperature == pytest.approx(tp.TemperatureScaling.fit(z, y).temperature)


def test_probabilities_become_logits(tmp_path):
    """A column `probs` is turned into logits block by block; a bad row names the file."""
    z, y, _ = data()
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    np.savez(tmp_path / "p.npz", probs=p, labels=y)
    fitted = tp.TemperatureScaling.fit_blocks(read_blocks(tmp_path / "p.npz"))
    assert fitted.temperature == pytest.approx(tp.TemperatureScaling.fit(z, y).temperature)
    p[7, 0] += 0.5
    np.savez(tmp_path / "p.npz", probs=p, labels=y)
    with pytest.raises(tp.InvalidInputError, match=r"p\.npz: `probs`.*row 8 "):
        tp.TemperatureScaling.fit_blocks(read_blocks(tmp_path / "p.npz"))


def test_a_shard_of_another_width_is_named(tmp_path):
    """Its path, its columns, and those before."""
    z, y, _ = data()
    np.savez(tmp_path / "a.npz", logits=z, labels=y)
    np.savez(tmp_path / "b.npz", logits=z[:, :3], labels=y % 3)
    with pytest.raises(tp.FileFormatError, match=r"b\.npz: has 3 columns, .* has 4 columns"):
        tp.TemperatureScaling.fit_blocks(read_blocks(tmp_path))


def test_a_damaged_row_group_is_named(tmp_path):
    """File and group, counted from 1; the groups before it are fine."""
    pq = pytest.importorskip("pyarrow.parquet")
    z, y, _ = data()
    path = write(tmp_path / "a.parquet", z, y)
    column = pq.ParquetFile(path).metadata.row_group(2).column(0)
    raw = bytearray(path.read_bytes())
    start = column.dictionary_page_offset or column.data_page_offset
    raw[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(raw)
    seen = []
    with pytest.raises(tp.FileFormatError, match=r"a\.parquet: row group 3 .* of 4"):
        seen.extend(len(block.values) for block in read_blocks(path))
    assert sum(seen) == 600


BAD = [
    ("missing.npz", {}, "cannot be read: No such file"),
    ("empty", {}, "without files of a known format"),
    ("empty", {"labels": "y.npy"}, "without files of a known format"),
    ("a.txt", {}, "must have one of the suffixes"),
    ("short.npz", {"labels": "y.npy"}, "`labels` must have one entry per row"),
    ("a.npz", {"fields": Fields(label="truth")}, "has no key `truth`"),
    ("unlabelled.npz", {}, "has no labels"),
]


@pytest.mark.parametrize(("name", "settings", "message"), BAD, ids=range(len(BAD)))
def test_bad_files_are_refused(tmp_path, name, settings, message):
    """The message starts with the path and says what is wrong."""
    z, y, _ = data()
    np.savez(tmp_path / "a.npz", logits=z, labels=y)
    np.savez(tmp_path / "short.npz", logits=z[:-1])
    np.savez(tmp_path / "unlabelled.npz", logits=z)
    np.save(tmp_path / "y.npy", y)
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.txt").write_text("1", encoding="utf-8")
    settings = {k: tmp_path / v if k == "labels" else v for k, v in settings.items()}
    with pytest.raises(tp.FileFormatError, match=message):
        tp.TemperatureScaling.fit_blocks(read_blocks(tmp_path / name, **settings))
