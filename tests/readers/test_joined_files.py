"""`cat a b > c` of formats that are read from their end: refused, not one part read as all."""

import zipfile

import numpy as np
import pytest

import temperance as tp
from temperance.readers import read, read_blocks

pa = pytest.importorskip("pyarrow")
feather = pytest.importorskip("pyarrow.feather")
pq = pytest.importorskip("pyarrow.parquet")


def table(n, *, seed=0):
    rng = np.random.default_rng(seed)
    columns = {f"logit_{j}": rng.normal(size=n) for j in range(3)}
    return pa.table({**columns, "label": rng.integers(0, 3, n)})


def arrow(path, rows):
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, rows.schema) as writer:
        writer.write_table(rows, max_chunksize=50)


def npz(path, rows):
    logits = np.stack([rows[f"logit_{j}"].to_numpy() for j in range(3)], axis=1)
    np.savez(path, logits=logits, labels=rows["label"].to_numpy())


WRITERS = {
    "parquet": lambda path, rows: pq.write_table(rows, path, row_group_size=60),
    "parquet, no dictionary": lambda path, rows: pq.write_table(rows, path, use_dictionary=False),
    "parquet, with an index": lambda path, rows: pq.write_table(rows, path, write_page_index=True),
    "feather": lambda path, rows: feather.write_feather(rows, str(path)),
    "feather, plain": lambda path, rows: feather.write_feather(
        rows, str(path), compression="uncompressed"
    ),
    "arrow": arrow,
    "npz": npz,
}
SIZES = [(200, 200), (1, 300), (300, 1), (130, 7)]


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("sizes", SIZES)
def test_two_files_in_one_are_refused(tmp_path, name, sizes):
    suffix = name.partition(",")[0]
    parts = []
    for seed, n in enumerate(sizes):
        part = tmp_path / f"{seed}.{suffix}"
        WRITERS[name](part, table(n, seed=seed))
        assert len(read(part).values) == n
        assert sum(len(block.values) for block in read_blocks(part)) == n
        parts.append(part.read_bytes())
    joined = tmp_path / f"joined.{suffix}"
    for count in (2, 3):
        joined.write_bytes(b"".join([*parts, parts[0]][:count]))
        for whole in (True, False):
            with pytest.raises(tp.FileFormatError, match="one after the other") as refused:
                read(joined) if whole else list(read_blocks(joined))
            assert "\n" not in str(refused.value)
    # the way out, followed to the letter
    folder = tmp_path / "parts"
    folder.mkdir()
    for seed in range(2):
        (tmp_path / f"{seed}.{suffix}").rename(folder / f"{seed}.{suffix}")
    assert sum(len(block.values) for block in read_blocks(folder)) == sum(sizes)


def test_values_that_look_like_a_seam_are_read(tmp_path):
    """The mark of a seam as text in a column, in a file with an index."""
    rows = table(3).append_column("id", pa.array(["PAR1PAR1", "ARROW1ARROW1", "PK\x03\x04"]))
    pq.write_table(rows, tmp_path / "a.parquet", compression="none")
    feather.write_feather(rows, str(tmp_path / "a.feather"), compression="uncompressed")
    for name in ("a.parquet", "a.feather"):
        assert len(read(tmp_path / name).values) == 3


def test_an_archive_that_was_added_to_is_read(tmp_path):
    path = tmp_path / "a.npz"
    npz(path, table(20))
    np.save(tmp_path / "weights.npy", np.ones(20))
    with zipfile.ZipFile(path, "a") as archive:
        archive.write(tmp_path / "weights.npy", "weights.npy")
    assert len(read(path).weights) == 20
