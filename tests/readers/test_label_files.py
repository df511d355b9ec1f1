"""A label matrix beside the scores, in every format: the same rows, or one clear sentence."""

import json

import numpy as np
import pytest

from temperance.errors import FileFormatError
from temperance.readers import Fields, read

LOGITS = [[0.5, -1.0], [2.0, 0.25]]
LABELS = [[0, 1], [1, -1]]  # -1: an entry that is not known
COLUMNS = {
    "logit_cat": [0.5, 2.0], "logit_dog": [-1.0, 0.25],
    "label_dog": [1, -1], "label_cat": [0, 1],  # in another order than the scores
}  # fmt: skip
SUFFIXES = [".csv", ".tsv", ".parquet", ".arrow"]


def table(path, columns):
    """Write columns in the format of the suffix."""
    if path.suffix in {".csv", ".tsv"}:
        separator = "," if path.suffix == ".csv" else "\t"
        cells = [["" if c is None else str(c) for c in column] for column in columns.values()]
        lines = [columns, *zip(*cells, strict=True)]
        path.write_text("".join(separator.join(line) + "\n" for line in lines))
        return path
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    content = pa.table(columns)
    if path.suffix == ".parquet":
        pq.write_table(content, path)
    else:
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, content.schema) as writer:
            writer.write_table(content)
    return path


def records(path, *rows):
    """Write one JSON object per line."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def refusal(path, **options):
    """The one line that reading a label matrix raises, without the path."""
    with pytest.raises(FileFormatError) as caught:
        read(path, **{"layout": "labels", **options})
    message = str(caught.value)
    assert "\n" not in message
    return message.partition(": ")[2]


def check(dataset, classes=("cat", "dog")):
    """The rows are those above."""
    assert dataset.values.tolist() == LOGITS
    assert dataset.labels.tolist() == LABELS
    assert dataset.classes == classes


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_columns_are_ordered_as_the_scores(tmp_path, suffix):
    """By the names, not by their place; other columns do not matter."""
    columns = {**COLUMNS, "id": [7, 8], "note": ["a", "b"]}
    check(read(table(tmp_path / f"a{suffix}", columns), layout="labels"))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_columns_of_another_name(tmp_path, suffix):
    """`Fields.label` is the first part of the names."""
    columns = {name.replace("label_", "is_"): column for name, column in COLUMNS.items()}
    path = table(tmp_path / f"a{suffix}", columns)
    check(read(path, layout="labels", fields=Fields(label="is")))
    assert read(path, layout="labels").labels is None
    assert "no columns `has_<name>`" in refusal(path, fields=Fields(label="has"))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label_dog": None}, "no other; 'label_dog' is missing."),
        ({"label_cow": [0, 1]}, "no other; 'label_cow' has no scores. They are of 'cat', 'dog'."),
        ({"label_dog": None, "label_cat": None, "label": [0, 1]}, "no columns `label_<name>`"),
    ],
)
def test_columns_that_do_not_match(tmp_path, suffix, change, message):
    """A label without scores, scores without a label, and classes instead of labels."""
    columns = {k: v for k, v in {**COLUMNS, **change}.items() if v is not None}
    assert message in refusal(table(tmp_path / f"a{suffix}", columns))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_one_label(tmp_path, suffix):
    """A single label is a matrix of one column."""
    columns = {"logit_cat": [0.5, 2.0], "label_cat": [0, 1]}
    dataset = read(table(tmp_path / f"a{suffix}", columns), layout="labels")
    assert dataset.values.tolist() == [[0.5], [2.0]]
    assert dataset.labels.tolist() == [[0], [1]]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_entries_that_are_missing(tmp_path, suffix):
    """Named with line (or row) and column, and what to write instead."""
    message = refusal(table(tmp_path / f"a{suffix}", {**COLUMNS, "label_dog": [1, None]}))
    assert "1 of 2 rows lacks a value of 'label_dog'" in message
    assert "--ignore-label" in message
    assert ("line 3" if suffix in {".csv", ".tsv"} else "row 2 (counted from 1)") in message


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", [None, "logits"])
def test_columns_per_label_are_not_read_as_classes(tmp_path, suffix, kind):
    """Without the layout it is an error, unless the column of the classes is named."""
    path = table(tmp_path / f"a{suffix}", COLUMNS)
    message = refusal(path, layout="rows", kind=kind)
    assert message.startswith("has a column per label ('label_cat', 'label_dog'): read it with")
    assert "--kind multilabel" in message
    named = read(path, fields=Fields(label="label_cat"))
    assert np.asarray(named.labels, int).tolist() == [0, 1]
    both = table(tmp_path / f"b{suffix}", {**COLUMNS, "label": [0, 1]})
    assert np.asarray(read(both).labels, int).tolist() == [0, 1]


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
@pytest.mark.parametrize("name", ["label", "labels"])
def test_lists_in_columns(tmp_path, suffix, name):
    """A list of labels beside a list of scores; booleans count as 0 and 1."""
    path = table(tmp_path / f"a{suffix}", {"logits": LOGITS, name: LABELS})
    check(read(path, layout="labels"), classes=None)
    message = refusal(path, layout="rows")
    assert message.startswith(f"column `{name}` holds lists: read several labels per row with")
    path = table(tmp_path / f"b{suffix}", {"logits": LOGITS, name: [[False, True], [True, True]]})
    assert read(path, layout="labels").labels.tolist() == [[0, 1], [1, 1]]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"label": [[0, 1], [1]]},
            "column `label` must hold lists of one length.*row 2 .* has 1, ",
        ),
        ({"label": [[0, 1], [1, None]]}, "lacks a value of 'label' .* row 2 .*--ignore-label"),
        ({"label": [[0, 1], None]}, "lacks a value of 'label' .* first is row 2"),
        ({"label": [[0, 1], []]}, "column `label` must not have empty lists; row 2"),
        ({"label": [0, 1]}, "column `label` must hold lists of 0 and 1"),
        ({"label": [["0", "1"], ["1", "1"]]}, "column `label` must hold 0 and 1, got string"),
        ({"label": LABELS, "labels": LABELS}, "both `labels` and `label`"),
        ({"logits": [[1.0], [1.0, 2.0]], "label": LABELS}, "`logits` must hold lists of one"),
    ],
)
def test_lists_that_do_not_fit(tmp_path, columns, message):
    """Each with its column and row."""
    path = table(tmp_path / "a.parquet", {"logits": LOGITS, **columns})
    with pytest.raises(FileFormatError, match=message):
        read(path, layout="labels")


@pytest.mark.parametrize("name", ["label", "labels", "tags"])
def test_lists_in_records(tmp_path, name):
    """A list under `labels`, `label` or the key that is named."""
    rows = [{"logits": z, name: y} for z, y in zip(LOGITS, LABELS, strict=True)]
    fields = Fields(label=name) if name == "tags" else Fields()
    path = records(tmp_path / "a.jsonl", *rows)
    check(read(path, layout="labels", fields=fields), classes=None)
    assert "--kind multilabel" in refusal(path, layout="rows", fields=fields)
    path = records(tmp_path / "b.jsonl", {"logits": [1, 2], name: [True, False]})
    assert read(path, layout="labels", fields=fields).labels.tolist() == [[1, 0]]


def test_records_without_labels(tmp_path):
    """None in any line are none; a list of texts is no list of labels."""
    path = records(tmp_path / "a.jsonl", {"logits": [1, 2]}, {"logits": [1, 3], "labels": None})
    assert read(path, layout="labels").labels is None
    path = records(tmp_path / "b.jsonl", {"logits": [1, 2], "labels": ["yes", "no"]})
    assert read(path).labels is None


FIRST = {"logits": [1, 2], "labels": [0, 1]}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([FIRST, {"logits": [1, 2], "labels": [0]}],
         "line 2: `labels` must be as long as its scores, 2, but has 1."),
        ([{"logits": [1, 2], "labels": [0, 1, 1]}],
         "line 1: `labels` must be as long as its scores, 2, but has 3."),
        ([FIRST, {"logits": [1, 2, 3], "labels": [0, 1, 1]}],
         "line 2: `logits` must have one length in all lines where there are several labels, 2"),
        ([FIRST, {"logits": [1, 2], "labels": [0, None]}],
         "line 2: `labels` must hold 0 and 1; entry 1 (counted from 0) is null. An unknown"),
        ([FIRST, {"logits": [1, 2], "labels": [0, "1"]}],
         'line 2: `labels` must hold 0 and 1; entry 1 (counted from 0) is "1".'),
        ([FIRST, {"logits": [1, 2]}], "line 2: has no key `labels`"),
        ([{"logits": [1, 2]}, FIRST], "line 2: has `labels`, which the lines before lack"),
        ([{"logits": [1, 2], "labels": 1}], "line 1: `labels` must be a list of 0 and 1"),
        ([{**FIRST, "label": [0, 1]}], "line 1: has both `labels` and `label`"),
    ],
)  # fmt: skip
def test_records_that_do_not_fit(tmp_path, rows, message):
    """Each with its line."""
    assert refusal(records(tmp_path / "a.jsonl", *rows)).startswith(message)


@pytest.mark.parametrize("labels", [".npy", ".npz", ".csv", ".parquet", ".jsonl"])
@pytest.mark.parametrize("scores", [".npy", ".csv"])
def test_labels_of_another_file(tmp_path, scores, labels):
    """A matrix in any format; columns are ordered as the scores, and name those without names."""
    path = tmp_path / f"scores{scores}"
    if scores == ".npy":
        np.save(path, np.array(LOGITS))
    else:
        table(path, {name: column for name, column in COLUMNS.items() if "logit" in name})
    other = tmp_path / f"labels{labels}"
    if labels == ".npy":
        np.save(other, LABELS)
    elif labels == ".npz":
        np.savez(other, labels=LABELS)
    elif labels == ".jsonl":
        records(other, *({"labels": row} for row in LABELS))
    else:
        table(other, {"label_dog": COLUMNS["label_dog"], "label_cat": COLUMNS["label_cat"]})
    dataset = read(path, layout="labels", labels=other)
    if scores == ".npy" and labels in {".csv", ".parquet"}:
        assert dataset.classes == ("dog", "cat")
        assert dataset.labels.tolist() == [row[::-1] for row in LABELS]
    else:
        check(dataset, classes=None if scores == ".npy" else ("cat", "dog"))


def test_labels_of_another_file_that_do_not_fit(tmp_path):
    """Other names, other lengths, no labels at all: the message is of the file of labels."""
    path = table(tmp_path / "a.csv", COLUMNS)
    for columns, message in (
        ({"label_cat": [0, 1]}, "'label_dog' is missing"),
        ({"label_cat": [0], "label_dog": [1]}, "`labels` must have one entry per row"),
        ({"id": [0, 1]}, "no column `label_<name>`"),
        ({"label": [0, 1]}, "no columns `label_<name>`"),
    ):
        other = table(tmp_path / "labels.csv", columns)
        with pytest.raises(FileFormatError, match=message) as caught:
            read(path, layout="labels", labels=other)
        assert str(caught.value).startswith(str(other))
    other = table(tmp_path / "labels.csv", {"label_cat": [0, 1]})
    with pytest.raises(FileFormatError, match="--kind multilabel"):
        read(path, labels=other)
    uneven = records(tmp_path / "labels.jsonl", {"labels": [0, 1]}, {"labels": [0]})
    with pytest.raises(FileFormatError, match="line 2: `labels` must be as long as the lines"):
        read(path, layout="labels", labels=uneven)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_dense_outputs_are_arrays(tmp_path, suffix):
    """Other formats have no place for more than two axes."""
    (tmp_path / f"a{suffix}").write_text("x")
    message = refusal(tmp_path / f"a{suffix}", layout="dense")
    assert (
        message
        == "outputs per pixel or token (--class-axis) are read from .npz and .npy and .pt and .pth."
    )


def test_more_axes_than_two_say_what_to_do(tmp_path):
    """The axis of the classes must be named; where it is, any shape is read as it is."""
    path = tmp_path / "a.npz"
    np.savez(path, logits=np.zeros((2, 3, 4, 5)), labels=np.zeros((2, 4, 5)))
    assert refusal(path, layout="rows").endswith("(fit, apply, evaluate and compare take it).")
    dataset = read(path, layout="dense")
    assert (dataset.values.shape, dataset.labels.shape) == ((2, 3, 4, 5), (2, 4, 5))
    np.savez(path, logits=np.zeros(5))
    assert "two axes or more for --class-axis" in refusal(path, layout="dense")
