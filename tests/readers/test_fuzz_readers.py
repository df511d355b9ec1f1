"""Whatever bytes a file holds, reading it gives rows or one sentence."""

import gzip
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mutations import FUZZ, STARTS, mutations
from temperance.errors import FileFormatError
from temperance.readers import SUFFIXES, Dataset, read
from temperance.writers import write_probs

TENSORS = {".pt", ".pth"}
ARROW = {".parquet", ".arrow", ".feather"}


def read_or_refuse(path):
    """Read `path`; anything but rows or an error of one line that names it fails the test."""
    try:
        dataset = read(path)
    except FileFormatError as error:
        message = str(error)
        assert message.startswith(f"{path}: ")
        assert message.isprintable()
        assert len(message) < 2000
    else:
        assert isinstance(dataset, Dataset)
        for name in ("labels", "weights", "groups", "ids"):
            column = getattr(dataset, name)
            assert column is None or len(column.tolist()) == len(dataset.values)


def valid(directory, suffix):
    """Bytes of small valid files of one format."""
    if suffix.endswith(".gz"):
        return [gzip.compress(each) for each in valid(directory, suffix.removesuffix(".gz"))]
    rng = np.random.default_rng(0)
    path = directory / f"valid{suffix}"
    if suffix in TENSORS:
        torch = pytest.importorskip("torch")
        torch.save({"probs": torch.ones(3, 2) / 2, "labels": torch.tensor([0, 1, 0])}, path)
        return [path.read_bytes()]
    write_probs(path, rng.dirichlet([1, 1, 1], 8), labels=rng.integers(0, 3, 8))
    files = [path.read_bytes()]
    write_probs(
        path,
        rng.dirichlet([1, 1], 5).astype(np.float32),
        classes=["cat", "dog"],
        labels=["cat", "dog", "cat", "cat", "dog"],
        ids=list("abcde"),
        groups=list("xxyyy"),
        weights=rng.random(5),
    )
    files.append(path.read_bytes())
    if suffix == ".npz":
        file = io.BytesIO()
        np.savez_compressed(file, logits=rng.normal(size=(20, 3)), labels=np.arange(20) % 3)
        files.append(file.getvalue())
    if suffix == ".jsonl":
        rows = [{"logits": [0.5] * k, "label": 0} for k in (2, 3, 4)]
        files.append("\n".join(map(json.dumps, rows)).encode())
    if suffix in ARROW:
        files.append(lists(path))
    return files


def lists(path):
    """Bytes of a file with a column of ragged lists."""
    pa = pytest.importorskip("pyarrow")
    labels = pa.array(["a", "b", "a"]).dictionary_encode()
    table = pa.table({"logits": [[1.0], [2.0, 3.0], [4.0, 5.0, 6.0]], "label": labels})
    if path.suffix == ".parquet":
        pytest.importorskip("pyarrow.parquet").write_table(table, path)
    else:
        with pa.ipc.new_stream(path, table.schema) as writer:
            writer.write_table(table)
    return path.read_bytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
@FUZZ
@given(start=st.sampled_from(STARTS), rest=st.binary(max_size=200))
def test_any_bytes(tmp_path, suffix, start, rest):
    """Bytes of any kind under any suffix."""
    if suffix in ARROW:
        pytest.importorskip("pyarrow")
    if suffix in TENSORS:
        pytest.importorskip("torch")
    path = tmp_path / f"a{suffix}"
    path.write_bytes(start + rest)
    read_or_refuse(path)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
@FUZZ
@given(
    start=st.sampled_from(STARTS),
    rest=st.text(st.sampled_from('0123456789.,-+e_aNI"\n\r\t {}[]:tls\u00e4'), max_size=60),
)
def test_any_text(tmp_path, suffix, start, rest):
    """Text of the characters that tables and records are made of."""
    path = tmp_path / f"a{suffix}"
    path.write_bytes(start + rest.encode())
    read_or_refuse(path)


def test_every_byte_of_a_parquet_footer(tmp_path):
    """None ends the process: pyarrow does so where the place of a damaged column is asked for."""
    pytest.importorskip("pyarrow")
    for content in valid(tmp_path, ".parquet")[:1]:
        footer = int.from_bytes(content[-8:-4], "little")
        path = tmp_path / "a.parquet"
        for place in range(len(content) - 8 - footer, len(content) - 8):
            for value in (content[place] ^ 0x10, 0):
                path.write_bytes(content[:place] + bytes([value]) + content[place + 1 :])
                read_or_refuse(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_damaged_files(tmp_path, suffix):
    """Valid files of each format with some bytes changed."""
    if suffix in ARROW:
        pytest.importorskip("pyarrow")
    files = valid(tmp_path, suffix)
    path = tmp_path / f"a{suffix}"

    @FUZZ
    @given(content=st.sampled_from(files).flatmap(mutations))
    def check(content):
        path.write_bytes(content)
        read_or_refuse(path)

    check()
    for content in files:
        path.write_bytes(content)
        assert isinstance(read(path, kind="probs"), Dataset)
