"""Labels that spell a missing value: what is written is read back, or refused on writing."""

from importlib.util import find_spec

import numpy as np
import pytest

import temperance as tp
from temperance.readers import read
from temperance.writers import write_probs, writing_blocks
from temperance.writers.content import Content

P = np.array([[0.7, 0.3], [0.2, 0.8], [0.6, 0.4]])
ARROW = [
    pytest.param(
        suffix, marks=pytest.mark.skipif(find_spec("pyarrow") is None, reason="no pyarrow")
    )
    for suffix in (".parquet", ".arrow")
]
SUFFIXES = [".npz", ".csv", ".csv.gz", ".tsv", *ARROW, ".jsonl"]
WORDS = ["NA", "nan", "NaN", "N/A", "n/a", "null", "<NA>", "None", "nil", ".", "-nan", "b"]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("where", ["label", "class", "id", "group"])
def test_what_is_written_is_read_back_or_refused(suffix, word, where, tmp_path):
    """A word of a label that is no class, of a class, of an id and of a group, in each format."""
    path = tmp_path / f"file{suffix}"
    labels, classes = ["a", word, "a"], ["a", "b"]
    given = {"labels": labels, "classes": classes}
    if where == "class":
        given["classes"] = ["a", word]
    elif where == "id":
        given = {"ids": ["x", word, "y"], "labels": ["a", "b", "a"], "classes": classes}
    elif where == "group":
        given = {"groups": labels, "labels": ["a", "b", "a"], "classes": classes}
    try:
        write_probs(path, P, **given)
    except tp.InvalidInputError as error:
        assert where == "label"
        assert suffix not in {".npz", ".jsonl"}
        assert f"{word!r} in a {suffix.removesuffix('.gz')} file" in str(error)
        assert "row 1 (from 0)" in str(error)
        assert ".npz or .jsonl" in str(error)
        assert not path.exists()
        return
    found = read(path)
    for name in {"labels", "ids", "groups"} & {*given}:
        assert getattr(found, name).tolist() == given[name]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ARROW[0]])
def test_blocks_refuse_it_too(suffix, tmp_path):
    """And leave no file behind."""
    columns = {"labels": ["a", "NA", "a"]}
    content = Content.of(P, classes=["a", "b"], mask=None, columns=columns)
    path = tmp_path / f"file{suffix}"
    with pytest.raises(tp.InvalidInputError, match="label that is missing"), \
            writing_blocks(path) as writer:  # fmt: skip
        writer.add(content)
    assert not path.exists()
