"""Tables packed by gzip are written as they are read, whole and block by block."""

import gzip
import json

import numpy as np
import pytest

from temperance.readers import read


@pytest.mark.parametrize("suffix", ["csv.gz", "tsv.gz"])
@pytest.mark.parametrize("large", [False, True])
def test_packed_tables_are_written_as_they_are_read(run, tmp_path, monkeypatch, suffix, large):
    """What `apply` writes is packed, reads back, and holds what a plain table holds."""
    rng = np.random.default_rng(0)
    comma = "\t" if suffix.startswith("tsv") else ","
    lines = [comma.join(("logit_a", "logit_b", "label", "id"))]
    for number, row in enumerate(rng.normal(size=(40, 2))):
        lines.append(comma.join((*map(str, row.round(3)), "ab"[number % 2], str(number))))
    with gzip.open(tmp_path / f"in.{suffix}", "wt", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    run("fit", f"in.{suffix}", "--quick", "--prior", "1")
    if large:
        monkeypatch.setattr("temperance.rows.reading.LARGE_BYTES", 1)
        monkeypatch.setattr("temperance.rows.reading.is_large", lambda _: True)
    plain = suffix.removesuffix(".gz")
    for name in (f"out.{suffix}", f"again.{suffix}", f"out.{plain}"):
        run("apply", "calibrator.json", f"in.{suffix}", "-o", name)
    packed = (tmp_path / f"out.{suffix}").read_bytes()
    assert gzip.decompress(packed) == (tmp_path / f"out.{plain}").read_bytes()
    assert packed == (tmp_path / f"again.{suffix}").read_bytes()
    back = read(tmp_path / f"out.{suffix}")
    assert back.labels.tolist() == ["a", "b"] * 20
    assert back.ids.tolist() == [str(number) for number in range(40)]
    found = json.loads(run("evaluate", f"out.{suffix}", "--quick", "--json").stdout)
    assert found["n"] == 40


def test_no_packed_table_is_written_into_the_folder_that_is_read(run, tmp_path):
    """It would count as a shard next time."""
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "a.csv").write_text("logit_a,logit_b,label\n1,0,a\n-2,1,b\n3,0,b\n")
    run("fit", "shards", "--quick", "--prior", "1")
    message = run("apply", "calibrator.json", "shards", "-o", "shards/out.csv.gz", code=2).stderr
    assert "Write it elsewhere" in message
