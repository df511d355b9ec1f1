"""A map of labels: it is whole or refused with a whole one to copy, in every format."""

import json
import re
import shlex

import numpy as np
import pytest

import temperance as tp
from table_files import write as write_named
from temperance.checks.label_map import LabelMap
from temperance.readers import blocks, read, read_blocks

N = 60
FORMATS = ["a.csv", "a.parquet", "a.arrow", "a.npz"]


def rows(k, words, seed=0):
    """Logits, and a word per row."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(N, k)).round(3), [words[i % len(words)] for i in range(N)]


def write(path, logits, words, names):
    """Write rows with named columns, or with scores of one column or one array."""
    if names is not None:
        write_named(path, names, logits, words)
    elif path.suffix == ".npz":
        np.savez(path, logits=logits, labels=np.array(words))
    elif path.suffix == ".csv":
        cells = [f'"{list(z)}",{w}' for z, w in zip(logits.tolist(), words, strict=True)]
        path.write_text("\n".join(["logits,label", *cells]) + "\n")
    else:
        pa = pytest.importorskip("pyarrow")
        table = pa.table({"logits": logits.tolist(), "label": words})
        if path.suffix == ".parquet":
            pytest.importorskip("pyarrow.parquet").write_table(table, path)
        else:
            with pa.ipc.new_file(path, table.schema) as writer:
                writer.write_table(table)


def advised(message, names):
    """All options in a message that read the file, NAME as the first class."""
    found = re.findall(
        r"(?:--label-map (?:'[^']*'|\\'|[^\s'])+(?: --ignore-label (?:'[^']*'|[\w/.+-])+)?"
        r"|--ignore-label (?:'[^']*'|[\w/.+-])+)", message,
    )  # fmt: skip
    options = [shlex.split(each.rstrip(",.")) for each in found]
    return [[part.replace("NAME", names[0]) for part in each] for each in options]


CASES = {
    "two words": (("benign", "malignant"), ("no", "yes"), ()),
    "half a map": (("benign", "malignant"), ("no", "yes"), ("no=benign",)),
    "a typing error in a label": (("good", "bad"), ("no", "yes"), ("no=good,jes=bad",)),
    "a position for a name": (("benign", "malignant"), ("no", "yes"), ("no=0",)),
    "a typing error in a class": (("benign", "x"), ("no", "yes"), ("no=beningn,yes=x",)),
    "three words": (("cat", "cow", "dog"), ("a", "b", "c"), ()),
    "one of three": (("cat", "cow", "dog"), ("a", "b", "c"), ("b=cow",)),
    "a class too many": (("cat", "cow", "dog"), ("cat", "cow", "dog", "owl"), ()),
    "two too many": (("cat", "cow", "dog"), ("cat", "cow", "owl", "an elk"), ("dog=dog",)),
    "other letters": (("cat", "cow", "dog"), ("CAT", "COW", "dog"), ()),
    "commas and quotes": (("cat", "dog"), ("it's, a cat", 'a "dog"'), ()),
    "positions": (None, ("no", "yes"), ()),
    "half a map of positions": (None, ("no", "yes"), ("no=0",)),
    "other half": (None, ("no", "yes"), ("yes=0",)),
    "positions of three words": (None, ("no", "yes", "unsure"), ()),
    "half of three words": (None, ("no", "yes", "unsure"), ("no=0,yes=1",)),
    "a position out of range": (None, ("no", "yes"), ("no=0,yes=2",)),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", FORMATS)
def test_every_advice_reads_the_file_at_the_first_try(run, tmp_path, case, name):
    """Words, all of them, columns and a whole map stand in the message; each option works."""
    names, words, given = CASES[case]
    if name == "a.csv" and case == "commas and quotes":
        pytest.skip("the table of this test has no quotation marks")
    logits, labels = rows(2 if names is None else len(names), words)
    write(tmp_path / name, logits, labels, names)
    options = ("--label-map", *given) if given else ()
    message = run("evaluate", name, "--quick", *options, code=2).stderr
    if given:
        assert all(word in message for word in words)
        assert all(each in message for each in names or ("positions 0 to 1",))
    found = advised(message, names or ("0",))
    assert found, message
    for option in found:
        run("fit", name, "--only-fit", "--prior", 1, *option)


@pytest.mark.parametrize("name", FORMATS)
def test_a_key_that_no_row_has_is_told(run, tmp_path, monkeypatch, name):
    """With every label mapped it is a warning that names the key and lists the labels."""
    logits, labels = rows(2, ("no", "yes"))
    write(tmp_path / name, logits, labels, ("n", "y"))
    text = "no=n,yes=y,nay=n"
    (note,) = read(tmp_path / name, label_map=text).notes
    assert "no row has the label nay" in note
    assert "labels there are: no, yes" in note
    said = json.loads(run("evaluate", name, "--quick", "--json", "--label-map", text).stdout)
    assert any("nay" in each for each in said["warnings"])
    monkeypatch.setattr(blocks, "_BLOCK", 14)
    file = read_blocks(tmp_path / name, label_map=text)
    assert file.notes == ()
    assert [len(block.values) for block in file]
    assert file.notes == (note,)
    monkeypatch.setattr("temperance.rows.reading.LARGE_BYTES", 1)
    said = json.loads(run("evaluate", name, "--quick", "--json", "--label-map", text).stdout)
    assert any("nay" in each for each in said["warnings"])
    with pytest.raises(tp.InvalidInputError, match=r"No row has the label jes.*no=n,yes=y"):
        read(tmp_path / name, label_map="no=n,jes=y")


def test_words_of_later_blocks_and_shards_are_listed(tmp_path, monkeypatch):
    """The message of the first block names the words of the last; shards may lack keys."""
    logits, _ = rows(2, ("no",))
    words = ["no"] * 40 + ["yes"] * 10 + ["perhaps"] * 10
    write(tmp_path / "a.npz", logits, words, ("n", "y"))
    monkeypatch.setattr(blocks, "_BLOCK", 14)
    with pytest.raises(tp.InvalidInputError, match=r"no, yes, perhaps; classes: n, y"):
        list(read_blocks(tmp_path / "a.npz", label_map="no=y,si=n"))
    folder = tmp_path / "shards"
    folder.mkdir()
    for number, part in enumerate(("no", "yes")):
        write(folder / f"{number}.npz", logits, [part] * N, ("n", "y"))
    assert read(folder, label_map="no=n,yes=y").notes == ()
    with pytest.raises(tp.InvalidInputError, match=r"0\.npz: .*Labels of the file: no, yes"):
        read(folder, label_map="yes=y")


def test_labels_that_are_left_out_need_no_pair(run, tmp_path):
    """What --ignore-label names is no gap of a map, be it a label or what labels are mapped to."""
    logits, labels = rows(2, ("no", "yes", "unsure", "?"))
    np.savez(tmp_path / "a.npz", logits=logits, labels=np.array(labels))
    counts = [
        json.loads(run("evaluate", "a.npz", "--quick", "--json", *options).stdout)["n"]
        for options in (
            ("--label-map", "no=0,yes=1,?=1", "--ignore-label", "unsure"),
            ("--label-map", "no=0,yes=1,?=-1,unsure=-1", "--ignore-label", "-1"),
        )
    ]
    assert counts == [45, 30]
    mapped = read(tmp_path / "a.npz", label_map={"no": 0, "yes": 1, "?": "?", "unsure": -1})
    assert set(mapped.labels) == {"0", "1", "?", "-1"}
    np.savez(tmp_path / "b.npz", logits=logits, labels=np.array([1, 2, -1, 1] * 15))
    options = ("--label-map", "one-based", "--ignore-label", "-1")
    assert json.loads(run("evaluate", "b.npz", "--quick", "--json", *options).stdout)["n"] == 45


def test_a_name_is_itself_before_a_number_is_looked_up():
    """The class 01 is not the label 1 of a pair, which other spellings of 1 are."""
    meant = LabelMap.parse("1=x").applied(np.array(["01", "1.0", "1"]), ("01", "x"))
    assert meant.tolist() == ["01", "x", "x"]


@pytest.mark.parametrize("step", [1, 2, 1000])
def test_an_ignored_label_is_the_same_in_every_block(run, tmp_path, monkeypatch, step):
    """With 1 somewhere in the file, 01 is another label, in blocks of any size and on workers."""
    names = ("01", "2")
    logits, _ = rows(2, ("2",))
    for words, left in ((["01", "2"] * 29 + ["01", "1"], 59), (["01", "2"] * 30, 30)):
        write(tmp_path / "a.csv", logits, words, names)
        command = (
            "evaluate",
            "a.csv",
            "--quick",
            "--json",
            "--kind",
            "logits",
            "--ignore-label",
            "1",
        )
        assert json.loads(run(*command).stdout)["n"] == left
        with monkeypatch.context() as patch:
            patch.setattr(blocks, "_BLOCK", 2 * step)
            patch.setattr("temperance.rows.reading.LARGE_BYTES", 1)
            assert json.loads(run(*command).stdout)["n"] == left
