"""Text tables as spreadsheets write them: marks and encodings are found, told, and can be said."""

import gzip
import json

import numpy as np
import pytest

from temperance.errors import FileFormatError, InvalidInputError
from temperance.readers import Fields, read, read_blocks

VALUES = [[0.25, 0.75], [0.5, 0.5], [1.0, 0.0]]
LABELS = ["ä", "b", "ä"]


def table(delimiter=",", decimal="."):
    """The same rows, with other marks; one class has a letter that is not ASCII."""
    lines = [["prob_ä", "prob_b", "label"]]
    lines += [[*map(str, row), label] for row, label in zip(VALUES, LABELS, strict=True)]
    cells = [[cell.replace(".", decimal) for cell in line] for line in lines]
    return "".join(delimiter.join(line) + "\r\n" for line in cells)


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def check(dataset):
    np.testing.assert_array_equal(dataset.values, VALUES)
    assert list(dataset.labels) == LABELS
    assert dataset.classes == ("ä", "b")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be",
                                      "utf-32"])  # fmt: skip
@pytest.mark.parametrize(
    ("delimiter", "decimal"), [(",", "."), (";", ","), ("\t", ","), ("|", ".")]
)
@pytest.mark.parametrize("packed", [False, True])
def test_what_the_file_shows_is_found(tmp_path, encoding, delimiter, decimal, packed):
    """All combinations, whole and in blocks, packed or not; what is unusual is told, once."""
    path = write(tmp_path / "a.csv", table(delimiter, decimal), encoding)
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    unusual = {
        "--delimiter": delimiter != ",",
        "--decimal": decimal != ".",
        "--encoding": not encoding.startswith("utf-8"),
    }
    for dataset in (read(path), next(iter(read_blocks(path)))):
        check(dataset)
        told = " ".join(dataset.notes)
        assert {option: option in told for option in unusual} == unusual
        assert len(dataset.notes) == any(unusual.values())


def test_utf_32_without_a_mark_is_said(tmp_path):
    """Nothing shows it, and its bytes are no text otherwise."""
    path = write(tmp_path / "a.csv", table(), "utf-32-le")
    with pytest.raises(FileFormatError):
        read(path)
    check(read(path, fields=Fields(encoding="utf-32-le")))


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "mac_roman", "cp850"])
def test_an_encoding_that_nothing_shows_is_asked_for(tmp_path, encoding):
    """The error says how; said, it is read, and no note is needed."""
    path = write(tmp_path / "a.csv", table(), encoding)
    with pytest.raises(FileFormatError, match=r"must be UTF-8 text, .* \(--encoding cp1252 "):
        read(path)
    dataset = read(path, fields=Fields(encoding=encoding))
    check(dataset)
    assert not dataset.notes


def test_a_wrong_encoding_is_refused(tmp_path):
    """UTF-8 bytes are no UTF-16, and an odd number of them is none at all."""
    path = write(tmp_path / "a.csv", table() + "x")
    for encoding in ("utf-16", "ascii"):
        with pytest.raises(FileFormatError, match="as --encoding says"):
            read(path, fields=Fields(encoding=encoding))


def test_a_mark_at_the_start_is_no_text(tmp_path):
    """Also where its encoding is said, in one of several names."""
    path = write(tmp_path / "a.csv", table(), "utf-16")
    for encoding in ("utf-16", "utf-16-le", "UTF16"):
        check(read(path, fields=Fields(encoding=encoding)))
    path = write(tmp_path / "b.csv", table(), "utf-8-sig")
    check(read(path, fields=Fields(encoding="utf-8")))


def test_a_delimiter_that_the_header_hides_can_be_said(tmp_path):
    """A comma in the name of a class is taken for the mark, unless one is said."""
    text = "prob_cat, small;prob_dog;label\n0.25;0.75;dog\n"
    path = write(tmp_path / "a.csv", text)
    with pytest.raises(FileFormatError):
        read(path)
    dataset = read(path, fields=Fields(delimiter=";"))
    assert dataset.classes == ("cat, small", "dog")
    assert not dataset.notes


def test_a_decimal_mark_in_doubt_can_be_said(tmp_path):
    """1,234 is a thousand or a little more than one; the file cannot tell."""
    path = write(tmp_path / "a.csv", "logit;label\n1,234;1\n-2,500;0\n")
    with pytest.raises(FileFormatError, match="say --decimal , for the first"):
        read(path)
    assert read(path, fields=Fields(decimal=",")).values.tolist() == [1.234, -2.5]
    with pytest.raises(FileFormatError, match=r"with the decimal mark '\.', got '1,234'"):
        read(path, fields=Fields(decimal="."))


@pytest.mark.parametrize("n", [3, 200_000])
def test_the_other_mark_is_refused(tmp_path, n):
    """Also in a file that is long enough to be read by pyarrow."""
    path = write(tmp_path / "a.csv", "logit;label\n" + "0.5;1\n" * n)
    with pytest.raises(FileFormatError, match=r"line 2: .* mark ',', got '0\.5'"):
        read(path, fields=Fields(decimal=","))
    assert read(path, fields=Fields(decimal=".")).values.tolist() == [0.5] * n


@pytest.mark.parametrize(
    ("cell", "number"),
    [("0,5", 0.5), ("-1,5e-3", -0.0015), ("7", 7.0), ("52,5%", 0.525), ("-inf", -np.inf)],
)
def test_numbers_with_a_comma_that_is_said(tmp_path, cell, number):
    """Signs, powers, percent and infinity are what they are with a point."""
    path = write(tmp_path / "a.csv", f"prob;label\n{cell};1\n0,25;0\n")
    assert read(path, fields=Fields(decimal=","), kind="logits").values[0] == number


def test_missing_cells_stay_missing(tmp_path):
    """A lone point is what some programs write for none."""
    path = write(tmp_path / "a.csv", "prob;label\n.;1\n0,25;0\n")
    assert read(path, fields=Fields(decimal=","), na="drop").values.tolist() == [0.25]


@pytest.mark.parametrize(
    "said",
    [
        {"delimiter": ""}, {"delimiter": ";;"}, {"delimiter": '"'}, {"delimiter": "\n"},
        {"delimiter": "a"}, {"delimiter": "1"}, {"delimiter": "."}, {"delimiter": 3},
        {"decimal": ";"}, {"decimal": ""}, {"decimal": 1}, {"decimal": ",", "delimiter": ","},
        {"encoding": "klingon"}, {"encoding": "rot13"}, {"encoding": ""}, {"encoding": 8},
    ],
)  # fmt: skip
def test_what_is_no_mark_is_refused(said):
    """In one line that names the argument and the option."""
    with pytest.raises(InvalidInputError, match=rf"^`{next(iter(said))}` \(--{next(iter(said))}\)"):
        Fields(**said)


@pytest.mark.parametrize("said", [{"delimiter": ";"}, {"decimal": ","}, {"encoding": "utf-16"}])
def test_other_files_have_no_marks(tmp_path, said):
    """What is said of text tables is not passed over where there is none."""
    np.savez(tmp_path / "a.npz", logits=np.zeros((2, 2)), labels=[0, 1])
    with pytest.raises(FileFormatError, match=r"is a \.npz file; .* is for \.csv and \.tsv"):
        read(tmp_path / "a.npz", fields=Fields(**said))
    with pytest.raises(FileFormatError, match=r"is for \.csv and \.tsv"):
        next(iter(read_blocks(tmp_path / "a.npz", fields=Fields(**said))))
    (tmp_path / "b.jsonl").write_text("{}\n")
    with pytest.raises(InvalidInputError, match="does not go with a format"):
        read(tmp_path / "b.jsonl", fields=Fields(**said), format="lm-eval")


def test_labels_of_another_file(tmp_path):
    """It may be a spreadsheet too, and is told like one; what is said holds for it as well."""
    rows = "".join(f"{a},{b}\n" for a, b in VALUES)
    scores = write(tmp_path / "a.csv", f"prob_ä,prob_b\n{rows}")
    labels = write(tmp_path / "l.csv", "label;id\n" + "".join(f"{x};1\n" for x in LABELS), "utf-16")
    dataset = read(scores, labels=labels)
    check(dataset)
    assert any("UTF-16" in note and str(labels) in note for note in dataset.notes)
    np.savez(tmp_path / "l.npz", labels=LABELS)
    check(read(scores, labels=tmp_path / "l.npz", fields=Fields(delimiter=",")))


def test_the_command_says_what_it_found(run, tmp_path):
    """On stderr or among the warnings of --json; by option, nothing is left to say."""
    rows = "".join(f"0,{i};0,{10 - i};{'ab'[i % 2]}\n" for i in range(1, 10)) * 20
    write(tmp_path / "a.csv", "prob_a;prob_b;label\n" + rows, "utf-16")
    found = json.loads(run("evaluate", "a.csv", "--quick", "--json").stdout)["warnings"]
    assert any("semicolons, decimal commas and the encoding UTF-16 (found;" in w for w in found)
    said = ("--delimiter", ";", "--decimal", ",", "--encoding", "utf-16")
    told = json.loads(run("evaluate", "a.csv", "--quick", "--json", *said).stdout)["warnings"]
    assert not any("found;" in each for each in told)
    (tmp_path / "t.csv").write_text("prob_a\tprob_b\tlabel\n" + rows.replace(";", "\t"))
    run("evaluate", "t.csv", "--quick", "--delimiter", "tab")
    assert "must be one character" in run("evaluate", "t.csv", "--delimiter", "tabs", code=2).stderr
