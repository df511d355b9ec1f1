"""Labels in one file for all shards of a folder, and rows that lack values, block by block."""

import json

import numpy as np
import pytest

import temperance as tp
from temperance.readers import blocks, read, read_blocks

N = 60


@pytest.fixture
def shards(tmp_path):
    """Two shards with ids, and the labels of both, in another order."""
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(N, 2)).round(3), np.array(["a", "b"])[rng.integers(0, 2, size=N)]
    (tmp_path / "shards").mkdir()
    for number in (0, 1):
        rows = range(number * 30, number * 30 + 30)
        lines = ["id,logit_a,logit_b", *(f"q{i},{z[i, 0]},{z[i, 1]}" for i in rows)]
        (tmp_path / "shards" / f"{number}.csv").write_text("\n".join(lines) + "\n")
    order = rng.permutation(N)
    labels = ["id,label", *(f"q{i},{y[i]}" for i in order)]
    (tmp_path / "y.csv").write_text("\n".join(labels) + "\n")
    return y


def test_one_file_of_labels_goes_with_a_folder_by_id(run, tmp_path, shards, monkeypatch):
    """Whole, block by block and in the command, each row has the label of its id."""
    folder, labels = tmp_path / "shards", tmp_path / "y.csv"
    whole = read(folder, labels=labels)
    assert whole.labels.tolist() == shards.tolist()
    assert whole.notes == ()
    monkeypatch.setattr(blocks, "_BLOCK", 14)
    parts = list(read_blocks(folder, labels=labels))
    assert len(parts) > 1
    assert np.concatenate([part.labels for part in parts]).tolist() == shards.tolist()
    for limit in (1 << 30, 1):
        monkeypatch.setattr("temperance.rows.reading.LARGE_BYTES", limit)
        command = ("evaluate", "shards", "--labels", "y.csv", "--quick", "--json")
        assert json.loads(run(*command).stdout)["n"] == N


def test_without_ids_labels_of_a_folder_are_refused(run, tmp_path, shards):
    """The message says which file has none, and what to do."""
    (tmp_path / "y.csv").write_text("\n".join(["label", *shards]) + "\n")
    message = run("evaluate", "shards", "--labels", "y.csv", code=2).stderr
    assert "y.csv has none" in message
    assert "--id-column" in message


def test_rows_that_lack_a_value_are_left_out_of_blocks(tmp_path, monkeypatch):
    """Blocks of any size leave out what the whole file does; a block of none is no block."""
    lines = [
        "logit_a,logit_b,label",
        *(f"{i},{'' if 4 <= i < 9 else i % 3 - 1},{'ab'[i % 2]}" for i in range(20)),
    ]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    whole = read(tmp_path / "a.csv", na="drop")
    for size in (1, 2, 1000):
        monkeypatch.setattr("temperance.readers.csv_file._BLOCK_ROWS", size)
        parts = list(read_blocks(tmp_path / "a.csv", na="drop"))
        assert np.concatenate([part.values for part in parts]).tolist() == whole.values.tolist()
    (tmp_path / "a.csv").write_text("logit_a,logit_b,label\n,1,a\n,2,b\n")
    with pytest.raises(tp.FileFormatError, match="no row that counts"):
        list(read_blocks(tmp_path / "a.csv", na="drop"))
